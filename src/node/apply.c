/* Committed entries go through the state machine, in order, and those who wait for them are answered. */
#include "base/log.h"
#include "node/node_int.h"

#include <assert.h>

/* What the entry at (index, term) settles. A waiter of an older term at this index or behind it can never be
 * committed any more, since terms in a log only grow: it surely did not run. */
static void settle_waiters(struct node *n, uint64_t index, uint64_t term, struct slice reply, bool waits)
{
    while (n->waiters.count) {
        struct waiter w = *waiters_at(&n->waiters, 0);
        if (w.index == index && w.term == term) {
            waiters_pop_front(&n->waiters);
            /* It ran, but what this node makes of it may be wrong: another one knows the reply. */
            bool known = digest_trusted(n) || (w.ticket & ADMIN_TICKET && w.peer);
            if (waits && known) {
                if (!w.peer) /* another node learns it from the log */
                    blocked_here_add(n, &w);
                return;
            }
            waiter_answer(n, &w, known ? NODE_DONE : NODE_UNKNOWN, known ? reply : slice_of(NULL, 0));
            return;
        }
        if (w.term >= term)
            return;
        waiters_pop_front(&n->waiters);
        waiter_answer(n, &w, w.index >= index ? NODE_NOT_LEADER : NODE_UNKNOWN, slice_of(NULL, 0));
    }
}

/* Reads of the same connection that stand before this write. */
static void run_reads_before(struct node *n, const struct raft_frame *f)
{
    if (!n->clients.before || n->waiters.count == 0 || !digest_trusted(n))
        return;
    const struct waiter *w = waiters_at(&n->waiters, 0);
    if (w->index == f->index && w->term == f->term && w->peer == 0)
        n->clients.before(n->clients.arg, w->ticket, f->payload);
}

/* Was this entry asked for by a client of this node itself? One in a session may have asked the same through it as a proxy. */
static bool asked_directly(struct node *n, const struct raft_frame *f)
{
    for (size_t i = 0; i < n->waiters.count; i++) {
        const struct waiter *w = waiters_at(&n->waiters, i);
        if (w->term >= f->term)
            return w->index == f->index && w->term == f->term && w->peer == 0;
    }
    return false;
}

/* Where waiters of older terms stand before the one that waits for it, it goes without. */
static bool is_timed(struct node *n, const struct raft_frame *f)
{
    const struct waiter *w = n->waiters.count ? waiters_at(&n->waiters, 0) : NULL;
    return w && w->timed && w->index == f->index && w->term == f->term;
}

/* true: it was a checkpoint. */
static bool apply_data(struct node *n, const struct raft_frame *f, struct rsm_result *at)
{
    struct rsm_result result;
    run_reads_before(n, f);
    buf_truncate(&n->reply, 0);
    bool timed = is_timed(n, f);
    uint64_t begun_us = timed ? node_clock_us(n) : 0;
    rsm_apply(n->rsm, f->index, f->term, f->payload, &n->reply, &result);
    n->spent_us = timed ? node_spent_us(n, begun_us) : 0;
    if (result.outcome == RSM_UNKNOWN_KIND) {
        n->ports.fatal(n->ports.arg,
                       "the journal holds an entry that this build does not know: it must not be skipped");
        return false;
    }
    if (result.outcome == RSM_DUPLICATE)
        n->count.duplicates++;
    *at = result;
    if (result.claim && result.asker == n->identity.node_id && digest_trusted(n) && !asked_directly(n, f))
        forward_waits(n, f->payload, result.claim);
    blocked_here_released(n);
    if (result.checkpoint) {
        reload_checkpoint_applied(n);
        snapshot_checkpoint_applied(n, &result);
    }
    if (rsm_stamp_ms(n->rsm) > n->last_stamp_ms)
        n->last_stamp_ms = rsm_stamp_ms(n->rsm);
    clock_raise(&n->clock, n->last_stamp_ms * 1000, n->now_us);
    return result.checkpoint;
}

void node_listen(struct node *n, const struct rsm_listener *listener, unsigned classes)
{
    n->listener = *listener;
    n->listens = classes;
    rsm_listen(n->rsm, listener, classes);
}

/* Nobody saw what happened to the keys in between: those who hold copies of any are told to drop them all. */
void apply_replace_state(struct node *n, struct rsm *fresh)
{
    rsm_free(n->rsm);
    n->rsm = fresh;
    rsm_listen(n->rsm, &n->listener, n->listens);
    if (n->listener.users_changed)
        n->listener.users_changed(n->listener.arg);
    if (n->listens & EVENT_FLUSHED)
        n->listener.heard(n->listener.arg, EVENT_FLUSHED, "replaced", 0, slice_of(NULL, 0));
}

static void apply_entry(struct node *n, const struct raft_frame *f)
{
    bool checkpoint = false;
    struct rsm_result result = {0};
    assert(f->index == rsm_applied(n->rsm) + 1 && raft_entry_known(f));
    if (n->tracing)
        node_say(n, LOG_DEBUG, "applied index=%llu term=%llu kind=%d", (unsigned long long)f->index,
                 (unsigned long long)f->term, (int)f->kind);
    if (f->kind == RAFT_ENTRY_DATA) {
        checkpoint = apply_data(n, f, &result);
    } else {
        buf_truncate(&n->reply, 0);
        buf_append_cstr(&n->reply, "+OK\r\n");
        rsm_skip(n->rsm, f->index, f->term);
        blocked_here_released(n);
        if (f->kind == RAFT_ENTRY_CONFIG && raft_members_decode(f->payload, &n->applied_members)) {
            n->applied_members_index = f->index;
            members_note_others(n);
        }
        n->changed = true;
    }
    n->count.applied++;
    settle_waiters(n, f->index, f->term, buf_slice(&n->reply), result.claim != 0);
    n->spent_us = 0;
    if (result.claim && result.asker == n->identity.node_id)
        blocked_here_check(n, result.claim);
    digest_applied(n, checkpoint);
    if (n->reply.cap > (4 << 20))
        buf_deinit(&n->reply);
}

static bool holds(const struct raft_block *b, uint64_t index)
{
    return b->blob && index >= b->first && index <= b->last;
}

static void drop(struct raft_block *b)
{
    blob_unref(b->blob);
    b->blob = NULL;
}

void apply_forget(struct node *n)
{
    drop(&n->apply_block);
    drop(&n->apply_ahead);
    n->apply_reading = false;
}

/* What memory does not hold is read back, a piece ahead of what is being applied: so the disk works beside us. */
static void read_piece(struct node *n, uint64_t from, uint64_t commit)
{
    struct raft_block cached;
    if (n->apply_reading || from > commit || cache_from(&n->cache, from, from, &cached))
        return;
    n->apply_reading = true;
    n->apply_cookie = COOKIE_PEER + ++n->cookie;
    n->ports.read(n->ports.arg, n->apply_cookie, from, commit, APPLY_READ_BYTES);
}

/* The block that holds the next entry, from memory or from what was read back; false: it has to be read
 * first. */
static bool next_block(struct node *n, uint64_t next, uint64_t commit, struct raft_block *out)
{
    if (!holds(&n->apply_block, next)) {
        drop(&n->apply_block);
        n->apply_block = n->apply_ahead;
        n->apply_ahead.blob = NULL;
    }
    if (holds(&n->apply_block, next)) {
        if (!n->apply_ahead.blob)
            read_piece(n, n->apply_block.last + 1, commit);
        *out =
            block_slice(&n->apply_block, next, n->apply_block.last < commit ? n->apply_block.last : commit);
        return true;
    }
    drop(&n->apply_block);
    if (cache_from(&n->cache, next, commit, out))
        return true;
    read_piece(n, next, commit);
    return false;
}

/* Of a piece that was read back, what comes before `at` is done with: no turn walks over it again. */
static void consumed(struct node *n, const struct raft_block *block, uint64_t next, size_t at)
{
    struct raft_block *b = &n->apply_block;
    if (b->blob != block->blob)
        return;
    b->len -= at - b->offset;
    b->offset = at;
    b->first = next;
    if (next > b->last)
        drop(b);
}

void apply_on_read(struct node *n, const struct node_disk_event *event)
{
    struct raft_block *to = n->apply_block.blob ? &n->apply_ahead : &n->apply_block;
    n->apply_reading = false;
    if (event->block.last < event->block.first || to->blob)
        return;
    *to = event->block;
    blob_ref(to->blob);
}

/* The next frames of a block, from offset *at on, which moves behind them; their keys are fetched together. */
static size_t read_frames(struct node *n, const struct raft_block *block, size_t *at, uint64_t next,
                          size_t max, struct raft_frame *frames)
{
    struct slice payloads[STORE_AHEAD_MAX];
    size_t count = 0;
    uint64_t left = block->last - next + 1;
    if (max > STORE_AHEAD_MAX)
        max = STORE_AHEAD_MAX;
    for (; count < max && count < left; count++) {
        struct raft_frame *f = &frames[count];
        struct slice rest = slice_of(block->blob->data + *at, block->offset + block->len - *at);
        bool whole = raft_entry_read(rest, false, f);
        assert(whole && f->index == next + count);
        payloads[count] = f->kind == RAFT_ENTRY_DATA ? f->payload : slice_of(NULL, 0);
        *at += f->len;
    }
    if (count > 1)
        rsm_look_ahead(n->rsm, payloads, count);
    return count;
}

/* What was recovered is being run again: applied is still behind what stood in the journal at the start, and is on its way
 * there. The tail that is not known to be committed does not count: nobody knows when it will be. */
bool apply_is_replaying(const struct node *n)
{
    if (!n->running || rsm_applied(n->rsm) >= n->replay.until)
        return false;
    return rsm_applied(n->rsm) < raft_commit(n->raft);
}

static void tell_replay(struct node *n)
{
    if (!apply_is_replaying(n) || n->now_us < n->replay.said_us + 1000000)
        return;
    n->replay.said_us = n->now_us;
    uint64_t done = rsm_applied(n->rsm) - n->replay.from, total = n->replay.until - n->replay.from;
    node_say(n, LOG_NOTICE, "Applying the journal: %u %% of %llu entries, %u s to go",
             (unsigned)(done * 100 / total), (unsigned long long)total,
             (unsigned)((n->now_us - n->replay.since_us) / 1000000 * (total - done) / (done | 1)));
}

bool apply_turn(struct node *n)
{
    uint64_t commit = raft_commit(n->raft), next = rsm_applied(n->rsm) + 1;
    size_t budget = APPLY_TURN_ENTRIES;
    struct raft_block block;
    if (next > commit || n->installing)
        return false;
    if (n->tracing)
        node_say(n, LOG_DEBUG, "committed index=%llu term=%llu", (unsigned long long)commit,
                 (unsigned long long)raft_term_at(n->raft, commit));
    n->ports.applying(n->ports.arg, true);
    while (next <= commit && budget > 0 && next_block(n, next, commit, &block)) {
        blob_ref(block.blob);
        size_t at = block.offset;
        while (next <= block.last && budget > 0) {
            struct raft_frame frames[STORE_AHEAD_MAX];
            size_t count = read_frames(n, &block, &at, next, budget, frames);
            for (size_t i = 0; i < count; i++)
                apply_entry(n, &frames[i]);
            next += count;
            budget -= count;
        }
        consumed(n, &block, next, at);
        blob_unref(block.blob);
    }
    n->ports.applying(n->ports.arg, false);
    phases_applied(n);
    tell_replay(n);
    return next <= commit && !n->apply_reading;
}
