/* Messages on their way to subscribers: see messages.h.
 *
 * A frame to the peers, integers little-endian, v: varint, b: varint length and bytes:
 *     u64 voice, v number, then messages: u8 1: to a shard channel, v after, b channel, b message
 * A voice is one boot of a node; it numbers its frames 1, 2, 3, ... A frame may be lost, with a link or because its queue is full;
 * nobody sends it again.
 *
 * The messages of one connection keep their order though some are in frames and some in entries. `after` is the index of the
 * connection's last entry that published: such a message waits until that entry has been applied. An entry's message says
 * which frame has the connection's last message before it, as u64 voice, v number: it waits for that frame, or a later one; not
 * for long, since the frame may be lost. What waits is sorted by entry, each entry's own messages before those that come after
 * it, and leaves from the front alone. */
#include <assert.h>
#include <stdio.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "server/caches.h"
#include "server/messages.h"

#include "server/users.h"

enum {
    TOLD_MAX = 64 * 1024,        /* then it is delivered at once, if that may be */
    OUTGOING_MAX = 256 * 1024,   /* a frame to the peers; one message alone may be longer */
    HELD_MAX = 16 * 1024 * 1024, /* bytes that wait; more is dropped */
    WAIT_FOR_FRAME_US = 500000,
    VOICES_MAX = 16,
};

enum told_kind { TOLD_MESSAGE, TOLD_SHARD_MESSAGE, TOLD_EVENT };

struct held {
    struct list link;
    uint64_t index; /* of its entry, or of the one it comes after */
    bool in_entry;  /* it is the entry's own, and waits for a frame */
    uint64_t voice, number, since_us;
    bool shard;
    size_t channel_len, message_len;
    char bytes[];
};

/* The newest frame that has come from it. */
struct voice {
    uint64_t peer, voice, number;
};

struct messages {
    struct pubsub *pubsub;
    struct buf told;     /* what entries said and nobody has heard yet */
    struct buf outgoing; /* to the peers: the messages of frame `number` */
    uint64_t voice, number;
    struct voice voices[VOICES_MAX];
    size_t voice_count;
    struct list held;
    size_t held_bytes;
    uint64_t dropped;
};

/* ---- delivering ---- */

struct delivery {
    bool shard;
    struct slice channel, message;
    const char *pattern; /* of the texts; NULL: of the channel's own */
    struct buf texts[2]; /* RESP2, RESP3; made when the first one needs it */
};

static const struct buf *text_for(struct delivery *d, int resp, const struct slice *pattern)
{
    if (d->pattern != (pattern ? pattern->data : NULL)) {
        buf_truncate(&d->texts[0], 0);
        buf_truncate(&d->texts[1], 0);
        d->pattern = pattern ? pattern->data : NULL;
    }
    struct buf *text = &d->texts[resp == 3];
    if (text->len)
        return text;
    resp_push(text, resp, pattern ? 4 : 3);
    resp_bulk_cstr(text, pattern ? "pmessage" : d->shard ? "smessage" : "message");
    if (pattern)
        resp_bulk(text, *pattern);
    resp_bulk(text, d->channel);
    resp_bulk(text, d->message);
    return text;
}

void client_push(struct client *c, struct slice text)
{
    if (c->doomed || c->closing || c->half_closed)
        return;
    buf_append_slice(client_out(c), text);
    c->pushed = c->out.len;
    client_touch(c);
    if (client_unsent(c) > STRANGER_OUTPUT)
        client_enforce_limit(c);
}

void client_deafen(struct client *c)
{
    subscriber_free(c->subscriber);
    c->subscriber = NULL;
    caches_disable(c);
}

static void deliver_to(void *arg, void *owner, const struct slice *pattern)
{
    struct client *c = owner;
    client_push(c, buf_slice(text_for(arg, c->resp, pattern)));
}

static void deliver(struct messages *m, bool shard, struct slice channel, struct slice message)
{
    struct delivery d = {.shard = shard, .channel = channel, .message = message};
    pubsub_publish(m->pubsub, shard, channel, deliver_to, &d);
    buf_deinit(&d.texts[0]);
    buf_deinit(&d.texts[1]);
}

/* A message; subscribers of replicas hear it, too. */
static void deliver_message(struct server *s, bool shard, struct slice channel, struct slice message)
{
    deliver(s->messages, shard, channel, message);
    if (!list_empty(&s->replicas))
        replicas_publish(s, shard, channel, message);
}

static void deliver_event(struct messages *m, bool by_key, uint32_t db, struct slice event, struct slice key)
{
    struct buf channel = BUF_EMPTY;
    buf_printf(&channel, by_key ? "__keyspace@%u__:" : "__keyevent@%u__:", (unsigned)db);
    buf_append_slice(&channel, by_key ? key : event);
    deliver(m, false, buf_slice(&channel), by_key ? event : key);
    buf_deinit(&channel);
}

/* ---- what entries say ---- */

static void deliver_told(struct server *s)
{
    struct messages *m = s->messages;
    struct reader r = reader_of(buf_slice(&m->told));
    while (reader_left(&r)) {
        enum told_kind kind = (enum told_kind)get_u8(&r);
        unsigned where = (unsigned)get_varint(&r);
        uint32_t db = (uint32_t)get_varint(&r);
        struct slice a = get_bytes(&r), b = get_bytes(&r);
        assert(!r.failed);
        if (kind != TOLD_EVENT)
            deliver_message(s, kind == TOLD_SHARD_MESSAGE, a, b);
        if (kind == TOLD_EVENT && where & RSM_EVENTS_BY_KEY)
            deliver_event(m, true, db, a, b);
        if (kind == TOLD_EVENT && where & RSM_EVENTS_BY_NAME)
            deliver_event(m, false, db, a, b);
    }
    buf_truncate(&m->told, 0);
    if (m->told.cap > TOLD_MAX * 4)
        buf_deinit(&m->told);
}

static void put_down(struct server *s, enum told_kind kind, unsigned where, uint32_t db, struct slice a,
                     struct slice b)
{
    struct messages *m = s->messages;
    put_u8(&m->told, (uint8_t)kind);
    put_varint(&m->told, where);
    put_varint(&m->told, db);
    put_bytes(&m->told, a);
    put_bytes(&m->told, b);
    if (m->told.len > TOLD_MAX && !s->in_query)
        deliver_told(s);
}

static bool has_subscribers(const struct messages *m)
{
    return pubsub_count(m->pubsub, PUBSUB_CHANNEL) || pubsub_count(m->pubsub, PUBSUB_PATTERN) ||
           pubsub_count(m->pubsub, PUBSUB_SHARD);
}

/* Of messages. */
static bool has_listeners(const struct server *s)
{
    return has_subscribers(s->messages) || replicas_follow(s);
}

static void hear_change(struct server *s, enum store_event_class class, const char *event, uint32_t db,
                        struct slice key)
{
    if (caches_clients(s) && class != EVENT_BESIDE)
        caches_hear(s, class, event != NULL, key);
    if (!list_empty(&s->replicas))
        replicas_hear(s, class, event, db, key);
}

static void hear_event(void *arg, enum store_event_class class, const char *event, uint32_t db,
                       struct slice key)
{
    struct server *s = arg;
    if (class == EVENT_CHANGED || class == EVENT_FLUSHED || class == EVENT_BESIDE)
        hear_change(s, class, event, db, key);
    else if (!has_subscribers(s->messages) || !node_is_trusted(s->node))
        return;
    else
        put_down(s, TOLD_EVENT, rsm_limits(node_rsm(s->node)).events, db, slice_cstr(event), key);
}

/* ---- held back ---- */

static bool is_applied(const struct server *s, uint64_t index)
{
    return !s->node || rsm_applied(node_rsm(s->node)) >= index;
}

static bool has_come(const struct messages *m, uint64_t voice, uint64_t number)
{
    if (number == 0 || voice == m->voice)
        return true;
    for (size_t i = 0; i < m->voice_count; i++)
        if (m->voices[i].voice == voice)
            return m->voices[i].number >= number;
    return false;
}

static bool may_leave(const struct server *s, const struct held *h)
{
    if (!h->in_entry)
        return is_applied(s, h->index);
    return has_come(s->messages, h->voice, h->number) || s->now_us - h->since_us > WAIT_FOR_FRAME_US;
}

static bool comes_before(const struct held *a, const struct held *b)
{
    return a->index != b->index ? a->index < b->index : a->in_entry && !b->in_entry;
}

static size_t size_of(const struct held *h)
{
    return sizeof *h + h->channel_len + h->message_len;
}

static void hold(struct server *s, const struct held *as, struct slice channel, struct slice message)
{
    struct messages *m = s->messages;
    if (m->held_bytes > HELD_MAX) {
        m->dropped++;
        return;
    }
    struct held *h = mem_alloc(sizeof *h + channel.len + message.len);
    *h = *as;
    h->since_us = s->now_us;
    h->channel_len = channel.len;
    h->message_len = message.len;
    if (channel.len)
        memcpy(h->bytes, channel.data, channel.len);
    if (message.len)
        memcpy(h->bytes + channel.len, message.data, message.len);
    m->held_bytes += size_of(h);
    struct list *at = m->held.prev;
    while (at != &m->held && comes_before(h, list_entry(at, struct held, link)))
        at = at->prev;
    list_push_front(at, &h->link);
}

static void let_go(struct messages *m, struct held *h)
{
    m->held_bytes -= size_of(h);
    list_remove(&h->link);
    mem_free(h);
}

static void deliver_held(struct server *s)
{
    struct messages *m = s->messages;
    while (!list_empty(&m->held)) {
        struct held *h = list_entry(m->held.next, struct held, link);
        if (!may_leave(s, h))
            break;
        deliver_message(s, h->shard, slice_of(h->bytes, h->channel_len),
                        slice_of(h->bytes + h->channel_len, h->message_len));
        let_go(m, h);
    }
}

/* An entry's: in the middle of its change. */
static void hear_published(void *arg, const struct rsm_message *message)
{
    struct server *s = arg;
    struct messages *m = s->messages;
    struct reader r = reader_of(message->behind);
    if (!has_listeners(s) || !node_is_trusted(s->node))
        return;
    struct held as = {.index = message->index, .in_entry = true, .shard = message->shard};
    if (message->behind.len) {
        as.voice = get_u64(&r);
        as.number = get_varint(&r);
    }
    if (list_empty(&m->held) && has_come(m, as.voice, as.number))
        put_down(s, message->shard ? TOLD_SHARD_MESSAGE : TOLD_MESSAGE, 0, 0, message->channel,
                 message->message);
    else
        hold(s, &as, message->channel, message->message);
}

/* A connection's own, in a frame or here. */
static void deliver_or_hold(struct server *s, uint64_t after, bool shard, struct slice channel,
                            struct slice message)
{
    struct messages *m = s->messages;
    if (!has_listeners(s))
        return;
    if (after == 0 || (list_empty(&m->held) && is_applied(s, after))) {
        deliver_message(s, shard, channel, message);
        return;
    }
    hold(s, &(struct held){.index = after, .shard = shard}, channel, message);
    deliver_held(s);
}

/* On every node: each keeps a log of its own. */
static void hear_script(void *arg, int level, struct slice line)
{
    (void)arg;
    log_line((enum log_level)level, "%.*s", (int)(line.len < 1024 ? line.len : 1024), line.data);
}

void messages_listen(struct server *s)
{
    struct rsm_listener listener = {.arg = s,
                                    .heard = hear_event,
                                    .published = hear_published,
                                    .users_changed = users_changed,
                                    .script = slow_scripts_tell,
                                    .called = script_called,
                                    .said = hear_script};
    bool follow = replicas_follow(s);
    if (follow)
        listener.written = replicas_written;
    if (s->node)
        node_listen(s->node, &listener,
                    (caches_clients(s) || follow ? EVENT_CHANGED | EVENT_FLUSHED : 0) |
                        (follow ? EVENT_BESIDE : 0));
}

/* ---- PUBLISH, here and there ---- */

static void send_outgoing(struct server *s)
{
    struct messages *m = s->messages;
    if (m->outgoing.len == 0)
        return;
    if (s->hooks.broadcast)
        s->hooks.broadcast(s->hooks.arg, buf_slice(&m->outgoing));
    buf_truncate(&m->outgoing, 0);
    if (m->outgoing.cap > OUTGOING_MAX * 2)
        buf_deinit(&m->outgoing);
}

size_t messages_publish(struct client *c, bool shard, struct slice channel, struct slice message)
{
    struct server *s = c->server;
    struct messages *m = s->messages;
    deliver_told(s);
    size_t receivers = pubsub_publish(m->pubsub, shard, channel, NULL, NULL);
    if (m->outgoing.len == 0) {
        put_u64(&m->outgoing, m->voice);
        put_varint(&m->outgoing, ++m->number);
    }
    c->published = m->number;
    put_u8(&m->outgoing, shard);
    put_varint(&m->outgoing, c->publish_after);
    put_bytes(&m->outgoing, channel);
    put_bytes(&m->outgoing, message);
    if (m->outgoing.len > OUTGOING_MAX)
        send_outgoing(s);
    deliver_or_hold(s, c->publish_after, shard, channel, message);
    return receivers;
}

void messages_behind(const struct client *c, struct buf *out)
{
    if (!c->published)
        return;
    put_u64(out, c->server->messages->voice);
    put_varint(out, c->published);
}

/* A peer that has been started again has another voice. */
static struct voice *voice_of(struct messages *m, uint64_t peer)
{
    for (size_t i = 0; i < m->voice_count; i++)
        if (m->voices[i].peer == peer)
            return &m->voices[i];
    if (m->voice_count == VOICES_MAX) /* peers long gone */
        memmove(&m->voices[0], &m->voices[1], --m->voice_count * sizeof m->voices[0]);
    m->voices[m->voice_count] = (struct voice){.peer = peer};
    return &m->voices[m->voice_count++];
}

/* A frame that is no good is a peer of another build, or a bug: what can be read of it is delivered. */
void server_on_broadcast(struct server *s, uint64_t peer, struct slice frame)
{
    struct messages *m = s->messages;
    struct reader r = reader_of(frame);
    uint64_t voice = get_u64(&r), number = get_varint(&r);
    if (r.failed)
        return;
    deliver_told(s);
    while (reader_left(&r)) {
        uint8_t shard = get_u8(&r);
        uint64_t after = get_varint(&r);
        struct slice channel = get_bytes(&r), message = get_bytes(&r);
        if (r.failed || shard > 1)
            break;
        deliver_or_hold(s, after, shard, channel, message);
    }
    struct voice *v = voice_of(m, peer);
    v->voice = voice;
    v->number = number;
    deliver_held(s);
}

void messages_turn(struct server *s)
{
    struct messages *m = s->messages;
    if (m->told.len)
        deliver_told(s);
    if (!list_empty(&m->held))
        deliver_held(s);
    send_outgoing(s);
}

/* ---- */

void messages_init(struct server *s)
{
    struct messages *m = mem_calloc(1, sizeof *m);
    struct hash_seed seed;
    os_random(&seed, sizeof seed);
    m->pubsub = pubsub_new(seed);
    os_random(&m->voice, sizeof m->voice);
    list_init(&m->held);
    s->messages = m;
}

void messages_deinit(struct server *s)
{
    struct messages *m = s->messages;
    list_for_each_safe(it, next, &m->held) let_go(m, list_entry(it, struct held, link));
    pubsub_free(m->pubsub);
    buf_deinit(&m->told);
    buf_deinit(&m->outgoing);
    mem_free(m);
}

struct pubsub *messages_pubsub(struct server *s)
{
    return s->messages->pubsub;
}

uint64_t messages_dropped(const struct server *s)
{
    return s->messages->dropped;
}
