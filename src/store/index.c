/* Changing the index: insertions, removals, and the splits and merges that follow them. */
#include "store/index.h"

#include <assert.h>

#include "base/alloc.h"

#define SPLIT_AT 10 /* average items a bucket that makes the table grow ... */
#define MERGE_AT 4  /* ... and shrink */

static struct bucket *bucket_at(const struct index *ix, uint32_t i)
{
    return segments_at(&ix->buckets, i, sizeof(struct bucket));
}

static uint32_t overflow_new(struct index *ix)
{
    uint32_t n = ix->overflow_free;
    if (n) {
        struct bucket *b = index_overflow(ix, n);
        ix->overflow_free = b->next;
        memset(b, 0, sizeof *b);
        return n;
    }
    if (!ix->overflow_count)
        ix->overflow_count = 1; /* number 0 means none */
    n = ix->overflow_count++;
    segments_grow(&ix->overflow, ix->overflow_count, sizeof(struct bucket));
    memset(index_overflow(ix, n), 0, sizeof(struct bucket));
    return n;
}

/* A new overflow bucket may move the others. */
static void chain_add(struct index *ix, struct bucket *first, uint8_t tag, uint32_t place)
{
    struct bucket *b = first;
    uint32_t number = 0; /* of the overflow bucket that `b` is */
    for (;;) {
        uint32_t empty = index_match(b, 0);
        if (empty) {
            uint32_t i = (uint32_t)__builtin_ctz(empty);
            b->tags[i] = tag;
            b->places[i] = place;
            return;
        }
        uint32_t next = b->next;
        if (!next) {
            next = overflow_new(ix);
            b = number ? index_overflow(ix, number) : first;
            b->next = next;
        }
        number = next;
        b = index_overflow(ix, number);
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
    for (; b; b = index_next(ix, b))
        n += BUCKET_ENTRIES;
    return n;
}

static size_t chain_take(struct index *ix, struct bucket *first, struct entry *out)
{
    size_t n = 0;
    for (struct bucket *b = first; b; b = index_next(ix, b))
        for (size_t i = 0; i < BUCKET_ENTRIES && b->tags[i]; i++)
            out[n++] = (struct entry){b->tags[i], b->places[i]};
    for (uint32_t i = first->next; i;) {
        struct bucket *b = index_overflow(ix, i);
        uint32_t next = b->next;
        b->next = ix->overflow_free;
        ix->overflow_free = i;
        i = next;
    }
    memset(first, 0, sizeof *first);
    return n;
}

static const void *item_at(const struct indexed *of, uint32_t place)
{
    return *(void **)segments_at(of->items, place, sizeof(void *));
}

static void split(struct index *ix, const struct indexed *of)
{
    uint32_t fresh = ix->bucket_count;
    uint32_t from = fresh - index_low_power(fresh);
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
        __builtin_prefetch(segments_at(of->items, entries[i].place, sizeof(void *)));
    for (size_t i = 0; i < n; i++)
        __builtin_prefetch(item_at(of, entries[i].place));
    for (size_t i = 0; i < n; i++) {
        struct slice key = of->key_of(item_at(of, entries[i].place));
        uint64_t hash = siphash(&of->seed, key.data, key.len);
        chain_add(ix, index_bucket(ix, hash), entries[i].tag, entries[i].place);
    }
    if (entries != few)
        mem_free(entries);
}

static void merge(struct index *ix)
{
    uint32_t last = ix->bucket_count - 1;
    uint32_t into = last - index_low_power(last);
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

void index_insert(struct index *ix, const struct indexed *of, uint64_t hash, uint32_t place)
{
    if (!ix->bucket_count) {
        segments_grow(&ix->buckets, 1, sizeof(struct bucket));
        ix->bucket_count = 1;
    }
    chain_add(ix, index_bucket(ix, hash), index_tag(hash), place);
    if (of->count >= (uint64_t)ix->bucket_count * SPLIT_AT)
        split(ix, of);
}

/* The bucket and entry that hold `place`; it is there. */
static struct bucket *locate(const struct index *ix, uint64_t hash, uint32_t place, uint32_t *entry)
{
    uint8_t tag = index_tag(hash);
    struct bucket *b = index_bucket(ix, hash);
    for (;; b = index_next(ix, b)) {
        assert(b);
        for (uint32_t bits = index_match(b, tag); bits; bits &= bits - 1) {
            *entry = (uint32_t)__builtin_ctz(bits);
            if (b->places[*entry] == place)
                return b;
        }
    }
}

void index_move(struct index *ix, uint64_t hash, uint32_t from, uint32_t to)
{
    uint32_t i;
    struct bucket *b = locate(ix, hash, from, &i);
    b->places[i] = to;
}

/* Fills the hole with the last entry of the chain, and gives an emptied overflow bucket back. */
void index_remove(struct index *ix, const struct indexed *of, uint64_t hash, uint32_t place)
{
    uint32_t i;
    struct bucket *b = locate(ix, hash, place, &i);
    if (!of->count) {
        index_deinit(ix); /* overflow buckets are given back only now */
        return;
    }
    struct bucket *tail = b, *before = NULL;
    for (struct bucket *walk = index_bucket(ix, hash); walk; walk = index_next(ix, walk)) {
        if (walk->next)
            before = walk;
        tail = walk;
    }
    uint32_t empty = index_match(tail, 0);
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
    if (ix->bucket_count > 1 && of->count < (uint64_t)ix->bucket_count * MERGE_AT)
        merge(ix);
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
