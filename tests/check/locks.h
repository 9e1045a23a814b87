/* Locks by SET NX PX and a release that compares: never two holders at a time, by what the holders themselves know.
 *
 * Who asked at time t and was told that it has the lock for `ttl` may believe in it from that answer until t + ttl, or until
 * it asks for the release, or to prolong it, and no longer. The server counts the time from a later moment, and expiry may be
 * late but never early: so no two of these spans overlap. A clock of the client that runs otherwise than the cluster's by
 * more than `slack_us` breaks the promise, not the server. */
#ifndef CHECK_LOCKS_H
#define CHECK_LOCKS_H

#include "history.h"

/* `ops`: one key's, in order of invocation. NULL, or the later holder; *first then is the earlier one. */
const struct op *locks_check(const struct op *const *ops, size_t count, uint64_t slack_us,
                             const struct op **first, size_t *acquired);

#endif
