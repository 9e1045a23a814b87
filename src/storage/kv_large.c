/* Large values beside RocksDB.
 *
 * What goes through RocksDB is written twice, to the WAL and from the memtable to an SST, and on the way it is copied four
 * times and summed twice. Beside the sync of a small commit that is nothing; for a commit of hundreds of KiB it is what takes the
 * time. So a value from LARGE_BYTES on goes to a file as it is, once, and RocksDB holds where it lies: keys and values
 * apart, as in WiscKey (Lu et al., FAST 2016). RocksDB's own way of that, BlobDB, takes the values through the WAL as
 * well; its ingestion of SSTs made beside it takes ten times as long a commit (tests/bench/README.md).
 *
 *     PATH/values-<number>    values one after the other, nothing between them
 *     reference               the value under the key: u64 number, u64 offset, u64 length
 *
 * - A reference goes to RocksDB after the bytes: in a commit that syncs, after they and the file's name are durable.
 *   What a crash leaves behind them in the file is referred to by nobody.
 * - A process appends to files that it has made itself. The one of the highest number stays, so that no number comes again.
 * - Without sync the disk may have kept a reference and not its bytes. A key whose bytes are not there, because the file
 *   ends before them or is gone, is no key; so that looks like the torn end of a WAL, or like a hole, and whoever reads the log
 *   sees to both.
 * - Sums are not kept here: a block of the journal has its own, and RocksDB has those of the references.
 * - Keys that live on and values that were written later ascend together (kv.h). So what is below a limit lies in files up to the one
 *   that the first reference behind the limit names, and the files before that one can go. */
#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/alloc.h"
#include "storage/kv.h"

enum {
    LARGE_BYTES = 128 << 10, /* below it, the second sync costs more than the second writing */
    FILE_BYTES = 16 << 20,   /* what is given back, and what may stay */
    REFERENCE_BYTES = 24,
    NAME_MAX_BYTES = 32,
    PARTS_MAX = 4,
};

struct reference {
    uint64_t number, offset, len;
};

struct kv_large {
    struct kv kv;
    struct kv *small;
    int dir_fd;
    _Atomic uint64_t number; /* of the newest file; 0: there is none */
    /* the writer's */
    int fd; /* of that file; -1: it is none of ours */
    uint64_t at;
    bool unsynced, unnamed; /* bytes of it, and its name, are not durable */
    bool failed;            /* a put has: the commit says so */
};

struct cursor_large {
    struct kv_cursor cursor;
    struct kv_cursor *small;
    const struct kv_large *store;
    int fd; /* the file read last; -1: none */
    uint64_t number;
    char *value;
    size_t cap;
};

static struct kv_large *self_of(struct kv *kv)
{
    return (struct kv_large *)kv;
}

static void file_name(char out[NAME_MAX_BYTES], uint64_t number)
{
    snprintf(out, NAME_MAX_BYTES, "values-%" PRIu64, number);
}

/* 0: it is none of ours. */
static uint64_t file_number(const char *name)
{
    char again[NAME_MAX_BYTES];
    uint64_t number = 0;
    if (sscanf(name, "values-%" SCNu64, &number) != 1)
        return 0;
    file_name(again, number);
    return strcmp(again, name) == 0 ? number : 0;
}

/* Hands on the number of each file there is; false: errno. */
static bool each_file(const struct kv_large *s,
                      bool (*each)(const struct kv_large *s, uint64_t number, uint64_t *arg), uint64_t *arg)
{
    int fd = openat(s->dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
    if (!d) {
        if (fd >= 0)
            close(fd);
        return false;
    }
    bool good = true;
    for (struct dirent *e; good && (e = readdir(d));) {
        uint64_t number = file_number(e->d_name);
        if (number)
            good = each(s, number, arg);
    }
    int error = errno;
    closedir(d);
    errno = error;
    return good;
}

/* ---- writing -------------------------------------------------------------------------------------------- */

static bool fail(struct kv_large *s, const char *what)
{
    snprintf(s->kv.error, sizeof s->kv.error, "%s a file of large values: %s", what, strerror(errno));
    return false;
}

static bool fail_as_small(struct kv_large *s)
{
    memcpy(s->kv.error, s->small->error, sizeof s->kv.error);
    return false;
}

static bool sync_values(struct kv_large *s)
{
    if ((s->unsynced && fdatasync(s->fd) != 0) || (s->unnamed && fsync(s->dir_fd) != 0))
        return fail(s, "syncing");
    s->unsynced = s->unnamed = false;
    return true;
}

static bool begin_file(struct kv_large *s)
{
    char name[NAME_MAX_BYTES];
    if (s->fd >= 0) {
        if (!sync_values(s))
            return false;
        close(s->fd);
    }
    file_name(name, s->number + 1);
    s->fd = openat(s->dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (s->fd < 0)
        return fail(s, "making");
    s->number++;
    s->at = 0;
    s->unnamed = true;
    return true;
}

/* Leaves out what `n` bytes have taken. */
static void advance(struct iovec *parts, size_t count, size_t n)
{
    for (size_t i = 0; i < count; i++) {
        size_t taken = n < parts[i].iov_len ? n : parts[i].iov_len;
        parts[i].iov_base = (char *)parts[i].iov_base + taken;
        parts[i].iov_len -= taken;
        n -= taken;
    }
}

static bool write_all(struct kv_large *s, const struct slice *parts, size_t count, size_t len)
{
    struct iovec rest[PARTS_MAX];
    for (size_t i = 0; i < count; i++)
        rest[i] = (struct iovec){(char *)(uintptr_t)parts[i].data, parts[i].len};
    while (len > 0) {
        ssize_t n = pwritev(s->fd, rest, (int)count, (off_t)s->at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return fail(s, "writing");
        advance(rest, count, (size_t)n);
        s->at += (uint64_t)n;
        len -= (size_t)n;
    }
    return true;
}

static void put(struct kv *kv, struct slice key, const struct slice *parts, size_t count)
{
    struct kv_large *s = self_of(kv);
    size_t len = 0;
    assert(count <= PARTS_MAX);
    for (size_t i = 0; i < count; i++)
        len += parts[i].len;
    if (len < LARGE_BYTES && len != REFERENCE_BYTES) { /* that long, it would be taken for one */
        s->small->put(s->small, key, parts, count);
        return;
    }
    if (s->failed || ((s->fd < 0 || s->at >= FILE_BYTES) && !begin_file(s))) {
        s->failed = true;
        return;
    }
    char bytes[REFERENCE_BYTES];
    store_u64(bytes, s->number);
    store_u64(bytes + 8, s->at);
    store_u64(bytes + 16, len);
    s->unsynced = true;
    s->failed = !write_all(s, parts, count, len);
    struct slice reference = slice_of(bytes, sizeof bytes);
    s->small->put(s->small, key, &reference, 1);
}

static void del(struct kv *kv, struct slice key)
{
    struct kv *small = self_of(kv)->small;
    small->del(small, key);
}

static bool commit(struct kv *kv, bool sync)
{
    struct kv_large *s = self_of(kv);
    if (s->failed || (sync && !sync_values(s)))
        return false;
    return s->small->commit(s->small, sync) || fail_as_small(s);
}

static bool sync_all(struct kv *kv)
{
    struct kv_large *s = self_of(kv);
    return sync_values(s) && (s->small->sync(s->small) || fail_as_small(s));
}

static bool sync_file(const struct kv_large *s, uint64_t number, uint64_t *unused)
{
    char name[NAME_MAX_BYTES];
    (void)unused;
    file_name(name, number);
    int fd = openat(s->dir_fd, name, O_RDONLY | O_CLOEXEC);
    bool good = fd >= 0 && fdatasync(fd) == 0;
    int error = errno;
    if (fd >= 0)
        close(fd);
    errno = error;
    return good;
}

static bool flush(struct kv *kv)
{
    struct kv_large *s = self_of(kv);
    if (!each_file(s, sync_file, NULL) || fsync(s->dir_fd) != 0)
        return fail(s, "syncing");
    return s->small->flush(s->small) || fail_as_small(s);
}

/* ---- reading -------------------------------------------------------------------------------------------- */

static bool is_reference(struct slice value, struct reference *r)
{
    if (value.len != REFERENCE_BYTES)
        return false;
    *r = (struct reference){load_u64(value.data), load_u64(value.data + 8), load_u64(value.data + 16)};
    return true;
}

static bool open_file(struct cursor_large *c, uint64_t number)
{
    char name[NAME_MAX_BYTES];
    if (c->fd >= 0 && c->number == number)
        return true;
    if (c->fd >= 0)
        close(c->fd);
    file_name(name, number);
    c->number = number;
    c->fd = openat(c->store->dir_fd, name, O_RDONLY | O_CLOEXEC);
    return c->fd >= 0;
}

/* false: they are not there, or, by `failed`, cannot be read. */
static bool read_value(struct cursor_large *c, const struct reference *r)
{
    struct stat st;
    bool good = open_file(c, r->number) && fstat(c->fd, &st) == 0;
    if (good && (r->offset > (uint64_t)st.st_size || r->len > (uint64_t)st.st_size - r->offset))
        return false;
    if (good && r->len > c->cap) {
        c->value = mem_realloc(c->value, r->len);
        c->cap = r->len;
    }
    for (size_t done = 0; good && done < r->len;) {
        ssize_t n = pread(c->fd, c->value + done, r->len - done, (off_t)(r->offset + done));
        good = n > 0 || (n < 0 && errno == EINTR);
        done += n > 0 ? (size_t)n : 0;
    }
    c->cursor.value = slice_of(c->value, r->len);
    c->cursor.failed = !good && errno != ENOENT;
    if (c->cursor.failed)
        snprintf(c->cursor.error, sizeof c->cursor.error, "reading values-%" PRIu64 ": %s", r->number,
                 strerror(errno));
    return good;
}

/* Takes what the small cursor stands on; a key without its bytes is passed over. */
static void look(struct cursor_large *c, void (*pass)(struct kv_cursor *c))
{
    struct kv_cursor *small = c->small;
    struct reference r;
    for (;; pass(small)) {
        c->cursor.valid = small->valid;
        c->cursor.failed = small->failed;
        if (small->failed)
            memcpy(c->cursor.error, small->error, sizeof c->cursor.error);
        if (!small->valid)
            return;
        c->cursor.key = small->key;
        c->cursor.value = small->value;
        if (!is_reference(small->value, &r) || read_value(c, &r))
            return;
        if (c->cursor.failed) {
            c->cursor.valid = false;
            return;
        }
    }
}

static void pass_on(struct kv_cursor *small)
{
    small->next(small);
}

static void pass_back(struct kv_cursor *small)
{
    char before[KV_KEY_BYTES];
    uint64_t key = small->key.len == sizeof before ? load_u64be(small->key.data) : 0;
    small->valid = key > 0;
    if (!small->valid)
        return;
    store_u64be(before, key - 1);
    small->seek_back(small, slice_of(before, sizeof before));
}

static void cursor_seek(struct kv_cursor *cursor, struct slice key)
{
    struct cursor_large *c = (struct cursor_large *)cursor;
    c->small->seek(c->small, key);
    look(c, pass_on);
}

static void cursor_seek_back(struct kv_cursor *cursor, struct slice key)
{
    struct cursor_large *c = (struct cursor_large *)cursor;
    c->small->seek_back(c->small, key);
    look(c, pass_back);
}

static void cursor_next(struct kv_cursor *cursor)
{
    struct cursor_large *c = (struct cursor_large *)cursor;
    c->small->next(c->small);
    look(c, pass_on);
}

static void cursor_close(struct kv_cursor *cursor)
{
    struct cursor_large *c = (struct cursor_large *)cursor;
    c->small->close(c->small);
    if (c->fd >= 0)
        close(c->fd);
    mem_free(c->value);
    mem_free(c);
}

static struct kv_cursor *cursor(struct kv *kv)
{
    struct kv_large *s = self_of(kv);
    struct cursor_large *c = mem_calloc(1, sizeof *c);
    c->cursor.seek = cursor_seek;
    c->cursor.seek_back = cursor_seek_back;
    c->cursor.next = cursor_next;
    c->cursor.close = cursor_close;
    c->small = s->small->cursor(s->small);
    c->store = s;
    c->fd = -1;
    return &c->cursor;
}

/* ---- giving back ---------------------------------------------------------------------------------------- */

static bool note_oldest(const struct kv_large *s, uint64_t number, uint64_t *oldest)
{
    (void)s;
    if (number < *oldest)
        *oldest = number;
    return true;
}

static bool note_newest(const struct kv_large *s, uint64_t number, uint64_t *newest)
{
    (void)s;
    if (number > *newest)
        *newest = number;
    return true;
}

static bool remove_before(const struct kv_large *s, uint64_t number, uint64_t *keep)
{
    char name[NAME_MAX_BYTES];
    file_name(name, number);
    if (number < *keep)
        unlinkat(s->dir_fd, name, 0);
    return true;
}

/* Nothing is lost when it fails: the space is given back the next time. */
static void drop_below(struct kv *kv, struct slice limit)
{
    struct kv_large *s = self_of(kv);
    uint64_t keep = s->number, oldest = keep; /* what is put from now on lies there, or later */
    struct reference r;
    s->small->drop_below(s->small, limit);
    if (!each_file(s, note_oldest, &oldest) || oldest == keep)
        return;
    struct kv_cursor *c = s->small->cursor(s->small);
    for (c->seek(c, limit); c->valid; c->next(c)) {
        if (is_reference(c->value, &r)) {
            keep = r.number < keep ? r.number : keep;
            break;
        }
    }
    if (!c->failed)
        each_file(s, remove_before, &keep);
    c->close(c);
}

static void close_all(struct kv *kv)
{
    struct kv_large *s = self_of(kv);
    s->small->close(s->small);
    if (s->fd >= 0)
        close(s->fd);
    close(s->dir_fd);
    mem_free(s);
}

struct kv *kv_open(const char *path, bool read_only, bool *damaged, char error[KV_ERROR_MAX])
{
    struct kv *small = kv_rocksdb_open(path, read_only, damaged, error);
    if (!small)
        return NULL;
    struct kv_large *s = mem_calloc(1, sizeof *s);
    s->kv = (struct kv){.put = put,
                        .del = del,
                        .commit = commit,
                        .sync = sync_all,
                        .flush = flush,
                        .cursor = cursor,
                        .drop_below = drop_below,
                        .close = close_all};
    s->small = small;
    s->fd = -1;
    s->dir_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    uint64_t newest = 0;
    if (s->dir_fd >= 0 && each_file(s, note_newest, &newest)) {
        s->number = newest;
        return &s->kv;
    }
    snprintf(error, KV_ERROR_MAX, "%.150s: %s", path, strerror(errno));
    small->close(small);
    if (s->dir_fd >= 0)
        close(s->dir_fd);
    mem_free(s);
    *damaged = false;
    return NULL;
}
