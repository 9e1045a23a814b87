/* Drives the clients: who acts when, who loses patience, and where answers go. */
#include "work_int.h"

#include "base/alloc.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>

static const struct {
    enum work_kinds flag;
    enum kind kind;
    bool plain;
} turns[] = {
    {WORK_SESSION, APPENDER, false},  {WORK_REGISTER, REGISTER, false}, {WORK_PLAIN, APPENDER, true},
    {WORK_READER, READER, true},      {WORK_COUNTER, COUNTER, false},   {WORK_REGISTER, REGISTER, true},
    {WORK_PIPELINE, PIPELINE, true},  {WORK_LOCK, LOCKER, false},       {WORK_EXPIRING, EXPIRING, false},
    {WORK_PAIR, PAIRED, false},       {WORK_COUNTER, COUNTER, false},   {WORK_LOCK, LOCKER, true},
    {WORK_REGISTER, REGISTER, false}, {WORK_WAIT, PUSHER, false},       {WORK_WAIT, TAKER, true},
    {WORK_WAIT, TAKER, false},        {WORK_WAIT, PUSHER, true},        {WORK_WAIT, TAKER, true},
    {WORK_WAIT, TAKER, false},
};

static uint64_t or_else(uint64_t value, uint64_t otherwise)
{
    return value ? value : otherwise;
}

void work_draw(struct work_config *c)
{
    struct prng p;
    prng_seed(&p, c->seed ^ 0x6c6f6164);
    bool all = prng_below(&p, 2);
    c->kinds = all ? WORK_ALL : 1 + (unsigned)prng_below(&p, WORK_ALL);
    c->registers = 1 + (uint32_t)prng_below(&p, 4);
    bool patient = prng_below(&p, 2);
    c->patience_us = patient ? 0 : 50000 + prng_below(&p, 3000000);
    if (prng_below(&p, 2))
        c->kinds |= WORK_WAIT;
}

struct work *work_new(const struct work_config *config)
{
    struct work *k = mem_calloc(1, sizeof(*k));
    struct work_config *c = &k->config;
    *c = *config;
    c->clients = (uint32_t)or_else(c->clients, 12);
    c->keys = (uint32_t)or_else(c->keys, 4);
    c->registers = (uint32_t)or_else(c->registers, 3);
    c->kinds = (unsigned)or_else(c->kinds, WORK_ALL);
    c->think_us = or_else(c->think_us, 10000);
    c->answer_us = or_else(c->answer_us, 15000000);
    assert(c->clients <= CLIENTS_MAX && c->keys <= KEYS_MAX && c->registers <= KEYS_MAX);
    prng_seed(&k->chance, c->seed ^ 0x77);
    k->history = history_new();
    work_wait_begin(k);
    for (uint32_t i = 0, turn = 0; i < c->clients; turn++) {
        size_t at = turn % (sizeof(turns) / sizeof(turns[0]));
        if (!(c->kinds & turns[at].flag))
            continue;
        k->clients[i] = (struct client){.kind = turns[at].kind,
                                        .plain = turns[at].plain,
                                        .phase = turns[at].plain ? IDLE : OPENING,
                                        .number = FIRST_NUMBER - 1,
                                        .node = NOWHERE};
        i++;
    }
    for (uint32_t i = 0; i < c->keys; i++)
        k->token_place[i] = work_place_new(k, 'k', i);
    for (uint32_t i = 0; i < c->registers; i++)
        k->register_place[i] = work_place_new(k, 'r', i);
    for (uint32_t i = 0; i < LOCKS; i++)
        k->lock_place[i] = work_place_new(k, 'l', i);
    k->pair_place = work_place_new(k, 'm', 0);
    work_place_new(k, 'm', 1);
    return k;
}

void work_free(struct work *k)
{
    for (uint32_t i = 0; i < k->place_count; i++)
        if (k->places[i].tokens)
            tokens_free(k->places[i].tokens);
    for (uint32_t i = 0; i < k->config.clients; i++)
        mem_free(k->clients[i].pipe), mem_free(k->clients[i].wait);
    mem_free(k->places);
    mem_free(k->given_up);
    work_wait_end(k);
    history_free(k->history);
    mem_free(k);
}

void work_bind(struct work *k, struct world *w)
{
    k->world = w;
}

bool work_trusts_clocks(const struct work *k)
{
    return k->config.trust_clocks && !world_time_lagged(k->world);
}

void work_wrong(struct work *k, const char *fmt, ...)
{
    if (k->failed[0])
        return;
    va_list args;
    va_start(args, fmt);
    int at = snprintf(k->failed, sizeof(k->failed), "%.6f s: ", (double)world_now_us(k->world) / 1e6);
    vsnprintf(k->failed + at, sizeof(k->failed) - (size_t)at, fmt, args);
    va_end(args);
}

uint32_t work_place_new(struct work *k, char letter, uint32_t slot)
{
    if (k->place_count == k->place_cap) {
        k->place_cap = k->place_cap * 2 + 32;
        k->places = mem_realloc(k->places, k->place_cap * sizeof(*k->places));
    }
    struct place *p = &k->places[k->place_count];
    *p = (struct place){.tokens = letter == 'k' || letter == 'm' ? tokens_new() : NULL};
    snprintf(p->name, sizeof(p->name), "%c%u.%u", letter, slot, k->place_count);
    return k->place_count++;
}

/* ---- when ------------------------------------------------------------------------------------------------- */

void work_due(struct work *k, struct client *c, uint64_t at_us)
{
    uint64_t *first = &k->due_us[c->waiting ? NOWHERE : c->node];
    c->due_us = at_us;
    if (at_us < *first)
        *first = at_us;
}

void work_move(struct work *k, struct client *c)
{
    int leader = world_leader(k->world);
    bool to_leader = leader >= 0 && prng_below(&k->chance, 4) && c->kind != READER;
    c->node = to_leader && !k->config.proxied ? (uint32_t)leader
                                              : (uint32_t)prng_below(&k->chance, world_count(k->world));
    if (!world_node(k->world, c->node))
        c->node = NOWHERE;
    work_due(k, c, world_now_us(k->world) + 1000 + prng_below(&k->chance, 20000));
}

static void act(struct work *k, struct client *c, struct node *n)
{
    if (c->phase == IDLE) {
        if (k->paused) {
            c->due_us = UINT64_MAX;
            return;
        }
        work_choose(k, c);
    }
    uint32_t attempt = c->attempt;
    c->waiting = true;
    c->asked_us = world_now_us(k->world);
    c->node_ran_us = k->ran_us[c->node];
    c->forwarded = prng_below(&k->chance, 3) == 0 || k->config.proxied;
    work_due(k, c, k->config.patience_us ? c->asked_us + k->config.patience_us : UINT64_MAX);
    if (c->kind == PIPELINE && c->phase == WRITING) {
        work_pipe_send(k, c, n);
        return;
    }
    k->asking = true;
    bool writes = c->phase == OPENING || c->phase == WRITING || c->phase == PROBING;
    bool waits = c->phase == WRITING && (c->kind == PUSHER || c->kind == TAKER);
    enum node_outcome outcome = waits    ? work_wait_ask(k, c, n)
                                : writes ? work_ask_write(k, c, n)
                                         : work_ask_read(k, c, n);
    k->asking = false;
    if (outcome != NODE_PENDING && c->attempt == attempt)
        work_elsewhere(k, c, true);
}

/* ---- patience --------------------------------------------------------------------------------------------- */

static void keep_given_up(struct work *k, const struct client *c, uint64_t ticket)
{
    if (k->given_up_count == k->given_up_cap) {
        k->given_up_cap = k->given_up_cap * 2 + 16;
        k->given_up = mem_realloc(k->given_up, k->given_up_cap * sizeof(*k->given_up));
    }
    k->given_up[k->given_up_count++] =
        (struct given_up){.ticket = ticket,
                          .ran_us = c->node_ran_us,
                          .node = c->node,
                          .claim = work_wait_claim(c),
                          .timeout_us = work_wait_timeout_us(c),
                          .for_ever = work_wait_for_ever(c),
                          .gone = c->kind == TAKER && (c->plain || prng_below(&k->chance, 2))};
    work_wait_gone(k, &k->given_up[k->given_up_count - 1]);
}

static void forget_given_up(struct work *k, uint64_t ticket)
{
    for (size_t i = 0; i < k->given_up_count; i++)
        if (k->given_up[i].ticket == ticket) {
            k->given_up[i] = k->given_up[--k->given_up_count];
            return;
        }
}

static void give_up(struct work *k, struct client *c)
{
    k->counts.given_up++;
    if (c->kind == PIPELINE && c->phase == WRITING) {
        for (uint32_t i = 0; i < PIPE_MAX; i++)
            if (work_pipe_owns(c, c->attempt + i))
                keep_given_up(k, c, ticket_of(k, c) + i);
        work_pipe_break(k, c);
        return;
    }
    keep_given_up(k, c, ticket_of(k, c));
    work_elsewhere(k, c, false);
}

static void overdue(struct work *k, uint32_t client, uint32_t node, uint64_t ran_us)
{
    if (ran_us < k->answers_from_us[node])
        ran_us = k->answers_from_us[node];
    if (k->ran_us[node] > ran_us + k->config.answer_us)
        work_wrong(k, "client %u waits on node %u, which has run for %.3f s since", client, node,
                   (double)(k->ran_us[node] - ran_us) / 1e6);
}

/* Whoever waits, and whoever has no node that runs. */
static void look_after_all(struct work *k, uint64_t now_us)
{
    k->due_us[NOWHERE] = now_us + 500000;
    for (uint32_t i = 0; i < k->config.clients; i++) {
        struct client *c = &k->clients[i];
        if (c->waiting)
            work_wait_look_after(k, c);
        if (c->waiting && !work_wait_for_ever(c))
            overdue(k, i, c->node, c->node_ran_us + work_wait_timeout_us(c));
        if (c->waiting && now_us >= c->due_us)
            give_up(k, c);
        else if (!c->waiting && c->node == NOWHERE && now_us >= c->due_us)
            work_move(k, c);
        else if ((c->waiting || c->node == NOWHERE) && c->due_us < k->due_us[NOWHERE])
            k->due_us[NOWHERE] = c->due_us;
    }
    for (size_t i = 0; i < k->given_up_count; i++) {
        struct given_up *g = &k->given_up[i];
        if (!g->for_ever)
            overdue(k, (uint32_t)(g->ticket >> 32), g->node, g->ran_us + g->timeout_us);
        if (k->paused && !g->gone) {
            g->gone = true; /* at last */
            work_wait_gone(k, g);
        }
    }
}

void work_turn(void *arg, uint32_t node)
{
    struct work *k = arg;
    uint64_t now_us = world_now_us(k->world);
    if (now_us - k->turned_us[node] < 300000) /* else it was stopped, or down */
        k->ran_us[node] += now_us - k->turned_us[node];
    k->turned_us[node] = now_us;
    if (now_us >= k->due_us[NOWHERE])
        look_after_all(k, now_us);
    if (now_us < k->due_us[node])
        return;
    k->due_us[node] = UINT64_MAX;
    for (uint32_t i = 0; i < k->config.clients; i++) {
        struct client *c = &k->clients[i];
        if (!c->waiting && c->node == node && now_us >= c->due_us)
            act(k, c, world_node(k->world, node));
        if (!c->waiting && c->node == node && c->due_us < k->due_us[node])
            k->due_us[node] = c->due_us;
    }
}

/* ---- being answered --------------------------------------------------------------------------------------- */

/* Who still waits for it; NULL: nobody, or an administrator. */
static struct client *client_of(struct work *k, uint64_t ticket)
{
    if (ticket >> 32 >= k->config.clients)
        return NULL;
    struct client *c = &k->clients[ticket >> 32];
    bool pipe = c->kind == PIPELINE && c->phase == WRITING;
    return c->waiting && (pipe ? work_pipe_owns(c, (uint32_t)ticket) : c->attempt == (uint32_t)ticket) ? c
                                                                                                       : NULL;
}

static void on_waits(struct work *k, uint64_t ticket, uint64_t claim)
{
    struct client *c = client_of(k, ticket);
    if (c)
        work_wait_told(k, c, claim);
    for (size_t i = 0; !c && i < k->given_up_count; i++)
        if (k->given_up[i].ticket == ticket) {
            k->given_up[i].claim = claim;
            work_wait_gone(k, &k->given_up[i]);
        }
}

static void on_answer(void *arg, uint32_t node, uint64_t ticket, const struct node_answer *a)
{
    struct work *k = arg;
    struct client *c = client_of(k, ticket);
    if (k->asking)
        work_wrong(k, "client %u is answered from within its own call", (unsigned)(ticket >> 32));
    if (a->outcome == NODE_WAITS) {
        on_waits(k, ticket, a->index);
        return;
    }
    if (!c) {
        forget_given_up(k, ticket);
        return;
    }
    if (c->kind == TAKER && c->phase == WRITING)
        work_wait_answer(c, world_node(k->world, node), a->index);
    if (c->kind == PIPELINE && c->phase == WRITING)
        work_pipe_answer(k, c, (uint32_t)ticket, a);
    else if (a->outcome == NODE_DONE)
        work_done(k, c, a->reply);
    else
        work_elsewhere(k, c, a->outcome != NODE_UNKNOWN);
}

void work_check_fresh(struct work *k, const struct client *c, struct node *n)
{
    uint64_t applied = rsm_applied(node_rsm(n));
    if (applied < c->committed)
        work_wrong(k, "a read of client %u runs on node %u at %llu; %llu was committed when it was asked",
                   client_number(k, c), c->node, (unsigned long long)applied,
                   (unsigned long long)c->committed);
}

static void on_read_ready(void *arg, uint32_t node, uint64_t ticket, enum node_outcome outcome,
                          uint64_t now_ms)
{
    struct work *k = arg;
    struct client *c = client_of(k, ticket);
    struct node *n = world_node(k->world, node);
    if (!c) {
        forget_given_up(k, ticket);
        return;
    }
    if (outcome == NODE_DONE)
        work_check_fresh(k, c, n);
    if (c->kind == PIPELINE && c->phase == WRITING)
        work_pipe_read(k, c, (uint32_t)ticket, n, outcome, now_ms);
    else if (outcome == NODE_DONE)
        work_run_read(k, c, n, now_ms);
    else
        work_elsewhere(k, c, true);
}

static void on_crashed(void *arg, uint32_t node)
{
    struct work *k = arg;
    for (size_t i = k->given_up_count; i-- > 0;)
        if (k->given_up[i].node == node)
            k->given_up[i] = k->given_up[--k->given_up_count];
    for (uint32_t i = 0; i < k->config.clients; i++) {
        struct client *c = &k->clients[i];
        if (c->node != node)
            continue;
        if (!c->waiting)
            work_move(k, c);
        else if (c->kind == PIPELINE && c->phase == WRITING)
            work_pipe_break(k, c);
        else
            work_elsewhere(k, c, false);
    }
}

struct world_client_calls work_calls(struct work *k)
{
    return (struct world_client_calls){
        .arg = k, .answer = on_answer, .read_ready = on_read_ready, .crashed = on_crashed};
}

/* ---- from outside ----------------------------------------------------------------------------------------- */

void work_pause(struct work *k, bool paused)
{
    k->paused = paused;
    for (uint32_t i = 0; !paused && i < k->config.clients; i++)
        if (!k->clients[i].waiting && k->clients[i].due_us == UINT64_MAX)
            work_due(k, &k->clients[i], world_now_us(k->world));
}

void work_answers_within(struct work *k, uint64_t us)
{
    k->config.answer_us = us;
    memcpy(k->answers_from_us, k->ran_us, sizeof(k->ran_us));
}

bool work_idle(const struct work *k)
{
    for (uint32_t i = 0; i < k->config.clients; i++)
        if (k->clients[i].phase != IDLE)
            return false;
    return k->given_up_count == 0;
}

struct work_counts work_counts(const struct work *k)
{
    return k->counts;
}

uint64_t work_acked(const struct work *k)
{
    return k->counts.acked;
}

uint64_t work_reads(const struct work *k)
{
    return k->counts.reads;
}

uint64_t work_unknown(const struct work *k)
{
    return k->counts.unknown;
}

uint64_t work_last_ack_us(const struct work *k)
{
    return k->last_ack_us;
}

const char *work_failed(const struct work *k)
{
    return k->failed[0] ? k->failed : NULL;
}
