/* Private to the swarm: who fires which fault. */
#ifndef SIM_SWARM_INT_H
#define SIM_SWARM_INT_H

#include "swarm.h"

/* swarm_storm.c: faults come, and what they left is mended in its time. */
bool storm(struct run *r, uint64_t until_us); /* false: something is wrong */
/* The same without new faults, but what flaps goes on. */
bool storm_frozen(struct run *r, uint64_t until_us);
void storm_start_ended(struct run *r);
void storm_over(struct run *r); /* all that is broken is mended, but for lost disks */
uint32_t storm_victim(struct run *r);
uint64_t storm_log_uniform(struct run *r, uint64_t low, uint64_t high);
void storm_disk_over(struct run *r, uint32_t i); /* its disk has room, and its speed */
void storm_crash(struct run *r, uint32_t i);     /* and back after a while */

/* swarm_net.c */
bool net_fire(struct run *r, enum fault what);
void net_mend(struct run *r); /* what was cut */
void net_weather(struct run *r);
void net_flap(struct run *r);

/* swarm_admin.c: members come and go, and administrators ask for this and that */
bool admin_fire(struct run *r, enum fault what);
bool admin_may_lose(struct run *r, uint32_t i);    /* Raft survives the loss of this disk's contents too */
void admin_lost(struct run *r, uint32_t i);        /* it was wiped: that node is to be replaced */
bool admin_lacks(const struct run *r, uint32_t i); /* what its disk lost is still to be made up for */
void admin_mend(struct run *r);
bool admin_whole(const struct run *r);           /* no node waits to be replaced */
bool admin_damaged(struct run *r, bool restart); /* what is latent is found at the next start */
void admin_lift_limits(struct run *r);
void admin_answered(struct run *r, uint64_t ticket);
void admin_crashed(struct run *r, uint32_t node);

/* swarm_tamper.c: all is well, and these are the members. false: something is wrong */
bool swarm_tamper(struct run *r, uint32_t members);

/* swarm_run.c */
void run_probe(struct run *r); /* from here on probe_done tells which of the following have been served */
void run_write(struct run *r, struct node *n, uint32_t times); /* whatever comes of it */
void run_read(struct run *r, struct node *n, bool follower);
bool run_serves(struct run *r, uint32_t bits); /* one of these nodes serves a write and a read, soon enough */
/* Until then all of these have applied the same, and have the same state. */
bool run_becomes_equal(struct run *r, uint32_t bits, uint64_t end_us);
bool run_until(struct run *r, uint64_t at_us); /* false: something is wrong */
void run_wrong(struct run *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
