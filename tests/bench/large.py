"""Rows of large values on one node: bytes a second beside redis-server, as a ratio of requests."""

import statistics

from report import row
from systems import start_one, start_redis, swapped
from throughput import load

# name, bytes of a value, requests, keys, least ratio
SIZES = [("16 KiB", 16 << 10, 20000, 10000, 0.9), ("1 MiB", 1 << 20, 400, 100, 0.6)]


def measure(system, part):
    """SETs, then GETs of the same keys, of each size."""
    return {(size, test): load(system, test, 1, requests // part, value_bytes, keys)
            for size, value_bytes, requests, keys, _ in SIZES for test in ("set", "get")}


def large(rounds, quick):
    ours, theirs = [], []
    for number in range(rounds):
        order = [(ours, start_one), (theirs, start_redis)]
        for taken, starter in swapped(number, order):
            system = starter()
            taken.append(measure(system, 10 if quick else 1))
            system.stop()
        for key in ours[-1]:
            print("  %s, %s, round %d: %.0f/s beside %.0f/s" % (*key, number + 1, ours[-1][key][0], theirs[-1][key][0]), flush=True)
    rows = []
    for size, value_bytes, _, _, least in SIZES:
        for test in ("set", "get"):
            k, r = ([side[size, test] for side in taken] for taken in (ours, theirs))
            rate, cpu = ([statistics.median(t[i] for t in side) for side in (k, r)] for i in (0, 1))
            rows.append(row("one node, %s, %s values" % (test.upper(), size), [a[0] / b[0] for a, b in zip(k, r)], least, least, "more", "",
                            *("%.0f MB/s" % (x * value_bytes / 1e6) for x in rate), "%.0f / %.0f us" % tuple(cpu)))
    return rows
