/* Faults come one after the other, and what they have left is mended in its time. */
#include "swarm_int.h"

uint64_t storm_log_uniform(struct run *r, uint64_t low, uint64_t high)
{
    uint32_t doublings = 0;
    while (low << doublings < high)
        doublings++;
    uint64_t from = low << prng_below(&r->chance, doublings + 1);
    uint64_t drawn = from + prng_below(&r->chance, from);
    return drawn < high ? drawn : high;
}

/* The leader is where it hurts. */
uint32_t storm_victim(struct run *r)
{
    int leader = world_leader(r->world);
    if (leader >= 0 && prng_below(&r->chance, 3) == 0)
        return (uint32_t)leader;
    return (uint32_t)prng_below(&r->chance, world_count(r->world));
}

/* ---- processes ---------------------------------------------------------------------------------------- */

static uint32_t nodes_down(const struct run *r)
{
    uint32_t down = 0;
    for (uint32_t i = 0; i < world_count(r->world); i++)
        down += !world_node(r->world, i);
    return down;
}

static bool may_go_down(const struct run *r)
{
    uint32_t n = world_count(r->world);
    return r->plan.majority_may_go || n < 3 || nodes_down(r) < (n - 1) / 2;
}

void storm_crash(struct run *r, uint32_t i)
{
    world_crash(r->world, i);
    r->nodes[i].stop_us = 0;
    r->nodes[i].back_us = world_now_us(r->world) + storm_log_uniform(r, 200, r->plan.down_us);
}

static bool crash_many(struct run *r)
{
    bool any = false;
    for (uint32_t i = 0; i < world_count(r->world); i++)
        if (prng_below(&r->chance, 4) && may_go_down(r) && world_node(r->world, i)) {
            storm_crash(r, i);
            any = true;
        }
    return any;
}

/* As the server leaves: the office is handed over, within bounds. */
static void terminate(struct run *r, uint32_t i)
{
    struct buf error = BUF_EMPTY;
    if (node_is_serving(world_node(r->world, i)))
        node_transfer(world_node(r->world, i), 0, ADMIN, &error);
    buf_deinit(&error);
    r->nodes[i].stop_us = world_now_us(r->world) + 1 + prng_below(&r->chance, SECOND);
}

static bool process_fire(struct run *r, enum fault what)
{
    uint32_t i = storm_victim(r);
    if (what == FAULT_CRASH_MANY)
        return crash_many(r);
    if (!world_node(r->world, i))
        return false;
    if (what == FAULT_PAUSE) {
        world_pause(r->world, i, storm_log_uniform(r, 1000, r->plan.pause_us));
        return true;
    }
    if (!may_go_down(r))
        return false;
    switch (what) {
    case FAULT_CRASH:
        storm_crash(r, i);
        return true;
    case FAULT_CRASH_IN_TURN: /* counts itself when it comes to pass */
        world_crash_in_turn(r->world, i, (uint32_t)storm_log_uniform(r, 1, 64));
        return false;
    case FAULT_RESTARTS:
        r->nodes[i].restarts = 2 + (uint32_t)prng_below(&r->chance, 12);
        storm_crash(r, i);
        r->nodes[i].back_us = world_now_us(r->world) + 1;
        return true;
    case FAULT_TERM:
        terminate(r, i);
        return true;
    default:
        return false;
    }
}

/* Asked for again until it is in force: what is asked of a process ends with it. */
static void sync_always(struct run *r, uint32_t i)
{
    bool still = world_disk_rarely_synced(r->world, i);
    if (still && world_node(r->world, i))
        world_fsync(r->world, i, STORAGE_FSYNC_ALWAYS);
    r->nodes[i].sync_us = still ? world_now_us(r->world) + SECOND / 2 : 0;
}

/* Restarts, and ends that were set a time. */
static void processes_due(struct run *r)
{
    uint64_t now_us = world_now_us(r->world);
    for (uint32_t i = 0; i < world_count(r->world); i++) {
        if (r->nodes[i].room_us && now_us >= r->nodes[i].room_us) {
            world_disk_fault(r->world, i, DISK_ROOM, 0);
            r->nodes[i].room_us = 0;
        }
        if (r->nodes[i].sync_us && now_us >= r->nodes[i].sync_us)
            sync_always(r, i);
        if (world_node(r->world, i)) {
            if (r->nodes[i].stop_us && now_us >= r->nodes[i].stop_us)
                storm_crash(r, i);
        } else if (r->nodes[i].back_us == 0) { /* it ended within a turn */
            r->nodes[i].back_us = now_us + storm_log_uniform(r, 200, r->plan.down_us);
        } else if (now_us >= r->nodes[i].back_us) {
            world_start(r->world, i);
            r->nodes[i].back_us = 0;
            if (r->nodes[i].restarts && --r->nodes[i].restarts)
                r->nodes[i].stop_us = now_us + storm_log_uniform(r, 20, SECOND);
        }
    }
}

/* ---- clocks and disks --------------------------------------------------------------------------------- */

static bool clock_fire(struct run *r, enum fault what)
{
    uint32_t n = world_count(r->world), i = (uint32_t)prng_below(&r->chance, n);
    int64_t sign = prng_below(&r->chance, 2) ? 1 : -1;
    if (what == FAULT_TICK_DRIFT) {
        world_tick_drift(r->world, i, (int32_t)prng_below(&r->chance, 1001) - 500);
        return true;
    }
    if (r->plan.clocks_trusted) /* it is always the same one that is wrong */
        i = (uint32_t)(r->plan.seed % n);
    if (what == FAULT_CLOCK_JUMP)
        world_clock_jump(r->world, i, sign * (int64_t)storm_log_uniform(r, 1000, 3600 * SECOND));
    else
        world_wall_drift(r->world, i, (int32_t)(sign * (int64_t)storm_log_uniform(r, 10, 100000)));
    return true;
}

static uint64_t disk_amount(struct run *r, enum disk_fault kind)
{
    if (kind == DISK_HANG)
        return storm_log_uniform(r, 5000, 4 * SECOND);
    if (kind == DISK_SLOW)
        return prng_below(&r->chance, 3) ? storm_log_uniform(r, 1000, 200000) : 0;
    if (kind == DISK_RARE_SYNC)
        return prng_below(&r->chance, 2);
    return kind == DISK_LOSE_TAIL ? storm_log_uniform(r, 1, 64) : 0;
}

/* One of those that are on; DISK_FAULTS: none is. */
static enum disk_fault some_kind(struct run *r)
{
    uint64_t from = prng_below(&r->chance, DISK_FAULTS);
    for (uint64_t k = 0; k < DISK_FAULTS; k++)
        if (r->plan.disk[(from + k) % DISK_FAULTS])
            return (enum disk_fault)((from + k) % DISK_FAULTS);
    return DISK_FAULTS;
}

static bool damage_disk(struct run *r, uint32_t i)
{
    enum disk_fault kind = some_kind(r);
    bool down = kind == DISK_FLIP_MARK || kind == DISK_LOSE_TAIL || kind == DISK_HOLE ||
                kind == DISK_NO_STORE || kind == DISK_FLIP_BOTH_VOTES;
    bool up = kind == DISK_TEAR_MARK || kind == DISK_RARE_SYNC;
    bool either = (world_disk_fault_harms(kind) && !up) || kind == DISK_FLIP_ONE_VOTE || kind == DISK_REVIVE;
    if (kind == DISK_FAULTS || (world_disk_fault_harms(kind) && !admin_may_lose(r, i)))
        return false;
    if (world_node(r->world, i) && (down || (either && prng_below(&r->chance, 2))))
        storm_crash(r, i);
    if (!world_disk_fault(r->world, i, kind, disk_amount(r, kind)))
        return false;
    if (kind == DISK_FLIP_BOTH_VOTES)
        admin_lost(r, i);
    if (kind == DISK_FULL)
        r->nodes[i].room_us = world_now_us(r->world) + storm_log_uniform(r, 50000, 20 * SECOND);
    if (kind == DISK_RARE_SYNC)
        r->nodes[i].sync_us = world_now_us(r->world) + storm_log_uniform(r, 50000, 20 * SECOND);
    return true;
}

/* A backup is taken of every disk, or one is put back in its place. */
static bool restore(struct run *r)
{
    uint32_t n = world_count(r->world), from = (uint32_t)prng_below(&r->chance, n);
    bool back = prng_below(&r->chance, 2);
    for (uint32_t k = 0; k < n; k++) {
        uint32_t i = (from + k) % n;
        if (!back) {
            world_backup(r->world, i);
        } else if (admin_may_lose(r, i) && world_may_restore(r->world, i)) {
            storm_crash(r, i);
            if (!world_restore(r->world, i))
                continue;
            admin_lost(r, i);
            return true;
        }
    }
    return false;
}

static bool disk_fire(struct run *r, enum fault what)
{
    uint32_t i = storm_victim(r);
    if (what == FAULT_DISK)
        return damage_disk(r, i);
    if (what == FAULT_BACKUP)
        return restore(r);
    bool founds = r->plan.nodes == 1 && i == 0; /* alone in its list, as it is told to */
    if (founds || !admin_may_lose(r, i))
        return false;
    storm_crash(r, i);
    admin_lost(r, i);
    world_wipe(r->world, i);
    return true;
}

void storm_disk_over(struct run *r, uint32_t i)
{
    world_disk_calm_node(r->world, i);
    r->nodes[i].room_us = r->nodes[i].sync_us = 0;
}

/* ---- the storm ---------------------------------------------------------------------------------------- */

static bool fire(struct run *r, enum fault what)
{
    switch (what) {
    case FAULT_LOSS:
    case FAULT_LATE:
    case FAULT_TWICE:
    case FAULT_OVERTAKES:
    case FAULT_FORMER_LIFE:
        net_weather(r);
        return false; /* each frame counts */
    case FAULT_CRASH:
    case FAULT_CRASH_IN_TURN:
    case FAULT_CRASH_MANY:
    case FAULT_RESTARTS:
    case FAULT_TERM:
    case FAULT_PAUSE:
        return process_fire(r, what);
    case FAULT_CLOCK_JUMP:
    case FAULT_CLOCK_DRIFT:
    case FAULT_TICK_DRIFT:
        return clock_fire(r, what);
    case FAULT_DISK:
    case FAULT_BACKUP:
    case FAULT_WIPE:
        return disk_fire(r, what);
    case FAULT_ADD:
    case FAULT_REMOVE:
    case FAULT_REPLACE:
    case FAULT_TRANSFER:
    case FAULT_CHECKPOINT:
    case FAULT_SETTING:
        return admin_fire(r, what);
    case FAULT_TAMPER: /* when all else is over: swarm_tamper.c */
    case FAULTS:
        return false;
    default:
        return net_fire(r, what);
    }
}

static void fire_one(struct run *r)
{
    uint32_t sum = 0;
    for (int f = 0; f < FAULTS; f++)
        sum += r->plan.weight[f];
    if (sum == 0)
        return;
    uint64_t drawn = prng_below(&r->chance, sum);
    for (int f = 0; f < FAULTS; f++) {
        if (drawn < r->plan.weight[f]) {
            if (fire(r, (enum fault)f))
                world_counts(r->world)->fired[f]++;
            return;
        }
        drawn -= r->plan.weight[f];
    }
}

static void earlier_of(uint64_t *at_us, uint64_t other_us)
{
    if (other_us && other_us < *at_us)
        *at_us = other_us;
}

static uint64_t next_due(const struct run *r, uint64_t until_us)
{
    earlier_of(&until_us, r->fault_us);
    earlier_of(&until_us, r->cut_until_us);
    earlier_of(&until_us, r->flap.next_us);
    earlier_of(&until_us, r->mend_us);
    for (uint32_t i = 0; i < WORLD_NODES_MAX; i++) {
        earlier_of(&until_us, r->nodes[i].back_us);
        earlier_of(&until_us, r->nodes[i].stop_us);
        earlier_of(&until_us, r->nodes[i].room_us);
        earlier_of(&until_us, r->nodes[i].sync_us);
    }
    uint64_t soon_us = world_now_us(r->world) + 20; /* what became due while it could not be done */
    return until_us > soon_us ? until_us : soon_us;
}

bool storm(struct run *r, uint64_t until_us)
{
    while (world_now_us(r->world) < until_us) {
        if (!run_until(r, next_due(r, until_us)))
            return false;
        uint64_t now_us = world_now_us(r->world);
        processes_due(r);
        net_flap(r);
        if (r->cut_until_us && now_us >= r->cut_until_us)
            net_mend(r);
        if (now_us >= r->mend_us)
            admin_mend(r);
        if (now_us >= r->fault_us) {
            fire_one(r);
            r->fault_us = now_us + 1 + prng_below(&r->chance, 2 * r->plan.tempo_us);
        }
    }
    return true;
}

bool storm_frozen(struct run *r, uint64_t until_us)
{
    while (world_now_us(r->world) < until_us) {
        uint64_t at_us = until_us;
        earlier_of(&at_us, r->flap.next_us);
        if (at_us < world_now_us(r->world) + 20)
            at_us = world_now_us(r->world) + 20;
        if (!run_until(r, at_us))
            return false;
        net_flap(r);
    }
    return true;
}

void storm_start_ended(struct run *r)
{
    for (uint32_t i = 0; i < world_count(r->world); i++)
        if (!world_node(r->world, i))
            world_start(r->world, i);
}

void storm_over(struct run *r)
{
    world_heal(r->world);
    world_late(r->world, 0, 0);
    world_disorder(r->world, 0);
    world_flap(r->world, r->flap.a, r->flap.b, false);
    world_healthy(r->world, 0);
    r->cut_until_us = r->flap.next_us = 0;
    r->over = true;
    for (uint32_t i = 0; i < world_count(r->world); i++) {
        world_crash_in_turn(r->world, i, 0);
        storm_disk_over(r, i);
        r->nodes[i].back_us = r->nodes[i].stop_us = 0;
        r->nodes[i].restarts = 0;
    }
    storm_start_ended(r);
}
