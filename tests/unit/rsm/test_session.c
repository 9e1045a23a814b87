/* Exactly once, rule by rule (DESIGN 5). Each rule is tried on a machine and, where it may matter, on one
 * restored from a snapshot in the middle. */
#include "machine.h"

#define DAY_MS (24u * 3600 * 1000)

/* The machine goes on as one that a snapshot has restored. */
static void reincarnate(struct machine *m)
{
    char error[200];
    struct rsm_snapshot_meta meta;
    checkpoint(m, 1);
    uint64_t digest = rsm_digest(m->rsm);
    struct buf file = snapshot_of(m->rsm);
    struct rsm *r = load_snapshot(buf_slice(&file), 1000, &meta, error);
    if (!r)
        fail_msg("%s", error);
    assert_true(rsm_digest(r) == digest);
    rsm_free(m->rsm);
    m->rsm = r;
    buf_deinit(&file);
}

static void test_duplicate_is_answered_not_run(void **state)
{
    struct machine m = machine_new();
    uint64_t s = open_session(&m, "worker", 1);
    (void)state;
    assert_string_equal(numbered(&m, s, 1, "INCR n"), ":1\r\n");
    assert_int_equal(m.result.outcome, RSM_RAN);
    assert_string_equal(numbered(&m, s, 2, "INCR n"), ":2\r\n");
    for (int again = 0; again < 2; again++) {
        assert_string_equal(numbered(&m, s, 1, "INCR n"), ":1\r\n");
        assert_int_equal(m.result.outcome, RSM_DUPLICATE);
        assert_string_equal(numbered(&m, s, 2, "INCR n"), ":2\r\n");
        assert_int_equal(m.result.outcome, RSM_DUPLICATE);
        reincarnate(&m);
    }
    assert_string_equal(command(&m, "INCR n"), ":3\r\n");
    machine_free(&m);
}

static void test_gap_may_be_filled(void **state)
{
    struct machine m = machine_new();
    uint64_t s = open_session(&m, "worker", 10);
    (void)state;
    assert_string_equal(numbered(&m, s, 15, "INCR n"), ":1\r\n");
    assert_string_equal(numbered(&m, s, 12, "INCR n"), ":2\r\n");
    reincarnate(&m);
    assert_string_equal(numbered(&m, s, 10, "INCR n"), ":3\r\n");
    assert_string_equal(numbered(&m, s, 12, "INCR n"), ":2\r\n");
    assert_string_equal(numbered(&m, s, 15, "INCR n"), ":1\r\n");
    assert_int_equal(m.result.outcome, RSM_DUPLICATE);
    machine_free(&m);
}

static void assert_stale(struct machine *m)
{
    assert_memory_equal(m->reply.data, "-STALE ", 7);
    assert_int_equal(m->result.outcome, RSM_REFUSED);
}

static void test_older_than_the_session_or_the_window(void **state)
{
    struct machine m = machine_new();
    uint64_t s = open_session(&m, "worker", 10);
    (void)state;
    numbered(&m, s, 9, "INCR n");
    assert_stale(&m);
    for (uint64_t n = 10; n < 10 + 128; n++)
        numbered(&m, s, n, "INCR n");
    assert_string_equal(numbered(&m, s, 10, "INCR n"), ":1\r\n"); /* the last 128: 10 is the first of them */
    assert_string_equal(numbered(&m, s, 138, "INCR n"), ":129\r\n");
    numbered(&m, s, 10, "INCR n");
    assert_stale(&m);
    reincarnate(&m);
    numbered(&m, s, 10, "INCR n");
    assert_stale(&m);
    assert_string_equal(numbered(&m, s, 11, "INCR n"), ":2\r\n");
    /* A jump leaves numbers behind that never ran; whether they did is not known any more either way. */
    assert_string_equal(numbered(&m, s, 1000, "INCR n"), ":130\r\n");
    numbered(&m, s, 1000 - 128, "INCR n");
    assert_stale(&m);
    assert_string_equal(numbered(&m, s, 1000 - 127, "INCR n"), ":131\r\n");
    machine_free(&m);
}

/* What a smaller window has forgotten, a bigger one must not run again. */
static void test_window_setting(void **state)
{
    struct machine m = machine_new();
    uint64_t s = open_session(&m, "worker", 1);
    (void)state;
    for (uint64_t n = 1; n <= 20; n++)
        numbered(&m, s, n, "INCR n");
    assert_string_equal(setting(&m, "session-window 5"), "+OK\r\n");
    numbered(&m, s, 15, "INCR n");
    assert_stale(&m);
    assert_string_equal(numbered(&m, s, 16, "INCR n"), ":16\r\n");
    assert_string_equal(setting(&m, "session-window 128"), "+OK\r\n");
    numbered(&m, s, 15, "INCR n");
    assert_stale(&m);
    reincarnate(&m);
    numbered(&m, s, 15, "INCR n");
    assert_stale(&m);
    /* A gap that was open when the window shrank over it. */
    uint64_t gap = open_session(&m, "gap", 1);
    numbered(&m, gap, 50, "INCR n");
    setting(&m, "session-window 3");
    numbered(&m, gap, 20, "INCR n");
    assert_stale(&m);
    machine_free(&m);
}

/* It had its number in the window when it began, and has not when it ends. */
static void test_window_shrinks_under_a_request(void **state)
{
    struct machine m = machine_newest();
    uint64_t s = open_session(&m, "waits", 1);
    struct slice pop[] = {SLICE_LITERAL("BLPOP"), SLICE_LITERAL("q"), SLICE_LITERAL("0")};
    struct rsm_request q = {.kind = RSM_COMMAND,
                            .numbering = RSM_SESSION_NUMBER,
                            .session = s,
                            .request_id = 1,
                            .asker = 1,
                            .argv = pop,
                            .argc = 3,
                            .resp = 2};
    size_t count;
    (void)state;
    apply_request(&m, &q);
    assert_int_not_equal(m.result.claim, 0);
    for (uint64_t n = 2; n <= 4; n++)
        numbered(&m, s, n, "INCR n");
    setting(&m, "session-window 1");
    command(&m, "RPUSH q v");
    assert_int_equal(rsm_released(m.rsm, &count)->reply.len, 18);
    numbered(&m, s, 1, "INCR n");
    assert_stale(&m);
    assert_string_equal(numbered(&m, s, 4, "INCR n"), ":3\r\n");
    /* A transaction that does it itself: what it was is not remembered, and not run again. */
    setting(&m, "session-window 100");
    numbered(&m, s, 90, "INCR n");
    struct slice argv[] = {RSM_CONFIG, SLICE_LITERAL("session-window"), SLICE_LITERAL("1"),
                           SLICE_LITERAL("INCR"), SLICE_LITERAL("n")};
    q = (struct rsm_request){.kind = RSM_EXEC,
                             .numbering = RSM_SESSION_NUMBER,
                             .session = s,
                             .request_id = 50,
                             .argv = argv,
                             .argc = 5,
                             .counts = (const uint32_t[]){3, 2},
                             .dbs = (const uint32_t[]){0, 0},
                             .commands = 2,
                             .resp = 2};
    assert_string_equal(apply_request(&m, &q), "*2\r\n+OK\r\n:5\r\n");
    apply_request(&m, &q);
    assert_stale(&m);
    reincarnate(&m);
    machine_free(&m);
}

static void test_other_request_under_the_number(void **state)
{
    struct machine m = machine_new();
    uint64_t s = open_session(&m, "worker", 1);
    (void)state;
    assert_string_equal(numbered(&m, s, 1, "SET k a"), "+OK\r\n");
    reincarnate(&m);
    struct rsm_request q = {
        .kind = RSM_COMMAND, .numbering = RSM_SESSION_NUMBER, .session = s, .request_id = 1, .resp = 2};
    const char *others[] = {"SET k b", "SET ka", "SET k a NX", "DEL k"};
    for (size_t i = 0; i < 4; i++) {
        assert_memory_equal(apply_words(&m, q, others[i]), "-ERR ", 5);
        assert_int_equal(m.result.outcome, RSM_REFUSED);
    }
    q.db = 1; /* the same words, but not the same request */
    assert_memory_equal(apply_words(&m, q, "SET k a"), "-ERR ", 5);
    q.db = 0;
    q.resp = 3;
    assert_memory_equal(apply_words(&m, q, "SET k a"), "-ERR ", 5);
    q.resp = 2;
    assert_string_equal(apply_words(&m, q, "SET k a"), "+OK\r\n");
    assert_int_equal(m.result.outcome, RSM_DUPLICATE);
    assert_string_equal(command(&m, "GETSET k z"), "$1\r\na\r\n");
    machine_free(&m);
}

static void test_retried_exec_may_ask_for_something_else(void **state)
{
    struct machine m = machine_new();
    uint64_t s = open_session(&m, "worker", 1);
    struct rsm_request q = {.numbering = RSM_SESSION_NUMBER, .session = s, .request_id = 1};
    (void)state;
    assert_string_equal(exec_request(&m, q, (const char *[]){"INCR n", "INCR n", NULL}),
                        "*2\r\n:1\r\n:2\r\n");
    reincarnate(&m);
    assert_string_equal(exec_request(&m, q, (const char *[]){"SET n 9", NULL}), "*2\r\n:1\r\n:2\r\n");
    assert_int_equal(m.result.outcome, RSM_DUPLICATE);
    q.resp = 3;
    assert_memory_equal(exec_request(&m, q, (const char *[]){"INCR n", "INCR n", NULL}), "-ERR", 4);
    assert_memory_equal(numbered(&m, s, 1, "INCR n"), "-ERR", 4); /* a command is no EXEC */
    /* A failed watch is an answer like any other: asked again, it failed. */
    struct rsm_watch watch = {.key = SLICE_LITERAL("n"), .version = 1};
    q = (struct rsm_request){.numbering = RSM_SESSION_NUMBER, .session = s, .request_id = 2};
    q.watches = &watch;
    q.watch_count = 1;
    assert_string_equal(exec_request(&m, q, (const char *[]){"INCR n", NULL}), "*-1\r\n");
    assert_int_equal(m.result.outcome, RSM_RAN);
    q.watch_count = 0;
    assert_string_equal(exec_request(&m, q, (const char *[]){"INCR n", NULL}), "*-1\r\n");
    assert_int_equal(m.result.outcome, RSM_DUPLICATE);
    machine_free(&m);
}

static void assert_no_session(struct machine *m)
{
    assert_memory_equal(m->reply.data, "-NOSESSION ", 11);
    assert_int_equal(m->result.outcome, RSM_REFUSED);
}

static void test_unknown_session(void **state)
{
    struct machine m = machine_new();
    (void)state;
    session_request(&m, "worker", "", 1, false); /* @retry never opens */
    assert_no_session(&m);
    assert_int_equal(rsm_session_count(m.rsm), 0);
    numbered(&m, 999, 1, "INCR n");
    assert_no_session(&m);
    uint64_t s = open_session(&m, "worker", 1);
    numbered(&m, s + 1, 1, "INCR n"); /* another */
    assert_no_session(&m);
    assert_true(open_session(&m, "worker", 500) == s); /* @seq on an existing one resumes */
    assert_string_equal(numbered(&m, s, 1, "INCR n"), ":1\r\n");
    session_request(&m, "worker", "", 7, false);
    assert_int_equal(m.result.outcome, RSM_RAN);
    machine_free(&m);
}

static void test_user_and_id_are_the_key(void **state)
{
    struct machine m = machine_new();
    uint64_t mine = open_session(&m, "worker", 1);
    (void)state;
    session_request(&m, "worker", "alice", 1, false);
    assert_no_session(&m);
    session_request(&m, "worker", "alice", 1, true);
    uint64_t hers = strtoull(m.reply.data + 1, NULL, 10);
    assert_true(hers != mine);
    assert_int_equal(rsm_session_count(m.rsm), 2);
    assert_string_equal(numbered(&m, mine, 1, "INCR n"), ":1\r\n");
    numbered(&m, hers, 1, "INCR n"); /* under another user than the one who opened it */
    assert_no_session(&m);
    /* "al" + "ice" is not "alice" + "" */
    session_request(&m, "iceworker", "al", 1, false);
    assert_no_session(&m);
    machine_free(&m);
}

static void test_expiry_by_the_stamp(void **state)
{
    struct machine m = machine_new();
    uint64_t s = open_session(&m, "worker", 1);
    (void)state;
    assert_string_equal(numbered(&m, s, 1, "INCR n"), ":1\r\n");
    clock_entry(&m, m.stamp_ms + DAY_MS - 1);
    reincarnate(&m);
    assert_string_equal(numbered(&m, s, 1, "INCR n"), ":1\r\n"); /* asking keeps it alive */
    clock_entry(&m, m.stamp_ms + DAY_MS - 1);
    assert_int_equal(rsm_session_count(m.rsm), 1);
    clock_entry(&m, m.stamp_ms + 1);
    assert_int_equal(rsm_session_count(m.rsm), 0);
    numbered(&m, s, 1, "INCR n");
    assert_no_session(&m);
    session_request(&m, "worker", "", 1, false);
    assert_no_session(&m);
    uint64_t next = open_session(&m, "worker", 1);
    assert_true(next != s);
    numbered(&m, s, 2, "INCR n"); /* the old name does not lead to the new session */
    assert_no_session(&m);
    assert_string_equal(numbered(&m, next, 1, "INCR n"), ":2\r\n");
    machine_free(&m);
}

/* They leave in the order of their last use, not in that of their opening. */
static void test_expiry_order(void **state)
{
    struct machine m = machine_new();
    uint64_t first = open_session(&m, "first", 1);
    (void)state;
    open_session(&m, "second", 1);
    m.stamp_ms += DAY_MS / 2;
    numbered(&m, first, 1, "INCR n");
    reincarnate(&m);
    clock_entry(&m, m.stamp_ms + DAY_MS / 2);
    assert_int_equal(rsm_session_count(m.rsm), 1);
    assert_string_equal(numbered(&m, first, 1, "INCR n"), ":1\r\n");
    machine_free(&m);
}

/* More sessions come due at once than one entry removes: those that stand are treated as gone. */
static void test_due_but_not_removed_yet(void **state)
{
    struct machine m = machine_new();
    uint64_t last = 0;
    char id[16];
    (void)state;
    for (int i = 0; i < 100; i++) {
        snprintf(id, sizeof id, "s%d", i);
        last = open_session(&m, id, 1);
    }
    m.stamp_ms += DAY_MS;
    numbered(&m, last, 1, "INCR n");
    assert_no_session(&m);
    assert_in_range(rsm_session_count(m.rsm), 1, 99);
    assert_true(open_session(&m, "s98", 1) > last);
    for (int i = 0; i < 10; i++)
        clock_entry(&m, m.stamp_ms);
    assert_int_equal(rsm_session_count(m.rsm), 1);
    machine_free(&m);
}

static void test_full_table(void **state)
{
    struct machine m = machine_new();
    (void)state;
    setting(&m, "session-max 2");
    uint64_t a = open_session(&m, "a", 1), b = open_session(&m, "b", 1);
    assert_memory_equal(session_request(&m, "c", "", 1, true), "-ERR max number of sessions", 27);
    assert_int_equal(m.result.outcome, RSM_REFUSED);
    assert_true(open_session(&m, "a", 1) == a);                  /* to resume takes no room */
    assert_string_equal(numbered(&m, b, 1, "INCR n"), ":1\r\n"); /* and nobody was dropped */
    m.stamp_ms += DAY_MS;
    open_session(&m, "c", 1); /* until they are due */
    setting(&m, "session-max 0");
    session_request(&m, "d", "", 1, true);
    assert_int_equal(m.result.outcome, RSM_REFUSED);
    machine_free(&m);
}

static void test_errors_are_remembered_refusals_are_not(void **state)
{
    struct machine m = machine_new();
    uint64_t s = open_session(&m, "worker", 1);
    (void)state;
    command(&m, "SET k text");
    char *error = strdup(numbered(&m, s, 1, "INCR k"));
    assert_memory_equal(error, "-ERR value is not an integer", 28);
    command(&m, "SET k 5");
    assert_string_equal(numbered(&m, s, 1, "INCR k"), error);
    assert_int_equal(m.result.outcome, RSM_DUPLICATE);
    free(error);
    machine_free(&m);
}

static void test_long_reply_is_remembered_as_done(void **state)
{
    struct machine m = machine_new();
    uint64_t s = open_session(&m, "worker", 1);
    char set[5000] = "SET k ";
    (void)state;
    memset(set + 6, 'x', sizeof set - 7);
    command(&m, set);
    assert_memory_equal(numbered(&m, s, 1, "GETSET k y"), "$4993\r\nxxx", 10);
    reincarnate(&m);
    assert_memory_equal(numbered(&m, s, 1, "GETSET k y"), "-DONE ", 6);
    assert_int_equal(m.result.outcome, RSM_DUPLICATE);
    assert_string_equal(command(&m, "GETDEL k"), "$1\r\ny\r\n");
    set[6 + 100] = 0; /* too long for a slot, not for an allocation */
    command(&m, set);
    numbered(&m, s, 2, "GETDEL k");
    reincarnate(&m);
    assert_memory_equal(numbered(&m, s, 2, "GETDEL k"), "$100\r\nxxx", 9);
    machine_free(&m);
}

/* ---- proxying nodes ---- */

static const char *proxied(struct machine *m, const char *id, uint64_t n, uint64_t lowest, bool first_send,
                           const char *words)
{
    struct rsm_request q = {.kind = RSM_COMMAND,
                            .numbering = RSM_PROXY_NUMBER,
                            .client_id = slice_cstr(id),
                            .user = SLICE_LITERAL("anyone"),
                            .request_id = n,
                            .lowest = lowest,
                            .may_open = first_send};
    return apply_words(m, q, words);
}

static void assert_maybe(struct machine *m)
{
    assert_memory_equal(m->reply.data, "-MAYBE ", 7);
    assert_int_equal(m->result.outcome, RSM_REFUSED);
}

static void test_proxy_session(void **state)
{
    struct machine m = machine_new();
    (void)state;
    proxied(&m, "node1", 1, 1, false, "INCR n"); /* a re-send never opens */
    assert_maybe(&m);
    assert_string_equal(proxied(&m, "node1", 2, 1, true, "INCR n"), ":1\r\n");
    assert_int_equal(rsm_session_count(m.rsm), 0); /* it takes no client's room */
    proxied(&m, "node1", 1, 1, false, "INCR n");   /* it may have run under a session that is gone */
    assert_maybe(&m);
    assert_string_equal(proxied(&m, "node1", 4, 2, true, "INCR n"), ":2\r\n");
    assert_string_equal(proxied(&m, "node1", 3, 2, false, "INCR n"), ":3\r\n"); /* the first send was lost */
    reincarnate(&m);
    assert_string_equal(proxied(&m, "node1", 2, 2, false, "INCR n"), ":1\r\n");
    assert_int_equal(m.result.outcome, RSM_DUPLICATE);
    assert_string_equal(proxied(&m, "node1", 5, 4, true, "INCR n"),
                        ":4\r\n"); /* 2 and 3 are answered: forgotten */
    proxied(&m, "node1", 3, 2, false, "INCR n");
    assert_maybe(&m);
    assert_string_equal(proxied(&m, "node2", 4, 4, true, "INCR n"),
                        ":5\r\n"); /* another node, or another boot */
    clock_entry(&m, m.stamp_ms + DAY_MS);
    proxied(&m, "node1", 5, 5, false, "INCR n");
    assert_maybe(&m);
    assert_string_equal(command(&m, "INCR n"), ":6\r\n");
    machine_free(&m);
}

/* A window wider than the clients' one: what is unanswered is kept, however much it is. */
static void test_proxy_window_is_its_own(void **state)
{
    struct machine m = machine_new();
    (void)state;
    for (uint64_t n = 1; n <= 1000; n++)
        proxied(&m, "node1", n, 1, true, "INCR n");
    reincarnate(&m);
    assert_string_equal(proxied(&m, "node1", 1, 1, false, "INCR n"), ":1\r\n");
    assert_string_equal(proxied(&m, "node1", 1000, 1, false, "INCR n"), ":1000\r\n");
    setting(&m, "session-max 0"); /* and outside session-max */
    assert_string_equal(proxied(&m, "node2", 1, 1, true, "INCR n"), ":1001\r\n");
    assert_string_equal(proxied(&m, "node2", UINT64_MAX, UINT64_MAX, true, "INCR n"), ":1002\r\n");
    proxied(&m, "node2", 7, UINT64_MAX, true, "INCR n");
    assert_maybe(&m);
    machine_free(&m);
}

/* A client's id cannot be made to name a proxy's session, nor a proxy's name be used as a client's. */
static void test_proxies_have_their_own_names(void **state)
{
    struct machine m = machine_new();
    (void)state;
    proxied(&m, "node1", 1, 1, true, "INCR n");
    uint64_t opened = rsm_applied(m.rsm);
    session_request(&m, "node1", "", 1, false);
    assert_no_session(&m);
    numbered(&m, opened, 1, "INCR n");
    assert_no_session(&m);
    machine_free(&m);
}

/* A plain name tags; it never suppresses. */
static void test_tagged_is_never_suppressed(void **state)
{
    struct machine m = machine_new();
    struct rsm_request q = {.kind = RSM_COMMAND, .client_id = SLICE_LITERAL("pool"), .request_id = 1};
    (void)state;
    assert_string_equal(apply_words(&m, q, "INCR n"), ":1\r\n");
    assert_string_equal(apply_words(&m, q, "INCR n"), ":2\r\n");
    machine_free(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_duplicate_is_answered_not_run),
        cmocka_unit_test(test_gap_may_be_filled),
        cmocka_unit_test(test_older_than_the_session_or_the_window),
        cmocka_unit_test(test_window_setting),
        cmocka_unit_test(test_window_shrinks_under_a_request),
        cmocka_unit_test(test_other_request_under_the_number),
        cmocka_unit_test(test_retried_exec_may_ask_for_something_else),
        cmocka_unit_test(test_unknown_session),
        cmocka_unit_test(test_user_and_id_are_the_key),
        cmocka_unit_test(test_expiry_by_the_stamp),
        cmocka_unit_test(test_expiry_order),
        cmocka_unit_test(test_due_but_not_removed_yet),
        cmocka_unit_test(test_full_table),
        cmocka_unit_test(test_errors_are_remembered_refusals_are_not),
        cmocka_unit_test(test_long_reply_is_remembered_as_done),
        cmocka_unit_test(test_proxy_session),
        cmocka_unit_test(test_proxy_window_is_its_own),
        cmocka_unit_test(test_proxies_have_their_own_names),
        cmocka_unit_test(test_tagged_is_never_suppressed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
