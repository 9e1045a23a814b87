/* Rules into users and back, and what users may do. The expected texts are what redis-server 7.0.15 says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>

#include "acl/acl.h"
#include "base/prng.h"

enum { WORDS_MAX = 32 };

static size_t split(const char *text, struct slice out[WORDS_MAX])
{
    size_t count = 0;
    for (const char *at = text; *at;) {
        size_t len = strcspn(at, " ");
        assert_true(count < WORDS_MAX);
        out[count++] = slice_of(at, len);
        at += len + (at[len] == ' ');
    }
    return count;
}

/* As a node takes it and an entry brings it to the table. NULL: fine; else the error, until the next call. */
static const char *set(struct acl *a, const char *name, const char *rules)
{
    static struct buf error;
    struct slice words[WORDS_MAX];
    struct acl_words prepared = {0};
    size_t count = split(rules, words);
    buf_truncate(&error, 0);
    bool ok = acl_prepare(a, slice_cstr(name), words, count, false, &prepared, &error);
    bool says = error.len > 0;
    buf_truncate(&error, ok ? 0 : error.len);
    if (ok) { /* what it foretells is what comes */
        ok = acl_set_user(a, 7, slice_cstr(name), prepared.at, prepared.count, false, &error);
        assert_int_equal(says, !ok);
    }
    acl_words_deinit(&prepared);
    put_u8(&error, 0);
    return ok ? NULL : error.data;
}

static void assert_described(struct acl *a, const char *name, const char *expected)
{
    struct buf text = BUF_EMPTY;
    acl_describe(a, acl_find(a, slice_cstr(name)), &text);
    put_u8(&text, 0);
    assert_string_equal(text.data, expected);
    buf_deinit(&text);
}

static enum acl_verdict check(struct acl *a, const char *name, const char *request, size_t *which)
{
    struct slice argv[WORDS_MAX];
    size_t argc = split(request, argv);
    const struct command *row = command_find(argv, argc);
    assert_non_null(row);
    return acl_check(a, acl_find(a, slice_cstr(name)), row, argv, argc, which);
}

#define assert_may(a, name, request)                                                                         \
    do {                                                                                                     \
        size_t which_;                                                                                       \
        assert_int_equal(check(a, name, request, &which_), ACL_GRANTED);                                     \
    } while (0)
#define assert_may_not(a, name, request, why, at)                                                            \
    do {                                                                                                     \
        size_t which_ = 0;                                                                                   \
        assert_int_equal(check(a, name, request, &which_), why);                                             \
        assert_int_equal(which_, at);                                                                        \
    } while (0)

static void test_default(void **state)
{
    (void)state;
    struct acl *a = acl_new();
    const struct acl_user *u = acl_find(a, SLICE_LITERAL("default"));
    assert_described(a, "default", "on nopass ~* &* +@all");
    assert_true(acl_is_unlimited(u) && acl_is_open(u) && acl_lets_in(u, SLICE_LITERAL("whatever")));
    assert_false(acl_remove_user(a, SLICE_LITERAL("default")));
    assert_null(set(a, "default", "-get"));
    assert_false(acl_is_unlimited(u));
    assert_null(set(a, "default", "+get"));
    assert_true(acl_is_unlimited(u));
    acl_free(a);
}

static void test_descriptions(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {
        {"", "off resetchannels -@all"},
        {"on nopass allkeys allchannels allcommands", "on nopass ~* &* +@all"},
        {"on nopass resetchannels &foo +@all", "on nopass resetchannels &foo +@all"},
        {"%R~a %W~a %RW~b ~c %w~d", "off ~a ~b ~c %W~d resetchannels -@all"},
        {"%RW~", "off ~ resetchannels -@all"},
        {"~x resetkeys ~y", "off ~y resetchannels -@all"},
        {"+get +GET -get +set", "off resetchannels -@all +set"},
        {"+@all -@string +incr", "off resetchannels +@all -@string +incr"},
        {"+config -config|set", "off resetchannels -@all +config -config|set"},
        {"+@all -client +client|id", "off resetchannels +@all -client +client|id"},
        {"+memory|doctor +memory", "off resetchannels -@all +memory"},
        {"+@all -memory|doctor -memory", "off resetchannels +@all -memory"},
        {"+select|0 +select|1 +SELECT|0", "off resetchannels -@all +select|1 +select|0"},
        {"+select|0 -@connection", "off resetchannels -@all"},
        {"+debug|a +debug|b -debug", "off resetchannels -@all"},
        {"(+get ~a) (-@all +set %W~b)",
         "off resetchannels -@all (~a resetchannels -@all +get) (%W~b resetchannels -@all +set)"},
        {"(~a +get ) ( ~b +set )",
         "off resetchannels -@all (~a resetchannels -@all +get) (~b resetchannels -@all +set)"},
        {"() clearselectors", "off resetchannels -@all"},
        {"#c3ab8ff13720e8ad9047dd39466b3c8974e592c2fa383d4a3960714caef0c4f2 >foobar",
         "off #c3ab8ff13720e8ad9047dd39466b3c8974e592c2fa383d4a3960714caef0c4f2 resetchannels -@all"},
        {">foobar <foobar", "off resetchannels -@all"},
        {">foobar nopass", "off nopass resetchannels -@all"},
        {"on nopass +@all ~* reset", "off sanitize-payload resetchannels -@all"},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        struct acl *a = acl_new();
        assert_null(set(a, "u", pairs[i][0]));
        assert_described(a, "u", pairs[i][1]);
        acl_free(a);
    }
}

static void test_errors(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {
        {"ring", "Error in ACL SETUSER modifier 'ring': Syntax error"},
        {"+foo", "Error in ACL SETUSER modifier '+foo': Unknown command or category name in ACL"},
        {"+@foo", "Error in ACL SETUSER modifier '+@foo': Unknown command or category name in ACL"},
        {"-config|foo",
         "Error in ACL SETUSER modifier '-config|foo': Unknown command or category name in ACL"},
        {"+get|a|b", "Error in ACL SETUSER modifier '+get|a|b': Unknown command or category name in ACL"},
        {"+debug|", "Error in ACL SETUSER modifier '+debug|': Syntax error"},
        {"+config|get|x", "Error in ACL SETUSER modifier '+config|get|x': Allowing first-arg of a subcommand "
                          "is not supported"},
        {"%~", "Error in ACL SETUSER modifier '%~': Syntax error"},
        {"%", "Error in ACL SETUSER modifier '%': Syntax error"},
        {"%RR~x", "Error in ACL SETUSER modifier '%RR~x': Syntax error"},
        {"#12",
         "Error in ACL SETUSER modifier '#12': The password hash must be exactly 64 characters and contain "
         "only lowercase hexadecimal characters"},
        {"<x",
         "Error in ACL SETUSER modifier '<x': The password you are trying to remove from the user does not "
         "exist"},
        {"(~a +get", "Unmatched parenthesis in acl selector starting at '(~a'."},
        {")", "Error in ACL SETUSER modifier ')': Syntax error"},
        {"(on)", "Error in ACL SETUSER modifier '(on)': Syntax error"},
    };
    struct acl *a = acl_new();
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        const char *error = set(a, "u", pairs[i][0]);
        if (strncmp(pairs[i][0], "<x", 2) != 0) /* there the entry knows the hash alone */
            assert_string_equal(error, pairs[i][1]);
        assert_non_null(error);
        assert_null(acl_find(a, SLICE_LITERAL("u")));
    }
    assert_non_null(set(a, "u", "~* ~x"));
    assert_non_null(set(a, "u", "&* &x"));
    assert_null(set(a, "u", "+get on"));
    assert_non_null(set(a, "u", "off +@nothing")); /* all or nothing */
    assert_described(a, "u", "on resetchannels -@all +get");
    acl_free(a);
}

static void test_checks(void **state)
{
    (void)state;
    struct acl *a = acl_new();
    assert_null(set(a, "none", "on nopass"));
    assert_may_not(a, "none", "get x", ACL_NO_COMMAND, 0);
    assert_may(a, "none", "auth x");
    assert_null(set(a, "u", "+@all ~foo:* %R~read* %W~write* &chan &news:*"));
    assert_may(a, "u", "set foo:1 x");
    assert_may_not(a, "u", "set bar x", ACL_NO_KEY, 1);
    assert_may(a, "u", "get read1");
    assert_may_not(a, "u", "get write1", ACL_NO_KEY, 1);
    assert_may(a, "u", "set write1 x");
    assert_may_not(a, "u", "set write1 x get", ACL_NO_KEY, 1);
    assert_may(a, "u", "strlen write1"); /* only that it is there, and how long */
    assert_may(a, "u", "copy read1 write1");
    assert_may_not(a, "u", "copy write1 read1", ACL_NO_KEY, 1);
    assert_may_not(a, "u", "mget foo:1 bar foo:2", ACL_NO_KEY, 2);
    assert_may_not(a, "u", "zinter 2 foo:1 bar", ACL_NO_KEY, 3);
    assert_may(a, "u", "zinter 3 foo:1 bar"); /* a syntax error is the command's */
    assert_may_not(a, "u", "sort read1 store read2", ACL_NO_KEY, 3);
    assert_may(a, "u", "publish chan x");
    assert_may(a, "u", "spublish news:1 x");
    assert_may_not(a, "u", "publish other x", ACL_NO_CHANNEL, 1);
    assert_may_not(a, "u", "subscribe chan other", ACL_NO_CHANNEL, 2);
    assert_may(a, "u", "unsubscribe other");
    assert_may(a, "u", "psubscribe news:*");
    assert_may_not(a, "u", "psubscribe news:1", ACL_NO_CHANNEL, 1);
    assert_null(set(a, "first", "+select|0 ~*"));
    assert_may(a, "first", "select 0");
    assert_may_not(a, "first", "select 1", ACL_NO_COMMAND, 0);
    acl_free(a);
}

static void test_selectors(void **state)
{
    (void)state;
    struct acl *a = acl_new();
    assert_null(set(a, "u", "+mget ~key (+mget ~key ~otherkey) (%R~r +@all) (%W~w +@all)"));
    assert_may(a, "u", "mget key otherkey");
    assert_may_not(a, "u", "mget otherkey someother", ACL_NO_KEY, 2);
    assert_may_not(a, "u", "copy r w", ACL_NO_KEY, 2); /* selectors do not add up */
    assert_may(a, "u", "get r");
    assert_null(set(a, "s", "(+sort ~list)"));
    assert_may(a, "s", "sort list limit 0 5 desc by nosort");
    assert_may_not(a, "s", "sort list by w*", ACL_NO_SORT_BY, 0);
    assert_may_not(a, "s", "sort list alpha get #", ACL_NO_SORT_GET, 0);
    assert_may(a, "s", "sort list limit 0 x get #"); /* that is what it complains of */
    assert_null(set(a, "s", "(+sort ~list %W~*)"));
    assert_may_not(a, "s", "sort list by w*", ACL_NO_SORT_BY, 0);
    assert_null(set(a, "s", "(+sort ~list %R~*)"));
    assert_may(a, "s", "sort list by w* get #");
    acl_free(a);
}

static void test_passwords(void **state)
{
    (void)state;
    struct acl *a = acl_new();
    assert_null(set(a, "u", "on >one >two"));
    const struct acl_user *u = acl_find(a, SLICE_LITERAL("u"));
    assert_true(acl_lets_in(u, SLICE_LITERAL("one")) && acl_lets_in(u, SLICE_LITERAL("two")));
    assert_false(acl_lets_in(u, SLICE_LITERAL("three")) || acl_lets_in(u, SLICE_LITERAL("")));
    assert_null(set(a, "u", "<one"));
    assert_false(acl_lets_in(u, SLICE_LITERAL("one")));
    assert_null(set(a, "u", "off"));
    assert_false(acl_lets_in(u, SLICE_LITERAL("two")));
    acl_free(a);
}

/* ---- whatever the rules, the state survives as text ---- */

static const char *const bits_of_rules[] = {
    "on",
    "off",
    "nopass",
    ">secret",
    "<secret",
    "resetpass",
    "~*",
    "~a*",
    "%R~b",
    "%W~b",
    "%RW~*",
    "resetkeys",
    "&*",
    "&news",
    "&n*",
    "resetchannels",
    "+@all",
    "-@all",
    "+get",
    "-get",
    "+@string",
    "-@string",
    "+@read",
    "-@write",
    "+config",
    "-config|set",
    "+config|get",
    "+select|0",
    "+debug|x",
    "-debug",
    "-@dangerous",
    "+client|id",
    "-client",
    "reset",
    "clearselectors",
    "(+get ~a)b)",
    "(~x &y +@read -get)",
    "()",
    "(%R~) +select|5)",
    "sanitize-payload",
    "skip-sanitize-payload",
};

static void assert_same(struct acl *a, struct acl *b)
{
    struct buf x = BUF_EMPTY, y = BUF_EMPTY;
    assert_int_equal(acl_count(a), acl_count(b));
    for (size_t i = 0; i < acl_count(a); i++) {
        const struct acl_user *u = acl_at(a, i), *v = acl_at(b, i);
        buf_truncate(&x, 0);
        buf_truncate(&y, 0);
        acl_user_line(u, &x);
        acl_user_line(v, &y);
        assert_true(slice_equal(buf_slice(&x), buf_slice(&y)));
        buf_truncate(&x, 0);
        buf_truncate(&y, 0);
        acl_describe(a, u, &x);
        acl_describe(b, v, &y);
        assert_true(slice_equal(buf_slice(&x), buf_slice(&y)));
        assert_int_equal(acl_is_unlimited(u), acl_is_unlimited(v));
    }
    assert_int_equal(acl_digest(a), acl_digest(b));
    buf_deinit(&x);
    buf_deinit(&y);
}

static struct acl *restored(const struct acl *a)
{
    struct acl *b = acl_new();
    struct buf line = BUF_EMPTY;
    for (size_t i = 0; i < acl_count(a); i++) {
        buf_truncate(&line, 0);
        acl_user_line(acl_at(a, i), &line);
        assert_true(acl_restore_user(b, acl_user_born(acl_at(a, i)), buf_slice(&line)));
    }
    buf_deinit(&line);
    return b;
}

/* What ACL LIST shows, given to ACL SETUSER, makes a user that ACL LIST shows alike. */
static void assert_shown_is_meant(struct acl *a, const struct acl_user *u)
{
    struct buf shown = BUF_EMPTY;
    struct acl *b = acl_new();
    acl_describe(a, u, &shown);
    put_u8(&shown, 0);
    if (strstr(shown.data, "~)") ||
        strstr(shown.data, ")b")) { /* a parenthesis in a pattern is not told from others */
        buf_deinit(&shown);
        acl_free(b);
        return;
    }
    assert_null(set(b, "copy", shown.data));
    assert_described(b, "copy", shown.data);
    acl_free(b);
    buf_deinit(&shown);
}

static void test_random_rules(void **state)
{
    (void)state;
    struct prng chance;
    prng_seed(&chance, 5);
    for (int round = 0; round < 40; round++) {
        struct acl *a = acl_new();
        for (int i = 0; i < 40; i++) {
            size_t n = sizeof bits_of_rules / sizeof bits_of_rules[0];
            struct slice rule = slice_cstr(bits_of_rules[prng_next(&chance) % n]);
            struct acl_words prepared = {0};
            struct buf error = BUF_EMPTY;
            struct slice name = prng_next(&chance) % 4 ? SLICE_LITERAL("u") : SLICE_LITERAL("v(");
            if (acl_prepare(a, name, &rule, 1, false, &prepared, &error))
                acl_set_user(a, (uint64_t)i, name, prepared.at, prepared.count, i % 2, &error);
            if (prng_next(&chance) % 16 == 0)
                acl_remove_user(a, SLICE_LITERAL("v("));
            acl_words_deinit(&prepared);
            buf_deinit(&error);
        }
        struct acl *b = restored(a);
        assert_same(a, b);
        for (size_t i = 0; i < acl_count(a) && round < 10; i++)
            assert_shown_is_meant(a, acl_at(a, i));
        acl_free(a);
        acl_free(b);
    }
}

/* One that cannot be read changes nothing. */
static void test_load(void **state)
{
    (void)state;
    struct acl *a = acl_new();
    struct buf error = BUF_EMPTY;
    struct slice good[] = {SLICE_LITERAL("bob on +get"), SLICE_LITERAL("alice off")};
    struct slice bad[] = {SLICE_LITERAL("eve on"), SLICE_LITERAL("bob !12")};
    assert_null(set(a, "default", ">x"));
    assert_null(set(a, "old", "on"));
    assert_false(acl_load(a, 9, bad, 2, false, &error));
    assert_non_null(acl_find(a, SLICE_LITERAL("old")));
    assert_true(acl_load(a, 9, good, 2, false, &error));
    assert_int_equal(acl_count(a), 3);
    assert_int_equal(acl_user_born(acl_find(a, SLICE_LITERAL("bob"))), 9);
    assert_described(a, "default", "on nopass ~* &* +@all"); /* it does not stand in there */
    assert_described(a, "bob", "on resetchannels -@all +get");
    struct acl *b = restored(a);
    assert_same(a, b);
    acl_free(a);
    acl_free(b);
    buf_deinit(&error);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_default),      cmocka_unit_test(test_descriptions),
        cmocka_unit_test(test_errors),       cmocka_unit_test(test_checks),
        cmocka_unit_test(test_selectors),    cmocka_unit_test(test_passwords),
        cmocka_unit_test(test_random_rules), cmocka_unit_test(test_load),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
