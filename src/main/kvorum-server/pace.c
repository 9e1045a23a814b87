/* The pace of the loop. A pass costs the same wake-ups and system calls whether it finds one request or fifty, and many
 * clients who send one request at a time come one by one: then most of the processor goes into waking, theirs too. While
 * there is such a crowd, and it comes fast, a pass that found a few of them waits a moment and takes those who have come
 * meanwhile along. A few clients are never kept waiting: however fast they come, nobody else would come in that time. A
 * pass that found many has gathered already.
 *
 * It is a bound on latency (client-gather) paid only while several requests arrive within it. */
#include "base/clock.h"
#include "main/kvorum-server/process.h"

#include <sys/prctl.h>
#include <time.h>

enum {
    WINDOW_US = 1000,  /* over which arrivals are counted */
    CROWD = 16,        /* clients who came in it */
    COMPANY = 3,       /* requests that are to be expected while one waits */
    COMPANY_ASKED = 1, /* where a reply needs other nodes: each pass wakes them, and their answers the next */
    FEW = 8,           /* found by the pass */
};

void pace_begin(void)
{
    (void)prctl(PR_SET_TIMERSLACK, 1000UL); /* ns; the kernel's 50 us would be as long as the wait */
}

static void count(struct process *p, struct pace *c)
{
    uint64_t passed_us = p->now_us - c->since_us;
    if (passed_us < WINDOW_US)
        return;
    uint64_t per_second = (c->reads - c->since_reads) * 1000000 / passed_us;
    c->company = server_crowd(p->server) >= CROWD ? per_second : 0;
    c->since_us = p->now_us;
    c->since_reads = c->reads;
}

/* Those who are owed a reply are not kept waiting for those who are yet to ask. */
static bool answer(struct process *p)
{
    process_wake(p);
    if (!node_answer(p->node))
        return false;
    bool again = server_turn(p->server);
    node_written(p->node, clock_mono_us());
    return again;
}

bool pace_gather(struct process *p)
{
    struct pace *c = &p->pace;
    uint64_t before = c->reads, gather_us = (uint64_t)p->config->client_gather_us;
    c->reads = server_reads(p->server);
    count(p, c);
    uint64_t found = c->reads - before;
    if (found == 0 || found > FEW)
        return false;
    uint64_t least = node_reads_at_once(p->node) ? COMPANY : COMPANY_ASKED;
    if (c->company * gather_us < least * 1000000)
        return false;
    bool again = answer(p);
    struct timespec t = {.tv_nsec = (long)gather_us * 1000};
    (void)nanosleep(&t, NULL); /* a signal ends it early: so be it */
    event_base_loop(p->base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
    return again;
}
