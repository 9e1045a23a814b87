#!/usr/bin/python3
"""MIGRATE from kvorum to Redis, to kvorum and back, on the leader and through a follower's proxy port; and what becomes of the keys where
the target is slow, silent or gone, or where they change on their way."""

import os
import socket
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from servers import HOST, PORTS, Checks, Cluster, Conn, encode, redis, scratch, wait  # noqa: E402

checks = Checks()
REDIS = PORTS + 40
FAKE = PORTS + 41


def say(conn, *words):
    conn.send(encode(*words))
    reply = conn.reply()
    return reply if isinstance(reply, (bytes, int, list, type(None))) else str(reply)


def migrate(conn, port, key, *options, db=0, timeout=3000, host=HOST):
    return say(conn, "MIGRATE", host, port, key, db, timeout, *options)


def fill(conn):
    conn.call("FLUSHALL")
    conn.call("SET", "s", "text\r\n\0")
    conn.call("SET", "n", "12", "EX", 1000)
    conn.call("RPUSH", "l", "a", "1", "x" * 100000)
    conn.call("HSET", "h", "f", "v")
    conn.call("ZADD", "z", "1.5", "m")
    conn.call("XADD", "x", "1-1", "f", "v")


def moved(conn, other, port, where):
    """Every type, one by one and together, with its time to live; what the target has already; other databases."""
    fill(conn)
    other.call("FLUSHALL")
    dumps = {key: conn.call("DUMP", key) for key in ("s", "n", "l", "h", "z", "x")}
    checks.equal("MIGRATE %s" % where, migrate(conn, port, "s"), b"OK")
    checks.equal("it is there and no longer here %s" % where, [conn.call("EXISTS", "s"), other.call("GET", "s")], [0, b"text\r\n\0"])
    checks.equal("again there is nothing %s" % where, migrate(conn, port, "s"), b"NOKEY")
    checks.equal("KEYS %s" % where, migrate(conn, port, "", "KEYS", "n", "none", "l", "h", "z", "x"), b"OK")
    checks.equal("all are there %s" % where, [conn.call("DBSIZE"), other.call("DBSIZE")], [0, 6])
    checks.ok("with their time to live %s" % where, 990000 < other.call("PTTL", "n") <= 1000000 and other.call("PTTL", "l") == -1)
    checks.equal("and all that they hold %s" % where, [other.call("LRANGE", "l", 0, -1), other.call("HGETALL", "h"), other.call("ZRANGE", "z", 0, -1),
                                                       other.call("XLEN", "x")], [[b"a", b"1", b"x" * 100000], [b"f", b"v"], [b"m"], 1])
    for key, dump in dumps.items():
        conn.call("RESTORE", key, 0, dump)
    checks.equal("what the target has stays %s" % where, migrate(conn, port, "s"), "ERR Target instance replied with error: BUSYKEY Target key name already exists.")
    other.call("DEL", "h")
    checks.equal("of several, too %s" % where, migrate(conn, port, "", "KEYS", "s", "h", "z"),
                 "ERR Target instance replied with error: BUSYKEY Target key name already exists.")
    checks.equal("but the others go %s" % where, [conn.call("EXISTS", "s", "z"), conn.call("EXISTS", "h"), other.call("EXISTS", "h")], [2, 0, 1])
    conn.call("SET", "s", "newer")
    checks.equal("COPY and REPLACE %s" % where, [migrate(conn, port, "s", "COPY", "REPLACE"), conn.call("GET", "s"), other.call("GET", "s")],
                 [b"OK", b"newer", b"newer"])
    checks.equal("another database %s" % where, [conn.call("SELECT", 1), conn.call("SET", "in1", "1"), migrate(conn, port, "in1", db=2),
                                                 conn.call("EXISTS", "in1"), conn.call("SELECT", 0)], [b"OK", b"OK", b"OK", 0, b"OK"])
    checks.equal("which it is in %s" % where, [other.call("SELECT", 2), other.call("GET", "in1"), other.call("SELECT", 0)], [b"OK", b"1", b"OK"])
    checks.ok("none that there is not %s" % where, "DB index is out of range" in migrate(conn, port, "s", "REPLACE", db=99))
    checks.equal("nothing went %s" % where, conn.call("GET", "s"), b"newer")


def refused(conn, where):
    """Redis's words, and its order."""
    syntax, number = "ERR syntax error", "ERR value is not an integer or out of range"
    checks.equal("what is wrong %s" % where,
                 [migrate(conn, 1, "k", "NONSENSE"), migrate(conn, 1, "k", "AUTH"), migrate(conn, 1, "k", "AUTH2", "u"), migrate(conn, 1, "k", db="x"),
                  migrate(conn, 1, "k", timeout="x"), migrate(conn, 1, "k", "KEYS", "a")],
                 [syntax, syntax, syntax, number, number, "ERR When using MIGRATE KEYS option, the key argument must be set to the empty string"])
    conn.call("SET", "k", "v")
    checks.equal("nobody there %s" % where, migrate(conn, FAKE, "k"), "IOERR error or timeout connecting to the client")
    checks.equal("no such name %s" % where, migrate(conn, FAKE, "k", host="no-such-host.invalid", timeout=200), "IOERR error or timeout connecting to the client")
    conn.call("MULTI")
    checks.equal("not in a transaction %s" % where, migrate(conn, FAKE, "k"), "ERR Command not allowed inside a transaction")
    conn.call("DISCARD")
    checks.ok("nor in a script %s" % where, "not allowed from script" in say(conn, "EVAL", "return redis.call('migrate','h',1,'k',0,1)", 0))
    checks.equal("the key stays %s" % where, conn.call("GET", "k"), b"v")


class Fake:
    """A target that takes everything and answers what it is told to, when it is told to."""

    def __init__(self, answer, hold=None):
        self.answer, self.hold, self.came = answer, hold, threading.Event()
        self.listener = socket.create_server((HOST, FAKE), reuse_port=False)
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        sock, _ = self.listener.accept()
        with sock:
            sock.recv(1 << 20)
            self.came.set()
            if self.hold:
                self.hold.wait(20)
            sock.sendall(self.answer)
            if self.answer:
                sock.recv(1)

    def close(self):
        self.listener.close()
        self.thread.join(20)


def in_between(conn, other_conn, where):
    """While the target takes its time everybody else is served; and what changes meanwhile is not deleted."""
    for change, wanted in ((None, b"OK"), (("SET", "k", "changed"), "have changed here meanwhile"), (("DEL", "k"), "have changed here meanwhile"),
                           (("EXPIRE", "k", "100"), "have changed here meanwhile"), (("SET", "other", "1"), b"OK")):
        hold = threading.Event()
        fake = Fake(b"+OK\r\n+OK\r\n", hold)
        conn.call("SET", "k", "v")
        conn.send(encode("MIGRATE", HOST, FAKE, "k", 0, 5000))
        fake.came.wait(10)
        began = time.monotonic()
        other_conn.call("GET", "k")
        checks.ok("others are served %s" % where, time.monotonic() - began < 1)
        if change:
            other_conn.call(*change)
        hold.set()
        reply = conn.reply()
        reply = reply if isinstance(reply, bytes) else str(reply)
        checks.ok("%s on the way %s" % (change, where), reply == wanted or (isinstance(reply, str) and wanted in reply), reply)
        there = wanted != b"OK" and change[0] != "DEL"
        checks.equal("the key behind %s %s" % (change, where), conn.call("EXISTS", "k"), int(there))
        fake.close()


def cut_off(conn, where):
    """Who loses the connection to our own side before it has asked for the deletion knows that the key is on both."""
    hold = threading.Event()
    fake = Fake(b"+OK\r\n+OK\r\n", hold)
    conn.call("SET", "k", "v")
    conn.send(encode("MIGRATE", HOST, FAKE, "k", 0, 5000))
    fake.came.wait(10)
    with Conn(conn.sock.getpeername()[1]) as other:
        mine = [line for line in other.call("CLIENT", "LIST").decode().split("\n") if "name=migrate" in line]
        other.call("CLIENT", "KILL", "ID", mine[0].split()[0][3:])
        wait("it is gone", lambda: b"name=migrate" not in other.call("CLIENT", "LIST"))
    hold.set()
    checks.ok("cut off %s" % where, "they were not deleted here" in str(conn.reply()))
    checks.equal("the key is still here %s" % where, conn.call("EXISTS", "k"), 1)
    fake.close()


def silent(conn, where):
    """No answer: the key stays, and the client knows that it may be on both sides. Of several those go that were answered for."""
    reading = "IOERR error or timeout reading to target instance"
    conn.call("MSET", "k", "v", "k2", "v")
    for answer, keys, left in ((b"", ["k"], 1), (b"+OK\r\n", ["k"], 1), (b"+OK\r\n+OK\r\n", ["k", "k2"], 0)):
        fake = Fake(answer)
        checks.equal("silence behind %s %s" % (answer, where), migrate(conn, FAKE, "", "KEYS", *keys, timeout=150), reading)
        checks.equal("what is left of the first %s" % where, [conn.call("EXISTS", "k"), conn.call("EXISTS", "k2")], [left, 1])
        fake.close()
    for answer in (b"-NOAUTH who\r\n-NOAUTH\r\n-NOAUTH\r\n", b"-ERR no\r\n+OK\r\n+OK\r\n"):
        fake = Fake(answer)
        checks.ok("refused at the door %s" % where, migrate(conn, FAKE, "k2", "AUTH", "x").startswith("ERR Target instance replied with error: "))
        checks.equal("so nothing goes %s" % where, conn.call("EXISTS", "k2"), 1)
        fake.close()
    for answer, said in ((b"-\n-\n", ""), (b"\n\n", ""), (b"+OK\r\nHTTP/1.1 400 Bad Request\r\n", "HTTP/1.1 400 Bad Request"), (b"HTTP/1.1 200 OK\r\n+OK\r\n", "HTTP/1.1 200 OK")):
        fake = Fake(answer)
        checks.equal("no Redis, which says %s %s" % (answer, where), migrate(conn, FAKE, "k2"), "ERR Target instance replied with error: " + said)
        checks.equal("so it stays %s" % where, conn.call("EXISTS", "k2"), 1)
        fake.close()


def proven(conn, other):
    """The target's password, and its user's; a user of ours who may do nothing else."""
    conn.call("MSET", "k", "v", "k2", "v", "k3", "v")
    other.call("FLUSHALL")
    other.call("ACL", "SETUSER", "mover", "on", ">pw", "~*", "+@all")
    other.call("CONFIG", "SET", "requirepass", "secret")
    checks.ok("without the password", "NOAUTH" in migrate(conn, REDIS, "k"))
    checks.ok("with a wrong one", "WRONGPASS" in migrate(conn, REDIS, "k", "AUTH", "wrong"))
    checks.equal("with the right one", migrate(conn, REDIS, "k", "AUTH", "secret"), b"OK")
    checks.equal("as a user", migrate(conn, REDIS, "", "AUTH2", "mover", "pw", "KEYS", "k2"), b"OK")
    checks.equal("both are there", other.call("EXISTS", "k", "k2"), 2)
    other.call("CONFIG", "SET", "requirepass", "")
    conn.call("ACL", "SETUSER", "few", "on", ">pw", "~k3", "+migrate")
    with Conn(conn.sock.getpeername()[1]) as few:
        few.call("AUTH", "few", "pw")
        checks.ok("a key that is not one's own", "NOPERM" in migrate(few, REDIS, "k4"))
        checks.equal("one's own", migrate(few, REDIS, "k3"), b"OK")
    conn.call("ACL", "DELUSER", "few")


def numbered(conn, port):
    with Conn(port) as other:
        other.call("CLIENT", "SETNAME", "mover@seq=1")
        checks.ok("not by number", "numbered" in migrate(other, REDIS, "k"))
        checks.equal("the next number is as good", [other.call("SET", "k", "1"), other.call("GET", "k")], [b"OK", b"1"])


def main():
    cluster = Cluster(scratch("migrate"), base=PORTS).start()
    leader, follower = cluster.wait_leader(), cluster.followers()[0]
    target = redis(REDIS, scratch("migrate/redis")).start()
    with Conn(target.port) as other, Conn(leader.port) as second:
        for port, where in ((leader.port, "on the leader"), (follower.proxy_port, "through a follower")):
            with Conn(port) as conn:
                checks.run("moving %s" % where, moved, conn, other, REDIS, where)
                checks.run("refusals %s" % where, refused, conn, where)
                checks.run("meanwhile %s" % where, in_between, conn, second, where)
                checks.run("cut off %s" % where, cut_off, conn, where)
                checks.run("silence %s" % where, silent, conn, where)
                checks.equal("by its name %s" % where, [conn.call("SET", "named", "1"), migrate(conn, REDIS, "named", "REPLACE", host="localhost")], [b"OK", b"OK"])
                checks.run("back %s" % where, moved, other, conn, port, "from Redis " + where)
        with Conn(leader.port) as conn:
            checks.run("passwords", proven, conn, other)
            checks.run("sessions", numbered, conn, leader.port)
            checks.ok("a follower says who leads", say(Conn(follower.port), "MIGRATE", HOST, REDIS, "k", 0, 100).startswith("MOVED"))
        wait("no connection is left open", lambda: b"name=migrate" not in second.call("CLIENT", "LIST"))
    target.stop()
    cluster.stop()
    checks.finish()


if __name__ == "__main__":
    main()
