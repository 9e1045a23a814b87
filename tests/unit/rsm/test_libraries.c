/* Libraries of functions as entries: kept whole or not at all, the same after a snapshot, and nothing of a call outlasts it. */
#include "machine.h"

#include <string.h>

#define ARGS_MAX 8

#define ASK(m, ...) ask(m, (const char *const[]){__VA_ARGS__, NULL})
static const char *ask(struct machine *m, const char *const *words)
{
    struct slice argv[ARGS_MAX];
    struct rsm_request q = {.kind = RSM_COMMAND, .resp = 2, .argv = argv, .argc = machine_words(argv, words)};
    return apply_request(m, &q);
}

#define READ(m, ...) read_now(m, (const char *const[]){__VA_ARGS__, NULL})
static const char *read_now(struct machine *m, const char *const *words)
{
    struct slice argv[ARGS_MAX];
    struct prng chance;
    uint64_t due_ms, digest = rsm_digest(m->rsm);
    size_t argc = machine_words(argv, words);
    prng_seed(&chance, 1);
    buf_truncate(&m->reply, 0);
    assert_true(
        rsm_query(m->rsm, m->stamp_ms, 0, 2, slice_cstr("default"), argv, argc, &chance, &m->reply, &due_ms));
    assert_true(rsm_digest(m->rsm) == digest);
    put_u8(&m->reply, 0);
    m->reply.len--;
    return m->reply.data;
}

static const char one[] = "#!lua name=one\nlocal n = 0\n"
                          "redis.register_function('Count', function() n = n + 1 return n end)\n"
                          "redis.register_function{function_name='put', callback=function(keys, args) return "
                          "redis.call('set', keys[1], args[1]) end, flags={'allow-oom'}, description='puts'}";
static const char two[] = "#!lua name=two\nlocal function get(k) return redis.call('get', k[1]) end\n"
                          "redis.register_function{function_name='get', callback=get, flags={'no-writes'}}";

static void test_calls(void **state)
{
    struct machine m = machine_newest();
    (void)state;
    uint64_t before = rsm_digest(m.rsm), stamp = m.stamp_ms;
    assert_string_equal(ASK(&m, "fcall", "put", "0"), "-ERR Function not found\r\n");
    assert_string_equal(ASK(&m, "function", "load", one), "$3\r\none\r\n");
    assert_true(rsm_digest(m.rsm) != before && m.stamp_ms == stamp);
    assert_string_equal(ASK(&m, "function", "load", two), "$3\r\ntwo\r\n");
    assert_string_equal(ASK(&m, "fcall", "PUT", "1", "k", "v"), "+OK\r\n");
    assert_string_equal(READ(&m, "fcall", "get", "1", "k"), "$1\r\nv\r\n");
    assert_string_equal(READ(&m, "fcall_ro", "get", "1", "k"), "$1\r\nv\r\n");
    assert_non_null(strstr(READ(&m, "fcall_ro", "put", "1", "k", "w"), "write flag using *_ro"));
    assert_string_equal(ASK(&m, "function", "delete", "one"), "+OK\r\n");
    assert_string_equal(ASK(&m, "fcall", "put", "0"), "-ERR Function not found\r\n");
    assert_string_equal(ASK(&m, "function", "flush"), "+OK\r\n");
    assert_string_equal(READ(&m, "function", "list"), "*0\r\n");
    ASK(&m, "del", "k");
    machine_free(&m);
}

static void test_which_are_reads(void **state)
{
    struct machine m = machine_newest();
    struct slice put[] = {SLICE_LITERAL("fcall"), SLICE_LITERAL("put"), SLICE_LITERAL("0")};
    struct slice get[] = {SLICE_LITERAL("fcall"), SLICE_LITERAL("GET"), SLICE_LITERAL("0")};
    struct slice read_only[] = {SLICE_LITERAL("fcall_ro"), SLICE_LITERAL("put"), SLICE_LITERAL("0")};
    (void)state;
    ASK(&m, "function", "load", one);
    ASK(&m, "function", "load", two);
    assert_int_equal(rsm_script_way(m.rsm, put, 3), RSM_SCRIPT_IS_ENTRY);
    assert_int_equal(rsm_script_way(m.rsm, get, 3), RSM_SCRIPT_IS_READ);
    assert_int_equal(rsm_script_way(m.rsm, read_only, 3), RSM_SCRIPT_IS_READ);
    machine_free(&m);
}

/* More libraries than states are kept of, called in turns: the first call of each and the later ones find the same. */
static void test_nothing_outlasts_a_call(void **state)
{
    struct machine m = machine_newest();
    char code[200], function[16];
    (void)state;
    for (int i = 0; i < 12; i++) {
        snprintf(
            code, sizeof code,
            "#!lua name=l%d\nlocal n = %d\nredis.register_function('f%d', function() n = n + 1 return n end)",
            i, i * 10, i);
        assert_non_null(strstr(ASK(&m, "function", "load", code), "l"));
    }
    for (int turn = 0; turn < 3; turn++) {
        for (int i = 0; i < 12; i++) {
            char expected[16];
            snprintf(function, sizeof function, "f%d", turn == 1 ? 11 - i : i);
            snprintf(expected, sizeof expected, ":%d\r\n", (turn == 1 ? 11 - i : i) * 10 + 1);
            assert_string_equal(ASK(&m, "fcall", function, "0"), expected);
        }
    }
    assert_string_equal(ASK(&m, "function", "load", "replace",
                            "#!lua name=l3\nredis.register_function('f3', function() return 'new' end)"),
                        "$2\r\nl3\r\n");
    assert_string_equal(ASK(&m, "fcall", "f3", "0"), "$3\r\nnew\r\n");
    machine_free(&m);
}

static void test_whole_or_not_at_all(void **state)
{
    struct machine m = machine_newest();
    (void)state;
    ASK(&m, "function", "load", one);
    ASK(&m, "function", "load", two);
    uint64_t digest = rsm_digest(m.rsm);
#define REFUSED(code, words)                                                                                 \
    assert_non_null(strstr(ASK(&m, "function", "load", "replace", code), words));                            \
    assert_true(rsm_digest(m.rsm) == digest)
    REFUSED("#!lua name=one\nredis.register_function('a', function() end) redis.register_function('GET', "
            "function() end)",
            "Function GET already exists");
    REFUSED("#!lua name=one\nredis.register_function('a', function() end) error('x')", "nonexistent global");
    REFUSED("#!lua name=one\nredis.register_function('a', function() end) while true do end",
            "FUNCTION LOAD timeout");
    REFUSED("#!lua name=one\nlocal s = 'x' while true do s = s .. s end", "not enough memory");
    REFUSED("#!lua name=one\nlocal function f() return f() end f()", "FUNCTION LOAD timeout");
    REFUSED("#!lua name=one\nreturn 1", "No functions registered");
    REFUSED("#!lua name=one\n\x1bLua", "Error compiling function");
    assert_non_null(strstr(ASK(&m, "function", "load", one), "Library 'one' already exists"));
    assert_true(rsm_digest(m.rsm) == digest);
    assert_string_equal(ASK(&m, "fcall", "count", "0"), ":1\r\n");
    machine_free(&m);
}

/* The bulk string of the last reply. */
static struct slice bulk(const struct machine *m)
{
    const char *data = memchr(m->reply.data, '\n', m->reply.len) + 1;
    return slice_of(data, m->reply.len - (size_t)(data - m->reply.data) - 2);
}

static const char *restore(struct machine *m, struct slice payload, const char *how)
{
    struct slice argv[] = {SLICE_LITERAL("function"), SLICE_LITERAL("restore"), payload, slice_cstr(how)};
    struct rsm_request q = {.kind = RSM_COMMAND, .resp = 2, .argv = argv, .argc = 4};
    return apply_request(m, &q);
}

static void test_dump_and_restore(void **state)
{
    struct machine m = machine_newest();
    struct buf kept = BUF_EMPTY, dump = BUF_EMPTY;
    (void)state;
    ASK(&m, "function", "load", one);
    ASK(&m, "function", "load", two);
    buf_append_cstr(&kept, READ(&m, "function", "list", "withcode"));
    put_u8(&kept, 0);
    READ(&m, "function", "dump");
    buf_append_slice(&dump, bulk(&m));
    assert_non_null(strstr(restore(&m, buf_slice(&dump), "append"), "Library one already exists"));
    assert_string_equal(restore(&m, buf_slice(&dump), "replace"), "+OK\r\n");
    assert_string_equal(READ(&m, "function", "list", "withcode"), kept.data);
    ASK(&m, "function", "flush");
    ASK(&m, "function", "load", "#!lua name=three\nredis.register_function('get', function() return 3 end)");
    uint64_t digest = rsm_digest(m.rsm);
    assert_non_null(strstr(restore(&m, buf_slice(&dump), "append"), "Function get already exists"));
    assert_non_null(strstr(restore(&m, buf_slice(&dump), "replace"), "Function get already exists"));
    assert_true(rsm_digest(m.rsm) == digest);
    assert_string_equal(ASK(&m, "fcall", "get", "0"), ":3\r\n");
    dump.data[dump.len / 2] ^= 1;
    assert_non_null(strstr(restore(&m, buf_slice(&dump), "flush"), "checksum are wrong"));
    dump.data[dump.len / 2] ^= 1;
    assert_string_equal(restore(&m, buf_slice(&dump), "flush"), "+OK\r\n");
    assert_string_equal(READ(&m, "function", "list", "withcode"), kept.data);
    assert_string_equal(ASK(&m, "fcall", "count", "0"), ":1\r\n");
    buf_deinit(&kept);
    buf_deinit(&dump);
    machine_free(&m);
}

/* Whatever is left of its budget when it ends: at some point nothing is for the collection behind it, which makes the table of strings smaller. */
static void test_loads_with_its_last_steps(void **state)
{
    struct machine m = machine_newest();
    char code[256];
    long good = 0, bad = 10000000;
    (void)state;
    while (bad - good > 1) {
        long rounds = (good + bad) / 2;
        snprintf(code, sizeof code,
                 "#!lua name=l%ld\nlocal t={} for i=1,40000 do t[i]='k'..i end t=nil for i=1,%ld do end "
                 "redis.register_function('f%ld', function() return 1 end)",
                 rounds, rounds, rounds);
        const char *reply = ASK(&m, "function", "load", code);
        if (*reply == '$')
            good = rounds;
        else if (strstr(reply, "timeout"))
            bad = rounds;
        else
            fail_msg("%s", reply);
    }
    assert_true(good > 0);
    machine_free(&m);
}

static void test_not_before_version_3(void **state)
{
    struct machine m = machine_new();
    (void)state;
    assert_non_null(strstr(ASK(&m, "function", "load", one), "unknown command"));
    assert_non_null(strstr(ASK(&m, "fcall", "put", "0"), "unknown command"));
    machine_free(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_calls),
        cmocka_unit_test(test_which_are_reads),
        cmocka_unit_test(test_nothing_outlasts_a_call),
        cmocka_unit_test(test_whole_or_not_at_all),
        cmocka_unit_test(test_dump_and_restore),
        cmocka_unit_test(test_loads_with_its_last_steps),
        cmocka_unit_test(test_not_before_version_3),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
