/* The clients' side of the proof. Sessions make a retry run once, so a token that stands twice is a defect; a token acknowledged
 * and missing is a lost write; one missing in a read that began after its acknowledgement is a stale read. */
#include "work.h"

#include "base/alloc.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CLIENTS_MAX = 32, KEYS_MAX = 8, RETRY_US = 3000000 };

enum phase { OPENING, IDLE, WRITING, READING };

struct client {
    enum phase phase;
    bool waiting; /* a request is out */
    uint32_t node, key, attempt, attempt_sent;
    uint64_t session, number, asked_us, think_until_us;
    uint64_t must_see[CLIENTS_MAX]; /* READING: the newest acknowledged token of each client in this key */
};

struct work {
    struct world *world;
    struct prng chance;
    uint32_t count, keys;
    struct client clients[CLIENTS_MAX];
    uint64_t acked[CLIENTS_MAX][KEYS_MAX]; /* the newest number acknowledged */
    bool paused;
    uint64_t acks, reads, unknown;
    char failed[256];
};

struct work *work_new(uint64_t seed, uint32_t clients, uint32_t keys)
{
    struct work *k = mem_calloc(1, sizeof(*k));
    assert(clients <= CLIENTS_MAX && keys <= KEYS_MAX);
    prng_seed(&k->chance, seed ^ 0x77);
    k->count = clients;
    k->keys = keys;
    return k;
}

void work_free(struct work *k)
{
    mem_free(k);
}

void work_bind(struct work *k, struct world *w)
{
    k->world = w;
}

static uint64_t ticket_of(const struct work *k, const struct client *c)
{
    return (uint64_t)(c - k->clients) << 32 | c->attempt;
}

static struct client *client_of(struct work *k, uint64_t ticket)
{
    if (ticket >> 32 >= k->count) /* an administrator's */
        return NULL;
    struct client *c = &k->clients[ticket >> 32];
    return c->waiting && c->attempt == (uint32_t)ticket ? c : NULL;
}

static void elsewhere(struct work *k, struct client *c)
{
    c->waiting = false;
    c->attempt++;
    c->think_until_us = world_now_us(k->world) + 1000 + prng_below(&k->chance, 20000);
    int leader = world_leader(k->world);
    c->node = leader >= 0 && prng_below(&k->chance, 4) ? (uint32_t)leader
                                                       : (uint32_t)prng_below(&k->chance, WORLD_NODES_MAX);
}

static size_t token(char *out, size_t max, uint32_t client, uint64_t number)
{
    return (size_t)snprintf(out, max, "<%u.%llu>", client, (unsigned long long)number);
}

static uint32_t key_of(const struct client *c, const struct work *k)
{
    return (uint32_t)(c->number * 7 % k->keys); /* the same for every retry */
}

static struct slice key_name(uint32_t key)
{
    static const char *const names[KEYS_MAX] = {"k0", "k1", "k2", "k3", "k4", "k5", "k6", "k7"};
    return slice_cstr(names[key]);
}

static enum node_outcome submit(struct work *k, struct client *c, struct node *n)
{
    uint32_t number = (uint32_t)(c - k->clients);
    char id[16], text[48];
    int id_len = snprintf(id, sizeof(id), "c%u", number);
    struct buf error = BUF_EMPTY;
    struct rsm_request req = {
        .resp = 2, .client_id = slice_of(id, (size_t)id_len), .user = SLICE_LITERAL("default")};
    struct slice argv[3];
    if (c->phase == OPENING) {
        req.kind = RSM_SESSION;
        req.may_open = true;
        req.request_id = 1;
        argv[0] = req.client_id;
        req.argc = 1;
    } else {
        req.kind = RSM_COMMAND;
        req.numbering = RSM_SESSION_NUMBER;
        req.session = c->session;
        req.request_id = c->number;
        argv[0] = SLICE_LITERAL("append");
        argv[1] = key_name(key_of(c, k));
        argv[2] = slice_of(text, token(text, sizeof(text), number, c->number));
        req.argc = 3;
    }
    req.argv = argv;
    enum node_outcome outcome = prng_below(&k->chance, 3)
                                    ? node_write(n, &req, ticket_of(k, c), &error)
                                    : node_forward(n, &req, false, ticket_of(k, c), &error);
    buf_deinit(&error);
    return outcome;
}

static void check_read(struct work *k, struct client *c, struct node *n, uint64_t now_ms)
{
    struct buf reply = BUF_EMPTY;
    struct slice argv[2] = {SLICE_LITERAL("get"), key_name(c->key)};
    uint64_t due_ms;
    if (!node_query(n, now_ms, 0, 2, SLICE_LITERAL("default"), argv, 2, &reply, &due_ms))
        return;
    put_u8(&reply, 0);
    for (uint32_t i = 0; i < k->count; i++) {
        char text[48];
        if (c->must_see[i] == 0)
            continue;
        token(text, sizeof(text), i, c->must_see[i]);
        if (!strstr(reply.data, text))
            snprintf(k->failed, sizeof(k->failed), "stale read of %s at %llu us: %s is missing", argv[1].data,
                     (unsigned long long)world_now_us(k->world), text);
    }
    buf_deinit(&reply);
    k->reads++;
    c->phase = IDLE;
    c->waiting = false;
    c->attempt++;
}

static void begin_read(struct work *k, struct client *c)
{
    c->phase = READING;
    c->key = (uint32_t)prng_below(&k->chance, k->keys);
    for (uint32_t i = 0; i < k->count; i++)
        c->must_see[i] = k->acked[i][c->key];
}

static void act(struct work *k, struct client *c, struct node *n)
{
    if (c->phase == IDLE) {
        if (k->paused)
            return;
        if (prng_below(&k->chance, 3) == 0) {
            begin_read(k, c);
        } else {
            c->phase = WRITING;
            c->number++;
        }
    }
    c->waiting = true;
    c->asked_us = world_now_us(k->world);
    enum node_outcome outcome;
    if (c->phase == READING) {
        uint64_t now_ms = 0;
        outcome = node_read(n, 0, prng_below(&k->chance, 2), ticket_of(k, c), &now_ms);
        if (outcome == NODE_DONE) {
            check_read(k, c, n, now_ms);
            return;
        }
    } else {
        outcome = submit(k, c, n);
    }
    if (outcome != NODE_PENDING)
        elsewhere(k, c);
}

void work_turn(void *arg, uint32_t node)
{
    struct work *k = arg;
    struct node *n = world_node(k->world, node);
    uint64_t now_us = world_now_us(k->world);
    for (uint32_t i = 0; i < k->count; i++) {
        struct client *c = &k->clients[i];
        if (c->waiting && now_us > c->asked_us + RETRY_US)
            elsewhere(k, c);
        if (!c->waiting && c->node >= WORLD_NODES_MAX)
            c->node = 0;
        if (!c->waiting && now_us >= c->think_until_us && !world_node(k->world, c->node))
            elsewhere(k, c);
        if (!c->waiting && c->node == node && now_us >= c->think_until_us)
            act(k, c, n);
    }
}

static void done(struct work *k, struct client *c, struct slice reply)
{
    if (c->phase == OPENING && reply.data[0] == ':') {
        c->session = strtoull(reply.data + 1, NULL, 10);
    } else if (c->phase == WRITING && reply.data[0] == ':') {
        k->acked[c - k->clients][key_of(c, k)] = c->number;
        k->acks++;
    } else {
        snprintf(k->failed, sizeof(k->failed), "client %u: unexpected reply %.*s", (unsigned)(c - k->clients),
                 (int)(reply.len < 100 ? reply.len : 100), reply.data);
    }
    c->phase = IDLE;
    c->waiting = false;
    c->attempt++;
    c->think_until_us = world_now_us(k->world) + prng_below(&k->chance, 10000);
}

static void on_answer(void *arg, uint32_t node, uint64_t ticket, const struct node_answer *a)
{
    struct work *k = arg;
    struct client *c = client_of(k, ticket);
    (void)node;
    if (!c)
        return;
    if (a->outcome == NODE_DONE) {
        done(k, c, a->reply);
        return;
    }
    k->unknown += a->outcome == NODE_UNKNOWN;
    elsewhere(k, c);
}

static void on_read_ready(void *arg, uint32_t node, uint64_t ticket, enum node_outcome outcome,
                          uint64_t now_ms)
{
    struct work *k = arg;
    struct client *c = client_of(k, ticket);
    if (!c)
        return;
    if (outcome == NODE_DONE)
        check_read(k, c, world_node(k->world, node), now_ms);
    else
        elsewhere(k, c);
}

static void on_crashed(void *arg, uint32_t node)
{
    struct work *k = arg;
    for (uint32_t i = 0; i < k->count; i++)
        if (k->clients[i].waiting && k->clients[i].node == node)
            elsewhere(k, &k->clients[i]);
}

struct world_client_calls work_calls(struct work *k)
{
    return (struct world_client_calls){
        .arg = k, .answer = on_answer, .read_ready = on_read_ready, .crashed = on_crashed};
}

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

const char *work_failed(const struct work *k)
{
    return k->failed[0] ? k->failed : NULL;
}

/* All tokens of one key: each once, each client's in order, none missing up to the acknowledged one. */
static const char *check_key(struct work *k, uint32_t key, const char *text)
{
    uint64_t last[CLIENTS_MAX] = {0};
    for (const char *at = text; (at = strchr(at, '<')); at++) {
        unsigned client;
        unsigned long long number;
        if (sscanf(at, "<%u.%llu>", &client, &number) != 2 || client >= k->count)
            return "a token is torn";
        if (number <= last[client]) {
            snprintf(k->failed, sizeof(k->failed), "k%u: <%u.%llu> stands twice or out of order", key, client,
                     number);
            return k->failed;
        }
        last[client] = number;
    }
    for (uint32_t i = 0; i < k->count; i++)
        if (last[i] < k->acked[i][key]) {
            snprintf(k->failed, sizeof(k->failed), "k%u: <%u.%llu> was acknowledged and is lost", key, i,
                     (unsigned long long)k->acked[i][key]);
            return k->failed;
        }
    return NULL;
}

const char *work_check(struct work *k, struct node *n)
{
    for (uint32_t key = 0; key < k->keys; key++) {
        struct buf reply = BUF_EMPTY;
        struct slice argv[2] = {SLICE_LITERAL("get"), key_name(key)};
        uint64_t due_ms;
        if (!node_query(n, node_cluster_ms(n), 0, 2, SLICE_LITERAL("default"), argv, 2, &reply, &due_ms))
            return "a key without expiry is due";
        put_u8(&reply, 0);
        const char *wrong = check_key(k, key, reply.data);
        buf_deinit(&reply);
        if (wrong)
            return wrong;
    }
    return k->failed[0] ? k->failed : NULL;
}
