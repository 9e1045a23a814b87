/* Streams: entries with ascending IDs, in listpacks as Redis packs them. What MAXLEN ~ leaves depends on where one node ends and the
 * next begins, so the nodes are part of what clients see. */
#ifndef STORE_STREAM_H
#define STORE_STREAM_H

#include "store/collection.h"
#include "store/listpack.h"
#include "store/stream_ids.h"

extern const struct value_ops stream_ops;

/* To the next or the previous one; false: there is none. */
bool stream_id_step(struct stream_id *id, bool back);

struct stream_facts {
    uint64_t length, entries_added;
    struct stream_id first, last_entry; /* of those that are there; 0-0: none is */
    struct stream_id last;              /* what the next one must be greater than */
    struct stream_id max_deleted;       /* the greatest that XDEL removed */
};
struct stream_facts stream_facts(const struct collection *c);
size_t stream_nodes(const struct collection *c);
/* Is the entry there? */
bool stream_has(const struct collection *c, struct stream_id id);

/* A stream is there even while it has no entries. */
void stream_make(struct collection *c);
/* `id` is greater than the last one. `pairs` fields, each followed by its value. */
void stream_append(struct collection *c, struct stream_id id, const struct slice *fields, size_t pairs,
                   const struct store_limits *limits);
bool stream_delete(struct collection *c, struct stream_id id);
struct stream_trim {
    enum { TRIM_NONE, TRIM_MAXLEN, TRIM_MINID } by;
    bool roughly; /* whole nodes only */
    uint64_t maxlen;
    struct stream_id minid;
    uint64_t limit; /* entries at most; 0: no limit */
};
uint64_t stream_trim(struct collection *c, const struct stream_trim *t); /* how many went */
void stream_set_last(struct collection *c, struct stream_id last);
void stream_set_added(struct collection *c, uint64_t entries_added);
void stream_set_max_deleted(struct collection *c, struct stream_id id);

/* An entry; good until the stream changes. */
struct stream_at {
    struct stream_id id;
    size_t fields;
    /* private */
    size_t node, offset, name, value;
    int64_t flags;
};
/* The first entry that is not before `id`, or, going back, the last that is not behind it; false: none. */
bool stream_seek(const struct collection *c, struct stream_id id, bool back, struct stream_at *at);
bool stream_step(const struct collection *c, bool back, struct stream_at *at);
struct stream_pair {
    struct slice name, value;
    char scratch[2][LP_NUMBER_MAX];
};
/* The next field of the entry, `fields` times. */
void stream_next_pair(const struct collection *c, struct stream_at *at, struct stream_pair *pair);

#endif
