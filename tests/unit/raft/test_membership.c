/* Changes of members: chapter 4, one server at a time. */
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

static void change(struct net *c, uint64_t id, int voter) /* -1: out */
{
    for (int k = 0; k < 400; k++) {
        int leader = net_leader(c);
        if (leader >= 0 && raft_may_change_members(c->node[leader].raft)) {
            struct raft_members m = net_members(c, leader);
            if (voter < 0)
                net_members_remove(&m, id);
            else
                net_members_put(&m, id, voter != 0);
            assert_true(net_propose_members(c, leader, &m));
            return;
        }
        net_run(c, 10 * MS);
    }
    fail();
}

static void one_becomes_three_becomes_five(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct net *c = net_new(1, 4, seed);
        net_wait_leader(c, 1 * SECOND);
        net_propose(c, 0, 50);
        for (uint64_t id = 2; id <= 5; id++) {
            change(c, id, 0);
            net_run(c, 100 * MS);
            change(c, id, 1);
        }
        assert_true(net_commits(c, 2 * SECOND));
        for (int i = 0; i < 5; i++) {
            assert_true(raft_is_voter(c->node[i].raft));
            assert_int_equal(raft_members(c->node[i].raft)->count, 5);
        }
        net_crash(c, 0); /* the founder is not needed any more */
        net_crash(c, 1);
        assert_true(net_commits(c, 4 * SECOND));
        end(c);
    }
}

static void a_learner_follows_and_does_not_count(void **state)
{
    (void)state;
    struct net *c = net_new(2, 1, 2);
    net_wait_leader(c, 4 * SECOND);
    change(c, 3, 0);
    assert_true(net_commits(c, 1 * SECOND));
    assert_true(c->node[2].applied > 1);
    int leader = net_leader(c);
    net_isolate(c, 1 - leader);
    uint64_t index = net_propose(c, leader, 1);
    net_run(c, 500 * MS);
    assert_true(raft_commit(c->node[leader].raft) < index); /* the learner's ack is no vote */
    net_run(c, 10 * SECOND);
    assert_int_equal(net_leader(c), -1);
    assert_int_equal(raft_role(c->node[2].raft), RAFT_FOLLOWER); /* nor does it ever stand */
    assert_true(raft_deadline_us(c->node[2].raft) == UINT64_MAX);
    end(c);
}

static void a_removed_follower_hears_of_it_and_keeps_quiet(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct net *c = net_new(3, 0, seed);
        int leader = net_wait_leader(c, 4 * SECOND), out = (leader + 1) % 3;
        uint64_t term = raft_term(c->node[leader].raft);
        change(c, (uint64_t)out + 1, -1);
        net_run(c, 5 * SECOND);
        assert_false(raft_is_voter(c->node[out].raft));
        assert_true(raft_members_index(c->node[out].raft) <=
                    raft_commit(c->node[out].raft)); /* told that it is final */
        assert_int_equal(net_leader(c), leader);
        assert_int_equal(raft_term(c->node[leader].raft), term);
        struct raft_progress p;
        assert_false(raft_progress(c->node[leader].raft, (uint64_t)out + 1, &p)); /* and forgotten */
        end(c);
    }
}

/* 4.2.2 (B37): it leads until the configuration without it is committed, by the others alone, and goes. */
static void a_removed_leader_finishes_and_goes(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct net *c = net_new(seed % 2 ? 3 : 2, 0, seed);
        int old = net_wait_leader(c, 4 * SECOND);
        net_run(c, 100 * MS);
        if (seed % 4 == 1) { /* itself and one other are not a majority of the two that are left */
            int cut = (old + 1) % 3;
            net_isolate(c, cut);
            change(c, (uint64_t)old + 1, -1);
            net_run(c, 400 * MS);
            assert_int_equal(raft_role(c->node[old].raft), RAFT_LEADER);
            assert_true(raft_members_index(c->node[old].raft) > raft_commit(c->node[old].raft));
            net_heal(c);
        } else {
            change(c, (uint64_t)old + 1, -1);
        }
        uint64_t start = c->now_us;
        while (net_leader(c) == old || net_leader(c) < 0)
            assert_true(net_step(c, start + 4 * SECOND));
        assert_int_not_equal(net_leader(c), old);
        assert_in_range(c->now_us - start, 0, 300 * MS); /* handed over, not timed out */
        net_run(c, 3 * SECOND);
        assert_int_equal(raft_role(c->node[old].raft), RAFT_FOLLOWER);
        assert_true(net_commits(c, 1 * SECOND));
        end(c);
    }
}

/* Figure 4.6: of two, the leader appends its own removal and dies before the other has heard. The other cannot win
 * against the longer log, so the one that is going must lead once more. */
static void who_is_going_may_have_to_lead_once_more(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct net *c = net_new(2, 0, seed);
        int old = net_wait_leader(c, 4 * SECOND);
        net_commits(c, 1 * SECOND);
        net_isolate(c, old);
        change(c, (uint64_t)old + 1, -1);
        net_run(c, 20 * MS);
        net_crash(c, old);
        net_heal(c);
        net_restart(c, old);
        net_run(c, 6 * SECOND);
        assert_int_equal(net_leader(c), 1 - old);
        assert_int_equal(raft_members(c->node[1 - old].raft)->count, 1);
        assert_true(raft_deadline_us(c->node[old].raft) == UINT64_MAX); /* and then it is quiet */
        end(c);
    }
}

/* B36 in a running cluster: the change is in one log only, its leader goes, another leads without it. */
static void an_uncommitted_change_is_undone(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct net *c = net_new(3, 2, seed);
        int old = net_wait_leader(c, 4 * SECOND);
        net_commits(c, 1 * SECOND);
        net_isolate(c, old);
        change(c, 4, 1);
        assert_int_equal(raft_members(c->node[old].raft)->count, 4);
        net_run(c, 2 * SECOND);
        int leader = net_wait_leader(c, 4 * SECOND);
        assert_true(leader >= 0 && leader != old);
        change(c, 5, 1);
        net_heal(c);
        net_run(c, 2 * SECOND);
        assert_true(net_commits(c, 2 * SECOND));
        assert_null(raft_members_find(raft_members(c->node[old].raft), 4));
        assert_non_null(raft_members_find(raft_members(c->node[old].raft), 5));
        end(c);
    }
}

/* B33 (Ongaro, July 2015): changes by leaders of several terms over one old configuration. The random histories do much of
 * this; here in bulk, with nothing else going on. */
static void changes_across_terms_share_a_quorum(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 150; seed++) {
        struct net *c = net_new(4, 2, seed);
        for (int k = 0; k < 40 && !c->failure[0]; k++) {
            int leader = net_wait_leader(c, 3 * SECOND);
            if (leader >= 0 && raft_may_change_members(c->node[leader].raft)) {
                struct raft_members m = net_members(c, leader);
                uint64_t id = net_below(c, 1, 6);
                if (raft_members_find(&m, id) && m.count > 3)
                    net_members_remove(&m, id);
                else
                    net_members_put(&m, id, true);
                net_propose_members(c, leader, &m);
                net_run(c, net_below(c, 0, 3 * MS));
                net_heal(c);
                net_isolate(c, leader);
            }
        }
        net_heal(c);
        assert_true(net_commits(c, 10 * SECOND));
        end(c);
    }
}

/* 4.2.2: a voter answers a candidate that it does not know (yet). */
static void votes_do_not_ask_for_membership(void **state)
{
    (void)state;
    struct net *c = net_new(3, 1, 6);
    int leader = net_wait_leader(c, 4 * SECOND);
    net_commits(c, 1 * SECOND);
    struct raft_message m = {.type = RAFT_MSG_VOTE,
                             .from = 4,
                             .to = 1,
                             .term = raft_term(c->node[leader].raft) + 1,
                             .index = 1000,
                             .log_term = raft_term(c->node[leader].raft),
                             .first = 1};
    int voter = (leader + 1) % 3;
    m.to = (uint64_t)voter + 1;
    net_isolate(c, voter);
    net_run(c, 700 * MS);
    net_event(c, voter, (struct raft_event){.type = RAFT_EVENT_MESSAGE, .message = &m});
    net_run(c, 10 * MS);
    assert_int_equal(c->node[voter].vote.vote, 4);
    end(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_becomes_three_becomes_five),
        cmocka_unit_test(a_learner_follows_and_does_not_count),
        cmocka_unit_test(a_removed_follower_hears_of_it_and_keeps_quiet),
        cmocka_unit_test(a_removed_leader_finishes_and_goes),
        cmocka_unit_test(who_is_going_may_have_to_lead_once_more),
        cmocka_unit_test(an_uncommitted_change_is_undone),
        cmocka_unit_test(changes_across_terms_share_a_quorum),
        cmocka_unit_test(votes_do_not_ask_for_membership),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
