/* The journal's logic over a key-value store in memory: every cut, compaction and crash, and every damaged bit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "../../support/disk.h"
#include "../../support/kv_memory.h"
#include "base/alloc.h"
#include "storage/journal.h"

enum { CLUSTER = 77, SIZE = 20 };

static void append(struct journal *j, uint64_t first, uint64_t last, uint64_t term)
{
    struct raft_block b = disk_block(first, last, term, SIZE);
    journal_append(j, &b);
    blob_unref(b.blob);
}

static enum journal_state recover(struct journal *j, struct kv *kv, uint64_t index, uint64_t term, char *what)
{
    char ignored[KV_ERROR_MAX];
    return journal_recover(j, kv, CLUSTER, index, term, what ? what : ignored);
}

/* Blocks 1-3 term 1, 4-6 term 1, 7-9 term 2, 10-12 term 4. */
static struct kv *make(struct journal *j)
{
    struct kv *kv = kv_memory_new();
    assert_int_equal(recover(j, kv, 0, 0, NULL), JOURNAL_WHOLE);
    append(j, 1, 3, 1);
    append(j, 4, 6, 1);
    append(j, 7, 9, 2);
    assert_true(journal_commit(j, true));
    append(j, 10, 12, 4);
    assert_true(journal_commit(j, true));
    return kv;
}

static const uint64_t terms[] = {0, 1, 1, 1, 1, 1, 1, 2, 2, 2, 4, 4, 4};

struct walk {
    uint64_t next;
    const uint64_t *terms;
};

static void check(void *arg, const struct raft_frame *f)
{
    struct walk *w = arg;
    assert_true(disk_frame_is(f, w->next, w->terms[w->next], SIZE));
    w->next++;
}

static void expect(struct journal *j, uint64_t first, uint64_t last, const uint64_t *expected)
{
    char error[KV_ERROR_MAX];
    struct walk w = {first, expected};
    assert_int_equal(j->first, first);
    assert_int_equal(j->last, last);
    struct journal_view view = journal_view(j);
    assert_true(journal_walk(&view, first, check, &w, error));
    assert_int_equal(w.next, last + 1);
}

static void blocks_come_back(void **state)
{
    (void)state;
    struct journal j;
    struct kv *kv = make(&j);
    assert_int_equal(kv_memory_count(kv), 4);
    assert_int_equal(kv_memory_syncs(kv), 2);
    expect(&j, 1, 12, terms);
    uint64_t written = j.written;
    uint32_t checksum = j.checksum;
    journal_deinit(&j);
    assert_int_equal(recover(&j, kv, 0, 0, NULL), JOURNAL_WHOLE);
    expect(&j, 1, 12, terms);
    assert_int_equal(j.last_term, 4);
    assert_int_equal(j.checksum, checksum);
    assert_int_equal(j.written, written);
    journal_deinit(&j);
    kv->close(kv);
}

static void every_cut_is_one_commit(void **state)
{
    (void)state;
    for (uint64_t from = 1; from <= 13; from++) {
        for (int crash = 0; crash < 2; crash++) {
            struct journal j;
            struct kv *kv = make(&j);
            size_t syncs = kv_memory_syncs(kv);
            uint64_t term, expected[16];
            memcpy(expected, terms, sizeof terms);
            assert_true(journal_end_after_cut(&j, from, &term));
            assert_int_equal(term, terms[from - 1]);
            assert_true(journal_cut(&j, from));
            assert_int_equal(j.last, from - 1);
            assert_int_equal(j.last_term, term);
            append(&j, from, from + 1, 5);
            expected[from] = expected[from + 1] = 5;
            if (crash)
                kv_memory_lose(kv, 0); /* before the commit: nothing has happened */
            else
                assert_true(journal_commit(&j, true));
            assert_int_equal(kv_memory_syncs(kv), syncs + (crash ? 0 : 1));
            journal_deinit(&j);
            assert_int_equal(recover(&j, kv, 0, 0, NULL), JOURNAL_WHOLE);
            expect(&j, 1, crash ? 12 : from + 1, crash ? terms : expected);
            journal_deinit(&j);
            kv->close(kv);
        }
    }
}

static void recovery_begins_behind_the_snapshot(void **state)
{
    (void)state;
    for (uint64_t index = 1; index <= 14; index++) {
        for (int compact = 0; compact < 2; compact++) {
            struct journal j;
            struct kv *kv = make(&j);
            uint64_t limit, term = index <= 12 ? terms[index] : 4;
            if (compact) {
                assert_true(journal_compact(&j, index, &limit));
                struct journal_key key = journal_key(limit - 1);
                kv->drop_below(kv, journal_key_slice(&key));
                assert_int_equal(j.first, index < 12 ? index + 1 : 13);
                assert_true(journal_bytes(&j) <= j.written);
                if (index <= 12)
                    expect(&j, index + 1, 12, terms);
            }
            journal_deinit(&j);
            assert_int_equal(recover(&j, kv, index, term, NULL), JOURNAL_WHOLE);
            expect(&j, index + 1, index < 12 ? 12 : index, terms);
            assert_int_equal(j.last_term, 4);
            append(&j, j.last + 1, j.last + 2, 6);
            assert_true(journal_commit(&j, true));
            uint64_t last = j.last;
            journal_deinit(&j);
            assert_int_equal(recover(&j, kv, index, term, NULL), JOURNAL_WHOLE);
            assert_int_equal(j.last, last);
            journal_deinit(&j);
            kv->close(kv);
        }
    }
}

/* What is dead below it may be damaged. */
static void another_term_at_the_snapshot_is_a_conflict(void **state)
{
    (void)state;
    for (uint64_t index = 1; index <= 12; index++) {
        struct journal j;
        struct kv *kv = make(&j);
        journal_deinit(&j);
        if (index > 6)
            kv_memory_spoil(kv, 0);
        assert_int_equal(recover(&j, kv, index, 9, NULL), JOURNAL_CONFLICT);
        assert_int_equal(j.last, index);
        assert_true(journal_drop_all(&j, index, 9));
        append(&j, index + 1, index + 1, 9);
        assert_true(journal_commit(&j, true));
        size_t count = kv_memory_count(kv);
        assert_int_equal(kv_memory_key(kv, count - 1), index + 1);
        assert_true(count == 1 || kv_memory_key(kv, count - 2) <= index);
        journal_deinit(&j);
        assert_int_equal(recover(&j, kv, index, 9, NULL), JOURNAL_WHOLE);
        assert_int_equal(j.last, index + 1);
        journal_deinit(&j);
        kv->close(kv);
    }
}

static void a_missing_block_is_noticed(void **state)
{
    (void)state;
    for (uint64_t index = 0; index <= 8; index++) {
        for (size_t lost = 0; lost < 3; lost++) {
            struct journal j;
            struct kv *kv = make(&j);
            kv_memory_remove(kv, lost);
            journal_deinit(&j);
            uint64_t first = lost * 3 + 1;
            char what[KV_ERROR_MAX] = "";
            enum journal_state found = recover(&j, kv, index, terms[index], what);
            if (first + 2 < index || (first + 2 == index)) {
                assert_int_equal(found, JOURNAL_WHOLE);
                assert_int_equal(j.last, 12);
            } else {
                assert_int_equal(found, JOURNAL_DAMAGED);
                assert_true(what[0]);
                assert_int_equal(j.last, first > index ? first - 1 : index);
            }
            journal_deinit(&j);
            kv->close(kv);
        }
    }
}

/* A block out of an older life of this log: in place, whole, and wrong. */
static void a_stale_block_is_noticed(void **state)
{
    (void)state;
    struct journal j;
    struct kv *kv = make(&j);
    char *value;
    struct slice stale = kv_memory_at(kv, 2, &value);
    struct blob *old = blob_new(stale.data, stale.len);
    assert_true(journal_cut(&j, 5));
    append(&j, 5, 6, 2);
    append(&j, 7, 9, 3);
    append(&j, 10, 12, 3);
    assert_true(journal_commit(&j, true));
    struct journal_key key = journal_key(7);
    struct slice part = slice_of(old->data, old->len);
    kv->put(kv, journal_key_slice(&key), &part, 1);
    assert_true(kv->commit(kv, true));
    journal_deinit(&j);
    assert_int_equal(recover(&j, kv, 0, 0, NULL), JOURNAL_DAMAGED);
    assert_int_equal(j.last, 6);
    journal_deinit(&j);
    blob_unref(old);
    kv->close(kv);
}

/* Whole by itself and in its place, yet not the one that was written behind the block before it. */
static void a_broken_chain_is_noticed(void **state)
{
    (void)state;
    struct journal j;
    struct kv *kv = make(&j);
    struct raft_block entries = disk_block(10, 12, 4, SIZE);
    struct journal_block b = {.cluster_id = CLUSTER,
                              .first = 10,
                              .last = 12,
                              .prev_term = 2,
                              .prev_checksum = 12345,
                              .frames = slice_of(entries.blob->data, entries.len)};
    char header[JOURNAL_HEADER];
    journal_block_seal(header, &b);
    struct journal_key key = journal_key(10);
    struct slice parts[] = {slice_of(header, sizeof header), b.frames};
    kv->put(kv, journal_key_slice(&key), parts, 2);
    assert_true(kv->commit(kv, true));
    journal_deinit(&j);
    assert_int_equal(recover(&j, kv, 0, 0, NULL), JOURNAL_DAMAGED);
    assert_int_equal(j.last, 9);
    journal_deinit(&j);
    blob_unref(entries.blob);
    kv->close(kv);
}

static void every_bit_counts(void **state)
{
    (void)state;
    for (size_t block = 0; block < 4; block++) {
        struct journal j;
        struct kv *kv = make(&j);
        journal_deinit(&j);
        char *value;
        struct slice bytes = kv_memory_at(kv, block, &value);
        for (size_t bit = 0; bit < bytes.len * 8; bit++) {
            value[bit / 8] = (char)(value[bit / 8] ^ 1 << bit % 8);
            char what[KV_ERROR_MAX] = "";
            enum journal_state found = recover(&j, kv, 0, 0, what);
            /* The cluster id is looked at before anything else would be thrown away for it. */
            assert_true(found == JOURNAL_DAMAGED ||
                        (found == JOURNAL_FOREIGN && bit / 8 >= 8 && bit / 8 < 16));
            assert_true(what[0]);
            assert_true(j.last >= block * 3 && j.last < block * 3 + 3);
            expect(&j, 1, j.last, terms);
            journal_deinit(&j);
            value[bit / 8] = (char)(value[bit / 8] ^ 1 << bit % 8);
        }
        for (size_t cut = 0; cut < bytes.len; cut++) { /* a torn value */
            struct journal_block b;
            assert_non_null(journal_block_read(slice_of(bytes.data, cut), &b));
        }
        kv->close(kv);
    }
}

/* In a damaged payload's block, the entries before it are good. */
static void entries_before_a_bad_one_are_kept(void **state)
{
    (void)state;
    struct journal j;
    struct kv *kv = make(&j);
    journal_deinit(&j);
    char *value;
    kv_memory_at(kv, 1, &value);
    value[JOURNAL_HEADER + 2 * (RAFT_ENTRY_HEADER + SIZE) + RAFT_ENTRY_HEADER + 3] ^= 1; /* in entry 6 */
    assert_int_equal(recover(&j, kv, 0, 0, NULL), JOURNAL_DAMAGED);
    assert_int_equal(j.last, 5);
    assert_int_equal(j.last_term, 1);
    struct journal_view view = journal_view(&j);
    struct raft_block out;
    char error[KV_ERROR_MAX];
    assert_true(journal_read(&view, 4, 5, 1 << 20, &out, error));
    assert_int_equal(out.last, 5);
    blob_unref(out.blob);
    view.last = 12;
    assert_false(journal_read(&view, 4, 8, 1 << 20, &out, error)); /* a damaged entry is handed to nobody */
    journal_deinit(&j);
    kv->close(kv);
}

static void a_foreign_journal_is_told(void **state)
{
    (void)state;
    struct journal j;
    struct kv *kv = make(&j);
    journal_deinit(&j);
    char what[KV_ERROR_MAX];
    assert_int_equal(journal_recover(&j, kv, 78, 0, 0, what), JOURNAL_FOREIGN);
    journal_deinit(&j);
    kv->close(kv);
}

/* A model beside it: entries by term, with what was synced. Crashes leave a state between the synced and the last. */
struct model {
    uint64_t terms[4096];
    uint64_t last, snapshot;
};

static void random_step(struct journal *j, struct model *m, struct prng *chance, uint64_t *term)
{
    uint64_t pick = prng_below(chance, 10), limit;
    if (pick == 0)
        ++*term;
    if (pick < 2 && m->last > m->snapshot) {
        uint64_t from = m->snapshot + 1 + prng_below(chance, m->last - m->snapshot);
        assert_true(journal_cut(j, from));
        m->last = from - 1;
        ++*term;
    } else if (pick == 2 && m->last > m->snapshot) {
        m->snapshot += 1 + prng_below(chance, m->last - m->snapshot);
        assert_true(journal_compact(j, m->snapshot, &limit));
        return;
    }
    uint64_t count = 1 + prng_below(chance, 5);
    append(j, m->last + 1, m->last + count, *term);
    while (count--)
        m->terms[++m->last] = *term;
}

static bool same(const struct journal *j, const struct model *m)
{
    if (j->last != m->last || j->last_term != m->terms[m->last])
        return false;
    struct journal_view view = journal_view(j);
    char error[KV_ERROR_MAX];
    for (uint64_t i = m->snapshot + 1; i <= m->last; i++) {
        struct raft_block b;
        struct raft_frame f;
        if (!journal_read(&view, i, i, 1, &b, error) || !b.blob)
            return false;
        bool good = raft_entry_read(slice_of(b.blob->data, b.len), true, &f) &&
                    disk_frame_is(&f, i, m->terms[i], SIZE);
        blob_unref(b.blob);
        if (!good)
            return false;
    }
    return true;
}

static void crashes_leave_a_state_that_was(void **state)
{
    (void)state;
    struct model *history = mem_calloc(64, sizeof *history);
    for (uint64_t seed = 1; seed <= 300; seed++) {
        struct prng chance;
        prng_seed(&chance, seed);
        struct journal j;
        struct kv *kv = kv_memory_new();
        assert_int_equal(recover(&j, kv, 0, 0, NULL), JOURNAL_WHOLE);
        uint64_t term = 1;
        size_t known = 0; /* history[0] is synced, history[known] the newest */
        memset(&history[0], 0, sizeof *history);
        for (int step = 0; step < 60; step++) {
            struct model *m = &history[known + 1];
            *m = history[known];
            random_step(&j, m, &chance, &term);
            bool sync = prng_below(&chance, 3) == 0 || m->snapshot != history[known].snapshot || known > 50;
            if (j.dirty)
                assert_true(journal_commit(&j, sync));
            else if (sync)
                assert_true(kv->sync(kv));
            known++;
            if (sync) {
                history[0] = history[known];
                known = 0;
            }
            if (prng_below(&chance, 8))
                continue;
            kv_memory_crash(kv, &chance);
            journal_deinit(&j);
            uint64_t snapshot = history[0].snapshot;
            assert_int_equal(recover(&j, kv, snapshot, history[0].terms[snapshot], NULL), JOURNAL_WHOLE);
            bool found = false;
            for (size_t i = 0; i <= known && !found; i++) {
                found = same(&j, &history[i]);
                if (found)
                    history[0] = history[i];
            }
            assert_true(found);
            known = 0;
        }
        journal_deinit(&j);
        kv->close(kv);
    }
    mem_free(history);
}

static void logs_compare_by_their_ends(void **state)
{
    (void)state;
    assert_true(journal_ends_before(1, 9, 2, 3));
    assert_false(journal_ends_before(2, 3, 1, 9));
    assert_true(journal_ends_before(2, 3, 2, 4));
    assert_false(journal_ends_before(2, 4, 2, 4));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_come_back),
        cmocka_unit_test(every_cut_is_one_commit),
        cmocka_unit_test(recovery_begins_behind_the_snapshot),
        cmocka_unit_test(another_term_at_the_snapshot_is_a_conflict),
        cmocka_unit_test(a_missing_block_is_noticed),
        cmocka_unit_test(a_stale_block_is_noticed),
        cmocka_unit_test(a_broken_chain_is_noticed),
        cmocka_unit_test(every_bit_counts),
        cmocka_unit_test(entries_before_a_bad_one_are_kept),
        cmocka_unit_test(a_foreign_journal_is_told),
        cmocka_unit_test(crashes_leave_a_state_that_was),
        cmocka_unit_test(logs_compare_by_their_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
