/* The start of a process on what lies there: gathered and done here, decided by the product's recovery. What it says is held
 * against what was promised: a loss must be noticed, and nothing else be taken for one. */
#include "world_int.h"

#include "../support/kv_memory.h"
#include "base/alloc.h"

#include <assert.h>
#include <string.h>

struct storage_vote disk_vote_of(const struct node_identity *id)
{
    return (struct storage_vote){.node_id = id->node_id,
                                 .cluster_id = id->cluster_id,
                                 .term = id->term,
                                 .voted_for = id->voted_for,
                                 .short_log = id->short_log,
                                 .short_log_until = id->short_log_until,
                                 .diverged = id->diverged,
                                 .had_others = id->had_others};
}

static struct node_identity identity_of(const struct storage_vote *v)
{
    return (struct node_identity){.node_id = v->node_id,
                                  .cluster_id = v->cluster_id,
                                  .term = v->term,
                                  .voted_for = v->voted_for,
                                  .short_log = v->short_log,
                                  .short_log_until = v->short_log_until,
                                  .diverged = v->diverged,
                                  .had_others = v->had_others};
}

/* NULL: it is damaged. */
static struct blob *verify(struct disk *d, struct snapshot_id *id)
{
    struct disk_snapshot *s = files_snapshot(d, id);
    struct snapshot_sum sum = {0};
    snapshot_sum_add(&sum, s->bytes->data, s->bytes->len);
    id->bytes = sum.bytes;
    return snapshot_sum_end(&sum);
}

static size_t list_snapshots(const struct disk *d, struct snapshot_id out[DISK_SNAPSHOTS])
{
    size_t count = 0;
    for (size_t i = 0; i < DISK_SNAPSHOTS; i++) {
        const struct disk_snapshot *s = &d->platter.snapshots[i];
        if (!s->bytes || !s->named || s->id.generation != d->stable.record.generation)
            continue;
        size_t at = count++;
        for (; at > 0 && out[at - 1].index < s->id.index; at--)
            out[at] = out[at - 1];
        out[at] = s->id;
    }
    return count;
}

static void put_away(void *arg, const struct snapshot_id *id, enum recovery_fate fate)
{
    struct proc *p = arg;
    if (fate == RECOVERY_SET_ASIDE)
        files_set_aside(p, id);
    else
        files_snapshot(&p->disk, id)->named = false;
}

static bool whole_of_proc(void *arg, struct snapshot_id *id)
{
    struct proc *p = arg;
    disk_take_sums(&p->disk.newest_sums, verify(&p->disk, id));
    return p->disk.newest_sums != NULL;
}

void disk_look(struct proc *p)
{
    struct disk *d = &p->disk;
    bool repair;
    struct snapshot_id ids[DISK_SNAPSHOTS];
    if (d->damaged) /* what it held counts for what was committed thanks to it */
        check_forgets(p, SIZE_MAX);
    memset(&d->durable, 0, sizeof(d->durable));
    if (d->platter.has_vote && vote_choose(d->platter.vote, &d->stable.record, &repair) == VOTE_GOOD)
        d->durable.identity = identity_of(&d->stable.record.vote);
    else
        d->stable.record = (struct vote_record){0};
    size_t count = list_snapshots(d, ids);
    for (size_t i = 0; i < count && !d->durable.snapshot_index; i++) {
        struct blob *sums = verify(d, &ids[i]);
        blob_unref(sums);
        if (!sums)
            continue;
        d->durable.snapshot_index = ids[i].index;
        d->durable.snapshot_term = ids[i].term;
    }
    index_rebuild(p);
}

/* ---- recovery, as open.c does it ---------------------------------------------------------------------- */

enum outcome { RECOVERED, REFUSED, CUT_SHORT };

static enum outcome recover_vote(struct proc *p, struct recovery *r)
{
    struct platter *f = &p->disk.platter;
    bool repair;
    switch (recovery_vote(r, &p->disk.stable, f->has_vote ? f->vote : NULL, false, &repair)) {
    case RECOVERY_VOTE_REFUSED:
        return REFUSED;
    case RECOVERY_VOTE_GOOD:
        return RECOVERED;
    case RECOVERY_VOTE_BLANK:
        break;
    }
    if (!disk_step(&p->disk, true)) /* written beside it and renamed: there or not */
        return CUT_SHORT;
    vote_blank(f->vote);
    memcpy(f->synced, f->vote, sizeof(f->vote));
    memset(f->dirty, 0, sizeof(f->dirty));
    f->has_vote = true;
    return recover_vote(p, r);
}

static enum outcome recover_journal(struct proc *p, struct recovery *r)
{
    struct disk *d = &p->disk;
    uint64_t generation = d->stable.record.generation;
    struct kv *kv = files_kv(p, generation);
    if (!kv)
        kv = files_kv_new(p, generation);
    bool gone = d->platter.store_gone;
    switch (recovery_journal(r, &d->stable, gone ? NULL : kv, "Corruption: CURRENT file", &d->newest)) {
    case RECOVERY_JOURNAL_REFUSED:
        return REFUSED;
    case RECOVERY_JOURNAL_REPLACE: {
        struct stable_generation next = recovery_replacement(&d->stable);
        p->world->disk_counts.journals_replaced++;
        if (!files_next_generation(p, &next))
            return CUT_SHORT;
        break;
    }
    case RECOVERY_JOURNAL_DROP:
        if (!recovery_drop(&d->stable, &d->newest))
            return CUT_SHORT;
        break;
    case RECOVERY_JOURNAL_WHOLE:
        break;
    }
    kv = d->stable.journal.kv;
    return kv->flush(kv) && files_sync_dir(d) ? RECOVERED : CUT_SHORT;
}

static void boot_id(const struct disk *d, uint8_t out[16])
{
    memset(out, 0, 16);
    store_u64((char *)out, d->boot + 1);
}

static enum outcome recover_once(struct proc *p, struct recovery *r)
{
    struct disk *d = &p->disk;
    uint8_t boot[16];
    *r = (struct recovery){0};
    d->stable = (struct stable){.io = files_vote_io(p)};
    d->newest = d->received = (struct snapshot_id){0};
    enum outcome o = recover_vote(p, r);
    if (o != RECOVERED)
        return o;
    files_remove_generations(d, 0, d->stable.record.generation);
    struct snapshot_id ids[DISK_SNAPSHOTS];
    struct recovery_files files = {.arg = p, .whole = whole_of_proc, .put_away = put_away};
    d->newest = recovery_snapshot(r, ids, list_snapshots(d, ids), &files);
    o = recover_journal(p, r);
    if (o != RECOVERED)
        return o;
    boot_id(d, boot);
    recovery_judge(r, &d->stable, memcmp(boot, d->stable.mark.boot, sizeof(boot)) == 0);
    return recovery_settle(r, &d->stable, boot, d->fsync) ? RECOVERED : CUT_SHORT;
}

/* ---- what was promised -------------------------------------------------------------------------------- */

static void check_vote(struct proc *p)
{
    const struct disk *d = &p->disk;
    const struct storage_vote *v = &d->stable.record.vote;
    const struct node_identity *told = &d->told;
    if (d->misled || v->node_id != told->node_id || v->cluster_id != told->cluster_id)
        return;
    if (v->term < told->term || (v->term == told->term && told->voted_for && v->voted_for != told->voted_for))
        world_wrong(p->world, "n%u has forgotten its vote of term %llu", p->number,
                    (unsigned long long)told->term);
}

static void check_log(struct proc *p, const struct recovery *r, bool weak)
{
    const struct disk *d = &p->disk;
    const struct journal *j = &d->stable.journal;
    bool lost = journal_ends_before(j->last_term, j->last, d->promised_term, d->promised_index);
    bool told = r->short_log || d->stable.record.vote.short_log; /* or by a recovery that was cut short */
    if (lost && !told && !d->misled)
        world_wrong(p->world,
                    "n%u does not notice that its log ends at %llu of term %llu, not at %llu of %llu",
                    p->number, (unsigned long long)j->last, (unsigned long long)j->last_term,
                    (unsigned long long)d->promised_index, (unsigned long long)d->promised_term);
    if (lost && !d->damaged && !d->misled && !weak)
        world_wrong(p->world, "n%u drops what its disk held up to %llu: its log ends at %llu", p->number,
                    (unsigned long long)d->promised_index, (unsigned long long)j->last);
    if (!lost && r->short_log && !d->damaged && !weak)
        world_wrong(p->world, "n%u takes a whole log for a short one: %s", p->number, r->what);
}

bool disk_recover(struct proc *p, struct node_found *found)
{
    struct disk *d = &p->disk;
    struct world *w = p->world;
    struct recovery r;
    files_init(d);
    disk_look(p);
    bool weak = d->left_unsynced || d->fsync != STORAGE_FSYNC_ALWAYS;
    for (;;) {
        d->steps_left = d->recovery_steps;
        d->recovery_steps = 0;
        enum outcome o = recover_once(p, &r);
        d->steps_left = 0;
        if (o == RECOVERED)
            break;
        journal_deinit(&d->stable.journal);
        d->broken = false;
        if (o == REFUSED) {
            w->disk_counts.starts_refused++;
            return false;
        }
        w->disk_counts.recoveries_cut++;
        bool power_cut = prng_below(&w->chance, 2);
        files_crash(p, power_cut);
        if (power_cut && weak)
            disk_note_damage(p, UINT64_MAX);
    }
    check_vote(p);
    check_log(p, &r, weak);
    disk_look(p);
    d->misled = d->left_unsynced = false;
    w->disk_counts.short_logs += r.short_log;
    d->promised_term = d->stable.journal.last_term;
    d->promised_index = d->stable.journal.last;
    d->told = d->durable.identity;
    d->mark_synced_us = d->journal_synced_us = w->now_us;
    *found = (struct node_found){.identity = d->durable.identity,
                                 .short_log_found = r.short_log,
                                 .snapshot_index = d->newest.index,
                                 .snapshot_term = d->newest.term,
                                 .snapshot_bytes = d->newest.bytes};
    return true;
}

void disk_replay(struct proc *p, void (*each)(void *arg, const struct raft_frame *f), void *arg)
{
    struct journal_view view = stable_view(&p->disk.stable);
    char error[KV_ERROR_MAX];
    bool whole = journal_walk(&view, view.first, each, arg, error);
    assert(whole); /* recovery has just verified it */
    (void)whole;
}
