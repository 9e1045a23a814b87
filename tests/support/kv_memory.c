#include "kv_memory.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"

struct pair {
    struct blob *key, *value; /* value NULL: a deletion */
};

struct table {
    struct pair *at; /* ascending */
    size_t count, cap;
};

struct batch {
    struct pair *at;
    size_t count, cap;
};

struct kv_memory {
    struct kv kv;
    struct table now;
    /* Commits since `base`, oldest first; the first `synced` of them are durable. */
    struct table base;
    struct batch *commits;
    size_t commit_count, commit_cap, synced;
    struct batch open;
    size_t syncs, fail_in;
};

struct cursor_memory {
    struct kv_cursor cursor;
    struct table table;
    size_t at;
};

static struct kv_memory *self_of(struct kv *kv)
{
    return (struct kv_memory *)kv;
}

static struct slice of(const struct blob *b)
{
    return slice_of(b->data, b->len);
}

static void add(struct batch *b, struct pair p)
{
    if (b->count == b->cap) {
        b->cap = b->cap ? b->cap * 2 : 4;
        b->at = mem_realloc(b->at, b->cap * sizeof *b->at);
    }
    b->at[b->count++] = p;
}

/* The first place whose key is not before `key`. */
static size_t lower(const struct table *t, struct slice key)
{
    size_t low = 0, high = t->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (slice_compare(of(t->at[middle].key), key) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void table_remove(struct table *t, size_t i)
{
    blob_unref(t->at[i].key);
    blob_unref(t->at[i].value);
    memmove(&t->at[i], &t->at[i + 1], (--t->count - i) * sizeof *t->at);
}

static void table_apply(struct table *t, const struct pair *p)
{
    size_t i = lower(t, of(p->key));
    if (i < t->count && slice_equal(of(t->at[i].key), of(p->key)))
        table_remove(t, i);
    if (!p->value)
        return;
    if (t->count == t->cap) {
        t->cap = t->cap ? t->cap * 2 : 16;
        t->at = mem_realloc(t->at, t->cap * sizeof *t->at);
    }
    memmove(&t->at[i + 1], &t->at[i], (t->count++ - i) * sizeof *t->at);
    t->at[i] = (struct pair){blob_ref(p->key), blob_ref(p->value)};
}

static void table_apply_all(struct table *t, const struct batch *b)
{
    for (size_t i = 0; i < b->count; i++)
        table_apply(t, &b->at[i]);
}

static void table_clear(struct table *t)
{
    while (t->count)
        table_remove(t, t->count - 1);
    mem_free(t->at);
    *t = (struct table){0};
}

static struct table table_copy(const struct table *t)
{
    struct table copy = {
        .at = mem_alloc((t->count + 1) * sizeof *t->at), .count = t->count, .cap = t->count + 1};
    for (size_t i = 0; i < t->count; i++)
        copy.at[i] = (struct pair){blob_ref(t->at[i].key), t->at[i].value ? blob_ref(t->at[i].value) : NULL};
    return copy;
}

static void batch_clear(struct batch *b)
{
    for (size_t i = 0; i < b->count; i++) {
        blob_unref(b->at[i].key);
        blob_unref(b->at[i].value);
    }
    mem_free(b->at);
    *b = (struct batch){0};
}

static void put(struct kv *kv, struct slice key, const struct slice *parts, size_t count)
{
    struct buf value = BUF_EMPTY;
    for (size_t i = 0; i < count; i++)
        buf_append_slice(&value, parts[i]);
    add(&self_of(kv)->open, (struct pair){blob_new(key.data, key.len), blob_new(value.data, value.len)});
    buf_deinit(&value);
}

static void del(struct kv *kv, struct slice key)
{
    add(&self_of(kv)->open, (struct pair){blob_new(key.data, key.len), NULL});
}

static bool fails(struct kv_memory *s)
{
    if (s->fail_in == 0 || --s->fail_in > 0)
        return false;
    snprintf(s->kv.error, sizeof s->kv.error, "the disk failed, as it was told to");
    return true;
}

static bool sync_all(struct kv *kv)
{
    struct kv_memory *s = self_of(kv);
    if (fails(s))
        return false;
    s->syncs++;
    s->synced = s->commit_count;
    return true;
}

static bool commit(struct kv *kv, bool sync)
{
    struct kv_memory *s = self_of(kv);
    if (!sync && fails(s))
        return false;
    if (s->commit_count == s->commit_cap) {
        s->commit_cap = s->commit_cap ? s->commit_cap * 2 : 16;
        s->commits = mem_realloc(s->commits, s->commit_cap * sizeof *s->commits);
    }
    s->commits[s->commit_count++] = s->open;
    table_apply_all(&s->now, &s->open);
    s->open = (struct batch){0};
    return !sync || sync_all(kv);
}

static void look(struct cursor_memory *c)
{
    c->cursor.valid = c->at < c->table.count;
    if (!c->cursor.valid)
        return;
    c->cursor.key = of(c->table.at[c->at].key);
    c->cursor.value = of(c->table.at[c->at].value);
}

static void cursor_seek(struct kv_cursor *cursor, struct slice key)
{
    struct cursor_memory *c = (struct cursor_memory *)cursor;
    c->at = lower(&c->table, key);
    look(c);
}

static void cursor_seek_back(struct kv_cursor *cursor, struct slice key)
{
    struct cursor_memory *c = (struct cursor_memory *)cursor;
    c->at = lower(&c->table, key);
    if (c->at == c->table.count || !slice_equal(of(c->table.at[c->at].key), key))
        c->at--; /* before the first: beyond every end */
    look(c);
}

static void cursor_next(struct kv_cursor *cursor)
{
    struct cursor_memory *c = (struct cursor_memory *)cursor;
    c->at++;
    look(c);
}

static void cursor_close(struct kv_cursor *cursor)
{
    struct cursor_memory *c = (struct cursor_memory *)cursor;
    table_clear(&c->table);
    mem_free(c);
}

static struct kv_cursor *cursor(struct kv *kv)
{
    struct cursor_memory *c = mem_calloc(1, sizeof *c);
    c->cursor.seek = cursor_seek;
    c->cursor.seek_back = cursor_seek_back;
    c->cursor.next = cursor_next;
    c->cursor.close = cursor_close;
    c->table = table_copy(&self_of(kv)->now);
    return &c->cursor;
}

/* Forgets only every second key: some may stay. */
static void drop_below(struct kv *kv, struct slice limit)
{
    struct kv_memory *s = self_of(kv);
    size_t end = lower(&s->now, limit);
    for (size_t i = end; i-- > 0;)
        if (i % 2)
            table_remove(&s->now, i);
}

static void drop_commits(struct kv_memory *s, size_t keep)
{
    table_clear(&s->now);
    s->now = table_copy(&s->base);
    for (size_t i = 0; i < s->commit_count; i++) {
        if (i < keep)
            table_apply_all(&s->now, &s->commits[i]);
        else
            batch_clear(&s->commits[i]);
    }
    s->commit_count = s->synced = keep;
}

void kv_memory_crash(struct kv *kv, struct prng *chance)
{
    struct kv_memory *s = self_of(kv);
    batch_clear(&s->open);
    drop_commits(s, s->synced + prng_below(chance, s->commit_count - s->synced + 1));
}

void kv_memory_lose(struct kv *kv, size_t commits)
{
    struct kv_memory *s = self_of(kv);
    batch_clear(&s->open);
    drop_commits(s, s->commit_count > commits ? s->commit_count - commits : 0);
}

void kv_memory_fail(struct kv *kv, size_t n)
{
    self_of(kv)->fail_in = n;
}

static void close_kv(struct kv *kv)
{
    struct kv_memory *s = self_of(kv);
    batch_clear(&s->open);
    for (size_t i = 0; i < s->commit_count; i++)
        batch_clear(&s->commits[i]);
    mem_free(s->commits);
    table_clear(&s->now);
    table_clear(&s->base);
    mem_free(s);
}

struct kv *kv_memory_new(void)
{
    struct kv_memory *s = mem_calloc(1, sizeof *s);
    s->kv = (struct kv){.put = put,
                        .del = del,
                        .commit = commit,
                        .sync = sync_all,
                        .flush = sync_all,
                        .cursor = cursor,
                        .drop_below = drop_below,
                        .close = close_kv};
    return &s->kv;
}

size_t kv_memory_count(const struct kv *kv)
{
    return ((const struct kv_memory *)kv)->now.count;
}

size_t kv_memory_syncs(const struct kv *kv)
{
    return ((const struct kv_memory *)kv)->syncs;
}

/* What is damaged is damaged in the table alone: the blob may be shared with a commit that a crash replays. */
struct slice kv_memory_at(struct kv *kv, size_t i, char **value)
{
    struct pair *p = &self_of(kv)->now.at[i];
    struct blob *own = blob_new(p->value->data, p->value->len);
    blob_unref(p->value);
    p->value = own;
    *value = own->data;
    return of(own);
}

void kv_memory_remove(struct kv *kv, size_t i)
{
    table_remove(&self_of(kv)->now, i);
}
