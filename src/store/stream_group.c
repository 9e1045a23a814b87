/* Consumer groups. */
#include "store/stream_int.h"

/* ---- names, in their order ---- */

/* Its place, or where it would stand. */
static bool names_find(const struct stream_names *n, struct slice name, size_t *at)
{
    size_t from = 0, to = n->count;
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        int order = slice_compare(n->items[middle]->name, name);
        if (order == 0) {
            *at = middle;
            return true;
        }
        if (order < 0)
            from = middle + 1;
        else
            to = middle;
    }
    *at = from;
    return false;
}

static void *names_get(const struct stream_names *n, struct slice name)
{
    size_t at;
    return names_find(n, name, &at) ? n->items[at] : NULL;
}

/* A new thing of `size` bytes, all zero but for its name, which lies behind it. */
static void *names_add(struct stream_names *n, struct slice name, size_t size)
{
    size_t at;
    bool found = names_find(n, name, &at);
    assert(!found);
    if (n->count == n->cap) {
        n->cap = n->cap ? 2 * n->cap : 1;
        n->items = mem_realloc(n->items, n->cap * sizeof *n->items);
    }
    memmove(n->items + at + 1, n->items + at, (n->count - at) * sizeof *n->items);
    n->count++;
    char *item = mem_alloc(size + name.len);
    memset(item, 0, size);
    if (name.len)
        memcpy(item + size, name.data, name.len);
    n->items[at] = (struct stream_named *)(void *)item;
    *n->items[at] = (struct stream_named){slice_of(item + size, name.len), mix_slice(MIX_3, name)};
    return item;
}

static void names_remove(struct stream_names *n, const struct stream_named *item)
{
    size_t at;
    bool found = names_find(n, item->name, &at);
    assert(found && n->items[at] == item);
    n->count--;
    memmove(n->items + at, n->items + at + 1, (n->count - at) * sizeof *n->items);
}

static size_t names_bytes(const struct stream_names *n)
{
    return n->items ? mem_usable(n->items) : 0;
}

/* ---- sums ---- */

static uint64_t pending_term(const struct stream_pending *p)
{
    uint64_t term = mix_fold(p->id.ms ^ MIX_1, p->id.seq ^ MIX_2 ^ p->owner->named.key);
    return mix_fold(term ^ (uint64_t)p->delivered_ms, p->deliveries ^ MIX_3);
}

static uint64_t consumer_term(const struct stream_consumer *owner)
{
    return mix_fold(owner->named.key ^ MIX_1, (uint64_t)owner->seen_ms ^ MIX_2);
}

static uint64_t group_term(const struct stream_group *g, uint64_t pending_digest, uint64_t consumers_digest)
{
    uint64_t key = g->named.key, place = mix_fold(g->last.ms ^ MIX_1, g->last.seq ^ MIX_2);
    return mix_fold(key ^ place, (uint64_t)g->entries_read ^ MIX_3) +
           mix_fold(key ^ MIX_1, pending_digest ^ MIX_2) + mix_fold(key ^ MIX_2, consumers_digest ^ MIX_3);
}

static size_t consumer_bytes(const struct stream_consumer *owner)
{
    return mem_usable(owner) + owner->pending.bytes;
}

static size_t group_bytes(const struct stream_group *g)
{
    return mem_usable(g) + g->pending.bytes + names_bytes(&g->consumers) + g->memory;
}

/* Takes what the group adds up to out of the stream's sums, and puts it back. */
static void subtract(struct stream *s, const struct stream_group *g)
{
    s->groups_memory -= group_bytes(g);
    s->groups_digest -= group_term(g, g->pending_digest, g->consumers_digest);
}

void stream_group_add(struct stream *s, const struct stream_group *g)
{
    s->groups_memory += group_bytes(g);
    s->groups_digest += group_term(g, g->pending_digest, g->consumers_digest);
}

static void put_back(struct collection *c, const struct stream_group *g)
{
    stream_group_add(c->data, g);
    stream_settle(c);
}

uint64_t stream_groups_digest(const struct stream *s)
{
    uint64_t digest = 0;
    for (size_t i = 0; i < s->groups.count; i++) {
        const struct stream_group *g = (const void *)s->groups.items[i];
        uint64_t pending = 0, consumers = 0;
        struct ids_at at;
        for (const struct stream_pending *p = ids_from(&g->pending, (struct stream_id){0, 0}, &at); p;
             p = ids_next(&g->pending, &at))
            pending += pending_term(p);
        for (size_t k = 0; k < g->consumers.count; k++)
            consumers += consumer_term(stream_consumer_at(g, k));
        digest += group_term(g, pending, consumers);
    }
    return digest;
}

/* ---- groups ---- */

size_t stream_groups(const struct collection *c)
{
    return stream_of(c)->groups.count;
}

struct stream_group *stream_group_at(const struct collection *c, size_t i)
{
    return (void *)stream_of(c)->groups.items[i];
}

struct stream_group *stream_group_find(const struct collection *c, struct slice name)
{
    return names_get(&stream_of(c)->groups, name);
}

struct stream_group *stream_group_new(struct stream *s, struct slice name)
{
    s->groups_memory -= names_bytes(&s->groups);
    struct stream_group *g = names_add(&s->groups, name, sizeof *g);
    s->groups_memory += names_bytes(&s->groups);
    g->pending.item = sizeof(struct stream_pending);
    return g;
}

struct stream_group *stream_group_make(struct collection *c, struct slice name, struct stream_id last,
                                       int64_t entries_read)
{
    struct stream_group *g = stream_group_new(c->data, name);
    g->last = last;
    g->entries_read = entries_read;
    put_back(c, g);
    return g;
}

void stream_group_set(struct collection *c, struct stream_group *g, struct stream_id last,
                      int64_t entries_read)
{
    subtract(c->data, g);
    g->last = last;
    g->entries_read = entries_read;
    put_back(c, g);
}

struct collection stream_group_take(struct collection *c, struct stream_group *g)
{
    struct stream *s = c->data;
    struct collection alone = {.form = FORM_PACKED};
    stream_make(&alone);
    struct stream_names *groups = &stream_of(&alone)->groups;
    subtract(s, g);
    names_remove(&s->groups, &g->named);
    *groups = (struct stream_names){mem_alloc(sizeof *groups->items), 1, 1};
    groups->items[0] = &g->named;
    stream_settle(c);
    return alone;
}

/* ---- consumers ---- */

struct stream_consumer *stream_consumer_at(const struct stream_group *g, size_t i)
{
    return (void *)g->consumers.items[i];
}

struct stream_consumer *stream_consumer_find(const struct stream_group *g, struct slice name)
{
    return names_get(&g->consumers, name);
}

struct stream_consumer *stream_consumer_new(struct stream_group *g, struct slice name, int64_t seen_ms)
{
    struct stream_consumer *owner = names_add(&g->consumers, name, sizeof *owner);
    owner->pending.item = sizeof(struct stream_id);
    owner->seen_ms = seen_ms;
    g->memory += consumer_bytes(owner);
    g->consumers_digest += consumer_term(owner);
    return owner;
}

struct stream_consumer *stream_consumer_make(struct collection *c, struct stream_group *g, struct slice name,
                                             int64_t now_ms)
{
    subtract(c->data, g);
    struct stream_consumer *owner = stream_consumer_new(g, name, now_ms);
    put_back(c, g);
    return owner;
}

void stream_consumer_seen(struct collection *c, struct stream_group *g, struct stream_consumer *owner,
                          int64_t now_ms)
{
    subtract(c->data, g);
    g->consumers_digest -= consumer_term(owner);
    owner->seen_ms = now_ms;
    g->consumers_digest += consumer_term(owner);
    put_back(c, g);
}

uint64_t stream_consumer_remove(struct collection *c, struct stream_group *g, struct stream_consumer *owner)
{
    uint64_t pending = owner->pending.count;
    struct ids_at at;
    subtract(c->data, g);
    for (const struct stream_id *id = ids_from(&owner->pending, (struct stream_id){0, 0}, &at); id;
         id = ids_next(&owner->pending, &at)) {
        g->pending_digest -= pending_term(ids_find(&g->pending, *id));
        ids_remove(&g->pending, *id);
    }
    names_remove(&g->consumers, &owner->named);
    g->memory -= consumer_bytes(owner);
    g->consumers_digest -= consumer_term(owner);
    ids_free_some(&owner->pending, SIZE_MAX);
    mem_free(owner);
    put_back(c, g);
    return pending;
}

/* ---- what is pending ---- */

void stream_give(struct stream_group *g, struct stream_pending *p, struct stream_consumer *owner)
{
    p->owner = owner;
    g->memory -= owner->pending.bytes;
    ids_put(&owner->pending, p->id);
    g->memory += owner->pending.bytes;
    g->pending_digest += pending_term(p);
}

static void take(struct stream_group *g, struct stream_pending *p)
{
    g->pending_digest -= pending_term(p);
    g->memory -= p->owner->pending.bytes;
    ids_remove(&p->owner->pending, p->id);
    g->memory += p->owner->pending.bytes;
}

static void pend(struct stream_group *g, const struct stream_pending *p)
{
    struct stream_pending *there = ids_find(&g->pending, p->id);
    if (there && there->owner == p->owner) {
        g->pending_digest -= pending_term(there);
        *there = *p;
        g->pending_digest += pending_term(there);
        return;
    }
    if (there)
        take(g, there);
    else
        there = ids_put(&g->pending, p->id);
    *there = *p;
    stream_give(g, there, p->owner);
}

void stream_pend(struct collection *c, struct stream_group *g, const struct stream_pending *p)
{
    struct stream_pending copy = *p; /* it may be the one that is there */
    subtract(c->data, g);
    pend(g, &copy);
    put_back(c, g);
}

bool stream_acknowledge(struct collection *c, struct stream_group *g, struct stream_id id)
{
    struct stream_pending *p = ids_find(&g->pending, id);
    if (!p)
        return false;
    subtract(c->data, g);
    take(g, p);
    ids_remove(&g->pending, id);
    put_back(c, g);
    return true;
}

/* ---- how far they have read ---- */

bool stream_has_gap(const struct stream_facts *f, struct stream_id id)
{
    if (!f->length || (!f->max_deleted.ms && !f->max_deleted.seq))
        return false;
    return stream_id_compare(f->first, f->max_deleted) <= 0 && stream_id_compare(id, f->max_deleted) <= 0;
}

int64_t stream_entries_upto(const struct stream_facts *f, struct stream_id id)
{
    int64_t added = (int64_t)f->entries_added;
    int to_last = stream_id_compare(id, f->last), to_first = stream_id_compare(id, f->first);
    if (!added)
        return 0;
    if (to_last == 0 || (to_last < 0 && !f->length))
        return added;
    bool whole =
        (!f->max_deleted.ms && !f->max_deleted.seq) || stream_id_compare(f->max_deleted, f->first) < 0;
    if (to_last > 0 || to_first > 0 || !whole)
        return STREAM_READ_UNKNOWN;
    return (int64_t)((uint64_t)added - f->length + (to_first == 0));
}

bool stream_group_lag(const struct stream_facts *f, const struct stream_group *g, int64_t *lag)
{
    int64_t read = g->entries_read;
    if (!f->entries_added)
        read = 0;
    else if (read == STREAM_READ_UNKNOWN || stream_has_gap(f, g->last))
        read = stream_entries_upto(f, g->last);
    *lag = (int64_t)(f->entries_added - (uint64_t)read);
    return !f->entries_added || read != STREAM_READ_UNKNOWN;
}

/* ---- copied and freed ---- */

void stream_groups_copy(struct stream *to, const struct stream *from)
{
    for (size_t i = 0; i < from->groups.count; i++) {
        const struct stream_group *g = (const void *)from->groups.items[i];
        struct stream_group *copy = stream_group_new(to, g->named.name);
        copy->last = g->last;
        copy->entries_read = g->entries_read;
        for (size_t k = 0; k < g->consumers.count; k++)
            stream_consumer_new(copy, stream_consumer_at(g, k)->named.name,
                                stream_consumer_at(g, k)->seen_ms);
        struct ids_at at;
        for (const struct stream_pending *p = ids_from(&g->pending, (struct stream_id){0, 0}, &at); p;
             p = ids_next(&g->pending, &at)) {
            struct stream_pending own = *p;
            own.owner = stream_consumer_find(copy, p->owner->named.name);
            pend(copy, &own);
        }
        stream_group_add(to, copy);
    }
}

/* The consumers, from the last one on. */
static size_t free_consumers(struct stream_group *g, size_t budget)
{
    size_t done = 0;
    while (g->consumers.count && done < budget) {
        struct stream_consumer *owner = stream_consumer_at(g, g->consumers.count - 1);
        done += ids_free_some(&owner->pending, budget - done);
        if (done == budget)
            break;
        mem_free(owner);
        g->consumers.count--;
        done++;
    }
    return done;
}

size_t stream_groups_free_some(struct stream *s, size_t budget)
{
    size_t done = 0;
    while (s->groups.count && done < budget) {
        struct stream_group *g = (void *)s->groups.items[s->groups.count - 1];
        done += ids_free_some(&g->pending, budget - done);
        done += free_consumers(g, budget - done);
        if (done == budget)
            return done;
        mem_free(g->consumers.items);
        mem_free(g);
        s->groups.count--;
        done++;
    }
    if (done == budget || !s->groups.items)
        return done;
    mem_free(s->groups.items);
    s->groups.items = NULL;
    return done + 1;
}
