/* The peers, kept in step with the newest configuration in the log (chapter 4: one server at a time, in force
 * from the moment it is appended, gone again when it is cut), and what a quorum of its voters has reached. */
#include <assert.h>
#include <string.h>

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/checksum.h"
#include "raft/raft_int.h"

struct raft_peer *raft_peer(struct raft *r, uint64_t id)
{
    for (uint32_t i = 0; i < r->peer_count; i++)
        if (r->peers[i].id == id)
            return &r->peers[i];
    return NULL;
}

void raft_drop_peer(struct raft *r, struct raft_peer *p)
{
    mem_free(p->ring);
    *p = r->peers[--r->peer_count];
}

/* A removed voter may have been told of by nobody but us: it hears for two election timeouts more what became
 * of it. */
static void let_go(struct raft *r, struct raft_peer *p)
{
    if (r->role != RAFT_LEADER) {
        raft_drop_peer(r, p);
        return;
    }
    if (!p->leaving)
        p->leaving_until_us = r->now_us + 2 * r->config.election_us;
    p->leaving = true;
    p->voter = false;
}

static struct raft_peer *add_peer(struct raft *r, uint64_t id)
{
    for (uint32_t i = 0; r->peer_count == RAFT_PEERS_MAX && i < RAFT_PEERS_MAX; i++)
        if (r->peers[i].leaving)
            raft_drop_peer(r, &r->peers[i]);
    assert(r->peer_count < RAFT_PEERS_MAX);
    struct raft_peer *p = &r->peers[r->peer_count++];
    memset(p, 0, sizeof *p);
    p->id = id;
    p->ring = mem_alloc(r->config.inflight_max * sizeof *p->ring);
    p->heard_us = r->now_us;
    p->next = r->log.last + 1;
    return p;
}

void raft_sync_peers(struct raft *r)
{
    const struct raft_members *members = raft_members(r);
    for (uint32_t i = r->peer_count; i > 0; i--)
        if (!raft_members_find(members, r->peers[i - 1].id))
            let_go(r, &r->peers[i - 1]);
    for (uint32_t i = 0; i < members->count; i++) {
        if (members->at[i].id == r->config.id)
            continue;
        struct raft_peer *p = raft_peer(r, members->at[i].id);
        if (!p)
            p = add_peer(r, members->at[i].id);
        p->voter = members->at[i].voter;
        p->leaving = false;
    }
}

static uint32_t voter_count(const struct raft *r)
{
    const struct raft_members *members = raft_members(r);
    uint32_t n = 0;
    for (uint32_t i = 0; i < members->count; i++)
        n += members->at[i].voter;
    return n;
}

uint64_t raft_sum(uint64_t sum, uint64_t id)
{
    char bytes[8];
    store_u64(bytes, id);
    return (sum + crc64(0, bytes, sizeof bytes)) & RAFT_COUNT_MAX;
}

uint64_t raft_voters_sum(const struct raft_members *members)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < members->count; i++)
        if (members->at[i].voter)
            sum = raft_sum(sum, members->at[i].id);
    return sum;
}

uint32_t raft_quorum(const struct raft *r)
{
    return voter_count(r) / 2 + 1;
}

bool raft_sole_voter(const struct raft *r)
{
    return raft_is_voter(r) && voter_count(r) == 1;
}

uint64_t raft_quorum_value(const struct raft *r, uint64_t self, uint64_t (*of)(const struct raft_peer *))
{
    uint64_t values[RAFT_PEERS_MAX + 1]; /* largest first */
    uint32_t n = 0;
    bool counts_itself = raft_is_voter(r);
    for (uint32_t i = 0; i <= r->peer_count; i++) {
        if (i < r->peer_count ? !r->peers[i].voter : !counts_itself)
            continue;
        uint64_t v = i < r->peer_count ? of(&r->peers[i]) : self;
        uint32_t at = n++;
        for (; at > 0 && values[at - 1] < v; at--)
            values[at] = values[at - 1];
        values[at] = v;
    }
    assert(n > 0);
    return values[n / 2]; /* n/2 + 1 voters have at least this */
}

const struct raft_members *raft_members(const struct raft *r)
{
    return &raft_log_config(&r->log)->members;
}

uint64_t raft_members_index(const struct raft *r)
{
    return raft_log_config(&r->log)->index;
}

const struct raft_members *raft_members_before(const struct raft *r)
{
    if (r->log.config_count < 2 || raft_members_index(r) <= r->commit)
        return NULL;
    return &r->log.configs[r->log.config_count - 2].members;
}

bool raft_is_voter(const struct raft *r)
{
    const struct raft_member *m = raft_members_find(raft_members(r), r->config.id);
    return m && m->voter;
}

/* 4.2.2: who is removed by a configuration that may not be committed still stands for election, though without a vote of
 * its own. It may be the only one to hold that entry, and then nobody else could win. */
bool raft_has_standing(const struct raft *r)
{
    if (raft_is_voter(r))
        return true;
    const struct raft_members *before = raft_members_before(r);
    const struct raft_member *m = before ? raft_members_find(before, r->config.id) : NULL;
    return m && m->voter;
}

/* 4.1 with Ongaro's erratum of July 2015 (B33): one uncommitted change at a time, and none before an entry of
 * the own term is committed, or two leaders could each change an old configuration in ways that share no
 * quorum. */
bool raft_may_change_members(const struct raft *r)
{
    return raft_accepts(r) && r->commit >= r->term_start && raft_members_index(r) <= r->commit;
}
