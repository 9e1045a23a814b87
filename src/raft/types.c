/* The member list's bytes, as a CONFIG entry and a snapshot's header carry them:
 *
 *     u8      version, 1
 *     varint  count, at most RAFT_MEMBERS_MAX
 *     count times:
 *         u64    id, not 0, none twice
 *         u8     flags: 1 = voter, other bits 0
 *         u16    port
 *         u16    peer port
 *         bytes  name (varint length, no zero byte, shorter than RAFT_NAME_MAX)
 *         bytes  host (likewise, RAFT_HOST_MAX)
 *
 * One list has one encoding, so that equal lists are equal bytes. */
#include "raft/types.h"

#include <assert.h>
#include <string.h>

enum { MEMBERS_VERSION = 1, FLAG_VOTER = 1 };

bool raft_members_others(const struct raft_members *m, uint64_t id)
{
    for (uint32_t i = 0; i < m->count; i++)
        if (m->at[i].voter && m->at[i].id != id)
            return true;
    return false;
}

const struct raft_member *raft_members_find(const struct raft_members *m, uint64_t id)
{
    for (uint32_t i = 0; i < m->count; i++)
        if (m->at[i].id == id)
            return &m->at[i];
    return NULL;
}

void raft_members_encode(struct buf *out, const struct raft_members *m)
{
    assert(m->count <= RAFT_MEMBERS_MAX);
    put_u8(out, MEMBERS_VERSION);
    put_varint(out, m->count);
    for (uint32_t i = 0; i < m->count; i++) {
        const struct raft_member *member = &m->at[i];
        put_u64(out, member->id);
        put_u8(out, member->voter ? FLAG_VOTER : 0);
        put_u16(out, member->port);
        put_u16(out, member->peer_port);
        put_bytes(out, slice_cstr(member->name));
        put_bytes(out, slice_cstr(member->host));
    }
}

static bool get_text(struct reader *in, char *text, size_t size)
{
    struct slice s = get_bytes(in);
    if (in->failed || s.len >= size || (s.len > 0 && memchr(s.data, 0, s.len) != NULL))
        return false;
    if (s.len > 0)
        memcpy(text, s.data, s.len);
    text[s.len] = 0;
    return true;
}

static bool get_member(struct reader *in, struct raft_members *m)
{
    struct raft_member *member = &m->at[m->count];
    member->id = get_u64(in);
    uint8_t flags = get_u8(in);
    member->voter = (flags & FLAG_VOTER) != 0;
    member->port = get_u16(in);
    member->peer_port = get_u16(in);
    if (!get_text(in, member->name, sizeof member->name) || !get_text(in, member->host, sizeof member->host))
        return false;
    if (member->id == 0 || (flags & ~FLAG_VOTER) != 0 || raft_members_find(m, member->id) != NULL)
        return false;
    m->count++;
    return true;
}

bool raft_members_decode(struct slice in, struct raft_members *m)
{
    struct reader r = reader_of(in);
    memset(m, 0, sizeof *m);
    uint8_t version = get_u8(&r);
    uint64_t count = get_varint(&r);
    if (r.failed || version != MEMBERS_VERSION || count > RAFT_MEMBERS_MAX)
        return false;
    for (uint64_t i = 0; i < count; i++)
        if (!get_member(&r, m))
            return false;
    return !r.failed && reader_left(&r) == 0;
}
