/* Transports for tests; see the header. */
#include "../tests/support/peers.h"
#include "../tests/support/ports.h"
#include <arpa/inet.h>
#include <assert.h>
#include <event2/event.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

static void on_frame(void *arg, uint64_t from, enum transport_channel channel, struct slice frame,
                     struct blob *blob)
{
    struct peer *p = arg;
    (void)channel;
    assert(frame.data >= blob->data && frame.data + frame.len <= blob->data + blob->len);
    p->frames++;
    p->frame_from = from;
    p->bytes += frame.len;
    if (p->check_sequence) {
        assert(frame.len >= 8 && load_u64(frame.data) == p->expect_sequence);
        p->expect_sequence++;
    } else {
        buf_truncate(&p->last_frame, 0);
        buf_append_slice(&p->last_frame, frame);
    }
    if (p->keep_all) {
        buf_append_slice(&p->all_frames, frame);
        put_u8(&p->all_frames, '|');
    }
    if (p->keep_blob) {
        blob_unref(p->kept_blob);
        p->kept_blob = blob_ref(blob);
        p->kept = frame;
    }
    if (p->on_frame)
        p->on_frame(p);
}

static void on_hello(void *arg, uint32_t handle, const struct transport_hello *hello)
{
    struct peer *p = arg;
    p->hellos++;
    p->hello_from = hello->node_id;
    if (handle > 0)
        p->last_hello = *hello;
}

static void on_link_up(void *arg, uint64_t peer)
{
    struct peer *p = arg;
    p->ups++;
    p->up_peer = peer;
}

static void on_link_lost(void *arg, uint64_t peer, bool gone)
{
    struct peer *p = arg;
    if (gone) {
        p->gones++;
        p->gone_peer = peer;
        p->gone_at_us = clock_mono_us();
    } else {
        p->losts++;
        p->lost_peer = peer;
    }
}

static void on_beat(void *arg, uint64_t from, uint64_t term)
{
    struct peer *p = arg;
    p->beats++;
    p->beat_from = from;
    p->beat_term = term;
}

static const char *admit(void *arg, const struct transport_hello *hello)
{
    struct peer *p = arg;
    (void)hello;
    return p->refuse;
}

void peer_start(struct peer *p, struct event_base *base, struct peer_options o)
{
    p->base = base;
    p->id = o.id;
    p->port = o.port ? o.port : test_port();
    struct transport_config c = {.base = base, .bind_host = "127.0.0.1", .port = p->port, .secret = o.secret};
    c.self.node_id = o.id;
    c.self.cluster_id = o.cluster_id;
    c.self.boot_nonce = o.boot_nonce ? o.boot_nonce : o.id * 1000 + 1;
    snprintf(c.self.name, sizeof c.self.name, "n%d", (int)o.id);
    snprintf(c.self.host, sizeof c.self.host, "127.0.0.1");
    c.self.peer_port = p->port;
    c.heartbeat_us = o.heartbeat_us ? o.heartbeat_us : 20000;
    c.election_us = o.election_us ? o.election_us : 400000;
    struct transport_callbacks cb = {p, on_frame, on_hello, on_link_up, on_link_lost, on_beat, admit};
    char error[256] = "";
    p->t = transport_new(&c, &cb, error, sizeof error);
    if (!p->t) {
        fprintf(stderr, "%s\n", error);
        abort();
    }
}

void peer_stop(struct peer *p)
{
    transport_free(p->t);
    test_port_release(p->port);
    p->t = NULL;
    buf_deinit(&p->last_frame);
    buf_deinit(&p->all_frames);
    blob_unref(p->kept_blob);
    p->kept_blob = NULL;
}

uint32_t peer_dial(struct peer *from, const struct peer *to, bool knows_id)
{
    return transport_dial(from->t, "127.0.0.1", to->port, knows_id ? to->id : 0);
}

static void stop_loop(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    event_base_loopbreak(arg);
}

void run_loop_us(struct event_base *base, uint64_t us)
{
    struct timeval tv = {(time_t)(us / 1000000), (suseconds_t)(us % 1000000)};
    event_base_once(base, -1, EV_TIMEOUT, stop_loop, base, &tv);
    event_base_dispatch(base);
}

int peer_raw_connect(uint16_t port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    struct timeval two = {2, 0};
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &two, sizeof two);
    if (connect(fd, (struct sockaddr *)&a, sizeof a) != 0)
        abort();
    return fd;
}

void peer_send_text(struct peer *from, uint64_t to, enum transport_channel channel, const char *text)
{
    (void)transport_send(from->t, to, channel, slice_cstr(text), NULL, 0);
    transport_flush(from->t);
}
