/* Bytes: borrowed (slice), growable (buf), shared and immutable (blob); and little-endian coding.
 *
 * A slice owns nothing: it is valid as long as what it was cut from. A buf is owned by whoever holds the
 * struct. A blob is reference counted, the count is atomic because storage threads hold blobs too. */
#ifndef BASE_BYTES_H
#define BASE_BYTES_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct slice {
    const char *data;
    size_t len;
};

#define SLICE_LITERAL(s) ((struct slice){(s), sizeof(s) - 1})
static inline struct slice slice_of(const void *data, size_t len)
{
    return (struct slice){data, len};
}
static inline bool slice_equal(struct slice a, struct slice b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}
/* Without its first `n` bytes. */
static inline struct slice slice_drop(struct slice s, size_t n)
{
    return n ? (struct slice){s.data + n, s.len - n} : s; /* to add even nothing to NULL is undefined */
}
struct slice slice_cstr(const char *s);
/* Case-insensitive against a lower-case or upper-case C string, as option words are compared. */
bool slice_is_word(struct slice a, const char *word);
/* As memcmp, the shorter first when one is a prefix. */
int slice_compare(struct slice a, struct slice b);

struct buf {
    char *data;
    size_t len, cap;
};

#define BUF_EMPTY                                                                                            \
    {                                                                                                        \
        NULL, 0, 0                                                                                           \
    }
void buf_deinit(struct buf *b);             /* frees and zeroes */
char *buf_grow(struct buf *b, size_t more); /* buf_reserve's slow half */
/* Room for `more` bytes at the end; len unchanged. */
static inline char *buf_reserve(struct buf *b, size_t more)
{
    return b->data && more <= b->cap - b->len ? b->data + b->len : buf_grow(b, more);
}
static inline void buf_append(struct buf *b, const void *data, size_t len)
{
    if (len == 0)
        return;
    memcpy(buf_reserve(b, len), data, len);
    b->len += len;
}
void buf_append_slice(struct buf *b, struct slice s);
void buf_append_cstr(struct buf *b, const char *s);
void buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void buf_vprintf(struct buf *b, const char *fmt, va_list args) __attribute__((format(printf, 2, 0)));
void buf_truncate(struct buf *b, size_t len);
void buf_drop_front(struct buf *b, size_t n); /* memmove; callers batch */
struct slice buf_slice(const struct buf *b);

struct blob {
    uint32_t refs; /* atomic */
    size_t len;
    char data[];
};

struct blob *blob_new(const void *data, size_t len); /* data may be NULL: uninitialised */
/* The buffer's bytes become the blob's without being copied: they were written behind BLOB_HEAD bytes kept free at its
 * front. The buffer is empty afterwards. */
#define BLOB_HEAD sizeof(struct blob)
struct blob *blob_of_buf(struct buf *b);
struct blob *blob_ref(struct blob *b);
void blob_unref(struct blob *b); /* NULL is fine */

/* Little-endian, whatever the machine. */
void put_u8(struct buf *b, uint8_t v);
void put_u16(struct buf *b, uint16_t v);
void put_u32(struct buf *b, uint32_t v);
void put_u64(struct buf *b, uint64_t v);
void put_varint(struct buf *b, uint64_t v);    /* LEB128, at most 10 bytes */
void put_bytes(struct buf *b, struct slice s); /* varint length, then the bytes */
static inline uint32_t to_le32(uint32_t v)
{
    return __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? v : __builtin_bswap32(v);
}
static inline uint64_t to_le64(uint64_t v)
{
    return __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? v : __builtin_bswap64(v);
}
static inline void store_u32(void *at, uint32_t v)
{
    v = to_le32(v);
    memcpy(at, &v, sizeof v);
}
static inline void store_u64(void *at, uint64_t v)
{
    v = to_le64(v);
    memcpy(at, &v, sizeof v);
}
static inline uint32_t load_u32(const void *at)
{
    uint32_t v;
    memcpy(&v, at, sizeof v);
    return to_le32(v);
}
static inline uint64_t load_u64(const void *at)
{
    uint64_t v;
    memcpy(&v, at, sizeof v);
    return to_le64(v);
}
/* Big-endian, for keys that must sort as the numbers do. */
static inline void store_u64be(void *at, uint64_t v)
{
    store_u64(at, __builtin_bswap64(v));
}
static inline uint64_t load_u64be(const void *at)
{
    return __builtin_bswap64(load_u64(at));
}

/* Bounds-checked reading. After the first read past the end `failed` is set, stays set, and every further
 * read gives zeroes: decode a whole record, then look at `failed` once. A varint longer than its number
 * needs fails too, so that one number has one encoding. */
struct reader {
    const char *at, *end;
    bool failed;
};

static inline struct reader reader_of(struct slice s)
{
    return (struct reader){s.data, s.data ? s.data + s.len : s.data, false};
}
size_t reader_left(const struct reader *r);
/* NULL, and failed for good, when fewer than `len` bytes are left. */
static inline const char *reader_take(struct reader *r, size_t len)
{
    if (r->failed || len > (size_t)(r->end - r->at)) {
        r->failed = true;
        return NULL;
    }
    const char *at = r->at;
    if (len) /* an empty reader may stand at NULL */
        r->at += len;
    return at;
}
static inline uint8_t get_u8(struct reader *r)
{
    const char *at = reader_take(r, 1);
    return at ? (uint8_t)*at : 0;
}
uint16_t get_u16(struct reader *r);
uint32_t get_u32(struct reader *r);
static inline uint64_t get_u64(struct reader *r)
{
    const char *at = reader_take(r, 8);
    return at ? load_u64(at) : 0;
}
uint64_t get_varint_slow(struct reader *r); /* of any length */
static inline uint64_t get_varint(struct reader *r)
{
    if (!r->failed && r->at < r->end && (uint8_t)*r->at < 0x80) /* most are one byte */
        return (uint8_t)*r->at++;
    return get_varint_slow(r);
}
/* Borrowed. */
static inline struct slice get_raw(struct reader *r, size_t len)
{
    const char *at = reader_take(r, len);
    return at ? (struct slice){at, len} : (struct slice){NULL, 0};
}
/* Varint length, then the bytes; borrowed. */
static inline struct slice get_bytes(struct reader *r)
{
    return get_raw(r, get_varint(r));
}

#endif
