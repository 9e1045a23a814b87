/* What entries come to, as Redis would write it to its replicas: most commands are themselves; what goes by time, chance or by who
 * waited is what became of it; one transaction is one unit. */
#include "machine.h"

static struct buf written;
static size_t in_unit;

static void hear(void *arg, enum store_event_class class, const char *event, uint32_t db, struct slice key)
{
    (void)arg, (void)class, (void)event, (void)db, (void)key;
}

/* "0:SET k v;" and "|" where a unit with more than one ends; "<" before what stands behind its unit; "?": in no words. */
static void hear_written(void *arg, enum rsm_writing what, uint32_t db, const struct slice *argv, size_t argc)
{
    assert_ptr_equal(arg, &written);
    if (what == RSM_WRITES_KEYS)
        buf_append_cstr(&written, "?");
    if (what == RSM_WRITES_END && in_unit > 1)
        buf_append_cstr(&written, "|");
    in_unit = what == RSM_WRITES ? in_unit + 1 : what == RSM_WRITES_END ? 0 : in_unit;
    if (what != RSM_WRITES && what != RSM_WRITES_BESIDE)
        return;
    buf_printf(&written, "%s%u:", what == RSM_WRITES ? "" : "<", (unsigned)db);
    for (size_t i = 0; i < argc; i++)
        buf_printf(&written, "%s%.*s", i ? " " : "", (int)argv[i].len, argv[i].data);
    buf_append_cstr(&written, ";");
}

static const char *since_last(void)
{
    static char text[4096];
    snprintf(text, sizeof text, "%.*s", (int)written.len, written.data);
    buf_truncate(&written, 0);
    return text;
}

static struct machine followed(void)
{
    struct machine m = machine_newest();
    rsm_listen(m.rsm, &(struct rsm_listener){.arg = &written, .heard = hear, .written = hear_written},
               EVENT_CHANGED | EVENT_FLUSHED | EVENT_BESIDE);
    return m;
}

static void does(struct machine *m, const char *words, const char *stream)
{
    const char *reply = command(m, words);
    const char *text = since_last();
    if (strcmp(text, stream) != 0)
        printf("# %s answered %s", words, reply);
    assert_string_equal(text, stream);
}

static void itself(struct machine *m, const char *words)
{
    char stream[256];
    snprintf(stream, sizeof stream, "0:%s;", words);
    does(m, words, stream);
}

static void test_most_are_themselves(void **state)
{
    struct machine m = followed();
    (void)state;
    static const char *const words[] = {
        "set k 1",
        "APPEND k x",
        "SETRANGE k 2 y",
        "MSET a 1 b 2",
        "INCR a",
        "RENAME a c",
        "COPY c d",
        "MOVE c 1",
        "DEL d none",
        "PEXPIREAT b 1800000000000",
        "PERSIST b",
        "RPUSH l a b c",
        "LTRIM l 0 1",
        "LINSERT l AFTER a x",
        "HSET h f v",
        "ZADD z INCR 1 m",
        "ZPOPMIN z",
        "GEOADD g 13 38 p",
        "SADD s 1 2",
        "SMOVE s t 1",
        "SINTERSTORE u t t",
        "PFADD p a",
        "BITOP NOT n k",
        "SETBIT k 1 1",
        "FLUSHDB",
    };
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        itself(&m, words[i]);
    does(&m, "SET k 1 XX", "");
    does(&m, "LPUSHX l 1", "");
    does(&m, "GET k", "");
    does(&m, "INCR", "");
    machine_free(&m);
}

static void test_times(void **state)
{
    struct machine m = followed();
    (void)state;
    does(&m, "SET k v EX 10", "0:SET k v PXAT 1700000010000;");
    does(&m, "SET k v px 10 GET", "0:SET k v PXAT 1700000000010;");
    does(&m, "SETEX k 1 v", "0:SET k v PXAT 1700000001000;");
    does(&m, "PSETEX k 1 v", "0:SET k v PXAT 1700000000001;");
    does(&m, "SET k v KEEPTTL GET", "0:SET k v KEEPTTL;");
    does(&m, "SET k v XX GET", "0:SET k v;");
    does(&m, "EXPIRE k 10 NX", "0:PEXPIREAT k 1700000010000;");
    does(&m, "EXPIRE k 10 NX", "");
    does(&m, "GETEX k", "");
    does(&m, "GETEX k PERSIST", "0:PERSIST k;");
    does(&m, "GETEX k EX 1", "0:PEXPIREAT k 1700000001000;");
    does(&m, "EXPIREAT k 1", "0:DEL k;");
    does(&m, "GETEX k EX 1", "");
    clock_entry(&m, MACHINE_START + 5);
    does(&m, "SET a 1 PX 1", "0:SET a 1 PXAT 1700000000006;");
    does(&m, "SET b 1 PX 1", "0:SET b 1 PXAT 1700000000006;");
    clock_entry(&m, MACHINE_START + 10);
    assert_string_equal(since_last(), "0:DEL a;0:DEL b;");
    machine_free(&m);
}

static void test_values(void **state)
{
    struct machine m = followed();
    (void)state;
    does(&m, "GETSET k 1", "0:SET k 1;");
    does(&m, "INCRBYFLOAT k 0.5", "0:SET k 1.5 KEEPTTL;");
    does(&m, "GETDEL k", "0:DEL k;");
    does(&m, "GETDEL k", "");
    does(&m, "HINCRBYFLOAT h f 0.5", "0:HSET h f 0.5;");
    itself(&m, "SADD s a");
    does(&m, "SPOP s", "0:SREM s a;");
    does(&m, "SPOP s", "");
    itself(&m, "SADD s a b");
    does(&m, "SPOP s 5", "0:DEL s;");
    itself(&m, "SADD s a a1 a2 a3");
    command(&m, "SPOP s 3");
    assert_int_equal(strncmp(since_last(), "0:SREM s a", 10), 0);
    itself(&m, "ZADD z 1 a 2 b 3 c");
    does(&m, "ZUNIONSTORE u 2 z z", "?");
    does(&m, "SORT z BY nosort STORE l", "?");
    itself(&m, "LPUSH ll a b c");
    does(&m, "LMPOP 2 none ll RIGHT COUNT 2", "0:RPOP ll 2;");
    does(&m, "LMPOP 2 none ll LEFT", "0:LPOP ll 1;");
    does(&m, "ZMPOP 1 z MIN COUNT 9", "0:ZPOPMIN z 3;");
    itself(&m, "FLUSHALL");
    itself(&m, "SWAPDB 0 1");
    does(&m, "DEL nothing", "");
    machine_free(&m);
}

static void test_streams(void **state)
{
    struct machine m = followed();
    (void)state;
    does(&m, "XADD s * f v", "0:XADD s 1700000000000-0 f v;");
    does(&m, "XADD s 1700000000000-* f v", "0:XADD s 1700000000000-1 f v;");
    does(&m, "XADD s MAXLEN ~ 1 * f v", "0:XADD s MAXLEN = 3 1700000000000-2 f v;");
    does(&m, "XADD s NOMKSTREAM MINID ~ 5 LIMIT 7 * f v",
         "0:XADD s NOMKSTREAM MAXLEN = 4 1700000000000-3 f v;");
    does(&m, "XADD s MAXLEN 4 * f v", "0:XADD s MAXLEN 4 1700000000000-4 f v;");
    itself(&m, "XTRIM s MAXLEN 3");
    itself(&m, "XGROUP CREATE s g 0");
    does(&m, "XREADGROUP GROUP g c COUNT 1 STREAMS s >",
         "0:XCLAIM s g c 0 1700000000000-2 TIME 1700000000000 RETRYCOUNT 1 FORCE JUSTID LASTID "
         "1700000000000-2;"
         "<0:XGROUP SETID s g 1700000000000-2 ENTRIESREAD 3;");
    does(&m, "XREADGROUP GROUP g c COUNT 1 STREAMS s 0",
         "0:XCLAIM s g c 0 1700000000000-2 TIME 1700000000000 RETRYCOUNT 2 FORCE JUSTID LASTID "
         "1700000000000-2;"
         "<0:XGROUP SETID s g 1700000000000-2 ENTRIESREAD 3;");
    does(&m, "XREADGROUP GROUP g d COUNT 1 NOACK STREAMS s >",
         "0:XGROUP CREATECONSUMER s g d;<0:XGROUP SETID s g 1700000000000-3 ENTRIESREAD 4;");
    does(&m, "XCLAIM s g e 0 1700000000000-2 9-9 JUSTID",
         "0:XCLAIM s g e 0 1700000000000-2 TIME 1700000000000 RETRYCOUNT 2 FORCE JUSTID LASTID "
         "1700000000000-3;"
         "0:XACK s g 9-9;<0:XGROUP SETID s g 1700000000000-3 ENTRIESREAD 4;|");
    does(&m, "XAUTOCLAIM s g f 0 0",
         "0:XCLAIM s g f 0 1700000000000-2 TIME 1700000000000 RETRYCOUNT 3 FORCE JUSTID LASTID "
         "1700000000000-3;");
    itself(&m, "XDEL s 1700000000000-2");
    does(&m, "XAUTOCLAIM s g f 0 0", "0:XACK s g 1700000000000-2;");
    itself(&m, "XGROUP DELCONSUMER s g f");
    itself(&m, "XSETID s 1800000000000-0");
    itself(&m, "XGROUP DESTROY s g");
    machine_free(&m);
}

static void test_transactions(void **state)
{
    struct machine m = followed();
    (void)state;
    exec_request(&m, (struct rsm_request){0}, (const char *[]){"SET a 1", "GET a", "INCR b", NULL});
    assert_string_equal(since_last(), "0:SET a 1;0:INCR b;|");
    exec_request(&m, (struct rsm_request){0}, (const char *[]){"GET a", "INCR b", NULL});
    assert_string_equal(since_last(), "0:INCR b;");
    struct rsm_request q = {.kind = RSM_COMMAND, .resp = 2};
    struct slice argv[] = {SLICE_LITERAL("EVAL"),
                           SLICE_LITERAL("redis.call('get','a') redis.call('expire','a',1) "
                                         "redis.setresp(3) return redis.call('spop','s',1)"),
                           SLICE_LITERAL("0")};
    itself(&m, "SADD s 1 1");
    q.argv = argv;
    q.argc = 3;
    apply_request(&m, &q);
    assert_string_equal(since_last(), "0:PEXPIREAT a 1700000001000;0:DEL s;|");
    machine_free(&m);
}

static void does3(struct machine *m, const char *words, const char *stream)
{
    apply_words(m, (struct rsm_request){.kind = RSM_COMMAND, .resp = 3}, words);
    assert_string_equal(since_last(), stream);
}

/* Replies are read in either protocol. */
static void test_resp3(void **state)
{
    struct machine m = followed();
    (void)state;
    does3(&m, "INCRBYFLOAT k 2.5", "0:SET k 2.5 KEEPTTL;");
    does3(&m, "HINCRBYFLOAT h f 0.5", "0:HSET h f 0.5;");
    does3(&m, "SADD s a", "0:SADD s a;");
    does3(&m, "SPOP s 1", "0:DEL s;");
    does3(&m, "RPUSH l a b", "0:RPUSH l a b;");
    does3(&m, "LMPOP 1 l LEFT", "0:LPOP l 1;");
    does3(&m, "BLPOP l 0", "0:LPOP l;");
    does3(&m, "ZADD z 1 a 2 b", "0:ZADD z 1 a 2 b;");
    does3(&m, "BZMPOP 0 1 z MAX COUNT 1", "0:ZPOPMAX z 1;");
    does3(&m, "BZPOPMIN z 0", "0:ZPOPMIN z;");
    does3(&m, "XADD x 1-* f v", "0:XADD x 1-0 f v;");
    does3(&m, "XGROUP CREATE x g 0", "0:XGROUP CREATE x g 0;");
    does3(&m, "XREADGROUP GROUP g c STREAMS x >",
          "0:XCLAIM x g c 0 1-0 TIME 1700000000000 RETRYCOUNT 1 FORCE JUSTID LASTID 1-0;"
          "<0:XGROUP SETID x g 1-0 ENTRIESREAD 1;");
    does3(&m, "XAUTOCLAIM x g d 0 0 JUSTID",
          "0:XCLAIM x g d 0 1-0 TIME 1700000000000 RETRYCOUNT 1 FORCE JUSTID LASTID 1-0;");
    does3(&m, "LMPOP 1 none LEFT", "");
    machine_free(&m);
}

/* Whoever waited is served by a unit of his own. */
static void test_waiting(void **state)
{
    struct machine m = followed();
    struct rsm_request waits = {.kind = RSM_COMMAND, .asker = 1};
    (void)state;
    apply_words(&m, waits, "BLMPOP 0 2 k l LEFT COUNT 5");
    apply_words(&m, waits, "BRPOP k l 0");
    apply_words(&m, waits, "BLMOVE k l LEFT LEFT 0");
    apply_words(&m, waits, "BZPOPMAX z 0");
    assert_string_equal(since_last(), "");
    does(&m, "RPUSH k a b", "0:RPUSH k a b;0:LPOP k 2;");
    does(&m, "RPUSH k a b", "0:RPUSH k a b;0:RPOP k;0:LMOVE k l LEFT LEFT;");
    does(&m, "ZADD z 1 m", "0:ZADD z 1 m;0:ZPOPMAX z;");
    machine_free(&m);
}

static void test_evictions(void **state)
{
    struct machine m = followed();
    (void)state;
    setting(&m, "maxmemory-policy allkeys-random");
    command(&m, "SET k 1");
    since_last();
    struct rsm_watch watch = {.key = SLICE_LITERAL("k")};
    struct store_view view = rsm_view(m.rsm, m.stamp_ms, 0);
    watch.version = store_version(&view, watch.key);
    struct rsm_request q = {.kind = RSM_EVICT, .watches = &watch, .watch_count = 1};
    apply_request(&m, &q);
    assert_string_equal(since_last(), "0:DEL k;");
    machine_free(&m);
}

/* Whoever does not listen hears nothing, and nobody notices. */
static void test_nobody(void **state)
{
    struct machine m = followed();
    (void)state;
    rsm_listen(m.rsm, &(struct rsm_listener){0}, 0);
    does(&m, "SET k 1", "");
    machine_free(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_most_are_themselves),
        cmocka_unit_test(test_times),
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_streams),
        cmocka_unit_test(test_transactions),
        cmocka_unit_test(test_waiting),
        cmocka_unit_test(test_evictions),
        cmocka_unit_test(test_nobody),
        cmocka_unit_test(test_resp3),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    buf_deinit(&written);
    return failed;
}
