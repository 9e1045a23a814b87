/* --restore: a new cluster of one out of a snapshot file, of kvorum or of stock Redis, in an empty directory. The file's
 * state is what the cluster begins with; nothing of the old cluster's identity comes along, so that none of its nodes is
 * ever listened to. What is durable last is the vote file: until then the directory is nobody's. */
#include "main/kvorum-inspect/inspect.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "rsm/rsm.h"

enum { PIECE_BYTES = 1 << 20 };

/* What is being restored, and how far its bytes have gone into the directory. */
struct restore {
    struct storage *storage;
    uint64_t index, term, offset;
    struct buf piece; /* not yet handed over: the last one has to be told apart */
};

static bool hand_over(struct restore *r, bool last)
{
    struct storage_event event;
    storage_snapshot_receive(r->storage, 1, r->index, r->term, r->offset, buf_slice(&r->piece), last);
    r->offset += r->piece.len;
    buf_truncate(&r->piece, 0);
    inspect_await(r->storage, STORAGE_SNAPSHOT_RECEIVED, &event);
    return event.ok;
}

static bool emit(void *arg, const void *data, size_t len)
{
    struct restore *r = arg;
    if (r->piece.len + len > PIECE_BYTES && r->piece.len && !hand_over(r, false))
        return false;
    buf_append(&r->piece, data, len);
    return true;
}

/* Feeds the file to `each`; false when it says false, or at a read error. */
static bool read_file(int fd, bool (*each)(void *arg, const void *data, size_t len), void *arg)
{
    static const size_t chunk = 256 << 10;
    struct buf b = BUF_EMPTY;
    ssize_t n = 0;
    bool good = lseek(fd, 0, SEEK_SET) == 0;
    buf_reserve(&b, chunk);
    while (good && (n = read(fd, b.data, chunk)) > 0)
        good = each(arg, b.data, (size_t)n);
    if (n < 0)
        fprintf(stderr, "kvorum-inspect: reading the file: %s\n", strerror(errno));
    buf_deinit(&b);
    return good && n == 0;
}

static bool feed_loader(void *arg, const void *data, size_t len)
{
    return rsm_loader_feed(arg, slice_of(data, len));
}

/* The whole file, verified. NULL: said why not. */
static struct rsm *load(int fd, struct rsm_snapshot_meta *meta)
{
    struct buf keep = BUF_EMPTY;
    struct rsm_loader *loader = rsm_loader_new();
    if (!read_file(fd, feed_loader, loader)) {
        const char *why = rsm_loader_error(loader);
        fprintf(stderr, "kvorum-inspect: the file cannot be loaded: %s\n", why ? why : "it cannot be read");
        rsm_loader_free(loader);
        return NULL;
    }
    struct rsm *rsm = rsm_loader_finish(loader, meta, &keep);
    if (!rsm)
        fprintf(stderr,
                "kvorum-inspect: the file cannot be loaded: it is cut short, or a length in it is damaged\n");
    buf_deinit(&keep);
    meta->members = (struct slice){0};
    return rsm;
}

static void apply(struct rsm *rsm, uint64_t index, const struct rsm_request *req)
{
    struct buf payload = BUF_EMPTY, reply = BUF_EMPTY;
    struct rsm_result result;
    uint64_t chance;
    os_random(&chance, sizeof chance);
    rsm_encode(&payload, req, clock_wall_us() / 1000, chance);
    rsm_apply(rsm, index, 1, buf_slice(&payload), &reply, &result);
    assert(result.outcome == RSM_RAN);
    buf_deinit(&payload);
    buf_deinit(&reply);
}

/* A stock dump has no history: it gets the one that founding writes, and a checkpoint to cut the snapshot at. */
static void found(struct rsm *rsm, uint64_t cluster_id, uint64_t node_id)
{
    struct rsm_request founding = {.kind = RSM_FOUND, .cluster_id = cluster_id};
    struct rsm_request checkpoint = {.kind = RSM_CHECKPOINT, .node = node_id};
    os_random(&founding.seed, sizeof founding.seed);
    rsm_skip(rsm, 1, 1);
    apply(rsm, 2, &founding);
    apply(rsm, 3, &checkpoint);
}

static bool write_snapshot(struct restore *r, struct rsm *rsm, const struct raft_member *self)
{
    struct raft_members alone = {.count = 1, .at = {*self}};
    struct buf members = BUF_EMPTY;
    raft_members_encode(&members, &alone);
    struct rsm_snapshot_meta meta = {.members = buf_slice(&members), .members_index = 1};
    bool good = rsm_snapshot_write(rsm, &meta, emit, r) && hand_over(r, true);
    buf_deinit(&members);
    return good;
}

static int put(struct storage *storage, int fd, struct raft_member *self)
{
    struct rsm_snapshot_meta meta;
    struct storage_vote vote = {0};
    struct storage_event event;
    struct rsm *rsm = load(fd, &meta);
    if (!rsm)
        return 1;
    os_random(&vote.cluster_id, sizeof vote.cluster_id);
    os_random(&self->id, sizeof self->id);
    vote.cluster_id |= 1;
    vote.node_id = vote.voted_for = self->id |= 1;
    bool stock = meta.index == 0;
    if (stock)
        found(rsm, vote.cluster_id, self->id);
    struct restore r = {
        .storage = storage, .index = rsm_applied(rsm), .term = rsm_applied_term(rsm), .piece = BUF_EMPTY};
    bool good = stock ? write_snapshot(&r, rsm, self) : read_file(fd, emit, &r) && hand_over(&r, true);
    buf_deinit(&r.piece);
    rsm_free(rsm);
    if (good) {
        storage_snapshot_install(storage, r.index, r.term, false);
        inspect_await(storage, STORAGE_SNAPSHOT_INSTALLED, &event);
    }
    if (!good || !event.ok) {
        fprintf(stderr, "kvorum-inspect: the snapshot could not be put into the directory\n");
        return 1;
    }
    vote.term = r.term + 1;
    inspect_new_cluster(storage, &vote, r.index + 1, self);
    printf("NEW CLUSTER %016" PRIx64 " of one node, %016" PRIx64 " (%s), from %s, index %" PRIu64 ".\n",
           vote.cluster_id, vote.node_id, self->name, stock ? "a dump of Redis" : "a snapshot of kvorum",
           r.index);
    return 0;
}

/* NAME=HOST:PORT[@PEERPORT], as in initial-cluster. */
static bool parse_self(const char *text, struct raft_member *self)
{
    unsigned port, peer_port;
    int end = 0;
    *self = (struct raft_member){.voter = true};
    if (sscanf(text, "%63[^=]=%255[^:]:%u%n", self->name, self->host, &port, &end) != 3 || port == 0 ||
        port > 65535)
        return false;
    peer_port = port + 10000;
    if (text[end] == '@') {
        int more = 0;
        if (sscanf(text + end, "@%u%n", &peer_port, &more) != 1)
            return false;
        end += more;
    }
    self->port = (uint16_t)port;
    self->peer_port = (uint16_t)peer_port;
    return text[end] == '\0' && peer_port > 0 && peer_port <= 65535;
}

int restore(const char *dir, const char *file, const char *address)
{
    struct raft_member self;
    struct storage_config config = {.dir = dir, .slow_us = UINT64_MAX};
    struct storage_found found;
    char error[512];
    if (!parse_self(address, &self)) {
        fprintf(stderr, "kvorum-inspect: expected name=host:port[@peerport] instead of %s\n", address);
        return 1;
    }
    int fd = open(file, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        fprintf(stderr, "kvorum-inspect: %s: %s\n", file, strerror(errno));
        return 1;
    }
    int code = 1;
    struct storage *storage = storage_open(&config, &found, error, sizeof error);
    if (!storage)
        fprintf(stderr, "kvorum-inspect: %s\n", error);
    else if (found.vote.node_id || found.snapshot_index || found.last >= found.first)
        fprintf(stderr, "kvorum-inspect: %s has data already: restore into an empty directory\n", dir);
    else
        code = put(storage, fd, &self);
    if (storage)
        storage_close(storage);
    close(fd);
    return code;
}
