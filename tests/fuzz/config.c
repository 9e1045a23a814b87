/* Directives from a file's text, from the command line's words and from CONFIG SET: each is taken or refused with words, and what is
 * shown of a value, set again, is the same value. */
#include <strings.h>

#include "fuzz.h"
#include "server/config.h"

/* Opens any file it is given, a device without end among them: not for a fuzzer. */
static bool includes(struct slice text)
{
    for (size_t at = 0; at + 7 <= text.len; at++)
        if (strncasecmp(text.data + at, "include", 7) == 0)
            return true;
    return false;
}

static struct slice show(const struct config *c, const char *name, struct buf *out)
{
    buf_truncate(out, 0);
    fuzz_check(config_get(c, name, out));
    return out->len ? buf_slice(out) : SLICE_LITERAL("");
}

static const char *name_at(size_t i)
{
    static const char *names[512];
    if (!names[0])
        for (size_t n = 0, at = 0; n < 511 && (names[n] = config_next_name(&at)); n++)
            ;
    return names[i];
}

/* One whose values are not shown as they are written. */
static bool shown_otherwise(const char *name)
{
    return strcmp(name, "requirepass") == 0 || strcmp(name, "masterauth") == 0;
}

/* Everything that may be set while it runs, set to what it says it is. */
static void check_values(struct config *c)
{
    struct buf shown = BUF_EMPTY, again = BUF_EMPTY, error = BUF_EMPTY;
    const char *name;
    for (size_t i = 0; (name = name_at(i)); i++) {
        struct slice value = show(c, name, &shown), n = slice_cstr(name);
        if (config_is_replicated(n) || !config_is_mutable(n) || config_is_inert(name) ||
            shown_otherwise(name))
            continue;
        fuzz_check(config_set(c, n, &value, 1, false, &error));
        fuzz_check(slice_equal(show(c, name, &again), value));
    }
    buf_deinit(&shown);
    buf_deinit(&again);
    buf_deinit(&error);
}

/* What its rules made of a user survives as text. */
static void check_users(const struct config *c, bool finished)
{
    struct buf line = BUF_EMPTY, again = BUF_EMPTY;
    struct acl *copy = acl_new();
    fuzz_check(finished);
    for (size_t i = 0; c->users && i < acl_count(c->users); i++) {
        const struct acl_user *u = acl_at(c->users, i);
        buf_truncate(&line, 0);
        buf_truncate(&again, 0);
        acl_user_line(u, &line);
        fuzz_check(acl_restore_user(copy, acl_user_born(u), buf_slice(&line)));
        acl_user_line(acl_find(copy, acl_user_name(u)), &again);
        fuzz_check(slice_equal(buf_slice(&line), buf_slice(&again)));
        acl_describe(c->users, u, &again);
    }
    fuzz_check(!c->users || acl_digest(copy) == acl_digest(c->users));
    acl_free(copy);
    buf_deinit(&line);
    buf_deinit(&again);
}

/* A directive by its place, or by the name given, with up to four values. */
static void set_one(struct config *c, struct reader *r)
{
    uint8_t which = get_u8(r), starting = get_u8(r);
    size_t names = 0, count = get_u8(r) % 5;
    while (name_at(names))
        names++;
    struct piece name = {0}, parts[5] = {{0}};
    struct slice n = slice_cstr(name_at(which % names)), values[5];
    if (which == 255) {
        name = piece_take(r, get_u8(r) % 40);
        n = piece_slice(&name);
    }
    for (size_t i = 0; i < count; i++) {
        parts[i] = piece_take(r, get_u8(r) % 80);
        values[i] = piece_slice(&parts[i]);
    }
    struct buf error = BUF_EMPTY;
    if (config_is_known(n) && !config_is_replicated(n) && (starting & 1 || config_is_mutable(n)) && count > 0)
        fuzz_check(config_set(c, n, values, count, starting & 1, &error) || error.len > 0);
    for (size_t i = 0; config_is_replicated(n) && i < count; i++)
        (void)rsm_setting_check(config_replicated_name(n), values[i]);
    free(name.data);
    for (size_t i = 0; i < count; i++)
        free(parts[i].data);
    buf_deinit(&error);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct reader r = fuzz_reader(data, len);
    struct config *c = config_new();
    struct buf error = BUF_EMPTY;
    uint8_t sets = get_u8(&r) % 8;
    for (; sets > 0; sets--)
        set_one(c, &r);
    struct piece text = piece_take(&r, reader_left(&r));
    if (!includes(piece_slice(&text)))
        fuzz_check(config_load_text(c, piece_slice(&text), "fuzz", &error) || error.len > 0);
    buf_truncate(&error, 0);
    struct slice none = SLICE_LITERAL("");
    config_set(c, SLICE_LITERAL("aclfile"), &none, 1, true, &error); /* that would be opened, too */
    check_users(c, config_finish(c, &error) || error.len > 0);
    const char **settings = config_settings(c);
    for (size_t i = 0; settings[i]; i += 2)
        fuzz_check(settings[i + 1] && config_is_replicated(slice_cstr(settings[i])));
    free(settings);
    check_values(c);
    (void)config_knows_host(c);
    config_free(c);
    free(text.data);
    buf_deinit(&error);
    return 0;
}
