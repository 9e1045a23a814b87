#include "history.h"

#include "base/alloc.h"
#include "base/dict.h"

#include <assert.h>
#include <stdlib.h>

/* A key's newest read, with its text. */
struct last_read {
    size_t op; /* its place + 1 */
    struct buf value;
};

struct history {
    struct op *ops;
    size_t count, cap;
    struct dict *keys; /* name -> its number + 1; in order of their numbers, since none is ever removed */
    /* by key: where the operations of each begin; made anew after more were added */
    const struct op **by_key;
    size_t *begins;
    size_t sorted;
    bool texts;
    struct last_read *last_reads; /* by key */
    size_t last_count;
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
    for (size_t i = 0; i < h->count; i++)
        mem_free((char *)h->ops[i].text);
    for (size_t i = 0; i < h->last_count; i++)
        buf_deinit(&h->last_reads[i].value);
    mem_free(h->last_reads);
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

void history_keep_texts(struct history *h)
{
    h->texts = true;
}

static void keep_text(struct history *h, struct op *o, const struct op_text *t)
{
    if (o->kind == OP_APPEND) {
        char *copy = mem_alloc(t->arg.len + 1);
        memcpy(copy, t->arg.data, t->arg.len);
        o->text = copy;
    }
    if (o->kind != OP_GET || o->outcome != OUTCOME_OK)
        return;
    if (o->key >= h->last_count) {
        size_t count = o->key * 2 + 16;
        h->last_reads = mem_realloc(h->last_reads, count * sizeof(*h->last_reads));
        memset(h->last_reads + h->last_count, 0, (count - h->last_count) * sizeof(*h->last_reads));
        h->last_count = count;
    }
    struct last_read *last = &h->last_reads[o->key];
    if (last->op && h->ops[last->op - 1].invoked_us > o->invoked_us)
        return;
    last->op = h->count;
    buf_truncate(&last->value, 0);
    buf_append_slice(&last->value, t->result);
}

const struct op *history_last_read(const struct history *h, size_t key, struct slice *value)
{
    if (key >= h->last_count || !h->last_reads[key].op)
        return NULL;
    *value = buf_slice(&h->last_reads[key].value);
    return &h->ops[h->last_reads[key].op - 1];
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
    if (h->texts)
        keep_text(h, &h->ops[h->count - 1], t);
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
