/* Sorted sets against a plain array: every question is asked of both while members come, move and go, across the thresholds
 * between the forms and through several levels of the tree; saved, loaded and copied they answer the same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/prng.h"
#include "store/rdb.h"
#include "store/value.h"
#include "store/zset_int.h"

enum { MEMBERS = 6000, NAME = 80 };

static const struct hash_seed seed = {5, 6};
static const struct store_limits limits = {.zset_max_listpack_entries = 128, .zset_max_listpack_value = 64};

struct entry {
    char name[NAME];
    size_t len;
    double score;
    bool there;
};

static struct entry entries[MEMBERS];
static struct entry *sorted[MEMBERS];
static size_t count;
static struct prng chance;

static struct collection empty(void)
{
    return (struct collection){.form = FORM_PACKED, .seed = &seed};
}

static struct slice name_of(const struct entry *e)
{
    return slice_of(e->name, e->len);
}

/* Numbers, texts, prefixes of each other, and a zero byte. */
static void reset(void)
{
    for (size_t i = 0; i < MEMBERS; i++) {
        struct entry *e = &entries[i];
        int len = i % 3 ? snprintf(e->name, NAME, "m%zu", i) : snprintf(e->name, NAME, "%zu", i);
        *e = (struct entry){.len = (size_t)len};
        snprintf(e->name, NAME, i % 3 ? "m%zu" : "%zu", i);
        if (i % 10 == 1)
            e->name[e->len++] = 0;
    }
    count = 0;
}

static int by_order(const void *a, const void *b)
{
    const struct entry *x = *(struct entry *const *)a, *y = *(struct entry *const *)b;
    if (x->score != y->score)
        return x->score < y->score ? -1 : 1;
    return slice_compare(name_of(x), name_of(y));
}

static void sort_model(void)
{
    count = 0;
    for (size_t i = 0; i < MEMBERS; i++)
        if (entries[i].there)
            sorted[count++] = &entries[i];
    qsort(sorted, count, sizeof *sorted, by_order);
}

static void check_walk(const struct collection *c, size_t rank, bool down)
{
    struct zset_walk w;
    struct zset_item item;
    size_t steps = 0;
    zset_walk(&w, c, rank, down);
    while (zset_walk_next(&w, &item)) {
        const struct entry *e = sorted[down ? rank - steps : rank + steps];
        assert_true(slice_equal(item.member, name_of(e)));
        assert_true(item.score == e->score);
        steps++;
    }
    assert_int_equal(steps, rank >= count ? 0 : down ? rank + 1 : count - rank);
}

static uint64_t model_rank(const struct bound *b)
{
    uint64_t rank = 0;
    while (rank < count && is_before(sorted[rank]->score, name_of(sorted[rank]), b))
        rank++;
    return rank;
}

static void check_bounds(const struct collection *c)
{
    for (int i = 0; i < 8 && count; i++) {
        const struct entry *e = &entries[prng_below(&chance, MEMBERS)];
        double score = sorted[prng_below(&chance, count)]->score + (i % 4 == 3);
        struct bound b = {score, (enum bound_side)(i % 4), name_of(e)};
        assert_int_equal(zset_rank(c, &b), model_rank(&b));
    }
}

static void check_all(const struct collection *c)
{
    sort_model();
    assert_int_equal(zset_count(c), count);
    if (!c->data)
        return;
    assert_true(zset_ops.digest(c) == c->digest);
    check_walk(c, 0, false);
    check_walk(c, count ? count - 1 : 0, true);
    check_walk(c, prng_below(&chance, count + 2), false);
    check_bounds(c);
    for (size_t i = 0; i < count; i += 1 + count / 64) {
        struct bound b = {sorted[i]->score, BEFORE_MEMBER, name_of(sorted[i])};
        assert_int_equal(zset_rank(c, &b), i);
    }
    for (size_t i = 0; i < MEMBERS; i += 1 + MEMBERS / 64) {
        double score = 0;
        assert_int_equal(zset_score(c, name_of(&entries[i]), &score), entries[i].there);
        assert_true(!entries[i].there || score == entries[i].score);
    }
}

/* Few different scores, so that many are equal; some that need all their digits. */
static double draw_score(void)
{
    static const double odd[] = {INFINITY, -INFINITY, 0.1, -1e300, 3.5e-200, 4611686018427387904.0, 9e18};
    uint64_t kind = prng_below(&chance, 100);
    return kind < 7    ? odd[kind]
           : kind < 50 ? (double)prng_below(&chance, 50)
                       : (double)(int64_t)prng_next(&chance) / 3;
}

static void put(struct collection *c, struct entry *e, double score)
{
    zset_put(c, name_of(e), score, &limits);
    e->there = true;
    e->score = score;
}

static void random_step(struct collection *c, size_t range, uint64_t put_chance)
{
    struct entry *e = &entries[prng_below(&chance, range)];
    if (prng_below(&chance, 100) < put_chance) {
        bool near = e->there && prng_below(&chance, 2);
        put(c, e, near ? e->score + 1 : draw_score());
    } else {
        assert_int_equal(zset_remove(c, name_of(e)), e->there);
        e->there = false;
    }
}

static void remove_ranks(struct collection *c)
{
    sort_model();
    uint64_t from = prng_below(&chance, count + 1), to = from + prng_below(&chance, (count - from) / 4 + 1);
    zset_remove_ranks(c, from, to);
    for (uint64_t i = from; i < to; i++)
        sorted[i]->there = false;
}

static void save(const struct collection *c, struct buf *out)
{
    zset_ops.save(c, &(struct rdb_out){out, NULL, NULL});
}

static void note(void *arg, const struct zset_item *item)
{
    put_bytes(arg, item->member);
}

static void check_same(const struct collection *a, const struct collection *b)
{
    struct buf order_a = BUF_EMPTY, order_b = BUF_EMPTY;
    assert_true(a->digest == b->digest);
    assert_int_equal(a->form, b->form);
    assert_int_equal(zset_scan(a, 0, UINT64_MAX, note, &order_a), 0);
    assert_int_equal(zset_scan(b, 0, UINT64_MAX, note, &order_b), 0);
    assert_true(slice_equal(buf_slice(&order_a), buf_slice(&order_b)));
    buf_deinit(&order_a);
    buf_deinit(&order_b);
}

/* Written and read, and copied, it is the same to its last answer. */
static void check_twins(const struct collection *c)
{
    struct buf bytes = BUF_EMPTY;
    struct collection loaded = empty(), copy = zset_ops.copy(c);
    save(c, &bytes);
    struct reader r = reader_of(buf_slice(&bytes));
    assert_true(zset_ops.load(&loaded, zset_ops.rdb_type(c), &r, NULL));
    assert_int_equal(reader_left(&r), 0);
    check_same(c, &loaded);
    check_same(c, &copy);
    check_all(&loaded);
    check_all(&copy);
    collection_free(&loaded, STORE_ZSET);
    collection_free(&copy, STORE_ZSET);
    buf_deinit(&bytes);
}

static void run(size_t range, size_t steps)
{
    struct collection c = empty();
    reset();
    static const uint64_t put_chances[] = {90, 55, 20};
    for (size_t p = 0; p < 3; p++) {
        for (size_t i = 0; i < steps; i++) {
            random_step(&c, range, put_chances[p]);
            if (i % (steps / 8) == 0)
                check_all(&c);
        }
        remove_ranks(&c);
        check_all(&c);
        check_twins(&c);
    }
    zset_remove_ranks(&c, 0, zset_count(&c));
    assert_true(c.digest == 0);
    assert_int_equal(zset_count(&c), 0);
    if (c.form == FORM_LARGE) /* every node is gone */
        assert_int_equal(((struct zset_large *)c.data)->order.bytes, 0);
    collection_free(&c, STORE_ZSET);
}

static void test_packed(void **state)
{
    (void)state;
    prng_seed(&chance, 1);
    run(100, 400);
}

static void test_large(void **state)
{
    (void)state;
    prng_seed(&chance, 2);
    run(MEMBERS, 20000);
}

/* In order, upwards and down, leaves are left full: hardly more than two words a member. */
static void test_in_order(void **state)
{
    (void)state;
    for (int down = 0; down < 2; down++) {
        struct collection c = empty();
        reset();
        for (size_t i = 0; i < MEMBERS; i++)
            put(&c, &entries[i], down ? -(double)i : (double)i);
        check_all(&c);
        assert_true(((struct zset_large *)c.data)->order.bytes < MEMBERS * 20);
        collection_free(&c, STORE_ZSET);
    }
}

static void test_forms(void **state)
{
    (void)state;
    struct collection c = empty();
    char name[65];
    memset(name, 'x', sizeof name);
    reset();
    for (size_t i = 0; i < 128; i++)
        put(&c, &entries[i], 1);
    zset_put(&c, name_of(&entries[0]), 2, &limits);
    assert_int_equal(c.form, FORM_PACKED);
    uint64_t packed = c.digest;
    zset_make_large(&c);
    assert_true(c.digest == packed && zset_ops.digest(&c) == packed);
    collection_free(&c, STORE_ZSET);

    c = empty();
    for (size_t i = 0; i < 129; i++)
        put(&c, &entries[i], 1);
    assert_int_equal(c.form, FORM_LARGE);
    collection_free(&c, STORE_ZSET);

    c = empty();
    zset_put(&c, slice_of(name, 64), 1, &limits);
    assert_int_equal(c.form, FORM_PACKED);
    zset_put(&c, slice_of(name, 65), 1, &limits);
    assert_int_equal(c.form, FORM_LARGE);
    collection_free(&c, STORE_ZSET);
}

/* Freed a few pieces at a time. */
static void test_freed_in_steps(void **state)
{
    (void)state;
    struct collection c = empty();
    size_t steps = 0;
    reset();
    for (size_t i = 0; i < MEMBERS; i++)
        put(&c, &entries[i], draw_score());
    for (; c.data; steps++)
        assert_true(zset_ops.free_some(&c, 10) <= 11);
    assert_true(steps > MEMBERS / 10);
}

/* ---- bytes from elsewhere ---- */

static bool load(int type, struct slice bytes, const struct store_limits *l, struct collection *c)
{
    struct reader r = reader_of(bytes);
    *c = empty();
    bool ok = zset_ops.load(c, type, &r, l);
    assert_true(ok || !c->data);
    return ok;
}

static bool loads(int type, const char *bytes, size_t len)
{
    struct collection c;
    bool ok = load(type, slice_of(bytes, len), NULL, &c);
    collection_free(&c, STORE_ZSET);
    return ok;
}
#define LOADS(type, text) loads(type, text, sizeof(text) - 1)

static bool pairs_load(const char *const *words, size_t n)
{
    struct buf bytes = BUF_EMPTY;
    uint8_t *lp = lp_new();
    for (size_t i = 0; i < n; i++)
        lp_append(&lp, slice_cstr(words[i]));
    rdb_put_string(&bytes, lp_slice(lp));
    bool ok = loads(RDB_TYPE_ZSET_LISTPACK, bytes.data, bytes.len);
    lp_free(lp);
    buf_deinit(&bytes);
    return ok;
}
#define PAIRS_LOAD(...)                                                                                      \
    pairs_load((const char *const[]){__VA_ARGS__},                                                           \
               sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *))

static void test_malformed(void **state)
{
    (void)state;
    assert_true(PAIRS_LOAD("a", "1", "b", "1", "c", "2.5", "d", "inf"));
    assert_false(PAIRS_LOAD("a"));
    assert_false(PAIRS_LOAD("a", "1", "b"));
    assert_false(PAIRS_LOAD("a", "x"));
    assert_false(PAIRS_LOAD("a", "nan"));
    assert_false(PAIRS_LOAD("a", "2", "b", "1"));
    assert_false(PAIRS_LOAD("b", "1", "a", "1"));
    assert_false(PAIRS_LOAD("a", "1", "a", "1"));
    assert_false(PAIRS_LOAD("a", "1", "b", "2", "a", "3"));
    assert_false(pairs_load(NULL, 0));

    /* A ziplist of "a" and 1; without its end; of "a" alone. */
    assert_true(LOADS(RDB_TYPE_ZSET_ZIPLIST, "\x10\x10\0\0\0\x0d\0\0\0\2\0\0\1a\3\xf2\xff"));
    assert_false(LOADS(RDB_TYPE_ZSET_ZIPLIST, "\x10\x10\0\0\0\x0d\0\0\0\2\0\0\1a\3\xf2\xfe"));
    assert_false(LOADS(RDB_TYPE_ZSET_ZIPLIST, "\x0e\x0e\0\0\0\x0a\0\0\0\1\0\0\1a\xff"));

    assert_true(LOADS(RDB_TYPE_ZSET_2, "\2\1a\0\0\0\0\0\0\xf0\x3f\1b\0\0\0\0\0\0\xf0\xff"));
    assert_false(LOADS(RDB_TYPE_ZSET_2, "\2\1a\0\0\0\0\0\0\xf0\x3f\1a\0\0\0\0\0\0\xf0\xff"));
    assert_false(LOADS(RDB_TYPE_ZSET_2, "\1\1a\1\0\0\0\0\0\xf0\x7f"));
    assert_false(LOADS(RDB_TYPE_ZSET_2, "\0"));
    assert_true(LOADS(RDB_TYPE_ZSET, "\4\1a\3"
                                     "1.5\1b\xfe\1c\xff\1d\1"
                                     "2"));
    assert_false(LOADS(RDB_TYPE_ZSET, "\1\1a\xfd"));
    assert_false(LOADS(RDB_TYPE_ZSET, "\1\1a\3"
                                      "1.x"));
    assert_false(LOADS(RDB_TYPE_ZSET, "\1\1a\0"));
}

/* Whatever is missing at the end, nothing is left behind; and with limits it takes the form that Redis would give it. */
static void test_cut_short(void **state)
{
    (void)state;
    static const size_t sizes[] = {20, 300};
    for (size_t s = 0; s < 2; s++) {
        struct collection c = empty(), loaded;
        struct buf bytes = BUF_EMPTY;
        reset();
        for (size_t i = 0; i < sizes[s]; i++)
            put(&c, &entries[i], draw_score());
        save(&c, &bytes);
        int type = zset_ops.rdb_type(&c);
        for (size_t len = 0; len < bytes.len; len += 1 + len / 100)
            assert_false(load(type, slice_of(bytes.data, len), NULL, &loaded));
        static const struct store_limits wide = {.zset_max_listpack_entries = 300,
                                                 .zset_max_listpack_value = 64},
                                         narrow = {.zset_max_listpack_entries = 19,
                                                   .zset_max_listpack_value = 64};
        assert_true(load(type, buf_slice(&bytes), &wide, &loaded));
        assert_int_equal(loaded.form, FORM_PACKED);
        assert_true(loaded.digest == c.digest);
        collection_free(&loaded, STORE_ZSET);
        assert_true(load(type, buf_slice(&bytes), &narrow, &loaded));
        assert_int_equal(loaded.form, FORM_LARGE);
        assert_true(loaded.digest == c.digest && zset_ops.digest(&loaded) == c.digest);
        collection_free(&loaded, STORE_ZSET);
        collection_free(&c, STORE_ZSET);
        buf_deinit(&bytes);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_packed),         cmocka_unit_test(test_large),
        cmocka_unit_test(test_in_order),       cmocka_unit_test(test_forms),
        cmocka_unit_test(test_freed_in_steps), cmocka_unit_test(test_malformed),
        cmocka_unit_test(test_cut_short),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
