/* Where directives come from: a file in redis.conf's syntax, standard input, the command line; and back into the file
 * by CONFIG REWRITE. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/dict.h"
#include "base/resp.h"
#include "server/config_int.h"
#include "server/file.h"

enum { INCLUDES_MAX = 16, WORDS_MAX = 128, LINE_LIMIT = 1024 * 1024 };

static const struct resp_limits line_limits = {
    .max_args = 1024, .max_bulk = LINE_LIMIT, .max_inline = LINE_LIMIT};

static bool read_file(const char *path, struct buf *out, struct buf *error)
{
    if (file_read(path, SIZE_MAX, out))
        return true;
    buf_printf(error, "can't read the configuration file %s: %s", path, strerror(errno));
    return false;
}

/* A line's words, by the rules of an inline request, which are redis.conf's too. False: unbalanced quotes. The words
 * stay good until the parser is used again. An empty line and a comment have none. */
static bool split_line(struct resp_parser *p, struct buf *line, struct slice text)
{
    size_t start = 0;
    while (start < text.len && strchr(" \t\r", text.data[start]))
        start++;
    p->argc = 0;
    if (start == text.len || text.data[start] == '#')
        return true;
    buf_truncate(line, 0);
    buf_append(line, text.data + start, text.len - start);
    put_u8(line, '\n');
    resp_parser_deinit(p);
    return *line->data != '*' && resp_parse(p, buf_slice(line), &line_limits) == RESP_REQUEST;
}

static bool load_text(struct config *c, struct slice text, const char *where, int depth, struct buf *error);

static bool include(struct config *c, struct slice path, int depth, struct buf *error)
{
    char *name = NULL;
    struct buf text = BUF_EMPTY;
    config_text(&name, path);
    bool ok = depth < INCLUDES_MAX;
    if (!ok)
        buf_printf(error, "includes are nested too deep at %s", name);
    ok = ok && read_file(name, &text, error) && load_text(c, buf_slice(&text), name, depth + 1, error);
    buf_deinit(&text);
    mem_free(name);
    return ok;
}

static bool load_words(struct config *c, const struct slice *words, size_t count, int depth,
                       struct buf *error)
{
    if (slice_is_word(words[0], "include") && count == 2)
        return include(c, words[1], depth, error);
    if (slice_is_word(words[0], "user") && count >= 2)
        return config_user_line(c, words + 1, count - 1, error);
    if (!config_is_known(words[0])) {
        buf_printf(error, "unknown directive '%.*s'", (int)words[0].len, words[0].data);
        return false;
    }
    if (count < 2) {
        buf_printf(error, "directive '%.*s' needs a value", (int)words[0].len, words[0].data);
        return false;
    }
    struct buf reason = BUF_EMPTY;
    bool ok = config_set(c, words[0], words + 1, count - 1, true, &reason);
    if (!ok)
        buf_printf(error, "bad value for '%.*s': %.*s", (int)words[0].len, words[0].data, (int)reason.len,
                   reason.data);
    buf_deinit(&reason);
    return ok;
}

static bool load_text(struct config *c, struct slice text, const char *where, int depth, struct buf *error)
{
    struct resp_parser parser;
    struct buf line = BUF_EMPTY, reason = BUF_EMPTY;
    resp_parser_init(&parser);
    bool ok = true;
    int number = 0;
    for (const char *at = text.data, *end = at + text.len; ok && at < end; number++) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        const char *stop = newline ? newline : end;
        ok = split_line(&parser, &line, slice_of(at, (size_t)(stop - at)));
        if (!ok)
            buf_append_cstr(&reason, "unbalanced quotes");
        else if (parser.argc)
            ok = load_words(c, parser.argv, parser.argc, depth, &reason);
        at = stop + 1;
    }
    if (!ok)
        buf_printf(error, "%s, line %d: %.*s", where, number, (int)reason.len, reason.data);
    resp_parser_deinit(&parser);
    buf_deinit(&line);
    buf_deinit(&reason);
    return ok;
}

bool config_load_text(struct config *c, struct slice text, const char *where, struct buf *error)
{
    return text.len == 0 || load_text(c, text, where, 0, error);
}

static bool load_first(struct config *c, const char *path, struct buf *error)
{
    struct buf text = BUF_EMPTY;
    bool from_stdin = strcmp(path, "-") == 0;
    bool ok = from_stdin ? file_read_fd(STDIN_FILENO, SIZE_MAX, &text) : read_file(path, &text, error);
    if (ok && !from_stdin) {
        char resolved[PATH_MAX];
        if (realpath(path, resolved))
            config_text(&c->file, slice_cstr(resolved));
    }
    ok = ok && config_load_text(c, buf_slice(&text), from_stdin ? "standard input" : path, error);
    buf_deinit(&text);
    return ok;
}

bool config_load(struct config *c, int argc, char **argv, struct buf *error)
{
    int i = 1;
    if (i < argc && (strncmp(argv[i], "--", 2) != 0 || strcmp(argv[i], "-") == 0)) {
        if (!load_first(c, argv[i++], error))
            return false;
    }
    while (i < argc) {
        if (strncmp(argv[i], "--", 2) != 0 || argv[i][2] == '\0') {
            buf_printf(error, "unexpected argument '%s'", argv[i]);
            return false;
        }
        struct slice words[WORDS_MAX];
        size_t count = 0;
        words[count++] = slice_cstr(argv[i++] + 2);
        while (i < argc && strncmp(argv[i], "--", 2) != 0 && count < WORDS_MAX)
            words[count++] = slice_cstr(argv[i++]);
        if (!load_words(c, words, count, 0, error))
            return false;
    }
    return config_finish(c, error);
}

/* ---- CONFIG REWRITE ---- */

static bool needs_quotes(struct slice s)
{
    if (s.len == 0)
        return true;
    for (size_t i = 0; i < s.len; i++)
        if ((unsigned char)s.data[i] <= ' ' || strchr("\"'\\#", s.data[i]) ||
            (unsigned char)s.data[i] >= 0x7f)
            return true;
    return false;
}

static void put_quoted(struct buf *out, struct slice s)
{
    if (!needs_quotes(s)) {
        buf_append_slice(out, s);
        return;
    }
    put_u8(out, '"');
    for (size_t i = 0; i < s.len; i++) {
        unsigned char b = (unsigned char)s.data[i];
        if (b == '"' || b == '\\')
            buf_printf(out, "\\%c", b);
        else if (b < ' ' || b >= 0x7f)
            buf_printf(out, "\\x%02x", b);
        else
            put_u8(out, b);
    }
    put_u8(out, '"');
}

/* Values of several words stand in the file as words, all others as one. */
static void put_line(const struct config *c, const struct directive *d, struct buf *out)
{
    struct buf value = BUF_EMPTY;
    config_print(c, d, &value);
    if (d->flags & REPEATS || d->parse == config_parse_bind) {
        size_t words = d->parse == config_parse_output_limit ? 4
                       : d->parse == config_parse_extra_port ? 2
                                                             : SIZE_MAX;
        size_t seen = 0, start = 0;
        for (size_t i = 0; i <= value.len && value.len; i++) {
            if (i < value.len && (value.data[i] != ' ' || ++seen % words))
                continue;
            buf_printf(out, "%s %.*s\n", d->name, (int)(i - start), value.data + start);
            start = i + 1;
        }
    } else {
        buf_printf(out, "%s ", d->name);
        put_quoted(out, buf_slice(&value));
        put_u8(out, '\n');
    }
    buf_deinit(&value);
}

static bool is_changed(const struct config *c, const struct config *initial, const struct directive *d)
{
    struct buf now = BUF_EMPTY, then = BUF_EMPTY;
    config_print(c, d, &now);
    config_print(initial, d, &then);
    bool changed = !slice_equal(buf_slice(&now), buf_slice(&then));
    buf_deinit(&now);
    buf_deinit(&then);
    return changed;
}

/* The file's lines with ours in the place of those that name the same directive; what the file lacks and is not the
 * default comes behind. Replicated settings are the log's: their lines stay as they are. */
static void rewrite_text(const struct config *c, struct slice old, struct buf *out)
{
    struct resp_parser parser;
    struct buf line = BUF_EMPTY;
    struct dict *done = dict_new(NULL);
    struct config *initial = config_new();
    resp_parser_init(&parser);
    for (const char *at = old.data, *end = at + old.len; at < end;) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        const char *stop = newline ? newline : end;
        struct slice text = {at, (size_t)(stop - at)};
        at = stop + 1;
        bool words = split_line(&parser, &line, text) && parser.argc > 0;
        const struct directive *d =
            words && !config_is_replicated(parser.argv[0]) ? config_row(parser.argv[0]) : NULL;
        if (!d) {
            buf_append_slice(out, text);
            put_u8(out, '\n');
        } else if (!dict_put(done, slice_cstr(d->name), (void *)(uintptr_t)d)) {
            put_line(c, d, out);
        }
    }
    for (const struct directive *d = config_table; d->name; d++)
        if (!config_is_replicated(slice_cstr(d->name)) && !dict_get(done, slice_cstr(d->name)) &&
            is_changed(c, initial, d))
            put_line(c, d, out);
    config_free(initial);
    dict_free(done);
    resp_parser_deinit(&parser);
    buf_deinit(&line);
}

bool config_rewrite(const struct config *c, struct buf *error)
{
    if (!c->file) {
        buf_append_cstr(error, "The server is running without a config file");
        return false;
    }
    struct buf old = BUF_EMPTY, text = BUF_EMPTY;
    bool ok = read_file(c->file, &old, error);
    if (ok) {
        if (old.len)
            rewrite_text(c, buf_slice(&old), &text);
        else
            rewrite_text(c, SLICE_LITERAL("\n"), &text);
        ok = file_replace(c->file, 0644, buf_slice(&text));
        if (!ok)
            buf_printf(error, "Rewriting config file: %s", strerror(errno));
    }
    buf_deinit(&old);
    buf_deinit(&text);
    return ok;
}
