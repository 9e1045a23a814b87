#!/usr/bin/python3
"""What replicas of Redis ask for: the state, by SYNC and PSYNC, from any node. redis-cli --rdb takes it and redis-server loads it; a slow
reader costs no memory.
time limit: 60 s"""

import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from servers import HOST, PORTS, Checks, Cluster, Conn, RespError, ask, encode, info, redis, scratch, wait  # noqa: E402

LARGE = 40
MB = 1 << 20


def fill(port):
    with Conn(port) as conn:
        conn.call("SET", "string", "x" * 100)
        conn.call("SET", "soon", "gone", "PX", 86400000)
        conn.call("RPUSH", "list", *range(500))
        conn.call("SADD", "set", "a", "b", 3)
        conn.call("HSET", "hash", "field", "value")
        conn.call("ZADD", "zset", 1.5, "member")
        conn.call("XADD", "stream", "5-1", "f", "v")
        conn.call("SELECT", 7)
        conn.call("SET", "elsewhere", "y")


def everything(port):
    """{db, key: (type, value, time at which it goes)}"""
    reads = {b"string": ("GET",), b"list": ("LRANGE", 0, -1), b"set": ("SMEMBERS",), b"hash": ("HGETALL",),
             b"zset": ("ZRANGE", 0, -1, "WITHSCORES"), b"stream": ("XRANGE", "-", "+")}
    out = {}
    with Conn(port) as conn:
        for db in range(16):
            conn.call("SELECT", db)
            for key in conn.call("KEYS", "*"):
                kind = conn.call("TYPE", key)
                kind = kind.encode() if isinstance(kind, str) else kind
                read = reads[kind]
                value = conn.call(read[0], key, *read[1:])
                if kind == b"set":
                    value = sorted(value)
                elif kind == b"hash":
                    value = sorted(zip(value[::2], value[1::2]))
                out[db, key] = kind, value, conn.call("PEXPIRETIME", key)
    return out


def a_file(checks, cluster, folder):
    for node, who in ((cluster.leader(), "the leader"), (cluster.followers()[0], "a follower")):
        wait(who + " to have it all", lambda: info(node.port, "keyspace").get("db7"))
        path = os.path.join(folder, "dump.rdb")
        done = subprocess.run(["redis-cli", "-h", HOST, "-p", str(node.port), "--rdb", path], capture_output=True, timeout=20)
        checks.equal("redis-cli --rdb from " + who, done.returncode, 0)
        stock = redis(PORTS + 40, folder).start()
        checks.equal("redis-server loads what %s gave" % who, everything(stock.port), everything(cluster.leader().port))
        stock.kill()
        with open(path, "rb") as f:
            checks.ok("there is nothing in it but the keys", b"kvorum" not in f.read())


def what_is_said(checks, port):
    def error(*words):
        try:
            return ask(port, *words)
        except RespError as e:
            return str(e)
    checks.equal("an option that nobody knows", error("REPLCONF", "nonsense", "1"), "ERR Unrecognized REPLCONF option: nonsense")
    checks.equal("an option without a value", error("REPLCONF", "capa"), "ERR syntax error")
    checks.equal("a filter", error("REPLCONF", "rdb-filter-only", "keys"), "ERR Unsupported rdb-filter-only option: keys")
    with Conn(port) as conn:
        conn.call("REPLCONF", "listening-port", 1, "capa", "psync2", "rdb-filter-only", "functions")
        try:
            got = conn.call("SYNC")
        except RespError as e:
            got = str(e)
        checks.equal("half of a file needs capa eof", got, "ERR Filtered replica requires EOF capability")


def slow_readers(checks, node):
    """It reads a little and stops: what it has yet to get is nowhere in the server's memory. The next one waits for his turn, gets it
    when the first has gone, and is given the length first."""
    with Conn(node.port) as conn:
        for i in range(LARGE):
            conn.call("SET", "large%d" % i, os.urandom(MB))
    slow, second = Conn(node.port), Conn(node.port)
    slow.send(encode("REPLCONF", "capa", "eof") + encode("REPLCONF", "listening-port", 77))
    checks.equal("REPLCONF", [slow.reply(), slow.reply()], [b"OK", b"OK"])
    slow.send(encode("PSYNC", "?", "-1"))
    head = slow.sock.recv(200)
    checks.ok("PSYNC begins anew", head.startswith(b"+FULLRESYNC "), head)
    second.send(encode("SYNC"))
    wait("both to be there", lambda: info(node.port, "replication").get("attached_replicas") in ("2", 2))
    said = ask(node.port, "CLIENT", "LIST", "TYPE", "replica").decode()
    checks.equal("CLIENT LIST has both", said.count("flags=S"), 2)
    checks.equal("a write goes on", ask(node.port, "SET", "meanwhile", "1"), b"OK")
    owed = [0]

    def grows():
        before, owed[0] = owed[0], max(map(int, re.findall("obl=(\\d+)", ask(node.port, "CLIENT", "LIST", "TYPE", "replica").decode())))
        return owed[0] == 0 or owed[0] > before
    wait("no more to be added to what it is owed", lambda: not grows(), step=0.3)
    checks.ok("what it is owed is not in memory", owed[0] < MB, owed[0])
    slow.close()
    got = b""
    while b"\r\n" not in got.lstrip(b"\n"):
        got += second.sock.recv(1)
    length = int(got.strip()[1:])
    got = second.sock.recv(9)
    while len(got) < length:
        piece = second.sock.recv(MB)
        if not piece:
            break
        got += piece
    checks.equal("the second one's file has the length it was told", len(got), length)
    checks.ok("it is from its own moment", got.startswith(b"REDIS0010") and b"meanwhile" in got)
    second.close()


def main():
    checks = Checks()
    folder = scratch("replicas")
    cluster = Cluster(folder).start()
    leader = cluster.wait_leader()
    fill(leader.port)
    a_file(checks, cluster, folder)
    what_is_said(checks, leader.port)
    slow_readers(checks, leader)
    cluster.stop()
    checks.finish()


if __name__ == "__main__":
    main()
