/* Whom we hear, and what we make of silence: election timers, links, beats, stalls. Beyond the dissertation,
 * fast failover (DESIGN 3): a leader whose process has ended is replaced in milliseconds. All of it ends in a
 * pre-vote, so a link that flaps raises no term. */
#include "raft/raft_int.h"

enum { RANK_STEP_US = 5000, RETRY_US = 20000, TRIES_MAX = 10 };

static void clear_lost(struct raft *r)
{
    r->leader_lost = false;
    r->cut_us = r->failover_us = 0;
    r->failover_tries = 0;
}

/* A valid message of the current term's leader came in. */
void raft_hear_leader(struct raft *r, uint64_t leader)
{
    if (r->role != RAFT_FOLLOWER)
        raft_become_follower(r, r->term, leader);
    r->leader = leader;
    r->heard_us = r->now_us;
    clear_lost(r);
    raft_timer_reset(r);
}

/* Voters other than the leader, by id: the first starts at once, the others give it time. */
static uint64_t rank_of(const struct raft *r)
{
    uint64_t rank = 0;
    for (uint32_t i = 0; i < r->peer_count; i++)
        rank += r->peers[i].voter && r->peers[i].id < r->config.id && r->peers[i].id != r->lost_leader;
    return rank;
}

void raft_leader_ended(struct raft *r, bool process)
{
    r->ended_until_us = process ? r->now_us + r->config.heartbeat_us : 0;
    r->lost_leader = r->leader;
    r->leader = 0;
    r->leader_lost = true;
    r->cut_us = 0;
    r->failover_tries = 0;
    r->failover_us = raft_may_stand(r) ? r->now_us + rank_of(r) * RANK_STEP_US : 0;
}

void raft_on_link(struct raft *r, const struct raft_event *event)
{
    struct raft_peer *p = raft_peer(r, event->peer);
    bool up = event->type == RAFT_EVENT_LINK_UP;
    if (r->role == RAFT_LEADER && p) {
        /* What was in flight may be gone with the link; what is known of its match is not. */
        if (!up || p->state != RAFT_SNAPSHOT)
            raft_reset_progress(r, p);
        if (!up && r->transferee == p->id)
            r->transferee = 0; /* writes need not wait for one that is gone */
        if (up) {
            p->silent = false;
            raft_heartbeat(r, p);
            raft_send(r, p);
        }
        return;
    }
    if (up && p)
        raft_ask_again(r, p);
    if (event->peer != r->leader || event->peer == 0)
        return;
    if (up)
        r->cut_us = 0;
    else if (event->gone)
        raft_leader_ended(r, true);
    else if (r->cut_us == 0)
        r->cut_us = r->now_us + 2 * r->config.heartbeat_us;
}

void raft_on_beat(struct raft *r, uint64_t peer, uint64_t term)
{
    if (term != r->term)
        return;
    if (r->role == RAFT_LEADER) {
        struct raft_peer *p = raft_peer(r, peer);
        if (p) {
            p->heard_us = r->now_us;
            p->heard = true;
        }
    } else if (r->role == RAFT_FOLLOWER && r->leader == peer && peer != 0) {
        r->heard_us = r->now_us;
        if (r->cut_us != 0) /* it lives, though it has no time for a new link */
            r->cut_us = r->now_us + 2 * r->config.heartbeat_us;
        raft_timer_reset(r);
    }
}

/* We did not run for a while, and what others sent meanwhile waits in the sockets: nobody is judged by the
 * clock alone for one more heartbeat. Reads need no such care, their rounds do not depend on time. */
void raft_on_stalled(struct raft *r)
{
    uint64_t grace = r->now_us + r->config.heartbeat_us;
    if (r->election_us < grace)
        r->election_us = grace;
    if (r->cut_us != 0 && r->cut_us < grace)
        r->cut_us = grace;
    if (r->failover_us != 0 && r->failover_us < grace)
        r->failover_us = grace;
    if (r->role != RAFT_LEADER)
        return;
    r->heartbeat_us = r->now_us;
    if (grace < r->config.election_us)
        return;
    for (uint32_t i = 0; i < r->peer_count; i++)
        if (r->peers[i].heard_us < grace - r->config.election_us)
            r->peers[i].heard_us = grace - r->config.election_us;
}

/* A leader that cannot write must not go on as if it led (B21): its followers hear heartbeats and never
 * elect. */
void raft_on_journal_hung(struct raft *r)
{
    if (raft_sole_voter(r) || r->persisted == r->log.last)
        return; /* nobody to hand over to; or it has come through meanwhile */
    r->journal_hung = true;
    if (r->role != RAFT_LEADER)
        return;
    struct raft_peer *best = raft_best_peer(r);
    raft_say(r, "own journal write hangs: giving up leadership of term %llu", (unsigned long long)r->term);
    if (best)
        raft_transfer_go(r, best);
    raft_become_follower(r, r->term, 0);
}

void raft_tick_follower(struct raft *r)
{
    if (r->role == RAFT_CANDIDATE && !r->asked) { /* our own vote is still on its way to a slow disk */
        if (r->now_us >= r->election_us)
            raft_timer_reset(r);
        return;
    }
    if (r->cut_us != 0 && r->now_us >= r->cut_us)
        raft_leader_ended(r, false);
    if (r->failover_us != 0 && r->now_us >= r->failover_us) {
        r->failover_tries++;
        r->failover_us = r->failover_tries < TRIES_MAX ? r->now_us + RETRY_US * r->failover_tries : 0;
        if (r->role == RAFT_FOLLOWER || r->role == RAFT_PRECANDIDATE)
            raft_start_prevote(r, true);
    } else if (r->now_us >= r->election_us ||
               (r->role == RAFT_FOLLOWER && raft_sole_voter(r) && raft_may_stand(r))) {
        /* Alone there is no one to wait for. */
        raft_start_prevote(r, r->leader_lost);
    }
}

uint64_t raft_follower_deadline(const struct raft *r)
{
    if (r->role == RAFT_FOLLOWER && raft_sole_voter(r) && raft_may_stand(r))
        return r->now_us;
    uint64_t at = raft_has_standing(r) || r->leader != 0 ? r->election_us : UINT64_MAX;
    if (r->role == RAFT_CANDIDATE && !r->asked)
        return at;
    if (r->cut_us != 0 && r->cut_us < at)
        at = r->cut_us;
    if (r->failover_us != 0 && r->failover_us < at)
        at = r->failover_us;
    return at;
}
