/* XCLAIM and XAUTOCLAIM: a consumer takes what is pending for another one. */
#include "commands/stream_group.h"

enum { LOOKED_AT_FOR_ONE = 10 }; /* XAUTOCLAIM: pending entries for each one that it may take */
#define COUNT_MAX (INT64_MAX / 16)

struct claim {
    struct command_context *c;
    struct store_edit edit;
    struct stream_group *group;
    struct stream_consumer *owner; /* NULL: nothing was claimed yet */
    int64_t min_idle_ms;
    int64_t delivered_ms;
    int64_t deliveries; /* -1: one more */
    bool force, just_ids;
    struct buf claimed;
    size_t count;
};

static bool arg_min_idle(struct command_context *c, const char *error, struct claim *cl)
{
    if (!arg_i64_in(c, 4, INT64_MIN, INT64_MAX, error, &cl->min_idle_ms))
        return false;
    if (cl->min_idle_ms < 0)
        cl->min_idle_ms = 0;
    return true;
}

static bool is_idle(const struct claim *cl, const struct stream_pending *p)
{
    return !cl->min_idle_ms || (int64_t)(cl->c->view.now_ms - (uint64_t)p->delivered_ms) >= cl->min_idle_ms;
}

static void begin(struct claim *cl)
{
    group_edit_begin(cl->c, &cl->edit, 1);
}

/* `p`: as it is, or would be if it were pending. */
static void take(struct claim *cl, struct stream_pending p)
{
    struct collection *stream = &cl->edit.value;
    struct stream_at at;
    if (!cl->owner)
        cl->owner = see_consumer(cl->c, &cl->edit, cl->group, 1, cl->c->argv[3]);
    p.owner = cl->owner;
    p.delivered_ms = cl->delivered_ms;
    if (cl->deliveries >= 0)
        p.deliveries = (uint64_t)cl->deliveries;
    else
        p.deliveries += !cl->just_ids;
    stream_pend(stream, cl->group, &p);
    cl->count++;
    if (cl->just_ids) {
        reply_stream_id(&cl->claimed, p.id);
        return;
    }
    stream_seek(stream, p.id, false, &at);
    reply_stream_entry(&cl->claimed, stream, at);
}

static void reply_claimed(struct claim *cl)
{
    resp_array(cl->c->out, cl->count);
    buf_append_slice(cl->c->out, buf_slice(&cl->claimed));
    buf_deinit(&cl->claimed);
}

/* ---- XCLAIM ---- */

/* The IDs end where one cannot be read: it is an option then. */
static size_t count_ids(const struct command_context *c)
{
    struct stream_id id;
    size_t i = 5;
    while (i < c->argc && stream_id_parse(c->argv[i], &id))
        i++;
    return i - 5;
}

static bool parse_options(struct claim *cl, size_t i, struct stream_id *last)
{
    struct command_context *c = cl->c;
    int64_t now = (int64_t)c->view.now_ms, time = -1;
    for (; i < c->argc; i++) {
        bool more = i + 1 < c->argc;
        if (arg_is(c, i, "force")) {
            cl->force = true;
        } else if (arg_is(c, i, "justid")) {
            cl->just_ids = true;
        } else if (more && arg_is(c, i, "idle")) {
            if (!arg_i64_in(c, ++i, INT64_MIN, INT64_MAX, "ERR Invalid IDLE option argument for XCLAIM",
                            &time))
                return false;
            time = (int64_t)((uint64_t)now - (uint64_t)time);
        } else if (more && arg_is(c, i, "time")) {
            if (!arg_i64_in(c, ++i, INT64_MIN, INT64_MAX, "ERR Invalid TIME option argument for XCLAIM",
                            &time))
                return false;
        } else if (more && arg_is(c, i, "retrycount")) {
            if (!arg_i64_in(c, ++i, INT64_MIN, INT64_MAX, "ERR Invalid RETRYCOUNT option argument for XCLAIM",
                            &cl->deliveries))
                return false;
        } else if (more && arg_is(c, i, "lastid")) {
            if (!arg_stream_id(c, ++i, 0, NULL, last))
                return false;
        } else {
            resp_errorf(c->out, "ERR Unrecognized XCLAIM option '%.*s'", (int)c->argv[i].len,
                        c->argv[i].data);
            return false;
        }
    }
    /* What lies in the future is a client whose clock differs: no error. */
    cl->delivered_ms = time < 0 || time > now ? now : time;
    return true;
}

static void claim_one(struct claim *cl, struct stream_id id)
{
    const struct stream_pending *p = ids_find(&cl->group->pending, id);
    if (!stream_has(&cl->edit.value, id)) {
        stream_acknowledge(&cl->edit.value, cl->group, id); /* it was deleted: nobody will process it */
        return;
    }
    if (p ? is_idle(cl, p) : cl->force)
        take(cl, p ? *p : (struct stream_pending){.id = id, .deliveries = 1});
}

void xclaim_command(struct command_context *c)
{
    struct claim cl = {.c = c, .deliveries = -1, .claimed = BUF_EMPTY};
    struct store_key *k;
    struct stream_id last = {0, 0}, id;
    if (!find_group_or_reply(c, 1, 2, &k, &cl.group) ||
        !arg_min_idle(c, "ERR Invalid min-idle-time argument for XCLAIM", &cl))
        return;
    size_t ids = count_ids(c);
    if (!parse_options(&cl, 5 + ids, &last))
        return;
    begin(&cl);
    if (stream_id_compare(last, cl.group->last) > 0)
        stream_group_set(&cl.edit.value, cl.group, last, cl.group->entries_read);
    for (size_t i = 0; i < ids; i++) {
        stream_id_parse(c->argv[5 + i], &id);
        claim_one(&cl, id);
    }
    group_edit_end(c, &cl.edit, 1);
    reply_claimed(&cl);
}

/* ---- XAUTOCLAIM ---- */

static bool parse_auto_options(struct claim *cl, int64_t *count)
{
    struct command_context *c = cl->c;
    *count = 100;
    for (size_t i = 6; i < c->argc; i++) {
        if (arg_is(c, i, "count") && i + 1 < c->argc) {
            if (!arg_i64_in(c, ++i, 1, COUNT_MAX, "ERR COUNT must be > 0", count))
                return false;
        } else if (arg_is(c, i, "justid")) {
            cl->just_ids = true;
        } else {
            reply_syntax_error(c);
            return false;
        }
    }
    return true;
}

/* Takes what is idle, from `id` on, and forgets what was deleted, whose IDs go to `gone`. Returns where to go on, 0-0: at the
 * end. */
static struct stream_id claim_from(struct claim *cl, struct stream_id id, int64_t count, struct buf *gone,
                                   size_t *gone_count)
{
    struct ids_at at;
    const struct stream_pending *p = ids_from(&cl->group->pending, id, &at);
    for (int64_t looks = count * LOOKED_AT_FOR_ONE; p && looks && count; looks--) {
        struct stream_pending here = *p;
        if (!stream_has(&cl->edit.value, here.id)) {
            stream_acknowledge(&cl->edit.value, cl->group, here.id);
            reply_stream_id(gone, here.id);
            ++*gone_count;
            count--;
            p = ids_from(&cl->group->pending, here.id, &at);
            continue;
        }
        if (is_idle(cl, &here)) {
            take(cl, here);
            count--;
        }
        p = ids_next(&cl->group->pending, &at); /* it has only changed hands: the places are the same */
    }
    return p ? p->id : (struct stream_id){0, 0};
}

void xautoclaim_command(struct command_context *c)
{
    struct claim cl = {
        .c = c, .deliveries = -1, .claimed = BUF_EMPTY, .delivered_ms = (int64_t)c->view.now_ms};
    struct buf gone = BUF_EMPTY;
    struct store_key *k;
    struct stream_id from;
    int64_t count;
    size_t gone_count = 0;
    if (!arg_min_idle(c, "ERR Invalid min-idle-time argument for XAUTOCLAIM", &cl) ||
        !arg_stream_bound(c, 5, false, &from) || !parse_auto_options(&cl, &count) ||
        !find_group_or_reply(c, 1, 2, &k, &cl.group))
        return;
    begin(&cl);
    struct stream_id next = claim_from(&cl, from, count, &gone, &gone_count);
    group_edit_end(c, &cl.edit, 1);
    resp_array(c->out, 3);
    reply_stream_id(c->out, next);
    reply_claimed(&cl);
    resp_array(c->out, gone_count);
    buf_append_slice(c->out, buf_slice(&gone));
    buf_deinit(&gone);
}
