/* XREAD and XREADGROUP: what has come into streams behind an ID, or for a group that nobody has been given yet. Both may wait for
 * it, and are then run again for the stream that has changed. */
#include "commands/stream_group.h"

#include "base/alloc.h"

enum { WAITED_COUNT = 1000 }; /* one who waited gets no more at once, unless he asked for more */

struct reading {
    struct command_context *c;
    bool by_group, no_ack, waits;
    uint64_t timeout_ms, count; /* count 0: all */
    size_t group_at;            /* the consumer stands behind it */
    size_t first, n;            /* the keys; their IDs stand behind all of them */
};

/* ---- arguments ---- */

static bool arg_block(struct command_context *c, size_t i, uint64_t *timeout_ms)
{
    int64_t ms;
    if (!arg_i64_in(c, i, INT64_MIN, INT64_MAX, "ERR timeout is not an integer or out of range", &ms))
        return false;
    if (ms < 0)
        resp_error(c->out, "ERR timeout is negative");
    *timeout_ms = (uint64_t)ms;
    return ms >= 0;
}

static bool group_alone(struct reading *r, const char *option)
{
    if (!r->by_group)
        resp_errorf(r->c->out, "ERR The %s option is only supported by XREADGROUP. You called XREAD instead.",
                    option);
    return r->by_group;
}

/* The option at argv[*i]; *i is at the last of its arguments then. */
static bool parse_option(struct reading *r, size_t *i)
{
    struct command_context *c = r->c;
    size_t more = c->argc - *i - 1;
    int64_t count;
    if (arg_is(c, *i, "block") && more) {
        r->waits = true;
        return arg_block(c, ++*i, &r->timeout_ms);
    }
    if (arg_is(c, *i, "count") && more) {
        if (!arg_i64(c, ++*i, &count))
            return false;
        r->count = count > 0 ? (uint64_t)count : 0;
        return true;
    }
    if (arg_is(c, *i, "group") && more >= 2) {
        r->group_at = *i + 1;
        *i += 2;
        return group_alone(r, "GROUP");
    }
    if (arg_is(c, *i, "noack")) {
        r->no_ack = true;
        return group_alone(r, "NOACK");
    }
    reply_syntax_error(c);
    return false;
}

static bool parse(struct reading *r)
{
    struct command_context *c = r->c;
    size_t i = 1;
    while (i < c->argc && !(arg_is(c, i, "streams") && i + 1 < c->argc)) {
        if (!parse_option(r, &i))
            return false;
        i++;
    }
    if (i >= c->argc) {
        reply_syntax_error(c);
        return false;
    }
    r->first = i + 1;
    r->n = (c->argc - r->first) / 2;
    if ((c->argc - r->first) % 2)
        resp_error(c->out, "ERR Unbalanced XREAD list of streams: for each stream key an ID or '$' must be "
                           "specified.");
    else if (r->by_group && !r->group_at)
        resp_error(c->out, "ERR Missing GROUP option for XREADGROUP");
    else
        return true;
    return false;
}

size_t xread_find_option(const struct slice *argv, size_t argc, const char *option)
{
    size_t found = 0;
    for (size_t i = 1; i + 1 < argc && !slice_is_word(argv[i], "streams"); i++) {
        if (slice_is_word(argv[i], option))
            found = i;
        if (slice_is_word(argv[i], "block") || slice_is_word(argv[i], "count"))
            i++;
        else if (slice_is_word(argv[i], "group"))
            i += 2;
    }
    return found;
}

bool xread_waits(const struct slice *argv, size_t argc)
{
    return xread_find_option(argv, argc, "block") != 0;
}

static bool is_sign(const struct reading *r, size_t i, char sign)
{
    struct slice s = r->c->argv[i];
    return s.len == 1 && s.data[0] == sign;
}

/* The key at argv[i] with its group and its ID: are they such as one may read from? */
static bool check(struct reading *r, size_t i)
{
    struct command_context *c = r->c;
    struct store_key *k;
    struct stream_group *g;
    struct stream_id id;
    if (!find_stream(c, i, &k))
        return false;
    if (r->by_group && (!find_group(c, i, r->group_at, &k, &g) || !g)) {
        resp_errorf(
            c->out, "NOGROUP No such key '%.*s' or consumer group '%.*s' in XREADGROUP with GROUP option",
            (int)c->argv[i].len, c->argv[i].data, (int)c->argv[r->group_at].len, c->argv[r->group_at].data);
        return false;
    }
    if (is_sign(r, i + r->n, '$') && r->by_group) {
        resp_error(c->out, "ERR The $ ID is meaningless in the context of XREADGROUP: you want to read the "
                           "history of this consumer by specifying a proper ID, or use the > ID to get new "
                           "messages. The $ ID would just return an empty result set.");
        return false;
    }
    if (is_sign(r, i + r->n, '>') && !r->by_group) {
        resp_error(c->out,
                   "ERR The > ID can be specified only when calling XREADGROUP using the GROUP <group> "
                   "<consumer> option.");
        return false;
    }
    return is_sign(r, i + r->n, '$') || is_sign(r, i + r->n, '>') || arg_stream_id(c, i + r->n, 0, NULL, &id);
}

/* ---- reading ---- */

/* Of a group, what nobody has been given yet. Redis knows ">" as the greatest ID, so that one says the same. */
static bool wants_new(const struct reading *r, size_t i)
{
    struct stream_id id;
    return is_sign(r, i + r->n, '>') ||
           (arg_stream_id(r->c, i + r->n, 0, NULL, &id) && !stream_id_step(&id, false));
}

/* Behind which ID; false: nothing is there. The history of a consumer is always there. */
static bool find_start(const struct reading *r, size_t i, const struct collection *stream,
                       const struct stream_group *g, struct stream_id *after)
{
    struct stream_facts f = stream_facts(stream);
    /* One who has waited is served when something came, even if it has gone again. */
    struct stream_id top = r->c->ready.data ? f.last : f.last_entry;
    if (g && wants_new(r, i))
        *after = g->last;
    else if (is_sign(r, i + r->n, '$'))
        *after = f.last;
    else if (arg_stream_id(r->c, i + r->n, 0, NULL, after) && g)
        return true;
    return stream_id_compare(top, *after) > 0 && (f.length || r->c->ready.data);
}

static size_t read_entries(const struct reading *r, const struct collection *stream, struct stream_id after,
                           struct buf *out)
{
    struct stream_at at;
    size_t n = 0;
    if (!stream_id_step(&after, false))
        return 0;
    for (bool more = stream_seek(stream, after, false, &at); more; more = stream_step(stream, false, &at)) {
        reply_stream_entry(out, stream, at);
        if (++n == r->count)
            break;
    }
    return n;
}

/* The group's place moves behind this entry, and with it what it knows of how many it has read. */
static void move_group(struct collection *stream, struct stream_group *g, const struct stream_facts *f,
                       struct stream_id id)
{
    int64_t read = g->entries_read;
    if (stream_id_compare(id, g->last) <= 0)
        return;
    if (read != STREAM_READ_UNKNOWN && !stream_has_gap(f, id))
        read = (int64_t)((uint64_t)read + 1);
    else if (f->entries_added)
        read = stream_entries_upto(f, id);
    stream_group_set(stream, g, id, read);
}

static size_t read_new(const struct reading *r, struct collection *stream, struct stream_group *g,
                       struct stream_consumer *owner, struct buf *out)
{
    struct stream_facts f = stream_facts(stream);
    struct stream_id after = g->last;
    struct stream_at at;
    size_t n = 0;
    if (!stream_id_step(&after, false))
        return 0;
    for (bool more = stream_seek(stream, after, false, &at); more; more = stream_step(stream, false, &at)) {
        struct stream_pending p = {at.id, (int64_t)r->c->view.now_ms, 1, owner};
        move_group(stream, g, &f, at.id);
        reply_stream_entry(out, stream, at);
        if (!r->no_ack)
            stream_pend(stream, g, &p);
        if (++n == r->count)
            break;
    }
    return n;
}

/* What the consumer has been given already, once more. Of what was deleted there is nothing but its ID. */
static size_t read_history(const struct reading *r, struct collection *stream, struct stream_group *g,
                           const struct stream_consumer *owner, struct stream_id after, struct buf *out)
{
    struct ids_at walk;
    struct stream_at at;
    size_t n = 0;
    if (!stream_id_step(&after, false))
        return 0;
    for (const struct stream_id *id = ids_from(&owner->pending, after, &walk); id;
         id = ids_next(&owner->pending, &walk)) {
        if (stream_seek(stream, *id, false, &at) && stream_id_compare(at.id, *id) == 0) {
            struct stream_pending p = *(const struct stream_pending *)ids_find(&g->pending, *id);
            p.delivered_ms = (int64_t)r->c->view.now_ms;
            p.deliveries++;
            stream_pend(stream, g, &p);
            reply_stream_entry(out, stream, at);
        } else {
            resp_array(out, 2);
            reply_stream_id(out, *id);
            resp_null_array(out, r->c->resp);
        }
        if (++n == r->count)
            break;
    }
    return n;
}

static size_t read_as_group(const struct reading *r, size_t i, struct stream_group *g, struct stream_id after,
                            struct buf *out)
{
    struct command_context *c = r->c;
    struct store_edit e;
    group_edit_begin(c, &e, i);
    struct stream_consumer *owner = see_consumer(c, &e, g, i, c->argv[r->group_at + 1]);
    size_t n = wants_new(r, i) ? read_new(r, &e.value, g, owner, out)
                               : read_history(r, &e.value, g, owner, after, out);
    group_edit_end(c, &e, i);
    return n;
}

/* The stream at argv[i] with what is new in it, false: nothing is. */
static bool read_one(const struct reading *r, size_t i, struct buf *out)
{
    struct command_context *c = r->c;
    struct store_key *k = store_find(&c->view, c->argv[i]);
    struct stream_id after;
    if (!k)
        return false;
    struct collection stream = store_collection(k);
    struct stream_group *g = r->by_group ? stream_group_find(&stream, c->argv[r->group_at]) : NULL;
    if (!find_start(r, i, &stream, g, &after))
        return false;
    struct buf entries = BUF_EMPTY;
    size_t n = g ? read_as_group(r, i, g, after, &entries) : read_entries(r, &stream, after, &entries);
    if (c->resp == 2)
        resp_array(out, 2);
    resp_bulk(out, c->argv[i]);
    resp_array(out, n);
    buf_append_slice(out, buf_slice(&entries));
    buf_deinit(&entries);
    return true;
}

/* Whom he waited for may be gone. */
static bool check_ready(struct reading *r, size_t i)
{
    struct command_context *c = r->c;
    const struct store_key *k = store_find(&c->view, c->argv[i]);
    if (!r->by_group)
        return true;
    if (!k || store_key_type(k) != STORE_STREAM) {
        resp_error(c->out, "UNBLOCKED the stream key no longer exists");
        return false;
    }
    struct collection stream = store_collection(k);
    if (stream_group_find(&stream, c->argv[r->group_at]))
        return true;
    resp_error(c->out, "NOGROUP the consumer group this client was blocked on no longer exists");
    return false;
}

/* While it waits, $ is the ID that it was when the waiting began. */
static struct slice *fix_ids(const struct reading *r)
{
    struct command_context *c = r->c;
    struct slice *argv = mem_alloc(c->argc * sizeof *argv + r->n * STREAM_ID_TEXT_MAX);
    char *text = (char *)(argv + c->argc);
    for (size_t i = 0; i < c->argc; i++)
        argv[i] = c->argv[i];
    for (size_t i = r->first; i < r->first + r->n; i++) {
        if (!is_sign(r, i + r->n, '$'))
            continue;
        struct store_key *k = store_find(&c->view, c->argv[i]);
        struct collection stream = k ? store_collection(k) : (struct collection){.data = NULL};
        argv[i + r->n] = slice_of(text, stream_id_print(text, stream_facts(&stream).last));
        text += argv[i + r->n].len;
    }
    return argv;
}

static void wait_for_streams(const struct reading *r)
{
    struct command_context *c = r->c;
    if (!r->waits || !wait_for_keys(c, STORE_STREAM, r->first, r->n, r->timeout_ms)) {
        resp_null_array(c->out, c->resp);
        return;
    }
    c->wait->needs_key = r->by_group;
    if (!c->ready.data)
        c->wait->argv = fix_ids(r);
}

static void run(struct command_context *c, bool by_group)
{
    struct reading r = {.c = c, .by_group = by_group};
    struct buf streams = BUF_EMPTY;
    size_t n = 0;
    if (!parse(&r))
        return;
    size_t first = r.first, count = r.n;
    keys_to_try(c, &first, &count);
    for (size_t i = first; i < first + count; i++)
        if (c->ready.data ? !check_ready(&r, i) : !check(&r, i))
            return;
    if (c->ready.data && !r.count)
        r.count = WAITED_COUNT;
    for (size_t i = first; i < first + count; i++)
        n += read_one(&r, i, &streams);
    if (!n) {
        wait_for_streams(&r);
        return;
    }
    if (c->resp == 2)
        resp_array(c->out, n);
    else
        resp_map(c->out, c->resp, n);
    buf_append_slice(c->out, buf_slice(&streams));
    buf_deinit(&streams);
}

void xread_command(struct command_context *c)
{
    run(c, false);
}

void xreadgroup_command(struct command_context *c)
{
    run(c, true);
}
