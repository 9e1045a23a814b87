/* The keyspace's door: what commands do with keys whatever their type. */
#include "store/store_int.h"

struct store *store_new(uint32_t databases, struct hash_seed seed)
{
    assert(databases > 0);
    struct store *s = mem_calloc(1, sizeof *s);
    s->seed = seed;
    s->db_count = databases;
    s->dbs = mem_calloc(databases, sizeof *s->dbs);
    for (uint32_t i = 0; i < databases; i++)
        s->dbs[i].store = s;
    s->gone = mem_calloc(VERSION_SLOTS, sizeof *s->gone);
    return s;
}

void store_free(struct store *s)
{
    if (!s)
        return;
    for (uint32_t i = 0; i < s->db_count; i++) {
        db_drop(s, i);
        segments_deinit(&s->dbs[i].keys);
        segments_deinit(&s->dbs[i].expiring);
        index_deinit(&s->dbs[i].index);
    }
    while (store_sweep(s, SIZE_MAX))
        ;
    store_track_usage(s, STORE_USAGE_NONE);
    mem_free(s->gone);
    mem_free(s->dbs);
    mem_free(s);
}

static void found_or_missed(struct store_view *v, struct slice key, bool found)
{
    (*(found ? &v->store->stats.hits : &v->store->stats.misses))++;
    if (!found && !v->due_ms) /* with a due key it will be read again */
        store_tell(v, EVENT_MISS, "keymiss", v->db, key);
}

struct store_key *store_find(struct store_view *v, struct slice key)
{
    struct spot at = db_find(v, v->db, key);
    if (!v->writing)
        found_or_missed(v, key, at.k != NULL);
    return at.k;
}

const struct store_key *store_find_tried(struct store_view *v, struct slice key)
{
    return db_find(v, v->db, key).k;
}

bool store_delete(struct store_view *v, struct slice key)
{
    assert(v->writing);
    struct spot at = db_find(v, v->db, key);
    if (!at.k)
        return false;
    versions_deleted(v->store, v->db, at.hash, v->index);
    db_remove(v->store, &at);
    store_tell(v, EVENT_CHANGED, NULL, v->db, key);
    return true;
}

/* Changes the expiry of the key at this spot: heap, digest, address. */
static void set_expiry(struct spot *at, uint64_t at_ms)
{
    uint64_t had = key_at_ms(at->k);
    if (had == at_ms)
        return;
    at->db->digest -= digest_head(at->hash, at->k);
    if (had != STORE_NEVER)
        expiry_remove(at->db, at->k);
    if (key_has_block(at->k))
        key_block(at->k)->at_ms = STORE_NEVER;
    if (at_ms != STORE_NEVER) {
        db_moved(at, key_add_block(at->db, at->k));
        key_block(at->k)->at_ms = at_ms;
        expiry_push(at->db, at->k);
    }
    at->db->digest += digest_head(at->hash, at->k);
}

void store_set_expiry(struct store_view *v, struct store_key **k, uint64_t at_ms)
{
    assert(v->writing);
    struct spot at = db_spot(v->store, v->db, key_slice(*k));
    assert(at.k == *k);
    set_expiry(&at, at_ms);
    db_changed(v, &at);
    *k = at.k;
}

/* Removes what stands at `to` and gives the spot that a new key may take. */
static struct spot make_room(struct store_view *v, uint32_t db, struct slice to)
{
    struct spot at = db_find(v, db, to);
    if (at.k)
        db_remove(v->store, &at);
    return at;
}

static void settle(struct store_view *v, struct spot *at, struct store_key *k, uint64_t at_ms)
{
    db_insert(v, at, k);
    db_changed(v, at);
    db_digest_add(at);
    set_expiry(at, at_ms);
}

void store_rename(struct store_view *v, struct slice from, uint32_t to_db, struct slice to)
{
    assert(v->writing);
    if (to_db == v->db && slice_equal(from, to))
        return;
    struct spot source = db_find(v, v->db, from);
    if (!source.k)
        return;
    struct spot target = make_room(v, to_db, to);
    source = db_spot(v->store, v->db, from); /* making room may have moved it to another place */
    uint64_t at_ms = key_at_ms(source.k);
    struct store_key *old = db_unlink(&source);
    struct store_key *k = key_new(target.db, to, at_ms != STORE_NEVER, old->value_len);
    value_move(target.db, k, source.db, old);
    settle(v, &target, k, at_ms);
    versions_deleted(v->store, v->db, source.hash, v->index);
    store_tell(v, EVENT_CHANGED, NULL, v->db, from);
    key_free(v->store, source.db, old);
}

void store_copy(struct store_view *v, struct slice from, uint32_t to_db, struct slice to)
{
    assert(v->writing);
    if (to_db == v->db && slice_equal(from, to))
        return;
    struct spot source = db_find(v, v->db, from);
    if (!source.k)
        return;
    struct spot target = make_room(v, to_db, to);
    uint64_t at_ms = key_at_ms(source.k);
    struct store_key *k = key_new(target.db, to, at_ms != STORE_NEVER, source.k->value_len);
    value_copy(target.db, k, source.k);
    settle(v, &target, k, at_ms);
}

void store_flush(struct store_view *v, bool all)
{
    assert(v->writing);
    for (uint32_t i = all ? 0 : v->db; i < (all ? v->store->db_count : v->db + 1); i++) {
        versions_flushed(v->store, i, v->index);
        db_drop(v->store, i);
        store_tell(v, EVENT_FLUSHED, NULL, i, slice_of(NULL, 0));
    }
}

void store_swap(struct store_view *v, uint32_t a, uint32_t b)
{
    assert(v->writing);
    struct store *s = v->store;
    if (a == b)
        return;
    versions_swapped(s, a, b, v->index);
    struct store_db held = s->dbs[a];
    s->dbs[a] = s->dbs[b];
    s->dbs[b] = held;
    s->soonest.known = false;
    store_tell(v, EVENT_FLUSHED, NULL, a, slice_of(NULL, 0));
    store_tell(v, EVENT_FLUSHED, NULL, b, slice_of(NULL, 0));
}

size_t store_count(const struct store *s, uint32_t db)
{
    return s->dbs[db].count;
}

size_t store_count_all(const struct store *s)
{
    size_t keys = 0;
    for (uint32_t db = 0; db < store_databases(s); db++)
        keys += store_count(s, db);
    return keys;
}

size_t store_count_expiring(const struct store *s, uint32_t db)
{
    return s->dbs[db].expiring_count;
}

uint32_t store_databases(const struct store *s)
{
    return s->db_count;
}

const struct store_key *store_peek(const struct store *s, uint32_t db, struct slice key)
{
    return db_spot((struct store *)s, db, key).k;
}

struct store_key *store_at(const struct store *s, uint32_t db, size_t i)
{
    assert(i < s->dbs[db].count);
    return db_key(&s->dbs[db], (uint32_t)i);
}

/* A cursor c says: the places below c are still to be visited. Walking down is what makes the promise hold: a
 * key only ever moves when another's removal puts it, the last one, into a lower place. So a key at a place
 * below c stays below c until it is visited; it may be visited twice, when it was above c and came down. New
 * keys go to the end, above c. A cursor beyond the end (keys were removed meanwhile) starts at the end, which
 * is where the rest is. */
uint64_t store_scan(const struct store *s, uint32_t db, uint64_t cursor, size_t count,
                    void (*each)(void *arg, struct store_key *k), void *arg)
{
    const struct store_db *d = &s->dbs[db];
    uint64_t place = cursor == 0 || cursor > d->count ? d->count : cursor;
    for (; place > 0 && count > 0; count--)
        each(arg, db_key(d, (uint32_t)--place));
    return place;
}

struct store_overhead store_overhead(const struct store *s, uint32_t db)
{
    const struct store_db *d = &s->dbs[db];
    return (struct store_overhead){.keys = segments_bytes(&d->keys) + index_bytes(&d->index),
                                   .expiring = segments_bytes(&d->expiring)};
}

size_t store_memory(const struct store *s)
{
    size_t sum = 0;
    for (uint32_t i = 0; i < s->db_count; i++) {
        const struct store_db *d = &s->dbs[i];
        sum += d->memory + segments_bytes(&d->keys) + segments_bytes(&d->expiring) + index_bytes(&d->index);
    }
    return sum;
}

struct store_stats *store_stats(struct store *s)
{
    return &s->stats;
}
