/* Leaders that lose their office without knowing it, under clients that read and write the same few keys: whatever an old
 * leader says in the moment between, somebody listens. time limit: 300 s */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "scenario.h"

#include <stdlib.h>

static uint64_t between(struct scenario *s, uint64_t low, uint64_t high)
{
    return low + prng_below(world_chance(s->world), high - low + 1);
}

static void cut_off(struct scenario *s, uint32_t leader, bool speaks, bool hears)
{
    for (uint32_t i = 0; i < s->nodes; i++) {
        if (i == leader)
            continue;
        if (!speaks)
            world_cut_way(s->world, leader, i, true);
        if (!hears)
            world_cut_way(s->world, i, leader, true);
    }
}

static void depose(struct scenario *s, uint32_t leader)
{
    switch (prng_below(world_chance(s->world), 5)) {
    case 0:
        cut_off(s, leader, false, false);
        break;
    case 1:
        cut_off(s, leader, true, false);
        break;
    case 2:
        cut_off(s, leader, false, true);
        break;
    case 3: /* its sockets fill meanwhile, and its clients' reads wait in them */
        world_pause(s->world, leader, between(s, 500000, 2500000));
        break;
    case 4:
        world_crash(s->world, leader);
        break;
    }
}

static void one(uint64_t seed, const void *arg)
{
    const struct faults none = {0};
    struct work_config load = {.seed = seed,
                               .clients = 24,
                               .keys = 1,
                               .registers = 1,
                               .kinds = WORK_SESSION | WORK_PLAIN | WORK_REGISTER | WORK_PAIR,
                               .think_us = 20000,
                               .trust_clocks = true};
    struct scenario s;
    scenario_new(&s, seed, *(const uint32_t *)arg, &none, NULL);
    work_free(s.work);
    world_free(s.world);
    s.work = work_new(&load);
    struct world_config config = {
        .seed = seed, .nodes = s.nodes, .delay_us = 2000, .disk_us = 3000, .lag_us = 400};
    struct world_client_calls calls = work_calls(s.work);
    s.world = world_new(&config, &calls);
    work_bind(s.work, s.world);
    scenario_run(&s, 2 * SECOND);
    for (int i = 0; i < 12; i++) {
        if (world_leader(s.world) >= 0)
            depose(&s, (uint32_t)world_leader(s.world));
        scenario_run(&s, between(&s, 300000, 1800000));
        scenario_heal(&s);
        scenario_run(&s, between(&s, 100000, 1000000));
    }
    scenario_settle(&s, 0);
    scenario_free(&s);
}

static void test_leaders(void **state)
{
    static const uint32_t three = 3, five = 5;
    (void)state;
    scenario_seeds(8, one, &three);
    scenario_seeds(8, one, &five);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_leaders)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
