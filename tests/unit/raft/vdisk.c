/* The virtual disk of one node: a journal written in order, a vote file, a snapshot. A crash keeps what was
 * synced, any prefix of the writes under way, and of the write after those a torn part. Recovery checks the
 * chain as the real journal does (DESIGN 7): an entry counts only if it follows the one before it. */
#include <assert.h>
#include <string.h>

#include "base/alloc.h"
#include "net.h"

struct entry *net_entries_at(struct entries *e, uint64_t index)
{
    if (index >= e->cap) {
        size_t cap = e->cap ? e->cap : 256;
        while (cap <= index)
            cap *= 2;
        e->at = mem_realloc(e->at, cap * sizeof *e->at);
        memset(e->at + e->cap, 0, (cap - e->cap) * sizeof *e->at);
        e->cap = cap;
    }
    return &e->at[index];
}

uint64_t net_entries_term(const struct entries *e, uint64_t index)
{
    return index <= e->last && index < e->cap && e->at[index].there ? e->at[index].term : 0;
}

static void cut(struct entries *e, uint64_t from)
{
    for (uint64_t i = from; i <= e->last; i++)
        net_entries_at(e, i)->there = false;
    if (e->last >= from)
        e->last = from - 1;
}

static void apply_write(struct net *c, struct node *n, const struct write *w, uint64_t last)
{
    if (w->cut)
        cut(&n->journal, w->cut_from);
    for (uint64_t i = w->first; i <= last; i++) {
        struct entry *e = net_entries_at(&n->journal, i);
        if (e->there && i > n->snapshot.index && e->term != w->entries[i - w->first].term)
            net_fail(c, "node %d: entry %llu overwritten on disk without a cut", (int)n->id,
                     (unsigned long long)i);
        *e = w->entries[i - w->first];
        if (n->journal.last < i)
            n->journal.last = i;
    }
}

static struct write *write_at(struct node *n, size_t k)
{
    return &n->writes[(n->write_head + k) % (sizeof n->writes / sizeof n->writes[0])];
}

static void pop_write(struct node *n)
{
    mem_free(write_at(n, 0)->entries);
    n->write_head++;
    n->write_count--;
}

/* One sync at a time; what comes while it runs is synced together by the next one. */
static uint64_t group_done_us(struct net *c, struct node *n)
{
    if (c->now_us >= n->disk_free_us)
        n->disk_free_us = n->next_free_us;
    if (c->now_us >= n->disk_free_us)
        return n->disk_free_us = n->next_free_us = c->now_us + net_below(c, n->disk_min_us, n->disk_max_us);
    if (n->next_free_us <= n->disk_free_us)
        n->next_free_us = n->disk_free_us + net_below(c, n->disk_min_us, n->disk_max_us);
    return n->next_free_us;
}

void vdisk_append(struct net *c, int i, const struct raft_duties *d)
{
    struct node *n = &c->node[i];
    if (!d->cut && d->append_last < d->append_first)
        return;
    assert(n->write_count < sizeof n->writes / sizeof n->writes[0]);
    struct write *w = write_at(n, n->write_count++);
    memset(w, 0, sizeof *w);
    w->cut = d->cut;
    w->cut_from = d->cut_from;
    w->first = d->append_first;
    w->last = d->append_last;
    w->ticket = d->append_ticket;
    if (w->last >= w->first) {
        w->entries = mem_alloc((size_t)(w->last - w->first + 1) * sizeof *w->entries);
        for (uint64_t k = w->first; k <= w->last; k++)
            w->entries[k - w->first] = *net_entries_at(&n->memory, k);
    }
    w->done_us = group_done_us(c, n);
    net_schedule(c, EV_WRITTEN, i, w->done_us)->incarnation = n->incarnation;
}

/* The oldest write under way is durable. Sometimes its completion is told together with the next one's. */
bool vdisk_written(struct net *c, int i, struct raft_event *out)
{
    struct node *n = &c->node[i];
    if (n->write_count == 0 || write_at(n, 0)->done_us > c->now_us)
        return false;
    bool told = false;
    do {
        struct write *w = write_at(n, 0);
        apply_write(c, n, w, w->last);
        if (w->last >= w->first) {
            *out = (struct raft_event){.type = RAFT_EVENT_PERSISTED,
                                       .index = w->last,
                                       .term = w->entries[w->last - w->first].term,
                                       .ticket = w->ticket};
            told = true;
        }
        pop_write(n);
    } while (n->write_count > 0 && write_at(n, 0)->done_us <= c->now_us);
    return told;
}

void vdisk_save_vote(struct net *c, int i, const struct raft_duties *d)
{
    struct node *n = &c->node[i];
    uint64_t start = n->vote_free_us > c->now_us ? n->vote_free_us : c->now_us;
    n->vote_free_us = start + net_below(c, n->disk_min_us, n->disk_max_us);
    struct event *e = net_schedule(c, EV_VOTE_SAVED, i, n->vote_free_us);
    e->incarnation = n->incarnation;
    e->vote = (struct vote_file){d->vote_term, d->vote_for, d->short_log_until, d->short_log};
}

void vdisk_crash(struct net *c, int i)
{
    struct node *n = &c->node[i];
    size_t reached = net_below(c, 0, n->write_count);
    for (size_t k = 0; k < reached; k++) {
        apply_write(c, n, write_at(n, 0), write_at(n, 0)->last);
        pop_write(n);
    }
    if (n->write_count > 0 && net_below(c, 0, 1)) {
        struct write *w = write_at(n, 0);
        uint64_t last = w->last;
        if (w->last >= w->first)
            last = w->first - 1 + net_below(c, 0, w->last - w->first + 1);
        apply_write(c, n, w, last);
    }
    while (n->write_count > 0)
        pop_write(n);
    n->disk_free_us = n->next_free_us = n->vote_free_us = 0;
    /* What recovery will find: contiguous from the snapshot on, each following the one before. */
    uint64_t term = n->snapshot.term, at = n->snapshot.index;
    while (at + 1 <= n->journal.last && n->journal.at[at + 1].there &&
           n->journal.at[at + 1].prev_term == term)
        term = n->journal.at[++at].term;
    cut(&n->journal, at + 1);
}

void vdisk_forget(struct node *n)
{
    while (n->write_count > 0)
        pop_write(n);
    mem_free(n->memory.at);
    mem_free(n->journal.at);
}
