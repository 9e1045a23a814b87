/* What the load generator's files share: the requests that are asked for, what became of them, and a connection. */
#ifndef BENCH_RATE_H
#define BENCH_RATE_H

#include "../tests/bench/rate/histogram.h"
#include "base/bytes.h"
#include "base/prng.h"
#include <hiredis/read.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PORTS_MAX = 16, CODES_MAX = 16, CODE_BYTES = 24 };

struct work {
    int ports[PORTS_MAX];
    size_t port_count;
    bool follow; /* MOVED is followed, a lost connection made anew; else the first of either ends the run */
    bool ping;   /* in place of GET */
    uint64_t keys;
    unsigned set_percent;
    struct buf value;
    struct prng chance;
};

struct outcome {
    struct histogram get,
        set; /* of requests that were answered without an error, in ns from the time they were due */
    uint64_t errors, moved, lost, misses;
    struct {
        char code[CODE_BYTES]; /* the first word of the error */
        uint64_t count;
    } codes[CODES_MAX];
    size_t code_count;
    uint64_t last_ns, last_set_ns, gap_ns; /* gap: the longest time without an acknowledged SET */
};

struct request {
    uint64_t due_ns;
    bool set;
};

/* A connection and its requests, in order: requests[head..sent) wait for their replies, requests[sent..tail) to be sent.
 * The three only grow; the array's size is a power of two. */
struct conn {
    struct work *work;
    struct outcome *outcome;
    int poll, fd;            /* fd -1: not connected, try again at retry_ns */
    bool connecting, writes; /* writes: asked epoll to say when there is room */
    int port, moved_to;      /* moved_to: once everything sent is answered, go there; 0: stay */
    size_t next_port;
    uint64_t retry_ns;
    struct request *requests;
    size_t size, head, sent, tail;
    struct buf out;
    size_t out_done;
    redisReader *reader;
    char error[CODE_BYTES + 128]; /* the error reply that is being read; "": no error */
    bool nil;
};

uint64_t now_ns(void);
_Noreturn void die(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Connected when it returns. */
void conn_open(struct conn *c, struct work *work, struct outcome *outcome, int poll);
void conn_close(struct conn *c);
void conn_push(struct conn *c, uint64_t due_ns);
static inline size_t conn_waiting(const struct conn *c)
{
    return c->tail - c->head;
}
/* Sends what is waiting, as far as the socket takes it; connects again when it is time to. */
void conn_send(struct conn *c);
/* What epoll said of it. */
void conn_event(struct conn *c, uint32_t events);
/* At the end: what has had no reply never gets one. */
void conn_give_up(struct conn *c);

#endif
