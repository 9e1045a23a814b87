/* The divergence alarm (DESIGN 4): nodes tell each other a digest of their state at equal indexes. Who
 * differs from a majority stops serving; where there is no majority, everybody refuses writes. */
#include "node/node_int.h"

#include "base/log.h"

/* u64 index, u64 digest, to every peer. */
void digest_applied(struct node *n, uint64_t index)
{
    if (index % DIGEST_EVERY != 0)
        return;
    uint64_t digest = rsm_digest(n->rsm);
    size_t slot = (size_t)(index / DIGEST_EVERY) % DIGEST_KEPT;
    n->digests[slot].index = index;
    n->digests[slot].digest = digest;
    for (size_t i = 0; i < n->peer_count; i++) {
        struct buf frame = BUF_EMPTY;
        frame_begin(n, &frame, FRAME_DIGEST);
        put_u64(&frame, index);
        put_u64(&frame, digest);
        frame_send(n, n->peers[i].id, NODE_CONTROL, &frame);
        if (n->peers[i].digest_index == index)
            digest_judge(n, index, digest);
    }
}

static void alarm(struct node *n, bool alone, uint64_t index)
{
    if (n->diverged)
        return;
    n->diverged = true;
    n->changed = true;
    node_say(
        n, LOG_WARNING,
        alone
            ? "This node's state at %llu differs from the majority's: it stops serving and has to be replaced"
            : "The nodes' states at %llu differ and no majority agrees: writes are refused",
        (unsigned long long)index);
    if (raft_role(n->raft) == RAFT_LEADER)
        node_resign(n);
}

void digest_judge(struct node *n, uint64_t index, uint64_t digest)
{
    size_t equal = 1, differ = 0, members = n->peer_count + 1;
    for (size_t i = 0; i < n->peer_count; i++) {
        if (n->peers[i].digest_index != index)
            continue;
        if (n->peers[i].digest == digest)
            equal++;
        else
            differ++;
    }
    if (equal * 2 > members || differ == 0)
        return;
    if (differ * 2 > members || equal + differ == members)
        alarm(n, differ > equal, index);
}

void digest_on_frame(struct node *n, uint64_t peer, struct reader *r)
{
    uint64_t index = get_u64(r), digest = get_u64(r);
    struct peer *p = node_peer(n, peer);
    if (r->failed || !p)
        return;
    p->digest_index = index;
    p->digest = digest;
    size_t slot = (size_t)(index / DIGEST_EVERY) % DIGEST_KEPT;
    if (n->digests[slot].index == index && index)
        digest_judge(n, index, n->digests[slot].digest);
}
