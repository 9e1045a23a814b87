/* xoshiro256** (Blackman and Vigna), seeded through splitmix64 so that near seeds give unrelated runs. */
#include "base/prng.h"

#include <assert.h>

void prng_seed(struct prng *p, uint64_t seed)
{
    for (int i = 0; i < 4; i++) {
        seed += 0x9e3779b97f4a7c15u;
        uint64_t z = seed;
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
        p->s[i] = z ^ (z >> 31);
    }
}

static uint64_t rotl(uint64_t v, unsigned by)
{
    return v << by | v >> (64 - by);
}

uint64_t prng_next(struct prng *p)
{
    uint64_t *s = p->s;
    uint64_t result = rotl(s[1] * 5, 7) * 9;
    uint64_t shifted = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= shifted;
    s[3] = rotl(s[3], 45);
    return result;
}

/* Draws above the largest multiple of `bound` are thrown away: a plain remainder favours small numbers. */
uint64_t prng_below(struct prng *p, uint64_t bound)
{
    assert(bound > 0);
    uint64_t uneven = (0 - bound) % bound; /* 2^64 mod bound */
    uint64_t drawn;
    do
        drawn = prng_next(p);
    while (drawn < uneven);
    return drawn % bound;
}
