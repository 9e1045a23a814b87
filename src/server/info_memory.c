/* INFO memory: what the allocator, the kernel and the keyspace say. */
#include <inttypes.h>
#include <stdio.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include "server/info.h"

/* jemalloc's, when it is linked. */
void malloc_stats_print(void (*write)(void *arg, const char *text), void *arg, const char *opts)
    __attribute__((weak));
int mallctl(const char *name, void *old, size_t *old_len, void *new, size_t new_len) __attribute__((weak));

static void ask_allocator(struct memory_figures *m)
{
    if (!mallctl)
        return;
    uint64_t epoch = 1;
    size_t len = sizeof epoch;
    mallctl("epoch", &epoch, &len, &epoch, len);
    len = sizeof(size_t);
    mallctl("stats.allocated", &m->allocated, &len, NULL, 0);
    mallctl("stats.active", &m->active, &len, NULL, 0);
    mallctl("stats.resident", &m->resident, &len, NULL, 0);
}

static void put_report(void *out, const char *text)
{
    buf_append_cstr(out, text);
}

void memory_allocator_report(struct buf *out)
{
    if (malloc_stats_print)
        malloc_stats_print(put_report, out, NULL);
    else
        buf_append_cstr(out, "Stats not supported for the current allocator");
}

void memory_purge(void)
{
    if (mallctl)
        mallctl("arena.4096.purge", NULL, NULL, NULL, 0); /* MALLCTL_ARENAS_ALL */
}

/* Of itself jemalloc gives back what has lain idle for ten seconds only while it is asked for memory. */
static void give_back_idle(void)
{
    if (mallctl)
        mallctl("arena.4096.decay", NULL, NULL, NULL, 0); /* MALLCTL_ARENAS_ALL */
}

static uint64_t resident_bytes(void)
{
    unsigned long long size = 0, pages = 0;
    FILE *f = fopen("/proc/self/statm", "re");
    if (!f)
        return 0;
    if (fscanf(f, "%llu %llu", &size, &pages) != 2)
        pages = 0;
    fclose(f);
    return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void put_human(struct buf *out, const char *name, uint64_t bytes)
{
    double v = (double)bytes;
    buf_printf(out, "%s:%" PRIu64 "\r\n%s_human:", name, bytes, name);
    if (bytes < 1024)
        buf_printf(out, "%" PRIu64 "B\r\n", bytes);
    else if (bytes < 1024 * 1024)
        buf_printf(out, "%.2fK\r\n", v / 1024);
    else if (bytes < 1024ULL * 1024 * 1024)
        buf_printf(out, "%.2fM\r\n", v / (1024 * 1024));
    else
        buf_printf(out, "%.2fG\r\n", v / (1024.0 * 1024 * 1024));
}

double memory_ratio(uint64_t a, uint64_t b)
{
    return b ? (double)a / (double)b : 0;
}

uint64_t memory_used_now(void)
{
    struct memory_figures m = {0};
    ask_allocator(&m);
    return m.allocated ? m.allocated : resident_bytes();
}

static void add_link(void *arg, const struct server_link *link)
{
    *(uint64_t *)arg += link->allocated;
}

static void note_peak(uint64_t *peak, uint64_t now)
{
    if (now > *peak)
        *peak = now;
}

/* Towards maxmemory. */
static uint64_t counted(const struct server *s)
{
    return (s->node ? store_memory(rsm_store(node_rsm(s->node))) : 0) + clients_memory(s);
}

void memory_sample(struct server *s)
{
    give_back_idle();
    note_peak(&s->stats.peak_memory, memory_used_now());
    note_peak(&s->stats.peak_counted, counted(s));
}

void memory_figures(struct server *s, struct memory_figures *m)
{
    *m = (struct memory_figures){.rss = resident_bytes(), .startup = s->startup_memory};
    ask_allocator(m);
    m->used = m->allocated ? m->allocated : m->rss;
    m->counted = counted(s);
    note_peak(&s->stats.peak_memory, m->used);
    note_peak(&s->stats.peak_counted, m->counted);
    m->peak = s->stats.peak_memory;
    m->journal = s->status.cache_bytes;
    list_for_each(it, &s->everyone)
    {
        const struct client *c = list_entry(it, struct client, everyone_link);
        *(replica_is_attached(c) ? &m->replicas : &m->clients) += client_memory(c);
    }
    if (s->hooks.links)
        s->hooks.links(s->hooks.arg, add_link, &m->links);
    if (!s->node)
        return;
    const struct store *store = rsm_store(node_rsm(s->node));
    m->data = store_memory(store);
    m->scripts = rsm_script_bytes(node_rsm(s->node));
    m->keys = store_count_all(store);
}

void info_memory(struct server *s, struct buf *out)
{
    struct memory_figures a;
    struct sysinfo machine;
    memory_figures(s, &a);
    sysinfo(&machine);
    uint64_t rss = a.rss, data = a.data, used = a.counted; /* what maxmemory bounds, as in Redis */
    const char *policy = s->node ? rsm_setting(node_rsm(s->node), "maxmemory-policy") : NULL;
    buf_printf(out, "%s# Memory\r\n", out->len ? "\r\n" : "");
    put_human(out, "used_memory", used);
    put_human(out, "used_memory_rss", rss);
    put_human(out, "used_memory_peak", s->stats.peak_counted);
    buf_printf(out,
               "used_memory_peak_perc:%.2f%%\r\nused_memory_overhead:%" PRIu64
               "\r\nused_memory_startup:0\r\nused_memory_dataset:%" PRIu64
               "\r\nused_memory_dataset_perc:%.2f%%\r\n"
               "allocator_allocated:%zu\r\nallocator_active:%zu\r\nallocator_resident:%zu\r\n",
               100 * memory_ratio(used, s->stats.peak_counted), used - data, data,
               100 * memory_ratio(data, used), a.allocated, a.active, a.resident);
    put_human(out, "total_system_memory", (uint64_t)machine.totalram * machine.mem_unit);
    struct rsm_script_counts known = {0};
    if (s->node)
        known = rsm_script_counts(node_rsm(s->node));
    buf_printf(out,
               "used_memory_lua:0\r\nused_memory_vm_eval:0\r\nused_memory_lua_human:0B\r\n"
               "used_memory_scripts_eval:%zu\r\nnumber_of_cached_scripts:%zu\r\nnumber_of_functions:%zu\r\n"
               "number_of_libraries:%zu\r\nused_memory_vm_functions:0\r\nused_memory_vm_total:0\r\n"
               "used_memory_vm_total_human:0B\r\nused_memory_functions:%zu\r\n",
               a.scripts.scripts, known.scripts, known.functions, known.libraries, a.scripts.libraries);
    put_human(out, "used_memory_scripts", a.scripts.scripts + a.scripts.libraries);
    put_human(out, "maxmemory", s->limits.maxmemory);
    buf_printf(out,
               "maxmemory_policy:%s\r\nallocator_frag_ratio:%.2f\r\nallocator_frag_bytes:%zu\r\n"
               "allocator_rss_ratio:%.2f\r\nallocator_rss_bytes:%zu\r\nrss_overhead_ratio:%.2f\r\n"
               "rss_overhead_bytes:%lld\r\nmem_fragmentation_ratio:%.2f\r\nmem_fragmentation_bytes:%lld\r\n"
               "mem_not_counted_for_evict:0\r\nmem_replication_backlog:%" PRIu64
               "\r\nmem_total_replication_buffers:%" PRIu64 "\r\nmem_clients_slaves:%" PRIu64
               "\r\nmem_clients_normal:%" PRIu64 "\r\nmem_cluster_links:%" PRIu64
               "\r\nmem_aof_buffer:0\r\nmem_allocator:%s\r\nactive_defrag_running:0\r\n"
               "lazyfree_pending_objects:%zu\r\nlazyfreed_objects:%" PRIu64 "\r\n",
               policy ? policy : "noeviction", memory_ratio(a.active, a.allocated), a.active - a.allocated,
               memory_ratio(a.resident, a.active), a.resident - a.active, memory_ratio(rss, a.resident),
               (long long)rss - (long long)a.resident, memory_ratio(rss, a.used),
               (long long)rss - (long long)a.used, a.journal, a.journal + a.replicas, a.replicas, a.clients,
               a.links, mallctl ? "jemalloc-5.3.0" : "libc",
               s->node ? store_unswept(rsm_store(node_rsm(s->node))) : 0,
               s->node ? store_stats(rsm_store(node_rsm(s->node)))->swept : 0);
}
