/* HRANDFIELD. */
#include "base/alloc.h"
#include "commands/commands_int.h"
#include "store/hash.h"

/* Asks for the pairs by their numbers. To get at those of a packed hash again and again, where each begins is noted first. */
struct pairs {
    struct command_context *c;
    struct collection hash;
    uint64_t count;
    bool values;
    size_t *begin; /* NULL: a large one */
};

static void pairs_init(struct pairs *p)
{
    struct hash_walk w;
    p->count = hash_count(&p->hash);
    p->begin = NULL;
    if (p->hash.form == FORM_LARGE)
        return;
    p->begin = mem_alloc(p->count * sizeof *p->begin);
    hash_walk_init(&w, &p->hash);
    for (size_t i = 0; i < p->count; i++) {
        p->begin[i] = w.next;
        hash_walk_next(&w);
    }
}

static void reply_pair(const struct pairs *p, uint64_t i)
{
    struct hash_walk w = {.hash = &p->hash, .next = p->begin ? p->begin[i] : i};
    hash_walk_next(&w);
    if (p->values && p->c->resp > 2)
        resp_array(p->c->out, 2);
    resp_bulk(p->c->out, w.field);
    if (p->values)
        resp_bulk(p->c->out, w.value);
}

static void reply_head(const struct pairs *p, uint64_t pairs)
{
    resp_array(p->c->out, p->values && p->c->resp == 2 ? pairs * 2 : pairs);
}

/* A field may come more than once. */
static void reply_any(const struct pairs *p, uint64_t wanted)
{
    size_t start = p->c->out->len;
    reply_head(p, wanted);
    for (; wanted > 0 && !reply_is_too_long(p->c, start); wanted--)
        reply_pair(p, prng_below(p->c->chance, p->count));
}

static void reply_different(const struct pairs *p, uint64_t wanted)
{
    if (wanted > p->count)
        wanted = p->count;
    uint64_t *picked = mem_alloc(wanted * sizeof *picked);
    pick_distinct(p->c->chance, p->count, wanted, picked);
    reply_head(p, wanted);
    for (uint64_t i = 0; i < wanted; i++)
        reply_pair(p, picked[i]);
    mem_free(picked);
}

static bool parse_count(struct command_context *c, int64_t *count, bool *values)
{
    *values = c->argc == 4 && arg_is(c, 3, "withvalues");
    if (!arg_i64_in(c, 2, -INT64_MAX, INT64_MAX, NULL, count))
        return false;
    if (c->argc > 3 && !*values) {
        reply_syntax_error(c);
        return false;
    }
    if (*values && (*count < -INT64_MAX / 2 || *count > INT64_MAX / 2)) {
        resp_error(c->out, "ERR value is out of range");
        return false;
    }
    return true;
}

void hrandfield_command(struct command_context *c)
{
    struct pairs p = {.c = c};
    int64_t count = 1;
    if (c->argc > 2 && !parse_count(c, &count, &p.values))
        return;
    const struct store_key *k = store_find(&c->view, c->argv[1]);
    if (!k && c->argc == 2)
        reply_null(c);
    if (!k && c->argc > 2)
        resp_array(c->out, 0);
    if (!k || !check_type(c, k, STORE_HASH))
        return;
    p.hash = store_collection(k);
    if (c->argc == 2) {
        struct hash_walk w;
        hash_walk_init(&w, &p.hash);
        hash_walk_seek(&w, prng_below(c->chance, hash_count(&p.hash)));
        hash_walk_next(&w);
        resp_bulk(c->out, w.field);
        return;
    }
    pairs_init(&p);
    if (count < 0)
        reply_any(&p, 0 - (uint64_t)count);
    else
        reply_different(&p, (uint64_t)count);
    mem_free(p.begin);
}
