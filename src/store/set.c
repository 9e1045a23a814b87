/* Sets in memory and in RDB encoding. */
#include "store/set.h"

#include <assert.h>

#include "base/number.h"
#include "store/intset.h"
#include "store/mix.h"
#include "store/table.h"
#include "store/value.h"

static uint64_t member_digest(struct slice member)
{
    return mix_slice(MIX_2, member);
}

uint64_t set_count(const struct collection *s)
{
    if (!s->data)
        return 0;
    return s->form == FORM_INTSET ? intset_count(s->data) : table_count(s->data);
}

bool set_has(const struct collection *s, struct slice member)
{
    int64_t number;
    if (!s->data)
        return false;
    if (s->form == FORM_INTSET)
        return parse_i64(member, &number) && intset_has(s->data, number);
    return table_find(s->data, member).place != PLACE_NONE;
}

struct slice set_at(const struct collection *s, uint64_t i, char scratch[SET_NUMBER_MAX])
{
    if (s->form == FORM_INTSET)
        return slice_of(scratch, format_i64(scratch, intset_at(s->data, (uint32_t)i)));
    return table_key(table_at(s->data, (uint32_t)i));
}

/* ---- changes ---- */

static void make_table(struct collection *s)
{
    s->data = table_new(s->seed ? *s->seed : (struct hash_seed){0, 0});
    s->form = FORM_LARGE;
}

static bool add_to_table(struct table *t, struct slice member)
{
    struct table_spot spot = table_find(t, member);
    if (spot.place == PLACE_NONE)
        table_add(t, &spot, member, (struct slice){NULL, 0});
    return spot.place == PLACE_NONE;
}

static void enlarge(struct collection *s)
{
    struct collection old = *s;
    char scratch[SET_NUMBER_MAX];
    make_table(s);
    for (uint64_t i = 0; i < set_count(&old); i++)
        add_to_table(s->data, set_at(&old, i, scratch));
    intset_free(old.data);
}

static uint64_t intset_max(const struct store_limits *limits)
{
    const uint64_t most = UINT64_C(1) << 30;
    return limits->set_max_intset_entries < most ? limits->set_max_intset_entries : most;
}

bool set_add(struct collection *s, struct slice member, const struct store_limits *limits)
{
    int64_t number;
    bool fresh, is_number = s->form != FORM_LARGE && parse_i64(member, &number);
    if (!s->data && is_number) {
        s->data = intset_new();
        s->form = FORM_INTSET;
    } else if (!s->data) {
        make_table(s);
    } else if (s->form == FORM_INTSET && !is_number) {
        enlarge(s);
    }
    if (s->form == FORM_INTSET) {
        uint8_t *is = s->data;
        fresh = intset_add(&is, number);
        s->data = is;
    } else {
        fresh = add_to_table(s->data, member);
    }
    if (fresh)
        s->digest += member_digest(member);
    if (s->form == FORM_INTSET && set_count(s) > intset_max(limits))
        enlarge(s);
    return fresh;
}

static bool remove_number(struct collection *s, int64_t number)
{
    uint8_t *is = s->data;
    bool gone = intset_remove(&is, number);
    s->data = is;
    return gone;
}

bool set_remove(struct collection *s, struct slice member)
{
    int64_t number;
    if (!s->data)
        return false;
    uint64_t digest = member_digest(member);
    if (s->form == FORM_INTSET) {
        if (!parse_i64(member, &number) || !remove_number(s, number))
            return false;
    } else {
        struct table_spot spot = table_find(s->data, member);
        if (spot.place == PLACE_NONE)
            return false;
        table_remove(s->data, &spot);
    }
    s->digest -= digest;
    return true;
}

/* ---- scans ---- */

struct each_item {
    void (*each)(void *arg, struct slice member);
    void *arg;
};

static void pass_on(void *arg, const struct table_item *item)
{
    const struct each_item *to = arg;
    to->each(to->arg, table_key(item));
}

uint64_t set_scan(const struct collection *s, uint64_t cursor, uint64_t count,
                  void (*each)(void *arg, struct slice member), void *arg)
{
    char scratch[SET_NUMBER_MAX];
    if (s->form == FORM_LARGE)
        return table_scan(s->data, cursor, count, pass_on, &(struct each_item){each, arg});
    for (uint64_t i = 0; i < set_count(s); i++)
        each(arg, set_at(s, i, scratch));
    return 0;
}

/* ---- as a value ---- */

static size_t bytes(const struct collection *s)
{
    return s->form == FORM_INTSET ? intset_memory(s->data) : table_bytes(s->data);
}

static uint64_t digest(const struct collection *s)
{
    char scratch[SET_NUMBER_MAX];
    uint64_t sum = 0;
    for (uint64_t i = 0; i < set_count(s); i++)
        sum += member_digest(set_at(s, i, scratch));
    return sum;
}

static struct collection copy(const struct collection *s)
{
    struct collection c = *s;
    c.data = s->form == FORM_INTSET ? (void *)intset_copy(s->data) : (void *)table_copy(s->data);
    return c;
}

static size_t free_some(struct collection *s, size_t budget)
{
    if (s->form == FORM_LARGE) {
        struct table *t = s->data;
        size_t done = table_free_some(&t, budget);
        s->data = t;
        return done;
    }
    intset_free(s->data);
    s->data = NULL;
    return 1;
}

static int rdb_type(const struct collection *s)
{
    return s->form == FORM_INTSET ? RDB_TYPE_SET_INTSET : RDB_TYPE_SET;
}

static void save(const struct collection *s, struct rdb_out *out)
{
    if (s->form == FORM_INTSET) {
        rdb_put_string(out->buf, intset_slice(s->data));
        return;
    }
    rdb_put_length(out->buf, set_count(s));
    for (uint32_t i = 0; i < set_count(s); i++) {
        rdb_put_string(out->buf, table_key(table_at(s->data, i)));
        rdb_out_pause(out);
    }
}

static bool load_members(struct collection *s, struct reader *r, const struct store_limits *limits)
{
    struct buf room = BUF_EMPTY;
    struct slice member;
    uint64_t count;
    bool good = rdb_get_length(r, &count) && count > 0;
    if (good && (!limits || count > intset_max(limits)))
        make_table(s);
    for (; good && count > 0; count--)
        good = rdb_get_string(r, &room, &member) && set_add(s, member, limits);
    buf_deinit(&room);
    return good;
}

static bool load_intset(struct collection *s, struct reader *r, const struct store_limits *limits)
{
    struct buf room = BUF_EMPTY;
    struct slice text;
    if (rdb_get_string(r, &room, &text))
        s->data = intset_load(text);
    buf_deinit(&room);
    s->form = FORM_INTSET;
    if (!s->data || set_count(s) == 0)
        return false;
    s->digest = digest(s);
    if (limits && set_count(s) > intset_max(limits))
        enlarge(s);
    return true;
}

static bool load(struct collection *s, int type, struct reader *r, const struct store_limits *limits)
{
    bool good = false;
    if (type == RDB_TYPE_SET)
        good = load_members(s, r, limits);
    else if (type == RDB_TYPE_SET_INTSET)
        good = load_intset(s, r, limits);
    if (!good)
        collection_free(s, STORE_SET);
    return good;
}

static const char *const encodings[] = {NULL, "intset", "hashtable"};

const struct value_ops set_ops = {
    .encodings = encodings,
    .count = set_count,
    .bytes = bytes,
    .digest = digest,
    .copy = copy,
    .free_some = free_some,
    .rdb_type = rdb_type,
    .save = save,
    .load = load,
};
