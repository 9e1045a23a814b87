/* Storage as the node's disk. */
#include "process.h"

#include "base/log.h"

#include <string.h>
#include <sys/statvfs.h>

static struct storage_vote vote_of(const struct node_identity *id)
{
    return (struct storage_vote){.node_id = id->node_id,
                                 .cluster_id = id->cluster_id,
                                 .term = id->term,
                                 .voted_for = id->voted_for,
                                 .short_log = id->short_log,
                                 .short_log_until = id->short_log_until};
}

void disk_fill_found(const struct storage_found *from, struct node_found *to)
{
    const struct storage_vote *v = &from->vote;
    *to = (struct node_found){.identity = {.node_id = v->node_id,
                                           .cluster_id = v->cluster_id,
                                           .term = v->term,
                                           .voted_for = v->voted_for,
                                           .short_log = v->short_log,
                                           .short_log_until = v->short_log_until},
                              .short_log_found = from->short_log_found,
                              .snapshot_index = from->snapshot_index,
                              .snapshot_term = from->snapshot_term,
                              .snapshot_bytes = from->snapshot_bytes};
}

static void save_identity(void *arg, const struct node_identity *id, uint64_t cookie)
{
    struct process *p = arg;
    struct storage_vote vote = vote_of(id);
    storage_save_vote(p->storage, &vote, cookie);
}

static void cut(void *arg, uint64_t from)
{
    struct process *p = arg;
    storage_cut(p->storage, from);
}

static void append(void *arg, const struct raft_block *block, uint64_t cookie)
{
    struct process *p = arg;
    storage_append(p->storage, block, cookie);
}

static void compact(void *arg, uint64_t upto)
{
    struct process *p = arg;
    storage_compact(p->storage, upto);
}

static void reset(void *arg, const struct node_identity *id, uint64_t cookie)
{
    struct process *p = arg;
    struct storage_vote vote = vote_of(id);
    storage_reset(p->storage, &vote, cookie);
}

static void read_entries(void *arg, uint64_t cookie, uint64_t first, uint64_t last, size_t max_bytes)
{
    struct process *p = arg;
    storage_read(p->storage, cookie, first, last, max_bytes);
}

static void snapshot_write(void *arg, uint64_t index, uint64_t term,
                           bool (*write)(void *node, bool (*emit)(void *sink, const void *data, size_t len), void *sink),
                           void *node)
{
    struct process *p = arg;
    storage_snapshot_write(p->storage, index, term, write, node);
}

static void snapshot_read(void *arg, uint64_t cookie, uint64_t index, uint64_t offset, size_t len)
{
    struct process *p = arg;
    storage_snapshot_read(p->storage, cookie, index, offset, len);
}

static void snapshot_receive(void *arg, uint64_t cookie, uint64_t index, uint64_t term, uint64_t offset,
                             struct slice piece, bool last)
{
    struct process *p = arg;
    storage_snapshot_receive(p->storage, cookie, index, term, offset, piece, last);
}

static void snapshot_install(void *arg, uint64_t index, uint64_t term, bool keep_suffix)
{
    struct process *p = arg;
    storage_snapshot_install(p->storage, index, term, keep_suffix);
}

static void disk_state(void *arg, uint64_t *journal_bytes, uint64_t *snapshot_bytes, uint64_t *free_bytes,
                       uint64_t *write_running_us)
{
    struct process *p = arg;
    struct storage_stats s;
    storage_stats(p->storage, &s);
    *journal_bytes = s.journal_bytes;
    *snapshot_bytes = s.snapshot_bytes;
    *free_bytes = s.disk_free;
    *write_running_us = s.running_us;
}

void disk_fill_ports(struct process *p, struct node_ports *ports)
{
    ports->arg = p;
    ports->save_identity = save_identity;
    ports->cut = cut;
    ports->append = append;
    ports->compact = compact;
    ports->reset = reset;
    ports->read = read_entries;
    ports->snapshot_write = snapshot_write;
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
        return NODE_DISK_SNAPSHOT_INSTALLED;
    }
    log_fatal("storage told of something that main does not know");
}

static void on_disk(evutil_socket_t fd, short what, void *arg)
{
    struct process *p = arg;
    struct storage_event e;
    (void)fd;
    (void)what;
    process_awake(p);
    while (storage_poll(p->storage, &e)) {
        struct node_disk_event n = {.type = type_of(e.type),
                                    .cookie = e.cookie,
                                    .index = e.index,
                                    .term = e.term,
                                    .offset = e.offset,
                                    .total = e.total,
                                    .ok = e.ok,
                                    .last = e.last,
                                    .block = e.block};
        node_on_disk(p->node, &n);
        blob_unref(e.block.blob);
    }
}

bool disk_watch(struct process *p)
{
    p->disk_event = event_new(p->base, storage_fd(p->storage), EV_READ | EV_PERSIST, on_disk, p);
    return p->disk_event && event_add(p->disk_event, NULL) == 0;
}
