/* Rules as people write them: selectors in pieces, passwords in clear, commands in any case. What this build's command table decides is
 * decided here, once, by the node that takes them. */
#include <ctype.h>
#include <string.h>

#include "acl/acl_int.h"
#include "base/alloc.h"
#include "base/checksum.h"

bool has_spaces(struct slice s)
{
    for (size_t i = 0; i < s.len; i++)
        if (s.data[i] == 0 || isspace((unsigned char)s.data[i]))
            return true;
    return false;
}

bool acl_name_is_good(struct slice name)
{
    return !has_spaces(name);
}

const char *fault_text(enum fault f)
{
    switch (f) {
    case FAULT_UNKNOWN:
        return "Unknown command or category name in ACL";
    case FAULT_SYNTAX:
        return "Syntax error";
    case FAULT_ALL_KEYS:
        return "Adding a pattern after the * pattern (or the 'allkeys' flag) is not valid and does not have "
               "any "
               "effect. Try 'resetkeys' to start with an empty list of patterns";
    case FAULT_ALL_CHANNELS:
        return "Adding a pattern after the * pattern (or the 'allchannels' flag) is not valid and does not "
               "have "
               "any effect. Try 'resetchannels' to start with an empty list of channels";
    case FAULT_NO_PASSWORD:
        return "The password you are trying to remove from the user does not exist";
    case FAULT_BAD_HASH:
        return "The password hash must be exactly 64 characters and contain only lowercase hexadecimal "
               "characters";
    case FAULT_FIRST_ARG:
        return "Allowing first-arg of a subcommand is not supported";
    case FINE:
        break;
    }
    return "";
}

void fault_report(struct slice rule, enum fault f, struct buf *error)
{
    buf_append_cstr(error, "Error in ACL SETUSER modifier '");
    buf_append(error, rule.data, rule.len ? strnlen(rule.data, rule.len) : 0);
    buf_printf(error, "': %s", fault_text(f));
}

/* ---- one rule ---- */

static void put_lower(struct buf *out, struct slice s)
{
    for (size_t i = 0; i < s.len; i++)
        put_u8(out, (uint8_t)tolower((unsigned char)s.data[i]));
}

static void put_hash(struct buf *out, struct slice password)
{
    sha256_hex(password.data, password.len, buf_reserve(out, ACL_HEX));
    out->len += ACL_HEX;
}

/* %R~ in either case and order; the pattern may be missing, and then is the empty one. */
static enum fault prepare_keys(struct slice rule, struct buf *out)
{
    bool read = false, write = false;
    size_t at = 1;
    for (; at < rule.len && rule.data[at] != '~'; at++) {
        int c = toupper((unsigned char)rule.data[at]);
        if ((c != 'R' || read) && (c != 'W' || write))
            return FAULT_SYNTAX;
        read |= c == 'R';
        write |= c == 'W';
    }
    if (!read && !write)
        return FAULT_SYNTAX;
    buf_printf(out, "%%%s%s~", read ? "R" : "", write ? "W" : "");
    buf_append_slice(out, slice_drop(rule, at < rule.len ? at + 1 : at));
    return FINE;
}

/* "+name|word": a subcommand, or a first argument of a command that has none. */
static enum fault prepare_part(struct slice rule, size_t bar, struct buf *out)
{
    struct slice base = slice_of(rule.data + 1, bar - 1), part = slice_drop(rule, bar + 1);
    const struct command *row = catalog_find(base);
    if (!row)
        return FAULT_UNKNOWN;
    if (memchr(row->name, '|', strlen(row->name)))
        return FAULT_FIRST_ARG;
    if (part.len == 0 || has_spaces(part))
        return FAULT_SYNTAX;
    if (row->subcommands && !command_lookup_sub(row, part))
        return FAULT_UNKNOWN;
    if (row->subcommands) {
        put_lower(out, rule);
        return FINE;
    }
    put_lower(out, slice_of(rule.data, bar + 1));
    buf_append_slice(out, part);
    return FINE;
}

static enum fault prepare_command(struct slice rule, struct buf *out)
{
    struct slice name = slice_drop(rule, 1);
    const char *bar = memrchr(rule.data, '|', rule.len);
    bool category = name.len && name.data[0] == '@';
    if (category && !command_category(slice_drop(name, 1)) && !slice_is_word(name, "@all"))
        return FAULT_UNKNOWN;
    if (!category && bar && rule.data[0] == '+')
        return prepare_part(rule, (size_t)(bar - rule.data), out);
    if (!category && !catalog_find(name))
        return FAULT_UNKNOWN;
    put_lower(out, rule);
    return FINE;
}

static enum fault prepare_in_selector(struct slice rule, struct buf *out)
{
    static const struct {
        const char *word, *same;
    } words[] = {{"allkeys", "~*"},        {"resetkeys", "resetkeys"},
                 {"allchannels", "&*"},    {"resetchannels", "resetchannels"},
                 {"allcommands", "+@all"}, {"nocommands", "-@all"}};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (!slice_is_word(rule, words[i].word))
            continue;
        buf_append_cstr(out, words[i].same);
        return FINE;
    }
    switch (rule.len ? rule.data[0] : 0) {
    case '%':
        return prepare_keys(rule, out);
    case '~':
    case '&':
        buf_append_slice(out, rule);
        return has_spaces(rule) ? FAULT_SYNTAX : FINE;
    case '+':
    case '-':
        return prepare_command(rule, out);
    default:
        return FAULT_SYNTAX;
    }
}

static enum fault prepare_selector(struct slice rule, struct buf *out)
{
    size_t start = out->len;
    put_u8(out, '(');
    for (size_t at = 1; at + 1 < rule.len;) {
        size_t stop = at;
        while (stop + 1 < rule.len && !isspace((unsigned char)rule.data[stop]))
            stop++;
        if (stop > at) {
            if (out->len > start + 1)
                put_u8(out, ' ');
            enum fault fault = prepare_in_selector(slice_of(rule.data + at, stop - at), out);
            if (fault != FINE)
                return fault;
        }
        at = stop + 1;
    }
    put_u8(out, ')');
    return FINE;
}

static bool is_user_word(struct slice rule)
{
    static const char *const words[] = {
        "on",    "off",           "nopass", "resetpass", "sanitize-payload", "skip-sanitize-payload",
        "reset", "clearselectors"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (slice_is_word(rule, words[i]))
            return true;
    return false;
}

enum fault rule_prepare(struct slice rule, struct buf *out)
{
    if (rule.len == 0)
        return FINE;
    if (is_user_word(rule)) {
        put_lower(out, rule);
        return FINE;
    }
    switch (rule.data[0]) {
    case '>':
    case '<':
        put_u8(out, rule.data[0] == '>' ? '#' : '!');
        put_hash(out, slice_drop(rule, 1));
        return FINE;
    case '#':
    case '!':
        buf_append_slice(out, rule);
        return FINE;
    case '(':
        if (rule.data[rule.len - 1] == ')')
            return prepare_selector(rule, out);
        break;
    default:
        break;
    }
    return prepare_in_selector(rule, out);
}

/* ---- all of them ---- */

/* A selector may come in pieces, as its words. false: one is not closed; *open: where it begins. */
static bool merge(const struct slice *rules, size_t count, struct acl_words *out, size_t *open)
{
    struct buf piece = BUF_EMPTY;
    bool in = false;
    for (size_t i = 0; i < count; i++) {
        struct slice rule = rules[i];
        bool closes = rule.len && rule.data[rule.len - 1] == ')';
        if (!in && rule.len && rule.data[0] == '(' && !closes) {
            buf_truncate(&piece, 0);
            *open = i;
            in = true;
        } else if (!in) {
            acl_words_add(out, rule);
            continue;
        } else {
            put_u8(&piece, ' ');
        }
        buf_append_slice(&piece, rule);
        if (closes) {
            acl_words_add(out, buf_slice(&piece));
            in = false;
        }
    }
    buf_deinit(&piece);
    return !in;
}

/* A hash that cannot be one needs no state to be refused. */
static bool is_decided(enum fault f)
{
    return f == FAULT_SYNTAX || f == FAULT_UNKNOWN || f == FAULT_BAD_HASH || f == FAULT_FIRST_ARG;
}

bool acl_prepare(const struct acl *a, struct slice name, const struct slice *rules, size_t count,
                 bool all_channels, struct acl_words *out, struct buf *error)
{
    struct acl_words merged = {0};
    struct buf one = BUF_EMPTY;
    size_t open = 0;
    if (!merge(rules, count, &merged, &open)) {
        buf_printf(error, "Unmatched parenthesis in acl selector starting at '%.*s'.", (int)rules[open].len,
                   rules[open].data);
        acl_words_deinit(&merged);
        return false;
    }
    const struct acl_user *now = acl_find(a, name);
    struct acl_user *staged = now ? user_copy(now) : user_new(name, 0, all_channels);
    bool good = true;
    size_t before = error->len;
    for (size_t i = 0; i < merged.count && good; i++) {
        buf_truncate(&one, 0);
        enum fault fault = rule_prepare(merged.at[i], &one);
        if (fault == FINE)
            fault = user_rule(staged, a->catalog, buf_slice(&one), all_channels);
        good = !is_decided(fault);
        if (fault != FINE && error->len == before)
            fault_report(merged.at[i], fault, error);
        if (one.len)
            acl_words_add(out, buf_slice(&one));
    }
    user_free(staged);
    acl_words_deinit(&merged);
    buf_deinit(&one);
    return good;
}
