/* CONFIG. Local directives change at once; replicated ones go the way of a write. A CONFIG SET of both kinds is checked
 * as a whole first, and changes what is this node's when the write is answered. */
#include <stdio.h>
#include <sys/resource.h>

#include "base/alloc.h"
#include "base/glob.h"
#include "base/log.h"
#include "server/users.h"

/* Is its value the log's? requirepass is one of the users' passwords, which are; what the file is to say of it changes here. */
static bool is_entry(struct slice name)
{
    return config_is_replicated(name) || slice_is_word(name, "requirepass");
}

/* The default user's password, if it has one and one only: what CONFIG SET of it gave. */
static void get_password(const struct server *s, struct buf *out)
{
    const struct acl_user *u = acl_find(s->users, SLICE_LITERAL("default"));
    if (acl_password_count(u) != 1)
        return;
    buf_append_cstr(out, RSM_HASH_PREFIX);
    buf_append_slice(out, acl_password_hex(u, 0));
}

static void get_value(struct server *s, const char *name, struct buf *out)
{
    if (strcmp(name, "requirepass") == 0) {
        get_password(s, out);
        return;
    }
    const char *text =
        s->node && config_is_replicated(slice_cstr(name)) ? rsm_setting(node_rsm(s->node), name) : NULL;
    if (text)
        buf_append_cstr(out, text);
    else
        config_get(s->config, name, out);
}

/* What is hidden shows itself only to who calls it by its name. */
static bool is_asked(const char *name, const struct slice *argv, size_t argc)
{
    bool hidden = config_is_hidden(name);
    for (size_t i = 2; i < argc; i++)
        if (hidden ? slice_is_word(argv[i], name) : glob_match(argv[i], slice_cstr(name), true))
            return true;
    return false;
}

static void config_get_command(struct client *c, const struct slice *argv, size_t argc, struct buf *out)
{
    size_t count = 0;
    const char *name;
    for (size_t at = 0; (name = config_next_name(&at));)
        count += is_asked(name, argv, argc);
    resp_map(out, c->resp, count);
    struct buf value = BUF_EMPTY;
    for (size_t at = 0; (name = config_next_name(&at));) {
        if (!is_asked(name, argv, argc))
            continue;
        buf_truncate(&value, 0);
        get_value(c->server, name, &value);
        resp_bulk_cstr(out, name);
        resp_bulk(out, buf_slice(&value));
    }
    buf_deinit(&value);
}

static void set_failed(struct buf *out, struct slice name, struct slice reason)
{
    resp_errorf(out, "ERR CONFIG SET failed (possibly related to argument '%.*s') - %.*s", (int)name.len,
                name.data, (int)reason.len, reason.data);
}

/* Nothing would change: also what is immutable may be set to what it is. */
static bool is_set_to(const struct server *s, struct slice name, struct slice value)
{
    char text[128];
    struct buf now = BUF_EMPTY;
    snprintf(text, sizeof text, "%.*s", (int)name.len, name.data);
    bool same = config_get(s->config, text, &now) && slice_equal(buf_slice(&now), value);
    buf_deinit(&now);
    return same;
}

/* What needs no trying: unknown, twice, immutable, a replicated value out of bounds. */
static bool check_set(const struct server *s, const struct slice *argv, size_t argc, struct buf *out)
{
    for (size_t i = 2; i < argc; i += 2) {
        if (config_is_known(argv[i]))
            continue;
        resp_errorf(out, "ERR Unknown option or number of arguments for CONFIG SET - '%.*s'",
                    (int)argv[i].len, argv[i].data);
        return false;
    }
    for (size_t i = 2; i < argc; i += 2) {
        const char *wrong = NULL;
        if (!config_is_mutable(argv[i]) && !is_set_to(s, argv[i], argv[i + 1]))
            wrong = "can't set immutable config";
        else if (config_is_replicated(argv[i]))
            wrong = rsm_setting_check(config_replicated_name(argv[i]), argv[i + 1]);
        for (size_t k = 2; k < i && !wrong; k += 2)
            if (argv[k].len == argv[i].len && strncasecmp(argv[k].data, argv[i].data, argv[i].len) == 0)
                wrong = "duplicate parameter";
        if (wrong) {
            set_failed(out, argv[i], slice_cstr(wrong));
            return false;
        }
    }
    return true;
}

/* CONFIG SET's side effects, by name. */
static void apply_set(struct server *s)
{
    log_set_level((enum log_level)s->config->loglevel);
    if (s->node)
        node_set_tracing(s->node, s->config->loglevel == LOG_DEBUG);
}

int64_t server_grant_clients(int64_t wanted)
{
    struct rlimit limit;
    rlim_t needed = (rlim_t)wanted + SERVER_RESERVED_FDS;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= needed)
        return wanted;
    struct rlimit more = {.rlim_cur = needed, .rlim_max = limit.rlim_max > needed ? limit.rlim_max : needed};
    if (setrlimit(RLIMIT_NOFILE, &more) == 0)
        return wanted;
    more = (struct rlimit){.rlim_cur = limit.rlim_max, .rlim_max = limit.rlim_max};
    if (setrlimit(RLIMIT_NOFILE, &more) < 0)
        more = limit;
    int64_t left = (int64_t)more.rlim_cur - SERVER_RESERVED_FDS;
    return left > 0 ? left : 1;
}

/* Is it this node's, and to be set? What is immutable may be given as it is. */
static bool is_local(struct slice name)
{
    return !config_is_replicated(name) && config_is_mutable(name);
}

static bool set_one(struct server *s, struct slice name, struct slice value, struct buf *reason)
{
    if (!config_set(s->config, name, &value, 1, false, reason))
        return false;
    int64_t wanted = s->config->maxclients, granted = wanted;
    if (slice_is_word(name, "maxclients"))
        granted = server_grant_clients(wanted);
    if (granted < wanted)
        buf_printf(
            reason,
            "The operating system is not able to handle the specified number of clients, try with %lld",
            (long long)granted);
    return granted >= wanted;
}

/* Appends the local ones, each name with its value: what is asked for, or what it is `now`. */
static void put_local(const struct server *s, const struct slice *argv, size_t argc, bool now,
                      struct buf *pairs)
{
    struct buf value = BUF_EMPTY;
    for (size_t i = 2; i < argc; i += 2) {
        char text[128];
        if (!is_local(argv[i]))
            continue;
        snprintf(text, sizeof text, "%.*s", (int)argv[i].len, argv[i].data);
        buf_truncate(&value, 0);
        if (now)
            config_get(s->config, text, &value);
        put_bytes(pairs, argv[i]);
        put_bytes(pairs, now ? buf_slice(&value) : argv[i + 1]);
    }
    buf_deinit(&value);
}

/* Sets what has been tried before. */
static void set_pairs(struct server *s, struct slice pairs)
{
    struct reader r = reader_of(pairs);
    struct buf ignored = BUF_EMPTY;
    while (reader_left(&r)) {
        struct slice name = get_bytes(&r), value = get_bytes(&r);
        config_set(s->config, name, &value, 1, false, &ignored);
    }
    buf_deinit(&ignored);
    apply_set(s);
}

/* Sets the local ones, all or none; those of them that are to be set `later` are only tried. */
static bool set_local(struct server *s, const struct slice *argv, size_t argc, bool later, struct buf *out)
{
    struct buf reason = BUF_EMPTY, before = BUF_EMPTY;
    bool ok = true;
    put_local(s, argv, argc, true, &before);
    for (size_t i = 2; ok && i < argc; i += 2) {
        ok = !is_local(argv[i]) || set_one(s, argv[i], argv[i + 1], &reason);
        if (!ok)
            set_failed(out, argv[i], buf_slice(&reason));
    }
    if (!ok || later)
        set_pairs(s, buf_slice(&before));
    apply_set(s);
    buf_deinit(&before);
    buf_deinit(&reason);
    return ok;
}

void config_set_answered(struct server *s, const struct slot *slot, struct slice reply)
{
    if (reply.len == 0 || reply.data[0] != '-')
        set_pairs(s, buf_slice(&slot->bytes));
}

/* Appends what the entry is to have of it, slot_pack's form without the number of words, which is returned. */
static size_t put_entry_words(const struct slice *argv, size_t argc, struct buf *words)
{
    size_t count = 0;
    for (size_t i = 2; i < argc; i += 2) {
        char hash[sizeof RSM_HASH_PREFIX + 64] = RSM_HASH_PREFIX;
        bool hides = slice_is_word(argv[i], "requirepass") && argv[i + 1].len;
        if (!is_entry(argv[i]))
            continue;
        if (hides)
            config_hash_password(argv[i + 1], hash + sizeof RSM_HASH_PREFIX - 1);
        put_bytes(words, argv[i]);
        put_bytes(words, hides ? slice_cstr(hash) : argv[i + 1]);
        count += 2;
    }
    return count;
}

static bool sets_password(const struct slice *argv, size_t argc)
{
    for (size_t i = 2; i < argc; i += 2)
        if (slice_is_word(argv[i], "requirepass"))
            return true;
    return false;
}

/* This node's part waits in the slot for the answer to the entry: what is refused, here or by the leader, changes nothing. */
static void set_replicated(struct client *c, const struct slice *argv, size_t argc)
{
    struct buf words = BUF_EMPTY;
    size_t count = put_entry_words(argv, argc, &words);
    struct slice *pairs = mem_alloc((count + 1) * sizeof *pairs);
    struct reader r = reader_of(buf_slice(&words));
    for (size_t i = 0; i < count; i++)
        pairs[i] = get_bytes(&r);
    if (sets_password(argv, argc) && route_takes_writes(c))
        users_begin(c->server);
    uint32_t open_before = c->writes_open;
    struct rsm_request req = {.kind = RSM_SETTING, .resp = c->resp, .argv = pairs, .argc = count};
    c->wait_asked =
        route_write(c, command_lookup(SLICE_LITERAL("config")), &req, KIND_SETTING, 0, false) == WAIT;
    if (c->writes_open != open_before)
        put_local(c->server, argv, argc, false, &slot_at(c, c->tail - 1)->bytes);
    mem_free(pairs);
    buf_deinit(&words);
}

static size_t count_entries(const struct slice *argv, size_t argc)
{
    size_t count = 0;
    for (size_t i = 2; i + 1 < argc; i += 2)
        count += is_entry(argv[i]);
    return count;
}

bool config_is_change(const struct slice *argv, size_t argc)
{
    return slice_is_word(argv[1], "set") && count_entries(argv, argc) > 0;
}

bool config_change_words(struct client *c, const struct slice *argv, size_t argc, struct slice head,
                         struct buf *words, struct buf *out)
{
    if (argc % 2) {
        resp_error(out, "ERR syntax error");
        return false;
    }
    if (!check_set(c->server, argv, argc, out))
        return false;
    if (count_entries(argv, argc) != (argc - 2) / 2) {
        resp_error(out, "ERR CONFIG SET of the cluster's settings and this node's together is not possible "
                        "inside a transaction");
        return false;
    }
    struct buf pairs = BUF_EMPTY;
    put_varint(words, 1 + put_entry_words(argv, argc, &pairs));
    put_bytes(words, head);
    buf_append_slice(words, buf_slice(&pairs));
    buf_deinit(&pairs);
    if (sets_password(argv, argc))
        users_begin(c->server);
    return true;
}

static void config_set_command(struct client *c, const struct slice *argv, size_t argc, struct buf *out)
{
    bool replicated = count_entries(argv, argc) > 0;
    if (argc % 2)
        resp_error(out, "ERR syntax error");
    else if (!check_set(c->server, argv, argc, out) || !set_local(c->server, argv, argc, replicated, out))
        return;
    else if (!replicated)
        resp_simple(out, "OK");
    else if (!c->server->node)
        resp_error(out, "LOADING Redis is loading the dataset in memory");
    else
        set_replicated(c, argv, argc);
}

static void config_help(struct buf *out)
{
    static const char *const lines[] = {
        "CONFIG <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
        "GET <pattern>",
        "    Return parameters matching the glob-like <pattern> and their values.",
        "SET <directive> <value>",
        "    Set the configuration <directive> to <value>.",
        "RESETSTAT",
        "    Reset statistics reported by the INFO command.",
        "REWRITE",
        "    Rewrite the configuration file.",
        "HELP",
        "    Print this help.",
    };
    reply_lines(out, lines, sizeof lines / sizeof lines[0]);
}

void config_command(struct client *c, const struct slice *argv, size_t argc, struct buf *out)
{
    if (slice_is_word(argv[1], "get")) {
        config_get_command(c, argv, argc, out);
    } else if (slice_is_word(argv[1], "set")) {
        config_set_command(c, argv, argc, out);
    } else if (slice_is_word(argv[1], "resetstat")) {
        stats_reset(c->server);
        resp_simple(out, "OK");
    } else if (slice_is_word(argv[1], "rewrite")) {
        struct buf reason = BUF_EMPTY;
        if (config_rewrite(c->server->config, &reason))
            resp_simple(out, "OK");
        else
            resp_errorf(out, "ERR %.*s", (int)reason.len, reason.data);
        buf_deinit(&reason);
    } else {
        config_help(out);
    }
}
