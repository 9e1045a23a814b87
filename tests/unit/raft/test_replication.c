/* Agreement: the cases of the course labs, and what the wire and the disk may do to them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "net.h"

static void end(struct net *c)
{
    assert_string_equal(c->failure, "");
    net_free(c);
}

static void entries_are_agreed(void **state)
{
    (void)state;
    static const int sizes[] = {1, 3, 5, 7};
    for (int k = 0; k < 4; k++) {
        struct net *c = net_new(sizes[k], 0, 1);
        int leader = net_wait_leader(c, 4 * SECOND);
        for (int n = 0; n < 100; n++) {
            assert_true(net_propose(c, leader, (uint32_t)(n % 7 + 1)) > 0);
            net_run(c, 1 * MS);
        }
        assert_true(net_commits(c, 1 * SECOND));
        assert_int_equal(net_leader(c), leader);
        assert_true(c->committed_last > 390);
        end(c);
    }
}

/* A write takes one round trip and one sync, in parallel; followers hear of the commit soon, not at the next heartbeat. */
static void a_write_is_quick(void **state)
{
    (void)state;
    struct net *c = net_new(3, 0, 2);
    int leader = net_wait_leader(c, 4 * SECOND);
    net_run(c, 1 * SECOND);
    uint64_t start = c->now_us, index = net_propose(c, leader, 1);
    while (raft_commit(c->node[leader].raft) < index)
        assert_true(net_step(c, start + 1 * SECOND));
    assert_in_range(c->now_us - start, 100, 2 * 1 * MS + 2 * MS);
    while (!net_agrees(c, index))
        assert_true(net_step(c, start + 1 * SECOND));
    assert_in_range(c->now_us - start, 100, 12 * MS);
    end(c);
}

static void a_minority_is_not_missed(void **state)
{
    (void)state;
    for (int size = 3; size <= 7; size += 2) {
        struct net *c = net_new(size, 0, 3);
        int leader = net_wait_leader(c, 4 * SECOND);
        for (int k = 0; k < size / 2; k++)
            net_isolate(c, (leader + 1 + k) % size);
        assert_true(net_commits(c, 1 * SECOND));
        for (int k = 0; k < 300; k++) {
            net_propose(c, leader, 5);
            net_run(c, 2 * MS);
        }
        net_heal(c);
        assert_true(net_commits(c, 2 * SECOND));
        assert_int_equal(net_leader(c), leader);
        end(c);
    }
}

static void a_majority_is(void **state)
{
    (void)state;
    struct net *c = net_new(5, 0, 4);
    int leader = net_wait_leader(c, 4 * SECOND);
    net_run(c, 200 * MS);
    for (int k = 0; k < 3; k++)
        net_isolate(c, (leader + 1 + k) % 5);
    uint64_t index = net_propose(c, leader, 1);
    net_run(c, 900 * MS);
    assert_true(raft_commit(c->node[leader].raft) < index);
    net_run(c, 3 * SECOND);
    assert_int_equal(net_leader(c), -1);
    net_heal(c);
    assert_true(net_commits(c, 5 * SECOND));
    end(c);
}

/* The old leader's entries give way, the others' stand; nothing is replayed entry by entry. */
static void back_up_is_fast(void **state)
{
    (void)state;
    struct net *c = net_new(5, 0, 5);
    c->links = false;
    int first = net_wait_leader(c, 4 * SECOND), friend = (first + 1) % 5;
    net_commits(c, 1 * SECOND);
    for (int i = 0; i < 5; i++)
        for (int j = 0; j < 5; j++)
            c->cut[i][j] = (i == first || i == friend) != (j == first || j == friend);
    for (int k = 0; k < 10; k++) {
        net_propose(c, first, 50);
        net_run(c, 10 * MS);
    }
    net_run(c, 2 * SECOND);
    int second = net_wait_leader(c, 4 * SECOND);
    assert_true(second != first && second != friend);
    for (int k = 0; k < 10; k++) {
        net_propose(c, second, 50);
        net_run(c, 10 * MS);
    }
    net_run(c, 200 * MS);
    uint64_t before = c->messages[RAFT_MSG_APPEND];
    net_heal(c);
    assert_true(net_commits(c, 3 * SECOND));
    assert_int_equal(net_leader(c), second);
    /* 500 entries each for two of them in batches of 20, and a handful of probes. */
    assert_in_range(c->messages[RAFT_MSG_APPEND] - before, 50, 120);
    end(c);
}

/* Dissertation, figure 3.7: S1 leads term 2 and gets its entry to S2 only; S5 leads term 3 with an entry of its own; S1
 * comes back and spreads its old entry to a majority. It must not be committed by that, for S5 can still win. */
static void figure_eight(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 300; seed++) {
        struct net *c = net_new_with(5, 0, seed, 100, 8);
        c->delay_max_us = 3 * MS;
        for (int k = 0; k < 40 && !c->failure[0]; k++) {
            int leader = net_wait_leader(c, 4 * SECOND);
            if (leader >= 0) {
                net_propose(c, leader, (uint32_t)net_below(c, 1, 5));
                net_run(c, net_below(c, 0, 4 * MS));
                net_crash(c, leader);
            }
            int up = 0;
            for (int i = 0; i < 5; i++)
                up += c->node[i].raft != NULL;
            for (int i = 0; up < 3; i = (int)net_below(c, 0, 4))
                if (!c->node[i].raft) {
                    net_restart(c, i);
                    up++;
                }
        }
        for (int i = 0; i < 5; i++)
            net_restart(c, i);
        assert_true(net_commits(c, 6 * SECOND));
        end(c);
    }
}

static void all_crash_all_come_back(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 30; seed++) {
        struct net *c = net_new(3, 0, seed);
        for (int k = 0; k < 10; k++) {
            int leader = net_wait_leader(c, 4 * SECOND);
            assert_true(leader >= 0);
            for (int n = 0; n < 20; n++) {
                net_propose(c, leader, 3);
                net_run(c, net_below(c, 0, 2 * MS));
            }
            uint64_t committed = c->committed_last;
            for (int i = 0; i < 3; i++)
                net_crash(c, i); /* what was not synced may be gone */
            for (int i = 0; i < 3; i++)
                net_restart(c, i);
            leader = net_wait_leader(c, 4 * SECOND);
            assert_true(leader >= 0);
            assert_true(raft_commit(c->node[leader].raft) >= committed);
        }
        end(c);
    }
}

static void an_unreliable_net_is_enough(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct net *c = net_new(5, 0, seed);
        c->reorder = true;
        c->loss_permille = 100;
        c->repeat_permille = 100;
        c->delay_max_us = 27 * MS;
        for (int k = 0; k < 200; k++) {
            int leader = net_leader(c);
            if (leader >= 0)
                net_propose(c, leader, 4);
            net_run(c, 20 * MS);
        }
        assert_true(c->committed_last > 300);
        c->loss_permille = 0;
        assert_true(net_commits(c, 10 * SECOND));
        end(c);
    }
}

/* A lost APPEND is found out by the next heartbeat, not by an election timeout. */
static void a_lost_append_is_sent_again(void **state)
{
    (void)state;
    struct net *c = net_new(3, 0, 6);
    int leader = net_wait_leader(c, 4 * SECOND);
    net_run(c, 1 * SECOND);
    c->loss_permille = 1000;
    uint64_t start = c->now_us, index = net_propose(c, leader, 1);
    c->loss_permille = 0;
    while (!net_agrees(c, index))
        assert_true(net_step(c, start + 1 * SECOND));
    assert_in_range(c->now_us - start, 1 * MS, 70 * MS);
    end(c);
}

/* Of the APPENDs that a paused node has yet to read, those with entries. */
static size_t appends_waiting(const struct net *c, int i)
{
    size_t count = 0;
    for (size_t k = 0; k < c->node[i].inbox_count; k++)
        count += c->node[i].inbox[k]->count > 0;
    return count;
}

/* A silent peer costs one small message a heartbeat; a slow one is sent no more than its window. */
static void nobody_is_flooded(void **state)
{
    (void)state;
    struct net *c = net_new_with(3, 0, 8, 2000, 64);
    int leader = net_wait_leader(c, 4 * SECOND), silent = (leader + 1) % 3, slow = (leader + 2) % 3;
    uint64_t append_to[2] = {0, 0};
    net_run(c, 100 * MS);
    c->node[silent].paused = true;
    c->node[slow].disk_min_us = c->node[slow].disk_max_us = 30 * MS;
    struct raft_progress p;
    for (int k = 0; k < 800; k++) {
        net_propose(c, leader, 10);
        net_run(c, 1 * MS);
        if (raft_role(c->node[leader].raft) != RAFT_LEADER)
            break;
        assert_true(raft_progress(c->node[leader].raft, (uint64_t)slow + 1, &p));
        assert_in_range(p.inflight_bytes, 0, 20000 + 2000);
        append_to[0] = p.match;
        assert_true(raft_progress(c->node[leader].raft, (uint64_t)silent + 1, &p));
        assert_in_range(p.inflight_bytes, 0, 20000 + 2000);
        append_to[1] = p.match;
    }
    assert_true(append_to[0] > append_to[1]);
    net_link(c, leader, silent, false, false);
    assert_true(raft_progress(c->node[leader].raft, (uint64_t)silent + 1, &p));
    assert_int_equal(p.inflight_bytes, 0);
    net_run(c, 60 * MS);
    size_t waiting = appends_waiting(c, silent);
    net_run(c, 200 * MS); /* one APPEND a heartbeat from here on, and empty */
    assert_int_equal(appends_waiting(c, silent), waiting);
    assert_true(raft_progress(c->node[leader].raft, (uint64_t)silent + 1, &p));
    assert_in_range(p.inflight_bytes, 0, 2000);
    net_resume(c, silent, false);
    assert_true(net_commits(c, 5 * SECOND));
    end(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(entries_are_agreed),
        cmocka_unit_test(a_write_is_quick),
        cmocka_unit_test(a_minority_is_not_missed),
        cmocka_unit_test(a_majority_is),
        cmocka_unit_test(back_up_is_fast),
        cmocka_unit_test(figure_eight),
        cmocka_unit_test(all_crash_all_come_back),
        cmocka_unit_test(an_unreliable_net_is_enough),
        cmocka_unit_test(a_lost_append_is_sent_again),
        cmocka_unit_test(nobody_is_flooded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
