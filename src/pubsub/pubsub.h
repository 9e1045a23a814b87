/* Who has subscribed to what, on this node. No socket, no clock: who subscribes is a pointer, and publishing names those who
 * are to hear of it.
 *
 * Channels, patterns and shard channels are three name spaces. A subscriber hears of a message once for the channel and once
 * for each of its patterns that match; those of the channel first, in the order in which they subscribed. */
#ifndef PUBSUB_PUBSUB_H
#define PUBSUB_PUBSUB_H

#include "base/bytes.h"
#include "base/checksum.h"

enum pubsub_kind { PUBSUB_CHANNEL, PUBSUB_PATTERN, PUBSUB_SHARD, PUBSUB_KINDS };

struct pubsub;
struct subscriber;

struct pubsub *pubsub_new(struct hash_seed seed); /* names are chosen by clients: the seed is a secret */
void pubsub_free(struct pubsub *p);               /* no subscriber is left */

/* `owner`: whom publishing names. */
struct subscriber *subscriber_new(struct pubsub *p, void *owner);
void subscriber_free(struct subscriber *s); /* ends its subscriptions. NULL is fine */
/* false: it had subscribed already. */
bool subscriber_add(struct subscriber *s, enum pubsub_kind kind, struct slice name);
/* false: it had not. `name` may be what subscriber_at gave. */
bool subscriber_remove(struct subscriber *s, enum pubsub_kind kind, struct slice name);
size_t subscriber_count(const struct subscriber *s, enum pubsub_kind kind); /* NULL: 0 */
size_t subscriber_memory(const struct subscriber *s); /* bytes that its subscriptions take, about. NULL: 0 */
/* The i-th name; removing one changes the order of the others. Borrowed until it is removed. */
struct slice subscriber_at(const struct subscriber *s, enum pubsub_kind kind, size_t i);

/* Calls `each` for everybody who is to hear of a message; `pattern`: the one that matched, NULL: the channel itself. It must
 * not subscribe nor unsubscribe anybody. Returns how many it was. `each` NULL: they are counted only. */
size_t pubsub_publish(const struct pubsub *p, bool shard, struct slice channel,
                      void (*each)(void *arg, void *owner, const struct slice *pattern), void *arg);
/* How many channels or patterns have subscribers; the i-th of them, and how many those are. */
size_t pubsub_count(const struct pubsub *p, enum pubsub_kind kind);
struct slice pubsub_at(const struct pubsub *p, enum pubsub_kind kind, size_t i);
size_t pubsub_subscribers(const struct pubsub *p, enum pubsub_kind kind, struct slice name);

#endif
