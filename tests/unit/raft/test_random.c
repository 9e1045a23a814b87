/* Random histories, some hundreds of them, each from its seed (`RAFT_SEED=n` runs one, `RAFT_SEEDS=n` that
 * many). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "chaos.h"

static void random_histories_are_safe_and_end_well(void **state)
{
    (void)state;
    const char *one = getenv("RAFT_SEED"), *many = getenv("RAFT_SEEDS");
    uint64_t first = one ? strtoull(one, NULL, 10) : 1;
    uint64_t count = one ? 1 : many ? strtoull(many, NULL, 10) : 1500;
    uint64_t bad = 0;
    struct chaos_result sum = {0};
    for (uint64_t seed = first; seed < first + count; seed++) {
        struct chaos_result r = chaos_run(seed);
        sum.committed += r.committed;
        sum.reads_done += r.reads_done;
        sum.elections += r.elections;
        sum.installs += r.installs;
        sum.steps += r.steps;
        sum.changes += r.changes;
        if (r.safe && r.lively)
            continue;
        bad++;
        print_message("%s\n", r.safe ? "" : r.failure);
        if (r.safe)
            print_message("seed %llu: healed, and yet nothing commits\n", (unsigned long long)seed);
    }
    print_message("%llu steps, %llu entries committed, %llu reads, %llu elections, %llu installs, %llu "
                  "member changes\n",
                  (unsigned long long)sum.steps, (unsigned long long)sum.committed,
                  (unsigned long long)sum.reads_done, (unsigned long long)sum.elections,
                  (unsigned long long)sum.installs, (unsigned long long)sum.changes);
    assert_int_equal(bad, 0);
    if (count < 100)
        return;
    /* A harness that exercises nothing proves nothing. */
    assert_true(sum.committed > 10000 && sum.reads_done > 10000);
    assert_true(sum.elections > 500 && sum.installs > 50 && sum.changes > 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(random_histories_are_safe_and_end_well)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
