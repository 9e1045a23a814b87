/* What must hold after every step, whatever happened (dissertation, figure 3.2, and DESIGN 2 and 3). */
#include <assert.h>
#include <string.h>

#include "base/alloc.h"
#include "net.h"

#define LLU(x) ((unsigned long long)(x))

static struct identity *slot_of(struct identity *table, size_t cap, uint64_t index, uint64_t term)
{
    uint64_t h = (index * 0x9E3779B97F4A7C15ULL) ^ (term * 0xC2B2AE3D27D4EB4FULL);
    size_t at = (size_t)((h ^ (h >> 29)) & (cap - 1));
    while (table[at].index != 0 && (table[at].index != index || table[at].term != term))
        at = (at + 1) & (cap - 1);
    return &table[at];
}

static void grow_identities(struct net *c)
{
    size_t cap = c->identity_cap ? c->identity_cap * 2 : 4096;
    struct identity *table = mem_calloc(cap, sizeof *table);
    for (size_t i = 0; i < c->identity_cap; i++)
        if (c->identities[i].index != 0)
            *slot_of(table, cap, c->identities[i].index, c->identities[i].term) = c->identities[i];
    mem_free(c->identities);
    c->identities = table;
    c->identity_cap = cap;
}

/* Log matching: entry (index, term) has one value and one predecessor in every log it is ever in; the rest
 * follows by induction. */
void net_check_appended(struct net *c, int i, uint64_t index)
{
    const struct entry *e = net_entries_at(&c->node[i].memory, index);
    if (2 * c->identity_count >= c->identity_cap)
        grow_identities(c);
    struct identity *known = slot_of(c->identities, c->identity_cap, index, e->term);
    if (known->index == 0) {
        *known = (struct identity){index, e->term, e->value, e->prev_term};
        c->identity_count++;
    } else if (known->value != e->value || known->prev_term != e->prev_term) {
        net_fail(c, "log matching: entry (%llu, %llu) on node %d differs", LLU(index), LLU(e->term), i + 1);
    }
}

bool net_holds_durably(const struct node *n, uint64_t index, uint64_t term)
{
    if (index <= n->snapshot.index)
        return true;
    if (n->damaged)
        return true; /* it had it, and votes for nobody until it has it again */
    return net_entries_term(&n->journal, index) == term;
}

/* Term and vote only move forward, whatever else is in the file (B12, B13, B41). */
void net_check_vote_saved(struct net *c, int i, const struct vote_file *new)
{
    const struct vote_file *old = &c->node[i].vote;
    if (new->term < old->term)
        net_fail(c, "node %d: its term fell from %llu to %llu", i + 1, LLU(old->term), LLU(new->term));
    if (new->term == old->term && old->vote != 0 && new->vote != old->vote)
        net_fail(c, "node %d changed its vote of term %llu", i + 1, LLU(new->term));
}

static struct commit_record *record_at(struct net *c, uint64_t index)
{
    if (index >= c->committed_cap) {
        size_t cap = c->committed_cap ? c->committed_cap : 1024;
        while (cap <= index)
            cap *= 2;
        c->committed = mem_realloc(c->committed, cap * sizeof *c->committed);
        memset(c->committed + c->committed_cap, 0, (cap - c->committed_cap) * sizeof *c->committed);
        c->committed_cap = cap;
    }
    return &c->committed[index];
}

static void first_commit(struct net *c, int i, uint64_t index, struct commit_record *record)
{
    struct node *n = &c->node[i];
    const struct entry *e = net_entries_at(&n->memory, index);
    if (raft_role(n->raft) != RAFT_LEADER && raft_leader(n->raft) != 0)
        net_fail(c, "node %d, no leader, is the first to commit %llu", i + 1, LLU(index));
    uint64_t before = index > 1 ? c->committed[index - 1].chain : 0;
    *record = (struct commit_record){true, e->term, e->value, raft_term(n->raft),
                                     (before ^ e->value) * 0x9E3779B97F4A7C15ULL + e->term};
    if (index > c->committed_last)
        c->committed_last = index;
    /* Durable on a quorum of the newest configuration before anybody can call it committed. */
    const struct raft_members *m = raft_members(n->raft);
    uint32_t voters = 0, holders = 0;
    for (uint32_t k = 0; k < m->count; k++) {
        voters += m->at[k].voter;
        holders += m->at[k].voter && net_holds_durably(&c->node[m->at[k].id - 1], index, e->term);
    }
    if (holders <= voters / 2 && !c->expect_rollback)
        net_fail(c, "node %d committed %llu while %u of %u voters hold it durably", i + 1, LLU(index),
                 holders, voters);
}

/* State machine safety: whoever commits index i commits the same. */
void net_check_committed(struct net *c, int i, uint64_t index)
{
    struct node *n = &c->node[i];
    const struct entry *e = net_entries_at(&n->memory, index);
    struct commit_record *record = record_at(c, index);
    if (!record->known)
        first_commit(c, i, index, record);
    if (record->term != e->term || record->value != e->value)
        net_fail(c, "state machine safety: node %d applies (%llu, term %llu), others applied term %llu",
                 i + 1, LLU(index), LLU(e->term), LLU(record->term));
    n->chain = record->chain;
}

void net_check_became_leader(struct net *c, int i)
{
    struct node *n = &c->node[i];
    uint64_t term = raft_term(n->raft);
    assert(term < 65536);
    if (c->leader_of_term[term] != 0 && c->leader_of_term[term] != n->id)
        net_fail(c, "election safety: %d and %llu both lead term %llu", i + 1, LLU(c->leader_of_term[term]),
                 LLU(term));
    c->leader_of_term[term] = n->id;
    if (!raft_is_voter(n->raft) && raft_members_index(n->raft) <= raft_commit(n->raft))
        net_fail(c, "node %d leads though it is surely no voter", i + 1);
    if (n->vote.term != term || n->vote.vote != n->id)
        net_fail(c, "node %d leads term %llu without its own vote on disk", i + 1, LLU(term));
    /* Leader completeness. */
    for (uint64_t k = raft_first_index(n->raft); k <= c->committed_last; k++) {
        const struct commit_record *record = &c->committed[k];
        if (record->known && record->by_term < term && raft_term_at(n->raft, k) != record->term) {
            net_fail(c, "leader completeness: node %d leads term %llu without committed entry %llu", i + 1,
                     LLU(term), LLU(k));
            return;
        }
    }
}

static void check_message(struct net *c, int i, const struct raft_message *m)
{
    struct node *n = &c->node[i];
    bool future = m->type == RAFT_MSG_PREVOTE || (m->type == RAFT_MSG_PREVOTE_REPLY && !m->reject);
    if (!future && m->term > n->vote.term)
        net_fail(c, "node %d speaks of term %llu, its disk of %llu", i + 1, LLU(m->term), LLU(n->vote.term));
    if (m->type == RAFT_MSG_VOTE_REPLY && !m->reject) {
        assert(m->term < 65536);
        uint64_t *to = &c->votes[i][m->term].to;
        if (*to != 0 && *to != m->to)
            net_fail(c, "node %d votes twice in term %llu", i + 1, LLU(m->term));
        *to = m->to;
        if (n->vote.term != m->term || n->vote.vote != m->to)
            net_fail(c, "node %d votes before its vote is durable", i + 1);
    }
    if (m->type == RAFT_MSG_VOTE && (n->vote.term != m->term || n->vote.vote != n->id))
        net_fail(c, "node %d asks for votes before its own is durable", i + 1);
    if ((m->type == RAFT_MSG_APPEND_REPLY || m->type == RAFT_MSG_HEARTBEAT_REPLY) && !m->reject &&
        m->index > 0) {
        uint64_t term = raft_term_at(n->raft, m->index);
        if (term != 0 && !n->damaged && !net_holds_durably(n, m->index, term))
            net_fail(c, "node %d acks %llu before it is durable", i + 1, LLU(m->index));
        struct node *leader = &c->node[m->to - 1];
        if (leader->raft && raft_role(leader->raft) == RAFT_LEADER && raft_term(leader->raft) == m->term &&
            term != 0) {
            uint64_t theirs = raft_term_at(leader->raft, m->index);
            if (theirs != term && m->index >= raft_first_index(leader->raft))
                net_fail(c, "node %d acks %llu of term %llu, its leader has term %llu there", i + 1,
                         LLU(m->index), LLU(term), LLU(theirs));
        }
    }
    if (m->type == RAFT_MSG_HEARTBEAT && m->commit > raft_commit(n->raft))
        net_fail(c, "heartbeat beyond the commit index");
}

static void check_reads(struct net *c, int i, const struct raft_duties *d)
{
    struct node *n = &c->node[i];
    if (d->read_seq != 0)
        c->reads[c->read_count - 1].seq = d->read_seq;
    for (size_t k = 0; k < d->read_count; k++) {
        if (d->reads[k].index > raft_commit(n->raft))
            net_fail(c, "read confirmed at %llu, not committed yet", LLU(d->reads[k].index));
        for (size_t j = c->read_count; j > 0; j--) {
            struct read *read = &c->reads[j - 1];
            if (read->node != i || read->incarnation != n->incarnation || read->seq != d->reads[k].seq)
                continue;
            read->done = true;
            read->index = d->reads[k].index;
            if (read->index < read->floor)
                net_fail(c, "stale read: node %d reads at %llu, %llu was committed before it came in", i + 1,
                         LLU(read->index), LLU(read->floor));
            break;
        }
    }
    if (d->reads_lost)
        for (size_t j = 0; j < c->read_count; j++)
            if (c->reads[j].node == i && c->reads[j].incarnation == n->incarnation && !c->reads[j].done)
                c->reads[j].lost = true;
}

void net_check_step(struct net *c, int i, const struct raft_duties *d)
{
    struct node *n = &c->node[i];
    if (raft_commit(n->raft) < n->commit_seen)
        net_fail(c, "node %d: commit fell from %llu", i + 1, LLU(n->commit_seen));
    if (d->cut && d->cut_from <= n->commit_seen)
        net_fail(c, "node %d cuts committed entry %llu", i + 1, LLU(d->cut_from));
    uint64_t persisted = raft_persisted(n->raft), term = raft_term_at(n->raft, persisted);
    if (persisted >= raft_first_index(n->raft) && !net_holds_durably(n, persisted, term))
        net_fail(c, "node %d thinks %llu durable, it is not", i + 1, LLU(persisted));
    for (size_t k = 0; k < d->message_count; k++)
        check_message(c, i, &d->messages[k]);
    check_reads(c, i, d);
}

void net_check_free(struct net *c)
{
    mem_free(c->committed);
    mem_free(c->identities);
}
