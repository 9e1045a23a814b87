/* Arrays in segments; the idea is in the header. */
#include "store/segments.h"

#include <stdbool.h>
#include <string.h>

#include "base/alloc.h"

enum { HUGE_SEGMENTS = MEM_HUGE_BYTES / SEGMENT_BYTES };

/* Segments below HUGE_SEGMENTS are allocated one by one; of those beyond, each group of HUGE_SEGMENTS is an allocation
 * that its first one stands for. */
static bool is_allocation(uint32_t i)
{
    return i < HUGE_SEGMENTS || i % HUGE_SEGMENTS == 0;
}

static void add(struct segments *a)
{
    uint32_t i = a->count++;
    char **at = &a->list[i];
    if (!is_allocation(i))
        *at = a->list[i - 1] + SEGMENT_BYTES;
    else
        *at = i < HUGE_SEGMENTS ? mem_alloc(SEGMENT_BYTES) : mem_alloc_huge();
    memset(*at, 0, SEGMENT_BYTES);
}

static void drop(struct segments *a)
{
    if (is_allocation(--a->count))
        mem_free(a->list[a->count]);
}

void segments_resize(struct segments *a, size_t count)
{
    while (a->count > count)
        drop(a);
    while (a->count < count) {
        if (a->count == a->cap) {
            a->cap = a->cap ? a->cap * 2 : 4;
            a->list = mem_realloc(a->list, a->cap * sizeof *a->list);
        }
        add(a);
    }
}

void segments_deinit(struct segments *a)
{
    segments_resize(a, 0);
    mem_free(a->list);
    *a = (struct segments){NULL, 0, 0};
}

size_t segments_bytes(const struct segments *a)
{
    size_t count = a->count;
    if (count > HUGE_SEGMENTS)
        count = (count + HUGE_SEGMENTS - 1) / HUGE_SEGMENTS * HUGE_SEGMENTS;
    return count * SEGMENT_BYTES + (size_t)a->cap * sizeof *a->list;
}
