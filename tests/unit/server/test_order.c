/* Replies in the order of requests, reads at the state they belong to, one round for many reads. */
#include "bench.h"

#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static int setup(void **state)
{
    struct bench *b = calloc(1, sizeof *b);
    bench_start(b, NULL);
    *state = b;
    return 0;
}

static int teardown(void **state)
{
    bench_stop(*state);
    free(*state);
    return 0;
}

static void test_inline_when_alone(void **state)
{
    struct bench *b = *state;
    b->node->alone = true;
    int fd = bench_connect(b, b->port);
    bench_send(b, fd, "GET a\nPING\nECHO hi");
    assert_reply(b, fd, "$-1|+PONG|$2|hi|");
    assert_int_equal(b->node->read_count, 0);
    close(fd);
}

static void test_replies_keep_order(void **state)
{
    struct bench *b = *state;
    int fd = bench_connect(b, b->port);
    bench_send(b, fd, "SET k 1\nPING\nNOSUCH\nGET k\nSET");
    assert_reply(b, fd, "");
    fake_commit(b->node, 1);
    assert_reply(b, fd, "+OK|+PONG|-ERR unknown command 'NOSUCH', with args beginning with: |");
    fake_round(b->node, NODE_DONE);
    assert_reply(b, fd, "$1|1|-ERR wrong number of arguments for 'set' command|");
    close(fd);
}

/* All of it committed in one turn: each read sees the writes before it and none behind it. */
static void test_read_between_writes(void **state)
{
    struct bench *b = *state;
    int fd = bench_connect(b, b->port);
    bench_send(b, fd, "GET n\nINCR n\nGET n\nGET n\nINCR n\nGET n");
    fake_commit(b->node, 2);
    assert_reply(b, fd, "$-1|:1|$1|1|$1|1|:2|");
    fake_round(b->node, NODE_DONE);
    assert_reply(b, fd, "$1|2|");
    close(fd);
}

static void test_one_ticket_for_a_batch(void **state)
{
    struct bench *b = *state;
    int fd = bench_connect(b, b->port);
    bench_send(b, fd, "GET a\nGET b\nGET c");
    assert_int_equal(b->node->reads_asked, 1);
    assert_reply(b, fd, "");
    /* What comes later was not received when that round began. */
    bench_send(b, fd, "GET d");
    assert_int_equal(b->node->reads_asked, 2);
    b->node->read_count = 1; /* the second round is still on its way */
    fake_round(b->node, NODE_DONE);
    assert_reply(b, fd, "$-1|$-1|$-1|");
    close(fd);
}

/* A key is due: the read waits for a clock entry. */
static void test_due_key(void **state)
{
    struct bench *b = *state;
    int fd = bench_connect(b, b->port);
    bench_send(b, fd, "SET k v PX 100\nGET k");
    fake_commit(b->node, 1);
    b->node->now_ms += 100;
    assert_reply(b, fd, "+OK|");
    fake_round(b->node, NODE_DONE);
    assert_reply(b, fd, "");
    assert_true(b->node->read_count == 1 && b->node->reads[0].due);
    fake_round(b->node, NODE_DONE);
    assert_reply(b, fd, "$-1|");
    close(fd);
}

static void test_late_ticket(void **state)
{
    struct bench *b = *state;
    int fd = bench_connect(b, b->port);
    bench_send(b, fd, "SET k 1\nGET k");
    close(fd);
    bench_run(b);
    fd = bench_connect(b, b->port); /* may have the same place */
    bench_send(b, fd, "GET x");
    fake_commit(b->node, 1);
    assert_reply(b, fd, "");
    fake_round(b->node, NODE_DONE);
    assert_reply(b, fd, "$-1|");
    close(fd);
}

/* Far more than one ring holds: it grows, and stops the reading at its bound. */
static void test_deep_pipeline(void **state)
{
    struct bench *b = *state;
    enum { REQUESTS = 6000 };
    struct buf text = BUF_EMPTY, expected = BUF_EMPTY;
    int fd = bench_connect(b, b->port);
    for (int i = 1; i <= REQUESTS; i++) {
        buf_append_cstr(&text, "INCR n\r\n");
        buf_printf(&expected, ":%d|", i);
    }
    put_u8(&expected, 0);
    bench_send_raw(b, fd, text.data, text.len);
    assert_true(b->node->write_count >= 4000 && b->node->write_count < REQUESTS);
    struct buf got = BUF_EMPTY;
    while (b->node->write_count) {
        fake_commit(b->node, b->node->write_count > 1000 ? 1000 : b->node->write_count);
        buf_append_cstr(&got, bench_read(b, fd));
    }
    put_u8(&got, 0);
    assert_string_equal(got.data, expected.data);
    buf_deinit(&text);
    buf_deinit(&expected);
    buf_deinit(&got);
    close(fd);
}

static void test_request_in_pieces(void **state)
{
    struct bench *b = *state;
    static const char request[] =
        "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$5\r\nhello\r\n*2\r\n$3\r\nGET\r\n$1\r\nk\r\n";
    int fd = bench_connect(b, b->port);
    for (size_t i = 0; i < sizeof request - 1; i++)
        bench_send_raw(b, fd, request + i, 1);
    assert_int_equal(b->node->write_count, 1);
    fake_commit(b->node, 1);
    fake_round(b->node, NODE_DONE);
    assert_reply(b, fd, "+OK|$5|hello|");
    close(fd);
}

static void test_full_node_is_not_fed(void **state)
{
    struct bench *b = *state;
    int fd = bench_connect(b, b->port);
    b->node->full = true;
    bench_send(b, fd, "SET k 1");
    assert_int_equal(b->node->write_count, 0);
    b->node->full = false;
    bench_run(b);
    assert_int_equal(b->node->write_count, 1);
    fake_commit(b->node, 1);
    assert_reply(b, fd, "+OK|");
    close(fd);
}

enum { MANY = 68, ANSWERED_TOGETHER = 64 }; /* the server's ANSWERED_MAX; all of MANY are ready in one pass */

static void connect_many(struct bench *b, int fds[MANY])
{
    b->node->alone = true;
    for (int i = 0; i < MANY; i++)
        fds[i] = bench_connect(b, b->port);
}

/* One pass of the loop without its end; libevent begins with 32 events a call. */
static void hear(struct bench *b)
{
    usleep(2000);
    for (int i = 0; i <= MANY / 32; i++)
        event_base_loop(b->base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
}

static bool has_come(int fd)
{
    char byte;
    return recv(fd, &byte, 1, MSG_PEEK) > 0;
}

/* Of many, the first get their answers before the last are read; one whose write is open waits for the end of the pass. */
static void test_answers_in_mid_pass(void **state)
{
    struct bench *b = *state;
    int fds[MANY];
    connect_many(b, fds);
    bench_send(b, fds[1], "PING"); /* of a pass before: not counted with these */
    assert_reply(b, fds[1], "+PONG|");
    dprintf(fds[0], "PING\r\nSET k v\r\n");
    for (int i = 1; i < MANY; i++)
        dprintf(fds[i], "ECHO hi\r\nPING\r\n");
    hear(b);
    for (int i = 0; i < MANY; i++)
        assert_int_equal(has_come(fds[i]), i > 0 && i <= ANSWERED_TOGETHER);
    assert_reply(b, fds[0], "+PONG|");
    for (int i = 1; i < MANY; i++)
        assert_reply(b, fds[i], "$2|hi|+PONG|");
    fake_commit(b->node, 1);
    assert_reply(b, fds[0], "+OK|");
    for (int i = 0; i < MANY; i++)
        close(fds[i]);
}

/* One leaves, one is killed when it has been answered and one before it was read: in mid-pass all that is as at its end. */
static void test_leaving_in_mid_pass(void **state)
{
    enum { KILLED = 2, LEAVING = 3, KILLER = 5, UNREAD = 66 }; /* ids count from 1 */
    struct bench *b = *state;
    int fds[MANY];
    connect_many(b, fds);
    for (int i = 0; i < MANY; i++)
        if (i == KILLER)
            dprintf(fds[i], "CLIENT KILL ID %d\r\nCLIENT KILL ID %d\r\n", KILLED + 1, UNREAD + 1);
        else
            dprintf(fds[i], i == LEAVING ? "PING\r\nQUIT\r\n" : "PING\r\n");
    hear(b);
    bench_run(b);
    for (int i = 0; i < MANY; i++)
        assert_reply(b, fds[i],
                     i == KILLER                  ? ":1|:1|"
                     : i == LEAVING               ? "+PONG|+OK|<end>"
                     : i == KILLED || i == UNREAD ? "<end>"
                                                  : "+PONG|");
    for (int i = 0; i < MANY; i++)
        close(fds[i]);
}

/* A node alone answers a write that changes nothing from what is applied: not behind what is open, not under a number. */
static void test_idle_write(void **state)
{
    struct bench *b = *state;
    struct rsm_request newest = {.kind = RSM_VERSION, .node = RSM_APPLY_VERSION};
    fake_apply_request(b->node, &newest);
    int fd = bench_connect(b, b->port);
    bench_send(b, fd, "SADD s a b\nSET k v\nSADD s a");
    assert_int_equal(b->node->write_count, 3);
    fake_commit(b->node, 3);
    bench_run(b);
    assert_reply(b, fd, ":2|+OK|:0|");
    b->node->alone = true;
    bench_send(b, fd, "SADD s a\nSADD s b a\nSADD k a");
    assert_int_equal(b->node->write_count, 0);
    assert_reply(b, fd, ":0|:0|-WRONGTYPE Operation against a key holding the wrong kind of value|");
    bench_send(b, fd, "SADD s a c\nSADD s a");
    assert_int_equal(b->node->write_count, 2);
    fake_commit(b->node, 2);
    bench_run(b);
    assert_reply(b, fd, ":1|:0|");
    bench_send(b, fd, "INFO stats");
    assert_non_null(strstr(bench_read(b, fd), "keyspace_hits:0|keyspace_misses:0|"));
    bench_send(b, fd, "INFO commandstats");
    assert_non_null(strstr(bench_read(b, fd), "cmdstat_sadd:calls=7,"));
    b->node->no_room = true;
    bench_send(b, fd, "SADD s a");
    assert_int_equal(b->node->write_count, 1);
    fake_commit(b->node, 1);
    b->node->no_room = false;
    bench_send(b, fd, "PEXPIRE s 5");
    fake_commit(b->node, 1);
    bench_run(b);
    bench_read(b, fd);
    b->node->now_ms += 10;
    bench_send(b, fd, "SADD s a");
    assert_int_equal(b->node->write_count, 1);
    fake_commit(b->node, 1);
    bench_run(b);
    assert_reply(b, fd, ":1|");
    bench_send(b, fd, "CLIENT SETNAME me@seq=1");
    fake_commit(b->node, 1);
    bench_run(b);
    bench_read(b, fd);
    bench_send(b, fd, "SADD s a");
    assert_int_equal(b->node->write_count, 1);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_inline_when_alone, setup, teardown),
        cmocka_unit_test_setup_teardown(test_idle_write, setup, teardown),
        cmocka_unit_test_setup_teardown(test_replies_keep_order, setup, teardown),
        cmocka_unit_test_setup_teardown(test_read_between_writes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_one_ticket_for_a_batch, setup, teardown),
        cmocka_unit_test_setup_teardown(test_due_key, setup, teardown),
        cmocka_unit_test_setup_teardown(test_late_ticket, setup, teardown),
        cmocka_unit_test_setup_teardown(test_deep_pipeline, setup, teardown),
        cmocka_unit_test_setup_teardown(test_request_in_pieces, setup, teardown),
        cmocka_unit_test_setup_teardown(test_full_node_is_not_fed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_answers_in_mid_pass, setup, teardown),
        cmocka_unit_test_setup_teardown(test_leaving_in_mid_pass, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
