/* Large values beside RocksDB.
 *
 * What goes through RocksDB is written twice, to the WAL and from the memtable to an SST, and on the way it is copied four
 * times and summed twice. Beside the sync of a small commit that is nothing; for a commit of hundreds of KiB it is what takes the
 * time. So a value from LARGE_BYTES on goes to a file as it is, once, and RocksDB holds where it lies: keys and values
 * apart, as in WiscKey (Lu et al., FAST 2016). RocksDB's own way of that, BlobDB, takes the values through the WAL as
 * well; its ingestion of SSTs made beside it takes ten times as long a commit (tests/bench/README.md).
 *
 *     PATH/values-<number>    records one after the other, nothing between them
 *     reference               the value under the key: u64 number, u64 offset (of the bytes), u64 length
 *
 *      0  u32  magic "KVL1"
 *      4  u32  checksum: CRC32C of bytes 8..48
 *      8  u64  number of the file
 *     16  u64  sequence: changes in RocksDB before this one
 *     24       the key, 8 bytes
 *     32  u64  length of the bytes
 *     40  u32  CRC32C of the bytes
 *     44  u32  1: part of a commit that RocksDB must have, too
 *     48       the bytes
 *
 * - A commit of large values alone is synced once: here. A record says where it belongs, so that of a reference that a power cut took
 *   from RocksDB, whose WAL was not synced, opening makes a new one: the changes that RocksDB has are the first ones
 *   there were, and the records whose sequences follow are the next. A commit that changes something else as well
 *   is synced twice, the bytes first, and its records stand for nothing without their references.
 * - All references to a file are durable before the next one is begun: opening has to look at the newest only.
 * - With sync, a reference goes to RocksDB when the bytes and the file's name are durable. So one without its bytes is damage, for
 *   whoever reads the log to find. What a crash leaves at the end of the file is referred to by nobody.
 * - A process appends to files that it has made itself. The one of the highest number stays, and a file's name is durable before there is a
 *   reference to it, synced or not: so no number comes again, and none of an old reference's bytes are another's.
 * - Without sync the disk may have kept a reference and not its bytes. A key whose bytes are not there, because the file
 *   ends before them or is gone, is no key; so that looks like the torn end of a WAL, or like a hole, and whoever reads the log
 *   sees to both.
 * - Sums are for opening: afterwards, a block of the journal has its own, and RocksDB has those of the references.
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
#include "base/checksum.h"
#include "storage/kv.h"
#include "storage/remover.h"

enum {
    LARGE_BYTES = 16 << 10, /* below it, one more file written costs more than the second writing */
    FILE_BYTES = 16 << 20,  /* what is given back, and what may stay */
    MAGIC = 0x314c564b,     /* "KVL1" */
    AT_SUM = 4,
    AT_NUMBER = 8,
    AT_SEQUENCE = 16,
    AT_KEY = 24,
    AT_LEN = 32,
    AT_BYTES_SUM = 40,
    AT_JOINED = 44,
    HEADER_BYTES = 48,
    REFERENCE_BYTES = 24,
    NAME_MAX_BYTES = 32,
    PARTS_MAX = 4,
};

struct reference {
    uint64_t number, offset, len;
};

/* Of a record whose reference RocksDB has lost. */
struct lost {
    char key[KV_KEY_BYTES];
    struct reference reference;
};

struct kv_large {
    struct kv kv;
    struct kv *small;
    int dir_fd;
    struct lost *lost; /* read only: what could not be given to RocksDB, behind all that it has */
    size_t lost_count;
    _Atomic uint64_t number; /* of the newest file; 0: there is none */
    /* the writer's */
    int fd; /* of that file; -1: it is none of ours */
    uint64_t at;
    bool unsynced;      /* bytes of it are not durable */
    bool failed;        /* a put has: the commit says so */
    uint64_t sequence;  /* of the commit's first change */
    unsigned puts;      /* large ones in this commit */
    bool mixed;         /* and others */
    bool behind, owing; /* RocksDB's WAL has something that is not durable there; that is durable nowhere */
};

struct cursor_large {
    struct kv_cursor cursor;
    struct kv_cursor *small;
    const struct kv_large *store;
    size_t lost; /* comes next, when the small one is through */
    int fd;      /* the file read last; -1: none */
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
    if (s->unsynced && fdatasync(s->fd) != 0)
        return fail(s, "syncing");
    s->unsynced = false;
    return true;
}

static bool sync_small(struct kv_large *s)
{
    if (!s->small->sync(s->small))
        return fail_as_small(s);
    s->behind = s->owing = false;
    return true;
}

/* What was allocated and not used is given back. */
static void close_file(struct kv_large *s)
{
    if (s->fd < 0)
        return;
    if (s->at < FILE_BYTES && ftruncate(s->fd, (off_t)s->at) != 0)
        fail(s, "shortening"); /* it is as long already */
    close(s->fd);
    s->fd = -1;
}

static bool begin_file(struct kv_large *s)
{
    char name[NAME_MAX_BYTES];
    if ((s->fd >= 0 && !sync_values(s)) || (s->behind && !sync_small(s)))
        return false;
    close_file(s);
    file_name(name, s->number + 1);
    s->fd = openat(s->dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (s->fd < 0)
        return fail(s, "making");
    /* Space that is found before costs a sync less. Where it cannot be had, writing will say so. */
    fallocate(s->fd, FALLOC_FL_KEEP_SIZE, 0, FILE_BYTES);
    s->number++;
    s->at = 0;
    return fsync(s->dir_fd) == 0 || fail(s, "syncing the name of");
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

/* `count` parts, PARTS_MAX + 1 at most. */
static bool write_all(struct kv_large *s, const struct slice *parts, size_t count)
{
    struct iovec rest[PARTS_MAX + 1];
    size_t len = 0;
    for (size_t i = 0; i < count; i++) {
        rest[i] = (struct iovec){(char *)(uintptr_t)parts[i].data, parts[i].len};
        len += parts[i].len;
    }
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

static bool write_record(struct kv_large *s, struct slice key, const struct slice *parts, size_t count,
                         size_t len)
{
    char header[HEADER_BYTES];
    struct slice all[PARTS_MAX + 1] = {slice_of(header, sizeof header)};
    uint32_t sum = 0;
    for (size_t i = 0; i < count; i++) {
        all[i + 1] = parts[i];
        sum = crc32c(sum, parts[i].data, parts[i].len);
    }
    store_u32(header, MAGIC);
    store_u64(header + AT_NUMBER, s->number);
    store_u64(header + AT_SEQUENCE, s->sequence + s->puts);
    memcpy(header + AT_KEY, key.data, KV_KEY_BYTES);
    store_u64(header + AT_LEN, len);
    store_u32(header + AT_BYTES_SUM, sum);
    store_u32(header + AT_JOINED, s->mixed);
    store_u32(header + AT_SUM, crc32c(0, header + AT_NUMBER, HEADER_BYTES - AT_NUMBER));
    return write_all(s, all, count + 1);
}

static void put_reference(struct kv_large *s, struct slice key, const struct reference *r)
{
    char bytes[REFERENCE_BYTES];
    store_u64(bytes, r->number);
    store_u64(bytes + 8, r->offset);
    store_u64(bytes + 16, r->len);
    struct slice reference = slice_of(bytes, sizeof bytes);
    s->small->put(s->small, key, &reference, 1);
}

/* A commit's records lie in one file. */
static bool begin_records(struct kv_large *s)
{
    if ((s->fd < 0 || s->at >= FILE_BYTES) && !begin_file(s))
        return false;
    s->sequence = kv_rocksdb_sequence(s->small);
    return true;
}

static void put(struct kv *kv, struct slice key, const struct slice *parts, size_t count)
{
    struct kv_large *s = self_of(kv);
    size_t len = 0;
    assert(count <= PARTS_MAX && key.len == KV_KEY_BYTES);
    for (size_t i = 0; i < count; i++)
        len += parts[i].len;
    bool small = len < LARGE_BYTES && len != REFERENCE_BYTES; /* that long, it would be taken for one */
    if (small && (s->puts == 0 || s->mixed)) { /* else the commit would have to be synced twice */
        s->mixed = true;
        s->small->put(s->small, key, parts, count);
        return;
    }
    if (s->failed || (s->puts == 0 && !begin_records(s))) {
        s->failed = true;
        return;
    }
    struct reference r = {s->number, s->at + HEADER_BYTES, len};
    s->unsynced = true;
    s->failed = !write_record(s, key, parts, count, len);
    s->puts++;
    put_reference(s, key, &r);
}

static void del(struct kv *kv, struct slice key)
{
    struct kv_large *s = self_of(kv);
    assert(s->puts == 0 || s->mixed); /* kv.h: the record before it would come back without it */
    s->mixed = true;
    s->small->del(s->small, key);
}

static bool commit(struct kv *kv, bool sync)
{
    struct kv_large *s = self_of(kv);
    bool alone = s->puts > 0 && !s->mixed, both = sync && (!alone || s->owing);
    s->puts = 0;
    s->mixed = false;
    if (s->failed || (sync && !sync_values(s)))
        return false;
    if (!s->small->commit(s->small, both))
        return fail_as_small(s);
    s->behind = !both;
    s->owing = !both && (!alone || s->owing);
    return true;
}

static bool sync_all(struct kv *kv)
{
    struct kv_large *s = self_of(kv);
    return sync_values(s) && sync_small(s);
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
    if (!s->small->flush(s->small))
        return fail_as_small(s);
    s->behind = s->owing = false;
    return true;
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

static void pass_on(struct kv_cursor *small)
{
    small->next(small);
}

/* What RocksDB has lost follows what it has. */
static void look_at_lost(struct cursor_large *c)
{
    const struct kv_large *s = c->store;
    c->cursor.valid = c->lost < s->lost_count;
    if (!c->cursor.valid)
        return;
    const struct lost *l = &s->lost[c->lost++];
    c->cursor.key = slice_of(l->key, sizeof l->key);
    c->cursor.valid = read_value(c, &l->reference);
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
        else if (!small->valid && pass == pass_on)
            look_at_lost(c);
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

/* How many of the lost keys come before `key`. */
static size_t lost_before(const struct kv_large *s, struct slice key)
{
    size_t n = 0;
    while (n < s->lost_count && memcmp(s->lost[n].key, key.data, KV_KEY_BYTES) < 0)
        n++;
    return n;
}

static void cursor_seek(struct kv_cursor *cursor, struct slice key)
{
    struct cursor_large *c = (struct cursor_large *)cursor;
    c->lost = lost_before(c->store, key);
    c->small->seek(c->small, key);
    look(c, pass_on);
}

static void cursor_seek_back(struct kv_cursor *cursor, struct slice key)
{
    struct cursor_large *c = (struct cursor_large *)cursor;
    const struct kv_large *s = c->store;
    size_t before = lost_before(s, key);
    bool on = before < s->lost_count && memcmp(s->lost[before].key, key.data, KV_KEY_BYTES) == 0;
    c->lost = 0;
    if (on || before > 0) {
        key = slice_of(s->lost[on ? before : before - 1].key, KV_KEY_BYTES);
        cursor_seek(cursor, key);
        return;
    }
    c->small->seek_back(c->small, key);
    look(c, pass_back);
}

static void cursor_next(struct kv_cursor *cursor)
{
    struct cursor_large *c = (struct cursor_large *)cursor;
    if (c->small->valid)
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
        remover_take(s->kv.remover, s->dir_fd, name);
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

/* ---- opening -------------------------------------------------------------------------------------------- */

/* The header at `at` of the newest file: of a record that lies there whole, as far as its length says. */
static bool read_header(const struct kv_large *s, int fd, uint64_t at, uint64_t size,
                        char header[HEADER_BYTES])
{
    if (size - at < HEADER_BYTES || pread(fd, header, HEADER_BYTES, (off_t)at) != HEADER_BYTES)
        return false;
    return load_u32(header) == MAGIC &&
           load_u32(header + AT_SUM) == crc32c(0, header + AT_NUMBER, HEADER_BYTES - AT_NUMBER) &&
           load_u64(header + AT_NUMBER) == s->number && load_u64(header + AT_LEN) <= size - at - HEADER_BYTES;
}

static bool bytes_whole(int fd, const struct reference *r, uint32_t sum)
{
    enum { PIECE = 64 << 10 };
    char *piece = mem_alloc(PIECE);
    uint32_t found = 0;
    bool good = true;
    for (uint64_t done = 0; good && done < r->len;) {
        size_t want = r->len - done < PIECE ? r->len - done : PIECE;
        ssize_t n = pread(fd, piece, want, (off_t)(r->offset + done));
        good = n > 0;
        found = good ? crc32c(found, piece, (size_t)n) : found;
        done += good ? (uint64_t)n : 0;
    }
    mem_free(piece);
    return good && found == sum;
}

/* Of the newest file, the records that follow what RocksDB has. false: there may be others, of changes whose predecessors are gone, or
 * were written in part. */
static bool find_lost(struct kv_large *s, int fd, uint64_t size)
{
    char header[HEADER_BYTES];
    uint64_t next = kv_rocksdb_sequence(s->small);
    for (uint64_t at = 0; read_header(s, fd, at, size, header);) {
        struct lost l = {.reference = {s->number, at + HEADER_BYTES, load_u64(header + AT_LEN)}};
        uint64_t sequence = load_u64(header + AT_SEQUENCE);
        at = l.reference.offset + l.reference.len;
        if (load_u32(header + AT_JOINED) || sequence < next)
            continue;
        if (sequence > next)
            return false;
        if (!bytes_whole(fd, &l.reference, load_u32(header + AT_BYTES_SUM)))
            return false;
        memcpy(l.key, header + AT_KEY, KV_KEY_BYTES);
        s->lost = mem_realloc(s->lost, (s->lost_count + 1) * sizeof *s->lost);
        s->lost[s->lost_count++] = l;
        next++;
    }
    return true;
}

/* What was lost becomes RocksDB's again. Records that could be taken for its next changes once there are some must not stay in
 * the newest file. */
static bool mend(struct kv_large *s, bool others)
{
    for (size_t i = 0; i < s->lost_count; i++)
        put_reference(s, slice_of(s->lost[i].key, KV_KEY_BYTES), &s->lost[i].reference);
    if (s->lost_count && !s->small->commit(s->small, true))
        return fail_as_small(s);
    s->lost_count = 0;
    return !others || (begin_file(s) && sync_values(s));
}

static bool look_for_lost(struct kv_large *s, bool read_only)
{
    char name[NAME_MAX_BYTES];
    struct stat st;
    file_name(name, s->number);
    int fd = openat(s->dir_fd, name, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) != 0) {
        fail(s, "opening");
        if (fd >= 0)
            close(fd);
        return false;
    }
    bool others = !find_lost(s, fd, (uint64_t)st.st_size);
    close(fd);
    return read_only || mend(s, others);
}

static void close_all(struct kv *kv)
{
    struct kv_large *s = self_of(kv);
    s->small->close(s->small);
    close_file(s);
    if (s->dir_fd >= 0)
        close(s->dir_fd);
    mem_free(s->lost);
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
    s->behind = s->owing = true; /* of what is found, nothing is known */
    s->dir_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    uint64_t newest = 0;
    bool good = s->dir_fd >= 0 && each_file(s, note_newest, &newest);
    s->number = newest;
    if (!good)
        fail(s, "looking for");
    else if (newest == 0 || look_for_lost(s, read_only))
        return &s->kv;
    snprintf(error, KV_ERROR_MAX, "%.100s: %.150s", path, s->kv.error);
    close_all(&s->kv);
    *damaged = false;
    return NULL;
}
