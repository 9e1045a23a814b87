/* Transactions: one entry, one array; WATCH by versions; and reads at a time. */
#include "machine.h"

static const struct rsm_request plain = {0};

static uint64_t watch(struct machine *m, const char *key)
{
    uint64_t version = 0, due = 0;
    assert_true(rsm_version(m->rsm, m->stamp_ms, 0, slice_cstr(key), &version, &due));
    return version;
}

static const char *exec_watching(struct machine *m, const char *key, uint64_t version)
{
    struct rsm_watch w = {.key = slice_cstr(key), .version = version};
    struct rsm_request q = {.watches = &w, .watch_count = 1};
    return exec_request(m, q, (const char *[]){"INCR ran", NULL});
}

/* The node has to stop: nothing was changed, and there is no reply. */
static void apply_request_unknown(struct machine *m, const struct rsm_request *q)
{
    uint64_t digest = rsm_digest(m->rsm), applied = rsm_applied(m->rsm);
    assert_string_equal(apply_request(m, q), "");
    assert_int_equal(m->result.outcome, RSM_UNKNOWN_KIND);
    assert_true(rsm_digest(m->rsm) == digest && rsm_applied(m->rsm) == applied);
}

static void test_one_after_another(void **state)
{
    struct machine m = machine_new();
    (void)state;
    assert_string_equal(
        exec_request(&m, plain, (const char *[]){"SET a 1", "INCR a", "GET a", "GET b", NULL}),
        "*4\r\n+OK\r\n:2\r\n$1\r\n2\r\n$-1\r\n");
    assert_string_equal(exec_request(&m, (struct rsm_request){.resp = 3}, (const char *[]){"GET b", NULL}),
                        "*1\r\n_\r\n");
    assert_string_equal(exec_request(&m, plain, (const char *[]){NULL}), "*0\r\n");
    machine_free(&m);
}

static void test_errors_are_elements(void **state)
{
    struct machine m = machine_new();
    (void)state;
    const char *reply =
        exec_request(&m, plain, (const char *[]){"SET a x", "INCR a", "NOSUCH", "SET a", "INCR n", NULL});
    assert_memory_equal(
        reply, "*5\r\n+OK\r\n-ERR value is not an integer or out of range\r\n-ERR unknown command", 74);
    assert_non_null(strstr(reply, "\r\n-ERR wrong number of arguments for 'set' command\r\n:1\r\n"));
    assert_string_equal(reply + strlen(reply) - 6, "\r\n:1\r\n");
    machine_free(&m);
}

/* Many times what is there once: every node would have to tell it. */
static void test_replies_have_a_bound(void **state)
{
    struct machine m = machine_newest();
    static const char big[] = "\r\n-ERR the replies of the transaction would be longer",
                      long_one[] = "\r\n-ERR the reply would be longer than proto-max-bulk-len";
    (void)state;
    setting(&m, "proto-max-bulk-len 1mb");
    command(&m, "SETRANGE k 899999 x");
    command(&m, "COPY k weight_f");
    const char *reply =
        exec_request(&m, plain, (const char *[]){"GET k", "GET k", "GET k", "GET k", "INCR n", NULL});
    assert_memory_equal(reply, "*5\r\n$900000\r\n", 13);
    assert_in_range(m.reply.len, 1800000, 1800400);
    assert_int_equal(memcmp(reply + 13 + 900000 + 2 + 9 + 900000, big, sizeof big - 1), 0);
    assert_memory_equal(reply + m.reply.len - 4, ":1\r\n", 4);
    reply = exec_request(&m, plain, (const char *[]){"MGET k k k", "INCR n", NULL});
    assert_memory_equal(reply + 2, long_one, sizeof long_one - 1);
    assert_memory_equal(reply + m.reply.len - 4, ":2\r\n", 4);
    command(&m, "RPUSH l f");
    reply = exec_request(
        &m, plain,
        (const char *[]){"SORT l BY nosort GET weight_* GET weight_* GET weight_*", "INCR n", NULL});
    assert_memory_equal(reply + 2, long_one, sizeof long_one - 1);
    char *value = calloc(1, 900000);
    struct slice hash[] = {SLICE_LITERAL("HSET"), SLICE_LITERAL("h"), SLICE_LITERAL("f"), {value, 900000}};
    struct rsm_request q = {.kind = RSM_COMMAND, .argv = hash, .argc = 4, .resp = 2};
    apply_request(&m, &q);
    free(value);
    reply = exec_request(&m, plain, (const char *[]){"HMGET h f f f", NULL});
    assert_memory_equal(reply + 2, long_one, sizeof long_one - 1);
    machine_free(&m);
}

/* What an allocation is differs from node to node, and what an entry says may be kept. */
static void test_memory_usage_is_the_states(void **state)
{
    struct machine m = machine_newest();
    (void)state;
    for (int i = 0; i < 30; i++)
        command(&m, "APPEND k 0123456789012345678901234567890123456789");
    const char *reply = exec_request(&m, plain, (const char *[]){"MEMORY USAGE k", "DUMP k", NULL});
    char *rest;
    assert_memory_equal(reply, "*2\r\n:", 5);
    unsigned long says = strtoul(reply + 5, &rest, 10);
    assert_int_equal(says, strtoul(rest + 3, NULL, 10) + 1);
    machine_free(&m);
}

static void test_databases(void **state)
{
    struct machine m = machine_new();
    struct rsm_request q = {.dbs = (const uint32_t[]){0, 3, 3, 16}};
    (void)state;
    const char *reply =
        exec_request(&m, q, (const char *[]){"SET a 1", "SELECT 3", "SET b 1", "SET c 1", NULL});
    assert_string_equal(reply, "*4\r\n+OK\r\n+OK\r\n+OK\r\n-ERR DB index is out of range\r\n");
    assert_int_equal(store_count(rsm_store(m.rsm), 0), 1);
    assert_int_equal(store_count(rsm_store(m.rsm), 3), 1);
    machine_free(&m);
}

static void test_literal_and_time(void **state)
{
    struct machine m = machine_new();
    struct slice argv[] = {RSM_LITERAL, SLICE_LITERAL("+PONG\r\n"), SLICE_LITERAL("TIME")};
    struct rsm_request q = {.kind = RSM_EXEC,
                            .argv = argv,
                            .argc = 3,
                            .counts = (const uint32_t[]){2, 1},
                            .dbs = (const uint32_t[]){0, 0},
                            .commands = 2,
                            .resp = 2};
    (void)state;
    m.stamp_ms = 1700000000123;
    assert_string_equal(apply_request(&m, &q), "*2\r\n+PONG\r\n*2\r\n$10\r\n1700000000\r\n$6\r\n123000\r\n");
    q = (struct rsm_request){
        .kind = RSM_COMMAND, .argv = argv, .argc = 2}; /* but only inside a transaction */
    assert_memory_equal(apply_request(&m, &q), "-ERR unknown command", 20);
    machine_free(&m);
}

/* Settings and users change in their turn; what is wrong with one is its element, and does not stop the others. */
static void test_settings_and_users(void **state)
{
    struct machine m = machine_newest();
    struct slice argv[] = {RSM_CONFIG,
                           SLICE_LITERAL("hash-max-listpack-entries"),
                           SLICE_LITERAL("1"),
                           SLICE_LITERAL("HSET"),
                           SLICE_LITERAL("h"),
                           SLICE_LITERAL("a"),
                           SLICE_LITERAL("1"),
                           SLICE_LITERAL("b"),
                           SLICE_LITERAL("2"),
                           RSM_CONFIG,
                           SLICE_LITERAL("maxmemory"),
                           SLICE_LITERAL("x"),
                           RSM_USERS,
                           SLICE_LITERAL("setuser"),
                           SLICE_LITERAL("bob"),
                           SLICE_LITERAL("on"),
                           RSM_USERS,
                           SLICE_LITERAL("setuser"),
                           SLICE_LITERAL("eve"),
                           SLICE_LITERAL("nonsense")};
    struct rsm_request q = {.kind = RSM_EXEC,
                            .argv = argv,
                            .argc = 20,
                            .counts = (const uint32_t[]){3, 6, 3, 4, 4},
                            .dbs = (const uint32_t[]){0, 0, 0, 0, 0},
                            .commands = 5,
                            .resp = 2};
    uint64_t due;
    (void)state;
    const char *reply = apply_request(&m, &q);
    assert_memory_equal(reply, "*5\r\n+OK\r\n:2\r\n-ERR CONFIG SET failed", 35);
    assert_non_null(strstr(reply, "\r\n+OK\r\n-ERR Error in ACL SETUSER modifier 'nonsense'"));
    assert_string_equal(query(&m, m.stamp_ms, "OBJECT ENCODING h", &due), "$9\r\nhashtable\r\n");
    assert_string_equal(rsm_setting(m.rsm, "hash-max-listpack-entries"), "1");
    assert_int_equal(acl_user_born(acl_find(rsm_acl(m.rsm), SLICE_LITERAL("bob"))), rsm_applied(m.rsm));
    assert_null(acl_find(rsm_acl(m.rsm), SLICE_LITERAL("eve")));
    argv[1] = SLICE_LITERAL("no-such-setting"); /* of a newer build */
    apply_request_unknown(&m, &q);
    argv[1] = SLICE_LITERAL("maxmemory");
    argv[13] = SLICE_LITERAL("of a newer build");
    apply_request_unknown(&m, &q);
    q = (struct rsm_request){.kind = RSM_COMMAND, .argv = argv, .argc = 3, .resp = 2};
    assert_memory_equal(apply_request(&m, &q), "-ERR unknown command", 20);
    machine_free(&m);
}

static void test_watch(void **state)
{
    struct machine m = machine_new();
    (void)state;
    command(&m, "SET k 1");
    uint64_t version = watch(&m, "k");
    command(&m, "SET other 1");
    assert_string_equal(exec_watching(&m, "k", version), "*1\r\n:1\r\n");
    command(&m, "SET k 1"); /* the same value is a change all the same */
    assert_string_equal(exec_watching(&m, "k", version), "*-1\r\n");
    assert_int_equal(m.result.outcome, RSM_RAN);
    version = watch(&m, "k");
    command(&m, "DEL k");
    assert_string_equal(exec_watching(&m, "k", version), "*-1\r\n");
    version = watch(&m, "k");
    assert_string_equal(exec_watching(&m, "k", version), "*1\r\n:2\r\n");
    command(&m, "SET k 1");
    assert_string_equal(exec_watching(&m, "k", version), "*-1\r\n");
    struct rsm_watch w[2] = {{0, SLICE_LITERAL("k"), watch(&m, "k")}, {0, SLICE_LITERAL("x"), 1}};
    struct rsm_request q = {.watches = w, .watch_count = 2, .resp = 3};
    assert_string_equal(exec_request(&m, q, (const char *[]){"INCR ran", NULL}), "_\r\n");
    w[1].db = 99;
    assert_string_equal(exec_request(&m, q, (const char *[]){"INCR ran", NULL}), "_\r\n");
    assert_string_equal(command(&m, "INCR ran"), ":3\r\n");
    machine_free(&m);
}

/* A watched key whose time comes has changed, also when the entry's bounded expiry has not come to it. */
static void test_watch_and_expiry(void **state)
{
    struct machine m = machine_new();
    char words[64];
    (void)state;
    for (int i = 0; i < 300; i++) {
        snprintf(words, sizeof words, "SET k%03d v PX 1000", i);
        command(&m, words);
    }
    uint64_t first = watch(&m, "k000"), last = watch(&m, "k299");
    m.stamp_ms += 999;
    assert_string_equal(exec_watching(&m, "k299", last), "*1\r\n:1\r\n");
    m.stamp_ms += 1;
    assert_string_equal(exec_watching(&m, "k000", first), "*-1\r\n");
    assert_in_range(store_count(rsm_store(m.rsm), 0), 100, 300);
    assert_string_equal(exec_watching(&m, "k299", last), "*-1\r\n");
    machine_free(&m);
}

/* A checkpoint raises versions on all nodes alike: whoever watched before it has to watch again. */
static void test_watch_and_checkpoint(void **state)
{
    struct machine m = machine_new();
    (void)state;
    command(&m, "SET k 1");
    uint64_t before = watch(&m, "k"), absent = watch(&m, "absent");
    checkpoint(&m, 42);
    assert_true(m.result.checkpoint && m.result.checkpoint_node == 42);
    assert_string_equal(exec_watching(&m, "k", before), "*-1\r\n");
    assert_string_equal(exec_watching(&m, "absent", absent), "*-1\r\n");
    assert_string_equal(exec_watching(&m, "k", watch(&m, "k")), "*1\r\n:1\r\n");
    assert_false(m.result.checkpoint);
    machine_free(&m);
}

static void test_query(void **state)
{
    struct machine m = machine_new();
    uint64_t due, version;
    (void)state;
    command(&m, "SET k v PX 1000");
    command(&m, "SET other v");
    assert_string_equal(query(&m, 0, "GET k", &due), "$1\r\nv\r\n"); /* never before the last stamp */
    assert_string_equal(query(&m, m.stamp_ms + 999, "GET k", &due), "$1\r\nv\r\n");
    assert_string_equal(query(&m, m.stamp_ms + 1000, "GET other", &due), "$1\r\nv\r\n");
    assert_string_equal(query(&m, m.stamp_ms + 1000, "GET k", &due), "");
    assert_true(due == m.stamp_ms + 1000);
    assert_string_equal(query(&m, m.stamp_ms + 5000, "DBSIZE", &due), "");
    assert_true(due == m.stamp_ms + 1000);
    assert_false(rsm_version(m.rsm, m.stamp_ms + 1000, 0, SLICE_LITERAL("k"), &version, &due));
    assert_true(due == m.stamp_ms + 1000);
    assert_true(rsm_keys_due(m.rsm, m.stamp_ms + 1000) && !rsm_keys_due(m.rsm, m.stamp_ms + 999));
    clock_entry(&m, due);
    assert_string_equal(query(&m, m.stamp_ms, "GET k", &due), "$-1\r\n");
    assert_string_equal(query(&m, m.stamp_ms, "DBSIZE", &due), ":1\r\n");
    assert_memory_equal(query(&m, m.stamp_ms, "GET", &due), "-ERR wrong number", 17);
    machine_free(&m);
}

/* A clock behind the last stamp (a new leader's, a follower's) brings nothing back to life. */
static void test_query_never_before_the_stamp(void **state)
{
    struct machine m = machine_new();
    char words[64];
    uint64_t due;
    (void)state;
    for (int i = 0; i < 150; i++) {
        snprintf(words, sizeof words, "SET k%03d v PX 1000", i);
        command(&m, words);
    }
    clock_entry(&m, m.stamp_ms + 1000);
    assert_int_equal(store_count(rsm_store(m.rsm), 0), 50);
    for (int i = 0; i < 150; i++) {
        snprintf(words, sizeof words, "GET k%03d", i);
        const char *reply = query(&m, MACHINE_START, words, &due);
        assert_string_equal(reply, due ? "" : "$-1\r\n");
    }
    machine_free(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_after_another),
        cmocka_unit_test(test_errors_are_elements),
        cmocka_unit_test(test_replies_have_a_bound),
        cmocka_unit_test(test_memory_usage_is_the_states),
        cmocka_unit_test(test_databases),
        cmocka_unit_test(test_literal_and_time),
        cmocka_unit_test(test_settings_and_users),
        cmocka_unit_test(test_watch),
        cmocka_unit_test(test_watch_and_expiry),
        cmocka_unit_test(test_watch_and_checkpoint),
        cmocka_unit_test(test_query),
        cmocka_unit_test(test_query_never_before_the_stamp),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
