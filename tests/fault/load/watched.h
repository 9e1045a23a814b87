/* A transaction that depends on what a key holds, on a session: WATCH, GET, MULTI, one command, EXEC. */
#ifndef FAULT_WATCHED_H
#define FAULT_WATCHED_H

#include "../tests/fault/load/session.h"

/* What to do about the value. Always something, since a number that is in doubt has to be settled: GET, if nothing. */
typedef void watched_decide(void *arg, const redisReply *value, struct request *change);

/* In doubt it is repeated as a whole, its EXEC under the same number (README, "Retrying safely"). EXEC's reply: an array
 * of one, or nil: somebody else changed the key. NULL: s->error. */
redisReply *watched_change(struct session *s, const char *key, watched_decide *decide, void *arg);

#endif
