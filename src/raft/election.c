/* Terms and votes: chapter 3.4 with PreVote (9.6) and sticky followers (4.2.3).
 *
 * Which log stands in a request, and is compared with, when some entries are still on their way to the disk
 * (B18)? On both sides the whole log. A voter that counts unsynced entries only refuses more. A candidate
 * that counts them may win by them, and then really has them: leader completeness (3.6.3) asks what the
 * leader holds, not what it would hold after a crash, and a crash ends its office anyway; it still commits
 * nothing by its own vote before its own disk has it. */
#include <assert.h>

#include "raft/raft_int.h"

void raft_timer_reset(struct raft *r)
{
    uint64_t half = r->config.election_us / 2;
    r->election_us = r->now_us + half + prng_below(&r->prng, r->config.election_us - half + 1);
}

/* Told to stand aside, and nobody has been missed for long enough. */
static bool yields(const struct raft *r)
{
    uint64_t since = r->heard_us > r->aside_us ? r->heard_us : r->aside_us;
    return r->aside && r->now_us < since + 3 * r->config.election_us;
}

/* Alone by a log that has lost what named the others: they are a cluster without us (DESIGN 7). */
static bool forgot_others(const struct raft *r)
{
    return r->short_log && r->had_others && raft_sole_voter(r);
}

bool raft_may_stand(const struct raft *r)
{
    /* No election of our own while a snapshot is being loaded (B43) or our disk does not answer (B21). */
    return raft_has_standing(r) && !r->installing && !r->journal_hung && !yields(r) && !forgot_others(r);
}

/* Heard from a leader within the minimum election timeout: votes are not for us to give (4.2.3). A leader
 * under CheckQuorum always has. */
bool raft_sticky(const struct raft *r)
{
    if (r->role == RAFT_LEADER)
        return true;
    return r->leader != 0 && !r->leader_lost && r->now_us < r->heard_us + r->config.election_us / 2;
}

/* Is the log that ends in (index, term) at least as up to date as ours (3.6.1)? Terms first; the snapshot's
 * term stands in for a log that is compacted whole (B14). */
static bool up_to_date(const struct raft *r, uint64_t index, uint64_t term)
{
    uint64_t own = raft_log_last_term(&r->log);
    return term > own || (term == own && index >= r->log.last);
}

void raft_become_follower(struct raft *r, uint64_t term, uint64_t leader)
{
    assert(term >= r->term);
    bool was_leader = r->role == RAFT_LEADER;
    if (was_leader) {
        raft_lose_reads(r);
        r->transferee = 0;
        r->notice_us = 0;
    }
    bool new_term = term > r->term;
    if (new_term) { /* the one place, with campaign, where a vote is forgotten: only a new term does it (B13)
                     */
        r->term = term;
        r->voted_for = 0;
        r->leader_lost = false;
        r->cut_us = r->failover_us = 0;
    }
    r->role = RAFT_FOLLOWER;
    r->leader = leader;
    if (new_term || was_leader) {
        r->matched = r->commit;
        r->acked = 0;
        r->ack_round = 0;
    }
    if (was_leader) {
        raft_sync_peers(r); /* those leaving are gone now */
        raft_timer_reset(r);
    }
}

static void forget_grants(struct raft *r)
{
    for (uint32_t i = 0; i < r->peer_count; i++)
        r->peers[i].granted = false;
}

static bool granted_by_quorum(const struct raft *r)
{
    uint32_t grants = raft_is_voter(r) ? 1 : 0;
    for (uint32_t i = 0; i < r->peer_count; i++)
        grants += r->peers[i].voter && r->peers[i].granted;
    return grants >= raft_quorum(r);
}

static void ask(struct raft *r, const struct raft_peer *p)
{
    bool pre = r->role == RAFT_PRECANDIDATE;
    struct raft_message m = raft_message_to(r, pre ? RAFT_MSG_PREVOTE : RAFT_MSG_VOTE, p->id);
    m.term = pre ? r->term + 1 : r->term;
    m.index = r->log.last;
    m.log_term = raft_log_last_term(&r->log);
    m.transfer = !pre && r->transfer_vote;
    m.leader_lost = r->lost_vote;
    m.short_log = r->short_log;
    const struct raft_members *before = raft_members_before(r);
    m.hint_index = raft_voters_sum(raft_members(r));
    m.hint_term = before ? raft_voters_sum(before) : 0;
    raft_post(r, &m);
}

static void ask_all(struct raft *r)
{
    for (uint32_t i = 0; i < r->peer_count; i++)
        if (r->peers[i].voter)
            ask(r, &r->peers[i]);
}

void raft_ask_again(struct raft *r, struct raft_peer *p)
{
    if (!p->voter || p->granted)
        return;
    if (r->role == RAFT_PRECANDIDATE || (r->role == RAFT_CANDIDATE && r->asked))
        ask(r, p);
}

/* A new term, our own vote in it, and the request only once that vote is durable: see raft_on_vote_saved. A
 * sole voter goes the same way, term and all (B19). */
static void campaign(struct raft *r, bool transfer)
{
    r->role = RAFT_CANDIDATE;
    r->term++;
    r->voted_for = r->config.id;
    r->leader = 0;
    r->asked = false;
    r->transfer_vote = transfer;
    r->matched = r->commit;
    r->acked = r->ack_round = 0;
    forget_grants(r);
    raft_timer_reset(r);
}

static void prevote_counted(struct raft *r)
{
    if (!granted_by_quorum(r))
        return;
    if (r->short_log && !raft_rescue(r, r->config.id, r->log.last, raft_log_last_term(&r->log)))
        return; /* we only asked to hear how everyone stands (DESIGN 7) */
    if (r->short_log)
        raft_rescue_say(r, "standing");
    campaign(r, false);
}

void raft_start_prevote(struct raft *r, bool leader_lost)
{
    raft_timer_reset(r);
    r->leader =
        0; /* also where there is no standing (a learner, a removed node): nobody is to wait for one that is silent */
    if (!raft_may_stand(r))
        return;
    if (r->short_log && raft_sole_voter(r)) {
        raft_say(
            r,
            "alone with a short log: going on with what is there, entries acknowledged before may be lost");
        raft_short_log_end(r);
    }
    r->role = RAFT_PRECANDIDATE;
    r->lost_vote = leader_lost;
    r->transfer_vote = false;
    forget_grants(r);
    ask_all(r);
    prevote_counted(r);
}

void raft_on_vote_saved(struct raft *r, uint64_t term, uint64_t vote)
{
    if (term < r->saved_term)
        return;
    r->saved_term = term;
    r->saved_vote = vote;
    raft_release_held(r);
    if (r->role != RAFT_CANDIDATE || r->asked || term != r->term || vote != r->config.id)
        return;
    r->asked = true;
    ask_all(r);
    if (granted_by_quorum(r))
        raft_lead(r);
}

static void reply(struct raft *r, const struct raft_message *m, uint64_t term, bool grant)
{
    bool pre = m->type == RAFT_MSG_PREVOTE;
    struct raft_message out = raft_message_to(r, pre ? RAFT_MSG_PREVOTE_REPLY : RAFT_MSG_VOTE_REPLY, m->from);
    out.term = term;
    out.reject = !grant;
    out.index = r->log.last;
    out.log_term = raft_log_last_term(&r->log);
    out.short_log = r->short_log;
    out.hint_index = m->index < r->commit ? m->index : r->commit;
    out.hint_term = raft_log_term(&r->log, out.hint_index);
    raft_post(r, &out);
}

/* A reply names an entry that its sender knows to be committed. If we hold the very same one (3.5: then all before it are
 * the same, too), we know as well. So a node that was removed, and whom no leader tells, learns that it is final. */
static void learn_commit(struct raft *r, const struct raft_message *m)
{
    if (m->hint_index <= r->commit || m->hint_term == 0 || r->installing || r->role == RAFT_LEADER ||
        raft_log_term(&r->log, m->hint_index) != m->hint_term)
        return;
    r->commit = m->hint_index;
    if (r->matched < r->commit)
        r->matched = r->commit; /* whoever leads this term has it (3.6.3) */
    if (!raft_has_standing(r)) {
        r->role = RAFT_FOLLOWER;
        r->failover_us = 0;
    }
}

/* Membership is not asked: a voter may not know yet the configuration that made the candidate one, nor the
 * one that made itself a voter (4.1, 4.2.2). A removed node is kept quiet by stickiness. */
static bool would_vote(struct raft *r, const struct raft_message *m)
{
    if (!up_to_date(r, m->index, m->log_term))
        return false;
    if (!r->short_log)
        return true;
    if (!raft_rescue_by(r, m))
        return false;
    raft_rescue_say(r, "voting");
    return true;
}

/* Fast failover: several lost the leader at the same moment. The one with the longest log, or the lowest id
 * among equals, goes first; the others grant it and wait (DESIGN 3). True: the sender is to yield to us. */
static bool go_first(struct raft *r, const struct raft_message *m)
{
    bool equal = m->index == r->log.last && m->log_term == raft_log_last_term(&r->log);
    if (!raft_may_stand(r) || r->short_log || (equal && m->from < r->config.id))
        return false;
    if (!equal && up_to_date(r, m->index, m->log_term))
        return false;
    struct raft_peer *p = raft_peer(r, m->from);
    if (r->role == RAFT_PRECANDIDATE && p)
        raft_ask_again(r, p); /* it may have refused us before it noticed itself */
    else if (r->role == RAFT_FOLLOWER)
        raft_start_prevote(r, true);
    return true;
}

void raft_on_prevote(struct raft *r, const struct raft_message *m)
{
    raft_note_known(r, m);
    bool contest = m->leader_lost && r->leader_lost && r->role != RAFT_LEADER;
    bool grant = m->term > r->term && !raft_sticky(r);
    if (grant && contest && go_first(r, m))
        grant = false;
    grant = grant && would_vote(r, m);
    if (grant && contest) { /* yield: time enough for it to win */
        if (r->role == RAFT_PRECANDIDATE)
            r->role = RAFT_FOLLOWER;
        r->failover_us = r->now_us + r->config.heartbeat_us;
    }
    reply(r, m, grant ? m->term : r->term, grant);
}

/* Stickiness was judged in raft.c before the term was looked at: a disregarded request does not even raise
 * it. */
void raft_on_vote(struct raft *r, const struct raft_message *m)
{
    raft_note_known(r, m);
    bool free_to = r->voted_for == m->from || (r->voted_for == 0 && r->leader == 0);
    bool grant = free_to && would_vote(r, m);
    if (grant) {
        r->role = RAFT_FOLLOWER; /* a pre-candidate of this term gives way; a candidate has voted already */
        r->voted_for = m->from;
        raft_timer_reset(r); /* only a granted vote does, not every request (B20) */
        r->failover_us = 0;
    }
    reply(r, m, r->term, grant);
}

void raft_on_prevote_reply(struct raft *r, const struct raft_message *m)
{
    raft_note_known(r, m);
    learn_commit(r, m);
    struct raft_peer *p = raft_peer(r, m->from);
    if (r->role != RAFT_PRECANDIDATE || m->reject || m->term != r->term + 1 || !p)
        return;
    p->granted = true;
    prevote_counted(r);
}

void raft_on_vote_reply(struct raft *r, const struct raft_message *m)
{
    raft_note_known(r, m);
    struct raft_peer *p = raft_peer(r, m->from);
    if (r->role != RAFT_CANDIDATE || !r->asked || m->reject || m->term != r->term || !p)
        return;
    p->granted = true;
    if (granted_by_quorum(r))
        raft_lead(r);
}

/* 3.10. The leader saw that we hold all it has; no pre-vote, since it wants to be replaced. */
void raft_on_timeout_now(struct raft *r, const struct raft_message *m)
{
    if (r->role == RAFT_LEADER || !raft_may_stand(r) || r->short_log)
        return;
    (void)m;
    r->lost_vote = false;
    campaign(r, true);
}

/* A request from an older term. The answer tells our term: an old leader steps down by it, and one that
 * stands behind us catches up; without this a node that had raised its term alone would never be led again
 * (B17). */
void raft_refuse_stale(struct raft *r, const struct raft_message *m)
{
    enum raft_message_type type;
    switch (m->type) {
    case RAFT_MSG_PREVOTE:
    case RAFT_MSG_VOTE:
        raft_note_known(r, m);
        reply(r, m, r->term, false);
        return;
    case RAFT_MSG_APPEND:
        type = RAFT_MSG_APPEND_REPLY;
        break;
    case RAFT_MSG_HEARTBEAT:
        type = RAFT_MSG_HEARTBEAT_REPLY;
        break;
    default:
        return;
    }
    struct raft_message out = raft_message_to(r, type, m->from);
    out.reject = true;
    raft_post(r, &out);
}
