/* MEMORY. */
#include <stdio.h>

#include "base/number.h"
#include "server/info.h"

/* Between MULTI and EXEC: a read of its own on this node's state. What a key takes is not the same on all nodes, so it has no place
 * in an entry's reply. */
static void memory_usage(struct client *c, const struct slice *argv, size_t argc, struct buf *out)
{
    struct rsm *rsm = node_rsm(c->server->node);
    uint64_t due_ms;
    if (!rsm_query(rsm, rsm_stamp_ms(rsm), c->db, c->resp, SLICE_LITERAL("default"), argv, argc, NULL, out,
                   &due_ms))
        resp_null(out, c->resp);
}

/* ---- MEMORY STATS ---- */

static void put_figure(struct buf *out, const char *name, uint64_t bytes)
{
    resp_bulk_cstr(out, name);
    resp_integer(out, (int64_t)bytes);
}

static void put_ratio(struct buf *out, int resp, const char *name, double v)
{
    resp_bulk_cstr(out, name);
    resp_double(out, resp, v);
}

/* Of the databases that hold anything: how many, and what finding their keys takes. */
static size_t put_databases(const struct client *c, uint64_t *overhead, struct buf *out)
{
    const struct server *s = c->server;
    const struct store *store = s->node ? rsm_store(node_rsm(s->node)) : NULL;
    size_t count = 0;
    for (uint32_t db = 0; store && db < store_databases(store); db++) {
        struct store_overhead o = store_overhead(store, db);
        char name[24];
        if (store_count(store, db) == 0)
            continue;
        snprintf(name, sizeof name, "db.%u", db);
        resp_bulk_cstr(out, name);
        resp_map(out, c->resp, 3);
        put_figure(out, "overhead.hashtable.main", o.keys);
        put_figure(out, "overhead.hashtable.expires", o.expiring);
        put_figure(out, "overhead.hashtable.slot-to-keys", 0);
        *overhead += o.keys + o.expiring;
        count++;
    }
    return count;
}

static void put_buffers(const struct memory_figures *m, struct buf *out)
{
    put_figure(out, "peak.allocated", m->peak);
    put_figure(out, "total.allocated", m->used);
    put_figure(out, "startup.allocated", m->startup);
    put_figure(out, "replication.backlog", m->journal);
    put_figure(out, "clients.slaves", m->replicas);
    put_figure(out, "clients.normal", m->clients);
    put_figure(out, "cluster.links", m->links);
    put_figure(out, "aof.buffer", 0); /* what waits for the disk is in the backlog */
    put_figure(out, "lua.caches", m->scripts.scripts);
    put_figure(out, "functions.caches", m->scripts.libraries);
}

/* Signed: what the system holds may be less than what was asked for. */
static void put_excess(struct buf *out, int resp, const char *name, const char *bytes_name, uint64_t more,
                       uint64_t of)
{
    put_ratio(out, resp, name, memory_ratio(more, of));
    put_figure(out, bytes_name, of ? more - of : 0);
}

static void put_allocator(const struct memory_figures *m, int resp, struct buf *out)
{
    put_figure(out, "allocator.allocated", m->allocated);
    put_figure(out, "allocator.active", m->active);
    put_figure(out, "allocator.resident", m->resident);
    put_excess(out, resp, "allocator-fragmentation.ratio", "allocator-fragmentation.bytes", m->active,
               m->allocated);
    put_excess(out, resp, "allocator-rss.ratio", "allocator-rss.bytes", m->resident, m->active);
    put_excess(out, resp, "rss-overhead.ratio", "rss-overhead.bytes", m->rss, m->resident);
    put_excess(out, resp, "fragmentation", "fragmentation.bytes", m->rss, m->used);
}

enum { FIGURES = 27 };

static void memory_stats(struct client *c, struct buf *out)
{
    struct memory_figures m;
    struct buf databases = BUF_EMPTY;
    memory_figures(c->server, &m);
    uint64_t overhead =
        m.startup + m.journal + m.replicas + m.clients + m.links + m.scripts.scripts + m.scripts.libraries;
    size_t count = put_databases(c, &overhead, &databases);
    uint64_t net = m.used > m.startup ? m.used - m.startup : 1;
    resp_map(out, c->resp, FIGURES + count);
    put_buffers(&m, out);
    buf_append_slice(out, buf_slice(&databases));
    put_figure(out, "overhead.total", overhead);
    put_figure(out, "keys.count", m.keys);
    put_figure(out, "keys.bytes-per-key", m.keys ? net / m.keys : 0);
    put_figure(out, "dataset.bytes", m.data);
    put_ratio(out, c->resp, "dataset.percentage", 100 * memory_ratio(m.data, net));
    put_ratio(out, c->resp, "peak.percentage", 100 * memory_ratio(m.used, m.peak));
    put_allocator(&m, c->resp, out);
    buf_deinit(&databases);
}

/* ---- MEMORY DOCTOR: Redis's thresholds ---- */

enum {
    LITTLE_BYTES = 5 << 20, /* below, ratios say nothing */
    MUCH_BYTES = 10 << 20,
    CLIENT_BYTES = 200 << 10,
    MANY_SCRIPTS = 1000,
};

static bool exceeds(uint64_t more, uint64_t of, double most)
{
    return of && more > of && memory_ratio(more, of) > most && more - of > MUCH_BYTES;
}

static void find_waste(const struct memory_figures *m, struct buf *text)
{
    if (memory_ratio(m->peak, m->used) > 1.5)
        buf_append_cstr(
            text,
            " * Peak memory: this instance has used more than 150% of what it uses now. The allocator may "
            "keep pages for reuse, which shows as fragmentation and does no harm. MEMORY PURGE gives "
            "back what it can.\n\n");
    if (exceeds(m->rss, m->used, 1.4))
        buf_append_cstr(
            text,
            " * High total RSS: the process holds more than 1.4 times what it has allocated. This comes of a "
            "peak in the past, or of a load that leaves gaps.\n\n");
    if (exceeds(m->active, m->allocated, 1.1))
        buf_append_cstr(
            text, " * High allocator fragmentation: the pages in use are more than 1.1 times what lies in "
                  "them.\n\n");
    if (exceeds(m->resident, m->active, 1.1))
        buf_append_cstr(
            text, " * High allocator RSS overhead: the allocator holds more than 1.1 times the pages in use. "
                  "MEMORY PURGE gives them back.\n\n");
    if (exceeds(m->rss, m->resident, 1.1))
        buf_append_cstr(
            text,
            " * High process RSS overhead: the process holds more than 1.1 times what its allocator does: "
            "scripts, RocksDB's files in memory, or threads' stacks.\n\n");
}

static void find_buffers(const struct server *s, const struct memory_figures *m, struct buf *text)
{
    size_t replicas = 0;
    list_for_each(it, &s->everyone) replicas +=
        replica_is_attached(list_entry(it, struct client, everyone_link));
    if (replicas && m->replicas / replicas > MUCH_BYTES)
        buf_append_cstr(
            text,
            " * Big replica buffers: more than 10 MB wait for each replica on average. INFO replication and "
            "CLIENT LIST show which one is slow.\n\n");
    if (s->client_count > replicas && m->clients / (s->client_count - replicas) > CLIENT_BYTES)
        buf_append_cstr(
            text,
            " * Big client buffers: clients have more than 200 KB each on average. CLIENT LIST shows which "
            "read slowly, or send very long pipelines.\n\n");
    if (s->node && rsm_script_counts(node_rsm(s->node)).scripts > MANY_SCRIPTS)
        buf_append_cstr(
            text,
            " * Many scripts: more than 1000 are known. Scripts that differ in their arguments only should "
            "take them in KEYS and ARGV. SCRIPT FLUSH forgets all.\n\n");
}

static void memory_doctor(struct client *c, struct buf *out)
{
    static const char
        fine[] = "Hi Sam, I can't find any memory issue in your instance. I can only account for "
                 "what occurs on this base.\n",
        little[] = "Hi Sam, this instance is empty or is using very little memory, my issues detector can't "
                   "be used in these conditions. Please, leave for your mission on Earth and fill it with "
                   "some data. The new Sam and I will be back to our programming as soon as I finished "
                   "rebooting.\n",
        head[] = "Sam, I detected a few issues in this Redis instance memory implants:\n\n",
        end[] = "I'm here to keep you safe, Sam. I want to help you.\n";
    struct memory_figures m;
    struct buf found = BUF_EMPTY, text = BUF_EMPTY;
    memory_figures(c->server, &m);
    bool enough = m.used >= LITTLE_BYTES;
    if (enough) {
        find_waste(&m, &found);
        find_buffers(c->server, &m, &found);
    }
    buf_append_cstr(&text, !enough ? little : found.len ? head : fine);
    buf_append_slice(&text, buf_slice(&found));
    if (found.len)
        buf_append_cstr(&text, end);
    resp_verbatim(out, c->resp, "txt", buf_slice(&text));
    buf_deinit(&found);
    buf_deinit(&text);
}

static const char *const help[] = {
    "MEMORY <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    "DOCTOR",
    "    Return memory problems reports.",
    "MALLOC-STATS",
    "    Return internal statistics report from the memory allocator.",
    "PURGE",
    "    Attempt to purge dirty pages for reclamation by the allocator.",
    "STATS",
    "    Return information about the memory usage of the server.",
    "USAGE <key> [SAMPLES <count>]",
    "    Return memory in bytes used by <key> and its value. Nested values are",
    "    sampled up to <count> times (default: 5, 0 means sample all).",
    "HELP",
    "    Print this help.",
};

void memory_command(struct client *c, const struct slice *argv, size_t argc, struct buf *out)
{
    if (slice_is_word(argv[1], "usage")) {
        if (c->server->node)
            memory_usage(c, argv, argc, out);
        else
            resp_error(out, "LOADING Redis is loading the dataset in memory");
    } else if (slice_is_word(argv[1], "purge")) {
        memory_purge();
        resp_simple(out, "OK");
    } else if (slice_is_word(argv[1], "doctor")) {
        memory_doctor(c, out);
    } else if (slice_is_word(argv[1], "malloc-stats")) {
        struct buf text = BUF_EMPTY;
        memory_allocator_report(&text);
        resp_verbatim(out, c->resp, "txt", buf_slice(&text));
        buf_deinit(&text);
    } else if (slice_is_word(argv[1], "stats")) {
        memory_stats(c, out);
    } else {
        reply_lines(out, help, sizeof help / sizeof help[0]);
    }
}
