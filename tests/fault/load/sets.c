/* SETs of many keys, without a record: weight for the others, and a steady probe of the leader's latency. */
#include "../tests/fault/load/kinds.h"
#include "../tests/fault/load/latency.h"
#include <string.h>

enum { KEYS = 20000, VALUE = 100 };

void sets_run(struct client *c)
{
    struct conn conn;
    char value[VALUE + 1], key[32];
    memset(value, 'x', VALUE);
    value[VALUE] = 0;
    conn_init(&conn, &c->load->nodes, c->way, prng_next(&c->prng));
    enum outcome outcome;
    do {
        redisReply *reply;
        snprintf(key, sizeof key, "set:%llu", (unsigned long long)prng_below(&c->prng, KEYS));
        uint64_t began = now_ns();
        outcome = conn_one(&conn, &(struct request){3, {"SET", key, value}}, &reply);
        if (outcome == DONE && c->way == WAY_LEADER)
            latency_add(now_ns() - began);
        if (outcome == DONE && reply->type != REDIS_REPLY_STATUS)
            load_wrong(c, "SET %s: %.100s", key, reply->str ? reply->str : "?");
        if (reply)
            freeReplyObject(reply);
    } while (load_goes_on(c, outcome));
    conn_close(&conn);
}
