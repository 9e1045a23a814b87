/* Faults of the disks, as tests ask for them. */
#include "world_int.h"

bool world_disk_fault_harms(enum disk_fault kind)
{
    return kind >= DISK_FLIP_MARK && kind < DISK_FAULTS;
}

bool world_disk_fault(struct world *w, uint32_t i, enum disk_fault kind, uint64_t amount)
{
    struct proc *p = &w->nodes[i];
    if (kind == DISK_HANG && p->node) {
        world_stall_disk(w, i, amount);
    } else if (kind == DISK_LOSE_TAIL && !p->node && disk_end(p) > p->disk.durable.snapshot_index) {
        disk_lose_tail(p, amount ? amount : 1);
        p->disk.damaged = true;
    } else {
        return false;
    }
    w->disk_counts.asked[kind]++;
    return true;
}

void world_backup(struct world *w, uint32_t i)
{
    (void)w;
    (void)i;
}

bool world_restore(struct world *w, uint32_t i)
{
    (void)w;
    (void)i;
    return false;
}

bool world_disk_damaged(const struct world *w, uint32_t i)
{
    return w->nodes[i].disk.damaged;
}

bool world_disk_needs_replacing(const struct world *w, uint32_t i)
{
    return w->nodes[i].disk.needs_replacing;
}

const struct disk_counts *world_disk_counts(const struct world *w)
{
    return &w->disk_counts;
}

const char *disk_fault_name(enum disk_fault kind)
{
    static const char *const names[DISK_FAULTS] = {
        [DISK_HANG] = "hang",
        [DISK_SLOW] = "slow",
        [DISK_FULL] = "full",
        [DISK_ROOM] = "room",
        [DISK_NO_SPACE] = "no space",
        [DISK_WRITE_FAIL] = "write error",
        [DISK_SYNC_FAIL] = "sync error",
        [DISK_MISREAD] = "misread",
        [DISK_FLIP_ONE_VOTE] = "flip in one vote slot",
        [DISK_REVIVE] = "deleted keys revived",
        [DISK_DROP_CACHE] = "power cut",
        [DISK_FLIP_MARK] = "flip in the mark",
        [DISK_FLIP_JOURNAL] = "flip in the journal",
        [DISK_MISPLACE] = "misplaced block",
        [DISK_BAD_BLOCK] = "unreadable block",
        [DISK_FLIP_SNAPSHOT] = "flip in a snapshot",
        [DISK_LOSE_TAIL] = "lost tail",
        [DISK_HOLE] = "hole",
        [DISK_FLIP_BOTH_VOTES] = "both vote slots",
    };
    return names[kind];
}
