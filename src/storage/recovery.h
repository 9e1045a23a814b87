/* Recovery's decisions, pure: out of what was found on the disk, may this node stand by what it promised, and what is to
 * be done before it runs? The product (open.c) and the simulator gather what there is and do what is said here.
 *
 * In this order: vote, snapshots, journal, judgement, settling. Nothing is thrown away before the vote file says, durably,
 * that the log is short. */
#ifndef STORAGE_RECOVERY_H
#define STORAGE_RECOVERY_H

#include "storage/snapshot.h"
#include "storage/stable.h"

struct recovery {
    bool short_log; /* the log lacks what was promised, or is damaged */
    bool unclean;   /* the last run did not end in order */
    char what[256]; /* what was found, for people; "" when all is well */
};

/* Adds to `what`. */
void recovery_tell(struct recovery *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* `file` NULL: there is no vote file; `others`: but there are a journal or snapshots. */
enum recovery_vote {
    RECOVERY_VOTE_GOOD,
    RECOVERY_VOTE_BLANK,  /* a new node: a vote file has to be made first */
    RECOVERY_VOTE_REFUSED /* not to be started: `what` says why */
};
/* `repair`: one of the slots is old or damaged. */
enum recovery_vote recovery_vote(struct recovery *r, struct stable *s, const char *file, bool others,
                                 bool *repair);

/* Of the snapshots of the vote's generation, sorted by index, newest first: the first whole one counts, older ones go, a
 * damaged one is set aside: it is nobody's to install, and not ours to destroy. `whole` also fills in its length. */
enum recovery_fate { RECOVERY_REMOVE, RECOVERY_SET_ASIDE };
struct recovery_files {
    void *arg;
    bool (*whole)(void *arg, struct snapshot_id *id);
    void (*put_away)(void *arg, const struct snapshot_id *id, enum recovery_fate fate);
};
struct snapshot_id recovery_snapshot(struct recovery *r, struct snapshot_id *ids, size_t count,
                                     const struct recovery_files *files);

enum recovery_journal {
    RECOVERY_JOURNAL_WHOLE,
    RECOVERY_JOURNAL_DROP, /* nothing behind the snapshot belongs to it: recovery_drop */
    RECOVERY_JOURNAL_REPLACE /* damage in the middle: the good prefix moves to the next generation, and the vote file says,
                                in the same step that puts it in place, that the log is short: recovery_replacement */
    ,
    RECOVERY_JOURNAL_REFUSED /* `what`, as above */
};
/* Sets s->journal. kv NULL: the store cannot be read, `error` says why. */
enum recovery_journal recovery_journal(struct recovery *r, struct stable *s, struct kv *kv, const char *error,
                                       const struct snapshot_id *snapshot);
bool recovery_drop(struct stable *s, const struct snapshot_id *snapshot); /* false: s->journal.kv->error */
struct stable_generation recovery_replacement(const struct stable *s);

/* Is what was recovered all that was promised? same_boot: the machine has been up since the directory was opened last. */
void recovery_judge(struct recovery *r, const struct stable *s, bool same_boot);
/* Writes anew what counts from now on, which also syncs what the last run may have written and not synced. The journal
 * itself has been flushed before. false: as in stable.h. */
bool recovery_settle(const struct recovery *r, struct stable *s, const uint8_t boot[16],
                     enum storage_fsync fsync);

#endif
