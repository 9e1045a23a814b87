/* The RESP parser and builder. Every input is parsed whole, in two pieces at every cut, and byte by byte from
 * a buffer that moves between the calls: the outcome must be the same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "base/alloc.h"
#include "base/resp.h"

static const struct resp_limits friend = {INT32_MAX, 512 * 1024 * 1024, 65536, false};
static const struct resp_limits stranger = {INT32_MAX, 512 * 1024 * 1024, 65536, true};

/* Renders what the parser says of all the input: each request as [a|b], an error as !text, `.` for more. */
static void render(struct resp_parser *p, enum resp_status status, struct buf *out)
{
    if (status == RESP_MORE)
        put_u8(out, '.');
    if (status == RESP_ERROR)
        buf_printf(out, "!%s", p->error);
    if (status != RESP_REQUEST)
        return;
    put_u8(out, '[');
    for (size_t i = 0; i < p->argc; i++) {
        if (i > 0)
            put_u8(out, '|');
        buf_append_slice(out, p->argv[i]);
    }
    put_u8(out, ']');
}

/* Feeds `input` in pieces that end at `cut` and then `step` bytes further each; from a fresh copy each time,
 * the old one overwritten first. */
static void parse_in_pieces(struct slice input, const struct resp_limits *limits, size_t cut, size_t step,
                            struct buf *out)
{
    struct resp_parser p;
    resp_parser_init(&p);
    size_t done = 0, end = cut;
    enum resp_status status = RESP_MORE;
    for (;;) {
        size_t len = end - done;
        char *copy = mem_alloc(len);
        memcpy(copy, input.data + done, len);
        status = resp_parse(&p, slice_of(copy, len), limits);
        if (status != RESP_MORE)
            render(&p, status, out);
        memset(copy, 'X', len);
        mem_free(copy);
        if (status == RESP_ERROR)
            break;
        if (status == RESP_REQUEST)
            done += p.consumed;
        else if (end == input.len)
            break;
        else
            end = input.len - end > step ? end + step : input.len;
    }
    if (status == RESP_MORE && done < input.len)
        render(&p, status, out);
    resp_parser_deinit(&p);
}

static void expect(struct slice input, const struct resp_limits *limits, const char *want)
{
    struct buf got = BUF_EMPTY;
    for (size_t cut = 0; cut <= input.len; cut++)
        for (int bytewise = 0; bytewise < 2; bytewise++) {
            buf_truncate(&got, 0);
            parse_in_pieces(input, limits, cut, bytewise ? 1 : SIZE_MAX, &got);
            put_u8(&got, 0);
            assert_string_equal(got.data, want);
        }
    buf_deinit(&got);
}

#define EXPECT(input, want) expect(SLICE_LITERAL(input), &friend, want)

static void whole_requests_are_found_however_they_arrive(void **state)
{
    (void)state;
    EXPECT("*3\r\n$3\r\nSET\r\n$3\r\nfoo\r\n$5\r\nhello\r\n", "[SET|foo|hello]");
    EXPECT("*1\r\n$4\r\nPING\r\n*2\r\n$3\r\nGET\r\n$1\r\nk\r\nPING\r\n", "[PING][GET|k][PING]");
    EXPECT("*2\r\n$0\r\n\r\n$4\r\na\r\nb\r\n", "[|a\r\nb]");
    EXPECT("*2\r\n$12\r\nabcdefghijkl\r\n$1\r\nx\r\n*2\r\n", "[abcdefghijkl|x].");
    EXPECT("*1\r\n$10\r\n0123456789\r\n", "[0123456789]");
    EXPECT("", "");
}

static void empty_requests_are_requests(void **state)
{
    (void)state;
    EXPECT("*0\r\n*-1\r\n*-10\r\n\r\n\n*1\r\n$1\r\na\r\n", "[][][][][][a]");
    EXPECT("   \r\n", "[]");
}

/* Redis skips the bytes behind a CR or an argument without a look; so do we. */
static void line_ends_are_skipped_unseen(void **state)
{
    (void)state;
    EXPECT("*1\rx$4\rxPINGxx", "[PING]");
    EXPECT("*1\r\n$4\r\nPINGxx*1\r\n$1\r\nb\r\n", "[PING][b]");
}

static void inline_requests_are_split_as_redis_does(void **state)
{
    (void)state;
    EXPECT("PING\r\nPING\n", "[PING][PING]");
    EXPECT("  set  k\tv \r\n", "[set|k|v]");
    EXPECT("\vECHO a\vb\r\n", "[ECHO|a\vb]");
    EXPECT("echo \"\\x41\\n\\q\\\"\\xzz\"\r\n", "[echo|A\nq\"xzz]");
    EXPECT("echo 'a\\'b\\n'\r\n", "[echo|a'b\\n]");
    EXPECT("echo fo\"o b\" ''\r\n", "[echo|foo b|]");
    EXPECT("set \"a\r\n", "!unbalanced quotes in request");
    EXPECT("set 'a\\'\r\n", "!unbalanced quotes in request");
    EXPECT("set \"a\"b\r\n", "!unbalanced quotes in request");
    EXPECT("set 'a'b\r\n", "!unbalanced quotes in request");
    EXPECT("set \"a\\\r\n", "!unbalanced quotes in request");
}

static void malformed_requests_get_redis_own_words(void **state)
{
    (void)state;
    EXPECT("*abc\r\n", "!invalid multibulk length");
    EXPECT("*\r\n", "!invalid multibulk length");
    EXPECT("*01\r\n", "!invalid multibulk length");
    EXPECT("*+1\r\n", "!invalid multibulk length");
    EXPECT("*2147483648\r\n", "!invalid multibulk length");
    EXPECT("*99999999999999999999999\r\n", "!invalid multibulk length");
    EXPECT("*18446744073709551617\r\n", "!invalid multibulk length"); /* 2^64 + 1 */
    EXPECT("*1\r\n$18446744073709551617\r\na\r\n", "!invalid bulk length");
    EXPECT("*2147483647\r\n", "."); /* believed, and nothing allocated for it */
    EXPECT("*1\r\nfoo\r\n", "!expected '$', got 'f'");
    EXPECT("*1\r\nfoo", ".");
    EXPECT("*1\r\n\r$\r\n", "!expected '$', got '\r'");
    EXPECT("*1\r\n$\r\n", "!invalid bulk length");
    EXPECT("*1\r\n$-1\r\n", "!invalid bulk length");
    EXPECT("*1\r\n$04\r\n", "!invalid bulk length");
    EXPECT("*1\r\n$536870913\r\n", "!invalid bulk length");
    EXPECT("*1\r\n$536870912\r\n", ".");
    EXPECT("*2\r\n$1\r\na\r\n*1\r\n", "!expected '$', got '*'");
}

static void strangers_have_lower_limits(void **state)
{
    (void)state;
    expect(SLICE_LITERAL("*11\r\n"), &stranger, "!unauthenticated multibulk length");
    expect(SLICE_LITERAL("*10\r\n"), &stranger, ".");
    expect(SLICE_LITERAL("*10\r\n$16385\r\n"), &stranger, "!unauthenticated bulk length");
    expect(SLICE_LITERAL("*10\r\n$16384\r\n"), &stranger, ".");
    expect(SLICE_LITERAL("*2147483648\r\n"), &stranger, "!invalid multibulk length");
    expect(SLICE_LITERAL("*1\r\n$536870913\r\n"), &stranger, "!invalid bulk length");
}

/* A line that never ends, given in steps: refused as soon as it is longer than a line may be. */
static void expect_flood(const char *start, char filler, const char *want)
{
    struct buf flood = BUF_EMPTY, got = BUF_EMPTY;
    buf_append_cstr(&flood, start);
    memset(buf_reserve(&flood, 70000), filler, 70000);
    flood.len += 70000;
    parse_in_pieces(buf_slice(&flood), &friend, flood.len, SIZE_MAX, &got);
    put_u8(&got, 0);
    assert_string_equal(got.data, want);
    buf_truncate(&got, 0);
    parse_in_pieces(buf_slice(&flood), &friend, 0, 1000, &got);
    put_u8(&got, 0);
    assert_string_equal(got.data, want);
    buf_deinit(&flood);
    buf_deinit(&got);
}

static void endless_lines_are_refused(void **state)
{
    (void)state;
    expect_flood("", 'a', "!too big inline request");
    expect_flood("*", '1', "!too big mbulk count string");
    expect_flood("*", '\0', "!too big mbulk count string");
    expect_flood("*1\r\n$", '1', "!too big bulk count string");
}

static void a_declared_count_allocates_nothing(void **state)
{
    (void)state;
    struct resp_parser p;
    resp_parser_init(&p);
    assert_int_equal(resp_parse(&p, SLICE_LITERAL("*1000000\r\n$1\r\na\r\n"), &friend), RESP_MORE);
    assert_true(p.cap < 100);
    resp_parser_deinit(&p);
}

static void a_pending_bulk_tells_what_it_lacks(void **state)
{
    (void)state;
    struct resp_parser p;
    resp_parser_init(&p);
    assert_int_equal(resp_parse(&p, SLICE_LITERAL("*1\r\n$1000000\r\nabc"), &friend), RESP_MORE);
    assert_int_equal(p.wanted, 1000000 + 2 - 3);
    assert_int_equal(resp_parse(&p, SLICE_LITERAL("*1\r\n$1000000\r\nabcdef"), &friend), RESP_MORE);
    assert_int_equal(p.wanted, 1000000 + 2 - 6);
    resp_parser_deinit(&p);
}

static void a_restarted_parser_has_forgotten(void **state)
{
    (void)state;
    static const char *const inputs[] = {"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$10\r\n0123456789\r\n",
                                         "set key value"};
    struct slice other = SLICE_LITERAL("*2\r\n$3\r\nGET\r\n$2\r\nab\r\n");
    struct resp_limits limits = {INT32_MAX, 1 << 20, 1 << 16, false};
    for (size_t i = 0; i < sizeof inputs / sizeof *inputs; i++) {
        for (size_t cut = 0; cut < strlen(inputs[i]); cut++) {
            struct resp_parser p;
            resp_parser_init(&p);
            assert_int_equal(resp_parse(&p, slice_of(inputs[i], cut), &limits), RESP_MORE);
            resp_parser_restart(&p);
            assert_int_equal(resp_parse(&p, other, &limits), RESP_REQUEST);
            assert_true(p.argc == 2 && slice_equal(p.argv[1], SLICE_LITERAL("ab")));
            assert_int_equal(p.consumed, other.len);
            resp_parser_deinit(&p);
        }
    }
}

static void many_arguments_are_not_kept_for_ever(void **state)
{
    (void)state;
    struct buf big = BUF_EMPTY;
    buf_append_cstr(&big, "*5000\r\n");
    for (int i = 0; i < 5000; i++)
        buf_append_cstr(&big, "$1\r\na\r\n");
    struct resp_parser p;
    resp_parser_init(&p);
    assert_int_equal(resp_parse(&p, buf_slice(&big), &friend), RESP_REQUEST);
    assert_int_equal(p.argc, 5000);
    assert_int_equal(p.consumed, big.len);
    assert_int_equal(p.argv[4999].data[0], 'a');
    assert_int_equal(resp_parse(&p, SLICE_LITERAL("PING\r\n"), &friend), RESP_REQUEST);
    assert_true(p.cap <= 1024);
    resp_parser_deinit(&p);
    buf_deinit(&big);
}

static void assert_built(struct buf *b, const char *want)
{
    assert_int_equal(b->len, strlen(want));
    assert_memory_equal(b->data, want, b->len);
    buf_truncate(b, 0);
}

static void replies_have_redis_bytes(void **state)
{
    (void)state;
    struct buf b = BUF_EMPTY;
    resp_simple(&b, "OK");
    resp_integer(&b, INT64_MIN);
    resp_bulk_cstr(&b, "a\r\nb");
    resp_bulk(&b, slice_of(NULL, 0));
    assert_built(&b, "+OK\r\n:-9223372036854775808\r\n$4\r\na\r\nb\r\n$0\r\n\r\n");
    resp_error(&b, "\r\nERR a\r\nb\n\n");
    resp_errorf(&b, "ERR unknown '%s'", "x\r\n+OK");
    assert_built(&b, "-ERR a  b\r\n-ERR unknown 'x  +OK'\r\n");
    for (int resp = 2; resp <= 3; resp++) {
        resp_null(&b, resp);
        resp_null_array(&b, resp);
        resp_map(&b, resp, 3);
        resp_set(&b, resp, 3);
        resp_array(&b, 3);
        resp_bool(&b, resp, true);
        resp_bool(&b, resp, false);
        resp_double(&b, resp, 0.5);
        resp_verbatim(&b, resp, "txt", SLICE_LITERAL("hi"));
        assert_built(&b, resp == 2 ? "$-1\r\n*-1\r\n*6\r\n*3\r\n*3\r\n:1\r\n:0\r\n$3\r\n0.5\r\n$2\r\nhi\r\n"
                                   : "_\r\n_\r\n%3\r\n~3\r\n*3\r\n#t\r\n#f\r\n,0.5\r\n=6\r\ntxt:hi\r\n");
    }
    buf_deinit(&b);
}

static void a_reply_is_measured_only_when_whole(void **state)
{
    (void)state;
    static const char *const replies[] = {
        "+OK\r\n",
        "$-1\r\n",
        "$3\r\na\rb\r\n",
        "*0\r\n",
        "*-1\r\n",
        "_\r\n",
        ",inf\r\n",
        "=6\r\ntxt:hi\r\n",
        "*2\r\n*2\r\n:1\r\n$2\r\nab\r\n%1\r\n+k\r\n~2\r\n#t\r\n(123\r\n",
        "|1\r\n+k\r\n+v\r\n*1\r\n:5\r\n",
    };
    struct buf b = BUF_EMPTY;
    for (size_t i = 0; i < sizeof replies / sizeof *replies; i++) {
        size_t len = strlen(replies[i]);
        buf_truncate(&b, 0);
        buf_append(&b, replies[i], len);
        buf_append_cstr(&b, "+behind\r\n");
        for (size_t cut = 0; cut < len; cut++)
            assert_int_equal(resp_reply_len(slice_of(b.data, cut)), 0);
        assert_int_equal(resp_reply_len(slice_of(b.data, len)), len);
        assert_int_equal(resp_reply_len(buf_slice(&b)), len);
    }
    buf_deinit(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_requests_are_found_however_they_arrive),
        cmocka_unit_test(empty_requests_are_requests),
        cmocka_unit_test(line_ends_are_skipped_unseen),
        cmocka_unit_test(inline_requests_are_split_as_redis_does),
        cmocka_unit_test(malformed_requests_get_redis_own_words),
        cmocka_unit_test(strangers_have_lower_limits),
        cmocka_unit_test(endless_lines_are_refused),
        cmocka_unit_test(a_declared_count_allocates_nothing),
        cmocka_unit_test(a_pending_bulk_tells_what_it_lacks),
        cmocka_unit_test(a_restarted_parser_has_forgotten),
        cmocka_unit_test(many_arguments_are_not_kept_for_ever),
        cmocka_unit_test(replies_have_redis_bytes),
        cmocka_unit_test(a_reply_is_measured_only_when_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
