/* The element table: what large hashes, sets and sorted sets are made of. A dense array of items in the order of their
 * insertion, the last one moved into the hole of one that is removed, and an index from key to place (index.h).
 *
 * An item is one allocation: a key (field, member) and value bytes (a hash's value, a sorted set's score, nothing in a set).
 * It stays where it is as long as it is in the table and its value keeps its length, so others may point to it.
 *
 * Order, and so the choice of a random place and every scan, depends on the calls alone; a table that is written out in its
 * order and read back is the same. No call does more than a few items' work. Private to the room. */
#ifndef STORE_TABLE_H
#define STORE_TABLE_H

#include "store/index.h"

struct table;

/* Lengths of 255 and more do not fit the byte: they stand as a u64 at the front of `bytes`, the key's first. */
struct table_item {
    uint8_t key_len, value_len;
    char bytes[]; /* long lengths, key, value; nothing of it aligned */
};
enum { TABLE_LONG = 255 };

/* Where a key is, or will be; good until the table changes. */
struct table_spot {
    uint64_t hash;
    uint32_t place; /* PLACE_NONE: absent */
};

struct table *table_new(struct hash_seed seed);
struct table *table_copy(const struct table *t);
/* Frees at most `budget` pieces, from the end, and says how many; at last the table itself, then *t is NULL. */
size_t table_free_some(struct table **t, size_t budget);
uint32_t table_count(const struct table *t);
size_t table_bytes(const struct table *t);

/* 0 <= place < count. */
struct table_item *table_at(const struct table *t, uint32_t place);
struct table_spot table_find(const struct table *t, struct slice key);
/* At the end; the key must be absent. */
struct table_item *table_add(struct table *t, const struct table_spot *at, struct slice key,
                             struct slice value);
/* The key must be there. Neither slice may lie in the table. */
struct table_item *table_set(struct table *t, const struct table_spot *at, struct slice value);
void table_remove(struct table *t, const struct table_spot *at);
/* One step of a scan, down the places: calls back each item of a stretch and returns the next cursor, 0 at the end. What is in
 * the table throughout a whole scan is seen at least once. */
uint64_t table_scan(const struct table *t, uint64_t cursor, uint64_t count,
                    void (*each)(void *arg, const struct table_item *item), void *arg);

static inline struct slice table_key(const struct table_item *item)
{
    size_t skip = item->value_len == TABLE_LONG ? 8 : 0;
    if (item->key_len == TABLE_LONG)
        return (struct slice){item->bytes + 8 + skip, load_u64(item->bytes)};
    return (struct slice){item->bytes + skip, item->key_len};
}

static inline struct slice table_value(const struct table_item *item)
{
    struct slice key = table_key(item);
    size_t len = item->value_len;
    if (len == TABLE_LONG)
        len = load_u64(key.data - 8);
    return (struct slice){key.data + key.len, len};
}

#endif
