/* Key specs: where a command's keys are and what it does with them, as COMMAND INFO tells it.
 *
 * A row's key_specs holds them in short: specs are separated by '|', each is
 *
 *     flags@first:last:step#notes        "RW access update@1:0:1#RW because of GET"
 *
 * flags: words; first: index of the first key; last: how far after it the last key is, or, negative, from the
 * end of the arguments; step: arguments from key to key; #notes may be missing. Other ways to say where keys are:
 *
 *     RO@2:n0:1:1          counted: at 2 + 0 stands how many there are, at 2 + 1 the first
 *     OW@STORE>6:0:1       the first key follows a word, which is looked for from 6 on; with -2, from there back
 *     RO@STREAMS>1:-1:1:2  the last key is in the first half (:2) of what is left
 *     RO@?#notes           cannot be told: by what other keys hold */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "commands/commands_int.h"

struct key_spec {
    struct slice flags, notes, word;
    int first; /* with a word, where the search for it begins */
    bool counted, unknown;
    int count_at, first_after; /* when counted, from the first index */
    int last, step, limit;
};

static int number_at(const char **at)
{
    char *end;
    long n = strtol(*at, &end, 10);
    *at = *end == ':' ? end + 1 : end;
    return (int)n;
}

/* Reads one spec and goes on to the next; false at the end. The text is our own: it is well formed. */
static bool next_spec(const char **at, struct key_spec *spec)
{
    if (!**at)
        return false;
    const char *p = *at;
    size_t len = strcspn(p, "@");
    *spec = (struct key_spec){.flags = {p, len}};
    p += len + 1;
    if (*p >= 'A' && *p <= 'Z') {
        spec->word = slice_of(p, strcspn(p, ">"));
        p += spec->word.len + 1;
    }
    spec->unknown = *p == '?';
    p += spec->unknown;
    spec->first = number_at(&p);
    spec->counted = *p == 'n';
    if (spec->counted) {
        p++;
        spec->count_at = number_at(&p);
        spec->first_after = number_at(&p);
    } else {
        spec->last = number_at(&p);
    }
    spec->step = number_at(&p);
    if (*p >= '0' && *p <= '9')
        spec->limit = number_at(&p);
    if (*p == '#') {
        spec->notes = slice_of(p + 1, strcspn(p + 1, "|"));
        p += 1 + spec->notes.len;
    }
    *at = *p == '|' ? p + 1 : p;
    return true;
}

/* ---- the keys of a request ---- */

/* Where the keys begin; 0: the word is not there. Redis does not look at the last argument. */
static int begin(const struct key_spec *spec, const struct slice *argv, int argc)
{
    if (!spec->word.len)
        return spec->unknown ? 0 : spec->first;
    int from = spec->first < 0 ? argc + spec->first : spec->first, step = spec->first < 0 ? -1 : 1;
    for (int i = from; i > 0 && i < argc - 1; i += step)
        if (argv[i].len == spec->word.len && strncasecmp(argv[i].data, spec->word.data, spec->word.len) == 0)
            return i + 1;
    return 0;
}

/* The first and the last key, both 0 when there are none; false: the arguments are invalid. */
static bool span(const struct key_spec *spec, const struct slice *argv, int argc, int *first, int *last)
{
    int64_t count;
    *first = begin(spec, argv, argc);
    *last = 0;
    if (*first == 0)
        return true;
    if (spec->counted) {
        int at = *first + spec->count_at;
        if (at >= argc || !parse_i64(argv[at], &count) || count < 1 || count > argc)
            return false;
        *first += spec->first_after;
        *last = *first + ((int)count - 1) * spec->step;
    } else if (spec->last >= 0) {
        *last = *first + spec->last;
    } else {
        *last = spec->limit ? *first + (argc - *first) / spec->limit + spec->last : argc + spec->last;
    }
    return *first <= *last && *last < argc;
}

int key_specs_find(const char *specs, const struct slice *argv, size_t argc, int *out, int max)
{
    struct key_spec spec;
    int n = 0, first, last;
    if (argc > INT32_MAX)
        return -1;
    while (next_spec(&specs, &spec)) {
        if (!span(&spec, argv, (int)argc, &first, &last))
            return -1;
        for (int i = first; i && i <= last; i += spec.step, n++)
            if (n < max)
                out[n] = i;
    }
    return n;
}

/* ---- what a request does with its keys ---- */

static bool has_word(struct slice words, const char *word)
{
    size_t len = strlen(word);
    for (size_t i = 0; i + len <= words.len; i++)
        if (memcmp(words.data + i, word, len) == 0 && (i == 0 || words.data[i - 1] == ' ') &&
            (i + len == words.len || words.data[i + len] == ' '))
            return true;
    return false;
}

static struct command_key key_of(size_t at, struct slice flags)
{
    return (struct command_key){.at = at,
                                .reads = has_word(flags, "access"),
                                .writes = has_word(flags, "insert") || has_word(flags, "delete") ||
                                          has_word(flags, "update")};
}

/* false: the specs do not tell, or the arguments make no sense. */
static bool keys_by_specs(const char *specs, const struct slice *argv, int argc, struct command_key *out,
                          size_t max, size_t *count)
{
    struct key_spec spec;
    int first, last;
    *count = 0;
    while (next_spec(&specs, &spec)) {
        if (has_word(spec.flags, "not_key"))
            continue;
        if (spec.unknown || !span(&spec, argv, argc, &first, &last))
            return false;
        for (int i = first; i && i <= last; i += spec.step, (*count)++)
            if (*count < max)
                out[*count] = key_of((size_t)i, spec.flags);
        if (has_word(spec.flags, "incomplete"))
            return false;
    }
    return true;
}

/* Of a key that only find_keys knows: of the spec that covers it, else of the last one that cannot tell where its keys are. */
static struct slice flags_at(const char *specs, const struct slice *argv, int argc, int position)
{
    struct key_spec spec;
    struct slice flags = {NULL, 0};
    int first, last;
    while (next_spec(&specs, &spec)) {
        if (spec.unknown)
            flags = spec.flags;
        else if (span(&spec, argv, argc, &first, &last) && first && position >= first && position <= last)
            return spec.flags;
    }
    return flags;
}

size_t command_key_access(const struct command *c, const struct slice *argv, size_t argc,
                          struct command_key *out, size_t max)
{
    size_t count = 0;
    if (argc > INT32_MAX || (!*c->key_specs && !c->find_keys) ||
        (!c->key_flags && keys_by_specs(c->key_specs, argv, (int)argc, out, max, &count)))
        return count;
    if (!c->key_flags && !c->find_keys)
        return 0;
    int found = command_keys(c, argv, argc, NULL, 0);
    if (found <= 0)
        return 0;
    int *positions = mem_alloc((size_t)found * sizeof *positions);
    command_keys(c, argv, argc, positions, found);
    for (size_t i = 0; i < (size_t)found && i < max; i++)
        out[i] = key_of((size_t)positions[i], c->key_flags
                                                  ? slice_cstr(c->key_flags(argv, argc))
                                                  : flags_at(c->key_specs, argv, (int)argc, positions[i]));
    mem_free(positions);
    return (size_t)found;
}

/* ---- what COMMAND says ---- */

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

static void reply_kind(struct buf *out, int resp, const char *kind, size_t pairs)
{
    resp_map(out, resp, 2);
    resp_bulk_cstr(out, "type");
    resp_bulk_cstr(out, kind);
    resp_bulk_cstr(out, "spec");
    resp_map(out, resp, pairs);
}

static void reply_begin(struct buf *out, int resp, const struct key_spec *spec)
{
    if (spec->unknown) {
        reply_kind(out, resp, "unknown", 0);
        return;
    }
    if (!spec->word.len) {
        reply_kind(out, resp, "index", 1);
        reply_pair(out, "index", spec->first);
        return;
    }
    reply_kind(out, resp, "keyword", 2);
    resp_bulk_cstr(out, "keyword");
    resp_bulk(out, spec->word);
    reply_pair(out, "startfrom", spec->first);
}

static void reply_find(struct buf *out, int resp, const struct key_spec *spec)
{
    if (spec->unknown) {
        reply_kind(out, resp, "unknown", 0);
        return;
    }
    if (spec->counted) {
        reply_kind(out, resp, "keynum", 3);
        reply_pair(out, "keynumidx", spec->count_at);
        reply_pair(out, "firstkey", spec->first_after);
        reply_pair(out, "keystep", spec->step);
        return;
    }
    reply_kind(out, resp, "range", 3);
    reply_pair(out, "lastkey", spec->last);
    reply_pair(out, "keystep", spec->step);
    reply_pair(out, "limit", spec->limit);
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
    reply_begin(out, resp, spec);
    resp_bulk_cstr(out, "find_keys");
    reply_find(out, resp, spec);
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
    struct slice flags = c->key_flags ? slice_cstr(c->key_flags(argv, argc))
                                      : flags_at(c->key_specs, argv, (int)argc, position);
    if (flags.len)
        reply_words(out, resp, flags);
    else
        resp_set(out, resp, 0);
}
