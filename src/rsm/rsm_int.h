/* Private to rsm/.
 *
 * Invariants
 *  - State changes in rsm_apply, rsm_skip and the loader, nowhere else. What changes depends on the entry and
 * on the state alone.
 *  - A payload is parsed and judged in full before anything moves; one that is refused as unknown leaves no
 * trace.
 *  - stamp_ms never falls. Before an entry runs, due keys and due sessions go, a bounded number of each.
 *  - Sessions stand in the order of their last use, which is also the order in which they expire. A due
 * session that the bound has left standing is treated as gone by whoever looks it up.
 *  - A session's `low` only rises, and no number below it is ever run: whatever was forgotten is below it.
 *
 * The payload of a DATA entry. Integers of fixed width are little-endian, `v` is a varint (LEB128, shortest
 * form only), `b` a varint length and its bytes:
 *
 *     0   u8   kind (enum rsm_kind)
 *     1   u8   bits 0-1 numbering, bit 2 may_open, bit 3 may wait, bit 4 out of memory, the others 0
 *     2   u64  stamp_ms
 *    10   u64  chance
 *    18   v    request_id
 *         b    client_id
 *         b    user
 *         v    session    only RSM_SESSION_NUMBER
 *         v    lowest     only RSM_PROXY_NUMBER
 *         v    asker      } only of a COMMAND that may wait
 *         v    until_ms   }
 *         u8   resp: 2 or 3           } from here on: what is asked, the part that the hash
 *         v    db                     } of a numbered request covers
 *    FOUND       u64 cluster_id, u64 seed.k0, u64 seed.k1, v n, n x (b name, b value), both with their final
 * NUL COMMAND     v argc >= 1, argc x b EXEC        v n, n x (v db, b key, v version), v commands, commands x
 * (v db, v argc >= 1, argc x b) SESSION     b id CLOCK       nothing CHECKPOINT  v node SETTING     v argc
 * (even, >= 2), argc x b EVICT       v n, n x (v db, b key, v version) VERSION     v version
 *    UNBLOCK  v claim, v node, v why
 *    ACL      v argc >= 1, argc x b
 */
#ifndef RSM_RSM_INT_H
#define RSM_RSM_INT_H

#include "base/dict.h"
#include "base/list.h"
#include "rsm/blocked.h"
#include "rsm/libraries.h"
#include "rsm/rsm.h"
#include "rsm/scripts.h"

#define ENTRY_STAMP_AT    2
#define ENTRY_CHANCE_AT   10
#define ENTRY_HEADER_SIZE 18
#define ENTRY_MAY_WAIT    8u  /* the flag's bit */
#define ENTRY_OOM         16u /* likewise */

/* Bounds of what one entry does beside its own work. */
#define EXPIRE_KEYS_PER_ENTRY     100
#define EXPIRE_SESSIONS_PER_ENTRY 16
#define SWEEP_PER_ENTRY           256
#define TIMEOUTS_PER_ENTRY        100

/* Arrays that parsing fills. rsm_apply reuses one set, so a command allocates nothing on its way in. */
struct rsm_arrays {
    struct slice *argv;
    uint32_t *counts, *dbs;
    struct rsm_watch *watches;
    const char **settings;
    size_t argv_cap, command_cap, watch_cap, setting_cap;
};
void rsm_arrays_deinit(struct rsm_arrays *a);
/* out's arrays are those of `a` and live as long as its next use. `asked`: the part of the payload that a
 * numbered request's hash covers. false: malformed. */
bool rsm_entry_parse(struct slice payload, struct rsm_arrays *a, struct rsm_decoded *out,
                     struct slice *asked);
/* The key of most commands: argv[1]. false: none to be seen at a glance. */
bool rsm_entry_glance(struct slice payload, uint32_t *db, struct slice *key);

/* settings.c */
enum {
    SETTING_SESSION_WINDOW,
    SETTING_SESSION_TIMEOUT,
    SETTING_SESSION_MAX,
    SETTING_MAX_BULK,
    SETTING_DATABASES,
    SETTING_MAXMEMORY,
    SETTING_MAXMEMORY_POLICY,
    SETTING_READ_MODE,
    SETTING_EVENTS, /* from here on: since apply version 3 */
    SETTING_LIST_SIZE,
    SETTING_HASH_ENTRIES,
    SETTING_HASH_VALUE,
    SETTING_INTSET_ENTRIES,
    SETTING_ZSET_ENTRIES,
    SETTING_ZSET_VALUE,
    SETTING_STREAM_BYTES,
    SETTING_STREAM_ENTRIES,
    SETTING_HLL_SPARSE,
    SETTING_ACL_PUBSUB,
    SETTING_SCRIPT_STEPS,
    SETTING_SCRIPT_MEMORY,
    SETTING_COUNT
};
struct rsm_settings {
    uint64_t value[SETTING_COUNT]; /* a choice: its place in the list of choices */
    char text[SETTING_COUNT][24];
};
void rsm_settings_init(struct rsm_settings *s);
/* The setting's place in the table, SETTING_COUNT: unknown. */
size_t rsm_setting_find(struct slice name);
/* false: rsm_setting_check would not take it; nothing changed. */
bool rsm_setting_put(struct rsm_settings *s, size_t which, struct slice value);
bool rsm_setting_fixed(size_t which); /* only founding sets it */
uint64_t rsm_settings_digest(const struct rsm_settings *s);
void rsm_settings_limits(const struct rsm_settings *s, struct store_limits *out);

/* events.c: letters to bits and back; `text` has room for a setting. NULL: fine, else what is wrong. */
const char *rsm_events_parse(struct slice text, uint64_t *out);
void rsm_events_print(uint64_t bits, char *text);
/* What the store says goes to the commands that wait, and to who listens. */
void rsm_heard(void *arg, enum store_event_class class, const char *event, uint32_t db, struct slice key);
/* After the settings or the listener have changed. */
void rsm_events_refresh(struct rsm *r);

/* session.c: the table. */
struct rsm_session {
    struct list in_use_order; /* first, see list_entry */
    uint64_t name;            /* index of the opening entry */
    uint64_t low, top;        /* lowest number that may still run or be answered; highest one seen */
    uint64_t used_ms;
    struct rsm_slot *slots; /* numbers that ran, rising: slots[first] .. slots[first + count - 1] */
    size_t first, count, cap;
    uint64_t identity;    /* hash of name, user and id */
    uint64_t slot_digest; /* sum over the slots */
    uint64_t digest;      /* what this session adds to the table's */
    bool proxy;
    uint32_t user_len, id_len;
    char text[]; /* user, then id */
};
struct rsm_sessions {
    struct hash_seed seed;
    struct dict *by_key, *by_name;
    struct list in_use_order; /* least recently used first */
    size_t clients;           /* without the proxies */
    uint64_t digest;
    struct buf key; /* scratch */
};
void rsm_sessions_init(struct rsm_sessions *t, struct hash_seed seed);
void rsm_sessions_deinit(struct rsm_sessions *t);
/* NULL: none. Whether it is due is for the caller to ask. */
struct rsm_session *rsm_session_by_key(struct rsm_sessions *t, bool proxy, struct slice user,
                                       struct slice id);
struct rsm_session *rsm_session_by_name(const struct rsm_sessions *t, uint64_t name);
struct rsm_session *rsm_session_open(struct rsm_sessions *t, uint64_t name, bool proxy, struct slice user,
                                     struct slice id, uint64_t first_number, uint64_t now_ms);
void rsm_session_close(struct rsm_sessions *t, struct rsm_session *s);
void rsm_session_touch(struct rsm_sessions *t, struct rsm_session *s, uint64_t now_ms);
void rsm_sessions_expire(struct rsm_sessions *t, uint64_t now_ms, uint64_t timeout_ms, size_t limit);
struct slice rsm_session_user(const struct rsm_session *s);
struct slice rsm_session_id(const struct rsm_session *s);

/* session_window.c: what one session remembers. */
#define REPLY_MAX    4096       /* a longer reply is remembered as done */
#define PROXY_WINDOW 65536      /* a proxy that leaves more unanswered loses the oldest */
#define REPLY_SMALL  16         /* kept without an allocation */
#define REPLY_DONE   UINT32_MAX /* rsm_slot.len of a reply that was too long */
struct rsm_slot {
    uint64_t number, hash, digest;
    union {
        char small[REPLY_SMALL];
        char *big;
    } reply;
    uint32_t len;
};
struct rsm_slot *rsm_window_find(struct rsm_session *s, uint64_t number); /* NULL: did not run */
/* Remembers that `number` ran; the number is not yet in the window and not below `low`. */
void rsm_window_add(struct rsm_sessions *t, struct rsm_session *s, uint64_t number, uint64_t hash,
                    struct slice reply, bool done);
/* Forgets every number below `low`, if that is higher than before. */
void rsm_window_trim(struct rsm_sessions *t, struct rsm_session *s, uint64_t low);
struct slice rsm_slot_reply(const struct rsm_slot *slot);
void rsm_window_free(struct rsm_session *s);
void rsm_session_sum(struct rsm_sessions *t, struct rsm_session *s); /* brings both digests up to date */

/* session_apply.c: the rules. */
void rsm_apply_session(struct rsm *r, uint64_t index, const struct rsm_request *q, struct buf *reply,
                       struct rsm_result *result);
void rsm_apply_numbered(struct rsm *r, uint64_t index, const struct rsm_decoded *d, struct slice asked,
                        struct buf *reply, struct rsm_result *result);
/* What clients ask for. To open or resume a session twice does no harm; the other kinds are the leader's own. */
bool rsm_is_numbered(const struct rsm_request *q);

/* session_apply.c: a numbered command that waited has its reply now. */
void rsm_remember(struct rsm *r, uint64_t session, uint64_t number, uint64_t hash, struct slice reply);

/* blocked_apply.c: what entries do with them. */
void rsm_block(struct rsm *r, uint64_t index, const struct rsm_request *q, const struct command_wait *wait,
               struct buf *reply, struct rsm_result *result);
void rsm_unblock(struct rsm *r, const struct rsm_request *q, struct buf *reply);
void rsm_blocked_time_out(struct rsm *r); /* whose time is up */
void rsm_blocked_ready(struct rsm *r,
                       uint64_t index); /* after a command: looks at the keys that it touched */
void rsm_blocked_serve(struct rsm *r, uint64_t index, uint64_t chance); /* at the end of an entry */
void rsm_blocked_new_term(struct rsm *r);

/* session_save.c: one session as bytes in a snapshot. load false: malformed or there already. */
void rsm_session_save(const struct rsm_session *s, struct buf *out);
bool rsm_session_load(struct rsm_sessions *t, struct slice bytes);

/* snapshot_save.c, snapshot_load.c. Opcodes of Redis's rdb.h. */
#define SNAPSHOT_FORMAT 1
#define RDB_STRING_MAX  ((uint64_t)1 << 40) /* a longer one is damage */
enum {
    RDB_OP_FUNCTION2 = 245,
    RDB_OP_FUNCTION = 246,
    RDB_OP_MODULE_AUX = 247,
    RDB_OP_IDLE = 248,
    RDB_OP_FREQ = 249,
    RDB_OP_AUX = 250,
    RDB_OP_RESIZEDB = 251,
    RDB_OP_EXPIRETIME_MS = 252,
    RDB_OP_EXPIRETIME = 253,
    RDB_OP_SELECTDB = 254,
    RDB_OP_EOF = 255
};

/* users.c */
bool rsm_acl_understood(const struct rsm_request *q);
void rsm_apply_acl(struct rsm *r, uint64_t index, const struct rsm_request *q, struct buf *reply);
bool rsm_is_requirepass(struct slice name);
/* NULL: it has the form that an entry holds; else what is wrong. */
const char *rsm_requirepass_check(struct slice value);
void rsm_requirepass_set(struct rsm *r, struct slice value);
void rsm_user_save(const struct acl_user *u, struct buf *out);
bool rsm_user_load(struct rsm *r, struct slice bytes);

/* evict.c */
void rsm_evict(struct rsm *r, uint64_t index, const struct rsm_request *q);
/* After the policy or the store has changed. */
void rsm_evict_refresh(struct rsm *r);

/* written.c: only where listener.written is there. A unit is what is one transaction for replicas of Redis. */
void rsm_unit_begins(struct rsm *r);
void rsm_unit_ends(struct rsm *r);
void rsm_written_heard(struct rsm *r, enum store_event_class class, const char *event, uint32_t db,
                       struct slice key);
void rsm_written_evicted(struct rsm *r, uint32_t db, struct slice key);
/* It has just run; its reply begins at reply_at. */
void rsm_written_command(struct rsm *r, const struct command *row, const struct command_context *c,
                         size_t reply_at);
void rsm_written_entry(struct rsm *r); /* it is over */

/* exec.c */
/* Runs it for a key that is ready; false: it waits on, and nothing has changed. */
bool rsm_run_blocked(struct rsm *r, uint64_t index, uint64_t chance, const struct blocked *w,
                     struct slice key, struct buf *reply);
void rsm_run_command(struct rsm *r, uint64_t index, const struct rsm_decoded *d, struct buf *reply,
                     struct rsm_result *result);
void rsm_run_exec(struct rsm *r, uint64_t index, const struct rsm_decoded *d, struct buf *reply,
                  struct rsm_result *result);
/* Of a queued command that changes settings or users: what it asks for. false: it is none. */
bool rsm_queued_change(const struct slice *argv, size_t argc, struct rsm_request *out);
/* apply.c */
void rsm_change_settings(struct rsm *r, const struct rsm_request *q, struct buf *reply,
                         struct rsm_result *result);

/* script_commands.c, script_call.c: what a script's calls have in common, as the host of script/. */
struct rsm_caller {
    struct rsm *r;
    struct command_context *c; /* of the command that runs the script */
    uint32_t db;               /* SELECT in a script is the script's own */
    unsigned flags;            /* as it has declared */
    bool read_only, wrote;
    bool changed;         /* called what takes an entry */
    bool passed_error;    /* it has ended, with the error of a command */
    const char *function; /* NULL: a script */
};
bool rsm_script_call(void *host, const struct slice *argv, size_t argc, int resp, struct buf *reply,
                     bool *error);
int rsm_script_permits(void *host, const struct slice *argv, size_t argc);
void rsm_script_log(void *host, int level, struct slice line);
bool rsm_script_pulse(void *host);
bool rsm_script_tell(const struct rsm_caller *caller, enum rsm_script_phase phase);
void rsm_script_command(void *arg, struct command_context *c);
/* What a command has found to be run. */
struct rsm_program {
    struct slice code;
    const struct library *library;      /* NULL: a script */
    const struct stored_script *script; /* NULL: not one of those that are likely to come again */
    const char *name;
    unsigned flags;
    bool called_to_read;
    size_t keys;
};
/* The number of keys, argv[2]. false: the error was appended; `no_number` if it is none. */
bool rsm_script_keys(struct command_context *c, const char *no_number, size_t *keys);
/* Did it call what takes an entry? */
bool rsm_run_program(struct rsm *r, struct command_context *c, const struct rsm_program *p);

/* function_commands.c */
void rsm_fcall(struct rsm *r, struct command_context *c);
bool rsm_fcall_reads(const struct rsm *r, const struct slice *argv);
void rsm_function_command(struct rsm *r, struct command_context *c);
/* snapshot_save.c: all libraries, as they stand in an RDB file. */
void rsm_put_libraries(const struct rsm *r, struct buf *out);
/* exec.c: TIME's reply. */
void rsm_reply_time(uint64_t now_ms, struct buf *out);

/* apply.c: runs a parsed entry, whatever its number. */
void rsm_run(struct rsm *r, uint64_t index, const struct rsm_decoded *d, struct buf *reply,
             struct rsm_result *result);

struct rsm {
    struct store *store;
    struct rsm_sessions sessions;
    struct blocked_table blocked;
    struct scripts scripts;
    struct libraries libraries;
    struct command_scripts script_door; /* what commands know of it */
    struct rsm_settings settings;
    struct acl *acl;
    bool acl_said;              /* by the log; then it is part of the state */
    struct store_limits limits; /* those of the settings that the store goes by */
    uint64_t applied, applied_term;
    uint64_t stamp_ms;
    uint64_t cluster_id;
    uint64_t apply_version;
    struct hash_seed seed;
    struct rsm_arrays arrays;
    struct store_listener inner;  /* this machine itself, while commands wait for keys */
    struct rsm_listener listener; /* all zero: nobody listens */
    struct store_listener ear;    /* the part of it that the store knows */
    unsigned listens;             /* to these, whatever the setting says */
    unsigned listening;           /* what it is told */
    bool in_unit, changed;        /* written.c: something has, and is not written yet */
};

static inline struct store_view rsm_write_view(struct rsm *r, uint64_t index, uint32_t db)
{
    struct store_view view = rsm_view(r, r->stamp_ms, db);
    view.index = index;
    view.writing = true;
    return view;
}
static inline uint64_t rsm_session_timeout_ms(const struct rsm *r)
{
    return r->settings.value[SETTING_SESSION_TIMEOUT] * 1000;
}
/* A finaliser of 64 bits: every bit of the input moves every bit of the output (the constants are
 * MurmurHash3's). */
static inline uint64_t rsm_mix(uint64_t h, uint64_t v)
{
    h ^= v + 0x9e3779b97f4a7c15u + (h << 6) + (h >> 2);
    h ^= h >> 33;
    h *= 0xff51afd7ed558ccdu;
    h ^= h >> 33;
    h *= 0xc4ceb9fe1a85ec53u;
    return h ^ (h >> 33);
}

#endif
