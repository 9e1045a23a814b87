/* Two tables: keys and who has read them; prefixes, who wants them, and what has changed under them since they were told. */
#include "pubsub/tracking.h"

#include "base/alloc.h"
#include "base/dict.h"

/* Clients, in no order. Most keys are read by few, most prefixes wanted by few. */
struct crowd {
    uint64_t *clients;
    size_t count, cap;
};

struct prefix {
    struct crowd crowd;
    struct dict *noted; /* NULL: nothing. The values are `by` + 1 */
};

struct tracking {
    struct hash_seed seed;
    struct dict *keys; /* of struct crowd */
    size_t items;
    struct dict *prefixes; /* of struct prefix */
};

static bool crowd_has(const struct crowd *c, uint64_t client)
{
    for (size_t i = 0; i < c->count; i++)
        if (c->clients[i] == client)
            return true;
    return false;
}

/* false: it was in it. */
static bool crowd_add(struct crowd *c, uint64_t client)
{
    if (crowd_has(c, client))
        return false;
    if (c->count == c->cap) {
        c->cap = c->cap ? c->cap * 2 : 2;
        c->clients = mem_realloc(c->clients, c->cap * sizeof *c->clients);
    }
    c->clients[c->count++] = client;
    return true;
}

static void crowd_drop(struct crowd *c, uint64_t client)
{
    for (size_t i = 0; i < c->count; i++)
        if (c->clients[i] == client)
            c->clients[i--] = c->clients[--c->count];
}

static void key_free(struct crowd *c)
{
    mem_free(c->clients);
    mem_free(c);
}

static void prefix_free(struct prefix *p)
{
    mem_free(p->crowd.clients);
    dict_free(p->noted);
    mem_free(p);
}

struct tracking *tracking_new(struct hash_seed seed)
{
    struct tracking *t = mem_calloc(1, sizeof *t);
    t->seed = seed;
    t->keys = dict_new(&seed);
    t->prefixes = dict_new(&seed);
    return t;
}

void tracking_free(struct tracking *t)
{
    struct slice name;
    tracking_forget_all(t);
    for (size_t i = 0; i < dict_count(t->prefixes); i++)
        prefix_free(dict_at(t->prefixes, i, &name));
    dict_free(t->keys);
    dict_free(t->prefixes);
    mem_free(t);
}

/* ---- keys that have been read ---- */

void tracking_remember(struct tracking *t, struct slice key, uint64_t client)
{
    struct crowd *c = dict_get(t->keys, key);
    if (!c) {
        c = mem_calloc(1, sizeof *c);
        dict_put(t->keys, key, c);
    }
    t->items += crowd_add(c, client);
}

size_t tracking_forget(struct tracking *t, struct slice key, struct buf *clients)
{
    struct crowd *c = dict_count(t->keys) ? dict_remove(t->keys, key) : NULL;
    if (!c)
        return 0;
    size_t count = c->count;
    for (size_t i = 0; i < count; i++)
        put_u64(clients, c->clients[i]);
    t->items -= count;
    key_free(c);
    return count;
}

void tracking_forget_all(struct tracking *t)
{
    struct slice name;
    for (size_t i = 0; i < dict_count(t->keys); i++)
        key_free(dict_at(t->keys, i, &name));
    dict_free(t->keys);
    t->keys = dict_new(&t->seed);
    t->items = 0;
}

size_t tracking_keys(const struct tracking *t)
{
    return dict_count(t->keys);
}

size_t tracking_items(const struct tracking *t)
{
    return t->items;
}

struct slice tracking_key_at(const struct tracking *t, size_t i)
{
    struct slice key;
    dict_at(t->keys, i, &key);
    return key;
}

/* ---- prefixes ---- */

bool tracking_add_prefix(struct tracking *t, struct slice prefix, uint64_t client)
{
    struct prefix *p = dict_get(t->prefixes, prefix);
    if (!p) {
        p = mem_calloc(1, sizeof *p);
        dict_put(t->prefixes, prefix, p);
    }
    return crowd_add(&p->crowd, client);
}

void tracking_drop_prefixes(struct tracking *t, uint64_t client)
{
    for (size_t i = dict_count(t->prefixes);
         i-- > 0;) { /* from the end: a removed one is replaced by the last */
        struct slice name;
        struct prefix *p = dict_at(t->prefixes, i, &name);
        crowd_drop(&p->crowd, client);
        if (p->crowd.count)
            continue;
        dict_remove(t->prefixes, name);
        prefix_free(p);
    }
}

size_t tracking_prefixes(const struct tracking *t)
{
    return dict_count(t->prefixes);
}

struct slice tracking_prefix_at(const struct tracking *t, size_t i)
{
    struct slice name;
    dict_at(t->prefixes, i, &name);
    return name;
}

bool tracking_wants(const struct tracking *t, size_t i, uint64_t client)
{
    struct slice name;
    const struct prefix *p = dict_at(t->prefixes, i, &name);
    return crowd_has(&p->crowd, client);
}

void tracking_note(struct tracking *t, struct slice key, uint64_t by)
{
    for (size_t i = 0; i < dict_count(t->prefixes); i++) {
        struct slice name;
        struct prefix *p = dict_at(t->prefixes, i, &name);
        if (key.len < name.len || !slice_equal(slice_of(key.data, name.len), name))
            continue;
        if (!p->noted)
            p->noted = dict_new(&t->seed);
        dict_put(p->noted, key, (void *)(uintptr_t)(by + 1));
    }
}

static void tell(struct prefix *p,
                 void (*each)(void *arg, uint64_t client, const struct tracking_noted *keys, size_t count),
                 void *arg)
{
    size_t count = dict_count(p->noted);
    struct tracking_noted *keys = mem_alloc(count * sizeof *keys);
    for (size_t i = 0; i < count; i++) {
        uintptr_t by = (uintptr_t)dict_at(p->noted, i, &keys[i].key);
        keys[i].by = (uint64_t)by - 1;
    }
    for (size_t i = 0; i < p->crowd.count; i++)
        each(arg, p->crowd.clients[i], keys, count);
    mem_free(keys);
    dict_free(p->noted);
    p->noted = NULL;
}

void tracking_tell(struct tracking *t,
                   void (*each)(void *arg, uint64_t client, const struct tracking_noted *keys, size_t count),
                   void *arg)
{
    for (size_t i = 0; i < dict_count(t->prefixes); i++) {
        struct slice name;
        struct prefix *p = dict_at(t->prefixes, i, &name);
        if (p->noted)
            tell(p, each, arg);
    }
}
