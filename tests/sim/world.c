/* The world's clock and processes. The network is in net.c, the disk in disk.c. */
#include "world_int.h"

#include "base/alloc.h"
#include "base/checksum.h"
#include "base/log.h"
#include "node/node_int.h"

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
    if (p->node && p->node->raft && strstr(line, "entries acknowledged before may be lost")) {
        p->aloud_term = raft_term(p->node->raft);
        p->world->said_lost++;
    }
    if (p->world->log)
        fprintf(stderr, "%10.6f n%u %d %s\n", (double)p->world->now_us / 1e6, p->number, level, line);
}

void world_end(struct proc *p, const char *why)
{
    p->ending = true;
    p->world->ended++;
    if (p->world->log)
        fprintf(stderr, "%10.6f n%u ends: %s\n", (double)p->world->now_us / 1e6, p->number, why);
}

/* A state that no fault of the world accounts for: the disk ends its process through world_end. */
static void port_fatal(void *arg, const char *line)
{
    struct proc *p = arg;
    if (!p->ending && !p->disk.damaged && !p->world->beyond)
        world_wrong(p->world, "n%u ends: %s", p->number, line);
    world_end(p, line);
}

static void on_answer(void *arg, uint64_t ticket, const struct node_answer *a)
{
    struct proc *p = arg;
    if (p->ending)
        return;
    check_answer(p, ticket, a);
    p->world->calls.answer(p->world->calls.arg, p->number, ticket, a);
}

static void on_read_ready(void *arg, uint64_t ticket, enum node_outcome outcome, uint64_t now_ms)
{
    struct proc *p = arg;
    if (p->ending)
        return;
    p->world->calls.read_ready(p->world->calls.arg, p->number, ticket, outcome, now_ms);
}

static void on_changed(void *arg, bool was_leader)
{
    (void)arg;
    (void)was_leader;
}

static uint64_t wall_us(const struct world *w, const struct proc *p)
{
    int64_t drift_us = (int64_t)w->now_us / 1000 * p->wall_ppm / 1000;
    return (uint64_t)((int64_t)(WALL_START_US + w->now_us) + drift_us + p->clock_offset_us);
}

/* The node's monotonic clock: since some time of its own, and at a rate of its own. */
static uint64_t tick_us(const struct world *w, const struct proc *p)
{
    int64_t since_us = (int64_t)(w->now_us - p->tick_at_us);
    return p->tick_base_us + (uint64_t)(since_us + since_us * p->tick_ppm / 1000000);
}

/* How long until that clock shows `at_us`. */
static uint64_t until_tick_us(const struct world *w, const struct proc *p, uint64_t at_us)
{
    uint64_t now_us = tick_us(w, p);
    if (at_us <= now_us)
        return 0;
    if (at_us - now_us > FAR_US)
        return FAR_US;
    int64_t left_us = (int64_t)(at_us - now_us);
    return (uint64_t)(left_us - left_us * p->tick_ppm / (1000000 + p->tick_ppm)) + (p->tick_ppm ? 2 : 0);
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
                              .disk_reserve_bytes = 1 << 20,
                              .settings = w->config.settings};
    snprintf(c->self.name, sizeof(c->self.name), "n%u", p->number);
    snprintf(c->self.host, sizeof(c->self.host), "h");
    c->self.port = (uint16_t)(PORT_BASE + p->number);
    c->self.peer_port = c->self.port;
    c->self.boot_nonce = prng_next(&w->chance);
    c->self.apply_version = RSM_APPLY_VERSION;
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

/* Some nodes have clients that hear of changes: there a proxied write waits until it is applied. */
static void hear(void *arg, enum store_event_class class, const char *event, uint32_t db, struct slice key)
{
    (void)arg, (void)class, (void)event, (void)db, (void)key;
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
    if (!disk_recover(p, &found))
        return;
    p->link_count = 0;
    p->paused_until_us = p->turn_at_us = 0;
    p->fuse = 0;
    p->ending = p->tampered = false;
    p->tick_base_us = 1000000 + prng_below(&w->chance, FAR_US);
    p->tick_at_us = w->now_us;
    memset(&p->seen, 0, sizeof(p->seen));
    fill_config(w, p, &config);
    struct node_ports ports = {.arg = p, .applying = port_applying, .say = port_say, .fatal = port_fatal};
    net_ports(&ports);
    disk_ports(&ports);
    fuse_ports(p, &ports);
    struct node_clients clients = {
        .arg = p, .answer = on_answer, .read_ready = on_read_ready, .changed = on_changed};
    p->self = config.self;
    p->node = node_new(&config, &found, &ports, &clients, tick_us(w, p), wall_us(w, p));
    if (i % 2)
        node_listen(p->node, &(struct rsm_listener){.heard = hear}, EVENT_CHANGED);
    disk_replay(p, load_entry, p->node);
    node_start(p->node, tick_us(w, p));
    world_later(w, 0, EVENT_TURN, i);
}

void world_crash(struct world *w, uint32_t i)
{
    struct proc *p = &w->nodes[i];
    if (!p->node)
        return;
    world_note(w, 0xc4a5 + i);
    w->counts.crashes++;
    node_free(p->node);
    p->node = NULL;
    p->life++;
    disk_crash(p);
    net_process_ended(w, i);
    if (w->calls.crashed)
        w->calls.crashed(w->calls.arg, i);
}

void world_crash_in_turn(struct world *w, uint32_t i, uint32_t calls)
{
    w->nodes[i].fuse = calls ? calls + 1 : 0;
}

void world_wipe(struct world *w, uint32_t i)
{
    assert(!w->nodes[i].node);
    check_forgets(&w->nodes[i], SIZE_MAX);
    disk_wipe(&w->nodes[i]);
    w->nodes[i].id = 0;
}

void world_lose_tail(struct world *w, uint32_t i, size_t commits)
{
    assert(!w->nodes[i].node);
    world_disk_fault(w, i, DISK_LOSE_TAIL, commits);
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

uint64_t world_paused_until_us(const struct world *w, uint32_t i)
{
    return w->nodes[i].paused_until_us;
}

void world_tamper(struct world *w, uint32_t i)
{
    struct proc *p = &w->nodes[i];
    struct rsm *rsm = node_rsm(p->node);
    struct store_view v = {.store = rsm_store(rsm), .index = rsm_applied(rsm), .writing = true};
    store_put_string(&v, SLICE_LITERAL("tampered"), SLICE_LITERAL("with"), false);
    p->tampered = true;
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
        if (w->nodes[e->from].life != e->from_life)
            w->counts.fired[FAULT_FORMER_LIFE]++;
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
    if (prng_below(&w->chance, 2))
        node_answer(p->node);
    uint64_t next_us = node_turn(p->node);
    want_turn(w, p, w->now_us + (next_us == 0 ? 5 : until_tick_us(w, p, next_us)));
}

/* One event; clients act before it or after it, and the turn follows at once or takes in some more. */
static void pass(struct world *w, struct proc *p, struct event *e, void (*each)(void *arg, uint32_t node),
                 void *arg)
{
    bool first = prng_below(&w->chance, 2), late = w->config.lag_us && prng_below(&w->chance, 2);
    uint64_t life = p->life;
    node_time(p->node, tick_us(w, p), wall_us(w, p));
    if (each && first)
        each(arg, p->number);
    if (!p->ending)
        deliver(w, p, e);
    if (each && !first && !p->ending)
        each(arg, p->number);
    if (p->life != life)
        return;
    if (!p->ending && late && e->type != EVENT_TURN)
        want_turn(w, p, w->now_us + prng_below(&w->chance, w->config.lag_us));
    else if (!p->ending)
        turn(w, p);
    if (p->ending)
        world_crash(w, p->number);
    else
        check_node(p);
}

void world_run(struct world *w, uint64_t until_us, void (*each)(void *arg, uint32_t node), void *arg)
{
    for (;;) {
        struct event *e = heap_peek(&w->events);
        if (!e || e->at_us > until_us || w->wrong[0])
            break;
        if (w->config.events_max && ++w->counts.events > w->config.events_max) {
            world_wrong(w, "no end after %llu events", (unsigned long long)w->counts.events);
            break;
        }
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
        world_note(w, e->at_us << 8 | (uint64_t)e->type << 4 | e->node);
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
    w->log = config->log || getenv("SIM_LOG");
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
        disk_free(&w->nodes[i]);
    }
    for (struct event *e; (e = heap_pop(&w->events));)
        event_free(e);
    heap_deinit(&w->events);
    check_free(w);
    check_members_free(w);
    mem_free(w);
}

uint64_t world_now_us(const struct world *w)
{
    return w->now_us;
}

uint64_t world_wall_us(const struct world *w)
{
    return WALL_START_US + w->now_us;
}

bool world_time_lagged(const struct world *w)
{
    return w->time_lagged;
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

void world_flap(struct world *w, uint32_t a, uint32_t b, bool cut)
{
    w->flapped[a][b] = w->flapped[b][a] = cut;
}

void world_clog(struct world *w, uint32_t from, uint32_t to, uint64_t for_us)
{
    if (w->clogged_until_us[from][to] < w->now_us + for_us)
        w->clogged_until_us[from][to] = w->now_us + for_us;
}

void world_heal(struct world *w)
{
    memset(w->cut, 0, sizeof(w->cut));
    memset(w->clogged_until_us, 0, sizeof(w->clogged_until_us));
    w->config.drop_permille = 0;
}

void world_healthy(struct world *w, uint32_t bits)
{
    w->healthy = bits;
}

void world_late(struct world *w, uint32_t permille, uint64_t by_us)
{
    w->config.late_permille = permille;
    w->config.late_us = by_us;
}

void world_bulk(struct world *w, uint64_t bytes_s)
{
    w->bulk_bytes_s = bytes_s;
}

void world_disorder(struct world *w, uint32_t permille)
{
    w->config.disorder_permille = permille;
}

void world_drop(struct world *w, uint32_t permille)
{
    w->config.drop_permille = permille;
}

void world_clock_jump(struct world *w, uint32_t i, int64_t by_us)
{
    w->nodes[i].clock_offset_us += by_us;
}

/* A clock goes on from where it stands. */
void world_wall_drift(struct world *w, uint32_t i, int32_t ppm)
{
    struct proc *p = &w->nodes[i];
    uint64_t before_us = wall_us(w, p);
    p->wall_ppm = ppm;
    p->clock_offset_us += (int64_t)(before_us - wall_us(w, p));
}

void world_tick_drift(struct world *w, uint32_t i, int32_t ppm)
{
    struct proc *p = &w->nodes[i];
    p->tick_base_us = tick_us(w, p);
    p->tick_at_us = w->now_us;
    p->tick_ppm = ppm;
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

struct world_counts *world_counts(struct world *w)
{
    return &w->counts;
}

uint64_t world_digest(struct world *w)
{
    return w->digest;
}
