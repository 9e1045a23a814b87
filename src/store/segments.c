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
    if (i == a->cap) {
        a->cap = a->cap ? a->cap * 2 : 2;
        a->list = mem_realloc(a->list, a->cap * sizeof *a->list);
    }
    char **at = &a->list[i];
    if (!is_allocation(i))
        *at = a->list[i - 1] + SEGMENT_BYTES;
    else
        *at = i < HUGE_SEGMENTS ? mem_alloc(SEGMENT_BYTES) : mem_alloc_huge();
    memset(*at, 0, SEGMENT_BYTES);
    a->room += SEGMENT_BYTES;
}

static void drop(struct segments *a)
{
    if (is_allocation(--a->count))
        mem_free(a->list[a->count]);
    a->room -= SEGMENT_BYTES;
}

/* The only segment, as long as it is not whole. */
static void resize_first(struct segments *a, size_t bytes)
{
    if (!a->cap) {
        a->cap = 1;
        a->list = mem_calloc(1, sizeof *a->list);
    }
    a->list[0] = mem_realloc(a->count ? a->list[0] : NULL, bytes);
    if (bytes > a->room)
        memset(a->list[0] + a->room, 0, bytes - a->room);
    a->room = bytes;
    a->count = 1;
}

/* Half as much again, in cache lines, up to a whole segment. */
static size_t first_bytes(const struct segments *a, size_t bytes)
{
    if (bytes > a->room && bytes < a->room + a->room / 2)
        bytes = a->room + a->room / 2;
    bytes = (bytes + 63) / 64 * 64;
    return bytes > SEGMENT_BYTES / 2 ? SEGMENT_BYTES : bytes;
}

void segments_resize(struct segments *a, size_t bytes)
{
    size_t count = (bytes + SEGMENT_BYTES - 1) / SEGMENT_BYTES;
    while (a->count > 1 && a->count > count)
        drop(a);
    if (a->count <= 1)
        resize_first(a, first_bytes(a, bytes < SEGMENT_BYTES ? bytes : SEGMENT_BYTES));
    while (a->count < count)
        add(a);
}

void segments_deinit(struct segments *a)
{
    while (a->count > 1)
        drop(a);
    if (a->count)
        mem_free(a->list[0]);
    mem_free(a->list);
    *a = (struct segments){NULL, 0, 0, 0};
}

size_t segments_bytes(const struct segments *a)
{
    size_t beyond = a->count > 1 ? a->count - 1 : 0;
    if (a->count > HUGE_SEGMENTS)
        beyond = (a->count + HUGE_SEGMENTS - 1) / HUGE_SEGMENTS * HUGE_SEGMENTS - 1;
    return beyond * SEGMENT_BYTES +
           (a->count == 1 ? a->room
            : a->count    ? SEGMENT_BYTES
                          : 0) +
           (size_t)a->cap * sizeof *a->list;
}
