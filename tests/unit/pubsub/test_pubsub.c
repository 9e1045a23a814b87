/* Who hears of what: channels, patterns and shard channels, against a table that is walked from end to end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

#include "base/glob.h"
#include "base/prng.h"
#include "pubsub/pubsub.h"

static const struct hash_seed seed = {1, 2};
static struct buf heard;

static void hear(void *arg, void *owner, const struct slice *pattern)
{
    assert_ptr_equal(arg, &heard);
    buf_printf(&heard, "%s%s", heard.len ? " " : "", (const char *)owner);
    if (pattern)
        buf_printf(&heard, "/%.*s", (int)pattern->len, pattern->data);
}

/* As "a b b/p*": who heard, and by which pattern. */
static void assert_heard(struct pubsub *p, bool shard, const char *channel, const char *by)
{
    buf_truncate(&heard, 0);
    size_t count = pubsub_publish(p, shard, slice_cstr(channel), hear, &heard);
    put_u8(&heard, 0);
    assert_string_equal(heard.data, by);
    assert_int_equal(pubsub_publish(p, shard, slice_cstr(channel), NULL, NULL), count);
}

static bool add(struct subscriber *s, enum pubsub_kind kind, const char *name)
{
    return subscriber_add(s, kind, slice_cstr(name));
}

static bool drop(struct subscriber *s, enum pubsub_kind kind, const char *name)
{
    return subscriber_remove(s, kind, slice_cstr(name));
}

static void test_who_hears(void **state)
{
    struct pubsub *p = pubsub_new(seed);
    struct subscriber *a = subscriber_new(p, "a"), *b = subscriber_new(p, "b");
    (void)state;
    assert_heard(p, false, "news", "");
    assert_true(add(b, PUBSUB_CHANNEL, "news"));
    assert_true(add(a, PUBSUB_CHANNEL, "news"));
    assert_false(add(a, PUBSUB_CHANNEL, "news"));
    assert_heard(p, false, "news", "b a");
    assert_true(add(a, PUBSUB_PATTERN, "n*"));
    assert_true(add(a, PUBSUB_PATTERN, "*s"));
    assert_heard(p, false, "news", "b a a/n* a/*s");
    assert_heard(p, false, "New", "");
    assert_true(add(b, PUBSUB_SHARD, "news"));
    assert_heard(p, true, "news", "b");
    assert_int_equal(subscriber_count(a, PUBSUB_PATTERN), 2);
    assert_int_equal(pubsub_subscribers(p, PUBSUB_CHANNEL, SLICE_LITERAL("news")), 2);
    assert_true(drop(a, PUBSUB_PATTERN, "n*"));
    assert_false(drop(a, PUBSUB_PATTERN, "n*"));
    assert_true(drop(b, PUBSUB_CHANNEL, "news"));
    assert_heard(p, false, "news", "a a/*s");
    assert_true(add(a, PUBSUB_CHANNEL, ""));
    assert_heard(p, false, "", "a");
    subscriber_free(a);
    assert_heard(p, false, "news", "");
    assert_int_equal(pubsub_count(p, PUBSUB_CHANNEL) + pubsub_count(p, PUBSUB_PATTERN), 0);
    assert_int_equal(pubsub_count(p, PUBSUB_SHARD), 1);
    subscriber_free(b);
    pubsub_free(p);
}

enum { SUBSCRIBERS = 12, NAMES = 24, STEPS = 20000 };

static void name_of(char out[16], enum pubsub_kind kind, uint64_t i)
{
    snprintf(out, 16, kind == PUBSUB_PATTERN ? "c%d*" : "c%d", (int)i);
}

/* The bits say who has what; how many are to hear follows from them alone. */
static size_t expected(bool has[PUBSUB_KINDS][SUBSCRIBERS][NAMES], bool shard, uint64_t channel)
{
    char name[16], pattern[16];
    size_t n = 0;
    name_of(name, PUBSUB_CHANNEL, channel);
    for (size_t s = 0; s < SUBSCRIBERS; s++) {
        n += has[shard ? PUBSUB_SHARD : PUBSUB_CHANNEL][s][channel];
        for (size_t i = 0; !shard && i < NAMES; i++) {
            name_of(pattern, PUBSUB_PATTERN, i);
            n += has[PUBSUB_PATTERN][s][i] && glob_match(slice_cstr(pattern), slice_cstr(name), false);
        }
    }
    return n;
}

static void test_random(void **state)
{
    static bool has[PUBSUB_KINDS][SUBSCRIBERS][NAMES];
    struct pubsub *p = pubsub_new(seed);
    struct subscriber *all[SUBSCRIBERS];
    struct prng r;
    (void)state;
    prng_seed(&r, 7);
    for (size_t i = 0; i < SUBSCRIBERS; i++)
        all[i] = subscriber_new(p, NULL);
    for (int step = 0; step < STEPS; step++) {
        enum pubsub_kind kind = (enum pubsub_kind)prng_below(&r, PUBSUB_KINDS);
        size_t who = prng_below(&r, SUBSCRIBERS), what = prng_below(&r, NAMES);
        bool *bit = &has[kind][who][what];
        char name[16];
        name_of(name, kind, what);
        if (prng_below(&r, 2))
            assert_true(add(all[who], kind, name) == !*bit), *bit = true;
        else
            assert_true(drop(all[who], kind, name) == *bit), *bit = false;
        if (prng_below(&r, 500) == 0) {
            subscriber_free(all[who]);
            all[who] = subscriber_new(p, NULL);
            for (size_t k = 0; k < PUBSUB_KINDS; k++)
                memset(has[k][who], 0, sizeof has[k][who]);
        }
        bool shard = prng_below(&r, 2);
        name_of(name, PUBSUB_CHANNEL, what);
        assert_int_equal(pubsub_publish(p, shard, slice_cstr(name), NULL, NULL), expected(has, shard, what));
    }
    for (size_t i = 0; i < SUBSCRIBERS; i++)
        subscriber_free(all[i]);
    pubsub_free(p); /* which asserts that no topic is left */
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_who_hears), cmocka_unit_test(test_random)};
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    buf_deinit(&heard);
    return failed;
}
