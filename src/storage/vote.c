/* The vote file's bytes. */
#include "storage/vote.h"

#include "base/checksum.h"

enum {
    VERSION = 1,
    FLAG_SHORT_LOG = 1,
    FLAG_DIVERGED = 2,
    FLAG_HAD_OTHERS = 4,
    AT_VERSION = 8,
    AT_FLAGS = 12,
    AT_SEQUENCE = 16,
    AT_NODE = 24,
    AT_CLUSTER = 32,
    AT_TERM = 40,
    AT_VOTED_FOR = 48,
    AT_UNTIL = 56,
    AT_GENERATION = 64,
    AT_CRC = 72,
    MARK_AT_TERM = 8,
    MARK_AT_INDEX = 16,
    MARK_AT_BOOT = 24,
    MARK_AT_CLEAN = 40,
    MARK_AT_FSYNC = 41,
    MARK_AT_CRC = 44,
};
static const char vote_magic[8] = {'K', 'V', 'R', 'M', 'V', 'O', 'T', 'E'};
static const char mark_magic[8] = {'K', 'V', 'R', 'M', 'M', 'A', 'R', 'K'};

void vote_encode(char sector[VOTE_SECTOR], const struct vote_record *r)
{
    memset(sector, 0, VOTE_SECTOR);
    memcpy(sector, vote_magic, sizeof vote_magic);
    store_u32(sector + AT_VERSION, VERSION);
    store_u32(sector + AT_FLAGS, (r->vote.short_log ? FLAG_SHORT_LOG : 0) |
                                     (r->vote.diverged ? FLAG_DIVERGED : 0) |
                                     (r->vote.had_others ? FLAG_HAD_OTHERS : 0));
    store_u64(sector + AT_SEQUENCE, r->sequence);
    store_u64(sector + AT_NODE, r->vote.node_id);
    store_u64(sector + AT_CLUSTER, r->vote.cluster_id);
    store_u64(sector + AT_TERM, r->vote.term);
    store_u64(sector + AT_VOTED_FOR, r->vote.voted_for);
    store_u64(sector + AT_UNTIL, r->vote.short_log_until);
    store_u64(sector + AT_GENERATION, r->generation);
    store_u32(sector + AT_CRC, crc32c(0, sector, AT_CRC));
}

enum vote_state vote_decode(const char sector[VOTE_SECTOR], struct vote_record *r)
{
    *r = (struct vote_record){0};
    if (memcmp(sector, vote_magic, sizeof vote_magic) != 0 ||
        load_u32(sector + AT_CRC) != crc32c(0, sector, AT_CRC))
        return VOTE_DAMAGED;
    uint32_t flags = load_u32(sector + AT_FLAGS);
    if (load_u32(sector + AT_VERSION) != VERSION ||
        (flags & ~(uint32_t)(FLAG_SHORT_LOG | FLAG_DIVERGED | FLAG_HAD_OTHERS)) != 0)
        return VOTE_NEWER_FORMAT;
    r->vote.short_log = flags & FLAG_SHORT_LOG;
    r->vote.diverged = flags & FLAG_DIVERGED;
    r->vote.had_others = flags & FLAG_HAD_OTHERS;
    r->sequence = load_u64(sector + AT_SEQUENCE);
    r->vote.node_id = load_u64(sector + AT_NODE);
    r->vote.cluster_id = load_u64(sector + AT_CLUSTER);
    r->vote.term = load_u64(sector + AT_TERM);
    r->vote.voted_for = load_u64(sector + AT_VOTED_FOR);
    r->vote.short_log_until = load_u64(sector + AT_UNTIL);
    r->generation = load_u64(sector + AT_GENERATION);
    return VOTE_GOOD;
}

enum vote_state vote_choose(const char file[VOTE_FILE_BYTES], struct vote_record *r, bool *repair)
{
    struct vote_record a, b;
    enum vote_state state_a = vote_decode(file, &a), state_b = vote_decode(file + VOTE_SECTOR, &b);
    *repair = true;
    if (state_a == VOTE_NEWER_FORMAT || state_b == VOTE_NEWER_FORMAT)
        return VOTE_NEWER_FORMAT;
    if (state_a == VOTE_GOOD && state_b == VOTE_GOOD) {
        *r = b.sequence > a.sequence ? b : a;
        *repair = a.sequence != b.sequence;
        return VOTE_GOOD;
    }
    *r = state_a == VOTE_GOOD ? a : b;
    return state_a == VOTE_GOOD ? state_a : state_b;
}

void vote_mark_encode(char sector[VOTE_SECTOR], const struct vote_mark *m)
{
    memset(sector, 0, VOTE_SECTOR);
    memcpy(sector, mark_magic, sizeof mark_magic);
    store_u64(sector + MARK_AT_TERM, m->term);
    store_u64(sector + MARK_AT_INDEX, m->index);
    memcpy(sector + MARK_AT_BOOT, m->boot, sizeof m->boot);
    sector[MARK_AT_CLEAN] = m->clean ? 1 : 0;
    sector[MARK_AT_FSYNC] = (char)m->fsync;
    store_u32(sector + MARK_AT_CRC, crc32c(0, sector, MARK_AT_CRC));
}

bool vote_mark_decode(const char sector[VOTE_SECTOR], struct vote_mark *m)
{
    *m = (struct vote_mark){0};
    if (memcmp(sector, mark_magic, sizeof mark_magic) != 0 ||
        load_u32(sector + MARK_AT_CRC) != crc32c(0, sector, MARK_AT_CRC))
        return false;
    m->term = load_u64(sector + MARK_AT_TERM);
    m->index = load_u64(sector + MARK_AT_INDEX);
    memcpy(m->boot, sector + MARK_AT_BOOT, sizeof m->boot);
    m->clean = sector[MARK_AT_CLEAN] != 0;
    m->fsync = (enum storage_fsync)sector[MARK_AT_FSYNC];
    return true;
}

void vote_blank(char file[VOTE_FILE_BYTES])
{
    struct vote_record blank = {.sequence = 1, .generation = 1};
    struct vote_mark mark = {.clean = true};
    vote_encode(file, &blank);
    vote_encode(file + VOTE_SECTOR, &blank);
    vote_mark_encode(file + VOTE_MARK_OFFSET, &mark);
}
