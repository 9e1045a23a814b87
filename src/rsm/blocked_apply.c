/* What entries do with commands that wait: they come, are served, run out of time, are told to go. */
#include "rsm/rsm_int.h"

#include "base/resp.h"
#include "store/collection.h"

#include <assert.h>

static const char unblocked[] = "UNBLOCKED client unblocked via CLIENT UNBLOCK";

void rsm_block(struct rsm *r, uint64_t index, const struct rsm_request *q, const struct command_wait *wait,
               struct buf *reply, struct rsm_result *result)
{
    struct blocked w = {.arrived = index,
                        .claim = index,
                        .asker = q->asker,
                        .until_ms = q->until_ms,
                        .type = wait->type,
                        .needs_key = wait->needs_key,
                        .db = q->db,
                        .resp = q->resp,
                        .first_key = wait->first_key,
                        .key_count = wait->key_count,
                        .user = q->user,
                        .argv = wait->argv ? wait->argv : q->argv,
                        .argc = q->argc};
    if (w.until_ms == 0 && wait->timeout_ms)
        w.until_ms = wait->timeout_ms < INT64_MAX - r->stamp_ms ? r->stamp_ms + wait->timeout_ms : INT64_MAX;
    if (w.until_ms && w.until_ms <= r->stamp_ms)
        resp_null_array(reply, q->resp);
    else if (blocked_add(&r->blocked, &w))
        result->claim = index, result->asker = q->asker;
    else
        resp_error(reply, "ERR max number of blocked clients reached");
}

/* The reply is the session's to remember, as if the command had run only now. */
static void answer(struct rsm *r, struct blocked *w, struct slice reply)
{
    if (w->session)
        rsm_remember(r, w->session, w->number, w->hash, reply);
    blocked_answer(&r->blocked, w, reply);
}

static void answer_in_vain(struct rsm *r, struct blocked *w)
{
    struct buf null = BUF_EMPTY;
    resp_null_array(&null, w->resp);
    answer(r, w, buf_slice(&null));
    buf_deinit(&null);
}

/* A bounded number; who is late gets what comes first, his time or what he waits for. */
void rsm_blocked_time_out(struct rsm *r)
{
    for (size_t i = 0; i < TIMEOUTS_PER_ENTRY; i++) {
        struct blocked *w = blocked_first_due(&r->blocked);
        if (!w || w->until_ms > r->stamp_ms)
            return;
        answer_in_vain(r, w);
    }
}

static void clear_node(struct rsm *r, uint64_t node)
{
    list_for_each_safe(it, next, &r->blocked.in_order)
    {
        struct blocked *w = list_entry(it, struct blocked, in_order);
        if (w->asker == node)
            blocked_clear(&r->blocked, w);
    }
}

void rsm_unblock(struct rsm *r, const struct rsm_request *q, struct buf *reply)
{
    struct blocked *w = q->claim ? blocked_by_claim(&r->blocked, q->claim) : NULL;
    struct buf error = BUF_EMPTY;
    resp_integer(reply, w || q->node);
    if (q->node) {
        clear_node(r, q->node);
    } else if (w && q->unblock == RSM_UNBLOCK_GONE) {
        blocked_clear(&r->blocked, w);
    } else if (w && q->unblock == RSM_UNBLOCK_TIMEOUT) {
        answer_in_vain(r, w);
    } else if (w) {
        resp_error(&error, unblocked);
        answer(r, w, buf_slice(&error));
    }
    buf_deinit(&error);
}

/* A new leader knows nobody's connection. What did not run is asked for again. */
void rsm_blocked_new_term(struct rsm *r)
{
    while (!list_empty(&r->blocked.in_order))
        blocked_clear(&r->blocked, list_entry(r->blocked.in_order.next, struct blocked, in_order));
}

/* ---- serving ---- */

static const struct store_key *find(struct rsm *r, uint64_t index, const struct blocked_key *k)
{
    struct store_view view = rsm_write_view(r, index, blocked_key_db(k));
    return store_find(&view, blocked_key_text(k));
}

/* Does he wait for what is there now, or have to know that what he needs is not? */
static bool is_for(const struct blocked *w, const struct store_key *there)
{
    return w->needs_key || (there && store_key_type(there) == w->type);
}

static bool is_wanted(const struct blocked_key *k, const struct store_key *there)
{
    list_for_each(it, &k->waiting)
    {
        if (is_for(list_entry(it, struct blocked_at, link)->who, there))
            return true;
    }
    return false;
}

/* Keys become ready in the order in which they came to be there. Of a transaction each command is looked at: what it makes
 * and another one takes away again was there in between, and keeps its place should it come back. */
void rsm_blocked_ready(struct rsm *r, uint64_t index)
{
    struct blocked_table *t = &r->blocked;
    while (!list_empty(&t->touched)) {
        struct blocked_key *k = list_entry(t->touched.next, struct blocked_key, noted);
        const struct store_key *there = find(r, index, k);
        list_remove(&k->noted);
        if (is_wanted(k, there))
            list_push_back(&t->ready, &k->noted);
    }
}

/* To those who wait for this key, the longest waiting first, for as long as there is something. What runs takes none but the one it is
 * for out of the list. */
static void serve_key(struct rsm *r, uint64_t index, uint64_t chance, struct blocked_key *k)
{
    struct buf reply = BUF_EMPTY;
    const struct store_key *there = find(r, index, k);
    list_for_each_safe(it, next, &k->waiting)
    {
        struct blocked *w = list_entry(it, struct blocked_at, link)->who;
        if (!is_for(w, there))
            continue;
        buf_truncate(&reply, 0);
        bool served = rsm_run_blocked(r, index, chance, w, blocked_key_text(k), &reply);
        rsm_blocked_ready(r, index);
        if (served)
            answer(r, w, buf_slice(&reply));
        there = find(r, index, k);
    }
    buf_deinit(&reply);
}

/* What serves one may make another key ready (BLMOVE): so on until none is. */
void rsm_blocked_serve(struct rsm *r, uint64_t index, uint64_t chance)
{
    struct blocked_table *t = &r->blocked;
    rsm_blocked_ready(r, index);
    while (!list_empty(&t->ready)) {
        struct blocked_key *k = list_entry(t->ready.next, struct blocked_key, noted);
        list_remove(&k->noted);
        k->held = true;
        serve_key(r, index, chance, k);
        blocked_key_let_go(t, k);
    }
}

/* ---- the door ---- */

const struct rsm_release *rsm_released(struct rsm *r, size_t *count)
{
    return blocked_released(&r->blocked, count);
}

bool rsm_waits(const struct rsm *r, uint64_t claim, uint64_t *until_ms)
{
    const struct blocked *w = blocked_by_claim(&r->blocked, claim);
    *until_ms = w ? w->until_ms : 0;
    return w;
}

const struct slice *rsm_waits_for(const struct rsm *r, uint64_t claim, size_t *argc)
{
    const struct blocked *w = blocked_by_claim(&r->blocked, claim);
    *argc = w ? w->argc : 0;
    return w ? w->argv : NULL;
}

size_t rsm_waiting(const struct rsm *r)
{
    return r->blocked.count;
}

uint64_t rsm_waiting_node(const struct rsm *r, size_t i)
{
    return i < r->blocked.node_count ? r->blocked.nodes[i].id : 0;
}

size_t rsm_waiting_through(const struct rsm *r, uint64_t node)
{
    for (size_t i = 0; i < r->blocked.node_count; i++)
        if (r->blocked.nodes[i].id == node)
            return r->blocked.nodes[i].count;
    return 0;
}

void rsm_each_waiting_through(const struct rsm *r, uint64_t node, void (*each)(void *arg, uint64_t claim),
                              void *arg)
{
    list_for_each(it, &r->blocked.in_order)
    {
        const struct blocked *w = list_entry(it, struct blocked, in_order);
        if (w->asker == node)
            each(arg, w->claim);
    }
}

uint64_t rsm_waiting_until_ms(const struct rsm *r)
{
    const struct blocked *w = blocked_first_due(&r->blocked);
    return w ? w->until_ms : 0;
}
