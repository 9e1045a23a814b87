/* The table of commands that wait: by key, by claim, by session and number, by deadline, and in the order in which they came. */
#include "rsm/blocked.h"

#include "base/alloc.h"
#include "base/resp.h"

#include <assert.h>
#include <string.h>

static const char taken_over[] = "UNBLOCKED this request was sent again, on another connection";

static int compare_deadlines(const void *a, const void *b)
{
    const struct blocked *x = a, *y = b;
    if (x->until_ms != y->until_ms)
        return x->until_ms < y->until_ms ? -1 : 1;
    return x->arrived < y->arrived ? -1 : x->arrived > y->arrived;
}

static void note_place(void *item, uint32_t place)
{
    ((struct blocked *)item)->place = place;
}

void blocked_init(struct blocked_table *t, struct hash_seed seed)
{
    *t = (struct blocked_table){
        .seed = seed, .by_key = dict_new(&seed), .by_claim = dict_new(&seed), .by_number = dict_new(&seed)};
    heap_init(&t->by_deadline, compare_deadlines, note_place);
    list_init(&t->in_order);
    list_init(&t->touched);
    list_init(&t->ready);
}

/* ---- keys ---- */

static struct slice key_name(struct blocked_table *t, uint32_t db, struct slice key)
{
    buf_truncate(&t->scratch, 0);
    put_u32(&t->scratch, db);
    buf_append_slice(&t->scratch, key);
    return buf_slice(&t->scratch);
}

uint32_t blocked_key_db(const struct blocked_key *k)
{
    return load_u32(k->name.data);
}

struct slice blocked_key_text(const struct blocked_key *k)
{
    return slice_drop(k->name, sizeof(uint32_t));
}

static struct blocked_key *key_for(struct blocked_table *t, uint32_t db, struct slice key)
{
    struct slice name = key_name(t, db, key);
    struct blocked_key *k = dict_get(t->by_key, name);
    if (k)
        return k;
    k = mem_alloc(sizeof *k + name.len);
    memcpy(k + 1, name.data, name.len);
    *k = (struct blocked_key){.name = slice_of((char *)(k + 1), name.len)};
    list_init(&k->waiting);
    list_init(&k->noted);
    dict_put(t->by_key, k->name, k);
    return k;
}

static void key_free_unused(struct blocked_table *t, struct blocked_key *k)
{
    if (k->held || !list_empty(&k->waiting))
        return;
    list_remove(&k->noted);
    dict_remove(t->by_key, k->name);
    mem_free(k);
}

void blocked_key_let_go(struct blocked_table *t, struct blocked_key *k)
{
    k->held = false;
    key_free_unused(t, k);
}

static void touch(struct blocked_table *t, struct blocked_key *k)
{
    if (list_empty(&k->noted))
        list_push_back(&t->touched, &k->noted);
}

/* A whole database that is not what it was: all its keys, in the order of those who wait. */
static void touch_database(struct blocked_table *t, uint32_t db)
{
    list_for_each(it, &t->in_order)
    {
        struct blocked *w = list_entry(it, struct blocked, in_order);
        for (size_t i = 0; w->db == db && i < w->key_count; i++)
            if (w->at[i].key)
                touch(t, w->at[i].key);
    }
}

void blocked_heard(struct blocked_table *t, enum store_event_class class, uint32_t db, struct slice key)
{
    if (class == EVENT_FLUSHED) {
        touch_database(t, db);
        return;
    }
    struct blocked_key *k = dict_get(t->by_key, key_name(t, db, key));
    if (k)
        touch(t, k);
}

/* ---- nodes ---- */

static void count_node(struct blocked_table *t, uint64_t id, bool more)
{
    size_t i = 0;
    while (i < t->node_count && t->nodes[i].id < id)
        i++;
    if (i == t->node_count || t->nodes[i].id != id) {
        assert(more);
        if (t->node_count == t->node_cap) {
            t->node_cap = t->node_cap ? t->node_cap * 2 : 4;
            t->nodes = mem_realloc(t->nodes, t->node_cap * sizeof *t->nodes);
        }
        memmove(&t->nodes[i + 1], &t->nodes[i], (t->node_count++ - i) * sizeof *t->nodes);
        t->nodes[i] = (struct blocked_node){.id = id};
    }
    t->nodes[i].count += more ? 1 : (size_t)-1;
    if (t->nodes[i].count == 0)
        memmove(&t->nodes[i], &t->nodes[i + 1], (--t->node_count - i) * sizeof *t->nodes);
}

/* ---- one of them ---- */

static struct slice number_key(const uint64_t key[2])
{
    return slice_of((const char *)key, 2 * sizeof *key);
}

struct blocked *blocked_by_claim(const struct blocked_table *t, uint64_t claim)
{
    return dict_get(t->by_claim, slice_of((const char *)&claim, sizeof claim));
}

struct blocked *blocked_by_number(struct blocked_table *t, uint64_t session, uint64_t number)
{
    return dict_get(t->by_number, number_key((const uint64_t[]){session, number}));
}

struct blocked *blocked_first_due(const struct blocked_table *t)
{
    return heap_peek(&t->by_deadline);
}

/* What it is to the outside, and so what it adds to the digest, is what a snapshot holds of it. */
static void sum(struct blocked_table *t, struct blocked *w)
{
    t->digest -= w->digest;
    buf_truncate(&t->scratch, 0);
    blocked_save(w, &t->scratch);
    w->digest = siphash(&t->seed, t->scratch.data, t->scratch.len);
    t->digest += w->digest;
}

/* One allocation: itself, its arguments, its places, and the bytes of its arguments and of its user. */
static struct blocked *copy(const struct blocked *from)
{
    size_t bytes =
        sizeof *from + from->argc * sizeof *from->argv + from->key_count * sizeof *from->at + from->user.len;
    for (size_t i = 0; i < from->argc; i++)
        bytes += from->argv[i].len;
    struct blocked *w = mem_alloc(bytes);
    *w = *from;
    w->bytes = bytes;
    w->digest = 0;
    w->at = (struct blocked_at *)(void *)(w + 1);
    struct slice *argv = (struct slice *)(void *)(w->at + w->key_count);
    char *text = (char *)(argv + w->argc);
    for (size_t i = 0; i <= w->argc; i++) {
        struct slice s = i < w->argc ? from->argv[i] : from->user;
        if (s.len)
            memcpy(text, s.data, s.len);
        *(i < w->argc ? &argv[i] : &w->user) = slice_of(text, s.len);
        text += s.len;
    }
    w->argv = argv;
    return w;
}

/* A key that is named twice is waited for once. */
static void stand_at_keys(struct blocked_table *t, struct blocked *w)
{
    for (size_t i = 0; i < w->key_count; i++) {
        struct blocked_key *k = key_for(t, w->db, w->argv[w->first_key + i]);
        struct list *last = k->waiting.prev;
        bool again = last != &k->waiting && list_entry(last, struct blocked_at, link)->who == w;
        w->at[i] = (struct blocked_at){.who = w, .key = again ? NULL : k};
        list_init(&w->at[i].link);
        if (!again)
            list_push_back(&k->waiting, &w->at[i].link);
    }
}

bool blocked_add(struct blocked_table *t, const struct blocked *from)
{
    struct blocked *w = copy(from);
    if (t->count >= BLOCKED_MAX || t->bytes + w->bytes > BLOCKED_BYTES_MAX) {
        mem_free(w);
        return false;
    }
    t->count++;
    t->bytes += w->bytes;
    list_push_back(&t->in_order, &w->in_order);
    stand_at_keys(t, w);
    dict_put(t->by_claim, slice_of((const char *)&w->claim, sizeof w->claim), w);
    if (w->session)
        dict_put(t->by_number, number_key((const uint64_t[]){w->session, w->number}), w);
    if (w->until_ms)
        heap_push(&t->by_deadline, w);
    count_node(t, w->asker, true);
    sum(t, w);
    return true;
}

void blocked_set_number(struct blocked_table *t, struct blocked *w, uint64_t session, uint64_t number,
                        uint64_t hash)
{
    assert(w && !w->session && session);
    w->session = session;
    w->number = number;
    w->hash = hash;
    dict_put(t->by_number, number_key((const uint64_t[]){session, number}), w);
    sum(t, w);
}

static void remove_it(struct blocked_table *t, struct blocked *w)
{
    t->count--;
    t->bytes -= w->bytes;
    t->digest -= w->digest;
    list_remove(&w->in_order);
    for (size_t i = 0; i < w->key_count; i++) {
        list_remove(&w->at[i].link);
        if (w->at[i].key)
            key_free_unused(t, w->at[i].key);
    }
    dict_remove(t->by_claim, slice_of((const char *)&w->claim, sizeof w->claim));
    if (w->session)
        dict_remove(t->by_number, number_key((const uint64_t[]){w->session, w->number}));
    if (w->until_ms)
        heap_remove(&t->by_deadline, w->place);
    count_node(t, w->asker, false);
    mem_free(w);
}

/* ---- what becomes of them ---- */

static void note(struct blocked_table *t, const struct blocked *w, struct slice reply, bool cleared)
{
    if (t->released_count == t->released_cap) {
        t->released_cap = t->released_cap ? t->released_cap * 2 : 16;
        t->released = mem_realloc(t->released, t->released_cap * sizeof *t->released);
        t->offsets = mem_realloc(t->offsets, t->released_cap * sizeof *t->offsets);
    }
    t->offsets[t->released_count] = t->text.len;
    t->released[t->released_count++] = (struct rsm_release){
        .claim = w->claim, .asker = w->asker, .cleared = cleared, .reply = slice_of(NULL, reply.len)};
    buf_append_slice(&t->text, reply);
}

void blocked_answer(struct blocked_table *t, struct blocked *w, struct slice reply)
{
    note(t, w, reply, false);
    remove_it(t, w);
}

void blocked_clear(struct blocked_table *t, struct blocked *w)
{
    note(t, w, slice_of(NULL, 0), true);
    remove_it(t, w);
}

void blocked_take_over(struct blocked_table *t, struct blocked *w, uint64_t claim, uint64_t asker)
{
    struct buf error = BUF_EMPTY;
    resp_error(&error, taken_over);
    note(t, w, buf_slice(&error), false);
    buf_deinit(&error);
    dict_remove(t->by_claim, slice_of((const char *)&w->claim, sizeof w->claim));
    count_node(t, w->asker, false);
    w->claim = claim;
    w->asker = asker;
    dict_put(t->by_claim, slice_of((const char *)&w->claim, sizeof w->claim), w);
    count_node(t, w->asker, true);
    sum(t, w);
}

void blocked_forget_released(struct blocked_table *t)
{
    t->released_count = 0;
    buf_truncate(&t->text, 0);
}

const struct rsm_release *blocked_released(struct blocked_table *t, size_t *count)
{
    *count = t->released_count;
    for (size_t i = 0; i < t->released_count; i++)
        t->released[i].reply.data = t->text.len ? t->text.data + t->offsets[i] : NULL;
    return t->released;
}

void blocked_deinit(struct blocked_table *t)
{
    while (!list_empty(&t->in_order))
        remove_it(t, list_entry(t->in_order.next, struct blocked, in_order));
    dict_free(t->by_key);
    dict_free(t->by_claim);
    dict_free(t->by_number);
    heap_deinit(&t->by_deadline);
    buf_deinit(&t->scratch);
    buf_deinit(&t->text);
    mem_free(t->nodes);
    mem_free(t->released);
    mem_free(t->offsets);
}
