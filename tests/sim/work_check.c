/* The clients' side of the proof. Sessions make a retry run once, so a token that stands twice is a defect; a token
 * acknowledged and missing is a lost write; one missing in a read that began after its acknowledgement is a stale
 * read; one that stands although its client was told that it did not run is a lie. */
#include "work_int.h"

#include "base/alloc.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CLOCK_SLACK_MS = 20 };

void work_wrong(struct work *k, const char *fmt, ...)
{
    if (k->failed[0])
        return;
    va_list args;
    va_start(args, fmt);
    int at = snprintf(k->failed, sizeof(k->failed), "%.6f s: ", (double)world_now_us(k->world) / 1e6);
    vsnprintf(k->failed + at, sizeof(k->failed) - (size_t)at, fmt, args);
    va_end(args);
}

size_t work_token(char *out, size_t max, uint32_t client, uint64_t number)
{
    return (size_t)snprintf(out, max, "<%u.%llu>", client, (unsigned long long)number);
}

struct token *work_token_of(struct client *c, uint64_t number)
{
    if (number >= c->token_cap) {
        size_t cap = number * 2 + 64;
        c->tokens = mem_realloc(c->tokens, cap * sizeof(*c->tokens));
        memset(c->tokens + c->token_cap, 0, (cap - c->token_cap) * sizeof(*c->tokens));
        c->token_cap = cap;
    }
    return &c->tokens[number];
}

struct slice work_key(char *space, char kind, uint32_t number)
{
    return slice_of(space, (size_t)snprintf(space, 8, "%c%u", kind, number));
}

bool work_bulk(struct slice reply, struct slice *value)
{
    *value = slice_of(NULL, 0);
    if (reply.len >= 4 && reply.data[0] == '$' && reply.data[1] == '-')
        return true;
    const char *end = reply.len && reply.data[0] == '$' ? memchr(reply.data, '\n', reply.len) : NULL;
    if (!end)
        return false;
    size_t len = strtoull(reply.data + 1, NULL, 10), head = (size_t)(end + 1 - reply.data);
    if (head + len + 2 != reply.len)
        return false;
    *value = slice_of(end + 1, len);
    return true;
}

void work_check_read(struct work *k, struct client *c, struct slice reply)
{
    struct slice value;
    char text[48];
    if (!work_bulk(reply, &value)) {
        work_wrong(k, "a read answers %.*s", (int)(reply.len < 60 ? reply.len : 60), reply.data);
        return;
    }
    for (uint32_t i = 0; i < k->count; i++) {
        if (c->must_see[i] == 0)
            continue;
        size_t len = work_token(text, sizeof(text), i, c->must_see[i]);
        if (k->big_bytes && c->must_see[i] % 16 == 3)
            text[len - 1] = '-';
        if (!value.data || !memmem(value.data, value.len, text, len))
            work_wrong(k, "stale read of k%u on node %u by client %u: %s is missing", c->key, c->node,
                       client_number(k, c), text);
    }
    k->reads++;
}

void work_check_look(struct work *k, struct client *c, struct slice reply)
{
    struct slice value;
    uint64_t now_us = world_now_us(k->world);
    if (!work_bulk(reply, &value)) {
        work_wrong(k, "a read answers %.*s", (int)(reply.len < 60 ? reply.len : 60), reply.data);
    } else if (!value.data) {
        if (k->clocks_trusted && c->set_number &&
            now_us + CLOCK_SLACK_MS * 1000 < c->set_asked_us + c->ttl_ms * 1000)
            work_wrong(k, "t%u is gone %llu us after it was set for %llu ms", client_number(k, c),
                       (unsigned long long)(now_us - c->set_asked_us), (unsigned long long)c->ttl_ms);
        c->gone = true;
    } else {
        char text[24];
        size_t len = (size_t)snprintf(text, sizeof(text), "%llu", (unsigned long long)c->set_number);
        if (c->gone)
            work_wrong(k, "t%u has come back to life", client_number(k, c));
        if (!slice_equal(value, slice_of(text, len)))
            work_wrong(k, "t%u holds %.*s, and was set to %s", client_number(k, c), (int)value.len,
                       value.data, text);
    }
    k->reads++;
}

/* ---- at the end --------------------------------------------------------------------------------------- */

static void stands(struct work *k, uint32_t key, unsigned client, unsigned long long number, uint64_t end,
                   uint64_t *last, bool *seen)
{
    struct client *c = &k->clients[client];
    struct token *t = work_token_of(c, number);
    if (seen[number])
        work_wrong(k, "k%u: <%u.%llu> stands twice", key, client, number);
    seen[number] = true;
    if (c->kind == IN_SESSION && number < last[client])
        work_wrong(k, "k%u: <%u.%llu> stands out of order", key, client, number);
    last[client] = number;
    if (t->fate == FATE_NOT_RUN)
        work_wrong(k, "k%u: <%u.%llu> stands, and its client was told that it did not run", key, client,
                   number);
    if (t->fate == FATE_DONE && t->end != end)
        work_wrong(k, "k%u: <%u.%llu> ends at %llu, its reply said %llu", key, client, number,
                   (unsigned long long)end, (unsigned long long)t->end);
}

static void check_key(struct work *k, uint32_t key, struct slice text)
{
    uint64_t last[CLIENTS_MAX] = {0};
    bool *seen[CLIENTS_MAX];
    for (uint32_t i = 0; i < k->count; i++) {
        work_token_of(&k->clients[i], k->clients[i].number + 1);
        seen[i] = mem_calloc(k->clients[i].token_cap, sizeof(bool));
    }
    for (const char *at = text.data; at && (at = memchr(at, '<', text.len - (size_t)(at - text.data)));
         at++) {
        unsigned client;
        unsigned long long number;
        const char *end = memchr(at, '>', text.len - (size_t)(at - text.data));
        if (!end || sscanf(at, "<%u.%llu", &client, &number) != 2 || client >= k->count ||
            number > k->clients[client].number) {
            work_wrong(k, "k%u: a token is torn", key);
            break;
        }
        stands(k, key, client, number, (uint64_t)(end + 1 - text.data), last, seen[client]);
    }
    for (uint32_t i = 0; i < k->count; i++) {
        for (uint64_t n = 1; n <= k->clients[i].number; n++)
            if (k->clients[i].tokens[n].fate == FATE_DONE && k->clients[i].tokens[n].key == key &&
                !seen[i][n])
                work_wrong(k, "k%u: <%u.%llu> was acknowledged and is lost", key, i, (unsigned long long)n);
        mem_free(seen[i]);
    }
}

static bool get(struct work *k, struct node *n, char kind, uint32_t number, struct buf *reply,
                struct slice *value)
{
    char space[8];
    struct slice argv[2] = {SLICE_LITERAL("get"), work_key(space, kind, number)};
    uint64_t due_ms;
    buf_truncate(reply, 0);
    if (node_query(n, node_cluster_ms(n), 0, 2, SLICE_LITERAL("default"), argv, 2, reply, &due_ms) &&
        work_bulk(buf_slice(reply), value))
        return true;
    work_wrong(k, "%s cannot be read", space);
    return false;
}

const char *work_check(struct work *k, struct node *n)
{
    struct buf reply = BUF_EMPTY;
    struct slice value;
    for (uint32_t key = 0; key < k->keys; key++)
        if (get(k, n, 'k', key, &reply, &value))
            check_key(k, key, value);
    for (uint32_t i = 0; i < COUNTERS; i++) {
        if (!get(k, n, 'n', i, &reply, &value))
            continue;
        put_u8(&reply, 0);
        uint64_t stands_at = value.data ? strtoull(strchr(reply.data, '\n') + 1, NULL, 10) : 0;
        if (stands_at != k->increments[i])
            work_wrong(k, "n%u is %llu after %llu increments", i, (unsigned long long)stands_at,
                       (unsigned long long)k->increments[i]);
    }
    buf_deinit(&reply);
    return work_failed(k);
}
