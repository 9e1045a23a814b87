/* The users in a file. */
#include "server/acl_file.h"

#include <errno.h>
#include <string.h>

#include "server/file.h"

enum { FILE_MAX = 64 * 1024 * 1024 };

bool acl_file_user(struct acl *a, struct slice name, const struct slice *rules, size_t count,
                   bool all_channels, struct buf *error)
{
    struct acl_words prepared = {0};
    if (!acl_name_is_good(name)) {
        buf_append_cstr(error, "Spaces not allowed in ACL usernames");
        return false;
    }
    struct acl *alone = acl_new(); /* rules begin with nobody: `default` has none there either */
    struct slice reset = SLICE_LITERAL("reset");
    bool is_default = slice_equal(name, SLICE_LITERAL("default"));
    size_t before = error->len;
    bool ok = (!is_default || acl_set_user(alone, 0, name, &reset, 1, all_channels, error)) &&
              acl_prepare(alone, name, rules, count, all_channels, &prepared, error) &&
              error->len == before &&
              acl_set_user(alone, 0, name, prepared.at, prepared.count, all_channels, error);
    if (ok) {
        struct buf line = BUF_EMPTY;
        acl_user_line(acl_find(alone, name), &line);
        ok = acl_restore_user(a, 0, buf_slice(&line));
        buf_deinit(&line);
    }
    acl_free(alone);
    acl_words_deinit(&prepared);
    return ok;
}

/* ---- reading ---- */

static struct acl_words split(struct slice line)
{
    struct acl_words words = {0};
    while (line.len) {
        const char *space = memchr(line.data, ' ', line.len);
        size_t len = space ? (size_t)(space - line.data) : line.len;
        acl_words_add(&words, slice_of(line.data, len));
        line = slice_drop(line, len + (space != NULL));
    }
    return words;
}

static struct slice trimmed(struct slice line)
{
    while (line.len && memchr(" \t\r\n", line.data[0], 4))
        line = slice_drop(line, 1);
    while (line.len && memchr(" \t\r\n", line.data[line.len - 1], 4))
        line.len--;
    return line;
}

static void read_user(struct acl *a, struct slice line, const char *path, int number, struct acl_words *seen,
                      bool all_channels, struct buf *error)
{
    struct acl_words words = split(line);
    struct buf wrong = BUF_EMPTY;
    if (words.count < 2 || !slice_equal(words.at[0], SLICE_LITERAL("user"))) {
        buf_printf(error, "%s:%d should start with user keyword followed by the username. ", path, number);
        goto out;
    }
    struct slice name = words.at[1];
    for (size_t i = 0; i < seen->count; i++) {
        if (!slice_equal(seen->at[i], name))
            continue;
        buf_printf(error, "WARNING: Duplicate user '%.*s' found on line %d. ", (int)name.len, name.data,
                   number);
        goto out;
    }
    acl_words_add(seen, name);
    if (!acl_file_user(a, name, words.at + 2, words.count - 2, all_channels, &wrong)) {
        /* Of a rule Redis tells here what is wrong with it, and not which one it is. */
        const char *colon = memmem(wrong.data, wrong.len, "': ", 3);
        struct slice what =
            colon ? slice_drop(buf_slice(&wrong), (size_t)(colon + 3 - wrong.data)) : buf_slice(&wrong);
        buf_printf(error, "%s:%d: %.*s. ", path, number, (int)what.len, what.data);
    }
out:
    buf_deinit(&wrong);
    acl_words_deinit(&words);
}

static void copy_users(struct acl *to, const struct acl *from)
{
    struct acl_words lines = {0};
    struct buf error = BUF_EMPTY;
    acl_lines(from, &lines);
    acl_load(to, 0, lines.at, lines.count, false, &error);
    acl_words_deinit(&lines);
    buf_deinit(&error);
}

bool acl_file_load(struct acl *a, const char *path, bool all_channels, struct buf *error)
{
    struct buf text = BUF_EMPTY;
    size_t before = error->len;
    if (!file_read(path, FILE_MAX, &text)) {
        buf_printf(error, "Error loading ACLs, opening file '%s': %s", path, strerror(errno));
        buf_deinit(&text);
        return false;
    }
    struct acl *fresh = acl_new();
    struct acl_words seen = {0};
    int number = 1;
    for (struct slice rest = buf_slice(&text); rest.len; number++) {
        const char *newline = memchr(rest.data, '\n', rest.len);
        size_t len = newline ? (size_t)(newline - rest.data) : rest.len;
        struct slice line = trimmed(slice_of(rest.data, len));
        if (line.len)
            read_user(fresh, line, path, number, &seen, all_channels, error);
        rest = slice_drop(rest, len + (newline != NULL));
    }
    bool ok = error->len == before;
    if (ok)
        copy_users(a, fresh);
    else
        buf_append_cstr(
            error,
            "WARNING: ACL errors detected, no change to the previously active ACL rules was performed");
    acl_words_deinit(&seen);
    acl_free(fresh);
    buf_deinit(&text);
    return ok;
}

/* ---- writing ---- */

void acl_file_line(const struct acl *a, const struct acl_user *u, struct buf *out)
{
    struct slice name = acl_user_name(u);
    buf_printf(out, "user %.*s ", (int)name.len, name.data);
    acl_describe(a, u, out);
}

bool acl_file_save(const struct acl *a, const char *path)
{
    struct buf text = BUF_EMPTY;
    for (size_t i = 0; i < acl_count(a); i++) {
        acl_file_line(a, acl_at(a, i), &text);
        put_u8(&text, '\n');
    }
    bool ok = file_replace(path, 0600, buf_slice(&text));
    buf_deinit(&text);
    return ok;
}
