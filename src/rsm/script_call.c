/* Commands that a script calls: what Redis checks of them, in its order and words, then they run as part of the entry. */
#include "base/number.h"
#include "base/resp.h"
#include "rsm/rsm_int.h"

#include <string.h>

/* Who may do what is the log's, so all nodes judge alike. Until the log has said something, nobody is forbidden anything here. */
static enum acl_verdict judge(const struct rsm_caller *caller, const struct command *row,
                              const struct slice *argv, size_t argc, size_t *which)
{
    const struct acl *a = rsm_acl(caller->r);
    const struct acl_user *u = a ? acl_find(a, caller->c->user) : NULL;
    if (!a)
        return ACL_GRANTED;
    return u ? acl_check(a, u, row, argv, argc, which) : ACL_NO_COMMAND;
}

int rsm_script_permits(void *host, const struct slice *argv, size_t argc)
{
    const struct command *row = command_find(argv, argc);
    size_t which;
    return row ? judge(host, row, argv, argc, &which) == ACL_GRANTED : -1;
}

static const char *denial(enum acl_verdict verdict)
{
    switch (verdict) {
    case ACL_GRANTED:
        return NULL;
    case ACL_NO_COMMAND:
        return "The user executing the script can't run this command or subcommand";
    case ACL_NO_KEY:
        return "The user executing the script can't access at least one of the keys mentioned in the command "
               "arguments";
    case ACL_NO_CHANNEL:
        return "The user executing the script can't publish to the channel mentioned in the command";
    default:
        return "The user executing the script is lacking the permissions for the command";
    }
}

/* Redis's suite has it allowed, with DEBUG SET-DISABLE-DENY-SCRIPTS, for the replies. They do no harm. */
static bool is_debug_protocol(const struct command *row, const struct slice *argv, size_t argc)
{
    return argc == 3 && strcmp(row->name, "debug") == 0 && slice_is_word(argv[1], "protocol");
}

/* NULL: it may run. */
static const char *objection(const struct rsm_caller *caller, struct rsm_script_call *call)
{
    const struct command *row = call->row;
    const struct slice *argv = call->argv;
    size_t argc = call->argc;
    if (!row || (row->flags & CMD_SINCE_3 && caller->r->apply_version < 3))
        return "Unknown Redis command called from script";
    if (!command_arity_ok(row, argc))
        return "Wrong number of args calling Redis command from script";
    if (row->flags & CMD_NOSCRIPT && !is_debug_protocol(row, argv, argc))
        return "This Redis command is not allowed from script";
    call->denied = judge(caller, row, argv, argc, &call->denied_arg);
    return denial(call->denied);
}

/* ---- commands that are not about the keyspace ---- */

static void select_db(struct rsm_caller *caller, struct command_context *c)
{
    int64_t db;
    if (!parse_i64(c->argv[1], &db) || db != (int32_t)db)
        resp_error(c->out, "ERR value is not an integer or out of range");
    else if (db < 0 || db >= (int64_t)store_databases(c->view.store))
        resp_error(c->out, "ERR DB index is out of range");
    else {
        caller->db = (uint32_t)db;
        resp_simple(c->out, "OK");
    }
}

static void ping(struct command_context *c)
{
    if (c->argc > 2)
        resp_error(c->out, "ERR wrong number of arguments for 'ping' command");
    else if (c->argc == 2)
        resp_bulk(c->out, c->argv[1]);
    else
        resp_simple(c->out, "PONG");
}

/* How many hear of it differs from node to node, and a script's replies must not. */
static void publish(struct rsm *r, struct command_context *c, bool shard)
{
    struct rsm_message m = {
        .index = c->view.index, .shard = shard, .channel = c->argv[1], .message = c->argv[2]};
    if (r->listener.published)
        r->listener.published(r->listener.arg, &m);
    resp_integer(c->out, 0);
}

static void run_aside(struct rsm_caller *caller, struct command_context *c, const struct command *row)
{
    const char *name = row->name;
    if (strcmp(name, "select") == 0)
        select_db(caller, c);
    else if (strcmp(name, "ping") == 0)
        ping(c);
    else if (strcmp(name, "echo") == 0)
        resp_bulk(c->out, c->argv[1]);
    else if (strcmp(name, "time") == 0)
        rsm_reply_time(c->view.now_ms, c->out);
    else if (strcmp(name, "publish") == 0 || strcmp(name, "spublish") == 0)
        publish(caller->r, c, *name == 's');
    else if (strncmp(name, "command", 7) == 0)
        command_command(c);
    else
        resp_error(c->out, "ERR This Redis command is not allowed from script");
}

/* ---- the call ---- */

static void run(struct rsm_caller *caller, struct command_context *c, const struct command *row)
{
    struct rsm *r = caller->r;
    size_t before = c->out->len;
    if (!row->run)
        run_aside(caller, c, row);
    else
        row->run(c);
    if (r->listener.written)
        rsm_written_command(r, row, c, before);
    if (c->view.writing && r->blocked.count)
        rsm_blocked_ready(r, c->view.index);
}

static void tell_called(const struct rsm_caller *caller, const struct rsm_script_call *call)
{
    const struct rsm_listener *l = &caller->r->listener;
    const struct command_trial *trial = caller->c->trial;
    if (l->called && (!trial || trial->told))
        l->called(l->arg, call);
}

/* Why it is not run, in `reply`; false: nothing speaks against it. */
static bool is_refused(const struct rsm_caller *caller, struct rsm_script_call *call, struct buf *reply)
{
    const struct command_context *c = caller->c;
    const struct command *row = call->row;
    const char *wrong = objection(caller, call);
    bool effects = row && row->flags & (CMD_WRITE | CMD_MAY_REPLICATE);
    if (!wrong && effects && (caller->read_only || !(c->view.writing || c->trial)))
        wrong = "Write commands are not allowed from read-only scripts.";
    if (wrong)
        resp_errorf(reply, "ERR %s", wrong);
    else if (row->flags & CMD_DENYOOM && c->oom && !caller->wrote &&
             !(caller->flags & SCRIPT_DECLARED && caller->flags & SCRIPT_ALLOW_OOM))
        resp_error(reply, "OOM command not allowed when used memory > 'maxmemory'.");
    else if (command_may_wait(row, call->argv, call->argc) && strncmp(row->name, "xread", 5) == 0)
        resp_errorf(reply, "ERR %s command is not allowed with BLOCK option from scripts", row->name);
    else
        return false;
    return true;
}

bool rsm_script_call(void *host, const struct slice *argv, size_t argc, int resp, struct buf *reply,
                     bool *error)
{
    struct rsm_caller *caller = host;
    struct command_context *outer = caller->c;
    const struct command *row = command_find(argv, argc);
    size_t start = reply->len;
    struct rsm_script_call call = {
        .entry = outer->view.writing, .row = row, .db = caller->db, .argv = argv, .argc = argc};
    *error = call.refused = is_refused(caller, &call, reply);
    if (call.refused) {
        call.error = slice_drop(buf_slice(reply), start);
        tell_called(caller, &call);
        return true;
    }
    bool writes = row->flags & CMD_WRITE, changes = writes || row->flags & CMD_MAY_REPLICATE;
    if (changes && outer->trial) {
        outer->trial->writes = true;
        return false;
    }
    struct command_context c = *outer;
    c.view.db = caller->db;
    c.argv = argv;
    c.argc = argc;
    c.resp = resp;
    c.out = reply;
    c.wait = NULL;
    c.scripts = NULL;
    c.in_script = true;
    if (row->flags & CMD_WHOLE_DB && !c.view.writing && rsm_keys_due(caller->r, c.view.now_ms))
        c.view.due_ms = store_next_due_ms(&c.view);
    else
        run(caller, &c, row);
    outer->view.due_ms = c.view.due_ms;
    caller->wrote |= writes;
    caller->changed |= changes;
    if (c.view.due_ms)
        return false;
    if (reply->len > start && reply->data[start] == '-')
        call.error = slice_drop(buf_slice(reply), start);
    tell_called(caller, &call);
    return true;
}

void rsm_script_log(void *host, int level, struct slice line)
{
    const struct rsm_caller *caller = host;
    const struct rsm_listener *l = &caller->r->listener;
    if (l->said)
        l->said(l->arg, level, line);
}

bool rsm_script_tell(const struct rsm_caller *caller, enum rsm_script_phase phase)
{
    const struct rsm_listener *l = &caller->r->listener;
    struct rsm_running what = {caller->c->view.writing, caller->function, caller->c->argv, caller->c->argc,
                               caller->passed_error};
    return !l->script || l->script(l->arg, phase, &what) || what.entry;
}

bool rsm_script_pulse(void *host)
{
    return rsm_script_tell(host, RSM_SCRIPT_RUNS);
}
