"""Rows of redis-benchmark: requests a second and CPU a request, kvorum beside redis-server."""

import re
import statistics
import subprocess

from report import row
from systems import KEYS, VALUE_BYTES, fill, start_one, start_redis, start_three, swapped

CLIENTS = 50
# name, redis-benchmark's test, pipeline, requests, goal, floor
ONE_NODE = [
    ("one node, GET, P=1", "get", 1, 150000, 1.0, 0.95),
    ("one node, GET, P=16", "get", 16, 1000000, 1.2, 1.0),
    ("one node, GET, P=64", "get", 64, 2000000, 1.3, 1.0),
    ("one node, SET, P=1", "set", 1, 100000, 1.0, 0.9),
    ("one node, SET, P=16", "set", 16, 500000, 1.0, 0.9),
    ("one node, SET, P=64", "set", 64, 1000000, 1.1, 0.9),
]
THREE_NODES = [
    ("three nodes, SET, P=1", "set", 1, 60000, 0.6, 0.4),
    ("three nodes, SET, P=16", "set", 16, 300000, 1.0, 0.6),
    ("three nodes, SET, P=64", "set", 64, 600000, 1.0, 0.7),
    ("three nodes, GET quorum, P=1", "get", 1, 100000, 0.8, 0.65),
    ("three nodes, GET quorum, P=16", "get", 16, 1000000, 1.0, 0.8),
]
# CPU a request in ratio to redis-server: name, which of the rows above, goal, ceiling
CPU = {
    "one node, GET, P=16": ("CPU a GET, one node, P=16", 0.8, 1.0),
    "three nodes, SET, P=16": ("CPU a SET, P=16, three nodes' sum", 1.8, 3.0),
}


def load(system, test, pipeline, requests, value_bytes=VALUE_BYTES, keys=KEYS, clients=CLIENTS):
    """One run of redis-benchmark: requests a second, server CPU microseconds a request."""
    command = ["redis-benchmark", "-h", "127.0.0.1", "-p", str(system.port), "-t", test, "-n", str(requests), "-P",
               str(pipeline), "-c", str(clients), "-d", str(value_bytes), "-r", str(keys), "--csv"]
    before = system.cpu_s()
    out = subprocess.run(command, capture_output=True, text=True, timeout=600)
    cpu_s = system.cpu_s() - before
    found = re.search(r'^"%s","([0-9.]+)"' % test.upper(), out.stdout, re.M)
    if out.returncode or not found:
        raise RuntimeError("redis-benchmark failed: %s %s" % (out.stdout[-300:], out.stderr[-300:]))
    return float(found.group(1)), cpu_s * 1e6 / requests


def paired(rows, start, rounds, scale):
    """Measures rows on both systems, the order swapped every round."""
    taken = {r[0]: [] for r in rows}
    for number in range(rounds):
        order = [("kvorum", start), ("redis", start_redis)]
        pair = {}
        for which, starter in swapped(number, order):
            system = starter()
            fill(system.port, KEYS)
            for name, test, pipeline, requests, *_ in rows:
                pair[name, which] = load(system, test, pipeline, max(1000, int(requests * scale)))
            system.stop()
        for name, *_ in rows:
            taken[name].append((pair[name, "kvorum"], pair[name, "redis"]))
            print("  %s, round %d: %.0f/s beside %.0f/s" % (name, number + 1, pair[name, "kvorum"][0], pair[name, "redis"][0]), flush=True)
    return [ratio_row(r, taken[r[0]]) for r in rows] + [cpu_row(*CPU[r[0]], taken[r[0]]) for r in rows if r[0] in CPU]


def middle(pairs, side, which):
    return statistics.median(p[side][which] for p in pairs)


def ratio_row(r, pairs):
    cpu = "%.1f / %.1f us" % (middle(pairs, 0, 1), middle(pairs, 1, 1))
    return row(r[0], [ours[0] / theirs[0] for ours, theirs in pairs], r[4], r[5], "more", "", "%.0f/s" % middle(pairs, 0, 0),
               "%.0f/s" % middle(pairs, 1, 0), cpu)


def cpu_row(name, goal, ceiling, pairs):
    return row(name, [ours[1] / theirs[1] for ours, theirs in pairs], goal, ceiling, "less", "", "%.2f us" % middle(pairs, 0, 1),
               "%.2f us" % middle(pairs, 1, 1))


def one(rounds, quick):
    return paired(ONE_NODE, start_one, rounds, 0.05 if quick else 1)


def three(rounds, quick):
    return paired(THREE_NODES, start_three, rounds, 0.05 if quick else 1)
