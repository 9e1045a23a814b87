#include <string.h>

#include "script/lib_int.h"

struct lib_state *lib_state(lua_State *L)
{
    lua_rawgeti(L, LUA_REGISTRYINDEX, REGISTRY_LIBRARIES);
    struct lib_state *s = lua_touserdata(L, -1);
    lua_pop(L, 1);
    return s;
}

void lib_count(lua_State *L, uint64_t steps)
{
    lua_Hook hook = lua_gethook(L);
    int every = lua_gethookcount(L);
    if (!hook || every <= 0)
        return;
    luaL_checkstack(L, 1, "no room to count");
    struct lib_state *s = lib_state(L);
    s->uncounted += steps;
    while (s->uncounted >= (uint64_t)every) {
        s->uncounted -= (uint64_t)every;
        lua_Debug ar = {.event = LUA_HOOKCOUNT};
        hook(L, &ar);
    }
}

void lib_wrap(lua_State *L, const char *name, lua_CFunction wrapper)
{
    lua_getfield(L, -1, name);
    lua_pushcclosure(L, wrapper, 1);
    lua_setfield(L, -2, name);
}

#define BUFFER_FIRST 256

void lib_buffer_init(struct lib_buffer *b, lua_State *L)
{
    luaL_checkstack(L, 2, "too deep");
    *b = (struct lib_buffer){L, lua_gettop(L) + 1, lua_newuserdata(L, BUFFER_FIRST), 0, BUFFER_FIRST};
}

char *lib_buffer_room(struct lib_buffer *b, size_t more)
{
    if (more > b->cap - b->len) {
        if (more > SIZE_MAX / 4 - b->cap)
            luaL_error(b->L, "not enough memory");
        size_t cap = b->cap;
        while (cap - b->len < more)
            cap *= 2;
        luaL_checkstack(b->L, 1, "too deep");
        char *data = lua_newuserdata(b->L, cap);
        memcpy(data, b->data, b->len);
        lua_replace(b->L, b->slot);
        b->data = data;
        b->cap = cap;
    }
    return b->data + b->len;
}

void lib_buffer_add(struct lib_buffer *b, const void *data, size_t len)
{
    if (len == 0)
        return;
    memcpy(lib_buffer_room(b, len), data, len);
    b->len += len;
    lib_spend_bytes(b->L, len);
}

void lib_buffer_add_char(struct lib_buffer *b, char c)
{
    *lib_buffer_room(b, 1) = c;
    b->len++;
}

static void open_stock(lua_State *L, lua_CFunction open, const char *name)
{
    lua_pushcfunction(L, open);
    lua_pushstring(L, name);
    lua_call(L, 1, 0);
}

static void extend(lua_State *L, const char *name, void (*with)(lua_State *L))
{
    lua_getfield(L, LUA_GLOBALSINDEX, name);
    with(L);
    lua_pop(L, 1);
}

static void add(lua_State *L, const char *name, void (*with)(lua_State *L))
{
    lua_newtable(L);
    with(L);
    lua_setfield(L, LUA_GLOBALSINDEX, name);
}

void script_open_libraries(lua_State *L)
{
    *(struct lib_state *)lua_newuserdata(L, sizeof(struct lib_state)) =
        (struct lib_state){.json = JSON_DEFAULTS};
    lua_rawseti(L, LUA_REGISTRYINDEX, REGISTRY_LIBRARIES);

    open_stock(L, luaopen_base, "");
    open_stock(L, luaopen_table, LUA_TABLIBNAME);
    open_stock(L, luaopen_string, LUA_STRLIBNAME);
    open_stock(L, luaopen_math, LUA_MATHLIBNAME);
    extend(L, "_G", lib_open_base);
    extend(L, LUA_TABLIBNAME, lib_open_table);
    extend(L, LUA_STRLIBNAME, lib_open_string);
    extend(L, LUA_STRLIBNAME, lib_open_pattern);
    add(L, "bit", lib_open_bit);
    add(L, "cjson", lib_open_cjson);
    add(L, "cmsgpack", lib_open_cmsgpack);
    add(L, "struct", lib_open_struct);
}
