/* Dict, heap, list and random numbers, each run against a model too simple to be wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/dict.h"
#include "base/heap.h"
#include "base/list.h"
#include "base/prng.h"

enum { KEYS = 500, STEPS = 100000 };

static struct slice numbered_key(uint64_t i, char out[32])
{
    memset(out, 'k', 32);
    store_u64(out, i);
    return slice_of(out, 8 + i % 24);
}

/* The model: which keys are there, with what value, and the documented walk order. */
struct model {
    void *value[KEYS];
    uint64_t order[KEYS];
    size_t count;
};

static void model_remove(struct model *m, uint64_t k)
{
    m->value[k] = NULL;
    for (size_t i = 0; i < m->count; i++)
        if (m->order[i] == k) {
            m->order[i] = m->order[--m->count];
            return;
        }
}

static void assert_same_walk(struct dict *d, const struct model *m)
{
    assert_int_equal(dict_count(d), m->count);
    for (size_t i = 0; i < m->count; i++) {
        char bytes[32];
        struct slice key;
        assert_ptr_equal(dict_at(d, i, &key), m->value[m->order[i]]);
        assert_true(slice_equal(key, numbered_key(m->order[i], bytes)));
    }
}

static void a_dict_does_what_its_model_does(void **state)
{
    (void)state;
    struct prng p;
    prng_seed(&p, 7);
    struct hash_seed seed = {1, 2};
    struct dict *d = dict_new(&seed);
    struct model *m = mem_calloc(1, sizeof *m);
    for (uintptr_t step = 1; step <= STEPS; step++) {
        char bytes[32];
        uint64_t k = prng_below(&p, KEYS);
        struct slice key = numbered_key(k, bytes);
        bool growing = step / (STEPS / 10) % 2 == 0; /* fill and drain by turns */
        if (prng_below(&p, 3) < (growing ? 2u : 1u)) {
            void *value = (void *)step;
            assert_ptr_equal(dict_put(d, key, value), m->value[k]);
            if (!m->value[k])
                m->order[m->count++] = k;
            m->value[k] = value;
        } else {
            assert_ptr_equal(dict_remove(d, key), m->value[k]);
            if (m->value[k])
                model_remove(m, k);
        }
        uint64_t other = prng_below(&p, KEYS);
        assert_ptr_equal(dict_get(d, numbered_key(other, bytes)), m->value[other]);
        if (step % 1000 == 0)
            assert_same_walk(d, m);
    }
    dict_free(d);
    mem_free(m);
}

static void a_dict_lets_its_own_key_be_removed(void **state)
{
    (void)state;
    int value;
    struct dict *d = dict_new(NULL);
    dict_put(d, SLICE_LITERAL(""), &value);
    dict_put(d, SLICE_LITERAL("some key"), &value);
    while (dict_count(d) > 0) {
        struct slice key;
        dict_at(d, 0, &key);
        assert_ptr_equal(dict_remove(d, key), &value);
    }
    assert_null(dict_get(d, SLICE_LITERAL("some key")));
    dict_free(d);
    dict_free(NULL);
}

struct item {
    uint64_t key;
    uint32_t place;
    bool in;
};

static int by_key(const void *a, const void *b)
{
    uint64_t x = ((const struct item *)a)->key, y = ((const struct item *)b)->key;
    return (x > y) - (x < y);
}

static void note_place(void *item, uint32_t place)
{
    ((struct item *)item)->place = place;
}

static void assert_least_on_top(const struct heap *h, const struct item *items)
{
    uint64_t least = UINT64_MAX;
    for (int i = 0; i < 200; i++)
        if (items[i].in) {
            assert_ptr_equal(h->items[items[i].place], &items[i]);
            least = items[i].key < least ? items[i].key : least;
        }
    struct item *top = heap_peek(h);
    if (least == UINT64_MAX)
        assert_null(top);
    else
        assert_true(top->key == least);
}

static void a_heap_keeps_the_least_on_top_and_every_place_true(void **state)
{
    (void)state;
    struct prng p;
    prng_seed(&p, 11);
    static struct item items[200];
    struct heap h;
    heap_init(&h, by_key, note_place);
    for (int step = 0; step < 20000; step++) {
        struct item *it = &items[prng_below(&p, 200)];
        if (!it->in) {
            it->key = prng_below(&p, 50);
            it->in = true;
            heap_push(&h, it);
        } else if (prng_below(&p, 2)) {
            it->key = prng_below(&p, 50);
            heap_update(&h, it->place);
        } else {
            heap_remove(&h, it->place);
            it->in = false;
        }
        assert_least_on_top(&h, items);
    }
    uint64_t before = 0;
    for (struct item *it; (it = heap_pop(&h));) {
        assert_true(it->key >= before);
        before = it->key;
    }
    assert_int_equal(h.count, 0);
    heap_deinit(&h);
}

static void a_heap_without_a_listener_sorts_too(void **state)
{
    (void)state;
    struct item items[3] = {{.key = 3}, {.key = 1}, {.key = 2}};
    struct heap h;
    heap_init(&h, by_key, NULL);
    for (int i = 0; i < 3; i++)
        heap_push(&h, &items[i]);
    assert_ptr_equal(heap_pop(&h), &items[1]);
    assert_ptr_equal(heap_pop(&h), &items[2]);
    assert_ptr_equal(heap_pop(&h), &items[0]);
    assert_null(heap_pop(&h));
    heap_deinit(&h);
}

struct linked {
    int name;
    struct list link;
};

static int names(const struct list *head)
{
    int all = 0;
    list_for_each(it, head) all = all * 10 + list_entry(it, struct linked, link)->name;
    return all;
}

static void a_list_keeps_order_and_forgives_a_second_removal(void **state)
{
    (void)state;
    struct list head;
    struct linked a = {1, {NULL, NULL}}, b = {2, {NULL, NULL}}, c = {3, {NULL, NULL}};
    list_init(&head);
    assert_true(list_empty(&head));
    list_push_back(&head, &b.link);
    list_push_back(&head, &c.link);
    list_push_front(&head, &a.link);
    assert_int_equal(names(&head), 123);
    list_remove(&b.link);
    list_remove(&c.link);
    list_remove(&b.link); /* it knows its old neighbours no more */
    assert_int_equal(names(&head), 1);
    assert_ptr_equal(head.prev, &a.link);
    list_push_back(&head, &c.link);
    assert_int_equal(names(&head), 13);
    list_for_each_safe(it, next, &head) list_remove(it);
    assert_true(list_empty(&head));
}

/* The first number is splitmix64's published one for this seed; the sequence is xoshiro256**'s for the state
 * 1, 2, 3, 4 as its authors' code gives it. */
static void random_numbers_are_the_published_ones(void **state)
{
    (void)state;
    struct prng p;
    prng_seed(&p, 1234567);
    assert_true(p.s[0] == 6457827717110365317u);
    p = (struct prng){{1, 2, 3, 4}};
    assert_true(prng_next(&p) == 11520);
    assert_true(prng_next(&p) == 0);
    assert_true(prng_next(&p) == 1509978240);
    assert_true(prng_next(&p) == 1215971899390074240);
}

static void a_bounded_draw_reaches_all_and_favours_none(void **state)
{
    (void)state;
    struct prng p;
    prng_seed(&p, 3);
    int seen[7] = {0};
    for (int i = 0; i < 70000; i++)
        seen[prng_below(&p, 7)]++;
    for (int i = 0; i < 7; i++)
        assert_in_range(seen[i], 9500, 10500);
    /* With a plain remainder the lower third of this bound would come up twice as often. */
    uint64_t bound = UINT64_MAX / 3 * 2;
    int low = 0;
    for (int i = 0; i < 30000; i++)
        low += prng_below(&p, bound) < bound / 2;
    assert_in_range(low, 14500, 15500);
    assert_int_equal(prng_below(&p, 1), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_dict_does_what_its_model_does),
        cmocka_unit_test(a_dict_lets_its_own_key_be_removed),
        cmocka_unit_test(a_heap_keeps_the_least_on_top_and_every_place_true),
        cmocka_unit_test(a_heap_without_a_listener_sorts_too),
        cmocka_unit_test(a_list_keeps_order_and_forgives_a_second_removal),
        cmocka_unit_test(random_numbers_are_the_published_ones),
        cmocka_unit_test(a_bounded_draw_reaches_all_and_favours_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
