/* The world's disks: what was asked is done in order, takes time, and counts only when it is done; appends that
 * wait together are done, and told, together. A crash leaves what was done and, as on real disks, perhaps some of
 * what was under way. */
#include "world_int.h"

#include "base/alloc.h"
#include "base/list.h"

#include <assert.h>
#include <string.h>

enum op_type {
    OP_IDENTITY,
    OP_CUT,
    OP_APPEND,
    OP_COMPACT,
    OP_RESET,
    OP_SNAPSHOT,
    OP_INSTALL,
    OP_READ,
    OP_PIECE,
    OP_RECEIVE
};

struct disk_op {
    struct list link;
    uint64_t number, begun_us;
    enum op_type type;
    struct node_identity identity;
    struct raft_block block;
    struct buf bytes;
    uint64_t cookie, from, to, index, term, offset;
    size_t len;
    bool keep, last;
};

static enum disk_queue queue_of(enum op_type type)
{
    if (type == OP_SNAPSHOT)
        return QUEUE_CHILD;
    return type == OP_READ || type == OP_PIECE || type == OP_RECEIVE ? QUEUE_READER : QUEUE_WRITER;
}

static struct disk_op *ask(struct proc *p, enum op_type type)
{
    struct world *w = p->world;
    struct disk *d = &p->disk;
    enum disk_queue q = queue_of(type);
    struct disk_op *op = mem_calloc(1, sizeof(*op));
    op->type = type;
    op->number = ++d->op;
    uint64_t at_us = d->free_at_us[q] > w->now_us ? d->free_at_us[q] : w->now_us;
    if (type == OP_READ && at_us < d->free_at_us[QUEUE_WRITER]) /* it sees what was written before it */
        at_us = d->free_at_us[QUEUE_WRITER];
    op->begun_us = at_us;
    at_us += 1 + prng_below(&w->chance, w->config.disk_us + 1);
    d->free_at_us[q] = at_us;
    list_push_back(&d->ops[q], &op->link);
    struct event *e = world_later(w, at_us - w->now_us, EVENT_DISK, p->number);
    e->queue = q;
    e->op = op->number;
    return op;
}

static void op_free(struct disk_op *op)
{
    list_remove(&op->link);
    if (op->block.blob)
        blob_unref(op->block.blob);
    buf_deinit(&op->bytes);
    mem_free(op);
}

/* ---- what is durable ---------------------------------------------------------------------------------- */

static uint64_t first_of(const struct disk_state *s)
{
    return s->count ? s->frames[0].index : s->snapshot_index + 1;
}

static void cut(struct disk *d, uint64_t from)
{
    struct disk_state *s = &d->durable;
    while (s->count && s->frames[s->count - 1].index >= from)
        blob_unref(s->frames[--s->count].blob);
    if (d->mark_index >= from) {
        d->mark_index = from - 1;
        d->mark_term = s->count ? s->frames[s->count - 1].term : s->snapshot_term;
    }
}

static void drop_until(struct disk_state *s, uint64_t upto)
{
    size_t n = 0;
    if (s->count == 0)
        return;
    while (n < s->count && s->frames[n].index <= upto)
        blob_unref(s->frames[n++].blob);
    memmove(s->frames, s->frames + n, (s->count - n) * sizeof(*s->frames));
    s->count -= n;
}

static void append(struct disk *d, const struct raft_block *b)
{
    struct disk_state *s = &d->durable;
    for (size_t at = b->offset; at < b->offset + b->len;) {
        struct raft_frame f;
        bool whole = raft_entry_read(slice_of(b->blob->data + at, b->offset + b->len - at), true, &f);
        assert(whole);
        assert(s->count == 0 || s->frames[s->count - 1].index + 1 == f.index);
        if (s->count == s->cap) {
            s->cap = s->cap ? s->cap * 2 : 256;
            s->frames = mem_realloc(s->frames, s->cap * sizeof(*s->frames));
        }
        s->frames[s->count++] = (struct frame_at){f.index, f.term, blob_new(b->blob->data + at, f.len)};
        d->journal_bytes += f.len;
        d->mark_index = f.index;
        d->mark_term = f.term;
        at += f.len;
    }
}

static void put_snapshot(struct disk_state *s, const struct disk_op *op)
{
    buf_truncate(&s->snapshot, 0);
    buf_append(&s->snapshot, op->bytes.data, op->bytes.len);
    s->snapshot_index = op->index;
    s->snapshot_term = op->term;
}

static void reset(struct proc *p, const struct node_identity *id)
{
    cut(&p->disk, 0);
    p->disk.durable.identity = *id;
    p->disk.durable.snapshot_index = p->disk.durable.snapshot_term = 0;
    buf_deinit(&p->disk.durable.snapshot);
    p->disk.mark_index = p->disk.mark_term = p->disk.journal_bytes = 0;
}

static void make_durable(struct proc *p, struct disk_op *op)
{
    struct disk *d = &p->disk;
    switch (op->type) {
    case OP_IDENTITY:
        d->durable.identity = op->identity;
        break;
    case OP_CUT:
        cut(d, op->from);
        break;
    case OP_APPEND:
        append(d, &op->block);
        break;
    case OP_COMPACT:
        drop_until(&d->durable, op->to);
        d->journal_bytes = 0;
        break;
    case OP_RESET:
        reset(p, &op->identity);
        break;
    case OP_SNAPSHOT:
        if (op->index > d->durable.snapshot_index)
            put_snapshot(&d->durable, op);
        break;
    case OP_INSTALL:
        buf_append(&op->bytes, d->receiving.data, d->receiving.len);
        put_snapshot(&d->durable, op);
        if (op->keep)
            drop_until(&d->durable, op->index);
        else
            cut(d, 0);
        d->mark_index = op->keep && d->durable.count ? d->mark_index : op->index;
        d->mark_term = op->keep && d->durable.count ? d->mark_term : op->term;
        break;
    default:
        break;
    }
}

/* ---- completions -------------------------------------------------------------------------------------- */

static void read_entries(struct proc *p, struct disk_op *op, struct node_disk_event *e)
{
    const struct disk_state *s = &p->disk.durable;
    uint64_t first = first_of(s);
    e->block = (struct raft_block){.first = op->from, .last = op->from - 1};
    e->index = op->from;
    if (op->from < first || op->from >= first + s->count)
        return;
    struct buf bytes = BUF_EMPTY;
    for (uint64_t i = op->from;
         i <= op->to && i < first + s->count && (bytes.len == 0 || bytes.len < op->len); i++) {
        const struct blob *b = s->frames[i - first].blob;
        buf_append(&bytes, b->data, b->len);
        e->block.last = i;
    }
    e->block.blob = blob_new(bytes.data, bytes.len);
    e->block.len = bytes.len;
    buf_deinit(&bytes);
}

static void read_piece(struct proc *p, struct disk_op *op, struct node_disk_event *e)
{
    const struct disk_state *s = &p->disk.durable;
    e->index = s->snapshot_index;
    e->term = s->snapshot_term;
    e->offset = op->offset;
    e->total = s->snapshot.len;
    e->ok = s->snapshot_index != 0 && op->offset <= s->snapshot.len;
    if (!e->ok)
        return;
    size_t len = s->snapshot.len - op->offset < op->len ? (size_t)(s->snapshot.len - op->offset) : op->len;
    e->block.blob = blob_new(s->snapshot.data + op->offset, len);
    e->block.len = len;
    e->block.first = 1;
}

static void receive(struct proc *p, struct disk_op *op, struct node_disk_event *e)
{
    struct disk *d = &p->disk;
    if (op->offset == 0) {
        buf_truncate(&d->receiving, 0);
        d->receiving_index = op->index;
        d->receiving_term = op->term;
    }
    e->ok = d->receiving_index == op->index && d->receiving.len == op->offset;
    if (e->ok)
        buf_append(&d->receiving, op->bytes.data, op->bytes.len);
    e->index = op->index;
    e->term = op->term;
    e->offset = d->receiving.len;
    e->last = op->last;
}

/* What is told to the node, if anything. */
static bool result(struct proc *p, struct disk_op *op, struct node_disk_event *e)
{
    *e = (struct node_disk_event){.cookie = op->cookie, .index = op->index, .term = op->term, .ok = true};
    switch (op->type) {
    case OP_IDENTITY:
    case OP_RESET:
        e->type = NODE_DISK_IDENTITY_SAVED;
        return true;
    case OP_APPEND:
        e->type = NODE_DISK_PERSISTED;
        e->index = p->disk.mark_index;
        e->term = p->disk.mark_term;
        return true;
    case OP_CUT:
    case OP_COMPACT:
        return false;
    case OP_SNAPSHOT:
        e->type = NODE_DISK_SNAPSHOT_WRITTEN;
        e->total = op->bytes.len;
        return true;
    case OP_INSTALL:
        e->type = NODE_DISK_SNAPSHOT_INSTALLED;
        return true;
    case OP_READ:
        e->type = NODE_DISK_READ;
        read_entries(p, op, e);
        return true;
    case OP_PIECE:
        e->type = NODE_DISK_SNAPSHOT_PIECE;
        read_piece(p, op, e);
        return true;
    case OP_RECEIVE:
        e->type = NODE_DISK_SNAPSHOT_RECEIVED;
        receive(p, op, e);
        return true;
    }
    return false;
}

static struct disk_op *front(const struct disk *d, uint32_t queue)
{
    return list_empty(&d->ops[queue]) ? NULL : list_entry(d->ops[queue].next, struct disk_op, link);
}

/* One sync for several appends, one word for all of them. */
static bool goes_with(struct proc *p, const struct disk_op *op, const struct disk_op *next)
{
    return next && op->type == OP_APPEND && next->type == OP_APPEND && prng_below(&p->world->chance, 2);
}

void disk_done(struct proc *p, const struct event *event)
{
    struct disk_op *op = front(&p->disk, event->queue);
    if (!op || op->number > event->op)
        return; /* it went with the one before it */
    struct node_disk_event e;
    bool tell;
    for (;;) {
        make_durable(p, op);
        tell = result(p, op, &e);
        struct disk_op *next = op->link.next == &p->disk.ops[event->queue]
                                   ? NULL
                                   : list_entry(op->link.next, struct disk_op, link);
        bool more = goes_with(p, op, next);
        op_free(op);
        if (!more)
            break;
        op = next;
    }
    if (tell)
        node_on_disk(p->node, &e);
    if (e.block.blob)
        blob_unref(e.block.blob);
}

void disk_crash(struct proc *p)
{
    struct disk *d = &p->disk;
    for (uint32_t q = 0; q < QUEUES; q++) {
        bool lost = prng_below(&p->world->chance, 2);
        for (struct disk_op *op; (op = front(d, q)); op_free(op)) {
            lost |= prng_below(&p->world->chance, 3) == 0;
            if (!lost && q != QUEUE_READER)
                make_durable(p, op);
        }
        d->free_at_us[q] = 0;
    }
    buf_truncate(&d->receiving, 0);
}

/* Entries that were promised are gone; the mark still knows. */
void disk_lose_tail(struct proc *p, size_t entries)
{
    struct disk_state *s = &p->disk.durable;
    for (; entries && s->count; entries--)
        blob_unref(s->frames[--s->count].blob);
}

uint64_t disk_end(const struct proc *p)
{
    const struct disk_state *s = &p->disk.durable;
    uint64_t end = s->count ? s->frames[s->count - 1].index : 0;
    return end > s->snapshot_index ? end : s->snapshot_index;
}

const struct frame_at *disk_frame(const struct proc *p, uint64_t index)
{
    const struct disk_state *s = &p->disk.durable;
    if (s->count == 0 || index < s->frames[0].index || index > s->frames[s->count - 1].index)
        return NULL;
    return &s->frames[index - s->frames[0].index];
}

void disk_wipe(struct proc *p)
{
    struct disk *d = &p->disk;
    for (uint32_t q = 0; d->ops[0].next && q < QUEUES; q++)
        for (struct disk_op *op; (op = front(d, q));)
            op_free(op);
    struct node_identity none = {0};
    reset(p, &none);
    mem_free(d->durable.frames);
    buf_deinit(&d->receiving);
    memset(d, 0, sizeof(*d));
}

void disk_recover(struct proc *p, struct node_found *found)
{
    struct disk *d = &p->disk;
    for (uint32_t q = 0; !d->ops[QUEUES - 1].next && q < QUEUES; q++)
        list_init(&d->ops[q]);
    *found = (struct node_found){.identity = d->durable.identity,
                                 .snapshot_index = d->durable.snapshot_index,
                                 .snapshot_term = d->durable.snapshot_term,
                                 .snapshot_bytes = d->durable.snapshot.len};
    drop_until(&d->durable, d->durable.snapshot_index);
    uint64_t end = disk_end(p), term = d->durable.snapshot_term;
    if (d->durable.count)
        term = d->durable.frames[d->durable.count - 1].term;
    found->short_log_found = term < d->mark_term || (term == d->mark_term && end < d->mark_index);
}

void disk_replay(struct proc *p, void (*each)(void *arg, const struct raft_frame *f), void *arg)
{
    const struct disk_state *s = &p->disk.durable;
    for (size_t i = 0; i < s->count; i++) {
        struct raft_frame f;
        bool whole = raft_entry_read(slice_of(s->frames[i].blob->data, s->frames[i].blob->len), true, &f);
        assert(whole);
        each(arg, &f);
    }
}

/* ---- the ports ---------------------------------------------------------------------------------------- */

static void save_identity(void *arg, const struct node_identity *id, uint64_t cookie)
{
    struct disk_op *op = ask(arg, OP_IDENTITY);
    op->identity = *id;
    op->cookie = cookie;
}

static void cut_port(void *arg, uint64_t from)
{
    ask(arg, OP_CUT)->from = from;
}

static void append_port(void *arg, const struct raft_block *block, uint64_t cookie)
{
    struct disk_op *op = ask(arg, OP_APPEND);
    op->block = *block;
    op->cookie = cookie;
    blob_ref(block->blob);
}

static void compact(void *arg, uint64_t upto)
{
    ask(arg, OP_COMPACT)->to = upto;
}

static void reset_port(void *arg, const struct node_identity *id, uint64_t cookie)
{
    struct disk_op *op = ask(arg, OP_RESET);
    op->identity = *id;
    op->cookie = cookie;
}

static void read_port(void *arg, uint64_t cookie, uint64_t first, uint64_t last, size_t max_bytes)
{
    struct disk_op *op = ask(arg, OP_READ);
    op->cookie = cookie;
    op->from = first;
    op->to = last;
    op->len = max_bytes;
}

static bool emit(void *sink, const void *data, size_t len)
{
    buf_append(sink, data, len);
    return true;
}

static void snapshot_write(void *arg, uint64_t index, uint64_t term,
                           bool (*write)(void *node, bool (*emit)(void *sink, const void *data, size_t len),
                                         void *sink),
                           void *node)
{
    struct disk_op *op = ask(arg, OP_SNAPSHOT);
    op->index = index;
    op->term = term;
    bool ok = write(node, emit, &op->bytes);
    assert(ok);
}

static void snapshot_read(void *arg, uint64_t cookie, uint64_t index, uint64_t offset, size_t len)
{
    struct disk_op *op = ask(arg, OP_PIECE);
    op->cookie = cookie;
    op->index = index;
    op->offset = offset;
    op->len = len;
}

static void snapshot_receive(void *arg, uint64_t cookie, uint64_t index, uint64_t term, uint64_t offset,
                             struct slice piece, bool last)
{
    struct disk_op *op = ask(arg, OP_RECEIVE);
    op->cookie = cookie;
    op->index = index;
    op->term = term;
    op->offset = offset;
    op->last = last;
    buf_append_slice(&op->bytes, piece);
}

static void snapshot_install(void *arg, uint64_t index, uint64_t term, bool keep_suffix)
{
    struct disk_op *op = ask(arg, OP_INSTALL);
    op->index = index;
    op->term = term;
    op->keep = keep_suffix;
}

static void disk_state(void *arg, uint64_t *journal_bytes, uint64_t *snapshot_bytes, uint64_t *free_bytes,
                       uint64_t *write_running_us)
{
    const struct proc *p = arg;
    *journal_bytes = p->disk.journal_bytes;
    *snapshot_bytes = p->disk.durable.snapshot.len;
    *free_bytes = UINT64_MAX;
    const struct disk_op *op = front(&p->disk, QUEUE_WRITER);
    uint64_t now_us = p->world->now_us;
    *write_running_us = op && op->begun_us < now_us ? now_us - op->begun_us : 0;
}

void disk_ports(struct node_ports *ports)
{
    ports->save_identity = save_identity;
    ports->cut = cut_port;
    ports->append = append_port;
    ports->compact = compact;
    ports->reset = reset_port;
    ports->read = read_port;
    ports->snapshot_write = snapshot_write;
    ports->snapshot_read = snapshot_read;
    ports->snapshot_receive = snapshot_receive;
    ports->snapshot_install = snapshot_install;
    ports->disk_state = disk_state;
}
