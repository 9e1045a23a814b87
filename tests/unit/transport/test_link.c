/* Two and three transports in one process: who may talk to whom, what arrives, and what is told when a link
 * goes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* after those */
#include <cmocka.h>

#include "../tests/support/peers.h"
#include "../tests/support/ports.h"
#include "base/clock.h"
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
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    if (w->a.t)
        peer_stop(&w->a);
    if (w->b.t)
        peer_stop(&w->b);
    event_base_free(w->base);
    free(w);
    return 0;
}

static void start_both(struct world *w, struct peer_options a, struct peer_options b)
{
    a.id = 1;
    b.id = 2;
    peer_start(&w->a, w->base, a);
    peer_start(&w->b, w->base, b);
}

static void connect_both(struct world *w)
{
    start_both(w, (struct peer_options){.cluster_id = 9}, (struct peer_options){.cluster_id = 9});
    peer_dial(&w->a, &w->b, true);
    peer_dial(&w->b, &w->a, true);
    assert_true(RUN_UNTIL(w->base, 2000, w->a.ups == 1 && w->b.ups == 1));
}

static bool bulk_stands(struct peer *from, const struct peer *to)
{
    return transport_conn(from->t, to->id, TRANSPORT_BULK) != NULL;
}

static void test_handshake_and_frames(void **state)
{
    struct world *w = *state;
    connect_both(w);
    assert_int_equal(w->a.up_peer, 2);
    assert_string_equal(w->a.last_hello.name, "n2");
    assert_int_equal(w->a.last_hello.boot_nonce, 2001);
    assert_true(transport_is_up(w->a.t, 2));
    assert_false(transport_is_up(w->a.t, 3));
    peer_send_text(&w->a, 2, TRANSPORT_CONTROL, "hello");
    peer_send_text(&w->b, 1, TRANSPORT_CONTROL, "back");
    assert_true(RUN_UNTIL(w->base, 1000, w->a.frames == 1 && w->b.frames == 1));
    assert_int_equal(w->b.frame_from, 1);
    assert_true(slice_equal(buf_slice(&w->b.last_frame), SLICE_LITERAL("hello")));
    assert_true(slice_equal(buf_slice(&w->a.last_frame), SLICE_LITERAL("back")));
    assert_true(RUN_UNTIL(w->base, 1000, bulk_stands(&w->a, &w->b)));
    peer_send_text(&w->a, 2, TRANSPORT_BULK, "bulk");
    assert_true(RUN_UNTIL(w->base, 1000, w->b.frames == 2));
    assert_true(RUN_UNTIL(w->base, 1000, transport_conn(w->a.t, 2, TRANSPORT_NEWS) != NULL));
    transport_broadcast(w->a.t, SLICE_LITERAL("news"));
    transport_flush(w->a.t);
    assert_true(RUN_UNTIL(w->base, 1000, w->b.frames == 3));
    assert_true(slice_equal(buf_slice(&w->b.last_frame), SLICE_LITERAL("news")));
    assert_false(transport_send(w->a.t, 3, TRANSPORT_CONTROL, SLICE_LITERAL("nobody"), NULL, 0));
}

struct links_seen {
    size_t count[2];
    struct transport_link last[2]; /* by `inbound` */
};

static void see_link(void *arg, const struct transport_link *link)
{
    struct links_seen *seen = arg;
    seen->count[link->inbound]++;
    seen->last[link->inbound] = *link;
}

/* One each way, though there are several connections; what waits to be sent is counted. */
static void test_links_are_told(void **state)
{
    struct world *w = *state;
    struct links_seen seen = {0};
    uint64_t begun_us = clock_mono_us();
    start_both(w, (struct peer_options){.cluster_id = 9}, (struct peer_options){.cluster_id = 9});
    transport_links(w->a.t, see_link, &seen);
    assert_int_equal(seen.count[0] + seen.count[1], 0);
    peer_dial(&w->a, &w->b, true);
    assert_true(RUN_UNTIL(w->base, 2000, w->a.ups == 1 && bulk_stands(&w->a, &w->b)));
    transport_links(w->a.t, see_link, &seen);
    transport_links(w->b.t, see_link, &seen);
    assert_int_equal(seen.count[0], 1);
    assert_int_equal(seen.count[1], 1);
    assert_int_equal(seen.last[0].peer, 2);
    assert_int_equal(seen.last[1].peer, 1);
    assert_in_range(seen.last[0].since_us, begun_us, clock_mono_us());
    assert_in_range(seen.last[1].since_us, begun_us, clock_mono_us());
    assert_int_equal(seen.last[0].used, 0);
    assert_true(transport_send(w->a.t, 2, TRANSPORT_CONTROL, SLICE_LITERAL("waits"), NULL, 0));
    assert_true(transport_send(w->a.t, 2, TRANSPORT_BULK, SLICE_LITERAL("waits"), NULL, 0));
    transport_links(w->a.t, see_link, &seen);
    assert_true(seen.last[0].used > 2 * sizeof "waits" && seen.last[0].allocated > seen.last[0].used);
}

static void test_secret(void **state)
{
    struct world *w = *state;
    start_both(w, (struct peer_options){.secret = "sesame"}, (struct peer_options){.secret = "sesame"});
    peer_dial(&w->a, &w->b, true);
    assert_true(RUN_UNTIL(w->base, 2000, w->a.ups == 1));
}

static void expect_no_link(struct world *w)
{
    peer_dial(&w->a, &w->b, true);
    struct transport_stats sa, sb;
    run_loop_us(w->base, 200000);
    transport_stats(w->a.t, &sa);
    transport_stats(w->b.t, &sb);
    assert_int_equal(w->a.ups, 0);
    assert_false(transport_is_up(w->a.t, 2));
    assert_false(transport_send(w->a.t, 2, TRANSPORT_CONTROL, SLICE_LITERAL("x"), NULL, 0));
    assert_true(sa.refused > 0); /* both keep count */
    assert_true(sb.refused > 0);
    assert_int_equal(sa.junk + sb.junk, 0);
}

static void test_wrong_secret(void **state)
{
    struct world *w = *state;
    start_both(w, (struct peer_options){.secret = "sesame"}, (struct peer_options){.secret = "open"});
    expect_no_link(w);
    assert_int_equal(w->a.hellos + w->b.hellos, 0); /* nobody has proven to be who they say */
}

static void test_secret_on_one_side_only(void **state)
{
    struct world *w = *state;
    start_both(w, (struct peer_options){.secret = "sesame"}, (struct peer_options){0});
    expect_no_link(w);
    assert_int_equal(w->a.hellos + w->b.hellos, 0);
}

static void test_wrong_cluster(void **state)
{
    struct world *w = *state;
    start_both(w, (struct peer_options){.cluster_id = 5}, (struct peer_options){.cluster_id = 6});
    expect_no_link(w);
    assert_int_equal(w->a.hellos + w->b.hellos, 0);
}

static void test_wrong_target_is_told(void **state)
{
    struct world *w = *state;
    start_both(w, (struct peer_options){.secret = "s"}, (struct peer_options){.secret = "s"});
    transport_dial(w->a.t, "127.0.0.1", w->b.port, 77);
    assert_true(RUN_UNTIL(w->base, 1000, w->a.hellos > 0));
    assert_int_equal(w->a.last_hello.node_id, 2);
    assert_int_equal(w->a.ups, 0);
    assert_false(transport_is_up(w->a.t, 77));
    assert_false(transport_is_up(w->a.t, 2));
    struct transport_stats sb;
    transport_stats(w->b.t, &sb);
    assert_true(sb.refused > 0); /* the one who accepts sees it too */
}

static void test_admit_and_removed(void **state)
{
    struct world *w = *state;
    start_both(w, (struct peer_options){.secret = "s"}, (struct peer_options){.secret = "s"});
    w->b.refuse = TRANSPORT_REMOVED;
    expect_no_link(w);
    assert_true(w->b.hellos > 0);
    assert_int_equal(w->a.last_hello.node_id, 2);
    assert_true(w->a.last_hello.removed);
    w->b.refuse = NULL; /* added again */
    assert_true(RUN_UNTIL(w->base, 2000, transport_is_up(w->a.t, 2)));
    assert_false(w->a.last_hello.removed);
}

static void test_blank_nodes_learn_ids(void **state)
{
    struct world *w = *state;
    start_both(w, (struct peer_options){0}, (struct peer_options){0});
    uint32_t h = peer_dial(&w->a, &w->b, false);
    peer_dial(&w->b, &w->a, false);
    assert_int_equal(transport_handle_of(w->a.t, 2), 0);
    assert_true(RUN_UNTIL(w->base, 2000, w->a.ups == 1 && w->b.ups == 1));
    assert_int_equal(transport_handle_of(w->a.t, 2), h);
    /* Founding: one gets a cluster id and says so on the standing links. */
    struct transport_hello self = {
        .node_id = 1, .cluster_id = 9, .boot_nonce = 1001, .term = 1, .has_entries = true};
    size_t hellos = w->b.hellos;
    transport_set_self(w->a.t, &self);
    assert_true(RUN_UNTIL(w->base, 1000, w->b.hellos > hellos));
    peer_send_text(&w->a, 2, TRANSPORT_CONTROL, "still");
    assert_true(RUN_UNTIL(w->base, 1000, w->b.frames == 1));
    /* The other enters another cluster: they part, both ways. */
    struct transport_hello other = {.node_id = 2, .cluster_id = 10, .boot_nonce = 2001};
    transport_set_self(w->b.t, &other);
    assert_true(RUN_UNTIL(w->base, 1000, !transport_is_up(w->a.t, 2) && !transport_is_up(w->b.t, 1)));
    run_loop_us(w->base, 50000);
    assert_false(transport_is_up(w->a.t, 2) || transport_is_up(w->b.t, 1));
}

/* Before a node has an id it has nothing to say; who connects is heard once it has. */
static void test_no_id_yet(void **state)
{
    struct world *w = *state;
    peer_start(&w->a, w->base, (struct peer_options){.id = 1});
    peer_start(&w->b, w->base, (struct peer_options){.id = 0, .boot_nonce = 9});
    peer_dial(&w->a, &w->b, false);
    peer_dial(&w->b, &w->a, false);
    run_loop_us(w->base, 100000);
    assert_int_equal(w->a.hellos + w->b.hellos, 0);
    struct transport_hello self = {.node_id = 2, .boot_nonce = 9};
    transport_set_self(w->b.t, &self);
    assert_true(RUN_UNTIL(w->base, 1000, w->a.ups == 1 && w->b.ups == 1));
    assert_int_equal(w->a.up_peer, 2);
    struct transport_stats s;
    transport_stats(w->a.t, &s);
    assert_int_equal(s.junk + s.refused, 0);
    self.node_id = 0; /* given up */
    transport_set_self(w->b.t, &self);
    assert_true(RUN_UNTIL(w->base, 1000, !transport_is_up(w->a.t, 2) && !transport_is_up(w->b.t, 1)));
    run_loop_us(w->base, 50000);
    assert_false(transport_is_up(w->a.t, 2) || transport_is_up(w->b.t, 1));
}

static void test_two_addresses_of_one_node(void **state)
{
    struct world *w = *state;
    start_both(w, (struct peer_options){0}, (struct peer_options){0});
    peer_dial(&w->a, &w->b, false);
    uint32_t second = peer_dial(&w->a, &w->b, true);
    assert_true(RUN_UNTIL(w->base, 2000, w->a.ups == 2));
    run_loop_us(w->base, 300000);
    assert_int_equal(w->a.losts, 0); /* they do not push each other out */
    transport_hang_up(w->a.t, second);
    peer_send_text(&w->a, 2, TRANSPORT_CONTROL, "x");
    assert_true(RUN_UNTIL(w->base, 1000, w->b.frames == 1));
    assert_int_equal(w->a.losts, 0);
}

static void test_order_under_load(void **state)
{
    struct world *w = *state;
    connect_both(w);
    w->b.check_sequence = true;
    struct blob *blob = blob_new(NULL, 5000);
    memset(blob->data, 'x', blob->len);
    const uint64_t total = 20000;
    for (uint64_t n = 0; n < total;) {
        for (int i = 0; i < 50 && n < total; i++) {
            char head[8];
            store_u64(head, n);
            struct raft_block block = {1, 1, blob, n % 1000, n % 3 == 0 ? 100 : 3000};
            if (!transport_send(w->a.t, 2, TRANSPORT_CONTROL, slice_of(head, 8), &block, 1))
                break;
            n++;
        }
        transport_flush(w->a.t);
        event_base_loop(w->base, EVLOOP_NONBLOCK);
    }
    assert_true(RUN_UNTIL(w->base, 5000, w->b.frames == total));
    assert_int_equal(transport_queued(w->a.t, 2, TRANSPORT_CONTROL), 0);
    blob_unref(blob);
}

static void test_big_frame_kept(void **state)
{
    struct world *w = *state;
    connect_both(w);
    assert_true(RUN_UNTIL(w->base, 1000, bulk_stands(&w->a, &w->b)));
    size_t len = (size_t)100 << 20; /* above the queue's limit: goes alone */
    struct blob *blob = blob_new(NULL, len);
    for (size_t i = 0; i < len; i++)
        blob->data[i] = (char)(i * 31 >> 3);
    struct raft_block block = {1, 1, blob, 0, len};
    w->b.keep_blob = true;
    assert_true(transport_send(w->a.t, 2, TRANSPORT_BULK, SLICE_LITERAL("head"), &block, 1));
    assert_false(transport_send(w->a.t, 2, TRANSPORT_BULK, SLICE_LITERAL("second"), NULL, 0));
    transport_flush(w->a.t);
    peer_send_text(&w->a, 2, TRANSPORT_CONTROL, "overtakes");
    assert_true(RUN_UNTIL(w->base, 2000, w->b.frames == 1));
    assert_true(slice_equal(w->b.kept, SLICE_LITERAL("overtakes"))); /* bulk never delays control */
    assert_true(RUN_UNTIL(w->base, 10000, w->b.frames == 2));
    struct blob *kept = w->b.kept_blob;
    struct slice bytes = w->b.kept;
    w->b.kept_blob = NULL;
    peer_stop(&w->b); /* a kept blob outlives its transport */
    assert_int_equal(bytes.len, len + 4);
    assert_memory_equal(bytes.data + 4, blob->data, len);
    blob_unref(kept);
    blob_unref(blob);
}

static void test_queue_limit(void **state)
{
    struct world *w = *state;
    connect_both(w);
    struct blob *blob = blob_new(NULL, (size_t)1 << 20);
    memset(blob->data, 0, blob->len);
    struct raft_block block = {1, 1, blob, 0, blob->len};
    size_t taken = 0;
    while (transport_send(w->a.t, 2, TRANSPORT_CONTROL, SLICE_LITERAL("h"), &block, 1))
        taken++;
    assert_int_equal(taken, 63);
    assert_true(transport_queued(w->a.t, 2, TRANSPORT_CONTROL) <= CONTROL_QUEUE_MAX);
    transport_flush(w->a.t);
    assert_true(RUN_UNTIL(w->base, 5000, w->b.frames == taken));
    assert_true(transport_send(w->a.t, 2, TRANSPORT_CONTROL, SLICE_LITERAL("h"), &block, 1));
    blob_unref(blob);
}

static void test_process_gone_is_found_at_once(void **state)
{
    struct world *w = *state;
    connect_both(w);
    run_loop_us(w->base, 150000);
    uint16_t port = w->b.port;
    peer_stop(&w->b);
    uint64_t since = clock_mono_us();
    assert_true(RUN_UNTIL(w->base, 1000, w->a.gones == 1));
    printf("a refused port is found after %llu us\n", (unsigned long long)(w->a.gone_at_us - since));
    assert_int_equal(w->a.losts, 1);
    assert_int_equal(w->a.gone_peer, 2);
    assert_true(w->a.gone_at_us - since < 20000);
    peer_start(&w->b, w->base,
               (struct peer_options){.id = 2, .cluster_id = 9, .port = port, .boot_nonce = 2002});
    assert_true(RUN_UNTIL(w->base, 2000, w->a.ups == 2));
    assert_int_equal(w->a.gones, 1); /* told once a loss */
    assert_int_equal(w->a.last_hello.boot_nonce, 2002);
    peer_send_text(&w->a, 2, TRANSPORT_CONTROL, "again");
    assert_true(RUN_UNTIL(w->base, 1000, w->b.frames >= 1));
}

/* The peer is back before we look: its boot nonce gives it away. */
static void test_other_boot_means_gone(void **state)
{
    struct world *w = *state;
    connect_both(w);
    uint16_t port = w->b.port;
    peer_stop(&w->b);
    peer_start(&w->b, w->base,
               (struct peer_options){.id = 2, .cluster_id = 9, .port = port, .boot_nonce = 2002});
    assert_true(RUN_UNTIL(w->base, 2000, w->a.ups == 2));
    assert_int_equal(w->a.losts, 1);
    assert_int_equal(w->a.gones, 1);
}

static void test_reset_link_alone_is_not_gone(void **state)
{
    struct world *w = *state;
    connect_both(w);
    run_loop_us(w->base, 150000);
    struct conn *c = list_entry(w->b.t->accepted.next, struct conn, node);
    while (c->channel != TRANSPORT_CONTROL)
        c = list_entry(c->node.next, struct conn, node);
    struct linger reset = {1, 0};
    assert_int_equal(setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset), 0);
    conn_close(c);
    assert_true(RUN_UNTIL(w->base, 1000, w->a.ups == 2));
    assert_int_equal(w->a.losts, 1);
    assert_int_equal(w->a.gones, 0);
    run_loop_us(w->base, 100000);
    assert_int_equal(w->a.gones, 0);
    peer_send_text(&w->a, 2, TRANSPORT_CONTROL, "again");
    assert_true(RUN_UNTIL(w->base, 1000, w->b.frames == 1));
}

static void test_newest_connection_wins(void **state)
{
    struct world *w = *state;
    connect_both(w);
    run_loop_us(w->base, 50000);
    size_t before = w->b.t->accepted_count;
    /* The dialler forgets its connection without closing it, as after a cut line, and dials anew. */
    struct conn *old = transport_conn(w->a.t, 2, TRANSPORT_CONTROL);
    int copy = dup(old->fd);
    conn_break(old);
    assert_true(RUN_UNTIL(w->base, 1000, w->a.ups == 2));
    assert_true(RUN_UNTIL(w->base, 1000, w->b.t->accepted_count == before));
    char byte;
    assert_int_equal(recv(copy, &byte, 1, MSG_DONTWAIT), 0); /* the other end has closed it */
    close(copy);
    peer_send_text(&w->a, 2, TRANSPORT_CONTROL, "new");
    assert_true(RUN_UNTIL(w->base, 1000, w->b.frames == 1));
}

static void hang_up_at_frame(struct peer *p)
{
    transport_hang_up(p->t, transport_handle_of(p->t, p->frame_from));
}

static void test_hang_up_inside_a_callback(void **state)
{
    struct world *w = *state;
    connect_both(w);
    w->b.on_frame = hang_up_at_frame; /* closes the connection that is being read, with frames left in it */
    for (int i = 0; i < 10; i++)
        (void)transport_send(w->a.t, 2, TRANSPORT_CONTROL, SLICE_LITERAL("x"), NULL, 0);
    transport_flush(w->a.t);
    assert_true(RUN_UNTIL(w->base, 1000, w->b.frames > 0));
    assert_int_equal(w->b.frames, 1);
    run_loop_us(w->base, 50000);
    assert_int_equal(w->b.losts, 0); /* it was asked for */
    assert_int_equal(transport_handle_of(w->b.t, 1), 0);
    w->b.on_frame = NULL;
    peer_dial(&w->b, &w->a, true); /* removed and added again */
    assert_true(RUN_UNTIL(w->base, 2000, transport_is_up(w->b.t, 1) && transport_is_up(w->a.t, 2)));
}

static void test_node_changes_its_id(void **state)
{
    struct world *w = *state;
    connect_both(w);
    struct transport_hello self = {.node_id = 33, .boot_nonce = 2001};
    transport_set_self(w->b.t, &self);
    assert_true(RUN_UNTIL(w->base, 2000, w->a.last_hello.node_id == 33));
    assert_false(transport_is_up(w->a.t, 2)); /* whoever is there is not the one we dialled */
    assert_true(RUN_UNTIL(w->base, 2000, transport_is_up(w->b.t, 1)));
    peer_send_text(&w->b, 1, TRANSPORT_CONTROL, "x");
    assert_true(RUN_UNTIL(w->base, 1000, w->a.frames == 1));
    assert_int_equal(w->a.frame_from, 33);
}

static void test_dialling_nobody_and_itself(void **state)
{
    struct world *w = *state;
    peer_start(&w->a, w->base, (struct peer_options){.id = 1});
    transport_dial(w->a.t, "127.0.0.1", test_port(), 2);
    transport_dial(w->a.t, "localhost", w->a.port, 0);
    transport_dial(w->a.t, "no-such-host.invalid", w->a.port, 0);
    assert_true(RUN_UNTIL(w->base, 2000, w->a.last_hello.node_id == 1)); /* by name, through the resolver */
    run_loop_us(w->base, 100000);
    assert_int_equal(w->a.ups + w->a.losts + w->a.gones, 0);
}

/* The end of the process, or a peer given up, waits for no name server; what is looked up then is nobody's, and lost
 * nowhere (ASan). */
static void test_given_up_while_looked_up(void **state)
{
    struct world *w = *state;
    for (uint64_t wait_us = 0; wait_us < 4000; wait_us += 500) {
        peer_start(&w->a, w->base, (struct peer_options){.id = 1});
        transport_dial(w->a.t, "no-such-host.invalid", w->a.port, 0);
        transport_dial(w->a.t, "localhost", w->a.port, 0);
        run_loop_us(w->base, wait_us);
        peer_stop(&w->a);
    }
}

static void test_port_in_use(void **state)
{
    struct world *w = *state;
    peer_start(&w->a, w->base, (struct peer_options){.id = 1});
    struct transport_config c = {.base = w->base, .bind_host = "127.0.0.1 -::1", .port = w->a.port};
    c.self.node_id = 2;
    c.heartbeat_us = 50000;
    c.election_us = 1000000;
    struct transport_callbacks cb = {
        .frame = (void (*)(void *, uint64_t, enum transport_channel, struct slice, struct blob *))abort};
    char error[200] = "";
    assert_null(transport_new(&c, &cb, error, sizeof error));
    assert_non_null(strstr(error, "in use"));
}

static void test_throughput(void **state)
{
    struct world *w = *state;
    connect_both(w);
    w->b.check_sequence = true;
    const uint64_t total = 200000;
    uint64_t since = clock_mono_us();
    for (uint64_t n = 0; n < total;) {
        char head[100] = {0};
        for (int i = 0; i < 20 && n < total; i++, n++) {
            store_u64(head, n);
            if (!transport_send(w->a.t, 2, TRANSPORT_CONTROL, slice_of(head, sizeof head), NULL, 0))
                break;
        }
        transport_flush(w->a.t);
        event_base_loop(w->base, EVLOOP_NONBLOCK);
    }
    assert_true(RUN_UNTIL(w->base, 10000, w->b.frames == total));
    uint64_t us = clock_mono_us() - since;
    printf("%llu frames of 100 bytes, 20 a turn, both ends in one thread: %llu frames/s\n",
           (unsigned long long)total, (unsigned long long)(total * 1000000 / us));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    log_set_level(LOG_WARNING);
    const struct CMUnitTest tests[] = {
        TEST(test_handshake_and_frames),
        TEST(test_links_are_told),
        TEST(test_secret),
        TEST(test_wrong_secret),
        TEST(test_secret_on_one_side_only),
        TEST(test_wrong_cluster),
        TEST(test_wrong_target_is_told),
        TEST(test_admit_and_removed),
        TEST(test_blank_nodes_learn_ids),
        TEST(test_no_id_yet),
        TEST(test_two_addresses_of_one_node),
        TEST(test_order_under_load),
        TEST(test_big_frame_kept),
        TEST(test_queue_limit),
        TEST(test_process_gone_is_found_at_once),
        TEST(test_other_boot_means_gone),
        TEST(test_reset_link_alone_is_not_gone),
        TEST(test_newest_connection_wins),
        TEST(test_hang_up_inside_a_callback),
        TEST(test_node_changes_its_id),
        TEST(test_dialling_nobody_and_itself),
        TEST(test_given_up_while_looked_up),
        TEST(test_port_in_use),
        TEST(test_throughput),
    };
    return cmocka_run_group_tests_name("transport/link", tests, NULL, NULL);
}
