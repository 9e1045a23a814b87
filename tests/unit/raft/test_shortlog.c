/* Voters whose vote is whole and whose journal is not (DESIGN 7). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "net.h"

static void end(struct net *c)
{
    assert_string_equal(c->failure, "");
    net_free(c);
}

static void run_some(struct net *c, int n)
{
    for (int k = 0; k < n; k++) {
        int leader = net_leader(c);
        if (leader >= 0)
            net_propose(c, leader, 10);
        net_run(c, 3 * MS);
    }
    net_run(c, 100 * MS);
}

/* {leader, a} committed; b lags. a loses what it acked, the leader dies: b and a must not make a leader that lacks it. */
static void no_vote_while_short(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct net *c = net_new(3, 0, seed);
        int leader = net_wait_leader(c, 4 * SECOND), a = (leader + 1) % 3, b = (leader + 2) % 3;
        run_some(c, 5);
        net_isolate(c, b);
        run_some(c, 5);
        uint64_t committed = c->committed_last;
        net_crash(c, a);
        net_crash(c, leader);
        net_damage(c, a, committed / 2);
        net_heal(c);
        net_restart(c, a);
        net_run(c, 10 * SECOND);
        assert_int_equal(net_leader(c), -1);
        assert_true(raft_short_log(c->node[a].raft));
        net_restart(c, leader); /* it has everything, and a needs no vote to be one of two for it */
        assert_true(net_commits(c, 10 * SECOND));
        net_run(c, 1 * SECOND);
        assert_false(raft_short_log(c->node[a].raft));
        assert_false(c->node[a].vote.short_log);
        assert_true(c->committed_last > committed);
        net_crash(c, net_leader(c)); /* and votes again */
        assert_true(net_commits(c, 5 * SECOND));
        end(c);
    }
}

/* The state outlives a crash, and so does the index once it is known. */
static void short_until_whole_across_crashes(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct net *c = net_new(3, 0, seed);
        int leader = net_wait_leader(c, 4 * SECOND), a = (leader + 1) % 3;
        run_some(c, 20);
        net_crash(c, a);
        net_damage(c, a, 10);
        net_restart(c, a);
        for (int k = 0; k < 5; k++) {
            net_run(c, net_below(c, 0, 3 * MS));
            net_crash(c, a);
            net_restart(c, a);
        }
        net_run(c, 2 * SECOND);
        assert_false(raft_short_log(c->node[a].raft));
        assert_true(net_commits(c, 1 * SECOND));
        end(c);
    }
}

/* As before, but nothing at all is left of its log, the members included. To hear all of nobody is not to hear everyone. */
static void no_vote_when_nobody_is_known(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct net *c = net_new(3, 0, seed);
        int leader = net_wait_leader(c, 4 * SECOND), a = (leader + 1) % 3, b = (leader + 2) % 3;
        run_some(c, 5);
        net_isolate(c, b);
        run_some(c, 5);
        net_crash(c, a);
        net_crash(c, leader);
        net_damage(c, a, 0);
        net_heal(c);
        net_restart(c, a);
        net_run(c, 10 * SECOND);
        assert_int_equal(net_leader(c), -1);
        net_restart(c, leader);
        assert_true(net_commits(c, 10 * SECOND));
        net_run(c, 1 * SECOND);
        assert_false(raft_short_log(c->node[a].raft));
        end(c);
    }
}

static void add_voter(struct net *c, int leader, uint64_t id)
{
    struct raft_members m = net_members(c, leader);
    net_members_put(&m, id, true);
    assert_true(net_propose_members(c, leader, &m));
    net_run(c, 200 * MS);
}

/* {leader, a, b} take in d and e; then {leader, d, e} commit what b and a lack. The leader loses its log from before d and e
 * came: all whom it remembers, a and b, have no more than the candidate. Two that it has forgotten do. */
static void no_vote_by_a_configuration_of_old(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct net *c = net_new(3, 2, seed);
        int leader = net_wait_leader(c, 4 * SECOND), a = (leader + 1) % 3, b = (leader + 2) % 3;
        run_some(c, 5);
        uint64_t before = c->committed_last;
        add_voter(c, leader, 4);
        add_voter(c, leader, 5);
        run_some(c, 5);
        net_isolate(c, a);
        net_isolate(c, b);
        run_some(c, 5);
        net_crash(c, leader);
        net_crash(c, 3);
        net_crash(c, 4);
        net_damage(c, leader, before);
        net_heal(c);
        net_restart(c, leader);
        net_run(c, 10 * SECOND);
        assert_int_equal(net_leader(c), -1);
        net_restart(c, 3);
        assert_true(net_commits(c, 10 * SECOND));
        end(c);
    }
}

/* Two of three are short: no healthy majority. With all heard the one that has most leads; before that nobody. */
static void without_a_healthy_majority_all_must_be_heard(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct net *c = net_new(3, 0, seed);
        int leader = net_wait_leader(c, 4 * SECOND), a = (leader + 1) % 3, b = (leader + 2) % 3;
        run_some(c, 10);
        uint64_t committed = c->committed_last;
        for (int i = 0; i < 3; i++)
            net_crash(c, i);
        net_damage(c, a, committed - 5);
        net_damage(c, b, committed - 20);
        net_restart(c, a);
        net_restart(c, b);
        net_run(c, 10 * SECOND);
        assert_int_equal(net_leader(c), -1);
        uint32_t says = c->says;
        net_restart(c, leader);
        assert_int_equal(net_wait_leader(c, 10 * SECOND), leader); /* the only one with everything */
        assert_true(c->says > says);
        net_run(c, 1 * SECOND);
        for (int i = 0; i < 3; i++)
            assert_false(raft_short_log(c->node[i].raft));
        assert_true(net_commits(c, 1 * SECOND));
        end(c);
    }
}

/* All are short: the longest of what is left leads, and says what that may mean. */
static void all_short_the_longest_leads(void **state)
{
    (void)state;
    struct net *c = net_new(3, 0, 5);
    int leader = net_wait_leader(c, 4 * SECOND);
    run_some(c, 10);
    uint64_t committed = c->committed_last;
    for (int i = 0; i < 3; i++)
        net_crash(c, i);
    c->expect_rollback = true; /* entries are lost: that is what is said aloud */
    for (int i = 0; i < 3; i++) {
        net_damage(c, i, committed - (i == 1 ? 1 : 5));
        net_restart(c, i);
    }
    for (int k = 0; k < 1000 && (leader = net_leader(c)) < 0 && !c->failure[0]; k++)
        net_run(c, 10 * MS);
    if (c->failure[0] == 0) /* the checks may see what was lost; the leader is the right one all the same */
        assert_int_equal(leader, 1);
    assert_int_equal(raft_role(c->node[1].raft), RAFT_LEADER);
    assert_false(raft_short_log(c->node[1].raft));
    net_free(c);
}

static void alone_it_goes_on(void **state)
{
    (void)state;
    struct net *c = net_new(1, 0, 6);
    net_wait_leader(c, 1 * SECOND);
    net_crash(c, 0);
    net_damage(c, 0, 1);
    net_restart(c, 0);
    net_run(c, 20 * MS);
    assert_int_equal(net_leader(c), 0);
    assert_false(raft_short_log(c->node[0].raft));
    assert_true(c->says > 0);
    net_free(c);
}

/* FAULTS 21, B11: one that was rolled back and does not know is found out by the leader it had acknowledged to. */
static void rolled_back_and_silent_is_refused(void **state)
{
    (void)state;
    struct net *c = net_new(3, 0, 8);
    c->links = true;
    int leader = net_wait_leader(c, 4 * SECOND), a = (leader + 1) % 3, b = (leader + 2) % 3;
    run_some(c, 10);
    net_crash(c, a);
    net_damage(c, a, 5);
    c->node[a].damaged = false; /* an old copy of the directory, say */
    c->expect_rollback = true;
    net_restart(c, a);
    net_run(c, 500 * MS);
    assert_true(c->says > 0);
    net_isolate(c, b); /* the other one is now needed, the refused one does not stand in for it */
    uint64_t index = net_propose(c, leader, 1);
    net_run(c, 300 * MS);
    assert_true(raft_commit(c->node[leader].raft) < index);
    net_heal(c);
    net_run(c, 300 * MS);
    assert_true(raft_commit(c->node[leader].raft) >= index);
    assert_string_equal(c->failure, "");
    net_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_vote_while_short),
        cmocka_unit_test(no_vote_when_nobody_is_known),
        cmocka_unit_test(no_vote_by_a_configuration_of_old),
        cmocka_unit_test(short_until_whole_across_crashes),
        cmocka_unit_test(without_a_healthy_majority_all_must_be_heard),
        cmocka_unit_test(all_short_the_longest_leads),
        cmocka_unit_test(alone_it_goes_on),
        cmocka_unit_test(rolled_back_and_silent_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
