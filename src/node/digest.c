/* The divergence alarm (DESIGN 4): nodes tell each other a digest of their state at equal indexes, and each judges itself.
 *
 * Compared is at every DIGEST_EVERY-th entry, at the first entry of each second of the cluster's time, at every checkpoint
 * (its snapshot waits for that, see snapshot.c), and, against lost frames and after a restart, once an election timeout
 * while nothing is applied. The voters of the newest configuration are the judges: what more than half of them
 * say is right.
 *
 *   - Who says something else is *diverged*, learners too. It is written into the vote file, for a restart may bring the
 *     same state back, and it stays until another node's snapshot has replaced the state, whatever later comparisons say:
 *     it may have given wrong replies. The node answers nothing from its state, gives up the office, and makes
 *     no snapshots; the last one it made is right, and may be sent. Its log is as good as anybody's, so it still takes entries, acks and votes. It stands only when
 *     nobody has led for long, to bring others up to date where it alone holds all that is committed (raft_stand_aside).
 *   - While some differ and no majority agrees, or is not heard, all are in *doubt*: they answer nothing either, until one
 *     agrees at that index or a later one. The leader stays: it brings voters that were away up to the others, by entries
 *     and by the last snapshot, so that they can tell; and membership can be changed, which is how people decide it. */
#include "node/node_int.h"

#include "base/checksum.h"
#include "base/log.h"

#include <string.h>

/* ---- what is known of the states ---------------------------------------------------------------------- */

static struct digest_at *find(struct digests *d, uint64_t index)
{
    for (size_t i = 0; i < d->count; i++)
        if (d->at[i].index == index)
            return &d->at[i];
    return NULL;
}

/* When there is no room: of those behind us the oldest goes; if all are still ahead, the one that we reach last. */
static struct digest_at *victim(struct digests *d, uint64_t applied)
{
    struct digest_at *oldest = &d->at[0], *newest = &d->at[0];
    for (size_t i = 1; i < d->count; i++) {
        if (d->at[i].index < oldest->index)
            oldest = &d->at[i];
        if (d->at[i].index > newest->index)
            newest = &d->at[i];
    }
    return oldest->index <= applied ? oldest : newest;
}

static void note(struct digests *d, uint64_t index, uint64_t digest, uint64_t applied)
{
    struct digest_at *at = find(d, index);
    if (!at && d->count < DIGEST_KEPT)
        at = &d->at[d->count++];
    else if (!at) {
        at = victim(d, applied);
        if (at->index > applied && at->index < index)
            return;
    }
    at->index = index;
    at->digest = digest;
}

/* Of the state machine's digest, and of what is added to it here. */
#define DIGEST_VERSION (RSM_DIGEST_VERSION << 8 | 1)

static uint64_t own_digest(struct node *n)
{
    struct buf members = BUF_EMPTY;
    raft_members_encode(&members, &n->applied_members);
    uint64_t sum = crc32c(0, members.data, members.len) + (n->applied_members_index << 32);
    buf_deinit(&members);
    return rsm_digest(n->rsm) ^ sum * UINT64_C(0x9e3779b97f4a7c15);
}

/* ---- the judgement ------------------------------------------------------------------------------------ */

bool digest_trusted(const struct node *n)
{
    return !n->identity.diverged && !n->in_doubt;
}

bool peer_diverged(const struct peer *p)
{
    return p->says_diverged || p->outvoted;
}

/* What this voter said at `index`; NULL: not heard, or no judge any more. */
static const uint64_t *said(struct node *n, const struct raft_member *m, uint64_t index)
{
    struct peer *p = node_peer(n, m->id);
    struct digest_at *at = NULL;
    if (!m->voter)
        return NULL;
    if (m->id == n->identity.node_id)
        at = find(&n->digests, index);
    else if (p && !peer_diverged(p))
        at = find(&p->digests, index);
    return at ? &at->digest : NULL;
}

struct verdict {
    bool majority, differ; /* more than half of the voters say `digest`; somebody says another than we */
    uint64_t digest, other;
};

static struct verdict count(struct node *n, uint64_t index, uint64_t own)
{
    const struct raft_members *m = raft_members(n->raft);
    struct verdict v = {.digest = own};
    uint32_t voters = 0;
    for (uint32_t i = 0; i < m->count; i++)
        voters += m->at[i].voter;
    for (uint32_t i = 0; i < m->count; i++) {
        const uint64_t *digest = said(n, &m->at[i], index);
        uint32_t equal = 0;
        for (uint32_t k = 0; digest && k < m->count; k++) {
            const uint64_t *other = said(n, &m->at[k], index);
            equal += other && *other == *digest;
        }
        if (digest && *digest != own) {
            v.differ = true;
            v.other = *digest;
        }
        if (equal * 2 <= voters)
            continue;
        v.majority = true;
        v.digest = *digest;
    }
    return v;
}

static void diverged(struct node *n, uint64_t index, uint64_t own, uint64_t theirs)
{
    node_say(n, LOG_WARNING,
             "DIVERGED: this node's state at %llu has digest %016llx, the majority's %016llx. "
             "It stops serving and has to be replaced",
             (unsigned long long)index, (unsigned long long)own, (unsigned long long)theirs);
    n->identity.diverged = n->changed = true;
    n->in_doubt = false;
    snapshot_disowned(n);
    node_save_identity(n, COOKIE_PROMISE);
    raft_stand_aside(n->raft, true);
    if (raft_role(n->raft) == RAFT_LEADER)
        node_resign(n);
}

static void doubt(struct node *n, uint64_t index, uint64_t own, uint64_t other)
{
    if (n->doubt_index < index)
        n->doubt_index = index;
    if (n->in_doubt)
        return;
    node_say(n, LOG_WARNING,
             "The nodes' states at %llu differ, %016llx here and %016llx elsewhere, and no majority agrees: "
             "nothing is served until one does",
             (unsigned long long)index, (unsigned long long)own, (unsigned long long)other);
    n->in_doubt = n->changed = true;
}

static void agreed(struct node *n, uint64_t index)
{
    snapshot_agreed(n, index);
    if (!n->in_doubt || index < n->doubt_index)
        return;
    n->in_doubt = false;
    n->changed = true;
    node_say(n, LOG_NOTICE, "A majority agrees with this node's state at %llu: it serves again",
             (unsigned long long)index);
}

/* The others hear it from the diverged node itself, unless it does not hear them. */
static void judge_peers(struct node *n, uint64_t index, uint64_t right)
{
    for (size_t i = 0; i < n->peer_count; i++) {
        struct peer *p = &n->peers[i];
        const struct digest_at *at = find(&p->digests, index);
        if (!at || index < p->judged_index)
            continue;
        bool wrong = at->digest != right;
        if (wrong && !p->outvoted)
            node_say(n, LOG_WARNING,
                     "DIVERGED: %s's state at %llu has digest %016llx, the majority's %016llx", p->hello.name,
                     (unsigned long long)index, (unsigned long long)at->digest, (unsigned long long)right);
        n->changed |= wrong != p->outvoted;
        p->judged_index = index;
        p->outvoted = wrong;
    }
}

static void judge(struct node *n, uint64_t index)
{
    const struct digest_at *own = find(&n->digests, index);
    if (!own || n->identity.diverged)
        return;
    struct verdict v = count(n, index, own->digest);
    if (v.majority && v.digest == own->digest)
        agreed(n, index);
    else if (v.majority)
        diverged(n, index, own->digest, v.digest);
    else if (v.differ)
        doubt(n, index, own->digest, v.other);
    if (v.majority)
        judge_peers(n, index, v.digest);
}

/* Who counts has changed: where they were in doubt, it may be over. */
void digest_members_changed(struct node *n)
{
    if (n->in_doubt)
        judge(n, n->doubt_index);
}

/* ---- telling and hearing ------------------------------------------------------------------------------ */

/* u64 version, index, digest, to every peer. A diverged node goes on: the frame's head says what it is. */
static void tell(struct node *n)
{
    if (apply_is_replaying(n))
        return;
    uint64_t index = rsm_applied(n->rsm), digest = own_digest(n);
    note(&n->digests, index, digest, index);
    for (size_t i = 0; i < n->peer_count; i++) {
        struct buf frame = BUF_EMPTY;
        frame_begin(n, &frame, FRAME_DIGEST);
        put_u64(&frame, DIGEST_VERSION);
        put_u64(&frame, index);
        put_u64(&frame, digest);
        frame_send(n, n->peers[i].id, NODE_CONTROL, &frame);
    }
    judge(n, index);
}

void digest_applied(struct node *n, bool checkpoint)
{
    uint64_t second = rsm_stamp_ms(n->rsm) / 1000;
    if (!checkpoint && rsm_applied(n->rsm) % DIGEST_EVERY != 0 && second == n->digest_second)
        return;
    n->digest_second = second;
    tell(n);
}

void digest_turn(struct node *n)
{
    if (n->now_us < n->digest_looked_us + n->config.election_us || n->installing)
        return;
    n->digest_looked_us = n->now_us;
    uint64_t applied = rsm_applied(n->rsm);
    if (applied && applied == n->digest_looked_index)
        tell(n);
    n->digest_looked_index = applied;
}

void digest_on_frame(struct node *n, uint64_t peer, struct reader *r)
{
    uint64_t version = get_u64(r), index = get_u64(r), digest = get_u64(r);
    struct peer *p = node_peer(n, peer);
    if (r->failed || !p || version != DIGEST_VERSION)
        return;
    note(&p->digests, index, digest, rsm_applied(n->rsm));
    judge(n, index);
}

/* ---- beginnings --------------------------------------------------------------------------------------- */

/* The state is another one: read from this node's disk, or `theirs`, another node's snapshot. */
void digest_state_loaded(struct node *n, bool theirs)
{
    n->digests.count = 0;
    n->digest_second = rsm_stamp_ms(n->rsm) / 1000;
    if (theirs && n->identity.diverged) {
        n->identity.diverged = false;
        node_save_identity(n, COOKIE_PROMISE);
        node_say(n, LOG_NOTICE,
                 "The diverged state has been replaced by another node's snapshot: serving again");
    }
    if (theirs)
        n->in_doubt = false;
    n->changed = true;
    raft_stand_aside(n->raft, n->identity.diverged);
}

/* A new life of the peer: what it said in its last one was of another state. */
void digest_peer_restarted(struct peer *p)
{
    p->digests.count = 0;
    p->judged_index = 0;
    p->outvoted = false;
}
