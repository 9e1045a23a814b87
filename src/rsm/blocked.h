/* Private to rsm/: the commands that wait for keys (BLPOP and its kin; DESIGN 4). They are part of the state, so that a push
 * and what it serves are one step on every node.
 *
 * Invariants
 *  - Those that wait for one key stand in the order in which they came, whatever they ask and of whichever type.
 *  - Each waits under one claim: the index of the entry that was sent for it last. Who asked for that one is told.
 *  - Between two entries nobody waits for a key that has what he waits for, but for those whom nothing would serve. */
#ifndef RSM_BLOCKED_H
#define RSM_BLOCKED_H

#include "base/dict.h"
#include "base/heap.h"
#include "base/list.h"
#include "rsm/rsm.h"

#define BLOCKED_MAX       200000 /* more are refused */
#define BLOCKED_BYTES_MAX ((size_t)256 << 20)

struct blocked_key {
    struct list waiting; /* blocked_at.link */
    struct list noted;   /* in the table's `touched` or `ready` */
    struct slice name;   /* u32 db, then the key: as in by_key */
    bool held;           /* is being served: must not be freed */
};

struct blocked_at { /* one command at one of its keys */
    struct list link;
    struct blocked *who;
    struct blocked_key *key;
};

/* A command that waits. */
struct blocked {
    struct list in_order;
    uint64_t arrived;               /* the entry that it came with first: the order is by this */
    uint64_t claim, asker;          /* the last one, and the node that this one came through */
    uint64_t until_ms;              /* 0: for ever */
    uint64_t session, number, hash; /* of a numbered request; session 0: it is none */
    enum store_type type;           /* what it waits for */
    bool needs_key;                 /* it is told when a key is none of that type any more */
    uint32_t db;
    int resp;
    size_t first_key, key_count; /* argv[first_key], ... */
    struct slice user;
    const struct slice *argv;
    size_t argc;
    /* private to blocked.c */
    uint32_t place; /* in by_deadline */
    uint64_t digest;
    size_t bytes;
    struct blocked_at *at;
};

struct blocked_node {
    uint64_t id;
    size_t count;
};

struct blocked_table {
    struct hash_seed seed;
    struct list in_order; /* of arrival */
    struct dict *by_key, *by_claim, *by_number;
    struct heap by_deadline;
    struct blocked_node *nodes; /* that they came through; rising ids */
    size_t node_count, node_cap;
    size_t count, bytes;
    uint64_t digest;
    struct list touched, ready; /* keys: changed by this command; there now, in that order */
    struct buf scratch, text;
    /* What the last entry has released; its replies lie in `text`, at these offsets. */
    struct rsm_release *released;
    size_t *offsets;
    size_t released_count, released_cap;
};

void blocked_init(struct blocked_table *t, struct hash_seed seed);
void blocked_deinit(struct blocked_table *t);

/* Puts a copy of `w` at the end of the order. false: there is no room. */
bool blocked_add(struct blocked_table *t, const struct blocked *w);
/* It is a numbered one. */
void blocked_set_number(struct blocked_table *t, struct blocked *w, uint64_t session, uint64_t number,
                        uint64_t hash);
struct blocked *blocked_by_claim(const struct blocked_table *t, uint64_t claim);
struct blocked *blocked_by_number(struct blocked_table *t, uint64_t session, uint64_t number);
struct blocked *blocked_first_due(const struct blocked_table *t); /* NULL: nobody's time ends */
/* It was sent again: who waited for it under the old claim is told so, in an error. */
void blocked_take_over(struct blocked_table *t, struct blocked *w, uint64_t claim, uint64_t asker);
/* It waits no longer: frees it, and notes what becomes of it. */
void blocked_answer(struct blocked_table *t, struct blocked *w, struct slice reply);
void blocked_clear(struct blocked_table *t, struct blocked *w);
void blocked_forget_released(struct blocked_table *t);
const struct rsm_release *blocked_released(struct blocked_table *t, size_t *count);

#define BLOCKED_LISTENS (EVENT_CHANGED | EVENT_FLUSHED)
/* What the store says of keys. A key that somebody waits for is put into `touched`. */
void blocked_heard(struct blocked_table *t, enum store_event_class class, uint32_t db, struct slice key);
uint32_t blocked_key_db(const struct blocked_key *k);
struct slice blocked_key_text(const struct blocked_key *k);
/* While one is held it is not freed; let go it is, if nobody waits for it. */
void blocked_key_let_go(struct blocked_table *t, struct blocked_key *k);

/* One of them as the bytes of a snapshot's AUX field; they are saved in their order. */
void blocked_save(const struct blocked *w, struct buf *out);
bool blocked_load(struct blocked_table *t, struct slice bytes);

#endif
