/* See node_disk.h. */
#include "node_disk.h"

#include "base/alloc.h"
#include "fuzz.h"

enum op_type { IDENTITY, CUT, APPEND, COMPACT, RESET, READ, WRITE_SNAPSHOT, READ_SNAPSHOT, RECEIVE, INSTALL };

struct op {
    struct list link;
    enum op_type type;
    struct node_identity identity;
    struct raft_block block;
    struct buf bytes;
    uint64_t cookie, first, last, term, offset;
    size_t len;
    bool flag;
};

/* The ports get the node's world as their argument; this file's disk is the only one there is. */
static struct disk *the_disk;

static struct op *ask(enum op_type type)
{
    struct op *o = mem_calloc(1, sizeof *o);
    o->type = type;
    list_push_back(&the_disk->ops, &o->link);
    return o;
}

static void op_free(struct op *o)
{
    list_remove(&o->link);
    blob_unref(o->block.blob);
    buf_deinit(&o->bytes);
    mem_free(o);
}

/* ---- the ports ---- */

static void save_identity(void *arg, const struct node_identity *id, uint64_t cookie)
{
    (void)arg;
    struct op *o = ask(IDENTITY);
    o->identity = *id;
    o->cookie = cookie;
}

static void cut(void *arg, uint64_t from)
{
    (void)arg;
    ask(CUT)->first = from;
}

static void append(void *arg, const struct raft_block *block, uint64_t cookie)
{
    (void)arg;
    fuzz_check(block->last >= block->first && block->offset + block->len <= block->blob->len);
    struct op *o = ask(APPEND);
    o->block = *block;
    blob_ref(o->block.blob);
    o->cookie = cookie;
}

static void compact(void *arg, uint64_t upto)
{
    (void)arg;
    ask(COMPACT)->last = upto;
}

static void reset(void *arg, const struct node_identity *id, uint64_t cookie)
{
    (void)arg;
    struct op *o = ask(RESET);
    o->identity = *id;
    o->cookie = cookie;
}

static void read_entries(void *arg, uint64_t cookie, uint64_t first, uint64_t last, size_t max_bytes)
{
    (void)arg;
    struct op *o = ask(READ);
    o->cookie = cookie;
    o->first = first;
    o->last = last;
    o->len = max_bytes;
}

static bool emit(void *arg, const void *data, size_t len)
{
    buf_append(arg, data, len);
    return true;
}

static void snapshot_write(void *arg, uint64_t index, uint64_t term,
                           bool (*write)(void *node, bool (*emit)(void *sink, const void *data, size_t len),
                                         void *sink),
                           void *node)
{
    (void)arg;
    struct op *o = ask(WRITE_SNAPSHOT);
    o->first = index;
    o->term = term;
    fuzz_check(write(node, emit, &o->bytes) && !the_disk->written);
    list_remove(&o->link);
    the_disk->written = o;
}

static void snapshot_keep(void *arg, uint64_t index, bool keep)
{
    (void)arg;
    struct op *o = the_disk->written;
    fuzz_check(o && o->first == index);
    the_disk->written = NULL;
    o->flag = keep;
    list_push_back(&the_disk->ops, &o->link);
}

static void snapshot_read(void *arg, uint64_t cookie, uint64_t index, uint64_t offset, size_t len)
{
    (void)arg, (void)index;
    struct op *o = ask(READ_SNAPSHOT);
    o->cookie = cookie;
    o->offset = offset;
    o->len = len;
}

static void snapshot_receive(void *arg, uint64_t cookie, uint64_t index, uint64_t term, uint64_t offset,
                             struct slice piece, bool last)
{
    (void)arg;
    struct op *o = ask(RECEIVE);
    o->cookie = cookie;
    o->first = index;
    o->term = term;
    o->offset = offset;
    o->flag = last;
    buf_append_slice(&o->bytes, piece);
}

static void snapshot_install(void *arg, uint64_t index, uint64_t term, bool keep_suffix)
{
    (void)arg;
    struct op *o = ask(INSTALL);
    o->first = index;
    o->term = term;
    o->flag = keep_suffix;
}

static void disk_state(void *arg, uint64_t *journal_bytes, uint64_t *snapshot_bytes, uint64_t *free_bytes,
                       uint64_t *write_running_us)
{
    (void)arg;
    *journal_bytes = the_disk->bytes;
    *snapshot_bytes = the_disk->snapshot.len;
    *free_bytes = UINT64_MAX;
    *write_running_us = 0;
}

void disk_ports(struct node_ports *p, struct disk *d)
{
    the_disk = d;
    p->save_identity = save_identity;
    p->cut = cut;
    p->append = append;
    p->compact = compact;
    p->reset = reset;
    p->read = read_entries;
    p->snapshot_write = snapshot_write;
    p->snapshot_keep = snapshot_keep;
    p->snapshot_read = snapshot_read;
    p->snapshot_receive = snapshot_receive;
    p->snapshot_install = snapshot_install;
    p->disk_state = disk_state;
}

/* ---- what is durable ---- */

static void drop_from(struct disk *d, uint64_t from)
{
    while (d->last >= d->first && d->last >= from)
        blob_unref(d->frames[d->last-- - d->first]);
}

static void drop_until(struct disk *d, uint64_t upto)
{
    size_t n = 0, count = (size_t)(d->last + 1 - d->first);
    while (n < count && d->first + n <= upto)
        blob_unref(d->frames[n++]);
    memmove(d->frames, d->frames + n, (count - n) * sizeof *d->frames);
    d->first += n;
}

static void drop_all(struct disk *d, uint64_t index)
{
    drop_from(d, 0);
    d->first = index + 1;
    d->last = index;
}

void disk_lay(struct disk *d, struct slice frames)
{
    while (frames.len) {
        struct raft_frame f;
        fuzz_check(raft_entry_read(frames, false, &f) && f.index == d->last + 1);
        size_t place = (size_t)(f.index - d->first);
        if (place >= d->cap) {
            d->cap = d->cap ? d->cap * 2 : 64;
            d->frames = mem_realloc(d->frames, d->cap * sizeof *d->frames);
        }
        d->frames[place] = blob_new(frames.data, f.len);
        d->last++;
        d->bytes += f.len;
        frames = slice_of(frames.data + f.len, frames.len - f.len);
    }
}

void disk_replay(struct disk *d, void (*each)(void *arg, const struct raft_frame *f), void *arg)
{
    for (uint64_t i = d->first; i <= d->last; i++) {
        const struct blob *b = d->frames[i - d->first];
        struct raft_frame f;
        fuzz_check(raft_entry_read(slice_of(b->data, b->len), false, &f));
        each(arg, &f);
    }
}

static uint64_t last_term(const struct disk *d)
{
    struct raft_frame f;
    if (d->last < d->first)
        return d->snapshot_term;
    const struct blob *b = d->frames[d->last - d->first];
    fuzz_check(raft_entry_read(slice_of(b->data, b->len), false, &f));
    return f.term;
}

static void do_read(struct disk *d, const struct op *o, struct node_disk_event *e)
{
    e->block = (struct raft_block){.first = o->first, .last = o->first - 1};
    if (o->first < d->first || o->first > d->last)
        return;
    struct buf bytes = BUF_EMPTY;
    for (uint64_t i = o->first; i <= o->last && i <= d->last && (bytes.len == 0 || bytes.len < o->len); i++) {
        buf_append(&bytes, d->frames[i - d->first]->data, d->frames[i - d->first]->len);
        e->block.last = i;
    }
    e->block.blob = blob_new(bytes.data, bytes.len);
    e->block.len = bytes.len;
    buf_deinit(&bytes);
}

static void do_read_snapshot(const struct disk *d, const struct op *o, struct node_disk_event *e)
{
    e->index = d->snapshot_index;
    e->term = d->snapshot_term;
    e->offset = o->offset;
    e->total = d->snapshot.len;
    e->ok = d->snapshot_index && o->offset <= d->snapshot.len;
    if (!e->ok)
        return;
    size_t left = d->snapshot.len - (size_t)o->offset, len = left < o->len ? left : o->len;
    e->block =
        (struct raft_block){.first = 1,
                            .last = 1,
                            .blob = blob_new(d->snapshot.data ? d->snapshot.data + o->offset : NULL, len),
                            .len = len};
}

static void do_receive(struct disk *d, const struct op *o, struct node_disk_event *e)
{
    if (o->offset == 0) {
        buf_truncate(&d->receiving, 0);
        d->receiving_index = o->first;
    }
    e->ok = d->receiving_index == o->first && d->receiving.len == o->offset;
    if (e->ok)
        buf_append(&d->receiving, o->bytes.data, o->bytes.len);
    e->offset = d->receiving.len;
    e->last = o->flag;
}

static void take_snapshot(struct disk *d, const struct op *o, struct slice bytes)
{
    struct buf file = BUF_EMPTY;
    buf_append_slice(&file, bytes);
    buf_deinit(&d->snapshot);
    d->snapshot = file;
    d->snapshot_index = o->first;
    d->snapshot_term = o->term;
}

/* false: nothing is told of it. */
static bool perform(struct disk *d, const struct op *o, struct node_disk_event *e)
{
    *e = (struct node_disk_event){.cookie = o->cookie, .index = o->first, .term = o->term, .ok = true};
    switch (o->type) {
    case RESET:
        drop_all(d, 0);
        buf_deinit(&d->snapshot);
        d->snapshot_index = d->snapshot_term = 0;
        /* fallthrough */
    case IDENTITY:
        d->identity = o->identity;
        e->type = NODE_DISK_IDENTITY_SAVED;
        return true;
    case CUT:
        fuzz_check(o->first > d->snapshot_index);
        drop_from(d, o->first);
        return false;
    case APPEND:
        fuzz_check(o->block.first == d->last + 1);
        disk_lay(d, slice_of(o->block.blob->data + o->block.offset, o->block.len));
        e->type = NODE_DISK_PERSISTED;
        e->index = d->last;
        e->term = last_term(d);
        return true;
    case COMPACT:
        drop_until(d, o->last < d->snapshot_index ? o->last : d->snapshot_index);
        d->bytes = 0;
        return false;
    case READ:
        e->type = NODE_DISK_READ;
        do_read(d, o, e);
        return true;
    case WRITE_SNAPSHOT:
        if (o->flag && o->first > d->snapshot_index)
            take_snapshot(d, o, buf_slice(&o->bytes));
        e->type = NODE_DISK_SNAPSHOT_WRITTEN;
        e->total = o->bytes.len;
        e->ok = o->flag;
        return true;
    case READ_SNAPSHOT:
        e->type = NODE_DISK_SNAPSHOT_PIECE;
        do_read_snapshot(d, o, e);
        return true;
    case RECEIVE:
        e->type = NODE_DISK_SNAPSHOT_RECEIVED;
        do_receive(d, o, e);
        return true;
    case INSTALL:
        take_snapshot(d, o, buf_slice(&d->receiving));
        if (o->flag)
            drop_until(d, o->first);
        else
            drop_all(d, o->first);
        e->type = NODE_DISK_SNAPSHOT_INSTALLED;
        return true;
    }
    return false;
}

void disk_finish(struct disk *d, struct node *n, size_t count)
{
    for (; count > 0 && !list_empty(&d->ops); count--) {
        struct op *o = list_entry(d->ops.next, struct op, link);
        struct node_disk_event e;
        bool tell = perform(d, o, &e);
        op_free(o);
        if (tell)
            node_on_disk(n, &e);
        blob_unref(e.block.blob);
    }
}

void disk_init(struct disk *d)
{
    *d = (struct disk){.first = 1};
    list_init(&d->ops);
}

void disk_deinit(struct disk *d)
{
    if (d->written)
        list_push_back(&d->ops, &d->written->link);
    while (!list_empty(&d->ops))
        op_free(list_entry(d->ops.next, struct op, link));
    drop_all(d, 0);
    mem_free(d->frames);
    buf_deinit(&d->snapshot);
    buf_deinit(&d->receiving);
}
