/* Sorted sets, as collections in the hand (collection.h). A range of scores, of members or of places is asked for as ranks: how
 * many members stand before a bound, then what stands between two ranks. */
#ifndef STORE_ZSET_H
#define STORE_ZSET_H

#include "store/bound.h"
#include "store/collection.h"

struct zset_item {
    struct slice member;
    double score;
};

uint64_t zset_count(const struct collection *c);
bool zset_score(const struct collection *c, struct slice member, double *score); /* false: not in it */
/* Adds the member, or gives it this score, which is not nan. */
void zset_put(struct collection *c, struct slice member, double score, const struct store_limits *limits);
/* Packs a large one that is small enough, as Redis does with what it has loaded or combined. */
void zset_pack(struct collection *c, const struct store_limits *limits);
bool zset_remove(struct collection *c, struct slice member); /* false: it was not in it */

uint64_t zset_rank(const struct collection *c, const struct bound *b); /* how many members stand before it */
void zset_remove_ranks(struct collection *c, uint64_t from, uint64_t to); /* [from, to), to <= count */

/* A walk from a rank on, upwards or down. What an item names is good until the next step; the set must not change. */
struct zset_walk {
    const struct collection *c;
    bool down;
    const void *leaf; /* private from here on */
    size_t at;
    char number[24];
};
void zset_walk(struct zset_walk *w, const struct collection *c, uint64_t rank, bool down);
bool zset_walk_next(struct zset_walk *w, struct zset_item *item); /* false: beyond the end */

/* As a packed set holds it: a whole number without a fraction or an exponent. The length. */
size_t zset_packed_score(char *out, double score);

/* One step of a scan: calls back each member of a stretch and returns the next cursor, 0 at the end. What is in the set
 * throughout a whole scan is seen at least once. */
uint64_t zset_scan(const struct collection *c, uint64_t cursor, uint64_t count,
                   void (*each)(void *arg, const struct zset_item *item), void *arg);

#endif
