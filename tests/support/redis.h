/* A redis-server of a test's own, on a unix socket, to compare with. Needs redis-tools (see tests/support/redis-server). */
#ifndef SUPPORT_REDIS_H
#define SUPPORT_REDIS_H

#include <sys/types.h>

#include "base/bytes.h"

struct redis {
    pid_t pid;
    char dir[64], socket[80];
};

bool redis_start(struct redis *r); /* from the repository's root; waits until it serves */
void redis_stop(struct redis *r);
int redis_connect(const struct redis *r); /* -1: refused */
/* Setup and teardown of a group of cmocka tests: one server, and a connection to it. */
extern int redis_fd;
int redis_group_start(void **state);
int redis_group_stop(void **state);
/* Sends one request and appends the bytes of its reply. */
void redis_call(int fd, const struct slice *argv, size_t argc, struct buf *reply);

#endif
