/* The one place where Raft is stepped and its duties are carried out: persist, send, note what became known.
 * Applying and answering come later in the turn, so nothing here calls the server. */
#include "base/alloc.h"
#include "base/log.h"
#include "node/node_int.h"

#include <assert.h>

void node_save_identity(struct node *n, uint64_t cookie)
{
    n->ports.save_identity(n->ports.arg, &n->identity, cookie);
}

static void enlarge_votes(struct node *n)
{
    size_t cap = n->votes_cap ? 2 * n->votes_cap : 8;
    struct saved_vote *votes = mem_alloc(cap * sizeof *votes);
    for (size_t i = 0; i < n->votes_count; i++)
        votes[i] = n->votes[(n->votes_head + i) % n->votes_cap];
    mem_free(n->votes);
    n->votes = votes;
    n->votes_cap = cap;
    n->votes_head = 0;
}

static void save_vote(struct node *n, const struct raft_duties *d)
{
    if (n->votes_count == n->votes_cap)
        enlarge_votes(n);
    struct saved_vote *vote = &n->votes[(n->votes_head + n->votes_count++) % n->votes_cap];
    vote->term = n->identity.term = d->vote_term;
    vote->voted_for = n->identity.voted_for = d->vote_for;
    n->identity.short_log = d->short_log;
    n->identity.short_log_until = d->short_log_until;
    node_save_identity(n, COOKIE_VOTE);
}

void node_on_identity_saved(struct node *n)
{
    assert(n->votes_count > 0);
    struct saved_vote vote = n->votes[n->votes_head];
    struct raft_event e = {.type = RAFT_EVENT_VOTE_SAVED, .term = vote.term, .peer = vote.voted_for};
    n->votes_head = (n->votes_head + 1) % n->votes_cap;
    n->votes_count--;
    node_step(n, &e, NULL);
}

/* The no-op of a new term (dissertation 6.4): the only entry that Raft asks for by itself. */
static struct raft_block noop_block(uint64_t index, uint64_t term)
{
    struct buf b = BUF_EMPTY;
    size_t begin = raft_entry_begin(&b, index, term, RAFT_ENTRY_NOOP);
    raft_entry_end(&b, begin);
    struct raft_block block = {
        .first = index, .last = index, .blob = blob_new(b.data, b.len), .offset = 0, .len = b.len};
    buf_deinit(&b);
    return block;
}

static void append(struct node *n, const struct raft_duties *d, const struct raft_block *source)
{
    if (d->append_last < d->append_first)
        return;
    struct raft_block block;
    if (d->append_noop) {
        block = noop_block(d->append_first, raft_term(n->raft));
        n->office_index = d->append_first;
    } else {
        assert(source);
        block = block_slice(source, d->append_first, d->append_last);
    }
    cache_add(&n->cache, &block);
    n->feed_grown += block.len;
    n->ports.append(n->ports.arg, &block, d->append_ticket);
    if (d->append_noop)
        blob_unref(block.blob);
}

/* ---- sending ------------------------------------------------------------------------------------------ */

static size_t gather(struct node *n, uint64_t first, uint64_t last)
{
    size_t most = n->cache.count < last - first + 1 ? n->cache.count : (size_t)(last - first + 1);
    if (most > n->gathered_cap) {
        n->gathered_cap = most * 2;
        n->gathered = mem_realloc(n->gathered, n->gathered_cap * sizeof(*n->gathered));
    }
    return most ? cache_gather(&n->cache, first, last, n->gathered, n->gathered_cap) : 0;
}

/* Raft goes by it that APPENDs to a peer keep their order: what follows on one that went by bulk does so too. */
static enum node_channel append_channel(const struct node *n, struct peer *p, const struct raft_message *m,
                                        size_t bytes)
{
    struct raft_progress at;
    if (raft_progress(n->raft, p->id, &at) && at.match >= p->bulk_last)
        p->bulk_last = 0;
    if (bytes > CONTROL_MAX_BYTES && m->last > p->bulk_last)
        p->bulk_last = m->last;
    return p->bulk_last ? NODE_BULK : NODE_CONTROL;
}

static size_t send_message(struct node *n, const struct raft_message *m, const struct raft_block *blocks,
                           size_t count)
{
    char space[160];
    struct buf head = {space, 0, sizeof(space)};
    frame_begin(n, &head, FRAME_RAFT);
    wire_raft_message(&head, m);
    assert(head.data == space);
    size_t bytes = 0;
    for (size_t i = 0; i < count; i++)
        bytes += blocks[i].len;
    struct peer *p = m->type == RAFT_MSG_APPEND ? node_peer(n, m->to) : NULL;
    enum node_channel channel = p ? append_channel(n, p, m, bytes) : NODE_CONTROL;
    n->ports.send(n->ports.arg, m->to, channel, buf_slice(&head), blocks, count);
    return bytes;
}

static void queue_append(struct peer *p, const struct raft_message *m)
{
    /* Raft has gone back: it takes what still waits for lost. Were that sent all the same, a disk slower than the repeats would
     * never get to the end of them. The one being read is kept, its answer is as good as another's. */
    if (p->queue_count && m->index < p->queue[p->queue_count - 1].last)
        p->queue_count = p->reading ? 1 : 0;
    if (p->queue_count == p->queue_cap) {
        p->queue_cap = p->queue_cap ? p->queue_cap * 2 : 16;
        p->queue = mem_realloc(p->queue, p->queue_cap * sizeof(*p->queue));
    }
    p->queue[p->queue_count++] = *m;
}

/* APPENDs leave in the order Raft made them, so one that waits for the journal, or for the peer's pace, holds back those
 * behind it; beats and votes pass. What the leader of a former term still had queued is dropped. */
void node_send_append_queue(struct node *n, struct peer *p)
{
    size_t done = 0;
    for (; done < p->queue_count && !p->reading; done++) {
        struct raft_message *m = &p->queue[done];
        if (m->term != raft_term(n->raft) || raft_role(n->raft) != RAFT_LEADER)
            continue;
        if (m->last < m->first) {
            send_message(n, m, NULL, 0);
            continue;
        }
        if (!feed_may(n, p, m))
            break;
        size_t count = gather(n, m->first, m->last);
        if (count) {
            feed_sent(n, p, m, send_message(n, m, n->gathered, count));
            continue;
        }
        p->reading = true;
        p->read_cookie = COOKIE_PEER + ++n->cookie;
        n->ports.read(n->ports.arg, p->read_cookie, m->first, m->last, SIZE_MAX);
        break;
    }
    for (size_t i = done; i < p->queue_count; i++)
        p->queue[i - done] = p->queue[i];
    p->queue_count -= done;
}

void node_on_append_read(struct node *n, struct peer *p, const struct node_disk_event *event)
{
    p->reading = false;
    if (p->queue_count == 0)
        return;
    struct raft_message m = p->queue[0];
    for (size_t i = 1; i < p->queue_count; i++)
        p->queue[i - 1] = p->queue[i];
    p->queue_count--;
    const struct raft_block *b = &event->block;
    /* Gone from the journal meanwhile: Raft's probe finds out and sends a snapshot. */
    if (b->last >= b->first && b->first == m.first && m.term == raft_term(n->raft) &&
        raft_role(n->raft) == RAFT_LEADER) {
        if (b->last < m.last)
            m.last = b->last;
        struct raft_block part = block_slice(b, m.first, m.last);
        feed_sent(n, p, &m, send_message(n, &m, &part, 1));
    }
    node_send_append_queue(n, p);
}

static void send(struct node *n, const struct raft_duties *d)
{
    for (size_t i = 0; i < d->message_count; i++) {
        const struct raft_message *m = &d->messages[i];
        struct peer *p = node_peer(n, m->to);
        if (m->type != RAFT_MSG_APPEND || !p) {
            send_message(n, m, NULL, 0);
            continue;
        }
        queue_append(p, m);
        node_send_append_queue(n, p);
    }
}

/* ---- what became known -------------------------------------------------------------------------------- */

static void role_changed(struct node *n)
{
    bool leader = raft_role(n->raft) == RAFT_LEADER;
    if (leader && !n->was_leader) {
        n->count.elections_won++;
        phases_begin(n);
        n->lost_office_us = 0;
        clock_run(&n->clock, raft_members(n->raft), n->now_us, n->config.election_us);
        for (size_t i = 0; i < n->peer_count; i++)
            n->peers[i].queue_count = n->peers[i].bulk_last = n->peers[i].reading = 0; /* of another office */
    }
    if (!leader && n->was_leader) {
        n->office_index = 0;
        propose_office_lost(n);
    }
    if (raft_role(n->raft) == RAFT_CANDIDATE)
        n->count.elections_started++;
    if (raft_leader(n->raft) != n->last_leader) {
        n->last_leader = raft_leader(n->raft);
        if (n->last_leader) {
            n->count.leader_changes++;
            n->leader_since_us = n->now_us;
        }
        forward_leader_changed(n);
        reads_leader_changed(n);
    }
    n->was_leader = leader;
    n->changed = true;
}

uint64_t node_step(struct node *n, struct raft_event *event, const struct raft_block *source)
{
    struct raft_duties d;
    event->now_us = n->now_us;
    raft_step(n->raft, event, &d);
    feed_stepped(n);
    if (d.say)
        node_say(n, LOG_NOTICE, "%s", d.say);
    if (d.save_vote)
        save_vote(n, &d);
    if (d.cut) {
        cache_cut(&n->cache, d.cut_from);
        n->ports.cut(n->ports.arg, d.cut_from);
    }
    if (d.members_changed)
        members_note_others(n);
    append(n, &d, source);
    if (d.members_changed)
        members_changed(n);
    send(n, &d);
    if (d.reads_lost)
        reads_lost(n);
    reads_confirmed(n, d.reads, d.read_count);
    if (d.role_changed)
        role_changed(n);
    struct peer *to = d.send_snapshot ? node_peer(n, d.send_snapshot) : NULL;
    if (to)
        snapshot_send_begin(n, to);
    if (d.install)
        snapshot_accept(n);
    members_caught_up(n);
    if (event->type == RAFT_EVENT_PERSISTED || event->type == RAFT_EVENT_MESSAGE)
        phases_stepped(n, event->type == RAFT_EVENT_MESSAGE ? node_peer(n, event->peer) : NULL);
    return d.read_seq;
}

/* ---- receiving ---------------------------------------------------------------------------------------- */

/* Cuts the frames that follow an APPEND's header into what Raft wants to know of them; `frames` shrinks to
 * those that count. false: not what was announced. */
static bool read_entries(struct node *n, struct raft_message *m, struct slice *frames,
                         struct raft_members *members)
{
    size_t count = m->last >= m->first ? (size_t)(m->last - m->first + 1) : 0, at = 0;
    bool have_members = false;
    struct slice bytes = *frames;
    if (count > bytes.len / RAFT_ENTRY_HEADER)
        return false;
    if (count > n->received_cap) {
        n->received_cap = count * 2;
        n->received = mem_realloc(n->received, n->received_cap * sizeof(*n->received));
    }
    for (size_t i = 0; i < count; i++) {
        struct raft_frame f;
        if (!raft_entry_read(slice_of(bytes.data + at, bytes.len - at), false, &f) || f.index != m->first + i)
            return false;
        if (!raft_entry_known(&f)) {
            if (raft_entry_read(slice_of(bytes.data + at, f.len), true, &f)) /* not junk */
                n->ports.fatal(n->ports.arg, "the leader sent an entry of a kind that this build does not "
                                             "know: it must not be skipped");
            return false;
        }
        n->received[i] = (struct raft_entry){.term = f.term, .kind = f.kind, .size = (uint32_t)f.len};
        /* The cluster clock goes on from the last stamp in the journal, committed or not: a leader to come
         * must not start behind it. */
        uint64_t stamp_ms;
        if (f.kind == RAFT_ENTRY_DATA && rsm_peek_stamp(f.payload, &stamp_ms))
            clock_raise(&n->clock, stamp_ms * 1000, n->now_us);
        if (f.kind == RAFT_ENTRY_CONFIG) {
            /* One change at a time is committed before the next is proposed, but a batch for a lagging
             * follower may hold several: it is cut short after the first, the rest is sent again. */
            if (have_members) {
                m->last = m->first + i - 1;
                break;
            }
            if (!raft_members_decode(f.payload, members))
                return false;
            have_members = true;
            n->received[i].members = members;
        }
        at += f.len;
    }
    frames->len = at;
    m->entries = n->received;
    return true;
}

void node_on_raft_frame(struct node *n, uint64_t from, struct reader *r, struct blob *blob)
{
    struct raft_message m;
    struct raft_members members;
    if (!wire_read_raft_message(r, &m) || m.from != from)
        return;
    struct raft_block source = {.first = 1, .last = 0};
    if (m.type == RAFT_MSG_APPEND) {
        struct slice bytes = slice_of(r->at, reader_left(r));
        if (!read_entries(n, &m, &bytes, &members))
            return;
        source = (struct raft_block){.first = m.first,
                                     .last = m.last,
                                     .blob = blob,
                                     .offset = (size_t)(bytes.data - blob->data),
                                     .len = bytes.len};
    }
    struct raft_event e = {.type = RAFT_EVENT_MESSAGE, .message = &m, .peer = from};
    node_step(n, &e, &source);
}
