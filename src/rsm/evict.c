/* Evictions: the leader chooses, an entry names its choice, and apply takes what is still as it was then. */
#include "rsm/rsm_int.h"

static const struct store_policy policies[] = {
    {true, STORE_EVICT_BY_TIME},    {true, STORE_EVICT_BY_FREQUENCY}, {true, STORE_EVICT_BY_CHANCE},
    {true, STORE_EVICT_BY_TTL},     {false, STORE_EVICT_BY_TIME},     {false, STORE_EVICT_BY_FREQUENCY},
    {false, STORE_EVICT_BY_CHANCE},
}; /* in the order of the setting's choices; the last, noeviction, is not among them */

/* NULL: nothing is evicted. */
static const struct store_policy *policy_of(const struct rsm *r)
{
    uint64_t which = r->settings.value[SETTING_MAXMEMORY_POLICY];
    return which < sizeof policies / sizeof *policies ? &policies[which] : NULL;
}

bool rsm_evicts(const struct rsm *r)
{
    return policy_of(r) != NULL;
}

void rsm_evict_refresh(struct rsm *r)
{
    static const enum store_usage kinds[] = {[STORE_EVICT_BY_TIME] = STORE_USAGE_TIME,
                                             [STORE_EVICT_BY_FREQUENCY] = STORE_USAGE_FREQUENCY,
                                             [STORE_EVICT_BY_CHANCE] = STORE_USAGE_NONE,
                                             [STORE_EVICT_BY_TTL] = STORE_USAGE_NONE};
    const struct store_policy *p = policy_of(r);
    store_track_usage(r->store, p ? kinds[p->order] : STORE_USAGE_NONE);
}

bool rsm_choose_victim(struct rsm *r, uint64_t now_ms, struct prng *chance,
                       bool (*taken)(void *arg, uint32_t db, struct slice key), void *arg,
                       struct rsm_watch *victim, size_t *bytes)
{
    const struct store_policy *p = policy_of(r);
    const struct store_key *k =
        p ? store_choose_victim(r->store, p, now_ms, chance, taken, arg, &victim->db) : NULL;
    if (!k)
        return false;
    struct store_view view = rsm_view(r, now_ms, victim->db);
    victim->key = store_key_name(k);
    victim->version = store_version(&view, victim->key);
    *bytes = store_key_bytes(k);
    return true;
}

/* The leader chose while it could not know what the entries before this one do: a key that changed, or lost its expiry under a
 * policy that takes volatile keys alone, stays. */
void rsm_evict(struct rsm *r, uint64_t index, const struct rsm_request *q)
{
    const struct store_policy *p = policy_of(r);
    for (size_t i = 0; p && i < q->watch_count; i++) {
        const struct rsm_watch *w = &q->watches[i];
        if (w->db >= store_databases(r->store))
            continue;
        struct store_view view = rsm_write_view(r, index, w->db);
        const struct store_key *k = store_find(&view, w->key);
        if (!k || (p->volatile_only && store_key_expiry_ms(k) == STORE_NEVER) ||
            store_version(&view, w->key) != w->version)
            continue;
        store_delete(&view, w->key);
        store_tell(&view, EVENT_EVICTED, "evicted", w->db, w->key);
        if (r->listener.written)
            rsm_written_evicted(r, w->db, w->key);
        store_stats(r->store)->evicted++;
    }
}
