/* The replicated state machine: entries in, replies out (dissertation, chapter 6). It owns the keyspace, the
 * client sessions and the replicated settings; the same entries give the same state and the same replies on
 * every node. No clock, no socket: time and chance come in the entry. Apply is total: no payload can make a
 * node crash, one that this build does not know stops the node by RSM_UNKNOWN_KIND, loudly, never by skipping
 * it (FAULTS 35). */
#ifndef RSM_RSM_H
#define RSM_RSM_H

#include "acl/acl.h"
#include "base/bytes.h"
#include "base/checksum.h"
#include "commands/commands.h"
#include "store/store.h"

struct rsm;

enum rsm_kind {
    RSM_FOUND = 1,  /* the first DATA entry: cluster id, hash seed, settings */
    RSM_COMMAND,    /* one write command */
    RSM_EXEC,       /* a transaction: watched versions and its commands, one reply */
    RSM_SESSION,    /* CLIENT SETNAME <id>@seq= / @retry= */
    RSM_CLOCK,      /* time alone: due keys go */
    RSM_CHECKPOINT, /* `node` writes a snapshot here; versions are raised on all */
    RSM_SETTING,    /* CONFIG SET of replicated settings, all or none (argv: name value ...) */
    RSM_EVICT,      /* conditional deletes (db, key, version) chosen by the leader */
    RSM_VERSION,    /* raises the apply version */
    RSM_UNBLOCK,    /* a command that waits (`claim`), or all that came through `node`, wait no longer */
    RSM_ACL, /* users: argv is "setuser" name rule ... | "deluser" name ... | "load" line ... | "begin" line ... */
};

/* Why it waits no longer. */
enum rsm_unblock {
    RSM_UNBLOCK_GONE,    /* nobody is there any more to be answered; as if it had never been sent */
    RSM_UNBLOCK_TIMEOUT, /* CLIENT UNBLOCK: as if its time were up, or with an error */
    RSM_UNBLOCK_ERROR,
};

enum rsm_numbering {
    RSM_TAGGED,         /* client_id and request_id are for people; nothing is suppressed */
    RSM_SESSION_NUMBER, /* `session` names the opening entry; request_id is the client's number */
    RSM_PROXY_NUMBER, /* client_id is node id + boot nonce of a proxying node; may_open on a first send only;
                         numbers below `lowest` are answered and forgotten. Refused with -MAYBE when nobody
                         can tell whether it ran */
};
/* Numbers count for COMMAND, EXEC, SETTING and ACL. A request with RSM_SESSION_NUMBER carries the user that opened
 * the session. */

/* A key and the version (rsm_version) that it must still have. */
struct rsm_watch {
    uint32_t db;
    struct slice key;
    uint64_t version;
};

/* What a client (or the node itself) asks; what rsm_encode puts into an entry. Slices are borrowed. */
struct rsm_request {
    enum rsm_kind kind;
    enum rsm_numbering numbering;
    struct slice client_id, user;
    uint64_t request_id, session, lowest;
    bool may_open;
    uint32_t db;
    int resp;
    /* COMMAND, SETTING (name value ...). SESSION: argv[0] = id; request_id = n; may_open: @seq, else @retry;
     * the reply is an integer, the index that names the session (for the server, which tells its client +OK),
     * or an error. */
    const struct slice *argv;
    size_t argc;
    /* EXEC: `commands` commands, the i-th has counts[i] arguments, all of them in argv one after the other,
     * and its own database dbs[i]: the server resolves a SELECT inside MULTI when it is queued and leaves it
     * in its place, where it answers +OK. TIME answers the stamp. What else may be queued and is not about
     * the keyspace (PING, CLIENT ID, CONFIG GET, ...) the server answers itself and queues as RSM_LITERAL
     * with one argument: the RESP bytes of its one reply. */
    const uint32_t *counts, *dbs;
    size_t commands;
    const struct rsm_watch *watches;
    size_t watch_count;
    uint64_t node;  /* CHECKPOINT: who writes it. VERSION: the version. UNBLOCK: or 0 */
    uint64_t claim; /* UNBLOCK: see rsm_result.claim; or 0 */
    enum rsm_unblock unblock;
    /* COMMAND: where it finds nothing it may wait, for a client of this node; 0: it may not. `until_ms`: it did before, until
     * then, and has lost its place; 0: as its arguments say. */
    uint64_t asker, until_ms;
    bool oom;              /* COMMAND, EXEC: with scripts in it; the leader was above maxmemory */
    bool judged;           /* not in an entry: what its user may do was looked at, on the state as it is */
    struct hash_seed seed; /* FOUND */
    uint64_t cluster_id;   /* FOUND */
    const char *const *settings; /* FOUND: name, value, ..., NULL */
};

/* argv[0] of a queued command that stands for its reply; and of a PUBLISH or SPUBLISH, with the bytes of its reply, the channel,
 * the message, and what struct rsm_message says of `behind`. How many heard of it differs from node to node, so the reply is
 * given by the one who queued it. */
#define RSM_LITERAL  SLICE_LITERAL("\0reply")
#define RSM_PUBLISH  SLICE_LITERAL("\0publish")
#define RSM_SPUBLISH SLICE_LITERAL("\0spublish")
/* And of a change of settings or users: behind it stands what a SETTING or ACL request has. */
#define RSM_CONFIG SLICE_LITERAL("\0config")
#define RSM_USERS  SLICE_LITERAL("\0acl")

/* Its payload takes no more bytes than this. */
size_t rsm_encode_bound(const struct rsm_request *req);
/* Appends the payload of a DATA entry. `stamp_ms` is the cluster clock, `chance` a random number, both the
 * leader's. */
void rsm_encode(struct buf *out, const struct rsm_request *req, uint64_t stamp_ms, uint64_t chance);

/* A decoded payload, for kvorum-inspect and traces; slices point into it. false: malformed. */
struct rsm_decoded {
    struct rsm_request req; /* argv, counts, dbs, watches are allocated: rsm_decoded_deinit */
    uint64_t stamp_ms, chance;
};
bool rsm_decode(struct slice payload, struct rsm_decoded *out);
void rsm_decoded_deinit(struct rsm_decoded *d);
/* A forwarded request travels in the same encoding, with stamp and chance 0; the leader puts in its own.
 * false: too short to be a payload. */
bool rsm_restamp(char *payload, size_t len, uint64_t stamp_ms, uint64_t chance);
/* The stamp of a payload alone. false: too short to be one. */
bool rsm_peek_stamp(struct slice payload, uint64_t *stamp_ms);

struct rsm *rsm_new(void);
void rsm_free(struct rsm *r);

enum rsm_outcome {
    RSM_RAN,
    RSM_DUPLICATE,    /* answered from the remembered reply */
    RSM_REFUSED,      /* NOSESSION, STALE, other request under the number, table full, WATCH failed is RAN */
    RSM_UNKNOWN_KIND, /* this build does not know the entry: the node must stop */
};

struct rsm_result {
    enum rsm_outcome outcome;
    bool settings_changed;
    bool checkpoint; /* a CHECKPOINT was applied; checkpoint_node is to write the snapshot now */
    uint64_t checkpoint_node;
    /* Not 0: there is no reply yet, for the command waits (blocked.c), under this number: the entry's index. The reply comes
     * with another entry, in rsm_released. */
    uint64_t claim, asker;
};

/* A command that waited and does no longer. */
struct rsm_release {
    uint64_t claim, asker;
    bool cleared;       /* there is no reply: it did not run, and may be sent again */
    struct slice reply; /* RESP bytes, good until the next entry */
};
/* Those that the last entry released, skipped ones included, in the order in which they were served. */
const struct rsm_release *rsm_released(struct rsm *r, size_t *count);
/* Does a command wait under this claim? *until_ms: the cluster time at which that ends, 0: never. */
bool rsm_waits(const struct rsm *r, uint64_t claim, uint64_t *until_ms);
/* What it asks for: where it said $ (XREAD) stands what that was when the waiting began. NULL: it does not wait. */
const struct slice *rsm_waits_for(const struct rsm *r, uint64_t claim, size_t *argc);
size_t rsm_waiting(const struct rsm *r); /* how many do */
/* The i-th node that commands came through that wait, 0: there are no more. */
uint64_t rsm_waiting_node(const struct rsm *r, size_t i);
/* How many came through this node, and what they wait under. */
size_t rsm_waiting_through(const struct rsm *r, uint64_t node);
void rsm_each_waiting_through(const struct rsm *r, uint64_t node, void (*each)(void *arg, uint64_t claim),
                              void *arg);
/* When the time of the first of them is up, 0: of none. An entry that reaches it releases it. */
uint64_t rsm_waiting_until_ms(const struct rsm *r);

/* Applies entry `index`, the one after rsm_applied; appends exactly one RESP reply to `reply` (an entry
 * without a client gets +OK), none where the command waits. RSM_UNKNOWN_KIND: malformed, of a kind or version of a newer build, or about
 * settings this build does not have; nothing changed and nothing was appended. Hence the leader checks
 * setting names before it proposes. */
void rsm_apply(struct rsm *r, uint64_t index, uint64_t term, struct slice payload, struct buf *reply,
               struct rsm_result *result);
/* What the sessions remember of a request, given as the payload of an entry; nothing changes. */
enum rsm_memory {
    RSM_UNHEARD, /* it has not run up to here, and would: nothing was appended */
    RSM_HEARD,   /* it ran: the remembered reply was appended */
    RSM_PENDING, /* it waits: what was appended is that nobody knows whether it will run */
    RSM_FORGOTTEN, /* it would be refused, under its number or for want of its session: the error was appended */
};
enum rsm_memory rsm_recall(struct rsm *r, struct slice payload, struct buf *reply);
/* The next entries to be applied, at most STORE_AHEAD_MAX: gets their keys out of memory side by side (store_look_ahead).
 * Changes nothing. */
void rsm_look_ahead(const struct rsm *r, const struct slice *payloads, size_t count);
/* A NOOP or CONFIG entry: only the applied index moves, and in a new term nobody waits any more (rsm_released). Every index goes through one of the two, once, in
 * order. */
void rsm_skip(struct rsm *r, uint64_t index, uint64_t term);
uint64_t rsm_applied(const struct rsm *r);
uint64_t rsm_applied_term(const struct rsm *r);
uint64_t rsm_stamp_ms(const struct rsm *r);   /* of the last stamped entry applied: the store's time */
uint64_t rsm_cluster_id(const struct rsm *r); /* 0: not founded */

/* A read at cluster time now_ms. false: a key it touches is due at *due_ms; nothing was appended; have a
 * clock entry of at least that stamp applied and ask again. */
bool rsm_query(struct rsm *r, uint64_t now_ms, uint32_t db, int resp, struct slice user,
               const struct slice *argv, size_t argc, struct prng *chance, struct buf *reply,
               uint64_t *due_ms);
/* Runs a script, or a row with CMD_MAY_BE_IDLE, as far as it only reads; like rsm_query, but for `trial`. Where a key is due, it writes. */
void rsm_try_script(struct rsm *r, uint64_t now_ms, uint32_t db, int resp, struct slice user,
                    const struct slice *argv, size_t argc, struct prng *chance, struct buf *reply,
                    struct command_trial *trial);
/* The body of one that is known. false: it is not. */
bool rsm_script_body(const struct rsm *r, struct slice name, struct slice *body);
struct rsm_script_counts {
    size_t scripts, libraries, functions;
};
/* Bytes of what is known; walks over it. */
struct rsm_script_bytes {
    size_t scripts, libraries;
};
struct rsm_script_bytes rsm_script_bytes(const struct rsm *r);
struct rsm_script_counts rsm_script_counts(const struct rsm *r);
/* What runs: borrowed, until it has ended. */
struct rsm_running {
    bool entry;           /* as part of one */
    const char *function; /* NULL: a script */
    const struct slice *argv;
    size_t argc;
    bool passed_error; /* when it has ended: its reply is the error of a command that it called */
};
/* A function's name as it was registered, and the code of its library. false: there is none. */
bool rsm_function_body(const struct rsm *r, struct slice name, struct slice *own, struct slice *body);
/* FUNCTION DUMP, without RESP; and a sum that is another when its bytes are, 0: there are no libraries. */
void rsm_dump_functions(const struct rsm *r, struct buf *out);
uint64_t rsm_functions_digest(const struct rsm *r);
/* FUNCTION STATS. `running`: a function that runs, for that long; NULL: none. */
void rsm_reply_function_stats(const struct rsm *r, const struct rsm_running *running, uint64_t ms, int resp,
                              struct buf *out);
/* Of a row with CMD_BY_SCRIPT. One that may be a read is tried as one, and is an entry if it writes: it has not when an entry ran it
 * last. */
enum rsm_script_way { RSM_SCRIPT_IS_ENTRY, RSM_SCRIPT_MAY_READ, RSM_SCRIPT_IS_READ };
enum rsm_script_way rsm_script_way(const struct rsm *r, const struct slice *argv, size_t argc);
/* The same of one whose body has yet to be kept, which takes an entry. */
bool rsm_script_never_writes(const struct rsm *r, const struct slice *argv, size_t argc);
/* The version WATCH remembers. Same rule for due keys. */
bool rsm_version(struct rsm *r, uint64_t now_ms, uint32_t db, struct slice key, uint64_t *version,
                 uint64_t *due_ms);
/* Who hears what happens to keys as entries are applied, and what queries miss: the classes of the setting
 * notify-keyspace-events, and `classes` beside them; and of the messages that transactions publish. All zero: nobody. It is
 * copied, and no part of the state. Called in the middle of a change: it must not look into the store. */
struct rsm_message {
    uint64_t index; /* of the entry */
    bool shard;
    struct slice channel, message;
    struct slice behind; /* opaque: what has to be delivered before it */
};
/* A command that a script has called; borrowed. */
struct rsm_script_call {
    bool entry; /* as part of one */
    const struct command *row;
    uint32_t db;
    const struct slice *argv;
    size_t argc;
    struct slice error;      /* RESP bytes; empty: it did not fail */
    bool refused;            /* it was not run; `row` may be NULL */
    enum acl_verdict denied; /* why its user may not run it, and the argument in question */
    size_t denied_arg;
};
enum rsm_script_phase { RSM_SCRIPT_BEGINS, RSM_SCRIPT_RUNS, RSM_SCRIPT_ENDS };
/* What an entry does, as Redis would write it to its replicas: commands, and an end behind those that are one transaction. `BESIDE`:
 * one that another one brings along, which alone is no transaction for that. `KEYS`: something has changed that is in none of them
 * (events tell which keys). */
enum rsm_writing { RSM_WRITES, RSM_WRITES_BESIDE, RSM_WRITES_END, RSM_WRITES_KEYS };
struct rsm_listener {
    void *arg;
    void (*heard)(void *arg, enum store_event_class class, const char *event, uint32_t db, struct slice key);
    void (*published)(void *arg, const struct rsm_message *message);
    void (*users_changed)(void *arg); /* rsm_acl answers anew; whatever it gave before is gone. May be NULL */
    /* Of each script that runs: when it begins, now and then, when it has ended. false: it is to end, which does not count where it is part
     * of an entry. May be NULL */
    bool (*script)(void *arg, enum rsm_script_phase phase, const struct rsm_running *what);
    void (*called)(void *arg, const struct rsm_script_call *call); /* not in a trial. May be NULL */
    void (*said)(void *arg, int level,
                 struct slice line); /* redis.log in a script; base/log.h levels. May be NULL */
    /* May be NULL; else `classes` has EVENT_CHANGED, EVENT_FLUSHED and EVENT_BESIDE. All is good for the call. */
    void (*written)(void *arg, enum rsm_writing what, uint32_t db, const struct slice *argv, size_t argc);
};
void rsm_listen(struct rsm *r, const struct rsm_listener *listener, unsigned classes);
struct store *rsm_store(struct rsm *r);
/* For a look at one database as it is at that time. */
struct store_view rsm_view(const struct rsm *r, uint64_t now_ms, uint32_t db);
/* What the next entry with this stamp would have to do: are keys due? (the leader then logs a CLOCK entry) */
bool rsm_keys_due(const struct rsm *r, uint64_t now_ms);

/* Who may do what, as the log says. NULL: it has said nothing yet, and every node goes by its own file; ACL "begin" puts one node's
 * users into it, if nobody has before. The settings include requirepass ("sha256:..." or ""), the default user's password. */
const struct acl *rsm_acl(const struct rsm *r);
/* Is it a password in the form in which requirepass is kept? *hex: its SHA-256, in `value`. */
#define RSM_HASH_PREFIX "sha256:"
bool rsm_password_hash(struct slice value, struct slice *hex);

/* Replicated settings by their CONFIG names: session-window, session-timeout (seconds), session-max,
 * proto-max-bulk-len, databases (at founding only), maxmemory, maxmemory-policy, read-mode,
 * notify-keyspace-events, script-max-steps, script-max-memory. */
const char *rsm_setting(const struct rsm *r,
                        const char *name);        /* current value as text, NULL: not a replicated setting */
const char *rsm_setting_name(size_t i);           /* i-th replicated setting, NULL at the end */
const char *rsm_setting_named(struct slice name); /* its name, for that or an older one; NULL: none */
/* Validates before proposing: NULL when fine, else the text of the error. */
const char *rsm_setting_check(const char *name, struct slice value);
const char *rsm_setting_default(const char *name);
/* Before proposing: NULL, or the error to give while nodes of an older build may be there (the apply version tells). */
const char *rsm_too_new(const struct rsm *r, const struct rsm_request *q);
/* Where events are told of: __keyspace@db__:key, __keyevent@db__:event. What modules do is told by none. */
enum { RSM_EVENTS_BY_KEY = 1 << 16, RSM_EVENTS_BY_NAME = 1 << 17, RSM_EVENTS_MODULE = 1 << 18 };
struct rsm_limits {
    uint64_t max_bulk, maxmemory;
    uint32_t databases;
    unsigned events; /* notify-keyspace-events: event classes, and the bits below */
    enum { RSM_READ_QUORUM, RSM_READ_LOG, RSM_READ_LOCAL } read_mode;
};
struct rsm_limits rsm_limits(const struct rsm *r);
/* Evictions (maxmemory-policy): whether there are any; and one that an EVICT entry may name, not among the `taken`. Its key is the
 * store's. false: none was found. */
bool rsm_evicts(const struct rsm *r);
bool rsm_choose_victim(struct rsm *r, uint64_t now_ms, struct prng *chance,
                       bool (*taken)(void *arg, uint32_t db, struct slice key), void *arg,
                       struct rsm_watch *victim, size_t *bytes);
uint64_t rsm_apply_version(const struct rsm *r);
/* The newest this build can apply. A test builds one that can do more.
 * 2: a key is there for the whole of the millisecond that its time names, and gone in the next one.
 * 3: the commands with CMD_SINCE_3. */
#ifndef RSM_APPLY_VERSION
#define RSM_APPLY_VERSION 3
#endif

/* Sessions of clients, for INFO and tests; those of proxying nodes are not counted. */
size_t rsm_session_count(const struct rsm *r);

/* A digest of everything replicated: keys, values, expiry, sessions and what they remember, settings, apply version, clock.
 * Equal indexes must have equal digests. A build that computes it from more or in another way raises the version, else a
 * rolling upgrade looks like a divergence. */
#define RSM_DIGEST_VERSION 1
uint64_t rsm_digest(const struct rsm *r);

/* Snapshots: an RDB file, version 10, that redis-server can load; AUX fields hold what is ours. */
struct rsm_snapshot_meta {
    uint64_t index, term; /* filled by rsm_snapshot_write from what is applied */
    uint64_t cluster_id;
    uint64_t members_index;
    struct slice members; /* raft_members_encode, opaque here */
    uint32_t chain;       /* checksum that the journal's first later block chains to, opaque here */
};
/* Writes the whole file through `emit`; false as soon as emit says false, or when what lies in memory is not what was
 * put there any more. Reads the state only: may run in a
 * forked child. To be installed elsewhere it has to be the state right after a CHECKPOINT: the versions of
 * single keys are not in it. */
bool rsm_snapshot_write(struct rsm *r, const struct rsm_snapshot_meta *meta,
                        bool (*emit)(void *arg, const void *data, size_t len), void *arg);
/* The same file without what is ours: functions and keys, as stock Redis would write it; without `keys` functions alone. */
bool rsm_dump_write(struct rsm *r, bool keys, bool (*emit)(void *arg, const void *data, size_t len),
                    void *arg);
/* Loading, fed in pieces so that the caller's loop goes on between them. A failed load leaves nothing behind:
 * the loader builds a new rsm, which the caller puts in the old one's place after `finish`. A file of stock
 * Redis loads too (meta.index is then 0). */
struct rsm_loader;
struct rsm_loader *rsm_loader_new(void);
bool rsm_loader_feed(struct rsm_loader *l,
                     struct slice piece); /* false: damaged or not understood; rsm_loader_error says why */
const char *rsm_loader_error(const struct rsm_loader *l);
/* NULL: the file was not complete (a wrong checksum is found by feed). Frees the loader. meta's slices point
 * into *keep. */
struct rsm *rsm_loader_finish(struct rsm_loader *l, struct rsm_snapshot_meta *meta, struct buf *keep);
void rsm_loader_free(struct rsm_loader *l);

#endif
