/* The newest entries in memory, as the blocks they were proposed or received in. Followers that keep up are
 * served from here, and apply reads from here; the rest is read back from the journal. */
#include "base/alloc.h"
#include "node/node_int.h"

#include <assert.h>

static struct raft_block *at(const struct cache *c, size_t i)
{
    assert(i < c->count);
    return &c->blocks[(c->head + i) & (c->cap - 1)];
}

static void grow(struct cache *c)
{
    size_t cap = c->cap ? c->cap * 2 : 256;
    struct raft_block *blocks = mem_alloc(cap * sizeof(*blocks));
    for (size_t i = 0; i < c->count; i++)
        blocks[i] = *at(c, i);
    mem_free(c->blocks);
    c->blocks = blocks;
    c->head = 0;
    c->cap = cap;
}

void cache_add(struct cache *c, const struct raft_block *block)
{
    assert(block->last >= block->first);
    assert(c->count == 0 || at(c, c->count - 1)->last + 1 == block->first);
    if (c->count == c->cap)
        grow(c);
    c->count++;
    *at(c, c->count - 1) = *block;
    blob_ref(block->blob);
    c->bytes += block->len;
}

static void drop_last(struct cache *c)
{
    struct raft_block *b = at(c, c->count - 1);
    c->bytes -= b->len;
    blob_unref(b->blob);
    c->count--;
}

static void drop_first(struct cache *c)
{
    struct raft_block *b = at(c, 0);
    c->bytes -= b->len;
    blob_unref(b->blob);
    c->head = (c->head + 1) & (c->cap - 1);
    c->count--;
}

void cache_clear(struct cache *c)
{
    while (c->count)
        drop_last(c);
}

void cache_deinit(struct cache *c)
{
    cache_clear(c);
    mem_free(c->blocks);
    *c = (struct cache){0};
}

/* The bytes of entries first..last of a block; frames are walked, since they carry their own length. */
struct raft_block block_slice(const struct raft_block *b, uint64_t first, uint64_t last)
{
    assert(first >= b->first && last <= b->last && first <= last);
    if (first == b->first && last == b->last)
        return *b;
    size_t from = b->offset, to = b->offset;
    for (uint64_t i = b->first; i <= last; i++) {
        if (i == first)
            from = to;
        to += load_u32(b->blob->data + to);
    }
    return (struct raft_block){
        .first = first, .last = last, .blob = b->blob, .offset = from, .len = to - from};
}

void cache_cut(struct cache *c, uint64_t from)
{
    while (c->count && at(c, c->count - 1)->first >= from)
        drop_last(c);
    if (c->count == 0)
        return;
    struct raft_block *b = at(c, c->count - 1);
    if (b->last < from)
        return;
    struct raft_block kept = block_slice(b, b->first, from - 1);
    c->bytes -= b->len - kept.len;
    *b = kept;
}

void cache_trim(struct cache *c, uint64_t upto, size_t max_bytes)
{
    while (c->count && c->bytes > max_bytes && at(c, 0)->last <= upto)
        drop_first(c);
}

/* The place of the block that holds `index`; blocks are in order, so a binary search does. */
static size_t find(const struct cache *c, uint64_t index)
{
    size_t low = 0, high = c->count;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (at(c, mid)->last < index)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

size_t cache_gather(const struct cache *c, uint64_t first, uint64_t last, struct raft_block *out, size_t max)
{
    assert(first <= last);
    if (c->count == 0 || first < at(c, 0)->first || last > at(c, c->count - 1)->last)
        return 0;
    size_t n = 0;
    for (size_t i = find(c, first); i < c->count && at(c, i)->first <= last; i++) {
        if (n == max)
            return 0;
        const struct raft_block *b = at(c, i);
        out[n++] = block_slice(b, b->first > first ? b->first : first, b->last < last ? b->last : last);
    }
    return n;
}

bool cache_from(const struct cache *c, uint64_t first, uint64_t last, struct raft_block *out)
{
    if (c->count == 0 || first < at(c, 0)->first || first > at(c, c->count - 1)->last)
        return false;
    const struct raft_block *b = at(c, find(c, first));
    *out = block_slice(b, first, b->last < last ? b->last : last);
    return true;
}
