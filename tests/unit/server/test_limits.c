/* Strangers, floods and those who do not read (FAULTS 28 to 32). */
#include "bench.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static struct bench *start(const char *const *directives)
{
    struct bench *b = calloc(1, sizeof *b);
    bench_start(b, directives);
    b->node->alone = true;
    return b;
}

static void stop(struct bench *b)
{
    bench_stop(b);
    free(b);
}

static void test_strangers(void **state)
{
    static const char *const directives[] = {"requirepass", "secret", NULL};
    struct bench *b = start(directives);
    (void)state;
    int fd = bench_connect(b, b->port);
    bench_send(b, fd, "GET a\nPING\nAUTH wrong\nAUTH other secret\nHELLO 3\nAUTH default secret\nGET a");
    assert_reply(
        b, fd,
        "-NOAUTH Authentication required.|-NOAUTH Authentication required.|"
        "-WRONGPASS invalid username-password pair or user is disabled.|"
        "-WRONGPASS invalid username-password pair or user is disabled.|"
        "-NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO "
        "AUTH "
        "<user> <pass> option can be used to authenticate the client and select the RESP protocol version at "
        "the same time|+OK|$-1|");
    bench_send(b, fd, "CONFIG GET requirepass");
    assert_non_null(
        strstr(bench_read(b, fd), "sha256:2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b"));
    close(fd);
    fd = bench_connect(b, b->port);
    bench_send_raw(b, fd, "*11\r\n", 5);
    assert_reply(b, fd, "-ERR Protocol error: unauthenticated multibulk length|<end>");
    close(fd);
    fd = bench_connect(b, b->port);
    bench_send_raw(b, fd, "*2\r\n$20000\r\n", 12);
    assert_reply(b, fd, "-ERR Protocol error: unauthenticated bulk length|<end>");
    close(fd);
    fd = bench_connect(b, b->port);
    for (int i = 0; i < 10; i++)
        bench_send(b, fd, "AUTH guess");
    assert_non_null(strstr(bench_read(b, fd), "<end>"));
    close(fd);
    fd = bench_connect(b, b->port);
    int known = bench_connect(b, b->port);
    bench_send(b, known, "AUTH secret");
    for (int i = 0; i < 10; i++) /* a share of the clients is looked at in each tick */
        bench_sleep(b, 600);
    assert_reply(b, fd, "<end>");
    bench_send(b, known, "RESET"); /* a stranger from now on */
    for (int i = 0; i < 3; i++)
        bench_sleep(b, 600);
    assert_reply(b, known, "+OK|+RESET|");
    close(fd);
    close(known);
    stop(b);
}

static void test_protocol_errors(void **state)
{
    static const struct {
        const char *input, *reply;
    } cases[] = {
        {"*1\r\n$x\r\n", "-ERR Protocol error: invalid bulk length|<end>"},
        {"*x\r\n", "-ERR Protocol error: invalid multibulk length|<end>"},
        {"*1\r\n!4\r\n", "-ERR Protocol error: expected '$', got '!'|<end>"},
        {"SET \"a\r\n", "-ERR Protocol error: unbalanced quotes in request|<end>"},
        {"*1\r\n$999999999999\r\n", "-ERR Protocol error: invalid bulk length|<end>"},
        {"PING\r\n*-1\r\n\r\nPING\r\n", "+PONG|+PONG|"},
    };
    struct bench *b = start(NULL);
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int fd = bench_connect(b, b->port);
        bench_send_raw(b, fd, cases[i].input, strlen(cases[i].input));
        assert_reply(b, fd, cases[i].reply);
        close(fd);
    }
    stop(b);
}

static void test_inline_flood(void **state)
{
    struct bench *b = start(NULL);
    char *flood = malloc(300000);
    (void)state;
    memset(flood, 'x', 300000);
    int fd = bench_connect(b, b->port);
    bench_send_raw(b, fd, flood, 300000);
    assert_reply(b, fd, "-ERR Protocol error: too big inline request|<end>");
    close(fd);
    free(flood);
    stop(b);
}

/* The error comes through although the client had sent more than was read. */
static void test_error_survives_unread_input(void **state)
{
    struct bench *b = start(NULL);
    char *more = malloc(200000);
    (void)state;
    memset(more, 'x', 200000);
    memcpy(more, "*x\r\n", 4);
    int fd = bench_connect(b, b->port);
    bench_send_raw(b, fd, more, 200000);
    assert_reply(b, fd, "-ERR Protocol error: invalid multibulk length|<end>");
    close(fd);
    free(more);
    stop(b);
}

static void test_maxclients(void **state)
{
    static const char *const directives[] = {"maxclients", "2", NULL};
    struct bench *b = start(directives);
    (void)state;
    int first = bench_connect(b, b->port), second = bench_connect(b, b->port),
        third = bench_connect(b, b->port);
    assert_reply(b, third, "-ERR max number of clients reached|<end>");
    bench_send(b, first, "PING");
    bench_send(b, second, "QUIT");
    assert_reply(b, first, "+PONG|");
    assert_reply(b, second, "+OK|<end>");
    close(third);
    third = bench_connect(b, b->port);
    bench_send(b, third, "PING");
    assert_reply(b, third, "+PONG|");
    close(first);
    close(second);
    close(third);
    stop(b);
}

static void test_one_who_does_not_read(void **state)
{
    static const char *const directives[] = {"client-output-buffer-limit", "normal 1mb 0 0", NULL};
    struct bench *b = start(directives);
    char *value = malloc(100001);
    struct buf text = BUF_EMPTY;
    (void)state;
    memset(value, 'v', 100000);
    value[100000] = '\0';
    const char *const words[] = {"SET", "big", value};
    fake_apply(b->node, words, 3);
    int fd = bench_connect(b, b->port), other = bench_connect(b, b->port);
    for (int i = 0; i < 500; i++)
        buf_append_cstr(&text, "GET big\r\n");
    bench_send_raw(b, fd, text.data, text.len);
    bench_send(b, other, "INFO clients");
    assert_non_null(strstr(bench_read(b, other), "|connected_clients:1|"));
    buf_deinit(&text);
    free(value);
    close(fd);
    close(other);
    stop(b);
}

static void test_query_buffer(void **state)
{
    static const char *const directives[] = {"client-query-buffer-limit", "1mb", NULL};
    struct bench *b = start(directives);
    char *part = calloc(1, 65536);
    (void)state;
    int fd = bench_connect(b, b->port);
    static const char head[] = "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$100000000\r\n";
    bench_send_raw(b, fd, head, sizeof head - 1);
    for (int i = 0; i < 32; i++)
        bench_send_raw(b, fd, part, 65536);
    assert_reply(b, fd, "<end>");
    free(part);
    close(fd);
    stop(b);
}

static void test_idle(void **state)
{
    static const char *const directives[] = {"timeout", "3", NULL};
    struct bench *b = start(directives);
    (void)state;
    int fd = bench_connect(b, b->port), busy = bench_connect(b, b->port);
    for (int i = 0; i < 10; i++) {
        bench_sleep(b, 500);
        bench_send(b, busy, "PING");
    }
    assert_reply(b, fd, "<end>");
    assert_null(strstr(bench_read(b, busy), "<end>"));
    close(fd);
    close(busy);
    stop(b);
}

/* Who waits for the server idles no more than who only listens. */
static void test_idle_for_a_reason(void **state)
{
    static const char *const directives[] = {"timeout", "3", NULL};
    struct bench *b = start(directives);
    (void)state;
    int fd = bench_connect(b, b->port), paused = bench_connect(b, b->port),
        monitor = bench_connect(b, b->port);
    bench_send(b, monitor, "MONITOR");
    bench_send(b, fd, "CLIENT PAUSE 100000 WRITE");
    bench_send(b, paused, "SET k v");
    bench_read(b, monitor);
    for (int i = 0; i < 4; i++)
        bench_sleep(b, 2000);
    assert_reply(b, fd, "+OK|<end>");
    assert_reply(b, paused, "");
    assert_reply(b, monitor, "");
    close(fd);
    fd = bench_connect(b, b->port);
    bench_send(b, fd, "CLIENT UNPAUSE");
    fake_commit(b->node, 1);
    bench_run(b);
    assert_reply(b, paused, "+OK|");
    close(fd);
    close(paused);
    close(monitor);
    stop(b);
}

static void test_more_clients_than_the_system_grants(void **state)
{
    struct rlimit few = {1000, 1000}, more = {60000, 60000};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    (void)state;
    if (setrlimit(RLIMIT_NOFILE, &more) == 0)
        skip(); /* we may have as many as we like */
    struct bench *b = start(NULL);
    int fd = bench_connect(b, b->port);
    bench_send(b, fd, "CONFIG SET timeout 5 maxclients 50000");
    assert_reply(
        b, fd,
        "-ERR CONFIG SET failed (possibly related to argument 'maxclients') - The operating system is not "
        "able to handle the specified number of clients, try with 872|");
    bench_send(b, fd, "CONFIG GET maxclients\nCONFIG GET timeout\nCONFIG SET maxclients 100");
    assert_reply(b, fd, "*2|$10|maxclients|$5|10000|*2|$7|timeout|$1|0|+OK|");
    close(fd);
    stop(b);
}

/* What is out of range is out of range, and what is as good as for ever is. */
static void test_numbers_near_the_end(void **state)
{
    static const char *const directives[] = {"cluster-enabled", "yes", NULL};
    struct bench *b = start(directives);
    (void)state;
    int fd = bench_connect(b, b->port);
    bench_send(b, fd, "CLUSTER MEET 127.0.0.1 9223372036854775807");
    assert_reply(b, fd, "-ERR Invalid node address specified: 127.0.0.1:9223372036854775807|");
    bench_send(b, fd, "WAIT 9 9223372036854775807");
    bench_sleep(b, 1000);
    assert_reply(b, fd, "");
    close(fd);
    stop(b);
}

static void test_quiet_monitor(void **state)
{
    struct bench *b = start(NULL);
    (void)state;
    int fd = bench_connect(b, b->port);
    bench_send(b, fd, "MONITOR\nCLIENT REPLY OFF\nPING\nGET k\nNONSENSE\nCLIENT REPLY ON\nECHO on");
    const char *reply = bench_read(b, fd);
    assert_memory_equal(reply, "+OK|+", 5);
    assert_non_null(strstr(reply, "\"PING\"|"));
    assert_non_null(strstr(reply, "\"GET\" \"k\"|"));
    assert_null(strstr(reply, "+PONG"));
    assert_null(strstr(reply, "$-1"));
    assert_null(strstr(reply, "-ERR"));
    assert_non_null(strstr(reply, "|+OK|"));
    assert_non_null(strstr(reply, "$2|on|"));
    close(fd);
    stop(b);
}

/* What it tells itself is sent in the middle of its request, and takes along what was to be sent before. */
static void test_quiet_publisher(void **state)
{
    static const char *const directives[] = {"client-output-buffer-limit", "pubsub 64kb 0 0", NULL};
    struct bench *b = start(directives);
    struct buf text = BUF_EMPTY;
    (void)state;
    int fd = bench_connect(b, b->port);
    bench_send(b, fd, "HELLO 3\nCLIENT REPLY OFF");
    bench_read(b, fd);
    buf_append_cstr(&text, "SUBSCRIBE ch\r\n*3\r\n$7\r\nPUBLISH\r\n$2\r\nch\r\n$70000\r\n");
    for (int i = 0; i < 70000; i++)
        put_u8(&text, 'x');
    buf_append_cstr(&text, "\r\n");
    bench_send_raw(b, fd, text.data, text.len);
    const char *reply = bench_read(b, fd);
    assert_non_null(strstr(reply, "|$9|subscribe|$2|ch|:1|>3|$7|message|"));
    assert_string_equal(reply + strlen(reply) - 4, "xxx|");
    buf_deinit(&text);
    close(fd);
    stop(b);
}

static void test_kill(void **state)
{
    struct bench *b = start(NULL);
    (void)state;
    int fd = bench_connect(b, b->port), other = bench_connect(b, b->port);
    bench_send(b, other,
               "CLIENT ID\nCLIENT KILL ID 1\nCLIENT KILL ID 99\nCLIENT KILL 1.2.3.4:5\nCLIENT KILL ID x");
    assert_reply(b, fd, "<end>");
    assert_reply(b, other, ":2|:1|:0|-ERR No such client|-ERR client-id should be greater than 0|");
    bench_send(b, other, "CLIENT KILL ID 2 SKIPME no");
    assert_reply(b, other, ":1|<end>");
    close(fd);
    close(other);
    stop(b);
}

static void test_debug_is_locked(void **state)
{
    struct bench *b = start(NULL);
    (void)state;
    int fd = bench_connect(b, b->port);
    bench_send(b, fd, "DEBUG SLEEP 0");
    assert_non_null(strstr(bench_read(b, fd), "-ERR DEBUG command not allowed."));
    bench_send(b, fd, "SHUTDOWN NOSAVE");
    assert_reply(b, fd, "<end>");
    assert_true(b->shutdown_asked);
    close(fd);
    stop(b);
}

/* Of so many values each may be half a gigabyte: the peers are told meanwhile that this node lives. */
static void test_many_values_may_take_long(void **state)
{
    struct bench *b = start(NULL);
    (void)state;
    int fd = bench_connect(b, b->port);
    bench_send(b, fd, "GET k\nMGET a b");
    assert_int_equal(b->busy_times, 0);
    bench_send(b, fd, "MGET a b c d\nKEYS *");
    assert_int_equal(b->busy_times, 2);
    assert_int_equal(b->busy, 0);
    close(fd);
    stop(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_strangers),
        cmocka_unit_test(test_protocol_errors),
        cmocka_unit_test(test_inline_flood),
        cmocka_unit_test(test_error_survives_unread_input),
        cmocka_unit_test(test_maxclients),
        cmocka_unit_test(test_one_who_does_not_read),
        cmocka_unit_test(test_query_buffer),
        cmocka_unit_test(test_idle),
        cmocka_unit_test(test_kill),
        cmocka_unit_test(test_debug_is_locked),
        cmocka_unit_test(test_idle_for_a_reason),
        cmocka_unit_test(test_numbers_near_the_end),
        cmocka_unit_test(test_quiet_monitor),
        cmocka_unit_test(test_quiet_publisher),
        cmocka_unit_test(test_many_values_may_take_long),
        cmocka_unit_test(test_more_clients_than_the_system_grants), /* last: few descriptors are left then */
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
