/* A cluster of Raft cores that moves only when it is told to: for conversations (README.md here), where the order of
 * every message and every write matters and a reader has to follow it.
 *
 * Nothing is drawn and no time passes by itself. A message lies in flight until a command delivers, drops or holds it,
 * a write is under way until the disk is told to be done, a timer runs out when its node is told to tick. Whatever
 * happens is written as text to `out`. After each step the promises are checked that the order cannot excuse: one
 * leader a term, one entry an index once committed, nothing acknowledged before it is durable, no read too old. */
#ifndef TESTS_TRACE_WORLD_H
#define TESTS_TRACE_WORLD_H

#include <stdio.h>

#include "raft/raft.h"

#define NODES_MAX   9
#define ENTRIES_MAX 128
#define MS          1000ULL
#define ENTRY_BYTES 104 /* of all of them; one that the core keeps exactly (raft/log.c) */

struct entry { /* term 0: none */
    uint64_t term;
    enum raft_entry_kind kind;
    const struct raft_members *members;
    char name[16];
};

struct snapshot {
    uint64_t index, term;
    struct raft_members members;
};

struct write { /* of the journal, under way */
    bool cut;
    uint64_t cut_from, first, last, ticket;
    struct entry entries[ENTRIES_MAX];
};

struct vote {
    uint64_t term, vote, until;
    bool short_log;
};

struct node {
    struct raft *raft; /* NULL: down */
    bool slow;         /* its disk answers only when told to by name */
    struct entry memory[ENTRIES_MAX];
    bool installing;
    struct snapshot incoming;
    uint64_t commit_seen;
    struct {
        uint64_t seq, floor;
    } reads[16];
    uint32_t read_count;

    /* On its disk. */
    struct entry journal[ENTRIES_MAX];
    struct snapshot snapshot;
    struct vote vote;
    bool had_others; /* the node's note, in the vote file, that other voters were named */
    bool damaged;    /* what recovery says of the journal */
    struct write *writes[32];
    size_t write_count;
    struct vote votes[32];
    size_t vote_count;
};

struct flight {
    uint64_t from, to;
    bool snapshot; /* a whole one, instead of a message */
    bool held;
    struct raft_message message;
    struct entry *entries; /* of an APPEND */
    struct snapshot state;
    uint64_t leader_term;
};

struct world {
    FILE *out;
    bool quiet;  /* tell only who leads, and what people are told */
    bool lied;   /* a disk lost something and nobody knows: promises may break, as they would */
    bool broken; /* a check failed: the run is worth nothing as a record */
    uint32_t count;
    struct node node[NODES_MAX + 1]; /* [0] is not used */
    uint64_t now_us;
    struct raft_config config;
    bool cut[NODES_MAX + 1][NODES_MAX + 1]; /* [from][to] */
    struct flight *flights[512];
    size_t flight_count;

    const struct raft_members *members[64]; /* owned, for entries to point at */
    size_t members_count;
    uint64_t leader_of_term[256];
    struct entry committed[ENTRIES_MAX];
    uint64_t committed_last;
};

struct world *world_new(FILE *out);
void world_free(struct world *w);
/* Nodes 1..voters hold the founding entry, `spare` more are blank. Before anything else. */
void world_found(struct world *w, uint32_t voters, uint32_t spare);

void world_step(struct world *w, uint32_t n, struct raft_event e, const struct entry *entries);
void world_tick(struct world *w, uint32_t n);     /* when its next timer runs out */
void world_run(struct world *w, uint64_t for_us); /* all timers, everything delivered at once */
void world_settle(struct world *w);               /* delivers and persists until nothing moves */

/* Flights are named by their place; taking one out leaves the order of the others. */
struct flight *world_take(struct world *w, size_t at);
void world_deliver(struct world *w, struct flight *f); /* owned */
void world_lose(struct world *w, struct flight *f);
struct flight *world_copy(struct world *w, const struct flight *f); /* put back into flight, held */

/* Disks. */
bool world_written(struct world *w, uint32_t n);    /* the oldest write; false: none */
bool world_vote_saved(struct world *w, uint32_t n); /* likewise */
bool world_installed(struct world *w, uint32_t n);
void world_compact(struct world *w, uint32_t n, uint64_t keep);
void world_crash(struct world *w, uint32_t n, bool written); /* `written`: what was under way is on disk */
void world_start(struct world *w, uint32_t n);

const struct raft_members *world_keep(struct world *w, const struct raft_members *m);
void world_violation(struct world *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* show.c: the lines of a record. */
void show(struct world *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void show_loud(struct world *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void show_flight(struct world *w, const struct flight *f, const char *before, const char *after);
void show_duties(struct world *w, uint32_t n, const struct raft_duties *d);
void show_state(struct world *w, uint32_t n);
void show_log(struct world *w, uint32_t n);

/* script.c: one command line; what it says goes to `out`. false: not understood. */
bool script_command(struct world *w, const char *line);

#endif
