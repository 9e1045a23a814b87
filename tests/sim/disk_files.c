/* What lies on a disk: the vote file, the generations of the journal, the snapshots; and what a crash makes of them. */
#include "world_int.h"

#include "../support/kv_memory.h"
#include "base/alloc.h"

#include <assert.h>
#include <string.h>

enum { RECORD_BYTES = 128 /* of a sector; the rest is zero */ };

/* ---- the vote file ------------------------------------------------------------------------------------ */

static bool vote_write(void *arg, const char *data, size_t len, size_t offset)
{
    struct proc *p = arg;
    struct platter *f = &p->disk.platter;
    if (!disk_step(&p->disk, false))
        return false;
    memcpy(f->vote + offset, data, len);
    f->dirty[offset / VOTE_SECTOR] = true;
    return true;
}

static bool vote_sync(void *arg)
{
    struct proc *p = arg;
    struct platter *f = &p->disk.platter;
    if (!disk_step(&p->disk, true))
        return false;
    for (size_t i = 0; i < 3; i++)
        if (f->dirty[i])
            memcpy(f->synced + i * VOTE_SECTOR, f->vote + i * VOTE_SECTOR, RECORD_BYTES);
    memset(f->dirty, 0, sizeof(f->dirty));
    p->disk.mark_synced_us = p->world->now_us;
    return true;
}

struct vote_io files_vote_io(struct proc *p)
{
    return (struct vote_io){.arg = p, .write = vote_write, .sync = vote_sync};
}

/* The old sector, the new one, or the beginning of the new one over the old one. The mark is torn only when asked for: that
 * is damage. */
static void tear_sector(struct proc *p, size_t sector)
{
    struct disk *d = &p->disk;
    struct disk_counts *counts = &p->world->disk_counts;
    struct prng *chance = &p->world->chance;
    char *now = d->platter.vote + sector * VOTE_SECTOR, *before = d->platter.synced + sector * VOTE_SECTOR;
    bool slot = sector < 2;
    struct vote_record other; /* of two faults that together would end an identity the second is left out */
    bool may_tear =
        slot ? vote_decode(d->platter.vote + (1 - sector) * VOTE_SECTOR, &other) == VOTE_GOOD : d->tear_mark;
    uint64_t drawn = prng_below(chance, 4);
    if (may_tear && (drawn == 0 || !slot)) {
        memcpy(before, now, 8 + prng_below(chance, 36));
        counts->slots_torn += slot;
        counts->marks_torn += !slot;
    } else if (drawn == 1 || (slot && drawn == 2)) {
        memcpy(before, now, RECORD_BYTES);
    } else {
        counts->marks_stale += !slot;
    }
    memcpy(now, before, RECORD_BYTES);
}

/* ---- generations -------------------------------------------------------------------------------------- */

static bool kv_step(void *arg, bool sync)
{
    return disk_step(arg, sync);
}

struct kv *files_kv(struct proc *p, uint64_t generation)
{
    for (size_t i = 0; i < DISK_GENERATIONS; i++)
        if (p->disk.platter.generations[i].number == generation && generation)
            return p->disk.platter.generations[i].kv;
    return NULL;
}

struct kv *files_kv_new(struct proc *p, uint64_t generation)
{
    for (size_t i = 0; i < DISK_GENERATIONS; i++) {
        struct disk_generation *g = &p->disk.platter.generations[i];
        if (g->number)
            continue;
        *g = (struct disk_generation){generation, kv_memory_new()};
        kv_memory_watch(g->kv, kv_step, &p->disk);
        return g->kv;
    }
    assert(!"no room for another generation");
    return NULL;
}

static void forget_snapshot(struct disk_snapshot *s)
{
    blob_unref(s->bytes);
    *s = (struct disk_snapshot){0};
}

void files_remove_generations(struct disk *d, uint64_t from, uint64_t to)
{
    for (size_t i = 0; i < DISK_GENERATIONS; i++) {
        struct disk_generation *g = &d->platter.generations[i];
        if (!g->number || g->number < from || g->number >= to)
            continue;
        g->kv->close(g->kv);
        *g = (struct disk_generation){0};
    }
    for (size_t i = 0; i < DISK_SNAPSHOTS; i++) {
        struct disk_snapshot *s = &d->platter.snapshots[i];
        if (s->bytes && s->id.generation >= from && s->id.generation < to)
            forget_snapshot(s);
    }
}

/* ---- snapshots ---------------------------------------------------------------------------------------- */

struct disk_snapshot *files_snapshot(struct disk *d, const struct snapshot_id *id)
{
    for (size_t i = 0; i < DISK_SNAPSHOTS; i++) {
        struct disk_snapshot *s = &d->platter.snapshots[i];
        if (s->bytes && s->named && s->id.generation == id->generation && s->id.index == id->index &&
            s->id.term == id->term)
            return s;
    }
    return NULL;
}

/* A reference to `bytes` is taken. One of the same name goes. */
static void name_snapshot(struct disk *d, const struct snapshot_id *id, struct blob *bytes)
{
    struct disk_snapshot *s = files_snapshot(d, id);
    blob_ref(bytes);
    for (size_t i = 0; !s && i < DISK_SNAPSHOTS; i++)
        if (!d->platter.snapshots[i].bytes)
            s = &d->platter.snapshots[i];
    assert(s);
    blob_unref(s->bytes);
    s->id = *id;
    s->bytes = bytes;
    s->named = true;
}

bool files_sync_dir(struct disk *d)
{
    if (!disk_step(d, true))
        return false;
    for (size_t i = 0; i < DISK_SNAPSHOTS; i++) {
        struct disk_snapshot *s = &d->platter.snapshots[i];
        s->durable = s->named;
        if (s->bytes && !s->named)
            forget_snapshot(s);
    }
    return true;
}

void files_set_aside(struct proc *p, const struct snapshot_id *id)
{
    struct disk_snapshot *s = files_snapshot(&p->disk, id);
    if (s)
        s->named = false;
    p->world->disk_counts.snapshots_set_aside++;
}

bool files_publish(struct proc *p, const struct snapshot_id *id, struct blob *bytes, struct blob *sums,
                   bool *ok)
{
    struct disk *d = &p->disk;
    bool done = disk_step(d, false);
    if (done)
        name_snapshot(d, id, bytes);
    if (!done || !files_sync_dir(d)) {
        blob_unref(sums);
        return false;
    }
    bool newer = id->generation == d->stable.record.generation && id->index > d->newest.index;
    struct snapshot_id loser = newer ? d->newest : *id;
    bool same = !newer && id->generation == d->newest.generation && id->index == d->newest.index;
    if (newer || same)
        disk_take_sums(&d->newest_sums, sums);
    else
        blob_unref(sums);
    if (newer) {
        d->newest = *id;
        d->durable.snapshot_index = id->index;
        d->durable.snapshot_term = id->term;
    }
    struct disk_snapshot *gone = loser.index && !same ? files_snapshot(d, &loser) : NULL;
    if (gone)
        gone->named = false;
    *ok = newer || same;
    return true;
}

/* As generation.c does it. */
bool files_next_generation(struct proc *p, const struct stable_generation *g)
{
    struct disk *d = &p->disk;
    struct journal built;
    char error[KV_ERROR_MAX];
    uint64_t before = d->stable.record.generation;
    struct snapshot_id snapshot = g->keep ? d->newest : (struct snapshot_id){0};
    struct disk_snapshot *file = snapshot.index ? files_snapshot(d, &snapshot) : NULL;
    files_remove_generations(d, before + 1, UINT64_MAX);
    struct kv *kv = files_kv_new(p, before + 1);
    bool done = stable_build(&d->stable, g, kv, snapshot.index, snapshot.term, &built, error);
    if (done && file) {
        snapshot.generation = before + 1;
        name_snapshot(d, &snapshot, file->bytes);
    }
    done = done && files_sync_dir(d) && stable_make_it_count(&d->stable, g, before + 1, &built);
    if (!done) {
        journal_deinit(&built);
        return false;
    }
    journal_deinit(&d->stable.journal);
    d->stable.journal = built;
    d->newest = snapshot;
    d->received = (struct snapshot_id){0};
    disk_take_sums(&d->received_sums, NULL);
    if (!snapshot.index)
        disk_take_sums(&d->newest_sums, NULL);
    d->platter.store_gone = false;
    files_remove_generations(d, 0, before + 1);
    return files_sync_dir(d);
}

/* ---- what a crash leaves ------------------------------------------------------------------------------ */

void files_crash(struct proc *p, bool power_cut)
{
    struct disk *d = &p->disk;
    struct disk_counts *counts = &p->world->disk_counts;
    struct prng *chance = &p->world->chance;
    for (size_t i = 0; i < DISK_GENERATIONS; i++) {
        struct kv *kv = d->platter.generations[i].kv;
        if (kv && power_cut)
            counts->unsynced_lost += kv_memory_crash(kv, chance);
        else if (kv)
            kv_memory_kill(kv);
    }
    if (!power_cut)
        return;
    d->boot++;
    for (size_t i = 0; i < 3; i++)
        if (d->platter.dirty[i])
            tear_sector(p, i);
    memset(d->platter.dirty, 0, sizeof(d->platter.dirty));
    for (size_t i = 0; i < DISK_SNAPSHOTS; i++) {
        struct disk_snapshot *s = &d->platter.snapshots[i];
        if (!s->bytes)
            continue;
        if (s->named != s->durable && prng_below(chance, 2)) {
            counts->renames_lost += s->named;
            s->named = s->durable;
        }
        s->durable = s->named;
        if (!s->named)
            forget_snapshot(s);
    }
}

/* ---- copies ------------------------------------------------------------------------------------------- */

void files_copy(struct platter *to, const struct platter *from)
{
    *to = *from;
    memcpy(to->synced, to->vote, sizeof(to->vote));
    memset(to->dirty, 0, sizeof(to->dirty));
    for (size_t i = 0; i < DISK_GENERATIONS; i++)
        if (to->generations[i].number)
            to->generations[i].kv = kv_memory_copy(from->generations[i].kv);
    for (size_t i = 0; i < DISK_SNAPSHOTS; i++) {
        struct disk_snapshot *s = &to->snapshots[i];
        if (s->bytes && s->named) {
            blob_ref(s->bytes);
            s->durable = true;
        } else {
            *s = (struct disk_snapshot){0};
        }
    }
}

void files_free(struct platter *f)
{
    for (size_t i = 0; i < DISK_GENERATIONS; i++)
        if (f->generations[i].number)
            f->generations[i].kv->close(f->generations[i].kv);
    for (size_t i = 0; i < DISK_SNAPSHOTS; i++)
        blob_unref(f->snapshots[i].bytes);
    memset(f, 0, sizeof(*f));
}

void files_watch(struct proc *p)
{
    for (size_t i = 0; i < DISK_GENERATIONS; i++)
        if (p->disk.platter.generations[i].number)
            kv_memory_watch(p->disk.platter.generations[i].kv, kv_step, &p->disk);
}
