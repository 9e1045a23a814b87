#include "judge.h"
#include "locks.h"

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

static void show_verdict(struct buf *out, const struct history *h, const struct lin_verdict *v)
{
    buf_append_cstr(out, "    ");
    op_show(out, h, v->at);
    if (v->result == LIN_UNDECIDED) {
        buf_printf(out, "\n    not decided: %s\n", v->why);
        return;
    }
    buf_append_cstr(out, "\n    the value before it can only have been ");
    for (size_t i = 0; i < v->before_count && i < LIN_SHOWN; i++) {
        buf_append_cstr(out, i ? ", " : "");
        show_state(out, &v->before[i]);
    }
    buf_append_cstr(out, v->before_count > LIN_SHOWN ? ", ...\n" : "\n");
    for (size_t i = 0; i < v->open_count; i++) {
        buf_append_cstr(out, "    beside it: ");
        op_show(out, h, v->open[i]);
        put_u8(out, '\n');
    }
}

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
    struct slice name = history_key(h, second->key);
    buf_printf(report, "%.*s: two holders at a time\n    ", (int)name.len, name.data);
    op_show(report, h, first);
    buf_append_cstr(report, "\n    ");
    op_show(report, h, second);
    put_u8(report, '\n');
    return false;
}

static bool judge_key(struct history *h, size_t key, const struct judge_config *config,
                      struct judge_counts *counts, struct buf *report)
{
    size_t count;
    const struct op **ops = history_of_key(h, key, &count);
    struct lin_config lin = {.slack_us = config->slack_us, .start = LIN_EMPTY};
    struct lin_verdict v = lin_check(ops, count, &lin);
    struct slice name = history_key(h, key);
    if (v.result != LIN_UNDECIDED)
        counts->linearized += count;
    if (!judge_locks(h, ops, count, config->slack_us, counts, report)) {
        counts->bad_keys++;
        return false;
    }
    if (v.result == LIN_YES)
        return true;
    counts->bad_keys += v.result == LIN_NO;
    counts->undecided_keys += v.result == LIN_UNDECIDED;
    buf_printf(report, "%.*s: not linearizable\n", (int)name.len, name.data);
    show_verdict(report, h, &v);
    return false;
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
