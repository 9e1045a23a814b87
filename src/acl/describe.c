/* A set of commands as rules that people can read: categories where they fit best, then single commands. This is what Redis 7.0
 * shows, rule by rule; what was written to make the set is not to be seen. */
#include <string.h>

#include "acl/acl_int.h"

static void count_category(const struct selector *s, const struct catalog *c, uint32_t category, size_t *on,
                           size_t *off)
{
    *on = *off = 0;
    for (size_t i = 0; i < c->count; i++) {
        if (!(c->rows[i]->categories & category))
            continue;
        *(selector_allows(s, i) ? on : off) += 1;
    }
}

/* The category that has most in common with what is left of the set; -1: none has more in common than not. */
static int best_category(const struct selector *left, const struct catalog *c, uint32_t done)
{
    bool additive = !left->future;
    size_t least = SIZE_MAX, most = 0;
    int best = -1;
    for (int i = 0; command_category_at((size_t)i); i++) {
        size_t on, off;
        if (done >> i & 1)
            continue;
        count_category(left, c, (uint32_t)1 << i, &on, &off);
        size_t differ = additive ? off : on, same = additive ? on : off;
        if (same > differ && (differ < least || (differ == least && same > most))) {
            best = i;
            least = differ;
            most = same;
        }
    }
    return best;
}

static void put_categories(const struct selector *s, const struct catalog *c, struct selector *said,
                           struct buf *out)
{
    struct selector left = *s;
    uint32_t done = 0;
    int best;
    while ((best = best_category(&left, c, done)) >= 0) {
        uint32_t category = (uint32_t)1 << best;
        selector_category(said, c, category, !s->future);
        selector_category(&left, c, category, s->future);
        buf_printf(out, " %c@%s", s->future ? '-' : '+', command_category_at((size_t)best));
        done |= category;
    }
}

static void put_single_commands(const struct selector *s, const struct catalog *c, struct selector *said,
                                struct buf *out)
{
    struct slice first;
    for (size_t i = 0; i < c->count; i++) {
        const struct command *row = c->rows[i];
        bool allowed = selector_allows(s, i);
        if (allowed != selector_allows(said, i)) {
            buf_printf(out, " %c%s", allowed ? '+' : '-', row->name);
            selector_set(said, c, row, allowed);
        }
        for (size_t k = 0; !allowed && (first = selector_first_arg(s, row, k)).data; k++)
            buf_printf(out, " +%s|%.*s", row->name, (int)first.len, first.data);
    }
}

static void put_commands(const struct selector *s, const struct catalog *c, struct buf *out)
{
    struct selector said = {.future = s->future};
    if (s->future)
        memset(said.allowed, 0xff, sizeof said.allowed);
    buf_append_cstr(out, s->future ? "+@all" : "-@all");
    put_categories(s, c, &said, out);
    put_single_commands(s, c, &said, out);
}

static void put_keys(const struct selector *s, struct buf *out)
{
    static const char *const marks[] = {[ACL_READ] = "%R~", [ACL_WRITE] = "%W~", [ACL_ALL] = "~"};
    if (s->all_keys)
        buf_append_cstr(out, "~*");
    for (size_t i = 0; i < s->pattern_count; i++) {
        buf_append_cstr(out, i ? " " : "");
        buf_append_cstr(out, marks[s->patterns[i].access]);
        buf_append_slice(out, s->patterns[i].text);
    }
}

static void put_channels(const struct selector *s, struct buf *out)
{
    if (s->all_channels)
        buf_append_cstr(out, "&*");
    for (size_t i = 0; i < s->channels.count; i++) {
        buf_append_cstr(out, i ? " &" : "&");
        buf_append_slice(out, s->channels.at[i]);
    }
}

static void put_selector(const struct selector *s, const struct catalog *c, struct buf *out)
{
    if (s->all_keys || s->pattern_count) {
        put_keys(s, out);
        put_u8(out, ' ');
    }
    if (!s->all_channels)
        buf_append_cstr(out, "resetchannels ");
    if (s->all_channels || s->channels.count) {
        put_channels(s, out);
        put_u8(out, ' ');
    }
    put_commands(s, c, out);
}

void acl_describe(const struct acl *a, const struct acl_user *u, struct buf *out)
{
    for (size_t i = 0; acl_flag(u, i); i++)
        buf_printf(out, "%s ", acl_flag(u, i));
    for (size_t i = 0; i < u->password_count; i++)
        buf_printf(out, "#%.*s ", ACL_HEX, u->passwords[i]);
    for (size_t i = 0; i < u->selector_count; i++) {
        buf_append_cstr(out, i ? " (" : "");
        put_selector(u->selectors[i], a->catalog, out);
        buf_append_cstr(out, i ? ")" : "");
    }
}

size_t acl_selector_count(const struct acl_user *u)
{
    return u->selector_count;
}

void acl_describe_commands(const struct acl *a, const struct acl_user *u, size_t selector, struct buf *out)
{
    put_commands(u->selectors[selector], a->catalog, out);
}

void acl_describe_keys(const struct acl_user *u, size_t selector, struct buf *out)
{
    put_keys(u->selectors[selector], out);
}

void acl_describe_channels(const struct acl_user *u, size_t selector, struct buf *out)
{
    put_channels(u->selectors[selector], out);
}
