/* DUMP and RESTORE: a value in Redis's RDB encoding, with the version and a checksum behind it:
 *
 *     type (1 byte) | value | RDB version (u16 little-endian) | CRC64 of all that (u64 little-endian)
 *
 * What one server dumps the other restores, in both directions. A payload comes from outside: nothing in it is believed. */
#include "commands/commands_int.h"
#include "store/rdb.h"

void dump_command(struct command_context *c)
{
    struct store_key *k = store_find(&c->view, c->argv[1]);
    if (!k) {
        reply_null(c);
        return;
    }
    struct buf payload = BUF_EMPTY;
    store_rdb_dump(k, &payload);
    resp_bulk(c->out, buf_slice(&payload));
    buf_deinit(&payload);
}

struct restore_options {
    bool replace, absolute, idle, frequency;
    int64_t usage; /* idle seconds or frequency */
};

static bool arg_between(struct command_context *c, size_t i, int64_t most, const char *error, int64_t *v)
{
    if (!arg_i64(c, i, v))
        return false;
    if (*v >= 0 && *v <= most)
        return true;
    resp_error(c->out, error);
    return false;
}

static bool parse_restore(struct command_context *c, struct restore_options *o)
{
    *o = (struct restore_options){0};
    for (size_t i = 4; i < c->argc; i++) {
        bool more = i + 1 < c->argc;
        if (arg_is(c, i, "replace")) {
            o->replace = true;
        } else if (arg_is(c, i, "absttl")) {
            o->absolute = true;
        } else if (arg_is(c, i, "idletime") && more && !o->frequency) {
            o->idle = true;
            if (!arg_between(c, ++i, INT64_MAX, "ERR Invalid IDLETIME value, must be >= 0", &o->usage))
                return false;
        } else if (arg_is(c, i, "freq") && more && !o->idle) {
            o->frequency = true;
            if (!arg_between(c, ++i, 255, "ERR Invalid FREQ value, must be >= 0 and <= 255", &o->usage))
                return false;
        } else {
            reply_syntax_error(c);
            return false;
        }
    }
    return true;
}

/* The type and the value of a payload that is what was dumped. */
static bool open_payload(struct slice payload, struct reader *r)
{
    struct slice body;
    bool whole = rdb_check_footer(payload, &body);
    if (whole)
        *r = reader_of(body);
    return whole;
}

static bool is_past(const struct command_context *c, uint64_t at_ms)
{
    return at_ms + c->view.lingers_ms <= c->view.now_ms;
}

static void put_restored(struct command_context *c, struct reader *r, uint64_t at_ms, bool there,
                         const struct restore_options *o)
{
    int type = get_u8(r);
    bool late = at_ms != STORE_NEVER && is_past(c, at_ms);
    if (!store_rdb_load(&c->view, c->argv[1], type, r, late ? STORE_NEVER : at_ms)) {
        resp_error(c->out, "ERR Bad data format");
        return;
    }
    if (o->idle && store_usage_kind(c->view.store) == STORE_USAGE_TIME)
        store_set_usage(&c->view, c->argv[1], (uint64_t)o->usage);
    if (o->frequency && store_usage_kind(c->view.store) == STORE_USAGE_FREQUENCY)
        store_set_usage(&c->view, c->argv[1], (uint64_t)o->usage);
    if (late)
        store_delete(&c->view, c->argv[1]);
    if (!late)
        notify(c, EVENT_GENERIC, "restore", c->argv[1]);
    else if (there)
        notify(c, EVENT_GENERIC, "del", c->argv[1]);
    reply_ok(c);
}

void restore_command(struct command_context *c)
{
    struct restore_options o;
    int64_t ttl;
    struct reader r;
    if (!parse_restore(c, &o))
        return;
    bool there = store_find(&c->view, c->argv[1]);
    if (there && !o.replace) {
        resp_error(c->out, "BUSYKEY Target key name already exists.");
        return;
    }
    if (!arg_i64(c, 2, &ttl))
        return;
    uint64_t at_ms = (uint64_t)ttl;
    if (ttl < 0 || (ttl && !o.absolute && __builtin_add_overflow(at_ms, c->view.now_ms, &at_ms)) ||
        at_ms > INT64_MAX) {
        resp_error(c->out, "ERR Invalid TTL value, must be >= 0");
        return;
    }
    if (open_payload(c->argv[3], &r))
        put_restored(c, &r, at_ms, there, &o);
    else
        resp_error(c->out, "ERR DUMP payload version or checksum are wrong");
}
