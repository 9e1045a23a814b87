/* The clerk of the labs: a client that finds the leader, tries again until it has an answer, and, with a
 * session, has each write run once (DESIGN 5). */
#ifndef SUPPORT_KV_CLIENT_H
#define SUPPORT_KV_CLIENT_H

#include "../tests/support/cluster.h"

struct kv_client {
    struct cluster *cluster;
    unsigned mask;    /* the nodes it can reach; another thread may change it */
    char session[48]; /* "": none; a retried write may then run twice */
    bool opened;      /* the server has confirmed the session */
    uint64_t next;    /* number of the next write */
    redisContext *conn;
    int node, hint;   /* where `conn` leads; where to go next, -1: on with the round */
    bool cancel;      /* atomic: give up, whatever is pending */
    uint64_t retries; /* answers that were none */
    char error[160];  /* why kv_call gave up */
};

void kv_init(struct kv_client *k, struct cluster *c, const char *session);
void kv_deinit(struct kv_client *k);
/* Sends until there is a definite answer (an error of the command itself is one). NULL: none within `ms`, or
 * the session is lost. `write`: it is numbered in the session. */
redisReply *kv_call(struct kv_client *k, int ms, bool write, int argc, const char *const *argv);
/* On the connection that stands, once, whatever comes; NULL: it broke. For WATCH. */
redisReply *kv_once(struct kv_client *k, int argc, const char *const *argv);
/* Leaves the connection: the next call makes another. */
void kv_disconnect(struct kv_client *k);

/* Shorthands; false: no answer in time or not the expected kind of reply. */
bool kv_set(struct kv_client *k, const char *key, const char *value, int ms);
bool kv_append(struct kv_client *k, const char *key, const char *value, int ms);
/* A copy for the caller to free, "" for a key that is not there; NULL: no answer. */
char *kv_get(struct kv_client *k, const char *key, int ms);

#endif
