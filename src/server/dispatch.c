/* From a request to the place that runs it. The order of the checks is Redis's, so that the same mistake gets the
 * same error. */
#include <stdio.h>

#include "server/caches.h"
#include "server/messages.h"
#include "server/users.h"

static const char loading[] = "LOADING Redis is loading the dataset in memory";

static bool is_loading(const struct server *s)
{
    return !s->node || node_is_loading(s->node);
}

static enum verdict reject(struct client *c, const struct command *row, const char *text)
{
    struct command_stat *stat = row ? stat_of(c->server, row) : NULL;
    if (c->txn && stat && stat->handler && stat->handler->run == exec_command) {
        transaction_abort(c, text);
    } else {
        reply_error(c, reply_begin(c), text);
        transaction_fail(c);
    }
    if (stat)
        stat->rejected++;
    return TAKEN;
}

/* In RESP2 nothing tells a message from a reply. */
static enum verdict reject_subscribed(struct client *c, const struct command *row)
{
    char text[200];
    snprintf(
        text, sizeof text,
        "ERR Can't execute '%s': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in "
        "this context",
        row->name);
    return reject(c, row, text);
}

static enum verdict run_handler(struct client *c, const struct handler *h, const struct command *row,
                                const struct slice *argv, size_t argc)
{
    struct server *s = c->server;
    if (!(h->flags & H_NOW) && !ring_empty(c))
        return WAIT;
    if (is_loading(s) && !(row->flags & CMD_LOADING) && !(h->flags & H_NOW))
        return reject(c, row, loading);
    if ((h->flags & H_LEADER) && s->node && !route_knows_leader(s) && route_park(c))
        return WAIT;
    if ((h->flags & H_APPLIED) && s->node && rsm_applied(node_rsm(s->node)) < c->last_index && route_park(c))
        return WAIT;
    struct command_stat *stat = stat_of(s, row);
    c->wait_asked = false;
    if (h->flags & H_ROUTES) {
        h->run(c, argv, argc, NULL);
        if (c->wait_asked)
            return WAIT;
        stat->calls++;
        monitor_request(c, row, argv, argc);
        return TAKEN;
    }
    struct buf *out = ring_empty(c) ? client_out(c) : reply_begin(c);
    size_t start = out->len;
    uint64_t begun_ns = time_begin(s, stat);
    h->run(c, argv, argc, out);
    uint64_t ns = time_end(s, stat, begun_ns);
    if (c->wait_asked)
        return WAIT; /* untouched: it would be looked at again and again */
    ran(c, row, argv, argc, ns);
    count_run(c, stat, out, start);
    monitor_request(c, row, argv, argc);
    client_touch(c);
    return TAKEN;
}

static enum verdict queue(struct client *c, const struct command *row, const struct handler *h,
                          const struct slice *argv, size_t argc)
{
    enum verdict verdict = TAKEN;
    if (c->server->node && !node_has_room(c->server->node)) /* what is queued takes memory as well */
        return reject(c, row, "OOM command not allowed when used memory > 'maxmemory'.");
    if (is_loading(c->server) && !(row->flags & CMD_LOADING))
        return reject(c, row, loading);
    if (!h && !route_queue_check(c, row, argv, argc, &verdict))
        return verdict;
    if ((row->flags & CMD_NO_MULTI) || (h && !(h->flags & H_IN_EXEC)))
        return reject(c, row, "ERR Command not allowed inside a transaction");
    transaction_queue(c, row, h, argv, argc);
    resp_simple(reply_begin(c), "QUEUED");
    return TAKEN;
}

static enum verdict shown(struct client *c, const struct command *row, const struct slice *argv, size_t argc,
                          enum verdict verdict)
{
    if (verdict == TAKEN)
        monitor_request(c, row, argv, argc);
    return verdict;
}

/* What it reads may be shown at once, and it stands in front of that. It may have to wait, and come here again. */
static enum verdict run_read_script(struct client *c, const struct command *row, const struct slice *argv,
                                    size_t argc)
{
    if (c->shown_id != c->request_id + 1)
        monitor_request(c, row, argv, argc);
    c->shown_id = c->request_id + 1;
    return route_read(c, row, argv, argc);
}

/* What a library says of its functions may be another once what stands before on the connection has run: through a proxy port it is
 * asked again when it has, here it is an entry behind them. */
static enum rsm_script_way script_way(const struct client *c, const struct command *row,
                                      const struct slice *argv, size_t argc)
{
    enum rsm_script_way way = rsm_script_way(node_rsm(c->server->node), argv, argc);
    bool open = c->writes_open && c->mode != MODE_PROXY && strcmp(row->name, "fcall") == 0;
    return way == RSM_SCRIPT_IS_READ && open ? RSM_SCRIPT_IS_ENTRY : way;
}

static enum verdict run(struct client *c, const struct command *row, const struct slice *argv, size_t argc,
                        bool numbered)
{
    struct server *s = c->server;
    if (is_loading(s))
        return reject(c, row, loading);
    bool may_wait = command_may_wait(row, argv, argc);
    if (row->flags & CMD_BY_SCRIPT) {
        enum verdict verdict;
        enum rsm_script_way way = script_way(c, row, argv, argc);
        if (way == RSM_SCRIPT_IS_READ && !numbered) /* or its reply is to be remembered */
            return run_read_script(c, row, argv, argc);
        if (way == RSM_SCRIPT_MAY_READ && !numbered && c->trial == TRIAL_NONE &&
            route_guess(c, row, argv, argc))
            return TAKEN;
        if (slow_scripts_hold(c, argv, argc, &verdict))
            return verdict;
    }
    if (row->flags & CMD_MAY_BE_IDLE && !numbered && route_idle(c, row, argv, argc))
        return shown(c, row, argv, argc, TAKEN);
    if (!may_wait && !(row->flags & (CMD_WRITE | CMD_BY_SCRIPT)))
        return shown(c, row, argv, argc, route_read(c, row, argv, argc));
    struct rsm_request req = {.kind = RSM_COMMAND, .db = c->db, .resp = c->resp, .argv = argv, .argc = argc};
    uint16_t key_slot = s->clustered ? route_key_slot(row, argv, argc) : 0;
    req.asker = may_wait ? s->self : 0;
    uint32_t open_before = c->writes_open;
    enum verdict verdict =
        route_write(c, row, &req, may_wait ? KIND_BLOCKING : KIND_COMMAND, key_slot, numbered);
    c->exclusive |= may_wait && c->writes_open != open_before;
    return shown(c, row, argv, argc, verdict);
}

/* A numbered request may be one that has run, and is sent again: then it is answered from memory, whoever may do what by now. So the
 * leader judges it (node/permit.c), which asks the memory before it refuses. */
static bool permitted(struct client *c, const struct command *row, const struct slice *argv, size_t argc,
                      bool numbered)
{
    struct buf error = BUF_EMPTY;
    bool ok = user_permits(c, row, argv, argc, &error) || numbered;
    if (!ok) {
        put_u8(&error, 0);
        reject(c, row, error.data);
    }
    buf_deinit(&error);
    return ok;
}

static enum verdict check_and_run(struct client *c, const struct command *row, const struct slice *argv,
                                  size_t argc, bool numbered)
{
    struct server *s = c->server;
    buf_truncate(&s->error, 0);
    row = command_check_row(row, argv, argc, &s->error);
    if (!row) {
        const struct command *named = command_find(argv, argc);
        if (named)
            stat_of(s, named)->rejected++;
        buf_append_slice(reply_begin(c), buf_slice(&s->error));
        count_error(s, buf_slice(&s->error));
        transaction_fail(c);
        return TAKEN;
    }
    if (!c->authenticated && !(row->flags & CMD_NO_AUTH) && client_is_stranger(c))
        return reject(c, row, "NOAUTH Authentication required.");
    if (__builtin_expect(!c->unlimited, 0) && !permitted(c, row, argv, argc, numbered))
        return TAKEN;
    if (__builtin_expect(s->script.busy, 0) && slow_scripts_objection(s, row))
        return reject(c, row, slow_scripts_objection(s, row));
    const struct handler *h = stat_of(s, row)->handler;
    if (!h && !row->run)
        return reject(c, row, "ERR this command is not there yet");
    if (c->resp == 2 && !(h && h->flags & H_SUBSCRIBED) && client_is_subscribed(c))
        return reject_subscribed(c, row);
    if (pause_holds(c, row, h, argv, argc))
        return WAIT;
    c->last_row = row;
    c->tracks = c->cache && caches_tracks(c, row);
    if (c->txn && !(h && (h->flags & H_NO_MULTI)))
        return queue(c, row, h, argv, argc);
    if (row->flags & CMD_ALLOW_BUSY && slow_scripts_answer(c, row))
        return TAKEN;
    if (h && (!row->run || h->flags & H_FIRST)) /* of what has both, the handler is for transactions */
        return run_handler(c, h, row, argv, argc);
    return run(c, row, argv, argc, numbered);
}

void client_hush(struct client *c)
{
    size_t keep = c->pushed > c->reply_at ? c->pushed : c->reply_at;
    if ((c->reply_off || c->reply_skip) && keep < c->out.len)
        buf_truncate(&c->out, keep);
}

static void keep_quiet(struct client *c)
{
    client_hush(c);
    c->reply_skip = c->skip_next;
    c->skip_next = false;
}

enum verdict dispatch(struct client *c, const struct command *row, const struct slice *argv, size_t argc)
{
    /* A client counts its numbered requests by name alone, so we do, whatever becomes of them (DESIGN 5). */
    if (__builtin_expect(c->replicates, 0) && !(row && slice_is_word(slice_cstr(row->name), "replconf"))) {
        client_doom(c, "it is a replica and sent something else than REPLCONF");
        return TAKEN;
    }
    bool numbered =
        c->session && session_is_numbered(argv[0], argc > 1 ? argv[1] : slice_of(NULL, 0), c->txn != NULL);
    c->reply_at = ring_empty(c) ? c->out.len : SIZE_MAX;
    c->pushed = 0;
    enum verdict verdict = check_and_run(c, row, argv, argc, numbered);
    if (verdict == WAIT)
        return WAIT;
    c->trial = TRIAL_NONE;
    c->park_until_us = 0; /* what is behind it may wait for the next leader as long */
    if (__builtin_expect(c->reply_off || c->reply_skip || c->skip_next, 0))
        keep_quiet(c);
    if (c->cache && !c->txn && !(row && slice_is_word(command_base_name(row), "client")))
        c->cache->caching = false; /* CLIENT CACHING was about this request */
    c->server->stats.commands++;
    c->request_id++;
    if (numbered)
        c->next_number++;
    return TAKEN;
}
