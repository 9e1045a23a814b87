/* The world's clock and processes. The network is in net.c, the disk in disk.c. */
#include "world_int.h"

#include "base/alloc.h"
#include "base/checksum.h"
#include "base/log.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
    mem_free(e);
}

void world_note(struct world *w, uint64_t what)
{
    w->digest = (w->digest ^ what) * 0x9e3779b97f4a7c15ull;
    w->digest ^= w->digest >> 29;
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

void world_end(struct proc *p, const char *why)
{
    p->ending = true;
    if (getenv("SIM_LOG"))
        fprintf(stderr, "%10.6f n%u ends: %s\n", (double)p->world->now_us / 1e6, p->number, why);
}

/* A state that no fault of the world accounts for: the disk ends its process through world_end. */
static void port_fatal(void *arg, const char *line)
{
    struct proc *p = arg;
    if (!p->ending && !world_disk_damaged(p->world, p->number))
        world_wrong(p->world, "n%u ends: %s", p->number, line);
    world_end(p, line);
}

static void on_answer(void *arg, uint64_t ticket, const struct node_answer *a)
{
    struct proc *p = arg;
    if (!p->ending)
        p->world->calls.answer(p->world->calls.arg, p->number, ticket, a);
}

static void on_read_ready(void *arg, uint64_t ticket, enum node_outcome outcome, uint64_t now_ms)
{
    struct proc *p = arg;
    if (!p->ending)
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
                              .may_be_invited = p->join_via == JOIN_NOBODY,
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
    }
    if (p->join_via != JOIN_LISTED)
        return;
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
    p->paused_until_us = p->turn_at_us = 0;
    p->ending = false;
    memset(&p->seen, 0, sizeof(p->seen));
    fill_config(w, p, &config);
    disk_recover(p, &found);
    struct node_ports ports = {.arg = p, .applying = port_applying, .say = port_say, .fatal = port_fatal};
    net_ports(&ports);
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
    net_process_ended(w, i);
    if (w->calls.crashed)
        w->calls.crashed(w->calls.arg, i);
}

void world_wipe(struct world *w, uint32_t i)
{
    assert(!w->nodes[i].node);
    disk_wipe(&w->nodes[i]);
    w->nodes[i].id = 0;
    w->promises_broken = true;
}

void world_lose_tail(struct world *w, uint32_t i, size_t entries)
{
    assert(!w->nodes[i].node);
    disk_lose_tail(&w->nodes[i], entries);
}

void world_stall_disk(struct world *w, uint32_t i, uint64_t for_us)
{
    uint64_t *free_at_us = &w->nodes[i].disk.free_at_us[QUEUE_WRITER];
    if (*free_at_us < w->now_us + for_us)
        *free_at_us = w->now_us + for_us;
}

void world_pause(struct world *w, uint32_t i, uint64_t for_us)
{
    if (w->nodes[i].paused_until_us < w->now_us + for_us)
        w->nodes[i].paused_until_us = w->now_us + for_us;
}

uint32_t world_add_alone(struct world *w)
{
    assert(w->count < WORLD_NODES_MAX);
    uint32_t i = w->count++;
    w->nodes[i].join_via = JOIN_NOBODY;
    world_start(w, i);
    return i;
}

void world_rejoin(struct world *w, uint32_t i, uint32_t via)
{
    w->nodes[i].join_via = (int)via;
    world_start(w, i);
}

void world_meet(struct world *w, uint32_t at, uint32_t other, uint64_t ticket)
{
    struct buf error = BUF_EMPTY;
    uint16_t port = (uint16_t)(PORT_BASE + other);
    if (w->nodes[at].node)
        node_meet(w->nodes[at].node, "h", port, port, ticket, &error);
    buf_deinit(&error);
}

uint32_t world_count(const struct world *w)
{
    return w->count;
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

/* On a link that still stands. */
static bool reaches_hello(const struct world *w, const struct proc *p, const struct event *e)
{
    for (size_t i = 0; i < p->link_count; i++)
        if (p->links[i].handle == e->handle && p->links[i].up)
            return w->nodes[e->from].node && w->nodes[e->from].self.node_id == p->links[i].peer;
    return false;
}

static void deliver(struct world *w, struct proc *p, struct event *e)
{
    switch (e->type) {
    case EVENT_FRAME:
        if (p->self.node_id)
            node_on_frame(p->node, e->peer, e->channel, slice_of(e->blob->data, e->blob->len), e->blob);
        break;
    case EVENT_DIAL:
        net_dial(w, p, e->handle);
        break;
    case EVENT_HELLO:
        if (reaches_hello(w, p, e))
            node_on_hello(p->node, e->handle, &w->nodes[e->from].self);
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

static void turn(struct world *w, struct proc *p)
{
    uint64_t next_us = node_turn(p->node);
    if (next_us == 0)
        next_us = w->now_us + 5;
    want_turn(w, p, next_us);
}

/* One event; clients act before it or after it, and the turn follows at once or takes in some more. */
static void pass(struct world *w, struct proc *p, struct event *e, void (*each)(void *arg, uint32_t node),
                 void *arg)
{
    bool first = prng_below(&w->chance, 2), late = w->config.lag_us && prng_below(&w->chance, 2);
    uint64_t life = p->life;
    node_time(p->node, w->now_us, wall_us(w, p));
    if (each && first)
        each(arg, p->number);
    deliver(w, p, e);
    if (each && !first && !p->ending)
        each(arg, p->number);
    if (p->life != life)
        return;
    if (late && e->type != EVENT_TURN)
        want_turn(w, p, w->now_us + prng_below(&w->chance, w->config.lag_us));
    else if (!p->ending)
        turn(w, p);
    if (p->ending) {
        w->ended++;
        world_crash(w, p->number);
    } else {
        check_node(p);
    }
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
        pass(w, p, e, each, arg);
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
        w->nodes[i].join_via = JOIN_LISTED;
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
    check_free(w);
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

void world_wrong(struct world *w, const char *fmt, ...)
{
    if (w->wrong[0])
        return;
    va_list args;
    va_start(args, fmt);
    int at = snprintf(w->wrong, sizeof(w->wrong), "%.6f s: ", (double)w->now_us / 1e6);
    vsnprintf(w->wrong + at, sizeof(w->wrong) - (size_t)at, fmt, args);
    va_end(args);
}

const char *world_failed(const struct world *w)
{
    return w->wrong[0] ? w->wrong : NULL;
}

uint64_t world_ended(const struct world *w)
{
    return w->ended;
}

uint64_t world_frames(const struct world *w)
{
    return w->frames;
}

uint64_t world_digest(struct world *w)
{
    return w->digest;
}
