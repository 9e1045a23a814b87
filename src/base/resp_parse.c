/* The request parser. The common case, lengths of a few digits and input that is there, goes straight
 * through; whatever is odd or cut off takes the slow path, which knows Redis's errors and their order. */
#include <assert.h>
#include <stdio.h>

#include "base/alloc.h"
#include "base/number.h"
#include "base/resp_int.h"

enum {
    ARGS_FIRST = 8,
    ARGS_KEPT = 1024,      /* arrays larger than this are not kept for the next request */
    UNQUOTED_KEPT = 4096,  /* bytes, the same */
    STRANGER_ARGS = 10,    /* both are Redis's, for clients that have not authenticated */
    STRANGER_BULK = 16384, /* bytes */
    SHORT_DIGITS = 9,
};

void resp_parser_init(struct resp_parser *p)
{
    *p = (struct resp_parser){.bulk_len = -1};
}

void resp_parser_deinit(struct resp_parser *p)
{
    mem_free(p->argv);
    mem_free(p->offsets);
    buf_deinit(&p->unquoted);
    resp_parser_init(p);
}

void resp_parser_restart(struct resp_parser *p)
{
    p->argc = p->at = p->searched = p->wanted = 0;
    p->args_left = 0;
    p->bulk_len = -1;
}

static void set_arg_room(struct resp_parser *p, size_t cap)
{
    p->argv = mem_realloc(p->argv, cap * sizeof *p->argv);
    p->offsets = mem_realloc(p->offsets, cap * sizeof *p->offsets);
    p->cap = cap;
}

static inline void add_arg(struct resp_parser *p, size_t offset, size_t len)
{
    if (p->argc == p->cap)
        set_arg_room(p, p->cap ? p->cap * 2 : ARGS_FIRST);
    p->offsets[p->argc] = offset;
    p->argv[p->argc].len = len;
    p->argc++;
}

void resp_add_arg(struct resp_parser *p, size_t offset, size_t len)
{
    add_arg(p, offset, len);
}

static enum resp_status protocol_error(struct resp_parser *p, const char *text)
{
    snprintf(p->error, sizeof p->error, "%s", text);
    return RESP_ERROR;
}

/* Now that the request is whole the input will not move before it has been run. */
static enum resp_status finish(struct resp_parser *p, const char *base, size_t consumed)
{
    for (size_t i = 0; i < p->argc; i++)
        p->argv[i].data = base + p->offsets[i];
    p->consumed = consumed;
    p->at = p->searched = 0;
    p->args_left = 0;
    return RESP_REQUEST;
}

static void begin(struct resp_parser *p)
{
    p->argc = 0;
    if (p->cap > ARGS_KEPT)
        set_arg_room(p, ARGS_KEPT);
    if (p->unquoted.cap > UNQUOTED_KEPT)
        buf_deinit(&p->unquoted);
}

/* Finds `mark` from `at` on, never looking at the same byte twice. RESP_REQUEST: found, at *end. */
static enum resp_status find_end(struct resp_parser *p, struct slice in, char mark, uint64_t max,
                                 const char *too_big, size_t *end)
{
    size_t from = p->searched > p->at ? p->searched : p->at;
    const char *found = from < in.len ? memchr(in.data + from, mark, in.len - from) : NULL;
    *end = found ? (size_t)(found - in.data) : in.len;
    if (*end - p->at > max)
        return protocol_error(p, too_big);
    p->searched = *end;
    return found ? RESP_REQUEST : RESP_MORE;
}

static enum resp_status parse_inline(struct resp_parser *p, struct slice in, const struct resp_limits *limits)
{
    size_t end;
    enum resp_status status = find_end(p, in, '\n', limits->max_inline, "too big inline request", &end);
    if (status != RESP_REQUEST)
        return status;
    size_t len = end > 0 && in.data[end - 1] == '\r' ? end - 1 : end;
    if (!resp_split_inline(p, slice_of(in.data, len)))
        return protocol_error(p, "unbalanced quotes in request");
    return finish(p, p->unquoted.data, end + 1);
}

/* A count or a length at `at`: a letter, up to nine digits without a leading zero, CR, and one more byte. On
 * success `at` is behind it. False means only that the slow path has to look. */
static inline bool short_number(struct resp_parser *p, struct slice in, char letter, int64_t *value)
{
    size_t left = in.len - p->at;
    const char *s = in.data + p->at;
    if (left < 4 || s[0] != letter || (s[1] == '0' && s[2] != '\r'))
        return false;
    int64_t v = 0;
    size_t i = 1;
    for (; i < left && i <= SHORT_DIGITS && (unsigned char)(s[i] - '0') <= 9; i++)
        v = v * 10 + (s[i] - '0');
    if (i == 1 || left - i < 2 || s[i] != '\r')
        return false;
    p->at += i + 2;
    *value = v;
    return true;
}

/* The same for anything. RESP_REQUEST: `at` is behind the line, and *ok says whether it was a number. */
static enum resp_status long_number(struct resp_parser *p, struct slice in, uint64_t max_line,
                                    const char *too_big, int64_t *value, bool *ok)
{
    size_t end;
    enum resp_status status = find_end(p, in, '\r', max_line, too_big, &end);
    if (status != RESP_REQUEST)
        return status;
    if (in.len - end < 2)
        return RESP_MORE;
    *ok = end > p->at && parse_i64(slice_of(in.data + p->at + 1, end - p->at - 1), value);
    p->at = end + 2;
    return RESP_REQUEST;
}

static enum resp_status read_count(struct resp_parser *p, struct slice in, const struct resp_limits *limits)
{
    int64_t count = 0;
    bool ok = true;
    if (!short_number(p, in, '*', &count)) {
        enum resp_status status =
            long_number(p, in, limits->max_inline, "too big mbulk count string", &count, &ok);
        if (status != RESP_REQUEST)
            return status;
    }
    if (!ok || (count > 0 && (uint64_t)count > limits->max_args))
        return protocol_error(p, "invalid multibulk length");
    if (limits->before_auth && count > STRANGER_ARGS)
        return protocol_error(p, "unauthenticated multibulk length");
    p->args_left = count > 0 ? (uint64_t)count : 0;
    return RESP_REQUEST;
}

static enum resp_status read_bulk_len(struct resp_parser *p, struct slice in,
                                      const struct resp_limits *limits)
{
    int64_t len = 0;
    bool ok = true;
    if (!short_number(p, in, '$', &len)) {
        size_t start = p->at;
        enum resp_status status =
            long_number(p, in, limits->max_inline, "too big bulk count string", &len, &ok);
        if (status != RESP_REQUEST)
            return status;
        if (in.data[start] != '$') {
            snprintf(p->error, sizeof p->error, "expected '$', got '%c'", in.data[start]);
            return RESP_ERROR;
        }
    }
    if (!ok || len < 0 || (uint64_t)len > limits->max_bulk)
        return protocol_error(p, "invalid bulk length");
    if (limits->before_auth && len > STRANGER_BULK)
        return protocol_error(p, "unauthenticated bulk length");
    p->bulk_len = len;
    return RESP_REQUEST;
}

static enum resp_status read_args(struct resp_parser *p, struct slice in, const struct resp_limits *limits)
{
    while (p->args_left > 0) {
        if (p->bulk_len < 0) {
            enum resp_status status = read_bulk_len(p, in, limits);
            if (status != RESP_REQUEST)
                return status;
        }
        size_t len = (size_t)p->bulk_len, left = in.len - p->at;
        if (left < 2 || left - 2 < len) {
            p->wanted = len + 2 - left;
            return RESP_MORE;
        }
        add_arg(p, p->at, len);
        p->at += len + 2;
        p->bulk_len = -1;
        p->args_left--;
    }
    return finish(p, in.data, p->at);
}

enum resp_status resp_parse(struct resp_parser *p, struct slice input, const struct resp_limits *limits)
{
    assert(input.len >= p->at);
    p->wanted = 0;
    if (input.len == 0)
        return RESP_MORE;
    if (p->args_left == 0) {
        if (p->searched == 0)
            begin(p);
        if (input.data[0] != '*')
            return parse_inline(p, input, limits);
        enum resp_status status = read_count(p, input, limits);
        if (status != RESP_REQUEST)
            return status;
    }
    return read_args(p, input, limits);
}
