/* The table of libraries. */
#include "rsm/libraries.h"

#include "base/alloc.h"
#include "base/checksum.h"
#include "base/resp.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

/* ---- one library ---- */

static struct slice copy(struct slice s)
{
    if (!s.data)
        return s;
    char *data = mem_alloc(s.len + 1);
    memcpy(data, s.data, s.len);
    data[s.len] = '\0';
    return slice_of(data, s.len);
}

static void drop(struct slice s)
{
    mem_free((char *)(uintptr_t)s.data);
}

void library_free(struct library *l)
{
    for (size_t i = 0; i < l->count; i++) {
        drop(l->functions[i].name);
        drop(l->functions[i].description);
    }
    mem_free(l->functions);
    drop(l->name);
    drop(l->code);
    mem_free(l);
}

struct slice library_body(const struct library *l)
{
    const char *end = memchr(l->code.data, '\n', l->code.len);
    return slice_drop(l->code, (size_t)(end - l->code.data));
}

static void found(void *arg, const struct script_function *f)
{
    struct library *l = arg;
    l->functions = mem_realloc(l->functions, (l->count + 1) * sizeof *l->functions);
    l->functions[l->count++] = (struct library_function){l, copy(f->name), copy(f->description), f->flags};
}

static bool complain(struct buf *error, const char *before, struct slice what, const char *after)
{
    buf_append_cstr(error, before);
    buf_append_slice(error, what);
    buf_append_cstr(error, after);
    return false;
}

/* What the words of the first line say. *name is borrowed from them. */
static bool read_words(const struct resp_parser *p, struct slice *name, struct buf *error)
{
    static const char option[] = "name=";
    size_t prefix = sizeof option - 1;
    *name = slice_of(NULL, 0);
    for (size_t i = 1; i < p->argc; i++) {
        struct slice word = p->argv[i];
        if (word.len < prefix || strncasecmp(word.data, option, prefix) != 0)
            return complain(error, "Invalid metadata value given: ", word, "");
        if (name->data)
            return complain(error, "Invalid metadata value, name argument was given multiple times",
                            slice_of(NULL, 0), "");
        *name = slice_drop(word, prefix);
    }
    if (!name->data)
        return complain(error, "Library name was not given", slice_of(NULL, 0), "");
    if (!script_name_ok(*name))
        return complain(error,
                        "Library names can only contain letters, numbers, or underscores(_) and must be at "
                        "least one character long",
                        slice_of(NULL, 0), "");
    struct slice engine = slice_drop(p->argv[0], 2);
    return slice_is_word(engine, "lua") || complain(error, "Engine '", engine, "' not found");
}

/* NULL: the first line is not as it should be. */
static struct library *read_head(struct slice code, struct buf *error)
{
    struct resp_limits limits = {.max_args = INT32_MAX, .max_bulk = INT32_MAX, .max_inline = INT32_MAX};
    struct resp_parser parser;
    struct library *l = NULL;
    struct slice name;
    const char *end = code.len ? memchr(code.data, '\n', code.len) : NULL;
    if (code.len < 2 || memcmp(code.data, "#!", 2) != 0) {
        buf_append_cstr(error, "Missing library metadata");
        return NULL;
    }
    resp_parser_init(&parser);
    struct slice line = slice_of(code.data, end ? (size_t)(end - code.data) + 1 : 0);
    if (!end || resp_parse(&parser, line, &limits) != RESP_REQUEST) {
        buf_append_cstr(error, "Invalid library metadata");
    } else if (read_words(&parser, &name, error)) {
        l = mem_calloc(1, sizeof *l);
        l->name = copy(name);
        l->code = copy(code);
    }
    resp_parser_deinit(&parser);
    return l;
}

struct library *library_new(struct script_engine *e, struct slice code, const struct libraries *beside,
                            struct buf *error)
{
    struct library *l = read_head(code, error);
    if (!l)
        return NULL;
    bool ok = !beside || !libraries_find(beside, l->name) ||
              complain(error, "Library '", l->name, "' already exists");
    ok = ok && script_library(e, library_body(l), found, l, error);
    if (ok && l->count == 0)
        ok = complain(error, "No functions registered", slice_of(NULL, 0), "");
    if (ok)
        return l;
    library_free(l);
    return NULL;
}

/* ---- all of them ---- */

void libraries_init(struct libraries *s, struct hash_seed seed)
{
    *s = (struct libraries){.by_name = dict_new(&seed), .functions = dict_new(&seed)};
    list_init(&s->in_order);
}

struct library *libraries_find(const struct libraries *s, struct slice name)
{
    return dict_get(s->by_name, name);
}

static struct slice small_letters(struct slice name, struct buf *room)
{
    for (size_t i = 0; i < name.len; i++)
        put_u8(room, (uint8_t)tolower((unsigned char)name.data[i]));
    return buf_slice(room);
}

struct library_function *libraries_function(const struct libraries *s, struct slice name)
{
    struct buf room = BUF_EMPTY;
    struct library_function *f = dict_get(s->functions, small_letters(name, &room));
    buf_deinit(&room);
    return f;
}

static uint64_t digest_of(const struct library *l)
{
    static const struct hash_seed seed = {0, 1};
    return siphash(&seed, l->code.data, l->code.len);
}

static void link_in(struct libraries *s, struct library *l)
{
    struct buf room = BUF_EMPTY;
    dict_put(s->by_name, l->name, l);
    for (size_t i = 0; i < l->count; i++) {
        buf_truncate(&room, 0);
        dict_put(s->functions, small_letters(l->functions[i].name, &room), &l->functions[i]);
    }
    list_push_back(&s->in_order, &l->in_order);
    s->digest += digest_of(l);
    buf_deinit(&room);
}

static void link_out(struct libraries *s, struct library *l)
{
    struct buf room = BUF_EMPTY;
    dict_remove(s->by_name, l->name);
    for (size_t i = 0; i < l->count; i++) {
        buf_truncate(&room, 0);
        dict_remove(s->functions, small_letters(l->functions[i].name, &room));
    }
    list_remove(&l->in_order);
    s->digest -= digest_of(l);
    buf_deinit(&room);
}

void libraries_remove(struct libraries *s, struct script_engine *e, struct library *l)
{
    link_out(s, l);
    script_forget(e, l);
    library_free(l);
}

void libraries_flush(struct libraries *s, struct script_engine *e)
{
    list_for_each_safe(it, next, &s->in_order)
        libraries_remove(s, e, list_entry(it, struct library, in_order));
}

void libraries_deinit(struct libraries *s, struct script_engine *e)
{
    libraries_flush(s, e);
    dict_free(s->by_name);
    dict_free(s->functions);
}

void libraries_move(struct libraries *to, struct libraries *from)
{
    *to = *from;
    list_init(&to->in_order);
    list_for_each_safe(it, next, &from->in_order)
    {
        list_remove(it);
        list_push_back(&to->in_order, it);
    }
}

static bool fits(const struct libraries *s, const struct library *l, struct buf *error)
{
    if (libraries_find(s, l->name))
        return complain(error, "Library ", l->name, " already exists");
    for (size_t i = 0; i < l->count; i++)
        if (libraries_function(s, l->functions[i].name))
            return complain(error, "Function ", l->functions[i].name, " already exists");
    return true;
}

/* One after the other; those that they replace are kept at hand until all are in. */
bool libraries_add(struct libraries *s, struct script_engine *e, struct library *const *l, size_t count,
                   bool replace, struct buf *error)
{
    struct library **old = mem_calloc(count + 1, sizeof *old);
    size_t done = 0;
    bool ok = true;
    for (size_t i = 0; replace && i < count; i++)
        if ((old[i] = libraries_find(s, l[i]->name)))
            link_out(s, old[i]);
    for (; ok && done < count; done += ok)
        if ((ok = fits(s, l[done], error)))
            link_in(s, l[done]);
    while (!ok && done > 0)
        link_out(s, l[--done]);
    for (size_t i = 0; i < count; i++) {
        if (old[i] && ok) {
            script_forget(e, old[i]);
            library_free(old[i]);
        } else if (old[i]) {
            link_in(s, old[i]);
        }
    }
    mem_free(old);
    return ok;
}
