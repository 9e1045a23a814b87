/* Lists. */

#include "commands/list.h"

/* The list at argv[i], NULL: absent. false: it is something else, and the error was appended. */
static bool find_list(struct command_context *c, size_t i, struct store_key **k)
{
    *k = store_find(&c->view, c->argv[i]);
    return check_type(c, *k, STORE_LIST);
}

/* What ends a change that took elements away. */
static void end_taking(struct command_context *c, struct store_edit *e, const char *event, struct slice key)
{
    bool stays = store_edit_end(e, true);
    notify(c, EVENT_LIST, event, key);
    if (!stays)
        notify(c, EVENT_GENERIC, "del", key);
}

/* ---- pushing ---- */

void list_push(struct command_context *c, struct slice key, enum list_end where, const struct slice *elements,
               size_t n)
{
    struct store_edit e;
    store_edit_begin(&e, &c->view, key, STORE_LIST);
    for (size_t i = 0; i < n; i++)
        quicklist_push(&e.value, where, elements[i], c->view.limits);
    store_edit_end(&e, true);
    notify(c, EVENT_LIST, where == LIST_HEAD ? "lpush" : "rpush", key);
}

static void push(struct command_context *c, enum list_end where, bool must_exist)
{
    struct store_key *k;
    if (!find_list(c, 1, &k))
        return;
    if (!k && must_exist) {
        resp_integer(c->out, 0);
        return;
    }
    uint64_t had = k ? store_key_size(k) : 0;
    list_push(c, c->argv[1], where, c->argv + 2, c->argc - 2);
    resp_integer(c->out, (int64_t)(had + c->argc - 2));
}

void lpush_command(struct command_context *c)
{
    push(c, LIST_HEAD, false);
}

void rpush_command(struct command_context *c)
{
    push(c, LIST_TAIL, false);
}

void lpushx_command(struct command_context *c)
{
    push(c, LIST_HEAD, true);
}

void rpushx_command(struct command_context *c)
{
    push(c, LIST_TAIL, true);
}

void linsert_command(struct command_context *c)
{
    struct store_key *k;
    bool behind = arg_is(c, 2, "after");
    if (!behind && !arg_is(c, 2, "before")) {
        reply_syntax_error(c);
        return;
    }
    if (!find_list(c, 1, &k))
        return;
    if (!k) {
        resp_integer(c->out, 0);
        return;
    }
    struct collection list = store_collection(k);
    struct quicklist_at at;
    bool found = quicklist_seek(&list, 0, &at);
    while (found && !quicklist_equal(&list, &at, c->argv[3]))
        found = quicklist_step(&list, &at, LIST_TAIL);
    if (!found) {
        resp_integer(c->out, -1);
        return;
    }
    struct store_edit e;
    store_edit_begin(&e, &c->view, c->argv[1], STORE_LIST);
    quicklist_insert(&e.value, &at, behind, c->argv[4], c->view.limits);
    resp_integer(c->out, (int64_t)quicklist_count(&e.value));
    store_edit_end(&e, true);
    notify(c, EVENT_LIST, "linsert", c->argv[1]);
}

/* ---- taking ---- */

static void reply_elements(struct command_context *c, const struct collection *list, struct quicklist_at at,
                           enum list_end towards, uint64_t n)
{
    char scratch[LP_NUMBER_MAX];
    resp_array(c->out, n);
    for (; n; n--) {
        resp_bulk(c->out, quicklist_text(list, &at, scratch));
        if (n > 1)
            quicklist_step(list, &at, towards);
    }
}

void list_take(struct command_context *c, struct slice key, enum list_end where, uint64_t n, bool as_array)
{
    struct store_edit e;
    struct quicklist_at at;
    char scratch[LP_NUMBER_MAX];
    store_edit_begin(&e, &c->view, key, STORE_LIST);
    quicklist_seek(&e.value, where == LIST_HEAD ? 0 : -1, &at);
    if (n > quicklist_count(&e.value))
        n = quicklist_count(&e.value);
    if (as_array)
        reply_elements(c, &e.value, at, where == LIST_HEAD ? LIST_TAIL : LIST_HEAD, n);
    else
        resp_bulk(c->out, quicklist_text(&e.value, &at, scratch));
    quicklist_drop(&e.value, where, n);
    end_taking(c, &e, where == LIST_HEAD ? "lpop" : "rpop", key);
}

static void pop(struct command_context *c, enum list_end where)
{
    struct store_key *k;
    int64_t n = 1;
    bool counted = c->argc == 3;
    if (c->argc > 3) {
        reply_arity_error(c, command_name(c));
        return;
    }
    if (counted && !arg_i64_in(c, 2, 0, INT64_MAX, "ERR value is out of range, must be positive", &n))
        return;
    if (!find_list(c, 1, &k))
        return;
    if (!k && counted)
        resp_null_array(c->out, c->resp);
    else if (!k)
        reply_null(c);
    else if (n == 0)
        resp_array(c->out, 0);
    else
        list_take(c, c->argv[1], where, (uint64_t)n, counted);
}

void lpop_command(struct command_context *c)
{
    pop(c, LIST_HEAD);
}

void rpop_command(struct command_context *c)
{
    pop(c, LIST_TAIL);
}

void lrem_command(struct command_context *c)
{
    struct store_key *k;
    int64_t count;
    if (!arg_i64(c, 2, &count) || !find_list(c, 1, &k))
        return;
    if (!k) {
        resp_integer(c->out, 0);
        return;
    }
    uint64_t max = count < 0 ? 0 - (uint64_t)count : count ? (uint64_t)count : UINT64_MAX;
    struct store_edit e;
    store_edit_begin(&e, &c->view, c->argv[1], STORE_LIST);
    uint64_t removed = quicklist_remove(&e.value, count < 0 ? LIST_TAIL : LIST_HEAD, max, c->argv[3]);
    if (removed)
        end_taking(c, &e, "lrem", c->argv[1]);
    else
        store_edit_end(&e, false);
    resp_integer(c->out, (int64_t)removed);
}

/* ---- by index ---- */

/* From..to of `count`, negative ones counted from the end, as LRANGE and LTRIM take them; how many that are. */
static uint64_t clip(int64_t *from, int64_t to, uint64_t count)
{
    int64_t n = (int64_t)count;
    if (*from < 0)
        *from = *from + n < 0 ? 0 : *from + n;
    if (to < 0)
        to += n;
    if (to >= n)
        to = n - 1;
    return *from <= to ? (uint64_t)(to - *from + 1) : 0;
}

void ltrim_command(struct command_context *c)
{
    struct store_key *k;
    int64_t from, to;
    if (!arg_i64(c, 2, &from) || !arg_i64(c, 3, &to) || !find_list(c, 1, &k))
        return;
    uint64_t count = k ? store_key_size(k) : 0, kept = clip(&from, to, count);
    if (k && kept) {
        struct store_edit e;
        store_edit_begin(&e, &c->view, c->argv[1], STORE_LIST);
        quicklist_drop(&e.value, LIST_HEAD, (uint64_t)from);
        quicklist_drop(&e.value, LIST_TAIL, count - (uint64_t)from - kept);
        end_taking(c, &e, "ltrim", c->argv[1]);
    } else if (k) {
        store_delete(&c->view, c->argv[1]);
        notify(c, EVENT_LIST, "ltrim", c->argv[1]);
        notify(c, EVENT_GENERIC, "del", c->argv[1]);
    }
    reply_ok(c);
}

void lset_command(struct command_context *c)
{
    struct store_key *k;
    int64_t index;
    if (!find_list(c, 1, &k))
        return;
    if (!k) {
        resp_error(c->out, "ERR no such key");
        return;
    }
    if (!arg_i64(c, 2, &index))
        return;
    struct collection list = store_collection(k);
    struct quicklist_at at;
    if (!quicklist_seek(&list, index, &at)) {
        resp_error(c->out, "ERR index out of range");
        return;
    }
    struct store_edit e;
    store_edit_begin(&e, &c->view, c->argv[1], STORE_LIST);
    quicklist_set(&e.value, &at, c->argv[3], c->view.limits);
    store_edit_end(&e, true);
    reply_ok(c);
    notify(c, EVENT_LIST, "lset", c->argv[1]);
}

void llen_command(struct command_context *c)
{
    struct store_key *k;
    if (find_list(c, 1, &k))
        resp_integer(c->out, k ? (int64_t)store_key_size(k) : 0);
}

void lindex_command(struct command_context *c)
{
    struct store_key *k;
    struct quicklist_at at;
    char scratch[LP_NUMBER_MAX];
    int64_t index;
    if (!find_list(c, 1, &k))
        return;
    if (!k) {
        reply_null(c);
        return;
    }
    struct collection list = store_collection(k);
    if (!arg_i64(c, 2, &index))
        return;
    if (quicklist_seek(&list, index, &at))
        resp_bulk(c->out, quicklist_text(&list, &at, scratch));
    else
        reply_null(c);
}

void lrange_command(struct command_context *c)
{
    struct store_key *k;
    struct quicklist_at at;
    int64_t from, to;
    if (!arg_i64(c, 2, &from) || !arg_i64(c, 3, &to) || !find_list(c, 1, &k))
        return;
    uint64_t n = clip(&from, to, k ? store_key_size(k) : 0);
    if (!n) {
        resp_array(c->out, 0);
        return;
    }
    struct collection list = store_collection(k);
    quicklist_seek(&list, from, &at);
    reply_elements(c, &list, at, LIST_TAIL, n);
}

/* ---- LPOS ---- */

struct search {
    int64_t rank, count, max_len; /* count -1: one, not in an array; 0: all. max_len 0: no limit */
};

static bool parse_search(struct command_context *c, struct search *s)
{
    *s = (struct search){.rank = 1, .count = -1};
    for (size_t i = 3; i < c->argc; i += 2) {
        bool more = i + 1 < c->argc;
        if (more && arg_is(c, i, "rank")) {
            if (!arg_i64(c, i + 1, &s->rank))
                return false;
            if (s->rank == 0) {
                resp_error(
                    c->out,
                    "ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... "
                    "or use negative to start from the end of the list");
                return false;
            }
        } else if (more && arg_is(c, i, "count")) {
            if (!arg_i64_in(c, i + 1, 0, INT64_MAX, "ERR COUNT can't be negative", &s->count))
                return false;
        } else if (more && arg_is(c, i, "maxlen")) {
            if (!arg_i64_in(c, i + 1, 0, INT64_MAX, "ERR MAXLEN can't be negative", &s->max_len))
                return false;
        } else {
            reply_syntax_error(c);
            return false;
        }
    }
    return true;
}

/* Appends the indexes; how many. */
static size_t search(const struct collection *list, const struct search *s, struct slice wanted,
                     struct buf *out)
{
    struct quicklist_at at;
    bool forward = s->rank > 0;
    uint64_t skip = (forward ? (uint64_t)s->rank : 0 - (uint64_t)s->rank) - 1;
    uint64_t max = s->count < 0 ? 1 : s->count ? (uint64_t)s->count : UINT64_MAX;
    uint64_t count = quicklist_count(list), left = s->max_len ? (uint64_t)s->max_len : count;
    size_t found = 0;
    bool more = quicklist_seek(list, forward ? 0 : -1, &at);
    for (uint64_t i = 0; more && i < left && found < max; i++) {
        if (quicklist_equal(list, &at, wanted) && skip-- == 0) {
            resp_integer(out, (int64_t)(forward ? i : count - 1 - i));
            found++;
            skip = 0;
        }
        more = quicklist_step(list, &at, forward ? LIST_TAIL : LIST_HEAD);
    }
    return found;
}

void lpos_command(struct command_context *c)
{
    struct search s;
    struct store_key *k;
    if (!parse_search(c, &s) || !find_list(c, 1, &k))
        return;
    struct buf found = BUF_EMPTY;
    struct collection list = {.data = NULL};
    if (k)
        list = store_collection(k);
    size_t n = k ? search(&list, &s, c->argv[2], &found) : 0;
    if (s.count >= 0)
        resp_array(c->out, n);
    else if (!n)
        reply_null(c);
    buf_append_slice(c->out, buf_slice(&found));
    buf_deinit(&found);
}
