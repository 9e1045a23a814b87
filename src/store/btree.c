/* The counted B+ tree: nodes of 1 KiB, split when full, joined with a neighbour when both together are half full. */
#include "store/btree.h"

#include <assert.h>

#include "base/alloc.h"

enum { LEAF_MAX = 62, INNER_MAX = 31 };

struct leaf {
    struct leaf *prev, *next;
    uint32_t count;
    double scores[LEAF_MAX];
    struct table_item *members[LEAF_MAX];
};

struct inner {
    uint32_t count;
    struct {
        uint64_t size; /* members below this child; its first */
        double score;
        struct table_item *first;
        void *node;
    } child[INNER_MAX];
};

_Static_assert(sizeof(struct leaf) <= 1024 && sizeof(struct inner) <= 1024, "an allocation of 1 KiB");

static bool is_member_before(double score, const struct table_item *m, const struct bound *b)
{
    return score != b->score ? score < b->score : is_before(score, table_key(m), b);
}

static struct bound bound_of(double score, const struct table_item *m, enum bound_side side)
{
    return (struct bound){score, side, table_key(m)};
}

/* Of the leaf's members, how many stand before the bound. */
static unsigned leaf_before(const struct leaf *l, const struct bound *b)
{
    unsigned from = 0, to = l->count;
    while (from < to) {
        unsigned middle = (from + to) / 2;
        if (is_member_before(l->scores[middle], l->members[middle], b))
            from = middle + 1;
        else
            to = middle;
    }
    return from;
}

/* The child in which the bound lies: the last one whose first member stands before it, or the first child. */
static unsigned inner_child(const struct inner *in, const struct bound *b)
{
    unsigned from = 1, to = in->count;
    while (from < to) {
        unsigned middle = (from + to) / 2;
        if (is_member_before(in->child[middle].score, in->child[middle].first, b))
            from = middle + 1;
        else
            to = middle;
    }
    return from - 1;
}

static void *new_node(struct btree *t, size_t size)
{
    void *node = mem_calloc(1, size);
    t->bytes += mem_usable(node);
    return node;
}

static void free_node(struct btree *t, void *node)
{
    t->bytes -= mem_usable(node);
    mem_free(node);
}

static uint64_t size_of(const void *node, unsigned level)
{
    if (level == 0)
        return ((const struct leaf *)node)->count;
    const struct inner *in = node;
    uint64_t size = 0;
    for (unsigned i = 0; i < in->count; i++)
        size += in->child[i].size;
    return size;
}

/* What an inner node says of a child, made anew; the child is not empty. */
static void describe(struct inner *in, unsigned i, unsigned child_level)
{
    const void *node = in->child[i].node;
    in->child[i].size = size_of(node, child_level);
    if (child_level == 0) {
        const struct leaf *l = node;
        in->child[i].score = l->scores[0];
        in->child[i].first = l->members[0];
    } else {
        const struct inner *below = node;
        in->child[i].score = below->child[0].score;
        in->child[i].first = below->child[0].first;
    }
}

/* ---- putting in ---- */

static void leaf_put(struct leaf *l, unsigned at, double score, struct table_item *m)
{
    memmove(l->scores + at + 1, l->scores + at, (l->count - at) * sizeof *l->scores);
    memmove(l->members + at + 1, l->members + at, (l->count - at) * sizeof *l->members);
    l->scores[at] = score;
    l->members[at] = m;
    l->count++;
}

static void leaf_append(struct leaf *to, const struct leaf *from, unsigned first)
{
    unsigned n = from->count - first;
    memcpy(to->scores + to->count, from->scores + first, n * sizeof *to->scores);
    memcpy(to->members + to->count, from->members + first, n * sizeof *to->members);
    to->count += n;
}

/* Where a full leaf is cut for one more at `at`: in the middle, but at the ends of the tree so that those that come in order
 * leave full leaves behind them. */
static unsigned leaf_cut(const struct leaf *l, unsigned at)
{
    if (at == LEAF_MAX && !l->next)
        return LEAF_MAX;
    return at == 0 && !l->prev ? 0 : LEAF_MAX / 2;
}

/* The new leaf behind it, when it had to be cut. */
static struct leaf *leaf_insert(struct btree *t, struct leaf *l, double score, struct table_item *m)
{
    struct bound b = bound_of(score, m, BEFORE_MEMBER);
    unsigned at = leaf_before(l, &b);
    if (l->count < LEAF_MAX) {
        leaf_put(l, at, score, m);
        return NULL;
    }
    unsigned cut = leaf_cut(l, at);
    struct leaf *right = new_node(t, sizeof *right);
    leaf_append(right, l, cut);
    l->count = cut;
    right->prev = l;
    right->next = l->next;
    if (right->next)
        right->next->prev = right;
    l->next = right;
    if (at < cut || cut == 0)
        leaf_put(l, at, score, m);
    else
        leaf_put(right, at - cut, score, m);
    return right;
}

static void inner_put(struct inner *in, unsigned at, void *node, unsigned child_level)
{
    memmove(in->child + at + 1, in->child + at, (in->count - at) * sizeof *in->child);
    in->count++;
    in->child[at].node = node;
    describe(in, at, child_level);
}

/* Puts a child in; the new node behind this one, when it had to be cut. */
static struct inner *inner_insert(struct btree *t, struct inner *in, unsigned at, void *node,
                                  unsigned child_level)
{
    if (in->count < INNER_MAX) {
        inner_put(in, at, node, child_level);
        return NULL;
    }
    unsigned cut = at == INNER_MAX ? INNER_MAX : INNER_MAX / 2;
    struct inner *right = new_node(t, sizeof *right);
    right->count = INNER_MAX - cut;
    memcpy(right->child, in->child + cut, right->count * sizeof *right->child);
    in->count = cut;
    if (at <= cut && cut < INNER_MAX)
        inner_put(in, at, node, child_level);
    else
        inner_put(right, at - cut, node, child_level);
    return right;
}

static void *node_insert(struct btree *t, void *node, unsigned level, double score, struct table_item *m)
{
    if (level == 0)
        return leaf_insert(t, node, score, m);
    struct inner *in = node;
    struct bound b = bound_of(score, m, BEFORE_MEMBER);
    unsigned i = inner_child(in, &b);
    void *right = node_insert(t, in->child[i].node, level - 1, score, m);
    if (right) {
        describe(in, i, level - 1);
        return inner_insert(t, in, i + 1, right, level - 1);
    }
    if (i == 0)
        describe(in, i, level - 1); /* elsewhere its first member stands */
    else
        in->child[i].size++;
    return NULL;
}

void btree_insert(struct btree *t, double score, struct table_item *m)
{
    if (!t->root)
        t->root = new_node(t, sizeof(struct leaf));
    t->count++;
    void *right = node_insert(t, t->root, t->levels, score, m);
    if (!right)
        return;
    struct inner *root = new_node(t, sizeof *root);
    inner_put(root, 0, t->root, t->levels);
    inner_put(root, 1, right, t->levels);
    t->root = root;
    t->levels++;
}

/* ---- taking out ---- */

static bool is_sparse(const void *node, unsigned level)
{
    return level == 0 ? ((const struct leaf *)node)->count < LEAF_MAX / 4
                      : ((const struct inner *)node)->count < INNER_MAX / 4;
}

static unsigned used(const void *node, unsigned level)
{
    return level == 0 ? ((const struct leaf *)node)->count : ((const struct inner *)node)->count;
}

static void unlink_leaf(struct leaf *l)
{
    if (l->prev)
        l->prev->next = l->next;
    if (l->next)
        l->next->prev = l->prev;
}

static void inner_drop(struct btree *t, struct inner *in, unsigned i, unsigned child_level)
{
    if (child_level == 0)
        unlink_leaf(in->child[i].node);
    free_node(t, in->child[i].node);
    in->count--;
    memmove(in->child + i, in->child + i + 1, (in->count - i) * sizeof *in->child);
}

/* Child i + 1 into child i, when both together are at most half full. */
static bool join(struct btree *t, struct inner *in, unsigned i, unsigned child_level)
{
    void *left = in->child[i].node, *right = in->child[i + 1].node;
    unsigned most = (child_level == 0 ? LEAF_MAX : INNER_MAX) / 2;
    if (used(left, child_level) + used(right, child_level) > most)
        return false;
    if (child_level == 0) {
        leaf_append(left, right, 0);
    } else {
        struct inner *to = left, *from = right;
        memcpy(to->child + to->count, from->child, from->count * sizeof *to->child);
        to->count += from->count;
    }
    inner_drop(t, in, i + 1, child_level);
    describe(in, i, child_level);
    return true;
}

static void node_remove(struct btree *t, void *node, unsigned level, double score, const struct table_item *m)
{
    struct bound b = bound_of(score, m, BEHIND_MEMBER);
    if (level == 0) {
        struct leaf *l = node;
        unsigned at = leaf_before(l, &b) - 1;
        assert(at < l->count && l->members[at] == m);
        l->count--;
        memmove(l->scores + at, l->scores + at + 1, (l->count - at) * sizeof *l->scores);
        memmove(l->members + at, l->members + at + 1, (l->count - at) * sizeof *l->members);
        return;
    }
    struct inner *in = node;
    unsigned i = inner_child(in, &b);
    void *child = in->child[i].node;
    node_remove(t, child, level - 1, score, m);
    if (used(child, level - 1) == 0) {
        inner_drop(t, in, i, level - 1);
        return;
    }
    if (in->child[i].first == m)
        describe(in, i, level - 1);
    else
        in->child[i].size--;
    if (is_sparse(child, level - 1) && !(i > 0 && join(t, in, i - 1, level - 1)) && i + 1 < in->count)
        join(t, in, i, level - 1);
}

/* A root without members goes, and one with a single child gives way to it. */
static void lower_root(struct btree *t)
{
    while (t->root && used(t->root, t->levels) < 2) {
        void *root = t->root;
        if (used(root, t->levels) == 0) {
            t->root = NULL;
            t->levels = 0;
        } else if (t->levels > 0) {
            t->root = ((struct inner *)root)->child[0].node;
            t->levels--;
        } else {
            return;
        }
        free_node(t, root);
    }
}

void btree_remove(struct btree *t, double score, const struct table_item *m)
{
    node_remove(t, t->root, t->levels, score, m);
    t->count--;
    lower_root(t);
}

/* ---- finding ---- */

/* With the new score still between its neighbours in the leaf nothing else has to change. */
static bool move_within(struct leaf *l, double from, double to, const struct table_item *m)
{
    struct bound before = bound_of(from, m, BEFORE_MEMBER), after = bound_of(to, m, BEFORE_MEMBER);
    unsigned at = leaf_before(l, &before);
    if (at == 0 || at + 1 >= l->count)
        return false;
    if (!is_member_before(l->scores[at - 1], l->members[at - 1], &after) ||
        is_member_before(l->scores[at + 1], l->members[at + 1], &after))
        return false;
    l->scores[at] = to;
    return true;
}

void btree_move(struct btree *t, double from, double to, struct table_item *m)
{
    struct bound b = bound_of(from, m, BEHIND_MEMBER);
    void *node = t->root;
    for (unsigned level = t->levels; level > 0; level--) {
        struct inner *in = node;
        node = in->child[inner_child(in, &b)].node;
    }
    if (move_within(node, from, to, m))
        return;
    btree_remove(t, from, m);
    btree_insert(t, to, m);
}

uint64_t btree_rank(const struct btree *t, const struct bound *b)
{
    const void *node = t->root;
    uint64_t rank = 0;
    if (!node)
        return 0;
    for (unsigned level = t->levels; level > 0; level--) {
        const struct inner *in = node;
        unsigned i = inner_child(in, b);
        for (unsigned before = 0; before < i; before++)
            rank += in->child[before].size;
        node = in->child[i].node;
    }
    return rank + leaf_before(node, b);
}

struct btree_place btree_seek(const struct btree *t, uint64_t rank)
{
    const void *node = t->root;
    if (rank >= t->count)
        return (struct btree_place){NULL, 0};
    for (unsigned level = t->levels; level > 0; level--) {
        const struct inner *in = node;
        unsigned i = 0;
        while (rank >= in->child[i].size)
            rank -= in->child[i++].size;
        node = in->child[i].node;
    }
    return (struct btree_place){node, (unsigned)rank};
}

struct table_item *btree_get(const struct btree_place *p, double *score)
{
    const struct leaf *l = p->leaf;
    *score = l->scores[p->at];
    return l->members[p->at];
}

void btree_next(struct btree_place *p)
{
    const struct leaf *l = p->leaf;
    if (++p->at == l->count)
        *p = (struct btree_place){l->next, 0};
}

void btree_prev(struct btree_place *p)
{
    const struct leaf *l = p->leaf;
    if (p->at-- > 0)
        return;
    *p = (struct btree_place){l->prev, l->prev ? l->prev->count - 1 : 0};
}

/* ---- freeing ---- */

static void free_last(struct btree *t, void *node, unsigned level)
{
    if (level == 0) {
        ((struct leaf *)node)->count = 0;
        return;
    }
    struct inner *in = node;
    void *last = in->child[in->count - 1].node;
    free_last(t, last, level - 1);
    if (used(last, level - 1) == 0) {
        free_node(t, last);
        in->count--;
    }
}

bool btree_free_some(struct btree *t)
{
    if (!t->root)
        return false;
    free_last(t, t->root, t->levels);
    if (used(t->root, t->levels) == 0) {
        free_node(t, t->root);
        t->root = NULL;
    }
    return true;
}
