/* Templates that hold other templates: %e an expression, %s a text, %n a number, %v a variable, %b statements, %k a key, %d a small
 * number, %c a library's letter, %r bytes of the input as they are. */
#include "lua.h"

enum { SOURCE_MAX = 6000, DEPTH = 5, STATEMENTS_MAX = 12 };

struct grammar {
    struct reader *r;
    struct buf *out;
    bool library;
};

#define COUNT(list) (sizeof(list) / sizeof *(list))

static const char *const numbers[] = {
    "0",     "1",      "2",     "-1",   "3",           "7",          "16",    "255",
    "256",   "1e3",    "65536", "2^31", "-2^31",       "2^32",       "2^53",  "-2^53",
    "2^63",  "-2^63",  "0.5",   "-0.1", "1e15",        "1e17",       "1e308", "5e-324",
    "(1/0)", "(-1/0)", "(0/0)", "0x7f", "123456789.5", "4294967295", "-0",    "1e100"};
static const char *const texts[] = {
    "",
    "x",
    "abc",
    "12",
    "-3.5e7",
    "0x10",
    "nan",
    "inf",
    "%d %s %q %5.2f %x %c",
    "%099.99f",
    "%-20s|%+d",
    "(%w+)=(%w*)",
    "^(.-)%s*$",
    "%b()",
    "%f[%w]",
    "[^%d%z]+",
    "()(.)%1",
    "[a-%-]]",
    "(a*(.)%w(%s*))",
    "%",
    "[",
    "(((((",
    ".*.*.*x",
    "%0%1%2",
    "<i4>I2=b!8s",
    "bhilfdsBHILc0",
    "i1i16i17c4294967295",
    "!16xd",
    "{\"a\":[1,2.5,null,true],\"b\":{}}",
    "[[[[[1]]]]]",
    "\"\\u00e9\\ud83d\\ude00\\uD800\"",
    "[1,",
    "{\"k\":NaN}",
    "-1e999",
    "\x93\x01\xa1x\xc0",
    "\x82\x01\x02\xa1y\xcb\x40\x09\x21\xfb\x54\x44\x2d\x18",
    "\xdd\xff\xff\xff\xff",
    "\xdb\x7f\xff\xff\xff",
    "\xdc\x00\x02\xd3\x80\x00\x00\x00\x00\x00\x00\x00\xcf\xff\xff\xff\xff\xff\xff\xff\xff",
    "\x91\x91\x91\x91\xc7",
    "return 1",
    "return {...}",
    "return function() return a end",
    "x x",
    "\033Lua",
    "set",
    "get",
    "lpush",
    "err",
    "ok",
    "__index",
    "a\r\nb",
    "collect",
    "step",
    "count",
    "*t",
    "ERR x",
    "-CODE y"};
static const char *const expressions[] = {"%v",
                                          "%v",
                                          "%s",
                                          "%n",
                                          "nil",
                                          "true",
                                          "{}",
                                          "%v.x",
                                          "%v[1]", /* leaves first: see put_expression */
                                          "(%e)",
                                          "%v[%e]",
                                          "{%e,%e,%e}",
                                          "{x=%e,[%e]=%e}",
                                          "{err=%e}",
                                          "{ok=%e}",
                                          "{double=%e}",
                                          "{map={[%e]=%e}}",
                                          "{set={[%e]=true}}",
                                          "{big_number=%e}",
                                          "{verbatim_string={format=%e,string=%e}}",
                                          "function(...) %b return ... end",
                                          "function(p,q,...) %b return %e end",
                                          "(%e)..(%e)",
                                          "(%e)==(%e)",
                                          "(%e)<(%e)",
                                          "(%e)<=(%e)",
                                          "(%e)+(%e)",
                                          "(%e)*(%e)",
                                          "(%e)%(%e)",
                                          "(%e)^(%e)",
                                          "#(%e)",
                                          "-(%e)",
                                          "not (%e)",
                                          "(%e) and (%e)",
                                          "(%e) or (%e)",
                                          "%v(%e,%e)",
                                          "%v:x(%e)",
                                          "(%s):rep(%n)",
                                          "(%s):sub(%n,%n)",
                                          "(%s):byte(%n,%n)",
                                          "string.char(%n,%n,%n)",
                                          "string.find(%s,%s,%n,%e)",
                                          "string.match(%s,%s,%n)",
                                          "string.gsub(%s,%s,%e)",
                                          "string.gsub(%s,%s,%e,%n)",
                                          "string.gmatch(%s,%s)()",
                                          "string.format(%s,%e,%e,%e)",
                                          "string.format(%s,%n,%n,%n)",
                                          "string.dump(%e)",
                                          "string.rep(%e,%e)",
                                          "string.reverse(%s)",
                                          "string.upper(%e)",
                                          "string.len(%e)",
                                          "table.concat(%e,%s)",
                                          "table.concat(%e,%s,%n,%n)",
                                          "table.insert(%v,%e)",
                                          "table.insert(%v,%n,%e)",
                                          "table.remove(%v,%e)",
                                          "table.sort(%v)",
                                          "table.sort(%v,function(p,q,...) return %e end)",
                                          "table.maxn(%e)",
                                          "table.getn(%e)",
                                          "table.foreach(%v,%e)",
                                          "table.foreachi(%v,%e)",
                                          "table.setn(%e,%n)",
                                          "unpack(%e)",
                                          "unpack(%e,%n,%n)",
                                          "select(%e,%e,%e)",
                                          "select('#',%e)",
                                          "tostring(%e)",
                                          "tonumber(%e)",
                                          "tonumber(%s,%n)",
                                          "type(%e)",
                                          "next(%e)",
                                          "next(%e,%e)",
                                          "rawget(%e,%e)",
                                          "rawset(%e,%e,%e)",
                                          "rawequal(%e,%e)",
                                          "getmetatable(%e)",
                                          "setmetatable(%e,%e)",
                                          "setmetatable({},{__index=%e,__newindex=%e})",
                                          "setmetatable({},{__call=%e,__len=%e,__tostring=%e})",
                                          "setmetatable({},{__add=%e,__concat=%e,__eq=%e,__lt=%e})",
                                          "setmetatable({},{__mode='k',__gc=%e,__metatable=%e})",
                                          "pcall(%e,%e)",
                                          "xpcall(%e,%e)",
                                          "pcall(error,%e,%n)",
                                          "assert(%e,%e)",
                                          "loadstring(%s)",
                                          "loadstring(%s,%s)",
                                          "load(%e)",
                                          "loadstring(string.dump(%e))",
                                          "collectgarbage(%s)",
                                          "collectgarbage(%e,%n)",
                                          "math.random()",
                                          "math.random(%n,%n)",
                                          "math.randomseed(%n)",
                                          "math.floor(%n)",
                                          "math.fmod(%n,%n)",
                                          "math.modf(%n)",
                                          "math.frexp(%n)",
                                          "math.ldexp(%n,%n)",
                                          "math.max(%e,%e)",
                                          "math.pow(%n,%n)",
                                          "math.sqrt(%e)",
                                          "math.log(%n)",
                                          "math.huge",
                                          "coroutine.wrap(%e)(%e)",
                                          "coroutine.create(%e)",
                                          "coroutine.resume(%e,%e)",
                                          "coroutine.yield(%e)",
                                          "coroutine.status(%e)",
                                          "coroutine.resume(coroutine.create(%e),%e)",
                                          "coroutine.running()",
                                          "cjson.encode(%e)",
                                          "cjson.decode(%s)",
                                          "cjson.decode(cjson.encode(%e))",
                                          "cjson.null",
                                          "cjson.new()",
                                          "cjson.encode_sparse_array(%e,%n,%n)",
                                          "cjson.encode_max_depth(%n)",
                                          "cjson.decode_max_depth(%n)",
                                          "cjson.encode_number_precision(%n)",
                                          "cjson.encode_invalid_numbers(%e)",
                                          "cjson.decode_invalid_numbers(%e)",
                                          "cjson.encode_keep_buffer(%e)",
                                          "cjson.new().decode(%s)",
                                          "cmsgpack.pack(%e,%e)",
                                          "cmsgpack.unpack(%s)",
                                          "cmsgpack.unpack_one(%s,%n)",
                                          "cmsgpack.unpack_limit(%s,%n,%n)",
                                          "cmsgpack.unpack(cmsgpack.pack(%e,%e))",
                                          "struct.pack(%s,%e,%e,%e)",
                                          "struct.unpack(%s,%s,%n)",
                                          "struct.unpack(%s,%s)",
                                          "struct.size(%s)",
                                          "struct.unpack(%s,struct.pack(%s,%e,%e))",
                                          "bit.tobit(%n)",
                                          "bit.bnot(%e)",
                                          "bit.band(%e,%n,%n)",
                                          "bit.bor(%n,%n)",
                                          "bit.bxor(%n,%e)",
                                          "bit.lshift(%n,%n)",
                                          "bit.rshift(%n,%n)",
                                          "bit.arshift(%n,%n)",
                                          "bit.rol(%n,%n)",
                                          "bit.ror(%n,%n)",
                                          "bit.bswap(%n)",
                                          "bit.tohex(%n,%n)",
                                          "redis.sha1hex(%e)",
                                          "redis.error_reply(%e)",
                                          "redis.status_reply(%e)",
                                          "redis.log(%n,%e)",
                                          "redis.setresp(%n)",
                                          "redis.acl_check_cmd(%e,%e)",
                                          "redis.set_repl(%e)",
                                          "redis.breakpoint()",
                                          "redis.call(%e,%e,%e)",
                                          "redis.pcall(%e,%e)",
                                          "redis.pcall(unpack(%e))",
                                          "redis.call('set',%k,%e)",
                                          "redis.call('set',%k,%e,'px',%d)",
                                          "redis.call('get',%k)",
                                          "redis.call('incrbyfloat',%k,%n)",
                                          "redis.call('append',%k,%s)",
                                          "redis.call('del',%k)",
                                          "redis.call('rpush',%k,%e,%e)",
                                          "redis.call('lrange',%k,0,-1)",
                                          "redis.call('hset',%k,%e,%e)",
                                          "redis.call('hgetall',%k)",
                                          "redis.call('sadd',%k,%e,%e)",
                                          "redis.call('smembers',%k)",
                                          "redis.call('spop',%k)",
                                          "redis.call('zadd',%k,%n,%e)",
                                          "redis.call('zrange',%k,0,-1,'withscores')",
                                          "redis.call('xadd',%k,'*',%e,%e)",
                                          "redis.call('xrange',%k,'-','+')",
                                          "redis.call('keys','*')",
                                          "redis.call('scan',0)",
                                          "redis.call('time')",
                                          "redis.call('type',%k)",
                                          "redis.call('sort',%k,'alpha')",
                                          "redis.call('select',%d)",
                                          "redis.call('publish',%e,%e)",
                                          "redis.call('flushdb')",
                                          "redis.call('debug','protocol',%s)",
                                          "redis.pcall('eval',%s,0)",
                                          "redis.call('blpop',%k,0)",
                                          "redis.call('expire',%k,%n)",
                                          "redis.call('rename',%k,%k)",
                                          "redis.call('command','info',%s)",
                                          "redis.call('object','encoding',%k)",
                                          "redis.call('dump',%k)",
                                          "redis.call('restore',%k,0,%s)",
                                          "redis.pcall('function','load',%s)",
                                          "redis.register_function(%s,%e)",
                                          "redis.register_function{function_name=%s,callback=%e}",
                                          "KEYS",
                                          "ARGV",
                                          "KEYS[1]",
                                          "ARGV[1]",
                                          "ARGV[2]",
                                          "_G",
                                          "_G[%s]",
                                          "string",
                                          "...",
                                          "nosuch",
                                          "__redis__err__handler(%e)"};
enum { LEAVES = 9 };
static const char *const statements[] = {
    "%v=%e",
    "%v=%e",
    "%v=%e",
    "%v[%e]=%e",
    "%v.x=%e",
    "%v[#%v+1]=%e",
    "local %v=%e",
    "%v,%v=%e,%e",
    "if %e then %b else %b end",
    "for i=1,%d do %b end",
    "for i=%n,%n,%n do %b break end",
    "for k,w in pairs(%e) do %b end",
    "for k,w in ipairs(%v) do %v=w %b end",
    "for w in string.gmatch(%s,%s) do %v=w %b end",
    "do local n=%d while %e and n>0 do n=n-1 %b end end",
    "do local n=%d repeat n=n-1 %b until n<0 or %e end",
    "do local function f(n,...) if n>0 then %b return f(n-1) end end f(%d) end",
    "do local function f(n,...) if n>0 then %b return 1,f(n-1) end end %v=f(%d) end",
    "do local _=%e end",
    "x=%e",
    "_G.x=%e",
    "error(%e)",
    "do %b end",
    "%v=function(...) %b end",
    "do return %e end",
    "while true do %b end",
    "repeat %b until false",
    "do local s=%s..'x' while true do s=s..s end end",
    "do local function f(...) return f()+1 end f() end",
    "do local function f(...) return pcall(f) end f() end"}; /* these without end */
enum { ENDLESS = 5 };

static void put_expression(struct grammar *g, int depth);
static void put_block(struct grammar *g, int depth, unsigned most);

static const char *choose(struct grammar *g, const char *const *list, size_t count)
{
    return list[get_u8(g->r) % count];
}

void lua_put_text(struct reader *r, struct buf *out)
{
    uint8_t how = get_u8(r);
    if (how % 4) {
        buf_append_cstr(out, texts[get_u8(r) % COUNT(texts)]);
        return;
    }
    size_t len = how / 4 % 32;
    buf_append_slice(out, get_raw(r, len < reader_left(r) ? len : reader_left(r)));
}

/* As a literal, in which any byte may stand; or one that is made longer. */
static void put_text(struct grammar *g)
{
    struct buf text = BUF_EMPTY;
    uint8_t how = get_u8(g->r) % 16;
    if (how < 3) {
        put_expression(g, 0);
        return;
    }
    lua_put_text(g->r, &text);
    buf_append_cstr(g->out, how == 3 ? "(\"" : "\"");
    for (size_t i = 0; i < text.len; i++)
        buf_printf(g->out, "\\%03u", (unsigned char)text.data[i]);
    if (how == 3)
        buf_printf(g->out, "\"):rep(%u)", 1u << get_u8(g->r) % 21);
    else
        put_u8(g->out, '"');
    buf_deinit(&text);
}

static void put_raw(struct grammar *g)
{
    size_t len = get_u8(g->r) % 64;
    buf_append_slice(g->out, get_raw(g->r, len < reader_left(g->r) ? len : reader_left(g->r)));
}

static void put_part(struct grammar *g, char what, int depth)
{
    static const char *const keys[] = {"'k'", "'l'", "'m'", "KEYS[1]"};
    switch (what) {
    case 'e':
        put_expression(g, depth);
        break;
    case 's':
        put_text(g);
        break;
    case 'n':
        buf_append_cstr(g->out, choose(g, numbers, COUNT(numbers)));
        break;
    case 'v':
        put_u8(g->out, 'a' + get_u8(g->r) % 6);
        break;
    case 'b':
        put_block(g, depth, 3);
        break;
    case 'k':
        buf_append_cstr(g->out, choose(g, keys, g->library ? COUNT(keys) - 1 : COUNT(keys)));
        break;
    case 'd':
        buf_printf(g->out, "%u", get_u8(g->r) % 33u);
        break;
    case 'c':
        put_u8(g->out, 'l' + get_u8(g->r) % 3);
        break;
    case 'r':
        put_raw(g);
        break;
    default:
        put_u8(g->out, '%');
        put_u8(g->out, (uint8_t)what);
    }
}

static void put_template(struct grammar *g, const char *at, int depth)
{
    for (; *at; at++) {
        if (*at == '%')
            put_part(g, *++at, depth);
        else
            put_u8(g->out, (uint8_t)*at);
    }
}

static void put_expression(struct grammar *g, int depth)
{
    bool leaf = depth <= 0 || !fuzz_more(g->r) || g->out->len > SOURCE_MAX;
    put_template(g, choose(g, expressions, leaf ? LEAVES : COUNT(expressions)), depth - 1);
}

/* Most catch their errors, or the first one would be the end of it. */
static void put_statement(struct grammar *g, int depth)
{
    uint8_t how = get_u8(g->r);
    const char *what = choose(g, statements, COUNT(statements) - (g->library ? ENDLESS : 0));
    bool caught = how % 4;
    if (caught)
        buf_append_cstr(g->out, "pcall(function(...) ");
    put_template(g, how == 0xf0 ? "%r" : what, depth - 1);
    buf_append_cstr(g->out, caught ? " end)\n" : "\n");
}

static void put_block(struct grammar *g, int depth, unsigned most)
{
    if (depth <= 0)
        return;
    for (unsigned n = get_u8(g->r) % (most + 1); n > 0 && fuzz_more(g->r) && g->out->len < SOURCE_MAX; n--)
        put_statement(g, depth);
}

void lua_put_chunk(struct reader *r, bool library, struct buf *out)
{
    struct grammar g = {r, out, library};
    buf_append_cstr(
        out, library ? "local a,b,c,d,e,f='x',2,{},{1,2,3},type,tostring\n"
                     : "local a,b,c,d,e,f=ARGV[1],KEYS[1],{},{1,2,3},0.5,function(...) return ... end\n");
    put_block(&g, DEPTH, STATEMENTS_MAX);
    if (!library) {
        buf_append_cstr(out, "return ");
        put_expression(&g, DEPTH);
    }
}

void lua_put_library(struct reader *r, struct buf *out)
{
    static const char *const heads[] = {
        "#!lua name=%c\n",        "#!lua name=%c\n", "#!lua name=%c\n", "#!lua name=%c \n",
        "#!LUA NAME='%c'\n",      "#!js name=%c\n",  "#!lua\n",         "#!lua name=%c name=x\n",
        "#!lua name=\"%c\\n\"\n", "#!lua name=%c"};
    static const char *const flags[] = {"", "'no-writes'", "'allow-oom','no-cluster'", "'nosuch'",
                                        "'allow-stale','no-writes'"};
    struct grammar g = {r, out, true};
    put_template(&g, choose(&g, heads, COUNT(heads)), 0);
    lua_put_chunk(r, true, out);
    for (unsigned n = get_u8(r) % 4; n > 0; n--) {
        buf_printf(out, "redis.register_function{function_name='%s%c',callback=function(KEYS,ARGV,...)\n",
                   get_u8(r) % 8 ? "f" : "F", '0' + get_u8(r) % 4);
        put_block(&g, DEPTH, 4);
        buf_append_cstr(out, "return ");
        put_expression(&g, DEPTH);
        buf_printf(out, " end,flags={%s}%s}\n", flags[get_u8(r) % COUNT(flags)],
                   get_u8(r) % 4 ? "" : ",description='what it does'");
    }
}
