/* Does the cluster clock lag, and may it? (DESIGN 4)
 *
 * It is no earlier than what a majority of the voters' clocks show, as the leader has heard them. Before it has heard so many of
 * them that are right, after an outage of several or behind frames that were late, it runs on from the last stamp in the log,
 * and does not know how long the outage was. As soon as it knows, it catches up at once: what was given a time to live in
 * between goes early by as much. In such a run nobody can be asked when a key was due. */
#include "world_int.h"

#include "node/node_int.h"

enum { LAG_US = 20000 };

static bool is_right(const struct proc *p, uint64_t id)
{
    const struct cluster_clock *c = &p->node->clock;
    uint64_t now_us = p->node->now_us;
    for (size_t i = 0; i < c->count; i++)
        if (c->heard[i].id == id)
            return now_us <= c->heard[i].heard_us + p->node->config.election_us &&
                   (uint64_t)((int64_t)now_us + c->heard[i].offset_us) + LAG_US >= world_wall_us(p->world);
    return false;
}

void check_stamp_lags(struct proc *p, uint64_t stamp_ms)
{
    if (raft_role(p->node->raft) != RAFT_LEADER || stamp_ms * 1000 + LAG_US >= world_wall_us(p->world))
        return;
    const struct raft_members *members = raft_members(p->node->raft);
    uint32_t voters = 0, right = 0;
    for (uint32_t i = 0; i < members->count; i++) {
        voters += members->at[i].voter;
        right += members->at[i].voter && is_right(p, members->at[i].id);
    }
    if (right <= voters / 2)
        p->world->time_lagged = true;
}
