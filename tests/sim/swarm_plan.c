/* What a seed draws. Each fault is on or off by itself, so that runs differ in kind: what needs one fault without
 * another is met as well as what needs both. */
#include "swarm.h"

static uint64_t log_uniform(struct prng *p, uint64_t low, uint64_t high)
{
    uint32_t doublings = 0;
    while (low << doublings < high)
        doublings++;
    uint64_t from = low << prng_below(p, doublings + 1);
    uint64_t drawn = from + prng_below(p, from);
    return drawn < high ? drawn : high;
}

static bool one_in(struct prng *p, uint64_t n)
{
    return prng_below(p, n) == 0;
}

/* From a generator of its own: what else a seed draws stays what it was before there were these. */
static void draw_disk_faults(struct plan *p)
{
    struct prng c;
    prng_seed(&c, p->seed ^ 0x6469736b);
    for (int f = 0; f < DISK_FAULTS; f++)
        p->disk[f] = one_in(&c, 2);
}

static void draw_faults(struct plan *p, struct prng *c)
{
    static const uint32_t rare[FAULTS] = {[FAULT_WIPE] = 2};
    for (int f = 0; f < FAULTS; f++)
        p->weight[f] = one_in(c, 2) ? 1 + (uint32_t)prng_below(c, 8) : 0;
    for (int f = 0; f < FAULTS; f++)
        if (rare[f] && p->weight[f] > rare[f])
            p->weight[f] = rare[f];
    p->weight[FAULT_DISK] *= 3; /* for it is many */
    if (one_in(c, 16))          /* a day without a cloud */
        for (int f = 0; f < FAULTS; f++)
            p->weight[f] = 0;
    p->loss_permille = p->weight[FAULT_LOSS] ? (uint32_t)log_uniform(c, 2, 300) : 0;
    p->late_permille = p->weight[FAULT_LATE] ? (uint32_t)log_uniform(c, 1, 50) : 0;
    p->disorder_permille = p->weight[FAULT_OVERTAKES] ? (uint32_t)log_uniform(c, 2, 200) : 0;
    p->late_us = log_uniform(c, 10000, 4 * SECOND);
    p->down_us = log_uniform(c, 20000, 20 * SECOND);
    p->cut_us = log_uniform(c, 100000, 20 * SECOND);
    p->pause_us = log_uniform(c, 10000, 8 * SECOND);
    p->majority_may_go = one_in(c, 2);
    bool comes_and_goes =
        p->weight[FAULT_ADD] || p->weight[FAULT_REMOVE] || p->weight[FAULT_REPLACE] || p->weight[FAULT_WIPE];
    bool jumps = p->weight[FAULT_CLOCK_JUMP] || p->weight[FAULT_CLOCK_DRIFT];
    /* Else only one node's clock is wrong: a majority's word counts. */
    p->clocks_trusted = !jumps || (!comes_and_goes && p->nodes >= 3 && one_in(c, 2));
}

/* Busy minutes, quiet ones, and now and then a long while in which little happens. */
static void draw_load(struct plan *p, struct prng *c)
{
    uint64_t kind = prng_below(c, 16);
    p->clients = 2 + (uint32_t)prng_below(c, 20);
    p->keys = 1 + (uint32_t)prng_below(c, 6);
    if (kind < 9) {
        p->length_us = log_uniform(c, 5 * SECOND, 60 * SECOND);
        p->tempo_us = log_uniform(c, 50000, 2 * SECOND);
        p->think_us = log_uniform(c, 5000, 200000);
    } else if (kind < 15) {
        p->length_us = log_uniform(c, 60 * SECOND, 150 * SECOND);
        p->tempo_us = log_uniform(c, SECOND / 2, 8 * SECOND);
        p->think_us = log_uniform(c, 100000, 4 * SECOND);
    } else {
        p->length_us = log_uniform(c, 240 * SECOND, 900 * SECOND);
        p->tempo_us = log_uniform(c, 4 * SECOND, 60 * SECOND);
        p->think_us = log_uniform(c, SECOND, 20 * SECOND);
    }
    p->big_bytes = one_in(c, 8) ? log_uniform(c, 1000, 20000) : 0;
    p->checkpoint_bytes = one_in(c, 2) ? log_uniform(c, 3000, 200000) : 0;
}

void plan_draw(struct plan *p, uint64_t seed)
{
    static const uint32_t sizes[] = {1, 3, 3, 3, 3, 3, 3, 3, 3, 5, 5, 5, 5, 5, 7};
    struct prng c;
    prng_seed(&c, seed ^ 0x5357);
    *p = (struct plan){.seed = seed};
    p->nodes = sizes[prng_below(&c, sizeof(sizes) / sizeof(sizes[0]))];
    p->liveness = one_in(&c, 2);
    draw_faults(p, &c);
    draw_disk_faults(p);
    draw_load(p, &c);
    p->delay_us = log_uniform(&c, 200, 20000);
    p->lag_us = one_in(&c, 4) ? 0 : log_uniform(&c, 50, 2000);
    p->disk_us = log_uniform(&c, 100, 20000);
}

void plan_print(const struct plan *p, FILE *out)
{
    fprintf(out, "%u nodes, %s, %llu s, %u clients thinking up to %llu ms, a fault each %llu ms:", p->nodes,
            p->liveness ? "liveness" : "safety", (unsigned long long)(p->length_us / SECOND), p->clients,
            (unsigned long long)(p->think_us / 1000), (unsigned long long)(p->tempo_us / 1000));
    for (int f = 0; f < FAULTS; f++)
        if (p->weight[f])
            fprintf(out, " %s", fault_names[f]);
    for (int f = 0; f < DISK_FAULTS && p->weight[FAULT_DISK]; f++)
        if (p->disk[f])
            fprintf(out, " (%s)", disk_fault_name((enum disk_fault)f));
    if (p->checkpoint_bytes)
        fprintf(out, " snapshots");
    if (p->big_bytes)
        fprintf(out, " big-values");
    fprintf(out, "\n");
}
