/* What this node keeps its word by, Raft's stable storage: journal, vote and mark, and the order in which they may be
 * written (storage_int.h). Pure: the journal lies over kv.h, the vote file behind vote_io, so the writer's thread and the
 * simulator run the very same.
 *
 * Where a function says false, a write or sync has failed: nothing is known of the disk any more, and the caller ends
 * the process. */
#ifndef STORAGE_STABLE_H
#define STORAGE_STABLE_H

#include "storage/journal.h"
#include "storage/vote.h"

struct stable {
    struct journal journal;
    struct vote_record record;
    struct vote_mark mark;
    bool mark_found; /* its sector was whole */
    struct vote_io io;
    bool cut_pending; /* waits for the append that it goes with */
    uint64_t cut_from;
};

/* The vote file's bytes, as they were found. `repair`: see vote_choose. */
enum vote_state stable_read_vote(struct stable *s, const char file[VOTE_FILE_BYTES], bool *repair);
/* Both slots, each synced. The sequence is counted here. */
bool stable_save_vote(struct stable *s, const struct vote_record *r);
bool stable_set_mark(struct stable *s, const struct vote_mark *m, bool sync);

/* Collects; a cut that waits goes into the same batch. */
bool stable_append(struct stable *s, const struct raft_block *block);
/* Entries >= from are gone for readers; on disk they go with the append that made it necessary, or before anything else
 * is written. Nothing may be collected. */
void stable_cut(struct stable *s, uint64_t from);
/* Collects the cut that waits, if any. */
bool stable_apply_cut(struct stable *s);
/* What was collected becomes durable (`sync`) or is at least written; the mark moves along: lowered before, raised after,
 * so that at any time the journal on disk ends at the mark or behind it. */
bool stable_commit(struct stable *s, bool sync);
/* Before anything that leaves the log's end at (index, term), be it only to the eyes of recovery. */
bool stable_will_end(struct stable *s, uint64_t index, uint64_t term);
/* A snapshot at (index, term) has been put in place, and nothing of the journal belongs to it. */
bool stable_begin_anew(struct stable *s, uint64_t index, uint64_t term);
/* What may be read just now. */
struct journal_view stable_view(const struct stable *s);

/* The next generation, made beside the present one. */
struct stable_generation {
    struct storage_vote vote;
    bool keep;                      /* snapshot and journal go over */
    bool damaged;                   /* the old journal is set aside, not removed */
    const struct raft_block *extra; /* appended; NULL: nothing */
};
/* Fills an empty store behind the snapshot at (index, term); false: `error`. Blocks are sealed anew, for the cluster of the vote. */
bool stable_build(const struct stable *s, const struct stable_generation *g, struct kv *kv, uint64_t index,
                  uint64_t term, struct journal *built, char error[KV_ERROR_MAX]);
/* The step itself: from here on `generation` counts. The caller then puts `built` in the journal's place. */
bool stable_make_it_count(struct stable *s, const struct stable_generation *g, uint64_t generation,
                          const struct journal *built);

#endif
