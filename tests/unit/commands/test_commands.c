/* Commands on a store: exact replies in RESP2 and RESP3, what they leave behind, and random arguments to every row. What
 * redis-server answers to the same is compared by test_diff. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "base/resp.h"
#include "commands/commands.h"
#include "store/rdb.h"

enum { NOW_MS = 1000000 };

struct world {
    struct store *store;
    struct prng chance;
    uint64_t index, now_ms, due_ms;
    uint32_t db;
};

/* Small, so that what comes by chance crosses them. */
static const struct store_limits limits = {
    .list_max_listpack_size = 4,
    .hash_max_listpack_entries = 4,
    .hash_max_listpack_value = 8,
    .set_max_intset_entries = 4,
    .zset_max_listpack_entries = 4,
    .zset_max_listpack_value = 8,
    .stream_node_max_bytes = 64,
    .stream_node_max_entries = 4,
    .hll_sparse_max_bytes = 100,
};

static void world_init(struct world *w)
{
    *w = (struct world){.store = store_new(4, (struct hash_seed){1, 2}), .now_ms = NOW_MS};
    prng_seed(&w->chance, 1);
}

static void call(struct world *w, int resp, const struct slice *argv, size_t argc, bool writing,
                 struct buf *out)
{
    const struct command *row = command_check(argv, argc, out);
    if (!row)
        return;
    struct command_context c = {.chance = &w->chance, .resp = resp, .argv = argv, .argc = argc, .out = out};
    c.view = (struct store_view){
        .store = w->store, .db = w->db, .now_ms = w->now_ms, .index = ++w->index, .limits = &limits};
    c.view.writing = writing || row->flags & CMD_WRITE;
    c.max_bulk = 1 << 20;
    row->run(&c);
    w->due_ms = c.view.due_ms;
}

static size_t split(const char *line, struct slice *argv)
{
    size_t n = 0;
    while (*line) {
        size_t len = strcspn(line, " ");
        argv[n++] = strncmp(line, "''", 2) ? slice_of(line, len) : slice_of("", 0);
        line += len + (line[len] == ' ');
    }
    return n;
}

static void expect(struct world *w, int resp, const char *line, const char *reply)
{
    struct slice argv[16];
    struct buf out = BUF_EMPTY;
    call(w, resp, argv, split(line, argv), false, &out);
    put_u8(&out, 0);
    if (strcmp(out.data, reply))
        fail_msg("%s\n  want: %s\n  got:  %s", line, reply, out.data);
    buf_deinit(&out);
}

/* One session, in order: times are relative to NOW_MS. */
static void test_replies(void **state)
{
    (void)state;
    static const struct {
        const char *line, *resp2, *resp3; /* resp3 NULL: the same, and the command is not run again */
    } cases[] = {
        {"GET a", "$-1\r\n", "_\r\n"},
        {"SET a 1", "+OK\r\n", NULL},
        {"GET a", "$1\r\n1\r\n", "$1\r\n1\r\n"},
        {"SET a 2 NX", "$-1\r\n", "_\r\n"},
        {"SET a 2 XX GET", "$1\r\n1\r\n", NULL},
        {"SET a 2 EX 10", "+OK\r\n", NULL},
        {"PTTL a", ":10000\r\n", ":10000\r\n"},
        {"PEXPIRETIME a", ":1010000\r\n", ":1010000\r\n"},
        {"EXPIRETIME a", ":1010\r\n", NULL},
        {"INCR a", ":3\r\n", NULL},
        {"PTTL a", ":10000\r\n", NULL},
        {"PEXPIRE a 499", ":1\r\n", NULL},
        {"TTL a", ":0\r\n", NULL},
        {"PEXPIRE a 500", ":1\r\n", NULL},
        {"TTL a", ":1\r\n", NULL},
        {"GETEX a PERSIST", "$1\r\n3\r\n", NULL},
        {"TTL a", ":-1\r\n", NULL},
        {"EXPIREAT a 1000", ":1\r\n", NULL},
        {"EXISTS a", ":0\r\n", NULL},
        {"SET a 1", "+OK\r\n", NULL},
        {"GETEX a PXAT 1000001", "$1\r\n1\r\n", NULL},
        {"PTTL a", ":1\r\n", NULL},
        {"GETEX a PXAT 1000000", "$1\r\n1\r\n", NULL}, /* now is past: gone at once */
        {"DBSIZE", ":0\r\n", NULL},
        {"SET a 1 PXAT 1000000", "+OK\r\n", NULL},
        {"SET a 1 NX", "+OK\r\n", NULL},
        {"MGET a b", "*2\r\n$1\r\n1\r\n$-1\r\n", "*2\r\n$1\r\n1\r\n_\r\n"},
        {"APPEND a x", ":2\r\n", NULL},
        {"INCR a", "-ERR value is not an integer or out of range\r\n", NULL},
        {"SETRANGE z 1048576 x", "-ERR string exceeds maximum allowed size (proto-max-bulk-len)\r\n", NULL},
        {"SETRANGE z 1048575 x", ":1048576\r\n", NULL},
        {"APPEND z x", "-ERR string exceeds maximum allowed size (proto-max-bulk-len)\r\n", NULL},
        {"OBJECT IDLETIME a", ":0\r\n", NULL},
        {"TYPE a", "+string\r\n", "+string\r\n"},
        {"KEYS a", "*1\r\n$1\r\na\r\n", NULL},
        {"SCAN 0 COUNT 1", "*2\r\n$1\r\n1\r\n*1\r\n$1\r\nz\r\n", NULL},
        {"SCAN 1 COUNT 1", "*2\r\n$1\r\n0\r\n*1\r\n$1\r\na\r\n", NULL},
        {"SCAN 99", "*2\r\n$1\r\n0\r\n*2\r\n$1\r\nz\r\n$1\r\na\r\n", NULL},
        {"FLUSHALL", "+OK\r\n", NULL},
        {"RANDOMKEY", "$-1\r\n", "_\r\n"},
        {"NOSUCH x", "-ERR unknown command 'NOSUCH', with args beginning with: 'x' \r\n", NULL},
        {"OBJECT X y", "-ERR unknown subcommand 'X'. Try OBJECT HELP.\r\n", NULL},
        {"GET", "-ERR wrong number of arguments for 'get' command\r\n", NULL},
        {"OBJECT FREQ", "-ERR wrong number of arguments for 'object|freq' command\r\n", NULL},
    };
    struct world w;
    world_init(&w);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        expect(&w, 2, cases[i].line, cases[i].resp2);
        if (cases[i].resp3)
            expect(&w, 3, cases[i].line, cases[i].resp3);
    }
    store_free(w.store);
}

/* A read that meets a due key says so and changes nothing; so does a read of the whole database. */
/* As many draws as a client asks for are not always made: see reply_is_too_long. */
static void test_replies_without_end(void **state)
{
    (void)state;
    static const char error[] = "-ERR the reply would be longer than proto-max-bulk-len\r\n";
    struct world w;
    world_init(&w);
    expect(&w, 2, "SADD s x", ":1\r\n");
    expect(&w, 2, "HSET h f v", ":1\r\n");
    expect(&w, 2, "ZADD z 1 x", ":1\r\n");
    expect(&w, 2, "SRANDMEMBER s -4611686018427387903", error);
    expect(&w, 2, "HRANDFIELD h -4611686018427387903 WITHVALUES", error);
    expect(&w, 3, "ZRANDMEMBER z -4611686018427387903 WITHSCORES", error);
    expect(&w, 2, "SRANDMEMBER s -2", "*2\r\n$1\r\nx\r\n$1\r\nx\r\n");
    store_free(w.store);
}

static void test_readers_note_due_keys(void **state)
{
    (void)state;
    static const char *const reads[] = {"GET k",    "MGET x k",      "EXISTS k",       "TTL k",  "TYPE k",
                                        "STRLEN k", "OBJECT FREQ k", "GETRANGE k 0 1", "KEYS *", "SCAN 0",
                                        "DBSIZE",   "RANDOMKEY",     "TOUCH k"};
    struct world w;
    world_init(&w);
    expect(&w, 2, "SET k v PX 100", "+OK\r\n");
    for (size_t i = 0; i < sizeof reads / sizeof *reads; i++) {
        for (uint64_t late = 0; late < 2; late++) {
            struct slice argv[8];
            struct buf out = BUF_EMPTY;
            w.now_ms = NOW_MS + 99 + late;
            call(&w, 2, argv, split(reads[i], argv), false, &out);
            assert_int_equal(w.due_ms, late ? NOW_MS + 100 : 0);
            buf_deinit(&out);
        }
    }
    assert_int_equal(store_count(w.store, 0), 1);
    store_free(w.store);
}

/* Within an entry that could not remove every due key (their number is bounded), they are gone all the same. */
static void test_writers_see_no_due_keys(void **state)
{
    (void)state;
    static const struct {
        const char *line, *reply;
    } cases[] = {
        {"KEYS *", "*1\r\n$5\r\nstays\r\n"},
        {"SCAN 0", "*2\r\n$1\r\n0\r\n*1\r\n$5\r\nstays\r\n"},
        {"RANDOMKEY", "$5\r\nstays\r\n"},
        {"GET k", "$-1\r\n"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct world w;
        struct slice argv[8];
        struct buf out = BUF_EMPTY;
        world_init(&w);
        expect(&w, 2, "SET k v PX 100", "+OK\r\n");
        expect(&w, 2, "SET stays v", "+OK\r\n");
        w.now_ms += 100;
        call(&w, 2, argv, split(cases[i].line, argv), true, &out);
        assert_true(slice_equal(buf_slice(&out), slice_cstr(cases[i].reply)));
        buf_deinit(&out);
        store_free(w.store);
    }
}

static void test_randomkey_gives_every_key(void **state)
{
    (void)state;
    struct world w;
    unsigned seen[5] = {0};
    world_init(&w);
    for (const char *key = "01234"; *key; key++) {
        char line[] = "SET x v";
        line[4] = *key;
        expect(&w, 2, line, "+OK\r\n");
    }
    for (int i = 0; i < 5000; i++) {
        struct slice argv[] = {SLICE_LITERAL("RANDOMKEY")};
        struct buf out = BUF_EMPTY;
        call(&w, 2, argv, 1, i % 2, &out);
        seen[out.data[4] - '0']++;
        buf_deinit(&out);
    }
    for (int i = 0; i < 5; i++)
        assert_in_range(seen[i], 850, 1150);
    store_free(w.store);
}

/* ---- random arguments ---- */

static const char *const words[] = {
    "k1",
    "k2",
    "k3",
    "k4",
    "",
    "0",
    "1",
    "-1",
    "10",
    "9223372036854775807",
    "-9223372036854775808",
    "1.5",
    "1e400",
    "inf",
    "nan",
    "EX",
    "PX",
    "EXAT",
    "PXAT",
    "NX",
    "XX",
    "GT",
    "LT",
    "GET",
    "KEEPTTL",
    "PERSIST",
    "REPLACE",
    "DB",
    "COUNT",
    "MATCH",
    "TYPE",
    "*",
    "k?",
    "[",
    "\\",
    "ASYNC",
    "string",
    "1000100",
    "999",
    "100000",
    "a longer value",
    "0123456789012345678901234567890123456789012345",
    "1048570",
    "\r\n",
    "5",
};

static struct slice random_word(struct prng *p)
{
    static char big[6000];
    memset(big, 'b', sizeof big);
    if (prng_below(p, 40) == 0)
        return slice_of(big, prng_below(p, sizeof big));
    return slice_cstr(words[prng_below(p, sizeof words / sizeof *words)]);
}

static size_t random_request(struct prng *p, struct slice *argv)
{
    const struct command *row;
    do {
        row = command_at(prng_below(p, command_count()));
    } while (!row->run && !(row->subcommands && row->subcommands->run));
    if (prng_below(p, 3) && (row->flags & CMD_WRITE) && strncmp(row->name, "flush", 5) == 0)
        row = command_lookup(SLICE_LITERAL("set"));
    size_t argc = 0, least = (size_t)(row->arity < 0 ? -row->arity : row->arity);
    argv[argc++] = slice_cstr(row->name);
    if (row->subcommands) {
        size_t subs = 0;
        while (row->subcommands[subs].name)
            subs++;
        argv[argc++] = slice_cstr(row->subcommands[prng_below(p, subs)].name + strlen(row->name) + 1);
        least = 3;
    }
    if (row->first_key)
        argv[argc++] = slice_cstr(words[prng_below(p, 4)]);
    size_t want = prng_below(p, 10) ? least + (row->arity < 0 ? prng_below(p, 5) : 0) : 1 + prng_below(p, 8);
    while (argc < want)
        argv[argc++] = random_word(p);
    return argc;
}

static struct store *reload(struct store *s)
{
    struct store *copy = store_new(store_databases(s), (struct hash_seed){1, 2});
    for (uint32_t db = 0; db < store_databases(s); db++) {
        for (size_t i = 0; i < store_count(s, db); i++) {
            struct store_key *k = store_at(s, db, i);
            struct buf bytes = BUF_EMPTY;
            store_rdb_save(k, &(struct rdb_out){&bytes, NULL, NULL});
            struct reader r = reader_of(buf_slice(&bytes));
            struct store_view v = {.store = copy, .db = db, .writing = true};
            assert_non_null(
                store_rdb_load(&v, store_key_name(k), store_rdb_type(k), &r, store_key_expiry_ms(k)));
            buf_deinit(&bytes);
        }
    }
    return copy;
}

/* Whatever comes, a command gives one reply, and two nodes give the same one: also when one of them was restored from a
 * snapshot on the way. */
static void test_random_arguments(void **state)
{
    (void)state;
    struct world a, b;
    struct prng p;
    world_init(&a);
    world_init(&b);
    prng_seed(&p, 77);
    for (int i = 0; i < 300000; i++) {
        struct slice argv[16];
        size_t argc = random_request(&p, argv);
        struct buf x = BUF_EMPTY, y = BUF_EMPTY;
        int resp = 2 + (int)prng_below(&p, 2);
        a.now_ms = b.now_ms = a.now_ms + prng_below(&p, 3);
        a.db = b.db = (uint32_t)prng_below(&p, 4);
        call(&a, resp, argv, argc, true, &x);
        call(&b, resp, argv, argc, true, &y);
        assert_true(x.len > 0 && resp_reply_len(buf_slice(&x)) == x.len);
        if (!slice_equal(buf_slice(&x), buf_slice(&y)))
            fail_msg("two replies to %.*s: %.*s and %.*s", (int)argv[0].len, argv[0].data, (int)x.len, x.data,
                     (int)y.len, y.data);
        buf_deinit(&x);
        buf_deinit(&y);
        store_sweep(a.store, 10);
        if (i % 5000 == 0) {
            assert_true(store_digest(a.store) == store_digest(b.store));
            struct store *copy = reload(b.store);
            store_free(b.store);
            b.store = copy;
            assert_true(store_digest(a.store) == store_digest(b.store));
        }
    }
    store_free(a.store);
    store_free(b.store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_replies),
        cmocka_unit_test(test_replies_without_end),
        cmocka_unit_test(test_readers_note_due_keys),
        cmocka_unit_test(test_writers_see_no_due_keys),
        cmocka_unit_test(test_randomkey_gives_every_key),
        cmocka_unit_test(test_random_arguments),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
