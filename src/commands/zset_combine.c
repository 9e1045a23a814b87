/* Several sorted sets made one: union, intersection, difference. */
#include <math.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "commands/zset_int.h"
#include "store/set.h"

enum operation { UNION, INTER, DIFF };
enum aggregate { SUM, MIN, MAX };

/* A sorted set, or a plain one, whose members count 1 each. */
struct source {
    bool is_plain;
    struct collection set; /* nothing in it: the key is not there */
    double weight;
    size_t place; /* as it came */
};

struct combination {
    enum operation operation;
    enum aggregate aggregate;
    bool scores; /* WITHSCORES */
    bool count;  /* the number alone, up to `limit` when that is not 0 */
    int64_t limit;
    size_t sources;
    struct source *source;
};

/* ---- sources ---- */

static uint64_t source_count(const struct source *s)
{
    if (!s->set.data)
        return 0;
    return s->is_plain ? set_count(&s->set) : zset_count(&s->set);
}

static bool source_score(const struct source *s, struct slice member, double *score)
{
    if (!s->is_plain)
        return zset_score(&s->set, member, score);
    *score = 1;
    return set_has(&s->set, member);
}

struct source_walk {
    const struct source *source;
    struct zset_walk sorted;
    uint64_t at; /* in a plain set */
    char number[SET_NUMBER_MAX];
};

static void source_walk(struct source_walk *w, const struct source *s)
{
    *w = (struct source_walk){.source = s};
    if (!s->is_plain)
        zset_walk(&w->sorted, &s->set, 0, false);
}

static bool source_next(struct source_walk *w, struct zset_item *item)
{
    const struct source *s = w->source;
    if (!s->is_plain)
        return zset_walk_next(&w->sorted, item);
    if (w->at == source_count(s))
        return false;
    *item = (struct zset_item){set_at(&s->set, w->at++, w->number), 1};
    return true;
}

/* ---- arguments ---- */

static bool find_source(struct command_context *c, size_t i, struct source *s)
{
    struct store_key *k = store_find(&c->view, c->argv[i]);
    *s = (struct source){.set = {.form = FORM_PACKED}, .weight = 1};
    if (!k)
        return true;
    s->is_plain = store_key_type(k) == STORE_SET;
    if (!s->is_plain && !check_type(c, k, STORE_ZSET))
        return false;
    s->set = store_collection(k);
    return true;
}

static bool arg_weights(struct command_context *c, size_t first, struct combination *m)
{
    for (size_t i = 0; i < m->sources; i++)
        if (!arg_score(c, first + i, "ERR weight value is not a float", &m->source[i].weight))
            return false;
    return true;
}

static bool arg_aggregate(struct command_context *c, size_t i, struct combination *m)
{
    if (arg_is(c, i, "sum"))
        m->aggregate = SUM;
    else if (arg_is(c, i, "min"))
        m->aggregate = MIN;
    else if (arg_is(c, i, "max"))
        m->aggregate = MAX;
    else
        return false;
    return true;
}

/* One option at argv[i]; how many arguments it takes, 0: the error was appended. */
static size_t arg_option(struct command_context *c, size_t i, bool store, struct combination *m)
{
    size_t left = c->argc - i;
    bool weighs = m->operation != DIFF && !m->count;
    if (weighs && left > m->sources && arg_is(c, i, "weights"))
        return arg_weights(c, i + 1, m) ? 1 + m->sources : 0;
    if (weighs && left > 1 && arg_is(c, i, "aggregate") && arg_aggregate(c, i + 1, m))
        return 2;
    if (!store && !m->count && arg_is(c, i, "withscores")) {
        m->scores = true;
        return 1;
    }
    if (m->count && left > 1 && arg_is(c, i, "limit"))
        return arg_i64_in(c, i + 1, 0, INT64_MAX, "ERR LIMIT can't be negative", &m->limit) ? 2 : 0;
    reply_syntax_error(c);
    return 0;
}

/* numkeys at argv[at], the keys, the options. The sources are to be freed when true was returned. */
static bool arg_combination(struct command_context *c, size_t at, struct combination *m)
{
    int64_t n;
    size_t i, done = 0;
    if (!arg_i64(c, at, &n))
        return false;
    if (n < 1) {
        resp_errorf(c->out, "ERR at least 1 input key is needed for '%s' command", command_name(c));
        return false;
    }
    if ((uint64_t)n > c->argc - at - 1) {
        reply_syntax_error(c);
        return false;
    }
    m->sources = (size_t)n;
    m->source = mem_alloc(m->sources * sizeof *m->source);
    bool ok = true;
    for (i = 0; ok && i < m->sources; i++)
        ok = find_source(c, at + 1 + i, &m->source[i]);
    for (i = at + 1 + m->sources; ok && i < c->argc; i += done) {
        done = arg_option(c, i, at > 1, m);
        ok = done > 0;
    }
    if (!ok)
        mem_free(m->source);
    return ok;
}

/* ---- combining ---- */

static double weighed(const struct source *s, double score)
{
    double product = s->weight * score;
    return isnan(product) ? 0 : product; /* 0 times inf */
}

static double aggregated(enum aggregate how, double a, double b)
{
    if (how == MIN)
        return b < a ? b : a;
    if (how == MAX)
        return b > a ? b : a;
    double sum = a + b;
    return isnan(sum) ? 0 : sum; /* inf and -inf */
}

/* As Redis does: the order in which doubles are added shows. Equal ones keep theirs. */
static int smallest_first(const void *a, const void *b)
{
    const struct source *x = a, *y = b;
    uint64_t of_x = source_count(x), of_y = source_count(y);
    if (of_x != of_y)
        return of_x < of_y ? -1 : 1;
    return x->place < y->place ? -1 : 1;
}

static void sort_sources(struct combination *m)
{
    for (size_t i = 0; i < m->sources; i++)
        m->source[i].place = i;
    qsort(m->source, m->sources, sizeof *m->source, smallest_first);
}

static void unite(const struct combination *m, struct collection *result, const struct store_limits *limits)
{
    struct source_walk w;
    struct zset_item item;
    double old;
    for (size_t i = 0; i < m->sources; i++) {
        const struct source *s = &m->source[i];
        source_walk(&w, s);
        while (source_next(&w, &item)) {
            double score = weighed(s, item.score);
            if (zset_score(result, item.member, &old))
                score = aggregated(m->aggregate, old, score);
            zset_put(result, item.member, score, limits);
        }
    }
}

/* Is it in all the others, and with what score then? */
static bool in_all(const struct combination *m, const struct zset_item *item, double *score)
{
    double other;
    *score = weighed(&m->source[0], item->score);
    for (size_t i = 1; i < m->sources; i++) {
        if (!source_score(&m->source[i], item->member, &other))
            return false;
        *score = aggregated(m->aggregate, *score, other * m->source[i].weight);
    }
    return true;
}

static bool in_none(const struct combination *m, const struct zset_item *item)
{
    double other;
    for (size_t i = 1; i < m->sources; i++)
        if (source_score(&m->source[i], item->member, &other))
            return false;
    return true;
}

/* How many were found; they go to `result`, which is made a large one, unless they are only to be counted: a packed one would
 * take -0 for 0, which shows in replies and in further sums. */
static uint64_t combine(struct combination *m, struct collection *result)
{
    static const struct store_limits large;
    const struct store_limits *limits = &large;
    struct source_walk w;
    struct zset_item item;
    uint64_t found = 0;
    if (m->operation != DIFF)
        sort_sources(m);
    if (m->operation == UNION) {
        unite(m, result, limits);
        return zset_count(result);
    }
    source_walk(&w, &m->source[0]);
    while (source_next(&w, &item)) {
        double score = item.score;
        if (m->operation == INTER ? !in_all(m, &item, &score) : !in_none(m, &item))
            continue;
        if (++found == (uint64_t)m->limit)
            break;
        if (!m->count)
            zset_put(result, item.member, score, limits);
    }
    return found;
}

/* ---- commands ---- */

static void reply_result(struct command_context *c, const struct collection *result, bool scores)
{
    struct zset_walk w;
    struct zset_item item;
    reply_members(c, zset_count(result), scores);
    zset_walk(&w, result, 0, false);
    while (zset_walk_next(&w, &item))
        reply_member(c, &item, scores);
}

static void run(struct command_context *c, enum operation operation, bool count)
{
    struct combination m = {.operation = operation, .count = count};
    if (!arg_combination(c, 1, &m))
        return;
    struct collection result = store_collection_new(&c->view);
    uint64_t found = combine(&m, &result);
    if (count)
        resp_integer(c->out, (int64_t)found);
    else
        reply_result(c, &result, m.scores);
    collection_free(&result, STORE_ZSET);
    mem_free(m.source);
}

static void run_store(struct command_context *c, enum operation operation, const char *event)
{
    struct combination m = {.operation = operation};
    if (!arg_combination(c, 2, &m))
        return;
    struct collection result = store_collection_new(&c->view);
    combine(&m, &result);
    mem_free(m.source);
    zset_pack(&result, c->view.limits);
    store_result(c, 1, &result, event);
}

void zunion_command(struct command_context *c)
{
    run(c, UNION, false);
}

void zinter_command(struct command_context *c)
{
    run(c, INTER, false);
}

void zdiff_command(struct command_context *c)
{
    run(c, DIFF, false);
}

void zintercard_command(struct command_context *c)
{
    run(c, INTER, true);
}

void zunionstore_command(struct command_context *c)
{
    run_store(c, UNION, "zunionstore");
}

void zinterstore_command(struct command_context *c)
{
    run_store(c, INTER, "zinterstore");
}

void zdiffstore_command(struct command_context *c)
{
    run_store(c, DIFF, "zdiffstore");
}
