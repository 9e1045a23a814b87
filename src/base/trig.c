/* Taylor's series, behind a reduction to where few terms do. The first terms, which make most of the result, are added last and
 * with what their rounding left out. */
#include "base/trig.h"

#include <math.h>

/* A quarter turn: its upper 33 bits, so that a few times that is exact, the next 33, and the rest. */
#define QUARTER_1   0x1.921fb544p+0
#define QUARTER_2   0x1.0b4611a6p-34
#define QUARTER_3   0x1.3198a2e037073p-69
#define QUARTER     0x1.921fb54442d18p+0
#define QUARTER_LOW 0x1.1a62633145c07p-54 /* what is missing in QUARTER */

enum { SINE_TERMS = 10, COSINE_TERMS = 10, ARC_TERMS = 27 };
#define ANGLE_MAX 1e6

/* An angle in [-pi/4, pi/4] as the sum of two doubles, and in which quarter it stands. */
struct reduced {
    double high, low;
    unsigned quarter;
};

static struct reduced reduce(double x)
{
    double n = floor(x / QUARTER + 0.5);
    double first = x - n * QUARTER_1, second = n * QUARTER_2;
    double middle = first - second, lost = (first - middle) - second;
    double low = lost - n * QUARTER_3, high = middle + low;
    return (struct reduced){high, (middle - high) + low, (unsigned)(int)n & 3};
}

/* x - x^3/3! + x^5/5! - ..., x = high + low */
static double sine(double high, double low)
{
    double z = high * high, sum = 0;
    for (int n = SINE_TERMS; n > 0; n--)
        sum = -z / (2 * n * (2 * n + 1)) * (1 + sum);
    return high + (high * sum + low * (1 - z / 2));
}

/* 1 - x^2/2! + x^4/4! - ... */
static double cosine(double high, double low)
{
    double z = high * high, half = z / 2, sum = 0;
    for (int n = COSINE_TERMS; n > 1; n--)
        sum = z / ((2 * n - 1) * 2 * n) * (1 - sum);
    double most = 1 - half;
    return most + (((1 - most) - half) + (half * sum - high * low));
}

static double in_quarter(struct reduced r)
{
    switch (r.quarter) {
    case 0:
        return sine(r.high, r.low);
    case 1:
        return cosine(r.high, r.low);
    case 2:
        return -sine(r.high, r.low);
    default:
        return -cosine(r.high, r.low);
    }
}

double trig_sin(double x)
{
    return fabs(x) < ANGLE_MAX ? in_quarter(reduce(x)) : NAN;
}

double trig_cos(double x)
{
    if (!(fabs(x) < ANGLE_MAX))
        return NAN;
    struct reduced r = reduce(x);
    r.quarter = (r.quarter + 1) & 3;
    return in_quarter(r);
}

/* asin(x) - x, |x| <= 1/2: x^3/6 + 3x^5/40 + ... */
static double arc(double x)
{
    double z = x * x, sum = 0;
    for (int n = ARC_TERMS; n > 0; n--)
        sum = z * ((2 * n - 1) * (2 * n - 1)) / (2 * n * (2 * n + 1)) * (1 + sum);
    return x * sum;
}

double trig_asin(double x)
{
    double size = fabs(x);
    if (size <= 0.5)
        return x + arc(x);
    if (size > 1)
        size = 1;
    double half = sqrt((1 - size) / 2); /* the sine of half of what is missing to a quarter turn */
    double angle = QUARTER - (2 * half + (2 * arc(half) - QUARTER_LOW));
    return x < 0 ? -angle : angle;
}
