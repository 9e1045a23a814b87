/* The sorted sets' commands that wait until there is something: each is its brother of zset_pop.c otherwise. */
#include "commands/commands_int.h"

/* argv[first], ... */
static void pop_or_wait(struct command_context *c, size_t first, size_t count, uint64_t timeout_ms,
                        const struct zset_pop *p)
{
    size_t at = first, n = count;
    keys_to_try(c, &at, &n);
    if (!zset_pop(c, at, n, p) && !wait_for_keys(c, STORE_ZSET, first, count, timeout_ms))
        resp_null_array(c->out, c->resp);
}

static void pop(struct command_context *c, bool max)
{
    uint64_t timeout_ms;
    struct zset_pop p = {.max = max, .count = 1, .with_key = true};
    if (arg_timeout(c, c->argc - 1, &timeout_ms))
        pop_or_wait(c, 1, c->argc - 2, timeout_ms, &p);
}

void bzpopmin_command(struct command_context *c)
{
    pop(c, false);
}

void bzpopmax_command(struct command_context *c)
{
    pop(c, true);
}

void bzmpop_command(struct command_context *c)
{
    uint64_t timeout_ms;
    struct zset_pop p;
    size_t keys;
    if (arg_timeout(c, 1, &timeout_ms) && arg_zmpop(c, 2, &keys, &p))
        pop_or_wait(c, 3, keys, timeout_ms, &p);
}
