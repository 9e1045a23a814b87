/* What users may do, judged by the leader: of requests that a node hands in which has not heard of a change yet, and of those that
 * may have run before. */
#include "three.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "node/node_int.h"

enum { TICKET = 77, WORDS_MAX = 16 };

static size_t split(const char *text, struct slice out[WORDS_MAX])
{
    size_t count = 0;
    for (const char *at = text; *at;) {
        size_t len = strcspn(at, " ");
        out[count++] = slice_of(at, len);
        at += len + (at[len] == ' ');
    }
    return count;
}

static struct one *other(struct three *t, const struct one *o)
{
    return &t->one[o->id % NODES];
}

/* What is said at once, or, of what is taken, what comes of it. */
static enum node_outcome ask(struct three *t, struct one *o, struct rsm_request *req, const char *words)
{
    struct slice argv[WORDS_MAX];
    static const uint32_t dbs[] = {0};
    struct buf error = BUF_EMPTY;
    req->resp = 2;
    req->argv = argv;
    req->argc = split(words, argv);
    uint32_t counts[] = {(uint32_t)req->argc};
    req->counts = counts;
    req->dbs = dbs;
    req->commands = 1;
    enum node_outcome outcome = node_write(o->node, req, TICKET, &error);
    snprintf(o->reply, sizeof o->reply, "%.*s", (int)error.len, error.len ? error.data : "");
    buf_deinit(&error);
    if (outcome != NODE_PENDING)
        return outcome;
    three_run(t, 50);
    return o->outcome;
}

static enum node_outcome as(struct three *t, struct one *o, const char *user, enum rsm_kind kind,
                            const char *words)
{
    struct rsm_request req = {.kind = kind, .user = slice_cstr(user)};
    return ask(t, o, &req, words);
}

static void change(struct three *t, const char *words)
{
    struct one *leader = three_leader(t);
    assert_int_equal(as(t, leader, "default", RSM_ACL, words), NODE_DONE);
    assert_string_equal(leader->reply, "+OK\r\n");
}

/* Three nodes of this build, so that the log may have users. */
static struct three *three_of_now(void)
{
    struct three *t = three_new();
    struct rsm_request newest = {.kind = RSM_VERSION, .node = RSM_APPLY_VERSION};
    struct buf error = BUF_EMPTY;
    assert_int_equal(node_write(three_leader(t)->node, &newest, TICKET, &error), NODE_PENDING);
    three_run(t, 50);
    return t;
}

static void forward(struct one *o, const char *user, const char *words, bool read)
{
    struct slice argv[WORDS_MAX];
    struct rsm_request req = {.kind = RSM_COMMAND, .resp = 2, .user = slice_cstr(user), .argv = argv};
    struct buf error = BUF_EMPTY;
    req.argc = split(words, argv);
    o->ticket = 0;
    assert_int_equal(node_forward(o->node, &req, read, &(struct node_asker){.ticket = TICKET}, &error),
                     NODE_PENDING);
}

static size_t keys(struct one *o)
{
    return store_count(rsm_store(node_rsm(o->node)), 0);
}

/* What the log says does not reach it; what it asks for is answered. */
static void leave_behind(struct one *o, bool now)
{
    o->lose_type = FRAME_RAFT;
    o->lose = now ? 1000000 : 0;
}

#define assert_begins(text, start) assert_memory_equal(text, start, strlen(start))

static void whoever_asks_is_judged(void **state)
{
    (void)state;
    static const struct {
        const char *user;
        enum rsm_kind kind;
        const char *words;
        bool may;
    } cases[] = {
        {"bob", RSM_COMMAND, "set bob:1 x", true},
        {"bob", RSM_COMMAND, "set other x", false},
        {"bob", RSM_COMMAND, "del bob:1", false},
        {"bob", RSM_EXEC, "set bob:2 x", true},
        {"bob", RSM_EXEC, "set other x", false},
        {"bob", RSM_SETTING, "maxmemory 0", false},
        {"bob", RSM_SESSION, "s", false},
        {"bob", RSM_ACL, "setuser bob +@all", false},
        {"bob", RSM_ACL, "load", false},
        {"nobody", RSM_COMMAND, "set bob:1 x", false},
        {"default", RSM_COMMAND, "set other x", true},
        {"default", RSM_SETTING, "maxmemory 0", true},
    };
    struct three *t = three_of_now();
    struct one *leader = three_leader(t);
    assert_int_equal(as(t, leader, "nobody", RSM_COMMAND, "set x y"),
                     NODE_DONE); /* the log knows no users yet */
    change(t, "setuser bob on nopass ~bob:* +set +exec");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        enum node_outcome outcome = as(t, leader, cases[i].user, cases[i].kind, cases[i].words);
        assert_int_equal(outcome, cases[i].may ? NODE_DONE : NODE_REFUSED);
        if (!cases[i].may)
            assert_begins(leader->reply, "-NOPERM ");
    }
    struct rsm_request looked_at = {.kind = RSM_COMMAND, .user = SLICE_LITERAL("bob"), .judged = true};
    assert_int_equal(ask(t, leader, &looked_at, "set other x"), NODE_DONE);
    three_free(t);
}

static void a_node_that_is_behind_lets_nothing_through(void **state)
{
    (void)state;
    for (int read = 0; read < 2; read++) {
        struct three *t = three_of_now();
        struct one *leader = three_leader(t), *behind = other(t, leader);
        change(t, "setuser bob on nopass ~bob:* +set +get");
        three_run(t, 100);
        leave_behind(behind, true);
        change(t, "setuser bob -set -get");
        size_t before = keys(leader);
        forward(behind, "bob", read ? "get bob:1" : "set bob:1 x", read);
        three_run(t, 100);
        assert_int_equal(keys(leader), before);
        leave_behind(behind, false);
        three_run(t, 3000);
        assert_int_equal(behind->ticket, TICKET);
        assert_begins(behind->reply, "-NOPERM ");
        assert_int_equal(keys(three_leader(t)), before);
        three_free(t);
    }
}

/* It goes by its own file, in which everybody may do everything. */
static void a_node_that_knows_no_users_waits(void **state)
{
    (void)state;
    struct three *t = three_of_now();
    struct one *leader = three_leader(t), *behind = other(t, leader);
    leave_behind(behind, true);
    change(t, "setuser bob on");
    size_t before = keys(leader);
    forward(behind, "default", "set k v", false);
    three_run(t, 100);
    assert_int_equal(keys(leader), before);
    assert_int_equal(behind->ticket, 0);
    leave_behind(behind, false);
    three_run(t, 3000);
    assert_int_equal(behind->ticket, TICKET);
    assert_string_equal(behind->reply, "+OK\r\n");
    assert_int_equal(keys(three_leader(t)), before + 1);
    three_free(t);
}

/* It ran, and its answer was lost: that it would not be allowed now is no answer. */
static void a_retry_is_answered_whatever_its_user_may_by_now(void **state)
{
    (void)state;
    struct three *t = three_of_now();
    struct one *leader = three_leader(t);
    change(t, "setuser bob on nopass ~* +@all");
    struct rsm_request open = {
        .kind = RSM_SESSION, .user = SLICE_LITERAL("bob"), .request_id = 1, .may_open = true};
    assert_int_equal(ask(t, leader, &open, "s"), NODE_DONE);
    uint64_t session = (uint64_t)atoi(leader->reply + 1);
    struct rsm_request incr = {.kind = RSM_COMMAND,
                               .user = SLICE_LITERAL("bob"),
                               .numbering = RSM_SESSION_NUMBER,
                               .session = session,
                               .request_id = 1};
    assert_int_equal(ask(t, leader, &incr, "incr n"), NODE_DONE);
    assert_string_equal(leader->reply, ":1\r\n");
    change(t, "setuser bob -@all");
    assert_int_equal(ask(t, leader, &incr, "incr n"), NODE_DONE);
    assert_string_equal(leader->reply, ":1\r\n");
    incr.request_id = 2;
    assert_int_equal(ask(t, leader, &incr, "incr n"), NODE_REFUSED);
    assert_begins(leader->reply, "-NOPERM ");
    three_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whoever_asks_is_judged),
        cmocka_unit_test(a_node_that_is_behind_lets_nothing_through),
        cmocka_unit_test(a_node_that_knows_no_users_waits),
        cmocka_unit_test(a_retry_is_answered_whatever_its_user_may_by_now),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
