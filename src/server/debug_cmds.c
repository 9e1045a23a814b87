/* DEBUG: what tests need, Redis's and our own. What is about the data looks at this node's state as it is. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/checksum.h"
#include "base/log.h"
#include "base/number.h"
#include "server/server_int.h"
#include "store/rdb.h"

/* DEBUG KVORUM-LINK <node-id|*> cut|heal|drop <permille> [delay <ms>] */
static void debug_link(struct client *c, const struct slice *argv, size_t argc, struct buf *out)
{
    struct server *s = c->server;
    uint64_t peer = 0;
    bool cut = false;
    int64_t drop = 0, delay_ms = 0;
    bool ok = argc >= 4 && s->hooks.link_fault;
    if (ok && !slice_equal(argv[2], SLICE_LITERAL("*")))
        ok = node_id_parse(argv[2], &peer);
    for (size_t i = 3; ok && i < argc; i++) {
        if (slice_is_word(argv[i], "cut"))
            cut = true;
        else if (slice_is_word(argv[i], "heal"))
            cut = false;
        else if (slice_is_word(argv[i], "drop") && i + 1 < argc)
            ok = parse_i64(argv[++i], &drop) && drop >= 0 && drop <= 1000;
        else if (slice_is_word(argv[i], "delay") && i + 1 < argc)
            ok = parse_i64(argv[++i], &delay_ms) && delay_ms >= 0 && delay_ms <= 60000;
        else
            ok = false;
    }
    if (!ok) {
        resp_error(out, "ERR DEBUG KVORUM-LINK <node-id|*> cut|heal|drop <permille> [delay <ms>]");
        return;
    }
    s->hooks.link_fault(s->hooks.arg, peer, cut, (uint32_t)drop, (uint32_t)delay_ms);
    resp_simple(out, "OK");
}

/* What has to be equal on all nodes: the data, and sessions, settings and the clock. */
static void debug_kvorum_digest(struct client *c, const struct slice *argv, size_t argc, struct buf *out)
{
    (void)argv, (void)argc;
    char text[24];
    snprintf(text, sizeof text, "%016" PRIx64, rsm_digest(node_rsm(c->server->node)));
    resp_simple(out, text);
}

/* Forty digits, as Redis's have. */
static void put_digest(struct buf *out, uint64_t digest)
{
    char text[48];
    snprintf(text, sizeof text, "%016" PRIx64 "%024d", digest, 0);
    resp_simple(out, text);
}

static void debug_digest(struct client *c, const struct slice *argv, size_t argc, struct buf *out)
{
    (void)argv, (void)argc;
    put_digest(out, store_digest(rsm_store(node_rsm(c->server->node))));
}

static struct store_key *find(struct client *c, struct slice key)
{
    struct rsm *rsm = node_rsm(c->server->node);
    struct store_view view = rsm_view(rsm, rsm_stamp_ms(rsm), c->db);
    return store_find(&view, key);
}

static void debug_digest_value(struct client *c, const struct slice *argv, size_t argc, struct buf *out)
{
    struct buf value = BUF_EMPTY;
    resp_array(out, argc - 2);
    for (size_t i = 2; i < argc; i++) {
        struct store_key *k = find(c, argv[i]);
        buf_truncate(&value, 0);
        if (k) {
            put_u8(&value, (uint8_t)store_rdb_type(k));
            store_rdb_save(k, &(struct rdb_out){.buf = &value});
        }
        put_digest(out, k ? crc64(0, value.data, value.len) : 0);
    }
    buf_deinit(&value);
}

static void debug_object(struct client *c, const struct slice *argv, size_t argc, struct buf *out)
{
    (void)argc;
    struct store_key *k = find(c, argv[2]);
    if (!k) {
        resp_error(out, "ERR no such key");
        return;
    }
    struct buf value = BUF_EMPTY;
    char text[160];
    store_rdb_save(k, &(struct rdb_out){.buf = &value});
    snprintf(text, sizeof text,
             "Value at:%p refcount:1 encoding:%s serializedlength:%zu lru:0 lru_seconds_idle:0", (void *)k,
             store_key_encoding(k), value.len);
    resp_simple(out, text);
    buf_deinit(&value);
}

static void put_unknown(const struct slice *argv, struct buf *out)
{
    resp_errorf(out, "ERR unknown subcommand or wrong number of arguments for '%.*s'. Try DEBUG HELP.",
                (int)argv[1].len, argv[1].data);
}

static bool is_in_transaction(const struct client *c, const char *what, struct buf *out)
{
    if (c->in_exec)
        resp_errorf(out, "ERR DEBUG %s is not allowed inside a transaction", what);
    return c->in_exec;
}

static bool is_empty(const struct server *s)
{
    struct rsm *rsm = node_rsm(s->node);
    return store_count_all(rsm_store(rsm)) + rsm_script_counts(rsm).libraries == 0;
}

/* What was saved is what is there, so whatever there is meets itself. NULL: it can be done, and all is as it was. */
static const char *reload_objection(const struct server *s, const struct slice *argv, size_t argc)
{
    bool merge = false, flush = true, save = true;
    for (size_t i = 2; i < argc; i++) {
        if (slice_is_word(argv[i], "merge"))
            merge = true;
        else if (slice_is_word(argv[i], "noflush"))
            flush = false;
        else if (slice_is_word(argv[i], "nosave"))
            save = false;
        else
            return "ERR DEBUG RELOAD only supports the MERGE, NOFLUSH and NOSAVE options.";
    }
    if (!save)
        return "ERR with NOSAVE this node would have another state than the others";
    return flush || merge || is_empty(s) ? NULL : "ERR Error trying to load the RDB dump";
}

/* Redis writes its file and loads that; with its log it does the same, there it is another file. */
static void debug_reload(struct client *c, const struct slice *argv, size_t argc, struct buf *out)
{
    const char *wrong = reload_objection(c->server, argv, argc);
    if (is_in_transaction(c, "RELOAD", out))
        return;
    if (wrong) {
        resp_error(out, wrong);
        return;
    }
    uint64_t ticket = wait_begin(c, KIND_ADMIN);
    wait_end(c, node_reload(c->server->node, ticket, &c->server->error));
}

/* Keys for tests, on all nodes: an entry. */
static void debug_populate(struct client *c, const struct slice *argv, size_t argc, struct buf *out)
{
    struct rsm_request req = {.kind = RSM_COMMAND, .db = c->db, .resp = c->resp, .argv = argv, .argc = argc};
    if (argc > 5)
        put_unknown(argv, out);
    else if (!is_in_transaction(c, "POPULATE", out))
        c->wait_asked =
            route_write(c, command_lookup(SLICE_LITERAL("debug")), &req, KIND_SETTING, 0, false) == WAIT;
}

static void debug_pause_cron(struct client *c, const struct slice *argv, size_t argc, struct buf *out)
{
    (void)argc;
    c->server->cron_paused = !slice_equal(argv[2], SLICE_LITERAL("0"));
    resp_simple(out, "OK");
}

static void debug_replybuffer(struct client *c, const struct slice *argv, size_t argc, struct buf *out)
{
    (void)argc;
    if (!slice_is_word(argv[2], "resizing")) {
        resp_error(out, "ERR syntax error");
        return;
    }
    c->server->buffers_stay = slice_equal(argv[3], SLICE_LITERAL("0"));
    resp_simple(out, "OK");
}

static void debug_set_active_expire(struct client *c, const struct slice *argv, size_t argc, struct buf *out)
{
    (void)argc;
    node_set_active_expire(c->server->node, !slice_equal(argv[2], SLICE_LITERAL("0")));
    resp_simple(out, "OK");
}

static void debug_protocol(struct client *c, const struct slice *argv, size_t argc, struct buf *out)
{
    (void)argc;
    command_debug_protocol(argv[2], c->resp, out);
}

static void debug_sleep(struct client *c, const struct slice *argv, size_t argc, struct buf *out)
{
    (void)c, (void)argc;
    double seconds;
    if (!parse_double(argv[2], &seconds) || seconds < 0 || seconds > 3600) {
        resp_error(out, "ERR value is not a valid float");
        return;
    }
    usleep((useconds_t)(seconds * 1e6)); /* the whole server stands still, which is the point */
    resp_simple(out, "OK");
}

static void debug_log(struct client *c, const struct slice *argv, size_t argc, struct buf *out)
{
    (void)c, (void)argc;
    log_line(LOG_WARNING, "DEBUG LOG: %.*s", (int)argv[2].len, argv[2].data);
    resp_simple(out, "OK");
}

static void debug_error(struct client *c, const struct slice *argv, size_t argc, struct buf *out)
{
    (void)c, (void)argc;
    resp_errorf(out, "%.*s", (int)argv[2].len, argv[2].data);
}

static void debug_abort(struct client *c, const struct slice *argv, size_t argc, struct buf *out)
{
    (void)c, (void)argv, (void)argc, (void)out;
    abort();
}

/* A switch of something that is not in kvorum. */
static void debug_nothing(struct client *c, const struct slice *argv, size_t argc, struct buf *out)
{
    (void)c, (void)argv, (void)argc;
    resp_simple(out, "OK");
}

static void debug_help(struct client *c, const struct slice *argv, size_t argc, struct buf *out)
{
    static const char *const lines[] = {
        "DEBUG <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
        "ASSERT",
        "    Crash by assertion failed.",
        "DIGEST",
        "    Output a hex signature representing the current DB content.",
        "DIGEST-VALUE <key> [<key> ...]",
        "    Output a hex signature of the values of all the specified keys.",
        "ERROR <string>",
        "    Return a Redis protocol error with <string> as message.",
        "KVORUM-DIGEST",
        "    Output a signature of all that has to be equal on all nodes.",
        "KVORUM-LINK <node-id|*> cut|heal|drop <permille> [delay <ms>]",
        "    Faults of the links to the peers.",
        "LOADAOF",
        "    Like RELOAD.",
        "LOG <message>",
        "    Write <message> to the server log.",
        "OBJECT <key>",
        "    Show low level info about `key` and associated value.",
        "PANIC",
        "    Crash the server simulating a panic.",
        "PAUSE-CRON <0|1>",
        "    Stop periodic cron job processing.",
        "POPULATE <count> [<prefix>] [<size>]",
        "    Create <count> string keys named key:<num>, on all nodes. If <prefix> is specified then",
        "    it is used instead of the 'key' prefix.",
        "PROTOCOL <type>",
        "    Reply with a test value of the specified type.",
        "RELOAD [MERGE] [NOFLUSH]",
        "    Take this node's state through the bytes of a snapshot and back.",
        "REPLYBUFFER RESIZING <0|1>",
        "    Setting it to 0 keeps the buffers of clients at rest.",
        "SEGFAULT",
        "    Crash the server.",
        "SET-ACTIVE-EXPIRE <0|1>",
        "    Setting it to 0 disables expiring keys in background when they are not",
        "    accessed (otherwise the Redis behavior). Setting it to 1 reenables back the",
        "    default.",
        "SLEEP <seconds>",
        "    Stop the server for <seconds>. Decimals allowed.",
        "HELP",
        "    Print this help.",
    };
    (void)c, (void)argv, (void)argc;
    reply_lines(out, lines, sizeof lines / sizeof lines[0]);
}

static bool is_loopback_client(const struct client *c)
{
    return strncmp(c->peer, "127.", 4) == 0 || strncmp(c->peer, "[::1]", 5) == 0;
}

static const struct debug_subcommand {
    const char *name;
    int arity; /* with DEBUG and its own name; below 0: at least so many */
    handler_fn *run;
    bool needs_node;
} subcommands[] = {
    {"sleep", 3, debug_sleep, false},
    {"log", 3, debug_log, false},
    {"error", 3, debug_error, false},
    {"protocol", 3, debug_protocol, false},
    {"help", 2, debug_help, false},
    {"panic", -2, debug_abort, false},
    {"assert", 2, debug_abort, false},
    {"segfault", -2, debug_abort, false},
    {"kvorum-link", -2, debug_link, false},
    {"kvorum-digest", 2, debug_kvorum_digest, true},
    {"digest", 2, debug_digest, true},
    {"digest-value", -2, debug_digest_value, true},
    {"object", 3, debug_object, true},
    {"reload", -2, debug_reload, true},
    {"populate", -3, debug_populate, true},
    {"pause-cron", 3, debug_pause_cron, false},
    {"replybuffer", 4, debug_replybuffer, false},
    {"loadaof", 2, debug_reload, true},
    {"set-active-expire", 3, debug_set_active_expire, true},
    {"quicklist-packed-threshold", 3, debug_nothing, false},
    {"set-disable-deny-scripts", 3, debug_nothing, false},
    {"change-repl-id", 2, debug_nothing, false},
    {"jmap", -2, debug_nothing, false},
};

void debug_command(struct client *c, const struct slice *argv, size_t argc, struct buf *out)
{
    int allowed = c->server->config->debug_command;
    if (allowed == ALLOWED_NO || (allowed == ALLOWED_LOCAL && !is_loopback_client(c))) {
        resp_error(out, "ERR DEBUG command not allowed. If the enable-debug-command option is set to "
                        "\"local\", you can run "
                        "it from a local connection, otherwise you need to set this option in the "
                        "configuration file, and "
                        "then restart the server.");
        return;
    }
    for (size_t i = 0; i < sizeof subcommands / sizeof subcommands[0]; i++) {
        const struct debug_subcommand *sub = &subcommands[i];
        bool fits = sub->arity < 0 ? argc >= (size_t)-sub->arity : argc == (size_t)sub->arity;
        if (!fits || !slice_is_word(argv[1], sub->name))
            continue;
        if (c->server->node || !sub->needs_node)
            sub->run(c, argv, argc, out);
        else
            resp_error(out, "LOADING Redis is loading the dataset in memory");
        return;
    }
    put_unknown(argv, out);
}
