/* Reading what Redis wrote before 7.0 (ziplists) and before 2.6 (zipmaps).
 *
 * A ziplist:  u32 bytes | u32 offset of the last element | u16 elements, 65535: count them | element ... | 0xff
 *
 *     an element: the size of the one before, one byte or 0xfe and a u32, then
 *     00llllll  text                      01llllll llllllll  text             10...... u32 big-endian  text
 *     c0 i16    d0 i32    e0 i64          f0 i24    fe i8    f1 to fd: 0 to 12
 *
 * A zipmap:   u8 pairs, 254: count them | field value ... | 0xff
 *
 *     a field: its length, one byte or 0xfe and a u32, and text. A value: the same, but behind the length a u8 says how many
 *     unused bytes follow the text.
 *
 * Numbers are little-endian where nothing else is said. */
#include "store/ziplist.h"

#include "store/listpack.h"

enum { END = 0xff, LONG = 0xfe, COUNT_UNKNOWN = 65535 };

static int64_t get_signed(struct reader *r, unsigned bytes)
{
    uint64_t v = 0;
    for (unsigned i = 0; i < bytes; i++)
        v |= (uint64_t)get_u8(r) << 8 * i;
    unsigned unused = 64 - 8 * bytes;
    return (int64_t)(v << unused) >> unused;
}

static uint32_t get_u32be(struct reader *r)
{
    return __builtin_bswap32(get_u32(r));
}

static void take_text(struct reader *r, size_t len, uint8_t **lp)
{
    struct slice text = get_raw(r, len);
    if (!r->failed)
        lp_append(lp, text);
}

static void take_number(struct reader *r, uint8_t kind, uint8_t **lp)
{
    int64_t v = 0;
    switch (kind) {
    case 0xc0:
        v = get_signed(r, 2);
        break;
    case 0xd0:
        v = get_signed(r, 4);
        break;
    case 0xe0:
        v = get_signed(r, 8);
        break;
    case 0xf0:
        v = get_signed(r, 3);
        break;
    case 0xfe:
        v = get_signed(r, 1);
        break;
    default:
        v = kind - 0xf1;
        if (kind < 0xf1 || kind > 0xfd)
            r->failed = true;
    }
    if (!r->failed)
        lp_append_i64(lp, v);
}

static void take_element(struct reader *r, uint8_t **lp)
{
    uint8_t kind = get_u8(r);
    if (kind >> 6 == 0)
        take_text(r, kind, lp);
    else if (kind >> 6 == 1)
        take_text(r, (size_t)(kind & 63) << 8 | get_u8(r), lp);
    else if (kind >> 6 == 2)
        take_text(r, get_u32be(r), lp);
    else
        take_number(r, kind, lp);
}

/* A length in one byte or five; 0xff is none. */
static size_t get_size(struct reader *r)
{
    uint8_t first = get_u8(r);
    if (first == END)
        r->failed = true;
    return first == LONG ? get_u32(r) : first;
}

static bool at_end(struct reader *r)
{
    return r->failed || r->at == r->end || (uint8_t)*r->at == END;
}

/* What was read, if all of it was good and nothing is left. */
static uint8_t *finish(struct reader *r, uint8_t *lp, bool good)
{
    good = good && get_u8(r) == END && !r->failed && reader_left(r) == 0;
    if (good)
        return lp;
    lp_free(lp);
    return NULL;
}

uint8_t *ziplist_load(struct slice bytes)
{
    struct reader r = reader_of(bytes);
    uint32_t total = get_u32(&r), last = get_u32(&r), count = get_u16(&r);
    size_t at = 10, before = 0, found = 0;
    uint8_t *lp = lp_new();
    bool good = !r.failed && total == bytes.len && total <= LP_BYTES_MAX;
    while (good && !at_end(&r)) {
        at = (size_t)(r.at - bytes.data);
        good = get_size(&r) == before;
        take_element(&r, &lp);
        before = (size_t)(r.at - bytes.data) - at;
        found++;
    }
    good = good && last == at && (count == COUNT_UNKNOWN || count == found);
    return finish(&r, lp, good);
}

uint8_t *zipmap_load(struct slice bytes)
{
    struct reader r = reader_of(bytes);
    uint8_t count = get_u8(&r);
    size_t found = 0;
    uint8_t *lp = lp_new();
    bool good = !r.failed && bytes.len <= LP_BYTES_MAX;
    while (good && !at_end(&r)) {
        take_text(&r, get_size(&r), &lp);
        size_t len = get_size(&r), unused = get_u8(&r);
        take_text(&r, len, &lp);
        get_raw(&r, unused);
        found++;
    }
    return finish(&r, lp, good && (count >= LONG || count == found));
}
