/* The divergence alarm: the state of one member is changed behind its back. Once the nodes have compared their states that
 * one serves no more, the others do, and it can be replaced. Where it lags, the snapshot of another may come first, and mend
 * it. */
#include "swarm_int.h"

enum { PATIENCE_S = 60, TICK_US = 10000, WRITES = 64, WORD_US = 2000000 };

static bool is_diverged(struct run *r, uint32_t i)
{
    struct node_status s;
    node_status(world_node(r->world, i), &s);
    return s.diverged;
}

/* Ever more is written until it is compared: every so many entries. */
static bool found_out(struct run *r, uint32_t victim)
{
    for (uint64_t us = 0; us < PATIENCE_S * SECOND; us += TICK_US) {
        if (world_leader(r->world) >= 0)
            run_write(r, world_node(r->world, (uint32_t)world_leader(r->world)), WRITES);
        if (!run_until(r, world_now_us(r->world) + TICK_US))
            return false;
        if (is_diverged(r, victim))
            return true;
    }
    run_wrong(r, "node %u has another state than the others, and does not notice", victim);
    return false;
}

/* Another node's snapshot has taken the place of its state, or it has forgotten that this is wrong. */
static bool is_mended(struct run *r, uint32_t members, uint32_t victim)
{
    if (!run_becomes_equal(r, members, world_now_us(r->world) + 10 * SECOND))
        run_wrong(r, "node %u trusts its state again, and it is not that of the others", victim);
    return r->wrong[0] == 0;
}

/* It may finish its sentence, no more. */
static bool is_silent(struct run *r, uint32_t members, uint32_t victim)
{
    if (!run_until(r, world_now_us(r->world) + WORD_US))
        return false;
    run_probe(r);
    for (int tries = 0; tries < 20; tries++) {
        struct node *n = world_node(r->world, victim);
        run_read(r, n, tries % 2);
        if (!run_until(r, world_now_us(r->world) + SECOND / 10))
            return false;
        if (!is_diverged(r, victim))
            return is_mended(r, members, victim);
        if (r->probe_done || node_is_serving(n))
            run_wrong(r, "node %u knows that its state is wrong, and serves", victim);
    }
    return r->wrong[0] == 0;
}

bool swarm_tamper(struct run *r, uint32_t members)
{
    uint32_t victim;
    do
        victim = storm_victim(r);
    while (!(members >> victim & 1));
    world_tamper(r->world, victim);
    world_counts(r->world)->fired[FAULT_TAMPER]++;
    if (!found_out(r, victim) || !is_silent(r, members, victim))
        return false;
    for (uint32_t i = 0; i < world_count(r->world); i++)
        if (i != victim && (members >> i & 1) && is_diverged(r, i))
            run_wrong(r, "node %u is told that its state is wrong, and node %u's is", i, victim);
    admin_lost(r, victim);
    return run_serves(r, members & ~(1u << victim));
}
