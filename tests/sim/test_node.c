/* Whole nodes under faults: what was acknowledged stays, once, and no read is stale; afterwards all nodes are equal. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "work.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECOND 1000000ull

struct faults {
    bool crash, cut, one_way, pause, clock, drop, snapshots, move;
};

static void settle(struct world *w, struct work *k, uint32_t nodes, uint64_t seed)
{
    world_heal(w);
    for (uint32_t i = 0; i < nodes; i++)
        if (!world_node(w, i))
            world_start(w, i);
    work_pause(k, true);
    for (int tries = 0; tries < 60 && !work_idle(k); tries++)
        world_run(w, world_now_us(w) + SECOND, work_turn, k);
    world_run(w, world_now_us(w) + 3 * SECOND, work_turn, k);
    if (!work_idle(k) || world_leader(w) < 0)
        fail_msg("seed %llu: not settled", (unsigned long long)seed);
    struct node_status first, other;
    node_status(world_node(w, 0), &first);
    for (uint32_t i = 0; i < nodes; i++) {
        node_status(world_node(w, i), &other);
        if (other.applied != first.applied ||
            rsm_digest(node_rsm(world_node(w, i))) != rsm_digest(node_rsm(world_node(w, 0))))
            fail_msg("seed %llu: node %u is at %llu, node 0 at %llu, or their states differ",
                     (unsigned long long)seed, i, (unsigned long long)other.applied,
                     (unsigned long long)first.applied);
        const char *wrong = work_check(k, world_node(w, i));
        if (wrong)
            fail_msg("seed %llu: node %u: %s", (unsigned long long)seed, i, wrong);
    }
}

static void one_fault(struct world *w, const struct faults *f, uint32_t nodes)
{
    struct prng *p = world_chance(w);
    uint32_t a = (uint32_t)prng_below(p, nodes), b = (uint32_t)prng_below(p, nodes);
    uint32_t down = 0;
    for (uint32_t i = 0; i < nodes; i++)
        down += !world_node(w, i);
    switch (prng_below(p, 10)) {
    case 0:
    case 1:
        if (f->crash && down < nodes / 2 + 1)
            world_crash(w, a);
        break;
    case 2:
    case 3:
        for (uint32_t i = 0; i < nodes; i++)
            if (!world_node(w, i))
                world_start(w, i);
        break;
    case 4:
        if (f->cut && a != b)
            world_cut(w, a, b, true);
        break;
    case 5:
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
        if (f->move && world_leader(w) >= 0) {
            struct buf error = BUF_EMPTY;
            node_transfer(world_node(w, (uint32_t)world_leader(w)), world_node_id(w, a), 1ull << 62, &error);
            buf_deinit(&error);
        }
        break;
    }
}

static uint64_t run(uint64_t seed, uint32_t nodes, uint64_t seconds, const struct faults *f, bool verbose)
{
    struct world_config config = {.seed = seed,
                                  .nodes = nodes,
                                  .delay_us = 2000,
                                  .disk_us = 3000,
                                  .checkpoint_bytes = f->snapshots ? 6000 : 0};
    struct work *k = work_new(seed, 12, 4);
    struct world_client_calls calls = work_calls(k);
    struct world *w = world_new(&config, &calls);
    work_bind(k, w);
    world_run(w, world_now_us(w) + 2 * SECOND, work_turn, k);
    uint64_t end = world_now_us(w) + seconds * SECOND;
    while (world_now_us(w) < end) {
        world_run(w, world_now_us(w) + 50000 + prng_below(world_chance(w), SECOND), work_turn, k);
        one_fault(w, f, nodes);
        if (work_failed(k))
            fail_msg("seed %llu: %s", (unsigned long long)seed, work_failed(k));
    }
    settle(w, k, nodes, seed);
    if (verbose)
        print_message("seed %llu: %llu writes, %llu reads, %llu unknown, %llu frames\n",
                      (unsigned long long)seed, (unsigned long long)work_acked(k),
                      (unsigned long long)work_reads(k), (unsigned long long)work_unknown(k),
                      (unsigned long long)world_frames(w));
    if (work_acked(k) < seconds * 5)
        fail_msg("seed %llu: only %llu writes in %llu s", (unsigned long long)seed,
                 (unsigned long long)work_acked(k), (unsigned long long)seconds);
    uint64_t digest = world_digest(w) ^ rsm_digest(node_rsm(world_node(w, 0)));
    world_free(w);
    work_free(k);
    return digest;
}

static uint64_t count_from_env(const char *name, uint64_t otherwise)
{
    const char *s = getenv(name);
    return s ? strtoull(s, NULL, 10) : otherwise;
}

static void seeds(uint32_t nodes, uint64_t seconds, uint64_t count, const struct faults *f)
{
    uint64_t first = count_from_env("SEED", 1), n = count_from_env("N", count);
    for (uint64_t s = first; s < first + n; s++)
        run(s, nodes, seconds, f, n <= 3);
}

static void test_no_faults(void **state)
{
    (void)state;
    struct faults f = {0};
    seeds(3, 5, 2, &f);
    seeds(1, 5, 2, &f);
}

static void test_crashes(void **state)
{
    (void)state;
    struct faults f = {.crash = true};
    seeds(3, 20, 10, &f);
}

static void test_partitions(void **state)
{
    (void)state;
    struct faults f = {.cut = true, .one_way = true};
    seeds(5, 20, 10, &f);
}

static void test_pauses_and_clocks(void **state)
{
    (void)state;
    struct faults f = {.pause = true, .clock = true};
    seeds(3, 20, 10, &f);
}

static void test_snapshots(void **state)
{
    (void)state;
    struct faults f = {.crash = true, .cut = true, .snapshots = true};
    seeds(3, 20, 10, &f);
}

static void test_everything(void **state)
{
    (void)state;
    struct faults f = {.crash = true,
                       .cut = true,
                       .one_way = true,
                       .pause = true,
                       .clock = true,
                       .drop = true,
                       .snapshots = true,
                       .move = true};
    seeds(3, 30, 20, &f);
    seeds(5, 30, 10, &f);
}

static void test_same_seed_same_run(void **state)
{
    (void)state;
    struct faults f = {.crash = true, .cut = true, .pause = true, .snapshots = true};
    assert_int_equal(run(42, 3, 20, &f, false), run(42, 3, 20, &f, false));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_faults),          cmocka_unit_test(test_crashes),
        cmocka_unit_test(test_partitions),         cmocka_unit_test(test_pauses_and_clocks),
        cmocka_unit_test(test_snapshots),          cmocka_unit_test(test_everything),
        cmocka_unit_test(test_same_seed_same_run),
    };
    if (getenv("ONLY_TEST"))
        cmocka_set_test_filter(getenv("ONLY_TEST"));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
