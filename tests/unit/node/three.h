/* Three whole nodes side by side: a network that loses nothing and disks that are done at once, both in memory, and a clock
 * that the test moves. For what a node decides; what goes wrong underneath is the simulator's (tests/sim). */
#ifndef TESTS_UNIT_NODE_THREE_H
#define TESTS_UNIT_NODE_THREE_H

#include "base/list.h"
#include "node/node.h"

enum { NODES = 3, JOURNAL_MAX = 16384 };

struct three;

struct one {
    struct three *all;
    uint64_t id;
    struct node *node; /* NULL: not there */
    struct node_config config;
    struct node_identity identity;
    struct blob *journal[JOURNAL_MAX]; /* by index - 1 */
    uint64_t last;
    struct snapshot { /* the newest, the one that is being received, the one that waits for the word on it */
        uint64_t index, term;
        struct buf bytes;
    } snapshot, receiving, making;
    bool made;                          /* it could be written */
    uint64_t free_bytes, journal_bytes; /* what its disk says */
    bool short_log;                     /* recovery says so */
    bool unheard;                       /* what others send does not reach it */
    bool ending;                        /* its disk does not say yet that what it received is whole */
    int lose;                           /* so many frames of this type to it get lost, and nobody notices */
    uint8_t lose_type;
    int tries;      /* TIMEOUT_NOW, an office handed over, that came to it */
    char said[512]; /* its last warning */
    char traced[4096];
    size_t traced_len;
    /* The last answer to a request of its clients. */
    uint64_t ticket, index, applied; /* applied: by then */
    uint64_t spent_us;
    enum node_outcome outcome;
    char reply[128];
    uint64_t reads_ready;
    uint64_t applied_at_flush; /* of the last turn */
    bool sent, sent_at_flush;
    uint64_t early_ticket, early_reads; /* as they stood when node_answer had last said that it answered */
};

struct three {
    struct one one[NODES]; /* ids 1, 2, 3 */
    struct list events;
    uint64_t now_us, handles;
    bool early; /* what can be answered is, before each turn */
};

struct three *three_new(void);
struct three *
three_grown(void); /* as one whose node 1 had founded alone: entry 1 names it, entry 3 all of them */
void three_free(struct three *t);
void three_run(struct three *t, uint64_t ms);
struct one *three_leader(struct three *t); /* runs until there is one that serves */
void three_restart(struct three *t, struct one *o);
void three_lose_journal(struct three *t, struct one *o,
                        uint64_t from); /* from here on, while it is restarted */
/* SET key value at this node. PENDING: its answer is awaited, and left in `o`; else what was said at once. */
enum node_outcome three_set(struct three *t, struct one *o, const char *key, const char *value);
/* Entries that change the same key, so many. */
void three_write(struct three *t, struct one *o, int count);

#endif
