/* What a node decides by its own state and by what others tell of theirs: who has stopped agreeing stops serving, who has no
 * room takes no writes, either hands its office to one that can; who has moved is looked for where it is now. */
#include "three.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/log.h"
#include "node/node_int.h"

#define assert_reply(o, text) assert_non_null(strstr((o)->reply, text))

/* Another value than the log says, in one node's state: a bad memory, a bug. */
static void spoil(struct one *o, const char *value)
{
    struct store_view v = {.store = rsm_store(node_rsm(o->node)), .writing = true};
    store_put_string(&v, SLICE_LITERAL("spoilt"), slice_cstr(value), false);
}

static struct node_status status(const struct one *o)
{
    struct node_status s;
    node_status(o->node, &s);
    return s;
}

static struct one *other(struct three *t, const struct one *o)
{
    return &t->one[o->id % NODES];
}

static void equal_states_raise_no_alarm(void **state)
{
    (void)state;
    struct three *t = three_new();
    struct one *leader = three_leader(t);
    three_write(t, leader, 3 * DIGEST_EVERY);
    for (int i = 0; i < NODES; i++)
        assert_false(status(&t->one[i]).diverged);
    assert_int_equal(three_set(t, leader, "k", "v"), NODE_DONE);
    three_free(t);
}

static void an_outvoted_leader_hands_over(void **state)
{
    (void)state;
    struct three *t = three_new();
    struct one *old = three_leader(t);
    spoil(old, "x");
    three_write(t, old, DIGEST_EVERY);
    three_run(t, 200);
    assert_true(status(old).diverged);
    assert_int_equal(three_set(t, old, "k", "v"), NODE_NOT_LEADER);
    struct one *leader = three_leader(t);
    assert_ptr_not_equal(leader, old);
    assert_false(status(leader).diverged);
    assert_int_equal(three_set(t, leader, "k", "v"), NODE_DONE);
    three_free(t);
}

static void an_outvoted_follower_stops_alone(void **state)
{
    (void)state;
    struct three *t = three_new();
    struct one *leader = three_leader(t), *bad = other(t, leader);
    spoil(bad, "x");
    three_write(t, leader, DIGEST_EVERY);
    three_run(t, 200);
    assert_true(status(bad).diverged);
    assert_ptr_equal(three_leader(t), leader);
    assert_int_equal(three_set(t, leader, "k", "v"), NODE_DONE);
    for (int i = 0; i < NODES; i++)
        assert_true(status(&t->one[i]).diverged == (&t->one[i] == bad));
    three_free(t);
}

static void without_a_majority_nobody_takes_writes(void **state)
{
    (void)state;
    struct three *t = three_new();
    struct one *leader = three_leader(t);
    spoil(&t->one[0], "x");
    spoil(&t->one[1], "y");
    three_write(t, leader, DIGEST_EVERY);
    three_run(t, 200);
    for (int i = 0; i < NODES; i++) {
        assert_false(status(&t->one[i]).diverged); /* nobody knows who is wrong */
        assert_true(status(&t->one[i]).in_doubt);
        assert_int_equal(three_set(t, &t->one[i], "k", "v"),
                         &t->one[i] == leader ? NODE_REFUSED : NODE_NOT_LEADER);
    }
    three_free(t);
}

static void a_full_disk_costs_the_office_and_room_gives_it_back(void **state)
{
    (void)state;
    struct three *t = three_new();
    struct one *old = three_leader(t);
    old->free_bytes = 10;
    three_run(t, 60);
    assert_int_not_equal(three_set(t, old, "k", "v"), NODE_DONE);
    three_run(t, 200);
    struct one *leader = three_leader(t);
    assert_ptr_not_equal(leader, old);
    assert_int_equal(old->tries, 0); /* nobody hands anything to it */
    assert_int_equal(three_set(t, leader, "k", "v"), NODE_DONE);
    /* All are full: whoever leads says why it refuses. */
    for (int i = 0; i < NODES; i++)
        t->one[i].free_bytes = 10;
    three_run(t, 3000);
    leader = NULL;
    for (int i = 0; i < NODES; i++)
        if (status(&t->one[i]).is_leader)
            leader = &t->one[i];
    assert_non_null(leader);
    assert_int_equal(three_set(t, leader, "k", "v"), NODE_REFUSED);
    assert_reply(leader, "the disk is almost full");
    assert_true(status(leader).writes_refused);
    for (int i = 0; i < NODES; i++)
        t->one[i].free_bytes = UINT64_MAX;
    three_run(t, 200);
    assert_non_null(strstr(leader->said, "has room again"));
    assert_int_equal(three_set(t, three_leader(t), "k", "v"), NODE_DONE);
    three_free(t);
}

static void the_office_goes_to_one_that_can(void **state)
{
    (void)state;
    for (uint64_t i = 1; i < NODES; i++) { /* whichever is asked first */
        for (int outvoted = 0; outvoted < 2; outvoted++) {
            struct three *t = three_new();
            struct one *old = three_leader(t), *unfit = &t->one[(old->id - 1 + i) % NODES];
            if (outvoted) {
                spoil(unfit, "x");
                three_write(t, old, DIGEST_EVERY);
            } else {
                unfit->free_bytes = 10;
            }
            three_run(t, 300);
            old->free_bytes = 10;
            three_run(t, 300);
            struct one *leader = three_leader(t);
            assert_ptr_not_equal(leader, old);
            assert_ptr_not_equal(leader, unfit);
            assert_int_equal(unfit->tries, 0);
            three_free(t);
        }
    }
}

static enum node_outcome run(struct one *o, enum rsm_kind kind, struct slice *argv, size_t argc)
{
    struct buf error = BUF_EMPTY;
    static const uint32_t dbs[] = {0};
    uint32_t counts[] = {(uint32_t)argc};
    struct rsm_request req = {
        .kind = kind, .resp = 2, .argv = argv, .argc = argc, .counts = counts, .dbs = dbs, .commands = 1};
    enum node_outcome outcome = node_write(o->node, &req, 99, &error);
    snprintf(o->reply, sizeof(o->reply), "%.*s", (int)error.len, error.len ? error.data : "");
    buf_deinit(&error);
    return outcome;
}

static void over_maxmemory_only_what_grows_is_refused(void **state)
{
    (void)state;
    struct three *t = three_new();
    struct one *leader = three_leader(t);
    struct slice set[] = {SLICE_LITERAL("set"), SLICE_LITERAL("k"), SLICE_LITERAL("w")};
    struct slice del[] = {SLICE_LITERAL("del"), SLICE_LITERAL("k")};
    char less[24];
    assert_int_equal(three_set(t, leader, "k", "v"), NODE_DONE);
    snprintf(less, sizeof(less), "%zu", store_memory(rsm_store(node_rsm(leader->node))) - 1);
    struct slice limit[] = {SLICE_LITERAL("maxmemory"), slice_cstr(less)};
    assert_int_equal(run(leader, RSM_SETTING, limit, 2), NODE_PENDING);
    three_run(t, 20);
    assert_int_equal(run(leader, RSM_COMMAND, set, 3), NODE_REFUSED);
    assert_reply(leader, "-OOM ");
    assert_int_equal(run(leader, RSM_EXEC, set, 3), NODE_REFUSED);
    assert_reply(leader, "-OOM ");
    assert_int_equal(run(leader, RSM_EXEC, del, 2), NODE_PENDING);
    three_run(t, 20);
    assert_int_equal(run(leader, RSM_COMMAND, set, 3), NODE_PENDING); /* it is gone: there is room */
    three_free(t);
}

/* With a policy that evicts every write is taken, memory stays at the limit, keys that were read stay, and all nodes lose the same. */
static void over_maxmemory_a_policy_makes_room(void **state)
{
    (void)state;
    struct three *t = three_new();
    struct one *leader = three_leader(t);
    struct store *s = rsm_store(node_rsm(leader->node));
    char name[24], most[24];
    for (int i = 0; i < 200; i++) {
        snprintf(name, sizeof(name), "k%d", i);
        assert_int_equal(three_set(t, leader, name, "value"), NODE_DONE);
    }
    size_t limit = store_memory(s);
    snprintf(most, sizeof(most), "%zu", limit);
    struct slice settings[] = {SLICE_LITERAL("maxmemory"), slice_cstr(most),
                               SLICE_LITERAL("maxmemory-policy"), SLICE_LITERAL("allkeys-lru")};
    assert_int_equal(run(leader, RSM_SETTING, settings, 4), NODE_PENDING);
    three_run(t, 20);
    for (int i = 0; i < 400; i++) {
        if (i % 10 == 0) { /* the first ten are used again and again, a second apart from the others */
            three_run(t, 1000);
            for (int k = 0; k < 10; k++) {
                struct store_view view =
                    rsm_view(node_rsm(leader->node), rsm_stamp_ms(node_rsm(leader->node)), 0);
                snprintf(name, sizeof(name), "k%d", k);
                store_find(&view, slice_cstr(name));
            }
        }
        snprintf(name, sizeof(name), "n%d", i);
        assert_int_equal(three_set(t, leader, name, "value"), NODE_DONE);
        assert_true(store_memory(s) <= limit + 3 * 8192); /* the tables grow in steps */
    }
    three_run(t, 50);
    int kept = 0;
    for (int k = 0; k < 10; k++) {
        struct store_view view = rsm_view(node_rsm(leader->node), 0, 0);
        snprintf(name, sizeof(name), "k%d", k);
        kept += store_find(&view, slice_cstr(name)) != NULL;
    }
    assert_true(kept >= 9);
    assert_true(store_stats(s)->evicted >= 350);
    for (struct one *o = t->one; o < t->one + NODES; o++) {
        assert_int_equal(store_count(rsm_store(node_rsm(o->node)), 0), store_count(s, 0));
        assert_true(store_digest(rsm_store(node_rsm(o->node))) == store_digest(s));
    }
    three_free(t);
}

/* A request of a session, and how it was answered in the end. */
static enum node_outcome numbered(struct three *t, struct one *o, bool forward, uint64_t session,
                                  uint64_t number, const char *value)
{
    static uint64_t ticket = 500;
    struct slice argv[] = {SLICE_LITERAL("append"), SLICE_LITERAL("k"), slice_cstr(value)};
    struct rsm_request req = {.kind = RSM_COMMAND, .resp = 2, .argv = argv, .argc = 3};
    struct buf error = BUF_EMPTY;
    req.numbering = RSM_SESSION_NUMBER;
    req.session = session;
    req.request_id = number;
    struct node_asker who = {.ticket = ++ticket};
    enum node_outcome taken = forward ? node_forward(o->node, &req, false, &who, &error)
                                      : node_write(o->node, &req, ticket, &error);
    assert_int_equal(taken, NODE_PENDING);
    three_run(t, 300);
    assert_int_equal(o->ticket, ticket);
    buf_deinit(&error);
    return o->outcome;
}

static uint64_t open_session(struct three *t, struct one *leader)
{
    struct slice name[] = {SLICE_LITERAL("worker")};
    struct rsm_request req = {
        .kind = RSM_SESSION, .resp = 2, .argv = name, .argc = 1, .request_id = 1, .may_open = true};
    struct buf error = BUF_EMPTY;
    assert_int_equal(node_write(leader->node, &req, 99, &error), NODE_PENDING);
    three_run(t, 20);
    assert_int_equal(leader->reply[0], ':');
    buf_deinit(&error);
    return strtoull(leader->reply + 1, NULL, 10);
}

/* "Refused" would say that it did not run. */
static void a_retry_is_answered_where_a_write_is_refused(void **state)
{
    (void)state;
    struct three *t = three_new();
    struct one *leader = three_leader(t);
    struct slice limit[] = {SLICE_LITERAL("maxmemory"), SLICE_LITERAL("1")};
    uint64_t session = open_session(t, leader);
    assert_int_equal(numbered(t, leader, false, session, 1, "abc"), NODE_DONE);
    assert_int_equal(run(leader, RSM_SETTING, limit, 2), NODE_PENDING);
    three_run(t, 20);
    for (struct one *o = t->one; o < t->one + NODES; o++) {
        bool forward = o != leader;
        assert_int_equal(numbered(t, o, forward, session, 1, "abc"), NODE_DONE);
        assert_reply(o, ":3");
        assert_int_equal(numbered(t, o, forward, session, 1, "x"), NODE_DONE);
        assert_reply(o, "-ERR another request");
        assert_int_equal(numbered(t, o, forward, session, 2, "abc"), NODE_REFUSED);
        assert_reply(o, "-OOM ");
        assert_int_equal(numbered(t, o, forward, session + 1, 1, "abc"), NODE_DONE);
        assert_reply(o, "-NOSESSION ");
    }
    three_free(t);
}

/* One that is on its way has not run yet, and may. */
static void a_retry_is_not_refused_beside_its_first_copy(void **state)
{
    (void)state;
    struct three *t = three_new();
    struct one *leader = three_leader(t);
    uint64_t session = open_session(t, leader);
    struct slice argv[] = {SLICE_LITERAL("append"), SLICE_LITERAL("k"), SLICE_LITERAL("abc")};
    struct rsm_request req = {.kind = RSM_COMMAND, .resp = 2, .argv = argv, .argc = 3};
    struct buf error = BUF_EMPTY;
    req.numbering = RSM_SESSION_NUMBER;
    req.session = session;
    req.request_id = 1;
    for (struct one *o = t->one; o < t->one + NODES; o++)
        o->unheard = o != leader; /* a round is quicker than the entry, which has to be sent again */
    assert_int_equal(node_write(leader->node, &req, 98, &error), NODE_PENDING);
    node_turn(leader->node);
    for (struct one *o = t->one; o < t->one + NODES; o++)
        o->unheard = false;
    assert_true(rsm_applied(node_rsm(leader->node)) < node_pending_index(leader->node));
    leader->node->disk_low = true;
    assert_int_equal(numbered(t, leader, false, session, 1, "abc"), NODE_DONE);
    assert_reply(leader, ":3");
    buf_deinit(&error);
    three_free(t);
}

static struct one *next_leader(struct three *t, const struct one *old)
{
    for (int i = 0; i < 200; i++, three_run(t, 50))
        for (struct one *o = t->one; o < t->one + NODES; o++)
            if (o != old && node_is_serving(o->node))
                return o;
    fail_msg("nobody else leads");
    return NULL;
}

/* One that grows memory, or DEL for want of a number, handed in by this node. */
static void hand_over(struct one *o, uint64_t session, uint64_t number, uint64_t ticket)
{
    struct slice append[] = {SLICE_LITERAL("append"), SLICE_LITERAL("k"), SLICE_LITERAL("abc")};
    struct slice del[] = {SLICE_LITERAL("del"), SLICE_LITERAL("k")};
    struct rsm_request req = {
        .kind = RSM_COMMAND, .resp = 2, .argv = number ? append : del, .argc = number ? 3 : 2};
    struct buf error = BUF_EMPTY;
    if (number)
        req.numbering = RSM_SESSION_NUMBER;
    req.session = session;
    req.request_id = number;
    struct node_asker who = {.ticket = ticket, .behind = number == 0};
    assert_int_equal(node_forward(o->node, &req, false, &who, &error), NODE_PENDING);
    buf_deinit(&error);
}

/* The leader loses its office while it asks the sessions: the next one is asked, and the retry of what ran gets its reply.
 * What had not run may run there, and before what came behind it on its connection. */
static void a_retry_outlives_the_leader_that_refuses(void **state)
{
    (void)state;
    for (int i = 0; i <= NODES; i++) {
        struct three *t = three_new();
        bool ran = i < NODES;
        struct one *old = three_leader(t), *o = ran ? &t->one[i] : old;
        struct slice limit[] = {SLICE_LITERAL("maxmemory"), SLICE_LITERAL("1")};
        uint64_t session = open_session(t, old);
        assert_int_equal(numbered(t, old, false, session, 1, "abc"), NODE_DONE);
        assert_int_equal(run(old, RSM_SETTING, limit, 2), NODE_PENDING);
        three_run(t, 20);
        old->lose_type = FRAME_RAFT; /* it hears nobody: no round comes to an end */
        old->lose = 1000000;
        hand_over(o, session, ran ? 1 : 2, 700);
        if (!ran)
            hand_over(o, session, 0, 701);
        struct one *leader = next_leader(t, old);
        limit[1] = SLICE_LITERAL("0");
        if (!ran)
            assert_int_equal(run(leader, RSM_SETTING, limit, 2), NODE_PENDING);
        three_run(t, 20);
        old->lose = 0;
        three_run(t, 3000);
        assert_int_equal(o->ticket, ran ? 700 : 701); /* the last one that was answered */
        assert_int_equal(o->outcome, NODE_DONE);
        assert_reply(o, ran ? ":3" : ":1");
        assert_int_equal(store_count(rsm_store(node_rsm(leader->node)), 0), ran);
        three_free(t);
    }
}

/* A request of a session, on its way. */
static void ask(struct one *o, uint64_t session, uint64_t number, const char *value, uint64_t ticket)
{
    struct slice argv[] = {SLICE_LITERAL("append"), SLICE_LITERAL("k"), slice_cstr(value)};
    struct rsm_request req = {.kind = RSM_COMMAND, .resp = 2, .argv = argv, .argc = 3};
    struct buf error = BUF_EMPTY;
    req.numbering = RSM_SESSION_NUMBER;
    req.session = session;
    req.request_id = number;
    assert_int_equal(node_write(o->node, &req, ticket, &error), NODE_PENDING);
    node_turn(o->node);
    buf_deinit(&error);
}

/* The disk takes its time to finish what was received, and the leader, who hears nothing, sends it again. What is whole must not be
 * written over before it is installed. */
static void a_snapshot_that_is_being_finished_is_not_begun_anew(void **state)
{
    (void)state;
    static char big[300001]; /* two pieces */
    struct three *t = three_new();
    struct one *late = three_leader(t), *leader;
    struct buf error = BUF_EMPTY;
    memset(big, 'x', sizeof(big) - 1);
    late->unheard = true;
    leader = next_leader(t, late);
    assert_int_equal(three_set(t, leader, "big", big), NODE_DONE);
    three_write(t, leader, 300);
    three_run(t, 200);
    assert_int_equal(node_checkpoint(leader->node, false, 98, &error), NODE_DONE);
    three_run(t, 200);
    assert_true(status(leader).first_index > status(late).last_index + 1);
    late->ending = true;
    late->unheard = false;
    for (int i = 0; i < 1500 && late->receiving.bytes.len < sizeof(big); i++)
        three_run(t, 1);
    size_t whole = late->receiving.bytes.len;
    assert_true(whole >= sizeof(big));
    for (int i = 0; i < 8000 && late->receiving.bytes.len == whole; i++)
        three_run(t, 1);
    late->ending = false;
    three_run(t, 10000);
    assert_true(status(late).snapshots_installed > 0);
    assert_int_equal(status(late).last_index, status(leader).last_index);
    buf_deinit(&error);
    three_free(t);
}

/* A deposed leader gets a snapshot in place of the entries that its clients wait for. It tells a client of a session the reply
 * that the session remembers, and nobody anything by the number alone. */
static void what_a_snapshot_covers_is_answered_by_its_sessions(void **state)
{
    (void)state;
    static const char *const values[] = {"abc", "other", "never"};
    for (size_t k = 0; k < 3; k++) {
        struct three *t = three_new();
        struct one *old = three_leader(t);
        uint64_t session = open_session(t, old);
        bool alone = k > 0; /* its entry reaches nobody */
        for (struct one *o = t->one; o < t->one + NODES; o++)
            o->unheard = alone ? o != old : o == old;
        ask(old, session, 1, values[k], 700);
        three_run(t, 5);
        for (struct one *o = t->one; o < t->one + NODES; o++)
            o->unheard = o == old;
        struct one *leader = next_leader(t, old);
        if (k == 1) /* its client has asked anew, for something else, under the same number */
            assert_int_equal(numbered(t, leader, false, session, 1, "abc"), NODE_DONE);
        three_write(t, leader, 300);
        three_run(t, 200);
        struct buf error = BUF_EMPTY;
        assert_int_equal(node_checkpoint(leader->node, false, 98, &error), NODE_DONE);
        three_run(t, 200);
        assert_true(status(leader).first_index > status(old).last_index + 1);
        assert_int_not_equal(old->ticket, 700);
        old->unheard = false;
        three_run(t, 1500);
        assert_true(status(old).snapshots_installed > 0);
        assert_int_equal(old->ticket, 700);
        if (k == 0) {
            assert_int_equal(old->outcome, NODE_DONE);
            assert_reply(old, ":3");
        } else {
            assert_int_equal(old->outcome, NODE_UNKNOWN);
        }
        buf_deinit(&error);
        three_free(t);
    }
}

/* What is left of its journal says that it is alone. It is not, and would lead a cluster of its own. */
static void a_founder_that_lost_the_others_waits_for_them(void **state)
{
    (void)state;
    struct three *t = three_grown();
    struct one *founder = &t->one[0];
    assert_int_equal(three_set(t, three_leader(t), "k", "v"), NODE_DONE);
    three_run(t, 200);
    assert_true(founder->identity.had_others);
    founder->unheard = true;
    three_lose_journal(t, founder, 3);
    assert_non_null(strstr(founder->said, "there were others"));
    for (int i = 0; i < 200; i++) {
        three_run(t, 50);
        assert_string_not_equal(status(founder).role, "leader");
    }
    founder->unheard = false;
    three_run(t, 3000);
    assert_int_equal(three_set(t, three_leader(t), "k", "w"), NODE_DONE);
    three_run(t, 200);
    assert_int_equal(status(founder).applied, status(three_leader(t)).applied);
    assert_false(status(founder).short_log);
    three_free(t);
}

/* The note goes when an entry that says so is applied. */
static void a_founder_that_is_alone_again_says_so(void **state)
{
    (void)state;
    struct three *t = three_grown();
    struct one *founder = &t->one[0];
    for (int tries = 0; three_leader(t) != founder && tries < 20; tries++) {
        struct buf error = BUF_EMPTY;
        assert_int_equal(node_transfer(three_leader(t)->node, founder->id, 98, &error), NODE_PENDING);
        three_run(t, 500);
        buf_deinit(&error);
    }
    for (uint64_t id = 2; id <= NODES; id++) {
        struct buf error = BUF_EMPTY;
        assert_true(founder->identity.had_others);
        assert_int_equal(node_forget(founder->node, id, 98, &error), NODE_PENDING);
        three_run(t, 3000);
        buf_deinit(&error);
    }
    assert_int_equal(status(founder).peer_count, 1);
    assert_false(founder->identity.had_others);
    three_free(t);
}

static const struct raft_member *row(const struct one *seen_by, uint64_t id)
{
    return raft_members_find(raft_members(seen_by->node->raft), id);
}

static void a_follower_that_moved_is_looked_for_there(void **state)
{
    (void)state;
    struct three *t = three_new();
    struct one *leader = three_leader(t), *moved = other(t, leader);
    strcpy(moved->config.self.host, "10.0.0.99");
    three_restart(t, moved);
    three_run(t, 2000);
    assert_string_not_equal(row(leader, moved->id)->host, "10.0.0.99"); /* only guessed: nobody said so */
    moved->config.announced = true;
    three_restart(t, moved);
    three_run(t, 2000);
    for (int i = 0; i < NODES; i++) {
        assert_string_equal(row(&t->one[i], moved->id)->host, "10.0.0.99");
        assert_true(row(&t->one[i], moved->id)->voter);
        assert_int_equal(raft_members(t->one[i].node->raft)->count, NODES);
    }
    const struct peer *p = node_peer(leader->node, moved->id);
    assert_string_equal(p->host, "10.0.0.99"); /* dialled there */
    /* An address that is another's is not given away. */
    strcpy(moved->config.self.host, other(t, moved)->config.self.host);
    three_restart(t, moved);
    three_run(t, 2000);
    assert_string_equal(row(leader, moved->id)->host, "10.0.0.99");
    three_free(t);
}

static void a_reload_puts_the_same_state_in_the_place_of_the_old_one(void **state)
{
    (void)state;
    struct three *t = three_new();
    struct one *leader = three_leader(t);
    for (int i = 0; i < NODES; i++) {
        struct buf error = BUF_EMPTY;
        struct one *o = &t->one[i];
        three_set(t, leader, "k", "v");
        struct rsm *before = node_rsm(o->node);
        assert_int_equal(node_reload(o->node, 1234, &error), NODE_PENDING);
        assert_ptr_equal(node_rsm(o->node), before);
        three_run(t, 200);
        assert_int_equal(o->ticket, 1234);
        assert_int_equal(o->outcome, NODE_DONE);
        assert_ptr_not_equal(node_rsm(o->node), before);
        o->ticket = 0;
        three_set(t, leader, "k", "w");
        three_run(t, 200);
        for (int k = 0; k < NODES; k++)
            assert_int_equal(rsm_digest(node_rsm(t->one[k].node)), rsm_digest(node_rsm(leader->node)));
        buf_deinit(&error);
    }
    three_free(t);
}

static void a_save_is_answered_when_it_is_written(void **state)
{
    (void)state;
    struct three *t = three_new();
    struct one *leader = three_leader(t);
    for (int i = 0; i < NODES; i++) { /* the leader's own, and those that it logs for others */
        struct buf error = BUF_EMPTY;
        struct one *o = &t->one[i];
        three_set(t, leader, "k", "v");
        assert_int_equal(node_checkpoint(o->node, true, 1234, &error), NODE_PENDING);
        three_run(t, 200);
        assert_int_equal(o->ticket, 1234);
        assert_int_equal(o->outcome, NODE_DONE);
        assert_true(status(o).snapshot_index > 0);
        o->ticket = 0;
        o->free_bytes = o == leader ? o->free_bytes : 0; /* a leader would hand over */
        three_set(t, leader, "k", "w");
        assert_int_equal(node_checkpoint(o->node, true, 1235, &error), NODE_PENDING);
        three_run(t, 200);
        assert_int_equal(o->ticket, 1235);
        assert_int_equal(o->outcome, o == leader ? NODE_DONE : NODE_REFUSED);
        buf_deinit(&error);
    }
    three_free(t);
}

static void wait_counts_the_journals_that_hold_it(void **state)
{
    (void)state;
    struct three *t = three_new();
    struct one *leader = three_leader(t);
    three_run(t, 100);
    three_set(t, leader, "k", "v");
    three_run(t, 100);
    uint64_t index = status(leader).commit;
    assert_int_equal(node_replicas_at(leader->node, index), 2);
    assert_int_equal(node_replicas_at(other(t, leader)->node, index),
                     1); /* of a majority, beside the one that led */
    other(t, leader)->unheard = true;
    three_set(t, leader, "k", "w");
    three_run(t, 100);
    assert_int_equal(node_replicas_at(leader->node, index + 1), 1);
    three_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_states_raise_no_alarm),
        cmocka_unit_test(an_outvoted_leader_hands_over),
        cmocka_unit_test(an_outvoted_follower_stops_alone),
        cmocka_unit_test(without_a_majority_nobody_takes_writes),
        cmocka_unit_test(a_full_disk_costs_the_office_and_room_gives_it_back),
        cmocka_unit_test(the_office_goes_to_one_that_can),
        cmocka_unit_test(over_maxmemory_only_what_grows_is_refused),
        cmocka_unit_test(over_maxmemory_a_policy_makes_room),
        cmocka_unit_test(a_retry_is_answered_where_a_write_is_refused),
        cmocka_unit_test(a_retry_is_not_refused_beside_its_first_copy),
        cmocka_unit_test(a_retry_outlives_the_leader_that_refuses),
        cmocka_unit_test(a_snapshot_that_is_being_finished_is_not_begun_anew),
        cmocka_unit_test(what_a_snapshot_covers_is_answered_by_its_sessions),
        cmocka_unit_test(a_founder_that_lost_the_others_waits_for_them),
        cmocka_unit_test(a_founder_that_is_alone_again_says_so),
        cmocka_unit_test(a_follower_that_moved_is_looked_for_there),
        cmocka_unit_test(a_reload_puts_the_same_state_in_the_place_of_the_old_one),
        cmocka_unit_test(a_save_is_answered_when_it_is_written),
        cmocka_unit_test(wait_counts_the_journals_that_hold_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
