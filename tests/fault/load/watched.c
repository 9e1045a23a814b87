/* See the header. */
#include "../tests/fault/load/watched.h"
#include "../tests/fault/load/load.h"

enum { GIVE_UP_S = 120, PAUSE_MS = 10 };

/* EXEC's reply, or NULL when it is in doubt. */
static redisReply *attempt(struct session *s, const char *key, watched_decide *decide, void *arg)
{
    redisReply *look[2], *act[3];
    const struct request ask[2] = {{2, {"WATCH", key}}, {2, {"GET", key}}};
    struct request change[3] = {{1, {"MULTI"}}, {2, {"GET", key}}, {1, {"EXEC"}}};
    if (!session_ready(s))
        return NULL;
    enum outcome outcome = conn_call(&s->conn, ask, 2, look);
    if (outcome == DONE)
        decide(arg, look[1], &change[1]);
    replies_free(look, 2);
    if (outcome != DONE)
        return NULL;
    outcome = conn_call(&s->conn, change, 3, act);
    replies_free(act, outcome == DONE ? 2 : 3);
    return outcome == DONE ? act[2] : NULL;
}

redisReply *watched_change(struct session *s, const char *key, watched_decide *decide, void *arg)
{
    uint64_t end = now_ns() + GIVE_UP_S * 1000000000ull;
    redisReply *reply;
    while (!(reply = attempt(s, key, decide, arg)) && !s->error[0]) {
        s->retries++;
        if (now_ns() > end)
            snprintf(s->error, sizeof s->error, "session %s: no answer to EXEC within %d s", s->name,
                     GIVE_UP_S);
        if (!s->conn.host[0])
            pause_ms(PAUSE_MS);
    }
    if (reply && reply->type == REDIS_REPLY_ERROR) {
        snprintf(s->error, sizeof s->error, "session %s, EXEC: %.120s", s->name, reply->str);
        freeReplyObject(reply);
        return NULL;
    }
    s->next += reply != NULL;
    return reply;
}
