/* FIPS 180-4, section 6.1. */
#include "base/sha1.h"

#include "base/number.h"

#include <stdint.h>
#include <string.h>

static uint32_t rotate(uint32_t v, int by)
{
    return v << by | v >> (32 - by);
}

static void block(uint32_t h[5], const unsigned char *data)
{
    uint32_t w[80];
    for (int i = 0; i < 16; i++)
        w[i] = (uint32_t)data[4 * i] << 24 | (uint32_t)data[4 * i + 1] << 16 |
               (uint32_t)data[4 * i + 2] << 8 | data[4 * i + 3];
    for (int i = 16; i < 80; i++)
        w[i] = rotate(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
    uint32_t a = h[0], b = h[1], c = h[2], d = h[3], e = h[4];
    for (int i = 0; i < 80; i++) {
        uint32_t f, k;
        if (i < 20)
            f = (b & c) | (~b & d), k = 0x5a827999;
        else if (i < 40)
            f = b ^ c ^ d, k = 0x6ed9eba1;
        else if (i < 60)
            f = (b & c) | (b & d) | (c & d), k = 0x8f1bbcdc;
        else
            f = b ^ c ^ d, k = 0xca62c1d6;
        uint32_t next = rotate(a, 5) + f + e + k + w[i];
        e = d;
        d = c;
        c = rotate(b, 30);
        b = a;
        a = next;
    }
    h[0] += a;
    h[1] += b;
    h[2] += c;
    h[3] += d;
    h[4] += e;
}

void sha1_hex(struct slice s, char out[SHA1_HEX + 1])
{
    uint32_t h[5] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};
    unsigned char last[128] = {0}, hash[20];
    size_t whole = s.len / 64 * 64, rest = s.len - whole, end = rest < 56 ? 64 : 128;
    for (size_t i = 0; i < whole; i += 64)
        block(h, (const unsigned char *)s.data + i);
    if (rest)
        memcpy(last, s.data + whole, rest);
    last[rest] = 0x80;
    store_u64be(last + end - 8, (uint64_t)s.len * 8);
    for (size_t i = 0; i < end; i += 64)
        block(h, last + i);
    for (int i = 0; i < 5; i++)
        store_u32(hash + 4 * i, __builtin_bswap32(h[i]));
    format_hex(out, hash, sizeof hash);
    out[SHA1_HEX] = '\0';
}
