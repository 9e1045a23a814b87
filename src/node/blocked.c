/* Commands that wait for a key (BLPOP and its kin), and whom on this node their replies are for.
 *
 * They are part of the replicated state, so every node learns from the log what becomes of them; the one that the client is
 * connected to tells it, the leader or a node with a proxy port alike. Whoever is cleared did not run: the server sends its
 * client to the new leader, a proxying node asks the new leader itself, with the time that is left. What a deposed leader does
 * not hear of for client-wait-timeout is unknown.
 *
 * A node that is gone takes no reply any more: the leader logs that its commands wait no longer. What waits for
 * nobody here, though this node stands, it ends itself. */
#include "node/node_int.h"

#include "base/alloc.h"

#include <assert.h>

struct blocked_here {
    uint64_t claim, term;
    uint64_t ticket;
    struct request *forwarded; /* NULL: the server's own */
    bool gone;                 /* so is its client: it is not to be asked again */
};

static struct slice key_of(const uint64_t *claim)
{
    return slice_of((const char *)claim, sizeof *claim);
}

void blocked_here_init(struct node *n)
{
    n->blocked = dict_new(NULL);
}

void blocked_here_deinit(struct node *n)
{
    while (dict_count(n->blocked)) {
        struct slice key;
        struct blocked_here *b = dict_at(n->blocked, 0, &key);
        blocked_here_forget(n, b->claim);
    }
    dict_free(n->blocked);
}

static void wait_here(struct node *n, uint64_t claim, uint64_t term, uint64_t ticket,
                      struct request *forwarded)
{
    struct blocked_here *b = mem_alloc(sizeof *b);
    *b = (struct blocked_here){.claim = claim, .term = term, .ticket = ticket, .forwarded = forwarded};
    void *before = dict_put(n->blocked, key_of(&claim), b);
    assert(!before);
    struct node_answer a = {.outcome = NODE_WAITS, .index = claim};
    n->clients.answer(n->clients.arg, ticket, &a);
}

void blocked_here_add(struct node *n, const struct waiter *w)
{
    wait_here(n, w->index, w->term, w->ticket, NULL);
}

void blocked_here_forward(struct node *n, uint64_t claim, uint64_t ticket, struct request *q)
{
    wait_here(n, claim, rsm_applied_term(n->rsm), ticket, q);
}

/* Who asked may have been told "maybe" before it came this far. Then it must not take anything. */
void blocked_here_check(struct node *n, uint64_t claim)
{
    struct buf error = BUF_EMPTY;
    if (!dict_get(n->blocked, key_of(&claim)) && !apply_is_replaying(n)) {
        enum node_outcome outcome = node_unblock(n, claim, RSM_UNBLOCK_GONE, NODE_NOBODY, &error);
        (void)outcome; /* where it cannot be said, a new term says it */
    }
    buf_deinit(&error);
}

void blocked_here_forget(struct node *n, uint64_t claim)
{
    mem_free(dict_remove(n->blocked, key_of(&claim)));
}

static void answer(struct node *n, uint64_t ticket, enum node_outcome outcome, struct slice reply)
{
    struct node_answer a = {.outcome = outcome, .reply = reply, .index = rsm_applied(n->rsm)};
    n->clients.answer(n->clients.arg, ticket, &a);
}

void blocked_here_released(struct node *n)
{
    size_t count;
    const struct rsm_release *released = rsm_released(n->rsm, &count);
    for (size_t i = 0; i < count; i++) {
        const struct rsm_release *r = &released[i];
        struct blocked_here *b = dict_remove(n->blocked, key_of(&r->claim));
        if (!b)
            continue;
        if (b->forwarded)
            forward_released(n, b->forwarded, r, b->gone);
        else if (!digest_trusted(n))
            answer(n, b->ticket, NODE_UNKNOWN, slice_of(NULL, 0));
        else
            answer(n, b->ticket, r->cleared ? NODE_CLEARED : NODE_DONE, r->reply);
        mem_free(b);
    }
}

/* Another state has taken the place of ours: whom it knows waits on. Of the others a proxied one is asked about again. */
void blocked_here_reloaded(struct node *n)
{
    for (size_t i = dict_count(n->blocked); i-- > 0;) {
        struct slice key;
        uint64_t until_ms;
        struct blocked_here *b = dict_at(n->blocked, i, &key);
        if (b->term == rsm_applied_term(n->rsm) && rsm_waits(n->rsm, b->claim, &until_ms))
            continue;
        dict_remove(n->blocked, key_of(&b->claim));
        if (b->forwarded)
            forward_ask_about(n, b->forwarded);
        else
            answer(n, b->ticket, NODE_UNKNOWN, slice_of(NULL, 0));
        mem_free(b);
    }
}

/* The office was lost, and nothing heard of the new one since. */
void blocked_here_expire(struct node *n)
{
    for (size_t i = dict_count(n->blocked); i-- > 0;) {
        struct slice key;
        struct blocked_here *b = dict_at(n->blocked, i, &key);
        if (b->forwarded || (n->was_leader && b->term == raft_term(n->raft)))
            continue;
        dict_remove(n->blocked, key_of(&b->claim));
        answer(n, b->ticket, NODE_UNKNOWN, slice_of(NULL, 0));
        mem_free(b);
    }
}

enum node_outcome node_unblock(struct node *n, uint64_t claim, enum rsm_unblock how, uint64_t ticket,
                               struct buf *error)
{
    struct rsm_request req = {.kind = RSM_UNBLOCK, .resp = 2, .claim = claim, .unblock = how};
    struct node_asker who = {.ticket = ticket};
    struct blocked_here *b = dict_get(n->blocked, key_of(&claim));
    if (b)
        b->gone |= how == RSM_UNBLOCK_GONE;
    if (n->running && raft_role(n->raft) == RAFT_LEADER && raft_accepts(n->raft))
        return node_write(n, &req, ticket, error);
    return node_forward(n, &req, false, &who, error);
}

/* What was proposed for its clients, and is not applied yet, may wait too. */
void blocked_link_lost(struct node *n, struct peer *p)
{
    p->lost_waits = true;
    p->lost_waits_upto = node_pending_index(n);
}

static void check_orphan(void *arg, uint64_t claim)
{
    blocked_here_check(arg, claim);
}

/* Whoever was told that it is unknown what became of his command has nobody who waits for its reply: it must not take anything.
 * What says so may get lost as the command did, so it is looked for, and again. Not at once: where another state has taken the place
 * of ours a proxied command is being asked about still. */
static void end_orphans(struct node *n)
{
    if (!n->running || node_leader(n) == 0 ||
        rsm_waiting_through(n->rsm, n->identity.node_id) <= dict_count(n->blocked))
        n->orphans_us = n->now_us;
    if (n->now_us < n->orphans_us + 2 * n->config.election_us)
        return;
    n->orphans_us = n->now_us;
    rsm_each_waiting_through(n->rsm, n->identity.node_id, check_orphan, n);
}

/* Nodes that cannot be reached, or have been lost in between: they may have started anew, and know nothing of what waits. */
void blocked_turn(struct node *n)
{
    end_orphans(n);
    if (!node_may_serve(n) || n->open_count)
        return;
    for (size_t i = 0; rsm_waiting(n->rsm) == 0 && i < n->peer_count; i++)
        n->peers[i].lost_waits &= rsm_applied(n->rsm) < n->peers[i].lost_waits_upto;
    bool again = n->now_us >= n->unblocked_us + n->config.election_us;
    for (size_t i = 0; rsm_waiting_node(n->rsm, i); i++) {
        uint64_t id = rsm_waiting_node(n->rsm, i);
        struct peer *p = node_peer(n, id);
        if (id == n->identity.node_id || (p && !p->lost_waits && (p->link_up || !again)) || (!p && !again))
            continue;
        struct rsm_request req = {.kind = RSM_UNBLOCK, .resp = 2, .node = id};
        n->unblocked_us = n->now_us;
        if (propose_request(n, &req, NULL) && p)
            p->lost_waits = false;
    }
}
