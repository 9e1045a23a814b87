/* Users in this node's files: lines "user name rules ..." of the configuration, or an aclfile of such lines. They are in force until the
 * log has users, and the first leader's become those. */
#include <string.h>

#include "server/acl_file.h"
#include "server/config_int.h"

static bool all_channels(const struct config *c)
{
    struct buf value = BUF_EMPTY;
    config_get(c, "acl-pubsub-default", &value);
    bool all = slice_equal(buf_slice(&value), SLICE_LITERAL("allchannels"));
    buf_deinit(&value);
    return all;
}

/* Is there one of this name in front of `end`? */
static bool stands_already(const struct config *c, size_t end, struct slice name)
{
    for (size_t at = 0; at < end;) {
        const char *line = c->user_lines.data + at;
        size_t len = (size_t)((const char *)memchr(line, '\n', end - at) - line);
        const char *space = memchr(line, ' ', len);
        if (slice_equal(slice_of(line, space ? (size_t)(space - line) : len), name))
            return true;
        at += len + 1;
    }
    return false;
}

bool config_user_line(struct config *c, const struct slice *words, size_t count, struct buf *error)
{
    if (stands_already(c, c->user_lines.len, words[0])) {
        buf_append_cstr(error, "Duplicate user found. A user can only be defined once in config files");
        return false;
    }
    struct acl *alone = acl_new();
    bool ok = acl_file_user(alone, words[0], words + 1, count - 1, all_channels(c), error);
    if (ok) {
        acl_user_line(acl_find(alone, words[0]), &c->user_lines);
        put_u8(&c->user_lines, '\n');
    }
    acl_free(alone);
    return ok;
}

void config_aclfile(const struct config *c, struct buf *out)
{
    if (c->aclfile[0] != '/')
        buf_printf(out, "%s/", c->dir);
    buf_append_cstr(out, c->aclfile);
}

static bool read_aclfile(struct config *c, struct buf *error)
{
    struct buf path = BUF_EMPTY;
    config_aclfile(c, &path);
    put_u8(&path, 0);
    bool ok = acl_file_load(c->users, path.data, all_channels(c), error);
    buf_deinit(&path);
    return ok;
}

/* In the order in which Redis does it: the last word is the aclfile's. */
bool config_finish_users(struct config *c, struct buf *error)
{
    acl_free(c->users);
    c->users = acl_new();
    acl_set_default_password(c->users, slice_cstr(c->password));
    if (*c->aclfile && c->user_lines.len) {
        buf_append_cstr(
            error, "Configuring users both by 'user' directives and by an aclfile is very likely to lead to "
                   "mistakes and security holes: use one of the two");
        return false;
    }
    for (size_t at = 0; at < c->user_lines.len;) {
        const char *line = c->user_lines.data + at;
        size_t len = (size_t)((const char *)memchr(line, '\n', c->user_lines.len - at) - line);
        if (!acl_restore_user(c->users, 0, slice_of(line, len))) {
            buf_append_cstr(error, "a user cannot be read");
            return false;
        }
        at += len + 1;
    }
    return !*c->aclfile || read_aclfile(c, error);
}
