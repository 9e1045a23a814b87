/* Sets: an intset while they are small and all of them integers, else a table in the order of their coming. The functions work
 * on a collection in the hand (collection.h). */
#ifndef STORE_SET_H
#define STORE_SET_H

#include "store/collection.h"

extern const struct value_ops set_ops;

#define SET_NUMBER_MAX 21 /* bytes of a number's text, with room */

uint64_t set_count(const struct collection *s);
bool set_has(const struct collection *s, struct slice member);
/* false: it was there already. */
bool set_add(struct collection *s, struct slice member, const struct store_limits *limits);
/* false: it was not there. `member` may be the set's own. */
bool set_remove(struct collection *s, struct slice member);

/* The member of number 0 <= i < count; a number's text goes to `scratch`. Removing the one of number i leaves those below it
 * where they are. */
struct slice set_at(const struct collection *s, uint64_t i, char scratch[SET_NUMBER_MAX]);

/* One step of a scan from `cursor` on: all of an intset, about `count` members of a table. Gives the next cursor, 0 at the end. */
uint64_t set_scan(const struct collection *s, uint64_t cursor, uint64_t count,
                  void (*each)(void *arg, struct slice member), void *arg);

#endif
