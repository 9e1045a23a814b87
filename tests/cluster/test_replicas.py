#!/usr/bin/python3
"""What replicas of Redis ask for: the state, by SYNC and PSYNC, from any node. redis-cli --rdb takes it and redis-server loads it; a slow
reader costs no memory. A redis-server that follows a node stays equal to it, whatever is done to the keys.
time limit: 60 s"""

import os
import random
import re
import signal
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from servers import HOST, PORTS, Checks, Cluster, Conn, RespError, ask, encode, info, redis, scratch, wait  # noqa: E402

LARGE = 40
MB = 1 << 20
STOPPED_WRITES = 200


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
                if kind == b"none":  # its time has come meanwhile
                    continue
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


KEYS = ["k%d" % i for i in range(12)]


POPS = """redis.pcall('spop', KEYS[1]); redis.pcall('expire', KEYS[2], 900); redis.setresp(3)
return redis.pcall('spop', KEYS[2], 2)"""


def random_write(rng, dump):
    """One of the commands that change something; half of them meet a key of another type."""
    key, other, i = rng.choice(KEYS), rng.choice(KEYS), rng.randrange(30)
    return rng.choice([
        ("SET", key, i), ("SET", key, "v", "PX", 1 + rng.randrange(400)), ("GETEX", key, "EX", 1000), ("APPEND", key, "tail"),
        ("INCRBYFLOAT", key, "0.1"), ("SETRANGE", key, i, "x"), ("SETBIT", key, i, 1), ("GETDEL", key), ("MSET", key, 1, other, 2),
        ("DEL", key, other), ("UNLINK", key), ("EXPIRE", key, 1000), ("PEXPIRE", key, 1 + i), ("PERSIST", key), ("RENAME", key, other),
        ("COPY", key, other, "REPLACE"), ("COPY", key, other, "DB", 5), ("MOVE", key, 5), ("RPUSH", key, *range(i + 1)),
        ("LPOP", key, 3), ("LMOVE", key, other, "LEFT", "RIGHT"), ("LTRIM", key, 1, 5), ("BLPOP", key, other, "0.01"),
        ("SADD", key, *range(i + 1)), ("SPOP", key, 2), ("SMOVE", key, other, 3), ("SUNIONSTORE", key, key, other),
        ("HSET", key, "f%d" % i, i), ("HINCRBYFLOAT", key, "f%d" % i, "1.5"), ("HDEL", key, "f%d" % i),
        ("ZADD", key, i, "m%d" % i, i + 1, "n"), ("ZPOPMIN", key), ("ZINCRBY", key, "0.5", "n"), ("ZRANGESTORE", key, other, 0, 3),
        ("GEOADD", key, 13 + i / 10, 38, "p%d" % i), ("PFADD", key, i), ("XADD", key, "*", "f", i), ("XTRIM", key, "MAXLEN", 3),
        ("XGROUP", "CREATE", key, "g", "0", "MKSTREAM"), ("XREADGROUP", "GROUP", "g", "c", "STREAMS", key, ">"), ("SORT", key, "ALPHA", "STORE", other),
        ("SET", key, "v", "EX", 500, "GET"), ("SET", key, i, "KEEPTTL", "GET"), ("GETSET", key, i), ("SETEX", key, 900, i), ("GETEX", key, "PERSIST"),
        ("SPOP", key), ("LMPOP", 2, key, other, "RIGHT", "COUNT", 2), ("ZMPOP", 2, key, other, "MAX", "COUNT", 2), ("BLMPOP", "0.01", 1, key, "LEFT"),
        ("BZPOPMIN", key, other, "0.01"), ("BLMOVE", key, other, "RIGHT", "LEFT", "0.01"), ("BRPOPLPUSH", key, other, "0.01"),
        ("XADD", key, "MAXLEN", "~", 10, "*", "f", i, "g", "x" * 700), ("XADD", key, "NOMKSTREAM", "MINID", "=", 5, "*", "f", i), ("XADD", key, "*", "f", i),
        ("XTRIM", key, "MAXLEN", "~", 5), ("XADD", key, "*", "g", i), ("XREADGROUP", "GROUP", "g", "d", "COUNT", 2, "STREAMS", key, ">"),
        ("XREADGROUP", "GROUP", "g", "d", "NOACK", "COUNT", 1, "STREAMS", key, other, ">", ">"), ("XREADGROUP", "GROUP", "g", "d", "STREAMS", key, 0),
        ("XAUTOCLAIM", key, "g", "e", 0, "-", "COUNT", 2), ("XGROUP", "DELCONSUMER", key, "g", "d"), ("XGROUP", "SETID", key, "g", "$"),
        ("XGROUP", "CREATE", key, "g", "$"), ("RESTORE", key, 0, dump, "REPLACE"), ("RESTORE", key, 100000, dump, "REPLACE"),
        ("ZUNIONSTORE", key, 2, key, other), ("GEOSEARCHSTORE", key, other, "FROMLONLAT", 14, 38, "BYRADIUS", 100, "km"), ("BITOP", "NOT", key, other),
        ("LINSERT", key, "BEFORE", 3, "x"), ("LREM", key, 0, 3), ("LSET", key, 0, "y"), ("HSETNX", key, "f1", i), ("ZADD", key, "INCR", 1.5, "m1"),
        ("PFMERGE", key, other), ("SDIFFSTORE", key, key, other), ("EXPIREAT", key, 1), ("EVAL", POPS, 2, key, other), ("FCALL", "f1", 0),
        ("EVAL", "return redis.call('set', KEYS[1], ARGV[1])", 1, key, i), ("SELECT", rng.choice([0, 5, 9]))] +
        ([("SWAPDB", 0, 5), ("FLUSHDB",), ("FLUSHALL",)] if i == 0 else []))


def tell_all(conn, words, rng):
    if rng.random() < 0.1:
        conn.call("MULTI")
        conn.call(*words)
        words = "EXEC",
    try:
        conn.call(*words)
    except RespError:
        pass


def details(port):
    """Of streams what XRANGE does not show."""
    out = []
    with Conn(port) as conn:
        for db in range(16):
            conn.call("SELECT", db)
            for key in sorted(conn.call("KEYS", "*")):
                if conn.call("TYPE", key) in (b"stream", "stream"):
                    groups = conn.call("XINFO", "GROUPS", key)
                    pending = [[p[:2] + p[3:] for p in conn.call("XPENDING", key, g[1], "-", "+", 1000)] for g in groups]
                    out.append((db, key, conn.call("XINFO", "STREAM", key)[:2], groups, pending))
    return out


LIBRARY = "#!lua name=l%d\nredis.register_function('f%d', function() return %d end)"


def functions(checks, port, stock):
    """They are in the state, and what becomes of them is sent."""
    def listed(p):
        return sorted(map(str, ask(p, "FUNCTION", "LIST", "WITHCODE")))

    def equal():
        return listed(stock.port) == listed(port)
    checks.equal("the functions are in the state", len(listed(stock.port)), 1)
    ask(port, "FUNCTION", "LOAD", LIBRARY % (2, 2, 2))
    ask(port, "FUNCTION", "LOAD", "REPLACE", LIBRARY % (1, 1, 3))
    checks.run("it has them as they are now", wait, "the same functions", equal, 10)
    ask(port, "FUNCTION", "FLUSH")
    checks.run("it has none either", wait, "no functions", lambda: listed(stock.port) == [], 10)


def groups(checks, port, equal):
    """Nothing but a stream's groups changes, and the replica is told."""
    with Conn(port) as conn:
        for i in range(6):
            conn.call("XADD", "s", "%d-1" % (i + 1), "f", i)
        for words in (("XGROUP", "CREATE", "s", "g", "0"), ("XGROUP", "CREATECONSUMER", "s", "g", "c"), ("XREADGROUP", "GROUP", "g", "c", "COUNT", 4, "STREAMS", "s", ">"),
                      ("XREADGROUP", "GROUP", "g", "c", "COUNT", 1, "STREAMS", "s", "0"), ("XACK", "s", "g", "1-1"), ("XCLAIM", "s", "g", "d", 0, "2-1", "6-1", "FORCE"),
                      ("XDEL", "s", "2-1"), ("XCLAIM", "s", "g", "c", 0, "2-1"), ("XAUTOCLAIM", "s", "g", "e", 0, "3-1", "COUNT", 1),
                      ("XREADGROUP", "GROUP", "g", "f", "NOACK", "COUNT", 1, "STREAMS", "s", ">"), ("XGROUP", "DELCONSUMER", "s", "g", "c"),
                      ("XGROUP", "SETID", "s", "g", "3-1"), ("XSETID", "s", "9-9"), ("XGROUP", "DESTROY", "s", "g")):
            conn.call(*words)
            checks.run("groups are equal behind " + " ".join(map(str, words[:2])), wait, "the replica to be equal", equal, 5)
        read = ["XREADGROUP", "GROUP", "g"]
        for words in ([["XADD", "z", "%d-0" % i, "f", "v"] for i in (1, 2, 3)] + [["XGROUP", "CREATE", "z", "g", "0"]],
                      [[*read, "c", "COUNT", 2, "STREAMS", "z", ">"], ["XDEL", "z", "1-0"], [*read, "c", "STREAMS", "z", "0"]],
                      [["MULTI"], [*read, "c", "COUNT", 1, "STREAMS", "z", ">"], ["XGROUP", "SETID", "z", "g", "0"], ["EXEC"]],
                      [["MULTI"], [*read, "d", "NOACK", "STREAMS", "z", ">"], ["RENAME", "z", "y"], ["EXEC"]],
                      [["XGROUP", "SETID", "y", "g", "0"], [*read, "n", "NOACK", "STREAMS", "y", ">"]],
                      [["XGROUP", "CREATE", "y", "g2", "0"], [*read, "a", "GROUP", "g2", "b", "STREAMS", "y", ">"]]):
            for command in words:
                conn.call(*command)
            checks.run("groups are equal behind " + " ".join(map(str, words[-2])), wait, "the replica to be equal", equal, 5)


def stopped(checks, port, stock, equal):
    """It stands still while more is written than is kept for it, and gets the keys as they are then."""
    os.kill(stock.process.pid, signal.SIGSTOP)
    with Conn(port, 30) as conn:
        for i in range(STOPPED_WRITES):
            conn.send(encode("SETRANGE", "k%d" % (i % 7), i, os.urandom(100000)) + encode("SADD", "members", i) + encode("SPOP", "members"))
        for _ in range(3 * STOPPED_WRITES):
            conn.reply()
    os.kill(stock.process.pid, signal.SIGCONT)
    checks.run("one that stood still is equal", wait, "the replica to be equal", equal, 15)


def calls(port):
    """How often which command has run."""
    return {name[8:]: int(re.match("calls=(\\d+)", value).group(1)) for name, value in info(port, "commandstats").items() if name.startswith("cmdstat_")}


def attach(port):
    conn = Conn(port)
    conn.send(encode("SYNC"))
    head = conn.file.readline()
    while head == b"\n":
        head = conn.file.readline()
    conn.file.read(int(head[1:]))
    return conn


def in_words(checks, port):
    """What is sent are the commands as Redis writes them, so a small change of a large value is small."""
    with Conn(port) as conn:
        conn.call("SET", "large", "x" * MB)
        conn.call("SADD", "one", "only")
        stream = attach(port)
        listener = ("PUBLISH", "channel", "message")
        for words in (("APPEND", "large", "y"), ("SPOP", "one"), ("GET", "large"), ("INCRBYFLOAT", "n", 2.5), ("SELECT", 3), listener, ("MULTI",), ("SET", "a", 1),
                      ("GETDEL", "a"), ("EXEC",), ("EVAL", "redis.call('set', 'b', 1, 'pxat', 1999999999999) redis.call('persist', 'b')", 0)):
            conn.call(*words)
        want = ["SELECT 0", "APPEND large y", "SREM one only", "SET n 2.5 KEEPTTL", "PUBLISH channel message", "SELECT 3", "MULTI", "SET a 1", "DEL a", "EXEC",
                "MULTI", "SET b 1 PXAT 1999999999999", "persist b", "EXEC"]
        checks.equal("the words are Redis's", [b" ".join(stream.reply()).decode() for _ in want], want)
        stream.close()
        conn.call("FLUSHALL")


def a_follower(checks, cluster, folder):
    """redis-server --replicaof a node, while everything is done to the keys: it becomes equal, each time that there is rest."""
    rng = random.Random(5)
    leader, node = cluster.leader(), cluster.followers()[1]
    ask(leader.port, "FUNCTION", "LOAD", LIBRARY % (1, 1, 1))
    with Conn(node.port) as conn:
        conn.call("READONLY")
        checks.equal("a follower has the library", len(conn.call("FUNCTION", "LIST")), 1)
    ask(leader.port, "SET", "dumped", "value")
    dump = ask(leader.port, "DUMP", "dumped")
    stock = redis(PORTS + 41, os.path.join(folder, "stock"), "--replicaof", "%s %d" % (HOST, node.port)).start()

    def equal():
        try:
            return everything(stock.port) == everything(leader.port) and details(stock.port) == details(leader.port)
        except RespError:  # a key became another type's between two questions
            return False
    with Conn(leader.port) as conn:
        for rest in range(50):
            for _ in range(40):
                tell_all(conn, random_write(rng, dump), rng)
            checks.run("it is equal at rest %d" % rest, wait, "the replica to be equal", equal, 10)
        functions(checks, leader.port, stock)
        conn.call("SELECT", 0)
        groups(checks, leader.port, equal)
        stopped(checks, leader.port, stock, equal)
        said = calls(stock.port)
        checks.ok("most of it went in words", said["restore"] < said["srem"] + said["xclaim"] + said["set"], said)
        conn.call("FLUSHALL")
        checks.run("it is emptied, too", wait, "the replica to be empty", lambda: ask(stock.port, "DBSIZE") == 0 and equal(), 10)
    checks.ok("it has followed all along", ask(node.port, "CLIENT", "LIST", "TYPE", "replica").count(b"cmd=replconf") == 1)
    with open(os.path.join(folder, "stock", "log")) as log:
        checks.equal("it took the state once", log.read().count("Full resync from master"), 1)
    checks.equal("INFO tells of it", info(node.port, "replication").get("attached_replicas"), "1")
    ask(stock.port, "REPLICAOF", "NO", "ONE")
    wait("it to be gone", lambda: info(node.port, "replication").get("attached_replicas") == "0")
    stock.kill()


def main():
    checks = Checks()
    folder = scratch("replicas")
    cluster = Cluster(folder).start()
    leader = cluster.wait_leader()
    fill(leader.port)
    a_file(checks, cluster, folder)
    what_is_said(checks, leader.port)
    in_words(checks, leader.port)
    a_follower(checks, cluster, folder)
    slow_readers(checks, leader)
    cluster.stop()
    checks.finish()


if __name__ == "__main__":
    main()
