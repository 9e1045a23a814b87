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
    fixed = rate([system.port], "-R", FIXED_RATE, "-t", 1 if quick else 5)
    got.update({"GET p99": fixed["get_p99"], "SET p99": fixed["set_p99"], "rate": fixed["rate"]})
    got["PING"] = rate([system.port], "-c", 1, "-s", 0, "-p", "-n", 10000 // part)["get_p50"]
    got["GET"] = rate([system.port], "-c", 1, "-s", 0, "-n", 10000 // part)["get_p50"]
    before_us = sync_us(system.leader.folder, 1000 // part)
    got["SET"] = rate([system.port], "-c", 1, "-s", 100, "-n", 5000 // part)["set_p50"]
    got["sync"] = min(before_us, sync_us(system.leader.folder, 1000 // part))  # a disk that is busy for one of them flatters nobody
    if mixed["errors"] or fixed["errors"]:
        raise RuntimeError("errors: %s %s" % (mixed["codes"], fixed["codes"]))
    return got


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
    p99 = "p99 at %d/s with 10 %% SET, three nodes, " % FIXED_RATE
    cpu = "%.1f / %.1f us" % tuple(statistics.median(r["mixed cpu"] for r in side) for side in (ours, theirs))
    return [
        row("three nodes, 90 % GET 10 % SET, P=16", [k["mixed"] / r["mixed"] for k, r in pairs], 0.8, 0.6, "more", "",
            "%.0f/s" % statistics.median(k["mixed"] for k in ours), "%.0f/s" % statistics.median(r["mixed"] for r in theirs), cpu),
        row("SET p50 of one client, three nodes, over a sync and two round trips", [k["SET"] / (k["sync"] + 2 * r["PING"]) for k, r in pairs],
            2, 3, "less", "", us(ours, "SET"), "sync %s, round trip %s" % (us(ours, "sync"), us(theirs, "PING"))),
        row("GET p50 of one client, three nodes, over PING", [k["GET"] / k["PING"] for k in ours], 2.3, 3, "less", "", us(ours, "GET"),
            "PING %s" % us(ours, "PING")),
        row(p99 + "GET", [k["GET p99"] / r["GET p99"] for k, r in pairs], 1.0, 1.5, "less", "", us(ours, "GET p99"), us(theirs, "GET p99")),
        row(p99 + "SET", [k["SET p99"] / r["SET p99"] for k, r in pairs], 1.5, 3, "less", "", us(ours, "SET p99"), us(theirs, "SET p99")),
    ]
