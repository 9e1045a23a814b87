/* Replies of commands as Lua values. They are our own, so they are well formed. */
#include "base/number.h"
#include "script/engine_int.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct cursor {
    const char *at, *end;
};

/* Behind the type's letter, up to the end of the line. */
static struct slice line(struct cursor *c)
{
    const char *start = c->at + 1, *end = memchr(start, '\r', (size_t)(c->end - start));
    assert(end);
    c->at = end + 2;
    return slice_of(start, (size_t)(end - start));
}

static int64_t number(struct cursor *c)
{
    int64_t v;
    bool ok = parse_i64(line(c), &v);
    assert(ok);
    (void)ok;
    return v;
}

static void push(lua_State *L, struct cursor *c, int depth);

static void push_text(lua_State *L, struct cursor *c, const char *field)
{
    struct slice text = line(c);
    lua_createtable(L, 0, 1);
    lua_pushlstring(L, text.data, text.len);
    lua_setfield(L, -2, field);
}

static void push_failure(lua_State *L, struct cursor *c)
{
    const char *start = c->at;
    struct slice text = line(c);
    lua_pushlstring(L, start, text.len + 1);
    push_error(L, lua_tostring(L, -1));
    lua_remove(L, -2);
    lua_pushboolean(L, true);
    lua_setfield(L, -2, "ignore_error_stats_update");
}

static void push_bulk(lua_State *L, struct cursor *c)
{
    int64_t len = number(c);
    if (len < 0) {
        lua_pushboolean(L, false);
        return;
    }
    lua_pushlstring(L, c->at, (size_t)len);
    c->at += len + 2;
}

static void push_array(lua_State *L, struct cursor *c, int depth)
{
    int64_t count = number(c);
    if (count < 0) {
        lua_pushboolean(L, false);
        return;
    }
    lua_createtable(L, count < 1 << 16 ? (int)count : 1 << 16, 0);
    for (int64_t i = 1; i <= count; i++) {
        push(L, c, depth);
        lua_rawseti(L, -2, (int)i);
    }
}

/* {map = {key = value}}, {set = {key = true}} */
static void push_keyed(lua_State *L, struct cursor *c, const char *field, bool is_map, int depth)
{
    int64_t count = number(c);
    lua_createtable(L, 0, 1);
    lua_newtable(L);
    for (int64_t i = 0; i < count; i++) {
        push(L, c, depth);
        if (is_map)
            push(L, c, depth);
        else
            lua_pushboolean(L, true);
        if (lua_isnil(L, -2))
            lua_pop(L, 2);
        else
            lua_rawset(L, -3);
    }
    lua_setfield(L, -2, field);
}

static void push_double(lua_State *L, struct cursor *c)
{
    struct slice text = line(c);
    char copy[64];
    size_t len = text.len < sizeof copy ? text.len : sizeof copy - 1;
    memcpy(copy, text.data, len);
    copy[len] = '\0';
    lua_createtable(L, 0, 1);
    lua_pushnumber(L, strtod(copy, NULL));
    lua_setfield(L, -2, "double");
}

static void push_verbatim(lua_State *L, struct cursor *c)
{
    int64_t len = number(c);
    assert(len >= 4);
    lua_createtable(L, 0, 1);
    lua_createtable(L, 0, 2);
    lua_pushlstring(L, c->at, 3);
    lua_setfield(L, -2, "format");
    lua_pushlstring(L, c->at + 4, (size_t)len - 4);
    lua_setfield(L, -2, "string");
    lua_setfield(L, -2, "verbatim_string");
    c->at += len + 2;
}

static void push(lua_State *L, struct cursor *c, int depth)
{
    luaL_checkstack(L, 8, "a reply is nested too deeply");
    if (depth == 0)
        luaL_error(L, "a reply is nested too deeply");
    lib_count(L, 1);
    switch (*c->at) {
    case '|': /* attributes of what follows */
        for (int64_t left = 2 * number(c); left > 0; left--) {
            push(L, c, depth - 1);
            lua_pop(L, 1);
        }
        push(L, c, depth - 1);
        break;
    case '+':
        push_text(L, c, "ok");
        break;
    case '-':
        push_failure(L, c);
        break;
    case ':':
        lua_pushnumber(L, (lua_Number)number(c));
        break;
    case '$':
        push_bulk(L, c);
        break;
    case '*':
        push_array(L, c, depth - 1);
        break;
    case '%':
        push_keyed(L, c, "map", true, depth - 1);
        break;
    case '~':
        push_keyed(L, c, "set", false, depth - 1);
        break;
    case '_':
        line(c);
        lua_pushnil(L);
        break;
    case '#':
        lua_pushboolean(L, *line(c).data == 't');
        break;
    case ',':
        push_double(L, c);
        break;
    case '(':
        push_text(L, c, "big_number");
        break;
    case '=':
        push_verbatim(L, c);
        break;
    default:
        assert(!"a reply of another form");
    }
}

void push_reply(lua_State *L, struct slice reply)
{
    struct cursor c = {reply.data, reply.data + reply.len};
    push(L, &c, LIB_DEPTH_MAX);
}
