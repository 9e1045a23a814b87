/* What every type of collection must be able to do: one table of functions a type, found by enum store_type. Private to the
 * room. */
#ifndef STORE_VALUE_H
#define STORE_VALUE_H

#include "store/collection.h"
#include "store/rdb.h"

struct value_ops {
    const char *const *encodings; /* OBJECT ENCODING, by form */
    bool stays_when_empty;
    uint64_t (*count)(const struct collection *c);
    size_t (*bytes)(const struct collection *c);           /* memory; in constant time */
    uint64_t (*digest)(const struct collection *c);        /* made anew from what lies in memory */
    struct collection (*copy)(const struct collection *c); /* of the same form and order */
    /* Frees at most `budget` pieces and says how many; data is NULL when nothing is left. In between nothing else is
     * asked of it. */
    size_t (*free_some)(struct collection *c, size_t budget);
    int (*rdb_type)(const struct collection *c);
    void (*save)(const struct collection *c, struct rdb_out *out);
    /* NULL for types this is not; false: malformed, and nothing is left. The reader stands behind the value. What it makes
     * is put into the form that `limits` ask for, or, without limits, keeps the form that the RDB type names. */
    bool (*load)(struct collection *c, int rdb_type, struct reader *r, const struct store_limits *limits);
};

extern const struct value_ops zset_ops;
/* NULL: strings, and types that are not there. */
const struct value_ops *value_ops(enum store_type type);
/* The type that an RDB type belongs to; false: none. */
bool value_type_of_rdb(int rdb_type, enum store_type *type);

#endif
