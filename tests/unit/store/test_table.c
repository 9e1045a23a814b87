/* The element table against a plain array of the same order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/prng.h"
#include "store/table.h"

enum { KEYS = 6000, LONG = 700 };

static const struct hash_seed seed = {1, 2};

/* Key n, in some lengths around 255; none is a prefix of another's digits. */
static struct slice key_text(char *out, uint32_t n)
{
    size_t len = (size_t)snprintf(out, LONG, "k%u/", n);
    size_t pad = n % 50 == 0 ? 246 + n % 15 : n % 8;
    memset(out + len, 'x', pad);
    return (struct slice){out, len + pad};
}

static struct slice value_text(char *out, uint32_t n)
{
    size_t len = n % 7 == 0 ? 250 + n % 10 : n % 40;
    memset(out, (int)('a' + n % 26), len);
    return (struct slice){out, len};
}

struct model {
    struct table *t;
    uint32_t order[KEYS], value[KEYS], place[KEYS]; /* keys by place; value number and place by key */
    uint32_t count;
    struct prng chance;
};

static void model_init(struct model *m, uint64_t number)
{
    memset(m, 0, sizeof *m);
    memset(m->place, 0xff, sizeof m->place);
    prng_seed(&m->chance, number);
    m->t = table_new(seed);
}

static void model_free(struct model *m)
{
    while (m->t)
        table_free_some(&m->t, 100);
}

static uint32_t below(struct model *m, uint32_t bound)
{
    return (uint32_t)prng_below(&m->chance, bound);
}

static void put(struct model *m, uint32_t key, uint32_t value)
{
    char k[LONG], v[LONG];
    struct table_spot at = table_find(m->t, key_text(k, key));
    assert_int_equal(at.place, m->place[key]);
    m->value[key] = value;
    if (at.place != PLACE_NONE) {
        struct table_item *before = table_at(m->t, at.place);
        bool same = table_value(before).len == value_text(v, value).len;
        const struct table_item *after = table_set(m->t, &at, value_text(v, value));
        assert_true(!same || before == after);
        return;
    }
    table_add(m->t, &at, key_text(k, key), value_text(v, value));
    m->place[key] = m->count;
    m->order[m->count++] = key;
}

static void drop(struct model *m, uint32_t key)
{
    char k[LONG];
    struct table_spot at = table_find(m->t, key_text(k, key));
    assert_int_equal(at.place, m->place[key]);
    if (at.place == PLACE_NONE)
        return;
    table_remove(m->t, &at);
    uint32_t last = m->order[--m->count];
    m->order[at.place] = last;
    m->place[last] = at.place;
    m->place[key] = PLACE_NONE;
}

static void assert_same(const struct model *m, const struct table *t)
{
    char text[LONG];
    assert_int_equal(table_count(t), m->count);
    for (uint32_t i = 0; i < m->count; i++) {
        uint32_t key = m->order[i];
        const struct table_item *item = table_at(t, i);
        assert_true(slice_equal(table_key(item), key_text(text, key)));
        assert_true(slice_equal(table_value(item), value_text(text, m->value[key])));
    }
    for (uint32_t key = 0; key < KEYS; key++)
        assert_int_equal(table_find(t, key_text(text, key)).place, m->place[key]);
}

/* What the items take, and what all takes beside it. */
static void assert_bytes(const struct table *t)
{
    size_t items = 0, count = table_count(t);
    for (uint32_t i = 0; i < count; i++)
        items += mem_usable(table_at(t, i));
    size_t beside = table_bytes(t) - items;
    assert_in_range(beside, 1, 200 + 40 * count + (count > 1000 ? SEGMENT_BYTES : 0));
}

static void test_as_an_array(void **state)
{
    static struct model m;
    (void)state;
    model_init(&m, 5);
    for (uint32_t round = 0; round < 12; round++) {
        uint32_t keys = round % 3 == 0 ? 60 : KEYS, puts = round % 2 ? 1 : 3; /* shrinks every other round */
        for (uint32_t i = 0; i < KEYS; i++) {
            if (below(&m, 4) < puts)
                put(&m, below(&m, keys), below(&m, 1000));
            else
                drop(&m, below(&m, keys));
        }
        assert_same(&m, m.t);
        if (round % 2 == 0)
            assert_bytes(m.t);
    }
    struct table *copy = table_copy(m.t);
    assert_same(&m, copy);
    while (copy)
        table_free_some(&copy, 7);
    for (uint32_t key = 0; key < KEYS; key++)
        drop(&m, key);
    assert_same(&m, m.t);
    assert_in_range(table_bytes(m.t), 1, 300);
    model_free(&m);
}

/* Small ones take little: many applications keep millions of them. */
static void test_small_is_small(void **state)
{
    static struct model m;
    (void)state;
    model_init(&m, 7);
    for (uint32_t key = 0; key < 130; key++)
        put(&m, key, 1);
    assert_bytes(m.t);
    size_t items = 0;
    for (uint32_t i = 0; i < 130; i++)
        items += mem_usable(table_at(m.t, i));
    assert_in_range(table_bytes(m.t) - items, 1, 130 * 26); /* a dict of Redis's: 40 and more each */
    model_free(&m);
}

struct seen {
    uint8_t key[KEYS];
};

static void see(void *arg, const struct table_item *item)
{
    struct seen *seen = arg;
    char text[32] = {0};
    memcpy(text, table_key(item).data + 1, 8);
    seen->key[strtoul(text, NULL, 10)] = 1;
}

/* Others come and go meanwhile: those that stay are seen. */
static void test_scan_sees_what_stays(void **state)
{
    static struct model m;
    (void)state;
    model_init(&m, 9);
    for (uint32_t key = 0; key < KEYS; key++)
        put(&m, key, key);
    for (int round = 0; round < 3; round++) {
        static struct seen seen;
        memset(&seen, 0, sizeof seen);
        uint64_t cursor = 0;
        do {
            cursor = table_scan(m.t, cursor, 10, see, &seen);
            for (int i = 0; i < 30; i++) { /* the even ones stay */
                uint32_t key = below(&m, KEYS / 2) * 2 + 1;
                if (below(&m, 10) < 3 + 2 * (uint32_t)round)
                    put(&m, key, key);
                else
                    drop(&m, key);
            }
        } while (cursor);
        for (uint32_t key = 0; key < KEYS; key += 2)
            assert_true(seen.key[key]);
    }
    model_free(&m);
}

static void test_freed_in_steps(void **state)
{
    static struct model m;
    (void)state;
    model_init(&m, 11);
    for (uint32_t key = 0; key < 1000; key++)
        put(&m, key, key);
    size_t steps = 0;
    for (; m.t; steps++)
        assert_in_range(table_free_some(&m.t, 100), 1, 100);
    assert_int_equal(steps, 11);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_as_an_array),
        cmocka_unit_test(test_small_is_small),
        cmocka_unit_test(test_scan_sees_what_stays),
        cmocka_unit_test(test_freed_in_steps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
