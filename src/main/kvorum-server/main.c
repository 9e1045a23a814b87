/* kvorum-server: reads what it is told, opens the disk and the ports, wires the rooms together, and turns the loop. */
#include "process.h"

#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { LEAVE_MAX_US = 1500000 };

void process_awake(struct process *p)
{
    if (p->awake)
        return;
    p->awake = true;
    uint64_t now_us = clock_mono_us(), wall_us = clock_wall_us();
    server_time(p->server, now_us, wall_us);
    if (p->node)
        node_time(p->node, now_us, wall_us);
}

_Noreturn static void refuse(const char *why)
{
    fprintf(stderr, "kvorum-server: %s\n", why);
    exit(1);
}

static void read_config(struct process *p, int argc, char **argv)
{
    struct buf error = BUF_EMPTY;
    p->config = config_new();
    if (config_load(p->config, argc, argv, &error) && config_finish(p->config, &error))
        return;
    put_u8(&error, 0);
    refuse(error.data);
}

/* ---- what the rooms ask of the process ---------------------------------------------------------------- */

static void say(void *arg, int level, const char *line)
{
    (void)arg;
    log_line((enum log_level)level, "%s", line);
}

_Noreturn static void fatal(void *arg, const char *line)
{
    (void)arg;
    log_fatal("%s", line);
}

static void figures(void *arg, struct server_figures *out)
{
    struct process *p = arg;
    struct storage_stats s;
    struct transport_stats t;
    storage_stats(p->storage, &s);
    transport_stats(p->transport, &t);
    *out = (struct server_figures){.fsync_count = s.fsync_count,
                                   .fsync_us_total = s.fsync_us_total,
                                   .fsync_us_max = s.fsync_us_max,
                                   .journal_written_bytes = s.bytes_written,
                                   .disk_free = s.disk_free,
                                   .peer_bytes_in = t.bytes_in,
                                   .peer_bytes_out = t.bytes_out,
                                   .peer_frames_in = t.frames_in,
                                   .peer_frames_out = t.frames_out,
                                   .peer_refused = t.refused,
                                   .peer_junk = t.junk,
                                   .peer_reconnects = t.reconnects};
}

static void link_fault(void *arg, uint64_t peer, bool cut, uint32_t drop_permille, uint32_t delay_ms_max)
{
    struct process *p = arg;
    struct transport_fault fault = {
        .peer = peer, .cut = cut, .drop_permille = drop_permille, .delay_ms_max = delay_ms_max};
    transport_inject(p->transport, &fault);
}

/* ---- leaving ------------------------------------------------------------------------------------------ */

static void handed_over(void *arg)
{
    struct process *p = arg;
    p->handing_over = false;
}

/* Leadership first, so that the cluster goes on while this process says goodbye to its clients. */
static void leave(struct process *p, bool now)
{
    if (now || p->leaving_since_us) {
        p->leave_now = true;
        return;
    }
    process_awake(p);
    p->leaving_since_us = clock_mono_us();
    log_line(LOG_NOTICE, "Leaving: handing over leadership, answering what is open");
    server_stop_listening(p->server);
    p->handing_over = server_hand_over(p->server, handed_over, p);
}

static void shutdown_hook(void *arg, bool now)
{
    leave(arg, now);
}

static bool may_end(struct process *p)
{
    if (p->leave_now)
        return true;
    if (!p->leaving_since_us)
        return false;
    bool late = clock_mono_us() > p->leaving_since_us + LEAVE_MAX_US;
    return late || (!p->handing_over && server_is_quiet(p->server));
}

static void on_term(evutil_socket_t fd, short what, void *arg)
{
    struct process *p = arg;
    (void)what;
    log_line(LOG_WARNING, "Received %s", fd == SIGINT ? "SIGINT" : "SIGTERM");
    if (++p->signals > 1 && fd == SIGINT)
        _exit(1);
    leave(p, false);
}

static void on_hup(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    (void)arg;
    log_reopen();
}

static void on_deadline(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    process_awake(arg);
}

static void watch_signals(struct process *p)
{
    signal(SIGPIPE, SIG_IGN);
    p->term_event = evsignal_new(p->base, SIGTERM, on_term, p);
    p->int_event = evsignal_new(p->base, SIGINT, on_term, p);
    p->hup_event = evsignal_new(p->base, SIGHUP, on_hup, p);
    p->deadline = evtimer_new(p->base, on_deadline, p);
    event_add(p->term_event, NULL);
    event_add(p->int_event, NULL);
    event_add(p->hup_event, NULL);
}

/* ---- wiring ------------------------------------------------------------------------------------------- */

static void raise_descriptor_limit(const struct config *c)
{
    struct rlimit limit;
    rlim_t want = (rlim_t)c->maxclients + SERVER_RESERVED_FDS;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= want)
        return;
    limit.rlim_cur = want < limit.rlim_max ? want : limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
        log_line(LOG_WARNING, "The limit of open files could not be raised: %s", strerror(errno));
}

static void open_log(struct config *c)
{
    log_set_level((enum log_level)c->loglevel);
    log_set_role('S');
    if (!log_set_file(c->logfile))
        refuse("the log file cannot be opened");
}

static void fill_self(struct process *p, struct node_hello *self)
{
    const struct config *c = p->config;
    snprintf(self->name, sizeof(self->name), "%s", c->node_name);
    snprintf(self->host, sizeof(self->host), "%s", config_host(c));
    self->port = config_announced_port(c);
    self->peer_port = config_announced_peer_port(c);
    self->port_redirect = server_port_of(p->server, MODE_REDIRECT);
    self->port_readonly = server_port_of(p->server, MODE_READONLY);
    self->port_proxy = server_port_of(p->server, MODE_PROXY);
    self->boot_nonce = p->boot_nonce;
    self->apply_version = RSM_APPLY_VERSION;
}

static void fill_node_config(struct process *p, struct node_config *n)
{
    const struct config *c = p->config;
    *n = (struct node_config){.heartbeat_us = (uint64_t)c->heartbeat_ms * 1000,
                              .election_us = (uint64_t)c->election_ms * 1000,
                              .client_wait_us = (uint64_t)c->client_wait_ms * 1000,
                              .checkpoint_bytes = c->checkpoint_bytes,
                              .disk_reserve_bytes = c->disk_reserve_bytes,
                              .initial_cluster = c->founders,
                              .settings = config_settings(c)};
    fill_self(p, &n->self);
    os_random(&n->chance, sizeof(n->chance));
    if (c->join_host[0]) {
        n->join_host = c->join_host;
        n->join_port = c->join_peer_port;
    }
}

static void open_transport(struct process *p, const struct node_config *n, const struct node_found *found)
{
    char error[256], binds[1024] = "";
    struct transport_config config = {.base = p->base,
                                      .port = (uint16_t)p->config->peer_port,
                                      .secret = p->config->masterauth && p->config->masterauth[0] ? p->config->masterauth : NULL,
                                      .heartbeat_us = n->heartbeat_us,
                                      .election_us = n->election_us};
    struct transport_callbacks callbacks;
    for (size_t i = 0; i < p->config->bind_count; i++) {
        size_t at = strlen(binds);
        snprintf(binds + at, sizeof(binds) - at, "%s%s%s", i ? " " : "", p->config->bind[i].optional ? "-" : "",
                 p->config->bind[i].host);
    }
    config.bind_host = binds[0] ? binds : NULL;
    peers_fill_hello(&n->self, &config.self);
    config.self.node_id = found->identity.node_id;
    config.self.cluster_id = found->identity.cluster_id;
    peers_fill_callbacks(p, &callbacks);
    p->transport = transport_new(&config, &callbacks, error, sizeof(error));
    if (!p->transport)
        refuse(error);
}

static void replay(void *arg, const struct raft_frame *f)
{
    node_load(arg, f->index, f->term, (int)f->kind, f->len, f->payload);
}

static void open_storage(struct process *p, struct node_found *found)
{
    char error[512];
    struct storage_found what;
    struct storage_config config = {.dir = p->config->dir,
                                    .fsync = (enum storage_fsync)p->config->appendfsync,
                                    .slow_us = (uint64_t)p->config->slow_fsync_ms * 1000};
    p->storage = storage_open(&config, &what, error, sizeof(error));
    if (!p->storage)
        refuse(error);
    if (what.what[0])
        log_line(LOG_WARNING, "%s", what.what);
    disk_fill_found(&what, found);
}

static void open_server(struct process *p)
{
    struct buf error = BUF_EMPTY;
    struct server_hooks hooks = {
        .arg = p, .figures = figures, .link_fault = link_fault, .shutdown = shutdown_hook, .awake = awake_hook};
    p->server = server_new(p->base, p->config, &hooks);
    if (server_listen(p->server, &error))
        return;
    put_u8(&error, 0);
    refuse(error.data);
}

static void open_node(struct process *p)
{
    struct node_found found;
    struct node_config config;
    struct node_ports ports = {.say = say, .fatal = fatal};
    struct node_clients clients = server_clients(p->server);
    open_storage(p, &found);
    os_random(&p->boot_nonce, sizeof(p->boot_nonce));
    fill_node_config(p, &config);
    open_transport(p, &config, &found);
    disk_fill_ports(p, &ports);
    peers_fill_ports(p, &ports);
    uint64_t now_us = clock_mono_us(), wall_us = clock_wall_us();
    p->node = node_new(&config, &found, &ports, &clients, now_us, wall_us);
    free(config.settings);
    storage_replay(p->storage, found.snapshot_index + 1, replay, p->node);
    server_attach(p->server, p->node);
    if (!disk_watch(p))
        refuse("libevent cannot watch the storage threads");
    node_start(p->node, clock_mono_us());
}

/* ---- the loop ----------------------------------------------------------------------------------------- */

/* One pass: what has arrived, the node's turn, out to the peers, out to the clients. true: another one at once. */
static bool pass(struct process *p, bool again)
{
    p->awake = false;
    event_base_loop(p->base, again ? EVLOOP_NONBLOCK : EVLOOP_ONCE);
    process_awake(p);
    uint64_t next_us = node_turn(p->node);
    transport_flush(p->transport);
    bool more = server_turn(p->server) || next_us == 0;
    struct node_status status;
    node_status(p->node, &status);
    transport_turn(p->transport, status.is_leader, status.term, status.leader);
    if (more)
        return true;
    uint64_t now_us = clock_mono_us(), wait_us = next_us > now_us ? next_us - now_us : 0;
    struct timeval tv = {.tv_sec = (time_t)(wait_us / 1000000), .tv_usec = (suseconds_t)(wait_us % 1000000)};
    event_add(p->deadline, &tv);
    return false;
}

static void close_all(struct process *p)
{
    server_detach(p->server);
    server_free(p->server);
    node_free(p->node);
    transport_free(p->transport);
    event_free(p->disk_event);
    storage_close(p->storage);
    event_free(p->term_event);
    event_free(p->int_event);
    event_free(p->hup_event);
    event_free(p->deadline);
    event_base_free(p->base);
    config_free(p->config);
}

int main(int argc, char **argv)
{
    struct process p = {0};
    read_config(&p, argc, argv);
    open_log(p.config);
    raise_descriptor_limit(p.config);
    p.base = event_base_new();
    if (!p.base)
        refuse("libevent has no way to wait for sockets here");
    open_server(&p);
    open_node(&p);
    watch_signals(&p);
    log_line(LOG_NOTICE, "Ready to accept connections");
    bool again = false;
    while (!may_end(&p))
        again = pass(&p, again);
    log_line(LOG_NOTICE, "Goodbye");
    close_all(&p);
    return 0;
}
