/* Lua source from bytes: each choice of a small grammar is one of them, so that most of what comes compiles, runs, and gets to the
 * libraries and their odd arguments. */
#ifndef TESTS_FUZZ_LUA_H
#define TESTS_FUZZ_LUA_H

#include "fuzz.h"

/* A script, or the part of a library that runs before its functions are registered. A library has no loops without end: its budget is
 * no setting. */
void lua_put_chunk(struct reader *r, bool library, struct buf *out);
/* A whole library with its first line. Few names, so that they meet. */
void lua_put_library(struct reader *r, struct buf *out);
/* What is good to be read by string.format, string.find, struct, cjson, ...: words of theirs, or bytes of the input. */
void lua_put_text(struct reader *r, struct buf *out);
/* To be seen by who looks into a failure: FUZZ_LOG=1. */
static inline void lua_show(struct slice code)
{
    if (getenv("FUZZ_LOG"))
        fprintf(stderr, "---- %.*s\n", (int)code.len, code.data);
}

#endif
