/* Times, counted in buckets that grow by less than one in a hundred. */
#ifndef BENCH_HISTOGRAM_H
#define BENCH_HISTOGRAM_H

#include <stdint.h>

enum {
    HISTOGRAM_STEPS = 128,
    HISTOGRAM_BUCKETS = 58 * HISTOGRAM_STEPS
}; /* steps an octave; 58 octaves hold 64 bits */

struct histogram {
    uint64_t count, max, buckets[HISTOGRAM_BUCKETS];
};

void histogram_add(struct histogram *h, uint64_t value);
/* The smallest value that at least `share` (0 to 1) of all do not exceed, up to its bucket's width; 0 of none. */
uint64_t histogram_at(const struct histogram *h, double share);

#endif
