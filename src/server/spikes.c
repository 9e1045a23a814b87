/* LATENCY LATEST, HISTORY, RESET, GRAPH and DOCTOR: what took latency-monitor-threshold or longer, by the kind of event. Of a second
 * the longest is kept. */
#include <stdio.h>

#include "base/number.h"
#include "server/server_int.h"

static const char *const event_names[SPIKE_EVENTS] = {"command", "fast-command"};

enum { GRAPH_ROWS = 4 };

void spike_note(struct server *s, enum spike_event event, uint64_t us)
{
    int64_t ms = (int64_t)(us / 1000);
    struct spikes *e = &s->spikes[event];
    int64_t now_s = (int64_t)(s->wall_us / 1000000);
    if (ms > e->longest_ms)
        e->longest_ms = ms;
    struct spike *last = e->count ? &e->at[(e->count - 1) % SPIKES_KEPT] : NULL;
    if (last && last->at_s == now_s)
        last->ms = ms > last->ms ? ms : last->ms;
    else
        e->at[e->count++ % SPIKES_KEPT] = (struct spike){now_s, ms};
}

static const struct spike *spike_at(const struct spikes *e, size_t i) /* the oldest first */
{
    size_t first = e->count > SPIKES_KEPT ? e->count - SPIKES_KEPT : 0;
    return &e->at[(first + i) % SPIKES_KEPT];
}

static size_t kept(const struct spikes *e)
{
    return e->count < SPIKES_KEPT ? e->count : SPIKES_KEPT;
}

/* NULL: no such event. */
static struct spikes *find(struct server *s, struct slice name)
{
    for (size_t i = 0; i < SPIKE_EVENTS; i++)
        if (slice_is_word(name, event_names[i]))
            return &s->spikes[i];
    return NULL;
}

static void latest(struct server *s, struct buf *out)
{
    size_t seen = 0;
    for (size_t i = 0; i < SPIKE_EVENTS; i++)
        seen += s->spikes[i].count > 0;
    resp_array(out, seen);
    for (size_t i = 0; i < SPIKE_EVENTS; i++) {
        const struct spikes *e = &s->spikes[i];
        if (e->count == 0)
            continue;
        const struct spike *last = spike_at(e, kept(e) - 1);
        resp_array(out, 4);
        resp_bulk_cstr(out, event_names[i]);
        resp_integer(out, last->at_s);
        resp_integer(out, last->ms);
        resp_integer(out, e->longest_ms);
    }
}

static void history(const struct spikes *e, struct buf *out)
{
    size_t count = e ? kept(e) : 0;
    resp_array(out, count);
    for (size_t i = 0; i < count; i++) {
        resp_array(out, 2);
        resp_integer(out, spike_at(e, i)->at_s);
        resp_integer(out, spike_at(e, i)->ms);
    }
}

static bool forget(struct spikes *e)
{
    bool had = e && e->count;
    if (e)
        *e = (struct spikes){0};
    return had;
}

static void reset(struct server *s, const struct slice *argv, size_t argc, struct buf *out)
{
    int64_t forgotten = 0;
    for (size_t i = 0; argc == 2 && i < SPIKE_EVENTS; i++)
        forgotten += forget(&s->spikes[i]);
    for (size_t i = 2; i < argc; i++)
        forgotten += forget(find(s, argv[i]));
    resp_integer(out, forgotten);
}

/* ---- for people ---- */

static void put_age(char out[8], int64_t seconds)
{
    static const struct {
        char unit;
        int64_t seconds;
    } units[] = {{'d', 86400}, {'h', 3600}, {'m', 60}, {'s', 1}};
    size_t i = 0;
    while (i < 3 && seconds < units[i].seconds)
        i++;
    snprintf(out, 8, "%d%c", (int)(seconds / units[i].seconds % 100000), units[i].unit);
}

/* A column a spike, as high as it is long beside the longest; under each how long ago it was, downwards. */
static void put_columns(const struct spikes *e, int64_t now_s, int64_t high, int64_t low, struct buf *out)
{
    size_t count = kept(e), longest_age = 0;
    char ages[SPIKES_KEPT][8];
    for (int row = GRAPH_ROWS; row > 0; row--) {
        for (size_t i = 0; i < count; i++) {
            int64_t height =
                high == low ? 1 : 1 + (GRAPH_ROWS - 1) * (spike_at(e, i)->ms - low) / (high - low);
            put_u8(out, height > row ? '|' : height == row ? '#' : ' ');
        }
        put_u8(out, '\n');
    }
    put_u8(out, '\n');
    for (size_t i = 0; i < count; i++) {
        put_age(ages[i], now_s - spike_at(e, i)->at_s);
        longest_age = strlen(ages[i]) > longest_age ? strlen(ages[i]) : longest_age;
    }
    for (size_t line = 0; line < longest_age; line++) {
        for (size_t i = 0; i < count; i++)
            put_u8(out, (uint8_t)(line < strlen(ages[i]) ? ages[i][line] : ' '));
        put_u8(out, '\n');
    }
}

static void graph(struct client *c, struct slice name, struct buf *out)
{
    const struct spikes *e = find(c->server, name);
    if (!e || e->count == 0) {
        resp_errorf(out, "ERR No samples available for event '%.*s'", (int)name.len, name.data);
        return;
    }
    struct buf text = BUF_EMPTY;
    int64_t high = 0, low = INT64_MAX;
    for (size_t i = 0; i < kept(e); i++) {
        int64_t ms = spike_at(e, i)->ms;
        high = ms > high ? ms : high;
        low = ms < low ? ms : low;
    }
    buf_printf(&text, "%s - high %lld ms, low %lld ms (all time high %lld ms)\n",
               event_names[e - c->server->spikes], (long long)high, (long long)low, (long long)e->longest_ms);
    put_columns(e, (int64_t)(c->server->wall_us / 1000000), high, low, &text);
    resp_verbatim(out, c->resp, "txt", buf_slice(&text));
    buf_deinit(&text);
}

static void doctor(struct client *c, struct buf *out)
{
    struct server *s = c->server;
    struct buf text = BUF_EMPTY;
    for (size_t i = 0; i < SPIKE_EVENTS; i++) {
        const struct spikes *e = &s->spikes[i];
        int64_t sum = 0;
        for (size_t k = 0; k < kept(e); k++)
            sum += spike_at(e, k)->ms;
        if (e->count)
            buf_printf(&text, "%s: %zu spikes, %lld ms on average, the longest ever %lld ms.\n",
                       event_names[i], kept(e), (long long)(sum / (int64_t)kept(e)),
                       (long long)e->longest_ms);
    }
    if (text.len)
        buf_append_cstr(
            &text, "SLOWLOG names the commands that ran long; LATENCY HISTOGRAM write tells which part of a "
                   "write takes how long: its queue, the disk, the network, the command itself.\n");
    else if (s->config->spike_ms)
        buf_append_cstr(&text, "No spike has been seen: nothing took latency-monitor-threshold or longer.\n");
    else
        buf_append_cstr(
            &text,
            "No spikes are looked for: CONFIG SET latency-monitor-threshold to a number of milliseconds.\n");
    resp_verbatim(out, c->resp, "txt", buf_slice(&text));
    buf_deinit(&text);
}

bool spikes_command(struct client *c, const struct slice *argv, size_t argc, struct buf *out)
{
    if (slice_is_word(argv[1], "latest"))
        latest(c->server, out);
    else if (slice_is_word(argv[1], "history"))
        history(find(c->server, argv[2]), out);
    else if (slice_is_word(argv[1], "reset"))
        reset(c->server, argv, argc, out);
    else if (slice_is_word(argv[1], "graph"))
        graph(c, argv[2], out);
    else if (slice_is_word(argv[1], "doctor"))
        doctor(c, out);
    else
        return false;
    return true;
}
