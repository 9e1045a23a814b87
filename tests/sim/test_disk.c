/* Whole nodes on disks that fail: damage within what Raft can survive is survived, is noticed, and nothing diverges.
 * SEED=n N=k runs k seeds from n on. time limit: 300 s */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "scenario.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ADMIN = 1ull << 62 };

struct plan {
    uint32_t nodes;
    uint64_t seconds;
    uint64_t kinds; /* bits of enum disk_fault */
    bool backups;
    struct faults faults;
};

static struct disk_counts total;

static void add_counts(const struct disk_counts *c)
{
    const uint64_t *from = (const uint64_t *)c;
    uint64_t *to = (uint64_t *)&total;
    for (size_t i = 0; i < sizeof(total) / sizeof(*to); i++)
        to[i] += from[i];
}

static enum disk_fault draw(struct prng *p, uint64_t kinds)
{
    enum disk_fault kind;
    do
        kind = (enum disk_fault)prng_below(p, DISK_RARE_SYNC); /* rare syncs are drawn by the swarm */
    while (!(kinds >> kind & 1));
    return kind;
}

/* One node's disk, up or down; what harms it only while the others can spare it. */
static void befall(struct scenario *s, const struct plan *plan)
{
    struct world *w = s->world;
    struct prng *p = world_chance(w);
    uint32_t i = (uint32_t)prng_below(p, world_count(w));
    enum disk_fault kind = draw(p, plan->kinds);
    if (world_disk_needs_replacing(w, i))
        return;
    if (plan->backups && prng_below(p, 3) == 0) {
        if (prng_below(p, 3)) {
            world_backup(w, i);
        } else if (world_disk_spare(w, i)) {
            world_crash(w, i);
            world_restore(w, i);
        }
        return;
    }
    bool harms = world_disk_fault_harms(kind);
    if (harms && !world_disk_spare(w, i))
        return;
    if (harms && prng_below(p, 2))
        world_crash(w, i);
    uint64_t amount = kind == DISK_LOSE_TAIL ? 1 + prng_below(p, 20) : prng_below(p, 2 * SECOND);
    if (kind == DISK_SLOW)
        amount = prng_below(p, 2) ? 0 : prng_below(p, 100000);
    world_disk_fault(w, i, kind, amount);
}

static bool is_member(struct scenario *s, uint64_t id)
{
    struct node_status status;
    if (world_leader(s->world) < 0)
        return true;
    node_status(world_node(s->world, (uint32_t)world_leader(s->world)), &status);
    for (size_t i = 0; i < status.peer_count; i++)
        if (status.peers[i].id == id)
            return true;
    return false;
}

/* Who cannot mend itself is forgotten, wiped, and joins anew. */
static void replace(struct scenario *s, uint32_t i)
{
    struct world *w = s->world;
    int leader = world_leader(w);
    struct buf error = BUF_EMPTY;
    if (leader < 0 || (uint32_t)leader == i)
        return;
    world_crash(w, i);
    node_forget(world_node(w, (uint32_t)leader), world_lost_id(w, i), ADMIN, &error);
    buf_deinit(&error);
    scenario_run(s, 2 * SECOND);
    if (!is_member(s, world_lost_id(w, i)) && world_leader(w) >= 0) {
        world_wipe(w, i);
        world_rejoin(w, i, (uint32_t)world_leader(w));
    }
}

static void mend(struct scenario *s)
{
    for (int tries = 0; tries < 20; tries++) {
        bool whole = true;
        for (uint32_t i = 0; i < world_count(s->world); i++) {
            if (world_disk_needs_replacing(s->world, i))
                replace(s, i);
            else if (world_disk_damaged(s->world, i) && tries % 4 == 1)
                world_crash(s->world, i); /* what is latent is found at the next start */
            whole = whole && world_node(s->world, i) && !world_disk_damaged(s->world, i);
        }
        if (whole)
            return;
        scenario_heal(s);
        scenario_run(s, 3 * SECOND);
    }
    scenario_fail(s, "a disk is still damaged");
}

static uint64_t run(uint64_t seed, const struct plan *plan)
{
    struct scenario s;
    scenario_new(&s, seed, plan->nodes, &plan->faults, NULL);
    scenario_run(&s, 2 * SECOND);
    uint64_t end = world_now_us(s.world) + plan->seconds * SECOND;
    while (world_now_us(s.world) < end) {
        scenario_run(&s, 20000 + prng_below(world_chance(s.world), SECOND));
        befall(&s, plan);
        scenario_fault(&s, &plan->faults);
    }
    world_disk_calm(s.world);
    scenario_heal(&s);
    scenario_run(&s, 4 * SECOND);
    mend(&s);
    scenario_settle(&s, 0);
    const struct disk_counts *counts = world_disk_counts(s.world);
    add_counts(counts);
    uint64_t digest = world_digest(s.world) ^ rsm_digest(node_rsm(world_node(s.world, 0)));
    scenario_free(&s);
    return digest;
}

static void one(uint64_t seed, const void *arg)
{
    run(seed, arg);
}

#define BIT(kind) (1ull << (kind))
#define ALL       (BIT(DISK_RARE_SYNC) - 1)
#define HARMLESS  (BIT(DISK_TEAR_MARK) - 1)

/* So many seeds, and those that have found something in kvorum. */
static void seeds(const struct plan *plan, uint64_t count, const uint64_t *kept)
{
    scenario_seeds(count, one, plan);
    for (size_t i = 0; !getenv("SEED") && kept[i]; i++)
        run(kept[i], plan);
}

static void expect(enum disk_fault kind)
{
    if (!getenv("SEED") && total.asked[kind] == 0)
        fail_msg("never fired: %s", disk_fault_name(kind));
}

static void test_failing(void **state)
{
    (void)state;
    static const uint64_t kept[] = {7, 40, 109, 0};
    struct plan plan = {3, 20, HARMLESS, false, {.crash = true, .cut = true}};
    seeds(&plan, 5, kept + 2);
    plan.faults.snapshots = true;
    seeds(&plan, 6, kept);
    for (int kind = 0; kind < DISK_TEAR_MARK; kind++)
        expect((enum disk_fault)kind);
}

static void test_damaged(void **state)
{
    (void)state;
    static const uint64_t kept[] = {14, 24, 28, 5, 47, 0};
    struct plan plan = {3, 20, ALL, false, {.crash = true, .cut = true, .late = true}};
    seeds(&plan, 5, kept);
    plan.faults.snapshots = true;
    seeds(&plan, 10, kept);
    plan.nodes = 5;
    seeds(&plan, 4, kept + 4);
    for (int kind = 0; kind < DISK_RARE_SYNC; kind++)
        expect((enum disk_fault)kind);
}

static void test_rolled_back(void **state)
{
    (void)state;
    struct plan plan = {3, 20, BIT(DISK_HANG), true, {.crash = true, .snapshots = true}};
    scenario_seeds(18, one, &plan);
    if (!getenv("SEED"))
        assert_true(total.backups_restored > 0);
}

static void checkpoint(struct scenario *s, uint32_t i)
{
    struct buf error = BUF_EMPTY;
    node_checkpoint(world_node(s->world, i), false, ADMIN, &error);
    buf_deinit(&error);
    scenario_run(s, SECOND / 10);
}

/* An entry took another one's place in the journal, and just that write got lost: the old one fits in between, by its index. */
static void lost_write(uint64_t seed, const void *arg)
{
    struct scenario s;
    (void)arg;
    scenario_few_keys(&s, seed, 3, 6);
    struct world *w = s.world;
    for (int round = 0; round < 8; round++) {
        scenario_quiet(&s);
        int leader = world_leader(w);
        if (leader < 0)
            scenario_fail(&s, "no leader");
        uint32_t old = (uint32_t)leader;
        for (uint32_t i = 0; i < 3; i++)
            world_cut(w, old, i, i != old);
        scenario_write(&s, old);
        scenario_run(&s, 3 * SECOND); /* another leads, and begins its term with an entry */
        world_heal(w);
        scenario_run(&s, SECOND / 2);
        uint64_t behind = round % 2 ? scenario_between(&s, 1, 4) : prng_below(world_chance(w), 8);
        for (uint64_t i = 0; round % 2 && i < behind;
             i++) { /* counted, so that it is the one in the old one's place */
            scenario_write(&s, scenario_leader(&s));
            scenario_run(&s, SECOND / 50);
        }
        work_pause(s.work, false);
        if (round % 2 == 0)
            scenario_run(&s, scenario_between(&s, 5000, 50000));
        world_crash(w, old);
        if (world_disk_spare(w, old))
            world_lose_write(w, old, behind);
        scenario_heal(&s);
        scenario_run(&s, SECOND);
        mend(&s);
    }
    scenario_settle(&s, 0);
    add_counts(world_disk_counts(w));
    scenario_free(&s);
}

static void test_lost_write(void **state)
{
    (void)state;
    scenario_seeds(4, lost_write, NULL);
}

/* One voter was away, another one's disk has lost what it acked: without the third, who has it all, nobody leads. That one may
 * be heard for a while, and say how much there is, before it goes too. */
static void two_lack_it(uint64_t seed, const void *arg)
{
    struct scenario s;
    const bool heard = *(const bool *)arg;
    scenario_few_keys(&s, seed, 3, 12);
    struct world *w = s.world;
    for (int round = 0; round < 4; round++) {
        int leader = world_leader(w);
        if (leader < 0)
            scenario_fail(&s, "no leader");
        uint32_t whole = (uint32_t)leader, away = (whole + 1) % 3, liar = (whole + 2) % 3;
        world_cut(w, away, whole, true);
        world_cut(w, away, liar, true);
        if (heard)
            checkpoint(&s, liar);
        scenario_run(&s, scenario_between(&s, 20000, 100000));
        world_crash(w, liar);
        if (world_disk_spare(w, liar))
            world_disk_fault(w, liar, DISK_LOSE_TAIL, scenario_between(&s, 1, heard ? 10 : 40));
        if (heard) { /* what it asks for does not arrive */
            world_cut_way(w, liar, whole, true);
            world_start(w, liar);
            scenario_run(&s, SECOND / 5);
        }
        world_crash(w, whole);
        world_heal(w);
        if (!world_node(w, liar))
            world_start(w, liar);
        if (prng_below(world_chance(w), 2)) { /* what it has found out it still knows at the next start */
            world_crash(w, liar);
            world_start(w, liar);
        }
        scenario_run(&s, 4 * SECOND);
        scenario_heal(&s);
        scenario_run(&s, 3 * SECOND);
        mend(&s);
    }
    scenario_settle(&s, 0);
    add_counts(world_disk_counts(w));
    scenario_free(&s);
}

static void test_two_lack_it(void **state)
{
    static const bool unheard = false, heard = true;
    (void)state;
    scenario_seeds(4, two_lack_it, &unheard);
    scenario_seeds(4, two_lack_it, &heard);
}

/* A leader that has restarted reads what a follower lacks from its journal, and finds it damaged: it ends, rather than hand it
 * on. */
static void spread(uint64_t seed, const void *arg)
{
    struct scenario s;
    (void)arg;
    scenario_few_keys(&s, seed, 3, 6);
    struct world *w = s.world;
    for (int round = 0; round < 5; round++) {
        if (world_leader(w) < 0)
            scenario_fail(&s, "no leader");
        uint32_t late = ((uint32_t)world_leader(w) + 1) % 3;
        world_crash(w, late);
        scenario_run(&s, SECOND);
        for (uint32_t i = 1; i < 3; i++) {
            world_crash(w, (late + i) % 3);
            world_start(w, (late + i) % 3);
            scenario_run(&s, 2 * SECOND);
        }
        int leader = world_leader(w);
        if (leader >= 0 && world_disk_spare(w, (uint32_t)leader))
            world_disk_fault(w, (uint32_t)leader, DISK_FLIP_JOURNAL, 0);
        world_start(w, late);
        scenario_run(&s, 2 * SECOND);
        scenario_heal(&s);
        scenario_run(&s, 2 * SECOND);
        mend(&s);
    }
    scenario_settle(&s, 0);
    add_counts(world_disk_counts(w));
    scenario_free(&s);
}

static void test_spread(void **state)
{
    (void)state;
    scenario_seeds(4, spread, NULL);
}

/* A leader's snapshot rots while it runs, and somebody needs it: it sends none of that, writes another one and goes on. */
static void rot_at_the_leader(uint64_t seed, const void *arg)
{
    struct scenario s;
    (void)arg;
    const struct faults f = {.snapshots = true};
    scenario_new(&s, seed, 3, &f, NULL);
    scenario_run(&s, 6 * SECOND);
    scenario_quiet(&s); /* else a newer one comes by itself before anybody has read this one */
    int leader = world_leader(s.world);
    uint32_t lost = (uint32_t)(leader + 1) % 3;
    if (leader < 0 || !world_disk_fault(s.world, (uint32_t)leader, DISK_FLIP_SNAPSHOT, 0))
        scenario_fail(&s, "no leader with a snapshot");
    world_crash(s.world, lost);
    world_wipe(s.world, lost);
    replace(&s, lost);
    scenario_run(&s, 6 * SECOND);
    if (world_disk_damaged(s.world, lost))
        scenario_fail(&s, "the new node does not come to hold the state");
    scenario_settle(&s, 0);
    if (world_disk_counts(s.world)->ended || !world_disk_counts(s.world)->snapshots_set_aside)
        scenario_fail(&s, "not noticed, or not by the one who runs");
    add_counts(world_disk_counts(s.world));
    scenario_free(&s);
}

static void test_rotten_snapshot(void **state)
{
    (void)state;
    scenario_seeds(4, rot_at_the_leader, NULL);
}

static void test_same_seed_same_run(void **state)
{
    (void)state;
    struct plan plan = {3, 10, ALL, true, {.crash = true, .cut = true, .snapshots = true}};
    assert_int_equal(run(42, &plan), run(42, &plan));
}

static void print(void)
{
    for (int i = 0; i < DISK_FAULTS; i++)
        print_message("%8llu %s\n", (unsigned long long)total.asked[i], disk_fault_name((enum disk_fault)i));
    print_message(
        "crashes torn %llu, power cuts %llu, kills %llu, slots torn %llu, marks torn %llu stale %llu,\n"
        "unsynced lost %llu, renames lost %llu, revived %llu, ended %llu, recoveries cut %llu,\n"
        "short logs %llu, replaced %llu, set aside %llu, refused %llu, restored %llu\n",
        (unsigned long long)total.crashes_torn, (unsigned long long)total.power_cuts,
        (unsigned long long)total.kills, (unsigned long long)total.slots_torn,
        (unsigned long long)total.marks_torn, (unsigned long long)total.marks_stale,
        (unsigned long long)total.unsynced_lost, (unsigned long long)total.renames_lost,
        (unsigned long long)total.revived, (unsigned long long)total.ended,
        (unsigned long long)total.recoveries_cut, (unsigned long long)total.short_logs,
        (unsigned long long)total.journals_replaced, (unsigned long long)total.snapshots_set_aside,
        (unsigned long long)total.starts_refused, (unsigned long long)total.backups_restored);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_failing),     cmocka_unit_test(test_damaged),
        cmocka_unit_test(test_rolled_back), cmocka_unit_test(test_lost_write),
        cmocka_unit_test(test_spread),      cmocka_unit_test(test_rotten_snapshot),
        cmocka_unit_test(test_two_lack_it), cmocka_unit_test(test_same_seed_same_run),
    };
    if (getenv("ONLY_TEST"))
        cmocka_set_test_filter(getenv("ONLY_TEST"));
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    print();
    return failed;
}
