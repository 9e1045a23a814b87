/* Keys that expire. A key with a time to live is there until then, is gone soon after, and stays gone; each key is used
 * once and has one client. Wall clocks may jump meanwhile: time is the cluster's. */
#include "../tests/fault/load/kinds.h"
#include "../tests/fault/load/session.h"

/* Late is allowed, how late, faults decide. Early by what its time may be behind is; loads.py says why. */
enum { AFTERWARDS = 6, EARLY_MS = 200, LATE_MS = 120000, PAUSE_MS = 20 };

struct mortal {
    char key[48];
    uint64_t least_ns; /* when it may be gone: the time to live, counted from before SET was sent */
};

/* 1 there, 0 gone, -1 no answer. */
static int there(struct client *c, struct conn *conn, struct mortal *m)
{
    redisReply *reply = NULL;
    uint64_t began = now_ns();
    enum outcome outcome = conn_one(conn, &(struct request){2, {"GET", m->key}}, &reply);
    history_add(&c->load->history, &(struct operation){.client = c->id,
                                                       .name = "get",
                                                       .key = m->key,
                                                       .began_ns = began,
                                                       .ended_ns = now_ns(),
                                                       .outcome = outcome,
                                                       .reply = reply});
    int answer = outcome != DONE ? -1 : reply->type == REDIS_REPLY_STRING ? 1 : 0;
    if (outcome == DONE && reply->type == REDIS_REPLY_ERROR)
        load_wrong(c, "GET %s: %.100s", m->key, reply->str);
    if (reply)
        freeReplyObject(reply);
    return answer;
}

static bool give_life(struct client *c, struct session *s, struct mortal *m, uint64_t ttl_ms)
{
    char ttl[24];
    redisReply *reply = NULL;
    snprintf(ttl, sizeof ttl, "%llu", (unsigned long long)ttl_ms);
    uint64_t began = now_ns();
    bool good = session_call(s, &(struct request){5, {"SET", m->key, "alive", "PX", ttl}}, 1, 1, &reply);
    m->least_ns = began + ttl_ms * 1000000;
    history_add(&c->load->history, &(struct operation){.client = c->id,
                                                       .name = "set",
                                                       .key = m->key,
                                                       .arg = "alive",
                                                       .number = (long long)ttl_ms,
                                                       .began_ns = began,
                                                       .ended_ns = now_ns(),
                                                       .outcome = good ? DONE : UNKNOWN,
                                                       .reply = reply});
    if (reply)
        freeReplyObject(reply);
    return good;
}

static void live_and_die(struct client *c, struct conn *conn, struct mortal *m)
{
    uint64_t last_ns = m->least_ns + LATE_MS * 1000000ull;
    int gone = 0;
    while (gone < AFTERWARDS) {
        int answer = there(c, conn, m);
        uint64_t now = now_ns();
        if (answer == 0 && now + EARLY_MS * 1000000ull < m->least_ns)
            load_wrong(c, "%s is gone %llu ms early", m->key,
                       (unsigned long long)((m->least_ns - now) / 1000000));
        if (answer == 1 && gone)
            load_wrong(c, "%s was gone and is there again", m->key);
        if (now > last_ns && answer == 1)
            load_wrong(c, "%s is there %d ms after its time", m->key, LATE_MS);
        if (now > last_ns)
            return;
        gone += answer == 0;
        if (!load_goes_on(c, answer < 0 ? UNKNOWN : DONE))
            return;
        pause_ms(PAUSE_MS);
    }
}

void ttls_run(struct client *c)
{
    struct session s;
    struct conn conn;
    char name[48];
    snprintf(name, sizeof name, "ttls-%d", c->id);
    session_init(&s, &c->load->nodes, WAY_LEADER, name, prng_next(&c->prng));
    conn_init(&conn, &c->load->nodes, c->way, prng_next(&c->prng));
    bool good = true;
    for (uint64_t n = 0; good && !atomic_load(&c->load->stop); n++) {
        struct mortal m;
        snprintf(m.key, sizeof m.key, "ttl:%d:%llu", c->id, (unsigned long long)n);
        good = give_life(c, &s, &m, 50 + prng_below(&c->prng, 1500));
        if (good)
            live_and_die(c, &conn, &m);
    }
    if (!good)
        load_wrong(c, "%s", s.error);
    session_close(&s);
    conn_close(&conn);
}
