/* A voter whose vote is whole but whose journal lacks what it had promised (DESIGN 7). It takes entries and
 * acks them, but neither votes nor stands until it durably holds all that a leader held at first contact:
 * that leader's log had every committed entry, so the voter is then as good as one that lost nothing.
 *
 * Where such voters leave no healthy majority there would never be a leader again. Then they vote when every
 * voter was heard and the candidate's log is the most up to date of all: the best that is left, and said so
 * aloud.
 *
 * Who the voters are stands in the log as well, and what was lost may be a configuration, or all there were. So the
 * candidate names the voters that it knows of; by whom entries can have been committed that it lacks, those it names or
 * those of a configuration that one of them has as well (4.1). Unless we hear all of them too, "every voter" is not for
 * us to say, and we wait. */
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

/* In the place of what it said before, or of whoever was silent for the longest. */
void raft_note_known(struct raft *r, const struct raft_message *m)
{
    struct raft_peer *p = raft_peer(r, m->from);
    struct raft_known *at = &r->known[0];
    for (uint32_t i = 0; i < RAFT_PEERS_MAX && at->id != m->from; i++)
        if (r->known[i].id == m->from || r->known[i].us < at->us)
            at = &r->known[i];
    *at = (struct raft_known){.id = m->from, .index = m->index, .term = m->log_term, .us = r->now_us};
    if (p)
        p->known_short = m->short_log;
}

static const struct raft_known *heard_lately(const struct raft *r, uint64_t id)
{
    for (uint32_t i = 0; i < RAFT_PEERS_MAX; i++)
        if (r->known[i].id == id && r->now_us <= r->known[i].us + 2 * r->config.election_us)
            return &r->known[i];
    return NULL;
}

static bool has_no_more(const struct raft_known *k, uint64_t candidate, uint64_t index, uint64_t term)
{
    return k->id == candidate || covers(index, term, k->index, k->term);
}

/* All voters heard lately, and (index, term) covers every one's log? Then nothing that we lost can be missing
 * there while a healthy voter has it; and what was committed after we heard them did not need our ack, so the
 * ordinary overlap of quorums guards it. With a minority of short logs this is therefore safe, else it is the
 * best there is. */
bool raft_rescue(const struct raft *r, uint64_t candidate, uint64_t index, uint64_t term)
{
    const struct raft_members *members = raft_members(r);
    if (!covers(index, term, r->log.last, raft_log_last_term(&r->log)))
        return false;
    for (uint32_t i = 0; i < members->count; i++) {
        uint64_t id = members->at[i].id;
        const struct raft_known *k = heard_lately(r, id);
        if (members->at[i].voter && id != r->config.id && !(k && has_no_more(k, candidate, index, term)))
            return false;
    }
    return true;
}

/* Some of `ids`, beside those in `so_far`, are the voters of this sum. */
static bool some_are(const uint64_t *ids, size_t count, uint64_t so_far, uint64_t sum)
{
    if (count == 0)
        return so_far == sum;
    return some_are(ids + 1, count - 1, raft_sum(so_far, ids[0]), sum) ||
           some_are(ids + 1, count - 1, so_far, sum);
}

/* The voters of this sum are among those that we know of, all of whom are heard, and others who are heard as they are. Several
 * changes may be among what was lost. */
static bool hears_them(const struct raft *r, const struct raft_message *m, uint64_t sum)
{
    const struct raft_members *members = raft_members(r);
    uint64_t ids[RAFT_MEMBERS_MAX]; /* few enough to try all sets of them */
    size_t count = 0;
    for (uint32_t i = 0; i < members->count; i++)
        if (members->at[i].voter)
            ids[count++] = members->at[i].id;
    for (uint32_t i = 0; i < RAFT_PEERS_MAX && count < RAFT_MEMBERS_MAX; i++) {
        const struct raft_known *k = &r->known[i];
        const struct raft_member *own = raft_members_find(members, k->id);
        if (k->id && !(own && own->voter) && heard_lately(r, k->id) &&
            has_no_more(k, m->from, m->index, m->log_term))
            ids[count++] = k->id;
    }
    return some_are(ids, count, 0, sum);
}

/* Both hold one and the same change: then the voters of before cannot have gone on without it, in a majority there is
 * always one that has it. */
static bool same_change(const struct raft *r, const struct raft_message *m)
{
    const struct raft_members *before = raft_members_before(r);
    return before && m->hint_index == raft_voters_sum(raft_members(r)) &&
           m->hint_term == raft_voters_sum(before);
}

/* A candidate whose newest configuration may be cut again names the one before as well: either may be the one that
 * counts. */
bool raft_rescue_by(const struct raft *r, const struct raft_message *m)
{
    if (m->hint_index == 0 || raft_members(r)->count == 0 || !raft_rescue(r, m->from, m->index, m->log_term))
        return false;
    return same_change(r, m) ||
           (hears_them(r, m, m->hint_index) && (m->hint_term == 0 || hears_them(r, m, m->hint_term)));
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
