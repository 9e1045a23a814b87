/* Writes: from a request to an entry of this turn's block, and from the entry's fate back to the one who
 * asked. */
#include "base/alloc.h"
#include "base/log.h"
#include "node/node_int.h"

#include <assert.h>

/* ---- the ring of waiters ------------------------------------------------------------------------------ */

struct waiter *waiters_at(struct waiters *w, size_t i)
{
    assert(i < w->count);
    return &w->ring[(w->head + i) & (w->cap - 1)];
}

void waiters_push(struct waiters *w, const struct waiter *item)
{
    if (w->count == w->cap) {
        size_t cap = w->cap ? w->cap * 2 : 1024;
        struct waiter *ring = mem_alloc(cap * sizeof(*ring));
        for (size_t i = 0; i < w->count; i++)
            ring[i] = *waiters_at(w, i);
        mem_free(w->ring);
        *w = (struct waiters){.ring = ring, .count = w->count, .cap = cap};
    }
    w->count++;
    *waiters_at(w, w->count - 1) = *item;
}

void waiters_pop_front(struct waiters *w)
{
    assert(w->count);
    w->head = (w->head + 1) & (w->cap - 1);
    w->count--;
}

void waiters_pop_back(struct waiters *w)
{
    assert(w->count);
    w->count--;
}

void waiter_answer(struct node *n, const struct waiter *w, enum node_outcome outcome, struct slice reply)
{
    if (w->peer && (w->ticket & ADMIN_TICKET)) {
        admin_settled(n, w, outcome);
        return;
    }
    if (w->peer) {
        forward_answer(n, w, outcome, reply);
        return;
    }
    if (n->tracing)
        node_say(n, LOG_DEBUG, "answered ticket=%llx index=%llu term=%llu outcome=%d",
                 (unsigned long long)w->ticket, (unsigned long long)w->index, (unsigned long long)w->term,
                 (int)outcome);
    struct node_answer a = {.outcome = outcome, .reply = reply, .index = w->index};
    n->clients.answer(n->clients.arg, w->ticket, &a);
}

/* ---- into the turn's block ---------------------------------------------------------------------------- */

uint64_t node_cluster_ms(const struct node *n)
{
    uint64_t ms = n->clock.value_us / 1000;
    return ms > n->last_stamp_ms ? ms : n->last_stamp_ms;
}

uint64_t node_pending_index(const struct node *n)
{
    return n->raft ? raft_last_index(n->raft) + n->open_count : 0;
}

/* The office may have been lost, and even won again, since the first entry of this turn was written: then the
 * block belongs to the old term, is refused at the end of the turn, and takes nothing more. */
static bool may_open(const struct node *n)
{
    return n->raft && raft_accepts(n->raft) && (n->open_count == 0 || n->open_term == raft_term(n->raft));
}

static uint64_t open_entry(struct node *n, enum raft_entry_kind kind, size_t *begin)
{
    if (n->open_count == 0) {
        n->open_first = raft_last_index(n->raft) + 1;
        n->open_term = raft_term(n->raft);
        buf_reserve(&n->open, BLOB_HEAD + n->open_expected);
        n->open.len = BLOB_HEAD;
    }
    if (n->open_count == n->open_cap) {
        n->open_cap = n->open_cap ? n->open_cap * 2 : 256;
        n->open_entries = mem_realloc(n->open_entries, n->open_cap * sizeof(*n->open_entries));
    }
    uint64_t index = n->open_first + n->open_count;
    *begin = raft_entry_begin(&n->open, index, n->open_term, kind);
    n->open_entries[n->open_count] = (struct raft_entry){.term = n->open_term, .kind = kind};
    return index;
}

static void close_entry(struct node *n, size_t begin, uint64_t index, const struct waiter *who)
{
    raft_entry_end(&n->open, begin);
    n->open_entries[n->open_count++].size = (uint32_t)(n->open.len - begin);
    n->count.proposed++;
    n->phases.taken_us += n->now_us;
    if (!who)
        return;
    struct waiter w = *who;
    w.index = index;
    w.term = n->open_term;
    waiters_push(&n->waiters, &w);
}

static size_t request_bytes(const struct rsm_request *req)
{
    size_t bytes = 0;
    for (size_t i = 0; i < req->argc; i++)
        bytes += req->argv[i].len;
    return bytes;
}

/* Will the state know, when it comes to the next entry, of commands that wait, and of scripts? Older nodes do not know the form, and there
 * such a command does not run yet. A leader that has not come to its office's first entry cannot tell. */
static bool knows_version_3(const struct node *n)
{
    return rsm_apply_version(n->rsm) >= 3 || n->version_term == raft_term(n->raft);
}

/* Is there a command with this flag among those that are asked for? */
static bool has_flag(const struct rsm_request *req, uint32_t flag)
{
    size_t at = 0;
    if (req->kind == RSM_COMMAND) {
        const struct command *c = command_find(req->argv, req->argc);
        return c && (c->flags & flag);
    }
    for (size_t i = 0; req->kind == RSM_EXEC && i < req->commands; at += req->counts[i++]) {
        const struct command *c = command_find(req->argv + at, req->counts[i]);
        if (c && (c->flags & flag))
            return true;
    }
    return false;
}

/* A script is told whether memory was above maxmemory; which of its commands that forbids is found out when it runs. */
static bool is_short_of_memory(struct node *n, const struct rsm_request *req)
{
    return rsm_limits(n->rsm).maxmemory && has_flag(req, CMD_BY_SCRIPT) && !evict_make_room(n);
}

bool propose_request(struct node *n, const struct rsm_request *req, const struct waiter *who)
{
    if (!may_open(n))
        return false;
    struct rsm_request own = *req;
    own.oom = is_short_of_memory(n, req);
    if (!knows_version_3(n))
        own.asker = own.oom = 0;
    size_t begin, bytes = request_bytes(req);
    node_long_work(n, bytes, true);
    uint64_t index = open_entry(n, RAFT_ENTRY_DATA, &begin);
    uint64_t stamp = node_cluster_ms(n);
    n->last_stamp_ms = stamp;
    n->last_stamp_index = index;
    rsm_encode(&n->open, &own, stamp, prng_next(&n->chance));
    close_entry(n, begin, index, who);
    node_long_work(n, bytes, false);
    if (n->tracing)
        node_say(n, LOG_DEBUG, "proposed client=%.*s request=%llu index=%llu term=%llu",
                 (int)req->client_id.len, req->client_id.data ? req->client_id.data : "",
                 (unsigned long long)req->request_id, (unsigned long long)index,
                 (unsigned long long)n->open_term);
    return true;
}

bool propose_members(struct node *n, const struct raft_members *members, const struct waiter *who)
{
    if (!may_open(n) || !raft_may_change_members(n->raft) || n->open_members)
        return false;
    size_t begin;
    uint64_t index = open_entry(n, RAFT_ENTRY_CONFIG, &begin);
    raft_members_encode(&n->open, members);
    n->open_members = mem_alloc(sizeof(*members));
    *n->open_members = *members;
    n->open_entries[n->open_count].members = n->open_members;
    close_entry(n, begin, index, who);
    return true;
}

/* An entry whose stamp reaches at_least_ms: one already under way, or a new one that carries time alone. */
uint64_t propose_clock(struct node *n, uint64_t at_least_ms)
{
    if (!n->raft || !raft_accepts(n->raft))
        return 0;
    bool under_way = n->last_stamp_index > rsm_applied(n->rsm);
    if (n->last_stamp_ms >= at_least_ms && n->last_stamp_index > 0 &&
        (under_way || !rsm_keys_due(n->rsm, at_least_ms))) /* one entry takes a bounded number of keys */
        return n->last_stamp_index;
    clock_raise(&n->clock, at_least_ms * 1000, n->now_us);
    struct rsm_request req = {.kind = RSM_CLOCK};
    n->last_clock_entry_us = n->now_us;
    return propose_request(n, &req, NULL) ? n->last_stamp_index : 0;
}

void propose_drop_open(struct node *n)
{
    buf_truncate(&n->open, 0);
    n->open_count = 0;
    n->phases.taken_us = 0;
    mem_free(n->open_members);
    n->open_members = NULL;
}

/* Raft never heard of them: they surely did not run, and what comes behind them must not. */
static void refuse_open(struct node *n)
{
    uint64_t first = n->open_first, term = n->open_term;
    propose_drop_open(n);
    reads_lost_from(n, first);
    forward_office_lost(n);
    for (;;) {
        if (n->waiters.count == 0)
            return;
        struct waiter w = *waiters_at(&n->waiters, n->waiters.count - 1);
        if (w.term != term || w.index < first)
            return;
        waiters_pop_back(&n->waiters);
        waiter_answer(n, &w, NODE_NOT_LEADER, slice_of(NULL, 0));
    }
}

/* A long block is handed over as it is, a short one copied: its room would be mostly empty, and stays for the next. */
static struct blob *take_open(struct node *n)
{
    size_t len = n->open.len - BLOB_HEAD;
    n->open_expected = len < OPEN_EXPECTED_MAX ? len + len / 4 : OPEN_EXPECTED_MAX;
    if (len < OPEN_COPIED_MAX || len < n->open.cap / 2)
        return blob_new(n->open.data + BLOB_HEAD, len);
    return blob_of_buf(&n->open);
}

void propose_turn(struct node *n)
{
    if (n->open_count == 0)
        return;
    if (!raft_accepts(n->raft) || raft_term(n->raft) != n->open_term ||
        raft_last_index(n->raft) + 1 != n->open_first) {
        refuse_open(n);
        return;
    }
    size_t bytes = n->open.len;
    node_long_work(n, bytes, true);
    struct raft_block block = {
        .first = n->open_first, .last = n->open_first + n->open_count - 1, .blob = take_open(n), .offset = 0};
    block.len = block.blob->len;
    phases_proposed(n);
    struct raft_event e = {.type = RAFT_EVENT_PROPOSE, .entries = n->open_entries, .count = n->open_count};
    node_step(n, &e, &block);
    blob_unref(block.blob);
    propose_drop_open(n);
    if (n->open.cap > (1 << 20)) /* one huge request must not keep its room for ever */
        buf_deinit(&n->open);
    node_long_work(n, bytes, false);
}

/* ---- whether to take it ------------------------------------------------------------------------------- */

bool propose_fits(const struct rsm_request *req, struct buf *error)
{
    if (rsm_encode_bound(req) <= RAFT_ENTRY_MAX - RAFT_ENTRY_HEADER)
        return true;
    buf_append_cstr(error, "-ERR the request is too large for an entry of the log\r\n");
    return false;
}

/* Verdicts that depend on this node's state are made here, by the leader, and never at apply (DESIGN 4). */
enum node_outcome propose_verdict(struct node *n, const struct rsm_request *req, struct buf *error)
{
    const char *why = NULL;
    if (!n->running)
        why = "LOADING kvorum is loading the dataset in memory";
    else if (!raft_accepts(n->raft) || n->identity.diverged) /* diverged: it hands over */
        return NODE_NOT_LEADER;
    else if (!knows_version_3(n) && !node_may_serve(n) && (req->asker || has_flag(req, CMD_SINCE_3)))
        return NODE_NOT_LEADER;
    else if (n->in_doubt)
        why = "CLUSTERDOWN The nodes' states differ and no majority agrees";
    else if (n->disk_low && req->kind != RSM_UNBLOCK)
        why = "ERR the disk is almost full: writes are refused until there is room";
    else if (!propose_fits(req, error) || !permit(n, req, error))
        return NODE_REFUSED;
    else {
        why = rsm_too_new(n->rsm, req);
        if (!why && rsm_limits(n->rsm).maxmemory && has_flag(req, CMD_DENYOOM) && !evict_make_room(n))
            why = "OOM command not allowed when used memory > 'maxmemory'.";
    }
    if (!why) {
        members_raise_version(
            n); /* of a new cluster the first request may come before the next turn, and need it */
        return NODE_PENDING;
    }
    buf_printf(error, "-%s\r\n", why);
    return NODE_REFUSED;
}

enum node_outcome propose_judged(struct node *n, enum node_outcome verdict, const struct rsm_request *req,
                                 const struct waiter *who, struct slice error)
{
    if (verdict == NODE_PENDING)
        return propose_request(n, req, who) ? NODE_PENDING : NODE_NOT_LEADER;
    if (verdict == NODE_REFUSED && n->running && digest_trusted(n) && recall_wanted(req)) {
        recall_before_refusing(n, req, who, error);
        return NODE_PENDING;
    }
    return verdict;
}

enum node_outcome node_write(struct node *n, const struct rsm_request *req, uint64_t ticket,
                             struct buf *error)
{
    struct waiter w = {.ticket = ticket};
    enum node_outcome verdict = propose_verdict(n, req, error);
    return propose_judged(n, verdict, req, &w, buf_slice(error));
}

bool node_is_full(const struct node *n)
{
    if (!n->raft)
        return false;
    return n->open.len > UNCOMMITTED_MAX_BYTES || (n->cache.bytes > UNCOMMITTED_MAX_BYTES + CACHE_MAX_BYTES &&
                                                   raft_commit(n->raft) < raft_last_index(n->raft));
}

/* ---- after the office is lost ------------------------------------------------------------------------- */

/* Clients keep waiting: as a follower this node still learns from the log what became of their entries. */
void propose_office_lost(struct node *n)
{
    n->lost_office_us = n->now_us;
    evict_forget(n);
    forward_office_lost(n);
    reads_office_lost(n);
}

void propose_expire_waiters(struct node *n)
{
    if (n->lost_office_us == 0 || n->now_us < n->lost_office_us + n->config.client_wait_us)
        return;
    while (n->waiters.count) {
        struct waiter w = *waiters_at(&n->waiters, 0);
        if (n->was_leader && w.term == raft_term(n->raft))
            break; /* in office again: these are new */
        waiters_pop_front(&n->waiters);
        waiter_answer(n, &w, NODE_UNKNOWN, slice_of(NULL, 0));
    }
    blocked_here_expire(n);
    n->lost_office_us = 0;
}
