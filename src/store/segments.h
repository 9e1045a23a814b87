/* An array in segments of 8 KiB: growing adds one, shrinking frees one, nothing is ever copied but the short
 * list of segments itself, and a first segment that is not whole yet: many arrays are small. Item sizes are powers of two. Beyond the first 2 MiB segments lie side by side in huge
 * pages, for large tables are read all over the place. A page that is written while a snapshot's child holds it too
 * costs a copy of 4 KiB like any other, as Linux since 5.8 splits it first; it is put together again in its own time. */
#ifndef STORE_SEGMENTS_H
#define STORE_SEGMENTS_H

#include <stddef.h>
#include <stdint.h>

#define SEGMENT_BYTES 8192u

struct segments {
    char **list;
    size_t room;         /* bytes */
    uint32_t count, cap; /* segments allocated; room in the list */
};

static inline void *segments_at(const struct segments *a, size_t i, size_t item_size)
{
    size_t per_segment = SEGMENT_BYTES / item_size;
    return a->list[i / per_segment] + i % per_segment * item_size;
}

void segments_resize(struct segments *a, size_t bytes);

/* Makes room for `items`; new memory is zero. Items may move as long as there is one segment. */
static inline void segments_grow(struct segments *a, size_t items, size_t item_size)
{
    if (a->room < items * item_size)
        segments_resize(a, items * item_size);
}

/* Frees what is beyond `items`, but keeps a spare segment, or half of a few, so that going to and fro at a border costs
 * nothing. */
static inline void segments_shrink(struct segments *a, size_t items, size_t item_size)
{
    const size_t few = 2 * (size_t)SEGMENT_BYTES;
    size_t bytes = items * item_size;
    if (a->room > few ? a->room - bytes >= few : bytes * 4 < a->room)
        segments_resize(a, a->room > few ? bytes + SEGMENT_BYTES : bytes * 2);
}

void segments_deinit(struct segments *a);
size_t segments_bytes(const struct segments *a);

#endif
