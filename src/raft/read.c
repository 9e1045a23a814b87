/* Reads (6.4), by rounds. A read may run when a quorum has answered a message that was sent after the read
 * came in: then no other leader can have committed anything before it. The round number says what was sent
 * after what; it is never used again (B24), and an answer to an earlier round, however late it is read from a
 * socket, proves nothing. */
#include "base/alloc.h"
#include "raft/raft_int.h"

#include <string.h>

static void push(struct raft *r, struct raft_pending_read read)
{
    if (r->pending_head + r->pending_count == r->pending_cap && r->pending_head > 0) {
        memmove(r->pending, r->pending + r->pending_head, r->pending_count * sizeof *r->pending);
        r->pending_head = 0;
    }
    if (r->pending_count == r->pending_cap) {
        r->pending_cap = r->pending_cap ? r->pending_cap * 2 : 64;
        r->pending = mem_realloc(r->pending, r->pending_cap * sizeof *r->pending);
    }
    r->pending[r->pending_head + r->pending_count++] = read;
}

void raft_on_read(struct raft *r)
{
    if (r->role != RAFT_LEADER)
        return; /* read_seq 0 */
    struct raft_pending_read read;
    read.seq = ++r->read_seq;
    /* Up to the no-op at least: before it is committed we do not know what is (6.4 step 1, B23). */
    read.index = r->commit > r->term_start ? r->commit : r->term_start;
    read.round = raft_round(r);
    push(r, read);
    r->duties->read_seq = read.seq;
    for (uint32_t i = 0; i < r->peer_count; i++)
        if (r->peers[i].voter && !r->peers[i].refused)
            raft_heartbeat(r, &r->peers[i]);
}

static uint64_t acked_round_of(const struct raft_peer *p)
{
    return p->refused ? 0 : p->acked_round;
}

void raft_release_reads(struct raft *r)
{
    if (r->role != RAFT_LEADER || r->pending_count == 0 || r->commit < r->term_start)
        return;
    uint64_t round = raft_quorum_value(r, UINT64_MAX, acked_round_of);
    size_t n = 0;
    while (n < r->pending_count && r->pending[r->pending_head + n].round <= round)
        n++;
    if (n == 0)
        return;
    if (n > r->reads_cap) {
        r->reads_cap = n * 2;
        r->reads = mem_realloc(r->reads, r->reads_cap * sizeof *r->reads);
    }
    for (size_t i = 0; i < n; i++) {
        const struct raft_pending_read *p = &r->pending[r->pending_head + i];
        r->reads[i] = (struct raft_read){p->seq, p->index};
    }
    r->pending_head += n;
    r->pending_count -= n;
    if (r->pending_count == 0)
        r->pending_head = 0;
    r->duties->reads = r->reads;
    r->duties->read_count = n;
}

void raft_lose_reads(struct raft *r)
{
    r->duties->reads_lost = true;
    r->pending_head = r->pending_count = 0;
}
