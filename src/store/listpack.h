/* Redis's listpack, byte for byte: a sequence of elements in one allocation, walked from both ends. What small lists, hashes,
 * sorted sets and the nodes of streams are made of, in memory as in RDB files.
 *
 *     u32 bytes of the whole | u16 elements, 65535: count them | element ... | 0xff
 *
 *     an element                                                 | its length again, to walk back
 *     0vvvvvvv                          0 to 127
 *     10llllll  text                    shorter than 64
 *     110vvvvv vvvvvvvv                 13 bits, signed
 *     1110llll llllllll  text           shorter than 4096
 *     f0 u32  text
 *     f1 i16    f2 i24    f3 i32    f4 i64
 *
 * All numbers little-endian, but those whose bits share the first byte. A text that is an integer in its shortest form is held as
 * one, and reads back as that text.
 *
 * An element is named by its offset, which a change before it moves; 0 is no element. What is put in must not lie in the listpack
 * itself. Nothing here is hashed or ordered: all but the ends costs a walk. */
#ifndef STORE_LISTPACK_H
#define STORE_LISTPACK_H

#include "base/bytes.h"

#define LP_NUMBER_MAX 21                /* bytes of a number's text, with room */
#define LP_BYTES_MAX  ((size_t)1 << 30) /* Redis's limit; callers keep to it */

struct lp_value {
    struct slice text; /* data NULL: a number */
    int64_t number;
};

uint8_t *lp_new(void);
uint8_t *lp_copy(const uint8_t *lp);
void lp_free(uint8_t *lp);
/* A copy of bytes that came from elsewhere; NULL: they are not a listpack. Every element lies inside and can be walked to from
 * both ends. */
uint8_t *lp_load(struct slice bytes);
struct slice lp_slice(const uint8_t *lp); /* all of its bytes */
size_t lp_memory(const uint8_t *lp);      /* what is allocated for it */
size_t lp_count(const uint8_t *lp);       /* elements; a walk from 65535 on */
/* Growing step by step leaves a trail of sizes behind, pages of each: these get the room of the whole at once, and give back what
 * was not needed of it. */
void lp_reserve(uint8_t **lp, size_t bytes);
void lp_fit(uint8_t **lp);
/* The bytes that an element takes. */
size_t lp_cost(struct slice s);

size_t lp_first(const uint8_t *lp);
size_t lp_last(const uint8_t *lp);
size_t lp_next(const uint8_t *lp, size_t at);
size_t lp_prev(const uint8_t *lp, size_t at);
/* From 0, or from the end: -1 is the last. */
size_t lp_seek(const uint8_t *lp, int64_t index);

struct lp_value lp_get(const uint8_t *lp, size_t at);
/* As text; a number's goes to `scratch`. */
struct slice lp_text(const uint8_t *lp, size_t at, char scratch[LP_NUMBER_MAX]);
/* The element as a number; false: it is not one. */
bool lp_i64(const uint8_t *lp, size_t at, int64_t *out);
bool lp_equal(const uint8_t *lp, size_t at, struct slice s);
/* The first element from `at` on that is equal to s, of every (skip + 1)-th: with 1 the fields are compared, their values are
 * not. */
size_t lp_find(const uint8_t *lp, size_t at, struct slice s, size_t skip);

/* These may move the listpack. */
void lp_append(uint8_t **lp, struct slice s);
void lp_append_i64(uint8_t **lp, int64_t number);
void lp_prepend(uint8_t **lp, struct slice s);
void lp_insert(uint8_t **lp, size_t at,
               struct slice s); /* before `at`, where it stands then; 0: at the end */
void lp_replace(uint8_t **lp, size_t at, struct slice s);
void lp_replace_i64(uint8_t **lp, size_t at, int64_t number);
/* Deletes up to `count` elements from `at` on. At `at` stands then what followed them: that offset again, 0 when nothing did. */
size_t lp_delete(uint8_t **lp, size_t at, size_t count);

#endif
