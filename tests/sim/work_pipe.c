/* Clients that have several requests on their way at once, as one connection of a server has. On a leader writes and reads are
 * mixed, and a read waits for the writes before it; through a proxy the reads come last, since the server holds back what
 * would overtake them. None has a session: what is not answered is unknown. */
#include "work_int.h"

#include "base/alloc.h"

#include <stdio.h>
#include <stdlib.h>

struct item {
    bool read, settled, done;
    uint32_t place;
    size_t token;
    uint64_t end;      /* of a write what its reply said, of a read how long the value was */
    uint64_t must_see; /* of a read: what was acknowledged before it was asked for */
};

struct pipe {
    uint32_t count, settled;
    bool broken; /* not all of them were answered with a result */
    struct item items[PIPE_MAX];
};

bool work_pipe_owns(const struct client *c, uint32_t attempt)
{
    uint32_t at = attempt - c->attempt;
    return c->waiting && at < c->pipe->count && !c->pipe->items[at].settled;
}

static struct slice key_of(const struct work *k, const struct item *i)
{
    return slice_cstr(k->places[i->place].name);
}

/* ---- sending ---------------------------------------------------------------------------------------------- */

/* Mostly one key for all of them: order shows only there. */
static uint32_t draw_place(struct work *k, uint32_t mostly)
{
    bool other = prng_below(&k->chance, 4) == 0;
    uint32_t slot = other ? (uint32_t)prng_below(&k->chance, k->config.keys) : mostly;
    if (tokens_end(k->places[k->token_place[slot]].tokens) > KEY_BYTES && !k->config.big_bytes)
        k->token_place[slot] = work_place_new(k, 'k', slot);
    return k->token_place[slot];
}

static enum node_outcome send_write(struct work *k, struct client *c, struct node *n, struct item *i,
                                    const struct node_asker *who)
{
    char token[48], id[16];
    struct buf error = BUF_EMPTY;
    c->number++;
    struct slice text = slice_of(token, (size_t)snprintf(token, sizeof(token), "<%u.%llu>",
                                                         client_number(k, c), (unsigned long long)c->number));
    i->token = tokens_add(k->places[i->place].tokens, client_number(k, c), text);
    struct slice argv[3] = {SLICE_LITERAL("append"), key_of(k, i), text};
    struct rsm_request req = {
        .kind = RSM_COMMAND, .resp = 2, .user = SLICE_LITERAL("default"), .argv = argv, .argc = 3};
    req.client_id = slice_of(id, (size_t)snprintf(id, sizeof(id), "p%u", client_number(k, c)));
    req.request_id = c->number;
    enum node_outcome outcome =
        c->forwarded ? node_forward(n, &req, false, who, &error) : node_write(n, &req, who->ticket, &error);
    buf_deinit(&error);
    return outcome;
}

static void settle(struct work *k, struct client *c, uint32_t at, bool done, bool surely_not_run);
static void look(struct work *k, struct client *c, uint32_t at, struct slice reply);

static void run_read(struct work *k, struct client *c, uint32_t at, struct node *n, uint64_t now_ms)
{
    struct buf reply = BUF_EMPTY;
    struct slice argv[2] = {SLICE_LITERAL("get"), key_of(k, &c->pipe->items[at])};
    uint64_t due_ms = 0;
    if (node_query(n, now_ms, 0, 2, SLICE_LITERAL("default"), argv, 2, &reply, &due_ms))
        look(k, c, at, buf_slice(&reply));
    else
        work_wrong(k, "%s is due, and has no time to live", argv[1].data);
    buf_deinit(&reply);
}

static enum node_outcome send_read(struct work *k, struct client *c, struct node *n, uint32_t at,
                                   const struct node_asker *who)
{
    struct item *i = &c->pipe->items[at];
    uint64_t now_ms = 0;
    i->must_see = tokens_end(k->places[i->place].tokens);
    if (c->forwarded) {
        struct slice argv[2] = {SLICE_LITERAL("get"), key_of(k, i)};
        struct rsm_request req = {
            .kind = RSM_COMMAND, .resp = 2, .user = SLICE_LITERAL("default"), .argv = argv, .argc = 2};
        struct buf error = BUF_EMPTY;
        enum node_outcome outcome = node_forward(n, &req, true, who, &error);
        buf_deinit(&error);
        return outcome;
    }
    enum node_outcome outcome =
        node_read(n, who->behind ? node_pending_index(n) : 0, false, who->ticket, &now_ms);
    if (outcome == NODE_DONE)
        run_read(k, c, at, n, now_ms);
    return outcome;
}

void work_pipe_send(struct work *k, struct client *c, struct node *n)
{
    if (!c->pipe)
        c->pipe = mem_alloc(sizeof(*c->pipe));
    struct pipe *p = c->pipe;
    enum node_outcome outcomes[PIPE_MAX];
    *p = (struct pipe){.count = 2 + (uint32_t)prng_below(&k->chance, PIPE_MAX - 1)};
    struct node_asker who = asker_of(k, c);
    bool reading = false;
    uint32_t mostly = (uint32_t)prng_below(&k->chance, k->config.keys);
    k->asking = true;
    c->committed = world_committed(k->world, c->node);
    for (uint32_t at = 0; at < p->count; at++) {
        struct item *i = &p->items[at];
        bool read = prng_below(&k->chance, 3) == 0;
        reading = read || (c->forwarded && reading);
        *i = (struct item){.read = reading, .place = draw_place(k, mostly)};
        who.ticket = ticket_of(k, c) + at;
        outcomes[at] = i->read ? send_read(k, c, n, at, &who) : send_write(k, c, n, i, &who);
        who.behind |= !i->read && outcomes[at] == NODE_PENDING;
    }
    k->asking = false;
    uint32_t attempt = c->attempt;
    for (uint32_t at = 0; at < PIPE_MAX && c->waiting && c->attempt == attempt && at < p->count; at++)
        if (outcomes[at] != NODE_PENDING && outcomes[at] != NODE_DONE)
            settle(k, c, at, false, true);
}

/* ---- answers ---------------------------------------------------------------------------------------------- */

/* In the order in which they were sent: a write behind a write ends behind it, a read behind a write sees it, and a read behind
 * a read no less than that one. */
static void check_order(struct work *k, struct client *c)
{
    const struct pipe *p = c->pipe;
    for (uint32_t at = 0; at < p->count; at++) {
        const struct item *i = &p->items[at];
        for (uint32_t before = 0; i->done && before < at; before++) {
            const struct item *b = &p->items[before];
            if (!b->done || b->place != i->place || (b->read && !i->read) ||
                (i->read ? b->end <= i->end : b->end < i->end))
                continue;
            work_wrong(
                k,
                "client %u, one connection to node %u: what it sent to %s ran in another order: %u before %u",
                client_number(k, c), c->node, k->places[i->place].name, at, before);
        }
    }
}

static void finish(struct work *k, struct client *c)
{
    struct pipe *p = c->pipe;
    bool broken = p->broken;
    check_order(k, c);
    c->attempt += p->count; /* its tickets are nobody's any more */
    work_answered(k, c, IDLE);
    if (broken)
        work_move(k, c);
}

static void settle(struct work *k, struct client *c, uint32_t at, bool done, bool surely_not_run)
{
    struct pipe *p = c->pipe;
    struct item *i = &p->items[at];
    i->settled = true;
    i->done = done;
    p->broken |= !done;
    if (!i->read) {
        tokens_fate(k->places[i->place].tokens, i->token,
                    done             ? TOKEN_DONE
                    : surely_not_run ? TOKEN_NOT_RUN
                                     : TOKEN_UNKNOWN,
                    i->end);
        k->counts.exactly_once++;
        k->counts.acked += done;
        k->counts.not_run += !done && surely_not_run;
        k->counts.unknown += !done && !surely_not_run;
    } else {
        k->counts.reads += done;
    }
    if (++p->settled == p->count)
        finish(k, c);
}

/* A read sees what was acknowledged before it, and in the end, what its own connection wrote before it. */
static void look(struct work *k, struct client *c, uint32_t at, struct slice reply)
{
    struct item *i = &c->pipe->items[at];
    struct slice value;
    char wrong[160];
    if (!work_bulk(reply, &value)) {
        work_wrong(k, "a read answers %.*s", (int)(reply.len < 60 ? reply.len : 60), reply.data);
    } else if (!tokens_seen(k->places[i->place].tokens, value, i->must_see, wrong, sizeof(wrong))) {
        work_wrong(k, "stale read of %s on node %u in a pipeline of client %u: %s", k->places[i->place].name,
                   c->node, client_number(k, c), wrong);
    }
    i->end = value.len;
    settle(k, c, at, true, false);
}

void work_pipe_answer(struct work *k, struct client *c, uint32_t attempt, const struct node_answer *a)
{
    uint32_t at = attempt - c->attempt;
    struct item *i = &c->pipe->items[at];
    if (a->outcome != NODE_DONE || (a->reply.len && a->reply.data[0] == '-')) {
        bool maybe = a->outcome == NODE_UNKNOWN || (a->outcome == NODE_DONE && !i->read);
        settle(k, c, at, false, !maybe);
        return;
    }
    if (i->read) {
        look(k, c, at, a->reply);
        return;
    }
    i->end = strtoull(a->reply.data + 1, NULL, 10);
    k->last_ack_us = world_now_us(k->world);
    settle(k, c, at, true, false);
}

void work_pipe_read(struct work *k, struct client *c, uint32_t attempt, struct node *n,
                    enum node_outcome outcome, uint64_t now_ms)
{
    if (outcome == NODE_DONE)
        run_read(k, c, attempt - c->attempt, n, now_ms);
    else
        settle(k, c, attempt - c->attempt, false, true);
}

void work_pipe_break(struct work *k, struct client *c)
{
    struct pipe *p = c->pipe;
    uint32_t attempt = c->attempt;
    for (uint32_t at = 0; c->waiting && c->attempt == attempt && at < p->count; at++)
        if (!p->items[at].settled)
            settle(k, c, at, false, false);
}
