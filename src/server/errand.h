/* Requests that another server answers with a line each: sent, and the answers waited for, without ever blocking. */
#ifndef SERVER_ERRAND_H
#define SERVER_ERRAND_H

#include "server/server_int.h"

enum errand_end {
    ERRAND_ANSWERED,
    ERRAND_NOT_CONNECTED,
    ERRAND_NOT_SENT,   /* not all of it */
    ERRAND_UNANSWERED, /* not all of it */
};
/* `lines`: the answers that came, each with its "\r\n"; good until errand_free, which is the callee's to call. */
typedef void errand_done(void *arg, enum errand_end end, struct slice lines);

struct errand;
/* Borrows `request` until it is over. `timeout_ms`: without anything that gets it on, bytes taken or a line that is whole.
 * `done` does not come inside. */
struct errand *errand_new(struct server *s, struct slice host, struct slice port, struct slice request,
                          size_t answers, uint64_t timeout_ms, errand_done *done, void *arg);
void errand_free(struct errand *e); /* at any time; then `done` does not come any more */

#endif
