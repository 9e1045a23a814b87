/* The transport as the node's network. */
#include "process.h"

#include <string.h>

void peers_fill_hello(const struct node_hello *from, struct transport_hello *to)
{
    *to = (struct transport_hello){.node_id = from->node_id,
                                   .cluster_id = from->cluster_id,
                                   .boot_nonce = from->boot_nonce,
                                   .term = from->term,
                                   .has_entries = from->has_entries,
                                   .port = from->port,
                                   .peer_port = from->peer_port,
                                   .port_redirect = from->port_redirect,
                                   .port_readonly = from->port_readonly,
                                   .port_proxy = from->port_proxy,
                                   .apply_version = from->apply_version};
    memcpy(to->name, from->name, sizeof(to->name));
    memcpy(to->host, from->host, sizeof(to->host));
}

static void hello_to_node(const struct transport_hello *from, struct node_hello *to)
{
    *to = (struct node_hello){.node_id = from->node_id,
                              .cluster_id = from->cluster_id,
                              .boot_nonce = from->boot_nonce,
                              .term = from->term,
                              .has_entries = from->has_entries,
                              .port = from->port,
                              .peer_port = from->peer_port,
                              .port_redirect = from->port_redirect,
                              .port_readonly = from->port_readonly,
                              .port_proxy = from->port_proxy,
                              .apply_version = from->apply_version};
    memcpy(to->name, from->name, sizeof(to->name));
    memcpy(to->host, from->host, sizeof(to->host));
}

static bool send_frame(void *arg, uint64_t peer, enum node_channel channel, struct slice head,
                       const struct raft_block *blocks, size_t count)
{
    struct process *p = arg;
    return transport_send(p->transport, peer, channel == NODE_BULK ? TRANSPORT_BULK : TRANSPORT_CONTROL, head, blocks,
                          count);
}

static uint32_t dial(void *arg, const char *host, uint16_t port, uint64_t expected_id)
{
    struct process *p = arg;
    return transport_dial(p->transport, host, port, expected_id);
}

static void hang_up(void *arg, uint32_t handle)
{
    struct process *p = arg;
    transport_hang_up(p->transport, handle);
}

static void set_self(void *arg, const struct node_hello *self)
{
    struct process *p = arg;
    struct transport_hello hello;
    peers_fill_hello(self, &hello);
    transport_set_self(p->transport, &hello);
}

static void applying(void *arg, bool now)
{
    struct process *p = arg;
    transport_applying(p->transport, now);
}

void peers_fill_ports(struct process *p, struct node_ports *ports)
{
    ports->arg = p;
    ports->send = send_frame;
    ports->dial = dial;
    ports->hang_up = hang_up;
    ports->set_self = set_self;
    ports->applying = applying;
}

static void on_frame(void *arg, uint64_t peer, enum transport_channel channel, struct slice frame, struct blob *blob)
{
    struct process *p = arg;
    process_awake(p);
    node_on_frame(p->node, peer, channel == TRANSPORT_BULK ? NODE_BULK : NODE_CONTROL, frame, blob);
}

static void on_hello(void *arg, uint32_t handle, const struct transport_hello *hello)
{
    struct process *p = arg;
    struct node_hello h;
    process_awake(p);
    hello_to_node(hello, &h);
    node_on_hello(p->node, handle, &h);
}

static void on_link_up(void *arg, uint64_t peer)
{
    struct process *p = arg;
    process_awake(p);
    node_on_link(p->node, peer, true, false);
}

static void on_link_lost(void *arg, uint64_t peer, bool gone)
{
    struct process *p = arg;
    process_awake(p);
    node_on_link(p->node, peer, false, gone);
}

static void on_beat(void *arg, uint64_t peer, uint64_t term)
{
    struct process *p = arg;
    process_awake(p);
    node_on_beat(p->node, peer, term);
}

static const char *admit(void *arg, const struct transport_hello *hello)
{
    struct process *p = arg;
    struct node_hello h;
    process_awake(p);
    hello_to_node(hello, &h);
    return node_admit(p->node, &h);
}

void peers_fill_callbacks(struct process *p, struct transport_callbacks *callbacks)
{
    *callbacks = (struct transport_callbacks){.arg = p,
                                              .frame = on_frame,
                                              .hello = on_hello,
                                              .link_up = on_link_up,
                                              .link_lost = on_link_lost,
                                              .beat = on_beat,
                                              .admit = admit};
}
