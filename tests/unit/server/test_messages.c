/* Subscribers: what they are told, in which order, in both protocols; and what they may not do. */
#include "bench.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int setup(void **state)
{
    struct bench *b = calloc(1, sizeof *b);
    static const char *const directives[] = {"client-output-buffer-limit", "pubsub 200kb 0 0", NULL};
    bench_start(b, directives);
    b->node->alone = true;
    *state = b;
    return 0;
}

static int teardown(void **state)
{
    bench_stop(*state);
    free(*state);
    return 0;
}

static void test_resp2(void **state)
{
    struct bench *b = *state;
    int sub = bench_connect(b, b->port), pub = bench_connect(b, b->port);
    bench_send(b, sub, "SUBSCRIBE a b\nPSUBSCRIBE a*\nSSUBSCRIBE a");
    assert_reply(b, sub,
                 "*3|$9|subscribe|$1|a|:1|*3|$9|subscribe|$1|b|:2|*3|$10|psubscribe|$2|a*|:3|"
                 "*3|$10|ssubscribe|$1|a|:1|");
    bench_send(
        b, pub,
        "PUBLISH a hi\nSPUBLISH a ho\nPUBLISH c hi\nPUBSUB NUMPAT\nPUBSUB NUMSUB a x\nPUBSUB SHARDCHANNELS");
    assert_reply(b, pub, ":2|:1|:0|:1|*4|$1|a|:1|$1|x|:0|*1|$1|a|");
    assert_reply(b, sub,
                 "*3|$7|message|$1|a|$2|hi|*4|$8|pmessage|$2|a*|$1|a|$2|hi|*3|$8|smessage|$1|a|$2|ho|");
    bench_send(b, sub, "GET a\nCLIENT ID\nPING\nPING x\nMULTI");
    assert_reply(
        b, sub,
        "-ERR Can't execute 'get': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are "
        "allowed in this context|"
        "-ERR Can't execute 'client|id': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET "
        "are allowed in this context|*2|$4|pong|$0||*2|$4|pong|$1|x|"
        "-ERR Can't execute 'multi': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are "
        "allowed in this context|");
    bench_send(b, pub, "CLIENT LIST TYPE pubsub");
    const char *list = bench_read(b, pub);
    assert_non_null(strstr(list, " flags=P "));
    assert_non_null(strstr(list, " sub=2 psub=1 ssub=1 "));
    assert_null(strstr(list, "sub=0"));
    bench_send(b, sub, "UNSUBSCRIBE\nPUNSUBSCRIBE a* x\nSUNSUBSCRIBE\nSUNSUBSCRIBE\nPING\nGET a");
    assert_reply(
        b, sub,
        "*3|$11|unsubscribe|$1|b|:2|*3|$11|unsubscribe|$1|a|:1|*3|$12|punsubscribe|$2|a*|:0|"
        "*3|$12|punsubscribe|$1|x|:0|*3|$12|sunsubscribe|$1|a|:0|*3|$12|sunsubscribe|$-1|:0|+PONG|$-1|");
    bench_send(b, sub, "SUBSCRIBE a\nRESET\nGET a");
    assert_reply(b, sub, "*3|$9|subscribe|$1|a|:1|+RESET|$-1|");
    bench_send(b, sub, "SUBSCRIBE a\nQUIT");
    assert_reply(b, sub, "*3|$9|subscribe|$1|a|:1|+OK|<end>");
    bench_send(b, pub, "PUBLISH a hi");
    assert_reply(b, pub, ":0|");
    close(sub);
    close(pub);
}

/* A push is told from a reply, so the connection may go on asking: even by its own PUBLISH it is told first. */
static void test_resp3(void **state)
{
    struct bench *b = *state;
    int fd = bench_connect(b, b->port);
    bench_send(b, fd, "HELLO 3");
    bench_read(b, fd);
    bench_send(b, fd, "SUBSCRIBE a\nPSUBSCRIBE *\nGET k\nPUBLISH a hi\nPING\nUNSUBSCRIBE a\nUNSUBSCRIBE");
    assert_reply(
        b, fd,
        ">3|$9|subscribe|$1|a|:1|>3|$10|psubscribe|$1|*|:2|_|>3|$7|message|$1|a|$2|hi|"
        ">4|$8|pmessage|$1|*|$1|a|$2|hi|:2|+PONG|>3|$11|unsubscribe|$1|a|:1|>3|$11|unsubscribe|_|:1|");
    close(fd);
}

/* What a transaction publishes is heard when it is applied, and before what its connection publishes later. */
static void test_transaction(void **state)
{
    struct bench *b = *state;
    int sub = bench_connect(b, b->port), pub = bench_connect(b, b->port);
    bench_send(b, sub, "SUBSCRIBE a\nSSUBSCRIBE a");
    bench_read(b, sub);
    bench_send(b, pub,
               "MULTI\nSET k 1\nPUBLISH a one\nPING\nSPUBLISH a two\nPUBLISH none x\nEXEC\nPUBLISH a three");
    assert_reply(b, pub, "+OK|+QUEUED|+QUEUED|+QUEUED|+QUEUED|+QUEUED|");
    assert_reply(b, sub, "");
    fake_commit(b->node, 1);
    assert_reply(b, pub, "*5|+OK|:1|+PONG|:1|:0|:1|");
    assert_reply(b, sub, "*3|$7|message|$1|a|$3|one|*3|$8|smessage|$1|a|$3|two|*3|$7|message|$1|a|$5|three|");
    /* Only what came without an entry is for the peers, and it names the entry that comes before. */
    struct reader r = reader_of(buf_slice(&b->broadcast));
    get_u64(&r);
    assert_int_equal(get_varint(&r), 1);
    assert_int_equal(get_u8(&r), 0);
    assert_int_equal(get_varint(&r), b->node->index);
    assert_true(slice_equal(get_bytes(&r), SLICE_LITERAL("a")));
    assert_true(slice_equal(get_bytes(&r), SLICE_LITERAL("three")) && reader_left(&r) == 0);
    /* Without a command on keys there is nothing to agree on. */
    bench_send(b, pub, "MULTI\nPUBLISH a four\nEXEC");
    assert_int_equal(b->node->write_count, 0);
    assert_reply(b, pub, "+OK|+QUEUED|*1|:1|");
    assert_reply(b, sub, "*3|$7|message|$1|a|$4|four|");
    close(sub);
    close(pub);
}

enum { VOICE = 77, PEER = 5 };

static void put_message(struct buf *frame, uint64_t number, uint64_t after, const char *message)
{
    if (frame->len == 0) {
        put_u64(frame, VOICE);
        put_varint(frame, number);
    }
    put_u8(frame, 0);
    put_varint(frame, after);
    put_bytes(frame, SLICE_LITERAL("a"));
    put_bytes(frame, slice_cstr(message));
}

static void send_frame(struct bench *b, struct buf *frame)
{
    server_on_broadcast(b->server, PEER, buf_slice(frame));
    buf_truncate(frame, 0);
}

static void apply_set(struct bench *b)
{
    static const char *const words[] = {"SET", "k", "1"};
    fake_apply(b->node, words, 3);
}

/* A transaction that a connection of the peer's sends after the message in this frame. */
static void apply_publish(struct bench *b, uint64_t number, const char *message)
{
    struct buf behind = BUF_EMPTY;
    put_u64(&behind, VOICE);
    put_varint(&behind, number);
    struct slice argv[] = {RSM_PUBLISH, SLICE_LITERAL(":1\r\n"), SLICE_LITERAL("a"), slice_cstr(message),
                           buf_slice(&behind)};
    fake_apply_request(b->node, &(struct rsm_request){.kind = RSM_EXEC,
                                                      .resp = 2,
                                                      .argv = argv,
                                                      .argc = 5,
                                                      .counts = (uint32_t[]){5},
                                                      .dbs = (uint32_t[]){0},
                                                      .commands = 1});
    buf_deinit(&behind);
}

static void assert_heard(struct bench *b, int fd, const char *messages)
{
    struct buf all = BUF_EMPTY;
    for (const char *at = messages; *at; at++)
        buf_printf(&all, "*3|$7|message|$1|a|$1|%c|", *at);
    put_u8(&all, 0);
    assert_reply(b, fd, all.data);
    buf_deinit(&all);
}

/* What comes after an entry waits for it; what an entry says waits for the frame before it, but not for ever. */
static void test_from_a_peer(void **state)
{
    struct bench *b = *state;
    struct buf frame = BUF_EMPTY;
    int sub = bench_connect(b, b->port);
    bench_send(b, sub, "SUBSCRIBE a");
    bench_read(b, sub);
    put_message(&frame, 1, b->node->index + 2, "3");
    put_message(&frame, 1, 0, "1");
    put_message(&frame, 1, b->node->index + 1, "2");
    send_frame(b, &frame);
    assert_heard(b, sub, "1");
    apply_set(b);
    assert_heard(b, sub, "2");
    apply_set(b);
    assert_heard(b, sub, "3");

    apply_publish(b, 1, "4");
    assert_heard(b, sub, "4");
    apply_publish(b, 2, "6"); /* behind a frame that is still on its way */
    apply_publish(b, 1, "7"); /* entries keep their order */
    assert_heard(b, sub, "");
    put_message(&frame, 2, 0, "5");
    put_message(&frame, 2, b->node->index, "8");
    send_frame(b, &frame);
    assert_heard(b, sub, "5678");

    apply_publish(b, 9, "x"); /* this one was lost */
    assert_heard(b, sub, "");
    bench_sleep(b, 600);
    assert_heard(b, sub, "x");

    /* Cut short, or nonsense: what is whole is delivered. */
    put_message(&frame, 3, 0, "y");
    for (size_t len = 0; len < frame.len; len++)
        server_on_broadcast(b->server, PEER, slice_of(frame.data, len));
    server_on_broadcast(b->server, PEER, SLICE_LITERAL("\xff\xff\xff\xff\xff\xff\xff\xff\x01\xff\xff"));
    assert_heard(b, sub, "");
    buf_deinit(&frame);
    close(sub);
}

static void test_key_events(void **state)
{
    static const char *const words[] = {"SET", "k", "1", "EX", "9"};
    struct bench *b = *state;
    int sub = bench_connect(b, b->port), fd = bench_connect(b, b->port);
    bench_send(b, sub, "PSUBSCRIBE __key*");
    bench_read(b, sub);
    fake_apply(b->node, words, 5);
    assert_reply(b, sub, "");
    bench_send(b, fd, "CONFIG SET notify-keyspace-events Kg$Em");
    fake_commit(b->node, 1);
    bench_send(b, fd, "CONFIG GET notify-keyspace-events");
    assert_reply(b, fd, "+OK|*2|$22|notify-keyspace-events|$5|g$KEm|");
    fake_apply(b->node, words, 5);
    assert_reply(b, sub,
                 "*4|$8|pmessage|$6|__key*|$16|__keyspace@0__:k|$3|set|"
                 "*4|$8|pmessage|$6|__key*|$18|__keyevent@0__:set|$1|k|"
                 "*4|$8|pmessage|$6|__key*|$16|__keyspace@0__:k|$6|expire|"
                 "*4|$8|pmessage|$6|__key*|$21|__keyevent@0__:expire|$1|k|");
    /* A reader that subscribes hears of its own misses, and between replies only. */
    bench_send(b, fd, "HELLO 3");
    bench_read(b, fd);
    bench_send(b, fd, "PSUBSCRIBE __keyevent*\nMGET x k");
    assert_reply(b, fd,
                 ">3|$10|psubscribe|$11|__keyevent*|:1|*2|_|$1|1|"
                 ">4|$8|pmessage|$11|__keyevent*|$22|__keyevent@0__:keymiss|$1|x|");
    close(sub);
    close(fd);
}

/* Who does not read its messages is cut off by the limit of its class, and holds up nobody. */
static void test_limit(void **state)
{
    struct bench *b = *state;
    int sub = bench_connect(b, b->port), pub = bench_connect(b, b->port);
    struct buf request = BUF_EMPTY;
    bench_send(b, sub, "SUBSCRIBE a");
    buf_printf(&request, "*3\r\n$7\r\nPUBLISH\r\n$1\r\na\r\n$100000\r\n%0100000d\r\n", 0);
    size_t receivers = 1;
    for (int i = 0; i < 300 && receivers; i++) {
        bench_send_raw(b, pub, request.data, request.len);
        receivers = bench_read(b, pub)[1] == '1';
    }
    assert_int_equal(receivers, 0);
    buf_deinit(&request);
    close(sub);
    close(pub);
}

/* What it tells itself goes out in the middle of its own request when there is too much of it. */
static void test_limit_of_the_publisher(void **state)
{
    struct bench *b = *state;
    int fd = bench_connect(b, b->port);
    struct buf request = BUF_EMPTY;
    bench_send(b, fd, "HELLO 3\nSUBSCRIBE a\nPSUBSCRIBE a* *a ? [a] [a-b] *?");
    bench_read(b, fd);
    for (int len = 1000; len <= 30000; len += 29000) /* the last copy of the second is too much */
        buf_printf(&request, "*3\r\n$7\r\nPUBLISH\r\n$1\r\na\r\n$%d\r\n%0*d\r\n", len, len, 0);
    bench_send_raw(b, fd, request.data, request.len);
    for (int i = 0; i < 10; i++)
        bench_read(b, fd);
    bench_send(b, fd, "ECHO x\nINFO errorstats");
    const char *end = bench_read(b, fd);
    assert_int_equal(strncmp(end, "$1|x|", 5), 0);
    assert_null(strstr(end, "errorstat_"));
    buf_deinit(&request);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_resp2, setup, teardown),
        cmocka_unit_test_setup_teardown(test_resp3, setup, teardown),
        cmocka_unit_test_setup_teardown(test_transaction, setup, teardown),
        cmocka_unit_test_setup_teardown(test_from_a_peer, setup, teardown),
        cmocka_unit_test_setup_teardown(test_key_events, setup, teardown),
        cmocka_unit_test_setup_teardown(test_limit, setup, teardown),
        cmocka_unit_test_setup_teardown(test_limit_of_the_publisher, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
