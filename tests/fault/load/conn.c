/* Finding a node and talking to it; see the header. */
#include "../tests/fault/load/conn.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void conn_init(struct conn *c, const struct nodes *nodes, enum way way, uint64_t seed)
{
    memset(c, 0, sizeof *c);
    c->nodes = nodes;
    c->way = way;
    prng_seed(&c->prng, seed);
}

void conn_close(struct conn *c)
{
    if (c->redis)
        redisFree(c->redis);
    c->redis = NULL;
}

bool reply_says(const redisReply *reply, const char *code)
{
    size_t len = strlen(code);
    return reply->type == REDIS_REPLY_ERROR && strncmp(reply->str, code, len) == 0 &&
           (reply->str[len] == ' ' || reply->str[len] == 0);
}

enum outcome conn_judge(const redisReply *reply)
{
    static const char *const refusals[] = {"MOVED",   "NOTLEADER", "CLUSTERDOWN",
                                           "LOADING", "TRYAGAIN",  "EXECABORT"};
    if (!reply || reply_says(reply, "MAYBE"))
        return UNKNOWN;
    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++)
        if (reply_says(reply, refusals[i]))
            return NOT_RUN;
    return DONE;
}

/* MOVED <slot> <host>:<port>, NOTLEADER <host>:<port> */
static void take_hint(struct conn *c, const redisReply *reply)
{
    const char *at = strrchr(reply->str, ' '), *colon = at ? strrchr(at, ':') : NULL;
    if (!colon || !(reply_says(reply, "MOVED") || reply_says(reply, "NOTLEADER")))
        return;
    snprintf(c->host, sizeof c->host, "%.*s", (int)(colon - at - 1), at + 1);
    c->port = (uint16_t)atoi(colon + 1);
}

/* READONLY travels with the first request: so the socket of a node that stands still holds reads when it wakes. */
static bool greeted(struct conn *c)
{
    void *reply = NULL;
    if (!c->greeting)
        return true;
    c->greeting = false;
    bool good =
        redisGetReply(c->redis, &reply) == REDIS_OK && ((redisReply *)reply)->type == REDIS_REPLY_STATUS;
    if (reply)
        freeReplyObject(reply);
    return good;
}

bool conn_ready(struct conn *c)
{
    if (c->redis)
        return true;
    const struct address *any = &c->nodes->at[prng_below(&c->prng, (uint64_t)c->nodes->count)];
    bool hinted = c->host[0] && c->way == WAY_LEADER;
    const char *host = hinted ? c->host : any->host;
    uint16_t port = hinted ? c->port : c->way == WAY_PROXY ? any->proxy : any->port;
    struct timeval connect = {0, CONNECT_MS * 1000}, reply = {REPLY_MS / 1000, REPLY_MS % 1000 * 1000};
    c->redis = redisConnectWithTimeout(host, port, connect);
    c->host[0] = 0;
    if (!c->redis || c->redis->err || redisSetTimeout(c->redis, reply) != REDIS_OK) {
        conn_close(c);
        return false;
    }
    c->greeting = c->way == WAY_FOLLOWER && redisAppendCommand(c->redis, "READONLY") == REDIS_OK;
    return true;
}

enum outcome conn_call(struct conn *c, const struct request *requests, int count, redisReply **replies)
{
    enum outcome worst = DONE;
    for (int i = 0; i < count; i++)
        replies[i] = NULL;
    if (!conn_ready(c))
        return NOT_RUN;
    for (int i = 0; i < count; i++)
        redisAppendCommandArgv(c->redis, requests[i].argc, (const char **)(uintptr_t)requests[i].argv, NULL);
    if (!greeted(c)) {
        conn_close(c);
        return UNKNOWN;
    }
    for (int i = 0; i < count; i++) {
        void *reply = NULL;
        if (redisGetReply(c->redis, &reply) != REDIS_OK)
            reply = NULL;
        replies[i] = reply;
        enum outcome outcome = conn_judge(reply);
        worst = outcome > worst ? outcome : worst;
        if (!reply)
            break;
        if (outcome != DONE && replies[i]->type == REDIS_REPLY_ERROR)
            take_hint(c, reply);
    }
    if (worst != DONE)
        conn_close(c);
    return worst;
}

enum outcome conn_one(struct conn *c, const struct request *request, redisReply **reply)
{
    return conn_call(c, request, 1, reply);
}

void replies_free(redisReply **replies, int count)
{
    for (int i = 0; i < count; i++)
        if (replies[i])
            freeReplyObject(replies[i]);
}
