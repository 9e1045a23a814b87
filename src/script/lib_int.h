/* Shared by the libraries of scripts (lib_*.c). Invariants:
 * - each byte that a script can make a library hold is the state's (userdata, strings), so that its memory limit counts it, and an error that
 *   leaves a function by longjmp leaks nothing;
 * - recursion is bounded by a depth: what the Lua stack allows is more than a C stack has to hold in a build with sanitizers. */
#ifndef SCRIPT_LIB_INT_H
#define SCRIPT_LIB_INT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <lua5.1/lauxlib.h>
#include <lua5.1/lua.h>
#include <lua5.1/lualib.h>

#include "script/libraries.h"

/* Places in the registry: never by an address, which is another one in each process. */
enum {
    REGISTRY_LIBRARIES = 1,
    REGISTRY_GLOBALS,
    REGISTRY_PROTECTED,
    REGISTRY_META_GLOBALS,
    REGISTRY_META_STRING,
    REGISTRY_FUNCTIONS, /* a library's callbacks by their names in small letters */
    REGISTRY_SCRIPT     /* compiled */
};

#define LIB_DEPTH_MAX 2000 /* of nested values */

struct json_settings {
    int sparse_convert, sparse_ratio, sparse_safe;
    int encode_depth, decode_depth;
    int precision;
    int encode_invalid, decode_invalid; /* 0 refuse, 1 take, 2 (encode only) as null */
    int keep_buffer;                    /* remembered, without effect */
};

struct lib_state {
    uint64_t uncounted; /* steps since the hook was last called for some */
    struct json_settings json;
};

/* cjson's for one that cjson.new makes, or for the state's own. */
#define JSON_DEFAULTS                                                                                        \
    ((struct json_settings){.sparse_ratio = 2,                                                               \
                            .sparse_safe = 10,                                                               \
                            .encode_depth = 1000,                                                            \
                            .decode_depth = 1000,                                                            \
                            .precision = 14,                                                                 \
                            .decode_invalid = 1,                                                             \
                            .keep_buffer = 1})

struct lib_state *lib_state(lua_State *L);
/* Those of the cjson instance that the running function belongs to: upvalue 1 is the userdata of one that cjson.new made. */
struct json_settings *json_settings(lua_State *L);
int json_encode(lua_State *L);
int json_decode(lua_State *L);
void lib_count(lua_State *L, uint64_t steps);
/* `steps` of work in C; less than a call's own price is not worth to count. */
static inline void lib_spend(lua_State *L, uint64_t steps)
{
    if (steps >= 16)
        lib_count(L, steps);
}
/* Copying is cheap. */
static inline void lib_spend_bytes(lua_State *L, size_t bytes)
{
    lib_spend(L, bytes / 16);
}
/* What table.insert and table.remove, about to run with their arguments on the stack, will move. */
void lib_spend_moves(lua_State *L);
/* The original of a function that was wrapped: upvalue 1. It runs in the wrapper's place, so that its errors name it as ever. */
static inline int lib_original(lua_State *L)
{
    return lua_tocfunction(L, lua_upvalueindex(1))(L);
}
/* table[name] = wrap(table[name]), the table on top of the stack. */
void lib_wrap(lua_State *L, const char *name, lua_CFunction wrapper);
/* Bytes that grow, in a userdata at stack index `slot`. Nothing else is kept on the stack between two calls. */
struct lib_buffer {
    lua_State *L;
    int slot;
    char *data;
    size_t len, cap;
};
void lib_buffer_init(struct lib_buffer *b, lua_State *L); /* pushes its userdata */
char *lib_buffer_room(struct lib_buffer *b, size_t more);
void lib_buffer_add(struct lib_buffer *b, const void *data, size_t len);
void lib_buffer_add_char(struct lib_buffer *b, char c);

/* Each puts its functions into the table on top of the stack. */
void lib_open_base(lua_State *L);
void lib_open_string(lua_State *L);
void lib_open_pattern(lua_State *L);
void lib_open_table(lua_State *L);
void lib_open_bit(lua_State *L);
void lib_open_cjson(lua_State *L);
void lib_open_cmsgpack(lua_State *L);
void lib_open_struct(lua_State *L);

#endif
