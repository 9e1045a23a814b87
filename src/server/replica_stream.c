/* What a replica is sent behind the state: no commands as clients gave them, but what has become of the keys that they changed. Each is sent
 * as it is now, whole (RESTORE, or DEL), all that changed in a pass as one transaction, so a replica always has the state at some
 * index. It is equal whatever the commands were, in any version of theirs; and one that is slow is sent less often, not later and
 * later: names are kept meanwhile, no values. The price is that a small change of a large value sends the large value. */
#include "base/clock.h"
#include "base/number.h"
#include "server/messages.h"
#include "server/replica.h"
#include "store/rdb.h"

enum {
    BEHIND_BYTES = 64 * 1024, /* unsent: more, and the next step waits */
    FLUSHED_KEYS_MAX =
        100000, /* in a database that is sent anew; of more, the replica asks for the state again */
};

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
}

void replica_end_stream(struct replica *r)
{
    if (r->dirty)
        dict_free(r->dirty);
    r->dirty = NULL;
    r->dirty_bytes = 0;
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

void replica_stream(struct replica *r)
{
    struct client *c = r->client;
    size_t count = dict_count(r->dirty);
    bool functions = rsm_functions_digest(node_rsm(c->server->node)) != r->functions;
    if ((count == 0 && !functions) || !r->ready || client_unsent(c) > BEHIND_BYTES)
        return;
    struct buf *out = client_out(c);
    put_word(out, "MULTI");
    if (functions)
        put_functions(r, out);
    r->lost |= !put_dirty(r, out, 'd') || !put_dirty(r, out, 'k');
    put_word(out, "EXEC");
    replica_end_stream(r);
    r->dirty = names_new();
    client_touch(c);
    client_enforce_limit(c);
}
