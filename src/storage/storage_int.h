/* What lies in the directory, byte by byte, and what holds between its parts.
 *
 *     DIR/LOCK                                        flock: one process a directory
 *     DIR/vote                                        who this node is, what it promised (bytes: vote.h)
 *     DIR/journal-<generation>/                       RocksDB, the log; and, in values-<number>, its large blocks
 *                                                     (kv_large.c)
 *     DIR/snapshot-<generation>-<index>-<term>.rdb    RDB with AUX fields of ours, the newest whole one counts
 *     DIR/{vote,snapshot,receive}.tmp                 unfinished; removed on opening
 *     DIR/....damaged                                 set aside, for people; nothing reads it
 *
 * The generation stands in the vote file, so that writing the vote changes identity, journal and snapshot in
 * one durable step: what is to be replaced as a whole (a node that joins another cluster, a damaged journal,
 * a rescued survivor) is built under the next generation first. Files of lower generations are removed on
 * opening, those of higher ones belong to a step that was never taken, and are removed before the next such
 * step.
 *
 * Journal: key = first index of a block, 8 bytes big-endian; value:
 *
 *      0  u32  magic "KVB1"
 *      4  u32  checksum: CRC32C of bytes 8..48 and of the 25-byte header of each frame, whose CRC in turn
 *              covers its payload: every byte is covered, and no payload is summed twice
 *      8  u64  cluster id
 *     16  u64  first index
 *     24  u64  last index
 *     32  u64  term of the entry before the first (0: none)
 *     40  u32  bytes of the frames
 *     44  u32  checksum of the block before (0: none)
 *     48       frames (raft/entry.h)
 *
 * Recovery with a snapshot at (S, T), (0, 0) without one, demands: a block that starts at S+1 and says that
 * term T precedes it, or else one that holds entry (S, T); from there on contiguous indexes, monotone terms,
 * each block naming the checksum and the last term of the one before, every checksum right; and an end not
 * before the mark. That finds a block lost anywhere behind the snapshot, the first included, so the
 * snapshot's own header need not name a block. Keys below that first block are ignored: they may be
 * leftovers, deleted ones among them, that a deletion of whole files brought back (kv.h, drop_below).
 * Nothing behind S with another term at S: the snapshot was installed over a conflicting log, and the process
 * ended before that was dropped; it is dropped then.
 *
 * Mark: the (term, index) promised durable. Raised after the journal's sync, lowered and synced before a
 * change that ends the log earlier (as Raft compares logs), so that at any time the journal on disk ends at
 * the mark or behind it.
 *
 * Order of writing: what a later write relies on is durable before it begins. Recovery syncs again what it
 * found before anything is promised on its grounds.
 *
 * Threads: main asks (storage.c), the writer (writer.c) owns journal, vote file and mark (stable.c), the reader
 * (reader.c) owns the files open for reading and the one being received, and a short-lived one waits for the
 * child that writes a snapshot (snapshot_write.c). `lock` guards what stands under it below, and is never
 * held across a system call but eventfd's. */
#ifndef STORAGE_STORAGE_INT_H
#define STORAGE_STORAGE_INT_H

#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/types.h>

#include "base/list.h"
#include "storage/kv.h"
#include "storage/remover.h"
#include "storage/snapshot.h"
#include "storage/stable.h"
#include "storage/storage.h"

enum op_type {
    OP_APPEND,
    OP_CUT,
    OP_VOTE,
    OP_COMPACT,
    OP_RESET,
    OP_RESCUE,
    OP_INSTALL,
    OP_FSYNC_MODE,
    /* the reader's */
    OP_READ,
    OP_SNAPSHOT_READ,
    OP_RECEIVE,
    OP_DROP_BELOW,
};

/* A request in a queue. */
struct op {
    struct list link;
    enum op_type type;
    bool flag; /* RECEIVE: last. INSTALL: keep_suffix */
    uint64_t cookie, index, last, term, offset;
    uint64_t after; /* READ: the writer is to have done this much first */
    size_t len;
    struct raft_block block;
    struct storage_vote vote;
    enum storage_fsync fsync;
};

struct event_node {
    struct list link;
    struct storage_event event;
};

struct storage {
    char dir[PATH_MAX];
    int dir_fd, lock_fd;
    struct remover *remover;
    uint64_t slow_us;
    bool held, wake_owed; /* the caller's: the writer is not to be woken yet; has to be then */

    pthread_mutex_t lock;
    /* under lock: */
    struct list write_queue, read_queue, events;
    pthread_cond_t write_wake, read_wake;
    bool write_waiting, read_waiting, write_stop, read_stop;
    uint64_t wakes; /* writes to event_fd not yet read */
    uint64_t queued_bytes;
    uint64_t asked, done,
        asked_cut; /* the writer's requests, counted: taken, finished, and the last that took entries away */
    uint64_t asked_compact;   /* and the last compaction */
    struct journal_view view; /* what may be read just now */
    uint64_t generation;
    struct snapshot_id newest;                /* index 0: none */
    struct snapshot_id received;              /* whole, verified, waiting to be installed; index 0: none */
    struct blob *newest_sums, *received_sums; /* of their blocks */
    struct storage_stats stats;
    uint64_t running_since_us; /* 0: no write is running */
    pid_t
        child; /* that writes a snapshot; 0: none, -1: it has ended, its file is looked at or waits for the word */
    uint64_t child_index; /* of that snapshot */
    enum snapshot_word { WORD_AWAITED, WORD_KEEP, WORD_DROP } child_word;
    pthread_cond_t child_wake;

    /* the polling thread's */
    struct list taken;
    int event_fd;
    pthread_t snapshot_thread;
    bool snapshot_thread_used;

    /* the writer's */
    pthread_t writer;
    struct stable stable;
    int vote_fd;
    enum storage_fsync fsync;
    uint64_t batch_queued; /* of queued_bytes, what lies in the batch */
    uint64_t batch_cookie; /* of the newest append in the batch */
    bool unsynced;         /* written, not synced (everysec, no) */
    uint64_t synced_us;

    /* the reader's */
    pthread_t reader;
    struct snapshot_readers readers;
    struct snapshot_receiver receiver;
    /* The reader holds it while it uses the kv or the file being received, the writer while it puts another
     * kv in its place or takes the received file. Taken before `lock`. */
    pthread_mutex_t kv_lock;
    atomic_bool mark_dirty;
};

/* storage.c */
void storage_post(struct storage *s, const struct storage_event *event);
/* The same in two halves: under the lock; and, if that says so, after it. */
bool storage_push_event(struct storage *s, const struct storage_event *event);
void storage_wake_caller(struct storage *s);
void storage_queue_read(struct storage *s, struct op *op);
struct op *storage_op(enum op_type type);
void storage_op_free(struct op *op);
/* Wakes the reader when the mark or an open file needs it to look at the time. */
void storage_wake_reader(struct storage *s);
/* open.c */
/* Locks, recovers, syncs; on failure everything is closed again. Threads are the caller's. */
bool storage_recover(struct storage *s, struct storage_found *found, char *error, size_t error_len);
/* generation.c */
/* The next generation becomes the one that counts. false: it could not be begun, nothing has changed. */
bool storage_next_generation(struct storage *s, const struct stable_generation *g, char error[KV_ERROR_MAX]);
/* files.c */
/* The store under this generation's journal. NULL: `error` says why, and `damaged` whether that is because it is. */
struct kv *storage_open_kv(const struct storage *s, uint64_t generation, bool *damaged,
                           char error[KV_ERROR_MAX]);
/* Removes what belongs to generations in [from, to). */
void storage_remove_generations(const struct storage *s, uint64_t from, uint64_t to);
void storage_sync_dir(const struct storage *s);
/* Puts a file, whole and synced, under its name; the older of it and the newest goes. Takes the reference to
 * its blocks' sums. false: it was the older. */
bool storage_snapshot_publish(struct storage *s, const char *temp, const struct snapshot_id *id,
                              struct blob *sums);
static inline void storage_drop_sums(struct blob **sums)
{
    blob_unref(*sums);
    *sums = NULL;
}
/* A damaged file keeps its bytes, under a name that nothing reads. */
void storage_snapshot_set_aside(const struct storage *s, const struct snapshot_id *id);
/* writer.c, reader.c */
void *storage_writer_run(void *arg);
void *storage_reader_run(void *arg);
/* snapshot_write.c: ends a child that is still writing, and waits until its thread is through. */
void storage_snapshot_stop(struct storage *s);

/* In a forked child: nothing stays open but the standard three descriptors and `fd`, which becomes this one. */
enum { SNAPSHOT_CHILD_FD = 3 };
void snapshot_become_child(int fd, pid_t parent);

#endif
