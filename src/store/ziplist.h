/* What Redis packed small collections into before its listpack: ziplists, and zipmaps before those. Only ever read: they come
 * out as the listpack of the same elements. */
#ifndef STORE_ZIPLIST_H
#define STORE_ZIPLIST_H

#include "base/bytes.h"

/* NULL: malformed. */
uint8_t *ziplist_load(struct slice bytes);
/* Fields and values in turn. */
uint8_t *zipmap_load(struct slice bytes);

#endif
