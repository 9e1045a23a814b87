/* Strings as the checkers know them: by length and hash. A value that was appended to ten thousand times costs as much as
 * an empty one, and the hash of two values joined comes from the hashes of both. The first bytes are kept, to be read in
 * messages, and so that short values can be counted with. */
#ifndef CHECK_VALUE_H
#define CHECK_VALUE_H

#include "base/bytes.h"

enum { VALUE_TEXT = 20 }; /* as many as the longest number has */
#define VALUE_NIL UINT32_MAX

struct value {
    uint64_t hash; /* polynomial modulo 2^61 - 1 */
    uint32_t len;  /* VALUE_NIL: there is none */
    char text[VALUE_TEXT];
};

struct value value_of(struct slice s);
struct value value_nil(void);
static inline bool value_is_nil(const struct value *v)
{
    return v->len == VALUE_NIL;
}
bool value_equal(const struct value *a, const struct value *b);
/* What APPEND leaves; nil counts as empty. */
struct value value_join(const struct value *a, const struct value *b);
/* As INCR reads it; nil counts as 0. */
bool value_number(const struct value *v, int64_t *out);
struct value value_of_number(int64_t v);
/* For messages; space of 48. */
const char *value_show(const struct value *v, char *space);

#endif
