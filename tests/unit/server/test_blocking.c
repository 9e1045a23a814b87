/* Clients whose command waits for a key: what is held back behind it, what ends the wait, and what is told whom. */
#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void start(struct bench *b)
{
    struct rsm_request newest = {.kind = RSM_VERSION, .node = RSM_APPLY_VERSION};
    bench_start(b, NULL);
    fake_apply_request(b->node, &newest);
}

static const char *info(struct bench *b, int fd, const char *field)
{
    static char value[64];
    bench_send(b, fd, "INFO clients");
    const char *at = strstr(bench_read(b, fd), field);
    assert_non_null(at);
    snprintf(value, sizeof value, "%.*s", (int)strcspn(at, "|"), at);
    return value;
}

/* A client that waits; its id. */
static int waiting(struct bench *b, const char *command, unsigned long *id)
{
    int fd = bench_connect(b, b->port);
    bench_send(b, fd, "CLIENT ID");
    *id = strtoul(bench_read(b, fd) + 1, NULL, 10);
    bench_send(b, fd, command);
    fake_commit(b->node, 1);
    bench_run(b);
    assert_reply(b, fd, "");
    return fd;
}

static void test_served(void **state)
{
    struct bench b;
    unsigned long id;
    (void)state;
    start(&b);
    int fd = waiting(&b, "BLPOP l 0", &id), other = bench_connect(&b, b.port);
    assert_string_equal(info(&b, other, "blocked_clients"), "blocked_clients:1");
    bench_send(&b, fd, "PING"); /* waits its turn */
    assert_reply(&b, fd, "");
    fake_apply(b.node, (const char *[]){"RPUSH", "l", "x"}, 3);
    bench_run(&b);
    assert_reply(&b, fd, "*2|$1|l|$1|x|+PONG|");
    assert_string_equal(info(&b, other, "blocked_clients"), "blocked_clients:0");
    close(fd);
    close(other);
    bench_stop(&b);
}

/* The answer to a write before it may come behind the word that it waits. */
static void test_older_answer(void **state)
{
    struct bench b;
    (void)state;
    start(&b);
    bench_role(&b, false, FAKE_OTHER);
    int fd = bench_connect(&b, b.proxy_port), other = bench_connect(&b, b.port);
    bench_send(&b, fd, "SET a 1\nBLPOP l 0");
    struct node_answer waits = {.outcome = NODE_WAITS, .index = 2},
                       done = {.outcome = NODE_DONE, .reply = SLICE_LITERAL("+OK\r\n")};
    b.node->clients.answer(b.node->clients.arg, b.node->writes[1].ticket, &waits);
    b.node->clients.answer(b.node->clients.arg, b.node->writes[0].ticket, &done);
    bench_run(&b);
    assert_reply(&b, fd, "+OK|");
    assert_string_equal(info(&b, other, "blocked_clients"), "blocked_clients:1");
    close(fd);
    close(other);
    bench_stop(&b);
}

/* Who closes while it stands in WAIT has gone. */
static void test_gone_in_wait(void **state)
{
    struct bench b;
    (void)state;
    start(&b);
    int fd = bench_connect(&b, b.port), other = bench_connect(&b, b.port);
    bench_send(&b, fd, "WAIT 9 0");
    assert_string_equal(info(&b, other, "blocked_clients"), "blocked_clients:1");
    close(fd);
    bench_run(&b);
    assert_string_equal(info(&b, other, "blocked_clients"), "blocked_clients:0");
    assert_string_equal(info(&b, other, "connected_clients"), "connected_clients:1");
    close(other);
    bench_stop(&b);
}

/* What an XREAD was told after a wait is a copy like any other. */
static void test_tracked(void **state)
{
    static const char *const add[] = {"XADD", "s", "*", "f", "v"};
    struct bench b;
    (void)state;
    start(&b);
    int fd = bench_connect(&b, b.port);
    bench_send(&b, fd, "HELLO 3\nCLIENT TRACKING ON");
    bench_read(&b, fd);
    bench_send(&b, fd, "XREAD BLOCK 0 STREAMS s 0");
    fake_commit(b.node, 1);
    bench_run(&b);
    assert_reply(&b, fd, "");
    fake_apply(b.node, add, 5);
    bench_run(&b);
    assert_non_null(strstr(bench_read(&b, fd), "%1|$1|s|*1|"));
    fake_apply(b.node, add, 5);
    bench_run(&b);
    assert_reply(&b, fd, ">2|$10|invalidate|*1|$1|s|");
    bench_send(&b, fd, "XREAD BLOCK 0 STREAMS s 0"); /* at once */
    fake_commit(b.node, 1);
    bench_run(&b);
    assert_non_null(strstr(bench_read(&b, fd), "%1|$1|s|*2|"));
    fake_apply(b.node, add, 5);
    bench_run(&b);
    assert_reply(&b, fd, ">2|$10|invalidate|*1|$1|s|");
    close(fd);
    bench_stop(&b);
}

static void test_client_list(void **state)
{
    struct bench b;
    unsigned long id;
    char wanted[64];
    (void)state;
    start(&b);
    int fd = waiting(&b, "BLPOP l 0", &id), other = bench_connect(&b, b.port);
    snprintf(wanted, sizeof wanted, "CLIENT LIST ID %lu", id);
    bench_send(&b, other, wanted);
    assert_non_null(strstr(bench_read(&b, other), " flags=b "));
    close(fd);
    close(other);
    bench_stop(&b);
}

/* It goes, or is killed: then it takes nothing any more, wherever its entry stood. */
static void test_gone(void **state)
{
    struct bench b;
    unsigned long id;
    char kill[64];
    (void)state;
    start(&b);
    int fd = waiting(&b, "BLPOP l 0", &id);
    bench_send(&b, fd, "PING"); /* though it has sent on */
    close(fd);
    bench_run(&b);
    fake_commit(b.node, 1);
    assert_int_equal(rsm_waiting(b.node->rsm), 0);

    int other = bench_connect(&b, b.port);
    fd = waiting(&b, "BLPOP l 0", &id);
    snprintf(kill, sizeof kill, "CLIENT KILL ID %lu", id);
    bench_send(&b, other, kill);
    bench_run(&b);
    fake_commit(b.node, 1);
    assert_int_equal(rsm_waiting(b.node->rsm), 0);
    close(fd);

    fd = bench_connect(&b, b.port); /* before its entry was applied */
    bench_send(&b, fd, "CLIENT ID");
    snprintf(kill, sizeof kill, "CLIENT KILL ID %s", bench_read(&b, fd) + 1);
    kill[strcspn(kill, "|")] = 0;
    bench_send(&b, fd, "BLPOP l 0");
    bench_read(&b, other);
    bench_send(&b, other, kill);
    bench_run(&b);
    fake_commit(b.node, 1);
    assert_int_equal(rsm_waiting(b.node->rsm), 1);
    bench_run(&b);
    fake_commit(b.node, 1);
    assert_int_equal(rsm_waiting(b.node->rsm), 0);
    close(fd);
    close(other);
    bench_stop(&b);
}

static void test_unblock(void **state)
{
    struct bench b;
    unsigned long id;
    char text[64];
    (void)state;
    start(&b);
    int other = bench_connect(&b, b.port);
    for (int error = 0; error < 2; error++) {
        int fd = waiting(&b, "BLPOP l 0", &id);
        snprintf(text, sizeof text, "CLIENT UNBLOCK %lu%s", id, error ? " ERROR" : "");
        bench_send(&b, other, text);
        fake_commit(b.node, 1);
        bench_run(&b);
        assert_reply(&b, other, ":1|");
        assert_reply(&b, fd, error ? "-UNBLOCKED client unblocked via CLIENT UNBLOCK|" : "*-1|");
        bench_send(&b, other, text); /* it does not wait now */
        assert_reply(&b, other, ":0|");
        close(fd);
    }
    bench_send(&b, other, "CLIENT UNBLOCK 999");
    assert_reply(&b, other, ":0|");
    bench_send(&b, other, "CLIENT UNBLOCK 1 x");
    assert_reply(&b, other, "-ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR|");
    bench_send(&b, other, "CLIENT UNBLOCK x");
    assert_reply(&b, other, "-ERR value is not an integer or out of range|");
    close(other);
    bench_stop(&b);
}

/* What a new term has cleared did not run: to the new leader, or, where it is this node, once more. Either way the
 * connection ends, and nothing that was sent behind it runs. */
static void test_cleared(void **state)
{
    struct bench b;
    unsigned long id;
    (void)state;
    for (int again = 0; again < 2; again++) {
        start(&b);
        int fd = waiting(&b, "BLPOP l 0", &id);
        bench_send(&b, fd, "SET k v");
        bench_role(&b, again, again ? FAKE_SELF : FAKE_OTHER);
        fake_new_term(b.node);
        bench_run(&b);
        const char *got = bench_read(&b, fd);
        if (again)
            assert_memory_equal(got, "-UNBLOCKED force unblock from blocking operation", 48);
        else
            assert_memory_equal(got, "-MOVED 11562 127.0.0.1:", 13);
        assert_null(strstr(got, "+OK"));
        assert_int_equal(b.node->write_count, 0);
        bench_sleep(&b, 1000);
        assert_non_null(strstr(bench_read(&b, fd), "<end>"));
        close(fd);
        bench_stop(&b);
    }
}

static void test_in_transaction(void **state)
{
    struct bench b;
    (void)state;
    start(&b);
    int fd = bench_connect(&b, b.port);
    bench_send(&b, fd, "MULTI\r\nBLPOP l 0\r\nEXEC");
    fake_commit(b.node, 1);
    bench_run(&b);
    assert_reply(&b, fd, "+OK|+QUEUED|*1|*-1|");
    close(fd);
    bench_stop(&b);
}

/* SLOWLOG has it once it is answered, with the time that it ran; how long it waited is not its own. */
static void test_slowlog(void **state)
{
    static const char *const push[] = {"LPUSH", "l", "v"};
    struct bench b;
    unsigned long id;
    (void)state;
    start(&b);
    int other = bench_connect(&b, b.port);
    bench_send(&b, other, "CONFIG SET slowlog-log-slower-than 10000");
    assert_reply(&b, other, "+OK|");
    int fd = waiting(&b, "BLPOP l 0", &id);
    usleep(15000);
    fake_apply(b.node, push, 3);
    bench_send(&b, other, "SLOWLOG LEN\nCONFIG SET slowlog-log-slower-than 0");
    assert_reply(&b, other, ":0|+OK|");
    bench_send(&b, other, "INFO commandstats");
    const char *usec = strstr(bench_read(&b, other), "cmdstat_blpop:calls=1,usec=");
    assert_non_null(usec);
    assert_true(strtoul(strchr(usec, ',') + sizeof ",usec", NULL, 10) < 10000);
    close(fd);
    fd = waiting(&b, "BLPOP l 0", &id);
    bench_send(&b, other, "SLOWLOG RESET");
    assert_reply(&b, other, "+OK|");
    fake_apply(b.node, push, 3);
    bench_run(&b);
    assert_reply(&b, fd, "*2|$1|l|$1|v|");
    bench_send(&b, other, "SLOWLOG GET 1");
    assert_non_null(strstr(bench_read(&b, other), "|*3|$5|BLPOP|$1|l|$1|0|"));
    bench_send(&b, other, "INFO latencystats");
    assert_non_null(strstr(bench_read(&b, other), "latency_percentiles_usec_blpop:"));
    close(fd);
    close(other);
    bench_stop(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_served),         cmocka_unit_test(test_tracked),
        cmocka_unit_test(test_client_list),    cmocka_unit_test(test_gone),
        cmocka_unit_test(test_older_answer),   cmocka_unit_test(test_gone_in_wait),
        cmocka_unit_test(test_unblock),        cmocka_unit_test(test_cleared),
        cmocka_unit_test(test_in_transaction), cmocka_unit_test(test_slowlog),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
