/* The door: requests into queues, events out of one. */
#include "storage/storage.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "storage/storage_int.h"

enum { LOAD_PIECE = 1 << 20 };

struct op *storage_op(enum op_type type)
{
    struct op *op = mem_calloc(1, sizeof *op);
    op->type = type;
    return op;
}

void storage_op_free(struct op *op)
{
    blob_unref(op->block.blob);
    mem_free(op);
}

/* Closes what storage_recover and storage_open have opened so far. */
static void release(struct storage *s)
{
    if (s->stable.journal.kv)
        s->stable.journal.kv->close(s->stable.journal.kv);
    journal_deinit(&s->stable.journal);
    blob_unref(s->newest_sums);
    blob_unref(s->received_sums);
    if (s->vote_fd >= 0)
        close(s->vote_fd);
    if (s->event_fd >= 0)
        close(s->event_fd);
    if (s->lock_fd >= 0)
        close(s->lock_fd);
    if (s->dir_fd >= 0)
        close(s->dir_fd);
    remover_free(s->remover);
    pthread_mutex_destroy(&s->lock);
    pthread_mutex_destroy(&s->kv_lock);
    pthread_cond_destroy(&s->write_wake);
    pthread_cond_destroy(&s->read_wake);
    pthread_cond_destroy(&s->child_wake);
    mem_free(s);
}

static void init_cond(pthread_cond_t *cond)
{
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(cond, &attr);
    pthread_condattr_destroy(&attr);
}

static struct storage *new_storage(const struct storage_config *config)
{
    struct storage *s = mem_calloc(1, sizeof *s);
    snprintf(s->dir, sizeof s->dir, "%s", config->dir);
    s->fsync = config->fsync;
    s->slow_us = config->slow_us;
    s->dir_fd = s->lock_fd = s->vote_fd = s->receiver.fd = -1;
    s->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    s->remover = remover_new();
    s->stable.io = vote_file_io(&s->vote_fd);
    list_init(&s->write_queue);
    list_init(&s->read_queue);
    list_init(&s->events);
    list_init(&s->taken);
    pthread_mutex_init(&s->lock, NULL);
    pthread_mutex_init(&s->kv_lock, NULL);
    init_cond(&s->write_wake);
    init_cond(&s->read_wake);
    init_cond(&s->child_wake);
    return s;
}

struct storage *storage_open(const struct storage_config *config, struct storage_found *found, char *error,
                             size_t error_len)
{
    if (strlen(config->dir) >= PATH_MAX - 64) {
        snprintf(error, error_len, "the directory's path is too long");
        return NULL;
    }
    struct storage *s = new_storage(config);
    if (s->event_fd < 0) {
        snprintf(error, error_len, "cannot make an eventfd: %s", strerror(errno));
        release(s);
        return NULL;
    }
    if (!storage_recover(s, found, error, error_len)) {
        release(s);
        return NULL;
    }
    s->view = journal_view(&s->stable.journal);
    s->stats.journal_bytes = journal_bytes(&s->stable.journal);
    if (pthread_create(&s->writer, NULL, storage_writer_run, s) != 0 ||
        pthread_create(&s->reader, NULL, storage_reader_run, s) != 0)
        log_fatal("Starting the storage threads failed");
    return s;
}

static void free_events(struct list *events)
{
    list_for_each_safe(it, tmp, events)
    {
        struct event_node *node = list_entry(it, struct event_node, link);
        blob_unref(node->event.block.blob);
        list_remove(it);
        mem_free(node);
    }
}

void storage_close(struct storage *s)
{
    storage_snapshot_stop(s);
    pthread_mutex_lock(&s->lock);
    s->write_stop = true;
    pthread_cond_signal(&s->write_wake);
    pthread_mutex_unlock(&s->lock);
    pthread_join(s->writer, NULL);
    pthread_mutex_lock(&s->lock);
    s->read_stop = true;
    pthread_cond_signal(&s->read_wake);
    pthread_mutex_unlock(&s->lock);
    pthread_join(s->reader, NULL);
    assert(list_empty(&s->write_queue) && list_empty(&s->read_queue)); /* all that was asked is done */
    if (!s->stable.journal.kv->sync(s->stable.journal.kv))
        log_fatal("Syncing the journal failed: %s", s->stable.journal.kv->error);
    struct vote_mark mark = s->stable.mark;
    mark.clean = true;
    if (!stable_set_mark(&s->stable, &mark, true))
        log_fatal("Writing the mark failed");
    free_events(&s->events);
    free_events(&s->taken);
    release(s);
}

void storage_replay(struct storage *s, uint64_t from, void (*each)(void *arg, const struct raft_frame *frame),
                    void *arg)
{
    char error[KV_ERROR_MAX];
    if (!journal_walk(&s->view, from, each, arg, error))
        log_fatal("Reading the journal failed: %s", error);
}

bool storage_snapshot_load(struct storage *s, bool (*each)(void *arg, struct slice piece), void *arg)
{
    pthread_mutex_lock(&s->lock);
    struct snapshot_id newest = s->newest;
    pthread_mutex_unlock(&s->lock);
    if (!newest.index)
        return false;
    char name[SNAPSHOT_NAME_MAX];
    snapshot_name(name, &newest);
    int fd = openat(s->dir_fd, name, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        log_fatal("Opening %s failed: %s", name, strerror(errno));
    char *piece = mem_alloc(LOAD_PIECE);
    bool good = true;
    ssize_t n = 0;
    while (good && (n = read(fd, piece, LOAD_PIECE)) > 0)
        good = each(arg, slice_of(piece, (size_t)n));
    if (n < 0)
        log_fatal("Reading %s failed: %s", name, strerror(errno));
    mem_free(piece);
    close(fd);
    return good;
}

/* Writer's queue. */
static void queue_write(struct storage *s, struct op *op)
{
    pthread_mutex_lock(&s->lock);
    list_push_back(&s->write_queue, &op->link);
    s->asked++;
    if (op->type == OP_CUT || op->type == OP_COMPACT || op->type == OP_RESET || op->type == OP_RESCUE ||
        op->type == OP_INSTALL)
        s->asked_cut = s->asked;
    if (op->type == OP_COMPACT)
        s->asked_compact = s->asked;
    s->queued_bytes += op->block.len;
    bool wake = s->write_waiting;
    s->write_waiting = false;
    pthread_mutex_unlock(&s->lock);
    s->wake_owed |= wake;
    if (!s->held)
        storage_release(s);
}

void storage_hold(struct storage *s)
{
    s->held = true;
}

void storage_release(struct storage *s)
{
    if (s->wake_owed)
        pthread_cond_signal(&s->write_wake);
    s->held = s->wake_owed = false;
}

void storage_save_vote(struct storage *s, const struct storage_vote *vote, uint64_t cookie)
{
    struct op *op = storage_op(OP_VOTE);
    op->vote = *vote;
    op->cookie = cookie;
    queue_write(s, op);
}

void storage_cut(struct storage *s, uint64_t from)
{
    struct op *op = storage_op(OP_CUT);
    op->index = from;
    queue_write(s, op);
}

void storage_append(struct storage *s, const struct raft_block *block, uint64_t cookie)
{
    struct op *op = storage_op(OP_APPEND);
    op->block = *block;
    op->cookie = cookie;
    blob_ref(block->blob);
    queue_write(s, op);
}

void storage_compact(struct storage *s, uint64_t upto)
{
    struct op *op = storage_op(OP_COMPACT);
    op->index = upto;
    queue_write(s, op);
}

void storage_reset(struct storage *s, const struct storage_vote *vote, uint64_t cookie)
{
    struct op *op = storage_op(OP_RESET);
    op->vote = *vote;
    op->cookie = cookie;
    queue_write(s, op);
}

void storage_rescue(struct storage *s, const struct storage_vote *vote, const struct raft_block *block,
                    uint64_t cookie)
{
    struct op *op = storage_op(OP_RESCUE);
    op->vote = *vote;
    op->cookie = cookie;
    op->block = *block;
    blob_ref(block->blob);
    queue_write(s, op);
}

void storage_snapshot_install(struct storage *s, uint64_t index, uint64_t term, bool keep_suffix)
{
    struct op *op = storage_op(OP_INSTALL);
    op->index = index;
    op->term = term;
    op->flag = keep_suffix;
    queue_write(s, op);
}

void storage_set_fsync(struct storage *s, enum storage_fsync fsync_mode)
{
    struct op *op = storage_op(OP_FSYNC_MODE);
    op->fsync = fsync_mode;
    queue_write(s, op);
}

/* Reader's queue. */
void storage_queue_read(struct storage *s, struct op *op)
{
    pthread_mutex_lock(&s->lock);
    if (op->type == OP_READ) /* what was asked of the writer before has to be seen by it */
        op->after = op->index > s->view.last ? s->asked : s->asked_cut;
    list_push_back(&s->read_queue, &op->link);
    bool wake = s->read_waiting;
    s->read_waiting = false;
    pthread_mutex_unlock(&s->lock);
    if (wake)
        pthread_cond_signal(&s->read_wake);
}

void storage_wake_reader(struct storage *s)
{
    pthread_mutex_lock(&s->lock);
    bool wake = s->read_waiting;
    s->read_waiting = false;
    pthread_mutex_unlock(&s->lock);
    if (wake)
        pthread_cond_signal(&s->read_wake);
}

void storage_read(struct storage *s, uint64_t cookie, uint64_t first, uint64_t last, size_t max_bytes)
{
    struct op *op = storage_op(OP_READ);
    op->cookie = cookie;
    op->index = first;
    op->last = last;
    op->len = max_bytes;
    storage_queue_read(s, op);
}

void storage_snapshot_read(struct storage *s, uint64_t cookie, uint64_t index, uint64_t offset, size_t len)
{
    struct op *op = storage_op(OP_SNAPSHOT_READ);
    op->cookie = cookie;
    op->index = index;
    op->offset = offset;
    op->len = len;
    storage_queue_read(s, op);
}

void storage_snapshot_receive(struct storage *s, uint64_t cookie, uint64_t index, uint64_t term,
                              uint64_t offset, struct slice piece, bool last)
{
    struct op *op = storage_op(OP_RECEIVE);
    op->cookie = cookie;
    op->index = index;
    op->term = term;
    op->offset = offset;
    op->flag = last;
    op->block.blob = blob_new(piece.data, piece.len);
    op->block.len = piece.len;
    storage_queue_read(s, op);
}

/* Events. */
bool storage_push_event(struct storage *s, const struct storage_event *event)
{
    struct event_node *node = mem_alloc(sizeof *node);
    node->event = *event;
    bool wake = list_empty(&s->events);
    list_push_back(&s->events, &node->link);
    s->wakes += wake;
    return wake;
}

void storage_wake_caller(struct storage *s)
{
    if (eventfd_write(s->event_fd, 1) != 0)
        log_fatal("Writing to an eventfd failed: %s", strerror(errno));
}

void storage_post(struct storage *s, const struct storage_event *event)
{
    pthread_mutex_lock(&s->lock);
    bool wake = storage_push_event(s, event);
    pthread_mutex_unlock(&s->lock);
    if (wake)
        storage_wake_caller(s);
}

int storage_fd(const struct storage *s)
{
    return s->event_fd;
}

/* Takes all at once, so that lock and eventfd are touched once a wake-up. The eventfd is written after the
 * lock was let go of, so a wake may still be on its way when its events are gone: `wakes` counts those not
 * yet read. */
static void take_events(struct storage *s)
{
    eventfd_t count;
    pthread_mutex_lock(&s->lock);
    if (s->wakes > 0 && eventfd_read(s->event_fd, &count) == 0)
        s->wakes -= count;
    if (!list_empty(&s->events)) {
        s->taken = s->events;
        s->taken.next->prev = s->taken.prev->next = &s->taken;
        list_init(&s->events);
    }
    pthread_mutex_unlock(&s->lock);
}

bool storage_poll(struct storage *s, struct storage_event *out)
{
    if (list_empty(&s->taken))
        take_events(s);
    if (list_empty(&s->taken))
        return false;
    struct event_node *node = list_entry(s->taken.next, struct event_node, link);
    list_remove(&node->link);
    *out = node->event;
    mem_free(node);
    return true;
}

void storage_stats(struct storage *s, struct storage_stats *out)
{
    struct statvfs fs;
    uint64_t now_us = clock_mono_us();
    pthread_mutex_lock(&s->lock);
    *out = s->stats;
    out->queued_bytes = s->queued_bytes;
    /* What a snapshot has just made superfluous must not ask for the next one. */
    if (s->done < s->asked_compact)
        out->journal_bytes = 0;
    /* It may have begun since we looked at the clock. */
    out->running_us = s->running_since_us && now_us > s->running_since_us ? now_us - s->running_since_us : 0;
    pthread_mutex_unlock(&s->lock);
    if (fstatvfs(s->dir_fd, &fs) == 0)
        out->disk_free = (uint64_t)fs.f_bavail * fs.f_frsize;
}
