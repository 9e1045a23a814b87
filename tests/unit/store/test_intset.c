/* Redis's intset against a plain list. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/prng.h"
#include "store/intset.h"

enum { NUMBERS = 64 };

static const int64_t corners[] = {
    INT16_MIN, INT16_MIN - 1, INT16_MAX, INT16_MAX + 1, INT32_MIN, 0, INT32_MAX, INT64_MIN, INT64_MAX, -1, 1};

struct model {
    int64_t numbers[NUMBERS]; /* in their order */
    uint32_t count;
    uint32_t width;
};

static uint32_t place_of(const struct model *m, int64_t v)
{
    uint32_t i = 0;
    while (i < m->count && m->numbers[i] < v)
        i++;
    return i;
}

static bool add(struct model *m, int64_t v)
{
    uint32_t at = place_of(m, v);
    if (at < m->count && m->numbers[at] == v)
        return false;
    memmove(&m->numbers[at + 1], &m->numbers[at], (m->count++ - at) * sizeof v);
    m->numbers[at] = v;
    uint32_t width = v == (int16_t)v ? 2 : v == (int32_t)v ? 4 : 8;
    m->width = width > m->width ? width : m->width;
    return true;
}

static bool drop(struct model *m, int64_t v)
{
    uint32_t at = place_of(m, v);
    if (at == m->count || m->numbers[at] != v)
        return false;
    memmove(&m->numbers[at], &m->numbers[at + 1], (--m->count - at) * sizeof v);
    return true;
}

static void assert_same(const struct model *m, const uint8_t *is)
{
    struct slice bytes = intset_slice(is);
    assert_int_equal(intset_count(is), m->count);
    assert_int_equal(bytes.len, 8 + m->width * m->count);
    assert_int_equal(load_u32(bytes.data), m->width);
    assert_int_equal(load_u32(bytes.data + 4), m->count);
    assert_true(intset_memory(is) >= bytes.len);
    for (uint32_t i = 0; i < m->count; i++) {
        assert_true(intset_at(is, i) == m->numbers[i]);
        assert_true(intset_has(is, m->numbers[i]));
        assert_int_equal(memcmp(bytes.data + 8 + i * m->width, &m->numbers[i], m->width), 0);
    }
    uint8_t *copy = intset_load(bytes);
    assert_non_null(copy);
    assert_true(slice_equal(intset_slice(copy), bytes));
    intset_free(copy);
}

static void test_as_a_list(void **state)
{
    (void)state;
    for (uint64_t round = 0; round < 60; round++) {
        struct model m = {.width = 2};
        struct prng chance;
        uint8_t *is = intset_new();
        prng_seed(&chance, round);
        for (int i = 0; i < 150; i++) {
            int64_t v = (int64_t)prng_below(&chance, 50) - 25;
            if (prng_below(&chance, 20) < round / 20)
                v = corners[prng_below(&chance, sizeof corners / sizeof *corners)];
            if (prng_below(&chance, 3))
                assert_int_equal(intset_add(&is, v), add(&m, v));
            else
                assert_int_equal(intset_remove(&is, v), drop(&m, v));
            assert_false(intset_has(is, 1000));
            assert_same(&m, is);
        }
        uint8_t *copy = intset_copy(is);
        assert_same(&m, copy);
        intset_free(copy);
        intset_free(is);
    }
}

static bool loads(const char *bytes, size_t len)
{
    uint8_t *is = intset_load(slice_of(bytes, len));
    bool good = is;
    intset_free(is);
    return good;
}

static void test_malformed_is_refused(void **state)
{
    (void)state;
    assert_true(loads("\2\0\0\0\2\0\0\0\xff\xff\1\0", 12)); /* -1, 1 */
    assert_false(loads("\2\0\0\0\2\0\0\0\xff\xff\1\0", 11));
    assert_false(loads("\2\0\0\0\2\0\0\0\xff\xff\1\0\0", 13));
    assert_false(loads("\2\0\0\0\2\0\0\0\1\0\xff\xff", 12));
    assert_false(loads("\2\0\0\0\2\0\0\0\1\0\1\0", 12));
    assert_false(loads("\3\0\0\0\1\0\0\0\1\0\1", 11));
    assert_false(loads("\0\0\0\0\0\0\0\0", 8));
    assert_false(loads("\1\0\0\0\1\0\0\0\1", 9));
    assert_true(loads("\4\0\0\0\0\0\0\0", 8));
    assert_false(loads("\4\0\0\0\0\0\0", 7));
    assert_false(loads("\4\0\0\0\0\0\0\x40", 8));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_as_a_list),
        cmocka_unit_test(test_malformed_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
