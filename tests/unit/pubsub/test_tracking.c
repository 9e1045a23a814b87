/* Who holds copies of what, against plain tables. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

#include "base/prng.h"
#include "pubsub/tracking.h"

static const struct hash_seed seed = {1, 2};
enum { KEYS = 40, CLIENTS = 9, STEPS = 20000 };

static struct slice key_of(char text[16], uint64_t i)
{
    return slice_of(text, (size_t)snprintf(text, 16, "k%d", (int)i));
}

static void test_readers(void **state)
{
    static bool has[KEYS][CLIENTS];
    struct tracking *t = tracking_new(seed);
    struct buf clients = BUF_EMPTY;
    struct prng r;
    size_t items = 0;
    (void)state;
    prng_seed(&r, 3);
    for (int step = 0; step < STEPS; step++) {
        uint64_t k = prng_below(&r, KEYS), c = prng_below(&r, CLIENTS);
        char text[16];
        struct slice key = key_of(text, k);
        if (prng_below(&r, 4)) {
            tracking_remember(t, key, c);
            items += !has[k][c];
            has[k][c] = true;
        } else {
            size_t expected = 0;
            buf_truncate(&clients, 0);
            for (size_t i = 0; i < CLIENTS; i++)
                expected += has[k][i];
            assert_int_equal(tracking_forget(t, key, &clients), expected);
            struct reader in = reader_of(buf_slice(&clients));
            while (reader_left(&in)) {
                uint64_t who = get_u64(&in);
                assert_true(who < CLIENTS && has[k][who]);
                has[k][who] = false;
            }
            for (size_t i = 0; i < CLIENTS; i++)
                assert_false(has[k][i]);
            items -= expected;
        }
        assert_int_equal(tracking_items(t), items);
    }
    size_t keys = 0;
    for (size_t k = 0; k < KEYS; k++) {
        bool any = false;
        for (size_t c = 0; c < CLIENTS; c++)
            any |= has[k][c];
        keys += any;
    }
    assert_int_equal(tracking_keys(t), keys);
    assert_true(tracking_key_at(t, keys - 1).data[0] == 'k');
    tracking_forget_all(t);
    assert_int_equal(tracking_keys(t) + tracking_items(t), 0);
    buf_deinit(&clients);
    tracking_free(t);
}

static struct buf told;

static void tell(void *arg, uint64_t client, const struct tracking_noted *keys, size_t count)
{
    assert_ptr_equal(arg, &told);
    buf_printf(&told, "%d:", (int)client);
    for (size_t i = 0; i < count; i++)
        buf_printf(&told, "%s%.*s/%d", i ? "," : "", (int)keys[i].key.len, keys[i].key.data, (int)keys[i].by);
    buf_printf(&told, " ");
}

static void assert_told(struct tracking *t, const char *text)
{
    buf_truncate(&told, 0);
    tracking_tell(t, tell, &told);
    put_u8(&told, 0);
    assert_string_equal(told.data, text);
}

static void note(struct tracking *t, const char *key, uint64_t by)
{
    tracking_note(t, slice_cstr(key), by);
}

static void test_prefixes(void **state)
{
    struct tracking *t = tracking_new(seed);
    (void)state;
    note(t, "a:1", 9); /* nobody wants it */
    tracking_add_prefix(t, SLICE_LITERAL("a:"), 1);
    tracking_add_prefix(t, SLICE_LITERAL("a:"), 2);
    tracking_add_prefix(t, SLICE_LITERAL("a:"), 2);
    tracking_add_prefix(t, SLICE_LITERAL(""), 3);
    assert_told(t, "");
    note(t, "a:1", 4);
    note(t, "b", 0);
    note(t, "a:1", 5); /* the last one counts */
    note(t, "a", 6);
    assert_told(t, "1:a:1/5 2:a:1/5 3:a:1/5,b/0,a/6 ");
    assert_told(t, "");
    assert_int_equal(tracking_prefixes(t), 2);
    assert_true(tracking_wants(t, 0, 2) && !tracking_wants(t, 0, 3) && tracking_wants(t, 1, 3));
    tracking_drop_prefixes(t, 2);
    note(t, "a:2", 7);
    tracking_drop_prefixes(t, 3); /* with what it would have been told */
    assert_told(t, "1:a:2/7 ");
    note(t, "a:2", 7);
    tracking_free(t); /* some is noted */
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_readers), cmocka_unit_test(test_prefixes)};
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    buf_deinit(&told);
    return failed;
}
