/* The index: hash -> place in the key array, by linear hashing.
 *
 * A bucket is a cache line of twelve entries: a one-byte tag from the hash's top bits (0: empty) and a 32-bit
 * place. A full bucket chains to an overflow bucket. Entries are packed from the front of the chain, so a
 * search ends at the first empty tag.
 *
 * With n buckets, and m the largest power of two <= n, a hash's bucket is hash % 2m if that is < n, else hash
 * % m. Growing by one bucket splits bucket n - m between itself and the new one, n; shrinking merges them
 * again. Each insertion does at most one split, so growth costs every call the same: a dozen keys are looked
 * at.
 *
 * Memory: SPLIT_AT keys a bucket on average gives about 8 bytes a key, overflow included. */
#include "store/store_int.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#define BUCKET_ENTRIES 12
#define SPLIT_AT       10 /* average keys a bucket that makes the table grow ... */
#define MERGE_AT       4  /* ... and shrink */

struct bucket {
    uint8_t tags[BUCKET_ENTRIES];
    uint32_t next; /* number of the overflow bucket, 0: none */
    uint32_t places[BUCKET_ENTRIES];
};

_Static_assert(sizeof(struct bucket) == 64, "a bucket is a cache line");

static uint8_t tag_of(uint64_t hash)
{
    uint8_t tag = (uint8_t)(hash >> 56);
    return tag ? tag : 1;
}

static struct bucket *bucket_at(const struct index *ix, uint32_t i)
{
    return segments_at(&ix->buckets, i, sizeof(struct bucket));
}

static struct bucket *overflow_at(const struct index *ix, uint32_t i)
{
    return segments_at(&ix->overflow, i, sizeof(struct bucket));
}

static struct bucket *next_of(const struct index *ix, const struct bucket *b)
{
    return b->next ? overflow_at(ix, b->next) : NULL;
}

static uint32_t low_power(uint32_t n)
{
    return UINT32_C(1) << (31 - __builtin_clz(n));
}

static uint32_t bucket_number(const struct index *ix, uint64_t hash)
{
    uint32_t m = low_power(ix->bucket_count);
    uint32_t i = (uint32_t)(hash & (2 * (uint64_t)m - 1));
    return i < ix->bucket_count ? i : i & (m - 1);
}

/* Bit i: entry i has this tag. */
static uint32_t match_tags(const struct bucket *b, uint8_t tag)
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

uint32_t index_find(const struct store_db *db, uint64_t hash, struct slice key)
{
    const struct index *ix = &db->index;
    if (!ix->bucket_count)
        return PLACE_NONE;
    uint8_t tag = tag_of(hash);
    for (struct bucket *b = bucket_at(ix, bucket_number(ix, hash)); b; b = next_of(ix, b)) {
        for (uint32_t bits = match_tags(b, tag); bits; bits &= bits - 1) {
            uint32_t place = b->places[__builtin_ctz(bits)];
            const struct store_key *k = db_key(db, place);
            if (k->key_len == key.len && (!key.len || memcmp(key_bytes(k), key.data, key.len) == 0))
                return place;
        }
    }
    return PLACE_NONE;
}

void index_prefetch(const struct store_db *db, uint64_t hash)
{
    __builtin_prefetch(bucket_at(&db->index, bucket_number(&db->index, hash)));
}

uint32_t index_likely(const struct store_db *db, uint64_t hash)
{
    const struct bucket *b = bucket_at(&db->index, bucket_number(&db->index, hash));
    uint32_t bits = match_tags(b, tag_of(hash));
    return bits ? b->places[__builtin_ctz(bits)] : PLACE_NONE;
}

static uint32_t overflow_new(struct index *ix)
{
    uint32_t n = ix->overflow_free;
    if (n) {
        struct bucket *b = overflow_at(ix, n);
        ix->overflow_free = b->next;
        memset(b, 0, sizeof *b);
        return n;
    }
    if (!ix->overflow_count)
        ix->overflow_count = 1; /* number 0 means none */
    n = ix->overflow_count++;
    segments_grow(&ix->overflow, ix->overflow_count, sizeof(struct bucket));
    memset(overflow_at(ix, n), 0, sizeof(struct bucket));
    return n;
}

static void chain_add(struct index *ix, struct bucket *b, uint8_t tag, uint32_t place)
{
    for (;;) {
        uint32_t empty = match_tags(b, 0);
        if (empty) {
            uint32_t i = (uint32_t)__builtin_ctz(empty);
            b->tags[i] = tag;
            b->places[i] = place;
            return;
        }
        if (!b->next) {
            uint32_t n = overflow_new(ix);
            b->next = n;
        }
        b = overflow_at(ix, b->next);
    }
}

/* A chain's entries taken out into a buffer, its overflow buckets freed, so that they can be dealt out again.
 * A chain is a few buckets long unless hashes collide on purpose, which a secret seed prevents. */
struct entry {
    uint8_t tag;
    uint32_t place;
};

static size_t chain_length(const struct index *ix, const struct bucket *b)
{
    size_t n = 0;
    for (; b; b = next_of(ix, b))
        n += BUCKET_ENTRIES;
    return n;
}

static size_t chain_take(struct index *ix, struct bucket *first, struct entry *out)
{
    size_t n = 0;
    for (struct bucket *b = first; b; b = next_of(ix, b))
        for (size_t i = 0; i < BUCKET_ENTRIES && b->tags[i]; i++)
            out[n++] = (struct entry){b->tags[i], b->places[i]};
    for (uint32_t i = first->next; i;) {
        struct bucket *b = overflow_at(ix, i);
        uint32_t next = b->next;
        b->next = ix->overflow_free;
        ix->overflow_free = i;
        i = next;
    }
    memset(first, 0, sizeof *first);
    return n;
}

static void split(struct store_db *db)
{
    struct index *ix = &db->index;
    uint32_t fresh = ix->bucket_count;
    uint32_t from = fresh - low_power(fresh);
    segments_grow(&ix->buckets, (size_t)fresh + 1, sizeof(struct bucket));
    ix->bucket_count++;
    memset(bucket_at(ix, fresh), 0, sizeof(struct bucket));
    struct bucket *old = bucket_at(ix, from);
    struct entry few[4 * BUCKET_ENTRIES], *entries = few;
    size_t room = chain_length(ix, old);
    if (room > sizeof few / sizeof *few)
        entries = mem_alloc(room * sizeof *entries);
    size_t n = chain_take(ix, old, entries);
    for (size_t i = 0; i < n; i++)
        __builtin_prefetch(db_slot(db, entries[i].place));
    for (size_t i = 0; i < n; i++)
        __builtin_prefetch(db_key(db, entries[i].place));
    for (size_t i = 0; i < n; i++) {
        uint64_t hash = key_hash(&db->store->seed, key_slice(db_key(db, entries[i].place)));
        chain_add(ix, bucket_at(ix, bucket_number(ix, hash)), entries[i].tag, entries[i].place);
    }
    if (entries != few)
        mem_free(entries);
}

static void merge(struct store_db *db)
{
    struct index *ix = &db->index;
    uint32_t last = ix->bucket_count - 1;
    uint32_t into = last - low_power(last);
    struct bucket *gone = bucket_at(ix, last);
    struct entry few[4 * BUCKET_ENTRIES], *entries = few;
    size_t room = chain_length(ix, gone);
    if (room > sizeof few / sizeof *few)
        entries = mem_alloc(room * sizeof *entries);
    size_t n = chain_take(ix, gone, entries);
    ix->bucket_count--;
    for (size_t i = 0; i < n; i++)
        chain_add(ix, bucket_at(ix, into), entries[i].tag, entries[i].place);
    if (entries != few)
        mem_free(entries);
    segments_shrink(&ix->buckets, ix->bucket_count, sizeof(struct bucket));
}

void index_insert(struct store_db *db, uint64_t hash, uint32_t place)
{
    struct index *ix = &db->index;
    if (!ix->bucket_count) {
        segments_grow(&ix->buckets, 1, sizeof(struct bucket));
        ix->bucket_count = 1;
    }
    chain_add(ix, bucket_at(ix, bucket_number(ix, hash)), tag_of(hash), place);
    if (db->count >= (uint64_t)ix->bucket_count * SPLIT_AT)
        split(db);
}

/* The bucket and entry that hold `place`; it is there. */
static struct bucket *locate(const struct index *ix, uint64_t hash, uint32_t place, uint32_t *entry)
{
    uint8_t tag = tag_of(hash);
    struct bucket *b = bucket_at(ix, bucket_number(ix, hash));
    for (;; b = next_of(ix, b)) {
        assert(b);
        for (uint32_t bits = match_tags(b, tag); bits; bits &= bits - 1) {
            *entry = (uint32_t)__builtin_ctz(bits);
            if (b->places[*entry] == place)
                return b;
        }
    }
}

void index_move(struct store_db *db, uint64_t hash, uint32_t from, uint32_t to)
{
    uint32_t i;
    struct bucket *b = locate(&db->index, hash, from, &i);
    b->places[i] = to;
}

/* Fills the hole with the last entry of the chain, and gives an emptied overflow bucket back. */
void index_remove(struct store_db *db, uint64_t hash, uint32_t place)
{
    struct index *ix = &db->index;
    uint32_t i;
    struct bucket *b = locate(ix, hash, place, &i);
    if (!db->count) {
        index_deinit(ix); /* overflow buckets are given back only now */
        return;
    }
    struct bucket *tail = b, *before = NULL;
    for (struct bucket *walk = bucket_at(ix, bucket_number(ix, hash)); walk; walk = next_of(ix, walk)) {
        if (walk->next)
            before = walk;
        tail = walk;
    }
    uint32_t empty = match_tags(tail, 0);
    uint32_t last = (empty ? (uint32_t)__builtin_ctz(empty) : BUCKET_ENTRIES) - 1;
    b->tags[i] = tail->tags[last];
    b->places[i] = tail->places[last];
    tail->tags[last] = 0;
    if (last == 0 && before) {
        uint32_t number = before->next;
        before->next = 0;
        tail->next = ix->overflow_free;
        ix->overflow_free = number;
    }
    if (ix->bucket_count > 1 && db->count < (uint64_t)ix->bucket_count * MERGE_AT)
        merge(db);
}

void index_deinit(struct index *ix)
{
    segments_deinit(&ix->buckets);
    segments_deinit(&ix->overflow);
    *ix = (struct index){.bucket_count = 0};
}

size_t index_bytes(const struct index *ix)
{
    return segments_bytes(&ix->buckets) + segments_bytes(&ix->overflow);
}
