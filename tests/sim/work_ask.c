/* Requests as a server would hand them to its node. A retry makes the same bytes. */
#include "work_int.h"

#include "../support/writes.h"

#include <stdio.h>

struct words {
    struct slice argv[8 + WRITES * WRITE_WORDS];
    size_t argc;
    uint32_t counts[2 + WRITES], dbs[2 + WRITES];
    size_t commands;
    char number[24], id[24];
    struct buf big;
    struct write writes[WRITES];
};

static void word(struct words *o, struct slice s)
{
    o->argv[o->argc++] = s;
}

static void text_word(struct words *o, const char *text)
{
    word(o, slice_cstr(text));
}

static void number_word(struct words *o, int64_t number)
{
    word(o, slice_of(o->number, (size_t)snprintf(o->number, sizeof(o->number), "%lld", (long long)number)));
}

/* The token, made long in its middle. */
static void big_word(const struct work *k, struct words *o, const char *token)
{
    buf_append(&o->big, token, strlen(token) - 1);
    while (o->big.len < k->config.big_bytes)
        put_u8(&o->big, '-');
    put_u8(&o->big, '>');
    word(o, buf_slice(&o->big));
}

static void append_words(const struct work *k, const struct ask *a, const char *key, struct words *o)
{
    text_word(o, "append");
    text_word(o, key);
    if (a->big)
        big_word(k, o, a->value);
    else
        text_word(o, a->value);
}

static void set_words(const struct ask *a, struct words *o, bool if_none)
{
    text_word(o, "set");
    text_word(o, a->key);
    text_word(o, a->value);
    if (if_none)
        text_word(o, "nx");
    if (a->number) {
        text_word(o, "px");
        number_word(o, a->number);
    }
}

static void plain_words(const struct ask *a, struct words *o, const char *name, const char *argument)
{
    text_word(o, name);
    text_word(o, a->key);
    if (argument)
        text_word(o, argument);
}

static void command_words(const struct work *k, const struct ask *a, struct words *o)
{
    switch (a->op) {
    case OP_APPEND:
        append_words(k, a, a->key, o);
        break;
    case OP_SET:
        set_words(a, o, false);
        break;
    case OP_SETNX:
    case OP_LOCK:
        set_words(a, o, true);
        break;
    case OP_GETSET:
        plain_words(a, o, "getset", a->value);
        break;
    case OP_INCR:
    case OP_EXPIRE:
    case OP_EXPIREAT:
        plain_words(a, o, a->op == OP_INCR ? "incrby" : a->op == OP_EXPIRE ? "pexpire" : "pexpireat", NULL);
        number_word(o, a->number);
        break;
    case OP_DEL:
    case OP_UNLOCK:
        plain_words(a, o, "del", NULL);
        break;
    case OP_PERSIST:
        plain_words(a, o, "persist", NULL);
        break;
    case OP_CAS:
        plain_words(a, o, "set", a->next);
        break;
    case OP_GET:
    case OP_KINDS:
        break;
    }
}

/* Changes of keys of any type, the same when they are asked again. Their replies are not looked at: that all nodes have done the
 * same with them, their digests tell. */
static void add_writes(const struct work *k, const struct client *c, struct words *o)
{
    struct prng chance;
    prng_seed(&chance, (uint64_t)client_number(k, c) << 32 ^ c->number);
    for (size_t i = 0; i < WRITES; i++) {
        struct write *w = &o->writes[i];
        random_write(&chance, w);
        for (size_t at = 0; at < w->argc; at++)
            word(o, w->argv[at]);
        o->dbs[o->commands] = w->db;
        o->counts[o->commands++] = (uint32_t)w->argc;
    }
}

/* The command, or what of it is a transaction. */
static void request_words(struct work *k, struct client *c, struct rsm_request *req, struct words *o)
{
    const struct ask *a = &c->ask;
    command_words(k, a, o);
    bool watched = a->op == OP_CAS || a->op == OP_UNLOCK;
    if (!watched && !a->pair)
        return;
    o->counts[o->commands++] = (uint32_t)o->argc;
    if (a->pair) {
        size_t before = o->argc;
        const char *other = k->places[a->place + 1].name;
        text_word(o, "append");
        text_word(o, other);
        word(o, o->argv[before - 1]);
        o->counts[o->commands++] = (uint32_t)(o->argc - before);
        add_writes(k, c, o);
    }
    req->kind = RSM_EXEC;
    req->counts = o->counts;
    req->dbs = o->dbs;
    req->commands = o->commands;
}

static void session_words(struct client *c, struct rsm_request *req, struct words *o)
{
    req->kind = RSM_SESSION;
    req->may_open = c->phase == OPENING;
    req->request_id = c->number + 1;
    if (c->phase == PROBING && c->probe == PROBE_NOBODY)
        text_word(o, "nobody");
    else
        word(o, req->client_id);
}

static uint64_t number_asked(const struct client *c)
{
    if (c->phase == PROBING && c->probe == PROBE_OLD)
        return FIRST_NUMBER / 2;
    return c->phase == PROBING && c->probe == PROBE_EARLIER ? c->earlier.number : c->number;
}

enum node_outcome work_ask_write(struct work *k, struct client *c, struct node *n)
{
    struct words o = {.big = BUF_EMPTY};
    struct rsm_watch watch = {.key = slice_cstr(c->ask.key), .version = c->version};
    struct rsm_request req = {.kind = RSM_COMMAND, .resp = 2, .user = SLICE_LITERAL("default")};
    req.client_id = slice_of(o.id, (size_t)snprintf(o.id, sizeof(o.id), "c%u", client_number(k, c)));
    req.request_id = number_asked(c);
    bool about_session = c->phase == OPENING ||
                         (c->phase == PROBING && (c->probe == PROBE_RESUME || c->probe == PROBE_NOBODY));
    if (about_session) {
        session_words(c, &req, &o);
    } else {
        request_words(k, c, &req, &o);
        req.numbering = c->plain ? RSM_TAGGED : RSM_SESSION_NUMBER;
        req.session = c->session;
        if (c->ask.op == OP_CAS || c->ask.op == OP_UNLOCK) {
            req.watches = &watch;
            req.watch_count = 1;
        }
    }
    req.argv = o.argv;
    req.argc = o.argc;
    struct buf error = BUF_EMPTY;
    struct node_asker who = asker_of(k, c);
    enum node_outcome outcome =
        c->forwarded ? node_forward(n, &req, false, &who, &error) : node_write(n, &req, who.ticket, &error);
    for (size_t i = 0; i < WRITES; i++)
        buf_deinit(&o.writes[i].text);
    buf_deinit(&error);
    buf_deinit(&o.big);
    return outcome;
}

/* ---- reads ------------------------------------------------------------------------------------------------ */

static bool query(struct node *n, uint64_t now_ms, const char *key, struct buf *reply, uint64_t *due_ms)
{
    struct slice argv[2] = {SLICE_LITERAL("get"), slice_cstr(key)};
    return node_query(n, now_ms, 0, 2, SLICE_LITERAL("default"), argv, 2, reply, due_ms);
}

/* The round is done: look. A key that is due asks for one more. */
void work_run_read(struct work *k, struct client *c, struct node *n, uint64_t now_ms)
{
    struct buf reply = BUF_EMPTY, second = BUF_EMPTY;
    uint64_t due_ms = 0;
    bool ok = c->phase != WATCHING || node_watch(n, now_ms, 0, slice_cstr(c->ask.key), &c->version, &due_ms);
    ok = ok && query(n, now_ms, c->ask.key, &reply, &due_ms);
    ok = ok && (!c->ask.pair || query(n, now_ms, k->places[c->ask.place + 1].name, &second, &due_ms));
    if (ok)
        work_read_done(k, c, buf_slice(&reply), buf_slice(&second));
    else if (node_read_due(n, due_ms, ticket_of(k, c)) != NODE_PENDING)
        work_elsewhere(k, c, true);
    buf_deinit(&reply);
    buf_deinit(&second);
}

enum node_outcome work_ask_read(struct work *k, struct client *c, struct node *n)
{
    if (c->ask.pair)
        c->forwarded = false; /* only one key is read by a forwarded request */
    struct node_asker who = asker_of(k, c);
    if (c->forwarded && c->phase == WATCHING)
        return node_forward_watch(n, 0, slice_cstr(c->ask.key), &who);
    if (c->forwarded) {
        struct slice argv[2] = {SLICE_LITERAL("get"), slice_cstr(c->ask.key)};
        struct rsm_request req = {
            .kind = RSM_COMMAND, .resp = 2, .user = SLICE_LITERAL("default"), .argv = argv, .argc = 2};
        struct buf error = BUF_EMPTY;
        enum node_outcome outcome = node_forward(n, &req, true, &who, &error);
        buf_deinit(&error);
        return outcome;
    }
    uint64_t now_ms = 0;
    c->committed = world_committed(k->world, c->node);
    bool readonly = prng_below(&k->chance, 2);
    enum node_outcome outcome = node_read(n, 0, readonly, ticket_of(k, c), &now_ms);
    if (outcome != NODE_DONE)
        return outcome;
    work_check_fresh(k, c, n);
    work_run_read(k, c, n, now_ms);
    return NODE_PENDING;
}
