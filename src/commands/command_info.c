/* COMMAND: what the table says about itself. */
#include <string.h>

#include "base/alloc.h"
#include "base/glob.h"
#include "commands/commands_int.h"

static void reply_tips(struct buf *out, int resp, const char *tips)
{
    size_t n = *tips ? 1 : 0;
    for (const char *at = tips; *at; at++)
        n += *at == ' ';
    resp_set(out, resp, n);
    while (*tips) {
        size_t len = strcspn(tips, " ");
        resp_bulk(out, slice_of(tips, len));
        tips += len + (tips[len] == ' ');
    }
}

static void reply_flags(struct buf *out, int resp, const struct command *row)
{
    size_t n = 0;
    while (command_flag_names(row, n))
        n++;
    resp_set(out, resp, n);
    for (size_t i = 0; i < n; i++)
        resp_simple(out, command_flag_names(row, i));
    n = 0;
    resp_integer(out, row->first_key);
    resp_integer(out, row->last_key);
    resp_integer(out, row->key_step);
    while (command_category_name(row, n))
        n++;
    resp_set(out, resp, n);
    for (size_t i = 0; i < n; i++)
        buf_printf(out, "+@%s\r\n", command_category_name(row, i));
}

static void reply_row(struct buf *out, int resp, const struct command *row)
{
    size_t subs = 0;
    resp_array(out, 10);
    resp_bulk_cstr(out, row->name);
    resp_integer(out, row->arity);
    reply_flags(out, resp, row);
    reply_tips(out, resp, row->tips);
    reply_key_specs(out, resp, row->key_specs);
    while (row->subcommands && row->subcommands[subs].name)
        subs++;
    resp_set(out, resp, subs);
    for (size_t i = 0; i < subs; i++)
        reply_row(out, resp, &row->subcommands[i]);
}

static void all(struct command_context *c)
{
    size_t n = command_count();
    resp_array(c->out, n);
    for (size_t i = 0; i < n; i++)
        reply_row(c->out, c->resp, command_at(i));
}

/* "client" or "client|id". */
static const struct command *by_full_name(struct slice name)
{
    const char *bar = name.len ? memchr(name.data, '|', name.len) : NULL;
    if (!bar)
        return command_lookup(name);
    size_t len = (size_t)(bar - name.data);
    const struct command *row = command_lookup(slice_of(name.data, len));
    return row ? command_lookup_sub(row, slice_of(bar + 1, name.len - len - 1)) : NULL;
}

static void info(struct command_context *c)
{
    if (c->argc == 2) {
        all(c);
        return;
    }
    resp_array(c->out, c->argc - 2);
    for (size_t i = 2; i < c->argc; i++) {
        const struct command *row = by_full_name(c->argv[i]);
        if (row)
            reply_row(c->out, c->resp, row);
        else
            resp_null(c->out, c->resp);
    }
}

static void docs(struct command_context *c)
{
    size_t n = 0;
    if (c->argc == 2) {
        resp_map(c->out, c->resp, command_count());
        for (size_t i = 0; i < command_count(); i++)
            reply_docs(c->out, c->resp, command_at(i));
        return;
    }
    for (size_t i = 2; i < c->argc; i++)
        n += by_full_name(c->argv[i]) != NULL;
    resp_map(c->out, c->resp, n);
    for (size_t i = 2; i < c->argc; i++) {
        const struct command *row = by_full_name(c->argv[i]);
        if (row)
            reply_docs(c->out, c->resp, row);
    }
}

static void count(struct command_context *c)
{
    resp_integer(c->out, (int64_t)command_count());
}

/* ---- LIST ---- */

struct list_filter {
    enum { ALL, NONE, PATTERN, CATEGORY } kind;
    struct slice pattern;
    uint32_t category;
};

static size_t list_row(struct buf *out, const struct command *row, const struct list_filter *f)
{
    size_t n = 0;
    bool wanted = f->kind == ALL ||
                  (f->kind == PATTERN && glob_match(f->pattern, slice_cstr(row->name), true)) ||
                  (f->kind == CATEGORY && row->categories & f->category);
    if (wanted) {
        resp_bulk_cstr(out, row->name);
        n++;
    }
    for (const struct command *sub = row->subcommands; sub && sub->name; sub++)
        n += list_row(out, sub, f);
    return n;
}

static void list(struct command_context *c)
{
    struct list_filter f = {ALL, {NULL, 0}, 0};
    if (c->argc == 5 && arg_is(c, 2, "filterby")) {
        f.kind = NONE;
        if (arg_is(c, 3, "aclcat")) {
            f.category = command_category(c->argv[4]);
            f.kind = f.category ? CATEGORY : NONE;
        } else if (arg_is(c, 3, "pattern")) {
            f.pattern = c->argv[4];
            f.kind = PATTERN;
        } else if (!arg_is(c, 3, "module")) {
            reply_syntax_error(c);
            return;
        }
    } else if (c->argc != 2) {
        reply_syntax_error(c);
        return;
    }
    struct buf names = BUF_EMPTY;
    size_t n = 0;
    for (size_t i = 0; i < command_count(); i++)
        n += list_row(&names, command_at(i), &f);
    resp_set(c->out, c->resp, n);
    buf_append_slice(c->out, buf_slice(&names));
    buf_deinit(&names);
}

/* ---- GETKEYS ---- */

static void keys_of(struct command_context *c, bool with_flags)
{
    const struct slice *argv = c->argv + 2;
    size_t argc = c->argc - 2;
    const struct command *row = command_find(argv, argc);
    if (!row) {
        resp_error(c->out, "ERR Invalid command specified");
        return;
    }
    if (!*row->key_specs && !row->find_keys) {
        resp_error(c->out, "ERR The command has no key arguments");
        return;
    }
    if (!command_arity_ok(row, argc)) {
        resp_error(c->out, "ERR Invalid number of arguments specified for command");
        return;
    }
    int n = command_keys(row, argv, argc, NULL, 0);
    if (n < 1 && row->flags & CMD_NO_MANDATORY_KEYS && slice_equal(argv[2], SLICE_LITERAL("0")))
        n = 0;
    if (n < 0 || (n == 0 && !(row->flags & CMD_NO_MANDATORY_KEYS))) {
        resp_error(c->out, "ERR Invalid arguments specified for command");
        return;
    }
    int *positions = mem_alloc((size_t)n * sizeof *positions);
    command_keys(row, argv, argc, positions, n);
    resp_array(c->out, (size_t)n);
    for (int i = 0; i < n; i++) {
        if (with_flags)
            resp_array(c->out, 2);
        resp_bulk(c->out, argv[positions[i]]);
        if (with_flags)
            reply_key_flags(c->out, c->resp, row, argv, argc, positions[i]);
    }
    mem_free(positions);
}

static void help(struct command_context *c)
{
    static const char *const lines[] = {
        "(no subcommand)",
        "    Return details about all Redis commands.",
        "COUNT",
        "    Return the total number of commands in this Redis server.",
        "LIST",
        "    Return a list of all commands in this Redis server.",
        "INFO [<command-name> ...]",
        "    Return details about multiple Redis commands.",
        "    If no command names are given, documentation details for all",
        "    commands are returned.",
        "DOCS [<command-name> ...]",
        "    Return documentation details about multiple Redis commands.",
        "    If no command names are given, documentation details for all",
        "    commands are returned.",
        "GETKEYS <full-command>",
        "    Return the keys from a full Redis command.",
        "GETKEYSANDFLAGS <full-command>",
        "    Return the keys and the access flags from a full Redis command.",
        NULL,
    };
    reply_help(c, "COMMAND", lines);
}

void command_command(struct command_context *c)
{
    const struct command *row = command_check(c->argv, c->argc, c->out);
    if (!row)
        return;
    if (c->argc == 1)
        all(c);
    else if (arg_is(c, 1, "info"))
        info(c);
    else if (arg_is(c, 1, "docs"))
        docs(c);
    else if (arg_is(c, 1, "count"))
        count(c);
    else if (arg_is(c, 1, "list"))
        list(c);
    else if (arg_is(c, 1, "getkeys"))
        keys_of(c, false);
    else if (arg_is(c, 1, "getkeysandflags"))
        keys_of(c, true);
    else
        help(c);
}
