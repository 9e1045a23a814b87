/* Frames through a socket pair, without a handshake: split at every byte, shared memory, large frames, every
 * damaged bit, and what a lying length costs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* after those */
#include <cmocka.h>

#include "base/prng.h"
#include "transport/transport_int.h"
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

struct pipe2 {
    int in, out;
};

static struct pipe2 make_pair(void)
{
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    return (struct pipe2){fds[0], fds[1]};
}

static void close_pair(struct pipe2 p)
{
    close(p.in);
    close(p.out);
}

static void test_split_at_every_byte(void **state)
{
    (void)state;
    struct buf bytes = BUF_EMPTY;
    frame_append(&bytes, FRAME_DATA, SLICE_LITERAL("first"));
    frame_append(&bytes, FRAME_BEAT, SLICE_LITERAL(""));
    frame_append(&bytes, FRAME_DATA, SLICE_LITERAL("the third one"));
    for (size_t cut = 0; cut <= bytes.len; cut++) {
        struct pipe2 p = make_pair();
        struct frame_in in = {.payload_max = 100};
        struct frame f;
        size_t seen = 0, lens[3] = {5, 0, 13};
        bool full;
        for (int half = 0; half < 2; half++) {
            size_t from = half ? cut : 0, to = half ? bytes.len : cut;
            if (from == to)
                continue;
            assert_int_equal(write(p.out, bytes.data + from, to - from), (ssize_t)(to - from));
            assert_true(frame_in_recv(&in, p.in, &full) > 0);
            while (frame_in_next(&in, &f) == FRAME_OK)
                assert_int_equal(f.payload.len, lens[seen++]);
        }
        assert_int_equal(seen, 3);
        assert_true(slice_equal(f.payload, SLICE_LITERAL("the third one")));
        frame_in_deinit(&in);
        close_pair(p);
    }
    buf_deinit(&bytes);
}

static void test_every_flipped_bit_is_found(void **state)
{
    (void)state;
    struct buf good = BUF_EMPTY;
    frame_append(&good, FRAME_DATA, SLICE_LITERAL("payload"));
    for (size_t bit = 0; bit < good.len * 8; bit++) {
        struct pipe2 p = make_pair();
        struct frame_in in = {.payload_max = 100};
        struct frame f;
        bool full;
        good.data[bit / 8] = (char)(good.data[bit / 8] ^ 1 << bit % 8);
        assert_int_equal(write(p.out, good.data, good.len), (ssize_t)good.len);
        good.data[bit / 8] = (char)(good.data[bit / 8] ^ 1 << bit % 8);
        assert_true(frame_in_recv(&in, p.in, &full) > 0);
        assert_int_not_equal(frame_in_next(&in, &f),
                             FRAME_OK); /* a longer length: waits, and its CRC fails then */
        frame_in_deinit(&in);
        close_pair(p);
    }
    buf_deinit(&good);
}

/* Announces `announced` bytes, sends a few, and looks at what was allocated for them. */
static void test_memory_grows_with_what_arrived(void **state)
{
    (void)state;
    struct pipe2 p = make_pair();
    struct frame_in in = {.payload_max = TRANSPORT_FRAME_MAX};
    struct frame f;
    char header[FRAME_HEADER];
    frame_header(header, FRAME_DATA, (size_t)1 << 30, (struct slice){NULL, 0}, NULL, 0);
    assert_int_equal(write(p.out, header, sizeof header), FRAME_HEADER);
    bool full;
    size_t have = 0;
    char junk[4096] = {0};
    for (int i = 0; i < 500; i++) {
        ssize_t n;
        while ((n = frame_in_recv(&in, p.in, &full)) > 0) {
            have += (size_t)n;
            assert_int_equal(frame_in_next(&in, &f), FRAME_MORE);
        }
        assert_true(in.cap <= 4 * have + RECV_CHUNK);
        assert_int_equal(write(p.out, junk, sizeof junk), sizeof junk);
    }
    assert_true(have > 1000000);
    frame_in_deinit(&in);
    in = (struct frame_in){.payload_max = 1000};
    frame_header(header, FRAME_DATA, 1001, (struct slice){NULL, 0}, NULL, 0);
    struct pipe2 q = make_pair();
    assert_int_equal(write(q.out, header, sizeof header), FRAME_HEADER);
    assert_true(frame_in_recv(&in, q.in, &full) > 0);
    assert_int_equal(frame_in_next(&in, &f), FRAME_BAD); /* over the cap: at once, not when it has come */
    frame_in_deinit(&in);
    close_pair(p);
    close_pair(q);
}

/* Random frames, random blocks, random budgets and reads; some received frames are kept and must stay what
 * they were. */
static void test_random_traffic(void **state)
{
    (void)state;
    enum { KEPT = 8, FRAMES = 3000 };
    struct prng r, expect;
    prng_seed(&r, 42);
    struct pipe2 p = make_pair();
    struct outq q = {0};
    struct frame_in in = {.payload_max = TRANSPORT_FRAME_MAX};
    struct blob *kept_blob[KEPT] = {NULL};
    struct slice kept[KEPT];
    unsigned char kept_fill[KEPT] = {0};
    prng_seed(&expect, 7);
    struct prng sender = expect;
    size_t sent = 0, seen = 0;
    uint64_t written = 0;
    while (seen < FRAMES) {
        while (sent < FRAMES && q.bytes < 3000000) {
            size_t sizes[3];
            struct raft_block blocks[2];
            unsigned char fill = (unsigned char)prng_next(&sender);
            for (int i = 0; i < 3; i++)
                sizes[i] = (size_t)prng_below(&sender, prng_below(&sender, 40) == 0 ? 900000 : 300);
            struct blob *b = blob_new(NULL, sizes[0] + sizes[1] + sizes[2] + 1);
            memset(b->data, fill, b->len);
            blocks[0] = (struct raft_block){1, 1, b, 0, sizes[1]};
            blocks[1] = (struct raft_block){2, 2, b, sizes[1], sizes[2]};
            outq_frame(&q, FRAME_DATA, slice_of(b->data, sizes[0]), blocks, 2);
            blob_unref(b);
            sent++;
        }
        assert_int_not_equal(outq_write(&q, p.out, (size_t)prng_below(&r, 200000) + 1, &written),
                             OUTQ_BROKEN);
        bool full;
        struct frame f;
        if (frame_in_recv(&in, p.in, &full) <= 0)
            continue;
        while (frame_in_next(&in, &f) == FRAME_OK) {
            unsigned char fill = (unsigned char)prng_next(&expect);
            size_t len = 0;
            for (int i = 0; i < 3; i++)
                len += (size_t)prng_below(&expect, prng_below(&expect, 40) == 0 ? 900000 : 300);
            assert_int_equal(f.payload.len, len);
            size_t slot = (size_t)prng_below(&r, KEPT * 4);
            if (slot < KEPT) {
                for (size_t i = 0; kept_blob[slot] && i < kept[slot].len; i++)
                    assert_int_equal((unsigned char)kept[slot].data[i], kept_fill[slot]);
                blob_unref(kept_blob[slot]);
                kept_blob[slot] = blob_ref(f.blob);
                kept[slot] = f.payload;
                kept_fill[slot] = fill;
            }
            for (size_t i = 0; i < len; i += 97)
                assert_int_equal((unsigned char)f.payload.data[i], fill);
            seen++;
        }
    }
    assert_int_equal(q.bytes, 0);
    for (int i = 0; i < KEPT; i++)
        blob_unref(kept_blob[i]);
    outq_deinit(&q);
    frame_in_deinit(&in);
    close_pair(p);
}

static void test_hello_round_trip_and_bad_text(void **state)
{
    (void)state;
    struct transport_hello h = {
        .node_id = 7, .cluster_id = 8, .boot_nonce = 9, .term = 10, .has_entries = true};
    snprintf(h.name, sizeof h.name, "node-a");
    snprintf(h.host, sizeof h.host, "10.0.0.1");
    h.port = 1;
    h.peer_port = 2;
    h.port_redirect = 3;
    h.port_readonly = 4;
    h.port_proxy = 5;
    h.apply_version = 6;
    struct buf b = BUF_EMPTY;
    hello_encode(&b, &h);
    for (size_t len = 0; len <= b.len; len++) {
        struct transport_hello back;
        struct reader r = reader_of(slice_of(b.data, len));
        assert_int_equal(hello_decode(&r, &back), len == b.len);
        if (len == b.len)
            assert_memory_equal(&back, &h, sizeof h);
    }
    snprintf(h.name, sizeof h.name, "two\nlines");
    buf_truncate(&b, 0);
    hello_encode(&b, &h);
    struct transport_hello back;
    struct reader r = reader_of(buf_slice(&b));
    assert_false(hello_decode(&r, &back));
    buf_deinit(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_split_at_every_byte),
        cmocka_unit_test(test_every_flipped_bit_is_found),
        cmocka_unit_test(test_memory_grows_with_what_arrived),
        cmocka_unit_test(test_random_traffic),
        cmocka_unit_test(test_hello_round_trip_and_bad_text),
    };
    return cmocka_run_group_tests_name("transport/frame", tests, NULL, NULL);
}
