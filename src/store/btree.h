/* Members in the order of their scores, equal scores in the order of their bytes: a counted B+ tree, so that a rank is found, and
 * a member by its rank, in logarithmic time. A large sorted set is this, and a table to find a member's score.
 *
 *     inner:  child ...                   with the members below each child, and the first of them
 *     leaf:   (score, member) ...         and the leaves before and behind
 *
 * Scores stand in the nodes beside the pointers: a search looks at a member's bytes only where scores are equal.
 *
 * A member is the key of an item in a table, which stays where it is; what the item says its score is, is not looked at. Two trees of the same members give the same answers, whatever has made them: how nodes are cut
 * never shows. */
#ifndef STORE_BTREE_H
#define STORE_BTREE_H

#include "store/bound.h"
#include "store/table.h"

struct btree {
    void *root;      /* NULL: empty */
    unsigned levels; /* of inner nodes above the leaves */
    uint64_t count;
    size_t bytes; /* of the nodes */
};

/* It is not in the tree; neither is another of its score and text. */
void btree_insert(struct btree *t, double score, struct table_item *m);
void btree_remove(struct btree *t, double score, const struct table_item *m); /* is in the tree */
void btree_move(struct btree *t, double from, double to, struct table_item *m);
/* How many stand before the bound. */
uint64_t btree_rank(const struct btree *t, const struct bound *b);

struct btree_place {
    const void *leaf; /* NULL: beyond either end */
    unsigned at;
};
struct btree_place btree_seek(const struct btree *t, uint64_t rank);
struct table_item *btree_get(const struct btree_place *p, double *score);
void btree_next(struct btree_place *p);
void btree_prev(struct btree_place *p);

/* Frees the last leaf, and what is empty above it then; false: nothing was left. The counts are wrong from then on: for a tree
 * that is being freed. */
bool btree_free_some(struct btree *t);

#endif
