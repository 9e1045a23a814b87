/* The writer's thread: takes all that is queued, makes it one batch, syncs once, says so once (group commit).
 */
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "storage/storage_int.h"

enum { BATCH_MAX_BYTES = 32 << 20, EVERYSEC_US = 1000000 };

_Noreturn static void die(const struct storage *s)
{
    log_fatal("Writing the journal failed: %s", s->stable.journal.kv->error);
}

/* Under the lock. */
static void count_sync(struct storage *s, uint64_t us)
{
    s->stats.fsync_count++;
    s->stats.fsync_us_total += us;
    if (us > s->stats.fsync_us_max)
        s->stats.fsync_us_max = us;
}

static void tell_slow(const struct storage *s, uint64_t us, const char *what)
{
    if (us > s->slow_us)
        log_line(LOG_WARNING, "Slow disk: writing and syncing the %s took %" PRIu64 " ms", what, us / 1000);
}

/* Under the lock. */
static void set_view(struct storage *s)
{
    s->view = stable_view(&s->stable);
    s->stats.journal_bytes = journal_bytes(&s->stable.journal);
}

static void publish_view(struct storage *s)
{
    pthread_mutex_lock(&s->lock);
    set_view(s);
    pthread_mutex_unlock(&s->lock);
}

/* The mark was raised: it wants a sync within a second. */
static void mark_moved(struct storage *s)
{
    if (!atomic_exchange(&s->mark_dirty, true))
        storage_wake_reader(s);
}

/* What was put together becomes durable. */
static void commit(struct storage *s)
{
    struct journal *j = &s->stable.journal;
    if (!j->dirty)
        return;
    uint64_t began_us = clock_mono_us(), bytes = j->batch_bytes;
    bool sync = s->fsync == STORAGE_FSYNC_ALWAYS;
    if (!stable_commit(&s->stable, sync))
        die(s);
    uint64_t us = clock_mono_us() - began_us;
    s->unsynced = s->unsynced || !sync;
    mark_moved(s);
    struct storage_event event = {.type = STORAGE_PERSISTED,
                                  .cookie = s->batch_cookie,
                                  .index = j->last,
                                  .term = j->last_term,
                                  .us = us};
    pthread_mutex_lock(&s->lock);
    if (sync)
        count_sync(s, us);
    set_view(s);
    s->stats.bytes_written += bytes;
    /* Without an append it was a cut alone. */
    bool wake = s->batch_queued > 0 && storage_push_event(s, &event);
    s->queued_bytes -= s->batch_queued;
    s->batch_queued = 0;
    pthread_mutex_unlock(&s->lock);
    if (wake)
        storage_wake_caller(s);
    if (sync)
        tell_slow(s, us, "journal");
}

/* A cut and the append that made it necessary are one batch; a cut alone is one by itself. */
static void settle(struct storage *s)
{
    commit(s);
    if (!stable_apply_cut(&s->stable))
        die(s);
    commit(s);
}

static void run_append(struct storage *s, const struct op *op)
{
    if (!stable_append(&s->stable, &op->block))
        die(s);
    s->batch_queued += op->block.len;
    s->batch_cookie = op->cookie;
    if (s->stable.journal.batch_bytes > BATCH_MAX_BYTES)
        commit(s);
}

static void run_cut(struct storage *s, const struct op *op)
{
    commit(s);
    stable_cut(&s->stable, op->index);
    publish_view(s);
}

static void save_vote(struct storage *s, const struct vote_record *record, uint64_t cookie)
{
    uint64_t began_us = clock_mono_us();
    if (!stable_save_vote(&s->stable, record))
        die(s);
    uint64_t us = clock_mono_us() - began_us;
    pthread_mutex_lock(&s->lock);
    count_sync(s, us);
    pthread_mutex_unlock(&s->lock);
    tell_slow(s, us, "vote");
    struct storage_event event = {.type = STORAGE_VOTE_SAVED, .cookie = cookie};
    storage_post(s, &event);
}

static void run_vote(struct storage *s, const struct op *op)
{
    settle(s);
    struct vote_record record = s->stable.record;
    record.vote = op->vote;
    save_vote(s, &record, op->cookie);
}

static void run_compact(struct storage *s, const struct op *op)
{
    settle(s);
    pthread_mutex_lock(&s->lock);
    uint64_t upto = op->index < s->newest.index ? op->index : s->newest.index;
    pthread_mutex_unlock(&s->lock);
    uint64_t before = s->stable.journal.origin, limit;
    if (!journal_compact(&s->stable.journal, upto, &limit))
        die(s);
    publish_view(s);
    if (limit == before)
        return;
    struct op *drop = storage_op(OP_DROP_BELOW);
    drop->index = limit;
    storage_queue_read(s, drop);
}

/* Nothing, or everything with one more block, goes over to the next generation. */
static void run_next_generation(struct storage *s, const struct op *op)
{
    settle(s);
    struct stable_generation next = {.vote = op->vote};
    char error[KV_ERROR_MAX];
    if (op->type == OP_RESCUE) {
        next.keep = true;
        next.extra = &op->block;
        s->batch_queued += op->block.len;
    }
    if (!storage_next_generation(s, &next, error))
        log_fatal("Making a new journal failed: %s", error);
    struct storage_event event = {.type = STORAGE_VOTE_SAVED, .cookie = op->cookie};
    storage_post(s, &event);
}

/* The file first: from then on recovery takes the snapshot, and drops by itself what conflicts with it; so what that drops
 * must not be promised any more. */
static void run_install(struct storage *s, const struct op *op)
{
    settle(s);
    pthread_mutex_lock(&s->kv_lock);
    pthread_mutex_lock(&s->lock);
    struct snapshot_id id = s->received;
    bool ok = id.index == op->index && id.term == op->term && id.index > 0 && id.generation == s->generation;
    struct blob *sums = ok ? s->received_sums : NULL;
    if (ok) {
        s->received = (struct snapshot_id){0};
        s->received_sums = NULL;
    }
    pthread_mutex_unlock(&s->lock);
    bool keep = op->flag && s->stable.journal.last >= id.index;
    if (ok && !keep && !stable_will_end(&s->stable, id.index, id.term))
        die(s);
    ok = ok && storage_snapshot_publish(s, SNAPSHOT_RECEIVE_NAME, &id, sums);
    pthread_mutex_unlock(&s->kv_lock);
    if (ok && keep) {
        run_compact(s, op);
    } else if (ok) {
        if (!stable_begin_anew(&s->stable, id.index, id.term))
            die(s);
        mark_moved(s);
        publish_view(s);
    }
    struct storage_event event = {
        .type = STORAGE_SNAPSHOT_INSTALLED, .index = op->index, .term = op->term, .ok = ok};
    storage_post(s, &event);
}

static void sync_now(struct storage *s)
{
    uint64_t began_us = clock_mono_us();
    if (!s->stable.journal.kv->sync(s->stable.journal.kv))
        die(s);
    s->unsynced = false;
    s->synced_us = clock_mono_us();
    pthread_mutex_lock(&s->lock);
    count_sync(s, s->synced_us - began_us);
    pthread_mutex_unlock(&s->lock);
    tell_slow(s, s->synced_us - began_us, "journal");
}

static void run_fsync_mode(struct storage *s, const struct op *op)
{
    settle(s);
    /* Weaker: known to the next start before anything is written that way. Stronger: known once all is
     * synced. */
    struct vote_mark mark = s->stable.mark;
    mark.fsync = op->fsync;
    if (s->unsynced)
        sync_now(s);
    if (!stable_set_mark(&s->stable, &mark, true))
        die(s);
    s->fsync = op->fsync;
}

static void run(struct storage *s, const struct op *op)
{
    switch (op->type) {
    case OP_APPEND:
        run_append(s, op);
        break;
    case OP_CUT:
        run_cut(s, op);
        break;
    case OP_VOTE:
        run_vote(s, op);
        break;
    case OP_COMPACT:
        run_compact(s, op);
        break;
    case OP_RESET:
    case OP_RESCUE:
        run_next_generation(s, op);
        break;
    case OP_INSTALL:
        run_install(s, op);
        break;
    case OP_FSYNC_MODE:
        run_fsync_mode(s, op);
        break;
    default:
        assert(false); /* a reader's request */
    }
}

/* Waits for work, under the lock. With appendfsync everysec and something unsynced, at most a second. */
static void wait_for_work(struct storage *s)
{
    while (list_empty(&s->write_queue) && !s->write_stop) {
        s->write_waiting = true;
        if (!s->unsynced || s->fsync != STORAGE_FSYNC_EVERYSEC) {
            pthread_cond_wait(&s->write_wake, &s->lock);
            continue;
        }
        struct timespec until;
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_sec++;
        if (pthread_cond_timedwait(&s->write_wake, &s->lock, &until) == ETIMEDOUT)
            break;
    }
    s->write_waiting = false;
}

static uint64_t run_batch(struct storage *s, struct list *batch)
{
    uint64_t count = 0;
    list_for_each_safe(it, tmp, batch)
    {
        struct op *op = list_entry(it, struct op, link);
        run(s, op);
        count++;
        list_remove(it);
        storage_op_free(op);
    }
    commit(s);
    if (s->unsynced && s->fsync == STORAGE_FSYNC_EVERYSEC && clock_mono_us() - s->synced_us >= EVERYSEC_US)
        sync_now(s);
    return count;
}

/* Tells the reader how far things are, and takes all that has been asked meanwhile. false: the end. */
static bool next_batch(struct storage *s, struct list *batch, uint64_t done)
{
    list_init(batch);
    pthread_mutex_lock(&s->lock);
    s->done += done;
    s->running_since_us = 0;
    if (s->read_waiting && !list_empty(&s->read_queue))
        pthread_cond_signal(&s->read_wake);
    wait_for_work(s);
    bool more = !list_empty(&s->write_queue);
    if (more) {
        *batch = s->write_queue;
        batch->next->prev = batch->prev->next = batch;
        list_init(&s->write_queue);
    }
    bool end = s->write_stop && !more;
    s->running_since_us = end ? 0 : clock_mono_us();
    pthread_mutex_unlock(&s->lock);
    return !end;
}

void *storage_writer_run(void *arg)
{
    struct storage *s = arg;
    struct list batch;
    uint64_t done = 0;
    pthread_setname_np(pthread_self(), "journal");
    s->synced_us = clock_mono_us();
    while (next_batch(s, &batch, done))
        done = run_batch(s, &batch);
    settle(s);
    return NULL;
}
