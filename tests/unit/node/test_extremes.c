/* What is larger, later or more often than anything that a cluster in order sees. */
#include "three.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "node/node_int.h"

#define TICKET 4242
#define SECOND ((uint64_t)1000000)

static struct one *other(struct three *t, const struct one *o)
{
    return &t->one[o->id % NODES];
}

static const struct node_asker asker = {.ticket = TICKET};

/* No entry is as long, and no frame that brings it to the leader. */
static void a_request_that_no_entry_holds_is_refused(void **state)
{
    (void)state;
    struct three *t = three_new();
    struct one *leader = three_leader(t);
    struct buf error = BUF_EMPTY;
    const struct slice argv[] = {SLICE_LITERAL("SET"), SLICE_LITERAL("k"), {"", RAFT_ENTRY_MAX}};
    struct rsm_request req = {.kind = RSM_COMMAND, .resp = 2, .argv = argv, .argc = 3};
    assert_int_equal(node_write(leader->node, &req, TICKET, &error), NODE_REFUSED);
    assert_memory_equal(error.data, "-ERR the request is too large", 29);
    assert_int_equal(node_forward(other(t, leader)->node, &req, false, &asker, &error), NODE_REFUSED);
    buf_deinit(&error);
    three_free(t);
}

/* In the very turn in which the first leader begins to serve: the state knows of it by then. */
static void the_first_request_of_a_cluster_may_be_any(void **state)
{
    (void)state;
    struct three *t = three_new();
    struct one *leader = three_leader(t);
    struct buf error = BUF_EMPTY;
    struct slice argv[] = {SLICE_LITERAL("SADD"), SLICE_LITERAL("s"), SLICE_LITERAL("m")};
    struct rsm_request req = {.kind = RSM_COMMAND, .resp = 2, .argv = argv, .argc = 3};
    for (size_t i = 0; i < leader->node->peer_count; i++)
        leader->node->peers[i].hello.apply_version = RSM_APPLY_VERSION;
    assert_int_equal(node_write(leader->node, &req, TICKET, &error), NODE_PENDING);
    three_run(t, 200);
    assert_int_equal(leader->ticket, TICKET);
    assert_string_equal(leader->reply, ":1\r\n");
    three_free(t);
}

/* A disk that hangs while the others elect and elect, or a peer out of its mind. */
static void any_number_of_terms_may_wait_for_the_disk(void **state)
{
    (void)state;
    struct three *t = three_new();
    struct one *leader = three_leader(t), *follower = other(t, leader);
    for (uint64_t i = 1; i <= 200; i++) {
        struct buf frame = BUF_EMPTY;
        struct raft_message m = {.type = RAFT_MSG_APPEND_REPLY,
                                 .from = leader->id,
                                 .to = follower->id,
                                 .term = 100 + i,
                                 .first = 1,
                                 .reject = true};
        frame_begin(leader->node, &frame, FRAME_RAFT);
        wire_raft_message(&frame, &m);
        struct blob *blob = blob_new(frame.data, frame.len);
        node_on_frame(follower->node, leader->id, NODE_CONTROL, slice_of(blob->data, blob->len), blob);
        blob_unref(blob);
        buf_deinit(&frame);
    }
    assert_int_equal(follower->node->votes_count, 200);
    three_run(t, 3000);
    assert_int_equal(follower->node->votes_count, 0);
    assert_true(follower->node->identity.term >= 300);
    leader = three_leader(t);
    assert_int_equal(three_set(t, leader, "k", "v"), NODE_DONE);
    three_free(t);
}

/* What the disk tells of then is of a log that may have been cut meanwhile. */
static void a_read_for_a_peer_ends_with_the_office(void **state)
{
    (void)state;
    struct three *t = three_new();
    struct one *leader = three_leader(t), *follower = other(t, leader);
    struct peer *peer = node_peer(leader->node, other(t, follower)->id);
    struct buf error = BUF_EMPTY;
    uint64_t term = raft_term(leader->node->raft);
    three_run(t, 100);
    peer->reading = true;
    assert_int_equal(node_transfer(leader->node, follower->id, TICKET, &error), NODE_PENDING);
    three_run(t, 200);
    assert_ptr_equal(three_leader(t), follower);
    assert_int_equal(node_transfer(follower->node, leader->id, TICKET, &error), NODE_PENDING);
    three_run(t, 200);
    assert_ptr_equal(three_leader(t), leader);
    assert_true(raft_term(leader->node->raft) > term);
    assert_false(peer->reading);
    three_free(t);
}

/* ---- answers that are long on their way ---- */

enum { LATE_MAX = 4096 };

static struct late {
    uint64_t peer, due_us;
    struct buf frame;
} late[LATE_MAX];
static size_t late_count;
static uint64_t late_us;
static struct three *late_in;
static bool (*send_at_once)(void *arg, uint64_t peer, enum node_channel channel, struct slice head,
                            const struct raft_block *blocks, size_t count);

static bool send_late(void *arg, uint64_t peer, enum node_channel channel, struct slice head,
                      const struct raft_block *blocks, size_t count)
{
    if (head.data[0] != FRAME_FORWARD_REPLY)
        return send_at_once(arg, peer, channel, head, blocks, count);
    assert_true(late_count < LATE_MAX);
    struct late *l = &late[late_count++];
    *l = (struct late){.peer = peer, .due_us = late_in->now_us + late_us};
    buf_append_slice(&l->frame, head);
    return true;
}

/* A large one on a slow link; asked for again and again, by itself or by those behind it, it would never come. */
static void an_answer_may_take_longer_than_an_election(void **state)
{
    (void)state;
    static const struct node_asker behind = {.ticket = TICKET + 1, .behind = true};
    struct three *t = late_in = three_new();
    struct one *leader = three_leader(t), *follower = other(t, leader);
    struct buf error = BUF_EMPTY;
    struct slice argv[] = {SLICE_LITERAL("GET"), SLICE_LITERAL("k")};
    struct rsm_request req = {.kind = RSM_COMMAND, .resp = 2, .argv = argv, .argc = 2};
    size_t sent = 0;
    three_run(t, 100);
    send_at_once = leader->node->ports.send;
    leader->node->ports.send = send_late;
    late_us = 3 * leader->config.election_us;
    late_count = 0;
    assert_int_equal(node_forward(follower->node, &req, true, &asker, &error), NODE_PENDING);
    for (uint64_t begun = t->now_us; !follower->ticket && t->now_us < begun + 30 * SECOND;) {
        three_run(t, 1);
        if ((t->now_us - begun) % (SECOND / 4) < 1000) /* one that uses its connection for many */
            assert_int_equal(node_forward(follower->node, &req, true, &behind, &error), NODE_PENDING);
        for (; sent < late_count && late[sent].due_us <= t->now_us; sent++)
            send_at_once(leader, late[sent].peer, NODE_CONTROL, buf_slice(&late[sent].frame), NULL, 0);
    }
    assert_true(follower->ticket == TICKET ||
                follower->ticket == TICKET + 1); /* the last of those that go together */
    assert_string_equal(follower->reply, "$-1\r\n");
    for (size_t i = 0; i < late_count; i++)
        buf_deinit(&late[i].frame);
    three_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_that_no_entry_holds_is_refused),
        cmocka_unit_test(the_first_request_of_a_cluster_may_be_any),
        cmocka_unit_test(any_number_of_terms_may_wait_for_the_disk),
        cmocka_unit_test(a_read_for_a_peer_ends_with_the_office),
        cmocka_unit_test(an_answer_may_take_longer_than_an_election),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
