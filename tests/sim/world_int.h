/* Private to the simulated world: events, processes, and the disk's promise. */
#ifndef SIM_WORLD_INT_H
#define SIM_WORLD_INT_H

#include "base/heap.h"
#include "base/list.h"
#include "disk_int.h"
#include "raft/entry.h"
#include "world.h"

#define LINKS_MAX     64
#define WALL_START_US 1700000000000000ull
#define PORT_BASE     7000
#define FAR_US        3600000000ull

enum event_type { EVENT_FRAME, EVENT_DIAL, EVENT_HELLO, EVENT_LINK_LOST, EVENT_DISK, EVENT_TURN };

struct event {
    uint64_t at_us, order;
    enum event_type type;
    uint32_t node, from, handle;
    uint64_t life; /* of the process it is for: a process that has ended gets nothing of its former life */
    uint64_t from_life;
    uint64_t peer;
    enum node_channel channel;
    struct blob *blob;
    bool gone;
    uint32_t queue; /* EVENT_DISK: which of the disk's queues, and how far it has come */
    uint64_t op;
};

struct link {
    uint32_t handle, to;
    uint64_t expected_id, peer, life;
    bool up;
};

struct proc {
    struct world *world;
    uint32_t number;
    uint64_t id, life;
    struct node *node;
    struct node_hello self;
    struct link links[LINKS_MAX];
    size_t link_count;
    uint32_t handle;
    int join_via;        /* a node's number, or one of these */
#define JOIN_LISTED (-1) /* in initial-cluster */
#define JOIN_NOBODY (-2)
    uint64_t paused_until_us, turn_at_us;
    int64_t clock_offset_us;
    int32_t wall_ppm, tick_ppm;        /* too fast by */
    uint64_t tick_base_us, tick_at_us; /* its monotonic clock, and when it showed that */
    bool tampered;
    uint64_t aloud_term;     /* in which it has said that acknowledged entries may be lost */
    struct node_ports ports; /* behind the fuse */
    uint32_t fuse;           /* port calls until the process ends; 0: it goes on */
    bool ending;             /* nothing it does from now on reaches anybody */
    struct disk disk;
    /* check.c: what this life has shown so far */
    struct {
        uint64_t cluster, term, commit, applied, members;
        uint64_t lead_term, lead_last; /* as leader: the end of its log; 0: no leader */
        uint64_t led;                  /* lead_term of one pass before */
        uint64_t ack_term, acked;      /* as follower: the newest term in which it has acked, and how far */
        uint64_t voters[RAFT_MEMBERS_MAX];
        uint32_t voter_count;
        uint64_t rows_index, rows_first; /* the members that were looked at last */
        bool rows_final;
    } seen;
};

struct history;

struct world {
    struct world_config config;
    struct world_client_calls calls;
    struct prng chance;
    uint64_t now_us, order, digest, ended;
    struct world_counts counts;
    struct heap events;
    struct proc nodes[WORLD_NODES_MAX];
    uint32_t count;
    bool cut[WORLD_NODES_MAX][WORLD_NODES_MAX], flapped[WORLD_NODES_MAX][WORLD_NODES_MAX];
    uint64_t clogged_until_us[WORLD_NODES_MAX][WORLD_NODES_MAX];
    uint32_t healthy; /* bits of nodes between which the network is faultless, whatever else is said */
    uint64_t last_delivery_us[WORLD_NODES_MAX][WORLD_NODES_MAX][2];
    uint64_t bulk_bytes_s, bulk_free_us[WORLD_NODES_MAX][WORLD_NODES_MAX];
    struct history *histories;
    struct disk_counts disk_counts;
    struct known_members *members; /* check_members.c */
    struct raft_members written;   /* the newest that stood in any log, and its place there */
    uint64_t written_index, written_term;
    struct forget *forgets;
    struct ghost *ghosts; /* check.c: what disks held that have been made to forget */
    bool time_lagged;     /* check_clock.c */
    bool log;
    uint64_t second, second_frames; /* sent since that second began */
    bool beyond, put_back;
    uint64_t losses, said_lost;
    char wrong[256];
};

struct event *world_later(struct world *w, uint64_t after_us, enum event_type type, uint32_t node);
void world_note(struct world *w, uint64_t what);
/* The process ends by itself once the call it is in has come back. */
void world_end(struct proc *p, const char *why);
void world_wrong(struct world *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* net.c */
void net_ports(struct node_ports *ports);
void net_dial(struct world *w, struct proc *p, uint32_t handle);
void net_process_ended(struct world *w, uint32_t gone);

/* disk.c */
void disk_ports(struct node_ports *ports);
bool disk_recover(struct proc *p, struct node_found *found); /* false: it refuses to start */
void disk_replay(struct proc *p, void (*each)(void *arg, const struct raft_frame *f), void *arg);
void disk_crash(struct proc *p);
void disk_wipe(struct proc *p);
void disk_free(struct proc *p);
void disk_done(struct proc *p, const struct event *e);
uint64_t disk_end(const struct proc *p);                                 /* of the durable journal */
const struct frame_at *disk_frame(const struct proc *p, uint64_t index); /* NULL: not there */

/* fuse.c */
void fuse_ports(struct proc *p, struct node_ports *ports);

/* check.c: what must hold at every step, whatever happens */
void check_node(struct proc *p);
void check_cut(struct proc *p, uint64_t from);
void check_identity(struct proc *p, const struct node_identity *next); /* before it is written */
void check_mark(struct proc *p);                                       /* entries are durable */
void check_append(struct proc *p, const struct raft_block *block);
void check_answer(struct proc *p, uint64_t ticket, const struct node_answer *answer);
void check_forgets(struct proc *p, size_t entries); /* before a disk is made to lose its newest ones */
void check_send(struct proc *p, struct slice head);
uint64_t check_newest_members(struct proc *p, uint64_t at_most); /* the index of those committed last */
void check_free(struct world *w);

/* check_clock.c: of an entry that is written into the log */
void check_stamp_lags(struct proc *p, uint64_t stamp_ms);
/* check_members.c */
void check_members(struct proc *p);
void check_members_written(struct proc *p, const struct raft_frame *f);
void check_admin(struct proc *p, uint64_t ticket, const struct node_answer *answer);
void check_members_forget(struct world *w, uint64_t cluster,
                          uint64_t from); /* lost with what was committed */
void check_members_free(struct world *w);

#endif
