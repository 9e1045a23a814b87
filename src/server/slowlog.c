/* SLOWLOG: the last commands that ran longer than slowlog-log-slower-than, on this node for its clients. Of a write the time it took
 * to apply counts, not the time it waited for the disk and for others: LATENCY HISTOGRAM tells of that. */
#include <stdio.h>

#include "base/alloc.h"
#include "base/number.h"
#include "server/server_int.h"

enum { ARGS_KEPT = 32, BYTES_KEPT = 128, SHOWN_BY_DEFAULT = 10 };

struct slow_command {
    struct list link;
    uint64_t id, us;
    int64_t at_s;
    struct buf args; /* as RESP */
    struct buf peer, name;
};

static void drop(struct server *s, struct slow_command *e)
{
    list_remove(&e->link);
    s->slowlog_len--;
    buf_deinit(&e->args);
    buf_deinit(&e->peer);
    buf_deinit(&e->name);
    mem_free(e);
}

void slowlog_clear(struct server *s)
{
    while (!list_empty(&s->slowlog))
        drop(s, list_entry(s->slowlog.next, struct slow_command, link));
}

static void keep_arg(struct buf *out, struct slice arg)
{
    if (arg.len <= BYTES_KEPT) {
        resp_bulk(out, arg);
        return;
    }
    struct buf text = BUF_EMPTY;
    buf_append(&text, arg.data, BYTES_KEPT);
    buf_printf(&text, "... (%zu more bytes)", arg.len - BYTES_KEPT);
    resp_bulk(out, buf_slice(&text));
    buf_deinit(&text);
}

static void keep_args(struct buf *out, const struct slice *argv, size_t argc)
{
    size_t kept = argc > ARGS_KEPT ? ARGS_KEPT - 1 : argc;
    resp_array(out, kept + (kept < argc));
    for (size_t i = 0; i < kept; i++)
        keep_arg(out, argument_is_secret(argv, argc, i) ? SLICE_LITERAL("(redacted)") : argv[i]);
    if (kept == argc)
        return;
    char text[64];
    snprintf(text, sizeof text, "... (%zu more arguments)", argc - kept);
    resp_bulk_cstr(out, text);
}

void slowlog_note(struct client *c, const struct slice *argv, size_t argc, uint64_t us)
{
    struct server *s = c->server;
    struct slow_command *e = mem_calloc(1, sizeof *e);
    e->id = s->slowlog_id++;
    e->us = us;
    e->at_s = (int64_t)(s->wall_us / 1000000);
    keep_args(&e->args, argv, argc);
    buf_append_cstr(&e->peer, c->peer);
    buf_append_slice(&e->name, buf_slice(&c->name));
    list_push_back(&s->slowlog, &e->link);
    s->slowlog_len++;
    while (s->slowlog_len > (size_t)s->config->slowlog_max_len)
        drop(s, list_entry(s->slowlog.next, struct slow_command, link));
}

static void slowlog_get(struct client *c, const struct slice *argv, size_t argc, struct buf *out)
{
    struct server *s = c->server;
    int64_t wanted = SHOWN_BY_DEFAULT;
    if (argc > 3) {
        resp_error(out, "ERR wrong number of arguments for 'slowlog|get' command");
        return;
    }
    if (argc == 3 && (!parse_i64(argv[2], &wanted) || wanted < -1)) {
        resp_error(out, "ERR count should be greater than or equal to -1");
        return;
    }
    size_t left = wanted < 0 || (uint64_t)wanted > s->slowlog_len ? s->slowlog_len : (size_t)wanted;
    resp_array(out, left);
    for (struct list *it = s->slowlog.prev; left > 0; it = it->prev, left--) {
        const struct slow_command *e = list_entry(it, struct slow_command, link);
        resp_array(out, 6);
        resp_integer(out, (int64_t)e->id);
        resp_integer(out, e->at_s);
        resp_integer(out, (int64_t)e->us);
        buf_append_slice(out, buf_slice(&e->args));
        resp_bulk(out, buf_slice(&e->peer));
        resp_bulk(out, buf_slice(&e->name));
    }
}

static void slowlog_help(struct buf *out)
{
    static const char *const lines[] = {
        "SLOWLOG <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
        "GET [<count>]",
        "    Return the newest <count> entries (default: 10, -1 means all), each with its id, its time in",
        "    seconds, how many microseconds it took, its arguments, and the client's address and name.",
        "LEN",
        "    Return the length of the slowlog.",
        "RESET",
        "    Empty the slowlog.",
        "HELP",
        "    Print this help.",
    };
    reply_lines(out, lines, sizeof lines / sizeof lines[0]);
}

void slowlog_command(struct client *c, const struct slice *argv, size_t argc, struct buf *out)
{
    if (slice_is_word(argv[1], "get")) {
        slowlog_get(c, argv, argc, out);
    } else if (slice_is_word(argv[1], "len")) {
        resp_integer(out, (int64_t)c->server->slowlog_len);
    } else if (slice_is_word(argv[1], "reset")) {
        slowlog_clear(c->server);
        resp_simple(out, "OK");
    } else {
        slowlog_help(out);
    }
}
