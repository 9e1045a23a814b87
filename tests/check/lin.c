#include "lin.h"

#include "base/alloc.h"

#include <assert.h>
#include <stdlib.h>

enum { SITUATIONS = 200000, NONE = UINT32_MAX };

struct situation {
    struct state state;
    uint64_t spent; /* which of the open operations have run, by slot */
    uint32_t next;  /* in its bucket */
};

/* Situations, none covered by another. */
struct set {
    struct situation *at;
    size_t count, cap;
    uint32_t *buckets;
    size_t bucket_count; /* a power of two */
};

struct walk {
    const struct lin_config *config;
    struct set now, tried, after;
    uint32_t *todo; /* of `tried`: those from which nothing has been tried yet */
    size_t todo_count, todo_cap;
    const struct op *open[LIN_OPEN_MAX];
    uint64_t used, unknown, appends, idle; /* slots: in use, never return, only append, change nothing */
    uint64_t earlier_alike[LIN_OPEN_MAX];  /* unknown ones that have to be spent before this one */
    struct lin_verdict verdict;
};

/* ---- sets ----------------------------------------------------------------------------------------------- */

static void set_deinit(struct set *s)
{
    mem_free(s->at);
    mem_free(s->buckets);
    *s = (struct set){.count = 0};
}

static void set_clear(struct set *s)
{
    if (s->bucket_count > 256) /* one crowded moment must not make every later one slow */
        set_deinit(s);
    s->count = 0;
    for (size_t i = 0; i < s->bucket_count; i++)
        s->buckets[i] = NONE;
}

static uint32_t *bucket_of(const struct set *s, const struct situation *x, uint64_t unknown)
{
    uint64_t h = x->state.value.hash + x->state.value.len;
    h = (h ^ x->state.due_us) * 0x9e3779b97f4a7c15u;
    h = (h ^ (h >> 31) ^ (x->spent & ~unknown)) * 0xbf58476d1ce4e5b9u;
    return &s->buckets[(h ^ (h >> 29)) & (s->bucket_count - 1)];
}

static void set_grow(struct set *s, uint64_t unknown)
{
    s->cap = s->cap ? s->cap * 2 : 16;
    s->at = mem_realloc(s->at, s->cap * sizeof(*s->at));
    s->bucket_count = s->cap * 2;
    s->buckets = mem_realloc(s->buckets, s->bucket_count * sizeof(*s->buckets));
    for (size_t i = 0; i < s->bucket_count; i++)
        s->buckets[i] = NONE;
    for (uint32_t i = 0; i < s->count; i++) {
        uint32_t *bucket = bucket_of(s, &s->at[i], unknown);
        s->at[i].next = *bucket;
        *bucket = i;
    }
}

/* NONE: covered by one that is there. It may take the place of one that it covers. */
static uint32_t set_add(struct set *s, const struct situation *x, uint64_t unknown)
{
    if (s->count == s->cap)
        set_grow(s, unknown);
    uint32_t *bucket = bucket_of(s, x, unknown);
    for (uint32_t i = *bucket; i != NONE; i = s->at[i].next) {
        struct situation *y = &s->at[i];
        if (!state_equal(&x->state, &y->state) || ((x->spent ^ y->spent) & ~unknown))
            continue;
        if ((y->spent & ~x->spent) == 0)
            return NONE;
        if ((x->spent & ~y->spent) == 0) {
            y->spent = x->spent;
            return i;
        }
    }
    s->at[s->count] = *x;
    s->at[s->count].next = *bucket;
    *bucket = (uint32_t)s->count;
    return (uint32_t)s->count++;
}

/* ---- one return ------------------------------------------------------------------------------------------- */

/* The length that the value must have had before `o`; false: its answer does not tell. */
static bool length_before(const struct op *o, uint64_t *len)
{
    if (o->outcome != OUTCOME_OK)
        return false;
    if (o->kind == OP_GET || o->kind == OP_GETSET) {
        *len = value_is_nil(&o->result) ? 0 : o->result.len;
        return true;
    }
    int64_t after;
    if (o->kind != OP_APPEND || !value_number(&o->result, &after) || after < o->arg.len)
        return false;
    *len = (uint64_t)after - o->arg.len;
    return true;
}

/* Only appends could still run, and none of them, nor all together, give the value its length. */
static bool hopeless(const struct walk *w, const struct situation *x, const struct op *o, uint64_t self)
{
    uint64_t want, left = w->used & ~x->spent & ~self;
    if (x->state.any || x->state.due_us || (left & ~w->appends & ~w->idle) || !length_before(o, &want))
        return false;
    uint64_t len = value_is_nil(&x->state.value) ? 0 : x->state.value.len, most = len;
    for (uint64_t rest = left & w->appends; rest; rest &= rest - 1)
        most += w->open[__builtin_ctzll(rest)]->arg.len;
    return len > want || most < want;
}

/* Open reads, and what else has changed nothing, have run now if they fit the value as it is: that hinders nothing, and
 * later the value may be another. */
static void run_idle(const struct walk *w, struct situation *x)
{
    struct state next[2];
    for (uint64_t rest = w->used & w->idle & ~x->spent; rest; rest &= rest - 1)
        if (model_step(&x->state, w->open[__builtin_ctzll(rest)], 0, next) &&
            state_equal(&next[0], &x->state))
            x->spent |= rest & -rest;
}

/* What is due below the slack may be gone at every return: then it does not matter when it was due. */
static void forget_when(const struct walk *w, struct state *s)
{
    if (s->due_us > DUE_ANY_TIME && s->due_us <= w->config->slack_us)
        s->due_us = DUE_ANY_TIME + 1;
}

static void try_later(struct walk *w, struct situation x)
{
    forget_when(w, &x.state);
    run_idle(w, &x);
    uint32_t at = set_add(&w->tried, &x, w->unknown);
    if (at == NONE)
        return;
    if (w->todo_count == w->todo_cap) {
        w->todo_cap = w->todo_cap * 2 + 16;
        w->todo = mem_realloc(w->todo, w->todo_cap * sizeof(*w->todo));
    }
    w->todo[w->todo_count++] = at;
}

/* From one situation: `o` itself, and each of the others that may run before it. */
static void extend(struct walk *w, struct situation x, const struct op *o, unsigned slot, uint64_t now_us)
{
    struct state next[2];
    uint64_t self = UINT64_C(1) << slot;
    if (hopeless(w, &x, o, self))
        return;
    size_t n = model_step(&x.state, o, now_us, next);
    for (size_t i = 0; i < n; i++) {
        struct situation y = {.state = next[i], .spent = x.spent};
        forget_when(w, &y.state);
        run_idle(w, &y);
        y.spent &= ~self;
        set_add(&w->after, &y, w->unknown);
    }
    for (uint64_t rest = w->used & ~x.spent & ~self; rest; rest &= rest - 1) {
        unsigned other = (unsigned)__builtin_ctzll(rest);
        if (w->earlier_alike[other] & ~x.spent)
            continue;
        n = model_step(&x.state, w->open[other], now_us, next);
        for (size_t i = 0; i < n; i++)
            try_later(w, (struct situation){.state = next[i], .spent = x.spent | UINT64_C(1) << other});
    }
}

static void close_slot(struct walk *w, unsigned slot)
{
    uint64_t bit = UINT64_C(1) << slot;
    w->used &= ~bit;
    w->appends &= ~bit;
    w->idle &= ~bit;
}

static void explain(struct walk *w, const struct op *o)
{
    struct lin_verdict *v = &w->verdict;
    v->result = LIN_NO;
    v->at = o;
    v->before_count = w->now.count;
    for (size_t i = 0; i < w->now.count && i < LIN_SHOWN; i++)
        v->before[i] = w->now.at[i].state;
    for (uint64_t rest = w->used; rest; rest &= rest - 1) {
        const struct op *open = w->open[__builtin_ctzll(rest)];
        if (open != o)
            v->open[v->open_count++] = open;
    }
}

static void on_return(struct walk *w, const struct op *o)
{
    unsigned slot = 0;
    while (!(w->used >> slot & 1) || w->open[slot] != o)
        slot++;
    uint64_t self = UINT64_C(1) << slot, now_us = o->returned_us + w->config->slack_us;
    size_t limit = w->config->situations ? w->config->situations : SITUATIONS;
    set_clear(&w->tried);
    set_clear(&w->after);
    w->todo_count = 0;
    for (size_t i = 0; i < w->now.count; i++) {
        struct situation x = w->now.at[i];
        if (x.spent & self) {
            x.spent &= ~self;
            set_add(&w->after, &x, w->unknown);
        } else {
            try_later(w, x);
        }
    }
    while (w->todo_count) {
        struct situation x = w->tried.at[w->todo[--w->todo_count]];
        if (x.spent & self) {
            x.spent &= ~self;
            set_add(&w->after, &x, w->unknown);
        } else {
            extend(w, x, o, slot, now_us);
        }
        if (w->tried.count + w->after.count > limit) {
            w->verdict.result = LIN_UNDECIDED;
            w->verdict.why = "too many situations";
            w->verdict.at = o;
            return;
        }
    }
    if (w->after.count > w->verdict.situations)
        w->verdict.situations = w->after.count;
    if (w->after.count == 0) {
        explain(w, o);
        return;
    }
    struct set before = w->now;
    w->now = w->after;
    w->after = before;
    close_slot(w, slot);
}

/* ---- the walk --------------------------------------------------------------------------------------------- */

static bool alike(const struct op *a, const struct op *b)
{
    return a->kind == b->kind && a->number == b->number && a->outcome == b->outcome &&
           value_equal(&a->arg, &b->arg) && value_equal(&a->next, &b->next) &&
           (a->number == 0 || a->kind == OP_INCR || a->invoked_us == b->invoked_us);
}

static void on_invocation(struct walk *w, const struct op *o)
{
    bool unknown = o->outcome == OUTCOME_UNKNOWN;
    if (o->outcome == OUTCOME_NOT_RUN || (unknown && model_only_reads(o)))
        return;
    if (~w->used == 0) {
        w->verdict.result = LIN_UNDECIDED;
        w->verdict.why = "too many open operations";
        w->verdict.at = o;
        return;
    }
    unsigned slot = (unsigned)__builtin_ctzll(~w->used);
    uint64_t bit = UINT64_C(1) << slot;
    w->earlier_alike[slot] = 0;
    for (uint64_t rest = unknown ? w->used & w->unknown : 0; rest; rest &= rest - 1)
        if (alike(w->open[__builtin_ctzll(rest)], o))
            w->earlier_alike[slot] |= rest & -rest;
    w->open[slot] = o;
    w->used |= bit;
    w->unknown = unknown ? w->unknown | bit : w->unknown & ~bit;
    w->appends = o->kind == OP_APPEND ? w->appends | bit : w->appends & ~bit;
    w->idle = model_changed_nothing(o) ? w->idle | bit : w->idle & ~bit;
    for (size_t i = 0; (w->idle & bit) && i < w->now.count; i++)
        run_idle(w, &w->now.at[i]);
}

static int by_return(const void *a, const void *b)
{
    const struct op *x = *(const struct op *const *)a, *y = *(const struct op *const *)b;
    if (x->returned_us != y->returned_us)
        return x->returned_us < y->returned_us ? -1 : 1;
    return x->invoked_us != y->invoked_us ? (x->invoked_us < y->invoked_us ? -1 : 1) : x < y ? -1 : x > y;
}

static const struct op **returns_of(const struct op *const *ops, size_t count, uint64_t until_us, size_t *n)
{
    const struct op **returns = mem_alloc((count + 1) * sizeof(*returns));
    *n = 0;
    for (size_t i = 0; i < count; i++)
        if (ops[i]->outcome != OUTCOME_NOT_RUN && ops[i]->returned_us != OP_NO_RETURN &&
            (until_us == 0 || ops[i]->returned_us <= until_us))
            returns[(*n)++] = ops[i];
    qsort(returns, *n, sizeof(*returns), by_return);
    return returns;
}

struct lin_verdict lin_check(const struct op *const *ops, size_t count, const struct lin_config *config)
{
    struct walk w = {.config = config};
    size_t returns, invoked = 0;
    const struct op **by_time = returns_of(ops, count, config->until_us, &returns);
    set_add(&w.now, &(struct situation){.state = config->start}, 0);
    w.verdict.situations = 1;
    for (size_t i = 0; i < returns && w.verdict.result == LIN_YES; i++) {
        /* Equal times overlap: invocations come first. */
        while (invoked < count && ops[invoked]->invoked_us <= by_time[i]->returned_us &&
               w.verdict.result == LIN_YES)
            on_invocation(&w, ops[invoked++]);
        if (w.verdict.result == LIN_YES)
            on_return(&w, by_time[i]);
    }
    set_deinit(&w.now);
    set_deinit(&w.tried);
    set_deinit(&w.after);
    mem_free(w.todo);
    mem_free(by_time);
    return w.verdict;
}
