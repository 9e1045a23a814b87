/* COMMAND DOCS. Complexity, history and arguments are in a generated file (redis-compat/docs); the rest is in the rows. */
#include <stdlib.h>
#include <string.h>

#include "base/number.h"
#include "commands/commands_int.h"

/* By name. NULL: nothing to say. `history` has a line a change: version, tab, text. `arguments` has a line an argument, indented
 * below the one that it is part of: name, type, and whatever else there is as field=value, with tabs in between. */
static const struct docs {
    const char *name, *complexity, *flags, *deprecated_since, *replaced_by, *history, *arguments;
} all_docs[] = {
#include "commands/command_docs.h"
};

static int compare(const void *name, const void *docs)
{
    return strcmp(name, ((const struct docs *)docs)->name);
}

/* Up to the first of `ends`, which is passed too. */
static struct slice cut(const char **at, const char *ends)
{
    size_t len = strcspn(*at, ends);
    struct slice out = slice_of(*at, len);
    *at += len + ((*at)[len] != '\0');
    return out;
}

static size_t lines(const char *text)
{
    size_t n = 1;
    while ((text = strchr(text, '\n')))
        n++, text++;
    return n;
}

static void put_words(struct buf *out, int resp, struct slice text)
{
    size_t n = 1;
    for (size_t i = 0; i < text.len; i++)
        n += text.data[i] == ' ';
    resp_set(out, resp, n);
    for (size_t from = 0, i = 0; i <= text.len; i++)
        if (i == text.len || text.data[i] == ' ') {
            buf_printf(out, "+%.*s\r\n", (int)(i - from), text.data + from);
            from = i + 1;
        }
}

/* "since=2.6.12" */
static void put_field(struct buf *out, int resp, struct slice field)
{
    size_t name = (size_t)((const char *)memchr(field.data, '=', field.len) - (const char *)field.data);
    struct slice value = slice_of(field.data + name + 1, field.len - name - 1);
    int64_t number;
    resp_bulk(out, slice_of(field.data, name));
    if (name == 5 && memcmp(field.data, "flags", 5) == 0)
        put_words(out, resp, value);
    else if (name == 14 && parse_i64(value, &number))
        resp_integer(out, number); /* key_spec_index */
    else
        resp_bulk(out, value);
}

static size_t depth_of(const char *line)
{
    return strspn(line, " ");
}

static const char *next_line(const char *line)
{
    const char *end = strchr(line, '\n');
    return end ? end + 1 : line + strlen(line);
}

static size_t siblings(const char *line)
{
    size_t n = 0, depth = depth_of(line);
    for (; *line && depth_of(line) >= depth; line = next_line(line))
        n += depth_of(line) == depth;
    return n;
}

/* The arguments at this depth, from this line on; behind it and all that is part of it. */
static const char *put_arguments(struct buf *out, int resp, const char *line)
{
    size_t depth = depth_of(line);
    resp_array(out, siblings(line));
    while (*line && depth_of(line) == depth) {
        const char *inner = next_line(line), *at = line + depth;
        bool has_inner = *inner && depth_of(inner) > depth;
        size_t fields = 1;
        for (const char *c = at; c < inner; c++)
            fields += *c == '\t';
        resp_map(out, resp, fields + has_inner);
        resp_bulk_cstr(out, "name");
        resp_bulk(out, cut(&at, "\t"));
        resp_bulk_cstr(out, "type");
        resp_bulk(out, cut(&at, "\t\n"));
        while (at < inner)
            put_field(out, resp, cut(&at, "\t\n"));
        line = inner;
        if (has_inner) {
            resp_bulk_cstr(out, "arguments");
            line = put_arguments(out, resp, inner);
        }
    }
    return line;
}

static void put_history(struct buf *out, int resp, const char *text)
{
    resp_set(out, resp, lines(text));
    while (*text) {
        resp_array(out, 2);
        resp_bulk(out, cut(&text, "\t"));
        resp_bulk(out, cut(&text, "\n"));
    }
}

static void put_text(struct buf *out, const char *name, const char *value)
{
    if (value) {
        resp_bulk_cstr(out, name);
        resp_bulk_cstr(out, value);
    }
}

void reply_docs(struct buf *out, int resp, const struct command *row)
{
    static const struct docs none;
    const struct docs *d =
        bsearch(row->name, all_docs, sizeof all_docs / sizeof *all_docs, sizeof *all_docs, compare);
    d = d ? d : &none;
    size_t subs = 0;
    while (row->subcommands && row->subcommands[subs].name)
        subs++;
    resp_bulk_cstr(out, row->name);
    const void *optional[] = {d->complexity, d->flags,     d->deprecated_since, d->replaced_by,
                              d->history,    d->arguments, subs ? row : NULL};
    size_t fields = 3;
    for (size_t i = 0; i < sizeof optional / sizeof *optional; i++)
        fields += optional[i] != NULL;
    resp_map(out, resp, fields);
    put_text(out, "summary", row->summary);
    put_text(out, "since", row->since);
    put_text(out, "group", row->group);
    put_text(out, "complexity", d->complexity);
    if (d->flags) {
        resp_bulk_cstr(out, "doc_flags");
        put_words(out, resp, slice_cstr(d->flags));
    }
    put_text(out, "deprecated_since", d->deprecated_since);
    put_text(out, "replaced_by", d->replaced_by);
    if (d->history) {
        resp_bulk_cstr(out, "history");
        put_history(out, resp, d->history);
    }
    if (d->arguments) {
        resp_bulk_cstr(out, "arguments");
        put_arguments(out, resp, d->arguments);
    }
    if (subs) {
        resp_bulk_cstr(out, "subcommands");
        resp_map(out, resp, subs);
        for (size_t i = 0; i < subs; i++)
            reply_docs(out, resp, &row->subcommands[i]);
    }
}
