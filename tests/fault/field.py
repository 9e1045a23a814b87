"""One scenario's cluster under load, and the faults done to it, each counted. A scenario is a function of a Field."""

import collections
import os
import random
import signal
import struct
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from clients import settled  # noqa: E402
from loads import MIX, Load, judge  # noqa: E402
from servers import BUILD, Cluster, RespError, ask, info, scratch, wait  # noqa: E402

ARGS = ("--protected-mode", "no", "--enable-debug-command", "yes", "--checkpoint-bytes", "2mb")
BEFORE_FAULTS = 300  # operations: a fault that hits nothing shows nothing


class Field:
    def __init__(self, name, net, seed, seconds, nodes=3, mix=MIX, pause_us=500, args=(), spare=0, history=True, clocks=False):
        self.name, self.net, self.seconds = name, net, seconds
        self.random = random.Random("%s %s" % (seed, name))
        self.counts = collections.Counter()
        self.folder = scratch("fault/" + name)
        self.cluster = Cluster(self.folder, nodes, args=ARGS + tuple(args), seat=net.seat)
        self.nodes = self.cluster.nodes
        for i, node in enumerate(self.nodes, 1):
            node.number = i
        if net.name == "loopback":
            net.nodes = {node.number: node for node in self.nodes}
        self.spares = [self.cluster.node(nodes + i, *ARGS) for i in range(1, spare + 1)]
        for i, node in enumerate(self.spares, nodes + 1):
            node.number = i
        for node in self.nodes if clocks else []:
            self.set_clock(node, 0)
            node.env = {**os.environ, "LD_PRELOAD": os.path.join(BUILD, "tests/fault/badclock.so"), "BADCLOCK": node.folder + ".clock"}
        self.stopped, self.slowed = set(), set()
        self.mix, self.pause_us, self.seed, self.history = mix, pause_us, seed, history
        self.load = None
        self.moves, self.moved = 0, set()
        self.until = 0

    # -- its course

    def begin(self):
        self.cluster.start()
        addresses = [(n.host, n.port, n.proxy_port) for n in self.nodes + self.spares]
        self.load = Load(self.folder, addresses, self.random.randrange(1 << 32), self.mix, self.pause_us, self.history)
        self.load.progress("before the first fault", BEFORE_FAULTS)
        self.until = time.monotonic() + self.seconds

    def rounds(self):
        """At least one, while there is time."""
        n = 0
        while n == 0 or time.monotonic() < self.until:
            yield n
            n += 1

    def finish(self):
        """Heals all, waits for all nodes to be equal, ends the load, has it judged."""
        self.heal()
        self.load.progress("after all is healed")
        figures = self.load.stop()
        digests = settled(self.nodes, 60)
        if len(digests) != 1:
            raise AssertionError("nodes at the same index differ: %s" % digests)
        for node in self.nodes:
            if info(node.port, "raft", node.host).get("diverged") != "0":
                raise AssertionError("%s says that it diverged" % node.folder)
        self.counts["ops"] += figures["done"]
        self.counts["unknown"] += figures["unknown"]
        self.counts["not_run"] += figures["not_run"]
        self.counts["retries"] += figures["retries"]
        self.cluster.stop()
        return judge(self.load.history) if self.history else ""

    def end(self):
        """Whatever has happened."""
        if self.load:
            self.load.kill()
        for node in self.nodes + self.spares:
            node.kill()
        self.net.shape()
        for node in self.moved:
            self.net.readdress(node.number, node.number)
        for node in self.slowed:
            self.net.queue(node.number)
        self.slowed = set()

    def heal(self):
        for node in list(self.stopped):
            self.resume(node)
        self.net.shape()
        for node in list(self.slowed):
            self.unslow(node)
        for node in self.nodes:
            if not node.alive():
                raise AssertionError("%s has ended by itself, status %d" % (node.folder, node.process.returncode))

    def pause(self, low, high):
        time.sleep(self.random.uniform(low, high))

    # -- who is who

    def ask(self, node, *words):
        return ask(node.port, *words, host=node.host)

    def info(self, node):
        return info(node.port, "raft", node.host)

    def info_all(self, node):
        return info(node.port, "everything", node.host)

    def hand_over(self, node):
        """CLUSTER FAILOVER; whether it leads now."""
        if self.leader() is node:
            return True
        try:
            self.ask(node, "CLUSTER", "FAILOVER")
        except (RespError, OSError):
            pass
        return False

    def leader(self):
        return self.cluster.wait_leader()

    def follower(self):
        leader = self.leader()
        return self.random.choice([n for n in self.nodes if n is not leader and n.alive()])

    def terms(self):
        return max(int(self.info(n).get("term", 0)) for n in self.nodes if n.alive() and n not in self.stopped)

    def serves(self, what, more=100, seconds=30.0):
        self.load.progress(what, more, seconds)

    # -- processes

    def kill(self, *nodes):
        for node in nodes:
            if not node.alive():
                raise AssertionError("%s had ended by itself, status %d" % (node.folder, node.process.returncode))
            node.signal(signal.SIGKILL)
            self.counts["kills"] += 1
        for node in nodes:
            node.process.wait()

    def start(self, *nodes):
        for node in nodes:
            node.start(0)
        for node in nodes:
            wait("port %d" % node.port, node.accepts)

    def freeze(self, node):
        node.signal(signal.SIGSTOP)
        self.stopped.add(node)
        self.counts["stops"] += 1

    def resume(self, node):
        node.signal(signal.SIGCONT)
        self.stopped.discard(node)

    def start_with(self, node, *args):
        node.args += args
        self.start(node)

    @staticmethod
    def log(node):
        with open(os.path.join(node.folder, "log"), encoding="utf-8", errors="replace") as log:
            return log.read()

    def move(self, node):
        """To an address that nobody had yet; it is not running."""
        self.moves += 1
        self.moved.add(node)
        node.host = self.net.readdress(node.number, 100 + self.moves)

    # -- clocks

    @staticmethod
    def set_clock(node, seconds):
        """By so much its wall clock is off from now on."""
        with open(node.folder + ".clock", "r+b" if os.path.exists(node.folder + ".clock") else "wb") as clock:
            clock.write(struct.pack("=q", seconds))

    # -- links

    def links(self, kind, **faults):
        """See Namespaces.shape; only where packets were met does heal_links count."""
        self.hit_before = self.net.hits()
        self.net.shape(**faults)
        self.link_kind = kind

    def heal_links(self):
        if self.net.hits() > self.hit_before or self.net.name == "loopback":
            self.counts[self.link_kind] += 1
        self.net.shape()

    def slow(self, node, *words):
        """What it sends, by tc's words."""
        self.net.queue(node.number, *words)
        self.slowed.add(node)
        self.counts["slow_links"] += 1

    def unslow(self, node):
        self.net.queue(node.number)
        self.slowed.discard(node)


__all__ = ["Field", "RespError", "BEFORE_FAULTS"]
