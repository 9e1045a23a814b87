/* How often something took how long: a fixed array of counts, eight buckets for each power of two, so that a value is
 * known to within an eighth of it. To add is a few instructions; nothing is ever allocated. */
#ifndef BASE_HISTOGRAM_H
#define BASE_HISTOGRAM_H

#include <stdint.h>

enum {
    HISTOGRAM_FINE_BITS = 3, /* values below 8 have a bucket each */
    HISTOGRAM_TOP_BIT = 40,  /* what is longer than 2^40 ns, 18 minutes, counts as that */
    HISTOGRAM_BUCKETS = (HISTOGRAM_TOP_BIT - HISTOGRAM_FINE_BITS + 1) << HISTOGRAM_FINE_BITS,
};

struct histogram {
    uint64_t count; /* the sum of all buckets */
    uint64_t at[HISTOGRAM_BUCKETS];
};

void histogram_add(struct histogram *h, uint64_t ns, uint64_t times);
/* The largest value that the bucket of this percentile holds; 0: nothing was added. */
uint64_t histogram_percentile(const struct histogram *h, double percent);
/* How many were below 2^bit ns; HISTOGRAM_TOP_BIT: all. */
uint64_t histogram_below(const struct histogram *h, unsigned bit);

#endif
