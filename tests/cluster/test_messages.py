#!/usr/bin/python3
"""Messages and key events between nodes: subscribers on every node hear what is published on any, in the order of the
connection that published it, whether in a transaction or not; a node that dies takes only its own subscribers along. And no
client keeps a copy of a value that has changed, wherever it reads and whoever writes."""
# time limit: 60 s

import os
import random
import signal
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from servers import SLOWED, Checks, Cluster, Conn, ask, encode, info, scratch, wait  # noqa: E402

CACHED = 12
ARGS = ("--election-timeout", str(int(SLOWED * 400)))


class Subscriber:
    """A connection that listens; heard() gives the payloads of the next messages."""

    def __init__(self, port, kind, *names):
        self.conn = Conn(port, 20)
        for name in names:
            self.conn.send(encode(kind, name))
            self.conn.reply()

    def heard(self, count):
        return [self.conn.reply()[-1].decode() for _ in range(count)]


def plain(checks, cluster, subscribers):
    """A pipeline of PUBLISH through a follower's proxy port."""
    count = 500
    with Conn(cluster.followers()[1].proxy_port) as conn:
        conn.send(b"".join(encode("PUBLISH", "news", i) for i in range(count)))
        replies = {conn.reply() for _ in range(count)}
    checks.equal("PUBLISH counts the receivers of its own node", replies, {1})
    for name, subscriber in subscribers.items():
        checks.equal("%s hears all of them in order" % name, subscriber.heard(count), [str(i) for i in range(count)])


def mixed(checks, cluster, subscribers):
    """Transactions between plain messages of one connection: through the log and past it, and yet in order."""
    rounds = 40
    with Conn(cluster.followers()[1].proxy_port) as conn:
        for i in range(rounds):
            conn.send(encode("PUBLISH", "news", "%d a" % i) + encode("MULTI") + encode("SET", "k", i) +
                      encode("PUBLISH", "news", "%d b" % i) + encode("EXEC") + encode("PUBLISH", "news", "%d c" % i))
        replies = [conn.reply() for _ in range(rounds * 6)]
    checks.equal("EXEC answers for its PUBLISH", replies[4::6], [[b"OK", 1]] * rounds)
    expected = ["%d %s" % (i, what) for i in range(rounds) for what in "abc"]
    for name, subscriber in subscribers.items():
        checks.equal("%s hears transactions in their place, once" % name, subscriber.heard(len(expected)), expected)


def events(checks, cluster):
    listeners = [Subscriber(node.port, "PSUBSCRIBE", "__keyspace@0__:e*") for node in cluster.nodes if node.alive()]
    port = cluster.followers()[0].proxy_port
    ask(port, "CONFIG", "SET", "notify-keyspace-events", "KA")
    with Conn(port) as conn:
        for words in (("SET", "e1", 1), ("EXPIRE", "e1", 100), ("SET", "e2", 1, "PX", 5), ("DEL", "e1")):
            conn.call(*words)
    expected = ["set", "expire", "set", "expire", "del", "expired"]
    got = [sorted(listener.heard(len(expected))) for listener in listeners]
    checks.equal("every node tells its subscribers of every event", got, [sorted(expected)] * len(listeners))
    ask(port, "CONFIG", "SET", "notify-keyspace-events", "")


class Caching(threading.Thread):
    """Reads a few keys over and over and keeps what it has read until it is told that it has changed."""

    def __init__(self, port, mode):
        super().__init__(daemon=True)
        self.conn, self.cache, self.dropped, self.ending = Conn(port, 20), {}, 0, False
        self.conn.call("HELLO", 3)
        self.conn.call("CLIENT", "TRACKING", "ON", *mode)
        self.start()

    def drop(self, push):
        for key in push[1] or list(self.cache):
            self.dropped += self.cache.pop(key, None) is not None

    def run(self):
        choice = random.Random(self.conn.sock.fileno())
        while not self.ending:
            keys = [b"c%d" % choice.randrange(CACHED) for _ in range(choice.choice((1, 1, 8)))]
            if choice.random() < 0.2:
                self.conn.send(b"".join([encode("MULTI")] + [encode("GET", key) for key in keys] + [encode("EXEC")]))
                for answer in (self.answer() for _ in range(len(keys) + 1)):
                    assert answer in (b"OK", b"QUEUED"), answer
                self.cache.update(zip(keys, self.answer()))
                continue
            self.conn.send(b"".join(encode("GET", key) for key in keys))
            for key in keys:
                self.cache[key] = self.answer()

    def answer(self):
        while True:
            reply = self.conn.reply()
            if not (isinstance(reply, list) and reply and reply[0] == b"invalidate"):
                return reply
            self.drop(reply)

    def settle(self):
        """Stops asking, and hears what is still to be told."""
        self.ending = True
        self.join()
        self.conn.send(encode("PING"))
        while (reply := self.conn.reply()) != b"PONG":
            self.drop(reply)
        return self.cache


def copies(checks, cluster):
    """Clients with copies on all nodes, reads through followers among them, while the values change: no copy is left stale."""
    leader, followers = cluster.wait_leader(), cluster.followers()
    ports = [leader.port, leader.proxy_port] + [node.proxy_port for node in followers for _ in range(2)]
    clients = [Caching(port, ("BCAST",) if i % 3 == 2 else ()) for i, port in enumerate(ports)]
    end, count, choice = time.monotonic() + 1.5, 0, random.Random(1)
    with Conn(followers[0].proxy_port) as a, Conn(leader.port) as b:
        while time.monotonic() < end:
            for conn in (a, b):
                conn.call("SET", "c%d" % choice.randrange(CACHED), count)
                count += 1
        time.sleep(0.002)
        for client in clients:
            client.ending = True
        values = {b"c%d" % i: b.call("GET", "c%d" % i) for i in range(CACHED)}
    wait("all nodes to have applied", lambda: len({info(node.port, "raft")["applied_index"] for node in cluster.nodes}) == 1)
    for client, port in zip(clients, ports):
        stale = {key: (value, values[key]) for key, value in client.settle().items() if value != values[key]}
        checks.equal("no copy is stale at port %d" % port, stale, {})
    print("# %d writes, %s copies dropped" % (count, [client.dropped for client in clients]))
    checks.ok("copies were dropped, and kept", all(client.dropped and client.cache for client in clients))


def main():
    checks = Checks()
    cluster = Cluster(scratch("cluster/messages"), args=ARGS).start()
    leader, (near, far) = cluster.wait_leader(), cluster.followers()
    subscribers = {"the leader's": Subscriber(leader.port, "SUBSCRIBE", "news"),
                   "a follower's proxy port": Subscriber(near.proxy_port, "SUBSCRIBE", "news"),
                   "the publisher's": Subscriber(far.port, "SUBSCRIBE", "news")}
    wait("the links", lambda: all(reaches(far, node) for node in (leader, near)))
    checks.run("plain", plain, checks, cluster, subscribers)
    checks.run("mixed", mixed, checks, cluster, subscribers)
    checks.run("events", events, checks, cluster)
    checks.run("copies", copies, checks, cluster)

    leader.signal(signal.SIGKILL)
    del subscribers["the leader's"]
    ask(far.port, "PUBLISH", "news", "without a leader")
    for name, subscriber in subscribers.items():
        checks.equal("%s hears on while there is no leader" % name, subscriber.heard(1), ["without a leader"])
    cluster.wait_leader()
    with Conn(far.proxy_port) as conn:
        for words in (("MULTI",), ("SET", "k", "new"), ("PUBLISH", "news", "new leader"), ("EXEC",)):
            conn.call(*words)
        conn.call("PUBLISH", "news", "end")
    for name, subscriber in subscribers.items():
        checks.equal("%s hears a transaction of the new term, once" % name, subscriber.heard(2), ["new leader", "end"])
    leader.start()
    checks.ok("messages reach a node that is back", wait("the node", lambda: reaches(far, leader)))
    cluster.stop()
    checks.finish()


def reaches(node, other):
    """A message that is published on `node` is heard on `other`; a link may stand a moment later than the cluster does."""
    listener = Subscriber(other.port, "SUBSCRIBE", "probe")
    listener.conn.sock.settimeout(0.3)
    try:
        ask(node.port, "PUBLISH", "probe", "hello")
        return listener.heard(1) == ["hello"]
    except OSError:
        return False
    finally:
        listener.conn.close()


main()
