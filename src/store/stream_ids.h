/* Items in the order of stream IDs: what a group, and what each of its consumers, has been given and not acknowledged yet. They
 * come at the end and mostly go near the front, but may come and go anywhere.
 *
 * A sorted array in leaves of 1 KiB. Private to the room, but for walking. */
#ifndef STORE_STREAM_IDS_H
#define STORE_STREAM_IDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct stream_id {
    uint64_t ms, seq;
};
static inline int stream_id_compare(struct stream_id a, struct stream_id b)
{
    if (a.ms != b.ms)
        return a.ms < b.ms ? -1 : 1;
    return a.seq == b.seq ? 0 : a.seq < b.seq ? -1 : 1;
}

struct ids_leaf;
struct ids {
    size_t item; /* bytes of one, a multiple of 8; it begins with its ID */
    uint64_t count;
    size_t bytes; /* of memory */
    struct ids_leaf **leaves;
    size_t first, used, cap;
};

struct ids_at { /* good until something is put or removed */
    size_t leaf;
    uint32_t at;
};
/* The first one that is not before `id`; NULL: none. */
void *ids_from(const struct ids *s, struct stream_id id, struct ids_at *at);
void *ids_next(const struct ids *s, struct ids_at *at);
void *ids_last(const struct ids *s);
void *ids_find(const struct ids *s, struct stream_id id); /* NULL: absent */

/* It must be absent. All but its ID is zero. */
void *ids_put(struct ids *s, struct stream_id id);
bool ids_remove(struct ids *s, struct stream_id id);
/* Frees at most `budget` pieces, from the end, and says how many; 0: nothing is left. The sums are wrong from then on. */
size_t ids_free_some(struct ids *s, size_t budget);

#endif
