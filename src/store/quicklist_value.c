/* Lists as values: copied, freed, saved and loaded. */
#include "store/quicklist_int.h"
#include "store/value.h"
#include "store/ziplist.h"

enum { CONTAINER_PLAIN = 1, CONTAINER_PACKED = 2 };

/* A listpack from elsewhere that is larger is taken apart: the largest that we make, and Redis with any setting. */
#define PACKED_BYTES_MAX ((size_t)256 << 10)

static size_t bytes(const struct collection *c)
{
    const struct quicklist *l = c->data;
    return mem_usable(l) + (l->nodes ? mem_usable(l->nodes) : 0) + l->memory;
}

static uint64_t digest(const struct collection *c)
{
    struct list_run run = {0, 1};
    for (size_t i = 0; c->data && i < quicklist_of(c)->used; i++) {
        const struct list_node *n = list_node_at(c->data, i);
        run = list_run_join(run, list_node_run(n, 0, n->count));
    }
    return run.sum;
}

static struct collection copy(const struct collection *c)
{
    const struct quicklist *from = c->data;
    struct quicklist *to = quicklist_new();
    for (size_t i = 0; i < from->used; i++) {
        struct list_node n = *list_node_at(from, i);
        n.data = n.is_plain ? list_node_plain(list_node_plain_text(&n)).data : lp_copy(n.data);
        list_node_open(to, i, n);
    }
    to->count = from->count;
    to->run = from->run;
    return (struct collection){.data = to, .digest = c->digest, .form = c->form};
}

static size_t free_some(struct collection *c, size_t budget)
{
    struct quicklist *l = c->data;
    size_t done = 0;
    for (; l->used && done < budget; done++, l->used--)
        mem_free(list_node_at(l, l->used - 1)->data);
    if (l->used || done == budget)
        return done;
    mem_free(l->nodes);
    mem_free(l);
    c->data = NULL;
    return done + 1;
}

static int rdb_type(const struct collection *c)
{
    (void)c;
    return RDB_TYPE_LIST_QUICKLIST_2;
}

static void save(const struct collection *c, struct rdb_out *out)
{
    const struct quicklist *l = c->data;
    rdb_put_length(out->buf, l->used);
    for (size_t i = 0; i < l->used; i++) {
        const struct list_node *n = list_node_at(l, i);
        rdb_put_length(out->buf, n->is_plain ? CONTAINER_PLAIN : CONTAINER_PACKED);
        rdb_put_string(out->buf, n->is_plain ? list_node_plain_text(n) : lp_slice(n->data));
        rdb_out_pause(out);
    }
}

/* ---- loading ---- */

static void append_node(struct collection *c, struct list_node n)
{
    struct quicklist *l = quicklist_started(c);
    list_node_open(l, l->used, n);
    l->count += n.count;
    l->run = list_run_join(l->run, n.run);
    c->digest = l->run.sum;
}

static void append_elements(struct collection *c, const uint8_t *lp, const struct store_limits *limits)
{
    char scratch[LP_NUMBER_MAX];
    for (size_t at = lp_first(lp); at; at = lp_next(lp, at))
        quicklist_push(c, LIST_TAIL, lp_text(lp, at, scratch), limits);
}

typedef uint8_t *as_listpack(struct slice bytes);

/* Empty ones are passed over, as Redis does. */
static bool load_packed(struct collection *c, struct slice saved, as_listpack *read,
                        const struct store_limits *limits)
{
    uint8_t *lp = read(saved);
    if (!lp)
        return false;
    if (lp_first(lp) && (!limits || lp_slice(lp).len <= PACKED_BYTES_MAX)) {
        append_node(c, list_node_packed(lp));
        return true;
    }
    append_elements(c, lp, limits);
    lp_free(lp);
    return true;
}

static bool load_quicklist(struct collection *c, struct reader *r, struct buf *scratch,
                           const struct store_limits *limits)
{
    uint64_t nodes, container;
    struct slice saved;
    for (rdb_get_length(r, &nodes); nodes && !r->failed; nodes--) {
        if (!rdb_get_length(r, &container) || !rdb_get_string(r, scratch, &saved))
            return false;
        if (container == CONTAINER_PLAIN)
            append_node(c, list_node_plain(saved));
        else if (container != CONTAINER_PACKED || !load_packed(c, saved, lp_load, limits))
            return false;
    }
    return !r->failed;
}

/* Of before Redis 7. */
static bool load_ziplists(struct collection *c, uint64_t count, struct reader *r, struct buf *scratch,
                          const struct store_limits *limits)
{
    struct slice saved;
    for (; count && !r->failed; count--)
        if (!rdb_get_string(r, scratch, &saved) || !load_packed(c, saved, ziplist_load, limits))
            return false;
    return !r->failed;
}

static bool load_strings(struct collection *c, struct reader *r, struct buf *scratch,
                         const struct store_limits *limits)
{
    uint64_t count;
    struct slice s;
    for (rdb_get_length(r, &count); count && !r->failed; count--)
        if (rdb_get_string(r, scratch, &s))
            quicklist_push(c, LIST_TAIL, s, limits);
    return !r->failed;
}

static bool load(struct collection *c, int type, struct reader *r, const struct store_limits *limits)
{
    struct buf scratch = BUF_EMPTY;
    bool good = false;
    uint64_t count;
    if (type == RDB_TYPE_LIST_QUICKLIST_2)
        good = load_quicklist(c, r, &scratch, limits);
    else if (type == RDB_TYPE_LIST_QUICKLIST)
        good = rdb_get_length(r, &count) && load_ziplists(c, count, r, &scratch, limits);
    else if (type == RDB_TYPE_LIST_ZIPLIST)
        good = load_ziplists(c, 1, r, &scratch, limits);
    else if (type == RDB_TYPE_LIST)
        good = load_strings(c, r, &scratch, limits);
    buf_deinit(&scratch);
    good = good && quicklist_count(c) > 0;
    if (!good)
        collection_free(c, STORE_LIST);
    return good;
}

static const char *const encodings[] = {
    [FORM_PACKED] = "quicklist", [FORM_INTSET] = "quicklist", [FORM_LARGE] = "quicklist"};

const struct value_ops quicklist_ops = {
    .encodings = encodings,
    .count = quicklist_count,
    .bytes = bytes,
    .digest = digest,
    .copy = copy,
    .free_some = free_some,
    .rdb_type = rdb_type,
    .save = save,
    .load = load,
};
