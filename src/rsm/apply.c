/* One entry: parse, let time pass, judge its number, run it. Nothing here fails halfway: an entry that this
 * build does not understand is turned away before anything has moved. */
#include "rsm/rsm_int.h"
#include "store/rdb.h"

#include "base/number.h"
#include "base/resp.h"

#include <assert.h>

static bool settings_known(const struct rsm_request *q)
{
    for (size_t i = 0; i < q->argc; i += 2)
        if (rsm_setting_find(q->argv[i]) == SETTING_COUNT && !rsm_is_requirepass(q->argv[i]))
            return false;
    return q->argc % 2 == 0;
}

static bool changes_understood(const struct rsm_request *exec)
{
    const struct slice *argv = exec->argv;
    for (size_t i = 0; i < exec->commands; argv += exec->counts[i++]) {
        struct rsm_request q;
        if (rsm_queued_change(argv, exec->counts[i], &q) &&
            !(q.kind == RSM_ACL ? q.argc && rsm_acl_understood(&q) : settings_known(&q)))
            return false;
    }
    return true;
}

/* Knows the build what the entry asks for? What a client can get wrong is answered by an error later; this is
 * about what only a newer build, or damage, can have written. */
static bool understood(const struct rsm_request *q)
{
    switch (q->kind) {
    case RSM_VERSION:
        return q->node <= RSM_APPLY_VERSION;
    case RSM_SETTING:
        return settings_known(q);
    case RSM_ACL:
        return rsm_acl_understood(q);
    case RSM_EXEC:
        return changes_understood(q);
    case RSM_FOUND:
        for (size_t i = 0; q->settings && q->settings[i]; i += 2) {
            if (rsm_setting_check(q->settings[i], slice_cstr(q->settings[i + 1])))
                return false;
        }
        return true;
    default:
        return true;
    }
}

/* Time moves to the entry's stamp, and what became due goes, in bounded steps. */
static void pass_time(struct rsm *r, uint64_t index, uint64_t stamp_ms)
{
    if (stamp_ms > r->stamp_ms)
        r->stamp_ms = stamp_ms;
    if (rsm_keys_due(r, r->stamp_ms)) {
        struct store_view view = rsm_write_view(r, index, 0);
        store_expire(&view, EXPIRE_KEYS_PER_ENTRY);
    }
    rsm_sessions_expire(&r->sessions, r->stamp_ms, rsm_session_timeout_ms(r), EXPIRE_SESSIONS_PER_ENTRY);
    rsm_blocked_time_out(r);
}

/* As many databases as the setting says, or as a dump has keys in; then the setting says that. */
static uint32_t count_databases(struct rsm *r)
{
    uint32_t databases = (uint32_t)r->settings.value[SETTING_DATABASES];
    for (uint32_t db = databases; db < store_databases(r->store); db++) {
        if (store_count(r->store, db))
            databases = db + 1;
    }
    char text[24];
    bool ok = rsm_setting_put(&r->settings, SETTING_DATABASES, slice_of(text, format_i64(text, databases)));
    assert(ok);
    return databases;
}

/* Keys that a stock dump brought in get the cluster's seed; their order stays. */
static void reseed_store(struct rsm *r, uint64_t index)
{
    struct store *old = r->store;
    struct buf value = BUF_EMPTY;
    uint32_t databases = count_databases(r);
    r->store = store_new(databases, r->seed);
    for (uint32_t db = 0; db < databases && db < store_databases(old); db++) {
        struct store_view view = rsm_write_view(r, index, db);
        view.now_ms = 0; /* nothing is due while it moves house */
        for (size_t i = 0; i < store_count(old, db); i++) {
            const struct store_key *k = store_at(old, db, i);
            buf_truncate(&value, 0);
            store_rdb_save(k, &(struct rdb_out){&value, NULL, NULL});
            struct reader in = reader_of(buf_slice(&value));
            const struct store_key *moved =
                store_rdb_load(&view, store_key_name(k), store_rdb_type(k), &in, store_key_expiry_ms(k));
            assert(moved);
        }
    }
    buf_deinit(&value);
    store_free(old);
}

static void found(struct rsm *r, uint64_t index, const struct rsm_request *q, struct buf *reply)
{
    if (r->cluster_id) {
        resp_error(reply, "ERR this cluster is founded already");
        return;
    }
    r->cluster_id = q->cluster_id;
    r->seed = q->seed;
    for (size_t i = 0; q->settings && q->settings[i]; i += 2) {
        bool ok = rsm_setting_put(&r->settings, rsm_setting_find(slice_cstr(q->settings[i])),
                                  slice_cstr(q->settings[i + 1]));
        assert(ok);
    }
    rsm_events_refresh(r);
    rsm_settings_limits(&r->settings, &r->limits);
    rsm_sessions_deinit(&r->sessions);
    rsm_sessions_init(&r->sessions, r->seed);
    blocked_deinit(&r->blocked);
    blocked_init(&r->blocked, r->seed);
    libraries_deinit(&r->libraries, r->scripts.engine);
    scripts_deinit(&r->scripts);
    scripts_init(&r->scripts, r->seed);
    libraries_init(&r->libraries, r->seed);
    reseed_store(r, index);
    rsm_evict_refresh(r);
    resp_simple(reply, "OK");
}

/* All or none. */
void rsm_change_settings(struct rsm *r, const struct rsm_request *q, struct buf *reply,
                         struct rsm_result *result)
{
    struct rsm_settings changed = r->settings;
    const struct slice *password = NULL;
    for (size_t i = 0; i < q->argc; i += 2) {
        size_t which = rsm_setting_find(q->argv[i]);
        if (which == SETTING_COUNT) {
            const char *wrong = rsm_requirepass_check(q->argv[i + 1]);
            password = &q->argv[i + 1];
            if (!wrong)
                continue;
            resp_errorf(reply, "ERR CONFIG SET failed (possibly related to argument 'requirepass') - %s",
                        wrong);
            return;
        }
        const char *error = rsm_setting_fixed(which) ? "can't set immutable config" : NULL;
        if (!error && !rsm_setting_put(&changed, which, q->argv[i + 1]))
            error = rsm_setting_check(rsm_setting_name(which), q->argv[i + 1]);
        if (error) {
            resp_errorf(reply, "ERR CONFIG SET failed (possibly related to argument '%s') - %s",
                        rsm_setting_name(which), error);
            return;
        }
    }
    r->settings = changed;
    if (password)
        rsm_requirepass_set(r, *password);
    rsm_evict_refresh(r);
    rsm_events_refresh(r);
    rsm_settings_limits(&r->settings, &r->limits);
    result->settings_changed = true;
    resp_simple(reply, "OK");
}

void rsm_run(struct rsm *r, uint64_t index, const struct rsm_decoded *d, struct buf *reply,
             struct rsm_result *result)
{
    const struct rsm_request *q = &d->req;
    switch (q->kind) {
    case RSM_COMMAND:
        rsm_run_command(r, index, d, reply, result);
        return;
    case RSM_EXEC:
        rsm_run_exec(r, index, d, reply, result);
        return;
    case RSM_SESSION:
        rsm_apply_session(r, index, q, reply, result);
        return;
    case RSM_FOUND:
        found(r, index, q, reply);
        return;
    case RSM_SETTING:
        rsm_change_settings(r, q, reply, result);
        return;
    case RSM_ACL:
        rsm_apply_acl(r, index, q, reply);
        return;
    case RSM_EVICT:
        rsm_evict(r, index, q);
        resp_simple(reply, "OK");
        return;
    case RSM_UNBLOCK:
        rsm_unblock(r, q, reply);
        return;
    case RSM_CHECKPOINT:
        store_raise_versions(r->store, index);
        result->checkpoint = true;
        result->checkpoint_node = q->node;
        break;
    case RSM_VERSION:
        if (q->node > r->apply_version)
            r->apply_version = q->node;
        break;
    case RSM_CLOCK:
        break;
    }
    resp_simple(reply, "OK");
}

void rsm_apply(struct rsm *r, uint64_t index, uint64_t term, struct slice payload, struct buf *reply,
               struct rsm_result *result)
{
    struct rsm_decoded d;
    struct slice asked;
    assert(index ==
           r->applied + 1); /* an entry applied twice, or left out, is the worst that can happen here */
    *result = (struct rsm_result){.outcome = RSM_RAN};
    if (!rsm_entry_parse(payload, &r->arrays, &d, &asked) || !understood(&d.req)) {
        result->outcome = RSM_UNKNOWN_KIND;
        return;
    }
    blocked_forget_released(&r->blocked);
    if (term != r->applied_term)
        rsm_blocked_new_term(r);
    pass_time(r, index, d.stamp_ms);
    if (rsm_is_numbered(&d.req))
        rsm_apply_numbered(r, index, &d, asked, reply, result);
    else
        rsm_run(r, index, &d, reply, result);
    if (r->blocked.count)
        rsm_blocked_serve(r, index, d.chance);
    store_sweep(r->store, SWEEP_PER_ENTRY);
    if (r->listener.written)
        rsm_written_entry(r);
    r->applied = index;
    r->applied_term = term;
}

void rsm_look_ahead(const struct rsm *r, const struct slice *payloads, size_t count)
{
    struct store_ahead keys[STORE_AHEAD_MAX];
    size_t found = 0;
    assert(count <= STORE_AHEAD_MAX);
    for (size_t i = 0; i < count; i++)
        found += rsm_entry_glance(payloads[i], &keys[found].db, &keys[found].key);
    store_look_ahead(r->store, keys, found);
}

void rsm_skip(struct rsm *r, uint64_t index, uint64_t term)
{
    assert(index == r->applied + 1);
    blocked_forget_released(&r->blocked);
    if (term != r->applied_term)
        rsm_blocked_new_term(r);
    r->applied = index;
    r->applied_term = term;
}
