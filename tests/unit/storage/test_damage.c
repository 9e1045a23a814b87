/* Damage on a real directory: the vote file bit by bit, the journal's files stride by stride, a log that ends before the
 * mark. Whatever is flipped, either it is noticed, or what is read is what was written. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../support/disk.h"
#include "base/alloc.h"
#include "storage/vote.h"

enum { LAST = 300, SIZE = 100 };
static const struct storage_vote vote_one = {
    .node_id = 11, .cluster_id = 77, .term = 3, .voted_for = 12, .short_log_until = 0};

static char *make_node(void)
{
    char *dir = disk_dir();
    struct storage *s = disk_open(dir, NULL);
    storage_save_vote(s, &vote_one, 0);
    for (uint64_t i = 1; i <= LAST; i += 10)
        disk_append(s, i, i + 9, 3, SIZE);
    disk_wait_persisted(s, LAST);
    storage_close(s);
    return dir;
}

static struct storage *try_open(const char *dir, struct storage_found *found, char *error, size_t error_len)
{
    struct storage_config config = {.dir = dir, .slow_us = 10000000};
    return storage_open(&config, found, error, error_len);
}

static void check(void *arg, const struct raft_frame *f)
{
    uint64_t *next = arg;
    assert_true(disk_frame_is(f, *next, 3, SIZE));
    ++*next;
}

static void the_votes_bytes_are_pure(void **state)
{
    (void)state;
    struct vote_record r = {.vote = {1, 2, 3, 4, true, 5, false, false}, .sequence = 6, .generation = 7}, out;
    static char file[VOTE_FILE_BYTES];
    bool repair;
    vote_encode(file, &r);
    vote_encode(file + VOTE_SECTOR, &r);
    assert_int_equal(vote_choose(file, &out, &repair), VOTE_GOOD);
    assert_true(out.vote.node_id == 1 && out.vote.cluster_id == 2 && out.vote.term == 3 &&
                out.vote.voted_for == 4);
    assert_true(out.vote.short_log && out.vote.short_log_until == 5);
    assert_false(out.vote.diverged || out.vote.had_others);
    assert_int_equal(out.generation, 7);
    assert_false(repair);
    r.sequence = 7; /* the process ended between the slots */
    r.vote.term = 9;
    r.vote.had_others = true;
    vote_encode(file, &r);
    assert_int_equal(vote_choose(file, &out, &repair), VOTE_GOOD);
    assert_int_equal(out.vote.term, 9);
    assert_true(out.vote.had_others);
    assert_true(repair);
    file[20] ^= 1; /* slot A is damaged: the other tells what was acted upon */
    assert_int_equal(vote_choose(file, &out, &repair), VOTE_GOOD);
    assert_int_equal(out.vote.term, 3);
    file[VOTE_SECTOR + 30] ^= 1;
    assert_int_equal(vote_choose(file, &out, &repair), VOTE_DAMAGED);
    struct vote_mark m = {.term = 4, .index = 5, .clean = true, .fsync = STORAGE_FSYNC_NO}, mark;
    vote_mark_encode(file, &m);
    assert_true(vote_mark_decode(file, &mark));
    assert_true(mark.clean && mark.term == 4 && mark.index == 5 && mark.fsync == STORAGE_FSYNC_NO);
    for (int bit = 0; bit < 48 * 8; bit++) {
        file[bit / 8] = (char)(file[bit / 8] ^ 1 << bit % 8);
        assert_false(vote_mark_decode(file, &mark));
        file[bit / 8] = (char)(file[bit / 8] ^ 1 << bit % 8);
    }
}

static void a_flipped_bit_in_the_vote_file_changes_nothing_silently(void **state)
{
    (void)state;
    char *dir = make_node();
    for (uint64_t at = 0; at < VOTE_FILE_BYTES; at += at % VOTE_SECTOR < 80 ? 3 : 509) {
        struct storage_found found;
        disk_flip(dir, "vote", at * 8 + at % 8);
        struct storage *s = disk_open(dir, &found);
        assert_int_equal(found.vote.node_id, 11);
        assert_int_equal(found.vote.cluster_id, 77);
        assert_int_equal(found.vote.term, 3);
        assert_int_equal(found.vote.voted_for, 12);
        assert_int_equal(found.last, LAST);
        bool mark = at >= 2 * VOTE_SECTOR && at < 2 * VOTE_SECTOR + 48;
        assert_int_equal(found.short_log_found,
                         mark); /* without the mark nobody knows how far the log went */
        assert_int_equal(found.vote.short_log, mark);
        if (mark) {
            storage_save_vote(s, &vote_one, 0);
            disk_wait(s, STORAGE_VOTE_SAVED);
        }
        storage_close(s);
    }
    disk_remove(dir);
}

static void two_damaged_slots_are_the_end_of_an_identity(void **state)
{
    (void)state;
    char *dir = make_node(), error[512], path[4096];
    struct storage_found found;
    disk_flip(dir, "vote", 300);
    disk_flip(dir, "vote", VOTE_SECTOR * 8 + 300);
    assert_null(try_open(dir, &found, error, sizeof error));
    assert_non_null(strstr(error, "identity of this node is gone"));
    snprintf(path, sizeof path, "%s/vote", dir);
    unlink(path);
    assert_null(try_open(dir, &found, error, sizeof error));
    assert_non_null(strstr(error, "identity of this node is gone"));
    disk_remove(dir);
}

static void copy_file(const char *from_dir, const char *to_dir, const char *name)
{
    char from[4096], to[4096];
    static char bytes[1 << 24];
    snprintf(from, sizeof from, "%s/%s", from_dir, name);
    snprintf(to, sizeof to, "%s/%s", to_dir, name);
    int in = open(from, O_RDONLY), out = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    ssize_t n = read(in, bytes, sizeof bytes);
    assert_true(in >= 0 && out >= 0 && n >= 0);
    assert_int_equal(write(out, bytes, (size_t)n), n);
    close(in);
    close(out);
}

static void copy_node(const char *from, const char *to)
{
    char from_dir[4096], to_dir[4096];
    snprintf(from_dir, sizeof from_dir, "%s/journal-1", from);
    snprintf(to_dir, sizeof to_dir, "%s/journal-1", to);
    mkdir(to_dir, 0700);
    copy_file(from, to, "vote");
    DIR *d = opendir(from_dir);
    for (struct dirent *e; (e = readdir(d));)
        if (e->d_name[0] != '.' && strncmp(e->d_name, "LOG", 3) != 0 && strcmp(e->d_name, "LOCK") != 0)
            copy_file(from_dir, to_dir, e->d_name);
    closedir(d);
}

/* Flips bits of one kind of RocksDB's files. Returns how often the log was found short. */
static size_t flip_through(const char *origin, const char *suffix, uint64_t stride)
{
    char journal[4096];
    snprintf(journal, sizeof journal, "%s/journal-1", origin);
    size_t noticed = 0, flips = 0;
    DIR *d = opendir(journal);
    for (struct dirent *e; (e = readdir(d));) {
        if (!strstr(e->d_name, suffix))
            continue;
        char path[8192];
        struct stat st;
        snprintf(path, sizeof path, "%s/%s", journal, e->d_name);
        stat(path, &st);
        for (uint64_t at = stride / 2; at < (uint64_t)st.st_size; at += stride, flips++) {
            char *dir = disk_dir(), name[512], error[512];
            struct storage_found found;
            copy_node(origin, dir);
            snprintf(name, sizeof name, "journal-1/%s", e->d_name);
            disk_flip(dir, name, at * 8 + at % 8);
            struct storage *s = try_open(dir, &found, error, sizeof error);
            assert_non_null(s);
            assert_int_equal(found.vote.voted_for, 12);
            assert_true(found.last == LAST ||
                        (found.short_log_found && found.vote.short_log && found.what[0]));
            uint64_t next = 1;
            storage_replay(s, 1, check, &next);
            assert_int_equal(next, found.last + 1);
            noticed += found.short_log_found;
            uint64_t last = found.last; /* what is left works on, and remembers what it is */
            disk_append(s, last + 1, last + 5, 3, SIZE);
            disk_wait_persisted(s, last + 5);
            storage_close(s);
            bool was_short = found.vote.short_log;
            s = disk_open(dir, &found);
            assert_int_equal(found.last, last + 5);
            assert_int_equal(found.vote.short_log, was_short);
            assert_false(found.short_log_found);
            storage_close(s);
            disk_remove(dir);
        }
    }
    closedir(d);
    printf("    %s: %zu flips, %zu of them left the log short\n", suffix, flips, noticed);
    assert_true(flips > 0);
    return noticed;
}

static void a_flipped_bit_in_the_journal_changes_nothing_silently(void **state)
{
    (void)state;
    char *dir = make_node();
    assert_true(flip_through(dir, ".log", 1543) > 10); /* everything is still in the WAL */
    struct storage *s = disk_open(dir, NULL);          /* now in an SST */
    storage_close(s);
    assert_true(flip_through(dir, ".sst", 1543) > 10);
    flip_through(dir, "MANIFEST", 37);
    flip_through(dir, "CURRENT", 7);
    disk_remove(dir);
}

/* The machine forgot what the journal was told to keep, as a disk that lies about its cache does. */
static void a_log_that_ends_before_the_mark_is_short(void **state)
{
    (void)state;
    char *dir = make_node(), *old = disk_dir();
    copy_node(dir, old);
    struct storage *s = disk_open(dir, NULL);
    disk_append(s, LAST + 1, LAST + 1, 3, SIZE);
    disk_wait_persisted(s, LAST + 1);
    storage_close(s);
    copy_file(dir, old, "vote");
    struct storage_found found;
    s = disk_open(old, &found);
    assert_true(found.short_log_found);
    assert_true(found.vote.short_log);
    assert_int_equal(found.vote.node_id, 11);
    assert_int_equal(found.last, LAST);
    assert_non_null(strstr(found.what, "index 301 of term 3 was promised"));
    storage_close(s);
    s = disk_open(old, &found); /* said once, and kept */
    assert_false(found.short_log_found);
    assert_true(found.vote.short_log);
    storage_close(s);
    disk_remove(dir);
    disk_remove(old);
}

/* As if the machine had gone down under appendfsync everysec: the mark says so, and is of another boot. */
static void an_unclean_reboot_without_always_is_a_short_log(void **state)
{
    (void)state;
    for (enum storage_fsync mode = STORAGE_FSYNC_ALWAYS; mode <= STORAGE_FSYNC_NO; mode++) {
        for (int clean = 0; clean < 2; clean++) {
            char *dir = make_node(), path[4096], sector[VOTE_SECTOR];
            snprintf(path, sizeof path, "%s/vote", dir);
            struct vote_mark mark = {
                .term = 3, .index = LAST, .boot = {1, 2, 3}, .clean = clean, .fsync = mode};
            vote_mark_encode(sector, &mark);
            int fd = open(path, O_WRONLY);
            assert_int_equal(pwrite(fd, sector, sizeof sector, 2 * VOTE_SECTOR), sizeof sector);
            close(fd);
            struct storage_found found;
            struct storage *s = disk_open(dir, &found);
            assert_int_equal(found.unclean, !clean);
            assert_int_equal(found.short_log_found, !clean && mode != STORAGE_FSYNC_ALWAYS);
            storage_close(s);
            disk_remove(dir);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_votes_bytes_are_pure),
        cmocka_unit_test(a_flipped_bit_in_the_vote_file_changes_nothing_silently),
        cmocka_unit_test(two_damaged_slots_are_the_end_of_an_identity),
        cmocka_unit_test(a_flipped_bit_in_the_journal_changes_nothing_silently),
        cmocka_unit_test(a_log_that_ends_before_the_mark_is_short),
        cmocka_unit_test(an_unclean_reboot_without_always_is_a_short_log),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
