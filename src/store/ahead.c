/* Looking ahead. A lookup waits for memory three times, each time at an address that only the one before tells: the
 * bucket, the place in the array, the key. For keys that are known some requests beforehand these waits run side by
 * side: each step is taken for all of them before the next. */
#include "store/store_int.h"

struct step {
    const struct store_db *db;
    uint64_t hash;
    struct store_key **slot;
};

static void fetch_bucket(struct step *to, const struct store *s, const struct store_ahead *what)
{
    *to = (struct step){NULL, 0, NULL};
    if (what->db >= s->db_count || s->dbs[what->db].count == 0)
        return;
    to->db = &s->dbs[what->db];
    to->hash = key_hash(&s->seed, what->key);
    index_prefetch(&to->db->index, to->hash);
}

static void fetch_slot(struct step *at)
{
    if (!at->db)
        return;
    uint32_t place = index_likely(&at->db->index, at->hash);
    if (place == PLACE_NONE)
        return;
    at->slot = db_slot(at->db, place);
    __builtin_prefetch(at->slot);
}

static void fetch_key(const struct step *at)
{
    if (!at->slot)
        return;
    const char *key = (const char *)*at->slot;
    __builtin_prefetch(key);
    __builtin_prefetch(key + 64);
}

void store_look_ahead(const struct store *s, const struct store_ahead *keys, size_t count)
{
    struct step steps[STORE_AHEAD_MAX];
    assert(count <= STORE_AHEAD_MAX);
    for (size_t i = 0; i < count; i++)
        fetch_bucket(&steps[i], s, &keys[i]);
    for (size_t i = 0; i < count; i++)
        fetch_slot(&steps[i]);
    for (size_t i = 0; i < count; i++)
        fetch_key(&steps[i]);
}
