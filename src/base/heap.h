/* A binary min-heap of pointers that keeps each element's place inside the element, so that any element can
 * be removed or moved in O(log n). */
#ifndef BASE_HEAP_H
#define BASE_HEAP_H

#include <stddef.h>
#include <stdint.h>

struct heap {
    void **items;
    size_t count, cap;
    int (*compare)(const void *a, const void *b);
    void (*moved)(void *item, uint32_t place); /* told whenever an element changes place */
};

void heap_init(struct heap *h, int (*compare)(const void *, const void *), void (*moved)(void *, uint32_t));
void heap_deinit(struct heap *h);
void heap_push(struct heap *h, void *item);
void *heap_peek(const struct heap *h); /* NULL when empty */
void *heap_pop(struct heap *h);        /* NULL when empty */
void heap_remove(struct heap *h, uint32_t place);
void heap_update(struct heap *h, uint32_t place); /* after the element's key changed */

#endif
