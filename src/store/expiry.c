/* Keys that expire, smallest (time, key) first: a 4-ary heap whose items carry the time, so that most
 * comparisons stay within a cache line. Each key knows its slot. The order of removal is total, so the shape
 * of the heap, which differs after a snapshot, shows nowhere. */
#include "store/store_int.h"

static struct expiry_item *item_at(const struct store_db *db, uint32_t slot)
{
    return segments_at(&db->expiring, slot, sizeof(struct expiry_item));
}

static bool sooner(const struct expiry_item *a, const struct expiry_item *b)
{
    if (a->at_ms != b->at_ms)
        return a->at_ms < b->at_ms;
    return slice_compare(key_slice(a->key), key_slice(b->key)) < 0;
}

static void put(struct store_db *db, uint32_t slot, struct expiry_item item)
{
    if (slot == 0)
        db->store->soonest.known = false;
    *item_at(db, slot) = item;
    key_block(item.key)->slot = slot;
}

static void sift_up(struct store_db *db, uint32_t slot, struct expiry_item item)
{
    while (slot > 0) {
        uint32_t parent = (slot - 1) / 4;
        struct expiry_item *above = item_at(db, parent);
        if (!sooner(&item, above))
            break;
        put(db, slot, *above);
        slot = parent;
    }
    put(db, slot, item);
}

static void sift_down(struct store_db *db, uint32_t slot, struct expiry_item item)
{
    for (;;) {
        uint64_t first = (uint64_t)slot * 4 + 1;
        if (first >= db->expiring_count)
            break;
        uint32_t best = (uint32_t)first;
        for (uint64_t i = first + 1; i < first + 4 && i < db->expiring_count; i++)
            if (sooner(item_at(db, (uint32_t)i), item_at(db, best)))
                best = (uint32_t)i;
        if (!sooner(item_at(db, best), &item))
            break;
        put(db, slot, *item_at(db, best));
        slot = best;
    }
    put(db, slot, item);
}

void expiry_push(struct store_db *db, struct store_key *k)
{
    segments_grow(&db->expiring, (size_t)db->expiring_count + 1, sizeof(struct expiry_item));
    sift_up(db, db->expiring_count++, (struct expiry_item){key_block(k)->at_ms, k});
}

void expiry_remove(struct store_db *db, struct store_key *k)
{
    uint32_t slot = key_block(k)->slot;
    assert(slot < db->expiring_count && item_at(db, slot)->key == k);
    struct expiry_item last = *item_at(db, --db->expiring_count);
    if (slot < db->expiring_count) {
        if (slot > 0 && sooner(&last, item_at(db, (slot - 1) / 4)))
            sift_up(db, slot, last);
        else
            sift_down(db, slot, last);
    } else if (slot == 0) {
        db->store->soonest.known = false;
    }
    segments_shrink(&db->expiring, db->expiring_count, sizeof(struct expiry_item));
}

void expiry_moved(struct store_db *db, struct store_key *k)
{
    item_at(db, key_block(k)->slot)->key = k;
}

struct expiry_item expiry_first(const struct store_db *db)
{
    return db->expiring_count ? *item_at(db, 0) : (struct expiry_item){0, NULL};
}

struct soonest expiry_soonest(const struct store *s)
{
    if (s->soonest.known)
        return s->soonest;
    struct soonest best = {true, 0, STORE_NEVER};
    for (uint32_t i = 0; i < s->db_count; i++) {
        struct expiry_item item = expiry_first(&s->dbs[i]);
        if (item.key && (best.at_ms == STORE_NEVER || item.at_ms < best.at_ms)) {
            best.db = i;
            best.at_ms = item.at_ms;
        }
    }
    return ((struct store *)(uintptr_t)s)->soonest = best; /* a cache: the state is as it was */
}

enum { SAMPLE = 256 };

/* From all over the heap, in no regular steps, which might fall in with the order in which the keys came. */
uint64_t store_average_ttl(const struct store *s, uint32_t db, uint64_t now_ms)
{
    const struct store_db *d = &s->dbs[db];
    uint64_t all = d->expiring_count, count = all < SAMPLE ? all : SAMPLE, sum = 0;
    for (uint64_t i = 0; i < count; i++) {
        uint64_t place = all <= SAMPLE ? i : i * UINT64_C(0x9E3779B97F4A7C15) % all;
        uint64_t at_ms = item_at(d, (uint32_t)place)->at_ms;
        sum += (at_ms > now_ms ? at_ms - now_ms : 0) / SAMPLE; /* a sum of whole ones might not fit */
    }
    return count ? sum / count * SAMPLE + sum % count * SAMPLE / count : 0;
}
