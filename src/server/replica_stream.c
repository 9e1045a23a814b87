/* What a replica is sent behind the state, in one of two ways, chosen anew each time its socket has taken what was sent before.
 *
 * In words: the commands that the entries came to (rsm_listener.written), as Redis would send them. They wait in `words`, a bounded
 * number of bytes.
 *
 * By keys, where the words are too many, or do not say all: each key that has changed as it is now, whole (RESTORE, or DEL), all of them as one
 * transaction. So one that is slow is sent less often, not later and later: names are kept meanwhile, no values. Names are noted
 * always, for nobody knows what will be needed.
 *
 * Either way a replica always has the state at some index. `words`, integers little-endian:
 *     u8 'u', u32 bytes of what follows, u32 count    a unit: `count` commands that are one transaction
 *         u32 db, u32 bytes, RESP                     one of them, or beside them: not counted, for alone it needs no transaction
 *     u8 'm', u32 bytes, RESP                         a message */
#include "base/clock.h"
#include "base/number.h"
#include "server/messages.h"
#include "server/replica.h"
#include "store/rdb.h"

enum {
    BEHIND_BYTES = 64 * 1024, /* unsent: more, and the next step waits */
    FLUSHED_KEYS_MAX =
        100000, /* in a database that is sent anew; of more, the replica asks for the state again */
    WORDS_MAX = 1024 * 1024,
    UNIT_HEAD = 1 + 4 + 4,
};
#define WORDS_NO_UNIT SIZE_MAX

static struct dict *names_new(void)
{
    struct hash_seed seed;
    os_random(&seed, sizeof seed); /* clients choose the keys */
    return dict_new(&seed);
}

void replica_begin_stream(struct replica *r)
{
    r->dirty = names_new();
    r->db = -1;
    r->functions = rsm_functions_digest(node_rsm(r->client->server->node));
    r->ready = !r->takes_mark;
    r->unit_at = WORDS_NO_UNIT;
    r->speechless = false;
}

void replica_end_stream(struct replica *r)
{
    if (r->dirty)
        dict_free(r->dirty);
    r->dirty = NULL;
    r->dirty_bytes = 0;
    buf_deinit(&r->words);
}

/* ---- hearing ---- */

static void note(struct replica *r, uint32_t db, char what, struct slice key)
{
    struct buf name = BUF_EMPTY;
    put_u32(&name, db);
    put_u8(&name, (uint8_t)what);
    buf_append_slice(&name, key);
    if (!dict_put(r->dirty, buf_slice(&name), r))
        r->dirty_bytes += name.len + 2 * sizeof(void *);
    buf_deinit(&name);
}

void replicas_hear(struct server *s, enum store_event_class class, const char *event, uint32_t db,
                   struct slice key)
{
    list_for_each(it, &s->replicas)
    {
        struct replica *r = list_entry(it, struct replica, link);
        if (!r->dirty)
            continue;
        if (class == EVENT_FLUSHED && event)
            r->lost = true; /* another state took its place */
        else
            note(r, db, class == EVENT_FLUSHED ? 'd' : 'k', key);
    }
}

static void put_command(struct buf *out, const struct slice *argv, size_t argc)
{
    resp_array(out, argc);
    for (size_t i = 0; i < argc; i++)
        resp_bulk(out, argv[i]);
}

/* Behind a length that is filled in. */
static void add_command(struct buf *out, const struct slice *argv, size_t argc)
{
    size_t at = out->len;
    put_u32(out, 0);
    put_command(out, argv, argc);
    store_u32(out->data + at, (uint32_t)(out->len - at - 4));
}

static size_t words_bytes(const struct slice *argv, size_t argc)
{
    size_t n = 0;
    for (size_t i = 0; i < argc; i++)
        n += argv[i].len + 16;
    return n;
}

static bool has_room(struct replica *r, const struct slice *argv, size_t argc)
{
    if (r->words.len + words_bytes(argv, argc) <= WORDS_MAX)
        return true;
    r->speechless = true;
    r->unit_at = WORDS_NO_UNIT;
    buf_deinit(&r->words);
    return false;
}

static void end_unit(struct replica *r)
{
    if (r->unit_at == WORDS_NO_UNIT)
        return;
    store_u32(r->words.data + r->unit_at + 1, (uint32_t)(r->words.len - r->unit_at - UNIT_HEAD));
    r->unit_at = WORDS_NO_UNIT;
}

static void add_written(struct replica *r, bool counts, uint32_t db, const struct slice *argv, size_t argc)
{
    if (r->speechless || !has_room(r, argv, argc))
        return;
    if (r->unit_at == WORDS_NO_UNIT) {
        r->unit_at = r->words.len;
        put_u8(&r->words, 'u');
        put_u32(&r->words, 0);
        put_u32(&r->words, 0);
    }
    char *count = r->words.data + r->unit_at + 5;
    store_u32(count, load_u32(count) + counts);
    put_u32(&r->words, db);
    add_command(&r->words, argv, argc);
}

void replicas_written(void *arg, enum rsm_writing what, uint32_t db, const struct slice *argv, size_t argc)
{
    struct server *s = arg;
    list_for_each(it, &s->replicas)
    {
        struct replica *r = list_entry(it, struct replica, link);
        if (!r->dirty)
            continue;
        if (what == RSM_WRITES_KEYS)
            r->speechless = true;
        else if (what == RSM_WRITES_END)
            end_unit(r);
        else
            add_written(r, what == RSM_WRITES, db, argv, argc);
    }
}

/* Messages are not part of the state: one that falls behind loses some. In the middle of an entry they come with its unit. */
void replicas_publish(struct server *s, bool shard, struct slice channel, struct slice message)
{
    const struct slice argv[] = {shard ? SLICE_LITERAL("SPUBLISH") : SLICE_LITERAL("PUBLISH"), channel,
                                 message};
    list_for_each(it, &s->replicas)
    {
        struct replica *r = list_entry(it, struct replica, link);
        if (!r->dirty || !has_room(r, argv, 3))
            continue;
        if (r->unit_at != WORDS_NO_UNIT) {
            add_written(r, false, 0, argv, 3);
            continue;
        }
        put_u8(&r->words, 'm');
        add_command(&r->words, argv, 3);
    }
}

/* ---- sending ---- */

static void put_select(struct replica *r, struct buf *out, uint32_t db)
{
    char text[24];
    if (r->db == (int64_t)db)
        return;
    r->db = db;
    resp_array(out, 2);
    resp_bulk_cstr(out, "SELECT");
    resp_bulk(out, slice_of(text, format_i64(text, db)));
}

static void put_word(struct buf *out, const char *word)
{
    resp_array(out, 1);
    resp_bulk_cstr(out, word);
}

static void put_restore(struct buf *out, const struct store_key *k)
{
    char text[24];
    struct buf value = BUF_EMPTY;
    uint64_t at_ms = store_key_expiry_ms(k);
    store_rdb_dump(k, &value);
    resp_array(out, 6);
    resp_bulk_cstr(out, "RESTORE");
    resp_bulk(out, store_key_name(k));
    resp_bulk(out, slice_of(text, format_i64(text, at_ms == STORE_NEVER ? 0 : (int64_t)at_ms)));
    resp_bulk(out, buf_slice(&value));
    resp_bulk_cstr(out, "REPLACE");
    resp_bulk_cstr(out, "ABSTTL");
    buf_deinit(&value);
}

static void put_key(struct replica *r, struct buf *out, uint32_t db, struct slice key)
{
    const struct store_key *k = store_peek(rsm_store(node_rsm(r->client->server->node)), db, key);
    put_select(r, out, db);
    if (k) {
        put_restore(out, k);
        return;
    }
    resp_array(out, 2);
    resp_bulk_cstr(out, "DEL");
    resp_bulk(out, key);
}

/* Emptied, and filled again with what is there: after SWAPDB that may be much. false: too much. */
static bool put_database(struct replica *r, struct buf *out, uint32_t db)
{
    const struct store *store = rsm_store(node_rsm(r->client->server->node));
    size_t count = store_count(store, db);
    if (count > FLUSHED_KEYS_MAX)
        return false;
    put_select(r, out, db);
    put_word(out, "FLUSHDB");
    for (size_t i = 0; i < count; i++)
        put_restore(out, store_at(store, db, i));
    return true;
}

static bool put_dirty(struct replica *r, struct buf *out, char what)
{
    struct slice name;
    for (size_t i = 0; i < dict_count(r->dirty); i++) {
        dict_at(r->dirty, i, &name);
        struct reader in = reader_of(name);
        uint32_t db = get_u32(&in);
        if ((char)get_u8(&in) != what)
            continue;
        if (what == 'k')
            put_key(r, out, db, slice_drop(name, sizeof db + 1));
        else if (!put_database(r, out, db))
            return false;
    }
    return true;
}

/* All of them, in the place of those that it has. */
static void put_functions(struct replica *r, struct buf *out)
{
    const struct rsm *rsm = node_rsm(r->client->server->node);
    struct buf payload = BUF_EMPTY;
    r->functions = rsm_functions_digest(rsm);
    rsm_dump_functions(rsm, &payload);
    resp_array(out, r->functions ? 4 : 2);
    resp_bulk_cstr(out, "FUNCTION");
    resp_bulk_cstr(out, r->functions ? "RESTORE" : "FLUSH");
    if (r->functions) {
        resp_bulk(out, buf_slice(&payload));
        resp_bulk_cstr(out, "FLUSH");
    }
    buf_deinit(&payload);
}

/* In the order in which they were done: what comes later in a transaction may rest on it. */
static void put_unit(struct replica *r, struct buf *out, struct slice unit, uint32_t count)
{
    struct reader in = reader_of(unit);
    if (count > 1) {
        put_select(r, out, load_u32(unit.data));
        put_word(out, "MULTI");
    }
    while (reader_left(&in)) {
        put_select(r, out, get_u32(&in));
        buf_append_slice(out, get_raw(&in, get_u32(&in)));
    }
    if (count > 1)
        put_word(out, "EXEC");
}

/* All that was said; of one who was sent the keys, messages alone. */
static void put_words(struct replica *r, struct buf *out, bool writes)
{
    struct reader in = reader_of(buf_slice(&r->words));
    while (reader_left(&in)) {
        bool message = get_u8(&in) == 'm';
        uint32_t bytes = get_u32(&in), count = message ? 0 : get_u32(&in);
        struct slice body = get_raw(&in, bytes);
        if (message) {
            put_select(r, out, r->db < 0 ? 0 : (uint32_t)r->db);
            buf_append_slice(out, body);
        } else if (writes) {
            put_unit(r, out, body, count);
        }
    }
}

static void put_keys(struct replica *r, struct buf *out, bool functions)
{
    put_word(out, "MULTI");
    if (functions)
        put_functions(r, out);
    r->lost |= !put_dirty(r, out, 'd') || !put_dirty(r, out, 'k');
    put_word(out, "EXEC");
}

static void forget_sent(struct replica *r)
{
    if (r->dirty_bytes) {
        dict_free(r->dirty);
        r->dirty = names_new();
        r->dirty_bytes = 0;
    }
    buf_truncate(&r->words, 0);
    if (r->words.cap > WORDS_MAX / 4)
        buf_deinit(&r->words);
    r->speechless = false;
}

void replica_stream(struct replica *r)
{
    struct client *c = r->client;
    bool functions = rsm_functions_digest(node_rsm(c->server->node)) != r->functions;
    if ((r->dirty_bytes == 0 && r->words.len == 0 && !functions) || !r->ready ||
        client_unsent(c) > BEHIND_BYTES)
        return;
    struct buf *out = client_out(c);
    end_unit(r);
    if (r->speechless)
        put_keys(r, out, functions);
    else if (functions)
        put_functions(r, out);
    put_words(r, out, !r->speechless);
    forget_sent(r);
    client_touch(c);
    client_enforce_limit(c);
}
