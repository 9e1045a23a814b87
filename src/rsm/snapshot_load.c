/* Loading a snapshot, or a dump of stock Redis, from pieces of any size. Bytes wait in `pending` until a
 * whole record (an opcode and what belongs to it) is there: the first look only measures, so a piece costs no
 * more than its size. How long a collection is only reading it tells; one that is not all there yet is tried again once a
 * quarter more has come, so that all tries together cost a few times its size. Everything goes into a new rsm; a file that turns out bad leaves nothing but the words
 * why. */
#include "rsm/rsm_int.h"

#include "base/alloc.h"
#include "base/checksum.h"
#include "rsm/snapshot_load.h"
#include "store/rdb.h"

#include <assert.h>
#include <stdio.h>

#define MAGIC_BYTES 9 /* "REDIS" and four digits */

struct rsm_loader *rsm_loader_new(void)
{
    struct rsm_loader *l = mem_calloc(1, sizeof *l);
    l->r = rsm_new();
    l->digest_version = 1; /* of files that do not say */
    return l;
}

void rsm_loader_free(struct rsm_loader *l)
{
    if (!l)
        return;
    rsm_free(l->r);
    buf_deinit(&l->pending);
    buf_deinit(&l->members);
    buf_deinit(&l->text[0]);
    buf_deinit(&l->text[1]);
    mem_free(l);
}

const char *rsm_loader_error(const struct rsm_loader *l)
{
    return l->error;
}

bool rsm_loader_fail(struct rsm_loader *l, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    if (!l->failed)
        vsnprintf(l->error, sizeof l->error, fmt, args);
    va_end(args);
    l->failed = true;
    return false;
}

/* ---- measuring: how long is what starts here? ---- */

enum extent { WHOLE, MORE, BAD };

static enum extent skip(struct reader *r, uint64_t len)
{
    if (len > reader_left(r))
        return MORE;
    get_raw(r, (size_t)len);
    return WHOLE;
}

/* A length: *special when it is the form of an encoded string instead. */
static enum extent measure_length(struct reader *r, uint64_t *len, bool *special)
{
    if (reader_left(r) == 0)
        return MORE;
    uint8_t first = (uint8_t)*r->at;
    size_t bytes = first >> 6 == 1 ? 2 : first == 0x80 ? 5 : first == 0x81 ? 9 : 1;
    if (first >> 6 == 2 && bytes == 1)
        return BAD;
    if (reader_left(r) < bytes)
        return MORE;
    const uint8_t *at = (const uint8_t *)get_raw(r, bytes).data;
    *special = first >> 6 == 3;
    *len = first >> 6 == 2 ? 0 : first & 63;
    for (size_t i = 1; i < bytes; i++)
        *len = *len << 8 | at[i];
    return *len > RDB_STRING_MAX ? BAD : WHOLE;
}

static enum extent measure_string(struct reader *r)
{
    uint64_t len, packed;
    bool special;
    enum extent e = measure_length(r, &len, &special);
    if (e != WHOLE)
        return e;
    if (!special)
        return skip(r, len);
    if (len < 3)
        return skip(r, (uint64_t)1 << len);
    if (len > 3)
        return BAD;
    if ((e = measure_length(r, &packed, &special)) != WHOLE || special)
        return e == WHOLE ? BAD : e;
    if ((e = measure_length(r, &len, &special)) != WHOLE || special)
        return e == WHOLE ? BAD : e;
    return skip(r, packed);
}

static enum extent measure_lengths(struct reader *r, int count)
{
    enum extent e = WHOLE;
    while (e == WHOLE && count--) {
        uint64_t len;
        bool special = false;
        e = measure_length(r, &len, &special);
        if (e == WHOLE && special)
            e = BAD;
    }
    return e;
}

/* What follows an opcode. BAD: the opcode is not known, or what follows it is malformed. */
static enum extent measure_record(struct reader *r, uint8_t op)
{
    enum extent e;
    switch (op) {
    case RDB_OP_AUX:
        return (e = measure_string(r)) == WHOLE ? measure_string(r) : e;
    case RDB_OP_SELECTDB:
        return measure_lengths(r, 1);
    case RDB_OP_RESIZEDB:
        return measure_lengths(r, 2);
    case RDB_OP_EXPIRETIME_MS:
    case RDB_OP_EOF:
        return skip(r, 8);
    case RDB_OP_EXPIRETIME:
        return skip(r, 4);
    case RDB_OP_IDLE:
        return measure_lengths(r, 1);
    case RDB_OP_FREQ:
        return skip(r, 1);
    case RDB_OP_FUNCTION2:
        return measure_string(r);
    case RDB_TYPE_STRING:
        return (e = measure_string(r)) == WHOLE ? measure_string(r) : e;
    default:
        return store_rdb_knows(op) ? measure_string(r)
                                   : BAD; /* what follows the name only reading it will tell */
    }
}

static const char *value_name(uint8_t op)
{
    static const char *const names[] = {"string", "list",       "set",    "sorted set",
                                        "hash",   "sorted set", "module", "module"};
    if (op < sizeof names / sizeof *names)
        return names[op];
    if (op == RDB_OP_FUNCTION)
        return "function library of a release candidate of Redis 7";
    return op == RDB_OP_MODULE_AUX ? "module" : "compact list, set, hash, sorted set or stream";
}

static bool fail_record(struct rsm_loader *l, uint8_t op)
{
    if (store_rdb_knows(op))
        return rsm_loader_fail(l, "damaged: a malformed value or name at byte %llu",
                               (unsigned long long)l->consumed);
    switch (op) {
    case RDB_OP_AUX:
    case RDB_OP_SELECTDB:
    case RDB_OP_RESIZEDB:
    case RDB_OP_IDLE:
    case RDB_OP_FUNCTION2:
        return rsm_loader_fail(l, "damaged: a malformed length or string at byte %llu",
                               (unsigned long long)l->consumed);
    default:
        return rsm_loader_fail(l, "holds a value of a type that this build does not know: %s (RDB type %u)",
                               value_name(op), op);
    }
}

/* ---- reading whole records ---- */

/* The first record that is not an AUX field: from here on seed and settings are final. */
static void begin_keys(struct rsm_loader *l)
{
    if (l->keys_begun)
        return;
    l->keys_begun = true;
    rsm_settings_limits(&l->r->settings, &l->r->limits);
    store_free(l->r->store);
    l->r->store = store_new((uint32_t)l->r->settings.value[SETTING_DATABASES], l->r->seed);
}

/* A file of ours says in which form a collection lies, one of Redis leaves it to our settings. */
static bool load_key(struct rsm_loader *l, struct reader *r, int type)
{
    struct slice key;
    struct store *s = l->r->store;
    struct store_view view = rsm_view(l->r, 0, l->db);
    view.index = l->floor;
    view.writing = true;
    if (l->ours)
        view.limits = NULL;
    if (!rdb_get_string(r, &l->text[0], &key))
        return rsm_loader_fail(l, "damaged: a malformed key at byte %llu", (unsigned long long)l->consumed);
    size_t before = store_count(s, l->db);
    if (!store_rdb_load(&view, key, type, r, l->expiry_ms)) {
        if (type != RDB_TYPE_STRING && !l->ending)
            return false;
        return rsm_loader_fail(l, "damaged: a malformed value at byte %llu", (unsigned long long)l->consumed);
    }
    if (store_count(s, l->db) == before)
        return rsm_loader_fail(l, "damaged: a key stands twice at byte %llu",
                               (unsigned long long)l->consumed);
    l->expiry_ms = STORE_NEVER;
    return true;
}

/* It loads as it did when it came: what decides that is not a setting. One of stock Redis may not. */
static bool load_library(struct rsm_loader *l, struct reader *r)
{
    struct slice code;
    struct buf error = BUF_EMPTY;
    struct script_engine *e = l->r->scripts.engine;
    if (!rdb_get_string(r, &l->text[0], &code))
        return rsm_loader_fail(l, "damaged: a malformed library of functions");
    struct library *library = library_new(e, code, NULL, &error);
    bool ok = library && libraries_add(&l->r->libraries, e, &library, 1, false, &error);
    if (!ok)
        rsm_loader_fail(l, "holds a library of functions that does not load: %.*s", (int)error.len,
                        error.data);
    if (!ok && library)
        library_free(library);
    buf_deinit(&error);
    return ok;
}

static bool select_db(struct rsm_loader *l, struct reader *r)
{
    uint64_t db;
    rdb_get_length(r, &db);
    if (db >= store_databases(l->r->store))
        return rsm_loader_fail(l, "uses database %llu, but there are only %u (see `databases`)",
                               (unsigned long long)db, store_databases(l->r->store));
    l->db = (uint32_t)db;
    return true;
}

/* The checksum covers everything up to and including the EOF opcode. */
static bool finish_file(struct rsm_loader *l, struct reader *r)
{
    uint64_t stated = get_u64(r);
    uint8_t op = RDB_OP_EOF;
    l->crc = crc64(l->crc, &op, 1);
    if (stated != l->crc && (stated != 0 || l->ours)) /* 0: Redis was told not to compute it */
        return rsm_loader_fail(l, "damaged: the checksum is wrong");
    if (l->ours && !rsm_loader_aux_complete(l))
        return false;
    store_raise_versions(l->r->store, l->floor);
    if (l->ours && l->digest_version == RSM_DIGEST_VERSION && rsm_digest(l->r) != l->digest)
        return rsm_loader_fail(l, "the state it holds has another digest than it says");
    rsm_evict_refresh(l->r); /* only now: being loaded is not being used */
    l->complete = true;
    return true;
}

static bool read_record(struct rsm_loader *l, struct reader *r, uint8_t op)
{
    uint64_t unused;
    if (op == RDB_OP_AUX) {
        struct slice name, value;
        if (!rdb_get_string(r, &l->text[0], &name) || !rdb_get_string(r, &l->text[1], &value))
            return rsm_loader_fail(l, "damaged: a malformed AUX field");
        return rsm_loader_aux(l, name, value);
    }
    begin_keys(l);
    switch (op) {
    case RDB_OP_SELECTDB:
        return select_db(l, r);
    case RDB_OP_FUNCTION2:
        return load_library(l, r);
    case RDB_OP_RESIZEDB:
        rdb_get_length(r, &unused);
        rdb_get_length(r, &unused);
        return true;
    case RDB_OP_EXPIRETIME_MS:
        l->expiry_ms = get_u64(r);
        return true;
    case RDB_OP_EXPIRETIME:
        l->expiry_ms = (uint64_t)get_u32(r) * 1000;
        return true;
    case RDB_OP_IDLE:
        rdb_get_length(r, &unused);
        return true;
    case RDB_OP_FREQ:
        get_u8(r);
        return true;
    case RDB_OP_EOF:
        return finish_file(l, r);
    default:
        return load_key(l, r, op);
    }
}

static bool is_collection(uint8_t op)
{
    return op != RDB_TYPE_STRING && store_rdb_knows(op);
}

/* true: a record was taken off the front of `r`. */
static bool next_record(struct rsm_loader *l, struct reader *r)
{
    struct reader measured = *r, body = *r;
    if (reader_left(r) == 0)
        return false;
    uint8_t op = get_u8(&measured);
    enum extent e = measure_record(&measured, op);
    if (e == MORE)
        return false;
    if (e == BAD)
        return fail_record(l, op);
    get_u8(&body);
    if (!read_record(l, &body, op)) {
        l->try_at = reader_left(r) + reader_left(r) / 4;
        return false;
    }
    if (is_collection(op))
        measured.at = body.at;
    if (body.failed || body.at != measured.at)
        return rsm_loader_fail(l, "damaged at byte %llu", (unsigned long long)l->consumed);
    size_t len = (size_t)(measured.at - r->at);
    if (!l->complete)
        l->crc = crc64(l->crc, r->at, len);
    l->consumed += len;
    *r = measured;
    return true;
}

static bool read_magic(struct rsm_loader *l, struct reader *r)
{
    const char *magic = r->at;
    int version = 0;
    if (memcmp(magic, "REDIS", 5))
        return rsm_loader_fail(l, "is not an RDB file");
    for (int i = 5; i < MAGIC_BYTES; i++) {
        if (magic[i] < '0' || magic[i] > '9')
            return rsm_loader_fail(l, "is not an RDB file");
        version = version * 10 + (magic[i] - '0');
    }
    if (version < 5 || version > 10) /* before 5 there was no checksum */
        return rsm_loader_fail(l, "has RDB version %d; 5 to 10 are understood", version);
    l->crc = crc64(0, magic, MAGIC_BYTES);
    l->consumed = MAGIC_BYTES;
    get_raw(r, MAGIC_BYTES);
    return true;
}

bool rsm_loader_feed(struct rsm_loader *l, struct slice piece)
{
    if (l->failed)
        return false;
    if (l->complete && piece.len)
        return rsm_loader_fail(l, "has bytes behind its end");
    buf_append_slice(&l->pending, piece);
    struct reader r = reader_of(buf_slice(&l->pending));
    if (l->consumed == 0 && (reader_left(&r) < MAGIC_BYTES || !read_magic(l, &r)))
        return !l->failed;
    if (!l->ending && l->pending.len < l->try_at)
        return true;
    l->try_at = 0;
    while (!l->complete && next_record(l, &r))
        ;
    if (l->complete && reader_left(&r))
        rsm_loader_fail(l, "has bytes behind its end");
    buf_drop_front(&l->pending, l->pending.len - reader_left(&r));
    return !l->failed;
}

struct rsm *rsm_loader_finish(struct rsm_loader *l, struct rsm_snapshot_meta *meta, struct buf *keep)
{
    struct rsm *r = NULL;
    l->ending = true;
    if (rsm_loader_feed(l, slice_of(NULL, 0)) && l->complete) {
        r = l->r;
        l->r = NULL;
        buf_truncate(keep, 0);
        buf_append_slice(keep, buf_slice(&l->members));
        *meta = l->meta;
        meta->members = buf_slice(keep);
    }
    rsm_loader_free(l);
    return r;
}
