/* Private: the sections of INFO that have files of their own. */
#ifndef SERVER_INFO_H
#define SERVER_INFO_H

#include "server/server_int.h"

#ifndef KVORUM_VERSION
#define KVORUM_VERSION "0.1.0"
#endif

/* Where the memory is, in bytes. */
struct memory_figures {
    size_t allocated, active, resident; /* what the allocator says; 0: it is one that says nothing */
    uint64_t rss, used, peak, startup, data;
    uint64_t counted; /* towards maxmemory: data, and the clients but for replicas */
    uint64_t clients, replicas, links, journal; /* buffers; entries kept for peers that lag */
    struct rsm_script_bytes scripts;
    size_t keys;
};
double memory_ratio(uint64_t a, uint64_t b); /* 0 where b is */
void memory_figures(struct server *s, struct memory_figures *m);
uint64_t memory_used_now(void);
void memory_sample(struct server *s); /* now and then: for the peaks; and what is idle is given back */
void memory_allocator_report(struct buf *out); /* its own words */
void memory_purge(void);                       /* unused pages go back to the system */
void info_memory(struct server *s, struct buf *out);
void info_latencystats(struct server *s, struct buf *out);
void info_phases(struct server *s, struct buf *out); /* of a write: lines of `# Raft` */

#endif
