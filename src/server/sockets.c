/* The clients' sockets, in an epoll of their own under libevent's. It is edge-triggered: the kernel says once that bytes have
 * come, or that there is room again, and whoever did not take them all has to remember it (`unread`). So a socket that has
 * been read is not looked at again to see that it is empty, and stopping to read costs no system call; among thousands of
 * connections either would have to be fetched from memory first. */
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/log.h"
#include "server/server_int.h"

enum {
    EVENTS_A_PASS = 1024,
    FETCHED_AHEAD = 4,
    FETCHED_BYTES = 256, /* of a client: what a request needs first */
    CACHE_LINE = 64,
};

static void fetch(const struct client *c)
{
    for (size_t at = 0; at < FETCHED_BYTES; at += CACHE_LINE)
        __builtin_prefetch((const char *)c + at, 1);
}

/* Those whose sockets held more than one read took, or who have only now been allowed to go on. */
static void hear_unread(struct server *s)
{
    struct list todo;
    list_init(&todo);
    while (!list_empty(&s->unread)) {
        struct list *it = s->unread.next;
        list_remove(it);
        list_push_back(&todo, it);
    }
    while (!list_empty(&todo)) {
        struct client *c = list_entry(todo.next, struct client, unread_link);
        list_remove(&c->unread_link);
        client_hear(c);
    }
}

static void hear_event(struct client *c, uint32_t what)
{
    if ((what & EPOLLOUT) && client_unsent(c) > 0)
        client_touch(c);
    if ((what & ~(uint32_t)EPOLLOUT) == 0)
        return;
    c->unread = true;
    c->ended |= (what & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0;
    if (c == c->server->script.client)
        client_touch(c); /* its turn comes when its script has ended */
    else
        client_hear(c);
}

static void on_sockets(evutil_socket_t fd, short what, void *arg)
{
    struct server *s = arg;
    struct epoll_event events[EVENTS_A_PASS];
    (void)what;
    server_woken(s);
    hear_unread(s);
    int count = epoll_wait(fd, events, EVENTS_A_PASS, 0); /* what is left makes libevent call again */
    for (int i = 0; i < count; i++) {
        struct client *c = events[i].data.ptr; /* freed at the end of a pass only */
        if (i + FETCHED_AHEAD < count)
            fetch(events[i + FETCHED_AHEAD].data.ptr);
        hear_event(c, events[i].events);
    }
}

/* Whoever is on the stack may be taking requests out of what these hold. */
struct taking {
    struct resp_parser parser;
    char *shared_input;
    struct request ahead[REQUESTS_AHEAD];
    struct slice ahead_args[REQUESTS_AHEAD][REQUEST_AHEAD_ARGS];
    struct slice *argv; /* the script's own, if it is no entry */
    size_t argv_cap;
    struct buf scratch, error; /* where its reply may be going */
};

static void take_aside(struct server *s, struct taking *t)
{
    t->parser = s->parser;
    t->shared_input = s->shared_input;
    memcpy(t->ahead, s->ahead, sizeof t->ahead);
    memcpy(t->ahead_args, s->ahead_args, sizeof t->ahead_args);
    t->argv = s->argv;
    t->argv_cap = s->argv_cap;
    t->scratch = s->scratch;
    t->error = s->error;
    s->argv = NULL;
    s->argv_cap = 0;
    s->scratch = (struct buf)BUF_EMPTY;
    s->error = (struct buf)BUF_EMPTY;
    resp_parser_init(&s->parser);
    s->shared_input = mem_alloc(SHARED_INPUT);
}

static void put_back(struct server *s, const struct taking *t)
{
    resp_parser_deinit(&s->parser);
    mem_free(s->shared_input);
    mem_free(s->argv);
    buf_deinit(&s->scratch);
    buf_deinit(&s->error);
    s->argv = t->argv;
    s->argv_cap = t->argv_cap;
    s->scratch = t->scratch;
    s->error = t->error;
    s->parser = t->parser;
    s->shared_input = t->shared_input;
    memcpy(s->ahead, t->ahead, sizeof t->ahead);
    memcpy(s->ahead_args, t->ahead_args, sizeof t->ahead_args);
}

/* Nobody is freed here, and the one whose reply is being written is left alone. */
static void flush_others(struct server *s)
{
    struct list todo, later;
    list_init(&todo);
    list_init(&later);
    while (!list_empty(&s->changed)) {
        struct client *c = list_entry(s->changed.next, struct client, changed_link);
        list_remove(&c->changed_link);
        list_push_back(c == s->script.client || c->doomed ? &later : &todo, &c->changed_link);
    }
    while (!list_empty(&todo))
        client_flush(list_entry(todo.next, struct client, changed_link));
    while (!list_empty(&later)) {
        struct list *it = later.next;
        list_remove(it);
        list_push_back(&s->changed, it);
    }
}

void sockets_poll(struct server *s)
{
    struct epoll_event events[FETCHED_AHEAD * 4];
    struct taking taking;
    s->script.polling = true;
    take_aside(s, &taking);
    listeners_poll(s); /* whoever is to end it may have to come first */
    int count = epoll_wait(s->sockets, events, sizeof events / sizeof *events, 0);
    for (int i = 0; i < count; i++)
        hear_event(events[i].data.ptr, events[i].events);
    flush_others(s);
    put_back(s, &taking);
    s->script.polling = false;
}

void sockets_open(struct server *s)
{
    list_init(&s->unread);
    s->sockets = epoll_create1(EPOLL_CLOEXEC);
    if (s->sockets < 0)
        log_fatal("epoll_create1: %s", strerror(errno));
    event_assign(&s->sockets_event, s->base, s->sockets, EV_READ | EV_PERSIST, on_sockets, s);
    event_add(&s->sockets_event, NULL);
}

void sockets_close(struct server *s)
{
    event_del(&s->sockets_event);
    close(s->sockets);
}

bool socket_watch(struct client *c)
{
    struct epoll_event e = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = c};
    return epoll_ctl(c->server->sockets, EPOLL_CTL_ADD, c->fd, &e) == 0;
}

/* Closing it would not do: a child that writes a snapshot holds it open. */
void socket_forget(struct client *c)
{
    (void)epoll_ctl(c->server->sockets, EPOLL_CTL_DEL, c->fd, NULL);
    list_remove(&c->unread_link);
}

void socket_hear_again(struct client *c)
{
    if (c->unread && c->reading && list_empty(&c->unread_link))
        list_push_back(&c->server->unread, &c->unread_link);
}

void sockets_turn(struct server *s)
{
    if (!list_empty(&s->unread))
        event_active(&s->sockets_event, EV_READ, 0);
}
