/* The globals as a script finds them. In Redis's Lua tables can be made read-only; this one has none of that, so a script sees an empty
 * table in front of each, with a metatable that finds what is behind it and refuses to be written to. That is for the sake of the errors:
 * nothing would outlast the script anyway. */
#include "script/engine_int.h"

#include <stdio.h>
#include <string.h>

static const char readonly[] = "Attempt to modify a readonly table";

void push_error(lua_State *L, const char *text)
{
    const char *code = "ERR", *message = text;
    size_t code_len = 3;
    if (*text == '-') {
        const char *space = strchr(text, ' ');
        code = space ? text + 1 : code;
        code_len = space ? (size_t)(space - code) : code_len;
        message = space ? space + 1 : text + 1;
    }
    size_t len = strlen(message);
    while (len && (message[len - 1] == '\r' || message[len - 1] == '\n'))
        len--;
    luaL_checkstack(L, 4, "too deep");
    lua_createtable(L, 0, 1);
    lua_pushlstring(L, code, code_len);
    lua_pushliteral(L, " ");
    lua_pushlstring(L, message, len);
    lua_concat(L, 3);
    lua_setfield(L, -2, "err");
}

/* ---- errors ---- */

void engine_recheck(lua_State *L)
{
    if (engine_of(L)->stop != STOP_NOT)
        engine_raise_stop(L);
}

/* As Redis's: an error of a command is caught as its text. */
static int base_pcall(lua_State *L)
{
    luaL_checkany(L, 1);
    int status = lua_pcall(L, lua_gettop(L) - 1, LUA_MULTRET, 0);
    engine_recheck(L);
    if (status && lua_istable(L, -1)) {
        lua_getfield(L, -1, "err");
        if (lua_isstring(L, -1))
            lua_replace(L, -2);
        else
            lua_pop(L, 1);
    }
    luaL_checkstack(L, 1, "too many results");
    lua_pushboolean(L, status == 0);
    lua_insert(L, 1);
    return lua_gettop(L);
}

/* Lua calls the handler of an error that was raised while it counts with counting switched off: a script's own would never be stopped. */
static int guarded_handler(lua_State *L)
{
    if (engine_of(L)->stop != STOP_NOT)
        return 1;
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, 1);
    lua_call(L, 1, 1);
    return 1;
}

static int base_xpcall(lua_State *L)
{
    luaL_checkany(L, 2);
    lua_settop(L, 2);
    lua_pushcclosure(L, guarded_handler, 1);
    lua_insert(L, 1);
    int status = lua_pcall(L, 0, LUA_MULTRET, 1);
    engine_recheck(L);
    lua_pushboolean(L, status == 0);
    lua_replace(L, 1);
    return lua_gettop(L);
}

/* What catches errors. */
static int catches(lua_State *L)
{
    int results = lib_original(L);
    engine_recheck(L);
    return results;
}

/* Where it happened, as Redis shows it. */
int error_handler(lua_State *L)
{
    lua_Debug at;
    luaL_checkstack(L, 5, "too deep");
    lua_settop(L, 1);
    bool known = lua_getstack(L, 1, &at) && lua_getinfo(L, "Sl", &at);
    if (known && *at.what == 'C')
        known = lua_getstack(L, 2, &at) && lua_getinfo(L, "Sl", &at);
    if (!lua_istable(L, 1)) {
        lua_createtable(L, 0, 3);
        lua_pushliteral(L, "ERR ");
        lua_rawgeti(L, LUA_REGISTRYINDEX, REGISTRY_GLOBALS);
        lua_getfield(L, -1, "tostring");
        lua_remove(L, -2);
        lua_pushvalue(L, 1);
        lua_call(L, 1, 1);
        lua_concat(L, 2);
        lua_setfield(L, -2, "err");
        lua_replace(L, 1);
    }
    if (known) {
        lua_pushstring(L, at.source);
        lua_setfield(L, 1, "source");
        lua_pushinteger(L, at.currentline);
        lua_setfield(L, 1, "line");
    }
    return 1;
}

/* ---- tables that are protected ---- */

/* Pushes what is behind it, or nothing. */
static bool behind(lua_State *L, int index)
{
    luaL_checkstack(L, 3, "too deep");
    if (!lua_istable(L, index) || !lua_getmetatable(L, index))
        return false;
    lua_pop(L, 1);
    lua_rawgeti(L, LUA_REGISTRYINDEX, REGISTRY_PROTECTED);
    lua_pushvalue(L, index);
    lua_rawget(L, -2);
    lua_remove(L, -2);
    if (!lua_isnil(L, -1))
        return true;
    lua_pop(L, 1);
    return false;
}

bool sandbox_protects(lua_State *L, int index)
{
    bool is = behind(L, index);
    if (is)
        lua_pop(L, 1);
    return is;
}

static int refuse(lua_State *L)
{
    return luaL_error(L, readonly);
}

void sandbox_protect(lua_State *L)
{
    lua_newtable(L);
    lua_createtable(L, 0, 2);
    lua_pushvalue(L, -3);
    lua_setfield(L, -2, "__index");
    lua_pushcfunction(L, refuse);
    lua_setfield(L, -2, "__newindex");
    lua_setmetatable(L, -2);
    lua_rawgeti(L, LUA_REGISTRYINDEX, REGISTRY_PROTECTED);
    lua_pushvalue(L, -2);
    lua_pushvalue(L, -4);
    lua_rawset(L, -3);
    lua_pop(L, 1);
    lua_remove(L, -2);
}

/* Functions that change their first argument. */
static int changes(lua_State *L)
{
    if (sandbox_protects(L, 1)) {
        lua_pushstring(L, readonly);
        return lua_error(L);
    }
    return lib_original(L);
}

/* insert and remove, which count as they do without. */
static int changes_table(lua_State *L)
{
    lib_spend_moves(L);
    return changes(L);
}

/* Functions that look into it. */
static int looks(lua_State *L)
{
    if (behind(L, 1))
        lua_replace(L, 1);
    return lib_original(L);
}

/* Upvalue 1: next. */
static int base_pairs(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    if (behind(L, 1))
        lua_replace(L, 1);
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, 1);
    lua_pushnil(L);
    return 3;
}

static int base_getmetatable(lua_State *L)
{
    luaL_checkany(L, 1);
    if (lua_type(L, 1) == LUA_TSTRING) {
        lua_rawgeti(L, LUA_REGISTRYINDEX, REGISTRY_META_STRING);
        return 1;
    }
    if (!behind(L, 1))
        return lib_original(L);
    lua_rawgeti(L, LUA_REGISTRYINDEX, REGISTRY_GLOBALS);
    if (lua_rawequal(L, -1, -2))
        lua_rawgeti(L, LUA_REGISTRYINDEX, REGISTRY_META_GLOBALS);
    else
        lua_pushnil(L);
    return 1;
}

int sandbox_missing(lua_State *L)
{
    return luaL_error(L, "Script attempted to access nonexistent global variable '%s'",
                      luaL_checkstring(L, 2));
}

/* ---- others that are replaced ---- */

/* Of an address what is the same on all nodes. */
static int base_tostring(lua_State *L)
{
    char text[64];
    luaL_checkany(L, 1);
    if (luaL_callmeta(L, 1, "__tostring"))
        return 1;
    switch (lua_type(L, 1)) {
    case LUA_TNIL:
        lua_pushliteral(L, "nil");
        return 1;
    case LUA_TBOOLEAN:
        lua_pushstring(L, lua_toboolean(L, 1) ? "true" : "false");
        return 1;
    case LUA_TNUMBER:
        lua_pushvalue(L, 1);
        lua_tostring(L, -1);
        return 1;
    case LUA_TSTRING:
        lua_pushvalue(L, 1);
        return 1;
    case LUA_TLIGHTUSERDATA: /* cjson.null, which is NULL, is the only one */
        lua_pushliteral(L, "userdata: (nil)");
        return 1;
    default:
        snprintf(text, sizeof text, "%s: 0x%08x", luaL_typename(L, 1),
                 (unsigned)(uintptr_t)lua_topointer(L, 1));
        lua_pushstring(L, text);
        return 1;
    }
}

static bool is_compiled(const char *text, size_t len)
{
    return len && *text == *LUA_SIGNATURE;
}

static int loaded(lua_State *L, int status)
{
    engine_recheck(L);
    if (status == 0)
        return 1;
    lua_pushnil(L);
    lua_insert(L, -2);
    return 2;
}

static int refuse_compiled(lua_State *L)
{
    lua_pushnil(L);
    lua_pushliteral(L, "compiled chunks are not loaded");
    return 2;
}

static int base_loadstring(lua_State *L)
{
    size_t len;
    const char *text = luaL_checklstring(L, 1, &len), *name = luaL_optstring(L, 2, text);
    if (is_compiled(text, len))
        return refuse_compiled(L);
    lib_spend(L, len);
    return loaded(L, luaL_loadbuffer(L, text, len, name));
}

static const char *read_piece(lua_State *L, void *started, size_t *size)
{
    bool *begun = started;
    luaL_checkstack(L, 2, "too many nested functions");
    lua_pushvalue(L, 1);
    lua_call(L, 0, 1);
    *size = 0;
    if (lua_isnil(L, -1)) {
        lua_pop(L, 1);
        return NULL;
    }
    if (!lua_isstring(L, -1))
        luaL_error(L, "reader function must return a string");
    lua_replace(L, 3);
    const char *text = lua_tolstring(L, 3, size);
    lib_spend(L, *size);
    if (!*begun && is_compiled(text, *size))
        luaL_error(L, "compiled chunks are not loaded");
    *begun = true;
    return text;
}

static int base_load(lua_State *L)
{
    bool begun = false;
    const char *name = luaL_optstring(L, 2, "=(load)");
    luaL_checktype(L, 1, LUA_TFUNCTION);
    lua_settop(L, 3);
    return loaded(L, lua_load(L, read_piece, &begun, name));
}

/* A collection takes as long as there is memory to go through. */
static int base_collectgarbage(lua_State *L)
{
    lib_spend(L, 16 * (uint64_t)lua_gc(L, LUA_GCCOUNT, 0));
    return lib_original(L);
}

/* Of a text, all is looked at. */
static int base_tonumber(lua_State *L)
{
    if (lua_type(L, 1) == LUA_TSTRING)
        lib_spend(L, lua_objlen(L, 1) / 4);
    return lib_original(L);
}

static int string_sub(lua_State *L)
{
    int results = lib_original(L);
    lib_spend_bytes(L, lua_objlen(L, -1));
    return results;
}

/* ---- closing it ---- */

static void wrap_in(lua_State *L, const char *table, const char *name, lua_CFunction with)
{
    lua_getfield(L, LUA_GLOBALSINDEX, table);
    lib_wrap(L, name, with);
    lua_pop(L, 1);
}

/* One that is wrapped already: two wrappers on top of each other would take each other for the original. */
static void wrap_again(lua_State *L, const char *table, const char *name, lua_CFunction with)
{
    lua_getfield(L, LUA_GLOBALSINDEX, table);
    lua_getfield(L, -1, name);
    lua_getupvalue(L, -1, 1);
    lua_pushcclosure(L, with, 1);
    lua_setfield(L, -3, name);
    lua_pop(L, 2);
}

static void set(lua_State *L, const char *name, lua_CFunction function)
{
    lua_pushcfunction(L, function);
    lua_setfield(L, LUA_GLOBALSINDEX, name);
}

static void replace_functions(lua_State *L)
{
    lua_getfield(L, LUA_GLOBALSINDEX, "next");
    lua_pushcclosure(L, base_pairs, 1);
    lua_setfield(L, LUA_GLOBALSINDEX, "pairs");
    set(L, "pcall", base_pcall);
    set(L, "xpcall", base_xpcall);
    set(L, "tostring", base_tostring);
    set(L, "load", base_load);
    set(L, "loadstring", base_loadstring);
    set(L, "__redis__err__handler", error_handler);
    wrap_in(L, LUA_COLIBNAME, "resume", catches);
    wrap_in(L, "_G", "rawset", changes);
    wrap_in(L, "_G", "setmetatable", changes);
    wrap_again(L, LUA_TABLIBNAME, "insert", changes_table);
    wrap_again(L, LUA_TABLIBNAME, "remove", changes_table);
    wrap_in(L, "_G", "rawget", looks);
    wrap_in(L, "_G", "next", looks);
    wrap_in(L, "_G", "getmetatable", base_getmetatable);
    wrap_in(L, "_G", "collectgarbage", base_collectgarbage);
    wrap_in(L, "_G", "tonumber", base_tonumber);
    wrap_in(L, LUA_STRLIBNAME, "sub", string_sub);
}

static void protect_libraries(lua_State *L)
{
    static const char *const names[] = {"bit",   "cjson",  "cmsgpack", "coroutine", "math",
                                        "redis", "string", "struct",   "table"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        lua_getfield(L, LUA_GLOBALSINDEX, names[i]);
        sandbox_protect(L);
        lua_setfield(L, LUA_GLOBALSINDEX, names[i]);
    }
}

/* Methods of strings; and what getmetatable("") shows. */
static void protect_strings(lua_State *L)
{
    lua_pushliteral(L, "");
    lua_getmetatable(L, -1);
    lua_getfield(L, LUA_GLOBALSINDEX, LUA_STRLIBNAME);
    lua_setfield(L, -2, "__index");
    sandbox_protect(L);
    lua_rawseti(L, LUA_REGISTRYINDEX, REGISTRY_META_STRING);
    lua_pop(L, 1);
}

void sandbox_close(lua_State *L)
{
    lua_newtable(L);
    lua_rawseti(L, LUA_REGISTRYINDEX, REGISTRY_PROTECTED);
    replace_functions(L);
    protect_libraries(L);
    protect_strings(L);
    lua_createtable(L, 0, 1);
    lua_pushcfunction(L, sandbox_missing);
    lua_setfield(L, -2, "__index");
    lua_pushvalue(L, -1);
    lua_setmetatable(L, LUA_GLOBALSINDEX);
    sandbox_protect(L);
    lua_rawseti(L, LUA_REGISTRYINDEX, REGISTRY_META_GLOBALS);
    lua_pushvalue(L, LUA_GLOBALSINDEX);
    lua_rawseti(L, LUA_REGISTRYINDEX, REGISTRY_GLOBALS);
    lua_pushvalue(L, LUA_GLOBALSINDEX);
    sandbox_protect(L);
    lua_pushvalue(L, -1);
    lua_setfield(L, LUA_GLOBALSINDEX, "_G");
    lua_replace(L, LUA_GLOBALSINDEX);
}

void sandbox_set_global(lua_State *L, const char *name)
{
    lua_rawgeti(L, LUA_REGISTRYINDEX, REGISTRY_GLOBALS);
    lua_insert(L, -2);
    lua_pushstring(L, name);
    lua_insert(L, -2);
    lua_rawset(L, -3);
    lua_pop(L, 1);
}
