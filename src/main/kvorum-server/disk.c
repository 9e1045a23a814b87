/* The node's disk is the storage room: ports turned into its calls, its events into the node's. */
#include <poll.h>

#include "base/log.h"
#include "main/kvorum-server/process.h"

static struct storage *storage_of(void *arg)
{
    return ((struct process *)arg)->storage;
}

static struct storage_vote vote_of(const struct node_identity *id)
{
    return (struct storage_vote){.node_id = id->node_id,
                                 .cluster_id = id->cluster_id,
                                 .term = id->term,
                                 .voted_for = id->voted_for,
                                 .short_log = id->short_log,
                                 .short_log_until = id->short_log_until,
                                 .diverged = id->diverged,
                                 .had_others = id->had_others};
}

static void save_identity(void *arg, const struct node_identity *id, uint64_t cookie)
{
    struct storage_vote vote = vote_of(id);
    storage_save_vote(storage_of(arg), &vote, cookie);
}

static void reset(void *arg, const struct node_identity *id, uint64_t cookie)
{
    struct storage_vote vote = vote_of(id);
    storage_reset(storage_of(arg), &vote, cookie);
}

static void cut(void *arg, uint64_t from)
{
    storage_cut(storage_of(arg), from);
}

static void append(void *arg, const struct raft_block *block, uint64_t cookie)
{
    storage_append(storage_of(arg), block, cookie);
}

static void compact(void *arg, uint64_t upto)
{
    storage_compact(storage_of(arg), upto);
}

static void read_entries(void *arg, uint64_t cookie, uint64_t first, uint64_t last, size_t max_bytes)
{
    storage_read(storage_of(arg), cookie, first, last, max_bytes);
}

static void snapshot_write(void *arg, uint64_t index, uint64_t term,
                           bool (*write)(void *node, bool (*emit)(void *sink, const void *data, size_t len),
                                         void *sink),
                           void *node)
{
    storage_snapshot_write(storage_of(arg), index, term, write, node);
}

static void snapshot_keep(void *arg, uint64_t index, bool keep)
{
    storage_snapshot_keep(storage_of(arg), index, keep);
}

static void snapshot_read(void *arg, uint64_t cookie, uint64_t index, uint64_t offset, size_t len)
{
    storage_snapshot_read(storage_of(arg), cookie, index, offset, len);
}

static void snapshot_receive(void *arg, uint64_t cookie, uint64_t index, uint64_t term, uint64_t offset,
                             struct slice piece, bool last)
{
    storage_snapshot_receive(storage_of(arg), cookie, index, term, offset, piece, last);
}

static void snapshot_install(void *arg, uint64_t index, uint64_t term, bool keep_suffix)
{
    storage_snapshot_install(storage_of(arg), index, term, keep_suffix);
}

static void disk_state(void *arg, uint64_t *journal_bytes, uint64_t *snapshot_bytes, uint64_t *free_bytes,
                       uint64_t *write_running_us)
{
    struct storage_stats st;
    storage_stats(storage_of(arg), &st);
    *journal_bytes = st.journal_bytes;
    *snapshot_bytes = st.snapshot_bytes;
    *free_bytes = st.disk_free;
    *write_running_us = st.running_us;
}

void disk_bind(struct node_ports *ports)
{
    ports->save_identity = save_identity;
    ports->cut = cut;
    ports->append = append;
    ports->compact = compact;
    ports->reset = reset;
    ports->read = read_entries;
    ports->snapshot_write = snapshot_write;
    ports->snapshot_keep = snapshot_keep;
    ports->snapshot_read = snapshot_read;
    ports->snapshot_receive = snapshot_receive;
    ports->snapshot_install = snapshot_install;
    ports->disk_state = disk_state;
}

static enum node_disk_event_type type_of(enum storage_event_type type)
{
    switch (type) {
    case STORAGE_VOTE_SAVED:
        return NODE_DISK_IDENTITY_SAVED;
    case STORAGE_PERSISTED:
        return NODE_DISK_PERSISTED;
    case STORAGE_READ:
        return NODE_DISK_READ;
    case STORAGE_SNAPSHOT_WRITTEN:
        return NODE_DISK_SNAPSHOT_WRITTEN;
    case STORAGE_SNAPSHOT_PIECE:
        return NODE_DISK_SNAPSHOT_PIECE;
    case STORAGE_SNAPSHOT_RECEIVED:
        return NODE_DISK_SNAPSHOT_RECEIVED;
    case STORAGE_SNAPSHOT_INSTALLED:
        break;
    }
    return NODE_DISK_SNAPSHOT_INSTALLED;
}

static void on_disk(evutil_socket_t fd, short what, void *arg)
{
    struct process *p = arg;
    struct storage_event e;
    (void)fd, (void)what;
    process_wake(p);
    while (storage_poll(p->storage, &e)) {
        struct node_disk_event event = {.type = type_of(e.type),
                                        .cookie = e.cookie,
                                        .index = e.index,
                                        .term = e.term,
                                        .offset = e.offset,
                                        .total = e.total,
                                        .ok = e.ok,
                                        .last = e.last,
                                        .refused = e.refused,
                                        .block = e.block};
        node_on_disk(p->node, &event);
        blob_unref(e.block.blob);
    }
}

void disk_save_id(struct process *p, const struct storage_vote *vote)
{
    struct storage_event e = {0};
    struct pollfd fd = {.fd = storage_fd(p->storage), .events = POLLIN};
    storage_save_vote(p->storage, vote, 0);
    while (e.type != STORAGE_VOTE_SAVED)
        if (!storage_poll(p->storage, &e))
            poll(&fd, 1, -1);
}

bool disk_watch(struct process *p)
{
    p->disk = event_new(p->base, storage_fd(p->storage), EV_READ | EV_PERSIST, on_disk, p);
    return p->disk && event_add(p->disk, NULL) == 0;
}

void disk_found(const struct storage_found *from, struct node_found *to)
{
    *to = (struct node_found){.identity = {.node_id = from->vote.node_id,
                                           .cluster_id = from->vote.cluster_id,
                                           .term = from->vote.term,
                                           .voted_for = from->vote.voted_for,
                                           .short_log = from->vote.short_log,
                                           .short_log_until = from->vote.short_log_until,
                                           .diverged = from->vote.diverged,
                                           .had_others = from->vote.had_others},
                              .short_log_found = from->short_log_found,
                              .snapshot_index = from->snapshot_index,
                              .snapshot_term = from->snapshot_term,
                              .snapshot_bytes = from->snapshot_bytes};
}
