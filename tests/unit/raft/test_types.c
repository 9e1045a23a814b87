/* The bytes of a member list and of an entry: back and forth, cut short, and bent. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "raft/entry.h"

static struct raft_members some_members(uint32_t n)
{
    struct raft_members m = {.count = n};
    for (uint32_t i = 0; i < n; i++) {
        struct raft_member *at = &m.at[i];
        at->id = 0x1122334455667788ULL + i;
        at->voter = i % 2 == 0;
        at->port = (uint16_t)(7001 + i);
        at->peer_port = (uint16_t)(17001 + i);
        memcpy(at->name, "n-one", 6);
        memset(at->host, 'h', i * 17 % RAFT_HOST_MAX);
    }
    return m;
}

static void members_survive(void **state)
{
    (void)state;
    for (uint32_t n = 0; n <= RAFT_MEMBERS_MAX; n++) {
        struct raft_members in = some_members(n), out;
        struct buf bytes = BUF_EMPTY;
        raft_members_encode(&bytes, &in);
        assert_true(raft_members_decode(buf_slice(&bytes), &out));
        assert_int_equal(out.count, n);
        for (uint32_t i = 0; i < n; i++) {
            assert_true(in.at[i].id == out.at[i].id && in.at[i].voter == out.at[i].voter);
            assert_true(in.at[i].port == out.at[i].port && in.at[i].peer_port == out.at[i].peer_port);
            assert_string_equal(in.at[i].name, out.at[i].name);
            assert_string_equal(in.at[i].host, out.at[i].host);
        }
        for (size_t cut = 0; cut < bytes.len;
             cut++) /* in a heap copy, so that a sanitizer sees a read beyond */
            assert_false(raft_members_decode(slice_of(bytes.data, cut), &out));
        buf_append_cstr(&bytes, "x");
        assert_false(raft_members_decode(buf_slice(&bytes), &out));
        buf_deinit(&bytes);
    }
}

static void bent_members_are_refused(void **state)
{
    (void)state;
    struct raft_members out;
    for (int what = 0; what < 6; what++) {
        struct buf b = BUF_EMPTY;
        put_u8(&b, what == 0 ? 2 : 1);
        put_varint(&b, what == 1 ? RAFT_MEMBERS_MAX + 1 : 2);
        for (uint64_t i = 1; i <= 2; i++) {
            put_u64(&b, what == 2 ? 5 : what == 3 ? 0 : i); /* twice the same; nobody */
            put_u8(&b, what == 4 ? 2 : 1);
            put_u16(&b, 1);
            put_u16(&b, 2);
            char name[RAFT_NAME_MAX];
            memset(name, 'n', sizeof name);
            put_bytes(&b, what == 5 ? slice_of(name, sizeof name) : slice_cstr("n"));
            put_bytes(&b, slice_cstr("h"));
        }
        assert_false(raft_members_decode(buf_slice(&b), &out));
        buf_deinit(&b);
    }
}

static void members_are_found(void **state)
{
    (void)state;
    struct raft_members m = some_members(5);
    assert_ptr_equal(raft_members_find(&m, m.at[3].id), &m.at[3]);
    assert_null(raft_members_find(&m, 1));
}

static void frames_survive(void **state)
{
    (void)state;
    struct buf b = BUF_EMPTY;
    struct raft_frame f;
    for (uint64_t i = 0; i < 50; i++) {
        size_t at = raft_entry_begin(&b, i + 1, i / 3 + 1, (enum raft_entry_kind)(i % 3));
        for (uint64_t k = 0; k < i * 7; k++)
            put_u8(&b, (uint8_t)k);
        raft_entry_end(&b, at);
    }
    size_t at = 0;
    for (uint64_t i = 0; i < 50; i++) {
        assert_true(raft_entry_read(slice_of(b.data + at, b.len - at), true, &f));
        assert_true(f.index == i + 1 && f.term == i / 3 + 1 && (uint64_t)f.kind == i % 3);
        assert_int_equal(f.payload.len, i * 7);
        assert_int_equal(f.len, RAFT_ENTRY_HEADER + i * 7);
        for (size_t cut = 0; cut < f.len; cut += 5)
            assert_false(raft_entry_read(slice_of(b.data + at, cut), true, &f));
        assert_true(raft_entry_read(slice_of(b.data + at, b.len - at), true, &f));
        at += f.len;
    }
    assert_int_equal(at, b.len);
    buf_deinit(&b);
}

static void any_bent_byte_is_seen(void **state)
{
    (void)state;
    struct buf b = BUF_EMPTY;
    struct raft_frame f;
    size_t at = raft_entry_begin(&b, 77, 5, RAFT_ENTRY_DATA);
    buf_append_cstr(&b, "some payload");
    raft_entry_end(&b, at);
    for (size_t i = 0; i < b.len; i++)
        for (int bit = 0; bit < 8; bit++) {
            b.data[i] ^= (char)(1 << bit);
            assert_false(raft_entry_read(buf_slice(&b), true, &f));
            b.data[i] ^= (char)(1 << bit);
        }
    assert_true(raft_entry_read(buf_slice(&b), true, &f));
    buf_deinit(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(members_survive),       cmocka_unit_test(bent_members_are_refused),
        cmocka_unit_test(members_are_found),     cmocka_unit_test(frames_survive),
        cmocka_unit_test(any_bent_byte_is_seen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
