/* The keyspace against a simple model: contents, order, expiry, digest, snapshots, scans, memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/number.h"
#include "base/prng.h"
#include "store/rdb.h"
#include "store/store_int.h"

struct model_key {
    uint32_t db;
    char name[24];
    size_t name_len;
    char *value;
    size_t len;
    uint64_t at_ms;
};

struct model {
    struct model_key *keys;
    size_t count, cap;
};

static const struct hash_seed seed = {1, 2};
enum { DATABASES = 3 };

static uint64_t version_at(struct store *s, uint32_t db, struct slice key, uint64_t now_ms)
{
    struct store_view v = {.store = s, .db = db, .now_ms = now_ms};
    return store_version(&v, key);
}

static struct slice model_name(const struct model_key *k)
{
    return (struct slice){k->name, k->name_len};
}

static struct model_key *model_find(struct model *m, uint32_t db, struct slice name)
{
    for (size_t i = 0; i < m->count; i++)
        if (m->keys[i].db == db && slice_equal(model_name(&m->keys[i]), name))
            return &m->keys[i];
    return NULL;
}

static void model_remove(struct model *m, struct model_key *k)
{
    free(k->value);
    *k = m->keys[--m->count];
}

static struct model_key *model_put(struct model *m, uint32_t db, struct slice name, struct slice value,
                                   bool keep)
{
    struct model_key *k = model_find(m, db, name);
    if (!k) {
        if (m->count == m->cap) {
            m->cap = m->cap * 2 + 16;
            m->keys = realloc(m->keys, m->cap * sizeof *m->keys);
        }
        k = &m->keys[m->count++];
        *k = (struct model_key){.db = db, .name_len = name.len};
        memcpy(k->name, name.data, name.len);
    }
    char *copy = malloc(value.len + 1);
    memcpy(copy, value.data, value.len);
    free(k->value);
    k->value = copy;
    k->len = value.len;
    if (!keep)
        k->at_ms = 0;
    return k;
}

static void model_write(struct model_key *k, size_t offset, struct slice data)
{
    size_t len = offset + data.len > k->len ? offset + data.len : k->len;
    k->value = realloc(k->value, len + 1);
    if (len > k->len)
        memset(k->value + k->len, 0, len - k->len);
    if (data.len)
        memcpy(k->value + offset, data.data, data.len);
    k->len = len;
}

static void model_drop(struct model *m, uint32_t db, bool all, uint64_t now_ms)
{
    for (size_t i = 0; i < m->count;) {
        struct model_key *k = &m->keys[i];
        bool due = now_ms && k->at_ms && k->at_ms <= now_ms;
        if (now_ms ? due : all || k->db == db)
            model_remove(m, k);
        else
            i++;
    }
}

/* I1, I2 and I3 of store_int.h. */
static void check_invariants(struct store *s)
{
    for (uint32_t d = 0; d < s->db_count; d++) {
        struct store_db *db = &s->dbs[d];
        uint64_t digest = 0;
        size_t memory = 0, expiring = 0;
        for (uint32_t i = 0; i < db->count; i++) {
            struct store_key *k = db_key(db, i);
            struct spot at = db_spot(s, d, key_slice(k));
            assert_int_equal(at.place, i);
            digest += digest_head(at.hash, k) + digest_value(at.hash, k, 0, SIZE_MAX);
            memory += store_key_bytes(k);
            if (key_at_ms(k) == STORE_NEVER)
                continue;
            expiring++;
            struct expiry_item *item = segments_at(&db->expiring, key_block(k)->slot, sizeof *item);
            assert_ptr_equal(item->key, k);
            assert_int_equal(item->at_ms, key_at_ms(k));
        }
        assert_int_equal(expiring, db->expiring_count);
        assert_int_equal(memory, db->memory);
        assert_true(digest == db->digest);
    }
    assert_true(store_is_sound(s));
}

static void check_same(struct store *s, struct model *m)
{
    size_t total = 0;
    for (uint32_t d = 0; d < DATABASES; d++)
        total += store_count(s, d);
    assert_int_equal(total, m->count);
    for (size_t i = 0; i < m->count; i++) {
        struct model_key *want = &m->keys[i];
        struct store_view v = {.store = s, .db = want->db};
        struct store_key *k = store_find(&v, model_name(want));
        assert_non_null(k);
        char scratch[24];
        struct slice value = store_string(k, scratch);
        assert_int_equal(value.len, want->len);
        assert_memory_equal(value.data, want->value, want->len);
        assert_int_equal(store_key_expiry_ms(k), want->at_ms);
    }
}

static void check_equal(struct store *a, struct store *b)
{
    for (uint32_t d = 0; d < DATABASES; d++) {
        assert_int_equal(store_count(a, d), store_count(b, d));
        for (size_t i = 0; i < store_count(a, d); i++) {
            struct store_key *x = store_at(a, d, i), *y = store_at(b, d, i);
            char sx[24], sy[24];
            assert_true(slice_equal(store_key_name(x), store_key_name(y)));
            assert_true(slice_equal(store_string(x, sx), store_string(y, sy)));
            assert_string_equal(store_key_encoding(x), store_key_encoding(y));
            assert_int_equal(store_key_expiry_ms(x), store_key_expiry_ms(y));
            assert_true(version_at(a, d, store_key_name(x), 0) == version_at(b, d, store_key_name(x), 0));
        }
    }
    assert_true(store_digest(a) == store_digest(b));
    assert_true(store_next_expiry_ms(a) == store_next_expiry_ms(b));
}

/* A store loaded from the other's RDB bytes, key by key in order, as a snapshot does. */
static struct store *reload(struct store *s)
{
    struct store *copy = store_new(DATABASES, seed);
    for (uint32_t d = 0; d < DATABASES; d++) {
        for (size_t i = 0; i < store_count(s, d); i++) {
            struct store_key *k = store_at(s, d, i);
            struct buf bytes = BUF_EMPTY;
            store_rdb_save(k, &(struct rdb_out){&bytes, NULL, NULL});
            struct reader r = reader_of(buf_slice(&bytes));
            struct store_view v = {.store = copy, .db = d, .writing = true};
            assert_non_null(
                store_rdb_load(&v, store_key_name(k), store_rdb_type(k), &r, store_key_expiry_ms(k)));
            assert_int_equal(reader_left(&r), 0);
            buf_deinit(&bytes);
        }
    }
    return copy;
}

static size_t random_value(struct prng *p, char *out)
{
    switch (prng_below(p, 6)) {
    case 0:
        return format_i64(out, (int64_t)prng_next(p) >> prng_below(p, 60));
    case 1:
        return (size_t)sprintf(out, "0%u", (unsigned)prng_below(p, 100));
    case 2:
        memset(out, 'x', 6000);
        return 4000 + prng_below(p, 2000);
    default: {
        size_t len = prng_below(p, 100);
        for (size_t i = 0; i < len; i++)
            out[i] = (char)prng_next(p);
        return len;
    }
    }
}

static void model_swap(struct model *m, uint32_t a, uint32_t b)
{
    for (size_t i = 0; i < m->count; i++)
        m->keys[i].db = m->keys[i].db == a ? b : m->keys[i].db == b ? a : m->keys[i].db;
}

struct world {
    struct store *a, *b; /* fed the same calls */
    struct model m;
    struct prng p;
    uint64_t now_ms, index;
};

/* One random write to the two stores and the model. */
static void step(struct world *w)
{
    char name[24], other[24], value[6001];
    struct slice key = {name, (size_t)sprintf(name, "k%u", (unsigned)prng_below(&w->p, 300))};
    struct slice to = {other, (size_t)sprintf(other, "k%u", (unsigned)prng_below(&w->p, 300))};
    uint32_t db = (uint32_t)prng_below(&w->p, DATABASES), to_db = (uint32_t)prng_below(&w->p, DATABASES);
    struct slice text = {value, random_value(&w->p, value)};
    unsigned what = (unsigned)prng_below(&w->p, 100);
    size_t offset = prng_below(&w->p, 20) ? prng_below(&w->p, 50) : prng_below(&w->p, 9000);
    uint64_t at_ms = w->now_ms + 1 + prng_below(&w->p, 400);
    bool keep = prng_below(&w->p, 2);
    w->now_ms += prng_below(&w->p, 3);
    w->index++;
    model_drop(&w->m, 0, false, w->now_ms);
    struct store *stores[2] = {w->a, w->b};
    struct model_key *mk = model_find(&w->m, db, key);
    bool rename_ok = mk && !(db == to_db && slice_equal(key, to));
    for (int i = 0; i < 2; i++) {
        struct store_view v = {
            .store = stores[i], .db = db, .now_ms = w->now_ms, .index = w->index, .writing = true};
        store_expire(&v, SIZE_MAX);
        struct store_key *k = store_find(&v, key);
        assert_int_equal(k != NULL, mk != NULL);
        if (what < 35)
            store_put_string(&v, key, text, keep);
        else if (what < 40)
            store_put_text(&v, key, text, keep);
        else if (what < 55 && k)
            store_string_write(&v, k, offset, text);
        else if (what < 70)
            assert_int_equal(store_delete(&v, key), mk != NULL);
        else if (what < 85 && k)
            store_set_expiry(&v, &k, keep ? at_ms : STORE_NEVER);
        else if (what < 90 && rename_ok)
            store_rename(&v, key, to_db, to);
        else if (what < 95 && rename_ok)
            store_copy(&v, key, to_db, to);
        else if (what == 98)
            store_swap(&v, db, to_db);
        else if (what == 99 && !prng_below(&(struct prng){{w->index, 1, 2, 3}}, 4))
            store_flush(&v, keep);
        store_sweep(stores[i], 3);
    }
    if (what < 40) {
        model_put(&w->m, db, key, text, keep);
    } else if (what < 55 && mk) {
        model_write(mk, offset, text);
    } else if (what >= 55 && what < 70 && mk) {
        model_remove(&w->m, mk);
    } else if (what >= 70 && what < 85 && mk) {
        mk->at_ms = keep ? at_ms : 0;
    } else if (what >= 85 && what < 95 && rename_ok) {
        struct model_key from = *mk;
        from.value = malloc(mk->len + 1);
        memcpy(from.value, mk->value, mk->len);
        if (what < 90)
            model_remove(&w->m, mk);
        model_put(&w->m, to_db, to, (struct slice){from.value, from.len}, false)->at_ms = from.at_ms;
        free(from.value);
    } else if (what == 98) {
        model_swap(&w->m, db, to_db);
    } else if (what == 99 && !prng_below(&(struct prng){{w->index, 1, 2, 3}}, 4)) {
        model_drop(&w->m, db, keep, 0);
    }
}

static void world_init(struct world *w, uint64_t number)
{
    *w = (struct world){.a = store_new(DATABASES, seed), .b = store_new(DATABASES, seed), .now_ms = 1000};
    prng_seed(&w->p, number);
}

static void world_deinit(struct world *w)
{
    model_drop(&w->m, 0, true, 0);
    free(w->m.keys);
    store_free(w->a);
    store_free(w->b);
}

static void test_random_calls(void **state)
{
    (void)state;
    struct world w;
    world_init(&w, 42);
    for (int i = 0; i < 40000; i++) {
        step(&w);
        if (i % 1000 == 0) {
            check_invariants(w.a);
            check_same(w.a, &w.m);
            check_equal(w.a, w.b);
        }
    }
    world_deinit(&w);
}

/* Looking ahead changes nothing, and mostly looks where the key is. */
static void test_looking_ahead(void **state)
{
    (void)state;
    struct world w;
    size_t right = 0, keys = 0;
    world_init(&w, 43);
    for (int i = 0; i < 3000; i++) {
        struct store_ahead ahead[STORE_AHEAD_MAX];
        for (size_t k = 0; k < STORE_AHEAD_MAX; k++) {
            ahead[k] = (struct store_ahead){(uint32_t)k % (DATABASES + 1), SLICE_LITERAL("absent")};
            if (k % 2 && w.m.count)
                ahead[k].key = model_name(&w.m.keys[k % w.m.count]);
        }
        uint64_t digest = store_digest(w.a);
        store_look_ahead(w.a, ahead, (size_t)i % (STORE_AHEAD_MAX + 1));
        assert_true(store_digest(w.a) == digest);
        step(&w);
    }
    for (size_t i = 0; i < w.m.count; i++, keys++) {
        struct spot at = db_spot(w.a, w.m.keys[i].db, model_name(&w.m.keys[i]));
        right += index_likely(&at.db->index, at.hash) == at.place;
    }
    assert_true(keys > 50);
    assert_in_range(right, keys * 3 / 4, keys);
    world_deinit(&w);
}

/* A node that was restored from a snapshot goes on exactly like one that was not. */
static void test_snapshot_changes_nothing(void **state)
{
    (void)state;
    struct world w;
    world_init(&w, 7);
    for (int i = 0; i < 20000; i++) {
        step(&w);
        if (i % 500 == 0) {
            struct store *loaded = reload(w.b);
            store_free(w.b);
            w.b = loaded;
            w.index++;
            store_raise_versions(w.a, w.index);
            store_raise_versions(w.b, w.index);
        }
        if (i % 100 == 0)
            check_equal(w.a, w.b);
    }
    world_deinit(&w);
}

struct seen {
    struct store_key *keys[4096];
    size_t count;
    uint8_t hits[2000];
};

static void note(void *arg, struct store_key *k)
{
    struct seen *seen = arg;
    struct slice name = store_key_name(k);
    seen->hits[strtoul(name.data + 1, NULL, 10)] =
        1; /* names are followed by values that do not start with digits */
}

/* Keys 0..999 stay; 1000..1999 come and go between the steps of a scan. */
static void test_scan_sees_what_stays(void **state)
{
    (void)state;
    struct prng p;
    prng_seed(&p, 5);
    for (int round = 0; round < 50; round++) {
        struct store *s = store_new(1, seed);
        struct store_view v = {.store = s, .now_ms = 1, .writing = true};
        struct seen seen = {.count = 0};
        char name[24];
        for (unsigned i = 0; i < 2000; i++) {
            unsigned n = (i * 7919 + (unsigned)round * 13) % 2000;
            store_put_string(&v, (struct slice){name, (size_t)sprintf(name, "k%u", n)}, SLICE_LITERAL("v"),
                             false);
        }
        uint64_t cursor = 0;
        do {
            cursor = store_scan(s, 0, cursor, 1 + prng_below(&p, 40), note, &seen);
            for (int i = 0; i < 30; i++) {
                struct slice key = {name,
                                    (size_t)sprintf(name, "k%u", 1000 + (unsigned)prng_below(&p, 1000))};
                if (prng_below(&p, 3))
                    store_delete(&v, key);
                else
                    store_put_string(&v, key, SLICE_LITERAL("v"), false);
            }
        } while (cursor);
        for (int i = 0; i < 1000; i++)
            assert_int_equal(seen.hits[i], 1);
        store_free(s);
    }
}

static void test_expiry_goes_by_time_database_key(void **state)
{
    (void)state;
    struct store *s = store_new(DATABASES, seed);
    struct store_view v = {.store = s, .now_ms = 1, .writing = true};
    struct prng p;
    prng_seed(&p, 9);
    char name[24];
    for (unsigned i = 0; i < 3000; i++) {
        v.db = (uint32_t)prng_below(&p, DATABASES);
        struct slice key = {name, (size_t)sprintf(name, "k%u", i)};
        struct store_key *k = store_put_string(&v, key, SLICE_LITERAL("v"), false);
        store_set_expiry(&v, &k, 100 + prng_below(&p, 50));
    }
    uint64_t before_ms = 0;
    uint32_t before_db = 0;
    char before[24] = "";
    v.now_ms = 1000;
    for (unsigned left = 3000; left > 0; left--) {
        struct expiry_item first = {0, NULL};
        uint32_t db = 0;
        for (uint32_t d = 0; d < DATABASES; d++) {
            struct expiry_item item = expiry_first(&s->dbs[d]);
            if (item.key && (!first.key || item.at_ms < first.at_ms)) {
                first = item;
                db = d;
            }
        }
        assert_int_equal(first.at_ms, store_next_expiry_ms(s));
        struct slice key = key_slice(first.key);
        int order = slice_compare((struct slice){before, strlen(before)}, key);
        assert_true(first.at_ms > before_ms || db > before_db || order < 0);
        assert_true(first.at_ms >= before_ms);
        before_ms = first.at_ms;
        before_db = db;
        memcpy(before, key.data, key.len);
        before[key.len] = 0;
        assert_int_equal(store_expire(&v, 1), 1);
    }
    assert_int_equal(store_next_expiry_ms(s), 0);
    assert_int_equal(store_stats(s)->expired, 3000);
    store_free(s);
}

static void test_due_keys(void **state)
{
    (void)state;
    struct store *s = store_new(1, seed);
    struct store_view w = {.store = s, .now_ms = 100, .writing = true}, r = {.store = s, .now_ms = 149};
    struct slice key = SLICE_LITERAL("k");
    struct store_key *k = store_put_string(&w, key, SLICE_LITERAL("v"), false);
    store_set_expiry(&w, &k, 150);
    assert_non_null(store_find(&r, key));
    assert_int_equal(r.due_ms, 0);
    r.now_ms = 150; /* <= now is due; a reader notes it and changes nothing */
    assert_null(store_find(&r, key));
    assert_int_equal(r.due_ms, 150);
    assert_int_equal(store_count(s, 0), 1);
    struct store_key *later = store_put_string(&w, SLICE_LITERAL("l"), SLICE_LITERAL("v"), false);
    store_set_expiry(&w, &later, 155);
    r = (struct store_view){.store = s, .now_ms = 160}; /* the earliest of several counts */
    assert_null(store_find(&r, SLICE_LITERAL("l")));
    assert_null(store_find(&r, key));
    assert_null(store_find(&r, SLICE_LITERAL("l")));
    assert_int_equal(r.due_ms, 150);
    r = (struct store_view){
        .store = s, .now_ms = 150, .lingers_ms = 1}; /* there for all of its last millisecond */
    assert_non_null(store_find(&r, key));
    r.now_ms = 151;
    assert_null(store_find(&r, key));
    assert_int_equal(r.due_ms, 151);
    w.now_ms = 151;
    assert_false(store_delete(&w, key));
    assert_int_equal(store_count(s, 0), 1);
    store_free(s);
}

/* Each part of the state counts: no two of these states have the same digest, and the way to a state does not count. */
/* Whichever bit of a value flips, and it is seen. */
static void test_unsound(void **state)
{
    (void)state;
    struct store *s = store_new(DATABASES, seed);
    struct store_view v = {.store = s, .db = 1, .index = 1, .writing = true};
    store_put_string(&v, SLICE_LITERAL("key"), SLICE_LITERAL("a value that is long enough"), false);
    struct store_key *k = db_key(&s->dbs[1], 0);
    char *value = (char *)(uintptr_t)key_value(k);
    assert_true(store_is_sound(s));
    for (size_t bit = 0; bit < 8 * k->value_len; bit++) {
        value[bit / 8] = (char)(value[bit / 8] ^ 1 << bit % 8);
        assert_false(store_is_sound(s));
        value[bit / 8] = (char)(value[bit / 8] ^ 1 << bit % 8);
    }
    assert_true(store_is_sound(s));
    store_free(s);
}

static void test_digest_tells_states_apart(void **state)
{
    (void)state;
    struct store *s = store_new(2, seed);
    struct store_view v = {.store = s, .now_ms = 1, .writing = true};
    struct slice k = SLICE_LITERAL("k"), l = SLICE_LITERAL("l");
    uint64_t seen[12];
    size_t n = 0;
    seen[n++] = store_digest(s);
    struct store_key *key = store_put_string(&v, k, SLICE_LITERAL("12"), false);
    seen[n++] = store_digest(s);
    store_set_expiry(&v, &key, 100);
    seen[n++] = store_digest(s);
    store_set_expiry(&v, &key, 101);
    seen[n++] = store_digest(s);
    store_put_text(&v, k, SLICE_LITERAL("12"), false);
    seen[n++] = store_digest(s);
    store_put_string(&v, k, SLICE_LITERAL("13"), false);
    seen[n++] = store_digest(s);
    store_rename(&v, k, 0, l);
    seen[n++] = store_digest(s);
    store_rename(&v, l, 1, l);
    seen[n++] = store_digest(s);
    v.db = 1;
    store_copy(&v, l, 0, l);
    seen[n++] = store_digest(s);
    store_copy(&v, l, 1, k);
    seen[n++] = store_digest(s);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < i; j++)
            assert_true(seen[i] != seen[j]);
    store_delete(&v, k);
    assert_true(store_digest(s) == seen[n - 2]);
    store_flush(&v, true);
    assert_true(store_digest(s) == seen[0]);
    store_free(s);
}

/* The digest of a value is the sum of those of its parts, however many are taken at once; and it stays the same from one build to the
 * next, as nodes of both compare theirs. */
static void test_digest_is_a_sum_of_parts(void **state)
{
    (void)state;
    enum { PART = 4096, LONGEST = 9 * PART + 100 };
    char *value = malloc(LONGEST);
    struct prng chance;
    prng_seed(&chance, 1);
    for (size_t i = 0; i < LONGEST; i++)
        value[i] = (char)prng_next(&chance);
    struct store *s = store_new(1, seed);
    struct store_view v = {.store = s, .writing = true};
    uint64_t all = 0;
    for (size_t len = 1; len <= LONGEST; len += len % PART < 20 ? 1 : PART - 30) {
        store_put_string(&v, SLICE_LITERAL("key"), slice_of(value, len), false);
        const struct store_key *k = db_key(&s->dbs[0], 0);
        uint64_t parts = 0, whole = digest_value(7, k, 0, SIZE_MAX);
        for (size_t at = 0; at < len; at += PART)
            parts += digest_value(7, k, at, at + 1);
        assert_true(whole == parts);
        all = all * 3 + whole;
    }
    assert_int_equal(all, UINT64_C(0xf04f977606bad9f6));
    store_free(s);
    free(value);
}

static void test_versions(void **state)
{
    (void)state;
    struct store *s = store_new(2, seed);
    struct store_view v = {.store = s, .now_ms = 100, .index = 10, .writing = true};
    struct slice key = SLICE_LITERAL("k"), other = SLICE_LITERAL("other");
    uint64_t absent = version_at(s, 0, key, 100);
    store_put_string(&v, key, other, false);
    uint64_t made = version_at(s, 0, key, 100);
    assert_true(made != absent);
    assert_true(version_at(s, 0, other, 100) == absent && version_at(s, 1, key, 100) == absent);
    v.index = 11;
    store_delete(&v, key);
    uint64_t gone = version_at(s, 0, key, 100);
    assert_true(gone != made && gone != absent);
    v.index = 12; /* flushing touches what it removes, and nothing else */
    store_flush(&v, true);
    assert_true(version_at(s, 0, key, 100) == gone);
    struct store_key *k = store_put_string(&v, key, other, false);
    store_set_expiry(&v, &k, 200);
    uint64_t alive = version_at(s, 0, key, 199), due = version_at(s, 0, key, 200);
    assert_true(alive != due); /* its time came: changed */
    v.now_ms = 300;
    v.index = 13;
    assert_int_equal(store_expire(&v, 10), 1);
    assert_true(version_at(s, 0, key, 300) == due); /* its removal afterwards is no further change */
    store_put_string(&v, key, other, false);
    uint64_t here = version_at(s, 0, key, 300), there = version_at(s, 1, key, 300),
             neither = version_at(s, 0, other, 300);
    v.index = 14; /* swapping touches what is in either, under both numbers */
    store_swap(&v, 0, 1);
    assert_true(version_at(s, 0, key, 300) != here && version_at(s, 1, key, 300) != there);
    assert_true(version_at(s, 0, other, 300) == neither);
    store_raise_versions(s, 1000);
    assert_true(version_at(s, 0, key, 300) == version_at(s, 1, other, 300));
    store_free(s);
}

static double ns_since(struct timespec *t)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    double ns = (double)(now.tv_sec - t->tv_sec) * 1e9 + (double)(now.tv_nsec - t->tv_nsec);
    *t = now;
    return ns;
}

/* Prints what a key costs; fails only if it is far from the plan (96 + 8 + about 8 bytes). */
static void test_memory(void **state)
{
    (void)state;
    struct store *s = store_new(1, seed);
    struct store_view v = {.store = s, .now_ms = 1, .index = 1, .writing = true};
    enum { KEYS = 1000000 };
    char name[24], value[64] = {0};
    struct timespec t;
    double worst = 0;
    clock_gettime(CLOCK_MONOTONIC, &t);
    struct timespec start = t;
    for (unsigned i = 0; i < KEYS; i++) {
        store_put_string(&v, (struct slice){name, (size_t)sprintf(name, "key:%012u", i)}, slice_of(value, 64),
                         false);
        double ns = ns_since(&t);
        worst = ns > worst ? ns : worst;
    }
    double insert = ns_since(&start);
    double per_key = (double)store_memory(s) / KEYS;
    printf("%.1f bytes a key of 16 + 64; insert %.0f ns, worst %.0f us; ", per_key, insert / KEYS,
           worst / 1e3);
    for (unsigned i = 0; i < KEYS; i++) {
        sprintf(name, "key:%012u", (unsigned)(i * 7919ull % KEYS));
        store_put_string(&v, (struct slice){name, 16}, slice_of(value, 64), false);
    }
    printf("overwrite %.0f ns; ", ns_since(&start) / KEYS);
    for (unsigned i = 0; i < KEYS; i++) {
        sprintf(name, "key:%012u", (unsigned)(i * 104729ull % KEYS));
        assert_non_null(store_find(&v, (struct slice){name, 16}));
    }
    printf("find %.0f ns; ", ns_since(&start) / KEYS);
    for (unsigned i = 0; i < KEYS; i++) {
        sprintf(name, "key:%012u", (unsigned)(i * 7919ull % KEYS));
        assert_true(store_delete(&v, (struct slice){name, 16}));
    }
    printf("delete %.0f ns\n", ns_since(&start) / KEYS);
    assert_true(per_key < 118);
    assert_true(store_memory(s) < 200000); /* and it comes back */
    store_free(s);
}

/* A value that becomes small gives its memory back. */
static void test_memory_follows_the_value(void **state)
{
    (void)state;
    static const size_t lengths[] = {4000, 10, 100000, 10, 5000, 3000, 20};
    struct store *s = store_new(1, seed);
    struct store_view v = {.store = s, .now_ms = 1, .writing = true};
    char *text = calloc(1, 100000);
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        struct store_key *k = store_put_string(&v, SLICE_LITERAL("k"), slice_of(text, lengths[i]), false);
        assert_in_range(store_key_bytes(k), lengths[i], 2 * lengths[i] + 128);
    }
    free(text);
    store_free(s);
}

static void test_average_ttl(void **state)
{
    (void)state;
    struct store *s = store_new(2, seed);
    struct store_view v = {.store = s, .now_ms = 1000, .writing = true};
    char name[24];
    assert_int_equal(store_average_ttl(s, 0, 1000), 0);
    for (unsigned i = 0; i < 3000; i++) {
        struct store_key *k = store_put_string(&v, (struct slice){name, (size_t)sprintf(name, "k%u", i)},
                                               SLICE_LITERAL("v"), false);
        if (i % 3)
            store_set_expiry(&v, &k, 1000 + (i % 3 == 1 ? 256000 : 768000));
        if (i == 2)
            assert_int_equal(store_average_ttl(s, 0, 1000), 512000);
    }
    assert_in_range(store_average_ttl(s, 0, 1000), 450000, 570000);   /* of a sample */
    assert_in_range(store_average_ttl(s, 0, 257000), 200000, 310000); /* what is due has nothing left */
    assert_int_equal(store_average_ttl(s, 0, 769000), 0);
    assert_int_equal(store_average_ttl(s, 1, 1000), 0);
    store_free(s);
}

static void test_sweep_is_bounded(void **state)
{
    (void)state;
    struct store *s = store_new(1, seed);
    struct store_view v = {.store = s, .now_ms = 1, .writing = true};
    char name[24], *big = calloc(1, 10000);
    for (unsigned i = 0; i < 100; i++)
        store_put_string(&v, (struct slice){name, (size_t)sprintf(name, "k%u", i)}, slice_of(big, 10000),
                         false);
    store_flush(&v, false);
    assert_int_equal(store_count(s, 0), 0);
    assert_int_equal(store_unswept(s), 100);
    size_t steps = 0;
    while (store_sweep(s, 10))
        steps++;
    assert_in_range(steps, 19, 22); /* 100 keys, 100 values, one database, ten at a time */
    assert_int_equal(store_unswept(s), 0);
    assert_int_equal(store_stats(s)->swept, 200);
    free(big);
    store_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_calls),
        cmocka_unit_test(test_looking_ahead),
        cmocka_unit_test(test_snapshot_changes_nothing),
        cmocka_unit_test(test_scan_sees_what_stays),
        cmocka_unit_test(test_expiry_goes_by_time_database_key),
        cmocka_unit_test(test_due_keys),
        cmocka_unit_test(test_digest_tells_states_apart),
        cmocka_unit_test(test_unsound),
        cmocka_unit_test(test_digest_is_a_sum_of_parts),
        cmocka_unit_test(test_versions),
        cmocka_unit_test(test_memory_follows_the_value),
        cmocka_unit_test(test_average_ttl),
        cmocka_unit_test(test_sweep_is_bounded),
        cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
