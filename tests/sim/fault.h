/* What can happen to a world, by name. Each kind counts how often it came about: a kind that never did proves nothing. */
#ifndef SIM_FAULT_H
#define SIM_FAULT_H

#include <stdint.h>

enum fault {
    /* of a frame */
    FAULT_LOSS,
    FAULT_LATE,
    FAULT_TWICE,
    FAULT_OVERTAKES,
    FAULT_FORMER_LIFE, /* it arrives when its sender has ended, or lives again */
    /* of links */
    FAULT_CLOG, /* nothing arrives for a while, then everything */
    FAULT_RESET,
    FAULT_FLAP,
    FAULT_LINK,
    FAULT_ONE_WAY,
    FAULT_ISOLATE,
    FAULT_SPLIT,
    FAULT_SPLIT_ONE_WAY,
    FAULT_BRIDGE, /* two halves that share one node */
    FAULT_CHAIN,
    FAULT_RING,
    /* of processes */
    FAULT_CRASH,
    FAULT_CRASH_IN_TURN, /* some of a turn's effects are out, the rest never will be */
    FAULT_CRASH_MANY,
    FAULT_RESTARTS,
    FAULT_TERM,
    FAULT_PAUSE,
    /* of clocks */
    FAULT_CLOCK_JUMP,
    FAULT_CLOCK_DRIFT,
    FAULT_TICK_DRIFT, /* the monotonic clock */
    /* of disks */
    FAULT_DISK,   /* one of disk.h's, which are counted there */
    FAULT_BACKUP, /* made, and an old one put back */
    FAULT_WIPE,
    /* of states */
    FAULT_TAMPER,
    /* administration */
    FAULT_ADD,
    FAULT_REMOVE,
    FAULT_REPLACE,
    FAULT_TRANSFER,
    FAULT_CHECKPOINT,
    FAULT_SETTING,
    FAULTS
};

extern const char *const fault_names[FAULTS];

#endif
