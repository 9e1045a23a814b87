/* See the header. Values below HISTOGRAM_STEPS have a bucket each; after them comes one octave of as many steps after another. */
#include "../tests/bench/rate/histogram.h"
#include <math.h>

enum { STEP_BITS = 7 };
_Static_assert(HISTOGRAM_STEPS == 1 << STEP_BITS, "an octave's steps are its leading bits");

static unsigned bucket_of(uint64_t value)
{
    if (value < HISTOGRAM_STEPS)
        return (unsigned)value;
    unsigned octave = 63 - (unsigned)__builtin_clzll(value) - STEP_BITS;
    return (octave + 1) * HISTOGRAM_STEPS + (unsigned)(value >> octave & (HISTOGRAM_STEPS - 1));
}

/* The largest value of a bucket. */
static uint64_t upper(unsigned bucket)
{
    if (bucket < HISTOGRAM_STEPS)
        return bucket;
    unsigned octave = bucket / HISTOGRAM_STEPS - 1;
    return ((uint64_t)(HISTOGRAM_STEPS + bucket % HISTOGRAM_STEPS + 1) << octave) - 1;
}

void histogram_add(struct histogram *h, uint64_t value)
{
    h->count++;
    h->buckets[bucket_of(value)]++;
    if (value > h->max)
        h->max = value;
}

uint64_t histogram_at(const struct histogram *h, double share)
{
    uint64_t seen = 0, wanted = (uint64_t)ceil(share * (double)h->count);
    if (h->count == 0)
        return 0;
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        seen += h->buckets[i];
        if (seen > 0 && seen >= wanted)
            return upper(i) < h->max ? upper(i) : h->max;
    }
    return h->max;
}
