/* What may happen to a cluster, each at a random moment: crashes that lose what was not synced, journals
 * damaged and known to be, pauses, cuts of every shape, lost, repeated and late messages, slow disks,
 * snapshots, changes of members, transfers, beats, hung journals. The checks run after every step; at the end
 * all is healed, and then the cluster must have a leader, commit, and agree. */
#include "chaos.h"

#include <string.h>

static uint64_t draw(struct net *c, uint64_t n)
{
    return prng_below(&c->prng, n);
}

static int any(struct net *c)
{
    return (int)draw(c, (uint64_t)c->count);
}

static void partition(struct net *c)
{
    int a = any(c), b = any(c);
    switch (draw(c, 6)) {
    case 0: /* two halves */
        for (int i = 0; i < c->count; i++)
            for (int j = 0; j < c->count; j++)
                c->cut[i][j] = false;
        uint64_t side = draw(c, 1ULL << c->count);
        for (int i = 0; i < c->count; i++)
            for (int j = 0; j < c->count; j++)
                if (((side >> i) & 1) != ((side >> j) & 1))
                    c->cut[i][j] = true;
        net_cut(c, 0, 0, false);
        break;
    case 1: /* one alone */
        net_isolate(c, a);
        break;
    case 2: /* one direction */
        if (a != b)
            net_cut(c, a, b, true);
        break;
    case 3: /* hears nobody, or is heard by nobody */
        for (int j = 0; j < c->count; j++)
            if (j != a)
                net_cut(c, b % 2 ? a : j, b % 2 ? j : a, true);
        break;
    case 4: /* a bridge: everybody sees only it */
        for (int i = 0; i < c->count; i++)
            for (int j = 0; j < c->count; j++)
                c->cut[i][j] = i != j && i != a && j != a;
        net_cut(c, 0, 0, false);
        break;
    default: { /* the leader */
        int l = net_leader(c);
        if (l >= 0)
            net_isolate(c, l);
    }
    }
}

static int running_voters(struct net *c)
{
    int n = 0;
    for (int i = 0; i < c->count; i++)
        n += c->node[i].raft && raft_is_voter(c->node[i].raft);
    return n;
}

static bool any_damaged(struct net *c)
{
    for (int i = 0; i < c->count; i++)
        if (c->node[i].damaged || c->node[i].vote.short_log)
            return true;
    return false;
}

static void change_members(struct net *c, struct chaos_result *result)
{
    int l = any(c);
    if (!c->node[l].raft || c->node[l].paused || !raft_may_change_members(c->node[l].raft))
        return;
    struct raft_members m = net_members(c, l);
    uint64_t id = 1 + draw(c, (uint64_t)c->count);
    const struct raft_member *at = raft_members_find(&m, id);
    uint32_t voters = 0;
    for (uint32_t k = 0; k < m.count; k++)
        voters += m.at[k].voter;
    if (!at)
        net_members_put(&m, id, draw(c, 3) == 0);
    else if (!at->voter)
        net_members_put(&m, id, true);
    else if (voters > 1)
        net_members_remove(&m, id);
    else
        return;
    result->changes += net_propose_members(c, l, &m);
}

static void disturb_node(struct net *c, int i, bool may_damage)
{
    struct node *n = &c->node[i];
    switch (draw(c, 12)) {
    case 0:
    case 1:
        net_crash(c, i);
        break;
    case 2: /* all at once */
        if (draw(c, 4) == 0)
            for (int k = 0; k < c->count; k++)
                net_crash(c, k);
        break;
    case 3:
        if (may_damage && n->raft && !any_damaged(c) && raft_last_index(n->raft) > 3) {
            uint64_t last = raft_last_index(n->raft);
            net_crash(c, i);
            net_damage(c, i, last - draw(c, last < 20 ? last : 20));
        }
        break;
    case 4:
    case 5:
        net_pause(c, i);
        break;
    case 6:
        n->disk_min_us = 100;
        n->disk_max_us = draw(c, 3) ? 2 * MS : 200 * MS;
        break;
    case 7:
        net_compact(c, i, draw(c, 20));
        break;
    case 8: {
        uint64_t peer = 1 + draw(c, (uint64_t)c->count);
        net_event(c, i, (struct raft_event){.type = RAFT_EVENT_TRANSFER, .peer = draw(c, 2) ? peer : 0});
        break;
    }
    case 9:
        net_event(c, i, (struct raft_event){.type = RAFT_EVENT_JOURNAL_HUNG});
        break;
    case 10:
        if (n->raft)
            net_event(c, i,
                      (struct raft_event){
                          .type = RAFT_EVENT_BEAT, .peer = raft_leader(n->raft), .term = raft_term(n->raft)});
        break;
    default:
        net_link(c, i, any(c), draw(c, 2) == 0, false);
    }
}

static void repair(struct net *c)
{
    int i = any(c);
    if (draw(c, 3) == 0)
        net_restart(c, i);
    if (draw(c, 2) == 0)
        net_resume(c, any(c), draw(c, 2) == 0);
    if (draw(c, 4) == 0)
        net_heal(c);
    if (running_voters(c) == 0)
        net_restart(c, any(c));
}

static void load(struct net *c)
{
    for (int i = 0; i < c->count; i++) {
        if (draw(c, 4) == 0)
            net_propose(c, i, (uint32_t)(1 + draw(c, draw(c, 8) ? 4 : 40)));
        if (draw(c, 3) == 0)
            net_read(c, i);
    }
}

/* The road to figure 8: a leader with entries that few have yet goes, another comes, and so on. */
static void overthrow(struct net *c)
{
    int l = net_leader(c);
    if (l < 0)
        return;
    net_propose(c, l, (uint32_t)(1 + draw(c, 30)));
    net_run(c, draw(c, 3 * MS));
    if (draw(c, 2))
        net_crash(c, l);
    else
        net_isolate(c, l);
    for (int i = 0; i < c->count; i++) {
        if (draw(c, 2) == 0 || i == l)
            continue;
        net_restart(c, i);
        for (int j = 0; j < c->count && draw(c, 2); j++)
            c->cut[i][j] = c->cut[j][i] = false;
    }
    net_cut(c, 0, 0, false);
}

static void settle(struct net *c)
{
    c->loss_permille = c->repeat_permille = 0;
    c->reorder = false;
    for (int i = 0; i < c->count; i++) {
        c->node[i].disk_min_us = 100;
        c->node[i].disk_max_us = 2 * MS;
        net_restart(c, i);
        net_resume(c, i, false);
    }
    net_heal(c);
    net_run(c, 4 * SECOND);
}

struct chaos_result chaos_run(uint64_t seed)
{
    static const int voters[] = {3, 3, 5, 3, 7, 1, 2, 4};
    struct chaos_result result = {0};
    int n = voters[seed % 8];
    static const size_t batches[] = {100, 300, 2000, 20000};
    struct net *c = net_new_with(n, n > 5 ? 1 : 2, seed, batches[seed / 8 % 4], seed / 32 % 3 ? 8 : 1);
    bool gentle = draw(c, 4) == 0, moves = draw(c, 2) == 0, duel = draw(c, 4) == 0;
    if (draw(c, 4) == 0) /* slow disks everywhere */
        for (int i = 0; i < c->count; i++) {
            c->node[i].disk_min_us = 10 * MS;
            c->node[i].disk_max_us = 300 * MS;
        }
    /* A healthy majority has to be left, or entries may be lost, as is then said (DESIGN 7). */
    bool may_damage = n >= 3 && !moves;
    c->links = draw(c, 3) != 0;
    c->reorder = draw(c, 2) == 0;
    c->loss_permille = draw(c, 2) ? 0 : (uint32_t)draw(c, 100);
    c->repeat_permille = draw(c, 2) ? 0 : (uint32_t)draw(c, 100);
    c->delay_max_us = draw(c, 3) ? 1 * MS : 60 * MS;
    uint64_t end = c->now_us + 12 * SECOND;
    while (c->now_us < end && !c->failure[0]) {
        load(c);
        if (draw(c, gentle ? 60 : 12) == 0)
            disturb_node(c, any(c), may_damage);
        if (draw(c, gentle ? 100 : 40) == 0)
            partition(c);
        if (moves && draw(c, 15) == 0)
            change_members(c, &result);
        if (draw(c, 8) == 0)
            repair(c);
        if (duel && draw(c, 20) == 0)
            overthrow(c);
        net_run(c, draw(c, 3) ? draw(c, 5 * MS) : draw(c, 40 * MS));
    }
    settle(c);
    result.lively = net_commits(c, 600 * SECOND);
    result.safe = c->failure[0] == 0;
    memcpy(result.failure, c->failure, sizeof result.failure);
    result.committed = c->committed_last;
    result.elections = c->elections;
    result.installs = c->installs;
    result.steps = c->steps;
    for (size_t k = 0; k < c->read_count; k++)
        result.reads_done += c->reads[k].done;
    net_free(c);
    return result;
}
