/* What tests of the storage room share: blocks of entries to write, a directory to write them to, a caller
 * that waits. */
#ifndef SUPPORT_DISK_H
#define SUPPORT_DISK_H

#include "raft/entry.h"
#include "storage/storage.h"

/* Entries first..last of `term`, payloads of `size` bytes made from the index; a reference is the caller's.
 */
struct raft_block disk_block(uint64_t first, uint64_t last, uint64_t term, size_t size);
/* Is this the entry that disk_block made? */
bool disk_frame_is(const struct raft_frame *f, uint64_t index, uint64_t term, size_t size);

/* A new directory under the build's temporary one; disk_remove takes it away with all in it. */
char *disk_dir(void);
void disk_remove(char *dir);
/* Opens with appendfsync always; fails the process with the error. */
struct storage *disk_open(const char *dir, struct storage_found *found);
struct storage *disk_open_fsync(const char *dir, enum storage_fsync fsync, struct storage_found *found);
/* Waits for the next event of this type, dropping others. */
struct storage_event disk_wait(struct storage *s, enum storage_event_type type);
/* Waits until everything up to `index` is durable. */
void disk_wait_persisted(struct storage *s, uint64_t index);
void disk_append(struct storage *s, uint64_t first, uint64_t last, uint64_t term, size_t size);

/* A file with the shape that storage looks at: "REDIS", `len` bytes of filler, CRC64. */
void disk_rdb(struct buf *out, size_t len, uint64_t seed);
/* The emit-side of one: pass a struct buf as arg of storage_snapshot_write. */
bool disk_rdb_write(void *arg, storage_emit_fn *emit, void *sink);

/* Flips one bit of a file. */
void disk_flip(const char *dir, const char *name, uint64_t bit);
/* The first entry of the directory that begins so; NULL: there is none. The caller frees. */
char *disk_find(const char *dir, const char *prefix);

#endif
