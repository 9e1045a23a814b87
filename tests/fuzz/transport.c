/* A node's peer port: the bytes of a stranger, of a peer, and of whoever answers where a peer was dialled, in pieces of
 * any size. Frames are made right where the script says so, since no fuzzer finds a CRC. What is delivered is what was
 * sent after a handshake, whole and in order. */
#include <arpa/inet.h>
#include <errno.h>
#include <event2/event.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "fuzz.h"
#include "transport/transport_int.h"

enum { SENT_MAX = 64, SELF = 2, PEER = 1 };

static struct {
    struct event_base *base;
    struct transport *transport;
    int listener; /* where the node dials */
    uint16_t port;
    /* Of the present run: payloads of the DATA frames sent, and how many were delivered. */
    struct buf stream;
    struct {
        size_t offset, len;
    } sent[SENT_MAX];
    size_t sent_count, delivered;
    bool raw; /* bytes were sent that the script did not frame */
} world;

static void on_frame(void *arg, uint64_t from, enum transport_channel channel, struct slice frame,
                     struct blob *blob)
{
    (void)arg, (void)from, (void)channel;
    fuzz_check(frame.data >= blob->data && frame.data + frame.len <= blob->data + blob->len);
    if (world.raw)
        return;
    fuzz_check(world.delivered < world.sent_count);
    size_t offset = world.sent[world.delivered].offset, len = world.sent[world.delivered].len;
    fuzz_check(slice_equal(frame, slice_of(world.stream.data + offset, len)));
    world.delivered++;
}

static void on_hello(void *arg, uint32_t handle, const struct transport_hello *hello)
{
    (void)arg, (void)handle;
    fuzz_check(strlen(hello->name) < sizeof hello->name && strlen(hello->host) < sizeof hello->host);
    fuzz_check(text_is_plain(slice_cstr(hello->name)) && text_is_plain(slice_cstr(hello->host)));
}

static void on_link_up(void *arg, uint64_t peer)
{
    (void)arg, (void)peer;
}

static void on_link_lost(void *arg, uint64_t peer, bool gone)
{
    (void)arg, (void)peer, (void)gone;
}

static void on_beat(void *arg, uint64_t peer, uint64_t term)
{
    (void)arg, (void)peer, (void)term;
}

static const char *admit(void *arg, const struct transport_hello *hello)
{
    (void)arg;
    return hello->term == 99 ? TRANSPORT_REMOVED : NULL;
}

static int listen_somewhere(uint16_t *port)
{
    struct sockaddr_in a = {.sin_family = AF_INET};
    socklen_t len = sizeof a;
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    fuzz_check(fd >= 0 && bind(fd, (struct sockaddr *)&a, sizeof a) == 0 && listen(fd, 16) == 0 &&
               getsockname(fd, (struct sockaddr *)&a, &len) == 0);
    *port = ntohs(a.sin_port);
    return fd;
}

/* Once for all runs: a run leaves nothing behind in it but counters. */
static void start(void)
{
    struct transport_callbacks calls = {NULL, on_frame, on_hello, on_link_up, on_link_lost, on_beat, admit};
    struct transport_config config = {
        .bind_host = "127.0.0.1", .heartbeat_us = 50000, .election_us = 1000000};
    char error[256];
    fuzz_check(log_set_file("/dev/null"));
    world.base = event_base_new();
    world.listener = listen_somewhere(&world.port);
    config.base = world.base;
    config.self = (struct transport_hello){.node_id = SELF, .cluster_id = 9, .boot_nonce = 5, .name = "self"};
    world.transport = transport_new(&config, &calls, error, sizeof error);
    fuzz_check(world.transport);
}

static void on_deadline(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what, (void)arg;
}

/* As listener.c does with what it has accepted. */
static int accepted(void)
{
    struct transport *t = world.transport;
    int fds[2];
    fuzz_check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0);
    struct conn *c = conn_new(t, fds[1], NULL, TRANSPORT_CONTROL);
    list_push_back(&t->pending, &c->node);
    t->pending_count++;
    c->deadline = event_new(t->base, -1, 0, on_deadline, c);
    return fds[0];
}

static int dialled(uint32_t *handle, bool known)
{
    *handle = transport_dial(world.transport, "127.0.0.1", world.port, known ? PEER : 0);
    for (int i = 0; i < 1000; i++) {
        event_base_loop(world.base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
        int fd = accept4(world.listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0)
            return fd;
        usleep(100);
    }
    fuzz_check(!"nobody dials");
    return -1;
}

static void put_opening(struct buf *out, enum frame_type type, struct reader *r)
{
    struct buf b = BUF_EMPTY;
    uint8_t odd = get_u8(r);
    struct shake_opening o = {
        .version = odd & 1 ? get_u16(r) : PROTOCOL_VERSION, .channel = get_u8(r), .has_secret = odd & 2};
    o.target = odd & 4 ? get_u64(r) : SELF;
    o.tag = odd & 8 ? get_u32(r) : 7;
    snprintf(o.architecture, sizeof o.architecture, "%s", odd & 16 ? "vax" : hello_architecture());
    o.node = (struct transport_hello){.node_id = odd & 32 ? get_u8(r) : PEER,
                                      .cluster_id = odd & 64 ? get_u8(r) : 9,
                                      .boot_nonce = 4,
                                      .term = get_u8(r),
                                      .port = get_u16(r)};
    snprintf(o.node.name, sizeof o.node.name, "peer");
    opening_encode(&b, type, &o);
    for (uint8_t changes = get_u8(r) & 3; changes > 0; changes--) {
        uint8_t at = get_u8(r); /* one after the other: neither may be read first */
        b.data[at % b.len] = (char)get_u8(r);
    }
    frame_append(out, type, buf_slice(&b));
    buf_deinit(&b);
}

static void put_data(struct buf *out, struct reader *r)
{
    struct piece p = piece_take(r, get_u8(r));
    if (world.sent_count < SENT_MAX) {
        world.sent[world.sent_count].offset = out->len + FRAME_HEADER;
        world.sent[world.sent_count++].len = p.len;
        frame_append(out, FRAME_DATA, piece_slice(&p));
    }
    free(p.data);
}

static void put_something(struct buf *out, struct reader *r)
{
    static const char zeroes[SECRET_BYTES];
    struct buf b = BUF_EMPTY;
    struct piece p = {0};
    struct transport_hello h = {.node_id = PEER, .cluster_id = 9, .boot_nonce = 4, .name = "peer"};
    uint8_t what = get_u8(r);
    switch (what % 9) {
    case 0:
        put_opening(out, FRAME_HELLO, r);
        break;
    case 1:
        put_opening(out, FRAME_CHALLENGE, r);
        break;
    case 2:
        frame_append(out, FRAME_PROOF, slice_of(zeroes, sizeof zeroes));
        break;
    case 3:
        frame_append(out, FRAME_WELCOME, slice_of(zeroes, sizeof zeroes));
        break;
    case 4:
        h.term = get_u64(r);
        h.cluster_id = get_u8(r) & 1 ? 9 : 8;
        hello_encode(&b, &h);
        frame_append(out, FRAME_ANNOUNCE, buf_slice(&b));
        break;
    case 5:
    case 6:
        put_data(out, r);
        break;
    case 7: { /* any frame with a right checksum */
        enum frame_type type = (enum frame_type)(get_u8(r) % 24);
        p = piece_take(r, get_u8(r));
        world.raw |= type == FRAME_DATA;
        frame_append(out, type, piece_slice(&p));
        break;
    }
    default: /* bytes */
        p = piece_take(r, get_u8(r));
        world.raw = true;
        buf_append(out, p.data, p.len);
    }
    free(p.data);
    buf_deinit(&b);
}

static void play(int fd, const uint8_t cuts[2])
{
    struct buf *s = &world.stream;
    char reply[4096];
    for (size_t at = 0, i = 0; at < s->len; i++) {
        size_t want = cuts[0] == 255 ? s->len : (size_t)cuts[i % 2] + 1, left = s->len - at;
        ssize_t n = send(fd, s->data + at, want < left ? want : left, MSG_NOSIGNAL);
        if (n < 0 && errno != EAGAIN)
            return; /* closed: it did not like what it saw */
        at += n > 0 ? (size_t)n : 0;
        event_base_loop(world.base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
        while (recv(fd, reply, sizeof reply, MSG_DONTWAIT) > 0)
            ;
    }
}

static void finish(int fd, uint32_t handle)
{
    struct linger reset = {1, 0}; /* no port is left waiting for a minute */
    (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    if (handle)
        transport_hang_up(world.transport, handle);
    close(fd);
    struct transport *t = world.transport;
    for (int i = 0; i < 3 || t->pending_count || t->accepted_count; i++)
        event_base_loop(world.base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
    for (int other; (other = accept4(world.listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0;) {
        (void)setsockopt(other, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
        close(other);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct reader r = fuzz_reader(data, len);
    uint8_t how = get_u8(&r), cuts[2] = {get_u8(&r), get_u8(&r)};
    uint32_t handle = 0;
    if (!world.transport)
        start();
    buf_truncate(&world.stream, 0);
    world.sent_count = world.delivered = 0;
    world.raw = false;
    int fd = how & 1 ? dialled(&handle, how & 2) : accepted();
    while (fuzz_more(&r))
        put_something(&world.stream, &r);
    play(fd, cuts);
    finish(fd, handle);
    return 0;
}
