/* Faults of the disks, as tests ask for them; and whether a disk is whole again. */
#include "world_int.h"

#include "../support/kv_memory.h"
#include "base/alloc.h"
#include "node/node_int.h"

#include <assert.h>
#include <string.h>

enum { VICTIMS = 64 /* the newest blocks, of which one is harmed */ };

bool world_disk_fault_harms(enum disk_fault kind)
{
    return kind >= DISK_TEAR_MARK && kind < DISK_FAULTS;
}

void disk_note_damage(struct proc *p, uint64_t upto)
{
    struct disk *d = &p->disk;
    if (!d->damaged || upto > d->damaged_upto)
        d->damaged_upto = upto;
    d->damaged = true;
    d->damaged_life = p->life;
}

static void lose_identity(struct proc *p)
{
    struct disk *d = &p->disk;
    disk_note_damage(p, UINT64_MAX);
    d->needs_replacing = true;
    d->lost_id = d->durable.identity.node_id;
}

/* ---- damage ------------------------------------------------------------------------------------------- */

static void flip(struct prng *chance, char *bytes, size_t len)
{
    size_t head = len < 96 ? len : 96, at = prng_below(chance, prng_below(chance, 2) ? head : len);
    bytes[at] = (char)(bytes[at] ^ 1 << prng_below(chance, 8));
}

static struct kv *kv_now(struct proc *p)
{
    return p->disk.platter.store_gone ? NULL : files_kv(p, p->disk.stable.record.generation);
}

/* A block that holds something behind the snapshot. */
static bool pick_block(struct proc *p, struct kv *kv, size_t *block)
{
    size_t count = kv ? kv_memory_count(kv) : 0, first = count;
    while (first > 0 && count - first < VICTIMS &&
           kv_memory_key(kv, first - 1) > p->disk.durable.snapshot_index)
        first--;
    if (first == count)
        return false;
    *block = first + prng_below(&p->world->chance, count - first);
    return true;
}

static bool harm_block(struct proc *p, enum disk_fault kind)
{
    struct kv *kv = kv_now(p);
    size_t i;
    char *value;
    if (!pick_block(p, kv, &i))
        return false;
    size_t value_len = kv_memory_at(kv, i, &value).len;
    size_t count = kv_memory_count(kv);
    uint64_t upto = i + 1 < count ? kv_memory_key(kv, i + 1) - 1 : disk_end(p);
    if (kind == DISK_MISPLACE && count < 2)
        return false;
    if (kind == DISK_MISPLACE)
        kv_memory_misplace(kv, i, i ? i - 1 : 1);
    else if (kind == DISK_BAD_BLOCK)
        kv_memory_spoil(kv, i);
    else
        flip(&p->world->chance, value, value_len);
    disk_note_damage(p, upto);
    return true;
}

/* The store has lost commits; the mark, which lies elsewhere, tells. */
static void mark_tells(struct proc *p)
{
    struct disk *d = &p->disk;
    struct vote_mark mark;
    char *at = d->platter.vote + VOTE_MARK_OFFSET;
    if (vote_mark_decode(at, &mark) &&
        journal_ends_before(mark.term, mark.index, d->promised_term, d->promised_index)) {
        mark.term = d->promised_term;
        mark.index = d->promised_index;
        vote_mark_encode(at, &mark);
    }
    memcpy(d->platter.synced + VOTE_MARK_OFFSET, at, VOTE_SECTOR);
    d->platter.dirty[2] = false;
    disk_note_damage(p, UINT64_MAX);
}

static bool lose_commits(struct proc *p, enum disk_fault kind, uint64_t amount)
{
    struct kv *kv = kv_now(p);
    if (!kv || !p->disk.platter.has_vote)
        return false;
    size_t lost = kind == DISK_HOLE ? kv_memory_hole(kv, &p->world->chance)
                                    : kv_memory_lose(kv, amount ? (size_t)amount : 1);
    if (lost == 0)
        return false;
    mark_tells(p);
    return true;
}

bool world_lose_write(struct world *w, uint32_t i, size_t back)
{
    struct proc *p = &w->nodes[i];
    struct kv *kv = kv_now(p);
    if (p->node || !kv || !p->disk.platter.has_vote || kv_memory_lose_one(kv, back) == 0)
        return false;
    mark_tells(p);
    disk_look(p);
    return true;
}

static bool flip_snapshot(struct proc *p)
{
    struct disk *d = &p->disk;
    struct disk_snapshot *newest = NULL;
    for (size_t i = 0; i < DISK_SNAPSHOTS; i++) {
        struct disk_snapshot *s = &d->platter.snapshots[i];
        if (s->bytes && s->named && s->id.generation == d->stable.record.generation &&
            (!newest || s->id.index > newest->id.index))
            newest = s;
    }
    if (!newest)
        return false;
    struct blob *own = blob_new(newest->bytes->data, newest->bytes->len);
    if (d->open_file == newest->bytes) {
        blob_unref(d->open_file);
        d->open_file = blob_ref(own);
    }
    blob_unref(newest->bytes);
    newest->bytes = own;
    flip(&p->world->chance, own->data, own->len);
    disk_note_damage(p, newest->id.index + 1);
    return true;
}

static void flip_sector(struct proc *p, size_t sector, size_t len)
{
    struct platter *f = &p->disk.platter;
    flip(&p->world->chance, f->vote + sector * VOTE_SECTOR, len);
    memcpy(f->synced + sector * VOTE_SECTOR, f->vote + sector * VOTE_SECTOR, len);
    f->dirty[sector] = false;
}

static bool flip_one_vote(struct proc *p)
{
    struct platter *f = &p->disk.platter;
    struct vote_record a, b;
    if (vote_decode(f->vote, &a) != VOTE_GOOD || vote_decode(f->vote + VOTE_SECTOR, &b) != VOTE_GOOD ||
        a.sequence != b.sequence || f->dirty[0] || f->dirty[1])
        return false;
    flip_sector(p, prng_below(&p->world->chance, 2), 76);
    return true;
}

static bool flip_both_votes(struct proc *p)
{
    if (!p->disk.platter.has_vote || !p->disk.durable.identity.cluster_id)
        return false;
    lose_identity(p);
    flip_sector(p, 0, 76);
    flip_sector(p, 1, 76);
    return true;
}

static bool of_running(struct proc *p, enum disk_fault kind, uint64_t amount)
{
    struct disk *d = &p->disk;
    struct kv *kv = kv_now(p);
    switch (kind) {
    case DISK_HANG:
        world_stall_disk(p->world, p->number, amount);
        return true;
    case DISK_SLOW:
        d->slow_us = amount;
        return true;
    case DISK_FULL:
        d->free_bytes = 1;
        return true;
    case DISK_ROOM:
        d->free_bytes = UINT64_MAX;
        return true;
    case DISK_NO_SPACE:
        d->no_space = d->fail_write = true;
        return true;
    case DISK_WRITE_FAIL:
        d->fail_write = true;
        return true;
    case DISK_SYNC_FAIL:
        d->fail_sync = true;
        return true;
    case DISK_RARE_SYNC:
        world_fsync(p->world, p->number, amount ? STORAGE_FSYNC_EVERYSEC : STORAGE_FSYNC_NO);
        return true;
    case DISK_TEAR_MARK:
        d->power_cut = d->tear_mark = true;
        disk_note_damage(p, UINT64_MAX);
        return true;
    default:
        if (!kv || kv_memory_count(kv) < 2)
            return false;
        kv_memory_misread(kv, 1 + prng_below(&p->world->chance, 3));
        return true;
    }
}

static bool of_stopped(struct proc *p, enum disk_fault kind, uint64_t amount)
{
    switch (kind) {
    case DISK_LOSE_TAIL:
    case DISK_HOLE:
        return lose_commits(p, kind, amount);
    case DISK_FLIP_MARK:
        if (!p->disk.platter.has_vote)
            return false;
        flip_sector(p, 2, 48);
        disk_note_damage(p, UINT64_MAX);
        return true;
    case DISK_NO_STORE:
        if (!kv_now(p))
            return false;
        p->disk.platter.store_gone = true;
        disk_note_damage(p, UINT64_MAX);
        return true;
    default:
        return flip_both_votes(p);
    }
}

static bool of_either(struct proc *p, enum disk_fault kind)
{
    struct world *w = p->world;
    switch (kind) {
    case DISK_FLIP_ONE_VOTE:
        return flip_one_vote(p);
    case DISK_REVIVE: {
        struct kv *kv = kv_now(p);
        size_t revived = kv ? kv_memory_revive(kv, &w->chance) : 0;
        w->disk_counts.revived += revived;
        return revived > 0;
    }
    case DISK_DROP_CACHE:
        p->disk.power_cut = true;
        if (!p->node) {
            files_crash(p, true);
            if (p->disk.left_unsynced)
                disk_note_damage(p, UINT64_MAX);
        }
        return true;
    case DISK_FLIP_SNAPSHOT:
        return flip_snapshot(p);
    default:
        return harm_block(p, kind);
    }
}

bool world_disk_fault(struct world *w, uint32_t i, enum disk_fault kind, uint64_t amount)
{
    struct proc *p = &w->nodes[i];
    bool done;
    if (!p->world)
        return false;
    switch (kind) {
    case DISK_HANG:
    case DISK_SLOW:
    case DISK_FULL:
    case DISK_ROOM:
    case DISK_NO_SPACE:
    case DISK_WRITE_FAIL:
    case DISK_SYNC_FAIL:
    case DISK_MISREAD:
    case DISK_TEAR_MARK:
    case DISK_RARE_SYNC:
        done = p->node && of_running(p, kind, amount);
        break;
    case DISK_FLIP_MARK:
    case DISK_LOSE_TAIL:
    case DISK_HOLE:
    case DISK_NO_STORE:
    case DISK_FLIP_BOTH_VOTES:
        done = !p->node && of_stopped(p, kind, amount);
        break;
    default:
        done = of_either(p, kind);
    }
    if (done && !p->node)
        disk_look(p);
    w->disk_counts.asked[kind] += done;
    return done;
}

/* ---- backups ------------------------------------------------------------------------------------------ */

static const struct raft *newest_members(const struct world *w)
{
    const struct raft *newest = NULL;
    for (uint32_t i = 0; i < w->count; i++) {
        const struct node *n = w->nodes[i].node;
        if (n && n->raft && n->running &&
            (!newest || raft_members_index(n->raft) > raft_members_index(newest)))
            newest = n->raft;
    }
    return newest;
}

void world_backup(struct world *w, uint32_t i)
{
    struct disk *d = &w->nodes[i].disk;
    const struct raft *r = newest_members(w);
    if (!d->platter.has_vote || !d->durable.identity.cluster_id || d->damaged)
        return;
    if (d->backup)
        files_free(d->backup);
    else
        d->backup = mem_alloc(sizeof(*d->backup));
    files_copy(d->backup, &d->platter);
    d->backup_end = d->promised_index;
    d->backup_members = r ? raft_members_index(r) : 0;
}

static const struct proc *by_disk(const struct world *w, uint64_t id)
{
    for (uint32_t i = 0; i < w->count; i++)
        if (w->nodes[i].disk.durable.identity.node_id == id)
            return &w->nodes[i];
    return NULL;
}

/* With the members of then it may be a majority, by itself even, that nobody tells of those of now. Apart from that:
 * A rolled back voter may vote again in a term in which it has voted, and its acks are void. Both are harmless while all
 * others hold what it had acknowledged and nobody stands in such a term. */
static bool survives_rollback(struct world *w, const struct proc *p)
{
    const struct raft *r = newest_members(w);
    const struct disk *d = &p->disk;
    if (!r || world_leader(w) < 0 || d->backup_members != raft_members_index(r))
        return false;
    const struct raft_members *m = raft_members(r);
    for (uint32_t i = 0; i < m->count; i++) {
        const struct proc *q = by_disk(w, m->at[i].id);
        if (!m->at[i].voter || q == p)
            continue;
        if (!q || q->disk.damaged || world_disk_rarely_synced(w, q->number) ||
            q->disk.durable.identity.term < d->told.term ||
            journal_ends_before(index_term(&q->disk, disk_end(q)), disk_end(q), d->promised_term,
                                d->promised_index) ||
            (q->node && (!q->node->raft || raft_role(q->node->raft) == RAFT_CANDIDATE)))
            return false;
    }
    return true;
}

bool world_may_restore(struct world *w, uint32_t i)
{
    const struct proc *p = &w->nodes[i];
    const struct disk *d = &p->disk;
    struct vote_record then;
    bool repair;
    return d->backup && d->promised_index > d->backup_end && world_leader(w) != (int)i &&
           vote_choose(d->backup->vote, &then, &repair) == VOTE_GOOD &&
           then.vote.node_id == d->durable.identity.node_id &&
           then.vote.cluster_id == d->durable.identity.cluster_id &&
           (w->beyond || (!d->damaged && survives_rollback(w, p)));
}

bool world_restore(struct world *w, uint32_t i)
{
    struct proc *p = &w->nodes[i];
    struct disk *d = &p->disk;
    if (p->node || !world_may_restore(w, i))
        return false;
    lose_identity(p);
    d->lost_end = d->promised_index;
    d->misled = d->rolled_back = true;
    w->put_back = w->beyond;
    files_free(&d->platter);
    d->platter = *d->backup;
    mem_free(d->backup);
    d->backup = NULL;
    files_watch(p);
    disk_look(p);
    w->disk_counts.backups_restored++;
    return true;
}

/* ---- is it whole? ------------------------------------------------------------------------------------- */

static bool mended(const struct proc *p)
{
    const struct disk *d = &p->disk;
    const struct node *n = p->node;
    if (!n || !n->running || !n->raft || n->identity.short_log || d->durable.identity.short_log)
        return false;
    if (d->needs_replacing && d->durable.identity.node_id == d->lost_id)
        return d->rolled_back &&
               raft_commit(n->raft) >= d->lost_end; /* a leader that did not know has taken it */
    const struct raft_member *m = raft_members_find(raft_members(n->raft), d->durable.identity.node_id);
    if (d->needs_replacing)
        return m && m->voter;
    return p->life > d->damaged_life || d->newest.index >= d->damaged_upto;
}

bool world_disk_damaged(struct world *w, uint32_t i)
{
    struct disk *d = &w->nodes[i].disk;
    if (d->damaged && mended(&w->nodes[i]))
        d->damaged = d->needs_replacing = d->rolled_back = false;
    return d->damaged || world_disk_rarely_synced(w, i);
}

bool world_disk_needs_replacing(struct world *w, uint32_t i)
{
    return world_disk_damaged(w, i) && w->nodes[i].disk.needs_replacing;
}

void world_disk_replaced(struct world *w, uint32_t i)
{
    struct disk *d = &w->nodes[i].disk;
    if (d->needs_replacing)
        d->damaged = d->needs_replacing = d->rolled_back = false;
}

uint64_t world_lost_id(const struct world *w, uint32_t i)
{
    return w->nodes[i].disk.lost_id;
}

static bool spares(const struct world *w, const struct raft_members *m, uint32_t i)
{
    uint32_t voters = 0, lost = 0;
    for (uint32_t k = 0; k < m->count; k++) {
        const struct proc *q = by_disk(w, m->at[k].id);
        voters += m->at[k].voter;
        lost += m->at[k].voter && (!q || q == &w->nodes[i] || (q->disk.damaged && !mended(q)) ||
                                   world_disk_rarely_synced(w, q->number));
    }
    return lost * 2 < voters;
}

bool world_disk_spare(const struct world *w, uint32_t i)
{
    const struct raft *r = newest_members(w);
    return r && spares(w, raft_members(r), i) && (w->written_index == 0 || spares(w, &w->written, i));
}

const struct disk_counts *world_disk_counts(const struct world *w)
{
    return &w->disk_counts;
}

const char *disk_fault_name(enum disk_fault kind)
{
    static const char *const names[DISK_FAULTS] = {
        [DISK_HANG] = "hang",
        [DISK_SLOW] = "slow",
        [DISK_FULL] = "full",
        [DISK_ROOM] = "room",
        [DISK_NO_SPACE] = "no space",
        [DISK_WRITE_FAIL] = "write error",
        [DISK_SYNC_FAIL] = "sync error",
        [DISK_MISREAD] = "misread",
        [DISK_FLIP_ONE_VOTE] = "flip in one vote slot",
        [DISK_REVIVE] = "deleted keys revived",
        [DISK_DROP_CACHE] = "power cut",
        [DISK_TEAR_MARK] = "torn mark",
        [DISK_FLIP_MARK] = "flip in the mark",
        [DISK_FLIP_JOURNAL] = "flip in the journal",
        [DISK_MISPLACE] = "misplaced block",
        [DISK_BAD_BLOCK] = "unreadable block",
        [DISK_FLIP_SNAPSHOT] = "flip in a snapshot",
        [DISK_LOSE_TAIL] = "lost tail",
        [DISK_HOLE] = "hole",
        [DISK_NO_STORE] = "store that does not open",
        [DISK_FLIP_BOTH_VOTES] = "both vote slots",
        [DISK_RARE_SYNC] = "rare syncs",
    };
    return names[kind];
}
