/* Sine, cosine and arc sine against libc's, which are right to the last bit nearly always. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/prng.h"
#include "base/trig.h"

static int64_t units_apart(double a, double b)
{
    int64_t x, y;
    memcpy(&x, &a, sizeof x);
    memcpy(&y, &b, sizeof y);
    return llabs(x - y);
}

static void test_against_libc(void **state)
{
    (void)state;
    struct prng p;
    size_t different = 0, rounds = 100000;
    prng_seed(&p, 1);
    for (size_t i = 0; i < rounds; i++) {
        double unit = (double)prng_next(&p) / 0x1p64, small = i % 3 ? 1 : 1e-6;
        double angle = (2 * unit - 1) * 8 * small, sine = (2 * unit - 1) * small;
        if (i % 5 == 0)
            sine = copysign(1 - fabs(sine) * 1e-3, sine);
        assert_true(units_apart(trig_sin(angle), sin(angle)) <= 1);
        assert_true(units_apart(trig_cos(angle), cos(angle)) <= 1);
        assert_true(units_apart(trig_asin(sine), asin(sine)) <= 2);
        different += trig_sin(angle) != sin(angle) || trig_cos(angle) != cos(angle);
    }
    assert_true(different < rounds / 10);
}

static void test_ends(void **state)
{
    (void)state;
    assert_true(trig_sin(0) == 0 && trig_cos(0) == 1 && trig_asin(0) == 0);
    assert_true(trig_asin(1) == asin(1) && trig_asin(-1) == asin(-1) && trig_asin(1.5) == asin(1));
    assert_true(isnan(trig_sin(INFINITY)) && isnan(trig_cos(1e300)) && isnan(trig_sin(NAN)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_against_libc), cmocka_unit_test(test_ends)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
