/* CLIENT. */
#include <inttypes.h>
#include <stdio.h>

#include "base/number.h"
#include "server/caches.h"
#include "server/messages.h"
#include "server/users.h"

enum { OWN_REPLIES = 16 * 1024 };

static void put_flags(const struct client *c, struct buf *out)
{
    size_t start = out->len;
    if (replica_is_attached(c))
        put_u8(out, 'S');
    if (client_is_subscribed(c))
        put_u8(out, 'P');
    if (c->cache)
        put_u8(out, 't');
    if (c->cache && c->cache->broken)
        put_u8(out, 'R');
    if (c->cache && c->cache->broadcast)
        put_u8(out, 'B');
    if (c->txn)
        put_u8(out, 'x');
    if (c->claim || !list_empty(&c->waiting_link))
        put_u8(out, 'b');
    if (c->readonly)
        put_u8(out, 'r');
    if (c->closing)
        put_u8(out, 'c');
    if (c->doomed)
        put_u8(out, 'A');
    if (c->no_evict)
        put_u8(out, 'e');
    if (out->len == start)
        put_u8(out, 'N');
}

/* One line of CLIENT LIST, in 7.0's order of fields. What the asker asks for lies in a buffer that all share; it counts as its own.
 * Replies lie in one buffer: what Redis has room for in a client's own is shown as that, the rest as its list. */
void client_describe(struct client *c, const struct client *asker, struct buf *out)
{
    struct server *s = c->server;
    size_t own = c->out.cap < OWN_REPLIES ? c->out.cap : OWN_REPLIES, unsent = client_unsent(c);
    buf_printf(out, "id=%" PRIu64 " addr=%s laddr=%s fd=%d name=%.*s", c->id, c->peer, c->local, c->fd,
               (int)c->name.len, c->name.len ? c->name.data : "");
    buf_printf(out, " age=%" PRIu64 " idle=%" PRIu64 " flags=", (s->now_us - c->created_us) / 1000000,
               (s->now_us - c->active_us) / 1000000);
    put_flags(c, out);
    buf_printf(
        out, " db=%u sub=%zu psub=%zu ssub=%zu", c->db, subscriber_count(c->subscriber, PUBSUB_CHANNEL),
        subscriber_count(c->subscriber, PUBSUB_PATTERN), subscriber_count(c->subscriber, PUBSUB_SHARD));
    size_t partial = client_partial(c);
    buf_printf(out, " multi=%lld qbuf=%zu qbuf-free=%zu argv-mem=%zu multi-mem=%zu",
               c->txn ? (long long)c->txn->count : -1LL,
               c == asker && c->in.len == 0 ? s->request_bytes : c->in.len - c->in_at - partial,
               c->in.cap - c->in.len, partial, c->txn ? c->txn->bytes.len : 0);
    buf_printf(out,
               " rbs=%zu rbp=%zu obl=%zu oll=%u omem=%zu tot-mem=%zu events=%s%s cmd=%s user=%.*s "
               "redir=%lld resp=%d",
               own, own, unsent < own ? unsent : own, c->tail - c->head, c->out.cap - own, client_memory(c),
               c->reading ? "r" : "", client_unsent(c) > 0 ? "w" : "",
               c->last_row ? stat_of(s, c->last_row)->name : "NULL", (int)client_user(c).len,
               client_user(c).data, c->cache ? (long long)c->cache->redirect : -1, c->resp);
}

static bool parse_id(struct slice text, uint64_t *id)
{
    int64_t v;
    if (!parse_i64(text, &v) || v <= 0)
        return false;
    *id = (uint64_t)v;
    return true;
}

/* CLASS_COUNT: a master, which nobody is here. -1: unknown. */
static int parse_class(struct slice type)
{
    if (slice_is_word(type, "normal"))
        return CLASS_NORMAL;
    if (slice_is_word(type, "pubsub"))
        return CLASS_PUBSUB;
    if (slice_is_word(type, "replica") || slice_is_word(type, "slave"))
        return CLASS_REPLICA;
    return slice_is_word(type, "master") ? CLASS_COUNT : -1;
}

static bool is_listed(const struct client *c, const struct slice *argv, size_t argc)
{
    if (c->doomed) /* it has gone already */
        return false;
    if (argc < 3)
        return true;
    if (slice_is_word(argv[2], "type"))
        return parse_class(argv[3]) == (int)client_class(c);
    for (size_t i = 3; i < argc; i++) {
        uint64_t id;
        if (parse_id(argv[i], &id) && id == c->id)
            return true;
    }
    return false;
}

static void client_list(struct client *me, const struct slice *argv, size_t argc, struct buf *out)
{
    struct server *s = me->server;
    if (argc == 4 && slice_is_word(argv[2], "type")) {
        if (parse_class(argv[3]) < 0) {
            resp_errorf(out, "ERR Unknown client type '%.*s'", (int)argv[3].len, argv[3].data);
            return;
        }
    } else if (argc >= 4 && slice_is_word(argv[2], "id")) {
        uint64_t id;
        for (size_t i = 3; i < argc; i++)
            if (!parse_id(argv[i], &id)) {
                resp_error(out, "ERR Invalid client ID");
                return;
            }
    } else if (argc != 2) {
        resp_error(out, "ERR syntax error");
        return;
    }
    struct buf lines = BUF_EMPTY;
    list_for_each(it, &s->everyone)
    {
        struct client *c = list_entry(it, struct client, everyone_link);
        if (!is_listed(c, argv, argc))
            continue;
        client_describe(c, me, &lines);
        put_u8(&lines, '\n');
    }
    resp_verbatim(out, me->resp, "txt", buf_slice(&lines));
    buf_deinit(&lines);
}

static void client_info(struct client *c, struct buf *out)
{
    struct buf line = BUF_EMPTY;
    client_describe(c, c, &line);
    put_u8(&line, '\n');
    resp_verbatim(out, c->resp, "txt", buf_slice(&line));
    buf_deinit(&line);
}

struct kill_filter {
    uint64_t id;
    struct slice addr, laddr;
    const struct acl_user *user;
    int class; /* of these alone; -1: any */
    bool skip_me;
};

static bool read_filter(const struct acl *users, const struct slice *argv, size_t argc, struct kill_filter *f,
                        struct buf *out)
{
    for (size_t i = 2; i < argc; i += 2) {
        if (i + 1 == argc) {
            resp_error(out, "ERR syntax error");
            return false;
        }
        struct slice value = argv[i + 1];
        if (slice_is_word(argv[i], "id")) {
            if (!parse_id(value, &f->id)) {
                resp_error(out, "ERR client-id should be greater than 0");
                return false;
            }
        } else if (slice_is_word(argv[i], "type")) {
            f->class = parse_class(value);
            if (f->class < 0) {
                resp_errorf(out, "ERR Unknown client type '%.*s'", (int)value.len, value.data);
                return false;
            }
        } else if (slice_is_word(argv[i], "addr")) {
            f->addr = value;
        } else if (slice_is_word(argv[i], "laddr")) {
            f->laddr = value;
        } else if (slice_is_word(argv[i], "user")) {
            f->user = acl_find(users, value);
            if (!f->user) {
                resp_errorf(out, "ERR No such user '%.*s'", (int)value.len, value.data);
                return false;
            }
        } else if (slice_is_word(argv[i], "skipme") &&
                   (slice_is_word(value, "yes") || slice_is_word(value, "no"))) {
            f->skip_me = slice_is_word(value, "yes");
        } else {
            resp_error(out, "ERR syntax error");
            return false;
        }
    }
    return true;
}

static bool matches(const struct client *c, const struct client *me, const struct kill_filter *f)
{
    return !(f->id && c->id != f->id) && !(f->addr.data && !slice_equal(f->addr, slice_cstr(c->peer))) &&
           !(f->laddr.data && !slice_equal(f->laddr, slice_cstr(c->local))) &&
           !(f->user && f->user != c->user) && (f->class < 0 || f->class == (int)client_class(c)) &&
           !(f->skip_me && c == me) && !c->doomed;
}

static void client_kill(struct client *me, const struct slice *argv, size_t argc, struct buf *out)
{
    struct server *s = me->server;
    bool old_form = argc == 3;
    struct kill_filter f = {.class = -1, .skip_me = !old_form};
    int64_t killed = 0;
    if (old_form)
        f.addr = argv[2];
    else if (!read_filter(s->users, argv, argc, &f, out))
        return;
    list_for_each(it, &s->everyone)
    {
        struct client *c = list_entry(it, struct client, everyone_link);
        if (!matches(c, me, &f))
            continue;
        killed++;
        if (c == me)
            client_close_after_reply(c);
        else
            client_doom(c, "killed by CLIENT KILL");
    }
    if (!old_form)
        resp_integer(out, killed);
    else if (killed)
        resp_simple(out, "OK");
    else
        resp_error(out, "ERR No such client");
}

static void client_setname(struct client *c, struct slice name, struct buf *out)
{
    const char *unfit = client_name_error(name);
    if (unfit) {
        resp_error(out, unfit);
    } else if (c->in_exec && session_is_asked(name)) {
        resp_error(out, "ERR A session is not opened inside a transaction");
    } else if (!session_setname(c, name)) {
        client_set_name(c, name);
        resp_simple(out, "OK");
    }
}

static void client_setinfo(const struct slice *argv, struct buf *out)
{
    if (!slice_is_word(argv[2], "lib-name") && !slice_is_word(argv[2], "lib-ver")) {
        resp_errorf(out, "ERR Unrecognized option '%.*s'", (int)argv[2].len, argv[2].data);
        return;
    }
    for (size_t i = 0; i < argv[3].len; i++) {
        if (argv[3].data[i] >= '!' && argv[3].data[i] <= '~')
            continue;
        resp_errorf(out, "ERR %.*s cannot contain spaces, newlines or special characters.", (int)argv[2].len,
                    argv[2].data);
        return;
    }
    resp_simple(out, "OK");
}

static void client_help(struct buf *out)
{
    static const char *const lines[] = {
        "CLIENT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
        "CACHING (YES|NO)",
        "    Make the next command's keys an exception in OPTIN or OPTOUT mode.",
        "GETREDIR",
        "    Return the id of the connection that is told instead of this one.",
        "GETNAME",
        "    Return the name of the current connection.",
        "ID",
        "    Return the ID of the current connection.",
        "INFO",
        "    Return information about the current client connection.",
        "KILL <ip:port>",
        "    Kill connection made from <ip:port>.",
        "KILL <option> <value> [<option> <value> [...]]",
        "    Kill connections. Options are:",
        "    * ADDR (<ip:port>|<unixsocket>:0)",
        "    * LADDR (<ip:port>|<unixsocket>:0)",
        "    * TYPE (NORMAL|MASTER|REPLICA|PUBSUB)",
        "    * USER <username>",
        "    * SKIPME (YES|NO)",
        "LIST [options ...]",
        "    Return information about client connections.",
        "NO-EVICT (ON|OFF)",
        "    Protect current client connection from eviction.",
        "PAUSE <timeout> [WRITE|ALL]",
        "    Suspend all, or just write, clients for <timeout> milliseconds.",
        "REPLY (ON|OFF|SKIP)",
        "    Control the replies sent to the current connection.",
        "SETNAME <name>",
        "    Assign the name <name> to the current connection.",
        "SETNAME <id>@seq=<n> | <id>@retry=<n>",
        "    Open or resume the exactly-once session <id>; the next numbered request is n.",
        "TRACKING (ON|OFF) [REDIRECT <id>] [BCAST] [PREFIX <prefix> [...]] [OPTIN] [OPTOUT] [NOLOOP]",
        "    Tell the connection of changes of what it has read.",
        "TRACKINGINFO",
        "    Return how this connection is told.",
        "UNBLOCK <clientid> [TIMEOUT|ERROR]",
        "    Unblock the specified blocked client.",
        "UNPAUSE",
        "    Stop the current client pause, resuming traffic.",
        "HELP",
        "    Print this help.",
    };
    reply_lines(out, lines, sizeof lines / sizeof lines[0]);
}

static void client_reply(struct client *c, struct slice how, struct buf *out)
{
    if (slice_is_word(how, "on")) {
        c->reply_off = c->reply_skip = false;
        resp_simple(out, "OK");
    } else if (slice_is_word(how, "off")) {
        c->reply_off = true;
    } else if (slice_is_word(how, "skip")) {
        c->skip_next = !c->reply_off;
    } else {
        resp_error(out, "ERR syntax error");
    }
}

static void client_no_evict(struct client *c, struct slice how, struct buf *out)
{
    bool on = slice_is_word(how, "on");
    if (!on && !slice_is_word(how, "off")) {
        resp_error(out, "ERR syntax error");
        return;
    }
    c->no_evict = on;
    client_weigh(c);
    resp_simple(out, "OK");
}

void client_command(struct client *c, const struct slice *argv, size_t argc, struct buf *out)
{
    if (slice_is_word(argv[1], "setname"))
        client_setname(c, argv[2], out);
    else if (slice_is_word(argv[1], "getname"))
        c->name.len ? resp_bulk(out, buf_slice(&c->name)) : resp_null(out, c->resp);
    else if (slice_is_word(argv[1], "id"))
        resp_integer(out, (int64_t)c->id);
    else if (slice_is_word(argv[1], "info"))
        client_info(c, out);
    else if (slice_is_word(argv[1], "list"))
        client_list(c, argv, argc, out);
    else if (slice_is_word(argv[1], "kill"))
        client_kill(c, argv, argc, out);
    else if (slice_is_word(argv[1], "unblock"))
        client_unblock(c, argv, argc, out);
    else if (slice_is_word(argv[1], "setinfo"))
        client_setinfo(argv, out);
    else if (slice_is_word(argv[1], "no-evict"))
        client_no_evict(c, argv[2], out);
    else if (slice_is_word(argv[1], "reply"))
        client_reply(c, argv[2], out);
    else if (slice_is_word(argv[1], "pause"))
        client_pause(c, argv, argc, out);
    else if (slice_is_word(argv[1], "unpause"))
        client_unpause(c, out);
    else if (caches_command(c, argv, argc, out))
        return;
    else if (slice_is_word(argv[1], "help"))
        client_help(out);
    else
        resp_errorf(out, "ERR unknown subcommand '%.128s'. Try CLIENT HELP.", "");
}
