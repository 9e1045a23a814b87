/* bit: Lua BitOp's functions on 32 bits. Debian's package writes past a buffer in bit.tohex(1, -2^31). */
#include <string.h>

#include "script/lib_int.h"

/* Rounded to the nearest integer, modulo 2^32: adding 1.5 * 2^52 leaves just that in the low half of a double. */
static uint32_t argument(lua_State *L, int i)
{
    double shifted = luaL_checknumber(L, i) + 6755399441055744.0;
    uint64_t bits;
    memcpy(&bits, &shifted, sizeof bits);
    return (uint32_t)bits;
}

static int result(lua_State *L, uint32_t v)
{
    lua_pushnumber(L, (lua_Number)(int32_t)v);
    return 1;
}

static int bit_tobit(lua_State *L)
{
    return result(L, argument(L, 1));
}

static int bit_bnot(lua_State *L)
{
    return result(L, ~argument(L, 1));
}

static int bit_band(lua_State *L)
{
    uint32_t v = argument(L, 1);
    for (int i = lua_gettop(L); i > 1; i--)
        v &= argument(L, i);
    return result(L, v);
}

static int bit_bor(lua_State *L)
{
    uint32_t v = argument(L, 1);
    for (int i = lua_gettop(L); i > 1; i--)
        v |= argument(L, i);
    return result(L, v);
}

static int bit_bxor(lua_State *L)
{
    uint32_t v = argument(L, 1);
    for (int i = lua_gettop(L); i > 1; i--)
        v ^= argument(L, i);
    return result(L, v);
}

static uint32_t rotate(uint32_t v, uint32_t left)
{
    return left ? v << left | v >> (32 - left) : v;
}

static int bit_lshift(lua_State *L)
{
    uint32_t v = argument(L, 1);
    return result(L, v << (argument(L, 2) & 31));
}

static int bit_rshift(lua_State *L)
{
    uint32_t v = argument(L, 1);
    return result(L, v >> (argument(L, 2) & 31));
}

static int bit_arshift(lua_State *L)
{
    uint32_t v = argument(L, 1), n = argument(L, 2) & 31;
    uint32_t sign = v >> 31 && n ? ~(UINT32_MAX >> n) : 0;
    return result(L, v >> n | sign);
}

static int bit_rol(lua_State *L)
{
    uint32_t v = argument(L, 1);
    return result(L, rotate(v, argument(L, 2) & 31));
}

static int bit_ror(lua_State *L)
{
    uint32_t v = argument(L, 1);
    return result(L, rotate(v, -argument(L, 2) & 31));
}

static int bit_bswap(lua_State *L)
{
    return result(L, __builtin_bswap32(argument(L, 1)));
}

/* The lowest |n| digits, upper case for a negative n. */
static int bit_tohex(lua_State *L)
{
    uint32_t v = argument(L, 1);
    int64_t n = lua_isnone(L, 2) ? 8 : (int32_t)argument(L, 2);
    const char *digits = n < 0 ? "0123456789ABCDEF" : "0123456789abcdef";
    n = n < 0 ? -n : n;
    n = n > 8 ? 8 : n;
    char text[8];
    for (int64_t i = n - 1; i >= 0; i--, v >>= 4)
        text[i] = digits[v & 15];
    lua_pushlstring(L, text, (size_t)n);
    return 1;
}

void lib_open_bit(lua_State *L)
{
    static const luaL_Reg functions[] = {{"arshift", bit_arshift},
                                         {"band", bit_band},
                                         {"bnot", bit_bnot},
                                         {"bor", bit_bor},
                                         {"bswap", bit_bswap},
                                         {"bxor", bit_bxor},
                                         {"lshift", bit_lshift},
                                         {"rol", bit_rol},
                                         {"ror", bit_ror},
                                         {"rshift", bit_rshift},
                                         {"tobit", bit_tobit},
                                         {"tohex", bit_tohex},
                                         {NULL, NULL}};
    luaL_register(L, NULL, functions);
}
