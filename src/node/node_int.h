/* Private to node/. What holds at every moment outside a call:
 *
 *   - applied <= commit <= last; the blocks in `cache` are contiguous and hold at least every entry that is
 * not yet durable, so anything else can be read back from the journal.
 *   - `waiters` is ordered by index and by term: both only grow. A waiter leaves when an entry is applied at
 * its index (its own: the real reply; a foreign one: surely not run), when a committed entry of a higher term
 * passes it, when a snapshot covers it, or when its time after the loss of the office is up (MAYBE). Nothing
 * else answers a write.
 *   - entries in `open` have been given indexes after raft_last_index, in the term `open_term`. They are
 * unknown to Raft until the turn ends, so when the office is lost before that they surely did not run.
 *
 * Frames between nodes (little-endian; the transport adds length and checksum):
 *
 *     0  u8   type (enum frame_type)
 *     1  u8   flags: bit 0 the sender's disk is low, bit 1 its state has diverged; the others: see enum forward_flag
 *     2  u64  the sender's wall clock, us
 *    10  ...  by type, see the writer of each
 */
#ifndef NODE_INT_H
#define NODE_INT_H

#include "base/dict.h"
#include "base/list.h"
#include "base/prng.h"
#include "node/node.h"
#include "raft/entry.h"
#include "raft/raft.h"

enum frame_type {
    FRAME_RAFT = 1,
    FRAME_FORWARD,
    FRAME_FORWARD_REPLY,
    FRAME_READ_INDEX,
    FRAME_READ_INDEX_REPLY,
    FRAME_SNAPSHOT,
    FRAME_SNAPSHOT_ACK,
    FRAME_DIGEST,
    FRAME_JOIN,
    FRAME_WELCOME,
    FRAME_ADMIN,
    FRAME_ADMIN_REPLY,
    FRAME_MOVED,
};
#define FRAME_HEADER 10

/* Marks a waiter's ticket as an administrator's, so that it is not taken for a forwarded request's. */
#define ADMIN_TICKET ((uint64_t)1 << 63)

enum {
    CACHE_MAX_BYTES = 64 << 20,        /* durable and applied blocks kept for followers that lack them */
    CACHE_SPARE_BYTES = 1 << 20,       /* ... and whoever has them */
    UNCOMMITTED_MAX_BYTES = 128 << 20, /* proposed and not committed: past it node_is_full */
    OPEN_COPIED_MAX = 16 << 10,        /* a turn's block up to this long is copied into one of its own size */
    OPEN_EXPECTED_MAX = 1 << 20,
    APPLY_TURN_ENTRIES = 2000, /* one turn applies about this many, then looks at its sockets again */
    APPLY_READ_BYTES = 1 << 20,
    APPEND_MAX_BYTES = 1 << 20,
    INFLIGHT_MAX_BYTES = 8 << 20,
    INFLIGHT_MAX = 256,
    CONTROL_MAX_BYTES = 256 << 10, /* a bigger APPEND goes on the bulk channel, so that beats overtake it */
    SNAPSHOT_PIECE_BYTES = 256 << 10,
    DIGEST_EVERY = 1024, /* entries between two comparisons, at most */
    DIGEST_KEPT = 64,
    CLOCK_ENTRY_US = 100000,
    CLOCK_ENTRY_WAITS_US = 10000, /* when the time of a command that waits is up */
    JOIN_RETRY_US = 500000,
    MOVED_RETRY_US = 500000,
    TIMED_BLOCKS = 1024,       /* blocks under way whose times are kept */
    LONG_WORK_BYTES = 1 << 20, /* copying and summing more than this may take a heartbeat */
};

enum disk_cookie {
    COOKIE_VOTE = 1,
    COOKIE_FOUND,
    COOKIE_ADOPT,
    COOKIE_ID,      /* of a blank node: nobody hears of it before it is durable */
    COOKIE_PROMISE, /* to be durable before what is queued behind it; nothing waits for it */
    COOKIE_RESET,
    COOKIE_LOAD,
    COOKIE_PEER = 1 << 16
};

/* ---- blocks.c: the newest entries in memory */
struct cache {
    struct raft_block *blocks; /* ring of cap (a power of two) from head */
    size_t head, count, cap;
    size_t bytes;
};
void cache_deinit(struct cache *c);
void cache_add(struct cache *c, const struct raft_block *block); /* takes a reference */
void cache_cut(struct cache *c, uint64_t from);
void cache_clear(struct cache *c);
void cache_trim(struct cache *c, uint64_t upto,
                size_t max_bytes); /* forgets blocks wholly <= upto until it fits */
/* Fills `out` with borrowed blocks that cover first..last exactly. The number, 0: not (all) in memory. */
size_t cache_gather(const struct cache *c, uint64_t first, uint64_t last, struct raft_block *out, size_t max);
/* One borrowed block that starts at `first` and ends at `last` or before it; false: not in memory. */
bool cache_from(const struct cache *c, uint64_t first, uint64_t last, struct raft_block *out);
struct raft_block block_slice(const struct raft_block *b, uint64_t first, uint64_t last);

/* ---- clock.c: the cluster clock (DESIGN 4) */
struct cluster_clock {
    uint64_t value_us, ran_at_us; /* its value at that monotonic time */
    struct {
        uint64_t id, heard_us;
        int64_t offset_us; /* wall clock minus our monotonic clock */
    } heard[RAFT_MEMBERS_MAX];
    size_t count;
};
void clock_hear(struct cluster_clock *c, uint64_t id, uint64_t wall_us, uint64_t now_us);
void clock_raise(struct cluster_clock *c, uint64_t at_least_us, uint64_t now_us);
void clock_run(struct cluster_clock *c, const struct raft_members *members, uint64_t now_us,
               uint64_t lately_us);
bool clock_offset(const struct cluster_clock *c, uint64_t id, uint64_t now_us, int64_t *offset_us);

/* ---- who waits for what */
struct waiter {
    uint64_t index, term;
    uint64_t ticket;
    uint64_t peer; /* a forwarded request: answered by a frame to this peer; 0: the server's */
    bool timed;    /* that peer wants to know how long it ran */
};

struct waiters {
    struct waiter *ring;
    size_t head, count, cap;
};
void waiters_push(struct waiters *w, const struct waiter *item);
struct waiter *waiters_at(struct waiters *w, size_t i);
void waiters_pop_front(struct waiters *w);
void waiters_pop_back(struct waiters *w);

/* A read on its way: first a round (seq, or the leader's word on a follower), then `index` applied. */
struct read_wait {
    struct list link;
    uint64_t ticket, peer; /* peer: another node's READ_INDEX, ticket its cookie; 0: ours */
    uint64_t seq;          /* 0: the round of this turn's end; READ_CONFIRMED: the round is done */
    uint64_t index;        /* to be applied first */
    uint64_t due_ms;       /* follower: to be asked of the leader */
    uint64_t asked_us;
    struct forwarded_read *forwarded; /* (forwarded.c) a proxied read to run when ready */
    struct recall *recall;            /* (recall.c) a write to be refused, unless it has run before */
    uint64_t now_ms; /* the cluster time that the leader gave with its word, 0: our own clock counts */
    bool lost;       /* void: the office was lost, or nobody answered in time */
};
#define READ_CONFIRMED UINT64_MAX

/* Digests of one node's state. */
struct digests {
    struct digest_at {
        uint64_t index, digest;
    } at[DIGEST_KEPT];
    size_t count;
};

/* (forwarded.c) How far the leader has taken the requests of one node, itself included. */
struct forward_order {
    uint64_t nonce, round, place; /* of the next one */
    bool refused;                 /* one of this round was: what may stand behind it is not taken */
};

struct peer {
    uint64_t id;
    uint32_t handle;          /* of the dialled link */
    char host[RAFT_HOST_MAX]; /* where it is dialled */
    uint16_t peer_port;
    bool link_up, disk_low;
    uint64_t lost_waits_upto;     /* up to here entries may have come through it before that */
    bool lost_waits;              /* (blocked.c) the link was lost since its waiting commands were cleared */
    bool says_diverged, outvoted; /* (digest.c) so it says itself; so its digest shows */
    uint64_t lost_us;             /* when the link was last lost, 0: never */
    struct node_hello hello;      /* node_id 0: not heard yet */
    /* APPENDs that wait for a journal read, in order. */
    struct raft_message *queue;
    size_t queue_count, queue_cap;
    bool reading;
    uint64_t read_cookie;
    uint64_t bulk_last; /* of the APPENDs that went by bulk, until it is acknowledged; else 0 */
    /* (feed.c) Bytes that were sent ahead of its pace, as of a time and a size of the log. */
    uint64_t feed_debt, feed_us, feed_grown;
    /* The snapshot being sent. */
    bool snapshotting, piece_unsent; /* unsent: the bulk link is not there yet, or full */
    uint64_t snapshot_index, snapshot_term, snapshot_offset, snapshot_total, snapshot_cookie,
        snapshot_moved_us;
    struct digests digests;
    uint64_t judged_index;
    struct forward_order forward;
    uint64_t acked;        /* (phases.c) so many of the timed blocks it has */
    struct histogram acks; /* how long that took */
};

/* ---- phases.c: how long each part of a write takes. Blocks are numbered as they are proposed; block k lies at
 * k % TIMED_BLOCKS. applied <= committed <= proposed, durable <= proposed, and none of them, nor a peer's `acked`, is more
 * than TIMED_BLOCKS behind. */
struct timed_block {
    uint64_t last, entries;
    uint64_t proposed_us, committed_us;
};

struct phases {
    uint64_t proposed, durable, committed, applied; /* so many blocks are, or lie before this node's office */
    uint64_t taken_us;                              /* the sum over the entries of the open block */
    uint64_t applied_us,
        unwritten; /* when entries were last applied; those whose replies are not written yet */
    struct histogram of[NODE_PHASES];
    struct timed_block ring[TIMED_BLOCKS];
};
void phases_begin(struct node *n);    /* a new office */
void phases_proposed(struct node *n); /* the open block is about to be */
/* A disk (ours: NULL) or a peer has told Raft something. */
void phases_stepped(struct node *n, struct peer *from);
void phases_applied(struct node *n);
uint64_t node_clock_us(const struct node *n);                    /* for measuring only */
uint64_t node_spent_us(const struct node *n, uint64_t begun_us); /* since then; at least 1 */

struct proxied; /* forward.c */
struct request;
struct forwarded_read;
struct recall; /* recall.c */
struct covered;

struct eviction {
    uint64_t hash, index; /* of database and key; of the entry that names it */
    size_t bytes;
};
struct evictions { /* named and not yet applied, by the leader */
    struct eviction *named;
    size_t count;
    uint64_t bytes;
};

struct node {
    struct node_config config;
    struct node_ports ports;
    struct node_clients clients;
    uint64_t now_us, wall_us;
    struct prng chance;
    struct node_identity identity; /* as last asked to be saved */

    struct raft *raft; /* NULL until the snapshot is loaded */
    struct rsm *rsm;
    struct rsm_listener listener; /* of every state that takes the place of this one */
    unsigned listens;
    struct cache cache;
    struct evictions evictions;
    uint64_t memory_beside;
    struct cluster_clock clock;

    /* start.c: what recovery handed in, until Raft exists */
    struct node_found found;
    struct loaded_entry *loaded;
    size_t loaded_count, loaded_cap;
    struct raft_members *loaded_members;
    size_t loaded_members_count;
    bool running; /* Raft exists */

    /* propose.c */
    struct buf open;      /* BLOB_HEAD bytes, then the frames of this turn's entries */
    size_t open_expected; /* bytes, going by the last turn */
    struct raft_entry *open_entries;
    size_t open_count, open_cap;
    uint64_t open_first, open_term;
    struct raft_members *open_members; /* of a CONFIG entry in `open` (at most one) */
    uint64_t last_stamp_ms, last_stamp_index, last_clock_entry_us;
    struct waiters waiters;
    uint64_t lost_office_us; /* 0: leader, or nothing waits */
    bool was_leader;
    uint64_t office_index; /* index of the no-op of our own term, 0: not leader */

    /* apply.c */
    struct {
        uint64_t from, until, since_us, said_us; /* the journal as recovered, and when its replay began */
    } replay;
    struct raft_block apply_block, apply_ahead; /* read back from the journal; blob NULL: none */
    bool apply_reading;
    uint64_t apply_cookie;
    struct buf reply;

    /* reads.c */
    struct list reads;
    bool round_wanted;
    bool reads_ready; /* some were confirmed since reads were last released */
    uint64_t read_seq, read_cookie;

    /* snapshot.c */
    bool snapshot_writing, snapshot_judged /* the disk has the word on it */, snapshot_ok;
    bool snapshot_lost; /* its file has turned out to be damaged: another one is due */
    uint64_t snapshot_index, snapshot_term, snapshot_bytes, snapshot_saved_ms, snapshot_started_index;
    bool checkpoint_asked;
    uint64_t checkpoint_asked_us;
    struct rsm_loader *loader;
    uint64_t load_index, load_term, load_offset, load_total, load_started_us, load_said_us;
    bool installing; /* the loader runs on a live node */
    uint64_t receive_from, receive_index, receive_term, receive_leader_term, receive_total;
    uint64_t receive_ending; /* cookie of the last piece while the disk has it; 0: it has none */
    struct raft_members receive_members;
    struct raft_members snapshot_members,
        writing_members; /* as of the newest snapshot; of the one being written */
    struct list save_waits, reload_waits;

    /* recall.c: waiters' entries under the snapshot that is being installed */
    struct covered *covered;
    size_t covered_count;

    /* members.c */
    uint32_t join_handle, invite_handle;
    uint64_t invite_until_us;
    uint64_t join_peer, join_asked_us;
    uint64_t moved_said_us;
    uint32_t join_tries;
    char join_host[RAFT_HOST_MAX]; /* "" : not joining */
    uint16_t join_port;
    bool founding;     /* the first of the list, or alone: entry 1 is to be written */
    bool found_saving; /* it is being written */
    bool removed, was_member, adopting;
    uint64_t version_asked_us;
    uint64_t version_term; /* in which this node, as leader, has proposed to raise it to what it can do */
    uint32_t found_handles[RAFT_MEMBERS_MAX];
    struct node_hello found_hellos[RAFT_MEMBERS_MAX];
    uint64_t found_said_us;
    struct raft_members welcome_members; /* whom to talk to before the first entry has come */
    uint64_t welcome_index, welcomed_us;
    uint64_t removed_ids[RAFT_MEMBERS_MAX];
    size_t removed_count;
    struct node_identity reset_identity;
    bool
        resetting; /* all is being dropped: nothing may be written behind it as if it were the old journal's */

    /* blocked.c */
    struct dict *blocked;  /* by claim: the commands that wait whose clients are here */
    uint64_t unblocked_us; /* when those of unreachable nodes were cleared last */
    uint64_t orphans_us;   /* since when some wait for nobody here, or when they were ended last */

    /* forward.c */
    struct proxied *proxied;
    struct forward_order own_forward;
    uint64_t spent_us; /* in the entry that is being settled, where its waiter is timed; else 0 */

    /* admin.c */
    struct list admin;
    uint64_t admin_cookie;

    struct peer peers[RAFT_MEMBERS_MAX];
    size_t peer_count;

    /* digest.c */
    struct digests digests;
    bool in_doubt; /* identity.diverged is the other half */
    uint64_t doubt_index, digest_second, digest_looked_us, digest_looked_index, resigned_us;

    /* duties.c */
    struct saved_vote {
        uint64_t term, voted_for;
    } * votes; /* save_vote duties under way, a ring; as many as elections are held while a disk hangs */
    size_t votes_head, votes_count, votes_cap;
    struct raft_block *gathered;
    size_t gathered_cap;
    struct raft_entry *received;
    size_t received_cap;

    /* feed.c */
    uint64_t feed_commit, feed_commit_us; /* as last seen; when it last moved */
    uint64_t feed_grown;                  /* bytes appended since the start */

    struct raft_members applied_members; /* as of the applied index: what a snapshot may hold (B36) */
    uint64_t applied_members_index;

    /* The disk's figures, looked at once a heartbeat. */
    struct {
        uint64_t journal_bytes, snapshot_bytes, free_bytes, running_us, sampled_us;
    } disk;

    bool tracing;
    bool due_keys_stay; /* until something is written, or asks for them: for tests */
    bool disk_low;
    bool changed, told_leader; /* clients.changed is owed; what it last said */
    bool transferring_out;
    uint64_t cookie;
    uint64_t leader_since_us, last_leader;
    struct {
        uint64_t elections_started, elections_won, leader_changes, duplicates, forwarded, rounds,
            snapshots_sent, snapshots_installed, applied, proposed;
    } count;
    struct phases phases;
};

/* node.c */
void node_resign(struct node *n); /* a leader that should not be one: hands over to a voter that may */
void node_say(struct node *n, int level, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* Brackets the handling of one request or block of so many bytes, which must not cost the office (DESIGN 2). */
void node_long_work(struct node *n, size_t bytes, bool now);
struct peer *node_peer(struct node *n, uint64_t id); /* NULL: not a member we talk to */
uint64_t node_first_cookie(struct node *n);
bool node_may_serve(const struct node *n); /* leader, own no-op applied, its state in agreement */
/* Whom to hand over to, 0: to nobody. `with_room`: on its disk. */
/* Has it answered lately, by this? */
bool node_hears(const struct node *n, const struct raft_progress *of);
uint64_t node_heir(const struct node *n, bool with_room);

/* duties.c: the one place where Raft is stepped. `source` holds the entries that an append duty can name:
 * what was proposed, or what the message brought; NULL when there are none. Returns the duties' read_seq. */
uint64_t node_step(struct node *n, struct raft_event *event, const struct raft_block *source);
void node_on_raft_frame(struct node *n, uint64_t from, struct reader *r, struct blob *blob);
void node_on_identity_saved(struct node *n);
void node_save_identity(struct node *n, uint64_t cookie);
void node_send_append_queue(struct node *n, struct peer *p);
void node_on_append_read(struct node *n, struct peer *p, const struct node_disk_event *event);

/* feed.c: what a lagging peer lacks, piece by piece. */
void feed_stepped(struct node *n);
bool feed_may(struct node *n, struct peer *p,
              const struct raft_message *m); /* false: held back for a while */
void feed_sent(struct node *n, struct peer *p, const struct raft_message *m, size_t bytes);
void feed_turn(struct node *n);
uint64_t feed_deadline_us(const struct node *n);

/* wire.c */
void frame_begin(struct node *n, struct buf *out, enum frame_type type);
bool frame_send(struct node *n, uint64_t peer, enum node_channel channel, struct buf *frame);
void wire_raft_message(struct buf *out, const struct raft_message *m);
bool wire_read_raft_message(struct reader *r, struct raft_message *m);
void wire_member(struct buf *out, const struct raft_member *m);
bool wire_read_member(struct reader *r, struct raft_member *m);

/* propose.c */
bool propose_request(struct node *n, const struct rsm_request *req, const struct waiter *who);
bool propose_members(struct node *n, const struct raft_members *members, const struct waiter *who);
void propose_turn(struct node *n);

/* evict.c: keys go until memory is below maxmemory. false: no room can be made, or not by this policy. */
bool evict_make_room(struct node *n);
bool evict_turn(
    struct node *n); /* the same where nobody waits, some keys a turn; true: there is more to do */
void evict_forget(struct node *n);

bool propose_fits(const struct rsm_request *req, struct buf *error); /* into an entry; false: it was said */
void propose_drop_open(struct node *n);
void propose_office_lost(struct node *n);
void propose_expire_waiters(struct node *n);
uint64_t propose_clock(struct node *n,
                       uint64_t at_least_ms); /* index of an entry whose stamp reaches it; 0: cannot */
void waiter_answer(struct node *n, const struct waiter *w, enum node_outcome outcome, struct slice reply);
/* Would it be taken? PENDING: yes; REFUSED: `error` says why not; NOT_LEADER. */
enum node_outcome propose_verdict(struct node *n, const struct rsm_request *req, struct buf *error);
/* permit.c: may its user ask for this? false: the error was appended. */
bool permit(const struct node *n, const struct rsm_request *req, struct buf *error);
/* By that verdict. PENDING: `who` will be answered. */
enum node_outcome propose_judged(struct node *n, enum node_outcome verdict, const struct rsm_request *req,
                                 const struct waiter *who, struct slice error);

/* recall.c */
bool recall_under_way(const struct node *n, uint64_t peer); /* for a request of that node */
bool recall_wanted(const struct rsm_request *req);
void recall_before_refusing(struct node *n, const struct rsm_request *req, const struct waiter *who,
                            struct slice refusal);
void recall_ready(struct node *n, struct recall *c, enum node_outcome outcome); /* frees it */
void recall_free(struct recall *c);                                             /* NULL is fine */
/* A snapshot at `upto` takes the place of the log: what is waited for is kept until it is loaded. */
void recall_keep(struct node *n, uint64_t upto);
bool recall_covered(struct node *n, const struct waiter *w,
                    struct buf *reply); /* true: it ran, here is its reply */
void recall_forget(struct node *n);

/* apply.c */
bool apply_is_replaying(const struct node *n);
bool apply_turn(struct node *n); /* true: more to do */
void apply_replace_state(struct node *n, struct rsm *fresh);
void apply_forget(struct node *n); /* what was read back, and what is being read */
void apply_on_read(struct node *n, const struct node_disk_event *event);

/* reads.c */
void reads_turn(struct node *n);
void reads_confirmed(struct node *n, const struct raft_read *reads, size_t count);
void reads_lost(struct node *n);
void reads_lost_from(struct node *n, uint64_t index);
void reads_lost_all(struct node *n); /* answers them too: the node starts over */
void reads_leader_changed(struct node *n);
void reads_office_lost(struct node *n);
void reads_release(struct node *n);
void reads_on_index_frame(struct node *n, uint64_t peer, struct reader *r);
void reads_on_index_reply(struct node *n, struct reader *r);
struct read_wait *reads_add(struct node *n, uint64_t ticket, uint64_t peer, uint64_t index);

/* snapshot.c */
void snapshot_turn(struct node *n);
void snapshot_saves_refused(struct node *n); /* no leader has logged the checkpoint they wait for */
void snapshot_deinit(struct node *n);
/* A majority has this node's state at `index`; or it is known to be wrong, or gone. */
void snapshot_agreed(struct node *n, uint64_t index);
void snapshot_disowned(struct node *n);
void snapshot_checkpoint_applied(struct node *n, const struct rsm_result *result);
void snapshot_send_begin(struct node *n, struct peer *p);
bool snapshot_checkpoint_for(struct node *n,
                             uint64_t node_id); /* leader: logs a checkpoint that names this node */
void snapshot_on_frame(struct node *n, uint64_t peer, struct reader *r);
void snapshot_on_ack(struct node *n, uint64_t peer, struct reader *r);
void snapshot_on_disk(struct node *n, const struct node_disk_event *event);
void snapshot_load_begin(struct node *n, uint64_t index, uint64_t term, bool live);
void snapshot_accept(struct node *n); /* duty install */
/* The state as the bytes of a snapshot; `arg` is the node. */
bool snapshot_emit(void *arg, bool (*emit)(void *sink, const void *data, size_t len), void *sink);
void snapshot_take_state(struct node *n, struct rsm *fresh); /* in the place of the one there is */

/* ---- reload.c ---- */

void reload_checkpoint_applied(struct node *n);
void reload_refused(struct node *n); /* no leader has logged the checkpoint it waits for */
void reload_deinit(struct node *n);

/* moved.c: a member under another address */
void moved_on_frame(struct node *n, struct reader *r);
void moved_turn(struct node *n);

/* members.c */
void members_turn(struct node *n);
void members_raise_version(struct node *n); /* if it is time */
/* Those of the journal, or of the welcome until the journal has come as far. */
const struct raft_members *members_known(const struct node *n);
void members_changed(struct node *n);
void members_caught_up(struct node *n);
/* Others than this node vote, or no longer do: made durable before the entry that names them is. */
void members_note_others(struct node *n);
void members_show_self(struct node *n);
void members_on_saved(struct node *n, uint64_t cookie);
void members_on_join(struct node *n, uint64_t peer, struct reader *r);
void members_on_welcome(struct node *n, uint64_t peer, struct reader *r);
void members_on_link_up(struct node *n, struct peer *p);
void members_join(struct node *n, const char *host, uint16_t peer_port);
void members_invite(struct node *n, const char *host, uint16_t peer_port); /* the node there is to join us */
/* Drops journal, snapshot, vote and id; then joins (join_host set) or founds a cluster of one. */
void members_start_over(struct node *n);
bool members_have_keys(struct node *n); /* in any database */

/* found.c */
void members_start(struct node *n);
void found_on_hello(struct node *n, uint32_t handle, const struct node_hello *hello);
void found_on_link_lost(struct node *n, uint64_t peer);
void found_give_up(struct node *n);
void found_alone(struct node *n);
void found_written(struct node *n);
void found_turn(struct node *n);

/* blocked.c: commands that wait for a key. */
void blocked_here_init(struct node *n);
void blocked_here_deinit(struct node *n);
void blocked_here_add(struct node *n, const struct waiter *w); /* its entry is applied, and it waits */
void blocked_here_forward(struct node *n, uint64_t claim, uint64_t ticket, struct request *q);
/* It came through this node: is there anybody whom its reply would be for? */
void blocked_here_check(struct node *n, uint64_t claim);
void blocked_here_forget(struct node *n, uint64_t claim);
void blocked_here_released(struct node *n); /* an entry was applied */
void blocked_here_reloaded(struct node *n); /* a snapshot was */
void blocked_here_expire(struct node *n);
void blocked_link_lost(struct node *n, struct peer *p);
void blocked_turn(struct node *n);

/* forward.c, the side that asks */
/* Of a request that came through this node: its entry is applied, and it waits. */
void forward_waits(struct node *n, struct slice payload, uint64_t claim);
/* gone: nobody is there to be told. */
void forward_released(struct node *n, struct request *q, const struct rsm_release *r, bool gone);
/* It waited, and nobody here knows what became of it. */
void forward_ask_about(struct node *n, struct request *q);
void forward_init(struct node *n);
void forward_deinit(struct node *n);
void forward_turn(struct node *n);
uint64_t forward_deadline_us(const struct node *n);
void forward_on_reply(struct node *n, uint8_t flags, struct reader *r);
void forward_leader_changed(struct node *n);
void forward_link_up(struct node *n, uint64_t peer);

/* forwarded.c, the leader's side */
void forward_read_free(struct forwarded_read *f); /* NULL is fine */
void forward_on_frame(struct node *n, uint64_t peer, uint8_t flags, struct reader *r);
void forward_office_lost(struct node *n); /* this node's own */
void forward_answer(struct node *n, const struct waiter *w, enum node_outcome outcome, struct slice reply);
void forward_read_ready(struct node *n, struct read_wait *w, enum node_outcome outcome, uint64_t now_ms);

/* What the two say to each other. */
enum forward_op { FORWARD_WRITE = 1, FORWARD_READ, FORWARD_WATCH };

/* Beside the outcomes of node.h: not taken, for one before it is missing or was refused; `index` is the round. */
enum { FORWARD_GAP = 0x80 };
/* Flags of the frame. A build that does not know one of them leaves it alone. */
enum forward_flag {
    FORWARD_FIRST = 4,  /* no write of its connection was unanswered: else more is held back */
    FORWARD_TIMED = 16, /* how long it runs is to be told; of the answer: it is */
    FORWARD_KNOWS_USERS =
        8, /* the sender knows the users that the log tells of: else it has judged by its own file */
};

/* admin.c */
bool admin_ask_checkpoint(struct node *n); /* false: no leader to ask */
void admin_on_frame(struct node *n, uint64_t peer, struct reader *r);
void admin_settled(struct node *n, const struct waiter *w, enum node_outcome outcome);
void admin_on_reply(struct node *n, struct reader *r);
void admin_turn(struct node *n);
void admin_deinit(struct node *n);

/* digest.c */
bool digest_trusted(const struct node *n); /* may anything be answered from this node's state? */
bool peer_diverged(const struct peer *p);
void digest_turn(struct node *n);
void digest_applied(struct node *n, bool checkpoint);
void digest_on_frame(struct node *n, uint64_t peer, struct reader *r);
void digest_members_changed(struct node *n);
void digest_state_loaded(struct node *n, bool theirs);
void digest_peer_restarted(struct peer *p);

/* start.c */
void start_deinit(struct node *n);
void start_begin(struct node *n);
void start_run(struct node *n, const struct raft_members *members, uint64_t snapshot_index,
               uint64_t snapshot_term);

#endif
