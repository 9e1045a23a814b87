/* What the fuzz targets share. A target is one file with LLVMFuzzerTestOneInput: linked with libFuzzer by
 * `make fuzz`, with replay.c in plain builds. It reads its input as a script: each choice and each size comes from the next
 * bytes, zeroes when there are no more, so every input means something. */
#ifndef TESTS_FUZZ_H
#define TESTS_FUZZ_H

#include <stdio.h>
#include <stdlib.h>

#include "base/bytes.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* As assert, for what a target demands of the code under it. */
#define fuzz_check(condition)                                                                                \
    do {                                                                                                     \
        if (!(condition)) {                                                                                  \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);                          \
            abort();                                                                                         \
        }                                                                                                    \
    } while (0)

/* At most `max` bytes of what is left. In memory of their own, so that the sanitizer sees a read past their end. */
struct piece {
    char *data;
    size_t len;
};
static inline struct piece piece_take(struct reader *r, size_t max)
{
    size_t left = reader_left(r);
    struct slice s = get_raw(r, left < max ? left : max);
    struct piece p = {malloc(s.len ? s.len : 1), s.len};
    fuzz_check(p.data);
    if (s.len)
        memcpy(p.data, s.data, s.len);
    return p;
}
static inline struct slice piece_slice(const struct piece *p)
{
    return slice_of(p->data, p->len);
}

static inline struct reader fuzz_reader(const uint8_t *data, size_t len)
{
    return reader_of(slice_of(data, len));
}
static inline bool fuzz_more(const struct reader *r)
{
    return !r->failed && reader_left(r) > 0;
}

#endif
