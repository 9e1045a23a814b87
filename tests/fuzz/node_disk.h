/* A disk in memory for one node under fuzz: what is asked is done in order, when the script says so. What a node asks must make
 * sense: entries follow the end, cuts lie behind the snapshot. */
#ifndef TESTS_FUZZ_NODE_DISK_H
#define TESTS_FUZZ_NODE_DISK_H

#include "base/list.h"
#include "node/node.h"
#include "raft/entry.h"

struct disk {
    struct list ops;    /* asked and not done yet */
    struct op *written; /* a snapshot that waits for the word on it; NULL: none */
    struct node_identity identity;
    struct blob **frames; /* entries first.. */
    uint64_t first, last;
    size_t cap;
    uint64_t snapshot_index, snapshot_term;
    struct buf snapshot, receiving;
    uint64_t receiving_index, bytes;
};

void disk_init(struct disk *d);
void disk_deinit(struct disk *d);
void disk_ports(struct node_ports *ports, struct disk *d);
/* Framed entries that are there from the start, the first of them entry 1. */
void disk_lay(struct disk *d, struct slice frames);
void disk_replay(struct disk *d, void (*each)(void *arg, const struct raft_frame *f), void *arg);
/* Does the oldest `count`, and tells the node. */
void disk_finish(struct disk *d, struct node *n, size_t count);

#endif
