/* Nodes that come and go: founding under crashes, joining, FORGET, lost disks, MEET, RESET. SEED=n N=k runs k seeds from
 * n on. time limit: 300 s */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "scenario.h"

#include <stdlib.h>

#define ADMIN ((uint64_t)1 << 62) /* tickets that no client has */

static uint64_t forget(struct world *w, uint32_t at, uint64_t id)
{
    static uint64_t tickets = ADMIN;
    world_forget(w, at, id, ++tickets);
    return tickets;
}

/* Everybody who is no member at the end, as scenario_settle wants it. */
static uint32_t strangers(struct scenario *s)
{
    uint32_t bits = 0;
    for (uint32_t i = 0; i < world_count(s->world); i++)
        bits |= (uint32_t)!world_is_member(s->world, world_node_id(s->world, i)) << i;
    return bits;
}

static void finish(struct scenario *s)
{
    scenario_heal(s);
    scenario_run(s, 8 * SECOND);
    if (world_leader(s->world) < 0)
        scenario_fail(s, "no leader");
    scenario_settle(s, strangers(s));
    if (work_acked(s->work) < 20)
        scenario_fail(s, "only %llu writes", (unsigned long long)work_acked(s->work));
}

static void want_voters(struct scenario *s, uint32_t bits)
{
    for (uint32_t i = 0; i < world_count(s->world); i++)
        if (world_is_voter(s->world, world_node_id(s->world, i)) != (bits >> i & 1))
            scenario_fail(s, "node %u is %sa voter", i, bits >> i & 1 ? "not " : "");
}

/* ---- founding ----------------------------------------------------------------------------------------- */

/* All nodes come, crash and come back at random within the first second or so. */
static void found_under_crashes(uint64_t seed, const void *arg)
{
    struct scenario s;
    const struct faults f = {.late = true};
    scenario_new(&s, seed, *(const uint32_t *)arg, &f, NULL);
    struct prng *p = world_chance(s.world);
    for (uint32_t i = 0; i < s.nodes; i++)
        if (prng_below(p, 2))
            world_crash(s.world, i);
    for (int step = 0; step < 60; step++) {
        uint32_t a = (uint32_t)prng_below(p, s.nodes);
        scenario_run(&s, prng_below(p, 30000));
        if (world_node(s.world, a))
            world_crash(s.world, a);
        else
            world_start(s.world, a);
    }
    finish(&s);
    if (world_clusters(s.world) != 1)
        scenario_fail(&s, "%u clusters", world_clusters(s.world));
    want_voters(&s, (1u << s.nodes) - 1);
    scenario_free(&s);
}

static void test_founding(void **state)
{
    (void)state;
    const uint32_t sizes[] = {3, 5};
    for (size_t i = 0; i < 2; i++)
        scenario_seeds(20, found_under_crashes, &sizes[i]);
}

/* ---- lost disks --------------------------------------------------------------------------------------- */

/* A node that lost its disk founds nothing, votes for nobody, and is replaced by FORGET and a join. */
static void wipe_and_replace(uint64_t seed, const void *arg)
{
    struct scenario s;
    (void)arg;
    const struct faults f = {.snapshots = seed % 2, .late = true};
    scenario_new(&s, seed, 3, &f, NULL);
    uint32_t lost = (uint32_t)(seed % 3);
    scenario_run(&s, 3 * SECOND);
    uint64_t id = world_node_id(s.world, lost);
    world_crash(s.world, lost);
    if (seed % 5 == 0) { /* the others restart too: nobody may found in their absence */
        world_crash(s.world, (lost + 1) % 3);
        world_crash(s.world, (lost + 2) % 3);
    }
    world_wipe(s.world, lost);
    world_start(s.world, lost);
    scenario_run(&s, 2 * SECOND);
    scenario_heal(&s);
    scenario_run(&s, 3 * SECOND);
    if (world_clusters(s.world) != 1)
        scenario_fail(&s, "%u clusters", world_clusters(s.world));
    struct node_status status;
    node_status(world_node(s.world, lost), &status);
    if (status.last_index || status.term)
        scenario_fail(&s, "the wiped node takes part: term %llu, last entry %llu",
                      (unsigned long long)status.term, (unsigned long long)status.last_index);
    forget(s.world, (lost + 1) % 3, id);
    scenario_run(&s, 2 * SECOND);
    world_crash(s.world, lost);
    world_wipe(s.world, lost);
    world_rejoin(s.world, lost, (lost + 1 + (uint32_t)(seed % 2)) % 3);
    finish(&s);
    want_voters(&s, 7);
    scenario_free(&s);
}

/* Who comes back with an empty disk and asks to be let in finds its place held by what it was, until that is forgotten. */
static void place_is_held(uint64_t seed, const void *arg)
{
    struct scenario s;
    (void)arg;
    const struct faults f = {.late = true};
    scenario_new(&s, seed, 3, &f, NULL);
    scenario_run(&s, 2 * SECOND);
    uint32_t lost = (uint32_t)(seed % 3), other = (lost + 1) % 3;
    uint64_t id = world_node_id(s.world, lost);
    world_crash(s.world, lost);
    world_wipe(s.world, lost);
    world_rejoin(s.world, lost, other);
    scenario_run(&s, 3 * SECOND);
    if (world_is_member(s.world, world_node_id(s.world, lost)))
        scenario_fail(&s, "let in where another one stands");
    forget(s.world, other, id);
    finish(&s);
    want_voters(&s, 7);
    scenario_free(&s);
}

/* It was down when it was removed, and no entry tells it. */
static void removed_unheard(uint64_t seed, const void *arg)
{
    struct scenario s;
    struct node_status status;
    struct buf error = BUF_EMPTY;
    (void)arg;
    const struct faults f = {.late = true};
    scenario_new(&s, seed, 4, &f, NULL);
    scenario_run(&s, 2 * SECOND);
    uint32_t gone = (uint32_t)(seed % 4);
    world_crash(s.world, gone);
    scenario_run(&s, SECOND);
    forget(s.world, (gone + 1) % 4, world_node_id(s.world, gone));
    scenario_run(&s, 3 * SECOND);
    world_start(s.world, gone);
    scenario_run(&s, 3 * SECOND);
    node_status(world_node(s.world, gone), &status);
    if (!status.removed)
        scenario_fail(&s, "node %u does not know that it has been removed", gone);
    finish(&s); /* and no client asks any more: what the node then serves is a cluster of its own */
    assert_int_equal(node_reset(world_node(s.world, gone), ADMIN, &error), NODE_DONE);
    buf_deinit(&error);
    scenario_run(&s, 3 * SECOND);
    node_status(world_node(s.world, gone), &status);
    if (!status.serving || status.peer_count != 1)
        scenario_fail(&s, "node %u is %s after its reset", gone, status.role);
    scenario_free(&s);
}

static void test_places(void **state)
{
    (void)state;
    scenario_seeds(6, place_is_held, NULL);
    scenario_seeds(4, removed_unheard, NULL);
}

static void test_wiped(void **state)
{
    (void)state;
    scenario_seeds(12, wipe_and_replace, NULL);
}

/* ---- one change after the other, among faults ----------------------------------------------------------- */

static uint32_t some_member(struct scenario *s)
{
    uint32_t from = (uint32_t)prng_below(world_chance(s->world), world_count(s->world));
    for (uint32_t k = 0; k < world_count(s->world); k++) {
        uint32_t i = (from + k) % world_count(s->world);
        if (world_is_member(s->world, world_node_id(s->world, i)))
            return i;
    }
    return 0;
}

/* An outsider is wiped and joins, or a new node does. */
static void let_one_in(struct scenario *s)
{
    struct world *w = s->world;
    uint32_t via = some_member(s);
    if (world_leader(w) < 0)
        return;
    for (uint32_t i = 0; i < world_count(w); i++) {
        if (world_is_member(w, world_node_id(w, i)) || i == via)
            continue;
        world_crash(w, i);
        world_wipe(w, i);
        world_rejoin(w, i, via);
        return;
    }
    if (world_count(w) < WORLD_NODES_MAX)
        world_add(w, via);
}

static void put_one_out(struct scenario *s)
{
    struct world *w = s->world;
    uint32_t voters = 0, who = some_member(s);
    for (uint32_t i = 0; i < world_count(w); i++)
        voters += world_is_voter(w, world_node_id(w, i));
    if (voters > 2 && world_leader(w) >= 0)
        forget(w, some_member(s), world_node_id(w, who));
}

static void churn(uint64_t seed, const void *arg)
{
    const struct faults *f = arg;
    struct scenario s;
    scenario_new(&s, seed, 3, f, NULL);
    scenario_run(&s, 2 * SECOND);
    struct prng *p = world_chance(s.world);
    for (int step = 0; step < 60; step++) {
        scenario_run(&s, 20000 + prng_below(p, 600000));
        switch (prng_below(p, 6)) {
        case 0:
            let_one_in(&s);
            break;
        case 1:
        case 2:
            put_one_out(&s);
            break;
        default:
            scenario_fault(&s, f);
        }
    }
    finish(&s);
    scenario_free(&s);
}

static void test_churn(void **state)
{
    (void)state;
    struct faults f = {0};
    scenario_seeds(3, churn, &f);
    f = (struct faults){.crash = true, .cut = true, .one_way = true, .late = true, .move = true};
    scenario_seeds(8, churn, &f);
    f = (struct faults){
        .crash = true, .pause = true, .drop = true, .disorder = true, .disk = true, .snapshots = true};
    scenario_seeds(8, churn, &f);
}

/* ---- one change at a time ------------------------------------------------------------------------------- */

/* While one change cannot be committed another has to wait: it is asked for again, but not in a loop. */
static void wait_for_another(uint64_t seed, const void *arg)
{
    struct scenario s;
    (void)arg;
    const struct faults f = {.late = false};
    scenario_new(&s, seed, 5, &f, NULL);
    scenario_run(&s, 3 * SECOND);
    scenario_quiet(&s);
    int leader = world_leader(s.world);
    if (leader < 0)
        scenario_fail(&s, "no leader");
    uint32_t one = ((uint32_t)leader + 1) % 5, two = ((uint32_t)leader + 2) % 5;
    for (uint32_t i = 0; i < 5; i++)
        world_stall_disk(s.world, i, SECOND);
    forget(s.world, (uint32_t)leader, world_node_id(s.world, one));
    scenario_run(&s, SECOND / 20);
    uint64_t before = world_counts(s.world)->frames;
    forget(s.world, two, world_node_id(s.world, two));
    scenario_run(&s, SECOND / 2);
    uint64_t frames = world_counts(s.world)->frames - before;
    if (frames > 250) /* ten heartbeats, and their replies, are 80 */
        scenario_fail(&s, "%llu frames while nothing can be done", (unsigned long long)frames);
    scenario_run(&s, 5 * SECOND);
    want_voters(&s, 31u & ~(1u << one) & ~(1u << two));
    work_pause(s.work, false);
    scenario_run(&s, 3 * SECOND);
    finish(&s);
    scenario_free(&s);
}

static void test_one_at_a_time(void **state)
{
    (void)state;
    scenario_seeds(5, wait_for_another, NULL);
}

/* ---- changes and changes of leaders ---------------------------------------------------------------------- */

static void isolate(struct scenario *s, uint32_t who, bool cut)
{
    for (uint32_t i = 0; i < world_count(s->world); i++)
        if (i != who)
            world_cut(s->world, who, i, cut);
}

static void take_back(struct scenario *s, uint32_t i, uint32_t via)
{
    if (world_is_member(s->world, world_node_id(s->world, i)))
        return;
    world_crash(s->world, i);
    world_wipe(s->world, i);
    world_rejoin(s->world, i, via);
    scenario_run(s, 2 * SECOND);
}

/* A leader that is cut off is asked to remove somebody, and soon asked again. Either it stays away until that is given up;
 * or everybody else is asked for another, before they have a leader: whoever comes to lead hears of it before anything of
 * its own term is committed. */
static void ask_a_deposed_leader(uint64_t seed, const void *arg)
{
    struct scenario s;
    (void)arg;
    const struct faults f = {.snapshots = seed % 2};
    scenario_new(&s, seed, 5, &f, NULL);
    scenario_run(&s, 2 * SECOND);
    struct prng *p = world_chance(s.world);
    for (int round = 0; round < 4; round++) {
        uint32_t old = scenario_leader(&s), one = (old + 1 + (uint32_t)prng_below(p, 4)) % 5;
        uint32_t two = (one + 1) % 5 == old ? (one + 2) % 5 : (one + 1) % 5;
        isolate(&s, old, true);
        scenario_run(&s, prng_below(p, 100000));
        forget(s.world, old, world_node_id(s.world, one));
        scenario_run(&s, prng_below(p, 200000));
        forget(s.world, old, world_node_id(s.world, one));
        scenario_run(&s, SECOND / 2);
        for (uint32_t i = 0; i < 5 && round % 2; i++)
            if (i != old)
                forget(s.world, i, world_node_id(s.world, two));
        scenario_run(&s, round % 2 ? SECOND + prng_below(p, 2 * SECOND) : 4 * SECOND);
        isolate(&s, old, false);
        scenario_run(&s, 2 * SECOND);
        scenario_heal(&s);
        take_back(&s, one, old);
        take_back(&s, two, old);
    }
    finish(&s);
    scenario_free(&s);
}

/* The leader ends when it has just been asked: the next one is asked in time. */
static void leader_goes_when_asked(uint64_t seed, const void *arg)
{
    struct scenario s;
    (void)arg;
    const struct faults f = {.late = false};
    scenario_new(&s, seed, 5, &f, NULL);
    scenario_run(&s, 2 * SECOND);
    struct prng *p = world_chance(s.world);
    for (int round = 0; round < 3; round++) {
        uint32_t old = scenario_leader(&s), at = (old + 1) % 5, who = (old + 2) % 5;
        uint64_t ticket = forget(s.world, at, world_node_id(s.world, who));
        scenario_run(&s, prng_below(p, 6000));
        world_crash(s.world, old);
        scenario_run(&s, 5 * SECOND);
        if (world_forget_reply(s.world, ticket)[0] != '+')
            scenario_fail(&s, "somebody leads, and FORGET is answered %s",
                          world_forget_reply(s.world, ticket));
        world_start(s.world, old);
        take_back(&s, who, at);
        scenario_run(&s, SECOND);
    }
    finish(&s);
    scenario_free(&s);
}

/* One that has come to learn counts for nothing: half of the voters hear it, and not the other half. */
static void learn_among_halves(uint64_t seed, const void *arg)
{
    struct scenario s;
    const uint32_t nodes = *(const uint32_t *)arg;
    const struct faults f = {.late = false};
    scenario_new(&s, seed, nodes, &f, NULL);
    scenario_run(&s, 2 * SECOND);
    struct prng *p = world_chance(s.world);
    uint32_t outsider = nodes;
    for (int round = 0; round < 4; round++) {
        uint32_t old = scenario_leader(&s), ally = nodes == 4 ? (old + 1) % 4 : old;
        if (outsider == nodes && world_count(s.world) == nodes) {
            world_add(s.world, old);
        } else {
            world_crash(s.world, outsider);
            world_wipe(s.world, outsider);
            world_rejoin(s.world, outsider, old);
        }
        scenario_run(&s, prng_below(p, 60000));
        for (uint32_t i = 0; i < nodes; i++)
            for (uint32_t k = 0; k < i; k++)
                world_cut(s.world, i, k, (i == old || i == ally) != (k == old || k == ally));
        scenario_run(&s, SECOND);
        scenario_heal(&s);
        scenario_run(&s, 3 * SECOND);
        old = scenario_leader(&s);
        if (old == outsider) { /* those of the beginning stay */
            struct buf error = BUF_EMPTY;
            node_transfer(world_node(s.world, old), world_node_id(s.world, 0), ADMIN, &error);
            buf_deinit(&error);
            scenario_run(&s, SECOND);
        }
        forget(s.world, 0, world_node_id(s.world, outsider));
        scenario_run(&s, 2 * SECOND);
    }
    finish(&s);
    scenario_free(&s);
}

/* A snapshot is written while somebody's removal is under way, and sent to one that was away. */
static void snapshot_amid_a_change(uint64_t seed, const void *arg)
{
    struct scenario s;
    (void)arg;
    const struct faults f = {.snapshots = true};
    scenario_new(&s, seed, 5, &f, NULL);
    scenario_run(&s, 2 * SECOND);
    struct prng *p = world_chance(s.world);
    for (int round = 0; round < 3; round++) {
        uint32_t old = scenario_leader(&s), away = (old + 1) % 5, who = (old + 2) % 5;
        struct buf error = BUF_EMPTY;
        world_crash(s.world, away);
        scenario_run(&s, SECOND / 2 + prng_below(p, SECOND));
        if (world_node(s.world, old))
            node_checkpoint(world_node(s.world, old), false, ADMIN, &error);
        buf_deinit(&error);
        forget(s.world, old, world_node_id(s.world, who));
        scenario_run(&s, SECOND);
        world_start(s.world, away);
        scenario_run(&s, SECOND);
        take_back(&s, who, old);
    }
    finish(&s);
    scenario_free(&s);
}

static void test_deposed(void **state)
{
    (void)state;
    scenario_seeds(2, ask_a_deposed_leader, NULL);
}

static void test_asked(void **state)
{
    (void)state;
    scenario_seeds(2, leader_goes_when_asked, NULL);
}

static void test_halves_of_two(void **state)
{
    static const uint32_t nodes = 2;
    (void)state;
    scenario_seeds(2, learn_among_halves, &nodes);
}

static void test_halves_of_four(void **state)
{
    static const uint32_t nodes = 4;
    (void)state;
    scenario_seeds(2, learn_among_halves, &nodes);
}

static void test_amid_a_change(void **state)
{
    (void)state;
    scenario_seeds(2, snapshot_amid_a_change, NULL);
}

/* ---- the last one ---------------------------------------------------------------------------------------- */

static void last_voter(uint64_t seed, const void *arg)
{
    struct scenario s;
    (void)arg;
    const struct faults f = {.late = false};
    scenario_new(&s, seed, 2, &f, NULL);
    scenario_run(&s, 2 * SECOND);
    uint32_t old = scenario_leader(&s), last = seed % 2 ? old : 1 - old;
    forget(s.world, last, world_node_id(s.world, 1 - last));
    scenario_run(&s, 3 * SECOND);
    uint64_t ticket = forget(s.world, last, world_node_id(s.world, last));
    scenario_run(&s, SECOND);
    if (world_forget_reply(s.world, ticket)[0] != '-')
        scenario_fail(&s, "the last voter may go: %s", world_forget_reply(s.world, ticket));
    finish(&s);
    want_voters(&s, 1u << last);
    scenario_free(&s);
}

static void test_last(void **state)
{
    (void)state;
    scenario_seeds(4, last_voter, NULL);
}

/* ---- MEET and RESET ----------------------------------------------------------------------------------- */

/* A cluster of one grows to three, by MEET in either direction, and shrinks again; who was put out starts over. */
static void meet(uint64_t seed, const void *arg)
{
    struct scenario s;
    (void)arg;
    const struct faults f = {.late = true};
    scenario_new(&s, seed, 1, &f, NULL);
    scenario_run(&s, SECOND);
    scenario_quiet(&s); /* nobody writes to a node that is still alone */
    uint32_t one = world_add_alone(s.world), two = world_add_alone(s.world);
    scenario_run(&s, SECOND / 2);
    world_meet(s.world, one, 0, ADMIN);
    scenario_run(&s, 4 * SECOND);
    want_voters(&s, 3);
    work_pause(s.work, seed % 3 == 0);
    if (seed % 2)
        world_meet(s.world, (uint32_t)(seed / 2 % 2), two, ADMIN); /* the other one is invited */
    else
        world_meet(s.world, two, (uint32_t)(seed / 2 % 2), ADMIN);
    scenario_run(&s, 5 * SECOND);
    want_voters(&s, 7);
    work_pause(s.work, false);
    forget(s.world, two, world_node_id(s.world, 1));
    scenario_run(&s, 3 * SECOND);
    forget(s.world, 1, world_node_id(s.world, 0));
    forget(s.world, 2, world_node_id(s.world, 0));
    scenario_run(&s, 3 * SECOND);
    want_voters(&s, 4);
    scenario_settle(&s, 3);
    struct buf error = BUF_EMPTY;
    for (uint32_t i = 0; i < 2; i++) {
        node_reset(world_node(s.world, i), ADMIN, &error);
        assert_int_equal(error.len, 0);
    }
    scenario_run(&s, 3 * SECOND);
    for (uint32_t i = 0; i < 2; i++)
        if (store_count(rsm_store(node_rsm(world_node(s.world, i))), 0))
            scenario_fail(&s, "node %u holds keys after its RESET", i);
    buf_deinit(&error);
    scenario_free(&s);
}

static void test_meet(void **state)
{
    (void)state;
    scenario_seeds(10, meet, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_founding),      cmocka_unit_test(test_wiped),
        cmocka_unit_test(test_churn),         cmocka_unit_test(test_one_at_a_time),
        cmocka_unit_test(test_meet),          cmocka_unit_test(test_places),
        cmocka_unit_test(test_deposed),       cmocka_unit_test(test_asked),
        cmocka_unit_test(test_halves_of_two), cmocka_unit_test(test_halves_of_four),
        cmocka_unit_test(test_amid_a_change), cmocka_unit_test(test_last),
    };
    if (getenv("ONLY_TEST"))
        cmocka_set_test_filter(getenv("ONLY_TEST"));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
