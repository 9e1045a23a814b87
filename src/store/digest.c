/* The running digest of a database: a sum, so that neither order nor history counts, of one term for each
 * key's head (type, encoding, length, expiry) and one for each 4 KiB part of its value. Every term is keyed
 * by the hash of the key's name. A change subtracts the terms it touches and adds them again: APPEND to a
 * value of 100 MB costs one part, not the value.
 *
 * The mixing is a 64x64->128 bit multiplication folded, 16 bytes at a time: it finds divergence by accident,
 * it does not have to withstand an attacker. Versions are left out: they are raised by snapshots.
 *
 * What changes in memory by itself shows when its key is changed next, for then other terms are subtracted than were
 * added; or when all is read for a snapshot. */
#include "store/store_int.h"

#define PART_BYTES ((size_t)4096)
#define LANES      ((size_t)4)

static uint64_t fold(uint64_t a, uint64_t b)
{
    unsigned __int128 product = (unsigned __int128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static uint64_t read_u64(const char *at)
{
    uint64_t v;
    memcpy(&v, at, sizeof v);
    return v;
}

#define ODD_1 UINT64_C(0x9e3779b97f4a7c15)
#define ODD_2 UINT64_C(0xd1b54a32d192ed03)
#define ODD_3 UINT64_C(0xabc98388fb8fac03)

static uint64_t part_key(uint64_t hash, size_t part)
{
    return hash + (part + 1) * ODD_2;
}

static uint64_t mix_bytes(uint64_t key, const char *data, size_t len)
{
    uint64_t acc = fold(key ^ ODD_1, len ^ ODD_2);
    for (; len >= 16; data += 16, len -= 16)
        acc = fold(read_u64(data) ^ ODD_2, read_u64(data + 8) ^ acc);
    if (len) {
        char tail[16] = {0};
        memcpy(tail, data, len);
        acc = fold(read_u64(tail) ^ ODD_3, read_u64(tail + 8) ^ acc);
    }
    return fold(acc ^ ODD_1, ODD_3);
}

/* The sum of mix_bytes over LANES whole parts. Within one part each multiplication waits for the one before it; side by side they
 * fill each other's gaps. */
static uint64_t mix_parts(uint64_t hash, size_t first, const char *data)
{
    uint64_t acc[LANES], sum = 0;
    for (size_t i = 0; i < LANES; i++)
        acc[i] = fold(part_key(hash, first + i) ^ ODD_1, PART_BYTES ^ ODD_2);
    for (const char *end = data + PART_BYTES; data < end; data += 16)
#pragma GCC unroll 4
        for (size_t i = 0; i < LANES; i++) {
            const char *at = data + i * PART_BYTES;
            acc[i] = fold(read_u64(at) ^ ODD_2, read_u64(at + 8) ^ acc[i]);
        }
    for (size_t i = 0; i < LANES; i++)
        sum += fold(acc[i] ^ ODD_1, ODD_3);
    return sum;
}

uint64_t digest_head(uint64_t hash, const struct store_key *k)
{
    enum encoding enc = key_encoding(k);
    uint64_t len = k->value_len;
    if (enc == ENC_BIG) {
        enc = ENC_RAW;
        len = key_big(k).len;
    }
    uint64_t kind = (uint64_t)store_key_type(k) << 8 | enc;
    uint64_t acc = fold(hash ^ ODD_3, kind ^ ODD_1);
    acc = fold(acc ^ len, key_at_ms(k) ^ ODD_2);
    return fold(acc ^ k->key_len, ODD_1);
}

uint64_t digest_value(uint64_t hash, const struct store_key *k, size_t from, size_t to)
{
    const char *data = key_value(k);
    size_t len = k->value_len;
    if (key_encoding(k) == ENC_BIG) {
        struct big_value big = key_big(k);
        data = big.data;
        len = big.len;
    }
    uint64_t sum = 0;
    if (to > len)
        to = len;
    size_t at = from - from % PART_BYTES;
    for (; at < to && to - at >= LANES * PART_BYTES; at += LANES * PART_BYTES)
        sum += mix_parts(hash, at / PART_BYTES, data + at);
    for (; at < to; at += PART_BYTES) {
        size_t part = len - at < PART_BYTES ? len - at : PART_BYTES;
        sum += mix_bytes(part_key(hash, at / PART_BYTES), data + at, part);
    }
    return sum;
}

uint64_t store_digest(const struct store *s)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < s->db_count; i++)
        if (s->dbs[i].count)
            sum += fold(s->dbs[i].digest ^ ODD_1, ODD_2 + 2 * (uint64_t)i);
    return sum;
}

bool store_is_sound(const struct store *s)
{
    for (uint32_t d = 0; d < s->db_count; d++) {
        uint64_t sum = 0;
        for (uint32_t i = 0; i < s->dbs[d].count; i++) {
            const struct store_key *k = db_key(&s->dbs[d], i);
            uint64_t hash = key_hash(&s->seed, key_slice(k));
            sum += digest_head(hash, k) + digest_value(hash, k, 0, SIZE_MAX);
        }
        if (sum != s->dbs[d].digest)
            return false;
    }
    return true;
}
