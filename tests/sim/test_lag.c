/* Followers far behind, entries of 400 KB, links and disks that take longer over one of them than a heartbeat takes to come by:
 * what they lack is sent once, as fast as the link carries it, and a leader that cannot commit before they have it soon can.
 * While the others commit it is sent at a pace that leaves them room. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "scenario.h"

#include <stdlib.h>

enum { WRITES = 50, VALUE_BYTES = 400 << 10, LINK_BYTES_S = 10 << 20 };
enum {
    FED_WRITES = 50,
    FED_BYTES = 2 << 20 /* in all more than the leader keeps in memory */,
    PACE_BYTES_S = 32000000
};
enum { HUGE_WRITES = 3, HUGE_BYTES = 5 << 20 /* more than is read from the journal at a time */ };

struct writer {
    struct world *world;
    char *value;
    size_t value_len;
    uint32_t at_once, writes, asked, done;
    bool mixed; /* every other one is small */
};

static void answer(void *arg, uint32_t node, uint64_t ticket, const struct node_answer *a)
{
    struct writer *w = arg;
    (void)node, (void)ticket;
    assert_int_equal(a->outcome, NODE_DONE);
    w->done++;
}

static void read_ready(void *arg, uint32_t node, uint64_t ticket, enum node_outcome outcome, uint64_t now_ms)
{
    (void)arg, (void)node, (void)ticket, (void)outcome, (void)now_ms;
}

static void crashed(void *arg, uint32_t node)
{
    (void)arg, (void)node;
}

static void write_next(void *arg, uint32_t node)
{
    struct writer *w = arg;
    if (w->asked - w->done >= w->at_once || w->asked == w->writes || world_leader(w->world) != (int)node)
        return;
    struct slice argv[] = {SLICE_LITERAL("set"), SLICE_LITERAL("key"),
                           slice_of(w->value, w->mixed && w->asked % 2 ? 10 : w->value_len)};
    struct rsm_request req = {.kind = RSM_COMMAND, .user = SLICE_LITERAL("default"), .argv = argv, .argc = 3};
    struct buf error = BUF_EMPTY;
    assert_int_equal(node_write(world_node(w->world, node), &req, w->asked + 1, &error), NODE_PENDING);
    buf_deinit(&error);
    w->asked++;
}

static uint64_t applied(struct world *w, uint32_t i)
{
    struct node_status s;
    node_status(world_node(w, i), &s);
    return s.applied;
}

static void write_all(struct writer *w)
{
    uint64_t until_us = world_now_us(w->world) + 60 * SECOND;
    while (w->done < w->writes) {
        world_run(w->world, world_now_us(w->world) + 100000, write_next, w);
        assert_null(world_failed(w->world));
        assert_true(world_now_us(w->world) < until_us);
    }
}

static void run(struct world *w, uint64_t for_us)
{
    world_run(w, world_now_us(w) + for_us, NULL, NULL);
    assert_null(world_failed(w));
}

static struct world *new_world(uint64_t seed, uint64_t disk_us, struct writer *writer)
{
    writer->writes = writer->writes ? writer->writes : WRITES;
    writer->value_len = writer->value_len ? writer->value_len : VALUE_BYTES;
    writer->value = mem_calloc(1, writer->value_len);
    struct world_client_calls calls = {
        .arg = writer, .answer = answer, .read_ready = read_ready, .crashed = crashed};
    struct world_config config = {
        .seed = seed, .nodes = 3, .delay_us = 2000, .disk_us = disk_us, .lag_us = 400};
    struct world *w = writer->world = world_new(&config, &calls);
    while (world_leader(w) < 0)
        run(w, 100000);
    return w;
}

/* Two of three write while one is down; then the leader ends, and the other can commit nothing before the third has it all. */
static void one(uint64_t seed, const void *arg)
{
    struct writer writer = {.at_once = 1};
    struct world *w = new_world(seed, *(const uint64_t *)arg, &writer);
    uint32_t late = ((uint32_t)world_leader(w) + 1) % 3, other = (late + 1) % 3;
    world_crash(w, late);
    write_all(&writer);
    world_bulk(w, LINK_BYTES_S);
    uint64_t before = world_counts(w)->bulk_bytes, bytes = (uint64_t)WRITES * VALUE_BYTES;
    world_crash(w, (late + 2) % 3); /* the leader */
    world_start(w, late);
    /* Two elections at worst, their votes and the last acks waiting for the disk ten times; and what the link takes. */
    uint64_t disk_us = *(const uint64_t *)arg, start = world_now_us(w);
    uint64_t most = 2 * SECOND + 10 * disk_us + bytes * SECOND / LINK_BYTES_S * 3 / 2;
    while (world_leader(w) < 0 || applied(w, late) < applied(w, other)) {
        run(w, 50000);
        assert_in_range(world_now_us(w) - start, 0, most);
    }
    assert_in_range(world_counts(w)->bulk_bytes - before, bytes, bytes * 11 / 10);
    world_free(w);
    mem_free(writer.value);
}

/* How long the third takes to get what it missed, while the others write small ones, or nothing. */
static uint64_t feed_us(uint64_t seed, bool busy)
{
    struct writer writer = {.at_once = 1, .writes = FED_WRITES, .value_len = FED_BYTES};
    struct world *w = new_world(seed, 3000, &writer);
    uint32_t leader = (uint32_t)world_leader(w), late = (leader + 1) % 3;
    world_crash(w, late);
    write_all(&writer);
    uint64_t missed = applied(w, leader), start;
    writer.writes = busy ? UINT32_MAX : writer.asked;
    writer.value_len = 10;
    world_run(w, world_now_us(w) + 100000, write_next, &writer);
    world_start(w, late);
    for (start = world_now_us(w); applied(w, late) < missed;) {
        world_run(w, world_now_us(w) + 20000, write_next, &writer);
        assert_null(world_failed(w));
        assert_int_equal(world_leader(w), leader);
        assert_true(world_now_us(w) < start + 60 * SECOND);
    }
    uint64_t took_us = world_now_us(w) - start;
    world_free(w);
    mem_free(writer.value);
    return took_us;
}

static void paced(uint64_t seed, const void *arg)
{
    (void)arg;
    uint64_t at_pace_us = (uint64_t)FED_WRITES * FED_BYTES * SECOND / PACE_BYTES_S;
    assert_in_range(feed_us(seed, true), at_pace_us * 9 / 10, at_pace_us * 3 / 2);
    assert_in_range(feed_us(seed, false), 0, at_pace_us / 2);
}

/* Small entries behind big ones do not overtake them: they would be refused, and all sent again. */
static void small_among_big(uint64_t seed, const void *arg)
{
    (void)arg;
    struct writer writer = {.at_once = 4, .mixed = true};
    struct world *w = new_world(seed, 3000, &writer);
    world_bulk(w, LINK_BYTES_S);
    uint64_t before = world_counts(w)->bulk_bytes, bytes = (uint64_t)WRITES / 2 * VALUE_BYTES;
    write_all(&writer);
    run(w, 1 * SECOND);
    assert_in_range(world_counts(w)->bulk_bytes - before, 2 * bytes, 2 * bytes * 11 / 10);
    world_free(w);
    mem_free(writer.value);
}

/* An entry that is larger than what is read back at a time is read back all the same. */
static void huge(uint64_t seed, const void *arg)
{
    (void)arg;
    struct writer writer = {.at_once = 1, .writes = HUGE_WRITES, .value_len = HUGE_BYTES};
    struct world *w = new_world(seed, 3000, &writer);
    uint32_t late = ((uint32_t)world_leader(w) + 1) % 3;
    world_crash(w, late);
    write_all(&writer);
    uint64_t last = applied(w, (uint32_t)world_leader(w));
    for (uint32_t i = 0; i < 3; i++)
        if (i != late)
            world_crash(w, i);
    for (uint32_t i = 0; i < 3; i++)
        world_start(w, i);
    run(w, 3 * SECOND);
    for (uint32_t i = 0; i < 3; i++)
        assert_true(world_node(w, i) && applied(w, i) >= last);
    world_free(w);
    mem_free(writer.value);
}

static void test_paced(void **state)
{
    (void)state;
    scenario_seeds(2, paced, NULL);
}

static void test_huge(void **state)
{
    (void)state;
    scenario_seeds(2, huge, NULL);
}

static void test_small_among_big(void **state)
{
    (void)state;
    scenario_seeds(4, small_among_big, NULL);
}

static void test_slow_link(void **state)
{
    static const uint64_t disk_us = 3000;
    (void)state;
    scenario_seeds(4, one, &disk_us);
}

static void test_slow_link_and_disk(void **state)
{
    static const uint64_t disk_us = 400000;
    (void)state;
    scenario_seeds(4, one, &disk_us);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_small_among_big), cmocka_unit_test(test_slow_link),
        cmocka_unit_test(test_slow_link_and_disk), cmocka_unit_test(test_huge), cmocka_unit_test(test_paced)};
    if (getenv("ONLY_TEST"))
        cmocka_set_test_filter(getenv("ONLY_TEST"));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
