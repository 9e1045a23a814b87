/* One function a command, and the table that is the one source of truth about them: dispatch, COMMAND, the
 * compatibility table and the tests all read it. A command is (context, args) -> reply.
 *
 * Rows whose `run` is NULL are the server's own (PING, CLIENT, CLUSTER, ...): server/ has their handlers, by
 * name. */
#ifndef COMMANDS_COMMANDS_H
#define COMMANDS_COMMANDS_H

#include "base/bytes.h"
#include "base/prng.h"
#include "store/store.h"

/* Flags, in the words of COMMAND INFO. */
enum {
    CMD_WRITE = 1 << 0,
    CMD_READONLY = 1 << 1,
    CMD_DENYOOM = 1 << 2,
    CMD_ADMIN = 1 << 3,
    CMD_PUBSUB = 1 << 4,
    CMD_NOSCRIPT = 1 << 5,
    CMD_BLOCKING = 1 << 6,
    CMD_LOADING = 1 << 7,
    CMD_STALE = 1 << 8,
    CMD_SKIP_MONITOR = 1 << 9,
    CMD_SKIP_SLOWLOG = 1 << 10,
    CMD_FAST = 1 << 11,
    CMD_NO_AUTH = 1 << 12,
    CMD_MAY_REPLICATE = 1 << 13, /* COMMAND does not tell of it, as in Redis */
    CMD_MOVABLEKEYS = 1 << 14,
    CMD_NO_MULTI = 1 << 15,
    CMD_ALLOW_BUSY = 1 << 16,
    CMD_NO_ASYNC_LOADING = 1 << 17,
    CMD_PROTECTED = 1 << 18,
    CMD_NO_MANDATORY_KEYS = 1 << 19,
    CMD_ASKING = 1 << 20,
    /* Ours: touches keys of the whole database, so a reader waits until no key is due (KEYS, SCAN, DBSIZE,
       RANDOMKEY). */
    CMD_WHOLE_DB = 1 << 24,
    /* Ours: runs at apply from apply version 3 on; before, on all nodes alike, it is an unknown command. */
    CMD_SINCE_3 = 1 << 25,
    /* Ours: whether it is an entry or a read is not for its flags to say, but for the script (rsm_script_reads). */
    CMD_BY_SCRIPT = 1 << 26,
    /* Ours: counts in sessions, though it has no CMD_WRITE. */
    CMD_NUMBERED = 1 << 27,
    /* Ours: a write that often changes nothing, and can tell when it is tried (command_trial). */
    CMD_MAY_BE_IDLE = 1 << 28,
};

/* A command that finds nothing and is to wait (BLPOP, ...) says for what, and replies nothing. */
struct command_wait {
    bool waits;
    enum store_type type;        /* that one of these keys has to become: */
    size_t first_key, key_count; /* argv[first_key], ... */
    uint64_t timeout_ms;         /* 0: for ever */
    bool needs_key;              /* run again too when a key goes, or becomes another type */
    struct slice
        *argv; /* its arguments, as they are to be when it is run again, NULL: as they came; to be freed */
};

/* Who runs scripts for commands: EVAL and its kin, and SCRIPT. Appends exactly one reply, but for a read whose view's due_ms is set. */
/* A script, or a row with CMD_MAY_BE_IDLE, that is only tried, on a state that it must not change. */
struct command_trial {
    bool told;    /* asked: what it calls is told, see rsm_listener */
    bool writes;  /* it wanted to: there is no reply */
    bool stopped; /* it did not end by itself */
};
struct command_context;
struct command_scripts {
    void *arg;
    void (*run)(void *arg, struct command_context *c);
};

struct command_context {
    struct store_view view; /* store, database, time, index, writing */
    struct prng *chance;    /* seeded from the entry when writing; the server's when reading */
    int resp;               /* 2 or 3 */
    struct slice user;
    const struct slice *argv;
    size_t argc;
    struct buf *out;   /* exactly one reply is appended */
    uint64_t max_bulk; /* proto-max-bulk-len */
    /* NULL: the command must not wait (in a transaction, in a script), and answers as if it had waited in vain. */
    struct command_wait *wait;
    /* NULL: no scripts here (in a script). */
    const struct command_scripts *scripts;
    bool in_script;
    struct command_trial *trial; /* NULL: it runs for good */
    bool oom;                    /* of a script: memory was above maxmemory when it was proposed */
    /* It has waited, and this key is there now: of all its keys it looks at this one alone. `data` NULL: it has not. */
    struct slice ready;
};

typedef void command_fn(struct command_context *c);

struct command {
    const char *name; /* lower case; a subcommand's whole: "client|id" */
    command_fn *run;  /* NULL: server's */
    int arity;        /* as in Redis: negative is "at least" */
    uint32_t flags;
    int first_key, last_key, key_step;
    uint32_t categories; /* ACL categories, bits of command_category_names */
    const char *group, *since, *summary;
    const char *tips;      /* space separated, "" for none */
    const char *key_specs; /* as COMMAND INFO tells them, in the notation of key_specs.c; "" for none */
    const struct command *subcommands; /* ends with a name of NULL; NULL: none */
    /* Keys that neither first/last/step nor key_specs (MOVABLEKEYS) can tell. The indexes go to `out`, at most `max`; their
     * number, -1: syntax error. */
    int (*find_keys)(const struct slice *argv, size_t argc, int *out, int max);
    /* Of BLOCKING: do these arguments let it wait? NULL: all do. */
    bool (*waits)(const struct slice *argv, size_t argc);
    /* The flags of the key where they depend on the arguments (variable_flags in key_specs). */
    const char *(*key_flags)(const struct slice *argv, size_t argc);
};

/* ACL categories, in the order COMMAND INFO gives them. */
enum {
    CAT_KEYSPACE = 1 << 0,
    CAT_READ = 1 << 1,
    CAT_WRITE = 1 << 2,
    CAT_SET = 1 << 3,
    CAT_SORTEDSET = 1 << 4,
    CAT_LIST = 1 << 5,
    CAT_HASH = 1 << 6,
    CAT_STRING = 1 << 7,
    CAT_BITMAP = 1 << 8,
    CAT_HYPERLOGLOG = 1 << 9,
    CAT_GEO = 1 << 10,
    CAT_STREAM = 1 << 11,
    CAT_PUBSUB = 1 << 12,
    CAT_ADMIN = 1 << 13,
    CAT_FAST = 1 << 14,
    CAT_SLOW = 1 << 15,
    CAT_BLOCKING = 1 << 16,
    CAT_DANGEROUS = 1 << 17,
    CAT_CONNECTION = 1 << 18,
    CAT_TRANSACTION = 1 << 19,
    CAT_SCRIPTING = 1 << 20,
};

/* NULL: unknown. Case-insensitive, a few short compares. */
const struct command *command_lookup(struct slice name);
/* The subcommand row for argv[1], NULL when the command has none or it is unknown. */
const struct command *command_lookup_sub(const struct command *c, struct slice name);
/* The row that a request names, the subcommand's where there is one; NULL: unknown. Says nothing about arity.
 */
const struct command *command_find(const struct slice *argv, size_t argc);
/* "client" of the row "client|id", and of the row "client": what a handler registers under. */
struct slice command_base_name(const struct command *c);
/* The i-th command, i from 0; NULL at the end. The order is fixed, and no particular one. */
const struct command *command_at(size_t i);
size_t command_count(void);
bool command_arity_ok(const struct command *c, size_t argc);
/* Positions of the keys in argv; their number (0: none), -1: invalid arguments. */
int command_keys(const struct command *c, const struct slice *argv, size_t argc, int *out, int max);
/* Is it an entry of the log, reader or not, since it may have to wait? */
bool command_may_wait(const struct command *c, const struct slice *argv, size_t argc);
const char *command_flag_names(const struct command *c, size_t i);    /* i-th, NULL at the end */
const char *command_category_name(const struct command *c, size_t i); /* i-th, NULL at the end */
const char *command_category_at(size_t bit);  /* of the category 1 << bit; NULL: there are no more */
uint32_t command_category(struct slice name); /* the bit; 0: there is none of that name */
const struct command *
command_family(size_t i); /* the rows of the i-th family, up to one without name; NULL at the end */
/* What a request does with its keys, as far as ACLs ask: the value is read, or changed; neither where only its being there, its
 * type or size is told. The number of keys, of which at most `max` go to `out`; none where the arguments make no sense. */
struct command_key {
    size_t at;
    bool reads, writes;
};
size_t command_key_access(const struct command *c, const struct slice *argv, size_t argc,
                          struct command_key *out, size_t max);
/* COMMAND with its subcommands, for the server to call: needs argv, argc, resp and out of the context, no
 * store. */
void command_command(struct command_context *c);
/* DEBUG PROTOCOL kind, likewise. */
void command_debug_protocol(struct slice kind, int resp, struct buf *out);

/* Refuses what needs no state to refuse (unknown, arity): appends the error and returns NULL, else the row to
 * run: the subcommand's where there is one. */
/* Redis's error for a command that is not there. */
void command_reply_unknown(const struct slice *argv, size_t argc, struct buf *error);
const struct command *command_check(const struct slice *argv, size_t argc, struct buf *error);
/* The same when `row` is known, as command_lookup gave it for argv[0]. */
const struct command *command_check_row(const struct command *row, const struct slice *argv, size_t argc,
                                        struct buf *error);

/* What Redis would send its replicas for a command that has just run and has changed something: for most the command itself, for
 * those that go by time, by chance or by who waited what has become of it. `reply` is what it has appended. false: there are no
 * commands for it, or none with which Redis would surely do the same; the keys have to be sent. */
struct propagation {
    void *arg;
    /* `beside`: together with the one before, which is no transaction for that. Everything is good for the call. */
    void (*write)(void *arg, bool beside, uint32_t db, const struct slice *argv, size_t argc);
};
bool command_propagate(const struct command *row, const struct command_context *c, struct slice reply,
                       const struct propagation *to);

#endif
