/* Inside lists: the nodes, and what they add up to.
 *
 * The digest of the elements e_0 .. e_(n-1) is the sum of h(e_i) r^i modulo 2^64, r odd. It does not depend on where one node
 * ends and the next begins, and since r has an inverse, adding and removing at either end costs a few multiplications. A run is
 * that sum together with r^n, which is what it takes to put two stretches one behind the other. Every node has the run of its
 * elements, so a change in the middle costs that node and one step for each of the others. */
#ifndef STORE_QUICKLIST_INT_H
#define STORE_QUICKLIST_INT_H

#include <assert.h>

#include "base/alloc.h"
#include "store/mix.h"
#include "store/quicklist.h"

struct list_run {
    uint64_t sum, power;
};

struct list_plain { /* an element that stands by itself */
    size_t len;
    char text[];
};

struct list_node {
    void *data; /* a listpack that is not empty, or a struct list_plain */
    uint32_t count;
    bool is_plain;
    struct list_run run;
};

/* The nodes are an array with room at both ends. */
struct quicklist {
    uint64_t count;
    struct list_run run;
    size_t memory; /* of the nodes' data */
    struct list_node *nodes;
    size_t first, used, cap;
};

static inline struct quicklist *quicklist_of(const struct collection *c)
{
    return c->data;
}
static inline struct list_node *list_node_at(const struct quicklist *l, size_t i)
{
    assert(i < l->used);
    return &l->nodes[l->first + i];
}

/* How large a node may be; inserting and replacing in the middle may make it up to twice as large. One of `full` bytes gets no more:
 * seven eighths. A power of two from a page on stands alone in jemalloc, with 128 bytes beside it; of these four share them. */
struct list_node_limit {
    size_t bytes, full, count;
};
struct list_node_limit list_node_limit(const struct store_limits *limits);

/* quicklist_node.c */
struct list_run list_run_of(struct slice text);
struct list_run list_run_join(struct list_run a, struct list_run b);
/* What is left of `whole` when the run `part` is taken off that end. */
struct list_run list_run_without(struct list_run whole, enum list_end where, struct list_run part);
/* Of `n` elements of a node from the one at `index` on, made anew. */
struct list_run list_node_run(const struct list_node *n, size_t index, size_t count);
struct list_run list_nodes_run(const struct quicklist *l);

struct quicklist *quicklist_new(void);
struct quicklist *quicklist_started(struct collection *c); /* made when there is none yet */
/* Makes room for a node before the i-th, and puts it there. */
void list_node_open(struct quicklist *l, size_t i, struct list_node n);
void list_node_close(struct quicklist *l, size_t i); /* frees it */
struct list_node list_node_new(struct slice s, const struct list_node_limit *limit);
struct list_node list_node_plain(struct slice s);
struct list_node list_node_packed(uint8_t *lp);
/* For one that goes behind the i-th or before it, which is full: in a long list, it gets the same room at once. */
struct list_node list_node_next(struct quicklist *l, size_t i, struct slice s,
                                const struct list_node_limit *limit);
bool list_node_has_room(const struct list_node *n, struct slice s, const struct list_node_limit *limit);
/* Is it too large for a listpack? */
bool list_node_needs_plain(struct slice s, const struct list_node_limit *limit);
struct slice list_node_plain_text(const struct list_node *n);
/* Puts s before the index-th element, room or not. */
void list_node_put(struct quicklist *l, size_t i, size_t index, struct slice s);
/* Drops elements; not all of them. */
void list_node_cut(struct quicklist *l, size_t i, size_t index, size_t count);
/* The elements from the index-th on become a node of their own behind it. */
void list_node_split(struct quicklist *l, size_t i, size_t index);
/* The index at which about half of its bytes are passed; the node has two elements at least. */
size_t list_node_middle(const struct list_node *n);

#endif
