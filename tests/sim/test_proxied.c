/* Requests that any node hands to the leader, while frames, answers and leaders are lost: each runs once, in its connection's
 * order, and nobody is told that it did not run when it did. SEED=n N=k runs k seeds from n on. time limit: 300 s */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "scenario.h"

#include <stdlib.h>

static void begin(struct scenario *s, uint64_t seed, uint32_t nodes, unsigned kinds,
                  const char *const *settings)
{
    struct work_config load = {.seed = seed,
                               .clients = 32,
                               .keys = 2,
                               .kinds = kinds,
                               .think_us = 20000,
                               .trust_clocks = true,
                               .proxied = true};
    struct world_config config = {
        .seed = seed, .nodes = nodes, .delay_us = 2000, .disk_us = 3000, .lag_us = 400, .settings = settings};
    scenario_of(s, &config, &load);
    scenario_run(s, 2 * SECOND);
}

static void isolate(struct scenario *s, uint32_t who)
{
    for (uint32_t i = 0; i < s->nodes; i++)
        if (i != who)
            world_cut(s->world, who, i, true);
}

/* What a proxy has sent runs, and the answers are lost; then it is cut off, until it has given up, or its session has expired
 * and it sends all of it again. */
static void answers_lost(uint64_t seed, const void *arg)
{
    static const char *const short_sessions[] = {"session-timeout", "1", NULL};
    struct scenario s;
    (void)arg;
    begin(&s, seed, 3, WORK_PLAIN | WORK_PIPELINE, short_sessions);
    for (int round = 0; round < 4; round++) {
        uint32_t leader = scenario_leader(&s),
                 proxy = (leader + 1 + (uint32_t)scenario_between(&s, 0, 1)) % 3;
        world_cut_way(s.world, leader, proxy, true);
        scenario_run(&s, scenario_between(&s, 30000, 150000));
        isolate(&s, proxy);
        scenario_run(&s, scenario_between(&s, 1500000, round % 2 ? 3500000 : 8000000));
        scenario_heal(&s);
        scenario_run(&s, 1500000);
    }
    scenario_settle(&s, 0);
    scenario_free(&s);
}

/* Frames are lost one way or the other, no link breaks by it, and the leader stays: nobody else tells that they have to be sent
 * again. */
static void frames_lost(uint64_t seed, const void *arg)
{
    struct scenario s;
    (void)arg;
    begin(&s, seed, 3, WORK_PLAIN | WORK_PIPELINE | WORK_SESSION, NULL);
    for (int i = 0; i < 10; i++) {
        uint32_t leader = scenario_leader(&s),
                 proxy = (leader + 1 + (uint32_t)scenario_between(&s, 0, 1)) % 3;
        uint32_t from = i % 2 ? leader : proxy, to = i % 2 ? proxy : leader;
        world_cut_way(s.world, from, to, true);
        scenario_run(&s, scenario_between(&s, 2000, 20000));
        world_cut_way(s.world, from, to, false);
        scenario_run(&s, scenario_between(&s, 100000, 600000));
    }
    scenario_settle(&s, 0);
    scenario_free(&s);
}

/* Rounds begin anew all the time, and frames of the round before come late. */
static void rounds(uint64_t seed, const void *arg)
{
    struct scenario s;
    (void)arg;
    begin(&s, seed, 3, WORK_PLAIN | WORK_PIPELINE | WORK_SESSION, NULL);
    world_disorder(s.world, 100);
    world_late(s.world, 20, 60000);
    for (int i = 0; i < 200; i++) {
        uint32_t leader = scenario_leader(&s);
        world_reset_link(s.world, leader, (leader + 1) % 3);
        world_reset_link(s.world, leader, (leader + 2) % 3);
        scenario_run(&s, scenario_between(&s, 2000, 40000));
    }
    world_disorder(s.world, 0);
    world_late(s.world, 0, 0);
    scenario_settle(&s, 0);
    scenario_free(&s);
}

/* Disks fill up, and have room again, and of what is told meanwhile some is lost: also that a write was refused. */
static void refusals(uint64_t seed, const void *arg)
{
    struct scenario s;
    (void)arg;
    begin(&s, seed, 3, WORK_PLAIN | WORK_PIPELINE, NULL);
    for (int i = 0; i < 60; i++) {
        uint32_t leader = scenario_leader(&s), proxy = (leader + 1 + (uint32_t)i % 2) % 3;
        for (uint32_t d = 0; d < 3; d++)
            world_disk_fault(s.world, d, DISK_FULL, 0);
        scenario_run(&s, scenario_between(&s, 60000, 80000));
        world_cut_way(s.world, leader, proxy, true);
        scenario_run(&s, scenario_between(&s, 2000, 8000));
        world_cut_way(s.world, leader, proxy, false);
        for (uint32_t d = 0; d < 3; d++)
            world_disk_fault(s.world, d, DISK_ROOM, 0);
        scenario_run(&s, scenario_between(&s, 50000, 1000000));
    }
    scenario_settle(&s, 0);
    scenario_free(&s);
}

static void test_answers(void **state)
{
    (void)state;
    scenario_seeds(3, answers_lost, NULL);
}

static void test_frames(void **state)
{
    (void)state;
    scenario_seeds(3, frames_lost, NULL);
}

static void test_rounds(void **state)
{
    (void)state;
    scenario_seeds(3, rounds, NULL);
}

static void test_refusals(void **state)
{
    (void)state;
    scenario_seeds(3, refusals, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_answers), cmocka_unit_test(test_frames),
                                       cmocka_unit_test(test_rounds), cmocka_unit_test(test_refusals)};
    if (getenv("ONLY_TEST"))
        cmocka_set_test_filter(getenv("ONLY_TEST"));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
