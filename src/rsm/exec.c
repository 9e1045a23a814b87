/* Commands: one alone, or those of a transaction. */
#include "rsm/rsm_int.h"

#include "base/alloc.h"
#include "base/number.h"
#include "base/prng.h"
#include "base/resp.h"

#include <assert.h>

/* What a command runs in, the same for each command of a transaction but for the database. */
static struct command_context context(struct rsm *r, const struct rsm_request *q, struct prng *chance,
                                      struct buf *out)
{
    return (struct command_context){.chance = chance,
                                    .resp = q->resp,
                                    .user = q->user,
                                    .scripts = &r->script_door,
                                    .oom = q->oom,
                                    .out = out,
                                    .max_bulk = r->settings.value[SETTING_MAX_BULK]};
}

static void run(struct rsm *r, struct command_context *c)
{
    size_t before = c->out->len;
    if (c->view.db >= store_databases(c->view.store)) {
        resp_error(c->out, "ERR DB index is out of range");
        return;
    }
    const struct command *row = command_check(c->argv, c->argc, c->out);
    if (row && row->flags & CMD_SINCE_3 && r->apply_version < 3)
        command_reply_unknown(c->argv, c->argc, c->out);
    else if (row && row->run)
        row->run(c);
    else if (row)
        resp_errorf(c->out, "ERR '%s' is not a command of the replicated state", row->name);
    if (r->listener.written && row)
        rsm_written_command(r, row, c, before);
}

/* One that is by itself. */
static void run_alone(struct rsm *r, struct command_context *c)
{
    if (r->listener.written)
        rsm_unit_begins(r);
    run(r, c);
    if (r->listener.written)
        rsm_unit_ends(r);
}

void rsm_run_command(struct rsm *r, uint64_t index, const struct rsm_decoded *d, struct buf *reply,
                     struct rsm_result *result)
{
    struct prng chance;
    prng_seed(&chance, d->chance);
    struct command_context c = context(r, &d->req, &chance, reply);
    c.view = rsm_write_view(r, index, d->req.db);
    c.argv = d->req.argv;
    c.argc = d->req.argc;
    struct command_wait wait = {0};
    c.wait = d->req.asker ? &wait : NULL;
    run_alone(r, &c);
    if (wait.waits)
        rsm_block(r, index, &d->req, &wait, reply, result);
    mem_free(wait.argv);
}

bool rsm_run_blocked(struct rsm *r, uint64_t index, uint64_t chance, const struct blocked *w,
                     struct slice key, struct buf *reply)
{
    struct prng seeded;
    struct rsm_request q = {.resp = w->resp, .user = w->user};
    struct command_wait wait = {0};
    prng_seed(&seeded, chance);
    struct command_context c = context(r, &q, &seeded, reply);
    c.view = rsm_write_view(r, index, w->db);
    c.argv = w->argv;
    c.argc = w->argc;
    c.ready = key;
    c.wait = &wait;
    run_alone(r, &c);
    return !wait.waits;
}

/* A key whose time came since WATCH has another version too, whether or not it was removed yet. */
static bool watches_hold(const struct rsm *r, const struct rsm_request *q)
{
    for (size_t i = 0; i < q->watch_count; i++) {
        const struct rsm_watch *w = &q->watches[i];
        struct store_view view = rsm_view(r, r->stamp_ms, w->db);
        if (w->db >= store_databases(r->store) || store_version(&view, w->key) != w->version)
            return false;
    }
    return true;
}

void rsm_reply_time(uint64_t now_ms, struct buf *out)
{
    char text[24];
    resp_array(out, 2);
    resp_bulk(out, slice_of(text, format_i64(text, (int64_t)(now_ms / 1000))));
    resp_bulk(out, slice_of(text, format_i64(text, (int64_t)(now_ms % 1000 * 1000))));
}

static void publish(struct rsm *r, struct command_context *c, bool shard)
{
    struct rsm_message m = {.index = c->view.index,
                            .shard = shard,
                            .channel = c->argv[2],
                            .message = c->argv[3],
                            .behind = c->argv[4]};
    if (r->listener.published)
        r->listener.published(r->listener.arg, &m);
    buf_append_slice(c->out, c->argv[1]);
}

/* Commands that may be queued but are no business of the keyspace; see RSM_EXEC in rsm.h. */
static bool run_aside(struct rsm *r, struct command_context *c)
{
    if (c->argc == 2 && slice_equal(c->argv[0], RSM_LITERAL)) {
        buf_append_slice(c->out, c->argv[1]);
        return true;
    }
    bool shard = slice_equal(c->argv[0], RSM_SPUBLISH);
    if (c->argc == 5 && (shard || slice_equal(c->argv[0], RSM_PUBLISH))) {
        publish(r, c, shard);
        return true;
    }
    if (c->argc == 2 && slice_is_word(c->argv[0], "select")) {
        resp_simple(c->out, "OK");
        return true;
    }
    if (c->argc == 1 && slice_is_word(c->argv[0], "time")) {
        rsm_reply_time(r->stamp_ms, c->out); /* of a transaction: its entry's */
        return true;
    }
    return false;
}

bool rsm_queued_change(const struct slice *argv, size_t argc, struct rsm_request *out)
{
    bool users = argc && slice_equal(argv[0], RSM_USERS);
    if (!users && !(argc && slice_equal(argv[0], RSM_CONFIG)))
        return false;
    *out = (struct rsm_request){
        .kind = users ? RSM_ACL : RSM_SETTING, .argv = argv + 1, .argc = argc - 1, .resp = 2};
    return true;
}

static bool run_change(struct rsm *r, uint64_t index, struct command_context *c, struct rsm_result *result)
{
    struct rsm_request q;
    if (!rsm_queued_change(c->argv, c->argc, &q))
        return false;
    if (q.kind == RSM_ACL)
        rsm_apply_acl(r, index, &q, c->out);
    else
        rsm_change_settings(r, &q, c->out, result);
    c->max_bulk = r->settings.value[SETTING_MAX_BULK];
    return true;
}

/* What a transaction reads is told on every node, again after each start, and it may read one large value many times. */
static void bound_reply(struct command_context *c, size_t start, size_t before)
{
    if (c->out->len - start <= 2 * (size_t)c->max_bulk)
        return;
    buf_truncate(c->out, before);
    resp_error(c->out, "ERR the replies of the transaction would be longer than twice proto-max-bulk-len");
}

void rsm_run_exec(struct rsm *r, uint64_t index, const struct rsm_decoded *d, struct buf *reply,
                  struct rsm_result *result)
{
    const struct rsm_request *q = &d->req;
    struct prng chance;
    if (!watches_hold(r, q)) {
        resp_null_array(reply, q->resp);
        return;
    }
    prng_seed(&chance, d->chance);
    struct command_context c = context(r, q, &chance, reply);
    c.argv = q->argv;
    size_t start = reply->len;
    resp_array(reply, q->commands);
    if (r->listener.written)
        rsm_unit_begins(r);
    for (size_t i = 0; i < q->commands; i++) {
        size_t before = reply->len;
        c.argc = q->counts[i];
        c.view = rsm_write_view(r, index, q->dbs[i]);
        if (!run_aside(r, &c) && !run_change(r, index, &c, result))
            run(r, &c);
        bound_reply(&c, start, before);
        if (r->blocked.count)
            rsm_blocked_ready(r, index);
        c.argv += q->counts[i];
    }
    if (r->listener.written)
        rsm_unit_ends(r);
}

/* ---- reads ---- */

static uint64_t reading_time(const struct rsm *r, uint64_t now_ms)
{
    return now_ms > r->stamp_ms ? now_ms : r->stamp_ms;
}

bool rsm_query(struct rsm *r, uint64_t now_ms, uint32_t db, int resp, struct slice user,
               const struct slice *argv, size_t argc, struct prng *chance, struct buf *reply,
               uint64_t *due_ms)
{
    uint64_t now = reading_time(r, now_ms);
    size_t before = reply->len;
    const struct command *row = command_check(argv, argc, reply);
    if (!row)
        return true;
    assert(row->run && !(row->flags & CMD_WRITE));
    struct rsm_request q = {.resp = resp, .user = user};
    struct command_context c = context(r, &q, chance, reply);
    c.view = rsm_view(r, now, db);
    if (row->flags & CMD_WHOLE_DB && rsm_keys_due(r, now)) {
        *due_ms = store_next_due_ms(&c.view);
        return false;
    }
    c.argv = argv;
    c.argc = argc;
    if (db >= store_databases(r->store)) {
        resp_error(reply, "ERR DB index is out of range");
        return true;
    }
    row->run(&c);
    if (c.view.due_ms == 0)
        return true;
    buf_truncate(reply, before);
    *due_ms = c.view.due_ms;
    return false;
}

void rsm_try_script(struct rsm *r, uint64_t now_ms, uint32_t db, int resp, struct slice user,
                    const struct slice *argv, size_t argc, struct prng *chance, struct buf *reply,
                    struct command_trial *trial)
{
    struct rsm_request q = {.resp = resp, .user = user};
    struct command_context c = context(r, &q, chance, reply);
    c.view = rsm_view(r, reading_time(r, now_ms), db);
    c.argv = argv;
    c.argc = argc;
    c.trial = trial;
    trial->writes = trial->stopped = false;
    size_t before = reply->len;
    run(r, &c);
    trial->writes |= reply->len == before; /* a key is due, and goes by an entry */
}

bool rsm_version(struct rsm *r, uint64_t now_ms, uint32_t db, struct slice key, uint64_t *version,
                 uint64_t *due_ms)
{
    uint64_t now = reading_time(r, now_ms);
    struct store_view view = rsm_view(r, now, db);
    if (db >= store_databases(r->store)) {
        *version = 0; /* EXEC will refuse it, whatever it says */
        return true;
    }
    store_find(&view, key);
    if (view.due_ms) {
        *due_ms = view.due_ms;
        return false;
    }
    *version = store_version(&view, key);
    return true;
}
