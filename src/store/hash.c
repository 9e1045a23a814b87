/* Hashes in memory; their RDB bytes are in hash_rdb.c. */
#include "store/hash.h"

#include <assert.h>

#include "store/hash_int.h"

static uint64_t pair_digest(struct slice field, struct slice value)
{
    return mix_slice(mix_slice(MIX_1, field), value);
}

static size_t packed_find(const uint8_t *lp, struct slice field)
{
    size_t first = lp_first(lp);
    return first ? lp_find(lp, first, field, 1) : 0;
}

uint64_t hash_count(const struct collection *h)
{
    if (!h->data)
        return 0;
    return h->form == FORM_PACKED ? lp_count(h->data) / 2 : table_count(h->data);
}

bool hash_get(const struct collection *h, struct slice field, char scratch[LP_NUMBER_MAX],
              struct slice *value)
{
    if (!h->data)
        return false;
    if (h->form == FORM_PACKED) {
        size_t at = packed_find(h->data, field);
        if (at)
            *value = lp_text(h->data, lp_next(h->data, at), scratch);
        return at;
    }
    struct table_spot spot = table_find(h->data, field);
    if (spot.place != PLACE_NONE)
        *value = table_value(table_at(h->data, spot.place));
    return spot.place != PLACE_NONE;
}

/* ---- changes ---- */

void hash_add_to_table(struct table *t, struct slice field, struct slice value)
{
    struct table_spot spot = table_find(t, field);
    table_add(t, &spot, field, value);
}

void hash_enlarge(struct collection *h)
{
    struct table *t = table_new(h->seed ? *h->seed : (struct hash_seed){0, 0});
    struct hash_walk w;
    hash_walk_init(&w, h);
    while (hash_walk_next(&w))
        hash_add_to_table(t, w.field, w.value);
    if (h->data)
        lp_free(h->data);
    h->data = t;
    h->form = FORM_LARGE;
}

bool hash_fits_packed(const struct collection *h, struct slice field, struct slice value,
                      const struct store_limits *limits)
{
    uint64_t max = limits->hash_max_listpack_value;
    size_t have = h->data ? lp_slice(h->data).len : 0;
    return field.len <= max && value.len <= max && have + field.len + value.len <= LP_BYTES_MAX;
}

static bool packed_set(struct collection *h, struct slice field, struct slice value)
{
    uint8_t *lp = h->data ? h->data : lp_new();
    size_t at = packed_find(lp, field);
    if (at) {
        char scratch[LP_NUMBER_MAX];
        at = lp_next(lp, at);
        h->digest -= pair_digest(field, lp_text(lp, at, scratch));
        lp_replace(&lp, at, value);
    } else {
        lp_append(&lp, field);
        lp_append(&lp, value);
    }
    h->data = lp;
    return !at;
}

static bool large_set(struct collection *h, struct slice field, struct slice value)
{
    struct table_spot spot = table_find(h->data, field);
    if (spot.place == PLACE_NONE) {
        table_add(h->data, &spot, field, value);
        return true;
    }
    h->digest -= pair_digest(field, table_value(table_at(h->data, spot.place)));
    table_set(h->data, &spot, value);
    return false;
}

bool hash_set(struct collection *h, struct slice field, struct slice value, const struct store_limits *limits)
{
    if (h->form == FORM_PACKED && !hash_fits_packed(h, field, value, limits))
        hash_enlarge(h);
    bool fresh = h->form == FORM_PACKED ? packed_set(h, field, value) : large_set(h, field, value);
    h->digest += pair_digest(field, value);
    if (h->form == FORM_PACKED && hash_count(h) > limits->hash_max_listpack_entries)
        hash_enlarge(h);
    return fresh;
}

static bool packed_delete(struct collection *h, struct slice field)
{
    char scratch[LP_NUMBER_MAX];
    uint8_t *lp = h->data;
    size_t at = packed_find(lp, field);
    if (!at)
        return false;
    h->digest -= pair_digest(field, lp_text(lp, lp_next(lp, at), scratch));
    lp_delete(&lp, at, 2);
    h->data = lp;
    return true;
}

bool hash_delete(struct collection *h, struct slice field)
{
    if (!h->data)
        return false;
    if (h->form == FORM_PACKED)
        return packed_delete(h, field);
    struct table_spot spot = table_find(h->data, field);
    if (spot.place == PLACE_NONE)
        return false;
    h->digest -= pair_digest(field, table_value(table_at(h->data, spot.place)));
    table_remove(h->data, &spot);
    return true;
}

/* ---- walks ---- */

void hash_walk_init(struct hash_walk *w, const struct collection *h)
{
    w->hash = h;
    w->next = h->data && h->form == FORM_PACKED ? lp_first(h->data) : 0;
}

void hash_walk_seek(struct hash_walk *w, uint64_t i)
{
    assert(i < hash_count(w->hash));
    w->next = w->hash->form == FORM_PACKED ? lp_seek(w->hash->data, (int64_t)i * 2) : i;
}

bool hash_walk_next(struct hash_walk *w)
{
    const void *data = w->hash->data;
    if (!data)
        return false;
    if (w->hash->form == FORM_LARGE) {
        if (w->next == table_count(data))
            return false;
        const struct table_item *item = table_at(data, (uint32_t)w->next++);
        w->field = table_key(item);
        w->value = table_value(item);
        return true;
    }
    if (!w->next)
        return false;
    size_t at = lp_next(data, w->next);
    w->field = lp_text(data, w->next, w->scratch[0]);
    w->value = lp_text(data, at, w->scratch[1]);
    w->next = lp_next(data, at);
    return true;
}

struct each_item {
    void (*each)(void *arg, struct slice field, struct slice value);
    void *arg;
};

static void pass_on(void *arg, const struct table_item *item)
{
    const struct each_item *to = arg;
    to->each(to->arg, table_key(item), table_value(item));
}

uint64_t hash_scan(const struct collection *h, uint64_t cursor, uint64_t count,
                   void (*each)(void *arg, struct slice field, struct slice value), void *arg)
{
    if (h->form == FORM_LARGE)
        return table_scan(h->data, cursor, count, pass_on, &(struct each_item){each, arg});
    struct hash_walk w;
    hash_walk_init(&w, h);
    while (hash_walk_next(&w))
        each(arg, w.field, w.value);
    return 0;
}

/* ---- as a value ---- */

static size_t bytes(const struct collection *h)
{
    return h->form == FORM_PACKED ? lp_memory(h->data) : table_bytes(h->data);
}

static uint64_t digest(const struct collection *h)
{
    struct hash_walk w;
    uint64_t sum = 0;
    hash_walk_init(&w, h);
    while (hash_walk_next(&w))
        sum += pair_digest(w.field, w.value);
    return sum;
}

static struct collection copy(const struct collection *h)
{
    struct collection c = *h;
    c.data = h->form == FORM_PACKED ? (void *)lp_copy(h->data) : (void *)table_copy(h->data);
    return c;
}

static size_t free_some(struct collection *h, size_t budget)
{
    if (h->form == FORM_LARGE) {
        struct table *t = h->data;
        size_t done = table_free_some(&t, budget);
        h->data = t;
        return done;
    }
    lp_free(h->data);
    h->data = NULL;
    return 1;
}

static const char *const encodings[] = {"listpack", NULL, "hashtable"};

const struct value_ops hash_ops = {
    .encodings = encodings,
    .count = hash_count,
    .bytes = bytes,
    .digest = digest,
    .copy = copy,
    .free_some = free_some,
    .rdb_type = hash_rdb_type,
    .save = hash_rdb_save,
    .load = hash_rdb_load,
};
