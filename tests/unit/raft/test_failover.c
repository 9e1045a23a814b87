/* Fast failover, leadership transfer, stalls and beats (DESIGN 2 and 3). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "net.h"
#include "solo.h"

#define TERMS(...) ((const uint64_t[]){__VA_ARGS__, 0})

static void end(struct net *c)
{
    assert_string_equal(c->failure, "");
    net_free(c);
}

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static void a_crash_costs_milliseconds(void **state)
{
    (void)state;
    for (int size = 3; size <= 7; size += 2) {
        uint64_t took[60];
        for (uint64_t seed = 0; seed < 60; seed++) {
            struct net *c = net_new(size, 0, seed + 1);
            int leader = net_wait_leader(c, 4 * SECOND);
            net_propose(c, leader, 20);
            net_run(c, net_below(c, 0, 100 * MS));
            uint64_t term = raft_term(c->node[leader].raft), start = c->now_us;
            if (seed % 2)
                net_propose(c, leader, 5); /* some have them, some have not */
            net_run(c, net_below(c, 0, 500));
            net_crash(c, leader);
            int next = net_wait_leader(c, 4 * SECOND);
            assert_true(next >= 0 && next != leader);
            took[seed] = c->now_us - start;
            assert_int_equal(raft_term(c->node[next].raft), term + 1); /* no split vote */
            assert_in_range(took[seed], 0, 80 * MS);
            end(c);
        }
        qsort(took, 60, sizeof took[0], by_value);
        print_message("%d nodes: new leader after %llu us (median), %llu us (worst)\n", size,
                      (unsigned long long)took[30], (unsigned long long)took[59]);
        assert_in_range(took[30], 0, 20 * MS);
    }
}

static void a_reset_link_starts_nothing(void **state)
{
    (void)state;
    struct net *c = net_new(3, 0, 2);
    int leader = net_wait_leader(c, 4 * SECOND), other = (leader + 1) % 3;
    uint64_t term = raft_term(c->node[leader].raft);
    net_run(c, 100 * MS);
    uint64_t before = c->messages[RAFT_MSG_PREVOTE];
    for (int k = 0; k < 20; k++) {
        net_link(c, other, leader, false, false);
        net_run(c, 90 * MS);
        net_link(c, other, leader, true, false);
        net_run(c, 10 * MS);
    }
    assert_int_equal(c->messages[RAFT_MSG_PREVOTE], before);
    assert_int_equal(raft_term(c->node[leader].raft), term);
    end(c);
}

/* A link that stays down for two heartbeats counts as a leader lost, but one follower's word is not enough. */
static void one_that_is_cut_off_asks_in_vain(void **state)
{
    (void)state;
    struct net *c = net_new(3, 0, 3);
    int leader = net_wait_leader(c, 4 * SECOND), other = (leader + 1) % 3;
    uint64_t term = raft_term(c->node[leader].raft), before = c->messages[RAFT_MSG_PREVOTE];
    net_cut(c, leader, other, true);
    net_cut(c, other, leader, true);
    net_run(c, 200 * MS);
    assert_true(c->messages[RAFT_MSG_PREVOTE] > before);
    net_run(c, 10 * SECOND);
    assert_int_equal(net_leader(c), leader);
    assert_int_equal(raft_term(c->node[other].raft), term);
    end(c);
}

static void both_cut_off_elect_in_a_tenth(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct net *c = net_new(3, 0, seed);
        int leader = net_wait_leader(c, 4 * SECOND);
        net_run(c, 100 * MS);
        uint64_t start = c->now_us;
        net_isolate(c, leader);
        while (net_leader(c) == leader || net_leader(c) < 0)
            assert_true(net_step(c, start + 1 * SECOND));
        assert_in_range(c->now_us - start, 100 * MS, 200 * MS);
        end(c);
    }
}

static struct raft_message lost_prevote(uint64_t from, uint64_t term, uint64_t index)
{
    return (struct raft_message){.type = RAFT_MSG_PREVOTE,
                                 .from = from,
                                 .term = term,
                                 .index = index,
                                 .log_term = 1,
                                 .leader_lost = true};
}

/* Node 1 follows node 2; 3 and 4 (and 0, were it there) lost it too. */
static void the_longest_log_then_the_lowest_id(void **state)
{
    (void)state;
    struct solo s;
    solo_init(&s, 5, 1, TERMS(1, 1, 1));
    solo_append(&s, 2, 1, 3, 1, NULL, 0, 1);
    solo_receive(&s, lost_prevote(3, 2, 3));
    assert_true(solo_sent(&s, RAFT_MSG_PREVOTE_REPLY, 3)->reject); /* we still hear the leader */
    solo_step(&s, (struct raft_event){.type = RAFT_EVENT_LINK_LOST, .peer = 2, .gone = true});
    assert_int_equal(raft_leader(s.raft), 0);
    assert_int_equal(raft_deadline_us(s.raft), s.now_us); /* the lowest id does not wait */
    solo_receive(&s, lost_prevote(3, 2, 3));
    assert_true(solo_sent(&s, RAFT_MSG_PREVOTE_REPLY, 3)->reject); /* equal logs: it is our turn */
    assert_int_equal(raft_role(s.raft), RAFT_PRECANDIDATE);
    assert_non_null(solo_sent(&s, RAFT_MSG_PREVOTE, 3));
    assert_true(solo_sent(&s, RAFT_MSG_PREVOTE, 4)->leader_lost);
    solo_receive(&s, lost_prevote(4, 2, 4));
    assert_false(solo_sent(&s, RAFT_MSG_PREVOTE_REPLY, 4)->reject); /* a longer log: we yield */
    assert_int_equal(raft_role(s.raft), RAFT_FOLLOWER);
    assert_true(raft_deadline_us(s.raft) > s.now_us + 20000);
    struct raft_message vote = lost_prevote(4, 2, 4);
    vote.type = RAFT_MSG_VOTE;
    solo_receive(&s, vote);
    solo_vote_saved(&s);
    assert_false(solo_sent(&s, RAFT_MSG_VOTE_REPLY, 4)->reject);
    solo_deinit(&s);
}

/* 4.2.3 and DESIGN 3: without having lost it ourselves we keep to the leader. */
static void a_vote_needs_our_own_loss(void **state)
{
    (void)state;
    struct solo s;
    solo_init(&s, 3, 1, TERMS(1));
    solo_append(&s, 2, 1, 1, 1, NULL, 0, 1);
    struct raft_message vote = lost_prevote(3, 9, 1);
    vote.type = RAFT_MSG_VOTE;
    solo_receive(&s, vote);
    assert_int_equal(raft_term(s.raft), 1);
    assert_int_equal(s.d.message_count, 0);
    vote.transfer = true; /* but the leader itself may want it */
    solo_receive(&s, vote);
    assert_int_equal(raft_term(s.raft), 9);
    solo_deinit(&s);
}

static void leadership_is_handed_over(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 30; seed++) {
        struct net *c = net_new(seed % 2 ? 3 : 5, 0, seed);
        int old = net_wait_leader(c, 4 * SECOND), target = (old + 1) % 3;
        net_run(c, 100 * MS);
        net_propose(c, old, 50); /* to be brought up to date first */
        uint64_t start = c->now_us;
        bool named = seed % 3 != 0;
        net_event(c, old,
                  (struct raft_event){.type = RAFT_EVENT_TRANSFER, .peer = named ? (uint64_t)target + 1 : 0});
        assert_int_equal(net_propose(c, old, 1), 0); /* nothing new meanwhile */
        while (net_leader(c) == old || net_leader(c) < 0)
            assert_true(net_step(c, start + 1 * SECOND));
        assert_in_range(c->now_us - start, 0, 40 * MS);
        if (named)
            assert_int_equal(net_leader(c), target);
        assert_true(net_commits(c, 1 * SECOND));
        end(c);
    }
}

static void a_transfer_to_nobody_is_given_up(void **state)
{
    (void)state;
    struct net *c = net_new(3, 0, 4);
    c->links = false;
    int leader = net_wait_leader(c, 4 * SECOND), target = (leader + 1) % 3;
    net_run(c, 100 * MS);
    net_isolate(c, target);
    net_propose(c, leader, 1);
    net_event(c, leader, (struct raft_event){.type = RAFT_EVENT_TRANSFER, .peer = (uint64_t)target + 1});
    assert_false(raft_accepts(c->node[leader].raft));
    net_run(c, 1100 * MS);
    assert_int_equal(net_leader(c), leader);
    assert_true(raft_accepts(c->node[leader].raft));
    assert_true(net_commits(c, 1 * SECOND));
    /* One that is silent is not tried again. */
    net_event(c, leader, (struct raft_event){.type = RAFT_EVENT_TRANSFER, .peer = (uint64_t)target + 1});
    assert_true(raft_accepts(c->node[leader].raft));
    net_heal(c);
    assert_true(net_commits(c, 1 * SECOND));
    net_isolate(c, target);
    net_propose(c, leader, 1);
    net_event(c, leader, (struct raft_event){.type = RAFT_EVENT_TRANSFER, .peer = (uint64_t)target + 1});
    assert_false(raft_accepts(c->node[leader].raft));
    net_link(c, leader, target, false, false); /* told of the broken link it does not wait even that long */
    net_run(c, 10 * MS);
    assert_true(raft_accepts(c->node[leader].raft));
    net_event(c, leader, (struct raft_event){.type = RAFT_EVENT_TRANSFER, .peer = 77});
    net_event(c, leader, (struct raft_event){.type = RAFT_EVENT_TRANSFER, .peer = (uint64_t)leader + 1});
    assert_true(raft_accepts(c->node[leader].raft));
    end(c);
}

/* A leader stopped for less than an election timeout is one still, whatever its clock says when it wakes up. */
static void after_a_stall_sockets_come_first(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct net *c = net_new(3, 0, seed);
        c->links = false;
        int leader = net_wait_leader(c, 4 * SECOND);
        for (int i = 0; i < 3; i++) /* all stop together, as in a machine that is suspended */
            net_pause(c, i);
        net_run(c, 5 * SECOND);
        uint64_t term = raft_term(c->node[leader].raft);
        for (int i = 0; i < 3; i++)
            net_resume(c, i, false);
        net_run(c, 2 * SECOND);
        assert_int_equal(net_leader(c), leader);
        assert_int_equal(raft_term(c->node[leader].raft), term);
        end(c);
    }
}

static void beats_keep_the_office(void **state)
{
    (void)state;
    struct net *c = net_new(3, 0, 5);
    int leader = net_wait_leader(c, 4 * SECOND);
    uint64_t term = raft_term(c->node[leader].raft);
    c->links = false;
    net_run(c, 100 * MS);
    net_isolate(c, leader); /* its main thread is busy; only beats get through */
    for (int k = 0; k < 100; k++) {
        for (int i = 0; i < 3; i++)
            for (int j = 0; j < 3; j++)
                if (i != j && (i == leader || j == leader))
                    net_event(
                        c, i,
                        (struct raft_event){.type = RAFT_EVENT_BEAT, .peer = (uint64_t)j + 1, .term = term});
        net_run(c, 50 * MS);
    }
    assert_int_equal(net_leader(c), leader);
    uint64_t index = net_propose(c, leader, 1);
    net_run(c, 100 * MS);
    assert_true(raft_commit(c->node[leader].raft) < index); /* and nothing more than the office */
    net_run(c, 3 * SECOND);
    assert_int_not_equal(net_leader(c), leader);
    end(c);
}

/* The link broke while its main thread was busy: nobody accepts a new one, but it lives. */
static void a_leader_that_beats_is_not_lost(void **state)
{
    (void)state;
    struct solo s;
    solo_init(&s, 3, 1, TERMS(1));
    solo_append(&s, 2, 1, 1, 1, NULL, 0, 1);
    solo_step(&s, (struct raft_event){.type = RAFT_EVENT_LINK_LOST, .peer = 2});
    for (int k = 0; k < 40; k++) {
        s.now_us += 50000;
        solo_step(&s, (struct raft_event){.type = RAFT_EVENT_BEAT, .peer = 2, .term = 1});
        solo_step(&s, (struct raft_event){.type = RAFT_EVENT_TICK});
        assert_int_equal(raft_role(s.raft), RAFT_FOLLOWER);
        assert_int_equal(raft_leader(s.raft), 2);
    }
    s.now_us += 100000; /* two heartbeats of silence */
    solo_step(&s, (struct raft_event){.type = RAFT_EVENT_TICK});
    assert_int_equal(raft_role(s.raft), RAFT_PRECANDIDATE);
    solo_deinit(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_crash_costs_milliseconds),
        cmocka_unit_test(a_reset_link_starts_nothing),
        cmocka_unit_test(one_that_is_cut_off_asks_in_vain),
        cmocka_unit_test(both_cut_off_elect_in_a_tenth),
        cmocka_unit_test(the_longest_log_then_the_lowest_id),
        cmocka_unit_test(a_vote_needs_our_own_loss),
        cmocka_unit_test(leadership_is_handed_over),
        cmocka_unit_test(a_transfer_to_nobody_is_given_up),
        cmocka_unit_test(after_a_stall_sockets_come_first),
        cmocka_unit_test(beats_keep_the_office),
        cmocka_unit_test(a_leader_that_beats_is_not_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
