/* Requests handed in by other nodes, and by this one, on the leader: taken in the order of their rounds, run and answered. What a
 * round is, and who begins one: forward.c. */
#include "node/node_int.h"

#include "base/alloc.h"

/* A forwarded read on the leader, from its arrival to its round. */
struct forwarded_read {
    enum forward_op op;
    bool timed;
    struct rsm_decoded what;
    struct buf payload;
};

void forward_read_free(struct forwarded_read *f)
{
    if (!f)
        return;
    rsm_decoded_deinit(&f->what);
    buf_deinit(&f->payload);
    mem_free(f);
}

/* spent_us: how long it ran, 0: that is not told, for a build that has not asked does not expect it. */
static void send_timed(struct node *n, uint64_t peer, uint64_t cookie, uint8_t outcome, uint64_t index,
                       uint64_t spent_us, struct slice reply)
{
    struct buf frame = BUF_EMPTY;
    if (reply.len > RAFT_ENTRY_MAX) /* no frame is as long */
        reply = SLICE_LITERAL("-ERR it ran, but its reply is too large for a proxy port\r\n");
    frame_begin(n, &frame, FRAME_FORWARD_REPLY);
    put_u64(&frame, cookie);
    put_u8(&frame, outcome);
    put_u64(&frame, index);
    if (spent_us) {
        frame.data[1] |= FORWARD_TIMED;
        put_u64(&frame, spent_us);
    }
    buf_append_slice(&frame, reply);
    if (peer == n->identity.node_id) {
        struct reader r = reader_of(slice_of(frame.data + FRAME_HEADER, frame.len - FRAME_HEADER));
        forward_on_reply(n, (uint8_t)frame.data[1], &r);
        buf_deinit(&frame);
        return;
    }
    frame_send(n, peer, reply.len > CONTROL_MAX_BYTES ? NODE_BULK : NODE_CONTROL, &frame);
}

static void send_answer(struct node *n, uint64_t peer, uint64_t cookie, uint8_t outcome, uint64_t index,
                        struct slice reply)
{
    send_timed(n, peer, cookie, outcome, index, 0, reply);
}

void forward_answer(struct node *n, const struct waiter *w, enum node_outcome outcome, struct slice reply)
{
    uint64_t spent_us = w->timed && outcome == NODE_DONE ? n->spent_us : 0;
    send_timed(n, w->peer, w->ticket, (uint8_t)outcome, w->index, spent_us, reply);
}

/* NULL: of no member. */
static struct forward_order *order_of(struct node *n, uint64_t peer)
{
    struct peer *p = node_peer(n, peer);
    return p ? &p->forward : peer == n->identity.node_id ? &n->own_forward : NULL;
}

/* Is it the next one of its round? What comes of an older round is late, and comes again in the present one. None begins while
 * the sessions are asked about a request: it would be asked about in each. */
static bool in_order(struct node *n, uint64_t peer, uint64_t cookie, struct reader *r)
{
    uint64_t nonce = get_u64(r), round = get_u64(r), place = get_u64(r);
    struct forward_order *o = order_of(n, peer);
    if (r->failed || !o)
        return false;
    if (o->nonce != nonce || (round > o->round && place == 0 && !recall_under_way(n, peer)))
        *o = (struct forward_order){.nonce = nonce, .round = round};
    if (round == o->round && place == o->place) {
        o->place++;
        return true;
    }
    if (round >= o->round)
        send_answer(n, peer, cookie, FORWARD_GAP, round, slice_of(NULL, 0));
    return false;
}

/* What was refused for want of the office leaves a gap, and so does what was taken and went with the office: it may be
 * that its sender does not even see that we lost it. */
void forward_office_lost(struct node *n)
{
    n->own_forward.place = UINT64_MAX;
    for (size_t i = 0; i < n->peer_count; i++)
        n->peers[i].forward.place = UINT64_MAX;
}

/* Nothing more of this round. */
static void stop_round(struct node *n, uint64_t peer, uint64_t cookie)
{
    struct forward_order *o = order_of(n, peer);
    o->place = UINT64_MAX;
    send_answer(n, peer, cookie, FORWARD_GAP, o->round, slice_of(NULL, 0));
}

/* Until the next round: one that was refused in this may stand before it. */
static bool held_back(struct node *n, uint64_t peer, uint64_t cookie, bool behind)
{
    if (!behind || !order_of(n, peer)->refused)
        return false;
    stop_round(n, peer, cookie);
    return true;
}

/* A write that is refused as well may follow a refused one. */
static void take_write(struct node *n, const struct waiter *who, bool behind, const struct rsm_request *req)
{
    struct buf error = BUF_EMPTY;
    struct waiter w = *who;
    uint64_t peer = w.peer, cookie = w.ticket;
    enum node_outcome outcome = propose_verdict(n, req, &error);
    if (outcome == NODE_REFUSED)
        order_of(n, peer)->refused = true;
    else if (held_back(n, peer, cookie, behind))
        return;
    outcome = propose_judged(n, outcome, req, &w, buf_slice(&error));
    if (outcome != NODE_PENDING)
        send_answer(n, peer, cookie, (uint8_t)outcome, 0, buf_slice(&error));
    if (outcome == NODE_NOT_LEADER)
        forward_office_lost(n);
    buf_deinit(&error);
}

/* What a node asks for: whoever asks otherwise is of a newer build, or out of its mind. */
static bool is_ours(uint8_t op, const struct rsm_request *req)
{
    if (op == FORWARD_WRITE)
        return true;
    return (op == FORWARD_READ || op == FORWARD_WATCH) && req->kind == RSM_COMMAND && req->argc > 0;
}

void forward_on_frame(struct node *n, uint64_t peer, uint8_t flags, struct reader *r)
{
    uint64_t cookie = get_u64(r);
    if (!in_order(n, peer, cookie, r))
        return;
    if (rsm_acl(n->rsm) && !(flags & FORWARD_KNOWS_USERS)) {
        stop_round(n, peer, cookie); /* it will have heard of them soon */
        return;
    }
    uint8_t op = get_u8(r), may_open = get_u8(r);
    uint64_t lowest = get_u64(r);
    if (r->failed)
        return;
    struct forwarded_read *f = mem_calloc(1, sizeof(*f));
    buf_append(&f->payload, r->at, reader_left(r));
    if (!rsm_decode(buf_slice(&f->payload), &f->what)) {
        buf_deinit(&f->payload);
        mem_free(f);
        return;
    }
    struct rsm_request *req = &f->what.req;
    if (!is_ours(op, req)) {
        forward_read_free(f);
        return;
    }
    if (req->asker)
        req->asker = peer;
    bool behind = !(flags & FORWARD_FIRST);
    f->op = (enum forward_op)op;
    f->timed = flags & FORWARD_TIMED;
    if (op == FORWARD_WRITE) {
        if (req->numbering == RSM_PROXY_NUMBER) {
            req->lowest = lowest;
            req->may_open = may_open;
        }
        struct waiter w = {.ticket = cookie, .peer = peer, .timed = flags & FORWARD_TIMED};
        take_write(n, &w, behind, req);
        forward_read_free(f);
        return;
    }
    if (held_back(n, peer, cookie, behind)) {
        forward_read_free(f);
        return;
    }
    /* A read sees everything that stands before it on its connection: all that this leader has taken so far
     * is more than that. */
    struct read_wait *w = reads_add(n, cookie, peer, node_pending_index(n));
    w->forwarded = f;
    w->lost = raft_role(n->raft) != RAFT_LEADER;
}

void forward_read_ready(struct node *n, struct read_wait *w, enum node_outcome outcome, uint64_t now_ms)
{
    struct forwarded_read *f = w->forwarded;
    const struct rsm_request *req = &f->what.req;
    struct buf reply = BUF_EMPTY;
    uint64_t due_ms = 0, version = 0;
    bool done = outcome == NODE_DONE;
    uint64_t begun_us = f->timed ? node_clock_us(n) : 0;
    if (done && f->op == FORWARD_WATCH) {
        done = rsm_version(n->rsm, now_ms, req->db, req->argv[0], &version, &due_ms);
        buf_printf(&reply, ":%llu\r\n", (unsigned long long)version);
    } else if (done && permit(n, req, &reply)) {
        done = rsm_query(n->rsm, now_ms, req->db, req->resp, req->user, req->argv, req->argc, &n->chance,
                         &reply, &due_ms);
    }
    if (!done && due_ms) {
        uint64_t index = propose_clock(n, due_ms);
        if (index) { /* once more, behind the entry that lets the key go */
            struct read_wait *again = reads_add(n, w->ticket, w->peer, index);
            again->forwarded = f;
            buf_deinit(&reply);
            return;
        }
    }
    send_timed(n, w->peer, w->ticket, done ? NODE_DONE : NODE_NOT_LEADER, 0,
               done && f->timed ? node_spent_us(n, begun_us) : 0,
               done ? buf_slice(&reply) : slice_of(NULL, 0));
    buf_deinit(&reply);
    forward_read_free(f);
}
