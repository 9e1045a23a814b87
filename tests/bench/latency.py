"""Rows of the load generator: mixed pipelines, one client's latency, and the tail at a fixed rate; three nodes beside one redis-server."""

import os
import statistics
import time

from load import rate
from report import row
from systems import KEYS, fill, start_redis, start_three, swapped

FIXED_RATE = 20000
BLOCK_BYTES = 256  # a journal's block of one small entry, about


def sync_us(folder, count):
    """What appending a small block to a file and syncing it takes, in the middle: the least that a write can cost here."""
    path, times = os.path.join(folder, "sync"), []
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for _ in range(count):
        start = time.perf_counter()
        os.write(file, b"x" * BLOCK_BYTES)
        os.fdatasync(file)
        times.append((time.perf_counter() - start) * 1e6)
    os.close(file)
    os.unlink(path)
    return statistics.median(times)


def measure(system, quick):
    """All that one side does in one round, by name."""
    part = 10 if quick else 1
    fill(system.port, KEYS)
    before = system.cpu_s()
    mixed = rate([system.port], "-P", 16, "-n", 400000 // part)
    got = {"mixed": mixed["rate"], "mixed cpu": (system.cpu_s() - before) * 1e6 / mixed["requests"]}
    got["PING"] = rate([system.port], "-c", 1, "-s", 0, "-p", "-n", 10000 // part)["get_p50"]
    got["GET"] = rate([system.port], "-c", 1, "-s", 0, "-n", 10000 // part)["get_p50"]
    before_us = sync_us(system.leader.folder, 1000 // part)
    got["SET"] = rate([system.port], "-c", 1, "-s", 100, "-n", 5000 // part)["set_p50"]
    got["sync"] = min(before_us, sync_us(system.leader.folder, 1000 // part))  # a disk that is busy for one of them flatters nobody
    if mixed["errors"]:
        raise RuntimeError("errors: %s" % mixed["codes"])
    return got


def at_fixed_rate(rounds, quick):
    """Both sides run, and are loaded in turns of a second: who else is busy on the machine, for as long as it takes, is so for both."""
    sides = [start_three(), start_redis()]
    for system in sides:
        fill(system.port, KEYS)
    taken = {system: [] for system in sides}
    for number in range(rounds if quick else 5 * rounds):
        for system in swapped(number, sides):
            fixed = rate([system.port], "-R", FIXED_RATE, "-t", 1, "-S", number + 1)
            if fixed["errors"]:
                raise RuntimeError("errors: %s" % fixed["codes"])
            taken[system].append(fixed)
    for system in sides:
        system.stop()
    ours, theirs = (taken[system] for system in sides)
    made = []
    for what, goal, floor in (("GET", 1.0, 1.5), ("SET", 1.5, 3)):
        p99 = what.lower() + "_p99"
        made.append(row("p99 at %d/s with 10 %% SET, three nodes, %s" % (FIXED_RATE, what), [k[p99] / r[p99] for k, r in zip(ours, theirs)], goal,
                        floor, "less", "", us(ours, p99), us(theirs, p99)))
        print("  %(name)s: %(kvorum)s beside %(peer)s" % made[-1], flush=True)
    return made


def us(rounds, name):
    return "%.0f us" % statistics.median(r[name] for r in rounds)


def latency(rounds, quick):
    ours, theirs = [], []
    for number in range(rounds):
        order = [(ours, start_three), (theirs, start_redis)]
        for taken, starter in swapped(number, order):
            system = starter()
            taken.append(measure(system, quick))
            system.stop()
        for side, taken in (("kvorum", ours), ("redis", theirs)):
            print("  round %d, %s: %s" % (number + 1, side, ", ".join("%s %.4g" % item for item in taken[-1].items())), flush=True)
    pairs = list(zip(ours, theirs))
    cpu = "%.1f / %.1f us" % tuple(statistics.median(r["mixed cpu"] for r in side) for side in (ours, theirs))
    return [
        row("three nodes, 90 % GET 10 % SET, P=16", [k["mixed"] / r["mixed"] for k, r in pairs], 0.8, 0.6, "more", "",
            "%.0f/s" % statistics.median(k["mixed"] for k in ours), "%.0f/s" % statistics.median(r["mixed"] for r in theirs), cpu),
        row("SET p50 of one client, three nodes, over a sync and two round trips", [k["SET"] / (k["sync"] + 2 * r["PING"]) for k, r in pairs],
            2, 3, "less", "", us(ours, "SET"), "sync %s, round trip %s" % (us(ours, "sync"), us(theirs, "PING"))),
        row("GET p50 of one client, three nodes, over PING", [k["GET"] / k["PING"] for k in ours], 2.3, 3, "less", "", us(ours, "GET"),
            "PING %s" % us(ours, "PING")),
    ] + at_fixed_rate(rounds, quick)
