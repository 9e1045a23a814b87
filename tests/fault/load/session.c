/* The recipe; see the header. */
#include "../tests/fault/load/session.h"
#include "../tests/fault/load/load.h"
#include <stdio.h>
#include <string.h>

/* Longer than any fault without a majority lasts. */
enum { GIVE_UP_S = 120, PAUSE_MS = 10 };

void session_init(struct session *s, const struct nodes *nodes, enum way way, const char *name, uint64_t seed)
{
    memset(s, 0, sizeof *s);
    conn_init(&s->conn, nodes, way, seed);
    snprintf(s->name, sizeof s->name, "%s", name);
    s->next = 1;
}

void session_close(struct session *s)
{
    conn_close(&s->conn);
}

static bool lost(struct session *s, const redisReply *reply)
{
    if (!reply || !(reply_says(reply, "NOSESSION") || reply_says(reply, "STALE")))
        return false;
    snprintf(s->error, sizeof s->error, "session %s, number %llu: %.120s", s->name,
             (unsigned long long)s->next, reply->str);
    return true;
}

bool session_ready(struct session *s)
{
    if (s->conn.redis)
        return true;
    char mark[96];
    snprintf(mark, sizeof mark, "%s@%s=%llu", s->name, s->opened ? "retry" : "seq",
             (unsigned long long)s->next);
    redisReply *reply;
    enum outcome outcome = conn_one(&s->conn, &(struct request){3, {"CLIENT", "SETNAME", mark}}, &reply);
    bool good = outcome == DONE && reply->type == REDIS_REPLY_STATUS;
    if (!lost(s, reply) && outcome == DONE && !good)
        snprintf(s->error, sizeof s->error, "SETNAME %s: %.120s", mark, reply->str ? reply->str : "?");
    if (reply)
        freeReplyObject(reply);
    s->opened = s->opened || good;
    return good;
}

bool session_call(struct session *s, const struct request *requests, int count, int numbered,
                  redisReply **replies)
{
    uint64_t end = now_ns() + GIVE_UP_S * 1000000000ull;
    for (; !s->error[0]; s->retries++) {
        bool there = session_ready(s);
        if (there && conn_call(&s->conn, requests, count, replies) == DONE) {
            for (int i = 0; i < count && !s->error[0]; i++)
                (void)lost(s, replies[i]);
            if (s->error[0]) {
                replies_free(replies, count);
                break;
            }
            s->next += (uint64_t)numbered;
            return true;
        }
        if (there)
            replies_free(replies, count);
        if (now_ns() > end)
            snprintf(s->error, sizeof s->error, "session %s: no answer to %s within %d s", s->name,
                     requests[0].argv[0], GIVE_UP_S);
        if (!s->conn.host[0])
            pause_ms(PAUSE_MS);
    }
    conn_close(&s->conn);
    return false;
}
