/* The world's network: links that are dialled and break, frames that are lost, late, or come twice. */
#include "world_int.h"

#include <assert.h>
#include <string.h>

static uint32_t by_id(const struct world *w, uint64_t id)
{
    for (uint32_t i = 0; i < w->count; i++)
        if (w->nodes[i].id == id && id)
            return i;
    return UINT32_MAX;
}

static bool reaches(const struct world *w, uint32_t from, uint32_t to)
{
    uint32_t both = 1u << from | 1u << to;
    return (w->healthy & both) == both || (!w->cut[from][to] && !w->flapped[from][to]);
}

/* Either way: nothing can be agreed on while what is sent does not arrive. */
static bool clogged(const struct world *w, uint32_t a, uint32_t b)
{
    uint32_t both = 1u << a | 1u << b;
    return (w->healthy & both) != both &&
           (w->clogged_until_us[a][b] > w->now_us || w->clogged_until_us[b][a] > w->now_us);
}

static struct blob *joined(struct slice head, const struct raft_block *blocks, size_t count)
{
    size_t len = head.len;
    for (size_t i = 0; i < count; i++)
        len += blocks[i].len;
    struct blob *blob = blob_new(NULL, len);
    memcpy(blob->data, head.data, head.len);
    for (size_t i = 0, at = head.len; i < count; at += blocks[i++].len)
        memcpy(blob->data + at, blocks[i].blob->data + blocks[i].offset, blocks[i].len);
    return blob;
}

/* Whether a misfortune that comes so often comes now. */
static bool unlucky(struct world *w, uint32_t permille, enum fault what)
{
    if (prng_below(&w->chance, 1000) >= permille)
        return false;
    w->counts.fired[what]++;
    return true;
}

/* How long what was sent before occupies the line, and this one too. */
static uint64_t bulk_wait_us(struct world *w, uint32_t from, uint32_t to, size_t len)
{
    uint64_t *free_us = &w->bulk_free_us[from][to];
    if (*free_us < w->now_us)
        *free_us = w->now_us;
    *free_us += (uint64_t)len * 1000000 / w->bulk_bytes_s;
    return *free_us - w->now_us;
}

/* One channel keeps its order, unless disorder is asked for; the two overtake each other. Now and then a frame,
 * and all behind it, is late. */
static uint64_t arrival_us(struct proc *p, uint32_t to, enum node_channel channel, size_t len, bool healthy)
{
    struct world *w = p->world;
    uint64_t at_us = w->now_us + 20 + prng_below(&w->chance, w->config.delay_us + 1);
    if (!healthy && unlucky(w, w->config.late_permille, FAULT_LATE))
        at_us += prng_below(&w->chance, w->config.late_us + 1);
    if (!healthy && at_us < w->clogged_until_us[p->number][to])
        at_us = w->clogged_until_us[p->number][to];
    if (channel == NODE_BULK && w->bulk_bytes_s)
        at_us += bulk_wait_us(w, p->number, to, len);
    uint64_t *last = &w->last_delivery_us[p->number][to][channel == NODE_BULK];
    if (!healthy && unlucky(w, w->config.disorder_permille, FAULT_OVERTAKES))
        return at_us;
    if (at_us < *last)
        at_us = *last;
    *last = at_us;
    return at_us;
}

/* Nodes that answer each other ever faster are a failure too. */
static void count_frame(struct world *w)
{
    w->counts.frames++;
    if (w->second != w->now_us / 1000000) {
        w->second = w->now_us / 1000000;
        w->second_frames = 0;
    }
    if (++w->second_frames > w->config.frames_max && w->config.frames_max)
        world_wrong(w, "%llu frames within a second", (unsigned long long)w->second_frames);
}

static bool port_send(void *arg, uint64_t peer, enum node_channel channel, struct slice head,
                      const struct raft_block *blocks, size_t count)
{
    struct proc *p = arg;
    struct world *w = p->world;
    uint32_t to = by_id(w, peer);
    if (p->ending)
        return true;
    check_send(p, head);
    count_frame(w);
    if (to == UINT32_MAX || !w->nodes[to].node || !reaches(w, p->number, to))
        return true;
    bool healthy = (w->healthy >> p->number & 1) && (w->healthy >> to & 1);
    if (!healthy && unlucky(w, w->config.drop_permille, FAULT_LOSS))
        return true;
    struct blob *blob = joined(head, blocks, count);
    if (channel == NODE_BULK)
        w->counts.bulk_bytes += blob->len;
    bool twice = !healthy && unlucky(w, w->config.disorder_permille, FAULT_TWICE);
    for (int copy = 0; copy <= twice; copy++) {
        struct event *e =
            world_later(w, arrival_us(p, to, channel, blob->len, healthy) - w->now_us, EVENT_FRAME, to);
        e->from = p->number;
        e->from_life = p->life;
        e->peer = p->id;
        e->channel = channel;
        e->blob = blob;
        if (copy)
            blob_ref(blob);
    }
    return true;
}

/* A link is tried now and then until it stands; then both ends know it. */
static uint32_t port_dial(void *arg, const char *host, uint16_t port, uint64_t expected_id)
{
    (void)host;
    struct proc *p = arg;
    assert(p->link_count < LINKS_MAX);
    struct link *l = &p->links[p->link_count++];
    *l = (struct link){.handle = ++p->handle, .to = (uint32_t)(port - PORT_BASE), .expected_id = expected_id};
    world_later(p->world, 100, EVENT_DIAL, p->number)->handle = l->handle;
    return l->handle;
}

static struct link *find_link(struct proc *p, uint32_t handle)
{
    for (size_t i = 0; i < p->link_count; i++)
        if (p->links[i].handle == handle)
            return &p->links[i];
    return NULL;
}

static void break_link(struct proc *p, struct link *l, bool gone)
{
    struct world *w = p->world;
    l->up = false;
    struct event *e = world_later(w, 1 + prng_below(&w->chance, 500), EVENT_LINK_LOST, p->number);
    e->peer = l->peer;
    e->gone = gone;
    world_later(w, 1000 + prng_below(&w->chance, 20000), EVENT_DIAL, p->number)->handle = l->handle;
}

/* What the peer sends on is closed too, unless another handle leads to it: it has to be admitted anew. */
static void port_hang_up(void *arg, uint32_t handle)
{
    struct proc *p = arg;
    struct link *l = find_link(p, handle);
    if (!l)
        return;
    uint32_t to = l->to;
    *l = p->links[--p->link_count];
    for (size_t i = 0; i < p->link_count; i++)
        if (p->links[i].to == to)
            return;
    struct proc *q = to < p->world->count ? &p->world->nodes[to] : NULL;
    for (size_t i = 0; q && q->node && i < q->link_count; i++)
        if (q->links[i].to == p->number && q->links[i].up)
            break_link(q, &q->links[i], false);
}

/* Another id, or a cluster left: every connection is made anew. Else the peers are told. */
static void port_set_self(void *arg, const struct node_hello *self)
{
    struct proc *p = arg;
    bool other =
        p->self.node_id != self->node_id || (p->self.cluster_id && p->self.cluster_id != self->cluster_id);
    p->self = *self;
    p->id = self->node_id;
    for (uint32_t i = 0; i < p->world->count; i++) {
        struct proc *q = &p->world->nodes[i];
        if (other)
            world_reset_link(p->world, p->number, i);
        for (size_t k = 0; !other && q->node && k < q->link_count; k++)
            if (q->links[k].up && q->links[k].to == p->number) {
                struct event *e = world_later(p->world, 100, EVENT_HELLO, i);
                e->handle = q->links[k].handle;
                e->from = p->number;
            }
    }
}

void net_dial(struct world *w, struct proc *p, uint32_t handle)
{
    struct link *l = find_link(p, handle);
    if (!l || l->up)
        return;
    struct proc *to = l->to < w->count ? &w->nodes[l->to] : NULL;
    struct node_hello theirs, ours;
    if (!to || !to->node || !reaches(w, p->number, l->to) || !reaches(w, l->to, p->number) ||
        clogged(w, p->number, l->to) || to->paused_until_us > w->now_us) {
        world_later(w, 5000 + prng_below(&w->chance, 20000), EVENT_DIAL, p->number)->handle = handle;
        return;
    }
    theirs = to->self;
    ours = p->self;
    bool strangers = theirs.cluster_id && ours.cluster_id && theirs.cluster_id != ours.cluster_id;
    bool other = l->expected_id && theirs.node_id != l->expected_id;
    if (strangers && !l->expected_id) { /* a founded cluster that dials whoever is there: CLUSTER MEET */
        ours.invites = true;
        node_on_hello(to->node, 0, &ours);
    } else if (!strangers && !other && node_admit(to->node, &ours)) {
        theirs.removed = true;
        node_on_hello(p->node, handle, &theirs);
    } else if (!strangers && other) {
        node_on_hello(p->node, handle, &theirs);
    }
    if (strangers || other || theirs.removed) {
        world_later(w, 100000, EVENT_DIAL, p->number)->handle = handle;
        return;
    }
    l->up = true;
    l->life = to->life;
    l->peer = theirs.node_id;
    node_on_hello(p->node, handle, &theirs);
    node_on_hello(to->node, 0, &ours);
    node_on_link(p->node, theirs.node_id, true, false);
}

/* The process at the other end has ended: every link to it breaks and a fresh connect is refused. */
void net_process_ended(struct world *w, uint32_t gone)
{
    for (uint32_t i = 0; i < w->count; i++) {
        struct proc *p = &w->nodes[i];
        for (size_t k = 0; p->node && k < p->link_count; k++)
            if (p->links[k].to == gone && p->links[k].up)
                break_link(p, &p->links[k], reaches(w, i, gone));
    }
}

/* A connection breaks, both ways, and is made anew. What was under way may still arrive. */
void world_reset_link(struct world *w, uint32_t a, uint32_t b)
{
    for (int way = 0; way < 2; way++, a ^= b, b ^= a, a ^= b) {
        struct proc *p = &w->nodes[a];
        for (size_t k = 0; p->node && k < p->link_count; k++) {
            if (p->links[k].to == b && p->links[k].up)
                break_link(p, &p->links[k], false);
        }
    }
}

void net_ports(struct node_ports *ports)
{
    ports->send = port_send;
    ports->dial = port_dial;
    ports->hang_up = port_hang_up;
    ports->set_self = port_set_self;
}
