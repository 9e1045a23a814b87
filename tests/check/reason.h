/* What kind of wrong is it? The history up to the answer that cannot be explained is judged again, each time with one thing
 * allowed that is forbidden; the first that explains it gives the name. */
#ifndef CHECK_REASON_H
#define CHECK_REASON_H

#include "lin.h"

enum reason {
    REASON_NONE,
    REASON_STALE,   /* a read of what was overwritten before it was asked */
    REASON_NOT_RUN, /* something told not to have run did */
    REASON_LOST,    /* something acknowledged did not run */
    REASON_TWICE,   /* something ran twice */
    REASON_EARLY,   /* a key went before its time, or came back after it had gone */
    REASON_FUTURE,  /* an answer that only what was asked later explains */
    REASON_OTHER,   /* a value that nobody wrote, ... */
};

const char *reason_text(enum reason r);
/* `v` said no. *culprit: the other operation that it takes, or NULL. */
enum reason reason_of(const struct op *const *ops, size_t count, const struct lin_config *config,
                      const struct lin_verdict *v, const struct op **culprit);
/* The latest beginning from which on the history explains itself as little, whatever was before: the place in `ops`. */
size_t reason_window(const struct op *const *ops, size_t count, const struct lin_config *config,
                     const struct lin_verdict *v);

#endif
