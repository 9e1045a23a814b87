/* Private to server/: the server, its clients, and the slots in which replies wait for their turn.
 *
 * Invariants
 *  - Replies on a connection leave in the order of its requests. A request that cannot be answered at once takes a slot
 *    in the client's ring; while the ring is not empty every later reply takes one too.
 *  - Only the first slot is answered into `out`. A read therefore runs when everything before it has been answered.
 *  - A ticket names (place, generation, slot): one that is late finds nobody (B32).
 *  - A client is freed in server_turn only; everybody else marks it `doomed`.
 *  - A request that has to wait for the connection itself (a barrier, a park) is not taken from the input at all: it is
 *    parsed again when the client goes on. So it is numbered once, when it is taken. */
#ifndef SERVER_SERVER_INT_H
#define SERVER_SERVER_INT_H

#include <event2/event.h>
#include <event2/event_struct.h>

#include "base/list.h"
#include "base/resp.h"
#include "server/server.h"

enum {
    TICKET_SLOT_BITS = 20,
    TICKET_GENERATION_BITS = 27,
    CLIENT_PLACES_MAX = (1 << 17) - 1, /* the last one is the server's own tickets */
    PIPELINE_MAX = 4096, /* unanswered requests a connection; beyond that its socket is not read */
    REQUESTS_AHEAD = STORE_AHEAD_MAX,
    REQUEST_AHEAD_ARGS = 8, /* a request with more is the last to be parsed before it runs */
    SHARED_INPUT = 64 * 1024,
    WAITING_INPUT = 64 * 1024, /* bytes that a client whose command waits for a key may send on */
    BUFFER_KEPT = 64 * 1024,   /* larger ones are given back when empty */
    ADDRESS_TEXT = 64,
    STRANGER_OUTPUT = 64 * 1024, /* bytes of replies before authentication */
    STRANGER_TIME_US = 5000000,
    HALF_CLOSED_MAX_US = 10000000,
    HALF_CLOSED_DRAINED_US = 1000000,
    LEAVING_MAX_US = 5000000,
    LEAVING_LINGER_US = 500000, /* a client that leaves is waited for, to be told where to go */
    ANSWERED_MAX = 64, /* clients; they and their sockets are still in the processor's cache when all are */
    SPARES_MAX = ANSWERED_MAX,
    CRON_MS = 100,
    UNREAD_SCRIPTS = 16,
};

enum slot_state {
    SLOT_READY, /* the reply is in `bytes` */
    SLOT_NODE,  /* node_clients.answer will come */
    SLOT_READ,  /* `bytes` is the request; runs when released and first */
    SLOT_ROUTE, /* was not run because the office was lost; `bytes` is the request of a read */
};

enum slot_kind {
    KIND_COMMAND,
    KIND_EXEC,
    KIND_SESSION,
    KIND_SETTING,
    KIND_WATCH,
    KIND_ADMIN,
    KIND_BGSAVE,
    KIND_BLOCKING, /* a command that may wait for a key */
    KIND_WAIT,
    KIND_ACL, /* `bytes` is the request */
};

struct slot {
    struct buf bytes;
    uint64_t now_ms; /* READ, released: the cluster time it was given */
    const struct command *row;
    uint32_t group, db;
    uint16_t key_slot;
    uint8_t state, kind;
    bool released, write;
    bool open; /* counted in writes_open or reads_open */
    bool
        tracked; /* NODE: the keys in `bytes` are remembered when it is answered. READ: those of the request, when it runs */
    bool drop_copies; /* its client is told to, behind this reply */
    bool publishes;   /* EXEC: of what it publishes, the connection's later messages must not come before */
    bool quiet;       /* CLIENT REPLY: the reply is thrown away */
    bool guess;       /* READ: a script that may write after all, and is an entry then */
};

/* After a write was refused or lost its outcome, its successors must not run (DESIGN 5). */
enum poison { POISON_NONE, POISON_UNTIL_EMPTY, POISON_UNTIL_CLOSE };

struct queued_command {
    const struct command *row;
    size_t first_arg; /* in transaction.args */
    uint32_t argc, db;
    bool local; /* answered by the server when the EXEC is */
    bool publishes;
    bool changes;    /* settings of the cluster, or users: `prepared` is where the entry's words begin */
    size_t prepared; /* in transaction.prepared, as slot_pack has them */
    bool denied;     /* its user may not run it any more; `why` */
    enum acl_verdict why;
};

struct transaction {
    struct buf bytes; /* of all arguments */
    size_t *ends;     /* of each argument in `bytes` */
    size_t arg_count, arg_cap;
    struct queued_command *commands;
    size_t count, cap;
    struct buf receipts; /* where its messages stand, and the replies to them */
    struct buf prepared;
    uint32_t db;    /* as SELECT inside has left it */
    bool failed;    /* an error while queueing: EXECABORT */
    bool may_write; /* one of them: CLIENT PAUSE WRITE holds its EXEC */
};

struct watched_key {
    uint32_t db;
    uint64_t version;
    struct buf key;
};

/* In the order in which a request needs it: among thousands of clients each is cold when it is heard of, and every further
 * cache line is waited for. The first four are what a read or write of one key touches. */
enum trial { TRIAL_NONE, TRIAL_WANTED, TRIAL_DONE };

struct client {
    struct server *server;
    int fd;
    uint8_t mode; /* enum follower_mode, of the port */
    uint8_t poison;
    bool reading;     /* what comes is taken; else it stays in the kernel */
    bool unread;      /* the socket may hold something: the kernel says so once */
    bool ended;       /* ... an end or an error, behind what is to be read */
    bool stalled;     /* the request at the front of `in` waits for the connection */
    enum trial trial; /* of the script that comes next */
    bool
        trial_stopped; /* it did not end by itself: then `trial_bytes` is its reply; before that, the request */
    struct buf trial_bytes;
    struct list trial_link; /* in server.tries */
    bool exclusive;         /* a slot whose answer changes the connection is open: nothing is parsed */
    bool unlimited;         /* its user may do everything: nothing is to be looked at */
    bool named_user;        /* another one than "default" */
    bool proved;            /* by a password */
    bool authenticated, readonly, led, leaving, closing, half_closed, doomed, dirty, group_open;
    bool
        replicates; /* it is a replica: what goes out is the state and what follows, in it comes only REPLCONF */
    bool told;      /* a request of it was refused, so it knows that this node does not lead */
    bool wait_asked; /* a handler found that its request has to wait in the input */
    bool watch_failed, in_exec, in_script;
    bool reply_off, reply_skip, skip_next; /* CLIENT REPLY; of this request, of the next one */
    bool no_evict;                         /* maxmemory-clients is not for it */
    bool unseen;                           /* MIGRATE's: neither MONITOR nor SLOWLOG shows it */
    bool reads_here; /* the open reads wait for this node, not for the leader behind a proxy port */
    int resp;
    uint32_t db;
    uint32_t place, generation;

    struct buf in; /* bytes from in_at on are not taken yet */
    size_t in_at;
    struct buf out; /* bytes from out_at on are not written yet; empty: none, see client_out */
    size_t out_at;

    struct list changed_link; /* in server.changed while dirty */
    struct slot *ring;
    uint32_t ring_cap, head, tail; /* slots head..tail-1, seq & (ring_cap-1) */
    uint32_t writes_open, reads_open;
    uint32_t guesses_open; /* of reads_open: what is behind one may be no write before it is known */
    uint32_t group;
    struct resp_parser *parser; /* NULL: no request has arrived in part */
    struct transaction *txn;    /* queueing */

    uint64_t request_id;           /* the last per-connection number given */
    uint64_t shown_id;             /* of the script that MONITOR has been shown, though it may have to wait */
    uint64_t session, next_number; /* 0: none; the number of the next numbered request */
    const struct command *last_row;
    uint64_t active_us, park_until_us; /* 0: not parked since the last bytes came */
    uint64_t crowd;                    /* the last one it was counted in */
    size_t weight, spared;             /* its part of server.clients_weight */
    uint64_t soft_since_us;            /* over the soft output limit since, 0: is not */

    struct list everyone_link;
    struct list unread_link;  /* in server.unread: to be read, though nothing more may come */
    struct list parked_link;  /* in server.parked while a request waits for a leader */
    struct list waiting_link; /* in server.waiting: WAIT */
    struct list leaving_link; /* in server.leaving: leaving, half-closed */
    struct list paused_link;  /* in server.paused while a request waits for the end of CLIENT PAUSE */
    struct list monitor_link; /* in server.monitors */
    struct replica *replica;  /* NULL: it has sent no REPLCONF, SYNC or PSYNC */
    uint64_t id;
    uint64_t last_index; /* of the last write answered here */

    const struct acl_user *user; /* of the table in force: users_refresh */
    uint64_t user_born;
    struct buf user_name; /* where named_user is set */

    struct buf name;
    char tag[24];       /* what a nameless connection's entries carry */
    struct buf opening; /* the id of the session being opened, to begin at opening_number */
    uint64_t opening_number;
    struct transaction *running; /* its EXEC is on its way and has local commands */
    struct watched_key *watches;
    size_t watch_count, watch_cap, watch_done, watched_bytes;

    struct cache *cache; /* NULL: CLIENT TRACKING is off */
    size_t pushed;       /* where what this request has pushed ends in `out`, 0: nothing */
    size_t reply_at;     /* where the reply to this request begins in `out`; SIZE_MAX: it goes into a slot */
    bool tracks;         /* the request being taken is to be remembered */
    struct subscriber *subscriber; /* NULL: it has never subscribed */
    uint64_t publish_after;        /* the index of its last EXEC that published */
    uint64_t published;            /* the frame to the peers that has its last message, 0: none */

    uint64_t claim;                     /* of its command that waits for a key, 0: none does */
    uint64_t wait_index, wait_until_us; /* WAIT; until 0: for ever */
    uint32_t wait_count;
    uint32_t bad_passwords;
    uint64_t created_us, leave_by_us, drained_us;
    uint64_t stranger_us; /* since when it may be one */
    char peer[ADDRESS_TEXT], local[ADDRESS_TEXT];
};

/* Parsed and not run yet. */
struct request {
    const struct command *row; /* NULL: no such command, or an empty line */
    const struct slice *argv;
    size_t argc;
    size_t end; /* where the next one begins in the input */
};

struct listener {
    struct server *server;
    struct event accept;
    int fd, mode;
    uint16_t port;
    bool armed;
};

struct command_stat {
    const struct command *row; /* NULL: free */
    const struct handler *handler;
    char name[64];
    uint64_t calls, rejected, failed, nsec;
    bool quick;              /* it never takes long */
    uint64_t timed;          /* runs of which the time was taken */
    struct histogram *times; /* NULL: none was */
};

struct server_stats {
    uint64_t connections, rejected_connections, commands, net_in, net_out, reads, writes, errors;
    uint64_t redirects, parked, clusterdown, maybe, half_closed, cut_output, cut_input, evicted_clients,
        refused_after;
    uint64_t sampled_commands, sampled_in, sampled_out, sampled_us;
    double ops, kbps_in, kbps_out;
    uint64_t peak_memory, peak_counted; /* what the allocator gave; what counts towards maxmemory */
};

enum { RANDOM_ID = 40 }; /* digits */
void random_id(char out[RANDOM_ID + 1]);

enum { STATS_SIZE = 1024, ERROR_KINDS = 64, SPIKES_KEPT = 160 };

enum spike_event { SPIKE_COMMAND, SPIKE_FAST_COMMAND, SPIKE_EVENTS };

struct spikes {
    struct spike {
        int64_t at_s, ms;
    } at[SPIKES_KEPT]; /* the next one goes to count % SPIKES_KEPT */
    size_t count;
    int64_t longest_ms;
};

/* scripts.c: what runs right now. */
struct running_script {
    bool runs;
    struct rsm_running what; /* part of an entry: it cannot be ended */
    bool busy, killed;       /* others hear BUSY; SCRIPT KILL was heard */
    bool polling;            /* sockets are read in the middle of it */
    uint64_t since_us, polled_us;
    struct client *client; /* that has it run, while a reply of it is being written; NULL: none is */
};

struct server {
    struct event_base *base;
    struct config *config;
    struct server_hooks hooks;
    struct node *node; /* NULL: not there yet */
    struct listener listeners[(1 + CONFIG_EXTRA_PORTS_MAX) * CONFIG_BINDS_MAX];
    size_t listener_count;
    struct event cron;
    int sockets; /* epoll of the clients' */
    struct event sockets_event;
    struct list unread;

    struct client **clients; /* by place */
    struct list *looked_at;  /* of `everyone`: the last one that the cron has come to */
    struct list everyone;    /* the same, whose places are few among many: what looks at all walks this */
    uint32_t *generations, *free_places;
    uint32_t place_count, free_head, free_count;
    size_t client_count;
    bool weighs;                          /* clients are weighed: there is a bound */
    size_t clients_weight, spared_weight; /* bytes of those who may be evicted */
    uint64_t next_client_id;
    struct list changed, parked, leaving, waiting, paused, monitors;
    struct client
        *answered[ANSWERED_MAX]; /* in this pass, in full, and not flushed yet; all are in `changed` */
    size_t answered_count;

    char *shared_input;
    struct resp_parser parser;
    struct buf spares[SPARES_MAX]; /* of replies: nobody's, emptied last at the end */
    size_t spare_count;
    struct request ahead[REQUESTS_AHEAD];
    size_t request_bytes; /* of the one that is being run */
    struct slice ahead_args[REQUESTS_AHEAD][REQUEST_AHEAD_ARGS];
    struct slice *argv; /* scratch for requests that are put together again */
    size_t argv_cap;
    struct buf scratch, error;

    uint64_t now_us, wall_us, started_us, started_wall_us;
    uint64_t startup_memory; /* bytes, before there was any data */
    uint64_t crowd;          /* its number */
    size_t crowd_size;
    struct rsm_limits limits;
    bool again;
    uint32_t runs; /* for the samples of time */
    uint64_t write_begun_ns;
    uint64_t write_ticket; /* whose entry is being applied */
    uint64_t write_index;  /* that entry; what is applied beyond it is not from here */
    struct slice write_payload;
    bool script_read,
        entry_read; /* the script of the last query, or entry, has called something that reads */
    uint64_t unread_scripts[UNREAD_SCRIPTS]; /* the last entries whose scripts have not */
    uint32_t unread_at;
    size_t
        passed_errors; /* of those, the scripts whose error is one that was counted when a command gave it */
    bool compared;     /* the file's settings with those in force */
    bool clustered;    /* MOVED may be said: requests keep their slot */

    struct list replicas; /* that have asked for the state */
    struct messages *messages;
    struct caches *caches;
    bool in_query;      /* a reply is being written */
    bool guessing;      /* ... of a script that may turn out to write */
    struct buf guessed; /* what it has called */
    unsigned idle_misses,
        idle_passed; /* writes that were tried, and changed something; that were not tried: route_idle */

    uint64_t self;   /* this node's id */
    uint64_t leader; /* the last one known; kept while there is none */
    char leader_host[RAFT_HOST_MAX];
    uint16_t leader_port, leader_ports[MODE_COUNT];
    bool was_leader;
    struct node_status status; /* scratch for INFO, CLUSTER */

    void (*handed_over)(void *arg);
    void *handed_over_arg;

    struct list migrations; /* MIGRATE */
    struct list tries;      /* clients whose script is to be tried first */
    struct running_script script;
    uint32_t *script_hints; /* scripts that are known to end, or to write */

    uint64_t pause_until_us; /* CLIENT PAUSE; 0: not paused */
    bool pause_all;          /* reads too */
    bool cron_paused;        /* DEBUG PAUSE-CRON */
    bool buffers_stay;       /* DEBUG REPLYBUFFER RESIZING 0: those of clients at rest are kept */

    struct acl *own_users;   /* of this node's file */
    const struct acl *users; /* in force: those, or the log's */
    bool own_users_differ;   /* from those without any file */
    bool door_open;          /* who has just come needs no password */
    struct list denials;     /* ACL LOG, the newest first */
    size_t denial_count;

    struct list slowlog; /* the oldest first */
    size_t slowlog_len;
    uint64_t slowlog_id;
    struct spikes spikes[SPIKE_EVENTS];

    struct server_stats stats;
    struct command_stat command_stats[STATS_SIZE];
    struct {
        char code[32];
        uint64_t count;
    } errors[ERROR_KINDS];
    char run_id[RANDOM_ID + 1];
};

/* ---- commands of the server's own ---- */

typedef void handler_fn(struct client *c, const struct slice *argv, size_t argc, struct buf *out);

enum {
    H_NOW = 1,      /* needs nothing that is still open on the connection, and may run inside EXEC's reply */
    H_IN_EXEC = 2,  /* may be queued by MULTI; answered when EXEC is */
    H_NO_MULTI = 4, /* runs at once even between MULTI and EXEC */
    H_ROUTES = 16,  /* opens the slot of its reply itself: runs without `out` */
    H_LEADER = 8,   /* tells of the leader: parked while none is known */
    H_APPLIED = 64, /* tells of the state: of all that this connection has been answered */
    H_SUBSCRIBED = 32, /* may be sent in RESP2 while subscribed to anything */
    H_FIRST = 128,     /* its row runs too, in entries that it makes */
};

struct handler {
    const char *name;
    handler_fn *run;
    unsigned flags;
};
const struct handler *handler_table(size_t *count);

handler_fn ping_command, echo_command, quit_command, reset_command, hello_command, auth_command,
    select_command, readonly_command, readwrite_command, asking_command, time_command, command_command_here;
handler_fn client_command, config_command, info_command, cluster_command, role_command, wait_command,
    save_command, bgsave_command, lastsave_command, shutdown_command, debug_command, bgrewriteaof_command,
    acl_command, replicaof_command, memory_command, latency_command, failover_command, slowlog_command,
    monitor_command, replconf_command, sync_command, migrate_command, module_command;
handler_fn subscribe_command, psubscribe_command, ssubscribe_command, unsubscribe_command,
    punsubscribe_command, sunsubscribe_command, publish_command, spublish_command, pubsub_command;
handler_fn multi_command, exec_command, discard_command, watch_command, unwatch_command;

/* ---- dispatch.c, route.c ---- */

enum verdict {
    TAKEN, /* answered, or in a slot */
    WAIT,  /* leave it in the input: the connection is not ready for it */
};
/* `row`: command_lookup of argv[0]. */
enum verdict dispatch(struct client *c, const struct command *row, const struct slice *argv, size_t argc);
/* CLIENT REPLY: throws away the reply to this request, as far as it is written. What went into a slot is thrown away
 * there; what was pushed before it ends stays. */
void client_hush(struct client *c);
enum verdict route_read(struct client *c, const struct command *row, const struct slice *argv, size_t argc);
/* A script that may read: as a read, for as long as it does. false: it is to be an entry. */
bool route_guess(struct client *c, const struct command *row, const struct slice *argv, size_t argc);
/* A row with CMD_MAY_BE_IDLE. true: it changed nothing, and was answered. */
bool route_idle(struct client *c, const struct command *row, const struct slice *argv, size_t argc);
/* Of the guess in the first slot it has shown that it writes. false: the reply is still to come. */
bool route_guess_writes(struct client *c, struct slot *slot, struct buf *out);
/* `numbered`: the number is c->next_number when the connection has a session. `kind` tells what the answer is for. */
enum verdict route_write(struct client *c, const struct command *row, struct rsm_request *req,
                         enum slot_kind kind, uint16_t key_slot, bool numbered);
bool route_takes_writes(const struct client *c); /* else route_write refuses, or it has to wait */
/* The slot a redirect names for this request. */
uint16_t route_key_slot(const struct command *row, const struct slice *argv, size_t argc);
bool route_knows_leader(const struct server *s);
/* May the request wait for a leader (starting the wait if need be)? false: its time is up. */
bool route_park(struct client *c);
void route_unpark(struct client *c);
/* MOVED, NOTLEADER or CLUSTERDOWN, for what surely did not run. */
void route_refuse(struct client *c, struct buf *out, uint16_t key_slot, bool write, bool numbered);
/* A redirect or an error is due inside MULTI. false: it was given (or must WAIT: *verdict), do not queue. */
bool route_queue_check(struct client *c, const struct command *row, const struct slice *argv, size_t argc,
                       enum verdict *verdict);
/* Redis has its own words for an EXEC that memory forbids. */
void put_refusal(bool exec, struct slice error, struct buf *out);
void poison(struct client *c);
uint64_t park_us(const struct server *s);
void leader_refresh(struct server *s);

/* ---- slots.c, answer.c ---- */

struct slot *slot_push(struct client *c, enum slot_state state, enum slot_kind kind);
void slot_pop_last(struct client *c); /* takes back the newest */
struct slot *slot_at(struct client *c, uint32_t seq);
static inline bool ring_empty(const struct client *c)
{
    return c->head == c->tail;
}
uint64_t ticket_of(const struct client *c, uint32_t seq);
struct node_asker client_asks(const struct client *c, uint32_t seq);
/* Where the reply to the request being run goes: `out`, or a slot of its own. */
struct buf *reply_begin(struct client *c);
void ring_free(struct client *c);
/* Answers whatever stands first and can be answered, and lets the client go on. */
void client_advance(struct client *c);
void slot_pack(struct buf *out, const struct slice *argv, size_t argc);
size_t slot_unpack(struct server *s, struct slice packed); /* into s->argv; the number of arguments */

/* A command of the server's own that the node answers later. Begin opens the slot and gives its ticket; end says what the
 * node's call returned, with the text of a refusal in s->error. */
uint64_t wait_begin(struct client *c, enum slot_kind kind);
void wait_end(struct client *c, enum node_outcome outcome);

void before_from_node(void *arg, uint64_t ticket, struct slice payload);
void answer_from_node(void *arg, uint64_t ticket, const struct node_answer *answer);
void read_ready_from_node(void *arg, uint64_t ticket, enum node_outcome outcome, uint64_t now_ms);
void changed_from_node(void *arg, bool was_leader);
/* Runs a read on the state; appends its reply. false: a key is due at *due_ms. Without due_ms it is a guess, false: that writes; its calls
 * are to be told with script_calls_tell. */
bool query_run(struct client *c, const struct command *row, uint32_t db, uint64_t now_ms,
               const struct slice *argv, size_t argc, struct buf *out, uint64_t *due_ms);
/* Runs the read in the first slot; false: it has to wait on. */
bool run_read(struct client *c, struct slot *slot, struct buf *out);

/* ---- client.c, sockets.c, requests.c, output.c, listener.c ---- */

struct client *client_new(struct server *s, int fd, int mode, const char *peer, const char *local);
void client_free(struct client *c);
void client_process(struct client *c); /* parses and runs what is in `in` */
void client_hear(struct client *c);    /* reads its socket once */
/* Takes requests from `input` as far as it goes; the number of bytes taken. */
size_t requests_take(struct client *c, struct slice input);
void requests_forget(struct client *c); /* how far the one that has arrived in part was parsed */
bool client_may_take(const struct client *c);
struct buf *client_out(struct client *c); /* where replies are put */
void client_touch(struct client *c); /* it has output, or its state is to be looked at when the pass ends */
void client_doom(struct client *c, const char *why); /* `why` for the log, NULL: nothing worth saying */
void client_close_after_reply(struct client *c);
/* client_memory.c */
size_t client_memory(const struct client *c); /* bytes */
size_t client_partial(
    const struct client *c); /* bytes of the arguments that are there of a request that is not whole */
void client_weigh(struct client *c);             /* after it was read, written to, or judged otherwise */
uint64_t clients_memory(const struct server *s); /* bytes of all but replicas */
void clients_bound(struct server *s); /* closes the largest until the rest keep to maxmemory-clients */
struct slice client_tag(const struct client *c);
void client_cron(struct client *c);
void client_arm(struct client *c);
/* The end of a pass for one client: takes it out of `changed`, and may doom it. */
void client_flush(struct client *c);
/* It was read from. Once a few have got all their answers these go out, in the middle of the pass: at its end, after
 * thousands of others, the client and its socket would have to be fetched from memory again. */
void client_answered(struct client *c);
void client_leave(struct client *c);
void leaving_cron(struct server *s);
size_t client_unsent(const struct client *c);
void client_enforce_limit(struct client *c); /* output */

void server_woken(struct server *s); /* at the start of every callback of libevent's */
void server_heard(struct server *s); /* after every read of a client's socket */
void sockets_open(struct server *s);
void sockets_close(struct server *s);
void sockets_turn(struct server *s); /* where some are to be read whatever happens, libevent will not wait */
bool socket_watch(struct client *c);
void socket_forget(struct client *c);
void socket_hear_again(struct client *c);
bool listeners_open(struct server *s, struct buf *error);
void listeners_poll(struct server *s);  /* takes in who has come, where the loop does not */
void listeners_drain(struct server *s); /* takes in whom the kernel has accepted already */
void listeners_close(struct server *s);
void listeners_rearm(struct server *s);

/* ---- session.c, transaction.c ---- */

/* Numbers and names the request. */
void session_stamp(struct client *c, struct rsm_request *req, bool numbered);
bool session_is_numbered(struct slice name, struct slice second, bool in_multi);
/* CLIENT SETNAME with @seq= or @retry=. false: a plain name. */
bool session_is_asked(struct slice name);
bool session_setname(struct client *c, struct slice name);
void session_opened(struct client *c, struct slice reply);
const char *client_name_error(struct slice name); /* of any; NULL: it is fit */
void client_set_name(struct client *c, struct slice name);

void transaction_free(struct transaction *t);
void transaction_queue(struct client *c, const struct command *row, const struct handler *h,
                       const struct slice *argv, size_t argc);
void transaction_fail(struct client *c);
void transaction_abort(struct client *c,
                       const char *why); /* EXEC itself is refused: answered, and the transaction is over */
void exec_answered(struct client *c, struct slice reply, struct buf *out);
enum verdict exec_route(struct client *c);
void watches_clear(struct client *c);
/* Runs the WATCH in the first slot; false: a key is due at *due_ms. */
bool watch_run(struct client *c, uint64_t now_ms, uint64_t *due_ms);
/* One key of a WATCH through a proxy port is known; false: the next has been asked for. */
bool watch_answered(struct client *c, struct slot *slot, const struct node_answer *answer);

/* ---- stats.c, names ---- */

struct command_stat *stat_of(struct server *s, const struct command *row);
void stats_init(struct server *s);
void stats_deinit(struct server *s);
void stats_reset(struct server *s);
void stats_sample(struct server *s);
void count_error(struct server *s, struct slice reply);
void count_run(struct client *c, struct command_stat *stat, const struct buf *out,
               size_t start); /* of a handler */
/* It has run, and its reply is an error. */
void count_failed(struct server *s, const struct command *row, struct slice reply);
/* The errors among the replies to the commands of a transaction; `payload`: its entry's, empty where that is not here. */
void count_failed_in_exec(struct server *s, struct slice payload, struct slice reply);
/* The time is taken of every run of what may take long. Of what never does that of the first sixteen, then of every sixteenth run of
 * any, which counts for sixteen; and of every run while somebody looks for less than a millisecond. */
uint64_t time_begin(struct server *s, const struct command_stat *stat); /* 0: not this one */
bool time_wanted(struct server *s,
                 const struct command_stat *stat); /* is this one to be timed where it runs? */
uint64_t time_add(struct server *s, struct command_stat *stat,
                  uint64_t ns); /* ns again: it took so long there */
uint64_t time_end(struct server *s, struct command_stat *stat, uint64_t begun_ns); /* ns; 0: was not taken */

/* ---- what is told of a command that has run ---- */

void slowlog_note(struct client *c, const struct slice *argv, size_t argc, uint64_t us);
void slowlog_clear(struct server *s);
void spike_note(struct server *s, enum spike_event event, uint64_t us);
bool spikes_command(struct client *c, const struct slice *argv, size_t argc,
                    struct buf *out);              /* false: not one of them */
bool is_told(const struct server *s, uint64_t ns); /* would `ran` tell somebody? */
/* It took that long; 0: the time was not taken. */
void ran(struct client *c, const struct command *row, const struct slice *argv, size_t argc, uint64_t ns);
void monitor_show(struct server *s, const struct command *row, uint32_t db, const char *from,
                  const struct slice *argv, size_t argc);
/* A request of a client, as it was sent. */
static inline void monitor_request(struct client *c, const struct command *row, const struct slice *argv,
                                   size_t argc)
{
    if (__builtin_expect(list_empty(&c->server->monitors), 1) || c->unseen)
        return;
    client_hush(c); /* it may be one of those who are shown it: the line goes behind the reply */
    monitor_show(c->server, row, c->db, c->peer, argv, argc);
}
bool script_is_ours(const struct server *s, bool entry);
/* rsm_listener.called. Of a guess they are kept until it is known to be one that reads. */
void script_called(void *arg, const struct rsm_script_call *call);
void script_calls_tell(struct client *c);
/* An argument that goes into no log and is shown to nobody: a password. */
bool argument_is_secret(const struct slice *argv, size_t argc, size_t i);

/* ---- replica.c ---- */

static inline bool replica_is_attached(const struct client *c)
{
    return c->replicates;
}
size_t replica_pending(const struct client *c); /* bytes that wait behind the state */
void replica_flushed(struct client *c);         /* its socket has taken something */
void replica_free(struct client *c);
void replicas_cron(struct server *s);
void replicas_turn(struct server *s);
bool replicas_follow(const struct server *s); /* somebody is to hear of changes */
void replicas_hear(struct server *s, enum store_event_class class, const char *event, uint32_t db,
                   struct slice key);
void replicas_written(void *arg, enum rsm_writing what, uint32_t db, const struct slice *argv, size_t argc);
void replicas_publish(struct server *s, bool shard, struct slice channel, struct slice message);
void info_attached(struct server *s, struct buf *out);
size_t replicas_count(const struct server *s);
/* Their slave lines, from that number on, and what ROLE says of them. */
void info_replicas(struct server *s, size_t number, struct buf *out);
void role_replicas(const struct server *s, struct buf *out);

/* ---- pause.c ---- */

/* scripts.c */
void slow_scripts_init(struct server *s);
void slow_scripts_deinit(struct server *s);
bool slow_scripts_tell(void *arg, enum rsm_script_phase phase, const struct rsm_running *what);
/* One of those that wait for it is tried, on its own, at the end of a pass. */
void slow_scripts_turn(struct server *s);
/* A script that would be an entry: it is to be tried before, or was. true: *verdict says what became of the request. */
bool slow_scripts_hold(struct client *c, const struct slice *argv, size_t argc, enum verdict *verdict);
/* Why a command is not run while a script is busy; NULL: it may be. */
const char *slow_scripts_objection(const struct server *s, const struct command *row);
/* SCRIPT KILL, FUNCTION KILL, and FUNCTION STATS of one that is busy; true: answered. */
bool slow_scripts_answer(struct client *c, const struct command *row);
/* sockets.c: while a script runs for long, what others send is read, and refused. */
void sockets_poll(struct server *s);

/* May it write, for all that CLIENT PAUSE sees? */
bool pause_is_write(const struct server *s, const struct command *row, const struct slice *argv, size_t argc);
bool pause_holds(struct client *c, const struct command *row, const struct handler *h,
                 const struct slice *argv, size_t argc);
void pause_tick(struct server *s);
void client_pause(struct client *c, const struct slice *argv, size_t argc, struct buf *out);
void client_unpause(struct client *c, struct buf *out);

void reply_lines(struct buf *out, const char *const *lines, size_t count); /* HELP */
void reply_error(struct client *c, struct buf *out, const char *text);
void reply_errorf(struct client *c, struct buf *out, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* A node id as Redis shows one: 40 hex digits. */
enum { NODE_ID_TEXT = 40 };
void node_id_text(uint64_t id, char out[NODE_ID_TEXT + 1]);
bool node_id_parse(struct slice text, uint64_t *id);
bool cluster_says_enabled(struct server *s);
void info_raft(struct server *s, struct buf *out);
void info_keyspace(struct server *s, struct buf *out);
/* `name`: of the command. */
bool auth_check(struct client *c, struct slice name, struct slice user, struct slice password,
                struct buf *out);
/* It has not authenticated, though it would have to. */
static inline bool client_is_stranger(const struct client *c)
{
    return !c->authenticated && !c->server->door_open;
}
/* One line of CLIENT LIST. */
void client_describe(struct client *c, const struct client *asker, struct buf *out);
bool parse_db(struct client *c, struct slice text, uint32_t *db, struct buf *out);
void wait_tick(struct server *s);
void wait_unblock(struct client *c, bool by_error); /* it stands in WAIT */

/* ---- migrate.c ---- */

struct migration;
void migration_free(struct migration *m);
void migrations_end(struct server *s); /* the server does */

/* ---- blocking.c ---- */

void blocking_waits(struct server *s, uint64_t ticket, uint64_t claim);
void blocking_gone(struct client *c); /* it is about to be freed */
void blocking_cleared(struct client *c, const struct slot *slot, struct buf *out);
void client_unblock(struct client *me, const struct slice *argv, size_t argc, struct buf *out);

#endif
