#!/usr/bin/python3
"""Writes in flight when the leader loses its office. Plain pipelining clients, without sessions, keep sending while the
leader is cut off, overthrown or told to leave. Every reply is held against the data afterwards: what was answered OK is
there, what was answered MOVED or CLUSTERDOWN is not, MAYBE may be either; behind the first refusal nothing ran; and no
reply that was given is lost to a reset connection."""
# time limit: 120 s

import os
import select
import signal
import socket
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from servers import HOST, Checks, Cluster, Conn, RespError, ask, encode, info, scratch, wait  # noqa: E402

ARGS = ("--enable-debug-command", "yes", "--client-wait-timeout", "1500")
REFUSED = (b"-MOVED", b"-CLUSTERDOWN")


class Pipeliner(threading.Thread):
    """Sends SETs of keys of its own as fast as the socket takes them, and notes each reply, until it is told to stop
    or the server ends the connection."""

    def __init__(self, name, port, burst=16, numbered=None):
        super().__init__(daemon=True)
        self.name, self.port, self.burst, self.numbered = name, port, burst, numbered
        self.replies, self.sent = [], 0
        self.half_closed = self.reset = self.ending = False
        self.error = None

    def key(self, i):
        return "%s:%d" % (self.name, i)

    def run(self):
        try:
            self.talk()
        except Exception as error:
            self.error = "%s: %s" % (type(error).__name__, error)

    def talk(self):
        sock = socket.create_connection((HOST, self.port), 5)
        sock.setblocking(False)
        inbox, outbox = b"", b""
        skip = 0
        if self.numbered:
            outbox, skip = encode("CLIENT", "SETNAME", self.numbered + "@seq=1"), 1
        drained_at = None
        while True:
            ahead = self.sent - len(self.replies)
            if not outbox and not self.ending and ahead < 10 * self.burst:
                outbox = b"".join(encode("SET", self.key(self.sent + i), i) for i in range(self.burst))
                self.sent += self.burst
            if self.ending and not outbox:
                drained_at = drained_at or time.monotonic()
                if ahead == 0 or time.monotonic() - drained_at > 8:
                    break
            ready, room, _ = select.select([sock], [sock] if outbox else [], [], 0.2)
            if room:
                try:
                    outbox = outbox[sock.send(outbox):]
                except BlockingIOError:
                    pass
                except OSError:  # the server has gone; what it said before is still to be read
                    outbox, self.ending = b"", True
            if ready:
                try:
                    data = sock.recv(1 << 16)
                except ConnectionResetError:
                    self.reset = True
                    break
                if not data:
                    self.half_closed = True
                    break
                *lines, inbox = (inbox + data).split(b"\r\n")
                lines, skip = lines[skip:], max(0, skip - len(lines))
                self.replies += lines
        sock.close()


def kind(reply):
    return reply.split(b" ")[0]


def judge(clients, data):
    """Raises when a reply and the data, {key: there}, disagree."""
    counts = {}
    for c in clients:
        if c.error:
            raise AssertionError("%s: %s" % (c.name, c.error))
        refused = None
        for i, reply in enumerate(c.replies):
            counts[kind(reply)] = counts.get(kind(reply), 0) + 1
            there = data[c.key(i)]
            if reply == b"+OK":
                if not there:
                    raise AssertionError("%s was answered OK and is not there" % c.key(i))
                if refused is not None:
                    raise AssertionError("%s ran, behind %r to %s" % (c.key(i), c.replies[refused], c.key(refused)))
            elif kind(reply) in REFUSED or kind(reply) == b"-NOTLEADER":
                if there:
                    raise AssertionError("%s was answered %r and is there" % (c.key(i), reply))
            elif kind(reply) != b"-MAYBE":
                raise AssertionError("%s was answered %r" % (c.key(i), reply))
            if reply != b"+OK" and refused is None:
                refused = i
        # A request that was never answered may have run, but only if nothing before it was refused.
        for i in range(len(c.replies), c.sent):
            if refused is not None and data[c.key(i)]:
                raise AssertionError("%s ran unanswered, behind %r to %s" % (c.key(i), c.replies[refused], c.key(refused)))
    return counts


def read_all(port, clients):
    data = {}
    with Conn(port, 20) as conn:
        for c in clients:
            for start in range(0, c.sent, 1000):
                keys = [c.key(i) for i in range(start, min(c.sent, start + 1000))]
                for key, value in zip(keys, conn.call("MGET", *keys)):
                    data[key] = value is not None
    return data


def cut(cluster, node):
    """`node` and the others hear nothing of each other."""
    ids = {n: ask(n.port, "CLUSTER", "MYID") for n in cluster.nodes}
    for other in cluster.nodes:
        if other is not node:
            ask(node.port, "DEBUG", "KVORUM-LINK", ids[other], "cut")
            ask(other.port, "DEBUG", "KVORUM-LINK", ids[node], "cut")


def heal(cluster):
    for node in cluster.nodes:
        ask(node.port, "DEBUG", "KVORUM-LINK", "*", "heal")


def lose_by_cut_until_elected(cluster, leader):
    """Healed when another leads: the entries in flight are cut from the old one's log, or turn out to be committed."""
    cut(cluster, leader)
    others = [n for n in cluster.nodes if n is not leader]
    wait("another leader", lambda: any(info(n.port, "raft").get("serving") == "1" for n in others))
    for other in others:
        if info(other.port, "raft").get("serving") == "1":
            ask(other.port, "SET", "settles", "it")
    heal(cluster)


def lose_for_long(cluster, leader):
    """Longer than clients wait: nobody can know, so MAYBE is the answer."""
    cut(cluster, leader)
    time.sleep(4)
    heal(cluster)


def lose_by_failover(cluster, leader):
    other = next(n for n in cluster.nodes if n is not leader)
    ask(other.port, "CLUSTER", "FAILOVER")


def lose_by_sigterm(cluster, leader):
    leader.signal(signal.SIGTERM)
    leader.process.wait(20)
    leader.start(0)
    wait("port %d" % leader.port, leader.accepts)


def lose_by_pause(cluster, leader):
    leader.signal(signal.SIGSTOP)
    others = [n for n in cluster.nodes if n is not leader]
    wait("another leader", lambda: any(info(n.port, "raft").get("serving") == "1" for n in others))
    time.sleep(0.3)
    leader.signal(signal.SIGCONT)


def loses_office(checks, cluster, name, how, expect):
    """expect: kinds of replies that must have come up, else the test shows nothing."""
    totals = {}
    started = 0
    for attempt in range(3):
        leader = cluster.wait_leader()
        tag = "%s-%d" % (how.__name__, attempt)
        clients = [Pipeliner("%s-%d" % (tag, i), leader.port) for i in range(4)]
        clients.append(Pipeliner(tag + "-n", leader.port, numbered=tag))
        for c in clients:
            c.start()
        wait("all to be answered", lambda: all(len(c.replies) > 50 or c.error for c in clients))
        started = time.monotonic()
        how(cluster, leader)
        wait("the clients to be sent away", lambda: all(not c.is_alive() or any(
            r != b"+OK" for r in c.replies) or c.half_closed or c.reset for c in clients), 10)
        time.sleep(0.3)  # and a while of sending on regardless
        for c in clients:
            c.ending = True
        for c in clients:
            c.join(12)
        try:
            counts = judge(clients, read_all(cluster.wait_leader().port, clients))
            stuck = [c.name for c in clients if c.is_alive()]
            unanswered = {c.name: c.sent - len(c.replies) for c in clients if not c.half_closed and c.sent > len(c.replies)}
            checks.ok("%s: replies and data agree" % name, not stuck and not unanswered, (stuck, unanswered))
            if how is not lose_by_sigterm:  # the process ends, and does not wait for those who send for ever
                checks.ok("%s: nobody's replies are lost to a reset" % name, not any(c.reset for c in clients), counts)
        except AssertionError as error:
            checks.ok("%s: replies and data agree" % name, False, error)
            counts = {}
        numbered = {kind(r) for r in clients[-1].replies}
        checks.ok("%s: a session is not sent away by MOVED" % name, b"-MOVED" not in numbered, numbered)
        others = {kind(r) for c in clients[:-1] for r in c.replies}
        checks.ok("%s: and nobody else by NOTLEADER" % name, b"-NOTLEADER" not in others, others)
        for word, count in counts.items():
            totals[word] = totals.get(word, 0) + count
    checks.ok("%s: it came to %s" % (name, " ".join(expect)), all(word.encode() in totals for word in expect), totals)
    print("# %s: %s, %.1f s" % (name, totals, time.monotonic() - started))


def follower_refuses_the_rest(checks, cluster):
    """One write and what follows it in the pipeline, to a node that does not lead; then again when its input was empty."""
    follower = cluster.followers()[0]
    with Conn(follower.port) as conn:
        conn.send(b"".join([encode("SET", "f", 1), encode("GET", "f"), encode("SET", "f", 2), encode("PING")]))
        replies = [conn.reply() for _ in range(4)]
        checks.ok("a follower refuses a write and all that follows it", all(
            isinstance(r, RespError) and str(r).startswith("MOVED 3168 ") for r in replies[:3]), replies)
        checks.equal("it goes on talking", replies[3], b"PONG")
    with Conn(follower.port) as conn:
        conn.call("CLIENT", "SETNAME", "follower-session@seq=1")
        conn.send(b"".join([encode("SET", "f", 1), encode("SET", "f", 2)]))
        replies = [str(conn.reply()) for _ in range(2)]
        leader = cluster.wait_leader()
        checks.equal("a session is told the leader's address", replies, ["NOTLEADER 127.0.0.1:%d" % leader.port] * 2)

    # Refused until its input has run empty: it becomes leader in the middle, and must not run the second write.
    ran_behind = 0
    for i in range(10):
        follower = cluster.followers()[0]
        with Conn(follower.port) as conn:
            conn.send(encode("SET", "behind:%d:0" % i, 1))
            ask(follower.port, "CLUSTER", "FAILOVER")
            for n in range(1, 400):
                conn.send(encode("SET", "behind:%d:%d" % (i, n), 1))
            replies = [conn.reply() for _ in range(400)]
        refusals = sum(isinstance(r, RespError) for r in replies)
        ran_behind += 0 < refusals < 400
        data = ask(cluster.wait_leader().port, "MGET", *["behind:%d:%d" % (i, n) for n in range(400)])
        agree = all((value is not None) == (reply == b"OK") for value, reply in zip(data, replies))
        checks.ok("a follower that is made leader while a client sends", agree and isinstance(replies[0], RespError), replies[:3])
        wait("the failover", lambda: cluster.leader())
    print("# %d of 10 pipelines were taken again once the input had run empty" % ran_behind)


def main():
    checks = Checks()
    cluster = Cluster(scratch("cluster/inflight"), args=ARGS).start()
    follower_refuses_the_rest(checks, cluster)
    loses_office(checks, cluster, "cut off, then healed", lose_by_cut_until_elected, ["+OK", "-MOVED"])
    loses_office(checks, cluster, "cut off for long", lose_for_long, ["+OK", "-MAYBE"])
    loses_office(checks, cluster, "CLUSTER FAILOVER", lose_by_failover, ["+OK", "-MOVED"])
    loses_office(checks, cluster, "SIGTERM", lose_by_sigterm, ["+OK", "-MOVED"])
    loses_office(checks, cluster, "SIGSTOP", lose_by_pause, ["+OK"])
    cluster.kill()
    checks.finish()


if __name__ == "__main__":
    main()
