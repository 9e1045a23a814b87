/* The swarm: runs that differ in kind. A seed draws how many nodes there are, which faults are on and how often they
 * come, how long it goes on and how busy the clients are, and whether it ends in safety mode (all is healed, then
 * judged) or in liveness mode (first a majority has to serve while all else stays as broken as it is). */
#ifndef SIM_SWARM_H
#define SIM_SWARM_H

#include "work.h"

#include <stdio.h>

#define SECOND 1000000ull

/* Tickets that no client has. */
#define ADMIN ((uint64_t)1 << 62)
#define PROBE ((uint64_t)1 << 61)

/* ---- swarm_plan.c: all that the seed decides before the run */
struct plan {
    uint64_t seed;
    uint32_t nodes;
    bool liveness;
    uint64_t length_us;
    uint64_t tempo_us;       /* between two faults, on the average */
    uint32_t weight[FAULTS]; /* 0: off. How often one comes, against the others */
    bool disk[DISK_FAULTS];  /* which of them FAULT_DISK may be */
    uint32_t loss_permille, late_permille, disorder_permille; /* at most; the weather changes */
    uint64_t late_us, delay_us, lag_us, disk_us;
    uint64_t down_us, cut_us, pause_us; /* at most */
    bool majority_may_go;               /* so many may be down at once that nobody serves */
    bool clocks_trusted;
    uint32_t clients, keys;
    uint64_t think_us, checkpoint_bytes;
    size_t big_bytes;
};
void plan_draw(struct plan *p, uint64_t seed);
void plan_print(const struct plan *p, FILE *out);

/* ---- a run */
struct run {
    struct plan plan;
    struct world *world;
    struct work *work;
    struct prng chance;
    struct world_client_calls client_calls; /* the work's */
    uint64_t fault_us, weather_us, cut_until_us;
    bool over; /* no more faults come; a process that ends because of what they left is started again */
    struct {
        uint64_t back_us, stop_us; /* a node that is down starts; one that runs ends */
        uint32_t restarts;         /* left of a loop of them */
        uint64_t lost_id;          /* its disk was wiped: the id that is to be replaced; 0: it was not */
        uint64_t room_us;          /* its disk is full until then; 0: it is not */
        uint64_t sync_us;          /* appendfsync goes back to always then; 0: it is that */
    } nodes[WORLD_NODES_MAX];
    struct {
        uint32_t a, b;
        bool cut;
        uint64_t next_us, until_us, every_us;
    } flap;
    uint64_t mend_us; /* when administrators next look after nodes that lost their disks */
    uint64_t ticket;
    struct {
        uint64_t ticket, asked_us;
        const char *what;
        uint32_t node;
    } open[64]; /* administrators' requests not yet answered */
    size_t open_count;
    uint64_t probe_done, probe_from; /* what has been served of what was asked since that ticket */
    char wrong[400];
};

/* What a run has proven. */
struct swarm_sums {
    uint64_t seeds, failed, simulated_us;
    uint64_t ops, exactly_once, linearized, unknown; /* of clients; those that go through the two checks */
    uint64_t waited, handed; /* commands that waited for a key; elements handed to clients */
    uint64_t lagged;         /* seeds in which time was to be trusted, and lagged: world_time_lagged */
    struct world_counts counts;
    uint64_t disk[DISK_FAULTS];
};

/* false: `wrong` says why. */
bool run_seed(uint64_t seed, bool log, struct swarm_sums *sums, uint64_t *digest, char *wrong, size_t max);

#endif
