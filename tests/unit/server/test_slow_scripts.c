/* Scripts that run for long: tried before they become entries, seen to be busy by others, ended by SCRIPT KILL. */
#include "bench.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/server_int.h"

#define BUSY "-BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.|"

static void start(struct bench *b, const char *threshold_ms)
{
    struct rsm_request newest = {.kind = RSM_VERSION, .node = RSM_APPLY_VERSION};
    bench_start(b, (const char *[]){"busy-reply-threshold", threshold_ms, NULL});
    fake_apply_request(b->node, &newest);
}

struct late {
    int fd;
    const char *text;
    uint16_t port; /* connects first; 0: it is connected */
};

/* Sends it in the middle of what runs. */
static void *send_late(void *arg)
{
    const struct late *l = arg;
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    usleep(30000);
    to.sin_port = htons(l->port);
    if (l->port && connect(l->fd, (struct sockaddr *)&to, sizeof to) != 0)
        return arg;
    const char *second = strstr(l->text, "\r\n\r\n"); /* an empty line: the rest comes later */
    if (second && write(l->fd, l->text, (size_t)(second - l->text) + 2) < 0)
        return arg;
    if (second)
        usleep(30000);
    const char *text = second ? second + 4 : l->text;
    ssize_t n = write(l->fd, text, strlen(text));
    return n == (ssize_t)strlen(text) ? NULL : arg;
}

static void run_beside_late(struct bench *b, int fd, const char *script, struct late late)
{
    pthread_t thread;
    void *failed;
    assert_int_equal(pthread_create(&thread, NULL, send_late, &late), 0);
    bench_send(b, fd, script);
    pthread_join(thread, &failed);
    assert_null(failed);
    bench_run(b);
}

static void run_beside(struct bench *b, int fd, const char *script, int other, const char *text)
{
    run_beside_late(b, fd, script, (struct late){other, text, 0});
}

static void test_killed(void **state)
{
    struct bench b;
    (void)state;
    start(&b, "1");
    int fd = bench_connect(&b, b.port), other = bench_connect(&b, b.port);
    run_beside(&b, fd, "EVAL \"while true do end\" 0\r\nPING", other, "PING\r\nGET k\r\nSCRIPT KILL\r\n");
    assert_reply(&b, other, BUSY BUSY "+OK|");
    assert_reply(
        &b, fd,
        "-ERR Script killed by user with SCRIPT KILL... script: 694a5fe1ddb97a4c6a1bf299d9537c7d3d0f84e7, on "
        "@user_script:1.|+PONG|");
    bench_send(&b, other, "SCRIPT KILL");
    assert_reply(&b, other, "-NOTBUSY No scripts in execution right now.|");
    bench_send(&b, other, "MULTI\r\nGET k");
    assert_reply(&b, other, "+OK|+QUEUED|");
    run_beside(&b, fd, "EVAL \"while true do end\" 0", other, "EXEC\r\nEXEC\r\nSCRIPT KILL\r\n");
    assert_reply(
        &b, other,
        "-EXECABORT Transaction discarded because of: BUSY Redis is busy running a script. You can only call "
        "SCRIPT KILL or SHUTDOWN NOSAVE.|" BUSY "+OK|");
    run_beside(&b, fd, "EVAL_RO \"while true do pcall(function() while true do end end) end\" 0", other,
               "PING\r\nSCRIPT KILL\r\n");
    close(fd);
    close(other);
    bench_stop(&b);
}

/* It may take a new connection to end it. */
static void test_killed_by_who_comes_meanwhile(void **state)
{
    struct bench b;
    (void)state;
    start(&b, "1");
    int fd = bench_connect(&b, b.port), other = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    run_beside_late(&b, fd, "EVAL \"while true do end\" 0", (struct late){other, "SCRIPT KILL\r\n", b.port});
    assert_reply(
        &b, fd,
        "-ERR Script killed by user with SCRIPT KILL... script: 694a5fe1ddb97a4c6a1bf299d9537c7d3d0f84e7, on "
        "@user_script:1.|");
    fcntl(other, F_SETFL, O_NONBLOCK);
    assert_reply(&b, other, "+OK|");
    close(fd);
    close(other);
    bench_stop(&b);
}

/* FUNCTION KILL ends functions, SCRIPT KILL scripts; FUNCTION STATS tells which runs. */
static void test_function_killed(void **state)
{
    static const char busy[] =
        "-BUSY Redis is busy running a script. You can only call FUNCTION KILL or SHUTDOWN NOSAVE.|";
    struct bench b;
    (void)state;
    start(&b, "1");
    int fd = bench_connect(&b, b.port), other = bench_connect(&b, b.port);
    bench_send(
        &b, fd,
        "FUNCTION LOAD \"#!lua name=l\\nredis.register_function('f', function() while true do end end)\"");
    fake_commit(b.node, 1);
    bench_run(&b);
    assert_reply(&b, fd, "$1|l|");
    b.node->alone = true; /* so WATCH reads at once, and takes the server's room for arguments */
    run_beside(&b, fd, "FCALL f 0\r\nPING", other,
               "PING\r\nSCRIPT KILL\r\nWATCH w1 w2\r\n\r\nFUNCTION STATS\r\nFUNCTION KILL\r\n");
    const char *reply = bench_read(&b, other);
    assert_memory_equal(reply, busy, strlen(busy));
    assert_memory_equal(reply + strlen(busy), busy, strlen(busy));
    assert_non_null(strstr(reply, "*6|$4|name|$1|f|$7|command|*3|$5|FCALL|$1|f|$1|0|$11|duration_ms|:"));
    assert_string_equal(reply + strlen(reply) - 4, "+OK|");
    assert_reply(&b, fd,
                 "-ERR Script killed by user with SCRIPT KILL... script: f, on @user_function:2.|+PONG|");
    bench_send(&b, other, "FUNCTION KILL");
    assert_reply(&b, other, "-NOTBUSY No scripts in execution right now.|");
    run_beside(&b, fd, "EVAL_RO \"while true do end\" 0", other,
               "FUNCTION KILL\r\nFUNCTION STATS\r\nSCRIPT KILL\r\n");
    assert_reply(&b, other, BUSY BUSY "+OK|");
    close(fd);
    close(other);
    bench_stop(&b);
}

/* As part of an entry it runs on all nodes, and none can end it alone. */
static void test_entry_goes_on(void **state)
{
    struct bench b;
    (void)state;
    start(&b, "1");
    int fd = bench_connect(&b, b.port), other = bench_connect(&b, b.port);
    bench_send(&b, fd, "EVAL \"redis.call('set','k','v') while true do end\" 0");
    assert_reply(&b, fd, "");
    struct late late = {other, "PING\r\nSCRIPT KILL\r\n", 0};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, send_late, &late), 0);
    fake_commit(b.node, 1);
    pthread_join(thread, NULL);
    bench_run(&b);
    const char *reply = bench_read(&b, other);
    assert_memory_equal(reply, BUSY "-UNKILLABLE ", strlen(BUSY "-UNKILLABLE "));
    assert_non_null(strstr(bench_read(&b, fd), "script-max-steps"));
    bench_send(&b, fd, "GET k");
    fake_round(b.node, NODE_DONE);
    bench_run(&b);
    assert_reply(&b, fd, "$1|v|");
    close(fd);
    close(other);
    bench_stop(&b);
}

/* One that writes is proposed after its trial, in its place among the requests of its connection; the second time at once. */
static void test_tried_in_order(void **state)
{
    static const char script[] =
        "for i=1,3 do redis.call('append',KEYS[1],i) end return redis.call('get',KEYS[1])";
    char text[512];
    struct bench b;
    (void)state;
    start(&b, "5000");
    int fd = bench_connect(&b, b.port);
    for (int i = 0; i < 2; i++) {
        snprintf(text, sizeof text, "SET k x\r\nEVAL \"%s\" 1 k\r\nSET k y\r\nGET k", script);
        bench_send(&b, fd, text);
        fake_commit(b.node, 3);
        bench_run(&b);
        fake_round(b.node, NODE_DONE);
        bench_run(&b);
        assert_reply(&b, fd, "+OK|$4|x123|+OK|$1|y|");
    }
    bench_send(&b, fd, "MULTI\r\nEVAL \"for i=1,3 do end return 1\" 0\r\nEXEC");
    fake_commit(b.node, 1);
    bench_run(&b);
    assert_reply(&b, fd, "+OK|+QUEUED|*1|:1|");
    close(fd);
    bench_stop(&b);
}

/* A read is done at once here, and its script is shown in front of what it calls; once, where it had to wait for a leader. */
static void test_shown_in_order(void **state)
{
    struct bench b;
    (void)state;
    start(&b, "1000");
    b.node->alone = true;
    int fd = bench_connect(&b, b.port), watcher = bench_connect(&b, b.port);
    bench_send(&b, fd, "EVAL \"return redis.call('GET','k')\" 0");
    fake_commit(b.node, 1);
    bench_run(&b);
    assert_reply(&b, fd, "$-1|");
    bench_send(&b, watcher, "MONITOR");
    assert_reply(&b, watcher, "+OK|");
    bench_role(&b, false, 0);
    bench_send(&b, fd, "EVAL_RO \"return redis.call('GET','k')\" 0");
    bench_role(&b, true, FAKE_SELF);
    bench_run(&b);
    assert_reply(&b, fd, "$-1|");
    const char *shown = bench_read(&b, watcher), *eval = strstr(shown, "\"EVAL_RO\"");
    assert_non_null(eval);
    assert_non_null(strstr(eval, " [0 lua] \"GET\" \"k\"|"));
    assert_null(strstr(eval + 1, "\"EVAL_RO\""));
    close(fd);
    close(watcher);
    bench_stop(&b);
}

/* A monitor that asks for things itself: what it is shown takes no place among what it waits for. */
static void test_monitor_that_asks(void **state)
{
    struct bench b;
    (void)state;
    start(&b, "1000");
    int fd = bench_connect(&b, b.port), other = bench_connect(&b, b.port);
    bench_send(&b, other, "EVAL_RO \"for i = 1, 40 do redis.call('GET', 'k') end return 7\" 0");
    fake_commit(b.node, 1); /* known from now on */
    bench_run(&b);
    assert_reply(&b, other, ":7|");
    bench_send(&b, fd, "MONITOR\nEVAL_RO \"for i = 1, 40 do redis.call('GET', 'k') end return 7\" 0");
    fake_round(b.node, NODE_DONE);
    bench_run(&b);
    const char *shown = bench_read(&b, fd), *end = shown + strlen(shown);
    assert_int_equal(strncmp(shown, "+OK|", 4), 0);
    assert_string_equal(end - strlen("|:7|"), "|:7|");
    size_t lines = 0;
    for (const char *at = shown; (at = strstr(at, " lua] \"GET\"")); at++)
        lines++;
    assert_int_equal(lines, 40);
    bench_send(&b, fd, "BLPOP l 0");
    bench_send(&b, other, "PING");
    fake_commit(b.node, 1);
    fake_apply(b.node, (const char *[]){"RPUSH", "l", "x"}, 3);
    bench_run(&b);
    assert_non_null(strstr(bench_read(&b, fd), "*2|$1|l|$1|x|"));
    bench_send(&b, fd, "WAIT 9 100");
    bench_send(&b, other, "PING");
    bench_sleep(&b, 200);
    assert_non_null(strstr(bench_read(&b, fd), "|:2|"));
    bench_send(&b, fd, "ECHO still");
    assert_non_null(strstr(bench_read(&b, fd), "$5|still|"));
    close(fd);
    close(other);
    bench_stop(&b);
}

#define READS_OR_WRITES                                                                                      \
    "EVAL \"local v = redis.call('GET','k') if v == ARGV[1] then redis.call('SET','k','by script') end "     \
    "return v\" 0 "

/* Makes it known on all nodes, which takes an entry. */
static void make_known(struct bench *b, int fd)
{
    bench_send(b, fd, READS_OR_WRITES "nothing");
    fake_commit(b->node, 1);
    bench_run(b);
    bench_read(b, fd);
}

/* A script that did not write the last time is a read like others: one round for all, at their place. */
static void test_starts_as_a_read(void **state)
{
    struct bench b;
    (void)state;
    start(&b, "5000");
    int fd = bench_connect(&b, b.port), other = bench_connect(&b, b.port);
    make_known(&b, fd);
    assert_int_equal(b.node->reads_asked, 0);
    bench_send(&b, fd, READS_OR_WRITES "nothing\r\nGET k\r\n" READS_OR_WRITES "nothing");
    assert_int_equal(b.node->reads_asked, 1);
    assert_int_equal(b.node->write_count, 0);
    bench_send(&b, other, "SET k v");
    fake_commit(b.node, 1);
    assert_reply(&b, fd, "");
    fake_round(b.node, NODE_DONE);
    bench_run(&b);
    assert_reply(&b, fd, "$1|v|$1|v|$1|v|");
    b.node->alone = true;
    bench_send(&b, fd, READS_OR_WRITES "nothing");
    assert_reply(&b, fd, "$1|v|");
    close(fd);
    close(other);
    bench_stop(&b);
}

/* Behind a write of its own it is an entry, which sees that; and what is behind it waits until it is known not to write. */
static void test_guess_keeps_order(void **state)
{
    struct bench b;
    (void)state;
    start(&b, "5000");
    int fd = bench_connect(&b, b.port);
    make_known(&b, fd);
    bench_send(&b, fd, "SET k own\r\n" READS_OR_WRITES "nothing");
    assert_int_equal(b.node->write_count, 2);
    fake_commit(b.node, 2);
    bench_run(&b);
    assert_reply(&b, fd, "+OK|$3|own|");
    bench_send(&b, fd, READS_OR_WRITES "nothing\r\nGET k\r\nSET k later\r\nGET k");
    assert_int_equal(b.node->write_count, 0);
    fake_round(b.node, NODE_DONE);
    bench_run(&b);
    assert_int_equal(b.node->write_count, 1);
    fake_commit(b.node, 1);
    fake_round(b.node, NODE_DONE);
    bench_run(&b);
    assert_reply(&b, fd, "$3|own|$3|own|+OK|$5|later|");
    close(fd);
    bench_stop(&b);
}

/* At its first write it is dropped, and becomes an entry: before what is behind it, and without a trace of the first run. */
static void test_guess_that_writes(void **state)
{
    struct bench b;
    (void)state;
    start(&b, "5000");
    int fd = bench_connect(&b, b.port);
    make_known(&b, fd);
    for (int alone = 0; alone < 2; alone++) {
        b.node->alone = false;
        bench_send(&b, fd, "SET k v");
        fake_commit(b.node, 1);
        bench_read(&b, fd);
        bench_send(&b, fd, "CONFIG RESETSTAT");
        b.node->alone = alone;
        bench_send(&b, fd, READS_OR_WRITES "v\r\nGET k\r\nSET k later\r\nGET k");
        fake_round(b.node, NODE_DONE);
        bench_run(&b);
        assert_reply(&b, fd, "+OK|");
        fake_commit(b.node, b.node->write_count);
        bench_run(&b);
        fake_commit(b.node, b.node->write_count);
        fake_round(b.node, NODE_DONE);
        bench_run(&b);
        assert_reply(&b, fd, "$1|v|$9|by script|+OK|$5|later|");
        bench_send(&b, fd,
                   READS_OR_WRITES "nothing"); /* it wrote: an entry, which says that it does not any more */
        assert_int_equal(b.node->write_count, 1);
        fake_commit(b.node, 1);
        bench_run(&b);
        assert_reply(&b, fd, "$5|later|");
        bench_send(&b, fd, "INFO commandstats");
        const char *info = bench_read(&b, fd);
        assert_non_null(strstr(info, "cmdstat_eval:calls=2,"));
        assert_non_null(strstr(info, "cmdstat_get:calls=4,"));
        assert_non_null(strstr(info, "cmdstat_set:calls=2,"));
    }
    close(fd);
    bench_stop(&b);
}

/* Its round is lost with the office: it may be a write, so what is behind it must not run. */
static void test_guess_without_office(void **state)
{
    struct bench b;
    (void)state;
    start(&b, "5000");
    int fd = bench_connect(&b, b.port);
    make_known(&b, fd);
    bench_send(&b, fd, READS_OR_WRITES "v\r\nSET k later");
    bench_role(&b, false, FAKE_OTHER);
    fake_round(b.node, NODE_NOT_LEADER);
    bench_run(&b);
    const char *reply = bench_read(&b, fd);
    assert_memory_equal(reply, "-MOVED ", 7);
    assert_non_null(strstr(reply, "|-MOVED "));
    close(fd);
    bench_role(&b, true, FAKE_SELF);
    fd = bench_connect(&b, b.port);
    bench_send(&b, fd, READS_OR_WRITES "v\r\nSET k later");
    b.node->serving = false; /* and in office again before it is the other's turn */
    b.node->leader = FAKE_OTHER;
    fake_round(b.node, NODE_NOT_LEADER);
    b.node->serving = true;
    b.node->leader = FAKE_SELF;
    bench_run(&b);
    assert_int_equal(b.node->write_count, 0);
    close(fd);
    bench_stop(&b);
}

/* Who is answered in the middle of one script may be freed before the next one: nobody writes to it then. */
static void test_answered_and_gone(void **state)
{
    struct bench b;
    (void)state;
    start(&b, "1");
    int fd = bench_connect(&b, b.port);
    struct client *c = list_entry(b.server->everyone.next, struct client, everyone_link);
    resp_simple(client_out(c), "OK");
    client_touch(c);
    client_answered(c);
    assert_int_equal(b.server->answered_count, 1);
    client_free(c);
    assert_int_equal(b.server->answered_count, 0);
    close(fd);
    bench_stop(&b);
}

/* What it calls is shown behind it, and once; a key that is due makes it an entry; a numbered request is one. */
static void test_guess_shown(void **state)
{
    struct bench b;
    (void)state;
    start(&b, "5000");
    int fd = bench_connect(&b, b.port), watcher = bench_connect(&b, b.port);
    make_known(&b, fd);
    bench_send(&b, fd, "SET k v PX 5");
    fake_commit(b.node, 1);
    bench_read(&b, fd);
    bench_send(&b, watcher, "MONITOR");
    assert_reply(&b, watcher, "+OK|");
    b.node->alone = true;
    bench_send(&b, fd, READS_OR_WRITES "x");
    assert_reply(&b, fd, "$1|v|");
    b.node->now_ms += 10;
    bench_send(&b, fd, READS_OR_WRITES "x");
    assert_int_equal(b.node->write_count, 1);
    fake_commit(b.node, 1);
    bench_run(&b);
    assert_reply(&b, fd, "$-1|");
    const char *shown = bench_read(&b, watcher);
    size_t evals = 0, gets = 0;
    for (const char *at = shown; (at = strstr(at, "\"EVAL\"")); at++, evals++)
        ;
    for (const char *at = shown; (at = strstr(at, "lua] \"GET\"")); at++, gets++)
        ;
    assert_int_equal(evals, 2);
    assert_int_equal(gets, 2);
    assert_true(strstr(shown, "\"EVAL\"") < strstr(shown, "lua] \"GET\""));
    bench_send(&b, fd, "CLIENT SETNAME me@seq=1");
    fake_commit(b.node, 1);
    bench_run(&b);
    assert_reply(&b, fd, "+OK|");
    bench_send(&b, fd, READS_OR_WRITES "x");
    assert_int_equal(b.node->write_count, 1);
    close(fd);
    close(watcher);
    bench_stop(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_killed),
        cmocka_unit_test(test_killed_by_who_comes_meanwhile),
        cmocka_unit_test(test_function_killed),
        cmocka_unit_test(test_entry_goes_on),
        cmocka_unit_test(test_tried_in_order),
        cmocka_unit_test(test_shown_in_order),
        cmocka_unit_test(test_monitor_that_asks),
        cmocka_unit_test(test_starts_as_a_read),
        cmocka_unit_test(test_guess_keeps_order),
        cmocka_unit_test(test_guess_that_writes),
        cmocka_unit_test(test_guess_without_office),
        cmocka_unit_test(test_guess_shown),
        cmocka_unit_test(test_answered_and_gone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
