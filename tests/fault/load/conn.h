/* One client's way to the cluster: which node it talks to, and what an answer, or none, says of a request. */
#ifndef FAULT_CONN_H
#define FAULT_CONN_H

#include "base/prng.h"
#include <hiredis/hiredis.h>
#include <stdbool.h>
#include <stdint.h>

enum { NODES_MAX = 16, REPLY_MS = 1500, CONNECT_MS = 400 };

struct address {
    char host[64];
    uint16_t port, proxy;
};
struct nodes {
    struct address at[NODES_MAX];
    int count;
};

enum way {
    WAY_LEADER,   /* the nodes' own ports, following MOVED */
    WAY_PROXY,    /* any node's proxy port, as a plain client */
    WAY_FOLLOWER, /* any node's own port after READONLY: for reads */
};

/* README, "What it promises": an error means what it says. */
enum outcome {
    DONE,    /* answered, an error of the command itself included */
    NOT_RUN, /* MOVED, NOTLEADER, CLUSTERDOWN, LOADING, or it never left this process */
    UNKNOWN, /* MAYBE, no reply in time, or the connection broke */
};

struct request {
    int argc;
    const char *argv[8];
};

struct conn {
    const struct nodes *nodes;
    enum way way;
    struct prng prng;
    redisContext *redis;
    bool greeting; /* READONLY is under way, and its reply comes first */
    char host[64]; /* where the last refusal sent us; "": nowhere */
    uint16_t port;
};

void conn_init(struct conn *c, const struct nodes *nodes, enum way way, uint64_t seed);
void conn_close(struct conn *c);
/* Connects if need be. False: nobody there; come again later. */
bool conn_ready(struct conn *c);
/* Sends all requests at once and reads all replies, which are the caller's to free: NULL where none came. The outcome is
 * that of the worst one. Anything but DONE ends the connection, so that no late reply is taken for another request's. */
enum outcome conn_call(struct conn *c, const struct request *requests, int count, redisReply **replies);
/* One request. */
enum outcome conn_one(struct conn *c, const struct request *request, redisReply **reply);
/* What came of them; NULLs may be among them. */
void replies_free(redisReply **replies, int count);
enum outcome conn_judge(const redisReply *reply);
bool reply_says(const redisReply *reply, const char *code);

#endif
