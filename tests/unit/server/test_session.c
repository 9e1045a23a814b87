/* Names and numbers, transactions, WATCH. */
#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int setup(void **state)
{
    static const char *const directives[] = {"cluster-enabled", "yes", "election-timeout", "500", NULL};
    struct bench *b = calloc(1, sizeof *b);
    bench_start(b, directives);
    *state = b;
    return 0;
}

static int teardown(void **state)
{
    bench_stop(*state);
    free(*state);
    return 0;
}

static void commit_all(struct bench *b)
{
    bench_run(b);
    fake_commit(b->node, b->node->write_count);
    bench_run(b);
}

static void test_tags(void **state)
{
    struct bench *b = *state;
    int fd = bench_connect(b, b->port);
    bench_send(b, fd, "SET a 1");
    assert_int_equal(b->node->numbering, RSM_TAGGED);
    assert_int_equal(b->node->client_id[0], '#');
    assert_int_equal(b->node->request_id, 1);
    bench_send(b, fd, "CLIENT SETNAME app@7\nCLIENT GETNAME\nPING\nSET a 2");
    commit_all(b);
    commit_all(b);
    assert_reply(b, fd, "+OK|+OK|$5|app@7|+PONG|+OK|");
    /* CLIENT waited for the first SET, so the second was taken behind it. */
    assert_string_equal(b->node->client_id, "app@7");
    assert_int_equal(b->node->request_id, 5);
    bench_send(b, fd, "CLIENT SETNAME \"a b\"");
    assert_reply(b, fd, "-ERR Client names cannot contain spaces, newlines or special characters.|");
    size_t writes = b->node->write_count;
    bench_send(b, fd, "CLIENT SETNAME \"a\\nid=7@seq=1\"");
    assert_reply(b, fd, "-ERR Client names cannot contain spaces, newlines or special characters.|");
    char line[1100] = "CLIENT SETNAME ";
    memset(line + 15, 'x', 1025);
    bench_send(b, fd, line);
    assert_reply(b, fd, "-ERR Client names cannot be longer than 1024 bytes.|");
    memcpy(line + 15 + 1025 - 6, "@seq=1", 7);
    bench_send(b, fd, line);
    assert_reply(b, fd, "-ERR Client names cannot be longer than 1024 bytes.|");
    assert_int_equal(b->node->write_count, writes);
    close(fd);
}

/* Numbered by name alone, before any check. */
static void test_numbers(void **state)
{
    struct bench *b = *state;
    int fd = bench_connect(b, b->port);
    bench_send(b, fd, "CLIENT SETNAME job@seq=5\nSET a 1\nGET a\nSET a\nINCR a");
    assert_int_equal(b->node->write_count, 1); /* what follows waits for the session */
    commit_all(b);
    assert_int_equal(b->node->write_count, 2);
    assert_int_equal(b->node->numbering, RSM_SESSION_NUMBER);
    assert_int_equal(b->node->session, 2);
    assert_int_equal(b->node->request_id, 7); /* 5: SET, 6: the broken SET, 7: INCR */
    assert_string_equal(b->node->client_id, "job");
    commit_all(b);
    assert_reply(b, fd, "+OK|+OK|$1|1|-ERR wrong number of arguments for 'set' command|:2|");
    bench_send(b, fd, "MULTI\nINCR a\nINCR a\nEXEC\nINCR a");
    assert_int_equal(b->node->request_id, 9); /* one for the EXEC */
    commit_all(b);
    assert_reply(b, fd, "+OK|+QUEUED|+QUEUED|*2|:3|:4|:5|");
    bench_send(b, fd, "EXEC\nMULTI\nNOSUCH\nEXEC\nINCR a");
    assert_int_equal(b->node->request_id, 12);
    close(fd);
    /* Again from a new connection, as after a broken one: the same numbers give the same replies. */
    fd = bench_connect(b, b->port);
    bench_send(b, fd, "CLIENT SETNAME job@retry=7\nINCR a\nMULTI\nINCR a\nINCR a\nEXEC\nINCR a");
    commit_all(b);
    commit_all(b);
    assert_reply(b, fd, "+OK|:2|+OK|+QUEUED|+QUEUED|*2|:3|:4|:5|");
    close(fd);
}

/* A script that is known to read has a number like another, and so a reply that is remembered. */
static void test_script_that_reads(void **state)
{
    static const char eval[] = "EVAL \"#!lua flags=no-writes\\nreturn redis.call('GET', 'a')\" 0";
    struct rsm_request newest = {.kind = RSM_VERSION, .node = RSM_APPLY_VERSION};
    struct bench *b = *state;
    int fd = bench_connect(b, b->port);
    fake_apply_request(b->node, &newest);
    bench_send(b, fd, "CLIENT SETNAME job@seq=1");
    commit_all(b);
    for (int i = 0; i < 2; i++) {
        bench_send(b, fd, eval);
        assert_int_equal(b->node->write_count, 1);
        commit_all(b);
    }
    assert_reply(b, fd, "+OK|$-1|$-1|");
    bench_send(b, fd, "SET a 1");
    commit_all(b);
    assert_reply(b, fd, "+OK|");
    close(fd);
    fd = bench_connect(b, b->port);
    bench_send(b, fd, "CLIENT SETNAME job@retry=2");
    commit_all(b);
    bench_send(b, fd, eval);
    commit_all(b);
    assert_reply(b, fd, "+OK|$-1|");
    close(fd);
}

static void test_unknown_session(void **state)
{
    struct bench *b = *state;
    int fd = bench_connect(b, b->port);
    bench_send(b, fd, "CLIENT SETNAME job@retry=7\nINCR a");
    commit_all(b);
    assert_int_equal(b->node->numbering, RSM_TAGGED);
    const char *reply = bench_read(b, fd);
    assert_ptr_equal(strstr(reply, "-NOSESSION "), reply);
    close(fd);
}

static void test_notleader(void **state)
{
    struct bench *b = *state;
    int fd = bench_connect(b, b->port);
    bench_send(b, fd, "CLIENT SETNAME job@seq=1");
    commit_all(b);
    bench_send(b, fd, "SET foo 1\nGET foo\nSET foo 2");
    b->node->read_count = 0;
    b->node->serving = false;
    b->node->leader = FAKE_OTHER;
    b->node->clients.changed(b->node->clients.arg, true);
    fake_settle(b->node, NODE_NOT_LEADER);
    bench_send(b, fd, "SET foo 3");
    const char *reply = bench_read(b, fd);
    assert_ptr_equal(strstr(reply, "+OK|-NOTLEADER 10.0.0.9:7009|"), reply);
    assert_null(strstr(reply, "MOVED 12182 10.0.0.9:7009|-MOVED")); /* no write was told to move */
    assert_int_equal(b->node->writes_asked, 3);
    close(fd);
}

/* SETNAME is answered on any node. */
static void test_session_on_follower(void **state)
{
    struct bench *b = *state;
    bench_role(b, false, FAKE_OTHER);
    int fd = bench_connect(b, b->port);
    bench_send(b, fd, "CLIENT SETNAME job@seq=1\nSET foo 1");
    assert_int_equal(b->node->forwards_asked, 1);
    commit_all(b);
    assert_reply(b, fd, "+OK|-NOTLEADER 10.0.0.9:7009|");
    close(fd);
}

static void test_exec_weaves_local_replies(void **state)
{
    struct bench *b = *state;
    int fd = bench_connect(b, b->port);
    bench_send(
        b, fd,
        "MULTI\nPING\nSET a 1\nSELECT 3\nSET b 2\nECHO x\nSELECT 99\nGET b\nEXEC\nGET b\nSELECT 0\nGET b");
    assert_int_equal(b->node->commands, 3);
    commit_all(b);
    fake_round(b->node, NODE_DONE);
    assert_reply(b, fd,
                 "+OK|+QUEUED|+QUEUED|+QUEUED|+QUEUED|+QUEUED|+QUEUED|+QUEUED|*7|+PONG|+OK|+OK|+OK|$1|x|"
                 "-ERR DB index is out of range|$1|2|$1|2|+OK|$-1|");
    bench_send(b, fd, "MULTI\nPING\nEXEC\nMULTI\nEXEC");
    assert_reply(b, fd, "+OK|+QUEUED|*1|+PONG|+OK|*0|");
    assert_int_equal(b->node->write_count, 0);
    close(fd);
}

/* An EXEC that is answered at once stands behind what is open, in a ring that is just full. */
static void test_exec_behind_a_full_ring(void **state)
{
    struct bench *b = *state;
    int fd = bench_connect(b, b->port);
    bench_send(b, fd,
               "INCR n\nINCR n\nINCR n\nINCR n\nINCR n\nINCR n\nINCR n\nINCR n\nINCR n\nINCR n\n"
               "INCR n\nINCR n\nINCR n\nMULTI\nNOSUCH\nEXEC\nEXEC\nINCR n");
    assert_int_equal(b->node->write_count, 14);
    commit_all(b);
    assert_reply(b, fd,
                 ":1|:2|:3|:4|:5|:6|:7|:8|:9|:10|:11|:12|:13|+OK|-ERR unknown command 'NOSUCH', with args "
                 "beginning with: |"
                 "-EXECABORT Transaction discarded because of previous errors.|-ERR EXEC without MULTI|:14|");
    close(fd);
}

static void test_watch(void **state)
{
    static const char *const other[] = {"SET", "k", "2"};
    struct bench *b = *state;
    int fd = bench_connect(b, b->port);
    bench_send(b, fd, "SET k 1\nWATCH k\nGET k\nMULTI\nINCR k\nEXEC");
    assert_int_equal(b->node->read_count, 0); /* WATCH stands behind the open write */
    fake_commit(b->node, 1);
    bench_run(b);
    assert_int_equal(b->node->read_count, 1);
    fake_round(b->node, NODE_DONE);
    bench_run(b);
    assert_int_equal(b->node->watch_count, 1);
    assert_true(b->node->watch_version > 0);
    commit_all(b);
    assert_reply(b, fd, "+OK|+OK|$1|1|+OK|+QUEUED|*1|:2|");

    bench_send(b, fd, "WATCH k");
    fake_round(b->node, NODE_DONE);
    fake_apply(b->node, other, 3);
    bench_send(b, fd, "MULTI\nINCR k\nEXEC");
    commit_all(b);
    assert_reply(b, fd, "+OK|+OK|+QUEUED|*-1|");
    bench_send(b, fd, "MULTI\nINCR k\nEXEC"); /* watches end with the EXEC */
    commit_all(b);
    assert_reply(b, fd, "+OK|+QUEUED|*1|:3|");
    bench_send(b, fd, "MULTI\nWATCH k\nMULTI\nDISCARD");
    assert_reply(b, fd, "+OK|-ERR WATCH inside MULTI is not allowed|-ERR MULTI calls can not be nested|+OK|");
    close(fd);
}

static void test_config_set_is_a_write(void **state)
{
    struct bench *b = *state;
    int fd = bench_connect(b, b->port);
    bench_send(b, fd, "CONFIG SET maxmemory 1gb timeout 9\nCONFIG GET maxmemory\nCONFIG GET timeout");
    assert_int_equal(b->node->argc, 2);
    commit_all(b);
    assert_reply(b, fd, "+OK|*2|$9|maxmemory|$10|1073741824|*2|$7|timeout|$1|9|");
    bench_send(b, fd, "CONFIG SET timeout 7 maxmemory x");
    assert_reply(b, fd,
                 "-ERR CONFIG SET failed (possibly related to argument 'maxmemory') - argument must be a "
                 "memory value|");
    bench_send(b, fd, "CONFIG SET timeout 7 loglevel x\nCONFIG GET timeout");
    const char *reply = bench_read(b, fd);
    assert_non_null(
        strstr(reply, "argument(s) must be one of the following: debug, verbose, notice, warning|"));
    assert_non_null(strstr(reply, "*2|$7|timeout|$1|9|")); /* none of it was set */
    bench_role(b, false, FAKE_OTHER);
    close(fd);
    fd = bench_connect(b, b->port);
    bench_send(b, fd, "CONFIG SET maxmemory 0");
    assert_reply(b, fd, "-MOVED 0 10.0.0.9:7009|");
    close(fd);
}

static void is_timeout(struct bench *b, int fd, const char *value)
{
    char text[64];
    snprintf(text, sizeof text, "*2|$7|timeout|$1|%s|", value);
    bench_send(b, fd, "CONFIG GET timeout");
    assert_reply(b, fd, text);
}

/* This node's part of it, too, changes only when the cluster's has. */
static void test_config_set_refused(void **state)
{
    struct bench *b = *state;
    int fd = bench_connect(b, b->port), other = bench_connect(b, b->port);
    b->node->refusal = "-OOM no\r\n";
    bench_send(b, fd, "CONFIG SET timeout 7 maxmemory 1gb");
    is_timeout(b, other, "0");
    fake_settle(b->node, NODE_REFUSED);
    assert_reply(b, fd, "-OOM no|");
    is_timeout(b, other, "0");
    bench_send(b, fd, "CONFIG SET timeout 7 maxmemory 1gb");
    fake_settle(b->node, NODE_NOT_LEADER);
    assert_reply(b, fd, "-MOVED 0 127.0.0.1:7007|");
    is_timeout(b, other, "0");
    close(fd);
    close(other);
    bench_role(b, false, FAKE_OTHER);
    other = bench_connect(b, b->port);
    size_t asked = b->node->forwards_asked;
    bench_send(b, other, "CONFIG SET timeout 7 requirepass x\nCONFIG GET requirepass");
    assert_reply(b, other, "-MOVED 0 10.0.0.9:7009|*2|$11|requirepass|$0||");
    assert_int_equal(b->node->forwards_asked, asked); /* nor are there users in the log now */
    is_timeout(b, other, "0");
    fd = bench_connect(b, b->proxy_port);
    bench_send(b, fd, "CONFIG SET timeout 7 maxmemory 1gb");
    commit_all(b);
    assert_reply(b, fd, "+OK|");
    is_timeout(b, other, "7");
    bench_role(b, false, 0); /* parked, then taken */
    bench_send(b, other, "CONFIG SET timeout 8 maxmemory 2gb");
    is_timeout(b, fd, "7");
    bench_role(b, true, FAKE_SELF);
    commit_all(b);
    assert_reply(b, other, "+OK|");
    is_timeout(b, fd, "8");
    close(fd);
    close(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_tags, setup, teardown),
        cmocka_unit_test_setup_teardown(test_numbers, setup, teardown),
        cmocka_unit_test_setup_teardown(test_script_that_reads, setup, teardown),
        cmocka_unit_test_setup_teardown(test_unknown_session, setup, teardown),
        cmocka_unit_test_setup_teardown(test_notleader, setup, teardown),
        cmocka_unit_test_setup_teardown(test_session_on_follower, setup, teardown),
        cmocka_unit_test_setup_teardown(test_exec_weaves_local_replies, setup, teardown),
        cmocka_unit_test_setup_teardown(test_exec_behind_a_full_ring, setup, teardown),
        cmocka_unit_test_setup_teardown(test_watch, setup, teardown),
        cmocka_unit_test_setup_teardown(test_config_set_is_a_write, setup, teardown),
        cmocka_unit_test_setup_teardown(test_config_set_refused, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
