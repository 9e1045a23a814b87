/* The hash that command names are found by. A slot holds family and row, plus one; 0 is an empty slot. */
#ifndef COMMANDS_LOOKUP_H
#define COMMANDS_LOOKUP_H

#include "base/bytes.h"

#define LOOKUP_SLOTS        512
#define LOOKUP_NAME_MAX     64
#define LOOKUP_SLOT(f, row) ((uint16_t)((f) << 8 | ((row) + 1)))
#define LOOKUP_FAMILY(slot) ((slot) >> 8)
#define LOOKUP_ROW(slot)    (((slot)&255) - 1)

static inline uint32_t lookup_hash(struct slice name)
{
    uint32_t h = 0;
    for (size_t i = 0; i < name.len; i++)
        h = (h ^ ((unsigned char)name.data[i] | 0x20u)) * 0x01000193u;
    return h ^ h >> 15;
}

/* For the test that keeps lookup_slots.h current: what it ought to hold; the number of rows. */
size_t lookup_fill(uint16_t slots[LOOKUP_SLOTS]);
bool lookup_is_current(void);

#endif
