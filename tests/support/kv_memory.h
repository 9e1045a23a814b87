/* A key-value store in memory behind storage/kv.h, with the disk of a machine that may crash: the bench for the journal's
 * logic, and the simulator's disk. Keys have eight bytes, as the journal's do.
 *
 * What is committed is read at once. A power cut leaves everything synced and, of the commits since, a prefix: what RocksDB
 * with point-in-time recovery was seen to do. A lying disk may be asked to lose more, to damage what lies there, or to
 * misread it. Appending, cutting the end and forgetting the beginning cost the same however much is held. */
#ifndef SUPPORT_KV_MEMORY_H
#define SUPPORT_KV_MEMORY_H

#include "base/prng.h"
#include "storage/kv.h"

struct kv *kv_memory_new(void);
/* What is there now, synced, as another store. */
struct kv *kv_memory_copy(const struct kv *kv);
/* `may` is asked before each write and before each sync: false makes it fail, with nothing of it done. */
void kv_memory_watch(struct kv *kv, bool (*may)(void *arg, bool sync), void *arg);

/* What changes with the process: what was collected and not committed is gone, all else is there. */
void kv_memory_kill(struct kv *kv);
/* What a power cut leaves: unsynced commits from a random one on are gone, half of a commit never is. How many went. */
size_t kv_memory_crash(struct kv *kv, struct prng *chance);
/* A disk that lied: the last `commits`, synced or not, are gone, as far back as is remembered. How many went. */
size_t kv_memory_lose(struct kv *kv, size_t commits);
/* Some commits are gone, later ones are there. How many went; 0: too few are remembered. */
size_t kv_memory_hole(struct kv *kv, struct prng *chance);
/* A write that got lost: one commit is gone, so many before the newest. How many went. */
size_t kv_memory_lose_one(struct kv *kv, size_t back);
/* Some deleted or overwritten keys below the last drop_below come back. How many. */
size_t kv_memory_revive(struct kv *kv, struct prng *chance);

size_t kv_memory_count(const struct kv *kv);
size_t kv_memory_syncs(const struct kv *kv);
/* The key, and the value to be damaged, of the i-th in order. */
uint64_t kv_memory_key(const struct kv *kv, size_t i);
struct slice kv_memory_at(struct kv *kv, size_t i, char **value);
void kv_memory_remove(struct kv *kv, size_t i);
/* In the place of i lie the bytes of k. */
void kv_memory_misplace(struct kv *kv, size_t i, size_t k);
/* A cursor that comes to i fails. */
void kv_memory_spoil(struct kv *kv, size_t i);
/* The n-th value that a cursor comes to from now on (1: the next) is another's, that once. 0: none. */
void kv_memory_misread(struct kv *kv, size_t n);

#endif
