/* The dialled side: one link a handle, three connections a link. The control connection comes first and tells
 * who is there; bulk and beat follow it.
 *
 * When a control connection that stood breaks, it is dialled again at once, and the answer tells whether the
 * peer's process has ended: nobody listens any more, or another boot answers. That is what a fast failover
 * starts from (DESIGN 3), and a connection that was merely reset is told from it. */
#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "transport/transport_int.h"
#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <unistd.h>

enum {
    CLOSING_US = 200 * 1000, /* so long after the loss ... */
    CLOSING_RETRY_US = 1000, /* ... an answerless end means a process about to end: look again soon */
};

static void dial_now(struct dial *d);
static void dial_failed(struct dial *d, int error);

static void set_timer(struct dial *d, uint64_t in_us)
{
    struct timeval in = {(time_t)(in_us / 1000000), (suseconds_t)(in_us % 1000000)};
    event_add(d->timer, &in);
}

static struct dial *control(struct link *l)
{
    return &l->dials[TRANSPORT_CONTROL];
}

void link_complain(struct link *l, const char *why)
{
    uint64_t now = clock_mono_us();
    if (l->complained && now - l->complained_us < LOG_QUIET_US && strcmp(l->complaint, why) == 0)
        return;
    l->complained = true;
    l->complained_us = now;
    snprintf(l->complaint, sizeof l->complaint, "%s", why);
    log_line(LOG_WARNING, "Peer %s%s%s:%u: %s", l->hello.name, l->hello.name[0] ? " at " : "", l->host,
             l->port, why);
}

/* -- dialling
 * ------------------------------------------------------------------------------------------------------ */

static void connect_to(struct dial *d)
{
    struct link *l = d->link;
    int fd = socket(l->addr.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 || !conn_set_options(fd, l->t, d->channel)) {
        int error = errno;
        if (fd >= 0)
            close(fd);
        dial_failed(d, error);
        return;
    }
    int status = connect(fd, (const struct sockaddr *)&l->addr, l->addr_len);
    if (status != 0 && errno != EINPROGRESS) {
        int error = errno;
        close(fd);
        dial_failed(d, error);
        return;
    }
    d->conn = conn_new(l->t, fd, d, d->channel);
    snprintf(d->conn->address, sizeof d->conn->address, "%.40s:%u", l->host, l->port);
    d->state = DIAL_BUSY;
    set_timer(d, l->t->election_us);
}

static void dial_now(struct dial *d)
{
    struct link *l = d->link;
    if (d->channel != TRANSPORT_CONTROL && control(l)->state != DIAL_UP) {
        d->state = DIAL_OFF; /* the control link will call for it */
        return;
    }
    if (l->t->self.node_id == 0 || (l->peer != 0 && inject_cut(l->t->inject, l->peer))) {
        dial_failed(d, ENETUNREACH);
        return;
    }
    if (l->addr_len == 0 && d->channel == TRANSPORT_CONTROL) {
        int status = resolve_start(l->host, l->port, &l->addr, &l->addr_len, &l->resolve);
        if (status == 0) {
            d->state = DIAL_RESOLVE;
            set_timer(d, DIAL_FIRST_US);
            return;
        }
        if (status < 0) {
            dial_failed(d, EHOSTUNREACH);
            return;
        }
    }
    connect_to(d);
}

static void poll_resolver(struct dial *d)
{
    struct link *l = d->link;
    int status = resolve_poll(l->resolve, l->port, &l->addr, &l->addr_len);
    if (status == 0) {
        set_timer(d, DIAL_FIRST_US);
        return;
    }
    l->resolve = NULL;
    if (status < 0) {
        link_complain(l, "no address found for this name");
        dial_failed(d, EHOSTUNREACH);
        return;
    }
    connect_to(d);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    struct dial *d = arg;
    if (d->state == DIAL_WAIT)
        dial_now(d);
    else if (d->state == DIAL_RESOLVE)
        poll_resolver(d);
    else if (d->state == DIAL_BUSY)
        dial_failed(d, ETIMEDOUT);
}

/* -- losing
 * ------------------------------------------------------------------------------------------------------- */

static void drop_conn(struct dial *d)
{
    event_del(d->timer);
    if (d->conn)
        conn_close(d->conn);
    d->conn = NULL;
}

static void tell_gone(struct link *l)
{
    uint64_t peer = l->lost_peer;
    if (peer == 0)
        return;
    l->lost_peer = 0;
    log_line(LOG_NOTICE, "Peer %s at %s:%u: its process has ended", l->hello.name, l->host, l->port);
    if (l->t->callbacks.link_lost)
        l->t->callbacks.link_lost(l->t->callbacks.arg, peer, true);
}

static void tell_lost(struct link *l, int error)
{
    l->lost_peer = l->peer;
    l->lost_nonce = l->hello.boot_nonce;
    l->lost_at_us = clock_mono_us();
    log_line(LOG_NOTICE, "Lost the link to peer %s at %s:%u: %s", l->hello.name, l->host, l->port,
             error ? strerror(error) : "closed by the peer");
    if (l->t->callbacks.link_lost)
        l->t->callbacks.link_lost(l->t->callbacks.arg, l->peer, false);
}

/* What to wait before the next attempt. */
static uint64_t next_wait(struct dial *d, bool was_up, int error)
{
    uint64_t now = clock_mono_us();
    struct link *l = d->link;
    if (was_up && now - d->up_since_us >= DIAL_STEADY_US)
        d->backoff_us = 0;
    /* A process that ends may close its connections before its listening socket: what connected in between is
     * reset. */
    bool answerless = error == 0 || error == ECONNRESET || error == EPIPE;
    if (!was_up && answerless && l->lost_peer != 0 && now - l->lost_at_us < CLOSING_US)
        return CLOSING_RETRY_US;
    uint64_t wait = d->backoff_us;
    if (!was_up && wait == 0)
        wait = DIAL_FIRST_US;
    uint64_t next = wait ? wait * 2 : DIAL_FIRST_US;
    d->backoff_us = next < DIAL_LAST_US ? next : DIAL_LAST_US;
    return wait;
}

static void dial_failed(struct dial *d, int error)
{
    struct link *l = d->link;
    bool was_up = d->state == DIAL_UP;
    drop_conn(d);
    d->state = DIAL_WAIT;
    if (d->channel == TRANSPORT_CONTROL) {
        if (was_up)
            tell_lost(l, error);
        else if (error == ECONNREFUSED)
            tell_gone(l);
        if (l->hung_up)
            return; /* by the callback */
        if (!was_up)
            l->addr_len = 0; /* the name may lead elsewhere by now */
    } else if (control(l)->state != DIAL_UP) {
        d->state = DIAL_OFF;
        return;
    }
    uint64_t wait = next_wait(d, was_up, error);
    if (wait == 0)
        dial_now(d);
    else
        set_timer(d, wait);
}

void link_conn_failed(struct conn *c, int error)
{
    dial_failed(c->dial, error);
}

void link_beat_lost(struct transport *t, uint32_t handle, uint64_t serial)
{
    list_for_each(it, &t->links)
    {
        struct dial *d = &list_entry(it, struct link, node)->dials[CHANNEL_BEAT];
        if (d->link->handle == handle && d->state == DIAL_UP && d->serial == serial) {
            dial_failed(d, 0);
            return;
        }
    }
}

/* -- standing
 * ----------------------------------------------------------------------------------------------------- */

/* Whoever answered, has the process we lost ended? */
static void compare_boot(struct link *l, const struct transport_hello *answered)
{
    if (l->lost_peer != 0 && (answered->node_id != l->lost_peer || answered->boot_nonce != l->lost_nonce))
        tell_gone(l);
}

static void start_others(struct link *l, bool other_process)
{
    for (uint8_t ch = TRANSPORT_CONTROL + 1; ch < LINK_CHANNELS; ch++) {
        struct dial *d = &l->dials[ch];
        if (d->state == DIAL_UP && !other_process)
            continue;
        if (d->state == DIAL_UP && ch == CHANNEL_BEAT)
            beat_drop(l->t->beat, l->handle, 0);
        drop_conn(d);
        d->backoff_us = 0;
        d->state = DIAL_WAIT;
        dial_now(d);
    }
}

static void control_ready(struct dial *d, struct conn *c)
{
    struct link *l = d->link;
    struct transport *t = l->t;
    compare_boot(l, &c->peer);
    if (l->hung_up)
        return;
    bool other_process = l->peer != c->peer.node_id || l->hello.boot_nonce != c->peer.boot_nonce;
    l->lost_peer = 0;
    l->peer = c->peer.node_id;
    l->hello = c->peer;
    l->complained = false;
    log_line(LOG_NOTICE, "Link to peer %s at %s:%u stands", l->hello.name, l->host, l->port);
    if (t->callbacks.hello)
        t->callbacks.hello(t->callbacks.arg, l->handle, &l->hello);
    if (!l->hung_up && d->conn == c && t->callbacks.link_up)
        t->callbacks.link_up(t->callbacks.arg, l->peer);
    if (!l->hung_up && d->conn == c)
        start_others(l, other_process);
}

void link_conn_ready(struct conn *c)
{
    struct dial *d = c->dial;
    struct link *l = d->link;
    event_del(d->timer);
    d->state = DIAL_UP;
    d->up_since_us = clock_mono_us();
    if (d->channel == TRANSPORT_CONTROL) {
        if (l->peer != 0 && l->hello.node_id != 0)
            l->t->stats.reconnects++;
        control_ready(d, c);
    } else if (c->peer.node_id != l->peer || c->peer.boot_nonce != l->hello.boot_nonce) {
        dial_failed(d, ESTALE); /* the control link will find out by itself */
    } else if (d->channel == CHANNEL_BEAT) {
        d->conn = NULL;
        d->serial = beat_add(l->t->beat, conn_detach(c), l->peer, l->handle, 0);
    }
}

void link_conn_refused(struct conn *c, bool authentic, bool removed, const char *why)
{
    struct dial *d = c->dial;
    struct link *l = d->link;
    struct transport *t = l->t;
    struct transport_hello answered = c->peer;
    answered.removed = removed && authentic;
    if (d->channel == TRANSPORT_CONTROL) {
        char line[REFUSAL_TEXT_MAX + 64];
        if (answered.node_id != 0)
            snprintf(line, sizeof line, "node %016llx does not talk to us: %s",
                     (unsigned long long)answered.node_id, why);
        else
            snprintf(line, sizeof line, "does not talk to us: %s", why);
        link_complain(l, line);
    }
    if (d->channel == TRANSPORT_CONTROL && authentic) {
        compare_boot(l, &answered);
        if (!l->hung_up && t->callbacks.hello &&
            transport_same_cluster(answered.cluster_id, t->self.cluster_id))
            t->callbacks.hello(t->callbacks.arg, l->handle, &answered);
    }
    if (!l->hung_up && d->conn == c)
        dial_failed(d, EACCES);
}

/* -- links
 * ---------------------------------------------------------------------------------------------------------
 */

struct link *link_of(const struct transport *t, uint64_t peer)
{
    struct link *found = NULL;
    list_for_each(it, &t->links)
    {
        struct link *l = list_entry(it, struct link, node);
        if (peer == 0 || l->peer != peer)
            continue;
        if (control(l)->state == DIAL_UP)
            return l;
        if (!found)
            found = l;
    }
    return found;
}

uint32_t transport_dial(struct transport *t, const char *host, uint16_t port, uint64_t expected_id)
{
    struct link *l = mem_calloc(1, sizeof *l);
    l->t = t;
    l->handle = ++t->last_handle;
    snprintf(l->host, sizeof l->host, "%s", host);
    l->port = port;
    l->expected = l->peer = expected_id;
    for (uint8_t ch = 0; ch < LINK_CHANNELS; ch++) {
        struct dial *d = &l->dials[ch];
        d->link = l;
        d->channel = ch;
        d->state = DIAL_OFF;
        d->timer = event_new(t->base, -1, 0, on_timer, d);
    }
    list_push_back(&t->links, &l->node);
    control(l)->state = DIAL_WAIT;
    set_timer(control(l), 0);
    return l->handle;
}

void link_close(struct link *l)
{
    l->hung_up = true;
    for (uint8_t ch = 0; ch < LINK_CHANNELS; ch++) {
        drop_conn(&l->dials[ch]);
        l->dials[ch].state = DIAL_OFF;
    }
    if (l->resolve)
        resolve_cancel(l->resolve);
    l->resolve = NULL;
    beat_drop(l->t->beat, l->handle, 0);
    list_remove(&l->node);
    list_push_back(&l->t->dead_links, &l->node);
    transport_reap_soon(l->t);
}

void link_free(struct link *l)
{
    list_remove(&l->node);
    for (uint8_t ch = 0; ch < LINK_CHANNELS; ch++)
        event_free(l->dials[ch].timer);
    mem_free(l);
}

void transport_hang_up(struct transport *t, uint32_t handle)
{
    list_for_each(it, &t->links)
    {
        struct link *l = list_entry(it, struct link, node);
        if (l->handle != handle)
            continue;
        uint64_t peer = l->peer;
        link_close(l);
        /* What it sends to us goes through `admit` once more: a removed node learns it that way. */
        if (peer != 0 && !link_of(t, peer))
            listener_drop_peer(t, peer);
        return;
    }
}
