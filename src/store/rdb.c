/* RDB encoding of lengths, strings and string values.
 *
 *     00 llllll                        length < 64
 *     01 llllll llllllll               length < 16384, big-endian
 *     10 000000  u32 big-endian        10 000001  u64 big-endian
 *     11 000000  i8     11 000001  i16 little-endian     11 000010  i32 little-endian     the decimal text of
 * it 11 000011  compressed length, length, LZF data
 *
 * OBJECT ENCODING is part of what clients (and transactions in the log) see, so a snapshot must keep it.
 * Redis derives it from the text when it loads; where that would be wrong a longer form of the length says
 * so, which Redis reads too:
 *
 *     raw, though of embstr length     14-bit form        (APPEND, SETRANGE)
 *     embstr, though an integer        32-bit form        (INCRBYFLOAT) */
#include "store/rdb.h"

#include "base/checksum.h"
#include "base/number.h"
#include "store/store_int.h"
#include "store/value.h"

enum { FORM_INT8, FORM_INT16, FORM_INT32, FORM_LZF };

static void put_be(struct buf *out, uint64_t v, unsigned bytes)
{
    while (bytes--)
        put_u8(out, (uint8_t)(v >> 8 * bytes));
}

void rdb_put_length(struct buf *out, uint64_t len)
{
    if (len < 64) {
        put_u8(out, (uint8_t)len);
    } else if (len < 16384) {
        put_be(out, 0x4000 | len, 2);
    } else if (len <= UINT32_MAX) {
        put_u8(out, 0x80);
        put_be(out, len, 4);
    } else {
        put_u8(out, 0x81);
        put_be(out, len, 8);
    }
}

static bool put_short_int(struct buf *out, int64_t v)
{
    if (v >= INT8_MIN && v <= INT8_MAX) {
        put_u8(out, 0xc0 | FORM_INT8);
        put_u8(out, (uint8_t)v);
    } else if (v >= INT16_MIN && v <= INT16_MAX) {
        put_u8(out, 0xc0 | FORM_INT16);
        put_u16(out, (uint16_t)v);
    } else if (v >= INT32_MIN && v <= INT32_MAX) {
        put_u8(out, 0xc0 | FORM_INT32);
        put_u32(out, (uint32_t)v);
    } else {
        return false;
    }
    return true;
}

static void put_text(struct buf *out, struct slice s)
{
    rdb_put_length(out, s.len);
    buf_append_slice(out, s);
}

void rdb_put_string(struct buf *out, struct slice s)
{
    int64_t v;
    if (s.len > 11 || !parse_i64(s, &v) || !put_short_int(out, v))
        put_text(out, s);
}

static uint64_t get_be(struct reader *r, unsigned bytes)
{
    uint64_t v = 0;
    while (bytes--)
        v = v << 8 | get_u8(r);
    return v;
}

/* The length, or with *form >= 0 the number of a special form. */
static uint64_t get_length_or_form(struct reader *r, uint8_t *first, int *form)
{
    *form = -1;
    *first = get_u8(r);
    switch (*first >> 6) {
    case 0:
        return *first;
    case 1:
        return (uint64_t)(*first & 63) << 8 | get_u8(r);
    case 3:
        *form = *first & 63;
        return 0;
    default:
        if (*first > 0x81)
            r->failed = true;
        return get_be(r, *first == 0x81 ? 8 : 4);
    }
}

bool rdb_get_length(struct reader *r, uint64_t *len)
{
    uint8_t first;
    int form;
    *len = get_length_or_form(r, &first, &form);
    if (form >= 0)
        r->failed = true;
    return !r->failed;
}

/* LZF: a control byte below 32 is followed by that many + 1 literal bytes; others are a copy of (control >>
 * 5) + 2 bytes (7: one more length byte follows) from 1 + 13 bits of distance back. With `out` NULL it only tells whether there are
 * `len` bytes. */
static bool lzf_expand(struct slice in, char *out, size_t len)
{
    const uint8_t *at = (const uint8_t *)in.data, *end = at + in.len;
    size_t done = 0;
    while (at < end) {
        size_t control = *at++;
        if (control < 32) {
            size_t run = control + 1;
            if (run > (size_t)(end - at) || run > len - done)
                return false;
            if (out)
                memcpy(out + done, at, run);
            at += run;
            done += run;
            continue;
        }
        size_t run = control >> 5;
        if (run == 7) {
            if (at == end)
                return false;
            run += *at++;
        }
        run += 2;
        if (at == end)
            return false;
        size_t back = ((control & 31) << 8 | *at++) + 1;
        if (back > done || run > len - done)
            return false;
        for (size_t i = 0; out && i < run; i++)
            out[done + i] = out[done + i - back];
        done += run;
    }
    return done == len;
}

#define LZF_LEN_MAX                                                                                          \
    ((uint64_t)1 << 30) /* no string of ours is longer, nor a node of a list or stream that is packed */

static bool get_lzf(struct reader *r, struct buf *scratch, struct slice *out)
{
    uint64_t packed_len, len;
    if (!rdb_get_length(r, &packed_len) || !rdb_get_length(r, &len))
        return false;
    if (packed_len > reader_left(r) || len > LZF_LEN_MAX) {
        r->failed = true;
        return false;
    }
    struct slice packed = get_raw(r, packed_len);
    if (r->failed || !lzf_expand(packed, NULL, len)) { /* before room is made for it */
        r->failed = true;
        return false;
    }
    char *room = buf_reserve(scratch, len);
    if (r->failed || !lzf_expand(packed, room, len)) {
        r->failed = true;
        return false;
    }
    *out = (struct slice){room, len};
    return true;
}

static bool get_form(struct reader *r, int form, struct buf *scratch, struct slice *out)
{
    int64_t v = 0;
    switch (form) {
    case FORM_INT8:
        v = (int8_t)get_u8(r);
        break;
    case FORM_INT16:
        v = (int16_t)get_u16(r);
        break;
    case FORM_INT32:
        v = (int32_t)get_u32(r);
        break;
    case FORM_LZF:
        return get_lzf(r, scratch, out);
    default:
        r->failed = true;
        return false;
    }
    char *room = buf_reserve(scratch, 24);
    *out = (struct slice){room, format_i64(room, v)};
    return !r->failed;
}

static bool get_string(struct reader *r, struct buf *scratch, struct slice *out, uint8_t *first)
{
    int form;
    scratch->len = 0;
    uint64_t len = get_length_or_form(r, first, &form);
    if (form >= 0)
        return !r->failed && get_form(r, form, scratch, out);
    if (len > reader_left(r))
        r->failed = true;
    if (r->failed)
        return false;
    *out = get_raw(r, len);
    return true;
}

bool rdb_get_string(struct reader *r, struct buf *scratch, struct slice *out)
{
    uint8_t first;
    return get_string(r, scratch, out, &first);
}

int store_rdb_type(const struct store_key *k)
{
    if (!key_is_collection(k))
        return RDB_TYPE_STRING;
    struct collection c = store_collection(k);
    return value_ops(store_key_type(k))->rdb_type(&c);
}

static void save_text(const struct store_key *k, struct buf *out)
{
    int64_t v;
    struct slice text;
    char scratch[24];
    if (key_encoding(k) == ENC_INT && put_short_int(out, string_int(k)))
        return;
    text = store_string(k, scratch);
    if (key_encoding(k) == ENC_RAW && text.len <= EMBSTR_MAX) {
        put_be(out, 0x4000 | text.len, 2);
        buf_append_slice(out, text);
    } else if (key_encoding(k) == ENC_EMBSTR && text.len <= 20 && parse_i64(text, &v)) {
        put_u8(out, 0x80);
        put_be(out, text.len, 4);
        buf_append_slice(out, text);
    } else {
        put_text(out, text);
    }
}

void store_rdb_save(const struct store_key *k, struct rdb_out *out)
{
    if (!key_is_collection(k)) {
        save_text(k, out->buf);
        return;
    }
    struct collection c = store_collection(k);
    value_ops(store_key_type(k))->save(&c, out);
}

bool store_rdb_knows(int rdb_type)
{
    enum store_type type;
    return rdb_type == RDB_TYPE_STRING || value_type_of_rdb(rdb_type, &type);
}

static struct store_key *load_text(struct store_view *v, struct slice key, struct reader *r)
{
    struct buf scratch = BUF_EMPTY;
    struct slice text;
    uint8_t first;
    struct store_key *k = NULL;
    if (get_string(r, &scratch, &text, &first)) {
        int64_t number = 0;
        enum encoding enc = string_best_encoding(text, &number);
        if (text.len <= EMBSTR_MAX && first >> 6 == 1)
            enc = ENC_RAW;
        else if (text.len <= EMBSTR_MAX && first == 0x80)
            enc = ENC_EMBSTR;
        k = string_put_as(v, key, text, enc, number, false);
    }
    buf_deinit(&scratch);
    return k;
}

struct store_key *store_rdb_load(struct store_view *v, struct slice key, int rdb_type, struct reader *r,
                                 uint64_t expiry_ms)
{
    enum store_type type;
    struct store_key *k = NULL;
    if (rdb_type == RDB_TYPE_STRING) {
        k = load_text(v, key, r);
    } else if (value_type_of_rdb(rdb_type, &type)) {
        struct collection c = store_collection_new(v);
        if (value_ops(type)->load(&c, rdb_type, r, v->limits))
            k = store_put_collection(v, key, type, c);
    }
    if (k && expiry_ms != STORE_NEVER)
        store_set_expiry(v, &k, expiry_ms);
    return k;
}

/* ---- payloads ---- */

#define FOOTER_BYTES 10

void rdb_put_footer(struct buf *out, size_t start)
{
    put_u16(out, RDB_VERSION);
    put_u64(out, crc64(0, out->data + start, out->len - start));
}

bool rdb_check_footer(struct slice payload, struct slice *body)
{
    if (payload.len < FOOTER_BYTES)
        return false;
    *body = slice_of(payload.data, payload.len - FOOTER_BYTES);
    struct reader footer = reader_of(slice_drop(payload, body->len));
    return get_u16(&footer) <= RDB_VERSION && get_u64(&footer) == crc64(0, payload.data, body->len + 2);
}

void store_rdb_dump(const struct store_key *k, struct buf *out)
{
    size_t start = out->len;
    put_u8(out, (uint8_t)store_rdb_type(k));
    store_rdb_save(k, &(struct rdb_out){out, NULL, NULL});
    rdb_put_footer(out, start);
}
