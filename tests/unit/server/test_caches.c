/* CLIENT TRACKING: nobody keeps a copy whose change it is not told of, wherever its read ran. */
#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static int setup(void **state)
{
    struct bench *b = calloc(1, sizeof *b);
    bench_start(b, NULL);
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

static int tracking_client(struct bench *b, uint16_t port, const char *options)
{
    char words[128];
    int fd = bench_connect(b, port);
    snprintf(words, sizeof words, "HELLO 3\nCLIENT TRACKING ON %s", options);
    bench_send(b, fd, words);
    assert_non_null(strstr(bench_read(b, fd), "|+OK|"));
    return fd;
}

static void apply_set(struct bench *b, const char *key)
{
    const char *const words[] = {"SET", key, "1"};
    fake_apply(b->node, words, 3);
}

#define GONE(key) ">2|$10|invalidate|*1|$1|" key "|"

static void test_reads(void **state)
{
    struct bench *b = *state;
    int fd = tracking_client(b, b->port, "");
    bench_send(b, fd, "MGET a b");
    assert_reply(b, fd, "*2|_|_|");
    apply_set(b, "c");
    assert_reply(b, fd, "");
    apply_set(b, "a");
    assert_reply(b, fd, GONE("a"));
    apply_set(b, "a"); /* once told, it is no longer remembered */
    assert_reply(b, fd, "");
    bench_send(b, fd, "GET a\nSET b 2"); /* its own write too, behind the reply */
    fake_commit(b->node, 1);
    assert_reply(b, fd, "$1|1|+OK|" GONE("b"));
    bench_send(b, fd, "CLIENT TRACKING OFF\nGET a");
    bench_read(b, fd);
    apply_set(b, "a");
    assert_reply(b, fd, "");
    close(fd);
}

static void test_flush(void **state)
{
    static const char *const words[] = {"FLUSHALL"};
    struct bench *b = *state;
    int fd = tracking_client(b, b->port, ""), all = tracking_client(b, b->port, "BCAST");
    bench_send(b, fd, "GET a");
    bench_read(b, fd);
    fake_apply(b->node, words, 1);
    assert_reply(b, fd, ">2|$10|invalidate|_|");
    assert_reply(b, all, ">2|$10|invalidate|_|");
    close(fd);
    close(all);
}

static void test_exceptions(void **state)
{
    struct bench *b = *state;
    int in = tracking_client(b, b->port, "OPTIN"), out = tracking_client(b, b->port, "OPTOUT");
    bench_send(b, in, "GET a\nCLIENT CACHING YES\nGET b\nGET c");
    bench_send(b, out, "GET a\nCLIENT CACHING NO\nGET b\nGET c");
    bench_read(b, in);
    bench_read(b, out);
    for (const char *key = "a\0b\0c"; *key; key += 2)
        apply_set(b, key);
    assert_reply(b, in, GONE("b"));
    assert_reply(b, out, GONE("a") GONE("c"));
    close(in);
    close(out);
}

static void test_own_writes(void **state)
{
    struct bench *b = *state;
    int quiet = tracking_client(b, b->port, "BCAST NOLOOP PREFIX k"), redirect = bench_connect(b, b->port);
    bench_send(b, quiet, "SET k 1\nSET j 1");
    fake_commit(b->node, 2);
    assert_reply(b, quiet, "+OK|+OK|");
    apply_set(b, "k");
    assert_reply(b, quiet, GONE("k"));
    /* RESP2 is told by a message, on another connection. */
    bench_send(b, redirect, "CLIENT ID");
    const char *id = bench_read(b, redirect) + 1;
    char words[64];
    snprintf(words, sizeof words, "BCAST REDIRECT %d", atoi(id));
    bench_send(b, redirect, "SUBSCRIBE __redis__:invalidate");
    bench_read(b, redirect);
    int told = tracking_client(b, b->port, words);
    apply_set(b, "z");
    assert_reply(b, redirect, "*3|$7|message|$20|__redis__:invalidate|*1|$1|z|");
    close(redirect);
    bench_run(b);
    apply_set(b, "z");
    assert_non_null(strstr(bench_read(b, told), ">2|$21|tracking-redir-broken|:"));
    close(told);
    close(quiet);
}

/* The leader runs the read: what this node has applied may be older, or newer, than what it saw. */
static void test_proxied(void **state)
{
    struct bench *b = *state;
    bench_role(b, false, FAKE_OTHER);
    int fd = tracking_client(b, b->proxy_port, "");
    bench_send(b, fd, "GET a");
    fake_commit(b->node, 1); /* the answer */
    bench_read(b, fd);
    apply_set(b, "a");
    assert_reply(b, fd, GONE("a"));
    bench_send(b, fd, "GET a");
    apply_set(b, "a"); /* between question and answer: the answer may be from before */
    assert_reply(b, fd, "");
    fake_commit(b->node, 1);
    assert_reply(b, fd, "$1|1|" GONE("a"));
    close(fd);
}

static void run_script(struct bench *b, int fd, const char *request, const char *reply)
{
    bench_send(b, fd, request);
    fake_commit(b->node, b->node->write_count);
    bench_run(b);
    assert_reply(b, fd, reply);
}

/* The keys that it declares, once it reads: as an entry, as a read, through a proxy port. */
static void test_scripts(void **state)
{
    static const char get[] = "EVAL_RO \"return redis.call('GET','x')\" 1 a";
    struct rsm_request newest = {.kind = RSM_VERSION, .node = RSM_APPLY_VERSION};
    struct bench *b = *state;
    int fd = tracking_client(b, b->port, ""), opt = tracking_client(b, b->port, "OPTIN");
    fake_apply_request(b->node, &newest);
    run_script(b, fd, "EVAL \"return redis.call('SET','x','1')\" 1 a", "+OK|");
    apply_set(b, "a");
    assert_reply(b, fd, "");
    run_script(b, fd, "EVAL \"return redis.call('GET','x')\" 2 a b", "$1|1|");
    run_script(b, opt, "EVAL \"return redis.call('GET','x')\" 2 a b", "$1|1|");
    apply_set(b, "b");
    apply_set(b, "a");
    assert_reply(b, fd, GONE("b") GONE("a"));
    assert_reply(b, opt, "");
    run_script(b, fd, "EVAL \"redis.call('GET','a') return redis.call('SET','a','2')\" 1 a",
               "+OK|" GONE("a"));
    for (int i = 0; i < 2; i++) { /* the first time they are entries */
        run_script(b, fd, "EVAL_RO \"return redis.call('ECHO','1')\" 1 a", "$1|1|");
        apply_set(b, "a");
        assert_reply(b, fd, "");
        run_script(b, fd, get, "$1|1|");
        apply_set(b, "a");
        assert_reply(b, fd, GONE("a"));
    }
    run_script(b, fd, "MULTI\nEVAL \"return redis.call('GET','x')\" 1 a\nEXEC", "+OK|+QUEUED|*1|$1|1|");
    apply_set(b, "a");
    assert_reply(b, fd, GONE("a"));
    run_script(b, fd, "MULTI\nGET a\nEVAL \"return redis.call('SET','a','3')\" 1 b\nEXEC",
               "+OK|+QUEUED|+QUEUED|*2|$1|1|+OK|" GONE("a"));
    bench_role(b, false, FAKE_OTHER);
    int proxied = tracking_client(b, b->proxy_port, "");
    run_script(b, proxied, get, "$1|1|");
    apply_set(b, "a");
    assert_reply(b, proxied, GONE("a"));
    close(proxied);
    close(opt);
    close(fd);
}

static void test_transaction(void **state)
{
    struct bench *b = *state;
    int fd = tracking_client(b, b->port, "");
    bench_send(b, fd, "MULTI\nSET a 1\nGET a\nGET b\nSET b 2\nGET c\nEXEC");
    bench_read(b, fd);
    fake_commit(b->node, 1);
    /* What it changed after having read it is gone; what it read after changing it is fresh. */
    assert_reply(b, fd, "*5|+OK|$1|1|_|+OK|_|" GONE("b"));
    apply_set(b, "a");
    apply_set(b, "b");
    apply_set(b, "c");
    assert_reply(b, fd, GONE("a") GONE("c"));
    close(fd);
}

static void test_bounded(void **state)
{
    struct bench *b = *state;
    int fd = tracking_client(b, b->port, "");
    bench_send(b, fd, "MGET a b c d\nCONFIG SET tracking-table-max-keys 1");
    const char *reply = bench_read(b, fd);
    size_t told = 0;
    for (const char *at = reply; (at = strstr(at, "invalidate")); at++)
        told++;
    assert_int_equal(told, 3);
    bench_send(b, fd, "INFO stats");
    assert_non_null(strstr(bench_read(b, fd), "tracking_total_keys:1|"));
    close(fd);
}

static void test_mistakes(void **state)
{
    static const struct {
        const char *words, *reply;
    } cases[] = {
        {"CLIENT TRACKING", "-ERR wrong number of arguments for 'client|tracking' command|"},
        {"CLIENT TRACKING maybe", "-ERR syntax error|"},
        {"CLIENT TRACKING ON REDIRECT 999", "-ERR The client ID you want redirect to does not exist|"},
        {"CLIENT TRACKING ON PREFIX a", "-ERR PREFIX option requires BCAST mode to be enabled|"},
        {"CLIENT TRACKING ON BCAST OPTIN", "-ERR OPTIN and OPTOUT are not compatible with BCAST|"},
        {"CLIENT TRACKING ON OPTOUT OPTIN", "-ERR You can't specify both OPTIN mode and OPTOUT mode|"},
        {"CLIENT CACHING YES",
         "-ERR CLIENT CACHING can be called only when the client is in tracking mode with "
         "OPTIN or OPTOUT mode enabled|"},
        {"CLIENT GETREDIR", ":-1|"},
        {"CLIENT TRACKINGINFO", "*6|$5|flags|*1|$3|off|$8|redirect|:-1|$8|prefixes|*0|"},
        {"CLIENT TRACKING ON BCAST PREFIX ab PREFIX a",
         "-ERR Prefix 'ab' overlaps with another provided prefix 'a'. Prefixes for a single client must not "
         "overlap.|"},
        {"CLIENT TRACKING ON BCAST PREFIX a NOLOOP", "+OK|"},
        {"CLIENT TRACKING ON BCAST PREFIX ab", "-ERR Prefix 'ab' overlaps with an existing prefix 'a'. "
                                               "Prefixes for a single client must not overlap.|"},
        {"CLIENT TRACKINGINFO",
         "*6|$5|flags|*3|$2|on|$5|bcast|$6|noloop|$8|redirect|:0|$8|prefixes|*1|$1|a|"},
        {"CLIENT TRACKING ON",
         "-ERR You can't switch BCAST mode on/off before disabling tracking for this client, and then "
         "re-enabling it with a different mode.|"},
    };
    struct bench *b = *state;
    int fd = bench_connect(b, b->port);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bench_send(b, fd, cases[i].words);
        assert_reply(b, fd, cases[i].reply);
    }
    close(fd);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_reads),      TEST(test_flush),    TEST(test_exceptions),
        TEST(test_own_writes), TEST(test_proxied),  TEST(test_transaction),
        TEST(test_bounded),    TEST(test_mistakes), TEST(test_scripts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
