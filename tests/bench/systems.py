"""The servers under measurement: one redis-server, one kvorum node, three of them; filled, and asked what they have used."""

import os
import signal
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from servers import PORTS, ROOT, Cluster, Conn, RespError, ask, encode, info, kvorum_alone, redis, scratch, wait  # noqa: E402

BUILD = os.path.join(ROOT, "build")
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


def start_redis(*args):
    return System([redis(PORTS + 50, scratch("bench/redis"), "--appendonly", "yes", *SYNCED, *args).start()])


def start_one(*args):
    server = kvorum_alone(PORTS + 51, scratch("bench/one"), *SYNCED, *args).start()
    wait("a leader of one", lambda: info(server.port, "raft").get("role") == "leader")
    return System([server])


def start_three(*args):
    cluster = Cluster(scratch("bench/three"), base=PORTS + 60, args=[*SYNCED, *args]).start()
    return System(cluster.nodes, cluster.leader())


def fill(port, count, key="key:%012d", value=b"x" * VALUE_BYTES, step=1000, words=()):
    """SET of `count` keys, pipelined; `words` follow each value."""
    with Conn(port, 120) as conn:
        for first in range(0, count, step):
            batch = range(first, min(first + step, count))
            conn.send(b"".join(encode("SET", key % i, value, *words) for i in batch))
            for _ in batch:
                if conn.reply() != b"OK":
                    raise RuntimeError("filling failed")


def caught_up(servers):
    """Every node runs and has applied what the leader has committed."""
    states = [info(node.port, "raft") for node in servers]
    leaders = [s for s in states if s.get("role") == "leader"]
    if len(leaders) != 1 or len([s for s in states if s.get("role") in ("leader", "follower")]) != len(states):
        return False
    return all(int(s.get("applied_index", 0)) >= int(leaders[0]["commit_index"]) for s in states)
