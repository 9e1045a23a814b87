/* Administration: asked of any node, done by the leader, idempotent. A request is kept here until it is answered, and is asked
 * again: of the next leader when the present one goes, and of the same one when no answer comes, for it, or the question, may
 * be lost without any link of ours breaking. What is never answered, and was asked, may have been done. */
#include "node/node_int.h"

#include "base/alloc.h"
#include "base/log.h"

#include <stdio.h>
#include <string.h>

enum admin_op { ADMIN_FORGET = 1, ADMIN_TRANSFER, ADMIN_CHECKPOINT, ADMIN_RESET /* asked of nobody */ };

struct admin_request {
    struct list link;
    uint64_t cookie, ticket, argument, asked_us;
    uint64_t again_us; /* not before: the leader could not do it yet */
    enum admin_op op;
    uint64_t sent_to, sent_us; /* the leader that was asked last, 0: nobody, or it has not done it */
    uint64_t first_asked;      /* TRANSFER to anybody: the leader that was to go */
    uint32_t sends;            /* whose fate is not known */
};

void admin_deinit(struct node *n)
{
    while (!list_empty(&n->admin)) {
        struct admin_request *q = list_entry(n->admin.next, struct admin_request, link);
        list_remove(&q->link);
        mem_free(q);
    }
}

static void answer(struct node *n, uint64_t peer, uint64_t cookie, enum node_outcome outcome,
                   const char *reply);

/* ---- what the leader does ----------------------------------------------------------------------------- */

/* Would those who are left be a majority that is heard? Else the change could not be committed, nor anything behind it. Heard is
 * who has given a sign of life in this term: a new leader waits an election timeout for it. */
static bool can_spare(struct node *n, const struct raft_members *left)
{
    uint32_t voters = 0, heard = 0;
    for (uint32_t i = 0; i < left->count; i++) {
        const struct raft_member *m = &left->at[i];
        struct raft_progress p;
        voters += m->voter;
        if (m->voter && m->id == n->identity.node_id)
            heard++;
        else if (m->voter && raft_progress(n->raft, m->id, &p) && !p.refused && p.heard)
            heard += node_hears(n, &p);
    }
    return heard > voters / 2;
}

static const char *few_heard(const struct node *n)
{
    if (n->now_us < n->leader_since_us + n->config.election_us)
        return "-TRYAGAIN the leader is new and has not heard enough of the other voters yet\r\n";
    return "-ERR too few of the other voters are within reach: forget those that are lost first\r\n";
}

static const char *forget(struct node *n, uint64_t id, const struct waiter *who, bool *pending)
{
    struct raft_members now = *raft_members(n->raft);
    uint32_t i = 0;
    while (i < now.count && now.at[i].id != id)
        i++;
    if (i == now.count) /* gone already; but an entry that is not committed may be cut yet (B39) */
        return raft_members_index(n->raft) <= raft_commit(n->raft)
                   ? "+OK\r\n"
                   : "-TRYAGAIN another change of the members is under way\r\n";
    uint32_t voters = 0;
    for (uint32_t k = 0; k < now.count; k++)
        voters += now.at[k].voter;
    if (now.at[i].voter && voters == 1)
        return "-ERR the last voter of a cluster cannot be removed\r\n";
    bool voter = now.at[i].voter;
    now.at[i] = now.at[--now.count];
    if (voter && !can_spare(n, &now))
        return few_heard(n);
    if (!propose_members(n, &now, who))
        return "-TRYAGAIN another change of the members is under way\r\n";
    *pending = true;
    return NULL;
}

static const char *transfer(struct node *n, uint64_t target)
{
    if (target == n->identity.node_id)
        return "+OK\r\n";
    const struct raft_member *m = raft_members_find(raft_members(n->raft), target);
    if (target && (!m || !m->voter))
        return "-ERR not a voter of this cluster\r\n";
    const struct peer *p = node_peer(n, target);
    if (p && peer_diverged(p))
        return "-ERR its state differs from the majority's: it cannot lead\r\n";
    struct raft_event e = {.type = RAFT_EVENT_TRANSFER, .peer = target ? target : node_heir(n, false)};
    if (!e.peer)
        return "-ERR no other voter is within reach\r\n";
    node_step(n, &e, NULL);
    return "+OK\r\n";
}

static void execute(struct node *n, uint64_t peer, uint64_t cookie, enum admin_op op, uint64_t argument)
{
    const char *reply = "-ERR unknown request of another node\r\n";
    bool pending = false;
    /* The waiter's ticket is the cookie with its top bit set, so that forward and admin answers cannot be
     * taken for each other. */
    struct waiter who = {.ticket = cookie | ADMIN_TICKET, .peer = peer};
    if (raft_role(n->raft) != RAFT_LEADER) {
        answer(n, peer, cookie, NODE_NOT_LEADER, "");
        return;
    }
    if (op == ADMIN_FORGET)
        reply = forget(n, argument, &who, &pending);
    else if (op == ADMIN_TRANSFER)
        reply = transfer(n, argument);
    else if (op == ADMIN_CHECKPOINT)
        reply = snapshot_checkpoint_for(n, argument) ? "+OK\r\n" : "-TRYAGAIN\r\n";
    if (!pending)
        answer(n, peer, cookie, NODE_DONE, reply);
}

/* u64 cookie, u8 op, u64 argument. */
void admin_on_frame(struct node *n, uint64_t peer, struct reader *r)
{
    uint64_t cookie = get_u64(r);
    uint8_t op = get_u8(r);
    uint64_t argument = get_u64(r);
    if (!r->failed)
        execute(n, peer, cookie, (enum admin_op)op, argument);
}

/* A membership entry settled. */
void admin_settled(struct node *n, const struct waiter *w, enum node_outcome outcome)
{
    answer(n, w->peer, w->ticket & ~ADMIN_TICKET, outcome, outcome == NODE_DONE ? "+OK\r\n" : "");
}

/* ---- the asking side ---------------------------------------------------------------------------------- */

static struct admin_request *find(struct node *n, uint64_t cookie)
{
    list_for_each(it, &n->admin)
    {
        struct admin_request *q = list_entry(it, struct admin_request, link);
        if (q->cookie == cookie)
            return q;
    }
    return NULL;
}

static void finish(struct node *n, struct admin_request *q, enum node_outcome outcome, const char *reply)
{
    struct node_answer a = {.outcome = outcome, .reply = slice_cstr(reply)};
    uint64_t ticket = q->ticket;
    bool silent = q->op == ADMIN_CHECKPOINT; /* SAVE waits for its file, not for this */
    list_remove(&q->link);
    mem_free(q);
    if (!silent)
        n->clients.answer(n->clients.arg, ticket, &a);
    else if (outcome != NODE_DONE)
        snapshot_saves_refused(n);
}

static void settle(struct node *n, uint64_t cookie, enum node_outcome outcome, const char *reply)
{
    struct admin_request *q = find(n, cookie);
    if (!q)
        return;
    if (outcome == NODE_NOT_LEADER || outcome == NODE_UNKNOWN || strncmp(reply, "-TRYAGAIN", 9) == 0) {
        if (outcome != NODE_UNKNOWN && q->sends == 1)
            q->sends = 0; /* with more of them nobody can tell which one this is about */
        q->sent_to = 0;   /* asked again, a moment later */
        q->again_us = n->now_us + n->config.heartbeat_us;
    } else {
        finish(n, q, NODE_DONE, reply);
    }
}

/* u64 cookie, u8 outcome, the reply. */
static void answer(struct node *n, uint64_t peer, uint64_t cookie, enum node_outcome outcome,
                   const char *reply)
{
    if (peer == n->identity.node_id) {
        settle(n, cookie, outcome, reply);
        return;
    }
    struct buf frame = BUF_EMPTY;
    frame_begin(n, &frame, FRAME_ADMIN_REPLY);
    put_u64(&frame, cookie);
    put_u8(&frame, (uint8_t)outcome);
    buf_append_cstr(&frame, reply);
    frame_send(n, peer, NODE_CONTROL, &frame);
}

void admin_on_reply(struct node *n, struct reader *r)
{
    uint64_t cookie = get_u64(r);
    uint8_t outcome = get_u8(r);
    char reply[256];
    size_t len = reader_left(r) < sizeof(reply) - 1 ? reader_left(r) : sizeof(reply) - 1;
    if (r->failed)
        return;
    memcpy(reply, r->at, len);
    reply[len] = 0;
    settle(n, cookie, (enum node_outcome)outcome, reply);
}

static void ask(struct node *n, struct admin_request *q)
{
    uint64_t leader = raft_leader(n->raft);
    q->sent_to = leader;
    q->sent_us = n->now_us;
    q->first_asked = q->first_asked ? q->first_asked : leader;
    q->sends++;
    if (leader == n->identity.node_id) {
        execute(n, leader, q->cookie, q->op, q->argument);
        return;
    }
    struct buf frame = BUF_EMPTY;
    frame_begin(n, &frame, FRAME_ADMIN);
    put_u64(&frame, q->cookie);
    put_u8(&frame, (uint8_t)q->op);
    put_u64(&frame, q->argument);
    if (!frame_send(n, leader, NODE_CONTROL, &frame)) {
        q->sent_to = 0;
        q->sends--;
    }
}

static void give_up(struct node *n, struct admin_request *q)
{
    if (q->sends)
        finish(n, q, NODE_UNKNOWN, "");
    else
        finish(n, q, NODE_REFUSED, "-CLUSTERDOWN The cluster is down\r\n");
}

static void reset(struct node *n)
{
    n->join_host[0] = 0;
    members_start_over(n);
}

/* RESET comes right behind the FORGET that it needs (redis-cli's del-node), and of that we hear with the next heartbeat. */
static void await_removal(struct node *n, struct admin_request *q)
{
    if (n->removed) {
        reset(n);
        finish(n, q, NODE_DONE, "+OK\r\n");
    } else if (n->now_us > q->asked_us + n->config.election_us) {
        finish(n, q, NODE_REFUSED, "-ERR this node is a member of a cluster: CLUSTER FORGET it first\r\n");
    }
}

static bool is_due(const struct node *n, const struct admin_request *q, uint64_t leader)
{
    if (q->sent_to == leader && q->sent_to != n->identity.node_id)
        return n->now_us >= q->sent_us + n->config.election_us;
    return q->sent_to != leader && n->now_us >= q->again_us;
}

void admin_turn(struct node *n)
{
    uint64_t leader = raft_leader(n->raft);
    list_for_each_safe(it, tmp, &n->admin)
    {
        struct admin_request *q = list_entry(it, struct admin_request, link);
        if (q->op == ADMIN_RESET)
            await_removal(n, q);
        else if (n->now_us > q->asked_us + n->config.client_wait_us + 2 * n->config.election_us)
            give_up(n, q);
        else if (leader && q->op == ADMIN_TRANSFER && !q->argument && q->first_asked &&
                 q->first_asked != leader)
            finish(n, q, NODE_DONE, "+OK\r\n"); /* it has gone; the next one is not to go as well */
        else if (leader && is_due(n, q, leader))
            ask(n, q);
    }
}

static void begin(struct node *n, enum admin_op op, uint64_t argument, uint64_t ticket)
{
    struct admin_request *q = mem_calloc(1, sizeof(*q));
    q->op = op;
    q->argument = argument;
    q->ticket = ticket;
    q->cookie = ++n->admin_cookie;
    q->asked_us = n->now_us;
    list_push_back(&n->admin, &q->link);
}

static enum node_outcome refused(struct buf *error, const char *why)
{
    buf_printf(error, "-%s\r\n", why);
    return NODE_REFUSED;
}

enum node_outcome node_forget(struct node *n, uint64_t id, uint64_t ticket, struct buf *error)
{
    if (!n->running)
        return refused(error, "LOADING kvorum is loading the dataset in memory");
    begin(n, ADMIN_FORGET, id, ticket);
    return NODE_PENDING;
}

enum node_outcome node_transfer(struct node *n, uint64_t target, uint64_t ticket, struct buf *error)
{
    if (!n->running)
        return refused(error, "LOADING kvorum is loading the dataset in memory");
    if (target == 0 && raft_role(n->raft) == RAFT_LEADER && !node_heir(n, false))
        return refused(error, "ERR no other voter is within reach");
    begin(n, ADMIN_TRANSFER, target, ticket);
    return NODE_PENDING;
}

bool admin_ask_checkpoint(struct node *n)
{
    begin(n, ADMIN_CHECKPOINT, n->identity.node_id, 0);
    return raft_leader(n->raft) != 0;
}

/* CLUSTER MEET: this node joins the one named, unless it is in a cluster of several itself: then the other
 * joins. */
enum node_outcome node_meet(struct node *n, const char *host, uint16_t port, uint16_t peer_port,
                            uint64_t ticket, struct buf *error)
{
    (void)ticket;
    (void)port;
    if (n->join_host[0] && strcmp(n->join_host, host) == 0 && n->join_port == peer_port)
        return NODE_DONE; /* it is being asked */
    if (!n->running)
        return refused(error, "LOADING kvorum is loading the dataset in memory");
    const struct raft_members *m = members_known(n);
    for (uint32_t i = 0; i < m->count; i++)
        if (strcmp(m->at[i].host, host) == 0 && m->at[i].peer_port == peer_port)
            return NODE_DONE; /* met already */
    if (m->count > 1) {
        members_invite(n, host, peer_port);
        return NODE_DONE;
    }
    if (members_have_keys(n))
        return refused(error, "ERR this node holds keys: only an empty node can join another");
    snprintf(n->join_host, sizeof(n->join_host), "%s", host);
    n->join_port = peer_port;
    members_start_over(n);
    return NODE_DONE;
}

enum node_outcome node_reset(struct node *n, uint64_t ticket, struct buf *error)
{
    (void)error;
    if (n->running && !n->removed && raft_members(n->raft)->count > 1) {
        begin(n, ADMIN_RESET, 0, ticket);
        return NODE_PENDING;
    }
    if (n->removed)
        reset(n);
    return NODE_DONE;
}
