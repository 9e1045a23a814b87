/* The inside of transport.
 *
 * A node dials every other node once per channel. A dialled connection only sends and an accepted one only
 * receives, apart from the handshake. Everything but the beat thread (beat.c) runs in the loop's thread.
 *
 * Invariants
 *  - No frame of a peer is delivered before its handshake has proven version, architecture, cluster id, node
 * ids and secret, and `admit` has agreed. What was negotiated holds for the whole connection: whoever changes
 * its node id or cluster id drops its connections.
 *  - At most one accepted connection per (peer, channel, tag): the newest. None of a former boot of that
 * peer. The tag is the dialler's handle: two addresses of one node may both be dialled for a while (a seed
 * and a member's) without taking the place of one another for ever.
 *  - Bytes are never believed: a length is capped before anything is allocated, memory grows with what has
 * arrived and not with what was announced, and any violation closes the connection and is counted. Nothing a
 * peer sends can end the process.
 *  - The calls of transport.h never call back; a broken connection is dealt with from the loop. Callbacks may
 * make any call of transport.h except transport_free: a closed connection is freed by the reaper, not under
 * its reader's feet.
 *
 * Frame, little-endian
 *     0   u32  magic "KVRM"
 *     4   u32  length of the payload
 *     8   u32  CRC32C of bytes 0..8, then 12..16, then the payload
 *    12   u8   type (enum frame_type)
 *    13   u8   0, u8 0, u8 0
 *    16   ...  payload
 *
 * Handshake, D the dialler and A the one that accepted; T = SHA-256(HELLO payload, CHALLENGE payload)
 *     D->A HELLO      u16 protocol version, u8 channel, u8 1 when a secret is set, architecture (varint
 * length, bytes), u64 target id (0: whoever is there), u32 tag, 32 random bytes, node A->D CHALLENGE  u16
 * protocol version, u8 channel, u8 1 when a secret is set, architecture, 32 random bytes, node D->A PROOF 32
 * bytes HMAC(secret, "kvorum dialler" T), zeroes without a secret A->D WELCOME    32 bytes HMAC(secret,
 * "kvorum acceptor" T) or REFUSE     u8 reason, u8 1 when the dialler was removed, 32 bytes, text the 32
 * bytes: HMAC(secret, "kvorum refusal" T reason removed text) once the dialler proved itself, zeroes before:
 * then it is for the log only. The frame and REFUSE stay the same in all versions. node: u64 node id, u64
 * cluster id, u64 boot nonce, u64 term, u8 has entries, name and host (varint length, bytes), u16 port, peer
 * port, redirect, readonly and proxy port, u64 apply version The one who accepted proves itself last, so that
 * a stranger who connects learns nothing to guess the secret from.
 *
 * Afterwards, D->A: DATA (control and bulk: the caller's bytes), ANNOUNCE (control: node, when it has
 * changed), BEAT (beat channel: u64 term, u8 1 when it answers a beat). */
#ifndef TRANSPORT_INT_H
#define TRANSPORT_INT_H

#include "base/checksum.h"
#include "base/list.h"
#include "base/prng.h"
#include "transport/transport.h"
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>

struct event;

enum {
    PROTOCOL_VERSION = 1,
    CHANNEL_BEAT = 2, /* a connection that no caller sees */
    LINK_CHANNELS = 4,

    FRAME_HEADER = 16,
    HANDSHAKE_FRAME_MAX = 2048, /* any frame of a handshake, ANNOUNCE too */
    RECV_CHUNK = 128 * 1024,    /* small frames share one of these */
    SEND_CHUNK = 64 * 1024,
    SEND_COPY_MAX = 2048, /* shorter pieces are copied: cheaper than a place in the iovec */
    SEND_IOV = 64,
    PENDING_MAX = 64,      /* accepted connections in their handshake; the oldest goes first */
    ACCEPTED_MAX = 3 * 64, /* and after it */
    TAGS_MAX = 4,          /* accepted connections per (peer, channel) */
    SECRET_BYTES = 32,

    DIAL_FIRST_US = 5 * 1000,   /* doubling ... */
    DIAL_LAST_US = 500 * 1000,  /* ... up to this */
    DIAL_STEADY_US = 100 * 1000 /* a link that stood this long is redialled at once */
};
#define CONTROL_FRAME_MAX ((size_t)64 << 20) /* both ways; larger frames are for BULK */
#define CONTROL_QUEUE_MAX ((size_t)64 << 20) /* a link */
#define BULK_QUEUE_MAX    ((size_t)64 << 20) /* exceeded only by one frame alone; of NEWS, too */
#define BULK_WRITE_MAX    ((size_t)1 << 20)  /* in one go; the rest waits for the loop */
#define LOG_QUIET_US      10000000           /* the same complaint again after this long */

enum frame_type {
    FRAME_HELLO = 1,
    FRAME_CHALLENGE,
    FRAME_PROOF,
    FRAME_WELCOME,
    FRAME_REFUSE,
    FRAME_ANNOUNCE,
    FRAME_DATA = 16,
    FRAME_BEAT,
};

/* -- frame.c: from a socket to frames
 * ------------------------------------------------------------------------- */

struct frame {
    enum frame_type type;
    struct slice payload; /* in `blob` */
    struct blob *blob;
};
struct frame_in {
    struct blob *blob; /* NULL: none yet */
    size_t start, end, cap;
    size_t payload_max;
};
enum frame_status { FRAME_MORE, FRAME_OK, FRAME_BAD };
void frame_in_deinit(struct frame_in *in);
/* As recv(2): > 0, 0 at the end of the stream, -1 with errno. `*full`: there may be more to read at once. */
ssize_t frame_in_recv(struct frame_in *in, int fd, bool *full);
/* The next whole frame, good until the next frame_in_recv. FRAME_BAD: the stream is lost for good. */
enum frame_status frame_in_next(struct frame_in *in, struct frame *out);
void frame_header(char out[FRAME_HEADER], enum frame_type type, size_t payload_len, struct slice head,
                  const struct raft_block *blocks, size_t count);
/* A whole small frame as bytes. */
void frame_append(struct buf *out, enum frame_type type, struct slice payload);

/* -- outq.c: from frames to a socket
 * -------------------------------------------------------------------------- */

struct segment {
    struct blob *blob;
    size_t offset, len;
};
struct outq {
    struct segment *ring;
    size_t first, count, cap; /* cap is a power of two or 0 */
    size_t bytes;
    struct blob *chunk; /* where small pieces are copied to */
    size_t chunk_used;
};
size_t outq_memory(const struct outq *q);
enum outq_status { OUTQ_DRAINED, OUTQ_BLOCKED, OUTQ_MORE, OUTQ_BROKEN };
void outq_deinit(struct outq *q);
void outq_frame(struct outq *q, enum frame_type type, struct slice head, const struct raft_block *blocks,
                size_t count);
/* Writes until drained, blocked or past `budget` bytes (OUTQ_MORE). *written is added to. */
enum outq_status outq_write(struct outq *q, int fd, size_t budget, uint64_t *written);

/* -- hello.c: the bytes of the handshake
 * ---------------------------------------------------------------------- */

enum refusal {
    REFUSAL_VERSION = 1,
    REFUSAL_ARCHITECTURE,
    REFUSAL_SECRET,
    REFUSAL_CLUSTER,
    REFUSAL_TARGET,
    REFUSAL_SELF,
    REFUSAL_ADMIT,
};
enum { REFUSAL_TEXT_MAX = 200 };
struct shake_opening { /* HELLO and CHALLENGE */
    uint16_t version;
    uint8_t channel;
    bool has_secret;
    char architecture[32];
    uint64_t target; /* HELLO only, and the tag */
    uint32_t tag;
    uint8_t random[SECRET_BYTES];
    struct transport_hello node;
};
void hello_encode(struct buf *out, const struct transport_hello *h);
bool hello_decode(struct reader *r, struct transport_hello *h);
const char *hello_architecture(void);
void opening_encode(struct buf *out, enum frame_type type, const struct shake_opening *o);
/* Of another version only `version` is looked at. */
bool opening_decode(struct slice in, enum frame_type type, struct shake_opening *o);
void shake_proof(const char *secret, const char *label, const uint8_t transcript[32], struct slice extra,
                 uint8_t out[32]);
bool text_is_plain(struct slice s); /* printable ASCII without spaces */

/* -- conn.c: one TCP connection
 * ------------------------------------------------------------------------------- */

enum conn_state {
    CONN_CONNECTING,
    CONN_OPENING, /* dialler: HELLO sent. Acceptor: waiting for it */
    CONN_PROVING, /* dialler: PROOF sent. Acceptor: CHALLENGE sent */
    CONN_READY,
    CONN_CLOSED, /* waits for the reaper */
};
struct conn {
    struct list node; /* in transport.pending, .accepted, .graves, or alone (dialled) */
    struct transport *t;
    struct dial *dial; /* NULL: accepted */
    enum conn_state state;
    uint8_t channel;
    int fd;
    bool broken;  /* a write failed; the loop closes it */
    bool dirty;   /* in transport.dirty */
    bool writing; /* write_event is pending */
    struct list dirty_node;
    struct event *read_event, *write_event, *deadline;
    struct frame_in in;
    struct outq out;
    struct buf transcript; /* HELLO and CHALLENGE payloads */
    struct transport_hello peer;
    uint64_t target;
    uint32_t tag;
    uint64_t ready_us; /* when its handshake was over */
    bool proven;       /* the peer has shown the secret (or there is none) */
    char address[64];  /* of the other end, for the log */
};
struct conn *conn_new(struct transport *t, int fd, struct dial *dial, uint8_t channel);
void conn_close(struct conn *c); /* never calls back */
void conn_break(struct conn *c); /* from outside the loop's callbacks: close it soon, as if it had failed */
int conn_detach(struct conn *c); /* closes all but the descriptor, which it returns */
void conn_flush(struct conn *c);
void conn_queue(struct conn *c, enum frame_type type, struct slice payload); /* and flush */
void conn_free(struct conn *c);
void conn_junk(struct conn *c); /* counts, complains, closes */
bool conn_set_options(int fd, const struct transport *t, uint8_t channel);

/* -- handshake.c
 * ---------------------------------------------------------------------------------------------- */

void handshake_start(struct conn *c); /* dialled, just connected */
/* What comes before CONN_READY. May close the connection. */
void handshake_frame(struct conn *c, const struct frame *f);

/* -- link.c: the dialled side
 * ---------------------------------------------------------------------------------- */

enum dial_state { DIAL_OFF, DIAL_WAIT, DIAL_RESOLVE, DIAL_BUSY, DIAL_UP };
struct dial {
    struct link *link;
    uint8_t channel;
    enum dial_state state;
    struct event *timer;
    struct conn *conn; /* NULL for a beat connection that stands: its thread has it */
    uint64_t serial;   /* of that handover */
    uint64_t backoff_us, up_since_us;
};
struct link {
    struct list node;
    struct transport *t;
    uint32_t handle;
    char host[RAFT_HOST_MAX];
    uint16_t port;
    uint64_t expected; /* 0: whoever answers */
    uint64_t peer;     /* expected, or who answered last; 0: not known */
    bool hung_up;
    struct transport_hello hello; /* of the one who answered last */
    struct resolve *resolve;      /* under way */
    struct sockaddr_storage addr;
    socklen_t addr_len; /* 0: to be looked up */
    struct dial dials[LINK_CHANNELS];
    /* The last control link that stood and broke, until its process is known to have ended or it stands
     * again. */
    uint64_t lost_peer, lost_nonce, lost_at_us;
    bool complained;
    uint64_t complained_us;
    char complaint[REFUSAL_TEXT_MAX + 1];
};
void link_conn_ready(struct conn *c);
/* `authentic`: c->peer is who refused. `removed`: it says that its cluster has removed us. */
void link_conn_refused(struct conn *c, bool authentic, bool removed, const char *why);
void link_conn_failed(struct conn *c, int error);
void link_beat_lost(struct transport *t, uint32_t handle, uint64_t serial);
void link_complain(struct link *l, const char *why);
struct link *link_of(const struct transport *t, uint64_t peer); /* an up one first; NULL: none */
void link_close(struct link *l);                                /* the reaper frees it */
void link_free(struct link *l);

/* -- resolve.c
 * ------------------------------------------------------------------------------------------------- */

struct resolve;
/* 1: done at once, a numeric address. 0: *out is under way. */
int resolve_start(const char *host, uint16_t port, struct sockaddr_storage *addr, socklen_t *len,
                  struct resolve **out);
/* 1: done, 0: not yet, -1: failed. Freed unless 0. */
int resolve_poll(struct resolve *r, uint16_t port, struct sockaddr_storage *addr, socklen_t *len);
void resolve_cancel(struct resolve *r);

/* -- listener.c: the accepted side
 * ----------------------------------------------------------------------------- */

enum { LISTENERS_MAX = 16 };
bool listener_open(struct transport *t, const char *hosts, uint16_t port, char *error, size_t error_len);
void listener_close(struct transport *t);
/* Resuming does nothing before this node has an id: who connects waits in the kernel's queue. */
void listener_resume(struct transport *t);
void listener_pause(struct transport *t);
void listener_frame(struct conn *c, const struct frame *f); /* after the handshake */
void listener_ready(struct conn *c);
void listener_drop_peer(struct transport *t, uint64_t peer);
/* One line a while for all strangers: they must not be able to fill the disk. */
void listener_complain(struct transport *t, const char *address, const char *why);

/* -- beat.c
 * ---------------------------------------------------------------------------------------------------- */

struct beat;
struct beat *beat_new(struct transport *t);
void beat_free(struct beat *b);
/* Hands a handshaken connection over: one that we dialled under `handle`, or accepted (0) with `tag`. Returns
 * its serial. */
uint64_t beat_add(struct beat *b, int fd, uint64_t peer, uint32_t handle, uint32_t tag);
void beat_drop(struct beat *b, uint32_t handle,
               uint64_t peer); /* dialled by handle, or accepted from peer; 0, 0: all */
void beat_turn(struct beat *b, bool leader, uint64_t term, uint64_t leader_id);
void beat_applying(struct beat *b, bool applying);

/* -- inject.c: faults for tests
 * -------------------------------------------------------------------------------- */

struct inject;
struct inject *inject_new(struct transport *t);
void inject_free(struct inject *i);
void inject_set(struct inject *i, const struct transport_fault *fault);
/* These three: any thread. */
bool inject_active(const struct inject *i);
bool inject_cut(struct inject *i, uint64_t peer);
bool inject_drop(struct inject *i, uint64_t peer); /* cut, or this frame has no luck */
/* True when the frame was taken to be sent or delivered later. */
bool inject_delay(struct inject *i, bool inbound, uint64_t peer, uint8_t channel, struct slice head,
                  const struct raft_block *blocks, size_t count, struct blob *blob);

/* -- transport.c
 * ----------------------------------------------------------------------------------------------- */

struct transport {
    struct event_base *base;
    struct transport_callbacks callbacks;
    struct transport_hello self;
    char *secret; /* NULL: none */
    uint64_t heartbeat_us, election_us;
    struct event *listen_events[LISTENERS_MAX];
    int listen_fds[LISTENERS_MAX];
    size_t listen_count;
    struct event *accept_again;
    struct list pending, accepted, graves, dirty, links, dead_links;
    size_t pending_count, accepted_count;
    struct event *reaper;
    uint32_t last_handle;
    struct beat *beat;
    struct inject *inject;
    struct transport_stats stats;
    uint64_t complained_us, complaints_kept_back;
};
void transport_reap_soon(struct transport *t);
struct conn *transport_conn(const struct transport *t, uint64_t peer,
                            uint8_t channel); /* NULL: none that stands */
/* Past the faults: what transport_send and delayed frames come to. */
bool transport_queue(struct transport *t, uint64_t peer, uint8_t channel, struct slice head,
                     const struct raft_block *blocks, size_t count);
static inline bool transport_same_cluster(uint64_t a, uint64_t b)
{
    return a == 0 || b == 0 || a == b; /* a blank node may talk to anybody: founding and joining begin so */
}

#endif
