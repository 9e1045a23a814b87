/* Lua's basic functions. Those with which a script could leave its sandbox are not there, as in Redis. */
#include <limits.h>

#include "script/lib_int.h"

/* Lua 5.1's own counts the elements in an int, which can overflow. */
static int base_unpack(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    long first = luaL_optint(L, 2, 1);
    long last = lua_isnoneornil(L, 3) ? (int)lua_objlen(L, 1) : luaL_checkint(L, 3);
    if (first > last)
        return 0;
    if (last - first >= INT_MAX || !lua_checkstack(L, (int)(last - first + 1)))
        return luaL_error(L, "too many results to unpack");
    for (long i = first; i <= last; i++)
        lua_rawgeti(L, 1, (int)i);
    return (int)(last - first + 1);
}

void lib_open_base(lua_State *L)
{
    static const char *const gone[] = {"dofile", "getfenv", "loadfile", "newproxy", "print", "setfenv"};
    for (size_t i = 0; i < sizeof gone / sizeof *gone; i++) {
        lua_pushnil(L);
        lua_setfield(L, -2, gone[i]);
    }
    lua_pushcfunction(L, base_unpack);
    lua_setfield(L, -2, "unpack");
}
