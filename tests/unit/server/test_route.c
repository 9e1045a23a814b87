/* Where requests go when this node does not lead, and what becomes of those that were under way when it lost its office
 * (DESIGN 5 and 6). */
#include "bench.h"

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

static void test_moved(void **state)
{
    struct bench *b = *state;
    bench_role(b, false, FAKE_OTHER);
    int fd = bench_connect(b, b->port);
    bench_send(b, fd, "GET foo");
    assert_reply(b, fd, "-MOVED 12182 10.0.0.9:7009|");
    bench_send(b, fd, "SET {foo}x 1\nPING");
    assert_reply(b, fd, "-MOVED 12182 10.0.0.9:7009|+PONG|");
    bench_send(b, fd, "MULTI\nSET foo 1\nEXEC");
    assert_reply(
        b, fd,
        "+OK|-MOVED 12182 10.0.0.9:7009|-EXECABORT Transaction discarded because of previous errors.|");
    assert_int_equal(b->node->writes_asked, 0);
    close(fd);
}

/* DESIGN 5: a re-sent write must not land before its successors have been refused. */
static void test_nothing_lands_behind_a_moved_write(void **state)
{
    struct bench *b = *state;
    int fd = bench_connect(b, b->port);
    bench_send(b, fd, "SET a 1");
    b->node->serving = false; /* loses the office, and wins it again before the next request is read */
    b->node->leader = FAKE_OTHER;
    b->node->clients.changed(b->node->clients.arg, false);
    fake_settle(b->node, NODE_NOT_LEADER);
    b->node->serving = true;
    b->node->leader = FAKE_SELF;
    b->node->clients.changed(b->node->clients.arg, false);
    bench_send(b, fd, "SET b 2\nGET a");
    assert_int_equal(b->node->writes_asked, 1);
    assert_int_equal(b->node->reads_asked, 0);
    const char *reply = bench_read(b, fd);
    assert_ptr_equal(strstr(reply, "-MOVED 15495 "), reply); /* a */
    assert_non_null(strstr(reply, "-MOVED 3300 "));          /* b */
    /* The input has run empty and the replies are out: the connection is whole again. */
    bench_send(b, fd, "SET c 3");
    assert_int_equal(b->node->writes_asked, 2);
    close(fd);
}

static void test_park_until_a_leader_is_known(void **state)
{
    struct bench *b = *state;
    bench_role(b, false, 0);
    int parked = bench_connect(b, b->port), other = bench_connect(b, b->port);
    bench_send(b, parked, "GET foo\nPING");
    bench_send(b, other, "PING\nINFO cluster\nCLUSTER KEYSLOT foo");
    assert_reply(b, parked, "");
    assert_reply(b, other, "+PONG|$30|# Cluster|cluster_enabled:1||:12182|");
    bench_send(b, other, "CLUSTER SLOTS");
    assert_reply(b, other, "");
    bench_role(b, false, FAKE_OTHER);
    assert_reply(b, parked, "-MOVED 12182 10.0.0.9:7009|+PONG|");
    assert_non_null(strstr(bench_read(b, other), "$8|10.0.0.9|:7009|"));
    close(parked);
    close(other);
}

static void test_park_ends(void **state)
{
    struct bench *b = *state;
    bench_role(b, false, FAKE_OTHER);
    bench_role(b, false, 0);
    int key = bench_connect(b, b->port), topology = bench_connect(b, b->port);
    bench_send(b, key, "SET a 1\nSET b 2");
    bench_send(b, topology, "CLUSTER SLOTS");
    bench_sleep(b, 900);
    assert_reply(b, key, "");
    bench_sleep(b, 200);
    assert_reply(b, key, "-CLUSTERDOWN The cluster is down|-CLUSTERDOWN The cluster is down|");
    assert_non_null(strstr(bench_read(b, topology), "10.0.0.9")); /* the last leader */
    close(key);
    close(topology);
}

/* What has waited for a leader and ran leaves nothing to those behind it: in the next election they wait as long. */
static void test_each_election_is_waited_for(void **state)
{
    struct bench *b = *state;
    bench_role(b, false, 0);
    int fd = bench_connect(b, b->port);
    bench_send(b, fd, "SET a 1\nINFO cluster\nSET b 2"); /* INFO waits for the first, the third for both */
    bench_sleep(b, 900);
    assert_reply(b, fd, "");
    bench_role(b, true, FAKE_SELF);
    assert_int_equal(b->node->writes_asked, 1);
    bench_role(b, false, 0);
    fake_commit(b->node, 1);
    bench_run(b);
    bench_sleep(b, 200);
    const char *reply = bench_read(b, fd);
    assert_null(strstr(reply, "CLUSTERDOWN"));
    bench_role(b, true, FAKE_SELF);
    assert_int_equal(b->node->writes_asked, 2);
    close(fd);
}

static void test_parked_request_runs_here(void **state)
{
    struct bench *b = *state;
    bench_role(b, false, 0);
    int fd = bench_connect(b, b->port);
    bench_send(b, fd, "SET a 1\nGET a");
    assert_int_equal(b->node->writes_asked, 0);
    bench_role(b, true, FAKE_SELF);
    assert_int_equal(b->node->writes_asked, 1);
    fake_commit(b->node, 1);
    fake_round(b->node, NODE_DONE);
    assert_reply(b, fd, "+OK|$1|1|");
    close(fd);
}

/* All that was received is answered, then the connection is half-closed; what comes after that is not run. */
static void test_step_down(void **state)
{
    struct bench *b = *state;
    int fd = bench_connect(b, b->port);
    bench_send(b, fd, "SET a 1\nGET a\nSET b 2\nPING");
    b->node->serving = false;
    b->node->leader = 0;
    b->node->clients.changed(b->node->clients.arg, true);
    bench_send(b, fd, "SET c 3");
    fake_commit(b->node, 1); /* the log told that the first one made it */
    assert_reply(b, fd, "+OK|");
    fake_settle(b->node, NODE_UNKNOWN);
    bench_role(b, false, FAKE_OTHER);
    fake_round(b->node, NODE_NOT_LEADER);
    const char *reply = bench_read(b, fd);
    assert_ptr_equal(strstr(reply, "-MOVED 15495 10.0.0.9:7009|-MAYBE "), reply);
    assert_non_null(strstr(reply, "+PONG|-MOVED "));
    assert_non_null(strstr(reply, "<end>"));
    assert_int_equal(b->node->writes_asked, 2);
    bench_send(b, fd, "SET d 4");
    assert_int_equal(b->node->writes_asked, 2);
    close(fd);
}

/* A request that has come in part is answered before its connection goes. */
static void test_half_a_request_at_step_down(void **state)
{
    static const char first[] = "*3\r\n$3\r\nSET\r\n$3\r\nfoo\r\n$5\r\nhe", rest[] = "llo\r\n";
    struct bench *b = *state;
    int fd = bench_connect(b, b->port);
    bench_send_raw(b, fd, first, sizeof first - 1);
    bench_role(b, false, FAKE_OTHER);
    assert_reply(b, fd, "");
    bench_send_raw(b, fd, rest, sizeof rest - 1);
    assert_reply(b, fd, "-MOVED 12182 10.0.0.9:7009|<end>");
    close(fd);
}

static void test_idle_connections_leave(void **state)
{
    struct bench *b = *state;
    int led = bench_connect(b, b->port), proxied = bench_connect(b, b->proxy_port);
    bench_role(b, false, FAKE_OTHER);
    int later = bench_connect(b, b->port);
    bench_sleep(b, 400);
    assert_reply(b, led, "");
    bench_sleep(b, 200);
    assert_reply(b, led, "<end>");
    assert_reply(b, proxied, "");
    assert_reply(b, later, "");
    close(led);
    close(proxied);
    close(later);
}

/* Between two requests when the office is lost: the next one is answered, and only then the connection goes. */
static void test_idle_connections_are_told(void **state)
{
    struct bench *b = *state;
    int writes = bench_connect(b, b->port), reads = bench_connect(b, b->port);
    bench_role(b, false, FAKE_OTHER);
    bench_send(b, writes, "PING");
    assert_reply(b, writes, "+PONG|");
    bench_send(b, writes, "SET foo 1");
    assert_reply(b, writes, "-MOVED 12182 10.0.0.9:7009|<end>");
    bench_send(b, reads, "GET foo");
    assert_reply(b, reads, "-MOVED 12182 10.0.0.9:7009|<end>");
    assert_int_equal(b->node->writes_asked, 0);
    close(writes);
    close(reads);
}

static void test_lost_reads_go_elsewhere(void **state)
{
    struct bench *b = *state;
    bench_role(b, false, FAKE_OTHER);
    int fd = bench_connect(b, b->port); /* came while this node followed: stays */
    bench_role(b, true, FAKE_SELF);
    bench_send(b, fd, "GET foo\nGET bar");
    b->node->serving = false;
    b->node->leader = 0;
    b->node->clients.changed(b->node->clients.arg, true);
    fake_round(b->node, NODE_NOT_LEADER);
    assert_reply(b, fd, "");
    bench_role(b, false, FAKE_OTHER);
    assert_reply(b, fd, "-MOVED 12182 10.0.0.9:7009|-MOVED 5061 10.0.0.9:7009|");
    close(fd);
}

/* A read that the office was lost under goes to the new leader as its client's, who may do less than others. */
static void test_lost_reads_keep_their_user(void **state)
{
    struct bench *b = *state;
    struct slice rules[] = {SLICE_LITERAL("setuser"), SLICE_LITERAL("alice"), SLICE_LITERAL("on"),
                            SLICE_LITERAL("nopass"),  SLICE_LITERAL("~a*"),   SLICE_LITERAL("+@all")};
    fake_apply_request(b->node, &(struct rsm_request){.kind = RSM_ACL,
                                                      .user = SLICE_LITERAL("default"),
                                                      .resp = 2,
                                                      .argv = rules,
                                                      .argc = sizeof rules / sizeof *rules});
    int fd = bench_connect(b, b->proxy_port);
    bench_send(b, fd, "AUTH alice x\nGET a");
    assert_reply(b, fd, "+OK|");
    b->node->serving = false;
    b->node->leader = FAKE_OTHER;
    b->node->clients.changed(b->node->clients.arg, true);
    fake_round(b->node, NODE_NOT_LEADER);
    bench_run(b);
    assert_int_equal(b->node->forwarded_reads, 1);
    assert_string_equal(b->node->forwarded_user, "alice");
    close(fd);
}

/* What was answered is committed; more than that only the leader tells. */
static void test_wait(void **state)
{
    struct bench *b = *state;
    int proxied = bench_connect(b, b->proxy_port), direct = bench_connect(b, b->port);
    bench_role(b, false, FAKE_OTHER);
    bench_send(b, direct, "WAIT 1 100");
    assert_reply(b, direct,
                 "-ERR WAIT cannot be used with replica instances. Please also note that writes to "
                 "replicas are just local and are not propagated.|");
    bench_send(b, proxied, "WAIT 1 100\nWAIT 9 0");
    assert_reply(b, proxied, ":2|:2|");
    close(direct);
    close(proxied);
}

static void test_readonly(void **state)
{
    struct bench *b = *state;
    bench_role(b, false, FAKE_OTHER);
    int fd = bench_connect(b, b->port);
    bench_send(b, fd, "READONLY\nGET foo\nSET foo 1");
    assert_int_equal(b->node->reads_asked, 1);
    fake_round(b->node, NODE_DONE);
    assert_reply(b, fd, "+OK|$-1|-MOVED 12182 10.0.0.9:7009|");
    close(fd);
}

/* A write is not forwarded while a read of its connection is unanswered, nor the other way round. */
static void test_proxy_keeps_order(void **state)
{
    struct bench *b = *state;
    bench_role(b, false, FAKE_OTHER);
    int fd = bench_connect(b, b->proxy_port);
    bench_send(b, fd, "SET n 1\nINCR n\nGET n\nINCR n\nPING");
    assert_true(b->node->forwards_asked == 2 && b->node->forwarded_behind == 1);
    fake_commit(b->node, 2);
    bench_run(b);
    assert_true(b->node->forwards_asked == 3 && b->node->forwarded_reads == 1);
    fake_commit(b->node, 1);
    bench_run(b);
    assert_true(b->node->forwards_asked == 4 && b->node->forwarded_behind == 1);
    fake_commit(b->node, 1);
    assert_reply(b, fd, "+OK|:2|$1|2|:3|+PONG|");
    close(fd);
}

/* It ran elsewhere; the node that its client sees counts it. */
static void test_proxied_commands_are_timed(void **state)
{
    struct bench *b = *state;
    bench_role(b, false, FAKE_OTHER);
    int fd = bench_connect(b, b->proxy_port);
    b->node->spent_us = 20000;
    bench_send(b, fd, "CONFIG SET slowlog-log-slower-than 20000\nSET a 1");
    assert_int_equal(b->node->forwarded_timed, 1);
    fake_commit(b->node, 1);
    assert_reply(b, fd, "+OK|+OK|");
    b->node->spent_us = 19999;
    bench_send(b, fd, "SET b 1");
    fake_commit(b->node, 1);
    assert_reply(b, fd, "+OK|");
    bench_send(b, fd, "SLOWLOG LEN\nINFO commandstats\nSLOWLOG GET");
    const char *reply = bench_read(b, fd);
    assert_ptr_equal(strstr(reply, ":1|"), reply);
    assert_non_null(strstr(reply, "cmdstat_set:calls=2,usec=39999,usec_per_call=19999.50,"));
    assert_non_null(strstr(reply, ":20000|*3|$3|SET|$1|a|$1|1|"));
    close(fd);
}

static void test_memory_forbids_what_is_queued(void **state)
{
    struct bench *b = *state;
    bench_role(b, false, FAKE_OTHER);
    int fd = bench_connect(b, b->proxy_port);
    b->node->refusal = "-OOM no\r\n"; /* once it is handed on */
    bench_send(b, fd, "MULTI\nSET a 1\nEXEC\nSET a 1");
    fake_settle(b->node, NODE_REFUSED);
    assert_reply(b, fd, "+OK|+QUEUED|-EXECABORT Transaction discarded because of: OOM no|-OOM no|");
    b->node->no_room = true;
    bench_send(b, fd, "MULTI\nGET a\nEXEC\nMULTI\nDISCARD\nPING");
    assert_reply(b, fd,
                 "+OK|-OOM command not allowed when used memory > 'maxmemory'.|-EXECABORT Transaction "
                 "discarded because of "
                 "previous errors.|+OK|+OK|+PONG|");
    close(fd);
}

/* A script says that it does not write, in a transaction as well. */
static void test_pause_lets_scripts_read(void **state)
{
    struct bench *b = *state;
    static const char eval[] = "*3\r\n$4\r\neval\r\n$31\r\n#!lua flags=no-writes\nreturn 12\r\n$1\r\n0\r\n";
    int fd = bench_connect(b, b->port);
    fake_apply_request(b->node,
                       &(struct rsm_request){.kind = RSM_VERSION, .node = 3}); /* the first with scripts */
    bench_send(b, fd, "CLIENT PAUSE 100000 WRITE\nMULTI");
    bench_send_raw(b, fd, eval, sizeof eval - 1);
    bench_send(b, fd, "EXEC");
    fake_commit(b->node, b->node->write_count);
    assert_reply(b, fd, "+OK|+OK|+QUEUED|*1|:12|");
    bench_send(b, fd, "MULTI\nEVAL return(1) 0");
    assert_reply(b, fd, "+OK|");
    bench_send(b, fd, "CLIENT UNPAUSE");
    close(fd);
}

/* INFO through a proxy port is no older than what its connection has been answered. */
static void test_info_waits_for_what_was_answered(void **state)
{
    struct bench *b = *state;
    bench_role(b, false, FAKE_OTHER);
    int fd = bench_connect(b, b->proxy_port);
    b->node->behind = 1;
    bench_send(b, fd, "SET a 1");
    fake_commit(b->node, 1);
    bench_send(b, fd, "INFO modules\nPING");
    assert_reply(b, fd, "+OK|");
    fake_apply(b->node, (const char *const[]){"set", "b", "1"}, 3);
    assert_reply(b, fd, "$11|# Modules||+PONG|");
    /* But not for ever. */
    bench_send(b, fd, "SET a 1");
    fake_commit(b->node, 1);
    bench_send(b, fd, "INFO modules");
    assert_reply(b, fd, "+OK|");
    bench_sleep(b, 1100);
    assert_reply(b, fd, "$11|# Modules||");
    close(fd);
}

static void test_alone_says_disabled(void **state)
{
    struct bench *b = *state;
    assert_true(b->config->cluster_enabled);
    int fd = bench_connect(b, b->port);
    bench_send(b, fd, "CLUSTER MYID\nCLUSTER NOSUCH");
    const char *reply = bench_read(b, fd);
    assert_ptr_equal(strstr(reply, "$40|0000000000000007"), reply);
    assert_non_null(strstr(reply, "-ERR unknown subcommand 'NOSUCH'. Try CLUSTER HELP.|"));
    close(fd);
}

static void test_loading(void **state)
{
    struct bench *b = *state;
    b->node->loading = true;
    int fd = bench_connect(b, b->port);
    bench_send(b, fd, "GET a\nSET a 1\nINFO modules");
    assert_reply(b, fd,
                 "-LOADING Redis is loading the dataset in memory|-LOADING Redis is loading the dataset in "
                 "memory|$11|# Modules||");
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_moved, setup, teardown),
        cmocka_unit_test_setup_teardown(test_nothing_lands_behind_a_moved_write, setup, teardown),
        cmocka_unit_test_setup_teardown(test_park_until_a_leader_is_known, setup, teardown),
        cmocka_unit_test_setup_teardown(test_park_ends, setup, teardown),
        cmocka_unit_test_setup_teardown(test_each_election_is_waited_for, setup, teardown),
        cmocka_unit_test_setup_teardown(test_parked_request_runs_here, setup, teardown),
        cmocka_unit_test_setup_teardown(test_step_down, setup, teardown),
        cmocka_unit_test_setup_teardown(test_half_a_request_at_step_down, setup, teardown),
        cmocka_unit_test_setup_teardown(test_idle_connections_leave, setup, teardown),
        cmocka_unit_test_setup_teardown(test_idle_connections_are_told, setup, teardown),
        cmocka_unit_test_setup_teardown(test_lost_reads_go_elsewhere, setup, teardown),
        cmocka_unit_test_setup_teardown(test_lost_reads_keep_their_user, setup, teardown),
        cmocka_unit_test_setup_teardown(test_wait, setup, teardown),
        cmocka_unit_test_setup_teardown(test_readonly, setup, teardown),
        cmocka_unit_test_setup_teardown(test_proxy_keeps_order, setup, teardown),
        cmocka_unit_test_setup_teardown(test_proxied_commands_are_timed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_memory_forbids_what_is_queued, setup, teardown),
        cmocka_unit_test_setup_teardown(test_pause_lets_scripts_read, setup, teardown),
        cmocka_unit_test_setup_teardown(test_info_waits_for_what_was_answered, setup, teardown),
        cmocka_unit_test_setup_teardown(test_alone_says_disabled, setup, teardown),
        cmocka_unit_test_setup_teardown(test_loading, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
