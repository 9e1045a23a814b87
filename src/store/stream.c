/* Streams, as commands see them. */
#include "store/stream.h"

#include "store/stream_int.h"
#include "store/value.h"

bool stream_id_step(struct stream_id *id, bool back)
{
    uint64_t edge = back ? 0 : UINT64_MAX;
    if (id->seq != edge) {
        id->seq += back ? UINT64_MAX : 1;
        return true;
    }
    if (id->ms == edge)
        return false;
    id->ms += back ? UINT64_MAX : 1;
    id->seq = ~edge;
    return true;
}

struct stream *stream_new(void)
{
    struct stream *s = mem_alloc(sizeof *s);
    *s = (struct stream){0};
    return s;
}

uint64_t stream_digest_of(const struct stream *s)
{
    uint64_t ids = mix_fold(s->last.ms ^ MIX_1, s->last.seq ^ MIX_2);
    ids = mix_fold(ids ^ s->max_deleted.ms, s->max_deleted.seq ^ MIX_3);
    return s->digest + s->groups_digest + mix_fold(ids ^ s->entries_added, MIX_1);
}

void stream_settle(struct collection *c)
{
    c->digest = stream_digest_of(c->data);
}

void stream_make(struct collection *c)
{
    if (c->data)
        return;
    c->data = stream_new();
    c->form = FORM_LARGE;
    stream_settle(c);
}

/* ---- nodes ---- */

void stream_put_node(struct stream *s, struct stream_node n)
{
    if (s->first + s->used == s->cap && s->first > s->used) {
        memmove(s->nodes, s->nodes + s->first, s->used * sizeof *s->nodes);
        s->first = 0;
    } else if (s->first + s->used == s->cap) {
        s->nodes = mem_realloc(s->nodes, (s->cap + s->cap / 4 + 1) * sizeof *s->nodes);
        s->cap = mem_usable(s->nodes) / sizeof *s->nodes;
    }
    s->used++;
    *stream_node_at(s, s->used - 1) = n;
    s->memory += lp_memory(n.lp);
    s->length += n.live;
    s->digest += n.digest;
}

void stream_drop_node(struct stream *s, size_t i)
{
    struct stream_node *n = stream_node_at(s, i);
    s->memory -= lp_memory(n->lp);
    s->length -= n->live;
    s->digest -= n->digest;
    lp_free(n->lp);
    if (i == 0)
        s->first++;
    else
        memmove(n, n + 1, (s->used - i - 1) * sizeof *n);
    s->used--;
}

/* Takes what the node adds up to out of the stream's sums, and puts it back. */
static void subtract(struct stream *s, const struct stream_node *n)
{
    s->memory -= lp_memory(n->lp);
    s->length -= n->live;
    s->digest -= n->digest;
}

static void add(struct stream *s, const struct stream_node *n)
{
    s->memory += lp_memory(n->lp);
    s->length += n->live;
    s->digest += n->digest;
}

/* How many nodes have a master that is not behind `id`. */
static size_t nodes_upto(const struct stream *s, struct stream_id id)
{
    size_t from = 0, to = s->used;
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        if (stream_id_compare(stream_node_at(s, middle)->master, id) <= 0)
            from = middle + 1;
        else
            to = middle;
    }
    return from;
}

/* ---- walking ---- */

/* Onto a live entry, from where `at` is on; `found` says whether it is on one at all. */
static bool settle_on(const struct stream *s, bool back, bool found, struct stream_at *at)
{
    for (;;) {
        if (found && !(at->flags & ENTRY_DELETED))
            return true;
        if (found) {
            found = stream_node_step(stream_node_at(s, at->node), back, at);
            continue;
        }
        if (back ? at->node == 0 : at->node + 1 >= s->used)
            return false;
        at->node += back ? (size_t)-1 : 1;
        found = stream_node_edge(stream_node_at(s, at->node), back, at);
    }
}

bool stream_step(const struct collection *c, bool back, struct stream_at *at)
{
    const struct stream *s = c->data;
    return settle_on(s, back, stream_node_step(stream_node_at(s, at->node), back, at), at);
}

bool stream_seek(const struct collection *c, struct stream_id id, bool back, struct stream_at *at)
{
    const struct stream *s = c->data;
    if (!s || !s->used)
        return false;
    size_t upto = nodes_upto(s, id);
    at->node = upto ? upto - 1 : back ? s->used - 1 : 0;
    bool found = settle_on(s, back, stream_node_edge(stream_node_at(s, at->node), back, at), at);
    while (found && (back ? stream_id_compare(at->id, id) > 0 : stream_id_compare(at->id, id) < 0))
        found = stream_step(c, back, at);
    return found;
}

void stream_next_pair(const struct collection *c, struct stream_at *at, struct stream_pair *pair)
{
    stream_node_pair(stream_node_at(c->data, at->node), at, pair);
}

size_t stream_nodes(const struct collection *c)
{
    return stream_of(c)->used;
}

bool stream_has(const struct collection *c, struct stream_id id)
{
    struct stream_at at;
    return stream_seek(c, id, false, &at) && stream_id_compare(at.id, id) == 0;
}

struct stream_facts stream_facts(const struct collection *c)
{
    const struct stream *s = c->data;
    struct stream_facts f = {0};
    struct stream_at at;
    if (!s)
        return f;
    f.length = s->length;
    f.entries_added = s->entries_added;
    f.last = s->last;
    f.max_deleted = s->max_deleted;
    if (s->length && stream_seek(c, (struct stream_id){0, 0}, false, &at))
        f.first = at.id;
    if (s->length && stream_seek(c, (struct stream_id){UINT64_MAX, UINT64_MAX}, true, &at))
        f.last_entry = at.id;
    return f;
}

/* ---- changing ---- */

enum { LONG_NODES = 16 };

static bool has_room(const struct stream_node *n, const struct slice *fields, size_t pairs,
                     const struct store_limits *limits)
{
    size_t bytes = lp_slice(n->lp).len, max = LP_BYTES_MAX;
    for (size_t i = 0; i < 2 * pairs; i++)
        bytes += fields[i].len;
    if (limits && limits->stream_node_max_bytes && limits->stream_node_max_bytes < max)
        max = (size_t)limits->stream_node_max_bytes;
    uint64_t entries = limits ? limits->stream_node_max_entries : 0;
    return bytes < max && (!entries || (uint64_t)n->live + n->deleted < entries);
}

/* The one before it is full. In a long stream, this gets the same room at once. */
static struct stream_node next_node(struct stream *s, struct stream_id id, const struct slice *fields,
                                    size_t pairs)
{
    struct stream_node next = stream_node_new(id, fields, pairs);
    if (!s->used)
        return next;
    struct stream_node *full = stream_node_at(s, s->used - 1);
    s->memory -= lp_memory(full->lp);
    lp_fit(&full->lp);
    s->memory += lp_memory(full->lp);
    if (s->used >= LONG_NODES)
        lp_reserve(&next.lp, lp_slice(full->lp).len);
    return next;
}

void stream_append(struct collection *c, struct stream_id id, const struct slice *fields, size_t pairs,
                   const struct store_limits *limits)
{
    struct stream *s = c->data;
    struct stream_node *n = s->used ? stream_node_at(s, s->used - 1) : NULL;
    if (!n || !has_room(n, fields, pairs, limits)) {
        /* Where XSETID went back, what is left behind `id` are deleted entries. */
        while (s->used && stream_id_compare(stream_node_at(s, s->used - 1)->master, id) >= 0)
            stream_drop_node(s, s->used - 1);
        stream_put_node(s, next_node(s, id, fields, pairs));
        n = stream_node_at(s, s->used - 1);
    }
    subtract(s, n);
    stream_node_append(n, id, fields, pairs);
    add(s, n);
    s->entries_added++;
    s->last = id;
    stream_settle(c);
}

bool stream_delete(struct collection *c, struct stream_id id)
{
    struct stream *s = c->data;
    struct stream_at at;
    if (!stream_seek(c, id, false, &at) || stream_id_compare(at.id, id) != 0)
        return false;
    struct stream_node *n = stream_node_at(s, at.node);
    if (n->live == 1) {
        stream_drop_node(s, at.node);
    } else {
        subtract(s, n);
        stream_node_mark(n, &at);
        stream_node_count(n);
        add(s, n);
    }
    if (stream_id_compare(id, s->max_deleted) > 0)
        s->max_deleted = id;
    stream_settle(c);
    return true;
}

static bool goes_whole(const struct stream *s, const struct stream_node *n, const struct stream_trim *t)
{
    struct stream_at last;
    if (t->by == TRIM_MAXLEN)
        return s->length - n->live >= t->maxlen;
    return !stream_node_edge(n, true, &last) || stream_id_compare(last.id, t->minid) < 0;
}

/* In the first node, which is not to go whole. */
static uint64_t trim_entries(struct stream *s, const struct stream_trim *t)
{
    struct stream_node *n = stream_node_at(s, 0);
    struct stream_at at;
    uint64_t before = s->length, gone = 0;
    subtract(s, n);
    for (bool more = stream_node_edge(n, false, &at); more; more = stream_node_step(n, false, &at)) {
        if (t->by == TRIM_MAXLEN ? before - gone <= t->maxlen : stream_id_compare(at.id, t->minid) >= 0)
            break;
        if (at.flags & ENTRY_DELETED)
            continue;
        stream_node_mark(n, &at);
        gone++;
    }
    stream_node_count(n);
    add(s, n);
    return gone;
}

uint64_t stream_trim(struct collection *c, const struct stream_trim *t)
{
    struct stream *s = c->data;
    uint64_t gone = 0;
    while (s->used && !(t->by == TRIM_MAXLEN && s->length <= t->maxlen)) {
        const struct stream_node *n = stream_node_at(s, 0);
        if (t->limit && gone + n->live > t->limit)
            break;
        if (!goes_whole(s, n, t)) {
            gone += t->roughly ? 0 : trim_entries(s, t);
            break;
        }
        gone += n->live;
        stream_drop_node(s, 0);
    }
    stream_settle(c);
    return gone;
}

void stream_set_last(struct collection *c, struct stream_id last)
{
    stream_of(c)->last = last;
    stream_settle(c);
}

void stream_set_added(struct collection *c, uint64_t entries_added)
{
    stream_of(c)->entries_added = entries_added;
    stream_settle(c);
}

void stream_set_max_deleted(struct collection *c, struct stream_id id)
{
    stream_of(c)->max_deleted = id;
    stream_settle(c);
}
