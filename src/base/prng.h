/* Pseudo-random numbers from an explicit state: the same seed gives the same run everywhere. Seeds come from
 * outside (os_random in clock.h, or the simulator). */
#ifndef BASE_PRNG_H
#define BASE_PRNG_H

#include <stdint.h>

struct prng {
    uint64_t s[4]; /* xoshiro256** */
};

void prng_seed(struct prng *p, uint64_t seed);
uint64_t prng_next(struct prng *p);
/* Uniform in [0, bound); bound > 0. */
uint64_t prng_below(struct prng *p, uint64_t bound);

#endif
