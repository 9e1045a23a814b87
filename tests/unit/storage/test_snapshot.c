/* Snapshot files: written by a child, read and received in pieces, installed over a log, damaged, torn,
 * replaced. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../support/disk.h"
#include "base/clock.h"
#include "storage/snapshot.h"
#include "storage/storage.h"

static const struct storage_vote vote_one = {.node_id = 11, .cluster_id = 77, .term = 1, .voted_for = 11};

/* Entries 1..last of term 1 in blocks of ten. */
static struct storage *open_node(char **dir, uint64_t last)
{
    *dir = disk_dir();
    struct storage *s = disk_open(*dir, NULL);
    storage_save_vote(s, &vote_one, 0);
    for (uint64_t i = 1; i <= last; i += 10)
        disk_append(s, i, i + 9 < last ? i + 9 : last, 1, 64);
    disk_wait_persisted(s, last);
    return s;
}

static struct storage *reopen(struct storage *s, const char *dir, struct storage_found *found)
{
    storage_close(s);
    return disk_open(dir, found);
}

static struct storage_event write_snapshot(struct storage *s, uint64_t index, uint64_t term,
                                           struct buf *content)
{
    storage_snapshot_write(s, index, term, disk_rdb_write, content);
    storage_snapshot_keep(s, index, true);
    struct storage_event e = disk_wait(s, STORAGE_SNAPSHOT_WRITTEN);
    assert_int_equal(e.index, index);
    assert_int_equal(e.term, term);
    return e;
}

static bool collect(void *arg, struct slice piece)
{
    buf_append_slice(arg, piece);
    return true;
}

static void expect_loaded(struct storage *s, const struct buf *content)
{
    struct buf loaded = BUF_EMPTY;
    assert_true(storage_snapshot_load(s, collect, &loaded));
    assert_true(slice_equal(buf_slice(&loaded), buf_slice(content)));
    buf_deinit(&loaded);
}

static void receive(struct storage *s, uint64_t index, uint64_t term, const struct buf *content, size_t step,
                    bool good)
{
    for (size_t at = 0; at < content->len; at += step) {
        size_t len = content->len - at < step ? content->len - at : step;
        bool last = at + len == content->len;
        storage_snapshot_receive(s, 3, index, term, at, slice_of(content->data + at, len), last);
        struct storage_event e = disk_wait(s, STORAGE_SNAPSHOT_RECEIVED);
        assert_int_equal(e.cookie, 3);
        assert_int_equal(e.index, index);
        assert_int_equal(e.last, last);
        assert_int_equal(e.ok, !last || good);
        if (!last)
            assert_int_equal(e.offset, at + len);
    }
}

static bool install(struct storage *s, uint64_t index, uint64_t term, bool keep_suffix)
{
    storage_snapshot_install(s, index, term, keep_suffix);
    struct storage_event e = disk_wait(s, STORAGE_SNAPSHOT_INSTALLED);
    assert_int_equal(e.index, index);
    return e.ok;
}

static void count_entry(void *arg, const struct raft_frame *f)
{
    (void)f;
    ++*(uint64_t *)arg;
}

static uint64_t count_entries(struct storage *s, uint64_t from)
{
    uint64_t count = 0;
    storage_replay(s, from, count_entry, &count);
    return count;
}

static void the_sum_holds_back_the_last_eight_bytes(void **state)
{
    (void)state;
    struct buf content = BUF_EMPTY;
    disk_rdb(&content, 300, 1);
    for (size_t step = 1; step < 40; step++) {
        struct snapshot_sum sum = {0};
        for (size_t at = 0; at < content.len; at += step)
            snapshot_sum_add(&sum, content.data + at, content.len - at < step ? content.len - at : step);
        struct blob *sums = snapshot_sum_end(&sum);
        assert_non_null(sums);
        assert_int_equal(sum.bytes, content.len);
        blob_unref(sums);
    }
    for (size_t bit = 0; bit < content.len * 8; bit++) {
        struct snapshot_sum sum = {0};
        content.data[bit / 8] = (char)(content.data[bit / 8] ^ 1 << bit % 8);
        snapshot_sum_add(&sum, content.data, content.len);
        assert_null(snapshot_sum_end(&sum));
        content.data[bit / 8] = (char)(content.data[bit / 8] ^ 1 << bit % 8);
    }
    buf_deinit(&content);
}

static void a_snapshot_lets_the_journal_shrink(void **state)
{
    (void)state;
    char *dir;
    struct storage *s = open_node(&dir, 1000);
    struct buf content = BUF_EMPTY;
    disk_rdb(&content, 3000000, 1);
    struct storage_event e = write_snapshot(s, 905, 1, &content);
    assert_true(e.ok);
    assert_int_equal(e.total, content.len);
    expect_loaded(s, &content);
    storage_compact(s, 2000); /* no further than the snapshot */
    storage_read(s, 1, 905, 1000, 100);
    e = disk_wait(s, STORAGE_READ);
    assert_null(e.block.blob);
    storage_read(s, 1, 906, 1000, 1 << 20);
    e = disk_wait(s, STORAGE_READ);
    assert_int_equal(e.block.last, 1000);
    blob_unref(e.block.blob);
    struct storage_found found;
    s = reopen(s, dir, &found);
    assert_int_equal(found.snapshot_index, 905);
    assert_int_equal(found.snapshot_term, 1);
    assert_int_equal(found.snapshot_bytes, content.len);
    assert_int_equal(found.first, 906);
    assert_int_equal(found.last, 1000);
    assert_false(found.short_log_found);
    assert_int_equal(count_entries(s, 906), 95);
    expect_loaded(s, &content);
    storage_close(s);
    buf_deinit(&content);
    disk_remove(dir);
}

static uint64_t journal_bytes(struct storage *s)
{
    struct storage_stats stats;
    storage_stats(s, &stats);
    return stats.journal_bytes;
}

/* A threshold that is compared before the writer has come to the compaction must not see what that takes away: every
 * snapshot under load would be followed by one that nobody needs. */
static void a_compaction_counts_as_soon_as_it_is_asked_for(void **state)
{
    (void)state;
    char *dir;
    struct storage *s = open_node(&dir, 1000);
    struct buf content = BUF_EMPTY;
    disk_rdb(&content, 3000, 1);
    disk_append(s, 1001, 2000, 1, 1000);
    disk_wait_persisted(s, 2000);
    assert_true(journal_bytes(s) > 1000 * 1000);
    write_snapshot(s, 2000, 1, &content);
    disk_append(s, 2001, 2100, 1, 1000);
    storage_compact(s, 2000);
    assert_true(journal_bytes(s) < 200 * 1000);
    disk_wait_persisted(s, 2100);
    for (int i = 0; journal_bytes(s) == 0; i++) { /* by now the writer comes to it */
        assert_true(i < 500);
        usleep(20000);
    }
    assert_in_range(journal_bytes(s), 50 * 1000, 200 * 1000);
    storage_close(s);
    buf_deinit(&content);
    disk_remove(dir);
}

/* Everything below it compacted, nothing behind it: the log's end is the snapshot's. */
static void a_journal_may_be_empty_behind_the_snapshot(void **state)
{
    (void)state;
    char *dir;
    struct storage *s = open_node(&dir, 100);
    struct buf content = BUF_EMPTY;
    disk_rdb(&content, 3000, 1);
    write_snapshot(s, 100, 1, &content);
    storage_compact(s, 100);
    struct storage_found found;
    s = reopen(s, dir, &found);
    assert_int_equal(found.last, 100);
    assert_false(found.short_log_found);
    disk_append(s, 101, 110, 1, 64);
    disk_wait_persisted(s, 110);
    s = reopen(s, dir, &found);
    assert_int_equal(found.last, 110);
    assert_int_equal(count_entries(s, 101), 10);
    storage_close(s);
    buf_deinit(&content);
    disk_remove(dir);
}

static uint64_t tree_bytes(const char *dir, const char *name)
{
    char path[4096], file[8192];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    DIR *d = opendir(path);
    uint64_t bytes = 0;
    for (struct dirent *e; (e = readdir(d));) {
        struct stat st;
        snprintf(file, sizeof file, "%s/%s", path, e->d_name);
        if (stat(file, &st) == 0 && S_ISREG(st.st_mode))
            bytes += (uint64_t)st.st_blocks * 512;
    }
    closedir(d);
    return bytes;
}

/* 100 KB behind the snapshot at `last`; what is before it is dropped when this returns. */
static uint64_t compact_behind(struct storage *s, uint64_t last, struct buf *content)
{
    disk_append(s, last + 1, last + 100, 1, 1000);
    disk_wait_persisted(s, last + 100);
    write_snapshot(s, last, 1, content);
    storage_compact(s, last);
    storage_save_vote(s, &vote_one, 0); /* the writer comes to it after the compaction */
    disk_wait(s, STORAGE_VOTE_SAVED);
    storage_read(s, 1, last + 100, last + 100, 1); /* and the reader to this after the deletion */
    blob_unref(disk_wait(s, STORAGE_READ).block.blob);
    struct storage_stats stats;
    storage_stats(s, &stats);
    assert_true(stats.journal_bytes < 2 << 20);
    return last + 100;
}

/* RocksDB flushes and moves files in the background, and what it is busy with is given back by the next compaction only:
 * how much that is depends on the machine, that in the end nearly all comes back does not. */
static void compaction_gives_the_disk_back(void **state)
{
    (void)state;
    char *dir;
    struct storage *s = open_node(&dir, 10);
    struct buf content = BUF_EMPTY;
    disk_rdb(&content, 3000, 1);
    uint64_t last = 10;
    for (int i = 0; i < 6; i++) {
        for (int k = 0; k < 200; k++, last += 100)
            disk_append(s, last + 1, last + 100, 1, 1000);
        disk_wait_persisted(s, last);
        last = compact_behind(s, last, &content);
    }
    uint64_t bytes = tree_bytes(dir, "journal-1"), at_first = bytes;
    for (int i = 0; bytes >= 40 * 1000 * 1000; i++) {
        assert_true(i < 500);
        usleep(20000);
        last = compact_behind(s, last, &content);
        bytes = tree_bytes(dir, "journal-1");
    }
    printf("    120 MB through the journal, %.1f MB on disk behind it, %.1f MB soon\n",
           (double)at_first / 1e6, (double)bytes / 1e6);
    struct storage_found found;
    s = reopen(s, dir, &found);
    assert_int_equal(found.last, last);
    assert_false(found.short_log_found);
    assert_int_equal(count_entries(s, 1), 100);
    storage_close(s);
    buf_deinit(&content);
    disk_remove(dir);
}

static void a_snapshot_travels_in_pieces(void **state)
{
    (void)state;
    char *dir, *dir2;
    struct storage *s = open_node(&dir, 100), *t = open_node(&dir2, 10);
    struct buf content = BUF_EMPTY, newer = BUF_EMPTY;
    disk_rdb(&content, 20000000, 1); /* so large that it does not go in one go */
    disk_rdb(&newer, 70000, 2);
    storage_snapshot_read(s, 4, 0, 0, 100);
    assert_false(disk_wait(s, STORAGE_SNAPSHOT_PIECE).ok); /* there is none yet */
    assert_true(write_snapshot(s, 80, 1, &content).ok);
    uint64_t offset = 0, total = 1;
    while (offset < total) {
        storage_snapshot_read(s, 4, offset ? 80 : 0, offset, 3000000);
        struct storage_event e = disk_wait(s, STORAGE_SNAPSHOT_PIECE);
        assert_int_equal(e.cookie, 4);
        assert_true(e.ok);
        assert_int_equal(e.index, 80);
        assert_int_equal(e.term, 1);
        assert_int_equal(e.offset, offset);
        total = e.total;
        assert_int_equal(total, content.len);
        offset += e.block.len;
        storage_snapshot_receive(t, 0, 80, 1, e.offset,
                                 slice_of(e.block.blob->data + e.block.offset, e.block.len), offset == total);
        blob_unref(e.block.blob);
        e = disk_wait(t, STORAGE_SNAPSHOT_RECEIVED);
        assert_true(e.ok);
        if (offset == 3000000) /* a newer one in its place does not disturb who is reading */
            assert_true(write_snapshot(s, 90, 1, &newer).ok);
    }
    assert_true(install(t, 80, 1, false));
    expect_loaded(t, &content);
    storage_snapshot_read(s, 4, 85, 0, 10); /* never was: the newest */
    struct storage_event e = disk_wait(s, STORAGE_SNAPSHOT_PIECE);
    assert_int_equal(e.index, 90);
    blob_unref(e.block.blob);
    disk_append(t, 81, 85, 2, 64);
    disk_wait_persisted(t, 85);
    struct storage_found found;
    t = reopen(t, dir2, &found);
    assert_int_equal(found.snapshot_index, 80);
    assert_int_equal(found.last, 85);
    assert_false(found.short_log_found);
    assert_int_equal(count_entries(t, 81), 5);
    storage_close(s);
    storage_close(t);
    buf_deinit(&content);
    buf_deinit(&newer);
    disk_remove(dir);
    disk_remove(dir2);
}

static void pieces_are_read_in_whole_blocks(void **state)
{
    (void)state;
    enum { BLOCK = SNAPSHOT_BLOCK, BYTES = 3 * BLOCK + 7 };
    static const struct {
        uint64_t offset;
        size_t len;
        uint64_t from;
        size_t whole;
    } cases[] = {{0, 1, 0, BLOCK},
                 {BLOCK - 1, 2, 0, 2 * BLOCK},
                 {BLOCK, BLOCK, BLOCK, BLOCK},
                 {BLOCK + 1, SIZE_MAX, BLOCK, BYTES - BLOCK},
                 {BYTES - 1, 1, 3 * BLOCK, 7},
                 {BYTES, 5, 3 * BLOCK, 0},
                 {BYTES + 9 * BLOCK, 5, 12 * BLOCK, 0}};
    struct buf content = BUF_EMPTY;
    disk_rdb(&content, BYTES - 17, 1);
    assert_int_equal(content.len, BYTES);
    struct snapshot_sum sum = {0};
    for (size_t at = 0; at < BYTES; at += 999)
        snapshot_sum_add(&sum, content.data + at, BYTES - at < 999 ? BYTES - at : 999);
    struct blob *sums = snapshot_sum_end(&sum);
    assert_non_null(sums);
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        size_t len = cases[i].len;
        uint64_t from = snapshot_blocks_around(BYTES, cases[i].offset, &len);
        assert_int_equal(from, cases[i].from);
        assert_int_equal(len, cases[i].whole);
        for (size_t at = 0; at < len; at += 911) {
            char *data = content.data + from;
            assert_true(snapshot_blocks_good(sums, from, slice_of(data, len)));
            data[at] ^= 1;
            assert_false(snapshot_blocks_good(sums, from, slice_of(data, len)));
            data[at] ^= 1;
        }
    }
    char beyond[8] = {0}; /* blocks of which nothing is known */
    assert_false(snapshot_blocks_good(sums, 4 * BLOCK, slice_of(beyond, sizeof(beyond))));
    blob_unref(sums);
    buf_deinit(&content);
}

static struct storage_event read_piece(struct storage *s, uint64_t index, uint64_t offset, size_t len)
{
    storage_snapshot_read(s, 4, index, offset, len);
    struct storage_event e = disk_wait(s, STORAGE_SNAPSHOT_PIECE);
    blob_unref(e.block.blob);
    return e;
}

/* Written, received, or found at the start: what rots afterwards is noticed when a piece of it is read, goes to nobody,
 * and the next snapshot takes its place. */
static void a_snapshot_that_rots_is_not_served(void **state)
{
    (void)state;
    enum { WRITTEN, RECEIVED, FOUND, SHORTER, GONE, CASES };
    struct buf content = BUF_EMPTY, newer = BUF_EMPTY;
    disk_rdb(&content, 300000, 1);
    disk_rdb(&newer, 90000, 2);
    for (int how = 0; how < CASES; how++) {
        char *dir;
        struct storage *s = open_node(&dir, 100);
        struct storage_found found;
        if (how == RECEIVED) {
            receive(s, 80, 1, &content, 999, true);
            assert_true(install(s, 80, 1, true));
        } else {
            assert_true(write_snapshot(s, 80, 1, &content).ok);
        }
        if (how == FOUND)
            s = reopen(s, dir, &found);
        assert_true(read_piece(s, 80, 0, 1 << 18).ok);
        char *name = disk_find(dir, "snapshot-"), path[4096];
        snprintf(path, sizeof(path), "%s/%s", dir, name);
        if (how == SHORTER)
            assert_int_equal(truncate(path, 200000), 0);
        else if (how == GONE)
            assert_int_equal(unlink(path), 0);
        else
            disk_flip(dir, name, 250000ull * 8 + 3);
        if (how == GONE) /* who has it open goes on; nobody else begins */
            s = (storage_close(s), disk_open(dir, NULL));
        else
            assert_true(read_piece(s, 80, 0, 1000).ok);
        assert_false(read_piece(s, 80, 249000, 2000).ok);
        assert_false(read_piece(s, 80, 0, 1000).ok);
        if (how != GONE) {
            char *aside = disk_find(dir, "snapshot-");
            assert_non_null(strstr(aside, ".damaged"));
            free(aside);
        }
        assert_true(write_snapshot(s, 90, 1, &newer).ok);
        struct storage_event e = read_piece(s, 80, 249000, 2000);
        assert_true(e.ok);
        assert_int_equal(e.index, 90);
        assert_int_equal(e.total, newer.len);
        s = reopen(s, dir, &found);
        assert_int_equal(found.snapshot_index, 90);
        assert_int_equal(found.last, 100);
        assert_false(found.short_log_found);
        expect_loaded(s, &newer);
        storage_close(s);
        free(name);
        disk_remove(dir);
    }
    buf_deinit(&content);
    buf_deinit(&newer);
}

static void installing_keeps_a_good_suffix_and_drops_a_bad_one(void **state)
{
    (void)state;
    struct buf content = BUF_EMPTY;
    disk_rdb(&content, 5000, 1);
    for (int keep = 0; keep < 2; keep++) {
        char *dir;
        struct storage *s = open_node(&dir, 100);
        receive(s, 55, keep ? 1 : 2, &content, 999, true);
        assert_true(install(s, 55, keep ? 1 : 2, keep));
        struct storage_found found;
        for (int again = 0; again < 2; again++) {
            s = reopen(s, dir, &found);
            assert_int_equal(found.snapshot_index, 55);
            assert_int_equal(found.last, keep ? 100 : 55);
            assert_false(found.short_log_found);
            assert_int_equal(count_entries(s, 1), keep ? 45 : 0);
        }
        disk_append(s, found.last + 1, found.last + 5, 3, 64);
        disk_wait_persisted(s, found.last + 5);
        s = reopen(s, dir, &found);
        assert_int_equal(count_entries(s, 56), keep ? 50 : 5);
        storage_close(s);
        disk_remove(dir);
    }
    buf_deinit(&content);
}

/* The process ends after the rename and before the conflicting log is dropped. */
static void a_conflicting_log_is_dropped_at_the_next_start(void **state)
{
    (void)state;
    struct buf content = BUF_EMPTY;
    disk_rdb(&content, 5000, 1);
    for (uint64_t index = 50; index < 54; index++) { /* at a block's end, and within one */
        char *dir, path[4096];
        storage_close(open_node(&dir, 100));
        snprintf(path, sizeof path, "%s/snapshot-1-%d-2.rdb", dir, (int)index);
        int fd = open(path, O_CREAT | O_WRONLY, 0600);
        assert_int_equal(write(fd, content.data, content.len), content.len);
        close(fd);
        struct storage_found found;
        struct storage *s = disk_open(dir, &found);
        assert_int_equal(found.snapshot_index, index);
        assert_int_equal(found.last, index);
        assert_false(found.short_log_found);
        disk_append(s, index + 1, index + 1, 2, 64);
        disk_wait_persisted(s, index + 1);
        s = reopen(s, dir, &found);
        assert_int_equal(found.last, index + 1);
        storage_close(s);
        disk_remove(dir);
    }
    buf_deinit(&content);
}

static void a_damaged_arrival_is_refused(void **state)
{
    (void)state;
    char *dir;
    struct storage *s = open_node(&dir, 100);
    struct buf content = BUF_EMPTY;
    disk_rdb(&content, 5000, 1);
    content.data[3000] ^= 4;
    receive(s, 200, 3, &content, 1024, false);
    assert_false(install(s, 200, 3, false));
    content.data[3000] ^= 4;
    storage_snapshot_receive(s, 0, 200, 3, 0, slice_of(content.data, 1000), false);
    disk_wait(s, STORAGE_SNAPSHOT_RECEIVED);
    storage_snapshot_receive(s, 0, 200, 3, 2000, slice_of(content.data + 2000, 1000),
                             false); /* one is missing */
    struct storage_event e = disk_wait(s, STORAGE_SNAPSHOT_RECEIVED);
    assert_false(e.ok);
    assert_int_equal(e.offset, 1000);
    storage_snapshot_receive(s, 0, 201, 3, 1000, slice_of(content.data + 1000, 1000),
                             false); /* another one's */
    e = disk_wait(s, STORAGE_SNAPSHOT_RECEIVED);
    assert_false(e.ok);
    assert_false(install(s, 200, 3, false)); /* it is not whole */
    receive(s, 200, 3, &content, 1024, true);
    assert_false(install(s, 201, 3, false));
    assert_true(install(s, 200, 3, false));
    receive(s, 150, 3, &content, 1024, true);
    assert_false(install(s, 150, 3, false)); /* never back */
    struct storage_found found;
    s = reopen(s, dir, &found);
    assert_int_equal(found.snapshot_index, 200);
    assert_int_equal(found.last, 200);
    storage_close(s);
    buf_deinit(&content);
    disk_remove(dir);
}

static bool refuse_to_write(void *arg, storage_emit_fn *emit, void *sink)
{
    return emit(sink, "REDIS", 5) && arg != NULL;
}

static void a_snapshot_that_fails_leaves_the_old_one(void **state)
{
    (void)state;
    char *dir;
    struct storage *s = open_node(&dir, 100);
    struct buf content = BUF_EMPTY, bad = BUF_EMPTY;
    disk_rdb(&content, 5000, 1);
    disk_rdb(&bad, 5000, 2);
    bad.data[100] ^= 1;
    assert_true(write_snapshot(s, 50, 1, &content).ok);
    storage_snapshot_write(s, 60, 1, refuse_to_write, NULL);
    struct storage_event e = disk_wait(s, STORAGE_SNAPSHOT_WRITTEN);
    assert_true(!e.ok && e.refused);
    e = write_snapshot(s, 70, 1, &bad);
    assert_true(!e.ok && !e.refused); /* verified whole before use */
    expect_loaded(s, &content);
    char *temp = disk_find(dir, "snapshot.tmp");
    assert_null(temp);
    struct storage_found found;
    s = reopen(s, dir, &found);
    assert_int_equal(found.snapshot_index, 50);
    storage_close(s);
    buf_deinit(&content);
    buf_deinit(&bad);
    disk_remove(dir);
}

static void settle(void)
{
    usleep(200000);
}

/* It has no name, and the one before it stays, until somebody has said that it is right. */
static void it_waits_for_the_word(void **state)
{
    (void)state;
    char *dir;
    struct storage *s = open_node(&dir, 100);
    struct storage_event e;
    struct storage_found found;
    struct buf one = BUF_EMPTY, two = BUF_EMPTY;
    disk_rdb(&one, 5000, 1);
    disk_rdb(&two, 5000, 2);
    assert_true(write_snapshot(s, 50, 1, &one).ok);
    storage_snapshot_write(s, 60, 1, disk_rdb_write, &two);
    storage_snapshot_keep(s, 50, true); /* of another one */
    settle();
    assert_false(storage_poll(s, &e));
    expect_loaded(s, &one);
    storage_snapshot_keep(s, 60, false);
    storage_snapshot_keep(s, 60, true); /* once */
    assert_false(disk_wait(s, STORAGE_SNAPSHOT_WRITTEN).ok);
    assert_null(disk_find(dir, "snapshot.tmp"));
    expect_loaded(s, &one);

    storage_snapshot_write(s, 70, 1, disk_rdb_write, &two);
    settle();
    storage_snapshot_keep(s, 70, true);
    e = disk_wait(s, STORAGE_SNAPSHOT_WRITTEN);
    assert_true(e.ok);
    assert_int_equal(e.index, 70);
    expect_loaded(s, &two);

    storage_snapshot_write(s, 80, 1, disk_rdb_write, &one);
    settle();
    s = reopen(s, dir, &found); /* does not wait for it */
    assert_int_equal(found.snapshot_index, 70);
    assert_null(disk_find(dir, "snapshot.tmp"));
    storage_close(s);
    buf_deinit(&one);
    buf_deinit(&two);
    disk_remove(dir);
}

static bool write_for_long(void *arg, storage_emit_fn *emit, void *sink)
{
    (void)arg;
    for (int i = 0; i < 600; i++) {
        if (!emit(sink, "REDIS", 5))
            return false;
        usleep(100000);
    }
    return true;
}

static void expect_end_of(int fd)
{
    char byte;
    struct pollfd p = {.fd = fd, .events = POLLIN};
    assert_int_equal(poll(&p, 1, 5000), 1);
    assert_int_equal(read(fd, &byte, 1), 0);
}

/* What the child inherits on its descriptor 0 stays open as long as it lives. */
static void the_child_dies_with_its_parent(void **state)
{
    (void)state;
    char *dir;
    storage_close(open_node(&dir, 100));
    int life[2];
    assert_int_equal(pipe(life), 0);
    pid_t server = fork();
    if (server == 0) {
        dup2(life[1], 0);
        close(life[0]);
        close(life[1]);
        struct storage *s = disk_open(dir, NULL);
        storage_snapshot_write(s, 50, 1, write_for_long, NULL);
        usleep(300000);
        kill(getpid(), SIGKILL);
    }
    close(life[1]);
    waitpid(server, NULL, 0);
    expect_end_of(life[0]);
    close(life[0]);
    struct storage_found found;
    struct storage *s = disk_open(dir, &found); /* neither is the lock held */
    assert_int_equal(found.snapshot_index, 0);
    assert_int_equal(found.last, 100);
    char *temp = disk_find(dir, "snapshot.tmp");
    assert_null(temp);
    storage_close(s);
    disk_remove(dir);
}

/* A peer learns at once that a connection was closed, though a child is writing. */
static void the_child_holds_no_sockets(void **state)
{
    (void)state;
    char *dir;
    struct storage *s = open_node(&dir, 100);
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    storage_snapshot_write(s, 50, 1, write_for_long, NULL);
    close(pair[1]);
    expect_end_of(pair[0]);
    close(pair[0]);
    storage_close(s);
    disk_remove(dir);
}

static void one_snapshot_at_a_time(void **state)
{
    (void)state;
    char *dir;
    struct storage *s = open_node(&dir, 100);
    /* One at a time; closing does not wait for it. */
    storage_snapshot_write(s, 50, 1, write_for_long, NULL);
    storage_snapshot_write(s, 60, 1, write_for_long, NULL);
    struct storage_event e = disk_wait(s, STORAGE_SNAPSHOT_WRITTEN);
    assert_int_equal(e.index, 60);
    assert_false(e.ok);
    uint64_t began_us = clock_mono_us();
    storage_close(s);
    assert_true(clock_mono_us() - began_us < 5000000);
    disk_remove(dir);
}

static void temporary_files_are_ignored(void **state)
{
    (void)state;
    char *dir, path[4096];
    storage_close(open_node(&dir, 30));
    const char *names[] = {"snapshot.tmp", "receive.tmp", "vote.tmp", "snapshot-1-20-1.rdb.tmp",
                           "snapshot-01-20-1.rdb"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(path, sizeof path, "%s/%s", dir, names[i]);
        int fd = open(path, O_CREAT | O_WRONLY, 0600);
        assert_int_equal(write(fd, "REDIS torn", 10), 10);
        close(fd);
    }
    struct storage_found found;
    struct storage *s = disk_open(dir, &found);
    assert_int_equal(found.snapshot_index, 0);
    assert_int_equal(found.last, 30);
    assert_string_equal(found.what, "");
    storage_close(s);
    disk_remove(dir);
}

/* The newest is damaged and the journal it covered is gone: what is left is short, and says so. */
static void a_damaged_snapshot_makes_a_short_log(void **state)
{
    (void)state;
    char *dir;
    struct storage *s = open_node(&dir, 100);
    struct buf content = BUF_EMPTY;
    disk_rdb(&content, 5000, 1);
    assert_true(write_snapshot(s, 75, 1, &content).ok);
    storage_close(s);
    disk_flip(dir, "snapshot-1-75-1.rdb", 20000);
    struct storage_found found;
    s = disk_open(dir, &found); /* the journal still has it all */
    assert_int_equal(found.snapshot_index, 0);
    assert_int_equal(found.last, 100);
    assert_false(found.short_log_found);
    assert_non_null(strstr(found.what, "damaged"));
    assert_true(write_snapshot(s, 80, 1, &content).ok);
    storage_cut(s, 81); /* with 81.. in the block of 80, and that one gone with the compaction */
    disk_append(s, 81, 90, 1, 64);
    disk_wait_persisted(s, 90);
    storage_compact(s, 80);
    storage_close(s);
    disk_flip(dir, "snapshot-1-80-1.rdb", 20000);
    s = disk_open(dir, &found);
    assert_int_equal(found.vote.node_id, 11);
    assert_int_equal(found.snapshot_index, 0);
    printf("    %s\n", found.what);
    if (found.last == 0) { /* the disk had been given back already */
        assert_true(found.short_log_found && found.vote.short_log);
    } else {
        assert_int_equal(found.last, 90);
    }
    storage_close(s);
    buf_deinit(&content);
    disk_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_sum_holds_back_the_last_eight_bytes),
        cmocka_unit_test(a_snapshot_lets_the_journal_shrink),
        cmocka_unit_test(a_journal_may_be_empty_behind_the_snapshot),
        cmocka_unit_test(a_compaction_counts_as_soon_as_it_is_asked_for),
        cmocka_unit_test(compaction_gives_the_disk_back),
        cmocka_unit_test(a_snapshot_travels_in_pieces),
        cmocka_unit_test(pieces_are_read_in_whole_blocks),
        cmocka_unit_test(a_snapshot_that_rots_is_not_served),
        cmocka_unit_test(installing_keeps_a_good_suffix_and_drops_a_bad_one),
        cmocka_unit_test(a_conflicting_log_is_dropped_at_the_next_start),
        cmocka_unit_test(a_damaged_arrival_is_refused),
        cmocka_unit_test(a_snapshot_that_fails_leaves_the_old_one),
        cmocka_unit_test(the_child_dies_with_its_parent),
        cmocka_unit_test(the_child_holds_no_sockets),
        cmocka_unit_test(it_waits_for_the_word),
        cmocka_unit_test(one_snapshot_at_a_time),
        cmocka_unit_test(temporary_files_are_ignored),
        cmocka_unit_test(a_damaged_snapshot_makes_a_short_log),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
