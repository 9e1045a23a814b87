/* SPOP and SRANDMEMBER. */
#include "base/alloc.h"
#include "commands/commands_int.h"
#include "store/set.h"

/* ---- SPOP ---- */

static void removed(struct command_context *c, bool stays)
{
    notify(c, EVENT_SET, "spop", c->argv[1]);
    if (!stays)
        notify(c, EVENT_GENERIC, "del", c->argv[1]);
}

static void pop_one(struct command_context *c)
{
    struct store_edit e;
    char scratch[SET_NUMBER_MAX];
    store_edit_begin(&e, &c->view, c->argv[1], STORE_SET);
    struct slice member = set_at(&e.value, prng_below(c->chance, set_count(&e.value)), scratch);
    resp_bulk(c->out, member);
    set_remove(&e.value, member);
    removed(c, store_edit_end(&e, true));
}

static void pop_all(struct command_context *c, const struct collection *s)
{
    reply_set(c, s);
    store_delete(&c->view, c->argv[1]);
    removed(c, false);
}

/* From the last on, so that the numbers of those to come stay. */
static void pop_some(struct command_context *c, uint64_t count)
{
    struct store_edit e;
    char scratch[SET_NUMBER_MAX];
    uint64_t *picked = mem_alloc(count * sizeof *picked);
    store_edit_begin(&e, &c->view, c->argv[1], STORE_SET);
    pick_distinct(c->chance, set_count(&e.value), count, picked);
    resp_set(c->out, c->resp, count);
    while (count > 0) {
        struct slice member = set_at(&e.value, picked[--count], scratch);
        resp_bulk(c->out, member);
        set_remove(&e.value, member);
    }
    mem_free(picked);
    removed(c, store_edit_end(&e, true));
}

static bool parse_pop_count(struct command_context *c, int64_t *count)
{
    if (c->argc > 3) {
        reply_syntax_error(c);
        return false;
    }
    return arg_i64_in(c, 2, 0, INT64_MAX, "ERR value is out of range, must be positive", count);
}

void spop_command(struct command_context *c)
{
    int64_t count;
    if (c->argc > 2 && !parse_pop_count(c, &count))
        return;
    const struct store_key *k = store_find(&c->view, c->argv[1]);
    if (!k && c->argc == 2)
        reply_null(c);
    else if (!k)
        resp_set(c->out, c->resp, 0);
    if (!k || !check_type(c, k, STORE_SET))
        return;
    struct collection s = store_collection(k);
    if (c->argc == 2)
        pop_one(c);
    else if (count == 0)
        resp_set(c->out, c->resp, 0);
    else if ((uint64_t)count >= set_count(&s))
        pop_all(c, &s);
    else
        pop_some(c, (uint64_t)count);
}

/* ---- SRANDMEMBER ---- */

static void reply_at(struct command_context *c, const struct collection *s, uint64_t i)
{
    char scratch[SET_NUMBER_MAX];
    resp_bulk(c->out, set_at(s, i, scratch));
}

/* A member may come more than once. */
static void reply_any(struct command_context *c, const struct collection *s, uint64_t wanted)
{
    size_t start = c->out->len;
    resp_array(c->out, wanted);
    for (; wanted > 0 && !reply_is_too_long(c, start); wanted--)
        reply_at(c, s, prng_below(c->chance, set_count(s)));
}

static void reply_different(struct command_context *c, const struct collection *s, uint64_t wanted)
{
    if (wanted > set_count(s))
        wanted = set_count(s);
    uint64_t *picked = mem_alloc(wanted * sizeof *picked);
    pick_distinct(c->chance, set_count(s), wanted, picked);
    resp_array(c->out, wanted);
    for (uint64_t i = 0; i < wanted; i++)
        reply_at(c, s, picked[i]);
    mem_free(picked);
}

void srandmember_command(struct command_context *c)
{
    int64_t count = 1;
    if (c->argc > 3) {
        reply_syntax_error(c);
        return;
    }
    if (c->argc == 3 && !arg_i64_in(c, 2, -INT64_MAX, INT64_MAX, NULL, &count))
        return;
    const struct store_key *k = store_find(&c->view, c->argv[1]);
    if (!k && c->argc == 2)
        reply_null(c);
    else if (!k)
        resp_array(c->out, 0);
    if (!k || !check_type(c, k, STORE_SET))
        return;
    struct collection s = store_collection(k);
    if (c->argc == 2)
        reply_at(c, &s, prng_below(c->chance, set_count(&s)));
    else if (count < 0)
        reply_any(c, &s, 0 - (uint64_t)count);
    else
        reply_different(c, &s, (uint64_t)count);
}
