/* Consumer groups as RDB bytes. A group's pending entries come first, whose they are is told by its consumers. */
#include "store/stream_int.h"

enum { ID_BYTES = 16 };

/* ---- saving ---- */

static void put_raw_id(struct buf *out, struct stream_id id)
{
    char bytes[ID_BYTES];
    store_u64be(bytes, id.ms);
    store_u64be(bytes + 8, id.seq);
    buf_append(out, bytes, sizeof bytes);
}

static void save_pending(const struct stream_group *g, struct rdb_out *out)
{
    struct ids_at at;
    rdb_put_length(out->buf, g->pending.count);
    for (const struct stream_pending *p = ids_from(&g->pending, (struct stream_id){0, 0}, &at); p;
         p = ids_next(&g->pending, &at)) {
        put_raw_id(out->buf, p->id);
        put_u64(out->buf, (uint64_t)p->delivered_ms);
        rdb_put_length(out->buf, p->deliveries);
        rdb_out_pause(out);
    }
}

static void save_consumer(const struct stream_consumer *owner, struct rdb_out *out)
{
    struct ids_at at;
    rdb_put_string(out->buf, owner->named.name);
    put_u64(out->buf, (uint64_t)owner->seen_ms);
    rdb_put_length(out->buf, owner->pending.count);
    for (const struct stream_id *id = ids_from(&owner->pending, (struct stream_id){0, 0}, &at); id;
         id = ids_next(&owner->pending, &at)) {
        put_raw_id(out->buf, *id);
        rdb_out_pause(out);
    }
}

void stream_groups_save(const struct stream *s, struct rdb_out *out)
{
    rdb_put_length(out->buf, s->groups.count);
    for (size_t i = 0; i < s->groups.count; i++) {
        const struct stream_group *g = (const void *)s->groups.items[i];
        rdb_put_string(out->buf, g->named.name);
        rdb_put_length(out->buf, g->last.ms);
        rdb_put_length(out->buf, g->last.seq);
        rdb_put_length(out->buf, (uint64_t)g->entries_read);
        save_pending(g, out);
        rdb_put_length(out->buf, g->consumers.count);
        for (size_t k = 0; k < g->consumers.count; k++)
            save_consumer(stream_consumer_at(g, k), out);
    }
}

/* ---- loading ---- */

static struct stream_id get_raw_id(struct reader *r)
{
    struct slice bytes = get_raw(r, ID_BYTES);
    if (r->failed)
        return (struct stream_id){0, 0};
    return (struct stream_id){load_u64be(bytes.data), load_u64be(bytes.data + 8)};
}

/* In their order, so that none comes twice. */
static bool load_pending(struct ids *pending, struct reader *r)
{
    uint64_t count;
    struct stream_id last = {0, 0};
    rdb_get_length(r, &count);
    for (uint64_t i = 0; i < count; i++) {
        struct stream_pending p = {.id = get_raw_id(r)};
        p.delivered_ms = (int64_t)get_u64(r);
        rdb_get_length(r, &p.deliveries);
        if (r->failed || (i && stream_id_compare(p.id, last) <= 0))
            return false;
        last = p.id;
        *(struct stream_pending *)ids_put(pending, p.id) = p;
    }
    return !r->failed;
}

static bool load_owned(struct stream_group *g, struct stream_consumer *owner, struct reader *r)
{
    uint64_t count;
    rdb_get_length(r, &count);
    for (; count && !r->failed; count--) {
        struct stream_id id = get_raw_id(r);
        struct stream_pending *p = r->failed ? NULL : ids_find(&g->pending, id);
        if (!p || p->owner)
            return false;
        stream_give(g, p, owner);
    }
    return !r->failed;
}

/* Of several, in the order of their names. */
static bool is_behind(const struct stream_names *n, struct slice name)
{
    return !n->count || slice_compare(n->items[n->count - 1]->name, name) < 0;
}

static bool load_consumers(struct stream_group *g, struct reader *r, struct buf *scratch)
{
    uint64_t count, owned = 0;
    struct slice name;
    rdb_get_length(r, &count);
    for (; count && !r->failed; count--) {
        if (!rdb_get_string(r, scratch, &name) || !is_behind(&g->consumers, name))
            return false;
        int64_t seen_ms = (int64_t)get_u64(r);
        struct stream_consumer *owner = stream_consumer_new(g, name, seen_ms);
        if (!load_owned(g, owner, r))
            return false;
        owned += owner->pending.count;
    }
    return !r->failed && owned == g->pending.count;
}

bool stream_groups_load(struct stream *s, struct reader *r, struct buf *scratch,
                        const struct stream_facts *facts)
{
    uint64_t count, entries_read;
    struct slice name;
    rdb_get_length(r, &count);
    for (; count && !r->failed; count--) {
        if (!rdb_get_string(r, scratch, &name) || !is_behind(&s->groups, name))
            return false;
        struct stream_group *g = stream_group_new(s, name);
        rdb_get_length(r, &g->last.ms);
        rdb_get_length(r, &g->last.seq);
        if (facts)
            entries_read = (uint64_t)stream_entries_upto(facts, g->last);
        else
            rdb_get_length(r, &entries_read);
        g->entries_read = (int64_t)entries_read;
        if (r->failed || !load_pending(&g->pending, r) || !load_consumers(g, r, scratch))
            return false;
        stream_group_add(s, g);
    }
    return !r->failed;
}
