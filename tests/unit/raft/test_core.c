/* Orders of events that a running cluster meets once in a lifetime. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "solo.h"

#define TERMS(...) ((const uint64_t[]){__VA_ARGS__, 0})

/* B1, figure 3.7 step (c): an entry of an older term on a majority is not committed by that. */
static void old_terms_are_not_counted(void **state)
{
    (void)state;
    struct solo s;
    solo_init(&s, 5, 2, TERMS(1, 2));
    solo_lead(&s); /* term 3, no-op at 3 */
    solo_persisted(&s, 3);
    solo_ack(&s, 2, 2, 1);
    solo_ack(&s, 3, 2, 1);
    assert_int_equal(raft_commit(s.raft), 0);
    solo_ack(&s, 2, 3, 1);
    assert_int_equal(raft_commit(s.raft), 0);
    solo_ack(&s, 3, 3, 1);
    assert_int_equal(raft_commit(s.raft), 3);
    solo_deinit(&s);
}

/* B2, 10.2.1: our own disk is one vote, and only when it has written. */
static void own_disk_is_one_vote(void **state)
{
    (void)state;
    struct solo s;
    solo_init(&s, 3, 1, TERMS(1));
    solo_lead(&s);
    solo_ack(&s, 2, 2, 1);
    assert_int_equal(raft_commit(s.raft), 0);
    solo_persisted(&s, 2);
    assert_int_equal(raft_commit(s.raft), 2);
    uint64_t last = solo_propose(&s, 3);
    solo_ack(&s, 2, last, 2);
    solo_ack(&s, 3, last, 2); /* a majority without us will do */
    assert_int_equal(raft_commit(s.raft), last);
    solo_deinit(&s);
}

/* B3, B4: our own tail is nothing that the message proved. */
static void only_what_is_proven_is_acked_and_committed(void **state)
{
    (void)state;
    struct solo s;
    solo_init(&s, 3, 2, TERMS(1, 1, 1, 2, 2));
    solo_append(&s, 2, 3, 2, 1, NULL, 9, 1);
    solo_vote_saved(&s); /* the reply waited for the term */
    const struct raft_message *m = solo_sent(&s, RAFT_MSG_APPEND_REPLY, 2);
    assert_non_null(m);
    assert_false(m->reject);
    assert_int_equal(m->index, 2);
    assert_int_equal(m->round, 1);
    assert_int_equal(raft_commit(s.raft), 2);
    solo_receive(
        &s, (struct raft_message){.type = RAFT_MSG_HEARTBEAT, .from = 2, .term = 3, .commit = 5, .round = 2});
    assert_int_equal(raft_commit(s.raft), 2);
    m = solo_sent(&s, RAFT_MSG_HEARTBEAT_REPLY, 2);
    assert_int_equal(m->index, 2);
    assert_int_equal(m->round, 2);
    solo_deinit(&s);
}

/* B5: an old message over what has been added since, and one from below our snapshot. */
static void old_appends_cut_nothing(void **state)
{
    (void)state;
    struct solo s;
    solo_init(&s, 3, 1, TERMS(1));
    solo_append(&s, 2, 1, 1, 1, TERMS(1, 1, 1, 1), 0, 1);
    solo_persisted(&s, 5);
    solo_append(&s, 2, 1, 1, 1, TERMS(1), 0, 1);
    assert_false(s.d.cut);
    assert_int_equal(raft_last_index(s.raft), 5);
    assert_true(s.d.append_last < s.d.append_first);
    assert_int_equal(solo_sent(&s, RAFT_MSG_APPEND_REPLY, 2)->index, 5);
    solo_append(&s, 2, 1, 5, 1, NULL, 5, 2);
    solo_step(&s, (struct raft_event){.type = RAFT_EVENT_COMPACTED, .index = 4, .term = 1, .compact_to = 4});
    solo_append(&s, 2, 1, 0, 0, TERMS(1, 1, 1, 1, 1, 1), 5, 3);
    assert_false(s.d.cut);
    assert_int_equal(s.d.append_first, 6);
    assert_int_equal(s.d.append_last, 6);
    solo_append(&s, 2, 1, 0, 0, TERMS(1, 1), 5, 3);
    assert_int_equal(raft_last_index(s.raft), 6);
    solo_deinit(&s);
}

/* B6: durable is what the disk said, of the log as it is. */
static void acks_wait_for_the_disk(void **state)
{
    (void)state;
    struct solo s;
    solo_init(&s, 3, 1, TERMS(1));
    solo_append(&s, 2, 1, 1, 1, TERMS(1, 1), 0, 1);
    assert_int_equal(solo_sent(&s, RAFT_MSG_APPEND_REPLY, 2)->index,
                     1); /* entry 1 it has shown, and we have */
    solo_append(&s, 2, 1, 3, 1, TERMS(1), 0, 2);
    assert_null(solo_sent(&s, RAFT_MSG_APPEND_REPLY, 2));
    solo_persisted(&s, 2);
    assert_int_equal(solo_sent(&s, RAFT_MSG_APPEND_REPLY, 2)->index, 2);
    solo_append(&s, 3, 2, 1, 1, TERMS(2), 0, 1); /* cuts 2 to 4 */
    assert_true(s.d.cut);
    assert_int_equal(s.d.cut_from, 2);
    assert_int_equal(raft_persisted(s.raft), 1);
    solo_deinit(&s);
}

/* B8: (5, term 2) is written, cut by a leader of term 3, and comes back in term 4, all while the first write is still
 * under way. Its completion vouches for nothing: the cut is queued behind it. */
static void a_write_from_before_a_cut_vouches_for_nothing(void **state)
{
    (void)state;
    struct solo s;
    solo_init(&s, 3, 2, TERMS(1));
    solo_append(&s, 2, 2, 1, 1, TERMS(2), 0, 1);
    uint64_t ticket = s.d.append_ticket;
    solo_append(&s, 3, 3, 1, 1, TERMS(3), 0, 1);
    assert_true(s.d.cut);
    solo_vote_saved(&s);
    solo_append(&s, 2, 4, 1, 1, TERMS(2), 0, 1);
    assert_true(s.d.cut);
    uint64_t third = s.d.append_ticket;
    solo_vote_saved(&s);
    solo_step(&s, (struct raft_event){.type = RAFT_EVENT_PERSISTED, .index = 2, .term = 2, .ticket = ticket});
    assert_int_equal(raft_persisted(s.raft), 1);
    assert_null(solo_sent(&s, RAFT_MSG_APPEND_REPLY, 2));
    solo_step(&s, (struct raft_event){.type = RAFT_EVENT_PERSISTED, .index = 2, .term = 2, .ticket = third});
    assert_int_equal(raft_persisted(s.raft), 2);
    assert_int_equal(solo_sent(&s, RAFT_MSG_APPEND_REPLY, 2)->index, 2);
    /* And a term that is not the entry's is refused whatever the ticket. */
    solo_append(&s, 2, 4, 2, 2, TERMS(4), 0, 2);
    solo_step(&s, (struct raft_event){.type = RAFT_EVENT_PERSISTED, .index = 3, .term = 3, .ticket = third});
    assert_int_equal(raft_persisted(s.raft), 2);
    solo_deinit(&s);
}

/* B11, first half: nobody makes us drop what is committed. */
static void committed_entries_are_not_replaced(void **state)
{
    (void)state;
    struct solo s;
    solo_init(&s, 3, 1, TERMS(1, 1, 1));
    solo_append(&s, 2, 1, 3, 1, NULL, 3, 1);
    assert_int_equal(raft_commit(s.raft), 3);
    solo_append(&s, 3, 2, 1, 1, TERMS(2, 2), 3, 1);
    assert_false(s.d.cut);
    assert_non_null(s.d.say);
    assert_int_equal(raft_term_at(s.raft, 2), 1);
    solo_deinit(&s);
}

/* What a leader's own appends have shown to agree is acknowledged, perhaps in a message that still waits for the vote
 * file: nothing that claims to come from that leader of that term takes it back. */
static void acknowledged_entries_are_not_replaced_in_their_term(void **state)
{
    (void)state;
    struct solo s;
    solo_init(&s, 3, 1, TERMS(1, 1, 1));
    solo_append(&s, 2, 2, 3, 1, NULL, 1, 1);
    assert_null(solo_sent(&s, RAFT_MSG_APPEND_REPLY, 2));
    solo_append(&s, 2, 2, 1, 1, TERMS(2), 1, 2);
    assert_false(s.d.cut);
    assert_non_null(s.d.say);
    solo_step(&s, (struct raft_event){.type = RAFT_EVENT_SNAPSHOT_RECEIVED,
                                      .index = 2,
                                      .term = 2,
                                      .peer = 2,
                                      .leader_term = 2,
                                      .members = raft_members(s.raft)});
    assert_false(s.d.install);
    solo_step(&s, (struct raft_event){.type = RAFT_EVENT_VOTE_SAVED, .term = 2, .peer = 0});
    assert_int_equal(solo_sent(&s, RAFT_MSG_APPEND_REPLY, 2)->index, 3);
    assert_int_equal(raft_term_at(s.raft, 3), 1);
    /* The next term's leader may: it was elected by others' logs. */
    solo_append(&s, 3, 3, 1, 1, TERMS(3), 1, 1);
    assert_true(s.d.cut);
    solo_deinit(&s);
}

static struct raft_message rejected(uint64_t from, uint64_t term, uint64_t prev, uint64_t hint,
                                    uint64_t round)
{
    return (struct raft_message){.type = RAFT_MSG_APPEND_REPLY,
                                 .from = from,
                                 .term = term,
                                 .reject = true,
                                 .index = prev,
                                 .hint_index = hint,
                                 .hint_term = hint ? 1 : 0,
                                 .round = round};
}

/* B11, second half: a peer that comes back with less than it acknowledged is neither sent to nor counted. A late reject
 * of its earlier life means nothing, and one that says its log is short goes back in the queue. */
static void a_rolled_back_peer_is_refused(void **state)
{
    (void)state;
    for (int honest = 0; honest < 2; honest++) {
        struct solo s;
        solo_init(&s, 3, 1, TERMS(1, 1, 1, 1));
        solo_lead(&s); /* term 2, no-op 5 */
        solo_persisted(&s, 5);
        solo_ack(&s, 2, 5, 1);
        assert_int_equal(raft_commit(s.raft), 5);
        solo_receive(&s, rejected(2, 2, 4, 1, 1)); /* of a message sent before we knew: late */
        assert_null(s.d.say);
        solo_step(&s, (struct raft_event){.type = RAFT_EVENT_LINK_LOST, .peer = 2});
        solo_step(&s, (struct raft_event){.type = RAFT_EVENT_LINK_UP, .peer = 2});
        const struct raft_message *m = solo_sent(&s, RAFT_MSG_APPEND, 2);
        assert_non_null(m);
        assert_int_equal(m->index, 5);
        struct raft_message reply = rejected(2, 2, 5, 2, m->round);
        reply.short_log = honest != 0;
        solo_receive(&s, reply);
        if (honest) {
            assert_non_null(solo_sent(&s, RAFT_MSG_APPEND, 2));
            assert_int_equal(solo_sent(&s, RAFT_MSG_APPEND, 2)->index, 2);
            struct raft_progress p;
            assert_true(raft_progress(s.raft, 2, &p));
            assert_int_equal(p.match, 0);
        } else {
            assert_non_null(s.d.say);
            struct raft_progress p;
            assert_true(raft_progress(s.raft, 2, &p) && p.refused);
            uint64_t last = solo_propose(&s, 1);
            assert_null(solo_sent(&s, RAFT_MSG_APPEND, 2));
            solo_persisted(&s, last);
            solo_ack(&s, 2, last, 100);
            assert_int_equal(raft_commit(s.raft), 5);
            solo_ack(&s, 3, last, 100);
            assert_int_equal(raft_commit(s.raft), last);
        }
        solo_deinit(&s);
    }
}

/* B12: nothing that depends on a term or a vote leaves before the file has it. B13: one vote a term. */
static void a_vote_is_durable_and_single(void **state)
{
    (void)state;
    struct solo s;
    solo_init(&s, 3, 1, TERMS(1));
    struct raft_message ask = {.type = RAFT_MSG_VOTE, .from = 2, .term = 5, .index = 1, .log_term = 1};
    solo_receive(&s, ask);
    assert_true(s.d.save_vote);
    assert_int_equal(s.d.vote_term, 5);
    assert_int_equal(s.d.vote_for, 2);
    assert_int_equal(s.d.message_count, 0);
    solo_vote_saved(&s);
    assert_false(solo_sent(&s, RAFT_MSG_VOTE_REPLY, 2)->reject);
    ask.from = 3;
    solo_receive(&s, ask);
    assert_true(solo_sent(&s, RAFT_MSG_VOTE_REPLY, 3)->reject);
    ask.from = 2;
    solo_receive(&s, ask);
    assert_false(solo_sent(&s, RAFT_MSG_VOTE_REPLY, 2)->reject);
    /* A candidate that hears the leader of its term follows, and has voted all the same. */
    s.now_us = raft_deadline_us(s.raft);
    solo_step(&s, (struct raft_event){.type = RAFT_EVENT_TICK});
    solo_receive(&s, (struct raft_message){.type = RAFT_MSG_PREVOTE_REPLY, .from = 2, .term = 6});
    assert_int_equal(raft_role(s.raft), RAFT_CANDIDATE);
    assert_null(solo_sent(&s, RAFT_MSG_VOTE, 2));
    solo_vote_saved(&s);
    assert_non_null(solo_sent(&s, RAFT_MSG_VOTE, 2));
    solo_append(&s, 3, 6, 1, 1, NULL, 0, 1);
    assert_int_equal(raft_role(s.raft), RAFT_FOLLOWER);
    assert_false(s.d.save_vote);
    solo_deinit(&s);
}

/* B15, B16: replies that are not votes for this term. */
static void other_replies_are_no_votes(void **state)
{
    (void)state;
    struct solo s;
    solo_init(&s, 3, 1, TERMS(1));
    s.now_us = raft_deadline_us(s.raft);
    solo_step(&s, (struct raft_event){.type = RAFT_EVENT_TICK});
    assert_int_equal(raft_role(s.raft), RAFT_PRECANDIDATE);
    solo_receive(&s, (struct raft_message){.type = RAFT_MSG_VOTE_REPLY, .from = 2, .term = 1});
    assert_int_equal(raft_role(s.raft), RAFT_PRECANDIDATE);
    solo_receive(&s, (struct raft_message){.type = RAFT_MSG_PREVOTE_REPLY, .from = 3, .term = 2});
    assert_int_equal(raft_role(s.raft), RAFT_CANDIDATE);
    solo_vote_saved(&s);
    solo_receive(&s, (struct raft_message){.type = RAFT_MSG_PREVOTE_REPLY, .from = 2, .term = 3});
    solo_receive(&s,
                 (struct raft_message){.type = RAFT_MSG_VOTE_REPLY, .from = 3, .term = 2, .reject = true});
    assert_int_equal(raft_role(s.raft), RAFT_CANDIDATE);
    solo_receive(&s,
                 (struct raft_message){.type = RAFT_MSG_VOTE_REPLY, .from = 3, .term = 7, .reject = true});
    assert_int_equal(raft_role(s.raft), RAFT_FOLLOWER);
    assert_int_equal(raft_term(s.raft), 7);
    solo_deinit(&s);
}

/* B20: requests that are refused do not push our own election away. */
static void refused_requests_reset_no_timer(void **state)
{
    (void)state;
    struct solo s;
    solo_init(&s, 3, 1, TERMS(1, 1));
    uint64_t deadline = raft_deadline_us(s.raft);
    s.now_us += 400000;
    solo_receive(
        &s, (struct raft_message){.type = RAFT_MSG_VOTE, .from = 2, .term = 3, .index = 1, .log_term = 1});
    solo_receive(
        &s, (struct raft_message){.type = RAFT_MSG_PREVOTE, .from = 2, .term = 9, .index = 9, .log_term = 1});
    assert_int_equal(raft_deadline_us(s.raft), deadline);
    solo_append(&s, 3, 1, 2, 1, NULL, 0, 1); /* an old leader */
    assert_int_equal(raft_deadline_us(s.raft), deadline);
    solo_deinit(&s);
}

/* B21: a leader whose disk hangs hands over and does not stand again before the disk has answered. */
static void a_hung_journal_ends_the_office(void **state)
{
    (void)state;
    struct solo s;
    solo_init(&s, 3, 1, TERMS(1));
    solo_lead(&s);
    solo_persisted(&s, 2);
    solo_ack(&s, 3, 2, 1);
    solo_propose(&s, 1);
    solo_ack(&s, 3, 3, 2);
    solo_step(&s, (struct raft_event){.type = RAFT_EVENT_JOURNAL_HUNG});
    assert_int_equal(raft_role(s.raft), RAFT_FOLLOWER);
    assert_true(s.d.reads_lost);
    assert_non_null(solo_sent(&s, RAFT_MSG_TIMEOUT_NOW, 3)); /* the best of them */
    for (int i = 0; i < 5; i++) {
        s.now_us = raft_deadline_us(s.raft);
        solo_step(&s, (struct raft_event){.type = RAFT_EVENT_TICK});
        assert_int_equal(raft_role(s.raft), RAFT_FOLLOWER);
    }
    solo_persisted(&s, 3);
    s.now_us = raft_deadline_us(s.raft);
    solo_step(&s, (struct raft_event){.type = RAFT_EVENT_TICK});
    assert_int_equal(raft_role(s.raft), RAFT_PRECANDIDATE);
    solo_deinit(&s);
}

/* B33: no change before an entry of our own term is committed; B34: one at a time. */
static void membership_waits(void **state)
{
    (void)state;
    struct solo s;
    solo_init(&s, 3, 1, TERMS(1));
    solo_lead(&s);
    assert_true(raft_accepts(s.raft));
    assert_false(raft_may_change_members(s.raft));
    solo_persisted(&s, 2);
    assert_false(raft_may_change_members(s.raft));
    solo_ack(&s, 2, 2, 1);
    assert_true(raft_may_change_members(s.raft));
    struct raft_members m = *raft_members(s.raft);
    m.at[m.count++] = (struct raft_member){.id = 4, .voter = true};
    struct raft_entry e = {0, RAFT_ENTRY_CONFIG, 200, &m};
    solo_step(&s, (struct raft_event){.type = RAFT_EVENT_PROPOSE, .entries = &e, .count = 1});
    assert_true(s.d.members_changed);
    assert_non_null(solo_sent(&s, RAFT_MSG_APPEND, 4)); /* in force at once */
    assert_false(raft_may_change_members(s.raft));
    solo_persisted(&s, 3);
    solo_ack(&s, 2, 3, 2);
    assert_int_equal(raft_commit(s.raft), 2); /* two of four */
    solo_ack(&s, 4, 3, 2);
    assert_int_equal(raft_commit(s.raft), 3);
    assert_true(raft_may_change_members(s.raft));
    solo_deinit(&s);
}

/* B36: a configuration that is cut is not in force any more, and neither is its quorum. */
static void a_cut_configuration_is_rolled_back(void **state)
{
    (void)state;
    struct solo s;
    solo_init(&s, 3, 1, TERMS(1));
    struct raft_members m = *raft_members(s.raft);
    m.at[m.count++] = (struct raft_member){.id = 4, .voter = true};
    struct raft_entry e = {1, RAFT_ENTRY_CONFIG, 200, &m};
    solo_receive(&s, (struct raft_message){.type = RAFT_MSG_APPEND,
                                           .from = 2,
                                           .term = 1,
                                           .index = 1,
                                           .log_term = 1,
                                           .first = 2,
                                           .last = 2,
                                           .entries = &e});
    assert_int_equal(raft_members(s.raft)->count, 4);
    assert_int_equal(raft_members_index(s.raft), 2);
    solo_append(&s, 3, 2, 1, 1, TERMS(2), 0, 1);
    assert_true(s.d.members_changed);
    assert_int_equal(raft_members(s.raft)->count, 3);
    assert_true(raft_members_index(s.raft) < 2);
    solo_vote_saved(&s);
    s.now_us = raft_deadline_us(s.raft);
    solo_step(&s, (struct raft_event){.type = RAFT_EVENT_TICK});
    assert_null(solo_sent(&s, RAFT_MSG_PREVOTE, 4));
    solo_receive(&s, (struct raft_message){.type = RAFT_MSG_PREVOTE_REPLY, .from = 2, .term = 3});
    assert_int_equal(raft_role(s.raft), RAFT_CANDIDATE); /* two of three are enough again */
    solo_deinit(&s);
}

/* What a peer sends is judged, never asserted. */
static void malformed_messages_do_nothing(void **state)
{
    (void)state;
    struct solo s;
    solo_init(&s, 3, 5, TERMS(1, 2));
    struct raft_entry e = {9, RAFT_ENTRY_DATA, 100, NULL}, c = {5, RAFT_ENTRY_CONFIG, 100, NULL};
    struct raft_message m = {
        .type = RAFT_MSG_APPEND, .from = 2, .term = 5, .index = 2, .log_term = 2, .first = 3, .last = 3};
    solo_receive(&s, m); /* no entries */
    m.entries = &e;      /* an entry of a later term than its leader's */
    solo_receive(&s, m);
    e.term = 1; /* terms that fall */
    solo_receive(&s, m);
    m.entries = &c; /* a configuration without members */
    solo_receive(&s, m);
    m.entries = &e;
    m.first = 4; /* a gap */
    m.last = 4;
    solo_receive(&s, m);
    assert_int_equal(raft_last_index(s.raft), 2);
    assert_int_equal(raft_role(s.raft), RAFT_FOLLOWER);
    m.from = 1; /* ourselves */
    solo_receive(&s, m);
    solo_lead(&s);
    solo_ack(&s, 2, 1000, 1); /* beyond our log */
    solo_ack(&s, 77, 3, 1);   /* nobody we know */
    solo_ack(&s, 3, 3, UINT64_MAX);
    solo_receive(&s, rejected(2, 6, 1000, 900, 1));
    solo_receive(&s, (struct raft_message){.type = RAFT_MSG_HEARTBEAT, .from = 2, .term = 6});
    assert_int_equal(raft_role(s.raft), RAFT_LEADER);
    assert_non_null(s.d.say); /* two leaders of one term */
    solo_deinit(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(old_terms_are_not_counted),
        cmocka_unit_test(own_disk_is_one_vote),
        cmocka_unit_test(only_what_is_proven_is_acked_and_committed),
        cmocka_unit_test(old_appends_cut_nothing),
        cmocka_unit_test(acks_wait_for_the_disk),
        cmocka_unit_test(a_write_from_before_a_cut_vouches_for_nothing),
        cmocka_unit_test(committed_entries_are_not_replaced),
        cmocka_unit_test(acknowledged_entries_are_not_replaced_in_their_term),
        cmocka_unit_test(a_rolled_back_peer_is_refused),
        cmocka_unit_test(a_vote_is_durable_and_single),
        cmocka_unit_test(other_replies_are_no_votes),
        cmocka_unit_test(refused_requests_reset_no_timer),
        cmocka_unit_test(a_hung_journal_ends_the_office),
        cmocka_unit_test(membership_waits),
        cmocka_unit_test(a_cut_configuration_is_rolled_back),
        cmocka_unit_test(malformed_messages_do_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
