/* A snapshot file's name and checksum. */
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

void snapshot_sum_add(struct snapshot_sum *s, const void *data, size_t len)
{
    const char *at = data;
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

bool snapshot_sum_good(const struct snapshot_sum *s)
{
    return s->bytes > sizeof s->head + sizeof s->tail && memcmp(s->head, "REDIS", 5) == 0 &&
           load_u64(s->tail) == s->crc;
}
