/* "#!lua flags=no-writes,allow-oom": what a script says of itself. */
#include "script/script.h"

#include <string.h>

static const struct {
    const char *name;
    unsigned flag;
} known[] = {
    {"no-writes", SCRIPT_NO_WRITES},
    {"allow-oom", SCRIPT_ALLOW_OOM},
    {"allow-stale", SCRIPT_ALLOW_STALE},
    {"no-cluster", SCRIPT_NO_CLUSTER},
    {"allow-cross-slot-keys", SCRIPT_CROSS_SLOT},
};

const char *script_flag_name(size_t i, unsigned *flag)
{
    if (i >= sizeof known / sizeof *known)
        return NULL;
    *flag = known[i].flag;
    return known[i].name;
}

bool script_flag(struct slice name, unsigned *flags)
{
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (slice_is_word(name, known[i].name)) {
            *flags |= known[i].flag;
            return true;
        }
    }
    return false;
}

static bool fail(struct buf *error, const char *text, struct slice what)
{
    buf_append_cstr(error, text);
    buf_append_slice(error, what);
    return false;
}

/* The next word of *line, which goes on behind it. false: there is none. */
static bool next_word(struct slice *line, char between, struct slice *word)
{
    while (between == ' ' && line->len && (*line->data == ' ' || *line->data == '\t' || *line->data == '\r'))
        *line = slice_drop(*line, 1);
    if (line->data == NULL || (between == ' ' && line->len == 0))
        return false;
    size_t len = 0;
    while (len < line->len && line->data[len] != between)
        len++;
    *word = slice_of(line->data, len);
    *line = len < line->len ? slice_drop(*line, len + 1) : slice_of(between == ' ' ? line->data : NULL, 0);
    return true;
}

static bool read_flags(struct slice list, unsigned *flags, struct buf *error)
{
    struct slice word;
    if (list.len == 0)
        return true;
    while (next_word(&list, ',', &word)) {
        size_t i = 0;
        while (i < sizeof known / sizeof *known && !slice_equal(word, slice_cstr(known[i].name)))
            i++;
        if (i == sizeof known / sizeof *known)
            return fail(error, "Unexpected flag in script shebang: ", word);
        *flags |= known[i].flag;
    }
    return true;
}

bool script_shebang(struct slice body, unsigned *flags, struct slice *code, struct buf *error)
{
    static const char option[] = "flags=";
    *flags = 0;
    *code = body;
    if (body.len < 2 || memcmp(body.data, "#!", 2) != 0)
        return true;
    const char *end = memchr(body.data, '\n', body.len);
    if (!end)
        return fail(error, "Invalid script shebang", slice_of(NULL, 0));
    struct slice line = slice_of(body.data, (size_t)(end - body.data)), word;
    *code = slice_drop(body, line.len);
    if (!next_word(&line, ' ', &word) || !slice_equal(word, SLICE_LITERAL("#!lua")))
        return fail(error, "Unexpected engine in script shebang: ", word);
    *flags = SCRIPT_DECLARED;
    while (next_word(&line, ' ', &word)) {
        size_t prefix = sizeof option - 1;
        if (word.len < prefix || memcmp(word.data, option, prefix) != 0)
            return fail(error, "Unknown lua shebang option: ", word);
        if (!read_flags(slice_drop(word, prefix), flags, error))
            return false;
    }
    return true;
}
