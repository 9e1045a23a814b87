/* Changing everything in one durable step: the next generation of journal and snapshot is built beside the
 * present one, and the vote file, written last, makes it the one that counts (storage_int.h). */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "base/log.h"
#include "storage/storage_int.h"

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

static bool build(struct storage *s, const struct stable_generation *g, uint64_t generation,
                  struct journal *new, struct snapshot_id *snapshot, char error[KV_ERROR_MAX])
{
    bool damaged;
    *snapshot = g->keep ? s->newest : (struct snapshot_id){0};
    storage_remove_generations(s, generation, UINT64_MAX);
    struct kv *kv = storage_open_kv(s, generation, &damaged, error);
    if (!kv)
        return false;
    if (!stable_build(&s->stable, g, kv, snapshot->index, snapshot->term, new, error))
        log_fatal("Writing the new journal failed: %s", error);
    link_snapshot(s, snapshot, generation);
    storage_sync_dir(s);
    return true;
}

static void set_aside(struct storage *s, uint64_t generation)
{
    char from[64], to[64];
    snprintf(from, sizeof from, "journal-%" PRIu64, generation);
    snprintf(to, sizeof to, "journal-%" PRIu64 ".damaged", generation);
    renameat(s->dir_fd, from, s->dir_fd, to);
}

bool storage_next_generation(struct storage *s, const struct stable_generation *g, char error[KV_ERROR_MAX])
{
    struct journal new;
    struct snapshot_id snapshot;
    uint64_t before = s->stable.record.generation;
    if (!build(s, g, before + 1, &new, &snapshot, error))
        return false;
    if (!stable_make_it_count(&s->stable, g, before + 1, &new))
        log_fatal("Writing the vote file failed");
    pthread_mutex_lock(&s->kv_lock);
    if (s->stable.journal.kv)
        s->stable.journal.kv->close(s->stable.journal.kv);
    journal_deinit(&s->stable.journal);
    s->stable.journal = new;
    pthread_mutex_lock(&s->lock);
    s->generation = before + 1;
    s->newest = snapshot;
    s->received = (struct snapshot_id){0};
    storage_drop_sums(&s->received_sums);
    if (!snapshot.index)
        storage_drop_sums(&s->newest_sums);
    s->stats.snapshot_bytes = snapshot.bytes;
    s->stats.journal_bytes = journal_bytes(&s->stable.journal);
    s->view = journal_view(&s->stable.journal);
    pthread_mutex_unlock(&s->lock);
    pthread_mutex_unlock(&s->kv_lock);
    if (g->damaged)
        set_aside(s, before);
    storage_remove_generations(s, 0, before + 1);
    storage_sync_dir(s);
    return true;
}
