/* Arrays in segments, the huge pages beyond the first 2 MiB above all: tables of that size are rare in other tests. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

#include "base/alloc.h"
#include "store/segments.h"

enum { ITEM = 8, IN_SEGMENT = SEGMENT_BYTES / ITEM, IN_PAGE = MEM_HUGE_BYTES / ITEM, PAGES = 4 };

static uint64_t *at(const struct segments *a, size_t i)
{
    return segments_at(a, i, ITEM);
}

/* Items from..to-1: what came new is zero; all of it is written. */
static void grow_and_fill(struct segments *a, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++) {
        segments_grow(a, i + 1, ITEM);
        assert_int_equal(*at(a, i), 0);
        *at(a, i) = i + 1;
    }
}

static void assert_filled(const struct segments *a, size_t to)
{
    for (size_t i = 0; i < to; i++)
        assert_int_equal(*at(a, i), i + 1);
}

static void test_nothing_moves(void **state)
{
    struct segments a = {NULL, 0, 0, 0};
    (void)state;
    grow_and_fill(&a, 0, IN_PAGE);
    const uint64_t *first = at(&a, 0), *last = at(&a, IN_PAGE - 1);
    grow_and_fill(&a, IN_PAGE, PAGES * IN_PAGE);
    assert_ptr_equal(at(&a, 0), first);
    assert_ptr_equal(at(&a, IN_PAGE - 1), last);
    assert_filled(&a, PAGES * IN_PAGE);
    for (size_t page = 1; page < PAGES; page++) {
        uint64_t *begin = at(&a, page * IN_PAGE);
        assert_int_equal((uintptr_t)begin % MEM_HUGE_BYTES, 0);
        assert_ptr_equal(at(&a, (page + 1) * IN_PAGE - 1), begin + IN_PAGE - 1);
    }
    segments_deinit(&a);
    assert_int_equal(segments_bytes(&a), 0);
}

/* Down to the middle of a page, to a border, to below the first page, to nothing; and up again each time. */
static void test_what_comes_again_is_zero(void **state)
{
    const size_t kept[] = {
        2 * IN_PAGE + IN_PAGE / 2, 2 * IN_PAGE, IN_PAGE + IN_SEGMENT, IN_PAGE, IN_PAGE / 2, 0};
    struct segments a = {NULL, 0, 0, 0};
    size_t filled = 0;
    (void)state;
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++) {
        grow_and_fill(&a, filled, PAGES * IN_PAGE);
        segments_resize(&a, kept[i] * ITEM);
        filled = kept[i];
        assert_filled(&a, filled);
    }
    grow_and_fill(&a, 0, 2 * IN_PAGE);
    segments_deinit(&a);
}

static size_t address_space(void)
{
    size_t pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    assert_non_null(f);
    assert_int_equal(fscanf(f, "%zu", &pages), 1);
    fclose(f);
    return pages * 4096;
}

/* A whole page counts as soon as a piece of it is used, and is given back with its last. */
static void test_pages_are_counted_and_freed(void **state)
{
    enum { ROUNDS = 400 };
    struct segments a = {NULL, 0, 0, 0};
    (void)state;
    segments_grow(&a, IN_PAGE, ITEM);
    size_t list = a.cap * sizeof *a.list;
    assert_int_equal(segments_bytes(&a), MEM_HUGE_BYTES + list);
    segments_grow(&a, IN_PAGE + 1, ITEM);
    list = a.cap * sizeof *a.list;
    assert_int_equal(segments_bytes(&a), 2 * MEM_HUGE_BYTES + list);
    size_t before = address_space();
    for (int i = 0; i < ROUNDS; i++) {
        segments_resize(&a, SEGMENT_BYTES);
        segments_grow(&a, 2 * IN_PAGE, ITEM);
    }
    assert_true(address_space() < before + ROUNDS / 2 * (size_t)MEM_HUGE_BYTES);
    segments_deinit(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_moves),
        cmocka_unit_test(test_what_comes_again_is_zero),
        cmocka_unit_test(test_pages_are_counted_and_freed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
