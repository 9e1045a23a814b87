/* Registers, for linearizability: one at a time on a plain connection, on a session, or several under way. */
#include "../tests/fault/load/kinds.h"
#include "../tests/fault/load/latency.h"
#include "../tests/fault/load/pick.h"
#include "../tests/fault/load/session.h"
#include <string.h>

enum { DEPTH = 4, READS_A_CONNECTION = 20 };

static void record(struct client *c, const struct picked *p, uint64_t began, enum outcome outcome,
                   const redisReply *reply)
{
    struct operation op = {.client = c->id,
                           .name = p->name,
                           .key = p->key,
                           .arg = p->request.argc > 2 ? p->arg : NULL,
                           .number = p->delta,
                           .began_ns = began,
                           .ended_ns = now_ns(),
                           .outcome = outcome,
                           .reply = reply};
    if (outcome == DONE)
        pick_judge(c, p, reply);
    history_add(&c->load->history, &op);
    if (outcome == DONE && c->way == WAY_LEADER && strcmp(p->verb, "SET") == 0)
        latency_add(op.ended_ns - began);
}

void registers_run(struct client *c)
{
    struct conn conn;
    conn_init(&conn, &c->load->nodes, c->way, prng_next(&c->prng));
    enum outcome outcome;
    do {
        struct picked p;
        redisReply *reply;
        pick(&p, c, "plain", &c->load->shared[0], c->way == WAY_FOLLOWER);
        uint64_t began = now_ns();
        outcome = conn_one(&conn, &p.request, &reply);
        record(c, &p, began, outcome, reply);
        if (outcome == UNKNOWN && p.writes)
            pick_turn_over(&c->load->shared[0]);
        if (reply)
            freeReplyObject(reply);
        if (c->way == WAY_FOLLOWER && prng_below(&c->prng, READS_A_CONNECTION) == 0)
            conn_close(&conn); /* on to any node */
    } while (load_goes_on(c, outcome));
    conn_close(&conn);
}

void numbered_run(struct client *c)
{
    struct session s;
    char name[48];
    snprintf(name, sizeof name, "numbered-%d", c->id);
    session_init(&s, &c->load->nodes, c->way, name, prng_next(&c->prng));
    bool done;
    do {
        struct picked p;
        redisReply *reply = NULL;
        pick(&p, c, "numbered", &c->load->shared[1], false);
        uint64_t began = now_ns(), retries = s.retries;
        done = session_call(&s, &p.request, 1, p.writes, &reply);
        record(c, &p, began, done ? DONE : UNKNOWN, reply);
        if (reply)
            freeReplyObject(reply);
        atomic_fetch_add(&c->load->retries, s.retries - retries);
        if (!done)
            load_wrong(c, "%s", s.error);
    } while (done && load_goes_on(c, DONE));
    session_close(&s);
}

void pipelined_run(struct client *c)
{
    struct conn conn;
    conn_init(&conn, &c->load->nodes, c->way, prng_next(&c->prng));
    bool on = true;
    while (on) {
        struct picked p[DEPTH];
        struct request requests[DEPTH];
        redisReply *replies[DEPTH];
        for (int i = 0; i < DEPTH; i++) {
            pick(&p[i], c, "pipelined", &c->load->shared[2], false);
            requests[i] = p[i].request;
        }
        uint64_t began = now_ns();
        enum outcome worst = conn_call(&conn, requests, DEPTH, replies);
        bool sent = worst != NOT_RUN || replies[0];
        if (worst == UNKNOWN)
            pick_turn_over(&c->load->shared[2]);
        for (int i = 0; i < DEPTH; i++) {
            enum outcome outcome = sent ? conn_judge(replies[i]) : NOT_RUN;
            record(c, &p[i], began, outcome, replies[i]);
            if (replies[i])
                freeReplyObject(replies[i]);
            on = load_goes_on(c, outcome) && on;
        }
    }
    conn_close(&conn);
}
