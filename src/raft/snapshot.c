/* Snapshots (chapter 5). The core decides who needs one and whether to take one; bytes and chunks are the
 * node's. Term and vote have no part in it (B41). */
#include <assert.h>

#include "raft/raft_int.h"

void raft_want_snapshot(struct raft *r, struct raft_peer *p)
{
    assert(r->snapshot_index >= r->log.base);
    p->state = RAFT_SNAPSHOT;
    p->snapshot_wanted = true;
    p->snapshot_index = r->snapshot_index;
    p->snapshot_sent_us = 0;
    p->ring_head = p->ring_count = 0;
    p->inflight_bytes = 0;
}

bool raft_snapshot_wanted(const struct raft *r)
{
    for (uint32_t i = 0; i < r->peer_count; i++)
        if (r->peers[i].snapshot_wanted)
            return true;
    return false;
}

/* One a step; the rest in the next one. */
void raft_snapshot_duty(struct raft *r)
{
    for (uint32_t i = 0; i < r->peer_count; i++) {
        struct raft_peer *p = &r->peers[i];
        if (!p->snapshot_wanted)
            continue;
        p->snapshot_wanted = false;
        p->snapshot_index = r->snapshot_index;
        r->duties->send_snapshot = p->id;
        return;
    }
}

/* The peer holds what it was sent, and meanwhile our log has been compacted past it: a newer one is needed. */
void raft_snapshot_outrun(struct raft *r, struct raft_peer *p)
{
    if (p->snapshot_sent_us != 0 && p->match >= p->snapshot_index && p->match < r->log.base)
        raft_want_snapshot(r, p);
}

void raft_on_snapshot_sent(struct raft *r, const struct raft_event *event)
{
    struct raft_peer *p = raft_peer(r, event->peer);
    if (r->role != RAFT_LEADER || !p || p->state != RAFT_SNAPSHOT || p->snapshot_wanted)
        return;
    if (!event->gone && event->index < p->snapshot_index) { /* a later one is due meanwhile */
        p->snapshot_wanted = true;
        return;
    }
    if (!event->gone) { /* the peer still has to verify and load it; its ack ends this state */
        p->snapshot_sent_us = r->now_us;
        raft_snapshot_outrun(r, p);
        return;
    }
    raft_reset_progress(r, p);
    p->probe_out = true; /* the next heartbeat probes, and finds out again that it needs one */
}

void raft_on_compacted(struct raft *r, const struct raft_event *event)
{
    if (event->index <= r->snapshot_index)
        return; /* a newer one came from the leader meanwhile (B44) */
    assert(event->index <= r->commit && event->compact_to <= event->index);
    assert(raft_log_term(&r->log, event->index) == event->term);
    r->snapshot_index = event->index;
    raft_log_compact(&r->log, event->compact_to);
    /* A restart begins at the snapshot, so what it covers is as durable as the snapshot is. */
    if (r->persisted < event->index) {
        r->persisted = event->index;
        raft_advance_commit(r);
        raft_ack_if_new(r);
        raft_short_log_check(r);
    }
}

/* 5.3, with its rule that an old leader's chunks are not taken (FAULTS 26), and one install at a time (B43).
 */
void raft_on_snapshot_received(struct raft *r, const struct raft_event *event)
{
    if (event->leader_term < r->term || r->installing || event->term == 0 ||
        event->term > event->leader_term || event->leader_term > RAFT_COUNT_MAX ||
        event->index > RAFT_COUNT_MAX)
        return;
    if (event->leader_term > r->term)
        raft_become_follower(r, event->leader_term, event->peer);
    if (r->role == RAFT_LEADER)
        return;
    raft_hear_leader(r, event->peer);
    if (event->index <= r->commit) { /* overtaken by appends: tell where we are */
        raft_ack(r);
        return;
    }
    if (event->index <= r->matched && raft_log_term(&r->log, event->index) != event->term)
        return; /* a leader that contradicts what it has sent in this term; our acks speak of that */
    r->installing = true;
    r->install_index = event->index;
    r->install_term = event->term;
    r->install_members = *event->members;
    r->duties->install = true;
}

/* 5.3 step 6 and 7: a log that holds the snapshot's last entry keeps what follows it, any other is gone whole
 * (B42). */
void raft_on_snapshot_installed(struct raft *r, const struct raft_event *event)
{
    if (!r->installing || event->index != r->install_index)
        return;
    r->installing = false;
    uint64_t index = r->install_index;
    bool held = raft_log_term(&r->log, index) == r->install_term;
    if (held) {
        raft_log_compact(&r->log, index);
        if (r->persisted < index)
            r->persisted = index;
    } else {
        if (r->log.last > index) {
            r->duties->cut = true;
            r->duties->cut_from = index + 1;
        }
        r->ticket++; /* writes under way speak of a log that is no more */
        raft_log_restart(&r->log, index, r->install_term,
                         event->members ? event->members : &r->install_members);
        r->persisted = index;
    }
    r->snapshot_index = index;
    r->commit = index;
    if (r->matched < index)
        r->matched = index;
    r->members_changed = true;
    raft_sync_peers(r);
    raft_short_log_check(r);
    if (r->role == RAFT_FOLLOWER && r->leader != 0)
        raft_ack(r);
}
