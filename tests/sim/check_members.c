/* What must hold of the members at every step, and of what administrators are told of them. */
#include "world_int.h"

#include "base/alloc.h"
#include "node/node_int.h"
#include "raft/raft_int.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

/* A committed configuration, as the first node showed it. */
struct known_members {
    struct known_members *next;
    uint64_t cluster, index;
    struct raft_members members;
};

/* A FORGET that was asked, and what was answered. */
struct forget {
    struct forget *next;
    uint64_t ticket, id;
    char reply[64];
};

static bool same_place(const struct raft_member *a, const struct raft_member *b)
{
    return strcmp(a->name, b->name) == 0 || (strcmp(a->host, b->host) == 0 && a->peer_port == b->peer_port);
}

/* Somebody votes, and nobody holds the id, name or address of another (B38). */
static void check_rows(struct proc *p, const struct raft_members *m, uint64_t index)
{
    uint32_t voters = 0;
    for (uint32_t i = 0; i < m->count; i++) {
        voters += m->at[i].voter;
        for (uint32_t k = 0; k < i; k++)
            if (m->at[i].id == m->at[k].id || same_place(&m->at[i], &m->at[k]))
                world_wrong(p->world, "n%u: two members of %llu hold the place of %s", p->number,
                            (unsigned long long)index, m->at[i].name);
    }
    if (voters == 0)
        world_wrong(p->world, "n%u: nobody votes by the members of %llu", p->number,
                    (unsigned long long)index);
}

static bool equal(const struct raft_members *a, const struct raft_members *b)
{
    for (uint32_t i = 0; i < a->count; i++) {
        const struct raft_member *m = raft_members_find(b, a->at[i].id);
        if (!m || m->voter != a->at[i].voter || !same_place(m, &a->at[i]))
            return false;
    }
    return a->count == b->count;
}

/* One configuration at an index, for ever, whether it comes from the log or from a snapshot, whose own index it then has
 * (B36). */
static void check_final(struct proc *p, const struct raft_members *m, uint64_t at)
{
    struct world *w = p->world;
    uint64_t index = check_newest_members(p, at);
    for (struct known_members *k = w->members; k; k = k->next) {
        if (k->cluster != p->seen.cluster || k->index != index)
            continue;
        if (!equal(&k->members, m))
            world_wrong(w, "n%u: other members at %llu than the first node that had them committed",
                        p->number, (unsigned long long)index);
        return;
    }
    struct known_members *k = mem_alloc(sizeof(*k));
    *k =
        (struct known_members){.next = w->members, .cluster = p->seen.cluster, .index = index, .members = *m};
    w->members = k;
}

void check_members(struct proc *p)
{
    const struct raft *r = p->node->raft;
    const struct raft_members *m = raft_members(r);
    uint64_t index = raft_members_index(r), first = raft_first_index(r);
    bool final = index <= raft_commit(r);
    if (index > raft_last_index(r)) /* cut from it with the others (B36) */
        world_wrong(p->world, "n%u goes by the members of %llu, its log ends at %llu", p->number,
                    (unsigned long long)index, (unsigned long long)raft_last_index(r));
    if (final && raft_role(r) == RAFT_LEADER && !raft_is_voter(r)) /* 4.2.2 (B37) */
        world_wrong(p->world, "n%u leads term %llu, and its removal at %llu is committed", p->number,
                    (unsigned long long)raft_term(r), (unsigned long long)index);
    if (p->seen.rows_index == index && p->seen.rows_first == first && p->seen.rows_final == final)
        return;
    p->seen.rows_index = index;
    p->seen.rows_first = first;
    p->seen.rows_final = final;
    check_rows(p, m, index);
    if (final)
        check_final(p, m, index);
}

void check_members_forget(struct world *w, uint64_t cluster, uint64_t from)
{
    for (struct known_members **at = &w->members, *k; (k = *at);) {
        if (k->cluster == cluster && k->index >= from) {
            *at = k->next;
            mem_free(k);
        } else {
            at = &k->next;
        }
    }
}

void check_members_free(struct world *w)
{
    for (struct known_members *k; (k = w->members);) {
        w->members = k->next;
        mem_free(k);
    }
    for (struct forget *f; (f = w->forgets);) {
        w->forgets = f->next;
        mem_free(f);
    }
}

/* ---- FORGET ------------------------------------------------------------------------------------------- */

enum node_outcome world_forget(struct world *w, uint32_t at, uint64_t id, uint64_t ticket)
{
    struct buf error = BUF_EMPTY;
    if (!w->nodes[at].node)
        return NODE_REFUSED;
    struct forget *f = mem_calloc(1, sizeof(*f));
    *f = (struct forget){.next = w->forgets, .ticket = ticket, .id = id};
    w->forgets = f;
    enum node_outcome outcome = node_forget(w->nodes[at].node, id, ticket, &error);
    buf_deinit(&error);
    return outcome;
}

const char *world_forget_reply(const struct world *w, uint64_t ticket)
{
    const struct forget *f = w->forgets;
    while (f && f->ticket != ticket)
        f = f->next;
    return f ? f->reply : "";
}

/* Is it a member by the newest configuration that is committed anywhere? */
static bool still_member(const struct world *w, uint64_t cluster, uint64_t id)
{
    const struct raft_members *newest = NULL;
    uint64_t index = 0;
    for (const struct known_members *k = w->members; k; k = k->next)
        if (k->cluster == cluster && k->index >= index) {
            index = k->index;
            newest = &k->members;
        }
    for (uint32_t i = 0; i < w->count; i++) { /* what this pass has committed is not known yet */
        const struct node *n = w->nodes[i].node;
        if (!n || !n->raft || n->identity.cluster_id != cluster)
            continue;
        const struct raft_log *log = &n->raft->log; /* the next one may be in it, not committed */
        for (size_t k = 0; k < log->config_count; k++) {
            if (log->configs[k].index <= index || log->configs[k].index > raft_commit(n->raft))
                continue;
            index = log->configs[k].index;
            newest = &log->configs[k].members;
        }
    }
    return newest && raft_members_find(newest, id);
}

/* By them the cluster may go on, though whoever wrote them is down just now. */
void check_members_written(struct proc *p, const struct raft_frame *f)
{
    struct world *w = p->world;
    if (f->term < w->written_term || (f->term == w->written_term && f->index < w->written_index) ||
        !raft_members_decode(f->payload, &w->written))
        return;
    w->written_term = f->term;
    w->written_index = f->index;
}

/* Who is told OK has it for good (B39). */
void check_admin(struct proc *p, uint64_t ticket, const struct node_answer *answer)
{
    struct forget *f = p->world->forgets;
    while (f && (f->ticket != ticket || f->reply[0]))
        f = f->next;
    if (!f)
        return;
    snprintf(f->reply, sizeof(f->reply), "%.*s", (int)answer->reply.len, answer->reply.data);
    if (answer->outcome == NODE_DONE && f->reply[0] == '+' &&
        still_member(p->world, p->node->identity.cluster_id, f->id))
        world_wrong(p->world, "n%u answers a FORGET with OK, and its removal is not committed", p->number);
}

/* ---- what tests ask ----------------------------------------------------------------------------------- */

/* NULL: nobody serves, or its newest configuration is not committed. A paused node may have lost its office long ago without
 * having noticed: by its members nobody goes any more who has written others since. */
static const struct raft_members *membership(struct world *w)
{
    const struct raft *newest = NULL;
    for (uint32_t k = 0; k < w->count; k++) {
        const struct node *n = w->nodes[k].node;
        if (n && node_is_serving(n) && (!newest || raft_term(n->raft) > raft_term(newest)))
            newest = n->raft;
    }
    if (!newest || raft_term(newest) < w->written_term || raft_members_index(newest) > raft_commit(newest))
        return NULL;
    return raft_members(newest);
}

bool world_is_member(struct world *w, uint64_t id)
{
    const struct raft_members *members = membership(w);
    return !members || raft_members_find(members, id);
}

bool world_is_voter(struct world *w, uint64_t id)
{
    const struct raft_members *members = membership(w);
    const struct raft_member *m = members ? raft_members_find(members, id) : NULL;
    return m && m->voter;
}

uint32_t world_voters_written(const struct world *w)
{
    uint32_t voters = 0;
    for (uint32_t k = 0; k < w->written.count; k++)
        voters += w->written.at[k].voter;
    return voters;
}

uint64_t world_place_holder(struct world *w, uint32_t i)
{
    const struct raft_members *members = membership(w);
    for (uint32_t k = 0; members && k < members->count; k++)
        if (members->at[k].port == PORT_BASE + i)
            return members->at[k].id;
    return 0;
}
