/* Topics and subscribers, tied by subscriptions: each stands in its topic's list, which publishing walks, and is found under
 * the topic's name in its subscriber's table. A topic lives as long as it has subscriptions. */
#include "pubsub/pubsub.h"

#include <assert.h>

#include "base/alloc.h"
#include "base/dict.h"
#include "base/glob.h"
#include "base/list.h"

struct topic {
    struct list subscriptions;
    size_t count;
    size_t len;
    char name[];
};

struct subscription {
    struct list in_topic;
    struct topic *topic;
    struct subscriber *subscriber;
};

struct pubsub {
    struct hash_seed seed;
    struct dict *topics[PUBSUB_KINDS];
};

struct subscriber {
    struct pubsub *pubsub;
    void *owner;
    struct dict *subscriptions[PUBSUB_KINDS]; /* NULL: there has been none */
    size_t bytes;                             /* of its subscriptions */
};

struct pubsub *pubsub_new(struct hash_seed seed)
{
    struct pubsub *p = mem_calloc(1, sizeof *p);
    p->seed = seed;
    for (size_t i = 0; i < PUBSUB_KINDS; i++)
        p->topics[i] = dict_new(&seed);
    return p;
}

void pubsub_free(struct pubsub *p)
{
    for (size_t i = 0; i < PUBSUB_KINDS; i++) {
        assert(dict_count(p->topics[i]) == 0);
        dict_free(p->topics[i]);
    }
    mem_free(p);
}

static struct slice name_of(const struct topic *t)
{
    return slice_of(t->name, t->len);
}

static struct topic *topic_get(struct pubsub *p, enum pubsub_kind kind, struct slice name)
{
    struct topic *t = dict_get(p->topics[kind], name);
    if (t)
        return t;
    t = mem_alloc(sizeof *t + name.len);
    list_init(&t->subscriptions);
    t->count = 0;
    t->len = name.len;
    if (name.len)
        memcpy(t->name, name.data, name.len);
    dict_put(p->topics[kind], name, t);
    return t;
}

/* ---- subscribers ---- */

struct subscriber *subscriber_new(struct pubsub *p, void *owner)
{
    struct subscriber *s = mem_calloc(1, sizeof *s);
    s->pubsub = p;
    s->owner = owner;
    return s;
}

size_t subscriber_count(const struct subscriber *s, enum pubsub_kind kind)
{
    return s && s->subscriptions[kind] ? dict_count(s->subscriptions[kind]) : 0;
}

/* A topic counts for each of its subscribers: who is alone with it pays for it. */
static size_t weight(const struct topic *t)
{
    return sizeof(struct subscription) + sizeof *t + 2 * t->len; /* the table of names has one of its own */
}

size_t subscriber_memory(const struct subscriber *s)
{
    return s ? s->bytes : 0;
}

struct slice subscriber_at(const struct subscriber *s, enum pubsub_kind kind, size_t i)
{
    struct slice key;
    const struct subscription *n = dict_at(s->subscriptions[kind], i, &key);
    return name_of(n->topic);
}

bool subscriber_add(struct subscriber *s, enum pubsub_kind kind, struct slice name)
{
    if (!s->subscriptions[kind])
        s->subscriptions[kind] = dict_new(&s->pubsub->seed);
    if (dict_get(s->subscriptions[kind], name))
        return false;
    struct subscription *n = mem_alloc(sizeof *n);
    n->topic = topic_get(s->pubsub, kind, name);
    n->subscriber = s;
    list_push_back(&n->topic->subscriptions, &n->in_topic);
    n->topic->count++;
    dict_put(s->subscriptions[kind], name, n);
    s->bytes += weight(n->topic);
    return true;
}

bool subscriber_remove(struct subscriber *s, enum pubsub_kind kind, struct slice name)
{
    struct subscription *n = s->subscriptions[kind] ? dict_remove(s->subscriptions[kind], name) : NULL;
    if (!n)
        return false;
    struct topic *t = n->topic;
    s->bytes -= weight(t);
    list_remove(&n->in_topic);
    mem_free(n);
    if (--t->count == 0) {
        dict_remove(s->pubsub->topics[kind], name_of(t));
        mem_free(t);
    }
    return true;
}

void subscriber_free(struct subscriber *s)
{
    if (!s)
        return;
    for (enum pubsub_kind kind = 0; kind < PUBSUB_KINDS; kind++) {
        for (size_t left; (left = subscriber_count(s, kind)) > 0;)
            subscriber_remove(s, kind, subscriber_at(s, kind, left - 1));
        dict_free(s->subscriptions[kind]);
    }
    mem_free(s);
}

/* ---- publishing ---- */

struct telling {
    void (*each)(void *arg, void *owner, const struct slice *pattern);
    void *arg;
};

static size_t tell(const struct topic *t, const struct slice *pattern, const struct telling *to)
{
    if (!to->each)
        return t->count;
    list_for_each(it, &t->subscriptions)
        to->each(to->arg, list_entry(it, struct subscription, in_topic)->subscriber->owner, pattern);
    return t->count;
}

size_t pubsub_publish(const struct pubsub *p, bool shard, struct slice channel,
                      void (*each)(void *arg, void *owner, const struct slice *pattern), void *arg)
{
    struct telling to = {each, arg};
    size_t told = 0;
    const struct topic *t = dict_get(p->topics[shard ? PUBSUB_SHARD : PUBSUB_CHANNEL], channel);
    if (t)
        told += tell(t, NULL, &to);
    for (size_t i = 0; !shard && i < dict_count(p->topics[PUBSUB_PATTERN]); i++) {
        struct slice pattern;
        t = dict_at(p->topics[PUBSUB_PATTERN], i, &pattern);
        if (glob_match(pattern, channel, false))
            told += tell(t, &pattern, &to);
    }
    return told;
}

size_t pubsub_count(const struct pubsub *p, enum pubsub_kind kind)
{
    return dict_count(p->topics[kind]);
}

struct slice pubsub_at(const struct pubsub *p, enum pubsub_kind kind, size_t i)
{
    struct slice name;
    dict_at(p->topics[kind], i, &name);
    return name;
}

size_t pubsub_subscribers(const struct pubsub *p, enum pubsub_kind kind, struct slice name)
{
    const struct topic *t = dict_get(p->topics[kind], name);
    return t ? t->count : 0;
}
