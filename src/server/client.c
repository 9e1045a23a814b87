/* A connection: reading, parsing, and what it costs. Bytes are read into one buffer, and parsed by one parser, that all
 * connections share; only a request that has not arrived whole, or that has to wait, is kept in a buffer of the client's
 * own. Thousands of connections are each cold in the processor's cache when they are heard of: what they share is not. */
#include <errno.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/log.h"
#include "base/number.h"
#include "server/messages.h"
#include "server/users.h"

enum { READ_MORE_MAX = 1024 * 1024, IDLE_SHRINK_US = 2000000 };

struct client *client_new(struct server *s, int fd, int mode, const char *peer, const char *local)
{
    if (s->free_count == 0)
        return NULL;
    struct client *c = mem_calloc(1, sizeof *c);
    c->server = s;
    c->place = s->free_places[s->free_head % s->place_count];
    s->free_head++;
    s->free_count--;
    c->generation = s->generations[c->place];
    s->clients[c->place] = c;
    s->client_count++;
    c->id = s->next_client_id++;
    c->fd = fd;
    c->mode = (uint8_t)mode;
    c->resp = 2;
    client_become_default(c);
    c->led = s->node && node_is_serving(s->node);
    c->created_us = c->active_us = s->now_us;
    snprintf(c->peer, sizeof c->peer, "%s", peer);
    snprintf(c->local, sizeof c->local, "%s", local);
    c->tag[0] = '#';
    c->tag[1 + format_i64(c->tag + 1, (int64_t)c->id)] = '\0';
    list_push_back(&s->everyone, &c->everyone_link);
    list_init(&c->changed_link);
    list_init(&c->parked_link);
    list_init(&c->leaving_link);
    list_init(&c->waiting_link);
    list_init(&c->paused_link);
    list_init(&c->trial_link);
    list_init(&c->monitor_link);
    list_init(&c->unread_link);
    client_arm(c);
    if (!socket_watch(c))
        client_doom(c, "its socket cannot be watched");
    return c;
}

void client_free(struct client *c)
{
    struct server *s = c->server;
    socket_forget(c);
    if (s->looked_at == &c->everyone_link)
        s->looked_at = c->everyone_link.prev;
    s->answered_count = 0; /* it may be one of them; the others are in `changed` all the same */
    list_remove(&c->everyone_link);
    list_remove(&c->changed_link);
    list_remove(&c->parked_link);
    list_remove(&c->leaving_link);
    list_remove(&c->waiting_link);
    list_remove(&c->paused_link);
    list_remove(&c->trial_link);
    list_remove(&c->monitor_link);
    close(c->fd);
    ring_free(c);
    requests_forget(c);
    replica_free(c);
    buf_deinit(&c->in);
    buf_deinit(&c->out);
    buf_deinit(&c->name);
    buf_deinit(&c->user_name);
    buf_deinit(&c->opening);
    buf_deinit(&c->trial_bytes);
    transaction_free(c->txn);
    transaction_free(c->running);
    client_deafen(c);
    watches_clear(c);
    mem_free(c->watches);
    s->clients[c->place] = NULL;
    s->generations[c->place] = (s->generations[c->place] + 1) & ((1u << TICKET_GENERATION_BITS) - 1);
    s->free_places[(s->free_head + s->free_count) % s->place_count] = c->place;
    s->free_count++;
    s->client_count--;
    if (s->weighs) {
        s->clients_weight -= c->weight;
        s->spared_weight -= c->spared;
    }
    mem_free(c);
}

void client_touch(struct client *c)
{
    if (c->dirty)
        return;
    c->dirty = true;
    list_push_back(&c->server->changed, &c->changed_link);
}

void client_doom(struct client *c, const char *why)
{
    if (why && !c->doomed)
        log_line(LOG_VERBOSE, "Client id=%llu addr=%s closed: %s", (unsigned long long)c->id, c->peer, why);
    c->doomed = true;
    client_touch(c);
}

void client_close_after_reply(struct client *c)
{
    c->closing = true;
    client_deafen(c);
    client_touch(c);
}

size_t client_unsent(const struct client *c)
{
    return c->out.len - c->out_at;
}

struct slice client_tag(const struct client *c)
{
    return c->name.len ? buf_slice(&c->name) : slice_cstr(c->tag);
}

/* The socket is read while requests can be taken; a client that waits keeps its further bytes in the kernel. */
void client_arm(struct client *c)
{
    bool waits = c->claim || !list_empty(&c->waiting_link);
    bool may_read =
        waits ? c->in.len - c->in_at < WAITING_INPUT : !c->exclusive && !c->stalled && client_may_take(c);
    c->reading = c->half_closed || (!c->doomed && !c->closing && may_read);
    socket_hear_again(c);
}

/* The request at the front is half parsed, or waits: what was shared becomes the client's own. */
static void keep_rest(struct client *c, struct slice rest)
{
    buf_append_slice(&c->in, rest);
}

void client_process(struct client *c)
{
    if (c->in.len > c->in_at)
        c->in_at += requests_take(c, slice_of(c->in.data + c->in_at, c->in.len - c->in_at));
    if (c->in_at == c->in.len) {
        c->in_at = 0;
        buf_truncate(&c->in, 0);
        if (c->in.cap > BUFFER_KEPT)
            buf_deinit(&c->in);
    } else if (c->in_at > c->in.len / 2) {
        buf_drop_front(&c->in, c->in_at);
        c->in_at = 0;
    }
}

/* Grows with what has arrived, never with what was announced. */
static size_t read_size(const struct client *c)
{
    int there = 0;
    size_t wanted = c->parser ? c->parser->wanted : 0;
    if (wanted > SHARED_INPUT && ioctl(c->fd, FIONREAD, &there) == 0 && (size_t)there > SHARED_INPUT)
        return (size_t)there < wanted ? (size_t)there : wanted;
    size_t have = c->in.len - c->in_at;
    size_t size = have < SHARED_INPUT ? SHARED_INPUT : have;
    if (size > READ_MORE_MAX)
        size = READ_MORE_MAX;
    return wanted && wanted < size && wanted > 16 * 1024 ? wanted : size;
}

static ssize_t read_some(struct client *c, bool own, size_t *asked)
{
    struct server *s = c->server;
    *asked = own ? read_size(c) : SHARED_INPUT;
    char *at = own ? buf_reserve(&c->in, *asked) : s->shared_input;
    ssize_t n = recv(c->fd, at, *asked, 0); /* read() would go by way of the file, which is cold in memory */
    if (n > 0) {
        s->stats.net_in += (uint64_t)n;
        s->stats.reads++;
        s->crowd_size += c->crowd != s->crowd;
        c->crowd = s->crowd;
        c->active_us = s->now_us;
        c->park_until_us = 0;
        c->group_open = false;
        if (own)
            c->in.len += (size_t)n;
    }
    return n;
}

/* Between half-close and the end what still comes is not run (DESIGN 6). */
static void take_input(struct client *c, bool own, size_t len)
{
    if (c->half_closed)
        return;
    if (own) {
        client_process(c);
    } else {
        size_t taken = requests_take(c, slice_of(c->server->shared_input, len));
        keep_rest(c, slice_of(c->server->shared_input + taken, len - taken));
    }
    if (c->in.len - c->in_at > c->server->config->query_buffer_limit) {
        c->server->stats.cut_input++;
        client_doom(c, "it reached the query buffer limit");
    }
}

/* true: a large argument has come in part. What was read has made room for more of it in the socket. */
static bool hear_once(struct client *c)
{
    bool own = c->in.len > 0 && !c->half_closed;
    size_t asked;
    ssize_t n = read_some(c, own, &asked);
    server_heard(c->server);
    if (n < 0 && errno == EAGAIN) {
        c->unread = false;
        return false;
    }
    if (n == 0 || (n < 0 && errno != EINTR)) {
        client_doom(c, c->half_closed ? NULL : n == 0 ? "by the client" : "error on read");
        return false;
    }
    /* A read that was not filled has emptied the socket; but its end, if that has come, is still to be read. */
    c->unread = n < 0 || (size_t)n == asked || c->ended;
    client_touch(c);
    if (n < 0)
        return false;
    if (c->server->weighs) {
        client_weigh(c);
        clients_bound(c->server);
    }
    if (!c->doomed)
        take_input(c, own, (size_t)n);
    client_weigh(c);
    return !c->doomed && !c->half_closed && c->parser && c->parser->bulk_len > SHARED_INPUT;
}

void client_hear(struct client *c)
{
    if (c->doomed || !c->reading)
        return; /* client_arm comes back to it */
    size_t before = c->in.len;
    while (hear_once(c) && c->in.len < before + READ_MORE_MAX) {
    }
    if (!c->doomed)
        client_answered(c);
}

/* Not who waits for us (a reply, the end of CLIENT PAUSE, a leader), nor who has only to listen. */
static bool may_time_out(const struct client *c)
{
    bool waits = !ring_empty(c) || c->stalled;
    bool listens = client_is_subscribed(c) || !list_empty(&c->monitor_link) || replica_is_attached(c);
    return !waits && !listens && !c->unseen;
}

/* Now and then, for each client: those that idle, and buffers that were large once. */
void client_cron(struct client *c)
{
    struct server *s = c->server;
    uint64_t idle_us = s->now_us - c->active_us;
    if (client_is_stranger(c) && s->now_us - c->stranger_us > STRANGER_TIME_US) {
        client_doom(c, "it did not authenticate in time");
        return;
    }
    client_enforce_limit(c); /* the soft one: it may be silent for as long as that allows */
    if (c->doomed)
        return;
    if (s->config->timeout_s && may_time_out(c) && idle_us > (uint64_t)s->config->timeout_s * 1000000) {
        client_doom(c, "idle");
        return;
    }
    if (idle_us < IDLE_SHRINK_US || !ring_empty(c))
        return;
    if (s->buffers_stay)
        return;
    if (c->out.cap && client_unsent(c) == 0) {
        buf_deinit(&c->out);
        c->out_at = 0;
    }
    ring_free(c);
    if (c->in.len == 0)
        buf_deinit(&c->in);
}
