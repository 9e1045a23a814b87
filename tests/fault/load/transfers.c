/* All or nothing, once: transactions on a session raise two counters together, and look at both together. */
#include "../tests/fault/load/kinds.h"
#include "../tests/fault/load/session.h"

enum { PAIRS = 2, IN_A_TRANSACTION = 4 };

static bool pair_of(const redisReply *exec, long long *a, long long *b)
{
    if (!exec || exec->type != REDIS_REPLY_ARRAY || exec->elements != 2)
        return false;
    for (int i = 0; i < 2; i++) {
        const redisReply *r = exec->element[i];
        long long *to = i ? b : a;
        if (r->type == REDIS_REPLY_INTEGER)
            *to = r->integer;
        else if (r->type == REDIS_REPLY_STRING)
            *to = atoll(r->str);
        else if (r->type == REDIS_REPLY_NIL)
            *to = 0;
        else
            return false;
    }
    return true;
}

/* The pair after (or, with GET, as) the transaction ran. */
static bool transact(struct client *c, struct session *s, const char *verb, int pair, long long *value)
{
    char a[32], b[32];
    redisReply *replies[IN_A_TRANSACTION];
    snprintf(a, sizeof a, "pair:%d:a", pair);
    snprintf(b, sizeof b, "pair:%d:b", pair);
    const struct request requests[IN_A_TRANSACTION] = {
        {1, {"MULTI"}}, {2, {verb, a}}, {2, {verb, b}}, {1, {"EXEC"}}};
    if (!session_call(s, requests, IN_A_TRANSACTION, 1, replies))
        return false;
    long long x = 0, y = -1;
    bool good = pair_of(replies[IN_A_TRANSACTION - 1], &x, &y);
    if (!good || x != y)
        load_wrong(c, "EXEC of %s on pair %d: %s, %lld and %lld", verb, pair,
                   good ? "torn" : "no two numbers", x, y);
    *value = x;
    for (int i = 0; i < IN_A_TRANSACTION; i++)
        freeReplyObject(replies[i]);
    return true;
}

void transfers_run(struct client *c)
{
    struct session s;
    char name[48];
    int pair = c->which % PAIRS;
    atomic_ullong *raised = &c->load->shared[4 + pair];
    long long seen = 0, now;
    snprintf(name, sizeof name, "transfers-%d", c->id);
    session_init(&s, &c->load->nodes, c->way, name, prng_next(&c->prng));
    bool good = true;
    do {
        bool reads = prng_below(&c->prng, 4) == 0;
        /* Known lower bound, taken before: what others have finished is there. */
        long long least = (long long)atomic_load(raised);
        good = transact(c, &s, reads ? "GET" : "INCR", pair, &now);
        if (good && (now < least + !reads || now < seen + !reads))
            load_wrong(c, "pair %d: %lld, after %lld and %lld", pair, now, least, seen);
        if (good && !reads)
            atomic_fetch_add(raised, 1);
        seen = good ? now : seen;
    } while (good && load_goes_on(c, DONE));
    atomic_fetch_add(&c->load->retries, s.retries);
    if (!good)
        load_wrong(c, "%s", s.error);
    session_close(&s);
}
