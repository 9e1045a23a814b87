/* What scripts find of Lua's libraries, and bit, cjson, cmsgpack and struct as Redis offers them: nothing there has state outside of the Lua state, grows
 * beside its memory, recurses without bound, or depends on a locale.
 *
 * What a script can make a function do in C for long (a pattern, a sort, JSON) is counted as the interpreter counts instructions: the state's
 * count hook is called, with LUA_HOOKCOUNT, once for each lua_gethookcount() steps. It may raise an error; it cannot yield there. */
#ifndef SCRIPT_LIBRARIES_H
#define SCRIPT_LIBRARIES_H

#include <lua5.1/lua.h>

/* Into a new state, in a protected call. */
void script_open_libraries(lua_State *L);

#endif
