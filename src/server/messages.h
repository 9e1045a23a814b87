/* Private: messages on their way to subscribers.
 *
 * Three things bring them: PUBLISH here, a peer that was told of a PUBLISH there, and entries as this node applies them (what a
 * transaction publishes, and what happens to keys). What entries say is put down first and delivered between commands, for
 * in the middle of one a client's reply may be half written; it is always delivered before anything that comes later. */
#ifndef SERVER_MESSAGES_H
#define SERVER_MESSAGES_H

#include "pubsub/pubsub.h"
#include "server/server_int.h"

void messages_init(struct server *s);
void messages_deinit(struct server *s);
/* There is a node, or there is something new to listen for. */
void messages_listen(struct server *s);
/* The end of a pass: delivers what entries said, and sends the peers what was published. */
void messages_turn(struct server *s);
/* Delivers on all nodes; the number of receivers on this one. */
size_t messages_publish(struct client *c, bool shard, struct slice channel, struct slice message);
/* What the messages of a transaction that is handed on now must not come before: for its entry. */
enum { MESSAGES_BEHIND_MAX = 8 + 10 };
void messages_behind(const struct client *c, struct buf *out);
/* What nobody has asked for, between replies: so never from within a handler of the same client that has begun its reply. */
void client_push(struct client *c, struct slice text);
/* Nothing is pushed to it any more. */
void client_deafen(struct client *c);
struct pubsub *messages_pubsub(struct server *s);
uint64_t messages_dropped(const struct server *s);

static inline size_t client_subscriptions(const struct client *c)
{
    return subscriber_count(c->subscriber, PUBSUB_CHANNEL) + subscriber_count(c->subscriber, PUBSUB_PATTERN);
}
static inline bool client_is_subscribed(const struct client *c)
{
    return c->subscriber && client_subscriptions(c) + subscriber_count(c->subscriber, PUBSUB_SHARD) > 0;
}
static inline enum client_class client_class(const struct client *c)
{
    if (replica_is_attached(c))
        return CLASS_REPLICA;
    return client_is_subscribed(c) ? CLASS_PUBSUB : CLASS_NORMAL;
}

#endif
