/* A connection to another server, for one batch of requests. Names are looked up on a thread of their own. */
#include "server/errand.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"

enum { READ_BYTES = 16 * 1024, LINE_MAX_BYTES = 4096 };
#define PATIENCE_MAX_MS (UINT64_MAX / 4000)

/* A name being looked up. It outlives the errand that does not wait for it any more. */
struct lookup {
    struct errand *errand; /* NULL: nobody waits */
    char host[RAFT_HOST_MAX], port[16];
    struct addrinfo *found; /* NULL: no such name */
    int fd[2];              /* the thread has ended when it closes its side */
    pthread_t thread;
    struct event ended;
};

enum step { LOOKING_UP, CONNECTING, SENDING, LISTENING };

struct errand {
    struct server *server;
    errand_done *done;
    void *arg;
    enum step step;
    uint64_t patience_us, until_us; /* by the machine's clock; begins anew with what gets us on */
    struct slice request;           /* what is left of it */
    size_t answers;                 /* that are still to come */
    struct buf lines;
    size_t unfinished; /* where in `lines` the one begins that has come in part */
    struct lookup *lookup;
    struct addrinfo *found;
    const struct addrinfo *at; /* to be tried next */
    int fd;
    bool armed;
    struct event event;
};

static void on_event(evutil_socket_t fd, short what, void *arg);

static void end(struct errand *e, enum errand_end how)
{
    if (e->armed)
        event_del(&e->event);
    e->armed = false;
    e->done(e->arg, how, buf_slice(&e->lines));
}

static void renew_patience(struct errand *e)
{
    e->until_us = clock_mono_us() + e->patience_us;
}

/* For the socket; `what` 0: for nothing but that patience ends. */
static void await(struct errand *e, short what)
{
    uint64_t now_us = clock_mono_us(), left_us = e->until_us > now_us ? e->until_us - now_us : 0;
    struct timeval left = {(time_t)(left_us / 1000000), (suseconds_t)(left_us % 1000000)};
    if (e->armed)
        event_del(&e->event);
    event_assign(&e->event, e->server->base, what ? e->fd : -1, what, on_event, e);
    event_add(&e->event, &left);
    e->armed = true;
}

/* The next address that does not refuse at once. false: there is none left. */
static bool dial(struct errand *e)
{
    e->step = CONNECTING;
    for (; e->at; e->at = e->at->ai_next) {
        int on = 1;
        if (e->fd >= 0)
            close(e->fd);
        e->fd = socket(e->at->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (e->fd < 0)
            continue;
        setsockopt(e->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        if (connect(e->fd, e->at->ai_addr, e->at->ai_addrlen) == 0 || errno == EINPROGRESS) {
            e->at = e->at->ai_next;
            renew_patience(e);
            await(e, EV_WRITE);
            return true;
        }
    }
    return false;
}

static bool is_connected(const struct errand *e)
{
    int error = 0;
    socklen_t len = sizeof error;
    return getsockopt(e->fd, SOL_SOCKET, SO_ERROR, &error, &len) == 0 && error == 0;
}

static void send_on(struct errand *e)
{
    while (e->request.len) {
        ssize_t n = send(e->fd, e->request.data, e->request.len, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN) {
            await(e, EV_WRITE);
            return;
        }
        if (n < 0) {
            end(e, ERRAND_NOT_SENT);
            return;
        }
        e->request = slice_drop(e->request, (size_t)n);
        renew_patience(e);
    }
    e->step = LISTENING;
    await(e, EV_READ);
}

/* How many lines have become whole with what lies from `from` on. */
static size_t whole_lines(struct errand *e, size_t from)
{
    size_t n = 0;
    for (size_t i = from; i < e->lines.len; i++) {
        if (e->lines.data[i] != '\n')
            continue;
        n++;
        e->unfinished = i + 1;
    }
    return n;
}

/* Whoever sends bytes and no line keeps us neither for ever nor in memory without end. */
static void hear(struct errand *e)
{
    ssize_t n = recv(e->fd, buf_reserve(&e->lines, READ_BYTES), READ_BYTES, 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
        await(e, EV_READ);
        return;
    }
    size_t from = e->lines.len;
    e->lines.len += n > 0 ? (size_t)n : 0;
    size_t came = whole_lines(e, from);
    e->answers -= came < e->answers ? came : e->answers;
    if (came)
        renew_patience(e);
    if (e->answers == 0)
        end(e, ERRAND_ANSWERED);
    else if (n <= 0 || e->lines.len - e->unfinished > LINE_MAX_BYTES)
        end(e, ERRAND_UNANSWERED);
    else
        await(e, EV_READ);
}

static void on_event(evutil_socket_t fd, short what, void *arg)
{
    struct errand *e = arg;
    (void)fd;
    server_woken(e->server);
    e->armed = false;
    if (e->step == LOOKING_UP) {
        end(e, ERRAND_NOT_CONNECTED);
    } else if (e->step == CONNECTING) {
        if (what & EV_TIMEOUT || !is_connected(e)) {
            if (what & EV_TIMEOUT || !dial(e))
                end(e, ERRAND_NOT_CONNECTED);
            return;
        }
        e->step = SENDING;
        send_on(e);
    } else if (what & EV_TIMEOUT) {
        end(e, e->step == SENDING ? ERRAND_NOT_SENT : ERRAND_UNANSWERED);
    } else if (e->step == SENDING) {
        send_on(e);
    } else {
        hear(e);
    }
}

/* ---- names ---- */

static void *look_up(void *arg)
{
    struct lookup *l = arg;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    if (getaddrinfo(l->host, l->port, &hints, &l->found) != 0)
        l->found = NULL;
    close(l->fd[1]);
    return NULL;
}

static void on_looked_up(evutil_socket_t fd, short what, void *arg)
{
    struct lookup *l = arg;
    struct errand *e = l->errand;
    (void)fd, (void)what;
    pthread_join(l->thread, NULL);
    event_del(&l->ended);
    close(l->fd[0]);
    if (e) {
        server_woken(e->server);
        e->lookup = NULL;
        e->at = e->found = l->found;
        if (!dial(e))
            end(e, ERRAND_NOT_CONNECTED);
    } else if (l->found) {
        freeaddrinfo(l->found);
    }
    mem_free(l);
}

static bool begin_lookup(struct errand *e, const char *host, const char *port)
{
    struct lookup *l = mem_calloc(1, sizeof *l);
    snprintf(l->host, sizeof l->host, "%s", host);
    snprintf(l->port, sizeof l->port, "%s", port);
    l->errand = e;
    if (pipe2(l->fd, O_CLOEXEC) < 0) {
        mem_free(l);
        return false;
    }
    if (pthread_create(&l->thread, NULL, look_up, l) != 0) {
        close(l->fd[0]);
        close(l->fd[1]);
        mem_free(l);
        return false;
    }
    event_assign(&l->ended, e->server->base, l->fd[0], EV_READ, on_looked_up, l);
    event_add(&l->ended, NULL);
    e->lookup = l;
    return true;
}

static void begin(struct errand *e, struct slice host, struct slice port)
{
    char name[RAFT_HOST_MAX], service[16];
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV};
    bool fits = host.len && host.len < sizeof name && port.len < sizeof service;
    snprintf(name, sizeof name, "%.*s", (int)host.len, host.data);
    snprintf(service, sizeof service, "%.*s", (int)port.len, port.data);
    if (fits && getaddrinfo(name, service, &hints, &e->found) == 0) {
        e->at = e->found;
        if (dial(e))
            return;
    } else if (fits && begin_lookup(e, name, service)) {
        renew_patience(e);
        await(e, 0);
        return;
    }
    e->until_us = 0; /* it is told from the loop */
    e->step = LOOKING_UP;
    await(e, 0);
}

struct errand *errand_new(struct server *s, struct slice host, struct slice port, struct slice request,
                          size_t answers, uint64_t timeout_ms, errand_done *done, void *arg)
{
    struct errand *e = mem_calloc(1, sizeof *e);
    e->server = s;
    e->done = done;
    e->arg = arg;
    e->request = request;
    e->answers = answers;
    e->patience_us = timeout_ms < PATIENCE_MAX_MS ? timeout_ms * 1000 : PATIENCE_MAX_MS * 1000;
    e->fd = -1;
    begin(e, host, port);
    return e;
}

void errand_free(struct errand *e)
{
    if (!e)
        return;
    if (e->armed)
        event_del(&e->event);
    if (e->lookup)
        e->lookup->errand = NULL;
    if (e->found)
        freeaddrinfo(e->found);
    if (e->fd >= 0)
        close(e->fd);
    buf_deinit(&e->lines);
    mem_free(e);
}
