/* What the simulator's tests share: faults drawn from the seed, and the judgement at the end. */
#ifndef SIM_SCENARIO_H
#define SIM_SCENARIO_H

#include "work.h"

#define SECOND 1000000ull

struct faults {
    bool crash, cut, one_way, reset, pause, clock, drop, late, disorder, disk, snapshots, move, big;
    bool one_clock; /* one node's clock is wrong for good; the others' are right */
};

struct scenario {
    uint64_t seed;
    uint32_t nodes;
    struct work *work;
    struct world *world;
};

/* A world and its clients, as they are configured. */
void scenario_of(struct scenario *s, const struct world_config *config, const struct work_config *load);
void scenario_new(struct scenario *s, uint64_t seed, uint32_t nodes, const struct faults *f,
                  const char *const *settings);
/* No faults of its own; everybody reads and writes the same few keys, and two seconds have passed. */
void scenario_few_keys(struct scenario *s, uint64_t seed, uint32_t nodes, uint32_t clients);
uint64_t scenario_between(struct scenario *s, uint64_t low, uint64_t high);
void scenario_free(struct scenario *s);
/* Lets time pass; fails the test when a rule was broken on the way. */
void scenario_run(struct scenario *s, uint64_t for_us);
uint32_t scenario_leader(struct scenario *s); /* waits until there is one */
void scenario_fault(struct scenario *s, const struct faults *f);
void scenario_heal(struct scenario *s);  /* and starts every node that is down */
void scenario_quiet(struct scenario *s); /* every request is answered, no new ones are asked */
/* All faults over, every request answered: the nodes agree, and with the clients. `skip`: bits of nodes that are no
 * members any more. */
void scenario_settle(struct scenario *s, uint32_t skip);
/* Gives this node one entry to write, if it leads, and waits for nothing. */
void scenario_write(struct scenario *s, uint32_t i);
void scenario_judge(struct scenario *s);
_Noreturn void scenario_fail(const struct scenario *s, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* Runs `one` for SEED, SEED+1, ... (environment; 1), N times (environment; `count`). */
void scenario_seeds(uint64_t count, void (*one)(uint64_t seed, const void *arg), const void *arg);

#endif
