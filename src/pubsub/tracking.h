/* Who holds copies of what (client-side caching): clients that have read a key, and clients that want to hear of every key
 * with a prefix. A client is a number of the caller's; keys are names alone, whatever their database, as in Redis. */
#ifndef PUBSUB_TRACKING_H
#define PUBSUB_TRACKING_H

#include "base/bytes.h"
#include "base/checksum.h"

struct tracking;

struct tracking *tracking_new(struct hash_seed seed);
void tracking_free(struct tracking *t);

/* ---- keys that have been read ---- */

void tracking_remember(struct tracking *t, struct slice key, uint64_t client);
/* The key is not what it was: appends a u64 for each client that remembers it, and forgets it. The number of clients. */
size_t tracking_forget(struct tracking *t, struct slice key, struct buf *clients);
void tracking_forget_all(struct tracking *t);
size_t tracking_keys(const struct tracking *t);
size_t tracking_items(
    const struct tracking *t); /* pairs of key and client; a client that is gone counts until the key goes */
struct slice tracking_key_at(const struct tracking *t, size_t i); /* 0 <= i < tracking_keys */

/* ---- prefixes ---- */

/* false: the client had it. */
bool tracking_add_prefix(struct tracking *t, struct slice prefix, uint64_t client);
void tracking_drop_prefixes(struct tracking *t, uint64_t client);
size_t tracking_prefixes(const struct tracking *t);
/* The i-th prefix, whoever wants it. */
struct slice tracking_prefix_at(const struct tracking *t, size_t i);
bool tracking_wants(const struct tracking *t, size_t i, uint64_t client);
/* Notes the key under every prefix of it, until tracking_tell. `by`: of the caller's, who or what has changed it last. */
void tracking_note(struct tracking *t, struct slice key, uint64_t by);
struct tracking_noted {
    struct slice key;
    uint64_t by;
};
/* Calls `each` for every client of every prefix with what has been noted under it, and forgets that. It must not change the
 * prefixes. */
void tracking_tell(struct tracking *t,
                   void (*each)(void *arg, uint64_t client, const struct tracking_noted *keys, size_t count),
                   void *arg);

#endif
