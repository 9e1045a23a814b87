/* cjson.encode. The value on top of the stack is written, and stays there. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "script/lib_int.h"

struct encoder {
    lua_State *L;
    const struct json_settings *set;
    struct lib_buffer out;
};

static void encode_value(struct encoder *e, int depth);

static int refuse(struct encoder *e, int index, const char *why)
{
    return luaL_error(e->L, "Cannot serialise %s: %s", luaL_typename(e->L, index), why);
}

static void encode_string(struct encoder *e, int index)
{
    static const char plain[] = "\"\\/\b\t\n\f\r", letter[] = "\"\\/btnfr";
    size_t len;
    const char *s = lua_tolstring(e->L, index, &len);
    lib_buffer_add_char(&e->out, '"');
    for (size_t i = 0, from = 0; i <= len; i++) {
        unsigned char c = i < len ? (unsigned char)s[i] : 0;
        if (c >= 0x20 && c != 0x7f && c != '"' && c != '\\' && c != '/')
            continue;
        const char *named = c ? strchr(plain, c) : NULL;
        lib_buffer_add(&e->out, s + from, i - from); /* all before it, as it is */
        from = i + 1;
        if (i == len)
            break;
        char escape[8];
        int n = named ? snprintf(escape, sizeof escape, "\\%c", letter[named - plain])
                      : snprintf(escape, sizeof escape, "\\u%04x", c);
        lib_buffer_add(&e->out, escape, (size_t)n);
    }
    lib_buffer_add_char(&e->out, '"');
}

static void encode_number(struct encoder *e, int index)
{
    double v = lua_tonumber(e->L, index);
    if (!isfinite(v)) {
        if (e->set->encode_invalid == 0)
            refuse(e, index, "must not be NaN or Inf");
        if (e->set->encode_invalid == 2) {
            lib_buffer_add(&e->out, "null", 4);
            return;
        }
        if (isnan(v)) {
            lib_buffer_add(&e->out, "nan", 3);
            return;
        }
    }
    char text[64];
    int n = snprintf(text, sizeof text, "%.*g", e->set->precision, v);
    lib_buffer_add(&e->out, text, (size_t)n);
}

/* How long the table on top is as an array; 0 for an object. */
static double array_length(struct encoder *e)
{
    lua_State *L = e->L;
    double max = 0;
    uint64_t items = 0;
    bool array = true;
    lua_pushnil(L);
    while (array && lua_next(L, -2)) {
        lua_pop(L, 1);
        double key = lua_type(L, -1) == LUA_TNUMBER ? lua_tonumber(L, -1) : 0;
        array = key >= 1 && floor(key) == key;
        max = key > max ? key : max;
        items++;
    }
    if (!array)
        lua_pop(L, 1); /* the key */
    lib_spend(L, items / 2);
    if (!array)
        return 0;
    const struct json_settings *set = e->set;
    if (set->sparse_ratio > 0 && max > (double)items * set->sparse_ratio && max > set->sparse_safe) {
        if (!set->sparse_convert)
            refuse(e, -1, "excessively sparse array");
        return 0;
    }
    return max;
}

static void encode_array(struct encoder *e, double len, int depth)
{
    lib_buffer_add_char(&e->out, '[');
    for (double i = 1; i <= len; i++) {
        if (i > 1)
            lib_buffer_add_char(&e->out, ',');
        lua_pushnumber(e->L, i);
        lua_rawget(e->L, -2);
        encode_value(e, depth);
        lua_pop(e->L, 1);
    }
    lib_buffer_add_char(&e->out, ']');
}

static void encode_object(struct encoder *e, int depth)
{
    lua_State *L = e->L;
    bool first = true;
    uint64_t items = 0;
    lib_buffer_add_char(&e->out, '{');
    lua_pushnil(L);
    for (; lua_next(L, -2); first = false, items++) {
        if (!first)
            lib_buffer_add_char(&e->out, ',');
        int type = lua_type(L, -2);
        if (type == LUA_TSTRING) {
            encode_string(e, -2);
        } else if (type == LUA_TNUMBER) {
            lib_buffer_add_char(&e->out, '"');
            encode_number(e, -2);
            lib_buffer_add_char(&e->out, '"');
        } else {
            refuse(e, -2, "table key must be a number or string");
        }
        lib_buffer_add_char(&e->out, ':');
        encode_value(e, depth);
        lua_pop(L, 1);
    }
    lib_spend(L, items);
    lib_buffer_add_char(&e->out, '}');
}

static void encode_table(struct encoder *e, int depth)
{
    if (depth > e->set->encode_depth || depth > LIB_DEPTH_MAX || !lua_checkstack(e->L, 4))
        luaL_error(e->L, "Cannot serialise, excessive nesting (%d)", depth);
    double len = array_length(e);
    if (len > 0)
        encode_array(e, len, depth);
    else
        encode_object(e, depth);
}

static void encode_value(struct encoder *e, int depth)
{
    switch (lua_type(e->L, -1)) {
    case LUA_TSTRING:
        encode_string(e, -1);
        return;
    case LUA_TNUMBER:
        encode_number(e, -1);
        return;
    case LUA_TTABLE:
        encode_table(e, depth + 1);
        return;
    case LUA_TNIL:
        lib_buffer_add(&e->out, "null", 4);
        return;
    case LUA_TBOOLEAN:
        if (lua_toboolean(e->L, -1))
            lib_buffer_add(&e->out, "true", 4);
        else
            lib_buffer_add(&e->out, "false", 5);
        return;
    case LUA_TLIGHTUSERDATA:
        if (!lua_touserdata(e->L, -1)) {
            lib_buffer_add(&e->out, "null", 4);
            return;
        }
        break;
    default:
        break;
    }
    refuse(e, -1, "type not supported");
}

int json_encode(lua_State *L)
{
    luaL_argcheck(L, lua_gettop(L) == 1, 1, "expected 1 argument");
    struct encoder e = {.L = L, .set = json_settings(L)};
    lib_buffer_init(&e.out, L);
    lua_pushvalue(L, 1);
    encode_value(&e, 0);
    lua_pushlstring(L, e.out.data, e.out.len);
    return 1;
}
