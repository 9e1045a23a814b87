/* Streams as values: copied, freed, saved and loaded. */
#include "store/stream_int.h"
#include "store/value.h"

enum { KEY_BYTES = 16 }; /* a node's master ID, big-endian */

static uint64_t count(const struct collection *c)
{
    return stream_of(c)->length;
}

static size_t bytes(const struct collection *c)
{
    const struct stream *s = c->data;
    return mem_usable(s) + (s->nodes ? mem_usable(s->nodes) : 0) + s->memory + s->groups_memory;
}

static uint64_t digest(const struct collection *c)
{
    struct stream s = *stream_of(c);
    struct stream_at at;
    s.digest = 0;
    for (bool more = stream_seek(c, (struct stream_id){0, 0}, false, &at); more;
         more = stream_step(c, false, &at))
        s.digest += stream_node_digest(stream_node_at(&s, at.node), &at);
    s.groups_digest = stream_groups_digest(&s);
    return stream_digest_of(&s);
}

static struct collection copy(const struct collection *c)
{
    const struct stream *from = c->data;
    struct stream *to = stream_new();
    for (size_t i = 0; i < from->used; i++) {
        struct stream_node n = *stream_node_at(from, i);
        n.lp = lp_copy(n.lp);
        stream_put_node(to, n);
    }
    to->last = from->last;
    to->max_deleted = from->max_deleted;
    to->entries_added = from->entries_added;
    stream_groups_copy(to, from);
    return (struct collection){.data = to, .digest = c->digest, .form = c->form};
}

static size_t free_some(struct collection *c, size_t budget)
{
    struct stream *s = c->data;
    size_t done = 0;
    for (; s->used && done < budget; done++, s->used--)
        lp_free(stream_node_at(s, s->used - 1)->lp);
    done += stream_groups_free_some(s, budget - done);
    if (done == budget)
        return done;
    mem_free(s->nodes);
    mem_free(s);
    c->data = NULL;
    return done + 1;
}

static int rdb_type(const struct collection *c)
{
    (void)c;
    return RDB_TYPE_STREAM_LISTPACKS_2;
}

static void put_id(struct buf *out, struct stream_id id)
{
    rdb_put_length(out, id.ms);
    rdb_put_length(out, id.seq);
}

static void save(const struct collection *c, struct rdb_out *out)
{
    const struct stream *s = c->data;
    rdb_put_length(out->buf, s->used);
    for (size_t i = 0; i < s->used; i++) {
        const struct stream_node *n = stream_node_at(s, i);
        char key[KEY_BYTES];
        store_u64be(key, n->master.ms);
        store_u64be(key + 8, n->master.seq);
        rdb_put_string(out->buf, slice_of(key, sizeof key));
        rdb_put_string(out->buf, lp_slice(n->lp));
        rdb_out_pause(out);
    }
    rdb_put_length(out->buf, s->length);
    put_id(out->buf, s->last);
    put_id(out->buf, stream_facts(c).first);
    put_id(out->buf, s->max_deleted);
    rdb_put_length(out->buf, s->entries_added);
    stream_groups_save(s, out);
}

/* ---- loading ---- */

static struct stream_id get_id(struct reader *r)
{
    struct stream_id id;
    rdb_get_length(r, &id.ms);
    rdb_get_length(r, &id.seq);
    return id;
}

static bool load_node(struct stream *s, struct reader *r, struct buf *scratch)
{
    struct slice key, packed;
    if (!rdb_get_string(r, scratch, &key) || key.len != KEY_BYTES)
        return false;
    struct stream_id master = {load_u64be(key.data), load_u64be(key.data + 8)};
    if (s->used && stream_id_compare(stream_node_at(s, s->used - 1)->master, master) >= 0)
        return false;
    if (!rdb_get_string(r, scratch, &packed))
        return false;
    struct stream_node n;
    uint8_t *lp = lp_load(packed);
    if (!lp || !stream_node_load(&n, master, lp)) {
        lp_free(lp);
        return false;
    }
    stream_put_node(s, n);
    return true;
}

/* Across nodes too; each has looked at its own. */
static bool is_ascending(const struct collection *c)
{
    const struct stream *s = c->data;
    struct stream_at at;
    struct stream_id last = {0, 0};
    for (bool more = stream_seek(c, last, false, &at); more; more = stream_step(c, false, &at)) {
        if (stream_id_compare(at.id, last) <= 0)
            return false;
        last = at.id;
    }
    return stream_id_compare(last, s->last) <= 0;
}

static bool load_into(struct collection *c, int type, struct reader *r, struct buf *scratch)
{
    struct stream *s = c->data;
    uint64_t nodes, length;
    for (rdb_get_length(r, &nodes); nodes && !r->failed; nodes--)
        if (!load_node(s, r, scratch))
            return false;
    rdb_get_length(r, &length);
    s->last = get_id(r);
    s->entries_added = length;
    if (type == RDB_TYPE_STREAM_LISTPACKS_2) {
        get_id(r); /* the first: it is what it is */
        s->max_deleted = get_id(r);
        rdb_get_length(r, &s->entries_added);
    }
    if (r->failed || s->length != length || !is_ascending(c))
        return false;
    struct stream_facts facts = stream_facts(c);
    bool counts = type == RDB_TYPE_STREAM_LISTPACKS_2;
    if (!stream_groups_load(s, r, scratch, counts ? NULL : &facts))
        return false;
    stream_settle(c);
    return true;
}

static bool load(struct collection *c, int type, struct reader *r, const struct store_limits *limits)
{
    (void)limits; /* the nodes stay as they were */
    if (type != RDB_TYPE_STREAM_LISTPACKS && type != RDB_TYPE_STREAM_LISTPACKS_2)
        return false;
    struct buf scratch = BUF_EMPTY;
    stream_make(c);
    bool good = load_into(c, type, r, &scratch);
    buf_deinit(&scratch);
    if (!good)
        collection_free(c, STORE_STREAM);
    return good;
}

static const char *const encodings[] = {
    [FORM_PACKED] = "stream", [FORM_INTSET] = "stream", [FORM_LARGE] = "stream"};

const struct value_ops stream_ops = {
    .encodings = encodings,
    .stays_when_empty = true,
    .count = count,
    .bytes = bytes,
    .digest = digest,
    .copy = copy,
    .free_some = free_some,
    .rdb_type = rdb_type,
    .save = save,
    .load = load,
};
