/* Our AUX fields, read back. A field with our prefix that this build does not know comes from a newer one,
 * and is a reason to stop: leaving out a part of the state would make this node another machine than its
 * peers. */
#include "rsm/snapshot_load.h"

#include <inttypes.h>

#define OUR_PREFIX "kvorum-"

static bool parse_u64(struct slice s, uint64_t *out)
{
    uint64_t v = 0;
    for (size_t i = 0; i < s.len; i++) {
        if (s.data[i] < '0' || s.data[i] > '9' || __builtin_mul_overflow(v, 10u, &v) ||
            __builtin_add_overflow(v, (uint64_t)(s.data[i] - '0'), &v))
            return false;
    }
    *out = v;
    return s.len > 0;
}

static bool take_seed(struct rsm_loader *l, struct slice value)
{
    if (value.len != 16)
        return false;
    l->r->seed = (struct hash_seed){load_u64(value.data), load_u64(value.data + 8)};
    rsm_sessions_deinit(&l->r->sessions);
    rsm_sessions_init(&l->r->sessions, l->r->seed);
    blocked_deinit(&l->r->blocked);
    blocked_init(&l->r->blocked, l->r->seed);
    libraries_deinit(&l->r->libraries, l->r->scripts.engine);
    scripts_deinit(&l->r->scripts);
    scripts_init(&l->r->scripts, l->r->seed);
    libraries_init(&l->r->libraries, l->r->seed);
    return true;
}

static bool take_setting(struct rsm_loader *l, struct slice value)
{
    const char *equals = memchr(value.data, '=', value.len);
    if (!equals)
        return false;
    struct slice name = slice_of(value.data, (size_t)(equals - value.data));
    struct slice text = slice_of(equals + 1, value.len - name.len - 1);
    size_t which = rsm_setting_find(name);
    return which < SETTING_COUNT && rsm_setting_put(&l->r->settings, which, text);
}

static bool take_members(struct rsm_loader *l, struct slice value)
{
    buf_append_slice(&l->members, value);
    return true;
}

static bool take_session(struct rsm_loader *l, struct slice value)
{
    return rsm_session_load(&l->r->sessions, value);
}

static bool take_blocked(struct rsm_loader *l, struct slice value)
{
    return blocked_load(&l->r->blocked, value);
}

static bool take_script(struct rsm_loader *l, struct slice value)
{
    return scripts_load(&l->r->scripts, value);
}

static bool take_user(struct rsm_loader *l, struct slice value)
{
    return rsm_user_load(l->r, value);
}

static bool take_format(struct rsm_loader *l, struct slice value)
{
    uint64_t v;
    (void)l;
    return parse_u64(value, &v) && v == SNAPSHOT_FORMAT;
}

static bool take_apply_version(struct rsm_loader *l, struct slice value)
{
    return parse_u64(value, &l->r->apply_version) && l->r->apply_version <= RSM_APPLY_VERSION;
}

static bool take_stamp(struct rsm_loader *l, struct slice value)
{
    return parse_u64(value, &l->r->stamp_ms) && l->r->stamp_ms <= INT64_MAX; /* as in an entry */
}

static bool take_chain(struct rsm_loader *l, struct slice value)
{
    uint64_t v;
    if (!parse_u64(value, &v) || v > UINT32_MAX)
        return false;
    l->meta.chain = (uint32_t)v;
    return true;
}

#define TAKE_NUMBER(name, where)                                                                             \
    static bool take_##name(struct rsm_loader *l, struct slice value)                                        \
    {                                                                                                        \
        return parse_u64(value, &l->where);                                                                  \
    }
TAKE_NUMBER(cluster, meta.cluster_id)
TAKE_NUMBER(index, meta.index)
TAKE_NUMBER(term, meta.term)
TAKE_NUMBER(members_index, meta.members_index)
TAKE_NUMBER(floor, floor)
TAKE_NUMBER(digest, digest)
/* Another build's may count what this one does not: then the checksum of the file has to do. */
TAKE_NUMBER(digest_version, digest_version)

static const struct field {
    const char *name;
    bool (*take)(struct rsm_loader *l, struct slice value);
    enum { ONCE, MANY, ONCE_OR_NOT } times;
} fields[] = {
    {OUR_PREFIX "format", take_format, ONCE},
    {OUR_PREFIX "seed", take_seed, ONCE},
    {OUR_PREFIX "cluster", take_cluster, ONCE},
    {OUR_PREFIX "index", take_index, ONCE},
    {OUR_PREFIX "term", take_term, ONCE},
    {OUR_PREFIX "members-index", take_members_index, ONCE},
    {OUR_PREFIX "members", take_members, ONCE},
    {OUR_PREFIX "chain", take_chain, ONCE},
    {OUR_PREFIX "stamp", take_stamp, ONCE},
    {OUR_PREFIX "apply-version", take_apply_version, ONCE},
    {OUR_PREFIX "floor", take_floor, ONCE},
    {OUR_PREFIX "digest", take_digest, ONCE},
    {OUR_PREFIX "setting", take_setting, MANY},
    {OUR_PREFIX "session", take_session, MANY},
    {OUR_PREFIX "blocked", take_blocked, MANY},
    {OUR_PREFIX "user", take_user, MANY},
    {OUR_PREFIX "script", take_script, MANY},
    {OUR_PREFIX "digest-version", take_digest_version, ONCE_OR_NOT},
};
#define FIELD_COUNT (sizeof fields / sizeof *fields)

bool rsm_loader_aux(struct rsm_loader *l, struct slice name, struct slice value)
{
    size_t prefix = sizeof OUR_PREFIX - 1;
    if (name.len < prefix || memcmp(name.data, OUR_PREFIX, prefix))
        return true;
    l->ours = true;
    for (size_t i = 0; i < FIELD_COUNT; i++) {
        if (!slice_equal(name, slice_cstr(fields[i].name)))
            continue;
        bool again = l->seen & (uint64_t)1 << i;
        if (l->keys_begun || (again && fields[i].times != MANY) || !fields[i].take(l, value))
            return rsm_loader_fail(l, "has a bad or misplaced field %s", fields[i].name);
        l->seen |= (uint64_t)1 << i;
        return true;
    }
    return rsm_loader_fail(l, "has a field that this build does not know: %.*s",
                           (int)(name.len < 64 ? name.len : 64), name.data);
}

bool rsm_loader_aux_complete(struct rsm_loader *l)
{
    for (size_t i = 0; i < FIELD_COUNT; i++) {
        if (fields[i].times == ONCE && !(l->seen & (uint64_t)1 << i))
            return rsm_loader_fail(l, "lacks its field %s", fields[i].name);
    }
    l->r->applied = l->meta.index;
    l->r->applied_term = l->meta.term;
    l->r->cluster_id = l->meta.cluster_id;
    return true;
}
