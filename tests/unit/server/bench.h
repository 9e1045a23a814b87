/* A server on a loop of the test's own, a fake node behind it, and real connections to it over loopback. */
#ifndef SERVER_TEST_BENCH_H
#define SERVER_TEST_BENCH_H

#include "fake_node.h"
#include "server/server.h"
/* cmocka wants these before it */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* after those */
#include <cmocka.h>

struct bench {
    struct event_base *base;
    struct config *config;
    struct server *server;
    struct node *node;
    uint64_t now_us;
    uint16_t port, proxy_port;
    bool shutdown_asked;
    int busy, busy_times; /* is something under way that may take long, and how often has it been */
    struct buf broadcast; /* what the peers were sent */
};

/* `directives`: further ones, name, value, ..., NULL. */
void bench_start(struct bench *b, const char *const *directives);
void bench_stop(struct bench *b);
/* Passes of the loop until nothing more happens. */
void bench_run(struct bench *b);
void bench_sleep(struct bench *b, uint64_t ms); /* time passes for the server */
void bench_role(struct bench *b, bool serving, uint64_t leader);

int bench_connect(struct bench *b, uint16_t port);
/* Inline requests: each line is sent with CRLF behind it; then the loop runs. */
void bench_send(struct bench *b, int fd, const char *text);
void bench_send_raw(struct bench *b, int fd, const void *data, size_t len);
/* What has come, CRLF shown as '|'; "<end>" when the server closed or half-closed. In a ring of static buffers. */
const char *bench_read(struct bench *b, int fd);
#define assert_reply(b, fd, text) assert_string_equal(bench_read(b, fd), text)

#endif
