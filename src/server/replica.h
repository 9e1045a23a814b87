/* A replica of Redis, shared by replica.c (how it comes and goes, the state) and replica_stream.c (what follows the state). */
#ifndef SERVER_REPLICA_H
#define SERVER_REPLICA_H

#include "base/dict.h"
#include "server/server_int.h"

enum replica_state {
    REPLICA_HANDSHAKES, /* REPLCONF alone */
    REPLICA_WAITS,      /* for its turn */
    REPLICA_LOADS,      /* the pipe is open */
    REPLICA_FOLLOWS,    /* it has the state, and is sent what changes */
    REPLICA_LEAVES,     /* it has all that it asked for */
};

struct replica {
    struct list link; /* in server.replicas: from WAITS on */
    struct client *client;
    enum replica_state state;
    bool takes_mark, rdb_only;
    bool filtered; /* without the keys */
    int64_t port, acked;
    struct event pipe;
    int pipe_fd;  /* -1: none */
    bool reading; /* the pipe is listened to */
    bool begun;   /* something has come out of it */
    uint64_t said_us;

    /* From LOADS on. */
    bool ready;         /* nothing that is sent now can be taken for the end of the state */
    bool lost;          /* what it has cannot be led on to what is here */
    struct dict *dirty; /* what is not as it has it: u32 db, then 'k' and a key, or 'd': the whole database */
    size_t dirty_bytes;
    struct buf words;   /* how it became so, in commands: replica_stream.c */
    size_t unit_at;     /* of the unit that is not over, WORDS_NO_UNIT: none */
    bool speechless;    /* the words do not say all of it */
    int64_t db;         /* that was selected last; -1: none */
    uint64_t functions; /* their digest (rsm.h), as it has them */
};

void replica_begin_stream(struct replica *r);
void replica_end_stream(struct replica *r);
/* Sends what has changed, as one step, where the socket has taken the step before. */
void replica_stream(struct replica *r);

#endif
