/* A small world for whole nodes: the product's own objects of raft, rsm, store, commands and node, with a virtual clock, network
 * and disk, all drawn from one seed, in one thread. Nothing here sleeps; the same seed is the same run. */
#ifndef SIM_WORLD_H
#define SIM_WORLD_H

#include "base/prng.h"
#include "disk.h"
#include "fault.h"
#include "node/node.h"

#define WORLD_NODES_MAX 7

struct world;

struct world_config {
    uint64_t seed;
    uint32_t nodes;
    uint32_t drop_permille; /* frames lost */
    uint64_t delay_us;      /* of a frame, up to */
    uint32_t late_permille; /* frames that are late by up to late_us, and hold back those behind them */
    uint64_t late_us;
    uint32_t disorder_permille; /* frames that overtake, and frames that come twice: more than TCP would do */
    uint64_t lag_us;            /* a turn comes up to this long after what it answers: events share turns */
    uint64_t disk_us;           /* of a sync, up to */
    uint64_t checkpoint_bytes;  /* 0: no checkpoints */
    uint64_t events_max;        /* more than so many is a failure: it does not end; 0: any number */
    uint64_t frames_max;        /* in a second of time, as those of events_max; 0: any number */
    bool log;                   /* the nodes' lines */
    const char *const *settings;
};

struct world_counts {
    uint64_t fired[FAULTS];
    uint64_t events, frames, bulk_bytes, crashes, members /* configurations committed */,
        snapshots /* installed */;
};

struct world_client_calls {
    void *arg;
    void (*answer)(void *arg, uint32_t node, uint64_t ticket, const struct node_answer *answer);
    void (*read_ready)(void *arg, uint32_t node, uint64_t ticket, enum node_outcome outcome, uint64_t now_ms);
    void (*crashed)(void *arg, uint32_t node);
};

struct world *world_new(const struct world_config *config, const struct world_client_calls *calls);
void world_free(struct world *w);

/* Runs until the given virtual time; `each_turn` (may be NULL) is called before every node's turn, where clients act. */
void world_run(struct world *w, uint64_t until_us, void (*each_turn)(void *arg, uint32_t node), void *arg);
uint64_t world_now_us(const struct world *w);
uint64_t world_wall_us(const struct world *w); /* what a clock that is right shows */
/* The cluster clock was behind that for want of clocks that are right, and has caught up at once, or will: what was given a
 * time to live meanwhile may go early. */
bool world_time_lagged(const struct world *w);
struct prng *world_chance(struct world *w);

struct node *world_node(struct world *w, uint32_t i); /* NULL: down */
uint64_t world_node_id(const struct world *w, uint32_t i);
int world_leader(struct world *w); /* a node that serves, -1: none */

void world_crash(struct world *w, uint32_t i); /* kill -9: unsynced writes are lost, all or a tail of them */
void world_start(struct world *w, uint32_t i);
void world_wipe(struct world *w, uint32_t i); /* of a node that is down */
/* With so many calls of ports still done. 0: at no call. */
void world_crash_in_turn(struct world *w, uint32_t i, uint32_t calls);
void world_pause(struct world *w, uint32_t i, uint64_t for_us);
uint64_t world_paused_until_us(const struct world *w, uint32_t i);
void world_stall_disk(struct world *w, uint32_t i, uint64_t for_us); /* a write that hangs */
/* Of a node that is down: commits that were promised, synced as they were. */
void world_lose_tail(struct world *w, uint32_t i, size_t commits);
/* Its state is another from now on, until it is loaded anew. */
void world_tamper(struct world *w, uint32_t i);
void world_reset_link(struct world *w, uint32_t a, uint32_t b);
void world_cut(struct world *w, uint32_t a, uint32_t b, bool cut); /* both directions */
void world_cut_way(struct world *w, uint32_t from, uint32_t to, bool cut);
void world_flap(struct world *w, uint32_t a, uint32_t b,
                bool cut); /* beside world_cut, as a layer of its own */
/* What is sent from now on arrives when this time is over. */
void world_clog(struct world *w, uint32_t from, uint32_t to, uint64_t for_us);
void world_heal(struct world *w); /* of the network, all but flapping */
void world_healthy(struct world *w,
                   uint32_t bits); /* the network among these nodes does not fail; 0: as usual */
void world_drop(struct world *w, uint32_t permille);
void world_late(struct world *w, uint32_t permille, uint64_t by_us);
void world_disorder(struct world *w, uint32_t permille);
void world_bulk(struct world *w, uint64_t bytes_s); /* what a bulk channel carries in a second; 0: anything */
void world_clock_jump(struct world *w, uint32_t i, int64_t by_us); /* its wall clock */
/* Either clock is too fast by so much. */
void world_wall_drift(struct world *w, uint32_t i, int32_t ppm);
void world_tick_drift(struct world *w, uint32_t i, int32_t ppm); /* the monotonic one */
/* A further node that joins through node `via`; its number. */
uint32_t world_add(struct world *w, uint32_t via);
uint32_t world_add_alone(struct world *w);                    /* a cluster of one, that may be invited */
void world_rejoin(struct world *w, uint32_t i, uint32_t via); /* of a node that is down and was wiped */
void world_meet(struct world *w, uint32_t at, uint32_t other,
                uint64_t ticket); /* CLUSTER MEET sent to `at` */
/* CLUSTER FORGET sent to `at`; what is answered is judged (check_members.c), and kept. */
enum node_outcome world_forget(struct world *w, uint32_t at, uint64_t id, uint64_t ticket);
const char *world_forget_reply(const struct world *w, uint64_t ticket); /* "": none yet */
uint32_t world_count(const struct world *w);
/* The newest entry that any leader of this node's cluster has called committed; 0: none. */
uint64_t world_committed(struct world *w, uint32_t i);
uint32_t world_clusters(const struct world *w); /* that were ever founded */
/* To the leader of the newest term, in a committed configuration; as long as there is none everybody is a member and nobody
 * a voter. */
bool world_is_member(struct world *w, uint64_t id);
bool world_is_voter(struct world *w, uint64_t id);
/* By the newest configuration in any log, committed or not. */
uint32_t world_voters_written(const struct world *w);
uint64_t world_place_holder(struct world *w,
                            uint32_t i); /* the member at node i's address; 0: none, or not known */

/* Processes that ended by themselves, loudly: a disk that failed, damage found while reading. They are down like
 * crashed ones. */
uint64_t world_ended(const struct world *w);

/* From now on more may be damaged than Raft can survive. What was committed may go then, but only by a leader of whom a
 * node has said in its log that acknowledged entries may be lost. */
void world_beyond(struct world *w);
uint64_t
world_losses(const struct world *w); /* leaders that lacked committed entries, and it had been said */
uint64_t world_said_lost(const struct world *w); /* lines that said so */
/* A majority may be what it was, votes included, and nobody can know: what is one for ever otherwise, an entry at an index, a
 * leader of a term, may be two. Nothing of that is judged any more; states that differ are for the alarm to tell. */
bool world_put_back(const struct world *w);

/* NULL, or what rule the nodes have broken among themselves (check.c). */
const char *world_failed(const struct world *w);
struct world_counts *world_counts(struct world *w); /* who fires a fault counts it */
uint64_t world_digest(struct world *w);             /* of the run so far: equal seeds, equal digests */

#endif
