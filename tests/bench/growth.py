"""What a request costs with many keys, and with many connections: processor time, kvorum and redis-server each against itself."""

import resource
import statistics

from report import row
from systems import fill, start_one, start_redis, swapped
from throughput import KEYS, load

STARTERS = (start_one, start_redis)
TESTS = ("get", "set")


def growth(rounds, quick):
    rounds = 1 if quick else min(rounds, 5)
    return by_keys(rounds, quick) + by_connections(rounds, quick)


def by_keys(rounds, quick):
    """A small and a large server of each kind stand side by side, so that the two halves of a pair are seconds apart."""
    sizes, requests = ((1000, 100000), 50000) if quick else ((10 ** 4, 10 ** 7), 800000)
    systems = {starter: [starter(seat=seat) for seat in (0, 1)] for starter in STARTERS}
    for pair in systems.values():
        for system, keys in zip(pair, sizes):
            fill(system.port, keys)
    taken = {(starter, test): [] for starter in STARTERS for test in TESTS}
    for number in range(rounds):
        for test in TESTS:
            for starter in swapped(number, STARTERS):
                halves = zip(systems[starter], sizes)
                taken[starter, test].append([load(system, test, 16, requests, keys=keys)[1] for system, keys in halves])
    for pair in systems.values():
        for system in pair:
            system.stop()
    return rows("P=16, from %s to %s keys" % tuple("{:,}".format(n) for n in sizes), taken)


def by_connections(rounds, quick):
    """The same server under few connections and then under many."""
    counts, requests = ((50, 500), 20000) if quick else ((50, 5000), 250000)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(2 * counts[1] + 1000, hard), hard))  # the servers raise their own
    taken = {(starter, test): [] for starter in STARTERS for test in TESTS}
    for number in range(rounds):
        for starter in swapped(number, STARTERS):
            system = starter()
            fill(system.port, KEYS)
            for test in TESTS:
                taken[starter, test].append([load(system, test, 1, requests, clients=clients)[1] for clients in counts])
            system.stop()
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return rows("P=1, from %s to %s connections" % tuple("{:,}".format(n) for n in counts), taken)


def rows(what, taken):
    """taken[system, test]: a pair a round, microseconds of processor time a request when small and when large."""
    made = []
    for test in TESTS:
        ours, theirs = taken[start_one, test], taken[start_redis, test]
        made.append(row("CPU a %s, %s" % (test.upper(), what), [large / small for small, large in ours], 1.3, 1.6, "less", " x",
                        in_words(ours), in_words(theirs)))
        print("  %(name)s: %(kvorum)s beside %(peer)s" % made[-1], flush=True)
    return made


def in_words(pairs):
    small, large = (statistics.median(pair[i] for pair in pairs) for i in (0, 1))
    return "%.2f to %.2f us (x %.2f)" % (small, large, statistics.median(many / few for few, many in pairs))
