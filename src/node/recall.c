/* What the sessions remember, asked without an entry. A numbered request that the leader has to refuse, for want of memory or
 * of disk, may be the retry of one that ran, and is then owed that one's reply: "refused" would say that it did not run. So
 * its refusal waits like a read, for a round and for all that this leader has in its log. */
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

/* The round came to nothing. A client is sent to the next leader. A proxying node would send it there again, behind what
 * came after it on its connection: its client is told the truth instead. */
static void lost(struct node *n, const struct recall *c)
{
    if (c->who.peer)
        waiter_answer(n, &c->who, NODE_DONE,
                      SLICE_LITERAL("-MAYBE The outcome of this request is not known\r\n"));
    else
        waiter_answer(n, &c->who, NODE_NOT_LEADER, slice_of(NULL, 0));
}

void recall_ready(struct node *n, struct recall *c, enum node_outcome outcome)
{
    struct buf reply = BUF_EMPTY;
    c->who.index = rsm_applied(n->rsm);
    if (outcome != NODE_DONE) {
        lost(n, c);
    } else if (rsm_recall(n->rsm, buf_slice(&c->payload), &reply) == RSM_UNHEARD) {
        waiter_answer(n, &c->who, NODE_REFUSED, buf_slice(&c->refusal));
    } else {
        n->count.duplicates++;
        waiter_answer(n, &c->who, NODE_DONE, buf_slice(&reply));
    }
    buf_deinit(&reply);
    recall_free(c);
}
