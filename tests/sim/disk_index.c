/* What is durable, entry by entry, for check.c. */
#include "world_int.h"

#include "base/alloc.h"

#include <assert.h>
#include <string.h>

static struct frame_at *at(const struct frame_index *x, size_t i)
{
    return &x->at[x->head + i];
}

static void push(struct frame_index *x, const struct raft_frame *f, const char *bytes)
{
    if (x->head + x->count == x->cap && x->head > x->count) {
        memmove(x->at, x->at + x->head, x->count * sizeof(*x->at));
        x->head = 0;
    } else if (x->head + x->count == x->cap) {
        x->cap = x->cap ? x->cap * 2 : 256;
        x->at = mem_realloc(x->at, x->cap * sizeof(*x->at));
    }
    *at(x, x->count++) = (struct frame_at){.index = f->index,
                                           .term = f->term,
                                           .sum = load_u32(bytes + 4),
                                           .len = (uint32_t)f->len,
                                           .kind = f->kind};
    x->bytes += f->len;
}

static void append_frames(struct frame_index *x, const char *bytes, size_t len)
{
    while (len > 0) {
        struct raft_frame f;
        bool whole = raft_entry_read(slice_of(bytes, len), false, &f);
        assert(whole);
        assert(x->count == 0 || at(x, x->count - 1)->index + 1 == f.index);
        push(x, &f, bytes);
        bytes += f.len;
        len -= f.len;
    }
}

void index_append(struct frame_index *x, const struct raft_block *block)
{
    index_cut(x, block->first);
    append_frames(x, block->blob->data + block->offset, block->len);
}

void index_cut(struct frame_index *x, uint64_t from)
{
    while (x->count && at(x, x->count - 1)->index >= from)
        x->bytes -= at(x, --x->count)->len;
}

void index_drop_until(struct frame_index *x, uint64_t upto)
{
    while (x->count && at(x, 0)->index <= upto) {
        x->bytes -= at(x, 0)->len;
        x->head++;
        x->count--;
    }
}

void index_free(struct frame_index *x)
{
    mem_free(x->at);
    *x = (struct frame_index){0};
}

/* As recovery would find it, without its judgement: up to the first block that does not follow. */
void index_rebuild(struct proc *p)
{
    struct disk *d = &p->disk;
    uint64_t next = d->durable.snapshot_index + 1;
    struct kv *kv = files_kv(p, d->stable.record.generation);
    d->index.count = d->index.head = d->index.bytes = 0;
    if (!kv || d->platter.store_gone)
        return;
    struct kv_cursor *c = kv->cursor(kv);
    struct journal_key key = journal_key(next);
    c->seek_back(c, journal_key_slice(&key));
    if (!c->valid && !c->failed)
        c->seek(c, journal_key_slice(&key));
    for (; c->valid; c->next(c)) {
        struct journal_block b;
        if (journal_block_read(c->value, &b) || b.first != journal_key_index(c->key))
            break;
        if (b.last < next && d->index.count == 0)
            continue; /* a leftover below the snapshot */
        if (b.first > next || b.last < next || journal_block_verify(&b))
            break;
        size_t offset = journal_block_offset(&b, next);
        append_frames(&d->index, b.frames.data + offset, b.frames.len - offset);
        next = b.last + 1;
    }
    c->close(c);
}

uint64_t index_term(const struct disk *d, uint64_t index)
{
    const struct frame_index *x = &d->index;
    if (index == d->durable.snapshot_index)
        return d->durable.snapshot_term;
    if (x->count == 0 || index < at(x, 0)->index || index > at(x, x->count - 1)->index)
        return 0;
    return at(x, index - at(x, 0)->index)->term;
}

uint64_t disk_end(const struct proc *p)
{
    const struct frame_index *x = &p->disk.index;
    uint64_t end = x->count ? at(x, x->count - 1)->index : 0;
    return end > p->disk.durable.snapshot_index ? end : p->disk.durable.snapshot_index;
}

const struct frame_at *disk_frame(const struct proc *p, uint64_t index)
{
    const struct frame_index *x = &p->disk.index;
    if (x->count == 0 || index < at(x, 0)->index || index > at(x, x->count - 1)->index)
        return NULL;
    return at(x, index - at(x, 0)->index);
}
