/* Integers in their order. */
#include "store/intset.h"

#include <assert.h>

#include "base/alloc.h"

enum { HEAD = 8 };

static uint32_t width(const uint8_t *is)
{
    return load_u32(is);
}

uint32_t intset_count(const uint8_t *is)
{
    return load_u32(is + 4);
}

static void set_head(uint8_t *is, uint32_t bytes_of_one, uint32_t count)
{
    store_u32(is, bytes_of_one);
    store_u32(is + 4, count);
}

static size_t size_of(uint32_t bytes_of_one, uint32_t count)
{
    return HEAD + (size_t)bytes_of_one * count;
}

static uint32_t width_for(int64_t v)
{
    return v >= INT16_MIN && v <= INT16_MAX ? 2 : v >= INT32_MIN && v <= INT32_MAX ? 4 : 8;
}

static int64_t get(const uint8_t *is, uint32_t bytes_of_one, uint32_t i)
{
    uint64_t v = 0;
    const uint8_t *at = is + size_of(bytes_of_one, i);
    if (bytes_of_one == 8)
        return (int64_t)load_u64(at);
    for (uint32_t b = 0; b < bytes_of_one; b++)
        v |= (uint64_t)at[b] << 8 * b;
    return bytes_of_one == 4 ? (int32_t)v : (int16_t)v;
}

static void put(uint8_t *is, uint32_t bytes_of_one, uint32_t i, int64_t v)
{
    uint8_t *at = is + size_of(bytes_of_one, i);
    for (uint32_t b = 0; b < bytes_of_one; b++)
        at[b] = (uint8_t)((uint64_t)v >> 8 * b);
}

int64_t intset_at(const uint8_t *is, uint32_t i)
{
    assert(i < intset_count(is));
    return get(is, width(is), i);
}

uint8_t *intset_new(void)
{
    uint8_t *is = mem_alloc(HEAD);
    set_head(is, 2, 0);
    return is;
}

void intset_free(uint8_t *is)
{
    mem_free(is);
}

struct slice intset_slice(const uint8_t *is)
{
    return slice_of(is, size_of(width(is), intset_count(is)));
}

size_t intset_memory(const uint8_t *is)
{
    return mem_usable(is);
}

static uint8_t *copy_of(struct slice bytes)
{
    uint8_t *is = mem_alloc(bytes.len);
    memcpy(is, bytes.data, bytes.len);
    return is;
}

uint8_t *intset_copy(const uint8_t *is)
{
    return copy_of(intset_slice(is));
}

uint8_t *intset_load(struct slice bytes)
{
    const uint8_t *is = (const uint8_t *)bytes.data;
    if (bytes.len < HEAD)
        return NULL;
    uint32_t w = width(is), count = intset_count(is);
    if ((w != 2 && w != 4 && w != 8) || bytes.len != size_of(w, count))
        return NULL;
    for (uint32_t i = 1; i < count; i++)
        if (get(is, w, i - 1) >= get(is, w, i))
            return NULL;
    return copy_of(bytes);
}

/* Where v is, or would be. */
static uint32_t find(const uint8_t *is, int64_t v)
{
    uint32_t w = width(is), low = 0, high = intset_count(is);
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (get(is, w, middle) < v)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool is_at(const uint8_t *is, uint32_t i, int64_t v)
{
    return i < intset_count(is) && intset_at(is, i) == v;
}

bool intset_has(const uint8_t *is, int64_t v)
{
    return is_at(is, find(is, v), v);
}

/* Makes all of them wider, from the last on, for they overlap. */
static void widen(uint8_t *is, uint32_t to)
{
    uint32_t w = width(is), count = intset_count(is);
    for (uint32_t i = count; i-- > 0;)
        put(is, to, i, get(is, w, i));
    set_head(is, to, count);
}

bool intset_add(uint8_t **is, int64_t v)
{
    uint32_t at = find(*is, v), count = intset_count(*is), w = width(*is);
    if (is_at(*is, at, v))
        return false;
    if (w < width_for(v))
        w = width_for(v);
    *is = mem_realloc(*is, size_of(w, count + 1));
    if (w > width(*is))
        widen(*is, w);
    uint8_t *hole = *is + size_of(w, at);
    memmove(hole + w, hole, (size_t)w * (count - at));
    put(*is, w, at, v);
    set_head(*is, w, count + 1);
    return true;
}

bool intset_remove(uint8_t **is, int64_t v)
{
    uint32_t at = find(*is, v), w = width(*is);
    if (!is_at(*is, at, v))
        return false;
    uint32_t count = intset_count(*is) - 1;
    uint8_t *hole = *is + size_of(w, at);
    memmove(hole, hole + w, (size_t)w * (count - at));
    set_head(*is, w, count);
    *is = mem_realloc(*is, size_of(w, count));
    return true;
}
