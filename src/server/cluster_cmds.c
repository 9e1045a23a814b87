/* CLUSTER: topology, membership, and answers to what a cluster of many shards would be asked. */
#include <inttypes.h>
#include <stdio.h>

#include "base/checksum.h"
#include "base/number.h"
#include "server/cluster.h"

enum { SLOTS = 16384, PEER_PORT_OFFSET = 10000 };

static bool parse_slot(struct slice text, uint32_t *slot, struct buf *out)
{
    int64_t v;
    if (!parse_i64(text, &v) || v < 0 || v >= SLOTS) {
        resp_error(out, "ERR Invalid or out of range slot");
        return false;
    }
    *slot = (uint32_t)v;
    return true;
}

static void cluster_keyslot(struct client *c, const struct slice *argv, size_t argc, struct buf *out)
{
    (void)c, (void)argc;
    resp_integer(out, key_slot(argv[2].data, argv[2].len));
}

/* Keys of a slot in database 0, as this node holds them: Redis, too, answers from its own memory. */
static size_t walk_slot(struct client *c, uint32_t slot, size_t max, struct buf *keys)
{
    const struct store *store = rsm_store(node_rsm(c->server->node));
    size_t found = 0, count = store_count(store, 0);
    for (size_t i = 0; i < count && found < max; i++) {
        struct slice name = store_key_name(store_at(store, 0, i));
        if (key_slot(name.data, name.len) != slot)
            continue;
        found++;
        if (keys)
            resp_bulk(keys, name);
    }
    return found;
}

static void cluster_countkeysinslot(struct client *c, const struct slice *argv, size_t argc, struct buf *out)
{
    uint32_t slot;
    (void)argc;
    if (parse_slot(argv[2], &slot, out))
        resp_integer(out, (int64_t)walk_slot(c, slot, SIZE_MAX, NULL));
}

static void cluster_getkeysinslot(struct client *c, const struct slice *argv, size_t argc, struct buf *out)
{
    uint32_t slot;
    int64_t max;
    (void)argc;
    if (!parse_slot(argv[2], &slot, out))
        return;
    if (!parse_i64(argv[3], &max) || max < 0) {
        resp_error(out, "ERR Invalid number of keys");
        return;
    }
    struct buf keys = BUF_EMPTY;
    size_t found = walk_slot(c, slot, (size_t)max, &keys);
    resp_array(out, found);
    buf_append_slice(out, buf_slice(&keys));
    buf_deinit(&keys);
}

static void cluster_myid(struct client *c, const struct slice *argv, size_t argc, struct buf *out)
{
    (void)argv, (void)argc;
    char id[NODE_ID_TEXT + 1];
    node_id_text(topology(c->server)->node_id, id);
    resp_bulk_cstr(out, id);
}

static void slots_here(struct client *c, const struct slice *argv, size_t argc, struct buf *out)
{
    (void)argv, (void)argc;
    topology_slots(c, out);
}

static void shards_here(struct client *c, const struct slice *argv, size_t argc, struct buf *out)
{
    (void)argv, (void)argc;
    topology_shards(c, out);
}

static void nodes_here(struct client *c, const struct slice *argv, size_t argc, struct buf *out)
{
    (void)argv, (void)argc;
    topology_nodes(c, out);
}

static void info_here(struct client *c, const struct slice *argv, size_t argc, struct buf *out)
{
    (void)argv, (void)argc;
    topology_info(c, out);
}

static void replicas_here(struct client *c, const struct slice *argv, size_t argc, struct buf *out)
{
    (void)argc;
    topology_replicas(c, argv[2], out);
}

/* ---- membership ---- */

static void cluster_meet(struct client *c, const struct slice *argv, size_t argc, struct buf *out)
{
    int64_t port, peer_port = 0;
    if (!parse_i64(argv[3], &port) || (argc == 5 && !parse_i64(argv[4], &peer_port)) || argc > 5) {
        resp_errorf(out, "ERR Invalid TCP base port specified: %.*s", (int)argv[3].len, argv[3].data);
        return;
    }
    if (argc == 4 && port >= 1 && port <= 65535)
        peer_port = port + PEER_PORT_OFFSET;
    char host[RAFT_HOST_MAX];
    if (argv[2].len == 0 || argv[2].len >= sizeof host || port < 1 || port > 65535 || peer_port < 1 ||
        peer_port > 65535) {
        resp_errorf(out, "ERR Invalid node address specified: %.*s:%.*s", (int)argv[2].len, argv[2].data,
                    (int)argv[3].len, argv[3].data);
        return;
    }
    memcpy(host, argv[2].data, argv[2].len);
    host[argv[2].len] = '\0';
    uint64_t ticket = wait_begin(c, KIND_ADMIN);
    wait_end(
        c, node_meet(c->server->node, host, (uint16_t)port, (uint16_t)peer_port, ticket, &c->server->error));
}

static void cluster_forget(struct client *c, const struct slice *argv, size_t argc, struct buf *out)
{
    uint64_t id;
    (void)argc;
    if (!node_id_parse(argv[2], &id)) {
        resp_errorf(out, "ERR Unknown node %.*s", (int)argv[2].len, argv[2].data);
        return;
    }
    if (id == topology(c->server)->node_id) {
        resp_error(out, "ERR I tried hard but I can't forget myself...");
        return;
    }
    uint64_t ticket = wait_begin(c, KIND_ADMIN);
    wait_end(c, node_forget(c->server->node, id, ticket, &c->server->error));
}

static void cluster_failover(struct client *c, const struct slice *argv, size_t argc, struct buf *out)
{
    struct server *s = c->server;
    if (argc > 3 || (argc == 3 && !slice_is_word(argv[2], "force") && !slice_is_word(argv[2], "takeover"))) {
        resp_error(out, "ERR syntax error");
        return;
    }
    if (node_leader(s->node) == s->self) {
        resp_error(out, "ERR You should send CLUSTER FAILOVER to a replica");
        return;
    }
    uint64_t ticket = wait_begin(c, KIND_ADMIN);
    wait_end(c, node_transfer(s->node, topology(s)->node_id, ticket, &s->error));
}

static void cluster_reset(struct client *c, const struct slice *argv, size_t argc, struct buf *out)
{
    if (argc > 3 || (argc == 3 && !slice_is_word(argv[2], "hard") && !slice_is_word(argv[2], "soft"))) {
        resp_error(out, "ERR syntax error");
        return;
    }
    uint64_t ticket = wait_begin(c, KIND_ADMIN);
    wait_end(c, node_reset(c->server->node, ticket, &c->server->error));
}

/* ---- what makes no sense with one shard, answered as Redis answers it in the same state ---- */

static void cluster_addslots(struct client *c, const struct slice *argv, size_t argc, struct buf *out)
{
    uint32_t slot;
    (void)argc;
    if (parse_slot(argv[2], &slot, out))
        resp_errorf(
            out, topology_leader(c->server) ? "ERR Slot %u is already busy" : "ERR Slot %u is not assignable",
            slot);
}

static void cluster_setslot(struct client *c, const struct slice *argv, size_t argc, struct buf *out)
{
    uint32_t slot;
    (void)argc;
    if (node_leader(c->server->node) != c->server->self)
        resp_error(out, "ERR You can use SETSLOT only with masters.");
    else if (parse_slot(argv[2], &slot, out))
        resp_error(out, "ERR Slots do not move: one shard holds all of them");
}

static void cluster_delslots(struct client *c, const struct slice *argv, size_t argc, struct buf *out)
{
    (void)c, (void)argv, (void)argc;
    resp_error(out, "ERR Slots do not move: one shard holds all of them");
}

static void cluster_replicate(struct client *c, const struct slice *argv, size_t argc, struct buf *out)
{
    const struct node_status *st = topology(c->server);
    uint64_t id;
    (void)argc;
    bool known = false;
    if (node_id_parse(argv[2], &id))
        for (size_t i = 0; i < st->peer_count; i++)
            known |= st->peers[i].id == id;
    if (!known)
        resp_errorf(out, "ERR Unknown node %.*s", (int)argv[2].len, argv[2].data);
    else if (id == st->node_id)
        resp_error(out, "ERR Can't replicate myself");
    else if (id != topology_leader(c->server))
        resp_error(out, "ERR I can only replicate a master, not a replica.");
    else
        resp_simple(out, "OK");
}

static void cluster_bumpepoch(struct client *c, const struct slice *argv, size_t argc, struct buf *out)
{
    char text[40];
    (void)argv, (void)argc;
    snprintf(text, sizeof text, "STILL %" PRIu64, topology(c->server)->term);
    resp_simple(out, text);
}

static void cluster_set_epoch(struct client *c, const struct slice *argv, size_t argc, struct buf *out)
{
    (void)c, (void)argv, (void)argc;
    resp_error(out,
               "ERR The user can assign a config epoch only when the node does not know any other node.");
}

static void cluster_saveconfig(struct client *c, const struct slice *argv, size_t argc, struct buf *out)
{
    (void)c, (void)argv, (void)argc;
    resp_simple(out, "OK");
}

static void cluster_failure_reports(struct client *c, const struct slice *argv, size_t argc, struct buf *out)
{
    uint64_t id;
    (void)c, (void)argc;
    if (node_id_parse(argv[2], &id))
        resp_integer(out, 0);
    else
        resp_errorf(out, "ERR Unknown node %.*s", (int)argv[2].len, argv[2].data);
}

static void cluster_flushslots(struct client *c, const struct slice *argv, size_t argc, struct buf *out)
{
    (void)c, (void)argv, (void)argc;
    resp_error(out, "ERR DB must be empty to perform CLUSTER FLUSHSLOTS.");
}

struct links {
    const struct client *client;
    size_t count;
    struct buf bytes;
};

static void put_link(void *arg, const struct server_link *l)
{
    struct links *links = arg;
    const struct server *s = links->client->server;
    struct buf *out = &links->bytes;
    char id[NODE_ID_TEXT + 1];
    uint64_t ago_us = s->now_us > l->since_us ? s->now_us - l->since_us : 0;
    node_id_text(l->peer, id);
    links->count++;
    resp_map(out, links->client->resp, 6);
    resp_bulk_cstr(out, "direction");
    resp_bulk_cstr(out, l->inbound ? "from" : "to");
    resp_bulk_cstr(out, "node");
    resp_bulk_cstr(out, id);
    resp_bulk_cstr(out, "create-time");
    resp_integer(out, (int64_t)((s->wall_us - ago_us) / 1000));
    resp_bulk_cstr(out, "events");
    resp_bulk_cstr(out, l->writing ? "rw" : "r");
    resp_bulk_cstr(out, "send-buffer-allocated");
    resp_integer(out, (int64_t)l->allocated);
    resp_bulk_cstr(out, "send-buffer-used");
    resp_integer(out, (int64_t)l->used);
}

/* A pair of links with each peer, as in Redis, though each is several connections. */
static void cluster_links(struct client *c, const struct slice *argv, size_t argc, struct buf *out)
{
    struct links links = {.client = c};
    (void)argv, (void)argc;
    if (c->server->hooks.links)
        c->server->hooks.links(c->server->hooks.arg, put_link, &links);
    resp_array(out, links.count);
    buf_append_slice(out, buf_slice(&links.bytes));
    buf_deinit(&links.bytes);
}

static void cluster_help(struct client *c, const struct slice *argv, size_t argc, struct buf *out)
{
    static const char *const lines[] = {
        "CLUSTER <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
        "COUNTKEYSINSLOT <slot>",
        "    Return the number of keys in <slot>.",
        "FAILOVER [FORCE|TAKEOVER]",
        "    Make this node the leader.",
        "FORGET <node-id>",
        "    Remove a node from the cluster.",
        "GETKEYSINSLOT <slot> <count>",
        "    Return key names stored by current node in a slot.",
        "INFO",
        "    Return information about the cluster.",
        "KEYSLOT <key>",
        "    Return the hash slot for <key>.",
        "LINKS",
        "    Return information about all network links between this node and its peers.",
        "MEET <ip> <port> [<bus-port>]",
        "    Connect nodes into a working cluster.",
        "MYID",
        "    Return the node id.",
        "NODES",
        "    Return cluster configuration seen by node.",
        "REPLICAS <node-id>",
        "    Return <node-id> replicas.",
        "RESET [HARD|SOFT]",
        "    Make a removed node blank (default: soft).",
        "SHARDS",
        "    Return information about slot range mappings and the nodes associated with them.",
        "SLOTS",
        "    Return information about slots range mappings.",
        "HELP",
        "    Print this help.",
    };
    (void)c, (void)argv, (void)argc;
    reply_lines(out, lines, sizeof lines / sizeof lines[0]);
}

enum { PARKS = 1, DATA = 2 /* needs a node that has loaded */, PENDS = 4 };

static const struct subcommand {
    const char *name;
    handler_fn *run;
    int flags;
} subcommands[] = {
    {"slots", slots_here, PARKS},
    {"shards", shards_here, PARKS},
    {"nodes", nodes_here, PARKS},
    {"info", info_here, 0},
    {"myid", cluster_myid, 0},
    {"keyslot", cluster_keyslot, 0},
    {"countkeysinslot", cluster_countkeysinslot, DATA},
    {"getkeysinslot", cluster_getkeysinslot, DATA},
    {"replicas", replicas_here, PARKS},
    {"slaves", replicas_here, PARKS},
    {"meet", cluster_meet, DATA | PENDS},
    {"forget", cluster_forget, DATA | PENDS},
    {"failover", cluster_failover, DATA | PENDS},
    {"reset", cluster_reset, DATA | PENDS},
    {"addslots", cluster_addslots, 0},
    {"addslotsrange", cluster_addslots, 0},
    {"delslots", cluster_delslots, 0},
    {"delslotsrange", cluster_delslots, 0},
    {"setslot", cluster_setslot, DATA},
    {"replicate", cluster_replicate, 0},
    {"bumpepoch", cluster_bumpepoch, 0},
    {"set-config-epoch", cluster_set_epoch, 0},
    {"saveconfig", cluster_saveconfig, 0},
    {"count-failure-reports", cluster_failure_reports, 0},
    {"flushslots", cluster_flushslots, 0},
    {"links", cluster_links, 0},
    {"help", cluster_help, 0},
};

void cluster_command(struct client *c, const struct slice *argv, size_t argc, struct buf *out)
{
    struct server *s = c->server;
    const struct subcommand *sub = NULL;
    for (size_t i = 0; i < sizeof subcommands / sizeof subcommands[0] && !sub; i++)
        if (slice_is_word(argv[1], subcommands[i].name))
            sub = &subcommands[i];
    if (!cluster_says_enabled(s)) {
        resp_error(out, "ERR This instance has cluster support disabled");
    } else if (!sub) {
        resp_errorf(out, "ERR unknown subcommand '%.*s'. Try CLUSTER HELP.", (int)argv[1].len, argv[1].data);
    } else if ((sub->flags & DATA) && !s->node) {
        resp_error(out, "LOADING Redis is loading the dataset in memory");
    } else if ((sub->flags & PENDS) && c->in_exec) {
        resp_error(out, "ERR Command not allowed inside a transaction");
    } else if ((sub->flags & PARKS) && s->node && !c->in_exec && !route_knows_leader(s) &&
               s->status.peer_count > 1 && route_park(c)) {
        c->wait_asked = true;
    } else {
        sub->run(c, argv, argc, out);
    }
}
