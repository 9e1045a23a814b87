/* One block of the journal: sealing it, reading it back, finding entries in it. */
#include "storage/journal.h"

#include <assert.h>

#include "base/checksum.h"

enum {
    MAGIC = 0x3142564b, /* "KVB1" */
    AT_MAGIC = 0,
    AT_CHECKSUM = 4,
    AT_CLUSTER = 8,
    AT_FIRST = 16,
    AT_LAST = 24,
    AT_PREV_TERM = 32,
    AT_LEN = 40,
    AT_PREV_CHECKSUM = 44,
};

/* Walks the frames' headers: their checksum on top of `sum`, and the order of their indexes and terms. */
static const char *sum_frames(struct journal_block *b, uint32_t sum)
{
    struct slice rest = b->frames;
    uint64_t term = b->prev_term;
    for (uint64_t index = b->first; index <= b->last; index++) {
        struct raft_frame frame;
        if (!raft_entry_read(rest, false, &frame))
            return "an entry's header is damaged";
        if (frame.index != index)
            return "an index is out of order";
        if (frame.term < term)
            return "a term goes backwards";
        term = frame.term;
        sum = crc32c(sum, rest.data, RAFT_ENTRY_HEADER);
        rest = slice_of(rest.data + frame.len, rest.len - frame.len);
    }
    if (rest.len > 0)
        return "there are bytes behind the last entry";
    b->last_term = term;
    b->checksum = sum;
    return NULL;
}

void journal_block_seal(char header[JOURNAL_HEADER], struct journal_block *b)
{
    assert(b->last >= b->first && b->frames.len <= UINT32_MAX);
    store_u32(header + AT_MAGIC, MAGIC);
    store_u64(header + AT_CLUSTER, b->cluster_id);
    store_u64(header + AT_FIRST, b->first);
    store_u64(header + AT_LAST, b->last);
    store_u64(header + AT_PREV_TERM, b->prev_term);
    store_u32(header + AT_LEN, (uint32_t)b->frames.len);
    store_u32(header + AT_PREV_CHECKSUM, b->prev_checksum);
    const char *wrong = sum_frames(b, crc32c(0, header + AT_CLUSTER, JOURNAL_HEADER - AT_CLUSTER));
    assert(!wrong);
    (void)wrong;
    store_u32(header + AT_CHECKSUM, b->checksum);
}

const char *journal_block_read(struct slice value, struct journal_block *b)
{
    if (value.len < JOURNAL_HEADER)
        return "it is too short";
    const char *at = value.data;
    if (load_u32(at + AT_MAGIC) != MAGIC)
        return "it does not begin as a block";
    b->cluster_id = load_u64(at + AT_CLUSTER);
    b->first = load_u64(at + AT_FIRST);
    b->last = load_u64(at + AT_LAST);
    b->prev_term = load_u64(at + AT_PREV_TERM);
    b->prev_checksum = load_u32(at + AT_PREV_CHECKSUM);
    b->frames = slice_of(at + JOURNAL_HEADER, value.len - JOURNAL_HEADER);
    if (load_u32(at + AT_LEN) != b->frames.len)
        return "its length is wrong";
    if (b->first == 0 || b->last < b->first || b->last - b->first >= b->frames.len / RAFT_ENTRY_HEADER)
        return "its indexes are wrong";
    const char *wrong = sum_frames(b, crc32c(0, at + AT_CLUSTER, JOURNAL_HEADER - AT_CLUSTER));
    if (!wrong && b->checksum != load_u32(at + AT_CHECKSUM))
        wrong = "its checksum is wrong";
    return wrong;
}

uint64_t journal_block_verify(const struct journal_block *b)
{
    struct slice rest = b->frames;
    for (uint64_t index = b->first; index <= b->last; index++) {
        struct raft_frame frame;
        if (!raft_entry_read(rest, true, &frame))
            return index;
        rest = slice_of(rest.data + frame.len, rest.len - frame.len);
    }
    return 0;
}

uint64_t journal_block_unknown(const struct journal_block *b)
{
    struct slice rest = b->frames;
    struct raft_frame frame;
    for (uint64_t index = b->first; index <= b->last && raft_entry_read(rest, false, &frame); index++) {
        if (!raft_entry_known(&frame))
            return index;
        rest = slice_of(rest.data + frame.len, rest.len - frame.len);
    }
    return 0;
}

/* The header was verified, so the walk cannot fail. */
static size_t walk(const struct journal_block *b, uint64_t index, struct raft_frame *frame)
{
    size_t offset = 0;
    for (uint64_t i = b->first; i <= index; i++) {
        bool good = raft_entry_read(slice_of(b->frames.data + offset, b->frames.len - offset), false, frame);
        assert(good);
        (void)good;
        offset += frame->len;
    }
    return offset;
}

size_t journal_block_offset(const struct journal_block *b, uint64_t index)
{
    struct raft_frame frame;
    assert(index >= b->first && index - 1 <= b->last);
    return index == b->first ? 0 : walk(b, index - 1, &frame);
}

uint64_t journal_block_term(const struct journal_block *b, uint64_t index)
{
    struct raft_frame frame = {0};
    assert(index >= b->first && index <= b->last);
    walk(b, index, &frame);
    return frame.term;
}

bool journal_ends_before(uint64_t term, uint64_t index, uint64_t other_term, uint64_t other_index)
{
    return term != other_term ? term < other_term : index < other_index;
}

struct journal_key journal_key(uint64_t index)
{
    struct journal_key k;
    store_u64be(k.bytes, index);
    return k;
}

struct slice journal_key_slice(const struct journal_key *k)
{
    return slice_of(k->bytes, sizeof k->bytes);
}

uint64_t journal_key_index(struct slice key)
{
    return key.len == sizeof(struct journal_key) ? load_u64be(key.data) : 0;
}
