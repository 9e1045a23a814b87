/* The parts of one kvorum-server process, and how main's files share them. */
#ifndef MAIN_PROCESS_H
#define MAIN_PROCESS_H

#include <event2/event.h>
#include <sys/types.h>

#include "node/node.h"
#include "server/server.h"
#include "storage/storage.h"
#include "transport/transport.h"

struct process {
    struct event_base *base;
    struct config *config;
    struct server *server;
    struct storage *storage;
    struct transport *transport; /* NULL: no peer port */
    struct node *node;           /* NULL while it is being made */
    struct event *disk, *deadline, *signals[3];
    uint64_t now_us;
    bool woken; /* this pass has been given its time */

    const char *
        *settings; /* replicated ones as configured: the node keeps them for when it founds a cluster */
    uint64_t told_term, told_leader; /* what the log has said of who leads */
    int busy; /* nested: an entry's apply may answer clients, whose next read then runs */

    pid_t keeper; /* -1: none */
    int keeper_fd;

    struct pace {
        uint64_t reads;                 /* of clients' sockets, until the last pass */
        uint64_t since_us, since_reads; /* where the window begins in which they are counted */
        uint64_t company; /* requests a second of a crowd in the last window; 0: there was none */
    } pace;

    pid_t dumping, stopped; /* children that write the state to a pipe; 0: none */

    bool leaving, handing_over, exit_now;
    int interrupts;
    uint64_t leave_by_us, grace_until_us;
};

/* Gives the pass its time, once; or the time as it is now, in the middle of it. */
void process_wake(struct process *p);
void process_time(struct process *p);

/* pace.c: fewer, fuller passes while many clients send one request at a time. */
void pace_begin(void);
/* After a pass has looked at its sockets; may look once more. true: a further pass is wanted at once. */
bool pace_gather(struct process *p);

/* system.c: what is asked of the operating system before anything else. */
bool system_daemonize(void);
bool system_write_pidfile(const char *path);
void system_raise_descriptors(struct config *config);
/* Bound to every address and told nowhere which one is ours: the one we reach the node to join by. */
void system_find_host(struct config *config);
void system_warn(const struct config *config);

/* disk.c: the node's disk is the storage room. */
void disk_bind(struct node_ports *ports);
bool disk_watch(struct process *p);
/* At start, before disk_watch: returns when it is durable. */
void disk_save_id(struct process *p, const struct storage_vote *vote);
void disk_found(const struct storage_found *from, struct node_found *to);

/* peers.c: the node's peers are the transport room. */
void process_busy(struct process *p, bool now); /* something long begins or ends: the beat thread stands in */
void peers_broadcast(struct process *p, struct slice frame);
void peers_bind(struct node_ports *ports);
void peers_flush(struct process *p); /* in the turn and at its end; the journal's thread is let go, too */
bool peers_open(struct process *p, const struct node_hello *self, char *error, size_t error_len);

/* keeper.c: closes the sockets of a process that was killed before its memory is freed. */
void keeper_start(struct process *p);
void keeper_stop(struct process *p);

/* dump.c: the state for replicas of Redis. */
int dump_begin(void *arg, const char *mark, bool keys);
bool dump_ended(void *arg);
void dump_stop(void *arg);

/* leave.c: SIGTERM and SHUTDOWN. */
void leave_begin(struct process *p, bool now);
bool leave_is_done(struct process *p); /* asked once a pass */

#endif
