/* Whole nodes under faults: what was acknowledged stays, once, and no read is stale; afterwards all nodes are equal.
 * SEED=n N=k runs k seeds from n on. time limit: 300 s */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "scenario.h"

#include <stdlib.h>
#include <string.h>

struct plan {
    uint32_t nodes;
    uint64_t seconds, every_us; /* a fault comes at least this often */
    struct faults faults;
};

static uint64_t run(uint64_t seed, const struct plan *plan)
{
    struct scenario s;
    scenario_new(&s, seed, plan->nodes, &plan->faults, NULL);
    scenario_run(&s, 2 * SECOND);
    uint64_t end = world_now_us(s.world) + plan->seconds * SECOND;
    while (world_now_us(s.world) < end) {
        scenario_run(&s, plan->every_us / 20 + prng_below(world_chance(s.world), plan->every_us));
        scenario_fault(&s, &plan->faults);
    }
    scenario_settle(&s, 0);
    if (work_acked(s.work) < plan->seconds * (plan->every_us / 200000))
        scenario_fail(&s, "only %llu writes in %llu s", (unsigned long long)work_acked(s.work),
                      (unsigned long long)plan->seconds);
    const struct faults none = {0};
    if (memcmp(&plan->faults, &none, sizeof(none)) == 0 && work_unknown(s.work))
        scenario_fail(&s, "%llu outcomes are unknown, and nothing went wrong",
                      (unsigned long long)work_unknown(s.work));
    if (getenv("SEED"))
        print_message("seed %llu: %llu writes, %llu reads, %llu unknown, %llu frames\n",
                      (unsigned long long)seed, (unsigned long long)work_acked(s.work),
                      (unsigned long long)work_reads(s.work), (unsigned long long)work_unknown(s.work),
                      (unsigned long long)world_counts(s.world)->frames);
    uint64_t digest = world_digest(s.world) ^ rsm_digest(node_rsm(world_node(s.world, 0)));
    scenario_free(&s);
    return digest;
}

static void one(uint64_t seed, const void *arg)
{
    run(seed, arg);
}

static void seeds(uint32_t nodes, uint64_t seconds, uint64_t count, const struct faults *f)
{
    struct plan plan = {nodes, seconds, SECOND, *f};
    scenario_seeds(count, one, &plan);
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
    struct faults f = {.crash = true, .one_clock = true};
    seeds(3, 20, 8, &f);
}

static void test_partitions(void **state)
{
    (void)state;
    struct faults f = {.cut = true, .one_way = true, .reset = true};
    seeds(5, 20, 8, &f);
}

/* Faults come faster than elections end. */
static void test_elections(void **state)
{
    (void)state;
    struct plan plan = {5,
                        20,
                        200000,
                        {.crash = true,
                         .cut = true,
                         .one_way = true,
                         .pause = true,
                         .late = true,
                         .disorder = true,
                         .disk = true}};
    scenario_seeds(10, one, &plan);
    plan.faults.crash = plan.faults.pause = false; /* logs that differ, and no crash that shortens them */
    scenario_seeds(10, one, &plan);
    plan.nodes = 3;
    scenario_seeds(10, one, &plan);
}

static void test_pauses_and_clocks(void **state)
{
    (void)state;
    struct faults f = {.pause = true, .clock = true, .late = true};
    seeds(3, 20, 10, &f);
}

static void test_messages(void **state)
{
    (void)state;
    struct faults f = {.drop = true, .late = true, .disorder = true, .crash = true, .big = true};
    seeds(3, 15, 5, &f);
}

static void test_snapshots(void **state)
{
    (void)state;
    struct faults f = {.crash = true, .cut = true, .snapshots = true, .late = true};
    seeds(3, 20, 15, &f);
}

static void test_everything(void **state)
{
    (void)state;
    struct faults f = {.crash = true,
                       .cut = true,
                       .one_way = true,
                       .reset = true,
                       .pause = true,
                       .clock = true,
                       .drop = true,
                       .late = true,
                       .disk = true,
                       .snapshots = true,
                       .move = true};
    seeds(3, 30, 10, &f);
    seeds(5, 30, 10, &f);
}

/* A node alone is asked as soon as it runs again, while it still applies what its journal holds. */
static void alone(uint64_t seed, const void *arg)
{
    struct scenario s;
    (void)arg;
    scenario_few_keys(&s, seed, 1, 24);
    for (int round = 0; round < 30; round++) {
        scenario_run(&s, scenario_between(&s, 50000, 400000));
        world_crash(s.world, 0);
        scenario_run(&s, scenario_between(&s, 0, 20000));
        world_start(s.world, 0);
    }
    scenario_settle(&s, 0);
    scenario_free(&s);
}

static void test_alone(void **state)
{
    (void)state;
    scenario_seeds(3, alone, NULL);
}

/* What commands draw by chance is the same on every node: the replies that sessions remember are compared at every entry. */
static void drawn(uint64_t seed, const void *arg)
{
    struct scenario s;
    struct slice argv[1] = {SLICE_LITERAL("randomkey")};
    uint32_t counts[1] = {1}, dbs[1] = {0};
    struct rsm_request req = {.kind = RSM_EXEC,
                              .resp = 2,
                              .user = SLICE_LITERAL("default"),
                              .argv = argv,
                              .argc = 1,
                              .counts = counts,
                              .dbs = dbs,
                              .commands = 1};
    (void)arg;
    struct node_asker nobody = {.ticket = 1ull << 62};
    struct faults f = {.cut = true};
    scenario_new(&s, seed, 3, &f, NULL);
    scenario_run(&s, 2 * SECOND);
    for (int i = 0; i < 100; i++) {
        struct buf error = BUF_EMPTY;
        node_forward(world_node(s.world, (uint32_t)i % 3), &req, false, &nobody, &error);
        buf_deinit(&error);
        scenario_run(&s, scenario_between(&s, 0, 40000));
    }
    scenario_settle(&s, 0);
    scenario_free(&s);
}

static void test_drawn(void **state)
{
    (void)state;
    scenario_seeds(2, drawn, NULL);
}

/* Of two clocks one is right, and the other one goes to and fro: the earlier one counts. */
static void two_clocks(uint64_t seed, const void *arg)
{
    struct scenario s;
    const struct faults none = {0};
    (void)arg;
    scenario_new(&s, seed, 2, &none, NULL);
    scenario_run(&s, SECOND);
    for (int i = 0; i < 10; i++) {
        world_clock_jump(s.world, (uint32_t)(seed % 2), i % 2 ? -20 * (int64_t)SECOND : 20 * (int64_t)SECOND);
        scenario_run(&s, scenario_between(&s, 200000, SECOND));
    }
    scenario_settle(&s, 0);
    scenario_free(&s);
}

static void test_two_clocks(void **state)
{
    (void)state;
    scenario_seeds(4, two_clocks, NULL);
}

/* Writes take long, reads do not: what was asked of a key before it was due may be agreed on after that, and whoever reads the
 * key meanwhile is not to take it for gone by the time alone. */
static void due_meanwhile(uint64_t seed, const void *arg)
{
    struct scenario s;
    (void)arg;
    struct work_config load = {.seed = seed,
                               .clients = 24,
                               .registers = 2,
                               .kinds = WORK_REGISTER | WORK_LOCK,
                               .think_us = 20000,
                               .trust_clocks = true};
    struct world_config config = {
        .seed = seed, .nodes = 3, .delay_us = 2000, .disk_us = 200000, .lag_us = 400};
    scenario_of(&s, &config, &load);
    scenario_run(&s, 20 * SECOND);
    scenario_settle(&s, 0);
    scenario_free(&s);
}

static void test_due(void **state)
{
    (void)state;
    scenario_seeds(3, due_meanwhile, NULL);
}

/* Sessions send again what is long answered, while leaders come and go. */
static void old_numbers(uint64_t seed, const void *arg)
{
    struct scenario s;
    (void)arg;
    struct work_config load = {.seed = seed,
                               .clients = 24,
                               .kinds = WORK_SESSION | WORK_COUNTER,
                               .think_us = 5000,
                               .old_numbers = true,
                               .trust_clocks = true};
    struct world_config config = {
        .seed = seed, .nodes = 3, .delay_us = 2000, .disk_us = 3000, .lag_us = 400, .checkpoint_bytes = 6000};
    struct faults f = {.crash = true, .cut = true, .reset = true};
    scenario_of(&s, &config, &load);
    for (int i = 0; i < 20; i++) {
        scenario_run(&s, scenario_between(&s, 100000, 600000));
        scenario_fault(&s, &f);
    }
    scenario_settle(&s, 0);
    scenario_free(&s);
}

static void test_old_numbers(void **state)
{
    (void)state;
    scenario_seeds(3, old_numbers, NULL);
}

static void test_same_seed_same_run(void **state)
{
    (void)state;
    struct plan plan = {3, 20, SECOND, {.crash = true, .cut = true, .pause = true, .snapshots = true}};
    assert_int_equal(run(42, &plan), run(42, &plan));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_faults),
        cmocka_unit_test(test_crashes),
        cmocka_unit_test(test_partitions),
        cmocka_unit_test(test_pauses_and_clocks),
        cmocka_unit_test(test_elections),
        cmocka_unit_test(test_messages),
        cmocka_unit_test(test_snapshots),
        cmocka_unit_test(test_everything),
        cmocka_unit_test(test_same_seed_same_run),
        cmocka_unit_test(test_alone),
        cmocka_unit_test(test_drawn),
        cmocka_unit_test(test_two_clocks),
        cmocka_unit_test(test_due),
        cmocka_unit_test(test_old_numbers),
    };
    if (getenv("ONLY_TEST"))
        cmocka_set_test_filter(getenv("ONLY_TEST"));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
