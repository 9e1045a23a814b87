/* Clients of the simulated world, and what they can prove. Each retries until it is told what became of its request,
 * on whatever node, by a forwarded request or not:
 *
 *   - appenders with a session: each token stands once, in order, where its reply said
 *   - appenders without one: an answered token stands once, one that was surely not run stands nowhere
 *   - counters: WATCH, GET, EXEC; as many increments as were told OK
 *   - those who SET PX: the key is not gone before its time, and once gone it stays gone
 *   - all read now and then, and see every token that was acknowledged before they asked
 *   - nobody waits for ever on a node that runs */
#ifndef SIM_WORK_H
#define SIM_WORK_H

#include "world.h"

struct work;

struct work *work_new(uint64_t seed, uint32_t clients, uint32_t keys);
void work_free(struct work *k);
void work_bind(struct work *k, struct world *w);
struct world_client_calls work_calls(struct work *k);
void work_turn(void *work, uint32_t node);    /* for world_run */
void work_pause(struct work *k, bool paused); /* no new requests; those under way go on */
bool work_idle(const struct work *k);
/* A majority of the clocks is right at any time, so no key may go early. */
void work_trust_clocks(struct work *k);
/* An answer that takes longer is a failure. 15 s at first; a cluster that is never let alone owes none. */
void work_patience(struct work *k, uint64_t us);
void work_think(struct work *k, uint64_t up_to_us); /* between two requests */
void work_big_values(struct work *k, size_t bytes); /* one token in 16 is this long */

uint64_t work_acked(const struct work *k);
uint64_t work_reads(const struct work *k);
uint64_t work_unknown(const struct work *k);
uint64_t work_last_ack_us(const struct work *k);
/* At the end, on a node that has applied everything: every token is where its answer said. NULL, or what is wrong. */
const char *work_check(struct work *k, struct node *n);
const char *work_failed(const struct work *k); /* a stale read on the way, ...; NULL: none */

#endif
