/* One random history: faults of every kind, drawn from a seed, against a loaded cluster. */
#ifndef TESTS_RAFT_CHAOS_H
#define TESTS_RAFT_CHAOS_H

#include "net.h"

struct chaos_result {
    bool safe, lively;
    char failure[512];
    uint64_t committed, reads_done, elections, installs, steps, changes;
};

/* Everything about the run follows from the seed. */
struct chaos_result chaos_run(uint64_t seed);

#endif
