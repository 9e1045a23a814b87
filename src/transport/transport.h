/* Links between nodes. A frame arrives whole and intact or not at all; frames may be lost (a link that
 * breaks, a full queue), never corrupted, and keep their order within one channel of one link. Each node
 * dials every other and sends on the links it dialled; it receives on the links it accepted, so there is
 * nothing to agree on about who keeps which.
 *
 * Channels are connections of their own, so that bulk never delays a heartbeat (B52). The beat channel
 * belongs to a small thread of this room that keeps followers from electing while the main thread applies one
 * long entry (DESIGN 2). */
#ifndef TRANSPORT_TRANSPORT_H
#define TRANSPORT_TRANSPORT_H

#include "raft/types.h"

struct event_base;
struct transport;

enum transport_channel {
    TRANSPORT_CONTROL,
    TRANSPORT_BULK,
    TRANSPORT_NEWS = 3, /* what may be lost and must stand in the way of nothing. 2 is the beat thread's */
};

#define TRANSPORT_FRAME_MAX (((size_t)1 << 30) + 65536)

/* What a node says of itself in the handshake. */
struct transport_hello {
    uint64_t node_id, cluster_id; /* cluster_id 0: blank */
    uint64_t boot_nonce;
    uint64_t term; /* blank = cluster_id 0, term 0, no entry */
    bool has_entries;
    bool removed; /* set in a refusal: the cluster has removed you */
    bool
        invites; /* received only: of another cluster, and dialled whoever is here: CLUSTER MEET asks us to join it. No
                     link comes of it */
    char name[RAFT_NAME_MAX];
    char host[RAFT_HOST_MAX];                          /* announced client address */
    uint16_t port, peer_port;                          /* announced */
    uint16_t port_redirect, port_readonly, port_proxy; /* client ports by mode, 0: none */
    uint64_t apply_version;
};

struct transport_config {
    struct event_base *base;
    const char *bind_host; /* NULL: all. As Redis's bind: several, divided by spaces, "-" before one that may
                              be missing */
    uint16_t port;
    const char *secret; /* masterauth, NULL: none. Proven both ways by an HMAC challenge */
    struct transport_hello
        self; /* changed later by transport_set_self; node_id 0: not made yet, nobody is talked to */
    uint64_t heartbeat_us, election_us;
};

#define TRANSPORT_REMOVED "this node has been removed from the cluster"

/* All from the loop's thread, never out of a call of this header. They may make any call but transport_free.
 */
struct transport_callbacks {
    void *arg;
    /* A frame from `peer` (its node id). `frame` is borrowed; `blob` holds its bytes and may be referenced
     * (entries stay where they were received). */
    void (*frame)(void *arg, uint64_t peer, enum transport_channel channel, struct slice frame,
                  struct blob *blob);
    /* Somebody told who they are, on a dialled link (handle > 0) or an accepted one (0): in the handshake of
     * a control link, before `admit` and also when the talk ends there, and again when a peer has changed
     * (transport_set_self). On a dialled link it may be another node than the expected one: then no link
     * stands. With a secret set, all of it is proven. */
    void (*hello)(void *arg, uint32_t handle, const struct transport_hello *hello);
    void (*link_up)(void *arg, uint64_t peer); /* the dialled control link stands */
    /* The dialled control link broke. gone: a fresh connect was refused or another boot nonce answered. May
     * be called twice: first with gone false, then true when that is found out. */
    void (*link_lost)(void *arg, uint64_t peer, bool gone);
    void (*beat)(void *arg, uint64_t peer, uint64_t term); /* from the loop's thread */
    /* May a node with this hello talk to us? (cluster and target ids are checked already); NULL: yes, else
     * the reason, for the logs of both. TRANSPORT_REMOVED tells the node that it was removed: its `hello` on
     * the dialled link has `removed` set. */
    const char *(*admit)(void *arg, const struct transport_hello *hello);
};

/* NULL: `error` says why (address in use...). */
struct transport *transport_new(const struct transport_config *config,
                                const struct transport_callbacks *callbacks, char *error, size_t error_len);
void transport_free(struct transport *t);
/* Tells the peers. Another node id, or leaving a cluster, drops every connection; they are made anew. */
void transport_set_self(struct transport *t, const struct transport_hello *self);

/* Dials host:port and keeps dialling with backoff (short at first: 5, 10, 20 ... 500 ms). expected_id 0: not
 * known yet (founding, join): learnt from the hello. The handle is > 0 and never reused. */
uint32_t transport_dial(struct transport *t, const char *host, uint16_t port, uint64_t expected_id);
/* No link_lost follows. What the peer sends on is closed too, unless another handle leads to it: it has to be
 * admitted anew. */
void transport_hang_up(struct transport *t, uint32_t handle);
uint32_t transport_handle_of(const struct transport *t, uint64_t peer); /* 0: not dialled */
bool transport_is_up(const struct transport *t, uint64_t peer);

/* Queues a frame: `head` is copied, the blocks' bytes are referenced. false: no link, or the channel's queue
 * is at its limit (64 MiB each). One frame: at most 64 MiB on CONTROL, TRANSPORT_FRAME_MAX on the others. */
bool transport_send(struct transport *t, uint64_t peer, enum transport_channel channel, struct slice head,
                    const struct raft_block *blocks, size_t block_count);
/* The same on NEWS, to every peer whose link stands. */
void transport_broadcast(struct transport *t, struct slice frame);
size_t transport_queued(const struct transport *t, uint64_t peer, enum transport_channel channel);
/* Writes out what is queued; called once at the end of a turn (one writev a link). */
void transport_flush(struct transport *t);

/* The beat thread: what to say while the main thread is away. Call each turn with fresh = now; while
 * `applying` stands and no turn came for a heartbeat it speaks, for at most ten election timeouts. */
void transport_turn(struct transport *t, bool leader, uint64_t term, uint64_t leader_id);
void transport_applying(struct transport *t, bool applying);

struct transport_stats {
    uint64_t bytes_in, bytes_out, frames_in, frames_out, refused, junk, reconnects;
};
void transport_stats(const struct transport *t, struct transport_stats *out);

/* The links that stand, each way: one to every peer that is dialled, one from every peer that has dialled us. Of beats nothing is
 * known here. */
struct transport_link {
    uint64_t peer;
    bool inbound;
    uint64_t since_us;      /* clock_mono_us, of its control connection */
    bool writing;           /* it waits for the socket to take more */
    size_t allocated, used; /* bytes that wait to be sent, with the memory around them */
};
void transport_links(const struct transport *t, void (*each)(void *arg, const struct transport_link *link),
                     void *arg);

/* Tests only (DEBUG command, --enable-debug-command): drop, delay or refuse a share of frames with a peer.
 * Both 0: healed. */
struct transport_fault {
    uint64_t peer; /* 0: all */
    bool cut;
    uint32_t drop_permille, delay_ms_max;
};
void transport_inject(struct transport *t, const struct transport_fault *fault);

#endif
