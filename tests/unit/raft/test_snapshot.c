/* Snapshots: chapter 5. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "net.h"
#include "solo.h"

#define TERMS(...) ((const uint64_t[]){__VA_ARGS__, 0})

static void end(struct net *c)
{
    assert_string_equal(c->failure, "");
    net_free(c);
}

static void write_some(struct net *c, int leader, int n)
{
    for (int k = 0; k < n; k++) {
        net_propose(c, leader, 10);
        net_run(c, 2 * MS);
    }
    net_run(c, 50 * MS);
}

static void a_lagging_follower_gets_a_snapshot(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct net *c = net_new(3, 0, seed);
        int leader = net_wait_leader(c, 4 * SECOND), lag = (leader + 1) % 3;
        net_commits(c, 1 * SECOND);
        if (seed % 2)
            net_crash(c, lag);
        else
            net_isolate(c, lag);
        write_some(c, leader, 30);
        net_compact(c, leader, 5);
        net_run(c, 50 * MS);
        assert_true(raft_first_index(c->node[leader].raft) > 250);
        net_restart(c, lag);
        net_heal(c);
        net_run(c, 500 * MS);
        assert_true(c->installs >= 1);
        assert_true(net_commits(c, 1 * SECOND));
        assert_int_equal(net_leader(c), leader); /* heartbeats went on meanwhile */
        end(c);
    }
}

/* Entries below the snapshot that are still held serve a peer that lags a little. */
static void a_little_lag_needs_none(void **state)
{
    (void)state;
    struct net *c = net_new(3, 0, 2);
    int leader = net_wait_leader(c, 4 * SECOND), lag = (leader + 1) % 3;
    write_some(c, leader, 5);
    net_isolate(c, lag);
    write_some(c, leader, 5);
    net_compact(c, leader, 100);
    net_run(c, 50 * MS);
    net_heal(c);
    assert_true(net_commits(c, 1 * SECOND));
    assert_int_equal(c->snapshots, 0);
    end(c);
}

static void a_snapshot_that_fails_is_sent_again(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct net *c = net_new(3, 0, seed);
        int leader = net_wait_leader(c, 4 * SECOND), lag = (leader + 1) % 3;
        net_isolate(c, lag);
        write_some(c, leader, 20);
        net_compact(c, leader, 0);
        net_run(c, 50 * MS);
        net_heal(c);
        for (int k = 0; k < 4; k++) { /* it dies while it receives, or while it installs */
            net_run(c, net_below(c, 1 * MS, 100 * MS));
            net_crash(c, lag);
            net_run(c, 20 * MS);
            net_restart(c, lag);
        }
        assert_true(net_commits(c, 3 * SECOND));
        assert_int_equal(net_leader(c), leader);
        end(c);
    }
}

/* All crash after snapshots: what follows them in the journal counts, what precedes them does not. */
static void restart_begins_at_the_snapshot(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct net *c = net_new(3, 0, seed);
        for (int round = 0; round < 5; round++) {
            int leader = net_wait_leader(c, 4 * SECOND);
            assert_true(leader >= 0);
            write_some(c, leader, 5);
            for (int i = 0; i < 3; i++)
                net_compact(c, i, net_below(c, 0, 30));
            net_run(c, net_below(c, 0, 40 * MS));
            net_propose(c, leader, 20);
            net_run(c, net_below(c, 0, 3 * MS));
            uint64_t committed = c->committed_last;
            for (int i = 0; i < 3; i++)
                net_crash(c, i);
            for (int i = 0; i < 3; i++)
                net_restart(c, i);
            leader = net_wait_leader(c, 4 * SECOND);
            assert_true(raft_commit(c->node[leader].raft) >= committed);
        }
        end(c);
    }
}

static void offer(struct solo *s, uint64_t from, uint64_t leader_term, uint64_t index, uint64_t term)
{
    struct raft_members m = *raft_members(s->raft);
    solo_step(s, (struct raft_event){.type = RAFT_EVENT_SNAPSHOT_RECEIVED,
                                     .peer = from,
                                     .leader_term = leader_term,
                                     .index = index,
                                     .term = term,
                                     .members = &m});
}

static void installed(struct solo *s, uint64_t index, uint64_t term)
{
    solo_step(s, (struct raft_event){.type = RAFT_EVENT_SNAPSHOT_INSTALLED, .index = index, .term = term});
}

/* 5.3, B42: the suffix that agrees stays, the one that does not goes. */
static void suffixes(void **state)
{
    (void)state;
    struct solo s;
    solo_init(&s, 3, 2, TERMS(1, 1, 2, 2));
    offer(&s, 2, 2, 3, 2);
    assert_true(s.d.install);
    installed(&s, 3, 2);
    assert_false(s.d.cut);
    assert_int_equal(raft_last_index(s.raft), 4);
    assert_int_equal(raft_first_index(s.raft), 4);
    assert_int_equal(raft_persisted(s.raft), 4);
    assert_int_equal(raft_commit(s.raft), 3);
    assert_int_equal(solo_sent(&s, RAFT_MSG_APPEND_REPLY, 2)->index, 3);
    solo_deinit(&s);

    solo_init(&s, 3, 2, TERMS(1, 1, 1, 1));
    offer(&s, 2, 2, 3, 2);
    installed(&s, 3, 2);
    assert_true(s.d.cut);
    assert_int_equal(s.d.cut_from, 4);
    assert_int_equal(raft_last_index(s.raft), 3);
    assert_int_equal(raft_term_at(s.raft, 3), 2);
    assert_int_equal(raft_persisted(s.raft), 3);
    solo_append(&s, 2, 2, 3, 2, TERMS(2), 3, 1);
    assert_int_equal(s.d.append_first, 4);
    solo_deinit(&s);

    solo_init(&s, 3, 2, TERMS(1)); /* and shorter than the snapshot */
    offer(&s, 2, 2, 30, 2);
    installed(&s, 30, 2);
    assert_false(s.d.cut);
    assert_int_equal(raft_last_index(s.raft), 30);
    solo_deinit(&s);
}

/* FAULTS 26, B41, B43, B44: of an old leader, twice at once, with appends and elections in between, overtaken. */
static void one_at_a_time_and_none_of_the_past(void **state)
{
    (void)state;
    struct solo s;
    solo_init(&s, 3, 4, TERMS(1, 1, 2, 2));
    offer(&s, 2, 3, 9, 3);
    assert_false(s.d.install); /* an old leader's */
    offer(&s, 2, 4, 9, 3);
    assert_true(s.d.install);
    assert_false(s.d.save_vote);
    offer(&s, 2, 4, 12, 4);
    assert_false(s.d.install);
    solo_append(&s, 2, 4, 4, 2, TERMS(4), 5, 1);
    assert_int_equal(raft_last_index(s.raft), 4);
    solo_receive(
        &s, (struct raft_message){.type = RAFT_MSG_HEARTBEAT, .from = 2, .term = 4, .commit = 4, .round = 2});
    assert_non_null(solo_sent(&s, RAFT_MSG_HEARTBEAT_REPLY, 2)); /* alive all the while */
    assert_int_equal(raft_commit(s.raft), 0);
    for (int i = 0; i < 3; i++) {
        s.now_us = raft_deadline_us(s.raft);
        solo_step(&s, (struct raft_event){.type = RAFT_EVENT_TICK});
        assert_int_equal(raft_role(s.raft), RAFT_FOLLOWER);
        assert_int_equal(s.d.message_count, 0);
    }
    solo_receive(&s, (struct raft_message){.type = RAFT_MSG_TIMEOUT_NOW, .from = 2, .term = 4});
    assert_int_equal(raft_role(s.raft), RAFT_FOLLOWER);
    installed(&s, 9, 3);
    assert_int_equal(raft_term(s.raft), 4);
    assert_int_equal(raft_commit(s.raft), 9);
    offer(&s, 2, 4, 9, 3);
    assert_false(s.d.install);
    assert_int_equal(solo_sent(&s, RAFT_MSG_APPEND_REPLY, 2)->index, 9); /* we have it, go on */
    /* A snapshot of our own, begun before, is ready only now. */
    solo_step(&s, (struct raft_event){.type = RAFT_EVENT_COMPACTED, .index = 4, .term = 2, .compact_to = 4});
    assert_int_equal(raft_first_index(s.raft), 10);
    solo_deinit(&s);
}

/* The peer that needs one is not asked again at every heartbeat while it is under way. */
static void one_transfer_a_peer(void **state)
{
    (void)state;
    struct solo s;
    solo_init(&s, 3, 1, TERMS(1, 1, 1, 1));
    solo_lead(&s);
    solo_persisted(&s, 5);
    solo_ack(&s, 2, 5, 1);
    solo_step(&s, (struct raft_event){.type = RAFT_EVENT_COMPACTED, .index = 5, .term = 2, .compact_to = 5});
    solo_receive(&s, (struct raft_message){
                         .type = RAFT_MSG_APPEND_REPLY, .from = 3, .term = 2, .reject = true, .index = 4});
    assert_int_equal(s.d.send_snapshot, 3);
    for (int k = 0; k < 15; k++) {
        s.now_us += 50000;
        solo_step(&s, (struct raft_event){.type = RAFT_EVENT_TICK});
        assert_int_equal(s.d.send_snapshot, 0);
        assert_non_null(solo_sent(&s, RAFT_MSG_HEARTBEAT, 3));
        assert_null(solo_sent(&s, RAFT_MSG_APPEND, 3));
        solo_receive(
            &s, (struct raft_message){.type = RAFT_MSG_HEARTBEAT_REPLY, .from = 3, .term = 2, .round = 2});
        if (k == 5)
            solo_step(&s, (struct raft_event){.type = RAFT_EVENT_SNAPSHOT_SENT, .peer = 3, .index = 5});
    }
    solo_ack(&s, 3, 5, 3);
    solo_propose(&s, 1);
    assert_int_equal(solo_sent(&s, RAFT_MSG_APPEND, 3)->index, 5);
    solo_deinit(&s);
}

/* The leader's log begins behind the snapshot by the time it is installed: the next one follows at once, whichever of the
 * two messages that end the transfer comes first. */
static void the_log_moved_on_meanwhile(void **state)
{
    (void)state;
    for (int ack_first = 0; ack_first < 2; ack_first++) {
        struct solo s;
        solo_init(&s, 3, 1, TERMS(1, 1, 1, 1));
        solo_lead(&s);
        solo_persisted(&s, 5);
        solo_ack(&s, 2, 5, 1);
        solo_step(&s,
                  (struct raft_event){.type = RAFT_EVENT_COMPACTED, .index = 5, .term = 2, .compact_to = 5});
        solo_receive(&s,
                     (struct raft_message){
                         .type = RAFT_MSG_APPEND_REPLY, .from = 3, .term = 2, .reject = true, .index = 4});
        assert_int_equal(s.d.send_snapshot, 3);
        solo_propose(&s, 3);
        solo_persisted(&s, 8);
        solo_ack(&s, 2, 8, 2);
        solo_step(&s,
                  (struct raft_event){.type = RAFT_EVENT_COMPACTED, .index = 8, .term = 2, .compact_to = 8});
        assert_int_equal(s.d.send_snapshot, 0); /* one at a time */
        struct raft_event sent = {.type = RAFT_EVENT_SNAPSHOT_SENT, .peer = 3, .index = 5};
        if (ack_first) { /* the caller cannot begin before the first has ended, and is asked again then */
            solo_ack(&s, 3, 5, 3);
            solo_step(&s, sent);
        } else {
            solo_step(&s, sent);
            if (s.d.send_snapshot == 0)
                solo_ack(&s, 3, 5, 3);
        }
        for (int i = 0; i < 2 && s.d.send_snapshot == 0; i++)
            solo_step(&s, (struct raft_event){.type = RAFT_EVENT_TICK});
        assert_int_equal(s.d.send_snapshot, 3);
        solo_step(&s, (struct raft_event){.type = RAFT_EVENT_SNAPSHOT_SENT, .peer = 3, .index = 8});
        solo_ack(&s, 3, 8, 4);
        solo_propose(&s, 1);
        assert_int_equal(solo_sent(&s, RAFT_MSG_APPEND, 3)->index, 8);
        solo_deinit(&s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_lagging_follower_gets_a_snapshot),
        cmocka_unit_test(a_little_lag_needs_none),
        cmocka_unit_test(a_snapshot_that_fails_is_sent_again),
        cmocka_unit_test(restart_begins_at_the_snapshot),
        cmocka_unit_test(suffixes),
        cmocka_unit_test(one_at_a_time_and_none_of_the_past),
        cmocka_unit_test(one_transfer_a_peer),
        cmocka_unit_test(the_log_moved_on_meanwhile),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
