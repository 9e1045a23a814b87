#include "judge.h"

#include "locks.h"
#include "tokens.h"

enum { WINDOW_SHOWN = 40 };

static void show_state(struct buf *out, const struct state *s)
{
    char space[48];
    if (s->any)
        buf_append_cstr(out, "anything");
    else
        buf_append_cstr(out, value_show(&s->value, space));
    if (s->by)
        buf_printf(out, " (#%u)", s->by->line);
}

static void show_op(struct buf *out, const struct history *h, const struct op *o)
{
    buf_append_cstr(out, "    ");
    op_show(out, h, o);
    put_u8(out, '\n');
}

static void say(struct buf *out, const struct history *h, uint32_t key, const char *what)
{
    struct slice name = history_key(h, key);
    buf_printf(out, "%.*s: %s\n", (int)name.len, name.data, what);
}

/* ---- linearizability -------------------------------------------------------------------------------------- */

static void show_before(struct buf *out, const struct lin_verdict *v)
{
    buf_append_cstr(out, "  the value before it can only have been ");
    for (size_t i = 0; i < v->before_count && i < LIN_SHOWN; i++) {
        buf_append_cstr(out, i ? ", " : "");
        show_state(out, &v->before[i]);
    }
    buf_append_cstr(out, v->before_count > LIN_SHOWN ? ", ...\n" : "\n");
}

/* From the window's beginning to the bad answer, its last lines when it is long. */
static void show_window(struct buf *out, const struct history *h, const struct op *const *ops, size_t count,
                        size_t first, const struct op *at)
{
    size_t last = first, shown = 0, until;
    while (last + 1 < count && ops[last + 1]->invoked_us <= at->returned_us)
        last++;
    until = last + 1;
    for (size_t i = first; i < until; i++)
        shown += ops[i]->outcome != OUTCOME_NOT_RUN;
    if (shown > WINDOW_SHOWN)
        buf_printf(out, "    ... %zu more before\n", shown - WINDOW_SHOWN);
    for (size_t i = first; i < until; i++)
        if (ops[i]->outcome != OUTCOME_NOT_RUN && shown-- <= WINDOW_SHOWN)
            show_op(out, h, ops[i]);
}

static bool judge_order(struct history *h, const struct op *const *ops, size_t count,
                        const struct lin_config *lin, struct judge_counts *counts, struct buf *report)
{
    struct lin_verdict v = lin_check(ops, count, lin);
    const struct op *culprit;
    if (v.result != LIN_UNDECIDED)
        counts->linearized += count;
    if (v.result == LIN_YES)
        return true;
    counts->undecided_keys += v.result == LIN_UNDECIDED;
    if (v.result == LIN_UNDECIDED) {
        say(report, h, v.at->key, "not decided whether it is linearizable");
        buf_printf(report, "  %s at\n", v.why);
        show_op(report, h, v.at);
        return false;
    }
    counts->reason = reason_of(ops, count, lin, &v, &culprit);
    say(report, h, v.at->key, "not linearizable");
    buf_printf(report, "  %s\n", reason_text(counts->reason));
    show_op(report, h, v.at);
    if (culprit && culprit != v.at)
        show_op(report, h, culprit);
    show_before(report, &v);
    buf_append_cstr(report, "  the shortest stretch that explains itself as little\n");
    show_window(report, h, ops, count, reason_window(ops, count, lin, &v), v.at);
    return false;
}

/* ---- locks, tokens ---------------------------------------------------------------------------------------- */

static bool judge_locks(struct history *h, const struct op *const *ops, size_t count, uint64_t slack_us,
                        struct judge_counts *counts, struct buf *report)
{
    const struct op *first, *second;
    size_t acquired;
    if (slack_us == JUDGE_NO_CLOCK)
        return true;
    second = locks_check(ops, count, slack_us, &first, &acquired);
    counts->locks += acquired;
    if (!second)
        return true;
    say(report, h, second->key, "two holders at a time");
    show_op(report, h, first);
    show_op(report, h, second);
    return false;
}

/* As the last read could know it. NULL: no key of tokens. */
static struct tokens *tokens_of(const struct op *const *ops, size_t count, const struct op *read)
{
    struct tokens *t = tokens_new();
    for (size_t i = 0; i < count; i++) {
        const struct op *o = ops[i];
        int64_t end = 0;
        if (model_only_reads(o))
            continue;
        size_t at = SIZE_MAX;
        if (o->kind == OP_APPEND && o->text)
            at = tokens_add(t, o->client, slice_of(o->text, o->arg.len));
        if (at == SIZE_MAX) {
            tokens_free(t);
            return NULL;
        }
        value_number(&o->result, &end);
        if (o->outcome == OUTCOME_NOT_RUN || o->invoked_us > read->returned_us)
            tokens_fate(t, at, TOKEN_NOT_RUN, 0);
        else if (o->outcome == OUTCOME_OK && o->returned_us < read->invoked_us)
            tokens_fate(t, at, TOKEN_DONE, (uint64_t)end);
    }
    return t;
}

static bool judge_tokens(struct history *h, size_t key, const struct op *const *ops, size_t count,
                         struct judge_counts *counts, struct buf *report)
{
    struct slice value;
    char wrong[160];
    const struct op *read = history_last_read(h, key, &value);
    struct tokens *t = read ? tokens_of(ops, count, read) : NULL;
    bool good = !t || tokens_check(t, value, wrong, sizeof(wrong));
    if (t) {
        counts->tokens += tokens_count(t);
        tokens_free(t);
    }
    if (good)
        return true;
    say(report, h, (uint32_t)key, wrong);
    buf_append_cstr(report, "  in the last read\n");
    show_op(report, h, read);
    return false;
}

/* ---- all of it -------------------------------------------------------------------------------------------- */

static bool judge_key(struct history *h, size_t key, const struct judge_config *config,
                      struct judge_counts *counts, struct buf *report)
{
    size_t count, undecided = counts->undecided_keys;
    const struct op **ops = history_of_key(h, key, &count);
    struct lin_config lin = {.slack_us = config->slack_us, .start = LIN_EMPTY};
    bool good = judge_locks(h, ops, count, config->slack_us, counts, report);
    good &= judge_tokens(h, key, ops, count, counts, report);
    bool linear = judge_order(h, ops, count, &lin, counts, report);
    counts->bad_keys += !good || (!linear && counts->undecided_keys == undecided);
    return good && linear;
}

bool judge_history(struct history *h, const struct judge_config *config, struct judge_counts *counts,
                   struct buf *report)
{
    bool good = true;
    *counts = (struct judge_counts){.operations = history_count(h), .keys = history_keys(h)};
    for (size_t i = 0; i < counts->operations; i++) {
        counts->unknown += history_at(h, i)->outcome == OUTCOME_UNKNOWN;
        counts->not_run += history_at(h, i)->outcome == OUTCOME_NOT_RUN;
    }
    for (size_t key = 0; key < counts->keys; key++)
        good &= judge_key(h, key, config, counts, report);
    return good;
}
