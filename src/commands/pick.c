/* Random choices among the elements of a collection, by their numbers. */
#include <stdlib.h>

#include "base/alloc.h"
#include "commands/commands_int.h"

static int by_number(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

/* Many of all: each is taken with the chance that is left to it. */
static void pick_walking(struct prng *chance, uint64_t from, uint64_t count, uint64_t *out)
{
    for (uint64_t i = 0; count > 0; i++) {
        if (prng_below(chance, from - i) >= count)
            continue;
        *out++ = i;
        count--;
    }
}

/* Few of many: what was drawn twice is drawn again. */
static void pick_drawing(struct prng *chance, uint64_t from, uint64_t count, uint64_t *out)
{
    for (uint64_t have = 0; have < count;) {
        uint64_t distinct = 1;
        while (have < count)
            out[have++] = prng_below(chance, from);
        qsort(out, count, sizeof *out, by_number);
        for (uint64_t i = 1; i < count; i++)
            if (out[i] != out[distinct - 1])
                out[distinct++] = out[i];
        have = distinct;
    }
}

void pick_distinct(struct prng *chance, uint64_t from, uint64_t count, uint64_t *out)
{
    if (count > from / 3)
        pick_walking(chance, from, count, out);
    else
        pick_drawing(chance, from, count, out);
}
