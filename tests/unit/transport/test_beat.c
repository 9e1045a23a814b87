/* The beat thread speaks when the main thread is away with an entry, and only then; and the faults that tests
 * inject. The main thread of both transports is the test's own: sleeping is being away. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* after those */
#include <cmocka.h>

#include "../tests/support/peers.h"
#include "base/log.h"
#include "transport/transport_int.h"
#include <event2/event.h>
#include <stdlib.h>
#include <unistd.h>

struct world {
    struct event_base *base;
    struct peer a, b;
};

static int setup(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    w->base = event_base_new();
    peer_start(&w->a, w->base, (struct peer_options){.id = 1, .cluster_id = 9, .election_us = 60000});
    peer_start(&w->b, w->base, (struct peer_options){.id = 2, .cluster_id = 9, .election_us = 60000});
    peer_dial(&w->a, &w->b, true);
    peer_dial(&w->b, &w->a, true);
    *state = w;
    bool up = RUN_UNTIL(
        w->base, 2000,
        transport_is_up(w->a.t, 2) && transport_is_up(w->b.t, 1) &&
            list_entry(w->a.t->links.next, struct link, node)->dials[CHANNEL_BEAT].state == DIAL_UP &&
            list_entry(w->b.t->links.next, struct link, node)->dials[CHANNEL_BEAT].state == DIAL_UP);
    run_loop_us(w->base, 20000);
    return up ? 0 : -1;
}

static int teardown(void **state)
{
    struct world *w = *state;
    peer_stop(&w->a);
    peer_stop(&w->b);
    event_base_free(w->base);
    free(w);
    return 0;
}

static void turn_both(struct world *w)
{
    transport_turn(w->a.t, true, 7, 1);
    transport_turn(w->b.t, false, 7, 1);
}

static void test_leader_away(void **state)
{
    struct world *w = *state;
    turn_both(w);
    transport_applying(w->a.t, true);
    usleep(150000); /* heartbeats are 20 ms apart */
    run_loop_us(w->base, 5000);
    assert_true(w->b.beats > 0);
    assert_int_equal(w->b.beat_from, 1);
    assert_int_equal(w->b.beat_term, 7);
    assert_int_equal(w->a.beats, 0); /* b's main was not away with an entry: it will answer itself */
    transport_applying(w->a.t, false);
    run_loop_us(w->base, 50000);
    size_t beats = w->b.beats;
    usleep(100000);
    run_loop_us(w->base, 5000);
    assert_int_equal(w->b.beats, beats);
}

static void test_follower_away(void **state)
{
    struct world *w = *state;
    turn_both(w);
    transport_applying(w->b.t, true);
    usleep(100000);
    run_loop_us(w->base, 5000);
    assert_true(w->a.beats > 0);
    assert_int_equal(w->a.beat_from, 2);
    assert_int_equal(w->b.beats, 0);
}

/* A follower that knows no leader speaks to nobody, but answers the one that beats. */
static void test_away_node_answers(void **state)
{
    struct world *w = *state;
    turn_both(w);
    transport_turn(w->b.t, false, 6, 0);
    transport_applying(w->b.t, true);
    usleep(60000);
    run_loop_us(w->base, 2000);
    assert_int_equal(w->a.beats, 0);
    transport_turn(w->a.t, true, 7, 1);
    transport_turn(w->b.t, false, 6, 0);
    transport_applying(w->a.t, true);
    usleep(100000);
    run_loop_us(w->base, 2000);
    assert_true(w->b.beats > 0);
    assert_true(w->a.beats > 0);
    assert_int_equal(w->a.beat_term, 6);
}

#define HEARTBEAT_US 20000 /* as peer_start has it */

/* The longest that the loop was away between two turns, of 150 ms in which it ought to turn every 5. */
static uint64_t turn_for_a_while(struct world *w)
{
    uint64_t longest_us = 0;
    for (int i = 0; i < 30; i++) {
        uint64_t turned_us = clock_mono_us();
        turn_both(w);
        run_loop_us(w->base, 5000);
        uint64_t away_us = clock_mono_us() - turned_us;
        longest_us = away_us > longest_us ? away_us : longest_us;
    }
    return longest_us;
}

static void test_silent_while_the_loop_turns(void **state)
{
    struct world *w = *state;
    transport_applying(w->a.t, true);
    for (int tries = 0; tries < 100; tries++) {
        turn_both(w);
        run_loop_us(w->base, 5000); /* what was sent before comes before */
        size_t before = w->b.beats;
        if (turn_for_a_while(w) >= HEARTBEAT_US) /* a busy machine: it was away, and beats were due */
            continue;
        assert_int_equal(w->b.beats, before);
        return;
    }
    skip();
}

static void test_silent_when_not_applying(void **state)
{
    struct world *w = *state;
    turn_both(w);
    usleep(150000);
    run_loop_us(w->base, 5000);
    assert_int_equal(w->a.beats + w->b.beats, 0);
}

static void test_gives_up_after_ten_elections(void **state)
{
    struct world *w = *state;
    turn_both(w);
    transport_applying(w->a.t, true);
    usleep(10 * 60000 + 100000);
    run_loop_us(w->base, 5000);
    size_t beats = w->b.beats;
    assert_true(beats > 0);
    usleep(150000);
    run_loop_us(w->base, 5000);
    assert_int_equal(w->b.beats, beats);
}

static void test_beat_link_is_made_anew(void **state)
{
    struct world *w = *state;
    beat_drop(w->b.t->beat, 0, 1); /* b closes what a beats on */
    struct dial *d = &list_entry(w->a.t->links.next, struct link, node)->dials[CHANNEL_BEAT];
    uint64_t serial = d->serial;
    assert_true(RUN_UNTIL(w->base, 2000, d->state == DIAL_UP && d->serial != serial));
    test_leader_away(state);
}

/* -- injected faults
 * ------------------------------------------------------------------------------------------------ */

static void test_cut_and_heal(void **state)
{
    struct world *w = *state;
    struct transport_fault cut = {.peer = 2, .cut = true}, heal = {.peer = 2};
    transport_inject(w->a.t, &cut);
    peer_send_text(&w->a, 2, TRANSPORT_CONTROL, "out");
    peer_send_text(&w->b, 1, TRANSPORT_CONTROL, "in");
    turn_both(w);
    transport_applying(w->a.t, true);
    transport_applying(w->b.t, true);
    usleep(60000);
    run_loop_us(w->base, 30000);
    assert_int_equal(w->a.frames + w->b.frames, 0);
    assert_int_equal(w->a.beats + w->b.beats, 0);
    assert_int_equal(w->a.losts + w->b.losts, 0); /* silence, as in a partition */
    transport_inject(w->a.t, &heal);
    peer_send_text(&w->a, 2, TRANSPORT_CONTROL, "out");
    peer_send_text(&w->b, 1, TRANSPORT_CONTROL, "in");
    assert_true(RUN_UNTIL(w->base, 1000, w->a.frames == 1 && w->b.frames == 1));
}

static void test_cut_from_all_but_one(void **state)
{
    struct world *w = *state;
    struct transport_fault all = {.cut = true}, not2 = {.peer = 2};
    transport_inject(w->a.t, &all);
    peer_send_text(&w->a, 2, TRANSPORT_CONTROL, "lost");
    transport_inject(w->a.t, &not2);
    peer_send_text(&w->a, 2, TRANSPORT_CONTROL, "comes");
    assert_true(RUN_UNTIL(w->base, 1000, w->b.frames == 1));
    transport_inject(w->a.t, &all); /* all anew */
    peer_send_text(&w->a, 2, TRANSPORT_CONTROL, "lost");
    run_loop_us(w->base, 20000);
    assert_int_equal(w->b.frames, 1);
}

/* A cut node cannot be reached anew either, and nobody calls its process ended. */
static void test_restart_behind_a_cut(void **state)
{
    struct world *w = *state;
    struct transport_fault cut = {.peer = 2, .cut = true}, heal = {0};
    transport_inject(w->a.t, &cut);
    uint16_t port = w->b.port;
    peer_stop(&w->b);
    run_loop_us(w->base, 50000);
    assert_int_equal(w->a.losts, 1);
    assert_int_equal(w->a.gones, 0);
    peer_start(
        &w->b, w->base,
        (struct peer_options){.id = 2, .cluster_id = 9, .port = port, .boot_nonce = 5, .election_us = 60000});
    peer_dial(&w->b, &w->a, true);
    size_t ups = w->b.ups;
    run_loop_us(w->base, 100000);
    assert_int_equal(w->a.ups, 1);
    assert_int_equal(w->b.ups, ups);
    transport_inject(w->a.t, &heal);
    assert_true(RUN_UNTIL(w->base, 2000, w->a.ups == 2 && w->b.ups == ups + 1));
}

static void test_drops_about_the_share(void **state)
{
    struct world *w = *state;
    struct transport_fault drop = {.peer = 2, .drop_permille = 300};
    transport_inject(w->a.t, &drop);
    for (int i = 0; i < 2000; i++)
        peer_send_text(&w->a, 2, TRANSPORT_CONTROL, "x");
    run_loop_us(w->base, 100000);
    assert_in_range(w->b.frames, 1200, 1600);
}

static void test_delay_keeps_order(void **state)
{
    struct world *w = *state;
    struct transport_fault delay = {.delay_ms_max = 30};
    transport_inject(w->a.t, &delay);
    transport_inject(w->b.t, &delay);
    w->b.check_sequence = true;
    uint64_t since = clock_mono_us();
    for (uint64_t i = 0; i < 100; i++) {
        char head[8];
        store_u64(head, i);
        assert_true(transport_send(w->a.t, 2, TRANSPORT_CONTROL, slice_of(head, 8), NULL, 0));
        transport_flush(w->a.t);
        run_loop_us(w->base, 300);
    }
    assert_true(RUN_UNTIL(w->base, 1000, w->b.frames == 100));
    assert_true(clock_mono_us() - since > 35000);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    log_set_level(LOG_WARNING);
    const struct CMUnitTest tests[] = {
        TEST(test_leader_away),
        TEST(test_follower_away),
        TEST(test_away_node_answers),
        TEST(test_silent_while_the_loop_turns),
        TEST(test_silent_when_not_applying),
        TEST(test_gives_up_after_ten_elections),
        TEST(test_beat_link_is_made_anew),
        TEST(test_cut_and_heal),
        TEST(test_cut_from_all_but_one),
        TEST(test_restart_behind_a_cut),
        TEST(test_drops_about_the_share),
        TEST(test_delay_keeps_order),
    };
    return cmocka_run_group_tests_name("transport/beat", tests, NULL, NULL);
}
