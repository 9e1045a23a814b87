/* string.find, match, gmatch and gsub. Lua 5.1's own matcher recurses as deep as a pattern is long, which overflows the C stack, and can take
 * exponential time without one instruction that the interpreter would count. This one is bounded in depth and counts its steps.
 * As in Lua 5.1, a pattern ends at its first zero byte. */
#include <ctype.h>
#include <string.h>

#include "script/lib_int.h"

#define CAPTURES_MAX 32
#define DEPTH_MAX    200
#define OPEN         (-1) /* a capture that is not closed yet */
#define POSITION     (-2) /* a capture of a position */
#define SPECIALS     "^$*+?.([%-"

struct match {
    lua_State *L;
    const char *begin, *end; /* the subject */
    int depth, captures;
    uint32_t steps;
    struct {
        const char *at;
        ptrdiff_t len;
    } capture[CAPTURES_MAX];
};

static const char *match_here(struct match *m, const char *s, const char *p);

static void step(struct match *m)
{
    if (++m->steps == 1024) {
        m->steps = 0;
        lib_spend(m->L, 1024);
    }
}

static unsigned char byte_at(const char *p)
{
    return (unsigned char)*p;
}

/* Behind the single item (a character, a class, a set) at p. */
static const char *item_end(struct match *m, const char *p)
{
    char first = *p++;
    if (first == '%') {
        if (!*p)
            luaL_error(m->L, "malformed pattern (ends with '%%')");
        return p + 1;
    }
    if (first != '[')
        return p;
    if (*p == '^')
        p++;
    do { /* a ']' that comes first is an element */
        if (!*p)
            luaL_error(m->L, "malformed pattern (missing ']')");
        if (*p++ == '%' && *p)
            p++;
    } while (*p != ']');
    return p + 1;
}

static bool in_class(int c, int class)
{
    bool in;
    switch (tolower(class)) {
    case 'a':
        in = isalpha(c);
        break;
    case 'c':
        in = iscntrl(c);
        break;
    case 'd':
        in = isdigit(c);
        break;
    case 'l':
        in = islower(c);
        break;
    case 'p':
        in = ispunct(c);
        break;
    case 's':
        in = isspace(c);
        break;
    case 'u':
        in = isupper(c);
        break;
    case 'w':
        in = isalnum(c);
        break;
    case 'x':
        in = isxdigit(c);
        break;
    case 'z':
        in = c == 0;
        break;
    default:
        return class == c;
    }
    return in != (isupper(class) != 0);
}

/* The set from its '[' at p to its ']' at last. */
static bool in_set(struct match *m, int c, const char *p, const char *last)
{
    bool negated = p[1] == '^';
    if (negated)
        p++;
    while (++p < last) {
        step(m);
        if (*p == '%') {
            if (in_class(c, byte_at(++p)))
                return !negated;
        } else if (p[1] == '-' && p + 2 < last) {
            p += 2;
            if (byte_at(p - 2) <= c && c <= byte_at(p))
                return !negated;
        } else if (byte_at(p) == c) {
            return !negated;
        }
    }
    return negated;
}

/* Does the byte at s match the item from p to `end`? */
static bool single(struct match *m, const char *s, const char *p, const char *end)
{
    step(m);
    if (s >= m->end)
        return false;
    switch (*p) {
    case '.':
        return true;
    case '%':
        return in_class(byte_at(s), byte_at(p + 1));
    case '[':
        return in_set(m, byte_at(s), p, end - 1);
    default:
        return *p == *s;
    }
}

/* %bxy, p at its x. */
static const char *balanced(struct match *m, const char *s, const char *p)
{
    if (!p[0] || !p[1])
        luaL_error(m->L, "unbalanced pattern");
    if (s >= m->end || *s != p[0])
        return NULL;
    for (size_t open = 1; ++s < m->end;) {
        step(m);
        if (*s == p[1]) {
            if (--open == 0)
                return s + 1;
        } else if (*s == p[0]) {
            open++;
        }
    }
    return NULL;
}

static const char *greedy(struct match *m, const char *s, const char *p, const char *end)
{
    ptrdiff_t n = 0;
    while (single(m, s + n, p, end))
        n++;
    for (; n >= 0; n--) {
        const char *found = match_here(m, s + n, end + 1);
        if (found)
            return found;
    }
    return NULL;
}

static const char *lazy(struct match *m, const char *s, const char *p, const char *end)
{
    for (;; s++) {
        const char *found = match_here(m, s, end + 1);
        if (found)
            return found;
        if (!single(m, s, p, end))
            return NULL;
    }
}

static const char *open_capture(struct match *m, const char *s, const char *p, ptrdiff_t kind)
{
    if (m->captures >= CAPTURES_MAX)
        luaL_error(m->L, "too many captures");
    m->capture[m->captures].at = s;
    m->capture[m->captures].len = kind;
    m->captures++;
    const char *found = match_here(m, s, p);
    if (!found)
        m->captures--;
    return found;
}

static const char *close_capture(struct match *m, const char *s, const char *p)
{
    int i = m->captures - 1;
    while (i >= 0 && m->capture[i].len != OPEN)
        i--;
    if (i < 0)
        luaL_error(m->L, "invalid pattern capture");
    m->capture[i].len = s - m->capture[i].at;
    const char *found = match_here(m, s, p);
    if (!found)
        m->capture[i].len = OPEN;
    return found;
}

/* %1 to %9: the same text once more. */
static const char *again(struct match *m, const char *s, char digit)
{
    int i = digit - '1';
    if (i < 0 || i >= m->captures || m->capture[i].len == OPEN)
        luaL_error(m->L, "invalid capture index");
    size_t len = (size_t)m->capture[i].len; /* of a position: larger than anything */
    if (len > (size_t)(m->end - s))
        return NULL;
    lib_spend_bytes(m->L, len);
    return memcmp(m->capture[i].at, s, len) == 0 ? s + len : NULL;
}

/* %f[set], p at the set: between a byte outside of it and one inside; zero bytes stand around the subject. */
static const char *frontier(struct match *m, const char *s, const char *p, const char *end)
{
    int before = s == m->begin ? 0 : byte_at(s - 1), here = s == m->end ? 0 : byte_at(s);
    return !in_set(m, before, p, end - 1) && in_set(m, here, p, end - 1) ? s : NULL;
}

/* One item with what repeats it. True when matching goes on behind it, with *s and *p moved; else *s is the result. */
static bool match_item(struct match *m, const char **s, const char **p)
{
    const char *end = item_end(m, *p), *found;
    switch (*end) {
    case '?':
        if (single(m, *s, *p, end) && (found = match_here(m, *s + 1, end + 1))) {
            *s = found;
            return false;
        }
        *p = end + 1;
        return true;
    case '*':
        *s = greedy(m, *s, *p, end);
        return false;
    case '+':
        *s = single(m, *s, *p, end) ? greedy(m, *s + 1, *p, end) : NULL;
        return false;
    case '-':
        *s = lazy(m, *s, *p, end);
        return false;
    default:
        if (!single(m, *s, *p, end)) {
            *s = NULL;
            return false;
        }
        *s += 1;
        *p = end;
        return true;
    }
}

/* The items that are more than a character: as match_item. */
static bool match_special(struct match *m, const char **s, const char **p)
{
    if (isdigit(byte_at(*p + 1))) {
        *s = again(m, *s, (*p)[1]);
        *p += 2;
    } else if ((*p)[1] == 'b') {
        *s = balanced(m, *s, *p + 2);
        *p += 4;
    } else { /* %f */
        const char *set = *p + 2;
        if (*set != '[')
            luaL_error(m->L, "missing '[' after '%%f' in pattern");
        const char *end = item_end(m, set);
        *s = frontier(m, *s, set, end);
        *p = end;
    }
    return *s != NULL;
}

/* The end of the match of pattern p at s, or NULL. */
static const char *match_here(struct match *m, const char *s, const char *p)
{
    if (++m->depth > DEPTH_MAX)
        luaL_error(m->L, "pattern too complex");
    for (bool on = true; on;) {
        step(m);
        if (!*p)
            break;
        if (*p == '(') {
            s = p[1] == ')' ? open_capture(m, s, p + 2, POSITION) : open_capture(m, s, p + 1, OPEN);
            break;
        }
        if (*p == ')') {
            s = close_capture(m, s, p + 1);
            break;
        }
        if (*p == '$' && !p[1]) {
            s = s == m->end ? s : NULL;
            break;
        }
        bool special = *p == '%' && (isdigit(byte_at(p + 1)) || p[1] == 'b' || p[1] == 'f');
        on = special ? match_special(m, &s, &p) : match_item(m, &s, &p);
    }
    m->depth--;
    return s;
}

static const char *match_at(struct match *m, const char *s, const char *p)
{
    m->captures = 0;
    m->depth = 0;
    return match_here(m, s, p);
}

static struct match match_of(lua_State *L, const char *s, size_t len)
{
    struct match m = {.L = L, .begin = s, .end = s + len};
    return m;
}

/* Capture i of a match from s to e; the whole is the first of none. */
static void push_capture(struct match *m, int i, const char *s, const char *e)
{
    if (i >= m->captures) {
        if (i != 0)
            luaL_error(m->L, "invalid capture index");
        lua_pushlstring(m->L, s, (size_t)(e - s));
    } else if (m->capture[i].len == POSITION) {
        lua_pushinteger(m->L, m->capture[i].at - m->begin + 1);
    } else {
        if (m->capture[i].len == OPEN)
            luaL_error(m->L, "unfinished capture");
        lua_pushlstring(m->L, m->capture[i].at, (size_t)m->capture[i].len);
    }
}

static int push_captures(struct match *m, const char *s, const char *e)
{
    int n = m->captures == 0 && s ? 1 : m->captures;
    luaL_checkstack(m->L, n, "too many captures");
    for (int i = 0; i < n; i++)
        push_capture(m, i, s, e);
    return n;
}

static int pushed_place(lua_State *L, ptrdiff_t from, ptrdiff_t to)
{
    lua_pushinteger(L, from + 1);
    lua_pushinteger(L, to);
    return 2;
}

/* find or match from `s` on: what they return, 0 for no match. */
static int search(struct match *m, const char *s, const char *pattern, bool find)
{
    bool anchored = *pattern == '^';
    if (anchored)
        pattern++;
    do {
        const char *end = match_at(m, s, pattern);
        if (end)
            return find ? pushed_place(m->L, s - m->begin, end - m->begin) + push_captures(m, NULL, NULL)
                        : push_captures(m, s, end);
    } while (s++ < m->end && !anchored);
    return 0;
}

static int find_or_match(lua_State *L, bool find)
{
    size_t len, pattern_len;
    const char *s = luaL_checklstring(L, 1, &len), *pattern = luaL_checklstring(L, 2, &pattern_len);
    ptrdiff_t init = luaL_optinteger(L, 3, 1);
    if (init < 0)
        init += (ptrdiff_t)len + 1;
    init = init < 1 ? 0 : init - 1;
    if ((size_t)init > len)
        init = (ptrdiff_t)len;
    int results;
    if (find && (lua_toboolean(L, 4) || !strpbrk(pattern, SPECIALS))) {
        lib_spend_bytes(L, len - (size_t)init + pattern_len);
        const char *found = memmem(s + init, len - (size_t)init, pattern, pattern_len);
        results = found ? pushed_place(L, found - s, found - s + (ptrdiff_t)pattern_len) : 0;
    } else {
        struct match m = match_of(L, s, len);
        results = search(&m, s + init, pattern, find);
        lib_spend(L, m.steps);
    }
    if (results)
        return results;
    lua_pushnil(L);
    return 1;
}

static int string_find(lua_State *L)
{
    return find_or_match(L, true);
}

static int string_match(lua_State *L)
{
    return find_or_match(L, false);
}

/* Upvalues: subject, pattern, where to go on. */
static int next_match(lua_State *L)
{
    size_t len;
    const char *s = lua_tolstring(L, lua_upvalueindex(1), &len),
               *pattern = lua_tostring(L, lua_upvalueindex(2));
    struct match m = match_of(L, s, len);
    for (const char *at = s + lua_tointeger(L, lua_upvalueindex(3)); at <= m.end; at++) {
        const char *end = match_at(&m, at, pattern);
        if (!end)
            continue;
        lua_pushinteger(L, end - s + (end == at)); /* behind an empty match, on by one */
        lua_replace(L, lua_upvalueindex(3));
        lib_spend(L, m.steps);
        return push_captures(&m, at, end);
    }
    lib_spend(L, m.steps);
    return 0;
}

static int string_gmatch(lua_State *L)
{
    luaL_checkstring(L, 1);
    luaL_checkstring(L, 2);
    lua_settop(L, 2);
    lua_pushinteger(L, 0);
    lua_pushcclosure(L, next_match, 3);
    return 1;
}

/* A replacement's text, with %0 to %9 filled in. */
static void add_text(struct match *m, luaL_Buffer *b, const char *s, const char *e)
{
    size_t len;
    const char *text = lua_tolstring(m->L, 3, &len);
    for (size_t i = 0; i < len; i++) {
        if (text[i] != '%') {
            luaL_addchar(b, text[i]);
        } else if (!isdigit(byte_at(text + ++i))) { /* at the end: the zero behind the text */
            luaL_addchar(b, text[i]);
        } else if (text[i] == '0') {
            luaL_addlstring(b, s, (size_t)(e - s));
        } else {
            push_capture(m, text[i] - '1', s, e);
            luaL_addvalue(b);
        }
    }
    lib_spend_bytes(m->L, len);
}

static void add_replacement(struct match *m, luaL_Buffer *b, const char *s, const char *e)
{
    lua_State *L = m->L;
    switch (lua_type(L, 3)) {
    case LUA_TTABLE:
        push_capture(m, 0, s, e);
        lua_gettable(L, 3);
        break;
    case LUA_TFUNCTION:
        lua_pushvalue(L, 3);
        lua_call(L, push_captures(m, s, e), 1);
        break;
    default:
        add_text(m, b, s, e);
        return;
    }
    if (!lua_toboolean(L, -1)) { /* the original stays */
        lua_pop(L, 1);
        lua_pushlstring(L, s, (size_t)(e - s));
    } else if (!lua_isstring(L, -1)) {
        luaL_error(L, "invalid replacement value (a %s)", luaL_typename(L, -1));
    }
    luaL_addvalue(b);
}

static int string_gsub(lua_State *L)
{
    size_t len;
    const char *s = luaL_checklstring(L, 1, &len), *pattern = luaL_checkstring(L, 2);
    int type = lua_type(L, 3);
    luaL_argcheck(L,
                  type == LUA_TNUMBER || type == LUA_TSTRING || type == LUA_TFUNCTION || type == LUA_TTABLE,
                  3, "string/function/table expected");
    int most = luaL_optint(L, 4, (int)len + 1), n = 0;
    bool anchored = *pattern == '^';
    if (anchored)
        pattern++;
    struct match m = match_of(L, s, len);
    luaL_Buffer b;
    luaL_buffinit(L, &b);
    while (n < most) {
        const char *end = match_at(&m, s, pattern);
        if (end) {
            n++;
            add_replacement(&m, &b, s, end);
        }
        if (end && end > s)
            s = end;
        else if (s < m.end)
            luaL_addchar(&b, *s++);
        else
            break;
        if (anchored)
            break;
    }
    luaL_addlstring(&b, s, (size_t)(m.end - s));
    luaL_pushresult(&b);
    lua_pushinteger(L, n);
    lib_spend(L, m.steps);
    return 2;
}

void lib_open_pattern(lua_State *L)
{
    static const luaL_Reg functions[] = {{"find", string_find},
                                         {"gmatch", string_gmatch},
                                         {"gsub", string_gsub},
                                         {"match", string_match},
                                         {NULL, NULL}};
    luaL_register(L, NULL, functions);
}
