/* GEOSEARCH, GEORADIUS and their variants: the members inside a circle or a box. */
#include <stdlib.h>

#include "base/alloc.h"
#include "commands/geo_int.h"

/* The commands differ in where the shape comes from and in whether results may be stored. */
enum source { FROM_OPTIONS, FROM_POINT, FROM_MEMBER };
struct kind {
    enum source source;
    bool may_store;      /* options STORE and STOREDIST */
    size_t key, options; /* arguments: the set, the first option */
    size_t store;        /* GEOSEARCHSTORE's destination; 0: none */
};

struct search {
    const struct kind *kind;
    bool there; /* is the set; without it the arguments are read all the same */
    struct collection z;
    struct geo_shape shape;
    bool has_center, from_member, has_shape;
    bool with_distance, with_score, with_point, any;
    int order; /* 1: the nearest first, -1: the farthest, 0: as they come */
    int64_t count;
    size_t store; /* argument of the destination, 0: none */
    bool store_distance;
};

struct match {
    struct geo_point point;
    double distance, score;
    size_t at, len; /* of the member, in `members` */
    size_t number;  /* in the order in which it was found */
};

struct matches {
    struct match *list;
    size_t count, cap;
    struct buf members;
};

/* ---- arguments ---- */

static bool arg_distance(struct command_context *c, size_t i, struct search *s)
{
    if (!arg_score(c, i, "ERR need numeric radius", &s->shape.radius))
        return false;
    if (s->shape.radius < 0) {
        resp_error(c->out, "ERR radius cannot be negative");
        return false;
    }
    return arg_unit(c, i + 1, &s->shape.unit);
}

static bool arg_box(struct command_context *c, size_t i, struct search *s)
{
    if (!arg_score(c, i, "ERR need numeric width", &s->shape.width) ||
        !arg_score(c, i + 1, "ERR need numeric height", &s->shape.height))
        return false;
    if (s->shape.width < 0 || s->shape.height < 0) {
        resp_error(c->out, "ERR height or width cannot be negative");
        return false;
    }
    return arg_unit(c, i + 2, &s->shape.unit);
}

static bool arg_member(struct command_context *c, size_t i, struct search *s)
{
    double score;
    if (!s->there)
        return true;
    if (!zset_score(&s->z, c->argv[i], &score)) {
        resp_error(c->out, "ERR could not decode requested zset member");
        return false;
    }
    s->shape.center = geo_point_of(score);
    return true;
}

static bool arg_shape(struct command_context *c, struct search *s)
{
    switch (s->kind->source) {
    case FROM_POINT:
        return arg_point(c, 2, &s->shape.center) && arg_distance(c, 4, s);
    case FROM_MEMBER:
        return !s->there || (arg_member(c, 2, s) && arg_distance(c, 3, s));
    default:
        return true;
    }
}

static bool arg_flag(struct command_context *c, size_t i, struct search *s)
{
    if (arg_is(c, i, "withdist"))
        s->with_distance = true;
    else if (arg_is(c, i, "withhash"))
        s->with_score = true;
    else if (arg_is(c, i, "withcoord"))
        s->with_point = true;
    else if (arg_is(c, i, "any"))
        s->any = true;
    else if (arg_is(c, i, "asc"))
        s->order = 1;
    else if (arg_is(c, i, "desc"))
        s->order = -1;
    else if (s->kind->store && arg_is(c, i, "storedist"))
        s->store_distance = true;
    else
        return false;
    return true;
}

static bool arg_count(struct command_context *c, size_t i, struct search *s)
{
    if (!arg_i64(c, i, &s->count))
        return false;
    if (s->count > 0)
        return true;
    resp_error(c->out, "ERR COUNT must be > 0");
    return false;
}

/* GEOSEARCH's center and shape at argv[i]; how many arguments that takes, 0: it is not one of these, or *ok is false. */
static size_t arg_search(struct command_context *c, size_t i, struct search *s, bool *ok)
{
    size_t left = c->argc - i - 1;
    if (s->kind->source != FROM_OPTIONS)
        return 0;
    if (left >= 1 && arg_is(c, i, "frommember") && (!s->has_center || s->from_member)) {
        s->has_center = s->from_member = true;
        *ok = arg_member(c, i + 1, s);
        return 2;
    }
    if (left >= 2 && arg_is(c, i, "fromlonlat") && !s->from_member) {
        s->has_center = true;
        *ok = arg_point(c, i + 1, &s->shape.center);
        return 3;
    }
    if (left >= 2 && arg_is(c, i, "byradius") && !s->shape.is_box) {
        s->has_shape = true;
        *ok = arg_distance(c, i + 1, s);
        return 3;
    }
    if (left >= 3 && arg_is(c, i, "bybox") && (!s->has_shape || s->shape.is_box)) {
        s->has_shape = s->shape.is_box = true;
        *ok = arg_box(c, i + 1, s);
        return 4;
    }
    return 0;
}

/* One option at argv[i]; how many arguments it takes, 0: the error was appended. */
static size_t arg_option(struct command_context *c, size_t i, struct search *s)
{
    bool more = i + 1 < c->argc, ok = true;
    if (arg_flag(c, i, s))
        return 1;
    if (more && arg_is(c, i, "count"))
        return arg_count(c, i + 1, s) ? 2 : 0;
    if (more && s->kind->may_store && (arg_is(c, i, "store") || arg_is(c, i, "storedist"))) {
        s->store = i + 1;
        s->store_distance = arg_is(c, i, "storedist");
        return 2;
    }
    size_t taken = arg_search(c, i, s, &ok);
    if (!taken)
        reply_syntax_error(c);
    return ok ? taken : 0;
}

static bool check_options(struct command_context *c, const struct search *s)
{
    const struct slice name = c->argv[0];
    bool searches = s->kind->source == FROM_OPTIONS;
    if (s->store && (s->with_distance || s->with_score || s->with_point))
        resp_errorf(c->out, "ERR %s is not compatible with WITHDIST, WITHHASH and WITHCOORD options",
                    s->kind->store ? "GEOSEARCHSTORE" : "STORE option in GEORADIUS");
    else if (searches && !s->has_center)
        resp_errorf(c->out, "ERR exactly one of FROMMEMBER or FROMLONLAT can be specified for %.*s",
                    (int)name.len, name.data);
    else if (searches && !s->has_shape)
        resp_errorf(c->out, "ERR exactly one of BYRADIUS and BYBOX can be specified for %.*s", (int)name.len,
                    name.data);
    else if (s->any && !s->count)
        resp_error(c->out, "ERR the ANY argument requires COUNT argument");
    else
        return true;
    return false;
}

static bool arg_all(struct command_context *c, struct search *s)
{
    struct store_key *k = store_find(&c->view, c->argv[s->kind->key]);
    if (!check_type(c, k, STORE_ZSET))
        return false;
    s->there = k != NULL;
    if (k)
        s->z = store_collection(k);
    if (!arg_shape(c, s))
        return false;
    for (size_t i = s->kind->options, taken; i < c->argc; i += taken) {
        taken = arg_option(c, i, s);
        if (!taken)
            return false;
    }
    if (s->count && !s->order && !s->any)
        s->order = 1; /* so many of them: the nearest */
    return check_options(c, s);
}

/* ---- finding ---- */

static bool is_enough(const struct search *s, const struct matches *m)
{
    return s->any && m->count >= (uint64_t)s->count;
}

static void add_match(struct matches *m, struct match *match, struct slice member)
{
    if (m->count == m->cap) {
        m->cap = m->cap ? m->cap * 2 : 16;
        m->list = mem_realloc(m->list, m->cap * sizeof *m->list);
    }
    match->at = m->members.len;
    match->len = member.len;
    match->number = m->count;
    buf_append_slice(&m->members, member);
    m->list[m->count++] = *match;
}

static void find_in_cell(const struct search *s, struct geo_cell cell, struct matches *m)
{
    struct bound from = {.side = BEFORE_SCORE}, to = {.side = BEFORE_SCORE};
    struct zset_walk w;
    struct zset_item item;
    geo_cell_scores(cell, &from.score, &to.score);
    zset_walk(&w, &s->z, zset_rank(&s->z, &from), false);
    while (!is_enough(s, m) && zset_walk_next(&w, &item) && item.score < to.score) {
        struct match match = {.point = geo_point_of(item.score), .score = item.score};
        if (geo_shape_holds(&s->shape, match.point, &match.distance))
            add_match(m, &match, item.member);
    }
}

/* Those equally far stay in the order in which they were found. */
static int nearest_first(const void *a, const void *b)
{
    const struct match *x = a, *y = b;
    if (x->distance != y->distance)
        return x->distance < y->distance ? -1 : 1;
    return x->number < y->number ? -1 : 1;
}

static int farthest_first(const void *a, const void *b)
{
    const struct match *x = a, *y = b;
    return x->distance == y->distance ? nearest_first(a, b) : nearest_first(b, a);
}

static void find_matches(const struct search *s, struct matches *m)
{
    struct geo_cell cells[GEO_CELLS];
    size_t n = geo_shape_cells(&s->shape, cells);
    for (size_t i = 0; i < n; i++)
        find_in_cell(s, cells[i], m);
    if (s->order && m->count)
        qsort(m->list, m->count, sizeof *m->list, s->order > 0 ? nearest_first : farthest_first);
    if (s->count && (uint64_t)s->count < m->count)
        m->count = (size_t)s->count;
}

/* ---- replies ---- */

static struct slice member_of(const struct matches *m, size_t i)
{
    return slice_of(m->members.data + m->list[i].at, m->list[i].len);
}

static void reply_match(struct command_context *c, const struct search *s, const struct matches *m, size_t i)
{
    size_t more = (size_t)s->with_distance + s->with_score + s->with_point;
    const struct match *match = &m->list[i];
    if (more)
        resp_array(c->out, 1 + more);
    resp_bulk(c->out, member_of(m, i));
    if (s->with_distance)
        reply_distance(c, match->distance / s->shape.unit);
    if (s->with_score)
        resp_integer(c->out, (int64_t)match->score);
    if (s->with_point)
        reply_point(c, match->point);
}

static void store_matches(struct command_context *c, const struct search *s, const struct matches *m)
{
    struct collection result = store_collection_new(&c->view);
    for (size_t i = 0; i < m->count; i++)
        zset_put(&result, member_of(m, i),
                 s->store_distance ? m->list[i].distance / s->shape.unit : m->list[i].score, c->view.limits);
    store_result(c, s->store, &result, s->kind->source == FROM_OPTIONS ? "geosearchstore" : "georadiusstore");
}

static void search(struct command_context *c, const struct kind *kind)
{
    struct search s = {.kind = kind, .z = {.form = FORM_PACKED}, .store = kind->store};
    struct matches m = {.members = BUF_EMPTY};
    if (!arg_all(c, &s))
        return;
    if (s.there)
        find_matches(&s, &m);
    if (s.store) {
        store_matches(c, &s, &m);
    } else {
        resp_array(c->out, m.count);
        for (size_t i = 0; i < m.count; i++)
            reply_match(c, &s, &m, i);
    }
    mem_free(m.list);
    buf_deinit(&m.members);
}

void geosearch_command(struct command_context *c)
{
    search(c, &(struct kind){.source = FROM_OPTIONS, .key = 1, .options = 2});
}

void geosearchstore_command(struct command_context *c)
{
    search(c, &(struct kind){.source = FROM_OPTIONS, .key = 2, .options = 3, .store = 1});
}

void georadius_command(struct command_context *c)
{
    search(c, &(struct kind){.source = FROM_POINT, .may_store = true, .key = 1, .options = 6});
}

void georadius_ro_command(struct command_context *c)
{
    search(c, &(struct kind){.source = FROM_POINT, .key = 1, .options = 6});
}

void georadiusbymember_command(struct command_context *c)
{
    search(c, &(struct kind){.source = FROM_MEMBER, .may_store = true, .key = 1, .options = 5});
}

void georadiusbymember_ro_command(struct command_context *c)
{
    search(c, &(struct kind){.source = FROM_MEMBER, .key = 1, .options = 5});
}
