/* kvorum-inspect: a stopped node's directory, in words. */
#ifndef MAIN_KVORUM_INSPECT_H
#define MAIN_KVORUM_INSPECT_H

#include <stdbool.h>
#include <stdio.h>

#include "base/bytes.h"
#include "raft/entry.h"
#include "storage/storage.h"

/* print.c */
void print_entry(FILE *out, const struct raft_frame *frame, bool good);
void print_members(FILE *out, const struct raft_members *members);
/* The AUX fields at the start of a snapshot; false: it does not begin as one. */
bool print_snapshot_head(FILE *out, struct slice head);
/* Cut short and escaped. */
void print_text(FILE *out, struct slice text);

/* report.c: prints everything; the number of problems, -1: not a node's directory, or in use. */
long report(const char *dir);
/* rescue.c: a new cluster of one out of what is here; the exit code. */
int rescue(const char *dir);
/* Waits for an event of this type (enum storage_event_type); what comes before it is dropped. */
void inspect_await(struct storage *storage, int type, struct storage_event *event);
/* Everything that lies in the directory, and an entry at `index` that names `self` as the only member, is the cluster of
 * `vote` from now on. */
void inspect_new_cluster(struct storage *storage, const struct storage_vote *vote, uint64_t index,
                         const struct raft_member *self);
/* restore.c: a new cluster of one in an empty directory, from a snapshot or a dump of Redis; `address` is the node's
 * name=host:port[@peerport]. The exit code. */
int restore(const char *dir, const char *file, const char *address);

#endif
