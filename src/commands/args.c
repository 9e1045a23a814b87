/* Arguments and replies that many commands share, with Redis's texts. */
#include <limits.h>
#include <math.h>

#include "commands/commands_int.h"

bool arg_i64(struct command_context *c, size_t i, int64_t *out)
{
    if (parse_i64(c->argv[i], out))
        return true;
    resp_error(c->out, "ERR value is not an integer or out of range");
    return false;
}

bool arg_i64_in(struct command_context *c, size_t i, int64_t min, int64_t max, const char *error,
                int64_t *out)
{
    if (!error && !arg_i64(c, i, out))
        return false;
    if ((!error || parse_i64(c->argv[i], out)) && *out >= min && *out <= max)
        return true;
    if (error)
        resp_error(c->out, error);
    else
        resp_errorf(c->out, "ERR value is out of range, value must between %lld and %lld", (long long)min,
                    (long long)max);
    return false;
}

bool arg_int(struct command_context *c, size_t i, int *out)
{
    int64_t v;
    if (!arg_i64_in(c, i, INT_MIN, INT_MAX, NULL, &v))
        return false;
    *out = (int)v;
    return true;
}

bool arg_db(struct command_context *c, size_t i, uint32_t *db)
{
    int v;
    if (!arg_int(c, i, &v))
        return false;
    if (v < 0 || (uint32_t)v >= store_databases(c->view.store)) {
        resp_error(c->out, "ERR DB index is out of range");
        return false;
    }
    *db = (uint32_t)v;
    return true;
}

bool check_string(struct command_context *c, const struct store_key *k)
{
    return check_type(c, k, STORE_STRING);
}

bool check_type(struct command_context *c, const struct store_key *k, enum store_type type)
{
    if (!k || store_key_type(k) == type)
        return true;
    resp_error(c->out, "WRONGTYPE Operation against a key holding the wrong kind of value");
    return false;
}

bool reply_is_too_long(struct command_context *c, size_t start)
{
    if (c->out->len - start <= c->max_bulk)
        return false;
    buf_truncate(c->out, start);
    resp_error(c->out, "ERR the reply would be longer than proto-max-bulk-len");
    return true;
}

void reply_ok(struct command_context *c)
{
    buf_append(c->out, "+OK\r\n", 5);
}

void reply_null(struct command_context *c)
{
    resp_null(c->out, c->resp);
}

void reply_syntax_error(struct command_context *c)
{
    resp_error(c->out, "ERR syntax error");
}

void reply_arity_error(struct command_context *c, const char *name)
{
    resp_errorf(c->out, "ERR wrong number of arguments for '%s' command", name);
}

bool sum_as_text(struct command_context *c, long double value, long double by, char room[NUMBER_TEXT_MAX],
                 struct slice *text)
{
    value += by;
    if (isnan(value) || isinf(value)) {
        resp_error(c->out, "ERR increment would produce NaN or Infinity");
        return false;
    }
    *text = slice_of(room, format_long_double(room, value));
    return true;
}

void reply_string(struct command_context *c, const struct store_key *k)
{
    char scratch[24];
    resp_bulk(c->out, store_string(k, scratch));
}

const char *command_name(const struct command_context *c)
{
    const struct command *row = command_find(c->argv, c->argc);
    return row ? row->name : "";
}

void reply_help(struct command_context *c, const char *name, const char *const *lines)
{
    size_t n = 0;
    while (lines[n])
        n++;
    resp_array(c->out, n + 3);
    buf_printf(c->out, "+%s <subcommand> [<arg> [value] [opt] ...]. Subcommands are:\r\n", name);
    for (size_t i = 0; i < n; i++)
        resp_simple(c->out, lines[i]);
    resp_simple(c->out, "HELP");
    resp_simple(c->out, "    Prints this help.");
}

void note_any_due(struct command_context *c)
{
    uint64_t due_ms = store_next_due_ms(&c->view);
    if (c->view.writing || due_ms == STORE_NEVER || due_ms > c->view.now_ms)
        return;
    if (!c->view.due_ms || due_ms < c->view.due_ms)
        c->view.due_ms = due_ms;
}

/* Rounded up to whole milliseconds. What lies beyond what int64 holds reads as negative, as in Redis. */
bool arg_timeout(struct command_context *c, size_t i, uint64_t *timeout_ms)
{
    long double seconds;
    if (!parse_long_double(c->argv[i], &seconds)) {
        resp_error(c->out, "ERR timeout is not a float or out of range");
        return false;
    }
    long double ms = seconds * 1000;
    if (ms <= -1 || ms >= 0x1p63L) {
        resp_error(c->out, "ERR timeout is negative");
        return false;
    }
    *timeout_ms = ms > 0 ? (uint64_t)ms : 0;
    *timeout_ms += (long double)*timeout_ms < ms;
    return true;
}

void keys_to_try(const struct command_context *c, size_t *first, size_t *n)
{
    for (size_t i = *first; c->ready.data && i < *first + *n; i++) {
        if (!slice_equal(c->argv[i], c->ready))
            continue;
        *first = i;
        *n = 1;
        return;
    }
}

bool wait_for_keys(struct command_context *c, enum store_type type, size_t first_key, size_t key_count,
                   uint64_t timeout_ms)
{
    if (!c->wait)
        return false;
    *c->wait = (struct command_wait){.waits = true,
                                     .type = type,
                                     .first_key = first_key,
                                     .key_count = key_count,
                                     .timeout_ms = timeout_ms};
    return true;
}
