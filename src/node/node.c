/* The door: making and freeing a node, what reaches it from outside, and its turn. */
#include "node/node_int.h"

#include "base/alloc.h"
#include "base/log.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void node_say(struct node *n, int level, const char *fmt, ...)
{
    char line[512];
    va_list args;
    va_start(args, fmt);
    vsnprintf(line, sizeof(line), fmt, args);
    va_end(args);
    n->ports.say(n->ports.arg, level, line);
}

void node_long_work(struct node *n, size_t bytes, bool now)
{
    if (bytes > LONG_WORK_BYTES)
        n->ports.applying(n->ports.arg, now);
}

struct peer *node_peer(struct node *n, uint64_t id)
{
    for (size_t i = 0; i < n->peer_count; i++)
        if (n->peers[i].id == id)
            return &n->peers[i];
    return NULL;
}

/* An answer to a question of this node's former life, which may come at any time, must fit none of this one's. */
uint64_t node_first_cookie(struct node *n)
{
    return prng_next(&n->chance) >> 2; /* ADMIN_TICKET stays free */
}

struct node *node_new(const struct node_config *config, const struct node_found *found,
                      const struct node_ports *ports, const struct node_clients *clients, uint64_t now_us,
                      uint64_t wall_us)
{
    struct node *n = mem_calloc(1, sizeof(*n));
    n->config = *config;
    n->ports = *ports;
    n->clients = *clients;
    n->found = *found;
    n->identity = found->identity;
    n->now_us = now_us;
    n->wall_us = wall_us;
    prng_seed(&n->chance, config->chance);
    n->rsm = rsm_new();
    n->snapshot_ok = true;
    n->snapshot_index = found->snapshot_index;
    n->snapshot_term = found->snapshot_term;
    n->snapshot_bytes = found->snapshot_bytes;
    list_init(&n->reads);
    list_init(&n->save_waits);
    list_init(&n->reload_waits);
    list_init(&n->admin);
    n->read_cookie = node_first_cookie(n);
    n->admin_cookie = node_first_cookie(n);
    forward_init(n);
    blocked_here_init(n);
    return n;
}

void node_free(struct node *n)
{
    while (!list_empty(&n->reads)) {
        struct read_wait *w = list_entry(n->reads.next, struct read_wait, link);
        list_remove(&w->link);
        forward_read_free(w->forwarded);
        recall_free(w->recall);
        mem_free(w);
    }
    recall_forget(n);
    admin_deinit(n);
    snapshot_deinit(n);
    reload_deinit(n);
    forward_deinit(n);
    blocked_here_deinit(n);
    start_deinit(n);
    for (size_t i = 0; i < n->peer_count; i++)
        mem_free(n->peers[i].queue);
    apply_forget(n);
    evict_forget(n);
    cache_deinit(&n->cache);
    buf_deinit(&n->open);
    buf_deinit(&n->reply);
    mem_free(n->open_entries);
    mem_free(n->open_members);
    mem_free(n->waiters.ring);
    mem_free(n->votes);
    mem_free(n->gathered);
    mem_free(n->received);
    if (n->raft)
        raft_free(n->raft);
    rsm_free(n->rsm);
    mem_free(n);
}

void node_time(struct node *n, uint64_t now_us, uint64_t wall_us)
{
    /* Away for a heartbeat or more: what lies in the sockets comes first, then somebody may be judged. */
    bool stalled = n->now_us && now_us > n->now_us + n->config.election_us / 4;
    n->now_us = now_us;
    n->wall_us = wall_us;
    clock_hear(&n->clock, n->identity.node_id, wall_us, now_us);
    if (!n->running)
        return;
    clock_run(&n->clock, raft_members(n->raft), now_us, n->config.election_us);
    if (stalled) {
        struct raft_event e = {.type = RAFT_EVENT_STALLED};
        node_step(n, &e, NULL);
    }
}

/* ---- what happens outside ----------------------------------------------------------------------------- */

void node_on_disk(struct node *n, const struct node_disk_event *event)
{
    switch (event->type) {
    case NODE_DISK_IDENTITY_SAVED:
        if (event->cookie != COOKIE_VOTE)
            members_on_saved(n, event->cookie);
        else if (n->running)
            node_on_identity_saved(n);
        return;
    case NODE_DISK_PERSISTED:
        if (n->found_saving) {
            members_on_saved(n, COOKIE_FOUND);
        } else if (n->running) {
            if (n->tracing)
                node_say(n, LOG_DEBUG, "durable index=%llu term=%llu", (unsigned long long)event->index,
                         (unsigned long long)event->term);
            struct raft_event e = {.type = RAFT_EVENT_PERSISTED,
                                   .index = event->index,
                                   .term = event->term,
                                   .ticket = event->cookie};
            node_step(n, &e, NULL);
        }
        return;
    case NODE_DISK_READ:
        if (n->apply_reading && event->cookie == n->apply_cookie) {
            apply_on_read(n, event);
            return;
        }
        for (size_t i = 0; n->running && i < n->peer_count; i++)
            if (n->peers[i].reading && n->peers[i].read_cookie == event->cookie)
                node_on_append_read(n, &n->peers[i], event);
        return;
    default:
        snapshot_on_disk(n, event);
    }
}

static void note_sender(struct node *n, uint64_t peer, uint8_t flags, uint64_t wall_us)
{
    struct peer *p = node_peer(n, peer);
    if (p) {
        p->disk_low = flags & 1;
        n->changed |= p->says_diverged != ((flags & 2) != 0);
        p->says_diverged = flags & 2;
    }
    clock_hear(&n->clock, peer, wall_us, n->now_us);
}

void node_on_frame(struct node *n, uint64_t peer, enum node_channel channel, struct slice frame,
                   struct blob *blob)
{
    (void)channel;
    struct reader r = reader_of(frame);
    uint8_t type = get_u8(&r), flags = get_u8(&r);
    uint64_t wall_us = get_u64(&r);
    if (r.failed)
        return;
    if (type == FRAME_WELCOME)
        members_on_welcome(n, peer, &r);
    else if (type == FRAME_JOIN)
        members_on_join(n, peer, &r);
    if (!n->running)
        return;
    note_sender(n, peer, flags, wall_us);
    switch (type) {
    case FRAME_RAFT:
        /* Before its first vote or entry a node has recorded durably which cluster it belongs to (DESIGN 3).
         */
        if (n->identity.cluster_id && !n->adopting)
            node_on_raft_frame(n, peer, &r, blob);
        break;
    case FRAME_MOVED:
        moved_on_frame(n, &r);
        break;
    case FRAME_FORWARD:
        forward_on_frame(n, peer, flags, &r);
        break;
    case FRAME_FORWARD_REPLY:
        forward_on_reply(n, flags, &r);
        break;
    case FRAME_READ_INDEX:
        reads_on_index_frame(n, peer, &r);
        break;
    case FRAME_READ_INDEX_REPLY:
        reads_on_index_reply(n, &r);
        break;
    case FRAME_SNAPSHOT:
        if (n->identity.cluster_id && !n->adopting)
            snapshot_on_frame(n, peer, &r);
        break;
    case FRAME_SNAPSHOT_ACK:
        snapshot_on_ack(n, peer, &r);
        break;
    case FRAME_DIGEST:
        digest_on_frame(n, peer, &r);
        break;
    case FRAME_ADMIN:
        admin_on_frame(n, peer, &r);
        break;
    case FRAME_ADMIN_REPLY:
        admin_on_reply(n, &r);
        break;
    default: /* from a newer build, or answered above */
        break;
    }
}

void node_on_link(struct node *n, uint64_t peer, bool up, bool gone)
{
    struct peer *p = node_peer(n, peer);
    if (p && p->link_up && !up)
        p->lost_us = n->now_us;
    if (p && !up)
        blocked_link_lost(n, p);
    if (p)
        p->link_up = up;
    if (!up)
        found_on_link_lost(n, peer);
    if (!n->running)
        return;
    struct raft_event e = {
        .type = up ? RAFT_EVENT_LINK_UP : RAFT_EVENT_LINK_LOST, .peer = peer, .gone = gone};
    node_step(n, &e, NULL);
    if (up && p)
        members_on_link_up(n, p);
    if (up && p && p->snapshotting)
        p->piece_unsent = true; /* what was on its way is gone with the link, or with the peer's process */
    if (up)
        forward_link_up(n, peer);
}

void node_on_beat(struct node *n, uint64_t peer, uint64_t term)
{
    if (!n->running)
        return;
    struct raft_event e = {.type = RAFT_EVENT_BEAT, .peer = peer, .term = term};
    node_step(n, &e, NULL);
}

/* ---- the turn ----------------------------------------------------------------------------------------- */

bool node_hears(const struct node *n, const struct raft_progress *of)
{
    return n->now_us <= of->acked_us + n->config.election_us / 2 + n->config.heartbeat_us;
}

uint64_t node_heir(const struct node *n, bool with_room)
{
    uint64_t best = 0, most = 0;
    for (size_t i = 0; i < n->peer_count; i++) {
        const struct peer *p = &n->peers[i];
        const struct raft_member *m = raft_members_find(raft_members(n->raft), p->id);
        struct raft_progress progress;
        if (!m || !m->voter || !p->link_up || (with_room && p->disk_low) || peer_diverged(p) ||
            !raft_progress(n->raft, p->id, &progress) || progress.refused || progress.short_log)
            continue;
        if (!node_hears(n, &progress) || (best && progress.match <= most))
            continue;
        best = p->id;
        most = progress.match;
    }
    return best;
}

/* Once an election timeout, until somebody has taken over: a try may fail, and a node may be elected, in spite of what is
 * wrong with it, while no other could be. */
void node_resign(struct node *n)
{
    if (n->resigned_us && n->now_us < n->resigned_us + n->config.election_us)
        return;
    struct raft_event e = {.type = RAFT_EVENT_TRANSFER, .peer = node_heir(n, !n->identity.diverged)};
    if (!e.peer)
        return;
    n->resigned_us = n->now_us;
    node_step(n, &e, NULL);
}

static void watch_disk(struct node *n)
{
    if (n->disk.sampled_us && n->now_us < n->disk.sampled_us + n->config.heartbeat_us)
        return;
    n->disk.sampled_us = n->now_us;
    n->ports.disk_state(n->ports.arg, &n->disk.journal_bytes, &n->disk.snapshot_bytes, &n->disk.free_bytes,
                        &n->disk.running_us);
    bool low = n->disk.free_bytes < n->config.disk_reserve_bytes;
    if (low != n->disk_low) {
        n->disk_low = low;
        node_say(n, LOG_WARNING,
                 low ? "The disk is almost full: writes are refused until there is room"
                     : "The disk has room again: writes are taken");
    }
    if (low && raft_role(n->raft) == RAFT_LEADER)
        node_resign(n);
    if (n->disk.running_us > 2 * n->config.election_us && raft_role(n->raft) == RAFT_LEADER) {
        struct raft_event e = {.type = RAFT_EVENT_JOURNAL_HUNG};
        node_step(n, &e, NULL);
    }
}

/* While keys are due and nothing is written, time alone is logged (DESIGN 4). */
static void log_time(struct node *n)
{
    if (!node_may_serve(n) || n->open_count)
        return;
    uint64_t ms = node_cluster_ms(n), until_ms = rsm_waiting_until_ms(n->rsm);
    bool waits = until_ms && until_ms <= ms;
    if (n->now_us < n->last_clock_entry_us + (waits ? CLOCK_ENTRY_WAITS_US : CLOCK_ENTRY_US))
        return;
    if ((!waits && (n->due_keys_stay || !rsm_keys_due(n->rsm, ms))) ||
        raft_commit(n->raft) != raft_last_index(n->raft))
        return;
    struct rsm_request req = {.kind = RSM_CLOCK};
    n->last_clock_entry_us = n->now_us;
    propose_request(n, &req, NULL);
}

static void tick(struct node *n)
{
    if (n->now_us < raft_deadline_us(n->raft))
        return;
    if (n->identity.diverged && raft_role(n->raft) == RAFT_LEADER)
        node_resign(n);
    struct raft_event e = {.type = RAFT_EVENT_TICK};
    node_step(n, &e, NULL);
}

/* When the time of the first command that waits is up. */
static uint64_t waits_deadline_us(const struct node *n)
{
    uint64_t until_ms = rsm_waiting_until_ms(n->rsm), ms = node_cluster_ms(n);
    uint64_t soonest = n->last_clock_entry_us + CLOCK_ENTRY_WAITS_US;
    if (until_ms == 0 || !node_may_serve(n))
        return UINT64_MAX;
    if (until_ms <= ms)
        return soonest > n->now_us ? soonest : n->now_us + CLOCK_ENTRY_WAITS_US;
    uint64_t left_ms = until_ms - ms < 1000 ? until_ms - ms : 1000;
    return n->now_us + left_ms * 1000;
}

static uint64_t deadline(const struct node *n)
{
    uint64_t at = raft_deadline_us(n->raft), again = forward_deadline_us(n), feed = feed_deadline_us(n);
    uint64_t beat = n->now_us + n->config.heartbeat_us, waits = waits_deadline_us(n);
    at = at < waits ? at : waits;
    at = at < again ? at : again;
    at = at < feed ? at : feed;
    return at < beat ? at : beat;
}

/* What is durable and applied is kept in memory for peers that lag; what all of them hold, or nobody is there to want,
 * only until it is no longer warm. The journal has the rest. */
static void trim_cache(struct node *n)
{
    size_t spare = n->peer_count ? CACHE_SPARE_BYTES : 0;
    if (n->cache.bytes <= spare)
        return;
    uint64_t applied = rsm_applied(n->rsm), durable = raft_persisted(n->raft);
    uint64_t done = applied < durable ? applied : durable, held = done;
    for (size_t i = 0; i < n->peer_count; i++) {
        struct raft_progress p;
        if (raft_progress(n->raft, n->peers[i].id, &p) && p.match < held)
            held = p.match;
    }
    cache_trim(&n->cache, held, spare);
    cache_trim(&n->cache, done, CACHE_MAX_BYTES);
}

static void tell_server(struct node *n)
{
    if (!n->changed)
        return;
    bool leader = raft_role(n->raft) == RAFT_LEADER, was = n->told_leader;
    n->told_leader = leader;
    n->changed = false;
    n->clients.changed(n->clients.arg, was && !leader);
}

bool node_answer(struct node *n)
{
    if (!n->running || (rsm_applied(n->rsm) >= raft_commit(n->raft) && !n->reads_ready))
        return false;
    apply_turn(n);
    reads_release(n);
    return true;
}

uint64_t node_turn(struct node *n)
{
    members_turn(n);
    if (!n->running)
        return n->now_us + n->config.heartbeat_us;
    tick(n);
    watch_disk(n);
    log_time(n);
    bool evicting = evict_turn(n);
    blocked_turn(n);
    propose_turn(n);
    reads_turn(n);
    if (n->ports.flush)
        n->ports.flush(n->ports.arg);
    bool more = apply_turn(n) || evicting;
    digest_turn(n);
    reads_release(n);
    propose_expire_waiters(n);
    forward_turn(n);
    admin_turn(n);
    snapshot_turn(n);
    feed_turn(n);
    more |= rsm_store(n->rsm) && store_sweep(rsm_store(n->rsm), 64);
    trim_cache(n);
    tell_server(n);
    return more || n->open_count || n->round_wanted ? 0 : deadline(n);
}
