/* The nodes of a list: what they hold, and the array they stand in. */
#include "store/quicklist_int.h"

#define BASE MIX_1 /* odd, and 5 modulo 8: its powers do not repeat before 2^62 */

/* Redis allows this much for an element's own bytes. */
enum { ELEMENT_OVERHEAD = 8, LISTPACK_OVERHEAD = 7, SAFE_BYTES = 8192, LONG_NODES = 16 };

struct list_node_limit list_node_limit(const struct store_limits *limits)
{
    int64_t setting = limits ? limits->list_max_listpack_size : -2;
    size_t bytes = SAFE_BYTES, count = setting > 0 ? (size_t)setting : 1;
    if (setting < 0) {
        bytes = (size_t)2048 << (setting < -5 ? 5 : -setting);
        count = SIZE_MAX;
    }
    return (struct list_node_limit){bytes, bytes / 8 * 7, count};
}

/* ---- runs ---- */

/* Newton's iteration doubles the bits that are right; x itself has three. */
static uint64_t inverse(uint64_t x)
{
    uint64_t y = x;
    for (int bits = 3; bits < 64; bits *= 2)
        y *= 2 - x * y;
    return y;
}

struct list_run list_run_of(struct slice text)
{
    return (struct list_run){mix_slice(MIX_3, text), BASE};
}

struct list_run list_run_join(struct list_run a, struct list_run b)
{
    return (struct list_run){a.sum + a.power * b.sum, a.power * b.power};
}

struct list_run list_run_without(struct list_run whole, enum list_end where, struct list_run part)
{
    uint64_t divisor = inverse(part.power), power = whole.power * divisor;
    if (where == LIST_HEAD)
        return (struct list_run){(whole.sum - part.sum) * divisor, power};
    return (struct list_run){whole.sum - power * part.sum, power};
}

struct list_run list_node_run(const struct list_node *n, size_t index, size_t count)
{
    char scratch[LP_NUMBER_MAX];
    struct list_run run = {0, 1};
    if (n->is_plain)
        return count ? list_run_of(list_node_plain_text(n)) : run;
    size_t at = count ? lp_seek(n->data, (int64_t)index) : 0;
    for (; at && count--; at = lp_next(n->data, at))
        run = list_run_join(run, list_run_of(lp_text(n->data, at, scratch)));
    return run;
}

struct list_run list_nodes_run(const struct quicklist *l)
{
    struct list_run run = {0, 1};
    for (size_t i = 0; i < l->used; i++)
        run = list_run_join(run, list_node_at(l, i)->run);
    return run;
}

/* ---- the array ---- */

struct quicklist *quicklist_new(void)
{
    struct quicklist *l = mem_alloc(sizeof *l);
    *l = (struct quicklist){.run = {0, 1}};
    return l;
}

struct quicklist *quicklist_started(struct collection *c)
{
    if (!c->data) {
        c->data = quicklist_new();
        c->form = FORM_LARGE;
    }
    return c->data;
}

static void resize(struct quicklist *l, size_t cap)
{
    l->nodes = mem_realloc(l->nodes, cap * sizeof *l->nodes);
    l->cap = mem_usable(l->nodes) / sizeof *l->nodes;
}

/* Most of the room goes to the side that grows, one place at least. */
static void move_nodes(struct quicklist *l, size_t cap, enum list_end side)
{
    size_t room = cap - l->used, first = side == LIST_HEAD ? room - room / 4 : room / 4;
    if (l->used)
        memmove(l->nodes + first, l->nodes + l->first, l->used * sizeof *l->nodes);
    l->first = first;
}

/* A quarter more than there are, in an array that is larger only when it has to be. */
static void make_room(struct quicklist *l, enum list_end side)
{
    size_t cap = l->used + l->used / 4 + 1;
    if (cap > l->cap)
        resize(l, cap);
    move_nodes(l, l->cap, side);
}

void list_node_open(struct quicklist *l, size_t i, struct list_node n)
{
    assert(i <= l->used);
    enum list_end side = i < l->used - i ? LIST_HEAD : LIST_TAIL;
    if (side == LIST_HEAD ? l->first == 0 : l->first + l->used == l->cap)
        make_room(l, side);
    struct list_node *nodes = l->nodes + l->first;
    if (side == LIST_HEAD) {
        memmove(nodes - 1, nodes, i * sizeof *nodes);
        l->first--;
    } else {
        memmove(nodes + i + 1, nodes + i, (l->used - i) * sizeof *nodes);
    }
    l->used++;
    *list_node_at(l, i) = n;
    l->memory += mem_usable(n.data);
}

void list_node_close(struct quicklist *l, size_t i)
{
    struct list_node *n = list_node_at(l, i), *nodes = l->nodes + l->first;
    l->memory -= mem_usable(n->data);
    mem_free(n->data);
    if (i < l->used / 2) {
        memmove(nodes + 1, nodes, i * sizeof *nodes);
        l->first++;
    } else {
        memmove(n, n + 1, (l->used - i - 1) * sizeof *nodes);
    }
    l->used--;
    if (l->cap > 8 && l->used < l->cap / 8) {
        move_nodes(l, l->cap / 4, LIST_TAIL);
        resize(l, l->cap / 4);
    }
}

/* ---- one node ---- */

struct list_node list_node_plain(struct slice s)
{
    struct list_plain *p = mem_alloc(sizeof *p + s.len);
    p->len = s.len;
    if (s.len)
        memcpy(p->text, s.data, s.len);
    return (struct list_node){p, 1, true, list_run_of(s)};
}

struct list_node list_node_packed(uint8_t *lp)
{
    struct list_node n = {.data = lp, .count = (uint32_t)lp_count(lp)};
    n.run = list_node_run(&n, 0, n.count);
    return n;
}

struct list_node list_node_new(struct slice s, const struct list_node_limit *limit)
{
    if (list_node_needs_plain(s, limit))
        return list_node_plain(s);
    struct list_node n = {lp_new(), 1, false, list_run_of(s)};
    uint8_t *lp = n.data;
    lp_append(&lp, s);
    n.data = lp;
    return n;
}

struct list_node list_node_next(struct quicklist *l, size_t i, struct slice s,
                                const struct list_node_limit *limit)
{
    struct list_node n = list_node_new(s, limit), *full = list_node_at(l, i);
    if (full->is_plain)
        return n;
    uint8_t *lp = full->data, *next = n.data;
    l->memory -= mem_usable(lp);
    lp_fit(&lp);
    l->memory += mem_usable(lp);
    full->data = lp;
    if (!n.is_plain && l->used >= LONG_NODES)
        lp_reserve(&next, lp_slice(lp).len);
    n.data = next;
    return n;
}

struct slice list_node_plain_text(const struct list_node *n)
{
    const struct list_plain *p = n->data;
    return slice_of(p->text, p->len);
}

bool list_node_needs_plain(struct slice s, const struct list_node_limit *limit)
{
    return s.len > limit->bytes - LISTPACK_OVERHEAD - ELEMENT_OVERHEAD;
}

bool list_node_has_room(const struct list_node *n, struct slice s, const struct list_node_limit *limit)
{
    return !n->is_plain && n->count < limit->count && s.len < limit->bytes &&
           lp_slice(n->data).len + s.len + ELEMENT_OVERHEAD <= limit->full;
}

void list_node_put(struct quicklist *l, size_t i, size_t index, struct slice s)
{
    struct list_node *n = list_node_at(l, i);
    assert(!n->is_plain && index <= n->count);
    struct list_run before = {0, 1}, behind = n->run, added = list_run_of(s);
    if (index == n->count) {
        before = n->run;
        behind = (struct list_run){0, 1};
    } else if (index) {
        before = list_node_run(n, 0, index);
        behind = list_run_without(n->run, LIST_HEAD, before);
    }
    uint8_t *lp = n->data;
    l->memory -= mem_usable(lp);
    lp_insert(&lp, index == n->count ? 0 : lp_seek(lp, (int64_t)index), s);
    l->memory += mem_usable(lp);
    n->data = lp;
    n->count++;
    n->run = list_run_join(list_run_join(before, added), behind);
}

void list_node_cut(struct quicklist *l, size_t i, size_t index, size_t count)
{
    struct list_node *n = list_node_at(l, i);
    assert(!n->is_plain && count < n->count);
    uint8_t *lp = n->data;
    l->memory -= mem_usable(lp);
    lp_delete(&lp, lp_seek(lp, (int64_t)index), count);
    l->memory += mem_usable(lp);
    n->data = lp;
    n->count -= (uint32_t)count;
}

void list_node_split(struct quicklist *l, size_t i, size_t index)
{
    struct list_node *n = list_node_at(l, i);
    assert(!n->is_plain && index && index < n->count);
    uint8_t *tail = lp_copy(n->data);
    lp_delete(&tail, lp_first(tail), index);
    list_node_cut(l, i, index, n->count - index);
    struct list_node second = list_node_packed(tail);
    n->run = list_run_without(n->run, LIST_TAIL, second.run);
    list_node_open(l, i + 1, second);
}

size_t list_node_middle(const struct list_node *n)
{
    const uint8_t *lp = n->data;
    size_t half = lp_slice(lp).len / 2, index = 1;
    for (size_t at = lp_next(lp, lp_first(lp)); at < half && index + 1 < n->count; at = lp_next(lp, at))
        index++;
    return index;
}
