/* Real kvorum-server processes for tests: started, killed, stopped and cut off from each other. Their data
 * and logs live in a fresh directory under build/tmp, which is kept when the test failed. A process dies with
 * the test that started it. */
#ifndef SUPPORT_CLUSTER_H
#define SUPPORT_CLUSTER_H

#include <hiredis/hiredis.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum { CLUSTER_MAX = 7 };

struct cluster_node {
    uint16_t port, peer_port;
    pid_t pid;   /* 0: not running */
    char id[48]; /* CLUSTER MYID, empty until asked */
};

struct cluster {
    int count;
    struct cluster_node nodes[CLUSTER_MAX];
    char dir[256];
    const char *const *options;  /* further arguments of the server, NULL-terminated; or NULL */
    unsigned all;                /* the mask of every node */
    bool failed;                 /* keep the directory */
    int drop_permille, delay_ms; /* what cluster_unreliable said last */
};

/* Starts `count` nodes and waits until one leads. False (and a line on stderr): it did not come about. */
bool cluster_start(struct cluster *c, int count, const char *const *options);
/* Ends every process and removes the directory. */
void cluster_stop(struct cluster *c);

bool cluster_spawn(struct cluster *c, int node); /* returns when it answers PING */
void cluster_signal(struct cluster *c, int node, int sig);
void cluster_kill(struct cluster *c, int node); /* SIGKILL, and waits for its end */
/* SIGTERM, and waits; the exit status, -1 when it does not end within `ms`. */
int cluster_terminate(struct cluster *c, int node, int ms);

/* The node of `mask` that calls itself master; -1 after `ms`. */
int cluster_leader(struct cluster *c, unsigned mask, int ms);
/* Nodes of different groups hear nothing of each other; those of no group are alone. count 0: all are together. Links
 * within a group are as unreliable as cluster_unreliable has made them. */
bool cluster_partition(struct cluster *c, const unsigned *groups, int count);
/* Every link is whole and reliable again. */
bool cluster_heal(struct cluster *c);
/* Every link loses `drop_permille` of its frames, each way, and delays each by up to `delay_ms`. */
bool cluster_unreliable(struct cluster *c, int drop_permille, int delay_ms);

/* Every running node has applied the same entries and come to the same state, within `ms`; else it is said on stderr. */
bool cluster_agrees(struct cluster *c, int ms);

/* One command to one node on a connection of its own; NULL: no answer within `ms`. */
redisReply *cluster_ask(struct cluster *c, int node, int ms, const char *format, ...);
/* A field of INFO; "" when there is none. */
bool cluster_info(struct cluster *c, int node, const char *field, char *out, size_t out_len);

uint64_t test_now_ms(void);
void test_sleep_ms(int ms);

#endif
