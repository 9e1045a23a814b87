/* Ziplists and zipmaps, written out by hand as Redis wrote them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>

#include "store/listpack.h"
#include "store/ziplist.h"

/* All elements, each with a space behind it. */
static char *joined(uint8_t *lp)
{
    static char out[1 << 16];
    char scratch[LP_NUMBER_MAX], *end = out;
    assert_non_null(lp);
    for (size_t at = lp_first(lp); at; at = lp_next(lp, at)) {
        struct slice text = lp_text(lp, at, scratch);
        memcpy(end, text.data, text.len);
        end += text.len;
        *end++ = ' ';
    }
    *end = 0;
    lp_free(lp);
    return out;
}

/* Puts the three numbers of the head in front of elements whose last one begins at `last`. */
static struct buf ziplist(struct slice elements, uint32_t last, uint16_t count)
{
    struct buf out = BUF_EMPTY;
    put_u32(&out, (uint32_t)elements.len + 11);
    put_u32(&out, last + 10);
    put_u16(&out, count);
    buf_append_slice(&out, elements);
    put_u8(&out, 0xff);
    return out;
}

#define ELEMENTS                                                                                             \
    "\0\5hello"          /* 7 bytes: text */                                                                 \
    "\7\xf1"             /* 0 */                                                                             \
    "\2\xfd"             /* 12 */                                                                            \
    "\2\xfe\x80"         /* -128 */                                                                          \
    "\3\xc0\0\x80"       /* -32768 */                                                                        \
    "\4\xf0\xff\xff\x7f" /* 8388607 */                                                                       \
    "\5\xd0\0\0\0\x80"   /* -2147483648 */                                                                   \
    "\6\xe0\xff\xff\xff\xff\xff\xff\xff\x7f"                                                                 \
    "\x0a\0" /* nothing */                                                                                   \
    "\2\x40\3"                                                                                               \
    "abc" /* a length of 14 bits */                                                                          \
    "\6\x80\0\0\0\2"                                                                                         \
    "de" /* and of 32 */
enum { LAST = 7 + 2 + 2 + 3 + 4 + 5 + 6 + 10 + 2 + 6, COUNT = 11 };
#define TEXT "hello 0 12 -128 -32768 8388607 -2147483648 9223372036854775807  abc de "

static void test_every_kind_of_element(void **state)
{
    (void)state;
    struct buf b = ziplist(SLICE_LITERAL(ELEMENTS), LAST, COUNT);
    assert_string_equal(joined(ziplist_load(buf_slice(&b))), TEXT);
    b.data[8] = b.data[9] = (char)0xff; /* to be counted */
    assert_string_equal(joined(ziplist_load(buf_slice(&b))), TEXT);
    buf_deinit(&b);
    b = ziplist(SLICE_LITERAL(""), 0, 0);
    assert_string_equal(joined(ziplist_load(buf_slice(&b))), "");
    buf_deinit(&b);
}

/* Behind an element of 254 bytes and more the size takes five. */
static void test_long_elements(void **state)
{
    struct buf elements = BUF_EMPTY;
    (void)state;
    buf_append(&elements, "\0\x41\x2c", 3);
    for (int i = 0; i < 300; i++)
        put_u8(&elements, 'x');
    buf_append(&elements, "\xfe\x2f\1\0\0\1y", 7);
    struct buf b = ziplist(buf_slice(&elements), 303, 2);
    const char *text = joined(ziplist_load(buf_slice(&b)));
    assert_int_equal(strspn(text, "x"), 300);
    assert_string_equal(text + 300, " y ");
    b.data[10 + 303 + 1]++;
    assert_null(ziplist_load(buf_slice(&b)));
    buf_deinit(&b);
    buf_deinit(&elements);
}

/* Every byte of the head and of the sizes counts; what is cut off or left over too. */
static void test_malformed_ziplists(void **state)
{
    (void)state;
    struct buf b = ziplist(SLICE_LITERAL(ELEMENTS), LAST, COUNT);
    for (size_t i = 0; i < b.len; i++)
        assert_null(ziplist_load(slice_of(b.data, i)));
    for (size_t i = 0; i < 11; i++) {
        b.data[i] ^= 1;
        assert_null(ziplist_load(buf_slice(&b)));
        b.data[i] ^= 1;
    }
    b.data[b.len - 1] = 0;
    assert_null(ziplist_load(buf_slice(&b)));
    buf_deinit(&b);
    const struct slice bad[] = {SLICE_LITERAL("\1\1a"), SLICE_LITERAL("\0\xc1\1\1"), SLICE_LITERAL("\0\xff"),
                                SLICE_LITERAL("\0\5abc"),
                                SLICE_LITERAL("\0\x80\xff\xff\xff\xff"
                                              "abc")};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        b = ziplist(bad[i], 0, 1);
        assert_null(ziplist_load(buf_slice(&b)));
        buf_deinit(&b);
    }
}

static void test_zipmaps(void **state)
{
    static const char map[] = "\2\1a\3\0xyz\2bc\1\2"
                              "1??\xff";
    const struct slice whole = SLICE_LITERAL(map);
    char *copy = malloc(whole.len);
    (void)state;
    assert_string_equal(joined(zipmap_load(whole)), "a xyz bc 1 ");
    assert_string_equal(joined(zipmap_load(SLICE_LITERAL("\xfe\1a\xfe\1\0\0\0\0b\xff"))), "a b ");
    assert_string_equal(joined(zipmap_load(SLICE_LITERAL("\0\xff"))), "");
    for (size_t i = 0; i < whole.len; i++)
        assert_null(zipmap_load(slice_of(map, i)));
    memcpy(copy, map, whole.len);
    copy[0] = 3;
    assert_null(zipmap_load(slice_of(copy, whole.len)));
    free(copy);
    assert_null(zipmap_load(SLICE_LITERAL("\1\1a\xff")));
    assert_null(zipmap_load(SLICE_LITERAL("\1\1a\1\0b\xff\0")));
    assert_null(zipmap_load(SLICE_LITERAL("\1\1a\xfe\xff\xff\xff\xff\0b\xff")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_kind_of_element),
        cmocka_unit_test(test_long_elements),
        cmocka_unit_test(test_malformed_ziplists),
        cmocka_unit_test(test_zipmaps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
