/* Large sorted sets: a table that knows the scores, and a tree that knows the order. */
#include "base/alloc.h"
#include "store/zset_int.h"

/* As the table holds it. */
static struct slice encode(double score, char bytes[8])
{
    uint64_t bits;
    memcpy(&bits, &score, sizeof bits);
    store_u64(bytes, bits);
    return slice_of(bytes, 8);
}

double item_score(const struct table_item *item)
{
    uint64_t bits = load_u64(table_value(item).data);
    double score;
    memcpy(&score, &bits, sizeof score);
    return score;
}

struct zset_large *large_new(struct hash_seed seed)
{
    struct zset_large *z = mem_calloc(1, sizeof *z);
    z->members = table_new(seed);
    return z;
}

struct zset_large *large_copy(const struct zset_large *z)
{
    struct zset_large *copy = mem_calloc(1, sizeof *copy);
    copy->members = table_copy(z->members);
    for (uint32_t i = 0; i < table_count(copy->members); i++) {
        struct table_item *item = table_at(copy->members, i);
        btree_insert(&copy->order, item_score(item), item);
    }
    return copy;
}

bool large_score(const struct zset_large *z, struct slice member, double *score)
{
    struct table_spot spot = table_find(z->members, member);
    if (spot.place == PLACE_NONE)
        return false;
    *score = item_score(table_at(z->members, spot.place));
    return true;
}

bool large_put(struct zset_large *z, struct slice member, double score, double *old)
{
    char bytes[8];
    struct table_spot spot = table_find(z->members, member);
    if (spot.place == PLACE_NONE) {
        btree_insert(&z->order, score, table_add(z->members, &spot, member, encode(score, bytes)));
        return false;
    }
    struct table_item *item = table_at(z->members, spot.place);
    *old = item_score(item);
    btree_move(&z->order, *old, score, item);
    table_set(z->members, &spot, encode(score, bytes)); /* of the same length: the item stays where it is */
    return true;
}

bool large_remove(struct zset_large *z, struct slice member, double *old)
{
    struct table_spot spot = table_find(z->members, member);
    if (spot.place == PLACE_NONE)
        return false;
    struct table_item *item = table_at(z->members, spot.place);
    *old = item_score(item);
    btree_remove(&z->order, *old, item);
    table_remove(z->members, &spot);
    return true;
}

size_t large_bytes(const struct zset_large *z)
{
    return mem_usable(z) + table_bytes(z->members) + z->order.bytes;
}

size_t large_free_some(struct zset_large **z, size_t budget)
{
    size_t done = 0;
    while (done < budget && btree_free_some(&(*z)->order))
        done++;
    if (done < budget)
        done += table_free_some(&(*z)->members, budget - done);
    if (!(*z)->members) {
        mem_free(*z);
        *z = NULL;
    }
    return done;
}
