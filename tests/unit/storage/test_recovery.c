/* The simulated store tears as a real one was seen to, and recovery's table of decisions, over it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../support/disk.h"
#include "../../support/kv_memory.h"
#include "storage/recovery.h"

enum { CLUSTER = 77, SIZE = 20, FILE_BYTES = VOTE_FILE_BYTES };

/* A vote file in memory, and how many writes and syncs it still takes. */
struct bench {
    char file[FILE_BYTES];
    int left;
    char order[16]; /* w: slot or mark written, s: synced */
    struct kv *kv;
    struct stable s;
};

static bool bench_write(void *arg, const char *data, size_t len, size_t offset)
{
    struct bench *b = arg;
    if (b->left-- == 0)
        return false;
    memcpy(b->file + offset, data, len);
    if (strlen(b->order) + 1 < sizeof b->order)
        strcat(b->order, offset == VOTE_MARK_OFFSET ? "m" : "w");
    return true;
}

static bool bench_sync(void *arg)
{
    struct bench *b = arg;
    if (b->left-- == 0)
        return false;
    if (strlen(b->order) + 1 < sizeof b->order)
        strcat(b->order, "s");
    return true;
}

static void append(struct bench *b, uint64_t first, uint64_t last, uint64_t term)
{
    struct raft_block block = disk_block(first, last, term, SIZE);
    assert_true(stable_append(&b->s, &block));
    assert_true(stable_commit(&b->s, true));
    blob_unref(block.blob);
}

/* Three blocks of three entries, terms 1, 1, 2. */
static void make(struct bench *b)
{
    bool repair;
    struct recovery r = {0};
    *b = (struct bench){.left = -1, .kv = kv_memory_new()};
    vote_blank(b->file);
    b->s.io = (struct vote_io){b, bench_write, bench_sync};
    assert_int_equal(recovery_vote(&r, &b->s, b->file, false, &repair), RECOVERY_VOTE_GOOD);
    struct vote_record record = b->s.record;
    record.vote = (struct storage_vote){.node_id = 5, .cluster_id = CLUSTER, .term = 2};
    assert_true(stable_save_vote(&b->s, &record));
    struct snapshot_id none = {0};
    assert_int_equal(recovery_journal(&r, &b->s, b->kv, "", &none), RECOVERY_JOURNAL_WHOLE);
    append(b, 1, 3, 1);
    append(b, 4, 6, 1);
    append(b, 7, 9, 2);
}

static void done(struct bench *b)
{
    journal_deinit(&b->s.journal);
    b->kv->close(b->kv);
}

/* The process ends and another one recovers. */
static enum recovery_journal again(struct bench *b, struct recovery *r, bool same_boot)
{
    bool repair;
    struct snapshot_id none = {0};
    struct vote_io io = b->s.io;
    journal_deinit(&b->s.journal);
    b->s = (struct stable){.io = io};
    *r = (struct recovery){0};
    assert_int_equal(recovery_vote(r, &b->s, b->file, true, &repair), RECOVERY_VOTE_GOOD);
    enum recovery_journal found = recovery_journal(r, &b->s, b->kv, "", &none);
    if (found != RECOVERY_JOURNAL_REFUSED)
        recovery_judge(r, &b->s, same_boot);
    return found;
}

static void a_whole_log_stands(void **state)
{
    (void)state;
    struct bench b;
    struct recovery r;
    make(&b);
    assert_int_equal(again(&b, &r, false), RECOVERY_JOURNAL_WHOLE);
    assert_false(r.short_log);
    assert_string_equal(r.what, "");
    assert_int_equal(b.s.journal.last, 9);
    done(&b);
}

static void a_lost_tail_is_short(void **state)
{
    (void)state;
    for (size_t lost = 1; lost <= 3; lost++) {
        struct bench b;
        struct recovery r;
        make(&b);
        assert_int_equal(kv_memory_lose(b.kv, lost), lost);
        assert_int_equal(again(&b, &r, true), RECOVERY_JOURNAL_WHOLE);
        assert_int_equal(b.s.journal.last, 9 - 3 * lost);
        assert_true(r.short_log);
        uint8_t boot[16] = {1};
        assert_true(recovery_settle(&r, &b.s, boot, STORAGE_FSYNC_ALWAYS));
        assert_int_equal(again(&b, &r, true), RECOVERY_JOURNAL_WHOLE);
        assert_false(r.short_log);              /* not found anew, */
        assert_true(b.s.record.vote.short_log); /* but not forgotten */
        done(&b);
    }
}

static void damage_is_replaced(void **state)
{
    (void)state;
    for (int kind = 0; kind < 4; kind++) {
        struct bench b;
        struct recovery r;
        char *value;
        make(&b);
        if (kind == 0)
            kv_memory_remove(b.kv, 1);
        else if (kind == 1)
            kv_memory_misplace(b.kv, 1, 0);
        else if (kind == 2)
            kv_memory_spoil(b.kv, 1);
        else if (kv_memory_at(b.kv, 1, &value).len)
            value[60] ^= 1;
        assert_int_equal(again(&b, &r, true), RECOVERY_JOURNAL_REPLACE);
        assert_int_equal(b.s.journal.last, 3);
        assert_true(r.short_log);
        struct stable_generation next = recovery_replacement(&b.s);
        assert_true(next.keep && next.damaged && next.vote.short_log);
        done(&b);
    }
}

static void what_the_mark_says(void **state)
{
    (void)state;
    struct bench b;
    struct recovery r;
    make(&b);
    b.file[VOTE_MARK_OFFSET + 8] ^= 1;
    again(&b, &r, true);
    assert_true(r.short_log && r.unclean);
    done(&b);

    make(&b);
    struct vote_mark mark = b.s.mark;
    mark.fsync = STORAGE_FSYNC_EVERYSEC;
    mark.clean = false;
    assert_true(stable_set_mark(&b.s, &mark, true));
    again(&b, &r, true);
    assert_false(r.short_log);
    again(&b, &r, false);
    assert_true(r.short_log);
    done(&b);
}

static void the_vote(void **state)
{
    (void)state;
    struct bench b;
    struct recovery r = {0};
    bool repair;
    make(&b);
    assert_int_equal(recovery_vote(&r, &b.s, NULL, false, &repair), RECOVERY_VOTE_BLANK);
    assert_int_equal(recovery_vote(&r, &b.s, NULL, true, &repair), RECOVERY_VOTE_REFUSED);
    for (int slot = 0; slot < 2; slot++) {
        b.file[slot * VOTE_SECTOR + 44] ^= 1;
        assert_int_equal(recovery_vote(&r, &b.s, b.file, true, &repair), RECOVERY_VOTE_GOOD);
        assert_true(repair);
        assert_int_equal(b.s.record.vote.term, 2);
        b.file[slot * VOTE_SECTOR + 44] ^= 1;
    }
    b.file[44] ^= 1;
    b.file[VOTE_SECTOR + 44] ^= 1;
    assert_int_equal(recovery_vote(&r, &b.s, b.file, true, &repair), RECOVERY_VOTE_REFUSED);
    done(&b);
}

static void the_mark_is_lowered_before_and_raised_after(void **state)
{
    (void)state;
    struct bench b;
    make(&b);
    b.order[0] = '\0';
    append(&b, 10, 12, 2);
    assert_string_equal(b.order, "m");
    b.order[0] = '\0';
    stable_cut(&b.s, 4);
    assert_int_equal(stable_view(&b.s).last, 3);
    assert_true(stable_apply_cut(&b.s));
    assert_true(stable_commit(&b.s, true));
    assert_string_equal(b.order, "msm");
    assert_int_equal(b.s.mark.index, 3);
    done(&b);
    /* A cut that is not written is not taken for a loss, and neither is one that is. */
    for (int steps = 0; steps < 4; steps++) {
        struct recovery r;
        make(&b);
        stable_cut(&b.s, 4);
        assert_true(stable_apply_cut(&b.s));
        b.left = steps;
        assert_int_equal(stable_commit(&b.s, true), steps >= 3);
        b.left = -1;
        kv_memory_kill(b.kv);
        assert_int_equal(again(&b, &r, true), RECOVERY_JOURNAL_WHOLE);
        assert_false(r.short_log);
        done(&b);
    }
}

static void a_snapshot_in_place_of_a_conflicting_log(void **state)
{
    (void)state;
    struct bench b;
    make(&b);
    b.order[0] = '\0';
    assert_true(stable_will_end(&b.s, 5, 3)); /* of a later term: not before the end */
    assert_string_equal(b.order, "");
    assert_true(stable_will_end(&b.s, 5, 2));
    assert_string_equal(b.order, "ms");
    done(&b);
}

static void a_misread_block_is_told(void **state)
{
    (void)state;
    struct bench b;
    make(&b);
    kv_memory_misread(b.kv, 1); /* the block of 1 to 3 comes as that of 4 to 6 */
    assert_false(journal_cut(&b.s.journal, 2));
    kv_memory_kill(b.kv);
    uint64_t limit;
    kv_memory_misread(b.kv, 1);
    assert_false(journal_compact(&b.s.journal, 1, &limit));
    done(&b);
}

/* ---- the store itself --------------------------------------------------------------------------------- */

static void put(struct kv *kv, uint64_t index, const char *text, bool sync)
{
    struct journal_key key = journal_key(index);
    struct slice value = slice_of(text, strlen(text));
    kv->put(kv, journal_key_slice(&key), &value, 1);
    assert_true(kv->commit(kv, sync));
}

static void a_power_cut_leaves_a_prefix_of_the_unsynced(void **state)
{
    (void)state;
    bool seen[4] = {false};
    for (uint64_t seed = 0; seed < 64; seed++) {
        struct prng chance;
        prng_seed(&chance, seed);
        struct kv *kv = kv_memory_new();
        put(kv, 1, "a", true);
        for (uint64_t i = 2; i <= 4; i++)
            put(kv, i, "b", false);
        size_t lost = kv_memory_crash(kv, &chance), count = kv_memory_count(kv);
        assert_int_equal(count, 4 - lost);
        for (size_t i = 0; i < count; i++)
            assert_int_equal(kv_memory_key(kv, i), i + 1);
        seen[lost] = true;
        kv->close(kv);
    }
    assert_true(seen[0] && seen[1] && seen[2] && seen[3]);
}

static void a_hole_leaves_what_is_behind_it(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 64; seed++) {
        struct prng chance;
        prng_seed(&chance, seed);
        struct kv *kv = kv_memory_new();
        for (uint64_t i = 1; i <= 6; i++)
            put(kv, i, "a", true);
        size_t lost = kv_memory_hole(kv, &chance);
        assert_in_range(lost, 1, 5);
        assert_int_equal(kv_memory_count(kv), 6 - lost);
        assert_int_equal(kv_memory_key(kv, 5 - lost), 6);
        kv->close(kv);
    }
}

static void what_was_dropped_comes_back_below_the_limit_only(void **state)
{
    (void)state;
    size_t revived = 0;
    for (uint64_t seed = 0; seed < 16; seed++) {
        struct prng chance;
        prng_seed(&chance, seed);
        struct kv *kv = kv_memory_new();
        for (uint64_t i = 1; i <= 8; i++)
            put(kv, i, "a", true);
        put(kv, 7, "b", true);
        struct journal_key limit = journal_key(5);
        kv->drop_below(kv, journal_key_slice(&limit));
        size_t count = kv_memory_count(kv);
        assert_in_range(count, 4, 7);
        assert_int_equal(kv_memory_key(kv, count - 4), 5);
        revived += kv_memory_revive(kv, &chance);
        count = kv_memory_count(kv);
        char *value;
        assert_int_equal(kv_memory_key(kv, count - 2), 7);
        kv_memory_at(kv, count - 2, &value);
        assert_int_equal(value[0], 'b');
        kv->close(kv);
    }
    assert_true(revived > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whole_log_stands),
        cmocka_unit_test(a_lost_tail_is_short),
        cmocka_unit_test(damage_is_replaced),
        cmocka_unit_test(what_the_mark_says),
        cmocka_unit_test(the_vote),
        cmocka_unit_test(the_mark_is_lowered_before_and_raised_after),
        cmocka_unit_test(a_snapshot_in_place_of_a_conflicting_log),
        cmocka_unit_test(a_misread_block_is_told),
        cmocka_unit_test(a_power_cut_leaves_a_prefix_of_the_unsynced),
        cmocka_unit_test(a_hole_leaves_what_is_behind_it),
        cmocka_unit_test(what_was_dropped_comes_back_below_the_limit_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
