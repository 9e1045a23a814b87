"""What a request costs with many keys, and with many connections: processor time, kvorum and redis-server each against itself."""

import resource
import signal
import statistics
import subprocess
import time

from report import row
from systems import KEYS, VALUE_BYTES, fill, info, start_one, start_redis, swapped, wait
from throughput import load

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
    """The same server, its clients few and many in turns of less than a second; all of them are connected all the time."""
    counts, turns, seconds = ((50, 500), 1, 0.3) if quick else ((50, 5000), 4, 0.7)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(2 * counts[1] + 1000, hard), hard))  # the servers raise their own
    taken = {(starter, test): [] for starter in STARTERS for test in TESTS}
    for number in range(rounds):
        for starter in swapped(number, STARTERS):
            system = starter()
            fill(system.port, KEYS)
            for test in TESTS:
                crowds = [Crowd(system, test, clients) for clients in counts]
                for turn in range(turns):
                    taken[starter, test].append([crowd.cpu_us(seconds) for crowd in swapped(turn, crowds)][::-1 if turn % 2 else 1])
                for crowd in reversed(crowds):
                    crowd.leave()
            system.stop()
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return rows("P=1, from %s to %s connections" % tuple("{:,}".format(n) for n in counts), taken)


class Crowd:
    """Clients of redis-benchmark that ask one by one: connected, and stopped but while they are measured."""

    def __init__(self, system, test, clients):
        self.system, self.before, self.clients = system, self.connected(system), clients
        self.process = subprocess.Popen(
            ["redis-benchmark", "-p", str(system.port), "-t", test, "-c", str(clients), "-d", str(VALUE_BYTES), "-r", str(KEYS), "-n",
             str(10 ** 9), "-q"], stdout=subprocess.DEVNULL)
        wait("%d clients" % clients, lambda: self.connected(system) >= self.before + clients)
        self.process.send_signal(signal.SIGSTOP)

    @staticmethod
    def connected(system):
        return int(info(system.port, "clients").get("connected_clients", 0))

    def done(self):
        return int(info(self.system.port, "stats")["total_commands_processed"])

    def cpu_us(self, seconds):
        """Processor time a request: what it took to take the clients in is not counted."""
        cpu_s, done = self.system.cpu_s(), self.done()
        self.process.send_signal(signal.SIGCONT)
        time.sleep(seconds)
        self.process.send_signal(signal.SIGSTOP)
        return (self.system.cpu_s() - cpu_s) * 1e6 / (self.done() - done)

    def leave(self):
        self.process.kill()
        self.process.wait()
        wait("the clients to leave", lambda: self.connected(self.system) <= self.before)


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
