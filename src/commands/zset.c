/* Sorted sets, member by member. */
#include <math.h>

#include "base/alloc.h"
#include "commands/zset_int.h"

/* ---- what the family shares ---- */

bool find_zset(struct command_context *c, size_t i, reply_fn *absent, struct collection *z)
{
    struct store_key *k = store_find(&c->view, c->argv[i]);
    if (!k) {
        absent(c);
        return false;
    }
    if (!check_type(c, k, STORE_ZSET))
        return false;
    *z = store_collection(k);
    return true;
}

void reply_zero(struct command_context *c)
{
    resp_integer(c->out, 0);
}

void reply_empty_array(struct command_context *c)
{
    resp_array(c->out, 0);
}

void reply_score(struct command_context *c, double score)
{
    resp_double(c->out, c->resp, score);
}

void reply_members(struct command_context *c, size_t n, bool scores)
{
    resp_array(c->out, scores && c->resp == 2 ? 2 * n : n);
}

void reply_member(struct command_context *c, const struct zset_item *item, bool scores)
{
    if (scores && c->resp > 2)
        resp_array(c->out, 2);
    resp_bulk(c->out, item->member);
    if (scores)
        reply_score(c, item->score);
}

bool arg_score(struct command_context *c, size_t i, const char *error, double *score)
{
    if (parse_double(c->argv[i], score))
        return true;
    resp_error(c->out, error);
    return false;
}

void end_removal(struct command_context *c, struct store_edit *e, bool changed, const char *event,
                 struct slice key)
{
    bool stays = store_edit_end(e, changed);
    if (changed)
        notify(c, EVENT_ZSET, event, key);
    if (!stays)
        notify(c, EVENT_GENERIC, "del", key);
}

void store_result(struct command_context *c, size_t i, struct collection *result, const char *event)
{
    uint64_t count = zset_count(result);
    struct slice key = c->argv[i];
    if (count) {
        store_put_collection(&c->view, key, STORE_ZSET, *result);
        notify(c, EVENT_ZSET, event, key);
    } else {
        collection_free(result, STORE_ZSET);
        if (store_delete(&c->view, key))
            notify(c, EVENT_GENERIC, "del", key);
    }
    resp_integer(c->out, (int64_t)count);
}

/* ---- ZADD, ZINCRBY ---- */

static const struct {
    const char *word;
    unsigned flag;
} add_words[] = {{"nx", ADD_NX}, {"xx", ADD_XX},     {"ch", ADD_CH},
                 {"gt", ADD_GT}, {"incr", ADD_INCR}, {"lt", ADD_LT}};
enum { ADD_WORDS = sizeof add_words / sizeof *add_words };

static void read_flags(struct command_context *c, struct additions *a)
{
    size_t first = 2;
    for (; first < c->argc; first++) {
        size_t w = 0;
        while (w < ADD_WORDS && !arg_is(c, first, add_words[w].word))
            w++;
        if (w == ADD_WORDS)
            break;
        a->flags |= add_words[w].flag;
    }
    a->first = first + 1;
    a->step = 2;
    a->count = (c->argc - first) / 2;
}

/* NULL: nothing is wrong with them. */
static const char *wrong_flags(struct command_context *c, const struct additions *a)
{
    bool nx = a->flags & ADD_NX, gt = a->flags & ADD_GT, lt = a->flags & ADD_LT;
    if ((c->argc - a->first) % 2 == 0 || a->count == 0)
        return "ERR syntax error";
    if (nx && a->flags & ADD_XX)
        return "ERR XX and NX options at the same time are not compatible";
    if ((gt && nx) || (lt && nx) || (gt && lt))
        return "ERR GT, LT, and/or NX options at the same time are not compatible";
    if (a->flags & ADD_INCR && a->count > 1)
        return "ERR INCR option supports a single increment-element pair";
    return NULL;
}

static bool read_scores(struct command_context *c, struct additions *a)
{
    a->scores = mem_alloc(a->count * sizeof *a->scores);
    for (size_t i = 0; i < a->count; i++)
        if (!arg_score(c, a->first - 1 + 2 * i, "ERR value is not a valid float", &a->scores[i])) {
            mem_free(a->scores);
            return false;
        }
    return true;
}

enum added { ADD_NOTHING, ADD_SAME, ADD_UPDATED, ADD_NEW, ADD_NAN };

/* *score: what was given; then what it is now. */
static enum added add_member(struct collection *z, struct slice member, double *score, unsigned flags,
                             const struct store_limits *limits)
{
    double old;
    if (!zset_score(z, member, &old)) {
        if (flags & ADD_XX)
            return ADD_NOTHING;
        zset_put(z, member, *score, limits);
        return ADD_NEW;
    }
    if (flags & ADD_NX)
        return ADD_NOTHING;
    double to = flags & ADD_INCR ? old + *score : *score;
    if (isnan(to))
        return ADD_NAN;
    if ((flags & ADD_LT && to >= old) || (flags & ADD_GT && to <= old))
        return ADD_NOTHING;
    *score = to;
    if (to == old)
        return ADD_SAME;
    zset_put(z, member, to, limits);
    return ADD_UPDATED;
}

static void change_scores(struct command_context *c, const struct additions *a)
{
    struct store_edit e;
    int64_t counts[ADD_NAN + 1] = {0};
    double score = 0;
    store_edit_begin(&e, &c->view, c->argv[1], STORE_ZSET);
    for (size_t i = 0; i < a->count && !counts[ADD_NAN]; i++) {
        score = a->scores[i];
        counts[add_member(&e.value, c->argv[a->first + i * a->step], &score, a->flags, c->view.limits)]++;
    }
    bool changed = counts[ADD_NEW] || counts[ADD_UPDATED];
    store_edit_end(&e, changed);
    if (counts[ADD_NAN])
        resp_error(c->out, "ERR resulting score is not a number (NaN)");
    else if (!(a->flags & ADD_INCR))
        resp_integer(c->out, counts[ADD_NEW] + (a->flags & ADD_CH ? counts[ADD_UPDATED] : 0));
    else if (counts[ADD_NOTHING])
        reply_null(c);
    else
        reply_score(c, score);
    if (changed)
        notify(c, EVENT_ZSET, a->flags & ADD_INCR ? "zincr" : "zadd", c->argv[1]);
}

void add_members(struct command_context *c, const struct additions *a)
{
    struct store_key *k = store_find(&c->view, c->argv[1]);
    if (!k && a->flags & ADD_XX) {
        if (a->flags & ADD_INCR)
            reply_null(c);
        else
            reply_zero(c);
    } else if (check_type(c, k, STORE_ZSET)) {
        change_scores(c, a);
    }
}

static void add(struct command_context *c, unsigned flags)
{
    struct additions a = {.flags = flags};
    read_flags(c, &a);
    const char *wrong = wrong_flags(c, &a);
    if (wrong) {
        resp_error(c->out, wrong);
        return;
    }
    if (!read_scores(c, &a))
        return;
    add_members(c, &a);
    mem_free(a.scores);
}

void zadd_command(struct command_context *c)
{
    add(c, 0);
}

void zincrby_command(struct command_context *c)
{
    add(c, ADD_INCR);
}

void zrem_command(struct command_context *c)
{
    struct store_edit e;
    struct collection z;
    int64_t removed = 0;
    if (!find_zset(c, 1, reply_zero, &z))
        return;
    store_edit_begin(&e, &c->view, c->argv[1], STORE_ZSET);
    for (size_t i = 2; i < c->argc; i++)
        removed += zset_remove(&e.value, c->argv[i]);
    end_removal(c, &e, removed, "zrem", c->argv[1]);
    resp_integer(c->out, removed);
}

/* ---- reading ---- */

void zcard_command(struct command_context *c)
{
    struct collection z;
    if (find_zset(c, 1, reply_zero, &z))
        resp_integer(c->out, (int64_t)zset_count(&z));
}

void zscore_command(struct command_context *c)
{
    struct collection z;
    double score;
    if (!find_zset(c, 1, reply_null, &z))
        return;
    if (zset_score(&z, c->argv[2], &score))
        reply_score(c, score);
    else
        reply_null(c);
}

void zmscore_command(struct command_context *c)
{
    struct collection z = {.form = FORM_PACKED};
    double score;
    struct store_key *k = store_find(&c->view, c->argv[1]);
    if (!check_type(c, k, STORE_ZSET))
        return;
    if (k)
        z = store_collection(k);
    resp_array(c->out, c->argc - 2);
    for (size_t i = 2; i < c->argc; i++)
        if (zset_score(&z, c->argv[i], &score))
            reply_score(c, score);
        else
            reply_null(c);
}

static void reply_rank(struct command_context *c, bool reverse)
{
    struct collection z;
    double score;
    if (!find_zset(c, 1, reply_null, &z))
        return;
    if (!zset_score(&z, c->argv[2], &score)) {
        reply_null(c);
        return;
    }
    uint64_t rank = zset_rank(&z, &(struct bound){score, BEFORE_MEMBER, c->argv[2]});
    resp_integer(c->out, (int64_t)(reverse ? zset_count(&z) - 1 - rank : rank));
}

void zrank_command(struct command_context *c)
{
    reply_rank(c, false);
}

void zrevrank_command(struct command_context *c)
{
    reply_rank(c, true);
}

static void scanned(void *arg, const struct zset_item *item)
{
    struct element_scan *s = arg;
    char text[NUMBER_TEXT_MAX];
    if (!element_scan_wants(s, item->member))
        return;
    size_t len = s->value.form == FORM_PACKED ? zset_packed_score(text, item->score)
                                              : format_double(text, item->score);
    element_scan_found(s, item->member);
    element_scan_found(s, slice_of(text, len));
}

void zscan_command(struct command_context *c)
{
    struct element_scan s;
    if (element_scan_begin(&s, c, STORE_ZSET))
        element_scan_end(&s, zset_scan(&s.value, s.cursor, s.count, scanned, &s));
}
