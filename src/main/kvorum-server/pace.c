/* The pace of the loop. A pass costs the same wake-ups and system calls whether it finds one request or fifty, and many
 * clients who send one request at a time come one by one: then most of the processor goes into waking, theirs too. While
 * they come that fast, a pass that found a few of them waits a moment and takes those who have come meanwhile along. Whoever
 * comes alone is never kept waiting; a pass that found many has gathered already.
 *
 * It is a bound on latency (client-gather) paid only while several requests arrive within it. */
#include "main/kvorum-server/process.h"

#include <sys/prctl.h>
#include <time.h>

enum {
    WINDOW_US = 1000, /* over which arrivals are counted */
    COMPANY = 3,      /* as many are expected to come while one waits, or he does not wait */
    FEW = 8,
};

void pace_begin(void)
{
    (void)prctl(PR_SET_TIMERSLACK, 1000UL); /* ns; the kernel's 50 us would be as long as the wait */
}

bool pace_gathers(struct pace *c, uint64_t reads, uint64_t now_us, uint64_t gather_us)
{
    uint64_t found = reads - c->reads, passed_us = now_us - c->since_us;
    c->reads = reads;
    if (passed_us >= WINDOW_US) {
        c->per_second = (reads - c->since_reads) * 1000000 / passed_us;
        c->since_us = now_us;
        c->since_reads = reads;
    }
    return found > 0 && found <= FEW && c->per_second * gather_us >= COMPANY * UINT64_C(1000000);
}

void pace_wait(uint64_t us)
{
    struct timespec t = {.tv_nsec = (long)us * 1000};
    (void)nanosleep(&t, NULL); /* a signal ends it early: so be it */
}
