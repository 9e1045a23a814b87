/* Inline requests: a line as a person types it, with quotes and escapes as Redis reads them. */
#include <ctype.h>

#include "base/resp_int.h"

static bool is_space(char c)
{
    return isspace((unsigned char)c) != 0;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static char escaped(char c)
{
    switch (c) {
    case 'n':
        return '\n';
    case 'r':
        return '\r';
    case 't':
        return '\t';
    case 'b':
        return '\b';
    case 'a':
        return '\a';
    default:
        return c;
    }
}

/* Both read a quoted stretch from s[*at], just behind the opening quote, to just behind the closing one,
 * which must end the argument too. The output never outgrows the input, for which room is reserved. */
static bool read_double_quoted(struct slice s, size_t *at, struct buf *out)
{
    for (size_t i = *at; i < s.len; i++) {
        char c = s.data[i];
        if (c == '"') {
            *at = i + 1;
            return i + 1 == s.len || is_space(s.data[i + 1]);
        }
        if (c == '\\' && s.len - i >= 4 && s.data[i + 1] == 'x' && hex_digit(s.data[i + 2]) >= 0 &&
            hex_digit(s.data[i + 3]) >= 0) {
            c = (char)(hex_digit(s.data[i + 2]) * 16 + hex_digit(s.data[i + 3]));
            i += 3;
        } else if (c == '\\' && s.len - i >= 2) {
            c = escaped(s.data[++i]);
        }
        put_u8(out, (uint8_t)c);
    }
    return false;
}

static bool read_single_quoted(struct slice s, size_t *at, struct buf *out)
{
    for (size_t i = *at; i < s.len; i++) {
        if (s.data[i] == '\'') {
            *at = i + 1;
            return i + 1 == s.len || is_space(s.data[i + 1]);
        }
        if (s.data[i] == '\\' && s.len - i >= 2 && s.data[i + 1] == '\'')
            i++;
        put_u8(out, (uint8_t)s.data[i]);
    }
    return false;
}

static bool ends_word(char c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

bool resp_split_inline(struct resp_parser *p, struct slice line)
{
    struct buf *out = &p->unquoted;
    buf_truncate(out, 0);
    buf_reserve(out, line.len);
    for (size_t i = 0;;) {
        while (i < line.len && is_space(line.data[i]))
            i++;
        if (i == line.len)
            return true;
        size_t start = out->len;
        while (i < line.len && !ends_word(line.data[i])) {
            char c = line.data[i++];
            if (c == '"' ? !read_double_quoted(line, &i, out)
                         : c == '\'' && !read_single_quoted(line, &i, out))
                return false;
            if (c != '"' && c != '\'')
                put_u8(out, (uint8_t)c);
        }
        resp_add_arg(p, start, out->len - start);
    }
}
