/* The retrying client; see the header. The recipe is README's, as in tests/example_retry.c. */
#include "../tests/support/kv_client.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { REPLY_MS = 3000, PAUSE_MS = 10 };

void kv_init(struct kv_client *k, struct cluster *c, const char *session)
{
    memset(k, 0, sizeof *k);
    k->cluster = c;
    k->mask = c->all;
    k->next = 1;
    k->hint = -1;
    snprintf(k->session, sizeof k->session, "%s", session ? session : "");
}

void kv_disconnect(struct kv_client *k)
{
    if (k->conn)
        redisFree(k->conn);
    k->conn = NULL;
}

void kv_deinit(struct kv_client *k)
{
    kv_disconnect(k);
}

static bool starts(const redisReply *reply, const char *code)
{
    size_t len = strlen(code);
    return strncmp(reply->str, code, len) == 0 && (reply->str[len] == ' ' || reply->str[len] == 0);
}

static bool is_definite(const redisReply *reply)
{
    return reply->type != REDIS_REPLY_ERROR ||
           !(starts(reply, "MOVED") || starts(reply, "NOTLEADER") || starts(reply, "MAYBE") ||
             starts(reply, "CLUSTERDOWN") || starts(reply, "LOADING") || starts(reply, "TRYAGAIN"));
}

/* Remembers where a refusal sends us. */
static void take_hint(struct kv_client *k, const redisReply *reply)
{
    const char *colon = strrchr(reply->str, ':');
    if (!colon || !(starts(reply, "MOVED") || starts(reply, "NOTLEADER")))
        return;
    for (int i = 0; i < k->cluster->count; i++)
        if (k->cluster->nodes[i].port == atoi(colon + 1))
            k->hint = i;
}

static int choose(struct kv_client *k)
{
    unsigned mask = __atomic_load_n(&k->mask, __ATOMIC_RELAXED);
    int node = k->hint;
    k->hint = -1;
    if (node >= 0 && (mask >> node & 1))
        return node;
    node = k->node;
    for (int i = 0; i < k->cluster->count; i++) {
        node = (node + 1) % k->cluster->count;
        if (mask >> node & 1)
            return node;
    }
    return node;
}

/* A connection whose next numbered request is k->next. */
static bool connect_somewhere(struct kv_client *k)
{
    struct timeval tv = {REPLY_MS / 1000, (REPLY_MS % 1000) * 1000};
    k->node = choose(k);
    k->conn = redisConnectWithTimeout("127.0.0.1", k->cluster->nodes[k->node].port, tv);
    if (!k->conn || k->conn->err || redisSetTimeout(k->conn, tv) != REDIS_OK) {
        kv_disconnect(k);
        return false;
    }
    if (!k->session[0])
        return true;
    redisReply *reply = redisCommand(k->conn, "CLIENT SETNAME %s@%s=%llu", k->session,
                                     k->opened ? "retry" : "seq", (unsigned long long)k->next);
    bool good = reply && reply->type == REDIS_REPLY_STATUS;
    if (good) {
        k->opened = true;
    } else {
        if (reply && reply->type == REDIS_REPLY_ERROR) {
            take_hint(k, reply);
            if (is_definite(reply))
                snprintf(k->error, sizeof k->error, "SETNAME: %s", reply->str);
        }
        kv_disconnect(k);
    }
    if (reply)
        freeReplyObject(reply);
    return good;
}

redisReply *kv_once(struct kv_client *k, int argc, const char *const *argv)
{
    if (!k->conn && !connect_somewhere(k))
        return NULL;
    redisReply *reply = redisCommandArgv(k->conn, argc, (const char **)(uintptr_t)argv, NULL);
    if (!reply)
        kv_disconnect(k);
    return reply;
}

redisReply *kv_call(struct kv_client *k, int ms, bool write, int argc, const char *const *argv)
{
    uint64_t end = test_now_ms() + (uint64_t)ms;
    k->error[0] = 0;
    while (!k->error[0]) {
        if (k->conn && !(__atomic_load_n(&k->mask, __ATOMIC_RELAXED) >> k->node & 1))
            kv_disconnect(k);
        redisReply *reply = kv_once(k, argc, argv);
        if (reply && is_definite(reply)) {
            if (reply->type == REDIS_REPLY_ERROR && (starts(reply, "NOSESSION") || starts(reply, "STALE"))) {
                snprintf(k->error, sizeof k->error, "%s", reply->str);
                freeReplyObject(reply);
                return NULL;
            }
            k->next += write;
            return reply;
        }
        k->retries++;
        if (reply) {
            take_hint(k, reply);
            freeReplyObject(reply);
        }
        kv_disconnect(k);
        if (__atomic_load_n(&k->cancel, __ATOMIC_RELAXED))
            snprintf(k->error, sizeof k->error, "called off");
        else if (test_now_ms() >= end)
            snprintf(k->error, sizeof k->error, "no answer to %s within %d ms", argv[0], ms);
        else if (k->hint < 0)
            test_sleep_ms(PAUSE_MS);
    }
    return NULL;
}

bool kv_set(struct kv_client *k, const char *key, const char *value, int ms)
{
    redisReply *reply = kv_call(k, ms, true, 3, (const char *const[]){"SET", key, value});
    bool good = reply && reply->type == REDIS_REPLY_STATUS;
    if (reply)
        freeReplyObject(reply);
    return good;
}

bool kv_append(struct kv_client *k, const char *key, const char *value, int ms)
{
    redisReply *reply = kv_call(k, ms, true, 3, (const char *const[]){"APPEND", key, value});
    bool good = reply && reply->type == REDIS_REPLY_INTEGER;
    if (reply && !good)
        snprintf(k->error, sizeof k->error, "APPEND: %s", reply->str ? reply->str : "?");
    if (reply)
        freeReplyObject(reply);
    return good;
}

char *kv_get(struct kv_client *k, const char *key, int ms)
{
    redisReply *reply = kv_call(k, ms, false, 2, (const char *const[]){"GET", key});
    char *value = NULL;
    if (reply && reply->type == REDIS_REPLY_STRING)
        value = strdup(reply->str);
    else if (reply && reply->type == REDIS_REPLY_NIL)
        value = strdup("");
    else if (reply)
        snprintf(k->error, sizeof k->error, "GET: %s", reply->str ? reply->str : "?");
    if (reply)
        freeReplyObject(reply);
    return value;
}
