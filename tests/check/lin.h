/* Is there an order in which the operations on one key can have run one at a time, each between its invocation and its
 * return, with the answers that were given? (Herlihy and Wing's linearizability.)
 *
 * After Wing & Gong and Lowe ("Testing for linearizability", 2017), just in time: events are walked in their order with the
 * set of all situations that explain them so far, a situation being the value and which of the open operations have run. Only
 * when one returns that has not run yet are others tried before it. So at a moment at which nothing is open, all that is left
 * of the past is the few values that it can have led to, and a history may be as long as it likes.
 *
 * Two things keep a crowd affordable: what has changed nothing (a read, a SETNX that found a key) runs as soon as it fits, and
 * where no clock can be relied on nobody asks when a key was due.
 *
 * What never returned may run at any later time, or never: it stays open. Three things keep that affordable: of two situations
 * with one value, that with fewer of such operations spent covers the other; of such operations that are alike the earliest
 * is spent first; and lengths tell early which appends cannot have run. Whatever exceeds the limits is "not decided". */
#ifndef CHECK_LIN_H
#define CHECK_LIN_H

#include "model.h"

struct lin_config {
    uint64_t
        slack_us; /* clocks of servers and clients may differ by this: a key may be gone that much early */
    size_t situations;  /* more than this at one event: not decided. 0: a default */
    uint64_t until_us;  /* events after this are left out; 0: none */
    struct state start; /* LIN_EMPTY */
};
#define LIN_EMPTY ((struct state){.value = {.len = VALUE_NIL}})

enum lin_result { LIN_YES, LIN_NO, LIN_UNDECIDED };

enum { LIN_SHOWN = 8, LIN_OPEN_MAX = 64 };

struct lin_verdict {
    enum lin_result result;
    /* NO: the return that cannot be explained, what the value can have been before it, and what was open beside it. */
    const struct op *at;
    struct state before[LIN_SHOWN];
    size_t before_count; /* may be more than are shown */
    const struct op *open[LIN_OPEN_MAX];
    size_t open_count;
    const char *why;   /* UNDECIDED */
    size_t situations; /* the most that there were */
};

/* `ops`: one key's, in order of invocation. */
struct lin_verdict lin_check(const struct op *const *ops, size_t count, const struct lin_config *config);

#endif
