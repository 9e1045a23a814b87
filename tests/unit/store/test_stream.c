/* Streams: every change and walk agrees with an array of entries; digest and memory are those of a recount; saved, loaded and copied
 * ones are the same; redis-server reads what we write, and we what it writes; what is malformed is refused. */
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
#include "store/rdb.h"
#include "store/stream_int.h"
#include "store/value.h"

/* ---- a model ---- */

enum { MODEL_MAX = 4000, PAIRS_MAX = 3, TEXT = 40 };

struct entry {
    struct stream_id id;
    size_t pairs;
    char text[2 * PAIRS_MAX][TEXT];
};

struct model {
    struct entry entries[MODEL_MAX];
    size_t count;
    uint64_t added;
    struct stream_id last, max_deleted;
};

static void model_remove(struct model *m, size_t at, size_t n)
{
    m->count -= n;
    memmove(&m->entries[at], &m->entries[at + n], (m->count - at) * sizeof *m->entries);
}

static void assert_entry(const struct collection *c, struct stream_at at, const struct entry *e)
{
    struct stream_pair pair;
    assert_int_equal(stream_id_compare(at.id, e->id), 0);
    assert_int_equal(at.fields, e->pairs);
    for (size_t i = 0; i < e->pairs; i++) {
        stream_next_pair(c, &at, &pair);
        assert_true(slice_equal(pair.name, slice_cstr(e->text[2 * i])));
        assert_true(slice_equal(pair.value, slice_cstr(e->text[2 * i + 1])));
    }
}

static size_t ids_memory(const struct ids *ids)
{
    size_t bytes = ids->leaves ? mem_usable(ids->leaves) : 0;
    for (size_t i = 0; i < ids->used; i++)
        bytes += mem_usable(ids->leaves[ids->first + i]);
    assert_int_equal(bytes, ids->bytes);
    return bytes;
}

static size_t group_memory(const struct stream_group *g)
{
    size_t bytes = mem_usable(g) + ids_memory(&g->pending);
    bytes += g->consumers.items ? mem_usable(g->consumers.items) : 0;
    for (size_t i = 0; i < g->consumers.count; i++)
        bytes += mem_usable(stream_consumer_at(g, i)) + ids_memory(&stream_consumer_at(g, i)->pending);
    return bytes;
}

static void assert_sums(const struct collection *c)
{
    const struct stream *s = c->data;
    size_t bytes = mem_usable(s) + (s->nodes ? mem_usable(s->nodes) : 0);
    uint64_t live = 0;
    for (size_t i = 0; i < s->used; i++) {
        const struct stream_node *n = stream_node_at(s, i);
        bytes += lp_memory(n->lp);
        live += n->live;
        assert_true(!i || stream_id_compare(stream_node_at(s, i - 1)->master, n->master) < 0);
    }
    bytes += s->groups.items ? mem_usable(s->groups.items) : 0;
    for (size_t i = 0; i < stream_groups(c); i++)
        bytes += group_memory(stream_group_at(c, i));
    assert_int_equal(stream_ops.bytes(c), bytes);
    assert_int_equal(stream_ops.count(c), live);
    assert_int_equal(stream_ops.digest(c), c->digest);
}

static void assert_same(const struct collection *c, const struct model *m)
{
    struct stream_at at;
    struct stream_facts f = stream_facts(c);
    struct stream_id first = {0, 0}, last = {UINT64_MAX, UINT64_MAX};
    assert_int_equal(f.length, m->count);
    assert_int_equal(f.entries_added, m->added);
    assert_int_equal(stream_id_compare(f.last, m->last), 0);
    assert_int_equal(stream_id_compare(f.max_deleted, m->max_deleted), 0);
    assert_int_equal(stream_id_compare(f.first, m->count ? m->entries[0].id : first), 0);
    assert_sums(c);
    bool more = stream_seek(c, first, false, &at);
    for (size_t i = 0; i < m->count; i++, more = stream_step(c, false, &at)) {
        assert_true(more);
        assert_entry(c, at, &m->entries[i]);
    }
    assert_false(more);
    more = stream_seek(c, last, true, &at);
    for (size_t i = m->count; i-- > 0; more = stream_step(c, true, &at))
        assert_true(more && stream_id_compare(at.id, m->entries[i].id) == 0);
    assert_false(more);
}

/* ---- random changes ---- */

static void random_text(struct prng *chance, char *text)
{
    static const char *const names[] = {"a", "b", "temperature", "", "7", "-300"};
    if (prng_below(chance, 4))
        strcpy(text, names[prng_below(chance, 6)]);
    else
        sprintf(text, "%ld", (long)prng_next(chance) >> prng_below(chance, 63));
}

static void add(struct collection *c, struct model *m, struct prng *chance, const struct store_limits *limits)
{
    struct entry *e = &m->entries[m->count++];
    struct slice fields[2 * PAIRS_MAX];
    e->id = (struct stream_id){m->last.ms + prng_below(chance, 3), prng_below(chance, 4)};
    if (stream_id_compare(e->id, m->last) <= 0)
        e->id = (struct stream_id){m->last.ms, m->last.seq + 1};
    e->pairs = 1 + (prng_below(chance, 4) ? 0 : prng_below(chance, PAIRS_MAX));
    for (size_t i = 0; i < 2 * e->pairs; i++) {
        random_text(chance, e->text[i]);
        fields[i] = slice_cstr(e->text[i]);
    }
    stream_make(c);
    stream_append(c, e->id, fields, e->pairs, limits);
    m->last = e->id;
    m->added++;
}

static void drop(struct collection *c, struct model *m, struct prng *chance)
{
    size_t i = prng_below(chance, m->count);
    struct stream_id id = m->entries[i].id;
    assert_true(stream_delete(c, id));
    assert_false(stream_delete(c, id));
    if (stream_id_compare(id, m->max_deleted) > 0)
        m->max_deleted = id;
    model_remove(m, i, 1);
}

static void trim(struct collection *c, struct model *m, struct prng *chance)
{
    struct stream_trim t = {.roughly = prng_below(chance, 2)};
    size_t keep = m->count - prng_below(chance, 1 + m->count / 4), exact = m->count - keep;
    if (prng_below(chance, 2)) {
        t.by = TRIM_MAXLEN;
        t.maxlen = keep;
    } else {
        t.by = TRIM_MINID;
        t.minid = exact < m->count ? m->entries[exact].id : (struct stream_id){m->last.ms, m->last.seq + 1};
    }
    uint64_t gone = stream_trim(c, &t);
    assert_true(t.roughly ? gone <= exact : gone == exact);
    model_remove(m, 0, gone);
}

static void look(const struct collection *c, const struct model *m, struct prng *chance)
{
    struct stream_at at;
    struct stream_id id = {prng_below(chance, m->last.ms + 2), prng_below(chance, 5)};
    size_t i = 0;
    while (i < m->count && stream_id_compare(m->entries[i].id, id) < 0)
        i++;
    bool found = stream_seek(c, id, false, &at);
    assert_int_equal(found, i < m->count);
    if (found)
        assert_entry(c, at, &m->entries[i]);
    if (i < m->count && stream_id_compare(m->entries[i].id, id) == 0)
        i++;
    found = stream_seek(c, id, true, &at);
    assert_int_equal(found, i > 0);
    if (found)
        assert_entry(c, at, &m->entries[i - 1]);
}

/* Set back to the last that is there: what was deleted behind it still lies in its node. */
static void set_back(struct collection *c, struct model *m)
{
    m->last = m->count ? m->entries[m->count - 1].id : (struct stream_id){1, 0};
    stream_set_last(c, m->last);
}

static void change(struct collection *c, struct model *m, struct prng *chance,
                   const struct store_limits *limits)
{
    uint64_t kind = prng_below(chance, 100);
    if (!m->count || (kind < 60 && m->count < MODEL_MAX))
        add(c, m, chance, limits);
    else if (kind < 80)
        drop(c, m, chance);
    else if (kind < 82)
        trim(c, m, chance);
    else if (kind < 83)
        set_back(c, m);
    else
        look(c, m, chance);
}

static void check_twins(const struct collection *c, const struct model *m)
{
    struct buf saved = BUF_EMPTY, again = BUF_EMPTY;
    struct collection twin = {.form = FORM_PACKED}, copy = stream_ops.copy(c);
    stream_ops.save(c, &(struct rdb_out){&saved, NULL, NULL});
    struct reader r = reader_of(buf_slice(&saved));
    assert_true(stream_ops.load(&twin, stream_ops.rdb_type(c), &r, NULL));
    assert_int_equal(reader_left(&r), 0);
    stream_ops.save(&twin, &(struct rdb_out){&again, NULL, NULL});
    assert_true(slice_equal(buf_slice(&saved), buf_slice(&again)));
    assert_same(&twin, m);
    assert_same(&copy, m);
    assert_int_equal(twin.digest, c->digest);
    for (size_t len = 0; len < saved.len; len += 1 + saved.len / 9) {
        struct collection part = {.form = FORM_PACKED};
        r = reader_of(slice_of(saved.data, len));
        assert_false(stream_ops.load(&part, RDB_TYPE_STREAM_LISTPACKS_2, &r, NULL));
        assert_null(part.data);
    }
    while (twin.data)
        assert_true(stream_ops.free_some(&twin, 2) > 0);
    collection_free(&copy, STORE_STREAM);
    buf_deinit(&saved);
    buf_deinit(&again);
}

static void run_model(const struct store_limits *limits, int changes)
{
    static struct model m;
    struct collection c = {.form = FORM_PACKED};
    struct prng chance;
    m = (struct model){.count = 0};
    prng_seed(&chance, limits->stream_node_max_entries);
    for (int i = 0; i < changes; i++) {
        change(&c, &m, &chance, limits);
        if (i % 64 == 0)
            assert_same(&c, &m);
        if (i % 1000 == 999)
            check_twins(&c, &m);
    }
    assert_same(&c, &m);
    collection_free(&c, STORE_STREAM);
}

static void test_changes_agree_with_a_model(void **state)
{
    (void)state;
    run_model(&(struct store_limits){.stream_node_max_bytes = 4096, .stream_node_max_entries = 100}, 6000);
    run_model(&(struct store_limits){.stream_node_max_bytes = 4096, .stream_node_max_entries = 4}, 3000);
    run_model(&(struct store_limits){.stream_node_max_bytes = 200, .stream_node_max_entries = 0}, 3000);
    run_model(&(struct store_limits){.stream_node_max_entries = 1}, 1000);
}

static void test_ids_step_over_their_borders(void **state)
{
    (void)state;
    struct stream_id id = {5, UINT64_MAX};
    assert_true(stream_id_step(&id, false) && id.ms == 6 && id.seq == 0);
    assert_true(stream_id_step(&id, true) && id.ms == 5 && id.seq == UINT64_MAX);
    id = (struct stream_id){UINT64_MAX, UINT64_MAX};
    assert_false(stream_id_step(&id, false));
    id = (struct stream_id){0, 0};
    assert_false(stream_id_step(&id, true));
}

/* ---- groups ---- */

enum { IDS = 3000, CONSUMERS = 5, GROUPS = 3 };

/* Of each ID whose it is in each group: 0: nobody's. */
struct groups_model {
    int owner[GROUPS][IDS];
    uint64_t deliveries[GROUPS][IDS];
    bool there[GROUPS], known[GROUPS][CONSUMERS + 1];
};

static struct slice named(char *text, const char *what, int i)
{
    return slice_of(text, (size_t)sprintf(text, "%s%d", what, i));
}

static struct stream_id nth(int i)
{
    return (struct stream_id){(uint64_t)i / 7, (uint64_t)i % 7};
}

static void assert_group(const struct stream_group *g, const struct groups_model *m, int n)
{
    char text[16];
    struct ids_at at, own_at[CONSUMERS + 1];
    const struct stream_id *own[CONSUMERS + 1] = {NULL};
    const struct stream_pending *p = ids_from(&g->pending, nth(0), &at);
    struct stream_consumer *consumers[CONSUMERS + 1] = {NULL};
    uint64_t count = 0, owned = 0;
    for (int k = 1; k <= CONSUMERS; k++) {
        consumers[k] = stream_consumer_find(g, named(text, "c", k));
        assert_int_equal(consumers[k] != NULL, m->known[n][k]);
        own[k] = consumers[k] ? ids_from(&consumers[k]->pending, nth(0), &own_at[k]) : NULL;
        owned += consumers[k] ? consumers[k]->pending.count : 0;
    }
    for (int i = 0; i < IDS; i++) {
        int k = m->owner[n][i];
        if (!k)
            continue;
        count++;
        assert_true(p && stream_id_compare(p->id, nth(i)) == 0 && p->owner == consumers[k]);
        assert_int_equal(p->deliveries, m->deliveries[n][i]);
        assert_true(own[k] && stream_id_compare(*own[k], nth(i)) == 0);
        own[k] = ids_next(&consumers[k]->pending, &own_at[k]);
        p = ids_next(&g->pending, &at);
    }
    assert_null(p);
    assert_int_equal(g->pending.count, count);
    assert_int_equal(owned, count);
}

static void assert_groups(const struct collection *c, const struct groups_model *m)
{
    char text[16];
    assert_sums(c);
    for (int n = 0; n < GROUPS; n++) {
        const struct stream_group *g = stream_group_find(c, named(text, "g", n));
        assert_int_equal(g != NULL, m->there[n]);
        if (g)
            assert_group(g, m, n);
    }
}

static void forget_owner(struct groups_model *m, int n, int k)
{
    for (int i = 0; i < IDS; i++)
        if (m->owner[n][i] == k || !k)
            m->owner[n][i] = 0;
    for (int i = 1; i <= CONSUMERS; i++)
        m->known[n][i] &= k && i != k;
}

/* Groups and consumers come and go seldom; what is pending comes mostly in order and goes from anywhere. */
static void change_groups(struct collection *c, struct groups_model *m, struct prng *chance, int step)
{
    char text[16];
    int n = (int)prng_below(chance, GROUPS), k = 1 + (int)prng_below(chance, CONSUMERS);
    uint64_t kind = prng_below(chance, 400);
    struct stream_group *g = stream_group_find(c, named(text, "g", n));
    if (!g) {
        stream_group_make(c, named(text, "g", n), nth(0), STREAM_READ_UNKNOWN);
        m->there[n] = true;
        return;
    }
    struct stream_consumer *owner = stream_consumer_find(g, named(text, "c", k));
    if (kind == 0 && prng_below(chance, 3) == 0) {
        struct collection gone = stream_group_take(c, g);
        while (gone.data)
            assert_true(stream_ops.free_some(&gone, 3) > 0);
        m->there[n] = false;
        forget_owner(m, n, 0);
    } else if (!owner) {
        stream_consumer_make(c, g, named(text, "c", k), step);
        m->known[n][k] = true;
    } else if (kind < 3) {
        uint64_t count = owner->pending.count;
        assert_int_equal(stream_consumer_remove(c, g, owner), count);
        forget_owner(m, n, k);
    } else if (kind < 10) {
        stream_consumer_seen(c, g, owner, step);
        stream_group_set(c, g, nth(step % IDS), step);
    } else {
        int i = prng_below(chance, 2) ? step % IDS : (int)prng_below(chance, IDS);
        if (kind < 150) {
            assert_int_equal(stream_acknowledge(c, g, nth(i)), m->owner[n][i] != 0);
            m->owner[n][i] = 0;
        } else {
            struct stream_pending p = {nth(i), step, kind, owner};
            stream_pend(c, g, &p);
            m->owner[n][i] = k;
            m->deliveries[n][i] = kind;
        }
    }
}

static void check_group_twins(const struct collection *c, const struct groups_model *m)
{
    struct buf saved = BUF_EMPTY;
    struct collection twin = {.form = FORM_PACKED}, copy = stream_ops.copy(c);
    stream_ops.save(c, &(struct rdb_out){&saved, NULL, NULL});
    struct reader r = reader_of(buf_slice(&saved));
    assert_true(stream_ops.load(&twin, RDB_TYPE_STREAM_LISTPACKS_2, &r, NULL));
    assert_int_equal(reader_left(&r), 0);
    assert_groups(&twin, m);
    assert_groups(&copy, m);
    assert_int_equal(twin.digest, c->digest);
    assert_int_equal(copy.digest, c->digest);
    for (size_t len = 0; len < saved.len; len += 1 + saved.len / 9) {
        struct collection part = {.form = FORM_PACKED};
        r = reader_of(slice_of(saved.data, len));
        assert_false(stream_ops.load(&part, RDB_TYPE_STREAM_LISTPACKS_2, &r, NULL));
        assert_null(part.data);
    }
    while (twin.data)
        assert_true(stream_ops.free_some(&twin, 2) > 0);
    collection_free(&copy, STORE_STREAM);
    buf_deinit(&saved);
}

static void test_groups_agree_with_a_model(void **state)
{
    (void)state;
    static struct groups_model m;
    struct collection c = {.form = FORM_PACKED};
    struct prng chance;
    prng_seed(&chance, 21);
    stream_make(&c);
    for (int step = 0; step < 40000; step++) {
        change_groups(&c, &m, &chance, step);
        if (step % 1000 == 0)
            assert_groups(&c, &m);
        if (step % 10000 == 9999)
            check_group_twins(&c, &m);
    }
    assert_groups(&c, &m);
    collection_free(&c, STORE_STREAM);
}

/* ---- redis-server ---- */

static struct slice ask(struct buf *reply, size_t argc, const char *const *words, struct slice last)
{
    struct slice argv[8];
    for (size_t i = 0; i < argc; i++)
        argv[i] = words[i] ? slice_cstr(words[i]) : last;
    reply->len = 0;
    redis_call(redis_fd, argv, argc, reply);
    return buf_slice(reply);
}
#define ASK(reply, last, ...)                                                                                \
    ask(reply, sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *),                                  \
        (const char *const[]){__VA_ARGS__}, last)

static void test_redis_reads_ours_and_we_read_its(void **state)
{
    (void)state;
    static struct model m;
    struct store_limits limits = {.stream_node_max_bytes = 4096, .stream_node_max_entries = 10};
    struct collection c = {.form = FORM_PACKED}, theirs = c;
    struct buf reply = BUF_EMPTY, saved = BUF_EMPTY;
    struct prng chance;
    prng_seed(&chance, 9);
    static struct groups_model groups;
    while (m.count < 200)
        change(&c, &m, &chance, &limits);
    for (int step = 0; step < 2000; step++)
        change_groups(&c, &groups, &chance, step);
    put_u8(&saved, (uint8_t)stream_ops.rdb_type(&c));
    stream_ops.save(&c, &(struct rdb_out){&saved, NULL, NULL});
    put_u16(&saved, 10);
    put_u64(&saved, crc64(0, saved.data, saved.len));
    struct slice none = {NULL, 0};
    assert_true(slice_equal(ASK(&reply, none, "CONFIG", "SET", "sanitize-dump-payload", "yes"),
                            SLICE_LITERAL("+OK\r\n")));
    assert_true(
        slice_equal(ASK(&reply, buf_slice(&saved), "RESTORE", "k", "0", NULL), SLICE_LITERAL("+OK\r\n")));
    assert_true(slice_equal(ASK(&reply, none, "XLEN", "k"), SLICE_LITERAL(":200\r\n")));
    struct slice dump = ASK(&reply, none, "DUMP", "k");
    size_t len = strtoul(dump.data + 1, NULL, 10);
    const char *bytes = (const char *)memchr(dump.data, '\n', dump.len) + 1;
    assert_int_equal(bytes[0], RDB_TYPE_STREAM_LISTPACKS_2);
    struct reader r = reader_of(slice_of(bytes + 1, len - 11));
    assert_true(stream_ops.load(&theirs, RDB_TYPE_STREAM_LISTPACKS_2, &r, &limits));
    assert_int_equal(reader_left(&r), 0);
    assert_same(&theirs, &m);
    assert_groups(&theirs, &groups);
    assert_int_equal(theirs.digest, c.digest);
    collection_free(&theirs, STORE_STREAM);
    collection_free(&c, STORE_STREAM);
    buf_deinit(&reply);
    buf_deinit(&saved);
}

/* One byte of a saved stream made another: refused, or a stream whose sums are right; whether it was taken. */
static bool check_damaged(const struct buf *saved, size_t at, uint8_t value)
{
    struct collection c = {.form = FORM_PACKED};
    char *bytes = malloc(saved->len);
    memcpy(bytes, saved->data, saved->len);
    bytes[at] = (char)value;
    struct reader r = reader_of(slice_of(bytes, saved->len));
    bool taken = stream_ops.load(&c, RDB_TYPE_STREAM_LISTPACKS_2, &r, NULL);
    if (taken) {
        struct stream_at entry;
        size_t n = 0, back = 0;
        for (bool more = stream_seek(&c, (struct stream_id){0, 0}, false, &entry); more;
             more = stream_step(&c, false, &entry))
            n++;
        for (bool more = stream_seek(&c, (struct stream_id){UINT64_MAX, UINT64_MAX}, true, &entry); more;
             more = stream_step(&c, true, &entry))
            back++;
        assert_int_equal(n, stream_ops.count(&c));
        assert_int_equal(back, n);
        assert_sums(&c);
        collection_free(&c, STORE_STREAM);
    }
    assert_null(c.data);
    free(bytes);
    return taken;
}

static void test_damaged_ones_are_refused(void **state)
{
    (void)state;
    static struct model m;
    struct store_limits limits = {.stream_node_max_entries = 4};
    struct collection c = {.form = FORM_PACKED};
    struct buf saved = BUF_EMPTY;
    struct prng chance;
    prng_seed(&chance, 11);
    static struct groups_model groups;
    while (m.count < 10)
        change(&c, &m, &chance, &limits);
    stream_ops.save(&c, &(struct rdb_out){&saved, NULL, NULL});
    for (size_t at = 0; at < saved.len; at++)
        for (unsigned bit = 0; bit < 8; bit++)
            check_damaged(&saved, at, (uint8_t)saved.data[at] ^ (uint8_t)(1u << bit));
    assert_true(check_damaged(&saved, saved.len - 1, 0));
    /* Of a group nothing may be lost. */
    assert_false(check_damaged(&saved, saved.len - 1, 1));
    /* The first node: how many, a key of 16 bytes, its length, the listpack's header, live and deleted entries. */
    size_t counts = 18 + (saved.data[18] < 64 ? 1 : 2) + 6;
    assert_false(check_damaged(&saved, counts, (uint8_t)(saved.data[counts] + 1)));
    assert_false(check_damaged(&saved, counts + 2, (uint8_t)(saved.data[counts + 2] + 1)));
    /* Groups: of what is pending each has one owner. */
    for (int step = 0; step < 40; step++)
        change_groups(&c, &groups, &chance, step);
    buf_truncate(&saved, 0);
    stream_ops.save(&c, &(struct rdb_out){&saved, NULL, NULL});
    for (size_t at = saved.len / 4; at < saved.len; at++)
        for (unsigned bit = 0; bit < 8; bit++)
            check_damaged(&saved, at, (uint8_t)saved.data[at] ^ (uint8_t)(1u << bit));
    assert_false(check_damaged(&saved, saved.len - 1, (uint8_t)(saved.data[saved.len - 1] + 1)));
    collection_free(&c, STORE_STREAM);
    buf_deinit(&saved);
}

/* Entries of 30 bytes, to which a node adds a few; and a node has its room at once, and in the end no more than it needs. */
static void test_entries_of_a_long_one_cost_little(void **state)
{
    (void)state;
    static char text[1000];
    memset(text, 'x', sizeof text);
    struct store_limits limits = {.stream_node_max_bytes = 4096, .stream_node_max_entries = 100};
    struct slice name = SLICE_LITERAL("field");
    struct slice small[2] = {name, SLICE_LITERAL("element:000000000000")},
                 big[2] = {name, slice_of(text, 1000)}, tiny[2] = {name, name};
    struct collection c = {.form = FORM_PACKED};
    stream_make(&c);
    for (uint64_t i = 1; i <= 300000; i++) {
        stream_append(&c, (struct stream_id){i / 100, i % 100}, small, 1, &limits);
        if (i >= 50000 && i % 5000 == 0)
            assert_true((double)stream_ops.bytes(&c) / (double)i < 31.3);
    }
    for (uint64_t i = 0; i < 5; i++)
        stream_append(&c, (struct stream_id){4000, i}, big, 1, &limits);
    for (uint64_t i = 0; i < 220; i++)
        stream_append(&c, (struct stream_id){5000, i}, tiny, 1, &limits);
    const struct stream *s = c.data;
    for (size_t i = 0; i + 1 < s->used; i++) {
        const uint8_t *lp = stream_node_at(s, i)->lp;
        assert_true(lp_memory(lp) <= lp_slice(lp).len + 1024);
    }
    const uint8_t *last = stream_node_at(s, s->used - 1)->lp;
    assert_true(lp_memory(last) > 2 * lp_slice(last).len);
    collection_free(&c, STORE_STREAM);
}

/* Counted up to 2^63 and beyond, by XSETID or a dump. */
static void test_the_most_entries_added(void **state)
{
    (void)state;
    struct stream_facts f = {
        .length = 1, .first = {5, 1}, .last = {6, 1}, .entries_added = UINT64_C(1) << 63};
    assert_int_equal(stream_entries_upto(&f, (struct stream_id){5, 1}), INT64_MIN);
    assert_int_equal(stream_entries_upto(&f, (struct stream_id){5, 0}), INT64_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_changes_agree_with_a_model),
        cmocka_unit_test(test_ids_step_over_their_borders),
        cmocka_unit_test(test_groups_agree_with_a_model),
        cmocka_unit_test(test_redis_reads_ours_and_we_read_its),
        cmocka_unit_test(test_damaged_ones_are_refused),
        cmocka_unit_test(test_entries_of_a_long_one_cost_little),
        cmocka_unit_test(test_the_most_entries_added),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, redis_group_start, redis_group_stop);
}
