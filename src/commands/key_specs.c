/* Key specs: where a command's keys are and what it does with them, as COMMAND INFO tells it.
 *
 * A row's key_specs holds them in short: specs are separated by '|', each is
 *
 *     flags@first:last:step#notes        "RW access update@1:0:1#RW because of GET"
 *
 * flags: words; first: index of the first key; last: how far after it the last key is, or, negative, from the
 * end of the arguments; step: arguments from key to key; #notes may be missing. All of our commands have keys
 * at an index, in a range; a type of spec that finds them otherwise is to be added here when a command comes
 * that needs it. */
#include <stdlib.h>
#include <string.h>

#include "commands/commands_int.h"

struct key_spec {
    struct slice flags, notes;
    int first, last, step;
};

/* Reads one spec and goes on to the next; false at the end. The text is our own: it is well formed. */
static bool next_spec(const char **at, struct key_spec *spec)
{
    if (!**at)
        return false;
    size_t len = strcspn(*at, "@");
    char *end;
    spec->flags = (struct slice){*at, len};
    spec->first = (int)strtol(*at + len + 1, &end, 10);
    spec->last = (int)strtol(end + 1, &end, 10);
    spec->step = (int)strtol(end + 1, &end, 10);
    spec->notes = (struct slice){NULL, 0};
    if (*end == '#') {
        spec->notes = (struct slice){end + 1, strcspn(end + 1, "|")};
        end += 1 + spec->notes.len;
    }
    *at = *end == '|' ? end + 1 : end;
    return true;
}

size_t key_specs_count(const char *specs)
{
    struct key_spec spec;
    size_t n = 0;
    while (next_spec(&specs, &spec))
        n++;
    return n;
}

static void reply_words(struct buf *out, int resp, struct slice words)
{
    size_t n = 1;
    for (size_t i = 0; i < words.len; i++)
        n += words.data[i] == ' ';
    resp_set(out, resp, n);
    while (words.len) {
        const char *space = memchr(words.data, ' ', words.len);
        size_t len = space ? (size_t)(space - words.data) : words.len;
        buf_printf(out, "+%.*s\r\n", (int)len, words.data);
        len += space != NULL;
        words = (struct slice){words.data + len, words.len - len};
    }
}

static void reply_pair(struct buf *out, const char *name, int value)
{
    resp_bulk_cstr(out, name);
    resp_integer(out, value);
}

static void reply_spec(struct buf *out, int resp, const struct key_spec *spec)
{
    resp_map(out, resp, spec->notes.len ? 4 : 3);
    if (spec->notes.len) {
        resp_bulk_cstr(out, "notes");
        resp_bulk(out, spec->notes);
    }
    resp_bulk_cstr(out, "flags");
    reply_words(out, resp, spec->flags);
    resp_bulk_cstr(out, "begin_search");
    resp_map(out, resp, 2);
    resp_bulk_cstr(out, "type");
    resp_bulk_cstr(out, "index");
    resp_bulk_cstr(out, "spec");
    resp_map(out, resp, 1);
    reply_pair(out, "index", spec->first);
    resp_bulk_cstr(out, "find_keys");
    resp_map(out, resp, 2);
    resp_bulk_cstr(out, "type");
    resp_bulk_cstr(out, "range");
    resp_bulk_cstr(out, "spec");
    resp_map(out, resp, 3);
    reply_pair(out, "lastkey", spec->last);
    reply_pair(out, "keystep", spec->step);
    reply_pair(out, "limit", 0);
}

void reply_key_specs(struct buf *out, int resp, const char *specs)
{
    struct key_spec spec;
    resp_set(out, resp, key_specs_count(specs));
    while (next_spec(&specs, &spec))
        reply_spec(out, resp, &spec);
}

void reply_key_flags(struct buf *out, int resp, const struct command *c, const struct slice *argv,
                     size_t argc, int position)
{
    struct key_spec spec;
    const char *specs = c->key_specs;
    if (c->key_flags) {
        reply_words(out, resp, slice_cstr(c->key_flags(argv, argc)));
        return;
    }
    while (next_spec(&specs, &spec)) {
        int last = spec.last < 0 ? (int)argc + spec.last : spec.first + spec.last;
        if (position >= spec.first && position <= last) {
            reply_words(out, resp, spec.flags);
            return;
        }
    }
    resp_set(out, resp, 0);
}
