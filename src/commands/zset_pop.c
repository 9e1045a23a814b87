/* Members taken from either end of a sorted set, and members drawn by lot. */
#include "base/alloc.h"
#include "commands/zset_int.h"

/* ---- ZPOPMIN, ZPOPMAX, ZMPOP, and those that wait ---- */

static void reply_pop_head(struct command_context *c, struct slice key, uint64_t n, const struct zset_pop *p)
{
    if (p->with_key) {
        resp_array(c->out, p->nested ? 2 : 2 * n + 1);
        resp_bulk(c->out, key);
        if (p->nested)
            resp_array(c->out, n);
    } else {
        resp_array(c->out, p->nested ? n : 2 * n);
    }
}

static void pop_from(struct command_context *c, struct slice key, const struct zset_pop *p)
{
    struct store_edit e;
    struct zset_walk w;
    struct zset_item item;
    store_edit_begin(&e, &c->view, key, STORE_ZSET);
    uint64_t size = zset_count(&e.value), n = p->count < size ? p->count : size;
    reply_pop_head(c, key, n, p);
    zset_walk(&w, &e.value, p->max ? size - 1 : 0, p->max);
    for (uint64_t left = n; left > 0 && zset_walk_next(&w, &item); left--) {
        if (p->nested)
            resp_array(c->out, 2);
        resp_bulk(c->out, item.member);
        reply_score(c, item.score);
    }
    zset_remove_ranks(&e.value, p->max ? size - n : 0, p->max ? size : n);
    end_removal(c, &e, true, p->max ? "zpopmax" : "zpopmin", key);
}

bool zset_pop(struct command_context *c, size_t first, size_t keys, const struct zset_pop *p)
{
    for (size_t i = first; i < first + keys; i++) {
        struct store_key *k = store_find(&c->view, c->argv[i]);
        if (!k)
            continue;
        if (check_type(c, k, STORE_ZSET))
            pop_from(c, c->argv[i], p);
        return true;
    }
    return false;
}

/* ZPOPMIN key [count]: pairs stand in arrays of their own only in RESP3, and only with a count. */
static void pop(struct command_context *c, bool max)
{
    struct zset_pop p = {.max = max, .count = 1};
    int64_t count;
    if (c->argc > 3) {
        reply_syntax_error(c);
        return;
    }
    if (c->argc == 3) {
        if (!arg_i64_in(c, 2, 0, INT64_MAX, "ERR value is out of range, must be positive", &count))
            return;
        p.count = (uint64_t)count;
        p.nested = c->resp > 2;
    }
    struct collection z;
    if (!find_zset(c, 1, reply_empty_array, &z))
        return;
    if (p.count == 0)
        reply_empty_array(c);
    else
        zset_pop(c, 1, 1, &p);
}

void zpopmin_command(struct command_context *c)
{
    pop(c, false);
}

void zpopmax_command(struct command_context *c)
{
    pop(c, true);
}

bool arg_zmpop(struct command_context *c, size_t at, size_t *keys, struct zset_pop *p)
{
    int64_t n, count = -1;
    if (!arg_i64_in(c, at, 1, INT64_MAX, "ERR numkeys should be greater than 0", &n))
        return false;
    bool room = (uint64_t)n < c->argc - at - 1;
    size_t where = room ? at + 1 + (size_t)n : 0;
    if (!room || (!arg_is(c, where, "min") && !arg_is(c, where, "max"))) {
        reply_syntax_error(c);
        return false;
    }
    for (size_t i = where + 1; i < c->argc; i += 2) {
        if (count != -1 || !arg_is(c, i, "count") || i + 1 == c->argc) {
            reply_syntax_error(c);
            return false;
        }
        if (!arg_i64_in(c, i + 1, 1, INT64_MAX, "ERR count should be greater than 0", &count))
            return false;
    }
    *keys = (size_t)n;
    *p = (struct zset_pop){.max = arg_is(c, where, "max"),
                           .count = count == -1 ? 1 : (uint64_t)count,
                           .nested = true,
                           .with_key = true};
    return true;
}

void zmpop_command(struct command_context *c)
{
    struct zset_pop p;
    size_t keys;
    if (arg_zmpop(c, 1, &keys, &p) && !zset_pop(c, 2, keys, &p))
        resp_null_array(c->out, c->resp);
}

/* ---- ZRANDMEMBER ---- */

static void reply_at(struct command_context *c, const struct collection *z, uint64_t rank, bool scores)
{
    struct zset_walk w;
    struct zset_item item;
    zset_walk(&w, z, rank, false);
    zset_walk_next(&w, &item);
    reply_member(c, &item, scores);
}

static void reply_different(struct command_context *c, const struct collection *z, uint64_t n, bool scores)
{
    uint64_t size = zset_count(z);
    n = n < size ? n : size;
    reply_members(c, n, scores);
    uint64_t *ranks = mem_alloc(n * sizeof *ranks);
    pick_distinct(c->chance, size, n, ranks);
    for (uint64_t i = 0; i < n; i++)
        reply_at(c, z, ranks[i], scores);
    mem_free(ranks);
}

/* So many draws, each from all of them. */
static void reply_draws(struct command_context *c, const struct collection *z, uint64_t n, bool scores)
{
    size_t start = c->out->len;
    reply_members(c, n, scores);
    for (; n > 0 && !reply_is_too_long(c, start); n--)
        reply_at(c, z, prng_below(c->chance, zset_count(z)), scores);
}

void zrandmember_command(struct command_context *c)
{
    struct collection z;
    int64_t count = 1;
    bool scores = c->argc == 4;
    if (c->argc > 2 && !arg_i64_in(c, 2, -INT64_MAX, INT64_MAX, NULL, &count))
        return;
    if (c->argc > 4 || (scores && !arg_is(c, 3, "withscores"))) {
        reply_syntax_error(c);
        return;
    }
    if (scores && (count < -INT64_MAX / 2 || count > INT64_MAX / 2)) {
        resp_error(c->out, "ERR value is out of range");
        return;
    }
    if (!find_zset(c, 1, c->argc > 2 ? reply_empty_array : reply_null, &z))
        return;
    if (c->argc == 2) {
        reply_at(c, &z, prng_below(c->chance, zset_count(&z)), false);
    } else if (count >= 0) {
        reply_different(c, &z, (uint64_t)count, scores);
    } else {
        reply_draws(c, &z, (uint64_t)-count, scores);
    }
}
