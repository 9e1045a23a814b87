/* The libraries of scripts. The expected texts of `vectors` are what redis-server 7.0.15 says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <lua5.1/lauxlib.h>

#include "script/engine_int.h"
#include "script/libraries.h"

#define MEMORY_MAX (64u << 20)

struct memory {
    size_t used;
    struct arena arena;
    struct script_meter meter;
};

static void *allocate(void *arg, void *old, size_t old_size, size_t size)
{
    struct memory *m = arg;
    if (size > old_size && m->used + (size - old_size) > MEMORY_MAX)
        return NULL;
    m->used += size - old_size;
    return arena_resize(&m->arena, old, old_size, size);
}

struct fixture {
    struct memory memory;
    lua_State *L;
};

static int open_libraries(lua_State *L)
{
    script_open_libraries(L);
    return 0;
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    f->memory.meter.most = UINT64_MAX;
    arena_init(&f->memory.arena, &f->memory.meter);
    f->L = lua_newstate(allocate, &f->memory);
    assert_int_equal(lua_cpcall(f->L, open_libraries, NULL), 0);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(lua_gettop(f->L), 0);
    lua_close(f->L);
    assert_int_equal(f->memory.used, 0); /* nothing is kept that the state does not know */
    arena_deinit(&f->memory.arena);
    free(f);
    return 0;
}

/* A script does not see what the one before has set. */
static void renew(struct fixture *f)
{
    lua_close(f->L);
    assert_int_equal(f->memory.used, 0);
    f->L = lua_newstate(allocate, &f->memory);
    assert_int_equal(lua_cpcall(f->L, open_libraries, NULL), 0);
}

/* What the chunk returns, all of it as texts with spaces between, or its error. Valid until the next call. */
static const char *run(lua_State *L, const char *chunk)
{
    static char text[4096];
    lua_settop(L, 0);
    int status = luaL_loadbuffer(L, chunk, strlen(chunk), "@s");
    if (status == 0)
        status = lua_pcall(L, 0, LUA_MULTRET, 0);
    size_t len = 0;
    for (int i = 1, n = lua_gettop(L); i <= n; i++) {
        lua_getfield(L, LUA_GLOBALSINDEX, "tostring");
        lua_pushvalue(L, i);
        lua_call(L, 1, 1);
        int added = snprintf(text + len, sizeof text - len, "%s%s", i > 1 ? " " : "", lua_tostring(L, -1));
        len += (size_t)added;
        assert_true(len < sizeof text);
        lua_pop(L, 1);
    }
    text[len] = 0;
    lua_settop(L, 0);
    return text;
}

#define HEX "(function(s) return (s:gsub('.', function(c) return ('%02x'):format(c:byte()) end)) end)"

static const struct {
    const char *chunk, *says;
} vectors[] = {
    /* patterns */
    {"return ('hello world'):find('o w')", "5 7"},
    {"return ('hello world'):find('(o)( )')", "5 6 o  "},
    {"return ('a.b'):find('.', 2, true)", "2 2"},
    {"return ('abc'):find('')", "1 0"},
    {"return ('abc'):find('', 10)", "4 3"},
    {"return ('abc'):find('c', -1)", "3 3"},
    {"return ('abc'):find('^b', 2)", "2 2"},
    {"return ('abc'):find('b$')", "nil"},
    {"return ('a$c'):find('$c')", "2 3"},
    {"return ('key = value'):match('^(%w+)%s*=%s*(%w+)$')", "key value"},
    {"return ('  x '):match('^%s*(.-)%s*$') .. '|'", "x|"},
    {"return ('f(a(b)c)d'):match('%b()')", "(a(b)c)"},
    {"return ('THE (quick) fox'):find('%((%a+)%)')", "5 11 quick"},
    {"return ('THE (quick) fox'):gsub('%f[%a]%a+', '<%0>')", "<THE> (<quick>) <fox> 3"},
    {"return ('hello'):match('()ll()')", "3 5"},
    {"return ('\"it\\'s\"'):match('([\"\\'])(.-)%1')", "\" it's"},
    {"return ('abc123'):match('[^%d]+')", "abc"},
    {"return ('a]b'):match('[]]')", "]"},
    {"return ('a-b'):match('[a%-]+')", "a-"},
    {"return ('x\\0y'):find('%z')", "2 2"},
    {"return ('caab'):match('ca?a?a?b')", "caab"},
    {"return ('aaa'):match('a-b')", "nil"},
    {"return ('aaa'):match('^a-$')", "aaa"},
    {"return ('abc'):gsub('%w', '%0%0')", "aabbcc 3"},
    {"return ('abc'):gsub('', '-')", "-a-b-c- 4"},
    {"return ('abc'):gsub('b', {b='X'})", "aXc 1"},
    {"return ('abc'):gsub('%w', function(c) if c == 'b' then return 'Y' end end)", "aYc 3"},
    {"return ('abc'):gsub('(a)(b)', '%2%1')", "bac 1"},
    {"return ('aaaa'):gsub('a', 'b', 2)", "bbaa 2"},
    {"return ('abc'):gsub('^a', 'x')", "xbc 1"},
    {"local t = {} for k, v in ('a=1, b=2'):gmatch('(%w+)=(%w+)') do t[#t+1] = k .. v end return unpack(t)",
     "a1 b2"},
    {"local n = 0 for _ in ('abc'):gmatch('') do n = n + 1 end return n", "4"},
    {"return pcall(string.find, 'a', '%')", "false malformed pattern (ends with '%')"},
    {"return pcall(string.find, 'a', '[a')", "false malformed pattern (missing ']')"},
    {"return pcall(string.find, 'a', '(a')", "false unfinished capture"},
    {"return pcall(string.find, 'ab', '.)')", "false invalid pattern capture"},
    {"return pcall(string.find, 'a', '%1')", "false invalid capture index"},
    {"return pcall(string.find, 'a', '%f')", "false missing '[' after '%f' in pattern"},
    {"return pcall(string.find, 'a', '%b')", "false unbalanced pattern"},
    {"return pcall(string.gsub, 'a', 'a', '%2')", "false invalid capture index"},
    {"return pcall(string.gsub, 'a', 'a', {a={}})", "false invalid replacement value (a table)"},
    {"return pcall(string.gsub, 'a', 'a', true)",
     "false bad argument #3 to '?' (string/function/table expected)"},
    /* strings, tables, basics */
    {"return ('ab'):rep(3), ('ab'):rep(0), ('ab'):rep(-1), (''):rep(1e9)", "ababab   "},
    {"return ('Abc'):upper(), ('Abc'):lower(), ('abc'):reverse(), ('%5.1f|%q'):format(2.25, 'a\\n')",
     "ABC abc cba   2.2|\"a\\\n\""},
    {"local t = {3,1,2} table.sort(t) return table.concat(t, ',')", "1,2,3"},
    {"local t = {3,1,2} table.sort(t, function(a, b) return a > b end) return table.concat(t, ',')", "3,2,1"},
    {"return pcall(table.sort, {1, 'a'})", "false attempt to compare string with number"},
    {"local t = {1,2,3} table.insert(t, 1, 0) return table.remove(t), #t, table.maxn({[7]=1}), table.getn(t)",
     "3 3 7 3"},
    {"return unpack({1, 2, 3}, 2)", "2 3"},
    {"return unpack({1, 2, 3}, -1, 2)", "nil nil 1 2"},
    {"return pcall(unpack, {1}, 0, 2147483647)", "false too many results to unpack"},
    {"return pcall(unpack, {1}, -2147483648, 2147483647)", "false too many results to unpack"},
    {"return unpack({}, 2147483647, 2147483647)", "nil"},
    {"return tostring(nil), tostring(true), tostring(1e15), tostring(0.1), tostring('x')",
     "nil true 1e+15 0.1 x"},
    {"return tostring(setmetatable({}, {__tostring = function() return 'mine' end}))", "mine"},
    {"local n = 0 for k, v in pairs({1, 2, x = 3}) do n = n + v end return n, next({}), next({5})",
     "6 nil 1 5"},
    {"return tonumber('0x10'), tonumber('z', 36), tonumber(' 7 '), tonumber('7a')", "16 35 7 nil"},
    {"return pcall(math.random, 2, 1)", "false bad argument #2 to '?' (interval is empty)"},
    {"return pcall(math.random, 0)", "false bad argument #1 to '?' (interval is empty)"},
    /* bit */
    {"return bit.tobit(1), bit.tobit(0xffffffff), bit.tobit(2^32 + 2), bit.bnot(0), bit.tobit(1.5)",
     "1 -1 2 -1 2"},
    {"return bit.band(1), bit.bxor(1, 2), bit.bor(1, 2, 4, 8, 16, 32, 64, 128), bit.band(0xff, 0x3c, 0x18)",
     "1 3 255 24"},
    {"return bit.lshift(1, 31), bit.rshift(-1, 28), bit.arshift(-256, 4), bit.lshift(1, 32), bit.arshift(-1, "
     "31)",
     "-2147483648 15 -16 1 -1"},
    {"return bit.rol(0x12345678, 12), bit.ror(0x12345678, 12), bit.rol(5, 0), bit.bswap(0x12345678)",
     "1164411171 1736516421 5 2018915346"},
    {"return bit.tohex(1), bit.tohex(-1), bit.tohex(0x1234abcd, -4), bit.tohex(255, 2), bit.tohex(1, 0), "
     "bit.tohex(65535, -2147483648)",
     "00000001 ffffffff ABCD ff  0000FFFF"},
    {"return pcall(bit.band, 'x')", "false bad argument #1 to '?' (number expected, got string)"},
    /* cjson */
    {"return cjson.encode({1, 2, 'x', true, cjson.null})", "[1,2,\"x\",true,null]"},
    {"return cjson.encode({}), cjson.encode({a = {}}), cjson.encode({[1] = 1, [3] = 3})",
     "{} {\"a\":{}} [1,null,3]"},
    {"return cjson.encode(0.1), cjson.encode(1e20), cjson.encode(-1), cjson.encode(2^53), cjson.encode(1/3)",
     "0.1 1e+20 -1 9.007199254741e+15 0.33333333333333"},
    {"return cjson.encode('\"\\\\/\\b\\f\\n\\r\\t\\0\\1\\127\\200')",
     "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0000\\u0001\\u007f\xc8\""},
    {"return cjson.encode({[5] = 1}), cjson.encode({['1'] = 1})", "[null,null,null,null,1] {\"1\":1}"},
    {"return cjson.encode({[-1] = 'm'}), cjson.encode({[1.5] = 'm'})", "{\"-1\":\"m\"} {\"1.5\":\"m\"}"},
    {"return pcall(cjson.encode, {[1] = 1, [1000] = 2})",
     "false Cannot serialise table: excessively sparse array"},
    {"cjson.encode_sparse_array(true) return cjson.encode({[1000] = 2})", "{\"1000\":2}"},
    {"return cjson.encode_sparse_array(false, 2, 10)", "false 2 10"},
    {"return pcall(cjson.encode, 0/0)", "false Cannot serialise number: must not be NaN or Inf"},
    {"cjson.encode_invalid_numbers('null') return cjson.encode({1/0, 0/0}), cjson.encode_invalid_numbers()",
     "[null,null] null"},
    {"cjson.encode_invalid_numbers(true) return cjson.encode({1/0, -1/0, 0/0}), "
     "cjson.encode_invalid_numbers(false)",
     "[inf,-inf,nan] false"},
    {"return pcall(cjson.encode, function() end)", "false Cannot serialise function: type not supported"},
    {"return pcall(cjson.encode, {[true] = 1})",
     "false Cannot serialise boolean: table key must be a number or string"},
    {"return pcall(cjson.encode)", "false bad argument #1 to '?' (expected 1 argument)"},
    {"local t = {} for i = 1, 1001 do t = {t} end return pcall(cjson.encode, t)",
     "false Cannot serialise, excessive nesting (1001)"},
    {"cjson.encode_max_depth(1) local ok, e = pcall(cjson.encode, {{}}) return ok, e, "
     "cjson.encode_max_depth(1000)",
     "false Cannot serialise, excessive nesting (2) 1000"},
    {"return pcall(cjson.encode_max_depth, 0)",
     "false bad argument #1 to '?' (expected integer between 1 and 2147483647)"},
    {"return cjson.encode_number_precision(3), cjson.encode(1/3), cjson.encode_number_precision(14)",
     "3 0.333 14"},
    {"return cjson.encode_keep_buffer(false), cjson.encode_keep_buffer(), cjson.encode_keep_buffer(true)",
     "false false true"},
    {"local t = cjson.decode('{\"a\":[1,2,{\"b\":null}],\"c\":\"x\\\\u00e9\\\\ud83d\\\\ude00\"}') return "
     "#t.a, t.a[3].b == cjson.null, t.c",
     "3 true x\xc3\xa9\xf0\x9f\x98\x80"},
    {"return cjson.decode('1'), cjson.decode(' \"x\\\\n\\\\/\" '), cjson.decode('true'), "
     "cjson.decode('-1.5e3'), cjson.decode('0x10')",
     "1 x\n/ true -1500 16"},
    {"return tostring(cjson.decode('nan')):gsub('-', ''), cjson.decode('Infinity'), cjson.decode('-inf')",
     "nan inf -inf"},
    {"return tostring(cjson.null), cjson.decode('null') == cjson.null, cjson._NAME, cjson._VERSION",
     "userdata: (nil) true cjson 2.1.0"},
    {"return pcall(cjson.decode, '{\"a\" 1}')", "false Expected colon but found T_NUMBER at character 6"},
    {"return pcall(cjson.decode, '[1,]')", "false Expected value but found T_ARR_END at character 4"},
    {"return pcall(cjson.decode, '{\"a\":1,}')",
     "false Expected object key string but found T_OBJ_END at character 8"},
    {"return pcall(cjson.decode, '{1:1}')",
     "false Expected object key string but found T_NUMBER at character 2"},
    {"return pcall(cjson.decode, '[1 2]')",
     "false Expected comma or array end but found T_NUMBER at character 4"},
    {"return pcall(cjson.decode, '1 1')", "false Expected the end but found T_NUMBER at character 3"},
    {"return pcall(cjson.decode, '')", "false Expected value but found T_END at character 1"},
    {"return pcall(cjson.decode, '\"abc')",
     "false Expected value but found unexpected end of string at character 5"},
    {"return pcall(cjson.decode, '\"\\\\x\"')",
     "false Expected value but found invalid escape code at character 2"},
    {"return pcall(cjson.decode, '\"\\\\ud800\"')",
     "false Expected value but found invalid unicode escape code at character 2"},
    {"return pcall(cjson.decode, 'tru')", "false Expected value but found invalid token at character 1"},
    {"return pcall(cjson.decode, '-x')", "false Expected value but found invalid number at character 1"},
    {"return pcall(cjson.decode, 'a\\0')", "false JSON parser does not support UTF-16 or UTF-32"},
    {"return pcall(cjson.decode, ('['):rep(1001))",
     "false Found too many nested data structures (1001) at character 1001"},
    {"cjson.decode_invalid_numbers(false) return pcall(cjson.decode, '01')",
     "false Expected value but found invalid number at character 1"},
    {"cjson.decode_invalid_numbers(true) local own = cjson.new() own.encode_number_precision(2) return "
     "own.encode(1/3), cjson.encode(1/3)",
     "0.33 0.33333333333333"},
    /* cmsgpack: https://github.com/msgpack/msgpack/blob/master/spec.md */
    {"return " HEX "(cmsgpack.pack(0, 127, 128, 255, 256, 65535, 65536, 4294967295, 4294967296))",
     "007fcc80ccffcd0100cdffffce00010000ceffffffffcf0000000100000000"},
    {"return " HEX "(cmsgpack.pack(-1, -32, -33, -128, -129, -32768, -32769, -2147483648, -2147483649))",
     "ffe0d0dfd080d1ff7fd18000d2ffff7fffd280000000d3ffffffff7fffffff"},
    {"return " HEX "(cmsgpack.pack(0.5, 0.1, 1e300, 1/0))",
     "ca3f000000cb3fb999999999999acb7e37e43c8800759cca7f800000"},
    {"return " HEX "(cmsgpack.pack('', 'ab', nil, true, false, next))", "a0a26162c0c3c2c0"},
    {"return " HEX "(cmsgpack.pack(('x'):rep(31))):sub(1, 4), " HEX
     "(cmsgpack.pack(('x'):rep(32))):sub(1, 6), " HEX "(cmsgpack.pack(('x'):rep(256))):sub(1, 8), " HEX
     "(cmsgpack.pack(('x'):rep(65536))):sub(1, 12)",
     "bf78 d92078 da010078 db0001000078"},
    {"return " HEX "(cmsgpack.pack({}, {1, 2}, {a = 1}, {[2] = 1}))", "9092010281a16101810201"},
    {"local t = {} for i = 1, 16 do t[i] = i end return " HEX "(cmsgpack.pack(t)):sub(1, 8)", "dc001001"},
    {"local a = {x = nil} a.x = a return " HEX "(cmsgpack.pack(a)):sub(1, 12), #cmsgpack.pack(a)",
     "81a17881a178 49"},
    {"local a = {} a[1] = a local x, n = cmsgpack.unpack(cmsgpack.pack(a)), 0 while x do x = x[1] n = n + 1 "
     "end return n",
     "16"},
    {"return cmsgpack.unpack(cmsgpack.pack(1, -1, 0.1, 'x', true, 2^40, -2^40, 300, -300))",
     "1 -1 0.1 x true 1099511627776 -1099511627776 300 -300"},
    {"local t = cmsgpack.unpack(cmsgpack.pack({a = {1, 2, {b = 'c'}}})) return t.a[3].b, #t.a", "c 3"},
    {"return cmsgpack.unpack_one(cmsgpack.pack(7, 8))", "1 7"},
    {"return cmsgpack.unpack_one(cmsgpack.pack(7, 8), 1)", "-1 8"},
    {"return cmsgpack.unpack_limit(cmsgpack.pack(7, 8, 9), 2)", "2 7 8"},
    {"return cmsgpack.unpack('\\207\\255\\255\\255\\255\\255\\255\\255\\255')", "-1"},
    {"return pcall(cmsgpack.pack)", "false bad argument #0 to '?' (MessagePack pack needs input.)"},
    {"return pcall(cmsgpack.unpack, '\\193')", "false Bad data format in input."},
    {"return pcall(cmsgpack.unpack, '\\146\\1')", "false Missing bytes in input."},
    {"return pcall(cmsgpack.unpack, '\\221\\255\\255\\255\\255')", "false Missing bytes in input."},
    {"return pcall(cmsgpack.unpack, '\\219\\255\\255\\255\\255x')", "false Missing bytes in input."},
    {"return pcall(cmsgpack.unpack_one, 'x', 2)", "false Start offset 2 greater than input length 1."},
    {"return pcall(cmsgpack.unpack_limit, 'x', -1)",
     "false Invalid request to unpack with offset of 0 and limit of 1."},
    /* struct */
    {"return " HEX "(struct.pack('>bBhHlL', -1, 255, -2, 65535, -3, 4))", "fffffffeffff"
                                                                          "fffffffffffffffd"
                                                                          "0000000000000004"},
    {"return " HEX "(struct.pack('<i3I2i', 0x010203, 0xaabb, 1))", "030201bbaa01000000"},
    {"return " HEX "(struct.pack('>fdxs', 0.5, 0.1, 'hi'))", "3f0000003fb999999999999a00686900"},
    {"return " HEX "(struct.pack('c2c0', 'abc', 'xyz')), " HEX "(struct.pack('!4bi', 1, 2)), " HEX
     "(struct.pack('>i16', -1))",
     "616278797a 0100000002000000 0000000000000000ffffffffffffffff"},
    {"return struct.unpack('>bBhH', '\\255\\255\\255\\254\\255\\255')", "-1 255 -2 65535 7"},
    {"return struct.unpack('<i3I2s', '\\3\\2\\1\\187\\170hi\\0rest')", "66051 43707 hi 9"},
    {"return struct.unpack('Bc0', '\\3abcdef')", "abc 5"},
    {"return struct.unpack('<fd', struct.pack('<fd', 0.5, 0.1))", "0.5 0.1 13"},
    {"return struct.unpack('>L', struct.pack('>l', -1))", "1.844674407371e+19 9"},
    {"return struct.size('!8bhil'), struct.size('>I3x'), struct.size('c10')", "16 4 10"},
    {"return struct.unpack('b', 'ab', 2)", "98 3"},
    {"return pcall(struct.pack, 'y', 1)", "false bad argument #1 to '?' (invalid format option 'y')"},
    {"return pcall(struct.pack, 'i33', 1)", "false integral size 33 is larger than limit of 32"},
    {"return pcall(struct.pack, 'c99999999999', 'x')", "false integral size overflow"},
    {"return pcall(struct.pack, '!3i', 1)", "false alignment 3 is not a power of 2"},
    {"return pcall(struct.pack, 'c5', 'abc')", "false bad argument #3 to '?' (string too short)"},
    {"return pcall(struct.unpack, 'i', 'abc')", "false bad argument #2 to '?' (data string too short)"},
    {"return pcall(struct.unpack, 's', 'abc')", "false unfinished string in data"},
    {"return pcall(struct.unpack, 'c0', 'abc')", "false format 'c0' needs a previous size"},
    {"return pcall(struct.unpack, 'b', 'abc', 0)",
     "false bad argument #3 to '?' (offset must be 1 or greater)"},
    {"return pcall(struct.size, 's')", "false bad argument #1 to '?' (option 's' has no fixed size)"},
    {"return pcall(struct.unpack, 'bc2147483647', 'a', 1)",
     "false bad argument #2 to '?' (data string too short)"},
    {"return pcall(struct.unpack, 'i', 'a', 9e15)", "false bad argument #2 to '?' (data string too short)"},
};

static void each_vector_says_what_redis_does(void **state)
{
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
        renew(f);
        const char *says = run(f->L, vectors[i].chunk);
        if (strcmp(says, vectors[i].says) != 0)
            fail_msg("%s\n  says %s\n  not  %s", vectors[i].chunk, says, vectors[i].says);
    }
}

/* To the last bit, for what comes out may be written; libm's code depends on the processor. */
static void mathematics_is_the_same_everywhere(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *what, *says;
    } sums[] = {
        {"x^(1.37+y)", "855868169943"},      {"math.exp(y)", "163008987856"},
        {"math.log(x)", "124488929818"},     {"math.log10(x)", "139306730391"},
        {"math.sin(x)", "487343752697"},     {"math.cos(x)", "1090683349008"},
        {"math.tan(x)", "908376551702"},     {"math.asin(y/21)", "163693872003"},
        {"math.acos(y/21)", "651244205664"}, {"math.atan(x)", "221772740331"},
        {"math.atan2(y,x)", "642624844829"}, {"math.sinh(y)", "416799371682"},
        {"math.cosh(y)", "111582092936"},    {"math.tanh(y/9)", "467777010301"},
    };
    for (size_t i = 0; i < sizeof sums / sizeof *sums; i++) {
        char chunk[400];
        renew(f);
        snprintf(chunk, sizeof chunk,
                 "local s = 0 for i = 1, 20000 do local x, y = i * 0.0137, i * 0.001 "
                 "local m, e = math.frexp(%s) s = (s * 31 + math.abs(m) * 2^53 + e) %% 2^40 end "
                 "return string.format('%%.0f', s)",
                 sums[i].what);
        const char *says = run(f->L, chunk);
        if (strcmp(says, sums[i].says) != 0)
            fail_msg("%s: the sum is %s, not %s", sums[i].what, says, sums[i].says);
    }
}

static void what_a_sandbox_has_not_is_nil(void **state)
{
    lua_State *L = ((struct fixture *)*state)->L;
    assert_string_equal(run(L, "return print, dofile, loadfile, newproxy, getfenv, setfenv, io, os, debug, "
                               "require, module, package"),
                        "nil nil nil nil nil nil nil nil nil nil nil nil");
}

/* The hook's calls are counted; past `allowed` of them it ends the script. */
static unsigned calls, allowed;

static void count(lua_State *L, lua_Debug *at)
{
    assert_int_equal(at->event, LUA_HOOKCOUNT);
    if (++calls > allowed)
        luaL_error(L, "out of steps");
}

#define EVERY 1000

/* What work in C counts as, in steps of the interpreter. */
static unsigned steps(lua_State *L, const char *chunk, unsigned most, const char *says)
{
    lua_sethook(L, count, LUA_MASKCOUNT, EVERY);
    calls = 0;
    allowed = most / EVERY;
    assert_string_equal(run(L, chunk), says);
    lua_sethook(L, NULL, 0, 0);
    return calls * EVERY;
}

static void work_in_c_counts(void **state)
{
    lua_State *L = ((struct fixture *)*state)->L;
    static const struct {
        const char *chunk;
        unsigned least, most;
    } work[] = {
        {"local s = ('x'):rep(20000) s:find(('x'):rep(500) .. '%d')", 5000000, 40000000},
        {"local s = ('ab'):rep(100000) s:gsub('a', 'b')", 100000, 2000000},
        {"local n, s = 0, ('ab'):rep(10000) for _ in s:gmatch('b') do n = n + 1 end", 20000, 500000},
        {"('x'):rep(10000000)", 600000, 1000000},
        {"local t = {} for i = 1, 10000 do t[i] = i * 7919 % 10007 end table.sort(t)", 150000, 1000000},
        {"local t = {} for i = 1, 1000 do table.insert(t, 1, i) end", 100000, 1000000},
        {"table.insert({}, -1000000, 1)", 2000000, 2500000},
        {"cjson.encode(('x'):rep(1000000))", 60000, 400000},
        {"cjson.decode('[' .. ('1,'):rep(100000) .. '1]')", 50000, 400000},
        {"cmsgpack.unpack(('\\1'):rep(7000))", 1000, 10000},
        {"struct.size(('b'):rep(100000))", 100000, 200000},
    };
    for (size_t i = 0; i < sizeof work / sizeof *work; i++) {
        unsigned n = steps(L, work[i].chunk, UINT32_MAX, "");
        if (n < work[i].least || n > work[i].most)
            fail_msg("%s counts as %u steps", work[i].chunk, n);
    }
    /* 2^30 ways to match, stopped on the way */
    steps(L, "return ('a'):rep(30):find(('a?'):rep(30) .. ('a'):rep(30) .. 'b')", 1000000,
          "s:1: out of steps");
    /* few steps at a time are not lost */
    assert_true(steps(L, "for i = 1, 1000 do (('x'):rep(90)):find('y%d') end", UINT32_MAX, "") > 90000);
}

/* Long strings, compared and joined: that is one instruction each, and no allocation. */
static void long_strings_count(void **state)
{
    struct fixture *f = *state;
    static const char *const chunks[] = {
        "local a, b = ('x'):rep(160000) .. 'a', ('x'):rep(160000) .. 'b' for i = 1, 100 do assert(a < b) end",
        "local a, b = ('x'):rep(160000) .. 'a', ('x'):rep(160000) .. 'b' for i = 1, 100 do assert(not (b <= "
        "a)) end",
        "local a, b = ('x'):rep(80000), ('y'):rep(80000) local c = a .. b for i = 1, 100 do assert(a .. b == "
        "c) end",
    };
    for (size_t i = 0; i < sizeof chunks / sizeof *chunks; i++) {
        f->memory.meter.steps = 0;
        assert_string_equal(run(f->L, chunks[i]), "");
        if (f->memory.meter.steps < 1000000 || f->memory.meter.steps > 1200000)
            fail_msg("%s counts as %u steps", chunks[i], (unsigned)f->memory.meter.steps);
    }
    assert_string_equal(
        run(f->L, "return 'a' < 'b', 'b' < 'a', 'a' < 'a', 'a' <= 'a', 'a\\0b' < 'a\\0c', 'a' < 'a\\0', "
                  "'\\255' < 'a', '' < 'a', 'B' < 'a', 'a\\0' <= 'a'"),
        "true false false true true true false true true false");
}

static void the_hostile_get_errors(void **state)
{
    static const struct {
        const char *chunk, *says;
    } hostile[] = {
        {"return pcall(string.find, ('a'):rep(1000000), ('a?'):rep(1000000))", "false pattern too complex"},
        {"return pcall(string.find, ('a'):rep(40), ('(a'):rep(33))", "false too many captures"},
        {"return pcall(string.rep, 'x', 2147483647)", "false not enough memory"},
        {"return pcall(string.rep, ('x'):rep(1000), 2147483647)", "false not enough memory"},
        {"local s = ('\\1'):rep(20000000) return pcall(cjson.encode, s)", "false not enough memory"},
        {"local t = {} t.t = t cjson.encode_max_depth(2147483647) return (pcall(cjson.encode, t))", "false"},
        {"cjson.decode_max_depth(2147483647) return (pcall(cjson.decode, ('['):rep(1000000)))", "false"},
        {"cjson.encode_sparse_array(false, 0) return pcall(cjson.encode, {[2^50] = 1})",
         "false not enough memory"},
        {"return (pcall(cmsgpack.unpack, ('\\145'):rep(1000000)))", "false"},
        {"return (pcall(cmsgpack.unpack, ('\\1'):rep(1000000)))", "false"},
        {"return pcall(cmsgpack.unpack, '\\129\\192\\1')", "false table index is nil"},
        {"return (pcall(struct.unpack, ('b'):rep(10000), ('b'):rep(10000)))", "false"},
        {"return pcall(struct.pack, ('!8x'):rep(10) .. 'i0', 1/0)",
         "true " /* zero bytes, of which the text shows none */},
        {"return pcall(struct.unpack, 'dc0', struct.pack('d', -5))",
         "false bad argument #2 to '?' (data string too short)"},
        {"return pcall(struct.unpack, 'dc0', struct.pack('d', 0/0))",
         "false bad argument #2 to '?' (data string too short)"},
        {"local s = 'x' for i = 1, 300 do s = ('f%s'):format(s) end return #s", "301"},
    };
    for (size_t i = 0; i < sizeof hostile / sizeof *hostile; i++) {
        struct fixture *f = *state;
        renew(f);
        const char *says = run(f->L, hostile[i].chunk);
        if (strcmp(says, hostile[i].says) != 0)
            fail_msg("%s\n  says %s\n  not  %s", hostile[i].chunk, says, hostile[i].says);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(each_vector_says_what_redis_does, setup, teardown),
        cmocka_unit_test_setup_teardown(mathematics_is_the_same_everywhere, setup, teardown),
        cmocka_unit_test_setup_teardown(what_a_sandbox_has_not_is_nil, setup, teardown),
        cmocka_unit_test_setup_teardown(work_in_c_counts, setup, teardown),
        cmocka_unit_test_setup_teardown(long_strings_count, setup, teardown),
        cmocka_unit_test_setup_teardown(the_hostile_get_errors, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
