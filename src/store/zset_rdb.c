/* Sorted sets in RDB files. A large one is written in its table's order, which is part of the state: ZSCAN shows it. */
#include <math.h>

#include "base/number.h"
#include "store/rdb.h"
#include "store/value.h"
#include "store/ziplist.h"
#include "store/zset_int.h"

int zset_rdb_type(const struct collection *c)
{
    return c->form == FORM_PACKED ? RDB_TYPE_ZSET_LISTPACK : RDB_TYPE_ZSET_2;
}

void zset_save(const struct collection *c, struct rdb_out *out)
{
    if (c->form == FORM_PACKED) {
        rdb_put_string(out->buf, lp_slice(c->data));
        return;
    }
    const struct zset_large *z = c->data;
    rdb_put_length(out->buf, table_count(z->members));
    for (uint32_t i = 0; i < table_count(z->members); i++) {
        const struct table_item *item = table_at(z->members, i);
        rdb_put_string(out->buf, table_key(item));
        buf_append_slice(out->buf, table_value(item)); /* the double's eight bytes */
        rdb_out_pause(out);
    }
}

/* ---- reading ---- */

enum { TEXT_NAN = 253, TEXT_INF, TEXT_MINUS_INF };

static bool get_text_score(struct reader *r, double *score)
{
    uint8_t len = get_u8(r);
    if (len == TEXT_INF || len == TEXT_MINUS_INF) {
        *score = len == TEXT_INF ? INFINITY : -INFINITY;
        return !r->failed;
    }
    struct slice text = len == TEXT_NAN ? slice_of(NULL, 0) : get_raw(r, len);
    return !r->failed && parse_double(text, score);
}

static bool get_binary_score(struct reader *r, double *score)
{
    uint64_t bits = get_u64(r);
    memcpy(score, &bits, sizeof *score);
    return !r->failed && !isnan(*score);
}

/* One by one into a large set. */
static bool get_members(struct collection *c, int rdb_type, struct reader *r)
{
    struct buf scratch = BUF_EMPTY;
    uint64_t left = 0;
    bool ok = rdb_get_length(r, &left) && left > 0;
    for (; ok && left > 0; left--) {
        struct slice member;
        double score, old;
        ok = rdb_get_string(r, &scratch, &member) &&
             (rdb_type == RDB_TYPE_ZSET ? get_text_score(r, &score) : get_binary_score(r, &score)) &&
             !large_put(c->data, member, score, &old);
        if (!ok)
            break;
        c->digest += zset_term(member, score);
    }
    buf_deinit(&scratch);
    return ok;
}

static bool load_large(struct collection *c, int rdb_type, struct reader *r,
                       const struct store_limits *limits)
{
    c->form = FORM_LARGE;
    c->data = large_new(*c->seed);
    if (!get_members(c, rdb_type, r)) {
        collection_free(c, STORE_ZSET);
        return false;
    }
    if (limits)
        zset_pack(c, limits);
    return true;
}

/* Takes the listpack; Redis looks at the number of its members only. */
static bool take_packed(struct collection *c, uint8_t *lp, const struct store_limits *limits)
{
    if (!packed_is_sound(lp, *c->seed)) {
        lp_free(lp);
        return false;
    }
    c->form = FORM_PACKED;
    c->data = lp;
    c->digest = zset_terms(c, 0, zset_count(c));
    if (limits && zset_count(c) > limits->zset_max_listpack_entries)
        zset_make_large(c);
    return true;
}

static bool load_packed(struct collection *c, struct reader *r, uint8_t *(*unpack)(struct slice bytes),
                        const struct store_limits *limits)
{
    struct buf scratch = BUF_EMPTY;
    struct slice bytes;
    uint8_t *lp = rdb_get_string(r, &scratch, &bytes) ? unpack(bytes) : NULL;
    buf_deinit(&scratch);
    return lp && take_packed(c, lp, limits);
}

bool zset_load(struct collection *c, int rdb_type, struct reader *r, const struct store_limits *limits)
{
    switch (rdb_type) {
    case RDB_TYPE_ZSET:
    case RDB_TYPE_ZSET_2:
        return load_large(c, rdb_type, r, limits);
    case RDB_TYPE_ZSET_LISTPACK:
        return load_packed(c, r, lp_load, limits);
    case RDB_TYPE_ZSET_ZIPLIST:
        return load_packed(c, r, ziplist_load, limits);
    default:
        return false;
    }
}
