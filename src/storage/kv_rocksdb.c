/* RocksDB behind kv.h, tuned for a log: keys arrive in order and leave in order, are read rarely and
 * rewritten hardly ever.
 *
 * A log block (or, of a large one, where it lies: kv_large.c) reaches the WAL, then an SST in level 0. Since blocks
 * arrive in key order the SSTs do not overlap, so RocksDB moves them to level 1 by renaming them in its manifest,
 * without reading them. There whole files are deleted once they lie below the snapshot: no tombstones, no
 * compaction. Memory stays small: two memtables of 4 MiB, a small block cache.
 *
 * WAL recovery mode 2 (point in time): stops at the first thing it cannot read, and says nothing. That the
 * log is whole is for journal_recover and the mark to say. */
#include "storage/kv.h"

#include <errno.h>
#include <rocksdb/c.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/checksum.h"
#include "storage/wal_ahead.h"

/* rocksdb::crc32c::Extend. A distribution builds RocksDB for the oldest processors, where CRC32C goes by tables: a quarter
 * of the journal thread's time. The dynamic linker prefers the program's function of a name to a library's; the sums are
 * the same. Where the library binds to its own, or has renamed it, nobody calls this one. */
uint32_t rocksdb_crc(uint32_t crc, const char *data, size_t len) __asm__("_ZN7rocksdb6crc32c6ExtendEjPKcm");

uint32_t rocksdb_crc(uint32_t crc, const char *data, size_t len)
{
    return crc32c(crc, data, len);
}

enum {
    MEMTABLE_BYTES = 4 << 20,
    BLOCK_CACHE_BYTES = 1 << 20,
    FILE_BYTES = 8 << 20,
    OPEN_FILES = 48,            /* at once, of any number */
    BATCH_KEEP_BYTES = 1 << 20, /* a batch that grew beyond is made anew, so that one big entry does not cost
                                   its size for ever */
    PARTS_MAX = 4,
    CHANGE_BYTES = 32, /* at most, what a change takes in a batch beside its value */
};

struct kv_rocksdb {
    struct kv kv;
    rocksdb_t *db;
    rocksdb_options_t *options;
    rocksdb_writeoptions_t *write, *write_sync;
    rocksdb_readoptions_t *read;
    rocksdb_writebatch_t *batch;
    size_t batch_bytes;
    struct wal_ahead ahead;
};

struct cursor_rocksdb {
    struct kv_cursor cursor;
    rocksdb_iterator_t *it;
};

static struct kv_rocksdb *self_of(struct kv *kv)
{
    return (struct kv_rocksdb *)kv;
}

/* RocksDB hands out an allocated text; true: there was one. */
static bool take_error(char out[KV_ERROR_MAX], char *text)
{
    if (!text)
        return false;
    snprintf(out, KV_ERROR_MAX, "%s", text);
    rocksdb_free(text);
    return true;
}

static void put(struct kv *kv, struct slice key, const struct slice *parts, size_t count)
{
    struct kv_rocksdb *s = self_of(kv);
    const char *data[PARTS_MAX];
    size_t len[PARTS_MAX];
    s->batch_bytes += CHANGE_BYTES;
    if (count > PARTS_MAX)
        abort();
    for (size_t i = 0; i < count; i++) {
        data[i] = parts[i].data;
        len[i] = parts[i].len;
        s->batch_bytes += parts[i].len;
    }
    rocksdb_writebatch_putv(s->batch, 1, &key.data, &key.len, (int)count, data, len);
}

static void del(struct kv *kv, struct slice key)
{
    struct kv_rocksdb *s = self_of(kv);
    s->batch_bytes += CHANGE_BYTES;
    rocksdb_writebatch_delete(s->batch, key.data, key.len);
}

/* The memtable is to go to a file, and the next commit to another WAL. `wait`: it is there on return. */
static bool flush_memtable(struct kv_rocksdb *s, bool wait)
{
    char *error = NULL;
    rocksdb_flushoptions_t *options = rocksdb_flushoptions_create();
    rocksdb_flushoptions_set_wait(options, wait);
    rocksdb_flush(s->db, options, &error);
    rocksdb_flushoptions_destroy(options);
    return !take_error(s->kv.error, error);
}

/* Before anybody hears that it is durable. */
static bool write_ahead(struct kv_rocksdb *s, size_t bytes)
{
    uint64_t memtable = 0;
    (void)rocksdb_property_int(s->db, "rocksdb.cur-size-active-mem-table", &memtable);
    const char *why = wal_ahead_committed(&s->ahead, memtable, bytes);
    if (why)
        snprintf(s->kv.error, KV_ERROR_MAX, "%s", why);
    return !why;
}

static bool commit(struct kv *kv, bool sync)
{
    struct kv_rocksdb *s = self_of(kv);
    char *error = NULL;
    if (!sync && wal_ahead_must_leave(&s->ahead) && !flush_memtable(s, false))
        return false;
    rocksdb_write(s->db, sync ? s->write_sync : s->write, s->batch, &error);
    size_t bytes = s->batch_bytes;
    if (bytes > BATCH_KEEP_BYTES) {
        rocksdb_writebatch_destroy(s->batch);
        s->batch = rocksdb_writebatch_create();
    } else {
        rocksdb_writebatch_clear(s->batch);
    }
    s->batch_bytes = 0;
    return !take_error(kv->error, error) && (!sync || write_ahead(s, bytes));
}

static bool sync_wal(struct kv *kv)
{
    char *error = NULL;
    rocksdb_flush_wal(self_of(kv)->db, 1, &error);
    return !take_error(kv->error, error);
}

static bool flush(struct kv *kv)
{
    return flush_memtable(self_of(kv), true) && sync_wal(kv);
}

static void cursor_look(struct cursor_rocksdb *c)
{
    c->cursor.valid = rocksdb_iter_valid(c->it) != 0;
    if (c->cursor.valid) {
        c->cursor.key.data = rocksdb_iter_key(c->it, &c->cursor.key.len);
        c->cursor.value.data = rocksdb_iter_value(c->it, &c->cursor.value.len);
        return;
    }
    char *error = NULL;
    rocksdb_iter_get_error(c->it, &error);
    if (take_error(c->cursor.error, error))
        c->cursor.failed = true;
}

static void cursor_seek(struct kv_cursor *c, struct slice key)
{
    struct cursor_rocksdb *s = (struct cursor_rocksdb *)c;
    rocksdb_iter_seek(s->it, key.data, key.len);
    cursor_look(s);
}

static void cursor_seek_back(struct kv_cursor *c, struct slice key)
{
    struct cursor_rocksdb *s = (struct cursor_rocksdb *)c;
    rocksdb_iter_seek_for_prev(s->it, key.data, key.len);
    cursor_look(s);
}

static void cursor_next(struct kv_cursor *c)
{
    struct cursor_rocksdb *s = (struct cursor_rocksdb *)c;
    rocksdb_iter_next(s->it);
    cursor_look(s);
}

static void cursor_close(struct kv_cursor *c)
{
    struct cursor_rocksdb *s = (struct cursor_rocksdb *)c;
    rocksdb_iter_destroy(s->it);
    mem_free(s);
}

static struct kv_cursor *cursor(struct kv *kv)
{
    struct kv_rocksdb *s = self_of(kv);
    struct cursor_rocksdb *c = mem_calloc(1, sizeof *c);
    c->cursor.seek = cursor_seek;
    c->cursor.seek_back = cursor_seek_back;
    c->cursor.next = cursor_next;
    c->cursor.close = cursor_close;
    c->it = rocksdb_create_iterator(s->db, s->read);
    return &c->cursor;
}

/* Nothing is lost when it fails: the space is given back the next time. */
static void drop_below(struct kv *kv, struct slice limit)
{
    char *error = NULL;
    char first[1] = {0};
    rocksdb_delete_file_in_range(self_of(kv)->db, first, sizeof first, limit.data, limit.len, &error);
    rocksdb_free(error);
}

uint64_t kv_rocksdb_sequence(struct kv *kv)
{
    return rocksdb_get_latest_sequence_number(self_of(kv)->db);
}

static void close_db(struct kv *kv)
{
    struct kv_rocksdb *s = self_of(kv);
    wal_ahead_close(&s->ahead);
    rocksdb_writebatch_destroy(s->batch);
    rocksdb_close(s->db);
    rocksdb_readoptions_destroy(s->read);
    rocksdb_writeoptions_destroy(s->write);
    rocksdb_writeoptions_destroy(s->write_sync);
    rocksdb_options_destroy(s->options);
    mem_free(s);
}

static void set_table_options(rocksdb_options_t *o)
{
    rocksdb_block_based_table_options_t *table = rocksdb_block_based_options_create();
    rocksdb_cache_t *cache = rocksdb_cache_create_lru(BLOCK_CACHE_BYTES);
    rocksdb_block_based_options_set_block_cache(table, cache);
    rocksdb_block_based_options_set_block_size(table, 16 << 10);
    rocksdb_options_set_block_based_table_factory(o, table);
    rocksdb_cache_destroy(cache);
    rocksdb_block_based_options_destroy(table);
}

static rocksdb_options_t *log_options(void)
{
    rocksdb_options_t *o = rocksdb_options_create();
    rocksdb_options_set_create_if_missing(o, 1);
    rocksdb_options_set_wal_recovery_mode(o, 2);
    rocksdb_options_set_compression(o, rocksdb_no_compression);
    rocksdb_options_set_write_buffer_size(o, MEMTABLE_BYTES);
    rocksdb_options_set_max_write_buffer_number(o, 3);
    rocksdb_options_set_arena_block_size(o, 256 << 10);
    /* One writer, and no writer to be slowed down for the sake of compactions that hardly ever happen. */
    rocksdb_options_set_allow_concurrent_memtable_write(o, 0);
    rocksdb_options_set_level0_file_num_compaction_trigger(o, 2);
    rocksdb_options_set_level0_slowdown_writes_trigger(o, 1000);
    rocksdb_options_set_level0_stop_writes_trigger(o, 2000);
    rocksdb_options_set_soft_pending_compaction_bytes_limit(o, 0);
    rocksdb_options_set_hard_pending_compaction_bytes_limit(o, 0);
    /* Else each file of a long journal stays open, and takes a descriptor from what the server has set aside. */
    rocksdb_options_set_max_open_files(o, OPEN_FILES);
    rocksdb_options_set_num_levels(o, 2);
    rocksdb_options_set_level_compaction_dynamic_level_bytes(o, 0);
    rocksdb_options_set_max_bytes_for_level_base(o, UINT64_C(1) << 50);
    rocksdb_options_set_target_file_size_base(o, FILE_BYTES);
    rocksdb_options_set_max_background_jobs(o, 2);
    rocksdb_options_set_bytes_per_sync(o, 1 << 20);
    rocksdb_options_set_info_log_level(o, 3); /* errors */
    rocksdb_options_set_keep_log_file_num(o, 2);
    rocksdb_options_set_max_log_file_size(o, 1 << 20);
    rocksdb_options_set_stats_dump_period_sec(o, 0);
    rocksdb_options_set_stats_persist_period_sec(o, 0);
    set_table_options(o);
    return o;
}

struct kv *kv_rocksdb_open(const char *path, bool read_only, bool *damaged, char error[KV_ERROR_MAX])
{
    rocksdb_options_t *options = log_options();
    char *text = NULL;
    rocksdb_t *db =
        read_only ? rocksdb_open_for_read_only(options, path, 0, &text) : rocksdb_open(options, path, &text);
    if (take_error(error, text)) {
        /* A file that should be there is damage too; a directory that may not be read is not. */
        *damaged = strncmp(error, "Corruption", 10) == 0 || strstr(error, strerror(ENOENT)) != NULL;
        rocksdb_options_destroy(options);
        return NULL;
    }
    struct kv_rocksdb *s = mem_calloc(1, sizeof *s);
    s->kv = (struct kv){.put = put,
                        .del = del,
                        .commit = commit,
                        .sync = sync_wal,
                        .flush = flush,
                        .cursor = cursor,
                        .drop_below = drop_below,
                        .close = close_db};
    s->db = db;
    s->options = options;
    if (read_only)
        s->ahead.dir_fd = s->ahead.fd = -1;
    else
        wal_ahead_open(&s->ahead, path);
    s->write = rocksdb_writeoptions_create();
    s->write_sync = rocksdb_writeoptions_create();
    rocksdb_writeoptions_set_sync(s->write_sync, 1);
    s->read = rocksdb_readoptions_create();
    rocksdb_readoptions_set_fill_cache(s->read, 0);
    s->batch = rocksdb_writebatch_create();
    return &s->kv;
}
