/* Where the time of a write goes, on the leader. A write waits for the end of the turn (queue); then its block is written
 * here and, at the same time, sent to the others (journal, replication); once a majority has it, it is run (apply); and its
 * reply goes out at the end of that turn (reply). So a write takes queue + replication + apply + reply, and where
 * replication is long the longer one of `journal` and the quickest peers' acks tells whose fault it is.
 *
 * Times are taken for a block, not for an entry, and counted once for each of its entries: when the turn's block is
 * proposed, when Raft has been told of a disk or of an ack, and when a turn has applied what it could. Blocks under way lie
 * in a ring. One that falls out of it, for somebody does not answer, counts with the time it has waited by then. Nothing the
 * node does depends on any of this. */
#include "node/node_int.h"

uint64_t node_clock_us(const struct node *n)
{
    return n->ports.now_us ? n->ports.now_us(n->ports.arg) : n->now_us;
}

uint64_t node_spent_us(const struct node *n, uint64_t begun_us)
{
    uint64_t now_us = node_clock_us(n);
    return now_us > begun_us ? now_us - begun_us : 1;
}

static struct timed_block *block_at(struct phases *p, uint64_t number)
{
    return &p->ring[number % TIMED_BLOCKS];
}

static uint64_t since_ns(uint64_t now_us, uint64_t then_us)
{
    return now_us > then_us ? (now_us - then_us) * 1000 : 0;
}

/* Somebody (`reached`: how many blocks he has) has everything up to `index`. h NULL: how long it took is not counted. */
static void reach(struct node *n, uint64_t *reached, uint64_t index, struct histogram *h)
{
    struct phases *p = &n->phases;
    for (; *reached < p->proposed && block_at(p, *reached)->last <= index; ++*reached) {
        const struct timed_block *b = block_at(p, *reached);
        if (h)
            histogram_add(h, since_ns(n->now_us, b->proposed_us), b->entries);
    }
}

static void reach_commit(struct node *n, uint64_t index)
{
    struct phases *p = &n->phases;
    uint64_t before = p->committed;
    /* A majority of one: its journal is all there is. */
    reach(n, &p->committed, index, n->peer_count ? &p->of[NODE_PHASE_REPLICATION] : NULL);
    for (uint64_t i = before; i < p->committed; i++)
        block_at(p, i)->committed_us = n->now_us;
}

/* How many entries are in the blocks that are applied now. */
static uint64_t reach_apply(struct node *n, uint64_t index, uint64_t now_us)
{
    struct phases *p = &n->phases;
    uint64_t entries = 0;
    for (; p->applied < p->committed && block_at(p, p->applied)->last <= index; p->applied++) {
        const struct timed_block *b = block_at(p, p->applied);
        histogram_add(&p->of[NODE_PHASE_APPLY], since_ns(now_us, b->committed_us), b->entries);
        entries += b->entries;
    }
    return entries;
}

/* The next block takes the place of the oldest one: nobody may still be on his way to that. */
static void make_room(struct node *n)
{
    struct phases *p = &n->phases;
    if (p->proposed < TIMED_BLOCKS)
        return;
    uint64_t oldest = p->proposed - TIMED_BLOCKS, last = block_at(p, oldest)->last;
    if (p->durable == oldest)
        reach(n, &p->durable, last, &p->of[NODE_PHASE_JOURNAL]);
    if (p->committed == oldest)
        reach_commit(n, last);
    if (p->applied == oldest)
        reach_apply(n, last, n->now_us);
    for (size_t i = 0; i < n->peer_count; i++)
        if (n->peers[i].acked == oldest)
            reach(n, &n->peers[i].acked, last, &n->peers[i].acks);
}

void phases_proposed(struct node *n)
{
    struct phases *p = &n->phases;
    uint64_t now_us = node_clock_us(n), entries = n->open_count;
    histogram_add(&p->of[NODE_PHASE_QUEUE], since_ns(now_us, p->taken_us / entries), entries);
    make_room(n);
    *block_at(p, p->proposed++) =
        (struct timed_block){.last = n->open_first + entries - 1, .entries = entries, .proposed_us = now_us};
}

void phases_stepped(struct node *n, struct peer *from)
{
    struct phases *p = &n->phases;
    struct raft_progress progress;
    if (!n->was_leader)
        return;
    reach(n, &p->durable, raft_persisted(n->raft), &p->of[NODE_PHASE_JOURNAL]);
    reach_commit(n, raft_commit(n->raft));
    if (from && from->acked < p->proposed && raft_progress(n->raft, from->id, &progress))
        reach(n, &from->acked, progress.match, &from->acks);
}

void phases_applied(struct node *n)
{
    struct phases *p = &n->phases;
    if (p->applied == p->committed)
        return;
    p->applied_us = node_clock_us(n);
    p->unwritten += reach_apply(n, rsm_applied(n->rsm), p->applied_us);
}

void phases_begin(struct node *n)
{
    struct phases *p = &n->phases;
    p->durable = p->committed = p->applied = p->proposed;
    for (size_t i = 0; i < n->peer_count; i++)
        n->peers[i].acked = p->proposed;
}

void node_written(struct node *n, uint64_t now_us)
{
    struct phases *p = &n->phases;
    if (!p->unwritten)
        return;
    histogram_add(&p->of[NODE_PHASE_REPLY], since_ns(now_us, p->applied_us), p->unwritten);
    p->unwritten = 0;
}

const struct histogram *node_phase(const struct node *n, enum node_phase phase)
{
    return &n->phases.of[phase];
}

const struct histogram *node_peer_acks(struct node *n, uint64_t peer)
{
    const struct peer *p = node_peer(n, peer);
    return p ? &p->acks : NULL;
}

void node_phases_reset(struct node *n)
{
    memset(n->phases.of, 0, sizeof(n->phases.of));
    for (size_t i = 0; i < n->peer_count; i++)
        memset(&n->peers[i].acks, 0, sizeof(n->peers[i].acks));
}
