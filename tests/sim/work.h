/* Clients of the simulated world, and what they can prove: each appends numbered tokens in a session and retries until it is
 * told OK, on whatever node; each reads and must see every token that was acknowledged before it asked. */
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

uint64_t work_acked(const struct work *k);
uint64_t work_reads(const struct work *k);
uint64_t work_unknown(const struct work *k);
/* At the end, on a node that has applied everything: every acknowledged token is there once and in order. NULL, or what is
 * wrong. */
const char *work_check(struct work *k, struct node *n);
const char *work_failed(const struct work *k); /* a stale read on the way; NULL: none */

#endif
