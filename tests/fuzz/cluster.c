/* Three cores, or one, or five, whose scheduler is the input: when messages arrive, what is lost, cut, crashed, damaged, slow.
 * tests/unit/raft's bench carries out their duties and checks the safety of the whole after every step; in the end all is healed,
 * and what is left has to commit again. */
#include "../tests/unit/raft/net.h"
#include "fuzz.h"

enum { ACTIONS_MAX = 400 };

static int node_of(const struct net *c, uint8_t b)
{
    return b % c->count;
}

static void change_members(struct net *c, int i, uint8_t how)
{
    if (!c->node[i].raft || c->node[i].paused || !raft_may_change_members(c->node[i].raft))
        return;
    struct raft_members m = net_members(c, i);
    uint64_t id = 1 + how % (unsigned)c->count;
    const struct raft_member *at = raft_members_find(&m, id);
    uint32_t voters = 0;
    for (uint32_t k = 0; k < m.count; k++)
        voters += m.at[k].voter;
    if (!at)
        net_members_put(&m, id, how & 0x40);
    else if (!at->voter)
        net_members_put(&m, id, true);
    else if (voters > 1)
        net_members_remove(&m, id);
    else
        return;
    net_propose_members(c, i, &m);
}

static bool any_damaged(const struct net *c)
{
    for (int i = 0; i < c->count; i++)
        if (c->node[i].damaged || c->node[i].vote.short_log)
            return true;
    return false;
}

/* A healthy majority stays: beyond that entries may be lost, as is then said (DESIGN 7). */
static void damage(struct net *c, int i, uint8_t how)
{
    struct node *n = &c->node[i];
    if (!n->raft || any_damaged(c) || raft_last_index(n->raft) < 4)
        return;
    uint64_t last = raft_last_index(n->raft), lost = how % (last < 16 ? last : 16);
    net_crash(c, i);
    net_damage(c, i, last - lost);
}

static void act(struct net *c, struct reader *r, bool moves, bool damages)
{
    uint8_t what = get_u8(r), how = get_u8(r);
    int i = node_of(c, how), j = node_of(c, how >> 4);
    switch (what % 20) {
    case 0:
    case 1:
        net_propose(c, i, 1 + (how >> 5));
        break;
    case 2:
        net_read(c, i);
        break;
    case 3:
        net_crash(c, i);
        break;
    case 4:
    case 5:
        net_restart(c, i);
        break;
    case 6:
        net_pause(c, i);
        break;
    case 7:
        net_resume(c, i, how & 0x80);
        break;
    case 8:
        if (i != j)
            net_cut(c, i, j, true);
        break;
    case 9:
        net_cut(c, i, j, false);
        break;
    case 10:
        net_isolate(c, i);
        break;
    case 11:
        net_heal(c);
        break;
    case 12:
        net_compact(c, i, how >> 4);
        break;
    case 13:
        c->delay_min_us = c->delay_max_us = 100 + how * 500u;
        break;
    case 14:
        c->node[i].disk_min_us = c->node[i].disk_max_us = 100 + (how >> 3) * 5000u;
        break;
    case 15:
        c->loss_permille = how & 1 ? 1000 : 0;
        c->repeat_permille = how & 2 ? 1000 : 0;
        break;
    case 16:
        if (moves)
            change_members(c, i, how);
        else if (damages)
            damage(c, i, how >> 3);
        break;
    case 17: {
        static const enum raft_event_type types[] = {RAFT_EVENT_TRANSFER, RAFT_EVENT_JOURNAL_HUNG,
                                                     RAFT_EVENT_STALLED, RAFT_EVENT_BEAT};
        struct raft_event e = {.type = types[how >> 6], .peer = (uint64_t)j + 1};
        if (e.type == RAFT_EVENT_BEAT && c->node[i].raft) {
            e.peer = raft_leader(c->node[i].raft);
            e.term = raft_term(c->node[i].raft);
        }
        net_event(c, i, e);
        break;
    }
    case 18:
        net_run(c, how * 200u);
        break;
    default:
        net_run(c, how * 10u * MS);
    }
}

static void settle(struct net *c)
{
    c->loss_permille = c->repeat_permille = 0;
    c->reorder = false;
    c->delay_min_us = 100;
    c->delay_max_us = 1000;
    for (int i = 0; i < c->count; i++) {
        c->node[i].disk_min_us = 100;
        c->node[i].disk_max_us = 2 * MS;
        net_restart(c, i);
        net_resume(c, i, false);
    }
    net_heal(c);
    net_run(c, 4 * SECOND);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static const int voters[] = {3, 3, 3, 5, 2, 1, 3, 4};
    struct reader r = fuzz_reader(data, len);
    uint8_t how = get_u8(&r), shape = get_u8(&r);
    int n = voters[how & 7];
    struct net *c = net_new_with(n, how & 8 ? 2 : 0, shape & 15, how & 16 ? 20000 : 300, how & 32 ? 8 : 1);
    bool moves = how & 8;
    c->links = how & 64;
    c->reorder = how & 128;
    c->delay_min_us = c->delay_max_us = 1000;
    for (int i = 0; i < ACTIONS_MAX && fuzz_more(&r) && !c->failure[0]; i++)
        act(c, &r, moves, !moves && n >= 3);
    if (!c->failure[0])
        settle(c);
    if (!c->failure[0] && !net_commits(c, 600 * SECOND) && !c->failure[0])
        net_fail(c, "healed, and yet nothing commits");
    if (c->failure[0])
        fprintf(stderr, "%s\n", c->failure);
    fuzz_check(!c->failure[0]);
    net_free(c);
    return 0;
}
