/* The reader's thread: entries for lagging peers and for apply, pieces of snapshots out and in, and the
 * chores that must not stand in the way of an append: syncing the mark, giving space back. */
#include <errno.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "storage/storage_int.h"

static void run_read(struct storage *s, const struct op *op)
{
    struct storage_event event = {.type = STORAGE_READ, .cookie = op->cookie, .index = op->index};
    char error[KV_ERROR_MAX];
    pthread_mutex_lock(&s->kv_lock);
    pthread_mutex_lock(&s->lock);
    struct journal_view view = s->view;
    pthread_mutex_unlock(&s->lock);
    /* A damaged entry must not spread. The next start finds it, and deals with it as a short log. */
    if (!journal_read(&view, op->index, op->last, op->len, &event.block, error))
        log_fatal("Reading the journal failed: %s", error);
    pthread_mutex_unlock(&s->kv_lock);
    storage_post(s, &event);
}

static void run_drop_below(struct storage *s, const struct op *op)
{
    struct journal_key limit = journal_key(op->index - 1);
    pthread_mutex_lock(&s->kv_lock);
    pthread_mutex_lock(&s->lock);
    struct journal_view view = s->view;
    pthread_mutex_unlock(&s->lock);
    if (view.origin >= op->index) /* else a reset has come between */
        view.kv->drop_below(view.kv, journal_key_slice(&limit));
    pthread_mutex_unlock(&s->kv_lock);
}

static bool same_file(const struct snapshot_id *a, const struct snapshot_id *b)
{
    return a->index == b->index && a->generation == b->generation;
}

/* The newest that does not read as it was verified is none any more. */
static void give_up(struct storage *s, const struct snapshot_id *id)
{
    char name[SNAPSHOT_NAME_MAX];
    pthread_mutex_lock(&s->lock);
    bool newest = same_file(id, &s->newest); /* else it was to go anyway */
    if (newest) {
        s->newest = (struct snapshot_id){0};
        s->stats.snapshot_bytes = 0;
        storage_drop_sums(&s->newest_sums);
    }
    pthread_mutex_unlock(&s->lock);
    if (!newest)
        return;
    snapshot_name(name, id);
    log_line(LOG_WARNING, "%s is damaged: set aside, and not sent to anybody", name);
    storage_snapshot_set_aside(s, id);
}

static struct snapshot_reader *open_snapshot(struct storage *s, uint64_t index)
{
    for (;;) {
        pthread_mutex_lock(&s->lock);
        struct snapshot_id newest = s->newest;
        struct blob *sums = newest.index ? blob_ref(s->newest_sums) : NULL;
        pthread_mutex_unlock(&s->lock);
        struct snapshot_reader *r =
            snapshot_readers_get(&s->readers, s->dir_fd, index, &newest, sums, clock_mono_us());
        blob_unref(sums);
        if (r || !newest.index)
            return r;
        give_up(s, &newest); /* unless a newer one has taken its place meanwhile, it has been taken away */
    }
}

static void run_snapshot_read(struct storage *s, const struct op *op)
{
    struct storage_event event = {.type = STORAGE_SNAPSHOT_PIECE, .cookie = op->cookie};
    struct snapshot_reader *r;
    while (!event.ok && (r = open_snapshot(s, op->index))) {
        event.ok = snapshot_reader_read(r, op->offset, op->len, &event.block);
        if (event.ok) {
            event.index = r->id.index;
            event.term = r->id.term;
            event.total = r->id.bytes;
            event.offset = op->offset;
        } else {
            give_up(s, &r->id);
            snapshot_reader_close(r);
        }
    }
    storage_post(s, &event);
}

static void run_receive(struct storage *s, const struct op *op)
{
    struct storage_event event = {.type = STORAGE_SNAPSHOT_RECEIVED,
                                  .cookie = op->cookie,
                                  .index = op->index,
                                  .term = op->term,
                                  .last = op->flag};
    pthread_mutex_lock(&s->kv_lock);
    pthread_mutex_lock(&s->lock);
    struct snapshot_id id = {.generation = s->generation, .index = op->index, .term = op->term};
    if (op->offset == 0) { /* the one before is given up */
        s->received = (struct snapshot_id){0};
        storage_drop_sums(&s->received_sums);
    }
    pthread_mutex_unlock(&s->lock);
    struct slice piece = slice_of(op->block.blob->data, op->block.len);
    event.ok = snapshot_receive(&s->receiver, s->dir_fd, &id, op->offset, piece);
    event.offset = s->receiver.sum.bytes;
    if (event.ok && op->flag) {
        id.bytes = s->receiver.sum.bytes;
        event.total = id.bytes;
        struct blob *sums = snapshot_receive_end(&s->receiver, s->dir_fd);
        event.ok = sums != NULL;
        pthread_mutex_lock(&s->lock);
        if (event.ok)
            s->received = id;
        storage_drop_sums(&s->received_sums);
        s->received_sums = sums;
        pthread_mutex_unlock(&s->lock);
    }
    pthread_mutex_unlock(&s->kv_lock);
    storage_post(s, &event);
}

static void run(struct storage *s, struct op *op)
{
    switch (op->type) {
    case OP_READ:
        run_read(s, op);
        break;
    case OP_SNAPSHOT_READ:
        run_snapshot_read(s, op);
        break;
    case OP_RECEIVE:
        run_receive(s, op);
        break;
    default:
        run_drop_below(s, op);
    }
    storage_op_free(op);
}

/* The first request that need not wait for the writer; under the lock. */
static struct op *next_op(struct storage *s)
{
    list_for_each(it, &s->read_queue)
    {
        struct op *op = list_entry(it, struct op, link);
        if (op->type != OP_READ || s->done >= op->after) {
            list_remove(it);
            return op;
        }
    }
    return NULL;
}

static uint64_t sync_mark(struct storage *s, uint64_t synced_us, uint64_t now_us)
{
    if (now_us - synced_us < 1000000 || !atomic_exchange(&s->mark_dirty, false))
        return synced_us;
    vote_file_sync(s->vote_fd);
    return now_us;
}

/* Waits for a request; while there are chores, at most a second. Under the lock. */
static struct op *wait_for_op(struct storage *s, bool chores)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec++;
    for (;;) {
        struct op *op = next_op(s);
        if (op || s->read_stop)
            return op;
        s->read_waiting = true;
        if (chores) {
            if (pthread_cond_timedwait(&s->read_wake, &s->lock, &until) == ETIMEDOUT)
                return NULL;
        } else {
            pthread_cond_wait(&s->read_wake, &s->lock);
            if (atomic_load(&s->mark_dirty))
                return NULL;
        }
    }
}

void *storage_reader_run(void *arg)
{
    struct storage *s = arg;
    uint64_t synced_us = clock_mono_us();
    bool open_files = false;
    pthread_setname_np(pthread_self(), "journal reader");
    for (;;) {
        pthread_mutex_lock(&s->lock);
        struct op *op = wait_for_op(s, open_files || atomic_load(&s->mark_dirty));
        bool stop = s->read_stop && list_empty(&s->read_queue); /* it may have woken for a chore */
        s->read_waiting = false;
        pthread_mutex_unlock(&s->lock);
        if (op)
            run(s, op);
        if (stop && !op)
            break;
        uint64_t now_us = clock_mono_us();
        synced_us = sync_mark(s, synced_us, now_us);
        open_files = snapshot_readers_expire(&s->readers, now_us);
    }
    snapshot_readers_close(&s->readers);
    snapshot_receive_abort(&s->receiver, s->dir_fd);
    return NULL;
}
