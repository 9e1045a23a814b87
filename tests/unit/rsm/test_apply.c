/* What is not a client's command: founding, time, settings, evictions, versions, and what is not understood.
 */
#include "machine.h"

static void test_founding(void **state)
{
    struct rsm *r = rsm_new();
    struct machine m = {.rsm = r, .stamp_ms = 5};
    const char *settings[] = {"databases", "3", "proto-max-bulk-len", "1mb", "read-mode", "local", NULL};
    struct rsm_request q = {.kind = RSM_FOUND, .cluster_id = 9, .settings = settings};
    (void)state;
    assert_true(rsm_cluster_id(r) == 0 && rsm_applied(r) == 0);
    assert_string_equal(apply_request(&m, &q), "+OK\r\n");
    assert_true(rsm_cluster_id(r) == 9 && rsm_applied(r) == 1 && rsm_stamp_ms(r) == 5);
    assert_int_equal(store_databases(rsm_store(r)), 3);
    struct rsm_limits limits = rsm_limits(r);
    assert_true(limits.max_bulk == 1 << 20 && limits.databases == 3 && limits.read_mode == RSM_READ_LOCAL);
    assert_string_equal(rsm_setting(r, "proto-max-bulk-len"), "1048576");
    q.cluster_id = 10;
    assert_memory_equal(apply_request(&m, &q), "-ERR", 4);
    assert_true(rsm_cluster_id(r) == 9);
    rsm_skip(r, 3, 8);
    assert_true(rsm_applied(r) == 3 && rsm_applied_term(r) == 8);
    machine_free(&m);
}

static void test_time_never_goes_back(void **state)
{
    struct machine m = machine_new();
    (void)state;
    m.stamp_ms += 5000;
    command(&m, "SET k v PX 100");
    m.stamp_ms -= 4000; /* the next entry is a new leader's whose clock is behind */
    command(&m, "SET j v PX 100");
    assert_true(rsm_stamp_ms(m.rsm) == MACHINE_START + 5000);
    assert_true(store_next_expiry_ms(rsm_store(m.rsm)) == MACHINE_START + 5100);
    clock_entry(&m, MACHINE_START + 5100);
    assert_int_equal(store_count(rsm_store(m.rsm), 0), 0);
    machine_free(&m);
}

static void test_expiry_is_bounded_an_entry(void **state)
{
    struct machine m = machine_new();
    char words[64];
    (void)state;
    for (int i = 0; i < 250; i++) {
        snprintf(words, sizeof words, "SET k%d v PX 1000", i);
        command(&m, words);
    }
    m.stamp_ms += 1000;
    size_t left[] = {150, 50, 0};
    for (int i = 0; i < 3; i++) {
        clock_entry(&m, m.stamp_ms);
        assert_int_equal(store_count(rsm_store(m.rsm), 0), left[i]);
    }
    machine_free(&m);
}

static void test_settings(void **state)
{
    struct machine m = machine_new();
    (void)state;
    for (size_t i = 0; rsm_setting_name(i); i++) {
        const char *name = rsm_setting_name(i), *initial = rsm_setting_default(name);
        assert_string_equal(rsm_setting(m.rsm, name), initial);
        assert_null(rsm_setting_check(name, slice_cstr(initial)));
        assert_non_null(rsm_setting_check(name, SLICE_LITERAL("nonsense")));
    }
    assert_null(rsm_setting(m.rsm, "appendfsync"));
    assert_string_equal(setting(&m, "maxmemory 100mb Maxmemory-Policy ALLKEYS-LRU"), "+OK\r\n");
    assert_true(m.result.settings_changed);
    assert_string_equal(rsm_setting(m.rsm, "maxmemory"), "104857600");
    assert_string_equal(rsm_setting(m.rsm, "maxmemory-policy"), "allkeys-lru");
    /* all or none */
    assert_string_equal(
        setting(&m, "maxmemory 1 session-max -1"),
        "-ERR CONFIG SET failed (possibly related to argument 'session-max') - argument must be "
        "between 0 and 10000000 inclusive\r\n");
    assert_false(m.result.settings_changed);
    assert_string_equal(rsm_setting(m.rsm, "maxmemory"), "104857600");
    assert_memory_equal(setting(&m, "databases 4"), "-ERR CONFIG SET failed", 22);
    assert_int_equal(store_databases(rsm_store(m.rsm)), 16);
    machine_free(&m);
}

static void evict(struct machine *m, const char *key, uint64_t version)
{
    struct rsm_watch w = {.key = slice_cstr(key), .version = version};
    struct rsm_request q = {.kind = RSM_EVICT, .watches = &w, .watch_count = 1};
    assert_string_equal(apply_request(m, &q), "+OK\r\n");
}

static uint64_t version_of(struct machine *m, const char *key)
{
    uint64_t version, due;
    assert_true(rsm_version(m->rsm, m->stamp_ms, 0, slice_cstr(key), &version, &due));
    return version;
}

static void test_eviction_is_conditional(void **state)
{
    struct machine m = machine_new();
    struct store *s = rsm_store(m.rsm);
    (void)state;
    command(&m, "SET plain v");
    command(&m, "SET volatile v PX 100000");
    evict(&m, "volatile", version_of(&m, "volatile"));
    assert_int_equal(store_count(s, 0), 2); /* noeviction */
    setting(&m, "maxmemory-policy volatile-lru");
    evict(&m, "plain", version_of(&m, "plain"));
    evict(&m, "volatile", version_of(&m, "volatile") + 2);
    evict(&m, "absent", version_of(&m, "absent"));
    assert_int_equal(store_count(s, 0), 2);
    evict(&m, "volatile", version_of(&m, "volatile"));
    assert_int_equal(store_count(s, 0), 1);
    setting(&m, "maxmemory-policy allkeys-random");
    evict(&m, "plain", version_of(&m, "plain"));
    assert_int_equal(store_count(s, 0), 0);
    assert_int_equal(store_stats(s)->evicted, 2);
    machine_free(&m);
}

static void test_apply_version(void **state)
{
    struct machine m = machine_new();
    struct rsm_request q = {.kind = RSM_VERSION, .node = RSM_APPLY_VERSION};
    struct slice late[] = {SLICE_LITERAL("hash-max-listpack-entries"), SLICE_LITERAL("1")};
    struct slice early[] = {SLICE_LITERAL("session-max"), SLICE_LITERAL("1")};
    struct rsm_request set_late = {.kind = RSM_SETTING, .argv = late, .argc = 2};
    struct rsm_request set_early = {.kind = RSM_SETTING, .argv = early, .argc = 2};
    (void)state;
    assert_non_null(rsm_too_new(m.rsm, &set_late));
    assert_null(rsm_too_new(m.rsm, &set_early));
    assert_memory_equal(command(&m, "SETBIT k 0 1"), "-ERR unknown command 'SETBIT'", 29);
    assert_string_equal(apply_request(&m, &q), "+OK\r\n");
    assert_null(rsm_too_new(m.rsm, &set_late));
    assert_string_equal(command(&m, "SETBIT k 0 1"), ":0\r\n");
    assert_true(rsm_apply_version(m.rsm) == RSM_APPLY_VERSION);
    q.node = 0;
    apply_request(&m, &q);
    assert_true(rsm_apply_version(m.rsm) == RSM_APPLY_VERSION);
    machine_free(&m);
}

static void hear_users(void *arg)
{
    ++*(int *)arg;
}

/* Until the log has spoken of users they are no part of the state. */
static void test_users(void **state)
{
    struct machine m = machine_new();
    struct rsm_request acl = {.kind = RSM_ACL}, newest = {.kind = RSM_VERSION, .node = RSM_APPLY_VERSION};
    struct slice begin[] = {SLICE_LITERAL("begin"), SLICE_LITERAL("eve on +get"),
                            SLICE_LITERAL("default on +@all resetkeys")};
    int heard = 0;
    (void)state;
    struct rsm_request asked = {.kind = RSM_ACL, .argv = begin, .argc = 3, .resp = 2};
    assert_non_null(rsm_too_new(m.rsm, &asked));
    apply_request(&m, &newest);
    assert_null(rsm_too_new(m.rsm, &asked));
    rsm_listen(m.rsm, &(struct rsm_listener){.arg = &heard, .users_changed = hear_users}, 0);
    assert_null(rsm_acl(m.rsm));
    assert_string_equal(apply_request(&m, &asked), "+OK\r\n");
    assert_non_null(acl_find(rsm_acl(m.rsm), SLICE_LITERAL("eve")));
    begin[1] = SLICE_LITERAL("late on");
    assert_string_equal(apply_request(&m, &asked), "+OK\r\n"); /* another node was first */
    assert_null(acl_find(rsm_acl(m.rsm), SLICE_LITERAL("late")));
    assert_int_equal(heard, 1);
    assert_string_equal(
        apply_words(&m, acl, "setuser bob on ~x !12"),
        "-ERR Error in ACL SETUSER modifier '!12': The password hash must be exactly 64 characters and "
        "contain only lowercase hexadecimal characters\r\n");
    assert_null(acl_find(rsm_acl(m.rsm), SLICE_LITERAL("bob")));
    assert_int_equal(heard, 1);
    uint64_t before = rsm_digest(m.rsm);
    assert_string_equal(apply_words(&m, acl, "setuser bob on ~x"), "+OK\r\n");
    assert_int_equal(acl_user_born(acl_find(rsm_acl(m.rsm), SLICE_LITERAL("bob"))), rsm_applied(m.rsm));
    assert_true(rsm_digest(m.rsm) != before);
    assert_string_equal(apply_words(&m, acl, "deluser bob default"),
                        "-ERR The 'default' user cannot be removed\r\n");
    assert_string_equal(apply_words(&m, acl, "deluser bob nobody"), ":1\r\n");
    assert_string_equal(
        setting(&m, "requirepass secret"),
        "-ERR CONFIG SET failed (possibly related to argument 'requirepass') - a password travels as "
        "its hash\r\n");
    assert_string_equal(
        setting(&m, "requirepass sha256:2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b"),
        "+OK\r\n");
    assert_true(acl_lets_in(acl_find(rsm_acl(m.rsm), SLICE_LITERAL("default")), SLICE_LITERAL("secret")));
    assert_string_equal(setting(&m, "acl-pubsub-default allchannels"), "+OK\r\n");
    apply_words(&m, acl, "setuser listener");
    assert_true(acl_may_hear(acl_find(rsm_acl(m.rsm), SLICE_LITERAL("listener")), SLICE_LITERAL("x"), false));
    machine_free(&m);
}

/* Refused before anything has moved: the node that stops here can start again with a build that knows. */
static void test_not_understood(void **state)
{
    struct machine m = machine_new();
    const char *unknown[] = {"databases", "many", NULL};
    struct slice pair[] = {SLICE_LITERAL("setting-of-2031"), SLICE_LITERAL("1")};
    const struct rsm_request bad[] = {
        {.kind = RSM_VERSION, .node = RSM_APPLY_VERSION + 1},
        {.kind = RSM_FOUND, .cluster_id = 1, .settings = unknown},
        {.kind = RSM_SETTING, .argv = pair, .argc = 2},
        {.kind = RSM_ACL, .argv = pair, .argc = 2},
    };
    (void)state;
    command(&m, "SET k v PX 1");
    uint64_t digest = rsm_digest(m.rsm), applied = rsm_applied(m.rsm);
    m.stamp_ms += 100;
    for (size_t i = 0; i < 3; i++) {
        assert_string_equal(apply_request(&m, &bad[i]), "");
        assert_int_equal(m.result.outcome, RSM_UNKNOWN_KIND);
    }
    rsm_apply(m.rsm, applied + 1, 1, SLICE_LITERAL("\x0b\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\2\0"),
              &m.reply, &m.result);
    assert_int_equal(m.result.outcome, RSM_UNKNOWN_KIND);
    assert_true(rsm_digest(m.rsm) == digest && rsm_applied(m.rsm) == applied);
    machine_free(&m);
}

/* Everything that is replicated moves the digest. */
static void test_digest_sees_all(void **state)
{
    struct machine m = machine_new();
    uint64_t seen[12], n = 0;
    (void)state;
    seen[n++] = rsm_digest(m.rsm);
    command(&m, "SET k v");
    seen[n++] = rsm_digest(m.rsm);
    uint64_t s = open_session(&m, "worker", 1);
    seen[n++] = rsm_digest(m.rsm);
    numbered(&m, s, 1, "GETSET k v");
    seen[n++] = rsm_digest(m.rsm);
    numbered(&m, s, 2, "GETSET k v");
    seen[n++] = rsm_digest(m.rsm);
    setting(&m, "session-max 9");
    seen[n++] = rsm_digest(m.rsm);
    checkpoint(&m, 1);
    seen[n++] = rsm_digest(m.rsm);
    clock_entry(&m, m.stamp_ms + 1);
    seen[n++] = rsm_digest(m.rsm);
    command(&m, "PEXPIRE k 100000");
    seen[n++] = rsm_digest(m.rsm);
    for (uint64_t i = 0; i < n; i++) {
        for (uint64_t k = 0; k < i; k++)
            assert_true(seen[i] != seen[k]);
    }
    /* and what changes nothing does not */
    command(&m, "DEL nothing");
    assert_true(rsm_digest(m.rsm) == seen[n - 1]);
    machine_free(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_founding),
        cmocka_unit_test(test_time_never_goes_back),
        cmocka_unit_test(test_settings),
        cmocka_unit_test(test_expiry_is_bounded_an_entry),
        cmocka_unit_test(test_users),
        cmocka_unit_test(test_apply_version),
        cmocka_unit_test(test_eviction_is_conditional),
        cmocka_unit_test(test_not_understood),
        cmocka_unit_test(test_digest_sees_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
