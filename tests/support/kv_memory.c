#include "kv_memory.h"

#include <assert.h>
#include <stdio.h>

#include "base/alloc.h"

/* Commits that can be undone although they are synced; and dead values that may come back. */
enum { REMEMBERED = 64, DEAD = 32, WRITTEN_BACK = 4096 };

struct pair {
    char key[8]; /* big-endian, as it came */
    struct blob *value;
    bool spoilt;
};

/* Ascending, from `head` on: it grows at one end and shrinks at both. */
struct table {
    struct pair *at;
    size_t head, count, cap;
};

struct change {
    uint64_t key;
    struct blob *before, *after; /* NULL: not there */
};

struct commit {
    struct change *at;
    size_t count, cap;
};

struct kv_memory {
    struct kv kv;
    struct table now;
    struct commit open;
    /* The newest commits, oldest first; those before `synced` are durable. */
    struct commit *done;
    size_t done_count, done_cap, synced;
    struct change dead[DEAD]; /* `before` */
    size_t dead_next;
    uint64_t floor; /* keys below may be dropped, and come back */
    size_t syncs, cursors, misread_in;
    bool (*may)(void *arg, bool sync);
    void *arg;
};

struct cursor_memory {
    struct kv_cursor cursor;
    struct kv_memory *of;
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

static uint64_t number_of(struct slice key)
{
    assert(key.len == 8);
    return load_u64be(key.data);
}

/* ---- the table ---------------------------------------------------------------------------------------- */

static struct pair *pair_at(const struct table *t, size_t i)
{
    return &t->at[t->head + i];
}

static uint64_t key_at(const struct table *t, size_t i)
{
    return load_u64be(pair_at(t, i)->key);
}

/* The first place whose key is not before `key`. */
static size_t lower(const struct table *t, uint64_t key)
{
    if (t->count == 0 || key_at(t, t->count - 1) < key)
        return t->count;
    size_t low = 0, high = t->count - 1;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (key_at(t, middle) < key)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void table_remove(struct table *t, size_t i)
{
    blob_unref(pair_at(t, i)->value);
    if (i == 0) {
        t->head++;
        t->count--;
        return;
    }
    memmove(pair_at(t, i), pair_at(t, i + 1), (--t->count - i) * sizeof(struct pair));
}

static void make_room(struct table *t)
{
    if (t->head + t->count < t->cap)
        return;
    if (t->head > t->count) {
        memmove(t->at, t->at + t->head, t->count * sizeof(struct pair));
        t->head = 0;
        return;
    }
    t->cap = t->cap ? t->cap * 2 : 16;
    t->at = mem_realloc(t->at, t->cap * sizeof(struct pair));
}

/* A reference to `value` is taken; NULL removes. What was there before is the caller's. */
static struct blob *table_set(struct table *t, uint64_t key, struct blob *value)
{
    size_t i = lower(t, key);
    bool there = i < t->count && key_at(t, i) == key;
    struct blob *before = there ? blob_ref(pair_at(t, i)->value) : NULL;
    if (there && !value)
        table_remove(t, i);
    if (!value)
        return before;
    if (there) {
        blob_unref(pair_at(t, i)->value);
    } else {
        make_room(t);
        memmove(pair_at(t, i + 1), pair_at(t, i), (t->count++ - i) * sizeof(struct pair));
        store_u64be(pair_at(t, i)->key, key);
    }
    pair_at(t, i)->value = blob_ref(value);
    pair_at(t, i)->spoilt = false;
    return before;
}

/* ---- commits ------------------------------------------------------------------------------------------ */

static void collect(struct commit *c, uint64_t key, struct blob *after)
{
    if (c->count == c->cap) {
        c->cap = c->cap ? c->cap * 2 : 1;
        c->at = mem_realloc(c->at, c->cap * sizeof *c->at);
    }
    c->at[c->count++] = (struct change){.key = key, .after = after};
}

static void commit_clear(struct commit *c)
{
    for (size_t i = 0; i < c->count; i++) {
        blob_unref(c->at[i].before);
        blob_unref(c->at[i].after);
    }
    mem_free(c->at);
    *c = (struct commit){0};
}

static void bury(struct kv_memory *s, uint64_t key, struct blob *value)
{
    struct change *d = &s->dead[s->dead_next++ % DEAD];
    blob_unref(d->before);
    *d = (struct change){.key = key, .before = blob_ref(value)};
}

static void apply(struct kv_memory *s, struct commit *c)
{
    for (size_t i = 0; i < c->count; i++) {
        struct change *change = &c->at[i];
        blob_unref(change->before);
        change->before = table_set(&s->now, change->key, change->after);
        if (change->before)
            bury(s, change->key, change->before);
    }
}

static void undo(struct kv_memory *s, const struct commit *c)
{
    for (size_t i = c->count; i-- > 0;)
        blob_unref(table_set(&s->now, c->at[i].key, c->at[i].before));
}

/* The oldest that are durable are forgotten, some at a time. */
static void forget_oldest(struct kv_memory *s)
{
    if (s->synced < s->done_count && s->done_count - s->synced > WRITTEN_BACK) /* the system writes back */
        s->synced = s->done_count - WRITTEN_BACK;
    if (s->synced < 2 * REMEMBERED)
        return;
    size_t n = s->synced - REMEMBERED;
    for (size_t i = 0; i < n; i++)
        commit_clear(&s->done[i]);
    memmove(s->done, s->done + n, (s->done_count - n) * sizeof *s->done);
    s->done_count -= n;
    s->synced -= n;
}

static void put(struct kv *kv, struct slice key, const struct slice *parts, size_t count)
{
    size_t len = 0;
    for (size_t i = 0; i < count; i++)
        len += parts[i].len;
    struct blob *value = blob_new(NULL, len);
    char *at = value->data;
    for (size_t i = 0; i < count; at += parts[i++].len)
        memcpy(at, parts[i].data, parts[i].len);
    collect(&self_of(kv)->open, number_of(key), value);
}

static void del(struct kv *kv, struct slice key)
{
    collect(&self_of(kv)->open, number_of(key), NULL);
}

static bool may(struct kv_memory *s, bool sync)
{
    if (!s->may || s->may(s->arg, sync))
        return true;
    snprintf(s->kv.error, sizeof s->kv.error, "the disk failed, as it was told to");
    return false;
}

static bool sync_all(struct kv *kv)
{
    struct kv_memory *s = self_of(kv);
    if (!may(s, true))
        return false;
    s->syncs++;
    s->synced = s->done_count;
    forget_oldest(s);
    return true;
}

static bool commit(struct kv *kv, bool sync)
{
    struct kv_memory *s = self_of(kv);
    assert(s->cursors == 0); /* they stand in the table itself */
    if (!may(s, false))
        return false;
    if (s->done_count == s->done_cap) {
        s->done_cap = s->done_cap ? s->done_cap * 2 : 16;
        s->done = mem_realloc(s->done, s->done_cap * sizeof *s->done);
    }
    apply(s, &s->open);
    s->done[s->done_count++] = s->open;
    s->open = (struct commit){0};
    return !sync || sync_all(kv);
}

/* Forgets some and leaves some. */
static void drop_below(struct kv *kv, struct slice limit)
{
    struct kv_memory *s = self_of(kv);
    assert(s->cursors == 0);
    s->floor = number_of(limit);
    size_t end = lower(&s->now, s->floor), stay = 0;
    for (size_t i = 0; i < end; i++) {
        struct pair *p = pair_at(&s->now, i);
        uint64_t key = load_u64be(p->key);
        if (i % 4 == 1 && stay < DEAD) {
            *pair_at(&s->now, stay++) = *p;
            continue;
        }
        bury(s, key, p->value);
        blob_unref(p->value);
    }
    /* Those that stay move up to those behind the limit. */
    memmove(pair_at(&s->now, end - stay), pair_at(&s->now, 0), stay * sizeof(struct pair));
    s->now.head += end - stay;
    s->now.count -= end - stay;
}

/* ---- cursors ------------------------------------------------------------------------------------------ */

static void look(struct cursor_memory *c)
{
    struct kv_memory *s = c->of;
    c->cursor.valid = c->at < s->now.count;
    if (!c->cursor.valid)
        return;
    const struct pair *p = pair_at(&s->now, c->at);
    c->cursor.key = slice_of(p->key, sizeof p->key);
    c->cursor.value = of(p->value);
    if (p->spoilt) {
        c->cursor.valid = false;
        c->cursor.failed = true;
        snprintf(c->cursor.error, sizeof c->cursor.error, "Corruption: block checksum mismatch");
    }
    if (s->misread_in && s->now.count > 1 && --s->misread_in == 0)
        c->cursor.value = of(pair_at(&s->now, c->at ? c->at - 1 : 1)->value);
}

static void cursor_seek(struct kv_cursor *cursor, struct slice key)
{
    struct cursor_memory *c = (struct cursor_memory *)cursor;
    c->at = lower(&c->of->now, number_of(key));
    look(c);
}

static void cursor_seek_back(struct kv_cursor *cursor, struct slice key)
{
    struct cursor_memory *c = (struct cursor_memory *)cursor;
    uint64_t number = number_of(key);
    c->at = lower(&c->of->now, number);
    if (c->at == c->of->now.count || key_at(&c->of->now, c->at) != number)
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
    c->of->cursors--;
    mem_free(c);
}

static struct kv_cursor *cursor(struct kv *kv)
{
    struct cursor_memory *c = mem_alloc(sizeof *c);
    c->cursor = (struct kv_cursor){
        .seek = cursor_seek, .seek_back = cursor_seek_back, .next = cursor_next, .close = cursor_close};
    c->of = self_of(kv);
    c->of->cursors++;
    return &c->cursor;
}

/* ---- what may befall it ------------------------------------------------------------------------------- */

void kv_memory_watch(struct kv *kv, bool (*may_call)(void *arg, bool sync), void *arg)
{
    self_of(kv)->may = may_call;
    self_of(kv)->arg = arg;
}

void kv_memory_kill(struct kv *kv)
{
    commit_clear(&self_of(kv)->open);
    self_of(kv)->misread_in = 0;
}

static void undo_from(struct kv_memory *s, size_t keep)
{
    kv_memory_kill(&s->kv);
    while (s->done_count > keep) {
        undo(s, &s->done[--s->done_count]);
        commit_clear(&s->done[s->done_count]);
    }
    if (s->synced > keep)
        s->synced = keep;
}

size_t kv_memory_crash(struct kv *kv, struct prng *chance)
{
    struct kv_memory *s = self_of(kv);
    size_t loose = s->done_count - s->synced, kept = prng_below(chance, loose + 1);
    undo_from(s, s->synced + kept);
    s->synced = s->done_count; /* it was read back from the disk */
    return loose - kept;
}

size_t kv_memory_lose(struct kv *kv, size_t commits)
{
    struct kv_memory *s = self_of(kv);
    size_t lost = commits < s->done_count ? commits : s->done_count;
    undo_from(s, s->done_count - lost);
    return lost;
}

/* Commits from..to never came to be, those behind them did. */
static size_t forget(struct kv_memory *s, size_t from, size_t to)
{
    kv_memory_kill(&s->kv);
    for (size_t i = s->done_count; i-- > from;)
        undo(s, &s->done[i]);
    for (size_t i = from; i < to; i++)
        commit_clear(&s->done[i]);
    memmove(s->done + from, s->done + to, (s->done_count - to) * sizeof *s->done);
    s->done_count -= to - from;
    s->synced = s->done_count;
    for (size_t i = from; i < s->done_count; i++)
        apply(s, &s->done[i]);
    return to - from;
}

size_t kv_memory_hole(struct kv *kv, struct prng *chance)
{
    struct kv_memory *s = self_of(kv);
    if (s->done_count < 2)
        return 0;
    size_t from = prng_below(chance, s->done_count - 1),
           to = from + 1 + prng_below(chance, s->done_count - from - 1);
    return forget(s, from, to);
}

size_t kv_memory_lose_one(struct kv *kv, size_t back)
{
    struct kv_memory *s = self_of(kv);
    return back < s->done_count ? forget(s, s->done_count - back - 1, s->done_count - back) : 0;
}

size_t kv_memory_revive(struct kv *kv, struct prng *chance)
{
    struct kv_memory *s = self_of(kv);
    size_t count = 0;
    for (size_t i = 0; i < DEAD; i++) {
        struct change *d = &s->dead[i];
        if (!d->before || d->key >= s->floor || prng_below(chance, 2))
            continue;
        blob_unref(table_set(&s->now, d->key, d->before));
        count++;
    }
    return count;
}

size_t kv_memory_count(const struct kv *kv)
{
    return ((const struct kv_memory *)kv)->now.count;
}

size_t kv_memory_syncs(const struct kv *kv)
{
    return ((const struct kv_memory *)kv)->syncs;
}

uint64_t kv_memory_key(const struct kv *kv, size_t i)
{
    return key_at(&((const struct kv_memory *)kv)->now, i);
}

/* What is damaged is damaged in the table alone: the blob may be shared with a commit that is done again. */
struct slice kv_memory_at(struct kv *kv, size_t i, char **value)
{
    struct pair *p = pair_at(&self_of(kv)->now, i);
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

void kv_memory_misplace(struct kv *kv, size_t i, size_t k)
{
    struct table *t = &self_of(kv)->now;
    struct blob *there = blob_ref(pair_at(t, k)->value);
    blob_unref(pair_at(t, i)->value);
    pair_at(t, i)->value = there;
}

void kv_memory_spoil(struct kv *kv, size_t i)
{
    pair_at(&self_of(kv)->now, i)->spoilt = true;
}

void kv_memory_misread(struct kv *kv, size_t n)
{
    self_of(kv)->misread_in = n;
}

/* ---- made and closed ---------------------------------------------------------------------------------- */

static void close_kv(struct kv *kv)
{
    struct kv_memory *s = self_of(kv);
    commit_clear(&s->open);
    for (size_t i = 0; i < s->done_count; i++)
        commit_clear(&s->done[i]);
    mem_free(s->done);
    for (size_t i = 0; i < s->now.count; i++)
        blob_unref(pair_at(&s->now, i)->value);
    mem_free(s->now.at);
    for (size_t i = 0; i < DEAD; i++)
        blob_unref(s->dead[i].before);
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

struct kv *kv_memory_copy(const struct kv *kv)
{
    const struct kv_memory *from = (const struct kv_memory *)kv;
    struct kv_memory *s = self_of(kv_memory_new());
    s->floor = from->floor;
    s->now = (struct table){.at = mem_alloc((from->now.count + 1) * sizeof(struct pair)),
                            .count = from->now.count,
                            .cap = from->now.count + 1};
    for (size_t i = 0; i < from->now.count; i++) {
        s->now.at[i] = *pair_at(&from->now, i);
        blob_ref(s->now.at[i].value);
    }
    return &s->kv;
}
