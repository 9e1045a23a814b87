/* Files that are needed no more go bit by bit. A file system frees a large one in one go, and may tell the disk so: whoever deletes it
 * stands still for tenths of a second with a gigabyte, and syncs of other files take longer meanwhile.
 *
 * Nothing here is needed for anything: what a crash leaves has no name, so the file system takes it. */
#ifndef STORAGE_REMOVER_H
#define STORAGE_REMOVER_H

#include <stdbool.h>

struct remover;
/* With a thread of its own. */
struct remover *remover_new(void);
/* What is left goes at once. */
void remover_free(struct remover *r);
/* The name is gone on return, as by unlink; the space is given back by and by, once nobody else has the file
 * open. NULL: at once. From any thread. What fails is left to the next start. */
void remover_take(struct remover *r, int dir_fd, const char *name);

#endif
