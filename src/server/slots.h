/* Private: the few calls between slots.c and answer.c. */
#ifndef SERVER_SLOTS_H
#define SERVER_SLOTS_H

#include "server/server_int.h"

/* The server's own, not a client's. */
#define SERVER_TICKET UINT64_MAX /* NODE_NOBODY is in its place too */

struct client *ticket_owner(struct server *s, uint64_t ticket); /* NULL: gone */
bool ticket_names(uint64_t ticket, uint32_t seq);
struct client *ticket_client(struct server *s, uint64_t ticket,
                             uint32_t *seq); /* NULL: gone, or answered already */
/* The request has had its last word, wherever that stands yet. */
void slot_close(struct client *c, struct slot *slot);
/* The first slot's reply is in `out`. */
void slot_first_answered(struct client *c);

#endif
