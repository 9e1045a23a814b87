/* The directory's entries: the journal's store by its generation, removal, publishing a snapshot. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "base/log.h"
#include "storage/storage_int.h"

struct kv *storage_open_kv(const struct storage *s, uint64_t generation, bool *damaged,
                           char error[KV_ERROR_MAX])
{
    char path[PATH_MAX];
    int n = snprintf(path, PATH_MAX, "%s/journal-%" PRIu64, s->dir, generation);
    if (n >= PATH_MAX)
        log_fatal("The path of the directory %s is too long", s->dir);
    struct kv *kv = kv_open(path, false, damaged, error);
    if (kv)
        kv->remover = s->remover;
    return kv;
}

void storage_sync_dir(const struct storage *s)
{
    if (fsync(s->dir_fd) != 0)
        log_fatal("Syncing the directory %s failed: %s", s->dir, strerror(errno));
}

/* A directory without directories in it, as RocksDB's is. */
static void remove_tree(int dir_fd, const char *name)
{
    int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
    if (!d) {
        if (fd >= 0)
            close(fd);
        return;
    }
    for (struct dirent *e; (e = readdir(d));)
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
            unlinkat(fd, e->d_name, 0);
    closedir(d);
    unlinkat(dir_fd, name, AT_REMOVEDIR);
}

static bool journal_generation(const char *name, uint64_t *generation)
{
    char again[64];
    if (sscanf(name, "journal-%" SCNu64, generation) != 1)
        return false;
    snprintf(again, sizeof again, "journal-%" PRIu64, *generation);
    return strcmp(again, name) == 0;
}

void storage_remove_generations(const struct storage *s, uint64_t from, uint64_t to)
{
    int fd = openat(s->dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
    if (!d)
        log_fatal("Reading the directory %s failed: %s", s->dir, strerror(errno));
    for (struct dirent *e; (e = readdir(d));) {
        struct snapshot_id id;
        uint64_t generation;
        if (journal_generation(e->d_name, &generation) && generation >= from && generation < to)
            remove_tree(s->dir_fd, e->d_name);
        else if (snapshot_parse_name(e->d_name, &id) && id.generation >= from && id.generation < to)
            unlinkat(s->dir_fd, e->d_name, 0);
    }
    closedir(d);
}

void storage_snapshot_set_aside(const struct storage *s, const struct snapshot_id *id)
{
    char name[SNAPSHOT_NAME_MAX], aside[SNAPSHOT_NAME_MAX + 16];
    snapshot_name(name, id);
    snprintf(aside, sizeof aside, "%s.damaged", name);
    renameat(s->dir_fd, name, s->dir_fd, aside);
}

bool storage_snapshot_publish(struct storage *s, const char *temp, const struct snapshot_id *id,
                              struct blob *sums)
{
    char name[SNAPSHOT_NAME_MAX];
    snapshot_name(name, id);
    if (renameat(s->dir_fd, temp, s->dir_fd, name) != 0)
        log_fatal("Renaming %s to %s failed: %s", temp, name, strerror(errno));
    storage_sync_dir(s);
    pthread_mutex_lock(&s->lock);
    bool newer = id->generation == s->generation && id->index > s->newest.index;
    struct snapshot_id loser = newer ? s->newest : *id;
    bool same = !newer && id->generation == s->newest.generation && id->index == s->newest.index;
    if (newer || same) {
        blob_unref(s->newest_sums);
        s->newest_sums = sums;
    } else {
        blob_unref(sums);
    }
    if (newer) {
        s->newest = *id;
        s->stats.snapshot_bytes = id->bytes;
    }
    pthread_mutex_unlock(&s->lock);
    if (loser.index && !same) {
        snapshot_name(name, &loser);
        remover_take(s->remover, s->dir_fd, name);
    }
    return newer || same;
}
