/* States that differ, as a flipped bit in memory or a bug in apply would make them: who is wrong is found out, serves
 * nothing from then on, and does no harm; who is right is never accused. SEED=n N=k runs k seeds from n on.
 * time limit: 300 s */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "node/node_int.h"
#include "scenario.h"
#include "world_int.h"

#include <stdlib.h>

#define ADMIN     ((uint64_t)1 << 62) /* tickets that no client has */
#define FOUND_OUT (3 * SECOND)        /* within this a difference is seen */

static struct node_status status_of(struct scenario *s, uint32_t i)
{
    struct node_status st;
    node_status(world_node(s->world, i), &st);
    return st;
}

/* Whoever knows that it is wrong answers nothing, and a read that is offered to it is turned away. */
static void watch(void *arg, uint32_t i)
{
    struct scenario *s = arg;
    struct node *n = world_node(s->world, i);
    uint64_t now_ms;
    if (n->running && !digest_trusted(n)) {
        bool reads = node_read(n, 0, true, ADMIN, &now_ms) != NODE_NOT_LEADER ||
                     node_read_due(n, 1, ADMIN) != NODE_NOT_LEADER;
        if (node_is_serving(n) || reads || node_reads_at_once(n))
            scenario_fail(s, "node %u serves, and knows that it differs", i);
    }
    work_turn(s->work, i);
}

static void run(struct scenario *s, uint64_t for_us)
{
    world_run(s->world, world_now_us(s->world) + for_us, watch, s);
    scenario_judge(s);
}

static void begin(struct scenario *s, uint64_t seed, uint32_t nodes, const struct faults *f)
{
    scenario_new(s, seed, nodes, f, NULL);
    run(s, 2 * SECOND);
    if (world_leader(s->world) < 0)
        run(s, 2 * SECOND);
}

/* Exactly these nodes know that they differ, and every other one that runs knows it of them. */
static void want_diverged(struct scenario *s, uint32_t bits)
{
    for (uint32_t i = 0; i < world_count(s->world); i++) {
        if (!world_node(s->world, i))
            continue;
        struct node_status st = status_of(s, i);
        if (st.diverged != (bits >> i & 1) || st.in_doubt)
            scenario_fail(s, "node %u says diverged:%d, in doubt:%d", i, st.diverged, st.in_doubt);
        for (size_t k = 0; k < st.peer_count; k++)
            for (uint32_t j = 0; j < world_count(s->world); j++)
                if (world_node_id(s->world, j) == st.peers[k].id && world_node(s->world, j) &&
                    st.peers[k].diverged != (bits >> j & 1))
                    scenario_fail(s, "node %u takes node %u for diverged:%d", i, j, st.peers[k].diverged);
    }
}

static void want_doubt(struct scenario *s)
{
    for (uint32_t i = 0; i < world_count(s->world); i++)
        if (world_node(s->world, i) && !status_of(s, i).in_doubt)
            scenario_fail(s, "node %u is not in doubt", i);
    if (world_leader(s->world) >= 0)
        scenario_fail(s, "node %d serves, and no majority agrees", world_leader(s->world));
}

static void forget(struct scenario *s, uint32_t at, uint32_t who)
{
    struct buf error = BUF_EMPTY;
    node_forget(world_node(s->world, at), world_node_id(s->world, who), ADMIN, &error);
    buf_deinit(&error);
}

static void replace(struct scenario *s, uint32_t who, uint32_t via)
{
    forget(s, via, who);
    run(s, 2 * SECOND);
    world_crash(s->world, who);
    world_wipe(s->world, who);
    world_rejoin(s->world, who, via);
    run(s, 5 * SECOND);
}

static uint32_t leader_of(struct scenario *s)
{
    int leader = world_leader(s->world);
    if (leader < 0)
        scenario_fail(s, "nobody serves");
    return (uint32_t)leader;
}

/* ---- one that is wrong -------------------------------------------------------------------------------- */

struct plan {
    uint32_t nodes;
    bool leader, quiet;
};

static void one_wrong(uint64_t seed, const void *arg)
{
    const struct plan *plan = arg;
    const struct faults f = {.late = seed % 2};
    struct scenario s;
    begin(&s, seed, plan->nodes, &f);
    uint32_t leader = leader_of(&s), wrong = plan->leader ? leader : (leader + 1) % plan->nodes;
    if (plan->quiet)
        scenario_quiet(&s);
    world_tamper(s.world, wrong);
    run(&s, FOUND_OUT);
    want_diverged(&s, 1u << wrong);
    leader = leader_of(&s);
    work_pause(s.work, false);

    struct buf error = BUF_EMPTY;
    if (node_checkpoint(world_node(s.world, wrong), false, ADMIN, &error) != NODE_REFUSED)
        scenario_fail(&s, "a snapshot of a diverged state is taken");
    node_transfer(world_node(s.world, leader), world_node_id(s.world, wrong), ADMIN, &error);
    buf_deinit(&error);
    uint64_t acked = work_acked(s.work);
    run(&s, 2 * SECOND);
    if (work_acked(s.work) < acked + 10)
        scenario_fail(&s, "the others hardly serve");

    world_crash(s.world, wrong); /* a restart does not make it forget */
    world_start(s.world, wrong);
    run(&s, SECOND / 100);
    if (!status_of(&s, wrong).diverged)
        scenario_fail(&s, "a restart made it forget");
    run(&s, SECOND);
    want_diverged(&s, 1u << wrong);

    /* It votes and does not stand, unless it alone has all that was committed: then it leads until it can hand over. */
    world_crash(s.world, leader_of(&s));
    run(&s, 6 * SECOND);
    if (leader_of(&s) == wrong)
        scenario_fail(&s, "the diverged node serves");
    scenario_heal(&s);
    run(&s, SECOND);
    replace(&s, wrong, leader_of(&s));
    want_diverged(&s, 0);
    scenario_settle(&s, 0);
    scenario_free(&s);
}

static void test_follower(void **state)
{
    (void)state;
    scenario_seeds(6, one_wrong, &(struct plan){.nodes = 3});
    scenario_seeds(3, one_wrong, &(struct plan){.nodes = 5});
}

static void test_leader(void **state)
{
    (void)state;
    scenario_seeds(6, one_wrong, &(struct plan){.nodes = 3, .leader = true});
    scenario_seeds(3, one_wrong, &(struct plan){.nodes = 5, .leader = true});
}

static void test_quiet(void **state)
{
    (void)state;
    scenario_seeds(3, one_wrong, &(struct plan){.nodes = 3, .quiet = true});
    scenario_seeds(3, one_wrong, &(struct plan){.nodes = 3, .leader = true, .quiet = true});
}

/* Cut off while it diverges, far behind when it comes back: found out by what it applies then. */
static void far_behind(uint64_t seed, const void *arg)
{
    const struct faults f = {0};
    struct scenario s;
    (void)arg;
    begin(&s, seed, 3, &f);
    uint32_t wrong = (leader_of(&s) + 1) % 3;
    world_cut(s.world, wrong, (wrong + 1) % 3, true);
    world_cut(s.world, wrong, (wrong + 2) % 3, true);
    run(&s, SECOND / 2);
    world_tamper(s.world, wrong);
    run(&s, 5 * SECOND);
    world_heal(s.world);
    run(&s, FOUND_OUT);
    want_diverged(&s, 1u << wrong);
    scenario_settle(&s, 1u << wrong);
    scenario_free(&s);
}

static void test_far_behind(void **state)
{
    (void)state;
    scenario_seeds(5, far_behind, NULL);
}

/* A diverged node that has fallen behind is healed by the leader's snapshot. */
static void healed(uint64_t seed, const void *arg)
{
    const struct faults f = {.snapshots = true};
    struct scenario s;
    (void)arg;
    begin(&s, seed, 3, &f);
    uint32_t wrong = (leader_of(&s) + 1) % 3;
    world_tamper(s.world, wrong);
    run(&s, FOUND_OUT);
    want_diverged(&s, 1u << wrong);
    world_crash(s.world, wrong);
    run(&s, 5 * SECOND);
    world_start(s.world, wrong);
    run(&s, 3 * SECOND);
    if (status_of(&s, wrong).snapshots_installed == 0)
        scenario_fail(&s, "no snapshot was installed");
    want_diverged(&s, 0);
    world_crash(s.world, wrong);
    world_start(s.world, wrong);
    run(&s, 2 * SECOND);
    want_diverged(&s, 0);
    scenario_settle(&s, 0);
    scenario_free(&s);
}

static void test_healed(void **state)
{
    (void)state;
    scenario_seeds(6, healed, NULL);
}

/* ---- no majority -------------------------------------------------------------------------------------- */

/* The latter half, all at the same entry: had one applied a compared one and the other not yet, that other would stand alone there. */
static void tamper_half(struct scenario *s, uint32_t nodes)
{
    for (uint32_t i = nodes / 2 + 1, tries = 0; i < nodes; i++)
        while (rsm_applied(node_rsm(world_node(s->world, i))) !=
               rsm_applied(node_rsm(world_node(s->world, nodes / 2)))) {
            if (++tries > 1000)
                scenario_fail(s, "node %u and node %u are never at the same entry", i, nodes / 2);
            run(s, 1000);
        }
    for (uint32_t i = nodes / 2; i < nodes; i++)
        world_tamper(s->world, i);
}

/* Two of two, two against two: nobody serves until people have decided. */
static void halves(uint64_t seed, const void *arg)
{
    const uint32_t nodes = *(const uint32_t *)arg;
    const struct faults f = {.late = seed % 2};
    struct scenario s;
    begin(&s, seed, nodes, &f);
    tamper_half(&s, nodes);
    run(&s, FOUND_OUT);
    want_doubt(&s);
    for (uint32_t i = 0; i < nodes; i++) {
        world_crash(s.world, i); /* a replay of the journal would make it right */
        if (i >= nodes / 2)
            continue;
        world_start(s.world, i);
    }
    for (uint32_t i = nodes / 2; i < nodes; i++) {
        world_start(s.world, i);
        run(&s, SECOND);
    }
    run(&s, FOUND_OUT);
    want_diverged(&s, 0);
    tamper_half(&s, nodes);
    run(&s, FOUND_OUT);
    want_doubt(&s);
    uint32_t put_out = seed % 2 ? nodes - 1 : 0; /* the good ones win, or the others do */
    forget(&s, put_out ? 0 : 1, put_out);
    run(&s, FOUND_OUT);
    uint32_t kept = put_out ? (1u << nodes / 2) - 1 : ((1u << nodes) - 1) & ~((1u << nodes / 2) - 1);
    uint32_t left = leader_of(&s);
    if (!(kept >> left & 1))
        scenario_fail(&s, "node %u leads", left);
    for (uint32_t i = 0; i < nodes; i++)
        if (i != put_out && status_of(&s, i).diverged == (kept >> i & 1))
            scenario_fail(&s, "node %u says diverged:%d", i, status_of(&s, i).diverged);
    scenario_free(&s);
}

static void test_halves(void **state)
{
    (void)state;
    scenario_seeds(3, halves, &(uint32_t){2});
    scenario_seeds(3, halves, &(uint32_t){4});
}

/* Two of three differ and the third is away: it decides when it comes back. */
static void third_decides(uint64_t seed, const void *arg)
{
    const struct faults f = {.late = seed % 2};
    struct scenario s;
    (void)arg;
    begin(&s, seed, 3, &f);
    uint32_t leader = leader_of(&s), away = (leader + 1) % 3, wrong = seed % 3 ? leader : (leader + 2) % 3;
    world_crash(s.world, away);
    run(&s, SECOND);
    world_tamper(s.world, wrong);
    run(&s, FOUND_OUT);
    want_doubt(&s);
    world_start(s.world, away);
    run(&s, 2 * FOUND_OUT);
    want_diverged(&s, 1u << wrong);
    if (leader_of(&s) == wrong)
        scenario_fail(&s, "the diverged node leads");
    scenario_settle(&s, 1u << wrong);
    scenario_free(&s);
}

static void test_third_decides(void **state)
{
    (void)state;
    scenario_seeds(9, third_decides, NULL);
}

/* The same, and the third is so far behind that it needs a snapshot: those in doubt have one that is known to be right. */
static void third_far_behind(uint64_t seed, const void *arg)
{
    const struct faults f = {.late = seed % 2, .snapshots = true};
    struct scenario s;
    (void)arg;
    begin(&s, seed, 3, &f);
    uint32_t leader = leader_of(&s), away = (leader + 1) % 3, wrong = seed % 3 ? leader : (leader + 2) % 3;
    world_crash(s.world, away);
    run(&s, 5 * SECOND);
    world_tamper(s.world, wrong);
    run(&s, FOUND_OUT);
    want_doubt(&s);
    world_start(s.world, away);
    run(&s, 3 * FOUND_OUT);
    if (status_of(&s, away).snapshots_installed == 0)
        scenario_fail(&s, "it was not that far behind");
    want_diverged(&s, 1u << wrong);
    scenario_settle(&s, 1u << wrong);
    scenario_free(&s);
}

static void test_third_far_behind(void **state)
{
    (void)state;
    scenario_seeds(6, third_far_behind, NULL);
}

/* A leader that has become wrong makes a snapshot before anybody has compared, is cut off from the one that could tell, and
 * meets the one that needs a snapshot: those two would be the majority. */
static void not_spread(uint64_t seed, const void *arg)
{
    const struct faults f = {.snapshots = true};
    struct scenario s;
    (void)arg;
    begin(&s, seed, 3, &f);
    uint32_t wrong = leader_of(&s), good = (wrong + 1) % 3, away = (wrong + 2) % 3;
    struct buf error = BUF_EMPTY;
    world_crash(s.world, away);
    run(&s, 5 * SECOND);
    wrong = leader_of(&s);
    good = 3 - wrong - away;
    world_tamper(s.world, wrong);
    node_checkpoint(world_node(s.world, wrong), false, ADMIN, &error);
    buf_deinit(&error);
    run(&s, 4000 + seed % 5 * 1000);
    world_cut(s.world, wrong, good, true);
    world_start(s.world, away);
    run(&s, FOUND_OUT);
    world_heal(s.world);
    run(&s, 3 * FOUND_OUT);
    want_diverged(&s, 1u << wrong);
    scenario_settle(&s, 1u << wrong);
    scenario_free(&s);
}

static void test_not_spread(void **state)
{
    (void)state;
    scenario_seeds(8, not_spread, NULL);
}

/* ---- nobody is accused wrongly ------------------------------------------------------------------------ */

/* One node says once, of one index, what is not so. */
static void one_lie(uint64_t seed, const void *arg)
{
    const uint32_t nodes = *(const uint32_t *)arg;
    const struct faults f = {0};
    struct scenario s;
    begin(&s, seed, nodes, &f);
    scenario_quiet(&s);
    run(&s, 3 * SECOND);
    for (uint32_t to = 1; to < nodes; to++) {
        struct node *liar = world_node(s.world, 0), *n = world_node(s.world, to);
        struct buf frame = BUF_EMPTY;
        frame_begin(liar, &frame, FRAME_DIGEST);
        put_u64(&frame, RSM_DIGEST_VERSION << 8 | 1);
        put_u64(&frame, rsm_applied(n->rsm));
        put_u64(&frame, 12345);
        node_on_frame(n, world_node_id(s.world, 0), NODE_CONTROL, slice_of(frame.data, frame.len), NULL);
        buf_deinit(&frame);
        if (nodes == 2 && !n->in_doubt)
            scenario_fail(&s, "node %u did not hear the lie", to);
    }
    work_pause(s.work, false);
    run(&s, FOUND_OUT);
    want_diverged(&s, 0);
    scenario_settle(&s, 0);
    scenario_free(&s);
}

static void test_one_lie(void **state)
{
    (void)state;
    scenario_seeds(3, one_lie, &(uint32_t){2});
    scenario_seeds(3, one_lie, &(uint32_t){3});
    scenario_seeds(3, one_lie, &(uint32_t){5});
}

/* Under all kinds of faults one node becomes wrong now and then: nobody else is ever accused, and at the end it knows, or
 * has become right, by a replay or by a snapshot. */
static void among_faults(uint64_t seed, const void *arg)
{
    const struct faults f = {.crash = true,
                             .cut = seed % 2,
                             .one_way = seed % 3 == 0,
                             .pause = seed % 4 == 0,
                             .reset = true,
                             .move = true,
                             .drop = seed % 5 == 0,
                             .late = true,
                             .snapshots = seed % 2};
    struct scenario s;
    (void)arg;
    begin(&s, seed, seed % 4 ? 3 : 5, &f);
    uint32_t wrong = (uint32_t)prng_below(world_chance(s.world), s.nodes);
    for (int step = 0; step < 25; step++) {
        run(&s, prng_below(world_chance(s.world), SECOND));
        scenario_fault(&s, &f);
        if (step == 10 && world_node(s.world, wrong) && world_node(s.world, wrong)->running)
            world_tamper(s.world, wrong);
        for (uint32_t i = 0; i < s.nodes; i++)
            if (i != wrong && world_node(s.world, i) && status_of(&s, i).diverged)
                scenario_fail(&s, "node %u is accused, node %u is wrong", i, wrong);
    }
    scenario_heal(&s);
    run(&s, 2 * FOUND_OUT);
    bool knows = status_of(&s, wrong).diverged;
    want_diverged(&s, knows ? 1u << wrong : 0);
    scenario_settle(&s, knows ? 1u << wrong : 0);
    scenario_free(&s);
}

static void test_among_faults(void **state)
{
    (void)state;
    scenario_seeds(15, among_faults, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_follower),      cmocka_unit_test(test_leader),
        cmocka_unit_test(test_quiet),         cmocka_unit_test(test_far_behind),
        cmocka_unit_test(test_healed),        cmocka_unit_test(test_halves),
        cmocka_unit_test(test_third_decides), cmocka_unit_test(test_one_lie),
        cmocka_unit_test(test_among_faults),  cmocka_unit_test(test_third_far_behind),
        cmocka_unit_test(test_not_spread),
    };
    if (getenv("ONLY_TEST"))
        cmocka_set_test_filter(getenv("ONLY_TEST"));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
