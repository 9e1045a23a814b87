/* The table of users, and the changes that entries make. */
#include <string.h>

#include "acl/acl_int.h"
#include "base/alloc.h"
#include "base/checksum.h"

struct slice slice_copy(struct slice s)
{
    char *data = mem_alloc(s.len + 1);
    if (s.len)
        memcpy(data, s.data, s.len);
    return slice_of(data, s.len);
}

void slice_free(struct slice s)
{
    mem_free((void *)(uintptr_t)s.data);
}

void acl_words_add(struct acl_words *w, struct slice text)
{
    if (w->count == w->cap) {
        w->cap = w->cap ? w->cap * 2 : 4;
        w->at = mem_realloc(w->at, w->cap * sizeof *w->at);
    }
    w->at[w->count++] = slice_copy(text);
}

void acl_words_deinit(struct acl_words *w)
{
    for (size_t i = 0; i < w->count; i++)
        slice_free(w->at[i]);
    mem_free(w->at);
    *w = (struct acl_words){0};
}

/* Where it stands, or would stand. */
static size_t find(const struct acl *a, struct slice name, bool *found)
{
    size_t low = 0, high = a->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        int order = slice_compare(a->users[middle]->name, name);
        if (order == 0) {
            *found = true;
            return middle;
        }
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    *found = false;
    return low;
}

const struct acl_user *acl_find(const struct acl *a, struct slice name)
{
    bool found;
    size_t at = find(a, name, &found);
    return found ? a->users[at] : NULL;
}

size_t acl_count(const struct acl *a)
{
    return a->count;
}

const struct acl_user *acl_at(const struct acl *a, size_t i)
{
    return i < a->count ? a->users[i] : NULL;
}

uint64_t acl_digest(const struct acl *a)
{
    return a->digest;
}

/* The user becomes what `from` is, and stays who it is. Takes `from`. */
static void become(struct acl_user *u, struct acl_user *from)
{
    struct acl_user old = *u;
    *u = *from;
    u->name = old.name;
    u->born = old.born;
    old.name = from->name;
    *from = old;
    user_free(from);
}

/* Takes `u`. */
static void put(struct acl *a, struct acl_user *u)
{
    bool found;
    size_t at = find(a, u->name, &found);
    user_settle(u);
    a->digest += u->digest - (found ? a->users[at]->digest : 0);
    if (found) {
        become(a->users[at], u);
        return;
    }
    a->users = mem_realloc(a->users, (a->count + 1) * sizeof *a->users);
    memmove(a->users + at + 1, a->users + at, (a->count - at) * sizeof *a->users);
    a->users[at] = u;
    a->count++;
}

static struct acl_user *new_default(const struct acl *a)
{
    static const char *const rules[] = {"+@all", "~*", "&*", "on", "nopass"};
    struct acl_user *u = user_new(SLICE_LITERAL("default"), 0, false);
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++)
        user_rule(u, a->catalog, slice_cstr(rules[i]), false);
    return u;
}

struct acl *acl_new(void)
{
    struct acl *a = mem_calloc(1, sizeof *a);
    a->catalog = catalog_new();
    put(a, new_default(a));
    return a;
}

static void drop_users(struct acl_user **users, size_t count)
{
    for (size_t i = 0; i < count; i++)
        user_free(users[i]);
    mem_free(users);
}

void acl_free(struct acl *a)
{
    if (!a)
        return;
    drop_users(a->users, a->count);
    mem_free(a->catalog);
    mem_free(a);
}

/* ---- changes ---- */

static bool add_rules(const struct acl *a, struct acl_user *u, const struct slice *rules, size_t count,
                      bool all_channels, struct buf *error)
{
    for (size_t i = 0; i < count; i++) {
        enum fault fault = user_rule(u, a->catalog, rules[i], all_channels);
        if (fault == FINE)
            continue;
        fault_report(rules[i], fault, error);
        return false;
    }
    return true;
}

bool acl_set_user(struct acl *a, uint64_t born, struct slice name, const struct slice *rules, size_t count,
                  bool all_channels, struct buf *error)
{
    if (!acl_name_is_good(name)) {
        buf_append_cstr(error, "Usernames can't contain spaces or null characters");
        return false;
    }
    const struct acl_user *now = acl_find(a, name);
    struct acl_user *staged = now ? user_copy(now) : user_new(name, born, all_channels);
    if (!add_rules(a, staged, rules, count, all_channels, error)) {
        user_free(staged);
        return false;
    }
    put(a, staged);
    return true;
}

bool acl_remove_user(struct acl *a, struct slice name)
{
    bool found;
    size_t at = find(a, name, &found);
    if (!found || slice_equal(name, SLICE_LITERAL("default")))
        return false;
    a->digest -= a->users[at]->digest;
    user_free(a->users[at]);
    a->count--;
    memmove(a->users + at, a->users + at + 1, (a->count - at) * sizeof *a->users);
    return true;
}

void acl_lines(const struct acl *a, struct acl_words *out)
{
    struct buf line = BUF_EMPTY;
    for (size_t i = 0; i < a->count; i++) {
        buf_truncate(&line, 0);
        acl_user_line(a->users[i], &line);
        acl_words_add(out, buf_slice(&line));
    }
    buf_deinit(&line);
}

/* A selector is one rule, though there are spaces in it: up to a word that is nothing but ")". */
static struct acl_words split_line(struct slice line)
{
    struct acl_words words = {0};
    size_t start = 0;
    bool in = false;
    for (size_t at = 0; at <= line.len;) {
        const char *space = at < line.len ? memchr(line.data + at, ' ', line.len - at) : NULL;
        size_t stop = space ? (size_t)(space - line.data) : line.len;
        struct slice word = slice_of(line.data + at, stop - at);
        bool opens = !in && words.count && word.len && word.data[0] == '(';
        start = in ? start : at;
        in = (in || opens) && !slice_equal(word, SLICE_LITERAL(")"));
        if (!in || stop == line.len)
            acl_words_add(&words, slice_of(line.data + start, stop - start));
        at = stop + 1;
    }
    return words;
}

static struct acl_user *read_line(const struct acl *a, uint64_t born, struct slice line, bool all_channels,
                                  struct buf *error)
{
    struct acl_words words = split_line(line);
    bool is_default = slice_equal(words.at[0], SLICE_LITERAL("default"));
    struct acl_user *u = user_new(words.at[0], is_default ? 0 : born, all_channels);
    if (!acl_name_is_good(words.at[0]) ||
        !add_rules(a, u, words.at + 1, words.count - 1, all_channels, error)) {
        user_free(u);
        u = NULL;
    }
    acl_words_deinit(&words);
    return u;
}

bool acl_restore_user(struct acl *a, uint64_t born, struct slice line)
{
    struct buf error = BUF_EMPTY;
    struct acl_user *u = read_line(a, born, line, false, &error);
    buf_deinit(&error);
    if (!u)
        return false;
    put(a, u);
    return true;
}

bool acl_load(struct acl *a, uint64_t born, const struct slice *lines, size_t count, bool all_channels,
              struct buf *error)
{
    struct acl fresh = {.catalog = a->catalog};
    bool ok = true;
    put(&fresh, new_default(a));
    for (size_t i = 0; ok && i < count; i++) {
        struct acl_user *u = read_line(a, born, lines[i], all_channels, error);
        ok = u != NULL;
        if (ok)
            put(&fresh, u);
    }
    struct acl old = *a;
    *(ok ? a : &old) = fresh;
    drop_users(old.users, old.count);
    return ok;
}

bool acl_set_default_password(struct acl *a, struct slice hex)
{
    struct buf rule = BUF_EMPTY, error = BUF_EMPTY;
    buf_append_cstr(&rule, "#");
    buf_append_slice(&rule, hex);
    struct slice rules[] = {SLICE_LITERAL("resetpass"), hex.len ? buf_slice(&rule) : SLICE_LITERAL("nopass")};
    bool ok = acl_set_user(a, 0, SLICE_LITERAL("default"), rules, 2, false, &error);
    buf_deinit(&rule);
    buf_deinit(&error);
    return ok;
}
