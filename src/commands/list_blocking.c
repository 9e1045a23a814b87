/* The list commands that wait until there is something: each is its brother of list.c and list_move.c otherwise. */
#include "commands/list.h"

static void wait_for_lists(struct command_context *c, size_t first, size_t n, uint64_t timeout_ms)
{
    if (!wait_for_keys(c, STORE_LIST, first, n, timeout_ms))
        resp_null_array(c->out, c->resp);
}

static void pop(struct command_context *c, enum list_end where)
{
    uint64_t timeout_ms;
    size_t first = 1, n = c->argc - 2;
    if (!arg_timeout(c, c->argc - 1, &timeout_ms))
        return;
    keys_to_try(c, &first, &n);
    for (const struct slice *key = c->argv + first; key < c->argv + first + n; key++) {
        const struct store_key *k = store_find(&c->view, *key);
        if (!k)
            continue;
        if (check_type(c, k, STORE_LIST)) {
            resp_array(c->out, 2);
            resp_bulk(c->out, *key);
            list_take(c, *key, where, 1, false);
        }
        return;
    }
    wait_for_lists(c, 1, c->argc - 2, timeout_ms);
}

void blpop_command(struct command_context *c)
{
    pop(c, LIST_HEAD);
}

void brpop_command(struct command_context *c)
{
    pop(c, LIST_TAIL);
}

static void move(struct command_context *c, enum list_end from, enum list_end to, size_t timeout_at)
{
    uint64_t timeout_ms;
    if (!arg_timeout(c, timeout_at, &timeout_ms))
        return;
    const struct store_key *k = store_find(&c->view, c->argv[1]);
    if (!check_type(c, k, STORE_LIST))
        return;
    if (k) {
        if (check_type(c, store_find(&c->view, c->argv[2]), STORE_LIST))
            list_move(c, c->argv[1], c->argv[2], from, to);
    } else if (!wait_for_keys(c, STORE_LIST, 1, 1, timeout_ms)) {
        reply_null(c);
    }
}

void blmove_command(struct command_context *c)
{
    enum list_end from, to;
    if (arg_list_end(c, 3, &from) && arg_list_end(c, 4, &to))
        move(c, from, to, 5);
}

void brpoplpush_command(struct command_context *c)
{
    move(c, LIST_TAIL, LIST_HEAD, 3);
}

int blmpop_keys(const struct slice *argv, size_t argc, int *out, int max)
{
    return counted_keys(argv, argc, 2, out, max);
}

void blmpop_command(struct command_context *c)
{
    uint64_t timeout_ms;
    struct list_pop p;
    size_t count, first = 3;
    if (!arg_timeout(c, 1, &timeout_ms) || !arg_lmpop(c, 2, &count, &p))
        return;
    size_t n = count;
    keys_to_try(c, &first, &n);
    if (!list_pop_first(c, c->argv + first, n, &p))
        wait_for_lists(c, 3, count, timeout_ms);
}
