/* See bench.h. */
#include "bench.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../tests/support/ports.h"
#include "base/clock.h"
#include "base/log.h"

enum { READ_MAX = 4 * 1024 * 1024, QUIET_PASSES = 4 };

static void on_busy(void *arg, bool now)
{
    struct bench *b = arg;
    b->busy += now ? 1 : -1;
    b->busy_times += now;
}

static void on_shutdown(void *arg, bool now)
{
    struct bench *b = arg;
    (void)now;
    b->shutdown_asked = true;
}

static void on_broadcast(void *arg, struct slice frame)
{
    struct bench *b = arg;
    buf_append_slice(&b->broadcast, frame);
}

static void set(struct config *c, const char *name, const char *value)
{
    struct buf error = BUF_EMPTY;
    struct slice words[2] = {slice_cstr(value)};
    size_t count = 1;
    const char *space = strcmp(name, "extra-port") == 0 ? strchr(value, ' ') : NULL;
    if (space) {
        words[0].len = (size_t)(space - value);
        words[1] = slice_cstr(space + 1);
        count = 2;
    }
    if (!config_set(c, slice_cstr(name), words, count, true, &error))
        fail_msg("%s %s: %.*s", name, value, (int)error.len, error.data);
    buf_deinit(&error);
}

void bench_start(struct bench *b, const char *const *directives)
{
    char text[64];
    struct buf error = BUF_EMPTY;
    memset(b, 0, sizeof *b);
    log_set_level(LOG_WARNING);
    b->base = event_base_new();
    b->config = config_new();
    b->port = test_port();
    b->proxy_port = test_port();
    snprintf(text, sizeof text, "%u", b->port);
    set(b->config, "port", text);
    set(b->config, "cluster-port", "1");
    snprintf(text, sizeof text, "%u proxy", b->proxy_port);
    set(b->config, "extra-port", text);
    set(b->config, "bind", "127.0.0.1");
    for (size_t i = 0; directives && directives[i]; i += 2)
        set(b->config, directives[i], directives[i + 1]);
    assert_true(config_finish(b->config, &error));
    struct server_hooks hooks = {
        .arg = b, .shutdown = on_shutdown, .broadcast = on_broadcast, .busy = on_busy};
    b->server = server_new(b->base, b->config, &hooks);
    if (!server_listen(b->server, &error))
        fail_msg("%.*s", (int)error.len, error.data);
    b->node = fake_new();
    b->node->clients = server_clients(b->server);
    b->now_us = clock_mono_us();
    server_time(b->server, b->now_us, 1000000000);
    server_attach(b->server, b->node);
}

void bench_stop(struct bench *b)
{
    server_detach(b->server);
    server_free(b->server);
    fake_free(b->node);
    config_free(b->config);
    event_base_free(b->base);
    buf_deinit(&b->broadcast);
}

static void one_pass(struct bench *b)
{
    bool more = true;
    while (more) { /* what is left in a socket is read by the next pass */
        server_time(b->server, b->now_us, 1000000000);
        event_base_loop(b->base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
        more = server_turn(b->server);
    }
}

void bench_run(struct bench *b)
{
    for (int i = 0; i < QUIET_PASSES; i++) {
        one_pass(b);
        usleep(200); /* loopback delivers in its own time */
    }
}

/* The timers are libevent's, so real time has to pass too: a tick of the server's timer. */
void bench_sleep(struct bench *b, uint64_t ms)
{
    b->now_us += ms * 1000;
    usleep(110000);
    bench_run(b);
    usleep(110000);
    bench_run(b);
}

void bench_role(struct bench *b, bool serving, uint64_t leader)
{
    bool was_leader = b->node->serving && !serving;
    b->node->serving = serving;
    b->node->leader = leader;
    b->node->clients.changed(b->node->clients.arg, was_leader);
    bench_run(b);
}

int bench_connect(struct bench *b, uint16_t port)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof to) == 0);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    bench_run(b);
    return fd;
}

void bench_send_raw(struct bench *b, int fd, const void *data, size_t len)
{
    const char *at = data;
    while (len) {
        ssize_t n = send(fd, at, len, MSG_NOSIGNAL);
        if (n < 0 && errno != EAGAIN)
            return; /* the server has closed: the test looks at what it said */
        if (n > 0) {
            at += n;
            len -= (size_t)n;
        }
        one_pass(b);
    }
    bench_run(b);
}

void bench_send(struct bench *b, int fd, const char *text)
{
    struct buf lines = BUF_EMPTY;
    for (; *text; text++) {
        if (*text == '\n')
            put_u8(&lines, '\r');
        put_u8(&lines, (uint8_t)*text);
    }
    buf_append_cstr(&lines, "\r\n");
    bench_send_raw(b, fd, lines.data, lines.len);
    buf_deinit(&lines);
}

const char *bench_read(struct bench *b, int fd)
{
    static char texts[4][READ_MAX];
    static int turn;
    char *text = texts[turn++ % 4];
    size_t len = 0;
    bench_run(b);
    for (;;) {
        ssize_t n = recv(fd, text + len, READ_MAX - 8 - len, 0);
        if (n <= 0) {
            if (n == 0 || errno != EAGAIN)
                len += (size_t)sprintf(text + len, "<end>");
            break;
        }
        len += (size_t)n;
    }
    text[len] = '\0';
    char *to = text;
    for (char *from = text; *from; from++) {
        if (*from == '\r')
            *to++ = '|';
        else if (*from != '\n')
            *to++ = *from;
    }
    *to = '\0';
    return text;
}
