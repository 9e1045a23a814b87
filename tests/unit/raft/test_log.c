/* The log as the core knows it: batches, and what an entry costs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "raft/raft_int.h"

static void init(struct raft_log *log)
{
    raft_log_init(log, 0, 0, &(struct raft_members){0});
}

/* What a batch is said to have: no less than it has, and an eighth more at most, from nothing to the largest. */
static void sizes_are_rounded_up_a_little(void **state)
{
    (void)state;
    static const uint64_t near[] = {0, 1, 2, 3, 5, 7};
    struct raft_log log;
    init(&log);
    for (unsigned bits = 0; bits < 32; bits++)
        for (size_t i = 0; i < sizeof near / sizeof *near; i++)
            for (int sign = -1; sign <= 1; sign += 2) {
                uint32_t size = (uint32_t)(((uint64_t)1 << bits) + (uint64_t)sign * near[i]);
                size_t bytes;
                raft_log_append(&log, 1, size, NULL);
                assert_int_equal(raft_log_batch(&log, log.last, 1, &bytes), log.last);
                assert_in_range(bytes, size, (uint64_t)size + size / 8 + (size > 8));
            }
    raft_log_deinit(&log);
}

static void a_batch_keeps_to_its_limit(void **state)
{
    (void)state;
    struct raft_log log;
    init(&log);
    for (uint32_t i = 0; i < 5000; i++)
        raft_log_append(&log, 1, 37 + 11 * (i % 40), NULL);
    raft_log_compact(&log, 1234);
    for (uint64_t first = 1235; first <= log.last;) {
        size_t bytes, sum = 0;
        uint64_t last = raft_log_batch(&log, first, 3000, &bytes);
        for (uint64_t i = first; i <= last; i++)
            sum += 37 + 11 * ((i - 1) % 40);
        assert_in_range(sum, last == log.last ? 1 : 2000, bytes);
        assert_true(bytes <= 3000);
        first = last + 1;
    }
    raft_log_deinit(&log);
}

/* A million small entries are a few seconds' work, and stay until the next snapshot. */
static void an_entry_costs_two_bytes(void **state)
{
    (void)state;
    struct raft_log log;
    init(&log);
    for (uint32_t i = 0; i < 1000000; i++)
        raft_log_append(&log, 1, 80, NULL);
    assert_true(mem_usable(log.sizes) <= 2 * 1000000 + 100000);
    raft_log_deinit(&log);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes_are_rounded_up_a_little),
        cmocka_unit_test(a_batch_keeps_to_its_limit),
        cmocka_unit_test(an_entry_costs_two_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
