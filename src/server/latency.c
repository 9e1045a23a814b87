/* LATENCY HISTOGRAM (its other subcommands: spikes.c) and INFO latencystats: how long commands run, and where the time of writes goes. The parts of a write
 * stand under names that no command has, so that whatever reads the one reads the other: write|queue, write|journal,
 * write|replication, write|replication|<node>, write|apply, write|reply. */
#include <stdio.h>

#include "server/cluster.h"
#include "server/info.h"

enum { ROW_NAME = 96, FIRST_BIT = 10 /* 1024 ns, the first bucket that Redis shows */ };

typedef void row_fn(void *arg, const char *name, const struct histogram *h);

static void command_row(struct server *s, const struct command *row, row_fn *each, void *arg)
{
    const struct command_stat *stat = stat_of(s, row);
    if (stat->times && stat->times->count)
        each(arg, stat->name, stat->times);
}

static void with_subcommands(struct server *s, const struct command *row, row_fn *each, void *arg)
{
    command_row(s, row, each, arg);
    for (const struct command *sub = row->subcommands; sub && sub->name; sub++)
        command_row(s, sub, each, arg);
}

/* Names are the operator's: what would end a field of INFO is not shown. */
static void peer_name(const struct node_peer_status *p, char out[ROW_NAME])
{
    char id[NODE_ID_TEXT + 1];
    node_id_text(p->id, id);
    snprintf(out, ROW_NAME, "write|replication|%s", *p->name ? p->name : id);
    for (char *at = out; (at = strpbrk(at, ":,=\r\n"));)
        *at = '_';
}

static void phase_row(const struct histogram *h, const char *name, struct slice asked, row_fn *each,
                      void *arg)
{
    /* "write" asks for all of them, "write|replication" for those of the peers too. */
    size_t len = asked.len;
    if (!h || !h->count || strlen(name) < len || !(name[len] == '\0' || name[len] == '|' || len == 0))
        return;
    char head[ROW_NAME];
    snprintf(head, sizeof head, "%.*s", (int)len, name);
    if (slice_is_word(asked, head))
        each(arg, name, h);
}

static void phase_rows(struct server *s, struct slice asked, row_fn *each, void *arg)
{
    static const char *const names[NODE_PHASES] = {
        "write|queue", "write|journal", "write|replication", "write|apply", "write|reply",
    };
    if (!s->node)
        return;
    for (int i = 0; i < NODE_PHASES; i++)
        phase_row(node_phase(s->node, (enum node_phase)i), names[i], asked, each, arg);
    const struct node_status *st = topology(s);
    for (size_t i = 0; i < st->peer_count; i++) {
        char name[ROW_NAME];
        peer_name(&st->peers[i], name);
        phase_row(node_peer_acks(s->node, st->peers[i].id), name, asked, each, arg);
    }
}

static void all_rows(struct server *s, row_fn *each, void *arg)
{
    size_t count = command_count();
    for (size_t i = 0; i < count; i++)
        with_subcommands(s, command_at(i), each, arg);
    phase_rows(s, slice_of(NULL, 0), each, arg);
}

/* A command with its subcommands, one subcommand, or parts of a write. Unknown names are passed over, as in Redis. */
static void rows_named(struct server *s, struct slice name, row_fn *each, void *arg)
{
    const char *bar = name.len ? memchr(name.data, '|', name.len) : NULL;
    struct slice base = bar ? slice_of(name.data, (size_t)(bar - name.data)) : name;
    const struct command *row = command_lookup(base);
    if (row && !bar)
        with_subcommands(s, row, each, arg);
    if (row && bar)
        row = command_lookup_sub(row, slice_drop(name, base.len + 1));
    if (row && bar)
        command_row(s, row, each, arg);
    if (slice_is_word(base, "write"))
        phase_rows(s, name, each, arg);
}

struct reply_rows {
    struct buf body;
    size_t count;
    int resp;
};

/* Counts up to each power of two, where they grow. */
static void reply_row(void *arg, const char *name, const struct histogram *h)
{
    struct reply_rows *rows = arg;
    struct buf *out = &rows->body;
    uint64_t upto[HISTOGRAM_TOP_BIT - FIRST_BIT + 1], before = 0;
    size_t steps = 0;
    for (unsigned bit = FIRST_BIT; bit <= HISTOGRAM_TOP_BIT; before = upto[bit - FIRST_BIT], bit++) {
        upto[bit - FIRST_BIT] = histogram_below(h, bit);
        steps += upto[bit - FIRST_BIT] > before;
    }
    resp_bulk_cstr(out, name);
    resp_map(out, rows->resp, 2);
    resp_bulk_cstr(out, "calls");
    resp_integer(out, (int64_t)h->count);
    resp_bulk_cstr(out, "histogram_usec");
    resp_map(out, rows->resp, steps);
    before = 0;
    for (unsigned bit = FIRST_BIT; bit <= HISTOGRAM_TOP_BIT; before = upto[bit - FIRST_BIT], bit++) {
        if (upto[bit - FIRST_BIT] == before)
            continue;
        resp_integer(out, ((int64_t)1 << bit) / 1000);
        resp_integer(out, (int64_t)upto[bit - FIRST_BIT]);
    }
    rows->count++;
}

static void latency_histogram(struct client *c, const struct slice *argv, size_t argc, struct buf *out)
{
    struct reply_rows rows = {.body = BUF_EMPTY, .resp = c->resp};
    if (argc == 2)
        all_rows(c->server, reply_row, &rows);
    for (size_t i = 2; i < argc; i++)
        rows_named(c->server, argv[i], reply_row, &rows);
    resp_map(out, c->resp, rows.count);
    buf_append_slice(out, buf_slice(&rows.body));
    buf_deinit(&rows.body);
}

static void latency_help(struct buf *out)
{
    static const char *const lines[] = {
        "LATENCY <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
        "DOCTOR",
        "    Return what the spikes say, in words.",
        "GRAPH <event>",
        "    Return an ASCII latency graph for the <event> class.",
        "HISTORY <event>",
        "    Return time-latency samples for the <event> class.",
        "LATEST",
        "    Return the latest latency samples for all events.",
        "RESET [<event> ...]",
        "    Reset latency data of one or more <event> classes.",
        "    (default: reset all data for all event classes)",
        "HISTOGRAM [COMMAND ...]",
        "    Return how long each command ran, and each part of a write took, as cumulative counts.",
        "HELP",
        "    Print this help.",
    };
    reply_lines(out, lines, sizeof lines / sizeof lines[0]);
}

void latency_command(struct client *c, const struct slice *argv, size_t argc, struct buf *out)
{
    if (slice_is_word(argv[1], "histogram"))
        latency_histogram(c, argv, argc, out);
    else if (!spikes_command(c, argv, argc, out))
        latency_help(out);
}

/* ---- INFO ---- */

struct info_rows {
    const struct config *config;
    struct buf *out;
};

static void put_percentiles(const struct config *config, const struct histogram *h, struct buf *out)
{
    for (size_t i = 0; i < config->percentile_count; i++)
        buf_printf(out, "%sp%.10g=%.3f", i ? "," : "", config->percentiles[i],
                   (double)histogram_percentile(h, config->percentiles[i]) / 1000);
}

static void info_row(void *arg, const char *name, const struct histogram *h)
{
    struct info_rows *rows = arg;
    buf_printf(rows->out, "latency_percentiles_usec_%s:", name);
    put_percentiles(rows->config, h, rows->out);
    buf_append_cstr(rows->out, "\r\n");
}

void info_latencystats(struct server *s, struct buf *out)
{
    struct info_rows rows = {.config = s->config, .out = out};
    buf_printf(out, "%s# Latencystats\r\n", out->len ? "\r\n" : "");
    if (s->config->latency_tracking)
        all_rows(s, info_row, &rows);
}

/* write|journal is write_journal_usec there. */
static void info_phase(void *arg, const char *name, const struct histogram *h)
{
    struct info_rows *rows = arg;
    size_t start = rows->out->len;
    buf_printf(rows->out, "%s_usec:", name);
    for (char *at = rows->out->data + start;
         (at = memchr(at, '|', (size_t)(rows->out->data + rows->out->len - at)));)
        *at = '_';
    put_percentiles(rows->config, h, rows->out);
    buf_append_cstr(rows->out, "\r\n");
}

void info_phases(struct server *s, struct buf *out)
{
    struct info_rows rows = {.config = s->config, .out = out};
    phase_rows(s, slice_of(NULL, 0), info_phase, &rows);
}
