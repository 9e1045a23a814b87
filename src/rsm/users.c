/* The users (acl/) as replicated state. Until an entry has spoken of them they are no part of it: builds that know of none agree with
 * this one, and every node goes by its own file. */
#include "rsm/rsm_int.h"

#include "base/resp.h"

const struct acl *rsm_acl(const struct rsm *r)
{
    return r->acl_said ? r->acl : NULL;
}

bool rsm_acl_understood(const struct rsm_request *q)
{
    struct slice what = q->argv[0];
    bool names = slice_is_word(what, "setuser") || slice_is_word(what, "deluser");
    return names ? q->argc >= 2 : slice_is_word(what, "load") || slice_is_word(what, "begin");
}

static bool all_channels(const struct rsm *r)
{
    return r->settings.value[SETTING_ACL_PUBSUB] == 0;
}

static void changed(struct rsm *r)
{
    r->acl_said = true;
    if (r->listener.users_changed)
        r->listener.users_changed(r->listener.arg);
}

static void finish(struct rsm *r, bool ok, const struct buf *error, struct buf *reply)
{
    if (ok)
        resp_simple(reply, "OK");
    else
        resp_errorf(reply, "ERR %.*s", (int)error->len, error->data);
    if (ok)
        changed(r);
}

static void delete_users(struct rsm *r, const struct rsm_request *q, struct buf *reply)
{
    int64_t removed = 0;
    for (size_t i = 1; i < q->argc; i++) {
        if (slice_equal(q->argv[i], SLICE_LITERAL("default"))) {
            resp_error(reply, "ERR The 'default' user cannot be removed");
            return;
        }
    }
    for (size_t i = 1; i < q->argc; i++)
        removed += acl_remove_user(r->acl, q->argv[i]);
    if (removed)
        changed(r);
    resp_integer(reply, removed);
}

void rsm_apply_acl(struct rsm *r, uint64_t index, const struct rsm_request *q, struct buf *reply)
{
    struct buf error = BUF_EMPTY;
    if (slice_is_word(q->argv[0], "deluser"))
        delete_users(r, q, reply);
    else if (slice_is_word(q->argv[0], "setuser"))
        finish(r, acl_set_user(r->acl, index, q->argv[1], q->argv + 2, q->argc - 2, all_channels(r), &error),
               &error, reply);
    else if (slice_is_word(q->argv[0], "begin") && r->acl_said)
        resp_simple(reply, "OK"); /* another node was first */
    else
        finish(r, acl_load(r->acl, index, q->argv + 1, q->argc - 1, all_channels(r), &error), &error, reply);
    buf_deinit(&error);
}

/* ---- requirepass ---- */

bool rsm_is_requirepass(struct slice name)
{
    return slice_is_word(name, "requirepass");
}

bool rsm_password_hash(struct slice value, struct slice *hex)
{
    size_t prefix = sizeof RSM_HASH_PREFIX - 1;
    if (value.len < prefix || memcmp(value.data, RSM_HASH_PREFIX, prefix) != 0 ||
        !acl_is_hash(slice_drop(value, prefix)))
        return false;
    *hex = slice_drop(value, prefix);
    return true;
}

const char *rsm_requirepass_check(struct slice value)
{
    struct slice hex;
    return value.len == 0 || rsm_password_hash(value, &hex) ? NULL : "a password travels as its hash";
}

void rsm_requirepass_set(struct rsm *r, struct slice value)
{
    struct slice hex = {NULL, 0};
    rsm_password_hash(value, &hex);
    acl_set_default_password(r->acl, hex);
    changed(r);
}

/* ---- in a snapshot ---- */

/* v the entry that made it, then its line. */
void rsm_user_save(const struct acl_user *u, struct buf *out)
{
    put_varint(out, acl_user_born(u));
    acl_user_line(u, out);
}

bool rsm_user_load(struct rsm *r, struct slice bytes)
{
    struct reader in = reader_of(bytes);
    uint64_t born = get_varint(&in);
    r->acl_said = true;
    return !in.failed && acl_restore_user(r->acl, born, slice_of(in.at, reader_left(&in)));
}
