/* Known-bad ways to hand out elements, each rejected for its reason, and near misses, which have to be accepted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "handed.h"

#include <stdio.h>

static char wrong[160];

struct script {
    struct handed *h;
    uint32_t key;
    uint64_t now_us, index;
    bool good; /* nothing was rejected on the way */
};

static struct script begin(bool in_order)
{
    struct script s = {.h = handed_new(), .now_us = 1000, .good = true};
    wrong[0] = 0;
    s.key = handed_key(s.h, in_order);
    return s;
}

static uint64_t tick(struct script *s)
{
    return s->now_us += 1000;
}

static void push(struct script *s, const char *element, enum handed_fate fate)
{
    size_t e = handed_push(s->h, s->key, slice_cstr(element), tick(s));
    assert_int_not_equal(e, SIZE_MAX);
    handed_pushed(s->h, e, fate, tick(s));
}

static size_t ask(struct script *s, uint32_t client, uint64_t timeout_us)
{
    struct handed_ask a = {.client = client,
                           .keys = {s->key},
                           .key_count = 1,
                           .most = 1,
                           .asked_us = tick(s),
                           .timeout_us = timeout_us};
    return handed_take(s->h, &a);
}

/* NULL: in vain. */
static void got(struct script *s, size_t take, const char *element, bool released)
{
    s->good = s->good && (!element || handed_got(s->h, take, slice_cstr(element), wrong, sizeof(wrong)));
    s->good &=
        handed_taken(s->h, take, HANDED_DONE, tick(s), ++s->index, released, false, wrong, sizeof(wrong));
}

static void without(struct script *s, size_t take, enum handed_fate fate)
{
    s->good &= handed_taken(s->h, take, fate, tick(s), 0, false, false, wrong, sizeof(wrong));
}

static void left(struct script *s, const char *element)
{
    s->good = s->good && handed_left(s->h, s->key, slice_cstr(element), wrong, sizeof(wrong));
}

static void end(struct script *s, const char *why)
{
    bool good = s->good && handed_check(s->h, wrong, sizeof(wrong));
    if (good != !why || (why && !strstr(wrong, why)))
        fail_msg("%s: %s", why ? why : "a near miss", good ? "accepted" : wrong);
    handed_free(s->h);
}

static void handed_twice(bool bad)
{
    struct script s = begin(false);
    push(&s, "<a>", HANDED_DONE);
    push(&s, "<b>", HANDED_DONE);
    got(&s, ask(&s, 1, 0), "<a>", false);
    got(&s, ask(&s, 2, 0), bad ? "<a>" : "<b>", false);
    end(&s, bad ? "is handed to client 2, and was to client 1" : NULL);
}

static void handed_and_left(bool bad)
{
    struct script s = begin(false);
    push(&s, "<a>", HANDED_DONE);
    push(&s, "<b>", HANDED_UNKNOWN);
    got(&s, ask(&s, 1, 0), "<a>", false);
    left(&s, bad ? "<a>" : "<b>");
    end(&s, bad ? "and is still there" : NULL);
}

static void lost(bool bad)
{
    struct script s = begin(false);
    push(&s, "<a>", HANDED_DONE);
    push(&s, "<b>", HANDED_DONE);
    without(&s, ask(&s, 1, 0), HANDED_UNKNOWN);
    if (!bad)
        left(&s, "<a>");
    end(&s, bad ? "nobody got it and it is not there" : NULL);
}

/* It was told that it has not run, and has eaten one all the same. */
static void cleared_and_ran(bool bad)
{
    struct script s = begin(false);
    push(&s, "<a>", HANDED_DONE);
    without(&s, ask(&s, 1, 0), bad ? HANDED_NOT_RUN : HANDED_UNKNOWN);
    end(&s, bad ? "nobody got it and it is not there" : NULL);
}

static void not_pushed(bool bad)
{
    struct script s = begin(false);
    push(&s, "<a>", bad ? HANDED_NOT_RUN : HANDED_UNKNOWN);
    got(&s, ask(&s, 1, 0), "<a>", false);
    end(&s, bad ? "was told that it was not" : NULL);
}

static void of_nobody(bool bad)
{
    struct script s = begin(false);
    push(&s, "<a>", HANDED_DONE);
    got(&s, ask(&s, 1, 0), bad ? "<x>" : "<a>", false);
    end(&s, bad ? "nobody has pushed" : NULL);
}

static void another_key(bool bad)
{
    struct script s = begin(false);
    uint32_t first = s.key;
    s.key = handed_key(s.h, false);
    push(&s, "<a>", HANDED_DONE);
    s.key = bad ? first : s.key;
    got(&s, ask(&s, 1, 0), "<a>", false);
    end(&s, bad ? "did not ask for its key" : NULL);
}

static void too_many(bool bad)
{
    struct script s = begin(false);
    push(&s, "<a>", HANDED_DONE);
    push(&s, "<b>", HANDED_DONE);
    size_t take = ask(&s, 1, 0);
    s.good = !bad || handed_got(s.h, take, SLICE_LITERAL("<b>"), wrong, sizeof(wrong));
    got(&s, take, "<a>", false);
    if (!bad)
        left(&s, "<b>");
    end(&s, bad ? "is handed 2 elements and asked for 1" : NULL);
}

static void out_of_order(bool bad)
{
    struct script s = begin(bad);
    push(&s, "<a>", HANDED_DONE);
    push(&s, "<b>", HANDED_DONE);
    got(&s, ask(&s, 1, 0), "<b>", false);
    got(&s, ask(&s, 2, 0), "<a>", false);
    end(&s, bad ? "was pushed before <b>, and taken after it" : NULL);
}

static void left_behind(bool bad)
{
    struct script s = begin(true);
    push(&s, bad ? "<a>" : "<b>", HANDED_DONE);
    push(&s, bad ? "<b>" : "<a>", HANDED_DONE);
    got(&s, ask(&s, 1, 0), "<b>", false);
    left(&s, "<a>");
    end(&s, bad ? "was pushed before <b>, and taken after it" : NULL);
}

/* Two at a time may have gone either way. */
static void side_by_side(bool bad)
{
    struct script s = begin(true);
    push(&s, "<a>", HANDED_DONE);
    push(&s, "<b>", HANDED_DONE);
    size_t one = ask(&s, 1, 0), two = bad ? 0 : ask(&s, 2, 0);
    got(&s, one, "<b>", false);
    got(&s, bad ? ask(&s, 2, 0) : two, "<a>", false);
    end(&s, bad ? "was pushed before <b>, and taken after it" : NULL);
}

static void passed_over(bool bad)
{
    struct script s = begin(false);
    size_t one = ask(&s, 1, 0), two;
    if (bad)
        handed_waits(s.h, one, tick(&s));
    two = ask(&s, 2, 0);
    if (!bad)
        handed_waits(s.h, one, tick(&s));
    handed_waits(s.h, two, tick(&s));
    push(&s, "<a>", HANDED_DONE);
    push(&s, "<b>", HANDED_DONE);
    got(&s, two, "<a>", true);
    got(&s, one, "<b>", true);
    end(&s, bad ? "and came after client 1, who waited" : NULL);
}

/* The other one's time was up by then. */
static void passed_over_in_vain(bool bad)
{
    struct script s = begin(false);
    size_t one = ask(&s, 1, 0), two;
    handed_waits(s.h, one, tick(&s));
    two = ask(&s, 2, 0);
    handed_waits(s.h, two, tick(&s));
    push(&s, "<a>", HANDED_DONE);
    if (bad)
        got(&s, two, "<a>", true);
    got(&s, one, NULL, true);
    if (!bad)
        got(&s, two, "<a>", true);
    end(&s, bad ? "and came after client 1, who waited" : NULL);
}

static void too_soon(bool bad)
{
    struct script s = begin(false);
    size_t take = ask(&s, 1, 100000);
    s.now_us += bad ? 70000 : 100000;
    got(&s, take, NULL, true);
    end(&s, bad ? "are over for which it waits" : NULL);
}

static void put_away_twice(bool bad)
{
    struct script s = begin(false);
    push(&s, "<a>", HANDED_DONE);
    without(&s, ask(&s, 1, 0), HANDED_UNKNOWN);
    for (int i = 0; i <= bad; i++)
        s.good &= handed_put_away(s.h, SLICE_LITERAL("<a>"), wrong, sizeof(wrong));
    end(&s, bad ? "and is there once more" : NULL);
}

static void test_known_bad(void **state)
{
    static void (*const all[])(bool) = {
        handed_twice, handed_and_left, lost,     cleared_and_ran, not_pushed,
        of_nobody,    another_key,     too_many, out_of_order,    left_behind,
        side_by_side, passed_over,     too_soon, put_away_twice,  passed_over_in_vain};
    (void)state;
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        all[i](true);
        all[i](false);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_known_bad)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
