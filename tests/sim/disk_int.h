/* Private to the disks of the world. A disk is what lies there (files, stores) and how far it is durable; above it work the
 * product's own journal, order of writing and recovery (storage/stable.h, recovery.h), driven from here as its threads drive
 * them.
 *
 * A step is one write or one sync. A crash may come before any of them, a failing disk may refuse any. */
#ifndef SIM_DISK_INT_H
#define SIM_DISK_INT_H

#include "base/list.h"
#include "disk.h"
#include "node/node.h"
#include "raft/entry.h"
#include "storage/recovery.h"

#define DISK_SNAPSHOTS   8
#define DISK_GENERATIONS 3

/* As the product's threads do: the writer (vote, journal, install), the reader, and the child that writes a snapshot. Each
 * does one thing after the other; nothing orders them among each other. */
enum disk_queue { QUEUE_WRITER, QUEUE_READER, QUEUE_CHILD, QUEUES };

enum disk_op_type {
    OP_IDENTITY,
    OP_CUT,
    OP_APPEND,
    OP_COMPACT,
    OP_RESET,
    OP_SNAPSHOT,
    OP_INSTALL,
    OP_FSYNC_MODE,
    OP_READ,
    OP_PIECE,
    OP_RECEIVE
};

struct disk_op {
    struct list link;
    uint64_t number, asked_us, begun_us;
    enum disk_op_type type;
    struct node_identity identity;
    struct raft_block block;
    struct blob *bytes;
    uint64_t cookie, from, to, index, term, offset;
    size_t len;
    enum storage_fsync fsync;
    bool keep, last, ok;
    enum { WORD_AWAITED, WORD_GIVEN } word; /* of a snapshot: `keep` says which; `last`: it is written */
    bool joined;                            /* written together with the one before it */
    bool dead;                              /* asked by a process that had ended already */
};

/* Of an entry that stands in the journal, durably. */
struct frame_at {
    uint64_t index, term;
    uint32_t sum; /* the checksum it carries */
    uint32_t len;
    enum raft_entry_kind kind;
};

/* The entries of the journal as they were written, contiguous, kept beside it so that it need not be decoded at each step. */
struct frame_index {
    struct frame_at *at;
    size_t head, count, cap;
    uint64_t bytes;
};

struct disk_snapshot {
    struct snapshot_id id;
    struct blob *bytes; /* NULL: this place is free */
    bool named;         /* under its name, as a process sees it */
    bool
        durable; /* under its name after a power cut, for sure or for sure not; they differ until the directory's sync */
};

struct disk_generation {
    uint64_t number; /* 0: this place is free */
    struct kv *kv;
};

/* What lies there. */
struct platter {
    bool has_vote;
    char vote[VOTE_FILE_BYTES];   /* as it is read now */
    char synced[VOTE_FILE_BYTES]; /* as it was at its last sync */
    bool dirty[3];                /* sectors that differ */
    struct disk_generation generations[DISK_GENERATIONS];
    struct disk_snapshot snapshots[DISK_SNAPSHOTS];
    bool store_gone; /* the journal's store cannot even be opened */
};

struct disk {
    struct list ops[QUEUES];     /* under way, in order */
    uint64_t free_at_us[QUEUES]; /* the last one asked will be done */
    uint64_t ended_us[QUEUES];   /* the last one was done */
    uint64_t op;                 /* numbers them */

    struct platter platter;
    uint64_t boot; /* of the machine: another after each power cut */
    struct platter *backup;
    uint64_t backup_end;
    uint64_t backup_members; /* the index of the newest configuration then */

    /* of the process that runs now */
    struct stable stable;
    enum storage_fsync fsync;
    bool unsynced; /* written, not synced (everysec, no) */
    uint64_t journal_synced_us, mark_synced_us;
    struct snapshot_id newest, received;
    struct blob
        *open_file; /* the snapshot being read by peers; stays readable when a newer one takes its place */
    struct snapshot_id open_id;
    struct blob *newest_sums, *open_sums, *received_sums; /* of their blocks */
    struct buf receiving;
    struct snapshot_id receiving_id;
    struct snapshot_sum receiving_sum;
    bool broken; /* a write or sync has failed, or was the last before the crash: no further one works */

    /* what is to befall it */
    uint32_t steps_left;     /* the process ends in that step; 0: it does not */
    uint32_t recovery_steps; /* likewise, of the next recovery */
    bool fail_write, fail_sync, no_space, power_cut, tear_mark;
    uint64_t free_bytes, slow_us;

    /* what is known of it from outside */
    struct frame_index index;
    struct {
        struct node_identity identity; /* in the vote file, both slots */
        uint64_t snapshot_index, snapshot_term;
    } durable;
    uint64_t promised_term, promised_index; /* the journal's end that a process has counted on */
    struct node_identity told;              /* the vote that a process has counted on */
    bool damaged, needs_replacing;
    bool left_unsynced; /* by the last process, until the next has settled: a power cut may take it */
    bool misled;        /* put back to an older state since the last start: nobody can know at the next one */
    bool rolled_back;   /* put back to an older state */
    uint64_t damaged_life, damaged_upto; /* upto: gone when a snapshot covers it */
    uint64_t lost_id, lost_end; /* of the identity that has to be replaced; the end that was rolled back */
};

struct proc;

/* disk.c */
bool disk_step(struct disk *d, bool sync);
void disk_die(struct proc *p, const char *why); /* the process ends by itself */

/* disk_write.c: the product's writer. false: a step has failed. */
bool write_batch(struct proc *p, struct disk_op *const *ops, size_t count);

/* In the place of those before, whose reference goes. */
static inline void disk_take_sums(struct blob **place, struct blob *sums)
{
    blob_unref(*place);
    *place = sums;
}

/* disk_files.c */
struct vote_io files_vote_io(struct proc *p);
void files_init(struct disk *d);
struct kv *files_kv(struct proc *p, uint64_t generation); /* NULL: there is none */
struct kv *files_kv_new(struct proc *p, uint64_t generation);
void files_remove_generations(struct disk *d, uint64_t from, uint64_t to);
struct disk_snapshot *files_snapshot(struct disk *d, const struct snapshot_id *id);
bool files_sync_dir(struct disk *d);
/* Puts a snapshot, whole and synced, under its name; the older of it and the newest goes. Takes the reference to its blocks'
 * sums. *ok false: it was the older. */
bool files_publish(struct proc *p, const struct snapshot_id *id, struct blob *bytes, struct blob *sums,
                   bool *ok);
void files_set_aside(struct proc *p, const struct snapshot_id *id);
bool files_next_generation(struct proc *p, const struct stable_generation *g);
void files_crash(struct proc *p, bool power_cut);
void files_copy(struct platter *to, const struct platter *from);
void files_free(struct platter *f);
void files_watch(struct proc *p); /* the stores of a copy are this disk's from now on */

/* disk_index.c */
void index_append(struct frame_index *x, const struct raft_block *block);
void index_cut(struct frame_index *x, uint64_t from);
void index_drop_until(struct frame_index *x, uint64_t upto);
void index_rebuild(struct proc *p); /* from what lies there */
void index_free(struct frame_index *x);
uint64_t index_term(const struct disk *d, uint64_t index); /* the snapshot's end included */

/* disk_fault.c */
void disk_note_damage(struct proc *p, uint64_t upto);

/* disk_recover.c */
struct storage_vote disk_vote_of(const struct node_identity *id);
void disk_look(struct proc *p); /* `durable` and `index` anew, from what lies there */

#endif
