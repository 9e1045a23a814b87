/* Lengths and strings in Redis's RDB encoding; the snapshot file is made of them in rsm/, the values in
 * store/. */
#ifndef STORE_RDB_H
#define STORE_RDB_H

#include "base/bytes.h"

enum { RDB_VERSION = 10 };

/* Redis's rdb.h; the ones of before 7.0 are read only. */
enum {
    RDB_TYPE_STRING = 0,
    RDB_TYPE_LIST = 1,
    RDB_TYPE_SET = 2,
    RDB_TYPE_ZSET = 3,
    RDB_TYPE_HASH = 4,
    RDB_TYPE_ZSET_2 = 5,
    RDB_TYPE_HASH_ZIPMAP = 9,
    RDB_TYPE_LIST_ZIPLIST = 10,
    RDB_TYPE_SET_INTSET = 11,
    RDB_TYPE_ZSET_ZIPLIST = 12,
    RDB_TYPE_HASH_ZIPLIST = 13,
    RDB_TYPE_LIST_QUICKLIST = 14,
    RDB_TYPE_STREAM_LISTPACKS = 15,
    RDB_TYPE_HASH_LISTPACK = 16,
    RDB_TYPE_ZSET_LISTPACK = 17,
    RDB_TYPE_LIST_QUICKLIST_2 = 18,
    RDB_TYPE_STREAM_LISTPACKS_2 = 19,
};

/* Where a value is written to. A value may be far larger than memory should hold twice: those with many elements call
 * rdb_out_pause between them, and what has gathered can go on to its file. */
struct rdb_out {
    struct buf *buf;
    void (*drain)(void *arg); /* NULL: all of it stays in the buffer */
    void *arg;
};
#define RDB_OUT_BYTES ((size_t)64 << 10)
static inline void rdb_out_pause(struct rdb_out *out)
{
    if (out->drain && out->buf->len >= RDB_OUT_BYTES)
        out->drain(out->arg);
}

void rdb_put_length(struct buf *out, uint64_t len);
void rdb_put_string(struct buf *out, struct slice s); /* small integers in Redis's short forms */

/* false, and the reader failed: malformed. A string is borrowed from the input, or lies in `scratch` (an
 * integer form, or compressed by LZF); `scratch` is emptied first. */
bool rdb_get_length(struct reader *r, uint64_t *len);
bool rdb_get_string(struct reader *r, struct buf *scratch, struct slice *out);

/* What DUMP and FUNCTION DUMP put behind their bytes, which `out` has from `start` on: the version of RDB (u16), and a CRC64 of all that
 * (u64), both little-endian. */
void rdb_put_footer(struct buf *out, size_t start);
/* The bytes before the footer. false: the payload is damaged, or of a version to come. */
bool rdb_check_footer(struct slice payload, struct slice *body);

#endif
