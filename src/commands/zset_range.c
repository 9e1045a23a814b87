/* Ranges of a sorted set: by rank, score or member, upwards or down. Each becomes two ranks; what is done to them after that does
 * not ask what they came from. */
#include "commands/zset_int.h"

enum range_by { BY_ANY, BY_RANK, BY_SCORE, BY_LEX }; /* BY_ANY, and either direction: options say */

/* The end of a range of members: "-", "+", or one to be compared with. */
struct lex_end {
    enum { LEX_FIRST, LEX_MEMBER, LEX_LAST } kind;
    enum bound_side side;
    struct slice member;
};

struct range {
    enum range_by by;
    bool reverse;
    int64_t start, stop;
    struct bound low, high;
    struct lex_end lex_low, lex_high;
    int64_t offset, limit; /* limit < 0: none */
    bool scores;
};

/* ---- reading it ---- */

/* "(" in front leaves out what is equal. */
static bool parse_score_end(struct slice s, enum bound_side open, enum bound_side closed, struct bound *b)
{
    bool is_open = s.len && s.data[0] == '(';
    b->side = is_open ? open : closed;
    bool outside;
    return parse_double_lax(slice_drop(s, is_open), &b->score, &outside);
}

static bool arg_score_range(struct command_context *c, size_t low, size_t high, struct range *r)
{
    if (parse_score_end(c->argv[low], BEHIND_SCORE, BEFORE_SCORE, &r->low) &&
        parse_score_end(c->argv[high], BEFORE_SCORE, BEHIND_SCORE, &r->high))
        return true;
    resp_error(c->out, "ERR min or max is not a float");
    return false;
}

static bool parse_lex_end(struct slice s, enum bound_side open, enum bound_side closed, struct lex_end *e)
{
    char first = s.len ? s.data[0] : 0;
    if (first == '(' || first == '[') {
        *e = (struct lex_end){LEX_MEMBER, first == '(' ? open : closed, slice_drop(s, 1)};
        return true;
    }
    *e = (struct lex_end){.kind = first == '-' ? LEX_FIRST : LEX_LAST};
    return (first == '-' || first == '+') && (s.len == 1 || s.data[1] == 0);
}

static bool arg_lex_range(struct command_context *c, size_t low, size_t high, struct range *r)
{
    if (parse_lex_end(c->argv[low], BEHIND_MEMBER, BEFORE_MEMBER, &r->lex_low) &&
        parse_lex_end(c->argv[high], BEFORE_MEMBER, BEHIND_MEMBER, &r->lex_high))
        return true;
    resp_error(c->out, "ERR min or max not valid string range item");
    return false;
}

/* Two arguments from `first` on; the higher end comes first where a range of scores or members is reversed. */
static bool arg_range(struct command_context *c, size_t first, struct range *r)
{
    size_t low = first + r->reverse, high = first + !r->reverse;
    if (r->by == BY_SCORE)
        return arg_score_range(c, low, high, r);
    if (r->by == BY_LEX)
        return arg_lex_range(c, low, high, r);
    return arg_i64(c, first, &r->start) && arg_i64(c, first + 1, &r->stop);
}

/* ---- two ranks ---- */

/* Found by halving ranks, whatever the scores. Where scores differ and members do not rise with them Redis leaves open what a
 * range of members is; here it is the same on every node, for ranks do not depend on how a set lies in memory. */
static uint64_t lex_rank(const struct collection *z, const struct lex_end *e)
{
    struct bound b = {.side = e->side, .member = e->member};
    uint64_t from = 0, to = zset_count(z);
    if (e->kind != LEX_MEMBER)
        return e->kind == LEX_FIRST ? 0 : to;
    while (from < to) {
        struct zset_walk w;
        struct zset_item item;
        uint64_t middle = from + (to - from) / 2;
        zset_walk(&w, z, middle, false);
        zset_walk_next(&w, &item);
        if (is_before(b.score, item.member, &b))
            from = middle + 1;
        else
            to = middle;
    }
    return from;
}

static void index_ranks(const struct collection *z, const struct range *r, uint64_t *from, uint64_t *to)
{
    int64_t count = (int64_t)zset_count(z), start = r->start, stop = r->stop;
    start = start < 0 ? start + count : start;
    stop = stop < 0 ? stop + count : stop;
    start = start < 0 ? 0 : start;
    stop = stop >= count ? count - 1 : stop;
    *from = *to = 0;
    if (start > stop)
        return;
    *from = (uint64_t)(r->reverse ? count - 1 - stop : start);
    *to = (uint64_t)(r->reverse ? count - start : stop + 1);
}

/* Leaves out `offset` members at the side where the range begins, and what is beyond `limit`. */
static void cut(const struct range *r, uint64_t *from, uint64_t *to)
{
    uint64_t n = *to - *from, skip = r->offset < 0 || (uint64_t)r->offset > n ? n : (uint64_t)r->offset;
    uint64_t left = n - skip, take = r->limit < 0 || (uint64_t)r->limit > left ? left : (uint64_t)r->limit;
    *from = r->reverse ? *to - skip - take : *from + skip;
    *to = *from + take;
}

/* [from, to), from <= to */
static void find_ranks(const struct collection *z, const struct range *r, uint64_t *from, uint64_t *to)
{
    if (r->by == BY_SCORE) {
        *from = zset_rank(z, &r->low);
        *to = zset_rank(z, &r->high);
    } else if (r->by == BY_LEX) {
        *from = lex_rank(z, &r->lex_low);
        *to = lex_rank(z, &r->lex_high);
    } else {
        index_ranks(z, r, from, to);
    }
    if (*from > *to)
        *to = *from;
    cut(r, from, to);
}

/* ---- ZRANGE and its family ---- */

/* What stands behind the range, from `first` on. `given`: the direction is the command's, not an option's. */
static bool arg_options(struct command_context *c, size_t first, bool given, bool store, struct range *r)
{
    bool by_given = r->by != BY_ANY;
    for (size_t i = first; i < c->argc; i++) {
        if (!store && arg_is(c, i, "withscores")) {
            r->scores = true;
        } else if (arg_is(c, i, "limit") && i + 2 < c->argc) {
            if (!arg_i64(c, i + 1, &r->offset) || !arg_i64(c, i + 2, &r->limit))
                return false;
            i += 2;
        } else if (!given && !r->reverse && arg_is(c, i, "rev")) {
            r->reverse = true;
        } else if (!by_given && r->by == BY_ANY && arg_is(c, i, "bylex")) {
            r->by = BY_LEX;
        } else if (!by_given && r->by == BY_ANY && arg_is(c, i, "byscore")) {
            r->by = BY_SCORE;
        } else {
            reply_syntax_error(c);
            return false;
        }
    }
    if (r->by == BY_ANY)
        r->by = BY_RANK;
    return true;
}

static bool check_options(struct command_context *c, const struct range *r)
{
    if (r->limit != -1 && r->by == BY_RANK) {
        resp_error(c->out,
                   "ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX");
        return false;
    }
    if (r->scores && r->by == BY_LEX) {
        resp_error(c->out, "ERR syntax error, WITHSCORES not supported in combination with BYLEX");
        return false;
    }
    return true;
}

/* The key at argv[first], the range behind it. */
static bool arg_whole_range(struct command_context *c, size_t first, bool given, bool store, struct range *r)
{
    if (!arg_options(c, first + 3, given, store, r) || !check_options(c, r))
        return false;
    if (r->by == BY_RANK) { /* LIMIT 0 -1 passes, and means nothing */
        r->offset = 0;
        r->limit = -1;
    }
    return arg_range(c, first + 1, r);
}

static uint64_t walk_range(struct zset_walk *w, const struct collection *z, const struct range *r)
{
    uint64_t from, to;
    find_ranks(z, r, &from, &to);
    zset_walk(w, z, r->reverse && to > from ? to - 1 : from, r->reverse);
    return to - from;
}

static void reply_range(struct command_context *c, enum range_by by, bool given, bool reverse)
{
    struct range r = {.by = by, .reverse = reverse, .limit = -1};
    struct collection z;
    struct zset_walk w;
    struct zset_item item;
    if (!arg_whole_range(c, 1, given, false, &r) || !find_zset(c, 1, reply_empty_array, &z))
        return;
    uint64_t n = walk_range(&w, &z, &r);
    reply_members(c, n, r.scores);
    while (n-- > 0 && zset_walk_next(&w, &item))
        reply_member(c, &item, r.scores);
}

void zrange_command(struct command_context *c)
{
    reply_range(c, BY_ANY, false, false);
}

void zrevrange_command(struct command_context *c)
{
    reply_range(c, BY_RANK, true, true);
}

void zrangebyscore_command(struct command_context *c)
{
    reply_range(c, BY_SCORE, true, false);
}

void zrevrangebyscore_command(struct command_context *c)
{
    reply_range(c, BY_SCORE, true, true);
}

void zrangebylex_command(struct command_context *c)
{
    reply_range(c, BY_LEX, true, false);
}

void zrevrangebylex_command(struct command_context *c)
{
    reply_range(c, BY_LEX, true, true);
}

void zrangestore_command(struct command_context *c)
{
    struct range r = {.by = BY_ANY, .limit = -1};
    struct zset_walk w;
    struct zset_item item;
    if (!arg_whole_range(c, 2, false, true, &r))
        return;
    struct store_key *k = store_find(&c->view, c->argv[2]);
    if (!check_type(c, k, STORE_ZSET))
        return;
    struct collection result = store_collection_new(&c->view), z = k ? store_collection(k) : result;
    uint64_t n = walk_range(&w, &z, &r);
    while (n-- > 0 && zset_walk_next(&w, &item))
        zset_put(&result, item.member, item.score, c->view.limits);
    store_result(c, 1, &result, "zrangestore");
}

/* ---- counting and removing ---- */

static void count_range(struct command_context *c, enum range_by by)
{
    struct range r = {.by = by, .limit = -1};
    struct collection z;
    uint64_t from, to;
    if (!arg_range(c, 2, &r) || !find_zset(c, 1, reply_zero, &z))
        return;
    find_ranks(&z, &r, &from, &to);
    resp_integer(c->out, (int64_t)(to - from));
}

void zcount_command(struct command_context *c)
{
    count_range(c, BY_SCORE);
}

void zlexcount_command(struct command_context *c)
{
    count_range(c, BY_LEX);
}

static void remove_range(struct command_context *c, enum range_by by, const char *event)
{
    struct range r = {.by = by, .limit = -1};
    struct store_edit e;
    struct collection z;
    uint64_t from, to;
    if (!arg_range(c, 2, &r) || !find_zset(c, 1, reply_zero, &z))
        return;
    find_ranks(&z, &r, &from, &to);
    store_edit_begin(&e, &c->view, c->argv[1], STORE_ZSET);
    zset_remove_ranks(&e.value, from, to);
    end_removal(c, &e, from < to, event, c->argv[1]);
    resp_integer(c->out, (int64_t)(to - from));
}

void zremrangebyrank_command(struct command_context *c)
{
    remove_range(c, BY_RANK, "zremrangebyrank");
}

void zremrangebyscore_command(struct command_context *c)
{
    remove_range(c, BY_SCORE, "zremrangebyscore");
}

void zremrangebylex_command(struct command_context *c)
{
    remove_range(c, BY_LEX, "zremrangebylex");
}
