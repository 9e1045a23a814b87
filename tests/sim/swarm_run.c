/* One seed: the storm, then what must hold when it is over. */
#include "swarm_int.h"

#include "memory.h"

#include <stdarg.h>
#include <string.h>

enum { ELECTIONS_TO_SERVE = 20, ELECTION_US = 1000000 };

void run_wrong(struct run *r, const char *fmt, ...)
{
    if (r->wrong[0])
        return;
    va_list args;
    va_start(args, fmt);
    int at = snprintf(r->wrong, sizeof(r->wrong), "%.6f s: ", (double)world_now_us(r->world) / 1e6);
    vsnprintf(r->wrong + at, sizeof(r->wrong) - (size_t)at, fmt, args);
    va_end(args);
}

static bool fine(struct run *r)
{
    const char *wrong = world_failed(r->world) ? world_failed(r->world) : work_failed(r->work);
    if (wrong && !r->wrong[0])
        snprintf(r->wrong, sizeof(r->wrong), "%s", wrong);
    return r->wrong[0] == 0;
}

bool run_until(struct run *r, uint64_t at_us)
{
    world_run(r->world, at_us, work_turn, r->work);
    if (r->over)
        storm_start_ended(r);
    return fine(r);
}

static bool run_for(struct run *r, uint64_t us)
{
    return run_until(r, world_now_us(r->world) + us);
}

/* ---- what comes back from the nodes ------------------------------------------------------------------- */

enum { WRITE_DONE = 1, READ_DONE = 2 };

/* What was asked before run_probe proves nothing about the nodes since. */
static void probe_answered(struct run *r, uint64_t ticket, enum node_outcome outcome)
{
    if (outcome == NODE_DONE && (ticket & ~PROBE) >> 2 > r->probe_from)
        r->probe_done |= ticket & 3;
}

static void on_answer(void *arg, uint32_t node, uint64_t ticket, const struct node_answer *a)
{
    struct run *r = arg;
    if (ticket & ADMIN)
        admin_answered(r, ticket);
    else if (ticket & PROBE)
        probe_answered(r, ticket, a->outcome);
    else
        r->client_calls.answer(r->client_calls.arg, node, ticket, a);
}

static void on_read_ready(void *arg, uint32_t node, uint64_t ticket, enum node_outcome outcome,
                          uint64_t now_ms)
{
    struct run *r = arg;
    if (ticket & PROBE)
        probe_answered(r, ticket, outcome);
    else
        r->client_calls.read_ready(r->client_calls.arg, node, ticket, outcome, now_ms);
}

static void on_crashed(void *arg, uint32_t node)
{
    struct run *r = arg;
    admin_crashed(r, node);
    r->client_calls.crashed(r->client_calls.arg, node);
}

/* ---- does it serve? ----------------------------------------------------------------------------------- */

void run_probe(struct run *r)
{
    r->probe_done = 0;
    r->probe_from = r->ticket;
}

static void ask_write(struct run *r, struct node *n)
{
    struct slice argv[2] = {SLICE_LITERAL("del"), SLICE_LITERAL("probe")}; /* what maxmemory does not stop */
    struct rsm_request req = {
        .kind = RSM_COMMAND, .resp = 2, .user = SLICE_LITERAL("default"), .argv = argv, .argc = 2};
    struct buf error = BUF_EMPTY;
    struct node_asker who = {.ticket = PROBE | ++r->ticket << 2 | WRITE_DONE};
    node_forward(n, &req, false, &who, &error);
    buf_deinit(&error);
}

void run_write(struct run *r, struct node *n, uint32_t times)
{
    while (times--)
        ask_write(r, n);
}

void run_read(struct run *r, struct node *n, bool follower)
{
    uint64_t now_ms;
    if (node_read(n, 0, follower, PROBE | ++r->ticket << 2 | READ_DONE, &now_ms) == NODE_DONE)
        r->probe_done |= READ_DONE;
}

/* One of these nodes serves a write and a read. */
static bool serves(struct run *r, uint32_t bits, bool (*pass)(struct run *r, uint64_t until_us),
                   uint64_t end_us)
{
    uint32_t i = 0;
    run_probe(r);
    while (r->probe_done != (WRITE_DONE | READ_DONE) && world_now_us(r->world) < end_us) {
        do
            i = (i + 1) % WORLD_NODES_MAX;
        while (!(bits >> i & 1));
        struct node *n = world_node(r->world, i);
        if (n && !(r->probe_done & WRITE_DONE))
            ask_write(r, n);
        else if (n)
            run_read(r, n, true);
        if (!pass(r, world_now_us(r->world) + 100000))
            return false;
    }
    return r->probe_done == (WRITE_DONE | READ_DONE);
}

/* ---- the end ------------------------------------------------------------------------------------------ */

bool run_serves(struct run *r, uint32_t bits)
{
    if (!serves(r, bits, run_until, world_now_us(r->world) + ELECTIONS_TO_SERVE * ELECTION_US))
        run_wrong(r, "no node of %x serves", bits);
    return fine(r);
}

static uint32_t members(struct run *r)
{
    uint32_t bits = 0;
    for (uint32_t i = 0; i < world_count(r->world); i++)
        if (world_node(r->world, i) && world_is_member(r->world, world_node_id(r->world, i)))
            bits |= 1u << i;
    return bits;
}

/* Every node with one of these bits has applied what the first one has, and has the same state. */
static bool equal(struct run *r, uint32_t bits)
{
    struct node_status a, b;
    struct node *first = NULL;
    for (uint32_t i = 0; i < world_count(r->world); i++) {
        if (!(bits >> i & 1))
            continue;
        struct node *n = world_node(r->world, i);
        node_status(n, first ? &b : &a);
        if (first && (a.applied != b.applied || rsm_digest(node_rsm(first)) != rsm_digest(node_rsm(n))))
            return false;
        first = first ? first : n;
    }
    return first != NULL;
}

bool run_becomes_equal(struct run *r, uint32_t bits, uint64_t end_us)
{
    while (!equal(r, bits)) {
        if (world_now_us(r->world) >= end_us || !run_for(r, 100000))
            return false;
    }
    return true;
}

static bool quiet(struct run *r)
{
    work_pause(r->work, true);
    /* A SAVE whose checkpoint was lost with its leader is asked again after ten election timeouts. */
    for (int tries = 0; tries < 60 && (!work_idle(r->work) || r->open_count); tries++) {
        admin_lift_limits(r);
        if (!run_for(r, SECOND))
            return false;
    }
    if (!work_idle(r->work))
        run_wrong(r, "a client still waits");
    return fine(r);
}

static bool judge(struct run *r)
{
    uint32_t bits = members(r);
    if (!run_becomes_equal(r, bits, world_now_us(r->world) + 10 * SECOND)) {
        run_wrong(r, "members %x do not become equal", bits);
        return false;
    }
    if (r->open_count)
        run_wrong(r, "the %s asked of node %u at %.6f s is not answered", r->open[0].what, r->open[0].node,
                  (double)r->open[0].asked_us / 1e6);
    for (uint32_t i = 0; i < world_count(r->world); i++) {
        const char *wrong = bits >> i & 1 ? work_check(r->work, world_node(r->world, i)) : NULL;
        if (wrong)
            run_wrong(r, "node %u: %s", i, wrong);
    }
    return fine(r);
}

static bool make_whole(struct run *r)
{
    for (int tries = 0; tries < 90 && !admin_whole(r); tries++) {
        if (!run_for(r, SECOND))
            return false;
        admin_mend(r);
    }
    if (!admin_whole(r))
        run_wrong(r, "a lost node is not replaced");
    return fine(r) && quiet(r) && run_for(r, 4 * SECOND) && judge(r);
}

/* Damage that is there still is found, and made up for from the others. */
static bool mend_disks(struct run *r)
{
    bool damaged = true;
    for (int tries = 0; tries < 80 && damaged; tries++) {
        damaged = admin_damaged(r, tries % 8 == 0);
        if (damaged && !run_for(r, SECOND))
            return false;
    }
    if (damaged)
        run_wrong(r, "a disk stays damaged");
    return fine(r);
}

/* All is mended: the cluster serves, lost nodes are replaced, everybody agrees. */
static bool settle(struct run *r)
{
    storm_over(r);
    work_answers_within(r->work, 15 * SECOND);
    uint64_t end_us = world_now_us(r->world) + ELECTIONS_TO_SERVE * ELECTION_US + r->plan.pause_us;
    if (!serves(r, (1u << world_count(r->world)) - 1, run_until, end_us))
        run_wrong(r, "healed, and serves no %s", r->probe_done & WRITE_DONE ? "read" : "write");
    return fine(r) && make_whole(r) && mend_disks(r) && judge(r);
}

/* ---- liveness ----------------------------------------------------------------------------------------- */

/* A majority of the voters, as few as will do, with the nodes in a random order. */
static uint32_t choose_majority(struct run *r)
{
    uint32_t order[WORLD_NODES_MAX], n = world_count(r->world), voters = 0, bits = 0, chosen = 0;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t k = (uint32_t)prng_below(&r->chance, i + 1);
        order[i] = order[k];
        order[k] = i;
        voters += world_is_voter(r->world, world_node_id(r->world, i));
    }
    for (uint32_t i = 0; i < n && chosen * 2 <= voters; i++)
        if (!admin_lacks(r, order[i]) && world_is_voter(r->world, world_node_id(r->world, order[i]))) {
            bits |= 1u << order[i];
            chosen++;
        }
    return chosen * 2 > voters ? bits : 0;
}

/* Everything stays as broken as it is, except among a majority: it serves all the same. Where the leader is one of
 * them all of them come to be equal too; one outside may lead them, and not reach them all. */
static bool live(struct run *r)
{
    uint32_t bits = choose_majority(r);
    uint64_t from_us = world_now_us(r->world);
    if (bits == 0 || !admin_whole(r)) /* nobody knows who is a voter */
        return true;
    world_healthy(r->world, bits);
    for (uint32_t i = 0; i < world_count(r->world); i++) {
        r->nodes[i].stop_us = 0;
        world_crash_in_turn(r->world, i, 0);
        if (bits >> i & 1)
            storm_disk_over(r, i);
        if ((bits >> i & 1) && !world_node(r->world, i))
            world_start(r->world, i);
        if ((bits >> i & 1) && world_paused_until_us(r->world, i) > from_us)
            from_us = world_paused_until_us(r->world, i);
    }
    if (!storm_frozen(r, from_us))
        return false;
    if (!serves(r, bits, storm_frozen, from_us + ELECTIONS_TO_SERVE * ELECTION_US)) {
        run_wrong(r, "majority %x is whole, and serves no %s in %d election timeouts", bits,
                  r->probe_done & WRITE_DONE ? "read" : "write", ELECTIONS_TO_SERVE);
        return false;
    }
    return fine(r);
}

static uint32_t voters(struct run *r)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < world_count(r->world); i++)
        count += world_is_voter(r->world, world_node_id(r->world, i));
    return count;
}

/* ---- from beginning to end ---------------------------------------------------------------------------- */

static void begin(struct run *r, uint64_t seed, bool log)
{
    const struct plan *p = &r->plan;
    plan_draw(&r->plan, seed);
    prng_seed(&r->chance, seed ^ 0x73746f726d);
    struct world_config config = {.seed = seed,
                                  .nodes = p->nodes,
                                  .delay_us = p->delay_us,
                                  .disk_us = p->disk_us,
                                  .lag_us = p->lag_us,
                                  .late_us = p->late_us,
                                  .checkpoint_bytes = p->checkpoint_bytes,
                                  .events_max = 10000000 + p->length_us / 20,
                                  .frames_max = 100000,
                                  .log = log};
    struct work_config load = {.seed = seed,
                               .clients = p->clients,
                               .keys = p->keys,
                               .think_us = p->think_us,
                               .big_bytes = p->big_bytes,
                               .answer_us = 3600 * SECOND,
                               .sessions_expire = !p->clocks_trusted,
                               .trust_clocks = p->clocks_trusted};
    work_draw(&load);
    r->work = work_new(&load);
    r->client_calls = work_calls(r->work);
    struct world_client_calls calls = {
        .arg = r, .answer = on_answer, .read_ready = on_read_ready, .crashed = on_crashed};
    r->world = world_new(&config, &calls);
    work_bind(r->work, r->world);
    net_weather(r);
    r->fault_us = world_now_us(r->world) + prng_below(&r->chance, 4 * p->tempo_us);
}

static void add_up(struct run *r, struct swarm_sums *sums)
{
    const struct world_counts *c = world_counts(r->world);
    sums->simulated_us += world_now_us(r->world);
    struct work_counts w = work_counts(r->work);
    sums->ops += w.acked + w.reads;
    sums->exactly_once += w.exactly_once;
    sums->linearized += w.linearized;
    sums->unknown += w.unknown;
    sums->waited += w.waited;
    sums->handed += w.handed;
    sums->lagged += r->plan.clocks_trusted && world_time_lagged(r->world);
    sums->counts.events += c->events;
    sums->counts.frames += c->frames;
    sums->counts.crashes += c->crashes;
    sums->counts.members += c->members;
    sums->counts.snapshots += c->snapshots;
    for (int f = 0; f < FAULTS; f++)
        sums->counts.fired[f] += c->fired[f];
    for (int f = 0; f < DISK_FAULTS; f++)
        sums->disk[f] += world_disk_counts(r->world)->asked[f];
}

static uint64_t digest_of(struct run *r)
{
    uint64_t digest = world_digest(r->world);
    for (uint32_t i = 0; i < world_count(r->world); i++)
        if (world_node(r->world, i))
            digest = (digest ^ rsm_digest(node_rsm(world_node(r->world, i)))) * 0x9e3779b97f4a7c15ull;
    return digest;
}

bool run_seed(uint64_t seed, bool log, struct swarm_sums *sums, uint64_t *digest, char *wrong, size_t max)
{
    struct run r = {.mend_us = 0};
    uint64_t before = memory_in_use();
    begin(&r, seed, log);
    bool ok = storm(&r, world_now_us(r.world) + r.plan.length_us);
    if (ok && r.plan.liveness)
        ok = live(&r);
    ok = ok && settle(&r);
    if (ok && r.plan.weight[FAULT_TAMPER] && voters(&r) >= 3)
        ok = swarm_tamper(&r, members(&r)) && make_whole(&r);
    *digest = digest_of(&r);
    add_up(&r, sums);
    snprintf(wrong, max, "%s", r.wrong);
    world_free(r.world);
    work_free(r.work);
    if (ok && memory_in_use() != before) {
        snprintf(wrong, max, "%lld bytes are left", (long long)(memory_in_use() - before));
        ok = false;
    }
    sums->seeds++;
    sums->failed += !ok;
    return ok;
}
