/* What of DEBUG goes beyond one node's own affairs: PROTOCOL, one value of each kind, for those who test a client's parser, or a
 * script's; POPULATE, many keys for tests, the same on all nodes. */
#include "commands/commands_int.h"

#include <inttypes.h>
#include <stdio.h>

static void put_attribute(struct buf *out, int resp)
{
    if (resp >= 3) {
        buf_append_cstr(out, "|1\r\n");
        resp_bulk_cstr(out, "key-popularity");
        resp_array(out, 2);
        resp_bulk_cstr(out, "key:123");
        resp_integer(out, 90);
    }
    resp_bulk_cstr(out, "Some real reply following the attribute");
}

static void put_collection(struct buf *out, int resp, struct slice kind)
{
    bool map = slice_is_word(kind, "map");
    if (map)
        resp_map(out, resp, 3);
    else if (slice_is_word(kind, "set"))
        resp_set(out, resp, 3);
    else
        resp_array(out, 3);
    for (int i = 0; i < 3; i++) {
        resp_integer(out, i);
        if (map)
            resp_bool(out, resp, i == 1);
    }
}

void command_debug_protocol(struct slice kind, int resp, struct buf *out)
{
    static const char big[] = "1234567999999999999999999999999999999";
    if (slice_is_word(kind, "string"))
        resp_bulk_cstr(out, "Hello World");
    else if (slice_is_word(kind, "integer"))
        resp_integer(out, 12345);
    else if (slice_is_word(kind, "double"))
        resp_double(out, resp, 3.141);
    else if (slice_is_word(kind, "null"))
        resp_null(out, resp);
    else if (slice_is_word(kind, "array") || slice_is_word(kind, "set") || slice_is_word(kind, "map"))
        put_collection(out, resp, kind);
    else if (slice_is_word(kind, "attrib"))
        put_attribute(out, resp);
    else if (slice_is_word(kind, "bignum") && resp >= 3)
        buf_printf(out, "(%s\r\n", big);
    else if (slice_is_word(kind, "bignum"))
        resp_bulk_cstr(out, big);
    else if (slice_is_word(kind, "true") || slice_is_word(kind, "false"))
        resp_bool(out, resp, slice_is_word(kind, "true"));
    else if (slice_is_word(kind, "verbatim"))
        resp_verbatim(out, resp, "txt", SLICE_LITERAL("This is a verbatim\nstring"));
    else
        resp_error(out, "ERR Wrong protocol type name. Please use one of the following: "
                        "string|integer|double|null|array|set|map|attrib|bignum|true|false|verbatim");
}

/* ---- POPULATE count [prefix] [size] ---- */

static bool arg_positive(struct command_context *c, size_t i, uint64_t *v)
{
    int64_t n;
    if (!arg_i64(c, i, &n))
        return false;
    *v = (uint64_t)n;
    if (n < 0)
        resp_error(c->out, "ERR value is out of range, must be positive");
    return n >= 0;
}

/* "value:7", cut or filled with zeros to `size`; 0: as it is. */
static void put_value(struct buf *out, uint64_t number, size_t size)
{
    buf_truncate(out, 0);
    buf_printf(out, "value:%" PRIu64, number);
    size_t len = out->len;
    if (size > len) {
        memset(buf_reserve(out, size - len), 0, size - len);
        out->len = size;
    } else if (size) {
        buf_truncate(out, size);
    }
}

/* All nodes make them in one step, so there is an end to how much: that of one value. */
static bool populate_fits(struct command_context *c, uint64_t count, size_t prefix, uint64_t size)
{
    uint64_t each = prefix + 16, all;
    bool fits =
        size <= c->max_bulk && !__builtin_mul_overflow(count, each + size, &all) && all <= c->max_bulk;
    if (!fits)
        resp_error(c->out, "ERR these are more bytes than proto-max-bulk-len");
    return fits;
}

static void populate(struct command_context *c)
{
    struct slice prefix = c->argc > 3 ? c->argv[3] : SLICE_LITERAL("key");
    struct buf key = BUF_EMPTY, value = BUF_EMPTY;
    uint64_t count, size = 0;
    if (!arg_positive(c, 2, &count) || (c->argc > 4 && !arg_positive(c, 4, &size)) ||
        !populate_fits(c, count, prefix.len, size))
        return;
    for (uint64_t i = 0; i < count; i++) {
        buf_truncate(&key, 0);
        buf_append_slice(&key, prefix);
        buf_printf(&key, ":%" PRIu64, i);
        if (store_find(&c->view, buf_slice(&key)))
            continue;
        put_value(&value, i, (size_t)size);
        store_put_string(&c->view, buf_slice(&key), buf_slice(&value), false);
    }
    buf_deinit(&key);
    buf_deinit(&value);
    reply_ok(c);
}

void debug_in_entry(struct command_context *c)
{
    if (c->argc == 3 && arg_is(c, 1, "protocol"))
        command_debug_protocol(c->argv[2], c->resp, c->out);
    else if (c->view.writing && c->argc >= 3 && c->argc <= 5 && arg_is(c, 1, "populate"))
        populate(c);
    else
        resp_error(c->out, "ERR this is about one node, and no business of an entry");
}
