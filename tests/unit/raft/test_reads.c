/* Reads by rounds (6.4): what releases one, and above all what does not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "net.h"
#include "solo.h"

#define TERMS(...) ((const uint64_t[]){__VA_ARGS__, 0})

static void beat_reply(struct solo *s, uint64_t from, uint64_t round)
{
    solo_receive(s, (struct raft_message){.type = RAFT_MSG_HEARTBEAT_REPLY,
                                          .from = from,
                                          .term = raft_term(s->raft),
                                          .index = raft_commit(s->raft),
                                          .hint_index = raft_last_index(s->raft),
                                          .round = round});
}

static uint64_t read_now(struct solo *s)
{
    solo_step(s, (struct raft_event){.type = RAFT_EVENT_READ});
    return s->d.read_seq;
}

static void acks_of_earlier_rounds_release_nothing(void **state)
{
    (void)state;
    struct solo s;
    solo_init(&s, 3, 1, TERMS(1));
    solo_lead(&s);
    solo_persisted(&s, 2);
    solo_ack(&s, 2, 2, 1);
    s.now_us = raft_deadline_us(s.raft);
    solo_step(&s, (struct raft_event){.type = RAFT_EVENT_TICK});
    uint64_t old = solo_sent(&s, RAFT_MSG_HEARTBEAT, 2) ? solo_sent(&s, RAFT_MSG_HEARTBEAT, 2)->round : 1;
    /* The process is stopped here, for long; the acks wait in the sockets. It goes on, and reads. */
    s.now_us += 900000;
    solo_step(&s, (struct raft_event){.type = RAFT_EVENT_STALLED});
    uint64_t first = read_now(&s);
    assert_true(first > 0);
    const struct raft_message *m = solo_sent(&s, RAFT_MSG_HEARTBEAT, 2);
    assert_non_null(m); /* a broadcast at once */
    assert_non_null(solo_sent(&s, RAFT_MSG_HEARTBEAT, 3));
    uint64_t fresh = m->round;
    assert_true(fresh > old);
    beat_reply(&s, 2, old);
    beat_reply(&s, 3, old);
    solo_ack(&s, 2, 2, old);
    assert_int_equal(s.d.read_count, 0);
    uint64_t second = read_now(&s);
    beat_reply(&s, 2, fresh);
    assert_int_equal(s.d.read_count, 1);
    assert_int_equal(s.d.reads[0].seq, first);
    assert_int_equal(s.d.reads[0].index, 2);
    beat_reply(&s, 3, fresh);
    assert_int_equal(s.d.read_count, 0); /* the second one came in later */
    beat_reply(&s, 3, fresh + 1);
    assert_int_equal(s.d.read_count, 1);
    assert_int_equal(s.d.reads[0].seq, second);
    solo_deinit(&s);
}

/* An append's ack counts like a heartbeat's. */
static void appends_count(void **state)
{
    (void)state;
    struct solo s;
    solo_init(&s, 3, 1, TERMS(1));
    solo_lead(&s);
    solo_persisted(&s, 2);
    solo_ack(&s, 2, 2, 1);
    read_now(&s);
    solo_propose(&s, 1);
    uint64_t round = solo_sent(&s, RAFT_MSG_APPEND, 2)->round;
    solo_ack(&s, 2, 3, round);
    assert_int_equal(s.d.read_count, 1);
    solo_deinit(&s);
}

/* B23: before the no-op is committed a leader does not know what is. */
static void no_read_before_an_entry_of_the_term(void **state)
{
    (void)state;
    struct solo s;
    solo_init(&s, 3, 1, TERMS(1, 1, 1));
    solo_lead(&s);
    assert_true(read_now(&s) > 0);
    beat_reply(&s, 2, 1000000); /* a round that never was */
    uint64_t round = solo_sent(&s, RAFT_MSG_HEARTBEAT, 3) ? solo_sent(&s, RAFT_MSG_HEARTBEAT, 3)->round : 2;
    beat_reply(&s, 3, round);
    assert_int_equal(s.d.read_count, 0);
    solo_ack(&s, 3, 4, round);
    assert_int_equal(s.d.read_count, 0);
    solo_persisted(&s, 4);
    assert_int_equal(raft_commit(s.raft), 4);
    assert_int_equal(s.d.read_count, 1);
    assert_int_equal(s.d.reads[0].index, 4);
    solo_deinit(&s);
}

static void learners_and_strangers_do_not_count(void **state)
{
    (void)state;
    struct solo s;
    solo_init(&s, 3, 1, TERMS(1));
    solo_lead(&s);
    solo_persisted(&s, 2);
    solo_ack(&s, 2, 2, 1);
    struct raft_members m = *raft_members(s.raft);
    m.at[m.count++] = (struct raft_member){.id = 4};
    struct raft_entry e = {0, RAFT_ENTRY_CONFIG, 200, &m};
    solo_step(&s, (struct raft_event){.type = RAFT_EVENT_PROPOSE, .entries = &e, .count = 1});
    read_now(&s);
    assert_null(solo_sent(&s, RAFT_MSG_HEARTBEAT, 4));
    uint64_t round = solo_sent(&s, RAFT_MSG_HEARTBEAT, 2)->round;
    beat_reply(&s, 4, round);
    beat_reply(&s, 5, round);
    assert_int_equal(s.d.read_count, 0);
    beat_reply(&s, 3, round);
    assert_int_equal(s.d.read_count, 1);
    solo_deinit(&s);
}

static void beats_release_nothing(void **state)
{
    (void)state;
    struct solo s;
    solo_init(&s, 3, 1, TERMS(1));
    solo_lead(&s);
    solo_persisted(&s, 2);
    solo_ack(&s, 2, 2, 1);
    read_now(&s);
    for (uint64_t peer = 2; peer <= 3; peer++) {
        solo_step(&s, (struct raft_event){.type = RAFT_EVENT_BEAT, .peer = peer, .term = 2});
        assert_int_equal(s.d.read_count, 0);
    }
    solo_deinit(&s);
}

static void reads_end_with_the_office(void **state)
{
    (void)state;
    struct solo s;
    solo_init(&s, 3, 1, TERMS(1));
    assert_int_equal(read_now(&s), 0); /* a follower */
    solo_lead(&s);
    solo_persisted(&s, 2);
    solo_ack(&s, 2, 2, 1);
    assert_true(read_now(&s) > 0);
    uint64_t round = solo_sent(&s, RAFT_MSG_HEARTBEAT, 2)->round;
    solo_receive(&s, (struct raft_message){.type = RAFT_MSG_HEARTBEAT, .from = 3, .term = 5, .round = 9});
    assert_true(s.d.reads_lost);
    solo_receive(
        &s, (struct raft_message){.type = RAFT_MSG_HEARTBEAT_REPLY, .from = 2, .term = 2, .round = round});
    assert_int_equal(s.d.read_count, 0);
    assert_int_equal(read_now(&s), 0);
    solo_deinit(&s);
}

static void alone_a_read_is_answered_in_its_step(void **state)
{
    (void)state;
    struct solo s;
    solo_init(&s, 1, 1, TERMS(1));
    solo_lead(&s);
    uint64_t seq = read_now(&s);
    assert_int_equal(s.d.read_count, 0);
    solo_persisted(&s, 2);
    assert_int_equal(s.d.read_count, 1);
    assert_int_equal(s.d.reads[0].seq, seq);
    seq = read_now(&s);
    assert_int_equal(s.d.read_count, 1);
    assert_int_equal(s.d.reads[0].seq, seq);
    assert_int_equal(s.d.message_count, 0);
    solo_deinit(&s);
}

/* The whole story with a real successor: the old leader is stopped, another leads and commits, the old one wakes up with
 * acks in its sockets and a read before it has looked at them. */
static void a_leader_that_slept_answers_nothing_stale(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 200; seed++) {
        struct net *c = net_new(3, 0, seed);
        c->links = seed % 2;
        int old = net_wait_leader(c, 4 * SECOND);
        net_run(c, 200 * MS);
        net_propose(c, old, 1);
        int asked = net_read(c, old);
        net_run(c, net_below(c, 0, 600));
        net_pause(c, old);
        net_run(c, net_below(c, 1, 4) * SECOND);
        int leader = net_leader(c);
        if (leader >= 0)
            net_commits(c, 2 * SECOND);
        int before = (int)c->read_count;
        net_resume(c, old, true);
        net_run(c, 3 * SECOND);
        for (int k = before; k < (int)c->read_count; k++)
            assert_true(c->reads[k].done || c->reads[k].lost);
        assert_true(asked < 0 || c->reads[asked].done || c->reads[asked].lost);
        assert_string_equal(c->failure, ""); /* the check compares with all that was committed */
        net_free(c);
    }
}

static void many_reads_are_all_answered_soon(void **state)
{
    (void)state;
    struct net *c = net_new(5, 0, 3);
    int leader = net_wait_leader(c, 4 * SECOND);
    net_run(c, 100 * MS);
    for (int k = 0; k < 1000; k++) {
        int h = net_read(c, leader);
        assert_true(h >= 0);
        uint64_t start = c->now_us;
        if (k % 10)
            continue;
        while (!c->reads[h].done)
            assert_true(net_step(c, start + 10 * MS));
        assert_in_range(c->now_us - start, 0, 2 * MS); /* one round trip, no disk */
    }
    net_run(c, 10 * MS);
    for (size_t k = 0; k < c->read_count; k++)
        assert_true(c->reads[k].done);
    assert_string_equal(c->failure, "");
    net_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(acks_of_earlier_rounds_release_nothing),
        cmocka_unit_test(appends_count),
        cmocka_unit_test(no_read_before_an_entry_of_the_term),
        cmocka_unit_test(learners_and_strangers_do_not_count),
        cmocka_unit_test(beats_release_nothing),
        cmocka_unit_test(reads_end_with_the_office),
        cmocka_unit_test(alone_a_read_is_answered_in_its_step),
        cmocka_unit_test(a_leader_that_slept_answers_nothing_stale),
        cmocka_unit_test(many_reads_are_all_answered_soon),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
