/* An array in segments of 8 KiB: growing adds one, shrinking frees one, nothing is ever copied but the short
 * list of segments itself. Item sizes are powers of two. Beyond the first 2 MiB segments lie side by side in huge
 * pages, for large tables are read all over the place. A page that is written while a snapshot's child holds it too
 * costs a copy of 4 KiB like any other, as Linux since 5.8 splits it first; it is put together again in its own time. */
#ifndef STORE_SEGMENTS_H
#define STORE_SEGMENTS_H

#include <stddef.h>
#include <stdint.h>

#define SEGMENT_BYTES 8192u

struct segments {
    char **list;
    uint32_t count, cap; /* segments allocated; room in the list */
};

static inline void *segments_at(const struct segments *a, size_t i, size_t item_size)
{
    size_t per_segment = SEGMENT_BYTES / item_size;
    return a->list[i / per_segment] + i % per_segment * item_size;
}

static inline size_t segments_for(size_t items, size_t item_size)
{
    size_t per_segment = SEGMENT_BYTES / item_size;
    return (items + per_segment - 1) / per_segment;
}

void segments_resize(struct segments *a, size_t count);

/* Makes room for `items`; new memory is zero. */
static inline void segments_grow(struct segments *a, size_t items, size_t item_size)
{
    size_t want = segments_for(items, item_size);
    if (a->count < want)
        segments_resize(a, want);
}

/* Frees segments beyond `items`, but keeps a spare one so that going to and fro at a border costs nothing. */
static inline void segments_shrink(struct segments *a, size_t items, size_t item_size)
{
    size_t want = segments_for(items, item_size) + 1;
    if (a->count > want)
        segments_resize(a, want);
}

void segments_deinit(struct segments *a);
size_t segments_bytes(const struct segments *a);

#endif
