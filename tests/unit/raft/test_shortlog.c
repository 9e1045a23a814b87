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

static void remove_voter(struct net *c, int leader, uint64_t id)
{
    struct raft_members m = net_members(c, leader);
    net_members_remove(&m, id);
    assert_true(net_propose_members(c, leader, &m));
    net_run(c, 50 * MS); /* too short for its silence to be noticed */
}

static int wait_other_leader(struct net *c, int not_this)
{
    int leader = -1;
    for (int k = 0; k < 1000 && (leader < 0 || leader == not_this); k++) {
        net_run(c, 10 * MS);
        leader = net_leader(c);
    }
    return leader;
}

/* The leader has written down that b goes, and nobody has heard of it; a loses what it had acked. Two of three lack nothing,
 * but b has less than the leader, and the leader needs a: a remembers everyone who can have a say in it, and hears them. */
static void votes_for_one_that_has_put_a_voter_out(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct net *c = net_new(3, 0, seed);
        int leader = net_wait_leader(c, 4 * SECOND), a = (leader + 1) % 3, b = (leader + 2) % 3;
        run_some(c, 10);
        uint64_t committed = c->committed_last;
        net_isolate(c, leader);
        remove_voter(c, leader, (uint64_t)b + 1);
        net_crash(c, leader);
        net_crash(c, a);
        net_damage(c, a, committed - 5);
        net_heal(c);
        net_restart(c, a);
        net_run(c, 5 * SECOND);
        assert_int_equal(net_leader(c), -1); /* not all are heard */
        net_restart(c, leader);
        assert_int_equal(net_wait_leader(c, 10 * SECOND), leader);
        net_run(c, 1 * SECOND);
        assert_false(raft_short_log(c->node[a].raft));
        assert_true(net_commits(c, 1 * SECOND));
        end(c);
    }
}

/* The same, but a and b have gone on without the leader: while b is silent a does not know better. */
static void no_vote_while_the_one_put_out_is_silent(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct net *c = net_new(3, 0, seed);
        int leader = net_wait_leader(c, 4 * SECOND), a = (leader + 1) % 3, b = (leader + 2) % 3;
        run_some(c, 10);
        uint64_t before = c->committed_last;
        net_isolate(c, leader);
        remove_voter(c, leader, (uint64_t)b + 1);
        wait_other_leader(c, leader);
        run_some(c, 5);
        assert_true(c->committed_last > before);
        for (int i = 0; i < 3; i++)
            net_crash(c, i);
        net_damage(c, a, before);
        net_heal(c);
        net_restart(c, leader);
        net_restart(c, a);
        net_run(c, 10 * SECOND);
        assert_int_equal(net_leader(c), -1);
        net_restart(c, b);
        assert_true(net_commits(c, 10 * SECOND));
        end(c);
    }
}

/* {leader, a, b} have become {leader, a, d}; the leader alone knows that d goes, a and d go on. The end of a's log is lost
 * from before d came: it hears the leader and b, and those whom the leader names are among these. d is not. */
static void no_vote_by_the_one_before_of_another(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct net *c = net_new(3, 1, seed);
        int leader = net_wait_leader(c, 4 * SECOND), a = (leader + 1) % 3, b = (leader + 2) % 3, d = 3;
        run_some(c, 5);
        uint64_t before = c->committed_last;
        add_voter(c, leader, 4);
        net_isolate(c, b);
        remove_voter(c, leader, (uint64_t)b + 1);
        run_some(c, 5);
        net_isolate(c, leader);
        remove_voter(c, leader, 4);
        uint64_t committed = c->committed_last;
        wait_other_leader(c, leader);
        run_some(c, 5);
        assert_true(c->committed_last > committed);
        net_crash(c, leader);
        net_crash(c, a);
        net_crash(c, d);
        net_damage(c, a, before);
        net_heal(c);
        net_restart(c, a);
        net_restart(c, leader);
        net_run(c, 10 * SECOND);
        assert_int_equal(net_leader(c), -1);
        net_restart(c, d);
        assert_true(net_commits(c, 10 * SECOND));
        end(c);
    }
}

/* {leader, a} have taken in b; that b goes again is known to the leader alone. The end of a's log is lost from before b came,
 * so a remembers the very voters that the leader counts on. `goes_on`: a and b have committed what the leader lacks. */
static void came_and_is_to_go(uint64_t seed, bool goes_on)
{
    struct net *c = net_new(2, 1, seed);
    int leader = net_wait_leader(c, 4 * SECOND), a = (leader + 1) % 2, b = 2;
    run_some(c, 5);
    uint64_t before = c->committed_last;
    add_voter(c, leader, 3);
    run_some(c, 5);
    net_isolate(c, leader);
    remove_voter(c, leader, 3);
    uint64_t committed = c->committed_last;
    if (goes_on) {
        wait_other_leader(c, leader);
        run_some(c, 5);
        assert_true(c->committed_last > committed);
    }
    for (int i = 0; i < 3; i++)
        net_crash(c, i);
    net_damage(c, a, before);
    net_heal(c);
    net_restart(c, leader);
    net_restart(c, a);
    net_run(c, 10 * SECOND);
    assert_int_equal(net_leader(c), -1);
    net_crash(c, leader);
    net_run(c, 3 * SECOND);
    net_restart(c, b);
    net_run(c, 1500 * MS);
    assert_int_equal(net_leader(c), -1); /* now it is the leader who is not heard */
    if (goes_on) { /* a has heard, and b need not be there to say again, that b has more */
        net_crash(c, b);
        net_restart(c, leader);
        net_run(c, 1100 * MS);
        assert_int_equal(net_leader(c), -1);
        net_restart(c, b);
    } else {
        net_restart(c, leader);
    }
    assert_true(net_commits(c, 10 * SECOND));
    net_run(c, 1 * SECOND);
    assert_false(raft_short_log(c->node[a].raft));
    end(c);
}

static void no_vote_by_the_same_voters_of_old(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++)
        came_and_is_to_go(seed, true);
}

static void votes_when_one_that_it_has_forgotten_is_heard(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++)
        came_and_is_to_go(seed, false);
}

/* b is gone for good, and knows it; that this was committed the two that are left have forgotten with their lives. Both
 * hold the change all the same. */
static void votes_when_both_hold_the_change(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct net *c = net_new(3, 0, seed);
        int leader = net_wait_leader(c, 4 * SECOND), a = (leader + 1) % 3, b = (leader + 2) % 3;
        run_some(c, 5);
        remove_voter(c, leader, (uint64_t)b + 1);
        uint64_t change = raft_members_index(c->node[a].raft);
        run_some(c, 5);
        for (int i = 0; i < 3; i++)
            net_crash(c, i);
        net_damage(c, a, change);
        net_restart(c, leader);
        net_restart(c, a);
        assert_true(net_commits(c, 10 * SECOND));
        net_run(c, 1 * SECOND);
        assert_false(raft_short_log(c->node[a].raft));
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
        cmocka_unit_test(votes_for_one_that_has_put_a_voter_out),
        cmocka_unit_test(no_vote_while_the_one_put_out_is_silent),
        cmocka_unit_test(no_vote_by_the_one_before_of_another),
        cmocka_unit_test(no_vote_by_the_same_voters_of_old),
        cmocka_unit_test(votes_when_one_that_it_has_forgotten_is_heard),
        cmocka_unit_test(votes_when_both_hold_the_change),
        cmocka_unit_test(short_until_whole_across_crashes),
        cmocka_unit_test(without_a_healthy_majority_all_must_be_heard),
        cmocka_unit_test(all_short_the_longest_leads),
        cmocka_unit_test(alone_it_goes_on),
        cmocka_unit_test(rolled_back_and_silent_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
