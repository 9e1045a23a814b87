/* One TCP connection, dialled or accepted: its events, its input and its queue. What a frame means is decided
 * by handshake.c, then by listener.c; who is told of a failure by link.c. */
#include "base/alloc.h"
#include "transport/transport_int.h"
#include <errno.h>
#include <event2/event.h>
#include <netinet/tcp.h>
#include <unistd.h>

enum { READS_A_TURN = 4 }; /* then the others have their turn */

static void conn_fail(struct conn *c, int error)
{
    if (c->dial)
        link_conn_failed(c, error);
    else
        conn_close(c);
}

void conn_junk(struct conn *c)
{
    c->t->stats.junk++;
    if (c->dial)
        link_complain(c->dial->link, "bytes that are no frame came back; closed");
    else
        listener_complain(c->t, c->address, "bytes that are no frame of a peer; closed");
    conn_fail(c, EPROTO);
}

static void take_frames(struct conn *c)
{
    struct frame f;
    for (;;) {
        enum frame_status status = frame_in_next(&c->in, &f);
        if (status == FRAME_MORE)
            return;
        if (status == FRAME_BAD) {
            conn_junk(c);
            return;
        }
        c->t->stats.frames_in++;
        if (c->state != CONN_READY)
            handshake_frame(c, &f);
        else if (c->dial)
            conn_junk(c); /* nothing is sent on the accepted side of a link */
        else
            listener_frame(c, &f);
        if (c->state == CONN_CLOSED)
            return;
    }
}

static void on_read(evutil_socket_t fd, short what, void *arg)
{
    (void)what;
    struct conn *c = arg;
    if (c->broken) {
        conn_fail(c, EPIPE);
        return;
    }
    bool full = true;
    for (int i = 0; i < READS_A_TURN && full; i++) {
        ssize_t n = frame_in_recv(&c->in, (int)fd, &full);
        if (n <= 0) {
            if (n == 0 || (errno != EAGAIN && errno != EWOULDBLOCK))
                conn_fail(c, n == 0 ? 0 : errno);
            return;
        }
        c->t->stats.bytes_in += (uint64_t)n;
        take_frames(c);
        if (c->state == CONN_CLOSED)
            return;
    }
}

/* A port of our own range may connect to itself when nobody listens there: that is a refusal too. */
static bool connected_to_itself(int fd)
{
    struct sockaddr_storage a = {0}, b = {0};
    socklen_t a_len = sizeof a, b_len = sizeof b;
    return getsockname(fd, (struct sockaddr *)&a, &a_len) == 0 &&
           getpeername(fd, (struct sockaddr *)&b, &b_len) == 0 && a_len == b_len &&
           memcmp(&a, &b, a_len) == 0;
}

static void on_connected(struct conn *c)
{
    int error = 0;
    socklen_t len = sizeof error;
    if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0)
        error = errno;
    if (error == 0 && connected_to_itself(c->fd))
        error = ECONNREFUSED;
    if (error) {
        conn_fail(c, error);
        return;
    }
    event_del(c->write_event);
    c->writing = false;
    event_add(c->read_event, NULL);
    handshake_start(c);
}

static void on_write(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    struct conn *c = arg;
    if (c->state == CONN_CONNECTING) {
        on_connected(c);
        return;
    }
    event_del(c->write_event);
    c->writing = false;
    conn_flush(c);
}

/* A dead line is noticed by the kernel: bytes unacknowledged for two election timeouts, or keepalive probes
 * when there are none, end the connection. Bulk waits longer, since its receiver may be busy with a disk. */
bool conn_set_options(int fd, const struct transport *t, uint8_t channel)
{
    int on = 1, idle_s = 1, interval_s = 1, probes = 3;
    uint64_t patience_ms =
        t->election_us / 1000 * (channel == TRANSPORT_BULK || channel == TRANSPORT_NEWS ? 10 : 2);
    unsigned timeout_ms = patience_ms > 60000 ? 60000 : (unsigned)patience_ms;
    return setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0 &&
           setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on) == 0 &&
           setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof idle_s) == 0 &&
           setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval_s, sizeof interval_s) == 0 &&
           setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof probes) == 0 &&
           setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout_ms, sizeof timeout_ms) == 0;
}

struct conn *conn_new(struct transport *t, int fd, struct dial *dial, uint8_t channel)
{
    struct conn *c = mem_calloc(1, sizeof *c);
    c->t = t;
    c->dial = dial;
    c->fd = fd;
    c->channel = channel;
    c->state = dial ? CONN_CONNECTING : CONN_OPENING;
    c->in.payload_max = HANDSHAKE_FRAME_MAX;
    list_init(&c->node);
    list_init(&c->dirty_node);
    c->read_event = event_new(t->base, fd, EV_READ | EV_PERSIST, on_read, c);
    c->write_event = event_new(t->base, fd, EV_WRITE | EV_PERSIST, on_write, c);
    if (dial) {
        event_add(c->write_event, NULL);
        c->writing = true;
    } else {
        event_add(c->read_event, NULL);
    }
    return c;
}

int conn_detach(struct conn *c)
{
    int fd = c->fd;
    if (!c->dial && c->state == CONN_READY)
        c->t->accepted_count--;
    else if (!c->dial)
        c->t->pending_count--;
    c->state = CONN_CLOSED;
    c->fd = -1;
    event_free(c->read_event);
    event_free(c->write_event);
    if (c->deadline)
        event_free(c->deadline);
    c->read_event = c->write_event = c->deadline = NULL;
    list_remove(&c->dirty_node);
    list_remove(&c->node);
    list_push_back(&c->t->graves, &c->node);
    transport_reap_soon(c->t);
    return fd;
}

void conn_close(struct conn *c)
{
    if (c->state != CONN_CLOSED)
        close(conn_detach(c));
}

void conn_free(struct conn *c)
{
    list_remove(&c->node);
    frame_in_deinit(&c->in);
    outq_deinit(&c->out);
    buf_deinit(&c->transcript);
    mem_free(c);
}

void conn_break(struct conn *c)
{
    if (c->state == CONN_CLOSED || c->broken)
        return;
    c->broken = true;
    event_active(c->read_event, EV_READ, 1);
}

void conn_flush(struct conn *c)
{
    list_remove(&c->dirty_node);
    c->dirty = false;
    if (c->writing || c->broken || c->state == CONN_CLOSED)
        return;
    size_t budget = c->channel == TRANSPORT_BULK || c->channel == TRANSPORT_NEWS ? BULK_WRITE_MAX : SIZE_MAX;
    enum outq_status status = outq_write(&c->out, c->fd, budget, &c->t->stats.bytes_out);
    if (status == OUTQ_BROKEN) {
        conn_break(c);
    } else if (status != OUTQ_DRAINED) {
        event_add(c->write_event, NULL);
        c->writing = true;
    }
}

void conn_queue(struct conn *c, enum frame_type type, struct slice payload)
{
    outq_frame(&c->out, type, payload, NULL, 0);
    c->t->stats.frames_out++;
    conn_flush(c);
}
