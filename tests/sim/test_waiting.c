/* Clients that wait for what others push, while leaders change, nodes go and proxies lose their links: each element is handed to
 * one of them, in their order, in time, and nobody waits whose client is gone. SEED=n N=k runs k seeds from n on. time limit: 120 s */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "scenario.h"

#include <stdlib.h>

static void begin(struct scenario *s, uint64_t seed, bool proxied, uint64_t checkpoint_bytes)
{
    struct work_config load = {.seed = seed,
                               .clients = 24,
                               .kinds = WORK_WAIT,
                               .think_us = 10000,
                               .trust_clocks = true,
                               .proxied = proxied};
    struct world_config config = {.seed = seed,
                                  .nodes = 3,
                                  .delay_us = 2000,
                                  .disk_us = 3000,
                                  .lag_us = 400,
                                  .checkpoint_bytes = checkpoint_bytes};
    scenario_of(s, &config, &load);
    scenario_run(s, 2 * SECOND);
}

static void end(struct scenario *s)
{
    struct work_counts c = work_counts(s->work);
    scenario_settle(s, 0);
    if (c.waited < 30 || c.handed < 100)
        scenario_fail(s, "only %llu waited, and %llu elements were handed to them",
                      (unsigned long long)c.waited, (unsigned long long)c.handed);
    scenario_free(s);
}

/* Every leader is cut off, and goes on for a while as one that does not know. */
static void deposed(uint64_t seed, const void *arg)
{
    struct scenario s;
    begin(&s, seed, arg != NULL, 0);
    for (int i = 0; i < 6; i++) {
        uint32_t leader = scenario_leader(&s);
        for (uint32_t n = 0; n < 3; n++)
            world_cut(s.world, leader, n, n != leader);
        scenario_run(&s, scenario_between(&s, 200000, 2500000));
        scenario_heal(&s);
        scenario_run(&s, scenario_between(&s, 100000, 800000));
    }
    end(&s);
}

/* Nodes crash, links break, offices are handed over, and those left behind get a snapshot. */
static void storm(uint64_t seed, const void *arg)
{
    static const struct faults f = {.crash = true,
                                    .cut = true,
                                    .one_way = true,
                                    .reset = true,
                                    .pause = true,
                                    .move = true,
                                    .disk = true};
    struct scenario s;
    begin(&s, seed, arg != NULL, 6000);
    for (int i = 0; i < 40; i++) {
        scenario_run(&s, scenario_between(&s, 20000, 500000));
        scenario_fault(&s, &f);
    }
    end(&s);
}

/* One that leads, and one that does not, for longer than anybody is patient. */
static void cut_off(uint64_t seed, const void *arg)
{
    struct scenario s;
    begin(&s, seed, arg != NULL, 6000);
    for (int i = 0; i < 4; i++) {
        uint32_t who = (scenario_leader(&s) + (uint32_t)i) % 3;
        for (uint32_t n = 0; n < 3; n++)
            world_cut(s.world, who, n, n != who);
        scenario_run(&s, i ? scenario_between(&s, 500000, 3000000) : 25 * SECOND);
        scenario_heal(&s);
        scenario_run(&s, scenario_between(&s, 1000000, 2000000));
    }
    end(&s);
}

/* It stays away, and cannot say itself that nobody waits there any more. */
static void want_cleared(struct scenario *s, uint32_t gone)
{
    uint64_t id = world_node_id(s->world, gone);
    world_crash(s->world, gone);
    scenario_run(s, 4 * SECOND);
    struct rsm *state = node_rsm(world_node(s->world, scenario_leader(s)));
    if (rsm_waiting_through(state, id))
        scenario_fail(s, "%zu commands wait of node %u, which is gone", rsm_waiting_through(state, id), gone);
}

/* Nodes that do not lead crash: whoever leads goes on, and so does what waits. */
static void followers_crash(uint64_t seed, const void *arg)
{
    struct scenario s;
    begin(&s, seed, arg != NULL, 0);
    for (int i = 0; i < 8; i++) {
        uint32_t who = (scenario_leader(&s) + 1 + (uint32_t)i % 2) % 3;
        world_crash(s.world, who);
        scenario_run(&s, scenario_between(&s, 50000, 1500000));
        scenario_heal(&s);
        scenario_run(&s, scenario_between(&s, 300000, 800000));
    }
    want_cleared(&s, (scenario_leader(&s) + 1) % 3);
    scenario_heal(&s);
    end(&s);
}

static void test_deposed(void **state)
{
    (void)state;
    scenario_seeds(3, deposed, NULL);
}

static void test_deposed_proxied(void **state)
{
    (void)state;
    scenario_seeds(3, deposed, "proxied");
}

static void test_cut_off(void **state)
{
    (void)state;
    scenario_seeds(1, cut_off, NULL);
    scenario_seeds(1, cut_off, "proxied");
}

static void test_followers_crash(void **state)
{
    (void)state;
    scenario_seeds(3, followers_crash, "proxied");
}

static void test_storm(void **state)
{
    (void)state;
    scenario_seeds(3, storm, NULL);
}

static void test_storm_proxied(void **state)
{
    (void)state;
    scenario_seeds(3, storm, "proxied");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_deposed), cmocka_unit_test(test_deposed_proxied),
                                       cmocka_unit_test(test_cut_off), cmocka_unit_test(test_followers_crash),
                                       cmocka_unit_test(test_storm),   cmocka_unit_test(test_storm_proxied)};
    if (getenv("ONLY_TEST"))
        cmocka_set_test_filter(getenv("ONLY_TEST"));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
