/* struct: values to and from bytes by a format, as Redis offers it (Roberto Ierusalimschy's library of 2018). A format is read by
 * next_item, which knows sizes, byte order and alignment; one loop each packs, unpacks and measures. */
#include <ctype.h>
#include <limits.h>
#include <string.h>

#include "base/bytes.h"
#include "script/lib_int.h"

#define INTEGER_MAX   32 /* bytes; what is beyond eight is zero */
#define ALIGN_DEFAULT 8

struct format {
    lua_State *L;
    const char *at;
    bool big;
    size_t align;
};

struct item {
    char type;
    size_t size, padding;
};

static struct format format_of(lua_State *L)
{
    size_t len;
    struct format f = {L, luaL_checklstring(L, 1, &len), false, 1};
    lib_spend(L, len);
    return f;
}

/* The number at the format's place, or `otherwise`. */
static size_t number(struct format *f, size_t otherwise)
{
    if (!isdigit((unsigned char)*f->at))
        return otherwise;
    int64_t n = 0;
    for (; isdigit((unsigned char)*f->at); f->at++) {
        n = n * 10 + (*f->at - '0');
        if (n > INT_MAX)
            luaL_error(f->L, "integral size overflow");
    }
    return (size_t)n;
}

static size_t item_size(struct format *f, char type)
{
    switch (type) {
    case 'b':
    case 'B':
    case 'x':
        return 1;
    case 'h':
    case 'H':
        return 2;
    case 'f':
        return 4;
    case 'l':
    case 'L':
    case 'T':
    case 'd':
        return 8;
    case 'c':
        return number(f, 1);
    case 'i':
    case 'I': {
        size_t size = number(f, 4);
        if (size > INTEGER_MAX)
            luaL_error(f->L, "integral size %d is larger than limit of %d", (int)size, INTEGER_MAX);
        return size;
    }
    default:
        return 0;
    }
}

/* What sets how the rest is read, or an error. */
static void control(struct format *f, char type)
{
    switch (type) {
    case ' ':
        return;
    case '>':
        f->big = true;
        return;
    case '<':
        f->big = false;
        return;
    case '!': {
        size_t align = number(f, ALIGN_DEFAULT);
        if (align == 0 || (align & (align - 1)))
            luaL_error(f->L, "alignment %d is not a power of 2", (int)align);
        f->align = align;
        return;
    }
    default:
        luaL_argerror(f->L, 1, lua_pushfstring(f->L, "invalid format option '%c'", type));
    }
}

/* The next item, for a place that is `used` bytes behind the start; false at the end. */
static bool next_item(struct format *f, size_t used, struct item *item)
{
    if (!*f->at)
        return false;
    item->type = *f->at++;
    item->size = item_size(f, item->type);
    item->padding = 0;
    if (item->size && item->type != 'c') {
        size_t to = item->size > f->align ? f->align : item->size;
        item->padding = (to - (used & (to - 1))) &
                        (to - 1); /* `to` may be no power of two: then as the original computes it */
    }
    return true;
}

static bool is_integer(char type)
{
    return strchr("bBhHlLTiI", type) != NULL;
}

/* To or from bytes in the format's order. */
static void store_integer(const struct format *f, char *out, size_t size, uint64_t v)
{
    for (size_t i = 0; i < size; i++)
        out[f->big ? size - 1 - i : i] = i < 8 ? (char)(v >> (8 * i)) : 0;
}

static uint64_t load_integer(const struct format *f, const char *in, size_t size)
{
    uint64_t v = 0;
    for (size_t i = 0; i < size && i < 8; i++)
        v |= (uint64_t)(unsigned char)in[f->big ? size - 1 - i : i] << (8 * i);
    return v;
}

/* Towards zero and modulo 2^64, where C leaves it open what is beyond. */
static uint64_t truncated(lua_Number v)
{
    if (v >= -0x1p63 && v < 0x1p63)
        return (uint64_t)(int64_t)v;
    if (v >= 0x1p63 && v < 0x1p64)
        return (uint64_t)v;
    return v < 0 ? (uint64_t)INT64_MIN : 0;
}

static void pack_fixed(const struct format *f, luaL_Buffer *b, struct item item, lua_Number v)
{
    char bytes[INTEGER_MAX];
    uint64_t bits = 0;
    if (item.type == 'f') {
        float narrow = (float)v;
        uint32_t narrow_bits;
        memcpy(&narrow_bits, &narrow, sizeof narrow_bits);
        bits = narrow_bits;
    } else if (item.type == 'd') {
        memcpy(&bits, &v, sizeof bits);
    } else {
        bits = truncated(v);
    }
    store_integer(f, bytes, item.size, bits);
    luaL_addlstring(b, bytes, item.size);
}

/* c and s; how many bytes it became. */
static size_t pack_string(lua_State *L, luaL_Buffer *b, struct item item, int argument)
{
    size_t len, size;
    const char *s = luaL_checklstring(L, argument, &len);
    size = item.size ? item.size : len;
    luaL_argcheck(L, len >= size, argument + 1, "string too short"); /* so the original counts */
    lib_spend_bytes(L, size);
    luaL_addlstring(b, s, size);
    if (item.type != 's')
        return size;
    luaL_addchar(b, '\0');
    return size + 1;
}

static int struct_pack(lua_State *L)
{
    struct format f = format_of(L);
    struct item item;
    size_t total = 0;
    int argument = 2;
    lua_pushnil(L); /* between the arguments, which may be too few, and the buffer's pieces */
    luaL_Buffer b;
    luaL_buffinit(L, &b);
    while (next_item(&f, total, &item)) {
        total += item.padding;
        for (; item.padding > 0; item.padding--)
            luaL_addchar(&b, '\0');
        if (is_integer(item.type) || item.type == 'f' || item.type == 'd')
            pack_fixed(&f, &b, item, luaL_checknumber(L, argument++));
        else if (item.type == 'c' || item.type == 's')
            item.size = pack_string(L, &b, item, argument++);
        else if (item.type == 'x')
            luaL_addchar(&b, '\0');
        else
            control(&f, item.type);
        total += item.size;
    }
    luaL_pushresult(&b);
    return 1;
}

static void push_fixed(const struct format *f, struct item item, const char *at)
{
    uint64_t bits = load_integer(f, at, item.size);
    double v;
    if (item.type == 'f') {
        uint32_t narrow_bits = (uint32_t)bits;
        float narrow;
        memcpy(&narrow, &narrow_bits, sizeof narrow);
        v = (double)narrow;
    } else if (item.type == 'd') {
        memcpy(&v, &bits, sizeof v);
    } else if (islower((unsigned char)item.type)) {
        uint64_t sign = item.size && item.size < 8 ? (uint64_t)1 << (8 * item.size - 1) : 0;
        v = (double)(int64_t)((bits ^ sign) - sign);
    } else {
        v = (double)bits;
    }
    lua_pushnumber(f->L, v);
}

/* s and c, of which `item->size` becomes the bytes used; the number before a c0 is taken away. */
static void push_string(lua_State *L, struct item *item, const char *at, size_t left, int *results)
{
    size_t len = item->size;
    if (item->type == 's') {
        const char *end = memchr(at, 0, left);
        if (!end)
            luaL_error(L, "unfinished string in data");
        len = (size_t)(end - at);
        item->size = len + 1;
    } else if (len == 0) {
        if (*results == 0 || !lua_isnumber(L, -1))
            luaL_error(L, "format 'c0' needs a previous size");
        lua_Number n = lua_tonumber(L, -1);
        luaL_argcheck(L, n > -1 && n <= (lua_Number)left, 2, "data string too short");
        len = (size_t)n;
        lua_pop(L, 1);
        --*results;
        item->size = len;
    }
    lib_spend_bytes(L, len);
    lua_pushlstring(L, at, len);
    ++*results;
}

static int struct_unpack(lua_State *L)
{
    struct format f = format_of(L);
    struct item item;
    size_t len;
    const char *data = luaL_checklstring(L, 2, &len);
    lua_Integer from = luaL_optinteger(L, 3, 1);
    luaL_argcheck(L, from > 0, 3, "offset must be 1 or greater");
    size_t at = (size_t)from - 1;
    int results = 0;
    while (next_item(&f, at, &item)) {
        at += item.padding;
        luaL_argcheck(L, item.size <= len && at <= len - item.size, 2, "data string too short");
        luaL_checkstack(L, 2, "too many results");
        if (is_integer(item.type) || item.type == 'f' || item.type == 'd') {
            push_fixed(&f, item, data + at);
            results++;
        } else if (item.type == 'c' || item.type == 's') {
            push_string(L, &item, data + at, len - at, &results);
        } else if (item.type != 'x') {
            control(&f, item.type);
        }
        at += item.size;
    }
    lua_pushinteger(L, (lua_Integer)at + 1);
    return results + 1;
}

static int struct_size(lua_State *L)
{
    struct format f = format_of(L);
    struct item item;
    size_t total = 0;
    while (next_item(&f, total, &item)) {
        if (item.type == 's')
            luaL_argerror(L, 1, "option 's' has no fixed size");
        if (item.type == 'c' && item.size == 0)
            luaL_argerror(L, 1, "option 'c0' has no fixed size");
        if (!isalnum((unsigned char)item.type))
            control(&f, item.type);
        total += item.padding + item.size;
    }
    lua_pushinteger(L, (lua_Integer)total);
    return 1;
}

void lib_open_struct(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"pack", struct_pack}, {"size", struct_size}, {"unpack", struct_unpack}, {NULL, NULL}};
    luaL_register(L, NULL, functions);
}
