/* Private: between cluster_cmds.c and cluster_topology.c. */
#ifndef SERVER_CLUSTER_H
#define SERVER_CLUSTER_H

#include "server/server_int.h"

/* Fresh, in server.status, at least one row. */
const struct node_status *topology(struct server *s);
bool topology_is_well(const struct node_peer_status *p); /* alive, and its state is the majority's */
uint64_t topology_leader(const struct server *s);        /* the present or the last one, 0: never one */
void topology_slots(struct client *c, struct buf *out);
void topology_shards(struct client *c, struct buf *out);
void topology_nodes(struct client *c, struct buf *out);
void topology_replicas(struct client *c, struct slice of, struct buf *out);
void topology_info(struct client *c, struct buf *out);

#endif
