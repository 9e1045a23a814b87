/* The end of a pass for one connection: what is owed is written in one go, limits are enforced, and those who leave do so
 * without losing a reply: a plain close with unread bytes in the socket resets the connection and takes the last
 * replies with it, whereupon some clients send their writes again. */
#include <errno.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "server/messages.h"

/* The buffer of who was answered last is still in the processor's cache: it is the next one's. */
struct buf *client_out(struct client *c)
{
    struct server *s = c->server;
    if (c->out.cap == 0 && s->spare_count > 0)
        c->out = s->spares[--s->spare_count];
    return &c->out;
}

/* So many bytes of `out` are sent, and go: what points behind them moves. */
static void front_gone(struct client *c, size_t count)
{
    c->pushed -= c->pushed < count ? c->pushed : count;
    if (c->reply_at != SIZE_MAX)
        c->reply_at -= c->reply_at < count ? c->reply_at : count;
    c->out_at = 0;
}

static void give_back(struct client *c)
{
    struct server *s = c->server;
    front_gone(c, c->out.len);
    buf_truncate(&c->out, 0);
    if (c->out.cap > BUFFER_KEPT || s->spare_count == SPARES_MAX) {
        buf_deinit(&c->out);
        return;
    }
    s->spares[s->spare_count++] = c->out;
    c->out = (struct buf)BUF_EMPTY;
}

static void write_out(struct client *c)
{
    size_t unsent = client_unsent(c);
    if (unsent == 0)
        return;
    ssize_t n = send(c->fd, c->out.data + c->out_at, unsent, MSG_NOSIGNAL);
    if (n < 0) {
        if (errno != EAGAIN && errno != EINTR)
            client_doom(c, "error on write");
        return;
    }
    c->server->stats.net_out += (uint64_t)n;
    c->server->stats.writes++;
    c->out_at += (size_t)n;
    c->active_us = c->server->now_us;
    if (c->out_at < c->out.len) {
        if (c->out_at > c->out.len / 2) {
            buf_drop_front(&c->out, c->out_at);
            front_gone(c, c->out_at);
        }
        return;
    }
    give_back(c);
}

static bool over_limit(struct client *c)
{
    const struct output_limit *limit = &c->server->config->output_limits[client_class(c)];
    size_t unsent = client_unsent(c) + replica_pending(c);
    uint64_t now_us = c->server->now_us;
    if (client_is_stranger(c) && unsent > STRANGER_OUTPUT)
        return true;
    if (limit->hard && unsent > limit->hard)
        return true;
    if (limit->soft == 0 || unsent <= limit->soft) {
        c->soft_since_us = 0;
        return false;
    }
    if (c->soft_since_us == 0)
        c->soft_since_us = now_us;
    return now_us - c->soft_since_us > limit->soft_s * 1000000;
}

/* Looked at whenever a reply has been added, for one pass may add more than there is memory: many reads of large values
 * become ready at once. As in Redis it does not matter whether the socket would have taken a reply; but of what others
 * have to say, and a commit may bring many messages at once, only what it does not take counts. */
void client_enforce_limit(struct client *c)
{
    if (c->doomed || !over_limit(c))
        return;
    if (client_class(c) != CLASS_NORMAL) {
        write_out(c);
        if (c->doomed || !over_limit(c))
            return;
    }
    c->server->stats.cut_output++;
    log_line(LOG_WARNING, "Client id=%llu addr=%s closed: it does not read its replies (%zu bytes)",
             (unsigned long long)c->id, c->peer, client_unsent(c));
    client_doom(c, NULL);
}

static void half_close(struct client *c)
{
    if (shutdown(c->fd, SHUT_WR) < 0) {
        client_doom(c, NULL);
        return;
    }
    c->server->stats.half_closed++;
    c->half_closed = true;
    client_deafen(c); /* who leaves with the office has not been so far */
    c->drained_us = 0;
    c->leave_by_us = c->server->now_us + HALF_CLOSED_MAX_US;
    if (list_empty(&c->leaving_link))
        list_push_back(&c->server->leaving, &c->leaving_link);
}

enum socket_state { SOCKET_EMPTY, SOCKET_HAS_BYTES, SOCKET_ENDED };

static enum socket_state look_into(const struct client *c)
{
    char byte;
    ssize_t n = recv(c->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    if (n > 0)
        return SOCKET_HAS_BYTES;
    return n < 0 && (errno == EAGAIN || errno == EINTR) ? SOCKET_EMPTY : SOCKET_ENDED;
}

/* Everything that was asked has been answered, and the answers are the kernel's. */
static bool is_settled(const struct client *c)
{
    return ring_empty(c) && client_unsent(c) == 0 && !c->exclusive;
}

/* A request that meets our FIN on its way gets no answer, and its client cannot know whether it ran. So whoever has nothing
 * open when the office is lost is given the time to ask once more, and to hear who leads. */
static bool is_waited_for(const struct client *c)
{
    return !c->told && c->server->now_us + LEAVING_MAX_US < c->leave_by_us + LEAVING_LINGER_US;
}

static void end_connection(struct client *c)
{
    if (!is_settled(c))
        return;
    if (c->closing) {
        if (look_into(c) == SOCKET_HAS_BYTES)
            half_close(c);
        else
            client_doom(c, NULL);
        return;
    }
    bool late = c->server->now_us > c->leave_by_us;
    if (c->in.len > c->in_at && !late)
        return; /* waits its turn, or has come in part: it too gets its answer */
    if (is_waited_for(c))
        return;
    enum socket_state state = look_into(c);
    if (state == SOCKET_ENDED)
        client_doom(c, NULL);
    else if (state == SOCKET_EMPTY || late)
        half_close(c);
}

/* The node is no leader any more, and clients that came to it as to one are to look for the new one; whoever stays would be
 * stuck here for ever, since no client asks again while its socket is healthy. */
void client_leave(struct client *c)
{
    if (c->leaving || c->half_closed || c->closing || replica_is_attached(c))
        return; /* a replica is as well served by a follower */
    c->leaving = true;
    c->told = c->poison != POISON_NONE;
    if (c->poison == POISON_UNTIL_EMPTY)
        c->poison = POISON_UNTIL_CLOSE;
    c->leave_by_us = c->server->now_us + LEAVING_MAX_US;
    list_push_back(&c->server->leaving, &c->leaving_link);
    client_touch(c);
}

void leaving_cron(struct server *s)
{
    list_for_each_safe(it, next, &s->leaving)
    {
        struct client *c = list_entry(it, struct client, leaving_link);
        if (!c->half_closed) {
            client_touch(c);
            continue;
        }
        int queued = 0;
        if (c->drained_us == 0 && ioctl(c->fd, SIOCOUTQ, &queued) == 0 && queued == 0)
            c->drained_us = s->now_us;
        if (s->now_us > c->leave_by_us ||
            (c->drained_us && s->now_us - c->drained_us > HALF_CLOSED_DRAINED_US))
            client_doom(c, NULL);
    }
}

static void go_on(struct client *c)
{
    if (c->half_closed || c->in.len == c->in_at)
        return;
    size_t before = c->in.len - c->in_at;
    client_process(c);
    if (c->in.len - c->in_at != before)
        c->server->again = true;
}

static void settle(struct client *c)
{
    if (!c->doomed && c->stalled && !c->exclusive)
        go_on(c);
    if (c->doomed)
        return;
    client_enforce_limit(c);
    if (c->doomed)
        return;
    write_out(c);
    if (c->replica)
        replica_flushed(c);
    client_enforce_limit(c); /* it may be under the soft one again */
    if (c->doomed)
        return;
    if (c->poison == POISON_UNTIL_EMPTY && is_settled(c) && c->in.len == c->in_at && !c->unread)
        c->poison = POISON_NONE;
    if ((c->closing || c->leaving) && !c->half_closed)
        end_connection(c);
    if (!c->doomed)
        client_arm(c);
}

void client_flush(struct client *c)
{
    list_remove(&c->changed_link);
    c->dirty = false;
    settle(c);
    client_weigh(c);
}

void client_answered(struct client *c)
{
    struct server *s = c->server;
    if (!ring_empty(c) || client_unsent(c) == 0)
        return;
    s->answered[s->answered_count++] = c;
    if (s->answered_count < ANSWERED_MAX)
        return;
    s->answered_count = 0;
    for (size_t i = 0; i < ANSWERED_MAX; i++)
        if (!s->answered[i]->doomed &&
            s->answered[i] != s->script.client) /* doomed: in `changed`, to be freed */
            client_flush(s->answered[i]);
}
