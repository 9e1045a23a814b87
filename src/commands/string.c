/* GET, SET and their family: values as bytes. */
#include "commands/commands_int.h"

/* Appends the value, or null; false: not a string, and the error was appended. */
static bool reply_value(struct command_context *c, struct store_key *k)
{
    if (!k)
        reply_null(c);
    else if (!check_string(c, k))
        return false;
    else
        reply_string(c, k);
    return true;
}

void get_command(struct command_context *c)
{
    reply_value(c, store_find(&c->view, c->argv[1]));
}

/* ---- SET and GETEX: options ---- */

enum {
    OPT_NX = 1,
    OPT_XX = 2,
    OPT_GET = 4,
    OPT_KEEPTTL = 8,
    OPT_PERSIST = 16,
    OPT_EX = 32,
    OPT_PX = 64,
    OPT_EXAT = 128,
    OPT_PXAT = 256,
    OPT_TIMES = OPT_EX | OPT_PX | OPT_EXAT | OPT_PXAT,
};

struct set_options {
    unsigned flags;
    size_t time_arg; /* 0: none */
};

struct option_word {
    const char *word;
    unsigned flag, excludes;
};

static const struct option_word set_words[] = {
    {"nx", OPT_NX, OPT_XX},
    {"xx", OPT_XX, OPT_NX},
    {"get", OPT_GET, 0},
    {"keepttl", OPT_KEEPTTL, OPT_PERSIST | OPT_TIMES},
    {"ex", OPT_EX, OPT_KEEPTTL | OPT_PERSIST | (OPT_TIMES & ~OPT_EX)},
    {"px", OPT_PX, OPT_KEEPTTL | OPT_PERSIST | (OPT_TIMES & ~OPT_PX)},
    {"exat", OPT_EXAT, OPT_KEEPTTL | OPT_PERSIST | (OPT_TIMES & ~OPT_EXAT)},
    {"pxat", OPT_PXAT, OPT_KEEPTTL | OPT_PERSIST | (OPT_TIMES & ~OPT_PXAT)},
    {NULL, 0, 0},
};

static const struct option_word getex_words[] = {
    {"persist", OPT_PERSIST, OPT_TIMES},
    {"ex", OPT_EX, OPT_PERSIST | (OPT_TIMES & ~OPT_EX)},
    {"px", OPT_PX, OPT_PERSIST | (OPT_TIMES & ~OPT_PX)},
    {"exat", OPT_EXAT, OPT_PERSIST | (OPT_TIMES & ~OPT_EXAT)},
    {"pxat", OPT_PXAT, OPT_PERSIST | (OPT_TIMES & ~OPT_PXAT)},
    {NULL, 0, 0},
};

static bool parse_options(struct command_context *c, size_t first, const struct option_word *words,
                          struct set_options *o)
{
    *o = (struct set_options){0, 0};
    for (size_t i = first; i < c->argc; i++) {
        const struct option_word *w = words;
        while (w->word && !arg_is(c, i, w->word))
            w++;
        if (!w->word || o->flags & w->excludes || (w->flag & OPT_TIMES && i + 1 == c->argc)) {
            reply_syntax_error(c);
            return false;
        }
        o->flags |= w->flag;
        if (w->flag & OPT_TIMES)
            o->time_arg = ++i;
    }
    return true;
}

/* STORE_NEVER without a time argument; false: it is no valid time, and the error was appended. */
static bool option_time(struct command_context *c, const struct set_options *o, uint64_t *at_ms)
{
    *at_ms = STORE_NEVER;
    if (!o->time_arg)
        return true;
    enum expiry_unit unit = o->flags & (OPT_EX | OPT_EXAT) ? UNIT_SECONDS : UNIT_MILLISECONDS;
    return arg_expiry(c, o->time_arg, unit, o->flags & (OPT_EX | OPT_PX), at_ms);
}

/* A time to come replaces the old one in place; dropping the old one first would do the work twice. */
static void set_value(struct command_context *c, struct slice key, struct slice value, uint64_t at_ms,
                      bool keep)
{
    struct store_key *k = store_put_string(&c->view, key, value, keep || at_ms != STORE_NEVER);
    if (at_ms != STORE_NEVER)
        store_set_expiry(&c->view, &k, at_ms);
    notify(c, EVENT_STRING, "set", key);
    if (at_ms != STORE_NEVER)
        notify(c, EVENT_GENERIC, "expire", key);
}

void set_command(struct command_context *c)
{
    struct set_options o;
    uint64_t at_ms;
    if (!parse_options(c, 3, set_words, &o) || !option_time(c, &o, &at_ms))
        return;
    if (o.flags & (OPT_NX | OPT_XX | OPT_GET)) {
        struct store_key *k = store_find(&c->view, c->argv[1]);
        bool refused = (o.flags & OPT_NX && k) || (o.flags & OPT_XX && !k);
        if (o.flags & OPT_GET && !reply_value(c, k))
            return;
        if (refused && !(o.flags & OPT_GET))
            reply_null(c);
        if (refused)
            return;
    }
    set_value(c, c->argv[1], c->argv[2], at_ms, o.flags & OPT_KEEPTTL);
    if (!(o.flags & OPT_GET))
        reply_ok(c);
}

const char *set_key_flags(const struct slice *argv, size_t argc)
{
    for (size_t i = 3; i < argc; i++)
        if (slice_is_word(argv[i], "get"))
            return "RW access update";
    return "OW update";
}

void setnx_command(struct command_context *c)
{
    bool absent = !store_find(&c->view, c->argv[1]);
    if (absent)
        set_value(c, c->argv[1], c->argv[2], STORE_NEVER, false);
    resp_integer(c->out, absent);
}

static void set_with_time(struct command_context *c, enum expiry_unit unit)
{
    uint64_t at_ms;
    if (!arg_expiry(c, 2, unit, true, &at_ms))
        return;
    set_value(c, c->argv[1], c->argv[3], at_ms, false);
    reply_ok(c);
}

void setex_command(struct command_context *c)
{
    set_with_time(c, UNIT_SECONDS);
}

void psetex_command(struct command_context *c)
{
    set_with_time(c, UNIT_MILLISECONDS);
}

void getset_command(struct command_context *c)
{
    if (reply_value(c, store_find(&c->view, c->argv[1])))
        set_value(c, c->argv[1], c->argv[2], STORE_NEVER, false);
}

void getdel_command(struct command_context *c)
{
    struct store_key *k = store_find(&c->view, c->argv[1]);
    if (reply_value(c, k) && k) {
        store_delete(&c->view, c->argv[1]);
        notify(c, EVENT_GENERIC, "del", c->argv[1]);
    }
}

void getex_command(struct command_context *c)
{
    struct set_options o;
    uint64_t at_ms;
    if (!parse_options(c, 2, getex_words, &o))
        return;
    struct store_key *k = store_find(&c->view, c->argv[1]);
    if (!k) {
        reply_null(c);
        return;
    }
    if (!check_string(c, k) || !option_time(c, &o, &at_ms))
        return;
    reply_string(c, k);
    if (o.flags & (OPT_EXAT | OPT_PXAT) && at_ms <= c->view.now_ms) {
        store_delete(&c->view, c->argv[1]);
        notify(c, EVENT_GENERIC, "del", c->argv[1]);
    } else if (o.time_arg || (o.flags & OPT_PERSIST && store_key_expiry_ms(k) != STORE_NEVER)) {
        store_set_expiry(&c->view, &k, at_ms);
        notify(c, EVENT_GENERIC, o.time_arg ? "expire" : "persist", c->argv[1]);
    }
}

/* ---- parts of a value ---- */

static bool check_length(struct command_context *c, uint64_t have, uint64_t more)
{
    uint64_t total = have + more;
    if (total >= have && total <= c->max_bulk && total <= INT64_MAX)
        return true;
    resp_error(c->out, "ERR string exceeds maximum allowed size (proto-max-bulk-len)");
    return false;
}

void append_command(struct command_context *c)
{
    struct store_key *k = store_find(&c->view, c->argv[1]);
    if (!k) {
        store_put_string(&c->view, c->argv[1], c->argv[2], false);
        notify(c, EVENT_STRING, "append", c->argv[1]);
        resp_integer(c->out, (int64_t)c->argv[2].len);
        return;
    }
    if (!check_string(c, k))
        return;
    size_t len = store_string_len(k);
    if (!check_length(c, len, c->argv[2].len))
        return;
    store_string_write(&c->view, k, len, c->argv[2]);
    notify(c, EVENT_STRING, "append", c->argv[1]);
    resp_integer(c->out, (int64_t)(len + c->argv[2].len));
}

void strlen_command(struct command_context *c)
{
    struct store_key *k = store_find(&c->view, c->argv[1]);
    if (check_string(c, k))
        resp_integer(c->out, k ? (int64_t)store_string_len(k) : 0);
}

void setrange_command(struct command_context *c)
{
    int64_t offset;
    struct slice data = c->argv[3];
    if (!arg_i64(c, 2, &offset))
        return;
    if (offset < 0) {
        resp_error(c->out, "ERR offset is out of range");
        return;
    }
    struct store_key *k = store_find(&c->view, c->argv[1]);
    if (!check_string(c, k))
        return;
    size_t len = k ? store_string_len(k) : 0;
    if (data.len == 0) {
        resp_integer(c->out, (int64_t)len);
        return;
    }
    if (!check_length(c, (uint64_t)offset, data.len))
        return;
    if (!k)
        k = store_put_string(&c->view, c->argv[1], (struct slice){NULL, 0}, false);
    k = store_string_write(&c->view, k, (size_t)offset, data);
    notify(c, EVENT_STRING, "setrange", c->argv[1]);
    resp_integer(c->out, (int64_t)store_string_len(k));
}

/* Both ends included, negative ones from the end; an empty range gives len 0. */
static struct slice cut(struct slice text, int64_t start, int64_t end)
{
    int64_t len = (int64_t)text.len;
    struct slice nothing = {"", 0};
    if (start < 0 && end < 0 && start > end)
        return nothing;
    start = start < 0 ? start + len : start;
    end = end < 0 ? end + len : end;
    start = start < 0 ? 0 : start;
    end = end < 0 ? 0 : end;
    end = end >= len ? len - 1 : end;
    if (start > end || len == 0)
        return nothing;
    return (struct slice){text.data + start, (size_t)(end - start + 1)};
}

void getrange_command(struct command_context *c)
{
    int64_t start, end;
    char scratch[24];
    if (!arg_i64(c, 2, &start) || !arg_i64(c, 3, &end))
        return;
    struct store_key *k = store_find(&c->view, c->argv[1]);
    if (!check_string(c, k))
        return;
    struct slice text = k ? store_string(k, scratch) : (struct slice){"", 0};
    resp_bulk(c->out, cut(text, start, end));
}

void substr_command(struct command_context *c)
{
    getrange_command(c);
}

/* ---- several keys ---- */

void mget_command(struct command_context *c)
{
    size_t start = c->out->len;
    resp_array(c->out, c->argc - 1);
    for (size_t i = 1; i < c->argc && !entry_reply_is_too_long(c, start); i++) {
        struct store_key *k = store_find(&c->view, c->argv[i]);
        if (k && store_key_type(k) == STORE_STRING)
            reply_string(c, k);
        else
            reply_null(c);
    }
}

/* Key and value pairs from argv[1] on. */
static bool check_pairs(struct command_context *c)
{
    if (c->argc % 2 == 1)
        return true;
    reply_arity_error(c, command_name(c));
    return false;
}

static void set_pairs(struct command_context *c)
{
    for (size_t i = 1; i < c->argc; i += 2)
        set_value(c, c->argv[i], c->argv[i + 1], STORE_NEVER, false);
}

void mset_command(struct command_context *c)
{
    if (!check_pairs(c))
        return;
    set_pairs(c);
    reply_ok(c);
}

void msetnx_command(struct command_context *c)
{
    bool taken = false;
    if (!check_pairs(c))
        return;
    for (size_t i = 1; i < c->argc && !taken; i += 2)
        taken = store_find(&c->view, c->argv[i]);
    if (!taken)
        set_pairs(c);
    resp_integer(c->out, !taken);
}
