/* Listpacks: the bytes are redis-server's, every change and every walk agrees with an array of texts, and bytes that are not a
 * listpack are refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../support/redis.h"
#include "base/prng.h"
#include "store/listpack.h"

/* ---- a model ---- */

enum { MODEL_MAX = 400 };

struct model {
    struct buf texts[MODEL_MAX];
    size_t count;
};

static void model_insert(struct model *m, size_t at, struct slice s)
{
    memmove(&m->texts[at + 1], &m->texts[at], (m->count - at) * sizeof *m->texts);
    m->texts[at] = (struct buf)BUF_EMPTY;
    buf_append_slice(&m->texts[at], s);
    m->count++;
}

static void model_delete(struct model *m, size_t at)
{
    buf_deinit(&m->texts[at]);
    m->count--;
    memmove(&m->texts[at], &m->texts[at + 1], (m->count - at) * sizeof *m->texts);
}

static const char *const edges[] = {
    "",      "0",       "-0",       "00",       "+1",         "127",         "128",         "-1",
    "-4096", "-4097",   "4095",     "4096",     "-32768",     "-32769",      "32767",       "32768",
    "1.5",   "8388607", "-8388608", "8388608",  "-8388609",   "2147483647",  "-2147483648", "2147483648",
    " 1",    "1 ",      "abc",      "12345678", "-000000001", "-2147483649",
};

/* An integer of any size, an edge, or a text around one of the lengths at which the encoding changes. */
static struct slice random_text(struct prng *chance, char *room)
{
    static const size_t lengths[] = {1,   5,    20,   62,   63,    64,    65,    126,  127,
                                     128, 4095, 4096, 4097, 16377, 16378, 16379, 16383};
    uint64_t kind = prng_below(chance, 8);
    if (kind < 3)
        return slice_of(room,
                        (size_t)sprintf(room, "%ld", (long)prng_next(chance) >> prng_below(chance, 64)));
    if (kind < 5)
        return slice_cstr(edges[prng_below(chance, sizeof edges / sizeof *edges)]);
    size_t len = lengths[prng_below(chance, kind == 5 ? sizeof lengths / sizeof *lengths : 7)];
    memset(room, (char)('a' + prng_below(chance, 26)), len);
    return slice_of(room, len);
}

static void assert_slice(struct slice a, struct slice b)
{
    assert_int_equal(a.len, b.len);
    assert_true(slice_equal(a, b));
}

static void assert_same(const uint8_t *lp, const struct model *m)
{
    char scratch[LP_NUMBER_MAX];
    size_t at = lp_first(lp);
    assert_int_equal(lp_count(lp), m->count);
    for (size_t i = 0; i < m->count; i++, at = lp_next(lp, at)) {
        assert_slice(lp_text(lp, at, scratch), buf_slice(&m->texts[i]));
        assert_int_equal(lp_seek(lp, (int64_t)i), at);
        assert_int_equal(lp_seek(lp, (int64_t)i - (int64_t)m->count), at);
    }
    assert_int_equal(at, 0);
    at = lp_last(lp);
    for (size_t i = m->count; i-- > 0; at = lp_prev(lp, at))
        assert_slice(lp_text(lp, at, scratch), buf_slice(&m->texts[i]));
    assert_int_equal(at, 0);
    assert_int_equal(lp_seek(lp, (int64_t)m->count), 0);
    assert_int_equal(lp_seek(lp, -1 - (int64_t)m->count), 0);
}

static void check_find(const uint8_t *lp, const struct model *m, struct slice s, size_t skip)
{
    size_t i = 0;
    while (i < m->count && !slice_equal(buf_slice(&m->texts[i]), s))
        i += 1 + skip;
    assert_int_equal(lp_find(lp, lp_first(lp), s, skip), i < m->count ? lp_seek(lp, (int64_t)i) : 0);
}

static void change(uint8_t **lp, struct model *m, struct prng *chance)
{
    static char room[20000];
    struct slice s = random_text(chance, room);
    uint64_t kind = m->count > MODEL_MAX - 10 ? 8 : prng_below(chance, 10);
    size_t i = m->count ? prng_below(chance, m->count) : 0, at = lp_seek(*lp, (int64_t)i);
    if (kind < 2) {
        lp_append(lp, s);
        model_insert(m, m->count, s);
    } else if (kind < 3) {
        lp_prepend(lp, s);
        model_insert(m, 0, s);
    } else if (kind < 5) {
        lp_insert(lp, at, s);
        model_insert(m, i, s);
    } else if (kind < 7 && at) {
        lp_replace(lp, at, s);
        model_delete(m, i);
        model_insert(m, i, s);
        assert_true(lp_equal(*lp, at, s));
    } else if (kind < 9 && at) {
        size_t n = prng_below(chance, m->count > MODEL_MAX / 2 ? 200 : 3);
        size_t next = lp_delete(lp, at, n);
        for (; n && i < m->count; n--)
            model_delete(m, i);
        assert_int_equal(next, i < m->count ? at : 0);
    } else {
        check_find(*lp, m, s, 0);
        check_find(*lp, m, s, 1);
    }
}

static void test_changes_and_walks_agree_with_a_model(void **state)
{
    (void)state;
    struct prng chance;
    prng_seed(&chance, 1);
    static struct model m;
    uint8_t *lp = lp_new();
    for (int i = 0; i < 3000; i++) {
        change(&lp, &m, &chance);
        if (i % 8 == 0)
            assert_same(lp, &m);
    }
    assert_same(lp, &m);
    assert_true(lp_memory(lp) >= lp_slice(lp).len);
    uint8_t *copy = lp_copy(lp), *loaded = lp_load(lp_slice(lp));
    assert_slice(lp_slice(copy), lp_slice(lp));
    assert_same(loaded, &m);
    lp_free(loaded);
    lp_free(copy);
    lp_free(lp);
    while (m.count)
        model_delete(&m, m.count - 1);
}

static void test_numbers(void **state)
{
    (void)state;
    uint8_t *lp = lp_new();
    for (int shift = 0; shift < 64; shift++)
        for (int sign = 0; sign < 2; sign++)
            for (int64_t beside = -1; beside <= 1; beside++) {
                int64_t number = (int64_t)((UINT64_C(1) << shift) + (uint64_t)beside), back;
                number = sign ? (int64_t)(0 - (uint64_t)number) : number;
                lp_append_i64(&lp, number);
                assert_true(lp_i64(lp, lp_last(lp), &back));
                assert_int_equal(back, number);
                struct lp_value v = lp_get(lp, lp_last(lp));
                assert_null(v.text.data);
                assert_int_equal(v.number, number);
                char scratch[LP_NUMBER_MAX], room[LP_NUMBER_MAX];
                struct slice text = lp_text(lp, lp_last(lp), scratch);
                assert_slice(text, slice_of(room, (size_t)snprintf(room, sizeof room, "%ld", (long)number)));
                size_t had = lp_slice(lp).len;
                lp_append(&lp, text);
                assert_int_equal(lp_slice(lp).len - had, lp_cost(text));
                lp_replace_i64(&lp, lp_first(lp), number);
                assert_true(lp_equal(lp, lp_first(lp), text));
                assert_int_equal(lp_find(lp, lp_last(lp), text, 0), lp_last(lp));
            }
    int64_t none;
    lp_append(&lp, SLICE_LITERAL("01"));
    assert_false(lp_i64(lp, lp_last(lp), &none));
    lp_free(lp);
}

/* From 65535 elements on the header does not know, for good. */
static void test_more_elements_than_the_header_counts(void **state)
{
    (void)state;
    uint8_t *lp = lp_new();
    for (int64_t i = 0; i < 65600; i++)
        lp_append_i64(&lp, i % 100);
    assert_int_equal(lp_count(lp), 65600);
    assert_int_equal(lp_seek(lp, 65600), 0);
    assert_int_equal(lp_seek(lp, -65601), 0);
    assert_int_equal(lp_seek(lp, -65600), lp_first(lp));
    assert_int_equal(lp_seek(lp, 65599), lp_last(lp));
    uint8_t *loaded = lp_load(lp_slice(lp));
    assert_non_null(loaded);
    lp_free(loaded);
    assert_int_equal(lp_delete(&lp, lp_seek(lp, 5), 65590), lp_seek(lp, 5));
    assert_int_equal(lp_count(lp), 10);
    assert_true(lp_memory(lp) < 200);
    lp_free(lp);
}

/* ---- the bytes ---- */

static struct slice ask(struct buf *reply, size_t argc, const struct slice *argv)
{
    reply->len = 0;
    redis_call(redis_fd, argv, argc, reply);
    return buf_slice(reply);
}

/* A list of one node, dumped: type, one node, packed, length of 14 or 32 bits, the listpack. */
static struct slice dumped_listpack(struct slice reply)
{
    const uint8_t *at = (const uint8_t *)memchr(reply.data, '\n', reply.len) + 1;
    assert_int_equal(at[0], 18);
    assert_int_equal(at[1], 1);
    assert_int_equal(at[2], 2);
    at += 3;
    if (*at < 64)
        return slice_of(at + 1, *at);
    if (*at < 128)
        return slice_of(at + 2, (size_t)(*at & 63) << 8 | at[1]);
    assert_int_equal(*at, 0x80);
    return slice_of(at + 5, __builtin_bswap32(load_u32(at + 1)));
}

static void compare_with_redis(struct buf *reply, struct prng *chance)
{
    static char room[20000];
    static struct buf texts[12];
    struct slice argv[14] = {SLICE_LITERAL("RPUSH"), SLICE_LITERAL("k")}, k = argv[1];
    size_t n = 1 + prng_below(chance, 12);
    uint8_t *lp = lp_new();
    for (size_t i = 0; i < n; i++) {
        texts[i].len = 0;
        buf_append_slice(&texts[i], random_text(chance, room));
        argv[2 + i] = slice_of(texts[i].data ? texts[i].data : "", texts[i].len);
        lp_append(&lp, argv[2 + i]);
    }
    ask(reply, 2, (struct slice[]){SLICE_LITERAL("DEL"), k});
    ask(reply, 2 + n, argv);
    struct slice theirs = dumped_listpack(ask(reply, 2, (struct slice[]){SLICE_LITERAL("DUMP"), k}));
    assert_slice(lp_slice(lp), theirs);
    lp_free(lp);
}

static void test_the_bytes_are_those_of_redis(void **state)
{
    (void)state;
    struct buf reply = BUF_EMPTY;
    struct prng chance;
    prng_seed(&chance, 2);
    /* As many bytes as there may be in one node, and nothing compressed. */
    const char *const settings[][2] = {{"list-max-listpack-size", "-5"}, {"rdbcompression", "no"}};
    for (size_t i = 0; i < 2; i++)
        assert_slice(ask(&reply, 4,
                         (struct slice[]){SLICE_LITERAL("CONFIG"), SLICE_LITERAL("SET"),
                                          slice_cstr(settings[i][0]), slice_cstr(settings[i][1])}),
                     SLICE_LITERAL("+OK\r\n"));
    for (int i = 0; i < 50; i++)
        compare_with_redis(&reply, &chance);
    buf_deinit(&reply);
}

/* Any one byte made another: refused, or still a listpack that can be walked from both ends. */
static void check_damaged(struct slice whole, size_t at, uint8_t value)
{
    char *bytes = malloc(whole.len), scratch[LP_NUMBER_MAX];
    memcpy(bytes, whole.data, whole.len);
    bytes[at] = (char)value;
    uint8_t *lp = lp_load(slice_of(bytes, whole.len));
    free(bytes);
    if (!lp)
        return;
    size_t n = 0, back = 0;
    for (size_t i = lp_first(lp); i; i = lp_next(lp, i), n++)
        lp_text(lp, i, scratch);
    for (size_t i = lp_last(lp); i; i = lp_prev(lp, i))
        back++;
    assert_int_equal(n, back);
    assert_int_equal(n, lp_count(lp));
    lp_free(lp);
}

static void test_what_is_no_listpack_is_refused(void **state)
{
    (void)state;
    uint8_t *lp = lp_new();
    char text[200];
    memset(text, 'x', sizeof text);
    for (size_t i = 0; i < sizeof edges / sizeof *edges; i++)
        lp_append(&lp, slice_cstr(edges[i]));
    lp_append(&lp, slice_of(text, sizeof text));
    lp_append(&lp, slice_of(text, 3));
    struct slice whole = lp_slice(lp);
    for (size_t len = 0; len < whole.len; len++)
        assert_null(lp_load(slice_of(whole.data, len)));
    for (size_t at = 0; at < whole.len; at++)
        for (unsigned value = 0; value < 256; value++)
            check_damaged(whole, at, (uint8_t)value);
    static const struct {
        const char *bytes;
        size_t len;
    } wrong[] = {
        {"\x07\0\0\0\0\0\0", 7},                  /* no end */
        {"\x07\0\0\0\x01\0\xff", 7},              /* an element too few */
        {"\x09\0\0\0\0\0\x01\x01\xff", 9},        /* one too many */
        {"\x09\0\0\0\x01\0\x01\x02\xff", 9},      /* another length behind it */
        {"\x09\0\0\0\x01\0\xf5\x01\xff", 9},      /* no encoding */
        {"\x08\0\0\0\x01\0\x81\xff\x02", 8},      /* the end is its text */
        {"\x09\0\0\0\x01\0\x8a\x0b\xff", 9},      /* longer than the whole */
        {"\x0a\0\0\0\x01\0\x01\x00\x81\xff", 10}, /* a length longer than it has to be */
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_null(lp_load(slice_of(wrong[i].bytes, wrong[i].len)));
    lp_free(lp);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_changes_and_walks_agree_with_a_model),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_more_elements_than_the_header_counts),
        cmocka_unit_test(test_the_bytes_are_those_of_redis),
        cmocka_unit_test(test_what_is_no_listpack_is_refused),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, redis_group_start, redis_group_stop);
}
