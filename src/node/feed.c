/* The pace at which a peer that lags is fed.
 *
 * What is committed already no client waits for. A peer that lacks it could take it as fast as it is read: but reading,
 * sending and, over there, writing and running a gigabyte as fast as possible takes disk, link and, where machines are
 * shared, processor from the writes that clients do wait for. So while any are committed, what lies behind is sent piece by
 * piece, a few times as fast as the log grows and never slower than FEED_BYTES_US. Where none are, because nobody writes, or
 * because all wait for this very peer, it gets what it can take. */
#include "node/node_int.h"

enum {
    FEED_BYTES_US = 32, /* bytes a microsecond */
    FEED_GROWTHS = 4,
    FEED_IDLE_US = 50000, /* so long after the last commit nobody is in the way */
};

void feed_stepped(struct node *n)
{
    uint64_t commit = raft_commit(n->raft);
    if (commit > n->feed_commit)
        n->feed_commit_us = n->now_us;
    n->feed_commit = commit;
}

/* A probe is one APPEND, and Raft goes by it that the questions which may follow it come in behind it. */
static bool is_paced(const struct node *n, const struct raft_message *m)
{
    struct raft_progress at;
    return m->last >= m->first && m->last <= n->feed_commit && n->now_us < n->feed_commit_us + FEED_IDLE_US &&
           raft_progress(n->raft, m->to, &at) && !at.probing;
}

static void pay(struct node *n, struct peer *p)
{
    uint64_t paid = (n->now_us - p->feed_us) * FEED_BYTES_US + (n->feed_grown - p->feed_grown) * FEED_GROWTHS;
    p->feed_debt -= paid < p->feed_debt ? paid : p->feed_debt;
    p->feed_us = n->now_us;
    p->feed_grown = n->feed_grown;
}

bool feed_may(struct node *n, struct peer *p, const struct raft_message *m)
{
    if (!is_paced(n, m))
        return true;
    pay(n, p);
    return p->feed_debt == 0;
}

void feed_sent(struct node *n, struct peer *p, const struct raft_message *m, size_t bytes)
{
    if (!is_paced(n, m))
        return;
    pay(n, p);
    p->feed_debt += bytes;
}

/* An APPEND that waits and for which nothing is read was held back. */
static bool is_held(const struct peer *p)
{
    return p->queue_count > 0 && !p->reading;
}

void feed_turn(struct node *n)
{
    for (size_t i = 0; i < n->peer_count; i++)
        if (is_held(&n->peers[i]))
            node_send_append_queue(n, &n->peers[i]);
}

uint64_t feed_deadline_us(const struct node *n)
{
    uint64_t at = UINT64_MAX;
    for (size_t i = 0; i < n->peer_count; i++) {
        const struct peer *p = &n->peers[i];
        uint64_t due_us = p->feed_us + p->feed_debt / FEED_BYTES_US + 1;
        if (is_held(p) && due_us < at)
            at = due_us;
    }
    return at;
}
