/* Numbers as text. The conversions of floating point are libc's, in the C locale (no program of ours ever
 * calls setlocale); what is ours is which texts are let through, and those rules are Redis's. */
#include "base/number.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"

enum { I64_DIGITS = 19 };

bool parse_i64(struct slice s, int64_t *out)
{
    if (s.len == 0 || s.len > I64_DIGITS + 1)
        return false;
    const char *p = s.data, *end = s.data + s.len;
    if (s.len == 1 && *p == '0') {
        *out = 0;
        return true;
    }
    bool negative = *p == '-';
    if (negative)
        p++;
    if (p == end || *p < '1' || *p > '9' || end - p > I64_DIGITS)
        return false;
    uint64_t v = 0; /* nineteen digits fit in 64 bits unsigned */
    for (; p < end; p++) {
        if (*p < '0' || *p > '9')
            return false;
        v = v * 10 + (uint64_t)(*p - '0');
    }
    if (v > (uint64_t)INT64_MAX + negative)
        return false;
    *out = (int64_t)(negative ? 0 - v : v);
    return true;
}

static bool leads_with_space(struct slice s)
{
    return isspace((unsigned char)s.data[0]) != 0;
}

bool parse_long_double(struct slice s, long double *out)
{
    char text[NUMBER_TEXT_MAX];
    if (s.len == 0 || s.len >= sizeof text || leads_with_space(s))
        return false;
    memcpy(text, s.data, s.len);
    text[s.len] = '\0';
    char *end;
    errno = 0;
    long double v = strtold(text, &end);
    bool out_of_range = errno == ERANGE && (isinf(v) || v == 0);
    if ((size_t)(end - text) != s.len || out_of_range || isnan(v))
        return false;
    *out = v;
    return true;
}

bool parse_double(struct slice s, double *out)
{
    char small[128];
    if (s.len == 0 || leads_with_space(s))
        return false;
    char *text = s.len < sizeof small ? small : mem_alloc(s.len + 1);
    memcpy(text, s.data, s.len);
    text[s.len] = '\0';
    char *end;
    errno = 0;
    double v = strtod(text, &end);
    bool out_of_range = errno == ERANGE && (isinf(v) || v == 0);
    bool whole = (size_t)(end - text) == s.len;
    if (text != small)
        mem_free(text);
    if (!whole || out_of_range || isnan(v))
        return false;
    *out = v;
    return true;
}

bool parse_double_lax(struct slice s, double *out, bool *outside)
{
    char small[128];
    char *text = s.len < sizeof small ? small : mem_alloc(s.len + 1);
    if (s.len)
        memcpy(text, s.data, s.len);
    text[s.len] = '\0';
    char *end;
    errno = 0;
    *out = strtod(text, &end);
    *outside = errno == ERANGE;
    bool whole = *end == '\0';
    if (text != small)
        mem_free(text);
    return whole && !isnan(*out);
}

size_t format_u64(char *out, uint64_t v)
{
    char digits[20];
    size_t n = 0, at = 0;
    do
        digits[n++] = (char)('0' + v % 10);
    while ((v /= 10) > 0);
    while (n > 0)
        out[at++] = digits[--n];
    return at;
}

size_t format_i64(char *out, int64_t v)
{
    if (v >= 0)
        return format_u64(out, (uint64_t)v);
    *out = '-';
    return 1 + format_u64(out + 1, 0 - (uint64_t)v);
}

void format_hex(char *out, const void *bytes, size_t len)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < len; i++) {
        unsigned byte = ((const uint8_t *)bytes)[i];
        *out++ = digits[byte >> 4];
        *out++ = digits[byte & 15];
    }
}

static size_t format_inf(char *out, bool negative)
{
    memcpy(out, "-inf", 5);
    if (!negative)
        memcpy(out, "inf", 4);
    return negative ? 4 : 3;
}

/* Seventeen places after the point: enough that most decimals people type come back as they typed them. */
size_t format_long_double(char *out, long double v)
{
    if (isinf(v))
        return format_inf(out, v < 0);
    size_t len = (size_t)snprintf(out, NUMBER_TEXT_MAX, "%.17Lf", v);
    while (out[len - 1] == '0')
        len--;
    if (out[len - 1] == '.')
        len--;
    if (len == 2 && out[0] == '-' && out[1] == '0') {
        out[0] = '0';
        len = 1;
    }
    out[len] = '\0';
    return len;
}

size_t format_double(char *out, double v)
{
    if (isinf(v))
        return format_inf(out, v < 0);
    return (size_t)snprintf(out, NUMBER_TEXT_MAX, "%.17g", v);
}

bool parse_memory(struct slice s, uint64_t *out)
{
    static const struct {
        const char *name;
        uint64_t bytes;
    } units[] = {{"", 1},           {"b", 1},
                 {"k", 1000},       {"kb", 1024},
                 {"m", 1000000},    {"mb", 1024 * 1024},
                 {"g", 1000000000}, {"gb", 1024 * 1024 * 1024}};
    uint64_t v = 0;
    size_t i = 0;
    for (; i < s.len && s.data[i] >= '0' && s.data[i] <= '9'; i++)
        if (__builtin_mul_overflow(v, 10, &v) || __builtin_add_overflow(v, (uint64_t)(s.data[i] - '0'), &v))
            return false;
    if (i == 0)
        return false;
    struct slice unit = slice_of(s.data + i, s.len - i);
    for (size_t u = 0; u < sizeof units / sizeof *units; u++)
        if (slice_is_word(unit, units[u].name))
            return !__builtin_mul_overflow(v, units[u].bytes, out);
    return false;
}
