/* XPENDING: what a group's consumers have been given and not acknowledged. */
#include "commands/stream_group.h"

struct question {
    int64_t min_idle_ms, count;
    struct stream_id from, to;
    size_t consumer_at; /* 0: any */
};

static bool parse_question(struct command_context *c, struct question *q)
{
    size_t at = 3;
    *q = (struct question){0};
    if (arg_is(c, 3, "idle")) {
        if (!arg_i64(c, 4, &q->min_idle_ms))
            return false;
        if (c->argc < 8) {
            reply_syntax_error(c);
            return false;
        }
        at += 2;
    }
    if (!arg_i64(c, at + 2, &q->count) || !arg_stream_bound(c, at, false, &q->from) ||
        !arg_stream_bound(c, at + 1, true, &q->to))
        return false;
    q->consumer_at = at + 3 < c->argc ? at + 3 : 0;
    return true;
}

static int64_t idle_ms(const struct command_context *c, const struct stream_pending *p)
{
    return (int64_t)(c->view.now_ms - (uint64_t)p->delivered_ms);
}

static void reply_sum(struct command_context *c, const struct stream_group *g)
{
    struct ids_at at;
    const struct stream_pending *first = ids_from(&g->pending, (struct stream_id){0, 0}, &at);
    size_t busy = 0;
    resp_array(c->out, 4);
    resp_integer(c->out, (int64_t)g->pending.count);
    if (!first) {
        reply_null(c);
        reply_null(c);
        resp_null_array(c->out, c->resp);
        return;
    }
    reply_stream_id(c->out, first->id);
    reply_stream_id(c->out, ((const struct stream_pending *)ids_last(&g->pending))->id);
    for (size_t i = 0; i < g->consumers.count; i++)
        busy += stream_consumer_at(g, i)->pending.count > 0;
    resp_array(c->out, busy);
    for (size_t i = 0; i < g->consumers.count; i++) {
        const struct stream_consumer *owner = stream_consumer_at(g, i);
        char text[24];
        if (!owner->pending.count)
            continue;
        resp_array(c->out, 2);
        resp_bulk(c->out, owner->named.name);
        resp_bulk(c->out, slice_of(text, format_i64(text, (int64_t)owner->pending.count)));
    }
}

static void reply_one(struct command_context *c, struct buf *out, const struct stream_pending *p)
{
    int64_t idle = idle_ms(c, p);
    resp_array(out, 4);
    reply_stream_id(out, p->id);
    resp_bulk(out, p->owner->named.name);
    resp_integer(out, idle > 0 ? idle : 0);
    resp_integer(out, (int64_t)p->deliveries);
}

/* Of the group, or of one consumer, whose own IDs say where to look. */
static void reply_each(struct command_context *c, const struct stream_group *g,
                       const struct stream_consumer *owner, const struct question *q)
{
    const struct ids *ids = owner ? &owner->pending : &g->pending;
    struct buf found = BUF_EMPTY;
    struct ids_at at;
    int64_t n = 0;
    for (const struct stream_id *id = ids_from(ids, q->from, &at); id && n < q->count;
         id = ids_next(ids, &at)) {
        if (stream_id_compare(*id, q->to) > 0)
            break;
        const struct stream_pending *p = ids_find(&g->pending, *id);
        if (q->min_idle_ms && idle_ms(c, p) < q->min_idle_ms)
            continue;
        reply_one(c, &found, p);
        n++;
    }
    resp_array(c->out, (size_t)n);
    buf_append_slice(c->out, buf_slice(&found));
    buf_deinit(&found);
}

void xpending_command(struct command_context *c)
{
    struct question q;
    struct store_key *k;
    struct stream_group *g;
    if (c->argc != 3 && (c->argc < 6 || c->argc > 9)) {
        reply_syntax_error(c);
        return;
    }
    if ((c->argc > 3 && !parse_question(c, &q)) || !find_group_or_reply(c, 1, 2, &k, &g))
        return;
    if (c->argc == 3) {
        reply_sum(c, g);
        return;
    }
    const struct stream_consumer *owner =
        q.consumer_at ? stream_consumer_find(g, c->argv[q.consumer_at]) : NULL;
    if (q.consumer_at && !owner)
        resp_array(c->out, 0);
    else
        reply_each(c, g, owner, &q);
}
