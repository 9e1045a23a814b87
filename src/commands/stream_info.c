/* XINFO. */
#include "commands/stream_group.h"

enum { FULL_COUNT = 10 };

static void put(struct command_context *c, const char *name)
{
    resp_bulk_cstr(c->out, name);
}

static void put_integer(struct command_context *c, const char *name, uint64_t value)
{
    put(c, name);
    resp_integer(c->out, (int64_t)value);
}

static void put_id(struct command_context *c, const char *name, struct stream_id id)
{
    put(c, name);
    reply_stream_id(c->out, id);
}

static void put_progress(struct command_context *c, const struct stream_facts *f,
                         const struct stream_group *g)
{
    int64_t lag;
    put_id(c, "last-delivered-id", g->last);
    put(c, "entries-read");
    if (g->entries_read == STREAM_READ_UNKNOWN)
        reply_null(c);
    else
        resp_integer(c->out, g->entries_read);
    put(c, "lag");
    if (stream_group_lag(f, g, &lag))
        resp_integer(c->out, lag);
    else
        reply_null(c);
}

static bool find(struct command_context *c, struct store_key **k)
{
    if (!find_stream(c, 2, k))
        return false;
    if (!*k)
        resp_error(c->out, "ERR no such key");
    return *k;
}

/* ---- one line a group, a consumer ---- */

void xinfo_groups_command(struct command_context *c)
{
    struct store_key *k;
    if (!find(c, &k))
        return;
    struct collection stream = store_collection(k);
    struct stream_facts f = stream_facts(&stream);
    resp_array(c->out, stream_groups(&stream));
    for (size_t i = 0; i < stream_groups(&stream); i++) {
        const struct stream_group *g = stream_group_at(&stream, i);
        resp_map(c->out, c->resp, 6);
        put(c, "name");
        resp_bulk(c->out, g->named.name);
        put_integer(c, "consumers", g->consumers.count);
        put_integer(c, "pending", g->pending.count);
        put_progress(c, &f, g);
    }
}

void xinfo_consumers_command(struct command_context *c)
{
    struct store_key *k;
    if (!find(c, &k))
        return;
    struct collection stream = store_collection(k);
    const struct stream_group *g = stream_group_find(&stream, c->argv[3]);
    if (!g) {
        reply_no_group_at(c, 2, 3);
        return;
    }
    resp_array(c->out, g->consumers.count);
    for (size_t i = 0; i < g->consumers.count; i++) {
        const struct stream_consumer *owner = stream_consumer_at(g, i);
        int64_t idle = (int64_t)(c->view.now_ms - (uint64_t)owner->seen_ms);
        resp_map(c->out, c->resp, 3);
        put(c, "name");
        resp_bulk(c->out, owner->named.name);
        put_integer(c, "pending", owner->pending.count);
        put_integer(c, "idle", idle > 0 ? (uint64_t)idle : 0);
    }
}

/* ---- XINFO STREAM ---- */

static void put_entries(struct command_context *c, const struct collection *stream, uint64_t count)
{
    struct buf entries = BUF_EMPTY;
    struct stream_at at;
    size_t n = 0;
    for (bool more = stream_seek(stream, (struct stream_id){0, 0}, false, &at); more;
         more = stream_step(stream, false, &at)) {
        reply_stream_entry(&entries, stream, at);
        if (++n == count)
            break;
    }
    put(c, "entries");
    resp_array(c->out, n);
    buf_append_slice(c->out, buf_slice(&entries));
    buf_deinit(&entries);
}

/* Of the group, with whose it is, or of one consumer. */
static void put_pending(struct command_context *c, const struct stream_group *g,
                        const struct stream_consumer *owner, uint64_t count)
{
    const struct ids *ids = owner ? &owner->pending : &g->pending;
    struct ids_at at;
    uint64_t left = !count || count > ids->count ? ids->count : count;
    put_integer(c, "pel-count", ids->count);
    put(c, "pending");
    resp_array(c->out, left);
    for (const struct stream_id *id = ids_from(ids, (struct stream_id){0, 0}, &at); left;
         id = ids_next(ids, &at), left--) {
        const struct stream_pending *p = ids_find(&g->pending, *id);
        resp_array(c->out, owner ? 3 : 4);
        reply_stream_id(c->out, p->id);
        if (!owner)
            resp_bulk(c->out, p->owner->named.name);
        resp_integer(c->out, p->delivered_ms);
        resp_integer(c->out, (int64_t)p->deliveries);
    }
}

static void put_group(struct command_context *c, const struct stream_facts *f, const struct stream_group *g,
                      uint64_t count)
{
    resp_map(c->out, c->resp, 7);
    put(c, "name");
    resp_bulk(c->out, g->named.name);
    put_progress(c, f, g);
    put_pending(c, g, NULL, count);
    put(c, "consumers");
    resp_array(c->out, g->consumers.count);
    for (size_t i = 0; i < g->consumers.count; i++) {
        const struct stream_consumer *owner = stream_consumer_at(g, i);
        resp_map(c->out, c->resp, 4);
        put(c, "name");
        resp_bulk(c->out, owner->named.name);
        put_integer(c, "seen-time", (uint64_t)owner->seen_ms);
        put_pending(c, g, owner, count);
    }
}

static void put_edge(struct command_context *c, const struct collection *stream, bool last)
{
    struct stream_at at;
    struct stream_id end = {last ? UINT64_MAX : 0, last ? UINT64_MAX : 0};
    put(c, last ? "last-entry" : "first-entry");
    if (stream_seek(stream, end, last, &at))
        reply_stream_entry(c->out, stream, at);
    else
        reply_null(c);
}

/* Redis's figures of its tree are answered with what ours has: a node is a key, and there is one level above. */
static void put_head(struct command_context *c, const struct collection *stream, const struct stream_facts *f)
{
    put_integer(c, "length", f->length);
    put_integer(c, "radix-tree-keys", stream_nodes(stream));
    put_integer(c, "radix-tree-nodes", stream_nodes(stream) + 1);
    put_id(c, "last-generated-id", f->last);
    put_id(c, "max-deleted-entry-id", f->max_deleted);
    put_integer(c, "entries-added", f->entries_added);
    put_id(c, "recorded-first-entry-id", f->first);
}

/* FULL [COUNT n]; `count` 0: all, -1: not in full. */
static bool parse_full(struct command_context *c, int64_t *count)
{
    *count = -1;
    if (c->argc == 3)
        return true;
    *count = FULL_COUNT;
    if ((c->argc != 4 && c->argc != 6) || !arg_is(c, 3, "full") || (c->argc == 6 && !arg_is(c, 4, "count"))) {
        reply_bad_subcommand(c, "XINFO");
        return false;
    }
    if (c->argc == 6 && !arg_i64(c, 5, count))
        return false;
    if (*count < 0)
        *count = FULL_COUNT;
    return true;
}

void xinfo_stream_command(struct command_context *c)
{
    struct store_key *k;
    int64_t count;
    if (!find(c, &k) || !parse_full(c, &count))
        return;
    struct collection stream = store_collection(k);
    struct stream_facts f = stream_facts(&stream);
    size_t groups = stream_groups(&stream);
    resp_map(c->out, c->resp, count < 0 ? 10 : 9);
    put_head(c, &stream, &f);
    if (count < 0) {
        put_integer(c, "groups", groups);
        put_edge(c, &stream, false);
        put_edge(c, &stream, true);
        return;
    }
    put_entries(c, &stream, (uint64_t)count);
    put(c, "groups");
    resp_array(c->out, groups);
    for (size_t i = 0; i < groups; i++)
        put_group(c, &f, stream_group_at(&stream, i), (uint64_t)count);
}

void xinfo_help_command(struct command_context *c)
{
    static const char *const lines[] = {"CONSUMERS <key> <groupname>",
                                        "    Show consumers of <groupname>.",
                                        "GROUPS <key>",
                                        "    Show the stream consumer groups.",
                                        "STREAM <key> [FULL [COUNT <count>]",
                                        "    Show information about the stream.",
                                        NULL};
    reply_help(c, "XINFO", lines);
}
