/* The world's disks as nodes see them: what is asked is done in order, takes time, and counts only when it is done; appends
 * that wait together are done, and told, together. */
#include "world_int.h"

#include "../support/kv_memory.h"
#include "base/alloc.h"

#include <assert.h>
#include <string.h>

enum { BATCH_MAX = 16 };

static enum disk_queue queue_of(enum disk_op_type type)
{
    if (type == OP_SNAPSHOT)
        return QUEUE_CHILD;
    return type == OP_READ || type == OP_PIECE || type == OP_RECEIVE ? QUEUE_READER : QUEUE_WRITER;
}

static struct disk_op *ask(struct proc *p, enum disk_op_type type)
{
    struct world *w = p->world;
    struct disk *d = &p->disk;
    enum disk_queue q = queue_of(type);
    struct disk_op *op = mem_calloc(1, sizeof(*op));
    op->type = type;
    op->number = ++d->op;
    op->asked_us = w->now_us;
    op->dead = p->ending;
    uint64_t at_us = d->free_at_us[q] > w->now_us ? d->free_at_us[q] : w->now_us;
    if (type == OP_READ && at_us < d->free_at_us[QUEUE_WRITER]) /* it sees what was written before it */
        at_us = d->free_at_us[QUEUE_WRITER];
    struct disk_op *before = list_empty(&d->ops[q]) ? NULL : list_entry(d->ops[q].prev, struct disk_op, link);
    /* Appends that wait while another write is running share the next one. */
    op->joined = type == OP_APPEND && before && before->type == OP_APPEND && before->begun_us > w->now_us;
    op->begun_us = op->joined ? before->begun_us : at_us;
    if (!op->joined)
        at_us += 1 + prng_below(&w->chance, (d->slow_us ? d->slow_us : w->config.disk_us) + 1);
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
    blob_unref(op->block.blob);
    blob_unref(op->bytes);
    mem_free(op);
}

static struct disk_op *front(const struct disk *d, uint32_t queue)
{
    return list_empty(&d->ops[queue]) ? NULL : list_entry(d->ops[queue].next, struct disk_op, link);
}

static struct disk_op *next_of(const struct disk *d, const struct disk_op *op, uint32_t queue)
{
    return op->link.next == &d->ops[queue] ? NULL : list_entry(op->link.next, struct disk_op, link);
}

/* ---- steps -------------------------------------------------------------------------------------------- */

bool disk_step(struct disk *d, bool sync)
{
    if (!d->broken && d->steps_left && --d->steps_left == 0)
        d->broken = true;
    if (!d->broken && (sync ? d->fail_sync : d->fail_write))
        d->broken = true;
    return !d->broken;
}

void disk_die(struct proc *p, const char *why)
{
    p->disk.broken = true;
    p->world->disk_counts.ended++;
    world_end(p, why);
}

/* ---- the reader --------------------------------------------------------------------------------------- */

static bool read_entries(struct proc *p, struct disk_op *op, struct node_disk_event *e)
{
    struct journal_view view = stable_view(&p->disk.stable);
    char error[KV_ERROR_MAX];
    e->index = op->from;
    return journal_read(&view, op->from, op->to, op->len, &e->block, error);
}

/* The file asked for, while it is still open, else the newest. */
static bool open_snapshot(struct disk *d, uint64_t index)
{
    if (d->open_file && d->open_id.index == index && d->open_id.generation == d->newest.generation)
        return true;
    struct disk_snapshot *s = d->newest.index ? files_snapshot(d, &d->newest) : NULL;
    blob_unref(d->open_file);
    d->open_file = s ? blob_ref(s->bytes) : NULL;
    disk_take_sums(&d->open_sums, s ? blob_ref(d->newest_sums) : NULL);
    d->open_id = d->newest;
    return s != NULL;
}

/* What does not read as it was verified is none any more. */
static void give_up(struct proc *p)
{
    struct disk *d = &p->disk;
    bool newest = d->open_id.index == d->newest.index && d->open_id.generation == d->newest.generation;
    blob_unref(d->open_file);
    d->open_file = NULL;
    if (!newest)
        return;
    files_set_aside(p, &d->newest);
    d->newest = (struct snapshot_id){0};
}

static bool read_open(const struct disk *d, const struct disk_op *op, struct node_disk_event *e)
{
    size_t whole = op->len;
    uint64_t from = snapshot_blocks_around(d->open_id.bytes, op->offset, &whole);
    struct slice blocks = slice_of(d->open_file->data + from, whole);
    if (!snapshot_blocks_good(d->open_sums, from, blocks))
        return false;
    e->block.offset = whole ? (size_t)(op->offset - from) : 0;
    e->block.len = whole - e->block.offset < op->len ? whole - e->block.offset : op->len;
    e->block.blob = blob_new(blocks.data, blocks.len);
    return true;
}

static void read_piece(struct proc *p, struct disk_op *op, struct node_disk_event *e)
{
    struct disk *d = &p->disk;
    for (e->ok = false; !e->ok && open_snapshot(d, op->index);) {
        e->ok = read_open(d, op, e);
        if (!e->ok)
            give_up(p);
    }
    if (!e->ok)
        return;
    e->index = d->open_id.index;
    e->term = d->open_id.term;
    e->offset = op->offset;
    e->total = d->open_id.bytes;
}

static void receive(struct proc *p, struct disk_op *op, struct node_disk_event *e)
{
    struct disk *d = &p->disk;
    struct snapshot_id id = {.generation = d->stable.record.generation, .index = op->index, .term = op->term};
    if (op->offset == 0) {
        d->received = (struct snapshot_id){0};
        buf_truncate(&d->receiving, 0);
        snapshot_sum_deinit(&d->receiving_sum);
        d->receiving_sum = (struct snapshot_sum){0};
        d->receiving_id = id;
    }
    e->ok = d->receiving_id.index == id.index && d->receiving_id.term == id.term &&
            d->receiving_sum.bytes == op->offset;
    if (e->ok) {
        buf_append(&d->receiving, op->bytes->data, op->bytes->len);
        snapshot_sum_add(&d->receiving_sum, op->bytes->data, op->bytes->len);
    }
    e->offset = d->receiving_sum.bytes;
    e->last = op->last;
    if (!e->ok || !op->last)
        return;
    e->total = id.bytes = d->receiving_sum.bytes;
    disk_take_sums(&d->received_sums, snapshot_sum_end(&d->receiving_sum));
    e->ok = d->received_sums != NULL;
    if (e->ok)
        d->received = id;
    else
        d->receiving_id = (struct snapshot_id){0};
}

/* ---- completions -------------------------------------------------------------------------------------- */

/* The child has written and synced it; it is read back and put in place. */
static bool publish(struct proc *p, struct disk_op *op)
{
    struct disk *d = &p->disk;
    struct snapshot_id id = {.generation = op->from, .index = op->index, .term = op->term};
    struct snapshot_sum sum = {0};
    snapshot_sum_add(&sum, op->bytes->data, op->bytes->len);
    struct blob *sums = snapshot_sum_end(&sum);
    op->ok = sums && !d->no_space && op->word == WORD_GIVEN && op->keep &&
             id.generation == d->stable.record.generation;
    id.bytes = sum.bytes;
    if (op->ok)
        return files_publish(p, &id, op->bytes, sums, &op->ok);
    blob_unref(sums);
    return true;
}

/* What is told to the node, if anything. *good false: the disk has failed. */
static bool result(struct proc *p, struct disk_op *op, struct node_disk_event *e, bool *good)
{
    *e = (struct node_disk_event){.cookie = op->cookie, .index = op->index, .term = op->term, .ok = true};
    switch (op->type) {
    case OP_IDENTITY:
    case OP_RESET:
        e->type = NODE_DISK_IDENTITY_SAVED;
        p->disk.told = p->disk.durable.identity;
        return true;
    case OP_APPEND:
        e->type = NODE_DISK_PERSISTED;
        e->index = p->disk.stable.journal.last;
        e->term = p->disk.stable.journal.last_term;
        return true;
    case OP_CUT:
    case OP_COMPACT:
    case OP_FSYNC_MODE:
        return false;
    case OP_SNAPSHOT:
        e->type = NODE_DISK_SNAPSHOT_WRITTEN;
        e->total = op->bytes->len;
        e->ok = op->ok;
        return true;
    case OP_INSTALL:
        e->type = NODE_DISK_SNAPSHOT_INSTALLED;
        e->ok = op->ok;
        return true;
    case OP_READ:
        e->type = NODE_DISK_READ;
        *good = read_entries(p, op, e);
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

/* One sync for several appends, one word for all of them. */
static size_t take_batch(struct proc *p, struct disk_op *first, uint32_t queue, struct disk_op **ops)
{
    size_t count = 1;
    ops[0] = first;
    for (struct disk_op *op; first->type == OP_APPEND && count < BATCH_MAX; ops[count++] = op) {
        op = next_of(&p->disk, ops[count - 1], queue);
        if (!op || op->type != OP_APPEND || (!op->joined && prng_below(&p->world->chance, 2)))
            break;
    }
    return count;
}

static bool run(struct proc *p, struct disk_op *const *ops, size_t count, uint32_t queue)
{
    if (queue == QUEUE_WRITER)
        return write_batch(p, ops, count);
    return queue != QUEUE_CHILD || publish(p, ops[0]);
}

void disk_done(struct proc *p, const struct event *event)
{
    struct disk *d = &p->disk;
    struct disk_op *op = front(d, event->queue), *ops[BATCH_MAX];
    struct node_disk_event e;
    if (!op || op->number > event->op)
        return; /* it went with the one before it */
    if (op->type == OP_SNAPSHOT && op->word == WORD_AWAITED) {
        op->last = true;
        return;
    }
    size_t count = take_batch(p, op, event->queue, ops);
    d->ended_us[event->queue] = p->world->now_us;
    bool good = run(p, ops, count, event->queue);
    bool tell = good && result(p, ops[count - 1], &e, &good);
    for (size_t i = 0; i < count; i++)
        op_free(ops[i]);
    if (!good)
        disk_die(p, "the disk failed, or what it gave was damaged");
    else if (tell)
        node_on_disk(p->node, &e);
    if (tell)
        blob_unref(e.block.blob);
}

/* ---- crashes ------------------------------------------------------------------------------------------ */

/* What was under way may have come some steps further. */
static void go_on_a_little(struct proc *p, uint32_t queue)
{
    struct disk *d = &p->disk;
    struct disk_op *op, *ops[BATCH_MAX];
    bool any = prng_below(&p->world->chance, 2) && queue != QUEUE_READER && !d->broken;
    if (any)
        d->steps_left = 1 + (uint32_t)prng_below(&p->world->chance, 8);
    while (any && !d->broken && (op = front(d, queue)) && !op->dead && op->begun_us <= p->world->now_us) {
        size_t count = take_batch(p, op, queue, ops);
        run(p, ops, count, queue);
        p->world->disk_counts.crashes_torn += d->broken;
        for (size_t i = 0; i < count; i++)
            op_free(ops[i]);
    }
    while ((op = front(d, queue)))
        op_free(op);
    d->free_at_us[queue] = 0;
}

void disk_crash(struct proc *p)
{
    struct disk *d = &p->disk;
    struct prng *chance = &p->world->chance;
    bool power_cut = d->power_cut || d->fail_sync || prng_below(chance, 2);
    for (uint32_t q = 0; q < QUEUES; q++)
        go_on_a_little(p, q);
    journal_deinit(&d->stable.journal);
    buf_truncate(&d->receiving, 0);
    snapshot_sum_deinit(&d->receiving_sum);
    blob_unref(d->open_file);
    d->open_file = NULL;
    d->receiving_id = (struct snapshot_id){0};
    d->broken = d->fail_write = d->fail_sync = d->no_space = d->unsynced = false;
    d->steps_left = 0;
    d->recovery_steps = prng_below(chance, 8) ? 0 : 1 + (uint32_t)prng_below(chance, 12);
    p->world->disk_counts.power_cuts += power_cut;
    p->world->disk_counts.kills += !power_cut;
    files_crash(p, power_cut);
    d->power_cut = d->tear_mark = false;
    d->left_unsynced = d->fsync != STORAGE_FSYNC_ALWAYS;
    if (power_cut && d->left_unsynced)
        disk_note_damage(p, UINT64_MAX);
    disk_look(p);
}

void world_disk_calm_node(struct world *w, uint32_t i)
{
    struct disk *d = &w->nodes[i].disk;
    struct kv *kv = d->stable.journal.kv;
    d->fail_write = d->fail_sync = d->no_space = d->power_cut = d->tear_mark = false;
    d->free_bytes = UINT64_MAX;
    d->slow_us = 0;
    if (w->nodes[i].node && kv)
        kv_memory_misread(kv, 0);
    if (w->nodes[i].node && world_disk_rarely_synced(w, i))
        world_fsync(w, i, STORAGE_FSYNC_ALWAYS);
    else if (!w->nodes[i].node)
        d->fsync = STORAGE_FSYNC_ALWAYS;
}

void world_disk_calm(struct world *w)
{
    for (uint32_t i = 0; i < w->count; i++)
        world_disk_calm_node(w, i);
}

static void drop_everything(struct disk *d)
{
    for (uint32_t q = 0; d->ops[0].next && q < QUEUES; q++)
        for (struct disk_op *op; (op = front(d, q));)
            op_free(op);
    journal_deinit(&d->stable.journal);
    files_free(&d->platter);
    index_free(&d->index);
    buf_deinit(&d->receiving);
    snapshot_sum_deinit(&d->receiving_sum);
    blob_unref(d->open_file);
    blob_unref(d->open_sums);
    blob_unref(d->newest_sums);
    blob_unref(d->received_sums);
    if (d->backup)
        files_free(d->backup);
    mem_free(d->backup);
}

void disk_free(struct proc *p)
{
    drop_everything(&p->disk);
}

void disk_wipe(struct proc *p)
{
    struct disk *d = &p->disk;
    uint64_t boot = d->boot, lost_id = d->durable.identity.node_id ? d->durable.identity.node_id : d->lost_id;
    bool replace = d->durable.identity.cluster_id || d->needs_replacing;
    drop_everything(d);
    memset(d, 0, sizeof(*d));
    d->boot = boot;
    if (replace) {
        d->damaged = d->needs_replacing = true;
        d->lost_id = lost_id;
    }
    files_init(d);
}

void files_init(struct disk *d)
{
    for (uint32_t q = 0; !d->ops[QUEUES - 1].next && q < QUEUES; q++)
        list_init(&d->ops[q]);
    d->free_bytes = d->free_bytes ? d->free_bytes : UINT64_MAX;
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
    struct proc *p = arg;
    struct disk_op *op = ask(arg, OP_SNAPSHOT);
    struct buf bytes = BUF_EMPTY;
    op->index = index;
    op->term = term;
    op->from = p->disk.stable.record.generation;
    bool ok = write(node, emit, &bytes);
    assert(ok);
    op->bytes = blob_new(bytes.data, bytes.len);
    buf_deinit(&bytes);
}

static void snapshot_keep(void *arg, uint64_t index, bool keep)
{
    struct proc *p = arg;
    list_for_each(it, &p->disk.ops[QUEUE_CHILD])
    {
        struct disk_op *op = list_entry(it, struct disk_op, link);
        if (op->index != index || op->word == WORD_GIVEN)
            continue;
        op->word = WORD_GIVEN;
        op->keep = keep;
        if (!op->last)
            continue;
        struct event *e = world_later(p->world, 0, EVENT_DISK, p->number);
        e->queue = QUEUE_CHILD;
        e->op = op->number;
    }
}

static void snapshot_read(void *arg, uint64_t cookie, uint64_t index, uint64_t offset, size_t len)
{
    struct disk_op *op = ask(arg, OP_PIECE);
    op->cookie = cookie;
    op->index = index;
    op->offset = offset;
    op->len = len;
}

static void receive_port(void *arg, uint64_t cookie, uint64_t index, uint64_t term, uint64_t offset,
                         struct slice piece, bool last)
{
    struct disk_op *op = ask(arg, OP_RECEIVE);
    op->cookie = cookie;
    op->index = index;
    op->term = term;
    op->offset = offset;
    op->last = last;
    op->bytes = blob_new(piece.data, piece.len);
}

static void snapshot_install(void *arg, uint64_t index, uint64_t term, bool keep_suffix)
{
    struct disk_op *op = ask(arg, OP_INSTALL);
    op->index = index;
    op->term = term;
    op->keep = keep_suffix;
}

bool world_disk_rarely_synced(const struct world *w, uint32_t i)
{
    const struct disk *d = &w->nodes[i].disk;
    bool rarely = d->fsync != STORAGE_FSYNC_ALWAYS || d->left_unsynced;
    if (!d->ops[QUEUE_WRITER].next) /* it never ran */
        return rarely;
    list_for_each(it, &d->ops[QUEUE_WRITER]) rarely =
        rarely || list_entry(it, struct disk_op, link)->type == OP_FSYNC_MODE;
    return rarely;
}

void world_fsync(struct world *w, uint32_t i, enum storage_fsync mode)
{
    if (w->nodes[i].node)
        ask(&w->nodes[i], OP_FSYNC_MODE)->fsync = mode;
}

static void disk_state(void *arg, uint64_t *journal_bytes, uint64_t *snapshot_bytes, uint64_t *free_bytes,
                       uint64_t *write_running_us)
{
    const struct proc *p = arg;
    *journal_bytes =
        p->disk.index.bytes; /* the journal's own count is as exact as a milestone: too coarse here */
    *snapshot_bytes = p->disk.newest.bytes;
    *free_bytes = p->disk.free_bytes;
    const struct disk_op *op = front(&p->disk, QUEUE_WRITER);
    uint64_t ended_us = p->disk.ended_us[QUEUE_WRITER];
    *write_running_us = op ? p->world->now_us - (op->asked_us > ended_us ? op->asked_us : ended_us) : 0;
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
    ports->snapshot_keep = snapshot_keep;
    ports->snapshot_read = snapshot_read;
    ports->snapshot_receive = receive_port;
    ports->snapshot_install = snapshot_install;
    ports->disk_state = disk_state;
}
