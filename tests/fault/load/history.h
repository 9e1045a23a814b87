/* What was done and what came back, one line an operation, as tests/check/history.h has it. */
#ifndef FAULT_HISTORY_H
#define FAULT_HISTORY_H

#include "../tests/fault/load/conn.h"
#include <stdio.h>

struct history {
    FILE *file;
};

struct operation {
    int client;
    const char *name;      /* one of tests/check/history.h */
    const char *key, *arg; /* arg: NULL where there is none */
    long long number;      /* ttl in ms, or delta; 0: none */
    uint64_t began_ns, ended_ns;
    enum outcome outcome;
    const redisReply *reply; /* of a DONE one */
};

/* NULL: nothing is kept. */
void history_open(struct history *h, const char *path);
void history_add(struct history *h, const struct operation *op);
/* False: not all of it could be written. */
bool history_close(struct history *h);

#endif
