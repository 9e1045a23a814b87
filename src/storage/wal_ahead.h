/* Zeroes ahead of RocksDB's WAL, so that a sync of what is appended has only those bytes to write. */
#ifndef STORAGE_WAL_AHEAD_H
#define STORAGE_WAL_AHEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct wal_ahead {
    int dir_fd;              /* RocksDB's directory; -1: nothing is written ahead */
    int fd;                  /* of the newest WAL; -1: none is known */
    bool filled;             /* there may be zeroes ahead */
    uint64_t look_at;        /* while the file is no longer than this, RocksDB is among them */
    uint64_t commits, bytes; /* synced ones since the last were written, and what they took */
    uint64_t memtable;       /* as it was after the last of them */
};

/* Everything here is for the one thread that writes to RocksDB. */
void wal_ahead_open(struct wal_ahead *w, const char *path);
void wal_ahead_close(struct wal_ahead *w);
/* After each commit that was synced, before anybody is told of it: how large RocksDB's memtable is now, and about how many
 * bytes went into the WAL. NULL, or why that commit, and those after it, must not be relied on. */
const char *wal_ahead_committed(struct wal_ahead *w, uint64_t memtable, size_t bytes);
/* Before a commit that is not synced. true: RocksDB has to begin another WAL for it. */
bool wal_ahead_must_leave(struct wal_ahead *w);

#endif
