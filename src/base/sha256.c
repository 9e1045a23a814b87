/* SHA-256 (FIPS 180-4) and HMAC (RFC 2104). Two uses, both on short input and none hot (a handshake between
 * peers, a stored password), so plain code without a crypto library behind it. */
#include "base/bytes.h"
#include "base/checksum.h"
#include "base/number.h"

enum { BLOCK = 64, DIGEST = 32 };

struct sha256 {
    uint32_t state[8];
    uint64_t total;
    unsigned char block[BLOCK];
};

/* The first 32 bits of the fractional parts of the cube roots of the first 64 primes. */
static const uint32_t round_constants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static uint32_t rotr(uint32_t v, unsigned by)
{
    return v >> by | v << (32 - by);
}

static void schedule(uint32_t w[64], const unsigned char *block)
{
    for (unsigned i = 0; i < 16; i++)
        w[i] = __builtin_bswap32(load_u32(block + 4 * i));
    for (unsigned i = 16; i < 64; i++) {
        uint32_t x = w[i - 15], y = w[i - 2];
        uint32_t small0 = rotr(x, 7) ^ rotr(x, 18) ^ x >> 3;
        uint32_t small1 = rotr(y, 17) ^ rotr(y, 19) ^ y >> 10;
        w[i] = w[i - 16] + small0 + w[i - 7] + small1;
    }
}

static void compress(uint32_t state[8], const unsigned char *block)
{
    uint32_t w[64], v[8];
    schedule(w, block);
    memcpy(v, state, sizeof v);
    for (unsigned i = 0; i < 64; i++) {
        uint32_t big1 = rotr(v[4], 6) ^ rotr(v[4], 11) ^ rotr(v[4], 25);
        uint32_t choice = (v[4] & v[5]) ^ (~v[4] & v[6]);
        uint32_t t1 = v[7] + big1 + choice + round_constants[i] + w[i];
        uint32_t big0 = rotr(v[0], 2) ^ rotr(v[0], 13) ^ rotr(v[0], 22);
        uint32_t majority = (v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]);
        memmove(v + 1, v, 7 * sizeof *v);
        v[4] += t1;
        v[0] = t1 + big0 + majority;
    }
    for (unsigned i = 0; i < 8; i++)
        state[i] += v[i];
}

/* The first 32 bits of the fractional parts of the square roots of the first 8 primes. */
static void start(struct sha256 *h)
{
    *h = (struct sha256){.state = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c,
                                   0x1f83d9ab, 0x5be0cd19}};
}

static void update(struct sha256 *h, const void *data, size_t len)
{
    const unsigned char *p = data;
    while (len > 0) {
        size_t filled = h->total % BLOCK;
        size_t n = BLOCK - filled < len ? BLOCK - filled : len;
        memcpy(h->block + filled, p, n);
        h->total += n;
        p += n;
        len -= n;
        if (filled + n == BLOCK)
            compress(h->state, h->block);
    }
}

static void finish(struct sha256 *h, uint8_t out[DIGEST])
{
    static const unsigned char padding[BLOCK] = {0x80};
    unsigned char bits[8];
    store_u64be(bits, h->total * 8);
    size_t filled = h->total % BLOCK;
    update(h, padding, filled < BLOCK - 8 ? BLOCK - 8 - filled : 2 * BLOCK - 8 - filled);
    update(h, bits, sizeof bits);
    for (unsigned i = 0; i < 8; i++)
        store_u32(out + 4 * i, __builtin_bswap32(h->state[i]));
}

void sha256(const void *data, size_t len, uint8_t out[32])
{
    struct sha256 h;
    start(&h);
    update(&h, data, len);
    finish(&h, out);
}

void sha256_hex(const void *data, size_t len, char out[64])
{
    uint8_t hash[32];
    sha256(data, len, hash);
    format_hex(out, hash, sizeof hash);
}

void hmac_sha256(const void *key, size_t key_len, const void *data, size_t len, uint8_t out[32])
{
    unsigned char inner[BLOCK] = {0}, outer[BLOCK];
    if (key_len > BLOCK)
        sha256(key, key_len, inner);
    else if (key_len > 0)
        memcpy(inner, key, key_len);
    for (unsigned i = 0; i < BLOCK; i++) {
        outer[i] = inner[i] ^ 0x5c;
        inner[i] ^= 0x36;
    }
    struct sha256 h;
    start(&h);
    update(&h, inner, BLOCK);
    update(&h, data, len);
    finish(&h, out);
    start(&h);
    update(&h, outer, BLOCK);
    update(&h, out, DIGEST);
    finish(&h, out);
    explicit_bzero(inner, sizeof inner);
    explicit_bzero(outer, sizeof outer);
}

/* volatile: a compiler that saw through the loop could leave it at the first difference. */
int secret_equal(const void *a, const void *b, size_t len)
{
    const volatile unsigned char *x = a, *y = b;
    unsigned different = 0;
    for (size_t i = 0; i < len; i++)
        different |= (unsigned)(x[i] ^ y[i]);
    return different == 0;
}
