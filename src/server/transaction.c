/* MULTI, EXEC, DISCARD, WATCH, UNWATCH. What MULTI queues for the data becomes one entry; what it queues for the server
 * (PING, SELECT, CLIENT ...) is answered when the EXEC is, in its place of the reply. */
#include <assert.h>

#include "base/alloc.h"
#include "base/number.h"
#include "server/caches.h"
#include "server/messages.h"
#include "server/users.h"

enum { RECEIPT_MAX = 24 }; /* ":", a number, CRLF */

void transaction_free(struct transaction *t)
{
    if (!t)
        return;
    buf_deinit(&t->bytes);
    buf_deinit(&t->receipts);
    buf_deinit(&t->prepared);
    mem_free(t->ends);
    mem_free(t->commands);
    mem_free(t);
}

void transaction_fail(struct client *c)
{
    if (c->txn)
        c->txn->failed = true;
}

static void add_arg(struct transaction *t, struct slice arg)
{
    if (t->arg_count == t->arg_cap) {
        t->arg_cap = t->arg_cap ? t->arg_cap * 2 : 16;
        t->ends = mem_realloc(t->ends, t->arg_cap * sizeof *t->ends);
    }
    buf_append_slice(&t->bytes, arg);
    t->ends[t->arg_count++] = t->bytes.len;
}

static struct slice arg_at(const struct transaction *t, size_t i)
{
    size_t start = i ? t->ends[i - 1] : 0;
    return slice_of(t->bytes.data + start, t->ends[i] - start);
}

/* SELECT takes effect for what follows it; whether it is an error shows in its place of the reply. */
static void queue_select(struct client *c, const struct slice *argv)
{
    int64_t db;
    if (parse_i64(argv[1], &db) && db >= 0 && db < (int64_t)c->server->limits.databases)
        c->txn->db = (uint32_t)db;
}

void transaction_queue(struct client *c, const struct command *row, const struct handler *h,
                       const struct slice *argv, size_t argc)
{
    struct transaction *t = c->txn;
    if (t->count == t->cap) {
        t->cap = t->cap ? t->cap * 2 : 4;
        t->commands = mem_realloc(t->commands, t->cap * sizeof *t->commands);
    }
    bool publishes = h && (h->run == publish_command || h->run == spublish_command);
    bool changes = h && ((h->run == config_command && config_is_change(argv, argc)) ||
                         (h->run == acl_command && acl_is_change(argv[1])));
    if (h && h->run == select_command)
        queue_select(c, argv);
    /* TIME is the entry's time, so the state machine answers it; what is published becomes known when the rest does. */
    t->commands[t->count++] =
        (struct queued_command){.row = row,
                                .first_arg = t->arg_count,
                                .argc = (uint32_t)argc,
                                .db = t->db,
                                .local = h && h->run != time_command && !publishes && !changes,
                                .changes = changes,
                                .publishes = publishes};
    t->may_write |= pause_is_write(c->server, row, argv, argc);
    for (size_t i = 0; i < argc; i++)
        add_arg(t, argv[i]);
    if (t->bytes.len > c->server->config->query_buffer_limit)
        client_doom(c, "its transaction reached the query buffer limit");
}

void multi_command(struct client *c, const struct slice *argv, size_t argc, struct buf *out)
{
    (void)argv, (void)argc;
    if (c->txn) {
        resp_error(out, "ERR MULTI calls can not be nested");
        return;
    }
    c->txn = mem_calloc(1, sizeof *c->txn);
    c->txn->db = c->db;
    resp_simple(out, "OK");
}

static void drop_transaction(struct client *c)
{
    transaction_free(c->txn);
    c->txn = NULL;
    watches_clear(c);
}

void transaction_abort(struct client *c, const char *why)
{
    reply_errorf(c, reply_begin(c), "EXECABORT Transaction discarded because of: %s", why);
    drop_transaction(c);
}

void discard_command(struct client *c, const struct slice *argv, size_t argc, struct buf *out)
{
    (void)argv, (void)argc;
    if (!c->txn) {
        resp_error(out, "ERR DISCARD without MULTI");
        return;
    }
    drop_transaction(c);
    resp_simple(out, "OK");
}

/* ---- EXEC ---- */

/* Freed by the caller. */
static struct slice *arguments(const struct transaction *t, const struct queued_command *q)
{
    struct slice *argv = mem_alloc(q->argc * sizeof *argv);
    for (uint32_t i = 0; i < q->argc; i++)
        argv[i] = arg_at(t, q->first_arg + i);
    return argv;
}

/* Between being queued and EXEC its user has lost what it needs for this. */
static const char *denial(enum acl_verdict why)
{
#define CHANGED                                                                                              \
    "-NOPERM ACLs rules changed between the moment the transaction was accumulated and the EXEC call. "      \
    "This command is no longer allowed for the following reason: "
    switch (why) {
    case ACL_NO_COMMAND:
        return CHANGED "no permission to execute the command or subcommand\r\n";
    case ACL_NO_KEY:
        return CHANGED "no permission to touch the specified keys\r\n";
    case ACL_NO_CHANNEL:
        return CHANGED "no permission to access one of the channels used as arguments\r\n";
    case ACL_NO_SORT_BY:
        return "-ERR BY option of SORT denied due to insufficient ACL permissions.\r\n";
    case ACL_NO_SORT_GET:
        return "-ERR GET option of SORT denied due to insufficient ACL permissions.\r\n";
    case ACL_GRANTED:
        break;
    }
    return "";
}

static void judge(struct client *c, struct transaction *t)
{
    for (size_t i = 0; i < t->count && !c->unlimited; i++) {
        struct queued_command *q = &t->commands[i];
        struct slice *argv = arguments(t, q);
        size_t which = 0;
        enum acl_verdict why = q->denied ? q->why : user_judges(c, q->row, argv, q->argc, &which);
        if (why != ACL_GRANTED && why < ACL_NO_SORT_BY && !q->denied)
            acl_log_note(c, why, why == ACL_NO_COMMAND ? slice_cstr(q->row->name) : argv[which],
                         client_user(c));
        q->denied = why != ACL_GRANTED;
        q->publishes &= !q->denied;
        q->why = why;
        mem_free(argv);
    }
}

static void run_local(struct client *c, const struct transaction *t, const struct queued_command *q,
                      struct buf *out)
{
    if (q->denied) {
        buf_append_cstr(out, denial(q->why));
        return;
    }
    struct slice *argv = arguments(t, q);
    const struct handler *h = stat_of(c->server, q->row)->handler;
    struct command_stat *stat = stat_of(c->server, q->row);
    uint64_t begun_ns = time_begin(c->server, stat);
    c->in_exec = true;
    size_t start = out->len;
    h->run(c, argv, q->argc, out);
    c->in_exec = false;
    count_run(c, stat, out, start);
    ran(c, q->row, argv, q->argc, time_end(c->server, stat, begun_ns));
    mem_free(argv);
}

/* The reply with the server's own answers put in their places. `elements`: the data's replies, one after the other. */
static void weave(struct client *c, const struct transaction *t, struct slice elements, struct buf *out)
{
    resp_array(out, t->count);
    for (size_t i = 0; i < t->count; i++) {
        if (t->commands[i].local) {
            run_local(c, t, &t->commands[i], out);
            continue;
        }
        size_t len = resp_reply_len(elements);
        assert(len > 0);
        buf_append(out, elements.data, len);
        elements = slice_of(elements.data + len, elements.len - len);
    }
}

/* Of an array's reply, what follows its head. false: not an array of so many elements (a nil, an error). */
static bool array_elements(struct slice reply, size_t count, struct slice *elements)
{
    if (reply.len < 4 || reply.data[0] != '*')
        return false;
    const char *newline = memchr(reply.data, '\n', reply.len);
    size_t head = (size_t)(newline + 1 - reply.data);
    int64_t announced;
    if (!parse_i64(slice_of(reply.data + 1, head - 3), &announced) || announced != (int64_t)count)
        return false;
    *elements = slice_of(reply.data + head, reply.len - head);
    return true;
}

static size_t count_local(const struct transaction *t)
{
    size_t count = 0;
    for (size_t i = 0; i < t->count; i++)
        count += t->commands[i].local;
    return count;
}

static size_t count_publishes(const struct transaction *t)
{
    size_t count = 0;
    for (size_t i = 0; i < t->count; i++)
        count += t->commands[i].publishes;
    return count;
}

/* A session's EXEC that is sent again may ask for something else than it did (DESIGN 5): what is remembered then goes out
 * as it is. */
void exec_answered(struct client *c, struct slice reply, struct buf *out)
{
    struct transaction *t = c->running;
    struct slice elements;
    c->running = NULL;
    if (t && array_elements(reply, t->count - count_local(t), &elements))
        weave(c, t, elements, out);
    else
        buf_append_slice(out, reply);
    transaction_free(t);
}

/* PUBLISH as the state machine takes it. Its receivers are counted now: those of this node, as for any PUBLISH. `receipts` has
 * room. */
static uint32_t put_publish(const struct client *c, struct transaction *t, const struct queued_command *q,
                            struct slice behind, struct slice *argv)
{
    bool shard = q->row->first_key;
    struct slice channel = arg_at(t, q->first_arg + 1);
    size_t start = t->receipts.len;
    resp_integer(&t->receipts,
                 (int64_t)pubsub_publish(messages_pubsub(c->server), shard, channel, NULL, NULL));
    argv[0] = shard ? RSM_SPUBLISH : RSM_PUBLISH;
    argv[1] = slice_drop(buf_slice(&t->receipts), start);
    argv[2] = channel;
    argv[3] = arg_at(t, q->first_arg + 2);
    argv[4] = behind;
    return 5;
}

/* What an entry has of a change of settings or users; or, where it is wrong, its error. */
static void prepare_change(struct client *c, struct transaction *t, struct queued_command *q)
{
    struct slice *argv = arguments(t, q);
    struct buf error = BUF_EMPTY;
    struct acl_words words = {0};
    bool users = slice_is_word(argv[0], "acl");
    q->prepared = t->prepared.len;
    if (!users) {
        config_change_words(c, argv, q->argc, RSM_CONFIG, &t->prepared, &error);
    } else if (acl_change_words(c, argv, q->argc, &words, &error)) {
        users_begin(c->server);
        put_varint(&t->prepared, 1 + words.count);
        put_bytes(&t->prepared, RSM_USERS);
        for (size_t i = 0; i < words.count; i++)
            put_bytes(&t->prepared, words.at[i]);
    }
    if (error.len) {
        struct slice literal[] = {RSM_LITERAL, buf_slice(&error)};
        buf_truncate(&t->prepared, q->prepared);
        slot_pack(&t->prepared, literal, 2);
    }
    acl_words_deinit(&words);
    buf_deinit(&error);
    mem_free(argv);
}

/* The number of words in all. */
static size_t prepare_changes(struct client *c, struct transaction *t)
{
    size_t count = 0;
    buf_truncate(&t->prepared, 0);
    for (size_t i = 0; i < t->count; i++) {
        struct queued_command *q = &t->commands[i];
        if (!q->changes || q->denied)
            continue;
        prepare_change(c, t, q);
        struct reader r = reader_of(slice_drop(buf_slice(&t->prepared), q->prepared));
        count += get_varint(&r);
    }
    return count;
}

static uint32_t put_queued(const struct transaction *t, const struct queued_command *q, struct slice *argv)
{
    for (uint32_t k = 0; k < q->argc; k++)
        argv[k] = arg_at(t, q->first_arg + k);
    return q->argc;
}

static uint32_t put_change(const struct transaction *t, const struct queued_command *q, struct slice *argv)
{
    struct reader r = reader_of(slice_drop(buf_slice(&t->prepared), q->prepared));
    uint32_t count = (uint32_t)get_varint(&r);
    for (uint32_t i = 0; i < count; i++)
        argv[i] = get_bytes(&r);
    return count;
}

/* The request for the data alone: counts, dbs and argv in one allocation, freed by the caller as req->argv. */
static void fill_request(struct client *c, struct transaction *t, struct rsm_request *req)
{
    size_t commands = t->count - count_local(t), publishes = count_publishes(t);
    size_t args_max = t->arg_count + 2 * publishes + 2 * t->count + prepare_changes(c, t);
    buf_truncate(&t->receipts, 0);
    buf_reserve(&t->receipts, MESSAGES_BEHIND_MAX + publishes * RECEIPT_MAX);
    messages_behind(c, &t->receipts);
    struct slice behind = buf_slice(&t->receipts);
    struct slice *argv = mem_alloc(args_max * sizeof *argv + 2 * commands * sizeof(uint32_t) +
                                   c->watch_count * sizeof(struct rsm_watch) + 1);
    struct rsm_watch *watches = (struct rsm_watch *)(void *)(argv + args_max);
    uint32_t *counts = (uint32_t *)(void *)(watches + c->watch_count), *dbs = counts + commands;
    *req = (struct rsm_request){.kind = RSM_EXEC,
                                .db = c->db,
                                .resp = c->resp,
                                .argv = argv,
                                .counts = counts,
                                .dbs = dbs,
                                .commands = commands,
                                .watches = watches,
                                .watch_count = c->watch_count};
    size_t n = 0;
    for (size_t i = 0; i < t->count; i++) {
        const struct queued_command *q = &t->commands[i];
        if (q->local)
            continue;
        if (q->denied) {
            dbs[n] = q->db;
            counts[n++] = 2;
            argv[req->argc++] = RSM_LITERAL;
            argv[req->argc++] = slice_cstr(denial(q->why));
            continue;
        }
        dbs[n] = q->db;
        if (q->publishes)
            counts[n] = put_publish(c, t, q, behind, argv + req->argc);
        else if (q->changes)
            counts[n] = put_change(t, q, argv + req->argc);
        else
            counts[n] = put_queued(t, q, argv + req->argc);
        req->argc += counts[n++];
    }
    for (size_t i = 0; i < c->watch_count; i++)
        watches[i] =
            (struct rsm_watch){c->watches[i].db, buf_slice(&c->watches[i].key), c->watches[i].version};
}

static uint16_t first_slot(const struct client *c, const struct rsm_request *req)
{
    if (req->commands == 0)
        return 0;
    const struct command *row = NULL;
    for (size_t i = 0; !row && i < c->txn->count; i++)
        if (!c->txn->commands[i].local)
            row = c->txn->commands[i].row;
    return route_key_slot(row, req->argv, req->counts[0]);
}

/* To those who MONITOR: EXEC comes behind what it runs, as in Redis. */
static void show(struct client *c, const struct transaction *t)
{
    if (list_empty(&c->server->monitors) || c->unseen)
        return;
    struct slice *argv = mem_alloc((t->arg_count + 1) * sizeof *argv);
    for (size_t i = 0; i < t->count; i++) {
        const struct queued_command *q = &t->commands[i];
        for (uint32_t k = 0; k < q->argc; k++)
            argv[k] = arg_at(t, q->first_arg + k);
        monitor_show(c->server, q->row, q->db, c->peer, argv, q->argc);
    }
    mem_free(argv);
}

/* Of the data's commands; which of them fail is counted when they are answered. The server's own are when they run. */
static void count_calls(struct server *s, const struct transaction *t)
{
    for (size_t i = 0; i < t->count; i++)
        if (!t->commands[i].local)
            stat_of(s, t->commands[i].row)->calls++;
}

/* What is to be known of the transaction when it is answered. */
static void mark_slot(struct client *c, const struct transaction *t, struct slot *slot)
{
    slot->publishes = count_publishes(t) > 0;
    if (!c->cache || c->cache->broadcast)
        return;
    struct keeping *k = caches_exec_begin(c, slot);
    for (size_t i = t->count; i-- > 0;) {
        const struct queued_command *q = &t->commands[i];
        struct slice *argv = arguments(t, q);
        caches_exec_command(k, q->db, q->row, argv, q->argc);
        mem_free(argv);
    }
    caches_exec_end(k);
}

static enum verdict exec_write(struct client *c)
{
    struct transaction *t = c->txn;
    struct rsm_request req;
    fill_request(c, t, &req);
    uint32_t open_before = c->writes_open;
    enum verdict verdict = route_write(c, command_lookup(SLICE_LITERAL("exec")), &req, KIND_EXEC,
                                       first_slot(c, &req), c->session != 0);
    mem_free((void *)(uintptr_t)req.argv);
    if (verdict == WAIT)
        return WAIT;
    show(c, t);
    count_calls(c->server, t);
    c->txn = NULL;
    watches_clear(c);
    if (c->writes_open != open_before)
        mark_slot(c, t, slot_at(c, c->tail - 1));
    if (c->writes_open != open_before && count_local(t)) {
        c->running = t;
        c->exclusive = true;
    } else {
        transaction_free(t);
    }
    return TAKEN;
}

/* Nothing but messages: they need no entry to go with. */
static void publish_here(struct transaction *t)
{
    for (size_t i = 0; i < t->count; i++) {
        t->commands[i].local |= t->commands[i].publishes;
        t->commands[i].publishes = false;
    }
}

enum verdict exec_route(struct client *c)
{
    struct transaction *t = c->txn;
    if (!t || t->failed) {
        reply_error(c, reply_begin(c),
                    t ? "EXECABORT Transaction discarded because of previous errors."
                      : "ERR EXEC without MULTI");
        stat_of(c->server, command_lookup(SLICE_LITERAL("exec")))->failed++;
        if (t)
            drop_transaction(c);
        return TAKEN;
    }
    judge(c, t);
    if (count_local(t) + count_publishes(t) == t->count && c->watch_count == 0 && c->session == 0)
        publish_here(t);
    bool only_local = count_local(t) == t->count && c->watch_count == 0 && c->session == 0;
    if (count_local(t) && !ring_empty(c))
        return WAIT; /* the server's own part runs behind what came before */
    if (!only_local)
        return exec_write(c);
    show(c, t);
    c->txn = NULL;
    weave(c, t, slice_of(NULL, 0), reply_begin(c));
    transaction_free(t);
    return TAKEN;
}

void exec_command(struct client *c, const struct slice *argv, size_t argc, struct buf *out)
{
    (void)argv, (void)argc, (void)out;
    c->wait_asked = exec_route(c) == WAIT;
}

/* ---- WATCH ---- */

void watches_clear(struct client *c)
{
    for (size_t i = 0; i < c->watch_count; i++)
        buf_deinit(&c->watches[i].key);
    c->watch_count = 0;
    c->watched_bytes = 0;
}

void unwatch_command(struct client *c, const struct slice *argv, size_t argc, struct buf *out)
{
    (void)argv, (void)argc;
    watches_clear(c);
    resp_simple(out, "OK");
}

/* A key watched twice keeps its first version. */
static void add_watch(struct client *c, uint32_t db, struct slice key, uint64_t version)
{
    for (size_t i = 0; i < c->watch_count; i++)
        if (c->watches[i].db == db && slice_equal(buf_slice(&c->watches[i].key), key))
            return;
    if (c->watch_count == c->watch_cap) {
        c->watch_cap = c->watch_cap ? c->watch_cap * 2 : 4;
        c->watches = mem_realloc(c->watches, c->watch_cap * sizeof *c->watches);
    }
    struct watched_key *w = &c->watches[c->watch_count++];
    *w = (struct watched_key){.db = db, .version = version, .key = BUF_EMPTY};
    buf_append_slice(&w->key, key);
    c->watched_bytes += sizeof *w + w->key.cap;
}

bool watch_run(struct client *c, uint64_t now_ms, uint64_t *due_ms)
{
    struct slot *slot = slot_at(c, c->head);
    struct server *s = c->server;
    size_t argc = slot_unpack(s, buf_slice(&slot->bytes));
    for (; c->watch_done < argc; c->watch_done++) {
        uint64_t version;
        struct slice key = s->argv[c->watch_done];
        if (!node_watch(s->node, now_ms, slot->db, key, &version, due_ms))
            return false;
        add_watch(c, slot->db, key, version);
    }
    return true;
}

bool watch_answered(struct client *c, struct slot *slot, const struct node_answer *answer)
{
    struct server *s = c->server;
    size_t argc = slot_unpack(s, buf_slice(&slot->bytes));
    int64_t version;
    struct slice reply = answer->reply;
    c->watch_failed = reply.len < 4 || reply.data[0] != ':' ||
                      !parse_i64(slice_of(reply.data + 1, reply.len - 3), &version);
    if (c->watch_failed)
        return true;
    add_watch(c, slot->db, s->argv[c->watch_done++], (uint64_t)version);
    if (c->watch_done == argc)
        return true;
    struct node_asker who = client_asks(c, c->head);
    c->watch_failed = node_forward_watch(s->node, slot->db, s->argv[c->watch_done], &who) != NODE_PENDING;
    return c->watch_failed;
}

static void watch_here(struct client *c, bool follower)
{
    uint64_t now_ms = 0;
    uint32_t seq = c->tail - 1;
    struct slot *slot = slot_at(c, seq);
    enum node_outcome outcome =
        node_read(c->server->node, c->last_index, follower, ticket_of(c, seq), &now_ms);
    slot->group = seq;
    slot->now_ms = now_ms;
    slot->released = outcome == NODE_DONE;
    if (outcome != NODE_DONE && outcome != NODE_PENDING)
        slot->state = SLOT_ROUTE;
    client_advance(c);
}

/* A read of versions: it waits for its round, and for everything before it on the connection (it is a barrier). */
void watch_command(struct client *c, const struct slice *argv, size_t argc, struct buf *out)
{
    struct server *s = c->server;
    if (c->txn) {
        resp_error(out, "ERR WATCH inside MULTI is not allowed");
        return;
    }
    bool serving = node_is_serving(s->node), proxy = c->mode == MODE_PROXY;
    uint16_t key = route_key_slot(command_lookup(argv[0]), argv, argc);
    if (c->poison || (!serving && !proxy)) {
        if (!c->poison && !route_knows_leader(s) && route_park(c))
            c->wait_asked = true;
        else
            route_refuse(c, out, key, false, false);
        return;
    }
    struct slot *slot = slot_push(c, serving ? SLOT_READ : SLOT_NODE, KIND_WATCH);
    slot->key_slot = key;
    slot->row = command_lookup(argv[0]);
    slot_pack(&slot->bytes, argv + 1, argc - 1);
    struct node_asker who = client_asks(c, c->tail - 1);
    c->exclusive = true;
    c->watch_done = 0;
    c->watch_failed = false;
    if (serving) {
        watch_here(c, false);
    } else if (node_forward_watch(s->node, c->db, argv[1], &who) != NODE_PENDING) {
        slot->state = SLOT_ROUTE;
        client_advance(c);
    }
}
