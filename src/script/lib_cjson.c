/* cjson as Redis offers it: Lua CJSON 2.1's functions, settings, replies and errors. Debian's lua-cjson keeps its buffers outside of the Lua state, where
 * no limit counts them, measures them in ints that can overflow, and ends the process when memory is short. */
#include <limits.h>
#include <stdio.h>

#include "script/lib_int.h"

struct json_settings *json_settings(lua_State *L)
{
    struct json_settings *own = lua_touserdata(L, lua_upvalueindex(1));
    return own ? own : &lib_state(L)->json;
}

/* Settings: each function sets what it is given and returns what now holds. */

static struct json_settings *setting_arguments(lua_State *L, int most)
{
    luaL_argcheck(L, lua_gettop(L) <= most, most + 1, "found too many arguments");
    lua_settop(L, most);
    return json_settings(L);
}

static void set_number(lua_State *L, int argument, int *setting, int min, int max)
{
    if (!lua_isnil(L, argument)) {
        int v = luaL_checkint(L, argument);
        char text[64];
        snprintf(text, sizeof text, "expected integer between %d and %d", min, max);
        luaL_argcheck(L, min <= v && v <= max, 1, text);
        *setting = v;
    }
    lua_pushinteger(L, *setting);
}

static void set_choice(lua_State *L, int argument, int *setting, const char *third)
{
    const char *const words[] = {"off", "on", third, NULL};
    if (lua_isboolean(L, argument))
        *setting = lua_toboolean(L, argument);
    else if (!lua_isnil(L, argument))
        *setting = luaL_checkoption(L, argument, NULL, words);
    if (*setting < 2)
        lua_pushboolean(L, *setting);
    else
        lua_pushstring(L, words[*setting]);
}

static int json_encode_sparse_array(lua_State *L)
{
    struct json_settings *set = setting_arguments(L, 3);
    set_choice(L, 1, &set->sparse_convert, NULL);
    set_number(L, 2, &set->sparse_ratio, 0, INT_MAX);
    set_number(L, 3, &set->sparse_safe, 0, INT_MAX);
    return 3;
}

static int json_encode_max_depth(lua_State *L)
{
    set_number(L, 1, &setting_arguments(L, 1)->encode_depth, 1, INT_MAX);
    return 1;
}

static int json_decode_max_depth(lua_State *L)
{
    set_number(L, 1, &setting_arguments(L, 1)->decode_depth, 1, INT_MAX);
    return 1;
}

static int json_encode_number_precision(lua_State *L)
{
    set_number(L, 1, &setting_arguments(L, 1)->precision, 1, 14);
    return 1;
}

static int json_encode_keep_buffer(lua_State *L)
{
    set_choice(L, 1, &setting_arguments(L, 1)->keep_buffer, NULL);
    return 1;
}

static int json_encode_invalid_numbers(lua_State *L)
{
    set_choice(L, 1, &setting_arguments(L, 1)->encode_invalid, "null");
    return 1;
}

static int json_decode_invalid_numbers(lua_State *L)
{
    set_choice(L, 1, &setting_arguments(L, 1)->decode_invalid, NULL);
    return 1;
}

static int json_new(lua_State *L);

static const luaL_Reg functions[] = {{"encode", json_encode},
                                     {"decode", json_decode},
                                     {"encode_sparse_array", json_encode_sparse_array},
                                     {"encode_max_depth", json_encode_max_depth},
                                     {"decode_max_depth", json_decode_max_depth},
                                     {"encode_number_precision", json_encode_number_precision},
                                     {"encode_keep_buffer", json_encode_keep_buffer},
                                     {"encode_invalid_numbers", json_encode_invalid_numbers},
                                     {"decode_invalid_numbers", json_decode_invalid_numbers},
                                     {"new", json_new},
                                     {NULL, NULL}};

/* The functions with the value on top of the stack, which is popped, as their settings, into the table below it. */
static void open_with_settings(lua_State *L)
{
    for (const luaL_Reg *f = functions; f->name; f++) {
        lua_pushvalue(L, -1);
        lua_pushcclosure(L, f->func, 1);
        lua_setfield(L, -3, f->name);
    }
    lua_pop(L, 1);
    lua_pushlightuserdata(L, NULL);
    lua_setfield(L, -2, "null");
    lua_pushliteral(L, "cjson");
    lua_setfield(L, -2, "_NAME");
    lua_pushliteral(L, "2.1.0");
    lua_setfield(L, -2, "_VERSION");
}

static int json_new(lua_State *L)
{
    lua_newtable(L);
    *(struct json_settings *)lua_newuserdata(L, sizeof(struct json_settings)) = JSON_DEFAULTS;
    open_with_settings(L);
    return 1;
}

void lib_open_cjson(lua_State *L)
{
    lua_pushnil(L);
    open_with_settings(L);
}
