/* Cyclic redundancy checks. A CRC's table is linear: row i is the exclusive or of the rows of i's bits. So
 * only the eight one-bit rows stand here, and the compiler works out the rest. CRC32C and CRC64 take eight
 * bytes a step ("slicing by eight"): table k answers for a byte that has k more bytes behind it in the step.
 */
#include "base/bytes.h"
#include "base/checksum.h"

#ifdef __x86_64__
#include <immintrin.h>
#endif

#define ROW(i, a, b, c, d, e, f, g, h)                                                                       \
    (((i)&1 ? (a) : 0) ^ ((i)&2 ? (b) : 0) ^ ((i)&4 ? (c) : 0) ^ ((i)&8 ? (d) : 0) ^ ((i)&16 ? (e) : 0) ^    \
     ((i)&32 ? (f) : 0) ^ ((i)&64 ? (g) : 0) ^ ((i)&128 ? (h) : 0))
#define ROWS4(i, ...)                                                                                        \
    ROW(i, __VA_ARGS__), ROW((i) + 1, __VA_ARGS__), ROW((i) + 2, __VA_ARGS__), ROW((i) + 3, __VA_ARGS__)
#define ROWS16(i, ...)                                                                                       \
    ROWS4(i, __VA_ARGS__), ROWS4((i) + 4, __VA_ARGS__), ROWS4((i) + 8, __VA_ARGS__),                         \
        ROWS4((i) + 12, __VA_ARGS__)
#define ROWS64(i, ...)                                                                                       \
    ROWS16(i, __VA_ARGS__), ROWS16((i) + 16, __VA_ARGS__), ROWS16((i) + 32, __VA_ARGS__),                    \
        ROWS16((i) + 48, __VA_ARGS__)
#define TABLE(...)                                                                                           \
    {                                                                                                        \
        ROWS64(0, __VA_ARGS__), ROWS64(64, __VA_ARGS__), ROWS64(128, __VA_ARGS__), ROWS64(192, __VA_ARGS__)  \
    }
/* Eight bytes, the first in the lowest bits of v. Written out: eight loads in flight at once. */
#define STEP(t, v)                                                                                           \
    (t[7][(v)&0xff] ^ t[6][(v) >> 8 & 0xff] ^ t[5][(v) >> 16 & 0xff] ^ t[4][(v) >> 24 & 0xff] ^              \
     t[3][(v) >> 32 & 0xff] ^ t[2][(v) >> 40 & 0xff] ^ t[1][(v) >> 48 & 0xff] ^ t[0][(v) >> 56])

/* Castagnoli, 0x1edc6f41, reflected. */
static const uint32_t crc32c_table[8][256] = {
    TABLE(0xf26b8303u, 0xe13b70f7u, 0xc79a971fu, 0x8ad958cfu, 0x105ec76fu, 0x20bd8edeu, 0x417b1dbcu,
          0x82f63b78u),
    TABLE(0x13a29877u, 0x274530eeu, 0x4e8a61dcu, 0x9d14c3b8u, 0x3fc5f181u, 0x7f8be302u, 0xff17c604u,
          0xfbc3faf9u),
    TABLE(0xa541927eu, 0x4f6f520du, 0x9edea41au, 0x38513ec5u, 0x70a27d8au, 0xe144fb14u, 0xc76580d9u,
          0x8b277743u),
    TABLE(0xdd45aab8u, 0xbf672381u, 0x7b2231f3u, 0xf64463e6u, 0xe964b13du, 0xd725148bu, 0xaba65fe7u,
          0x52a0c93fu),
    TABLE(0x38116facu, 0x7022df58u, 0xe045beb0u, 0xc5670b91u, 0x8f2261d3u, 0x1ba8b557u, 0x37516aaeu,
          0x6ea2d55cu),
    TABLE(0xef306b19u, 0xdb8ca0c3u, 0xb2f53777u, 0x6006181fu, 0xc00c303eu, 0x85f4168du, 0x0e045bebu,
          0x1c08b7d6u),
    TABLE(0x68032cc8u, 0xd0065990u, 0xa5e0c5d1u, 0x4e2dfd53u, 0x9c5bfaa6u, 0x3d5b83bdu, 0x7ab7077au,
          0xf56e0ef4u),
    TABLE(0x493c7d27u, 0x9278fa4eu, 0x211d826du, 0x423b04dau, 0x847609b4u, 0x0d006599u, 0x1a00cb32u,
          0x34019664u),
};

/* Jones, 0xad93d23594c935a9, reflected. */
static const uint64_t crc64_table[8][256] = {
    TABLE(0x7ad870c830358979u, 0xf5b0e190606b12f2u, 0xc038e5739841b68fu, 0xab28ecb46814fe75u,
          0x7d08ff3b88be6f81u, 0xfa11fe77117cdf02u, 0xdf7adabd7a6e2d6fu, 0x95ac9329ac4bc9b5u),
    TABLE(0x89e99ffd73bddf69u, 0x388a19a9bfec2db9u, 0x711433537fd85b72u, 0xe22866a6ffb0b6e4u,
          0xef09eb1ea7f6fea3u, 0xf54af06e177a6e2du, 0xc1ccc68f76634f31u, 0xa8c0ab4db4510d09u),
    TABLE(0xf4125129ce4038beu, 0xc37d8400c417e217u, 0xada22e52d0b85745u, 0x701d7af6f9e73de1u,
          0xe03af5edf3ce7bc2u, 0xeb2ccd88bf0b64efu, 0xfd00bd4226815ab5u, 0xd1585cd715952601u),
    TABLE(0x8ce168638c796306u, 0x329bf69440655567u, 0x6537ed2880caaaceu, 0xca6fda510195559cu,
          0xbf8692f15bbd3853u, 0x545403b1efede3cdu, 0xa8a80763dfdbc79au, 0x7a092894e7201c5fu),
    TABLE(0x3504e58b9ba6dd1eu, 0x6a09cb17374dba3cu, 0xd413962e6e9b7478u, 0x837e0a0f85a17b9bu,
          0x2da5324c53d5645du, 0x5b4a6498a7aac8bau, 0xb694c9314f559174u, 0x4670b431c63cb183u),
    TABLE(0xe39d1389931b9354u, 0xec6301407ea0b5c3u, 0xf39f24d3a5d6f8edu, 0xcc676ff4133a62b1u,
          0xb397f9bb7ee35609u, 0x4c76d525a5513f79u, 0x98edaa4b4aa27ef2u, 0x1a8272c5cdd36e8fu),
    TABLE(0x62a95de6e302eff2u, 0xc552bbcdc605dfe4u, 0xa1fc51c8d49c2ca3u, 0x68a185c2f1afca2du,
          0xd1430b85e35f945au, 0x89df31589e28bbdfu, 0x38e744e264c6e4d5u, 0x71ce89c4c98dc9aau),
    TABLE(0x381d0015c96f4444u, 0x703a002b92de8888u, 0xe074005725bd1110u, 0xebb126fd13edb14bu,
          0xfc3b6ba97f4cf1fdu, 0xd32ff101a60e7091u, 0x8d06c450148b7249u, 0x3154aef3718177f9u),
};

/* XMODEM, 0x1021, most significant bit first. */
static const uint16_t crc16_table[256] =
    TABLE(0x1021, 0x2042, 0x4084, 0x8108, 0x1231, 0x2462, 0x48c4, 0x9188);

static uint32_t crc32c_by_table(uint32_t crc, const unsigned char *p, size_t len)
{
    for (; len >= 8; p += 8, len -= 8) {
        uint64_t v = load_u64(p) ^ crc;
        crc = STEP(crc32c_table, v);
    }
    for (; len > 0; p++, len--)
        crc = crc >> 8 ^ crc32c_table[0][(crc ^ *p) & 0xff];
    return crc;
}

#ifdef __x86_64__
__attribute__((target("sse4.2"))) static uint32_t crc32c_by_cpu(uint32_t crc, const unsigned char *p,
                                                                size_t len)
{
    uint64_t wide = crc;
    for (; len >= 8; p += 8, len -= 8)
        wide = __builtin_ia32_crc32di(wide, load_u64(p));
    crc = (uint32_t)wide;
    for (; len > 0; p++, len--)
        crc = __builtin_ia32_crc32qi(crc, *p);
    return crc;
}
#endif

uint32_t crc32c_portable(uint32_t crc, const void *data, size_t len)
{
    return ~crc32c_by_table(~crc, data, len);
}

uint32_t crc32c(uint32_t crc, const void *data, size_t len)
{
#ifdef __x86_64__
    if (__builtin_cpu_supports("sse4.2"))
        return ~crc32c_by_cpu(~crc, data, len);
#endif
    return crc32c_portable(crc, data, len);
}

uint64_t crc64_portable(uint64_t crc, const void *data, size_t len)
{
    const unsigned char *p = data;
    for (; len >= 8; p += 8, len -= 8) {
        uint64_t v = load_u64(p) ^ crc;
        crc = STEP(crc64_table, v);
    }
    for (; len > 0; p++, len--)
        crc = crc >> 8 ^ crc64_table[0][(crc ^ *p) & 0xff];
    return crc;
}

#ifdef __x86_64__
/* Folding (Gopal and others, "Fast CRC Computation Using PCLMULQDQ"): what 16 bytes contribute 128 bits later is their
 * product, without carries, with x^128, taken modulo the polynomial a half at a time. The bytes are congruent to the
 * input then, and few enough for the table. Bits are reflected, which makes every product one power too large: hence
 * x^191 and x^127. */
__attribute__((target("pclmul,sse2"))) static uint64_t crc64_by_cpu(uint64_t crc, const unsigned char *p,
                                                                    size_t len)
{
    const __m128i powers = _mm_set_epi64x(0x381d0015c96f4444, (long long)0xd9d7be7d505da32c);
    __m128i sum = _mm_xor_si128(_mm_loadu_si128((const void *)p), _mm_set_epi64x(0, (long long)crc));
    unsigned char rest[16];
    for (p += 16, len -= 16; len >= 16; p += 16, len -= 16) {
        __m128i first = _mm_clmulepi64_si128(sum, powers, 0x00);
        __m128i second = _mm_clmulepi64_si128(sum, powers, 0x11);
        sum = _mm_xor_si128(_mm_xor_si128(first, second), _mm_loadu_si128((const void *)p));
    }
    _mm_storeu_si128((void *)rest, sum);
    return crc64_portable(crc64_portable(0, rest, sizeof rest), p, len);
}
#endif

uint64_t crc64(uint64_t crc, const void *data, size_t len)
{
#ifdef __x86_64__
    if (len >= 64 && __builtin_cpu_supports("pclmul"))
        return crc64_by_cpu(crc, data, len);
#endif
    return crc64_portable(crc, data, len);
}

uint16_t crc16(const void *data, size_t len)
{
    const unsigned char *p = data;
    unsigned crc = 0;
    for (; len > 0; p++, len--)
        crc = (crc << 8 & 0xffff) ^ crc16_table[crc >> 8 ^ *p];
    return (uint16_t)crc;
}

/* A hash tag is what stands between the first `{` and the first `}` after it, unless that is nothing. */
uint16_t key_slot(const void *key, size_t len)
{
    const char *start = len ? memchr(key, '{', len) : NULL;
    if (start) {
        start++;
        size_t left = len - (size_t)(start - (const char *)key);
        const char *end = left ? memchr(start, '}', left) : NULL;
        if (end && end > start) {
            key = start;
            len = (size_t)(end - start);
        }
    }
    return crc16(key, len) & 0x3fff;
}
