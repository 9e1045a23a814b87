/* Mixing for digests: a 64x64->128 bit multiplication folded. It finds divergence by accident; it does not have to
 * withstand an attacker. */
#ifndef STORE_MIX_H
#define STORE_MIX_H

#include "base/bytes.h"

#define MIX_1 UINT64_C(0x9e3779b97f4a7c15)
#define MIX_2 UINT64_C(0xd1b54a32d192ed03)
#define MIX_3 UINT64_C(0xabc98388fb8fac03)

static inline uint64_t mix_fold(uint64_t a, uint64_t b)
{
    unsigned __int128 product = (unsigned __int128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* digest.c: of the bytes, under a key. */
uint64_t mix_bytes(uint64_t key, const char *data, size_t len);

static inline uint64_t mix_slice(uint64_t key, struct slice s)
{
    return mix_bytes(key, s.data, s.len);
}

#endif
