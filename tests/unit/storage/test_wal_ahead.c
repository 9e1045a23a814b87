/* Zeroes ahead of RocksDB's WAL: with a file that is written like one, where they go and what is said of a RocksDB that does
 * not write into them; with RocksDB itself, that a life which ends among them is read as far as it was synced. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../support/disk.h"
#include "base/alloc.h"
#include "storage/journal.h"
#include "storage/wal_ahead.h"

enum { AHEAD = 256 << 10, MANY = 32, SMALL = 300, MEDIUM = 4000 };

static int refused_with; /* errno; 0: zeroes are taken */

ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t offset)
{
    if (refused_with) {
        errno = refused_with;
        return -1;
    }
    return syscall(SYS_pwritev, fd, parts, count, offset, 0);
}

/* ---- a file written like a WAL ------------------------------------------------------------------------- */

struct fake {
    char *dir;
    int fd; /* its offset is where "RocksDB" stands */
    struct wal_ahead ahead;
};

static void fake_file(struct fake *f, const char *name)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", f->dir, name);
    if (f->fd >= 0)
        close(f->fd);
    f->fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0644);
    assert_true(f->fd >= 0);
}

static struct fake fake_begin(void)
{
    struct fake f = {.dir = disk_dir(), .fd = -1};
    fake_file(&f, "000007.log");
    fake_file(&f, "000012.log");
    wal_ahead_open(&f.ahead, f.dir);
    return f;
}

static void fake_end(struct fake *f)
{
    wal_ahead_close(&f->ahead);
    close(f->fd);
    disk_remove(f->dir);
}

static uint64_t size_of(int fd)
{
    struct stat st;
    assert_int_equal(fstat(fd, &st), 0);
    return (uint64_t)st.st_size;
}

static const char *fake_commit(struct fake *f, uint64_t memtable, size_t bytes)
{
    char *data = mem_alloc(bytes);
    memset(data, 'x', bytes);
    assert_int_equal(write(f->fd, data, bytes), (ssize_t)bytes);
    mem_free(data);
    return wal_ahead_committed(&f->ahead, memtable, bytes);
}

static void fake_commits(struct fake *f, size_t count, size_t bytes)
{
    for (size_t i = 0; i < count; i++)
        assert_null(fake_commit(f, 1 << 20, bytes));
}

static uint64_t stands_at(const struct fake *f)
{
    return (uint64_t)lseek(f->fd, 0, SEEK_CUR);
}

static void many_small_commits_get_zeroes(void **state)
{
    (void)state;
    struct fake f = fake_begin();
    fake_commits(&f, MANY - 1, SMALL);
    assert_int_equal(size_of(f.fd), stands_at(&f));
    fake_commits(&f, 1, SMALL);
    uint64_t first = stands_at(&f);
    assert_int_equal(size_of(f.fd), first + AHEAD);
    fake_commits(&f, AHEAD / SMALL, SMALL);
    assert_int_equal(size_of(f.fd), first + AHEAD);
    fake_commits(&f, 1, SMALL); /* past their end */
    assert_int_equal(size_of(f.fd), stands_at(&f) + AHEAD);
    char *data = mem_alloc(size_of(f.fd));
    ssize_t len = pread(f.fd, data, size_of(f.fd), 0);
    for (ssize_t i = 0; i < len; i++)
        assert_int_equal(data[i], (uint64_t)i < stands_at(&f) ? 'x' : 0);
    mem_free(data);
    fake_end(&f);
}

static void large_commits_get_none(void **state)
{
    (void)state;
    struct fake f = fake_begin();
    fake_commits(&f, 3 * MANY, 9000);
    assert_int_equal(size_of(f.fd), stands_at(&f));
    fake_commits(&f, 2 * MANY, SMALL); /* and small ones after them some */
    assert_true(size_of(f.fd) > stands_at(&f));
    fake_end(&f);
}

static void another_wal_is_found(void **state)
{
    (void)state;
    struct fake f = fake_begin();
    fake_commits(&f, MANY, SMALL);
    fake_file(&f, "000014.log");
    fake_file(&f, "000103.log");
    assert_null(fake_commit(&f, 4096, SMALL)); /* the memtable has been emptied */
    fake_commits(&f, MANY, SMALL);
    assert_true(size_of(f.fd) > stands_at(&f));
    fake_end(&f);
}

static void a_log_that_grows_behind_them_is_told(void **state)
{
    (void)state;
    struct fake f = fake_begin();
    fake_commits(&f, MANY, SMALL);
    lseek(f.fd, 0, SEEK_END);
    assert_non_null(fake_commit(&f, 1 << 20, SMALL));
    fake_end(&f);
}

static void a_commit_that_reaches_beyond_them_is_none(void **state)
{
    (void)state;
    struct fake f = fake_begin();
    fake_commits(&f, MANY, SMALL);
    fake_commits(&f, 1, AHEAD + SMALL);
    fake_end(&f);
}

static void a_full_disk_goes_without_a_bad_one_does_not(void **state)
{
    (void)state;
    struct fake f = fake_begin();
    refused_with = ENOSPC;
    fake_commits(&f, MANY, SMALL);
    assert_int_equal(size_of(f.fd), stands_at(&f));
    fake_commits(&f, MANY, SMALL);
    refused_with = 0;
    fake_end(&f);
    f = fake_begin();
    fake_commits(&f, MANY - 1, SMALL);
    refused_with = EIO;
    assert_string_equal(fake_commit(&f, 1 << 20, SMALL), strerror(EIO));
    refused_with = 0;
    fake_end(&f);
}

static void what_is_not_synced_stays_away_from_them(void **state)
{
    (void)state;
    struct fake f = fake_begin();
    assert_false(wal_ahead_must_leave(&f.ahead));
    fake_commits(&f, MANY, SMALL);
    assert_true(wal_ahead_must_leave(&f.ahead));
    assert_false(wal_ahead_must_leave(&f.ahead));
    for (int i = 0; i < 3 * MANY; i++) { /* every other one */
        fake_commits(&f, 1, SMALL);
        assert_false(wal_ahead_must_leave(&f.ahead));
    }
    fake_end(&f);
}

/* ---- RocksDB ------------------------------------------------------------------------------------------- */

static struct kv *open_kv(const char *dir)
{
    char error[KV_ERROR_MAX];
    bool damaged;
    struct kv *kv = kv_open(dir, false, &damaged, error);
    if (!kv)
        fail_msg("%s", error);
    return kv;
}

static void put(struct kv *kv, uint64_t index, size_t len, bool sync)
{
    struct journal_key key = journal_key(index);
    char *value = mem_alloc(len);
    memset(value, (int)(index % 255) + 1, len);
    struct slice part = slice_of(value, len);
    kv->put(kv, journal_key_slice(&key), &part, 1);
    mem_free(value);
    assert_true(kv->commit(kv, sync));
}

/* The keys from 1 on without a gap. */
static uint64_t keys(struct kv *kv)
{
    struct journal_key key = journal_key(1);
    struct kv_cursor *c = kv->cursor(kv);
    uint64_t count = 0;
    for (c->seek(c, journal_key_slice(&key)); c->valid; c->next(c)) {
        assert_int_equal(journal_key_index(c->key), ++count);
        for (size_t i = 0; i < c->value.len; i++)
            assert_int_equal((unsigned char)c->value.data[i], count % 255 + 1);
    }
    assert_false(c->failed);
    c->close(c);
    return count;
}

static void newest_log(const char *dir, char out[4096])
{
    char best[256] = "";
    DIR *d = opendir(dir);
    for (struct dirent *e; (e = readdir(d));) {
        size_t len = strlen(e->d_name);
        if (len > 4 && strcmp(e->d_name + len - 4, ".log") == 0 && strcmp(e->d_name, best) > 0)
            snprintf(best, sizeof best, "%s", e->d_name);
    }
    closedir(d);
    assert_true(best[0] != 0);
    snprintf(out, 4096, "%s/%s", dir, best);
}

/* The newest WAL of a process that died after `count` commits. */
static int left_by_one_that_died(const char *dir, uint64_t count)
{
    char path[4096];
    int status;
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        struct kv *kv = open_kv(dir);
        for (uint64_t i = 1; i <= count; i++)
            put(kv, i, SMALL, true);
        _exit(0);
    }
    waitpid(pid, &status, 0);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    newest_log(dir, path);
    int fd = open(path, O_RDWR);
    assert_true(fd >= 0);
    return fd;
}

static uint64_t data_end(int fd)
{
    uint64_t end = size_of(fd);
    char byte = 0;
    while (end > 0 && pread(fd, &byte, 1, (off_t)end - 1) == 1 && !byte)
        end--;
    return end;
}

static uint64_t found(const char *dir)
{
    struct kv *kv = open_kv(dir);
    uint64_t count = keys(kv);
    assert_true(kv->flush(kv));
    put(kv, count + 1, SMALL, true);
    kv->close(kv);
    kv = open_kv(dir);
    assert_int_equal(keys(kv), count + 1);
    kv->close(kv);
    return count;
}

static void a_life_that_ends_among_them_is_whole(void **state)
{
    (void)state;
    static const uint64_t lives[] = {MANY - 1, MANY, MANY + 1, 500,
                                     1200}; /* the last one is past the first piece */
    for (size_t i = 0; i < sizeof lives / sizeof *lives; i++) {
        char *dir = disk_dir();
        int fd = left_by_one_that_died(dir, lives[i]);
        uint64_t ahead = size_of(fd) - data_end(fd);
        assert_true(lives[i] < MANY ? ahead == 0 : ahead > 0 && ahead <= AHEAD);
        close(fd);
        assert_int_equal(found(dir), lives[i]);
        disk_remove(dir);
    }
}

/* Of the last commit a power cut may leave any part, and zeroes in the place of the rest. */
static void what_a_power_cut_tore_is_left_out(void **state)
{
    (void)state;
    for (uint64_t back = 1; back < SMALL + 30; back += 23) {
        char *dir = disk_dir();
        int fd = left_by_one_that_died(dir, 100);
        static const char zeroes[SMALL + 30];
        assert_int_equal(pwrite(fd, zeroes, back, (off_t)(data_end(fd) - back)), (ssize_t)back);
        close(fd);
        assert_int_equal(found(dir), 99);
        disk_remove(dir);
    }
}

static void an_unsynced_commit_begins_another_wal(void **state)
{
    (void)state;
    char before[4096], after[4096], *dir = disk_dir();
    struct kv *kv = open_kv(dir);
    uint64_t index = 1;
    for (; index <= MANY; index++)
        put(kv, index, SMALL, true);
    newest_log(dir, before);
    put(kv, index++, SMALL, false);
    newest_log(dir, after);
    assert_string_not_equal(before, after);
    int fd = open(after, O_RDONLY);
    assert_int_equal(size_of(fd), data_end(fd));
    close(fd);
    put(kv, index++, SMALL, false);
    newest_log(dir, before);
    assert_string_equal(before, after);
    for (; index <= 3000; index++) /* through more than one memtable */
        put(kv, index, MEDIUM, index % 100 != 0);
    assert_int_equal(keys(kv), index - 1);
    kv->close(kv);
    assert_int_equal(found(dir), index - 1);
    disk_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(many_small_commits_get_zeroes),
        cmocka_unit_test(large_commits_get_none),
        cmocka_unit_test(another_wal_is_found),
        cmocka_unit_test(a_log_that_grows_behind_them_is_told),
        cmocka_unit_test(a_commit_that_reaches_beyond_them_is_none),
        cmocka_unit_test(a_full_disk_goes_without_a_bad_one_does_not),
        cmocka_unit_test(what_is_not_synced_stays_away_from_them),
        cmocka_unit_test(a_life_that_ends_among_them_is_whole),
        cmocka_unit_test(what_a_power_cut_tore_is_left_out),
        cmocka_unit_test(an_unsynced_commit_begins_another_wal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
