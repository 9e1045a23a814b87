/* SINTER, SUNION, SDIFF: told, counted or stored. */
#include <stdlib.h>

#include "base/alloc.h"
#include "commands/commands_int.h"
#include "store/set.h"

/* The sets of argv[first] on; absent ones are empty. */
struct sources {
    struct collection *sets;
    size_t count;
};

static void sources_free(struct sources *from)
{
    mem_free(from->sets);
}

/* false: one is no set, and the error was appended. */
static bool sources_find(struct sources *from, struct command_context *c, size_t first, size_t count)
{
    *from = (struct sources){mem_alloc(count * sizeof *from->sets), count};
    for (size_t i = 0; i < count; i++) {
        const struct store_key *k = store_find(&c->view, c->argv[first + i]);
        if (!check_type(c, k, STORE_SET)) {
            sources_free(from);
            return false;
        }
        from->sets[i] = k ? store_collection(k) : (struct collection){.form = FORM_PACKED};
    }
    return true;
}

/* ---- what is in them ---- */

static bool in_all(const struct sources *from, size_t first, struct slice member)
{
    for (size_t i = first; i < from->count; i++)
        if (!set_has(&from->sets[i], member))
            return false;
    return true;
}

static bool in_any(const struct sources *from, size_t first, struct slice member)
{
    for (size_t i = first; i < from->count; i++)
        if (set_has(&from->sets[i], member))
            return true;
    return false;
}

struct ranked {
    uint64_t count;
    size_t place;
};

static int smaller_first(const void *a, const void *b)
{
    const struct ranked *x = a, *y = b;
    if (x->count != y->count)
        return x->count < y->count ? -1 : 1;
    return x->place < y->place ? -1 : 1;
}

/* The smallest first; equal ones keep their places, for the order of what is found is that of the first. */
static void rank(struct sources *from)
{
    struct ranked *order = mem_alloc(from->count * sizeof *order);
    struct collection *sets = mem_alloc(from->count * sizeof *sets);
    for (size_t i = 0; i < from->count; i++)
        order[i] = (struct ranked){set_count(&from->sets[i]), i};
    qsort(order, from->count, sizeof *order, smaller_first);
    for (size_t i = 0; i < from->count; i++)
        sets[i] = from->sets[order[i].place];
    mem_free(order);
    mem_free(from->sets);
    from->sets = sets;
}

/* Walks the smallest and asks the others, the small ones first; ends when `limit` are found. Their number; `result` may be
 * NULL. */
static uint64_t intersect(struct command_context *c, struct sources *from, uint64_t limit,
                          struct collection *result)
{
    char scratch[SET_NUMBER_MAX];
    uint64_t found = 0;
    rank(from);
    for (uint64_t i = 0; i < set_count(&from->sets[0]) && found < limit; i++) {
        struct slice member = set_at(&from->sets[0], i, scratch);
        if (!in_all(from, 1, member))
            continue;
        found++;
        if (result)
            set_add(result, member, c->view.limits);
    }
    return found;
}

typedef void combine_fn(struct command_context *c, struct sources *from, struct collection *result);

static void all_of_each(struct command_context *c, struct sources *from, struct collection *result)
{
    intersect(c, from, UINT64_MAX, result);
}

static void any_of_them(struct command_context *c, struct sources *from, struct collection *result)
{
    char scratch[SET_NUMBER_MAX];
    for (size_t i = 0; i < from->count; i++)
        for (uint64_t j = 0; j < set_count(&from->sets[i]); j++)
            set_add(result, set_at(&from->sets[i], j, scratch), c->view.limits);
}

/* What the first has and no other. */
static void only_of_first(struct command_context *c, struct sources *from, struct collection *result)
{
    char scratch[SET_NUMBER_MAX];
    for (uint64_t i = 0; i < set_count(&from->sets[0]); i++) {
        struct slice member = set_at(&from->sets[0], i, scratch);
        if (!in_any(from, 1, member))
            set_add(result, member, c->view.limits);
    }
}

/* ---- the commands ---- */

static void combine_and_tell(struct command_context *c, combine_fn *combine)
{
    struct sources from;
    struct collection result = store_collection_new(&c->view);
    if (!sources_find(&from, c, 1, c->argc - 1))
        return;
    combine(c, &from, &result);
    reply_set(c, &result);
    collection_free(&result, STORE_SET);
    sources_free(&from);
}

static void combine_and_store(struct command_context *c, combine_fn *combine, const char *event)
{
    struct sources from;
    struct collection result = store_collection_new(&c->view);
    if (!sources_find(&from, c, 2, c->argc - 2))
        return;
    combine(c, &from, &result);
    sources_free(&from);
    uint64_t count = set_count(&result);
    if (count) {
        store_put_collection(&c->view, c->argv[1], STORE_SET, result);
        notify(c, EVENT_SET, event, c->argv[1]);
    } else if (store_delete(&c->view, c->argv[1])) {
        notify(c, EVENT_GENERIC, "del", c->argv[1]);
    }
    resp_integer(c->out, (int64_t)count);
}

void sinter_command(struct command_context *c)
{
    combine_and_tell(c, all_of_each);
}

void sunion_command(struct command_context *c)
{
    combine_and_tell(c, any_of_them);
}

void sdiff_command(struct command_context *c)
{
    combine_and_tell(c, only_of_first);
}

void sinterstore_command(struct command_context *c)
{
    combine_and_store(c, all_of_each, "sinterstore");
}

void sunionstore_command(struct command_context *c)
{
    combine_and_store(c, any_of_them, "sunionstore");
}

void sdiffstore_command(struct command_context *c)
{
    combine_and_store(c, only_of_first, "sdiffstore");
}

/* LIMIT; 0: none. */
static bool parse_limit(struct command_context *c, size_t first, int64_t *limit)
{
    *limit = 0;
    for (size_t i = first; i < c->argc; i += 2) {
        if (!arg_is(c, i, "limit") || i + 1 == c->argc) {
            reply_syntax_error(c);
            return false;
        }
        if (!parse_i64(c->argv[i + 1], limit) || *limit < 0) {
            resp_error(c->out, "ERR LIMIT can't be negative");
            return false;
        }
    }
    return true;
}

void sintercard_command(struct command_context *c)
{
    struct sources from;
    int64_t keys, limit;
    if (!parse_i64(c->argv[1], &keys) || keys < 1) {
        resp_error(c->out, "ERR numkeys should be greater than 0");
        return;
    }
    if ((uint64_t)keys > c->argc - 2) {
        resp_error(c->out, "ERR Number of keys can't be greater than number of args");
        return;
    }
    if (!parse_limit(c, 2 + (size_t)keys, &limit) || !sources_find(&from, c, 2, (size_t)keys))
        return;
    resp_integer(c->out, (int64_t)intersect(c, &from, limit ? (uint64_t)limit : UINT64_MAX, NULL));
    sources_free(&from);
}
