/* One user: passwords, whether it may come in, selectors. */
#include <string.h>

#include "acl/acl_int.h"
#include "base/alloc.h"
#include "base/checksum.h"

struct acl_user *user_new(struct slice name, uint64_t born, bool all_channels)
{
    struct acl_user *u = mem_calloc(1, sizeof *u);
    u->name = slice_copy(name);
    u->born = born;
    u->selectors = mem_alloc(sizeof *u->selectors);
    u->selectors[u->selector_count++] = selector_new(all_channels);
    return u;
}

static void drop_selectors(struct acl_user *u, size_t keep)
{
    while (u->selector_count > keep)
        selector_free(u->selectors[--u->selector_count]);
}

void user_free(struct acl_user *u)
{
    drop_selectors(u, 0);
    mem_free(u->selectors);
    mem_free(u->passwords);
    slice_free(u->name);
    mem_free(u);
}

static void add_selector(struct acl_user *u, struct selector *s)
{
    u->selectors = mem_realloc(u->selectors, (u->selector_count + 1) * sizeof *u->selectors);
    u->selectors[u->selector_count++] = s;
}

struct acl_user *user_copy(const struct acl_user *u)
{
    struct acl_user *copy = mem_alloc(sizeof *copy);
    *copy = *u;
    copy->name = slice_copy(u->name);
    copy->passwords = NULL;
    if (u->password_count) {
        copy->passwords = mem_alloc(u->password_count * sizeof *u->passwords);
        memcpy(copy->passwords, u->passwords, u->password_count * sizeof *u->passwords);
    }
    copy->selectors = NULL;
    copy->selector_count = 0;
    for (size_t i = 0; i < u->selector_count; i++)
        add_selector(copy, selector_copy(u->selectors[i]));
    return copy;
}

void user_settle(struct acl_user *u)
{
    static const struct hash_seed seed = {0, 0};
    struct buf line = BUF_EMPTY;
    put_u64(&line, u->born);
    acl_user_line(u, &line);
    u->digest = siphash(&seed, line.data, line.len);
    buf_deinit(&line);
    u->unlimited = false;
    for (size_t i = 0; i < u->selector_count; i++) {
        const struct selector *s = u->selectors[i];
        u->unlimited |= s->all_keys && s->all_channels && s->all_commands;
    }
}

/* ---- passwords ---- */

static void drop_passwords(struct acl_user *u)
{
    mem_free(u->passwords);
    u->passwords = NULL;
    u->password_count = 0;
}

bool acl_is_hash(struct slice s)
{
    for (size_t i = 0; i < s.len; i++)
        if (!(s.data[i] >= '0' && s.data[i] <= '9') && !(s.data[i] >= 'a' && s.data[i] <= 'f'))
            return false;
    return s.len == ACL_HEX;
}

static size_t find_password(const struct acl_user *u, struct slice hex)
{
    size_t i = 0;
    while (i < u->password_count && memcmp(u->passwords[i], hex.data, ACL_HEX) != 0)
        i++;
    return i;
}

static enum fault password_rule(struct acl_user *u, struct slice rule)
{
    struct slice hex = slice_drop(rule, 1);
    if (!acl_is_hash(hex))
        return FAULT_BAD_HASH;
    size_t at = find_password(u, hex);
    if (rule.data[0] == '#') {
        u->nopass = false;
        if (at < u->password_count)
            return FINE;
        u->passwords = mem_realloc(u->passwords, (at + 1) * sizeof *u->passwords);
        memcpy(u->passwords[u->password_count++], hex.data, ACL_HEX);
        return FINE;
    }
    if (at == u->password_count)
        return FAULT_NO_PASSWORD;
    u->password_count--;
    memmove(u->passwords + at, u->passwords + at + 1, (u->password_count - at) * sizeof *u->passwords);
    return FINE;
}

bool acl_lets_in(const struct acl_user *u, struct slice password)
{
    char hex[ACL_HEX];
    bool found = u->nopass;
    sha256_hex(password.data, password.len, hex);
    for (size_t i = 0; i < u->password_count; i++)
        found |= secret_equal(hex, u->passwords[i], ACL_HEX);
    return found && u->enabled;
}

/* ---- rules ---- */

static void reset(struct acl_user *u, bool all_channels)
{
    drop_passwords(u);
    drop_selectors(u, 0);
    add_selector(u, selector_new(all_channels));
    u->nopass = u->enabled = false;
    u->sanitize = SANITIZE_YES;
}

/* false: it is not one of these words. */
static bool word_rule(struct acl_user *u, struct slice rule, bool all_channels)
{
    if (slice_is_word(rule, "on") || slice_is_word(rule, "off")) {
        u->enabled = slice_is_word(rule, "on");
    } else if (slice_is_word(rule, "nopass") || slice_is_word(rule, "resetpass")) {
        drop_passwords(u);
        u->nopass = slice_is_word(rule, "nopass");
    } else if (slice_is_word(rule, "sanitize-payload")) {
        u->sanitize = SANITIZE_YES;
    } else if (slice_is_word(rule, "skip-sanitize-payload")) {
        u->sanitize = SANITIZE_NO;
    } else if (slice_is_word(rule, "clearselectors")) {
        drop_selectors(u, 1);
    } else if (slice_is_word(rule, "reset")) {
        reset(u, all_channels);
    } else {
        return false;
    }
    return true;
}

/* "(rule rule ...)" */
static enum fault new_selector(struct acl_user *u, const struct catalog *c, struct slice rule,
                               bool all_channels)
{
    struct selector *s = selector_new(all_channels);
    enum fault fault = FINE;
    const char *at = rule.data + 1, *end = rule.data + rule.len - 1;
    while (at < end && fault == FINE) {
        const char *space = memchr(at, ' ', (size_t)(end - at));
        const char *stop = space ? space : end;
        if (stop > at)
            fault = selector_rule(s, c, slice_of(at, (size_t)(stop - at)));
        at = stop + 1;
    }
    if (fault == FINE)
        add_selector(u, s);
    else
        selector_free(s);
    return fault;
}

enum fault user_rule(struct acl_user *u, const struct catalog *c, struct slice rule, bool all_channels)
{
    if (rule.len == 0 || word_rule(u, rule, all_channels))
        return FINE;
    if (rule.data[0] == '#' || rule.data[0] == '!')
        return password_rule(u, rule);
    if (rule.data[0] == '(' && rule.data[rule.len - 1] == ')')
        return new_selector(u, c, rule, all_channels);
    return selector_rule(u->selectors[0], c, rule);
}

/* ---- as rules again ---- */

void acl_user_line(const struct acl_user *u, struct buf *out)
{
    buf_append_slice(out, u->name);
    for (size_t i = 0; acl_flag(u, i); i++)
        buf_printf(out, " %s", acl_flag(u, i));
    for (size_t i = 0; i < u->password_count; i++)
        buf_printf(out, " #%.*s", ACL_HEX, u->passwords[i]);
    for (size_t i = 0; i < u->selector_count; i++) {
        buf_append_cstr(out, i ? " (" : " ");
        selector_line(u->selectors[i], out);
        if (i)
            buf_append_cstr(out, " )");
    }
}

struct slice acl_user_name(const struct acl_user *u)
{
    return u->name;
}

uint64_t acl_user_born(const struct acl_user *u)
{
    return u->born;
}

bool acl_is_unlimited(const struct acl_user *u)
{
    return u->unlimited;
}

bool acl_needs_password(const struct acl_user *u)
{
    return !u->nopass;
}

bool acl_is_open(const struct acl_user *u)
{
    return u->nopass && u->enabled;
}

size_t acl_password_count(const struct acl_user *u)
{
    return u->password_count;
}

struct slice acl_password_hex(const struct acl_user *u, size_t i)
{
    return slice_of(u->passwords[i], ACL_HEX);
}

const char *acl_flag(const struct acl_user *u, size_t i)
{
    const char *flags[4] = {u->enabled ? "on" : "off"};
    size_t n = 1;
    if (u->nopass)
        flags[n++] = "nopass";
    if (u->sanitize != SANITIZE_UNSAID)
        flags[n++] = u->sanitize == SANITIZE_NO ? "skip-sanitize-payload" : "sanitize-payload";
    return i < n ? flags[i] : NULL;
}
