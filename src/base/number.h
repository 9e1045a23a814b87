/* Numbers as text, in Redis's exact rules. */
#ifndef BASE_NUMBER_H
#define BASE_NUMBER_H

#include "base/bytes.h"

/* Redis's string2ll: decimal, no spaces, no leading zeroes or plus; false when it is not one. */
bool parse_i64(struct slice s, int64_t *out);
/* Redis's string2ld as INCRBYFLOAT takes it: no leading space, nan refused; inf allowed. */
bool parse_long_double(struct slice s, long double *out);
/* Redis's string2d: no leading space, nan refused, inf allowed, over- and underflow refused. */
bool parse_double(struct slice s, double *out);
/* As strtod reads it: spaces in front, nothing at all (0), numbers too large (inf), which *outside tells of, and too small; a zero
 * byte ends it. nan refused. */
bool parse_double_lax(struct slice s, double *out, bool *outside);
#define NUMBER_TEXT_MAX 5120              /* the longest %.17Lf of a long double, with room */
size_t format_u64(char *out, uint64_t v); /* up to 20 bytes, no terminator; the length */
size_t format_i64(char *out, int64_t v);  /* likewise */
void format_hex(char *out, const void *bytes, size_t len); /* 2 * len digits in lower case, no terminator */
/* Redis's ld2string(humanfriendly): %.17Lf without trailing zeroes. `out` has NUMBER_TEXT_MAX bytes. */
size_t format_long_double(char *out, long double v);
/* %.17g, with `inf`, `-inf`; as RESP doubles are written. */
size_t format_double(char *out, double v);
/* "100mb", "1gb", "64k" as in redis.conf; false when malformed. */
bool parse_memory(struct slice s, uint64_t *out);

#endif
