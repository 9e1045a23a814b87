/* The kinds of clients, one file each. A kind's shared[] counters are its own: the numbers say which. */
#ifndef FAULT_KINDS_H
#define FAULT_KINDS_H

#include "../tests/fault/load/load.h"

void registers_run(
    struct client
        *c); /* SET GET APPEND INCR DEL GETSET on few keys, each of a few hundred operations; shared 0 */
void numbered_run(
    struct client *c); /* the same on sessions, so that a fault leaves no unknown outcome; shared 1 */
void pipelined_run(struct client *c); /* the same, several requests under way on a connection; shared 2 */
void tokens_run(struct client *c);    /* APPEND of numbered tokens on a session: each there once, in order */
void locks_run(struct client *c);     /* SET NX PX, and its release by its holder; shared 3 */
void ttls_run(struct client *c);      /* keys that expire: not early, and for good */
void transfers_run(struct client *c); /* MULTI..EXEC over two keys on a session: both or none; shared 4 */
void watches_run(struct client *c); /* WATCH, GET, MULTI, SET, EXEC on a session: no update lost; shared 5 */
void sets_run(struct client *c);    /* SETs of many keys as fast as they go: weight, and latency */

#endif
