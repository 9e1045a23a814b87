/* The accepted side: the listening sockets, the handshakes under way, and the links that other nodes send to
 * us on. */
#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "transport/transport_int.h"
#include <arpa/inet.h>
#include <errno.h>
#include <event2/event.h>
#include <netdb.h>
#include <stdio.h>
#include <unistd.h>

void listener_complain(struct transport *t, const char *address, const char *why)
{
    uint64_t now = clock_mono_us();
    if (t->complained_us != 0 && now - t->complained_us < LOG_QUIET_US / 10) {
        t->complaints_kept_back++;
        return;
    }
    if (t->complaints_kept_back > 0)
        log_line(LOG_WARNING, "Peer port, %s: %s (and %llu more like this)", address, why,
                 (unsigned long long)t->complaints_kept_back);
    else
        log_line(LOG_WARNING, "Peer port, %s: %s", address, why);
    t->complained_us = now;
    t->complaints_kept_back = 0;
}

static void on_deadline(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    struct conn *c = arg;
    c->t->stats.junk++;
    listener_complain(c->t, c->address, "no handshake in time; closed");
    conn_close(c);
}

static void address_text(const struct sockaddr_storage *a, socklen_t len, char *out, size_t out_len)
{
    char host[48] = "?", port[8] = "?";
    (void)getnameinfo((const struct sockaddr *)a, len, host, sizeof host, port, sizeof port,
                      NI_NUMERICHOST | NI_NUMERICSERV);
    snprintf(out, out_len, "%s:%s", host, port);
}

void listener_resume(struct transport *t)
{
    for (size_t i = 0; i < t->listen_count && t->self.node_id != 0; i++)
        event_add(t->listen_events[i], NULL);
}

void listener_pause(struct transport *t)
{
    for (size_t i = 0; i < t->listen_count; i++)
        event_del(t->listen_events[i]);
}

static void on_accept_again(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    listener_resume(arg);
}

/* Out of descriptors: the waiting connection would wake the loop again and again. */
static void rest(struct transport *t)
{
    listener_complain(t, "accept", strerror(errno));
    listener_pause(t);
    struct timeval in = {0, 100000};
    event_add(t->accept_again, &in);
}

static void on_accept(evutil_socket_t fd, short what, void *arg)
{
    (void)what;
    struct transport *t = arg;
    for (int i = 0; i < 16; i++) {
        struct sockaddr_storage addr = {0};
        socklen_t len = sizeof addr;
        int peer = accept4((int)fd, (struct sockaddr *)&addr, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (peer < 0) {
            if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
                rest(t);
            return;
        }
        /* Whoever floods the port pushes out other strangers; a handshake of ours takes a millisecond. */
        while (t->pending_count >= PENDING_MAX) {
            conn_close(list_entry(t->pending.next, struct conn, node));
            t->stats.junk++;
        }
        if (!conn_set_options(peer, t, TRANSPORT_CONTROL)) {
            close(peer);
            continue;
        }
        struct conn *c = conn_new(t, peer, NULL, TRANSPORT_CONTROL);
        address_text(&addr, len, c->address, sizeof c->address);
        list_push_back(&t->pending, &c->node);
        t->pending_count++;
        c->deadline = event_new(t->base, -1, 0, on_deadline, c);
        struct timeval in = {(time_t)(t->election_us / 1000000), (suseconds_t)(t->election_us % 1000000)};
        event_add(c->deadline, &in);
    }
}

/* A peer that dials again has given up its former connection, whether we have noticed or not. */
static void replace_older(const struct conn *c)
{
    size_t others = 0;
    struct conn *oldest = NULL;
    list_for_each_safe(it, tmp, &c->t->accepted)
    {
        struct conn *other = list_entry(it, struct conn, node);
        if (other->peer.node_id != c->peer.node_id)
            continue;
        bool same = other->channel == c->channel && other->tag == c->tag;
        if (same || other->peer.boot_nonce != c->peer.boot_nonce) {
            conn_close(other);
        } else if (other->channel == c->channel) {
            others++;
            oldest = oldest ? oldest : other;
        }
    }
    if (others >= TAGS_MAX)
        conn_close(oldest);
}

void listener_ready(struct conn *c)
{
    struct transport *t = c->t;
    t->pending_count--;
    t->accepted_count++;
    list_remove(&c->node);
    event_free(c->deadline);
    c->deadline = NULL;
    buf_deinit(&c->transcript);
    replace_older(c);
    list_push_back(&t->accepted, &c->node);
    if (t->accepted_count > ACCEPTED_MAX)
        conn_close(list_entry(t->accepted.next, struct conn, node));
    c->in.payload_max = c->channel == TRANSPORT_CONTROL ? CONTROL_FRAME_MAX : TRANSPORT_FRAME_MAX;
    if (c->channel != CHANNEL_BEAT)
        return;
    if (c->out.count > 0) { /* a welcome of 48 bytes does not fit into a fresh socket: nothing to build on */
        conn_close(c);
        return;
    }
    beat_add(t->beat, conn_detach(c), c->peer.node_id, 0, c->tag);
}

void listener_drop_peer(struct transport *t, uint64_t peer)
{
    list_for_each_safe(it, tmp, &t->accepted)
    {
        struct conn *c = list_entry(it, struct conn, node);
        if (c->peer.node_id == peer)
            conn_close(c);
    }
    beat_drop(t->beat, 0, peer);
}

/* The peer has changed: it was founded, or has moved on. Its id cannot change without a new connection. */
static void take_announcement(struct conn *c, const struct frame *f)
{
    struct transport *t = c->t;
    struct transport_hello h;
    struct reader r = reader_of(f->payload);
    if (f->payload.len > HANDSHAKE_FRAME_MAX || !hello_decode(&r, &h) || reader_left(&r) != 0 ||
        h.node_id != c->peer.node_id || h.boot_nonce != c->peer.boot_nonce) {
        conn_junk(c);
        return;
    }
    c->peer = h;
    if (!transport_same_cluster(h.cluster_id, t->self.cluster_id)) {
        t->stats.refused++;
        listener_complain(t, c->address, "the peer has entered another cluster; closed");
        conn_close(c);
        return;
    }
    if (t->callbacks.hello)
        t->callbacks.hello(t->callbacks.arg, 0, &h);
}

void listener_frame(struct conn *c, const struct frame *f)
{
    struct transport *t = c->t;
    if (f->type == FRAME_ANNOUNCE && c->channel == TRANSPORT_CONTROL) {
        take_announcement(c, f);
        return;
    }
    if (f->type != FRAME_DATA) {
        conn_junk(c);
        return;
    }
    uint64_t peer = c->peer.node_id;
    if (inject_active(t->inject) &&
        (inject_drop(t->inject, peer) ||
         inject_delay(t->inject, true, peer, c->channel, f->payload, NULL, 0, f->blob)))
        return;
    t->callbacks.frame(t->callbacks.arg, peer, (enum transport_channel)c->channel, f->payload, f->blob);
}

/* -- opening and closing
 * ------------------------------------------------------------------------------------------ */

static int listen_at(const struct addrinfo *a)
{
    int on = 1, off = 0;
    int fd = socket(a->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (a->ai_family == AF_INET6)
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, a->ai_flags & AI_PASSIVE ? &off : &on, sizeof on);
    if (bind(fd, a->ai_addr, a->ai_addrlen) == 0 && listen(fd, 128) == 0)
        return fd;
    int error = errno;
    close(fd);
    errno = error;
    return -1;
}

/* `host` NULL: every address, of both families where there is IPv6. */
static bool open_one(struct transport *t, const char *host, uint16_t port, char *error, size_t error_len)
{
    char service[8];
    snprintf(service, sizeof service, "%u", port);
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE}, *found = NULL;
    hints.ai_family = host ? AF_UNSPEC : AF_INET6;
    int status = getaddrinfo(host, service, &hints, &found), fd = -1;
    if (status == 0) {
        found->ai_flags = host ? 0 : AI_PASSIVE;
        fd = listen_at(found);
        freeaddrinfo(found);
    }
    if (fd < 0 && !host && (status != 0 || errno == EAFNOSUPPORT || errno == EADDRNOTAVAIL)) {
        hints.ai_family = AF_INET;
        if ((status = getaddrinfo(NULL, service, &hints, &found)) == 0) {
            fd = listen_at(found);
            freeaddrinfo(found);
        }
    }
    if (fd < 0) {
        snprintf(error, error_len, "cannot listen for peers on %s:%u: %s", host ? host : "*", port,
                 status != 0 ? gai_strerror(status) : strerror(errno));
        return false;
    }
    t->listen_fds[t->listen_count] = fd;
    t->listen_events[t->listen_count] = event_new(t->base, fd, EV_READ | EV_PERSIST, on_accept, t);
    t->listen_count++;
    return true;
}

/* `hosts` as Redis's bind: several, divided by spaces; "-" before one: it may be missing on this machine;
 * "*": all. */
bool listener_open(struct transport *t, const char *hosts, uint16_t port, char *error, size_t error_len)
{
    t->accept_again = event_new(t->base, -1, 0, on_accept_again, t);
    while (hosts && *hosts == ' ')
        hosts++;
    if (!hosts || !*hosts)
        return open_one(t, NULL, port, error, error_len);
    while (*hosts) {
        char host[RAFT_HOST_MAX];
        size_t len = strcspn(hosts, " ");
        bool optional = *hosts == '-';
        snprintf(host, sizeof host, "%.*s", (int)(len - optional), hosts + optional);
        hosts += len + strspn(hosts + len, " ");
        bool all = strcmp(host, "*") == 0 || strcmp(host, "::*") == 0;
        if (t->listen_count == LISTENERS_MAX) {
            snprintf(error, error_len, "more than %d addresses to listen on", LISTENERS_MAX);
            return false;
        }
        if (!open_one(t, all ? NULL : host, port, error, error_len) && !optional)
            return false;
    }
    if (t->listen_count == 0)
        return false; /* all of them optional and missing: `error` tells of the last */
    return true;
}

void listener_close(struct transport *t)
{
    for (size_t i = 0; i < t->listen_count; i++) {
        event_free(t->listen_events[i]);
        close(t->listen_fds[i]);
    }
    t->listen_count = 0;
    if (t->accept_again)
        event_free(t->accept_again);
}
