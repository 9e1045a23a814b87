/* Inside sorted sets.
 *
 *     packed:  a listpack: member, score, member, score, ... in their order. A score that is a whole number up to 2^62 is held as
 *              one, others as the text that reads back as the same double. So there is no -0 in it: that is 0.
 *     large:   a table, member -> score, and a tree of the table's items in their order.
 *
 * I1  the digest is the sum of zset_term over the members.
 * I2  a large set is never made packed again. */
#ifndef STORE_ZSET_INT_H
#define STORE_ZSET_INT_H

#include "store/btree.h"
#include "store/listpack.h"
#include "store/zset.h"

uint64_t zset_term(struct slice member, double score);
uint64_t zset_terms(const struct collection *c, uint64_t from, uint64_t to); /* their sum over these ranks */
void zset_make_large(struct collection *c);

/* zset_packed.c. A member is named by its offset in the listpack; 0: none. */
uint64_t packed_count(const uint8_t *lp);
size_t packed_find(const uint8_t *lp, struct slice member);
size_t packed_at(const uint8_t *lp, uint64_t rank); /* 0: beyond the end */
double packed_score(const uint8_t *lp, size_t at);
uint64_t packed_rank(const uint8_t *lp, const struct bound *b);
void packed_put(uint8_t **lp, struct slice member, double score); /* it is not in there */
/* Pairs in their order, no member twice, no score that is none? */
bool packed_is_sound(const uint8_t *lp, struct hash_seed seed);

/* zset_large.c */
struct zset_large {
    struct table *members;
    struct btree order;
};
struct zset_large *large_new(struct hash_seed seed);
struct zset_large *large_copy(const struct zset_large *z);
double item_score(const struct table_item *item);
/* False: it is not in there. */
bool large_score(const struct zset_large *z, struct slice member, double *score);
/* True: it was there, with the score *old. */
bool large_put(struct zset_large *z, struct slice member, double score, double *old);
bool large_remove(struct zset_large *z, struct slice member, double *old);
size_t large_bytes(const struct zset_large *z);
/* At most `budget` pieces, and how many; *z is NULL at last. */
size_t large_free_some(struct zset_large **z, size_t budget);

/* zset_rdb.c */
int zset_rdb_type(const struct collection *c);
void zset_save(const struct collection *c, struct rdb_out *out);
bool zset_load(struct collection *c, int rdb_type, struct reader *r, const struct store_limits *limits);

#endif
