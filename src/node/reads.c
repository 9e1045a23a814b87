/* Reads by rounds (DESIGN 2; dissertation 6.4): a read runs once a quorum has answered something that was
 * sent after the read came in, and once everything it has to see is applied. On a follower the leader does
 * the round and names the index. */
#include "base/alloc.h"
#include "node/node_int.h"

struct read_wait *reads_add(struct node *n, uint64_t ticket, uint64_t peer, uint64_t index)
{
    struct read_wait *w = mem_calloc(1, sizeof(*w));
    w->ticket = ticket;
    w->peer = peer;
    w->index = index;
    w->asked_us = n->now_us;
    list_push_back(&n->reads, &w->link);
    n->round_wanted = true;
    return w;
}

static void answer(struct node *n, struct read_wait *w, enum node_outcome outcome, uint64_t now_ms)
{
    list_remove(&w->link);
    if (w->forwarded) {
        n->ports.applying(n->ports.arg, true); /* it may read, and send, a gigabyte */
        forward_read_ready(n, w, outcome, now_ms);
        n->ports.applying(n->ports.arg, false);
    } else if (w->recall) {
        recall_ready(n, w->recall, outcome);
    } else if (w->peer) {
        struct buf frame = BUF_EMPTY;
        frame_begin(n, &frame, FRAME_READ_INDEX_REPLY);
        put_u64(&frame, w->ticket);
        put_u8(&frame, outcome == NODE_DONE);
        put_u64(&frame, w->index);
        put_u64(&frame, now_ms);
        frame_send(n, w->peer, NODE_CONTROL, &frame);
    } else {
        n->clients.read_ready(n->clients.arg, w->ticket, outcome, now_ms);
    }
    mem_free(w);
}

static bool alone(const struct node *n)
{
    return raft_is_voter(n->raft) && !raft_members_others(raft_members(n->raft), n->identity.node_id);
}

bool node_reads_at_once(const struct node *n)
{
    return n->running && digest_trusted(n) && (rsm_limits(n->rsm).read_mode == RSM_READ_LOCAL || alone(n));
}

enum node_outcome node_read(struct node *n, uint64_t after, bool follower, uint64_t ticket, uint64_t *now_ms)
{
    if (!n->running || !digest_trusted(n))
        return NODE_NOT_LEADER;
    struct rsm_limits limits = rsm_limits(n->rsm);
    uint64_t applied = rsm_applied(n->rsm);
    bool leader = raft_role(n->raft) == RAFT_LEADER;
    if (limits.read_mode == RSM_READ_LOCAL && (leader || follower)) {
        *now_ms = node_cluster_ms(n);
        if (applied >= after)
            return NODE_DONE;
        reads_add(n, ticket, 0, after)->seq = READ_CONFIRMED;
        return NODE_PENDING;
    }
    if (!leader) {
        if (!follower || raft_leader(n->raft) == 0)
            return NODE_NOT_LEADER;
        reads_add(n, ticket, 0, after);
        return NODE_PENDING;
    }
    if (limits.read_mode == RSM_READ_LOG) {
        struct rsm_request req = {.kind = RSM_CLOCK};
        if (!propose_request(n, &req, NULL))
            return NODE_NOT_LEADER;
        reads_add(n, ticket, 0, n->last_stamp_index)->seq = READ_CONFIRMED;
        return NODE_PENDING;
    }
    if (node_may_serve(n) && alone(n) && applied >= after && applied >= raft_commit(n->raft)) {
        *now_ms = node_cluster_ms(n);
        return NODE_DONE;
    }
    reads_add(n, ticket, 0, after);
    return NODE_PENDING;
}

enum node_outcome node_read_due(struct node *n, uint64_t due_ms, uint64_t ticket)
{
    if (!n->running || !digest_trusted(n))
        return NODE_NOT_LEADER;
    if (raft_role(n->raft) == RAFT_LEADER) {
        uint64_t index = propose_clock(n, due_ms);
        if (index == 0)
            return NODE_NOT_LEADER;
        reads_add(n, ticket, 0, index);
        return NODE_PENDING;
    }
    if (raft_leader(n->raft) == 0)
        return NODE_NOT_LEADER;
    reads_add(n, ticket, 0, 0)->due_ms = due_ms;
    return NODE_PENDING;
}

void node_look_ahead(const struct node *n, const struct store_ahead *keys, size_t count)
{
    store_look_ahead(rsm_store(n->rsm), keys, count);
}

bool node_query(struct node *n, uint64_t now_ms, uint32_t db, int resp, struct slice user,
                const struct slice *argv, size_t argc, struct buf *reply, uint64_t *due_ms)
{
    return rsm_query(n->rsm, now_ms, db, resp, user, argv, argc, &n->chance, reply, due_ms);
}

bool node_decides(struct node *n, uint64_t *now_ms)
{
    if (!node_is_serving(n) || !alone(n) || n->disk_low || rsm_applied(n->rsm) < raft_commit(n->raft) ||
        !node_has_room(n))
        return false;
    *now_ms = node_cluster_ms(n);
    return true;
}

void node_try(struct node *n, uint64_t now_ms, uint32_t db, int resp, struct slice user,
              const struct slice *argv, size_t argc, struct buf *reply, struct command_trial *trial)
{
    rsm_try_script(n->rsm, now_ms, db, resp, user, argv, argc, &n->chance, reply, trial);
}

bool node_watch(struct node *n, uint64_t now_ms, uint32_t db, struct slice key, uint64_t *version,
                uint64_t *due_ms)
{
    return rsm_version(n->rsm, now_ms, db, key, version, due_ms);
}

/* All reads of a turn share one round; on a follower, one question to the leader. */
static void start_round(struct node *n)
{
    uint64_t seq = 0, due_ms = 0;
    bool leader = raft_role(n->raft) == RAFT_LEADER;
    if (leader) {
        struct raft_event e = {.type = RAFT_EVENT_READ};
        n->count.rounds++;
        /* The step may confirm at once (a cluster of one), so the reads get their number before: it is the
         * next one. */
        for (struct list *it = n->reads.next; it != &n->reads; it = it->next)
            if (list_entry(it, struct read_wait, link)->seq == 0)
                list_entry(it, struct read_wait, link)->seq = n->read_seq + 1;
        seq = node_step(n, &e, NULL);
        if (seq)
            n->read_seq = seq;
        return;
    }
    seq = ++n->read_cookie;
    list_for_each(it, &n->reads)
    {
        struct read_wait *w = list_entry(it, struct read_wait, link);
        if (w->seq != 0)
            continue;
        w->seq = seq;
        if (w->due_ms > due_ms)
            due_ms = w->due_ms;
    }
    struct buf frame = BUF_EMPTY;
    frame_begin(n, &frame, FRAME_READ_INDEX);
    put_u64(&frame, seq);
    put_u64(&frame, due_ms);
    frame_send(n, raft_leader(n->raft), NODE_CONTROL, &frame);
}

void reads_turn(struct node *n)
{
    if (!n->round_wanted)
        return;
    n->round_wanted = false;
    bool fresh = false;
    list_for_each(it, &n->reads) fresh |= list_entry(it, struct read_wait, link)->seq == 0;
    if (!fresh)
        return;
    if (raft_role(n->raft) == RAFT_LEADER || raft_leader(n->raft) != 0)
        start_round(n);
    else
        reads_lost(n);
}

void reads_confirmed(struct node *n, const struct raft_read *reads, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        list_for_each(it, &n->reads)
        {
            struct read_wait *w = list_entry(it, struct read_wait, link);
            if (w->seq == 0 || w->seq == READ_CONFIRMED || w->seq > reads[i].seq)
                continue;
            w->seq = READ_CONFIRMED;
            n->reads_ready = true;
            if (w->index < reads[i].index)
                w->index = reads[i].index;
        }
    }
}

/* Void: marked here, answered at the end of the turn like all others. */
void reads_lost(struct node *n)
{
    list_for_each(it, &n->reads)
    {
        struct read_wait *w = list_entry(it, struct read_wait, link);
        if (w->seq != READ_CONFIRMED)
            w->lost = true;
    }
}

/* A proxied read waits for the writes that stand before it on its connection. Another entry may come in their place, and
 * they be sent again to the next leader: the read has to go there behind them, and must not be answered without them. */
void reads_office_lost(struct node *n)
{
    list_for_each(it, &n->reads)
    {
        struct read_wait *w = list_entry(it, struct read_wait, link);
        if ((w->forwarded || w->recall) && w->index > rsm_applied(n->rsm))
            w->lost = true;
    }
}

/* Likewise in office, when what the turn has gathered is refused, from the entry at `index` on. */
void reads_lost_from(struct node *n, uint64_t index)
{
    list_for_each(it, &n->reads)
    {
        struct read_wait *w = list_entry(it, struct read_wait, link);
        w->lost |= w->index >= index;
    }
}

/* Whoever was asked for a round, another one, or we ourselves, has to make it. */
void reads_leader_changed(struct node *n)
{
    list_for_each(it, &n->reads)
    {
        struct read_wait *w = list_entry(it, struct read_wait, link);
        if (w->seq == READ_CONFIRMED || w->lost || w->peer)
            continue;
        w->seq = 0;
        n->round_wanted = true;
    }
}

void reads_lost_all(struct node *n)
{
    while (!list_empty(&n->reads))
        answer(n, list_entry(n->reads.next, struct read_wait, link), NODE_NOT_LEADER, 0);
    n->read_seq = 0; /* it follows Raft's own count */
}

void reads_release(struct node *n)
{
    uint64_t applied = rsm_applied(n->rsm), now_ms = node_cluster_ms(n);
    struct list todo;
    list_init(&todo);
    n->reads_ready = false;
    /* Answering may add reads: only those that stand here now are looked at. */
    list_for_each_safe(it, tmp, &n->reads)
    {
        struct read_wait *w = list_entry(it, struct read_wait, link);
        bool late = w->seq != READ_CONFIRMED && n->now_us > w->asked_us + 2 * n->config.election_us;
        /* Confirmed, but what it waits for was never committed: the entry of a lost office. */
        late |= n->now_us > w->asked_us + n->config.client_wait_us + 2 * n->config.election_us;
        late |= !digest_trusted(n) && (!w->peer || w->forwarded); /* it would run on our state */
        w->lost |= late;
        /* Another node applies up to the index itself; what runs here, for whomever, waits for ours. */
        bool behind = w->index > applied && (!w->peer || w->forwarded);
        if (!w->lost && (w->seq != READ_CONFIRMED || behind))
            continue;
        list_remove(&w->link);
        list_push_back(&todo, &w->link);
    }
    while (!list_empty(&todo)) {
        struct read_wait *w = list_entry(todo.next, struct read_wait, link);
        uint64_t at_ms = w->now_ms > now_ms ? w->now_ms : now_ms;
        answer(n, w, w->lost ? NODE_NOT_LEADER : NODE_DONE, at_ms);
    }
}

/* u64 cookie, u64 due time (0: none). */
void reads_on_index_frame(struct node *n, uint64_t peer, struct reader *r)
{
    uint64_t cookie = get_u64(r), due_ms = get_u64(r), index = 0;
    if (r->failed)
        return;
    if (due_ms)
        index = propose_clock(n, due_ms);
    struct read_wait *w = reads_add(n, cookie, peer, index);
    struct peer *p = node_peer(n, peer);
    w->lost = raft_role(n->raft) != RAFT_LEADER || (due_ms && index == 0) || (p && peer_diverged(p));
}

/* u64 cookie, u8 done, u64 index, u64 cluster time. */
void reads_on_index_reply(struct node *n, struct reader *r)
{
    uint64_t cookie = get_u64(r);
    bool done = get_u8(r);
    uint64_t index = get_u64(r), now_ms = get_u64(r);
    if (r->failed || raft_role(n->raft) == RAFT_LEADER)
        return;
    list_for_each(it, &n->reads)
    {
        struct read_wait *w = list_entry(it, struct read_wait, link);
        if (w->peer || w->lost || w->seq != cookie)
            continue; /* lost: a read of our own office, whose round only looks like this one */
        w->lost = !done;
        w->seq = READ_CONFIRMED;
        w->now_ms = now_ms;
        if (w->index < index)
            w->index = index;
    }
}
