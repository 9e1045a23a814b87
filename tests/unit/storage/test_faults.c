/* time limit: 240 s. A failing disk and a sudden end, at every step that makes something durable: the n-th fdatasync, fsync, rename or write
 * fails (the process must end by itself, never try again), or the process dies there. Either way the next start
 * finds at least all that was said to be durable.
 *
 * The calls are caught by defining them here: RocksDB's go through the same names. */
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
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../support/disk.h"

enum call { CALL_FDATASYNC, CALL_FSYNC, CALL_RENAME, CALL_PWRITE, CALL_KINDS };
enum what { FAIL, DIE, DIE_AFTER };

/* Shared with the child: what it was to do, how far it came, what it had been told was durable. */
static struct shared {
    long calls[CALL_KINDS];
    enum call kind;
    enum what what;
    long at; /* the at-th call of the kind; 0: none */
    bool hit, done;
    char file[256];
    uint64_t vote_term, persisted, persisted_term, cut, snapshot, reset;
} * shared;

static bool strike(enum call kind, long fd)
{
    if (!shared)
        return false;
    long n = __atomic_add_fetch(&shared->calls[kind], 1, __ATOMIC_SEQ_CST);
    if (kind != shared->kind || n != shared->at)
        return false;
    shared->hit = true;
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%ld", fd);
    ssize_t len = readlink(link, shared->file, sizeof shared->file - 1);
    shared->file[len > 0 ? len : 0] = 0;
    if (shared->what == DIE)
        _exit(9);
    errno = EIO;
    return true;
}

static int end(int result)
{
    if (shared->what == DIE_AFTER)
        _exit(9);
    return result;
}

static int failing(enum call kind, long number, long a, long b, long c, long d, long *result)
{
    bool struck = strike(kind, a);
    if (struck && shared->what == FAIL) {
        *result = -1;
        return -1;
    }
    *result = syscall(number, a, b, c, d);
    return struck ? end(0) : 0;
}

#define CATCH(kind, number, a, b, c, d)                                                                      \
    long result;                                                                                             \
    failing(kind, number, (long)(a), (long)(b), (long)(c), (long)(d), &result);                              \
    return (int)result

int fdatasync(int fd)
{
    CATCH(CALL_FDATASYNC, SYS_fdatasync, fd, 0, 0, 0);
}

int fsync(int fd)
{
    CATCH(CALL_FSYNC, SYS_fsync, fd, 0, 0, 0);
}

int renameat(int old_dir, const char *old_name, int new_dir, const char *new_name)
{
    CATCH(CALL_RENAME, SYS_renameat, old_dir, old_name, new_dir, new_name);
}

ssize_t pwrite(int fd, const void *data, size_t len, off_t offset)
{
    CATCH(CALL_PWRITE, SYS_pwrite64, fd, data, len, offset);
}

ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t offset)
{
    CATCH(CALL_PWRITE, SYS_pwritev, fd, parts, count, offset);
}

static long synced(enum call kind)
{
    return __atomic_load_n(&shared->calls[kind], __ATOMIC_SEQ_CST);
}

static void save_vote(struct storage *s, uint64_t term)
{
    struct storage_vote vote = {.node_id = 11, .cluster_id = 77, .term = term, .voted_for = term + 1};
    long before = synced(CALL_FDATASYNC);
    storage_save_vote(s, &vote, term);
    assert_int_equal(disk_wait(s, STORAGE_VOTE_SAVED).cookie, term);
    assert_true(synced(CALL_FDATASYNC) >= before + 2); /* each slot */
    shared->vote_term = term;
}

/* Of entries that long, some blocks lie in RocksDB and some in a file of large values. */
static size_t size_at(uint64_t index, uint64_t term)
{
    return (index > 10 && index <= 60 && term == 1) || (index > 24 && index <= 50 && term == 2) ||
                   (index > 100 && term == 3)
               ? 14000
               : 100;
}

static void append(struct storage *s, uint64_t first, uint64_t last, uint64_t term)
{
    long before = synced(CALL_FDATASYNC);
    disk_append(s, first, last, term, size_at(first, term));
    disk_wait_persisted(s, last);
    assert_true(synced(CALL_FDATASYNC) > before); /* nothing is said to be durable that was not synced */
    shared->persisted = last;
    shared->persisted_term = term;
}

/* Another cluster's node from here on. */
static void reset(struct storage *s)
{
    struct storage_vote vote = {.node_id = 22, .cluster_id = 99};
    shared->reset = 1;
    storage_reset(s, &vote, 7);
    assert_int_equal(disk_wait(s, STORAGE_VOTE_SAVED).cookie, 7);
    shared->reset = 2;
    disk_append(s, 1, 5, 1, 100);
    disk_wait_persisted(s, 5);
    shared->reset = 3;
}

/* A life: every kind of change, one after the other. */
static void live(const char *dir)
{
    struct storage_config config = {.dir = dir, .slow_us = 10000000};
    struct storage_found found;
    char error[512];
    struct storage *s = storage_open(&config, &found, error, sizeof error);
    if (!s) /* as main does */
        _exit(error[0] ? 1 : 2);
    struct buf content = BUF_EMPTY;
    disk_rdb(&content, 20000, 1);
    save_vote(s, 1);
    append(s, 1, 10, 1);
    append(s, 11, 60, 1);
    save_vote(s, 2);
    shared->persisted = 24; /* the rest is given up */
    storage_cut(s, 25);
    append(s, 25, 50, 2);
    long files = synced(CALL_FSYNC);
    storage_snapshot_write(s, 30, 2, disk_rdb_write, &content);
    storage_snapshot_keep(s, 30, true);
    if (disk_wait(s, STORAGE_SNAPSHOT_WRITTEN).ok) {
        assert_true(synced(CALL_FSYNC) >= files + 2); /* the file, then its name */
        shared->snapshot = 30;
    }
    storage_compact(s, 30);
    append(s, 51, 60, 2);
    shared->persisted = 54;
    storage_cut(s, 55); /* alone: the log ends earlier than was promised, and rightly so */
    save_vote(s, 3);
    storage_snapshot_receive(s, 0, 100, 3, 0, buf_slice(&content), true);
    assert_true(disk_wait(s, STORAGE_SNAPSHOT_RECEIVED).ok);
    storage_snapshot_install(s, 100, 3, false);
    assert_true(disk_wait(s, STORAGE_SNAPSHOT_INSTALLED).ok);
    shared->snapshot = 100;
    shared->persisted = 100;
    shared->persisted_term = 3;
    append(s, 101, 110, 3);
    save_vote(s, 4);
    reset(s);
    storage_close(s);
    buf_deinit(&content);
    shared->done = true;
}

static void check(void *arg, const struct raft_frame *f)
{
    (void)arg;
    assert_true(disk_frame_is(f, f->index, f->term, size_at(f->index, f->term)));
}

static void expect_promises_kept(const char *dir, const char *when)
{
    struct storage_found found;
    struct storage *s = disk_open(dir, &found);
    if (found.vote.node_id == 22) { /* all of the old is gone, all at once */
        assert_true(shared->reset >= 1 && found.vote.cluster_id == 99 && found.snapshot_index == 0);
        assert_false(found.short_log_found);
        assert_int_equal(found.first, 1);
        assert_true(found.last == 5 || (found.last == 0 && shared->reset < 3));
        storage_close(s);
        return;
    }
    assert_true(shared->reset < 2);
    if (found.short_log_found || found.vote.term < shared->vote_term ||
        found.snapshot_index < shared->snapshot || found.last < shared->persisted) {
        print_message("%s: term %lu of %lu, snapshot %lu of %lu, last %lu of %lu: %s\n", when,
                      found.vote.term, shared->vote_term, found.snapshot_index, shared->snapshot, found.last,
                      shared->persisted, found.what);
        fail();
    }
    assert_true(found.vote.term <= 4);
    if (found.vote.term)
        assert_int_equal(found.vote.voted_for, found.vote.term + 1);
    storage_replay(s, 1, check, NULL);
    disk_append(s, found.last + 1, found.last + 3, 9, 100); /* and it goes on */
    disk_wait_persisted(s, found.last + 3);
    storage_close(s);
}

/* One life in a child, struck at one call. Returns false when there was no such call any more. */
static long ignored;
static bool one_life(enum call kind, enum what what, long at, const char *when)
{
    char *dir = disk_dir();
    memset(shared, 0, sizeof *shared);
    shared->kind = kind;
    shared->what = what;
    shared->at = at;
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        int null = open("/dev/null", O_WRONLY);
        dup2(null, STDOUT_FILENO);
        dup2(null, STDERR_FILENO);
        live(dir);
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    shared->at = 0;
    bool hit = shared->hit;
    if (!hit) {
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0 && shared->done);
    } else if (kind == CALL_FSYNC && strstr(shared->file, "/journal-") && WIFEXITED(status) &&
               WEXITSTATUS(status) == 0) {
        ignored++; /* RocksDB can do without its OPTIONS file, which holds nothing of ours */
        assert_true(shared->done);
    } else if (what == FAIL) { /* at once, by its own will */
        if (!WIFEXITED(status) || WEXITSTATUS(status) != 1)
            print_message("%s: status %x, %s\n", when, (unsigned)status, shared->file);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 1);
    } else {
        assert_true(WIFEXITED(status));
    }
    if (shared->vote_term > 0 || what != FAIL)
        expect_promises_kept(dir, when);
    disk_remove(dir);
    return hit;
}

static void strike_everywhere(enum call kind, const char *name)
{
    static const char *const whats[] = {"fails", "is never made", "is the last"};
    long counts[3];
    for (enum what what = FAIL; what <= DIE_AFTER; what++) {
        long at = 0;
        char when[64];
        do {
            snprintf(when, sizeof when, "%s %ld %s", name, ++at, whats[what]);
        } while (one_life(kind, what, at, when));
        counts[what] = at - 1;
    }
    printf("    %s: struck at %ld, %ld, %ld calls\n", name, counts[0], counts[1], counts[2]);
    assert_true(counts[FAIL] > 1);
}

static void at_every_fdatasync(void **state)
{
    (void)state;
    strike_everywhere(CALL_FDATASYNC, "fdatasync");
}

static void at_every_rename(void **state)
{
    (void)state;
    strike_everywhere(CALL_RENAME, "renameat");
}

static void at_every_pwrite(void **state)
{
    (void)state;
    strike_everywhere(CALL_PWRITE, "pwrite");
}

static void at_every_fsync(void **state)
{
    (void)state;
    strike_everywhere(CALL_FSYNC, "fsync");
    printf("    %ld of them were of a file that does not count\n", ignored);
    assert_true(ignored <= 4); /* the file and its directory, in each of two journals */
}

/* Runs `work` in a process of its own, which RocksDB's threads need: they do not survive a fork. */
static int in_child(void (*work)(const char *dir), const char *dir)
{
    int status;
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        work(dir);
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* A thousand entries in an SST, and a damaged bit among them. */
static void make_damaged(const char *dir)
{
    char journal[4096];
    struct storage *s = disk_open(dir, NULL);
    save_vote(s, 1);
    for (uint64_t i = 1; i <= 1000; i += 10)
        disk_append(s, i, i + 9, 1, 100);
    disk_wait_persisted(s, 1000);
    storage_close(s);
    storage_close(disk_open(dir, NULL));
    snprintf(journal, sizeof journal, "%s/journal-1", dir);
    DIR *d = opendir(journal);
    for (struct dirent *e; (e = readdir(d));)
        if (strstr(e->d_name, ".sst"))
            disk_flip(journal, e->d_name, 8 * 70000);
    closedir(d);
}

static void check_small(void *arg, const struct raft_frame *f)
{
    (void)arg;
    assert_true(disk_frame_is(f, f->index, f->term, 100));
}

static void just_open(const char *dir)
{
    disk_open(dir, NULL);
}

static void expect_short(const char *dir)
{
    struct storage_found found;
    struct storage *s = disk_open(dir, &found);
    if (!found.vote.short_log || found.vote.term != 1 || found.last < 100 || found.last >= 1000)
        _exit(3);
    storage_replay(s, 1, check_small, NULL);
    storage_close(s);
}

/* The log is known to be short as soon as the damaged part is out of sight, and whatever happens. */
static void while_a_damaged_journal_is_replaced(void **state)
{
    (void)state;
    bool hit = true;
    long at = 0;
    for (; hit; at++) {
        char *dir = disk_dir();
        memset(shared, 0, sizeof *shared);
        assert_int_equal(in_child(make_damaged, dir), 0);
        memset(shared, 0, sizeof *shared);
        shared->kind = CALL_FDATASYNC;
        shared->what = at % 2 ? DIE : DIE_AFTER;
        shared->at = at / 2 + 1;
        in_child(just_open, dir);
        hit = shared->hit;
        shared->at = 0;
        assert_int_equal(in_child(expect_short, dir), 0);
        disk_remove(dir);
    }
    printf("    struck at %ld fdatasyncs\n", at / 2);
    assert_true(at > 6);
}

int main(void)
{
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(while_a_damaged_journal_is_replaced), /* before RocksDB has threads here */
        cmocka_unit_test(at_every_fdatasync),
        cmocka_unit_test(at_every_fsync),
        cmocka_unit_test(at_every_rename),
        cmocka_unit_test(at_every_pwrite),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
