/* How many bytes this thread has allocated and not freed. */
#include "memory.h"

#include <malloc.h>

/* jemalloc's, where the program is linked with it. */
int mallctl(const char *name, void *old, size_t *old_len, void *new, size_t new_len) __attribute__((weak));

static uint64_t counted(const char *name)
{
    uint64_t *at = NULL;
    size_t len = sizeof(at);
    return mallctl(name, &at, &len, NULL, 0) == 0 && at ? *at : 0;
}

uint64_t memory_in_use(void)
{
    if (mallctl)
        return counted("thread.allocatedp") - counted("thread.deallocatedp");
    return mallinfo2().uordblks;
}
