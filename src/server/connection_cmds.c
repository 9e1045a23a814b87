/* Commands about the connection itself. */
#include <stdio.h>

#include "base/number.h"
#include "server/messages.h"
#include "server/users.h"

enum { BAD_PASSWORDS_MAX = 10, USEC = 1000 };

void ping_command(struct client *c, const struct slice *argv, size_t argc, struct buf *out)
{
    if (argc > 2)
        resp_error(out, "ERR wrong number of arguments for 'ping' command");
    else if (c->resp == 2 && client_is_subscribed(c)) {
        resp_array(out, 2);
        resp_bulk_cstr(out, "pong");
        resp_bulk(out, argc == 2 ? argv[1] : SLICE_LITERAL(""));
    } else if (argc == 2)
        resp_bulk(out, argv[1]);
    else
        resp_simple(out, "PONG");
}

void echo_command(struct client *c, const struct slice *argv, size_t argc, struct buf *out)
{
    (void)c, (void)argc;
    resp_bulk(out, argv[1]);
}

void quit_command(struct client *c, const struct slice *argv, size_t argc, struct buf *out)
{
    (void)argv, (void)argc;
    resp_simple(out, "OK");
    client_close_after_reply(c);
}

void reset_command(struct client *c, const struct slice *argv, size_t argc, struct buf *out)
{
    (void)argv, (void)argc;
    transaction_free(c->txn);
    c->txn = NULL;
    watches_clear(c);
    client_deafen(c);
    list_remove(&c->monitor_link);
    c->reply_off = c->reply_skip = c->skip_next = false;
    c->readonly = false;
    c->db = 0;
    c->resp = 2;
    c->session = 0;
    client_become_default(c);
    buf_truncate(&c->name, 0);
    resp_simple(out, "RESET");
}

/* For a name that nobody has, the default user is asked in vain: it takes as long. */
bool auth_check(struct client *c, struct slice name, struct slice user, struct slice password,
                struct buf *out)
{
    const struct acl *users = c->server->users;
    const struct acl_user *u = acl_find(users, user);
    bool right = acl_lets_in(u ? u : acl_find(users, SLICE_LITERAL("default")), password);
    if (u && right) {
        client_become(c, u);
        c->authenticated = c->proved = true;
        c->bad_passwords = 0;
        return true;
    }
    acl_log_note(c, ACL_GRANTED, name, user);
    resp_error(out, "WRONGPASS invalid username-password pair or user is disabled.");
    if (++c->bad_passwords >= BAD_PASSWORDS_MAX)
        client_close_after_reply(c);
    return false;
}

void auth_command(struct client *c, const struct slice *argv, size_t argc, struct buf *out)
{
    if (argc > 3) {
        resp_error(out, "ERR syntax error");
        return;
    }
    const struct acl_user *first = acl_find(c->server->users, SLICE_LITERAL("default"));
    if (argc == 2 && !acl_needs_password(first)) {
        resp_error(out,
                   "ERR AUTH <password> called without any password configured for the default user. Are you "
                   "sure your configuration is correct?");
        return;
    }
    struct slice user = argc == 3 ? argv[1] : SLICE_LITERAL("default");
    if (auth_check(c, argv[0], user, argv[argc - 1], out))
        resp_simple(out, "OK");
}

struct hello {
    int64_t version;
    bool auth, setname;
    struct slice user, password, name;
};

static bool read_hello(const struct slice *argv, size_t argc, struct hello *h, struct buf *out)
{
    if (argc >= 2 && !parse_i64(argv[1], &h->version)) {
        resp_error(out, "ERR Protocol version is not an integer or out of range");
        return false;
    }
    if (argc >= 2 && (h->version < 2 || h->version > 3)) {
        resp_error(out, "NOPROTO unsupported protocol version");
        return false;
    }
    for (size_t i = 2; i < argc; i++) {
        if (slice_is_word(argv[i], "auth") && argc - i > 2) {
            h->auth = true;
            h->user = argv[++i];
            h->password = argv[++i];
        } else if (slice_is_word(argv[i], "setname") && argc - i > 1) {
            h->setname = true;
            h->name = argv[++i];
        } else {
            resp_errorf(out, "ERR Syntax error in HELLO option '%.*s'", (int)argv[i].len, argv[i].data);
            return false;
        }
    }
    return true;
}

void hello_command(struct client *c, const struct slice *argv, size_t argc, struct buf *out)
{
    struct server *s = c->server;
    struct hello h = {.version = c->resp};
    if (!read_hello(argv, argc, &h, out))
        return;
    if (h.auth && !auth_check(c, argv[0], h.user, h.password, out))
        return;
    if (!c->authenticated) {
        resp_error(out, "NOAUTH HELLO must be called with the client already authenticated, otherwise the "
                        "HELLO AUTH <user> "
                        "<pass> option can be used to authenticate the client and select the RESP protocol "
                        "version at the same "
                        "time");
        return;
    }
    if (h.setname && session_is_asked(h.name)) {
        resp_error(out, "ERR A session is opened by CLIENT SETNAME, not by HELLO");
        return;
    }
    const char *unfit = h.setname ? client_name_error(h.name) : NULL;
    if (unfit) {
        resp_error(out, unfit);
        return;
    }
    if (h.setname)
        client_set_name(c, h.name);
    c->resp = (int)h.version;
    bool leader = !s->node || node_leader(s->node) == s->self;
    resp_map(out, c->resp, 7);
    resp_bulk_cstr(out, "server");
    resp_bulk_cstr(out, "redis");
    resp_bulk_cstr(out, "version");
    resp_bulk_cstr(out, "7.0.15");
    resp_bulk_cstr(out, "proto");
    resp_integer(out, c->resp);
    resp_bulk_cstr(out, "id");
    resp_integer(out, (int64_t)c->id);
    resp_bulk_cstr(out, "mode");
    resp_bulk_cstr(out, cluster_says_enabled(s) ? "cluster" : "standalone");
    resp_bulk_cstr(out, "role");
    resp_bulk_cstr(out, leader ? "master" : "replica");
    resp_bulk_cstr(out, "modules");
    resp_array(out, 0);
}

bool parse_db(struct client *c, struct slice text, uint32_t *db, struct buf *out)
{
    int64_t v;
    if (!parse_i64(text, &v)) {
        resp_error(out, "ERR value is not an integer or out of range");
        return false;
    }
    if (v < INT32_MIN || v > INT32_MAX) {
        resp_errorf(out, "ERR value is out of range, value must between %d and %d", INT32_MIN, INT32_MAX);
        return false;
    }
    if (v < 0 || v >= (int64_t)c->server->limits.databases) {
        resp_error(out, "ERR DB index is out of range");
        return false;
    }
    *db = (uint32_t)v;
    return true;
}

void select_command(struct client *c, const struct slice *argv, size_t argc, struct buf *out)
{
    (void)argc;
    if (parse_db(c, argv[1], &c->db, out))
        resp_simple(out, "OK");
}

static void set_readonly(struct client *c, bool on, struct buf *out)
{
    if (!cluster_says_enabled(c->server)) {
        resp_error(out, "ERR This instance has cluster support disabled");
        return;
    }
    c->readonly = on;
    resp_simple(out, "OK");
}

void readonly_command(struct client *c, const struct slice *argv, size_t argc, struct buf *out)
{
    (void)argv, (void)argc;
    set_readonly(c, true, out);
}

void readwrite_command(struct client *c, const struct slice *argv, size_t argc, struct buf *out)
{
    (void)argv, (void)argc;
    set_readonly(c, false, out);
}

void asking_command(struct client *c, const struct slice *argv, size_t argc, struct buf *out)
{
    (void)argv, (void)argc;
    set_readonly(c, c->readonly, out);
}

/* The cluster's clock, by which keys expire. */
void time_command(struct client *c, const struct slice *argv, size_t argc, struct buf *out)
{
    (void)argv, (void)argc;
    struct server *s = c->server;
    uint64_t ms = s->node ? node_cluster_ms(s->node) : 0;
    uint64_t us = ms ? ms * USEC : s->wall_us;
    char text[24];
    resp_array(out, 2);
    resp_bulk(out, slice_of(text, format_i64(text, (int64_t)(us / 1000000))));
    resp_bulk(out, slice_of(text, format_i64(text, (int64_t)(us % 1000000))));
}

void command_command_here(struct client *c, const struct slice *argv, size_t argc, struct buf *out)
{
    struct command_context context = {.resp = c->resp, .argv = argv, .argc = argc, .out = out};
    command_command(&context);
}
