/* The one process: what main wires together. The rooms know nothing of each other beyond their ports; this is where a storage
 * event becomes the node's disk event and a frame of the transport the node's frame. */
#ifndef MAIN_PROCESS_H
#define MAIN_PROCESS_H

#include <event2/event.h>

#include "node/node.h"
#include "server/server.h"
#include "storage/storage.h"
#include "transport/transport.h"

struct process {
    struct event_base *base;
    struct config *config;
    struct storage *storage;
    struct transport *transport;
    struct node *node;
    struct server *server;
    struct event *disk_event, *term_event, *int_event, *hup_event, *deadline;
    uint64_t boot_nonce;
    uint64_t free_bytes, free_asked_us;
    uint64_t leaving_since_us; /* 0: not leaving */
    int signals;
    bool awake; /* this pass has looked at the clocks */
    bool handing_over, leave_now, ended;
};

/* The first thing that happens in a pass, whichever callback it is: the clocks are read once. */
void process_awake(struct process *p);

/* disk.c */
void disk_fill_ports(struct process *p, struct node_ports *ports);
bool disk_watch(struct process *p);
void disk_fill_found(const struct storage_found *from, struct node_found *to);

/* peers.c */
void peers_fill_ports(struct process *p, struct node_ports *ports);
void peers_fill_callbacks(struct process *p, struct transport_callbacks *callbacks);
void peers_fill_hello(const struct node_hello *from, struct transport_hello *to);

#endif
