/* The leader's side of chapter 3.5: appends, pipelined and batched (10.2.2), the search for where the logs
 * agree, and commit. A peer is probed with one APPEND at a time until it answers; then `next` runs ahead of
 * the acks within a window; a reject or a broken link bring it back to probing from what is known to match.
 *
 * Nobody guesses from time or from heartbeats that an APPEND was lost: heartbeats overtake the big ones, which may be on their
 * way for long, and to send those again and again would only make it longer. APPENDs do not overtake each other; so one with a
 * gap before it is rejected, and every heartbeat asks, by an APPEND without entries, whether the last ones came in. */
#include <assert.h>

#include "raft/raft_int.h"

uint64_t raft_round(struct raft *r)
{
    if (!r->round_open) {
        r->round_open = true;
        r->round++;
    }
    return r->round;
}

static void inflight_clear(struct raft_peer *p)
{
    p->ring_head = p->ring_count = 0;
    p->inflight_bytes = 0;
}

static void inflight_push(struct raft *r, struct raft_peer *p, uint64_t last, size_t bytes)
{
    uint32_t at = (p->ring_head + p->ring_count) % r->config.inflight_max;
    p->ring[at] = (struct raft_inflight){last, r->round, bytes};
    p->ring_count++;
    p->inflight_bytes += bytes;
}

static void inflight_acked(struct raft *r, struct raft_peer *p, uint64_t match)
{
    while (p->ring_count > 0 && p->ring[p->ring_head].last <= match) {
        p->inflight_bytes -= p->ring[p->ring_head].bytes;
        p->ring_head = (p->ring_head + 1) % r->config.inflight_max;
        p->ring_count--;
    }
}

static void probe_from(struct raft_peer *p, uint64_t next)
{
    p->state = RAFT_PROBE;
    p->next = next;
    p->probe_out = p->silent = false;
    inflight_clear(p);
}

void raft_reset_progress(struct raft *r, struct raft_peer *p)
{
    p->snapshot_wanted = false;
    /* Where nothing is known, or too little to go on from, the peer is asked at our end of the log: it may well hold what
     * lies between, and is not to be fed from the beginning, or sent a snapshot, before it has said what it lacks. */
    bool known = p->match > 0 && p->match >= r->log.base;
    probe_from(p, known ? p->match + 1 : r->log.last + 1);
}

/* Chapter 3.4: what a new leader knows of its peers is nothing. The no-op is sent while our own disk writes
 * it. */
void raft_lead(struct raft *r)
{
    r->role = RAFT_LEADER;
    r->leader = r->config.id;
    r->transferee = 0;
    r->leader_lost = false;
    r->cut_us = r->failover_us = 0;
    if (r->short_log)
        raft_short_log_end(r); /* every voter was heard: nobody has more (DESIGN 7) */
    for (uint32_t i = 0; i < r->peer_count; i++) {
        struct raft_peer *p = &r->peers[i];
        p->match = p->match_round = p->acked_round = p->told_commit = 0;
        p->sample_round = p->round_trip_us = 0;
        p->refused = p->snapshot_wanted = false;
        p->heard_us = r->now_us;
        p->heard = false;
        probe_from(p, r->log.last + 1);
    }
    raft_log_append(&r->log, r->term, RAFT_ENTRY_HEADER, NULL);
    r->term_start = r->log.last;
    raft_append_duty(r, r->log.last, r->log.last);
    r->duties->append_noop = true;
    r->heartbeat_us = r->now_us + r->config.heartbeat_us;
    r->notice_us = 0;
    for (uint32_t i = 0; i < r->peer_count; i++)
        raft_send(r, &r->peers[i]);
}

/* 10.2.1: to the followers in the same step as to our own disk. */
void raft_propose(struct raft *r, const struct raft_entry *entries, size_t count)
{
    assert(raft_accepts(r) && count > 0);
    uint64_t first = r->log.last + 1;
    for (size_t i = 0; i < count; i++) {
        assert((entries[i].kind == RAFT_ENTRY_CONFIG) == (entries[i].members != NULL));
        assert(!entries[i].members || raft_may_change_members(r));
        raft_log_append(&r->log, r->term, entries[i].size, entries[i].members);
        if (entries[i].members) { /* in force at once (4.1) */
            r->members_changed = true;
            raft_sync_peers(r);
        }
    }
    raft_append_duty(r, first, r->log.last);
    for (uint32_t i = 0; i < r->peer_count; i++)
        raft_send(r, &r->peers[i]);
    raft_advance_commit(r); /* a voter less may be a quorum reached */
}

static void send_append(struct raft *r, struct raft_peer *p, bool with_entries)
{
    struct raft_message m = raft_message_to(r, RAFT_MSG_APPEND, p->id);
    size_t bytes = 0;
    m.index = p->next - 1;
    m.log_term = raft_log_term(&r->log, m.index);
    m.first = p->next;
    m.last = m.index;
    if (with_entries)
        m.last = raft_log_batch(&r->log, m.first, r->config.append_max_bytes, &bytes);
    m.commit = r->commit;
    m.round = raft_round(r);
    m.hint_index = r->log.last;
    raft_post(r, &m);
    uint64_t told = m.commit < m.last ? m.commit : m.last;
    if (told > p->told_commit)
        p->told_commit = told;
    if (m.last >= m.first)
        inflight_push(r, p, m.last, bytes);
    if (p->state == RAFT_PROBE)
        p->probe_out = true;
    else
        p->next = m.last + 1;
}

void raft_send(struct raft *r, struct raft_peer *p)
{
    if (p->refused || p->state == RAFT_SNAPSHOT)
        return;
    if (p->next <= r->log.base) { /* compacted away */
        raft_want_snapshot(r, p);
        return;
    }
    if (p->state == RAFT_PROBE) {
        if (!p->probe_out) {
            if (!p->silent) /* a question follows on what was sent before: its answer comes behind that one's */
                inflight_clear(p);
            send_append(r, p, !p->silent);
        }
        return;
    }
    while (p->next <= r->log.last && p->ring_count < r->config.inflight_max &&
           p->inflight_bytes < r->config.inflight_max_bytes)
        send_append(r, p, true);
}

void raft_ask_for_loss(struct raft *r, struct raft_peer *p)
{
    if (p->state == RAFT_REPLICATE && p->ring_count > 0 && !p->refused)
        send_append(r, p, false);
}

void raft_heartbeat(struct raft *r, struct raft_peer *p)
{
    struct raft_message m = raft_message_to(r, RAFT_MSG_HEARTBEAT, p->id);
    m.commit = r->commit < p->match ? r->commit : p->match; /* what the peer is known to hold, no more */
    m.round = raft_round(r);
    m.hint_index = r->log.last;
    raft_post(r, &m);
    if (m.commit > p->told_commit)
        p->told_commit = m.commit;
    if (p->sample_round == 0) {
        p->sample_round = m.round;
        p->sample_us = r->now_us;
    }
}

static void heard(struct raft *r, struct raft_peer *p, const struct raft_message *m)
{
    p->heard_us = r->now_us;
    p->heard = true;
    p->known_short = m->short_log;
    if (m->round > p->acked_round && m->round <= r->round)
        p->acked_round = m->round;
}

static bool less_than_match(const struct raft_peer *p, const struct raft_message *m)
{
    return m->reject ? m->index <= p->match || m->hint_index < p->match : m->index < p->match;
}

/* B11. A reject of a message sent after we knew `match` was made by a node that knew it too, so a log that
 * lacks it was rolled back behind our back. Older rejects are merely late; an ack that says little only
 * proves little (a follower that restarted has been shown nothing yet). */
static bool rolled_back(struct raft *r, struct raft_peer *p, const struct raft_message *m)
{
    if (!m->reject || m->short_log || p->match == 0 || m->round <= p->match_round || !less_than_match(p, m))
        return false;
    p->refused = true;
    inflight_clear(p);
    raft_say(r, "node %llx acknowledged up to %llu and came back with less: refused until it is replaced",
             (unsigned long long)p->id, (unsigned long long)p->match);
    return true;
}

/* Fast back-up: the follower's hint is the last place where its log may agree with a log of that term; the
 * same question put to our own log skips a whole term on each side. */
static void on_reject(struct raft *r, struct raft_peer *p, const struct raft_message *m)
{
    if (p->state == RAFT_SNAPSHOT)
        return;
    if (p->state == RAFT_PROBE ? m->index != p->next - 1 : m->index <= p->match)
        return; /* of an earlier question */
    if (p->state == RAFT_REPLICATE && p->ring_count > 0 && m->round < p->ring[p->ring_head].round)
        return; /* likewise: said before any of what is under way was seen */
    if (m->index == 0)
        return;
    uint64_t hint = m->hint_index < m->index ? m->hint_index : m->index - 1;
    uint64_t agree = raft_log_agree(&r->log, hint, m->hint_term);
    if (agree < p->match)
        agree = p->match;
    probe_from(p, agree + 1);
    raft_send(r, p);
}

/* A probe was answered: the logs agree at its prev index, and what it carried need not be sent again although only part
 * of it may be durable yet. */
static void probe_answered(struct raft *r, struct raft_peer *p, uint64_t index, uint64_t round)
{
    p->state = RAFT_REPLICATE;
    p->probe_out = false;
    const struct raft_inflight *sent = &p->ring[p->ring_head];
    if (p->ring_count > 0 && index + 1 >= p->next && round >= sent->round) {
        p->next = sent->last > index ? sent->last + 1 : index + 1;
        inflight_acked(r, p, index);
        return;
    }
    inflight_clear(p);
    p->next = index + 1;
}

/* `round`: of the append that was answered, 0 when a heartbeat's reply brings the news. */
static void on_ack(struct raft *r, struct raft_peer *p, uint64_t index, uint64_t round)
{
    if (index < p->match || index > r->log.last)
        return;
    if (index > p->match) {
        p->match = index;
        p->match_round = r->round;
    }
    p->silent = false;
    switch (p->state) {
    case RAFT_PROBE:
        if (round == 0 && p->probe_out && index + 1 < p->next)
            break; /* true as far as it goes, but no answer to what was asked */
        probe_answered(r, p, index, round);
        break;
    case RAFT_REPLICATE:
        inflight_acked(r, p, index);
        if (p->next <= index)
            p->next = index + 1;
        break;
    case RAFT_SNAPSHOT:
        /* Installed, or not needed any more. What was installed may end before our log begins by now: then
         * raft_send asks for the next one. */
        if (index >= r->log.base || index >= p->snapshot_index) {
            p->snapshot_wanted = false;
            p->state = RAFT_REPLICATE;
            p->next = index + 1;
        } else {
            raft_snapshot_outrun(r, p);
        }
        break;
    }
    raft_advance_commit(r);
    if (r->role != RAFT_LEADER)
        return;
    if (r->transferee == p->id && p->match == r->log.last)
        raft_transfer_go(r, p);
    raft_send(r, p);
}

void raft_on_append_reply(struct raft *r, const struct raft_message *m)
{
    struct raft_peer *p = raft_peer(r, m->from);
    if (r->role != RAFT_LEADER || !p)
        return;
    heard(r, p, m);
    if (p->refused || rolled_back(r, p, m))
        return;
    if (m->short_log && m->round > p->match_round && less_than_match(p, m)) {
        /* It says itself that it lost some: the one case where a match goes down (DESIGN 7). */
        p->match = m->reject ? 0 : m->index;
        p->match_round = r->round;
        probe_from(p, m->index + 1);
    }
    if (m->reject)
        on_reject(r, p, m);
    else
        on_ack(r, p, m->index, m->round);
}

void raft_on_heartbeat_reply(struct raft *r, const struct raft_message *m)
{
    struct raft_peer *p = raft_peer(r, m->from);
    if (r->role != RAFT_LEADER || !p)
        return;
    heard(r, p, m);
    if (p->sample_round != 0 && m->round >= p->sample_round) {
        p->round_trip_us = r->now_us - p->sample_us;
        p->sample_round = 0;
    }
    if (p->refused)
        return;
    if (m->index > p->match) /* an ack that was lost, brought again */
        on_ack(r, p, m->index, 0);
}

static uint64_t match_of(const struct raft_peer *p)
{
    return p->refused ? 0 : p->match;
}

void raft_advance_commit(struct raft *r)
{
    if (r->role != RAFT_LEADER)
        return;
    uint64_t index = raft_quorum_value(r, r->persisted, match_of);
    /* 3.6.2, figure 8: an entry of an older term is committed only by one of ours after it (B1). */
    if (index <= r->commit || raft_log_term(&r->log, index) != r->term)
        return;
    r->commit = index;
    raft_committed(r);
}
