/* Commands for those who look after the server. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "base/number.h"
#include "server/cluster.h"

/* ---- ROLE, WAIT ---- */

static void role_of_leader(struct client *c, const struct node_status *st, struct buf *out)
{
    size_t replicas = replicas_count(c->server);
    for (size_t i = 0; i < st->peer_count; i++)
        replicas += !st->peers[i].self && topology_is_well(&st->peers[i]);
    resp_array(out, 3);
    resp_bulk_cstr(out, "master");
    resp_integer(out, (int64_t)st->commit);
    resp_array(out, replicas);
    for (size_t i = 0; i < st->peer_count; i++) {
        const struct node_peer_status *p = &st->peers[i];
        char text[24];
        if (p->self || !topology_is_well(p))
            continue;
        resp_array(out, 3);
        resp_bulk_cstr(out, p->host);
        resp_bulk(out, slice_of(text, format_i64(text, p->port)));
        resp_bulk(out, slice_of(text, format_i64(text, (int64_t)p->match)));
    }
    role_replicas(c->server, out);
}

void role_command(struct client *c, const struct slice *argv, size_t argc, struct buf *out)
{
    (void)argv, (void)argc;
    struct server *s = c->server;
    const struct node_status *st = topology(s);
    if (!s->node || st->is_leader || (st->peer_count == 1 && st->peers[0].self)) {
        role_of_leader(c, st, out);
        return;
    }
    const char *state = st->loading ? "sync" : st->leader ? "connected" : "connect";
    resp_array(out, 5);
    resp_bulk_cstr(out, "slave");
    resp_bulk_cstr(out, s->leader_host);
    resp_integer(out, s->leader_port);
    resp_bulk_cstr(out, state);
    resp_integer(out, (int64_t)st->applied);
}

static void wait_over(struct client *c)
{
    list_remove(&c->waiting_link);
    c->wait_asked = false;
    struct node_answer answer = {.outcome = NODE_DONE};
    struct buf text = BUF_EMPTY;
    resp_integer(&text, node_replicas_at(c->server->node, c->wait_index));
    answer.reply = buf_slice(&text);
    answer_from_node(c->server, ticket_of(c, c->tail - 1), &answer);
    buf_deinit(&text);
}

void wait_unblock(struct client *c, bool by_error)
{
    if (!by_error) {
        wait_over(c);
        return;
    }
    list_remove(&c->waiting_link);
    struct node_answer answer = {
        .outcome = NODE_DONE, .reply = SLICE_LITERAL("-UNBLOCKED client unblocked via CLIENT UNBLOCK\r\n")};
    answer_from_node(c->server, ticket_of(c, c->tail - 1), &answer);
}

/* Whoever has the replicas it waits for, or has waited long enough. */
void wait_tick(struct server *s)
{
    list_for_each_safe(it, next, &s->waiting)
    {
        struct client *c = list_entry(it, struct client, waiting_link);
        if (!s->node || node_replicas_at(s->node, c->wait_index) >= c->wait_count ||
            (c->wait_until_us && s->now_us >= c->wait_until_us) || !node_is_serving(s->node))
            wait_over(c);
    }
}

void wait_command(struct client *c, const struct slice *argv, size_t argc, struct buf *out)
{
    struct server *s = c->server;
    int64_t count, timeout_ms;
    (void)argc;
    bool serving = node_is_serving(s->node);
    if (!serving && c->mode != MODE_PROXY) {
        resp_error(out, "ERR WAIT cannot be used with replica instances. Please also note that writes to "
                        "replicas are just "
                        "local and are not propagated.");
        return;
    }
    if (!parse_i64(argv[1], &count)) {
        resp_error(out, "ERR value is not an integer or out of range");
        return;
    }
    if (!parse_i64(argv[2], &timeout_ms)) {
        resp_error(out, "ERR timeout is not an integer or out of range");
        return;
    }
    if (timeout_ms < 0) {
        resp_error(out, "ERR timeout is negative");
        return;
    }
    uint32_t have = node_replicas_at(s->node, c->last_index);
    if (c->in_exec || (int64_t)have >= count || !serving) { /* of more than that, others tell nothing */
        resp_integer(out, have);
        return;
    }
    wait_begin(c, KIND_WAIT);
    c->wait_index = c->last_index;
    c->wait_count = count > UINT32_MAX ? UINT32_MAX : (uint32_t)count;
    bool for_ever = timeout_ms == 0 || timeout_ms > INT64_MAX / 2000;
    c->wait_until_us = for_ever ? 0 : s->now_us + (uint64_t)timeout_ms * 1000;
    list_push_back(&s->waiting, &c->waiting_link);
}

/* ---- snapshots ---- */

void save_command(struct client *c, const struct slice *argv, size_t argc, struct buf *out)
{
    (void)argv, (void)argc, (void)out;
    uint64_t ticket = wait_begin(c, KIND_ADMIN);
    wait_end(c, node_checkpoint(c->server->node, true, ticket, &c->server->error));
}

void bgsave_command(struct client *c, const struct slice *argv, size_t argc, struct buf *out)
{
    if (argc > 2 || (argc == 2 && !slice_is_word(argv[1], "schedule"))) {
        resp_error(out, "ERR syntax error");
        return;
    }
    uint64_t ticket = wait_begin(c, KIND_BGSAVE);
    wait_end(c, node_checkpoint(c->server->node, false, ticket, &c->server->error));
}

/* The journal is cut behind a snapshot; there is nothing else to rewrite. */
void bgrewriteaof_command(struct client *c, const struct slice *argv, size_t argc, struct buf *out)
{
    (void)c, (void)argv, (void)argc;
    resp_simple(out, "Background append only file rewriting started");
}

void lastsave_command(struct client *c, const struct slice *argv, size_t argc, struct buf *out)
{
    (void)argv, (void)argc;
    struct server *s = c->server;
    uint64_t ms = topology(s)->last_save_ms;
    resp_integer(out, (int64_t)(ms ? ms / 1000 : s->started_wall_us / 1000000));
}

/* ---- leaving, following ---- */

void shutdown_command(struct client *c, const struct slice *argv, size_t argc, struct buf *out)
{
    struct server *s = c->server;
    bool now = false, stop = false;
    for (size_t i = 1; i < argc; i++) {
        if (slice_is_word(argv[i], "now") || slice_is_word(argv[i], "force"))
            now |= slice_is_word(argv[i], "now");
        else if (slice_is_word(argv[i], "abort"))
            stop = true;
        else if (!slice_is_word(argv[i], "save") && !slice_is_word(argv[i], "nosave")) {
            resp_error(out, "ERR syntax error");
            return;
        }
    }
    if (stop) {
        resp_error(out, argc > 2 ? "ERR syntax error" : "ERR No shutdown in progress.");
        return;
    }
    log_line(LOG_WARNING, "User requested shutdown...");
    client_close_after_reply(c);
    s->hooks.shutdown(s->hooks.arg, now);
}

void replicaof_command(struct client *c, const struct slice *argv, size_t argc, struct buf *out)
{
    (void)argc;
    if (cluster_says_enabled(c->server))
        resp_error(out, "ERR REPLICAOF not allowed in cluster mode.");
    else if (slice_is_word(argv[1], "no") && slice_is_word(argv[2], "one"))
        resp_simple(out, "OK");
    else
        resp_error(out, "ERR REPLICAOF is not supported: nodes join a cluster by CLUSTER MEET or --join");
}

void failover_command(struct client *c, const struct slice *argv, size_t argc, struct buf *out)
{
    (void)c, (void)argv, (void)argc;
    resp_error(out, "ERR FAILOVER not allowed in cluster mode.");
}

/* There are none, for what one does on one node the others would have to do, too. What Redis says of them by default. */
void module_command(struct client *c, const struct slice *argv, size_t argc, struct buf *out)
{
    static const char *const lines[] = {
        "MODULE <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
        "LIST",
        "    Return a list of loaded modules.",
        "HELP",
        "    Print this help.",
    };
    (void)c, (void)argc;
    if (slice_is_word(argv[1], "list"))
        resp_array(out, 0);
    else if (slice_is_word(argv[1], "help"))
        reply_lines(out, lines, sizeof lines / sizeof lines[0]);
    else
        resp_error(out, "ERR MODULE command not allowed. If the enable-module-command option is set to "
                        "\"local\", you can run it from a local connection, otherwise you need to set this "
                        "option in the configuration file, and then restart the server.");
}
