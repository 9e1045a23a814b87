/* Commands by number: sets of commands are bits. Numbers are this process's own and go nowhere. */
#include <stdlib.h>

#include "acl/acl_int.h"
#include "base/alloc.h"

struct place {
    uintptr_t address;
    uint16_t place;
};

static int by_address(const void *a, const void *b)
{
    uintptr_t x = ((const struct place *)a)->address, y = ((const struct place *)b)->address;
    return (x > y) - (x < y);
}

static void add(struct catalog *c, const struct command *row)
{
    if (c->count == ACL_COMMANDS_MAX)
        abort(); /* a table that grew beyond it; every test would show it */
    c->rows[c->count++] = row;
    for (const struct command *sub = row->subcommands; sub && sub->name; sub++)
        add(c, sub);
}

struct catalog *catalog_new(void)
{
    struct catalog *c = mem_calloc(1, sizeof *c);
    struct place order[ACL_COMMANDS_MAX];
    for (size_t f = 0; command_family(f); f++)
        for (const struct command *row = command_family(f); row->name; row++)
            add(c, row);
    for (size_t i = 0; i < c->count; i++)
        order[i] = (struct place){(uintptr_t)c->rows[i], (uint16_t)i};
    qsort(order, c->count, sizeof order[0], by_address);
    for (size_t i = 0; i < c->count; i++)
        c->by_address[i] = order[i].place;
    return c;
}

size_t catalog_place(const struct catalog *c, const struct command *row)
{
    size_t low = 0, high = c->count;
    while (low < high) {
        size_t middle = (low + high) / 2, place = c->by_address[middle];
        if (c->rows[place] == row)
            return place;
        if ((uintptr_t)c->rows[place] < (uintptr_t)row)
            low = middle + 1;
        else
            high = middle;
    }
    return ACL_COMMANDS_MAX;
}

const struct command *catalog_find(struct slice name)
{
    const char *bar = name.len ? memchr(name.data, '|', name.len) : NULL;
    if (!bar)
        return command_lookup(name);
    size_t len = (size_t)(bar - name.data);
    const struct command *row = command_lookup(slice_of(name.data, len));
    return row ? command_lookup_sub(row, slice_drop(name, len + 1)) : NULL;
}
