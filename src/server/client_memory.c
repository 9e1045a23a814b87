/* What a client takes of memory, and the bound on what all do together (maxmemory-clients; they count towards maxmemory, too). Each is weighed whenever it was read
 * from or written to, so that the sum is at hand in every pass; the largest are closed first, and no more than need be. */
#include <stdlib.h>

#include "base/alloc.h"
#include "base/log.h"
#include "server/caches.h"
#include "server/messages.h"

static size_t of_slots(const struct client *c)
{
    size_t bytes = c->ring_cap * sizeof *c->ring;
    for (uint32_t seq = c->head; seq != c->tail; seq++)
        bytes += c->ring[seq & (c->ring_cap - 1)].bytes.cap;
    return bytes;
}

static size_t of_transaction(const struct transaction *t)
{
    return t ? sizeof *t + t->bytes.cap + t->prepared.cap + t->receipts.cap + t->arg_cap * sizeof *t->ends +
                   t->cap * sizeof *t->commands
             : 0;
}

/* What a large buffer has grown beyond what has come are pages that nobody has touched. */
static size_t of_input(const struct client *c)
{
    return c->in.cap > BUFFER_KEPT ? c->in.len : c->in.cap;
}

size_t client_memory(const struct client *c)
{
    size_t parser = c->parser ? sizeof *c->parser + c->parser->cap * 2 * sizeof(struct slice) : 0;
    size_t cache = c->cache ? sizeof *c->cache + c->cache->prefix_bytes : 0;
    return sizeof *c + of_input(c) + c->out.cap + of_slots(c) + parser + of_transaction(c->txn) +
           c->watched_bytes + subscriber_memory(c->subscriber) + cache + replica_pending(c);
}

size_t client_partial(const struct client *c)
{
    return c->parser && c->in.len - c->in_at >= c->parser->at ? c->parser->at : 0;
}

/* As in Redis those count, too, who asked not to be evicted. */
static bool counts(const struct client *c)
{
    return !c->doomed && client_class(c) != CLASS_REPLICA;
}

void client_weigh(struct client *c)
{
    struct server *s = c->server;
    if (!s->weighs)
        return;
    size_t weight = counts(c) ? client_memory(c) : 0;
    size_t spared = c->no_evict ? weight : 0;
    s->clients_weight += weight - c->weight;
    s->spared_weight += spared - c->spared;
    c->weight = weight;
    c->spared = spared;
}

/* 0: none. */
static uint64_t bound(const struct server *s)
{
    uint64_t most = s->config->clients_memory, all = s->limits.maxmemory;
    if (!(most & CONFIG_PERCENT))
        return most;
    most &= ~CONFIG_PERCENT;
    return all / 100 * most + all % 100 * most / 100;
}

static void weigh_all(struct server *s)
{
    s->weighs = true;
    s->clients_weight = s->spared_weight = 0;
    list_for_each(it, &s->everyone)
    {
        struct client *c = list_entry(it, struct client, everyone_link);
        c->weight = c->spared = 0;
        client_weigh(c);
    }
}

static int larger_first(const void *a, const void *b)
{
    size_t x = (*(struct client *const *)a)->weight, y = (*(struct client *const *)b)->weight;
    return (x < y) - (x > y);
}

static void evict(struct server *s, uint64_t most)
{
    struct client **all = mem_alloc(s->client_count * sizeof *all);
    size_t count = 0;
    list_for_each(it, &s->everyone) all[count++] = list_entry(it, struct client, everyone_link);
    qsort(all, count, sizeof(struct client *), larger_first);
    for (size_t i = 0; i < count && all[i]->weight > 0 && s->clients_weight > most; i++) {
        if (all[i]->no_evict)
            continue;
        s->stats.evicted_clients++;
        client_doom(all[i], "all clients together reached maxmemory-clients");
        client_weigh(all[i]);
    }
    mem_free(all);
}

uint64_t clients_memory(const struct server *s)
{
    uint64_t bytes = 0;
    if (s->weighs)
        return s->clients_weight;
    list_for_each(it, &s->everyone)
    {
        const struct client *c = list_entry(it, struct client, everyone_link);
        bytes += counts(c) ? client_memory(c) : 0;
    }
    return bytes;
}

void clients_bound(struct server *s)
{
    uint64_t most = bound(s);
    if (most == 0 && s->limits.maxmemory == 0)
        s->weighs = false;
    else if (!s->weighs)
        weigh_all(s);
    if (most && s->clients_weight > most && s->clients_weight > s->spared_weight)
        evict(s, most);
    if (s->node)
        node_memory_beside(s->node, s->weighs ? s->clients_weight : 0);
}
