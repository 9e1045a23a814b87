/* Replicas of Redis: SYNC and PSYNC give the state of this node, as an RDB file, to whoever asks as a replica does (redis-cli
 * --rdb, redis-server --replicaof), and what changes behind it (replica_stream.c). They have no part
 * in the cluster: any node serves them, leader or not.
 *
 * A child that was forked at the moment of the request writes the file into a pipe, as fast as the replica reads: it lies neither
 * on a disk nor in memory. One is made at a time; who comes meanwhile waits for his own. */
#include <errno.h>
#include <inttypes.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/number.h"
#include "server/messages.h"
#include "server/replica.h"

enum { PIECE_BYTES = 64 * 1024, AHEAD_BYTES = 256 * 1024, NEWLINE_US = 1000000 };

static const char *const state_names[] = {"handshake", "wait_bgsave", "send_bulk", "online", "send_bulk"};

/* ---- REPLCONF ---- */

static struct replica *replica_of(struct client *c)
{
    if (!c->replica) {
        c->replica = mem_calloc(1, sizeof *c->replica);
        c->replica->client = c;
        c->replica->pipe_fd = -1;
        list_init(&c->replica->link);
    }
    return c->replica;
}

/* A file is limited to nothing, or to the functions. */
static bool filter(struct replica *r, struct slice value, struct buf *out)
{
    r->filtered = true;
    for (size_t at = 0; at < value.len;) {
        size_t end = at;
        while (end < value.len && value.data[end] != ' ')
            end++;
        struct slice word = slice_of(value.data + at, end - at);
        if (word.len && !slice_is_word(word, "functions")) {
            resp_errorf(out, "ERR Unsupported rdb-filter-only option: %.*s", (int)word.len, word.data);
            return false;
        }
        at = end + 1;
    }
    return true;
}

static bool number(struct slice text, int64_t *out, struct buf *error)
{
    if (parse_i64(text, out))
        return true;
    resp_error(error, "ERR value is not an integer or out of range");
    return false;
}

/* One option; false: it was answered, or is not to be. */
static bool take_option(struct replica *r, struct slice name, struct slice value, struct buf *out)
{
    int64_t v;
    if (slice_is_word(name, "listening-port"))
        return number(value, &r->port, out);
    if (slice_is_word(name, "ip-address"))
        return true;
    if (slice_is_word(name, "capa")) {
        r->takes_mark |= slice_is_word(value, "eof");
        return true;
    }
    if (slice_is_word(name, "rdb-only")) {
        if (!number(value, &v, out))
            return false;
        r->rdb_only = v == 1;
        return true;
    }
    if (slice_is_word(name, "rdb-filter-only"))
        return filter(r, value, out);
    if (slice_is_word(name, "ack")) {
        if (r->client->replicates && parse_i64(value, &v))
            r->acked = v, r->ready |= r->state == REPLICA_FOLLOWS;
        r->client->active_us = r->client->server->now_us;
        return false;
    }
    if (slice_is_word(name, "getack"))
        return false; /* is for replicas to answer */
    resp_errorf(out, "ERR Unrecognized REPLCONF option: %.*s", (int)name.len, name.data);
    return false;
}

void replconf_command(struct client *c, const struct slice *argv, size_t argc, struct buf *out)
{
    if (argc % 2 == 0) {
        resp_error(out, "ERR syntax error");
        return;
    }
    struct replica *r = replica_of(c);
    for (size_t i = 1; i < argc; i += 2)
        if (!take_option(r, argv[i], argv[i + 1], out))
            return;
    resp_simple(out, "OK");
}

/* ---- the state ---- */

static void close_pipe(struct replica *r)
{
    if (r->pipe_fd < 0)
        return;
    event_del(&r->pipe);
    close(r->pipe_fd);
    r->pipe_fd = -1;
}

static void listen_pipe(struct replica *r, bool on)
{
    if (r->pipe_fd < 0 || r->reading == on)
        return;
    r->reading = on;
    if (on)
        event_add(&r->pipe, NULL);
    else
        event_del(&r->pipe);
}

static void state_given(struct replica *r)
{
    struct client *c = r->client;
    struct server *s = c->server;
    close_pipe(r);
    if (!s->hooks.dump_ended(s->hooks.arg)) {
        client_doom(c, "writing the state for it failed");
        return;
    }
    log_line(LOG_NOTICE, "Replica %s has been given the state", c->peer);
    r->state = r->dirty ? REPLICA_FOLLOWS : REPLICA_LEAVES;
    r->said_us = s->now_us;
    if (!r->dirty)
        client_close_after_reply(c);
}

/* As much as its socket is to be given ahead. */
static void on_pipe(evutil_socket_t fd, short what, void *arg)
{
    struct replica *r = arg;
    struct client *c = r->client;
    (void)what;
    server_woken(c->server);
    while (!c->doomed && client_unsent(c) < AHEAD_BYTES) {
        ssize_t n = read(fd, buf_reserve(client_out(c), PIECE_BYTES), PIECE_BYTES);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            break;
        if (n <= 0) {
            state_given(r);
            break;
        }
        c->out.len += (size_t)n;
        r->begun = true;
    }
    listen_pipe(r, client_unsent(c) < AHEAD_BYTES);
    client_touch(c);
}

/* false: another one's turn is not over. */
static bool begin(struct replica *r)
{
    struct client *c = r->client;
    struct server *s = c->server;
    char mark[RANDOM_ID + 1];
    random_id(mark);
    int fd = s->hooks.dump_begin(s->hooks.arg, r->takes_mark ? mark : NULL, !r->filtered);
    if (fd < 0)
        return false;
    log_line(LOG_NOTICE, "Replica %s is given the state at %" PRIu64, c->peer,
             rsm_applied(node_rsm(s->node)));
    r->state = REPLICA_LOADS;
    r->pipe_fd = fd;
    event_assign(&r->pipe, s->base, fd, EV_READ | EV_PERSIST, on_pipe, r);
    listen_pipe(r, true);
    if (!r->rdb_only)
        replica_begin_stream(r);
    messages_listen(s);
    return true;
}

static void begin_next(struct server *s)
{
    list_for_each(it, &s->replicas)
    {
        struct replica *r = list_entry(it, struct replica, link);
        if (r->state == REPLICA_LOADS)
            return;
    }
    list_for_each(it, &s->replicas)
    {
        struct replica *r = list_entry(it, struct replica, link);
        if (r->state == REPLICA_WAITS && !r->client->doomed) {
            begin(r);
            return;
        }
    }
}

/* ---- SYNC, PSYNC ---- */

static bool refuse(struct client *c, const struct replica *r, struct buf *out)
{
    struct server *s = c->server;
    if (!s->hooks.dump_begin)
        resp_error(out, "ERR this server has no state to give");
    else if (!node_is_trusted(s->node))
        resp_error(out, "ERR this node's state differs from others': nobody is to follow it");
    else if (client_unsent(c) || client_is_subscribed(c) || !list_empty(&c->monitor_link))
        resp_error(out, "ERR SYNC and PSYNC are invalid with pending output");
    else if (r->filtered && !r->takes_mark)
        resp_error(out, "ERR Filtered replica requires EOF capability");
    else
        return false;
    return true;
}

/* No stream is kept to go on from, so whatever a PSYNC names, it gets the whole. The id is new each time: two who began at
 * different moments count differently, and must not take each other for the same. */
void sync_command(struct client *c, const struct slice *argv, size_t argc, struct buf *out)
{
    struct replica *r = replica_of(c);
    char id[RANDOM_ID + 1];
    int64_t offset;
    if (refuse(c, r, out) || (argc > 1 && !number(argv[2], &offset, out)))
        return;
    c->replicates = true;
    c->reply_off = c->reply_skip = false;
    r->state = REPLICA_WAITS;
    r->said_us = c->server->now_us;
    list_push_back(&c->server->replicas, &r->link);
    random_id(id);
    if (argc > 1)
        buf_printf(out, "+FULLRESYNC %s 0\r\n", id);
    c->server->again = true; /* the state is given between two entries, at the end of the pass */
}

/* ---- the rest ---- */

size_t replica_pending(const struct client *c)
{
    return c->replica ? c->replica->dirty_bytes + c->replica->words.len : 0;
}

void replica_flushed(struct client *c)
{
    struct replica *r = c->replica;
    if (client_unsent(c) < AHEAD_BYTES / 2)
        listen_pipe(r, true);
    c->server->again |= r->state == REPLICA_FOLLOWS && replica_pending(c) && client_unsent(c) == 0;
}

bool replicas_follow(const struct server *s)
{
    list_for_each(it, &s->replicas) if (list_entry(it, struct replica, link)->dirty) return true;
    return false;
}

/* At the end of a pass, between two entries. */
void replicas_turn(struct server *s)
{
    if (!s->node)
        return;
    bool trusted = node_is_trusted(s->node);
    begin_next(s);
    list_for_each(it, &s->replicas)
    {
        struct replica *r = list_entry(it, struct replica, link);
        if (r->client->doomed)
            continue;
        if (r->state == REPLICA_FOLLOWS && trusted && !r->lost)
            replica_stream(r);
        if (r->dirty && (!trusted || r->lost))
            client_doom(r->client, "it has to begin anew");
    }
}

void replica_free(struct client *c)
{
    struct replica *r = c->replica;
    if (!r)
        return;
    if (r->pipe_fd >= 0) {
        close_pipe(r);
        c->server->hooks.dump_stop(c->server->hooks.arg);
    }
    list_remove(&r->link);
    if (r->dirty) {
        replica_end_stream(r);
        messages_listen(c->server);
    }
    mem_free(r);
    c->replica = NULL;
}

/* Who waits is told that somebody is there; who does not read keeps a child, and the memory of the moment, no longer than that. */
void replicas_cron(struct server *s)
{
    list_for_each(it, &s->replicas)
    {
        struct replica *r = list_entry(it, struct replica, link);
        struct client *c = r->client;
        uint64_t silent_us = s->now_us > c->active_us ? s->now_us - c->active_us : 0;
        if (c->doomed)
            continue;
        if (silent_us > (uint64_t)s->config->repl_timeout_s * 1000000 && client_unsent(c)) {
            log_line(LOG_WARNING, "Replica %s is given up: it has not read for %" PRIu64 " s", c->peer,
                     silent_us / 1000000);
            client_doom(c, NULL);
        } else if (r->state <= REPLICA_LOADS && !r->begun && s->now_us - r->said_us > NEWLINE_US) {
            r->said_us = s->now_us;
            put_u8(client_out(c), '\n');
            client_touch(c);
        } else if (r->state == REPLICA_FOLLOWS && r->ready &&
                   s->now_us - r->said_us > (uint64_t)s->config->repl_ping_s * 1000000) {
            r->said_us = s->now_us;
            buf_append_cstr(client_out(c), "*1\r\n$4\r\nPING\r\n");
            client_touch(c);
        }
    }
}

void info_attached(struct server *s, struct buf *out)
{
    size_t count = 0;
    buf_printf(out, "attached_replicas:%zu\r\n", replicas_count(s));
    list_for_each(it, &s->replicas)
    {
        const struct replica *r = list_entry(it, struct replica, link);
        buf_printf(out, "attached%zu:addr=%s,port=%" PRId64 ",state=%s,offset=%" PRId64 "\r\n", count++,
                   r->client->peer, r->port, state_names[r->state], r->acked);
    }
}

/* ---- INFO and ROLE: they stand behind the nodes, as other replicas ---- */

size_t replicas_count(const struct server *s)
{
    size_t count = 0;
    list_for_each(it, &s->replicas) count++;
    return count;
}

static struct slice host_of(const struct replica *r)
{
    const char *colon = strrchr(r->client->peer, ':');
    return slice_of(r->client->peer, colon ? (size_t)(colon - r->client->peer) : strlen(r->client->peer));
}

void info_replicas(struct server *s, size_t number, struct buf *out)
{
    list_for_each(it, &s->replicas)
    {
        const struct replica *r = list_entry(it, struct replica, link);
        uint64_t heard_us = r->client->active_us;
        struct slice host = host_of(r);
        buf_printf(out, "slave%zu:ip=%.*s,port=%" PRId64 ",state=%s,offset=%" PRId64 ",lag=%" PRIu64 "\r\n",
                   number++, (int)host.len, host.data, r->port, state_names[r->state], r->acked,
                   s->now_us > heard_us ? (s->now_us - heard_us) / 1000000 : 0);
    }
}

void role_replicas(const struct server *s, struct buf *out)
{
    list_for_each(it, &s->replicas)
    {
        const struct replica *r = list_entry(it, struct replica, link);
        char text[24];
        resp_array(out, 3);
        resp_bulk(out, host_of(r));
        resp_bulk(out, slice_of(text, format_i64(text, r->port)));
        resp_bulk(out, slice_of(text, format_i64(text, r->acked)));
    }
}
