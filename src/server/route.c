/* Where a request for the data goes: to this node when it leads; else by the port it came through, to the leader or to
 * the client with the leader's address; and while nobody leads it waits, which spares clients the errors of an election. */
#include <stdio.h>

#include "base/checksum.h"
#include "base/log.h"
#include "server/caches.h"
#include "server/slots.h"

enum { KEYS_LOOKED_AT = 1024, IDLE_MISSES = 16 };

uint64_t park_us(const struct server *s)
{
    return 2 * (uint64_t)s->config->election_ms * 1000;
}

bool route_knows_leader(const struct server *s)
{
    uint64_t leader = s->node ? node_leader(s->node) : 0;
    return leader && (leader != s->self || node_is_serving(s->node));
}

/* Hints name the leader's port of the same mode. The last leader's address stays while there is none: topology goes on
 * naming it. */
void leader_refresh(struct server *s)
{
    struct node_status *st = &s->status;
    node_status(s->node, st);
    s->self = st->node_id;
    s->clustered = cluster_says_enabled(s);
    for (size_t i = 0; i < st->peer_count; i++) {
        const struct node_peer_status *p = &st->peers[i];
        if (p->id != st->leader)
            continue;
        s->leader = p->id;
        snprintf(s->leader_host, sizeof s->leader_host, "%s", p->host);
        s->leader_port = p->port;
        s->leader_ports[MODE_REDIRECT] = p->port_redirect;
        s->leader_ports[MODE_READONLY] = p->port_readonly;
        s->leader_ports[MODE_PROXY] = p->port_proxy;
    }
}

uint16_t route_key_slot(const struct command *row, const struct slice *argv, size_t argc)
{
    int positions[KEYS_LOOKED_AT];
    if (row->first_key == 1 && !row->find_keys && argc > 1)
        return key_slot(argv[1].data, argv[1].len);
    int count = command_keys(row, argv, argc, positions, KEYS_LOOKED_AT);
    if (count <= 0)
        return 0;
    struct slice key = argv[positions[0]];
    return key_slot(key.data, key.len);
}

bool route_park(struct client *c)
{
    struct server *s = c->server;
    if (c->park_until_us == 0) {
        c->park_until_us = s->now_us + park_us(s);
        s->stats.parked++;
    }
    if (s->now_us >= c->park_until_us)
        return false;
    if (list_empty(&c->parked_link))
        list_push_back(&s->parked, &c->parked_link);
    return true;
}

void route_unpark(struct client *c)
{
    list_remove(&c->parked_link);
}

void poison(struct client *c)
{
    c->told = true;
    if (c->poison != POISON_UNTIL_CLOSE)
        c->poison = c->leaving ? POISON_UNTIL_CLOSE : POISON_UNTIL_EMPTY;
}

void route_refuse(struct client *c, struct buf *out, uint16_t slot, bool write, bool numbered)
{
    struct server *s = c->server;
    c->told = true;
    if (write)
        poison(c);
    uint16_t port = s->leader_ports[c->mode] ? s->leader_ports[c->mode] : s->leader_port;
    if (c->mode == MODE_PROXY) {
        s->stats.clusterdown++;
        reply_error(c, out, "CLUSTERDOWN Not run, for an earlier request of this connection was not");
    } else if (!route_knows_leader(s) || port == 0) {
        s->stats.clusterdown++;
        reply_error(c, out, "CLUSTERDOWN The cluster is down");
    } else if (numbered) {
        s->stats.redirects++;
        reply_errorf(c, out, "NOTLEADER %s:%u", s->leader_host, port);
    } else {
        s->stats.redirects++;
        reply_errorf(c, out, "MOVED %u %s:%u", slot, s->leader_host, port);
    }
}

static enum verdict refuse(struct client *c, uint16_t slot, bool write, bool numbered)
{
    route_refuse(c, reply_begin(c), slot, write, numbered);
    return TAKEN;
}

/* Not leading: the client is told who does, or waits until somebody does. */
static enum verdict redirect_or_park(struct client *c, uint16_t slot, bool write, bool numbered)
{
    if (!route_knows_leader(c->server) && route_park(c))
        return WAIT;
    return refuse(c, slot, write, numbered);
}

/* ---- reads ---- */

static struct slot *push_read(struct client *c, const struct command *row, const struct slice *argv,
                              size_t argc, bool guess)
{
    struct slot *slot = slot_push(c, SLOT_READ, KIND_COMMAND);
    slot->row = row;
    slot->open = true;
    slot->tracked = c->tracks;
    slot_pack(&slot->bytes, argv, argc);
    c->reads_open++;
    if (guess) {
        slot->guess = true;
        c->guesses_open++;
        put_u64(&slot->bytes, c->request_id + 1);
        monitor_request(c, row, argv, argc); /* before what it calls */
    }
    return slot;
}

/* The common case of a node alone: nothing is pending, the round is done at once, the reply goes straight out. */
static bool run_now(struct client *c, const struct command *row, const struct slice *argv, size_t argc,
                    uint64_t now_ms, bool guess)
{
    uint64_t due_ms;
    if (!query_run(c, row, c->db, now_ms, argv, argc, client_out(c), guess ? NULL : &due_ms))
        return false;
    if (guess) {
        monitor_request(c, row, argv, argc);
        script_calls_tell(c);
    }
    if (c->tracks)
        caches_remember(c, row, argv, argc);
    client_touch(c);
    return true;
}

/* Reads that came in one go share one round and one ticket: all of them had been received when it was asked for. */
static enum node_outcome read_here(struct client *c, const struct command *row, const struct slice *argv,
                                   size_t argc, bool follower, bool guess)
{
    struct server *s = c->server;
    if (c->group_open && !ring_empty(c)) {
        push_read(c, row, argv, argc, guess)->group = c->group;
        return NODE_PENDING;
    }
    uint32_t seq = c->tail;
    uint64_t after = c->writes_open && !follower ? node_pending_index(s->node) : c->last_index, now_ms = 0;
    enum node_outcome outcome = node_read(s->node, after, follower, ticket_of(c, seq), &now_ms);
    if (outcome == NODE_DONE && ring_empty(c)) {
        if (run_now(c, row, argv, argc, now_ms, guess))
            return NODE_DONE;
        if (guess)
            return NODE_NOT_LEADER;
    }
    if (outcome != NODE_DONE && outcome != NODE_PENDING)
        return outcome;
    struct slot *slot = push_read(c, row, argv, argc, guess);
    slot->group = seq;
    slot->released = outcome == NODE_DONE;
    slot->now_ms = now_ms;
    if (outcome == NODE_PENDING) {
        c->group = seq;
        c->group_open = true;
    } else {
        client_advance(c);
    }
    return NODE_PENDING;
}

static enum node_outcome read_forwarded(struct client *c, const struct command *row, const struct slice *argv,
                                        size_t argc)
{
    struct server *s = c->server;
    struct rsm_request req = {.kind = RSM_COMMAND, .db = c->db, .resp = c->resp, .argv = argv, .argc = argc};
    session_stamp(c, &req, false);
    buf_truncate(&s->error, 0);
    struct node_asker who = client_asks(c, c->tail);
    who.timed = time_wanted(s, stat_of(s, row));
    enum node_outcome outcome = node_forward(s->node, &req, true, &who, &s->error);
    if (outcome != NODE_PENDING)
        return outcome;
    struct slot *slot = slot_push(c, SLOT_NODE, KIND_COMMAND);
    slot->row = row;
    slot->open = true;
    c->reads_open++;
    if (c->tracks)
        caches_sent(c, slot, row, argv, argc);
    return NODE_PENDING;
}

static enum verdict read_refused(struct client *c)
{
    struct server *s = c->server;
    if (s->error.len == 0)
        resp_error(&s->error, "CLUSTERDOWN This node does not serve");
    count_error(s, buf_slice(&s->error));
    buf_append_slice(reply_begin(c), buf_slice(&s->error));
    return TAKEN;
}

enum verdict route_read(struct client *c, const struct command *row, const struct slice *argv, size_t argc)
{
    struct server *s = c->server;
    bool serving = node_is_serving(s->node), proxy = c->mode == MODE_PROXY;
    if (c->poison) {
        s->stats.refused_after++;
        return refuse(c, route_key_slot(row, argv, argc), false, false);
    }
    /* A forwarded write and a read have no common order but the connection's own; nor has a forwarded read with one that
     * waits here for a round, which may be lost with the office, and be forwarded after all when its turn comes. */
    if (proxy && (c->writes_open || (c->reads_open && c->reads_here != serving)))
        return WAIT;
    if (c->reads_open == 0)
        c->reads_here = serving;
    buf_truncate(&s->error, 0);
    enum node_outcome outcome = NODE_NOT_LEADER;
    if (serving || (c->readonly && !proxy))
        outcome = read_here(c, row, argv, argc, !serving, false);
    else if (proxy)
        outcome = read_forwarded(c, row, argv, argc);
    if (outcome == NODE_PENDING || outcome == NODE_DONE) {
        stat_of(s, row)->calls++;
        return TAKEN;
    }
    if (outcome == NODE_REFUSED || proxy)
        return read_refused(c);
    return redirect_or_park(c, route_key_slot(row, argv, argc), false, false);
}

/* ---- guesses ---- */

/* Not behind a write that is open: it would wait for that, and what comes behind it for both, where all of them may be one block. */
bool route_guess(struct client *c, const struct command *row, const struct slice *argv, size_t argc)
{
    struct server *s = c->server;
    if (!node_is_serving(s->node) || c->mode == MODE_PROXY || c->poison || c->writes_open)
        return false;
    enum node_outcome outcome = read_here(c, row, argv, argc, false, true);
    bool taken = outcome == NODE_PENDING || outcome == NODE_DONE;
    stat_of(s, row)->calls += taken;
    return taken;
}

/* Where most of them do write, trying is work for nothing: one in a few is tried. */
static bool idle_worth_trying(struct server *s)
{
    return s->idle_misses < IDLE_MISSES || s->idle_passed++ % IDLE_MISSES == 0;
}

/* What changes nothing needs no entry, if this node alone decides that; and nothing of the connection is open that stands before it. Elsewhere a
 * round would come before the entries of those that do write. */
bool route_idle(struct client *c, const struct command *row, const struct slice *argv, size_t argc)
{
    struct server *s = c->server;
    uint64_t now_ms;
    if (!ring_empty(c) || c->poison || !node_decides(s->node, &now_ms) || !idle_worth_trying(s))
        return false;
    bool idle = query_run(c, row, c->db, now_ms, argv, argc, client_out(c), NULL);
    if (!idle) {
        s->idle_misses += s->idle_misses < IDLE_MISSES;
        return false;
    }
    s->idle_misses -= s->idle_misses > 0;
    stat_of(s, row)->calls++;
    client_touch(c);
    return true;
}

/* ---- writes ---- */

static enum verdict write_refused(struct client *c, const struct command *row, enum slot_kind kind)
{
    struct server *s = c->server;
    if (s->error.len == 0)
        resp_error(&s->error, "CLUSTERDOWN This node takes no writes");
    struct buf *out = reply_begin(c);
    size_t start = out->len;
    put_refusal(kind == KIND_EXEC, buf_slice(&s->error), out);
    count_error(s, slice_drop(buf_slice(out), start));
    if (row)
        stat_of(s, row)->rejected++;
    return TAKEN;
}

static void push_write(struct client *c, const struct command *row, enum slot_kind kind, uint16_t key_slot)
{
    struct slot *slot = slot_push(c, SLOT_NODE, kind);
    slot->row = row;
    slot->write = slot->open = true;
    slot->key_slot = key_slot;
    c->writes_open++;
    if (row && (kind == KIND_COMMAND || kind == KIND_BLOCKING)) /* others are counted by their handler */
        stat_of(c->server, row)->calls++;
}

static void trace(const struct client *c, const struct command *row, const struct rsm_request *req,
                  uint64_t ticket)
{
    log_line(LOG_DEBUG, "received client=%.*s request=%llu session=%llu %s ticket=%llx from %s",
             (int)req->client_id.len, req->client_id.data, (unsigned long long)req->request_id,
             (unsigned long long)req->session, row ? row->name : "session", (unsigned long long)ticket,
             c->peer);
}

bool route_takes_writes(const struct client *c)
{
    const struct server *s = c->server;
    return !c->poison && (c->mode == MODE_PROXY || node_is_serving(s->node)) && !node_is_full(s->node);
}

enum verdict route_write(struct client *c, const struct command *row, struct rsm_request *req,
                         enum slot_kind kind, uint16_t key_slot, bool numbered)
{
    struct server *s = c->server;
    if (c->poison) {
        s->stats.refused_after++;
        return refuse(c, key_slot, true, numbered);
    }
    bool serving = node_is_serving(s->node), proxy = c->mode == MODE_PROXY;
    bool forward = proxy || ((kind == KIND_SESSION || kind == KIND_ACL) && !serving);
    if (!forward && !serving)
        return redirect_or_park(c, key_slot, true, numbered);
    if ((proxy && c->reads_open) || c->guesses_open)
        return WAIT;
    if (node_is_full(s->node)) {
        /* Its socket is not read meanwhile; woken in each pass. */
        if (list_empty(&c->parked_link))
            list_push_back(&s->parked, &c->parked_link);
        return WAIT;
    }
    session_stamp(c, req, numbered);
    req->judged = !numbered;
    buf_truncate(&s->error, 0);
    struct node_asker who = client_asks(c, c->tail);
    who.timed = forward && row && (kind == KIND_COMMAND || kind == KIND_BLOCKING || kind == KIND_EXEC) &&
                time_wanted(s, stat_of(s, row));
    if (log_enabled(LOG_DEBUG))
        trace(c, row, req, who.ticket);
    enum node_outcome outcome = forward ? node_forward(s->node, req, false, &who, &s->error)
                                        : node_write(s->node, req, who.ticket, &s->error);
    switch (outcome) {
    case NODE_PENDING:
        push_write(c, row, kind, key_slot);
        if (c->tracks && (kind == KIND_BLOCKING || kind == KIND_COMMAND))
            caches_sent(c, slot_at(c, c->tail - 1), row, req->argv, req->argc);
        return TAKEN;
    case NODE_NOT_LEADER:
        return redirect_or_park(c, key_slot, true, numbered);
    default:
        return write_refused(c, row, kind);
    }
}

/* Its place in the order of writes is still free, since none behind it was taken. */
bool route_guess_writes(struct client *c, struct slot *slot, struct buf *out)
{
    struct server *s = c->server;
    struct buf packed = slot->bytes;
    bool tracked = slot->tracked;
    slot->bytes = (struct buf)BUF_EMPTY;
    slot->tracked = false;
    slot_close(c, slot);
    size_t argc = slot_unpack(s, buf_slice(&packed));
    struct reader id = reader_of(slice_drop(buf_slice(&packed), packed.len - sizeof(uint64_t)));
    struct rsm_request req = {
        .kind = RSM_COMMAND, .db = slot->db, .resp = c->resp, .argv = s->argv, .argc = argc, .judged = true};
    session_stamp(c, &req, false);
    req.request_id = get_u64(&id);
    slot->key_slot = s->clustered ? route_key_slot(slot->row, s->argv, argc) : 0;
    slot->write = true;
    buf_truncate(&s->error, 0);
    enum node_outcome outcome = node_write(s->node, &req, ticket_of(c, c->head), &s->error);
    if (outcome == NODE_PENDING) {
        slot->state = SLOT_NODE;
        slot->open = true;
        c->writes_open++;
        if (tracked)
            caches_sent(c, slot, slot->row, s->argv, argc);
    } else if (outcome == NODE_NOT_LEADER) {
        slot->state = SLOT_ROUTE;
        poison(c);
    } else {
        buf_append_slice(out, buf_slice(&s->error));
        count_error(s, buf_slice(&s->error));
        stat_of(s, slot->row)->rejected++;
    }
    buf_deinit(&packed);
    return outcome != NODE_PENDING && outcome != NODE_NOT_LEADER;
}

/* As in Redis Cluster: a command that would be redirected is so when it is queued, and fails the transaction. */
bool route_queue_check(struct client *c, const struct command *row, const struct slice *argv, size_t argc,
                       enum verdict *verdict)
{
    struct server *s = c->server;
    bool write = row->flags & (CMD_WRITE | CMD_NUMBERED);
    if (!c->poison && (c->mode == MODE_PROXY || node_is_serving(s->node)))
        return true;
    uint16_t slot = route_key_slot(row, argv, argc);
    *verdict = c->poison ? refuse(c, slot, write, c->session && write)
                         : redirect_or_park(c, slot, write, c->session && write);
    if (*verdict == TAKEN)
        transaction_fail(c);
    return false;
}
