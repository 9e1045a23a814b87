/* Directives: what is taken, what is refused and in which words, what a rewritten file holds, and that conf/kvorum.conf
 * tells the truth. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* after those */
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/config.h"

static const char *value_of(struct config *c, const char *name)
{
    static char texts[4][512];
    static int turn;
    char *text = texts[turn++ % 4];
    struct buf out = BUF_EMPTY;
    assert_true(config_get(c, name, &out));
    snprintf(text, 512, "%.*s", (int)out.len, out.len ? out.data : "");
    buf_deinit(&out);
    return text;
}

static bool load(struct config **c, struct buf *error, const char *const *words)
{
    char *argv[32] = {(char *)(uintptr_t) "kvorum-server"};
    int argc = 1;
    for (; *words; words++)
        argv[argc++] = (char *)(uintptr_t)*words;
    *c = config_new();
    buf_truncate(error, 0);
    return config_load(*c, argc, argv, error);
}

#define WORDS(...)                                                                                           \
    (const char *const[])                                                                                    \
    {                                                                                                        \
        __VA_ARGS__, NULL                                                                                    \
    }

static void test_defaults(void **state)
{
    struct config *c = config_new();
    struct buf error = BUF_EMPTY;
    (void)state;
    assert_true(config_finish(c, &error));
    assert_string_equal(value_of(c, "port"), "6379");
    assert_string_equal(value_of(c, "bind"), "127.0.0.1 -::1");
    assert_string_equal(value_of(c, "appendfsync"), "always");
    assert_string_equal(value_of(c, "save"), "");
    assert_string_equal(value_of(c, "databases"), "16");
    assert_string_equal(value_of(c, "slave-read-only"), "yes");
    assert_string_equal(c->node_name, "127.0.0.1:6379");
    assert_int_equal(c->peer_port, 16379);
    /* No name twice, each one readable. */
    const char *name, *other;
    for (size_t at = 0; (name = config_next_name(&at));) {
        value_of(c, name);
        for (size_t before = 0; (other = config_next_name(&before)) && before < at;)
            assert_string_not_equal(name, other);
    }
    config_free(c);
}

static void test_command_line(void **state)
{
    struct config *c;
    struct buf error = BUF_EMPTY;
    (void)state;
    assert_true(load(&c, &error,
                     WORDS("--port", "7001", "--bind", "127.0.0.1", "10.0.0.1", "--node-name", "n2",
                           "--initial-cluster", "n1=127.0.0.1:7000,n2=[::1]:7001@9001", "--extra-port",
                           "7011", "proxy", "--maxmemory", "1gb", "--TIMEOUT", "5", "--save", "")));
    assert_true(c->port == 7001 && c->bind_count == 2 && c->timeout_s == 5 && c->extra_port_count == 1);
    assert_true(c->founders.count == 2 && c->founders.at[0].peer_port == 17000 && c->peer_port == 9001);
    assert_string_equal(c->founders.at[1].host, "::1");
    assert_string_equal(config_host(c), "::1");
    assert_string_equal(value_of(c, "extra-port"), "7011 proxy");
    const char **settings = config_settings(c);
    assert_string_equal(settings[0], "maxmemory");
    assert_string_equal(settings[1], "1gb");
    assert_null(settings[2]);
    free(settings);
    config_free(c);
    buf_deinit(&error);
}

static void refused(const char *const *words, const char *reason)
{
    struct config *c;
    struct buf error = BUF_EMPTY;
    assert_false(load(&c, &error, words));
    put_u8(&error, '\0');
    if (strcmp(error.data, reason) != 0)
        fail_msg("\"%s\" instead of \"%s\"", error.data, reason);
    assert_null(strchr(error.data, '\n'));
    buf_deinit(&error);
    config_free(c);
}

static void test_refusals(void **state)
{
    (void)state;
    refused(WORDS("--nosuch", "1"), "unknown directive 'nosuch'");
    refused(WORDS("--port"), "directive 'port' needs a value");
    refused(WORDS("--port", "0"), "bad value for 'port': argument must be between 1 and 65535 inclusive");
    refused(WORDS("--port", "x"), "bad value for 'port': argument couldn't be parsed into an integer");
    refused(WORDS("--maxmemory-clients", "12q"),
            "bad value for 'maxmemory-clients': argument must be a memory or percent value");
    refused(WORDS("--protected-mode", "maybe"),
            "bad value for 'protected-mode': argument must be 'yes' or 'no'");
    refused(WORDS("--follower-mode", "readonly"),
            "bad value for 'follower-mode': mode readonly serves Sentinel clients and is not there yet");
    refused(WORDS("--join", "nowhere"), "bad value for 'join': expected host:port[@peerport]");
    refused(WORDS("--read-mode", "fast"),
            "bad value for 'read-mode': argument(s) must be one of the following: quorum, log, local");
    refused(WORDS("--heartbeat-interval", "600"),
            "election-timeout must be at least four times heartbeat-interval");
    refused(WORDS("--initial-cluster", "a=h:1,b=h:1"),
            "bad value for 'initial-cluster': expected name=host:port[@peerport],... with each name and "
            "address once, at "
            "'b=h:1'");
    refused(WORDS("--initial-cluster", "a=h:1", "--node-name", "b"),
            "node-name 'b' does not stand in initial-cluster");
    refused(WORDS("--initial-cluster", "a=h:1", "--node-name", "a", "--join", "h:2"),
            "initial-cluster and join exclude each other");
    refused(WORDS("/nonexistent/file"),
            "can't read the configuration file /nonexistent/file: No such file or directory");
    refused(WORDS("--tls-port", "6380"), "bad value for 'tls-port': is not supported");
    refused(WORDS("--rename-command", "CONFIG", ""), "unknown directive 'rename-command'");
    refused(WORDS("--port", "60000", "--join", "h:2"),
            "port 60000 leaves no room for the peer port at +10000: give cluster-port");
}

static void test_text(void **state)
{
    struct config *c = config_new();
    struct buf error = BUF_EMPTY;
    (void)state;
    assert_true(config_load_text(c,
                                 SLICE_LITERAL("# a comment\n\n  timeout   7\r\nlogfile \"a \\\"b\\\"\"\n"
                                               "client-output-buffer-limit pubsub 1mb 0 0"),
                                 "text", &error));
    assert_true(c->timeout_s == 7 && c->output_limits[CLASS_PUBSUB].hard == 1 << 20);
    assert_string_equal(c->logfile, "a \"b\"");
    assert_false(config_load_text(c, SLICE_LITERAL("\n# x\ntimeout 1\nlogfile \"a"), "text", &error));
    put_u8(&error, '\0');
    assert_string_equal(error.data, "text, line 4: unbalanced quotes");
    buf_deinit(&error);
    config_free(c);
}

static void write_file(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

/* Redis's own directives are taken; those with another value than its default are named once. */
static void test_inert(void **state)
{
    struct config *c;
    struct buf error = BUF_EMPTY;
    (void)state;
    assert_true(
        load(&c, &error, WORDS("--rdbchecksum", "yes", "--save", "900", "1", "--repl-backlog-ttl", "9")));
    assert_string_equal(value_of(c, "save"), "900 1");
    put_u8(&c->inert, '\0');
    assert_string_equal(c->inert.data, "save, repl-backlog-ttl");
    config_free(c);
    buf_deinit(&error);
}

static void test_rewrite(void **state)
{
    char path[] = "/tmp/kvorum-config-XXXXXX", expected[1024], got[1024] = "";
    struct config *c;
    struct buf error = BUF_EMPTY;
    (void)state;
    close(mkstemp(path));
    write_file(
        path,
        "# mine\nport 7001\ntimeout 5\nmaxmemory 1gb\n\nextra-port 7011 proxy\nextra-port 7012 redirect\n"
        "requirepass geheim\n");
    if (!load(&c, &error, WORDS(path)))
        fail_msg("%.*s", (int)error.len, error.data);
    struct slice value = SLICE_LITERAL("9");
    assert_true(config_set(c, SLICE_LITERAL("timeout"), &value, 1, false, &error));
    value = SLICE_LITERAL("debug");
    assert_true(config_set(c, SLICE_LITERAL("loglevel"), &value, 1, false, &error));
    assert_false(config_set(c, SLICE_LITERAL("port"), &value, 1, false, &error));
    assert_true(config_rewrite(c, &error));
    snprintf(
        expected, sizeof expected,
        "# mine\nport 7001\ntimeout 9\nmaxmemory 1gb\n\nextra-port 7011 proxy\nextra-port 7012 redirect\n"
        "requirepass %s\nnode-name 127.0.0.1:7001\ncluster-port 17001\nloglevel debug\n",
        value_of(c, "requirepass"));
    FILE *f = fopen(path, "r");
    size_t len = fread(got, 1, sizeof got - 1, f);
    got[len] = '\0';
    fclose(f);
    assert_string_equal(got, expected);
    char hash[128];
    snprintf(hash, sizeof hash, "%s", value_of(c, "requirepass"));
    config_free(c);
    /* What was written is understood, and the password still the same. */
    assert_true(load(&c, &error, WORDS(path)));
    assert_string_equal(value_of(c, "requirepass"), hash);
    config_free(c);
    unlink(path);
    buf_deinit(&error);
}

/* Every directive that means something stands in the documentation, with its default. */
static void test_documentation(void **state)
{
    static const char *const no_default[] = {"initial-cluster", "join", "extra-port", NULL};
    FILE *f = fopen("conf/kvorum.conf", "r");
    struct config *c = config_new();
    (void)state;
    assert_non_null(f);
    char line[512], *text = calloc(1, 65536);
    size_t len = fread(text, 1, 65535, f);
    fclose(f);
    assert_true(len > 1000);
    const char *name;
    for (size_t seen = 0; (name = config_next_name(&seen));) {
        const char *setting = config_replicated_name(slice_cstr(name));
        if (config_is_inert(name) || (setting && strcmp(setting, name))) /* nor does an older name */
            continue;
        snprintf(line, sizeof line, "\n# %s ", name);
        const char *at = strstr(text, line);
        if (!at)
            fail_msg("%s is not documented", name);
        bool exempt = false;
        for (size_t k = 0; no_default[k]; k++)
            exempt |= strcmp(name, no_default[k]) == 0;
        if (exempt)
            continue;
        char given[512];
        snprintf(given, sizeof given, "%.*s", (int)strcspn(at + 3, "\n"), at + 3);
        struct config *said = config_new();
        struct buf error = BUF_EMPTY;
        if (!config_load_text(said, slice_cstr(given), "conf", &error))
            fail_msg("%.*s", (int)error.len, error.data);
        char first[512];
        snprintf(first, sizeof first, "%s", value_of(said, name));
        if (config_is_replicated(slice_cstr(name))) { /* as text: 512mb */
            snprintf(first, sizeof first, "%s", rsm_setting_check(name, slice_cstr(first)) ? "bad" : first);
            assert_string_not_equal(first, "bad");
        } else if (strcmp(first, value_of(c, name)) != 0) {
            fail_msg("%s: the file says %s, the default is %s", name, first, value_of(c, name));
        }
        buf_deinit(&error);
        config_free(said);
    }
    free(text);
    config_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),      cmocka_unit_test(test_command_line),
        cmocka_unit_test(test_refusals),      cmocka_unit_test(test_text),
        cmocka_unit_test(test_inert),         cmocka_unit_test(test_rewrite),
        cmocka_unit_test(test_documentation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
