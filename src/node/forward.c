/* Proxy ports: requests handed to the leader, until they are answered (DESIGN 5 and 6). What the leader makes of them:
 * forwarded.c.
 *
 * A proxying node numbers the writes it forwards, in a session of its own (node id and boot nonce), so that
 * sending one again after a change of leader cannot run it twice. What surely did not run is a first send
 * again; what is unknown is a re-send, which never opens the session. A client's own session travels in the
 * place of the node's.
 *
 * Requests of one connection run in the order in which it sent them, though frames may be lost and the two channels keep
 * no common order. So requests go out in rounds: within one they are counted, the leader takes them in that order, and
 * where one is missing it takes no more of the round. Nor does it take what might run before one that it refused, and that stood
 * before it on its connection: a refusal leaves no trace, and where it is lost the request is sent again, and may run then. The
 * leader knows no connections, but is told of what has no unanswered write before it. Whatever goes wrong begins a new round
 * with all that is unanswered, but for reads that were taken before it went wrong: their answers are under way. A link that takes
 * no more for now is nothing that went wrong: the round goes on where it stopped. While one that
 * went as bulk is unanswered the others follow on its channel, lest they overtake it for ever. What a leader hands to itself is
 * taken like what others hand to it: it may lose the office as well. */
#include "node/node_int.h"

#include "base/alloc.h"
#include "base/log.h"

#include <assert.h>
#include <string.h>

struct request {
    struct list link;
    uint64_t cookie, place; /* a read that is asked anew has a new cookie; place: in the round */
    struct node_asker who;
    unsigned asks;             /* for which nothing came in time: the next one is given twice as long */
    uint64_t number;           /* in the node's session; 0: carries a client's own, or reads */
    uint64_t sent_us, lost_us; /* lost_us: since when no leader has been there, or taken it */
    enum forward_op op;
    bool sent, unknown; /* sent in this round and not answered; sent once to a leader that may have run it */
    uint64_t session, session_number; /* of a client's own session */
    uint64_t claim, until_ms;         /* it waits for a key, and is in `waiting` */
    bool sent_twice;                  /* under its number: the second one may be under way still */
    bool held;                        /* answered, and handed on by a turn's end */
    bool seen_here;                   /* not answered before this node has applied it, whoever listens */
    enum node_outcome outcome;
    uint64_t index, spent_us;
    struct buf payload, reply;
    struct buf anew; /* what is to be asked instead when it was cleared; empty: the same */
};

struct proxied {
    struct list requests; /* in order of arrival: re-sends keep it */
    struct list waiting;  /* those that wait for a key: the log tells what becomes of them */
    size_t held_open;     /* of these, those that were sent twice */
    struct list ahead;    /* answered writes that this node has yet to apply */
    uint64_t cookie, number;
    uint64_t round, place; /* of the next one to be sent */
    uint64_t bulk_end;     /* the place behind the last one that went as bulk; 0: none did */
    uint64_t again_us;     /* what was not taken goes out again then: a new round does not begin before */
    uint64_t wait_us;      /* for the next time: twice as long, until something is answered */
    uint64_t room_us;      /* the link took no more: the round goes on then; 0: it took all */
    char session[33];
    bool resend; /* a new round is due */
    bool taking; /* a client's call is under way: it must not be answered from within it */
};

/* A frame that found no room is not made again before a link of BYTES_PER_US could have made some. */
enum { FORWARD_AGAIN_US = 1000, FORWARD_AGAIN_MAX_US = 64000, ASKS_MAX = 3, FORWARD_BYTES_PER_US = 256 };

void forward_init(struct node *n)
{
    n->proxied = mem_calloc(1, sizeof(*n->proxied));
    list_init(&n->proxied->requests);
    list_init(&n->proxied->waiting);
    list_init(&n->proxied->ahead);
    n->proxied->wait_us = FORWARD_AGAIN_US;
    n->proxied->cookie = node_first_cookie(n);
}

static void set_claim(struct node *n, struct request *q, uint64_t claim)
{
    n->proxied->held_open += (claim && q->sent_twice) - (size_t)(q->claim && q->sent_twice);
    q->claim = claim;
}

static void request_free(struct request *q)
{
    list_remove(&q->link);
    buf_deinit(&q->payload);
    buf_deinit(&q->reply);
    buf_deinit(&q->anew);
    mem_free(q);
}

void forward_deinit(struct node *n)
{
    while (!list_empty(&n->proxied->requests))
        request_free(list_entry(n->proxied->requests.next, struct request, link));
    while (!list_empty(&n->proxied->waiting))
        request_free(list_entry(n->proxied->waiting.next, struct request, link));
    while (!list_empty(&n->proxied->ahead))
        request_free(list_entry(n->proxied->ahead.next, struct request, link));
    mem_free(n->proxied);
}

static struct slice session_name(struct node *n)
{
    struct proxied *p = n->proxied;
    if (!p->session[0]) {
        const char *hex = "0123456789abcdef";
        for (int i = 0; i < 16; i++) {
            p->session[i] = hex[(n->identity.node_id >> (60 - 4 * i)) & 15];
            p->session[16 + i] = hex[(n->config.self.boot_nonce >> (60 - 4 * i)) & 15];
        }
    }
    return slice_of(p->session, 32);
}

/* The number of one that waits for a key is not held open, for that might be for days; but where it was sent twice it is. */
static uint64_t lowest_unanswered(struct node *n)
{
    uint64_t lowest = n->proxied->number + 1;
    list_for_each(it, &n->proxied->requests)
    {
        struct request *q = list_entry(it, struct request, link);
        if (q->number) {
            lowest = q->number;
            break;
        }
    }
    for (struct list *it = n->proxied->waiting.next; n->proxied->held_open && it != &n->proxied->waiting;
         it = it->next) {
        struct request *q = list_entry(it, struct request, link);
        if (q->sent_twice && q->number && q->number < lowest)
            lowest = q->number;
    }
    return lowest;
}

static enum node_channel channel_of(const struct proxied *p, const struct request *q)
{
    const struct request *first = list_entry(p->requests.next, struct request, link);
    return q->payload.len > CONTROL_MAX_BYTES || first->place < p->bulk_end ? NODE_BULK : NODE_CONTROL;
}

/* What was sent last has surely not run, nor will it. */
static void not_run(struct request *q)
{
    q->sent = false;
    if (!q->sent_twice)
        q->sent_us = 0;
}

/* The link is full, or down: once it is up again a new round begins. The leader expects this place next. */
static void no_room(struct node *n, struct request *q)
{
    struct proxied *p = n->proxied;
    not_run(q);
    q->lost_us = 0;
    p->place = q->place;
    p->room_us = n->now_us + FORWARD_AGAIN_US + q->payload.len / FORWARD_BYTES_PER_US;
}

/* u64 cookie, u64 boot nonce, u64 round, u64 place, u8 op, u8 may open a session, u64 lowest unanswered number, then the
 * request in the state machine's encoding. */
static void deliver(struct node *n, struct request *q)
{
    struct proxied *p = n->proxied;
    uint64_t leader = raft_leader(n->raft);
    struct buf frame = BUF_EMPTY;
    q->place = p->place++;
    frame_begin(n, &frame, FRAME_FORWARD);
    frame.data[1] |= (q->who.behind ? 0 : FORWARD_FIRST) | (rsm_acl(n->rsm) ? FORWARD_KNOWS_USERS : 0) |
                     (q->who.timed ? FORWARD_TIMED : 0);
    put_u64(&frame, q->cookie);
    put_u64(&frame, n->config.self.boot_nonce);
    put_u64(&frame, p->round);
    put_u64(&frame, q->place);
    put_u8(&frame, (uint8_t)q->op);
    put_u8(&frame, !q->unknown);
    put_u64(&frame, lowest_unanswered(n));
    buf_append_slice(&frame, buf_slice(&q->payload));
    q->sent_twice |= q->sent_us != 0;
    q->sent = true;
    q->sent_us = n->now_us;
    if (leader == n->identity.node_id) {
        struct reader r = reader_of(slice_of(frame.data + FRAME_HEADER, frame.len - FRAME_HEADER));
        forward_on_frame(n, leader, (uint8_t)frame.data[1], &r);
        buf_deinit(&frame);
        return;
    }
    enum node_channel channel = channel_of(p, q);
    if (!frame_send(n, leader, channel, &frame))
        no_room(n, q);
    else if (channel == NODE_BULK)
        p->bulk_end = p->place;
}

/* A read that is asked again sees a newer state than before, and so must those behind it: answers under way to them would find
 * nobody. A write's answer is the answer whenever it comes. */
static void ask_anew(struct node *n, struct request *q)
{
    q->unknown |= q->sent && q->op == FORWARD_WRITE;
    q->sent = false;
    if (q->op == FORWARD_WRITE)
        return;
    q->cookie = ++n->proxied->cookie;
    q->held = false;
}

/* From here on nothing is sent until forward_turn has begun the next round. */
static void end_round(struct node *n)
{
    list_for_each(it, &n->proxied->requests) ask_anew(n, list_entry(it, struct request, link));
    n->proxied->resend = true;
}

/* Reads before the first one that was not taken have been, and keep their answers under way: were all asked again, they might be
 * so for ever where every round has a gap. */
static void begin_round(struct node *n)
{
    struct proxied *p = n->proxied;
    bool taken = true;
    list_for_each(it, &p->requests)
    {
        struct request *q = list_entry(it, struct request, link);
        taken &= q->sent;
        if (q->op == FORWARD_WRITE || !taken)
            ask_anew(n, q);
        q->place = 0;
    }
    p->resend = false;
    p->round++;
    p->place = p->bulk_end = p->room_us = 0;
}

/* What stands in the place of a queued command and is more than a reply: a message, or a change of settings or users. */
static bool is_seen_in_exec(struct slice name)
{
    return name.len && *name.data == '\0' && !slice_equal(name, RSM_LITERAL);
}

/* Does this node show what becomes of it, say it to subscribers, or judge what comes behind by it, as by a script's body? */
static bool is_seen_here(const struct rsm_request *req)
{
    size_t at = 0;
    const struct command *row = req->kind == RSM_COMMAND ? command_find(req->argv, req->argc) : NULL;
    if (row && (row->flags & CMD_BY_SCRIPT || slice_is_word(req->argv[0], "function")))
        return true;
    for (size_t i = 0; req->kind == RSM_EXEC && i < req->commands; at += req->counts[i++])
        if (is_seen_in_exec(req->argv[at]))
            return true;
    return req->kind != RSM_COMMAND && req->kind != RSM_EXEC;
}

static enum node_outcome take(struct node *n, const struct rsm_request *req, enum forward_op op,
                              const struct node_asker *who)
{
    struct proxied *p = n->proxied;
    struct request *q = mem_calloc(1, sizeof(*q));
    struct rsm_request own = *req;
    q->cookie = ++p->cookie;
    q->who = *who;
    q->op = op;
    q->seen_here = is_seen_here(req);
    if (op == FORWARD_WRITE && req->numbering == RSM_TAGGED && req->kind != RSM_SESSION &&
        req->kind != RSM_SETTING) {
        own.numbering = RSM_PROXY_NUMBER;
        own.client_id = session_name(n);
        own.request_id = q->number = ++p->number;
    } else if (req->numbering == RSM_SESSION_NUMBER) {
        q->session = req->session;
        q->session_number = req->request_id;
    }
    rsm_encode(&q->payload, &own, 0, 0);
    list_push_back(&p->requests, &q->link);
    n->count.forwarded++;
    p->taking = true;
    if (n->running && raft_leader(n->raft) && !p->resend && !p->room_us)
        deliver(n, q);
    p->taking = false;
    return NODE_PENDING;
}

enum node_outcome node_forward(struct node *n, const struct rsm_request *req, bool read,
                               const struct node_asker *who, struct buf *error)
{
    if (!n->running) {
        buf_append_cstr(error, "-LOADING kvorum is loading the dataset in memory\r\n");
        return NODE_REFUSED;
    }
    if (!propose_fits(req, error))
        return NODE_REFUSED;
    return take(n, req, read ? FORWARD_READ : FORWARD_WRITE, who);
}

enum node_outcome node_forward_watch(struct node *n, uint32_t db, struct slice key,
                                     const struct node_asker *who)
{
    struct rsm_request req = {.kind = RSM_COMMAND, .db = db, .resp = 2, .argv = &key, .argc = 1};
    return take(n, &req, FORWARD_WATCH, who);
}

/* ---- those that wait for a key ---- */

static bool is_of(const struct rsm_request *req, struct slice own_session, const struct request *q)
{
    if (req->numbering == RSM_PROXY_NUMBER)
        return q->number == req->request_id && slice_equal(req->client_id, own_session);
    return req->numbering == RSM_SESSION_NUMBER && q->session == req->session &&
           q->session_number == req->request_id;
}

static struct request *find_in(struct list *requests, const struct rsm_request *req, struct slice own_session)
{
    list_for_each(it, requests)
    {
        struct request *q = list_entry(it, struct request, link);
        if (q->op == FORWARD_WRITE && is_of(req, own_session, q))
            return q;
    }
    return NULL;
}

/* An XREAD from $ on is from there on, whatever comes in between two leaders. One in a client's session stays as it is, for its
 * client may send it again itself. */
static void keep_start(struct node *n, struct request *q, struct rsm_request req, uint64_t claim)
{
    bool from_last = false;
    buf_truncate(&q->anew, 0);
    for (size_t i = 1; q->number && i < req.argc; i++)
        from_last |= slice_equal(req.argv[i], SLICE_LITERAL("$"));
    req.argv = from_last ? rsm_waits_for(n->rsm, claim, &req.argc) : NULL;
    if (req.argv)
        rsm_encode(&q->anew, &req, 0, 0);
}

/* The leader says nothing of it: our own log tells. */
void forward_waits(struct node *n, struct slice payload, uint64_t claim)
{
    struct proxied *p = n->proxied;
    struct rsm_decoded d;
    if ((list_empty(&p->requests) && list_empty(&p->waiting)) || !rsm_decode(payload, &d))
        return;
    struct request *q = NULL;
    if (d.req.asker == n->identity.node_id) {
        q = find_in(&p->requests, &d.req, session_name(n));
        q = q ? q : find_in(&p->waiting, &d.req, session_name(n));
    }
    if (q)
        keep_start(n, q, d.req, claim);
    rsm_decoded_deinit(&d);
    if (!q)
        return;
    blocked_here_forget(n, q->claim);
    set_claim(n, q, claim);
    rsm_waits(n->rsm, claim, &q->until_ms);
    list_remove(&q->link);
    list_push_back(&p->waiting, &q->link);
    p->wait_us = FORWARD_AGAIN_US;
    blocked_here_forward(n, claim, q->who.ticket, q);
}

/* In the order of their numbers, which is the order in which they came. */
static void wait_no_longer(struct node *n, struct request *q)
{
    struct proxied *p = n->proxied;
    struct list *behind = q->number ? p->requests.next : &p->requests;
    set_claim(n, q, 0);
    q->lost_us = q->place = 0;
    q->sent = q->held = false;
    while (behind != &p->requests && list_entry(behind, struct request, link)->number < q->number)
        behind = behind->next;
    list_remove(&q->link);
    list_push_back(behind, &q->link); /* in front of it */
    p->resend = true;
}

/* It has not run, and comes to the end of the row, to wait for as long as it would have. But where it was sent twice, the second
 * one may be on its way to the next leader already: then it keeps its number, by which all of them count as one. */
static void send_anew(struct node *n, struct request *q)
{
    struct rsm_decoded d;
    bool ok = rsm_decode(buf_slice(q->anew.len && !q->sent_twice ? &q->anew : &q->payload), &d);
    assert(ok);
    q->unknown = q->sent_twice;
    if (q->number && !q->sent_twice)
        d.req.request_id = q->number = ++n->proxied->number;
    if (!q->sent_twice)
        q->sent_us = 0;
    d.req.until_ms = q->until_ms;
    struct buf payload = BUF_EMPTY;
    rsm_encode(&payload, &d.req, 0, 0);
    rsm_decoded_deinit(&d);
    buf_deinit(&q->payload);
    q->payload = payload;
    wait_no_longer(n, q);
}

void forward_ask_about(struct node *n, struct request *q)
{
    q->unknown = true;
    wait_no_longer(n, q);
}

/* Whatever was sent to the leader that is gone has to be asked again. */
void forward_leader_changed(struct node *n)
{
    end_round(n);
    n->proxied->again_us = 0;
    n->proxied->wait_us = FORWARD_AGAIN_US;
    for (struct list *it = n->proxied->requests.next; raft_leader(n->raft) && it != &n->proxied->requests;
         it = it->next)
        list_entry(it, struct request, link)->lost_us = 0;
}

void forward_link_up(struct node *n, uint64_t peer)
{
    if (peer == raft_leader(n->raft))
        forward_leader_changed(n);
}

static void answer(struct node *n, struct request *q, enum node_outcome outcome, struct slice reply,
                   uint64_t index)
{
    struct buf payload = q->payload;
    struct node_answer a = {.outcome = outcome,
                            .reply = reply,
                            .index = index,
                            .spent_us = outcome == NODE_DONE ? q->spent_us : 0,
                            .payload = buf_slice(&payload)};
    n->proxied->wait_us = FORWARD_AGAIN_US;
    uint64_t ticket = q->who.ticket;
    if (q->claim)
        blocked_here_forget(n, q->claim);
    set_claim(n, q, 0);
    q->payload = (struct buf)BUF_EMPTY;
    request_free(q);
    n->clients.answer(n->clients.arg, ticket, &a);
    buf_deinit(&payload);
}

void forward_released(struct node *n, struct request *q, const struct rsm_release *r, bool gone)
{
    set_claim(n, q, 0);
    if (!digest_trusted(n) || (r->cleared && gone))
        answer(n, q, NODE_UNKNOWN, slice_of(NULL, 0), 0);
    else if (r->cleared)
        send_anew(n, q);
    else
        answer(n, q, NODE_DONE, r->reply, rsm_applied(n->rsm));
}

static void hold(struct request *q, enum node_outcome outcome, struct slice reply)
{
    q->held = true;
    q->outcome = outcome;
    buf_truncate(&q->reply, 0);
    buf_append_slice(&q->reply, reply);
}

/* A read whose answer is here has to wait for those before it on its connection, whose answers may be lost: asked again, they
 * see a newer state, and so must it. */
static bool overtakes(const struct node *n, const struct request *q)
{
    for (const struct list *it = n->proxied->requests.next; it != &q->link; it = it->next) {
        const struct request *before = list_entry(it, struct request, link);
        if (before->op != FORWARD_WRITE && before->who.stream == q->who.stream)
            return true;
    }
    return false;
}

static void answer_held(struct node *n)
{
    list_for_each_safe(it, tmp, &n->proxied->requests)
    {
        struct request *q = list_entry(it, struct request, link);
        if (!q->held || (q->op != FORWARD_WRITE && overtakes(n, q)))
            continue;
        struct buf reply = q->reply;
        q->reply = (struct buf)BUF_EMPTY;
        answer(n, q, q->outcome, buf_slice(&reply), 0);
        buf_deinit(&reply);
    }
}

/* ---- answered, and not applied here yet ----
 *
 * Whoever has written hears what its write does on this node no later than its answer: of keys in a client's memory, of the
 * channels that tell of keys, of those that wait for one, of settings and users, which this node shows from its own state. */

static bool must_be_applied(const struct node *n, const struct request *q)
{
    return q->seen_here || n->listens || rsm_limits(n->rsm).events || dict_count(n->blocked);
}

static void keep_ahead(struct node *n, struct request *q, uint64_t index, struct slice reply)
{
    q->index = index;
    q->lost_us = n->now_us;
    hold(q, NODE_DONE, reply);
    list_remove(&q->link);
    list_push_back(&n->proxied->ahead, &q->link);
}

/* Where this node does not hear of its entries, the answer does not wait longer than for an election. */
static void answer_applied(struct node *n)
{
    list_for_each_safe(it, tmp, &n->proxied->ahead)
    {
        struct request *q = list_entry(it, struct request, link);
        if (rsm_applied(n->rsm) < q->index && n->now_us < q->lost_us + n->config.election_us)
            continue;
        struct buf reply = q->reply;
        q->reply = (struct buf)BUF_EMPTY;
        answer(n, q, NODE_DONE, buf_slice(&reply), q->index);
        buf_deinit(&reply);
    }
}

/* Frames may be lost, and with them a request or its answer, without any link of ours breaking: the leader's link to us is
 * its own. Whatever is not answered for an election timeout is asked again; if it has run, or is about to, its number tells. It is
 * the oldest one that is looked at: with it all are asked anew, and what is under way to them finds nobody, so a long answer would
 * never come if the short ones behind it asked, too. */
static void ask_again(struct node *n)
{
    list_for_each(it, &n->proxied->requests)
    {
        struct request *q = list_entry(it, struct request, link);
        if (!q->sent || q->held)
            continue;
        if (n->now_us >= q->sent_us + (n->config.election_us << q->asks)) {
            q->asks += q->asks < ASKS_MAX;
            end_round(n);
        }
        return;
    }
}

/* Parked too long without a leader: what was never sent surely did not run. */
static void give_up(struct node *n, struct request *q)
{
    if (q->unknown)
        answer(n, q, NODE_UNKNOWN, slice_of(NULL, 0), 0);
    else
        answer(n, q, NODE_REFUSED, SLICE_LITERAL("-CLUSTERDOWN The cluster is down\r\n"), 0);
}

/* The next round, where one is due, or what the present one has yet to say. */
static void send_on(struct node *n)
{
    struct proxied *p = n->proxied;
    if (!p->resend && !p->room_us)
        return;
    if (p->resend)
        begin_round(n);
    p->room_us = 0;
    list_for_each_safe(it, tmp, &p->requests)
    {
        struct request *q = list_entry(it, struct request, link);
        if (p->resend || p->room_us)
            return;
        if (!q->sent)
            deliver(n, q);
    }
}

void forward_turn(struct node *n)
{
    struct proxied *p = n->proxied;
    bool leader = raft_leader(n->raft) != 0 && (raft_role(n->raft) != RAFT_LEADER || raft_accepts(n->raft));
    list_for_each_safe(it, tmp, &p->waiting)
    {
        struct request *q = list_entry(it, struct request, link);
        if (leader)
            q->lost_us = 0;
        else if (!q->lost_us)
            q->lost_us = n->now_us;
        else if (n->now_us > q->lost_us + 2 * n->config.election_us + n->config.client_wait_us)
            answer(n, q, NODE_UNKNOWN, slice_of(NULL, 0), 0);
    }
    answer_applied(n);
    if (list_empty(&p->requests)) {
        p->resend = false;
        p->room_us = 0;
        return;
    }
    answer_held(n);
    ask_again(n);
    if (leader && n->now_us >= (p->resend ? p->again_us : p->room_us))
        send_on(n);
    list_for_each_safe(it, tmp, &p->requests)
    {
        struct request *q = list_entry(it, struct request, link);
        if (!q->sent && leader && !p->room_us)
            p->resend = true;
        if (!leader && !q->lost_us)
            q->lost_us = n->now_us;
        if (!q->sent && q->lost_us &&
            n->now_us > q->lost_us + 2 * n->config.election_us + (q->unknown ? n->config.client_wait_us : 0))
            give_up(n, q);
    }
}

/* When a turn is wanted to send again what was not taken; UINT64_MAX: not on that account. */
uint64_t forward_deadline_us(const struct node *n)
{
    uint64_t at = n->proxied->resend ? n->proxied->again_us : n->proxied->room_us;
    return at > n->now_us ? at : UINT64_MAX;
}

/* By a leader that does not serve yet, or a node that led before it was restarted: it may be long until we hear of another.
 * Each round is refused request by request; were each refusal to begin another one at once, rounds would multiply. And a
 * round is all that has gathered, so they come less and less often. */
static void not_taken(struct node *n)
{
    struct proxied *p = n->proxied;
    p->resend = true;
    if (p->again_us > n->now_us)
        return;
    p->again_us = n->now_us + p->wait_us;
    p->wait_us = 2 * p->wait_us < FORWARD_AGAIN_MAX_US ? 2 * p->wait_us : FORWARD_AGAIN_MAX_US;
}

/* The leader has taken neither this one nor any behind it. */
static void on_gap(struct node *n, struct request *q, uint64_t round)
{
    if (round != n->proxied->round)
        return;
    for (struct list *it = &q->link; it != &n->proxied->requests; it = it->next) {
        struct request *behind = list_entry(it, struct request, link);
        not_run(behind);
        ask_anew(n, behind);
    }
    not_taken(n);
}

/* u64 cookie, u8 outcome, u64 index, where FORWARD_TIMED says so u64 how long it ran in us, the reply. */
void forward_on_reply(struct node *n, uint8_t flags, struct reader *r)
{
    uint64_t cookie = get_u64(r);
    uint8_t outcome = get_u8(r);
    uint64_t index = get_u64(r), spent_us = flags & FORWARD_TIMED ? get_u64(r) : 0;
    if (r->failed)
        return;
    list_for_each(it, &n->proxied->waiting)
    {
        struct request *q = list_entry(it, struct request, link);
        if (q->cookie != cookie)
            continue;
        if (outcome == NODE_DONE) /* it was sent twice, and the second one came when it had run */
            answer(n, q, NODE_DONE, slice_of(r->at, reader_left(r)), index);
        return;
    }
    list_for_each(it, &n->proxied->requests)
    {
        struct request *q = list_entry(it, struct request, link);
        if (q->cookie != cookie)
            continue;
        struct slice reply = slice_of(r->at, reader_left(r));
        q->spent_us = spent_us;
        if ((n->proxied->taking && outcome == NODE_REFUSED) ||
            (outcome == NODE_DONE && q->op != FORWARD_WRITE && overtakes(n, q))) {
            hold(q, (enum node_outcome)outcome, reply);
        } else if (outcome == NODE_DONE && rsm_applied(n->rsm) < index && must_be_applied(n, q)) {
            keep_ahead(n, q, index, reply);
        } else if (outcome == NODE_REFUSED && q->unknown) { /* now; it may have run when it was first sent */
            answer(n, q, NODE_UNKNOWN, slice_of(NULL, 0), 0);
        } else if (outcome == NODE_DONE || outcome == NODE_REFUSED) {
            answer(n, q, (enum node_outcome)outcome, reply, index);
        } else if (outcome == FORWARD_GAP) {
            on_gap(n, q, index);
        } else {
            if (outcome == NODE_NOT_LEADER)
                not_run(q);
            q->sent = false;
            q->unknown |= outcome == NODE_UNKNOWN;
            if (!q->lost_us)
                q->lost_us = n->now_us;
            not_taken(n);
        }
        return;
    }
}
