/* The cluster clock against voters whose wall clocks are wrong, one at a time. */
#include "node/node_int.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define SECOND  ((uint64_t)1000000)
#define HOUR    (3600 * SECOND)
#define LATELY  SECOND
#define STARTED (1000 * SECOND) /* wall clocks that are right show STARTED + monotonic time */
#define NEAR    (SECOND / 1000)

static struct raft_members voters(uint32_t count)
{
    struct raft_members m = {.count = count};
    for (uint32_t i = 0; i < count; i++) {
        m.at[i].id = i + 1;
        m.at[i].voter = true;
    }
    return m;
}

static void hear(struct cluster_clock *c, uint64_t id, uint64_t now, int64_t wrong)
{
    clock_hear(c, id, (uint64_t)((int64_t)(STARTED + now) + wrong), now);
}

static void assert_right(const struct cluster_clock *c, uint64_t now)
{
    assert_in_range(c->value_us, STARTED + now - NEAR, STARTED + now);
}

/* A leader that hears all: one of three is outvoted, ahead or behind, its own too. */
static void one_of_three_is_outvoted(void **state)
{
    (void)state;
    struct raft_members m = voters(3);
    for (uint64_t bad = 1; bad <= 3; bad++) {
        for (int ahead = 0; ahead < 2; ahead++) {
            struct cluster_clock c = {.count = 0};
            clock_raise(&c, STARTED + SECOND, SECOND);
            for (uint64_t now = SECOND; now < 10 * SECOND; now += SECOND / 20) {
                for (uint64_t id = 1; id <= 3; id++)
                    hear(&c, id, now, id != bad ? 0 : ahead ? (int64_t)HOUR : -(int64_t)HOUR);
                clock_run(&c, &m, now, LATELY);
                assert_right(&c, now);
            }
        }
    }
}

/* Node 1 hears of node 2 that its clock is an hour ahead, when that one leads; that is set right while node 1 hears nothing
 * of it any more. Then the clock of node 3, which leads now, is wrong. There was never more than one. */
static void a_bad_clock_of_old_is_no_second_one(void **state)
{
    (void)state;
    struct raft_members m = voters(3);
    struct cluster_clock c = {.count = 0};
    uint64_t now = SECOND;
    clock_raise(&c, STARTED + SECOND, SECOND);
    for (; now < 10 * SECOND; now += SECOND / 20) {
        hear(&c, 1, now, 0);
        hear(&c, 2, now, (int64_t)HOUR);
        clock_run(&c, &m, now, LATELY);
        assert_right(&c, now);
    }
    for (; now < 20 * SECOND; now += SECOND / 20) {
        hear(&c, 1, now, 0);
        hear(&c, 3, now, now < 15 * SECOND ? 0 : (int64_t)HOUR);
        clock_run(&c, &m, now, LATELY);
        assert_right(&c, now);
    }
    /* It is elected, by a vote of node 2. */
    hear(&c, 1, now, 0);
    hear(&c, 2, now, 0);
    clock_run(&c, &m, now, LATELY);
    assert_right(&c, now);
}

/* A leader whose monotonic clock ticks too fast is held back by the clocks that are right, one bad one ahead or not. */
static void fast_ticks_do_not_add_up(void **state)
{
    (void)state;
    struct raft_members m = voters(3);
    for (uint64_t bad = 0; bad <= 3; bad++) {
        struct cluster_clock c = {.count = 0};
        clock_raise(&c, STARTED + SECOND, SECOND);
        for (uint64_t right = SECOND; right < 1000 * SECOND; right += SECOND / 20) {
            uint64_t ticks = right + right / 2000;
            for (uint64_t id = 1; id <= 3; id++)
                clock_hear(&c, id, STARTED + right + (id == bad ? HOUR : 0), ticks);
            clock_run(&c, &m, ticks, LATELY);
            assert_in_range(c.value_us, STARTED + right, STARTED + right + NEAR);
        }
    }
}

/* The third not heard, a clock that is behind does not slow down the time of a leader whose own is right. */
static void a_clock_behind_does_not_slow_time(void **state)
{
    (void)state;
    struct raft_members m = voters(3);
    struct cluster_clock c = {.count = 0};
    clock_raise(&c, STARTED + SECOND, SECOND);
    for (uint64_t now = SECOND; now < 10 * SECOND; now += SECOND / 20) {
        hear(&c, 1, now, 0);
        hear(&c, 2, now, -(int64_t)HOUR);
        clock_run(&c, &m, now, LATELY);
        assert_right(&c, now);
    }
}

/* Of two the earlier counts; who has heard nobody believes not even itself, and runs on. */
static void nobody_is_believed_alone(void **state)
{
    (void)state;
    struct raft_members m = voters(3);
    struct cluster_clock c = {.count = 0};
    clock_raise(&c, STARTED + SECOND, SECOND);
    for (uint64_t now = SECOND; now < 10 * SECOND; now += SECOND / 20) {
        hear(&c, 1, now, (int64_t)HOUR);
        clock_run(&c, &m, now, LATELY);
        assert_right(&c, now);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_of_three_is_outvoted), cmocka_unit_test(a_bad_clock_of_old_is_no_second_one),
        cmocka_unit_test(fast_ticks_do_not_add_up), cmocka_unit_test(a_clock_behind_does_not_slow_time),
        cmocka_unit_test(nobody_is_believed_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
