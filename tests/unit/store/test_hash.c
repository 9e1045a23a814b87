/* Hashes against an array of pairs, in both forms. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/prng.h"
#include "store/hash.h"
#include "store/table.h"
#include "store/value.h"

enum { FIELDS = 300, TEXT = 128 };

static const struct store_limits limits = {.hash_max_listpack_entries = 40, .hash_max_listpack_value = 50};
static const struct hash_seed seed = {3, 4};

struct model {
    struct collection h;
    uint32_t order[FIELDS], value[FIELDS]; /* fields in their order; value number by field */
    uint32_t count;
    bool large;
    struct prng chance;
};

/* Every third is a number. */
static struct slice field_text(char *out, uint32_t n)
{
    return (struct slice){out, (size_t)snprintf(out, TEXT, n % 3 ? "field %u" : "%u", n * 77)};
}

static struct slice value_text(char *out, uint32_t n)
{
    if (n % 4 == 0)
        return (struct slice){out, (size_t)snprintf(out, TEXT, "%d", (int)(n * n) - 5000)};
    size_t len = n % 200 == 107 ? 51 : n % 51; /* the limit, and one more */
    memset(out, 'a' + (int)(n % 26), len);
    return (struct slice){out, len};
}

static void model_init(struct model *m, uint64_t number)
{
    memset(m, 0, sizeof *m);
    m->h.seed = &seed;
    prng_seed(&m->chance, number);
}

static uint32_t below(struct model *m, uint32_t bound)
{
    return (uint32_t)prng_below(&m->chance, bound);
}

static uint32_t place_of(const struct model *m, uint32_t field)
{
    uint32_t i = 0;
    while (i < m->count && m->order[i] != field)
        i++;
    return i;
}

static void set(struct model *m, uint32_t field, uint32_t value)
{
    char f[TEXT], v[TEXT];
    bool fresh = place_of(m, field) == m->count;
    if (value_text(v, value).len > limits.hash_max_listpack_value)
        m->large = true;
    assert_int_equal(hash_set(&m->h, field_text(f, field), value_text(v, value), &limits), fresh);
    m->value[field] = value;
    if (fresh)
        m->order[m->count++] = field;
    if (m->count > limits.hash_max_listpack_entries)
        m->large = true;
}

/* A listpack closes the gap, a table moves its last into it. */
static void drop(struct model *m, uint32_t field)
{
    char f[TEXT];
    uint32_t at = place_of(m, field);
    assert_int_equal(hash_delete(&m->h, field_text(f, field)), at < m->count);
    if (at == m->count)
        return;
    m->count--;
    if (m->large)
        m->order[at] = m->order[m->count];
    else
        memmove(&m->order[at], &m->order[at + 1], (m->count - at) * sizeof *m->order);
}

static void assert_same(const struct model *m, const struct collection *h)
{
    char text[TEXT], scratch[LP_NUMBER_MAX];
    struct slice value;
    struct hash_walk w;
    assert_int_equal(hash_count(h), m->count);
    if (!h->data) /* a new one */
        return;
    assert_int_equal(h->form, m->large ? FORM_LARGE : FORM_PACKED);
    assert_int_equal(h->digest, hash_ops.digest(h));
    assert_true(hash_ops.bytes(h) > 0);
    hash_walk_init(&w, h);
    for (uint32_t i = 0; i < m->count; i++) {
        assert_true(hash_walk_next(&w));
        assert_true(slice_equal(w.field, field_text(text, m->order[i])));
        assert_true(slice_equal(w.value, value_text(text, m->value[m->order[i]])));
    }
    assert_false(hash_walk_next(&w));
    for (uint32_t field = 0; field < FIELDS; field++) {
        bool there = hash_get(h, field_text(text, field), scratch, &value);
        assert_int_equal(there, place_of(m, field) < m->count);
        assert_true(!there || slice_equal(value, value_text(text, m->value[field])));
    }
    if (m->count) {
        hash_walk_seek(&w, m->count - 1);
        assert_true(hash_walk_next(&w));
        assert_true(slice_equal(w.field, field_text(text, m->order[m->count - 1])));
        assert_false(hash_walk_next(&w));
    }
}

static struct buf saved(const struct collection *h)
{
    struct buf out = BUF_EMPTY;
    hash_ops.save(h, &(struct rdb_out){.buf = &out});
    return out;
}

static bool load(struct collection *h, int type, struct slice bytes, const struct store_limits *with)
{
    struct reader r = reader_of(bytes);
    *h = (struct collection){.form = FORM_PACKED, .seed = &seed};
    bool good = hash_ops.load(h, type, &r, with);
    assert_true(good ? reader_left(&r) == 0 : h->data == NULL);
    return good;
}

/* As it was without limits; by the rules with them; and not at all when bytes are missing. */
static void assert_kept(struct model *m)
{
    struct collection h;
    struct buf bytes = saved(&m->h);
    int type = hash_ops.rdb_type(&m->h);
    assert_true(load(&h, type, buf_slice(&bytes), NULL));
    assert_same(m, &h);
    assert_int_equal(h.digest, m->h.digest);
    struct collection twin = hash_ops.copy(&h);
    assert_same(m, &twin);
    collection_free(&twin, STORE_HASH);
    collection_free(&h, STORE_HASH);
    assert_true(load(&h, type, buf_slice(&bytes), &limits));
    assert_int_equal(h.digest, m->h.digest);
    collection_free(&h, STORE_HASH);
    for (size_t len = 0; len < bytes.len; len += len < 40 ? 1 : 17)
        assert_false(load(&h, type, slice_of(bytes.data, len), NULL));
    buf_deinit(&bytes);
}

static void test_as_an_array(void **state)
{
    static struct model m;
    int packed = 0, large = 0;
    (void)state;
    for (uint32_t round = 0; round < 40; round++) {
        model_init(&m, round);
        uint32_t fields = round % 2 ? 60 : FIELDS, values = round % 4 == 1 ? 50 : 4000;
        for (uint32_t i = 0; i < 400; i++) {
            uint32_t field = below(&m, fields);
            if (below(&m, 10) < (round % 2 && i > 30 ? 3u : 7u))
                set(&m, field, below(&m, values) / (values == 50 ? 1 : 2));
            else
                drop(&m, field);
            if (i % 40 == 0)
                assert_same(&m, &m.h);
        }
        assert_same(&m, &m.h);
        if (m.count)
            assert_kept(&m);
        packed += !m.large;
        large += m.large;
        collection_free(&m.h, STORE_HASH);
    }
    assert_true(packed >= 5 && large >= 5);
}

static void test_forms_by_the_limits(void **state)
{
    static struct model m;
    struct collection h;
    (void)state;
    model_init(&m, 1);
    for (uint32_t i = 0; i < limits.hash_max_listpack_entries; i++)
        set(&m, i, 4);
    assert_int_equal(m.h.form, FORM_PACKED);
    struct buf packed = saved(&m.h);
    set(&m, FIELDS - 1, 4);
    assert_int_equal(m.h.form, FORM_LARGE);
    struct buf large = saved(&m.h);
    drop(&m, FIELDS - 1);
    assert_int_equal(m.h.form, FORM_LARGE); /* for good */
    struct buf back = saved(&m.h);
    struct store_limits few = limits, many = limits;
    few.hash_max_listpack_entries = 39;
    many.hash_max_listpack_entries = 100;
    const struct {
        const struct buf *bytes;
        int type;
        const struct store_limits *limits;
        enum collection_form form;
    } cases[] = {
        {&packed, RDB_TYPE_HASH_LISTPACK, NULL, FORM_PACKED},
        {&packed, RDB_TYPE_HASH_LISTPACK, &limits, FORM_PACKED},
        {&packed, RDB_TYPE_HASH_LISTPACK, &few, FORM_LARGE},
        {&large, RDB_TYPE_HASH, NULL, FORM_LARGE},
        {&large, RDB_TYPE_HASH, &limits, FORM_LARGE},
        {&large, RDB_TYPE_HASH, &many, FORM_PACKED},
        {&back, RDB_TYPE_HASH, NULL, FORM_LARGE},
        {&back, RDB_TYPE_HASH, &limits, FORM_PACKED},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_true(load(&h, cases[i].type, buf_slice(cases[i].bytes), cases[i].limits));
        assert_int_equal(h.form, cases[i].form);
        assert_int_equal(h.digest, hash_ops.digest(&h));
        collection_free(&h, STORE_HASH);
    }
    buf_deinit(&packed);
    buf_deinit(&large);
    buf_deinit(&back);
    collection_free(&m.h, STORE_HASH);
}

static bool loads_packed(const char *const *texts, size_t count)
{
    struct collection h;
    struct buf bytes = BUF_EMPTY;
    uint8_t *lp = lp_new();
    for (size_t i = 0; i < count; i++)
        lp_append(&lp, slice_cstr(texts[i]));
    rdb_put_string(&bytes, lp_slice(lp));
    lp_free(lp);
    bool good = load(&h, RDB_TYPE_HASH_LISTPACK, buf_slice(&bytes), &limits);
    if (good)
        collection_free(&h, STORE_HASH);
    buf_deinit(&bytes);
    return good;
}

static bool loads_pairs(const char *const *texts, size_t count, const struct store_limits *with)
{
    struct collection h;
    struct buf bytes = BUF_EMPTY;
    rdb_put_length(&bytes, count / 2);
    for (size_t i = 0; i < count; i++)
        rdb_put_string(&bytes, slice_cstr(texts[i]));
    bool good = load(&h, RDB_TYPE_HASH, buf_slice(&bytes), with);
    if (good)
        collection_free(&h, STORE_HASH);
    buf_deinit(&bytes);
    return good;
}

static void test_malformed_is_refused(void **state)
{
    static const char *const twice[] = {"a", "1", "b", "a", "a", "1"}, *const fine[] = {"a", "b", "b", "a"};
    (void)state;
    assert_true(loads_packed(fine, 4));
    assert_false(loads_packed(fine, 3));
    assert_false(loads_packed(fine, 0));
    assert_false(loads_packed(twice, 6));
    assert_true(loads_pairs(fine, 4, NULL));
    assert_true(loads_pairs(fine, 4, &limits));
    assert_false(loads_pairs(fine, 0, NULL));
    assert_false(loads_pairs(twice, 6, NULL));
    assert_false(loads_pairs(twice, 6, &limits));
    const char *many[2 * 200];
    char texts[200][8];
    for (size_t i = 0; i < 200; i++) {
        snprintf(texts[i], sizeof texts[i], "f%zu", i);
        many[2 * i] = texts[i];
        many[2 * i + 1] = "f1";
    }
    assert_true(loads_packed(many, 400));
    many[398] = many[0];
    assert_false(loads_packed(many, 400));
    struct collection h;
    assert_false(load(&h, RDB_TYPE_SET, SLICE_LITERAL("\1\1a"), NULL));
}

static void see(void *arg, struct slice field, struct slice value)
{
    uint32_t *seen = arg;
    char text[TEXT];
    (void)value;
    snprintf(text, sizeof text, "%.*s", (int)field.len, field.data);
    seen[strtoul(text + (text[0] == 'f' ? strlen("field ") : 0), NULL, 10) / 77]++;
}

static void test_scan_and_free_in_steps(void **state)
{
    static struct model m;
    (void)state;
    model_init(&m, 1);
    for (uint32_t i = 0; i < FIELDS; i++)
        set(&m, i, 4);
    uint32_t seen[FIELDS] = {0};
    uint64_t cursor = 0;
    int steps = 0;
    do {
        cursor = hash_scan(&m.h, cursor, 10, see, seen);
        steps++;
    } while (cursor);
    for (uint32_t i = 0; i < FIELDS; i++)
        assert_int_equal(seen[i], 1);
    assert_int_equal(steps, FIELDS / 10);
    while (m.h.data)
        assert_in_range(hash_ops.free_some(&m.h, 50), 1, 50);
    struct collection h = {.seed = &seed};
    hash_set(&h, SLICE_LITERAL("0"), SLICE_LITERAL("v"), &limits);
    assert_int_equal(hash_scan(&h, 5, 1, see, seen), 0);
    assert_int_equal(seen[0], 2);
    collection_free(&h, STORE_HASH);
}

/* What Redis wrote long ago; test_ziplist.c has more of it. */
static void test_old_encodings(void **state)
{
    struct collection h;
    char scratch[LP_NUMBER_MAX], long_map[80] = "\1\1f\63"; /* one pair, its value of 51 bytes */
    struct slice value;
    const struct slice zipmap = SLICE_LITERAL("\14\2\1f\1\0v\1g\1\0"
                                              "7\xff");
    const struct slice ziplist = SLICE_LITERAL("\21\21\0\0\0\15\0\0\0\2\0\0\1f\3\1v\xff");
    (void)state;
    for (int i = 0; i < 2; i++) {
        assert_true(load(&h, RDB_TYPE_HASH_ZIPMAP, zipmap, i ? &limits : NULL));
        assert_true(h.form == FORM_PACKED && hash_count(&h) == 2 && h.digest == hash_ops.digest(&h));
        assert_true(hash_get(&h, SLICE_LITERAL("g"), scratch, &value) &&
                    slice_equal(value, SLICE_LITERAL("7")));
        collection_free(&h, STORE_HASH);
        assert_true(load(&h, RDB_TYPE_HASH_ZIPLIST, ziplist, i ? &limits : NULL));
        assert_true(h.form == FORM_PACKED && hash_count(&h) == 1);
        assert_true(hash_get(&h, SLICE_LITERAL("f"), scratch, &value) &&
                    slice_equal(value, SLICE_LITERAL("v")));
        collection_free(&h, STORE_HASH);
        struct buf bytes = BUF_EMPTY;
        rdb_put_length(&bytes, 57);
        long_map[4] = 0;
        memset(long_map + 5, 'x', 51);
        long_map[56] = (char)0xff;
        buf_append(&bytes, long_map, 57);
        assert_true(load(&h, RDB_TYPE_HASH_ZIPMAP, buf_slice(&bytes), i ? &limits : NULL));
        assert_int_equal(h.form, i ? FORM_LARGE : FORM_PACKED);
        collection_free(&h, STORE_HASH);
        buf_deinit(&bytes);
    }
    assert_false(load(&h, RDB_TYPE_HASH_ZIPMAP,
                      SLICE_LITERAL("\14\2\1f\1\0v\1f\1\0"
                                    "7\xff"),
                      NULL));
    assert_false(load(&h, RDB_TYPE_HASH_ZIPMAP, SLICE_LITERAL("\2\0\xff"), NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_as_an_array),
        cmocka_unit_test(test_forms_by_the_limits),
        cmocka_unit_test(test_malformed_is_refused),
        cmocka_unit_test(test_old_encodings),
        cmocka_unit_test(test_scan_and_free_in_steps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
