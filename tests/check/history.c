#include "history.h"

#include "base/alloc.h"
#include "base/dict.h"

#include <assert.h>
#include <stdlib.h>

struct history {
    struct op *ops;
    size_t count, cap;
    struct dict *keys; /* name -> its number + 1; in order of their numbers, since none is ever removed */
    /* by key: where the operations of each begin; made anew after more were added */
    const struct op **by_key;
    size_t *begins;
    size_t sorted;
};

struct history *history_new(void)
{
    struct history *h = mem_calloc(1, sizeof(*h));
    h->keys = dict_new(NULL);
    return h;
}

void history_free(struct history *h)
{
    if (!h)
        return;
    dict_free(h->keys);
    mem_free(h->ops);
    mem_free(h->by_key);
    mem_free(h->begins);
    mem_free(h);
}

static uint32_t key_number(struct history *h, struct slice name)
{
    uintptr_t number = (uintptr_t)dict_get(h->keys, name);
    if (number == 0) {
        number = dict_count(h->keys) + 1;
        dict_put(h->keys, name, (void *)number);
    }
    return (uint32_t)(number - 1);
}

static struct value value_or_nil(struct slice s)
{
    return s.data ? value_of(s) : value_nil();
}

size_t history_add(struct history *h, const struct op_text *t)
{
    if (h->count == h->cap) {
        h->cap = h->cap * 2 + 64;
        h->ops = mem_realloc(h->ops, h->cap * sizeof(*h->ops));
    }
    h->ops[h->count++] =
        (struct op){.invoked_us = t->invoked_us,
                    .returned_us = t->outcome == OUTCOME_UNKNOWN ? OP_NO_RETURN : t->returned_us,
                    .arg = value_or_nil(t->arg),
                    .next = value_or_nil(t->next),
                    .result = value_or_nil(t->result),
                    .number = t->number,
                    .client = t->client,
                    .key = key_number(h, t->key),
                    .line = (uint32_t)h->count,
                    .kind = (uint8_t)t->kind,
                    .outcome = (uint8_t)t->outcome};
    return h->count - 1;
}

void history_answer(struct history *h, size_t at, enum op_outcome outcome, struct slice result,
                    uint64_t returned_us)
{
    struct op *o = &h->ops[at];
    assert(at < h->count);
    o->outcome = (uint8_t)outcome;
    o->result = value_or_nil(result);
    o->returned_us = outcome == OUTCOME_UNKNOWN ? OP_NO_RETURN : returned_us;
}

size_t history_count(const struct history *h)
{
    return h->count;
}

const struct op *history_at(const struct history *h, size_t at)
{
    return &h->ops[at];
}

size_t history_keys(const struct history *h)
{
    return dict_count(h->keys);
}

struct slice history_key(const struct history *h, size_t key)
{
    struct slice name;
    dict_at(h->keys, key, &name);
    return name;
}

static int by_invocation(const void *a, const void *b)
{
    const struct op *x = *(const struct op *const *)a, *y = *(const struct op *const *)b;
    if (x->invoked_us != y->invoked_us)
        return x->invoked_us < y->invoked_us ? -1 : 1;
    return x < y ? -1 : x > y;
}

static void sort_by_key(struct history *h)
{
    size_t keys = history_keys(h);
    h->begins = mem_realloc(h->begins, (keys + 2) * sizeof(*h->begins));
    h->by_key = mem_realloc(h->by_key, (h->count + 1) * sizeof(*h->by_key));
    memset(h->begins, 0, (keys + 2) * sizeof(*h->begins));
    for (size_t i = 0; i < h->count; i++)
        h->begins[h->ops[i].key + 2]++;
    for (size_t k = 0; k < keys; k++)
        h->begins[k + 2] += h->begins[k + 1];
    for (size_t i = 0; i < h->count; i++)
        h->by_key[h->begins[h->ops[i].key + 1]++] = &h->ops[i];
    for (size_t k = 0; k < keys; k++)
        qsort(&h->by_key[h->begins[k]], h->begins[k + 1] - h->begins[k], sizeof(*h->by_key), by_invocation);
    h->sorted = h->count;
}

const struct op **history_of_key(struct history *h, size_t key, size_t *count)
{
    if (h->sorted != h->count || !h->by_key)
        sort_by_key(h);
    *count = h->begins[key + 1] - h->begins[key];
    return &h->by_key[h->begins[key]];
}
