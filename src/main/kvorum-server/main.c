/* kvorum-server: configuration read, parts made and bound to each other, and the loop that drives them. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "main/kvorum-server/process.h"

#ifndef KVORUM_VERSION
#define KVORUM_VERSION "0.1.0"
#endif

enum { LEAVING_PASS_US = 10000 };

static const char usage[] =
    "Usage: kvorum-server [FILE | -] [--directive value ...]\n"
    "       kvorum-server -v or --version\n"
    "       kvorum-server -h or --help\n\n"
    "Examples:\n"
    "       kvorum-server                     a cluster of one on 127.0.0.1:6379, data in .\n"
    "       kvorum-server /etc/kvorum.conf --loglevel verbose\n"
    "       kvorum-server --port 7001 --dir d1 --node-name n1 \\\n"
    "           --initial-cluster n1=127.0.0.1:7001,n2=127.0.0.1:7002,n3=127.0.0.1:7003\n"
    "       kvorum-server --port 7004 --dir d4 --join 127.0.0.1:7001\n\n"
    "Every directive stands in conf/kvorum.conf.\n";

/* One line for people, and out: nothing has been served yet. */
static _Noreturn void give_up(const char *why)
{
    fprintf(stderr, "kvorum-server: %s\n", why);
    exit(1);
}

/* The wall clock first: whoever is held up between the two finds his own clock late, not ahead. */
void process_time(struct process *p)
{
    p->woken = true;
    uint64_t wall_us = clock_wall_us();
    p->now_us = clock_mono_us();
    server_time(p->server, p->now_us, wall_us);
    if (p->node)
        node_time(p->node, p->now_us, wall_us);
}

void process_wake(struct process *p)
{
    if (!p->woken)
        process_time(p);
}

/* ---- hooks ---- */

static void hook_woken(void *arg)
{
    process_wake(arg);
}

static void hook_heard(void *arg)
{
    process_time(arg);
}

static void hook_figures(void *arg, struct server_figures *f)
{
    struct process *p = arg;
    struct storage_stats disk = {0};
    struct transport_stats links = {0};
    if (p->storage)
        storage_stats(p->storage, &disk);
    if (p->transport)
        transport_stats(p->transport, &links);
    *f = (struct server_figures){.fsync_count = disk.fsync_count,
                                 .fsync_us_total = disk.fsync_us_total,
                                 .fsync_us_max = disk.fsync_us_max,
                                 .journal_written_bytes = disk.bytes_written,
                                 .disk_free = disk.disk_free,
                                 .peer_bytes_in = links.bytes_in,
                                 .peer_bytes_out = links.bytes_out,
                                 .peer_frames_in = links.frames_in,
                                 .peer_frames_out = links.frames_out,
                                 .peer_refused = links.refused,
                                 .peer_junk = links.junk,
                                 .peer_reconnects = links.reconnects};
}

struct told_links {
    void (*each)(void *to, const struct server_link *link);
    void *to;
};

static void tell_link(void *arg, const struct transport_link *l)
{
    const struct told_links *told = arg;
    struct server_link link = {l->peer, l->inbound, l->writing, l->since_us, l->allocated, l->used};
    told->each(told->to, &link);
}

static void hook_links(void *arg, void (*each)(void *to, const struct server_link *link), void *to)
{
    const struct process *p = arg;
    struct told_links told = {each, to};
    if (p->transport)
        transport_links(p->transport, tell_link, &told);
}

static void hook_link_fault(void *arg, uint64_t peer, bool cut, uint32_t drop_permille, uint32_t delay_ms_max)
{
    struct process *p = arg;
    struct transport_fault fault = {
        .peer = peer, .cut = cut, .drop_permille = drop_permille, .delay_ms_max = delay_ms_max};
    if (p->transport)
        transport_inject(p->transport, &fault);
}

static void hook_broadcast(void *arg, struct slice frame)
{
    peers_broadcast(arg, frame);
}

static void hook_shutdown(void *arg, bool now)
{
    leave_begin(arg, now);
}

static uint64_t clock_now(void *arg)
{
    (void)arg;
    return clock_mono_us();
}

static void say(void *arg, int level, const char *line)
{
    (void)arg;
    log_line((enum log_level)level, "%s", line);
}

static void fatal(void *arg, const char *line)
{
    (void)arg;
    log_fatal("%s", line);
}

static void hook_busy(void *arg, bool now)
{
    process_busy(arg, now);
}

/* ---- the server's callbacks pass through here, for the beat thread has to know who leads ---- */

static struct node_clients to_server(struct process *p)
{
    return server_clients(p->server);
}

static void answer(void *arg, uint64_t ticket, const struct node_answer *a)
{
    struct node_clients c = to_server(arg);
    c.answer(c.arg, ticket, a);
}

static void before(void *arg, uint64_t ticket, struct slice payload)
{
    struct node_clients c = to_server(arg);
    c.before(c.arg, ticket, payload);
}

static void read_ready(void *arg, uint64_t ticket, enum node_outcome outcome, uint64_t now_ms)
{
    struct node_clients c = to_server(arg);
    c.read_ready(c.arg, ticket, outcome, now_ms);
}

/* One line for each new term or leader. */
static void tell_office(struct process *p, bool leads, uint64_t term, uint64_t leader)
{
    char id[17];
    if (term == p->told_term && leader == p->told_leader)
        return;
    p->told_term = term;
    p->told_leader = leader;
    snprintf(id, sizeof id, "%016llx", (unsigned long long)leader);
    if (leads)
        log_line(LOG_NOTICE, "Leading in term %llu", (unsigned long long)term);
    else if (leader)
        log_line(LOG_NOTICE, "Following node %s in term %llu", id, (unsigned long long)term);
    else
        log_line(LOG_NOTICE, "No leader known in term %llu", (unsigned long long)term);
}

static void changed(void *arg, bool was_leader)
{
    struct process *p = arg;
    struct node_clients c = to_server(p);
    uint64_t term, leader;
    bool leads = node_office(p->node, &term, &leader);
    log_set_role(leads ? 'M' : 'S');
    tell_office(p, leads, term, leader);
    c.changed(c.arg, was_leader);
}

/* ---- start ---- */

static uint64_t random_u64(void)
{
    uint64_t v;
    os_random(&v, sizeof v);
    return v;
}

static struct node_hello make_self(const struct process *p, const struct storage_found *found)
{
    const struct config *c = p->config;
    struct node_hello self = {.node_id = found->vote.node_id,
                              .cluster_id = found->vote.cluster_id,
                              .boot_nonce = random_u64(),
                              .term = found->vote.term,
                              .has_entries = found->last >= found->first || found->snapshot_index,
                              .port = config_announced_port(c),
                              .peer_port = config_announced_peer_port(c),
                              .port_redirect = server_port_of(p->server, MODE_REDIRECT),
                              .port_readonly = server_port_of(p->server, MODE_READONLY),
                              .port_proxy = server_port_of(p->server, MODE_PROXY),
                              .apply_version = RSM_APPLY_VERSION};
    snprintf(self.name, sizeof self.name, "%s", c->node_name);
    snprintf(self.host, sizeof self.host, "%s", config_host(c));
    return self;
}

static void load_entry(void *arg, const struct raft_frame *frame)
{
    struct process *p = arg;
    node_load(p->node, frame->index, frame->term, (int)frame->kind, frame->len, frame->payload);
}

static void start_node(struct process *p, const struct storage_found *found, const struct node_hello *self)
{
    const struct config *c = p->config;
    p->settings = config_settings(c);
    struct node_config config = {
        .self = *self,
        .heartbeat_us = (uint64_t)c->heartbeat_ms * 1000,
        .election_us = (uint64_t)c->election_ms * 1000,
        .client_wait_us = (uint64_t)c->client_wait_ms * 1000,
        .checkpoint_bytes = c->checkpoint_bytes,
        .chance = random_u64(),
        .initial_cluster = c->founders,
        .announced = config_knows_host(c) && (*c->announce_host || c->announce_port || c->announce_peer_port),
        .may_be_invited = c->cluster_enabled,
        .join_host = *c->join ? c->join_host : NULL,
        .join_port = c->join_peer_port,
        .settings = p->settings,
        .disk_reserve_bytes = c->disk_reserve_bytes};
    struct node_ports ports = {.arg = p, .now_us = clock_now, .say = say, .fatal = fatal};
    struct node_clients clients = {
        .arg = p, .answer = answer, .before = before, .read_ready = read_ready, .changed = changed};
    struct node_found node_found;
    disk_found(found, &node_found);
    disk_bind(&ports);
    peers_bind(&ports);
    p->node = node_new(&config, &node_found, &ports, &clients, clock_mono_us(), clock_wall_us());
    node_set_tracing(p->node, c->loglevel == LOG_DEBUG);
    storage_replay(p->storage, found->snapshot_index + 1, load_entry, p);
    server_attach(p->server, p->node);
    node_start(p->node, clock_mono_us());
}

static void open_disk(struct process *p, struct storage_found *found)
{
    const struct config *c = p->config;
    char error[512] = "";
    struct storage_config config = {.dir = c->dir,
                                    .fsync = (enum storage_fsync)c->appendfsync,
                                    .slow_us = (uint64_t)c->slow_fsync_ms * 1000};
    p->storage = storage_open(&config, found, error, sizeof error);
    if (!p->storage)
        give_up(error);
    if (*found->what)
        log_line(LOG_WARNING, "%s", found->what);
    /* Whoever hears of a blank node may found a cluster with it at once, under the id it told: there must be no other
     * one before it, and it must be there after a crash. */
    if (found->vote.node_id == 0) {
        found->vote.node_id = random_u64() | 1;
        disk_save_id(p, &found->vote);
    }
}

static void on_signal(evutil_socket_t number, short what, void *arg)
{
    struct process *p = arg;
    (void)what;
    process_wake(p);
    if (number == SIGHUP) {
        if (!log_reopen())
            log_line(LOG_WARNING, "The log file cannot be opened again");
        return;
    }
    if (number == SIGINT && p->interrupts++)
        _exit(1);
    log_line(LOG_WARNING, "Received %s", number == SIGINT ? "SIGINT" : "SIGTERM");
    leave_begin(p, false);
}

static void watch_signals(struct process *p)
{
    static const int numbers[] = {SIGTERM, SIGINT, SIGHUP};
    signal(SIGPIPE, SIG_IGN);
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        p->signals[i] = evsignal_new(p->base, numbers[i], on_signal, p);
        if (!p->signals[i] || event_add(p->signals[i], NULL) < 0)
            give_up("signals cannot be watched");
    }
}

static void on_deadline(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    process_wake(arg);
}

static struct event_base *make_base(void)
{
    struct event_config *config = event_config_new();
    if (!config)
        return NULL;
    event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK | EVENT_BASE_FLAG_EPOLL_USE_CHANGELIST);
    struct event_base *base = event_base_new_with_config(config);
    event_config_free(config);
    return base;
}

/* ---- the loop ---- */

static void sleep_until(struct process *p, uint64_t now_us, uint64_t when_us)
{
    if (when_us <= now_us) {
        event_base_loop(p->base,
                        EVLOOP_ONCE | EVLOOP_NONBLOCK); /* ONCE: or a socket left unread would keep it */
        return;
    }
    uint64_t left_us = when_us - now_us;
    struct timeval left = {.tv_sec = (time_t)(left_us / 1000000),
                           .tv_usec = (suseconds_t)(left_us % 1000000)};
    event_add(p->deadline, &left);
    event_base_loop(p->base, EVLOOP_ONCE);
}

static void run(struct process *p)
{
    uint64_t next_us = 0;
    pace_begin();
    for (;;) {
        uint64_t now_us = clock_mono_us();
        node_written(p->node, now_us);
        p->woken = false;
        sleep_until(p, now_us, next_us);
        bool again = pace_gather(p);
        process_wake(p);
        storage_hold(p->storage);
        next_us = node_turn(p->node);
        peers_flush(p);
        if (server_turn(p->server) || again)
            next_us = 0;
        if (p->leaving && leave_is_done(p))
            return;
        if (p->leaving && next_us > p->now_us + LEAVING_PASS_US)
            next_us = p->now_us + LEAVING_PASS_US;
    }
}

static void put_warnings(struct config *c)
{
    if (c->inert.len)
        log_line(LOG_WARNING, "Accepted for Redis's sake and without effect here: %.*s", (int)c->inert.len,
                 c->inert.data);
    if (c->warnings.len == 0)
        return;
    for (char *at = c->warnings.data, *end = at + c->warnings.len; at < end;) {
        char *newline = memchr(at, '\n', (size_t)(end - at));
        log_line(LOG_WARNING, "%.*s", (int)(newline - at), at);
        at = newline + 1;
    }
}

static struct config *read_config(int argc, char **argv)
{
    struct config *config = config_new();
    struct buf error = BUF_EMPTY;
    if (!config_load(config, argc, argv, &error)) {
        put_u8(&error, '\0');
        give_up(error.data);
    }
    return config;
}

static void prepare(struct process *p)
{
    struct config *c = p->config;
    if (c->daemonize && !system_daemonize())
        give_up("cannot go into the background");
    log_set_level((enum log_level)c->loglevel);
    if (!log_set_file(c->logfile))
        give_up("the log file cannot be opened");
    if (*c->pidfile && !system_write_pidfile(c->pidfile))
        log_line(LOG_WARNING, "The pid file %s cannot be written", c->pidfile);
    log_line(LOG_NOTICE,
             "kvorum " KVORUM_VERSION " starts: node %s, client port %lld, peer port %lld, directory %s",
             c->node_name, (long long)c->port, (long long)c->peer_port, c->dir);
    put_warnings(c);
    system_find_host(c);
    system_raise_descriptors(c);
    system_warn(c);
}

static void make_parts(struct process *p)
{
    struct server_hooks hooks = {.arg = p,
                                 .woken = hook_woken,
                                 .heard = hook_heard,
                                 .figures = hook_figures,
                                 .links = hook_links,
                                 .link_fault = hook_link_fault,
                                 .busy = hook_busy,
                                 .broadcast = hook_broadcast,
                                 .dump_begin = dump_begin,
                                 .dump_ended = dump_ended,
                                 .dump_stop = dump_stop,
                                 .shutdown = hook_shutdown};
    struct buf error = BUF_EMPTY;
    char why[512] = "";
    p->base = make_base();
    if (!p->base)
        give_up("libevent cannot make an event loop");
    p->deadline = evtimer_new(p->base, on_deadline, p);
    p->server = server_new(p->base, p->config, &hooks);
    if (!server_listen(p->server, &error)) {
        put_u8(&error, '\0');
        give_up(error.data);
    }
    struct storage_found found;
    open_disk(p, &found);
    struct node_hello self = make_self(p, &found);
    if (p->config->peer_port && !peers_open(p, &self, why, sizeof why))
        give_up(why);
    watch_signals(p);
    start_node(p, &found, &self);
    if (!disk_watch(p))
        give_up("the disk's events cannot be watched");
}

static void take_down(struct process *p)
{
    server_detach(p->server);
    server_free(p->server);
    if (p->transport)
        transport_free(p->transport);
    storage_close(p->storage);
    node_free(p->node);
    mem_free(p->settings);
    event_free(p->disk);
    event_free(p->deadline);
    for (size_t i = 0; i < sizeof p->signals / sizeof p->signals[0]; i++)
        event_free(p->signals[i]);
    event_base_free(p->base);
    if (*p->config->pidfile)
        unlink(p->config->pidfile);
    config_free(p->config);
    keeper_stop(p);
}

int main(int argc, char **argv)
{
    if (argc == 2 && (strcmp(argv[1], "-v") == 0 || strcmp(argv[1], "--version") == 0)) {
        printf("kvorum server v=" KVORUM_VERSION " (redis 7.0.15)\n");
        return 0;
    }
    if (argc == 2 && (strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "--help") == 0)) {
        fputs(usage, stdout);
        return 0;
    }
    tzset();
    struct process p = {.config = read_config(argc, argv)};
    prepare(&p);
    keeper_start(&p);
    make_parts(&p);
    log_line(LOG_NOTICE, "Ready to accept connections");
    run(&p);
    take_down(&p);
    log_line(LOG_NOTICE, "kvorum is leaving, bye bye...");
    return 0;
}
