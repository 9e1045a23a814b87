/* Checkpoints and snapshots (DESIGN 7; dissertation, chapter 5): when to write one, sending it to a peer in
 * acknowledged pieces on the bulk channel, receiving one, and loading its bytes into a new state machine.
 *
 * A snapshot takes the place of the one before, and of the journal, only when a majority has said that it has the same
 * state at the snapshot's index, or at a later one, which follows from it by the same entries. So what has a name on a disk
 * is known to be right, and may be sent by whoever leads, whatever has become of its own state since; and what is wrong
 * can be made anew. */
#include "node/node_int.h"

#include "base/alloc.h"
#include "base/log.h"

#include <assert.h>

enum { KEPT_FOR_A_PEER = 100000 }; /* entries */

/* A SAVE that waits for its file. */
struct save_wait {
    struct list link;
    uint64_t ticket;
    uint64_t after_index; /* a snapshot at an index above this one answers it */
};

void snapshot_deinit(struct node *n)
{
    while (!list_empty(&n->save_waits)) {
        struct save_wait *w = list_entry(n->save_waits.next, struct save_wait, link);
        list_remove(&w->link);
        mem_free(w);
    }
    if (n->loader)
        rsm_loader_free(n->loader);
}

static void send_on(struct node *n);

/* ---- writing ------------------------------------------------------------------------------------------ */

bool snapshot_emit(void *arg, bool (*emit)(void *sink, const void *data, size_t len), void *sink)
{
    struct node *n = arg;
    struct buf members = BUF_EMPTY;
    raft_members_encode(&members, &n->applied_members);
    struct rsm_snapshot_meta meta = {.cluster_id = n->identity.cluster_id,
                                     .members_index = n->applied_members_index,
                                     .members = buf_slice(&members)};
    bool ok = rsm_snapshot_write(n->rsm, &meta, emit, sink);
    buf_deinit(&members);
    return ok;
}

void snapshot_checkpoint_applied(struct node *n, const struct rsm_result *result)
{
    if (result->checkpoint_node != n->identity.node_id)
        return;
    n->checkpoint_asked = false;
    if (n->snapshot_writing || n->installing || !digest_trusted(n))
        return;
    n->snapshot_writing = true;
    n->snapshot_judged = false;
    n->snapshot_started_index = rsm_applied(n->rsm);
    n->writing_members = n->applied_members;
    node_say(n, LOG_NOTICE, "Checkpoint at %llu: writing a snapshot",
             (unsigned long long)n->snapshot_started_index);
    n->ports.snapshot_write(n->ports.arg, rsm_applied(n->rsm), rsm_applied_term(n->rsm), snapshot_emit, n);
}

static void judge(struct node *n, bool keep)
{
    if (!n->snapshot_writing || n->snapshot_judged)
        return;
    n->snapshot_judged = true;
    n->ports.snapshot_keep(n->ports.arg, n->snapshot_started_index, keep);
}

void snapshot_agreed(struct node *n, uint64_t index)
{
    if (index >= n->snapshot_started_index)
        judge(n, true);
}

void snapshot_disowned(struct node *n)
{
    judge(n, false);
}

/* The leader keeps what a reachable peer has yet to get, behind the snapshot that is on its way there too, within reason,
 * since a snapshot costs far more than a stretch of journal. */
static uint64_t compact_to(struct node *n, uint64_t index)
{
    uint64_t to = index;
    if (raft_role(n->raft) != RAFT_LEADER)
        return to;
    for (size_t i = 0; i < n->peer_count; i++) {
        struct raft_progress p;
        if (!n->peers[i].link_up || !raft_progress(n->raft, n->peers[i].id, &p))
            continue;
        uint64_t has = n->peers[i].snapshotting && n->peers[i].snapshot_index > p.match
                           ? n->peers[i].snapshot_index
                           : p.match;
        if (has && has < to && index - has < KEPT_FOR_A_PEER)
            to = has;
    }
    return to;
}

static void answer_saves(struct node *n, bool ok)
{
    list_for_each_safe(it, tmp, &n->save_waits)
    {
        struct save_wait *w = list_entry(it, struct save_wait, link);
        if (ok && n->snapshot_index <= w->after_index)
            continue;
        struct node_answer a = {.outcome = ok ? NODE_DONE : NODE_REFUSED,
                                .reply = ok ? SLICE_LITERAL("+OK\r\n")
                                            : SLICE_LITERAL("-ERR the snapshot could not be written\r\n")};
        list_remove(&w->link);
        n->clients.answer(n->clients.arg, w->ticket, &a);
        mem_free(w);
    }
}

void snapshot_saves_refused(struct node *n)
{
    answer_saves(n, false);
    reload_refused(n);
}

static void written(struct node *n, const struct node_disk_event *event)
{
    if (!n->snapshot_writing)
        return; /* it started over meanwhile */
    if (event->refused) {
        n->ports.fatal(n->ports.arg,
                       "the state in memory is not what was put there: the memory of this machine is "
                       "damaged, or there is a bug. A start makes the state anew from the disk");
        return;
    }
    n->snapshot_writing = false;
    n->snapshot_ok = event->ok;
    if (!event->ok) {
        node_say(n, LOG_WARNING, "Writing the snapshot failed: the one before is kept");
        answer_saves(n, false);
        return;
    }
    if (event->index < n->snapshot_index) /* one was installed meanwhile */
        return;
    n->snapshot_index = event->index;
    n->snapshot_term = event->term;
    n->snapshot_bytes = event->total;
    n->snapshot_members = n->writing_members;
    n->snapshot_saved_ms = n->wall_us / 1000;
    uint64_t to = compact_to(n, event->index);
    n->disk.sampled_us = n->disk.journal_bytes = 0; /* what the threshold compares starts anew */
    struct raft_event e = {
        .type = RAFT_EVENT_COMPACTED, .index = event->index, .term = event->term, .compact_to = to};
    node_step(n, &e, NULL);
    n->ports.compact(n->ports.arg, to);
    n->snapshot_lost = false;
    send_on(n);
    node_say(n, LOG_NOTICE, "Snapshot at %llu written, journal kept from %llu",
             (unsigned long long)event->index, (unsigned long long)to + 1);
    answer_saves(n, true);
}

static bool propose_checkpoint(struct node *n, uint64_t node_id)
{
    struct rsm_request req = {.kind = RSM_CHECKPOINT, .node = node_id};
    return propose_request(n, &req, NULL);
}

/* A checkpoint names one node, so that they never all write at once; a follower whose journal is long asks
 * for one. One that came while a file was being written wrote none: a SAVE that waits for it asks again. */
static void want_checkpoint(struct node *n)
{
    /* A journal twice as long as the snapshot: what is written for good stays below one and a half times what comes in, and a
     * start reads three snapshots' worth at most. */
    uint64_t twice = 2 * n->snapshot_bytes;
    uint64_t most = n->config.checkpoint_bytes > twice ? n->config.checkpoint_bytes : twice;
    /* One that failed is not tried again at once: each costs a fork. */
    bool asked = (n->checkpoint_asked || !n->snapshot_ok) &&
                 n->now_us < n->checkpoint_asked_us + 10 * n->config.election_us;
    bool wanted = n->disk.journal_bytes >= most || n->snapshot_lost || !list_empty(&n->save_waits) ||
                  !list_empty(&n->reload_waits);
    if (!digest_trusted(n) || n->removed) { /* removed: what it asked for will never reach it */
        snapshot_saves_refused(n);
        return;
    }
    if (n->snapshot_writing || n->installing || !wanted || asked)
        return;
    n->checkpoint_asked = true;
    n->checkpoint_asked_us = n->now_us;
    if (raft_role(n->raft) == RAFT_LEADER)
        propose_checkpoint(n, n->identity.node_id);
    else
        admin_ask_checkpoint(n);
}

bool snapshot_checkpoint_for(struct node *n, uint64_t node_id)
{
    return propose_checkpoint(n, node_id);
}

enum node_outcome node_checkpoint(struct node *n, bool wait, uint64_t ticket, struct buf *error)
{
    if (!n->running) {
        buf_append_cstr(error, "-LOADING kvorum is loading the dataset in memory\r\n");
        return NODE_REFUSED;
    }
    if (!digest_trusted(n)) {
        buf_append_cstr(error, "-ERR this node's state differs from others': no snapshot is made of it\r\n");
        return NODE_REFUSED;
    }
    n->checkpoint_asked = true;
    n->checkpoint_asked_us = n->now_us;
    if (raft_role(n->raft) == RAFT_LEADER ? !propose_checkpoint(n, n->identity.node_id)
                                          : !admin_ask_checkpoint(n))
        return NODE_NOT_LEADER;
    if (!wait)
        return NODE_DONE;
    struct save_wait *w = mem_calloc(1, sizeof(*w));
    w->ticket = ticket;
    w->after_index = rsm_applied(n->rsm);
    list_push_back(&n->save_waits, &w->link);
    return NODE_PENDING;
}

/* ---- sending ------------------------------------------------------------------------------------------ */

/* A damaged file is not spread: the transfer stands still, and fails when its time is up. */
static void ask_piece(struct node *n, struct peer *p)
{
    p->snapshot_cookie = n->snapshot_lost ? 0 : COOKIE_PEER + ++n->cookie;
    p->snapshot_moved_us = n->now_us;
    if (n->snapshot_lost)
        return;
    n->ports.snapshot_read(n->ports.arg, p->snapshot_cookie, p->snapshot_index, p->snapshot_offset,
                           SNAPSHOT_PIECE_BYTES);
}

/* There is a new one: transfers that stand still begin with it. */
static void send_on(struct node *n)
{
    for (size_t i = 0; i < n->peer_count; i++)
        if (n->peers[i].snapshotting && !n->peers[i].snapshot_cookie)
            ask_piece(n, &n->peers[i]);
}

void snapshot_send_begin(struct node *n, struct peer *p)
{
    if (p->snapshotting)
        return;
    p->snapshotting = true;
    p->piece_unsent = false;
    p->snapshot_index = n->snapshot_index;
    p->snapshot_term = n->snapshot_term;
    p->snapshot_offset = p->snapshot_total = 0;
    n->count.snapshots_sent++;
    node_say(n, LOG_NOTICE, "Sending the snapshot at %llu to %s", (unsigned long long)p->snapshot_index,
             p->hello.name);
    ask_piece(n, p);
}

static void send_end(struct node *n, struct peer *p, bool failed)
{
    p->snapshotting = false;
    struct raft_event e = {
        .type = RAFT_EVENT_SNAPSHOT_SENT, .peer = p->id, .index = p->snapshot_index, .gone = failed};
    node_step(n, &e, NULL);
}

/* u64 leader's term, index, term, offset, total; u8 last; members (of the snapshot, for the receiver's Raft);
 * the bytes. */
static void send_piece(struct node *n, struct peer *p, const struct node_disk_event *event)
{
    struct buf members = BUF_EMPTY, frame = BUF_EMPTY;
    raft_members_encode(&members, &n->snapshot_members);
    frame_begin(n, &frame, FRAME_SNAPSHOT);
    put_u64(&frame, raft_term(n->raft));
    put_u64(&frame, event->index);
    put_u64(&frame, event->term);
    put_u64(&frame, event->offset);
    put_u64(&frame, event->total);
    put_u8(&frame, event->offset + event->block.len >= event->total);
    put_bytes(&frame, buf_slice(&members));
    p->piece_unsent = !n->ports.send(n->ports.arg, p->id, NODE_BULK, buf_slice(&frame), &event->block, 1);
    buf_deinit(&frame);
    buf_deinit(&members);
}

static void on_piece(struct node *n, const struct node_disk_event *event)
{
    /* Else it would go out in the name of a term that another one leads. */
    if (raft_role(n->raft) != RAFT_LEADER)
        return;
    for (size_t i = 0; i < n->peer_count; i++) {
        struct peer *p = &n->peers[i];
        if (!p->snapshotting || p->snapshot_cookie != event->cookie)
            continue;
        if (!event->ok) { /* none that is whole: what stands here is written anew */
            n->snapshot_lost = true;
            p->snapshot_cookie = 0;
            return;
        }
        if (event->index != p->snapshot_index) { /* a newer one took its place: from the start */
            p->snapshot_index = event->index;
            p->snapshot_term = event->term;
            p->snapshot_offset = 0;
            if (event->offset != 0) {
                ask_piece(n, p);
                return;
            }
        }
        p->snapshot_total = event->total;
        if (event->block.len == 0)
            send_end(n, p, true);
        else
            send_piece(n, p, event);
        return;
    }
}

/* u64 leader's term, index, next offset wanted; u8 ok, u8 complete. */
void snapshot_on_ack(struct node *n, uint64_t peer, struct reader *r)
{
    uint64_t term = get_u64(r), index = get_u64(r), offset = get_u64(r);
    bool ok = get_u8(r), complete = get_u8(r);
    struct peer *p = node_peer(n, peer);
    if (r->failed || !p || !p->snapshotting || term != raft_term(n->raft) || index != p->snapshot_index)
        return;
    if (!ok || complete) {
        send_end(n, p, !ok);
        return;
    }
    p->snapshot_offset = offset;
    ask_piece(n, p);
}

/* ---- receiving ---------------------------------------------------------------------------------------- */

static void ack(struct node *n, uint64_t offset, bool ok, bool complete)
{
    struct buf frame = BUF_EMPTY;
    frame_begin(n, &frame, FRAME_SNAPSHOT_ACK);
    put_u64(&frame, n->receive_leader_term);
    put_u64(&frame, n->receive_index);
    put_u64(&frame, offset);
    put_u8(&frame, ok);
    put_u8(&frame, complete);
    frame_send(n, n->receive_from, NODE_CONTROL, &frame);
}

void snapshot_on_frame(struct node *n, uint64_t peer, struct reader *r)
{
    uint64_t leader_term = get_u64(r), index = get_u64(r), term = get_u64(r), offset = get_u64(r),
             total = get_u64(r);
    bool last = get_u8(r);
    struct slice members = get_bytes(r);
    /* A leader of an older term sends nothing any more that counts (FAULTS 26). While the disk finishes what it has whole, which
     * may take it longer than a leader waits, nothing is begun in its place. */
    if (r->failed || leader_term < raft_term(n->raft) || n->installing || n->receive_ending ||
        !raft_members_decode(members, &n->receive_members))
        return;
    n->receive_from = peer;
    n->receive_leader_term = leader_term;
    n->receive_index = index;
    n->receive_term = term;
    n->receive_total = total;
    struct slice bytes = slice_of(r->at, reader_left(r));
    n->ports.snapshot_receive(n->ports.arg, ++n->cookie, index, term, offset, bytes, last);
    if (last)
        n->receive_ending = n->cookie;
}

static void received(struct node *n, const struct node_disk_event *event)
{
    if (event->cookie == n->receive_ending)
        n->receive_ending = 0;
    if (event->index != n->receive_index)
        return;
    bool complete = event->last && event->ok;
    if (!complete) {
        ack(n, event->offset, event->ok, false);
        return;
    }
    struct raft_event e = {.type = RAFT_EVENT_SNAPSHOT_RECEIVED,
                           .index = event->index,
                           .term = event->term,
                           .leader_term = n->receive_leader_term,
                           .peer = n->receive_from,
                           .members = &n->receive_members};
    node_step(n, &e, NULL);
    if (!n->installing)
        ack(n, event->offset, true, true); /* not needed any more: the journal went further */
}

/* Duty `install`. A suffix of the journal that follows on the snapshot is kept, a conflicting one is not
 * (B42). */
void snapshot_accept(struct node *n)
{
    n->installing = true;
    bool keep = raft_term_at(n->raft, n->receive_index) == n->receive_term;
    node_say(n, LOG_NOTICE, "Installing the snapshot at %llu", (unsigned long long)n->receive_index);
    recall_keep(n, n->receive_index);
    if (!keep)
        cache_clear(&n->cache);
    n->ports.snapshot_install(n->ports.arg, n->receive_index, n->receive_term, keep);
}

/* ---- loading ------------------------------------------------------------------------------------------ */

static void ask_load(struct node *n)
{
    n->ports.snapshot_read(n->ports.arg, COOKIE_LOAD, n->load_index, n->load_offset,
                           4 * SNAPSHOT_PIECE_BYTES);
}

void snapshot_load_begin(struct node *n, uint64_t index, uint64_t term, bool live)
{
    n->installing = live;
    n->loader = rsm_loader_new();
    n->load_index = index;
    n->load_term = term;
    n->load_offset = n->load_total = 0;
    n->load_started_us = n->load_said_us = n->now_us;
    ask_load(n);
}

/* Waiters that the snapshot covers: nobody here knows whether they ran, except by what their sessions remember. */
static void settle_covered(struct node *n, uint64_t index, uint64_t term)
{
    struct buf reply = BUF_EMPTY;
    while (n->waiters.count) {
        struct waiter w = *waiters_at(&n->waiters, 0);
        if (w.index > index && w.term >= term)
            break;
        waiters_pop_front(&n->waiters);
        buf_truncate(&reply, 0);
        uint64_t until_ms;
        if (w.index > index)
            waiter_answer(n, &w, NODE_NOT_LEADER, slice_of(NULL, 0));
        else if (digest_trusted(n) && recall_covered(n, &w, &reply))
            waiter_answer(n, &w, NODE_DONE, buf_slice(&reply));
        else if (digest_trusted(n) && !w.peer && w.term == term && rsm_waits(n->rsm, w.index, &until_ms))
            blocked_here_add(n, &w); /* all who wait came in the last term, in which the index says it all */
        else
            waiter_answer(n, &w, NODE_UNKNOWN, slice_of(NULL, 0));
    }
    buf_deinit(&reply);
    recall_forget(n);
}

/* What was counted goes on: it is no part of the state. */
void snapshot_take_state(struct node *n, struct rsm *fresh)
{
    *store_stats(rsm_store(fresh)) = *store_stats(rsm_store(n->rsm));
    apply_replace_state(n, fresh);
}

static void loaded(struct node *n)
{
    struct rsm_snapshot_meta meta;
    struct buf keep = BUF_EMPTY;
    struct raft_members members;
    struct rsm *fresh = rsm_loader_finish(n->loader, &meta, &keep);
    n->loader = NULL;
    if (!fresh || !raft_members_decode(meta.members, &members)) {
        n->ports.fatal(n->ports.arg, "the snapshot cannot be loaded: it is damaged, or not one of kvorum's");
        return;
    }
    if (meta.index != n->load_index || meta.term != n->load_term) { /* of another place of the log */
        n->ports.fatal(n->ports.arg, "the snapshot is not the one that its name says");
        return;
    }
    snapshot_take_state(n, fresh);
    n->applied_members = n->snapshot_members = members;
    n->applied_members_index = meta.members_index;
    n->snapshot_index = meta.index;
    n->snapshot_term = meta.term;
    n->snapshot_bytes = n->load_total;
    n->snapshot_lost = false;
    clock_raise(&n->clock, rsm_stamp_ms(n->rsm) * 1000, n->now_us);
    if (rsm_stamp_ms(n->rsm) > n->last_stamp_ms)
        n->last_stamp_ms = rsm_stamp_ms(n->rsm);
    node_say(n, LOG_NOTICE, "Snapshot at %llu loaded in %.3f s", (unsigned long long)meta.index,
             (double)(n->now_us - n->load_started_us) / 1e6);
    if (n->installing) {
        n->installing = false;
        n->count.snapshots_installed++;
        snapshot_disowned(n);
        digest_state_loaded(n, true);
        settle_covered(n, meta.index, meta.term);
        blocked_here_reloaded(n);
        struct raft_event e = {.type = RAFT_EVENT_SNAPSHOT_INSTALLED,
                               .index = meta.index,
                               .term = meta.term,
                               .members = &members};
        node_step(n, &e, NULL);
        ack(n, n->load_total, true, true);
    } else {
        start_run(n, &members, meta.index, meta.term);
    }
    buf_deinit(&keep);
    n->changed = true;
}

static void on_load_piece(struct node *n, const struct node_disk_event *event)
{
    if (!n->loader)
        return;
    if (!event->ok || event->index != n->load_index) {
        n->ports.fatal(n->ports.arg, "the snapshot cannot be read");
        return;
    }
    n->load_total = event->total;
    n->load_offset += event->block.len;
    if (!rsm_loader_feed(n->loader,
                         slice_of(event->block.blob->data + event->block.offset, event->block.len))) {
        node_say(n, LOG_WARNING, "Snapshot: %s", rsm_loader_error(n->loader));
        n->ports.fatal(n->ports.arg, "the snapshot cannot be loaded");
        return;
    }
    if (n->now_us > n->load_said_us + 1000000) {
        n->load_said_us = n->now_us;
        node_say(n, LOG_NOTICE, "Loading the snapshot: %u %%",
                 (unsigned)(n->load_offset * 100 / (n->load_total | 1)));
    }
    if (n->load_offset >= n->load_total)
        loaded(n);
    else
        ask_load(n);
}

void snapshot_on_disk(struct node *n, const struct node_disk_event *event)
{
    if (!n->running && event->type != NODE_DISK_SNAPSHOT_PIECE)
        return; /* of a life that this node has put behind it */
    switch (event->type) {
    case NODE_DISK_SNAPSHOT_WRITTEN:
        written(n, event);
        return;
    case NODE_DISK_SNAPSHOT_PIECE:
        if (event->cookie == COOKIE_LOAD)
            on_load_piece(n, event);
        else
            on_piece(n, event);
        return;
    case NODE_DISK_SNAPSHOT_RECEIVED:
        received(n, event);
        return;
    case NODE_DISK_SNAPSHOT_INSTALLED:
        if (n->installing)
            snapshot_load_begin(n, event->index, event->term, true);
        return;
    default:
        assert(!"a disk event nobody asked for");
    }
}

void snapshot_turn(struct node *n)
{
    want_checkpoint(n);
    bool leader = raft_role(n->raft) == RAFT_LEADER;
    for (size_t i = 0; i < n->peer_count; i++) {
        struct peer *p = &n->peers[i];
        if (!p->snapshotting)
            continue;
        if (!leader) {
            p->snapshotting = false;
        } else if (p->piece_unsent && n->now_us > p->snapshot_moved_us + n->config.heartbeat_us / 2) {
            p->piece_unsent = false;
            ask_piece(n, p);
        }
        if (p->snapshotting && n->now_us > p->snapshot_moved_us + 4 * n->config.election_us)
            send_end(n, p, true); /* no answer: Raft probes and asks again */
    }
}
