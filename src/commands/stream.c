/* Streams. */
#include "commands/stream.h"

/* ---- XADD and XTRIM ---- */

struct add {
    struct stream_trim trim;
    bool must_exist, id_given, any_seq;
    struct stream_id id;
    size_t id_at; /* argc: there is none */
    bool limit_given;
    int64_t limit;
};

/* MAXLEN or MINID at argv[*i], its = or ~, and the threshold; *i is at the last of them then. */
static bool parse_threshold(struct command_context *c, size_t *i, struct add *a)
{
    bool by_id = arg_is(c, *i, "minid");
    if (a->trim.by != TRIM_NONE) {
        resp_error(c->out, "ERR syntax error, MAXLEN and MINID options at the same time are not compatible");
        return false;
    }
    a->trim.roughly = false;
    if (c->argc - *i > 2 && (arg_is(c, *i + 1, "~") || arg_is(c, *i + 1, "="))) {
        a->trim.roughly = arg_is(c, *i + 1, "~");
        ++*i;
    }
    ++*i;
    if (by_id) {
        a->trim.by = TRIM_MINID;
        return arg_stream_id(c, *i, 0, NULL, &a->trim.minid);
    }
    int64_t maxlen;
    if (!arg_i64(c, *i, &maxlen))
        return false;
    if (maxlen < 0) {
        resp_error(c->out, "ERR The MAXLEN argument must be >= 0.");
        return false;
    }
    a->trim.by = TRIM_MAXLEN;
    a->trim.maxlen = (uint64_t)maxlen;
    return true;
}

static bool parse_limit(struct command_context *c, size_t i, struct add *a)
{
    if (!arg_i64(c, i, &a->limit))
        return false;
    if (a->limit < 0) {
        resp_error(c->out, "ERR The LIMIT argument must be >= 0.");
        return false;
    }
    a->limit_given = true;
    return true;
}

/* An approximate trim has a limit even when none is given: 100 nodes. */
static bool check_limit(struct command_context *c, bool adds, struct add *a)
{
    const char *error = NULL;
    if (a->limit && a->trim.by == TRIM_NONE)
        error = "ERR syntax error, LIMIT cannot be used without specifying a trimming strategy";
    else if (!adds && a->trim.by == TRIM_NONE)
        error = "ERR syntax error, XTRIM must be called with a trimming strategy";
    else if (a->limit_given && !a->trim.roughly)
        error = "ERR syntax error, LIMIT cannot be used without the special ~ option";
    if (error) {
        resp_error(c->out, error);
        return false;
    }
    uint64_t entries = c->view.limits ? c->view.limits->stream_node_max_entries : 0;
    if (a->limit_given)
        a->trim.limit = (uint64_t)a->limit;
    else if (a->trim.roughly)
        a->trim.limit = entries == 0 ? 10000 : entries > 10000 ? 1000000 : 100 * entries;
    return true;
}

static bool parse_add(struct command_context *c, bool adds, struct add *a)
{
    *a = (struct add){.id_at = c->argc};
    for (size_t i = 2; i < c->argc && a->id_at == c->argc; i++) {
        bool more = i + 1 < c->argc;
        if (adds && arg_is(c, i, "*")) {
            a->id_at = i;
        } else if (more && (arg_is(c, i, "maxlen") || arg_is(c, i, "minid"))) {
            if (!parse_threshold(c, &i, a))
                return false;
        } else if (more && arg_is(c, i, "limit")) {
            if (!parse_limit(c, ++i, a))
                return false;
        } else if (adds && arg_is(c, i, "nomkstream")) {
            a->must_exist = true;
        } else if (adds) {
            if (!arg_stream_id(c, i, 0, &a->any_seq, &a->id))
                return false;
            a->id_given = true;
            a->id_at = i;
        } else {
            reply_syntax_error(c);
            return false;
        }
    }
    return check_limit(c, adds, a);
}

/* The ID that the entry gets; false: the error was appended. */
static bool choose_id(struct command_context *c, const struct add *a, struct stream_id last,
                      struct stream_id *id)
{
    struct stream_id next = last;
    if (!stream_id_step(&next, false)) {
        resp_error(c->out, "ERR The stream has exhausted the last possible ID, unable to add more items");
        return false;
    }
    *id = a->id;
    bool good = true;
    if (!a->id_given)
        *id = c->view.now_ms > last.ms ? (struct stream_id){c->view.now_ms, 0} : next;
    else if (a->any_seq && a->id.ms == last.ms)
        good = (*id = next).ms == last.ms;
    if (good && stream_id_compare(*id, last) > 0)
        return true;
    resp_error(c->out, "ERR The ID specified in XADD is equal or smaller than the target stream top item");
    return false;
}

static bool fits(struct command_context *c, const struct slice *fields, size_t n)
{
    size_t bytes = 0;
    for (size_t i = 0; i < n; i++)
        bytes += fields[i].len;
    if (bytes <= LP_BYTES_MAX)
        return true;
    resp_error(c->out, "ERR Elements are too large to be stored");
    return false;
}

void xadd_command(struct command_context *c)
{
    struct add a;
    struct store_key *k;
    if (!parse_add(c, true, &a))
        return;
    size_t n = c->argc > a.id_at + 1 ? c->argc - a.id_at - 1 : 0;
    if (n < 2 || n % 2) {
        reply_arity_error(c, "xadd");
        return;
    }
    if (a.id_given && !a.any_seq && !a.id.ms && !a.id.seq) {
        resp_error(c->out, "ERR The ID specified in XADD must be greater than 0-0");
        return;
    }
    if (!find_stream(c, 1, &k))
        return;
    if (!k && a.must_exist) {
        reply_null(c);
        return;
    }
    struct collection stream = k ? store_collection(k) : (struct collection){.data = NULL};
    struct stream_id id;
    const struct slice *fields = c->argv + a.id_at + 1;
    if (!choose_id(c, &a, stream_facts(&stream).last, &id) || !fits(c, fields, n))
        return;
    struct store_edit e;
    store_edit_begin(&e, &c->view, c->argv[1], STORE_STREAM);
    stream_make(&e.value);
    stream_append(&e.value, id, fields, n / 2, c->view.limits);
    uint64_t trimmed = a.trim.by == TRIM_NONE ? 0 : stream_trim(&e.value, &a.trim);
    store_edit_end(&e, true);
    reply_stream_id(c->out, id);
    notify(c, EVENT_STREAM, "xadd", c->argv[1]);
    if (trimmed)
        notify(c, EVENT_STREAM, "xtrim", c->argv[1]);
}

void xtrim_command(struct command_context *c)
{
    struct add a;
    struct store_key *k;
    if (!parse_add(c, false, &a) || !find_stream(c, 1, &k))
        return;
    uint64_t trimmed = 0;
    if (k) {
        struct store_edit e;
        store_edit_begin(&e, &c->view, c->argv[1], STORE_STREAM);
        trimmed = stream_trim(&e.value, &a.trim);
        store_edit_end(&e, trimmed > 0);
    }
    if (trimmed)
        notify(c, EVENT_STREAM, "xtrim", c->argv[1]);
    resp_integer(c->out, (int64_t)trimmed);
}

/* ---- the others that write ---- */

void xdel_command(struct command_context *c)
{
    struct store_key *k;
    struct stream_id id;
    if (!find_stream(c, 1, &k))
        return;
    if (!k) {
        resp_integer(c->out, 0);
        return;
    }
    for (size_t i = 2; i < c->argc; i++)
        if (!arg_stream_id(c, i, 0, NULL, &id))
            return;
    struct store_edit e;
    int64_t deleted = 0;
    store_edit_begin(&e, &c->view, c->argv[1], STORE_STREAM);
    for (size_t i = 2; i < c->argc; i++) {
        arg_stream_id(c, i, 0, NULL, &id);
        deleted += stream_delete(&e.value, id);
    }
    store_edit_end(&e, deleted > 0);
    if (deleted)
        notify(c, EVENT_STREAM, "xdel", c->argv[1]);
    resp_integer(c->out, deleted);
}

struct set_id {
    struct stream_id last, max_deleted;
    int64_t entries_added; /* -1: not given */
};

static bool parse_set_id(struct command_context *c, struct set_id *s)
{
    *s = (struct set_id){.entries_added = -1};
    if (!arg_stream_id(c, 2, 0, NULL, &s->last))
        return false;
    for (size_t i = 3; i < c->argc; i += 2) {
        bool more = i + 1 < c->argc;
        if (more && arg_is(c, i, "entriesadded")) {
            if (!arg_i64(c, i + 1, &s->entries_added))
                return false;
            if (s->entries_added < 0) {
                resp_error(c->out, "ERR entries_added must be positive");
                return false;
            }
        } else if (more && arg_is(c, i, "maxdeletedid")) {
            if (!arg_stream_id(c, i + 1, 0, NULL, &s->max_deleted))
                return false;
            if (stream_id_compare(s->last, s->max_deleted) < 0) {
                resp_error(
                    c->out,
                    "ERR The ID specified in XSETID is smaller than the provided max_deleted_entry_id");
                return false;
            }
        } else {
            reply_syntax_error(c);
            return false;
        }
    }
    return true;
}

void xsetid_command(struct command_context *c)
{
    struct set_id s;
    struct store_key *k;
    if (!parse_set_id(c, &s) || !find_stream(c, 1, &k))
        return;
    if (!k) {
        resp_error(c->out, "ERR no such key");
        return;
    }
    struct collection stream = store_collection(k);
    struct stream_facts f = stream_facts(&stream);
    if (f.length && stream_id_compare(s.last, f.last_entry) < 0) {
        resp_error(c->out, "ERR The ID specified in XSETID is smaller than the target stream top item");
        return;
    }
    if (f.length && s.entries_added >= 0 && f.length > (uint64_t)s.entries_added) {
        resp_error(c->out,
                   "ERR The entries_added specified in XSETID is smaller than the target stream length");
        return;
    }
    struct store_edit e;
    store_edit_begin(&e, &c->view, c->argv[1], STORE_STREAM);
    stream_set_last(&e.value, s.last);
    if (s.entries_added >= 0)
        stream_set_added(&e.value, (uint64_t)s.entries_added);
    if (s.max_deleted.ms || s.max_deleted.seq)
        stream_set_max_deleted(&e.value, s.max_deleted);
    store_edit_end(&e, false);
    notify(c, EVENT_BESIDE, NULL, c->argv[1]);
    reply_ok(c);
    notify(c, EVENT_STREAM, "xsetid", c->argv[1]);
}

/* ---- reading ---- */

void xlen_command(struct command_context *c)
{
    struct store_key *k;
    if (find_stream(c, 1, &k))
        resp_integer(c->out, k ? (int64_t)store_key_size(k) : 0);
}

static bool parse_count(struct command_context *c, int64_t *count)
{
    *count = -1;
    for (size_t i = 4; i < c->argc; i += 2) {
        if (!arg_is(c, i, "count") || i + 1 == c->argc) {
            reply_syntax_error(c);
            return false;
        }
        if (!arg_i64(c, i + 1, count))
            return false;
        if (*count < 0)
            *count = 0;
    }
    return true;
}

static void range(struct command_context *c, bool back)
{
    struct stream_id from, to;
    struct store_key *k;
    struct stream_at at;
    int64_t count;
    if (!arg_stream_bound(c, back ? 3 : 2, false, &from) || !arg_stream_bound(c, back ? 2 : 3, true, &to) ||
        !parse_count(c, &count) || !find_stream(c, 1, &k))
        return;
    if (!k) {
        resp_array(c->out, 0);
        return;
    }
    if (count == 0) {
        resp_null_array(c->out, c->resp);
        return;
    }
    struct collection stream = store_collection(k);
    struct buf entries = BUF_EMPTY;
    size_t n = 0;
    bool more = stream_seek(&stream, back ? to : from, back, &at);
    while (more && (count < 0 || n < (uint64_t)count)) {
        if (back ? stream_id_compare(at.id, from) < 0 : stream_id_compare(at.id, to) > 0)
            break;
        reply_stream_entry(&entries, &stream, at);
        n++;
        more = stream_step(&stream, back, &at);
    }
    resp_array(c->out, n);
    buf_append_slice(c->out, buf_slice(&entries));
    buf_deinit(&entries);
}

void xrange_command(struct command_context *c)
{
    range(c, false);
}

void xrevrange_command(struct command_context *c)
{
    range(c, true);
}
