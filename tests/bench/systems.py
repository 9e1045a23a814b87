"""The servers under measurement: one redis-server, one kvorum node, three of them; filled, and asked what they have used."""

import itertools
import os
import signal
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from servers import PORTS, Cluster, Conn, RespError, ask, info, kvorum_alone, redis, scratch, wait  # noqa: E402

VALUE_BYTES, KEYS = 64, 100000
SYNCED = ["--appendfsync", "always"]


class System:
    """Servers that serve together, and the one to load."""

    def __init__(self, servers, leader=None):
        self.servers, self.leader = servers, leader or servers[0]
        self.port = self.leader.port

    def cpu_s(self):
        return sum(server.cpu_s() for server in self.servers)

    def find_leader(self):
        """Who leads by now."""
        self.leader = wait("a leader", self.serving)
        self.port = self.leader.port
        return self.leader

    def serving(self):
        for server in self.servers:
            try:
                ask(server.port, "GET", "kvorum:who-leads", timeout=1.0)
                return server
            except (OSError, RespError):
                pass
        return None

    def stop(self):
        for server in self.servers:
            server.signal(signal.SIGTERM)
        for server in self.servers:
            server.stop()


def start_redis(*args, seat=0):
    """Systems in two seats, 0 and 1, may run at the same time."""
    return System([redis(PORTS + 50 + 2 * seat, scratch("bench/redis%d" % seat), "--appendonly", "yes", *SYNCED, *args).start()])


def start_one(*args, seat=0):
    server = kvorum_alone(PORTS + 51 + 2 * seat, scratch("bench/one%d" % seat), *SYNCED, *args).start()
    wait("a leader of one", lambda: info(server.port, "raft").get("role") == "leader")
    return System([server])


def start_three(*args):
    cluster = Cluster(scratch("bench/three"), base=PORTS + 60, args=[*SYNCED, *args]).start()
    return System(cluster.nodes, cluster.leader())


def template(*words):
    """A request with places for numbers: a word may hold a format of fixed width, as b"%012d"."""
    out = b"*%d\r\n" % len(words)
    for word in words:
        word = word if isinstance(word, bytes) else str(word).encode()
        out += b"$%d\r\n%s\r\n" % (len(word % ((0,) * word.count(b"%"))), word)
    return out


def fill(port, count, key="key:%012d", value=b"x" * VALUE_BYTES, step=1000, words=(), first=0):
    """SET of `count` keys from number `first` on, pipelined; `words` follow each value. One batch is on its way while the next is made:
    ten million keys are to be had in half a minute."""
    request = template("SET", key, value, *words)
    places = request.count(b"%")
    with Conn(port, 120) as conn:
        unanswered = 0
        for start in range(first, first + count, step):
            batch = range(start, min(start + step, first + count))
            conn.send(request * len(batch) % tuple(itertools.chain.from_iterable(zip(*[batch] * places))))
            take_oks(conn, unanswered)
            unanswered = len(batch)
        take_oks(conn, unanswered)


def take_oks(conn, count):
    wanted = b"+OK\r\n" * count
    got = conn.file.read(len(wanted))
    if got != wanted:
        raise RuntimeError("filling failed: %r" % got[:200])


def swapped(number, pair):
    """The two of a pair in the order of round `number`: it changes every round, so that neither is always the first."""
    return pair if number % 2 == 0 else pair[::-1]


def works_aside(server):
    """Has it a child, kvorum's keeper aside, which is always there?"""
    with open("/proc/%d/task/%d/children" % (server.pid, server.pid)) as children:
        for child in children.read().split():
            try:
                with open("/proc/%s/comm" % child) as name:
                    if name.read().strip() != "kvorum-keeper":
                        return True
            except OSError:  # it has ended
                pass
    return False


def settled_bytes(system, pause_s=1.0, looks=30):
    """Resident memory once no child (a snapshot, a rewrite of the AOF) runs and three looks, `pause_s` apart, saw the same within
    half a percent."""
    server, seen = system.leader, []
    for _ in range(looks):
        time.sleep(pause_s)
        seen = [] if works_aside(server) else seen[-2:] + [server.resident_bytes()]
        if len(seen) == 3 and max(seen) <= 1.005 * min(seen):
            break
    return server.resident_bytes()


def caught_up(servers):
    """Every node runs and has applied what the leader has committed."""
    states = [info(node.port, "raft") for node in servers]
    leaders = [s for s in states if s.get("role") == "leader"]
    if len(leaders) != 1 or len([s for s in states if s.get("role") in ("leader", "follower")]) != len(states):
        return False
    return all(int(s.get("applied_index", 0)) >= int(leaders[0]["commit_index"]) for s in states)
