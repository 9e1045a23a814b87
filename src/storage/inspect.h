/* A stopped node's directory, looked at without changing anything: for kvorum-inspect. */
#ifndef STORAGE_INSPECT_H
#define STORAGE_INSPECT_H

#include "raft/entry.h"
#include "storage/storage.h"

struct storage_inspection;

/* Locks the directory against a server. NULL: `error` in one line. */
struct storage_inspection *storage_inspect(const char *dir, char *error, size_t error_len);
void storage_inspect_close(struct storage_inspection *i);

enum storage_slot_state { STORAGE_SLOT_GOOD, STORAGE_SLOT_DAMAGED, STORAGE_SLOT_NEWER_FORMAT };
struct storage_slot {
    enum storage_slot_state state;
    struct storage_vote vote;
    uint64_t sequence, generation;
};
/* The two slots of the vote file. */
struct storage_slot storage_inspect_slot(const struct storage_inspection *i, int slot);
/* The mark: the (term, index) promised durable. false: damaged. */
bool storage_inspect_mark(const struct storage_inspection *i, uint64_t *term, uint64_t *index, bool *clean);

/* The snapshots of the generation that counts, newest first; false: no more. */
struct storage_inspected_snapshot {
    char name[128];
    uint64_t index, term, bytes;
    bool whole; /* its checksum is right */
};
bool storage_inspect_snapshot(const struct storage_inspection *i, size_t n,
                              struct storage_inspected_snapshot *out);
/* The first `len` bytes of one of them. */
bool storage_inspect_snapshot_head(const struct storage_inspection *i, const char *name, size_t len,
                                   struct buf *out);

/* Walks every block behind the newest whole snapshot, the damaged ones too, as far as they can be read.
 * `entry` is told each entry and whether its checksum is right; `problem` what is wrong with a block, with
 * the order of blocks, or with the end of the log. Returns the number of problems, damaged
 * entries included. */
size_t storage_inspect_journal(const struct storage_inspection *i,
                               void (*entry)(void *arg, const struct raft_frame *frame, bool good),
                               void (*problem)(void *arg, const char *what), void *arg);

#endif
