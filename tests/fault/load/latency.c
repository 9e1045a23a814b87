/* See the header. All threads add; one looks. */
#include "../tests/fault/load/latency.h"
#include <stdatomic.h>

enum { PER_OCTAVE = 8, BUCKETS = 64 * PER_OCTAVE };

static atomic_ullong buckets[BUCKETS];

static unsigned bucket_of(uint64_t us)
{
    if (us < PER_OCTAVE)
        return (unsigned)us;
    unsigned octave = 63 - (unsigned)__builtin_clzll(us);
    return octave * PER_OCTAVE + (unsigned)(us >> (octave - 3) & (PER_OCTAVE - 1));
}

/* The largest value of a bucket. */
static uint64_t upper(unsigned bucket)
{
    unsigned octave = bucket / PER_OCTAVE;
    if (octave < 3)
        return bucket;
    return ((uint64_t)(PER_OCTAVE + bucket % PER_OCTAVE + 1) << (octave - 3)) - 1;
}

void latency_add(uint64_t ns)
{
    atomic_fetch_add(&buckets[bucket_of(ns / 1000)], 1);
}

struct latency latency_take(void)
{
    uint64_t counts[BUCKETS], seen = 0;
    struct latency l = {0};
    for (unsigned i = 0; i < BUCKETS; i++)
        l.count += counts[i] = atomic_exchange(&buckets[i], 0);
    for (unsigned i = 0; i < BUCKETS; i++) {
        if (!counts[i])
            continue;
        uint64_t before = seen;
        seen += counts[i];
        uint64_t value = upper(i);
        if (before * 2 < l.count && seen * 2 >= l.count)
            l.p50_us = value;
        if (before * 100 < l.count * 99 && seen * 100 >= l.count * 99)
            l.p99_us = value;
        if (before * 1000 < l.count * 999 && seen * 1000 >= l.count * 999)
            l.p999_us = value;
        l.max_us = value;
    }
    return l;
}
