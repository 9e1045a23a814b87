/* What the clients of a load share. Each client is a thread of a kind of its own (kinds.h), runs until `stop`, and
 * then, with the cluster whole again, looks once more at what it has written. */
#ifndef FAULT_LOAD_H
#define FAULT_LOAD_H

#include "../tests/fault/load/conn.h"
#include "../tests/fault/load/history.h"
#include <stdatomic.h>

struct load {
    struct nodes nodes;
    struct history history;
    uint64_t seed;
    unsigned pause_us; /* between a client's operations */
    atomic_bool stop;
    atomic_ullong outcomes[3]; /* by enum outcome */
    atomic_ullong retries;     /* of sessions */
    atomic_uint wrong;         /* what a client itself saw to be wrong; each is printed */
    atomic_ullong shared[16];  /* counters of a kind's own clients */
};

struct client {
    struct load *load;
    int id;    /* among all */
    int which; /* among those of its kind and way */
    enum way way;
    struct prng prng;
    char reply_error[128]; /* an error reply that no command here should get */
};

uint64_t now_ns(void); /* CLOCK_MONOTONIC: one clock for all clients of the machine */
void pause_ms(unsigned ms);
/* After each operation: counts it, breathes; after a failed one, longer. False: it is time to end. */
bool load_goes_on(struct client *c, enum outcome outcome);
void load_wrong(struct client *c, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
