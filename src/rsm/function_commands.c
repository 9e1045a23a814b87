/* FCALL and FUNCTION. What changes the table of libraries is an entry, and so is a function that may write. */
#include "base/alloc.h"
#include "base/glob.h"
#include "base/resp.h"
#include "rsm/rsm_int.h"
#include "store/rdb.h"

#include <string.h>

static bool is(const struct command_context *c, size_t i, const char *word)
{
    return slice_is_word(c->argv[i], word);
}

static void reply_error(struct command_context *c, const struct buf *error)
{
    resp_errorf(c->out, "ERR %.*s", (int)error->len, error->data);
}

static bool too_many(struct command_context *c, size_t most)
{
    if (c->argc > most)
        resp_errorf(c->out,
                    "ERR unknown subcommand or wrong number of arguments for '%.*s'. Try FUNCTION HELP.",
                    (int)c->argv[1].len, c->argv[1].data);
    return c->argc > most;
}

/* ---- FCALL ---- */

void rsm_fcall(struct rsm *r, struct command_context *c)
{
    size_t keys;
    const struct library_function *f = libraries_function(&r->libraries, c->argv[1]);
    if (!f) {
        resp_error(c->out, "ERR Function not found");
        return;
    }
    if (!rsm_script_keys(c, "ERR Bad number of keys provided", &keys))
        return;
    struct rsm_program program = {.code = library_body(f->library),
                                  .library = f->library,
                                  .name = f->name.data,
                                  .flags = f->flags | SCRIPT_DECLARED,
                                  .called_to_read = is(c, 0, "fcall_ro"),
                                  .keys = keys};
    rsm_run_program(r, c, &program);
}

bool rsm_function_body(const struct rsm *r, struct slice name, struct slice *own, struct slice *body)
{
    const struct library_function *f = libraries_function(&r->libraries, name);
    if (f) {
        *own = f->name;
        *body = library_body(f->library);
    }
    return f;
}

bool rsm_fcall_reads(const struct rsm *r, const struct slice *argv)
{
    const struct library_function *f = libraries_function(&r->libraries, argv[1]);
    return slice_is_word(argv[0], "fcall_ro") || (f && f->flags & SCRIPT_NO_WRITES);
}

/* ---- FUNCTION LOAD, DELETE, FLUSH ---- */

static void load(struct rsm *r, struct command_context *c)
{
    struct buf error = BUF_EMPTY;
    struct script_engine *e = r->scripts.engine;
    bool replace = false;
    for (size_t i = 2; i + 1 < c->argc; i++) {
        if (!is(c, i, "replace")) {
            resp_errorf(c->out, "ERR Unknown option given: %.*s", (int)c->argv[i].len, c->argv[i].data);
            return;
        }
        replace = true;
    }
    struct library *l = library_new(e, c->argv[c->argc - 1], replace ? NULL : &r->libraries, &error);
    if (l && libraries_add(&r->libraries, e, &l, 1, replace, &error)) {
        resp_bulk(c->out, l->name);
    } else {
        reply_error(c, &error);
        if (l)
            library_free(l);
    }
    buf_deinit(&error);
}

static void delete (struct rsm *r, struct command_context *c)
{
    struct library *l = libraries_find(&r->libraries, c->argv[2]);
    if (!l) {
        resp_error(c->out, "ERR Library not found");
        return;
    }
    libraries_remove(&r->libraries, r->scripts.engine, l);
    resp_simple(c->out, "OK");
}

static void flush(struct rsm *r, struct command_context *c)
{
    if (too_many(c, 3))
        return;
    if (c->argc == 3 && !is(c, 2, "sync") && !is(c, 2, "async")) {
        resp_error(c->out, "ERR FUNCTION FLUSH only supports SYNC|ASYNC option");
        return;
    }
    libraries_flush(&r->libraries, r->scripts.engine);
    resp_simple(c->out, "OK");
}

/* ---- FUNCTION LIST, STATS ---- */

static void reply_flags(struct command_context *c, unsigned flags)
{
    unsigned flag, count = 0;
    const char *name;
    for (size_t i = 0; script_flag_name(i, &flag); i++)
        count += (flags & flag) != 0;
    resp_set(c->out, c->resp, count);
    for (size_t i = 0; (name = script_flag_name(i, &flag)); i++)
        if (flags & flag)
            resp_simple(c->out, name);
}

static void reply_function(struct command_context *c, const struct library_function *f)
{
    resp_map(c->out, c->resp, 3);
    resp_bulk_cstr(c->out, "name");
    resp_bulk(c->out, f->name);
    resp_bulk_cstr(c->out, "description");
    if (f->description.data)
        resp_bulk(c->out, f->description);
    else
        resp_null(c->out, c->resp);
    resp_bulk_cstr(c->out, "flags");
    reply_flags(c, f->flags);
}

static void reply_library(struct command_context *c, const struct library *l, bool with_code)
{
    resp_map(c->out, c->resp, with_code ? 4 : 3);
    resp_bulk_cstr(c->out, "library_name");
    resp_bulk(c->out, l->name);
    resp_bulk_cstr(c->out, "engine");
    resp_bulk_cstr(c->out, "LUA");
    resp_bulk_cstr(c->out, "functions");
    resp_array(c->out, l->count);
    for (size_t i = 0; i < l->count; i++)
        reply_function(c, &l->functions[i]);
    if (with_code) {
        resp_bulk_cstr(c->out, "library_code");
        resp_bulk(c->out, l->code);
    }
}

static bool list_options(struct command_context *c, bool *with_code, struct slice *pattern)
{
    *with_code = false;
    *pattern = slice_of(NULL, 0);
    for (size_t i = 2; i < c->argc; i++) {
        if (!*with_code && is(c, i, "withcode")) {
            *with_code = true;
        } else if (!pattern->data && is(c, i, "libraryname")) {
            if (++i == c->argc) {
                resp_error(c->out, "ERR library name argument was not given");
                return false;
            }
            *pattern = c->argv[i];
        } else {
            resp_errorf(c->out, "ERR Unknown argument %.*s", (int)c->argv[i].len, c->argv[i].data);
            return false;
        }
    }
    return true;
}

static void list(const struct rsm *r, struct command_context *c)
{
    bool with_code;
    struct slice pattern;
    size_t count = 0;
    if (!list_options(c, &with_code, &pattern))
        return;
    const struct list *head = &r->libraries.in_order;
    for (int pass = 0; pass < 2; pass++) {
        if (pass)
            resp_array(c->out, count);
        for (const struct list *it = head->next; it != head; it = it->next) {
            const struct library *l = list_entry(it, const struct library, in_order);
            if (pattern.data && !glob_match(pattern, l->name, true))
                continue;
            count++;
            if (pass)
                reply_library(c, l, with_code);
        }
    }
}

static void reply_running(const struct rsm_running *running, uint64_t ms, int resp, struct buf *out)
{
    resp_map(out, resp, 3);
    resp_bulk_cstr(out, "name");
    resp_bulk_cstr(out, running->function);
    resp_bulk_cstr(out, "command");
    resp_array(out, running->argc);
    for (size_t i = 0; i < running->argc; i++)
        resp_bulk(out, running->argv[i]);
    resp_bulk_cstr(out, "duration_ms");
    resp_integer(out, (int64_t)ms);
}

void rsm_reply_function_stats(const struct rsm *r, const struct rsm_running *running, uint64_t ms, int resp,
                              struct buf *out)
{
    resp_map(out, resp, 2);
    resp_bulk_cstr(out, "running_script");
    if (running)
        reply_running(running, ms, resp, out);
    else
        resp_null(out, resp);
    resp_bulk_cstr(out, "engines");
    resp_map(out, resp, 1);
    resp_bulk_cstr(out, "LUA");
    resp_map(out, resp, 2);
    resp_bulk_cstr(out, "libraries_count");
    resp_integer(out, (int64_t)dict_count(r->libraries.by_name));
    resp_bulk_cstr(out, "functions_count");
    resp_integer(out, (int64_t)dict_count(r->libraries.functions));
}

/* ---- FUNCTION DUMP, RESTORE ---- */

void rsm_dump_functions(const struct rsm *r, struct buf *out)
{
    size_t start = out->len;
    rsm_put_libraries(r, out);
    rdb_put_footer(out, start);
}

uint64_t rsm_functions_digest(const struct rsm *r)
{
    return r->libraries.digest;
}

static void dump(const struct rsm *r, struct command_context *c)
{
    struct buf payload = BUF_EMPTY;
    rsm_dump_functions(r, &payload);
    resp_bulk(c->out, buf_slice(&payload));
    buf_deinit(&payload);
}

struct batch {
    struct library **at;
    size_t count;
};

static bool read_all(struct rsm *r, struct slice bytes, struct batch *b, struct buf *error)
{
    struct reader in = reader_of(bytes);
    struct buf room = BUF_EMPTY;
    struct slice code;
    bool ok = true;
    while (ok && reader_left(&in)) {
        ok = get_u8(&in) == RDB_OP_FUNCTION2;
        if (!ok) {
            buf_append_cstr(error, "given type is not a function");
        } else if (!rdb_get_string(&in, &room, &code) || in.failed) {
            buf_append_cstr(error, "failed loading the given functions payload");
            ok = false;
        } else {
            struct library *l = library_new(r->scripts.engine, code, NULL, error);
            b->at = mem_realloc(b->at, (b->count + 1) * sizeof *b->at);
            if ((ok = l))
                b->at[b->count++] = l;
        }
    }
    buf_deinit(&room);
    return ok;
}

/* With `flush` those that are there go, once it is certain that the new ones fit together. */
static bool restore_all(struct rsm *r, const struct batch *b, bool flush, bool replace, struct buf *error)
{
    struct script_engine *e = r->scripts.engine;
    if (!flush)
        return libraries_add(&r->libraries, e, b->at, b->count, replace, error);
    struct libraries fresh;
    libraries_init(&fresh, r->seed);
    bool ok = libraries_add(&fresh, e, b->at, b->count, false, error);
    if (ok) {
        libraries_deinit(&r->libraries, e);
        libraries_move(&r->libraries, &fresh);
    } else {
        libraries_deinit(&fresh, e);
    }
    return ok;
}

static void restore(struct rsm *r, struct command_context *c)
{
    struct batch b = {0};
    struct buf error = BUF_EMPTY;
    struct slice body;
    if (too_many(c, 4))
        return;
    bool flush = c->argc == 4 && is(c, 3, "flush"), replace = c->argc == 4 && is(c, 3, "replace");
    if (c->argc == 4 && !flush && !replace && !is(c, 3, "append")) {
        resp_error(c->out,
                   "ERR Wrong restore policy given, value should be either FLUSH, APPEND or REPLACE.");
        return;
    }
    if (!rdb_check_footer(c->argv[2], &body)) {
        resp_error(c->out, "ERR DUMP payload version or checksum are wrong");
        return;
    }
    bool ok = read_all(r, body, &b, &error) && restore_all(r, &b, flush, replace, &error);
    if (ok)
        resp_simple(c->out, "OK");
    else
        reply_error(c, &error);
    for (size_t i = 0; !ok && i < b.count; i++)
        library_free(b.at[i]);
    mem_free(b.at);
    buf_deinit(&error);
}

void rsm_function_command(struct rsm *r, struct command_context *c)
{
    if (is(c, 1, "list"))
        list(r, c);
    else if (is(c, 1, "stats"))
        rsm_reply_function_stats(r, NULL, 0, c->resp, c->out);
    else if (is(c, 1, "dump"))
        dump(r, c);
    else if (is(c, 1, "kill"))
        resp_error(c->out, "NOTBUSY No scripts in execution right now.");
    else if (is(c, 1, "load"))
        load(r, c);
    else if (is(c, 1, "delete"))
        delete (r, c);
    else if (is(c, 1, "restore"))
        restore(r, c);
    else
        flush(r, c);
}
