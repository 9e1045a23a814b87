/* Exactly once, by tokens: a client appends its numbered tokens to a key of its own, each through its session, and reads
 * the key when it is full, and at the end. */
#include "../tests/fault/load/kinds.h"
#include "../tests/fault/load/session.h"
#include <stdlib.h>
#include <string.h>

enum { TOKENS_A_KEY = 500 };

/* All of them, each once, in order. */
static void judge(struct client *c, const char *key, const redisReply *reply, uint64_t tokens)
{
    const char *at = reply->type == REDIS_REPLY_STRING ? reply->str : "";
    for (uint64_t n = 0; n < tokens; n++) {
        char *end;
        if (*at == 0 || strtoull(at, &end, 10) != n || *end != ';') {
            load_wrong(c, "%s: %.40s stands where token %llu of %llu was due", key, at, (unsigned long long)n,
                       (unsigned long long)tokens);
            return;
        }
        at = end + 1;
    }
    if (*at)
        load_wrong(c, "%s: %.40s after the last token", key, at);
}

static bool look(struct client *c, struct session *s, const char *key, uint64_t tokens)
{
    redisReply *reply;
    uint64_t began = now_ns();
    if (!session_call(s, &(struct request){2, {"GET", key}}, 1, 0, &reply))
        return false;
    history_add(&c->load->history, &(struct operation){.client = c->id,
                                                       .name = "get",
                                                       .key = key,
                                                       .began_ns = began,
                                                       .ended_ns = now_ns(),
                                                       .outcome = DONE,
                                                       .reply = reply});
    judge(c, key, reply, tokens);
    freeReplyObject(reply);
    return true;
}

static bool append(struct client *c, struct session *s, const char *key, uint64_t n)
{
    char token[24];
    redisReply *reply = NULL;
    snprintf(token, sizeof token, "%llu;", (unsigned long long)n);
    uint64_t began = now_ns();
    bool good = session_call(s, &(struct request){3, {"APPEND", key, token}}, 1, 1, &reply);
    history_add(&c->load->history, &(struct operation){.client = c->id,
                                                       .name = "append",
                                                       .key = key,
                                                       .arg = token,
                                                       .began_ns = began,
                                                       .ended_ns = now_ns(),
                                                       .outcome = good ? DONE : UNKNOWN,
                                                       .reply = reply});
    if (reply)
        freeReplyObject(reply);
    return good;
}

void tokens_run(struct client *c)
{
    struct session s;
    char key[48];
    uint64_t appended = 0, generation = 0;
    snprintf(key, sizeof key, "tokens-%d", c->id);
    session_init(&s, &c->load->nodes, c->way, key, prng_next(&c->prng));
    bool good = true, on = true;
    while (good && on) {
        snprintf(key, sizeof key, "tokens:%d:%llu", c->id, (unsigned long long)generation);
        for (appended = 0; good && on && appended < TOKENS_A_KEY; appended += good) {
            good = append(c, &s, key, appended);
            on = load_goes_on(c, good ? DONE : UNKNOWN);
        }
        good = good && look(c, &s, key, appended);
        generation++;
    }
    atomic_fetch_add(&c->load->retries, s.retries);
    if (!good)
        load_wrong(c, "%s", s.error);
    session_close(&s);
}
