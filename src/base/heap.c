/* Binary min-heap in an array: the children of i are 2i+1 and 2i+2. */
#include "base/heap.h"

#include <assert.h>

#include "base/alloc.h"

static void nobody_asks(void *item, uint32_t place)
{
    (void)item;
    (void)place;
}

void heap_init(struct heap *h, int (*compare)(const void *, const void *), void (*moved)(void *, uint32_t))
{
    *h = (struct heap){.compare = compare, .moved = moved ? moved : nobody_asks};
}

void heap_deinit(struct heap *h)
{
    mem_free(h->items);
    h->items = NULL;
    h->count = h->cap = 0;
}

static void put(struct heap *h, void *item, size_t place)
{
    h->items[place] = item;
    h->moved(item, (uint32_t)place);
}

/* Both sifts move a hole instead of swapping: each element on the way is written and told once. */
static void sift_up(struct heap *h, void *item, size_t hole)
{
    while (hole > 0) {
        size_t parent = (hole - 1) / 2;
        if (h->compare(h->items[parent], item) <= 0)
            break;
        put(h, h->items[parent], hole);
        hole = parent;
    }
    put(h, item, hole);
}

static void sift_down(struct heap *h, void *item, size_t hole)
{
    for (;;) {
        size_t child = 2 * hole + 1;
        if (child >= h->count)
            break;
        if (child + 1 < h->count && h->compare(h->items[child + 1], h->items[child]) < 0)
            child++;
        if (h->compare(item, h->items[child]) <= 0)
            break;
        put(h, h->items[child], hole);
        hole = child;
    }
    put(h, item, hole);
}

static void settle(struct heap *h, void *item, size_t hole)
{
    if (hole > 0 && h->compare(item, h->items[(hole - 1) / 2]) < 0)
        sift_up(h, item, hole);
    else
        sift_down(h, item, hole);
}

void heap_push(struct heap *h, void *item)
{
    assert(h->count < UINT32_MAX);
    if (h->count == h->cap) {
        h->cap = h->cap ? h->cap * 2 : 16;
        h->items = mem_realloc(h->items, h->cap * sizeof *h->items);
    }
    h->count++;
    sift_up(h, item, h->count - 1);
}

void *heap_peek(const struct heap *h)
{
    return h->count ? h->items[0] : NULL;
}

void *heap_pop(struct heap *h)
{
    void *least = heap_peek(h);
    if (least)
        heap_remove(h, 0);
    return least;
}

void heap_remove(struct heap *h, uint32_t place)
{
    assert(place < h->count);
    void *last = h->items[--h->count];
    if (place < h->count)
        settle(h, last, place);
}

void heap_update(struct heap *h, uint32_t place)
{
    assert(place < h->count);
    settle(h, h->items[place], place);
}
