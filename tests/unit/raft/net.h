/* A small deterministic cluster for the core's tests: several raft objects in one process with virtual time,
 * disks that take a while and lose what was not synced, and a network that delays, drops, repeats, reorders
 * and cuts.
 *
 * After every single step the checks of check.c look at the whole cluster: election safety, log matching,
 * leader completeness, state machine safety, durability before every ack and commit, linearizable reads. The
 * first violation stops the run and is kept in `failure`. */
#ifndef TESTS_RAFT_NET_H
#define TESTS_RAFT_NET_H

#include "base/prng.h"
#include "raft/raft.h"

#define NODES_MAX 9
#define MS        1000ULL
#define SECOND    1000000ULL

struct entry { /* with its payload, which the core never sees */
    uint64_t term, value, prev_term;
    enum raft_entry_kind kind;
    bool there;
    const struct raft_members *members;
};

struct entries { /* at[i] is entry i */
    struct entry *at;
    size_t cap;
    uint64_t last;
};

struct snapshot {
    uint64_t index, term, chain;
    struct raft_members members;
};

struct write { /* one journal write under way */
    bool cut;
    uint64_t cut_from, first, last, ticket;
    struct entry *entries;
    uint64_t done_us;
};

struct vote_file {
    uint64_t term, vote, until;
    bool short_log;
};

struct node {
    uint64_t id;
    struct raft *raft; /* NULL: down */
    uint64_t incarnation;
    bool paused, founder;

    struct entries memory; /* what its process holds */
    uint64_t applied, chain, commit_seen;
    bool installing;
    struct snapshot incoming;

    /* Its disk. */
    struct vote_file vote;
    bool had_others; /* the note that other voters were named, in its vote file as well */
    struct entries journal;
    struct snapshot snapshot;
    bool damaged; /* lost part of its journal, and knows it */
    struct write writes[512];
    size_t write_head, write_count;
    uint64_t disk_free_us, next_free_us, vote_free_us;
    uint64_t disk_min_us, disk_max_us;

    struct event *inbox[65536]; /* while paused */
    size_t inbox_count;
};

enum event_kind {
    EV_MESSAGE,
    EV_WRITTEN,
    EV_VOTE_SAVED,
    EV_LINK,
    EV_SNAPSHOT,
    EV_INSTALLED,
    EV_SNAPSHOT_SENT,
    EV_COMPACTED
};

struct event {
    enum event_kind kind;
    uint64_t at_us, order;
    int node;
    uint64_t incarnation; /* 0: any */
    struct raft_message message;
    struct entry *entries; /* owned; of an APPEND */
    size_t count;
    struct vote_file vote;
    struct snapshot snapshot;
    uint64_t peer, leader_term, compact_to;
    bool up, gone;
};

struct read {
    int node;
    uint64_t incarnation, seq, floor, index; /* floor: what was committed anywhere when it came in */
    bool done, lost;
};

struct commit_record {
    bool known;
    uint64_t term, value, by_term, chain;
};

struct identity { /* of entry (index, term): one value, one predecessor */
    uint64_t index, term, value, prev_term;
};

struct net {
    int count;
    struct node node[NODES_MAX];
    uint64_t now_us, order, steps;
    struct prng prng;
    bool trace;
    uint64_t seed;

    /* The network. */
    bool cut[NODES_MAX][NODES_MAX]; /* [from][to] */
    bool linked[NODES_MAX][NODES_MAX];
    uint64_t latest[NODES_MAX][NODES_MAX];
    uint64_t delay_min_us, delay_max_us;
    uint32_t loss_permille, repeat_permille;
    bool reorder, links;

    struct event **heap;
    size_t heap_count, heap_cap;

    struct raft_config config;
    struct read *reads;
    size_t read_count, read_cap;
    uint64_t next_value;
    uint32_t installs, snapshots, elections, says;
    uint64_t messages[16];

    /* What was seen, for the checks. */
    uint64_t leader_of_term[65536];
    struct {
        uint64_t to;
    } votes[NODES_MAX][65536];
    struct commit_record *committed;
    size_t committed_cap;
    uint64_t committed_last;
    struct identity *identities;
    size_t identity_count, identity_cap;
    bool expect_rollback; /* a node was rolled back on purpose: its acks are lies */

    const struct raft_members *members_pool[4096];
    size_t members_count;
    char failure[512];
};

/* Nodes 1..voters found a cluster; `spare` more are blank. */
struct net *net_new(int voters, int spare, uint64_t seed);
struct net *net_new_with(int voters, int spare, uint64_t seed, size_t append_max_bytes,
                         uint32_t inflight_max);
void net_free(struct net *c);
void net_fail(struct net *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Time. */
bool net_step(struct net *c, uint64_t until_us); /* false: nothing before until_us */
void net_run(struct net *c, uint64_t for_us);
bool net_run_until(struct net *c, uint64_t for_us, bool (*done)(struct net *));

/* Faults. Nodes are named by their place, id - 1. */
void net_crash(struct net *c, int i);                      /* unsynced writes may be lost */
void net_damage(struct net *c, int i, uint64_t keep_last); /* a node that is down loses its journal's end */
void net_restart(struct net *c, int i);
void net_pause(struct net *c, int i);
void net_resume(struct net *c, int i, bool read_first);
void net_cut(struct net *c, int from, int to, bool cut);
void net_isolate(struct net *c, int i);
void net_heal(struct net *c);
void net_link(struct net *c, int i, int peer, bool up, bool gone); /* tells i */

/* Use. */
int net_leader(struct net *c);                       /* the one of the highest term that runs; -1 */
int net_other(struct net *c, int not_this, int nth); /* the nth running node other than that */
int net_wait_leader(struct net *c, uint64_t for_us);
uint64_t net_propose(struct net *c, int i, uint32_t n); /* index of the last of n; 0: refused */
bool net_propose_members(struct net *c, int i, const struct raft_members *members);
struct raft_members net_members(struct net *c, int i);
void net_members_put(struct raft_members *m, uint64_t id, bool voter);
void net_members_remove(struct raft_members *m, uint64_t id);
int net_read(struct net *c, int i); /* a handle for c->reads; -1: refused */
void net_compact(struct net *c, int i, uint64_t keep);
void net_event(struct net *c, int i, struct raft_event e);
bool net_agrees(struct net *c, uint64_t index); /* every member within the leader's reach has applied it */
/* Proposes and waits until it is applied everywhere it should be. */
bool net_commits(struct net *c, uint64_t for_us);

/* check.c */
void net_check_step(struct net *c, int i, const struct raft_duties *d);
void net_check_appended(struct net *c, int i, uint64_t index);
void net_check_vote_saved(struct net *c, int i, const struct vote_file *new);
void net_check_became_leader(struct net *c, int i);
void net_check_committed(struct net *c, int i, uint64_t index);
void net_check_free(struct net *c);
bool net_holds_durably(const struct node *n, uint64_t index, uint64_t term);

/* vdisk.c */
struct entry *net_entries_at(struct entries *e, uint64_t index); /* grows */
uint64_t net_entries_term(const struct entries *e, uint64_t index);
void vdisk_append(struct net *c, int i, const struct raft_duties *d);
void vdisk_save_vote(struct net *c, int i, const struct raft_duties *d);
bool vdisk_written(struct net *c, int i, struct raft_event *out);
void vdisk_crash(struct net *c, int i);
void vdisk_forget(struct node *n);
struct event *net_schedule(struct net *c, enum event_kind kind, int i, uint64_t at_us);
uint64_t net_below(struct net *c, uint64_t low, uint64_t high);

#endif
