/* Administrators: members come and go, lost disks are replaced, and what else is asked of a cluster that runs. Nothing they do
 * takes more from the cluster than Raft can spare: a majority of the voters keeps its disks. */
#include "../support/writes.h"
#include "swarm_int.h"

#include <string.h>

static uint64_t opened(struct run *r, uint32_t node, const char *what)
{
    if (r->open_count == sizeof(r->open) / sizeof(r->open[0]))
        return ADMIN; /* nobody waits for this one */
    r->open[r->open_count].ticket = ADMIN | ++r->ticket;
    r->open[r->open_count].node = node;
    r->open[r->open_count].what = what;
    r->open[r->open_count].asked_us = world_now_us(r->world);
    return r->open[r->open_count++].ticket;
}

void admin_answered(struct run *r, uint64_t ticket)
{
    for (size_t i = 0; i < r->open_count; i++)
        if (r->open[i].ticket == ticket)
            r->open[i--] = r->open[--r->open_count];
}

void admin_crashed(struct run *r, uint32_t node)
{
    for (size_t i = 0; i < r->open_count; i++)
        if (r->open[i].node == node)
            r->open[i--] = r->open[--r->open_count];
}

/* What was refused at once has its answer. */
static void settled(struct run *r, enum node_outcome outcome, uint64_t ticket, struct buf *error)
{
    if (outcome != NODE_PENDING)
        admin_answered(r, ticket);
    buf_deinit(error);
}

/* ---- members ------------------------------------------------------------------------------------------ */

bool admin_lacks(const struct run *r, uint32_t i)
{
    return r->nodes[i].lost_id || world_disk_damaged(r->world, i);
}

/* The voters of now, those among them whose id is lost with its disk (no node has it) and those who only lack a tail. Where a
 * log tells of fewer, so many: who wrote it may be down, and the cluster go on by it. */
static uint32_t voters(struct run *r, uint32_t *lost)
{
    uint32_t count = 0;
    *lost = 0;
    for (uint32_t i = 0; i < world_count(r->world); i++) {
        uint64_t lost_id = r->nodes[i].lost_id;
        count += world_is_voter(r->world, world_node_id(r->world, i));
        if (lost_id && lost_id != world_node_id(r->world, i))
            count += world_is_voter(r->world, lost_id);
        *lost += admin_lacks(r, i);
    }
    uint32_t written = world_voters_written(r->world);
    return written && written < count ? written : count;
}

static bool spared(uint32_t voters_after, uint32_t lost)
{
    return lost * 2 < voters_after;
}

/* Asked, and perhaps done only when somebody else is lost. */
static bool removal_under_way(const struct run *r)
{
    for (size_t k = 0; k < r->open_count; k++)
        if (strcmp(r->open[k].what, "FORGET") == 0)
            return true;
    return false;
}

bool admin_may_lose(struct run *r, uint32_t i)
{
    uint32_t lost, have = voters(r, &lost);
    if (removal_under_way(r))
        return false;
    if (!world_is_voter(r->world, world_node_id(r->world, i)) || admin_lacks(r, i))
        return false;
    return spared(have, lost + 1) && world_disk_spare(r->world, i);
}

void admin_lost(struct run *r, uint32_t i)
{
    r->nodes[i].lost_id = world_node_id(r->world, i);
}

static uint32_t some_member(struct run *r)
{
    uint32_t n = world_count(r->world), from = (uint32_t)prng_below(&r->chance, n);
    for (uint32_t k = 0; k < n; k++) {
        uint32_t i = (from + k) % n;
        if (world_node(r->world, i) && world_is_member(r->world, world_node_id(r->world, i)) &&
            !r->nodes[i].lost_id)
            return i;
    }
    return n;
}

static bool forget(struct run *r, uint64_t id)
{
    uint32_t at = some_member(r);
    struct buf error = BUF_EMPTY;
    if (at == world_count(r->world))
        return false;
    uint64_t ticket = opened(r, at, "FORGET");
    settled(r, world_forget(r->world, at, id, ticket), ticket, &error);
    return true;
}

/* As an administrator would: the node is stopped, its directory emptied, and started with --join. */
static bool join_anew(struct run *r, uint32_t i)
{
    uint32_t via = some_member(r);
    if (via == world_count(r->world) || via == i)
        return false;
    world_crash(r->world, i);
    world_wipe(r->world, i);
    world_rejoin(r->world, i, via);
    r->nodes[i].back_us = r->nodes[i].stop_us = 0;
    return true;
}

/* A node that was let in and then emptied once more has left its id in its place. */
static bool make_room(struct run *r, uint32_t i)
{
    uint64_t holder = world_place_holder(r->world, i);
    return holder && holder != world_node_id(r->world, i) && forget(r, holder);
}

static bool add(struct run *r)
{
    for (uint32_t i = 0; i < world_count(r->world); i++)
        if (!world_is_member(r->world, world_node_id(r->world, i)) && !r->nodes[i].lost_id) {
            if (make_room(r, i) || !join_anew(r, i))
                return false;
            world_disk_replaced(r->world, i);
            return true;
        }
    uint32_t via = some_member(r);
    if (via == world_count(r->world) || world_count(r->world) == WORLD_NODES_MAX)
        return false;
    world_add(r->world, via);
    return true;
}

static bool put_out(struct run *r)
{
    uint32_t lost, have = voters(r, &lost), who = some_member(r);
    if (who == world_count(r->world) || have < 3 || !spared(have - 1, lost))
        return false;
    return forget(r, world_node_id(r->world, who));
}

/* The other way to get rid of a node's contents: it is put out, and comes back as a new one at once. */
static bool replace(struct run *r)
{
    uint32_t lost, have = voters(r, &lost), who = some_member(r);
    if (who == world_count(r->world) || have < 3 || !spared(have - 1, lost))
        return false;
    r->nodes[who].lost_id = world_node_id(r->world, who);
    return true;
}

static void mend_one(struct run *r, uint32_t i)
{
    uint64_t id = world_node_id(r->world, i);
    if (id != r->nodes[i].lost_id && world_is_voter(r->world, id)) {
        r->nodes[i].lost_id = 0; /* it has come back under a new id */
        world_disk_replaced(r->world, i);
    } else if (world_is_member(r->world, r->nodes[i].lost_id))
        forget(r, r->nodes[i].lost_id);
    else if (!make_room(r, i) && !world_is_member(r->world, id) &&
             prng_below(&r->chance, 3)) /* else it may be about to be let in */
        join_anew(r, i);
}

void admin_mend(struct run *r)
{
    for (uint32_t i = 0; i < world_count(r->world); i++) {
        /* Gone by itself; or it was put out, and whom it asks to be let in anew has gone as well. */
        if (!r->nodes[i].lost_id && world_disk_needs_replacing(r->world, i))
            r->nodes[i].lost_id = world_lost_id(r->world, i);
        if (r->nodes[i].lost_id && world_leader(r->world) >= 0)
            mend_one(r, i);
    }
    r->mend_us = world_now_us(r->world) + SECOND / 2 + prng_below(&r->chance, 3 * SECOND);
}

bool admin_whole(const struct run *r)
{
    for (uint32_t i = 0; i < world_count(r->world); i++)
        if (r->nodes[i].lost_id || world_disk_needs_replacing(r->world, i))
            return false;
    return true;
}

bool admin_damaged(struct run *r, bool restart)
{
    bool any = false;
    for (uint32_t i = 0; i < world_count(r->world); i++) {
        bool damaged =
            world_disk_damaged(r->world, i) &&
            world_is_member(r->world, world_node_id(r->world, i)); /* others get nothing any more */
        any = any || damaged;
        if (world_disk_rarely_synced(r->world, i))
            world_disk_calm_node(r->world, i);
        if (restart && damaged && world_node(r->world, i) && !world_disk_needs_replacing(r->world, i))
            world_crash(r->world, i);
    }
    return any;
}

/* ---- the rest ----------------------------------------------------------------------------------------- */

static bool transfer(struct run *r, uint32_t to)
{
    int leader = world_leader(r->world);
    struct buf error = BUF_EMPTY;
    if (leader < 0)
        return false;
    uint64_t ticket = opened(r, (uint32_t)leader, "FAILOVER");
    settled(
        r, node_transfer(world_node(r->world, (uint32_t)leader), world_node_id(r->world, to), ticket, &error),
        ticket, &error);
    return true;
}

static bool checkpoint(struct run *r, uint32_t at)
{
    struct buf error = BUF_EMPTY;
    bool wait = prng_below(&r->chance, 2);
    uint64_t ticket = opened(r, at, wait ? "SAVE" : "BGSAVE");
    settled(r, node_checkpoint(world_node(r->world, at), wait, ticket, &error), ticket, &error);
    return true;
}

static void set_to(struct run *r, uint32_t at, const char *name, uint64_t number, uint64_t ticket)
{
    char value[24];
    struct buf error = BUF_EMPTY;
    struct slice pair[2] = {slice_cstr(name)};
    pair[1] = slice_of(value, (size_t)snprintf(value, sizeof(value), "%llu", (unsigned long long)number));
    struct rsm_request req = {
        .kind = RSM_SETTING, .resp = 2, .user = SLICE_LITERAL("default"), .argv = pair, .argc = 2};
    settled(r, node_write(world_node(r->world, at), &req, ticket, &error), ticket, &error);
}

/* Memory is that of all nodes and of the world: a limit may shut out every write for ever. */
void admin_lift_limits(struct run *r)
{
    int leader = world_leader(r->world);
    if (r->plan.weight[FAULT_SETTING] && leader >= 0)
        set_to(r, (uint32_t)leader, "maxmemory", 0, ADMIN);
}

/* Of users, who are nobody's, and of settings that no client notices: what is looked at is that all nodes come to know the same.
 * As an entry of its own, or in a transaction. */
static void change(struct run *r, uint32_t at, uint64_t number, uint64_t ticket)
{
    struct write w = {0};
    struct prng chance;
    struct buf error = BUF_EMPTY;
    uint32_t count, db = 0;
    prng_seed(&chance, number);
    random_change(&chance, &w, true);
    count = (uint32_t)w.argc;
    struct rsm_request req = {.kind = slice_equal(w.argv[0], RSM_USERS) ? RSM_ACL : RSM_SETTING,
                              .resp = 2,
                              .user = SLICE_LITERAL("default"),
                              .argv = w.argv + 1,
                              .argc = w.argc - 1};
    if (prng_below(&chance, 2)) {
        req.kind = RSM_EXEC;
        req.argv = w.argv;
        req.argc = w.argc;
        req.counts = &count;
        req.dbs = &db;
        req.commands = 1;
    }
    settled(r, node_write(world_node(r->world, at), &req, ticket, &error), ticket, &error);
    buf_deinit(&w.text);
}

static bool set(struct run *r, uint32_t at)
{
    static const char *const names[] = {"session-max", "session-timeout", "proto-max-bulk-len", "maxmemory"};
    const char *name = names[prng_below(&r->chance, 4)];
    uint64_t number = storm_log_uniform(r, 1 << 20, 1 << 29), ticket = opened(r, at, "CONFIG SET");
    if (name == names[1] && number % 2)
        change(r, at, number, ticket);
    else
        set_to(r, at, name, number, ticket);
    return true;
}

bool admin_fire(struct run *r, enum fault what)
{
    uint32_t i = storm_victim(r);
    if (what == FAULT_ADD)
        return add(r);
    if (what == FAULT_REMOVE)
        return put_out(r);
    if (what == FAULT_REPLACE)
        return replace(r);
    if (!world_node(r->world, i))
        return false;
    if (what == FAULT_TRANSFER)
        return transfer(r, i);
    return what == FAULT_CHECKPOINT ? checkpoint(r, i) : set(r, i);
}
