/* Allocation that never returns NULL, over whatever malloc the program is linked with. */
#include "base/alloc.h"

#include <malloc.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

static _Noreturn void out_of_memory(size_t size)
{
    fprintf(stderr, "out of memory: %zu bytes refused\n", size);
    abort();
}

void *mem_alloc(size_t size)
{
    void *p = malloc(size ? size : 1);
    if (!p)
        out_of_memory(size);
    return p;
}

void *mem_calloc(size_t count, size_t size)
{
    void *p = calloc(count ? count : 1, size ? size : 1);
    if (!p)
        out_of_memory(count * size);
    return p;
}

void *mem_realloc(void *ptr, size_t size)
{
    void *p = realloc(ptr, size ? size : 1);
    if (!p)
        out_of_memory(size);
    return p;
}

size_t mem_usable(const void *ptr)
{
    return malloc_usable_size((void *)(uintptr_t)ptr);
}

void mem_free(void *ptr)
{
    free(ptr);
}

void *mem_alloc_huge(void)
{
    void *p = aligned_alloc(MEM_HUGE_BYTES, MEM_HUGE_BYTES);
    if (!p)
        out_of_memory(MEM_HUGE_BYTES);
    (void)madvise(p, MEM_HUGE_BYTES, MADV_HUGEPAGE); /* refused, small pages serve as well */
    return p;
}
