/* The reply builder, and the measuring of replies that it built. */
#include <assert.h>
#include <stdio.h>

#include "base/number.h"
#include "base/resp.h"

static void put_crlf(struct buf *out)
{
    buf_append(out, "\r\n", 2);
}

/* A letter, a number, CRLF: how every sized reply begins. */
static void put_head(struct buf *out, char letter, int64_t v)
{
    char *at = buf_reserve(out, 1 + 20 + 2);
    at[0] = letter;
    size_t len = 1 + format_i64(at + 1, v);
    at[len] = '\r';
    at[len + 1] = '\n';
    out->len += len + 2;
}

void resp_simple(struct buf *out, const char *text)
{
    put_u8(out, '+');
    buf_append_cstr(out, text);
    put_crlf(out);
}

static bool is_newline(char c)
{
    return c == '\r' || c == '\n';
}

/* As Redis: newlines at both ends are cut, others become spaces, so that a client's own bytes in a message
 * cannot end the reply early. The text starts at `start` in `out`. */
static void end_error(struct buf *out, size_t start)
{
    char *text = out->data + start;
    size_t len = out->len - start, front = 0;
    while (len > 0 && is_newline(text[len - 1]))
        len--;
    while (front < len && is_newline(text[front]))
        front++;
    if (front)
        memmove(text, text + front, len - front);
    len -= front;
    for (size_t i = 0; i < len; i++)
        if (is_newline(text[i]))
            text[i] = ' ';
    buf_truncate(out, start + len);
    put_crlf(out);
}

void resp_error(struct buf *out, const char *text)
{
    put_u8(out, '-');
    size_t start = out->len;
    buf_append_cstr(out, text);
    end_error(out, start);
}

void resp_errorf(struct buf *out, const char *fmt, ...)
{
    put_u8(out, '-');
    size_t start = out->len;
    va_list args;
    va_start(args, fmt);
    buf_vprintf(out, fmt, args);
    va_end(args);
    end_error(out, start);
}

void resp_integer(struct buf *out, int64_t v)
{
    put_head(out, ':', v);
}

void resp_bulk(struct buf *out, struct slice s)
{
    buf_reserve(out, s.len + 25);
    put_head(out, '$', (int64_t)s.len);
    buf_append_slice(out, s);
    put_crlf(out);
}

void resp_bulk_cstr(struct buf *out, const char *s)
{
    resp_bulk(out, slice_cstr(s));
}

void resp_null(struct buf *out, int resp)
{
    buf_append_cstr(out, resp == 3 ? "_\r\n" : "$-1\r\n");
}

void resp_null_array(struct buf *out, int resp)
{
    buf_append_cstr(out, resp == 3 ? "_\r\n" : "*-1\r\n");
}

void resp_array(struct buf *out, size_t n)
{
    put_head(out, '*', (int64_t)n);
}

void resp_map(struct buf *out, int resp, size_t pairs)
{
    if (resp == 3)
        put_head(out, '%', (int64_t)pairs);
    else
        put_head(out, '*', (int64_t)(pairs * 2));
}

void resp_set(struct buf *out, int resp, size_t n)
{
    put_head(out, resp == 3 ? '~' : '*', (int64_t)n);
}

void resp_push(struct buf *out, int resp, size_t n)
{
    put_head(out, resp == 3 ? '>' : '*', (int64_t)n);
}

void resp_double(struct buf *out, int resp, double v)
{
    char text[NUMBER_TEXT_MAX];
    struct slice s = {text, format_double(text, v)};
    if (resp != 3) {
        resp_bulk(out, s);
        return;
    }
    put_u8(out, ',');
    buf_append_slice(out, s);
    put_crlf(out);
}

void resp_bool(struct buf *out, int resp, bool v)
{
    if (resp == 3)
        buf_append_cstr(out, v ? "#t\r\n" : "#f\r\n");
    else
        resp_integer(out, v);
}

void resp_verbatim(struct buf *out, int resp, const char *kind, struct slice s)
{
    if (resp != 3) {
        resp_bulk(out, s);
        return;
    }
    assert(strlen(kind) == 3);
    put_head(out, '=', (int64_t)(s.len + 4));
    buf_append(out, kind, 3);
    buf_append(out, ":", 1);
    buf_append_slice(out, s);
    put_crlf(out);
}

/* One element at `at`, the head alone for an aggregate: how far it reaches (0: incomplete), and how many
 * elements it announces. */
static size_t element_len(struct slice s, size_t at, uint64_t *announces)
{
    const char *cr = memchr(s.data + at, '\r', s.len - at);
    *announces = 0;
    if (!cr || cr + 1 == s.data + s.len)
        return 0;
    size_t head = (size_t)(cr + 2 - (s.data + at));
    char letter = s.data[at];
    if (strchr("+-:_#,(", letter))
        return head;
    int64_t n;
    bool ok = parse_i64(slice_of(s.data + at + 1, head - 3), &n) && n >= -1;
    assert(ok);
    if (n < 0)
        return head;
    if (strchr("$=!", letter))
        return s.len - at - head >= (uint64_t)n + 2 ? head + (size_t)n + 2 : 0;
    assert(strchr("*~>%|", letter));
    *announces = (uint64_t)n * (letter == '%' || letter == '|' ? 2 : 1) + (letter == '|');
    return head;
}

/* Nesting needs no stack: whatever the shape, so and so many elements are still to come. */
size_t resp_reply_len(struct slice s)
{
    size_t at = 0;
    for (uint64_t left = 1; left > 0; left--) {
        uint64_t announces;
        size_t len = at < s.len ? element_len(s, at, &announces) : 0;
        if (len == 0)
            return 0;
        at += len;
        left += announces;
    }
    return at;
}
