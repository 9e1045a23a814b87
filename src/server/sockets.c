/* The clients' sockets, in an epoll of their own under libevent's. It is edge-triggered: the kernel says once that bytes have
 * come, or that there is room again, and whoever did not take them all has to remember it (`unread`). So a socket that has
 * been read is not looked at again to see that it is empty, and stopping to read costs no system call; among thousands of
 * connections either would have to be fetched from memory first. */
#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

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
        if ((events[i].events & EPOLLOUT) && client_unsent(c) > 0)
            client_touch(c);
        if ((events[i].events & ~(uint32_t)EPOLLOUT) == 0)
            continue;
        c->unread = true;
        c->ended |= (events[i].events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0;
        client_hear(c);
    }
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
