/* The node: binds Raft, the state machine, the disk and the peers. Persist, send, apply, answer: nothing
 * else.
 *
 * Pure: time, chance, disk and network come through node_config and node_ports, so the simulator runs this
 * very object. main/ calls node_on_... as things happen and node_turn once per pass of its loop; the server
 * calls the functions below that and is answered through node_clients, never from within its own call.
 * Requests are known by ticket, a number the server makes: a client that is gone is simply a ticket nobody
 * knows (B32). */
#ifndef NODE_NODE_H
#define NODE_NODE_H

#include "base/bytes.h"
#include "base/histogram.h"
#include "raft/types.h"
#include "rsm/rsm.h"

struct node;

/* ---- what the world offers the node ------------------------------------------------------------------- */

/* Who this node is and what it promised: the vote file. */
struct node_identity {
    uint64_t node_id, cluster_id;
    uint64_t term, voted_for;
    bool short_log;
    uint64_t short_log_until;
    bool diverged;   /* its state was found to differ from the majority's (digest.c) */
    bool had_others; /* other voters have been named to it: a log that knows of none is not the whole one */
};

/* What nodes tell each other when they connect. */
struct node_hello {
    uint64_t node_id, cluster_id, boot_nonce, term;
    bool has_entries;
    char name[RAFT_NAME_MAX], host[RAFT_HOST_MAX];
    uint16_t port, peer_port;
    uint16_t port_redirect, port_readonly, port_proxy; /* client ports by follower mode, 0: none */
    uint64_t apply_version;
    bool removed; /* received: the sender says that we have been removed from its cluster */
    bool invites; /* received: the sender is of another cluster and asks us to join it (CLUSTER MEET) */
};

enum node_channel { NODE_CONTROL, NODE_BULK };

struct node_ports {
    void *arg;
    /* Disk: in the order asked, completions through node_on_disk. */
    void (*save_identity)(void *arg, const struct node_identity *id, uint64_t cookie);
    void (*cut)(void *arg, uint64_t from);
    void (*append)(void *arg, const struct raft_block *block,
                   uint64_t cookie); /* PERSISTED: the cookie of the last one */
    void (*compact)(void *arg, uint64_t upto);
    void (*reset)(void *arg, const struct node_identity *id, uint64_t cookie);
    void (*read)(void *arg, uint64_t cookie, uint64_t first, uint64_t last, size_t max_bytes);
    void (*snapshot_write)(void *arg, uint64_t index, uint64_t term,
                           bool (*write)(void *node, bool (*emit)(void *sink, const void *data, size_t len),
                                         void *sink),
                           void *node);
    /* The word on it, once: it takes its name, or goes. Before it there is no SNAPSHOT_WRITTEN that says ok. */
    void (*snapshot_keep)(void *arg, uint64_t index, bool keep);
    void (*snapshot_read)(void *arg, uint64_t cookie, uint64_t index, uint64_t offset, size_t len);
    void (*snapshot_receive)(void *arg, uint64_t cookie, uint64_t index, uint64_t term, uint64_t offset,
                             struct slice piece, bool last);
    void (*snapshot_install)(void *arg, uint64_t index, uint64_t term, bool keep_suffix);
    void (*disk_state)(void *arg, uint64_t *journal_bytes, uint64_t *snapshot_bytes, uint64_t *free_bytes,
                       uint64_t *write_running_us);
    /* Peers. send: head is copied, blocks are referenced; false: could not be queued (as good as lost). */
    bool (*send)(void *arg, uint64_t peer, enum node_channel channel, struct slice head,
                 const struct raft_block *blocks, size_t block_count);
    uint32_t (*dial)(void *arg, const char *host, uint16_t port, uint64_t expected_id);
    void (*hang_up)(void *arg, uint32_t handle);
    void (*set_self)(void *arg, const struct node_hello *self);
    /* In the turn: what was sent so far leaves now, before anything is applied. May be NULL. */
    void (*flush)(void *arg);
    void (*applying)(void *arg, bool now); /* brackets what may take long: an entry, a read */
    /* The clock as it is at this moment, for nothing but measuring. NULL: the time that node_time gave. */
    uint64_t (*now_us)(void *arg);
    void (*say)(void *arg, int level, const char *line); /* the log, base/log.h levels */
    void (*fatal)(void *arg, const char *line); /* the process ends: an entry of an unknown kind, ... */
};

enum node_disk_event_type {
    NODE_DISK_IDENTITY_SAVED = 1,
    NODE_DISK_PERSISTED,
    NODE_DISK_READ,
    NODE_DISK_SNAPSHOT_WRITTEN,
    NODE_DISK_SNAPSHOT_PIECE,
    NODE_DISK_SNAPSHOT_RECEIVED,
    NODE_DISK_SNAPSHOT_INSTALLED,
};

/* The fields mean what storage/storage.h says of its event of the same name. */
struct node_disk_event {
    enum node_disk_event_type type;
    uint64_t cookie, index, term, offset, total;
    bool ok, last;
    bool refused;            /* SNAPSHOT_WRITTEN: the state would not be written, it is not what it was */
    struct raft_block block; /* borrowed: referenced where kept */
};

struct node_config {
    struct node_hello self; /* node_id 0: blank, one is made from chance */
    uint64_t heartbeat_us, election_us;
    uint64_t client_wait_us;
    uint64_t
        checkpoint_bytes; /* a checkpoint when the journal exceeds the larger of this and twice the last snapshot */
    uint64_t chance; /* seeds everything random */
    /* Founding: the list, this node's own row among them by name; count 0: a node alone founds at once (or
     * joins). */
    struct raft_members initial_cluster;
    const char *join_host; /* NULL: not joining */
    uint16_t join_port;    /* peer port */
    bool announced;        /* `self` says where its operator wants it to be found, not what was guessed */
    bool may_be_invited;   /* cluster-enabled: a node alone and without keys follows another cluster's MEET */
    const char *const *
        settings; /* kept: replicated settings from the file, name, value, ..., NULL; used at founding only */
    uint64_t disk_reserve_bytes; /* below this much free disk writes are refused */
};

/* What recovery found. Journal entries are handed in one by one with node_load before node_start. */
struct node_found {
    struct node_identity identity;
    bool short_log_found;
    uint64_t snapshot_index, snapshot_term, snapshot_bytes;
};

/* ---- what the node offers the server ------------------------------------------------------------------ */

enum node_outcome {
    NODE_PENDING,    /* taken: the answer comes by ticket */
    NODE_DONE,       /* here it is */
    NODE_NOT_LEADER, /* surely not run; node_status tells whether a leader is known */
    NODE_REFUSED,    /* surely not run; `reply` is the error to send */
    NODE_UNKNOWN,    /* it may have run: -MAYBE */
    NODE_WAITS,      /* for a key (BLPOP); its answer is still to come, `index` is what node_unblock takes */
    NODE_CLEARED,    /* it waited, and does no longer: surely not run, for a new term has begun */
};

struct node_answer {
    enum node_outcome outcome;
    struct slice reply; /* DONE and REFUSED: RESP bytes, valid for the call */
    uint64_t
        index; /* WAITS: see there. DONE: of the entry; what a later read on the same connection waits for */
    /* DONE, of a forwarded request that was `timed`: how long it took to run where it ran, 0: that node does not say; and the
     * request, as node_forward encoded it. */
    uint64_t spent_us;
    struct slice payload;
};

struct node_clients {
    void *arg;
    void (*answer)(void *arg, uint64_t ticket, const struct node_answer *answer);
    /* The entry of this request is about to be applied. Reads that came before it on its connection may run
     * now, and have to: they see all that was before it and nothing of it. Its commit is their round, for it
     * was proposed after they had been received. Its payload stays until the answer, which follows at once. May be NULL. */
    void (*before)(void *arg, uint64_t ticket, struct slice payload);
    /* DONE: read now, at cluster time now_ms. NOT_LEADER or REFUSED otherwise. */
    void (*read_ready)(void *arg, uint64_t ticket, enum node_outcome outcome, uint64_t now_ms);
    /* Role, leader, term or members changed. Called at the end of a turn. was_leader: this node has just lost
     * the office. */
    void (*changed)(void *arg, bool was_leader);
};

/* A write (COMMAND, EXEC, SESSION, SETTING). The request is encoded before the call returns. PENDING,
 * NOT_LEADER, or REFUSED with the error appended to `error` (journal full, disk low, outvoted digest,
 * loading). */
enum node_outcome node_write(struct node *n, const struct rsm_request *req, uint64_t ticket,
                             struct buf *error);
/* A read that was received now, on a connection whose last write was answered at, or stands at, index `after`
 * (0: none; a write still pending: node_pending_index). DONE: may run at once at *now_ms. `follower`:
 * READONLY was sent, served here by a forwarded round. With PENDING read_ready is called with the ticket; one
 * ticket may stand for any number of reads received before the call. */
enum node_outcome node_read(struct node *n, uint64_t after, bool follower, uint64_t ticket, uint64_t *now_ms);
/* The index that the last write taken by node_write will have if this node stays leader. */
uint64_t node_pending_index(const struct node *n);
/* node_query said a key is due at due_ms: have a clock entry applied (asked of the leader when we are not),
 * then read_ready. */
enum node_outcome node_read_due(struct node *n, uint64_t due_ms, uint64_t ticket);
/* Is memory below maxmemory, or can room be made? On another node than the leader: as far as that node sees. */
bool node_has_room(struct node *n);
/* Bytes that count towards maxmemory beside the data: of the clients of this node. While it leads, who is evicted and what is refused
 * hangs on them; nothing that is applied does. */
void node_memory_beside(struct node *n, uint64_t bytes);
/* Does node_read mostly say DONE? */
bool node_reads_at_once(const struct node *n);
/* Reads that are about to be run: rsm_look_ahead for their keys. At most STORE_AHEAD_MAX. */
void node_look_ahead(const struct node *n, const struct store_ahead *keys, size_t count);
/* Runs a read command. false: due, see above. */
bool node_query(struct node *n, uint64_t now_ms, uint32_t db, int resp, struct slice user,
                const struct slice *argv, size_t argc, struct buf *reply, uint64_t *due_ms);
/* Can a write that changes nothing be answered from this node's state, being all there is? It would be taken, nobody else votes, and what
 * is committed is applied. */
bool node_decides(struct node *n, uint64_t *now_ms);
/* rsm_try_script. */
void node_try(struct node *n, uint64_t now_ms, uint32_t db, int resp, struct slice user,
              const struct slice *argv, size_t argc, struct buf *reply, struct command_trial *trial);
bool node_watch(struct node *n, uint64_t now_ms, uint32_t db, struct slice key, uint64_t *version,
                uint64_t *due_ms);

/* Who hands a request to the leader through this node. */
struct node_asker {
    uint64_t ticket;
    uint64_t stream; /* the connection's number */
    bool behind;     /* a write of its connection is unanswered */
    bool timed;      /* how long it runs is to be told with the answer */
};
/* Proxy port of a follower: hands the request to the leader, again and again across changes of leader,
 * exactly once; parks while there is none. Answer: DONE, REFUSED or UNKNOWN. `read`: argv is a read command
 * (or several: an EXEC is a write). Works on the leader too (it then is its own proxy). Requests of one
 * connection run in order, and its reads are answered in order: a write must not be forwarded while a read of the
 * same connection is unanswered; the server sees to that. */
enum node_outcome node_forward(struct node *n, const struct rsm_request *req, bool read,
                               const struct node_asker *who, struct buf *error);
/* WATCH through a proxy port: the answer's reply is an integer reply with the version. */
enum node_outcome node_forward_watch(struct node *n, uint32_t db, struct slice key,
                                     const struct node_asker *who);

/* The ticket of whom nobody would look for. */
#define NODE_NOBODY (UINT64_MAX - 1)
/* A command that waits does so no longer. Answer: an integer reply, whether it did. */
enum node_outcome node_unblock(struct node *n, uint64_t claim, enum rsm_unblock how, uint64_t ticket,
                               struct buf *error);

/* Administration: done by the leader, forwarded there; idempotent. Answer by ticket. */
enum node_outcome node_meet(struct node *n, const char *host, uint16_t port, uint16_t peer_port,
                            uint64_t ticket, struct buf *error);
enum node_outcome node_forget(struct node *n, uint64_t id, uint64_t ticket, struct buf *error);
/* CLUSTER FAILOVER: to this node; also SIGTERM on the leader: target 0 = the best. */
enum node_outcome node_transfer(struct node *n, uint64_t target, uint64_t ticket, struct buf *error);
/* CLUSTER RESET: OK on a removed node (it becomes blank), refused on a member of a cluster of several, which it is once
 * it has not heard of its removal for an election timeout. */
enum node_outcome node_reset(struct node *n, uint64_t ticket, struct buf *error);
/* SAVE, BGSAVE: a checkpoint that names this node. Answer when the file is durable (SAVE) or logged (BGSAVE).
 */
enum node_outcome node_checkpoint(struct node *n, bool wait, uint64_t ticket, struct buf *error);
/* DEBUG RELOAD: the state is written as a snapshot and loaded again, at the next checkpoint. */
enum node_outcome node_reload(struct node *n, uint64_t ticket, struct buf *error);
/* DEBUG SET-ACTIVE-EXPIRE: does this node, when it leads, log the time while keys are due and nothing is written? */
void node_set_active_expire(struct node *n, bool on);
/* WAIT: how many other nodes hold everything up to `index` durably, as far as known. The leader counts them; another node knows that
 * what was answered is committed: a majority holds it, and one of these is the one that led. */
uint32_t node_replicas_at(const struct node *n, uint64_t index);

struct node_peer_status {
    uint64_t id;
    bool voter, link_up, self, leader, diverged;
    char name[RAFT_NAME_MAX], host[RAFT_HOST_MAX];
    uint16_t port, peer_port;
    uint16_t port_redirect, port_readonly, port_proxy; /* 0: not known or none */
    uint64_t match, lag, round_trip_us, acked_ago_us;  /* leader only */
    int64_t clock_offset_ms;
    bool snapshotting;
    uint32_t snapshot_percent;
};

struct node_status {
    uint64_t node_id, cluster_id, term, leader, voted_for;
    const char *role;        /* "leader" "follower" "candidate" "learner" "blank" "loading" "removed" */
    bool is_leader, serving; /* serving: leader with its no-op applied, so reads and writes can be taken */
    bool loading, short_log, removed, writes_refused;
    bool diverged;            /* its state differs from the majority's: it has to be replaced */
    bool in_doubt;            /* states differ and no majority agrees: nobody serves */
    const char *loading_what; /* "journal" "snapshot" */
    uint32_t loading_percent, loading_eta_s;
    uint64_t commit, applied, last_index, first_index, persisted, snapshot_index, snapshot_term;
    uint64_t last_save_ms; /* wall time of the newest snapshot written here, 0: none */
    bool snapshot_writing, last_save_ok;
    uint64_t cluster_ms; /* the cluster clock now */
    uint64_t elections_started, elections_won, leader_changes, duplicates, forwarded, reads_rounds,
        snapshots_sent, snapshots_installed, entries_applied, proposed;
    uint64_t journal_bytes, cache_bytes;
    uint64_t term_start_us; /* monotonic: when the present leader was learnt */
    size_t peer_count;      /* members, this node among them */
    struct node_peer_status peers[RAFT_MEMBERS_MAX];
};
void node_status(const struct node *n, struct node_status *out);

/* Where the time of the writes went that this node led to their end (phases.c), in ns. */
enum node_phase {
    NODE_PHASE_QUEUE,       /* from reading it to the end of the turn, when it is proposed */
    NODE_PHASE_JOURNAL,     /* from there until this node's disk has it */
    NODE_PHASE_REPLICATION, /* from there, too, until a majority has it. Not counted by a node alone */
    NODE_PHASE_APPLY,       /* until it has run */
    NODE_PHASE_REPLY,       /* until the reply is the kernel's */
    NODE_PHASES
};
const struct histogram *node_phase(const struct node *n, enum node_phase phase);
/* From the proposal until this peer has it on its disk, and we know. NULL: not a peer. */
const struct histogram *node_peer_acks(struct node *n, uint64_t peer);
void node_phases_reset(struct node *n);

/* Too much proposed and not yet committed: stop reading client sockets until it is not. */
bool node_is_full(const struct node *n);
/* One debug line a stage for every request. */
void node_set_tracing(struct node *n, bool on);
/* Who hears what happens to keys, and what transactions publish, as this node applies it: rsm_listen. A state that is replaced
 * as a whole counts as one that was flushed. */
void node_listen(struct node *n, const struct rsm_listener *listener, unsigned classes);
/* Cheaper questions, for every request. */
bool node_is_trusted(const struct node *n); /* its state is not known to differ from the others' */
bool node_is_serving(const struct node *n); /* leader and able to take writes */
bool node_is_loading(const struct node *n);
/* true: leader, whether it serves yet or not. */
bool node_office(const struct node *n, uint64_t *term, uint64_t *leader);
uint64_t node_leader(const struct node *n); /* 0: not known */
uint64_t node_cluster_ms(const struct node *n);
struct rsm *node_rsm(struct node *n); /* settings, store figures for INFO; never to be changed through this */

/* ---- for main and the simulator ------------------------------------------------------------------------ */

struct node *node_new(const struct node_config *config, const struct node_found *found,
                      const struct node_ports *ports, const struct node_clients *clients, uint64_t now_us,
                      uint64_t wall_us);
void node_load(struct node *n, uint64_t index, uint64_t term, int kind, size_t size, struct slice payload);
void node_start(struct node *n, uint64_t now_us);
void node_free(struct node *n);

void node_on_disk(struct node *n, const struct node_disk_event *event);
void node_on_frame(struct node *n, uint64_t peer, enum node_channel channel, struct slice frame,
                   struct blob *blob);
void node_on_hello(struct node *n, uint32_t handle, const struct node_hello *hello);
void node_on_link(struct node *n, uint64_t peer, bool up, bool gone);
void node_on_beat(struct node *n, uint64_t peer, uint64_t term);
/* NULL: may connect; else the reason it may not. */
const char *node_admit(struct node *n, const struct node_hello *hello);

/* Told at the start of every pass, before the events of that pass, and again when a frame has been read, before it is
 * handed in: a clock heard is measured against the time of hearing. wall_us was read no later than now_us. */
void node_time(struct node *n, uint64_t now_us, uint64_t wall_us);
/* Within a pass, before more requests are waited for: applies and answers what can be by now. false: nothing can. */
bool node_answer(struct node *n);
/* The end of a pass: proposes what was written, carries out duties, applies, answers. Returns when it next
 * wants a turn (monotonic us); 0: at once, there is more to apply. */
uint64_t node_turn(struct node *n);
/* What the turn has answered is written to its sockets. For measuring only. */
void node_written(struct node *n, uint64_t now_us);

#endif
