/* Lengths and strings in Redis's RDB encoding; the snapshot file is made of them in rsm/, the values in
 * store/. */
#ifndef STORE_RDB_H
#define STORE_RDB_H

#include "base/bytes.h"

enum { RDB_TYPE_STRING = 0 };

void rdb_put_length(struct buf *out, uint64_t len);
void rdb_put_string(struct buf *out, struct slice s); /* small integers in Redis's short forms */

/* false, and the reader failed: malformed. A string is borrowed from the input, or lies in `scratch` (an
 * integer form, or compressed by LZF); `scratch` is emptied first. */
bool rdb_get_length(struct reader *r, uint64_t *len);
bool rdb_get_string(struct reader *r, struct buf *scratch, struct slice *out);

#endif
