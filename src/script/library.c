/* Libraries of functions. A library's code runs once, and registers what FCALL calls; meanwhile it sees nothing but a `redis` of its own. The state
 * behind that run is kept for the next calls: copied, it is what another run would make, for loading depends on the code alone. */
#include "base/alloc.h"
#include "script/engine_int.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

/* Not settings: what was loaded once has to load again from a snapshot. */
#define LOAD_STEPS  UINT64_C(10000000)
#define LOAD_MEMORY ((uint64_t)64 << 20)
#define IMAGE_BYTES ((size_t)1 << 20) /* a state larger than that, beyond the clean one, is not kept */

static const char chunk_name[] = "@user_function";
static const char bad_name[] = "Library names can only contain letters, numbers, or underscores(_) and must "
                               "be at least one character long";

bool script_name_ok(struct slice name)
{
    for (size_t i = 0; i < name.len; i++)
        if (!isalnum((unsigned char)name.data[i]) && name.data[i] != '_')
            return false;
    return name.len > 0;
}

/* ---- redis.register_function ---- */

struct registration {
    struct script_function f;
    int callback; /* where on the stack */
};

static struct slice text_at(lua_State *L, int at)
{
    size_t len;
    const char *text = lua_tolstring(L, at, &len);
    return slice_of(text, len);
}

static const char *read_flags(lua_State *L, int at, unsigned *flags)
{
    for (int i = 1;; i++) {
        lua_rawgeti(L, at, i);
        bool end = lua_isnil(L, -1), ok = end || (lua_isstring(L, -1) && script_flag(text_at(L, -1), flags));
        lua_pop(L, 1);
        if (!ok)
            return "unknown flag given";
        if (end)
            return NULL;
    }
}

/* One field of the table, its value on top of the stack. */
static const char *read_field(lua_State *L, const char *name, struct registration *r)
{
    int at = lua_gettop(L);
    if (strcasecmp(name, "function_name") == 0) {
        if (!lua_isstring(L, at))
            return "function_name argument given to redis.register_function must be a string";
        r->f.name = text_at(L, at);
    } else if (strcasecmp(name, "description") == 0) {
        if (!lua_isstring(L, at))
            return "description argument given to redis.register_function must be a string";
        r->f.description = text_at(L, at);
    } else if (strcasecmp(name, "callback") == 0) {
        if (!lua_isfunction(L, at))
            return "callback argument given to redis.register_function must be a function";
        lua_pushvalue(L, at);
        lua_replace(L, r->callback = 2);
    } else if (strcasecmp(name, "flags") == 0) {
        if (!lua_istable(L, at))
            return "flags argument to redis.register_function must be a table representing function flags";
        return read_flags(L, at, &r->f.flags);
    } else {
        return "unknown argument given to redis.register_function";
    }
    return NULL;
}

/* The table at 1; place 2 is for the callback. Numbers given as texts are converted, and held, behind it. */
static const char *read_named(lua_State *L, struct registration *r)
{
    const char *wrong = NULL;
    lua_settop(L, 1);
    lua_pushnil(L);
    lua_pushnil(L);
    while (!wrong && lua_next(L, 1)) {
        if (lua_type(L, -2) == LUA_TNUMBER)
            return "unknown argument given to redis.register_function";
        if (lua_type(L, -2) != LUA_TSTRING)
            return "named argument key given to redis.register_function is not a string";
        luaL_checkstack(L, 4, "too many arguments");
        wrong = read_field(L, lua_tostring(L, -2), r);
        lua_pushvalue(L, -2); /* the value stays below: its text is borrowed */
        lua_remove(L, -3);
    }
    if (wrong)
        return wrong;
    if (!r->f.name.data)
        return "redis.register_function must get a function name argument";
    return r->callback ? NULL : "redis.register_function must get a callback argument";
}

static const char *read_registration(lua_State *L, struct registration *r)
{
    int argc = lua_gettop(L);
    if (argc < 1 || argc > 2)
        return "wrong number of arguments to redis.register_function";
    if (argc == 1 && !lua_istable(L, 1))
        return "calling redis.register_function with a single argument is only applicable to Lua table "
               "(representing named arguments).";
    if (argc == 1)
        return read_named(L, r);
    if (!lua_isstring(L, 1))
        return "first argument to redis.register_function must be a string";
    if (!lua_isfunction(L, 2))
        return "second argument to redis.register_function must be a function";
    r->f.name = text_at(L, 1);
    r->callback = 2;
    return NULL;
}

/* Pushes the name by which a function is found, whatever its case. */
static void push_key(lua_State *L, struct slice name)
{
    luaL_Buffer key;
    luaL_buffinit(L, &key);
    for (size_t i = 0; i < name.len; i++)
        luaL_addchar(&key, (char)tolower((unsigned char)name.data[i]));
    luaL_pushresult(&key);
}

static const char *put(lua_State *L, const struct registration *r)
{
    if (!script_name_ok(r->f.name))
        return bad_name;
    push_key(L, r->f.name);
    lua_rawgeti(L, LUA_REGISTRYINDEX, REGISTRY_FUNCTIONS);
    lua_pushvalue(L, -2);
    lua_rawget(L, -2);
    if (!lua_isnil(L, -1))
        return "Function already exists in the library";
    lua_pop(L, 1);
    lua_insert(L, -2);
    lua_pushvalue(L, r->callback);
    lua_rawset(L, -3);
    return NULL;
}

static int redis_register_function(lua_State *L)
{
    struct script_engine *e = engine_of(L);
    struct registration r = {0};
    luaL_checkstack(L, 8, "too many arguments");
    const char *wrong = e->loading ? read_registration(L, &r)
                                   : "redis.register_function can only be called on FUNCTION LOAD command";
    if (!wrong)
        wrong = put(L, &r);
    if (wrong) {
        push_error(L, wrong);
        return lua_error(L);
    }
    if (e->loading->found)
        e->loading->found(e->loading->arg, &r.f);
    return 0;
}

/* ---- what a library sees while it is loaded ---- */

static void copy_field(lua_State *L, int from, int to, const char *name)
{
    lua_getfield(L, from, name);
    lua_setfield(L, to, name);
}

/* Pushes a table in which only what is in it is found. */
static void push_closed(lua_State *L)
{
    lua_newtable(L);
    lua_createtable(L, 0, 1);
    lua_pushcfunction(L, sandbox_missing);
    lua_setfield(L, -2, "__index");
    lua_setmetatable(L, -2);
}

static void push_load_globals(lua_State *L)
{
    static const char *const names[] = {"log",         "LOG_DEBUG",     "LOG_VERBOSE",      "LOG_NOTICE",
                                        "LOG_WARNING", "REDIS_VERSION", "REDIS_VERSION_NUM"};
    push_closed(L);
    int globals = lua_gettop(L);
    push_closed(L);
    int redis = lua_gettop(L);
    lua_getfield(L, LUA_GLOBALSINDEX, "redis");
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        copy_field(L, redis + 1, redis, names[i]);
    lua_pop(L, 1);
    lua_pushcfunction(L, redis_register_function);
    lua_setfield(L, redis, "register_function");
    sandbox_protect(L);
    lua_setfield(L, globals, "redis");
}

/* The globals are those of the table on top of the stack from here on. */
static void set_globals(lua_State *L)
{
    lua_getmetatable(L, LUA_GLOBALSINDEX);
    lua_insert(L, -2);
    lua_setfield(L, -2, "__index");
    lua_pop(L, 1);
}

/* ---- loading ---- */

static void append_reason(lua_State *L, struct script_loading *l)
{
    if (engine_of(L)->stop != STOP_NOT) {
        buf_append_cstr(l->error, "Error registering functions: ERR FUNCTION LOAD timeout");
        return;
    }
    if (lua_istable(L, -1))
        lua_getfield(L, -1, "err");
    const char *why = lua_isstring(L, -1) ? lua_tostring(L, -1) : "ERR execution failure";
    buf_append_cstr(l->error, "Error registering functions: ");
    buf_append_cstr(l->error, why);
}

static int load_protected(lua_State *L)
{
    struct script_loading *l = lua_touserdata(L, 1);
    lua_newtable(L);
    lua_rawseti(L, LUA_REGISTRYINDEX, REGISTRY_FUNCTIONS);
    push_load_globals(L);
    set_globals(L);
    lua_pushcfunction(L, error_handler);
    if (luaL_loadbuffer(L, l->code.data, l->code.len, chunk_name)) {
        buf_append_cstr(l->error, "Error compiling function: ");
        buf_append_cstr(l->error, lua_tostring(L, -1));
        return 0;
    }
    l->loaded = lua_pcall(L, 0, 0, 2) == 0;
    if (!l->loaded) {
        append_reason(L, l);
        return 0;
    }
    lua_rawgeti(L, LUA_REGISTRYINDEX, REGISTRY_GLOBALS);
    set_globals(L);
    return 0;
}

/* Collecting may allocate: the table of strings becomes a smaller one. */
static int collect(lua_State *L)
{
    lua_gc(L, LUA_GCCOLLECT, 0);
    return 0;
}

/* In the clean state, of which it makes that with the library. */
static bool load(struct script_engine *e, struct script_loading *l)
{
    const struct script_run *outer = e->run;
    struct script_run run = {.code = l->code, .limits = {LOAD_STEPS, LOAD_MEMORY}};
    size_t start = l->error->len;
    e->run = &run;
    e->meter.most = run.limits.max_steps;
    e->arena.limit = e->clean.used + (size_t)LOAD_MEMORY;
    e->loading = l;
    if (l->code.len && *l->code.data == *LUA_SIGNATURE) {
        buf_append_cstr(l->error, "Error compiling function: compiled chunks are not loaded");
    } else {
        bool failed = lua_cpcall(e->L, load_protected, l) != 0;
        e->meter.most = UINT64_MAX; /* what it has left is for the code alone */
        if (failed || (l->loaded && lua_cpcall(e->L, collect, NULL) != 0)) {
            l->loaded = false;
            buf_truncate(l->error, start);
            buf_append_cstr(l->error, "Error registering functions: ERR not enough memory");
        }
    }
    e->loading = NULL;
    e->run = outer;
    e->meter = (struct script_meter){0, outer->limits.max_steps};
    e->stop = STOP_NOT;
    return l->loaded;
}

bool script_library(struct script_engine *e, struct slice code,
                    void (*found)(void *arg, const struct script_function *f), void *arg, struct buf *error)
{
    struct script_loading l = {.code = code, .found = found, .arg = arg, .error = error};
    struct script_run run = {.code = code};
    engine_begin(e, &run);
    bool loaded = load(e, &l);
    engine_end(e);
    return loaded;
}

/* ---- calls ---- */

bool library_enter(struct script_engine *e, const struct script_run *run, bool kept, struct buf *error)
{
    struct script_loading l = {.code = run->code, .error = error};
    if (!kept && !load(e, &l))
        return false;
    if (!kept)
        engine_keep(e, run->library, IMAGE_BYTES);
    uint64_t limit = e->arena.used + run->limits.max_memory;
    e->arena.limit = limit < ARENA_BYTES ? (size_t)limit : ARENA_BYTES;
    return true;
}

void library_push(lua_State *L, struct slice function)
{
    push_key(L, function);
    lua_rawgeti(L, LUA_REGISTRYINDEX, REGISTRY_FUNCTIONS);
    lua_insert(L, -2);
    lua_rawget(L, -2);
    lua_remove(L, -2);
}
