/* One selector: what its rules add up to. */
#include <stdlib.h>
#include <string.h>

#include "acl/acl_int.h"
#include "base/alloc.h"

static void set_bit(struct selector *s, size_t place, bool on)
{
    uint64_t bit = (uint64_t)1 << (place % 64);
    if (on)
        s->allowed[place / 64] |= bit;
    else
        s->allowed[place / 64] &= ~bit;
}

bool selector_allows(const struct selector *s, size_t place)
{
    return place < ACL_COMMANDS_MAX && s->allowed[place / 64] >> (place % 64) & 1;
}

struct selector *selector_new(bool all_channels)
{
    struct selector *s = mem_calloc(1, sizeof *s);
    s->all_channels = all_channels;
    return s;
}

static void drop_patterns(struct selector *s)
{
    for (size_t i = 0; i < s->pattern_count; i++)
        slice_free(s->patterns[i].text);
    mem_free(s->patterns);
    s->patterns = NULL;
    s->pattern_count = 0;
}

void selector_free(struct selector *s)
{
    drop_patterns(s);
    acl_words_deinit(&s->channels);
    acl_words_deinit(&s->commands);
    mem_free(s);
}

/* ---- keys and channels ---- */

static void add_pattern(struct selector *s, unsigned access, struct slice text)
{
    for (size_t i = 0; i < s->pattern_count; i++) {
        if (slice_equal(s->patterns[i].text, text)) {
            s->patterns[i].access |= access;
            return;
        }
    }
    s->patterns = mem_realloc(s->patterns, (s->pattern_count + 1) * sizeof *s->patterns);
    s->patterns[s->pattern_count++] = (struct key_pattern){access, slice_copy(text)};
}

/* ~text, %R~text, %W~text, %RW~text */
static enum fault key_rule(struct selector *s, struct slice rule)
{
    unsigned access = rule.data[0] == '~' ? ACL_ALL : 0;
    size_t at = rule.data[0] == '~' ? 0 : 1;
    if (s->all_keys)
        return FAULT_ALL_KEYS;
    for (; at < rule.len && (rule.data[at] == 'R' || rule.data[at] == 'W'); at++)
        access |= rule.data[at] == 'R' ? ACL_READ : ACL_WRITE;
    if (!access || at == rule.len || rule.data[at] != '~' || has_spaces(rule))
        return FAULT_SYNTAX;
    add_pattern(s, access, slice_drop(rule, at + 1));
    return FINE;
}

static enum fault channel_rule(struct selector *s, struct slice rule)
{
    struct slice text = slice_drop(rule, 1);
    if (s->all_channels)
        return FAULT_ALL_CHANNELS;
    if (has_spaces(text))
        return FAULT_SYNTAX;
    for (size_t i = 0; i < s->channels.count; i++)
        if (slice_equal(s->channels.at[i], text))
            return FINE;
    acl_words_add(&s->channels, text);
    return FINE;
}

/* ---- commands ---- */

void selector_set(struct selector *s, const struct catalog *c, const struct command *row, bool allow)
{
    size_t place = catalog_place(c, row);
    if (place == ACL_COMMANDS_MAX)
        return;
    set_bit(s, place, allow);
    for (const struct command *sub = row->subcommands; sub && sub->name; sub++)
        set_bit(s, catalog_place(c, sub), allow);
}

void selector_category(struct selector *s, const struct catalog *c, uint32_t category, bool allow)
{
    for (size_t i = 0; i < c->count; i++)
        if (c->rows[i]->categories & category)
            selector_set(s, c, c->rows[i], allow);
}

/* What this build does not know is without effect: whoever made the entry knew it. */
static void derive(struct selector *s, const struct catalog *c, struct slice rule)
{
    bool allow = rule.data[0] == '+';
    struct slice name = slice_drop(rule, 1);
    const struct command *row = name.data[0] == '@' ? NULL : catalog_find(name);
    if (row)
        selector_set(s, c, row, allow);
    else if (name.data[0] == '@')
        selector_category(s, c, command_category(slice_drop(name, 1)), allow);
}

/* A rule about the command or one of its categories takes back those before it; of the former kind they are not even kept. */
struct slice selector_first_arg(const struct selector *s, const struct command *row, size_t i)
{
    size_t first = s->commands.count, len = strlen(row->name);
    for (; first > 0; first--) {
        struct slice name = slice_drop(s->commands.at[first - 1], 1);
        if (name.data[0] == '@' && command_category(slice_drop(name, 1)) & row->categories)
            break;
    }
    for (; first < s->commands.count && !row->subcommands; first++) {
        struct slice name = slice_drop(s->commands.at[first], 1);
        if (name.len > len && name.data[len] == '|' && strncasecmp(name.data, row->name, len) == 0 &&
            i-- == 0)
            return slice_drop(name, len + 1);
    }
    return slice_of(NULL, 0);
}

static bool is_outdone(struct slice older, struct slice name)
{
    struct slice old = slice_drop(older, 1);
    return old.len >= name.len && strncasecmp(old.data, name.data, name.len) == 0 &&
           (old.len == name.len || (old.data[name.len] == '|' && name.data[0] != '@'));
}

/* What an older rule of the same name, or of one of its subcommands, said is over. */
static void keep_rule(struct selector *s, struct slice rule)
{
    size_t kept = 0;
    for (size_t i = 0; i < s->commands.count; i++) {
        if (is_outdone(s->commands.at[i], slice_drop(rule, 1)))
            slice_free(s->commands.at[i]);
        else
            s->commands.at[kept++] = s->commands.at[i];
    }
    s->commands.count = kept;
    acl_words_add(&s->commands, rule);
}

static void all_commands(struct selector *s, const struct catalog *c, bool allow)
{
    acl_words_deinit(&s->commands);
    s->future = allow;
    memset(s->allowed, 0, sizeof s->allowed);
    for (size_t i = 0; allow && i < c->count; i++)
        set_bit(s, i, true);
}

static enum fault command_rule(struct selector *s, const struct catalog *c, struct slice rule)
{
    if (rule.len < 2 || has_spaces(rule))
        return FAULT_SYNTAX;
    if (slice_is_word(slice_drop(rule, 1), "@all")) {
        all_commands(s, c, rule.data[0] == '+');
    } else {
        keep_rule(s, rule);
        derive(s, c, rule);
    }
    size_t place = 0;
    while (place < c->count && selector_allows(s, place))
        place++;
    s->all_commands = place == c->count;
    return FINE;
}

enum fault selector_rule(struct selector *s, const struct catalog *c, struct slice rule)
{
    bool all_keys = slice_is_word(rule, "~*"), all_channels = slice_is_word(rule, "&*");
    if (all_keys || slice_is_word(rule, "resetkeys")) {
        drop_patterns(s);
        s->all_keys = all_keys;
        return FINE;
    }
    if (all_channels || slice_is_word(rule, "resetchannels")) {
        acl_words_deinit(&s->channels);
        s->all_channels = all_channels;
        return FINE;
    }
    switch (rule.len ? rule.data[0] : 0) {
    case '~':
    case '%':
        return key_rule(s, rule);
    case '&':
        return channel_rule(s, rule);
    case '+':
    case '-':
        return command_rule(s, c, rule);
    default:
        return FAULT_SYNTAX;
    }
}

/* ---- as rules again ---- */

static void put_words(const struct acl_words *w, const char *before, struct buf *out)
{
    for (size_t i = 0; i < w->count; i++) {
        put_u8(out, ' ');
        buf_append_cstr(out, before);
        buf_append_slice(out, w->at[i]);
    }
}

/* From a selector without anything in it these rules make the same one. */
void selector_line(const struct selector *s, struct buf *out)
{
    static const char *const marks[] = {[ACL_READ] = "%R~", [ACL_WRITE] = "%W~", [ACL_ALL] = "%RW~"};
    buf_append_cstr(out, s->all_keys ? "~*" : "resetkeys");
    for (size_t i = 0; i < s->pattern_count; i++) {
        put_u8(out, ' ');
        buf_append_cstr(out, marks[s->patterns[i].access]);
        buf_append_slice(out, s->patterns[i].text);
    }
    buf_append_cstr(out, s->all_channels ? " &*" : " resetchannels");
    put_words(&s->channels, "&", out);
    buf_append_cstr(out, s->future ? " +@all" : " -@all");
    put_words(&s->commands, "", out);
}

static void copy_words(struct acl_words *to, const struct acl_words *from)
{
    for (size_t i = 0; i < from->count; i++)
        acl_words_add(to, from->at[i]);
}

struct selector *selector_copy(const struct selector *s)
{
    struct selector *copy = mem_alloc(sizeof *copy);
    *copy = *s;
    copy->patterns = NULL;
    copy->pattern_count = 0;
    copy->channels = copy->commands = (struct acl_words){0};
    for (size_t i = 0; i < s->pattern_count; i++)
        add_pattern(copy, s->patterns[i].access, s->patterns[i].text);
    copy_words(&copy->channels, &s->channels);
    copy_words(&copy->commands, &s->commands);
    return copy;
}
