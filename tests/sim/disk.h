/* What may befall the disks of the world, for those who draw faults. Which of it fires is counted. */
#ifndef SIM_DISK_H
#define SIM_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "storage/storage.h"

struct world;

enum disk_fault {
    /* Nothing promised is lost by these; any number of nodes may have them at once. The node is up. */
    DISK_HANG,       /* the writer does nothing for `amount` us */
    DISK_SLOW,       /* a sync takes up to `amount` us from now on; 0: as configured */
    DISK_FULL,       /* free space goes below the reserve: writes are refused, leadership is handed over */
    DISK_ROOM,       /* there is space again */
    DISK_NO_SPACE,   /* the next write finds no space at all: the process ends */
    DISK_WRITE_FAIL, /* the next write of anything fails: the process ends, nothing of the batch is told */
    DISK_SYNC_FAIL,  /* the next sync fails: likewise, and what was not synced is lost or torn */
    DISK_MISREAD,    /* the next read of the journal yields another block's bytes, once: the process ends */
    /* Up or down. */
    DISK_FLIP_ONE_VOTE, /* a bit of one slot of the vote file: the other slot counts */
    DISK_REVIVE,        /* keys below the snapshot that were deleted come back */
    DISK_DROP_CACHE, /* the next end of the process is a power cut, not a kill: what is not synced is lost or torn */

    /* These take away what was promised: world_disk_damaged until the node is whole again. For safety and
     * progress at most a minority of the voters may be so at once. */
    DISK_TEAR_MARK,     /* up: the next end of the process is a power cut that tears the mark */
    DISK_FLIP_MARK,     /* down; the log then counts as short */
    DISK_FLIP_JOURNAL,  /* up or down: a bit of some block; noticed when read, or at the next start */
    DISK_MISPLACE,      /* up or down: a block's place holds another block's bytes */
    DISK_BAD_BLOCK,     /* up or down: the store itself finds a block of the journal unreadable */
    DISK_FLIP_SNAPSHOT, /* up or down: a bit of the newest snapshot file */
    DISK_LOSE_TAIL,     /* down: the last `amount` commits (at least one), synced as they were, are gone */
    DISK_HOLE,          /* down: commits are gone from the middle (an older WAL was short) */
    DISK_NO_STORE,      /* down: the journal's store cannot be opened at all */
    /* These take the identity: the node has to be forgotten, wiped, and to join anew. */
    DISK_FLIP_BOTH_VOTES, /* down; the node then refuses to start */
    /* Not damage, but a disk that is not to be counted on until `always` is back in force. */
    DISK_RARE_SYNC, /* up: appendfsync everysec, or no (`amount` 0) */
    DISK_FAULTS
};

/* false: not possible now (the node is up or down when it has to be the other, or there is nothing to harm). */
bool world_disk_fault(struct world *w, uint32_t i, enum disk_fault kind, uint64_t amount);
/* Of a node that is down: of the journal's commits, synced as they were, one is gone, so many before the newest. Damage. */
bool world_lose_write(struct world *w, uint32_t i, size_t back);
/* What was asked for and has not come yet does not come; there is space, and syncs take their time as configured. */
void world_disk_calm(struct world *w);
void world_disk_calm_node(struct world *w, uint32_t i);
/* Is it one of those that take away what was promised? */
bool world_disk_fault_harms(enum disk_fault kind);
/* Would the voters survive it if this disk, too, were damaged now? */
bool world_disk_spare(const struct world *w, uint32_t i);

/* The disk as it is now, kept for world_restore. One a node; a later one replaces it. */
void world_backup(struct world *w, uint32_t i);
/* Of a node that is down: an old backup is put back, mark and vote included, so that only its peers can notice. The identity
 * is gone, unless they come to accept it (below). false: there is no backup, or not an older one, or no protocol could survive
 * it now: there is no leader, or another voter lacks what this one had acknowledged (world_beyond: it is put back all the same). */
bool world_restore(struct world *w, uint32_t i);
bool world_may_restore(struct world *w, uint32_t i); /* were it down */

/* Something promised is missing or wrong on this disk, and the node has not yet mended it (voting again and
 * holding what it held, or replaced under a new id); or the next power cut may make it so. */
bool world_disk_damaged(struct world *w, uint32_t i);
/* It cannot mend itself: wiped, an old backup, or the vote gone. It has to be forgotten by the others, wiped
 * (world_wipe) and to join anew (world_rejoin). Such a node may be up, refused by the others, or refuse to start. */
bool world_disk_needs_replacing(struct world *w, uint32_t i);
/* It need not be any more: it is a voter under a new id (and may be put out again before anybody asks), or the lost id was put
 * out before it was lost. */
void world_disk_replaced(struct world *w, uint32_t i);
uint64_t world_lost_id(const struct world *w, uint32_t i); /* whom to forget */
/* CONFIG SET appendfsync of a running node. An unclean end of the machine is then a short log: damage, of the budget. */
void world_fsync(struct world *w, uint32_t i, enum storage_fsync mode);
bool world_disk_rarely_synced(const struct world *w, uint32_t i);

/* How often each thing fired, over all nodes. */
struct disk_counts {
    uint64_t asked[DISK_FAULTS]; /* faults that world_disk_fault has done */
    uint64_t crashes_torn;       /* a crash in the midst of a write: part of what was under way is there */
    uint64_t power_cuts, kills;  /* of the crashes */
    uint64_t slots_torn, marks_torn; /* sectors of the vote file half written by a power cut */
    uint64_t marks_stale;            /* the mark was behind what had been promised */
    uint64_t unsynced_lost;          /* commits without sync lost by a power cut */
    uint64_t renames_lost;           /* snapshots whose name a crash took back */
    uint64_t revived;                /* deleted keys that came back */
    uint64_t ended;                  /* processes that ended by themselves because of the disk */
    uint64_t recoveries_cut;         /* crashes in the midst of a recovery */
    uint64_t short_logs;             /* starts that found the log short or damaged */
    uint64_t journals_replaced;      /* of those, with damage in the middle: the good part was copied */
    uint64_t snapshots_set_aside;
    uint64_t starts_refused; /* the vote file was gone */
    uint64_t backups_restored;
};
const struct disk_counts *world_disk_counts(const struct world *w);
const char *disk_fault_name(enum disk_fault kind);

#endif
