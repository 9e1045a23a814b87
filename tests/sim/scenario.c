#include "scenario.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The seed comes first: it is all that is needed to see it again. STOP=1 ends the program at the first failure, as
 * tests/mutants wants it. */
void scenario_fail(const struct scenario *s, const char *fmt, ...)
{
    char text[512];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    if (getenv("STOP")) {
        fprintf(stderr, "seed %llu, %u nodes: %s\n", (unsigned long long)s->seed, s->nodes, text);
        exit(1);
    }
    fail_msg("seed %llu, %u nodes: %s", (unsigned long long)s->seed, s->nodes, text);
    abort();
}

void scenario_of(struct scenario *s, const struct world_config *config, const struct work_config *load)
{
    *s = (struct scenario){.seed = config->seed, .nodes = config->nodes, .work = work_new(load)};
    struct world_client_calls calls = work_calls(s->work);
    s->world = world_new(config, &calls);
    work_bind(s->work, s->world);
}

void scenario_new(struct scenario *s, uint64_t seed, uint32_t nodes, const struct faults *f,
                  const char *const *settings)
{
    struct world_config config = {.seed = seed,
                                  .nodes = nodes,
                                  .delay_us = 2000,
                                  .disk_us = 3000,
                                  .lag_us = 400,
                                  .late_permille = f->late ? 5 : 0,
                                  .late_us = 600000,
                                  .disorder_permille = f->disorder ? 20 : 0,
                                  .checkpoint_bytes = f->snapshots ? 6000 : 0,
                                  .settings = settings};
    struct work_config load = {.seed = seed, .trust_clocks = !f->clock, .big_bytes = f->big ? 10000 : 0};
    scenario_of(s, &config, &load);
    if (f->one_clock)
        world_clock_jump(s->world, (uint32_t)(seed % nodes), (seed & 8 ? -60 : 60) * (int64_t)SECOND);
}

void scenario_few_keys(struct scenario *s, uint64_t seed, uint32_t nodes, uint32_t clients)
{
    struct work_config load = {.seed = seed,
                               .clients = clients,
                               .keys = 1,
                               .registers = 1,
                               .kinds = WORK_SESSION | WORK_PLAIN | WORK_REGISTER | WORK_PAIR,
                               .think_us = 20000,
                               .trust_clocks = true};
    struct world_config config = {
        .seed = seed, .nodes = nodes, .delay_us = 2000, .disk_us = 3000, .lag_us = 400};
    scenario_of(s, &config, &load);
    scenario_run(s, 2 * SECOND);
}

uint64_t scenario_between(struct scenario *s, uint64_t low, uint64_t high)
{
    return low + prng_below(world_chance(s->world), high - low + 1);
}

void scenario_free(struct scenario *s)
{
    world_free(s->world);
    work_free(s->work);
}

void scenario_judge(struct scenario *s)
{
    if (world_failed(s->world))
        scenario_fail(s, "%s", world_failed(s->world));
    if (work_failed(s->work))
        scenario_fail(s, "%s", work_failed(s->work));
}

void scenario_run(struct scenario *s, uint64_t for_us)
{
    world_run(s->world, world_now_us(s->world) + for_us, work_turn, s->work);
    scenario_judge(s);
}

uint32_t scenario_leader(struct scenario *s)
{
    for (int tries = 0; world_leader(s->world) < 0 && tries < 100; tries++)
        scenario_run(s, SECOND / 10);
    if (world_leader(s->world) < 0)
        scenario_fail(s, "no leader");
    return (uint32_t)world_leader(s->world);
}

void scenario_heal(struct scenario *s)
{
    world_heal(s->world);
    for (uint32_t i = 0; i < world_count(s->world); i++)
        if (!world_node(s->world, i))
            world_start(s->world, i);
}

static void transfer(struct world *w, uint32_t to)
{
    struct buf error = BUF_EMPTY;
    if (world_leader(w) >= 0)
        node_transfer(world_node(w, (uint32_t)world_leader(w)), world_node_id(w, to), 1ull << 62, &error);
    buf_deinit(&error);
}

void scenario_fault(struct scenario *s, const struct faults *f)
{
    struct world *w = s->world;
    struct prng *p = world_chance(w);
    s->nodes = world_count(w);
    uint32_t a = (uint32_t)prng_below(p, s->nodes), b = (uint32_t)prng_below(p, s->nodes), down = 0;
    if (world_leader(w) >= 0 && prng_below(p, 3) == 0) /* the leader is where it hurts */
        a = (uint32_t)world_leader(w);
    for (uint32_t i = 0; i < s->nodes; i++)
        down += !world_node(w, i);
    switch (prng_below(p, 12)) {
    case 0:
    case 1:
        if (f->crash && down < s->nodes / 2 + 1)
            world_crash(w, a);
        break;
    case 2:
    case 3:
        for (uint32_t i = 0; i < s->nodes; i++)
            if (!world_node(w, i))
                world_start(w, i);
        break;
    case 4:
        if (f->cut && a != b)
            world_cut(w, a, b, true);
        break;
    case 5:
        for (uint32_t i = 0; f->cut && i < s->nodes; i++)
            world_cut(w, a, i, i != a);
        if (f->one_way && a != b)
            world_cut_way(w, a, b, true);
        break;
    case 6:
        world_heal(w);
        break;
    case 7:
        if (f->pause)
            world_pause(w, a, prng_below(p, 3 * SECOND));
        break;
    case 8:
        if (f->clock)
            world_clock_jump(w, a, (int64_t)prng_below(p, 20 * SECOND) - (int64_t)(10 * SECOND));
        if (f->drop)
            world_drop(w, (uint32_t)prng_below(p, 200));
        break;
    case 9:
        if (f->move)
            transfer(w, a);
        break;
    case 10:
        if (f->reset && a != b)
            world_reset_link(w, a, b);
        break;
    case 11:
        if (f->disk)
            world_stall_disk(w, a, prng_below(p, 4 * SECOND));
        break;
    }
}

static void compare(struct scenario *s, uint32_t first, uint32_t i)
{
    struct node_status a, b;
    if (!world_node(s->world, first) || !world_node(s->world, i))
        scenario_fail(s, "not settled: node %u or node %u has ended", first, i);
    node_status(world_node(s->world, first), &a);
    node_status(world_node(s->world, i), &b);
    if (a.applied != b.applied ||
        rsm_digest(node_rsm(world_node(s->world, first))) != rsm_digest(node_rsm(world_node(s->world, i))))
        scenario_fail(s, "node %u is at %llu, node %u at %llu, or their states differ", i,
                      (unsigned long long)b.applied, first, (unsigned long long)a.applied);
    const char *wrong = work_check(s->work, world_node(s->world, i));
    if (wrong)
        scenario_fail(s, "node %u: %s", i, wrong);
}

void scenario_quiet(struct scenario *s)
{
    work_pause(s->work, true);
    for (int tries = 0; tries < 60 && !work_idle(s->work); tries++)
        scenario_run(s, SECOND);
    if (!work_idle(s->work))
        scenario_fail(s, "not settled: a client still waits");
}

/* Though nobody writes any more, time has gone on: no key that was due two seconds ago is left. */
static void check_due(struct scenario *s, uint32_t skip)
{
    uint64_t ms = node_cluster_ms(world_node(s->world, (uint32_t)world_leader(s->world)));
    for (uint32_t i = 0; i < world_count(s->world); i++)
        if (!(skip >> i & 1) && world_node(s->world, i) &&
            rsm_keys_due(node_rsm(world_node(s->world, i)), ms - 2000))
            scenario_fail(s, "node %u still holds a key that was due two seconds ago", i);
}

void scenario_settle(struct scenario *s, uint32_t skip)
{
    scenario_heal(s);
    scenario_quiet(s);
    scenario_run(s, 6 * SECOND); /* a disk that has begun to stall may do so for four */
    if (world_leader(s->world) < 0)
        scenario_fail(s, "not settled: no leader");
    check_due(s, skip);
    uint32_t first = 0;
    while (skip >> first & 1)
        first++;
    for (uint32_t i = first; i < world_count(s->world); i++)
        if (!(skip >> i & 1))
            compare(s, first, i);
}

void scenario_write(struct scenario *s, uint32_t i)
{
    struct slice argv[2] = {SLICE_LITERAL("del"), SLICE_LITERAL("nothing")};
    struct rsm_request req = {
        .kind = RSM_COMMAND, .resp = 2, .user = SLICE_LITERAL("default"), .argv = argv, .argc = 2};
    struct buf error = BUF_EMPTY;
    node_write(world_node(s->world, i), &req, 1ull << 62, &error);
    buf_deinit(&error);
}

static uint64_t count_from_env(const char *name, uint64_t otherwise)
{
    const char *s = getenv(name);
    return s ? strtoull(s, NULL, 10) : otherwise;
}

void scenario_seeds(uint64_t count, void (*one)(uint64_t seed, const void *arg), const void *arg)
{
    uint64_t first = count_from_env("SEED", 1), n = count_from_env("N", count);
    for (uint64_t seed = first; seed < first + n; seed++)
        one(seed, arg);
}
