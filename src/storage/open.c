/* Opening a directory: what is there, is it whole, and may this node still stand by what it promised?
 *
 * Nothing is thrown away before the vote file says, durably, that the log is short. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/log.h"
#include "storage/storage_int.h"

enum { SNAPSHOTS_MAX = 64 };

struct opening {
    struct storage *s;
    struct storage_found *found;
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

/* Adds to what is told to people. */
static void tell(struct opening *o, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void tell(struct opening *o, const char *fmt, ...)
{
    char *what = o->found->what;
    size_t room = sizeof o->found->what, len = strlen(what);
    if (len > 0 && len + 2 < room)
        len += (size_t)snprintf(what + len, room - len, "; ");
    va_list args;
    va_start(args, fmt);
    vsnprintf(what + len, room - len, fmt, args);
    va_end(args);
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
    bool repair, any;
    enum vote_open state = vote_file_read(&s->vote, s->dir_fd, &repair, o->error, o->error_len);
    if (state == VOTE_ABSENT) {
        list_files(s, 0, ids, &any);
        if (any)
            return fail(
                o,
                "%s has a journal but no vote file: the identity of this node is gone. Replace it: CLUSTER "
                "FORGET its id, then join with an empty directory",
                s->dir);
        if (!vote_file_create(s->dir_fd, o->error, o->error_len))
            return false;
        state = vote_file_read(&s->vote, s->dir_fd, &repair, o->error, o->error_len);
    }
    if (state != VOTE_OPENED)
        return false;
    if (repair)
        log_line(LOG_WARNING,
                 "One of the two slots of the vote file was old or damaged; the other one counts");
    s->generation = s->vote.record.generation;
    return true;
}

/* The newest whole one. A damaged one is set aside: it is nobody's to install, and not ours to destroy. */
static void find_snapshot(struct opening *o)
{
    struct storage *s = o->s;
    struct snapshot_id ids[SNAPSHOTS_MAX];
    bool any;
    size_t count = list_files(s, s->generation, ids, &any);
    for (size_t i = 0; i < count; i++) {
        char name[SNAPSHOT_NAME_MAX], aside[SNAPSHOT_NAME_MAX + 16];
        snapshot_name(name, &ids[i]);
        if (s->newest.index) {
            unlinkat(s->dir_fd, name, 0);
        } else if (snapshot_verify(s->dir_fd, name, &ids[i].bytes)) {
            s->newest = ids[i];
        } else {
            snprintf(aside, sizeof aside, "%s.damaged", name);
            renameat(s->dir_fd, name, s->dir_fd, aside);
            tell(o, "snapshot %s is damaged", name);
        }
    }
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

static bool open_journal(struct opening *o, struct kv **kv, bool *damaged)
{
    char path[PATH_MAX], error[KV_ERROR_MAX];
    storage_journal_path(o->s, o->s->generation, path);
    *kv = kv_rocksdb_open(path, false, damaged, error);
    if (*kv)
        return true;
    if (!*damaged)
        return fail(o, "cannot open the journal: %s", error);
    tell(o, "the journal cannot be opened: %s", error);
    return true;
}

/* Damage in the middle: the good prefix moves to the next generation, and the vote file says, in the same
 * step that puts it in place, that the log is short. */
static bool replace_journal(struct opening *o)
{
    struct storage_generation next = {.vote = o->s->vote.record.vote, .keep = true, .damaged = true};
    char error[KV_ERROR_MAX];
    next.vote.short_log = true;
    next.vote.short_log_until = 0;
    return storage_next_generation(o->s, &next, error) || fail(o, "cannot make a new journal: %s", error);
}

static bool recover_journal(struct opening *o)
{
    struct storage *s = o->s;
    struct kv *kv;
    bool damaged = false;
    char what[KV_ERROR_MAX];
    if (!open_journal(o, &kv, &damaged))
        return false;
    s->journal = (struct journal){.cluster_id = s->vote.record.vote.cluster_id,
                                  .origin = s->newest.index + 1,
                                  .first = s->newest.index + 1,
                                  .last = s->newest.index,
                                  .last_term = s->newest.term};
    enum journal_state state = JOURNAL_DAMAGED;
    if (kv) {
        state =
            journal_recover(&s->journal, kv, s->journal.cluster_id, s->newest.index, s->newest.term, what);
        if (state == JOURNAL_FOREIGN)
            return fail(o, "%s", what);
        if (state == JOURNAL_DAMAGED)
            tell(o, "%s", what);
    }
    o->found->short_log_found = state == JOURNAL_DAMAGED;
    if (state == JOURNAL_DAMAGED && !replace_journal(o))
        return false;
    struct journal *j = &s->journal;
    if (state == JOURNAL_CONFLICT &&
        (!journal_drop_all(j, s->newest.index, s->newest.term) || !journal_commit(j, true)))
        return fail(o, "cannot write the journal: %s", j->kv->error);
    if (!j->kv->flush(j->kv))
        return fail(o, "cannot sync the journal: %s", j->kv->error);
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

/* Is what was recovered all that was promised? */
static void judge(struct opening *o)
{
    struct storage *s = o->s;
    const struct vote_mark *mark = &s->vote.mark;
    const struct journal *j = &s->journal;
    struct storage_found *found = o->found;
    uint8_t boot[16];
    bool same_boot = read_boot_id(boot) && memcmp(boot, mark->boot, sizeof boot) == 0;
    found->unclean = !s->vote.mark_found || !mark->clean;
    if (!s->vote.mark_found) {
        tell(o, "the mark in the vote file is damaged");
        found->short_log_found = true;
    } else if (journal_ends_before(j->last_term, j->last, mark->term, mark->index)) {
        tell(o,
             "the log ends at index %" PRIu64 " of term %" PRIu64 ", index %" PRIu64 " of term %" PRIu64
             " was promised",
             j->last, j->last_term, mark->index, mark->term);
        found->short_log_found = true;
    }
    if (!mark->clean && s->vote.mark_found && mark->fsync != STORAGE_FSYNC_ALWAYS && !same_boot) {
        tell(o, "the machine went down while appendfsync was not always");
        found->short_log_found = true;
    }
}

/* Writes anew what counts from now on, which also syncs what the last run may have written and not synced. */
static void settle_vote(struct opening *o)
{
    struct storage *s = o->s;
    struct vote_record record = s->vote.record;
    if (o->found->short_log_found) {
        record.vote.short_log = true;
        record.vote.short_log_until = 0;
    }
    vote_file_save(&s->vote, &record);
    struct vote_mark mark = {.term = s->journal.last_term, .index = s->journal.last, .fsync = s->fsync};
    read_boot_id(mark.boot);
    vote_file_set_mark(&s->vote, &mark, true);
}

bool storage_recover(struct storage *s, struct storage_found *found, char *error, size_t error_len)
{
    struct opening o = {s, found, error, error_len};
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
    judge(&o);
    settle_vote(&o);
    found->vote = s->vote.record.vote;
    found->snapshot_index = s->newest.index;
    found->snapshot_term = s->newest.term;
    found->snapshot_bytes = s->newest.bytes;
    found->first = s->journal.first;
    found->last = s->journal.last;
    return true;
}
