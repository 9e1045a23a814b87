/* KEYS and SCAN. */
#include <stdio.h>

#include "base/glob.h"
#include "commands/commands_int.h"

/* What is being looked for, and the names found so far, as bulk strings without their array's head. */
struct search {
    struct command_context *c;
    struct slice pattern;
    bool all; /* the pattern is "*" */
    int type; /* only keys of this type; ANY_TYPE, or NO_TYPE when there is none of that name */
    size_t found;
    struct buf names;
};

enum { ANY_TYPE = -1, NO_TYPE = -2 };

static int type_named(struct slice name)
{
    int type = 0;
    while (type < STORE_TYPES && !slice_is_word(name, store_type_name((enum store_type)type)))
        type++;
    return type < STORE_TYPES ? type : NO_TYPE;
}

static void consider(void *arg, struct store_key *k)
{
    struct search *s = arg;
    struct slice name = store_key_name(k);
    if (s->type != ANY_TYPE && (int)store_key_type(k) != s->type)
        return;
    if (!s->all && !glob_match(s->pattern, name, false))
        return;
    if (!store_visible(&s->c->view, k))
        return;
    resp_bulk(&s->names, name);
    s->found++;
}

static void reply_found(struct search *s)
{
    resp_array(s->c->out, s->found);
    buf_append_slice(s->c->out, buf_slice(&s->names));
    buf_deinit(&s->names);
}

static void search_init(struct search *s, struct command_context *c, struct slice pattern)
{
    *s = (struct search){.c = c, .pattern = pattern, .all = slice_equal(pattern, SLICE_LITERAL("*"))};
    s->type = ANY_TYPE;
}

void keys_command(struct command_context *c)
{
    struct search s;
    note_any_due(c);
    search_init(&s, c, c->argv[1]);
    for (size_t i = 0; i < store_count(c->view.store, c->view.db); i++)
        consider(&s, store_at(c->view.store, c->view.db, i));
    reply_found(&s);
}

/* As strtoul reads it: a sign is allowed, and so is nothing at all; a space is not. */
static bool parse_cursor(struct slice text, uint64_t *cursor)
{
    size_t i = 0;
    uint64_t v = 0;
    bool minus = text.len && text.data[0] == '-';
    if (text.len && (text.data[0] == '-' || text.data[0] == '+'))
        i = 1;
    if (i == text.len && i)
        return false;
    for (; i < text.len; i++) {
        uint64_t digit = (uint64_t)(unsigned char)text.data[i] - '0';
        if (digit > 9 || __builtin_mul_overflow(v, 10, &v) || __builtin_add_overflow(v, digit, &v))
            return false;
    }
    *cursor = minus ? 0 - v : v;
    return true;
}

static bool arg_cursor(struct command_context *c, size_t i, uint64_t *cursor)
{
    if (parse_cursor(c->argv[i], cursor))
        return true;
    resp_error(c->out, "ERR invalid cursor");
    return false;
}

static bool arg_count(struct command_context *c, size_t i, uint64_t *count)
{
    int64_t v;
    if (!arg_i64(c, i, &v))
        return false;
    if (v < 1) {
        reply_syntax_error(c);
        return false;
    }
    *count = (uint64_t)v;
    return true;
}

static void reply_cursor(struct command_context *c, uint64_t cursor)
{
    char text[24];
    int len = snprintf(text, sizeof text, "%llu", (unsigned long long)cursor);
    resp_array(c->out, 2);
    resp_bulk(c->out, slice_of(text, (size_t)len));
}

static bool parse_scan_options(struct command_context *c, struct search *s, uint64_t *count)
{
    for (size_t i = 2; i < c->argc; i += 2) {
        bool more = i + 1 < c->argc;
        if (more && arg_is(c, i, "count")) {
            if (!arg_count(c, i + 1, count))
                return false;
        } else if (more && arg_is(c, i, "match")) {
            s->pattern = c->argv[i + 1];
            s->all = slice_equal(s->pattern, SLICE_LITERAL("*"));
        } else if (more && arg_is(c, i, "type")) {
            s->type = type_named(c->argv[i + 1]);
        } else {
            reply_syntax_error(c);
            return false;
        }
    }
    return true;
}

void scan_command(struct command_context *c)
{
    struct search s;
    uint64_t cursor, count = 10;
    note_any_due(c);
    search_init(&s, c, SLICE_LITERAL("*"));
    if (!arg_cursor(c, 1, &cursor) || !parse_scan_options(c, &s, &count))
        return;
    cursor = store_scan(c->view.store, c->view.db, cursor, count, consider, &s);
    reply_cursor(c, cursor);
    reply_found(&s);
}

/* ---- HSCAN, SSCAN, ZSCAN ---- */

static bool parse_element_options(struct element_scan *s)
{
    struct command_context *c = s->c;
    for (size_t i = 3; i < c->argc; i += 2) {
        bool more = i + 1 < c->argc;
        if (more && arg_is(c, i, "count")) {
            if (!arg_count(c, i + 1, &s->count))
                return false;
        } else if (more && arg_is(c, i, "match")) {
            s->pattern = c->argv[i + 1];
            s->all = slice_equal(s->pattern, SLICE_LITERAL("*"));
        } else {
            reply_syntax_error(c);
            return false;
        }
    }
    return true;
}

bool element_scan_begin(struct element_scan *s, struct command_context *c, enum store_type type)
{
    *s = (struct element_scan){.c = c, .count = 10, .all = true};
    if (!arg_cursor(c, 2, &s->cursor))
        return false;
    const struct store_key *k = store_find(&c->view, c->argv[1]);
    if (!k) {
        reply_cursor(c, 0);
        resp_array(c->out, 0);
        return false;
    }
    if (!check_type(c, k, type) || !parse_element_options(s))
        return false;
    s->value = store_collection(k);
    return true;
}

bool element_scan_wants(const struct element_scan *s, struct slice element)
{
    return s->all || glob_match(s->pattern, element, false);
}

void element_scan_found(struct element_scan *s, struct slice text)
{
    resp_bulk(&s->texts, text);
    s->found++;
}

void element_scan_end(struct element_scan *s, uint64_t cursor)
{
    reply_cursor(s->c, cursor);
    resp_array(s->c->out, s->found);
    buf_append_slice(s->c->out, buf_slice(&s->texts));
    buf_deinit(&s->texts);
}
