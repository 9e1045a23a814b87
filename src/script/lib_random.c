/* math.random and math.randomseed as Redis has them: the 48 bits of drand48, the same everywhere. */
#include "script/engine_int.h"

#include <math.h>

void random_seed(struct script_engine *e, int32_t seed)
{
    e->random = (uint64_t)(uint32_t)seed << 16 | 0x330e;
}

static int random_number(lua_State *L)
{
    struct script_engine *e = engine_of(L);
    e->random = (e->random * 0x5deece66d + 0xb) & (((uint64_t)1 << 48) - 1);
    double r = (double)(e->random >> 17) / (double)INT32_MAX;
    if (e->random >> 17 == INT32_MAX)
        r = 0;
    int arguments = lua_gettop(L);
    if (arguments > 2)
        return luaL_error(L, "wrong number of arguments");
    if (arguments == 0) {
        lua_pushnumber(L, r);
        return 1;
    }
    int low = arguments == 2 ? luaL_checkint(L, 1) : 1, high = luaL_checkint(L, arguments);
    luaL_argcheck(L, low <= high, arguments, "interval is empty");
    lua_pushnumber(L, floor(r * ((double)high - (double)low + 1)) + (double)low);
    return 1;
}

static int random_from(lua_State *L)
{
    random_seed(engine_of(L), luaL_checkint(L, 1));
    return 0;
}

void lib_open_random(lua_State *L)
{
    lua_pushcfunction(L, random_number);
    lua_setfield(L, -2, "random");
    lua_pushcfunction(L, random_from);
    lua_setfield(L, -2, "randomseed");
}
