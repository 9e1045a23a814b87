/* A run, from the body to the reply. The state is made once, copied, and put back before each run: that takes microseconds, and nothing can
 * be left over. */
#include "base/alloc.h"
#include "base/resp.h"
#include "script/engine_int.h"
#include "script/libraries.h"

#include <assert.h>
#include <string.h>

#define HOOK_STEPS    1000
#define HOOKS_A_PULSE 100               /* some tenths of a millisecond */
#define KEEP_BYTES    ((size_t)1 << 20) /* of the arena, and of each buffer, between two runs */
#define SCRIPT_BYTES  ((size_t)1 << 16) /* what a compiled script may have taken, if it is to be kept */
#define KILLED        "Script killed by user with SCRIPT KILL..."

static const char chunk_name[] = "@user_script";

static bool spend(struct script_engine *e, uint64_t steps)
{
    e->meter.steps += steps;
    if (e->run && e->meter.steps > e->meter.most && e->stop == STOP_NOT)
        e->stop = STOP_STEPS;
    return e->stop == STOP_NOT;
}

/* What is copied into a large block is work as well. */
static void *allocate(void *arg, void *old, size_t old_size, size_t size)
{
    struct script_engine *e = arg;
    if (size > old_size && size >= COUNT_BYTES && !spend(e, size / 16))
        return NULL;
    return arena_resize(&e->arena, old, old_size, size);
}

_Noreturn void engine_raise_stop(lua_State *L)
{
    luaL_checkstack(L, 4, "too deep");
    if (engine_of(L)->stop == STOP_KILLED) {
        push_error(L, KILLED);
    } else {
        luaL_where(L, 0);
        lua_pushliteral(L, OUT_OF_STEPS);
        lua_concat(L, 2);
    }
    lua_error(L);
    __builtin_unreachable();
}

static void count(lua_State *L, lua_Debug *ar)
{
    struct script_engine *e = engine_of(L);
    (void)ar;
    if (++e->hooks >= HOOKS_A_PULSE && e->run->pulse) {
        e->hooks = 0;
        if (!e->run->pulse(e->run->host) && e->stop == STOP_NOT)
            e->stop = STOP_KILLED;
    }
    if (!spend(e, HOOK_STEPS))
        engine_raise_stop(L);
}

static void open_library(lua_State *L, const char *name, void (*open)(lua_State *L))
{
    lua_getfield(L, LUA_GLOBALSINDEX, name);
    if (lua_isnil(L, -1)) {
        lua_pop(L, 1);
        lua_newtable(L);
        lua_pushvalue(L, -1);
        lua_setfield(L, LUA_GLOBALSINDEX, name);
    }
    open(L);
    lua_pop(L, 1);
}

static int build(lua_State *L)
{
    script_open_libraries(L);
    open_library(L, LUA_MATHLIBNAME, lib_open_random);
    open_library(L, "redis", lib_open_redis);
    sandbox_close(L);
    lua_sethook(L, count, LUA_MASKCOUNT, HOOK_STEPS);
    return 0;
}

struct script_engine *script_engine_new(void)
{
    return mem_calloc(1, sizeof(struct script_engine));
}

void script_engine_free(struct script_engine *e)
{
    if (!e)
        return;
    arena_deinit(&e->arena);
    mem_free(e->image);
    for (size_t i = 0; i < STATES_KEPT; i++)
        mem_free(e->kept[i].bytes);
    mem_free(e->argv);
    buf_deinit(&e->reply);
    buf_deinit(&e->texts);
    mem_free(e);
}

static void make(struct script_engine *e)
{
    arena_init(&e->arena, &e->meter);
    e->meter.most = UINT64_MAX;
    e->L = lua_newstate(allocate, e);
    int status = lua_cpcall(e->L, build, NULL);
    assert(status == 0);
    (void)status;
    lua_gc(e->L, LUA_GCCOLLECT, 0);
    e->clean = e->arena;
    e->image = mem_alloc(e->arena.used);
    memcpy(e->image, e->arena.base, e->arena.used);
}

static struct kept_state *find_kept(struct script_engine *e, const void *program)
{
    for (size_t i = 0; i < STATES_KEPT; i++)
        if (e->kept[i].program == program)
            return &e->kept[i];
    return NULL;
}

void script_forget(struct script_engine *e, const void *program)
{
    struct kept_state *k = find_kept(e, program);
    if (!k)
        return;
    mem_free(k->bytes);
    *k = (struct kept_state){0};
}

void engine_keep(struct script_engine *e, const void *program, size_t max)
{
    if (e->arena.used > e->clean.used + max)
        return;
    struct kept_state *k = &e->kept[e->next_kept++ % STATES_KEPT];
    mem_free(k->bytes);
    *k = (struct kept_state){program, mem_alloc(e->arena.used), e->arena, e->meter.steps};
    memcpy(k->bytes, e->arena.base, e->arena.used);
}

/* NULL: there is none, or this run may not take as much as it took to make it. */
static const struct kept_state *kept_for(struct script_engine *e, const struct script_run *run)
{
    const void *program = run->library ? run->library : run->script;
    const struct kept_state *k = program ? find_kept(e, program) : NULL;
    bool fits = k && (run->library || (k->arena.used - e->clean.used <= run->limits.max_memory &&
                                       k->steps <= run->limits.max_steps));
    return fits ? k : NULL;
}

bool engine_begin(struct script_engine *e, const struct script_run *run)
{
    if (!e->L)
        make(e);
    const struct kept_state *k = kept_for(e, run);
    e->arena = k ? k->arena : e->clean;
    memcpy(e->arena.base, k ? k->bytes : e->image, e->arena.used);
    uint64_t limit = e->clean.used + run->limits.max_memory;
    e->arena.limit = limit < ARENA_BYTES ? (size_t)limit : ARENA_BYTES;
    e->run = run;
    e->meter = (struct script_meter){k ? k->steps : 0, run->limits.max_steps};
    e->hooks = 0;
    e->stop = STOP_NOT;
    e->passed_error = false;
    e->resp = 2;
    random_seed(e, (int32_t)(uint32_t)(run->chance ^ run->chance >> 32));
    return k;
}

void engine_end(struct script_engine *e)
{
    size_t used = e->arena.used, keep = e->clean.used + KEEP_BYTES;
    keep -= keep % 4096;
    if (used > keep) /* the next one may be long in coming */
        mem_give_back(e->arena.base + keep, used - keep);
    e->run = NULL;
    if (e->reply.cap > KEEP_BYTES)
        buf_deinit(&e->reply);
    if (e->texts.cap > KEEP_BYTES)
        buf_deinit(&e->texts);
}

/* ---- inside of the protected call: run, then out ---- */

struct main {
    const struct script_run *run;
    struct buf *reply;
};

/* The chunk, or what is wrong with it, goes onto the stack. */
static bool load(lua_State *L, struct slice code)
{
    if (code.len && *code.data == *LUA_SIGNATURE) {
        lua_pushliteral(L, "user_script: a compiled chunk is not a script");
        return false;
    }
    return luaL_loadbuffer(L, code.data, code.len, chunk_name) == 0;
}

static void push_list(lua_State *L, const struct slice *at, size_t n)
{
    lua_createtable(L, n < 1 << 16 ? (int)n : 1 << 16, 0);
    for (size_t i = 0; i < n; i++) {
        lua_pushlstring(L, at[i].data, at[i].len);
        lua_rawseti(L, -2, (int)i + 1);
    }
}

/* The function and its arguments go onto the stack. */
static int prepare(lua_State *L, const struct script_run *run)
{
    if (run->library)
        library_push(L, slice_cstr(run->name));
    else
        lua_rawgeti(L, LUA_REGISTRYINDEX, REGISTRY_SCRIPT);
    push_list(L, run->keys, run->key_count);
    if (!run->library)
        sandbox_set_global(L, "KEYS");
    push_list(L, run->args, run->arg_count);
    if (!run->library)
        sandbox_set_global(L, "ARGV");
    return run->library ? 2 : 0;
}

/* An error's field as text, NULL: none. It stays on the stack. */
static const char *text_field(lua_State *L, int at, const char *name)
{
    lua_pushstring(L, name);
    lua_rawget(L, at);
    return lua_isstring(L, -1) ? lua_tostring(L, -1) : NULL;
}

static void append_failure(lua_State *L, const struct main *m)
{
    int at = lua_gettop(L);
    if (!lua_istable(L, at)) {
        const char *why = lua_isstring(L, at) ? lua_tostring(L, at) : "execution failure";
        bool steps = engine_of(L)->stop == STOP_STEPS;
        resp_errorf(m->reply, "ERR %s script: %s", steps ? OUT_OF_STEPS : why, m->run->name);
        return;
    }
    const char *message = text_field(L, at, "err"), *source = text_field(L, at, "source"),
               *place = text_field(L, at, "line");
    if (source && place)
        resp_errorf(m->reply, "%s script: %s, on %s:%s.", message ? message : "ERR unknown error",
                    m->run->name, source, place);
    else
        resp_errorf(m->reply, "%s", message ? message : "ERR unknown error");
}

/* The error is on top of the stack, and nothing protects: nothing may be allocated. */
static void append_last_failure(lua_State *L, const struct main *m)
{
    enum script_stop stop = engine_of(L)->stop;
    const char *why = stop == STOP_STEPS               ? OUT_OF_STEPS
                      : lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1)
                                                       : "execution failure";
    if (stop == STOP_KILLED)
        resp_error(m->reply, "ERR " KILLED);
    else
        resp_errorf(m->reply, "ERR %s script: %s", why, m->run->name);
}

/* The value on top of the stack: Redis's mark of errors that have been counted. */
static bool is_passed_error(lua_State *L)
{
    if (!lua_istable(L, -1))
        return false;
    lua_pushliteral(L, "ignore_error_stats_update");
    lua_rawget(L, -2);
    bool marked = lua_toboolean(L, -1);
    lua_pop(L, 1);
    return marked;
}

static int run_protected(lua_State *L)
{
    struct main *m = lua_touserdata(L, 1);
    lua_pushcfunction(L, error_handler);
    int failed = lua_pcall(L, prepare(L, m->run), 1, 2);
    engine_of(L)->passed_error = is_passed_error(L);
    if (failed)
        append_failure(L, m);
    else
        append_value(L, m->reply, m->run->resp);
    return 0;
}

static int compile_protected(lua_State *L)
{
    const struct main *m = lua_touserdata(L, 1);
    if (load(L, m->run->code))
        lua_rawseti(L, LUA_REGISTRYINDEX, REGISTRY_SCRIPT);
    else
        resp_errorf(m->reply, "ERR Error compiling script (new function): %s", lua_tostring(L, -1));
    return 0;
}

/* false: it is no script, and the error was appended; or *protected is false, and what went wrong is on top of the stack. */
static bool compile(struct script_engine *e, struct main *m, bool *protected)
{
    size_t start = m->reply->len;
    *protected = lua_cpcall(e->L, compile_protected, m) == 0;
    if (!*protected || m->reply->len > start)
        return false;
    if (m->run->script)
        engine_keep(e, m->run->script, SCRIPT_BYTES);
    return true;
}

/* Behind engine_begin. false: something went wrong that only the outermost call has caught. */
static bool run_main(struct script_engine *e, struct main *m, bool kept)
{
    bool protected = true;
    if (!m->run->library && !kept && !compile(e, m, &protected))
        return protected;
    return lua_cpcall(e->L, run_protected, m) == 0;
}

enum script_end script_run(struct script_engine *e, const struct script_run *run, struct buf *reply)
{
    size_t start = reply->len;
    struct main m = {run, reply};
    struct buf error = BUF_EMPTY;
    bool kept = engine_begin(e, run);
    if (run->library && !library_enter(e, run, kept, &error)) {
        resp_errorf(reply, "ERR %.*s", (int)error.len, error.data);
    } else if (!run_main(e, &m, kept)) {
        buf_truncate(reply, start);
        append_last_failure(e->L, &m);
    }
    buf_deinit(&error);
    enum script_stop stop = e->stop;
    if (stop == STOP_ABANDONED)
        buf_truncate(reply, start);
    engine_end(e);
    return stop == STOP_NOT ? SCRIPT_ENDED : stop == STOP_ABANDONED ? SCRIPT_ABANDONED : SCRIPT_STOPPED;
}

bool script_passed_error(const struct script_engine *e)
{
    return e->passed_error;
}

static int check_protected(lua_State *L)
{
    const struct main *m = lua_touserdata(L, 1);
    if (!load(L, m->run->code))
        buf_append_cstr(m->reply, lua_tostring(L, -1));
    return 0;
}

bool script_compiles(struct script_engine *e, struct slice code, const struct script_limits *limits,
                     struct buf *error)
{
    size_t start = error->len;
    struct script_run run = {.code = code, .limits = *limits};
    struct main m = {&run, error};
    engine_begin(e, &run);
    if (lua_cpcall(e->L, check_protected, &m)) {
        buf_truncate(error, start);
        buf_append_cstr(error, "not enough memory");
    }
    engine_end(e);
    return error->len == start;
}
