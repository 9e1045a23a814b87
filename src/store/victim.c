/* Whom to evict: the best of a few keys taken by chance (Redis's approximated LRU, LFU and TTL). Among keys in a dense array one by
 * chance is a place by chance. */
#include "store/store_int.h"

enum { SAMPLES = 5, TRIES = 4 * SAMPLES };

struct candidate {
    uint32_t db;
    struct store_key *k;
};

static uint32_t count_of(const struct store_db *db, bool volatile_only)
{
    return volatile_only ? db->expiring_count : db->count;
}

static struct candidate by_chance(const struct store *s, bool volatile_only, struct prng *chance)
{
    uint64_t total = 0;
    for (uint32_t i = 0; i < s->db_count; i++)
        total += count_of(&s->dbs[i], volatile_only);
    if (total == 0)
        return (struct candidate){0, NULL};
    uint64_t at = prng_next(chance) % total;
    uint32_t db = 0;
    for (; at >= count_of(&s->dbs[db], volatile_only); db++)
        at -= count_of(&s->dbs[db], volatile_only);
    const struct store_db *d = &s->dbs[db];
    if (!volatile_only)
        return (struct candidate){db, db_key(d, (uint32_t)at)};
    const struct expiry_item *item = segments_at(&d->expiring, (size_t)at, sizeof *item);
    return (struct candidate){db, item->key};
}

/* The larger, the sooner it goes. */
static uint64_t merit(const struct store *s, const struct store_policy *p, const struct candidate *c,
                      uint64_t now_ms)
{
    uint64_t hash = key_hash(&s->seed, key_slice(c->k));
    switch (p->order) {
    case STORE_EVICT_BY_TIME:
        return s->usage.kind == STORE_USAGE_TIME ? usage_idle_s(&s->usage, hash, now_ms) : 0;
    case STORE_EVICT_BY_FREQUENCY:
        return s->usage.kind == STORE_USAGE_FREQUENCY ? 255 - usage_frequency(&s->usage, hash, now_ms) : 0;
    case STORE_EVICT_BY_TTL:
        return UINT64_MAX - key_at_ms(c->k);
    case STORE_EVICT_BY_CHANCE:
        break;
    }
    return 0;
}

struct store_key *store_choose_victim(const struct store *s, const struct store_policy *p, uint64_t now_ms,
                                      struct prng *chance,
                                      bool (*taken)(void *arg, uint32_t db, struct slice key), void *arg,
                                      uint32_t *db)
{
    struct candidate best = {0, NULL};
    uint64_t most = 0;
    for (int looked = 0, tries = 0; looked < SAMPLES && tries < TRIES; tries++) {
        struct candidate c = by_chance(s, p->volatile_only, chance);
        if (!c.k)
            break;
        if (taken(arg, c.db, key_slice(c.k)))
            continue;
        uint64_t own = merit(s, p, &c, now_ms);
        if (!best.k || own > most) {
            best = c;
            most = own;
        }
        looked++;
    }
    *db = best.db;
    return best.k;
}
