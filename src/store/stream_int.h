/* Inside streams. A node is a listpack that begins with a master entry, whose fields the others need not repeat:
 *
 *     live entries | deleted ones | n | field 1 .. field n | 0
 *     flags | ms - master's | seq - master's | [number of fields | field, value ... or, SAME_FIELDS, value ...] | elements so far
 *
 * The last element of an entry says how many there are before it, to walk back. A deleted entry stays, marked.
 *
 * The digest is a sum of one term for each entry, some for each group, and one for the IDs and counters. */
#ifndef STORE_STREAM_INT_H
#define STORE_STREAM_INT_H

#include <assert.h>

#include "base/alloc.h"
#include "store/mix.h"
#include "store/rdb.h"
#include "store/stream.h"
#include "store/stream_group.h"

enum { ENTRY_DELETED = 1, ENTRY_SAME_FIELDS = 2 };

struct stream_node {
    struct stream_id master;
    uint8_t *lp;
    uint64_t digest; /* of its live entries */
    uint32_t live, deleted;
};

struct stream {
    struct stream_id last, max_deleted;
    uint64_t length, entries_added;
    uint64_t digest; /* of all live entries */
    size_t memory;   /* of the listpacks */
    /* Sorted; they come at the end and mostly go at the front. */
    struct stream_node *nodes;
    size_t first, used, cap;
    struct stream_names groups;
    uint64_t groups_digest;
    size_t groups_memory;
};

static inline struct stream *stream_of(const struct collection *c)
{
    return c->data;
}
static inline struct stream_node *stream_node_at(const struct stream *s, size_t i)
{
    assert(i < s->used);
    return &s->nodes[s->first + i];
}

/* stream_node.c */
struct stream_node stream_node_new(struct stream_id id, const struct slice *fields, size_t pairs);
void stream_node_append(struct stream_node *n, struct stream_id id, const struct slice *fields, size_t pairs);
/* Its first or last entry, deleted or not; false: there is none. */
bool stream_node_edge(const struct stream_node *n, bool last, struct stream_at *at);
bool stream_node_step(const struct stream_node *n, bool back, struct stream_at *at);
void stream_node_pair(const struct stream_node *n, struct stream_at *at, struct stream_pair *pair);
/* Marks an entry as deleted. Its place does not change; the counts at the front are put right afterwards, which may move all. */
void stream_node_mark(struct stream_node *n, const struct stream_at *at);
void stream_node_count(struct stream_node *n);
uint64_t stream_node_digest(const struct stream_node *n, const struct stream_at *at);
/* Takes a listpack from elsewhere, which it owns then; false: it is not that of a node. */
bool stream_node_load(struct stream_node *n, struct stream_id master, uint8_t *lp);

struct stream *stream_new(void);
void stream_put_node(struct stream *s, struct stream_node n); /* at the end */
void stream_drop_node(struct stream *s, size_t i);
uint64_t stream_digest_of(const struct stream *s);
void stream_settle(struct collection *c); /* brings its digest up to date */

/* stream_group.c. A group that is made anew comes into the sums when it is whole. */
struct stream_group *stream_group_new(struct stream *s, struct slice name);
struct stream_consumer *stream_consumer_new(struct stream_group *g, struct slice name, int64_t seen_ms);
void stream_give(struct stream_group *g, struct stream_pending *p, struct stream_consumer *owner);
void stream_group_add(struct stream *s, const struct stream_group *g);
uint64_t stream_groups_digest(const struct stream *s); /* made anew */
void stream_groups_copy(struct stream *to, const struct stream *from);
size_t stream_groups_free_some(struct stream *s, size_t budget);
/* stream_group_rdb.c */
void stream_groups_save(const struct stream *s, struct rdb_out *out);
/* `facts`: of the entries, where what the groups have read has to be found out (before Redis 7); NULL: it is there. */
bool stream_groups_load(struct stream *s, struct reader *r, struct buf *scratch,
                        const struct stream_facts *facts);

#endif
