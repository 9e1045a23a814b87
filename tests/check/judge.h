/* Everything that can be said of a history: each key through the checkers that fit it. */
#ifndef CHECK_JUDGE_H
#define CHECK_JUDGE_H

#include "reason.h"

struct judge_config {
    uint64_t slack_us; /* see lin_config, locks.h */
};
#define JUDGE_NO_CLOCK (UINT64_C(1) << 62) /* as slack: no clock was right, any key may go at any time */

struct judge_counts {
    size_t operations, linearized; /* given; that took part in a decided check of linearizability */
    size_t tokens, locks;          /* appends checked one by one, acquisitions */
    size_t unknown, not_run;
    size_t keys, bad_keys, undecided_keys;
    enum reason reason; /* of the last key that is not linearizable */
};

/* true: nothing is wrong. Else the report says what, key by key. Not decided counts as wrong. */
bool judge_history(struct history *h, const struct judge_config *config, struct judge_counts *counts,
                   struct buf *report);

#endif
