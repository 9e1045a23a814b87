/* A database: its array, index and heap, changed together so that the invariants of store_int.h hold. */
#include "store/store_int.h"

static struct slice key_of_item(const void *item)
{
    return key_slice(item);
}

static struct indexed indexed_by(const struct store_db *db)
{
    return (struct indexed){&db->keys, db->count, key_of_item, db->store->seed};
}

struct spot db_spot(struct store *s, uint32_t db, struct slice key)
{
    assert(db < s->db_count);
    struct spot at = {.db = &s->dbs[db], .hash = key_hash(&s->seed, key)};
    at.place = index_find(&at.db->index, at.hash, &at.db->keys, key_of_item, key);
    at.k = at.place == PLACE_NONE ? NULL : db_key(at.db, at.place);
    return at;
}

static void expire_spot(struct store_view *v, uint32_t db, struct spot *at)
{
    versions_expired(v->store, db, at->hash, at->k);
    store_tell(v, EVENT_CHANGED, "expired", db, key_slice(at->k));
    store_tell(v, EVENT_EXPIRED, "expired", db, key_slice(at->k));
    db_remove(v->store, at);
    v->store->stats.expired++;
}

static void note_due(struct store_view *v, const struct store_key *k)
{
    uint64_t due_ms = key_at_ms(k) + v->lingers_ms;
    if (!v->due_ms || due_ms < v->due_ms)
        v->due_ms = due_ms;
}

struct spot db_find(struct store_view *v, uint32_t db, struct slice key)
{
    struct spot at = db_spot(v->store, db, key);
    if (v->store->usage.slots && !v->unused && (at.k || v->writing)) /* what is written will be there */
        usage_touch(&v->store->usage, at.hash, v->now_ms);
    if (!at.k || !key_due(at.k, v))
        return at;
    if (v->writing) {
        expire_spot(v, db, &at);
    } else {
        note_due(v, at.k);
        at.k = NULL;
        at.place = PLACE_NONE;
    }
    return at;
}

void db_insert(struct store_view *v, struct spot *at, struct store_key *k)
{
    struct store_db *db = at->db;
    assert(db->count < KEYS_MAX);
    segments_grow(&db->keys, (size_t)db->count + 1, sizeof(struct store_key *));
    at->place = db->count++;
    at->k = k;
    *db_slot(db, at->place) = k;
    struct indexed of = indexed_by(db);
    index_insert(&db->index, &of, at->hash, at->place);
    store_tell(v, EVENT_NEW, "new", db_number(db), key_slice(k));
}

void db_moved(struct spot *at, struct store_key *k)
{
    if (at->k == k)
        return;
    at->k = k;
    *db_slot(at->db, at->place) = k;
    if (key_at_ms(k) != STORE_NEVER)
        expiry_moved(at->db, k);
}

struct store_key *db_unlink(struct spot *at)
{
    struct store_db *db = at->db;
    struct store_key *k = at->k;
    db_digest_subtract(at);
    if (key_at_ms(k) != STORE_NEVER)
        expiry_remove(db, k);
    uint32_t last = --db->count;
    struct indexed of = indexed_by(db);
    index_remove(&db->index, &of, at->hash, at->place);
    if (at->place != last) {
        struct store_key *moved = db_key(db, last);
        index_move(&db->index, key_hash(&db->store->seed, key_slice(moved)), last, at->place);
        *db_slot(db, at->place) = moved;
    }
    segments_shrink(&db->keys, db->count, sizeof(struct store_key *));
    at->k = NULL;
    at->place = PLACE_NONE;
    return k;
}

void db_remove(struct store *s, struct spot *at)
{
    struct store_key *k = db_unlink(at);
    key_free(s, at->db, k);
}

void db_digest_add(struct spot *at)
{
    at->db->digest += digest_head(at->hash, at->k) + digest_value(at->hash, at->k, 0, SIZE_MAX);
}

void db_digest_subtract(struct spot *at)
{
    at->db->digest -= digest_head(at->hash, at->k) + digest_value(at->hash, at->k, 0, SIZE_MAX);
}

bool store_visible(struct store_view *v, const struct store_key *k)
{
    if (!key_due(k, v))
        return true;
    if (!v->writing)
        note_due(v, k);
    return false;
}

uint64_t store_next_expiry_ms(const struct store *s)
{
    return expiry_soonest(s).at_ms;
}

uint64_t store_next_due_ms(const struct store_view *v)
{
    uint64_t at_ms = store_next_expiry_ms(v->store);
    return at_ms == STORE_NEVER ? STORE_NEVER : at_ms + v->lingers_ms;
}

size_t store_expire(struct store_view *v, size_t limit)
{
    size_t done = 0;
    for (; done < limit; done++) {
        struct soonest next = expiry_soonest(v->store);
        if (next.at_ms == STORE_NEVER || next.at_ms + v->lingers_ms > v->now_ms)
            break;
        struct slice key = key_slice(expiry_first(&v->store->dbs[next.db]).key);
        struct spot at = db_spot(v->store, next.db, key);
        expire_spot(v, next.db, &at);
    }
    return done;
}
