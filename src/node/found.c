/* Founding (DESIGN 3). Every node of initial-cluster must be there once and all must be blank; the first of
 * the list then writes entry 1 (the members) and entry 2 (cluster id, hash seed, settings) in one durable
 * block, and Raft starts from those as if they had been recovered. Everything about a lost disk follows from
 * one fact: a blank node's id is in nobody's entry 1. */
#include "node/node_int.h"

#include "base/alloc.h"
#include "base/log.h"

#include <assert.h>
#include <string.h>

static bool blank(const struct node *n)
{
    return n->identity.cluster_id == 0 && n->identity.term == 0 && n->loaded_count == 0 &&
           n->found.snapshot_index == 0;
}

/* The founder recorded cluster and vote, and the process ended before its first block was durable. Had that
 * block ever been acknowledged, the mark would say so and the log would be known to be short. */
static bool cut_short(const struct node *n)
{
    return n->identity.cluster_id && n->identity.term == 1 && n->identity.voted_for == n->identity.node_id &&
           n->loaded_count == 0 && n->found.snapshot_index == 0 && !n->found.short_log_found;
}

static int own_place(const struct node *n)
{
    const struct raft_members *list = &n->config.initial_cluster;
    for (uint32_t i = 0; i < list->count; i++)
        if (strcmp(list->at[i].name, n->config.self.name) == 0)
            return (int)i;
    return -1;
}

void members_start(struct node *n)
{
    if (n->identity.node_id == 0) {
        /* Entry 1 may name this id as soon as it is heard, so it has to survive a crash first: else this node came
         * back as a stranger to the cluster that was founded with it. */
        n->identity.node_id = prng_next(&n->chance) | 1;
        node_save_identity(n, COOKIE_ID);
        return;
    }
    members_show_self(n);
    if (!blank(n) && !cut_short(n))
        return;
    if (n->config.join_host) {
        members_join(n, n->config.join_host, n->config.join_port);
        return;
    }
    const struct raft_members *list = &n->config.initial_cluster;
    if (list->count <= 1) {
        found_alone(n);
        return;
    }
    int own = own_place(n);
    for (uint32_t i = 0; i < list->count; i++)
        if ((int)i != own)
            n->found_handles[i] = n->ports.dial(n->ports.arg, list->at[i].host, list->at[i].peer_port, 0);
    n->founding = own == 0;
    n->found_said_us = n->now_us;
}

void found_on_hello(struct node *n, uint32_t handle, const struct node_hello *hello)
{
    const struct raft_members *list = &n->config.initial_cluster;
    for (uint32_t i = 0; handle && i < list->count; i++)
        if (n->found_handles[i] == handle)
            n->found_hellos[i] = *hello;
}

/* Who answered there may be another when it answers again. */
void found_on_link_lost(struct node *n, uint64_t peer)
{
    for (uint32_t i = 0; i < n->config.initial_cluster.count; i++)
        if (n->found_hellos[i].node_id == peer)
            n->found_hellos[i] = (struct node_hello){0};
}

/* A cluster exists already: this node is welcomed into it, or it has lost its disk. */
void found_give_up(struct node *n)
{
    for (uint32_t i = 0; i < n->config.initial_cluster.count; i++)
        if (n->found_handles[i]) {
            n->ports.hang_up(n->ports.arg, n->found_handles[i]);
            n->found_handles[i] = 0;
        }
    if (!n->founding)
        return;
    n->founding = false;
    if (!n->running)
        start_run(n, NULL, 0, 0);
}

static void write_first_block(struct node *n, const struct raft_members *members)
{
    struct buf b = BUF_EMPTY;
    size_t begin = raft_entry_begin(&b, 1, 1, RAFT_ENTRY_CONFIG);
    raft_members_encode(&b, members);
    raft_entry_end(&b, begin);
    begin = raft_entry_begin(&b, 2, 1, RAFT_ENTRY_DATA);
    struct rsm_request req = {.kind = RSM_FOUND,
                              .cluster_id = n->identity.cluster_id,
                              .seed = {prng_next(&n->chance), prng_next(&n->chance)},
                              .settings = n->config.settings};
    /* One clock of several proves nothing: theirs begins with the first leader, who has heard a majority's in its votes. */
    rsm_encode(&b, &req, members->count == 1 ? n->wall_us / 1000 : 0, prng_next(&n->chance));
    raft_entry_end(&b, begin);
    struct raft_block block = {.first = 1, .last = 2, .blob = blob_new(b.data, b.len), .len = b.len};
    struct raft_frame f;
    for (size_t at = 0; at < b.len; at += f.len) {
        bool whole = raft_entry_read(slice_of(b.data + at, b.len - at), true, &f);
        assert(whole);
        node_load(n, f.index, f.term, (int)f.kind, f.len, f.payload);
    }
    cache_add(&n->cache, &block);
    n->ports.append(n->ports.arg, &block, 0);
    blob_unref(block.blob);
    buf_deinit(&b);
}

static void found(struct node *n, const struct raft_members *members)
{
    n->founding = n->found_saving = true;
    if (n->identity.cluster_id == 0)
        n->identity.cluster_id = prng_next(&n->chance) | 1;
    n->identity.term = 1;
    n->identity.voted_for = n->identity.node_id;
    node_say(n, LOG_NOTICE, "Founding cluster %016llx of %u", (unsigned long long)n->identity.cluster_id,
             (unsigned)members->count);
    members_show_self(n);
    node_save_identity(n, COOKIE_PROMISE);
    write_first_block(n, members);
}

void found_alone(struct node *n)
{
    struct raft_members members = {.count = 1};
    struct raft_member *m = &members.at[0];
    m->id = n->identity.node_id;
    m->voter = true;
    m->port = n->config.self.port;
    m->peer_port = n->config.self.peer_port;
    memcpy(m->name, n->config.self.name, sizeof(m->name));
    memcpy(m->host, n->config.self.host, sizeof(m->host));
    found(n, &members);
}

void found_written(struct node *n)
{
    n->founding = n->found_saving = false;
    found_give_up(n);
    start_run(n, NULL, 0, 0);
}

static void say_lost(struct node *n)
{
    if (n->now_us < n->found_said_us + 5000000)
        return;
    n->found_said_us = n->now_us;
    node_say(n, LOG_WARNING,
             "A node of initial-cluster belongs to a cluster that does not know this node's id: if this "
             "directory has lost its data, CLUSTER FORGET the old id and start with --join");
}

void found_turn(struct node *n)
{
    const struct raft_members *list = &n->config.initial_cluster;
    if (list->count <= 1 || n->found_saving || (n->running && raft_members(n->raft)->count))
        return;
    int own = own_place(n);
    uint32_t heard = 0;
    for (uint32_t i = 0; i < list->count; i++) {
        const struct node_hello *h = &n->found_hellos[i];
        if ((int)i == own || !h->node_id)
            continue;
        if (h->cluster_id && h->cluster_id != n->identity.cluster_id) {
            if (n->founding && !n->running) {
                n->founding = false;
                start_run(n, NULL, 0, 0);
            }
            say_lost(n);
            return;
        }
        heard++;
    }
    if (!n->founding || heard + 1 < list->count)
        return;
    struct raft_members members = *list;
    for (uint32_t i = 0; i < list->count; i++) {
        members.at[i].id = (int)i == own ? n->identity.node_id : n->found_hellos[i].node_id;
        members.at[i].voter = true;
        for (uint32_t k = 0; k < i; k++)
            if (members.at[k].id == members.at[i].id)
                return; /* one node listed twice */
    }
    found(n, &members);
}
