/* Large values beside RocksDB: what is read is what was put; what a crash or a power cut left of a file; which files are given
 * back. And through the whole room: kill -9 among large and small blocks and cuts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../support/disk.h"
#include "base/alloc.h"
#include "storage/journal.h"

enum { LARGE = 200000, SMALL = 100, FILE_ROOM = 16 << 20, HEADER = 48 };

static struct kv *reopen(struct kv *kv, const char *dir)
{
    char error[KV_ERROR_MAX];
    bool damaged;
    if (kv)
        kv->close(kv);
    kv = kv_open(dir, false, &damaged, error);
    if (!kv)
        fail_msg("%s", error);
    return kv;
}

static char byte_of(uint64_t key, size_t len, size_t at)
{
    return (char)(key * 131 + len * 7 + at * 3 + at / 251);
}

/* In two parts, as the journal does. */
static void put(struct kv *kv, uint64_t index, size_t len)
{
    struct journal_key key = journal_key(index);
    char *value = mem_alloc(len);
    for (size_t i = 0; i < len; i++)
        value[i] = byte_of(index, len, i);
    size_t head = len < 48 ? len : 48;
    struct slice parts[] = {slice_of(value, head), slice_of(value + head, len - head)};
    kv->put(kv, journal_key_slice(&key), parts, 2);
    mem_free(value);
}

static void put_durably(struct kv *kv, uint64_t index, size_t len)
{
    put(kv, index, len);
    assert_true(kv->commit(kv, true));
}

static void del(struct kv *kv, uint64_t index)
{
    struct journal_key key = journal_key(index);
    kv->del(kv, journal_key_slice(&key));
}

static void expect_at(const struct kv_cursor *c, uint64_t index, size_t len)
{
    assert_true(c->valid && !c->failed);
    assert_int_equal(journal_key_index(c->key), index);
    assert_int_equal(c->value.len, len);
    for (size_t i = 0; i < len; i++)
        assert_true(c->value.data[i] == byte_of(index, len, i));
}

static void expect(struct kv *kv, uint64_t index, size_t len)
{
    struct journal_key key = journal_key(index);
    struct kv_cursor *c = kv->cursor(kv);
    c->seek(c, journal_key_slice(&key));
    expect_at(c, index, len);
    c->seek_back(c, journal_key_slice(&key));
    expect_at(c, index, len);
    c->close(c);
}

/* The keys there are, from `from` on: a bit each. */
static uint64_t keys(struct kv *kv, uint64_t from)
{
    struct journal_key key = journal_key(from);
    struct kv_cursor *c = kv->cursor(kv);
    uint64_t found = 0;
    for (c->seek(c, journal_key_slice(&key)); c->valid; c->next(c))
        found |= UINT64_C(1) << journal_key_index(c->key);
    assert_false(c->failed);
    c->close(c);
    return found;
}

static void path_of(char out[4096], const char *dir, uint64_t number)
{
    snprintf(out, 4096, "%s/values-%lu", dir, number);
}

/* The files there are: a bit each. */
static uint64_t files(const char *dir)
{
    uint64_t found = 0, number;
    DIR *d = opendir(dir);
    for (struct dirent *e; (e = readdir(d));)
        if (sscanf(e->d_name, "values-%lu", &number) == 1)
            found |= UINT64_C(1) << number;
    closedir(d);
    return found;
}

static bool ends_in(const char *text, const char *end)
{
    size_t len = strlen(text);
    return len >= strlen(end) && strcmp(text + len - strlen(end), end) == 0;
}

/* The names in a directory that end so; or, with `below`, the links there that lead to such a name below that. */
static int count_links(const char *dir, const char *below, const char *end)
{
    DIR *d = opendir(dir);
    int found = 0;
    for (struct dirent *e; (e = readdir(d));) {
        char to[4096] = "";
        if (below && readlinkat(dirfd(d), e->d_name, to, sizeof to - 1) < 0)
            continue;
        found += below ? strstr(to, below) && ends_in(to, end) : ends_in(e->d_name, end);
    }
    closedir(d);
    return found;
}

static void what_is_put_is_read(void **state)
{
    (void)state;
    /* 24: as long as a reference. */
    static const size_t sizes[] = {SMALL, LARGE, 24, (128 << 10) - 1, 128 << 10, 23, 25, 5000000, 1};
    enum { COUNT = sizeof sizes / sizeof *sizes };
    char *dir = disk_dir();
    struct kv *kv = reopen(NULL, dir);
    for (size_t i = 0; i < COUNT; i++) {
        put(kv, i + 1, sizes[i]);
        if (i % 3 == 2)
            assert_true(kv->commit(kv, true));
    }
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < COUNT; i++)
            expect(kv, i + 1, sizes[i]);
        struct kv_cursor *c = kv->cursor(kv);
        struct journal_key first = journal_key(1);
        c->seek(c, journal_key_slice(&first));
        for (size_t i = 0; i < COUNT; i++, c->next(c))
            expect_at(c, i + 1, sizes[i]);
        assert_false(c->valid || c->failed);
        c->close(c);
        kv = reopen(kv, dir);
        assert_true(kv->flush(kv));
    }
    put_durably(kv, 1, 150000); /* a later one counts */
    expect(kv, 1, 150000);
    struct journal_key key = journal_key(2);
    kv->del(kv, journal_key_slice(&key));
    assert_true(kv->commit(kv, true));
    assert_int_equal(keys(kv, 1) & 7, 1 << 1); /* 1 is there, 2 is not; a bit is a key's */
    kv->close(kv);
    disk_remove(dir);
}

/* A power cut may leave any part of what was not synced; and a reference without its bytes, where the commit was not. */
static void a_key_without_its_bytes_is_none(void **state)
{
    (void)state;
    char *dir = disk_dir(), path[4096];
    struct kv *kv = reopen(NULL, dir);
    for (uint64_t i = 1; i <= 6; i++)
        put_durably(kv, i, i == 3 ? SMALL : LARGE); /* 1, 2, 4, 5, 6 in the first file */
    kv = reopen(kv, dir);
    put_durably(kv, 7, LARGE); /* in the second */
    put_durably(kv, 8, SMALL);
    assert_int_equal(files(dir), 1 << 1 | 1 << 2);
    assert_int_equal(keys(kv, 1), 0x1fe);
    kv->close(kv);
    path_of(path, dir, 1);
    assert_int_equal(truncate(path, 4 * LARGE + LARGE / 2), 0);
    kv = reopen(NULL, dir);
    assert_int_equal(keys(kv, 1), 0x1fe & ~(1 << 6));
    expect(kv, 5, LARGE);
    kv->close(kv);
    assert_int_equal(truncate(path, 2 * LARGE - 1), 0);
    kv = reopen(NULL, dir);
    assert_int_equal(keys(kv, 1), 1 << 1 | 1 << 3 | 1 << 7 | 1 << 8);
    struct kv_cursor *c = kv->cursor(kv); /* back over what is none */
    for (uint64_t from = 3; from <= 6; from++) {
        struct journal_key key = journal_key(from);
        c->seek_back(c, journal_key_slice(&key));
        expect_at(c, 3, SMALL);
    }
    c->close(c);
    kv->close(kv);
    assert_int_equal(unlink(path), 0);
    kv = reopen(NULL, dir);
    assert_int_equal(keys(kv, 1), 1 << 3 | 1 << 7 | 1 << 8);
    c = kv->cursor(kv);
    struct journal_key second = journal_key(2);
    c->seek_back(c, journal_key_slice(&second));
    assert_false(c->valid || c->failed);
    c->close(c);
    put_durably(kv, 9, LARGE);
    assert_int_equal(files(dir), 1 << 2 | 1 << 3); /* nothing is written behind what another process left */
    kv->close(kv);
    disk_remove(dir);
}

/* In the file alone it may be there, whole, after a crash; with what else was to be committed it is not. */
static void what_was_not_committed_was_not_promised(void **state)
{
    (void)state;
    char *dir = disk_dir();
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        struct kv *kv = reopen(NULL, dir);
        put_durably(kv, 1, SMALL);
        put_durably(kv, 2, LARGE);
        put(kv, 3, LARGE);
        _exit(0);
    }
    int status;
    waitpid(pid, &status, 0);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    pid = fork();
    if (pid == 0) {
        struct kv *kv = reopen(NULL, dir);
        assert_true(keys(kv, 1) == 0xe);
        expect(kv, 3, LARGE);
        del(kv, 3);
        put(kv, 3, LARGE + 1);
        _exit(0);
    }
    waitpid(pid, &status, 0);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    struct kv *kv = reopen(NULL, dir);
    assert_int_equal(keys(kv, 1), 0xe);
    expect(kv, 3, LARGE);
    put_durably(kv, 4, LARGE + 1);
    expect(kv, 2, LARGE);
    expect(kv, 4, LARGE + 1);
    kv->close(kv);
    disk_remove(dir);
}

/* ---- a power cut --------------------------------------------------------------------------------------------- */

/* The newest file of that kind, by name, and how long it is. */
static uint64_t newest(const char *dir, const char *ending, char out[4096])
{
    char best[256] = "";
    DIR *d = opendir(dir);
    for (struct dirent *e; (e = readdir(d));) {
        size_t len = strlen(e->d_name), end = strlen(ending);
        if (len > end && strcmp(e->d_name + len - end, ending) == 0 && strcmp(e->d_name, best) > 0)
            snprintf(best, sizeof best, "%s", e->d_name);
    }
    closedir(d);
    assert_true(best[0] != 0);
    snprintf(out, 4096, "%s/%s", dir, best);
    struct stat st;
    assert_int_equal(stat(out, &st), 0);
    return (uint64_t)st.st_size;
}

/* What a life may write, a commit a letter: a small value, a large one, two large ones, a large one and a small one, the other way round,
 * a large one in the place of the last key. A power cut takes from the WAL what the last of them left there, or more. */
static uint64_t live(const char *dir, const char *commits, uint64_t next, uint64_t wal[], uint64_t key[])
{
    char path[4096];
    struct kv *kv = reopen(NULL, dir);
    for (const char *at = commits; *at; at++) {
        switch (*at) {
        case 's':
            put(kv, next++, SMALL);
            break;
        case 'd':
            put(kv, next++, LARGE);
            /* fall through */
        case 'l':
            put(kv, next++, LARGE);
            break;
        case 'm':
            put(kv, next++, LARGE);
            put(kv, next++, SMALL);
            break;
        case 'j':
            put(kv, next++, SMALL);
            put(kv, next++, LARGE);
            break;
        default:
            del(kv, next - 1);
            put(kv, next - 1, LARGE + 1);
        }
        assert_true(kv->commit(kv, true));
        wal[at - commits] = newest(dir, ".log", path);
        key[at - commits] = next - 1;
    }
    return next;
}

static struct power {
    uint64_t wal[16], key[16];
} * power;

/* The keys there are when the WAL kept `kept` commits of a life, the values all, or all but their last byte. */
static uint64_t after_power_cut(const char *dir, const char *commits, size_t kept, bool torn)
{
    char path[4096];
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        live(dir, commits, 1, power->wal, power->key);
        _exit(0);
    }
    int status;
    waitpid(pid, &status, 0);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    newest(dir, ".log", path);
    assert_int_equal(truncate(path, (off_t)(kept ? power->wal[kept - 1] : 0)), 0);
    path_of(path, dir, 1);
    if (torn) {
        struct stat st;
        assert_int_equal(stat(path, &st), 0);
        int fd = open(path, O_RDWR);
        char last;
        assert_int_equal(pread(fd, &last, 1, st.st_size - 1), 1);
        last ^= 1;
        assert_int_equal(pwrite(fd, &last, 1, st.st_size - 1), 1);
        close(fd);
    }
    char error[KV_ERROR_MAX];
    bool damaged;
    struct kv *kv = kv_open(dir, true, &damaged, error); /* looking changes nothing, and sees the same */
    assert_non_null(kv);
    uint64_t seen = keys(kv, 1);
    if (seen) {
        uint64_t last = 63 - (uint64_t)__builtin_clzl(seen);
        struct journal_key key = journal_key(last);
        struct kv_cursor *c = kv->cursor(kv);
        c->seek_back(c, journal_key_slice(&key));
        assert_true(c->valid && journal_key_index(c->key) == last);
        if (last > 1) {
            key = journal_key(last - 1);
            c->seek_back(c, journal_key_slice(&key));
            assert_true(c->valid && journal_key_index(c->key) == last - 1);
            c->next(c);
            assert_true(c->valid && journal_key_index(c->key) == last);
            c->next(c);
            assert_false(c->valid || c->failed);
        }
        c->close(c);
    }
    kv->close(kv);
    for (int round = 0; round < 2; round++) {
        kv = reopen(NULL, dir);
        assert_int_equal(keys(kv, 1), seen);
        assert_true(kv->flush(kv));
        kv->close(kv);
    }
    return seen;
}

static uint64_t up_to(uint64_t key)
{
    return (UINT64_C(2) << key) - 2;
}

static void a_commit_of_large_values_needs_no_wal(void **state)
{
    (void)state;
    static const struct {
        const char *commits;
        size_t kept; /* by the WAL */
        bool torn;
        uint64_t last;
    } cases[] = {
        {"l", 0, false, 1},
        {"lll", 0, false, 3},
        {"lll", 1, false, 3},
        {"lll", 2, true, 2},
        {"sl", 1, false, 2},
        {"slsll", 3, false, 5},
        {"sdd", 1, false, 5},
        {"sdd", 2, true, 4},
        {"sml", 2, false, 4},
        {"slr", 3, false, 2},
        {"slrl", 3, false, 3},
        {"slrll", 4, true, 3},
        {"slrslsl", 6, false, 6},
        {"ls", 2, false, 2},
        {"lml", 0, false, 4},
        {"smm", 1, false, 5},
        {"smm", 1, true, 4},
        {"ljl", 2, false, 4},
        /* The WAL lost what was synced: what came behind is nobody's. */
        {"sls", 1, false, 2},
        {"slsl", 1, false, 2},
        {"slsl", 2, false, 2},
        {"sl", 0, false, 0},
        {"lj", 0, false, 1},
        {"ljl", 0, false, 1},
        {"jl", 0, false, 0},
    };
    power = mmap(NULL, sizeof *power, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *dir = disk_dir();
        uint64_t seen = after_power_cut(dir, cases[i].commits, cases[i].kept, cases[i].torn);
        if (seen != up_to(cases[i].last))
            fail_msg("%s, %zu in the WAL: %lx", cases[i].commits, cases[i].kept, seen);
        disk_remove(dir);
    }
}

/* ... for good: not even when later changes have come to its number. */
static void what_lost_its_predecessors_never_comes_back(void **state)
{
    (void)state;
    char *dir = disk_dir();
    power = mmap(NULL, sizeof *power, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_int_equal(after_power_cut(dir, "ssssl", 1, false), up_to(1));
    for (uint64_t next = 2; next < 8; next++) {
        struct kv *kv = reopen(NULL, dir);
        assert_int_equal(keys(kv, 1), up_to(next - 1));
        put_durably(kv, next, SMALL);
        kv->close(kv);
    }
    disk_remove(dir);
}

static void flip_first_byte(const char *dir)
{
    char path[4096], byte;
    path_of(path, dir, 1);
    int fd = open(path, O_RDWR);
    assert_int_equal(pread(fd, &byte, 1, HEADER), 1);
    byte ^= 1;
    assert_int_equal(pwrite(fd, &byte, 1, HEADER), 1);
    close(fd);
}

/* A disk may have kept later pages and not earlier ones. */
static void what_follows_one_in_part_never_comes_back(void **state)
{
    (void)state;
    char path[4096], *dir = disk_dir();
    power = mmap(NULL, sizeof *power, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pid_t pid = fork();
    if (pid == 0) {
        live(dir, "lll", 1, power->wal, power->key);
        _exit(0);
    }
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    newest(dir, ".log", path);
    assert_int_equal(truncate(path, 0), 0);
    flip_first_byte(dir);
    for (uint64_t next = 1; next < 6; next++) {
        struct kv *kv = reopen(NULL, dir);
        assert_int_equal(keys(kv, 1), up_to(next - 1));
        put_durably(kv, next, SMALL);
        kv->close(kv);
    }
    disk_remove(dir);
}

static ino_t watched;
static int watched_syncs;

/* In the place of libc's: counts those of a directory with a file of large values. */
int fsync(int fd)
{
    struct stat st;
    if (fstat(fd, &st) == 0 && st.st_ino == watched)
        watched_syncs += faccessat(fd, "values-1", F_OK, 0) == 0;
    return (int)syscall(SYS_fsync, fd);
}

/* Or a power cut might leave a reference in RocksDB to a number that comes again. */
static void a_file_has_its_name_before_there_is_a_reference(void **state)
{
    (void)state;
    struct stat st;
    char *dir = disk_dir();
    struct kv *kv = reopen(NULL, dir);
    assert_int_equal(stat(dir, &st), 0);
    watched = st.st_ino;
    watched_syncs = 0;
    put(kv, 1, LARGE);
    assert_int_equal(watched_syncs, 1);
    assert_true(kv->commit(kv, false));
    put(kv, 2, LARGE);
    assert_true(kv->commit(kv, false));
    assert_int_equal(watched_syncs, 1);
    watched = 0;
    kv->close(kv);
    disk_remove(dir);
}

static void files_below_the_limit_are_given_back(void **state)
{
    (void)state;
    enum { EACH = FILE_ROOM / 4 };
    char *dir = disk_dir();
    struct kv *kv = reopen(NULL, dir);
    for (uint64_t i = 1; i <= 18; i++) /* four a file */
        put_durably(kv, i, EACH);
    assert_int_equal(files(dir), 0x3e);
    struct {
        uint64_t limit, files;
    } steps[] = {{4, 0x3e}, {5, 0x3c}, {8, 0x3c}, {10, 0x38}, {13, 0x30}};
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        struct journal_key limit = journal_key(steps[i].limit);
        kv->drop_below(kv, journal_key_slice(&limit));
        assert_int_equal(files(dir), steps[i].files);
        for (uint64_t n = steps[i].limit; n <= 18; n++)
            expect(kv, n, EACH);
        kv = reopen(kv, dir);
    }
    put_durably(kv, 19, SMALL);
    struct journal_key limit = journal_key(20);
    kv->drop_below(kv,
                   journal_key_slice(&limit)); /* nothing large lies behind: the newest stays all the same */
    assert_int_equal(files(dir), 0x20);
    put_durably(kv, 20, LARGE);
    assert_int_equal(files(dir), 0x60); /* its number does not come again */
    limit = journal_key(20);
    kv->drop_below(kv, journal_key_slice(&limit));
    assert_int_equal(files(dir), 0x40);
    expect(kv, 20, LARGE);
    /* The log is cut, and goes on from there: a lower key in a later file. */
    for (uint64_t i = 21; i <= 26; i++)
        put_durably(kv, i, EACH);
    for (uint64_t i = 23; i <= 26; i++) {
        struct journal_key key = journal_key(i);
        kv->del(kv, journal_key_slice(&key));
    }
    put_durably(kv, 23, EACH / 2);
    limit = journal_key(22);
    kv->drop_below(kv, journal_key_slice(&limit));
    expect(kv, 22, EACH);
    expect(kv, 23, EACH / 2);
    limit = journal_key(23);
    kv->drop_below(kv, journal_key_slice(&limit));
    expect(kv, 23, EACH / 2);
    kv->close(kv);
    disk_remove(dir);
}

static void a_failed_write_is_told_at_the_commit(void **state)
{
    (void)state;
    char *dir = disk_dir();
    struct kv *kv = reopen(NULL, dir);
    struct rlimit before, small = {1 << 20, 1 << 20};
    getrlimit(RLIMIT_FSIZE, &before);
    small.rlim_max = before.rlim_max;
    signal(SIGXFSZ, SIG_IGN);
    put_durably(kv, 1, LARGE);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    put(kv, 2, 3 << 20);
    put(kv, 3, SMALL);
    bool good = kv->commit(kv, true);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_false(good);
    assert_non_null(strstr(kv->error, "File too large"));
    kv = reopen(kv, dir);
    assert_int_equal(keys(kv, 1), 1 << 1);
    kv->close(kv);
    disk_remove(dir);
}

/* ---- kill -9 ------------------------------------------------------------------------------------------------- */

static struct shared {
    uint64_t persisted; /* said to be durable */
    uint64_t term;
    uint64_t commits; /* in this life */
} * shared;

static size_t size_of(uint64_t index)
{
    return index % 4 == 0 ? 30000 : index % 4 == 1 ? 9000 : 100;
}

/* Blocks of ten: 300 KB, 90 KB, 1 KB in turn; now and then the last few are cut and written anew. */
_Noreturn static void write_for_ever(const char *dir)
{
    struct storage_found found;
    struct storage *s = disk_open(dir, &found);
    uint64_t next = found.last + 1, term = shared->term;
    for (uint64_t n = 1;; n++) {
        if (n % 7 == 0 && next > 35) {
            uint64_t from = next - 1 - n % 30;
            __atomic_store_n(&shared->persisted, from - 1, __ATOMIC_SEQ_CST);
            __atomic_store_n(&shared->term, ++term, __ATOMIC_SEQ_CST);
            storage_cut(s, from);
            next = from;
        }
        uint64_t last = next + 9;
        disk_append(s, next, last, term, size_of(n));
        disk_wait_persisted(s, last);
        __atomic_store_n(&shared->persisted, last, __ATOMIC_SEQ_CST);
        __atomic_add_fetch(&shared->commits, 1, __ATOMIC_SEQ_CST);
        next = last + 1;
    }
}

struct replayed {
    uint64_t next, term;
};

static void replay_one(void *arg, const struct raft_frame *f)
{
    struct replayed *r = arg;
    assert_int_equal(f->index, r->next);
    assert_true(f->term >= r->term);
    assert_true(disk_frame_is(f, f->index, f->term, f->payload.len));
    r->next++;
    r->term = f->term;
}

static void kill_nine(void **state)
{
    (void)state;
    char *dir = disk_dir(), journal[4096];
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    shared->term = 1;
    fflush(stdout);
    int status;
    pid_t pid = fork();
    if (pid == 0) {
        struct storage *s = disk_open(dir, NULL);
        struct storage_vote vote = {.node_id = 11, .cluster_id = 77, .term = 1};
        storage_save_vote(s, &vote, 1);
        disk_wait(s, STORAGE_VOTE_SAVED);
        storage_close(s);
        _exit(0);
    }
    waitpid(pid, &status, 0);
    snprintf(journal, sizeof journal, "%s/journal-1", dir);
    uint64_t most = 0;
    for (unsigned round = 0; round < 20; round++) {
        fflush(stdout);
        shared->commits = 0;
        pid = fork();
        if (pid == 0)
            write_for_ever(dir);
        for (int ms = 0; ms < 10000 && __atomic_load_n(&shared->commits, __ATOMIC_SEQ_CST) < 6; ms++)
            usleep(1000);
        usleep(round * 7919 % 30 * 1000);
        kill(pid, SIGKILL);
        waitpid(pid, &status, 0);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        fflush(stdout);
        pid = fork(); /* RocksDB's threads do not survive the next round's fork */
        if (pid == 0) {
            struct storage_found found;
            struct storage *s = disk_open(dir, &found);
            struct replayed r = {1, 0};
            storage_replay(s, 1, replay_one, &r);
            if (found.short_log_found || found.last < shared->persisted || r.next != found.last + 1)
                fail_msg("%lu of %lu, %s", found.last, shared->persisted, found.what);
            storage_close(s);
            shared->term++; /* of what the killed one did not come to say */
            _exit(0);
        }
        waitpid(pid, &status, 0);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
        most = shared->persisted > most ? shared->persisted : most;
    }
    assert_true(most > 50 && files(journal) > 1 << 15);
    disk_remove(dir);
}

/* A long journal has many files. They must not take the descriptors that there are for other things. */
static void few_files_are_open(void **state)
{
    (void)state;
    enum { FILES = 60, ROUNDS = 400, MAY_BE_OPEN = 48 };
    char *dir = disk_dir();
    struct kv *kv = reopen(NULL, dir);
    int there = 0;
    for (uint64_t i = 1; i < ROUNDS && there < FILES; i++) {
        put(kv, i, SMALL);
        assert_true(kv->commit(kv, false) && kv->flush(kv));
        if (i % 20 == 0)
            there = count_links(dir, NULL, ".sst");
    }
    assert_true(there >= FILES);
    for (uint64_t i = 1; i < FILES; i++)
        expect(kv, i, SMALL);
    assert_in_range(count_links("/proc/self/fd", dir, ".sst"), 1, MAY_BE_OPEN);
    kv->close(kv);
    disk_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kill_nine), /* before RocksDB has threads here, which a fork would not have */
        cmocka_unit_test(what_is_put_is_read),
        cmocka_unit_test(a_key_without_its_bytes_is_none),
        cmocka_unit_test(what_was_not_committed_was_not_promised),
        cmocka_unit_test(a_commit_of_large_values_needs_no_wal),
        cmocka_unit_test(what_lost_its_predecessors_never_comes_back),
        cmocka_unit_test(what_follows_one_in_part_never_comes_back),
        cmocka_unit_test(a_file_has_its_name_before_there_is_a_reference),
        cmocka_unit_test(files_below_the_limit_are_given_back),
        cmocka_unit_test(a_failed_write_is_told_at_the_commit),
        cmocka_unit_test(few_files_are_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
