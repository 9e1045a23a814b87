/* Versions: has a key changed since WATCH looked at it?
 *
 * A version is twice the index of the last change, plus one when the change was that the key's time came. A
 * checkpoint raises the floor under all of them, on every node at the same index, so a node restored from its
 * snapshot (which knows no versions) agrees with the others.
 *
 *     living key                   2 * max(index, floor), the floor under all or that of its database, which SWAPDB raises
 *     due, removed or not yet      2 * max(index, floor) + 1     changes when the time comes, not when it is
 * removed deleted                      what stands in its slot, at least 2 * floor
 *
 * Deleted keys leave theirs in a table of slots by hash. Keys share slots, so an EXEC that watched an absent
 * key may now and then be refused without need; one that had to be refused never passes. */
#include "store/store_int.h"

#define FLUSH_WALK_MAX (2 * VERSION_SLOTS) /* a bigger database hits nearly every slot: raise them all */

static uint64_t *slot_of(struct store *s, uint32_t db, uint64_t hash)
{
    return &s->gone[(hash ^ (uint64_t)db * 40503) % VERSION_SLOTS];
}

static void raise_to(uint64_t *slot, uint64_t version)
{
    if (*slot < version)
        *slot = version;
}

static uint64_t living(const struct store *s, uint32_t db, const struct store_key *k)
{
    uint64_t index = key_version(k);
    raise_to(&index, s->version_floor);
    raise_to(&index, s->dbs[db].version_floor);
    return 2 * index;
}

void versions_deleted(struct store *s, uint32_t db, uint64_t hash, uint64_t index)
{
    raise_to(slot_of(s, db, hash), 2 * index);
}

void versions_expired(struct store *s, uint32_t db, uint64_t hash, const struct store_key *k)
{
    raise_to(slot_of(s, db, hash), living(s, db, k) + 1);
}

void versions_flushed(struct store *s, uint32_t db, uint64_t index)
{
    struct store_db *d = &s->dbs[db];
    if (d->count > FLUSH_WALK_MAX) {
        for (size_t i = 0; i < VERSION_SLOTS; i++)
            raise_to(&s->gone[i], 2 * index);
        return;
    }
    for (uint32_t i = 0; i < d->count; i++)
        versions_deleted(s, db, key_hash(&s->seed, key_slice(db_key(d, i))), index);
}

/* Of a name that is in either, what it meant has changed in both; one that is in neither has not. */
void versions_swapped(struct store *s, uint32_t a, uint32_t b, uint64_t index)
{
    versions_flushed(s, a, index);
    versions_flushed(s, b, index);
    s->dbs[a].version_floor = s->dbs[b].version_floor = index;
}

uint64_t store_version(const struct store_view *v, struct slice key)
{
    struct store *s = v->store;
    struct spot at = db_spot(s, v->db, key);
    if (at.k && !key_due(at.k, v))
        return living(s, v->db, at.k);
    uint64_t version = 2 * s->version_floor;
    raise_to(&version, *slot_of(s, v->db, at.hash));
    if (at.k)
        raise_to(&version, living(s, v->db, at.k) + 1);
    return version;
}

void store_raise_versions(struct store *s, uint64_t index)
{
    raise_to(&s->version_floor, index);
}

uint64_t store_version_floor(const struct store *s)
{
    return s->version_floor;
}
