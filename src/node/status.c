/* What the node says of itself: INFO, CLUSTER and the server's quick questions. */
#include "node/node_int.h"

#include "base/log.h"

#include <string.h>

bool node_may_serve(const struct node *n)
{
    return n->running && digest_trusted(n) && raft_role(n->raft) == RAFT_LEADER && n->office_index &&
           rsm_applied(n->rsm) >= n->office_index;
}

bool node_is_serving(const struct node *n)
{
    return node_may_serve(n) && raft_accepts(n->raft);
}

bool node_is_trusted(const struct node *n)
{
    return digest_trusted(n);
}

bool node_is_loading(const struct node *n)
{
    return (!n->running && !n->resetting) || n->installing;
}

/* Its link was lost a moment ago: most likely its process has ended, and the next leader is about to be known. Where
 * only our link to it is broken for long, it still leads. */
static bool just_lost(const struct node *n, uint64_t leader)
{
    for (size_t i = 0; i < n->peer_count; i++) {
        const struct peer *p = &n->peers[i];
        if (p->id == leader)
            return !p->link_up && p->lost_us && n->now_us - p->lost_us < n->config.election_us;
    }
    return false;
}

/* A leader that is handing over (a diverged one does), or has just vanished, is no leader to send anybody to: requests
 * wait for the next one. */
uint64_t node_leader(const struct node *n)
{
    bool leads = n->running && raft_role(n->raft) == RAFT_LEADER;
    if (!n->running || (leads && (!raft_accepts(n->raft) || n->identity.diverged)))
        return 0;
    uint64_t leader = raft_leader(n->raft);
    return just_lost(n, leader) ? 0 : leader;
}

bool node_office(const struct node *n, uint64_t *term, uint64_t *leader)
{
    *term = n->running ? raft_term(n->raft) : 0;
    *leader = n->running ? raft_leader(n->raft) : 0;
    return n->running && raft_role(n->raft) == RAFT_LEADER;
}

struct rsm *node_rsm(struct node *n)
{
    return n->rsm;
}

void node_set_tracing(struct node *n, bool on)
{
    n->tracing = on;
}

void node_set_active_expire(struct node *n, bool on)
{
    n->due_keys_stay = !on;
}

uint32_t node_replicas_at(const struct node *n, uint64_t index)
{
    uint32_t count = 0;
    if (n->running && !node_is_serving(n))
        return raft_quorum(n->raft) - 1;
    for (size_t i = 0; n->running && i < n->peer_count; i++) {
        struct raft_progress p;
        count += raft_progress(n->raft, n->peers[i].id, &p) && p.match >= index;
    }
    return count;
}

static const char *role_name(const struct node *n)
{
    if (!n->running)
        return n->founding || n->found_saving ? "blank" : "loading";
    if (n->removed)
        return "removed";
    if (raft_members(n->raft)->count == 0)
        return "blank";
    if (raft_role(n->raft) == RAFT_LEADER)
        return "leader";
    if (raft_role(n->raft) != RAFT_FOLLOWER)
        return "candidate";
    return raft_is_voter(n->raft) ? "follower" : "learner";
}

static void peer_status(const struct node *n, const struct raft_member *m, struct node_peer_status *out)
{
    memset(out, 0, sizeof(*out));
    out->id = m->id;
    out->voter = m->voter;
    out->self = m->id == n->identity.node_id;
    out->leader = m->id == raft_leader(n->raft);
    out->port = m->port;
    out->peer_port = m->peer_port;
    memcpy(out->name, m->name, sizeof(out->name));
    memcpy(out->host, m->host, sizeof(out->host));
    const struct node_hello *hello = out->self ? &n->config.self : NULL;
    for (size_t i = 0; i < n->peer_count; i++) {
        const struct peer *p = &n->peers[i];
        if (p->id != m->id)
            continue;
        hello = p->hello.node_id ? &p->hello : NULL;
        out->link_up = p->link_up;
        out->diverged = peer_diverged(p);
        out->snapshotting = p->snapshotting;
        out->snapshot_percent = (uint32_t)(p->snapshot_offset * 100 / (p->snapshot_total | 1));
    }
    if (out->self)
        out->diverged = n->identity.diverged;
    if (hello) {
        out->port_redirect = hello->port_redirect;
        out->port_readonly = hello->port_readonly;
        out->port_proxy = hello->port_proxy;
        if (hello->host[0]) /* where it says it is now: it may have come back under another address */
            memcpy(out->host, hello->host, sizeof(out->host));
        if (hello->port)
            out->port = hello->port;
    }
    struct raft_progress p;
    if (raft_progress(n->raft, m->id, &p)) {
        out->match = p.match;
        out->lag = raft_last_index(n->raft) - p.match;
        out->round_trip_us = p.round_trip_us;
        out->acked_ago_us = n->now_us - p.acked_us;
    }
    int64_t offset_us = 0;
    if (clock_offset(&n->clock, m->id, n->now_us, &offset_us))
        out->clock_offset_ms = offset_us / 1000;
}

static void loading_status(const struct node *n, struct node_status *out)
{
    bool replaying = apply_is_replaying(n);
    uint64_t done = n->load_offset, total = n->load_total, since_us = n->load_started_us;
    out->loading = node_is_loading(n) || replaying;
    out->loading_what = n->loader ? "snapshot" : "journal";
    if (!n->loader) {
        done = replaying ? rsm_applied(n->rsm) - n->replay.from : 0;
        total = replaying ? n->replay.until - n->replay.from : 0;
        since_us = n->replay.since_us;
    }
    if (!total)
        return;
    out->loading_percent = (uint32_t)(done * 100 / total);
    if (done)
        out->loading_eta_s =
            (uint32_t)((double)(n->now_us - since_us) / 1e6 * (double)(total - done) / (double)done);
}

static void counts(const struct node *n, struct node_status *out)
{
    out->elections_started = n->count.elections_started;
    out->elections_won = n->count.elections_won;
    out->leader_changes = n->count.leader_changes;
    out->duplicates = n->count.duplicates;
    out->forwarded = n->count.forwarded;
    out->reads_rounds = n->count.rounds;
    out->snapshots_sent = n->count.snapshots_sent;
    out->snapshots_installed = n->count.snapshots_installed;
    out->entries_applied = n->count.applied;
    out->proposed = n->count.proposed;
    out->cache_bytes = n->cache.bytes;
    out->snapshot_index = n->snapshot_index;
    out->snapshot_term = n->snapshot_term;
    out->snapshot_writing = n->snapshot_writing;
    out->last_save_ok = n->snapshot_ok;
    out->last_save_ms = n->snapshot_saved_ms;
}

void node_status(const struct node *n, struct node_status *out)
{
    memset(out, 0, sizeof(*out));
    out->node_id = n->identity.node_id;
    out->cluster_id = n->identity.cluster_id;
    out->term = n->identity.term;
    out->voted_for = n->identity.voted_for;
    out->role = role_name(n);
    out->diverged = n->identity.diverged;
    out->in_doubt = n->in_doubt;
    out->removed = n->removed;
    out->writes_refused = n->disk_low || !digest_trusted(n);
    out->cluster_ms = node_cluster_ms(n);
    out->applied = rsm_applied(n->rsm);
    out->journal_bytes = n->disk.journal_bytes;
    counts(n, out);
    loading_status(n, out);
    if (!n->running)
        return;
    out->term = raft_term(n->raft);
    out->leader = node_leader(n);
    out->is_leader = raft_role(n->raft) == RAFT_LEADER;
    out->serving = node_is_serving(n);
    out->short_log = raft_short_log(n->raft);
    out->commit = raft_commit(n->raft);
    out->last_index = raft_last_index(n->raft);
    out->first_index = raft_first_index(n->raft);
    out->persisted = raft_persisted(n->raft);
    out->term_start_us = n->leader_since_us;
    const struct raft_members *m = raft_members(n->raft);
    out->peer_count = m->count;
    for (uint32_t i = 0; i < m->count; i++)
        peer_status(n, &m->at[i], &out->peers[i]);
}
