/* A lock as applications make it: SET key holder NX PX, and its release by a transaction that watches the holder. That
 * nobody has it while another holds it is for the judge to see. */
#include "../tests/fault/load/kinds.h"
#include "../tests/fault/load/watched.h"
#include <string.h>

enum { LOCKS = 2, TTL_MS = 3000 };

struct release {
    const char *key, *holder;
};

static void release_own(void *arg, const redisReply *value, struct request *change)
{
    struct release *r = arg;
    bool own = value->type == REDIS_REPLY_STRING && strcmp(value->str, r->holder) == 0;
    *change = (struct request){2, {own ? "DEL" : "GET", r->key}};
}

static void record(struct client *c, const struct operation *what, uint64_t began, const redisReply *reply)
{
    struct operation op = *what;
    op.client = c->id;
    op.began_ns = began;
    op.ended_ns = now_ns();
    op.outcome = reply ? DONE : UNKNOWN;
    op.reply = reply;
    history_add(&c->load->history, &op);
}

static bool acquire(struct client *c, struct session *s, const char *key, const char *holder)
{
    char ttl[16];
    redisReply *reply = NULL;
    snprintf(ttl, sizeof ttl, "%d", TTL_MS);
    uint64_t began = now_ns();
    (void)session_call(s, &(struct request){6, {"SET", key, holder, "NX", "PX", ttl}}, 1, 1, &reply);
    record(c, &(struct operation){.name = "lock", .key = key, .arg = holder, .number = TTL_MS}, began, reply);
    bool got = reply && reply->type == REDIS_REPLY_STATUS;
    if (reply)
        freeReplyObject(reply);
    return got;
}

static void release(struct client *c, struct session *s, const char *key, const char *holder)
{
    uint64_t began = now_ns();
    redisReply *exec = watched_change(s, key, release_own, &(struct release){key, holder});
    redisReply *first = exec && exec->type == REDIS_REPLY_ARRAY ? exec->element[0] : NULL;
    redisReply told = {.type = REDIS_REPLY_INTEGER};
    told.integer = first && first->type == REDIS_REPLY_INTEGER ? first->integer : 0;
    record(c, &(struct operation){.name = "unlock", .key = key, .arg = holder}, began, exec ? &told : NULL);
    if (exec)
        freeReplyObject(exec);
}

void locks_run(struct client *c)
{
    struct session s;
    char name[48], key[32], holder[48];
    snprintf(name, sizeof name, "locks-%d", c->id);
    session_init(&s, &c->load->nodes, c->way, name, prng_next(&c->prng));
    uint64_t n = 0;
    do {
        snprintf(key, sizeof key, "lock:%llu", (unsigned long long)prng_below(&c->prng, LOCKS));
        snprintf(holder, sizeof holder, "%d.%llu", c->id, (unsigned long long)n++);
        if (acquire(c, &s, key, holder)) {
            pause_ms((unsigned)prng_below(&c->prng, 5));
            release(c, &s, key, holder);
        }
    } while (!s.error[0] && load_goes_on(c, DONE));
    if (s.error[0])
        load_wrong(c, "%s", s.error);
    atomic_fetch_add(&c->load->retries, s.retries);
    session_close(&s);
}
