/* Hashes in RDB encoding: a large one is its pairs, a small one its listpack as it is. */
#include "store/hash_int.h"
#include "store/ziplist.h"

int hash_rdb_type(const struct collection *h)
{
    return h->form == FORM_PACKED ? RDB_TYPE_HASH_LISTPACK : RDB_TYPE_HASH;
}

void hash_rdb_save(const struct collection *h, struct rdb_out *out)
{
    if (h->form == FORM_PACKED) {
        rdb_put_string(out->buf, lp_slice(h->data));
        return;
    }
    struct hash_walk w;
    rdb_put_length(out->buf, hash_count(h));
    hash_walk_init(&w, h);
    while (hash_walk_next(&w)) {
        rdb_put_string(out->buf, w.field);
        rdb_put_string(out->buf, w.value);
        rdb_out_pause(out);
    }
}

static bool load_pairs(struct collection *h, struct reader *r, const struct store_limits *limits)
{
    struct buf field_room = BUF_EMPTY, value_room = BUF_EMPTY;
    struct slice field, value;
    uint64_t count;
    bool good = rdb_get_length(r, &count) && count > 0;
    if (good && (!limits || count > limits->hash_max_listpack_entries))
        hash_enlarge(h);
    for (; good && count > 0; count--)
        good = rdb_get_string(r, &field_room, &field) && rdb_get_string(r, &value_room, &value) &&
               hash_set(h, field, value, limits);
    buf_deinit(&field_room);
    buf_deinit(&value_room);
    return good;
}

static bool differ_in_table(const struct collection *h)
{
    struct table *t = table_new(h->seed ? *h->seed : (struct hash_seed){0, 0});
    struct hash_walk w;
    bool differ = true;
    hash_walk_init(&w, h);
    while (differ && hash_walk_next(&w)) {
        differ = table_find(t, w.field).place == PLACE_NONE;
        if (differ)
            hash_add_to_table(t, w.field, (struct slice){NULL, 0});
    }
    while (t)
        table_free_some(&t, SIZE_MAX);
    return differ;
}

/* No field of a packed one stands in it twice. */
static bool fields_differ(const struct collection *h)
{
    enum { FEW = 64 };
    struct hash_walk w;
    if (hash_count(h) > FEW)
        return differ_in_table(h);
    hash_walk_init(&w, h);
    while (hash_walk_next(&w))
        if (w.next && lp_find(h->data, w.next, w.field, 1))
            return false;
    return true;
}

/* The listpack that lies in h->data is not to be believed yet. */
static bool take_packed(struct collection *h, const struct store_limits *limits)
{
    size_t count = lp_count(h->data);
    if (count == 0 || count % 2 || !fields_differ(h))
        return false;
    h->digest = hash_ops.digest(h);
    if (limits && hash_count(h) > limits->hash_max_listpack_entries)
        hash_enlarge(h);
    return true;
}

static bool load_packed(struct collection *h, struct reader *r, uint8_t *as_listpack(struct slice bytes),
                        const struct store_limits *limits)
{
    struct buf room = BUF_EMPTY;
    struct slice bytes;
    if (rdb_get_string(r, &room, &bytes))
        h->data = as_listpack(bytes);
    buf_deinit(&room);
    return h->data && take_packed(h, limits);
}

/* A zipmap knew no limit of length. */
static void enlarge_if_long(struct collection *h, const struct store_limits *limits)
{
    struct hash_walk w;
    bool fits = true;
    if (!limits || h->form != FORM_PACKED)
        return;
    hash_walk_init(&w, h);
    while (fits && hash_walk_next(&w))
        fits = hash_fits_packed(h, w.field, w.value, limits);
    if (!fits)
        hash_enlarge(h);
}

bool hash_rdb_load(struct collection *h, int rdb_type, struct reader *r, const struct store_limits *limits)
{
    bool good = false;
    if (rdb_type == RDB_TYPE_HASH)
        good = load_pairs(h, r, limits);
    else if (rdb_type == RDB_TYPE_HASH_LISTPACK)
        good = load_packed(h, r, lp_load, limits);
    else if (rdb_type == RDB_TYPE_HASH_ZIPLIST)
        good = load_packed(h, r, ziplist_load, limits);
    else if (rdb_type == RDB_TYPE_HASH_ZIPMAP)
        good = load_packed(h, r, zipmap_load, limits);
    if (good && rdb_type == RDB_TYPE_HASH_ZIPMAP)
        enlarge_if_long(h, limits);
    if (!good)
        collection_free(h, STORE_HASH);
    return good;
}
