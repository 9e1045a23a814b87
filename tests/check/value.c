#include "value.h"

#include "base/number.h"

#include <stdio.h>

#define PRIME ((UINT64_C(1) << 61) - 1)
#define BASE  UINT64_C(0x0d4c2f3b9a1e5767)

static uint64_t times(uint64_t a, uint64_t b)
{
    unsigned __int128 product = (unsigned __int128)a * b;
    uint64_t sum = (uint64_t)(product & PRIME) + (uint64_t)(product >> 61);
    return sum >= PRIME ? sum - PRIME : sum;
}

static uint64_t plus(uint64_t a, uint64_t b)
{
    uint64_t sum = a + b;
    return sum >= PRIME ? sum - PRIME : sum;
}

static uint64_t power(uint32_t exponent)
{
    uint64_t result = 1;
    for (uint64_t square = BASE; exponent; exponent >>= 1, square = times(square, square))
        if (exponent & 1)
            result = times(result, square);
    return result;
}

struct value value_of(struct slice s)
{
    struct value v = {.len = (uint32_t)s.len};
    for (size_t i = 0; i < s.len; i++)
        v.hash = plus(times(v.hash, BASE), (uint64_t)(unsigned char)s.data[i] + 1);
    memcpy(v.text, s.data ? s.data : "", s.len < VALUE_TEXT ? s.len : VALUE_TEXT);
    return v;
}

struct value value_nil(void)
{
    return (struct value){.len = VALUE_NIL};
}

bool value_equal(const struct value *a, const struct value *b)
{
    return a->len == b->len && a->hash == b->hash;
}

struct value value_join(const struct value *a, const struct value *b)
{
    if (value_is_nil(a))
        return *b;
    struct value v = *a;
    v.hash = plus(times(a->hash, power(b->len)), b->hash);
    v.len += b->len;
    for (uint32_t i = a->len; i < v.len && i < VALUE_TEXT; i++)
        v.text[i] = b->text[i - a->len];
    return v;
}

bool value_number(const struct value *v, int64_t *out)
{
    *out = 0;
    return value_is_nil(v) || (v->len <= VALUE_TEXT && parse_i64(slice_of(v->text, v->len), out));
}

struct value value_of_number(int64_t v)
{
    char text[24];
    return value_of(slice_of(text, format_i64(text, v)));
}

const char *value_show(const struct value *v, char *space)
{
    if (value_is_nil(v))
        return "nil";
    bool whole = v->len <= VALUE_TEXT;
    int at = snprintf(space, 48, "\"");
    for (uint32_t i = 0; i < (whole ? v->len : VALUE_TEXT); i++)
        space[at++] = v->text[i] >= ' ' && v->text[i] < 127 ? v->text[i] : '?';
    snprintf(space + at, (size_t)(48 - at), whole ? "\"" : "...\" (%u)", v->len);
    return space;
}
