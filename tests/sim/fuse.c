/* A crash between any two duties: every port stands behind a fuse. When it has burnt down nothing that the node
 * does has an effect any more, and the world takes the process away at the end of the pass. */
#include "world_int.h"

static bool acts(struct proc *p)
{
    if (p->fuse && --p->fuse == 0) {
        p->ending = true;
        p->world->counts.fired[FAULT_CRASH_IN_TURN]++;
    }
    return !p->ending;
}

static void save_identity(void *arg, const struct node_identity *id, uint64_t cookie)
{
    struct proc *p = arg;
    if (acts(p))
        p->ports.save_identity(p, id, cookie);
}

static void cut(void *arg, uint64_t from)
{
    struct proc *p = arg;
    if (!acts(p))
        return;
    check_cut(p, from);
    p->ports.cut(p, from);
}

static void append(void *arg, const struct raft_block *block, uint64_t cookie)
{
    struct proc *p = arg;
    if (!acts(p))
        return;
    check_append(p, block);
    p->ports.append(p, block, cookie);
}

static void compact(void *arg, uint64_t upto)
{
    struct proc *p = arg;
    if (acts(p))
        p->ports.compact(p, upto);
}

static void reset(void *arg, const struct node_identity *id, uint64_t cookie)
{
    struct proc *p = arg;
    if (acts(p))
        p->ports.reset(p, id, cookie);
}

static void read_entries(void *arg, uint64_t cookie, uint64_t first, uint64_t last, size_t max_bytes)
{
    struct proc *p = arg;
    if (acts(p))
        p->ports.read(p, cookie, first, last, max_bytes);
}

static void snapshot_write(void *arg, uint64_t index, uint64_t term,
                           bool (*write)(void *node, bool (*emit)(void *sink, const void *data, size_t len),
                                         void *sink),
                           void *node)
{
    struct proc *p = arg;
    if (acts(p))
        p->ports.snapshot_write(p, index, term, write, node);
}

static void snapshot_keep(void *arg, uint64_t index, bool keep)
{
    struct proc *p = arg;
    if (acts(p))
        p->ports.snapshot_keep(p, index, keep);
}

static void snapshot_read(void *arg, uint64_t cookie, uint64_t index, uint64_t offset, size_t len)
{
    struct proc *p = arg;
    if (acts(p))
        p->ports.snapshot_read(p, cookie, index, offset, len);
}

static void receive_piece(void *arg, uint64_t cookie, uint64_t index, uint64_t term, uint64_t offset,
                          struct slice piece, bool last)
{
    struct proc *p = arg;
    if (acts(p))
        p->ports.snapshot_receive(p, cookie, index, term, offset, piece, last);
}

static void snapshot_install(void *arg, uint64_t index, uint64_t term, bool keep_suffix)
{
    struct proc *p = arg;
    if (!acts(p))
        return;
    p->world->counts.snapshots++;
    p->ports.snapshot_install(p, index, term, keep_suffix);
}

static bool send(void *arg, uint64_t peer, enum node_channel channel, struct slice head,
                 const struct raft_block *blocks, size_t count)
{
    struct proc *p = arg;
    return acts(p) ? p->ports.send(p, peer, channel, head, blocks, count) : true;
}

static uint32_t dial(void *arg, const char *host, uint16_t port, uint64_t expected_id)
{
    struct proc *p = arg;
    return acts(p) ? p->ports.dial(p, host, port, expected_id) : UINT32_MAX;
}

static void hang_up(void *arg, uint32_t handle)
{
    struct proc *p = arg;
    if (acts(p))
        p->ports.hang_up(p, handle);
}

static void set_self(void *arg, const struct node_hello *self)
{
    struct proc *p = arg;
    if (acts(p))
        p->ports.set_self(p, self);
}

void fuse_ports(struct proc *p, struct node_ports *ports)
{
    p->ports = *ports;
    ports->save_identity = save_identity;
    ports->cut = cut;
    ports->append = append;
    ports->compact = compact;
    ports->reset = reset;
    ports->read = read_entries;
    ports->snapshot_write = snapshot_write;
    ports->snapshot_keep = snapshot_keep;
    ports->snapshot_read = snapshot_read;
    ports->snapshot_receive = receive_piece;
    ports->snapshot_install = snapshot_install;
    ports->send = send;
    ports->dial = dial;
    ports->hang_up = hang_up;
    ports->set_self = set_self;
}
