/* The room as its callers see it: making and ending it, sending, and finding the connection of a peer. */
#include "transport/transport.h"
#include "base/alloc.h"
#include "transport/transport_int.h"
#include <assert.h>
#include <event2/event.h>

/* Connections and links close in the middle of their own callbacks; their memory goes when nobody can be in
 * one. */
static void reap(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    struct transport *t = arg;
    while (!list_empty(&t->graves))
        conn_free(list_entry(t->graves.next, struct conn, node));
    while (!list_empty(&t->dead_links))
        link_free(list_entry(t->dead_links.next, struct link, node));
}

void transport_reap_soon(struct transport *t)
{
    struct timeval now = {0, 0};
    event_add(t->reaper, &now);
}

struct transport *transport_new(const struct transport_config *config,
                                const struct transport_callbacks *callbacks, char *error, size_t error_len)
{
    assert(callbacks->frame && config->heartbeat_us > 0 && config->election_us > 0);
    struct transport *t = mem_calloc(1, sizeof *t);
    t->base = config->base;
    t->callbacks = *callbacks;
    t->self = config->self;
    t->heartbeat_us = config->heartbeat_us;
    t->election_us = config->election_us;
    if (config->secret && *config->secret) {
        size_t len = strlen(config->secret) + 1;
        t->secret = mem_alloc(len);
        memcpy(t->secret, config->secret, len);
    }
    struct list *lists[] = {&t->pending, &t->accepted, &t->graves, &t->dirty, &t->links, &t->dead_links};
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++)
        list_init(lists[i]);
    t->reaper = event_new(t->base, -1, 0, reap, t);
    t->inject = inject_new(t);
    t->beat = beat_new(t);
    if (!listener_open(t, config->bind_host, config->port, error, error_len)) {
        transport_free(t);
        return NULL;
    }
    listener_resume(t);
    return t;
}

void transport_free(struct transport *t)
{
    if (!t)
        return;
    listener_close(t);
    while (!list_empty(&t->links))
        link_close(list_entry(t->links.next, struct link, node));
    while (!list_empty(&t->pending))
        conn_close(list_entry(t->pending.next, struct conn, node));
    while (!list_empty(&t->accepted))
        conn_close(list_entry(t->accepted.next, struct conn, node));
    beat_free(t->beat);
    inject_free(t->inject);
    reap(-1, 0, t);
    event_free(t->reaper);
    if (t->secret)
        explicit_bzero(t->secret, strlen(t->secret));
    mem_free(t->secret);
    mem_free(t);
}

/* A node with another id or cluster is another node: nothing that was negotiated holds. */
static void drop_everything(struct transport *t)
{
    list_for_each(it, &t->accepted) conn_break(list_entry(it, struct conn, node));
    list_for_each(it, &t->pending) conn_break(list_entry(it, struct conn, node));
    list_for_each(it, &t->links)
    {
        struct link *l = list_entry(it, struct link, node);
        for (uint8_t ch = 0; ch < LINK_CHANNELS; ch++)
            if (l->dials[ch].conn)
                conn_break(l->dials[ch].conn);
    }
    beat_drop(t->beat, 0, 0);
}

static void announce(struct transport *t)
{
    struct buf b = BUF_EMPTY;
    hello_encode(&b, &t->self);
    list_for_each(it, &t->links)
    {
        struct link *l = list_entry(it, struct link, node);
        struct dial *d = &l->dials[TRANSPORT_CONTROL];
        if (d->state != DIAL_UP)
            continue;
        if (!transport_same_cluster(l->hello.cluster_id, t->self.cluster_id))
            conn_break(d->conn);
        else
            conn_queue(d->conn, FRAME_ANNOUNCE, buf_slice(&b));
    }
    buf_deinit(&b);
}

void transport_set_self(struct transport *t, const struct transport_hello *self)
{
    struct transport_hello old = t->self;
    t->self = *self;
    t->self.removed = false;
    if (old.node_id != self->node_id || (old.cluster_id != 0 && old.cluster_id != self->cluster_id)) {
        drop_everything(t);
        listener_pause(t);
        listener_resume(t);
        return;
    }
    list_for_each(it, &t->accepted)
    {
        struct conn *c = list_entry(it, struct conn, node);
        if (!transport_same_cluster(c->peer.cluster_id, self->cluster_id))
            conn_break(c);
    }
    announce(t);
}

struct conn *transport_conn(const struct transport *t, uint64_t peer, uint8_t channel)
{
    const struct link *l = link_of(t, peer);
    return l && l->dials[channel].state == DIAL_UP ? l->dials[channel].conn : NULL;
}

uint32_t transport_handle_of(const struct transport *t, uint64_t peer)
{
    const struct link *l = link_of(t, peer);
    return l ? l->handle : 0;
}

bool transport_is_up(const struct transport *t, uint64_t peer)
{
    return transport_conn(t, peer, TRANSPORT_CONTROL) != NULL;
}

bool transport_queue(struct transport *t, uint64_t peer, uint8_t channel, struct slice head,
                     const struct raft_block *blocks, size_t count)
{
    struct conn *c = transport_conn(t, peer, channel);
    if (!c || c->broken)
        return false;
    size_t len = head.len;
    for (size_t i = 0; i < count; i++)
        len += blocks[i].len;
    assert(len <= (channel == TRANSPORT_CONTROL ? CONTROL_FRAME_MAX : TRANSPORT_FRAME_MAX));
    size_t limit = channel == TRANSPORT_CONTROL ? CONTROL_QUEUE_MAX : BULK_QUEUE_MAX;
    if (c->out.bytes > 0 && (c->out.bytes >= limit || len + FRAME_HEADER > limit - c->out.bytes))
        return false;
    outq_frame(&c->out, FRAME_DATA, head, blocks, count);
    t->stats.frames_out++;
    if (!c->dirty) {
        c->dirty = true;
        list_push_back(&t->dirty, &c->dirty_node);
    }
    return true;
}

bool transport_send(struct transport *t, uint64_t peer, enum transport_channel channel, struct slice head,
                    const struct raft_block *blocks, size_t block_count)
{
    assert(channel == TRANSPORT_CONTROL || channel == TRANSPORT_BULK || channel == TRANSPORT_NEWS);
    if (inject_active(t->inject)) {
        if (!transport_conn(t, peer, (uint8_t)channel))
            return false;
        if (inject_drop(t->inject, peer) ||
            inject_delay(t->inject, false, peer, (uint8_t)channel, head, blocks, block_count, NULL))
            return true; /* the network has it */
    }
    return transport_queue(t, peer, (uint8_t)channel, head, blocks, block_count);
}

/* Several links may lead to one peer: it gets the frame once. */
void transport_broadcast(struct transport *t, struct slice frame)
{
    list_for_each(it, &t->links)
    {
        const struct link *l = list_entry(it, struct link, node);
        if (l->peer && link_of(t, l->peer) == l)
            (void)transport_send(t, l->peer, TRANSPORT_NEWS, frame, NULL, 0);
    }
}

size_t transport_queued(const struct transport *t, uint64_t peer, enum transport_channel channel)
{
    const struct conn *c = transport_conn(t, peer, (uint8_t)channel);
    return c ? c->out.bytes : 0;
}

void transport_flush(struct transport *t)
{
    while (!list_empty(&t->dirty))
        conn_flush(list_entry(t->dirty.next, struct conn, dirty_node));
}

void transport_turn(struct transport *t, bool leader, uint64_t term, uint64_t leader_id)
{
    beat_turn(t->beat, leader, term, leader_id);
}

void transport_applying(struct transport *t, bool applying)
{
    beat_applying(t->beat, applying);
}

void transport_stats(const struct transport *t, struct transport_stats *out)
{
    *out = t->stats;
}

static void add_conn(struct transport_link *link, const struct conn *c)
{
    link->allocated += outq_memory(&c->out);
    link->used += c->out.bytes;
    link->writing |= c->writing;
}

static struct transport_link dialled(const struct link *l)
{
    struct transport_link link = {.peer = l->peer, .since_us = l->dials[TRANSPORT_CONTROL].up_since_us};
    for (uint8_t ch = 0; ch < LINK_CHANNELS; ch++)
        if (l->dials[ch].conn)
            add_conn(&link, l->dials[ch].conn);
    return link;
}

/* `c`: its control connection. The others of it have the same tag. */
static struct transport_link accepted(const struct transport *t, const struct conn *c)
{
    struct transport_link link = {.peer = c->peer.node_id, .inbound = true, .since_us = c->ready_us};
    list_for_each(it, &t->accepted)
    {
        const struct conn *other = list_entry(it, struct conn, node);
        if (other->peer.node_id == c->peer.node_id && other->tag == c->tag)
            add_conn(&link, other);
    }
    return link;
}

void transport_links(const struct transport *t, void (*each)(void *arg, const struct transport_link *link),
                     void *arg)
{
    struct transport_link link;
    list_for_each(it, &t->links)
    {
        const struct link *l = list_entry(it, struct link, node);
        if (!l->peer || link_of(t, l->peer) != l || l->dials[TRANSPORT_CONTROL].state != DIAL_UP)
            continue;
        link = dialled(l);
        each(arg, &link);
    }
    list_for_each(it, &t->accepted)
    {
        const struct conn *c = list_entry(it, struct conn, node);
        if (c->channel != TRANSPORT_CONTROL || c->state != CONN_READY)
            continue;
        link = accepted(t, c);
        each(arg, &link);
    }
}

void transport_inject(struct transport *t, const struct transport_fault *fault)
{
    inject_set(t->inject, fault);
}
