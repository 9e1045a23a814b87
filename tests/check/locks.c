#include "locks.h"

#include "base/alloc.h"

#include <stdlib.h>

struct span {
    uint64_t from_us, to_us;
    const struct op *lock;
};

static int by_start(const void *a, const void *b)
{
    const struct span *x = a, *y = b;
    if (x->from_us != y->from_us)
        return x->from_us < y->from_us ? -1 : 1;
    return x->lock < y->lock ? -1 : x->lock > y->lock;
}

/* The owner's first request for the release, whatever came of it. Owners' names are used once. */
static uint64_t released_us(const struct op *const *ops, size_t count, const struct op *lock)
{
    for (size_t i = 0; i < count; i++)
        if (ops[i]->kind == OP_UNLOCK && ops[i]->invoked_us >= lock->returned_us &&
            value_equal(&ops[i]->arg, &lock->arg))
            return ops[i]->invoked_us;
    return UINT64_MAX;
}

const struct op *locks_check(const struct op *const *ops, size_t count, uint64_t slack_us,
                             const struct op **first, size_t *acquired)
{
    struct span *spans = mem_alloc((count + 1) * sizeof(*spans)), *longest = NULL;
    const struct op *second = NULL;
    size_t n = 0;
    int64_t got;
    for (size_t i = 0; i < count; i++) {
        const struct op *o = ops[i];
        if (o->kind != OP_LOCK || o->outcome != OUTCOME_OK || !value_number(&o->result, &got) || got != 1)
            continue;
        uint64_t due_us = o->invoked_us + (uint64_t)o->number * 1000, let_go_us;
        due_us -= due_us < slack_us ? due_us : slack_us;
        let_go_us = released_us(&ops[i], count - i, o);
        spans[n++] = (struct span){o->returned_us, due_us < let_go_us ? due_us : let_go_us, o};
    }
    qsort(spans, n, sizeof(*spans), by_start);
    for (size_t i = 0; i < n && !second; i++) {
        if (spans[i].to_us <= spans[i].from_us) /* was told too late to believe it at all */
            continue;
        if (longest && spans[i].from_us < longest->to_us) {
            *first = longest->lock;
            second = spans[i].lock;
        }
        if (!longest || spans[i].to_us > longest->to_us)
            longest = &spans[i];
    }
    *acquired = n;
    mem_free(spans);
    return second;
}
