/* Changing everything in one durable step: the next generation of journal and snapshot is built beside the
 * present one, and the vote file, written last, makes it the one that counts (storage_int.h). */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "base/log.h"
#include "storage/storage_int.h"

enum { COPY_BYTES = 4 << 20 };

/* What is whole of `old`, whose kv may be NULL. Blocks are sealed anew, for the cluster of `new`. */
static void copy_journal(const struct journal *old, struct journal *new)
{
    struct journal_view view = journal_view(old);
    char error[KV_ERROR_MAX];
    while (new->last < old->last) {
        struct raft_block block;
        if (!journal_read(&view, new->last + 1, old->last, COPY_BYTES, &block, error))
            log_fatal("Copying the journal failed: %s", error);
        assert(block.last >= block.first);
        journal_append(new, &block);
        blob_unref(block.blob);
        if (!journal_commit(new, true))
            log_fatal("Copying the journal failed: %s", new->kv->error);
    }
}

/* The snapshot goes along under a second name. */
static void link_snapshot(struct storage *s, struct snapshot_id *id, uint64_t generation)
{
    char from[SNAPSHOT_NAME_MAX], to[SNAPSHOT_NAME_MAX];
    if (!id->index)
        return;
    snapshot_name(from, id);
    id->generation = generation;
    snapshot_name(to, id);
    if (linkat(s->dir_fd, from, s->dir_fd, to, 0) != 0)
        log_fatal("Linking %s to %s failed: %s", from, to, strerror(errno));
}

static bool build(struct storage *s, const struct storage_generation *g, uint64_t generation,
                  struct journal *new, struct snapshot_id *snapshot, char error[KV_ERROR_MAX])
{
    char path[PATH_MAX];
    bool damaged;
    *snapshot = g->keep ? s->newest : (struct snapshot_id){0};
    storage_remove_generations(s, generation, UINT64_MAX);
    storage_journal_path(s, generation, path);
    struct kv *kv = kv_rocksdb_open(path, false, &damaged, error);
    if (!kv)
        return false;
    journal_recover(new, kv, g->vote.cluster_id, snapshot->index, snapshot->term, error);
    if (g->keep)
        copy_journal(&s->journal, new);
    if (g->extra) {
        journal_append(new, g->extra);
        if (!journal_commit(new, true))
            log_fatal("Writing the new journal failed: %s", kv->error);
    }
    link_snapshot(s, snapshot, generation);
    storage_sync_dir(s);
    return true;
}

/* The step itself. The mark follows the order of storage_int.h, but for a log known to be short, whose mark
 * is lowered after the vote file says so. */
static void make_it_count(struct storage *s, const struct storage_generation *g, uint64_t generation,
                          const struct journal *new)
{
    struct vote_mark mark = s->vote.mark;
    mark.term = new->last_term;
    mark.index = new->last;
    if (!g->vote.short_log &&
        journal_ends_before(mark.term, mark.index, s->vote.mark.term, s->vote.mark.index))
        vote_file_set_mark(&s->vote, &mark, true);
    struct vote_record record = {.vote = g->vote, .generation = generation};
    vote_file_save(&s->vote, &record);
    vote_file_set_mark(&s->vote, &mark, true);
}

static void set_aside(struct storage *s, uint64_t generation)
{
    char from[64], to[64];
    snprintf(from, sizeof from, "journal-%" PRIu64, generation);
    snprintf(to, sizeof to, "journal-%" PRIu64 ".damaged", generation);
    renameat(s->dir_fd, from, s->dir_fd, to);
}

bool storage_next_generation(struct storage *s, const struct storage_generation *g, char error[KV_ERROR_MAX])
{
    struct journal new;
    struct snapshot_id snapshot;
    uint64_t before = s->vote.record.generation;
    if (!build(s, g, before + 1, &new, &snapshot, error))
        return false;
    make_it_count(s, g, before + 1, &new);
    pthread_mutex_lock(&s->kv_lock);
    if (s->journal.kv)
        s->journal.kv->close(s->journal.kv);
    journal_deinit(&s->journal);
    s->journal = new;
    pthread_mutex_lock(&s->lock);
    s->generation = before + 1;
    s->newest = snapshot;
    s->received = (struct snapshot_id){0};
    s->stats.snapshot_bytes = snapshot.bytes;
    s->stats.journal_bytes = journal_bytes(&s->journal);
    s->view = journal_view(&s->journal);
    pthread_mutex_unlock(&s->lock);
    pthread_mutex_unlock(&s->kv_lock);
    if (g->damaged)
        set_aside(s, before);
    storage_remove_generations(s, 0, before + 1);
    storage_sync_dir(s);
    return true;
}
