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
/* MEM_HUGE_BYTES, not cleared, where possible in one huge page: what is read here and there in large tables waits for
 * the walk through the page tables as long as for the memory itself. */
enum { MEM_HUGE_BYTES = 2 * 1024 * 1024 };
void *mem_alloc_huge(void);
/* Room for `size` bytes at an address that is a multiple of `align`, a power of two no smaller than a page. Nothing of it is taken before
 * it is touched, and then it is zero. */
void *mem_reserve(size_t size, size_t align);
void mem_unreserve(void *p, size_t size);
void mem_give_back(void *p, size_t size); /* zero again, and not taken; whole pages */

#endif
