/* The scripts tests/diff/{strings,keys,expire,command,zset,geo,hash,set}.cmd, run on a store through the command functions and on a live
 * redis-server: every reply must be the same bytes. tests/diff/run does the same with whole servers; this needs no cluster
 * and shows what the room alone does. Files named on the command line are run instead. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "../../support/redis.h"
#include "base/resp.h"
#include "commands/commands.h"

enum { CONNECTIONS = 16, WORDS = 64 };

struct connection {
    int fd; /* to redis-server; -1: not opened yet */
    int resp;
    uint32_t db;
};

static struct {
    struct redis redis;
    struct store *store;
    struct prng chance;
    struct connection conns[CONNECTIONS];
    size_t compared, wrong;
    uint64_t index;
} t;

static struct store_limits limits = {
    .list_max_listpack_size = -2,
    .hash_max_listpack_entries = 512,
    .hash_max_listpack_value = 64,
    .set_max_intset_entries = 512,
    .zset_max_listpack_entries = 128,
    .zset_max_listpack_value = 64,
    .stream_node_max_bytes = 4096,
    .stream_node_max_entries = 100,
    .hll_sparse_max_bytes = 3000,
};

static uint64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void pause_ms(long ms)
{
    struct timespec pause = {ms / 1000, ms % 1000 * 1000000};
    nanosleep(&pause, NULL);
}

static int start_redis(void **state)
{
    (void)state;
    return redis_start(&t.redis) ? 0 : -1;
}

static int stop_redis(void **state)
{
    (void)state;
    redis_stop(&t.redis);
    return 0;
}

/* What rsm/ and server/ do around a command, in short. */
static void our_reply(struct connection *conn, const struct slice *argv, size_t argc, struct buf *out)
{
    const struct command *row = command_check(argv, argc, out);
    if (!row)
        return;
    struct command_context c = {
        .chance = &t.chance, .resp = conn->resp, .argv = argv, .argc = argc, .out = out};
    c.view = (struct store_view){
        .store = t.store, .db = conn->db, .now_ms = now_ms(), .index = ++t.index, .limits = &limits};
    c.max_bulk = 536870912;
    if (slice_equal(command_base_name(row), SLICE_LITERAL("command"))) {
        command_command(&c);
        return;
    }
    assert_non_null(row->run);
    if (!(row->flags & CMD_WRITE)) {
        struct store_view writer = c.view;
        size_t before = out->len;
        row->run(&c);
        if (!c.view.due_ms)
            return;
        assert_true(c.view.due_ms <= c.view.now_ms);
        buf_truncate(out, before); /* a clock entry comes first */
        writer.writing = true;
        store_expire(&writer, SIZE_MAX);
        c.view.due_ms = 0;
        row->run(&c);
        assert_int_equal(c.view.due_ms, 0);
        return;
    }
    c.view.writing = true;
    row->run(&c);
}

/* SELECT and HELLO are the server's; here redis-server's answer stands and the connection follows it. */
static bool follow(struct connection *conn, const struct slice *argv, size_t argc, struct slice theirs)
{
    if (argc && slice_is_word(argv[0], "select")) {
        if (theirs.data[0] == '+')
            conn->db = (uint32_t)strtoul(argv[1].data, NULL, 10);
        return true;
    }
    if (argc && slice_is_word(argv[0], "hello")) {
        if (theirs.data[0] != '-')
            conn->resp = theirs.data[0] == '%' ? 3 : 2;
        return true;
    }
    return false;
}

/* ---- comparing ---- */

static int by_bytes(const void *a, const void *b)
{
    return slice_compare(*(const struct slice *)a, *(const struct slice *)b);
}

/* The reply with the elements of every aggregate sorted. */
static void sorted(struct slice reply, struct buf *out)
{
    const char *end = memchr(reply.data, '\n', reply.len);
    size_t head = (size_t)(end - reply.data) + 1;
    char kind = reply.data[0];
    long n = strchr("*~%>", kind) ? strtol(reply.data + 1, NULL, 10) : 0;
    if (n <= 0) {
        buf_append_slice(out, reply);
        return;
    }
    n = kind == '%' ? n * 2 : n;
    struct slice *parts = calloc((size_t)n, sizeof *parts);
    struct buf *texts = calloc((size_t)n, sizeof *texts);
    buf_append(out, reply.data, head);
    struct slice rest = {reply.data + head, reply.len - head};
    for (long i = 0; i < n; i++) {
        size_t len = resp_reply_len(rest);
        sorted((struct slice){rest.data, len}, &texts[i]);
        parts[i] = buf_slice(&texts[i]);
        rest = (struct slice){rest.data + len, rest.len - len};
    }
    qsort(parts, (size_t)n, sizeof *parts, by_bytes);
    for (long i = 0; i < n; i++)
        buf_append_slice(out, parts[i]);
    for (long i = 0; i < n; i++)
        buf_deinit(&texts[i]);
    free(parts);
    free(texts);
}

static bool same(char mode, struct slice ours, struct slice theirs)
{
    if (mode == '~' && ours.data[0] == ':' && theirs.data[0] == ':')
        return llabs(strtoll(ours.data + 1, NULL, 10) - strtoll(theirs.data + 1, NULL, 10)) <= 500;
    if (mode != '?')
        return slice_equal(ours, theirs);
    struct buf a = BUF_EMPTY, b = BUF_EMPTY;
    sorted(ours, &a);
    sorted(theirs, &b);
    bool equal = slice_equal(buf_slice(&a), buf_slice(&b));
    buf_deinit(&a);
    buf_deinit(&b);
    return equal;
}

/* ---- the script's format, described in tests/diff/run ---- */

static char unescape(const char **at)
{
    static const char from[] = "nrtba", to[] = "\n\r\t\b\a";
    char c = *(*at)++;
    if (c == 'x') {
        char hex[3] = {(*at)[0], (*at)[1], 0};
        *at += 2;
        return (char)strtoul(hex, NULL, 16);
    }
    const char *known = strchr(from, c);
    return known && c ? to[known - from] : c;
}

/* Splits into words, whose bytes go to `room`. */
static size_t split(const char *at, struct slice *argv, char *room)
{
    size_t n = 0;
    while (*at) {
        if (*at == ' ') {
            at++;
            continue;
        }
        char *start = room;
        if (*at == '"') {
            for (at++; *at != '"';) {
                assert_true(*at);
                if (*at == '\\') {
                    at++;
                    *room++ = unescape(&at);
                } else {
                    *room++ = *at++;
                }
            }
            at++;
        } else {
            while (*at && *at != ' ')
                *room++ = *at++;
        }
        assert_true(n < WORDS);
        argv[n++] = slice_of(start, (size_t)(room - start));
        *room++ = 0;
    }
    return n;
}

static void run_line(const char *file, int number, const char *line)
{
    static char room[8192];
    struct slice argv[WORDS];
    const char *at = line;
    char mode = 0;
    size_t who = 1;
    if (strchr("?~", *at) && at[1] == ' ') {
        mode = *at;
        at += 2;
    }
    if (*at == '@')
        who = strtoul(at + 1, (char **)&at, 10);
    assert_true(who < CONNECTIONS);
    size_t argc = split(at, argv, room);
    struct connection *conn = &t.conns[who];
    if (conn->fd < 0)
        conn->fd = redis_connect(&t.redis);
    struct buf ours = BUF_EMPTY, theirs = BUF_EMPTY;
    redis_call(conn->fd, argv, argc, &theirs);
    if (!follow(conn, argv, argc, buf_slice(&theirs))) {
        our_reply(conn, argv, argc, &ours);
        assert_int_equal(resp_reply_len(buf_slice(&ours)), ours.len);
        t.compared++;
        if (!same(mode, buf_slice(&ours), buf_slice(&theirs))) {
            t.wrong++;
            printf("%s:%d: %s\n  ours:  %.*s\n  redis: %.*s\n", file, number, line,
                   (int)(ours.len < 400 ? ours.len : 400), ours.data,
                   (int)(theirs.len < 400 ? theirs.len : 400), theirs.data);
        }
    }
    buf_deinit(&ours);
    buf_deinit(&theirs);
}

static void run_script(const char *path)
{
    char line[8192];
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    t.store = store_new(16, (struct hash_seed){3, 4});
    prng_seed(&t.chance, 5);
    for (size_t i = 0; i < CONNECTIONS; i++)
        t.conns[i] = (struct connection){-1, 2, 0};
    t.conns[0].fd = redis_connect(&t.redis);
    struct buf reply = BUF_EMPTY;
    redis_call(t.conns[0].fd, &SLICE_LITERAL("FLUSHALL"), 1, &reply);
    buf_deinit(&reply);
    for (int number = 1; fgets(line, sizeof line, f); number++) {
        line[strcspn(line, "\n")] = 0;
        if (!*line || *line == '#')
            continue;
        if (strncmp(line, "sleep ", 6) == 0)
            pause_ms(strtol(line + 6, NULL, 10));
        else
            run_line(path, number, line);
    }
    fclose(f);
    for (size_t i = 0; i < CONNECTIONS; i++)
        if (t.conns[i].fd >= 0)
            close(t.conns[i].fd);
    store_free(t.store);
}

static void check_script(const char *path)
{
    t.compared = t.wrong = 0;
    run_script(path);
    printf("%s: %zu replies compared, %zu differ\n", path, t.compared, t.wrong);
    assert_true(t.compared > 0);
    assert_int_equal(t.wrong, 0);
}

static void test_strings(void **state)
{
    (void)state;
    check_script("tests/diff/strings.cmd");
}

static void test_keys(void **state)
{
    (void)state;
    check_script("tests/diff/keys.cmd");
}

static void test_expire(void **state)
{
    (void)state;
    check_script("tests/diff/expire.cmd");
}

static void test_command(void **state)
{
    (void)state;
    check_script("tests/diff/command.cmd");
}

static void test_zsets(void **state)
{
    (void)state;
    check_script("tests/diff/zset.cmd");
}

static void test_places(void **state)
{
    (void)state;
    check_script("tests/diff/geo.cmd");
}

/* The same with no sorted set small enough to be packed. */
static void test_large_zsets(void **state)
{
    (void)state;
    struct buf reply = BUF_EMPTY;
    int fd = redis_connect(&t.redis);
    const struct slice set[] = {SLICE_LITERAL("config"), SLICE_LITERAL("set"),
                                SLICE_LITERAL("zset-max-listpack-entries"), SLICE_LITERAL("0")};
    redis_call(fd, set, 4, &reply);
    assert_true(slice_equal(buf_slice(&reply), SLICE_LITERAL("+OK\r\n")));
    buf_deinit(&reply);
    close(fd);
    limits.zset_max_listpack_entries = 0;
    check_script("tests/diff/zset.cmd");
    limits.zset_max_listpack_entries = 128;
}

static void test_hashes(void **state)
{
    (void)state;
    check_script("tests/diff/hash.cmd");
}

static void test_sets(void **state)
{
    (void)state;
    check_script("tests/diff/set.cmd");
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_strings),     cmocka_unit_test(test_keys),   cmocka_unit_test(test_expire),
        cmocka_unit_test(test_command),     cmocka_unit_test(test_zsets),  cmocka_unit_test(test_places),
        cmocka_unit_test(test_large_zsets), cmocka_unit_test(test_hashes), cmocka_unit_test(test_sets),
    };
    if (argc == 1)
        return cmocka_run_group_tests(tests, start_redis, stop_redis);
    if (start_redis(NULL))
        return 1;
    for (int i = 1; i < argc; i++)
        run_script(argv[i]);
    stop_redis(NULL);
    printf("%zu replies compared, %zu differ\n", t.compared, t.wrong);
    return t.wrong != 0;
}
