/* Scripts as entries and as reads: known by name, on every node alike and across snapshots; their commands are one step. */
#include "machine.h"

#include "base/sha1.h"

#include <string.h>

#define ARGS_MAX 8

#define ASK(m, ...) ask(m, (struct rsm_request){.resp = 2}, (const char *const[]){__VA_ARGS__, NULL})
static const char *ask(struct machine *m, struct rsm_request q, const char *const *words)
{
    struct slice argv[ARGS_MAX];
    q.kind = RSM_COMMAND;
    q.argv = argv;
    q.argc = machine_words(argv, words);
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
    bool done =
        rsm_query(m->rsm, m->stamp_ms, 0, 2, slice_cstr("default"), argv, argc, &chance, &m->reply, &due_ms);
    assert_int_equal(done, m->reply.len > 0);
    assert_true(rsm_digest(m->rsm) == digest);
    put_u8(&m->reply, 0);
    return m->reply.data;
}

static bool reads(const struct machine *m, const char *a, const char *b)
{
    struct slice argv[] = {slice_cstr(a), slice_cstr(b), SLICE_LITERAL("0")};
    return rsm_script_way(m->rsm, argv, 3) == RSM_SCRIPT_IS_READ;
}

static void test_not_before_version_3(void **state)
{
    struct machine m = machine_new();
    (void)state;
    assert_non_null(strstr(ASK(&m, "eval", "return 1", "0"), "unknown command"));
    machine_free(&m);
}

static void test_known_by_name(void **state)
{
    static const char one[] = "e0e1f9fabfc9d4800c877a703b823ac0578ff8db";
    static const char upper[] = "E0E1F9FABFC9D4800C877A703B823AC0578FF8DB";
    struct machine m = machine_newest();
    uint64_t stamp_ms = m.stamp_ms;
    (void)state;
    assert_string_equal(ASK(&m, "evalsha", one, "0"), "-NOSCRIPT No matching script. Please use EVAL.\r\n");
    uint64_t before = rsm_digest(m.rsm);
    assert_string_equal(ASK(&m, "eval", "return 1", "0"), ":1\r\n");
    assert_true(rsm_digest(m.rsm) != before && m.stamp_ms == stamp_ms);
    assert_string_equal(ASK(&m, "evalsha", upper, "0"), ":1\r\n");
    assert_string_equal(READ(&m, "script", "exists", one, "x"), "*2\r\n:1\r\n:0\r\n");
    assert_string_equal(ASK(&m, "script", "flush"), "+OK\r\n");
    assert_true(rsm_digest(m.rsm) == before);
    assert_string_equal(READ(&m, "evalsha_ro", one, "0"),
                        "-NOSCRIPT No matching script. Please use EVAL.\r\n");
    assert_string_equal(ASK(&m, "script", "load", "return 1"),
                        "$40\r\ne0e1f9fabfc9d4800c877a703b823ac0578ff8db\r\n");
    assert_string_equal(READ(&m, "evalsha_ro", one, "0"), ":1\r\n");
    assert_non_null(strstr(ASK(&m, "script", "load", "x x"), "Error compiling"));
    machine_free(&m);
}

/* Those that only EVAL brought are bounded, the others stay. */
static void test_oldest_are_forgotten(void **state)
{
    struct machine m = machine_newest();
    char body[40], name[SHA1_HEX + 1];
    (void)state;
    ASK(&m, "script", "load", "return 'stays'");
    ASK(&m, "eval", "return 'used'", "0");
    for (int i = 0; i < 600; i++) {
        snprintf(body, sizeof body, "return %d", i);
        ASK(&m, "eval", body, "0");
        if (i % 100 == 0) {
            sha1_hex(SLICE_LITERAL("return 'used'"), name);
            assert_string_equal(ASK(&m, "evalsha", name, "0"), "$4\r\nused\r\n");
        }
    }
    sha1_hex(SLICE_LITERAL("return 'stays'"), name);
    assert_string_equal(READ(&m, "script", "exists", name), "*1\r\n:1\r\n");
    sha1_hex(SLICE_LITERAL("return 'used'"), name);
    assert_string_equal(READ(&m, "script", "exists", name), "*1\r\n:1\r\n");
    sha1_hex(SLICE_LITERAL("return 0"), name);
    assert_string_equal(READ(&m, "script", "exists", name), "*1\r\n:0\r\n");
    machine_free(&m);
}

static void test_writes_are_one_step(void **state)
{
    struct machine m = machine_newest();
    (void)state;
    assert_string_equal(
        ASK(&m, "eval",
            "redis.call('set',KEYS[1],'1') redis.call('incr',KEYS[1]) return redis.call('get',KEYS[1])", "1",
            "k"),
        "$1\r\n2\r\n");
    assert_non_null(strstr(ASK(&m, "eval", "redis.call('set','k','left') redis.call('lpush','k','x')", "0"),
                           "-WRONGTYPE "));
    assert_string_equal(READ(&m, "get", "k"), "$4\r\nleft\r\n");
    assert_string_equal(ASK(&m, "eval", "redis.call('select','2') redis.call('set','there','1')", "0"),
                        "$-1\r\n");
    assert_string_equal(READ(&m, "get", "there"), "$-1\r\n");
    m.stamp_ms = 1700000001234;
    assert_string_equal(ASK(&m, "eval", "return redis.call('time')", "0"),
                        "*2\r\n$10\r\n1700000001\r\n$6\r\n234000\r\n");
    machine_free(&m);
}

static void test_due_keys(void **state)
{
    struct machine m = machine_newest();
    (void)state;
    ASK(&m, "set", "k", "v", "px", "10");
    m.stamp_ms += 20;
    assert_string_equal(READ(&m, "eval_ro", "return redis.pcall('get','k')", "0"), "");
    assert_string_equal(READ(&m, "eval_ro", "return redis.pcall('keys','*')", "0"), "");
    assert_string_equal(ASK(&m, "eval", "return redis.call('get','k')", "0"), "$-1\r\n");
    assert_string_equal(READ(&m, "eval_ro", "return redis.pcall('get','k')", "0"), "$-1\r\n");
    machine_free(&m);
}

static void test_which_are_reads(void **state)
{
    static const char declared[] = "#!lua flags=no-writes\nreturn 1";
    struct machine m = machine_newest();
    char name[SHA1_HEX + 1];
    (void)state;
    sha1_hex(slice_cstr(declared), name);
    assert_false(reads(&m, "eval", "return 1"));
    assert_false(reads(&m, "eval", declared)); /* it is to be known from now on */
    assert_false(reads(&m, "evalsha", name));
    assert_true(reads(&m, "evalsha_ro", name));
    assert_false(reads(&m, "eval_ro", declared));
    ASK(&m, "eval", declared, "0");
    assert_true(reads(&m, "eval", declared));
    assert_true(reads(&m, "evalsha", name));
    assert_true(reads(&m, "eval_ro", declared));
    ASK(&m, "eval", "return 1", "0");
    assert_false(reads(&m, "eval", "return 1"));
    assert_false(reads(&m, "script", "load"));
    assert_non_null(
        strstr(READ(&m, "eval", "return redis.call('set','a','b')", "0"), "Write commands are not allowed"));
    assert_non_null(strstr(READ(&m, "script", "flush"), "-ERR"));
    machine_free(&m);
}

static void test_short_of_memory(void **state)
{
    static const char *const set[] = {"eval", "return redis.call('set','k','v')", "0", NULL};
    static const char *const del[] = {"eval", "redis.call('del','k') return redis.call('set','k','v')", "0",
                                      NULL};
    static const char *const may[] = {"eval", "#!lua flags=allow-oom\nreturn redis.call('set','k','v')", "0",
                                      NULL};
    static const char *const any[] = {"eval", "#!lua\nreturn 1", "0", NULL};
    struct rsm_request oom = {.resp = 2, .oom = true};
    struct machine m = machine_newest();
    (void)state;
    assert_non_null(strstr(ask(&m, oom, set), "-OOM "));
    assert_string_equal(ask(&m, oom, del), "+OK\r\n");
    assert_string_equal(ask(&m, oom, may), "+OK\r\n");
    assert_non_null(strstr(ask(&m, oom, any), "-OOM "));
    machine_free(&m);
}

static void test_users(void **state)
{
    struct rsm_request acl = {.kind = RSM_ACL}, eve = {.resp = 2, .user = SLICE_LITERAL("eve")};
    static const char *const get[] = {"eval", "return redis.call('get',KEYS[1])", "1", "a1", NULL};
    static const char *const other[] = {"eval", "return redis.call('get','b')", "0", NULL};
    static const char *const set[] = {"eval", "return redis.call('set','a1','x')", "0", NULL};
    struct machine m = machine_newest();
    (void)state;
    assert_string_equal(ask(&m, eve, set), "+OK\r\n"); /* nobody has said anything of users */
    apply_words(&m, acl, "begin");
    apply_words(&m, acl, "setuser eve on ~a* +eval +get");
    assert_string_equal(ask(&m, eve, get), "$1\r\nx\r\n");
    assert_non_null(strstr(ask(&m, eve, other), "can't access at least one of the keys"));
    assert_non_null(strstr(ask(&m, eve, set), "can't run this command"));
    apply_words(&m, acl, "deluser eve");
    assert_non_null(strstr(ask(&m, eve, get), "can't run this command"));
    machine_free(&m);
}

static void test_over_budget(void **state)
{
    struct machine m = machine_newest();
    (void)state;
    assert_string_equal(setting(&m, "script-max-steps 100000"), "+OK\r\n");
    assert_non_null(
        strstr(ASK(&m, "eval", "redis.call('set','k','v') while true do end", "0"), "script-max-steps"));
    assert_string_equal(READ(&m, "get", "k"), "$1\r\nv\r\n");
    assert_non_null(strstr(READ(&m, "eval_ro", "while true do end", "0"), "script-max-steps"));
    machine_free(&m);
}

/* Tables cost a step an element, and are told as often as they are named. */
static void test_long_replies_of_short_tables(void **state)
{
    struct machine m = machine_newest();
    (void)state;
    assert_string_equal(setting(&m, "script-max-memory 16mb"), "+OK\r\n");
    const char *reply = ASK(&m, "eval",
                            "local a, b = {}, {} for i = 1, 1000 do a[i] = -2^62 end "
                            "for i = 1, 1000 do b[i] = a end return {b, b}",
                            "0");
    assert_memory_equal(reply, "-ERR not enough memory for the reply", 36);
    assert_in_range(m.reply.len, 36, 200);
    machine_free(&m);
}

/* One whose room was another's before: what was kept of that is not taken for its own. */
static void test_gone_is_forgotten(void **state)
{
    struct machine m = machine_newest();
    char body[64];
    (void)state;
    for (int i = 1; i < 5; i++) {
        snprintf(body, sizeof body, "return %d", i);
        for (int n = 0; n < 3; n++)
            assert_int_equal(ASK(&m, "eval", body, "0")[1], '0' + i);
        ASK(&m, "script", "flush");
    }
    machine_free(&m);
}

static enum rsm_script_way way(const struct machine *m, const char *command, const char *script)
{
    struct slice argv[] = {slice_cstr(command), slice_cstr(script), SLICE_LITERAL("0")};
    return rsm_script_way(m->rsm, argv, 3);
}

/* One that is known, and did not write when an entry ran it last, may be a read; but not for so long that it would be forgotten. */
static void test_may_read(void **state)
{
    static const char get[] = "return redis.call('get','k')", set[] = "return redis.call('set','k',1)",
                      says[] = "return redis.call('publish','c','m')", flags[] = "#!lua\nreturn 1";
    struct machine m = machine_newest();
    char sha[64], body[64];
    (void)state;
    assert_int_equal(way(&m, "eval", get), RSM_SCRIPT_IS_ENTRY);
    ASK(&m, "eval", get, "0");
    ASK(&m, "eval", set, "0");
    ASK(&m, "eval", says, "0");
    ASK(&m, "eval", flags, "0");
    assert_int_equal(way(&m, "eval", get), RSM_SCRIPT_MAY_READ);
    assert_int_equal(way(&m, "eval_ro", get), RSM_SCRIPT_IS_READ);
    assert_int_equal(way(&m, "eval", set), RSM_SCRIPT_IS_ENTRY);
    assert_int_equal(way(&m, "eval", says), RSM_SCRIPT_IS_ENTRY);
    assert_int_equal(way(&m, "eval", flags), RSM_SCRIPT_IS_ENTRY);
    snprintf(sha, sizeof sha, "%.40s", ASK(&m, "script", "load", set) + 5);
    assert_int_equal(way(&m, "evalsha", sha), RSM_SCRIPT_IS_ENTRY);
    for (int i = 0; i < 248; i++) {
        assert_int_equal(way(&m, "eval", get), RSM_SCRIPT_MAY_READ);
        snprintf(body, sizeof body, "return %d", i);
        ASK(&m, "eval", body, "0");
    }
    assert_int_equal(way(&m, "eval", get), RSM_SCRIPT_IS_ENTRY);
    ASK(&m, "eval", get, "0");
    assert_int_equal(way(&m, "eval", get), RSM_SCRIPT_MAY_READ);
    machine_free(&m);
}

static void hear_call(void *arg, const struct rsm_script_call *call)
{
    buf_printf(arg, "%s%u:%s:%zu%.*s%s ", call->entry ? "+" : "", (unsigned)call->db,
               call->row ? call->row->name : "none", call->argc, call->error.len ? 4 : 0,
               call->error.len ? call->error.data : "", call->refused ? "!" : "");
}

static bool hear_phase(void *arg, enum rsm_script_phase phase, const struct rsm_running *what)
{
    if (phase == RSM_SCRIPT_ENDS)
        buf_append_cstr(arg, what->passed_error ? "passed " : "own ");
    return true;
}

static void test_calls_are_told(void **state)
{
    static const char script[] =
        "redis.pcall('select',1) redis.pcall('get','l') redis.pcall('get') redis.pcall('lpush','l',1) "
        "redis.pcall('get','l')";
    struct slice argv[] = {SLICE_LITERAL("eval"), slice_cstr(script), SLICE_LITERAL("0")};
    struct machine m = machine_newest();
    struct buf told = BUF_EMPTY;
    struct command_trial trial = {.told = false};
    struct prng chance;
    (void)state;
    rsm_listen(m.rsm, &(struct rsm_listener){.arg = &told, .called = hear_call}, 0);
    prng_seed(&chance, 1);
    rsm_try_script(m.rsm, m.stamp_ms, 0, 2, SLICE_LITERAL("default"), argv, 3, &chance, &m.reply, &trial);
    assert_int_equal(told.len, 0);
    ASK(&m, "eval", script, "0");
    READ(&m, "eval_ro", "return redis.call('llen','l')", "0");
    put_u8(&told, 0);
    assert_string_equal(told.data, "+0:select:2 +1:get:2 +1:get:1-ERR! +1:lpush:3 +1:get:2-WRO 0:llen:2 ");
    buf_deinit(&told);
    machine_free(&m);
}

/* Whose error is it that a script ends with? One of a command has been counted when that gave it. */
static void test_passed_errors_are_told(void **state)
{
    static const struct {
        const char *script, *told;
    } cases[] = {
        {"return redis.call('get')", "+0:get:1-ERR! passed "},
        {"return redis.pcall('nonsense')", "+0:none:1-ERR! passed "},
        {"redis.pcall('get') return 1", "+0:get:1-ERR! own "},
        {"redis.pcall('get') error('mine')", "+0:get:1-ERR! own "},
        {"return {err='ERR mine'}", "own "},
        {"return redis.error_reply('mine')", "own "},
        {"local x = redis.pcall('get') return {1, x}", "+0:get:1-ERR! own "},
        {"return 5", "own "},
    };
    struct machine m = machine_newest();
    struct buf told = BUF_EMPTY;
    (void)state;
    rsm_listen(m.rsm, &(struct rsm_listener){.arg = &told, .called = hear_call, .script = hear_phase}, 0);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        buf_truncate(&told, 0);
        ASK(&m, "eval", cases[i].script, "0");
        put_u8(&told, 0);
        assert_string_equal(told.data, cases[i].told);
    }
    buf_deinit(&told);
    machine_free(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_not_before_version_3),
        cmocka_unit_test(test_known_by_name),
        cmocka_unit_test(test_oldest_are_forgotten),
        cmocka_unit_test(test_writes_are_one_step),
        cmocka_unit_test(test_due_keys),
        cmocka_unit_test(test_which_are_reads),
        cmocka_unit_test(test_short_of_memory),
        cmocka_unit_test(test_users),
        cmocka_unit_test(test_over_budget),
        cmocka_unit_test(test_long_replies_of_short_tables),
        cmocka_unit_test(test_gone_is_forgotten),
        cmocka_unit_test(test_may_read),
        cmocka_unit_test(test_calls_are_told),
        cmocka_unit_test(test_passed_errors_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
