/* Counts of times: each value in a bucket that holds it and is no wider than an eighth of it, percentiles, sums below a
 * power of two. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/histogram.h"
#include "base/prng.h"

static uint64_t bucket_top(uint64_t value)
{
    struct histogram h = {0};
    histogram_add(&h, value, 1);
    return histogram_percentile(&h, 100);
}

static void a_bucket_holds_its_value_and_is_an_eighth_wide(void **state)
{
    (void)state;
    struct prng chance;
    prng_seed(&chance, 1);
    for (uint64_t v = 0; v < 4096; v++) {
        assert_in_range(bucket_top(v), v, v + v / 8);
        assert_true(v == 0 || bucket_top(v - 1) <= bucket_top(v));
    }
    for (int i = 0; i < 100000; i++) {
        uint64_t v = prng_next(&chance) >> (64 - HISTOGRAM_TOP_BIT + prng_below(&chance, HISTOGRAM_TOP_BIT));
        assert_in_range(bucket_top(v), v, v + v / 8);
    }
}

static void what_is_too_long_counts_as_the_longest(void **state)
{
    (void)state;
    uint64_t longest = ((uint64_t)1 << HISTOGRAM_TOP_BIT) - 1;
    assert_true(bucket_top(longest) == longest);
    assert_true(bucket_top(longest + 1) == longest);
    assert_true(bucket_top(UINT64_MAX) == longest);
}

static void percentiles_go_by_the_counts(void **state)
{
    (void)state;
    struct histogram h = {0};
    assert_int_equal(histogram_percentile(&h, 50), 0);
    histogram_add(&h, 3, 990);
    histogram_add(&h, 5, 9);
    histogram_add(&h, 7, 1);
    assert_int_equal(h.count, 1000);
    assert_int_equal(histogram_percentile(&h, 0), 3);
    assert_int_equal(histogram_percentile(&h, 50), 3);
    assert_int_equal(histogram_percentile(&h, 99), 3);
    assert_int_equal(histogram_percentile(&h, 99.5), 5);
    assert_int_equal(histogram_percentile(&h, 99.9), 5);
    assert_int_equal(histogram_percentile(&h, 99.95), 7);
    assert_int_equal(histogram_percentile(&h, 100), 7);
}

static void sums_below_a_power_of_two_are_exact(void **state)
{
    (void)state;
    struct histogram h = {0};
    for (unsigned bit = 0; bit < HISTOGRAM_TOP_BIT; bit++) {
        histogram_add(&h, ((uint64_t)1 << bit) - 1, 1);
        histogram_add(&h, (uint64_t)1 << bit, 1);
    }
    /* Of 0, 1, 1, 2, 3, 4, 7, 8, ...: 2^k - 1 is below 2^k, and 2^k is not. */
    for (unsigned bit = 0; bit < HISTOGRAM_TOP_BIT; bit++)
        assert_int_equal(histogram_below(&h, bit), 2 * bit + 1);
    assert_int_equal(histogram_below(&h, HISTOGRAM_TOP_BIT), h.count);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_bucket_holds_its_value_and_is_an_eighth_wide),
        cmocka_unit_test(what_is_too_long_counts_as_the_longest),
        cmocka_unit_test(percentiles_go_by_the_counts),
        cmocka_unit_test(sums_below_a_power_of_two_are_exact),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
