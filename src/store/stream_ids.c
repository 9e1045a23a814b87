/* A sorted array in leaves. */
#include "store/stream_ids.h"

#include <assert.h>
#include <string.h>

#include "base/alloc.h"

enum { LEAF_BYTES = 1024, FIRST_CAP = 2 };

struct ids_leaf {
    uint32_t count, cap;
    uint64_t items[]; /* for their alignment */
};

static void *item_at(const struct ids *s, const struct ids_leaf *l, uint32_t at)
{
    return (char *)(uintptr_t)l->items + at * s->item;
}

static struct stream_id id_at(const struct ids *s, const struct ids_leaf *l, uint32_t at)
{
    struct stream_id id;
    memcpy(&id, item_at(s, l, at), sizeof id);
    return id;
}

static struct ids_leaf *leaf_at(const struct ids *s, size_t i)
{
    assert(i < s->used);
    return s->leaves[s->first + i];
}

static uint32_t cap_max(const struct ids *s)
{
    return (uint32_t)((LEAF_BYTES - sizeof(struct ids_leaf)) / s->item);
}

/* ---- finding ---- */

/* The leaf in which `id` is, or would be. */
static size_t leaf_for(const struct ids *s, struct stream_id id)
{
    size_t from = 1, to = s->used;
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        if (stream_id_compare(id_at(s, leaf_at(s, middle), 0), id) <= 0)
            from = middle + 1;
        else
            to = middle;
    }
    return from - 1;
}

/* How many of the leaf's stand before `id`. */
static uint32_t count_before(const struct ids *s, const struct ids_leaf *l, struct stream_id id)
{
    uint32_t from = 0, to = l->count;
    if (to && stream_id_compare(id_at(s, l, to - 1), id) < 0)
        return to;
    while (from < to) {
        uint32_t middle = (from + to) / 2;
        if (stream_id_compare(id_at(s, l, middle), id) < 0)
            from = middle + 1;
        else
            to = middle;
    }
    return from;
}

static void *item_or_next(const struct ids *s, struct ids_at *at)
{
    if (at->leaf < s->used && at->at == leaf_at(s, at->leaf)->count)
        *at = (struct ids_at){at->leaf + 1, 0};
    return at->leaf < s->used ? item_at(s, leaf_at(s, at->leaf), at->at) : NULL;
}

void *ids_from(const struct ids *s, struct stream_id id, struct ids_at *at)
{
    *at = (struct ids_at){0, 0};
    if (!s->used)
        return NULL;
    at->leaf = leaf_for(s, id);
    at->at = count_before(s, leaf_at(s, at->leaf), id);
    return item_or_next(s, at);
}

void *ids_next(const struct ids *s, struct ids_at *at)
{
    at->at++;
    return item_or_next(s, at);
}

void *ids_last(const struct ids *s)
{
    if (!s->used)
        return NULL;
    const struct ids_leaf *l = leaf_at(s, s->used - 1);
    return item_at(s, l, l->count - 1);
}

void *ids_find(const struct ids *s, struct stream_id id)
{
    struct ids_at at;
    void *item = ids_from(s, id, &at);
    return item && stream_id_compare(id_at(s, leaf_at(s, at.leaf), at.at), id) == 0 ? item : NULL;
}

/* ---- putting in ---- */

static void grow_array(struct ids *s)
{
    if (s->first > s->used) {
        memmove(s->leaves, s->leaves + s->first, s->used * sizeof *s->leaves);
        s->first = 0;
        return;
    }
    s->bytes -= s->leaves ? mem_usable(s->leaves) : 0;
    s->cap = s->cap ? 2 * s->cap : 1;
    s->leaves = mem_realloc(s->leaves, s->cap * sizeof *s->leaves);
    s->bytes += mem_usable(s->leaves);
}

static struct ids_leaf *add_leaf(struct ids *s, size_t i, uint32_t cap)
{
    if (s->first + s->used == s->cap)
        grow_array(s);
    struct ids_leaf **place = s->leaves + s->first + i;
    memmove(place + 1, place, (s->used - i) * sizeof *place);
    s->used++;
    *place = mem_alloc(sizeof **place + cap * s->item);
    **place = (struct ids_leaf){.cap = cap};
    s->bytes += mem_usable(*place);
    return *place;
}

static struct ids_leaf *grow_leaf(struct ids *s, size_t i, uint32_t cap)
{
    struct ids_leaf *l = leaf_at(s, i);
    s->bytes -= mem_usable(l);
    l = mem_realloc(l, sizeof *l + cap * s->item);
    l->cap = cap;
    s->bytes += mem_usable(l);
    s->leaves[s->first + i] = l;
    return l;
}

static void move_items(const struct ids *s, struct ids_leaf *to, struct ids_leaf *from, uint32_t at)
{
    memcpy(item_at(s, to, to->count), item_at(s, from, at), (from->count - at) * s->item);
    to->count += from->count - at;
    from->count = at;
}

/* Makes room in a full leaf for one more at *at: in the middle, but at the end so that those that come in order leave full
 * leaves behind them. */
static struct ids_leaf *make_room(struct ids *s, size_t i, uint32_t *at)
{
    struct ids_leaf *l = leaf_at(s, i);
    uint32_t max = cap_max(s);
    if (l->cap < max)
        return grow_leaf(s, i, 2 * l->cap < max ? 2 * l->cap : max);
    uint32_t cut = *at == max && i + 1 == s->used ? max : max / 2;
    struct ids_leaf *right = add_leaf(s, i + 1, max);
    move_items(s, right, l, cut);
    if (*at < cut)
        return l;
    *at -= cut;
    return right;
}

void *ids_put(struct ids *s, struct stream_id id)
{
    if (!s->used)
        add_leaf(s, 0, FIRST_CAP);
    size_t i = leaf_for(s, id);
    struct ids_leaf *l = leaf_at(s, i);
    uint32_t at = count_before(s, l, id);
    assert(at == l->count || stream_id_compare(id_at(s, l, at), id) != 0);
    if (l->count == l->cap)
        l = make_room(s, i, &at);
    char *item = item_at(s, l, at);
    memmove(item + s->item, item, (l->count - at) * s->item);
    memset(item, 0, s->item);
    memcpy(item, &id, sizeof id);
    l->count++;
    s->count++;
    return item;
}

/* ---- taking out ---- */

static void drop_leaf(struct ids *s, size_t i)
{
    struct ids_leaf **place = s->leaves + s->first + i;
    s->bytes -= mem_usable(*place);
    mem_free(*place);
    if (i == 0)
        s->first++;
    else
        memmove(place, place + 1, (s->used - i - 1) * sizeof *place);
    s->used--;
    if (!s->used)
        s->first = 0;
}

/* The one behind it into leaf i, when both together are at most half full. */
static bool join(struct ids *s, size_t i)
{
    if (i + 1 >= s->used || leaf_at(s, i)->count + leaf_at(s, i + 1)->count > cap_max(s) / 2)
        return false;
    struct ids_leaf *left = leaf_at(s, i);
    if (left->cap < cap_max(s))
        left = grow_leaf(s, i, cap_max(s));
    move_items(s, left, leaf_at(s, i + 1), 0);
    drop_leaf(s, i + 1);
    return true;
}

bool ids_remove(struct ids *s, struct stream_id id)
{
    struct ids_at at;
    char *item = ids_from(s, id, &at);
    if (!item || stream_id_compare(id_at(s, leaf_at(s, at.leaf), at.at), id) != 0)
        return false;
    struct ids_leaf *l = leaf_at(s, at.leaf);
    l->count--;
    s->count--;
    memmove(item, item + s->item, (l->count - at.at) * s->item);
    if (l->count == 0)
        drop_leaf(s, at.leaf);
    else if (l->count < cap_max(s) / 4 && !(at.leaf && join(s, at.leaf - 1)))
        join(s, at.leaf);
    return true;
}

size_t ids_free_some(struct ids *s, size_t budget)
{
    size_t done = 0;
    for (; s->used && done < budget; done++)
        mem_free(s->leaves[s->first + --s->used]);
    if (s->used || done == budget || !s->leaves)
        return done;
    mem_free(s->leaves);
    s->leaves = NULL;
    return done + 1;
}
