/* Elements encoded, walked over, and moved aside for others. */
#include "store/listpack.h"

#include <assert.h>

#include "base/alloc.h"
#include "base/number.h"

enum { HEAD = 6, END = 0xff, COUNT_UNKNOWN = UINT16_MAX };

/* ---- one element ---- */

struct element {
    uint8_t head[9];
    size_t head_len;
    struct slice text; /* behind the head; empty for a number */
};

static struct element number_element(int64_t v)
{
    struct element e = {.head_len = 1};
    uint64_t bits = (uint64_t)v;
    size_t bytes = 0;
    if (v >= 0 && v <= 127) {
        e.head[0] = (uint8_t)v;
    } else if (v >= -4096 && v <= 4095) {
        e.head[0] = (uint8_t)(0xc0 | (bits >> 8 & 31));
        e.head[1] = (uint8_t)bits;
        e.head_len = 2;
    } else if (v >= INT16_MIN && v <= INT16_MAX) {
        e.head[0] = 0xf1;
        bytes = 2;
    } else if (v >= -(1 << 23) && v < 1 << 23) {
        e.head[0] = 0xf2;
        bytes = 3;
    } else if (v >= INT32_MIN && v <= INT32_MAX) {
        e.head[0] = 0xf3;
        bytes = 4;
    } else {
        e.head[0] = 0xf4;
        bytes = 8;
    }
    for (size_t i = 0; i < bytes; i++)
        e.head[e.head_len++] = (uint8_t)(bits >> 8 * i);
    return e;
}

static struct element text_element(struct slice s)
{
    struct element e = {.head_len = 1, .text = s};
    if (s.len < 64) {
        e.head[0] = (uint8_t)(0x80 | s.len);
    } else if (s.len < 4096) {
        e.head[0] = (uint8_t)(0xe0 | s.len >> 8);
        e.head[1] = (uint8_t)s.len;
        e.head_len = 2;
    } else {
        assert(s.len <= UINT32_MAX);
        e.head[0] = 0xf0;
        store_u32(e.head + 1, (uint32_t)s.len);
        e.head_len = 5;
    }
    return e;
}

static struct element element_of(struct slice s)
{
    int64_t number;
    return s.len <= 20 && parse_i64(s, &number) ? number_element(number) : text_element(s);
}

/* The length behind an element of `len` bytes: seven bits a byte, the high ones first, all but the first byte marked. Redis goes
 * to the next size one early. */
static size_t back_len(size_t len)
{
    return len <= 127 ? 1 : len < 16383 ? 2 : len < 2097151 ? 3 : len < 268435455 ? 4 : 5;
}

static void put_back(uint8_t *at, size_t len)
{
    for (size_t i = back_len(len); i-- > 0; len >>= 7)
        at[i] = (uint8_t)((len & 127) | (i ? 128 : 0));
}

/* Of the element that ends before `at`. */
static size_t get_back(const uint8_t *at)
{
    size_t len = 0, shift = 0;
    do
        len |= (size_t)(*--at & 127) << shift;
    while (shift += 7, *at & 128);
    return len;
}

static size_t element_len(const struct element *e)
{
    return e->head_len + e->text.len;
}

static size_t element_cost(const struct element *e)
{
    return element_len(e) + back_len(element_len(e));
}

static void put_element(uint8_t *at, const struct element *e)
{
    memcpy(at, e->head, e->head_len);
    if (e->text.len)
        memcpy(at + e->head_len, e->text.data, e->text.len);
    put_back(at + element_len(e), element_len(e));
}

/* Bytes before the text, or of the whole number, by the first byte. 0: no element begins so. */
static size_t head_len(uint8_t first)
{
    static const uint8_t by_low_bits[16] = {5, 3, 4, 5, 9};
    if (first < 0xc0)
        return 1;
    return first < 0xf0 ? 2 : by_low_bits[first & 15];
}

static size_t text_len(const uint8_t *at)
{
    if (*at < 0x80)
        return 0;
    if (*at < 0xc0)
        return *at & 63;
    if (*at >= 0xe0 && *at < 0xf0)
        return (size_t)(*at & 15) << 8 | at[1];
    return *at == 0xf0 ? load_u32(at + 1) : 0;
}

static size_t span(const uint8_t *at)
{
    size_t len = head_len(*at) + text_len(at);
    return len + back_len(len);
}

static int64_t number_at(const uint8_t *at)
{
    if (*at < 0x80)
        return *at;
    uint64_t bits = 0;
    size_t bytes = head_len(*at) - 1, width = 8 * bytes;
    for (size_t i = 0; i < bytes; i++)
        bits |= (uint64_t)at[1 + i] << 8 * i;
    if (*at < 0xe0) {
        bits |= (uint64_t)(*at & 31) << 8;
        width = 13;
    }
    return (int64_t)(bits << (64 - width)) >> (64 - width); /* gcc and clang keep the sign */
}

static bool is_number(const uint8_t *at)
{
    return *at < 0x80 || (*at >= 0xc0 && *at < 0xe0) || *at > 0xf0;
}

static struct slice text_at(const uint8_t *at)
{
    return slice_of(at + head_len(*at), text_len(at));
}

/* ---- the whole ---- */

static size_t total(const uint8_t *lp)
{
    return load_u32(lp);
}

static size_t end_of(const uint8_t *lp)
{
    return total(lp) - 1;
}

static size_t header_count(const uint8_t *lp)
{
    return (size_t)(lp[4] | lp[5] << 8);
}

static void set_header(uint8_t *lp, size_t bytes, size_t count)
{
    assert(bytes <= UINT32_MAX && count <= COUNT_UNKNOWN);
    store_u32(lp, (uint32_t)bytes);
    lp[4] = (uint8_t)count;
    lp[5] = (uint8_t)(count >> 8);
}

uint8_t *lp_new(void)
{
    uint8_t *lp = mem_alloc(HEAD + 1);
    set_header(lp, HEAD + 1, 0);
    lp[HEAD] = END;
    return lp;
}

static uint8_t *copy_bytes(const void *bytes, size_t len)
{
    uint8_t *lp = mem_alloc(len);
    return memcpy(lp, bytes, len);
}

uint8_t *lp_copy(const uint8_t *lp)
{
    return copy_bytes(lp, total(lp));
}

void lp_free(uint8_t *lp)
{
    mem_free(lp);
}

/* The span of the element at `at` when it lies before `end`, is well formed, and says the same length behind it; else 0. */
static size_t checked_span(const uint8_t *at, const uint8_t *end)
{
    size_t head = head_len(*at), left = (size_t)(end - at);
    if (!head || head > left)
        return 0;
    size_t len = head + text_len(at);
    uint8_t back[5];
    if (len > left || back_len(len) > left - len)
        return 0;
    put_back(back, len);
    return memcmp(back, at + len, back_len(len)) == 0 ? len + back_len(len) : 0;
}

/* Longer ones than LP_BYTES_MAX are: what callers count are texts, not what stands around them. */
uint8_t *lp_load(struct slice bytes)
{
    const uint8_t *lp = (const uint8_t *)bytes.data;
    if (bytes.len < HEAD + 1 || bytes.len > UINT32_MAX || total(lp) != bytes.len || lp[bytes.len - 1] != END)
        return NULL;
    const uint8_t *end = lp + bytes.len - 1;
    size_t count = 0;
    for (const uint8_t *at = lp + HEAD; at < end; count++) {
        size_t step = checked_span(at, end);
        if (!step)
            return NULL;
        at += step;
    }
    if (header_count(lp) != COUNT_UNKNOWN && header_count(lp) != count)
        return NULL;
    return copy_bytes(lp, bytes.len);
}

struct slice lp_slice(const uint8_t *lp)
{
    return slice_of(lp, total(lp));
}

size_t lp_memory(const uint8_t *lp)
{
    return mem_usable(lp);
}

void lp_reserve(uint8_t **lp, size_t bytes)
{
    if (bytes > mem_usable(*lp))
        *lp = mem_realloc(*lp, bytes);
}

void lp_fit(uint8_t **lp)
{
    *lp = mem_realloc(*lp, total(*lp));
}

size_t lp_count(const uint8_t *lp)
{
    size_t count = header_count(lp);
    if (count != COUNT_UNKNOWN)
        return count;
    count = 0;
    for (size_t at = HEAD; lp[at] != END; at += span(lp + at))
        count++;
    return count;
}

size_t lp_cost(struct slice s)
{
    struct element e = element_of(s);
    return element_cost(&e);
}

/* ---- walking ---- */

size_t lp_first(const uint8_t *lp)
{
    return lp[HEAD] == END ? 0 : HEAD;
}

size_t lp_last(const uint8_t *lp)
{
    return lp_prev(lp, end_of(lp));
}

size_t lp_next(const uint8_t *lp, size_t at)
{
    at += span(lp + at);
    return lp[at] == END ? 0 : at;
}

size_t lp_prev(const uint8_t *lp, size_t at)
{
    if (at == HEAD)
        return 0;
    size_t len = get_back(lp + at);
    return at - len - back_len(len);
}

/* With the count unknown, from the side that was asked for. */
size_t lp_seek(const uint8_t *lp, int64_t index)
{
    int64_t count = (int64_t)header_count(lp);
    if (count != COUNT_UNKNOWN) {
        if (index >= count || index < -count)
            return 0;
        if (index < 0 && index + count < count / 2)
            index += count;
        else if (index > count / 2)
            index -= count;
    }
    size_t at;
    if (index >= 0)
        for (at = lp_first(lp); at && index; index--)
            at = lp_next(lp, at);
    else
        for (at = lp_last(lp); at && index < -1; index++)
            at = lp_prev(lp, at);
    return at;
}

/* ---- reading ---- */

struct lp_value lp_get(const uint8_t *lp, size_t at)
{
    if (is_number(lp + at))
        return (struct lp_value){{NULL, 0}, number_at(lp + at)};
    return (struct lp_value){text_at(lp + at), 0};
}

struct slice lp_text(const uint8_t *lp, size_t at, char scratch[LP_NUMBER_MAX])
{
    if (is_number(lp + at))
        return slice_of(scratch, format_i64(scratch, number_at(lp + at)));
    return text_at(lp + at);
}

/* Bytes from elsewhere may hold an integer as text. */
bool lp_i64(const uint8_t *lp, size_t at, int64_t *out)
{
    if (!is_number(lp + at))
        return parse_i64(text_at(lp + at), out);
    *out = number_at(lp + at);
    return true;
}

bool lp_equal(const uint8_t *lp, size_t at, struct slice s)
{
    int64_t number;
    if (is_number(lp + at))
        return s.len <= 20 && parse_i64(s, &number) && number == number_at(lp + at);
    return slice_equal(text_at(lp + at), s);
}

size_t lp_find(const uint8_t *lp, size_t at, struct slice s, size_t skip)
{
    int64_t number = 0;
    bool numeric = s.len <= 20 && parse_i64(s, &number);
    size_t passing = 0;
    for (; at; at = lp_next(lp, at)) {
        if (passing) {
            passing--;
            continue;
        }
        const uint8_t *element = lp + at;
        if (is_number(element) ? numeric && number_at(element) == number : slice_equal(text_at(element), s))
            return at;
        passing = skip;
    }
    return 0;
}

/* ---- changing ---- */

/* Where `gone` bytes stand there is room for `come` then. Gives up memory only when a quarter of it would lie idle. */
static void splice(uint8_t **lp, size_t at, size_t gone, size_t come, size_t count)
{
    size_t had = total(*lp), bytes = had - gone + come;
    if (come > gone)
        lp_reserve(lp, bytes);
    memmove(*lp + at + come, *lp + at + gone, had - at - gone);
    if (come < gone && bytes + bytes / 4 < mem_usable(*lp))
        *lp = mem_realloc(*lp, bytes);
    set_header(*lp, bytes, count);
}

/* 65535 stands for "unknown" as for itself. */
static size_t count_after(const uint8_t *lp, size_t gone, size_t come)
{
    size_t count = header_count(lp);
    return count == COUNT_UNKNOWN ? count : count - gone + come;
}

static void insert(uint8_t **lp, size_t at, const struct element *e)
{
    splice(lp, at, 0, element_cost(e), count_after(*lp, 0, 1));
    put_element(*lp + at, e);
}

static void replace(uint8_t **lp, size_t at, const struct element *e)
{
    splice(lp, at, span(*lp + at), element_cost(e), header_count(*lp));
    put_element(*lp + at, e);
}

void lp_append(uint8_t **lp, struct slice s)
{
    struct element e = element_of(s);
    insert(lp, end_of(*lp), &e);
}

void lp_append_i64(uint8_t **lp, int64_t number)
{
    struct element e = number_element(number);
    insert(lp, end_of(*lp), &e);
}

void lp_prepend(uint8_t **lp, struct slice s)
{
    struct element e = element_of(s);
    insert(lp, HEAD, &e);
}

void lp_insert(uint8_t **lp, size_t at, struct slice s)
{
    struct element e = element_of(s);
    insert(lp, at ? at : end_of(*lp), &e);
}

void lp_replace(uint8_t **lp, size_t at, struct slice s)
{
    struct element e = element_of(s);
    replace(lp, at, &e);
}

void lp_replace_i64(uint8_t **lp, size_t at, int64_t number)
{
    struct element e = number_element(number);
    replace(lp, at, &e);
}

size_t lp_delete(uint8_t **lp, size_t at, size_t count)
{
    size_t to = at, gone = 0;
    for (; gone < count && (*lp)[to] != END; gone++)
        to += span(*lp + to);
    splice(lp, at, to - at, 0, count_after(*lp, gone, 0));
    return (*lp)[at] == END ? 0 : at;
}
