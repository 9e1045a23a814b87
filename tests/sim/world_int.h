/* Private to the simulated world: events, processes, and the disk's promise. */
#ifndef SIM_WORLD_INT_H
#define SIM_WORLD_INT_H

#include "base/heap.h"
#include "base/list.h"
#include "raft/entry.h"
#include "world.h"

#define LINKS_MAX 64

enum event_type { EVENT_FRAME, EVENT_DIAL, EVENT_LINK_LOST, EVENT_DISK, EVENT_TURN };

struct event {
    uint64_t at_us, order;
    enum event_type type;
    uint32_t node, from, handle;
    uint64_t life; /* of the process it is for: a process that has ended gets nothing of its former life */
    uint64_t peer;
    enum node_channel channel;
    struct blob *blob;
    bool gone;
    struct node_disk_event disk;
};

struct link {
    uint32_t handle, to;
    uint64_t expected_id, peer, life;
    bool up;
};

struct frame_at {
    uint64_t index, term;
    struct blob *blob; /* one entry's frame */
};

/* What a power cut would leave. */
struct disk_state {
    struct node_identity identity;
    struct frame_at *frames;
    size_t count, cap;
    uint64_t snapshot_index, snapshot_term;
    struct buf snapshot;
};

struct disk {
    struct list ops;           /* under way, in order */
    struct disk_state durable; /* journal writes are applied here when they complete, in order */
    uint64_t free_at_us;       /* the disk does one thing after the other */
    struct buf receiving;
    uint64_t receiving_index, receiving_term;
    uint64_t journal_bytes;
    uint64_t mark_index, mark_term;
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
    int join_via;
    uint64_t paused_until_us, turn_at_us;
    int64_t clock_offset_us;
    struct disk disk;
};

struct world {
    struct world_config config;
    struct world_client_calls calls;
    struct prng chance;
    uint64_t now_us, order, frames, digest;
    struct heap events;
    struct proc nodes[WORLD_NODES_MAX];
    uint32_t count;
    bool cut[WORLD_NODES_MAX][WORLD_NODES_MAX];
    uint64_t last_delivery_us[WORLD_NODES_MAX][WORLD_NODES_MAX][2];
};

struct event *world_later(struct world *w, uint64_t after_us, enum event_type type, uint32_t node);
void world_note(struct world *w, uint64_t what);

void disk_ports(struct node_ports *ports);
void disk_recover(struct proc *p, struct node_found *found);
void disk_replay(struct proc *p, void (*each)(void *arg, const struct raft_frame *f), void *arg);
void disk_crash(struct proc *p);
void disk_wipe(struct proc *p);
void disk_done(struct proc *p, struct event *e);
void disk_event_free(struct node_disk_event *e);

#endif
