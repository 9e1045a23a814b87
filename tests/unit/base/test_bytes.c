/* Buffers, blobs and the byte coding: round trips, and readers that meet the end of their input. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/bytes.h"

static void slices_compare_as_memcmp_then_by_length(void **state)
{
    (void)state;
    assert_true(slice_compare(SLICE_LITERAL("a"), SLICE_LITERAL("b")) < 0);
    assert_true(slice_compare(SLICE_LITERAL("ab"), SLICE_LITERAL("a")) > 0);
    assert_true(slice_compare(SLICE_LITERAL("\x80"), SLICE_LITERAL("\x7f")) > 0);
    assert_int_equal(slice_compare(SLICE_LITERAL("a\0b"), SLICE_LITERAL("a\0b")), 0);
    assert_true(slice_compare(SLICE_LITERAL("a\0b"), SLICE_LITERAL("a\0c")) < 0);
    assert_int_equal(slice_compare(slice_of(NULL, 0), SLICE_LITERAL("")), 0);
    assert_true(slice_equal(slice_of(NULL, 0), SLICE_LITERAL("")));
    assert_false(slice_equal(SLICE_LITERAL("ab"), SLICE_LITERAL("abc")));
}

static void words_ignore_case_and_nothing_else(void **state)
{
    (void)state;
    assert_true(slice_is_word(SLICE_LITERAL("kEEpttl"), "KEEPTTL"));
    assert_false(slice_is_word(SLICE_LITERAL("keepttls"), "KEEPTTL"));
    assert_false(slice_is_word(SLICE_LITERAL("keeptt"), "KEEPTTL"));
    assert_false(slice_is_word(SLICE_LITERAL("keep\0tl"), "KEEPTTL"));
    assert_true(slice_is_word(slice_of(NULL, 0), ""));
}

static void a_buffer_grows_and_keeps_its_bytes(void **state)
{
    (void)state;
    struct buf b = BUF_EMPTY;
    for (unsigned i = 0; i < 100000; i++)
        put_u32(&b, i);
    assert_int_equal(b.len, 400000);
    for (unsigned i = 0; i < 100000; i++)
        assert_int_equal(load_u32(b.data + 4 * (size_t)i), i);
    buf_drop_front(&b, 399996);
    assert_int_equal(b.len, 4);
    assert_int_equal(load_u32(b.data), 99999);
    buf_truncate(&b, 0);
    buf_append(&b, NULL, 0);
    assert_int_equal(b.len, 0);
    buf_deinit(&b);
    assert_null(b.data);
    assert_int_equal(b.cap, 0);
}

static void printf_longer_than_the_room_is_whole(void **state)
{
    (void)state;
    struct buf b = BUF_EMPTY;
    for (int width = 1; width < 300; width++) {
        size_t before = b.len;
        buf_printf(&b, "%*d", width, 7);
        assert_int_equal(b.len - before, width);
        assert_int_equal(b.data[b.len - 1], '7');
        assert_int_equal(b.data[before], width == 1 ? '7' : ' ');
        struct buf fresh = BUF_EMPTY; /* every relation of length and first room, equal among them */
        buf_printf(&fresh, "%*d", width, 7);
        assert_int_equal(fresh.len, width);
        assert_int_equal(fresh.data[fresh.len - 1], '7');
        buf_deinit(&fresh);
    }
    buf_deinit(&b);
}

static void integers_have_fixed_bytes(void **state)
{
    (void)state;
    struct buf b = BUF_EMPTY;
    put_u8(&b, 0x01);
    put_u16(&b, 0x0302);
    put_u32(&b, 0x07060504);
    put_u64(&b, 0x0f0e0d0c0b0a0908);
    for (size_t i = 0; i < 15; i++)
        assert_int_equal(b.data[i], i + 1);
    struct reader r = reader_of(buf_slice(&b));
    assert_int_equal(get_u8(&r), 0x01);
    assert_int_equal(get_u16(&r), 0x0302);
    assert_int_equal(get_u32(&r), 0x07060504);
    assert_int_equal(get_u64(&r), 0x0f0e0d0c0b0a0908);
    assert_false(r.failed);
    assert_int_equal(reader_left(&r), 0);
    char be[8];
    store_u64be(be, 0x0102030405060708);
    assert_memory_equal(be, "\1\2\3\4\5\6\7\10", 8);
    assert_int_equal(load_u64be(be), 0x0102030405060708);
    buf_deinit(&b);
}

static void varints_come_back(void **state)
{
    (void)state;
    for (unsigned bit = 0; bit < 64; bit++) {
        for (int nudge = -1; nudge <= 1; nudge++) {
            uint64_t v = (UINT64_C(1) << bit) + (uint64_t)(int64_t)nudge;
            struct buf b = BUF_EMPTY;
            put_varint(&b, v);
            struct reader r = reader_of(buf_slice(&b));
            assert_true(get_varint(&r) == v);
            assert_false(r.failed);
            assert_int_equal(reader_left(&r), 0);
            for (size_t cut = 0; cut < b.len; cut++) {
                r = reader_of(slice_of(b.data, cut));
                assert_int_equal(get_varint(&r), 0);
                assert_true(r.failed);
            }
            buf_deinit(&b);
        }
    }
}

static void overlong_and_overflowing_varints_are_malformed(void **state)
{
    (void)state;
    const struct slice bad[] = {
        SLICE_LITERAL("\x80\x00"),
        SLICE_LITERAL("\xff\x80\x00"),
        SLICE_LITERAL("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02"),
        SLICE_LITERAL("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"),
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct reader r = reader_of(bad[i]);
        assert_int_equal(get_varint(&r), 0);
        assert_true(r.failed);
    }
}

static void a_failed_reader_stays_failed(void **state)
{
    (void)state;
    struct reader r = reader_of(SLICE_LITERAL("\5abc"));
    assert_null(get_bytes(&r).data);
    assert_true(r.failed);
    assert_int_equal(get_u8(&r), 0);
    assert_int_equal(reader_left(&r), 0);
    r = reader_of(slice_of(NULL, 0));
    assert_int_equal(get_raw(&r, 0).len, 0);
    assert_false(r.failed);
    assert_int_equal(get_u64(&r), 0);
    assert_true(r.failed);
    /* A length near the top of the range must not wrap round into one that fits. */
    r = reader_of(SLICE_LITERAL("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01zz"));
    assert_int_equal(get_bytes(&r).len, 0);
    assert_true(r.failed);
}

static void a_blob_lives_as_long_as_someone_holds_it(void **state)
{
    (void)state;
    struct blob *b = blob_new("payload", 7);
    assert_ptr_equal(blob_ref(b), b);
    blob_unref(b);
    assert_memory_equal(b->data, "payload", 7);
    assert_int_equal(b->refs, 1);
    blob_unref(b);
    blob_unref(NULL);
    struct blob *empty = blob_new(NULL, 0);
    assert_int_equal(empty->len, 0);
    blob_unref(empty);
}

static void usable_size_covers_what_was_asked(void **state)
{
    (void)state;
    void *p = mem_alloc(1000);
    assert_true(mem_usable(p) >= 1000);
    p = mem_realloc(p, 5000);
    assert_true(mem_usable(p) >= 5000);
    mem_free(p);
    void *nothing = mem_alloc(0);
    assert_non_null(nothing);
    mem_free(nothing);
    assert_int_equal(mem_usable(NULL), 0);
}

static void a_buffer_becomes_a_blob(void **state)
{
    (void)state;
    struct buf b = BUF_EMPTY;
    buf_reserve(&b, BLOB_HEAD);
    b.len = BLOB_HEAD;
    buf_append_cstr(&b, "entries");
    const char *at = b.data + BLOB_HEAD;
    struct blob *blob = blob_of_buf(&b);
    assert_ptr_equal(blob->data, at);
    assert_true(slice_equal(slice_of(blob->data, blob->len), SLICE_LITERAL("entries")));
    assert_true(!b.data && b.len == 0 && b.cap == 0);
    blob_unref(blob_ref(blob));
    blob_unref(blob);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_buffer_becomes_a_blob),
        cmocka_unit_test(slices_compare_as_memcmp_then_by_length),
        cmocka_unit_test(words_ignore_case_and_nothing_else),
        cmocka_unit_test(a_buffer_grows_and_keeps_its_bytes),
        cmocka_unit_test(printf_longer_than_the_room_is_whole),
        cmocka_unit_test(integers_have_fixed_bytes),
        cmocka_unit_test(varints_come_back),
        cmocka_unit_test(overlong_and_overflowing_varints_are_malformed),
        cmocka_unit_test(a_failed_reader_stays_failed),
        cmocka_unit_test(a_blob_lives_as_long_as_someone_holds_it),
        cmocka_unit_test(usable_size_covers_what_was_asked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
