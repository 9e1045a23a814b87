/* The index of a dense array of items: hash -> place, by linear hashing. Keyspaces have one, and so has every large hash,
 * set and sorted set.
 *
 * A bucket is a cache line of twelve entries: a one-byte tag from the hash's top bits (0: empty) and a 32-bit
 * place. A full bucket chains to an overflow bucket. Entries are packed from the front of the chain, so a
 * search ends at the first empty tag.
 *
 * With n buckets, and m the largest power of two <= n, a hash's bucket is hash % 2m if that is < n, else hash
 * % m. Growing by one bucket splits bucket n - m between itself and the new one, n; shrinking merges them
 * again. Each insertion does at most one split, so growth costs every call the same: a dozen items are looked
 * at.
 *
 * Memory: ten items a bucket on average before it is split gives about 8 bytes an item, overflow included. */
#ifndef STORE_INDEX_H
#define STORE_INDEX_H

#include <string.h>

#include "base/bytes.h"
#include "base/checksum.h"
#include "store/segments.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#define PLACE_NONE     UINT32_MAX
#define BUCKET_ENTRIES 12

struct bucket {
    uint8_t tags[BUCKET_ENTRIES];
    uint32_t next; /* number of the overflow bucket, 0: none */
    uint32_t places[BUCKET_ENTRIES];
};

_Static_assert(sizeof(struct bucket) == 64, "a bucket is a cache line");

struct index {
    struct segments buckets;  /* of struct bucket */
    struct segments overflow; /* of struct bucket; number 0 is never used, so 0 says "none" */
    uint32_t bucket_count;    /* 0: nothing allocated yet */
    uint32_t overflow_count, overflow_free;
};

/* What the index belongs to: its items are hashed by their keys. */
typedef struct slice index_key_fn(const void *item);
struct indexed {
    const struct segments *items; /* of pointers to items */
    uint32_t count;               /* of items, after the change at hand */
    index_key_fn *key_of;
    struct hash_seed seed;
};

void index_insert(struct index *ix, const struct indexed *of, uint64_t hash, uint32_t place);
void index_remove(struct index *ix, const struct indexed *of, uint64_t hash, uint32_t place);
void index_move(struct index *ix, uint64_t hash, uint32_t from, uint32_t to);
void index_deinit(struct index *ix);
size_t index_bytes(const struct index *ix);

static inline uint8_t index_tag(uint64_t hash)
{
    uint8_t tag = (uint8_t)(hash >> 56);
    return tag ? tag : 1;
}

static inline uint32_t index_low_power(uint32_t n)
{
    return UINT32_C(1) << (31 - __builtin_clz(n));
}

static inline struct bucket *index_overflow(const struct index *ix, uint32_t i)
{
    return segments_at(&ix->overflow, i, sizeof(struct bucket));
}

static inline struct bucket *index_next(const struct index *ix, const struct bucket *b)
{
    return b->next ? index_overflow(ix, b->next) : NULL;
}

/* The first bucket of a hash's chain; there must be buckets. */
static inline struct bucket *index_bucket(const struct index *ix, uint64_t hash)
{
    uint32_t m = index_low_power(ix->bucket_count);
    uint32_t i = (uint32_t)(hash & (2 * (uint64_t)m - 1));
    return segments_at(&ix->buckets, i < ix->bucket_count ? i : i & (m - 1), sizeof(struct bucket));
}

/* Bit i: entry i has this tag. */
static inline uint32_t index_match(const struct bucket *b, uint8_t tag)
{
#ifdef __SSE2__
    __m128i have =
        _mm_loadu_si128((const __m128i *)(const void *)b->tags); /* the last four bytes are `next` */
    __m128i same = _mm_cmpeq_epi8(have, _mm_set1_epi8((char)tag));
    return (uint32_t)_mm_movemask_epi8(same) & ((1u << BUCKET_ENTRIES) - 1);
#else
    uint32_t bits = 0;
    for (uint32_t i = 0; i < BUCKET_ENTRIES; i++)
        bits |= (uint32_t)(b->tags[i] == tag) << i;
    return bits;
#endif
}

/* The place of the item with this key; PLACE_NONE: absent. Inlined, so that `key_of` is. */
static inline __attribute__((always_inline)) uint32_t index_find(const struct index *ix, uint64_t hash,
                                                                 const struct segments *items,
                                                                 index_key_fn *key_of, struct slice key)
{
    if (!ix->bucket_count)
        return PLACE_NONE;
    uint8_t tag = index_tag(hash);
    for (const struct bucket *b = index_bucket(ix, hash); b; b = index_next(ix, b)) {
        for (uint32_t bits = index_match(b, tag); bits; bits &= bits - 1) {
            uint32_t place = b->places[__builtin_ctz(bits)];
            struct slice have = key_of(*(void **)segments_at(items, place, sizeof(void *)));
            if (slice_equal(have, key))
                return place;
        }
    }
    return PLACE_NONE;
}

/* For looking ahead, when there are items: fetches the bucket; then, of what stands in it, where an item of this hash
 * most likely is (PLACE_NONE: nowhere in it). */
static inline void index_prefetch(const struct index *ix, uint64_t hash)
{
    __builtin_prefetch(index_bucket(ix, hash));
}

static inline uint32_t index_likely(const struct index *ix, uint64_t hash)
{
    const struct bucket *b = index_bucket(ix, hash);
    uint32_t bits = index_match(b, index_tag(hash));
    return bits ? b->places[__builtin_ctz(bits)] : PLACE_NONE;
}

#endif
