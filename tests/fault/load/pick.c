/* See the header. */
#include "../tests/fault/load/pick.h"
#include <stdio.h>
#include <string.h>

enum { KEYS_AT_A_TIME = 3, OPERATIONS_A_KEY = 200, GENERATION = KEYS_AT_A_TIME * OPERATIONS_A_KEY };

struct choice {
    const char *verb, *name; /* of the command, and of tests/check/history.h */
    bool writes, arg;
    int delta;
};

/* One row a flavour; each value written is a new one, so that a read tells whose it was. */
static const struct choice flavours[KEYS_AT_A_TIME][6] = {
    {{"SET", "set", true, true, 0},
     {"SET", "set", true, true, 0},
     {"GETSET", "getset", true, true, 0},
     {"SETNX", "setnx", true, true, 0},
     {"DEL", "del", true, false, 0},
     {"GET", "get", false, false, 0}},
    {{"APPEND", "append", true, true, 0},
     {"APPEND", "append", true, true, 0},
     {"APPEND", "append", true, true, 0},
     {"APPEND", "append", true, true, 0},
     {"DEL", "del", true, false, 0},
     {"GET", "get", false, false, 0}},
    {{"INCR", "incr", true, false, 1},
     {"INCR", "incr", true, false, 1},
     {"INCR", "incr", true, false, 1},
     {"DECR", "incr", true, false, -1},
     {"DEL", "del", true, false, 0},
     {"GET", "get", false, false, 0}},
};

void pick(struct picked *p, struct client *c, const char *group, atomic_ullong *counter, bool reads_only)
{
    static atomic_ullong values;
    /* Readers follow the writers' generations. */
    uint64_t n = reads_only ? atomic_load(counter) : atomic_fetch_add(counter, 1);
    uint64_t generation = n / GENERATION;
    unsigned flavour = (unsigned)prng_below(&c->prng, KEYS_AT_A_TIME);
    unsigned which = (unsigned)prng_below(&c->prng, 8);
    const struct choice *choice = &flavours[flavour][reads_only || which > 5 ? 5 : which];
    p->verb = choice->verb;
    p->name = choice->name;
    p->delta = choice->delta;
    p->writes = choice->writes;
    snprintf(p->key, sizeof p->key, "%s:%llu:%u", group, (unsigned long long)generation, flavour);
    snprintf(p->arg, sizeof p->arg, "%llu;", (unsigned long long)atomic_fetch_add(&values, 1));
    p->request = (struct request){choice->arg ? 3 : 2, {p->verb, p->key, p->arg}};
}

void pick_turn_over(atomic_ullong *counter)
{
    unsigned long long n = atomic_load(counter);
    while (!atomic_compare_exchange_weak(counter, &n, (n / GENERATION + 1) * GENERATION))
        ;
}

void pick_judge(struct client *c, const struct picked *p, const redisReply *reply)
{
    if (reply && reply->type == REDIS_REPLY_ERROR)
        load_wrong(c, "%s %s: %.100s", p->verb, p->key, reply->str);
}
