/* What strangers send to the peer port: nothing of it is delivered, ends the process, or takes memory or
 * descriptors for long; all of it is closed and counted. The link beside it goes on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* after those */
#include <cmocka.h>

#include "../tests/support/peers.h"
#include "../tests/support/ports.h"
#include "base/log.h"
#include "transport/transport_int.h"
#include <arpa/inet.h>
#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <unistd.h>

struct world {
    struct event_base *base;
    struct peer a, b; /* b is under attack; a talks to it */
};

static int setup(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    w->base = event_base_new();
    struct peer_options a = {.id = 1, .cluster_id = 9, .secret = "s"},
                        b = {.id = 2, .cluster_id = 9, .secret = "s"};
    peer_start(&w->a, w->base, a);
    peer_start(&w->b, w->base, b);
    peer_dial(&w->a, &w->b, true);
    *state = w;
    return RUN_UNTIL(w->base, 2000, w->a.ups == 1) ? 0 : -1;
}

static int teardown(void **state)
{
    struct world *w = *state;
    peer_stop(&w->a);
    peer_stop(&w->b);
    event_base_free(w->base);
    free(w);
    return 0;
}

static uint64_t junk_count(struct world *w)
{
    struct transport_stats s;
    transport_stats(w->b.t, &s);
    return s.junk;
}

static bool closed(struct world *w, int fd)
{
    char bytes[4096];
    ssize_t n;
    return RUN_UNTIL(w->base, 1500,
                     (n = recv(fd, bytes, sizeof bytes, MSG_DONTWAIT)) == 0 ||
                         (n < 0 && errno == ECONNRESET));
}

static void link_still_works(struct world *w)
{
    size_t frames = w->b.frames;
    peer_send_text(&w->a, 2, TRANSPORT_CONTROL, "fine");
    assert_true(RUN_UNTIL(w->base, 1000, w->b.frames == frames + 1));
    assert_true(slice_equal(buf_slice(&w->b.last_frame), SLICE_LITERAL("fine")));
    assert_int_equal(w->a.losts, 0);
}

static void expect_junk(struct world *w, struct slice bytes)
{
    uint64_t before = junk_count(w);
    size_t frames = w->b.frames;
    int fd = peer_raw_connect(w->b.port);
    assert_int_equal(send(fd, bytes.data, bytes.len, MSG_NOSIGNAL), (ssize_t)bytes.len);
    assert_true(closed(w, fd));
    close(fd);
    assert_true(junk_count(w) > before);
    assert_int_equal(w->b.frames, frames);
}

static void test_other_protocols(void **state)
{
    struct world *w = *state;
    expect_junk(w, SLICE_LITERAL("*1\r\n$4\r\nPING\r\n"));
    expect_junk(w, SLICE_LITERAL("GET / HTTP/1.1\r\n\r\n"));
    expect_junk(w, SLICE_LITERAL("X"));
    link_still_works(w);
}

static void test_silent_stranger_is_closed(void **state)
{
    struct world *w = *state;
    uint64_t before = junk_count(w), since = clock_mono_us();
    int fd = peer_raw_connect(w->b.port);
    assert_int_equal(send(fd, "KVR", 3, MSG_NOSIGNAL), 3); /* a good beginning, and no more */
    assert_true(closed(w, fd));
    assert_true(clock_mono_us() - since >= 350000);
    assert_int_equal(junk_count(w), before + 1);
    close(fd);
    link_still_works(w);
}

static void test_frames_before_the_handshake(void **state)
{
    struct world *w = *state;
    static const enum frame_type types[] = {FRAME_DATA,     FRAME_PROOF,     FRAME_WELCOME, FRAME_REFUSE,
                                            FRAME_ANNOUNCE, FRAME_CHALLENGE, FRAME_BEAT};
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        struct buf b = BUF_EMPTY;
        char zeroes[SECRET_BYTES] = {0};
        frame_append(&b, types[i], slice_of(zeroes, sizeof zeroes));
        expect_junk(w, buf_slice(&b));
        buf_deinit(&b);
    }
    char header[FRAME_HEADER];
    frame_header(header, FRAME_HELLO, HANDSHAKE_FRAME_MAX + 1, (struct slice){NULL, 0}, NULL, 0);
    expect_junk(w, slice_of(header, sizeof header)); /* too long for a stranger */
    link_still_works(w);
}

static struct shake_opening good_opening(void)
{
    struct shake_opening o = {.version = PROTOCOL_VERSION, .has_secret = true};
    snprintf(o.architecture, sizeof o.architecture, "%s", hello_architecture());
    o.node.node_id = 3;
    o.node.cluster_id = 9;
    o.node.boot_nonce = 1;
    return o;
}

/* Sends a HELLO, expects a refusal with `text` in it. */
static void expect_refusal(struct world *w, const struct shake_opening *o, const char *text)
{
    struct transport_stats before, after;
    transport_stats(w->b.t, &before);
    struct buf payload = BUF_EMPTY, bytes = BUF_EMPTY;
    opening_encode(&payload, FRAME_HELLO, o);
    frame_append(&bytes, FRAME_HELLO, buf_slice(&payload));
    int fd = peer_raw_connect(w->b.port);
    assert_int_equal(send(fd, bytes.data, bytes.len, MSG_NOSIGNAL), (ssize_t)bytes.len);
    char reply[1024] = {0};
    ssize_t n;
    assert_true(RUN_UNTIL(w->base, 1000, (n = recv(fd, reply, sizeof reply - 1, MSG_DONTWAIT)) > 0));
    assert_int_equal(reply[12], FRAME_REFUSE);
    assert_non_null(memmem(reply, (size_t)n, text, strlen(text)));
    transport_stats(w->b.t, &after);
    assert_int_equal(after.refused, before.refused + 1);
    close(fd);
    buf_deinit(&payload);
    buf_deinit(&bytes);
}

static void test_other_version_and_architecture(void **state)
{
    struct world *w = *state;
    struct shake_opening o = good_opening();
    o.version = 99;
    expect_refusal(w, &o, "version");
    o = good_opening();
    snprintf(o.architecture, sizeof o.architecture, "s390x");
    expect_refusal(w, &o, "architecture");
    o = good_opening();
    o.has_secret = false;
    expect_refusal(w, &o, "masterauth");
    link_still_works(w);
}

/* A listener that claims to be node 3 and takes whoever dials, without knowing the secret. */
static void test_impostor(void **state)
{
    struct world *w = *state;
    int on = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(test_port())};
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    (void)setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    assert_int_equal(bind(listener, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(listen(listener, 8), 0);
    transport_dial(w->a.t, "127.0.0.1", ntohs(at.sin_port), 3);
    run_loop_us(w->base, 20000);
    int fd = accept(listener, NULL, NULL);
    struct shake_opening o = good_opening();
    struct buf payload = BUF_EMPTY, bytes = BUF_EMPTY;
    opening_encode(&payload, FRAME_CHALLENGE, &o);
    frame_append(&bytes, FRAME_CHALLENGE, buf_slice(&payload));
    char zeroes[SECRET_BYTES] = {0}, got[4096];
    assert_int_equal(send(fd, bytes.data, bytes.len, MSG_NOSIGNAL), (ssize_t)bytes.len);
    run_loop_us(w->base, 20000);
    assert_true(recv(fd, got, sizeof got, 0) > 0); /* HELLO, PROOF */
    buf_truncate(&bytes, 0);
    frame_append(&bytes, FRAME_WELCOME, slice_of(zeroes, sizeof zeroes));
    assert_int_equal(send(fd, bytes.data, bytes.len, MSG_NOSIGNAL), (ssize_t)bytes.len);
    assert_true(closed(w, fd));
    assert_false(transport_is_up(w->a.t, 3));
    assert_int_equal(w->a.ups, 1);
    assert_int_equal(w->a.last_hello.node_id, 2); /* it was not believed for a moment */
    close(fd);
    close(listener);
    buf_deinit(&payload);
    buf_deinit(&bytes);
}

/* A frame after the handshake that fails its checks costs that connection, nothing else. */
static void test_damage_on_a_standing_link(void **state)
{
    struct world *w = *state;
    run_loop_us(w->base, 150000); /* so that it is redialled at once */
    uint64_t before = junk_count(w);
    struct conn *c = transport_conn(w->a.t, 2, TRANSPORT_CONTROL);
    struct buf b = BUF_EMPTY;
    frame_append(&b, FRAME_DATA, SLICE_LITERAL("damaged"));
    b.data[b.len - 1] ^= 1;
    assert_int_equal(send(c->fd, b.data, b.len, MSG_NOSIGNAL), (ssize_t)b.len);
    assert_true(RUN_UNTIL(w->base, 1000, w->a.ups == 2));
    assert_int_equal(junk_count(w), before + 1);
    assert_int_equal(w->b.frames, 0);
    assert_int_equal(w->a.gones, 0);
    buf_deinit(&b);
}

/* Announcing another id over a link that was admitted as somebody else. */
static void test_announcing_another_id(void **state)
{
    struct world *w = *state;
    uint64_t before = junk_count(w);
    struct conn *c = transport_conn(w->a.t, 2, TRANSPORT_CONTROL);
    struct transport_hello h = {.node_id = 3, .cluster_id = 9, .boot_nonce = 1001};
    struct buf b = BUF_EMPTY;
    hello_encode(&b, &h);
    size_t hellos = w->b.hellos;
    conn_queue(c, FRAME_ANNOUNCE, buf_slice(&b));
    buf_deinit(&b);
    assert_true(RUN_UNTIL(w->base, 1000, junk_count(w) == before + 1));
    assert_true(w->b.hellos == hellos || w->b.hello_from == 1);
}

static void test_flood_of_connections(void **state)
{
    struct world *w = *state;
    enum { FLOOD = 200 };
    int fds[FLOOD];
    for (int i = 0; i < FLOOD; i++) {
        fds[i] = peer_raw_connect(w->b.port);
        if (i % 50 == 49)
            run_loop_us(w->base, 2000);
    }
    run_loop_us(w->base, 5000);
    assert_true(w->b.t->pending_count <= PENDING_MAX);
    /* A peer still gets through. */
    struct peer c = {0};
    peer_start(&c, w->base, (struct peer_options){.id = 3, .cluster_id = 9, .secret = "s"});
    peer_dial(&c, &w->b, true);
    assert_true(RUN_UNTIL(w->base, 300, c.ups == 1));
    peer_stop(&c);
    for (int i = 0; i < FLOOD; i++)
        close(fds[i]);
    link_still_works(w);
}

static void fuzz_once(struct world *w, struct prng *r)
{
    struct buf b = BUF_EMPTY, payload = BUF_EMPTY;
    int kind = (int)prng_below(r, 3);
    if (kind == 0) { /* a damaged but well-framed hello: gets past the checksum */
        struct shake_opening o = good_opening();
        opening_encode(&payload, FRAME_HELLO, &o);
        for (uint64_t n = prng_below(r, 5); n > 0; n--)
            payload.data[prng_below(r, payload.len)] = (char)prng_next(r);
        buf_truncate(&payload,
                     payload.len - (size_t)prng_below(r, 3) * (size_t)prng_below(r, payload.len / 2));
        frame_append(&b, FRAME_HELLO, buf_slice(&payload));
    }
    for (uint64_t n = prng_below(r, 4); n > 0; n--) { /* frames of any type with any bytes */
        buf_truncate(&payload, 0);
        for (uint64_t len = prng_below(r, 300); len > 0; len--)
            put_u8(&payload, (uint8_t)prng_next(r));
        frame_append(&b, (enum frame_type)prng_below(r, 20), buf_slice(&payload));
    }
    if (kind == 2)
        for (uint64_t n = prng_below(r, 100); n > 0 && b.len > 0; n--)
            b.data[prng_below(r, b.len)] = (char)prng_next(r);
    int fd = peer_raw_connect(w->b.port);
    size_t half = b.len ? (size_t)prng_below(r, b.len) : 0;
    (void)!send(fd, b.data, half, MSG_NOSIGNAL);
    run_loop_us(w->base, 200);
    (void)!send(fd, half ? b.data + half : b.data, b.len - half, MSG_NOSIGNAL);
    run_loop_us(w->base, 200);
    close(fd);
    buf_deinit(&b);
    buf_deinit(&payload);
}

static void test_fuzz(void **state)
{
    struct world *w = *state;
    struct prng r;
    const char *seed = getenv("SEED");
    prng_seed(&r, seed ? strtoull(seed, NULL, 10) : 2024);
    for (int i = 0; i < 1500; i++)
        fuzz_once(w, &r);
    assert_int_equal(w->b.frames, 0);
    assert_int_equal(w->b.hellos, 1); /* of a alone */
    assert_true(junk_count(w) > 300);
    link_still_works(w);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    log_set_level(LOG_WARNING);
    const struct CMUnitTest tests[] = {
        TEST(test_other_protocols),
        TEST(test_silent_stranger_is_closed),
        TEST(test_frames_before_the_handshake),
        TEST(test_other_version_and_architecture),
        TEST(test_impostor),
        TEST(test_damage_on_a_standing_link),
        TEST(test_announcing_another_id),
        TEST(test_flood_of_connections),
        TEST(test_fuzz),
    };
    return cmocka_run_group_tests_name("transport/hostile", tests, NULL, NULL);
}
