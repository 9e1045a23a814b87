#include "model.h"

bool model_only_reads(const struct op *o)
{
    return o->kind == OP_GET || o->outcome == OUTCOME_ERROR;
}

bool model_changed_nothing(const struct op *o)
{
    int64_t said;
    if (model_only_reads(o))
        return true;
    if (o->outcome != OUTCOME_OK || !value_number(&o->result, &said) || said != 0)
        return false;
    switch ((enum op_kind)o->kind) {
    case OP_SETNX:
    case OP_LOCK:
    case OP_DEL:
    case OP_EXPIRE:
    case OP_EXPIREAT:
    case OP_CAS:
    case OP_UNLOCK:
        return true;
    default: /* not PERSIST: of a key that may have had a time to live it tells that it has none */
        return false;
    }
}

static struct state holding(struct value v, uint64_t due_us, const struct op *by)
{
    return (struct state){.value = v, .due_us = value_is_nil(&v) ? 0 : due_us, .by = by};
}

static uint64_t ttl_due(const struct op *o)
{
    return o->number > 0 ? o->invoked_us + (uint64_t)o->number * 1000 : 0;
}

/* The answer is not known, or is this number. */
static bool says(const struct op *o, int64_t number)
{
    int64_t said;
    return o->outcome == OUTCOME_UNKNOWN || (value_number(&o->result, &said) && said == number);
}

static bool says_value(const struct op *o, const struct value *v)
{
    return o->outcome == OUTCOME_UNKNOWN || value_equal(&o->result, v);
}

static bool incremented(const struct state *s, const struct op *o, struct value *v)
{
    int64_t number;
    if (!value_number(&s->value, &number) || __builtin_add_overflow(number, o->number, &number))
        return false;
    *v = value_of_number(number);
    return true;
}

/* EXEC after WATCH: with the old value in place it may run; a nil answer, or one of "not the owner's", proves nothing that
 * holds at one moment. */
static bool swap(const struct state *s, const struct op *o, struct value next, struct state *out)
{
    bool in_place = value_equal(&s->value, &o->arg);
    *out = *s;
    if (in_place && says(o, 1))
        *out = holding(next, 0, o);
    return o->outcome == OUTCOME_UNKNOWN ? in_place : in_place || says(o, 0);
}

/* Whether it can have run on exactly this. */
static bool run(const struct state *s, const struct op *o, struct state *out)
{
    const struct value *old = &s->value;
    bool nil = value_is_nil(old);
    struct value v;
    *out = *s;
    if (o->outcome == OUTCOME_ERROR)
        return o->kind != OP_INCR || !incremented(s, o, &v);
    switch ((enum op_kind)o->kind) {
    case OP_GET:
        return says_value(o, old);
    case OP_SET:
        *out = holding(o->arg, ttl_due(o), o);
        return true;
    case OP_SETNX:
    case OP_LOCK:
        if (nil)
            *out = holding(o->arg, ttl_due(o), o);
        return says(o, nil);
    case OP_GETSET:
        *out = holding(o->arg, 0, o);
        return says_value(o, old);
    case OP_APPEND:
        *out = holding(value_join(old, &o->arg), s->due_us, o);
        return says(o, out->value.len);
    case OP_INCR:
        if (!incremented(s, o, &v))
            return false;
        *out = holding(v, s->due_us, o);
        return says_value(o, &v);
    case OP_DEL:
        if (!nil)
            *out = holding(value_nil(), 0, o);
        return says(o, !nil);
    case OP_EXPIRE:
        if (!nil)
            *out = o->number > 0 ? holding(*old, ttl_due(o), o) : holding(value_nil(), 0, o);
        return says(o, !nil);
    case OP_EXPIREAT:
        if (!nil)
            *out = holding(*old, o->number > DUE_ANY_TIME ? (uint64_t)o->number : DUE_ANY_TIME, o);
        return says(o, !nil);
    case OP_PERSIST:
        if (!nil && s->due_us)
            *out = holding(*old, 0, o);
        return s->due_us == DUE_ANY_TIME || says(o, !nil && s->due_us);
    case OP_CAS:
        return swap(s, o, o->next, out);
    case OP_UNLOCK:
        return swap(s, o, value_nil(), out);
    case OP_KINDS:
        break;
    }
    return false;
}

/* What `o` leaves, and tells, of a value of which nothing was known. */
static void run_on_any(const struct state *s, const struct op *o, struct state *out)
{
    bool known = o->outcome == OUTCOME_OK;
    *out = (struct state){.any = true, .due_us = s->due_us};
    switch ((enum op_kind)o->kind) {
    case OP_GET:
        if (known)
            *out = holding(o->result, s->due_us, o);
        break;
    case OP_SET:
        *out = holding(o->arg, ttl_due(o), o);
        break;
    case OP_GETSET:
        *out = holding(o->arg, 0, o);
        break;
    case OP_SETNX:
    case OP_LOCK:
        if (known && says(o, 1))
            *out = holding(o->arg, ttl_due(o), o);
        break;
    case OP_DEL:
        *out = holding(value_nil(), 0, o);
        break;
    case OP_UNLOCK:
        if (known && says(o, 1))
            *out = holding(value_nil(), 0, o);
        break;
    case OP_CAS:
        if (known && says(o, 1))
            *out = holding(o->next, 0, o);
        break;
    default:
        break;
    }
}

static bool worth_it(const struct state *before, const struct op *o, const struct state *after)
{
    return o->outcome != OUTCOME_UNKNOWN || !state_equal(before, after);
}

size_t model_step(const struct state *s, const struct op *o, uint64_t now_us, struct state out[2])
{
    size_t n = 0;
    if (s->any) {
        run_on_any(s, o, &out[0]);
        return worth_it(s, o, &out[0]);
    }
    n += run(s, o, &out[n]) && worth_it(s, o, &out[n]);
    if (s->due_us && s->due_us <= now_us) {
        struct state gone = {.value = value_nil(), .by = s->by};
        n += run(&gone, o, &out[n]) && worth_it(s, o, &out[n]);
    }
    return n;
}
