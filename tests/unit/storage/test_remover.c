/* Large files that go bit by bit: the name at once, the space by and by, and nothing under those who still read. */
#include "storage/remover.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

enum { MIB = 1 << 20 };

struct made {
    char dir[64];
    int dir_fd;
    ino_t file;
};

static struct made make(off_t bytes)
{
    struct made m;
    snprintf(m.dir, sizeof m.dir, "/tmp/kvorum-remover-XXXXXX");
    assert_non_null(mkdtemp(m.dir));
    m.dir_fd = open(m.dir, O_RDONLY | O_DIRECTORY);
    int fd = openat(m.dir_fd, "f", O_RDWR | O_CREAT, 0600);
    struct stat st;
    assert_int_equal(ftruncate(fd, bytes), 0);
    assert_int_equal(fstat(fd, &st), 0);
    m.file = st.st_ino;
    close(fd);
    return m;
}

static void unmake(struct made *m)
{
    unlinkat(m->dir_fd, "g", 0);
    close(m->dir_fd);
    assert_int_equal(rmdir(m->dir), 0);
}

/* By whatever descriptor this process has of it: one of our own would hold it. 0: none any more. */
static off_t size_of(const struct made *m)
{
    struct stat st;
    for (int fd = 0; fd < 64; fd++)
        if (fstat(fd, &st) == 0 && st.st_ino == m->file)
            return st.st_size;
    return 0;
}

static void sleep_ms(unsigned ms)
{
    usleep(ms * 1000);
}

static void test_by_and_by(void **state)
{
    struct made m = make(100 * (off_t)MIB);
    struct remover *r = remover_new();
    (void)state;
    remover_take(r, m.dir_fd, "f");
    assert_int_equal(faccessat(m.dir_fd, "f", F_OK, 0), -1);
    assert_true(size_of(&m) > 50 * (off_t)MIB); /* not in one go */
    for (int i = 0; i < 500 && size_of(&m) > 8 * (off_t)MIB; i++)
        sleep_ms(10);
    assert_true(size_of(&m) <= 8 * (off_t)MIB);
    remover_free(r);
    unmake(&m);
}

/* A reader's bytes stay until it has closed its file, whoever it is. */
static void test_held(void **state)
{
    struct made m = make(100 * (off_t)MIB);
    struct remover *r = remover_new();
    struct stat st;
    int reader = openat(m.dir_fd, "f", O_RDONLY);
    (void)state;
    remover_take(r, m.dir_fd, "f");
    sleep_ms(100);
    assert_int_equal(fstat(reader, &st), 0);
    assert_int_equal(st.st_size, 100 * (off_t)MIB);
    close(reader);
    for (int i = 0; i < 500 && size_of(&m) == 100 * (off_t)MIB; i++)
        sleep_ms(10);
    assert_true(size_of(&m) < 100 * (off_t)MIB);
    remover_free(r); /* in the middle of it */
    unmake(&m);
}

/* What has another name is not theirs to empty. */
static void test_linked(void **state)
{
    struct made m = make(100 * (off_t)MIB);
    struct remover *r = remover_new();
    struct stat st;
    (void)state;
    assert_int_equal(linkat(m.dir_fd, "f", m.dir_fd, "g", 0), 0);
    remover_take(r, m.dir_fd, "f");
    sleep_ms(50);
    assert_int_equal(fstatat(m.dir_fd, "g", &st, 0), 0);
    assert_int_equal(st.st_size, 100 * (off_t)MIB);
    remover_free(r);
    unmake(&m);
}

static void test_without(void **state)
{
    struct made m = make(100 * (off_t)MIB);
    (void)state;
    remover_take(NULL, m.dir_fd, "f");
    assert_int_equal(faccessat(m.dir_fd, "f", F_OK, 0), -1);
    unmake(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_by_and_by),
        cmocka_unit_test(test_held),
        cmocka_unit_test(test_linked),
        cmocka_unit_test(test_without),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
