/* What the writer's thread does with a request (storage/writer.c), over the same stable.c. */
#include "world_int.h"

#include "../support/kv_memory.h"

#include <assert.h>

enum { SECOND_US = 1000000 };

/* The journal is about to end there, by the node's own will. */
static void promise_no_more(struct disk *d, uint64_t index, uint64_t term)
{
    if (!journal_ends_before(term, index, d->promised_term, d->promised_index))
        return;
    d->promised_term = term;
    d->promised_index = index;
}

/* About once a second, as the product's threads do beside their work. */
static bool do_chores(struct proc *p)
{
    struct disk *d = &p->disk;
    uint64_t now_us = p->world->now_us;
    if (now_us - d->mark_synced_us >= SECOND_US && !d->stable.io.sync(d->stable.io.arg))
        return false;
    if (!d->unsynced || d->fsync != STORAGE_FSYNC_EVERYSEC || now_us - d->journal_synced_us < SECOND_US)
        return true;
    d->journal_synced_us = now_us;
    d->unsynced = false;
    return d->stable.journal.kv->sync(d->stable.journal.kv);
}

static bool commit(struct proc *p)
{
    struct disk *d = &p->disk;
    bool sync = d->fsync == STORAGE_FSYNC_ALWAYS;
    if (!d->stable.journal.dirty)
        return true;
    if (!stable_commit(&d->stable, sync))
        return false;
    d->unsynced |= !sync;
    return do_chores(p);
}

/* A cut that waits for its append happens now. */
static bool settle(struct proc *p)
{
    struct disk *d = &p->disk;
    bool cut = d->stable.cut_pending;
    if (!stable_apply_cut(&d->stable) || !commit(p))
        return false;
    if (cut)
        index_cut(&d->index, d->stable.cut_from);
    return true;
}

static void now_durable(struct disk *d)
{
    d->promised_term = d->stable.journal.last_term;
    d->promised_index = d->stable.journal.last;
}

static bool run_appends(struct proc *p, struct disk_op *const *ops, size_t count)
{
    struct disk *d = &p->disk;
    for (size_t i = 0; i < count; i++)
        if (!stable_append(&d->stable, &ops[i]->block))
            return false;
    if (!commit(p))
        return false;
    for (size_t i = 0; i < count; i++)
        index_append(&d->index, &ops[i]->block);
    now_durable(d);
    check_mark(p);
    return true;
}

static void run_cut(struct proc *p, const struct disk_op *op)
{
    struct disk *d = &p->disk;
    if (op->from <= d->stable.journal.last)
        promise_no_more(d, op->from - 1, index_term(d, op->from - 1));
    stable_cut(&d->stable, op->from);
}

static bool run_identity(struct proc *p, const struct disk_op *op)
{
    struct disk *d = &p->disk;
    struct vote_record record = d->stable.record;
    record.vote = disk_vote_of(&op->identity);
    check_identity(p, &op->identity);
    if (!settle(p) || !stable_save_vote(&d->stable, &record))
        return false;
    d->durable.identity = op->identity;
    return true;
}

static bool run_compact(struct proc *p, uint64_t upto)
{
    struct disk *d = &p->disk;
    uint64_t limit, before = d->stable.journal.origin;
    if (!settle(p))
        return false;
    if (!journal_compact(&d->stable.journal, upto < d->newest.index ? upto : d->newest.index, &limit))
        return false;
    index_drop_until(&d->index, d->stable.journal.first - 1);
    struct journal_key key = journal_key(limit - 1);
    struct kv *kv = d->stable.journal.kv;
    if (limit != before && prng_below(&p->world->chance, 4)) /* else the reader has not come to it */
        kv->drop_below(kv, journal_key_slice(&key));
    return true;
}

static bool run_reset(struct proc *p, const struct disk_op *op)
{
    struct disk *d = &p->disk;
    struct stable_generation next = {.vote = disk_vote_of(&op->identity)};
    if (!settle(p))
        return false;
    d->promised_term = d->promised_index = 0;
    if (!files_next_generation(p, &next))
        return false;
    disk_look(p);
    return true;
}

static bool run_install(struct proc *p, struct disk_op *op)
{
    struct disk *d = &p->disk;
    struct snapshot_id id = d->received;
    if (!settle(p))
        return false;
    op->ok = id.index == op->index && id.term == op->term && id.index > 0 &&
             id.generation == d->stable.record.generation;
    if (!op->ok)
        return true;
    bool keep = op->keep && d->stable.journal.last >= id.index;
    d->received = (struct snapshot_id){0};
    if (!keep)
        promise_no_more(d, id.index, id.term);
    if (!keep && !stable_will_end(&d->stable, id.index, id.term))
        return false;
    struct blob *bytes = blob_new(d->receiving.data, d->receiving.len);
    bool done = files_publish(p, &id, bytes, d->received_sums, &op->ok);
    d->received_sums = NULL;
    blob_unref(bytes);
    if (!done || !op->ok)
        return done;
    if (keep)
        return run_compact(p, op->index);
    if (!stable_begin_anew(&d->stable, id.index, id.term))
        return false;
    index_drop_until(&d->index, UINT64_MAX);
    now_durable(d);
    return true;
}

static bool run_fsync_mode(struct proc *p, const struct disk_op *op)
{
    struct disk *d = &p->disk;
    struct kv *kv = d->stable.journal.kv;
    if (!settle(p) || (d->unsynced && !kv->sync(kv)))
        return false;
    d->unsynced = false;
    struct vote_mark mark = d->stable.mark;
    mark.fsync = op->fsync;
    if (d->fsync == STORAGE_FSYNC_ALWAYS) /* the weaker of the two, until the mark says which */
        d->fsync = op->fsync;
    if (!stable_set_mark(&d->stable, &mark, true))
        return false;
    d->fsync = op->fsync;
    return true;
}

bool write_batch(struct proc *p, struct disk_op *const *ops, size_t count)
{
    switch (ops[0]->type) {
    case OP_APPEND:
        return run_appends(p, ops, count);
    case OP_CUT:
        run_cut(p, ops[0]);
        return true;
    case OP_IDENTITY:
        return run_identity(p, ops[0]);
    case OP_COMPACT:
        return run_compact(p, ops[0]->to);
    case OP_RESET:
        return run_reset(p, ops[0]);
    case OP_INSTALL:
        return run_install(p, ops[0]);
    case OP_FSYNC_MODE:
        return run_fsync_mode(p, ops[0]);
    default:
        assert(!"a reader's request");
        return false;
    }
}
