/* Leaders that lose their office without knowing it, under clients that read and write the same few keys: whatever an old
 * leader says in the moment between, somebody listens. time limit: 300 s */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "scenario.h"

#include <stdlib.h>
#include <string.h>

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
        world_pause(s->world, leader, scenario_between(s, 500000, 2500000));
        break;
    case 4:
        world_crash(s->world, leader);
        break;
    }
}

static void one(uint64_t seed, const void *arg)
{
    struct scenario s;
    scenario_few_keys(&s, seed, *(const uint32_t *)arg, 24);
    for (int i = 0; i < 12; i++) {
        if (world_leader(s.world) >= 0)
            depose(&s, (uint32_t)world_leader(s.world));
        scenario_run(&s, scenario_between(&s, 300000, 1800000));
        scenario_heal(&s);
        scenario_run(&s, scenario_between(&s, 100000, 1000000));
    }
    scenario_settle(&s, 0);
    scenario_free(&s);
}

/* A node that leads a newer term, and is not the ally; as soon as it does, before anybody has heard of it. */
static uint32_t next_leader(struct scenario *s, uint32_t ally, uint64_t *term)
{
    for (int tries = 0; tries < 10000; tries++) {
        for (uint32_t i = 0; i < s->nodes; i++) {
            struct node_status status;
            if (i == ally || !world_node(s->world, i))
                continue;
            node_status(world_node(s->world, i), &status);
            if (!status.is_leader || status.term <= *term)
                continue;
            *term = status.term;
            return i;
        }
        scenario_run(s, 200);
    }
    return s->nodes; /* none in two seconds */
}

static void cut_but_ally(struct scenario *s, uint32_t leader, uint32_t ally, bool cut)
{
    for (uint32_t i = 0; i < s->nodes; i++)
        if (i != leader && i != ally)
            world_cut(s->world, leader, i, cut);
}

/* Figure 3.7, on and on: whoever comes to lead reaches one other node only, the ally, and soon nobody, while the leader
 * before it is back. Logs fork; the ally, whose disk is slow at times, takes the same entries, loses them and gets them
 * again within one write. */
static void forks(uint64_t seed, const void *arg)
{
    (void)arg;
    struct scenario s;
    scenario_few_keys(&s, seed, 5, 6);
    uint32_t before = s.nodes, ally = 0;
    uint64_t term = 0;
    for (int round = 0; round < 18; round++) {
        if (round % 6 == 0) {
            scenario_heal(&s);
            scenario_run(&s, scenario_between(&s, 0, 2 * SECOND));
            before = s.nodes;
            term = 0;
            ally = (uint32_t)scenario_between(&s, 0, s.nodes - 1);
        }
        if (round % 3 == 0)
            world_stall_disk(s.world, ally, scenario_between(&s, 0, 8 * SECOND));
        uint32_t leader = next_leader(&s, ally, &term);
        if (leader == s.nodes) {
            scenario_heal(&s);
            before = s.nodes;
            term = 0;
            continue;
        }
        cut_but_ally(&s, leader, ally, true);
        scenario_run(&s, scenario_between(&s, 1000, 300000));
        world_cut(s.world, leader, ally, true);
        if (before < s.nodes) {
            cut_but_ally(&s, before, ally, false);
            world_cut(s.world, before, ally, false);
            world_cut(s.world, before, leader, true);
        }
        before = leader;
    }
    scenario_heal(&s);
    scenario_run(&s, 8 * SECOND);
    scenario_settle(&s, 0);
    scenario_free(&s);
}

/* Everybody stands at once, while some frames take longer than an election; who wins is alone at once. Of four nodes only
 * halves see each other at first. */
static void contests(uint64_t seed, const void *arg)
{
    struct scenario s;
    scenario_few_keys(&s, seed, *(const uint32_t *)arg, 6);
    world_late(s.world, 100, 1200000);
    for (int round = 0; round < 10; round++) {
        uint64_t term = 0;
        for (uint32_t i = 0; i < s.nodes; i++)
            world_crash(s.world, i);
        for (uint32_t i = 1; s.nodes == 4 && i < 4; i++)
            for (uint32_t k = 0; k < i; k++)
                world_cut(s.world, i, k, i % 2 != k % 2);
        for (uint32_t i = 0; i < s.nodes; i++)
            world_start(s.world, i);
        uint32_t leader = next_leader(&s, s.nodes, &term);
        if (leader < s.nodes)
            cut_off(&s, leader, false, false);
        scenario_run(&s, scenario_between(&s, 300000, 1500000));
        scenario_heal(&s);
        scenario_run(&s, scenario_between(&s, 0, 300000));
    }
    world_late(s.world, 0, 0);
    scenario_settle(&s, 0);
    scenario_free(&s);
}

static void test_contests(void **state)
{
    static const uint32_t four = 4, five = 5;
    (void)state;
    scenario_seeds(6, contests, &four);
    scenario_seeds(6, contests, &five);
}

/* Whoever hands its office over sleeps for less than a heartbeat: it wakes up with answers to all that it has sent in its
 * sockets, while its successor has committed something (B24). */
static void handovers(uint64_t seed, const void *arg)
{
    (void)arg;
    struct scenario s;
    scenario_few_keys(&s, seed, 3, 24);
    for (int round = 0; round < 60; round++) {
        struct buf error = BUF_EMPTY;
        int leader = world_leader(s.world);
        if (leader >= 0) {
            node_transfer(world_node(s.world, (uint32_t)leader), 0, (uint64_t)1 << 62, &error);
            scenario_run(&s, scenario_between(&s, 500, 6000));
            world_pause(s.world, (uint32_t)leader, scenario_between(&s, 15000, 50000));
        }
        buf_deinit(&error);
        scenario_run(&s, scenario_between(&s, 100000, 300000));
    }
    scenario_settle(&s, 0);
    scenario_free(&s);
}

static void test_handovers(void **state)
{
    (void)state;
    scenario_seeds(8, handovers, NULL);
}

static void only_sees(struct scenario *s, uint32_t who, uint32_t bits)
{
    for (uint32_t i = 0; i < s->nodes; i++)
        if (i != who)
            world_cut(s->world, who, i, !(bits >> i & 1));
}

static uint32_t nodes_in_term(struct scenario *s, uint64_t term)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < s->nodes; i++) {
        struct node_status status;
        node_status(world_node(s->world, i), &status);
        count += status.term == term;
    }
    return count;
}

/* As next_leader, and nobody hears of its term but those who vote for it: it is cut off while their votes are on the way. */
static uint32_t next_unheard(struct scenario *s, uint32_t heir, uint64_t *term)
{
    for (int tries = 0; tries < 10000; tries++) {
        for (uint32_t i = 0; i < s->nodes; i++) {
            struct node_status status;
            node_status(world_node(s->world, i), &status);
            if (i == heir || status.term <= *term || nodes_in_term(s, status.term) * 2 <= s->nodes ||
                (strcmp(status.role, "candidate") != 0 && !status.is_leader))
                continue;
            cut_off(s, i, false, true);
            return next_leader(s, heir, term);
        }
        scenario_run(s, 200);
    }
    return s->nodes;
}

/* What an old leader wrote is cut from its log, while the only other node that holds it comes to lead, and commits it: until
 * then nobody may say what became of it. */
static void overwritten(uint64_t seed, const void *arg)
{
    (void)arg;
    struct scenario s;
    scenario_few_keys(&s, seed, 5, 12);
    for (int round = 0; round < 5; round++) {
        uint64_t term = 0;
        uint32_t old = next_leader(&s, s.nodes, &term);
        if (old == s.nodes)
            scenario_fail(&s, "no leader");
        uint32_t heir = (old + (uint32_t)scenario_between(&s, 1, s.nodes - 1)) % s.nodes;
        only_sees(&s, old, 1u << heir);
        scenario_run(&s, scenario_between(&s, 5000, 100000));
        only_sees(&s, heir, 0);
        uint32_t usurper = next_unheard(&s, heir, &term);
        if (usurper < s.nodes) {
            only_sees(&s, usurper, 1u << old);
            scenario_run(&s, scenario_between(&s, 50000, 400000));
            only_sees(&s, usurper, 0);
        }
        for (uint32_t i = 0; i < s.nodes; i++)
            if (i != old && i != usurper && i != heir)
                world_cut(s.world, heir, i, false);
        next_leader(&s, s.nodes, &term);
        scenario_run(&s, scenario_between(&s, 0, 500000));
        scenario_heal(&s);
        scenario_run(&s, scenario_between(&s, 500000, 2 * SECOND));
    }
    scenario_settle(&s, 0);
    scenario_free(&s);
}

/* An old leader's log is the longest, the next one's is of a newer term, and committed. Whoever has that wins, when its leader
 * is gone. */
static void longer(uint64_t seed, const void *arg)
{
    (void)arg;
    struct scenario s;
    scenario_few_keys(&s, seed, 3, 6);
    for (int round = 0; round < 5; round++) {
        scenario_quiet(&s);
        uint32_t old = scenario_leader(&s);
        only_sees(&s, old, 0);
        for (uint64_t i = scenario_between(&s, 3, 20); i > 0; i--) {
            scenario_write(&s, old);
            scenario_run(&s, 1000);
        }
        scenario_run(&s, 2 * SECOND);
        uint32_t next = scenario_leader(&s);
        scenario_write(&s, next);
        scenario_run(&s, SECOND / 5);
        if (round % 2 == 0)
            world_crash(s.world, next);
        world_heal(s.world);
        scenario_run(&s, 3 * SECOND);
        scenario_heal(&s);
        work_pause(s.work, false);
        scenario_run(&s, scenario_between(&s, 500000, 2 * SECOND));
    }
    scenario_settle(&s, 0);
    scenario_free(&s);
}

static void test_longer(void **state)
{
    (void)state;
    scenario_seeds(4, longer, NULL);
}

static void test_overwritten(void **state)
{
    (void)state;
    scenario_seeds(8, overwritten, NULL);
}

static void test_forks(void **state)
{
    (void)state;
    scenario_seeds(8, forks, NULL);
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
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_leaders),   cmocka_unit_test(test_forks),
                                       cmocka_unit_test(test_contests),  cmocka_unit_test(test_overwritten),
                                       cmocka_unit_test(test_handovers), cmocka_unit_test(test_longer)};
    if (getenv("ONLY_TEST"))
        cmocka_set_test_filter(getenv("ONLY_TEST"));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
