/* Each write once, whatever happens: the retry recipe of README.md on top of a conn. */
#ifndef FAULT_SESSION_H
#define FAULT_SESSION_H

#include "../tests/fault/load/conn.h"

struct session {
    struct conn conn;
    char name[48];
    uint64_t next; /* number of the next write */
    bool opened;
    uint64_t retries;
    char error[300]; /* the session is lost, or an answer never came: why */
};

void session_init(struct session *s, const struct nodes *nodes, enum way way, const char *name,
                  uint64_t seed);
void session_close(struct session *s);
/* A connection on which the next numbered request is s->next; false: not yet, or s->error. */
bool session_ready(struct session *s);
/* `count` requests that are sent again as a whole until all are answered; `numbered` of them are writes (an EXEC is one).
 * False: s->error. */
bool session_call(struct session *s, const struct request *requests, int count, int numbered,
                  redisReply **replies);

#endif
