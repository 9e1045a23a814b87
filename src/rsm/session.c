/* The table of sessions: by (user, id), by the index that names them, and in the order of their last use. */
#include "rsm/rsm_int.h"

#include "base/alloc.h"

#include <assert.h>

static struct slice name_key(const uint64_t *name)
{
    return slice_of(name, sizeof *name);
}

/* Proxies have a space of names of their own. */
static struct slice session_key(struct rsm_sessions *t, bool proxy, struct slice user, struct slice id)
{
    buf_truncate(&t->key, 0);
    put_u8(&t->key, proxy);
    put_bytes(&t->key, user);
    buf_append_slice(&t->key, id);
    return buf_slice(&t->key);
}

void rsm_sessions_init(struct rsm_sessions *t, struct hash_seed seed)
{
    *t = (struct rsm_sessions){.seed = seed, .by_key = dict_new(&seed), .by_name = dict_new(&seed)};
    list_init(&t->in_use_order);
}

static void session_free(struct rsm_session *s)
{
    rsm_window_free(s);
    mem_free(s);
}

void rsm_sessions_deinit(struct rsm_sessions *t)
{
    list_for_each_safe(it, next, &t->in_use_order)
        session_free(list_entry(it, struct rsm_session, in_use_order));
    dict_free(t->by_key);
    dict_free(t->by_name);
    buf_deinit(&t->key);
}

struct rsm_session *rsm_session_by_key(struct rsm_sessions *t, bool proxy, struct slice user, struct slice id)
{
    return dict_get(t->by_key, session_key(t, proxy, user, id));
}

struct rsm_session *rsm_session_by_name(const struct rsm_sessions *t, uint64_t name)
{
    return dict_get(t->by_name, name_key(&name));
}

struct slice rsm_session_user(const struct rsm_session *s)
{
    return slice_of(s->text, s->user_len);
}

struct slice rsm_session_id(const struct rsm_session *s)
{
    return slice_of(s->text + s->user_len, s->id_len);
}

struct rsm_session *rsm_session_open(struct rsm_sessions *t, uint64_t name, bool proxy, struct slice user,
                                     struct slice id, uint64_t first_number, uint64_t now_ms)
{
    struct rsm_session *s = mem_calloc(1, sizeof *s + user.len + id.len);
    s->name = name;
    s->low = s->top = first_number;
    s->used_ms = now_ms;
    s->proxy = proxy;
    s->user_len = (uint32_t)user.len;
    s->id_len = (uint32_t)id.len;
    struct slice key = session_key(t, proxy, user, id);
    if (user.len)
        memcpy(s->text, user.data, user.len);
    if (id.len)
        memcpy(s->text + user.len, id.data, id.len);
    s->identity = rsm_mix(siphash(&t->seed, key.data, key.len), name);
    void *same_key = dict_put(t->by_key, key, s), *same_name = dict_put(t->by_name, name_key(&name), s);
    assert(!same_key && !same_name);
    list_push_back(&t->in_use_order, &s->in_use_order);
    t->clients += !proxy;
    rsm_session_sum(t, s);
    return s;
}

void rsm_session_close(struct rsm_sessions *t, struct rsm_session *s)
{
    t->digest -= s->digest;
    t->clients -= !s->proxy;
    list_remove(&s->in_use_order);
    dict_remove(t->by_key, session_key(t, s->proxy, rsm_session_user(s), rsm_session_id(s)));
    dict_remove(t->by_name, name_key(&s->name));
    session_free(s);
}

void rsm_session_touch(struct rsm_sessions *t, struct rsm_session *s, uint64_t now_ms)
{
    s->used_ms = now_ms;
    list_remove(&s->in_use_order);
    list_push_back(&t->in_use_order, &s->in_use_order);
    rsm_session_sum(t, s);
}

void rsm_sessions_expire(struct rsm_sessions *t, uint64_t now_ms, uint64_t timeout_ms, size_t limit)
{
    while (limit-- && !list_empty(&t->in_use_order)) {
        struct rsm_session *s = list_entry(t->in_use_order.next, struct rsm_session, in_use_order);
        if (now_ms - s->used_ms < timeout_ms)
            return;
        rsm_session_close(t, s);
    }
}
