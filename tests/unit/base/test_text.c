/* Numbers as text and glob patterns; what is expected here is what redis-server 7.0.15 answered. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>

#include "base/glob.h"
#include "base/number.h"

static void integers_are_read_strictly(void **state)
{
    (void)state;
    static const struct {
        struct slice text;
        int64_t value;
    } good[] = {
        {SLICE_LITERAL("0"), 0},
        {SLICE_LITERAL("-1"), -1},
        {SLICE_LITERAL("9223372036854775807"), INT64_MAX},
        {SLICE_LITERAL("-9223372036854775808"), INT64_MIN},
    };
    static const struct slice bad[] = {
        SLICE_LITERAL(""),
        SLICE_LITERAL("-"),
        SLICE_LITERAL("-0"),
        SLICE_LITERAL("00"),
        SLICE_LITERAL("01"),
        SLICE_LITERAL("+1"),
        SLICE_LITERAL(" 1"),
        SLICE_LITERAL("1 "),
        SLICE_LITERAL("1.0"),
        SLICE_LITERAL("1\0"),
        SLICE_LITERAL("0x10"),
        SLICE_LITERAL("9223372036854775808"),
        SLICE_LITERAL("-9223372036854775809"),
        SLICE_LITERAL("18446744073709551617"),
        SLICE_LITERAL("99999999999999999999"),
        SLICE_LITERAL("100000000000000000000000"),
    };
    int64_t v;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_true(parse_i64(good[i].text, &v));
        assert_true(v == good[i].value);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(parse_i64(bad[i], &v));
}

static void largest_and_hex_are_written(void **state)
{
    (void)state;
    char text[20];
    assert_int_equal(format_u64(text, UINT64_MAX), 20);
    assert_memory_equal(text, "18446744073709551615", 20);
    assert_int_equal(format_u64(text, 0), 1);
    assert_memory_equal(text, "0", 1);
    format_hex(text, "\x00\x9f\xa0\xff", 4);
    assert_memory_equal(text, "009fa0ff", 8);
}

static void integers_come_back(void **state)
{
    (void)state;
    for (unsigned bit = 0; bit < 64; bit++)
        for (int64_t nudge = -2; nudge <= 2; nudge++) {
            int64_t v = (int64_t)((UINT64_C(1) << bit) + (uint64_t)nudge), back;
            char text[21];
            size_t len = format_i64(text, v);
            assert_true(len <= 20);
            assert_true(parse_i64(slice_of(text, len), &back));
            assert_true(back == v);
        }
}

/* What INCRBYFLOAT by 0 makes of it; NULL where it refuses. */
static void floats_are_read_and_written_as_incrbyfloat_does(void **state)
{
    (void)state;
    static const struct {
        const char *text, *answer;
    } cases[] = {
        {"3.0e3", "3000"},
        {"-0", "0"},
        {"-0.0", "0"},
        {".5", "0.5"},
        {"5.", "5"},
        {"+1", "1"},
        {"0x10", "16"},
        {"0x1p-3", "0.125"},
        {"1e-17", "0.00000000000000001"},
        {"1e-18", "0"},
        {"5e-18", "0"},
        {"-1e-30", "0"},
        {"876034225961.385201497429", "876034225961.38520151376724243"},
        {"612183205e-19", "0.00000000006121832"},
        {"38463804e-4", "3846.38040000000000007"},
        {"-403182112e37", "-4031821119999999999957640630948653270361440256"},
        {"100", "100"},
        {"inf", "inf"},
        {"-infinity", "-inf"},
        {"nan", NULL},
        {"", NULL},
        {" 1", NULL},
        {"1 ", NULL},
        {"1_0", NULL},
        {"--1", NULL},
        {"1e5000", NULL},
        {"1e-5000", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        long double v;
        bool ok = parse_long_double(slice_cstr(cases[i].text), &v);
        assert_int_equal(ok, cases[i].answer != NULL);
        if (!ok)
            continue;
        char out[NUMBER_TEXT_MAX];
        struct slice text = {out, format_long_double(out, v)};
        assert_true(slice_equal(text, slice_cstr(cases[i].answer)));
    }
}

static void the_longest_float_fits(void **state)
{
    (void)state;
    char out[NUMBER_TEXT_MAX];
    long double v;
    assert_true(parse_long_double(SLICE_LITERAL("-1.18e4932"), &v));
    assert_int_equal(format_long_double(out, v), 4934);
    char digits[NUMBER_TEXT_MAX];
    memset(digits, '1', sizeof digits);
    assert_true(parse_long_double(slice_of(digits, 4900), &v));
    assert_false(parse_long_double(slice_of(digits, sizeof digits), &v));
}

static void doubles_are_read_as_zadd_does(void **state)
{
    (void)state;
    double v;
    assert_true(parse_double(SLICE_LITERAL("1.5"), &v) && v == 1.5);
    assert_true(parse_double(SLICE_LITERAL("-inf"), &v) && v == (double)-INFINITY);
    assert_true(parse_double(SLICE_LITERAL("5e-324"), &v) && v > 0);
    assert_true(parse_double(slice_of("12", 1), &v) && v == 1); /* no terminator to lean on */
    static const char *const bad[] = {"", " 1", "1 ", "nan", "1e400", "-1e400", "1e-400", "1x"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(parse_double(slice_cstr(bad[i]), &v));
    assert_false(parse_double(SLICE_LITERAL("1\0"), &v));
    char zeroes[1000];
    memset(zeroes, '0', sizeof zeroes);
    zeroes[1] = '.';
    zeroes[20] = '1';
    assert_true(parse_double(slice_of(zeroes, sizeof zeroes), &v) && v == 1e-19);
}

static void doubles_are_written_with_seventeen_digits(void **state)
{
    (void)state;
    static const struct {
        double v;
        const char *text;
    } cases[] = {{0.1, "0.10000000000000001"}, {3, "3"}, {-0.0, "-0"}, {1e100, "1e+100"}, {INFINITY, "inf"},
                 {-INFINITY, "-inf"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char out[NUMBER_TEXT_MAX];
        struct slice text = {out, format_double(out, cases[i].v)};
        assert_true(slice_equal(text, slice_cstr(cases[i].text)));
    }
}

static void memory_sizes_take_redis_units(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t bytes;
    } cases[] = {{"0", 0},           {"100", 100},
                 {"1b", 1},          {"64k", 64000},
                 {"64kb", 65536},    {"100MB", 104857600},
                 {"1m", 1000000},    {"1Gb", 1073741824},
                 {"2g", 2000000000}, {"18446744073709551615", UINT64_MAX}};
    uint64_t v;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_true(parse_memory(slice_cstr(cases[i].text), &v));
        assert_true(v == cases[i].bytes);
    }
    static const char *const bad[] = {
        "", "k", "-1", "1.5", "1 k", "1t", "18446744073709551616", "17179869185gb"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(parse_memory(slice_cstr(bad[i]), &v));
}

static void globs_match_as_keys_does(void **state)
{
    (void)state;
    static const struct {
        const char *pattern, *text;
        bool matches;
    } cases[] = {
        {"*", "a", true},
        {"*", "", true},
        {"", "", true},
        {"", "a", false},
        {"a*", "a", true},
        {"a**b*", "aXbY", true},
        {"?", "", false},
        {"a?c", "abc", true},
        {"[a-c]x", "bx", true},
        {"[c-a]x", "bx", true},
        {"[c-a]x", "cx", true},
        {"[c-a]x", "ax", true},
        {"[c-a]x", "dx", false},
        {"[a-c]x", "ax", true},
        {"[a-c]x", "cx", true},
        {"[^a-c]x", "bx", false},
        {"[^a-c]x", "dx", true},
        {"[abc", "b", true},
        {"[abc", "d", false},
        {"[]", "]", false},
        {"[\\]]", "]", true},
        {"[a-", "-", true},
        {"[a-", "b", false},
        {"\\*", "*", true},
        {"\\*", "a", false},
        {"\\", "\\", true},
        {"a\\", "a", false},
        {"[\\", "\\", true},
        {"*[^a]", "aab", true},
        {"*ab*cd*", "xabyabzcd", true},
        {"*ab*cd", "abcdabc", false},
        {"A", "a", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(glob_match(slice_cstr(cases[i].pattern), slice_cstr(cases[i].text), false),
                         cases[i].matches);
    assert_true(glob_match(SLICE_LITERAL("MAX[L-N]em*"), SLICE_LITERAL("maxmemory"), true));
    assert_true(glob_match(SLICE_LITERAL("a\0*"), SLICE_LITERAL("a\0b"), false));
    assert_false(glob_match(SLICE_LITERAL("a\0b"), SLICE_LITERAL("a\0c"), false));
}

/* The pattern of CVE-2022-36021: with a matcher that recurses this would not end in our lifetime. */
static void a_hostile_pattern_costs_no_exponential_time(void **state)
{
    (void)state;
    char pattern[201], text[20001];
    for (size_t i = 0; i < 200; i += 2)
        memcpy(pattern + i, "*a", 2);
    pattern[200] = 'b';
    memset(text, 'a', sizeof text);
    assert_false(glob_match(slice_of(pattern, 201), slice_of(text, sizeof text), false));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(integers_are_read_strictly),
        cmocka_unit_test(integers_come_back),
        cmocka_unit_test(largest_and_hex_are_written),
        cmocka_unit_test(floats_are_read_and_written_as_incrbyfloat_does),
        cmocka_unit_test(the_longest_float_fits),
        cmocka_unit_test(doubles_are_read_as_zadd_does),
        cmocka_unit_test(doubles_are_written_with_seventeen_digits),
        cmocka_unit_test(memory_sizes_take_redis_units),
        cmocka_unit_test(globs_match_as_keys_does),
        cmocka_unit_test(a_hostile_pattern_costs_no_exponential_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
