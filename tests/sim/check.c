/* What must hold at every step. Of each cluster the world keeps one history: who led a term, and the entry and the
 * state at each index, as the first node showed them; every other node has to agree. And no node may say to
 * another what its own disk would not bear out after a crash. */
#include "world_int.h"

#include "base/alloc.h"
#include "base/checksum.h"
#include "node/node_int.h"

#include <assert.h>
#include <string.h>

enum { CAUGHT_UP = 1000 /* entries that a learner may lack when it becomes a voter */ };

/* A committed one, by its index. */
struct known_entry {
    uint64_t term, state; /* state: digest after it; 0: not yet seen */
    uint32_t sum;
    bool members;
};

/* One that stood in some log, by index and term. */
struct logged_entry {
    uint64_t index, term, before; /* before: the term of the one in front of it; 0: not seen */
    uint64_t stamp_ms;            /* its own, or that of the last one before it that has one; 0: not seen */
    uint32_t sum;
};

/* What a disk held, durably, and has been made to forget. It was acknowledged: it counts for what was committed
 * thanks to it. */
struct ghost {
    struct ghost *next;
    uint64_t id, snapshot_index, first;
    size_t count;
    uint64_t terms[];
};

struct given_vote {
    uint64_t voter, term, to;
};

struct history {
    struct history *next;
    uint64_t cluster;
    struct known_entry *entries; /* by index */
    size_t entry_cap;
    struct logged_entry *logged; /* a hash table, of logged_cap (a power of two) places */
    size_t logged_count, logged_cap;
    /* The newest entry that a leader called committed, its term, and the term of that leader. */
    uint64_t proven, proven_term, proven_in;
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
        mem_free(h->logged);
        mem_free(h->leaders);
        mem_free(h->votes);
        mem_free(h);
    }
    for (struct ghost *g; (g = w->ghosts);) {
        w->ghosts = g->next;
        mem_free(g);
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

/* What a leader calls committed stands on the disks of a majority: of the voters of now, or of those at the beginning
 * of this pass, in which a change of members may have followed the commit. */
static bool holds(const struct world *w, uint64_t id, uint64_t index, uint64_t term)
{
    for (uint32_t k = 0; k < w->count; k++) {
        const struct frame_at *f = disk_frame(&w->nodes[k], index);
        if (w->nodes[k].id == id && (f ? f->term == term : w->nodes[k].disk.durable.snapshot_index >= index))
            return true;
    }
    for (const struct ghost *g = w->ghosts; g; g = g->next) {
        if (g->id != id)
            continue;
        if (index <= g->snapshot_index ||
            (index >= g->first && index - g->first < g->count && g->terms[index - g->first] == term))
            return true;
    }
    return false;
}

/* So far the disk bears out what is said: what a cut under way is about to take away does not count any more (B8). */
static uint64_t lasting_end(struct proc *p)
{
    const struct disk *d = &p->disk;
    uint64_t end = disk_end(p);
    if (d->stable.cut_pending && end >= d->stable.cut_from)
        end = d->stable.cut_from - 1;
    list_for_each(it, &p->disk.ops[QUEUE_WRITER])
    {
        const struct disk_op *op = list_entry(it, struct disk_op, link);
        if (op->type == OP_CUT && !op->dead && end >= op->from)
            end = op->from - 1;
    }
    return end > d->durable.snapshot_index ? end : d->durable.snapshot_index; /* which no cut takes away */
}

static uint32_t voters_now(const struct raft *r, uint64_t *ids)
{
    const struct raft_members *members = raft_members(r);
    uint32_t count = 0;
    for (uint32_t i = 0; i < members->count; i++)
        if (members->at[i].voter)
            ids[count++] = members->at[i].id;
    return count;
}

static bool majority_holds(const struct world *w, const uint64_t *ids, uint32_t count, uint64_t index,
                           uint64_t term)
{
    uint32_t hold = 0;
    for (uint32_t i = 0; i < count; i++)
        hold += holds(w, ids[i], index, term);
    return hold * 2 > count;
}

/* Nobody hears of a commit, neither peer nor client, before a quorum is durable. */
static void check_proven(struct proc *p, struct history *h, uint64_t index)
{
    const struct raft *r = p->node->raft;
    uint64_t term, voters[RAFT_MEMBERS_MAX];
    if (index <= h->proven)
        return;
    uint64_t led = raft_role(r) == RAFT_LEADER ? raft_term(r) : p->seen.lead_term;
    if (!led)
        led = p->seen.led; /* it may have committed and lost its office in one pass */
    if (!led) {
        world_wrong(p->world, "n%u takes %llu for committed, which no leader has committed", p->number,
                    (unsigned long long)index);
        return;
    }
    if ((term = raft_term_at(r, index)) == 0)
        return;
    uint32_t count = voters_now(r, voters);
    if (!majority_holds(p->world, voters, count, index, term) &&
        !majority_holds(p->world, p->seen.voters, p->seen.voter_count, index, term))
        world_wrong(p->world, "n%u commits %llu of term %llu, which no majority of %u voters holds durably",
                    p->number, (unsigned long long)index, (unsigned long long)term, count);
    h->proven = index;
    h->proven_term = term;
    h->proven_in = led;
}

/* A voter says so as it votes, a candidate before its term begins. */
static bool said_aloud(const struct proc *p)
{
    uint64_t term = raft_term(p->node->raft);
    bool said = p->aloud_term + 1 == term;
    for (uint32_t i = 0; i < p->world->count; i++)
        said = said || p->world->nodes[i].aloud_term == term;
    return said;
}

/* Beyond what Raft can survive: what this leader lacks is lost for good, others take its place. */
static void take_for_lost(struct proc *p, struct history *h)
{
    const struct raft *r = p->node->raft;
    uint64_t end = raft_last_index(r) < h->proven ? raft_last_index(r) : h->proven;
    uint64_t from = raft_first_index(r);
    while (from <= end && (!h->entries[from].term || h->entries[from].term == raft_term_at(r, from)))
        from++;
    for (uint64_t i = from; i < h->entry_cap; i++)
        h->entries[i] = (struct known_entry){0};
    h->proven = from - 1;
    h->proven_term = raft_term_at(r, from - 1);
    check_members_forget(p->world, h->cluster, from);
    p->world->losses++;
}

/* Figure 3.2, Leader Completeness: it has what leaders of earlier terms have committed. */
static void check_complete(struct proc *p, struct history *h)
{
    const struct raft *r = p->node->raft;
    if (h->proven == 0 || raft_term(r) <= h->proven_in)
        return;
    uint64_t term = raft_term_at(r, h->proven);
    bool has =
        term ? term == h->proven_term : raft_first_index(r) > h->proven && raft_last_index(r) >= h->proven;
    if (!has && p->world->beyond && said_aloud(p))
        take_for_lost(p, h);
    else if (!has)
        world_wrong(p->world, "n%u leads term %llu without entry %llu of term %llu, committed in term %llu",
                    p->number, (unsigned long long)raft_term(r), (unsigned long long)h->proven,
                    (unsigned long long)h->proven_term, (unsigned long long)h->proven_in);
}

/* Whoever is followed has been elected, in this very term. */
static void check_followed(struct proc *p, const struct history *h)
{
    uint64_t term = raft_term(p->node->raft), leader = raft_leader(p->node->raft);
    if (leader && (term >= h->term_cap || h->leaders[term] != leader))
        world_wrong(p->world, "n%u follows node %llx, which does not lead term %llu", p->number,
                    (unsigned long long)leader, (unsigned long long)term);
}

/* Figure 3.2, Election Safety. */
static void check_elected(struct proc *p, struct history *h, uint64_t term)
{
    h->leaders = at_least(h->leaders, &h->term_cap, term + 1, sizeof(*h->leaders));
    if (h->leaders[term] && h->leaders[term] != p->id)
        world_wrong(p->world, "term %llu has two leaders, the second is n%u", (unsigned long long)term,
                    p->number);
    h->leaders[term] = p->id;
}

/* Figure 3.2: Leader Append-Only, and Leader Completeness at its election. */
static void check_leader(struct proc *p, struct history *h)
{
    const struct raft *r = p->node->raft;
    uint64_t term = raft_term(r), last = raft_last_index(r);
    if (term < p->seen.term)
        world_wrong(p->world, "n%u: term %llu after %llu", p->number, (unsigned long long)term,
                    (unsigned long long)p->seen.term);
    p->seen.term = term;
    p->seen.led = p->seen.lead_term;
    if (raft_role(r) != RAFT_LEADER) {
        p->seen.lead_term = 0;
        check_followed(p, h);
        return;
    }
    check_elected(p, h, term);
    if (p->seen.lead_term != term)
        check_complete(p, h);
    else if (last < p->seen.lead_last)
        world_wrong(p->world, "n%u leads term %llu and shortens its log from %llu to %llu", p->number,
                    (unsigned long long)term, (unsigned long long)p->seen.lead_last,
                    (unsigned long long)last);
    p->seen.lead_term = term;
    p->seen.lead_last = last;
}

static uint32_t frame_sum(const void *frame)
{
    return load_u32((const char *)frame + 4); /* the checksum it carries */
}

static bool entry_at(struct proc *p, uint64_t index, struct frame_at *out)
{
    struct raft_block b;
    const struct frame_at *on_disk = disk_frame(p, index);
    if (cache_from(&p->node->cache, index, index, &b)) {
        struct raft_frame f;
        bool whole = raft_entry_read(slice_of(b.blob->data + b.offset, b.len), false, &f);
        assert(whole && f.index == index);
        *out = (struct frame_at){
            .index = index, .term = f.term, .kind = f.kind, .sum = frame_sum(b.blob->data + b.offset)};
        return true;
    }
    if (on_disk)
        *out = *on_disk;
    return on_disk != NULL;
}

/* 3.6.2: a leader counts for entries of its own term only; those before them are committed with them (figure 3.7). */
static void check_own_term(struct proc *p)
{
    const struct raft *r = p->node->raft;
    uint64_t commit = raft_commit(r), term = raft_term(r);
    if (raft_role(r) == RAFT_LEADER && p->seen.led == term && commit > p->seen.commit &&
        raft_term_at(r, commit) != term)
        world_wrong(p->world, "n%u leads term %llu and commits %llu of term %llu by counting", p->number,
                    (unsigned long long)term, (unsigned long long)commit,
                    (unsigned long long)raft_term_at(r, commit));
}

/* 4.2.1: a server that counts for quorums has caught up, or nothing would be committed until it has. */
static void check_promoted(struct proc *p, const struct proc *q)
{
    const struct raft *r = p->node->raft;
    const struct raft_member *m = raft_members_find(raft_members(r), q->id);
    if (!m || !m->voter || !p->seen.voter_count || q->disk.damaged)
        return;
    for (uint32_t i = 0; i < p->seen.voter_count; i++)
        if (p->seen.voters[i] == q->id)
            return;
    if (disk_end(q) == 0 || disk_end(q) + 2 * CAUGHT_UP < raft_last_index(r))
        world_wrong(p->world, "n%u makes n%u a voter, whose disk holds up to %llu of %llu", p->number,
                    q->number, (unsigned long long)disk_end(q), (unsigned long long)raft_last_index(r));
}

/* 4.1, with its amendment: one change of members at a time, and none before an entry of the own term is committed. */
static void check_change(struct proc *p)
{
    const struct raft *r = p->node->raft;
    uint64_t at = raft_members_index(r), term = raft_term(r), commit = raft_commit(r);
    if (raft_role(r) != RAFT_LEADER || p->seen.led != term || at == p->seen.members)
        return;
    if (p->seen.members > commit || raft_term_at(r, commit) != term)
        world_wrong(p->world,
                    "n%u changes the members at %llu: the change at %llu or its own term is not committed",
                    p->number, (unsigned long long)at, (unsigned long long)p->seen.members);
    for (uint32_t i = 0; i < p->world->count; i++)
        check_promoted(p, &p->world->nodes[i]);
}

/* State Machine Safety: one entry at an index, for ever. */
static void check_committed(struct proc *p, struct history *h)
{
    const struct raft *r = p->node->raft;
    uint64_t commit = raft_commit(r);
    if (commit < p->seen.commit)
        world_wrong(p->world, "n%u: commit %llu after %llu", p->number, (unsigned long long)commit,
                    (unsigned long long)p->seen.commit);
    check_own_term(p);
    check_change(p);
    check_proven(p, h, commit);
    h->entries = at_least(h->entries, &h->entry_cap, commit + 1, sizeof(*h->entries));
    for (uint64_t i = p->seen.commit + 1; i <= commit; i++) {
        struct frame_at f = {0};
        struct known_entry *e = &h->entries[i];
        if (!entry_at(p, i, &f))
            continue; /* a snapshot covers it */
        if (e->term && (e->term != f.term || e->sum != f.sum))
            world_wrong(p->world, "n%u: entry %llu is of term %llu, committed was another of term %llu",
                        p->number, (unsigned long long)i, (unsigned long long)f.term,
                        (unsigned long long)e->term);
        if (!e->term && f.kind == RAFT_ENTRY_CONFIG)
            p->world->counts.members++;
        if (i == raft_members_index(r) && f.kind != RAFT_ENTRY_CONFIG)
            world_wrong(p->world, "n%u goes by the members of %llu, where no members stand", p->number,
                        (unsigned long long)i);
        e->term = f.term;
        e->sum = f.sum;
        e->members = f.kind == RAFT_ENTRY_CONFIG;
    }
    p->seen.commit = commit;
    if (raft_members_index(r) != p->seen.members)
        p->seen.voter_count = voters_now(r, p->seen.voters);
    p->seen.members = raft_members_index(r);
}

uint64_t check_newest_members(struct proc *p, uint64_t at_most)
{
    const struct history *h = history_of(p->world, p->seen.cluster);
    while (at_most > 0 && (at_most >= h->entry_cap || !h->entries[at_most].members))
        at_most--;
    return at_most;
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
    if (p->tampered)
        return;
    if (e->state && e->state != digest)
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
    if (raft_persisted(n->raft) > lasting_end(p) && !n->installing)
        world_wrong(p->world, "n%u: counts on %llu, its disk holds up to %llu", p->number,
                    (unsigned long long)raft_persisted(n->raft), (unsigned long long)lasting_end(p));
    if (p->seen.ack_term == raft_term(n->raft) && p->seen.acked > lasting_end(p))
        world_wrong(p->world, "n%u has acked %llu in this term, its disk holds up to %llu now", p->number,
                    (unsigned long long)p->seen.acked, (unsigned long long)lasting_end(p));
    if (p->world->put_back)
        return;
    check_leader(p, h);
    check_committed(p, h);
    if (!n->installing) {
        check_members(p);
        check_state(p, h);
    }
}

/* ---- what a node writes ------------------------------------------------------------------------------- */

void check_forgets(struct proc *p, size_t entries)
{
    uint64_t end = disk_end(p), first = end + 1;
    while (first > 1 && end + 1 - first < entries && disk_frame(p, first - 1))
        first--;
    size_t count = (size_t)(end + 1 - first);
    struct ghost *g = mem_alloc(sizeof(*g) + count * sizeof(g->terms[0]));
    *g = (struct ghost){.next = p->world->ghosts, .id = p->id, .first = first, .count = count};
    if (entries == SIZE_MAX)
        g->snapshot_index = p->disk.durable.snapshot_index;
    for (size_t i = 0; i < count; i++)
        g->terms[i] = disk_frame(p, first + i)->term;
    p->world->ghosts = g;
}

/* Figure 3.1: within a term a vote stays, through whatever happens in it. */
void check_identity(struct proc *p, const struct node_identity *next)
{
    const struct node_identity *now = &p->disk.durable.identity;
    if (next->node_id != now->node_id || next->cluster_id != now->cluster_id || !now->cluster_id)
        return;
    if (next->term < now->term ||
        (next->term == now->term && now->voted_for && next->voted_for != now->voted_for))
        world_wrong(p->world, "n%u writes term %llu, vote %llx over term %llu, vote %llx", p->number,
                    (unsigned long long)next->term, (unsigned long long)next->voted_for,
                    (unsigned long long)now->term, (unsigned long long)now->voted_for);
}

/* Before the node hears of what is durable, the mark knows of it: else its loss could go unnoticed. */
void check_mark(struct proc *p)
{
    const struct disk *d = &p->disk;
    struct vote_mark mark;
    if (!vote_mark_decode(d->platter.vote + VOTE_MARK_OFFSET, &mark) ||
        journal_ends_before(mark.term, mark.index, d->promised_term, d->promised_index))
        world_wrong(p->world, "n%u holds %llu of term %llu durably, which its mark does not know", p->number,
                    (unsigned long long)d->promised_index, (unsigned long long)d->promised_term);
}

/* Figure 3.2, Leader Append-Only. */
void check_cut(struct proc *p, uint64_t from)
{
    const struct raft *r = p->node->raft;
    if (r && raft_role(r) == RAFT_LEADER)
        world_wrong(p->world, "n%u leads term %llu and cuts its log from %llu", p->number,
                    (unsigned long long)raft_term(r), (unsigned long long)from);
}

static struct logged_entry *logged_at(struct history *h, uint64_t index, uint64_t term)
{
    size_t mask = h->logged_cap - 1;
    size_t i = (index * 0x9e3779b97f4a7c15ull ^ term * 0xc2b2ae3d27d4eb4full) >> 20 & mask;
    while (h->logged[i].index && (h->logged[i].index != index || h->logged[i].term != term))
        i = (i + 1) & mask;
    return &h->logged[i];
}

static void logged_grow(struct history *h)
{
    struct logged_entry *old = h->logged;
    size_t cap = h->logged_cap;
    h->logged_cap = cap ? cap * 2 : 1024;
    h->logged = mem_calloc(h->logged_cap, sizeof(*h->logged));
    for (size_t i = 0; i < cap; i++)
        if (old[i].index)
            *logged_at(h, old[i].index, old[i].term) = old[i];
    mem_free(old);
}

/* The time in the log never goes back: a new leader goes on from the stamps of the one before it (DESIGN 4). */
static void check_stamp(struct proc *p, struct history *h, const struct raft_frame *f, struct logged_entry *e)
{
    const struct logged_entry *before = e->before ? logged_at(h, e->index - 1, e->before) : NULL;
    uint64_t at_least_ms = before && before->index ? before->stamp_ms : 0;
    if (f->kind != RAFT_ENTRY_DATA || !rsm_peek_stamp(f->payload, &e->stamp_ms))
        e->stamp_ms = at_least_ms;
    else
        check_stamp_lags(p, e->stamp_ms);
    if (e->stamp_ms < at_least_ms)
        world_wrong(p->world,
                    "n%u writes %llu of term %llu with a stamp of %llu ms before the one in front of it",
                    p->number, (unsigned long long)e->index, (unsigned long long)e->term,
                    (unsigned long long)(at_least_ms - e->stamp_ms));
}

/* Figure 3.2, Log Matching, by induction: who has the same index and term has the same entry, and the same term in
 * front of it. */
static void check_logged(struct proc *p, struct history *h, const struct logged_entry *e)
{
    if (h->logged_count * 2 >= h->logged_cap)
        logged_grow(h);
    struct logged_entry *known = logged_at(h, e->index, e->term);
    if (!known->index) {
        *known = *e;
        h->logged_count++;
        return;
    }
    if (known->sum != e->sum || (known->before && e->before && known->before != e->before))
        world_wrong(p->world,
                    "n%u writes %llu of term %llu behind term %llu, another one stood behind term %llu",
                    p->number, (unsigned long long)e->index, (unsigned long long)e->term,
                    (unsigned long long)e->before, (unsigned long long)known->before);
}

void check_append(struct proc *p, const struct raft_block *block)
{
    const struct node *n = p->node;
    if (!n || !n->raft || !n->identity.cluster_id || p->world->put_back)
        return;
    struct history *h = history_of(p->world, n->identity.cluster_id);
    uint64_t before = raft_term_at(n->raft, block->first - 1);
    for (size_t at = block->offset; at < block->offset + block->len;) {
        struct raft_frame f;
        const char *bytes = block->blob->data + at;
        if (!raft_entry_read(slice_of(bytes, block->offset + block->len - at), true, &f)) {
            world_wrong(p->world, "n%u writes a damaged entry behind term %llu", p->number,
                        (unsigned long long)before);
            return;
        }
        struct logged_entry e = {.index = f.index, .term = f.term, .before = before, .sum = frame_sum(bytes)};
        if (h->logged_cap)
            check_stamp(p, h, &f, &e);
        check_logged(p, h, &e);
        if (f.kind == RAFT_ENTRY_CONFIG)
            check_members_written(p, &f);
        before = f.term;
        at += f.len;
    }
}

/* ---- what a node says --------------------------------------------------------------------------------- */

/* Figure 3.1: a vote a term, and durable before it is given; a candidate gives its own to itself. */
static void check_vote(struct proc *p, uint64_t term, uint64_t to)
{
    const struct node_identity *d = &p->disk.durable.identity;
    struct history *h = history_of(p->world, p->node->identity.cluster_id);
    if (d->term != term || d->voted_for != to)
        world_wrong(p->world, "n%u gives its vote of term %llu, which its disk does not hold", p->number,
                    (unsigned long long)term);
    for (size_t i = 0; i < h->vote_count; i++)
        if (h->votes[i].voter == p->id && h->votes[i].term == term && h->votes[i].to != to)
            world_wrong(p->world, "n%u votes twice in term %llu", p->number, (unsigned long long)term);
    h->votes = at_least(h->votes, &h->vote_cap, h->vote_count + 1, sizeof(*h->votes));
    h->votes[h->vote_count++] = (struct given_vote){p->id, term, to};
}

/* An ack vouches for entries that are on this disk, and are those of the leader it goes to. */
static void check_ack(struct proc *p, const struct raft_message *m)
{
    if (m->index > lasting_end(p)) {
        world_wrong(p->world, "n%u acks %llu, its disk holds up to %llu", p->number,
                    (unsigned long long)m->index, (unsigned long long)lasting_end(p));
        return;
    }
    if (p->seen.ack_term != m->term || p->seen.acked < m->index)
        p->seen.acked = m->index;
    p->seen.ack_term = m->term;
    /* Below its own snapshot other entries may still wait to be cut: a start begins at the snapshot. */
    const struct frame_at *f = m->index > p->disk.durable.snapshot_index ? disk_frame(p, m->index) : NULL;
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
    if (p->world->put_back)
        return;
    if (type == FRAME_FORWARD_REPLY) {
        get_u64(&r);
        if (get_u8(&r) == NODE_DONE)
            check_proven(p, history_of(p->world, p->node->identity.cluster_id), get_u64(&r));
        return;
    }
    if (type != FRAME_RAFT || !wire_read_raft_message(&r, &m))
        return;
    if (p->disk.durable.identity.cluster_id == 0) /* DESIGN 3: that comes before the first vote or entry */
        world_wrong(p->world, "n%u takes part, and its disk does not know in which cluster", p->number);
    bool of_next_term = m.type == RAFT_MSG_PREVOTE || (m.type == RAFT_MSG_PREVOTE_REPLY && !m.reject);
    if (!of_next_term && m.term > p->disk.durable.identity.term)
        world_wrong(p->world, "n%u speaks in term %llu, its disk knows of %llu", p->number,
                    (unsigned long long)m.term, (unsigned long long)p->disk.durable.identity.term);
    if ((m.type == RAFT_MSG_VOTE || m.type == RAFT_MSG_PREVOTE) && p->node->installing)
        world_wrong(p->world, "n%u stands for election while a snapshot takes the place of its state",
                    p->number);
    if (m.type == RAFT_MSG_VOTE_REPLY && !m.reject)
        check_vote(p, m.term, m.to);
    if (m.type == RAFT_MSG_VOTE)
        check_vote(p, m.term, p->id);
    if (m.type == RAFT_MSG_APPEND || m.type == RAFT_MSG_HEARTBEAT) {
        struct history *h = history_of(p->world, p->node->identity.cluster_id);
        check_elected(p, h, m.term); /* the process may end within the pass in which it was elected */
        check_proven(p, h, m.commit);
    }
    if ((m.type == RAFT_MSG_APPEND_REPLY && !m.reject) || (m.type == RAFT_MSG_HEARTBEAT_REPLY && !m.reject))
        check_ack(p, &m);
}

void check_answer(struct proc *p, uint64_t ticket, const struct node_answer *answer)
{
    const struct node *n = p->node;
    if (answer->outcome == NODE_DONE && n->raft && n->identity.cluster_id && !p->world->put_back)
        check_proven(p, history_of(p->world, n->identity.cluster_id), answer->index);
    check_admin(p, ticket, answer);
}

/* ---- what tests ask ----------------------------------------------------------------------------------- */

void world_beyond(struct world *w)
{
    w->beyond = true;
}

uint64_t world_losses(const struct world *w)
{
    return w->losses;
}

uint64_t world_said_lost(const struct world *w)
{
    return w->said_lost;
}

bool world_put_back(const struct world *w)
{
    return w->put_back;
}

uint32_t world_clusters(const struct world *w)
{
    uint32_t n = 0;
    for (const struct history *h = w->histories; h; h = h->next)
        n++;
    return n;
}

uint64_t world_committed(struct world *w, uint32_t i)
{
    const struct node *n = w->nodes[i].node;
    return n && n->identity.cluster_id ? history_of(w, n->identity.cluster_id)->proven : 0;
}
