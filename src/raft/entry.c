/* Writing and reading the frame that entry.h draws. */
#include "raft/entry.h"

#include <assert.h>
#include <string.h>

#include "base/checksum.h"

enum { AT_LEN = 0, AT_CRC = 4, AT_INDEX = 8, AT_TERM = 16, AT_KIND = 24 };

size_t raft_entry_begin(struct buf *out, uint64_t index, uint64_t term, enum raft_entry_kind kind)
{
    size_t begin = out->len;
    char *at = buf_reserve(out, RAFT_ENTRY_HEADER);
    memset(at, 0, RAFT_ENTRY_HEADER);
    store_u64(at + AT_INDEX, index);
    store_u64(at + AT_TERM, term);
    at[AT_KIND] = (char)kind;
    out->len += RAFT_ENTRY_HEADER;
    return begin;
}

void raft_entry_end(struct buf *out, size_t begin)
{
    size_t len = out->len - begin;
    char *at = out->data + begin;
    assert(len >= RAFT_ENTRY_HEADER && len <= RAFT_ENTRY_MAX);
    store_u32(at + AT_LEN, (uint32_t)len);
    store_u32(at + AT_CRC, crc32c(0, at + AT_INDEX, len - AT_INDEX));
}

bool raft_entry_read(struct slice in, bool verify, struct raft_frame *out)
{
    if (in.len < RAFT_ENTRY_HEADER)
        return false;
    size_t len = load_u32(in.data + AT_LEN);
    if (len < RAFT_ENTRY_HEADER || len > RAFT_ENTRY_MAX || len > in.len)
        return false;
    if (verify && load_u32(in.data + AT_CRC) != crc32c(0, in.data + AT_INDEX, len - AT_INDEX))
        return false;
    out->index = load_u64(in.data + AT_INDEX);
    out->term = load_u64(in.data + AT_TERM);
    out->kind = (enum raft_entry_kind)(uint8_t)in.data[AT_KIND];
    out->payload = slice_of(in.data + RAFT_ENTRY_HEADER, len - RAFT_ENTRY_HEADER);
    out->len = len;
    return true;
}

bool raft_entry_known(const struct raft_frame *f)
{
    return f->kind <= RAFT_ENTRY_CONFIG;
}
