/* Lists: Redis's quicklist. A sequence of listpacks of bounded size; an element that is larger than one stands by itself. Both
 * ends cost the same whatever the length. A place in the middle is found by walking over the nodes' counts, then inside of one. */
#ifndef STORE_QUICKLIST_H
#define STORE_QUICKLIST_H

#include "store/collection.h"
#include "store/listpack.h"

extern const struct value_ops quicklist_ops;

enum list_end { LIST_HEAD, LIST_TAIL };

/* Where an element is; good until the list changes. */
struct quicklist_at {
    size_t node;
    size_t offset; /* in its listpack */
    size_t index;  /* among the node's elements */
};

uint64_t quicklist_count(const struct collection *c);
/* Negative: from the tail, -1 is the last. false: there is none. */
bool quicklist_seek(const struct collection *c, int64_t index, struct quicklist_at *at);
/* To the neighbour on that side; false: there is none, and `at` is where it was. */
bool quicklist_step(const struct collection *c, struct quicklist_at *at, enum list_end towards);
struct slice quicklist_text(const struct collection *c, const struct quicklist_at *at,
                            char scratch[LP_NUMBER_MAX]);
bool quicklist_equal(const struct collection *c, const struct quicklist_at *at, struct slice s);

/* What is put in must not lie in the list itself. */
void quicklist_push(struct collection *c, enum list_end where, struct slice s,
                    const struct store_limits *limits);
/* Before or behind the element at `at`. */
void quicklist_insert(struct collection *c, const struct quicklist_at *at, bool behind, struct slice s,
                      const struct store_limits *limits);
void quicklist_set(struct collection *c, const struct quicklist_at *at, struct slice s,
                   const struct store_limits *limits);
/* Drops `n` elements from an end; there must be as many. */
void quicklist_drop(struct collection *c, enum list_end where, uint64_t n);
/* Removes the first `max` elements that are equal to s, the first as seen from an end; how many there were. */
uint64_t quicklist_remove(struct collection *c, enum list_end from, uint64_t max, struct slice s);

#endif
