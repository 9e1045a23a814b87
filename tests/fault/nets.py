"""Networks for fault runs. Where the machine allows it, a run has a network and a process table of its own (unshare(1)), and
in it each node a network namespace, a veth pair and an address on one bridge, where the clients are too; everything in them
ends with the run, however that ends. Elsewhere nodes share the loopback, and only what DEBUG KVORUM-LINK can do is done.

A fault concerns (a, b): what a sends to b. Nodes are numbers from 1; 0 is the clients' side."""

import functools
import os
import subprocess
import sys

from servers import HOST, ask

INSIDE = "KVORUM_FAULT_NET"  # "namespaces", or why not
UNSHARE = ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
PROBE = "mount -t tmpfs none /run && mkdir /run/netns && ip netns add probe && ip netns exec probe nft add table inet probe"
RULES = """table inet fault {
  set cut { type ipv4_addr; }
  set lossy { type ipv4_addr; }
  set broken { type ipv4_addr; }
  chain in {
    type filter hook input priority 0;
    ip saddr @cut counter drop
    ip saddr @lossy numgen random mod 100 < 10 counter drop
    ip saddr @broken meta l4proto tcp counter reject with tcp reset
  }
}
"""


class NotPossible(Exception):
    """This machine, or this kind of network, cannot do that. Its text says why."""


def run(*command, text=None):
    done = subprocess.run(command, input=text, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError("%s: %s" % (" ".join(command[:6]), (done.stderr or done.stdout).strip().replace("\n", " ")[:160]))
    return done.stdout


def enter():
    """Starts this script anew in namespaces of its own, if they can be had. Call it first of all."""
    if INSIDE in os.environ:
        return
    try:
        run(*UNSHARE, "sh", "-c", PROBE)
    except (RuntimeError, OSError) as error:
        os.environ[INSIDE] = str(error) or "no namespaces"
        return
    os.environ[INSIDE] = "namespaces"
    os.execvp(UNSHARE[0], [*UNSHARE, sys.executable, "-u", *sys.argv])


@functools.cache
def made():
    """The network of this run."""
    if os.environ[INSIDE] == "namespaces":
        return Namespaces()
    return Loopback(os.environ[INSIDE])


class Namespaces:
    """Nodes 1..9 at 10.77.0.1.., the clients at 10.77.0.254."""

    name = "namespaces"

    def __init__(self):
        run("mount", "-t", "tmpfs", "none", "/run")  # ours alone: names of namespaces are files here
        os.mkdir("/run/netns")
        run("ip", "link", "set", "lo", "up")
        run("ip", "link", "add", "hub", "type", "bridge")
        run("ip", "addr", "add", "10.77.0.254/24", "dev", "hub")
        run("ip", "link", "set", "hub", "up")
        self.seats = set()

    def seat(self, i):
        """The address of node i, and the command that runs another one there."""
        name = "n%d" % i
        if i not in self.seats:
            self.seats.add(i)
            run("ip", "netns", "add", name)
            run("ip", "link", "add", "to-" + name, "type", "veth", "peer", "name", "eth0", "netns", name)
            run("ip", "link", "set", "to-" + name, "master", "hub", "up")
            run("ip", "-n", name, "addr", "add", self.address(i) + "/24", "dev", "eth0")
            run("ip", "-n", name, "link", "set", "eth0", "up")
            run("ip", "-n", name, "link", "set", "lo", "up")
            self.nft(i, RULES)
        return self.address(i), ("nsenter", "--net=/run/netns/" + name)

    @staticmethod
    def address(i):
        return "10.77.0.%d" % (i or 254)

    @staticmethod
    def nft(i, text):
        return run("nsenter", "--net=/run/netns/n%d" % i, "nft", "-f", "-", text=text)

    def shape(self, cut=(), lossy=(), reset=()):
        """These faults and no others: silence, one packet in ten lost, connections reset."""
        for i in self.seats:
            lines = []
            for name, pairs in (("cut", cut), ("lossy", lossy), ("broken", reset)):
                lines.append("flush set inet fault %s" % name)
                sources = ", ".join(self.address(a) for a, b in pairs if b == i)
                if sources:
                    lines.append("add element inet fault %s { %s }" % (name, sources))
            self.nft(i, "\n".join(lines) + "\n")

    def hits(self):
        """Packets that the faults have met so far."""
        total = 0
        for i in self.seats:
            words = run("nsenter", "--net=/run/netns/n%d" % i, "nft", "list", "table", "inet", "fault").split()
            total += sum(int(words[at + 1]) for at, word in enumerate(words) if word == "packets")
        return total

    def queue(self, i, *words):
        """What node i sends goes through that queue (tc's words); none: as it was. Not every kernel has every kind."""
        command = ["tc", "-n", "n%d" % i, "qdisc", "replace" if words else "del", "dev", "eth0", "root", *words]
        try:
            run(*command)
        except RuntimeError as error:
            raise NotPossible(str(error)) from None

    def readdress(self, i, j):
        """Node i's namespace gives up its address for that of a seat j that nobody has."""
        run("ip", "-n", "n%d" % i, "addr", "flush", "dev", "eth0")
        run("ip", "-n", "n%d" % i, "addr", "add", self.address(j) + "/24", "dev", "eth0")
        return self.address(j)


class Loopback:
    """All nodes at 127.0.0.1; links are cut by the nodes themselves (src/transport/inject.c), in both directions."""

    name = "loopback"

    def __init__(self, why):
        self.why = why
        self.nodes = {}
        self.cuts = 0

    def seat(self, i):
        return HOST, ()

    def shape(self, cut=(), lossy=(), reset=()):
        pairs = set(cut)
        if lossy or reset or any((b, a) not in pairs or 0 in (a, b) for a, b in pairs):
            raise NotPossible("links can only be cut in both directions between nodes: " + self.why)
        ids = {i: ask(node.port, "CLUSTER", "MYID").decode() for i, node in self.nodes.items() if node.alive()}
        for i in ids:
            ask(self.nodes[i].port, "DEBUG", "KVORUM-LINK", "*", "drop", "0", "delay", "0")
        for a, b in pairs:
            if a in ids and b in ids:
                ask(self.nodes[a].port, "DEBUG", "KVORUM-LINK", ids[b], "cut")
        self.cuts += len(pairs)

    def hits(self):
        return self.cuts

    def _not_here(self, *_):
        raise NotPossible("needs network namespaces: " + self.why)

    queue = readdress = _not_here
