/* A dense array of entries in walk order, and beside it an open-addressing index of places in that array.
 * Removal shifts the index's later entries back instead of leaving tombstones, so a table that churns for
 * months probes as a fresh one does. */
#include "base/dict.h"

#include <assert.h>

#include "base/alloc.h"

enum { INDEX_FIRST = 16 };
#define NO_ENTRY UINT32_MAX

struct entry {
    uint64_t hash;
    char *key;
    size_t key_len;
    void *value;
};

struct dict {
    struct hash_seed seed;
    struct entry *entries;
    size_t count, cap;
    uint32_t *index; /* places in entries, or NO_ENTRY; at most half full */
    size_t mask;     /* its size, a power of two, minus one */
};

static void index_alloc(struct dict *d, size_t size)
{
    d->index = mem_alloc(size * sizeof *d->index);
    memset(d->index, 0xff, size * sizeof *d->index);
    d->mask = size - 1;
}

struct dict *dict_new(const struct hash_seed *seed)
{
    struct dict *d = mem_calloc(1, sizeof *d);
    if (seed)
        d->seed = *seed;
    index_alloc(d, INDEX_FIRST);
    return d;
}

void dict_free(struct dict *d)
{
    if (!d)
        return;
    for (size_t i = 0; i < d->count; i++)
        mem_free(d->entries[i].key);
    mem_free(d->entries);
    mem_free(d->index);
    mem_free(d);
}

size_t dict_count(const struct dict *d)
{
    return d->count;
}

/* The slot that names the key's entry, or the empty slot where it would go. */
static size_t find_slot(const struct dict *d, struct slice key, uint64_t hash)
{
    size_t slot = hash & d->mask;
    for (; d->index[slot] != NO_ENTRY; slot = (slot + 1) & d->mask) {
        const struct entry *e = &d->entries[d->index[slot]];
        if (e->hash == hash && slice_equal(slice_of(e->key, e->key_len), key))
            break;
    }
    return slot;
}

/* The slot that names the entry at `place`. */
static size_t slot_of_place(const struct dict *d, uint32_t place)
{
    size_t slot = d->entries[place].hash & d->mask;
    while (d->index[slot] != place)
        slot = (slot + 1) & d->mask;
    return slot;
}

static uint64_t hash_of(const struct dict *d, struct slice key)
{
    return siphash(&d->seed, key.data, key.len);
}

void *dict_get(const struct dict *d, struct slice key)
{
    uint32_t place = d->index[find_slot(d, key, hash_of(d, key))];
    return place == NO_ENTRY ? NULL : d->entries[place].value;
}

static void grow(struct dict *d)
{
    if (d->count == d->cap) {
        d->cap = d->cap ? d->cap * 2 : INDEX_FIRST / 2;
        d->entries = mem_realloc(d->entries, d->cap * sizeof *d->entries);
    }
    if ((d->count + 1) * 2 <= d->mask + 1)
        return;
    mem_free(d->index);
    index_alloc(d, (d->mask + 1) * 2);
    for (size_t i = 0; i < d->count; i++) {
        size_t slot = d->entries[i].hash & d->mask;
        while (d->index[slot] != NO_ENTRY)
            slot = (slot + 1) & d->mask;
        d->index[slot] = (uint32_t)i;
    }
}

void *dict_put(struct dict *d, struct slice key, void *value)
{
    assert(value);
    uint64_t hash = hash_of(d, key);
    size_t slot = find_slot(d, key, hash);
    if (d->index[slot] != NO_ENTRY) {
        struct entry *e = &d->entries[d->index[slot]];
        void *before = e->value;
        e->value = value;
        return before;
    }
    assert(d->count < NO_ENTRY);
    grow(d);
    slot = find_slot(d, key, hash);
    char *copy = mem_alloc(key.len);
    if (key.len)
        memcpy(copy, key.data, key.len);
    d->entries[d->count] = (struct entry){hash, copy, key.len, value};
    d->index[slot] = (uint32_t)d->count++;
    return NULL;
}

/* Empties a slot, then moves back each later one of its run that the hole would cut off from its home. */
static void close_slot(struct dict *d, size_t hole)
{
    for (size_t slot = (hole + 1) & d->mask; d->index[slot] != NO_ENTRY; slot = (slot + 1) & d->mask) {
        size_t home = d->entries[d->index[slot]].hash & d->mask;
        if (((slot - home) & d->mask) >= ((slot - hole) & d->mask)) {
            d->index[hole] = d->index[slot];
            hole = slot;
        }
    }
    d->index[hole] = NO_ENTRY;
}

void *dict_remove(struct dict *d, struct slice key)
{
    size_t slot = find_slot(d, key, hash_of(d, key));
    uint32_t place = d->index[slot];
    if (place == NO_ENTRY)
        return NULL;
    void *value = d->entries[place].value;
    char *stored = d->entries[place].key; /* `key` may be this very one: freed last */
    close_slot(d, slot);
    uint32_t last = (uint32_t)(d->count - 1);
    if (place != last) {
        size_t last_slot = slot_of_place(d, last);
        d->entries[place] = d->entries[last];
        d->index[last_slot] = place;
    }
    d->count--;
    mem_free(stored);
    return value;
}

void *dict_at(const struct dict *d, size_t i, struct slice *key)
{
    assert(i < d->count);
    if (key)
        *key = slice_of(d->entries[i].key, d->entries[i].key_len);
    return d->entries[i].value;
}
