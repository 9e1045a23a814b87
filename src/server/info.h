/* Private: the sections of INFO that have files of their own. */
#ifndef SERVER_INFO_H
#define SERVER_INFO_H

#include "server/server_int.h"

#ifndef KVORUM_VERSION
#define KVORUM_VERSION "0.1.0"
#endif

void info_memory(struct server *s, struct buf *out);
void info_latencystats(struct server *s, struct buf *out);
void info_phases(struct server *s, struct buf *out); /* of a write: lines of `# Raft` */

#endif
