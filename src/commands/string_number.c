/* INCR and its family: values as numbers. */
#include "commands/commands_int.h"

static void add(struct command_context *c, int64_t by)
{
    int64_t value = 0;
    struct store_key *k = store_find(&c->view, c->argv[1]);
    if (!check_string(c, k))
        return;
    if (k && !store_string_i64(k, &value)) {
        resp_error(c->out, "ERR value is not an integer or out of range");
        return;
    }
    if (__builtin_add_overflow(value, by, &value)) {
        resp_error(c->out, "ERR increment or decrement would overflow");
        return;
    }
    store_put_i64(&c->view, c->argv[1], value, true);
    notify(c, EVENT_STRING, "incrby", c->argv[1]);
    resp_integer(c->out, value);
}

void incr_command(struct command_context *c)
{
    add(c, 1);
}

void decr_command(struct command_context *c)
{
    add(c, -1);
}

void incrby_command(struct command_context *c)
{
    int64_t by;
    if (arg_i64(c, 2, &by))
        add(c, by);
}

void decrby_command(struct command_context *c)
{
    int64_t by;
    if (!arg_i64(c, 2, &by))
        return;
    if (by == INT64_MIN) {
        resp_error(c->out, "ERR decrement would overflow");
        return;
    }
    add(c, -by);
}

void incrbyfloat_command(struct command_context *c)
{
    long double value = 0, by;
    char scratch[24], text[NUMBER_TEXT_MAX];
    struct slice sum;
    struct store_key *k = store_find(&c->view, c->argv[1]);
    if (!check_string(c, k))
        return;
    if ((k && !parse_long_double(store_string(k, scratch), &value)) || !parse_long_double(c->argv[2], &by)) {
        resp_error(c->out, "ERR value is not a valid float");
        return;
    }
    if (!sum_as_text(c, value, by, text, &sum))
        return;
    store_put_text(&c->view, c->argv[1], sum, true);
    notify(c, EVENT_STRING, "incrbyfloat", c->argv[1]);
    resp_bulk(c->out, sum);
}
