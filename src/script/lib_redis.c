/* The table `redis`. */
#include "base/alloc.h"
#include "base/number.h"
#include "script/engine_int.h"

#include <math.h>
#include <stdio.h>

enum { CALL_STEPS = 20, NUMBER_ROOM = 40 };

static int fail(lua_State *L, const char *text)
{
    push_error(L, text);
    return lua_error(L);
}

/* ---- commands ---- */

static struct slice number_text(double d, char room[NUMBER_ROOM])
{
    const double safe = 4611686018427387904.0;
    bool whole = d > -safe && d < safe && d == floor(d) && !(d == 0 && signbit(d));
    size_t len = whole ? format_i64(room, (int64_t)d) : (size_t)snprintf(room, NUMBER_ROOM, "%.17g", d);
    return slice_of(room, len);
}

/* The function's arguments as a command's; NULL: what is wrong with them is on the stack. */
static const struct slice *arguments(lua_State *L, struct script_engine *e, size_t *argc)
{
    *argc = (size_t)lua_gettop(L);
    if (*argc == 0) {
        push_error(L, "Please specify at least one argument for this redis lib call");
        return NULL;
    }
    if (*argc > e->argv_cap) {
        e->argv_cap = *argc * 2;
        e->argv = mem_realloc(e->argv, e->argv_cap * sizeof *e->argv);
    }
    buf_truncate(&e->texts, 0);
    buf_reserve(&e->texts, *argc * NUMBER_ROOM);
    for (size_t i = 0; i < *argc; i++) {
        int at = (int)i + 1, type = lua_type(L, at);
        if (type == LUA_TNUMBER) {
            e->argv[i] = number_text(lua_tonumber(L, at), e->texts.data + i * NUMBER_ROOM);
        } else if (type == LUA_TSTRING) {
            e->argv[i].data = lua_tolstring(L, at, &e->argv[i].len);
        } else {
            lua_settop(L, 0); /* there may be as many as the stack has room for */
            push_error(L, "Lua redis lib command arguments must be strings or integers");
            return NULL;
        }
    }
    return e->argv;
}

static int call(lua_State *L, bool raise)
{
    struct script_engine *e = engine_of(L);
    size_t argc;
    const struct slice *argv = arguments(L, e, &argc);
    if (!argv)
        return raise ? lua_error(L) : 1;
    bool error = false;
    size_t bytes = 0;
    for (size_t i = 0; i < argc; i++)
        bytes += argv[i].len; /* what is there once here may be given many times */
    buf_truncate(&e->reply, 0);
    if (!e->run->call(e->run->host, argv, argc, e->resp, &e->reply, &error)) {
        lua_settop(L, 0);
        e->stop = STOP_ABANDONED;
        engine_recheck(L);
    }
    lua_settop(L, 0); /* the arguments are done with; there may be as many as the stack has room for */
    lib_count(L, CALL_STEPS + (bytes + e->reply.len) / 16);
    push_reply(L, buf_slice(&e->reply));
    return raise && e->reply.data[0] == '-' ? lua_error(L) : 1;
}

static int redis_call(lua_State *L)
{
    return call(L, true);
}

static int redis_pcall(lua_State *L)
{
    return call(L, false);
}

static int redis_acl_check_cmd(lua_State *L)
{
    struct script_engine *e = engine_of(L);
    size_t argc;
    const struct slice *argv = arguments(L, e, &argc);
    if (!argv)
        return lua_error(L);
    int may = e->run->permits(e->run->host, argv, argc);
    lua_settop(L, 0);
    if (may < 0)
        return fail(L, "Invalid command passed to redis.acl_check_cmd()");
    lua_pushboolean(L, may);
    return 1;
}

/* ---- replies ---- */

static bool is_one_string(lua_State *L)
{
    if (lua_gettop(L) == 1 && lua_type(L, 1) == LUA_TSTRING)
        return true;
    push_error(L, "wrong number or type of arguments");
    return false;
}

static int redis_error_reply(lua_State *L)
{
    if (!is_one_string(L))
        return 1;
    const char *text = lua_tostring(L, 1);
    push_error(L, *text == '-' ? text : lua_pushfstring(L, "-%s", text));
    return 1;
}

static int redis_status_reply(lua_State *L)
{
    if (!is_one_string(L))
        return 1;
    lua_createtable(L, 0, 1);
    lua_pushvalue(L, 1);
    lua_setfield(L, -2, "ok");
    return 1;
}

/* ---- the others ---- */

static int redis_sha1hex(lua_State *L)
{
    char hex[SHA1_HEX + 1];
    if (lua_gettop(L) != 1)
        return fail(L, "wrong number of arguments");
    size_t len = 0;
    const char *text = lua_tolstring(L, 1, &len);
    lib_spend(L, len / 4);
    sha1_hex(slice_of(text, len), hex);
    lua_pushlstring(L, hex, SHA1_HEX);
    return 1;
}

static int redis_setresp(lua_State *L)
{
    if (lua_gettop(L) != 1)
        return fail(L, "redis.setresp() requires one argument.");
    double wanted = lua_tonumber(L, 1);
    if (!(wanted >= 2 && wanted < 4))
        return fail(L, "RESP version must be 2 or 3.");
    engine_of(L)->resp = (int)wanted;
    return 0;
}

static int redis_log(lua_State *L)
{
    const struct script_run *run = engine_of(L)->run;
    int count = lua_gettop(L);
    if (count < 2)
        return fail(L, "redis.log() requires two arguments or more.");
    if (!lua_isnumber(L, 1))
        return fail(L, "First argument must be a number (log level).");
    double level = lua_tonumber(L, 1);
    if (!(level > -1 && level < 4))
        return fail(L, "Invalid debug level.");
    luaL_Buffer line;
    luaL_buffinit(L, &line);
    for (int i = 2, texts = 0; i <= count; i++) {
        if (!lua_isstring(L, i))
            continue;
        if (texts++)
            luaL_addchar(&line, ' ');
        lua_pushvalue(L, i);
        luaL_addvalue(&line);
    }
    luaL_pushresult(&line);
    size_t len;
    const char *text = lua_tolstring(L, -1, &len);
    if (run->log)
        run->log(run->host, (int)level, slice_of(text, len));
    return 0;
}

/* Every effect goes into the log, whatever a script says. */
static int redis_set_repl(lua_State *L)
{
    if (lua_gettop(L) != 1)
        return fail(L, "redis.set_repl() requires two arguments.");
    double flags = lua_tonumber(L, 1);
    if (!(flags > -1 && flags < 4))
        return fail(L, "Invalid replication flags. Use REPL_AOF, REPL_REPLICA, REPL_ALL or REPL_NONE.");
    return 0;
}

static int redis_replicate_commands(lua_State *L)
{
    lua_pushboolean(L, true);
    return 1;
}

static int redis_breakpoint(lua_State *L)
{
    lua_pushboolean(L, false);
    return 1;
}

static int redis_debug(lua_State *L)
{
    (void)L;
    return 0;
}

void lib_open_redis(lua_State *L)
{
    static const luaL_Reg functions[] = {{"acl_check_cmd", redis_acl_check_cmd},
                                         {"breakpoint", redis_breakpoint},
                                         {"call", redis_call},
                                         {"debug", redis_debug},
                                         {"error_reply", redis_error_reply},
                                         {"log", redis_log},
                                         {"pcall", redis_pcall},
                                         {"replicate_commands", redis_replicate_commands},
                                         {"set_repl", redis_set_repl},
                                         {"setresp", redis_setresp},
                                         {"sha1hex", redis_sha1hex},
                                         {"status_reply", redis_status_reply},
                                         {NULL, NULL}};
    static const struct {
        const char *name;
        int value;
    } numbers[] = {{"LOG_DEBUG", 0},    {"LOG_VERBOSE", 1},
                   {"LOG_NOTICE", 2},   {"LOG_WARNING", 3},
                   {"REPL_NONE", 0},    {"REPL_AOF", 1},
                   {"REPL_REPLICA", 2}, {"REPL_SLAVE", 2},
                   {"REPL_ALL", 3},     {"REDIS_VERSION_NUM", 0x7000f}};
    for (const luaL_Reg *f = functions; f->name; f++) {
        lua_pushcfunction(L, f->func);
        lua_setfield(L, -2, f->name);
    }
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        lua_pushinteger(L, numbers[i].value);
        lua_setfield(L, -2, numbers[i].name);
    }
    lua_pushliteral(L, "7.0.15");
    lua_setfield(L, -2, "REDIS_VERSION");
}
