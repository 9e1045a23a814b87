#!/usr/bin/python3
"""Messages and key events between nodes: subscribers on every node hear what is published on any, in the order of the
connection that published it, whether in a transaction or not; and a node that dies takes only its own subscribers along."""
# time limit: 60 s

import os
import signal
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from servers import SLOWED, Checks, Cluster, Conn, ask, encode, scratch, wait  # noqa: E402

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
