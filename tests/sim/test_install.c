/* Snapshots that are installed while everything else goes on: appends, elections, other snapshots, crashes, a disk that is slow.
 * SEED=n N=k runs k seeds from n on. time limit: 300 s */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "scenario.h"

#include <stdlib.h>

enum { CLIENTS = 12, FLOOD = 60 };
#define TICKET (1ull << 62)

/* Out of everybody's sight, and their links know it: nothing is kept for it. */
static void leave_out(struct scenario *s, uint32_t who)
{
    for (uint32_t i = 0; i < s->nodes; i++) {
        if (i == who)
            continue;
        world_cut(s->world, who, i, true);
        world_reset_link(s->world, who, i);
    }
}

static bool leads(struct scenario *s, uint32_t i)
{
    struct node_status status;
    if (!world_node(s->world, i))
        return false;
    node_status(world_node(s->world, i), &status);
    return status.is_leader;
}

/* Who serves, whatever a leader that is left out thinks of itself; within three seconds, else s->nodes. */
static uint32_t leader_but(struct scenario *s, uint32_t left_out)
{
    for (int tries = 0; tries < 3000; tries++) {
        for (uint32_t i = 0; i < s->nodes; i++)
            if (i != left_out && leads(s, i))
                return i;
        scenario_run(s, 1000);
    }
    return s->nodes;
}

/* true: the entry that asks for it is in the leader's log. */
static bool save(struct scenario *s, uint32_t who)
{
    struct buf error = BUF_EMPTY;
    struct node *n = world_node(s->world, who);
    enum node_outcome outcome = n ? node_checkpoint(n, false, 0, &error) : NODE_NOT_LEADER;
    buf_deinit(&error);
    return outcome == NODE_DONE;
}

static void write_some(struct scenario *s, uint32_t who, uint32_t count)
{
    for (uint32_t i = 0; who < s->nodes && world_node(s->world, who) && i < count; i++)
        scenario_write(s, who);
}

static void hand_over(struct scenario *s, uint32_t from, uint64_t to)
{
    struct buf error = BUF_EMPTY;
    if (world_node(s->world, from))
        node_transfer(world_node(s->world, from), to, TICKET, &error);
    buf_deinit(&error);
}

/* While the snapshot is on its way to `late`, or being written and loaded there. */
static void interfere(struct scenario *s, uint32_t leader, uint32_t late)
{
    struct world *w = s->world;
    switch (prng_below(world_chance(w), 7)) {
    case 0:
    case 1: /* the next one has all that `late` lacks in its journal */
        hand_over(s, leader, 0);
        break;
    case 2:
        world_crash(w, leader);
        break;
    case 3:
        world_crash(w, late);
        break;
    case 4: /* no leader is heard */
        leave_out(s, late);
        scenario_run(s, 2500000);
        break;
    case 5:
        save(s, leader);
        break;
    case 6: /* an old leader's piece arrives in another's term */
        world_clog(w, leader, late, scenario_between(s, 100000, 600000));
        hand_over(s, leader, 0);
        break;
    }
}

/* A follower that was away, or a leader that was cut off with entries of its own, comes back to a leader whose journal no longer
 * has what it lacks. */
static void behind(uint64_t seed, const void *arg)
{
    struct scenario s;
    scenario_few_keys(&s, seed, *(const uint32_t *)arg, CLIENTS);
    for (int round = 0; round < 10; round++) {
        uint32_t late = leader_but(&s, s.nodes);
        if (late == s.nodes)
            scenario_fail(&s, "no leader");
        bool led = prng_below(world_chance(s.world), 2);
        if (!led)
            late = (late + 1) % s.nodes;
        leave_out(&s, late);
        if (led)
            write_some(&s, late, FLOOD);
        uint32_t leader = leader_but(&s, late);
        for (int tries = 0; leader < s.nodes && !save(&s, leader) && tries < 500; tries++)
            scenario_run(&s, 500);
        scenario_run(&s, scenario_between(&s, 20000, 300000));
        world_disk_fault(s.world, late, DISK_SLOW, scenario_between(&s, 50000, 600000));
        world_heal(s.world);
        scenario_run(&s, scenario_between(&s, 1000, 300000));
        if (leader < s.nodes)
            interfere(&s, leader, late);
        scenario_run(&s, scenario_between(&s, 100000, 1500000));
        world_disk_calm(s.world);
        scenario_heal(&s);
        scenario_run(&s, scenario_between(&s, 200000, 2 * SECOND));
    }
    scenario_settle(&s, 0);
    scenario_free(&s);
}

static void test_behind(void **state)
{
    static const uint32_t three = 3, five = 5;
    (void)state;
    scenario_seeds(8, behind, &three);
    scenario_seeds(4, behind, &five);
}

/* true: it begins to install within three seconds. */
static bool begins_to_install(struct scenario *s, uint32_t who)
{
    for (int tries = 0; tries < 1500 && world_node(s->world, who); tries++) {
        if (node_is_loading(world_node(s->world, who)))
            return true;
        scenario_run(s, 2000);
    }
    return false;
}

static void restart(struct scenario *s, uint32_t who)
{
    world_crash(s->world, who);
    world_start(s->world, who);
    scenario_run(s, scenario_between(s, 100000, SECOND));
}

/* A journal that conflicts with the leader's is cut, or a snapshot takes its place, with a crash between any two steps of that;
 * what the next start makes of it is seen at the one after that. */
static void cut_short(uint64_t seed, const void *arg)
{
    struct scenario s;
    (void)arg;
    scenario_few_keys(&s, seed, 3, 6);
    for (int round = 0; round < 12; round++) {
        scenario_quiet(&s);
        uint32_t late = leader_but(&s, s.nodes);
        if (late == s.nodes)
            scenario_fail(&s, "no leader");
        leave_out(&s, late);
        for (int i = 0; i < 20; i++) { /* a block each */
            write_some(&s, late, 1);
            scenario_run(&s, 4000);
        }
        uint32_t leader = leader_but(&s, late);
        for (int tries = 0; round % 3 && leader < s.nodes && !save(&s, leader) && tries < 500; tries++)
            scenario_run(&s, 500);
        scenario_run(&s, SECOND / 2);
        world_disk_fault(s.world, late, DISK_SLOW, 200000);
        world_heal(s.world);
        if (begins_to_install(&s, late)) /* the snapshot counts soon, the old journal goes a little later */
            scenario_run(&s, scenario_between(&s, 0, round % 4 ? 20000 : 200000));
        world_disk_calm(s.world);
        restart(&s, late);
        write_some(&s, leader, 2);
        scenario_run(&s, SECOND / 10);
        restart(&s, late);
        scenario_heal(&s);
        work_pause(s.work, false);
        scenario_run(&s, SECOND);
    }
    scenario_settle(&s, 0);
    scenario_free(&s);
}

static void test_cut_short(void **state)
{
    (void)state;
    scenario_seeds(4, cut_short, NULL);
}

/* A voter whose log is compacted whole, asked for its vote by one that lacks some of it. */
static void compacted_whole(uint64_t seed, const void *arg)
{
    struct scenario s;
    (void)arg;
    scenario_few_keys(&s, seed, 3, CLIENTS);
    for (int round = 0; round < 6; round++) {
        uint32_t leader = leader_but(&s, s.nodes), late = (leader + 1) % 3, heir = (leader + 2) % 3;
        if (leader == s.nodes)
            scenario_fail(&s, "no leader");
        leave_out(&s, late);
        scenario_run(&s, scenario_between(&s, 100000, 500000));
        scenario_quiet(&s);
        save(&s, heir);
        scenario_run(&s, SECOND);
        world_pause(s.world, heir, scenario_between(&s, 1500000, 2500000));
        world_crash(s.world, leader);
        world_heal(s.world);
        scenario_run(&s, 4 * SECOND);
        scenario_heal(&s);
        work_pause(s.work, false);
        scenario_run(&s, 2 * SECOND);
    }
    scenario_settle(&s, 0);
    scenario_free(&s);
}

static void test_compacted_whole(void **state)
{
    (void)state;
    scenario_seeds(4, compacted_whole, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_behind), cmocka_unit_test(test_cut_short),
                                       cmocka_unit_test(test_compacted_whole)};
    if (getenv("ONLY_TEST"))
        cmocka_set_test_filter(getenv("ONLY_TEST"));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
