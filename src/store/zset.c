/* Sorted sets of either form. */
#include "store/zset.h"

#include <assert.h>

#include "base/alloc.h"
#include "store/mix.h"
#include "store/value.h"
#include "store/zset_int.h"

enum { SCORE_COST = 32 }; /* what the text of a score takes at most */

static struct zset_large *large_of(const struct collection *c)
{
    return c->data;
}

static bool is_packed(const struct collection *c)
{
    return c->form == FORM_PACKED;
}

uint64_t zset_term(struct slice member, double score)
{
    uint64_t bits;
    memcpy(&bits, &score, sizeof bits);
    return mix_slice(mix_fold(bits ^ MIX_3, MIX_1), member);
}

uint64_t zset_count(const struct collection *c)
{
    if (!c->data)
        return 0;
    return is_packed(c) ? packed_count(c->data) : large_of(c)->order.count;
}

bool zset_score(const struct collection *c, struct slice member, double *score)
{
    if (!c->data)
        return false;
    if (!is_packed(c))
        return large_score(c->data, member, score);
    size_t at = packed_find(c->data, member);
    if (at)
        *score = packed_score(c->data, at);
    return at != 0;
}

/* ---- changing ---- */

void zset_make_large(struct collection *c)
{
    struct zset_large *large = large_new(*c->seed);
    struct zset_walk w;
    struct zset_item item;
    double none;
    zset_walk(&w, c, 0, false);
    while (zset_walk_next(&w, &item))
        large_put(large, item.member, item.score, &none);
    lp_free(c->data);
    c->data = large;
    c->form = FORM_LARGE;
}

static void drop_packed(struct collection *c, size_t at, struct slice member, uint64_t members)
{
    uint8_t *lp = c->data;
    c->digest -= zset_term(member, packed_score(lp, at));
    lp_delete(&lp, at, 2 * members);
    c->data = lp;
}

/* Puts it in when it still fits. */
static bool put_packed(struct collection *c, struct slice member, double score,
                       const struct store_limits *limits)
{
    if (!c->data)
        c->data = lp_new();
    uint8_t *lp = c->data;
    size_t at = packed_find(lp, member);
    if (at) {
        drop_packed(c, at, member, 1);
    } else if (packed_count(lp) >= limits->zset_max_listpack_entries ||
               member.len > limits->zset_max_listpack_value ||
               lp_slice(lp).len + lp_cost(member) + SCORE_COST > LP_BYTES_MAX) {
        zset_make_large(c);
        return false;
    }
    lp = c->data;
    score += 0.0; /* not -0 */
    packed_put(&lp, member, score);
    c->data = lp;
    c->digest += zset_term(member, score);
    return true;
}

void zset_put(struct collection *c, struct slice member, double score, const struct store_limits *limits)
{
    double old;
    if (is_packed(c) && put_packed(c, member, score, limits))
        return;
    if (large_put(c->data, member, score, &old))
        c->digest -= zset_term(member, old);
    c->digest += zset_term(member, score);
}

static size_t longest_member(const struct collection *c)
{
    size_t longest = 0;
    struct zset_walk w;
    struct zset_item item;
    zset_walk(&w, c, 0, false);
    while (zset_walk_next(&w, &item))
        longest = item.member.len > longest ? item.member.len : longest;
    return longest;
}

void zset_pack(struct collection *c, const struct store_limits *limits)
{
    if (is_packed(c) || zset_count(c) > limits->zset_max_listpack_entries ||
        longest_member(c) > limits->zset_max_listpack_value)
        return;
    struct collection packed = {.form = FORM_PACKED, .seed = c->seed};
    struct zset_walk w;
    struct zset_item item;
    zset_walk(&w, c, 0, false);
    while (zset_walk_next(&w, &item))
        zset_put(&packed, item.member, item.score, limits);
    collection_free(c, STORE_ZSET);
    *c = packed;
}

bool zset_remove(struct collection *c, struct slice member)
{
    double old;
    if (!c->data)
        return false;
    if (is_packed(c)) {
        size_t at = packed_find(c->data, member);
        if (at)
            drop_packed(c, at, member, 1);
        return at != 0;
    }
    if (!large_remove(c->data, member, &old))
        return false;
    c->digest -= zset_term(member, old);
    return true;
}

uint64_t zset_terms(const struct collection *c, uint64_t from, uint64_t to)
{
    struct zset_walk w;
    struct zset_item item;
    uint64_t sum = 0;
    zset_walk(&w, c, from, false);
    for (; from < to && zset_walk_next(&w, &item); from++)
        sum += zset_term(item.member, item.score);
    return sum;
}

void zset_remove_ranks(struct collection *c, uint64_t from, uint64_t to)
{
    if (from >= to)
        return;
    c->digest -= zset_terms(c, from, to);
    if (is_packed(c)) {
        uint8_t *lp = c->data;
        lp_delete(&lp, packed_at(lp, from), 2 * (to - from));
        c->data = lp;
        return;
    }
    for (; from < to; to--) {
        double score;
        struct btree_place p = btree_seek(&large_of(c)->order, from);
        struct slice member = table_key(btree_get(&p, &score));
        large_remove(c->data, member, &score);
    }
}

/* ---- finding ---- */

uint64_t zset_rank(const struct collection *c, const struct bound *b)
{
    if (!c->data)
        return 0;
    return is_packed(c) ? packed_rank(c->data, b) : btree_rank(&large_of(c)->order, b);
}

void zset_walk(struct zset_walk *w, const struct collection *c, uint64_t rank, bool down)
{
    *w = (struct zset_walk){.c = c, .down = down};
    if (!c->data)
        return;
    if (is_packed(c)) {
        w->at = packed_at(c->data, rank);
    } else {
        struct btree_place p = btree_seek(&large_of(c)->order, rank);
        w->leaf = p.leaf;
        w->at = p.at;
    }
}

static bool next_packed(struct zset_walk *w, struct zset_item *item)
{
    const uint8_t *lp = w->c->data;
    if (!w->at)
        return false;
    *item = (struct zset_item){lp_text(lp, w->at, w->number), packed_score(lp, w->at)};
    if (!w->down)
        w->at = lp_next(lp, lp_next(lp, w->at));
    else if ((w->at = lp_prev(lp, w->at)))
        w->at = lp_prev(lp, w->at);
    return true;
}

bool zset_walk_next(struct zset_walk *w, struct zset_item *item)
{
    if (is_packed(w->c))
        return w->c->data && next_packed(w, item);
    struct btree_place p = {w->leaf, (unsigned)w->at};
    if (!p.leaf)
        return false;
    item->member = table_key(btree_get(&p, &item->score));
    if (w->down)
        btree_prev(&p);
    else
        btree_next(&p);
    w->leaf = p.leaf;
    w->at = p.at;
    return true;
}

struct scanning {
    void (*each)(void *arg, const struct zset_item *item);
    void *arg;
};

static void scan_item(void *arg, const struct table_item *item)
{
    struct scanning *s = arg;
    s->each(s->arg, &(struct zset_item){table_key(item), item_score(item)});
}

uint64_t zset_scan(const struct collection *c, uint64_t cursor, uint64_t count,
                   void (*each)(void *arg, const struct zset_item *item), void *arg)
{
    struct scanning s = {each, arg};
    struct zset_walk w;
    struct zset_item item;
    if (!is_packed(c))
        return table_scan(large_of(c)->members, cursor, count, scan_item, &s);
    zset_walk(&w, c, 0, false);
    while (zset_walk_next(&w, &item))
        each(arg, &item);
    return 0;
}

/* ---- what every type does ---- */

static size_t bytes_of(const struct collection *c)
{
    return is_packed(c) ? lp_memory(c->data) : large_bytes(c->data);
}

static uint64_t digest_of(const struct collection *c)
{
    return zset_terms(c, 0, zset_count(c));
}

static struct collection copy_of(const struct collection *c)
{
    struct collection copy = *c;
    if (is_packed(c))
        copy.data = lp_copy(c->data);
    else
        copy.data = large_copy(c->data);
    return copy;
}

static size_t free_some(struct collection *c, size_t budget)
{
    if (is_packed(c)) {
        lp_free(c->data);
        c->data = NULL;
        return 1;
    }
    struct zset_large *z = c->data;
    size_t done = large_free_some(&z, budget);
    c->data = z;
    return done;
}

static const char *const encodings[] = {[FORM_PACKED] = "listpack", [FORM_LARGE] = "skiplist"};

const struct value_ops zset_ops = {
    .encodings = encodings,
    .count = zset_count,
    .bytes = bytes_of,
    .digest = digest_of,
    .copy = copy_of,
    .free_some = free_some,
    .rdb_type = zset_rdb_type,
    .save = zset_save,
    .load = zset_load,
};
