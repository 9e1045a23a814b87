/* Time, the network, and the place of the node: carries out the core's duties as the real one does. */
#include "net.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

#define LLU(x) ((unsigned long long)(x))

void net_fail(struct net *c, const char *fmt, ...)
{
    if (c->failure[0])
        return; /* the first one tells most */
    int n = snprintf(c->failure, sizeof c->failure, "seed %llu, %llu us: ", LLU(c->seed), LLU(c->now_us));
    va_list args;
    va_start(args, fmt);
    vsnprintf(c->failure + n, sizeof c->failure - (size_t)n, fmt, args);
    va_end(args);
}

uint64_t net_below(struct net *c, uint64_t low, uint64_t high)
{
    return low + prng_below(&c->prng, high - low + 1);
}

static void trace(struct net *c, int i, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
static void trace(struct net *c, int i, const char *fmt, ...)
{
    if (!c->trace)
        return;
    fprintf(stderr, "%10llu n%d ", LLU(c->now_us), i + 1);
    va_list args;
    va_start(args, fmt);
    vfprintf(stderr, fmt, args);
    va_end(args);
    fputc('\n', stderr);
}

/* The event queue: a heap by (time, order of scheduling). */

static bool before(const struct event *a, const struct event *b)
{
    return a->at_us != b->at_us ? a->at_us < b->at_us : a->order < b->order;
}

static void heap_put(struct net *c, struct event *e)
{
    if (c->heap_count == c->heap_cap) {
        c->heap_cap = c->heap_cap ? c->heap_cap * 2 : 1024;
        c->heap = mem_realloc(c->heap, c->heap_cap * sizeof *c->heap);
    }
    size_t at = c->heap_count++;
    for (; at > 0 && before(e, c->heap[(at - 1) / 2]); at = (at - 1) / 2)
        c->heap[at] = c->heap[(at - 1) / 2];
    c->heap[at] = e;
}

static struct event *heap_take(struct net *c)
{
    struct event *top = c->heap[0], *last = c->heap[--c->heap_count];
    size_t at = 0;
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= c->heap_count)
            break;
        if (child + 1 < c->heap_count && before(c->heap[child + 1], c->heap[child]))
            child++;
        if (!before(c->heap[child], last))
            break;
        c->heap[at] = c->heap[child];
        at = child;
    }
    c->heap[at] = last;
    return top;
}

struct event *net_schedule(struct net *c, enum event_kind kind, int i, uint64_t at_us)
{
    struct event *e = mem_calloc(1, sizeof *e);
    e->kind = kind;
    e->node = i;
    e->at_us = at_us;
    e->order = c->order++;
    heap_put(c, e);
    return e;
}

static void event_free(struct event *e)
{
    mem_free(e->entries);
    mem_free(e);
}

/* The network. */

static bool reachable(struct net *c, int from, int to)
{
    return c->node[from].raft && c->node[to].raft && !c->cut[from][to];
}

static void carry(struct net *c, int from, const struct raft_message *m)
{
    int to = (int)m->to - 1;
    uint64_t at = c->now_us + net_below(c, c->delay_min_us, c->delay_max_us);
    if (!c->reorder && at <= c->latest[from][to])
        at = c->latest[from][to] + 1;
    c->latest[from][to] = at;
    struct event *e = net_schedule(c, EV_MESSAGE, to, at);
    e->incarnation = c->reorder ? 0 : c->node[to].incarnation;
    e->message = *m;
    if (m->type == RAFT_MSG_APPEND && m->last >= m->first) {
        e->count = (size_t)(m->last - m->first + 1);
        e->entries = mem_alloc(e->count * sizeof *e->entries);
        for (size_t k = 0; k < e->count; k++) {
            e->entries[k] = *net_entries_at(&c->node[from].memory, m->first + k);
            assert(e->entries[k].there);
        }
    }
}

static void transmit(struct net *c, int from, const struct raft_message *m)
{
    int to = (int)m->to - 1;
    assert(to >= 0 && to < c->count && to != from && m->from == (uint64_t)from + 1);
    c->messages[m->type]++;
    trace(c, from, "-> n%d type %d term %llu index %llu/%llu [%llu..%llu] commit %llu round %llu%s%s", to + 1,
          m->type, LLU(m->term), LLU(m->index), LLU(m->log_term), LLU(m->first), LLU(m->last), LLU(m->commit),
          LLU(m->round), m->reject ? " reject" : "", m->leader_lost ? " lost" : "");
    if (!reachable(c, from, to) || prng_below(&c->prng, 1000) < c->loss_permille)
        return;
    carry(c, from, m);
    if (prng_below(&c->prng, 1000) < c->repeat_permille)
        carry(c, from, m);
}

/* Tells both ends of every pair whose link came or went. */
static void relink(struct net *c)
{
    for (int i = 0; i < c->count; i++)
        for (int j = 0; j < c->count; j++) {
            bool stands = i != j && reachable(c, i, j) && reachable(c, j, i);
            if (stands == c->linked[i][j])
                continue;
            c->linked[i][j] = stands;
            if (!c->links || !c->node[i].raft)
                continue;
            struct event *e = net_schedule(c, EV_LINK, i, c->now_us + net_below(c, 100, stands ? 2000 : 400));
            e->incarnation = c->node[i].incarnation;
            e->peer = (uint64_t)j + 1;
            e->up = stands;
            e->gone = !stands && !c->node[j].raft;
        }
}

void net_cut(struct net *c, int from, int to, bool cut)
{
    c->cut[from][to] = cut;
    relink(c);
}

void net_isolate(struct net *c, int i)
{
    for (int j = 0; j < c->count; j++)
        c->cut[i][j] = c->cut[j][i] = j != i;
    relink(c);
}

void net_heal(struct net *c)
{
    memset(c->cut, 0, sizeof c->cut);
    relink(c);
}

/* The node's place. */

static void fill(struct net *c, int i, const struct raft_duties *d, const struct event *source)
{
    struct node *n = &c->node[i];
    if (d->cut)
        for (uint64_t k = d->cut_from; k <= n->memory.last; k++)
            net_entries_at(&n->memory, k)->there = false;
    if (d->cut && n->memory.last >= d->cut_from)
        n->memory.last = d->cut_from - 1;
    for (uint64_t k = d->append_first; k <= d->append_last; k++) {
        struct entry *e = net_entries_at(&n->memory, k);
        if (source && source->kind == EV_MESSAGE && source->message.type == RAFT_MSG_APPEND) {
            *e = source->entries[k - source->message.first];
        } else if (source && source->entries) {
            *e = source->entries[k - d->append_first];
            e->term = raft_term(n->raft);
        } else {
            assert(d->append_noop && d->append_first == d->append_last);
            *e =
                (struct entry){.term = raft_term(n->raft), .value = ++c->next_value, .kind = RAFT_ENTRY_NOOP};
        }
        e->there = true;
        e->prev_term = k == 1 ? 0 : raft_term_at(n->raft, k - 1);
        n->memory.last = k;
        net_check_appended(c, i, k);
    }
}

static void step(struct net *c, int i, struct raft_event e, const struct event *source)
{
    struct node *n = &c->node[i];
    struct raft_duties d;
    enum raft_role role = raft_role(n->raft);
    uint64_t term = raft_term(n->raft);
    e.now_us = c->now_us;
    c->steps++;
    raft_step(n->raft, &e, &d);
    if (d.say) {
        trace(c, i, "says: %s", d.say);
        c->says++;
    }
    if (d.role_changed)
        trace(c, i, "role %d term %llu leader %llu", raft_role(n->raft), LLU(raft_term(n->raft)),
              LLU(raft_leader(n->raft)));
    fill(c, i, &d, source);
    if (d.save_vote)
        vdisk_save_vote(c, i, &d);
    n->had_others |= raft_members_others(raft_members(n->raft), n->id);
    vdisk_append(c, i, &d);
    net_check_step(c, i, &d);
    if (raft_role(n->raft) == RAFT_LEADER && (role != RAFT_LEADER || term != raft_term(n->raft))) {
        c->elections++;
        net_check_became_leader(c, i);
    }
    if (n->damaged && !raft_short_log(n->raft))
        n->damaged = false;
    uint64_t commit = raft_commit(n->raft);
    if (commit > n->commit_seen && e.type != RAFT_EVENT_SNAPSHOT_INSTALLED)
        for (uint64_t k = n->commit_seen + 1; k <= commit; k++)
            net_check_committed(c, i, k);
    n->commit_seen = n->applied = commit;
    for (size_t k = 0; k < d.message_count; k++)
        transmit(c, i, &d.messages[k]);
    if (d.send_snapshot) {
        int to = (int)d.send_snapshot - 1;
        uint64_t at = c->now_us + net_below(c, 5 * MS, 40 * MS);
        bool arrives = reachable(c, i, to) && prng_below(&c->prng, 1000) >= c->loss_permille;
        c->snapshots++;
        trace(c, i, "snapshot %llu to n%d", LLU(n->snapshot.index), to + 1);
        struct event *sent = net_schedule(c, EV_SNAPSHOT_SENT, i, at + MS);
        sent->incarnation = n->incarnation;
        sent->peer = d.send_snapshot;
        sent->snapshot = n->snapshot;
        sent->gone = !arrives;
        if (arrives) {
            struct event *got = net_schedule(c, EV_SNAPSHOT, to, at);
            got->incarnation = c->node[to].incarnation;
            got->peer = n->id;
            got->leader_term = raft_term(n->raft);
            got->snapshot = n->snapshot;
        }
    }
    if (d.install) {
        assert(source && source->kind == EV_SNAPSHOT && !n->installing);
        n->installing = true;
        n->incoming = source->snapshot;
        net_schedule(c, EV_INSTALLED, i, c->now_us + net_below(c, 5 * MS, 60 * MS))->incarnation =
            n->incarnation;
    }
}

void net_event(struct net *c, int i, struct raft_event e)
{
    if (c->node[i].raft && !c->node[i].paused)
        step(c, i, e, NULL);
}

static void deliver_message(struct net *c, int i, struct event *e)
{
    struct raft_entry metas[512];
    assert(e->count <= 512);
    for (size_t k = 0; k < e->count; k++)
        metas[k] = (struct raft_entry){e->entries[k].term, e->entries[k].kind, 100, e->entries[k].members};
    e->message.entries = metas;
    step(c, i, (struct raft_event){.type = RAFT_EVENT_MESSAGE, .message = &e->message}, e);
}

static void deliver_installed(struct net *c, int i, struct event *e)
{
    struct node *n = &c->node[i];
    (void)e;
    n->installing = false;
    n->snapshot = n->incoming;
    uint64_t index = n->snapshot.index;
    if (raft_term_at(n->raft, index) != n->snapshot.term) {
        for (uint64_t k = 1; k <= n->memory.last; k++)
            net_entries_at(&n->memory, k)->there = false;
        net_entries_at(&n->memory, index);
        n->memory.last = index;
    }
    c->installs++;
    step(c, i,
         (struct raft_event){.type = RAFT_EVENT_SNAPSHOT_INSTALLED, .index = index, .term = n->snapshot.term},
         NULL);
    n->chain = n->snapshot.chain;
    if (index <= c->committed_last && c->committed[index].chain != n->chain)
        net_fail(c, "node %d installed a snapshot that is not the state at %llu", i + 1, LLU(index));
}

static void deliver(struct net *c, struct event *e)
{
    int i = e->node;
    struct node *n = &c->node[i];
    if (!n->raft || (e->incarnation != 0 && e->incarnation != n->incarnation)) {
        event_free(e);
        return;
    }
    if (n->paused) {
        assert(n->inbox_count < sizeof n->inbox / sizeof n->inbox[0]);
        n->inbox[n->inbox_count++] = e;
        return;
    }
    struct raft_event out;
    switch (e->kind) {
    case EV_MESSAGE:
        deliver_message(c, i, e);
        break;
    case EV_WRITTEN:
        if (vdisk_written(c, i, &out))
            step(c, i, out, NULL);
        break;
    case EV_VOTE_SAVED:
        net_check_vote_saved(c, i, &e->vote);
        n->vote = e->vote;
        step(c, i,
             (struct raft_event){.type = RAFT_EVENT_VOTE_SAVED, .term = e->vote.term, .peer = e->vote.vote},
             NULL);
        break;
    case EV_LINK:
        step(c, i,
             (struct raft_event){
                 .type = e->up ? RAFT_EVENT_LINK_UP : RAFT_EVENT_LINK_LOST, .peer = e->peer, .gone = e->gone},
             NULL);
        break;
    case EV_SNAPSHOT:
        step(c, i,
             (struct raft_event){.type = RAFT_EVENT_SNAPSHOT_RECEIVED,
                                 .index = e->snapshot.index,
                                 .term = e->snapshot.term,
                                 .members = &e->snapshot.members,
                                 .peer = e->peer,
                                 .leader_term = e->leader_term},
             e);
        break;
    case EV_INSTALLED:
        deliver_installed(c, i, e);
        break;
    case EV_SNAPSHOT_SENT:
        step(c, i,
             (struct raft_event){.type = RAFT_EVENT_SNAPSHOT_SENT,
                                 .peer = e->peer,
                                 .index = e->snapshot.index,
                                 .gone = e->gone},
             NULL);
        break;
    case EV_COMPACTED:
        if (e->snapshot.index > n->snapshot.index) {
            n->snapshot = e->snapshot;
            step(c, i,
                 (struct raft_event){.type = RAFT_EVENT_COMPACTED,
                                     .index = e->snapshot.index,
                                     .term = e->snapshot.term,
                                     .compact_to = e->compact_to},
                 NULL);
        }
        break;
    }
    event_free(e);
}

bool net_step(struct net *c, uint64_t until_us)
{
    uint64_t at = c->heap_count > 0 ? c->heap[0]->at_us : UINT64_MAX;
    int who = -1;
    for (int i = 0; i < c->count; i++) {
        if (!c->node[i].raft || c->node[i].paused)
            continue;
        uint64_t deadline = raft_deadline_us(c->node[i].raft);
        if (deadline < at) {
            at = deadline;
            who = i;
        }
    }
    if (at > until_us || c->failure[0]) {
        c->now_us = until_us > c->now_us ? until_us : c->now_us;
        return false;
    }
    if (at > c->now_us)
        c->now_us = at;
    if (who < 0) {
        deliver(c, heap_take(c));
        return true;
    }
    step(c, who, (struct raft_event){.type = RAFT_EVENT_TICK}, NULL);
    for (int k = 0; k < NODES_MAX && raft_deadline_us(c->node[who].raft) <= c->now_us; k++)
        step(c, who, (struct raft_event){.type = RAFT_EVENT_TICK}, NULL);
    if (raft_deadline_us(c->node[who].raft) <= c->now_us)
        net_fail(c, "node %d has a deadline that a tick does not move", who + 1);
    return true;
}

void net_run(struct net *c, uint64_t for_us)
{
    uint64_t until = c->now_us + for_us;
    while (net_step(c, until))
        ;
}

bool net_run_until(struct net *c, uint64_t for_us, bool (*done)(struct net *))
{
    uint64_t until = c->now_us + for_us;
    while (!done(c))
        if (!net_step(c, until))
            return done(c) && !c->failure[0];
    return !c->failure[0];
}

/* Life and death. */

static void boot(struct net *c, int i)
{
    struct node *n = &c->node[i];
    struct raft_recovered found = {.term = n->vote.term,
                                   .voted_for = n->vote.vote,
                                   .snapshot_index = n->snapshot.index,
                                   .snapshot_term = n->snapshot.term,
                                   .members = n->snapshot.members,
                                   .short_log = n->vote.short_log || n->damaged,
                                   .short_log_until = n->vote.until,
                                   .had_others = n->had_others};
    c->config.id = n->id;
    c->config.seed = prng_next(&c->prng);
    n->incarnation++;
    n->raft = raft_new(&c->config, &found, c->now_us);
    mem_free(n->memory.at);
    n->memory = (struct entries){NULL, 0, 0};
    n->memory.last = n->snapshot.index;
    for (uint64_t k = n->snapshot.index + 1; k <= n->journal.last && n->journal.at[k].there; k++) {
        const struct entry *e = &n->journal.at[k];
        *net_entries_at(&n->memory, k) = *e;
        n->memory.last = k;
        raft_load(n->raft, k, &(struct raft_entry){e->term, e->kind, 100, e->members});
    }
    n->commit_seen = n->applied = n->snapshot.index;
    n->chain = n->snapshot.chain;
    n->installing = false;
    trace(c, i, "boots: term %llu, snapshot %llu, log to %llu%s", LLU(n->vote.term), LLU(n->snapshot.index),
          LLU(n->memory.last), found.short_log ? ", short" : "");
}

void net_crash(struct net *c, int i)
{
    struct node *n = &c->node[i];
    if (!n->raft)
        return;
    trace(c, i, "crashes");
    raft_free(n->raft);
    n->raft = NULL;
    n->paused = false;
    for (size_t k = 0; k < n->inbox_count; k++)
        event_free(n->inbox[k]);
    n->inbox_count = 0;
    vdisk_crash(c, i);
    for (size_t k = 0; k < c->read_count; k++)
        if (c->reads[k].node == i && !c->reads[k].done)
            c->reads[k].lost = true;
    relink(c);
}

void net_damage(struct net *c, int i, uint64_t keep_last)
{
    struct node *n = &c->node[i];
    assert(!n->raft);
    if (keep_last < n->snapshot.index)
        keep_last = n->snapshot.index;
    trace(c, i, "loses its journal after %llu (of %llu)", LLU(keep_last), LLU(n->journal.last));
    for (uint64_t k = keep_last + 1; k <= n->journal.last; k++)
        n->journal.at[k].there = false;
    if (n->journal.last > keep_last)
        n->journal.last = keep_last;
    n->damaged = true;
    for (size_t k = 0; k < c->heap_count; k++) /* acks of its former life are not late, they are wrong */
        if (c->heap[k]->kind == EV_MESSAGE && c->heap[k]->message.from == n->id)
            c->heap[k]->incarnation = UINT64_MAX;
}

void net_restart(struct net *c, int i)
{
    if (c->node[i].raft)
        return;
    boot(c, i);
    relink(c);
}

void net_pause(struct net *c, int i)
{
    if (c->node[i].raft)
        c->node[i].paused = true;
}

void net_resume(struct net *c, int i, bool read_first)
{
    struct node *n = &c->node[i];
    if (!n->paused)
        return;
    n->paused = false;
    step(c, i, (struct raft_event){.type = RAFT_EVENT_STALLED}, NULL);
    if (read_first)
        net_read(c, i);
    size_t count = n->inbox_count;
    n->inbox_count = 0;
    for (size_t k = 0; k < count; k++) {
        struct event *e = n->inbox[k];
        deliver(c, e);
    }
}

void net_link(struct net *c, int i, int peer, bool up, bool gone)
{
    net_event(c, i,
              (struct raft_event){.type = up ? RAFT_EVENT_LINK_UP : RAFT_EVENT_LINK_LOST,
                                  .peer = (uint64_t)peer + 1,
                                  .gone = gone});
}

void net_members_put(struct raft_members *m, uint64_t id, bool voter)
{
    for (uint32_t k = 0; k < m->count; k++)
        if (m->at[k].id == id) {
            m->at[k].voter = voter;
            return;
        }
    struct raft_member *at = &m->at[m->count++];
    memset(at, 0, sizeof *at);
    at->id = id;
    at->voter = voter;
    snprintf(at->name, sizeof at->name, "n%llu", LLU(id));
}

void net_members_remove(struct raft_members *m, uint64_t id)
{
    for (uint32_t k = 0; k < m->count; k++)
        if (m->at[k].id == id) {
            memmove(&m->at[k], &m->at[k + 1], (m->count - k - 1) * sizeof m->at[0]);
            m->count--;
            return;
        }
}

static const struct raft_members *keep_members(struct net *c, const struct raft_members *m)
{
    assert(c->members_count < sizeof c->members_pool / sizeof c->members_pool[0]);
    struct raft_members *copy = mem_alloc(sizeof *copy);
    *copy = *m;
    return c->members_pool[c->members_count++] = copy;
}

struct net *net_new(int voters, int spare, uint64_t seed)
{
    return net_new_with(voters, spare, seed, 2000, 8);
}

struct net *net_new_with(int voters, int spare, uint64_t seed, size_t append_max_bytes, uint32_t inflight_max)
{
    struct net *c = mem_calloc(1, sizeof *c);
    c->count = voters + spare;
    c->seed = seed;
    c->trace = getenv("RAFT_TRACE") != NULL;
    prng_seed(&c->prng, seed);
    c->now_us = 1 * SECOND;
    c->delay_min_us = 200;
    c->delay_max_us = 1000;
    c->config = (struct raft_config){.heartbeat_us = 50 * MS,
                                     .election_us = 1000 * MS,
                                     .append_max_bytes = append_max_bytes,
                                     .inflight_max_bytes = 20000,
                                     .inflight_max = inflight_max};
    struct raft_members m = {0};
    for (int i = 0; i < voters; i++)
        net_members_put(&m, (uint64_t)i + 1, true);
    for (int i = 0; i < c->count; i++) {
        c->node[i].id = (uint64_t)i + 1;
        c->node[i].disk_min_us = 100;
        c->node[i].disk_max_us = 2000;
    }
    /* Founding: the first one holds entry 1, the others are blank. */
    c->node[0].vote = (struct vote_file){.term = 1, .vote = 1};
    *net_entries_at(&c->node[0].journal, 1) = (struct entry){.term = 1,
                                                             .value = ++c->next_value,
                                                             .kind = RAFT_ENTRY_CONFIG,
                                                             .there = true,
                                                             .members = keep_members(c, &m)};
    c->node[0].journal.last = 1;
    for (int i = 0; i < c->count; i++) {
        boot(c, i);
        if (i == 0)
            net_check_appended(c, 0, 1);
    }
    c->links = true;
    relink(c);
    return c;
}

void net_free(struct net *c)
{
    for (int i = 0; i < c->count; i++) {
        raft_free(c->node[i].raft);
        for (size_t k = 0; k < c->node[i].inbox_count; k++)
            event_free(c->node[i].inbox[k]);
        vdisk_forget(&c->node[i]);
    }
    for (size_t k = 0; k < c->heap_count; k++)
        event_free(c->heap[k]);
    for (size_t k = 0; k < c->members_count; k++)
        mem_free((void *)(uintptr_t)c->members_pool[k]);
    mem_free(c->heap);
    mem_free(c->reads);
    net_check_free(c);
    mem_free(c);
}

/* Use. */

int net_leader(struct net *c)
{
    int best = -1;
    for (int i = 0; i < c->count; i++) {
        struct node *n = &c->node[i];
        if (n->raft && !n->paused && raft_role(n->raft) == RAFT_LEADER &&
            (best < 0 || raft_term(n->raft) > raft_term(c->node[best].raft)))
            best = i;
    }
    return best;
}

int net_other(struct net *c, int not_this, int nth)
{
    for (int i = 0; i < c->count; i++)
        if (i != not_this && c->node[i].raft && nth-- == 0)
            return i;
    return -1;
}

static bool has_leader(struct net *c)
{
    int i = net_leader(c);
    if (i < 0)
        return false;
    struct raft *r = c->node[i].raft;
    return raft_term_at(r, raft_commit(r)) == raft_term(r);
}

int net_wait_leader(struct net *c, uint64_t for_us)
{
    net_run_until(c, for_us, has_leader);
    return has_leader(c) ? net_leader(c) : -1;
}

uint64_t net_propose(struct net *c, int i, uint32_t count)
{
    struct node *n = &c->node[i];
    if (!n->raft || n->paused || !raft_accepts(n->raft) || n->write_count > 400)
        return 0;
    struct event source = {.kind = EV_WRITTEN, .count = count};
    struct entry entries[64];
    struct raft_entry metas[64];
    assert(count <= 64);
    for (uint32_t k = 0; k < count; k++) {
        entries[k] = (struct entry){.value = ++c->next_value, .kind = RAFT_ENTRY_DATA};
        metas[k] = (struct raft_entry){0, RAFT_ENTRY_DATA, 100, NULL};
    }
    source.entries = entries;
    uint64_t last = raft_last_index(n->raft) + count;
    step(c, i, (struct raft_event){.type = RAFT_EVENT_PROPOSE, .entries = metas, .count = count}, &source);
    return last;
}

bool net_propose_members(struct net *c, int i, const struct raft_members *members)
{
    struct node *n = &c->node[i];
    if (!n->raft || n->paused || !raft_may_change_members(n->raft))
        return false;
    const struct raft_members *kept = keep_members(c, members);
    struct entry entry = {.value = ++c->next_value, .kind = RAFT_ENTRY_CONFIG, .members = kept};
    struct event source = {.kind = EV_WRITTEN, .count = 1, .entries = &entry};
    struct raft_entry meta = {0, RAFT_ENTRY_CONFIG, 100, kept};
    step(c, i, (struct raft_event){.type = RAFT_EVENT_PROPOSE, .entries = &meta, .count = 1}, &source);
    return true;
}

struct raft_members net_members(struct net *c, int i)
{
    return *raft_members(c->node[i].raft);
}

int net_read(struct net *c, int i)
{
    struct node *n = &c->node[i];
    if (!n->raft || n->paused)
        return -1;
    if (c->read_count == c->read_cap) {
        c->read_cap = c->read_cap ? c->read_cap * 2 : 256;
        c->reads = mem_realloc(c->reads, c->read_cap * sizeof *c->reads);
    }
    /* On record before the step: a sole voter's answer comes within it. */
    size_t at = c->read_count++;
    c->reads[at] = (struct read){.node = i, .incarnation = n->incarnation, .floor = c->committed_last};
    step(c, i, (struct raft_event){.type = RAFT_EVENT_READ}, NULL);
    if (c->reads[at].seq == 0) {
        c->read_count--;
        return -1;
    }
    return (int)at;
}

/* A snapshot of what is applied, with the members in force there and not those appended since (B36). */
void net_compact(struct net *c, int i, uint64_t keep)
{
    struct node *n = &c->node[i];
    if (!n->raft || n->paused || n->installing || n->applied <= n->snapshot.index)
        return;
    struct event *e = net_schedule(c, EV_COMPACTED, i, c->now_us + net_below(c, 1 * MS, 30 * MS));
    e->incarnation = n->incarnation;
    e->snapshot =
        (struct snapshot){n->applied, raft_term_at(n->raft, n->applied), n->chain, n->snapshot.members};
    for (uint64_t k = n->applied; k > n->snapshot.index; k--)
        if (net_entries_at(&n->memory, k)->members) {
            e->snapshot.members = *net_entries_at(&n->memory, k)->members;
            break;
        }
    e->compact_to = n->applied > keep ? n->applied - keep : 0;
}

bool net_agrees(struct net *c, uint64_t index)
{
    int leader = net_leader(c);
    if (leader < 0)
        return false;
    const struct raft_members *m = raft_members(c->node[leader].raft);
    for (uint32_t k = 0; k < m->count; k++) {
        int i = (int)m->at[k].id - 1;
        struct node *n = &c->node[i];
        bool heard = i == leader || (!c->cut[leader][i] && !c->cut[i][leader]);
        if (n->raft && !n->paused && heard && n->applied < index)
            return false;
    }
    return true;
}

bool net_commits(struct net *c, uint64_t for_us)
{
    uint64_t until = c->now_us + for_us, index = 0, term = 0;
    while (c->now_us < until && !c->failure[0]) {
        int leader = net_wait_leader(c, until - c->now_us);
        if (leader < 0)
            return false;
        if (index == 0 || raft_term(c->node[leader].raft) != term) {
            index = net_propose(c, leader, 1);
            term = raft_term(c->node[leader].raft);
        }
        if (index != 0 && net_agrees(c, index))
            return true;
        net_run(c, 5 * MS);
    }
    return false;
}
