/* Load for cluster tests: clients in threads that append numbered tokens to one shared key, each token
 * through its client's session, and watch what they read. */
#ifndef CLUSTER_KV_LOAD_H
#define CLUSTER_KV_LOAD_H

#include "../tests/support/kv_client.h"
#include <pthread.h>

enum { LOAD_MAX = 8 };

struct load_client {
    struct load *load;
    struct kv_client kv;
    pthread_t thread;
    int id;
    uint64_t appended;   /* acknowledged */
    uint64_t longest_ms; /* the longest call */
    char failure[300];   /* "": none */
};
struct load {
    struct cluster *cluster;
    const char *key;
    int count;
    bool stop; /* atomic */
    bool running;
    int pause_ms;
    struct load_client clients[LOAD_MAX];
};

/* The same load may be started again: it goes on counting. */
void load_init(struct load *l, struct cluster *c, const char *key, int clients);
void load_start(struct load *l);
/* Lets each client finish what it is at; false: one of them failed, which is printed. */
bool load_stop(struct load *l);
/* Reads the key: each acknowledged token once, in its client's order, and nothing else. Prints what is wrong.
 */
bool load_check(struct load *l);
/* After a test that broke off, too: what is pending is given up. */
void load_deinit(struct load *l);
uint64_t load_total(const struct load *l);

#endif
