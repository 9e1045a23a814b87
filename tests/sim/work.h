/* Clients of the simulated world, and what they can prove. They ask any node, by itself or as a proxy; they give up waiting,
 * and ask again elsewhere while the first request may still be on its way:
 *
 *   - appenders with a session: each token stands once, in order, where its reply said; now and then they send a number
 *     again, with the same request or another, or one that is forgotten, or name a session that nobody opened
 *   - appenders without one: an answered token stands once, one that was surely not run stands nowhere
 *   - pipelines: several requests of one connection at once; they run in order, and reads see the writes before them
 *   - pairs: a transaction appends to two keys, and nobody ever reads them different
 *   - counters: WATCH, GET, EXEC; as many increments as were told OK
 *   - registers: every operation on strings, with times to live, recorded and judged for linearizability (tests/check)
 *   - locks: SET NX PX, released by WATCH, GET, EXEC; judged like registers, and never two holders at a time
 *   - those who SET PX: the key is not gone before its time, and once gone it stays gone
 *   - pushers, and those who wait for what is pushed: each element is handed to one of them, in the order in which they came; who
 *     waits hears in time, and nobody waits whose client is gone (tests/check/handed.h)
 *   - readers, who ask any node and stay with it, a leader that has lost its office too
 *   - all read now and then, and see every token that was acknowledged before they asked
 *   - nobody waits for ever on a node that runs, whether or not the client still cares */
#ifndef SIM_WORK_H
#define SIM_WORK_H

#include "world.h"

enum work_kinds {
    WORK_SESSION = 1,
    WORK_PLAIN = 2,
    WORK_COUNTER = 4,
    WORK_EXPIRING = 8,
    WORK_REGISTER = 16,
    WORK_LOCK = 32,
    WORK_PAIR = 64,
    WORK_PIPELINE = 128,
    WORK_READER = 256,
    WORK_ALL = 511, /* but for those that were not there yet when most seeds were drawn */
    WORK_WAIT = 512,
};

/* 0 is a default for each. */
struct work_config {
    uint64_t seed;
    uint32_t clients;     /* 1 to 32 */
    uint32_t keys;        /* for tokens at a time, 1 to 8 */
    uint32_t registers;   /* at a time, 1 to 8 */
    unsigned kinds;       /* WORK_... of which there are clients, each in its turn */
    uint64_t think_us;    /* up to, between requests */
    uint64_t patience_us; /* a client waits no longer, breaks its connection and goes on. 0: without end */
    size_t big_bytes;     /* one token in 16 is this long */
    uint64_t answer_us; /* a running node answers within this. A default covers what tests/sim does to them */
    bool
        trust_clocks; /* a majority of the clocks is right at any time, so no key may go early, while it is heard */
    bool proxied;     /* everything is asked of any node, which hands it to the leader */
    bool old_numbers; /* sessions send earlier numbers again, and numbers of transactions that were refused */
    bool sessions_expire; /* session-timeout is so short, or clocks jump so far, that sessions may go */
};

struct work_counts {
    uint64_t acked, reads;   /* writes that were told their result; reads */
    uint64_t unknown;        /* requests of which the client was told that it may have run, or nothing */
    uint64_t not_run;        /* and those that were told that they surely did not */
    uint64_t exactly_once;   /* operations that go through a check of exactly once: tokens, increments */
    uint64_t linearized;     /* operations that go through the check of linearizability */
    uint64_t given_up;       /* requests whose client lost its patience */
    uint64_t probes;         /* of numbers and sessions that have to be refused, or answered again */
    uint64_t sessions_lost;  /* that had expired */
    uint64_t locks, expired; /* acquired; keys that were seen to go */
    uint64_t waited, handed; /* commands that had to wait for a key; elements that clients were handed */
};

struct work;

/* What of it the seed alone chooses: kinds, registers, patience. */
void work_draw(struct work_config *config);
struct work *work_new(const struct work_config *config);
void work_free(struct work *k);
void work_bind(struct work *k, struct world *w);
struct world_client_calls work_calls(struct work *k);
void work_turn(void *work, uint32_t node);    /* for world_run */
void work_pause(struct work *k, bool paused); /* no new requests; those under way go on */
/* From now on; a cluster that is never let alone owes no answer. */
void work_answers_within(struct work *k, uint64_t us);
bool work_idle(const struct work *k); /* every request is answered, those given up too */

struct work_counts work_counts(const struct work *k);
uint64_t work_acked(const struct work *k);
uint64_t work_reads(const struct work *k);
uint64_t work_unknown(const struct work *k);
uint64_t work_last_ack_us(const struct work *k);
/* At the end, on a node that has applied everything: every token is where its answer said, and the first time, the registers'
 * histories are judged. NULL, or what is wrong. */
const char *work_check(struct work *k, struct node *n);
const char *work_failed(const struct work *k); /* a stale read on the way, ...; NULL: none */

#endif
