/* Allocation that never returns NULL: running out of memory is a crash like any other, and a node that
 * crashed is something the cluster survives (a half-applied entry is not). */
#ifndef BASE_ALLOC_H
#define BASE_ALLOC_H

#include <stddef.h>

void *mem_alloc(size_t size);
void *mem_calloc(size_t count, size_t size);
void *mem_realloc(void *ptr, size_t size);
/* The usable size of what mem_alloc gave: what INFO and maxmemory count. */
size_t mem_usable(const void *ptr);
void mem_free(void *ptr);

#endif
