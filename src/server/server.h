/* Clients: their connections, what they ask for, and where it is answered. Requests are read, numbered and ordered here;
 * what concerns the data goes to the node, what concerns this process is answered on the spot.
 *
 * One pass of the caller's loop: server_time; libevent callbacks, which parse and queue; node_turn, which answers by
 * server_clients(); server_turn, which writes out. Nothing here blocks. */
#ifndef SERVER_SERVER_H
#define SERVER_SERVER_H

#include "node/node.h"
#include "server/config.h"

struct event_base;
struct server;

/* What INFO shows of rooms that the server does not see. */
struct server_figures {
    uint64_t fsync_count, fsync_us_total, fsync_us_max, journal_written_bytes, disk_free;
    uint64_t peer_bytes_in, peer_bytes_out, peer_frames_in, peer_frames_out, peer_refused, peer_junk,
        peer_reconnects;
};

/* A link to or from a peer that stands: CLUSTER LINKS. */
struct server_link {
    uint64_t peer;
    bool inbound, writing;
    uint64_t since_us; /* clock_mono_us */
    size_t allocated, used;
};

struct server_hooks {
    void *arg;
    void (*woken)(void *arg); /* a callback of libevent has begun: the pass needs its time. May be NULL */
    /* A client was read. What came was sent before now, and maybe after the pass began: a time to live counted from then
     * would end too early. May be NULL */
    void (*heard)(void *arg);
    void (*figures)(void *arg, struct server_figures *out); /* may be NULL */
    void (*links)(void *arg, void (*each)(void *to, const struct server_link *link),
                  void *to); /* may be NULL */
    /* DEBUG KVORUM-LINK, tests only. peer 0: all; all zero: healed. May be NULL. */
    void (*link_fault)(void *arg, uint64_t peer, bool cut, uint32_t drop_permille, uint32_t delay_ms_max);
    /* A read that may take long begins or ends; may come inside node_turn, and nest. May be NULL. */
    void (*busy)(void *arg, bool now);
    /* To all other nodes, as far as it gets: what a link or its queue loses is lost. May be NULL. */
    void (*broadcast)(void *arg, struct slice frame);
    /* The state as it is now, as RDB, with what stands around it for a replica (storage_pipe_open). -1: it cannot be given,
     * or the one before is not over; dump_ended is asked once what it returned has been read to its end, dump_stop when nobody
     * reads on. NULL: nobody is given it. */
    int (*dump_begin)(void *arg, const char *mark, bool keys);
    bool (*dump_ended)(void *arg);
    void (*dump_stop)(void *arg);
    /* SHUTDOWN: leave in good order; or at once when `now`. */
    void (*shutdown)(void *arg, bool now);
};

/* `config` is kept and changed by CONFIG SET; it outlives the server. */
struct server *server_new(struct event_base *base, struct config *config, const struct server_hooks *hooks);
void server_free(struct server *s);
/* Until then every request that needs the data is answered -LOADING. */
void server_attach(struct server *s, struct node *n);
void server_detach(struct server *s);
struct node_clients server_clients(struct server *s);

/* Opens every port. false: `error` says which and why. */
bool server_listen(struct server *s, struct buf *error);
/* The port on which this node serves a mode, 0: none. */
uint16_t server_port_of(const struct server *s, enum follower_mode mode);
/* File descriptors that clients may never use up: peers, journal, snapshots, libraries. */
enum { SERVER_RESERVED_FDS = 128 };
/* Asks the system for the descriptors of so many clients, beside those: how many clients it grants, at least one. */
int64_t server_grant_clients(int64_t wanted);

uint64_t server_reads(const struct server *s); /* of clients' sockets that brought something, so far */
size_t server_crowd(struct server *s);         /* how many clients' those were since this was asked last */
/* At the start of every pass. */
void server_time(struct server *s, uint64_t now_us, uint64_t wall_us);
/* At the end, after node_turn: writes, closes. true: a further pass is wanted at once. */
bool server_turn(struct server *s);

/* What the server of node `peer` broadcast. */
void server_on_broadcast(struct server *s, uint64_t peer, struct slice frame);

/* Leaving: no new connections. */
void server_stop_listening(struct server *s);
/* Nothing is owed to any client, all output is with the kernel, and those who leave have been told. */
bool server_is_quiet(const struct server *s);
/* Hands leadership over; done(arg) is called when that is settled. false: there is nobody to hand it to. */
bool server_hand_over(struct server *s, void (*done)(void *arg), void *arg);

#endif
