/* Whom a node tells what became of a command that waits. */
#include "three.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "node/node_int.h"

enum { FIRST = 71, SECOND, PUSH };

static struct one *other(struct three *t, const struct one *o)
{
    return &t->one[o->id % NODES];
}

/* Commands that wait are known from apply version 3 on. */
static struct three *of_version_3(void)
{
    struct three *t = three_new();
    struct rsm_request req = {.kind = RSM_VERSION, .node = 3};
    struct buf error = BUF_EMPTY;
    assert_int_equal(node_write(three_leader(t)->node, &req, 1, &error), NODE_PENDING);
    three_run(t, 100);
    assert_int_equal(rsm_apply_version(node_rsm(three_leader(t)->node)), 3);
    return t;
}

static struct rsm_request request(struct one *o, const struct slice *argv, size_t argc)
{
    return (struct rsm_request){.kind = RSM_COMMAND,
                                .resp = 2,
                                .user = SLICE_LITERAL("default"),
                                .argv = argv,
                                .argc = argc,
                                .asker = o->id};
}

static const struct slice blpop[] = {SLICE_LITERAL("blpop"), SLICE_LITERAL("l"), SLICE_LITERAL("0")};

static enum node_outcome ask(struct one *o, const struct rsm_request *req, uint64_t ticket, bool forward)
{
    struct buf error = BUF_EMPTY;
    struct node_asker who = {.ticket = ticket};
    enum node_outcome outcome =
        forward ? node_forward(o->node, req, false, &who, &error) : node_write(o->node, req, ticket, &error);
    buf_deinit(&error);
    return outcome;
}

static void push(struct three *t, struct one *at)
{
    const struct slice argv[] = {SLICE_LITERAL("rpush"), SLICE_LITERAL("l"), SLICE_LITERAL("x")};
    struct rsm_request req = request(at, argv, 3);
    req.asker = 0;
    assert_int_equal(ask(at, &req, PUSH, true), NODE_PENDING);
    three_run(t, 50);
}

/* A client in a session asks through a node's proxy port, and the same again directly, for it leads by now. */
static void the_same_through_the_proxy_and_directly(void **state)
{
    (void)state;
    struct three *t = of_version_3();
    struct one *leader = three_leader(t);
    const struct slice id = SLICE_LITERAL("id");
    struct rsm_request open = request(leader, &id, 1), req = request(leader, blpop, 3);
    open.kind = RSM_SESSION;
    open.asker = 0;
    open.may_open = true;
    open.request_id = 1;
    assert_int_equal(ask(leader, &open, FIRST, false), NODE_PENDING);
    three_run(t, 50);
    req.numbering = RSM_SESSION_NUMBER;
    req.session = leader->index;
    req.request_id = 1;
    assert_int_equal(ask(leader, &req, FIRST, true), NODE_PENDING);
    assert_int_equal(ask(leader, &req, SECOND, false), NODE_PENDING);
    three_run(t, 50);
    assert_int_equal(leader->ticket, SECOND);
    assert_int_equal(leader->outcome, NODE_WAITS);
    assert_int_equal(rsm_waiting(node_rsm(leader->node)), 1);
    push(t, other(t, leader));
    assert_int_equal(leader->ticket, SECOND);
    assert_int_equal(leader->outcome, NODE_DONE);
    assert_string_equal(leader->reply, "*2\r\n$1\r\nl\r\n$1\r\nx\r\n");
    three_free(t);
}

/* Nobody asks again for a client that is gone. */
static void a_client_of_a_proxy_port_goes(void **state)
{
    (void)state;
    struct three *t = of_version_3();
    struct one *leader = three_leader(t), *proxy = other(t, leader);
    struct rsm_request req = request(proxy, blpop, 3);
    struct buf error = BUF_EMPTY;
    assert_int_equal(ask(proxy, &req, FIRST, true), NODE_PENDING);
    three_run(t, 50);
    assert_int_equal(proxy->outcome, NODE_WAITS);
    uint64_t before = rsm_applied(node_rsm(leader->node));
    assert_int_equal(node_unblock(proxy->node, proxy->index, RSM_UNBLOCK_GONE, NODE_NOBODY, &error),
                     NODE_PENDING);
    three_run(t, 1000);
    assert_int_equal(rsm_waiting(node_rsm(leader->node)), 0);
    assert_in_range(rsm_applied(node_rsm(leader->node)), before + 1, before + 3);
    three_free(t);
}

/* It heard of no leader for so long that its client was told "maybe"; its links held all the time. */
static void a_command_that_was_given_up_waits_no_longer(void **state)
{
    (void)state;
    struct three *t = of_version_3();
    struct one *leader = three_leader(t), *proxy = other(t, leader);
    struct rsm_request req = request(proxy, blpop, 3);
    assert_int_equal(ask(proxy, &req, FIRST, true), NODE_PENDING);
    three_run(t, 50);
    assert_int_equal(proxy->outcome, NODE_WAITS);
    proxy->unheard = true;
    for (int ms = 0; proxy->outcome == NODE_WAITS && ms < 30000; ms += 100)
        three_run(t, 100);
    assert_int_equal(proxy->outcome, NODE_UNKNOWN);
    assert_int_equal(rsm_waiting(node_rsm(leader->node)), 1);
    proxy->unheard = false;
    three_run(t, 5000);
    assert_int_equal(rsm_waiting(node_rsm(three_leader(t)->node)), 0);
    three_free(t);
}

/* A leader that has applied nothing yet does not know whether such a command may wait; it was told then that it may not. */
static void a_leader_that_has_yet_to_apply_its_log(void **state)
{
    (void)state;
    struct three *t = of_version_3();
    struct one *leader = NULL, *old = three_leader(t);
    three_restart(t, old); /* first: it alone says what is committed */
    for (struct one *o = t->one; o < t->one + NODES; o++)
        if (o != old)
            three_restart(t, o);
    for (int ms = 0; !leader && ms < 10000; ms++) {
        three_run(t, 1);
        for (struct one *o = t->one; o < t->one + NODES; o++)
            if (raft_role(o->node->raft) == RAFT_LEADER && raft_accepts(o->node->raft))
                leader = o;
    }
    assert_non_null(leader);
    assert_int_equal(rsm_applied(node_rsm(leader->node)), 0);
    struct rsm_request req = request(leader, blpop, 3);
    assert_int_equal(ask(leader, &req, FIRST, false), NODE_NOT_LEADER);
    assert_int_equal(ask(leader, &req, SECOND, true), NODE_PENDING);
    three_run(t, 200);
    assert_int_equal(leader->ticket, SECOND);
    assert_int_equal(leader->outcome, NODE_WAITS);
    three_free(t);
}

/* A node starts anew while what it sent for a client is in its journal, and not applied anywhere. */
static void a_proxy_goes_before_the_wait_is_applied(void **state)
{
    (void)state;
    struct three *t = of_version_3();
    struct one *leader = three_leader(t), *proxy = other(t, leader);
    struct rsm_request req = request(proxy, blpop, 3);
    uint64_t last = node_pending_index(leader->node);
    assert_int_equal(ask(proxy, &req, FIRST, true), NODE_PENDING);
    while (node_pending_index(leader->node) == last)
        three_run(t, 1);
    leader->unheard = true;
    three_run(t, 10);
    assert_int_equal(proxy->last, last + 1);
    assert_int_equal(rsm_applied(node_rsm(leader->node)), last);
    node_on_link(leader->node, proxy->id, false, true);
    three_run(t, 10);
    three_restart(t, proxy);
    leader->unheard = false;
    three_run(t, 500);
    assert_ptr_equal(three_leader(t), leader);
    assert_true(rsm_applied(node_rsm(leader->node)) > last);
    assert_int_equal(rsm_waiting(node_rsm(leader->node)), 0);
    three_free(t);
}

/* The office changes, and what is added before the proxying node has asked the new leader comes behind $ all the same. */
static void from_the_last_one_on_across_two_leaders(void **state)
{
    (void)state;
    struct three *t = of_version_3();
    struct one *leader = three_leader(t), *proxy = other(t, leader), *next = other(t, proxy);
    const struct slice xread[] = {SLICE_LITERAL("xread"),   SLICE_LITERAL("block"), SLICE_LITERAL("0"),
                                  SLICE_LITERAL("streams"), SLICE_LITERAL("s"),     SLICE_LITERAL("$")};
    const struct slice xadd[] = {SLICE_LITERAL("xadd"), SLICE_LITERAL("s"), SLICE_LITERAL("1-1"),
                                 SLICE_LITERAL("f"), SLICE_LITERAL("between")};
    struct rsm_request req = request(proxy, xread, 6), add = request(next, xadd, 5);
    struct buf error = BUF_EMPTY;
    add.asker = 0;
    assert_int_equal(ask(proxy, &req, FIRST, true), NODE_PENDING);
    three_run(t, 50);
    assert_int_equal(proxy->outcome, NODE_WAITS);
    proxy->unheard = true;
    node_transfer(leader->node, next->id, SECOND, &error);
    three_run(t, 300);
    assert_ptr_equal(three_leader(t), next);
    assert_int_equal(ask(next, &add, PUSH, false), NODE_PENDING);
    three_run(t, 50);
    proxy->unheard = false;
    three_run(t, 500);
    assert_int_equal(proxy->ticket, FIRST);
    assert_int_equal(proxy->outcome, NODE_DONE);
    assert_non_null(strstr(proxy->reply, "between"));
    buf_deinit(&error);
    three_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_through_the_proxy_and_directly),
        cmocka_unit_test(a_client_of_a_proxy_port_goes),
        cmocka_unit_test(a_command_that_was_given_up_waits_no_longer),
        cmocka_unit_test(a_leader_that_has_yet_to_apply_its_log),
        cmocka_unit_test(a_proxy_goes_before_the_wait_is_applied),
        cmocka_unit_test(from_the_last_one_on_across_two_leaders),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
