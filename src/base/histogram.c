#include "base/histogram.h"

#include <assert.h>
#include <stddef.h>

/* The first bucket of the values with the highest bit `bit`. */
static size_t first_of(unsigned bit)
{
    return bit < HISTOGRAM_FINE_BITS ? (size_t)1 << bit
                                     : (size_t)(bit - HISTOGRAM_FINE_BITS + 1) << HISTOGRAM_FINE_BITS;
}

void histogram_add(struct histogram *h, uint64_t ns, uint64_t times)
{
    if (ns >> HISTOGRAM_TOP_BIT)
        ns = ((uint64_t)1 << HISTOGRAM_TOP_BIT) - 1;
    size_t bucket = (size_t)ns;
    if (ns >> HISTOGRAM_FINE_BITS) {
        unsigned bit = 63 - (unsigned)__builtin_clzll(ns), shift = bit - HISTOGRAM_FINE_BITS;
        bucket = first_of(bit) + ((ns >> shift) & ((1 << HISTOGRAM_FINE_BITS) - 1));
    }
    h->at[bucket] += times;
    h->count += times;
}

static uint64_t largest_in(size_t bucket)
{
    size_t octave = bucket >> HISTOGRAM_FINE_BITS;
    if (octave == 0)
        return bucket;
    uint64_t fine = bucket & ((1 << HISTOGRAM_FINE_BITS) - 1);
    return ((fine + (1 << HISTOGRAM_FINE_BITS) + 1) << (octave - 1)) - 1;
}

uint64_t histogram_percentile(const struct histogram *h, double percent)
{
    double wanted = (double)h->count * percent / 100;
    uint64_t seen = 0;
    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
        seen += h->at[i];
        if (seen && (double)seen >= wanted)
            return largest_in(i);
    }
    return 0;
}

uint64_t histogram_below(const struct histogram *h, unsigned bit)
{
    assert(bit <= HISTOGRAM_TOP_BIT);
    uint64_t seen = 0;
    for (size_t i = 0, end = first_of(bit); i < end; i++)
        seen += h->at[i];
    return seen;
}
