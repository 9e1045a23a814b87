/* A map from bytes to a pointer, for the colder tables (sessions, commands, configuration, peers). The
 * keyspace has a layout of its own, in store/. Walk order is insertion order with the last element moved
 * into a removed one's place, the same on every node that made the same calls. */
#ifndef BASE_DICT_H
#define BASE_DICT_H

#include "base/bytes.h"
#include "base/checksum.h"

struct dict;

struct dict *dict_new(const struct hash_seed *seed); /* NULL: a fixed seed, for keys no outsider chooses */
void dict_free(struct dict *d);                      /* the values are the caller's */
size_t dict_count(const struct dict *d);
void *dict_get(const struct dict *d, struct slice key); /* NULL when absent */
/* Copies the key; returns the value that was there before, or NULL. `value` must not be NULL. */
void *dict_put(struct dict *d, struct slice key, void *value);
void *dict_remove(struct dict *d, struct slice key); /* the removed value, or NULL */
/* The i-th element, 0 <= i < count, in walk order. */
void *dict_at(const struct dict *d, size_t i, struct slice *key);

#endif
