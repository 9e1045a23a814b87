/* Lists, as commands see them. */
#include "store/quicklist.h"

#include "store/quicklist_int.h"
#include "store/value.h"

uint64_t quicklist_count(const struct collection *c)
{
    return c->data ? quicklist_of(c)->count : 0;
}

/* ---- walking ---- */

static void enter_node(const struct quicklist *l, struct quicklist_at *at, size_t i, enum list_end side)
{
    const struct list_node *n = list_node_at(l, i);
    *at = (struct quicklist_at){.node = i, .index = side == LIST_HEAD ? 0 : n->count - 1};
    if (!n->is_plain)
        at->offset = side == LIST_HEAD ? lp_first(n->data) : lp_last(n->data);
}

/* The node of the index-th element; `index` is counted from its first one then. */
static size_t find_node(const struct quicklist *l, uint64_t *index)
{
    size_t i;
    if (*index < l->count / 2) {
        for (i = 0; *index >= list_node_at(l, i)->count; i++)
            *index -= list_node_at(l, i)->count;
        return i;
    }
    uint64_t behind = l->count; /* the index behind the i-th node */
    for (i = l->used - 1; *index < behind - list_node_at(l, i)->count; i--)
        behind -= list_node_at(l, i)->count;
    *index -= behind - list_node_at(l, i)->count;
    return i;
}

bool quicklist_seek(const struct collection *c, int64_t index, struct quicklist_at *at)
{
    int64_t count = (int64_t)quicklist_count(c);
    if (index < 0)
        index += count;
    if (index < 0 || index >= count)
        return false;
    uint64_t in_node = (uint64_t)index;
    size_t i = find_node(c->data, &in_node);
    const struct list_node *n = list_node_at(c->data, i);
    *at = (struct quicklist_at){.node = i, .index = in_node};
    if (!n->is_plain)
        at->offset = lp_seek(n->data, (int64_t)in_node);
    return true;
}

bool quicklist_step(const struct collection *c, struct quicklist_at *at, enum list_end towards)
{
    const struct quicklist *l = c->data;
    const struct list_node *n = list_node_at(l, at->node);
    bool ahead = towards == LIST_TAIL;
    if (ahead ? at->index + 1 < n->count : at->index > 0) {
        at->offset = ahead ? lp_next(n->data, at->offset) : lp_prev(n->data, at->offset);
        at->index += ahead ? 1 : (size_t)-1;
        return true;
    }
    if (ahead ? at->node + 1 == l->used : at->node == 0)
        return false;
    enter_node(l, at, ahead ? at->node + 1 : at->node - 1, ahead ? LIST_HEAD : LIST_TAIL);
    return true;
}

struct slice quicklist_text(const struct collection *c, const struct quicklist_at *at,
                            char scratch[LP_NUMBER_MAX])
{
    const struct list_node *n = list_node_at(c->data, at->node);
    return n->is_plain ? list_node_plain_text(n) : lp_text(n->data, at->offset, scratch);
}

bool quicklist_equal(const struct collection *c, const struct quicklist_at *at, struct slice s)
{
    const struct list_node *n = list_node_at(c->data, at->node);
    return n->is_plain ? slice_equal(list_node_plain_text(n), s) : lp_equal(n->data, at->offset, s);
}

/* ---- the ends ---- */

void quicklist_push(struct collection *c, enum list_end where, struct slice s,
                    const struct store_limits *limits)
{
    struct list_node_limit limit = list_node_limit(limits);
    struct quicklist *l = quicklist_started(c);
    size_t i = where == LIST_HEAD || !l->used ? 0 : l->used - 1;
    if (l->used && list_node_has_room(list_node_at(l, i), s, &limit))
        list_node_put(l, i, where == LIST_HEAD ? 0 : list_node_at(l, i)->count, s);
    else if (l->used)
        list_node_open(l, where == LIST_HEAD ? 0 : l->used, list_node_next(l, i, s, &limit));
    else
        list_node_open(l, 0, list_node_new(s, &limit));
    struct list_run added = list_run_of(s);
    l->run = where == LIST_HEAD ? list_run_join(added, l->run) : list_run_join(l->run, added);
    l->count++;
    c->digest = l->run.sum;
}

void quicklist_drop(struct collection *c, enum list_end where, uint64_t n)
{
    struct quicklist *l = c->data;
    assert(n <= quicklist_count(c));
    while (n) {
        size_t i = where == LIST_HEAD ? 0 : l->used - 1;
        struct list_node *node = list_node_at(l, i);
        size_t gone = node->count;
        struct list_run run = node->run;
        if (gone <= n) {
            list_node_close(l, i);
        } else {
            gone = (size_t)n;
            size_t from = where == LIST_HEAD ? 0 : node->count - gone;
            run = list_node_run(node, from, gone);
            node->run = list_run_without(node->run, where, run);
            list_node_cut(l, i, from, gone);
        }
        l->run = list_run_without(l->run, where, run);
        l->count -= gone;
        n -= gone;
        c->digest = l->run.sum;
    }
}

/* ---- the middle ---- */

static void settle(struct collection *c)
{
    struct quicklist *l = c->data;
    l->run = list_nodes_run(l);
    c->digest = l->run.sum;
}

/* Before the index-th element of the i-th node, or behind its last. */
static void insert(struct quicklist *l, size_t i, size_t index, struct slice s,
                   const struct list_node_limit *limit)
{
    size_t count = list_node_at(l, i)->count;
    if (list_node_has_room(list_node_at(l, i), s, limit)) {
        list_node_put(l, i, index, s);
    } else if (index == 0 && i > 0 && list_node_has_room(list_node_at(l, i - 1), s, limit)) {
        list_node_put(l, i - 1, list_node_at(l, i - 1)->count, s);
    } else if (index == count && i + 1 < l->used && list_node_has_room(list_node_at(l, i + 1), s, limit)) {
        list_node_put(l, i + 1, 0, s);
    } else if (index == 0 || index == count) {
        list_node_open(l, index ? i + 1 : i, list_node_new(s, limit));
    } else if (list_node_needs_plain(s, limit)) {
        list_node_split(l, i, index);
        list_node_open(l, i + 1, list_node_plain(s));
    } else {
        size_t middle = list_node_middle(list_node_at(l, i));
        list_node_split(l, i, middle);
        list_node_put(l, index <= middle ? i : i + 1, index <= middle ? index : index - middle, s);
    }
}

void quicklist_insert(struct collection *c, const struct quicklist_at *at, bool behind, struct slice s,
                      const struct store_limits *limits)
{
    struct list_node_limit limit = list_node_limit(limits);
    struct quicklist *l = c->data;
    insert(l, at->node, at->index + behind, s, &limit);
    l->count++;
    settle(c);
}

/* The element becomes the only one of its node, whose place is the result. */
static size_t isolate(struct quicklist *l, size_t i, size_t index)
{
    if (index) {
        list_node_split(l, i, index);
        i++;
    }
    if (list_node_at(l, i)->count > 1)
        list_node_split(l, i, 1);
    return i;
}

static void replace_packed(struct quicklist *l, const struct quicklist_at *at, struct slice s,
                           const struct list_node_limit *limit)
{
    struct list_node *n = list_node_at(l, at->node);
    struct list_run before = list_node_run(n, 0, at->index), old = list_node_run(n, at->index, 1);
    uint8_t *lp = n->data;
    l->memory -= mem_usable(lp);
    lp_replace(&lp, at->offset, s);
    l->memory += mem_usable(lp);
    n->data = lp;
    n->run.sum += before.power * (list_run_of(s).sum - old.sum);
    if (lp_slice(lp).len > limit->bytes && n->count > 1)
        list_node_split(l, at->node, list_node_middle(n));
}

void quicklist_set(struct collection *c, const struct quicklist_at *at, struct slice s,
                   const struct store_limits *limits)
{
    struct list_node_limit limit = list_node_limit(limits);
    struct quicklist *l = c->data;
    if (!list_node_at(l, at->node)->is_plain && !list_node_needs_plain(s, &limit)) {
        replace_packed(l, at, s, &limit);
    } else {
        size_t i = isolate(l, at->node, at->index);
        list_node_close(l, i);
        list_node_open(l, i, list_node_new(s, &limit));
    }
    settle(c);
}

/* In one node; 0: nothing was found. The node may be gone then. */
static uint64_t remove_from_node(struct quicklist *l, size_t i, enum list_end from, uint64_t max,
                                 struct slice s)
{
    struct list_node *n = list_node_at(l, i);
    uint64_t removed = 0;
    if (n->is_plain) {
        removed = slice_equal(list_node_plain_text(n), s);
    } else {
        uint8_t *lp = n->data;
        size_t had = mem_usable(lp), at = from == LIST_HEAD ? lp_first(lp) : lp_last(lp);
        while (at && removed < max) {
            bool same = lp_equal(lp, at, s);
            size_t next = from == LIST_HEAD ? (same ? 0 : lp_next(lp, at)) : lp_prev(lp, at);
            if (same) {
                size_t behind = lp_delete(&lp, at, 1);
                next = from == LIST_HEAD ? behind : next;
                removed++;
            }
            at = next;
        }
        n->data = lp;
        l->memory += mem_usable(lp) - had;
    }
    if (removed == n->count) {
        list_node_close(l, i);
    } else if (removed) {
        n->count -= (uint32_t)removed;
        n->run = list_node_run(n, 0, n->count);
    }
    return removed;
}

uint64_t quicklist_remove(struct collection *c, enum list_end from, uint64_t max, struct slice s)
{
    struct quicklist *l = c->data;
    uint64_t removed = 0;
    size_t passed = 0; /* nodes, from that end */
    while (passed < l->used && removed < max) {
        size_t had = l->used;
        removed += remove_from_node(l, from == LIST_HEAD ? passed : had - 1 - passed, from, max - removed, s);
        passed += l->used == had;
    }
    l->count -= removed;
    if (removed)
        settle(c);
    return removed;
}
