/* Private: what clients hold copies of (CLIENT TRACKING), and telling them when it is no longer so.
 *
 * A key is remembered for a client when its read runs here; from then on every change that this node applies is told. A read that
 * the leader ran for a proxy port may have seen more than this node has applied, or less: its keys are remembered when the reply
 * comes, if no change of them has been applied since the read was sent; else they are told to have changed, behind the reply.
 * So a client never keeps a value whose change it is not told of; it may be told of one that it has seen already. */
#ifndef SERVER_CACHES_H
#define SERVER_CACHES_H

#include "pubsub/tracking.h"
#include "server/server_int.h"

enum { OWN_WRITES = 32 };

/* One client's; there is none while tracking is off. */
struct cache {
    bool broadcast, opt_in, opt_out, no_loop;
    bool caching;                       /* CLIENT CACHING was said: the next command is the exception */
    bool broken;                        /* the one it redirects to is gone */
    uint64_t redirect, redirect_ticket; /* a client's id, 0: itself */
    uint64_t own[OWN_WRITES];           /* the newest entries it has written, for NOLOOP */
    uint32_t own_at;
    uint64_t
        since; /* index: what is behind was seen by a write of it that was answered before it began to keep copies */
    size_t prefix_bytes; /* that its prefixes take, about */
};

void caches_init(struct server *s);
void caches_deinit(struct server *s);
void caches_enable(struct client *c, const struct cache *as, const struct slice *prefixes, size_t count);
void caches_disable(struct client *c);
const struct tracking *caches_table(const struct server *s);
size_t caches_clients(const struct server *s);
/* EVENT_CHANGED and EVENT_FLUSHED, in the middle of an entry. */
void caches_hear(struct server *s, enum store_event_class class, bool expired, struct slice key);
/* Tells what has been heard; the replies of this pass are in front of it. */
void caches_turn(struct server *s);
/* Is this request's result to be remembered? */
bool caches_tracks(const struct client *c, const struct command *row);
/* It has run on this node's state. */
void caches_remember(struct client *c, const struct command *row, const struct slice *argv, size_t argc);
/* It has been sent; its keys go into the slot. */
void caches_sent(struct client *c, struct slot *slot, const struct command *row, const struct slice *argv,
                 size_t argc);
/* A transaction has been sent: between begin and end its commands, the last one first. */
struct keeping *caches_exec_begin(struct client *c, struct slot *slot);
void caches_exec_command(struct keeping *k, uint32_t db, const struct command *row, const struct slice *argv,
                         size_t argc);
void caches_exec_end(struct keeping *k);
/* The slot is answered; `in_turn`: into the output, at once. */
void caches_answered(struct client *c, struct slot *slot, const struct node_answer *answer, bool in_turn);
/* Its copies of whatever: it is told to drop all. */
void caches_drop_all(struct client *c);
/* CLIENT TRACKING and its kin. false: another subcommand. */
bool caches_command(struct client *c, const struct slice *argv, size_t argc, struct buf *out);

#endif
