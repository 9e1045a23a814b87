/* string and table of Lua, counted. */
#include "script/lib_int.h"

static int string_counted(lua_State *L)
{
    size_t bytes = 0;
    for (int i = 1, n = lua_gettop(L); i <= n; i++)
        if (lua_type(L, i) == LUA_TSTRING)
            bytes += lua_objlen(L, i);
    lib_spend_bytes(L, bytes);
    return lib_original(L);
}

static int string_rep(lua_State *L)
{
    size_t len;
    const char *s = luaL_checklstring(L, 1, &len);
    int n = luaL_checkint(L, 2);
    if (n < 0 || len == 0)
        n = 0;
    if (n && len > SIZE_MAX / 2 / (size_t)n)
        return luaL_error(L, "resulting string too large");
    lib_spend_bytes(L, len * (size_t)n);
    luaL_Buffer b;
    luaL_buffinit(L, &b);
    for (; n > 0; n--)
        luaL_addlstring(&b, s, len);
    luaL_pushresult(&b);
    return 1;
}

void lib_open_string(lua_State *L)
{
    static const char *const counted[] = {"format", "lower", "reverse", "upper"};
    for (size_t i = 0; i < sizeof counted / sizeof *counted; i++)
        lib_wrap(L, counted[i], string_counted);
    lua_pushcfunction(L, string_rep);
    lua_setfield(L, -2, "rep");
}

/* By the table's length. */
static int table_concat(lua_State *L)
{
    if (lua_istable(L, 1))
        lib_spend(L, lua_objlen(L, 1) / 4);
    return lib_original(L);
}

/* As much; and what is inserted below the first place moves all that is missing in between. */
void lib_spend_moves(lua_State *L)
{
    if (!lua_istable(L, 1))
        return;
    long place = lua_gettop(L) == 3 ? (int)lua_tointeger(L, 2) : 1;
    lib_spend(L, lua_objlen(L, 1) / 4 + (place < 1 ? 2 * (uint64_t)(1 - place) : 0));
}

static int table_moves(lua_State *L)
{
    lib_spend_moves(L);
    return lib_original(L);
}

static int less(lua_State *L)
{
    lib_count(L, 1);
    lua_pushboolean(L, lua_lessthan(L, 1, 2));
    return 1;
}

/* Sorting without a function of the script's compares in C, and there are orders for which it takes the square of the length. */
static int table_sort(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    if (lua_isnoneornil(L, 2)) {
        lua_settop(L, 1);
        lua_pushcfunction(L, less);
    }
    return lib_original(L);
}

static int table_maxn(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_Number max = 0;
    uint64_t steps = 0;
    lua_pushnil(L);
    for (; lua_next(L, 1); steps++) {
        lua_pop(L, 1);
        if (lua_type(L, -1) == LUA_TNUMBER && lua_tonumber(L, -1) > max)
            max = lua_tonumber(L, -1);
    }
    lib_spend(L, steps / 4);
    lua_pushnumber(L, max);
    return 1;
}

void lib_open_table(lua_State *L)
{
    lib_wrap(L, "concat", table_concat);
    lib_wrap(L, "insert", table_moves);
    lib_wrap(L, "remove", table_moves);
    lib_wrap(L, "sort", table_sort);
    lua_pushcfunction(L, table_maxn);
    lua_setfield(L, -2, "maxn");
}
