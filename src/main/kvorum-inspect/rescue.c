/* --new-cluster: the majority is lost for good, and this survivor goes on alone. Its whole state is kept, entries that
 * were never committed included, as a new cluster's: another cluster id, so that no node of the old one is ever listened
 * to again, and a member list of this node alone, in a term higher than any it has seen. */
#include "main/kvorum-inspect/inspect.h"

#include <inttypes.h>
#include <poll.h>

#include "base/clock.h"
#include "rsm/rsm.h"

struct survey {
    uint64_t last, term;
    struct raft_members members;
};

static void look_at_entry(void *arg, const struct raft_frame *frame)
{
    struct survey *s = arg;
    struct raft_members members;
    s->last = frame->index;
    s->term = frame->term;
    if (frame->kind == RAFT_ENTRY_CONFIG && raft_members_decode(frame->payload, &members))
        s->members = members;
}

static bool feed(void *arg, struct slice piece)
{
    return rsm_loader_feed(arg, piece);
}

/* Loading it is also the proof that it can be loaded. */
static bool look_at_snapshot(struct storage *storage, const struct storage_found *found, struct survey *s)
{
    if (!found->snapshot_index)
        return true;
    struct rsm_loader *loader = rsm_loader_new();
    if (!storage_snapshot_load(storage, feed, loader)) {
        fprintf(stderr, "kvorum-inspect: the snapshot cannot be loaded: %s\n", rsm_loader_error(loader));
        rsm_loader_free(loader);
        return false;
    }
    struct rsm_snapshot_meta meta;
    struct buf keep = BUF_EMPTY;
    struct rsm *rsm = rsm_loader_finish(loader, &meta, &keep);
    bool good = rsm && meta.index == found->snapshot_index && meta.term == found->snapshot_term &&
                raft_members_decode(meta.members, &s->members);
    if (!good)
        fprintf(stderr, "kvorum-inspect: the snapshot is not whole, or not what its name says\n");
    s->last = found->snapshot_index;
    s->term = found->snapshot_term;
    if (rsm)
        rsm_free(rsm);
    buf_deinit(&keep);
    return good;
}

static struct raft_block config_block(uint64_t index, uint64_t term, const struct raft_member *self)
{
    struct raft_members alone = {.count = 1, .at = {*self}};
    alone.at[0].voter = true;
    struct buf bytes = BUF_EMPTY;
    size_t begin = raft_entry_begin(&bytes, index, term, RAFT_ENTRY_CONFIG);
    raft_members_encode(&bytes, &alone);
    raft_entry_end(&bytes, begin);
    struct raft_block block = {
        .first = index, .last = index, .blob = blob_new(bytes.data, bytes.len), .len = bytes.len};
    buf_deinit(&bytes);
    return block;
}

void inspect_await(struct storage *storage, int type, struct storage_event *event)
{
    for (;;) {
        while (storage_poll(storage, event))
            if ((int)event->type == type)
                return;
        struct pollfd p = {.fd = storage_fd(storage), .events = POLLIN};
        poll(&p, 1, -1);
    }
}

void inspect_new_cluster(struct storage *storage, const struct storage_vote *vote, uint64_t index,
                         const struct raft_member *self)
{
    struct storage_event event;
    struct raft_block block = config_block(index, vote->term, self);
    storage_rescue(storage, vote, &block, 1);
    inspect_await(storage, STORAGE_VOTE_SAVED, &event);
    blob_unref(block.blob);
}

static int rescue_open(struct storage *storage, const struct storage_found *found)
{
    struct survey s = {0};
    if (!look_at_snapshot(storage, found, &s))
        return 1;
    storage_replay(storage, found->first, look_at_entry, &s);
    const struct raft_member *self = raft_members_find(&s.members, found->vote.node_id);
    if (!self) {
        fprintf(stderr,
                "kvorum-inspect: this node is not a member of its cluster: there is nothing to go on from\n");
        return 1;
    }
    uint64_t term = (s.term > found->vote.term ? s.term : found->vote.term) + 1;
    struct storage_vote vote = {
        .node_id = found->vote.node_id, .term = term, .voted_for = found->vote.node_id};
    while (vote.cluster_id == 0 || vote.cluster_id == found->vote.cluster_id)
        os_random(&vote.cluster_id, sizeof vote.cluster_id);
    inspect_new_cluster(storage, &vote, s.last + 1, self);
    printf("NEW CLUSTER %016" PRIx64 " of one node, %016" PRIx64 " (%s), out of cluster %016" PRIx64 ".\n",
           vote.cluster_id, vote.node_id, self->name, found->vote.cluster_id);
    printf("Kept: everything this node holds, up to index %" PRIu64 " of term %" PRIu64 ".\n", s.last,
           s.term);
    printf("LOST: what the old majority acknowledged and this node had not yet received. Entries that the "
           "old cluster\n"
           "had not yet committed count as committed now.\n");
    printf("NEVER START another node of the old cluster on its old data: join new ones with an empty "
           "directory.\n");
    return 0;
}

int rescue(const char *dir)
{
    struct storage_config config = {.dir = dir, .slow_us = UINT64_MAX};
    struct storage_found found;
    char error[512];
    struct storage *storage = storage_open(&config, &found, error, sizeof error);
    if (!storage) {
        fprintf(stderr, "kvorum-inspect: %s\n", error);
        return 1;
    }
    if (found.what[0])
        printf("WARNING: %s\n", found.what);
    int code = 1;
    if (found.vote.node_id && found.vote.cluster_id)
        code = rescue_open(storage, &found);
    else
        fprintf(stderr, "kvorum-inspect: this node has never been a member of a cluster\n");
    storage_close(storage);
    return code;
}
