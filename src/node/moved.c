/* A member that comes back under another address. The others look for it where its row in the log says; it reaches them, but
 * they do not reach it, and so it hears nothing. When its operator has said where it is now (cluster-announce-*), it says so to
 * whoever it reaches, and the leader changes its row: the same voters, another address. What the machine merely guesses from
 * `bind` is never told. */
#include "base/log.h"
#include "node/node_int.h"

#include <string.h>

static bool same_address(const struct raft_member *a, const struct raft_member *b)
{
    return strcmp(a->host, b->host) == 0 && a->port == b->port && a->peer_port == b->peer_port;
}

/* The leader's part: by a row of the newest configuration alone, so that one who was removed does not come back by it. */
static void change_row(struct node *n, const struct raft_member *m)
{
    struct raft_members now = *raft_members(n->raft);
    struct raft_member *row = NULL;
    for (uint32_t i = 0; i < now.count; i++) {
        if (now.at[i].id == m->id)
            row = &now.at[i];
        else if (strcmp(now.at[i].host, m->host) == 0 && now.at[i].peer_port == m->peer_port)
            return; /* taken */
    }
    if (!row || same_address(row, m) || !raft_may_change_members(n->raft) || n->open_members)
        return; /* it says so again */
    memcpy(row->host, m->host, sizeof(row->host));
    row->port = m->port;
    row->peer_port = m->peer_port;
    node_say(n, LOG_NOTICE, "%s is at %s:%u now", row->name, row->host, (unsigned)row->port);
    propose_members(n, &now, NULL);
}

static void send_row(struct node *n, uint64_t to, const struct raft_member *m)
{
    struct buf frame = BUF_EMPTY;
    frame_begin(n, &frame, FRAME_MOVED);
    wire_member(&frame, m);
    frame_send(n, to, NODE_CONTROL, &frame);
}

void moved_on_frame(struct node *n, struct reader *r)
{
    struct raft_member m;
    if (!wire_read_member(r, &m))
        return;
    if (raft_role(n->raft) == RAFT_LEADER)
        change_row(n, &m);
    else if (raft_leader(n->raft))
        send_row(n, raft_leader(n->raft), &m);
}

void moved_turn(struct node *n)
{
    const struct node_hello *self = &n->config.self;
    const struct raft_member *row = raft_members_find(raft_members(n->raft), n->identity.node_id);
    if (!n->config.announced || !row || n->now_us < n->moved_said_us + MOVED_RETRY_US)
        return;
    struct raft_member now = *row;
    memcpy(now.host, self->host, sizeof(now.host));
    now.port = self->port;
    now.peer_port = self->peer_port;
    if (same_address(row, &now))
        return;
    n->moved_said_us = n->now_us;
    if (raft_role(n->raft) == RAFT_LEADER)
        change_row(n, &now);
    for (size_t i = 0; i < n->peer_count; i++)
        if (n->peers[i].link_up)
            send_row(n, n->peers[i].id, &now);
}
