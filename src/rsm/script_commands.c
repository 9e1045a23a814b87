/* EVAL and its kin, and SCRIPT: from the arguments to a run. A script that may write is an entry, and so is what changes the table of
 * scripts; others are reads. */
#include "base/number.h"
#include "base/resp.h"
#include "rsm/rsm_int.h"

static const char not_a_number[] = "ERR value is not an integer or out of range";
static const char no_script[] = "NOSCRIPT No matching script. Please use EVAL.";

/* What is no entry runs on one node alone, and can be ended. */
enum { READ_FACTOR = 10 };

static struct script_limits limits(const struct rsm *r, bool entry)
{
    return (struct script_limits){.max_steps =
                                      r->settings.value[SETTING_SCRIPT_STEPS] * (entry ? 1 : READ_FACTOR),
                                  .max_memory = r->settings.value[SETTING_SCRIPT_MEMORY]};
}

static bool is(const struct command_context *c, const char *name)
{
    return slice_is_word(c->argv[0], name);
}

/* NULL: *body does not make a script, and the error was appended. */
static struct stored_script *add(struct rsm *r, struct command_context *c, struct slice body, bool loaded)
{
    struct script_limits l = limits(r, true);
    struct buf error = BUF_EMPTY;
    struct slice code;
    unsigned flags;
    struct stored_script *script = NULL;
    if (!script_shebang(body, &flags, &code, &error))
        resp_errorf(c->out, "ERR %.*s", (int)error.len, error.data);
    else if (!script_compiles(r->scripts.engine, code, &l, &error))
        resp_errorf(c->out, "ERR Error compiling script (new function): %.*s", (int)error.len, error.data);
    else
        script = scripts_add(&r->scripts, body, loaded);
    buf_deinit(&error);
    return script;
}

/* ---- EVAL, EVALSHA ---- */

/* What a script may do: what it has said, and what it was called by. false: the error was appended. */
static bool may_run(struct command_context *c, unsigned flags, bool read_only)
{
    if (!(flags & SCRIPT_DECLARED) || flags & SCRIPT_NO_WRITES)
        return true;
    if (read_only)
        resp_error(c->out, "ERR Can not execute a script with write flag using *_ro command.");
    else if (c->oom && !(flags & SCRIPT_ALLOW_OOM))
        resp_error(c->out, "OOM command not allowed when used memory > 'maxmemory'.");
    else
        return true;
    return false;
}

bool rsm_run_program(struct rsm *r, struct command_context *c, const struct rsm_program *p)
{
    if (!may_run(c, p->flags, p->called_to_read))
        return false;
    struct rsm_caller caller = {.r = r,
                                .c = c,
                                .db = c->view.db,
                                .flags = p->flags,
                                .function = p->library ? p->name : NULL,
                                .read_only = p->called_to_read || p->flags & SCRIPT_NO_WRITES};
    struct script_run script = {.code = p->code,
                                .library = p->library,
                                .name = p->name,
                                .script = p->script,
                                .keys = c->argv + 3,
                                .key_count = p->keys,
                                .args = c->argv + 3 + p->keys,
                                .arg_count = c->argc - 3 - p->keys,
                                .resp = c->resp,
                                .chance = prng_next(c->chance),
                                .limits = limits(r, c->view.writing),
                                .host = &caller,
                                .call = rsm_script_call,
                                .permits = rsm_script_permits,
                                .log = rsm_script_log,
                                .pulse = rsm_script_pulse};
    rsm_script_tell(&caller, RSM_SCRIPT_BEGINS);
    enum script_end end = script_run(r->scripts.engine, &script, c->out);
    caller.passed_error = script_passed_error(r->scripts.engine);
    rsm_script_tell(&caller, RSM_SCRIPT_ENDS);
    if (c->trial)
        c->trial->stopped = end == SCRIPT_STOPPED;
    return caller.changed;
}

/* script: as it is stored, NULL: it is not. `fresh`: it has only just been. */
static void run(struct rsm *r, struct command_context *c, struct slice body, const char *name,
                struct stored_script *script, bool fresh, size_t keys)
{
    struct buf error = BUF_EMPTY;
    bool changed = false;
    struct rsm_program p = {.script = fresh ? NULL : script,
                            .name = name,
                            .keys = keys,
                            .called_to_read = is(c, "eval_ro") || is(c, "evalsha_ro")};
    if (script_shebang(body, &p.flags, &p.code, &error))
        changed = rsm_run_program(r, c, &p);
    else
        resp_errorf(c->out, "ERR %.*s", (int)error.len, error.data);
    if (script && c->view.writing)
        script->wrote = changed;
    buf_deinit(&error);
}

bool rsm_script_keys(struct command_context *c, const char *no_number, size_t *keys)
{
    int64_t n;
    if (!parse_i64(c->argv[2], &n))
        resp_error(c->out, no_number);
    else if (n > (int64_t)(c->argc - 3))
        resp_error(c->out, "ERR Number of keys can't be greater than number of args");
    else if (n < 0)
        resp_error(c->out, "ERR Number of keys can't be negative");
    else {
        *keys = (size_t)n;
        return true;
    }
    return false;
}

static void eval(struct rsm *r, struct command_context *c)
{
    char name[SHA1_HEX + 1];
    size_t keys;
    if (!rsm_script_keys(c, not_a_number, &keys))
        return;
    struct stored_script *known = scripts_find_body(&r->scripts, c->argv[1]), *used = known;
    if (c->view.writing) {
        if (!known && !(used = add(r, c, c->argv[1], false)))
            return;
        scripts_used(&r->scripts, used);
    }
    if (!used)
        sha1_hex(c->argv[1], name);
    run(r, c, c->argv[1], used ? used->name : name, used, !known, keys);
}

static void evalsha(struct rsm *r, struct command_context *c)
{
    size_t keys;
    if (c->argv[1].len != SHA1_HEX) {
        resp_error(c->out, no_script);
        return;
    }
    if (!rsm_script_keys(c, not_a_number, &keys))
        return;
    struct stored_script *known = scripts_find(&r->scripts, c->argv[1]);
    if (!known) {
        resp_error(c->out, no_script);
        return;
    }
    if (c->view.writing)
        scripts_used(&r->scripts, known);
    run(r, c, slice_of(known->body, known->len), known->name, known, false, keys);
}

/* ---- SCRIPT ---- */

static void script_exists(struct rsm *r, struct command_context *c)
{
    resp_array(c->out, c->argc - 2);
    for (size_t i = 2; i < c->argc; i++)
        resp_integer(c->out, scripts_find(&r->scripts, c->argv[i]) != NULL);
}

static void script_flush(struct rsm *r, struct command_context *c)
{
    if (c->argc > 3 ||
        (c->argc == 3 && !slice_is_word(c->argv[2], "sync") && !slice_is_word(c->argv[2], "async"))) {
        resp_error(c->out, "ERR SCRIPT FLUSH only support SYNC|ASYNC option");
        return;
    }
    scripts_flush(&r->scripts);
    resp_simple(c->out, "OK");
}

static void script_load(struct rsm *r, struct command_context *c)
{
    struct stored_script *script = add(r, c, c->argv[2], true);
    if (script)
        resp_bulk_cstr(c->out, script->name);
}

static void script_debug(struct command_context *c)
{
    if (slice_is_word(c->argv[2], "no"))
        resp_simple(c->out, "OK");
    else if (slice_is_word(c->argv[2], "yes") || slice_is_word(c->argv[2], "sync"))
        resp_error(c->out, "ERR scripts cannot be debugged here: they run on all nodes");
    else
        resp_error(c->out, "ERR Use SCRIPT DEBUG YES/SYNC/NO");
}

static void script(struct rsm *r, struct command_context *c)
{
    struct slice what = c->argv[1];
    if (slice_is_word(what, "exists"))
        script_exists(r, c);
    else if (slice_is_word(what, "kill"))
        resp_error(c->out, "NOTBUSY No scripts in execution right now.");
    else if (slice_is_word(what, "debug"))
        script_debug(c);
    else if (!c->view.writing)
        resp_error(c->out, "ERR the table of scripts is changed by entries only");
    else if (slice_is_word(what, "load"))
        script_load(r, c);
    else
        script_flush(r, c);
}

void rsm_script_command(void *arg, struct command_context *c)
{
    struct rsm *r = arg;
    if (is(c, "script"))
        script(r, c);
    else if (is(c, "function"))
        rsm_function_command(r, c);
    else if (is(c, "fcall") || is(c, "fcall_ro"))
        rsm_fcall(r, c);
    else if (is(c, "eval") || is(c, "eval_ro"))
        eval(r, c);
    else
        evalsha(r, c);
}

/* ---- before ---- */

struct rsm_script_counts rsm_script_counts(const struct rsm *r)
{
    return (struct rsm_script_counts){.scripts = scripts_count(&r->scripts),
                                      .libraries = dict_count(r->libraries.by_name),
                                      .functions = dict_count(r->libraries.functions)};
}

struct rsm_script_bytes rsm_script_bytes(const struct rsm *r)
{
    struct rsm_script_bytes b = {0};
    list_for_each(it, &r->scripts.in_use_order) b.scripts +=
        sizeof(struct stored_script) + list_entry(it, struct stored_script, in_use_order)->len;
    list_for_each(it, &r->libraries.in_order)
    {
        const struct library *l = list_entry(it, struct library, in_order);
        b.libraries += sizeof *l + l->name.len + l->code.len + l->count * sizeof *l->functions;
    }
    return b;
}

bool rsm_script_body(const struct rsm *r, struct slice name, struct slice *body)
{
    const struct stored_script *known = scripts_find(&r->scripts, name);
    *body = known ? slice_of(known->body, known->len) : slice_of(NULL, 0);
    return known;
}

struct named_script {
    const struct stored_script *known; /* NULL: it is not */
    struct slice body;
    bool by_name, called_to_read;
};

static struct named_script find_named(const struct rsm *r, const struct slice *argv)
{
    struct named_script s = {
        .by_name = slice_is_word(argv[0], "evalsha") || slice_is_word(argv[0], "evalsha_ro"),
        .called_to_read = slice_is_word(argv[0], "eval_ro") || slice_is_word(argv[0], "evalsha_ro")};
    s.known = s.by_name ? scripts_find(&r->scripts, argv[1]) : scripts_find_body(&r->scripts, argv[1]);
    s.body = !s.by_name ? argv[1] : s.known ? slice_of(s.known->body, s.known->len) : slice_of(NULL, 0);
    return s;
}

static bool is_function(const struct slice *argv)
{
    return slice_is_word(argv[0], "fcall") || slice_is_word(argv[0], "fcall_ro");
}

static unsigned flags_of(struct slice body)
{
    struct buf error = BUF_EMPTY;
    struct slice code;
    unsigned flags = 0;
    bool ok = script_shebang(body, &flags, &code, &error);
    buf_deinit(&error);
    return ok ? flags : SCRIPT_DECLARED;
}

enum rsm_script_way rsm_script_way(const struct rsm *r, const struct slice *argv, size_t argc)
{
    if (argc < 3 || slice_is_word(argv[0], "script"))
        return RSM_SCRIPT_IS_ENTRY;
    if (is_function(argv))
        return rsm_fcall_reads(r, argv) ? RSM_SCRIPT_IS_READ : RSM_SCRIPT_IS_ENTRY;
    struct named_script s = find_named(r, argv);
    if (!s.known)
        return s.by_name && s.called_to_read ? RSM_SCRIPT_IS_READ : RSM_SCRIPT_IS_ENTRY;
    unsigned flags = flags_of(s.body);
    if (s.called_to_read || flags & SCRIPT_NO_WRITES)
        return RSM_SCRIPT_IS_READ;
    return flags || s.known->wrote || scripts_is_old(&r->scripts, s.known) ? RSM_SCRIPT_IS_ENTRY
                                                                           : RSM_SCRIPT_MAY_READ;
}

bool rsm_script_never_writes(const struct rsm *r, const struct slice *argv, size_t argc)
{
    if (argc < 3 || slice_is_word(argv[0], "script"))
        return false;
    if (is_function(argv))
        return rsm_fcall_reads(r, argv);
    struct named_script s = find_named(r, argv);
    return s.called_to_read || flags_of(s.body) & SCRIPT_NO_WRITES;
}
