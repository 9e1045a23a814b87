/* Inside of script/: what the parts of the engine share. Invariants:
 * - the arena holds everything that Lua allocates and nothing else; `image` is what it held before the first script, and is put back before
 *   each one, so that addresses and contents are those of the first;
 * - whatever ends a script against its will is in `stop`, and no pcall of the script's outlasts it. */
#ifndef SCRIPT_ENGINE_INT_H
#define SCRIPT_ENGINE_INT_H

#include "script/lib_int.h"
#include "script/script.h"

/* arena.c: also the strings that one instruction compares or joins, which it counts. */
#define ARENA_BYTES   ((uint64_t)1 << 32)
#define ARENA_CLASSES 192
#define COUNT_BYTES   256 /* what is larger counts as steps */
struct script_meter {
    uint64_t steps, most; /* taken so far, of how many */
};
struct arena {
    char *base;
    size_t used, high,
        limit; /* up to where it was given out; ever since it was last given back; up to where it may be */
    uint32_t free[ARENA_CLASSES]; /* first free block of each size, as an offset in units of 16; 0: none */
};
void arena_init(struct arena *a, struct script_meter *meter); /* `meter` outlives it */
void arena_deinit(struct arena *a);
void *arena_resize(struct arena *a, void *old, size_t old_size, size_t size);

#define OUT_OF_STEPS "Script ran over its budget of steps (script-max-steps)"
enum script_stop { STOP_NOT, STOP_STEPS, STOP_KILLED, STOP_ABANDONED };

/* A library that is being loaded. */
struct script_loading {
    struct slice code;
    void (*found)(void *arg, const struct script_function *f); /* may be NULL */
    void *arg;
    struct buf *error;
    bool loaded;
};

/* The state with a library loaded, or a script compiled: what doing it once more would make of the clean one. */
#define STATES_KEPT 16
struct kept_state {
    const void *program; /* whose; NULL: nobody's */
    char *bytes;
    struct arena arena;
    uint64_t steps; /* that it took */
};

struct script_engine {
    struct arena arena, clean; /* clean: its state of before the first script */
    lua_State *L;
    char *image;
    const struct script_run *run;
    struct script_meter meter;
    unsigned hooks; /* since the last pulse */
    enum script_stop stop;
    bool passed_error; /* its result is an error that a command gave */
    int resp;          /* of redis.call */
    struct buf reply;
    struct buf texts; /* of numbers */
    struct slice *argv;
    size_t argv_cap;
    uint64_t random; /* 48 bits */
    struct script_loading *loading;
    struct kept_state kept[STATES_KEPT];
    unsigned next_kept;
};

static inline struct script_engine *engine_of(lua_State *L)
{
    void *arg;
    lua_getallocf(L, &arg);
    return arg;
}
/* After something that catches errors: none that ends the script is caught. */
void engine_recheck(lua_State *L);
_Noreturn void engine_raise_stop(lua_State *L); /* the error that ends it */

/* engine.c: the clean state is put back for a run, or, where it is kept, that of the run's library or script: true. What a run has taken is
 * given back. */
bool engine_begin(struct script_engine *e, const struct script_run *run);
void engine_end(struct script_engine *e);
/* Keeps the state as it is, unless it has more than `max` bytes beyond the clean one. */
void engine_keep(struct script_engine *e, const void *program, size_t max);

/* library.c: behind engine_begin, the state of `run->library`, which was kept or not. false: it does not load, and why. */
bool library_enter(struct script_engine *e, const struct script_run *run, bool kept, struct buf *error);
/* Pushes the callback of this name. */
void library_push(lua_State *L, struct slice function);

/* sandbox.c: to be called last; the globals become what scripts may do with them. */
void sandbox_close(lua_State *L);
/* The error that a script may catch, or raise, as a table. Redis's words, "-CODE text" or "text". */
void push_error(lua_State *L, const char *text);
/* Is the value at `index` one of the tables that scripts may not change? */
bool sandbox_protects(lua_State *L, int index);
/* Sets a global for scripts to see; the value is on top of the stack, and goes. */
void sandbox_set_global(lua_State *L, const char *name);
int error_handler(lua_State *L);
/* The table on top of the stack is from here on behind one that refuses to be changed. */
void sandbox_protect(lua_State *L);
/* As __index: nothing is found, and that is an error. */
int sandbox_missing(lua_State *L);

/* lib_redis.c, lib_random.c: into the table on top of the stack. */
void lib_open_redis(lua_State *L);
void lib_open_random(lua_State *L);
void random_seed(struct script_engine *e, int32_t seed);

/* convert_in.c: pushes a reply as a Lua value. */
void push_reply(lua_State *L, struct slice reply);
/* convert_out.c: appends the value on top of the stack, and takes it away. */
void append_value(lua_State *L, struct buf *out, int resp);

#endif
