/* The running digest of a database: a sum, so that neither order nor history counts, of one term for each
 * key's head (type, encoding, length, expiry) and one for each 4 KiB part of its value. Every term is keyed
 * by the hash of the key's name. A change subtracts the terms it touches and adds them again: APPEND to a
 * value of 100 MB costs one part, not the value.
 *
 * Collections keep a digest of their elements up themselves, the same whatever their encoding. Bytes are mixed 16 at a
 * time. Versions are left out: they are raised by snapshots.
 *
 * What changes in memory by itself shows when its key is changed next, for then other terms are subtracted than were
 * added; or when all is read for a snapshot. */
#include "store/mix.h"
#include "store/store_int.h"
#include "store/value.h"

#define PART_BYTES ((size_t)4096)
#define LANES      ((size_t)4)

static uint64_t read_u64(const char *at)
{
    uint64_t v;
    memcpy(&v, at, sizeof v);
    return v;
}

static uint64_t part_key(uint64_t hash, size_t part)
{
    return hash + (part + 1) * MIX_2;
}

uint64_t mix_bytes(uint64_t key, const char *data, size_t len)
{
    uint64_t acc = mix_fold(key ^ MIX_1, len ^ MIX_2);
    for (; len >= 16; data += 16, len -= 16)
        acc = mix_fold(read_u64(data) ^ MIX_2, read_u64(data + 8) ^ acc);
    if (len) {
        char tail[16] = {0};
        memcpy(tail, data, len);
        acc = mix_fold(read_u64(tail) ^ MIX_3, read_u64(tail + 8) ^ acc);
    }
    return mix_fold(acc ^ MIX_1, MIX_3);
}

/* The sum of mix_bytes over LANES whole parts. Within one part each multiplication waits for the one before it; side by side they
 * fill each other's gaps. */
static uint64_t mix_parts(uint64_t hash, size_t first, const char *data)
{
    uint64_t acc[LANES], sum = 0;
    for (size_t i = 0; i < LANES; i++)
        acc[i] = mix_fold(part_key(hash, first + i) ^ MIX_1, PART_BYTES ^ MIX_2);
    for (const char *end = data + PART_BYTES; data < end; data += 16)
#pragma GCC unroll 4
        for (size_t i = 0; i < LANES; i++) {
            const char *at = data + i * PART_BYTES;
            acc[i] = mix_fold(read_u64(at) ^ MIX_2, read_u64(at + 8) ^ acc[i]);
        }
    for (size_t i = 0; i < LANES; i++)
        sum += mix_fold(acc[i] ^ MIX_1, MIX_3);
    return sum;
}

uint64_t digest_head(uint64_t hash, const struct store_key *k)
{
    enum encoding enc = key_encoding(k);
    uint64_t len = k->value_len;
    if (enc == ENC_BIG) {
        enc = ENC_RAW;
        len = key_big(k).len;
    } else if (key_is_collection(k)) {
        len = store_key_size(k);
    }
    uint64_t kind = (uint64_t)store_key_type(k) << 8 | enc;
    uint64_t acc = mix_fold(hash ^ MIX_3, kind ^ MIX_1);
    acc = mix_fold(acc ^ len, key_at_ms(k) ^ MIX_2);
    return mix_fold(acc ^ k->key_len, MIX_1);
}

uint64_t digest_value(uint64_t hash, const struct store_key *k, size_t from, size_t to)
{
    if (key_is_collection(k))
        return mix_fold(hash ^ MIX_2, store_collection(k).digest ^ MIX_3);
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
            sum += mix_fold(s->dbs[i].digest ^ MIX_1, MIX_2 + 2 * (uint64_t)i);
    return sum;
}

static bool is_collection_sound(const struct store_key *k)
{
    struct collection c = store_collection(k);
    return value_ops(store_key_type(k))->digest(&c) == c.digest;
}

bool store_is_sound(const struct store *s)
{
    for (uint32_t d = 0; d < s->db_count; d++) {
        uint64_t sum = 0;
        for (uint32_t i = 0; i < s->dbs[d].count; i++) {
            const struct store_key *k = db_key(&s->dbs[d], i);
            uint64_t hash = key_hash(&s->seed, key_slice(k));
            sum += digest_head(hash, k) + digest_value(hash, k, 0, SIZE_MAX);
            if (key_is_collection(k) && !is_collection_sound(k))
                return false;
        }
        if (sum != s->dbs[d].digest)
            return false;
    }
    return true;
}
