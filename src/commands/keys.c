/* Keys whatever their type: existence, names, databases. */
#include "base/number.h"
#include "commands/commands_int.h"

void del_command(struct command_context *c)
{
    int64_t n = 0;
    for (size_t i = 1; i < c->argc; i++) {
        if (!store_delete(&c->view, c->argv[i]))
            continue;
        notify(c, EVENT_GENERIC, "del", c->argv[i]);
        n++;
    }
    resp_integer(c->out, n);
}

/* Big values are freed aside by DEL too: the two are one. */
void unlink_command(struct command_context *c)
{
    del_command(c);
}

void touch_command(struct command_context *c)
{
    int64_t n = 0;
    for (size_t i = 1; i < c->argc; i++)
        n += store_find(&c->view, c->argv[i]) != NULL;
    resp_integer(c->out, n);
}

void exists_command(struct command_context *c)
{
    c->view.unused = true;
    touch_command(c);
}

void type_command(struct command_context *c)
{
    c->view.unused = true;
    struct store_key *k = store_find(&c->view, c->argv[1]);
    resp_simple(c->out, k ? store_type_name(store_key_type(k)) : "none");
}

void dbsize_command(struct command_context *c)
{
    note_any_due(c);
    resp_integer(c->out, (int64_t)store_count(c->view.store, c->view.db));
}

void randomkey_command(struct command_context *c)
{
    size_t n;
    note_any_due(c);
    while ((n = store_count(c->view.store, c->view.db)) > 0) {
        struct store_key *k = store_at(c->view.store, c->view.db, prng_below(c->chance, n));
        struct slice name = store_key_name(k);
        if (!c->view.writing || store_find(&c->view, name)) { /* a writer deletes a due key by looking */
            resp_bulk(c->out, name);
            return;
        }
    }
    reply_null(c);
}

static void rename_key(struct command_context *c, bool only_if_free)
{
    bool same = slice_equal(c->argv[1], c->argv[2]);
    if (!store_find(&c->view, c->argv[1])) {
        resp_error(c->out, "ERR no such key");
        return;
    }
    bool taken = only_if_free && store_find(&c->view, c->argv[2]);
    if (!same && !taken) {
        store_rename(&c->view, c->argv[1], c->view.db, c->argv[2]);
        notify(c, EVENT_GENERIC, "rename_from", c->argv[1]);
        notify(c, EVENT_GENERIC, "rename_to", c->argv[2]);
    }
    if (only_if_free)
        resp_integer(c->out, !taken);
    else
        reply_ok(c);
}

void rename_command(struct command_context *c)
{
    rename_key(c, false);
}

void renamenx_command(struct command_context *c)
{
    rename_key(c, true);
}

static bool exists_in(struct command_context *c, uint32_t db, struct slice key)
{
    struct store_view there = c->view;
    there.db = db;
    return store_find(&there, key) != NULL;
}

void copy_command(struct command_context *c)
{
    uint32_t db = c->view.db;
    bool replace = false;
    for (size_t i = 3; i < c->argc; i++) {
        if (arg_is(c, i, "replace")) {
            replace = true;
        } else if (arg_is(c, i, "db") && i + 1 < c->argc) {
            if (!arg_db(c, ++i, &db))
                return;
        } else {
            reply_syntax_error(c);
            return;
        }
    }
    if (db == c->view.db && slice_equal(c->argv[1], c->argv[2])) {
        resp_error(c->out, "ERR source and destination objects are the same");
        return;
    }
    bool done = store_find(&c->view, c->argv[1]) && (!exists_in(c, db, c->argv[2]) || replace);
    if (done) {
        store_copy(&c->view, c->argv[1], db, c->argv[2]);
        store_tell(&c->view, EVENT_GENERIC, "copy_to", db, c->argv[2]);
    }
    resp_integer(c->out, done);
}

void move_command(struct command_context *c)
{
    uint32_t db;
    if (!arg_db(c, 2, &db))
        return;
    if (db == c->view.db) {
        resp_error(c->out, "ERR source and destination objects are the same");
        return;
    }
    bool done = store_find(&c->view, c->argv[1]) && !exists_in(c, db, c->argv[1]);
    if (done) {
        store_rename(&c->view, c->argv[1], db, c->argv[1]);
        notify(c, EVENT_GENERIC, "move_from", c->argv[1]);
        store_tell(&c->view, EVENT_GENERIC, "move_to", db, c->argv[1]);
    }
    resp_integer(c->out, done);
}

static bool swap_arg(struct command_context *c, size_t i, const char *which, uint32_t *db)
{
    int64_t v;
    if (!parse_i64(c->argv[i], &v) || v < INT32_MIN || v > INT32_MAX) {
        resp_errorf(c->out, "ERR invalid %s DB index", which);
        return false;
    }
    if (v < 0 || v >= store_databases(c->view.store)) {
        resp_error(c->out, "ERR DB index is out of range");
        return false;
    }
    *db = (uint32_t)v;
    return true;
}

void swapdb_command(struct command_context *c)
{
    uint32_t a, b;
    if (!swap_arg(c, 1, "first", &a) || !swap_arg(c, 2, "second", &b))
        return;
    store_swap(&c->view, a, b);
    reply_ok(c);
}

/* Flushing frees aside, whether ASYNC or SYNC is asked for. */
static void flush(struct command_context *c, bool all)
{
    if (c->argc > 2 || (c->argc == 2 && !arg_is(c, 1, "async") && !arg_is(c, 1, "sync"))) {
        reply_syntax_error(c);
        return;
    }
    store_flush(&c->view, all);
    reply_ok(c);
}

void flushdb_command(struct command_context *c)
{
    flush(c, false);
}

void flushall_command(struct command_context *c)
{
    flush(c, true);
}

/* As Redis has it: what is wrong with KEYS is for the command to say. */
int migrate_find_keys(const struct slice *argv, size_t argc, int *out, int max)
{
    size_t first = 3, count = 1;
    for (size_t i = 6; i < argc; i++) {
        if (slice_is_word(argv[i], "keys")) {
            first = i + 1;
            count = argv[3].len ? 0 : argc - first;
            break;
        }
        i += slice_is_word(argv[i], "auth") ? 1 : slice_is_word(argv[i], "auth2") ? 2 : 0;
    }
    for (size_t i = 0; i < count && i < (size_t)max; i++)
        out[i] = (int)(first + i);
    return (int)count;
}
