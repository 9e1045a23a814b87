/* Who can reach a majority is served, soon, whatever is wrong with the rest; and whoever cannot is told. SEED=n N=k runs k seeds
 * from n on. time limit: 300 s */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "scenario.h"

#include <stdlib.h>
#include <string.h>

#define ADMIN (1ull << 62) /* tickets that no client has */

/* After so long writes are acknowledged. */
static void must_serve(struct scenario *s, uint64_t after_us, const char *what)
{
    scenario_run(s, after_us);
    uint64_t before_us = world_now_us(s->world);
    scenario_run(s, SECOND);
    if (work_last_ack_us(s->work) < before_us)
        scenario_fail(s, "%s: nothing is acknowledged from %.3f s on", what,
                      (double)work_last_ack_us(s->work) / 1e6);
}

static struct node_status status_of(struct scenario *s, uint32_t i)
{
    struct node_status status;
    node_status(world_node(s->world, i), &status);
    return status;
}

static void cut_ways(struct scenario *s, uint32_t who, bool speaks, bool hears)
{
    for (uint32_t i = 0; i < s->nodes; i++) {
        if (i == who)
            continue;
        world_cut_way(s->world, who, i, !speaks);
        world_cut_way(s->world, i, who, !hears);
    }
}

static void transfer(struct scenario *s, uint32_t from, uint32_t to)
{
    struct buf error = BUF_EMPTY;
    node_transfer(world_node(s->world, from), world_node_id(s->world, to), ADMIN, &error);
    buf_deinit(&error);
}

/* The leader's heartbeats come, and it hears nobody (B22); or its disk hangs (B21). */
static void useless_leader(uint64_t seed, const void *arg)
{
    struct scenario s;
    (void)arg;
    scenario_few_keys(&s, seed, seed % 2 ? 3 : 5, 12);
    cut_ways(&s, scenario_leader(&s), true, false);
    must_serve(&s, 4 * SECOND, "a deaf leader");
    scenario_heal(&s);
    scenario_run(&s, SECOND);
    uint32_t hung = scenario_leader(&s);
    world_disk_fault(s.world, hung, DISK_SLOW, 40 * SECOND); /* a write that is under way for long */
    must_serve(&s, 4 * SECOND, "a leader whose disk hangs");
    if (status_of(&s, hung).is_leader)
        scenario_fail(&s, "node %u leads on, and cannot write", hung);
    world_disk_calm(s.world);
    world_crash(s.world, hung);
    scenario_settle(&s, 0);
    scenario_free(&s);
}

static void bridge(struct scenario *s, uint32_t middle)
{
    for (uint32_t i = 1; i <= 2; i++)
        for (uint32_t k = 3; k <= 4; k++)
            world_cut(s->world, (middle + i) % 5, (middle + k) % 5, true);
}

/* One link of many is down for long, or two halves meet in one node only: whoever leads goes on (4.2.3). */
static void partial(uint64_t seed, const void *arg)
{
    struct scenario s;
    (void)arg;
    scenario_few_keys(&s, seed, 5, 12);
    uint32_t old = scenario_leader(&s), other = (old + 1 + (uint32_t)(seed % 4)) % 5;
    uint64_t term = status_of(&s, old).term;
    scenario_quiet(&s); /* nobody falls behind */
    world_cut(s.world, old, other, true);
    scenario_run(&s, 6 * SECOND);
    work_pause(s.work, false);
    must_serve(&s, 2 * SECOND, "one link is down");
    if (status_of(&s, scenario_leader(&s)).term > term)
        scenario_fail(&s, "one link is down, and the leader had to go: term %llu after %llu",
                      (unsigned long long)status_of(&s, scenario_leader(&s)).term, (unsigned long long)term);
    scenario_heal(&s);
    scenario_run(&s, SECOND);
    bridge(&s, other);
    must_serve(&s, 4 * SECOND, "a bridge");
    term = 0;
    for (uint32_t i = 0; i < 5; i++)
        term = status_of(&s, i).term > term ? status_of(&s, i).term : term;
    must_serve(&s, 6 * SECOND, "a bridge");
    for (uint32_t i = 0; i < 5; i++)
        if (status_of(&s, i).term > term + 1)
            scenario_fail(&s, "a bridge: term %llu after %llu", (unsigned long long)status_of(&s, i).term,
                          (unsigned long long)term);
    scenario_settle(&s, 0);
    scenario_free(&s);
}

/* The one that could lead is asked for its vote on and on, over a link that breaks and comes back, by one that cannot (B20). */
static void hopeless_candidate(uint64_t seed, const void *arg)
{
    struct scenario s;
    (void)arg;
    scenario_few_keys(&s, seed, 3, 12);
    for (int round = 0; round < 4; round++) {
        uint32_t old = scenario_leader(&s), fit = (old + 1) % 3, unfit = (old + 2) % 3;
        world_cut(s.world, old, unfit, true);
        scenario_run(&s, 300000 + scenario_between(&s, 0, 300000));
        world_cut(s.world, old, fit, true);
        for (int i = 0; i < 20; i++) {
            world_reset_link(s.world, fit, unfit);
            scenario_run(&s, scenario_between(&s, 100000, 350000));
        }
        must_serve(&s, 0, "a candidate that cannot win");
        scenario_heal(&s);
        scenario_run(&s, SECOND);
    }
    scenario_settle(&s, 0);
    scenario_free(&s);
}

static uint32_t candidate_but(struct scenario *s, uint32_t old, uint64_t for_us)
{
    for (uint64_t us = 0; us < for_us; us += 200) {
        for (uint32_t i = 0; i < s->nodes; i++)
            if (i != old && strcmp(status_of(s, i).role, "candidate") == 0 &&
                status_of(s, i).term > status_of(s, old).term)
                return i;
        scenario_run(s, 200);
    }
    return s->nodes;
}

/* A node that raised its term, and was cut off before anybody heard of it, is led again (B17). */
static void term_of_its_own(uint64_t seed, const void *arg)
{
    struct scenario s;
    (void)arg;
    scenario_few_keys(&s, seed, 3, 12);
    for (int round = 0; round < 4; round++) {
        uint32_t old = scenario_leader(&s);
        uint64_t sleeps_us = 1300000 + scenario_between(&s, 0, 500000);
        world_pause(s.world, old, sleeps_us);
        uint32_t alone = candidate_but(&s, old, sleeps_us);
        if (alone < 3)
            cut_ways(&s, alone, false, false);
        scenario_run(&s, 3 * SECOND);
        scenario_heal(&s);
        must_serve(&s, 5 * SECOND, "a term of its own");
        for (uint32_t i = 0; i < 3; i++)
            if (status_of(&s, i).leader != world_node_id(s.world, scenario_leader(&s)))
                scenario_fail(&s, "node %u, term %llu, is not led", i,
                              (unsigned long long)status_of(&s, i).term);
    }
    scenario_settle(&s, 0);
    scenario_free(&s);
}

/* A leader hands over to one that does not hear it, and leads on; to one that does it hands over, whatever its load. */
static void handovers(uint64_t seed, const void *arg)
{
    struct scenario s;
    (void)arg;
    scenario_few_keys(&s, seed, 3, 32);
    for (int round = 0; round < 12; round++) {
        uint32_t old = scenario_leader(&s), to = (old + 1 + (uint32_t)scenario_between(&s, 0, 1)) % 3;
        transfer(&s, old, to);
        scenario_run(&s, SECOND / 2);
        if (scenario_leader(&s) != to)
            scenario_fail(&s, "node %u does not hand over to node %u", old, to);
    }
    uint32_t old = scenario_leader(&s), to = (old + 1) % 3;
    world_cut(s.world, old, to, true);
    transfer(&s, old, to);
    must_serve(&s, 2 * SECOND, "a transfer that is not taken up");
    scenario_settle(&s, 0);
    scenario_free(&s);
}

/* All clocks are set back, and the cluster's is ahead of them: time goes on from what stands in the log, where somebody who has
 * not run for a while comes to lead before it has applied that. */
static void clocks_set_back(uint64_t seed, const void *arg)
{
    struct scenario s;
    struct work_config load = {
        .seed = seed, .clients = 32, .kinds = WORK_PLAIN, .think_us = 5000, .proxied = true};
    struct world_config config = {.seed = seed, .nodes = 3, .delay_us = 2000, .disk_us = 3000, .lag_us = 400};
    (void)arg;
    scenario_of(&s, &config, &load);
    scenario_run(&s, 2 * SECOND);
    for (uint32_t i = 0; i < 3; i++)
        world_clock_jump(s.world, i, -60 * (int64_t)SECOND);
    for (int round = 0; round < 4; round++) {
        uint32_t old = scenario_leader(&s), heir = (old + 1) % 3, third = (old + 2) % 3;
        world_crash(s.world, heir);
        scenario_run(&s, 3 * SECOND);
        world_start(s.world, heir);
        scenario_run(&s, 600000);
        if (scenario_leader(&s) == old) {
            world_pause(s.world, third, 1700000); /* it is the heir's turn */
            cut_ways(&s, old, false, false);
        }
        scenario_run(&s, 4 * SECOND);
        scenario_heal(&s);
        scenario_run(&s, SECOND);
    }
    scenario_settle(&s, 0);
    scenario_free(&s);
}

/* Whoever asked a leader that is cut off for long is told before it comes back (B30). */
static void left_alone(uint64_t seed, const void *arg)
{
    struct scenario s;
    (void)arg;
    scenario_few_keys(&s, seed, 3, 12);
    uint32_t old = scenario_leader(&s);
    work_answers_within(s.work, 8 * SECOND);
    cut_ways(&s, old, seed % 2, false);
    must_serve(&s, 12 * SECOND, "a leader that is left alone");
    scenario_settle(&s, 0);
    scenario_free(&s);
}

static void test_useless(void **state)
{
    (void)state;
    scenario_seeds(3, useless_leader, NULL);
}

static void test_partial(void **state)
{
    (void)state;
    scenario_seeds(3, partial, NULL);
}

static void test_elects(void **state)
{
    (void)state;
    scenario_seeds(2, hopeless_candidate, NULL);
    scenario_seeds(2, term_of_its_own, NULL);
}

static void test_handovers(void **state)
{
    (void)state;
    scenario_seeds(2, handovers, NULL);
    scenario_seeds(2, clocks_set_back, NULL);
}

static void test_told(void **state)
{
    (void)state;
    scenario_seeds(4, left_alone, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_useless),   cmocka_unit_test(test_partial), cmocka_unit_test(test_elects),
        cmocka_unit_test(test_handovers), cmocka_unit_test(test_told),
    };
    if (getenv("ONLY_TEST"))
        cmocka_set_test_filter(getenv("ONLY_TEST"));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
