/* The disk of one node: vote file, journal, snapshot file. The door for main/, which binds it to the node's
 * ports.
 *
 * Threads: one writes and syncs (appends, cuts, votes, in the order they were asked for), a second one reads
 * for lagging peers and for apply, and handles snapshot files, a third one gives back the space of large files
 * that these have removed. Requests never block the caller; completions are taken by storage_poll when
 * storage_fd is readable. Any error of a write, fsync, rename or of RocksDB ends the process at once through
 * log_fatal: never a retry (FAULTS 13). Blobs handed in are referenced until done. */
#ifndef STORAGE_STORAGE_H
#define STORAGE_STORAGE_H

#include <sys/types.h>

#include "raft/entry.h"
#include "raft/types.h"

struct storage;

enum storage_fsync { STORAGE_FSYNC_ALWAYS, STORAGE_FSYNC_EVERYSEC, STORAGE_FSYNC_NO };

struct storage_config {
    const char *dir;
    enum storage_fsync fsync;
    uint64_t slow_us; /* an fsync longer than this gets a log line */
};

/* The vote file: who this node is and what it promised. */
struct storage_vote {
    uint64_t node_id;    /* 0: blank directory */
    uint64_t cluster_id; /* 0: not founded or joined; recorded before the first vote */
    uint64_t term, voted_for;
    bool short_log;
    uint64_t short_log_until;
    bool diverged;   /* its state was found to differ from the majority's */
    bool had_others; /* other voters have been named to it */
};

struct storage_found {
    struct storage_vote vote;
    bool short_log_found; /* recovery found the journal short or damaged: vote.short_log is to be set and
                             saved */
    char what[256];       /* what was found, for people, "" when all is well */
    bool unclean;         /* the last run did not end by storage_close */
    uint64_t snapshot_index, snapshot_term, snapshot_bytes; /* 0: none */
    uint64_t first, last;                                   /* journal; last < first: empty */
};

/* Opens (creates) the directory, locks it, recovers and syncs what was recovered. NULL: `error` says what is
 * wrong in one line (locked by another process, not a directory, vote file damaged in both slots, newer
 * format ...). */
struct storage *storage_open(const struct storage_config *config, struct storage_found *found, char *error,
                             size_t error_len);
/* Waits for what is queued, syncs, writes the clean mark, unlocks. */
void storage_close(struct storage *s);
/* Start-up only: hands every durable entry, in order. `frame.payload` is borrowed for the call. */
void storage_replay(struct storage *s, uint64_t from, void (*each)(void *arg, const struct raft_frame *frame),
                    void *arg);
/* Start-up only, synchronous: feeds the newest snapshot file in pieces; false: none, or `each` said false. */
bool storage_snapshot_load(struct storage *s, bool (*each)(void *arg, struct slice piece), void *arg);

/* Writer thread, in order. */
void storage_save_vote(struct storage *s, const struct storage_vote *vote,
                       uint64_t cookie);            /* -> VOTE_SAVED */
void storage_cut(struct storage *s, uint64_t from); /* drops entries >= from */
void storage_append(struct storage *s, const struct raft_block *block,
                    uint64_t cookie); /* -> PERSISTED, often for several at once */
/* What the writer is asked between the two, it begins with after the second: the caller has something to do before that
 * which its waking might hold up. */
void storage_hold(struct storage *s);
void storage_release(struct storage *s);
/* CONFIG SET appendfsync: counts for what is asked after it. */
void storage_set_fsync(struct storage *s, enum storage_fsync fsync_mode);
/* Drops entries <= upto, once a snapshot covers them; whole old ranges, lazily. */
void storage_compact(struct storage *s, uint64_t upto);
/* A node that joins drops journal, snapshot, vote and id in one durable step and becomes `vote` (DESIGN 6,
 * MEET). -> VOTE_SAVED */
void storage_reset(struct storage *s, const struct storage_vote *vote, uint64_t cookie);
/* kvorum-inspect --new-cluster: everything goes over to the cluster of `vote` in one durable step, with
 * `block` behind it. -> VOTE_SAVED */
void storage_rescue(struct storage *s, const struct storage_vote *vote, const struct raft_block *block,
                    uint64_t cookie);

/* Reader thread. -> READ with a block of at least one entry and about max_bytes, starting at `first`; empty
 * block: not there any more (compacted or cut). */
void storage_read(struct storage *s, uint64_t cookie, uint64_t first, uint64_t last, size_t max_bytes);

/* Cuts a snapshot now: forks, the child calls `write` with an `emit` that goes to a temporary file, which is
 * synced and verified, and waits for storage_snapshot_keep to be renamed or thrown away. The child keeps no socket open
 * and dies with its parent. -> SNAPSHOT_WRITTEN (ok false: kept the old one, not fatal unless the disk failed). One at a
 * time. */
typedef bool storage_emit_fn(void *sink, const void *data, size_t len);
void storage_snapshot_write(struct storage *s, uint64_t index, uint64_t term,
                            bool (*write)(void *arg, storage_emit_fn *emit, void *sink), void *arg);
/* The state to a pipe instead of a file, as a replica of Redis takes it; no disk has a part in it, the child waits for
 * whoever reads. With `mark` (40 bytes): "$EOF:", the mark, CRLF, the bytes, the mark; NULL: "$length", CRLF, the bytes, for which
 * `write` runs twice. Returns what is to be read, which does not block; -1: errno. */
int storage_pipe_open(const char *mark, bool (*write)(void *arg, storage_emit_fn *emit, void *sink),
                      void *arg, pid_t *child);
/* Its pipe has ended: was everything written? */
bool storage_pipe_ended(pid_t child);
/* Nobody reads it any more. true: it is gone; else to be asked again. */
bool storage_pipe_stop(pid_t child);
/* The word on the snapshot at `index` that was asked for; it may come while that is still being written. Of another one: no
 * effect. */
void storage_snapshot_keep(struct storage *s, uint64_t index, bool keep);
/* A piece of the newest snapshot for a peer. -> SNAPSHOT_PIECE (index differs from the one asked when a newer
 * one took its place: start again; total = file size). The file stays open while somebody reads it. Where the
 * bytes are no more those that were verified when it was put in place, it is set aside: there is none then. */
void storage_snapshot_read(struct storage *s, uint64_t cookie, uint64_t index, uint64_t offset, size_t len);
/* Receiving: offset 0 begins anew. `last`: the file is complete; it is synced, its checksum verified. ->
 * SNAPSHOT_RECEIVED (ok or not) after `last`, and after each piece (so that the sender is paced). */
void storage_snapshot_receive(struct storage *s, uint64_t cookie, uint64_t index, uint64_t term,
                              uint64_t offset, struct slice piece, bool last);
/* Puts the received file in the newest's place (rename, dir sync) and drops journal entries as told: all of
 * them, or those <= its index when keep_suffix. -> SNAPSHOT_INSTALLED. Its bytes are then read through
 * storage_snapshot_read. */
void storage_snapshot_install(struct storage *s, uint64_t index, uint64_t term, bool keep_suffix);

enum storage_event_type {
    STORAGE_VOTE_SAVED = 1, /* cookie */
    /* cookie of the last append it covers; index, term: journal durable up to here; us: how long writing and
     * syncing took */
    STORAGE_PERSISTED,
    STORAGE_READ, /* cookie, block (a reference is the receiver's), first asked in `index` */
    STORAGE_SNAPSHOT_WRITTEN,
    /* cookie, index, term, offset, total, block.blob/offset/len = the bytes; ok false: there is none */
    STORAGE_SNAPSHOT_PIECE,
    STORAGE_SNAPSHOT_RECEIVED, /* cookie, index, term, offset = next wanted, ok, last */
    STORAGE_SNAPSHOT_INSTALLED,
};

struct storage_event {
    enum storage_event_type type;
    uint64_t cookie, index, term, offset, total, us;
    bool ok, last;
    bool refused; /* SNAPSHOT_WRITTEN, not ok: it was `write` that said no */
    struct raft_block block;
};

int storage_fd(const struct storage *s); /* readable when events wait */
/* Takes one event; false: none left. */
bool storage_poll(struct storage *s, struct storage_event *out);

/* For INFO, for backpressure, and for JOURNAL_HUNG: bytes queued and how long the oldest unfinished write has
 * been running. */
struct storage_stats {
    uint64_t fsync_count, fsync_us_total, fsync_us_max, bytes_written;
    uint64_t queued_bytes, running_us;
    /* Since the last compaction, 0 until the writer has come to it: what the checkpoint threshold compares. */
    uint64_t journal_bytes;
    uint64_t snapshot_bytes;
    uint64_t disk_free;
};
void storage_stats(struct storage *s, struct storage_stats *out);

#endif
