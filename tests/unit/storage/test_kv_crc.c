/* What stands in for RocksDB's CRC32C gives the sums that RocksDB's own gives, and does stand in for it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dlfcn.h>
#include <rocksdb/c.h>

#define NAME "_ZN7rocksdb6crc32c6ExtendEjPKcm"

typedef uint32_t extend_fn(uint32_t crc, const char *data, size_t len);

extend_fn rocksdb_crc __asm__(NAME);

/* The one in the library itself; NULL: it has none of that name. */
static extend_fn *of_the_library(void)
{
    Dl_info at;
    assert_int_not_equal(dladdr((void *)(uintptr_t)rocksdb_open, &at), 0);
    void *library = dlopen(at.dli_fname, RTLD_NOW | RTLD_NOLOAD);
    assert_non_null(library);
    void *found = dlsym(library, NAME);
    dlclose(library); /* linked to: it stays */
    return (extend_fn *)(uintptr_t)found;
}

static void the_sums_are_the_same(void **state)
{
    (void)state;
    extend_fn *theirs = of_the_library();
    if (!theirs)
        skip();
    assert_true(theirs != rocksdb_crc);
    char data[1200];
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (char)(i * i * 31 + i * 7 + 3);
    for (size_t len = 0; len <= 1100; len += len < 70 ? 1 : 103)
        for (size_t at = 0; at < 9; at++)
            for (uint32_t crc = 0; crc < 4; crc++)
                assert_int_equal(rocksdb_crc(crc * 0x3fffffd7u, data + at, len),
                                 theirs(crc * 0x3fffffd7u, data + at, len));
}

/* What a library asks for by that name is the program's. */
static void the_library_finds_the_programs(void **state)
{
    (void)state;
    assert_true((extend_fn *)(uintptr_t)dlsym(RTLD_DEFAULT, NAME) == rocksdb_crc);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_sums_are_the_same),
        cmocka_unit_test(the_library_finds_the_programs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
