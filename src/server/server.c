/* The server: its parts put together, one timer for all clients, and the end of a pass. */
#include "server/server.h"
#include "server/info.h"

#include <assert.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/number.h"
#include "server/caches.h"
#include "server/messages.h"
#include "server/slots.h"
#include "server/users.h"

enum { DEFAULT_BULK = 512 * 1024 * 1024, DEFAULT_DATABASES = 16, CRON_SHARE = 10 };

static void on_cron(evutil_socket_t fd, short what, void *arg);

static void make_places(struct server *s)
{
    s->place_count = CLIENT_PLACES_MAX;
    s->clients = mem_calloc(s->place_count, sizeof *s->clients);
    s->generations = mem_calloc(s->place_count, sizeof *s->generations);
    s->free_places = mem_alloc(s->place_count * sizeof *s->free_places);
    for (uint32_t i = 0; i < s->place_count; i++)
        s->free_places[i] = i;
    s->free_count = s->place_count;
}

void random_id(char out[RANDOM_ID + 1])
{
    uint8_t bytes[RANDOM_ID / 2];
    os_random(bytes, sizeof bytes);
    format_hex(out, bytes, sizeof bytes);
    out[RANDOM_ID] = '\0';
}

struct server *server_new(struct event_base *base, struct config *config, const struct server_hooks *hooks)
{
    struct server *s = mem_calloc(1, sizeof *s);
    s->base = base;
    s->config = config;
    s->hooks = *hooks;
    s->limits = (struct rsm_limits){.max_bulk = DEFAULT_BULK, .databases = DEFAULT_DATABASES};
    s->next_client_id = 1;
    s->shared_input = mem_alloc(SHARED_INPUT);
    resp_parser_init(&s->parser);
    s->started_us = clock_mono_us();
    s->started_wall_us = clock_wall_us();
    server_time(s, s->started_us, s->started_wall_us);
    s->stats.sampled_us = s->now_us;
    s->startup_memory = memory_used_now();
    s->crowd = 1; /* a new client was in none */
    list_init(&s->everyone);
    s->looked_at = &s->everyone;
    list_init(&s->changed);
    list_init(&s->parked);
    list_init(&s->leaving);
    list_init(&s->waiting);
    list_init(&s->paused);
    list_init(&s->migrations);
    slow_scripts_init(s);
    list_init(&s->monitors);
    list_init(&s->replicas);
    list_init(&s->slowlog);
    make_places(s);
    random_id(s->run_id);
    stats_init(s);
    messages_init(s);
    caches_init(s);
    users_init(s);
    sockets_open(s);
    event_assign(&s->cron, base, -1, EV_PERSIST, on_cron, s);
    event_add(&s->cron, &(struct timeval){.tv_usec = CRON_MS * 1000});
    return s;
}

void server_free(struct server *s)
{
    listeners_close(s);
    event_del(&s->cron);
    migrations_end(s);
    list_for_each_safe(it, next, &s->everyone) client_free(list_entry(it, struct client, everyone_link));
    sockets_close(s);
    mem_free(s->clients);
    mem_free(s->generations);
    mem_free(s->free_places);
    mem_free(s->shared_input);
    resp_parser_deinit(&s->parser);
    while (s->spare_count > 0)
        buf_deinit(&s->spares[--s->spare_count]);
    mem_free(s->argv);
    slow_scripts_deinit(s);
    stats_deinit(s);
    messages_deinit(s);
    slowlog_clear(s);
    caches_deinit(s);
    users_deinit(s);
    buf_deinit(&s->scratch);
    buf_deinit(&s->guessed);
    buf_deinit(&s->error);
    mem_free(s);
}

void server_attach(struct server *s, struct node *n)
{
    s->node = n;
    messages_listen(s);
    users_refresh(s);
    leader_refresh(s);
}

void server_detach(struct server *s)
{
    s->node = NULL;
    users_refresh(s);
}

struct node_clients server_clients(struct server *s)
{
    return (struct node_clients){.arg = s,
                                 .answer = answer_from_node,
                                 .before = before_from_node,
                                 .read_ready = read_ready_from_node,
                                 .changed = changed_from_node};
}

bool server_listen(struct server *s, struct buf *error)
{
    return listeners_open(s, error);
}

void server_stop_listening(struct server *s)
{
    listeners_drain(s);
    listeners_close(s);
}

uint16_t server_port_of(const struct server *s, enum follower_mode mode)
{
    const struct config *c = s->config;
    if (c->follower_mode == (int)mode)
        return config_announced_port(c);
    for (size_t i = 0; i < c->extra_port_count; i++)
        if (c->extra_ports[i].mode == (int)mode)
            return c->extra_ports[i].port;
    return 0;
}

void server_time(struct server *s, uint64_t now_us, uint64_t wall_us)
{
    s->now_us = now_us;
    s->wall_us = wall_us;
}

uint64_t server_reads(const struct server *s)
{
    return s->stats.reads;
}

size_t server_crowd(struct server *s)
{
    size_t size = s->crowd_size;
    s->crowd_size = 0;
    s->crowd++;
    return size;
}

void server_woken(struct server *s)
{
    if (s->hooks.woken && !s->script.polling)
        s->hooks.woken(s->hooks.arg);
}

void server_heard(struct server *s)
{
    if (s->hooks.heard && !s->script.polling)
        s->hooks.heard(s->hooks.arg);
}

/* Time is up for those who wait for a leader, or one has been found. */
static void wake_parked(struct server *s)
{
    list_for_each_safe(it, next, &s->parked)
    {
        struct client *c = list_entry(it, struct client, parked_link);
        if (!route_knows_leader(s) && s->now_us < c->park_until_us)
            continue;
        route_unpark(c);
        client_advance(c);
    }
}

/* A tenth of the clients, from where the last tick has left off: everyone comes by once a second. */
static void look_after(struct server *s)
{
    size_t share = (s->client_count + CRON_SHARE - 1) / CRON_SHARE;
    for (size_t i = 0; i < share; i++) {
        s->looked_at = s->looked_at->next;
        if (s->looked_at == &s->everyone)
            s->looked_at = s->looked_at->next;
        struct client *c = list_entry(s->looked_at, struct client, everyone_link);
        if (!c->doomed)
            client_cron(c);
    }
}

static void on_cron(evutil_socket_t fd, short what, void *arg)
{
    struct server *s = arg;
    (void)fd, (void)what;
    server_woken(s);
    if (s->node)
        leader_refresh(s);
    listeners_rearm(s);
    if (s->cron_paused)
        return;
    leaving_cron(s);
    wait_tick(s);
    replicas_cron(s);
    stats_sample(s);
    users_cron(s);
    look_after(s);
}

bool server_turn(struct server *s)
{
    s->again = false;
    if (s->node && !node_is_loading(s->node))
        s->limits = rsm_limits(node_rsm(s->node));
    if (!list_empty(&s->parked))
        wake_parked(s);
    if (!list_empty(&s->waiting))
        wait_tick(s);
    pause_tick(s);
    s->answered_count = 0;
    messages_turn(s);
    caches_turn(s);
    if (!list_empty(&s->replicas))
        replicas_turn(s);
    struct list todo;
    list_init(&todo);
    /* Clients touched while this runs (CLIENT KILL, say) are looked at in the next pass. */
    while (!list_empty(&s->changed)) {
        struct list *it = s->changed.next;
        list_remove(it);
        list_push_back(&todo, it);
    }
    while (!list_empty(&todo)) {
        struct client *c = list_entry(todo.next, struct client, changed_link);
        client_flush(c);
        if (!c->doomed)
            continue;
        if (c->dirty)
            list_remove(&c->changed_link);
        blocking_gone(c);
        client_free(c);
    }
    if (!list_empty(&s->tries))
        slow_scripts_turn(s);
    clients_bound(s);
    sockets_turn(s);
    return s->again || !list_empty(&s->changed);
}

bool server_is_quiet(const struct server *s)
{
    list_for_each(it, &s->everyone)
    {
        const struct client *c = list_entry(it, struct client, everyone_link);
        if (!ring_empty(c) || client_unsent(c) || (c->leaving && !c->half_closed))
            return false;
    }
    return true;
}

bool server_hand_over(struct server *s, void (*done)(void *arg), void *arg)
{
    if (!s->node || !node_is_serving(s->node))
        return false;
    leader_refresh(s);
    size_t heirs = 0;
    for (size_t i = 0; i < s->status.peer_count; i++)
        heirs += s->status.peers[i].voter && s->status.peers[i].link_up && !s->status.peers[i].self;
    if (heirs == 0)
        return false;
    s->handed_over = done;
    s->handed_over_arg = arg;
    buf_truncate(&s->error, 0);
    if (node_transfer(s->node, 0, SERVER_TICKET, &s->error) == NODE_PENDING)
        return true;
    s->handed_over = NULL;
    return false;
}
