/* Ports: opening them, and taking connections in. */
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "server/server_int.h"

enum { ACCEPTS_A_PASS = 1000 };

static const char denied[] = "-DENIED Redis is running in protected mode because protected mode is enabled "
                             "and no password is set for the default "
                             "user. In this mode connections are only accepted from the loopback interface. "
                             "If you want to connect from external "
                             "computers to Redis you may adopt one of the following solutions: 1) Just "
                             "disable protected mode sending the command "
                             "'CONFIG SET protected-mode no' from the loopback interface by connecting to "
                             "Redis from the same host the server is "
                             "running, however MAKE SURE Redis is not publicly accessible from internet if "
                             "you do so. Use CONFIG REWRITE to make this "
                             "change permanent. 2) Alternatively you can just disable the protected mode by "
                             "editing the Redis configuration file, and "
                             "setting the protected mode option to 'no', and then restarting the server. 3) "
                             "If you started the server manually just "
                             "for testing, restart it with the '--protected-mode no' option. 4) Setup a an "
                             "authentication password for the default "
                             "user. NOTE: You only need to do one of the above things in order for the "
                             "server to start accepting connections from the "
                             "outside.\r\n";

static void address_text(const struct sockaddr_storage *sa, char out[ADDRESS_TEXT])
{
    char host[INET6_ADDRSTRLEN] = "?";
    int port = 0;
    if (sa->ss_family == AF_INET) {
        const struct sockaddr_in *in = (const void *)sa;
        inet_ntop(AF_INET, &in->sin_addr, host, sizeof host);
        port = ntohs(in->sin_port);
        snprintf(out, ADDRESS_TEXT, "%s:%d", host, port);
        return;
    }
    const struct sockaddr_in6 *in6 = (const void *)sa;
    inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof host);
    port = ntohs(in6->sin6_port);
    if (IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr))
        snprintf(out, ADDRESS_TEXT, "%s:%d", host + sizeof "::ffff:" - 1, port);
    else
        snprintf(out, ADDRESS_TEXT, "[%s]:%d", host, port);
}

static bool is_loopback(const struct sockaddr_storage *sa)
{
    if (sa->ss_family == AF_INET)
        return ntohl(((const struct sockaddr_in *)(const void *)sa)->sin_addr.s_addr) >> 24 == 127;
    const struct in6_addr *a = &((const struct sockaddr_in6 *)(const void *)sa)->sin6_addr;
    return IN6_IS_ADDR_LOOPBACK(a) || (IN6_IS_ADDR_V4MAPPED(a) && a->s6_addr[12] == 127);
}

/* One error, as far as the socket takes it, and away. */
static void turn_away(struct server *s, int fd, const char *error)
{
    ssize_t n = send(fd, error, strlen(error), MSG_NOSIGNAL | MSG_DONTWAIT);
    (void)n; /* it is refused either way */
    s->stats.rejected_connections++;
    close(fd);
}

static void set_socket_options(const struct server *s, int fd)
{
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    int idle = (int)s->config->tcp_keepalive_s;
    if (idle == 0)
        return;
    int interval = idle / 3 > 0 ? idle / 3 : 1, count = 3;
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof interval);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof count);
}

static void take_in(struct listener *l, int fd, const struct sockaddr_storage *sa)
{
    struct server *s = l->server;
    s->stats.connections++;
    if (s->config->protected_mode && s->door_open && !is_loopback(sa)) {
        turn_away(s, fd, denied);
        return;
    }
    if (s->client_count >= (size_t)s->config->maxclients) {
        turn_away(s, fd, "-ERR max number of clients reached\r\n");
        return;
    }
    char peer[ADDRESS_TEXT], local[ADDRESS_TEXT] = "?";
    struct sockaddr_storage mine;
    socklen_t len = sizeof mine;
    address_text(sa, peer);
    if (getsockname(fd, (struct sockaddr *)&mine, &len) == 0)
        address_text(&mine, local);
    set_socket_options(s, fd);
    if (!client_new(s, fd, l->mode, peer, local))
        turn_away(s, fd, "-ERR max number of clients reached\r\n");
}

static void on_accept(evutil_socket_t fd, short what, void *arg)
{
    struct listener *l = arg;
    (void)what;
    server_woken(l->server);
    for (int i = 0; i < ACCEPTS_A_PASS; i++) {
        struct sockaddr_storage sa;
        socklen_t len = sizeof sa;
        int accepted = accept4(fd, (struct sockaddr *)&sa, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (accepted >= 0) {
            take_in(l, accepted, &sa);
            continue;
        }
        if (errno == EINTR || errno == ECONNABORTED)
            continue;
        if (errno != EAGAIN) {
            /* Out of descriptors: the backlog would wake us for ever, so look again at the next tick. */
            log_line(LOG_WARNING, "Accepting a connection failed: %s", strerror(errno));
            event_del(&l->accept);
            l->armed = false;
        }
        return;
    }
}

void listeners_rearm(struct server *s)
{
    for (size_t i = 0; i < s->listener_count; i++) {
        struct listener *l = &s->listeners[i];
        if (!l->armed && l->fd >= 0) {
            event_add(&l->accept, NULL);
            l->armed = true;
        }
    }
}

static int open_socket(const struct addrinfo *a, int backlog)
{
    int fd = socket(a->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    int on = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (a->ai_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    if (bind(fd, a->ai_addr, a->ai_addrlen) == 0 && listen(fd, backlog) == 0)
        return fd;
    int saved = errno;
    close(fd);
    errno = saved;
    return -1;
}

static bool is_missing_family(int error)
{
    return error == EADDRNOTAVAIL || error == EAFNOSUPPORT || error == ENOPROTOOPT ||
           error == EPROTONOSUPPORT;
}

/* "*" is every IPv4 address and "::*" every IPv6 one. */
static bool open_one(struct server *s, const char *host, bool optional, uint16_t port, int mode,
                     struct buf *error)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE}, *found = NULL;
    char service[8];
    snprintf(service, sizeof service, "%u", port);
    const char *name = host;
    if (strcmp(host, "*") == 0 || strcmp(host, "::*") == 0) {
        hints.ai_family = *host == '*' ? AF_INET : AF_INET6;
        name = NULL;
    }
    int failure = getaddrinfo(name, service, &hints, &found);
    if (failure) {
        if (!optional)
            buf_printf(error, "can't bind to %s: %s", host, gai_strerror(failure));
        return optional;
    }
    int fd = open_socket(found, (int)s->config->tcp_backlog);
    int reason = errno;
    freeaddrinfo(found);
    if (fd < 0) {
        bool tolerated = optional && is_missing_family(reason);
        if (!tolerated)
            buf_printf(error, "can't listen on %s port %u: %s", host, port, strerror(reason));
        return tolerated;
    }
    struct listener *l = &s->listeners[s->listener_count++];
    *l = (struct listener){.server = s, .fd = fd, .mode = mode, .port = port, .armed = true};
    event_assign(&l->accept, s->base, fd, EV_READ | EV_PERSIST, on_accept, l);
    event_add(&l->accept, NULL);
    return true;
}

static bool open_port(struct server *s, uint16_t port, int mode, struct buf *error)
{
    const struct config *c = s->config;
    size_t before = s->listener_count;
    if (c->bind_count == 0)
        return open_one(s, "*", false, port, mode, error);
    for (size_t i = 0; i < c->bind_count; i++)
        if (!open_one(s, c->bind[i].host, c->bind[i].optional, port, mode, error))
            return false;
    if (s->listener_count == before)
        buf_printf(error, "no address to listen on for port %u", port);
    return s->listener_count > before;
}

bool listeners_open(struct server *s, struct buf *error)
{
    const struct config *c = s->config;
    if (!open_port(s, (uint16_t)c->port, c->follower_mode, error))
        return false;
    for (size_t i = 0; i < c->extra_port_count; i++)
        if (!open_port(s, c->extra_ports[i].port, c->extra_ports[i].mode, error))
            return false;
    return true;
}

void listeners_poll(struct server *s)
{
    for (size_t i = 0; i < s->listener_count; i++)
        if (s->listeners[i].armed)
            on_accept(s->listeners[i].fd, EV_READ, &s->listeners[i]);
}

void listeners_drain(struct server *s)
{
    for (size_t i = 0; i < s->listener_count; i++)
        on_accept(s->listeners[i].fd, EV_READ, &s->listeners[i]);
}

void listeners_close(struct server *s)
{
    for (size_t i = 0; i < s->listener_count; i++) {
        event_del(&s->listeners[i].accept);
        close(s->listeners[i].fd);
    }
    s->listener_count = 0;
}
