/* Lists: every change and walk agrees with an array of texts, whatever the size of the nodes; digest and memory are those of a
 * recount; saved, loaded and copied lists are the same; redis-server reads what we write, and we what it writes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../support/redis.h"
#include "base/checksum.h"
#include "base/prng.h"
#include "store/quicklist_int.h"
#include "store/rdb.h"
#include "store/value.h"

/* ---- a model ---- */

enum { MODEL_MAX = 1500, TEXT_MAX = 9000 };

struct model {
    struct buf texts[MODEL_MAX];
    size_t count;
};

static struct slice model_text(const struct model *m, size_t i)
{
    return slice_of(m->texts[i].data ? m->texts[i].data : "", m->texts[i].len);
}

static void model_insert(struct model *m, size_t at, struct slice s)
{
    memmove(&m->texts[at + 1], &m->texts[at], (m->count - at) * sizeof *m->texts);
    m->texts[at] = (struct buf)BUF_EMPTY;
    buf_append_slice(&m->texts[at], s);
    m->count++;
}

static void model_delete(struct model *m, size_t at)
{
    buf_deinit(&m->texts[at]);
    m->count--;
    memmove(&m->texts[at], &m->texts[at + 1], (m->count - at) * sizeof *m->texts);
}

static void model_clear(struct model *m)
{
    while (m->count)
        model_delete(m, m->count - 1);
}

static uint64_t model_remove(struct model *m, enum list_end from, uint64_t max, struct slice s)
{
    uint64_t removed = 0;
    for (size_t i = 0, n = m->count; i < n && removed < max; i++) {
        size_t at = from == LIST_HEAD ? i - removed : n - 1 - i;
        if (!slice_equal(model_text(m, at), s))
            continue;
        model_delete(m, at);
        removed++;
    }
    return removed;
}

/* ---- what must hold ---- */

static void assert_slice(struct slice a, struct slice b)
{
    assert_int_equal(a.len, b.len);
    assert_true(slice_equal(a, b));
}

static void assert_sums(const struct collection *c)
{
    const struct quicklist *l = c->data;
    size_t bytes = mem_usable(l) + (l->nodes ? mem_usable(l->nodes) : 0);
    uint64_t count = 0;
    for (size_t i = 0; i < l->used; i++) {
        const struct list_node *n = list_node_at(l, i);
        bytes += mem_usable(n->data);
        assert_int_equal(n->count, n->is_plain ? 1 : lp_count(n->data));
        assert_true(n->count > 0);
        count += n->count;
    }
    assert_int_equal(quicklist_ops.bytes(c), bytes);
    assert_int_equal(quicklist_count(c), count);
    assert_int_equal(quicklist_ops.digest(c), c->digest);
}

static void assert_same(const struct collection *c, const struct model *m)
{
    struct quicklist_at at;
    char scratch[LP_NUMBER_MAX];
    assert_int_equal(quicklist_count(c), m->count);
    assert_false(quicklist_seek(c, (int64_t)m->count, &at));
    assert_false(quicklist_seek(c, -1 - (int64_t)m->count, &at));
    if (!c->data)
        return;
    assert_sums(c);
    bool more = quicklist_seek(c, 0, &at);
    for (size_t i = 0; i < m->count; i++, more = quicklist_step(c, &at, LIST_TAIL)) {
        assert_true(more && quicklist_equal(c, &at, model_text(m, i)));
        assert_slice(quicklist_text(c, &at, scratch), model_text(m, i));
    }
    assert_false(more);
    more = quicklist_seek(c, -1, &at);
    for (size_t i = m->count; i-- > 0; more = quicklist_step(c, &at, LIST_HEAD))
        assert_true(more && quicklist_equal(c, &at, model_text(m, i)));
    assert_false(more);
}

/* ---- random changes ---- */

static char text_room[TEXT_MAX];

/* Few different ones, so that some are found again; now and then one of any size. */
static struct slice random_text(struct prng *chance)
{
    uint64_t kind = prng_below(chance, 40);
    size_t len;
    if (kind < 20)
        return slice_of(text_room, (size_t)sprintf(text_room, "%d", (int)prng_below(chance, 30)));
    if (kind < 24)
        return slice_of(text_room, (size_t)sprintf(text_room, "%ld", (long)prng_next(chance)));
    len = kind < 39 ? prng_below(chance, 60) : prng_below(chance, TEXT_MAX);
    memset(text_room, (char)('a' + len % 26), len);
    return slice_of(text_room, len);
}

static void change_ends(struct collection *c, struct model *m, struct prng *chance,
                        const struct store_limits *limits)
{
    struct slice s = random_text(chance);
    enum list_end where = prng_below(chance, 2) ? LIST_HEAD : LIST_TAIL;
    if (prng_below(chance, 3)) {
        quicklist_push(c, where, s, limits);
        model_insert(m, where == LIST_HEAD ? 0 : m->count, s);
        return;
    }
    uint64_t n = prng_below(chance, prng_below(chance, 50) ? 3 : 2 * m->count + 1);
    n = n > m->count ? m->count : n;
    if (c->data)
        quicklist_drop(c, where, n);
    for (; n; n--)
        model_delete(m, where == LIST_HEAD ? 0 : m->count - 1);
}

static void change_middle(struct collection *c, struct model *m, struct prng *chance,
                          const struct store_limits *limits)
{
    struct quicklist_at at;
    struct slice s = random_text(chance);
    size_t i = prng_below(chance, m->count);
    assert_true(quicklist_seek(c, prng_below(chance, 2) ? (int64_t)i : (int64_t)i - (int64_t)m->count, &at));
    assert_true(quicklist_equal(c, &at, model_text(m, i)));
    uint64_t kind = prng_below(chance, 20);
    if (kind < 10) {
        bool behind = kind & 1;
        quicklist_insert(c, &at, behind, s, limits);
        model_insert(m, i + behind, s);
    } else if (kind < 18) {
        quicklist_set(c, &at, s, limits);
        model_delete(m, i);
        model_insert(m, i, s);
    } else {
        enum list_end from = prng_below(chance, 2) ? LIST_HEAD : LIST_TAIL;
        uint64_t max = prng_below(chance, 4) ? prng_below(chance, 5) : UINT64_MAX;
        assert_int_equal(quicklist_remove(c, from, max, s), model_remove(m, from, max, s));
    }
}

static void change(struct collection *c, struct model *m, struct prng *chance,
                   const struct store_limits *limits)
{
    if (m->count > MODEL_MAX - 10) {
        quicklist_drop(c, LIST_TAIL, m->count - 700);
        while (m->count > 700)
            model_delete(m, m->count - 1);
    }
    if (m->count && prng_below(chance, 2))
        change_middle(c, m, chance, limits);
    else
        change_ends(c, m, chance, limits);
}

/* Saved, all of it and too little of it, and loaded; copied. */
static void check_twins(const struct collection *c, const struct model *m)
{
    struct buf saved = BUF_EMPTY, again = BUF_EMPTY;
    quicklist_ops.save(c, &(struct rdb_out){&saved, NULL, NULL});
    struct collection twin = {.form = FORM_PACKED}, copy = quicklist_ops.copy(c);
    struct reader r = reader_of(buf_slice(&saved));
    assert_true(quicklist_ops.load(&twin, quicklist_ops.rdb_type(c), &r, NULL));
    assert_int_equal(reader_left(&r), 0);
    quicklist_ops.save(&twin, &(struct rdb_out){&again, NULL, NULL});
    assert_slice(buf_slice(&saved), buf_slice(&again));
    assert_same(&twin, m);
    assert_same(&copy, m);
    assert_int_equal(twin.digest, c->digest);
    assert_int_equal(copy.digest, c->digest);
    assert_int_equal(twin.form, c->form);
    for (size_t len = 0; len < saved.len; len += 1 + saved.len / 7) {
        struct collection part = {.form = FORM_PACKED};
        r = reader_of(slice_of(saved.data, len));
        assert_false(quicklist_ops.load(&part, RDB_TYPE_LIST_QUICKLIST_2, &r, NULL));
        assert_null(part.data);
    }
    while (twin.data)
        assert_true(quicklist_ops.free_some(&twin, 3) > 0);
    collection_free(&copy, STORE_LIST);
    buf_deinit(&saved);
    buf_deinit(&again);
}

static void run_model(int64_t listpack_size, int changes)
{
    static struct model m;
    struct store_limits limits = {.list_max_listpack_size = listpack_size};
    struct collection c = {.form = FORM_PACKED};
    struct prng chance;
    prng_seed(&chance, (uint64_t)(listpack_size + 100));
    for (int i = 0; i < changes; i++) {
        change(&c, &m, &chance, &limits);
        if (i % 32 == 0)
            assert_same(&c, &m);
        if (i % 1024 == 1000 && m.count)
            check_twins(&c, &m);
    }
    assert_same(&c, &m);
    collection_free(&c, STORE_LIST);
    model_clear(&m);
}

static void test_changes_agree_with_a_model(void **state)
{
    (void)state;
    static const int64_t sizes[] = {-1, -2, -5, 0, 1, 2, 3, 16, 128, 10000};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        run_model(sizes[i], 3000);
}

/* Much longer than anything else here: where a list grows at one end and shrinks at the other, the nodes stay as few. */
static void test_a_queue_stays_small(void **state)
{
    (void)state;
    struct store_limits limits = {.list_max_listpack_size = 4};
    struct collection c = {.form = FORM_PACKED};
    for (int turn = 0; turn < 2; turn++) {
        enum list_end in = turn ? LIST_HEAD : LIST_TAIL, out = turn ? LIST_TAIL : LIST_HEAD;
        for (int i = 0; i < 1000; i++)
            quicklist_push(&c, in, SLICE_LITERAL("element"), &limits);
        size_t bytes = quicklist_ops.bytes(&c);
        for (int i = 0; i < 100000; i++) {
            quicklist_push(&c, in, SLICE_LITERAL("element"), &limits);
            quicklist_drop(&c, out, 1);
        }
        assert_true(quicklist_ops.bytes(&c) <= bytes + bytes / 2);
        quicklist_drop(&c, out, 990);
        assert_true(quicklist_ops.bytes(&c) < 2000);
        assert_sums(&c);
        quicklist_drop(&c, out, 10);
        assert_int_equal(c.digest, 0);
    }
    collection_free(&c, STORE_LIST);
}

/* What jemalloc keeps beside a node's bytes: it holds a power of two from a page on by itself, four of what is below together. */
static size_t beside(const struct list_node *n)
{
    size_t bytes = mem_usable(n->data);
    return bytes >= 4096 && !(bytes & (bytes - 1)) ? 128 : 32;
}

/* An element of 20 bytes takes 22 in a listpack; Redis 7.0 needs 22.52 with all that is around it. */
static void assert_costs_little(struct collection *c)
{
    const struct quicklist *l = c->data;
    size_t bytes = quicklist_ops.bytes(c);
    for (size_t i = 0; i < l->used; i++)
        bytes += beside(list_node_at(l, i));
    assert_true((double)bytes / (double)l->count < 22.4);
}

static void test_elements_of_a_long_list_cost_little(void **state)
{
    (void)state;
    for (int side = 0; side < 2; side++) {
        struct collection c = {.form = FORM_PACKED};
        for (int i = 1; i <= 500000; i++) {
            quicklist_push(&c, side ? LIST_HEAD : LIST_TAIL, SLICE_LITERAL("element:000000000000"), NULL);
            if (i >= 50000 && i % 5000 == 0)
                assert_costs_little(&c);
        }
        collection_free(&c, STORE_LIST);
    }
}

/* In a long list a node has the room of its neighbour from the start, and gives back what it did not need. */
static void test_the_next_node_has_its_room_at_once(void **state)
{
    (void)state;
    static char text[2900];
    memset(text, 'x', sizeof text);
    for (int side = 0; side < 2; side++) {
        struct collection c = {.form = FORM_PACKED};
        while (!c.data || quicklist_of(&c)->used < 20)
            quicklist_push(&c, side ? LIST_HEAD : LIST_TAIL, SLICE_LITERAL("element"), NULL);
        const struct quicklist *l = c.data;
        assert_true(mem_usable(list_node_at(l, side ? 0 : 19)->data) > 7000);
        for (int i = 0; i < 8; i++)
            quicklist_push(&c, side ? LIST_HEAD : LIST_TAIL, slice_of(text, sizeof text), NULL);
        assert_int_equal(l->used, 23);
        for (size_t i = 0; i < 23; i++) {
            const void *lp = list_node_at(l, i)->data;
            assert_true(mem_usable(lp) < lp_slice(lp).len + 1000);
        }
        assert_sums(&c);
        collection_free(&c, STORE_LIST);
    }
}

/* Nodes stay of a bounded size, whatever is done to the middle. */
static void test_the_middle_stays_in_bounds(void **state)
{
    (void)state;
    static char text[3000];
    memset(text, 'x', sizeof text);
    struct store_limits limits = {.list_max_listpack_size = -1};
    struct collection c = {.form = FORM_PACKED};
    struct quicklist_at at;
    for (int i = 0; i < 500; i++)
        quicklist_push(&c, LIST_TAIL, SLICE_LITERAL("1"), &limits);
    for (int i = 0; i < 500; i++) {
        quicklist_seek(&c, i, &at);
        quicklist_set(&c, &at, slice_of(text, 3000), &limits);
        quicklist_seek(&c, 250, &at);
        quicklist_insert(&c, &at, i & 1, slice_of(text, 100), &limits);
    }
    for (size_t i = 0; i < quicklist_of(&c)->used; i++)
        assert_true(lp_slice(list_node_at(c.data, i)->data).len <= 8192);
    assert_sums(&c);
    collection_free(&c, STORE_LIST);
}

/* The same elements in nodes of another size are the same list; in another order they are not. */
static void test_the_digest_is_of_the_elements_in_order(void **state)
{
    (void)state;
    struct store_limits one = {.list_max_listpack_size = 1}, many = {.list_max_listpack_size = -2};
    struct collection a = {.form = FORM_PACKED}, b = a, swapped = a;
    char text[24];
    for (int i = 0; i < 1000; i++) {
        struct slice s = slice_of(text, (size_t)sprintf(text, "%d", i));
        quicklist_push(&a, LIST_TAIL, s, &one);
        s = slice_of(text, (size_t)sprintf(text, "%d", 999 - i));
        quicklist_push(&b, LIST_HEAD, s, &many);
        s = slice_of(text, (size_t)sprintf(text, "%d", i == 500 ? 501 : i == 501 ? 500 : i));
        quicklist_push(&swapped, LIST_TAIL, s, &many);
    }
    assert_int_equal(a.digest, b.digest);
    assert_int_not_equal(a.digest, swapped.digest);
    collection_free(&a, STORE_LIST);
    collection_free(&b, STORE_LIST);
    collection_free(&swapped, STORE_LIST);
}

/* ---- redis-server ---- */

static struct slice ask(struct buf *reply, size_t argc, const struct slice *argv)
{
    reply->len = 0;
    redis_call(redis_fd, argv, argc, reply);
    return buf_slice(reply);
}

static struct slice bulk(struct slice reply)
{
    assert_int_equal(reply.data[0], '$');
    return slice_of((const char *)memchr(reply.data, '\n', reply.len) + 1, strtoul(reply.data + 1, NULL, 10));
}

static void assert_redis_has(struct buf *reply, const struct model *m)
{
    char index[24];
    for (size_t i = 0; i < m->count; i++) {
        struct slice n = slice_of(index, (size_t)sprintf(index, "%zu", i));
        assert_slice(bulk(ask(reply, 3, (struct slice[]){SLICE_LITERAL("LINDEX"), SLICE_LITERAL("k"), n})),
                     model_text(m, i));
    }
}

static void test_redis_reads_ours_and_we_read_its(void **state)
{
    (void)state;
    static struct model m;
    struct store_limits limits = {.list_max_listpack_size = 16};
    struct collection c = {.form = FORM_PACKED}, theirs = c;
    struct buf reply = BUF_EMPTY, dump = BUF_EMPTY;
    struct prng chance;
    prng_seed(&chance, 5);
    while (m.count < 300)
        change(&c, &m, &chance, &limits);
    put_u8(&dump, (uint8_t)quicklist_ops.rdb_type(&c));
    quicklist_ops.save(&c, &(struct rdb_out){&dump, NULL, NULL});
    put_u16(&dump, 10);
    put_u64(&dump, crc64(0, dump.data, dump.len));
    assert_slice(ask(&reply, 4,
                     (struct slice[]){SLICE_LITERAL("RESTORE"), SLICE_LITERAL("k"), SLICE_LITERAL("0"),
                                      buf_slice(&dump)}),
                 SLICE_LITERAL("+OK\r\n"));
    assert_redis_has(&reply, &m);
    struct slice bytes = bulk(ask(&reply, 2, (struct slice[]){SLICE_LITERAL("DUMP"), SLICE_LITERAL("k")}));
    assert_int_equal(bytes.data[0], RDB_TYPE_LIST_QUICKLIST_2);
    struct reader r = reader_of(slice_of(bytes.data + 1, bytes.len - 11));
    assert_true(quicklist_ops.load(&theirs, RDB_TYPE_LIST_QUICKLIST_2, &r, &limits));
    assert_int_equal(reader_left(&r), 0);
    assert_same(&theirs, &m);
    assert_int_equal(theirs.digest, c.digest);
    collection_free(&theirs, STORE_LIST);
    collection_free(&c, STORE_LIST);
    model_clear(&m);
    buf_deinit(&reply);
    buf_deinit(&dump);
}

static void assert_loads(int type, struct slice bytes, const char *const *texts)
{
    struct collection c = {.form = FORM_PACKED};
    struct reader r = reader_of(bytes);
    struct quicklist_at at;
    assert_int_equal(quicklist_ops.load(&c, type, &r, NULL), texts != NULL);
    if (!texts) {
        assert_null(c.data);
        return;
    }
    for (int64_t i = 0; texts[i]; i++)
        assert_true(quicklist_seek(&c, i, &at) && quicklist_equal(&c, &at, slice_cstr(texts[i])));
    assert_sums(&c);
    collection_free(&c, STORE_LIST);
}

#define BYTES(s)   slice_of(s, sizeof s - 1)
#define TEXTS(...) ((const char *const[]){__VA_ARGS__, NULL})

static void test_other_encodings_and_malformed_ones(void **state)
{
    (void)state;
    assert_loads(RDB_TYPE_LIST,
                 BYTES("\x03\x01"
                       "a\xc0\x05\x00"),
                 TEXTS("a", "5", ""));
    assert_loads(RDB_TYPE_LIST, BYTES("\x00"), NULL);
    assert_loads(RDB_TYPE_LIST,
                 BYTES("\x02\x01"
                       "a"),
                 NULL);
    /* A plain one, an empty listpack, one with 7 and "x". */
    assert_loads(
        RDB_TYPE_LIST_QUICKLIST_2,
        BYTES("\x03\x01\x01p\x02\x07\x07\0\0\0\0\0\xff\x02\x0c\x0c\0\0\0\x02\0\x07\x01\x81x\x02\xff"),
        TEXTS("p", "7", "x"));
    assert_loads(RDB_TYPE_LIST_QUICKLIST_2, BYTES("\x01\x02\x07\x07\0\0\0\0\0\xff"), NULL);
    assert_loads(RDB_TYPE_LIST_QUICKLIST_2, BYTES("\x01\x03\x01p"), NULL);
    assert_loads(RDB_TYPE_LIST_QUICKLIST_2, BYTES("\x01\x02\x01p"), NULL);
    assert_loads(RDB_TYPE_HASH, BYTES("\x01\x01\x01p"), NULL);
}

#define ZIPLIST_A5    "\x10\x10\0\0\0\x0d\0\0\0\x02\0\0\x01\x61\x03\xf6\xff"
#define ZIPLIST_EMPTY "\x0b\x0b\0\0\0\x0a\0\0\0\0\0\xff"

/* What Redis wrote until 6.2; test_ziplist.c has more of ziplists. */
static void test_lists_of_ziplists(void **state)
{
    (void)state;
    assert_loads(RDB_TYPE_LIST_ZIPLIST, BYTES(ZIPLIST_A5), TEXTS("a", "5"));
    assert_loads(RDB_TYPE_LIST_ZIPLIST, BYTES(ZIPLIST_EMPTY), NULL);
    assert_loads(RDB_TYPE_LIST_ZIPLIST, BYTES("\x01\xff"), NULL);
    assert_loads(RDB_TYPE_LIST_QUICKLIST, BYTES("\x03" ZIPLIST_A5 ZIPLIST_EMPTY ZIPLIST_A5),
                 TEXTS("a", "5", "a", "5"));
    assert_loads(RDB_TYPE_LIST_QUICKLIST, BYTES("\x01" ZIPLIST_EMPTY), NULL);
    assert_loads(RDB_TYPE_LIST_QUICKLIST, BYTES("\x02" ZIPLIST_A5), NULL);
    assert_loads(RDB_TYPE_LIST_QUICKLIST, BYTES("\x02" ZIPLIST_A5 "\x01\xff"), NULL);
    assert_loads(RDB_TYPE_LIST_QUICKLIST, BYTES(""), NULL);
}

/* A listpack far larger than ours become (a node of Redis with any setting) is taken apart. One of our own snapshot is not: what stands
 * so on one node stands so on all. */
static void test_huge_listpacks_are_taken_apart(void **state)
{
    (void)state;
    uint8_t *lp = lp_new();
    struct buf saved = BUF_EMPTY;
    struct collection c = {.form = FORM_PACKED};
    char text[1000];
    memset(text, 'x', sizeof text);
    for (int i = 0; i < 400; i++)
        lp_append(&lp, slice_of(text, sizeof text));
    rdb_put_length(&saved, 1);
    rdb_put_length(&saved, 2);
    rdb_put_string(&saved, lp_slice(lp));
    struct reader r = reader_of(buf_slice(&saved));
    assert_true(quicklist_ops.load(&c, RDB_TYPE_LIST_QUICKLIST_2, &r,
                                   &(struct store_limits){.list_max_listpack_size = -2}));
    assert_int_equal(quicklist_count(&c), 400);
    assert_true(quicklist_of(&c)->used > 40);
    assert_sums(&c);
    collection_free(&c, STORE_LIST);
    c = (struct collection){.form = FORM_PACKED};
    r = reader_of(buf_slice(&saved));
    assert_true(quicklist_ops.load(&c, RDB_TYPE_LIST_QUICKLIST_2, &r, NULL));
    assert_int_equal(quicklist_of(&c)->used, 1);
    assert_sums(&c);
    collection_free(&c, STORE_LIST);
    buf_deinit(&saved);
    lp_free(lp);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_changes_agree_with_a_model),
        cmocka_unit_test(test_a_queue_stays_small),
        cmocka_unit_test(test_elements_of_a_long_list_cost_little),
        cmocka_unit_test(test_the_next_node_has_its_room_at_once),
        cmocka_unit_test(test_the_middle_stays_in_bounds),
        cmocka_unit_test(test_the_digest_is_of_the_elements_in_order),
        cmocka_unit_test(test_redis_reads_ours_and_we_read_its),
        cmocka_unit_test(test_other_encodings_and_malformed_ones),
        cmocka_unit_test(test_lists_of_ziplists),
        cmocka_unit_test(test_huge_listpacks_are_taken_apart),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, redis_group_start, redis_group_stop);
}
