/* cjson.decode, a token at a time. The text is a Lua string, so a zero byte ends it. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "script/lib_int.h"

enum token_type {
    OBJECT_BEGIN,
    OBJECT_END,
    ARRAY_BEGIN,
    ARRAY_END,
    STRING,
    NUMBER,
    BOOLEAN,
    NIL,
    COLON,
    COMMA,
    END,
    BAD
};

struct token {
    enum token_type type;
    size_t index;       /* in the text: where it begins; for BAD, where the error is */
    const char *reason; /* BAD */
    double number;
    bool boolean;
};

struct decoder {
    lua_State *L;
    const struct json_settings *set;
    const char *text, *at;
    struct lib_buffer string; /* the text of a STRING */
    int depth;
};

static struct token bad(const struct decoder *d, const char *why)
{
    return (struct token){.type = BAD, .index = (size_t)(d->at - d->text), .reason = why};
}

/* Four hex digits, -1 when they are not. */
static int32_t hex4(const char *s)
{
    int32_t v = 0;
    for (int i = 0; i < 4; i++) {
        unsigned char c = (unsigned char)s[i];
        if (!isxdigit(c))
            return -1;
        v = v << 4 | (isdigit(c) ? c - '0' : tolower(c) - 'a' + 10);
    }
    return v;
}

static size_t utf8(char *out, uint32_t point)
{
    static const unsigned char lead[] = {0, 0x00, 0xc0, 0xe0, 0xf0};
    size_t n = point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
    for (size_t i = n - 1; i > 0; i--, point >>= 6)
        out[i] = (char)(0x80 | (point & 0x3f));
    out[0] = (char)(lead[n] | point);
    return n;
}

/* \uXXXX, or two of them that make a pair. */
static bool decode_unicode(struct decoder *d)
{
    int32_t point = hex4(d->at + 2);
    size_t len = 6;
    if (point < 0)
        return false;
    if ((point & 0xf800) == 0xd800) {
        if (point & 0x400 || d->at[6] != '\\' || d->at[7] != 'u')
            return false;
        int32_t low = hex4(d->at + 8);
        if (low < 0 || (low & 0xfc00) != 0xdc00)
            return false;
        point = ((point & 0x3ff) << 10 | (low & 0x3ff)) + 0x10000;
        len = 12;
    }
    char bytes[4];
    lib_buffer_add(&d->string, bytes, utf8(bytes, (uint32_t)point));
    d->at += len;
    return true;
}

static struct token next_string(struct decoder *d)
{
    static const char letter[] = "\"\\/btnfr", plain[] = "\"\\/\b\t\n\f\r";
    struct token t = {.type = STRING, .index = (size_t)(d->at - d->text)};
    d->at++;
    d->string.len = 0;
    for (;;) {
        size_t run = strcspn(d->at, "\"\\");
        lib_buffer_add(&d->string, d->at, run);
        d->at += run;
        if (!*d->at)
            return bad(d, "unexpected end of string");
        if (*d->at == '"')
            break;
        char c = d->at[1];
        if (c == 'u') {
            if (!decode_unicode(d))
                return bad(d, "invalid unicode escape code");
            continue;
        }
        const char *escape = c ? strchr(letter, c) : NULL;
        if (!escape)
            return bad(d, "invalid escape code");
        lib_buffer_add_char(&d->string, plain[escape - letter]);
        d->at += 2;
    }
    d->at++;
    return t;
}

/* What strtod takes and JSON does not know: a plus, hex, leading zeroes, inf, nan. */
static bool beyond_json(const char *p)
{
    if (*p == '+')
        return true;
    if (*p == '-')
        p++;
    if (*p == '0')
        return tolower((unsigned char)p[1]) == 'x' || isdigit((unsigned char)p[1]);
    return strncasecmp(p, "inf", 3) == 0 || strncasecmp(p, "nan", 3) == 0;
}

static struct token next_number(struct decoder *d)
{
    struct token t = {.type = NUMBER, .index = (size_t)(d->at - d->text)};
    char *end;
    t.number = strtod(d->at, &end);
    if (end == d->at)
        return bad(d, "invalid number");
    d->at = end;
    return t;
}

static struct token next_word(struct decoder *d)
{
    static const struct {
        const char *word;
        struct token token;
    } words[] = {
        {"true", {.type = BOOLEAN, .boolean = true}}, {"false", {.type = BOOLEAN}}, {"null", {.type = NIL}}};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        size_t len = strlen(words[i].word);
        if (strncmp(d->at, words[i].word, len) == 0) {
            struct token t = words[i].token;
            t.index = (size_t)(d->at - d->text);
            d->at += len;
            return t;
        }
    }
    if (d->set->decode_invalid && strchr("iInN+", *d->at) && beyond_json(d->at))
        return next_number(d);
    return bad(d, "invalid token");
}

static struct token next_token(struct decoder *d)
{
    static const char marks[] = "{}[]:,";
    static const enum token_type type[] = {OBJECT_BEGIN, OBJECT_END, ARRAY_BEGIN, ARRAY_END, COLON, COMMA};
    d->at += strspn(d->at, " \t\n\r");
    struct token t = {.type = END, .index = (size_t)(d->at - d->text)};
    if (!*d->at)
        return t;
    const char *mark = strchr(marks, *d->at);
    if (mark) {
        t.type = type[mark - marks];
        d->at++;
        return t;
    }
    if (*d->at == '"')
        return next_string(d);
    if (*d->at == '-' || isdigit((unsigned char)*d->at))
        return !d->set->decode_invalid && beyond_json(d->at) ? bad(d, "invalid number") : next_number(d);
    return next_word(d);
}

static int expected(struct decoder *d, const char *what, struct token t)
{
    static const char *const names[] = {"T_OBJ_BEGIN", "T_OBJ_END", "T_ARR_BEGIN", "T_ARR_END",
                                        "T_STRING",    "T_NUMBER",  "T_BOOLEAN",   "T_NULL",
                                        "T_COLON",     "T_COMMA",   "T_END"};
    const char *found = t.type == BAD ? t.reason : names[t.type];
    return luaL_error(d->L, "Expected %s but found %s at character %d", what, found, (int)t.index + 1);
}

static void decode_value(struct decoder *d, struct token t);

static void descend(struct decoder *d)
{
    if (++d->depth > d->set->decode_depth || d->depth > LIB_DEPTH_MAX || !lua_checkstack(d->L, 4))
        luaL_error(d->L, "Found too many nested data structures (%d) at character %d", d->depth,
                   (int)(d->at - d->text));
}

static void decode_object(struct decoder *d)
{
    descend(d);
    lua_newtable(d->L);
    struct token t = next_token(d);
    while (t.type != OBJECT_END) {
        if (t.type != STRING)
            expected(d, "object key string", t);
        lua_pushlstring(d->L, d->string.data, d->string.len);
        t = next_token(d);
        if (t.type != COLON)
            expected(d, "colon", t);
        decode_value(d, next_token(d));
        lua_rawset(d->L, -3);
        t = next_token(d);
        if (t.type == OBJECT_END)
            break;
        if (t.type != COMMA)
            expected(d, "comma or object end", t);
        t = next_token(d);
        if (t.type == OBJECT_END) /* behind a comma there has to be a key */
            expected(d, "object key string", t);
    }
    d->depth--;
}

static void decode_array(struct decoder *d)
{
    descend(d);
    lua_newtable(d->L);
    struct token t = next_token(d);
    for (int i = 1; t.type != ARRAY_END; i++) {
        decode_value(d, t);
        lua_rawseti(d->L, -2, i);
        t = next_token(d);
        if (t.type == ARRAY_END)
            break;
        if (t.type != COMMA)
            expected(d, "comma or array end", t);
        t = next_token(d);
        if (t.type == ARRAY_END)
            expected(d, "value", t);
    }
    d->depth--;
}

/* Pushes it. */
static void decode_value(struct decoder *d, struct token t)
{
    switch (t.type) {
    case STRING:
        lua_pushlstring(d->L, d->string.data, d->string.len);
        return;
    case NUMBER:
        lua_pushnumber(d->L, t.number);
        return;
    case BOOLEAN:
        lua_pushboolean(d->L, t.boolean);
        return;
    case NIL:
        lua_pushlightuserdata(d->L, NULL);
        return; /* nil would take its key away */
    case OBJECT_BEGIN:
        decode_object(d);
        return;
    case ARRAY_BEGIN:
        decode_array(d);
        return;
    case OBJECT_END:
    case ARRAY_END:
    case COLON:
    case COMMA:
    case END:
    case BAD:
        expected(d, "value", t);
    }
}

int json_decode(lua_State *L)
{
    luaL_argcheck(L, lua_gettop(L) == 1, 1, "expected 1 argument");
    size_t len;
    const char *text = luaL_checklstring(L, 1, &len);
    struct decoder d = {.L = L, .set = json_settings(L), .text = text, .at = text};
    if (len >= 2 && (!text[0] || !text[1]))
        luaL_error(L, "JSON parser does not support UTF-16 or UTF-32");
    lib_spend(L, len / 4);
    lib_buffer_init(&d.string, L);
    decode_value(&d, next_token(&d));
    struct token t = next_token(&d);
    if (t.type != END)
        expected(&d, "the end", t);
    return 1;
}
