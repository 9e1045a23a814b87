/* Making room: while the keyspace is larger than maxmemory, and the policy is to evict, the leader names keys in EVICT entries. What
 * is named counts as gone already, until its entry has been applied and memory itself tells. */
#include "node/node_int.h"

#include "base/alloc.h"
#include "base/checksum.h"

enum {
    VICTIMS_PER_ENTRY = 16,
    VICTIMS_MAX =
        1024, /* named and not yet applied; beyond, writes are refused as they are when none is left */
    VICTIMS_PER_TURN = 64, /* where nobody waits for the room */
    OVERHEAD_BYTES = 16,   /* about what a key takes in the database's tables */
    LEAST_BYTES =
        16, /* of maxmemory: less is no room for anything, as in Redis, where the empty server takes more */
};

static uint64_t victim_hash(uint32_t db, struct slice key)
{
    struct hash_seed seed = {db, 0};
    return siphash(&seed, key.data, key.len);
}

static bool is_named(void *arg, uint32_t db, struct slice key)
{
    const struct evictions *e = &((const struct node *)arg)->evictions;
    uint64_t hash = victim_hash(db, key);
    for (size_t i = 0; i < e->count; i++)
        if (e->named[i].hash == hash)
            return true;
    return false;
}

void evict_forget(struct node *n)
{
    mem_free(n->evictions.named);
    n->evictions = (struct evictions){0};
}

static void drop_applied(struct node *n)
{
    struct evictions *e = &n->evictions;
    size_t kept = 0;
    for (size_t i = 0; i < e->count; i++) {
        if (e->named[i].index > rsm_applied(n->rsm))
            e->named[kept++] = e->named[i];
        else
            e->bytes -= e->named[i].bytes;
    }
    e->count = kept;
}

void node_memory_beside(struct node *n, uint64_t bytes)
{
    n->memory_beside = bytes;
}

static bool is_over(const struct node *n)
{
    uint64_t most = rsm_limits(n->rsm).maxmemory;
    uint64_t used = store_memory(rsm_store(n->rsm)) + n->memory_beside;
    if (most && most < LEAST_BYTES)
        return true;
    return most && used > most && used - most > n->evictions.bytes;
}

static void name(struct node *n, const struct rsm_watch *victim, size_t bytes)
{
    struct evictions *e = &n->evictions;
    if (!e->named)
        e->named = mem_alloc(VICTIMS_MAX * sizeof *e->named);
    e->named[e->count++] =
        (struct eviction){victim_hash(victim->db, victim->key), UINT64_MAX, bytes + OVERHEAD_BYTES};
    e->bytes += bytes + OVERHEAD_BYTES;
}

/* Proposes one entry; the number of keys it names, 0: none is left, or it cannot be proposed. */
static size_t propose_victims(struct node *n)
{
    struct rsm_watch victims[VICTIMS_PER_ENTRY];
    struct evictions *e = &n->evictions;
    size_t count = 0, bytes, before = e->count;
    while (count < VICTIMS_PER_ENTRY && e->count < VICTIMS_MAX && is_over(n) &&
           rsm_choose_victim(n->rsm, node_cluster_ms(n), &n->chance, is_named, n, &victims[count], &bytes))
        name(n, &victims[count++], bytes);
    struct rsm_request req = {.kind = RSM_EVICT, .watches = victims, .watch_count = count};
    bool proposed = count && propose_request(n, &req, NULL);
    for (size_t i = before; i < e->count; i++) {
        e->named[i].index = n->last_stamp_index;
        if (!proposed)
            e->bytes -= e->named[i].bytes;
    }
    if (!proposed)
        e->count = before;
    return proposed ? count : 0;
}

bool evict_make_room(struct node *n)
{
    if (!rsm_evicts(n->rsm))
        return !is_over(n);
    drop_applied(n);
    while (is_over(n))
        if (!propose_victims(n))
            return false;
    return true;
}

bool node_has_room(struct node *n)
{
    if (!n->running || !rsm_limits(n->rsm).maxmemory)
        return true;
    return node_may_serve(n) ? evict_make_room(n) : rsm_evicts(n->rsm) || !is_over(n);
}

bool evict_turn(struct node *n)
{
    if (!node_may_serve(n) || !rsm_evicts(n->rsm) || !rsm_limits(n->rsm).maxmemory)
        return false;
    drop_applied(n);
    size_t named = 0, more = 1;
    for (; named < VICTIMS_PER_TURN && more && is_over(n); named += more)
        more = propose_victims(n);
    return named && more && is_over(n);
}
