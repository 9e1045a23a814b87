/* What nodes say to each other: the frames' bodies. */
#include "node/node_int.h"

#include <string.h>

void frame_begin(struct node *n, struct buf *out, enum frame_type type)
{
    put_u8(out, (uint8_t)type);
    put_u8(out, (uint8_t)((n->disk_low ? 1 : 0) | (n->identity.diverged ? 2 : 0)));
    put_u64(out, n->wall_us);
}

bool frame_send(struct node *n, uint64_t peer, enum node_channel channel, struct buf *frame)
{
    bool sent = n->ports.send(n->ports.arg, peer, channel, buf_slice(frame), NULL, 0);
    buf_deinit(frame);
    return sent;
}

/* After the frame header:
 *   u8 message type, u8 flags (1 reject, 2 transfer, 4 leader lost, 8 short log), then eleven u64: from, to,
 * term, index, log term, commit, round, first, last, hint index, hint term; then the entries' frames. */
void wire_raft_message(struct buf *out, const struct raft_message *m)
{
    put_u8(out, (uint8_t)m->type);
    put_u8(out, (uint8_t)(m->reject | m->transfer << 1 | m->leader_lost << 2 | m->short_log << 3));
    const uint64_t words[] = {m->from,  m->to,    m->term, m->index,      m->log_term, m->commit,
                              m->round, m->first, m->last, m->hint_index, m->hint_term};
    for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
        put_u64(out, words[i]);
}

bool wire_read_raft_message(struct reader *r, struct raft_message *m)
{
    memset(m, 0, sizeof(*m));
    uint8_t type = get_u8(r), flags = get_u8(r);
    m->type = (enum raft_message_type)type;
    m->reject = flags & 1;
    m->transfer = flags & 2;
    m->leader_lost = flags & 4;
    m->short_log = flags & 8;
    uint64_t *words[] = {&m->from,  &m->to,    &m->term, &m->index,      &m->log_term, &m->commit,
                         &m->round, &m->first, &m->last, &m->hint_index, &m->hint_term};
    for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
        *words[i] = get_u64(r);
    return !r->failed && type >= RAFT_MSG_PREVOTE && type <= RAFT_MSG_TIMEOUT_NOW;
}

void wire_member(struct buf *out, const struct raft_member *m)
{
    put_u64(out, m->id);
    put_u8(out, m->voter);
    put_u16(out, m->port);
    put_u16(out, m->peer_port);
    put_bytes(out, slice_cstr(m->name));
    put_bytes(out, slice_cstr(m->host));
}

static bool read_text(struct reader *r, char *out, size_t max)
{
    struct slice s = get_bytes(r);
    if (r->failed || s.len >= max || memchr(s.data, 0, s.len))
        return false;
    memcpy(out, s.data, s.len);
    out[s.len] = 0;
    return true;
}

bool wire_read_member(struct reader *r, struct raft_member *m)
{
    memset(m, 0, sizeof(*m));
    m->id = get_u64(r);
    m->voter = get_u8(r);
    m->port = get_u16(r);
    m->peer_port = get_u16(r);
    return read_text(r, m->name, sizeof(m->name)) && read_text(r, m->host, sizeof(m->host)) && !r->failed &&
           m->id;
}
