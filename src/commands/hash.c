/* HSET, HGET and their family. */
#include "store/hash.h"

#include <math.h>

#include "commands/commands_int.h"

/* The hash of a reader's key, empty when there is none; false: another type, and the error was appended. */
static bool find_hash(struct command_context *c, struct collection *h)
{
    const struct store_key *k = store_find(&c->view, c->argv[1]);
    *h = (struct collection){.form = FORM_PACKED};
    if (!check_type(c, k, STORE_HASH))
        return false;
    if (k)
        *h = store_collection(k);
    return true;
}

static bool edit_begin(struct command_context *c, struct store_edit *e)
{
    if (!check_type(c, store_find(&c->view, c->argv[1]), STORE_HASH))
        return false;
    store_edit_begin(e, &c->view, c->argv[1], STORE_HASH);
    return true;
}

static void reply_value(struct command_context *c, const struct collection *h, struct slice field)
{
    char scratch[LP_NUMBER_MAX];
    struct slice value;
    if (hash_get(h, field, scratch, &value))
        resp_bulk(c->out, value);
    else
        reply_null(c);
}

void hget_command(struct command_context *c)
{
    struct collection h;
    if (find_hash(c, &h))
        reply_value(c, &h, c->argv[2]);
}

void hmget_command(struct command_context *c)
{
    struct collection h;
    if (!find_hash(c, &h))
        return;
    size_t start = c->out->len;
    resp_array(c->out, c->argc - 2);
    for (size_t i = 2; i < c->argc && !entry_reply_is_too_long(c, start); i++)
        reply_value(c, &h, c->argv[i]);
}

void hlen_command(struct command_context *c)
{
    struct collection h;
    if (find_hash(c, &h))
        resp_integer(c->out, (int64_t)hash_count(&h));
}

void hstrlen_command(struct command_context *c)
{
    struct collection h;
    char scratch[LP_NUMBER_MAX];
    struct slice value;
    if (find_hash(c, &h))
        resp_integer(c->out, hash_get(&h, c->argv[2], scratch, &value) ? (int64_t)value.len : 0);
}

void hexists_command(struct command_context *c)
{
    struct collection h;
    char scratch[LP_NUMBER_MAX];
    struct slice value;
    if (find_hash(c, &h))
        resp_integer(c->out, hash_get(&h, c->argv[2], scratch, &value));
}

/* ---- all of it ---- */

static void reply_all(struct command_context *c, bool fields, bool values)
{
    struct collection h;
    struct hash_walk w;
    if (!find_hash(c, &h))
        return;
    if (fields && values)
        resp_map(c->out, c->resp, hash_count(&h));
    else
        resp_array(c->out, hash_count(&h));
    hash_walk_init(&w, &h);
    while (hash_walk_next(&w)) {
        if (fields)
            resp_bulk(c->out, w.field);
        if (values)
            resp_bulk(c->out, w.value);
    }
}

void hgetall_command(struct command_context *c)
{
    reply_all(c, true, true);
}

void hkeys_command(struct command_context *c)
{
    reply_all(c, true, false);
}

void hvals_command(struct command_context *c)
{
    reply_all(c, false, true);
}

static void found_pair(void *arg, struct slice field, struct slice value)
{
    struct element_scan *s = arg;
    if (!element_scan_wants(s, field))
        return;
    element_scan_found(s, field);
    element_scan_found(s, value);
}

void hscan_command(struct command_context *c)
{
    struct element_scan s;
    if (element_scan_begin(&s, c, STORE_HASH))
        element_scan_end(&s, hash_scan(&s.value, s.cursor, s.count, found_pair, &s));
}

/* ---- changes ---- */

/* Field and value pairs from argv[2] on; the number of new fields. */
static bool set_pairs(struct command_context *c, int64_t *fresh)
{
    struct store_edit e;
    *fresh = 0;
    if (c->argc % 2) {
        reply_arity_error(c, command_name(c));
        return false;
    }
    if (!edit_begin(c, &e))
        return false;
    for (size_t i = 2; i < c->argc; i += 2)
        *fresh += hash_set(&e.value, c->argv[i], c->argv[i + 1], c->view.limits);
    store_edit_end(&e, true);
    notify(c, EVENT_HASH, "hset", c->argv[1]);
    return true;
}

void hset_command(struct command_context *c)
{
    int64_t fresh;
    if (set_pairs(c, &fresh))
        resp_integer(c->out, fresh);
}

void hmset_command(struct command_context *c)
{
    int64_t fresh;
    if (set_pairs(c, &fresh))
        reply_ok(c);
}

void hsetnx_command(struct command_context *c)
{
    struct store_edit e;
    char scratch[LP_NUMBER_MAX];
    struct slice value;
    if (!edit_begin(c, &e))
        return;
    bool taken = hash_get(&e.value, c->argv[2], scratch, &value);
    if (!taken)
        hash_set(&e.value, c->argv[2], c->argv[3], c->view.limits);
    store_edit_end(&e, !taken);
    if (!taken)
        notify(c, EVENT_HASH, "hset", c->argv[1]);
    resp_integer(c->out, !taken);
}

void hdel_command(struct command_context *c)
{
    struct store_edit e;
    int64_t gone = 0;
    if (!store_find(&c->view, c->argv[1])) {
        resp_integer(c->out, 0);
        return;
    }
    if (!edit_begin(c, &e))
        return;
    for (size_t i = 2; i < c->argc; i++)
        gone += hash_delete(&e.value, c->argv[i]);
    bool stays = store_edit_end(&e, gone);
    if (gone)
        notify(c, EVENT_HASH, "hdel", c->argv[1]);
    if (!stays)
        notify(c, EVENT_GENERIC, "del", c->argv[1]);
    resp_integer(c->out, gone);
}

/* ---- numbers ---- */

static void set_number(struct command_context *c, struct slice text, const char *event)
{
    struct store_edit e;
    store_edit_begin(&e, &c->view, c->argv[1], STORE_HASH);
    hash_set(&e.value, c->argv[2], text, c->view.limits);
    store_edit_end(&e, true);
    notify(c, EVENT_HASH, event, c->argv[1]);
}

void hincrby_command(struct command_context *c)
{
    struct collection h;
    char scratch[LP_NUMBER_MAX], text[LP_NUMBER_MAX];
    struct slice old;
    int64_t value = 0, by;
    if (!arg_i64(c, 3, &by) || !find_hash(c, &h))
        return;
    if (hash_get(&h, c->argv[2], scratch, &old) && !parse_i64(old, &value)) {
        resp_error(c->out, "ERR hash value is not an integer");
        return;
    }
    if (__builtin_add_overflow(value, by, &value)) {
        resp_error(c->out, "ERR increment or decrement would overflow");
        return;
    }
    set_number(c, slice_of(text, format_i64(text, value)), "hincrby");
    resp_integer(c->out, value);
}

void hincrbyfloat_command(struct command_context *c)
{
    struct collection h;
    char scratch[LP_NUMBER_MAX], text[NUMBER_TEXT_MAX];
    struct slice old, sum;
    long double value = 0, by;
    if (!parse_long_double(c->argv[3], &by)) {
        resp_error(c->out, "ERR value is not a valid float");
        return;
    }
    if (isinf(by)) {
        resp_error(c->out, "ERR value is NaN or Infinity");
        return;
    }
    if (!find_hash(c, &h))
        return;
    if (hash_get(&h, c->argv[2], scratch, &old) && !parse_long_double(old, &value)) {
        resp_error(c->out, "ERR hash value is not a float");
        return;
    }
    if (!sum_as_text(c, value, by, text, &sum))
        return;
    set_number(c, sum, "hincrbyfloat");
    resp_bulk(c->out, sum);
}
