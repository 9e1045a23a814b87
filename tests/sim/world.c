/* The world's clock, network and processes. The disk is in disk.c. */
#include "world_int.h"

#include "base/alloc.h"
#include "base/checksum.h"
#include "base/log.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WALL_START_US 1700000000000000ull
#define PORT_BASE     7000

/* ---- events ------------------------------------------------------------------------------------------- */

static int earlier(const void *a, const void *b)
{
    const struct event *x = a, *y = b;
    if (x->at_us != y->at_us)
        return x->at_us < y->at_us ? -1 : 1;
    return x->order < y->order ? -1 : 1;
}

static void no_place(void *item, uint32_t place)
{
    (void)item;
    (void)place;
}

struct event *world_later(struct world *w, uint64_t after_us, enum event_type type, uint32_t node)
{
    struct event *e = mem_calloc(1, sizeof(*e));
    e->at_us = w->now_us + after_us;
    e->order = ++w->order;
    e->type = type;
    e->node = node;
    e->life = w->nodes[node].life;
    heap_push(&w->events, e);
    return e;
}

static void event_free(struct event *e)
{
    if (e->blob)
        blob_unref(e->blob);
    disk_event_free(&e->disk);
    mem_free(e);
}

void world_note(struct world *w, uint64_t what)
{
    w->digest = (w->digest ^ what) * 0x9e3779b97f4a7c15ull;
    w->digest ^= w->digest >> 29;
}

/* ---- the network -------------------------------------------------------------------------------------- */

static uint32_t by_id(const struct world *w, uint64_t id)
{
    for (uint32_t i = 0; i < w->count; i++)
        if (w->nodes[i].id == id && id)
            return i;
    return UINT32_MAX;
}

static bool reaches(const struct world *w, uint32_t from, uint32_t to)
{
    return !w->cut[from][to];
}

static bool port_send(void *arg, uint64_t peer, enum node_channel channel, struct slice head,
                      const struct raft_block *blocks, size_t count)
{
    struct proc *p = arg;
    struct world *w = p->world;
    uint32_t to = by_id(w, peer);
    w->frames++;
    if (to == UINT32_MAX || !w->nodes[to].node || !reaches(w, p->number, to) ||
        prng_below(&w->chance, 1000) < w->config.drop_permille)
        return true;
    size_t len = head.len;
    for (size_t i = 0; i < count; i++)
        len += blocks[i].len;
    struct blob *blob = blob_new(NULL, len);
    memcpy(blob->data, head.data, head.len);
    for (size_t i = 0, at = head.len; i < count; at += blocks[i++].len)
        memcpy(blob->data + at, blocks[i].blob->data + blocks[i].offset, blocks[i].len);
    /* One channel keeps its order; the two overtake each other. */
    uint64_t at_us = w->now_us + 20 + prng_below(&w->chance, w->config.delay_us + 1);
    uint64_t *last = &w->last_delivery_us[p->number][to][channel == NODE_BULK];
    if (at_us < *last)
        at_us = *last;
    *last = at_us;
    struct event *e = world_later(w, at_us - w->now_us, EVENT_FRAME, to);
    e->from = p->number;
    e->peer = p->id;
    e->channel = channel;
    e->blob = blob;
    return true;
}

static void hello_of(const struct proc *p, struct node_hello *out)
{
    *out = p->self;
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

static void port_hang_up(void *arg, uint32_t handle)
{
    struct proc *p = arg;
    struct link *l = find_link(p, handle);
    if (l)
        *l = p->links[--p->link_count];
}

static void port_set_self(void *arg, const struct node_hello *self)
{
    struct proc *p = arg;
    p->self = *self;
    p->id = self->node_id;
}

static void dial_event(struct world *w, struct proc *p, uint32_t handle)
{
    struct link *l = find_link(p, handle);
    if (!l || l->up)
        return;
    struct proc *to = l->to < w->count ? &w->nodes[l->to] : NULL;
    struct node_hello theirs, ours;
    if (!to || !to->node || !reaches(w, p->number, l->to) || !reaches(w, l->to, p->number)) {
        world_later(w, 5000 + prng_below(&w->chance, 20000), EVENT_DIAL, p->number)->handle = handle;
        return;
    }
    hello_of(to, &theirs);
    hello_of(p, &ours);
    bool strangers = theirs.cluster_id && ours.cluster_id && theirs.cluster_id != ours.cluster_id;
    bool other = l->expected_id && theirs.node_id != l->expected_id;
    if (strangers || other || node_admit(to->node, &ours)) {
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
static void break_links(struct world *w, uint32_t gone)
{
    for (uint32_t i = 0; i < w->count; i++) {
        struct proc *p = &w->nodes[i];
        for (size_t k = 0; p->node && k < p->link_count; k++)
            if (p->links[k].to == gone && p->links[k].up) {
                p->links[k].up = false;
                struct event *e = world_later(w, 200 + prng_below(&w->chance, 300), EVENT_LINK_LOST, i);
                e->peer = p->links[k].peer;
                e->gone = reaches(w, i, gone);
                world_later(w, 1000, EVENT_DIAL, i)->handle = p->links[k].handle;
            }
    }
}

/* ---- processes ---------------------------------------------------------------------------------------- */

static void port_applying(void *arg, bool now)
{
    (void)arg;
    (void)now;
}

static void port_say(void *arg, int level, const char *line)
{
    struct proc *p = arg;
    if (getenv("SIM_LOG"))
        fprintf(stderr, "%10.6f n%u %d %s\n", (double)p->world->now_us / 1e6, p->number, level, line);
}

static void port_fatal(void *arg, const char *line)
{
    struct proc *p = arg;
    fprintf(stderr, "node %u ends: %s\n", p->number, line);
    abort();
}

static void on_answer(void *arg, uint64_t ticket, const struct node_answer *a)
{
    struct proc *p = arg;
    p->world->calls.answer(p->world->calls.arg, p->number, ticket, a);
}

static void on_read_ready(void *arg, uint64_t ticket, enum node_outcome outcome, uint64_t now_ms)
{
    struct proc *p = arg;
    p->world->calls.read_ready(p->world->calls.arg, p->number, ticket, outcome, now_ms);
}

static void on_changed(void *arg, bool was_leader)
{
    (void)arg;
    (void)was_leader;
}

static uint64_t wall_us(const struct world *w, const struct proc *p)
{
    return (uint64_t)((int64_t)(WALL_START_US + w->now_us) + p->clock_offset_us);
}

static void fill_config(struct world *w, struct proc *p, struct node_config *c)
{
    *c = (struct node_config){.heartbeat_us = 50000,
                              .election_us = 1000000,
                              .client_wait_us = 2000000,
                              .checkpoint_bytes =
                                  w->config.checkpoint_bytes ? w->config.checkpoint_bytes : UINT64_MAX,
                              .chance = prng_next(&w->chance),
                              .settings = w->config.settings};
    snprintf(c->self.name, sizeof(c->self.name), "n%u", p->number);
    snprintf(c->self.host, sizeof(c->self.host), "h");
    c->self.port = (uint16_t)(PORT_BASE + p->number);
    c->self.peer_port = c->self.port;
    c->self.boot_nonce = prng_next(&w->chance);
    c->self.node_id = p->disk.durable.identity.node_id;
    if (p->join_via >= 0) {
        c->join_host = "h";
        c->join_port = (uint16_t)(PORT_BASE + p->join_via);
        return;
    }
    c->initial_cluster.count = w->config.nodes;
    for (uint32_t i = 0; i < w->config.nodes; i++) {
        struct raft_member *m = &c->initial_cluster.at[i];
        snprintf(m->name, sizeof(m->name), "n%u", i);
        snprintf(m->host, sizeof(m->host), "h");
        m->port = m->peer_port = (uint16_t)(PORT_BASE + i);
    }
}

static void load_entry(void *arg, const struct raft_frame *f)
{
    node_load(arg, f->index, f->term, (int)f->kind, f->len, f->payload);
}

void world_start(struct world *w, uint32_t i)
{
    struct proc *p = &w->nodes[i];
    struct node_config config;
    struct node_found found;
    assert(!p->node);
    p->world = w;
    p->number = i;
    p->life++;
    p->link_count = 0;
    p->paused_until_us = 0;
    fill_config(w, p, &config);
    disk_recover(p, &found);
    struct node_ports ports = {.arg = p,
                               .send = port_send,
                               .dial = port_dial,
                               .hang_up = port_hang_up,
                               .set_self = port_set_self,
                               .applying = port_applying,
                               .say = port_say,
                               .fatal = port_fatal};
    disk_ports(&ports);
    struct node_clients clients = {
        .arg = p, .answer = on_answer, .read_ready = on_read_ready, .changed = on_changed};
    p->self = config.self;
    p->node = node_new(&config, &found, &ports, &clients, w->now_us, wall_us(w, p));
    disk_replay(p, load_entry, p->node);
    node_start(p->node, w->now_us);
    world_later(w, 0, EVENT_TURN, i);
}

void world_crash(struct world *w, uint32_t i)
{
    struct proc *p = &w->nodes[i];
    if (!p->node)
        return;
    world_note(w, 0xc4a5 + i);
    node_free(p->node);
    p->node = NULL;
    p->life++;
    disk_crash(p);
    break_links(w, i);
    if (w->calls.crashed)
        w->calls.crashed(w->calls.arg, i);
}

void world_wipe(struct world *w, uint32_t i)
{
    assert(!w->nodes[i].node);
    disk_wipe(&w->nodes[i]);
    w->nodes[i].id = 0;
}

void world_pause(struct world *w, uint32_t i, uint64_t for_us)
{
    w->nodes[i].paused_until_us = w->now_us + for_us;
}

uint32_t world_add(struct world *w, uint32_t via)
{
    assert(w->count < WORLD_NODES_MAX);
    uint32_t i = w->count++;
    w->nodes[i].join_via = (int)via;
    world_start(w, i);
    return i;
}

/* ---- running ------------------------------------------------------------------------------------------ */

static void want_turn(struct world *w, struct proc *p, uint64_t at_us)
{
    if (p->turn_at_us && p->turn_at_us <= at_us && p->turn_at_us >= w->now_us)
        return;
    p->turn_at_us = at_us;
    world_later(w, at_us > w->now_us ? at_us - w->now_us : 0, EVENT_TURN, p->number);
}

static void deliver(struct world *w, struct proc *p, struct event *e)
{
    node_time(p->node, w->now_us, wall_us(w, p));
    switch (e->type) {
    case EVENT_FRAME:
        if (p->self.node_id)
            node_on_frame(p->node, e->peer, e->channel, slice_of(e->blob->data, e->blob->len), e->blob);
        break;
    case EVENT_DIAL:
        dial_event(w, p, e->handle);
        break;
    case EVENT_LINK_LOST:
        node_on_link(p->node, e->peer, false, e->gone);
        break;
    case EVENT_DISK:
        disk_done(p, e);
        break;
    case EVENT_TURN:
        break;
    }
}

static void turn(struct world *w, struct proc *p, void (*each)(void *arg, uint32_t node), void *arg)
{
    if (each)
        each(arg, p->number);
    uint64_t next_us = node_turn(p->node);
    if (next_us == 0)
        next_us = w->now_us + 5;
    want_turn(w, p, next_us);
}

void world_run(struct world *w, uint64_t until_us, void (*each)(void *arg, uint32_t node), void *arg)
{
    for (;;) {
        struct event *e = heap_peek(&w->events);
        if (!e || e->at_us > until_us)
            break;
        heap_pop(&w->events);
        w->now_us = e->at_us;
        struct proc *p = &w->nodes[e->node];
        if (!p->node || e->life != p->life) {
            event_free(e);
            continue;
        }
        if (p->paused_until_us > w->now_us) { /* what arrives meanwhile waits in its sockets */
            e->at_us = p->paused_until_us;
            heap_push(&w->events, e);
            continue;
        }
        if (e->type == EVENT_TURN && p->turn_at_us == e->at_us)
            p->turn_at_us = 0;
        deliver(w, p, e);
        turn(w, p, each, arg);
        event_free(e);
    }
    w->now_us = until_us;
}

struct world *world_new(const struct world_config *config, const struct world_client_calls *calls)
{
    struct world *w = mem_calloc(1, sizeof(*w));
    w->config = *config;
    w->calls = *calls;
    w->count = config->nodes;
    w->now_us = 1000000;
    prng_seed(&w->chance, config->seed);
    heap_init(&w->events, earlier, no_place);
    for (uint32_t i = 0; i < WORLD_NODES_MAX; i++)
        w->nodes[i].join_via = -1;
    for (uint32_t i = 0; i < w->count; i++)
        world_start(w, i);
    return w;
}

void world_free(struct world *w)
{
    for (uint32_t i = 0; i < w->count; i++) {
        if (w->nodes[i].node)
            node_free(w->nodes[i].node);
        disk_wipe(&w->nodes[i]);
    }
    for (struct event *e; (e = heap_pop(&w->events));)
        event_free(e);
    heap_deinit(&w->events);
    mem_free(w);
}

uint64_t world_now_us(const struct world *w)
{
    return w->now_us;
}

struct prng *world_chance(struct world *w)
{
    return &w->chance;
}

struct node *world_node(struct world *w, uint32_t i)
{
    return w->nodes[i].node;
}

uint64_t world_node_id(const struct world *w, uint32_t i)
{
    return w->nodes[i].id;
}

int world_leader(struct world *w)
{
    for (uint32_t i = 0; i < w->count; i++)
        if (w->nodes[i].node && node_is_serving(w->nodes[i].node))
            return (int)i;
    return -1;
}

void world_cut_way(struct world *w, uint32_t from, uint32_t to, bool cut)
{
    w->cut[from][to] = cut;
}

void world_cut(struct world *w, uint32_t a, uint32_t b, bool cut)
{
    w->cut[a][b] = w->cut[b][a] = cut;
}

void world_heal(struct world *w)
{
    memset(w->cut, 0, sizeof(w->cut));
    w->config.drop_permille = 0;
}

void world_drop(struct world *w, uint32_t permille)
{
    w->config.drop_permille = permille;
}

void world_clock_jump(struct world *w, uint32_t i, int64_t by_us)
{
    w->nodes[i].clock_offset_us += by_us;
}

uint64_t world_frames(const struct world *w)
{
    return w->frames;
}

uint64_t world_digest(struct world *w)
{
    return w->digest;
}
