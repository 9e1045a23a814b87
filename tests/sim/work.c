/* What the clients ask, and how they go on when an answer comes, or none. */
#include "work_int.h"

#include "base/alloc.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct work *work_new(uint64_t seed, uint32_t clients, uint32_t keys)
{
    static const enum kind kinds[] = {IN_SESSION, PLAIN, COUNTER, IN_SESSION, PLAIN, EXPIRING};
    struct work *k = mem_calloc(1, sizeof(*k));
    assert(clients <= CLIENTS_MAX && keys <= KEYS_MAX);
    prng_seed(&k->chance, seed ^ 0x77);
    k->count = clients;
    k->keys = keys;
    k->think_us = 10000;
    k->patience_us = ANSWER_US;
    for (uint32_t i = 0; i < clients; i++) {
        k->clients[i].kind = kinds[i % 6];
        k->clients[i].phase = k->clients[i].kind == PLAIN ? IDLE : OPENING;
    }
    return k;
}

void work_free(struct work *k)
{
    for (uint32_t i = 0; i < k->count; i++)
        mem_free(k->clients[i].tokens);
    mem_free(k);
}

void work_bind(struct work *k, struct world *w)
{
    k->world = w;
}

static uint64_t ticket_of(const struct work *k, const struct client *c)
{
    return (uint64_t)client_number(k, c) << 32 | c->attempt;
}

static struct client *client_of(struct work *k, uint64_t ticket)
{
    if (ticket >> 32 >= k->count) /* an administrator's */
        return NULL;
    struct client *c = &k->clients[ticket >> 32];
    return c->waiting && c->attempt == (uint32_t)ticket ? c : NULL;
}

static void answered(struct work *k, struct client *c, enum phase next)
{
    c->phase = next;
    c->waiting = false;
    c->attempt++;
    c->think_until_us = world_now_us(k->world) + (next == IDLE ? prng_below(&k->chance, k->think_us) : 0);
}

/* Not served here. In a session the same is asked again; without one the token is left as it is. */
static void elsewhere(struct work *k, struct client *c, bool surely_not_run)
{
    bool plain_write = c->kind == PLAIN && c->phase == WRITING;
    if (plain_write && surely_not_run)
        work_token_of(c, c->number)->fate = FATE_NOT_RUN;
    if (plain_write)
        answered(k, c, IDLE);
    else if (c->kind == COUNTER && (c->phase == WRITING || c->phase == GETTING))
        answered(k, c, WATCHING); /* a transaction is retried as a whole */
    else
        answered(k, c, c->phase);
    c->think_until_us = world_now_us(k->world) + 1000 + prng_below(&k->chance, 20000);
    int leader = world_leader(k->world);
    c->node = leader >= 0 && prng_below(&k->chance, 4) ? (uint32_t)leader
                                                       : (uint32_t)prng_below(&k->chance, WORLD_NODES_MAX);
}

/* ---- asking ------------------------------------------------------------------------------------------- */

/* Arguments of the request at hand; `space` keeps their bytes. */
struct words {
    struct slice argv[6];
    size_t argc;
    char text[2][48], key[8];
    struct buf big;
};

static void word(struct words *o, struct slice s)
{
    o->argv[o->argc++] = s;
}

static void number_word(struct words *o, int space, uint64_t number)
{
    word(o, slice_of(o->text[space], (size_t)snprintf(o->text[space], sizeof(o->text[0]), "%llu",
                                                      (unsigned long long)number)));
}

static uint32_t counter_of(const struct client *c, const struct work *k)
{
    return client_number(k, c) / 6 % COUNTERS;
}

static void command_words(struct work *k, struct client *c, struct words *o)
{
    switch (c->kind) {
    case IN_SESSION:
    case PLAIN:
        word(o, SLICE_LITERAL("append"));
        word(o, work_key(o->key, 'k', (uint32_t)(c->number * 7 % k->keys))); /* the same for every retry */
        size_t len = work_token(o->text[0], sizeof(o->text[0]), client_number(k, c), c->number);
        if (k->big_bytes && c->number % 16 == 3) {
            buf_append(&o->big, o->text[0], len - 1);
            while (o->big.len < k->big_bytes)
                put_u8(&o->big, '-');
            put_u8(&o->big, '>');
            word(o, buf_slice(&o->big));
        } else {
            word(o, slice_of(o->text[0], len));
        }
        break;
    case COUNTER:
        word(o, SLICE_LITERAL("set"));
        word(o, work_key(o->key, 'n', counter_of(c, k)));
        number_word(o, 0, c->value + 1);
        break;
    case EXPIRING:
        word(o, SLICE_LITERAL("set"));
        word(o, work_key(o->key, 't', client_number(k, c)));
        number_word(o, 0, c->number);
        word(o, SLICE_LITERAL("px"));
        number_word(o, 1, c->ttl_ms);
        break;
    }
}

static enum node_outcome ask_write(struct work *k, struct client *c, struct node *n)
{
    char id[16];
    struct words o = {.big = BUF_EMPTY};
    struct rsm_watch watch = {.version = c->version};
    uint32_t count = 3, db = 0;
    struct rsm_request req = {.kind = RSM_COMMAND, .resp = 2, .user = SLICE_LITERAL("default")};
    req.client_id = slice_of(id, (size_t)snprintf(id, sizeof(id), "c%u", client_number(k, c)));
    req.request_id = c->number;
    if (c->phase == OPENING) {
        req.kind = RSM_SESSION;
        req.may_open = true;
        req.request_id = 1;
        word(&o, req.client_id);
    } else {
        command_words(k, c, &o);
        req.numbering = c->kind == PLAIN ? RSM_TAGGED : RSM_SESSION_NUMBER;
        req.session = c->session;
    }
    if (c->kind == COUNTER && c->phase == WRITING) {
        req.kind = RSM_EXEC;
        req.counts = &count;
        req.dbs = &db;
        req.commands = 1;
        watch.key = o.argv[1];
        req.watches = &watch;
        req.watch_count = 1;
    }
    req.argv = o.argv;
    req.argc = o.argc;
    struct buf error = BUF_EMPTY;
    enum node_outcome outcome = c->forwarded ? node_forward(n, &req, false, ticket_of(k, c), &error)
                                             : node_write(n, &req, ticket_of(k, c), &error);
    buf_deinit(&error);
    buf_deinit(&o.big);
    return outcome;
}

static struct slice read_key(const struct work *k, const struct client *c, char *space)
{
    if (c->phase == READING)
        return work_key(space, 'k', c->key);
    return c->kind == COUNTER ? work_key(space, 'n', counter_of(c, k))
                              : work_key(space, 't', client_number(k, c));
}

/* A read's reply has come, from wherever. */
static void read_done(struct work *k, struct client *c, struct slice reply)
{
    struct slice value;
    if (c->phase == READING) {
        work_check_read(k, c, reply);
        answered(k, c, IDLE);
    } else if (c->phase == LOOKING) {
        work_check_look(k, c, reply);
        answered(k, c, IDLE);
    } else if (work_bulk(reply, &value)) {
        char text[24] = "0";
        if (value.data)
            memcpy(text, value.data, value.len < 23 ? value.len : 23);
        c->value = strtoull(text, NULL, 10);
        answered(k, c, WRITING);
    } else {
        work_wrong(k, "a counter reads %.*s", (int)reply.len, reply.data);
    }
}

/* The round is done: look. A key that is due asks for one more. */
static void run_read(struct work *k, struct client *c, struct node *n, uint64_t now_ms)
{
    struct buf reply = BUF_EMPTY;
    char space[8];
    struct slice argv[2] = {SLICE_LITERAL("get"), read_key(k, c, space)};
    uint64_t due_ms = 0;
    bool ok = c->phase != WATCHING || node_watch(n, now_ms, 0, argv[1], &c->version, &due_ms);
    if (ok && node_query(n, now_ms, 0, 2, SLICE_LITERAL("default"), argv, 2, &reply, &due_ms))
        read_done(k, c, buf_slice(&reply));
    else if (node_read_due(n, due_ms, ticket_of(k, c)) != NODE_PENDING)
        elsewhere(k, c, true);
    buf_deinit(&reply);
}

static enum node_outcome ask_read(struct work *k, struct client *c, struct node *n)
{
    char space[8];
    if (c->forwarded && c->phase == WATCHING)
        return node_forward_watch(n, 0, read_key(k, c, space), ticket_of(k, c));
    if (c->forwarded || c->phase == GETTING) {
        struct slice argv[2] = {SLICE_LITERAL("get"), read_key(k, c, space)};
        struct rsm_request req = {
            .kind = RSM_COMMAND, .resp = 2, .user = SLICE_LITERAL("default"), .argv = argv, .argc = 2};
        struct buf error = BUF_EMPTY;
        enum node_outcome outcome = node_forward(n, &req, true, ticket_of(k, c), &error);
        buf_deinit(&error);
        return outcome;
    }
    uint64_t now_ms = 0;
    enum node_outcome outcome = node_read(n, 0, prng_below(&k->chance, 2), ticket_of(k, c), &now_ms);
    if (outcome != NODE_DONE)
        return outcome;
    run_read(k, c, n, now_ms);
    return NODE_PENDING;
}

static void choose(struct work *k, struct client *c)
{
    if (prng_below(&k->chance, 3) == 0) {
        c->phase = READING;
        c->key = (uint32_t)prng_below(&k->chance, k->keys);
        for (uint32_t i = 0; i < k->count; i++)
            c->must_see[i] = k->acked[i][c->key];
        return;
    }
    if (c->kind == EXPIRING && c->set_number && prng_below(&k->chance, 4)) {
        c->phase = LOOKING;
        return;
    }
    c->phase = c->kind == COUNTER ? WATCHING : WRITING;
    c->number++;
    if (c->kind == IN_SESSION || c->kind == PLAIN)
        *work_token_of(c, c->number) = (struct token){.key = (uint32_t)(c->number * 7 % k->keys)};
    if (c->kind == EXPIRING) {
        c->ttl_ms = 20 + prng_below(&k->chance, 800);
        c->set_asked_us = world_now_us(k->world);
    }
}

static void act(struct work *k, struct client *c, struct node *n)
{
    if (c->phase == IDLE) {
        if (k->paused)
            return;
        choose(k, c);
    }
    uint32_t attempt = c->attempt;
    c->waiting = true;
    c->asked_us = world_now_us(k->world);
    c->forwarded = prng_below(&k->chance, 3) == 0;
    k->asking = true;
    enum node_outcome outcome =
        c->phase == OPENING || c->phase == WRITING ? ask_write(k, c, n) : ask_read(k, c, n);
    k->asking = false;
    if (outcome != NODE_PENDING && c->attempt == attempt)
        elsewhere(k, c, true);
}

void work_turn(void *arg, uint32_t node)
{
    struct work *k = arg;
    struct node *n = world_node(k->world, node);
    uint64_t now_us = world_now_us(k->world);
    for (uint32_t i = 0; i < k->count; i++) {
        struct client *c = &k->clients[i];
        if (c->waiting && now_us > c->asked_us + k->patience_us &&
            now_us > k->patient_from_us + k->patience_us) {
            work_wrong(k, "client %u has waited on node %u since %.6f s", i, c->node,
                       (double)c->asked_us / 1e6);
            elsewhere(k, c, false);
        }
        if (!c->waiting && now_us >= c->think_until_us &&
            (c->node >= WORLD_NODES_MAX || !world_node(k->world, c->node)))
            elsewhere(k, c, true);
        if (!c->waiting && c->node == node && now_us >= c->think_until_us)
            act(k, c, n);
    }
}

/* ---- being answered ----------------------------------------------------------------------------------- */

static void unexpected(struct work *k, struct client *c, struct slice reply)
{
    work_wrong(k, "client %u, request %llu: unexpected reply %.*s", client_number(k, c),
               (unsigned long long)c->number, (int)(reply.len < 100 ? reply.len : 100), reply.data);
    answered(k, c, IDLE);
}

static void write_done(struct work *k, struct client *c, struct slice reply)
{
    struct token *t = work_token_of(c, c->number);
    k->acks++;
    k->last_ack_us = world_now_us(k->world);
    if (c->kind == COUNTER && slice_equal(reply, SLICE_LITERAL("*1\r\n+OK\r\n"))) {
        k->increments[counter_of(c, k)]++;
    } else if (c->kind == COUNTER && slice_equal(reply, SLICE_LITERAL("*-1\r\n"))) {
        /* somebody else was faster */
    } else if (c->kind == EXPIRING && slice_equal(reply, SLICE_LITERAL("+OK\r\n"))) {
        c->set_number = c->number;
        c->gone = false;
    } else if ((c->kind == IN_SESSION || c->kind == PLAIN) && reply.data[0] == ':') {
        t->fate = FATE_DONE;
        t->end = strtoull(reply.data + 1, NULL, 10);
        k->acked[client_number(k, c)][t->key] = c->number;
    } else if (c->kind == PLAIN && reply.len > 6 && memcmp(reply.data, "-MAYBE", 6) == 0) {
        k->unknown++;
    } else {
        unexpected(k, c, reply);
        return;
    }
    answered(k, c, IDLE);
}

static void done(struct work *k, struct client *c, struct slice reply)
{
    switch (c->phase) {
    case OPENING:
        if (reply.data[0] != ':') {
            unexpected(k, c, reply);
            return;
        }
        c->session = strtoull(reply.data + 1, NULL, 10);
        answered(k, c, IDLE);
        return;
    case WRITING:
        write_done(k, c, reply);
        return;
    case WATCHING:
        c->version = reply.data[0] == ':' ? strtoull(reply.data + 1, NULL, 10) : 0;
        answered(k, c, GETTING);
        return;
    default:
        read_done(k, c, reply);
    }
}

static void on_answer(void *arg, uint32_t node, uint64_t ticket, const struct node_answer *a)
{
    struct work *k = arg;
    struct client *c = client_of(k, ticket);
    (void)node;
    if (k->asking)
        work_wrong(k, "client %u is answered from within its own call", (unsigned)(ticket >> 32));
    if (!c)
        return;
    if (a->outcome == NODE_DONE) {
        done(k, c, a->reply);
        return;
    }
    k->unknown += a->outcome == NODE_UNKNOWN;
    elsewhere(k, c, a->outcome != NODE_UNKNOWN);
}

static void on_read_ready(void *arg, uint32_t node, uint64_t ticket, enum node_outcome outcome,
                          uint64_t now_ms)
{
    struct work *k = arg;
    struct client *c = client_of(k, ticket);
    if (!c)
        return;
    if (outcome == NODE_DONE)
        run_read(k, c, world_node(k->world, node), now_ms);
    else
        elsewhere(k, c, true);
}

static void on_crashed(void *arg, uint32_t node)
{
    struct work *k = arg;
    for (uint32_t i = 0; i < k->count; i++)
        if (k->clients[i].waiting && k->clients[i].node == node)
            elsewhere(k, &k->clients[i], false);
}

struct world_client_calls work_calls(struct work *k)
{
    return (struct world_client_calls){
        .arg = k, .answer = on_answer, .read_ready = on_read_ready, .crashed = on_crashed};
}

/* ---- from outside ------------------------------------------------------------------------------------- */

void work_pause(struct work *k, bool paused)
{
    k->paused = paused;
}

bool work_idle(const struct work *k)
{
    for (uint32_t i = 0; i < k->count; i++)
        if (k->clients[i].phase != IDLE)
            return false;
    return true;
}

void work_trust_clocks(struct work *k)
{
    k->clocks_trusted = true;
}

void work_patience(struct work *k, uint64_t us)
{
    k->patience_us = us;
    k->patient_from_us = world_now_us(k->world);
}

void work_think(struct work *k, uint64_t up_to_us)
{
    k->think_us = up_to_us;
}

void work_big_values(struct work *k, size_t bytes)
{
    k->big_bytes = bytes;
}

uint64_t work_acked(const struct work *k)
{
    return k->acks;
}

uint64_t work_reads(const struct work *k)
{
    return k->reads;
}

uint64_t work_unknown(const struct work *k)
{
    return k->unknown;
}

uint64_t work_last_ack_us(const struct work *k)
{
    return k->last_ack_us;
}

const char *work_failed(const struct work *k)
{
    return k->failed[0] ? k->failed : NULL;
}
