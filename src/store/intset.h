/* Redis's intset, byte for byte: integers in their order, all as wide as the widest that ever was in it.
 *
 *     u32 bytes of one: 2, 4 or 8 | u32 count | integer ...         little-endian */
#ifndef STORE_INTSET_H
#define STORE_INTSET_H

#include "base/bytes.h"

uint8_t *intset_new(void);
uint8_t *intset_copy(const uint8_t *is);
void intset_free(uint8_t *is);
/* A copy of bytes that came from elsewhere; NULL: they are not an intset. */
uint8_t *intset_load(struct slice bytes);
struct slice intset_slice(const uint8_t *is);
size_t intset_memory(const uint8_t *is); /* what is allocated for it */

uint32_t intset_count(const uint8_t *is);
int64_t intset_at(const uint8_t *is, uint32_t i); /* 0 <= i < count, in their order */
bool intset_has(const uint8_t *is, int64_t v);
/* false: it was there already. May move the intset. */
bool intset_add(uint8_t **is, int64_t v);
bool intset_remove(uint8_t **is, int64_t v); /* false: it was not there */

#endif
