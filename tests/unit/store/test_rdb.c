/* RDB encoding: the bytes are those of redis-server's DUMP, its bytes are read back, encodings survive, and malformed
 * input is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../support/redis.h"
#include "base/prng.h"
#include "base/resp.h"
#include "store/rdb.h"
#include "store/store.h"

static struct slice ask(struct buf *reply, size_t argc, const char *a, const char *b, struct slice c)
{
    struct slice argv[3] = {slice_cstr(a), slice_cstr(b), c};
    reply->len = 0;
    redis_call(redis_fd, argv, argc, reply);
    return buf_slice(reply);
}

/* The value's bytes of DUMP: without type, version and checksum. */
static struct slice dump(struct buf *reply, struct slice value)
{
    ask(reply, 3, "SET", "k", value);
    struct slice s = ask(reply, 2, "DUMP", "k", (struct slice){NULL, 0});
    assert_int_equal(s.data[0], '$');
    size_t len = strtoul(s.data + 1, NULL, 10);
    const char *at = (const char *)memchr(s.data, '\n', s.len) + 1;
    assert_int_equal(*at, RDB_TYPE_STRING);
    return slice_of(at + 1, len - 1 - 2 - 8);
}

static struct store_key *load(struct store *s, struct slice bytes, int type)
{
    struct reader r = reader_of(bytes);
    struct store_view v = {.store = s, .writing = true};
    return store_rdb_load(&v, SLICE_LITERAL("k"), type, &r, STORE_NEVER);
}

static void check_value(struct slice value, bool compress)
{
    struct buf reply = BUF_EMPTY, ours = BUF_EMPTY;
    char scratch[24];
    struct store *s = store_new(1, (struct hash_seed){1, 2});
    struct store_view v = {.store = s, .writing = true};
    ask(&reply, 1, "PING", "", value);
    struct slice theirs = dump(&reply, value);
    store_rdb_save(store_put_string(&v, SLICE_LITERAL("k"), value, false),
                   &(struct rdb_out){&ours, NULL, NULL});
    if (!compress)
        assert_true(slice_equal(buf_slice(&ours), theirs));
    struct store_key *k = load(s, theirs, RDB_TYPE_STRING);
    assert_non_null(k);
    assert_true(slice_equal(store_string(k, scratch), value));
    buf_deinit(&reply);
    buf_deinit(&ours);
    store_free(s);
}

static void test_same_bytes_as_redis(void **state)
{
    (void)state;
    static const char *const values[] = {
        "",
        "a",
        "0",
        "-1",
        "127",
        "128",
        "-128",
        "-129",
        "32767",
        "32768",
        "-32768",
        "-32769",
        "2147483647",
        "2147483648",
        "-2147483648",
        "-2147483649",
        "9223372036854775807",
        "12345678901",
        "01",
        "+1",
        " 1",
        "12345678901234567890",
        "text of some length that is neither a number nor short",
    };
    struct buf reply = BUF_EMPTY;
    struct slice config[4] = {slice_cstr("CONFIG"), slice_cstr("SET"), slice_cstr("rdbcompression"),
                              slice_cstr("no")};
    redis_call(redis_fd, config, 4, &reply);
    for (size_t i = 0; i < sizeof values / sizeof *values; i++)
        check_value(slice_cstr(values[i]), false);
    char *big = malloc(70000);
    for (size_t i = 0; i < 70000; i++)
        big[i] = (char)(i * 31 >> 3);
    static const size_t lengths[] = {63, 64, 16383, 16384, 70000};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++)
        check_value(slice_of(big, lengths[i]), false);
    config[3] = slice_cstr("yes"); /* LZF: read, never written */
    redis_call(redis_fd, config, 4, &reply);
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++)
        check_value(slice_of(big, lengths[i]), true);
    memset(big, 'a', 70000);
    check_value(slice_of(big, 70000), true);
    for (size_t i = 0; i < 70000; i++)
        big[i] = "abcdefgh"[i % 7 * (i % 1000 > 500)];
    check_value(slice_of(big, 70000), true);
    free(big);
    buf_deinit(&reply);
}

/* OBJECT ENCODING is seen by transactions, so a restored node must show the same; redis-server must be able to read it. */
static void test_encodings_survive(void **state)
{
    (void)state;
    struct store *s = store_new(1, (struct hash_seed){1, 2});
    struct store_view v = {.store = s, .writing = true};
    static const struct {
        const char *value, *append, *encoding;
        bool text;
    } cases[] = {
        {"12", NULL, "int", false},
        {"12", "", "raw", false},
        {"ab", NULL, "embstr", false},
        {"ab", "c", "raw", false},
        {"12", NULL, "embstr", true},
        {"1.5", NULL, "embstr", true},
        {"", NULL, "embstr", false},
        {"", "", "raw", false},
        {"9223372036854775807", NULL, "int", false},
        {"9223372036854775807", NULL, "embstr", true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buf bytes = BUF_EMPTY;
        struct slice value = slice_cstr(cases[i].value);
        struct store_key *k =
            (cases[i].text ? store_put_text : store_put_string)(&v, SLICE_LITERAL("k"), value, false);
        if (cases[i].append)
            k = store_string_write(&v, k, value.len, slice_cstr(cases[i].append));
        assert_string_equal(store_key_encoding(k), cases[i].encoding);
        uint64_t digest = store_digest(s);
        store_rdb_save(k, &(struct rdb_out){&bytes, NULL, NULL});
        k = load(s, buf_slice(&bytes), RDB_TYPE_STRING);
        assert_non_null(k);
        assert_string_equal(store_key_encoding(k), cases[i].encoding);
        assert_true(store_digest(s) == digest);
        buf_deinit(&bytes);
    }
    store_free(s);
}

/* Whatever the bytes, no crash, and nothing is put unless they were whole. */
static void test_malformed_is_refused(void **state)
{
    (void)state;
    struct store *s = store_new(1, (struct hash_seed){1, 2});
    struct prng p;
    prng_seed(&p, 3);
    static const char *const bad[] = {"\xc3\x05\x81",
                                      "\x05"
                                      "abcd",
                                      "\xc4",
                                      "\x82"
                                      "aaaaaaaaa",
                                      "\xc2\x01",
                                      "\x40",
                                      "\x81\xff\xff\xff\xff\xff\xff\xff\xff",
                                      "\xc3\x03\x80\xff\xff\xff\xff"
                                      "aaa"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_null(load(s, slice_cstr(bad[i]), RDB_TYPE_STRING));
    assert_null(load(s,
                     SLICE_LITERAL("\x01"
                                   "a"),
                     99));
    assert_null(load(s, SLICE_LITERAL(""), RDB_TYPE_STRING));
    assert_int_equal(store_count(s, 0), 0);
    for (int i = 0; i < 200000; i++) {
        char bytes[24];
        size_t len = prng_below(&p, sizeof bytes);
        for (size_t j = 0; j < len; j++)
            bytes[j] = (char)(prng_below(&p, 2) ? prng_next(&p) : prng_below(&p, 12));
        if (len && prng_below(&p, 2))
            bytes[0] = '\xc3';
        load(s, slice_of(bytes, len), RDB_TYPE_STRING);
    }
    store_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_bytes_as_redis),
        cmocka_unit_test(test_encodings_survive),
        cmocka_unit_test(test_malformed_is_refused),
    };
    return cmocka_run_group_tests(tests, redis_group_start, redis_group_stop);
}
