/* Elections: who leads, who must not, and that nobody is disturbed for nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "net.h"

static uint64_t term_of(struct net *c, int i)
{
    return raft_term(c->node[i].raft);
}

static void end(struct net *c)
{
    assert_string_equal(c->failure, "");
    net_free(c);
}

static void a_leader_is_elected_and_stays(void **state)
{
    (void)state;
    static const int sizes[] = {1, 2, 3, 4, 5, 7};
    for (size_t k = 0; k < sizeof sizes / sizeof sizes[0]; k++)
        for (uint64_t seed = 1; seed <= 10; seed++) {
            struct net *c = net_new(sizes[k], 0, seed);
            int leader = net_wait_leader(c, 4 * SECOND);
            assert_true(leader >= 0);
            uint64_t term = term_of(c, leader);
            net_run(c, 10 * SECOND);
            assert_int_equal(net_leader(c), leader);
            assert_int_equal(term_of(c, leader), term);
            for (int i = 0; i < c->count; i++)
                assert_int_equal(raft_leader(c->node[i].raft), leader + 1);
            assert_true(net_commits(c, 1 * SECOND));
            end(c);
        }
}

static void alone_needs_no_timeout(void **state)
{
    (void)state;
    struct net *c = net_new(1, 0, 1);
    assert_int_equal(net_wait_leader(c, 20 * MS), 0);
    assert_int_equal(term_of(c, 0), 2); /* a term and a vote of its own (B19) */
    net_crash(c, 0);
    net_restart(c, 0);
    assert_int_equal(net_wait_leader(c, 20 * MS), 0);
    assert_int_equal(term_of(c, 0), 3);
    end(c);
}

static void a_cut_leader_is_replaced_and_comes_back_quietly(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct net *c = net_new(seed % 2 ? 3 : 5, 0, seed);
        int first = net_wait_leader(c, 4 * SECOND);
        uint64_t cut_at = c->now_us;
        net_isolate(c, first);
        net_run(c,
                100 *
                    MS); /* twice two heartbeats would be enough to stand, an election timeout to step down */
        net_run(c, 1100 * MS);
        assert_int_not_equal(raft_role(c->node[first].raft), RAFT_LEADER); /* CheckQuorum */
        int second = net_wait_leader(c, 4 * SECOND);
        assert_true(second >= 0 && second != first);
        assert_true(c->now_us - cut_at < 6 * SECOND);
        uint64_t term = term_of(c, second);
        assert_true(net_commits(c, 2 * SECOND));
        net_heal(c);
        net_run(c, 3 * SECOND);
        assert_int_equal(net_leader(c), second); /* PreVote: its return raises no term */
        assert_int_equal(term_of(c, second), term);
        assert_int_equal(raft_leader(c->node[first].raft), second + 1);
        end(c);
    }
}

static void no_majority_no_leader(void **state)
{
    (void)state;
    struct net *c = net_new(3, 0, 7);
    int leader = net_wait_leader(c, 4 * SECOND);
    uint64_t term = term_of(c, leader);
    net_isolate(c, 0);
    net_isolate(c, 1);
    net_cut(c, 0, 1, true);
    net_cut(c, 1, 0, true);
    net_run(c, 10 * SECOND);
    assert_int_equal(net_leader(c), -1);
    for (int i = 0; i < 3; i++)
        assert_int_equal(term_of(c, i), term);
    net_heal(c);
    assert_true(net_wait_leader(c, 4 * SECOND) >= 0);
    end(c);
}

/* It can send and not hear: pre-votes come in for ever, and change nothing (etcd#8129). */
static void a_deaf_follower_disturbs_nobody(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 10; seed++) {
        struct net *c = net_new(3, 0, seed);
        int leader = net_wait_leader(c, 4 * SECOND);
        uint64_t term = term_of(c, leader);
        int deaf = (leader + 1) % 3;
        for (int i = 0; i < 3; i++)
            if (i != deaf)
                net_cut(c, i, deaf, true);
        net_run(c, 20 * SECOND);
        assert_int_equal(net_leader(c), leader);
        for (int i = 0; i < 3; i++)
            assert_int_equal(term_of(c, i), term);
        net_heal(c);
        net_run(c, 1 * SECOND);
        assert_int_equal(raft_leader(c->node[deaf].raft), leader + 1);
        end(c);
    }
}

static void a_leader_that_is_not_heard_back_steps_down(void **state)
{
    (void)state;
    struct net *c = net_new(3, 0, 3);
    c->links = false;
    int leader = net_wait_leader(c, 4 * SECOND);
    for (int i = 0; i < 3; i++)
        if (i != leader)
            net_cut(c, i, leader, true);
    net_run(c, 900 * MS);
    assert_int_equal(raft_role(c->node[leader].raft), RAFT_LEADER);
    net_run(c, 300 * MS);
    assert_int_not_equal(raft_role(c->node[leader].raft), RAFT_LEADER);
    assert_true(net_wait_leader(c, 6 * SECOND) != leader);
    end(c);
}

/* Everybody sees only one node (openraft#2080): only that one can win, and it must. */
static void behind_a_bridge_the_bridge_leads(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 10; seed++) {
        struct net *c = net_new(5, 0, seed);
        int leader = net_wait_leader(c, 4 * SECOND);
        int bridge = (leader + 2) % 5;
        for (int i = 0; i < 5; i++)
            for (int j = 0; j < 5; j++)
                c->cut[i][j] = i != j && i != bridge && j != bridge;
        net_cut(c, 0, 0, false);
        net_run(c, 2 * SECOND);
        assert_int_equal(net_wait_leader(c, 20 * SECOND), bridge);
        assert_true(net_commits(c, 2 * SECOND));
        end(c);
    }
}

static void a_chain_keeps_its_leader(void **state)
{
    (void)state;
    struct net *c = net_new(3, 0, 5);
    int leader = net_wait_leader(c, 4 * SECOND);
    uint64_t term = term_of(c, leader);
    int a = (leader + 1) % 3;
    net_cut(c, leader, a, true); /* a and the leader see each other no more, the third sees both */
    net_cut(c, a, leader, true);
    net_run(c, 20 * SECOND);
    assert_int_equal(net_leader(c), leader);
    assert_int_equal(term_of(c, leader), term);
    end(c);
}

static void a_flapping_link_raises_no_term(void **state)
{
    (void)state;
    struct net *c = net_new(3, 0, 9);
    int leader = net_wait_leader(c, 4 * SECOND), other = (leader + 1) % 3;
    uint64_t term = term_of(c, leader);
    for (uint64_t k = 0; k < 200; k++) {
        net_cut(c, leader, other, true);
        net_run(c, (20 + k) * MS);
        net_cut(c, leader, other, false);
        net_run(c, 30 * MS);
        net_propose(c, leader, 3);
    }
    assert_int_equal(net_leader(c), leader);
    assert_int_equal(term_of(c, leader), term);
    assert_true(net_commits(c, 1 * SECOND));
    end(c);
}

/* 4.2.3: somebody of a higher term asks for votes while a leader is heard. */
static void followers_of_a_heard_leader_disregard_votes(void **state)
{
    (void)state;
    struct net *c = net_new(3, 0, 11);
    int leader = net_wait_leader(c, 4 * SECOND), asker = (leader + 1) % 3;
    uint64_t term = term_of(c, leader);
    for (int k = 0; k < 50; k++) {
        for (int i = 0; i < 3; i++) {
            struct raft_message m = {.type = k % 2 ? RAFT_MSG_VOTE : RAFT_MSG_PREVOTE,
                                     .from = (uint64_t)asker + 1,
                                     .to = (uint64_t)i + 1,
                                     .term = term + 5,
                                     .index = 1000,
                                     .log_term = term + 4,
                                     .first = 1};
            if (i != asker)
                net_event(c, i, (struct raft_event){.type = RAFT_EVENT_MESSAGE, .message = &m});
        }
        net_run(c, 40 * MS);
    }
    assert_int_equal(net_leader(c), leader);
    for (int i = 0; i < 3; i++)
        assert_int_equal(term_of(c, i), term);
    end(c);
}

/* B17: a node that has a higher term of its own is led again, and the cluster goes on. */
static void a_node_ahead_in_term_is_led_again(void **state)
{
    (void)state;
    struct net *c = net_new(3, 0, 13);
    int leader = net_wait_leader(c, 4 * SECOND), other = (leader + 1) % 3;
    assert_true(net_commits(c, 1 * SECOND));
    net_crash(c, other);
    c->node[other].vote.term += 7; /* it stood alone in an older version, say */
    c->node[other].vote.vote = c->node[other].id;
    net_restart(c, other);
    net_run(c, 5 * SECOND);
    assert_true(net_commits(c, 5 * SECOND));
    assert_true(term_of(c, net_leader(c)) >= c->node[other].vote.term);
    end(c);
}

static void votes_outlive_a_crash(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 40; seed++) { /* the checks see a second vote of a term */
        struct net *c = net_new(5, 0, seed);
        for (int k = 0; k < 30; k++) {
            net_run(c, net_below(c, 10 * MS, 700 * MS));
            int l = net_leader(c);
            if (l >= 0)
                net_crash(c, l);
            int i = (int)net_below(c, 0, 4);
            net_crash(c, i);
            net_run(c, 3 * MS);
            for (int j = 0; j < 5; j++)
                net_restart(c, j);
        }
        assert_true(net_commits(c, 6 * SECOND));
        end(c);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_leader_is_elected_and_stays),
        cmocka_unit_test(alone_needs_no_timeout),
        cmocka_unit_test(a_cut_leader_is_replaced_and_comes_back_quietly),
        cmocka_unit_test(no_majority_no_leader),
        cmocka_unit_test(a_deaf_follower_disturbs_nobody),
        cmocka_unit_test(a_leader_that_is_not_heard_back_steps_down),
        cmocka_unit_test(behind_a_bridge_the_bridge_leads),
        cmocka_unit_test(a_chain_keeps_its_leader),
        cmocka_unit_test(a_flapping_link_raises_no_term),
        cmocka_unit_test(followers_of_a_heard_leader_disregard_votes),
        cmocka_unit_test(a_node_ahead_in_term_is_led_again),
        cmocka_unit_test(votes_outlive_a_crash),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
