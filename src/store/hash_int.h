/* What the two files of hashes share. */
#ifndef STORE_HASH_INT_H
#define STORE_HASH_INT_H

#include "store/hash.h"
#include "store/mix.h"
#include "store/table.h"
#include "store/value.h"

/* A field that is not in the table. */
void hash_add_to_table(struct table *t, struct slice field, struct slice value);
/* Makes a packed one large. */
void hash_enlarge(struct collection *h);
/* Can a packed one take this pair and stay packed, but for the number of its fields? */
bool hash_fits_packed(const struct collection *h, struct slice field, struct slice value,
                      const struct store_limits *limits);

/* hash_rdb.c */
int hash_rdb_type(const struct collection *h);
void hash_rdb_save(const struct collection *h, struct rdb_out *out);
bool hash_rdb_load(struct collection *h, int rdb_type, struct reader *r, const struct store_limits *limits);

#endif
