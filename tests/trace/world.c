/* The nodes' places: carries out the core's duties one by one, and checks each step. */
#include "world.h"

#include <assert.h>
#include <stdarg.h>
#include <string.h>

#include "base/alloc.h"

#define LLU(x) ((unsigned long long)(x))

void world_violation(struct world *w, const char *fmt, ...)
{
    w->broken = true;
    fputs("  VIOLATION: ", w->out);
    va_list args;
    va_start(args, fmt);
    vfprintf(w->out, fmt, args);
    va_end(args);
    fputc('\n', w->out);
}

const struct raft_members *world_keep(struct world *w, const struct raft_members *m)
{
    assert(w->members_count < sizeof w->members / sizeof w->members[0]);
    struct raft_members *copy = mem_alloc(sizeof *copy);
    *copy = *m;
    return w->members[w->members_count++] = copy;
}

struct world *world_new(FILE *out)
{
    struct world *w = mem_calloc(1, sizeof *w);
    w->out = out;
    w->now_us = 1000 * MS;
    w->config = (struct raft_config){.heartbeat_us = 50 * MS,
                                     .election_us = 1000 * MS,
                                     .append_max_bytes = 4 * ENTRY_BYTES,
                                     .inflight_max_bytes = 10000,
                                     .inflight_max = 8};
    return w;
}

static void flight_free(struct flight *f)
{
    mem_free(f->entries);
    mem_free(f);
}

static void forget_writes(struct node *n)
{
    for (size_t i = 0; i < n->write_count; i++)
        mem_free(n->writes[i]);
    n->write_count = n->vote_count = 0;
}

void world_free(struct world *w)
{
    for (uint32_t n = 1; n <= w->count; n++) {
        raft_free(w->node[n].raft);
        forget_writes(&w->node[n]);
    }
    for (size_t i = 0; i < w->flight_count; i++)
        flight_free(w->flights[i]);
    for (size_t i = 0; i < w->members_count; i++)
        mem_free((void *)(uintptr_t)w->members[i]);
    mem_free(w);
}

void world_found(struct world *w, uint32_t voters, uint32_t spare)
{
    struct raft_members m = {.count = voters};
    for (uint32_t i = 0; i < voters; i++)
        m.at[i] = (struct raft_member){.id = i + 1, .voter = true};
    const struct raft_members *kept = world_keep(w, &m);
    w->count = voters + spare;
    assert(w->count <= NODES_MAX);
    for (uint32_t n = 1; n <= w->count; n++) {
        struct node *node = &w->node[n];
        if (n <= voters) {
            node->journal[1] = (struct entry){.term = 1, .kind = RAFT_ENTRY_CONFIG, .members = kept};
            node->vote = (struct vote){.term = 1, .vote = 1};
        }
        world_start(w, n);
    }
    w->committed[1] = w->node[1].journal[1];
    w->committed_last = 1;
}

static bool reaches(const struct world *w, uint64_t from, uint64_t to)
{
    return from <= w->count && to <= w->count && w->node[from].raft && w->node[to].raft && !w->cut[from][to];
}

static void launch(struct world *w, struct flight *f)
{
    bool lost =
        !f->snapshot && !reaches(w, f->from, f->to); /* of a snapshot its sender hears what became of it */
    show_flight(w, f, "    -> ", lost ? " (lost)" : "");
    if (lost) {
        flight_free(f);
        return;
    }
    assert(w->flight_count < sizeof w->flights / sizeof w->flights[0]);
    w->flights[w->flight_count++] = f;
}

static void send_message(struct world *w, const struct node *from, const struct raft_message *m)
{
    struct flight *f = mem_calloc(1, sizeof *f);
    f->from = m->from;
    f->to = m->to;
    f->message = *m;
    if (m->type == RAFT_MSG_APPEND && m->last >= m->first) {
        size_t count = (size_t)(m->last - m->first + 1);
        f->entries = mem_alloc(count * sizeof *f->entries);
        memcpy(f->entries, &from->memory[m->first], count * sizeof *f->entries);
    }
    launch(w, f);
}

static void send_snapshot(struct world *w, uint32_t from, uint64_t to)
{
    struct flight *f = mem_calloc(1, sizeof *f);
    f->from = from;
    f->to = to;
    f->snapshot = true;
    f->state = w->node[from].snapshot;
    f->leader_term = raft_term(w->node[from].raft);
    launch(w, f);
}

/* The node's memory follows the duties: what is cut, what is appended. */
static void fill(struct world *w, uint32_t n, const struct raft_duties *d, const struct raft_message *m,
                 const struct entry *entries)
{
    struct node *node = &w->node[n];
    for (uint64_t i = d->cut ? d->cut_from : ENTRIES_MAX; i < ENTRIES_MAX; i++)
        node->memory[i].term = 0;
    for (uint64_t i = d->append_first; i <= d->append_last; i++) {
        assert(i < ENTRIES_MAX);
        if (d->append_noop)
            node->memory[i] = (struct entry){.term = raft_term(node->raft), .kind = RAFT_ENTRY_NOOP};
        else
            node->memory[i] = entries[i - (m ? m->first : d->append_first)];
        node->memory[i].term = raft_term_at(node->raft, i);
    }
    if (!d->cut && d->append_last < d->append_first)
        return;
    assert(node->write_count < sizeof node->writes / sizeof node->writes[0]);
    struct write *write = mem_calloc(1, sizeof *write);
    write->cut = d->cut;
    write->cut_from = d->cut_from;
    write->first = d->append_first;
    write->last = d->append_last;
    write->ticket = d->append_ticket;
    for (uint64_t i = write->first; i <= write->last; i++)
        write->entries[i] = node->memory[i];
    node->writes[node->write_count++] = write;
}

static bool holds(const struct node *n, uint64_t index, uint64_t term)
{
    return index <= n->snapshot.index || (n->journal[index].term != 0 && n->journal[index].term == term);
}

static void check_commit(struct world *w, uint32_t n)
{
    struct node *node = &w->node[n];
    uint64_t commit = raft_commit(node->raft);
    if (commit < node->commit_seen)
        world_violation(w, "node %u takes back commit %llu", n, LLU(node->commit_seen));
    for (uint64_t i = node->commit_seen + 1; i <= commit; i++) {
        const struct entry *e = &node->memory[i];
        struct entry *first = &w->committed[i];
        if (i <= node->snapshot.index || (node->installing && i <= node->incoming.index))
            continue;
        if (first->term == 0 || w->lied)
            *first = *e;
        else if (first->term != e->term || strcmp(first->name, e->name) != 0)
            world_violation(w, "node %u commits %llu/%llu where %llu/%llu was committed", n, LLU(i),
                            LLU(e->term), LLU(i), LLU(first->term));
    }
    node->commit_seen = commit;
    if (commit > w->committed_last)
        w->committed_last = commit;
}

static void check_messages(struct world *w, uint32_t n, const struct raft_duties *d)
{
    const struct node *node = &w->node[n];
    for (size_t i = 0; i < d->message_count; i++) {
        const struct raft_message *m = &d->messages[i];
        if (m->type == RAFT_MSG_APPEND_REPLY && !m->reject &&
            !holds(node, m->index, raft_term_at(node->raft, m->index)))
            world_violation(w, "node %u acknowledges %llu, which is not durable", n, LLU(m->index));
        if (m->type == RAFT_MSG_VOTE_REPLY && !m->reject &&
            (node->vote.term != m->term || node->vote.vote != m->to))
            world_violation(w, "node %u gives a vote that is not durable", n);
        if (m->type == RAFT_MSG_VOTE && (node->vote.term != m->term || node->vote.vote != n))
            world_violation(w, "node %u stands before its own vote is durable", n);
    }
}

static void check_step(struct world *w, uint32_t n, const struct raft_duties *d)
{
    struct node *node = &w->node[n];
    uint64_t term = raft_term(node->raft);
    if (raft_role(node->raft) == RAFT_LEADER) {
        uint64_t *leader = &w->leader_of_term[term];
        if (*leader != 0 && *leader != n)
            world_violation(w, "nodes %llu and %u both lead term %llu", LLU(*leader), n, LLU(term));
        *leader = n;
    }
    check_commit(w, n);
    check_messages(w, n, d);
    for (size_t i = 0; i < d->read_count; i++)
        for (uint32_t k = 0; k < node->read_count; k++)
            if (node->reads[k].seq == d->reads[i].seq && d->reads[i].index < node->reads[k].floor)
                world_violation(w, "read %llu would miss what was committed when it came",
                                LLU(d->reads[i].seq));
}

void world_step(struct world *w, uint32_t n, struct raft_event e, const struct entry *entries)
{
    struct node *node = &w->node[n];
    struct raft_duties d;
    uint64_t floor = w->committed_last;
    e.now_us = w->now_us;
    raft_step(node->raft, &e, &d);
    if (d.read_seq != 0) {
        assert(node->read_count < sizeof node->reads / sizeof node->reads[0]);
        node->reads[node->read_count].seq = d.read_seq;
        node->reads[node->read_count++].floor = floor;
    }
    fill(w, n, &d, e.message, entries);
    if (d.save_vote) {
        assert(node->vote_count < sizeof node->votes / sizeof node->votes[0]);
        node->votes[node->vote_count++] =
            (struct vote){d.vote_term, d.vote_for, d.short_log_until, d.short_log};
    }
    node->had_others |= raft_members_others(raft_members(node->raft), n);
    show_duties(w, n, &d);
    check_step(w, n, &d);
    for (size_t i = 0; i < d.message_count; i++)
        send_message(w, node, &d.messages[i]);
    if (d.send_snapshot != 0)
        send_snapshot(w, n, d.send_snapshot);
}

void world_tick(struct world *w, uint32_t n)
{
    uint64_t at = raft_deadline_us(w->node[n].raft);
    if (at == UINT64_MAX) {
        show(w, "  n%u has no timer", n);
        return;
    }
    if (at > w->now_us)
        w->now_us = at;
    show(w, "  n%u tick", n);
    world_step(w, n, (struct raft_event){.type = RAFT_EVENT_TICK}, NULL);
}

void world_run(struct world *w, uint64_t for_us)
{
    uint64_t until = w->now_us + for_us;
    for (int steps = 0; steps < 2000; steps++) {
        uint64_t at = UINT64_MAX;
        uint32_t who = 0;
        for (uint32_t n = 1; n <= w->count; n++)
            if (w->node[n].raft && raft_deadline_us(w->node[n].raft) < at) {
                at = raft_deadline_us(w->node[n].raft);
                who = n;
            }
        if (at > until)
            break;
        world_tick(w, who);
        world_settle(w);
    }
    w->now_us = until;
}

void world_settle(struct world *w)
{
    for (int rounds = 0; rounds < 1000; rounds++) {
        bool moved = false;
        for (uint32_t n = 1; n <= w->count; n++)
            while (w->node[n].raft && !w->node[n].slow &&
                   (world_vote_saved(w, n) || world_written(w, n) || world_installed(w, n)))
                moved = true;
        for (size_t i = 0; i < w->flight_count && !moved; i++)
            if (!w->flights[i]->held) {
                world_deliver(w, world_take(w, i));
                moved = true;
            }
        if (!moved)
            return;
    }
    world_violation(w, "does not come to rest");
}

struct flight *world_take(struct world *w, size_t at)
{
    struct flight *f = w->flights[at];
    memmove(&w->flights[at], &w->flights[at + 1], (--w->flight_count - at) * sizeof w->flights[0]);
    return f;
}

struct flight *world_copy(struct world *w, const struct flight *f)
{
    struct flight *copy = mem_alloc(sizeof *copy);
    *copy = *f;
    copy->held = true;
    if (f->entries) {
        size_t count = (size_t)(f->message.last - f->message.first + 1);
        copy->entries = mem_alloc(count * sizeof *copy->entries);
        memcpy(copy->entries, f->entries, count * sizeof *copy->entries);
    }
    assert(w->flight_count < sizeof w->flights / sizeof w->flights[0]);
    return w->flights[w->flight_count++] = copy;
}

static void snapshot_sent(struct world *w, const struct flight *f, bool gone)
{
    if (!w->node[f->from].raft)
        return;
    show(w, "  n%llu snapshot to %llu %s", LLU(f->from), LLU(f->to), gone ? "was lost" : "was sent");
    world_step(w, (uint32_t)f->from,
               (struct raft_event){
                   .type = RAFT_EVENT_SNAPSHOT_SENT, .peer = f->to, .index = f->state.index, .gone = gone},
               NULL);
}

void world_lose(struct world *w, struct flight *f)
{
    show_flight(w, f, "  lost: ", "");
    if (f->snapshot)
        snapshot_sent(w, f, true);
    flight_free(f);
}

static void deliver_snapshot(struct world *w, struct flight *f)
{
    struct node *node = &w->node[f->to];
    struct raft_event e = {.type = RAFT_EVENT_SNAPSHOT_RECEIVED,
                           .index = f->state.index,
                           .term = f->state.term,
                           .members = &f->state.members,
                           .peer = f->from,
                           .leader_term = f->leader_term};
    if (!node->installing)
        node->incoming = f->state;
    world_step(w, (uint32_t)f->to, e, NULL);
    snapshot_sent(w, f, false);
}

void world_deliver(struct world *w, struct flight *f)
{
    struct raft_entry metas[ENTRIES_MAX];
    if (!w->node[f->to].raft || w->cut[f->from][f->to]) { /* that its sender is gone does not matter */
        world_lose(w, f);
        return;
    }
    show_flight(w, f, "  ", "");
    if (f->snapshot) {
        deliver_snapshot(w, f);
    } else {
        struct raft_message m = f->message;
        for (uint64_t i = m.first; i <= m.last; i++) {
            const struct entry *e = &f->entries[i - m.first];
            metas[i - m.first] = (struct raft_entry){e->term, e->kind, ENTRY_BYTES, e->members};
        }
        m.entries = metas;
        world_step(w, (uint32_t)f->to, (struct raft_event){.type = RAFT_EVENT_MESSAGE, .message = &m},
                   f->entries);
    }
    flight_free(f);
}

static void apply_write(struct node *node, const struct write *write)
{
    for (uint64_t i = write->cut ? write->cut_from : ENTRIES_MAX; i < ENTRIES_MAX; i++)
        node->journal[i].term = 0;
    for (uint64_t i = write->first; i <= write->last; i++)
        node->journal[i] = write->entries[i];
}

bool world_written(struct world *w, uint32_t n)
{
    struct node *node = &w->node[n];
    if (node->write_count == 0)
        return false;
    struct write *write = node->writes[0];
    memmove(node->writes, node->writes + 1, --node->write_count * sizeof node->writes[0]);
    apply_write(node, write);
    if (write->last >= write->first) {
        uint64_t term = write->entries[write->last].term;
        show(w, "  n%u written %llu/%llu", n, LLU(write->last), LLU(term));
        world_step(
            w, n,
            (struct raft_event){
                .type = RAFT_EVENT_PERSISTED, .index = write->last, .term = term, .ticket = write->ticket},
            NULL);
    }
    mem_free(write);
    return true;
}

bool world_vote_saved(struct world *w, uint32_t n)
{
    struct node *node = &w->node[n];
    if (node->vote_count == 0)
        return false;
    struct vote vote = node->vote = node->votes[0];
    memmove(node->votes, node->votes + 1, --node->vote_count * sizeof node->votes[0]);
    if (!vote.short_log)
        node->damaged = false;
    show(w, "  n%u vote saved: term %llu for %llu", n, LLU(vote.term), LLU(vote.vote));
    world_step(w, n, (struct raft_event){.type = RAFT_EVENT_VOTE_SAVED, .term = vote.term, .peer = vote.vote},
               NULL);
    return true;
}

bool world_installed(struct world *w, uint32_t n)
{
    struct node *node = &w->node[n];
    if (!node->installing)
        return false;
    struct snapshot *s = &node->incoming;
    node->installing = false;
    node->snapshot = *s;
    bool held = raft_term_at(node->raft, s->index) == s->term;
    for (uint64_t i = 1; i < ENTRIES_MAX && !held; i++)
        node->memory[i].term = node->journal[i].term = 0;
    node->commit_seen = s->index;
    show(w, "  n%u installed %llu/%llu", n, LLU(s->index), LLU(s->term));
    world_step(w, n,
               (struct raft_event){.type = RAFT_EVENT_SNAPSHOT_INSTALLED, .index = s->index, .term = s->term},
               NULL);
    return true;
}

/* A snapshot of what is committed, durable at once, with the members in force there (B36). */
void world_compact(struct world *w, uint32_t n, uint64_t keep)
{
    struct node *node = &w->node[n];
    uint64_t index = raft_commit(node->raft);
    for (uint64_t i = node->snapshot.index + 1; i <= index; i++)
        if (node->memory[i].members)
            node->snapshot.members = *node->memory[i].members;
    node->snapshot.index = index;
    node->snapshot.term = raft_term_at(node->raft, index);
    show(w, "  n%u compacts up to %llu, keeps %llu", n, LLU(index), LLU(keep));
    world_step(w, n,
               (struct raft_event){.type = RAFT_EVENT_COMPACTED,
                                   .index = index,
                                   .term = node->snapshot.term,
                                   .compact_to = index > keep ? index - keep : 0},
               NULL);
}

void world_crash(struct world *w, uint32_t n, bool written)
{
    struct node *node = &w->node[n];
    for (size_t i = 0; written && i < node->write_count; i++)
        apply_write(node, node->writes[i]);
    forget_writes(node);
    raft_free(node->raft);
    node->raft = NULL;
    node->installing = false;
    node->read_count = 0;
    for (size_t i = w->flight_count; i > 0; i--) /* its connections end; what it had sent may still be read */
        if (w->flights[i - 1]->to == n)
            flight_free(world_take(w, i - 1));
}

void world_start(struct world *w, uint32_t n)
{
    struct node *node = &w->node[n];
    struct raft_recovered found = {.term = node->vote.term,
                                   .voted_for = node->vote.vote,
                                   .snapshot_index = node->snapshot.index,
                                   .snapshot_term = node->snapshot.term,
                                   .members = node->snapshot.members,
                                   .short_log = node->vote.short_log || node->damaged,
                                   .short_log_until = node->vote.until,
                                   .had_others = node->had_others};
    w->config.id = n;
    w->config.seed = 1000 + n;
    node->raft = raft_new(&w->config, &found, w->now_us);
    memset(node->memory, 0, sizeof node->memory);
    for (uint64_t i = node->snapshot.index + 1; i < ENTRIES_MAX && node->journal[i].term != 0; i++) {
        const struct entry *e = &node->journal[i];
        node->memory[i] = *e;
        raft_load(node->raft, i, &(struct raft_entry){e->term, e->kind, ENTRY_BYTES, e->members});
    }
    node->commit_seen = node->snapshot.index;
}
