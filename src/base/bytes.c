/* Growable buffers, blobs and the coding of integers; what every other file leans on. */
#include "base/bytes.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <strings.h>

#include "base/alloc.h"

enum { BUF_FIRST = 64, BUF_DOUBLES_UNTIL = 1024 * 1024 };

struct slice slice_cstr(const char *s)
{
    return (struct slice){s, strlen(s)};
}

static char lower(char c)
{
    return (unsigned char)(c - 'A') < 26 ? (char)(c | 0x20) : c;
}

bool slice_is_word(struct slice a, const char *word)
{
    for (size_t i = 0; i < a.len; i++)
        if (word[i] == '\0' || (a.data[i] != word[i] && lower(a.data[i]) != lower(word[i])))
            return false;
    return word[a.len] == '\0';
}

int slice_compare(struct slice a, struct slice b)
{
    size_t shorter = a.len < b.len ? a.len : b.len;
    int order = shorter ? memcmp(a.data, b.data, shorter) : 0;
    return order ? order : (a.len > b.len) - (a.len < b.len);
}

void buf_deinit(struct buf *b)
{
    mem_free(b->data);
    *b = (struct buf)BUF_EMPTY;
}

/* Doubling keeps appends cheap, but a reply of hundreds of megabytes must not reserve as much again. */
char *buf_grow(struct buf *b, size_t more)
{
    assert(more <= SIZE_MAX / 2 - b->len);
    size_t need = b->len + more;
    size_t cap = b->cap < BUF_DOUBLES_UNTIL ? b->cap * 2 : b->cap + b->cap / 4;
    if (cap < BUF_FIRST)
        cap = BUF_FIRST;
    if (cap < need)
        cap = need;
    b->data = mem_realloc(b->data, cap);
    b->cap = cap;
    return b->data + b->len;
}

void buf_append_slice(struct buf *b, struct slice s)
{
    buf_append(b, s.data, s.len);
}

void buf_append_cstr(struct buf *b, const char *s)
{
    buf_append(b, s, strlen(s));
}

void buf_vprintf(struct buf *b, const char *fmt, va_list args)
{
    va_list again;
    va_copy(again, args);
    char *at = buf_reserve(b, BUF_FIRST);
    size_t room = b->cap - b->len;
    int len = vsnprintf(at, room, fmt, args);
    assert(len >= 0);
    if ((size_t)len >= room)
        vsnprintf(buf_reserve(b, (size_t)len + 1), (size_t)len + 1, fmt, again);
    b->len += (size_t)len;
    va_end(again);
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    buf_vprintf(b, fmt, args);
    va_end(args);
}

void buf_truncate(struct buf *b, size_t len)
{
    assert(len <= b->len);
    b->len = len;
}

void buf_drop_front(struct buf *b, size_t n)
{
    assert(n <= b->len);
    b->len -= n;
    if (n && b->len)
        memmove(b->data, b->data + n, b->len);
}

struct slice buf_slice(const struct buf *b)
{
    return (struct slice){b->data, b->len};
}

struct blob *blob_new(const void *data, size_t len)
{
    assert(len <= SIZE_MAX - sizeof(struct blob));
    struct blob *b = mem_alloc(sizeof *b + len);
    b->refs = 1;
    b->len = len;
    if (data && len)
        memcpy(b->data, data, len);
    return b;
}

struct blob *blob_of_buf(struct buf *b)
{
    assert(b->data && b->len >= BLOB_HEAD);
    struct blob *blob = (struct blob *)(void *)b->data;
    blob->refs = 1;
    blob->len = b->len - BLOB_HEAD;
    *b = (struct buf)BUF_EMPTY;
    return blob;
}

struct blob *blob_ref(struct blob *b)
{
    uint32_t before = __atomic_fetch_add(&b->refs, 1, __ATOMIC_RELAXED);
    assert(before > 0 && before < UINT32_MAX);
    return b;
}

/* Release, so that what this holder did to the blob is done before another frees it; acquire for the one
 * that frees. */
void blob_unref(struct blob *b)
{
    if (!b)
        return;
    uint32_t before = __atomic_fetch_sub(&b->refs, 1, __ATOMIC_ACQ_REL);
    assert(before > 0);
    if (before == 1)
        mem_free(b);
}

void put_u8(struct buf *b, uint8_t v)
{
    *buf_reserve(b, 1) = (char)v;
    b->len += 1;
}

void put_u16(struct buf *b, uint16_t v)
{
    char *at = buf_reserve(b, 2);
    at[0] = (char)(v & 0xff);
    at[1] = (char)(v >> 8);
    b->len += 2;
}

void put_u32(struct buf *b, uint32_t v)
{
    store_u32(buf_reserve(b, 4), v);
    b->len += 4;
}

void put_u64(struct buf *b, uint64_t v)
{
    store_u64(buf_reserve(b, 8), v);
    b->len += 8;
}

void put_varint(struct buf *b, uint64_t v)
{
    char *at = buf_reserve(b, 10);
    char *start = at;
    for (; v >= 0x80; v >>= 7)
        *at++ = (char)(v | 0x80);
    *at++ = (char)v;
    b->len += (size_t)(at - start);
}

void put_bytes(struct buf *b, struct slice s)
{
    put_varint(b, s.len);
    buf_append(b, s.data, s.len);
}

size_t reader_left(const struct reader *r)
{
    return r->failed ? 0 : (size_t)(r->end - r->at);
}

uint16_t get_u16(struct reader *r)
{
    const char *at = reader_take(r, 2);
    return at ? (uint16_t)((uint8_t)at[0] | (uint8_t)at[1] << 8) : 0;
}

uint32_t get_u32(struct reader *r)
{
    const char *at = reader_take(r, 4);
    return at ? load_u32(at) : 0;
}

/* Longer than needed is malformed too: one number has one encoding, so equal entries have equal bytes. */
uint64_t get_varint_slow(struct reader *r)
{
    uint64_t v = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        uint8_t byte = get_u8(r);
        if (r->failed)
            return 0;
        if (shift == 63 && byte > 1)
            break;
        v |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            if (byte == 0 && shift > 0)
                break;
            return v;
        }
    }
    r->failed = true;
    return 0;
}
