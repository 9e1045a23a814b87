/* Arrays in segments; the idea is in the header. */
#include "store/segments.h"

#include "base/alloc.h"

void segments_resize(struct segments *a, size_t count)
{
    while (a->count > count)
        mem_free(a->list[--a->count]);
    while (a->count < count) {
        if (a->count == a->cap) {
            a->cap = a->cap ? a->cap * 2 : 4;
            a->list = mem_realloc(a->list, a->cap * sizeof *a->list);
        }
        a->list[a->count++] = mem_calloc(1, SEGMENT_BYTES);
    }
}

void segments_deinit(struct segments *a)
{
    while (a->count)
        mem_free(a->list[--a->count]);
    mem_free(a->list);
    *a = (struct segments){NULL, 0, 0};
}

size_t segments_bytes(const struct segments *a)
{
    return (size_t)a->count * SEGMENT_BYTES + (size_t)a->cap * sizeof *a->list;
}
