/* Counting: commands by their row, errors by their code, rates by samples. The table of rows also knows the server's own
 * handlers, so that dispatch asks once. */
#include <assert.h>
#include <stdio.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "server/info.h"
#include "server/slots.h"
#include "server/users.h"

enum { SAMPLE_US = 1000000, TIMED_SHARE = 16 };

static size_t place_of(const struct command *row)
{
    return (size_t)(((uintptr_t)row >> 4) * UINT64_C(0x9E3779B97F4A7C15) >> 32) & (STATS_SIZE - 1);
}

struct command_stat *stat_of(struct server *s, const struct command *row)
{
    size_t i = place_of(row);
    while (s->command_stats[i].row != row) {
        assert(s->command_stats[i].row); /* every row was entered by stats_init */
        i = (i + 1) & (STATS_SIZE - 1);
    }
    return &s->command_stats[i];
}

static void enter(struct server *s, const struct command *row, const struct command *parent)
{
    size_t i = place_of(row);
    while (s->command_stats[i].row)
        i = (i + 1) & (STATS_SIZE - 1);
    struct command_stat *stat = &s->command_stats[i];
    stat->row = row;
    stat->quick = (row->flags & CMD_FAST) ||
                  strcmp(row->name, "set") == 0; /* as quick as GET, though Redis has no such flag for it */
    const char *own = parent ? parent->name : row->name;
    if (parent && !strchr(row->name, '|'))
        snprintf(stat->name, sizeof stat->name, "%s|%s", parent->name, row->name);
    else
        snprintf(stat->name, sizeof stat->name, "%s", row->name);
    size_t count;
    const struct handler *table = handler_table(&count);
    for (size_t k = 0; k < count; k++)
        if (strcmp(table[k].name, own) == 0)
            stat->handler = &table[k];
}

void stats_init(struct server *s)
{
    size_t count = command_count(), entered = 0;
    for (size_t i = 0; i < count; i++) {
        const struct command *row = command_at(i);
        enter(s, row, NULL);
        entered++;
        for (const struct command *sub = row->subcommands; sub && sub->name; sub++) {
            enter(s, sub, row);
            entered++;
        }
    }
    assert(entered < STATS_SIZE / 2);
}

void stats_reset(struct server *s)
{
    for (size_t i = 0; i < STATS_SIZE; i++) {
        struct command_stat *stat = &s->command_stats[i];
        stat->calls = stat->rejected = stat->failed = stat->nsec = stat->timed = 0;
        if (stat->times)
            *stat->times = (struct histogram){0};
    }
    if (s->node) {
        node_phases_reset(s->node);
        *store_stats(rsm_store(node_rsm(s->node))) = (struct store_stats){0};
    }
    memset(s->errors, 0, sizeof s->errors);
    s->stats =
        (struct server_stats){.peak_memory = s->stats.peak_memory, .peak_counted = s->stats.peak_counted};
}

static bool is_sampled(const struct server *s, const struct command_stat *stat)
{
    bool all = s->config->slowlog_us >= 0 && s->config->slowlog_us < 1000;
    return stat->quick && stat->timed >= TIMED_SHARE && !all;
}

bool time_wanted(struct server *s, const struct command_stat *stat)
{
    return !(is_sampled(s, stat) && s->runs++ % TIMED_SHARE);
}

uint64_t time_begin(struct server *s, const struct command_stat *stat)
{
    return time_wanted(s, stat) ? clock_mono_ns() : 0;
}

uint64_t time_end(struct server *s, struct command_stat *stat, uint64_t begun_ns)
{
    return begun_ns ? time_add(s, stat, clock_mono_ns() - begun_ns) : 0;
}

uint64_t time_add(struct server *s, struct command_stat *stat, uint64_t ns)
{
    uint64_t runs = is_sampled(s, stat) ? TIMED_SHARE : 1;
    stat->timed++;
    stat->nsec += ns * runs;
    if (s->config->latency_tracking) {
        if (!stat->times)
            stat->times = mem_calloc(1, sizeof *stat->times);
        histogram_add(stat->times, ns, runs);
    }
    return ns;
}

static bool is_spike(const struct server *s, uint64_t ns)
{
    return s->config->spike_ms && ns / 1000000 >= (uint64_t)s->config->spike_ms;
}

static bool is_slow(const struct server *s, uint64_t ns)
{
    return s->config->slowlog_us >= 0 && ns / 1000 >= (uint64_t)s->config->slowlog_us;
}

bool is_told(const struct server *s, uint64_t ns)
{
    return ns && (is_slow(s, ns) || is_spike(s, ns));
}

void ran(struct client *c, const struct command *row, const struct slice *argv, size_t argc, uint64_t ns)
{
    struct server *s = c->server;
    if (c->unseen)
        return;
    if (ns && is_spike(s, ns))
        spike_note(s, row->flags & CMD_FAST ? SPIKE_FAST_COMMAND : SPIKE_COMMAND, ns / 1000);
    if (ns && is_slow(s, ns))
        slowlog_note(c, argv, argc, ns / 1000);
}

void stats_deinit(struct server *s)
{
    for (size_t i = 0; i < STATS_SIZE; i++)
        mem_free(s->command_stats[i].times);
}

/* The first word of an error, as INFO errorstats groups them. */
void count_error(struct server *s, struct slice reply)
{
    s->stats.errors++;
    size_t len = 1;
    while (len < reply.len && reply.data[len] > ' ')
        len++;
    char code[sizeof s->errors[0].code];
    snprintf(code, sizeof code, "%.*s", (int)(len - 1), reply.data + 1);
    for (size_t i = 0; i < ERROR_KINDS; i++) {
        if (s->errors[i].count == 0)
            memcpy(s->errors[i].code, code, sizeof code);
        if (strcmp(s->errors[i].code, code) == 0) {
            s->errors[i].count++;
            return;
        }
    }
}

void count_run(struct client *c, struct command_stat *stat, const struct buf *out, size_t start)
{
    stat->calls++;
    if (out->len <= start || out->data[start] != '-')
        return; /* what a publisher told itself, past its limit, was sent in the middle of it */
    stat->failed++;
    count_error(c->server, slice_drop(buf_slice(out), start));
}

void count_failed(struct server *s, const struct command *row, struct slice reply)
{
    stat_of(s, row)->failed++;
    if (row->flags & CMD_BY_SCRIPT && s->passed_errors)
        s->passed_errors--;
    else
        count_error(s, reply);
}

static const struct command *queued_row(const struct slice *argv, size_t argc)
{
    if (slice_equal(argv[0], RSM_CONFIG))
        return command_find((const struct slice[]){SLICE_LITERAL("config"), SLICE_LITERAL("set")}, 2);
    if (slice_equal(argv[0], RSM_USERS) && argc > 1)
        return command_find((const struct slice[]){SLICE_LITERAL("acl"), argv[1]}, 2);
    return command_find(argv, argc);
}

void count_failed_in_exec(struct server *s, struct slice payload, struct slice reply)
{
    struct rsm_decoded d;
    if (reply.len == 0 || reply.data[0] != '*' || !memmem(reply.data, reply.len, "\n-", 2) ||
        !rsm_decode(payload, &d))
        return;
    const char *at = (const char *)memchr(reply.data, '\n', reply.len) + 1, *end = reply.data + reply.len;
    const struct slice *argv = d.req.argv;
    for (size_t i = 0; i < d.req.commands && at < end; argv += d.req.counts[i++]) {
        size_t len = resp_reply_len(slice_of(at, (size_t)(end - at)));
        const struct command *row = queued_row(argv, d.req.counts[i]);
        if (*at == '-' && row)
            count_failed(s, row, slice_of(at, len));
        else if (*at == '-')
            count_error(s, slice_of(at, len));
        at += len;
    }
    rsm_decoded_deinit(&d);
}

/* For a client of this node? What the leader runs for a client of another node is counted nowhere. */
bool script_is_ours(const struct server *s, bool entry)
{
    return entry ? s->write_index == rsm_applied(node_rsm(s->node)) + 1 : s->in_query;
}

/* To ACL LOG, as what the client did whose script it is. */
static void note_denial(struct server *s, const struct rsm_script_call *call)
{
    uint32_t seq;
    struct client *c = call->entry ? ticket_client(s, s->write_ticket, &seq) : s->script.client;
    if (!c || call->denied == ACL_GRANTED || call->denied >= ACL_NO_SORT_BY)
        return;
    c->in_script = true;
    acl_log_note(c, call->denied,
                 call->denied == ACL_NO_COMMAND ? slice_cstr(call->row->name) : call->argv[call->denied_arg],
                 client_user(c));
    c->in_script = false;
}

/* u64 row, db, u8 refused, u8 denied, the argument that was, error; the arguments, where somebody sees them. */
static void keep_call(struct server *s, const struct rsm_script_call *call)
{
    put_u64(&s->guessed, (uint64_t)(uintptr_t)call->row);
    put_varint(&s->guessed, call->db);
    put_u8(&s->guessed, call->refused);
    put_u8(&s->guessed, (uint8_t)call->denied);
    put_varint(&s->guessed, call->denied_arg);
    put_bytes(&s->guessed, call->error);
    slot_pack(&s->guessed, call->argv,
              list_empty(&s->monitors) && call->denied == ACL_GRANTED ? 0 : call->argc);
}

void script_calls_tell(struct client *c)
{
    struct server *s = c->server;
    struct client *outer = s->script.client;
    struct reader r = reader_of(buf_slice(&s->guessed));
    bool nested = s->in_query;
    s->in_query = true;
    s->script.client = c;
    while (reader_left(&r)) {
        struct rsm_script_call call = {.row = (const struct command *)(uintptr_t)get_u64(&r)};
        call.db = (uint32_t)get_varint(&r);
        call.refused = get_u8(&r);
        call.denied = get_u8(&r);
        call.denied_arg = get_varint(&r);
        call.error = get_bytes(&r);
        call.argc = get_varint(&r);
        struct slice *argv = call.argc ? mem_alloc(call.argc * sizeof *argv) : NULL;
        for (size_t i = 0; i < call.argc; i++)
            argv[i] = get_bytes(&r);
        call.argv = argv;
        script_called(s, &call);
        mem_free(argv);
    }
    s->in_query = nested;
    s->script.client = outer;
    buf_truncate(&s->guessed, 0);
}

void script_called(void *arg, const struct rsm_script_call *call)
{
    struct server *s = arg;
    if (s->guessing) {
        keep_call(s, call);
        return;
    }
    s->entry_read |= call->entry && !call->refused && (call->row->flags & CMD_READONLY);
    if (!script_is_ours(s, call->entry))
        return;
    struct command_stat *stat = call->row ? stat_of(s, call->row) : NULL;
    if (call->error.len)
        count_error(s, call->error);
    if (call->refused) {
        if (stat)
            stat->rejected++;
        note_denial(s, call);
        return;
    }
    stat->calls++;
    stat->failed += call->error.len > 0;
    s->script_read |= (call->row->flags & CMD_READONLY) != 0;
    if (!list_empty(&s->monitors))
        monitor_show(s, call->row, call->db, "lua", call->argv, call->argc);
}

void reply_lines(struct buf *out, const char *const *lines, size_t count)
{
    resp_array(out, count);
    for (size_t i = 0; i < count; i++)
        resp_simple(out, lines[i]);
}

void reply_error(struct client *c, struct buf *out, const char *text)
{
    size_t start = out->len;
    resp_error(out, text);
    count_error(c->server, slice_of(out->data + start, out->len - start));
}

void reply_errorf(struct client *c, struct buf *out, const char *fmt, ...)
{
    size_t start = out->len;
    char text[512];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    resp_error(out, text);
    count_error(c->server, slice_of(out->data + start, out->len - start));
}

void stats_sample(struct server *s)
{
    struct server_stats *st = &s->stats;
    uint64_t passed_us = s->now_us - st->sampled_us;
    if (passed_us < SAMPLE_US)
        return;
    double seconds = (double)passed_us / 1e6;
    memory_sample(s);
    st->ops = (double)(st->commands - st->sampled_commands) / seconds;
    st->kbps_in = (double)(st->net_in - st->sampled_in) / 1024 / seconds;
    st->kbps_out = (double)(st->net_out - st->sampled_out) / 1024 / seconds;
    st->sampled_commands = st->commands;
    st->sampled_in = st->net_in;
    st->sampled_out = st->net_out;
    st->sampled_us = s->now_us;
}
