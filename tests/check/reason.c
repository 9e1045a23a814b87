#include "reason.h"

#include "base/alloc.h"

enum { LOOK_BACK = 64, LOOK_AHEAD = 6 };

struct case_ {
    struct op *copies; /* what may be changed */
    const struct op **ops;
    size_t count;
    struct lin_config config;
};

const char *reason_text(enum reason r)
{
    static const char *const texts[] = {
        [REASON_NONE] = "nothing is wrong",
        [REASON_STALE] = "a stale answer: of before it was asked",
        [REASON_NOT_RUN] = "what was told not to have run has run",
        [REASON_LOST] = "what was acknowledged has not run",
        [REASON_TWICE] = "something ran twice",
        [REASON_EARLY] = "a key went before its time, or came back",
        [REASON_FUTURE] = "an answer that takes what was asked later",
        [REASON_OTHER] = "an answer that nothing explains",
    };
    return texts[r];
}

/* Only what happened up to the bad answer. */
static void case_init(struct case_ *c, const struct op *const *ops, size_t count,
                      const struct lin_config *config, const struct lin_verdict *v)
{
    c->copies = mem_alloc((count + 1) * sizeof(*c->copies));
    c->ops = mem_alloc((count + 1) * sizeof(*c->ops));
    c->count = count;
    c->config = *config;
    c->config.until_us = v->at->returned_us;
    for (size_t i = 0; i < count; i++) {
        c->copies[i] = *ops[i];
        c->ops[i] = &c->copies[i];
    }
}

static void case_deinit(struct case_ *c)
{
    mem_free(c->copies);
    mem_free(c->ops);
}

static bool explained(const struct case_ *c)
{
    return lin_check(c->ops, c->count, &c->config).result == LIN_YES;
}

/* ---- what is allowed ---------------------------------------------------------------------------------------- */

/* An operation without a return may run or not, at any time from its invocation on. */
static void set_free(struct op *o)
{
    o->outcome = OUTCOME_UNKNOWN;
    o->returned_us = OP_NO_RETURN;
}

static bool not_run_ran(struct case_ *c, size_t i)
{
    struct op saved = c->copies[i];
    if (saved.outcome != OUTCOME_NOT_RUN)
        return false;
    set_free(&c->copies[i]);
    bool yes = explained(c);
    c->copies[i] = saved;
    return yes;
}

static bool was_lost(struct case_ *c, size_t i)
{
    struct op saved = c->copies[i];
    if (saved.outcome != OUTCOME_OK || model_only_reads(&saved))
        return false;
    c->copies[i].outcome = OUTCOME_NOT_RUN;
    bool yes = explained(c);
    c->copies[i] = saved;
    return yes;
}

/* Once more, with an answer that nobody saw. The array has room for one. */
static bool ran_twice(struct case_ *c, size_t i)
{
    if (c->copies[i].outcome == OUTCOME_NOT_RUN || model_only_reads(&c->copies[i]))
        return false;
    struct op again = c->copies[i];
    set_free(&again);
    const struct op **ops = mem_alloc((c->count + 1) * sizeof(*ops));
    for (size_t k = 0; k < c->count; k++)
        ops[k + (k > i)] = c->ops[k];
    ops[i + 1] = &again;
    bool yes = lin_check(ops, c->count + 1, &c->config).result == LIN_YES;
    mem_free(ops);
    return yes;
}

/* As if it had been asked at the very beginning: the order of invocation has to be kept. */
static bool was_stale(struct case_ *c, size_t i)
{
    struct op early = c->copies[i];
    const struct op **ops = mem_alloc((c->count + 1) * sizeof(*ops));
    early.invoked_us = 0;
    ops[0] = &early;
    for (size_t k = 0, n = 1; k < c->count; k++)
        if (k != i)
            ops[n++] = c->ops[k];
    bool yes = lin_check(ops, c->count, &c->config).result == LIN_YES;
    mem_free(ops);
    return yes;
}

/* As if what was asked next had been asked before. */
static bool was_early(struct case_ *c, size_t last, const struct op *at)
{
    if (c->count > last + LOOK_AHEAD)
        c->count = last + LOOK_AHEAD;
    struct op *late = mem_alloc((c->count + 1) * sizeof(*late));
    const struct op **ops = mem_alloc((c->count + 1) * sizeof(*ops));
    for (size_t i = 0; i < c->count; i++) {
        late[i] = c->copies[i];
        ops[i] = &late[i];
        if (late[i].invoked_us > at->returned_us)
            late[i].invoked_us = at->returned_us;
    }
    bool yes = lin_check(ops, c->count, &c->config).result == LIN_YES;
    mem_free(ops);
    mem_free(late);
    return yes;
}

/* As if no clock were right; then as if keys had no time to live, which is how one looks that has come back. */
static bool time_explains(struct case_ *c)
{
    struct lin_config config = c->config;
    bool any = false;
    for (size_t i = 0; i < c->count; i++)
        any |= c->copies[i].number && c->copies[i].kind != OP_INCR;
    if (!any)
        return false;
    c->config.slack_us = UINT64_C(1) << 62;
    bool yes = explained(c);
    c->config = config;
    return yes;
}

enum reason reason_of(const struct op *const *ops, size_t count, const struct lin_config *config,
                      const struct lin_verdict *v, const struct op **culprit)
{
    struct case_ c;
    enum reason why = REASON_OTHER;
    size_t at = 0, first;
    case_init(&c, ops, count, config, v);
    while (ops[at] != v->at)
        at++;
    size_t last = at;
    while (last + 1 < count && ops[last + 1]->invoked_us <= v->at->returned_us)
        last++;
    first = last > LOOK_BACK ? last - LOOK_BACK : 0;
    *culprit = NULL;
    for (size_t i = last + 1; i-- > 0 && why == REASON_OTHER;)
        if (not_run_ran(&c, i)) {
            why = REASON_NOT_RUN;
            *culprit = ops[i];
        }
    if (why == REASON_OTHER && time_explains(&c))
        why = REASON_EARLY;
    if (why == REASON_OTHER && model_only_reads(v->at) && was_stale(&c, at))
        why = REASON_STALE;
    for (size_t i = last + 1; i-- > first && why == REASON_OTHER;)
        if (i != at && was_lost(&c, i)) {
            why = REASON_LOST;
            *culprit = ops[i];
        }
    for (size_t i = last + 1; i-- > first && why == REASON_OTHER;)
        if (ran_twice(&c, i)) {
            why = REASON_TWICE;
            *culprit = ops[i];
        }
    if (why == REASON_OTHER && was_early(&c, last, v->at))
        why = REASON_FUTURE;
    case_deinit(&c);
    return why;
}

/* ---- the window --------------------------------------------------------------------------------------------- */

static bool has_ttl(const struct op *const *ops, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (ops[i]->number && ops[i]->kind != OP_INCR)
            return true;
    return false;
}

/* Nothing is known of what was before `first`, and what was under way then may or may not have run. */
static bool fails_from(const struct case_ *whole, const struct op *const *ops, size_t first)
{
    struct case_ c = *whole;
    size_t n = 0;
    for (size_t i = 0; i < c.count; i++) {
        bool before = i < first;
        if (before && (ops[i]->returned_us < ops[first]->invoked_us || ops[i]->outcome == OUTCOME_NOT_RUN ||
                       model_only_reads(ops[i])))
            continue;
        c.copies[n] = *ops[i];
        if (before)
            set_free(&c.copies[n]);
        c.ops[n] = &c.copies[n];
        n++;
    }
    c.count = n;
    c.config.start = (struct state){.any = true, .due_us = has_ttl(ops, whole->count) ? DUE_ANY_TIME : 0};
    return lin_check(c.ops, c.count, &c.config).result == LIN_NO;
}

size_t reason_window(const struct op *const *ops, size_t count, const struct lin_config *config,
                     const struct lin_verdict *v)
{
    struct case_ c;
    size_t at = 0;
    case_init(&c, ops, count, config, v);
    while (ops[at] != v->at)
        at++;
    /* What explains nothing from some place on explains nothing from any place before it. */
    size_t low = 0, high = at + 1;
    while (low + 1 < high) {
        size_t middle = low + (high - low) / 2;
        if (fails_from(&c, ops, middle))
            low = middle;
        else
            high = middle;
    }
    case_deinit(&c);
    return low;
}
