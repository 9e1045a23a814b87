/* The door: making one, and the small questions about it. */
#include "rsm/rsm.h"

#include "base/alloc.h"
#include "rsm/rsm_int.h"

struct rsm *rsm_new(void)
{
    struct rsm *r = mem_calloc(1, sizeof *r);
    rsm_settings_init(&r->settings);
    rsm_settings_limits(&r->settings, &r->limits);
    rsm_sessions_init(&r->sessions, r->seed);
    blocked_init(&r->blocked, r->seed);
    scripts_init(&r->scripts, r->seed);
    libraries_init(&r->libraries, r->seed);
    r->script_door = (struct command_scripts){.arg = r, .run = rsm_script_command};
    r->acl = acl_new();
    r->inner = (struct store_listener){.arg = r, .heard = rsm_heard};
    r->store = store_new((uint32_t)r->settings.value[SETTING_DATABASES], r->seed);
    r->apply_version = 1;
    return r;
}

void rsm_free(struct rsm *r)
{
    if (!r)
        return;
    store_free(r->store);
    rsm_sessions_deinit(&r->sessions);
    blocked_deinit(&r->blocked);
    libraries_deinit(&r->libraries, r->scripts.engine);
    scripts_deinit(&r->scripts);
    acl_free(r->acl);
    rsm_arrays_deinit(&r->arrays);
    mem_free(r);
}

uint64_t rsm_applied(const struct rsm *r)
{
    return r->applied;
}

uint64_t rsm_applied_term(const struct rsm *r)
{
    return r->applied_term;
}

uint64_t rsm_stamp_ms(const struct rsm *r)
{
    return r->stamp_ms;
}

uint64_t rsm_cluster_id(const struct rsm *r)
{
    return r->cluster_id;
}

uint64_t rsm_apply_version(const struct rsm *r)
{
    return r->apply_version;
}

struct store *rsm_store(struct rsm *r)
{
    return r->store;
}

/* Clocks are cut to milliseconds: a key that went in the millisecond its time names could go almost one early. Since version
 * 2 it goes in the next one, as in Redis. */
struct store_view rsm_view(const struct rsm *r, uint64_t now_ms, uint32_t db)
{
    return (struct store_view){.store = r->store,
                               .db = db,
                               .now_ms = now_ms,
                               .lingers_ms = r->apply_version >= 2,
                               .listening = r->listening | (r->blocked.count ? BLOCKED_LISTENS : 0),
                               .listener = r->blocked.count || r->listener.written ? &r->inner : &r->ear,
                               .limits = &r->limits};
}

bool rsm_keys_due(const struct rsm *r, uint64_t now_ms)
{
    struct store_view view = rsm_view(r, now_ms, 0);
    uint64_t due_ms = store_next_due_ms(&view);
    return due_ms != STORE_NEVER && due_ms <= now_ms;
}

size_t rsm_session_count(const struct rsm *r)
{
    return r->sessions.clients;
}

/* The keyspace and the sessions keep theirs up as they change, so this is cheap enough to ask often. */
uint64_t rsm_digest(const struct rsm *r)
{
    uint64_t h = rsm_mix(r->cluster_id, store_digest(r->store));
    h = rsm_mix(h, r->sessions.digest);
    h = rsm_mix(h, rsm_settings_digest(&r->settings));
    h = rsm_mix(h, r->apply_version);
    h = rsm_mix(h, store_version_floor(r->store));
    if (r->blocked.count) /* builds that know of none have none, and the same digest */
        h = rsm_mix(h, r->blocked.digest);
    if (r->scripts.digest)
        h = rsm_mix(h, r->scripts.digest);
    if (r->libraries.digest)
        h = rsm_mix(h, r->libraries.digest);
    if (r->acl_said)
        h = rsm_mix(h, acl_digest(r->acl));
    return rsm_mix(h, r->stamp_ms);
}
