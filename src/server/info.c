/* INFO: Redis's sections in Redis's order, every field name of 7.0 even where the figure is zero here, because
 * dashboards and exporters look for them; then `# Raft`, which is ours. */
#include <inttypes.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "server/caches.h"
#include "server/cluster.h"
#include "server/info.h"
#include "server/messages.h"

static void section(struct buf *out, const char *title)
{
    buf_printf(out, "%s# %s\r\n", out->len ? "\r\n" : "", title);
}

static void info_server(struct server *s, struct buf *out)
{
    struct utsname u;
    char exe[512] = "";
    uint64_t up_s = (s->now_us - s->started_us) / 1000000;
    section(out, "Server");
    uname(&u);
    ssize_t n = readlink("/proc/self/exe", exe, sizeof exe - 1);
    exe[n > 0 ? n : 0] = '\0';
    buf_printf(
        out,
        "redis_version:7.0.15\r\nkvorum_version:" KVORUM_VERSION
        "\r\nredis_git_sha1:00000000\r\nredis_git_dirty:0\r\nredis_build_id:0\r\nredis_mode:%s\r\n"
        "os:%s %s %s\r\narch_bits:64\r\nmonotonic_clock:POSIX clock_gettime\r\nmultiplexing_api:epoll\r\n"
        "atomicvar_api:c11-builtin\r\ngcc_version:%d.%d.0\r\nprocess_id:%d\r\nprocess_supervised:no\r\nrun_"
        "id:%s\r\n"
        "tcp_port:%lld\r\nserver_time_usec:%" PRIu64 "\r\nuptime_in_seconds:%" PRIu64
        "\r\nuptime_in_days:%" PRIu64 "\r\nhz:10\r\nconfigured_hz:10\r\nlru_clock:%" PRIu64
        "\r\nexecutable:%s\r\nconfig_file:%s\r\n"
        "io_threads_active:0\r\n",
        cluster_says_enabled(s) ? "cluster" : "standalone", u.sysname, u.release, u.machine, __GNUC__,
        __GNUC_MINOR__, (int)getpid(), s->run_id, (long long)s->config->port, s->wall_us, up_s, up_s / 86400,
        s->wall_us / 1000000 & 0xffffff, exe, s->config->file ? s->config->file : "");
}

static void count_link(void *arg, const struct server_link *link)
{
    (void)link;
    ++*(size_t *)arg;
}

static void info_clients(struct server *s, struct buf *out)
{
    size_t links = 0;
    if (s->hooks.links)
        s->hooks.links(s->hooks.arg, count_link, &links);
    size_t blocked = 0, in = 0, unsent = 0;
    list_for_each(it, &s->everyone)
    {
        const struct client *c = list_entry(it, struct client, everyone_link);
        blocked += c->claim || !list_empty(&c->waiting_link) || !list_empty(&c->paused_link);
        in = c->in.cap > in ? c->in.cap : in;
        unsent = c->out.cap > unsent ? c->out.cap : unsent;
    }
    section(out, "Clients");
    buf_printf(
        out,
        "connected_clients:%zu\r\ncluster_connections:%zu\r\nmaxclients:%lld\r\nclient_recent_max_input_"
        "buffer:%zu\r\n"
        "client_recent_max_output_buffer:%zu\r\nblocked_clients:%zu\r\ntracking_clients:%zu\r\n"
        "clients_in_timeout_table:0\r\n",
        s->client_count, links, (long long)s->config->maxclients, in, unsent, blocked, caches_clients(s));
}

static void info_persistence(struct server *s, struct buf *out)
{
    const struct node_status *st = topology(s);
    section(out, "Persistence");
    buf_printf(
        out,
        "loading:%d\r\nasync_loading:0\r\ncurrent_cow_peak:0\r\ncurrent_cow_size:0\r\ncurrent_cow_size_age:"
        "0\r\n"
        "current_fork_perc:0.00\r\ncurrent_save_keys_processed:0\r\ncurrent_save_keys_total:0\r\n"
        "rdb_changes_since_last_save:%" PRIu64 "\r\nrdb_bgsave_in_progress:%d\r\nrdb_last_save_time:%" PRIu64
        "\r\nrdb_last_bgsave_status:%s\r\nrdb_last_bgsave_time_sec:-1\r\nrdb_current_bgsave_time_sec:-1\r\n"
        "rdb_saves:0\r\nrdb_last_cow_size:0\r\nrdb_last_load_keys_expired:0\r\nrdb_last_load_keys_loaded:"
        "0\r\n"
        "aof_enabled:1\r\naof_rewrite_in_progress:0\r\naof_rewrite_scheduled:0\r\naof_last_rewrite_time_sec:-"
        "1\r\n"
        "aof_current_rewrite_time_sec:-1\r\naof_last_bgrewrite_status:ok\r\naof_rewrites:0\r\n"
        "aof_rewrites_consecutive_failures:0\r\naof_last_write_status:ok\r\naof_last_cow_size:0\r\n"
        "module_fork_in_progress:0\r\nmodule_fork_last_cow_size:0\r\n",
        st->loading || !s->node, st->applied > st->snapshot_index ? st->applied - st->snapshot_index : 0,
        st->snapshot_writing, st->last_save_ms ? st->last_save_ms / 1000 : s->started_wall_us / 1000000,
        st->last_save_ms == 0 || st->last_save_ok ? "ok" : "err");
    if (st->loading || !s->node)
        buf_printf(out,
                   "loading_start_time:%" PRIu64 "\r\nloading_total_bytes:0\r\nloading_loaded_bytes:0\r\n"
                   "loading_loaded_perc:%u.00\r\nloading_eta_seconds:%u\r\n",
                   s->started_wall_us / 1000000, st->loading_percent, st->loading_eta_s);
}

static void info_stats(struct server *s, struct buf *out)
{
    const struct server_stats *n = &s->stats;
    struct store_stats none = {0};
    const struct store_stats *k = s->node ? store_stats(rsm_store(node_rsm(s->node))) : &none;
    const struct pubsub *p = messages_pubsub(s);
    const struct tracking *t = caches_table(s);
    struct server_figures peers = {0};
    if (s->hooks.figures)
        s->hooks.figures(s->hooks.arg, &peers);
    section(out, "Stats");
    buf_printf(
        out,
        "total_connections_received:%" PRIu64 "\r\ntotal_commands_processed:%" PRIu64
        "\r\ninstantaneous_ops_per_sec:%.0f\r\ntotal_net_input_bytes:%" PRIu64
        "\r\ntotal_net_output_bytes:%" PRIu64 "\r\ntotal_net_repl_input_bytes:%" PRIu64
        "\r\ntotal_net_repl_output_bytes:%" PRIu64 "\r\ninstantaneous_input_kbps:%.2f\r\n"
        "instantaneous_output_kbps:%.2f\r\ninstantaneous_input_repl_kbps:0.00\r\n"
        "instantaneous_output_repl_kbps:0.00\r\nrejected_connections:%" PRIu64
        "\r\nsync_full:0\r\nsync_partial_ok:0\r\nsync_partial_err:0\r\nexpired_keys:%" PRIu64
        "\r\nexpired_stale_perc:0.00\r\nexpired_time_cap_reached_count:0\r\nexpire_cycle_cpu_milliseconds:"
        "0\r\n"
        "evicted_keys:%" PRIu64 "\r\nevicted_clients:%" PRIu64
        "\r\ntotal_eviction_exceeded_time:0\r\ncurrent_eviction_exceeded_time:0\r\nkeyspace_hits:%" PRIu64
        "\r\nkeyspace_misses:%" PRIu64 "\r\n",
        n->connections, n->commands, n->ops, n->net_in, n->net_out, peers.peer_bytes_in, peers.peer_bytes_out,
        n->kbps_in, n->kbps_out, n->rejected_connections, k->expired, k->evicted, n->evicted_clients, k->hits,
        k->misses);
    buf_printf(
        out,
        "pubsub_channels:%zu\r\npubsub_patterns:%zu\r\npubsubshard_channels:%zu\r\nlatest_fork_usec:"
        "0\r\ntotal_forks:0\r\n"
        "migrate_cached_sockets:0\r\nslave_expires_tracked_keys:0\r\nactive_defrag_hits:0\r\n"
        "active_defrag_misses:0\r\nactive_defrag_key_hits:0\r\nactive_defrag_key_misses:0\r\n"
        "total_active_defrag_time:0\r\ncurrent_active_defrag_time:0\r\ntracking_total_keys:%zu\r\n"
        "tracking_total_items:%zu\r\ntracking_total_prefixes:%zu\r\nunexpected_error_replies:0\r\n"
        "total_error_replies:%" PRIu64 "\r\ndump_payload_sanitizations:0\r\ntotal_reads_processed:%" PRIu64
        "\r\ntotal_writes_processed:%" PRIu64 "\r\nio_threaded_reads_processed:0\r\n"
        "io_threaded_writes_processed:0\r\nreply_buffer_shrinks:0\r\nreply_buffer_expands:0\r\n",
        pubsub_count(p, PUBSUB_CHANNEL), pubsub_count(p, PUBSUB_PATTERN), pubsub_count(p, PUBSUB_SHARD),
        tracking_keys(t), tracking_items(t), tracking_prefixes(t), n->errors, n->reads, n->writes);
}

static void put_replicas(struct server *s, const struct node_status *st, struct buf *out)
{
    size_t count = replicas_count(s);
    for (size_t i = 0; i < st->peer_count; i++)
        count += !st->peers[i].self && topology_is_well(&st->peers[i]);
    buf_printf(out, "role:master\r\nconnected_slaves:%zu\r\n", count);
    count = 0;
    for (size_t i = 0; i < st->peer_count; i++) {
        const struct node_peer_status *p = &st->peers[i];
        if (p->self || !topology_is_well(p))
            continue;
        buf_printf(out, "slave%zu:ip=%s,port=%u,state=%s,offset=%" PRIu64 ",lag=%" PRIu64 "\r\n", count++,
                   p->host, p->port, p->snapshotting ? "wait_bgsave" : "online", p->match,
                   p->acked_ago_us / 1000000);
    }
    info_replicas(s, count, out);
}

static void info_replication(struct server *s, struct buf *out)
{
    const struct node_status *st = topology(s);
    char id[NODE_ID_TEXT + 1];
    node_id_text(st->cluster_id, id);
    section(out, "Replication");
    if (!s->node || st->is_leader || st->peer_count < 2) {
        put_replicas(s, st, out);
    } else {
        buf_printf(
            out,
            "role:slave\r\nmaster_host:%s\r\nmaster_port:%u\r\nmaster_link_status:%s\r\n"
            "master_last_io_seconds_ago:%d\r\nmaster_sync_in_progress:%d\r\nslave_read_repl_offset:%" PRIu64
            "\r\nslave_repl_offset:%" PRIu64
            "\r\nslave_priority:100\r\nslave_read_only:1\r\nreplica_announced:1\r\n"
            "connected_slaves:%zu\r\n",
            s->leader_host, s->leader_port, st->leader ? "up" : "down", st->leader ? 0 : -1, st->loading,
            st->last_index, st->applied, replicas_count(s));
        info_replicas(s, 0, out);
    }
    buf_printf(out,
               "master_failover_state:no-failover\r\nmaster_replid:%s\r\n"
               "master_replid2:0000000000000000000000000000000000000000\r\nmaster_repl_offset:%" PRIu64
               "\r\nsecond_repl_offset:-1\r\nrepl_backlog_active:%d\r\nrepl_backlog_size:%" PRIu64
               "\r\nrepl_backlog_first_byte_offset:%" PRIu64 "\r\nrepl_backlog_histlen:%" PRIu64 "\r\n",
               id, st->commit, st->peer_count > 1, st->cache_bytes, st->first_index,
               st->last_index >= st->first_index ? st->last_index - st->first_index + 1 : 0);
    info_attached(s, out);
}

static void info_cpu(struct server *s, struct buf *out)
{
    struct rusage self, children, thread;
    (void)s;
    getrusage(RUSAGE_SELF, &self);
    getrusage(RUSAGE_CHILDREN, &children);
    getrusage(RUSAGE_THREAD, &thread);
    section(out, "CPU");
    buf_printf(out,
               "used_cpu_sys:%ld.%06ld\r\nused_cpu_user:%ld.%06ld\r\nused_cpu_sys_children:%ld.%06ld\r\n"
               "used_cpu_user_children:%ld.%06ld\r\nused_cpu_sys_main_thread:%ld.%06ld\r\n"
               "used_cpu_user_main_thread:%ld.%06ld\r\n",
               self.ru_stime.tv_sec, self.ru_stime.tv_usec, self.ru_utime.tv_sec, self.ru_utime.tv_usec,
               children.ru_stime.tv_sec, children.ru_stime.tv_usec, children.ru_utime.tv_sec,
               children.ru_utime.tv_usec, thread.ru_stime.tv_sec, thread.ru_stime.tv_usec,
               thread.ru_utime.tv_sec, thread.ru_utime.tv_usec);
}

static void info_modules(struct server *s, struct buf *out)
{
    (void)s;
    section(out, "Modules");
}

static void info_commandstats(struct server *s, struct buf *out)
{
    section(out, "Commandstats");
    size_t count = command_count();
    for (size_t i = 0; i < count; i++) {
        const struct command *row = command_at(i), *sub = row->subcommands;
        for (; row; row = sub && sub->name ? sub++ : NULL) {
            const struct command_stat *st = stat_of(s, row);
            if (st->calls + st->rejected + st->failed == 0)
                continue;
            buf_printf(out,
                       "cmdstat_%s:calls=%" PRIu64 ",usec=%" PRIu64
                       ",usec_per_call=%.2f,rejected_calls=%" PRIu64 ",failed_calls=%" PRIu64 "\r\n",
                       st->name, st->calls, st->nsec / 1000,
                       st->calls ? (double)st->nsec / 1000 / (double)st->calls : 0.0, st->rejected,
                       st->failed);
        }
    }
}

static void info_errorstats(struct server *s, struct buf *out)
{
    section(out, "Errorstats");
    for (size_t i = 0; i < ERROR_KINDS && s->errors[i].count; i++)
        buf_printf(out, "errorstat_%s:count=%" PRIu64 "\r\n", s->errors[i].code, s->errors[i].count);
}

static void info_cluster(struct server *s, struct buf *out)
{
    section(out, "Cluster");
    buf_printf(out, "cluster_enabled:%d\r\n", cluster_says_enabled(s));
}

void info_keyspace(struct server *s, struct buf *out)
{
    section(out, "Keyspace");
    if (!s->node)
        return;
    const struct store *store = rsm_store(node_rsm(s->node));
    for (uint32_t db = 0; db < store_databases(store); db++)
        if (store_count(store, db))
            buf_printf(out, "db%u:keys=%zu,expires=%zu,avg_ttl=%" PRIu64 "\r\n", db, store_count(store, db),
                       store_count_expiring(store, db),
                       store_average_ttl(store, db, node_cluster_ms(s->node)));
}

enum { DEFAULT = 1 };

static const struct section {
    const char *name;
    void (*put)(struct server *s, struct buf *out);
    int flags;
} sections[] = {
    {"server", info_server, DEFAULT},
    {"clients", info_clients, DEFAULT},
    {"memory", info_memory, DEFAULT},
    {"persistence", info_persistence, DEFAULT},
    {"stats", info_stats, DEFAULT},
    {"replication", info_replication, DEFAULT},
    {"cpu", info_cpu, DEFAULT},
    {"modules", info_modules, DEFAULT},
    {"commandstats", info_commandstats, 0},
    {"errorstats", info_errorstats, DEFAULT},
    {"latencystats", info_latencystats, 0},
    {"cluster", info_cluster, DEFAULT},
    {"keyspace", info_keyspace, DEFAULT},
    {"raft", info_raft, DEFAULT},
};

static bool is_wanted(const struct section *sec, const struct slice *argv, size_t argc)
{
    bool wanted = argc == 1 && (sec->flags & DEFAULT);
    for (size_t i = 1; i < argc; i++) {
        if (slice_is_word(argv[i], "all") || slice_is_word(argv[i], "everything"))
            wanted = true;
        else if (slice_is_word(argv[i], "default"))
            wanted |= (sec->flags & DEFAULT) != 0;
        else
            wanted |= slice_is_word(argv[i], sec->name);
    }
    return wanted;
}

void info_command(struct client *c, const struct slice *argv, size_t argc, struct buf *out)
{
    struct buf text = BUF_EMPTY;
    for (size_t i = 0; i < sizeof sections / sizeof sections[0]; i++)
        if (is_wanted(&sections[i], argv, argc))
            sections[i].put(c->server, &text);
    resp_verbatim(out, c->resp, "txt", buf_slice(&text));
    buf_deinit(&text);
}
