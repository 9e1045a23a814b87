/* Consumer groups of streams. Each has been given the entries up to an ID, and keeps those pending that none of its consumers has
 * acknowledged yet; each consumer knows its own. Groups and consumers stand in the order of their names.
 *
 * Everything here is to be read; it changes by the functions below, which keep the stream's digest right. */
#ifndef STORE_STREAM_GROUP_H
#define STORE_STREAM_GROUP_H

#include "store/stream.h"

enum { STREAM_READ_UNKNOWN = -1 };

struct stream_named { /* what has a name begins with it */
    struct slice name;
    uint64_t key; /* a hash of it, for digests */
};
struct stream_names {
    struct stream_named **items;
    size_t count, cap;
};

struct stream_consumer {
    struct stream_named named;
    int64_t seen_ms;
    struct ids pending; /* struct stream_id */
};

struct stream_pending {
    struct stream_id id;
    int64_t delivered_ms;
    uint64_t deliveries;
    struct stream_consumer *owner;
};

struct stream_group {
    struct stream_named named;
    struct stream_id last; /* of the entries delivered */
    int64_t entries_read;  /* of all that ever were, up to `last` */
    struct ids pending;    /* struct stream_pending */
    struct stream_names consumers;
    /* private */
    uint64_t pending_digest, consumers_digest;
    size_t memory; /* of the consumers */
};

size_t stream_groups(const struct collection *c);
struct stream_group *stream_group_at(const struct collection *c, size_t i);
struct stream_group *stream_group_find(const struct collection *c, struct slice name); /* NULL: none */
/* There is none of that name. */
struct stream_group *stream_group_make(struct collection *c, struct slice name, struct stream_id last,
                                       int64_t entries_read);
void stream_group_set(struct collection *c, struct stream_group *g, struct stream_id last,
                      int64_t entries_read);
/* Takes it out, into a stream of its own that is to be freed. */
struct collection stream_group_take(struct collection *c, struct stream_group *g);

struct stream_consumer *stream_consumer_at(const struct stream_group *g, size_t i);
struct stream_consumer *stream_consumer_find(const struct stream_group *g, struct slice name);
/* There is none of that name. */
struct stream_consumer *stream_consumer_make(struct collection *c, struct stream_group *g, struct slice name,
                                             int64_t now_ms);
void stream_consumer_seen(struct collection *c, struct stream_group *g, struct stream_consumer *owner,
                          int64_t now_ms);
/* With what is pending for it: how many. */
uint64_t stream_consumer_remove(struct collection *c, struct stream_group *g, struct stream_consumer *owner);

/* What is pending is `p`, whether anything was at its ID before or not. */
void stream_pend(struct collection *c, struct stream_group *g, const struct stream_pending *p);
bool stream_acknowledge(struct collection *c, struct stream_group *g, struct stream_id id);

/* How many entries there ever were up to `id`, where that can be told; STREAM_READ_UNKNOWN: it cannot. */
int64_t stream_entries_upto(const struct stream_facts *f, struct stream_id id);
/* Was one deleted from the middle, at `id` or behind it, as far as is known? */
bool stream_has_gap(const struct stream_facts *f, struct stream_id id);
/* How many the group has not read yet; false: that cannot be told. */
bool stream_group_lag(const struct stream_facts *f, const struct stream_group *g, int64_t *lag);

#endif
