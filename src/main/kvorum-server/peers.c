/* The node's peers are the transport room: ports turned into its calls, its callbacks into the node's. */
#include <stdio.h>

#include "main/kvorum-server/process.h"

static struct transport_hello wire_hello(const struct node_hello *h)
{
    struct transport_hello t = {.node_id = h->node_id,
                                .cluster_id = h->cluster_id,
                                .boot_nonce = h->boot_nonce,
                                .term = h->term,
                                .has_entries = h->has_entries,
                                .port = h->port,
                                .peer_port = h->peer_port,
                                .port_redirect = h->port_redirect,
                                .port_readonly = h->port_readonly,
                                .port_proxy = h->port_proxy,
                                .apply_version = h->apply_version};
    memcpy(t.name, h->name, sizeof t.name);
    memcpy(t.host, h->host, sizeof t.host);
    return t;
}

static struct node_hello node_hello(const struct transport_hello *t)
{
    struct node_hello h = {.node_id = t->node_id,
                           .cluster_id = t->cluster_id,
                           .boot_nonce = t->boot_nonce,
                           .term = t->term,
                           .has_entries = t->has_entries,
                           .port = t->port,
                           .peer_port = t->peer_port,
                           .port_redirect = t->port_redirect,
                           .port_readonly = t->port_readonly,
                           .port_proxy = t->port_proxy,
                           .apply_version = t->apply_version,
                           .removed = t->removed,
                           .invites = t->invites};
    memcpy(h.name, t->name, sizeof h.name);
    memcpy(h.host, t->host, sizeof h.host);
    return h;
}

/* ---- the node asks ---- */

static bool send_frame(void *arg, uint64_t peer, enum node_channel channel, struct slice head,
                       const struct raft_block *blocks, size_t block_count)
{
    struct process *p = arg;
    enum transport_channel on = channel == NODE_BULK ? TRANSPORT_BULK : TRANSPORT_CONTROL;
    return p->transport && transport_send(p->transport, peer, on, head, blocks, block_count);
}

static uint32_t dial(void *arg, const char *host, uint16_t port, uint64_t expected_id)
{
    struct process *p = arg;
    return p->transport ? transport_dial(p->transport, host, port, expected_id) : 0;
}

static void hang_up(void *arg, uint32_t handle)
{
    struct process *p = arg;
    if (p->transport)
        transport_hang_up(p->transport, handle);
}

static void set_self(void *arg, const struct node_hello *self)
{
    struct process *p = arg;
    struct transport_hello hello = wire_hello(self);
    if (p->transport)
        transport_set_self(p->transport, &hello);
}

void process_busy(struct process *p, bool now)
{
    p->busy += now ? 1 : -1;
    if (p->transport && p->busy == now)
        transport_applying(p->transport, now);
}

static void applying(void *arg, bool now)
{
    process_busy(arg, now);
}

void peers_broadcast(struct process *p, struct slice frame)
{
    if (p->transport)
        transport_broadcast(p->transport, frame);
}

/* What the peers are to get goes out before the clients' replies, and before our own journal's thread takes the processor: a
 * majority waits for it. */
void peers_flush(struct process *p)
{
    uint64_t term, leader;
    bool leads = node_office(p->node, &term, &leader);
    if (p->transport) {
        transport_turn(p->transport, leads, term, leader);
        transport_flush(p->transport);
    }
    storage_release(p->storage);
}

static void flush(void *arg)
{
    peers_flush(arg);
}

void peers_bind(struct node_ports *ports)
{
    ports->flush = flush;
    ports->send = send_frame;
    ports->dial = dial;
    ports->hang_up = hang_up;
    ports->set_self = set_self;
    ports->applying = applying;
}

/* ---- the transport tells ---- */

/* The time is taken after the frame was read. A pass may be long, or stopped half way; measured against the time at
 * which it began, what the sender's clock shows would lie ahead by as much, and take the cluster's with it. */
static void on_frame(void *arg, uint64_t peer, enum transport_channel channel, struct slice frame,
                     struct blob *blob)
{
    struct process *p = arg;
    process_time(p);
    if (channel == TRANSPORT_NEWS)
        server_on_broadcast(p->server, peer, frame);
    else
        node_on_frame(p->node, peer, channel == TRANSPORT_BULK ? NODE_BULK : NODE_CONTROL, frame, blob);
}

static void on_hello(void *arg, uint32_t handle, const struct transport_hello *hello)
{
    struct process *p = arg;
    struct node_hello h = node_hello(hello);
    process_wake(p);
    node_on_hello(p->node, handle, &h);
}

static void on_link_up(void *arg, uint64_t peer)
{
    struct process *p = arg;
    process_wake(p);
    node_on_link(p->node, peer, true, false);
}

static void on_link_lost(void *arg, uint64_t peer, bool gone)
{
    struct process *p = arg;
    process_wake(p);
    node_on_link(p->node, peer, false, gone);
}

static void on_beat(void *arg, uint64_t peer, uint64_t term)
{
    struct process *p = arg;
    process_wake(p);
    node_on_beat(p->node, peer, term);
}

static const char *admit(void *arg, const struct transport_hello *hello)
{
    struct process *p = arg;
    struct node_hello h = node_hello(hello);
    return node_admit(p->node, &h);
}

bool peers_open(struct process *p, const struct node_hello *self, char *error, size_t error_len)
{
    const struct config *c = p->config;
    struct buf bind = BUF_EMPTY;
    config_get(c, "bind", &bind);
    put_u8(&bind, '\0');
    struct transport_config config = {.base = p->base,
                                      .bind_host = c->bind_count ? bind.data : NULL,
                                      .port = (uint16_t)c->peer_port,
                                      .secret = *c->masterauth ? c->masterauth : NULL,
                                      .self = wire_hello(self),
                                      .heartbeat_us = (uint64_t)c->heartbeat_ms * 1000,
                                      .election_us = (uint64_t)c->election_ms * 1000};
    struct transport_callbacks callbacks = {.arg = p,
                                            .frame = on_frame,
                                            .hello = on_hello,
                                            .link_up = on_link_up,
                                            .link_lost = on_link_lost,
                                            .beat = on_beat,
                                            .admit = admit};
    p->transport = transport_new(&config, &callbacks, error, error_len);
    buf_deinit(&bind);
    return p->transport != NULL;
}
