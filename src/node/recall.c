/* What the sessions remember, asked without an entry.
 *
 * A numbered request that the leader has to refuse, for want of memory or of disk, may be the retry of one that ran, and is
 * then owed that one's reply: "refused" would say that it did not run. So its refusal waits like a read, for a round and for
 * all that this leader has in its log; where that comes to nothing, it is for the next leader to say.
 *
 * And a deposed leader that is sent a snapshot in place of the entries that its clients wait for never applies these. The
 * snapshot's sessions hold the replies of those that are numbered and ran, under the number and the hash of the request. */
#include "node/node_int.h"

#include "base/alloc.h"

struct recall {
    struct waiter who;
    struct buf payload, refusal;
};

void recall_free(struct recall *c)
{
    if (!c)
        return;
    buf_deinit(&c->payload);
    buf_deinit(&c->refusal);
    mem_free(c);
}

/* The first send of a proxying node has surely not run. */
bool recall_wanted(const struct rsm_request *req)
{
    return req->numbering == RSM_SESSION_NUMBER || (req->numbering == RSM_PROXY_NUMBER && !req->may_open);
}

void recall_before_refusing(struct node *n, const struct rsm_request *req, const struct waiter *who,
                            struct slice refusal)
{
    struct recall *c = mem_calloc(1, sizeof(*c));
    c->who = *who;
    rsm_encode(&c->payload, req, 0, 0);
    buf_append_slice(&c->refusal, refusal);
    reads_add(n, 0, 0, node_pending_index(n))->recall = c;
}

bool recall_under_way(const struct node *n, uint64_t peer)
{
    for (const struct list *it = n->reads.next; it != &n->reads; it = it->next) {
        const struct recall *c = list_entry(it, struct read_wait, link)->recall;
        if (c && c->who.peer == peer)
            return true;
    }
    return false;
}

void recall_ready(struct node *n, struct recall *c, enum node_outcome outcome)
{
    struct buf reply = BUF_EMPTY;
    c->who.index = rsm_applied(n->rsm);
    if (outcome != NODE_DONE) { /* the next leader is to be asked */
        waiter_answer(n, &c->who, NODE_NOT_LEADER, slice_of(NULL, 0));
    } else if (rsm_recall(n->rsm, buf_slice(&c->payload), &reply) == RSM_UNHEARD) {
        waiter_answer(n, &c->who, NODE_REFUSED, buf_slice(&c->refusal));
    } else {
        n->count.duplicates++;
        waiter_answer(n, &c->who, NODE_DONE, buf_slice(&reply));
    }
    buf_deinit(&reply);
    recall_free(c);
}

/* ---- under a snapshot --------------------------------------------------------------------------------- */

struct covered {
    uint64_t index, term;
    struct blob *blob; /* the block that the payload lies in */
    struct slice payload;
};

void recall_forget(struct node *n)
{
    for (size_t i = 0; i < n->covered_count; i++)
        blob_unref(n->covered[i].blob);
    mem_free(n->covered);
    n->covered = NULL;
    n->covered_count = 0;
}

/* Before they go: what is waited for is not applied yet, so it is in memory, unless other entries have taken its place. */
void recall_keep(struct node *n, uint64_t upto)
{
    recall_forget(n);
    n->covered = mem_calloc(n->waiters.count + 1, sizeof(*n->covered));
    for (size_t i = 0; i < n->waiters.count; i++) {
        const struct waiter *w = waiters_at(&n->waiters, i);
        struct raft_block b;
        struct raft_frame f;
        if (w->index > upto || !cache_from(&n->cache, w->index, w->index, &b) ||
            !raft_entry_read(slice_of(b.blob->data + b.offset, b.len), false, &f) || f.term != w->term)
            continue;
        n->covered[n->covered_count++] =
            (struct covered){.index = w->index, .term = w->term, .blob = b.blob, .payload = f.payload};
        blob_ref(b.blob);
    }
}

bool recall_covered(struct node *n, const struct waiter *w, struct buf *reply)
{
    for (size_t i = 0; i < n->covered_count; i++) {
        const struct covered *c = &n->covered[i];
        if (c->index == w->index && c->term == w->term)
            return rsm_recall(n->rsm, c->payload, reply) == RSM_HEARD;
    }
    return false;
}
