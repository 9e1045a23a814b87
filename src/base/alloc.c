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

void *mem_reserve(size_t size, size_t align)
{
    char *p =
        mmap(NULL, size + align, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED)
        out_of_memory(size + align);
    size_t before = -(uintptr_t)p & (align - 1);
    if (before)
        munmap(p, before);
    munmap(p + before + size, align - before);
    return p + before;
}

void mem_unreserve(void *p, size_t size)
{
    munmap(p, size);
}

void mem_give_back(void *p, size_t size)
{
    if (size)
        madvise(p, size, MADV_DONTNEED);
}
