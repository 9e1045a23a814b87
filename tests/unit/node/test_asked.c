/* What clients and operators ask of a node: reads in each mode, requests of a proxy, administration, and what is said while
 * it loads. */
#include "three.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "node/node_int.h"

#define TICKET 4242

static const struct node_asker asker = {.ticket = TICKET};

#define assert_begins(text, with) assert_int_equal(strncmp(text, with, strlen(with)), 0)

static struct one *other(struct three *t, const struct one *o)
{
    return &t->one[o->id % NODES];
}

static void set_setting(struct three *t, const char *name, const char *value)
{
    struct slice argv[] = {slice_cstr(name), slice_cstr(value)};
    struct rsm_request req = {.kind = RSM_SETTING, .resp = 2, .argv = argv, .argc = 2};
    struct buf error = BUF_EMPTY;
    assert_int_equal(node_write(three_leader(t)->node, &req, 1, &error), NODE_PENDING);
    three_run(t, 200);
}

static void a_local_read_asks_nobody(void **state)
{
    (void)state;
    struct three *t = three_new();
    struct one *leader = three_leader(t), *follower = other(t, leader);
    uint64_t now_ms = 0, applied;
    assert_false(node_reads_at_once(leader->node));
    assert_int_equal(node_read(leader->node, 0, false, TICKET, &now_ms), NODE_PENDING);
    three_run(t, 20);
    assert_int_equal(leader->reads_ready, 1);
    set_setting(t, "read-mode", "local");
    assert_true(node_reads_at_once(follower->node));
    for (int i = 0; i < NODES; i++)
        t->one[i].unheard = true;
    assert_int_equal(node_read(leader->node, 0, false, TICKET, &now_ms), NODE_DONE);
    assert_int_equal(now_ms, node_cluster_ms(leader->node));
    assert_int_equal(node_read(follower->node, 0, true, TICKET, &now_ms), NODE_DONE);
    assert_int_equal(node_read(follower->node, 0, false, TICKET, &now_ms), NODE_NOT_LEADER);
    for (int i = 0; i < NODES; i++)
        t->one[i].unheard = false;
    /* But never older than what its connection has been told. */
    leader = three_leader(t);
    follower = other(t, leader);
    applied = rsm_applied(node_rsm(follower->node));
    follower->reads_ready = 0;
    follower->unheard = true;
    assert_int_equal(three_set(t, leader, "k", "v"), NODE_DONE);
    assert_int_equal(node_read(follower->node, applied + 1, true, TICKET, &now_ms), NODE_PENDING);
    three_run(t, 50);
    assert_int_equal(follower->reads_ready, 0);
    follower->unheard = false;
    three_run(t, 300);
    assert_int_equal(follower->reads_ready, 1);
    three_free(t);
}

static bool sees_no_keys(struct one *o, uint64_t now_ms, uint64_t *due_ms)
{
    struct slice argv[] = {SLICE_LITERAL("DBSIZE")};
    struct buf reply = BUF_EMPTY;
    bool done = node_query(o->node, now_ms, 0, 2, SLICE_LITERAL("default"), argv, 1, &reply, due_ms) &&
                slice_equal(buf_slice(&reply), SLICE_LITERAL(":0\r\n"));
    buf_deinit(&reply);
    return done;
}

/* One entry takes so many keys away; the next one does not wait until time has to be logged. */
static void a_read_of_many_due_keys_is_not_held_up(void **state)
{
    (void)state;
    struct three *t = three_new();
    struct one *leader = three_leader(t);
    struct buf error = BUF_EMPTY;
    char key[16];
    for (int i = 0; i < 1000; i++) {
        size_t len = (size_t)snprintf(key, sizeof key, "k%d", i);
        struct slice argv[] = {SLICE_LITERAL("SET"), slice_of(key, len), SLICE_LITERAL("v"),
                               SLICE_LITERAL("PX"), SLICE_LITERAL("5000")};
        struct rsm_request req = {.kind = RSM_COMMAND, .resp = 2, .argv = argv, .argc = 5};
        assert_int_equal(node_write(leader->node, &req, 1, &error), NODE_PENDING);
    }
    three_run(t, 4990);
    leader = three_leader(t);
    uint64_t began_us = t->now_us, now_ms = node_cluster_ms(leader->node) + 20, due_ms = 0;
    for (int i = 0; i < 100 && !sees_no_keys(leader, now_ms, &due_ms); i++) {
        leader->reads_ready = 0;
        assert_int_equal(node_read_due(leader->node, now_ms, TICKET), NODE_PENDING);
        while (!leader->reads_ready)
            three_run(t, 1);
    }
    assert_true(sees_no_keys(leader, now_ms, &due_ms));
    assert_in_range(t->now_us - began_us, 0, 300 * 1000);
    three_free(t);
}

/* Before the pass ends: more requests may be waited for until then. */
static void what_can_be_answered_is_answered_early(void **state)
{
    (void)state;
    struct three *t = three_new();
    struct one *leader = three_leader(t);
    uint64_t now_ms;
    assert_false(node_answer(leader->node));
    t->early = true;
    assert_int_equal(node_read(leader->node, 0, false, TICKET, &now_ms), NODE_PENDING);
    three_run(t, 20);
    assert_int_equal(leader->early_reads, 1);
    assert_int_equal(three_set(t, leader, "k", "v"), NODE_DONE);
    assert_int_equal(leader->early_ticket, leader->ticket);
    assert_false(node_answer(leader->node));
    three_free(t);
}

/* What a majority waits for does not wait for what this node has to apply. */
static void what_is_sent_leaves_before_the_turn_applies(void **state)
{
    (void)state;
    struct three *t = three_new();
    struct one *leader = three_leader(t);
    uint64_t now_ms;
    assert_int_equal(three_set(t, leader, "k", "v"), NODE_DONE);
    assert_int_equal(leader->applied_at_flush + 1, rsm_applied(node_rsm(leader->node)));
    leader->sent = false;
    assert_int_equal(node_read(leader->node, 0, false, TICKET, &now_ms), NODE_PENDING);
    node_turn(leader->node);
    assert_true(leader->sent_at_flush);
    three_free(t);
}

static void forget(struct three *t, struct one *leader, uint64_t id, const char *reply)
{
    struct buf error = BUF_EMPTY;
    leader->ticket = 0;
    assert_int_equal(node_forget(leader->node, id, TICKET, &error), NODE_PENDING);
    three_run(t, 100);
    assert_int_equal(leader->ticket, TICKET);
    assert_memory_equal(leader->reply, reply, strlen(reply));
    buf_deinit(&error);
}

/* Or those who are left could not commit that it has gone. */
static void a_voter_is_not_forgotten_while_another_is_lost(void **state)
{
    (void)state;
    struct three *t = three_new();
    struct one *leader = three_leader(t), *lost = other(t, leader), *well = other(t, lost);
    lost->unheard = true;
    three_run(t, 3000);
    forget(t, leader, well->id, "-ERR too few");
    assert_int_equal(three_set(t, leader, "k", "v"), NODE_DONE);
    forget(t, leader, lost->id, "+OK");
    forget(t, leader, well->id, "+OK");
    assert_int_equal(three_set(t, leader, "k", "w"), NODE_DONE);
    three_free(t);
}

/* Whom it took over from heard the lost one not so long ago; it has not. */
static void a_new_leader_counts_nobody_unheard(void **state)
{
    (void)state;
    struct three *t = three_new();
    struct one *leader = three_leader(t), *lost = other(t, leader), *well = other(t, lost);
    struct buf error = BUF_EMPTY;
    lost->unheard = true;
    assert_int_equal(node_transfer(leader->node, well->id, TICKET, &error), NODE_PENDING);
    three_run(t, 50);
    assert_ptr_equal(three_leader(t), well);
    well->ticket = 0;
    assert_int_equal(node_forget(well->node, leader->id, TICKET, &error), NODE_PENDING);
    three_run(t, 800);
    assert_int_equal(well->ticket, 0); /* asked again until it can be judged */
    three_run(t, 300);
    assert_int_equal(well->ticket, TICKET);
    assert_begins(well->reply, "-ERR too few");
    forget(t, well, lost->id, "+OK");
    three_free(t);
}

static void a_read_by_the_log_takes_an_entry(void **state)
{
    (void)state;
    struct three *t = three_new();
    set_setting(t, "read-mode", "log");
    struct one *leader = three_leader(t);
    uint64_t now_ms, before = rsm_applied(node_rsm(leader->node));
    assert_int_equal(node_read(leader->node, 0, false, TICKET, &now_ms), NODE_PENDING);
    three_run(t, 20);
    assert_int_equal(leader->reads_ready, 1);
    assert_true(rsm_applied(node_rsm(leader->node)) > before);
    /* Cut off it cannot have one. */
    for (int i = 0; i < NODES; i++)
        t->one[i].unheard = true;
    assert_int_equal(node_read(leader->node, 0, false, TICKET, &now_ms), NODE_PENDING);
    three_run(t, 5000);
    assert_int_equal(leader->reads_ready, 1);
    three_free(t);
}

static void a_leader_that_is_its_own_proxy_refuses_as_it_refuses_others(void **state)
{
    (void)state;
    struct three *t = three_new();
    struct slice argv[] = {SLICE_LITERAL("set"), SLICE_LITERAL("k"), SLICE_LITERAL("v")};
    struct rsm_request req = {.kind = RSM_COMMAND, .resp = 2, .argv = argv, .argc = 3};
    struct buf error = BUF_EMPTY;
    assert_int_equal(three_set(t, three_leader(t), "k", "v"), NODE_DONE);
    set_setting(t, "maxmemory", "1");
    for (int i = 0; i < NODES; i++) {
        struct one *o = &t->one[i];
        o->ticket = 0;
        assert_int_equal(node_forward(o->node, &req, false, &asker, &error), NODE_PENDING);
        assert_int_equal(o->ticket, 0); /* never from within the call */
        three_run(t, 200);
        assert_int_equal(o->ticket, TICKET);
        assert_int_equal(o->outcome, NODE_REFUSED);
        assert_begins(o->reply, "-OOM ");
    }
    three_free(t);
}

/* APPEND k, and GET k for want of a value. */
static void hand_over(struct one *o, const char *append, bool behind, uint64_t ticket)
{
    struct slice argv[] = {slice_cstr(append ? "append" : "get"), SLICE_LITERAL("k"),
                           slice_cstr(append ? append : "")};
    struct rsm_request req = {.kind = RSM_COMMAND, .resp = 2, .argv = argv, .argc = append ? 3 : 2};
    struct buf error = BUF_EMPTY;
    struct node_asker who = {.ticket = ticket, .behind = behind};
    assert_int_equal(node_forward(o->node, &req, !append, &who, &error), NODE_PENDING);
    buf_deinit(&error);
}

/* Its refusal is lost, and it is sent again where there is room: it runs before what its connection sent behind it. */
static void what_was_refused_is_not_overtaken(void **state)
{
    (void)state;
    for (int k = 0; k < 2; k++) {
        struct three *t = three_new();
        struct one *leader = three_leader(t), *follower = other(t, leader);
        hand_over(follower, "a", false, TICKET); /* opens the node's session */
        three_run(t, 20);
        assert_int_equal(follower->outcome, NODE_DONE);
        follower->lose_type = FRAME_FORWARD_REPLY;
        follower->lose = 1;
        leader->node->disk_low = true;
        hand_over(follower, "b", false, TICKET + 1);
        for (int i = 0; i < 10 && follower->lose; i++)
            three_run(t, 1);
        assert_int_equal(follower->lose, 0);
        leader->node->disk_low = false;
        hand_over(follower, k ? "c" : NULL, true, TICKET + 2);
        three_run(t, 3000);
        assert_int_equal(follower->ticket, TICKET + 2); /* the last one that was answered */
        assert_int_equal(follower->outcome, NODE_DONE);
        assert_begins(follower->reply, k ? ":3" : "$2\r\nab");
        three_free(t);
    }
}

/* But others need not wait for a new round. */
static void what_is_behind_no_refusal_is_taken_at_once(void **state)
{
    (void)state;
    for (int k = 0; k < 4; k++) {
        struct three *t = three_new();
        struct one *leader = three_leader(t), *follower = other(t, leader);
        bool behind = k & 1, read = k & 2;
        hand_over(follower, "a", false, TICKET);
        three_run(t, 20);
        leader->node->disk_low = true;
        hand_over(follower, "b", false, TICKET + 1);
        for (int i = 0; i < 10 && follower->ticket != TICKET + 1; i++)
            three_run(t, 1);
        assert_int_equal(follower->outcome, NODE_REFUSED);
        leader->node->disk_low = false;
        uint64_t round = node_peer(leader->node, follower->id)->forward.round;
        hand_over(follower, read ? NULL : "c", behind, TICKET + 2);
        three_run(t, 20);
        assert_int_equal(follower->ticket, TICKET + 2);
        assert_begins(follower->reply, read ? "$1\r\na" : ":2");
        assert_int_equal(node_peer(leader->node, follower->id)->forward.round, round + behind);
        three_free(t);
    }
}

/* Nor is it asked about in each round that the request behind it begins. */
static void a_retry_is_asked_about_once(void **state)
{
    (void)state;
    struct three *t = three_new();
    struct one *leader = three_leader(t), *follower = other(t, leader);
    struct slice argv[] = {SLICE_LITERAL("append"), SLICE_LITERAL("k"), SLICE_LITERAL("a")};
    struct rsm_request req = {.kind = RSM_COMMAND, .resp = 2, .argv = argv, .argc = 3};
    struct buf error = BUF_EMPTY;
    req.numbering = RSM_SESSION_NUMBER;
    req.session = req.request_id = 1;
    assert_int_equal(three_set(t, leader, "key", "v"), NODE_DONE);
    set_setting(t, "maxmemory", "1");
    leader->lose_type = FRAME_RAFT; /* no round comes to an end */
    leader->lose = 1000000;
    assert_int_equal(node_forward(follower->node, &req, false, &asker, &error), NODE_PENDING);
    hand_over(follower, NULL, true, TICKET + 1);
    size_t asked = 0;
    for (int i = 0; i < 50; i++) {
        size_t now = 0;
        three_run(t, 1);
        list_for_each(it, &leader->node->reads) now++;
        asked = now > asked ? now : asked;
    }
    assert_int_equal(asked, 1);
    leader->lose = 0;
    three_run(t, 3000);
    assert_int_equal(follower->ticket, TICKET + 1);
    assert_begins(follower->reply, "$-1");
    buf_deinit(&error);
    three_free(t);
}

static void administration_by_any_node(void **state)
{
    (void)state;
    struct three *t = three_new();
    struct one *leader = three_leader(t), *follower = other(t, leader), *third = other(t, follower);
    struct buf error = BUF_EMPTY;
    three_run(t, 100);
    assert_int_equal(node_transfer(follower->node, 77, TICKET, &error), NODE_PENDING);
    three_run(t, 100);
    assert_int_equal(follower->ticket, TICKET);
    assert_begins(follower->reply, "-ERR not a voter");
    assert_int_equal(node_transfer(follower->node, follower->id, TICKET, &error), NODE_PENDING);
    three_run(t, 200);
    assert_ptr_equal(three_leader(t), follower);
    assert_begins(follower->reply, "+OK");
    /* With nobody to hand it to the office is kept. */
    node_on_link(follower->node, leader->id, false, false);
    node_on_link(follower->node, third->id, false, false);
    assert_int_equal(node_transfer(follower->node, 0, TICKET, &error), NODE_REFUSED);
    assert_begins(error.data, "-ERR no other voter is within reach");
    buf_truncate(&error, 0);
    /* A member of several resets nothing and joins nobody. */
    assert_int_equal(node_reset(leader->node, TICKET + 1, &error), NODE_PENDING);
    three_run(t, 2000);
    assert_int_equal(leader->ticket, TICKET + 1);
    assert_begins(leader->reply, "-ERR this node is a member of a cluster");
    assert_int_equal(node_meet(leader->node, "10.0.0.2", 7000, 17000, TICKET, &error), NODE_DONE);
    assert_int_equal(raft_members(leader->node->raft)->count, NODES);
    uint64_t dialled = t->handles;
    assert_int_equal(node_meet(leader->node, "10.0.0.2", 7000, 18000, TICKET, &error), NODE_DONE);
    assert_int_equal(t->handles, dialled + 1); /* the one there is to join us */
    assert_string_equal(leader->node->join_host, "");
    assert_int_equal(node_forget(leader->node, third->id, TICKET, &error), NODE_PENDING);
    three_run(t, 300);
    assert_int_equal(leader->ticket, TICKET);
    assert_begins(leader->reply, "+OK");
    assert_int_equal(raft_members(leader->node->raft)->count, NODES - 1);
    buf_deinit(&error);
    three_free(t);
}

/* As redis-cli's del-node asks it: whoever is put out has not heard of it yet. */
static void reset_right_behind_forget(void **state)
{
    (void)state;
    struct three *t = three_new();
    struct one *leader = three_leader(t), *gone = other(t, leader);
    struct buf error = BUF_EMPTY;
    assert_int_equal(three_set(t, leader, "key", "v"), NODE_DONE);
    three_run(t, 100);
    assert_int_equal(node_forget(leader->node, gone->id, TICKET, &error), NODE_PENDING);
    assert_int_equal(node_reset(gone->node, TICKET + 1, &error), NODE_PENDING);
    three_run(t, 300);
    assert_begins(leader->reply, "+OK");
    assert_int_equal(gone->ticket, 0);
    struct node_hello hello = {
        .node_id = leader->id, .cluster_id = gone->node->identity.cluster_id, .removed = true};
    node_on_hello(gone->node, 0, &hello);
    three_run(t, 100);
    assert_int_equal(gone->ticket, TICKET + 1);
    assert_begins(gone->reply, "+OK");
    assert_int_equal(store_count(rsm_store(node_rsm(gone->node)), 0), 0);
    buf_deinit(&error);
    three_free(t);
}

/* The question or its answer, and nobody's link has broken. */
static void what_is_not_answered_is_asked_again(void **state)
{
    (void)state;
    static const uint8_t types[] = {FRAME_ADMIN, FRAME_ADMIN_REPLY};
    for (size_t k = 0; k < 2; k++) {
        struct three *t = three_new();
        struct one *leader = three_leader(t), *follower = other(t, leader), *third = other(t, follower);
        struct one *deaf = types[k] == FRAME_ADMIN ? leader : follower;
        struct buf error = BUF_EMPTY;
        three_run(t, 100);
        deaf->lose_type = types[k];
        deaf->lose = 1;
        assert_int_equal(node_forget(follower->node, third->id, TICKET, &error), NODE_PENDING);
        three_run(t, 500);
        assert_int_equal(deaf->lose, 0);
        assert_int_not_equal(follower->ticket, TICKET);
        three_run(t, 1500);
        assert_ptr_equal(three_leader(t), leader);
        assert_int_equal(follower->ticket, TICKET);
        assert_int_equal(follower->outcome, NODE_DONE);
        assert_begins(follower->reply, "+OK");
        assert_int_equal(raft_members(leader->node->raft)->count, NODES - 1);
        buf_deinit(&error);
        three_free(t);
    }
}

/* It may have been done: "down" would say that it was not. */
static void what_is_never_answered_is_not_known(void **state)
{
    (void)state;
    struct three *t = three_new();
    struct one *leader = three_leader(t), *follower = other(t, leader), *third = other(t, follower);
    struct buf error = BUF_EMPTY;
    three_run(t, 100);
    follower->lose_type = FRAME_ADMIN_REPLY;
    follower->lose = 1000;
    assert_int_equal(node_forget(follower->node, third->id, TICKET, &error), NODE_PENDING);
    three_run(t, 10000);
    assert_int_equal(raft_members(leader->node->raft)->count, NODES - 1);
    assert_int_equal(follower->ticket, TICKET);
    assert_int_equal(follower->outcome, NODE_UNKNOWN);
    buf_deinit(&error);
    three_free(t);
}

/* An office handed over to anybody is not handed over again by the next leader, when the answer was lost. */
static void a_transfer_to_anybody_moves_the_office_once(void **state)
{
    (void)state;
    struct three *t = three_new();
    struct one *leader = three_leader(t), *follower = other(t, leader);
    struct buf error = BUF_EMPTY;
    three_run(t, 100);
    follower->lose_type = FRAME_ADMIN_REPLY;
    follower->lose = 1;
    uint64_t term = raft_term(leader->node->raft);
    assert_int_equal(node_transfer(follower->node, 0, TICKET, &error), NODE_PENDING);
    three_run(t, 5000);
    assert_int_equal(follower->lose, 0);
    assert_int_equal(follower->ticket, TICKET);
    assert_begins(follower->reply, "+OK");
    assert_ptr_not_equal(three_leader(t), leader);
    assert_int_equal(raft_term(follower->node->raft), term + 1);
    buf_deinit(&error);
    three_free(t);
}

static void nobody_to_ask_is_said_in_the_end(void **state)
{
    (void)state;
    struct three *t = three_new();
    struct one *leader = three_leader(t), *follower = other(t, leader);
    struct buf error = BUF_EMPTY;
    for (int i = 0; i < NODES; i++)
        t->one[i].unheard = true;
    three_run(t, 5000);
    assert_int_equal(node_forget(follower->node, leader->id, TICKET, &error), NODE_PENDING);
    assert_int_equal(node_checkpoint(follower->node, true, TICKET, &error), NODE_NOT_LEADER);
    three_run(t, 8000);
    assert_int_equal(follower->ticket, TICKET);
    assert_int_equal(follower->outcome, NODE_REFUSED);
    assert_begins(follower->reply, "-CLUSTERDOWN");
    three_free(t);
}

static void while_it_loads_all_is_refused(void **state)
{
    (void)state;
    struct three *t = three_new();
    const struct one *o = &t->one[0];
    struct node_found found = {.identity = {.node_id = 9}};
    struct node_ports ports = o->node->ports;
    struct node_clients clients = o->node->clients;
    struct node *n = node_new(&o->config, &found, &ports, &clients, t->now_us, t->now_us);
    struct slice argv[] = {SLICE_LITERAL("del"), SLICE_LITERAL("k")};
    struct rsm_request req = {.kind = RSM_COMMAND, .resp = 2, .argv = argv, .argc = 2};
    struct buf error = BUF_EMPTY;
    struct node_status s;
    uint64_t x;
    int refused = 0;
    refused += node_write(n, &req, TICKET, &error) == NODE_REFUSED;
    refused += node_forward(n, &req, false, &asker, &error) == NODE_REFUSED;
    refused += node_forget(n, 1, TICKET, &error) == NODE_REFUSED;
    refused += node_transfer(n, 1, TICKET, &error) == NODE_REFUSED;
    refused += node_meet(n, "10.0.0.2", 7000, 17000, TICKET, &error) == NODE_REFUSED;
    refused += node_checkpoint(n, true, TICKET, &error) == NODE_REFUSED;
    assert_int_equal(refused, 6);
    buf_append(&error, "", 1);
    for (const char *at = error.data; *at; at = strchr(at, '\n') + 1)
        assert_begins(at, "-LOADING ");
    assert_int_equal(node_read(n, 0, true, TICKET, &x), NODE_NOT_LEADER);
    assert_int_equal(node_read_due(n, 1, TICKET), NODE_NOT_LEADER);
    assert_true(node_is_loading(n));
    assert_false(node_reads_at_once(n));
    assert_false(node_is_full(n));
    assert_false(node_office(n, &x, &x));
    assert_int_equal(node_replicas_at(n, 0), 0);
    node_status(n, &s);
    assert_true(s.loading);
    assert_string_equal(s.role, "loading");
    buf_deinit(&error);
    node_free(n);
    three_free(t);
}

static void a_long_journal_is_loaded_by_and_by(void **state)
{
    (void)state;
    struct three *t = three_new();
    struct one *leader = three_leader(t), *o = other(t, leader);
    struct node_status s;
    uint32_t percent = 0;
    int seen = 0;
    three_write(t, leader, 4 * APPLY_TURN_ENTRIES);
    three_run(t, 200);
    three_restart(t, o);
    for (int i = 0; i < 500; i++, percent = s.loading_percent) {
        three_run(t, 1);
        node_status(o->node, &s);
        if (!s.loading)
            break;
        seen += s.loading_percent > 0 && s.loading_percent < 100;
        assert_string_equal(s.loading_what, "journal");
        assert_true(s.loading_percent >= percent);
    }
    assert_true(seen > 0);
    assert_false(s.loading);
    assert_true(s.applied > 4 * APPLY_TURN_ENTRIES);
    three_free(t);
}

static void tracing_tells_every_stage_of_a_request(void **state)
{
    (void)state;
    struct three *t = three_new();
    struct one *leader = three_leader(t);
    static const char *const stages[] = {"proposed ", "durable ", "committed ", "applied ", "answered "};
    three_run(t, 100);
    assert_int_equal(three_set(t, leader, "k", "v"), NODE_DONE);
    assert_int_equal(leader->traced_len, 0);
    node_set_tracing(leader->node, true);
    assert_int_equal(three_set(t, leader, "k", "v"), NODE_DONE);
    node_set_tracing(leader->node, false);
    for (size_t i = 0; i < sizeof(stages) / sizeof(*stages); i++)
        assert_non_null(strstr(leader->traced, stages[i]));
    three_free(t);
}

/* The larger of the setting and twice the last snapshot. */
static void a_checkpoint_is_due_by_the_journal_beside_the_snapshot(void **state)
{
    (void)state;
    struct three *t = three_new();
    char value[3000];
    memset(value, 'x', sizeof value - 1);
    value[sizeof value - 1] = 0;
    for (int i = 0; i < NODES; i++) {
        t->one[i].config.checkpoint_bytes = 1000;
        three_restart(t, &t->one[i]);
    }
    struct one *leader = three_leader(t);
    leader->journal_bytes = 999;
    assert_int_equal(three_set(t, leader, "k", value), NODE_DONE);
    three_run(t, 1500);
    assert_int_equal(leader->snapshot.index, 0);
    leader->journal_bytes = 1000;
    three_run(t, 1500);
    uint64_t first = leader->snapshot.index, bytes = leader->snapshot.bytes.len;
    assert_true(first > 0 && bytes > 1000);
    leader->journal_bytes = 2 * bytes - 1;
    assert_int_equal(three_set(t, leader, "k", value), NODE_DONE);
    three_run(t, 20000);
    assert_int_equal(leader->snapshot.index, first);
    leader->journal_bytes = 2 * bytes;
    three_run(t, 1500);
    assert_true(leader->snapshot.index > first);
    three_free(t);
}

static void heard(void *arg, enum store_event_class class, const char *event, uint32_t db, struct slice key)
{
    (void)arg, (void)class, (void)event, (void)db, (void)key;
}

static void set_version_3(struct three *t)
{
    struct rsm_request req = {.kind = RSM_VERSION, .node = 3};
    struct buf error = BUF_EMPTY;
    assert_int_equal(node_write(three_leader(t)->node, &req, 1, &error), NODE_PENDING);
    three_run(t, 100);
}

static bool was_applied(struct three *t, struct one *o)
{
    three_run(t, 50);
    assert_int_equal(o->ticket, TICKET);
    assert_int_equal(o->outcome, NODE_DONE);
    assert_true(o->index > 0);
    o->ticket = 0;
    return o->applied >= o->index;
}

/* A proxy's client hears of its own write no later than it is answered. */
static void a_write_that_is_heard_of_here_is_applied_first(void **state)
{
    (void)state;
    struct three *t = three_new();
    struct one *leader = three_leader(t), *follower = other(t, leader);
    struct rsm_listener listener = {.heard = heard};
    struct slice setting[] = {SLICE_LITERAL("session-max"), SLICE_LITERAL("1234")};
    struct slice script[] = {SLICE_LITERAL("script"), SLICE_LITERAL("load"), SLICE_LITERAL("return 1")};
    struct rsm_request load = {.kind = RSM_COMMAND, .resp = 2, .argv = script, .argc = 3};
    struct slice exec[] = {RSM_PUBLISH, SLICE_LITERAL(":0\r\n"), SLICE_LITERAL("c"), SLICE_LITERAL("m"),
                           SLICE_LITERAL("")};
    uint32_t count = 5, db = 0;
    struct rsm_request set = {.kind = RSM_SETTING, .resp = 2, .argv = setting, .argc = 2};
    struct rsm_request publish = {
        .kind = RSM_EXEC, .resp = 2, .argv = exec, .argc = 5, .counts = &count, .dbs = &db, .commands = 1};
    struct buf error = BUF_EMPTY;
    hand_over(follower, "a", false, TICKET);
    assert_false(was_applied(t, follower)); /* nobody there listens */
    assert_int_equal(node_forward(follower->node, &set, false, &asker, &error), NODE_PENDING);
    assert_true(was_applied(t, follower));
    assert_string_equal(rsm_setting(node_rsm(follower->node), "session-max"), "1234");
    assert_int_equal(node_forward(follower->node, &publish, false, &asker, &error), NODE_PENDING);
    assert_true(was_applied(t, follower));
    set_version_3(t);
    assert_int_equal(node_forward(follower->node, &load, false, &asker, &error), NODE_PENDING);
    assert_true(was_applied(t, follower));
    node_listen(follower->node, &listener, EVENT_CHANGED);
    hand_over(follower, "b", false, TICKET);
    assert_true(was_applied(t, follower));
    /* Where it does not come, the answer still does. */
    follower->lose_type = FRAME_RAFT;
    follower->lose = 100;
    hand_over(follower, "c", false, TICKET);
    for (int i = 0; i < 400 && follower->ticket != TICKET; i++)
        three_run(t, 10);
    assert_int_equal(follower->outcome, NODE_DONE);
    assert_true(follower->applied < follower->index);
    three_free(t);
}

/* The leader says how long it ran to whom asks for it, and to nobody else: another build does not look for it. */
static void a_proxied_request_is_timed_where_it_runs(void **state)
{
    (void)state;
    struct three *t = three_new();
    struct one *leader = three_leader(t), *follower = other(t, leader);
    struct slice argv[] = {SLICE_LITERAL("append"), SLICE_LITERAL("k"), SLICE_LITERAL("v")};
    struct slice get[] = {SLICE_LITERAL("get"), SLICE_LITERAL("k")};
    struct rsm_request write = {.kind = RSM_COMMAND, .resp = 2, .argv = argv, .argc = 3};
    struct rsm_request read = {.kind = RSM_COMMAND, .resp = 2, .argv = get, .argc = 2};
    struct buf error = BUF_EMPTY;
    for (int i = 0; i < 8; i++) {
        struct one *at = i & 1 ? leader : follower;
        struct node_asker who = {.ticket = TICKET, .timed = i & 4};
        assert_int_equal(node_forward(at->node, i & 2 ? &read : &write, i & 2, &who, &error), NODE_PENDING);
        three_run(t, 50);
        assert_int_equal(at->ticket, TICKET);
        assert_int_equal(at->outcome, NODE_DONE);
        assert_int_equal(at->spent_us != 0, (i & 4) != 0);
        assert_begins(at->reply, i & 2 ? "$" : ":");
        at->ticket = 0;
    }
    three_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_local_read_asks_nobody),
        cmocka_unit_test(a_read_of_many_due_keys_is_not_held_up),
        cmocka_unit_test(what_can_be_answered_is_answered_early),
        cmocka_unit_test(what_is_sent_leaves_before_the_turn_applies),
        cmocka_unit_test(a_voter_is_not_forgotten_while_another_is_lost),
        cmocka_unit_test(a_new_leader_counts_nobody_unheard),
        cmocka_unit_test(a_read_by_the_log_takes_an_entry),
        cmocka_unit_test(a_leader_that_is_its_own_proxy_refuses_as_it_refuses_others),
        cmocka_unit_test(what_was_refused_is_not_overtaken),
        cmocka_unit_test(what_is_behind_no_refusal_is_taken_at_once),
        cmocka_unit_test(a_retry_is_asked_about_once),
        cmocka_unit_test(administration_by_any_node),
        cmocka_unit_test(reset_right_behind_forget),
        cmocka_unit_test(what_is_not_answered_is_asked_again),
        cmocka_unit_test(what_is_never_answered_is_not_known),
        cmocka_unit_test(a_transfer_to_anybody_moves_the_office_once),
        cmocka_unit_test(nobody_to_ask_is_said_in_the_end),
        cmocka_unit_test(while_it_loads_all_is_refused),
        cmocka_unit_test(a_long_journal_is_loaded_by_and_by),
        cmocka_unit_test(tracing_tells_every_stage_of_a_request),
        cmocka_unit_test(a_write_that_is_heard_of_here_is_applied_first),
        cmocka_unit_test(a_proxied_request_is_timed_where_it_runs),
        cmocka_unit_test(a_checkpoint_is_due_by_the_journal_beside_the_snapshot),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
