/* A voter whose vote is whole but whose journal lacks what it had promised (DESIGN 7). It takes entries and
 * acks them, but neither votes nor stands until it durably holds all that a leader held at first contact:
 * that leader's log had every committed entry, so the voter is then as good as one that lost nothing.
 *
 * Where such voters leave no healthy majority there would never be a leader again. Then they vote when every
 * voter was heard and the candidate's log is the most up to date of all: the best that is left, and said so
 * aloud. Who the voters are stands in the log as well: unless it names those whom the candidate knows of, "every
 * voter" is not for us to say, and we wait. */
#include "raft/raft_int.h"

void raft_short_log_end(struct raft *r)
{
    r->short_log = false;
    r->short_log_until = 0;
}

void raft_short_log_contact(struct raft *r, const struct raft_message *m)
{
    if (!r->short_log || r->contact_term == r->term)
        return;
    r->contact_term = r->term;
    uint64_t last = m->hint_index > m->last ? m->hint_index : m->last;
    if (m->commit > last)
        last = m->commit;
    /* A later leader may hold less, but never less than all that is committed. */
    if (r->short_log_until == 0 || last < r->short_log_until)
        r->short_log_until = last;
    raft_say(r, "short log: no vote before entry %llu is durable here",
             (unsigned long long)r->short_log_until);
}

void raft_short_log_check(struct raft *r)
{
    if (!r->short_log || r->role != RAFT_FOLLOWER || r->contact_term != r->term)
        return;
    if (r->matched < r->short_log_until || r->persisted < r->short_log_until)
        return;
    raft_say(r, "the log is whole again up to entry %llu: voting as before",
             (unsigned long long)r->short_log_until);
    raft_short_log_end(r);
}

static bool covers(uint64_t index, uint64_t term, uint64_t other_index, uint64_t other_term)
{
    return term > other_term || (term == other_term && index >= other_index);
}

/* All voters heard lately, and (index, term) covers every one's log? Then nothing that we lost can be missing
 * there while a healthy voter has it; and what was committed after we heard them did not need our ack, so the
 * ordinary overlap of quorums guards it. With a minority of short logs this is therefore safe, else it is the
 * best there is. */
bool raft_rescue(const struct raft *r, uint64_t candidate, uint64_t index, uint64_t term)
{
    if (!covers(index, term, r->log.last, raft_log_last_term(&r->log)))
        return false;
    for (uint32_t i = 0; i < r->peer_count; i++) {
        const struct raft_peer *p = &r->peers[i];
        if (!p->voter)
            continue;
        if (p->known_us == 0 || r->now_us > p->known_us + 2 * r->config.election_us)
            return false;
        if (p->id != candidate && !covers(index, term, p->known_index, p->known_term))
            return false;
    }
    return true;
}

void raft_rescue_say(struct raft *r, const char *what)
{
    uint32_t healthy = 0;
    for (uint32_t i = 0; i < r->peer_count; i++)
        healthy += r->peers[i].voter && !r->peers[i].known_short;
    bool lossy = healthy < raft_quorum(r);
    raft_say(r, "%s with a short log: every voter was heard and none has more%s", what,
             lossy ? "; NO HEALTHY MAJORITY EXISTS, entries acknowledged before may be lost" : "");
}
