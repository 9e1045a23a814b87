/* Requests that are handed to the leader (src/node/forward.c) while something has no room for them, or while they take long. */
#include "three.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "node/node_int.h"

enum { TICKET = 4242, WRITES = 20, ROOM = 4 };

static bool (*real_send)(void *, uint64_t, enum node_channel, struct slice, const struct raft_block *,
                         size_t);
static int sent, room, busy;
static bool was_busy;

/* A link with room for so many requests. */
static bool narrow(void *arg, uint64_t peer, enum node_channel channel, struct slice head,
                   const struct raft_block *blocks, size_t count)
{
    if (head.data[0] == FRAME_FORWARD && room-- <= 0)
        return false;
    sent += head.data[0] == FRAME_FORWARD;
    return real_send(arg, peer, channel, head, blocks, count);
}

static bool look_if_busy(void *arg, uint64_t peer, enum node_channel channel, struct slice head,
                         const struct raft_block *blocks, size_t count)
{
    was_busy |= head.data[0] == FRAME_FORWARD_REPLY && busy > 0;
    return real_send(arg, peer, channel, head, blocks, count);
}

static void count_busy(void *arg, bool now)
{
    (void)arg;
    busy += now ? 1 : -1;
}

static struct one *other(struct three *t, const struct one *o)
{
    return &t->one[o->id % NODES];
}

static void ask(struct one *o, bool read, size_t argc, const struct slice *argv)
{
    struct node_asker who = {.ticket = TICKET};
    struct rsm_request req = {.kind = RSM_COMMAND, .resp = 2, .argv = argv, .argc = argc};
    struct buf error = BUF_EMPTY;
    o->ticket = 0;
    assert_int_equal(node_forward(o->node, &req, read, &who, &error), NODE_PENDING);
}

/* One letter more at the end of the key's value: it tells in which order they ran, and how often. */
static void append(struct one *o, char letter)
{
    ask(o, false, 3, (struct slice[]){SLICE_LITERAL("append"), SLICE_LITERAL("k"), slice_of(&letter, 1)});
}

static void assert_value(struct three *t, struct one *o, const char *value)
{
    char expected[64];
    three_run(t, 100);
    ask(o, true, 2, (struct slice[]){SLICE_LITERAL("get"), SLICE_LITERAL("k")});
    three_run(t, 100);
    snprintf(expected, sizeof expected, "$%zu\r\n%s\r\n", strlen(value), value);
    assert_int_equal(o->ticket, TICKET);
    assert_string_equal(o->reply, expected);
}

static void a_full_link_is_waited_for(void **state)
{
    (void)state;
    struct three *t = three_new();
    struct one *leader = three_leader(t), *proxy = other(t, leader);
    uint64_t before = raft_last_index(leader->node->raft);
    real_send = proxy->node->ports.send;
    proxy->node->ports.send = narrow;
    sent = room = 0;
    for (int i = 0; i < WRITES; i++)
        append(proxy, (char)('a' + i));
    three_run(t, 50);
    for (int i = 0; i < 4 * WRITES / ROOM; i++) {
        room = ROOM;
        three_run(t, 1);
    }
    assert_int_equal(sent, WRITES);
    assert_int_equal(raft_last_index(leader->node->raft) - before, WRITES);
    room = ROOM;
    assert_value(t, proxy, "abcdefghijklmnopqrst");
    three_free(t);
}

/* It may be a gigabyte: the peers are told meanwhile that this node lives. */
static void a_proxied_read_may_take_long(void **state)
{
    (void)state;
    struct three *t = three_new();
    struct one *leader = three_leader(t), *proxy = other(t, leader);
    append(proxy, 'v');
    three_run(t, 100);
    real_send = leader->node->ports.send;
    leader->node->ports.send = look_if_busy;
    leader->node->ports.applying = count_busy;
    was_busy = false, busy = 0;
    assert_value(t, proxy, "v");
    assert_true(was_busy);
    assert_int_equal(busy, 0);
    three_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_full_link_is_waited_for),
        cmocka_unit_test(a_proxied_read_may_take_long),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
