/* Sets against an array of members, in both forms. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/prng.h"
#include "store/set.h"
#include "store/value.h"

enum { MEMBERS = 300, TEXT = 32, MOST = 40 };

static const struct store_limits limits = {.set_max_intset_entries = MOST};
static const struct hash_seed seed = {3, 4};

struct model {
    struct collection s;
    uint32_t order[MEMBERS];
    uint32_t count;
    bool large;
    struct prng chance;
};

/* The first half are numbers, in their order. */
static bool is_number(uint32_t n)
{
    return n < MEMBERS / 2;
}

static struct slice text_of(char *out, uint32_t n)
{
    int len = is_number(n) ? snprintf(out, TEXT, "%d", ((int)n - 75) * 5000) : snprintf(out, TEXT, "m%u", n);
    return (struct slice){out, (size_t)len};
}

static uint32_t place_of(const struct model *m, uint32_t member)
{
    uint32_t i = 0;
    while (i < m->count && m->order[i] != member)
        i++;
    return i;
}

static void model_init(struct model *m, uint64_t number)
{
    memset(m, 0, sizeof *m);
    m->s.seed = &seed;
    prng_seed(&m->chance, number);
}

static void add(struct model *m, uint32_t member)
{
    char text[TEXT];
    bool fresh = place_of(m, member) == m->count;
    if (!is_number(member))
        m->large = true;
    assert_int_equal(set_add(&m->s, text_of(text, member), &limits), fresh);
    if (!fresh)
        return;
    uint32_t at = m->count++;
    for (; !m->large && at > 0 && m->order[at - 1] > member; at--)
        m->order[at] = m->order[at - 1];
    m->order[at] = member;
    if (m->count > MOST)
        m->large = true;
}

/* An intset closes the gap, a table moves its last into it. */
static void drop(struct model *m, uint32_t member)
{
    char text[TEXT];
    uint32_t at = place_of(m, member);
    assert_int_equal(set_remove(&m->s, text_of(text, member)), at < m->count);
    if (at == m->count)
        return;
    m->count--;
    if (m->large)
        m->order[at] = m->order[m->count];
    else
        memmove(&m->order[at], &m->order[at + 1], (m->count - at) * sizeof *m->order);
}

static void assert_same(const struct model *m, const struct collection *s)
{
    char text[TEXT], scratch[SET_NUMBER_MAX];
    assert_int_equal(set_count(s), m->count);
    if (!s->data) /* a new one */
        return;
    assert_int_equal(s->form, m->large ? FORM_LARGE : FORM_INTSET);
    assert_int_equal(s->digest, set_ops.digest(s));
    assert_true(set_ops.bytes(s) > 0);
    for (uint32_t i = 0; i < m->count; i++)
        assert_true(slice_equal(set_at(s, i, scratch), text_of(text, m->order[i])));
    for (uint32_t member = 0; member < MEMBERS; member++)
        assert_int_equal(set_has(s, text_of(text, member)), place_of(m, member) < m->count);
}

static struct buf saved(const struct collection *s)
{
    struct buf out = BUF_EMPTY;
    set_ops.save(s, &(struct rdb_out){.buf = &out});
    return out;
}

static bool load(struct collection *s, int type, struct slice bytes, const struct store_limits *with)
{
    struct reader r = reader_of(bytes);
    *s = (struct collection){.form = FORM_PACKED, .seed = &seed};
    bool good = set_ops.load(s, type, &r, with);
    assert_true(good ? reader_left(&r) == 0 : s->data == NULL);
    return good;
}

static void assert_kept(const struct model *m)
{
    struct collection s;
    struct buf bytes = saved(&m->s);
    int type = set_ops.rdb_type(&m->s);
    assert_true(load(&s, type, buf_slice(&bytes), NULL));
    assert_same(m, &s);
    assert_int_equal(s.digest, m->s.digest);
    struct collection twin = set_ops.copy(&s);
    assert_same(m, &twin);
    collection_free(&twin, STORE_SET);
    collection_free(&s, STORE_SET);
    assert_true(load(&s, type, buf_slice(&bytes), &limits));
    assert_int_equal(s.digest, m->s.digest);
    collection_free(&s, STORE_SET);
    for (size_t len = 0; len < bytes.len; len += len < 40 ? 1 : 17)
        assert_false(load(&s, type, slice_of(bytes.data, len), NULL));
    buf_deinit(&bytes);
}

static void test_as_an_array(void **state)
{
    static struct model m;
    int small = 0, large = 0;
    (void)state;
    for (uint32_t round = 0; round < 40; round++) {
        model_init(&m, round);
        uint32_t members = round % 4 == 0 ? MEMBERS : round % 4 == 1 ? MEMBERS / 2 : 50;
        for (uint32_t i = 0; i < 300; i++) {
            uint32_t member = (uint32_t)prng_below(&m.chance, members);
            if (prng_below(&m.chance, 10) < (round % 2 ? 5u : 7u))
                add(&m, member);
            else
                drop(&m, member);
            if (i % 30 == 0)
                assert_same(&m, &m.s);
        }
        assert_same(&m, &m.s);
        if (m.count)
            assert_kept(&m);
        small += !m.large;
        large += m.large;
        collection_free(&m.s, STORE_SET);
    }
    assert_true(small >= 5 && large >= 5);
}

static void add_numbers(struct collection *s, int count, const struct store_limits *with)
{
    char text[TEXT];
    for (int i = 0; i < count; i++)
        set_add(s, (struct slice){text, (size_t)snprintf(text, TEXT, "%d", i)}, with);
}

static void test_forms_by_the_limits(void **state)
{
    struct collection s = {.seed = &seed};
    struct store_limits few = limits, many = limits;
    few.set_max_intset_entries = MOST - 1;
    many.set_max_intset_entries = 100;
    (void)state;
    add_numbers(&s, MOST, &limits);
    assert_int_equal(s.form, FORM_INTSET);
    struct buf small = saved(&s);
    add_numbers(&s, MOST + 1, &limits);
    assert_int_equal(s.form, FORM_LARGE);
    struct buf large = saved(&s);
    collection_free(&s, STORE_SET);
    const struct {
        const struct buf *bytes;
        int type;
        const struct store_limits *limits;
        enum collection_form form;
    } cases[] = {
        {&small, RDB_TYPE_SET_INTSET, NULL, FORM_INTSET}, {&small, RDB_TYPE_SET_INTSET, &limits, FORM_INTSET},
        {&small, RDB_TYPE_SET_INTSET, &few, FORM_LARGE},  {&large, RDB_TYPE_SET, NULL, FORM_LARGE},
        {&large, RDB_TYPE_SET, &limits, FORM_LARGE},      {&large, RDB_TYPE_SET, &many, FORM_INTSET},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_true(load(&s, cases[i].type, buf_slice(cases[i].bytes), cases[i].limits));
        assert_int_equal(s.form, cases[i].form);
        assert_int_equal(s.digest, set_ops.digest(&s));
        collection_free(&s, STORE_SET);
    }
    buf_deinit(&small);
    buf_deinit(&large);
}

static void test_malformed_is_refused(void **state)
{
    struct collection s;
    (void)state;
    for (int i = 0; i < 2; i++) {
        const struct store_limits *with = i ? &limits : NULL;
        assert_true(load(&s, RDB_TYPE_SET, SLICE_LITERAL("\2\1a\1b"), with));
        collection_free(&s, STORE_SET);
        assert_false(load(&s, RDB_TYPE_SET, SLICE_LITERAL("\2\1a\1a"), with));
        assert_false(load(&s, RDB_TYPE_SET, SLICE_LITERAL("\2\xc0\1\1\61"), with)); /* 1 and "1" */
        assert_false(load(&s, RDB_TYPE_SET, SLICE_LITERAL("\0"), with));
        assert_true(load(&s, RDB_TYPE_SET_INTSET, SLICE_LITERAL("\12\2\0\0\0\1\0\0\0\1\0"), with));
        collection_free(&s, STORE_SET);
        assert_false(load(&s, RDB_TYPE_SET_INTSET, SLICE_LITERAL("\10\2\0\0\0\0\0\0\0"), with)); /* empty */
        assert_false(load(&s, RDB_TYPE_SET_INTSET, SLICE_LITERAL("\12\2\0\0\0\2\0\0\0\1\0"), with));
        assert_false(load(&s, RDB_TYPE_HASH, SLICE_LITERAL("\1\1a\1b"), with));
    }
}

static void see(void *arg, struct slice member)
{
    uint32_t *seen = arg;
    char text[TEXT];
    snprintf(text, sizeof text, "%.*s", (int)member.len, member.data);
    seen[strtoul(text + (text[0] == 'm'), NULL, 10)]++;
}

static void test_scan_and_free_in_steps(void **state)
{
    struct collection s = {.seed = &seed};
    uint32_t seen[MEMBERS] = {0};
    (void)state;
    add_numbers(&s, MOST, &limits);
    assert_int_equal(set_scan(&s, 3, 1, see, seen), 0);
    set_add(&s, SLICE_LITERAL("m100"), &limits);
    uint64_t cursor = 0;
    int steps = 0;
    do {
        cursor = set_scan(&s, cursor, 10, see, seen);
        steps++;
    } while (cursor);
    assert_int_equal(steps, 5);
    for (uint32_t i = 0; i < MOST; i++)
        assert_int_equal(seen[i], 2);
    assert_int_equal(seen[100], 1);
    while (s.data)
        assert_in_range(set_ops.free_some(&s, 7), 1, 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_as_an_array),
        cmocka_unit_test(test_forms_by_the_limits),
        cmocka_unit_test(test_malformed_is_refused),
        cmocka_unit_test(test_scan_and_free_in_steps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
