/* A snapshot file's name and checksums. */
#include <inttypes.h>
#include <stdio.h>

#include "base/checksum.h"
#include "storage/snapshot.h"

void snapshot_name(char out[SNAPSHOT_NAME_MAX], const struct snapshot_id *id)
{
    snprintf(out, SNAPSHOT_NAME_MAX, "snapshot-%" PRIu64 "-%" PRIu64 "-%" PRIu64 ".rdb", id->generation,
             id->index, id->term);
}

bool snapshot_parse_name(const char *name, struct snapshot_id *id)
{
    char again[SNAPSHOT_NAME_MAX];
    *id = (struct snapshot_id){0};
    if (sscanf(name, "snapshot-%" SCNu64 "-%" SCNu64 "-%" SCNu64 ".rdb", &id->generation, &id->index,
               &id->term) != 3)
        return false;
    snapshot_name(again, id);
    return id->index > 0 && strcmp(again, name) == 0;
}

static void add_to_blocks(struct snapshot_sum *s, const char *at, size_t len)
{
    for (uint64_t offset = s->bytes; len > 0;) {
        size_t room = SNAPSHOT_BLOCK - (size_t)(offset % SNAPSHOT_BLOCK), n = len < room ? len : room;
        if (room == SNAPSHOT_BLOCK)
            put_u32(&s->blocks, 0);
        char *sum = s->blocks.data + s->blocks.len - sizeof(uint32_t);
        store_u32(sum, crc32c(load_u32(sum), at, n));
        offset += n;
        at += n;
        len -= n;
    }
}

void snapshot_sum_add(struct snapshot_sum *s, const void *data, size_t len)
{
    const char *at = data;
    add_to_blocks(s, at, len);
    for (size_t i = 0; i < len && s->bytes + i < sizeof s->head; i++)
        s->head[s->bytes + i] = at[i];
    s->bytes += len;
    if (len >= sizeof s->tail) {
        s->crc = crc64(s->crc, s->tail, s->tail_len);
        s->crc = crc64(s->crc, at, len - sizeof s->tail);
        memcpy(s->tail, at + len - sizeof s->tail, sizeof s->tail);
        s->tail_len = sizeof s->tail;
        return;
    }
    size_t over = s->tail_len + len > sizeof s->tail ? s->tail_len + len - sizeof s->tail : 0;
    s->crc = crc64(s->crc, s->tail, over);
    memmove(s->tail, s->tail + over, s->tail_len - over);
    memcpy(s->tail + s->tail_len - over, at, len);
    s->tail_len += len - over;
}

struct blob *snapshot_sum_end(struct snapshot_sum *s)
{
    bool good = s->bytes > sizeof s->head + sizeof s->tail && memcmp(s->head, "REDIS", 5) == 0 &&
                load_u64(s->tail) == s->crc;
    struct blob *sums = good ? blob_new(s->blocks.data, s->blocks.len) : NULL;
    snapshot_sum_deinit(s);
    return sums;
}

void snapshot_sum_deinit(struct snapshot_sum *s)
{
    buf_deinit(&s->blocks);
}

uint64_t snapshot_blocks_around(uint64_t bytes, uint64_t offset, size_t *len)
{
    uint64_t left = offset < bytes ? bytes - offset : 0;
    if (*len > left)
        *len = (size_t)left;
    uint64_t from = offset - offset % SNAPSHOT_BLOCK, to = offset + *len + SNAPSHOT_BLOCK - 1;
    to -= to % SNAPSHOT_BLOCK;
    if (to > bytes)
        to = bytes;
    *len = *len ? (size_t)(to - from) : 0;
    return from;
}

bool snapshot_blocks_good(const struct blob *sums, uint64_t offset, struct slice blocks)
{
    uint64_t at = offset / SNAPSHOT_BLOCK * sizeof(uint32_t);
    while (blocks.len > 0) {
        size_t n = blocks.len < SNAPSHOT_BLOCK ? blocks.len : SNAPSHOT_BLOCK;
        if (at + sizeof(uint32_t) > sums->len || crc32c(0, blocks.data, n) != load_u32(sums->data + at))
            return false;
        at += sizeof(uint32_t);
        blocks = slice_drop(blocks, n);
    }
    return true;
}
