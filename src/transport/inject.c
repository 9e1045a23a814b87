/* Faults for tests, on whole frames and in both directions: a cut is silence with the connections standing,
 * as a real partition is. Reached through transport_inject alone.
 *
 * The table is asked from the beat thread too, so it has a lock; a flag keeps it off everybody's path while
 * there is no fault. Delayed frames belong to the loop's thread, and never overtake each other within a lane
 * (peer, channel, direction). */
#include "base/alloc.h"
#include "base/clock.h"
#include "transport/transport_int.h"
#include <event2/event.h>

enum { FAULTS_MAX = 64 };

struct delayed {
    struct list node;
    uint64_t due_us;
    bool inbound;
    uint8_t channel;
    uint64_t peer;
    struct blob *blob;
    struct slice bytes; /* in blob */
};

struct inject {
    struct transport *t;
    pthread_mutex_t lock;
    atomic_bool active;
    struct transport_fault all;
    struct transport_fault at[FAULTS_MAX];
    size_t count;
    struct prng prng;
    struct list delayed; /* in the order they came */
    struct event *timer;
};

static void release(struct delayed *d)
{
    list_remove(&d->node);
    blob_unref(d->blob);
    mem_free(d);
}

static void arm(struct inject *i)
{
    if (list_empty(&i->delayed))
        return;
    uint64_t due = UINT64_MAX, now = clock_mono_us();
    list_for_each(it, &i->delayed)
    {
        uint64_t at = list_entry(it, struct delayed, node)->due_us;
        due = at < due ? at : due;
    }
    uint64_t in = due > now ? due - now : 0;
    struct timeval tv = {(time_t)(in / 1000000), (suseconds_t)(in % 1000000)};
    event_add(i->timer, &tv);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    struct inject *i = arg;
    struct transport *t = i->t;
    struct list ready;
    list_init(&ready);
    uint64_t now = clock_mono_us();
    list_for_each_safe(it, tmp, &i->delayed)
    {
        if (list_entry(it, struct delayed, node)->due_us > now)
            continue;
        list_remove(it);
        list_push_back(&ready, it);
    }
    while (!list_empty(&ready)) {
        struct delayed *d = list_entry(ready.next, struct delayed, node);
        if (inject_cut(i, d->peer))
            ; /* cut meanwhile */
        else if (d->inbound)
            t->callbacks.frame(t->callbacks.arg, d->peer, (enum transport_channel)d->channel, d->bytes,
                               d->blob);
        else
            (void)transport_queue(t, d->peer, d->channel, d->bytes, NULL, 0); /* a lost link loses it */
        release(d);
    }
    transport_flush(t);
    arm(i);
}

struct inject *inject_new(struct transport *t)
{
    struct inject *i = mem_calloc(1, sizeof *i);
    i->t = t;
    pthread_mutex_init(&i->lock, NULL);
    uint64_t seed;
    os_random(&seed, sizeof seed);
    prng_seed(&i->prng, seed);
    list_init(&i->delayed);
    i->timer = event_new(t->base, -1, 0, on_timer, i);
    return i;
}

void inject_free(struct inject *i)
{
    if (!i)
        return;
    while (!list_empty(&i->delayed))
        release(list_entry(i->delayed.next, struct delayed, node));
    event_free(i->timer);
    pthread_mutex_destroy(&i->lock);
    mem_free(i);
}

static bool harmful(const struct transport_fault *f)
{
    return f->cut || f->drop_permille || f->delay_ms_max;
}

void inject_set(struct inject *i, const struct transport_fault *fault)
{
    pthread_mutex_lock(&i->lock);
    if (fault->peer == 0) {
        i->all = *fault;
        i->count = 0;
    } else {
        size_t at = 0;
        while (at < i->count && i->at[at].peer != fault->peer)
            at++;
        if (at == i->count && i->count == FAULTS_MAX) /* peers long gone */
            memmove(&i->at[0], &i->at[1], (--at, --i->count) * sizeof i->at[0]);
        if (at == i->count)
            i->count++;
        i->at[at] = *fault; /* a healed one too: it may be an exception to `all` */
    }
    bool active = harmful(&i->all);
    for (size_t n = 0; n < i->count; n++)
        active = active || harmful(&i->at[n]);
    atomic_store(&i->active, active);
    pthread_mutex_unlock(&i->lock);
}

bool inject_active(const struct inject *i)
{
    return atomic_load_explicit(&i->active, memory_order_relaxed);
}

static const struct transport_fault *fault_of(const struct inject *i, uint64_t peer)
{
    for (size_t n = 0; n < i->count; n++)
        if (i->at[n].peer == peer)
            return &i->at[n];
    return &i->all;
}

bool inject_cut(struct inject *i, uint64_t peer)
{
    if (!inject_active(i))
        return false;
    pthread_mutex_lock(&i->lock);
    bool cut = fault_of(i, peer)->cut;
    pthread_mutex_unlock(&i->lock);
    return cut;
}

bool inject_drop(struct inject *i, uint64_t peer)
{
    if (!inject_active(i))
        return false;
    pthread_mutex_lock(&i->lock);
    const struct transport_fault *f = fault_of(i, peer);
    bool drop = f->cut || (f->drop_permille && prng_below(&i->prng, 1000) < f->drop_permille);
    pthread_mutex_unlock(&i->lock);
    return drop;
}

/* When a frame that comes now may leave its lane; 0: at once. */
static uint64_t due_in_lane(struct inject *i, bool inbound, uint64_t peer, uint8_t channel)
{
    pthread_mutex_lock(&i->lock);
    uint64_t max_ms = fault_of(i, peer)->delay_ms_max;
    uint64_t now = clock_mono_us(), due = max_ms ? now + prng_below(&i->prng, max_ms * 1000 + 1) : 0;
    pthread_mutex_unlock(&i->lock);
    list_for_each(it, &i->delayed)
    {
        const struct delayed *d = list_entry(it, struct delayed, node);
        if (d->inbound == inbound && d->peer == peer && d->channel == channel && d->due_us > due)
            due = d->due_us;
    }
    return due;
}

bool inject_delay(struct inject *i, bool inbound, uint64_t peer, uint8_t channel, struct slice head,
                  const struct raft_block *blocks, size_t count, struct blob *blob)
{
    uint64_t due = due_in_lane(i, inbound, peer, channel);
    if (due == 0)
        return false;
    struct delayed *d = mem_calloc(1, sizeof *d);
    d->due_us = due;
    d->inbound = inbound;
    d->peer = peer;
    d->channel = channel;
    if (blob) {
        d->blob = blob_ref(blob);
        d->bytes = head;
    } else {
        struct buf b = BUF_EMPTY;
        buf_append_slice(&b, head);
        for (size_t n = 0; n < count; n++)
            buf_append(&b, blocks[n].blob->data + blocks[n].offset, blocks[n].len);
        d->blob = blob_new(b.data, b.len);
        d->bytes = slice_of(d->blob->data, b.len);
        buf_deinit(&b);
    }
    list_push_back(&i->delayed, &d->node);
    arm(i);
    return true;
}
