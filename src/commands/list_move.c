/* From list to list, and from the first of several: the commands of which blocking ones exist too. */
#include "commands/list.h"

bool arg_list_end(struct command_context *c, size_t i, enum list_end *where)
{
    *where = arg_is(c, i, "left") ? LIST_HEAD : LIST_TAIL;
    if (*where == LIST_HEAD || arg_is(c, i, "right"))
        return true;
    reply_syntax_error(c);
    return false;
}

/* Within one list: the key stays, even where it holds but that element. */
static void rotate(struct command_context *c, struct slice key, enum list_end from, enum list_end to,
                   struct slice element)
{
    struct store_edit e;
    store_edit_begin(&e, &c->view, key, STORE_LIST);
    if (from == to) {
        quicklist_drop(&e.value, from, 1);
        quicklist_push(&e.value, to, element, c->view.limits);
    } else {
        quicklist_push(&e.value, to, element, c->view.limits);
        quicklist_drop(&e.value, from, 1);
    }
    store_edit_end(&e, true);
    notify(c, EVENT_LIST, to == LIST_HEAD ? "lpush" : "rpush", key);
    notify(c, EVENT_LIST, from == LIST_HEAD ? "lpop" : "rpop", key);
}

void list_move(struct command_context *c, struct slice from_key, struct slice to_key, enum list_end from,
               enum list_end to)
{
    struct collection list = store_collection(store_find(&c->view, from_key));
    struct quicklist_at at;
    struct buf element = BUF_EMPTY;
    char scratch[LP_NUMBER_MAX];
    quicklist_seek(&list, from == LIST_HEAD ? 0 : -1, &at);
    buf_append_slice(&element, quicklist_text(&list, &at, scratch));
    struct slice s = slice_of(element.data ? element.data : "", element.len);
    if (slice_equal(from_key, to_key)) {
        rotate(c, from_key, from, to, s);
        resp_bulk(c->out, s);
    } else {
        list_push(c, to_key, to, &s, 1);
        list_take(c, from_key, from, 1, false);
    }
    buf_deinit(&element);
}

static void move(struct command_context *c, enum list_end from, enum list_end to)
{
    struct store_key *k = store_find(&c->view, c->argv[1]);
    if (!k) {
        reply_null(c);
        return;
    }
    if (check_type(c, k, STORE_LIST) && check_type(c, store_find(&c->view, c->argv[2]), STORE_LIST))
        list_move(c, c->argv[1], c->argv[2], from, to);
}

void lmove_command(struct command_context *c)
{
    enum list_end from, to;
    if (arg_list_end(c, 3, &from) && arg_list_end(c, 4, &to))
        move(c, from, to);
}

void rpoplpush_command(struct command_context *c)
{
    move(c, LIST_TAIL, LIST_HEAD);
}

/* ---- LMPOP ---- */

int lmpop_keys(const struct slice *argv, size_t argc, int *out, int max)
{
    return counted_keys(argv, argc, 1, out, max);
}

bool arg_lmpop(struct command_context *c, size_t at, size_t *keys, struct list_pop *p)
{
    int64_t n;
    *p = (struct list_pop){.count = 1};
    if (!arg_i64_in(c, at, 1, INT64_MAX, "ERR numkeys should be greater than 0", &n))
        return false;
    if ((uint64_t)n >= c->argc - at - 1) {
        reply_syntax_error(c);
        return false;
    }
    *keys = (size_t)n;
    size_t i = at + 1 + *keys;
    if (!arg_list_end(c, i, &p->where))
        return false;
    if (i + 1 == c->argc)
        return true;
    if (i + 3 != c->argc || !arg_is(c, i + 1, "count")) {
        /* An option that came before the wrong one is judged first. */
        if (i + 3 > c->argc || !arg_is(c, i + 1, "count") ||
            arg_i64_in(c, i + 2, 1, INT64_MAX, "ERR count should be greater than 0", &p->count))
            reply_syntax_error(c);
        return false;
    }
    return arg_i64_in(c, i + 2, 1, INT64_MAX, "ERR count should be greater than 0", &p->count);
}

bool list_pop_first(struct command_context *c, const struct slice *keys, size_t n, const struct list_pop *p)
{
    for (size_t i = 0; i < n; i++) {
        struct store_key *k = store_find(&c->view, keys[i]);
        if (!k)
            continue;
        if (check_type(c, k, STORE_LIST)) {
            resp_array(c->out, 2);
            resp_bulk(c->out, keys[i]);
            list_take(c, keys[i], p->where, (uint64_t)p->count, true);
        }
        return true;
    }
    return false;
}

void lmpop_command(struct command_context *c)
{
    struct list_pop p;
    size_t keys;
    if (arg_lmpop(c, 1, &keys, &p) && !list_pop_first(c, c->argv + 2, keys, &p))
        resp_null_array(c->out, c->resp);
}
