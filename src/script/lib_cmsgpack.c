/* cmsgpack: MessagePack (its specification of 2013, without bin and ext) as Redis offers it. */
#include <limits.h>
#include <math.h>
#include <string.h>

#include "base/bytes.h"
#include "script/lib_int.h"

#define NESTING_MAX 16 /* a table deeper than this is written as nil, so a table in itself ends */

/* A type's byte and the low `size` bytes of v, the highest first. */
static void put_sized(struct lib_buffer *b, unsigned type, uint64_t v, size_t size)
{
    char bytes[9];
    bytes[0] = (char)type;
    store_u64be(bytes + 1, v << (64 - 8 * size));
    lib_buffer_add(b, bytes, 1 + size);
}

static void put_byte(struct lib_buffer *b, unsigned v)
{
    lib_buffer_add_char(b, (char)v);
}

static void pack_integer(struct lib_buffer *b, int64_t v)
{
    uint64_t bits = (uint64_t)v;
    if (v >= -32 && v <= 127)
        put_byte(b, (unsigned)bits & 0xff);
    else if (v >= 0)
        v <= UINT8_MAX    ? put_sized(b, 0xcc, bits, 1)
        : v <= UINT16_MAX ? put_sized(b, 0xcd, bits, 2)
        : v <= UINT32_MAX ? put_sized(b, 0xce, bits, 4)
                          : put_sized(b, 0xcf, bits, 8);
    else
        v >= INT8_MIN    ? put_sized(b, 0xd0, bits, 1)
        : v >= INT16_MIN ? put_sized(b, 0xd1, bits, 2)
        : v >= INT32_MIN ? put_sized(b, 0xd2, bits, 4)
                         : put_sized(b, 0xd3, bits, 8);
}

static void pack_number(struct lib_buffer *b, double v)
{
    if (v >= -0x1p63 && v < 0x1p63 && v == (double)(int64_t)v) {
        pack_integer(b, (int64_t)v);
        return;
    }
    float narrow = (float)v;
    if ((double)narrow == v) {
        uint32_t bits;
        memcpy(&bits, &narrow, sizeof bits);
        put_sized(b, 0xca, bits, 4);
    } else {
        uint64_t bits;
        memcpy(&bits, &v, sizeof bits);
        put_sized(b, 0xcb, bits, 8);
    }
}

static void pack_string(struct lib_buffer *b, const char *s, size_t len)
{
    if (len < 32)
        put_byte(b, 0xa0 | (unsigned)len);
    else
        len <= UINT8_MAX    ? put_sized(b, 0xd9, len, 1)
        : len <= UINT16_MAX ? put_sized(b, 0xda, len, 2)
                            : put_sized(b, 0xdb, len, 4);
    lib_buffer_add(b, s, len);
}

/* A container's head: its type in the short form, with 16 and with 32 bits. */
static void pack_count(struct lib_buffer *b, unsigned fixed, unsigned wide, uint64_t n)
{
    if (n < 16)
        put_byte(b, fixed | (unsigned)n);
    else
        n <= UINT16_MAX ? put_sized(b, wide, n, 2) : put_sized(b, wide + 1, n, 4);
}

static void pack_value(struct lib_buffer *b, int depth);

/* Are the keys of the table on top 1..n, none missing? *n counts them in any case. */
static bool is_array(lua_State *L, uint64_t *n)
{
    double max = 0;
    bool array = true;
    *n = 0;
    lua_pushnil(L);
    for (; lua_next(L, -2); ++*n) {
        lua_pop(L, 1);
        double key = lua_type(L, -1) == LUA_TNUMBER ? lua_tonumber(L, -1) : 0;
        array &= key >= 1 && key <= INT_MAX && floor(key) == key;
        max = key > max ? key : max;
    }
    lib_spend(L, *n);
    return array && max == (double)*n;
}

static void pack_table(struct lib_buffer *b, int depth)
{
    lua_State *L = b->L;
    uint64_t n;
    luaL_checkstack(L, 5, "too deep");
    if (is_array(L, &n)) {
        pack_count(b, 0x90, 0xdc, n);
        for (uint64_t i = 1; i <= n; i++) {
            lua_rawgeti(L, -1, (int)i);
            pack_value(b, depth + 1);
        }
        return;
    }
    pack_count(b, 0x80, 0xde, n);
    lua_pushnil(L);
    while (lua_next(L, -2)) {
        lua_pushvalue(L, -2);
        pack_value(b, depth + 1);
        pack_value(b, depth + 1);
    }
}

/* Pops it. */
static void pack_value(struct lib_buffer *b, int depth)
{
    lua_State *L = b->L;
    int type = lua_type(L, -1);
    size_t len;
    if (type == LUA_TSTRING) {
        const char *s = lua_tolstring(L, -1, &len);
        pack_string(b, s, len);
    } else if (type == LUA_TBOOLEAN) {
        put_byte(b, lua_toboolean(L, -1) ? 0xc3 : 0xc2);
    } else if (type == LUA_TNUMBER) {
        pack_number(b, lua_tonumber(L, -1));
    } else if (type == LUA_TTABLE && depth < NESTING_MAX) {
        pack_table(b, depth);
    } else {
        put_byte(b, 0xc0);
    }
    lua_pop(L, 1);
}

static int cmsgpack_pack(lua_State *L)
{
    int n = lua_gettop(L);
    if (n == 0)
        return luaL_argerror(L, 0, "MessagePack pack needs input.");
    struct lib_buffer b;
    lib_buffer_init(&b, L);
    for (int i = 1; i <= n; i++) {
        lua_pushvalue(L, i);
        pack_value(&b, 0);
    }
    lua_pushlstring(L, b.data, b.len);
    return 1;
}

enum verdict { FINE, SHORT, MALFORMED };

static enum verdict unpack_value(lua_State *L, struct reader *r, int depth);

static uint64_t get_sized(struct reader *r, size_t size)
{
    const char *at = reader_take(r, size);
    uint64_t v = 0;
    for (size_t i = 0; at && i < size; i++)
        v = v << 8 | (unsigned char)at[i];
    return v;
}

static enum verdict unpack_string(lua_State *L, struct reader *r, uint64_t len)
{
    const char *at = reader_take(r, len);
    if (r->failed)
        return SHORT;
    lua_pushlstring(L, at, len);
    return FINE;
}

static enum verdict unpack_array(lua_State *L, struct reader *r, uint64_t n, int depth)
{
    if (r->failed)
        return SHORT;
    lua_newtable(L);
    for (uint64_t i = 1; i <= n; i++) {
        enum verdict v = unpack_value(L, r, depth + 1);
        if (v != FINE)
            return v;
        lua_rawseti(L, -2, (int)i);
    }
    return FINE;
}

static enum verdict unpack_map(lua_State *L, struct reader *r, uint64_t n, int depth)
{
    if (r->failed)
        return SHORT;
    lua_newtable(L);
    for (; n > 0; n--) {
        enum verdict v = unpack_value(L, r, depth + 1);
        if (v == FINE)
            v = unpack_value(L, r, depth + 1);
        if (v != FINE)
            return v;
        lua_settable(L, -3); /* a nil or NaN as a key: Lua's own error */
    }
    return FINE;
}

static enum verdict unpack_number(lua_State *L, struct reader *r, unsigned type)
{
    size_t size = type == 0xca ? 4 : type == 0xcb ? 8 : (size_t)1 << (type & 3);
    uint64_t bits = get_sized(r, size);
    double v;
    if (type == 0xca) {
        uint32_t narrow_bits = (uint32_t)bits;
        float narrow;
        memcpy(&narrow, &narrow_bits, sizeof narrow);
        v = (double)narrow;
    } else if (type == 0xcb) {
        memcpy(&v, &bits, sizeof v);
    } else if (type < 0xd0) {
        v = (double)(int64_t)bits; /* as Redis: one of 2^63 and more is negative */
    } else {
        uint64_t sign = (uint64_t)1 << (8 * size - 1);
        v = (double)(int64_t)((bits ^ sign) - sign);
    }
    if (r->failed)
        return SHORT;
    lua_pushnumber(L, v);
    return FINE;
}

/* Pushes it; what a failure leaves on the stack, an error takes away. */
static enum verdict unpack_value(lua_State *L, struct reader *r, int depth)
{
    if (depth > LIB_DEPTH_MAX)
        luaL_error(L, "Too many nested values in input.");
    luaL_checkstack(L, 3, "too many return values at once; use unpack_one or unpack_limit instead.");
    uint8_t type = get_u8(r);
    if (r->failed)
        return SHORT;
    if (type < 0x80 || type >= 0xe0) {
        lua_pushinteger(L, (int8_t)type);
        return FINE;
    }
    if (type < 0x90)
        return unpack_map(L, r, type & 0xf, depth);
    if (type < 0xa0)
        return unpack_array(L, r, type & 0xf, depth);
    if (type < 0xc0)
        return unpack_string(L, r, type & 0x1f);
    if (type >= 0xca && type <= 0xd3)
        return unpack_number(L, r, type);
    switch (type) {
    case 0xc0:
        lua_pushnil(L);
        return FINE;
    case 0xc2:
    case 0xc3:
        lua_pushboolean(L, type & 1);
        return FINE;
    case 0xd9:
        return unpack_string(L, r, get_sized(r, 1));
    case 0xda:
        return unpack_string(L, r, get_sized(r, 2));
    case 0xdb:
        return unpack_string(L, r, get_sized(r, 4));
    case 0xdc:
        return unpack_array(L, r, get_sized(r, 2), depth);
    case 0xdd:
        return unpack_array(L, r, get_sized(r, 4), depth);
    case 0xde:
        return unpack_map(L, r, get_sized(r, 2), depth);
    case 0xdf:
        return unpack_map(L, r, get_sized(r, 4), depth);
    default:
        return MALFORMED;
    }
}

/* Up to `limit` values from `offset` on; all of them when both are 0, and only then without the place to go on in front (-1: at the end). */
static int unpack_from(lua_State *L, lua_Integer limit, lua_Integer offset)
{
    size_t len;
    const char *s = luaL_checklstring(L, 1, &len);
    if (offset < 0 || limit < 0)
        return luaL_error(L, "Invalid request to unpack with offset of %d and limit of %d.", (int)offset,
                          (int)len);
    if ((size_t)offset > len)
        return luaL_error(L, "Start offset %d greater than input length %d.", (int)offset, (int)len);
    bool all = limit == 0 && offset == 0;
    struct reader r = reader_of(slice_of(s + offset, len - (size_t)offset));
    lua_settop(L, 1);
    int n = 0;
    for (; reader_left(&r) > 0 && (all || n < limit); n++) {
        switch (unpack_value(L, &r, 0)) {
        case FINE:
            break;
        case SHORT:
            return luaL_error(L, "Missing bytes in input.");
        case MALFORMED:
            return luaL_error(L, "Bad data format in input.");
        }
    }
    size_t used = len - (size_t)offset - reader_left(&r);
    lib_spend(L, used / 4);
    if (all)
        return n;
    luaL_checkstack(L, 1, "too many return values at once");
    lua_pushinteger(L, reader_left(&r) == 0 ? -1 : offset + (lua_Integer)used);
    lua_insert(L, 2);
    return n + 1;
}

static int cmsgpack_unpack(lua_State *L)
{
    return unpack_from(L, 0, 0);
}

static int cmsgpack_unpack_one(lua_State *L)
{
    return unpack_from(L, 1, luaL_optinteger(L, 2, 0));
}

static int cmsgpack_unpack_limit(lua_State *L)
{
    lua_Integer limit = luaL_checkinteger(L, 2);
    return unpack_from(L, limit, luaL_optinteger(L, 3, 0));
}

void lib_open_cmsgpack(lua_State *L)
{
    static const luaL_Reg functions[] = {{"pack", cmsgpack_pack},
                                         {"unpack", cmsgpack_unpack},
                                         {"unpack_limit", cmsgpack_unpack_limit},
                                         {"unpack_one", cmsgpack_unpack_one},
                                         {NULL, NULL}};
    luaL_register(L, NULL, functions);
    lua_pushliteral(L, "cmsgpack");
    lua_setfield(L, -2, "_NAME");
    lua_pushliteral(L, "lua-cmsgpack 0.4.0");
    lua_setfield(L, -2, "_VERSION");
}
