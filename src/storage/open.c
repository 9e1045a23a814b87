/* Opening a directory: gathers what is there and does what recovery.c decides. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/log.h"
#include "storage/recovery.h"
#include "storage/storage_int.h"

enum { SNAPSHOTS_MAX = 64 };

struct opening {
    struct storage *s;
    struct recovery r;
    struct blob *sums; /* of the snapshot looked at last */
    char *error;
    size_t error_len;
};

static bool fail(struct opening *o, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static bool fail(struct opening *o, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    vsnprintf(o->error, o->error_len, fmt, args);
    va_end(args);
    return false;
}

static bool open_dir(struct opening *o)
{
    struct storage *s = o->s;
    if (mkdir(s->dir, 0750) != 0 && errno != EEXIST)
        return fail(o, "cannot create the directory %s: %s", s->dir, strerror(errno));
    s->dir_fd = open(s->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (s->dir_fd < 0)
        return fail(o, "cannot open the directory %s: %s", s->dir, strerror(errno));
    s->lock_fd = openat(s->dir_fd, "LOCK", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (s->lock_fd < 0)
        return fail(o, "cannot create %s/LOCK: %s", s->dir, strerror(errno));
    if (flock(s->lock_fd, LOCK_EX | LOCK_NB) != 0)
        return fail(o, "the directory %s is in use by another process", s->dir);
    return true;
}

/* Lists snapshots of one generation, newest first; `any`: is there anything that only a node with a vote
 * leaves? */
static size_t list_files(struct storage *s, uint64_t generation, struct snapshot_id out[SNAPSHOTS_MAX],
                         bool *any)
{
    size_t count = 0;
    int fd = openat(s->dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
    if (!d)
        log_fatal("Reading the directory %s failed: %s", s->dir, strerror(errno));
    *any = false;
    for (struct dirent *e; (e = readdir(d));) {
        struct snapshot_id id;
        bool snapshot = snapshot_parse_name(e->d_name, &id);
        *any = *any || snapshot || strncmp(e->d_name, "journal-", 8) == 0;
        if (!snapshot || id.generation != generation || count == SNAPSHOTS_MAX)
            continue;
        size_t at = count++;
        for (; at > 0 && out[at - 1].index < id.index; at--)
            out[at] = out[at - 1];
        out[at] = id;
    }
    closedir(d);
    return count;
}

static bool open_vote(struct opening *o)
{
    struct storage *s = o->s;
    struct snapshot_id ids[SNAPSHOTS_MAX];
    char file[VOTE_FILE_BYTES];
    bool repair, others;
    list_files(s, 0, ids, &others);
    for (;;) {
        enum vote_open state = vote_file_read(&s->vote_fd, s->dir_fd, file, o->error, o->error_len);
        if (state == VOTE_FAILED)
            return false;
        switch (recovery_vote(&o->r, &s->stable, state == VOTE_OPENED ? file : NULL, others, &repair)) {
        case RECOVERY_VOTE_REFUSED:
            return fail(o, "%s: %s", s->dir, o->r.what);
        case RECOVERY_VOTE_BLANK:
            if (!vote_file_create(s->dir_fd, o->error, o->error_len))
                return false;
            continue;
        case RECOVERY_VOTE_GOOD:
            break;
        }
        break;
    }
    if (repair)
        log_line(LOG_WARNING,
                 "One of the two slots of the vote file was old or damaged; the other one counts");
    s->generation = s->stable.record.generation;
    return true;
}

static bool snapshot_whole(void *arg, struct snapshot_id *id)
{
    struct opening *o = arg;
    char name[SNAPSHOT_NAME_MAX];
    snapshot_name(name, id);
    o->sums = snapshot_verify(o->s->dir_fd, name, &id->bytes);
    return o->sums != NULL;
}

static void put_away(void *arg, const struct snapshot_id *id, enum recovery_fate fate)
{
    const struct opening *o = arg;
    char name[SNAPSHOT_NAME_MAX];
    snapshot_name(name, id);
    if (fate == RECOVERY_REMOVE)
        unlinkat(o->s->dir_fd, name, 0);
    else
        storage_snapshot_set_aside(o->s, id);
}

static void find_snapshot(struct opening *o)
{
    struct storage *s = o->s;
    struct snapshot_id ids[SNAPSHOTS_MAX];
    bool any;
    size_t count = list_files(s, s->generation, ids, &any);
    struct recovery_files files = {.arg = o, .whole = snapshot_whole, .put_away = put_away};
    s->newest = recovery_snapshot(&o->r, ids, count, &files);
    s->newest_sums = o->sums;
    if (s->newest.index) {
        char name[SNAPSHOT_NAME_MAX];
        snapshot_name(name, &s->newest);
        int fd = openat(s->dir_fd, name, O_RDONLY | O_CLOEXEC);
        if (fd < 0 || fsync(fd) != 0)
            log_fatal("Syncing %s failed: %s", name, strerror(errno));
        close(fd);
    }
    s->stats.snapshot_bytes = s->newest.bytes;
}

static bool replace_journal(struct opening *o)
{
    struct stable_generation next = recovery_replacement(&o->s->stable);
    char error[KV_ERROR_MAX];
    return storage_next_generation(o->s, &next, error) || fail(o, "cannot make a new journal: %s", error);
}

static bool recover_journal(struct opening *o)
{
    struct storage *s = o->s;
    char error[KV_ERROR_MAX];
    bool damaged = false;
    struct kv *kv = storage_open_kv(s, s->generation, &damaged, error);
    if (!kv && !damaged)
        return fail(o, "cannot open the journal: %s", error);
    switch (recovery_journal(&o->r, &s->stable, kv, error, &s->newest)) {
    case RECOVERY_JOURNAL_REFUSED:
        return fail(o, "%s", o->r.what);
    case RECOVERY_JOURNAL_REPLACE:
        if (!replace_journal(o))
            return false;
        break;
    case RECOVERY_JOURNAL_DROP:
        if (!recovery_drop(&s->stable, &s->newest))
            return fail(o, "cannot write the journal: %s", kv->error);
        break;
    case RECOVERY_JOURNAL_WHOLE:
        break;
    }
    kv = s->stable.journal.kv;
    if (!kv->flush(kv))
        return fail(o, "cannot sync the journal: %s", kv->error);
    storage_sync_dir(s);
    return true;
}

/* false: unknown, which counts as another boot. */
static bool read_boot_id(uint8_t out[16])
{
    char text[64] = {0};
    memset(out, 0, 16);
    int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, text, sizeof text - 1) : -1;
    if (fd >= 0)
        close(fd);
    size_t digits = 0;
    for (ssize_t i = 0; i < n && digits < 32; i++) {
        const char *hex = "0123456789abcdef", *at = strchr(hex, text[i]);
        if (!at || !text[i])
            continue;
        out[digits / 2] = (uint8_t)(out[digits / 2] << 4 | (at - hex));
        digits++;
    }
    return digits == 32;
}

/* Judges by the boot the mark was written in, and settles. */
static void settle(struct opening *o)
{
    struct storage *s = o->s;
    uint8_t boot[16];
    bool same_boot = read_boot_id(boot) && memcmp(boot, s->stable.mark.boot, sizeof boot) == 0;
    recovery_judge(&o->r, &s->stable, same_boot);
    if (!recovery_settle(&o->r, &s->stable, boot, s->fsync))
        log_fatal("Writing the vote file failed");
}

bool storage_recover(struct storage *s, struct storage_found *found, char *error, size_t error_len)
{
    struct opening o = {.s = s, .error = error, .error_len = error_len};
    *found = (struct storage_found){0};
    if (!open_dir(&o) || !open_vote(&o))
        return false;
    unlinkat(s->dir_fd, "vote.tmp", 0);
    unlinkat(s->dir_fd, "snapshot.tmp", 0);
    unlinkat(s->dir_fd, SNAPSHOT_RECEIVE_NAME, 0);
    storage_remove_generations(s, 0, s->generation);
    find_snapshot(&o);
    if (!recover_journal(&o))
        return false;
    settle(&o);
    const struct journal *j = &s->stable.journal;
    *found = (struct storage_found){.vote = s->stable.record.vote,
                                    .short_log_found = o.r.short_log,
                                    .unclean = o.r.unclean,
                                    .snapshot_index = s->newest.index,
                                    .snapshot_term = s->newest.term,
                                    .snapshot_bytes = s->newest.bytes,
                                    .first = j->first,
                                    .last = j->last};
    snprintf(found->what, sizeof found->what, "%s", o.r.what);
    return true;
}
