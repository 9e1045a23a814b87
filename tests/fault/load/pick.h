/* Draws the next operation on a register: a key has a flavour, so that its operations fit each other, and a few hundred
 * operations, so that the search for an order stays small however many of them end unknown. */
#ifndef FAULT_PICK_H
#define FAULT_PICK_H

#include "../tests/fault/load/load.h"

struct picked {
    const char *verb, *name; /* of the command, and of tests/check/history.h */
    int delta;
    char key[48], arg[32];
    struct request request;
    bool writes;
};

/* In place: the request points into it. `group` names the key space, `counter` counts the group's operations. */
void pick(struct picked *p, struct client *c, const char *group, atomic_ullong *counter, bool reads_only);
/* After an operation whose outcome is unknown the group goes on with new keys: on one key they do not pile up. */
void pick_turn_over(atomic_ullong *counter);
/* An error reply is none that these operations can get: it is noted as wrong. */
void pick_judge(struct client *c, const struct picked *p, const redisReply *reply);

#endif
