/* What the other rooms may know of Raft without including its core: ids, members, and a run of entries.
 *
 * Terms and indexes are plain uint64_t; index 0 is "before the first entry", term 0 "before the first
 * election", id 0 "nobody". */
#ifndef RAFT_TYPES_H
#define RAFT_TYPES_H

#include "base/bytes.h"

#define RAFT_MEMBERS_MAX 16
#define RAFT_HOST_MAX    256
#define RAFT_NAME_MAX    64

struct raft_member {
    uint64_t id; /* made at the node's first start, never reused */
    bool voter;  /* false: learner */
    uint16_t port, peer_port;
    char name[RAFT_NAME_MAX]; /* node-name, for people */
    char host[RAFT_HOST_MAX];
};

struct raft_members {
    uint32_t count;
    struct raft_member at[RAFT_MEMBERS_MAX];
};

const struct raft_member *raft_members_find(const struct raft_members *m, uint64_t id); /* NULL: not there */
bool raft_members_others(const struct raft_members *m, uint64_t id); /* is there a voter beside this one? */
/* The payload of a RAFT_ENTRY_CONFIG entry, and the member list in a snapshot's header. */
void raft_members_encode(struct buf *out, const struct raft_members *m);
bool raft_members_decode(struct slice in, struct raft_members *m); /* false: malformed */

/* Consecutive framed entries (entry.h) in one shared piece of memory: what a turn proposed, what one journal
 * key holds, what one APPEND carries. Whoever keeps a block past the call takes a blob_ref. */
struct raft_block {
    uint64_t first, last; /* last < first: empty */
    struct blob *blob;
    size_t offset, len; /* the frames' bytes within the blob */
};

#endif
