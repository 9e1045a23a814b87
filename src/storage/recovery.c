/* What was found, and what follows from it. */
#include "storage/recovery.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#define REPLACE_IT                                                                                           \
    "the identity of this node is gone. Replace it: CLUSTER FORGET its id, then join with an empty "         \
    "directory"

void recovery_tell(struct recovery *r, const char *fmt, ...)
{
    size_t room = sizeof r->what, len = strlen(r->what);
    if (len > 0 && len + 2 < room)
        len += (size_t)snprintf(r->what + len, room - len, "; ");
    va_list args;
    va_start(args, fmt);
    vsnprintf(r->what + len, room - len, fmt, args);
    va_end(args);
}

enum recovery_vote recovery_vote(struct recovery *r, struct stable *s, const char *file, bool others,
                                 bool *repair)
{
    *repair = false;
    if (!file && others)
        recovery_tell(r, "there is a journal but no vote file: " REPLACE_IT);
    if (!file)
        return others ? RECOVERY_VOTE_REFUSED : RECOVERY_VOTE_BLANK;
    enum vote_state state = stable_read_vote(s, file, repair);
    if (state == VOTE_GOOD)
        return RECOVERY_VOTE_GOOD;
    recovery_tell(r, "%s",
                  state == VOTE_NEWER_FORMAT ? "the vote file has a newer format than this program knows"
                                             : "the vote file is damaged in both slots: " REPLACE_IT);
    return RECOVERY_VOTE_REFUSED;
}

struct snapshot_id recovery_snapshot(struct recovery *r, struct snapshot_id *ids, size_t count,
                                     const struct recovery_files *files)
{
    struct snapshot_id newest = {0};
    for (size_t i = 0; i < count; i++) {
        if (newest.index) {
            files->put_away(files->arg, &ids[i], RECOVERY_REMOVE);
        } else if (files->whole(files->arg, &ids[i])) {
            newest = ids[i];
        } else {
            char name[SNAPSHOT_NAME_MAX];
            snapshot_name(name, &ids[i]);
            files->put_away(files->arg, &ids[i], RECOVERY_SET_ASIDE);
            recovery_tell(r, "snapshot %s is damaged", name);
        }
    }
    return newest;
}

enum recovery_journal recovery_journal(struct recovery *r, struct stable *s, struct kv *kv, const char *error,
                                       const struct snapshot_id *snapshot)
{
    uint64_t cluster_id = s->record.vote.cluster_id;
    char what[KV_ERROR_MAX];
    s->journal = (struct journal){.cluster_id = cluster_id,
                                  .origin = snapshot->index + 1,
                                  .first = snapshot->index + 1,
                                  .last = snapshot->index,
                                  .last_term = snapshot->term};
    enum journal_state state = JOURNAL_DAMAGED;
    if (kv)
        state = journal_recover(&s->journal, kv, cluster_id, snapshot->index, snapshot->term, what);
    else
        snprintf(what, sizeof what, "the journal cannot be opened: %s", error);
    switch (state) {
    case JOURNAL_WHOLE:
        return RECOVERY_JOURNAL_WHOLE;
    case JOURNAL_CONFLICT:
        return RECOVERY_JOURNAL_DROP;
    case JOURNAL_FOREIGN:
    case JOURNAL_NEWER:
        recovery_tell(r, "%s", what);
        return RECOVERY_JOURNAL_REFUSED;
    case JOURNAL_DAMAGED:
        break;
    }
    recovery_tell(r, "%s", what);
    r->short_log = true;
    return RECOVERY_JOURNAL_REPLACE;
}

bool recovery_drop(struct stable *s, const struct snapshot_id *snapshot)
{
    return journal_drop_all(&s->journal, snapshot->index, snapshot->term) &&
           journal_commit(&s->journal, true);
}

static struct storage_vote short_log(const struct stable *s)
{
    struct storage_vote vote = s->record.vote;
    vote.short_log = true;
    vote.short_log_until = 0;
    return vote;
}

struct stable_generation recovery_replacement(const struct stable *s)
{
    return (struct stable_generation){.vote = short_log(s), .keep = true, .damaged = true};
}

void recovery_judge(struct recovery *r, const struct stable *s, bool same_boot)
{
    const struct vote_mark *mark = &s->mark;
    const struct journal *j = &s->journal;
    r->unclean = !s->mark_found || !mark->clean;
    if (!s->mark_found) {
        recovery_tell(r, "the mark in the vote file is damaged");
        r->short_log = true;
    } else if (journal_ends_before(j->last_term, j->last, mark->term, mark->index)) {
        recovery_tell(r,
                      "the log ends at index %" PRIu64 " of term %" PRIu64 ", index %" PRIu64
                      " of term %" PRIu64 " was promised",
                      j->last, j->last_term, mark->index, mark->term);
        r->short_log = true;
    }
    if (s->mark_found && !mark->clean && mark->fsync != STORAGE_FSYNC_ALWAYS && !same_boot) {
        recovery_tell(r, "the machine went down while appendfsync was not always");
        r->short_log = true;
    }
}

bool recovery_settle(const struct recovery *r, struct stable *s, const uint8_t boot[16],
                     enum storage_fsync fsync)
{
    struct vote_record record = s->record;
    if (r->short_log)
        record.vote = short_log(s);
    struct vote_mark mark = {.term = s->journal.last_term, .index = s->journal.last, .fsync = fsync};
    memcpy(mark.boot, boot, sizeof mark.boot);
    return stable_save_vote(s, &record) && stable_set_mark(s, &mark, true);
}
