/* Looking at a directory without changing it. Unlike recovery, which stops at the first thing that is wrong,
 * this goes on and tells all of it. */
#include "storage/inspect.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/alloc.h"
#include "storage/storage_int.h"

enum { SNAPSHOTS_MAX = 64 };

struct storage_inspection {
    char dir[PATH_MAX];
    int dir_fd, lock_fd;
    char vote[VOTE_FILE_BYTES];
    struct vote_record record;
    bool vote_good;
    struct snapshot_id snapshots[SNAPSHOTS_MAX];
    bool whole[SNAPSHOTS_MAX];
    size_t snapshot_count;
};

static bool open_dir(struct storage_inspection *i, char *error, size_t error_len)
{
    i->dir_fd = open(i->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (i->dir_fd < 0) {
        snprintf(error, error_len, "cannot open the directory %s: %s", i->dir, strerror(errno));
        return false;
    }
    int fd = openat(i->dir_fd, "vote", O_RDONLY | O_CLOEXEC);
    if (fd < 0 || pread(fd, i->vote, sizeof i->vote, 0) < 0) {
        snprintf(error, error_len, "%s does not hold a node: cannot read its vote file: %s", i->dir,
                 strerror(errno));
        if (fd >= 0)
            close(fd);
        return false;
    }
    close(fd);
    i->lock_fd = openat(i->dir_fd, "LOCK", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (i->lock_fd < 0 || flock(i->lock_fd, LOCK_EX | LOCK_NB) != 0) {
        snprintf(error, error_len, "the directory %s is in use: stop the server first", i->dir);
        return false;
    }
    return true;
}

static void list_snapshots(struct storage_inspection *i)
{
    DIR *d = opendir(i->dir);
    for (struct dirent *e; d && (e = readdir(d));) {
        struct snapshot_id id;
        if (!snapshot_parse_name(e->d_name, &id) || id.generation != i->record.generation ||
            i->snapshot_count == SNAPSHOTS_MAX)
            continue;
        size_t at = i->snapshot_count++;
        for (; at > 0 && i->snapshots[at - 1].index < id.index; at--)
            i->snapshots[at] = i->snapshots[at - 1];
        i->snapshots[at] = id;
    }
    if (d)
        closedir(d);
    for (size_t n = 0; n < i->snapshot_count; n++) {
        char name[SNAPSHOT_NAME_MAX];
        snapshot_name(name, &i->snapshots[n]);
        struct blob *sums = snapshot_verify(i->dir_fd, name, &i->snapshots[n].bytes);
        i->whole[n] = sums != NULL;
        blob_unref(sums);
    }
}

struct storage_inspection *storage_inspect(const char *dir, char *error, size_t error_len)
{
    struct storage_inspection *i = mem_calloc(1, sizeof *i);
    bool repair;
    i->dir_fd = i->lock_fd = -1;
    if (strlen(dir) >= PATH_MAX - 64) {
        snprintf(error, error_len, "the directory's path is too long");
        storage_inspect_close(i);
        return NULL;
    }
    snprintf(i->dir, sizeof i->dir, "%s", dir);
    if (!open_dir(i, error, error_len)) {
        storage_inspect_close(i);
        return NULL;
    }
    i->vote_good = vote_choose(i->vote, &i->record, &repair) == VOTE_GOOD;
    if (i->vote_good)
        list_snapshots(i);
    return i;
}

void storage_inspect_close(struct storage_inspection *i)
{
    if (i->lock_fd >= 0)
        close(i->lock_fd);
    if (i->dir_fd >= 0)
        close(i->dir_fd);
    mem_free(i);
}

struct storage_slot storage_inspect_slot(const struct storage_inspection *i, int slot)
{
    struct vote_record r;
    enum vote_state state = vote_decode(i->vote + slot * VOTE_SECTOR, &r);
    return (struct storage_slot){.state = state == VOTE_GOOD      ? STORAGE_SLOT_GOOD
                                          : state == VOTE_DAMAGED ? STORAGE_SLOT_DAMAGED
                                                                  : STORAGE_SLOT_NEWER_FORMAT,
                                 .vote = r.vote,
                                 .sequence = r.sequence,
                                 .generation = r.generation};
}

bool storage_inspect_mark(const struct storage_inspection *i, uint64_t *term, uint64_t *index, bool *clean)
{
    struct vote_mark m;
    bool good = vote_mark_decode(i->vote + 2 * VOTE_SECTOR, &m);
    *term = m.term;
    *index = m.index;
    *clean = m.clean;
    return good;
}

bool storage_inspect_snapshot(const struct storage_inspection *i, size_t n,
                              struct storage_inspected_snapshot *out)
{
    if (n >= i->snapshot_count)
        return false;
    *out = (struct storage_inspected_snapshot){.index = i->snapshots[n].index,
                                               .term = i->snapshots[n].term,
                                               .bytes = i->snapshots[n].bytes,
                                               .whole = i->whole[n]};
    snapshot_name(out->name, &i->snapshots[n]);
    return true;
}

bool storage_inspect_snapshot_head(const struct storage_inspection *i, const char *name, size_t len,
                                   struct buf *out)
{
    int fd = openat(i->dir_fd, name, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t n = pread(fd, buf_reserve(out, len), len, 0);
    close(fd);
    if (n > 0)
        out->len += (size_t)n;
    return n > 0;
}

struct walk {
    void (*entry)(void *arg, const struct raft_frame *frame, bool good);
    void (*problem)(void *arg, const char *what);
    void *arg;
    uint64_t cluster_id;
    uint64_t next, term; /* what the next entry has to be, and its predecessor's term */
    uint32_t checksum;
    bool linked; /* the block before is known */
    size_t problems;
};

static void tell(struct walk *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void tell(struct walk *w, const char *fmt, ...)
{
    char what[512];
    va_list args;
    va_start(args, fmt);
    vsnprintf(what, sizeof what, fmt, args);
    va_end(args);
    w->problems++;
    w->problem(w->arg, what);
}

static void walk_entries(struct walk *w, const struct journal_block *b, uint64_t from)
{
    struct slice rest = b->frames;
    for (uint64_t index = b->first; index <= b->last; index++) {
        struct raft_frame frame, verified;
        if (!raft_entry_read(rest, false, &frame))
            return; /* journal_block_read has walked here before */
        bool good = raft_entry_read(rest, true, &verified);
        w->problems += !good;
        if (index >= from)
            w->entry(w->arg, &frame, good);
        rest = slice_of(rest.data + frame.len, rest.len - frame.len);
    }
}

static void walk_block(struct walk *w, const struct kv_cursor *c, uint64_t from)
{
    struct journal_block b;
    uint64_t key = journal_key_index(c->key);
    const char *wrong = journal_block_read(c->value, &b);
    if (!wrong && b.first != key)
        wrong = "it lies under another's key";
    if (wrong) {
        tell(w, "block at index %" PRIu64 ": %s", key, wrong);
        w->linked = false;
        return;
    }
    if (b.cluster_id != w->cluster_id)
        tell(w, "block at index %" PRIu64 " is of cluster %016" PRIx64, key, b.cluster_id);
    if (b.first > w->next)
        tell(w, "entries %" PRIu64 " to %" PRIu64 " are missing", w->next, b.first - 1);
    else if (w->linked && (b.prev_checksum != w->checksum || b.prev_term != w->term))
        tell(w, "block at index %" PRIu64 " does not follow the block before it", key);
    walk_entries(w, &b, from);
    w->next = b.last + 1;
    w->term = b.last_term;
    w->checksum = b.checksum;
    w->linked = true;
}

/* To the first block that counts: the one that holds the snapshot's entry, or what comes behind. */
static void seek_start(struct kv_cursor *c, uint64_t index)
{
    struct journal_key key = journal_key(index + 1);
    c->seek(c, journal_key_slice(&key));
    if (c->failed || (c->valid && journal_key_index(c->key) == index + 1) || index == 0)
        return;
    struct journal_block b;
    struct journal_key back = journal_key(index);
    c->seek_back(c, journal_key_slice(&back));
    if (!c->valid || journal_block_read(c->value, &b) || b.last <= index)
        c->seek(c, journal_key_slice(&key));
}

static void check_end(const struct storage_inspection *i, struct walk *w)
{
    struct vote_mark mark;
    if (!vote_mark_decode(i->vote + 2 * VOTE_SECTOR, &mark))
        return; /* told with the vote file */
    if (journal_ends_before(w->term, w->next - 1, mark.term, mark.index))
        tell(w,
             "the log ends at index %" PRIu64 " of term %" PRIu64 ", index %" PRIu64 " of term %" PRIu64
             " was promised",
             w->next - 1, w->term, mark.index, mark.term);
}

size_t storage_inspect_journal(const struct storage_inspection *i,
                               void (*entry)(void *arg, const struct raft_frame *frame, bool good),
                               void (*problem)(void *arg, const char *what), void *arg)
{
    struct walk w = {.entry = entry, .problem = problem, .arg = arg, .cluster_id = i->record.vote.cluster_id};
    struct snapshot_id newest = {0};
    for (size_t n = i->snapshot_count; n-- > 0;)
        if (i->whole[n])
            newest = i->snapshots[n];
    w.next = newest.index + 1;
    w.term = newest.term;
    char path[PATH_MAX], error[KV_ERROR_MAX];
    bool damaged;
    int len = snprintf(path, sizeof path, "%s/journal-%" PRIu64, i->dir, i->record.generation);
    struct kv *kv = i->vote_good && len < PATH_MAX ? kv_open(path, true, &damaged, error) : NULL;
    if (!kv) {
        if (i->vote_good && (i->record.sequence > 2 || access(path, F_OK) == 0))
            tell(&w, "the journal cannot be opened: %s", error);
        return w.problems;
    }
    struct kv_cursor *c = kv->cursor(kv);
    for (seek_start(c, newest.index); c->valid; c->next(c))
        walk_block(&w, c, newest.index + 1);
    if (c->failed)
        tell(&w, "what follows index %" PRIu64 " cannot be read: %s", w.next - 1, c->error);
    c->close(c);
    kv->close(kv);
    check_end(i, &w);
    return w.problems;
}
