/* A key-value store in memory behind storage/kv.h, with the disk of a machine that may crash: the bench for the journal's
 * logic, and the simulator's disk.
 *
 * What is committed is read at once; what a crash leaves is everything synced and, of the commits since, a prefix: that is what a
 * store with point-in-time recovery promises. A lying disk may be asked to lose more. */
#ifndef SUPPORT_KV_MEMORY_H
#define SUPPORT_KV_MEMORY_H

#include "base/prng.h"
#include "storage/kv.h"

struct kv *kv_memory_new(void);
/* What is there after a crash: unsynced commits from a random one on are gone, half of a commit never is. Waiting changes are. */
void kv_memory_crash(struct kv *kv, struct prng *chance);
/* A disk that lied: the last `commits` are gone, synced or not. */
void kv_memory_lose(struct kv *kv, size_t commits);
/* Fails the n-th commit or sync from now on (1: the next), with nothing of it done. 0: none. */
void kv_memory_fail(struct kv *kv, size_t n);
size_t kv_memory_count(const struct kv *kv);
size_t kv_memory_syncs(const struct kv *kv);
/* The i-th value, to be damaged. */
struct slice kv_memory_at(struct kv *kv, size_t i, char **value);
void kv_memory_remove(struct kv *kv, size_t i);

#endif
