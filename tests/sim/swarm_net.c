/* The shapes in which a network comes apart. */
#include "swarm_int.h"

static void cut_way(struct run *r, uint32_t from, uint32_t to)
{
    if (from != to)
        world_cut_way(r->world, from, to, true);
}

static void cut_both(struct run *r, uint32_t a, uint32_t b)
{
    cut_way(r, a, b);
    cut_way(r, b, a);
}

static void shuffled(struct run *r, uint32_t *order)
{
    uint32_t n = world_count(r->world);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t k = (uint32_t)prng_below(&r->chance, i + 1);
        order[i] = order[k];
        order[k] = i;
    }
}

/* Neighbours in a random order hear each other, nobody else does. */
static void line_up(struct run *r, bool closed)
{
    uint32_t order[WORLD_NODES_MAX], n = world_count(r->world);
    shuffled(r, order);
    for (uint32_t i = 0; i < n; i++)
        for (uint32_t k = i + 2; k < n; k++)
            if (!closed || i > 0 || k < n - 1)
                cut_both(r, order[i], order[k]);
}

/* Two sides; `shared` nodes belong to both. */
static void split(struct run *r, uint32_t shared, bool one_way)
{
    uint32_t order[WORLD_NODES_MAX], n = world_count(r->world);
    shuffled(r, order);
    uint32_t left = 1 + (uint32_t)prng_below(&r->chance, n - shared - 1);
    for (uint32_t i = 0; i < left; i++)
        for (uint32_t k = left + shared; k < n; k++)
            if (one_way)
                cut_way(r, order[i], order[k]);
            else
                cut_both(r, order[i], order[k]);
}

void net_mend(struct run *r)
{
    for (uint32_t a = 0; a < WORLD_NODES_MAX; a++)
        for (uint32_t b = 0; b < WORLD_NODES_MAX; b++)
            world_cut_way(r->world, a, b, false);
    r->cut_until_us = 0;
}

void net_weather(struct run *r)
{
    const struct plan *p = &r->plan;
    world_drop(r->world, (uint32_t)prng_below(&r->chance, p->loss_permille + 1));
    world_late(r->world, (uint32_t)prng_below(&r->chance, p->late_permille + 1), p->late_us);
    world_disorder(r->world, (uint32_t)prng_below(&r->chance, p->disorder_permille + 1));
}

/* The other end of `a`'s link. */
static uint32_t other_than(struct run *r, uint32_t a)
{
    uint32_t b = (uint32_t)prng_below(&r->chance, world_count(r->world) - 1);
    return b + (b >= a);
}

static void flap(struct run *r, uint32_t a)
{
    world_flap(r->world, r->flap.a, r->flap.b, false);
    r->flap.a = a;
    r->flap.b = other_than(r, a);
    r->flap.every_us = storm_log_uniform(r, 2000, 2 * SECOND);
    r->flap.next_us = world_now_us(r->world);
    r->flap.until_us = r->flap.next_us + storm_log_uniform(r, SECOND, 20 * SECOND);
}

void net_flap(struct run *r)
{
    uint64_t now_us = world_now_us(r->world);
    if (r->flap.next_us == 0 || now_us < r->flap.next_us)
        return;
    bool ends = now_us >= r->flap.until_us;
    r->flap.cut = !ends && !r->flap.cut;
    world_flap(r->world, r->flap.a, r->flap.b, r->flap.cut);
    r->flap.next_us = ends ? 0 : now_us + 1 + prng_below(&r->chance, 2 * r->flap.every_us);
}

bool net_fire(struct run *r, enum fault what)
{
    uint32_t n = world_count(r->world), a = storm_victim(r), b;
    if (n < 2 || (n < 3 && (what == FAULT_BRIDGE || what == FAULT_CHAIN || what == FAULT_RING)) ||
        (n < 4 && what == FAULT_RING))
        return false;
    b = other_than(r, a);
    switch (what) {
    case FAULT_RESET:
        world_reset_link(r->world, a, b);
        return true;
    case FAULT_CLOG:
        world_clog(r->world, a, b, storm_log_uniform(r, 5000, 8 * SECOND));
        return true;
    case FAULT_FLAP:
        flap(r, a);
        return true;
    default:
        break;
    }
    if (prng_below(&r->chance, 4)) /* else it comes on top of what is cut already */
        net_mend(r);
    r->cut_until_us = world_now_us(r->world) + storm_log_uniform(r, 20000, r->plan.cut_us);
    switch (what) {
    case FAULT_LINK:
        cut_both(r, a, b);
        return true;
    case FAULT_ONE_WAY:
        if (prng_below(&r->chance, 2))
            cut_way(r, a, b);
        else
            cut_way(r, b, a);
        return true;
    case FAULT_ISOLATE:
        for (uint32_t i = 0; i < n; i++)
            cut_both(r, a, i);
        return true;
    case FAULT_SPLIT:
    case FAULT_SPLIT_ONE_WAY:
        split(r, 0, what == FAULT_SPLIT_ONE_WAY);
        return true;
    case FAULT_BRIDGE:
        split(r, 1, false);
        return true;
    case FAULT_CHAIN:
    case FAULT_RING:
        line_up(r, what == FAULT_RING);
        return true;
    default:
        return false;
    }
}
