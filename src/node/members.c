/* Who belongs to the cluster, on the node's side: links to the members, joining and being welcomed, making
 * learners voters. Founding is in found.c. */
#include "node/node_int.h"

#include "base/alloc.h"
#include "base/log.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

static void show_self(struct node *n)
{
    n->config.self.node_id = n->identity.node_id;
    n->config.self.cluster_id = n->identity.cluster_id;
    n->config.self.term = n->identity.term;
    n->config.self.has_entries = n->raft && raft_last_index(n->raft) > 0;
    n->ports.set_self(n->ports.arg, &n->config.self);
}

void members_show_self(struct node *n)
{
    show_self(n);
}

/* ---- links to the members ----------------------------------------------------------------------------- */

/* While a node that was let in catches up, its log tells the members of long ago, and those of the welcome count:
 * else it would take whoever came later, the leader among them, for removed and refuse it. */
const struct raft_members *members_known(const struct node *n)
{
    const struct raft_members *m = n->raft ? raft_members(n->raft) : NULL;
    bool catching_up = n->welcome_members.count && m && raft_members_index(n->raft) < n->welcome_index;
    return m && m->count && !catching_up ? m : &n->welcome_members;
}

static void add_peer(struct node *n, const struct raft_member *m)
{
    if (n->peer_count == RAFT_MEMBERS_MAX)
        return;
    struct peer *p = &n->peers[n->peer_count++];
    memset(p, 0, sizeof(*p));
    p->id = m->id;
    p->acked = n->phases.proposed;
    memcpy(p->hello.name, m->name, sizeof(p->hello.name));
    memcpy(p->host, m->host, sizeof(p->host));
    p->peer_port = m->peer_port;
    /* A node that took the place of a dead one meets it in the log while it catches up: that is its own address. */
    bool own = strcmp(m->host, n->config.self.host) == 0 && m->peer_port == n->config.self.peer_port;
    if (!own)
        p->handle = n->ports.dial(n->ports.arg, m->host, m->peer_port, m->id);
}

static void drop_peer(struct node *n, size_t i)
{
    if (n->peers[i].handle)
        n->ports.hang_up(n->ports.arg, n->peers[i].handle);
    mem_free(n->peers[i].queue);
    n->peers[i] = n->peers[--n->peer_count];
}

/* Its row says another address now. */
static void dial_anew(struct node *n, struct peer *p, const struct raft_member *m)
{
    if (strcmp(p->host, m->host) == 0 && p->peer_port == m->peer_port)
        return;
    uint32_t old = p->handle;
    memcpy(p->host, m->host, sizeof(p->host));
    p->peer_port = m->peer_port;
    p->handle = n->ports.dial(n->ports.arg, m->host, m->peer_port, m->id); /* first: what it sends on stays */
    if (old)
        n->ports.hang_up(n->ports.arg, old);
    p->link_up = false;
}

static void note_removed(struct node *n, uint64_t id)
{
    for (size_t i = 0; i < n->removed_count; i++)
        if (n->removed_ids[i] == id)
            return;
    if (n->removed_count == RAFT_MEMBERS_MAX) {
        memmove(n->removed_ids, n->removed_ids + 1, sizeof(n->removed_ids) - sizeof(n->removed_ids[0]));
        n->removed_count--;
    }
    n->removed_ids[n->removed_count++] = id;
}

static void end_invitation(struct node *n)
{
    if (n->invite_handle)
        n->ports.hang_up(n->ports.arg, n->invite_handle);
    n->invite_handle = 0;
}

static void note_own_removal(struct node *n, bool removed)
{
    if (removed == n->removed)
        return;
    n->removed = removed;
    n->changed = true;
    node_say(n, LOG_WARNING,
             removed ? "This node has been removed from the cluster"
                     : "This node is a member of the cluster again");
}

/* Without this note a node that grew into a cluster, and lost its journal back to when it was alone, would go on alone. Alone
 * again it is once an entry that says so is applied; what is left of a short log says nothing of the kind. */
void members_note_others(struct node *n)
{
    uint64_t self = n->identity.node_id;
    bool others = raft_members_others(raft_members(n->raft), self);
    bool settled = n->applied_members_index == raft_members_index(n->raft) && !raft_short_log(n->raft);
    if (others == n->identity.had_others || (!others && !settled))
        return;
    n->identity.had_others = others;
    node_save_identity(n, COOKIE_PROMISE);
}

void members_changed(struct node *n)
{
    const struct raft_members *m = members_known(n);
    for (size_t i = n->peer_count; i-- > 0;)
        if (!raft_members_find(m, n->peers[i].id)) {
            if (m != &n->welcome_members) /* what a welcome tells need not have been committed */
                note_removed(n, n->peers[i].id);
            drop_peer(n, i);
        }
    for (uint32_t i = 0; i < m->count; i++) {
        struct peer *p = node_peer(n, m->at[i].id);
        if (p)
            dial_anew(n, p, &m->at[i]);
        else if (m->at[i].id != n->identity.node_id)
            add_peer(n, &m->at[i]);
    }
    bool in = m->count == 0 || raft_members_find(m, n->identity.node_id);
    if (n->raft && raft_members_find(raft_members(n->raft), n->identity.node_id))
        n->was_member = true;
    /* While a node that joins is still catching up it sees the members of before it came. */
    note_own_removal(n, !in && n->was_member);
    if (n->running)
        digest_members_changed(n);
    end_invitation(n); /* followed, or somebody else came meanwhile: MEET may be sent again */
    n->changed = true;
    show_self(n);
}

/* From here on the log says who belongs. Nothing else would tell where the change that the welcome told of was never committed. */
void members_caught_up(struct node *n)
{
    if (n->welcome_members.count == 0 || raft_commit(n->raft) < n->welcome_index)
        return;
    n->welcome_members.count = 0;
    members_changed(n);
}

const char *node_admit(struct node *n, const struct node_hello *hello)
{
    for (size_t i = 0; i < n->removed_count; i++)
        if (n->removed_ids[i] == hello->node_id && !raft_members_find(members_known(n), hello->node_id))
            return "this node has been removed from the cluster";
    return NULL;
}

bool members_have_keys(struct node *n)
{
    return store_count_all(rsm_store(n->rsm)) > 0;
}

/* CLUSTER MEET at a node in a cluster of several: the other one, that is us, joins (DESIGN 6). */
static void follow_invitation(struct node *n, const struct node_hello *hello)
{
    if (!n->config.may_be_invited || !n->running || n->join_host[0] || raft_members(n->raft)->count != 1 ||
        members_have_keys(n))
        return;
    node_say(n, LOG_NOTICE, "Invited into cluster %016llx by %s", (unsigned long long)hello->cluster_id,
             hello->name);
    snprintf(n->join_host, sizeof(n->join_host), "%s", hello->host);
    n->join_port = hello->peer_port;
    members_start_over(n);
}

void node_on_hello(struct node *n, uint32_t handle, const struct node_hello *hello)
{
    struct peer *p = node_peer(n, hello->node_id);
    if (hello->invites) {
        follow_invitation(n, hello);
        return;
    }
    if (p && p->hello.boot_nonce != hello->boot_nonce)
        digest_peer_restarted(p);
    if (p)
        p->hello = *hello;
    /* The entry that removed us may never reach us: the others hang up when it is committed. */
    if (p && hello->removed && hello->cluster_id == n->identity.cluster_id && n->running)
        note_own_removal(n, true);
    if (handle && handle == n->join_handle) {
        if (!n->join_peer)
            n->join_asked_us = 0;
        n->join_peer = hello->node_id;
    }
    found_on_hello(n, handle, hello);
    n->changed = true;
}

/* ---- being welcomed ----------------------------------------------------------------------------------- */

/* u64 cluster id; members; u64 the index of their entry: to a member that has no entry yet, so that it knows whom to
 * answer. */
static void welcome(struct node *n, struct peer *p)
{
    if (p->hello.has_entries || raft_members(n->raft)->count == 0)
        return;
    struct buf frame = BUF_EMPTY, members = BUF_EMPTY;
    frame_begin(n, &frame, FRAME_WELCOME);
    put_u64(&frame, n->identity.cluster_id);
    raft_members_encode(&members, raft_members(n->raft));
    put_bytes(&frame, buf_slice(&members));
    put_u64(&frame, raft_members_index(n->raft));
    buf_deinit(&members);
    frame_send(n, p->id, NODE_CONTROL, &frame);
}

void members_on_link_up(struct node *n, struct peer *p)
{
    if (n->removed && raft_members_find(raft_members(n->raft), n->identity.node_id))
        note_own_removal(n, false);
    welcome(n, p);
}

/* Frames may be lost. Where there is no leader it may be for want of those who have not been welcomed. */
static void welcome_again(struct node *n)
{
    bool leader = raft_role(n->raft) == RAFT_LEADER || raft_leader(n->raft) == 0;
    if (!leader || n->now_us < n->welcomed_us + n->config.election_us)
        return;
    n->welcomed_us = n->now_us;
    for (size_t i = 0; i < n->peer_count; i++)
        if (n->peers[i].link_up)
            welcome(n, &n->peers[i]);
}

void members_on_welcome(struct node *n, uint64_t peer, struct reader *r)
{
    uint64_t cluster_id = get_u64(r);
    struct slice bytes = get_bytes(r);
    uint64_t index = get_u64(r);
    struct raft_members members;
    (void)peer;
    if (r->failed || !cluster_id || !raft_members_decode(bytes, &members) ||
        !raft_members_find(&members, n->identity.node_id))
        return;
    if ((n->identity.cluster_id && n->identity.cluster_id != cluster_id) || n->found_saving || n->adopting)
        return;
    if (n->running && raft_members(n->raft)->count)
        return;
    found_give_up(n);
    n->welcome_members = members;
    n->welcome_index = index;
    if (n->identity.cluster_id == cluster_id) {
        members_changed(n);
        return;
    }
    n->adopting = true;
    n->identity.cluster_id = cluster_id;
    node_say(n, LOG_NOTICE, "Welcomed into cluster %016llx", (unsigned long long)cluster_id);
    node_save_identity(n, COOKIE_ADOPT);
}

/* ---- joining ------------------------------------------------------------------------------------------ */

void members_join(struct node *n, const char *host, uint16_t peer_port)
{
    if (host != n->join_host) /* asked again from there */
        snprintf(n->join_host, sizeof(n->join_host), "%s", host);
    n->join_port = peer_port;
    n->join_peer = 0;
    n->join_handle = n->ports.dial(n->ports.arg, host, peer_port, 0);
    node_say(n, LOG_NOTICE, "Asking %s, peer port %u, to be let in", host, (unsigned)peer_port);
}

static void ask_to_join(struct node *n)
{
    bool in = n->identity.cluster_id && members_known(n)->count;
    if (in && n->join_handle) {
        n->ports.hang_up(n->ports.arg, n->join_handle);
        n->join_handle = 0;
        n->join_host[0] = 0;
    }
    if (in || n->now_us < n->join_asked_us + JOIN_RETRY_US)
        return;
    n->join_asked_us = n->now_us;
    if (++n->join_tries % 10 == 0 && n->join_peer)
        node_say(n, LOG_WARNING,
                 "Not let in by %s yet: if its leader's log says that another node holds this "
                 "name or address, CLUSTER FORGET that one first",
                 n->join_host);
    else if (n->join_tries % 10 == 0)
        node_say(n, LOG_WARNING, "No node answers at %s, peer port %u: --join takes host:port@peer-port",
                 n->join_host, (unsigned)n->join_port);
    if (!n->join_peer)
        return;
    struct raft_member self = {
        .id = n->identity.node_id, .port = n->config.self.port, .peer_port = n->config.self.peer_port};
    memcpy(self.name, n->config.self.name, sizeof(self.name));
    memcpy(self.host, n->config.self.host, sizeof(self.host));
    struct buf frame = BUF_EMPTY;
    frame_begin(n, &frame, FRAME_JOIN);
    wire_member(&frame, &self);
    frame_send(n, n->join_peer, NODE_CONTROL, &frame);
}

static bool holds_place(const struct raft_member *m, const struct raft_member *of)
{
    return m->id != of->id && (strcmp(m->name, of->name) == 0 ||
                               (strcmp(m->host, of->host) == 0 && m->peer_port == of->peer_port));
}

/* A member row: who asks to be let in. Passed on to the leader, which adds it as a learner. */
void members_on_join(struct node *n, uint64_t peer, struct reader *r)
{
    struct raft_member m;
    (void)peer;
    if (!n->running || !wire_read_member(r, &m))
        return;
    if (raft_role(n->raft) != RAFT_LEADER) {
        uint64_t leader = raft_leader(n->raft);
        if (!leader)
            return;
        struct buf frame = BUF_EMPTY;
        frame_begin(n, &frame, FRAME_JOIN);
        wire_member(&frame, &m);
        frame_send(n, leader, NODE_CONTROL, &frame);
        return;
    }
    struct raft_members now = *raft_members(n->raft);
    if (raft_members_find(&now, m.id) || !raft_may_change_members(n->raft) || n->open_members)
        return; /* it asks again */
    for (uint32_t i = 0; i < now.count; i++)
        if (holds_place(&now.at[i], &m)) {
            node_say(n, LOG_WARNING,
                     "Join of %s at %s:%u refused: another node holds that name or address; FORGET it first",
                     m.name, m.host, (unsigned)m.port);
            return;
        }
    if (now.count == RAFT_MEMBERS_MAX)
        return;
    m.voter = false;
    now.at[now.count++] = m;
    node_say(n, LOG_NOTICE, "%s at %s:%u joins as a learner", m.name, m.host, (unsigned)m.port);
    propose_members(n, &now, NULL);
}

/* A learner that holds all but the last moments of the log becomes a voter (4.2.1). */
static void promote_learners(struct node *n)
{
    if (raft_role(n->raft) != RAFT_LEADER || !raft_may_change_members(n->raft) || n->open_members)
        return;
    const struct raft_members *members = raft_members(n->raft);
    for (uint32_t i = 0; i < members->count; i++) {
        struct raft_progress p;
        if (members->at[i].voter)
            continue;
        struct peer *peer = node_peer(n, members->at[i].id);
        if (!peer || !peer->link_up || peer_diverged(peer) || !raft_progress(n->raft, members->at[i].id, &p))
            continue;
        if (p.match == 0 || p.match + 1000 < raft_last_index(n->raft) ||
            n->now_us > p.acked_us + n->config.election_us)
            continue;
        struct raft_members now = *members;
        now.at[i].voter = true;
        node_say(n, LOG_NOTICE, "%s has caught up and becomes a voter", now.at[i].name);
        propose_members(n, &now, NULL);
        return;
    }
}

/* The node there is asked, over a link of its own, to drop what it is and to join us. */
void members_invite(struct node *n, const char *host, uint16_t peer_port)
{
    end_invitation(n);
    n->invite_until_us = n->now_us + 10 * n->config.election_us;
    n->invite_handle = n->ports.dial(n->ports.arg, host, peer_port, 0);
}

/* What entries may ask of apply is raised once every member can do it, so that a rolling upgrade is not a divergence. */
void members_raise_version(struct node *n)
{
    uint64_t lowest = RSM_APPLY_VERSION;
    const struct raft_members *m = raft_members(n->raft);
    if (!node_may_serve(n) || rsm_apply_version(n->rsm) >= lowest)
        return;
    for (uint32_t i = 0; i < m->count; i++) {
        struct peer *p = node_peer(n, m->at[i].id);
        if (!p && m->at[i].id != n->identity.node_id)
            return;
        if (p && p->hello.apply_version < lowest)
            lowest = p->hello.apply_version;
    }
    if (lowest <= rsm_apply_version(n->rsm) || n->now_us < n->version_asked_us + n->config.election_us)
        return;
    struct rsm_request req = {.kind = RSM_VERSION, .node = lowest};
    n->version_asked_us = n->now_us;
    if (propose_request(n, &req, NULL) && lowest == RSM_APPLY_VERSION)
        n->version_term = raft_term(n->raft);
}

void members_turn(struct node *n)
{
    found_turn(n);
    if (n->invite_handle && n->now_us > n->invite_until_us)
        end_invitation(n);
    if (n->join_host[0] && !n->resetting)
        ask_to_join(n);
    if (!n->running)
        return;
    welcome_again(n);
    promote_learners(n);
    moved_turn(n);
    members_raise_version(n);
}

/* ---- starting over ------------------------------------------------------------------------------------ */

/* Journal, snapshot, vote and id are dropped in one durable step (DESIGN 6, MEET); what follows happens once
 * it is done. Until then this node does nothing any more: what it wrote would stand behind the step, in a journal
 * it does not belong to. */
void members_start_over(struct node *n)
{
    if (n->resetting)
        return;
    n->resetting = true;
    n->running = false;
    memset(&n->reset_identity, 0, sizeof(n->reset_identity));
    n->reset_identity.node_id = prng_next(&n->chance) | 1;
    n->ports.reset(n->ports.arg, &n->reset_identity, COOKIE_RESET);
}

static void forget_everything(struct node *n)
{
    if (n->join_handle)
        n->ports.hang_up(n->ports.arg, n->join_handle);
    n->join_handle = 0;
    n->join_peer = n->join_asked_us = 0;
    snapshot_saves_refused(n);
    while (n->waiters.count) {
        struct waiter w = *waiters_at(&n->waiters, 0);
        waiters_pop_front(&n->waiters);
        waiter_answer(n, &w, NODE_UNKNOWN, slice_of(NULL, 0));
    }
    propose_drop_open(n);
    reads_lost_all(n);
    for (size_t i = n->peer_count; i-- > 0;)
        drop_peer(n, i);
    cache_clear(&n->cache);
    apply_forget(n);
    evict_forget(n);
    raft_free(n->raft);
    n->raft = NULL;
    apply_replace_state(n, rsm_new());
    blocked_here_reloaded(n);
    if (n->loader)
        rsm_loader_free(n->loader);
    n->loader = NULL;
    snapshot_disowned(n);
    n->installing = n->snapshot_writing = n->snapshot_lost = n->checkpoint_asked = false;
    n->receive_ending = 0;
    n->resetting = n->running = n->removed = n->was_member = n->was_leader = n->in_doubt = n->adopting =
        false;
    memset(&n->welcome_members, 0, sizeof(n->welcome_members));
    n->welcome_index = 0;
    memset(&n->applied_members, 0, sizeof(n->applied_members));
    n->applied_members_index = 0;
    recall_forget(n);
    n->digests.count = 0;
    n->doubt_index = n->digest_second = 0;
    n->snapshot_index = n->snapshot_term = n->snapshot_bytes = n->office_index = n->last_stamp_index = 0;
    n->removed_count = n->votes_count = 0;
    n->identity = n->reset_identity;
    n->found = (struct node_found){.identity = n->identity};
    n->config.initial_cluster.count = 0;
}

void members_on_saved(struct node *n, uint64_t cookie)
{
    if (cookie == COOKIE_ID) {
        start_begin(n);
    } else if (cookie == COOKIE_RESET) {
        forget_everything(n);
        if (n->join_host[0]) {
            start_run(n, NULL, 0, 0);
            members_join(n, n->join_host, n->join_port);
        } else {
            found_alone(n);
        }
        n->changed = true;
    } else if (cookie == COOKIE_ADOPT) {
        n->adopting = false;
        members_changed(n);
    } else if (cookie == COOKIE_FOUND) {
        found_written(n);
    }
}
