"""Resident memory: what an empty node takes, and what each further key costs, kvorum beside redis-server."""

import statistics

from report import row
from systems import fill, settled_bytes, start_one, start_redis, swapped

# name, value, words behind it. The integers need all of their 64 bits.
KINDS = [
    ("64-byte values", b"x" * 64, ()),
    ("64-byte values with a TTL", b"x" * 64, ("EX", 1000000)),
    ("8-byte integers", b"1%018d", ()),
]


def slope(starter, value, words, small, large, pause_s=1.0):
    """Bytes a key, between `small` and `large` keys; and what the node took while it was empty."""
    system = starter()
    empty = settled_bytes(system, pause_s)
    fill(system.port, small, value=value, words=words)
    few = settled_bytes(system, pause_s)
    fill(system.port, large - small, value=value, words=words, first=small)
    many = settled_bytes(system, pause_s)
    system.stop()
    return (many - few) / (large - small), empty


def memory(rounds, quick):
    small, large, pause_s = (20000, 100000, 0.1) if quick else (10 ** 6, 10 ** 7, 1.0)
    rows, empty = [], []
    for number, (name, value, words) in enumerate(KINDS):
        taken = {starter: slope(starter, value, words, small, large, pause_s) for starter in swapped(number, (start_one, start_redis))}
        (ours, fixed), (theirs, their_fixed) = taken[start_one], taken[start_redis]
        empty.append((fixed / 1e6, their_fixed / 1e6))
        print("  %s: %.1f bytes a key beside %.1f" % (name, ours, theirs), flush=True)
        rows.append(row("memory a key, 16-byte keys, %s" % name, [ours / theirs], 0.65, 0.85, "less", "", "%.1f bytes" % ours,
                        "%.1f bytes" % theirs))
    mine, their = zip(*empty)
    rows.append(row("memory of an empty node", mine, 40, 60, "less", " MB", "%.1f MB" % statistics.median(mine),
                    "%.1f MB" % statistics.median(their)))
    return rows
