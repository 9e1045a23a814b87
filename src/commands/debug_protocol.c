/* DEBUG PROTOCOL: one value of each kind, for those who test a client's parser, or a script's. */
#include "commands/commands_int.h"

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
