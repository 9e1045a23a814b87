/* Hashes: a listpack of fields and values in turn while small, then a table of them in the order of their coming. The functions
 * work on a collection in the hand (collection.h). */
#ifndef STORE_HASH_H
#define STORE_HASH_H

#include "store/collection.h"
#include "store/listpack.h"

extern const struct value_ops hash_ops;

uint64_t hash_count(const struct collection *h);
/* A field's value; a number's text goes to `scratch`. false: absent. */
bool hash_get(const struct collection *h, struct slice field, char scratch[LP_NUMBER_MAX],
              struct slice *value);
/* true: the field is new. Neither slice may lie in the hash. */
bool hash_set(struct collection *h, struct slice field, struct slice value,
              const struct store_limits *limits);
bool hash_delete(struct collection *h, struct slice field); /* false: absent */

/* A walk through all pairs in their order; the hash must not change meanwhile. */
struct hash_walk {
    const struct collection *hash;
    size_t next; /* an offset in the listpack, 0 at its end; or a place */
    struct slice field, value;
    char scratch[2][LP_NUMBER_MAX]; /* numbers' texts */
};
void hash_walk_init(struct hash_walk *w, const struct collection *h);
bool hash_walk_next(struct hash_walk *w);
/* Goes to the pair of number 0 <= i < count: it comes next. Of a packed one that costs a walk. */
void hash_walk_seek(struct hash_walk *w, uint64_t i);

/* One step of a scan from `cursor` on: all of a packed one, about `count` pairs of a large one. Gives the next cursor, 0 at the
 * end. */
uint64_t hash_scan(const struct collection *h, uint64_t cursor, uint64_t count,
                   void (*each)(void *arg, struct slice field, struct slice value), void *arg);

#endif
