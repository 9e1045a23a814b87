/* The storage room through its door, on a real directory and a real RocksDB. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../support/disk.h"
#include "base/clock.h"
#include "storage/storage.h"

struct expect {
    uint64_t next, last, term, cut_from, cut_term;
    size_t size;
};

static void check_entry(void *arg, const struct raft_frame *f)
{
    struct expect *e = arg;
    assert_int_equal(f->index, e->next);
    assert_true(
        disk_frame_is(f, e->next, e->cut_from && e->next >= e->cut_from ? e->cut_term : e->term, e->size));
    e->next++;
}

static void expect_entries(struct storage *s, struct expect e)
{
    storage_replay(s, e.next, check_entry, &e);
    assert_int_equal(e.next, e.last + 1);
}

static const struct storage_vote vote_one = {.node_id = 11, .cluster_id = 77, .term = 1, .voted_for = 11};

/* A directory of a node that has voted, and has entries 1..last of term 1. */
static char *make_node(uint64_t last, size_t size)
{
    char *dir = disk_dir();
    struct storage *s = disk_open(dir, NULL);
    storage_save_vote(s, &vote_one, 5);
    assert_int_equal(disk_wait(s, STORAGE_VOTE_SAVED).cookie, 5);
    for (uint64_t i = 1; i <= last; i += 10)
        disk_append(s, i, i + 9 < last ? i + 9 : last, 1, size);
    if (last)
        disk_wait_persisted(s, last);
    storage_close(s);
    return dir;
}

static void a_blank_directory_is_blank(void **state)
{
    (void)state;
    char *dir = disk_dir();
    struct storage_found found;
    struct storage *s = disk_open(dir, &found);
    assert_int_equal(found.vote.node_id, 0);
    assert_int_equal(found.vote.term, 0);
    assert_int_equal(found.last, 0);
    assert_int_equal(found.first, 1);
    assert_int_equal(found.snapshot_index, 0);
    assert_false(found.short_log_found);
    assert_string_equal(found.what, "");
    storage_close(s);
    disk_remove(dir);
}

static void entries_and_vote_survive_a_restart(void **state)
{
    (void)state;
    char *dir = make_node(1000, 64);
    struct storage_found found;
    struct storage *s = disk_open(dir, &found);
    assert_int_equal(found.first, 1);
    assert_int_equal(found.last, 1000);
    assert_int_equal(found.vote.node_id, 11);
    assert_int_equal(found.vote.cluster_id, 77);
    assert_int_equal(found.vote.term, 1);
    assert_int_equal(found.vote.voted_for, 11);
    assert_false(found.vote.short_log);
    assert_false(found.unclean);
    assert_false(found.short_log_found);
    expect_entries(s, (struct expect){.next = 1, .last = 1000, .term = 1, .size = 64});
    expect_entries(s, (struct expect){.next = 995, .last = 1000, .term = 1, .size = 64});
    storage_close(s);
    disk_remove(dir);
}

static void short_log_state_is_kept(void **state)
{
    (void)state;
    char *dir = make_node(10, 64);
    struct storage *s = disk_open(dir, NULL);
    struct storage_vote vote = vote_one;
    vote.short_log = true;
    vote.short_log_until = 123;
    storage_save_vote(s, &vote, 0);
    storage_close(s);
    struct storage_found found;
    s = disk_open(dir, &found);
    assert_true(found.vote.short_log);
    assert_int_equal(found.vote.short_log_until, 123);
    assert_false(found.short_log_found);
    storage_close(s);
    disk_remove(dir);
}

static void a_cut_drops_the_suffix(void **state)
{
    (void)state;
    for (uint64_t from = 1; from <= 41; from += 4) { /* on block boundaries (1, 21, 41), and within blocks */
        char *dir = make_node(60, 32);
        struct storage *s = disk_open(dir, NULL);
        storage_cut(s, from);
        disk_append(s, from, from + 4, 3, 32);
        struct storage_event e = disk_wait(s, STORAGE_PERSISTED);
        assert_int_equal(e.index, from + 4);
        assert_int_equal(e.term, 3);
        for (int again = 0; again < 2; again++) {
            expect_entries(
                s, (struct expect){
                       .next = 1, .last = from + 4, .term = 1, .size = 32, .cut_from = from, .cut_term = 3});
            storage_close(s);
            struct storage_found found;
            s = disk_open(dir, &found);
            assert_int_equal(found.last, from + 4);
            assert_false(found.short_log_found);
        }
        storage_close(s);
        disk_remove(dir);
    }
}

static void a_cut_to_an_older_end_is_no_short_log(void **state)
{
    (void)state;
    char *dir = make_node(60, 32);
    struct storage *s = disk_open(dir, NULL);
    disk_append(s, 61, 70, 2, 32);
    disk_wait_persisted(s, 70);
    storage_cut(s, 45); /* alone: the end goes back to (1, 44) */
    storage_close(s);
    struct storage_found found;
    s = disk_open(dir, &found);
    assert_int_equal(found.last, 44);
    assert_false(found.short_log_found);
    expect_entries(s, (struct expect){.next = 1, .last = 44, .term = 1, .size = 32});
    disk_append(s, 45, 46, 1, 32); /* a leader of term 3 may still bring entries of term 1 */
    disk_wait_persisted(s, 46);
    storage_close(s);
    s = disk_open(dir, &found);
    assert_int_equal(found.last, 46);
    assert_false(found.short_log_found);
    storage_close(s);
    disk_remove(dir);
}

static struct storage_event read_from(struct storage *s, uint64_t first, uint64_t last, size_t max_bytes)
{
    storage_read(s, 9, first, last, max_bytes);
    struct storage_event e = disk_wait(s, STORAGE_READ);
    assert_int_equal(e.cookie, 9);
    assert_int_equal(e.index, first);
    assert_int_equal(e.block.first, first);
    return e;
}

static void check_block(const struct raft_block *b, uint64_t term, size_t size)
{
    struct slice rest = slice_of(b->blob->data + b->offset, b->len);
    for (uint64_t i = b->first; i <= b->last; i++) {
        struct raft_frame f;
        assert_true(raft_entry_read(rest, true, &f));
        assert_true(disk_frame_is(&f, i, term, size));
        rest = slice_of(rest.data + f.len, rest.len - f.len);
    }
    assert_int_equal(rest.len, 0);
}

static void reads_come_in_pieces(void **state)
{
    (void)state;
    char *dir = make_node(1000, 64);
    struct storage *s = disk_open(dir, NULL);
    for (size_t max_bytes = 1; max_bytes < 100000; max_bytes *= 7) {
        for (uint64_t next = 1; next <= 1000;) {
            struct storage_event e = read_from(s, next, 1000, max_bytes);
            assert_true(e.block.last >= next);
            assert_true(e.block.len <= max_bytes || e.block.last == next);
            check_block(&e.block, 1, 64);
            next = e.block.last + 1;
            blob_unref(e.block.blob);
            if (max_bytes < 100 && next > 40)
                break;
        }
    }
    struct storage_event e = read_from(s, 15, 17, 1 << 20);
    assert_int_equal(e.block.last, 17);
    blob_unref(e.block.blob);
    e = read_from(s, 1001, 1010, 1 << 20);
    assert_true(e.block.last < e.block.first);
    assert_null(e.block.blob);
    storage_close(s);
    disk_remove(dir);
}

static void a_read_sees_what_was_asked_before_it(void **state)
{
    (void)state;
    char *dir = make_node(20, 64);
    struct storage *s = disk_open(dir, NULL);
    for (uint64_t i = 21; i < 60; i++) {
        disk_append(s, i, i, 1, 64);
        struct storage_event e = read_from(s, i, i, 1);
        assert_int_equal(e.block.last, i);
        blob_unref(e.block.blob);
    }
    storage_cut(s, 30);
    struct storage_event e = read_from(s, 30, 30, 1);
    assert_true(e.block.last < e.block.first);
    e = read_from(s, 25, 40, 1 << 20);
    assert_int_equal(e.block.last, 29);
    blob_unref(e.block.blob);
    disk_append(s, 30, 35, 2, 64);
    e = read_from(s, 30, 40, 1 << 20);
    assert_int_equal(e.block.last, 35);
    check_block(&e.block, 2, 64);
    blob_unref(e.block.blob);
    storage_close(s);
    disk_remove(dir);
}

static void an_entry_of_64_mib_is_kept(void **state)
{
    (void)state;
    char *dir = make_node(3, 64);
    struct storage *s = disk_open(dir, NULL);
    size_t size = 64 << 20;
    disk_append(s, 4, 4, 1, size);
    disk_append(s, 5, 9, 1, 64);
    disk_wait_persisted(s, 9);
    storage_close(s);
    struct storage_found found;
    s = disk_open(dir, &found);
    assert_int_equal(found.last, 9);
    struct storage_event e = read_from(s, 4, 9, 1000);
    assert_int_equal(e.block.last, 4);
    check_block(&e.block, 1, size);
    blob_unref(e.block.blob);
    storage_close(s);
    disk_remove(dir);
}

/* Appends that come while a sync runs share the next one. */
static void appends_share_a_sync(void **state)
{
    (void)state;
    char *dir = make_node(0, 0);
    struct storage *s = disk_open(dir, NULL);
    struct storage_stats before, after;
    storage_stats(s, &before);
    enum { COUNT = 20000 };
    uint64_t began_us = clock_mono_us();
    for (uint64_t i = 1; i <= COUNT; i++)
        disk_append(s, i, i, 1, 64);
    disk_wait_persisted(s, COUNT);
    uint64_t us = clock_mono_us() - began_us;
    storage_stats(s, &after);
    uint64_t syncs = after.fsync_count - before.fsync_count;
    printf("    %d appends of one entry: %.0f/s, %llu syncs\n", COUNT, COUNT * 1e6 / (double)us,
           (unsigned long long)syncs);
    assert_true(syncs >= 1 && syncs < COUNT / 10);
    assert_int_equal(after.queued_bytes, 0);
    for (int i = 0; i < 100 && after.running_us; i++) {
        usleep(10000);
        storage_stats(s, &after);
    }
    assert_int_equal(after.running_us, 0);
    assert_true(after.journal_bytes > COUNT * 64);
    assert_true(after.disk_free > 0);
    /* One at a time: what a client alone gets. */
    began_us = clock_mono_us();
    for (uint64_t i = COUNT + 1; i <= COUNT + 300; i++) {
        disk_append(s, i, i, 1, 64);
        disk_wait_persisted(s, i);
    }
    us = clock_mono_us() - began_us;
    printf("    one append at a time: %.0f us each\n", (double)us / 300);
    storage_close(s);
    disk_remove(dir);
}

static void what_is_held_begins_when_it_is_let_go(void **state)
{
    (void)state;
    enum { COUNT = 10 };
    char *dir = make_node(0, 0);
    struct storage *s = disk_open(dir, NULL);
    struct storage_stats before, after;
    struct storage_event event;
    disk_append(s, 1, 1, 1, 64);
    disk_wait_persisted(s, 1);
    for (int i = 0; i < 200 && (storage_stats(s, &before), before.running_us); i++)
        usleep(5000);
    usleep(5000); /* the writer waits for work */
    storage_hold(s);
    for (uint64_t i = 2; i <= COUNT; i++)
        disk_append(s, i, i, 1, 64);
    usleep(20000);
    assert_false(storage_poll(s, &event));
    storage_release(s);
    disk_wait_persisted(s, COUNT);
    storage_stats(s, &after);
    assert_int_equal(after.fsync_count, before.fsync_count + 1);
    disk_append(s, COUNT + 1, COUNT + 1, 1, 64); /* once */
    disk_wait_persisted(s, COUNT + 1);
    storage_close(s);
    disk_remove(dir);
}

static void everysec_and_no_say_persisted_without_a_sync(void **state)
{
    (void)state;
    char *dir = make_node(0, 0);
    struct storage *s = disk_open_fsync(dir, STORAGE_FSYNC_NO, NULL);
    struct storage_stats stats;
    storage_stats(s, &stats);
    uint64_t before = stats.fsync_count;
    disk_append(s, 1, 10, 1, 64);
    disk_wait_persisted(s, 10);
    storage_stats(s, &stats);
    assert_int_equal(stats.fsync_count, before);
    storage_set_fsync(s, STORAGE_FSYNC_ALWAYS); /* syncs what was not */
    disk_append(s, 11, 20, 1, 64);
    disk_wait_persisted(s, 20);
    storage_stats(s, &stats);
    assert_int_equal(stats.fsync_count, before + 2);
    storage_set_fsync(s, STORAGE_FSYNC_EVERYSEC);
    disk_append(s, 21, 30, 1, 64);
    disk_wait_persisted(s, 30);
    for (int i = 0; i < 30 && stats.fsync_count < before + 3; i++) {
        usleep(100000);
        storage_stats(s, &stats);
    }
    assert_int_equal(stats.fsync_count, before + 3);
    storage_close(s);
    disk_remove(dir);
}

/* A child that has written what `work` writes, and died without a word. */
static void run_and_kill(const char *dir, enum storage_fsync fsync_mode, void (*work)(struct storage *s))
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        struct storage *s = disk_open_fsync(dir, fsync_mode, NULL);
        work(s);
        _exit(7);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 7);
}

static void write_some(struct storage *s)
{
    storage_save_vote(s, &vote_one, 5);
    disk_append(s, 1, 10, 1, 64);
    disk_append(s, 11, 50, 1, 64);
    disk_wait_persisted(s, 50);
}

static void a_process_that_dies_keeps_what_it_said(void **state)
{
    (void)state;
    for (enum storage_fsync mode = STORAGE_FSYNC_ALWAYS; mode <= STORAGE_FSYNC_NO; mode++) {
        char *dir = disk_dir();
        run_and_kill(dir, mode, write_some);
        struct storage_found found;
        struct storage *s = disk_open(dir, &found);
        assert_int_equal(found.last, 50);
        assert_int_equal(found.vote.voted_for, 11);
        assert_true(found.unclean);
        assert_false(found.short_log_found); /* the page cache is as it was */
        expect_entries(s, (struct expect){.next = 1, .last = 50, .term = 1, .size = 64});
        storage_close(s);
        disk_remove(dir);
    }
}

static void a_second_process_is_refused(void **state)
{
    (void)state;
    char *dir = disk_dir();
    struct storage *s = disk_open(dir, NULL);
    struct storage_found found;
    char error[512];
    struct storage_config config = {.dir = dir};
    assert_null(storage_open(&config, &found, error, sizeof error));
    assert_non_null(strstr(error, "in use by another process"));
    storage_close(s);
    disk_remove(dir);
}

static void reset_begins_anew(void **state)
{
    (void)state;
    char *dir = make_node(100, 64);
    struct storage *s = disk_open(dir, NULL);
    struct storage_vote vote = {.node_id = 22, .cluster_id = 99};
    storage_reset(s, &vote, 6);
    assert_int_equal(disk_wait(s, STORAGE_VOTE_SAVED).cookie, 6);
    struct storage_event e = read_from(s, 1, 10, 1000);
    assert_null(e.block.blob);
    disk_append(s, 1, 3, 8, 32);
    disk_wait_persisted(s, 3);
    e = read_from(s, 1, 10, 1000);
    assert_int_equal(e.block.last, 3);
    blob_unref(e.block.blob);
    storage_close(s);
    struct storage_found found;
    s = disk_open(dir, &found);
    assert_int_equal(found.vote.node_id, 22);
    assert_int_equal(found.vote.cluster_id, 99);
    assert_int_equal(found.vote.term, 0);
    assert_int_equal(found.last, 3);
    assert_false(found.short_log_found);
    expect_entries(s, (struct expect){.next = 1, .last = 3, .term = 8, .size = 32});
    storage_close(s);
    disk_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_blank_directory_is_blank),
        cmocka_unit_test(entries_and_vote_survive_a_restart),
        cmocka_unit_test(short_log_state_is_kept),
        cmocka_unit_test(a_cut_drops_the_suffix),
        cmocka_unit_test(a_cut_to_an_older_end_is_no_short_log),
        cmocka_unit_test(reads_come_in_pieces),
        cmocka_unit_test(a_read_sees_what_was_asked_before_it),
        cmocka_unit_test(an_entry_of_64_mib_is_kept),
        cmocka_unit_test(appends_share_a_sync),
        cmocka_unit_test(what_is_held_begins_when_it_is_let_go),
        cmocka_unit_test(everysec_and_no_say_persisted_without_a_sync),
        cmocka_unit_test(a_process_that_dies_keeps_what_it_said),
        cmocka_unit_test(a_second_process_is_refused),
        cmocka_unit_test(reset_begins_anew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
