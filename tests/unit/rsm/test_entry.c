/* The bytes of an entry: there and back, and nothing but the exact bytes is taken. */
#include "machine.h"
#include "rsm/rsm_int.h"

static const struct slice words[] = {{"SET", 3}, {"key", 3}, {"va\0lue", 6}, {"", 0}, {"INCR", 4}, {"n", 1}};
static const uint32_t counts[] = {4, 2}, dbs[] = {3, 300};
static const struct rsm_watch watches[] = {{1, {"w", 1}, 900}, {0, {"", 0}, UINT64_MAX}};
static const char *const settings[] = {"databases", "4", "read-mode", "log", NULL};

static const struct rsm_request requests[] = {
    {.kind = RSM_FOUND, .cluster_id = 9, .seed = {1, UINT64_MAX}, .settings = settings},
    {.kind = RSM_FOUND, .cluster_id = 9},
    {.kind = RSM_COMMAND,
     .client_id = {"me", 2},
     .user = {"default", 7},
     .request_id = 1u << 20,
     .db = 15,
     .resp = 3,
     .argv = words,
     .argc = 4},
    {.kind = RSM_COMMAND,
     .numbering = RSM_SESSION_NUMBER,
     .session = 300,
     .resp = 2,
     .argv = words,
     .argc = 1},
    {.kind = RSM_COMMAND,
     .numbering = RSM_PROXY_NUMBER,
     .client_id = {"\1\2\3", 3},
     .lowest = 12,
     .request_id = UINT64_MAX,
     .may_open = true,
     .argv = words,
     .argc = 2},
    {.kind = RSM_EXEC,
     .argv = words,
     .argc = 6,
     .counts = counts,
     .dbs = dbs,
     .commands = 2,
     .watches = watches,
     .watch_count = 2},
    {.kind = RSM_EXEC},
    {.kind = RSM_SESSION, .request_id = 4, .argv = words + 1, .argc = 1, .may_open = true},
    {.kind = RSM_CLOCK},
    {.kind = RSM_CHECKPOINT, .node = UINT64_MAX},
    {.kind = RSM_SETTING, .argv = words, .argc = 4},
    {.kind = RSM_EVICT, .watches = watches, .watch_count = 2},
    {.kind = RSM_VERSION, .node = 1},
    {.kind = RSM_ACL, .argv = words, .argc = 3},
};
#define REQUESTS (sizeof requests / sizeof *requests)

static void assert_same(const struct rsm_request *a, const struct rsm_request *b)
{
    assert_int_equal(a->kind, b->kind);
    assert_int_equal(a->numbering, b->numbering);
    assert_true(slice_equal(a->client_id, b->client_id) && slice_equal(a->user, b->user));
    assert_true(a->request_id == b->request_id && a->session == b->session && a->lowest == b->lowest);
    assert_int_equal(a->may_open, b->may_open);
    assert_int_equal(a->db, b->db);
    assert_int_equal(a->resp ? a->resp : 2, b->resp);
    assert_int_equal(a->argc, b->argc);
    for (size_t i = 0; i < a->argc; i++)
        assert_true(slice_equal(a->argv[i], b->argv[i]));
    assert_int_equal(a->commands, b->commands);
    for (size_t i = 0; i < a->commands; i++)
        assert_true(a->counts[i] == b->counts[i] && a->dbs[i] == b->dbs[i]);
    assert_int_equal(a->watch_count, b->watch_count);
    for (size_t i = 0; i < a->watch_count; i++)
        assert_true(a->watches[i].db == b->watches[i].db &&
                    slice_equal(a->watches[i].key, b->watches[i].key) &&
                    a->watches[i].version == b->watches[i].version);
    assert_true(a->node == b->node && a->cluster_id == b->cluster_id);
    assert_true(a->seed.k0 == b->seed.k0 && a->seed.k1 == b->seed.k1);
    for (size_t i = 0; a->settings && a->settings[i]; i++)
        assert_string_equal(a->settings[i], b->settings[i]);
}

static void test_round_trip(void **state)
{
    (void)state;
    for (size_t i = 0; i < REQUESTS; i++) {
        struct buf out = BUF_EMPTY;
        struct rsm_decoded d;
        buf_append_cstr(&out, "before");
        rsm_encode(&out, &requests[i], 1234567890123, 42);
        struct slice payload = slice_of(out.data + 6, out.len - 6);
        assert_true(rsm_decode(payload, &d));
        assert_true(d.stamp_ms == 1234567890123 && d.chance == 42);
        assert_same(&requests[i], &d.req);
        rsm_decoded_deinit(&d);
        assert_memory_equal(out.data, "before", 6);
        buf_deinit(&out);
    }
}

/* What a glance sees is what parsing finds; where it sees nothing there is nothing, or it costs a search. */
static void test_glance(void **state)
{
    (void)state;
    for (size_t i = 0; i < REQUESTS; i++) {
        const struct rsm_request *q = &requests[i];
        struct buf out = BUF_EMPTY;
        uint32_t db;
        struct slice key;
        rsm_encode(&out, q, 1234567890123, 42);
        bool seen = rsm_entry_glance(buf_slice(&out), &db, &key);
        assert_int_equal(seen, q->kind == RSM_COMMAND && q->argc > 1);
        if (seen)
            assert_true(db == q->db && slice_equal(key, q->argv[1]));
        for (size_t len = 0; len < out.len; len++)
            rsm_entry_glance(slice_of(out.data, len), &db, &key);
        buf_deinit(&out);
    }
}

/* One entry has one encoding: no shorter, no longer one is taken for it. */
static void test_only_the_exact_bytes(void **state)
{
    (void)state;
    for (size_t i = 0; i < REQUESTS; i++) {
        struct buf out = BUF_EMPTY;
        struct rsm_decoded d;
        rsm_encode(&out, &requests[i], 1, 2);
        for (size_t len = 0; len < out.len; len++) {
            char *copy = malloc(len + 1); /* so that a read past the end is one past an allocation */
            memcpy(copy, out.data, len);
            assert_false(rsm_decode(slice_of(copy, len), &d));
            free(copy);
        }
        put_u8(&out, 0);
        assert_false(rsm_decode(buf_slice(&out), &d));
        buf_deinit(&out);
    }
}

static void assert_refused(const struct buf *good, size_t at, char byte)
{
    struct rsm_decoded d;
    struct buf bad = BUF_EMPTY;
    buf_append_slice(&bad, buf_slice(good));
    bad.data[at] = byte;
    assert_false(rsm_decode(buf_slice(&bad), &d));
    buf_deinit(&bad);
}

static void test_malformed_fields(void **state)
{
    struct buf out = BUF_EMPTY;
    struct rsm_decoded d;
    (void)state;
    rsm_encode(&out, &(struct rsm_request){.kind = RSM_CLOCK}, 1, 2);
    assert_refused(&out, 0, 0); /* kinds that there are not */
    assert_refused(&out, 0, RSM_VERSION + 1);
    assert_refused(&out, 1, 3);           /* numbering */
    assert_refused(&out, 1, 8);           /* a flag of the future */
    assert_refused(&out, out.len - 2, 1); /* RESP version */
    assert_refused(&out, out.len - 2, 4);
    out.data[out.len - 1] = (char)0x80; /* a database in two bytes where one is enough */
    put_u8(&out, 0);
    assert_false(rsm_decode(buf_slice(&out), &d));
    buf_truncate(&out, 0);
    rsm_encode(&out, &(struct rsm_request){.kind = RSM_SETTING, .argv = words, .argc = 3}, 1, 2);
    assert_false(rsm_decode(buf_slice(&out), &d));
    buf_truncate(&out, 0);
    rsm_encode(&out, &(struct rsm_request){.kind = RSM_COMMAND}, 1, 2);
    assert_false(rsm_decode(buf_slice(&out), &d));
    buf_truncate(&out, 0);
    rsm_encode(&out, &(struct rsm_request){.kind = RSM_FOUND}, 1, 2);
    assert_false(rsm_decode(buf_slice(&out), &d));
    buf_deinit(&out);
}

static void test_restamp(void **state)
{
    struct buf out = BUF_EMPTY;
    struct rsm_decoded d;
    (void)state;
    rsm_encode(&out, &requests[2], 0, 0);
    assert_true(rsm_restamp(out.data, out.len, 555, 666));
    assert_true(rsm_decode(buf_slice(&out), &d));
    assert_true(d.stamp_ms == 555 && d.chance == 666);
    assert_same(&requests[2], &d.req);
    rsm_decoded_deinit(&d);
    assert_false(rsm_restamp(out.data, 17, 1, 2));
    buf_deinit(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_glance),
        cmocka_unit_test(test_only_the_exact_bytes),
        cmocka_unit_test(test_malformed_fields),
        cmocka_unit_test(test_restamp),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
