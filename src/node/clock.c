/* The cluster clock (DESIGN 4): the lower median of the voters' wall clocks, run on by the monotonic clock
 * between two looks, never backwards. One bad clock of three is outvoted; of two voters the earlier counts,
 * so that expiry may come late and never early. For the same reason a voter that has not been heard yet
 * counts as the earliest: a node that knows its own clock alone believes nobody. What was heard lately alone
 * counts. A follower hears its leader and nobody else, and what another's clock was when that one led may have
 * been wrong and be set right since: remembered beside a clock that is wrong now, it would outvote the good one. */
#include "node/node_int.h"

void clock_hear(struct cluster_clock *c, uint64_t id, uint64_t wall_us, uint64_t now_us)
{
    size_t i = 0, stalest = 0;
    for (; i < c->count && c->heard[i].id != id; i++)
        if (c->heard[i].heard_us < c->heard[stalest].heard_us)
            stalest = i;
    if (i == c->count && c->count < RAFT_MEMBERS_MAX)
        c->count++;
    else if (i == c->count) /* members come and go: the one not heard for longest makes room */
        i = stalest;
    c->heard[i].id = id;
    c->heard[i].heard_us = now_us;
    c->heard[i].offset_us = (int64_t)(wall_us - now_us);
}

void clock_raise(struct cluster_clock *c, uint64_t at_least_us, uint64_t now_us)
{
    if (c->value_us < at_least_us)
        c->value_us = at_least_us;
    if (c->ran_at_us == 0)
        c->ran_at_us = now_us;
}

bool clock_offset(const struct cluster_clock *c, uint64_t id, uint64_t now_us, int64_t *offset_us)
{
    for (size_t i = 0; i < c->count; i++) {
        if (c->heard[i].id != id)
            continue;
        *offset_us = (int64_t)now_us + c->heard[i].offset_us - (int64_t)c->value_us;
        return true;
    }
    return false;
}

void clock_run(struct cluster_clock *c, const struct raft_members *members, uint64_t now_us,
               uint64_t lately_us)
{
    int64_t wall[RAFT_MEMBERS_MAX];
    size_t n = 0, voters = 0;
    for (uint32_t i = 0; i < members->count; i++)
        voters += members->at[i].voter;
    for (size_t i = 0; i < c->count; i++) {
        const struct raft_member *m = raft_members_find(members, c->heard[i].id);
        if (!m || !m->voter || now_us > c->heard[i].heard_us + lately_us)
            continue;
        int64_t v = (int64_t)now_us + c->heard[i].offset_us;
        size_t at = n++;
        for (; at > 0 && wall[at - 1] > v; at--)
            wall[at] = wall[at - 1];
        wall[at] = v;
    }
    uint64_t elapsed = c->ran_at_us && now_us > c->ran_at_us ? now_us - c->ran_at_us : 0;
    c->ran_at_us = now_us;
    /* Ahead of the upper median, where a voter not heard counts as the latest: run slower until that has caught up. One
     * bad clock that is ahead is outvoted here too; else a leader that merely ticks too fast would never be held back. */
    size_t unheard = voters - n, lower = voters ? (voters - 1) / 2 : 0, upper = voters / 2;
    if (upper < n && (int64_t)(c->value_us + elapsed) > wall[upper])
        elapsed -= elapsed / 10;
    c->value_us += elapsed;
    if (n && lower >= unheard && wall[lower - unheard] > (int64_t)c->value_us)
        c->value_us = (uint64_t)wall[lower - unheard];
}
