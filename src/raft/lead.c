/* The leader's duties that are not replication: heartbeats, CheckQuorum (6.2), telling of commits, handing
 * over (3.10) and leaving when a configuration without it is committed (4.2.2). */
#include "raft/raft_int.h"

static uint64_t heard_of(const struct raft_peer *p)
{
    return p->refused ? 0 : p->heard_us;
}

/* When the office ends unless somebody is heard: an election timeout after a quorum was last heard, ourselves
 * included. */
static uint64_t quorum_deadline(const struct raft *r)
{
    uint64_t at = raft_quorum_value(r, UINT64_MAX, heard_of);
    return at == UINT64_MAX ? at : at + r->config.election_us;
}

/* Could it take over? */
static bool fit(const struct raft *r, const struct raft_peer *p)
{
    return p->voter && !p->refused && !p->known_short &&
           r->now_us < p->heard_us + r->config.election_us / 2 + r->config.heartbeat_us;
}

struct raft_peer *raft_best_peer(struct raft *r)
{
    struct raft_peer *best = NULL;
    for (uint32_t i = 0; i < r->peer_count; i++) {
        struct raft_peer *p = &r->peers[i];
        if (fit(r, p) && (!best || p->match > best->match || (p->match == best->match && p->id < best->id)))
            best = p;
    }
    return best;
}

void raft_transfer_go(struct raft *r, const struct raft_peer *p)
{
    struct raft_message m = raft_message_to(r, RAFT_MSG_TIMEOUT_NOW, p->id);
    raft_post(r, &m);
}

/* 3.10: no new entries, bring the target up to date, tell it to stand at once; all given up after an election
 * timeout. */
void raft_transfer(struct raft *r, uint64_t peer)
{
    if (r->role != RAFT_LEADER)
        return;
    struct raft_peer *p = peer ? raft_peer(r, peer) : raft_best_peer(r);
    if (!p || !fit(r, p)) { /* writes would wait for it in vain */
        raft_say(r, "leadership not handed over: no such voter within reach");
        return;
    }
    r->transferee = p->id;
    r->transfer_us = r->now_us + r->config.election_us;
    if (p->match == r->log.last)
        raft_transfer_go(r, p);
    else
        raft_send(r, p);
}

/* The commit index has moved. */
void raft_committed(struct raft *r)
{
    if (r->notice_us == 0 && r->peer_count > 0)
        r->notice_us = r->now_us + r->config.heartbeat_us / 10;
    const struct raft_config_at *config = raft_log_config(&r->log);
    if (config->index > r->commit || raft_is_voter(r))
        return;
    /* 4.2.2: we led until the configuration without us was committed, not counting ourselves; that was all.
     */
    struct raft_peer *best = raft_best_peer(r);
    for (uint32_t i = 0; i < r->peer_count; i++)
        raft_heartbeat(r, &r->peers[i]);
    if (best)
        raft_transfer_go(r, best);
    raft_say(r, "no longer a voter: stepping down");
    raft_become_follower(r, r->term, 0);
}

/* Those removed hear that it is final, if that can be had; then they are forgotten. */
static void tick_leaving(struct raft *r)
{
    uint64_t config = raft_log_config(&r->log)->index;
    for (uint32_t i = r->peer_count; i > 0; i--) {
        struct raft_peer *p = &r->peers[i - 1];
        if (!p->leaving)
            continue;
        bool told = r->commit >= config && p->told_commit >= config;
        if (told || r->now_us >= p->leaving_until_us)
            raft_drop_peer(r, p);
    }
}

/* A commit that no append has carried along: followers that serve reads wait for it. */
static void tick_notice(struct raft *r)
{
    r->notice_us = 0;
    for (uint32_t i = 0; i < r->peer_count; i++) {
        struct raft_peer *p = &r->peers[i];
        uint64_t can_tell = r->commit < p->match ? r->commit : p->match;
        if (p->told_commit < can_tell)
            raft_heartbeat(r, p);
    }
}

static void tick_heartbeat(struct raft *r)
{
    r->heartbeat_us = r->now_us + r->config.heartbeat_us;
    r->notice_us = 0;
    for (uint32_t i = 0; i < r->peer_count; i++) {
        struct raft_peer *p = &r->peers[i];
        /* A transfer of which we hear nothing more, though the peer lives: its end was lost on the way. */
        if (p->state == RAFT_SNAPSHOT && p->snapshot_sent_us != 0 &&
            r->now_us >= p->snapshot_sent_us + 10 * r->config.election_us)
            raft_reset_progress(r, p);
        if (p->state == RAFT_PROBE && p->probe_out) {
            p->probe_out = false;
            p->silent = true;
        }
        raft_heartbeat(r, p);
        raft_ask_for_loss(r, p);
        raft_send(r, p);
    }
}

void raft_tick_leader(struct raft *r)
{
    if (r->now_us >= quorum_deadline(r)) {
        raft_say(r, "no majority heard for an election timeout: stepping down from term %llu",
                 (unsigned long long)r->term);
        raft_become_follower(r, r->term, 0);
        return;
    }
    if (r->transferee != 0 && r->now_us >= r->transfer_us) {
        raft_say(r, "leadership was not taken over in time: leading on");
        r->transferee = 0;
    }
    tick_leaving(r);
    if (r->now_us >= r->heartbeat_us)
        tick_heartbeat(r);
    else if (r->notice_us != 0 && r->now_us >= r->notice_us)
        tick_notice(r);
}

uint64_t raft_leader_deadline(const struct raft *r)
{
    uint64_t at = quorum_deadline(r);
    if (r->heartbeat_us < at)
        at = r->heartbeat_us;
    if (r->notice_us != 0 && r->notice_us < at)
        at = r->notice_us;
    if (r->transferee != 0 && r->transfer_us < at)
        at = r->transfer_us;
    return raft_snapshot_wanted(r) ? r->now_us : at;
}
