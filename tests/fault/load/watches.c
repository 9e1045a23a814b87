/* No update lost: several clients raise one key by WATCH, GET, MULTI, SET of the value plus one, EXEC. It is raised by
 * what all of them together know to have raised it by. */
#include "../tests/fault/load/kinds.h"
#include "../tests/fault/load/watched.h"
#include <stdlib.h>

static const char key[] = "watched";

struct rise {
    char value[32];
};

static long long number(const redisReply *reply)
{
    return reply->type == REDIS_REPLY_STRING ? atoll(reply->str) : 0;
}

static void one_more(void *arg, const redisReply *value, struct request *change)
{
    struct rise *rise = arg;
    snprintf(rise->value, sizeof rise->value, "%lld", number(value) + 1);
    *change = (struct request){3, {"SET", key, rise->value}};
}

static void look(struct client *c, struct session *s)
{
    redisReply *reply;
    /* Counted before the read: each of them is in it. */
    long long least = (long long)atomic_load(&c->load->shared[6]);
    if (!session_call(s, &(struct request){2, {"GET", key}}, 1, 0, &reply))
        return;
    if (number(reply) < least)
        load_wrong(c, "%s is %lld, and was raised %lld times", key, number(reply), least);
    freeReplyObject(reply);
}

/* The other bound: asked for is counted before, so there are never more rises than that. */
static void raise_key(struct client *c, struct session *s)
{
    struct rise rise;
    redisReply *reply = watched_change(s, key, one_more, &rise);
    if (!reply)
        return;
    if (reply->type == REDIS_REPLY_ARRAY) {
        long long known = 1 + (long long)atomic_fetch_add(&c->load->shared[6], 1);
        /* Ours is the last of at most this many: those that are known, and one a client that does not know yet. */
        if (atoll(rise.value) > known + (long long)atomic_load(&c->load->shared[7]))
            load_wrong(c, "%s: raised to %s by no more than %lld", key, rise.value, known);
    }
    freeReplyObject(reply);
}

void watches_run(struct client *c)
{
    struct session s;
    char name[48];
    snprintf(name, sizeof name, "watches-%d", c->id);
    session_init(&s, &c->load->nodes, c->way, name, prng_next(&c->prng));
    atomic_fetch_add(&c->load->shared[7], 1); /* clients */
    do {
        raise_key(c, &s);
        if (!s.error[0] && prng_below(&c->prng, 8) == 0)
            look(c, &s);
    } while (!s.error[0] && load_goes_on(c, DONE));
    if (s.error[0])
        load_wrong(c, "%s", s.error);
    atomic_fetch_add(&c->load->retries, s.retries);
    session_close(&s);
}
