/* Commands that wait: in whose turn they are served, by what, and what else ends a wait. */
#include "machine.h"

#include <string.h>

#define NODE 7

static const struct rsm_request waiting = {.kind = RSM_COMMAND, .asker = NODE};

static struct machine new_machine(void)
{
    struct machine m = machine_new();
    struct rsm_request q = {.kind = RSM_VERSION, .node = 3};
    apply_request(&m, &q);
    return m;
}

/* Its claim; it must wait. */
static uint64_t block(struct machine *m, const char *words)
{
    assert_string_equal(apply_words(m, waiting, words), "");
    assert_int_equal(m->result.claim, rsm_applied(m->rsm));
    return m->result.claim;
}

/* What the last entry released, as "claim: reply" without line ends, cleared ones as "claim: cleared". */
static const char *released(struct machine *m)
{
    static char text[1024];
    size_t count, n = 0;
    const struct rsm_release *r = rsm_released(m->rsm, &count);
    text[0] = 0;
    for (size_t i = 0; i < count; i++) {
        n += (size_t)snprintf(text + n, sizeof text - n, "%s%llu: ", i ? ", " : "",
                              (unsigned long long)r[i].claim);
        if (r[i].cleared)
            n += (size_t)snprintf(text + n, sizeof text - n, "cleared");
        for (size_t k = 0; k < r[i].reply.len; k++) {
            char c = r[i].reply.data[k];
            if (c != '\r')
                text[n++] = c == '\n' ? ' ' : c;
        }
        text[n] = 0;
    }
    return text;
}

static void assert_released(struct machine *m, const char *fmt, ...)
{
    char wanted[1024];
    va_list args;
    va_start(args, fmt);
    vsnprintf(wanted, sizeof wanted, fmt, args);
    va_end(args);
    assert_string_equal(released(m), wanted);
}
#define U (unsigned long long)

static void test_served_at_once(void **state)
{
    struct machine m = new_machine();
    (void)state;
    command(&m, "RPUSH l a b");
    assert_string_equal(apply_words(&m, waiting, "BLPOP none l 0"), "*2\r\n$1\r\nl\r\n$1\r\na\r\n");
    assert_int_equal(m.result.claim, 0);
    assert_string_equal(apply_words(&m, waiting, "BRPOP l 0"), "*2\r\n$1\r\nl\r\n$1\r\nb\r\n");
    assert_int_equal(rsm_waiting(m.rsm), 0);
    machine_free(&m);
}

static void test_longest_waiting_first(void **state)
{
    struct machine m = new_machine();
    (void)state;
    uint64_t one = block(&m, "BLPOP a b 0"), two = block(&m, "BRPOP a 0"), three = block(&m, "BLPOP b b 0");
    assert_string_equal(command(&m, "RPUSH a 1 2 3"), ":3\r\n");
    assert_released(&m, "%llu: *2 $1 a $1 1 , %llu: *2 $1 a $1 3 ", U one, U two);
    assert_string_equal(command(&m, "LRANGE a 0 -1"), "*1\r\n$1\r\n2\r\n");
    assert_string_equal(command(&m, "LPUSH b 4"), ":1\r\n");
    assert_released(&m, "%llu: *2 $1 b $1 4 ", U three);
    assert_string_equal(command(&m, "EXISTS b"), ":0\r\n");
    assert_released(&m, "");
    assert_int_equal(rsm_waiting(m.rsm), 0);
    machine_free(&m);
}

/* Behind a transaction, keys in the order in which they came to be there. */
static void test_transactions(void **state)
{
    struct machine m = new_machine();
    struct rsm_request plain = {0};
    (void)state;
    uint64_t one = block(&m, "BLPOP a 0"), two = block(&m, "BLPOP b 0"), three = block(&m, "BLPOP c 0");
    exec_request(&m, plain,
                 (const char *[]){"SET a x", "DEL a", "RPUSH c 1", "DEL c", "RPUSH b 2 3", "RPUSH a 4",
                                  "LPUSH b 5", "BLPOP none 0", "BLMOVE none b LEFT LEFT 0", NULL});
    assert_non_null(strstr(m.reply.data, "*-1\r\n$-1\r\n"));
    assert_released(&m, "%llu: *2 $1 b $1 5 , %llu: *2 $1 a $1 4 ", U two, U one);
    assert_int_equal(rsm_waiting(m.rsm), 1);
    exec_request(&m, plain, (const char *[]){"LPUSH c 6", "RENAME c d", "RENAME d c", NULL});
    assert_released(&m, "%llu: *2 $1 c $1 6 ", U three);
    machine_free(&m);
}

/* Readers of streams all hear; $ is what it was when the waiting began. */
static void test_streams(void **state)
{
    struct machine m = new_machine();
    (void)state;
    command(&m, "XADD s 1-1 a 1");
    uint64_t one = block(&m, "XREAD BLOCK 0 STREAMS s none $ $"),
             two = block(&m, "XREAD BLOCK 0 STREAMS s 2-0");
    command(&m, "XDEL s 1-1");
    command(&m, "SADD other x");
    assert_released(&m, "");
    command(&m, "XADD s 1-2 a 2");
    assert_released(&m, "%llu: *1 *2 $1 s *1 *2 $3 1-2 *2 $1 a $1 2 ", U one);
    command(&m, "DEL s");
    command(&m, "RPUSH s x");
    command(&m, "DEL s");
    assert_released(&m, "");
    command(&m, "XADD s 3-1 b 3");
    assert_released(&m, "%llu: *1 *2 $1 s *1 *2 $3 3-1 *2 $1 b $1 3 ", U two);
    assert_string_equal(apply_words(&m, waiting, "XREAD BLOCK 0 STREAMS s 2"),
                        "*1\r\n*2\r\n$1\r\ns\r\n*1\r\n*2\r\n$3\r\n3-1\r\n*2\r\n$1\r\nb\r\n$1\r\n3\r\n");
    machine_free(&m);
}

/* Of a group the longest waiting gets it; where its key or the group goes all are told. */
static void test_groups(void **state)
{
    struct machine m = new_machine();
    (void)state;
    command(&m, "XGROUP CREATE s g $ MKSTREAM");
    uint64_t one = block(&m, "XREADGROUP GROUP g a BLOCK 0 STREAMS s >"),
             two = block(&m, "XREADGROUP GROUP g b BLOCK 0 STREAMS s >");
    command(&m, "XADD s 1-1 a 1");
    assert_released(&m, "%llu: *1 *2 $1 s *1 *2 $3 1-1 *2 $1 a $1 1 ", U one);
    command(&m, "XACK s g 1-1");
    command(&m, "XGROUP SETID s g 0");
    assert_released(&m, "");
    command(&m, "XGROUP SETID s g $");
    command(&m, "XGROUP DESTROY s g");
    assert_released(&m, "%llu: -NOGROUP the consumer group this client was blocked on no longer exists ",
                    U two);
    command(&m, "XGROUP CREATE s g $");
    static const char *const ends[] = {"DEL s", "SET s x", "FLUSHALL", "RENAME l s"};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        command(&m, "DEL s");
        command(&m, "XGROUP CREATE s g $ MKSTREAM");
        command(&m, "RPUSH l x");
        one = block(&m, "XREADGROUP GROUP g a BLOCK 0 STREAMS s >");
        command(&m, ends[i]);
        assert_released(&m, "%llu: -UNBLOCKED the stream key no longer exists ", U one);
    }
    assert_int_equal(rsm_waiting(m.rsm), 0);
    machine_free(&m);
}

/* Only what they wait for: a string in its place is nothing, nor is another database's key. */
static void test_other_types(void **state)
{
    struct machine m = new_machine();
    (void)state;
    uint64_t one = block(&m, "BLPOP a 0");
    command(&m, "SET a x");
    assert_released(&m, "");
    command(&m, "RPUSH b 1");
    apply_words(&m, (struct rsm_request){.kind = RSM_COMMAND, .db = 1}, "RPUSH a 0");
    assert_released(&m, "");
    command(&m, "RENAME b a");
    assert_released(&m, "%llu: *2 $1 a $1 1 ", U one);
    assert_string_equal(apply_words(&m, waiting, "BLPOP s 0"), "");
    command(&m, "SET s x");
    assert_memory_equal(apply_words(&m, waiting, "BLPOP s 0"), "-WRONGTYPE", 10);
    machine_free(&m);
}

/* What serves one makes another key ready, and so on; a ring of them turns once. */
static void test_chains(void **state)
{
    struct machine m = new_machine();
    (void)state;
    uint64_t one = block(&m, "BLMOVE a b LEFT RIGHT 0"), two = block(&m, "BRPOPLPUSH b c 0");
    uint64_t three = block(&m, "BLMOVE c a LEFT LEFT 0"), four = block(&m, "BLPOP a 0");
    command(&m, "RPUSH a x");
    assert_released(&m, "%llu: $1 x , %llu: $1 x , %llu: $1 x , %llu: *2 $1 a $1 x ", U one, U two, U three,
                    U four);
    assert_string_equal(command(&m, "EXISTS a b c"), ":0\r\n");
    one = block(&m, "BLMOVE a b LEFT LEFT 0");
    two = block(&m, "BLPOP a 0");
    command(&m, "SET b string");
    command(&m, "RPUSH a y");
    assert_released(
        &m, "%llu: -WRONGTYPE Operation against a key holding the wrong kind of value , %llu: *2 $1 a $1 y ",
        U one, U two);
    machine_free(&m);
}

static void test_several_elements(void **state)
{
    struct machine m = new_machine();
    (void)state;
    uint64_t one = block(&m, "BLMPOP 0 2 a b RIGHT COUNT 2");
    command(&m, "RPUSH b 1 2 3");
    assert_released(&m, "%llu: *2 $1 b *2 $1 3 $1 2 ", U one);
    machine_free(&m);
}

static void test_sorted_sets(void **state)
{
    struct machine m = new_machine();
    (void)state;
    uint64_t list = block(&m, "BLPOP z 0"), one = block(&m, "BZPOPMAX z 0"),
             two = block(&m, "BZMPOP 0 2 y z MIN COUNT 9");
    uint64_t three = block(&m, "BZPOPMIN z 0");
    command(&m, "ZADD z 1 a 2 b 3 c");
    assert_released(&m, "%llu: *3 $1 z $1 c $1 3 , %llu: *2 $1 z *2 *2 $1 a $1 1 *2 $1 b $1 2 ", U one,
                    U two);
    command(&m, "RPUSH z x"); /* each type has its own row */
    assert_released(&m, "%llu: *2 $1 z $1 x ", U list);
    command(&m, "ZADD z 4 d");
    assert_released(&m, "%llu: *3 $1 z $1 d $1 4 ", U three);
    machine_free(&m);
}

static void test_time_is_up(void **state)
{
    struct machine m = new_machine();
    (void)state;
    uint64_t one = block(&m, "BLPOP a 0.5"), two = block(&m, "BLMOVE a b LEFT LEFT 0.2");
    uint64_t three =
        apply_words(&m, (struct rsm_request){.kind = RSM_COMMAND, .asker = NODE, .resp = 3}, "BLPOP a 0.2")
            ? m.result.claim
            : 0;
    block(&m, "BLPOP a 0");
    assert_int_equal(rsm_waiting_until_ms(m.rsm), MACHINE_START + 200);
    clock_entry(&m, MACHINE_START + 199);
    assert_released(&m, "");
    clock_entry(&m, MACHINE_START + 200);
    assert_released(&m, "%llu: *-1 , %llu: _ ", U two, U three);
    m.stamp_ms = MACHINE_START + 500; /* before the command of the same entry */
    command(&m, "RPUSH a 1");
    assert_non_null(strstr(released(&m), ": *-1 , "));
    assert_int_equal(strtoull(released(&m), NULL, 10), one);
    assert_int_equal(rsm_waiting_until_ms(m.rsm), 0);
    assert_int_equal(rsm_waiting(m.rsm), 0);
    machine_free(&m);
}

/* With what is left of its time a cleared one comes again. */
static void test_time_that_is_left(void **state)
{
    struct machine m = new_machine();
    struct rsm_request q = waiting;
    uint64_t until_ms;
    (void)state;
    q.until_ms = MACHINE_START + 30;
    apply_words(&m, q, "BLPOP a 5");
    assert_true(rsm_waits(m.rsm, m.result.claim, &until_ms));
    assert_int_equal(until_ms, MACHINE_START + 30);
    q.until_ms = MACHINE_START;
    assert_string_equal(apply_words(&m, q, "BLPOP a 5"), "*-1\r\n");
    q.asker = q.until_ms = 0; /* who may not wait does not */
    assert_string_equal(apply_words(&m, q, "BLPOP a 5"), "*-1\r\n");
    assert_int_equal(rsm_waiting(m.rsm), 1);
    machine_free(&m);
}

static void test_timeouts_as_words(void **state)
{
    struct machine m = new_machine();
    static const struct {
        const char *text, *error;
        uint64_t ms;
    } cases[] = {{"0.0001", NULL, 1},       {"1e-20", NULL, 1},
                 {"0x10", NULL, 16000},     {"1.5", NULL, 1500},
                 {"-0.0001", NULL, 0},      {"-1", "negative", 0},
                 {"inf", "negative", 0},    {"9223372036854775807", "negative", 0},
                 {"nan", "not a float", 0}, {"x", "not a float", 0},
                 {"", "not a float", 0}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char words[64];
        uint64_t until_ms;
        snprintf(words, sizeof words, "BLPOP a %s", cases[i].text);
        const char *reply = apply_words(&m, waiting, words);
        if (cases[i].error) {
            assert_non_null(strstr(reply, cases[i].error));
            continue;
        }
        assert_true(rsm_waits(m.rsm, m.result.claim, &until_ms));
        assert_int_equal(until_ms, cases[i].ms ? MACHINE_START + cases[i].ms : 0);
    }
    machine_free(&m);
}

static const char *unblock(struct machine *m, uint64_t claim, enum rsm_unblock how)
{
    struct rsm_request q = {.kind = RSM_UNBLOCK, .resp = 2, .claim = claim, .unblock = how};
    return apply_request(m, &q);
}

static void test_unblocked(void **state)
{
    struct machine m = new_machine();
    (void)state;
    uint64_t one = block(&m, "BLPOP a 0"), two = block(&m, "BLPOP a 0"), three = block(&m, "BLPOP a 9");
    assert_string_equal(unblock(&m, one, RSM_UNBLOCK_TIMEOUT), ":1\r\n");
    assert_released(&m, "%llu: *-1 ", U one);
    assert_string_equal(unblock(&m, two, RSM_UNBLOCK_ERROR), ":1\r\n");
    assert_released(&m, "%llu: -UNBLOCKED client unblocked via CLIENT UNBLOCK ", U two);
    assert_string_equal(unblock(&m, three, RSM_UNBLOCK_GONE), ":1\r\n");
    assert_released(&m, "%llu: cleared", U three);
    assert_string_equal(unblock(&m, three, RSM_UNBLOCK_GONE), ":0\r\n");
    assert_string_equal(command(&m, "RPUSH a 1"), ":1\r\n");
    assert_string_equal(command(&m, "LLEN a"), ":1\r\n");
    assert_int_equal(rsm_waiting_until_ms(m.rsm), 0);
    machine_free(&m);
}

static void test_node_is_gone(void **state)
{
    struct machine m = new_machine();
    struct rsm_request other = {.kind = RSM_COMMAND, .asker = 3};
    (void)state;
    uint64_t one = block(&m, "BLPOP a 0"), three = block(&m, "BLPOP a 0");
    apply_words(&m, other, "BLPOP a 0");
    uint64_t two = m.result.claim;
    assert_int_equal(rsm_waiting_node(m.rsm, 0), 3);
    assert_int_equal(rsm_waiting_node(m.rsm, 1), NODE);
    struct rsm_request q = {.kind = RSM_UNBLOCK, .resp = 2, .node = NODE};
    apply_request(&m, &q);
    assert_released(&m, "%llu: cleared, %llu: cleared", U one, U three);
    assert_int_equal(rsm_waiting_node(m.rsm, 1), 0);
    command(&m, "RPUSH a 1");
    assert_released(&m, "%llu: *2 $1 a $1 1 ", U two);
    machine_free(&m);
}

static void test_new_term(void **state)
{
    struct machine m = new_machine();
    (void)state;
    uint64_t one = block(&m, "BLPOP a 0"), two = block(&m, "BLPOP b 5");
    rsm_skip(m.rsm, rsm_applied(m.rsm) + 1, 1);
    assert_released(&m, "");
    rsm_skip(m.rsm, rsm_applied(m.rsm) + 1, 2);
    assert_released(&m, "%llu: cleared, %llu: cleared", U one, U two);
    assert_int_equal(rsm_waiting(m.rsm), 0);
    assert_int_equal(rsm_waiting_until_ms(m.rsm), 0);
    assert_int_equal(rsm_waiting_node(m.rsm, 0), 0);
    machine_free(&m);
}

/* ---- sessions ---- */

static const char *numbered_block(struct machine *m, uint64_t session, uint64_t n, const char *words)
{
    struct rsm_request q = {.kind = RSM_COMMAND,
                            .numbering = RSM_SESSION_NUMBER,
                            .session = session,
                            .request_id = n,
                            .asker = NODE};
    return apply_words(m, q, words);
}

/* Pending while it waits, and taken over by a retry in its place; the reply is remembered when it comes. */
static void test_numbered(void **state)
{
    struct machine m = new_machine();
    (void)state;
    uint64_t s = open_session(&m, "s", 1);
    numbered_block(&m, s, 1, "BLPOP a 0");
    uint64_t one = m.result.claim, two = block(&m, "BLPOP a 0");
    numbered_block(&m, s, 1, "BLPOP a 0");
    uint64_t again = m.result.claim;
    assert_int_equal(again, rsm_applied(m.rsm));
    assert_released(&m, "%llu: -UNBLOCKED this request was sent again, on another connection ", U one);
    assert_string_equal(unblock(&m, one, RSM_UNBLOCK_GONE),
                        ":0\r\n"); /* the first connection goes: too late */
    command(&m, "RPUSH a 1 2");
    assert_released(&m, "%llu: *2 $1 a $1 1 , %llu: *2 $1 a $1 2 ", U again, U two);
    assert_string_equal(numbered_block(&m, s, 1, "BLPOP a 0"), "*2\r\n$1\r\na\r\n$1\r\n1\r\n");
    assert_int_equal(m.result.outcome, RSM_DUPLICATE);
    assert_int_equal(rsm_waiting(m.rsm), 0);
    machine_free(&m);
}

/* One that was cleared, or whose client is gone, has not run: a retry runs it. */
static void test_numbered_cleared(void **state)
{
    struct machine m = new_machine();
    (void)state;
    uint64_t s = open_session(&m, "s", 1);
    numbered_block(&m, s, 1, "BLPOP a 0");
    unblock(&m, m.result.claim, RSM_UNBLOCK_GONE);
    numbered_block(&m, s, 1, "BLPOP a 0");
    assert_int_equal(rsm_waiting(m.rsm), 1);
    assert_int_equal(m.result.claim, rsm_applied(m.rsm));
    rsm_skip(m.rsm, rsm_applied(m.rsm) + 1, 2);
    assert_int_equal(rsm_waiting(m.rsm), 0);
    machine_free(&m);
}

static void test_numbered_time_is_remembered(void **state)
{
    struct machine m = new_machine();
    (void)state;
    uint64_t s = open_session(&m, "s", 1);
    numbered_block(&m, s, 1, "BLPOP a 1");
    clock_entry(&m, MACHINE_START + 1000);
    command(&m, "RPUSH a 1");
    assert_string_equal(numbered_block(&m, s, 1, "BLPOP a 1"), "*-1\r\n");
    numbered_block(&m, s, 2, "BLPOP b 1");
    assert_memory_equal(numbered_block(&m, s, 2, "BLPOP c 1"), "-ERR another request", 20);
    machine_free(&m);
}

/* ---- snapshots ---- */

static void test_snapshot(void **state)
{
    struct machine m = new_machine();
    struct rsm_snapshot_meta meta;
    char error[200];
    (void)state;
    uint64_t s = open_session(&m, "s", 1);
    block(&m, "BLPOP b a 0");
    numbered_block(&m, s, 1, "BLMOVE a b LEFT LEFT 7");
    numbered_block(&m, s, 1, "BLMOVE a b LEFT LEFT 7"); /* waits under a later claim than it arrived */
    block(&m, "BLMPOP 0 2 a b LEFT COUNT 5");
    checkpoint(&m, 1);
    struct buf file = snapshot_of(m.rsm);
    struct machine other = new_machine();
    rsm_free(other.rsm);
    other.rsm = load_snapshot(buf_slice(&file), 7, &meta, error);
    assert_non_null(other.rsm);
    other.stamp_ms = m.stamp_ms;
    other.chance = m.chance;
    assert_true(rsm_digest(other.rsm) == rsm_digest(m.rsm));
    assert_int_equal(rsm_waiting(other.rsm), 3);
    assert_int_equal(rsm_waiting_until_ms(other.rsm), rsm_waiting_until_ms(m.rsm));
    command(&m, "RPUSH a 1 2 3");
    command(&other, "RPUSH a 1 2 3");
    char expected[1024];
    snprintf(expected, sizeof expected, "%s", released(&m));
    assert_string_equal(released(&other), expected);
    assert_true(strlen(expected) > 40);
    assert_true(rsm_digest(other.rsm) == rsm_digest(m.rsm));
    /* Each one counts in the digest. */
    uint64_t before = rsm_digest(m.rsm);
    block(&m, "BLPOP z 0");
    assert_true(rsm_digest(m.rsm) != before);
    buf_deinit(&file);
    machine_free(&m);
    machine_free(&other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_served_at_once),
        cmocka_unit_test(test_longest_waiting_first),
        cmocka_unit_test(test_transactions),
        cmocka_unit_test(test_streams),
        cmocka_unit_test(test_groups),
        cmocka_unit_test(test_other_types),
        cmocka_unit_test(test_chains),
        cmocka_unit_test(test_several_elements),
        cmocka_unit_test(test_sorted_sets),
        cmocka_unit_test(test_time_is_up),
        cmocka_unit_test(test_time_that_is_left),
        cmocka_unit_test(test_timeouts_as_words),
        cmocka_unit_test(test_unblocked),
        cmocka_unit_test(test_node_is_gone),
        cmocka_unit_test(test_new_term),
        cmocka_unit_test(test_numbered),
        cmocka_unit_test(test_numbered_cleared),
        cmocka_unit_test(test_numbered_time_is_remembered),
        cmocka_unit_test(test_snapshot),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
