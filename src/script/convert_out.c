/* Lua values as replies. */
#include "base/resp.h"
#include "script/engine_int.h"

#include <string.h>

struct output {
    struct buf *out;
    int resp;
    size_t most; /* as long as it may become */
};

static void append(lua_State *L, const struct output *o, int depth);

/* Pushes field `name` of the table on top, if it is of that type. */
static bool field(lua_State *L, const char *name, int type)
{
    lua_pushstring(L, name);
    lua_rawget(L, -2);
    if (lua_type(L, -1) == type)
        return true;
    lua_pop(L, 1);
    return false;
}

/* The same text may be in a reply many times, so its bytes count, and there is an end to them. */
static void charge(lua_State *L, const struct output *o, size_t bytes)
{
    lib_spend_bytes(L, bytes);
    if (o->out->len > o->most || bytes > o->most - o->out->len)
        luaL_error(L, "not enough memory for the reply");
}

/* What would end a line becomes spaces. */
static void append_text(struct buf *out, struct slice text)
{
    size_t start = out->len;
    buf_append_slice(out, text);
    for (size_t i = start; i < out->len; i++)
        if (out->data[i] == '\r' || out->data[i] == '\n')
            out->data[i] = ' ';
    buf_append_cstr(out, "\r\n");
}

static void append_line(struct buf *out, char type, struct slice text)
{
    put_u8(out, (uint8_t)type);
    append_text(out, text);
}

static struct slice top_string(lua_State *L)
{
    size_t len;
    const char *text = lua_tolstring(L, -1, &len);
    return slice_of(text, len);
}

static void append_error(lua_State *L, const struct output *o)
{
    struct slice text = slice_cstr(lua_tostring(L, -1));
    while (text.len && (text.data[text.len - 1] == '\r' || text.data[text.len - 1] == '\n'))
        text.len--;
    charge(L, o, text.len);
    append_line(o->out, '-', text);
}

static size_t count_keys(lua_State *L)
{
    size_t n = 0;
    for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1))
        n++;
    lib_count(L, n);
    return n;
}

static void append_status(lua_State *L, const struct output *o)
{
    struct slice text = slice_cstr(lua_tostring(L, -1));
    charge(L, o, text.len);
    append_line(o->out, '+', text);
}

static void append_keyed(lua_State *L, const struct output *o, bool is_map, int depth)
{
    size_t count = count_keys(L);
    if (is_map)
        resp_map(o->out, o->resp, count);
    else
        resp_set(o->out, o->resp, count);
    for (lua_pushnil(L); lua_next(L, -2);) {
        lua_pushvalue(L, -2);
        append(L, o, depth);
        if (is_map)
            append(L, o, depth);
        else
            lua_pop(L, 1);
    }
}

static size_t array_length(lua_State *L)
{
    int n;
    for (n = 1;; n++) {
        lua_rawgeti(L, -1, n);
        bool there = !lua_isnil(L, -1);
        lua_pop(L, 1);
        if (!there)
            break;
    }
    lib_count(L, (uint64_t)n);
    return (size_t)n - 1;
}

static void append_array(lua_State *L, const struct output *o, int depth)
{
    size_t count = array_length(L);
    resp_array(o->out, count);
    for (size_t i = 1; i <= count; i++) {
        lua_rawgeti(L, -1, (int)i);
        append(L, o, depth);
    }
}

static void append_verbatim(lua_State *L, const struct output *o)
{
    lua_getfield(L, -1, "string");
    struct slice text = lua_isstring(L, -1) ? top_string(L) : slice_of("", 0);
    lua_getfield(L, -2, "format");
    const char *kind = lua_isstring(L, -1) ? lua_tostring(L, -1) : "txt";
    char three[4] = "txt";
    if (strlen(kind) == 3)
        memcpy(three, kind, 3);
    charge(L, o, text.len);
    resp_verbatim(o->out, o->resp, three, text);
    lua_pop(L, 2);
}

static void append_big_number(lua_State *L, const struct output *o)
{
    struct slice text = top_string(L);
    charge(L, o, text.len);
    if (o->resp == 2)
        buf_printf(o->out, "$%zu\r\n", text.len);
    else
        put_u8(o->out, '(');
    append_text(o->out, text);
}

/* In Redis's order; of the first that fits. What was pushed goes. */
static void append_table(lua_State *L, const struct output *o, int depth)
{
    int top = lua_gettop(L);
    if (field(L, "err", LUA_TSTRING))
        append_error(L, o);
    else if (field(L, "ok", LUA_TSTRING))
        append_status(L, o);
    else if (field(L, "double", LUA_TNUMBER))
        resp_double(o->out, o->resp, lua_tonumber(L, -1));
    else if (field(L, "map", LUA_TTABLE))
        append_keyed(L, o, true, depth);
    else if (field(L, "set", LUA_TTABLE))
        append_keyed(L, o, false, depth);
    else if (field(L, "big_number", LUA_TSTRING))
        append_big_number(L, o);
    else if (field(L, "verbatim_string", LUA_TTABLE))
        append_verbatim(L, o);
    else
        append_array(L, o, depth);
    lua_settop(L, top);
}

/* As x86 casts what does not fit. */
static int64_t integer(double d)
{
    return d >= -9223372036854775808.0 && d < 9223372036854775808.0 ? (int64_t)d : INT64_MIN;
}

static void append(lua_State *L, const struct output *o, int depth)
{
    if (depth == 0 || !lua_checkstack(L, 8)) {
        resp_error(o->out, "ERR reached lua stack limit");
        lua_pop(L, 1);
        return;
    }
    lib_count(L, 1);
    charge(L, o, 0);
    switch (lua_type(L, -1)) {
    case LUA_TSTRING:
        charge(L, o, lua_objlen(L, -1));
        resp_bulk(o->out, top_string(L));
        break;
    case LUA_TBOOLEAN:
        if (engine_of(L)->resp == 3)
            resp_bool(o->out, o->resp, lua_toboolean(L, -1));
        else if (lua_toboolean(L, -1))
            resp_integer(o->out, 1);
        else
            resp_null(o->out, o->resp);
        break;
    case LUA_TNUMBER:
        resp_integer(o->out, integer(lua_tonumber(L, -1)));
        break;
    case LUA_TTABLE:
        append_table(L, o, depth - 1);
        break;
    default:
        resp_null(o->out, o->resp);
    }
    lua_pop(L, 1);
}

void append_value(lua_State *L, struct buf *out, int resp)
{
    append(L, &(struct output){out, resp, out->len + engine_of(L)->run->limits.max_memory}, LIB_DEPTH_MAX);
}
