/* The element table. */
#include "store/table.h"

#include <assert.h>

#include "base/alloc.h"

struct table {
    struct segments items; /* of struct table_item * */
    struct index index;
    struct hash_seed seed;
    uint32_t count;
    size_t item_bytes;
};

#define ITEMS_MAX (UINT32_MAX - 1)

static struct slice key_of(const void *item)
{
    return table_key(item);
}

static struct indexed indexed_by(const struct table *t)
{
    return (struct indexed){&t->items, t->count, key_of, t->seed};
}

static struct table_item **slot(const struct table *t, uint32_t place)
{
    return segments_at(&t->items, place, sizeof(struct table_item *));
}

static uint64_t hash_of(const struct table *t, struct slice key)
{
    return siphash(&t->seed, key.data, key.len);
}

struct table *table_new(struct hash_seed seed)
{
    struct table *t = mem_calloc(1, sizeof *t);
    t->seed = seed;
    return t;
}

uint32_t table_count(const struct table *t)
{
    return t->count;
}

size_t table_bytes(const struct table *t)
{
    return sizeof *t + segments_bytes(&t->items) + index_bytes(&t->index) + t->item_bytes;
}

struct table_item *table_at(const struct table *t, uint32_t place)
{
    assert(place < t->count);
    return *slot(t, place);
}

struct table_spot table_find(const struct table *t, struct slice key)
{
    uint64_t hash = hash_of(t, key);
    return (struct table_spot){hash, index_find(&t->index, hash, &t->items, key_of, key)};
}

/* ---- items ---- */

static uint8_t short_len(size_t len)
{
    return len < TABLE_LONG ? (uint8_t)len : TABLE_LONG;
}

static size_t item_size(size_t key_len, size_t value_len)
{
    size_t size = sizeof(struct table_item) + key_len + value_len;
    return size + (key_len < TABLE_LONG ? 0 : 8) + (value_len < TABLE_LONG ? 0 : 8);
}

static void item_fill(struct table_item *item, struct slice key, struct slice value)
{
    char *at = item->bytes;
    item->key_len = short_len(key.len);
    item->value_len = short_len(value.len);
    if (item->key_len == TABLE_LONG) {
        store_u64(at, key.len);
        at += 8;
    }
    if (item->value_len == TABLE_LONG) {
        store_u64(at, value.len);
        at += 8;
    }
    if (key.len)
        memcpy(at, key.data, key.len);
    if (value.len)
        memcpy(at + key.len, value.data, value.len);
}

static struct table_item *item_new(struct table *t, struct slice key, struct slice value)
{
    struct table_item *item = mem_alloc(item_size(key.len, value.len));
    item_fill(item, key, value);
    t->item_bytes += mem_usable(item);
    return item;
}

static void item_free(struct table *t, struct table_item *item)
{
    t->item_bytes -= mem_usable(item);
    mem_free(item);
}

/* ---- changes ---- */

struct table_item *table_add(struct table *t, const struct table_spot *at, struct slice key,
                             struct slice value)
{
    assert(at->place == PLACE_NONE && t->count < ITEMS_MAX);
    struct table_item *item = item_new(t, key, value);
    uint32_t place = t->count++;
    segments_grow(&t->items, t->count, sizeof item);
    *slot(t, place) = item;
    struct indexed of = indexed_by(t);
    index_insert(&t->index, &of, at->hash, place);
    return item;
}

struct table_item *table_set(struct table *t, const struct table_spot *at, struct slice value)
{
    struct table_item *old = table_at(t, at->place);
    struct slice had = table_value(old);
    if (had.len == value.len) {
        if (value.len)
            memcpy(old->bytes + (had.data - old->bytes), value.data, value.len);
        return old;
    }
    struct table_item *item = item_new(t, table_key(old), value);
    *slot(t, at->place) = item;
    item_free(t, old);
    return item;
}

void table_remove(struct table *t, const struct table_spot *at)
{
    struct table_item *item = table_at(t, at->place);
    uint32_t last = --t->count;
    struct indexed of = indexed_by(t);
    index_remove(&t->index, &of, at->hash, at->place);
    if (at->place != last) {
        struct table_item *moved = *slot(t, last);
        index_move(&t->index, hash_of(t, table_key(moved)), last, at->place);
        *slot(t, at->place) = moved;
    }
    segments_shrink(&t->items, t->count, sizeof item);
    item_free(t, item);
}

struct table *table_copy(const struct table *t)
{
    struct table *copy = table_new(t->seed);
    for (uint32_t i = 0; i < t->count; i++) {
        struct slice key = table_key(*slot(t, i));
        struct table_spot at = {hash_of(t, key), PLACE_NONE};
        table_add(copy, &at, key, table_value(*slot(t, i)));
    }
    return copy;
}

size_t table_free_some(struct table **t, size_t budget)
{
    struct table *dead = *t;
    size_t done = 0;
    while (dead->count && done < budget) {
        mem_free(*slot(dead, --dead->count));
        segments_shrink(&dead->items, dead->count, sizeof(struct table_item *));
        done++;
    }
    if (done == budget)
        return done;
    segments_deinit(&dead->items);
    index_deinit(&dead->index);
    mem_free(dead);
    *t = NULL;
    return done + 1;
}

uint64_t table_scan(const struct table *t, uint64_t cursor, uint64_t count,
                    void (*each)(void *arg, const struct table_item *item), void *arg)
{
    uint64_t place = cursor == 0 || cursor > t->count ? t->count : cursor;
    for (; place > 0 && count > 0; count--)
        each(arg, *slot(t, (uint32_t)--place));
    return place;
}
