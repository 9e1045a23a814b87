/* How long SETs at the leader take, counted in buckets that grow by an eighth, since the last look. */
#ifndef FAULT_LATENCY_H
#define FAULT_LATENCY_H

#include <stdint.h>

void latency_add(uint64_t ns);
struct latency {
    uint64_t count, p50_us, p99_us, p999_us, max_us;
};
struct latency latency_take(void);

#endif
