/* What must hold at every step. Of each cluster the world keeps one history: who led a term, and the entry and the
 * state at each index, as the first node showed them; every other node has to agree. And no node may say to
 * another what its own disk would not bear out after a crash. */
#include "world_int.h"

#include "base/alloc.h"
#include "base/checksum.h"
#include "node/node_int.h"

#include <assert.h>
#include <string.h>

struct known_entry {
    uint64_t term, state; /* state: digest after it; 0: not yet seen */
    uint32_t sum;
};

struct given_vote {
    uint64_t voter, term, to;
};

struct history {
    struct history *next;
    uint64_t cluster;
    struct known_entry *entries; /* by index */
    size_t entry_cap;
    uint64_t *leaders; /* by term */
    size_t term_cap;
    struct given_vote *votes;
    size_t vote_count, vote_cap;
};

static struct history *history_of(struct world *w, uint64_t cluster)
{
    struct history *h = w->histories;
    while (h && h->cluster != cluster)
        h = h->next;
    if (!h) {
        h = mem_calloc(1, sizeof(*h));
        h->cluster = cluster;
        h->next = w->histories;
        w->histories = h;
    }
    return h;
}

void check_free(struct world *w)
{
    for (struct history *h; (h = w->histories);) {
        w->histories = h->next;
        mem_free(h->entries);
        mem_free(h->leaders);
        mem_free(h->votes);
        mem_free(h);
    }
}

static void *at_least(void *array, size_t *cap, size_t want, size_t size)
{
    if (want <= *cap)
        return array;
    size_t cap_now = *cap;
    *cap = want * 2 > 256 ? want * 2 : 256;
    array = mem_realloc(array, *cap * size);
    memset((char *)array + cap_now * size, 0, (*cap - cap_now) * size);
    return array;
}

/* ---- what a node knows -------------------------------------------------------------------------------- */

/* Figure 3.2, Election Safety. */
static void check_leader(struct proc *p, struct history *h)
{
    const struct raft *r = p->node->raft;
    uint64_t term = raft_term(r);
    if (term < p->seen.term)
        world_wrong(p->world, "n%u: term %llu after %llu", p->number, (unsigned long long)term,
                    (unsigned long long)p->seen.term);
    p->seen.term = term;
    if (raft_role(r) != RAFT_LEADER)
        return;
    h->leaders = at_least(h->leaders, &h->term_cap, term + 1, sizeof(*h->leaders));
    if (h->leaders[term] && h->leaders[term] != p->id)
        world_wrong(p->world, "term %llu has two leaders, the second is n%u", (unsigned long long)term,
                    p->number);
    h->leaders[term] = p->id;
}

static bool entry_at(struct proc *p, uint64_t index, uint64_t *term, uint32_t *sum)
{
    struct raft_block b;
    struct raft_frame f;
    const struct frame_at *on_disk = disk_frame(p, index);
    if (cache_from(&p->node->cache, index, index, &b)) {
        bool whole = raft_entry_read(slice_of(b.blob->data + b.offset, b.len), true, &f);
        assert(whole && f.index == index);
        *term = f.term;
        *sum = crc32c(0, b.blob->data + b.offset, b.len);
        return true;
    }
    if (!on_disk)
        return false;
    *term = on_disk->term;
    *sum = crc32c(0, on_disk->blob->data, on_disk->blob->len);
    return true;
}

/* Leader Completeness at its root: what a leader calls committed stands on the disks of a majority. */
static void check_majority(struct proc *p, uint64_t index, uint64_t term)
{
    const struct raft_members *members = raft_members(p->node->raft);
    struct world *w = p->world;
    uint32_t voters = 0, hold = 0;
    for (uint32_t i = 0; i < members->count; i++) {
        voters += members->at[i].voter;
        for (uint32_t k = 0; members->at[i].voter && k < w->count; k++) {
            const struct frame_at *f = disk_frame(&w->nodes[k], index);
            if (w->nodes[k].id == members->at[i].id)
                hold += f ? f->term == term : w->nodes[k].disk.durable.snapshot_index >= index;
        }
    }
    if (hold * 2 <= voters)
        world_wrong(w, "n%u commits %llu of term %llu, which %u of %u voters hold durably", p->number,
                    (unsigned long long)index, (unsigned long long)term, hold, voters);
}

/* State Machine Safety: one entry at an index, for ever. */
static void check_committed(struct proc *p, struct history *h)
{
    const struct raft *r = p->node->raft;
    uint64_t commit = raft_commit(r);
    if (commit < p->seen.commit)
        world_wrong(p->world, "n%u: commit %llu after %llu", p->number, (unsigned long long)commit,
                    (unsigned long long)p->seen.commit);
    h->entries = at_least(h->entries, &h->entry_cap, commit + 1, sizeof(*h->entries));
    for (uint64_t i = p->seen.checked + 1; i <= commit; i++) {
        uint64_t term;
        uint32_t sum;
        struct known_entry *e = &h->entries[i];
        if (!entry_at(p, i, &term, &sum))
            continue; /* a snapshot covers it */
        if (e->term && (e->term != term || e->sum != sum))
            world_wrong(p->world, "n%u: entry %llu is of term %llu, committed was another of term %llu",
                        p->number, (unsigned long long)i, (unsigned long long)term,
                        (unsigned long long)e->term);
        bool same_voters = raft_members_index(r) == p->seen.members; /* as when it was committed */
        if (i == commit && commit > p->seen.commit && raft_role(r) == RAFT_LEADER && same_voters &&
            !p->world->promises_broken)
            check_majority(p, i, term);
        e->term = term;
        e->sum = sum;
    }
    p->seen.checked = p->seen.commit = commit;
    p->seen.members = raft_members_index(r);
}

static void check_state(struct proc *p, struct history *h)
{
    uint64_t applied = rsm_applied(p->node->rsm);
    if (applied == p->seen.applied || applied == 0)
        return;
    if (applied < p->seen.applied || applied > raft_commit(p->node->raft))
        world_wrong(p->world, "n%u: applied %llu after %llu, commit %llu", p->number,
                    (unsigned long long)applied, (unsigned long long)p->seen.applied,
                    (unsigned long long)raft_commit(p->node->raft));
    p->seen.applied = applied;
    struct known_entry *e = &h->entries[applied];
    uint64_t digest = rsm_digest(p->node->rsm) | 1;
    if (e->state && e->state != digest && !p->world->states_differ)
        world_wrong(p->world, "n%u: another state at %llu than the first node that was there", p->number,
                    (unsigned long long)applied);
    if (!e->state)
        e->state = digest;
}

void check_node(struct proc *p)
{
    const struct node *n = p->node;
    if (!n->running || !n->raft || !n->identity.cluster_id || raft_members(n->raft)->count == 0)
        return;
    if (n->identity.cluster_id != p->seen.cluster) {
        memset(&p->seen, 0, sizeof(p->seen));
        p->seen.cluster = n->identity.cluster_id;
    }
    struct history *h = history_of(p->world, n->identity.cluster_id);
    /* While a snapshot replaces a conflicting log, Raft still speaks of the old one, and acks nothing of it. */
    if (raft_persisted(n->raft) > disk_end(p) && !n->installing)
        world_wrong(p->world, "n%u: counts on %llu, its disk holds up to %llu", p->number,
                    (unsigned long long)raft_persisted(n->raft), (unsigned long long)disk_end(p));
    check_leader(p, h);
    check_committed(p, h);
    if (!n->installing)
        check_state(p, h);
}

/* ---- what a node says --------------------------------------------------------------------------------- */

/* Figure 3.1: a vote a term, and durable before it is given. */
static void check_vote(struct proc *p, const struct raft_message *m)
{
    const struct node_identity *d = &p->disk.durable.identity;
    struct history *h = history_of(p->world, p->node->identity.cluster_id);
    if (d->term != m->term || d->voted_for != m->to)
        world_wrong(p->world, "n%u gives its vote of term %llu, which its disk does not hold", p->number,
                    (unsigned long long)m->term);
    for (size_t i = 0; i < h->vote_count; i++)
        if (h->votes[i].voter == p->id && h->votes[i].term == m->term && h->votes[i].to != m->to)
            world_wrong(p->world, "n%u votes twice in term %llu", p->number, (unsigned long long)m->term);
    h->votes = at_least(h->votes, &h->vote_cap, h->vote_count + 1, sizeof(*h->votes));
    h->votes[h->vote_count++] = (struct given_vote){p->id, m->term, m->to};
}

/* An ack vouches for entries that are on this disk, and are those of the leader it goes to. */
static void check_ack(struct proc *p, const struct raft_message *m)
{
    if (m->index > disk_end(p)) {
        world_wrong(p->world, "n%u acks %llu, its disk holds up to %llu", p->number,
                    (unsigned long long)m->index, (unsigned long long)disk_end(p));
        return;
    }
    const struct frame_at *f = disk_frame(p, m->index);
    for (uint32_t i = 0; f && i < p->world->count; i++) {
        const struct proc *to = &p->world->nodes[i];
        if (to->id != m->to || !to->node || !to->node->raft || raft_role(to->node->raft) != RAFT_LEADER ||
            raft_term(to->node->raft) != m->term)
            continue;
        uint64_t term = raft_term_at(to->node->raft, m->index);
        if (term && term != f->term)
            world_wrong(p->world,
                        "n%u acks %llu, where it holds an entry of term %llu and the leader one of %llu",
                        p->number, (unsigned long long)m->index, (unsigned long long)f->term,
                        (unsigned long long)term);
    }
}

void check_send(struct proc *p, struct slice head)
{
    struct reader r = reader_of(head);
    struct raft_message m;
    uint8_t type = get_u8(&r);
    get_u8(&r);
    get_u64(&r);
    if (type != FRAME_RAFT || !wire_read_raft_message(&r, &m))
        return;
    bool of_next_term = m.type == RAFT_MSG_PREVOTE || (m.type == RAFT_MSG_PREVOTE_REPLY && !m.reject);
    if (!of_next_term && m.term > p->disk.durable.identity.term)
        world_wrong(p->world, "n%u speaks in term %llu, its disk knows of %llu", p->number,
                    (unsigned long long)m.term, (unsigned long long)p->disk.durable.identity.term);
    if (m.type == RAFT_MSG_VOTE_REPLY && !m.reject)
        check_vote(p, &m);
    if ((m.type == RAFT_MSG_APPEND_REPLY && !m.reject) || (m.type == RAFT_MSG_HEARTBEAT_REPLY && !m.reject))
        check_ack(p, &m);
}

/* ---- what tests ask ----------------------------------------------------------------------------------- */

uint32_t world_clusters(const struct world *w)
{
    uint32_t n = 0;
    for (const struct history *h = w->histories; h; h = h->next)
        n++;
    return n;
}

static const struct raft_member *membership(struct world *w, uint32_t i)
{
    const struct raft *newest = NULL;
    for (uint32_t k = 0; k < w->count; k++) {
        const struct node *n = w->nodes[k].node;
        if (n && node_is_serving((struct node *)n) && (!newest || raft_term(n->raft) > raft_term(newest)))
            newest = n->raft;
    }
    static const struct raft_member unknown = {.voter = false};
    if (!newest || raft_members_index(newest) > raft_commit(newest))
        return &unknown;
    return raft_members_find(raft_members(newest), w->nodes[i].id);
}

bool world_is_member(struct world *w, uint32_t i)
{
    return membership(w, i) != NULL;
}

bool world_is_voter(struct world *w, uint32_t i)
{
    const struct raft_member *m = membership(w, i);
    return m && m->voter;
}
