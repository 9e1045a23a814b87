/* One shard: the leader is master of all slots, everybody else its replica. While there is no leader the last one goes on
 * being named: an empty topology makes some clients forget all nodes. */
#include <inttypes.h>
#include <stdio.h>

#include "base/checksum.h"
#include "base/number.h"
#include "server/cluster.h"

enum { ID_DIGITS = 16, SLOTS = 16384 };

/* Redis shows 40 hex digits; ours are the id's 16 and 24 more that follow from them, so that one mistyped is refused. */
void node_id_text(uint64_t id, char out[NODE_ID_TEXT + 1])
{
    char seedtext[32];
    uint8_t more[32];
    snprintf(seedtext, sizeof seedtext, "kvorum %016" PRIx64, id);
    sha256(seedtext, strlen(seedtext), more);
    snprintf(out, ID_DIGITS + 1, "%016" PRIx64, id);
    format_hex(out + ID_DIGITS, more, (NODE_ID_TEXT - ID_DIGITS) / 2);
    out[NODE_ID_TEXT] = '\0';
}

bool node_id_parse(struct slice text, uint64_t *id)
{
    if (text.len != NODE_ID_TEXT)
        return false;
    uint64_t v = 0;
    for (size_t i = 0; i < ID_DIGITS; i++) {
        char c = text.data[i];
        int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
        if (digit < 0)
            return false;
        v = v << 4 | (uint64_t)digit;
    }
    char whole[NODE_ID_TEXT + 1];
    node_id_text(v, whole);
    *id = v;
    return slice_equal(text, slice_of(whole, NODE_ID_TEXT));
}

bool cluster_says_enabled(struct server *s)
{
    return s->config->cluster_enabled || s->config->founders.count > 1 || *s->config->join ||
           s->status.peer_count > 1;
}

/* The members, or before there are any, this node alone. */
const struct node_status *topology(struct server *s)
{
    struct node_status *st = &s->status;
    if (s->node)
        node_status(s->node, st);
    if (st->peer_count == 0) {
        struct node_peer_status *self = &st->peers[0];
        memset(self, 0, sizeof *self);
        self->id = st->node_id;
        self->self = self->voter = true;
        snprintf(self->host, sizeof self->host, "%s", config_host(s->config));
        self->port = config_announced_port(s->config);
        self->peer_port = config_announced_peer_port(s->config);
        st->peer_count = 1;
    }
    return st;
}

/* The last leader counts only while it is a member: this node may have been removed, or have joined another cluster. */
uint64_t topology_leader(const struct server *s)
{
    if (s->status.leader)
        return s->status.leader;
    for (size_t i = 0; i < s->status.peer_count; i++)
        if (s->status.peers[i].id == s->leader)
            return s->leader;
    return 0;
}

static bool is_connected(const struct node_peer_status *p)
{
    return p->self || p->link_up;
}

bool topology_is_well(const struct node_peer_status *p)
{
    return is_connected(p) && !p->diverged;
}

/* Clients of a port are led to the ports of its mode. */
static uint16_t port_for(const struct client *c, const struct node_peer_status *p)
{
    const uint16_t by_mode[MODE_COUNT] = {p->port_redirect, p->port_readonly, p->port_proxy};
    return by_mode[c->mode] ? by_mode[c->mode] : p->port;
}

static void put_slots_node(const struct client *c, const struct node_peer_status *p, struct buf *out)
{
    char id[NODE_ID_TEXT + 1];
    node_id_text(p->id, id);
    resp_array(out, 4);
    resp_bulk_cstr(out, p->host);
    resp_integer(out, port_for(c, p));
    resp_bulk_cstr(out, id);
    resp_array(out, 0);
}

void topology_slots(struct client *c, struct buf *out)
{
    const struct node_status *st = topology(c->server);
    uint64_t leader = topology_leader(c->server);
    const struct node_peer_status *master = NULL;
    size_t replicas = 0;
    for (size_t i = 0; i < st->peer_count; i++) {
        if (st->peers[i].id == leader)
            master = &st->peers[i];
        else
            replicas += topology_is_well(&st->peers[i]);
    }
    if (!master) {
        resp_array(out, 0);
        return;
    }
    resp_array(out, 1);
    resp_array(out, 3 + replicas);
    resp_integer(out, 0);
    resp_integer(out, SLOTS - 1);
    put_slots_node(c, master, out);
    for (size_t i = 0; i < st->peer_count; i++)
        if (st->peers[i].id != leader && topology_is_well(&st->peers[i]))
            put_slots_node(c, &st->peers[i], out);
}

static void put_shards_node(const struct client *c, const struct node_peer_status *p, bool master,
                            uint64_t offset, struct buf *out)
{
    char id[NODE_ID_TEXT + 1];
    node_id_text(p->id, id);
    resp_map(out, c->resp, 7);
    resp_bulk_cstr(out, "id");
    resp_bulk_cstr(out, id);
    resp_bulk_cstr(out, "port");
    resp_integer(out, port_for(c, p));
    resp_bulk_cstr(out, "ip");
    resp_bulk_cstr(out, p->host);
    resp_bulk_cstr(out, "endpoint");
    resp_bulk_cstr(out, p->host);
    resp_bulk_cstr(out, "role");
    resp_bulk_cstr(out, master ? "master" : "replica");
    resp_bulk_cstr(out, "replication-offset");
    resp_integer(out, (int64_t)offset);
    resp_bulk_cstr(out, "health");
    resp_bulk_cstr(out, topology_is_well(p) ? (p->snapshotting ? "loading" : "online") : "failed");
}

void topology_shards(struct client *c, struct buf *out)
{
    const struct node_status *st = topology(c->server);
    uint64_t leader = topology_leader(c->server);
    resp_array(out, 1);
    resp_map(out, c->resp, 2);
    resp_bulk_cstr(out, "slots");
    resp_array(out, leader ? 2 : 0);
    if (leader) {
        resp_integer(out, 0);
        resp_integer(out, SLOTS - 1);
    }
    resp_bulk_cstr(out, "nodes");
    resp_array(out, st->peer_count);
    for (int masters = 1; masters >= 0; masters--)
        for (size_t i = 0; i < st->peer_count; i++) {
            const struct node_peer_status *p = &st->peers[i];
            if ((p->id == leader) == (masters == 1))
                put_shards_node(c, p, masters == 1, p->self ? st->applied : p->match, out);
        }
}

/* id ip:port@cport flags master ping-sent pong-received epoch link [slots]. Failed and yet connected: diverged. */
static void put_node_line(const struct client *c, const struct node_status *st,
                          const struct node_peer_status *p, struct buf *out)
{
    struct server *s = c->server;
    uint64_t leader = topology_leader(s);
    char id[NODE_ID_TEXT + 1], master[NODE_ID_TEXT + 1] = "-";
    node_id_text(p->id, id);
    bool leads = p->id == leader || (leader == 0 && st->peer_count == 1);
    if (!leads && leader)
        node_id_text(leader, master);
    uint64_t heard_ms = (s->wall_us - (p->acked_ago_us < s->wall_us ? p->acked_ago_us : 0)) / 1000;
    buf_printf(out, "%s %s:%u@%u %s%s%s %s 0 %" PRIu64 " %" PRIu64 " %s%s\n", id, p->host, port_for(c, p),
               p->peer_port, p->self ? "myself," : "", leads ? "master" : "slave",
               topology_is_well(p) ? "" : ",fail", master, p->self ? 0 : heard_ms, st->term,
               is_connected(p) ? "connected" : "disconnected", p->id == leader ? " 0-16383" : "");
}

void topology_nodes(struct client *c, struct buf *out)
{
    const struct node_status *st = topology(c->server);
    struct buf text = BUF_EMPTY;
    for (size_t i = 0; i < st->peer_count; i++)
        put_node_line(c, st, &st->peers[i], &text);
    resp_verbatim(out, c->resp, "txt", buf_slice(&text));
    buf_deinit(&text);
}

void topology_replicas(struct client *c, struct slice of, struct buf *out)
{
    const struct node_status *st = topology(c->server);
    uint64_t leader = topology_leader(c->server), id;
    bool known = node_id_parse(of, &id);
    size_t others = 0;
    bool found = false;
    for (size_t i = 0; i < st->peer_count; i++) {
        found |= known && st->peers[i].id == id;
        others += st->peers[i].id != leader;
    }
    if (!found) {
        resp_errorf(out, "ERR Unknown node %.*s", (int)of.len, of.data);
        return;
    }
    if (id != leader) {
        resp_error(out, "ERR The specified node is not a master");
        return;
    }
    resp_array(out, others);
    struct buf line = BUF_EMPTY;
    for (size_t i = 0; i < st->peer_count; i++) {
        if (st->peers[i].id == leader)
            continue;
        buf_truncate(&line, 0);
        put_node_line(c, st, &st->peers[i], &line);
        resp_bulk(out, slice_of(line.data, line.len - 1));
    }
    buf_deinit(&line);
}

void topology_info(struct client *c, struct buf *out)
{
    struct server *s = c->server;
    const struct node_status *st = topology(s);
    struct server_figures f = {0};
    if (s->hooks.figures)
        s->hooks.figures(s->hooks.arg, &f);
    int slots = topology_leader(s) ? SLOTS : 0;
    struct buf text = BUF_EMPTY;
    buf_printf(
        &text,
        "cluster_state:%s\r\ncluster_slots_assigned:%d\r\ncluster_slots_ok:%d\r\ncluster_slots_pfail:0\r\n"
        "cluster_slots_fail:0\r\ncluster_known_nodes:%zu\r\ncluster_size:%d\r\ncluster_current_epoch:%" PRIu64
        "\r\ncluster_my_epoch:%" PRIu64 "\r\ncluster_stats_messages_sent:%" PRIu64
        "\r\ncluster_stats_messages_received:%" PRIu64 "\r\ntotal_cluster_links_buffer_limit_exceeded:0\r\n",
        route_knows_leader(s) && !st->in_doubt ? "ok" : "fail", slots, slots, st->peer_count, slots > 0,
        st->term, st->term, f.peer_frames_out, f.peer_frames_in);
    resp_verbatim(out, c->resp, "txt", buf_slice(&text));
    buf_deinit(&text);
}
