/* Clients that push elements, and clients that take them and wait while there are none (BLPOP and its kin). Some lose their
 * patience: a server notices that a connection is gone, or does not. Some are told to wait no longer (CLIENT UNBLOCK).
 *
 * Keys come in five sorts, and are left for fresh ones when so much has been pushed. Elements name themselves: <client.number.i>. */
#include "work_int.h"

#include "base/alloc.h"

#include <stdio.h>
#include <stdlib.h>

enum { WORDS_MAX = 16, PUSHED_MOST = 3, KEY_ELEMENTS = 150, PATIENCE_US = 1500000 };
enum sort { LIST_IN_ORDER, LIST, SORTED_SET, STREAM, NEVER_PUSHED };

/* A request of this kind, the same when it is asked again. */
struct wait {
    char words[WORDS_MAX][40];
    size_t argc;
    uint32_t counts[PUSHED_MOST + 1];
    size_t commands; /* of a transaction; 0: none */
    size_t elements[PUSHED_MOST], count;
    size_t take;
    uint64_t timeout_us; /* 0: for ever */
    uint64_t claim;      /* under which it waits; 0: it does not, as far as it knows */
    uint64_t index;
    bool released, ended;
};

static struct queue *queue_new(struct work *k, uint32_t slot)
{
    if (k->queue_count == k->queue_cap) {
        k->queue_cap = k->queue_cap * 2 + 8;
        k->queues = mem_realloc(k->queues, k->queue_cap * sizeof(*k->queues));
    }
    struct queue *q = &k->queues[k->queue_count];
    q->slot = slot;
    q->key = handed_key(k->handed, slot == LIST_IN_ORDER || slot == STREAM);
    snprintf(q->name, sizeof(q->name), "w%u.%u", slot, q->key);
    k->queue_slots[slot] = k->queue_count++;
    return q;
}

void work_wait_begin(struct work *k)
{
    k->handed = handed_new();
    for (uint32_t slot = 0; slot < QUEUE_SLOTS; slot++)
        queue_new(k, slot);
}

void work_wait_end(struct work *k)
{
    handed_free(k->handed);
    mem_free(k->queues);
}

/* ---- what to ask --------------------------------------------------------------------------------------------- */

static char *word(struct wait *w)
{
    return w->words[w->argc++];
}

static void text(struct wait *w, const char *s)
{
    snprintf(word(w), sizeof(w->words[0]), "%s", s);
}

static void number(struct wait *w, uint64_t n)
{
    snprintf(word(w), sizeof(w->words[0]), "%llu", (unsigned long long)n);
}

static void seconds(struct wait *w)
{
    snprintf(word(w), sizeof(w->words[0]), "%.3f", (double)w->timeout_us / 1e6);
}

static struct queue *present(struct work *k, uint32_t slot)
{
    struct queue *q = &k->queues[k->queue_slots[slot]];
    return handed_keys_pushed(k->handed, q->key) < KEY_ELEMENTS ? q : queue_new(k, slot);
}

/* But of a sort that is for those who wait in vain. Often one that somebody waits for: those who wait for ever at a key that nobody uses any more would. */
static struct queue *draw_queue(struct work *k)
{
    const struct client *c = &k->clients[prng_below(&k->chance, k->config.clients)];
    bool waits = c->kind == TAKER && c->phase == WRITING && k->queues[c->queue].slot != NEVER_PUSHED;
    if (waits && prng_below(&k->chance, 2))
        return &k->queues[c->queue];
    return present(k, (uint32_t)prng_below(&k->chance, NEVER_PUSHED));
}

static void element(struct work *k, struct client *c, const struct queue *q)
{
    struct wait *w = c->wait;
    char *s = word(w);
    int len = snprintf(s, sizeof(w->words[0]), "<%u.%llu.%zu>", client_number(k, c),
                       (unsigned long long)c->number, w->count);
    w->elements[w->count++] =
        handed_push(k->handed, q->key, slice_of(s, (size_t)len), world_now_us(k->world));
}

static void end_command(struct wait *w, size_t from)
{
    w->counts[w->commands++] = (uint32_t)(w->argc - from);
}

static void push_words(struct work *k, struct client *c, const struct queue *q, size_t elements)
{
    struct wait *w = c->wait;
    bool back = q->slot == LIST_IN_ORDER || prng_below(&k->chance, 2);
    text(w, q->slot == SORTED_SET ? "zadd" : back ? "rpush" : "lpush");
    text(w, q->name);
    while (elements--) {
        if (q->slot == SORTED_SET)
            number(w, prng_below(&k->chance, 100));
        element(k, c, q);
    }
}

/* The group is made by whoever is first; for the others that is an error, inside the transaction. */
static void stream_words(struct work *k, struct client *c, const struct queue *q)
{
    struct wait *w = c->wait;
    static const char *const create[] = {"xgroup", "create", NULL, "g", "0", "mkstream"};
    for (size_t i = 0; i < sizeof(create) / sizeof(create[0]); i++)
        text(w, create[i] ? create[i] : q->name);
    end_command(w, 0);
    text(w, "xadd");
    text(w, q->name);
    text(w, "*");
    text(w, "f");
    element(k, c, q);
    end_command(w, 6);
}

static void choose_push(struct work *k, struct client *c)
{
    struct wait *w = c->wait;
    const struct queue *q = draw_queue(k);
    size_t elements = 1 + prng_below(&k->chance, PUSHED_MOST);
    if (q->slot == STREAM) {
        stream_words(k, c, q);
    } else if (prng_below(&k->chance, 3)) {
        push_words(k, c, q, elements);
    } else {
        for (size_t from = 0; elements--; from = w->argc) {
            push_words(k, c, q, 1);
            end_command(w, from);
        }
    }
}

static void pop_words(struct wait *w, const char *name, const struct queue *a, const struct queue *b)
{
    text(w, name);
    text(w, a->name);
    if (b)
        text(w, b->name);
    seconds(w);
}

static void mpop_words(struct wait *w, const char *name, const char *where, uint64_t most,
                       const struct queue *a, const struct queue *b)
{
    text(w, name);
    seconds(w);
    number(w, b ? 2 : 1);
    text(w, a->name);
    if (b)
        text(w, b->name);
    text(w, where);
    text(w, "count");
    number(w, most);
}

static void move_words(struct wait *w, const struct queue *q)
{
    bool in_order = q->slot == LIST_IN_ORDER;
    text(w, in_order ? "blmove" : "brpoplpush");
    text(w, q->name);
    snprintf(word(w), sizeof(w->words[0]), "%sd", q->name);
    if (in_order) {
        text(w, "left");
        text(w, "right");
    }
    seconds(w);
}

static void group_words(struct wait *w, const struct queue *q, uint32_t client, uint64_t most)
{
    text(w, "xreadgroup");
    text(w, "group");
    text(w, "g");
    number(w, client);
    text(w, "count");
    number(w, most);
    text(w, "block");
    number(w, w->timeout_us / 1000);
    text(w, "noack");
    text(w, "streams");
    text(w, q->name);
    text(w, ">");
}

static void choose_take(struct work *k, struct client *c)
{
    struct wait *w = c->wait;
    struct queue *q = present(k, (uint32_t)prng_below(&k->chance, QUEUE_SLOTS)), *b = NULL;
    uint64_t most = 1 + prng_below(&k->chance, HANDED_MOST), how = prng_below(&k->chance, 4);
    c->queue = (uint32_t)(q - k->queues);
    w->timeout_us = prng_below(&k->chance, 5) ? 1000 * (10 + prng_below(&k->chance, 1500)) : 0;
    if (q->slot == LIST && how < 2 && prng_below(&k->chance, 2))
        b = &k->queues[k->queue_slots[LIST_IN_ORDER]];
    struct handed_ask ask = {.client = client_number(k, c),
                             .keys = {q->key, b ? b->key : 0},
                             .key_count = b ? 2 : 1,
                             .most = how == 1 || q->slot == STREAM ? (uint32_t)most : 1,
                             .asked_us = world_now_us(k->world),
                             .timeout_us = w->timeout_us};
    w->take = handed_take(k->handed, &ask);
    if (q->slot == STREAM)
        group_words(w, q, client_number(k, c), most);
    else if (q->slot == SORTED_SET && how == 1)
        mpop_words(w, "bzmpop", most % 2 ? "min" : "max", most, q, NULL);
    else if (q->slot == SORTED_SET)
        pop_words(w, how == 0 ? "bzpopmax" : "bzpopmin", q, NULL);
    else if (how == 1)
        mpop_words(w, "blmpop", q->slot == LIST && !b ? "right" : "left", most, q, b);
    else if (how == 2)
        move_words(w, q);
    else
        pop_words(w, q->slot == LIST && how == 3 ? "brpop" : "blpop", q, b);
}

void work_wait_choose(struct work *k, struct client *c)
{
    if (!c->wait)
        c->wait = mem_alloc(sizeof(*c->wait));
    *c->wait = (struct wait){.argc = 0};
    if (c->kind == PUSHER)
        choose_push(k, c);
    else
        choose_take(k, c);
}

/* ---- asking -------------------------------------------------------------------------------------------------- */

enum node_outcome work_wait_ask(struct work *k, struct client *c, struct node *n)
{
    struct wait *w = c->wait;
    struct slice argv[WORDS_MAX];
    uint32_t dbs[PUSHED_MOST + 1] = {0};
    char id[24];
    struct buf error = BUF_EMPTY;
    struct node_asker who = asker_of(k, c);
    for (size_t i = 0; i < w->argc; i++)
        argv[i] = slice_cstr(w->words[i]);
    struct rsm_request req = {.kind = w->commands ? RSM_EXEC : RSM_COMMAND,
                              .numbering = c->plain ? RSM_TAGGED : RSM_SESSION_NUMBER,
                              .resp = 2,
                              .user = SLICE_LITERAL("default"),
                              .session = c->session,
                              .request_id = c->number,
                              .argv = argv,
                              .argc = w->argc,
                              .counts = w->counts,
                              .dbs = dbs,
                              .commands = w->commands,
                              .asker = c->kind == TAKER ? world_node_id(k->world, c->node) : 0};
    req.client_id = slice_of(id, (size_t)snprintf(id, sizeof(id), "c%u", client_number(k, c)));
    w->claim = w->index = 0;
    w->released = false;
    if (c->kind == TAKER) {
        handed_waits(k->handed, w->take, UINT64_MAX);
        if (k->paused) /* else a session would ask the same again for ever, whose time is longer than its patience */
            work_due(k, c, UINT64_MAX);
        else if (prng_below(&k->chance, 4) == 0)
            work_due(k, c, c->asked_us + prng_below(&k->chance, PATIENCE_US));
    }
    enum node_outcome outcome =
        c->forwarded ? node_forward(n, &req, false, &who, &error) : node_write(n, &req, who.ticket, &error);
    buf_deinit(&error);
    return outcome;
}

/* ---- while it waits ------------------------------------------------------------------------------------------ */

static void unblock(struct work *k, uint32_t node, uint64_t claim, enum rsm_unblock how)
{
    struct buf error = BUF_EMPTY;
    if (world_node(k->world, node))
        node_unblock(world_node(k->world, node), claim, how, NODE_NOBODY, &error);
    buf_deinit(&error);
}

/* As the server does, whose client is gone. */
void work_wait_gone(struct work *k, struct given_up *g)
{
    if (g->gone && g->claim)
        unblock(k, g->node, g->claim, RSM_UNBLOCK_GONE);
}

void work_wait_told(struct work *k, struct client *c, uint64_t claim)
{
    c->wait->claim = claim;
    k->counts.waited++;
    handed_waits(k->handed, c->wait->take, world_now_us(k->world));
}

uint64_t work_wait_claim(const struct client *c)
{
    return c->kind == TAKER && c->phase == WRITING ? c->wait->claim : 0;
}

bool work_wait_for_ever(const struct client *c)
{
    return c->kind == TAKER && c->phase == WRITING && c->wait->timeout_us == 0;
}

uint64_t work_wait_timeout_us(const struct client *c)
{
    return c->kind == TAKER && c->phase == WRITING ? c->wait->timeout_us : 0;
}

/* Now and then somebody has had enough of it; in the end all have whose time is never up. */
void work_wait_look_after(struct work *k, struct client *c)
{
    if (!c->waiting || !work_wait_claim(c) ||
        (k->paused ? !work_wait_for_ever(c) : prng_below(&k->chance, 12) != 0))
        return;
    bool error = !k->paused && prng_below(&k->chance, 2);
    c->wait->ended = true;
    unblock(k, c->node, c->wait->claim, error ? RSM_UNBLOCK_ERROR : RSM_UNBLOCK_TIMEOUT);
}

/* ---- answers ------------------------------------------------------------------------------------------------- */

/* Is it the entry applied just now that ends the wait? Then its index is known for sure. */
void work_wait_answer(struct client *c, struct node *n, uint64_t index)
{
    size_t count;
    const struct rsm_release *r = rsm_released(node_rsm(n), &count);
    c->wait->index = index;
    for (size_t i = 0; c->wait->claim && i < count; i++)
        c->wait->released |= r[i].claim == c->wait->claim && index == rsm_applied(node_rsm(n));
}

void work_wait_settle(struct work *k, struct client *c, enum op_outcome outcome)
{
    char wrong[160];
    struct wait *w = c->wait;
    uint64_t now_us = world_now_us(k->world);
    enum handed_fate fate = outcome == OUTCOME_OK        ? HANDED_DONE
                            : outcome == OUTCOME_NOT_RUN ? HANDED_NOT_RUN
                                                         : HANDED_UNKNOWN;
    for (size_t i = 0; i < w->count; i++)
        handed_pushed(k->handed, w->elements[i], fate, now_us);
    k->counts.exactly_once += w->count;
    if (c->kind == TAKER && !handed_taken(k->handed, w->take, fate, now_us, w->index, w->released,
                                          w->ended || !work_trusts_clocks(k), wrong, sizeof(wrong)))
        work_wrong(k, "%s", wrong);
}

/* The next element that stands there, from `*at` on. */
static bool next_element(struct slice reply, size_t *at, struct slice *out)
{
    const char *from = *at < reply.len ? memchr(reply.data + *at, '<', reply.len - *at) : NULL;
    const char *end = from ? memchr(from, '>', reply.len - (size_t)(from - reply.data)) : NULL;
    if (!end)
        return false;
    *out = slice_of(from, (size_t)(end + 1 - from));
    *at = (size_t)(end + 1 - reply.data);
    return true;
}

static bool begins(struct slice reply, const char *with)
{
    size_t len = strlen(with);
    return reply.len >= len && memcmp(reply.data, with, len) == 0;
}

/* Nobody got to the stream yet, so it has no group; or somebody made it wait no longer. */
static bool in_vain(struct client *c, struct slice reply)
{
    bool unblocked = begins(reply, "-UNBLOCKED client unblocked") && c->wait->ended;
    bool no_group = begins(reply, "-NOGROUP");
    c->wait->ended |= no_group;
    return unblocked || no_group || begins(reply, "*-1\r\n") || begins(reply, "$-1\r\n");
}

/* The apply version is not raised yet: a founder raises it once it has heard from all. */
static bool too_early(struct slice reply)
{
    size_t head = reply.len && reply.data[0] == '*' ? 4 : 0; /* of a transaction's reply */
    return reply.len > head && begins(slice_drop(reply, head), "-ERR unknown command");
}

bool work_wait_done(struct work *k, struct client *c, struct slice reply)
{
    char wrong[160];
    size_t at = 0;
    struct slice e;
    if (too_early(reply)) {
        work_wait_settle(k, c, OUTCOME_NOT_RUN);
        return true;
    }
    bool good = c->kind == PUSHER ? reply.len && strchr(":*", reply.data[0]) && !begins(reply, "*-1")
                                  : reply.len && reply.data[0] != '-';
    if (c->kind == TAKER && in_vain(c, reply)) {
        work_wait_settle(k, c, OUTCOME_OK);
        return true;
    }
    for (; good && c->kind == TAKER && next_element(reply, &at, &e); k->counts.handed++)
        if (!handed_got(k->handed, c->wait->take, e, wrong, sizeof(wrong)))
            work_wrong(k, "%s", wrong);
    if (good && (c->kind == PUSHER || at))
        work_wait_settle(k, c, OUTCOME_OK);
    return good && (c->kind == PUSHER || at);
}

/* ---- the end ------------------------------------------------------------------------------------------------- */

static struct slice ask_node(struct node *n, const char *const *words, struct buf *reply)
{
    struct slice argv[6];
    size_t argc = 0;
    uint64_t due_ms;
    for (; words[argc]; argc++)
        argv[argc] = slice_cstr(words[argc]);
    buf_truncate(reply, 0);
    node_query(n, node_cluster_ms(n), 0, 2, SLICE_LITERAL("default"), argv, argc, reply, &due_ms);
    return buf_slice(reply);
}

/* Of a stream what the group has not been given yet. */
static struct slice still_there(struct node *n, const struct queue *q, struct buf *reply)
{
    char after[48] = "-";
    if (q->slot != STREAM)
        return ask_node(
            n, (const char *[]){q->slot == SORTED_SET ? "zrange" : "lrange", q->name, "0", "-1", NULL},
            reply);
    struct slice groups = ask_node(n, (const char *[]){"xinfo", "groups", q->name, NULL}, reply);
    put_u8(reply, 0);
    const char *last = groups.len ? strstr(reply->data, "last-delivered-id\r\n") : NULL;
    const char *id = last ? strchr(last + 20, '\n') : NULL;
    if (id)
        snprintf(after, sizeof(after), "(%.*s", (int)strcspn(id + 1, "\r"), id + 1);
    return ask_node(n, (const char *[]){"xrange", q->name, after, "+", NULL}, reply);
}

void work_wait_check(struct work *k, struct node *n)
{
    char wrong[160], moved[24];
    struct buf reply = BUF_EMPTY;
    struct slice e;
    for (uint32_t i = 0; i < k->queue_count; i++) {
        const struct queue *q = &k->queues[i];
        struct slice there = still_there(n, q, &reply);
        for (size_t at = 0; next_element(there, &at, &e);)
            if (!handed_left(k->handed, q->key, e, wrong, sizeof(wrong)))
                work_wrong(k, "%s: %s", q->name, wrong);
        snprintf(moved, sizeof(moved), "%sd", q->name);
        there = ask_node(n, (const char *[]){"lrange", moved, "0", "-1", NULL}, &reply);
        for (size_t at = 0; q->slot <= LIST && next_element(there, &at, &e);)
            if (!handed_put_away(k->handed, e, wrong, sizeof(wrong)))
                work_wrong(k, "%s: %s", moved, wrong);
    }
    if (!handed_check(k->handed, wrong, sizeof(wrong)))
        work_wrong(k, "%s", wrong);
    buf_deinit(&reply);
}
