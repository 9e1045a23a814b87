/* See three.h. */
#include "three.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/log.h"
#include "node/node_int.h"

#define CLUSTER 7
#define WALL_US ((uint64_t)1700000000000000)

struct event {
    struct list link;
    struct one *to;
    uint64_t from;      /* a frame of that node; 0: the disk */
    struct blob *frame; /* of the one, or the block that the other has read */
    struct node_disk_event disk;
};

static struct event *queue(struct one *to, uint64_t from)
{
    struct event *e = mem_calloc(1, sizeof(*e));
    e->to = to;
    e->from = from;
    list_push_back(&to->all->events, &e->link);
    return e;
}

/* ---- the disk: done when asked, told in the next turn ---- */

static void saved(struct one *o, const struct node_identity *id, uint64_t cookie)
{
    o->identity = *id;
    queue(o, 0)->disk =
        (struct node_disk_event){.type = NODE_DISK_IDENTITY_SAVED, .cookie = cookie, .ok = true};
}

static void port_save_identity(void *arg, const struct node_identity *id, uint64_t cookie)
{
    saved(arg, id, cookie);
}

static void port_cut(void *arg, uint64_t from)
{
    struct one *o = arg;
    while (o->last >= from)
        blob_unref(o->journal[--o->last]);
}

static void port_append(void *arg, const struct raft_block *block, uint64_t cookie)
{
    struct one *o = arg;
    struct slice left = slice_of(block->blob->data + block->offset, block->len);
    struct raft_frame f = {0};
    while (left.len) {
        assert_true(raft_entry_read(left, true, &f));
        assert_int_equal(f.index, o->last + 1);
        assert_true(o->last < JOURNAL_MAX);
        o->journal[o->last++] = blob_new(left.data, f.len);
        left = slice_of(left.data + f.len, left.len - f.len);
    }
    queue(o, 0)->disk = (struct node_disk_event){
        .type = NODE_DISK_PERSISTED, .cookie = cookie, .index = f.index, .term = f.term, .ok = true};
}

static void port_compact(void *arg, uint64_t upto)
{
    (void)arg, (void)upto;
}

static void port_reset(void *arg, const struct node_identity *id, uint64_t cookie)
{
    port_cut(arg, 1);
    saved(arg, id, cookie);
}

static void port_read(void *arg, uint64_t cookie, uint64_t first, uint64_t last, size_t max_bytes)
{
    struct one *o = arg;
    struct buf bytes = BUF_EMPTY;
    struct event *e = queue(o, 0);
    uint64_t end = first - 1;
    while (end < last && end < o->last && bytes.len < max_bytes) {
        buf_append(&bytes, o->journal[end]->data, o->journal[end]->len);
        end++;
    }
    e->frame = blob_new(bytes.data, bytes.len);
    e->disk =
        (struct node_disk_event){.type = NODE_DISK_READ,
                                 .cookie = cookie,
                                 .ok = true,
                                 .block = {.first = first, .last = end, .blob = e->frame, .len = bytes.len}};
    buf_deinit(&bytes);
}

static void begin(struct snapshot *s, uint64_t index, uint64_t term)
{
    s->index = index;
    s->term = term;
    buf_truncate(&s->bytes, 0);
}

static bool emit(void *arg, const void *data, size_t len)
{
    buf_append(arg, data, len);
    return true;
}

static void port_snapshot_write(
    void *arg, uint64_t index, uint64_t term,
    bool (*write)(void *node, bool (*emit)(void *sink, const void *data, size_t len), void *sink), void *node)
{
    struct one *o = arg;
    begin(&o->making, index, term);
    o->made = write(node, emit, &o->making.bytes) && o->free_bytes;
}

static void port_snapshot_keep(void *arg, uint64_t index, bool keep)
{
    struct one *o = arg;
    assert_int_equal(index, o->making.index);
    queue(o, 0)->disk = (struct node_disk_event){.type = NODE_DISK_SNAPSHOT_WRITTEN,
                                                 .index = index,
                                                 .term = o->making.term,
                                                 .total = o->making.bytes.len,
                                                 .ok = o->made && keep};
    if (!o->made || !keep)
        return;
    begin(&o->snapshot, index, o->making.term);
    buf_append_slice(&o->snapshot.bytes, buf_slice(&o->making.bytes));
}

static void port_snapshot_read(void *arg, uint64_t cookie, uint64_t index, uint64_t offset, size_t len)
{
    struct one *o = arg;
    const struct snapshot *s = &o->snapshot;
    struct event *e = queue(o, 0);
    assert_true(s->index >= index && offset <= s->bytes.len);
    len = len < s->bytes.len - offset ? len : (size_t)(s->bytes.len - offset);
    e->frame = blob_new(s->bytes.data + offset, len);
    e->disk = (struct node_disk_event){.type = NODE_DISK_SNAPSHOT_PIECE,
                                       .cookie = cookie,
                                       .index = s->index,
                                       .term = s->term,
                                       .offset = offset,
                                       .total = s->bytes.len,
                                       .ok = true,
                                       .block = {.first = 1, .last = 1, .blob = e->frame, .len = len}};
}

static void port_snapshot_receive(void *arg, uint64_t cookie, uint64_t index, uint64_t term, uint64_t offset,
                                  struct slice piece, bool last)
{
    struct one *o = arg;
    if (offset == 0)
        begin(&o->receiving, index, term);
    assert_int_equal(o->receiving.bytes.len, offset);
    buf_append_slice(&o->receiving.bytes, piece);
    queue(o, 0)->disk = (struct node_disk_event){.type = NODE_DISK_SNAPSHOT_RECEIVED,
                                                 .cookie = cookie,
                                                 .index = index,
                                                 .term = term,
                                                 .offset = offset + piece.len,
                                                 .ok = true,
                                                 .last = last};
}

static void port_snapshot_install(void *arg, uint64_t index, uint64_t term, bool keep_suffix)
{
    struct one *o = arg;
    begin(&o->snapshot, index, term);
    buf_append_slice(&o->snapshot.bytes, buf_slice(&o->receiving.bytes));
    if (!keep_suffix) {
        port_cut(o, 1);
        memset(o->journal, 0, index * sizeof(o->journal[0]));
        o->last = index;
    }
    queue(o, 0)->disk = (struct node_disk_event){
        .type = NODE_DISK_SNAPSHOT_INSTALLED, .index = index, .term = term, .ok = true};
}

static void port_disk_state(void *arg, uint64_t *journal_bytes, uint64_t *snapshot_bytes,
                            uint64_t *free_bytes, uint64_t *write_running_us)
{
    const struct one *o = arg;
    *snapshot_bytes = *write_running_us = 0;
    *journal_bytes = o->journal_bytes;
    *free_bytes = o->free_bytes;
}

/* ---- the network ---- */

static bool port_send(void *arg, uint64_t peer, enum node_channel channel, struct slice head,
                      const struct raft_block *blocks, size_t count)
{
    struct one *from = arg, *to = &from->all->one[peer - 1];
    struct buf bytes = BUF_EMPTY;
    (void)channel;
    from->sent = true;
    if (!to->node || to->unheard)
        return false;
    if (head.data[0] == FRAME_RAFT && head.data[FRAME_HEADER] == RAFT_MSG_TIMEOUT_NOW)
        to->tries++;
    if (to->lose && (uint8_t)head.data[0] == to->lose_type) {
        to->lose--;
        return true;
    }
    buf_append_slice(&bytes, head);
    for (size_t i = 0; i < count; i++)
        buf_append(&bytes, blocks[i].blob->data + blocks[i].offset, blocks[i].len);
    queue(to, from->id)->frame = blob_new(bytes.data, bytes.len);
    buf_deinit(&bytes);
    return true;
}

static uint32_t port_dial(void *arg, const char *host, uint16_t port, uint64_t expected_id)
{
    (void)host, (void)port, (void)expected_id;
    return (uint32_t)++((struct one *)arg)->all->handles;
}

static void port_hang_up(void *arg, uint32_t handle)
{
    (void)arg, (void)handle;
}

static void port_set_self(void *arg, const struct node_hello *self)
{
    (void)arg, (void)self;
}

static void port_applying(void *arg, bool now)
{
    (void)arg, (void)now;
}

static void port_say(void *arg, int level, const char *line)
{
    struct one *o = arg;
    if (level == LOG_WARNING)
        snprintf(o->said, sizeof(o->said), "%s", line);
    size_t left = sizeof(o->traced) - o->traced_len, len = strlen(line);
    if (level == LOG_DEBUG && len + 1 < left)
        o->traced_len += (size_t)snprintf(o->traced + o->traced_len, left, "%s\n", line);
}

static void port_fatal(void *arg, const char *line)
{
    fail_msg("node %u: %s", (unsigned)((struct one *)arg)->id, line);
}

/* ---- the clients ---- */

static void on_answer(void *arg, uint64_t ticket, const struct node_answer *a)
{
    struct one *o = arg;
    o->ticket = ticket;
    o->outcome = a->outcome;
    o->index = a->index;
    o->spent_us = a->spent_us;
    o->applied = o->node ? rsm_applied(node_rsm(o->node)) : 0;
    snprintf(o->reply, sizeof(o->reply), "%.*s", (int)a->reply.len, a->reply.len ? a->reply.data : "");
}

static void on_read_ready(void *arg, uint64_t ticket, enum node_outcome outcome, uint64_t now_ms)
{
    (void)ticket, (void)now_ms;
    ((struct one *)arg)->reads_ready += outcome == NODE_DONE;
}

static void on_changed(void *arg, bool was_leader)
{
    (void)arg, (void)was_leader;
}

static void port_flush(void *arg)
{
    struct one *o = arg;
    o->applied_at_flush = rsm_applied(node_rsm(o->node));
    o->sent_at_flush = o->sent;
}

/* ---- start and run ---- */

static void start(struct three *t, struct one *o)
{
    struct node_found found = {.identity = o->identity, .short_log_found = o->short_log};
    struct node_ports ports = {.arg = o,
                               .save_identity = port_save_identity,
                               .cut = port_cut,
                               .append = port_append,
                               .compact = port_compact,
                               .reset = port_reset,
                               .read = port_read,
                               .snapshot_write = port_snapshot_write,
                               .snapshot_keep = port_snapshot_keep,
                               .snapshot_read = port_snapshot_read,
                               .snapshot_receive = port_snapshot_receive,
                               .snapshot_install = port_snapshot_install,
                               .disk_state = port_disk_state,
                               .send = port_send,
                               .dial = port_dial,
                               .hang_up = port_hang_up,
                               .set_self = port_set_self,
                               .flush = port_flush,
                               .applying = port_applying,
                               .say = port_say,
                               .fatal = port_fatal};
    struct node_clients clients = {
        .arg = o, .answer = on_answer, .read_ready = on_read_ready, .changed = on_changed};
    o->config.chance++;
    o->node = node_new(&o->config, &found, &ports, &clients, t->now_us, WALL_US + t->now_us);
    for (uint64_t i = 0; i < o->last; i++) {
        struct raft_frame f;
        assert_true(raft_entry_read(slice_of(o->journal[i]->data, o->journal[i]->len), true, &f));
        node_load(o->node, f.index, f.term, (int)f.kind, f.len, f.payload);
    }
    node_start(o->node, t->now_us);
    for (struct one *p = t->one; p < t->one + NODES; p++)
        if (p != o && p->node) {
            node_on_link(o->node, p->id, true, false);
            node_on_link(p->node, o->id, true, false);
        }
}

static void lay(struct one *o, uint64_t index, enum raft_entry_kind kind, struct buf *payload)
{
    struct buf frame = BUF_EMPTY;
    size_t begin = raft_entry_begin(&frame, index, 1, kind);
    buf_append_slice(&frame, buf_slice(payload));
    raft_entry_end(&frame, begin);
    o->journal[o->last++] = blob_new(frame.data, frame.len);
    buf_deinit(&frame);
    buf_truncate(payload, 0);
}

static struct three *make(bool grown)
{
    struct three *t = mem_calloc(1, sizeof(*t));
    struct raft_members members = {.count = NODES};
    struct rsm_request found = {.kind = RSM_FOUND, .cluster_id = CLUSTER};
    struct buf payload = BUF_EMPTY;
    list_init(&t->events);
    t->now_us = 1000000;
    for (uint32_t i = 0; i < NODES; i++) {
        struct raft_member *m = &members.at[i];
        *m = (struct raft_member){
            .id = i + 1, .voter = true, .port = 7000, .peer_port = 17000, .name = "n", .host = "10.0.0."};
        m->name[1] = m->host[7] = (char)('1' + i);
    }
    struct raft_members founder = {.count = 1, .at = {members.at[0]}};
    for (uint32_t i = 0; i < NODES; i++) {
        struct one *o = &t->one[i];
        o->all = t;
        o->id = i + 1;
        o->free_bytes = UINT64_MAX;
        o->identity = (struct node_identity){.node_id = o->id, .cluster_id = CLUSTER, .term = 1};
        o->config = (struct node_config){.heartbeat_us = 50000,
                                         .election_us = 1000000,
                                         .client_wait_us = 5000000,
                                         .checkpoint_bytes = UINT64_MAX,
                                         .disk_reserve_bytes = 1000,
                                         .chance = 100 * o->id};
        o->config.self = (struct node_hello){
            .node_id = o->id, .boot_nonce = o->id, .apply_version = 1, .port = 7000, .peer_port = 17000};
        memcpy(o->config.self.name, members.at[i].name, sizeof(o->config.self.name));
        memcpy(o->config.self.host, members.at[i].host, sizeof(o->config.self.host));
        raft_members_encode(&payload, grown ? &founder : &members);
        lay(o, 1, RAFT_ENTRY_CONFIG, &payload);
        rsm_encode(&payload, &found, 1000, 1);
        lay(o, 2, RAFT_ENTRY_DATA, &payload);
        if (grown) {
            raft_members_encode(&payload, &members);
            lay(o, 3, RAFT_ENTRY_CONFIG, &payload);
        }
    }
    buf_deinit(&payload);
    for (uint32_t i = 0; i < NODES; i++)
        start(t, &t->one[i]);
    return t;
}

struct three *three_new(void)
{
    return make(false);
}

struct three *three_grown(void)
{
    return make(true);
}

static void drop(struct event *e)
{
    list_remove(&e->link);
    blob_unref(e->frame);
    mem_free(e);
}

void three_free(struct three *t)
{
    while (!list_empty(&t->events))
        drop(list_entry(t->events.next, struct event, link));
    for (struct one *o = t->one; o < t->one + NODES; o++) {
        if (o->node)
            node_free(o->node);
        port_cut(o, 1);
        buf_deinit(&o->snapshot.bytes);
        buf_deinit(&o->receiving.bytes);
        buf_deinit(&o->making.bytes);
    }
    mem_free(t);
}

void three_restart(struct three *t, struct one *o)
{
    struct list *next;
    for (struct list *it = t->events.next; it != &t->events; it = next) {
        struct event *e = list_entry(it, struct event, link);
        next = it->next;
        if (e->to == o)
            drop(e);
    }
    node_free(o->node);
    o->node = NULL;
    start(t, o);
}

void three_lose_journal(struct three *t, struct one *o, uint64_t from)
{
    port_cut(o, from);
    o->short_log = true;
    three_restart(t, o);
    o->short_log = false;
}

static void deliver(struct event *e)
{
    if (e->to->ending && !e->from && e->disk.type == NODE_DISK_SNAPSHOT_RECEIVED && e->disk.last) {
        list_remove(&e->link);
        list_push_back(&e->to->all->events, &e->link);
        return;
    }
    if (e->from)
        node_on_frame(e->to->node, e->from, NODE_CONTROL, slice_of(e->frame->data, e->frame->len), e->frame);
    else
        node_on_disk(e->to->node, &e->disk);
    drop(e);
}

static void answer_early(struct one *o)
{
    if (!node_answer(o->node))
        return;
    o->early_ticket = o->ticket;
    o->early_reads = o->reads_ready;
}

/* One pass of all, a millisecond. */
static void turn(struct three *t)
{
    t->now_us += 1000;
    for (struct one *o = t->one; o < t->one + NODES; o++)
        node_time(o->node, t->now_us, WALL_US + t->now_us);
    size_t count = 0;
    for (struct list *it = t->events.next; it != &t->events; it = it->next)
        count++;
    while (count-- > 0)
        deliver(list_entry(t->events.next, struct event, link));
    for (struct one *o = t->one; t->early && o < t->one + NODES; o++)
        answer_early(o);
    for (struct one *o = t->one; o < t->one + NODES; o++)
        node_turn(o->node);
}

void three_run(struct three *t, uint64_t ms)
{
    while (ms-- > 0)
        turn(t);
}

struct one *three_leader(struct three *t)
{
    for (int i = 0; i < 20000; i++) {
        for (struct one *o = t->one; o < t->one + NODES; o++)
            if (node_is_serving(o->node))
                return o;
        turn(t);
    }
    fail_msg("no leader in 20 s");
    return NULL;
}

enum node_outcome three_set(struct three *t, struct one *o, const char *key, const char *value)
{
    static uint64_t tickets = (uint64_t)1 << 32; /* none that a test makes */
    struct slice argv[] = {SLICE_LITERAL("set"), slice_cstr(key), slice_cstr(value)};
    struct rsm_request req = {.kind = RSM_COMMAND, .resp = 2, .argv = argv, .argc = 3};
    struct buf error = BUF_EMPTY;
    uint64_t ticket = ++tickets;
    enum node_outcome outcome = node_write(o->node, &req, ticket, &error);
    if (outcome == NODE_PENDING) {
        for (int i = 0; i < 10000 && o->ticket != ticket; i++)
            turn(t);
        assert_int_equal(o->ticket, ticket);
        outcome = o->outcome;
    } else {
        snprintf(o->reply, sizeof(o->reply), "%.*s", (int)error.len, error.len ? error.data : "");
    }
    buf_deinit(&error);
    return outcome;
}

void three_write(struct three *t, struct one *o, int count)
{
    struct slice argv[] = {SLICE_LITERAL("incr"), SLICE_LITERAL("counter")};
    struct rsm_request req = {.kind = RSM_COMMAND, .resp = 2, .argv = argv, .argc = 2};
    struct buf error = BUF_EMPTY;
    for (int i = 0; i < count; i++) {
        node_write(o->node, &req, 1, &error);
        if (i % 64 == 0)
            turn(t);
    }
    buf_deinit(&error);
    three_run(t, 20);
}
