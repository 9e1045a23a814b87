/* Times to live. What is given relative to now becomes absolute at once: now is the entry's stamp. */
#include "commands/commands_int.h"

static bool bad_time(struct command_context *c)
{
    resp_errorf(c->out, "ERR invalid expire time in '%s' command", command_name(c));
    return false;
}

bool arg_expiry(struct command_context *c, size_t i, enum expiry_unit unit, bool relative, uint64_t *at_ms)
{
    int64_t v, base = relative ? (int64_t)c->view.now_ms : 0;
    if (!arg_i64(c, i, &v))
        return false;
    if (v <= 0 || (unit == UNIT_SECONDS && v > INT64_MAX / 1000))
        return bad_time(c);
    v = unit == UNIT_SECONDS ? v * 1000 : v;
    if (v > INT64_MAX - base)
        return bad_time(c);
    *at_ms = (uint64_t)(v + base);
    return true;
}

enum {
    ONLY_NX = 1,
    ONLY_XX = 2,
    ONLY_GT = 4,
    ONLY_LT = 8,
};

static bool parse_conditions(struct command_context *c, unsigned *conditions)
{
    *conditions = 0;
    for (size_t i = 3; i < c->argc; i++) {
        if (arg_is(c, i, "nx")) {
            *conditions |= ONLY_NX;
        } else if (arg_is(c, i, "xx")) {
            *conditions |= ONLY_XX;
        } else if (arg_is(c, i, "gt")) {
            *conditions |= ONLY_GT;
        } else if (arg_is(c, i, "lt")) {
            *conditions |= ONLY_LT;
        } else {
            resp_errorf(c->out, "ERR Unsupported option %.*s", (int)(c->argv[i].len & 0xffffff),
                        c->argv[i].data);
            return false;
        }
    }
    if (*conditions & ONLY_NX && *conditions & (ONLY_XX | ONLY_GT | ONLY_LT)) {
        resp_error(c->out, "ERR NX and XX, GT or LT options at the same time are not compatible");
        return false;
    }
    if (*conditions & ONLY_GT && *conditions & ONLY_LT) {
        resp_error(c->out, "ERR GT and LT options at the same time are not compatible");
        return false;
    }
    return true;
}

/* A key without expiry lives for ever: any time is less than that. */
static bool condition_holds(unsigned conditions, int64_t when, uint64_t now_at_ms)
{
    bool has = now_at_ms != STORE_NEVER;
    if (conditions & ONLY_NX && has)
        return false;
    if (conditions & ONLY_XX && !has)
        return false;
    if (conditions & ONLY_GT && (!has || when <= (int64_t)now_at_ms))
        return false;
    if (conditions & ONLY_LT && has && when >= (int64_t)now_at_ms)
        return false;
    return true;
}

static void expire(struct command_context *c, enum expiry_unit unit, bool relative)
{
    unsigned conditions;
    int64_t when, base = relative ? (int64_t)c->view.now_ms : 0;
    if (!parse_conditions(c, &conditions) || !arg_i64(c, 2, &when))
        return;
    if (unit == UNIT_SECONDS && (when > INT64_MAX / 1000 || when < INT64_MIN / 1000)) {
        bad_time(c);
        return;
    }
    when = unit == UNIT_SECONDS ? when * 1000 : when;
    if (when > INT64_MAX - base) {
        bad_time(c);
        return;
    }
    when += base;
    struct store_key *k = store_find(&c->view, c->argv[1]);
    if (!k || !condition_holds(conditions, when, store_key_expiry_ms(k))) {
        resp_integer(c->out, 0);
        return;
    }
    bool gone = when <= (int64_t)c->view.now_ms;
    if (gone)
        store_delete(&c->view, c->argv[1]);
    else
        store_set_expiry(&c->view, &k, (uint64_t)when);
    notify(c, EVENT_GENERIC, gone ? "del" : "expire", c->argv[1]);
    resp_integer(c->out, 1);
}

void expire_command(struct command_context *c)
{
    expire(c, UNIT_SECONDS, true);
}

void pexpire_command(struct command_context *c)
{
    expire(c, UNIT_MILLISECONDS, true);
}

void expireat_command(struct command_context *c)
{
    expire(c, UNIT_SECONDS, false);
}

void pexpireat_command(struct command_context *c)
{
    expire(c, UNIT_MILLISECONDS, false);
}

/* -2 without the key, -1 without a time, else the time from `since_ms` on. */
static void reply_time(struct command_context *c, enum expiry_unit unit, uint64_t since_ms)
{
    c->view.unused = true;
    struct store_key *k = store_find(&c->view, c->argv[1]);
    uint64_t at_ms = k ? store_key_expiry_ms(k) : STORE_NEVER;
    if (at_ms == STORE_NEVER) {
        resp_integer(c->out, k ? -1 : -2);
        return;
    }
    uint64_t left_ms = at_ms > since_ms ? at_ms - since_ms : 0;
    resp_integer(c->out, (int64_t)(unit == UNIT_SECONDS ? (left_ms + 500) / 1000 : left_ms));
}

void ttl_command(struct command_context *c)
{
    reply_time(c, UNIT_SECONDS, c->view.now_ms);
}

void pttl_command(struct command_context *c)
{
    reply_time(c, UNIT_MILLISECONDS, c->view.now_ms);
}

void expiretime_command(struct command_context *c)
{
    reply_time(c, UNIT_SECONDS, 0);
}

void pexpiretime_command(struct command_context *c)
{
    reply_time(c, UNIT_MILLISECONDS, 0);
}

void persist_command(struct command_context *c)
{
    struct store_key *k = store_find(&c->view, c->argv[1]);
    bool had = k && store_key_expiry_ms(k) != STORE_NEVER;
    if (had) {
        store_set_expiry(&c->view, &k, STORE_NEVER);
        notify(c, EVENT_GENERIC, "persist", c->argv[1]);
    }
    resp_integer(c->out, had);
}
