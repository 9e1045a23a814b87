#!/usr/bin/python3
"""Pipelines cut anywhere: the same bytes, in pieces of any size, get the same replies in the same order as from a stock
redis-server, from a node alone and from the leader of three (whose reads wait for a round while writes overtake nothing).
What is parsed ahead and then has to wait, or is never run, is the point: QUIT, MULTI, inline commands and protocol errors
stand anywhere in the stream."""
# time limit: 120 s

import os
import random
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from servers import PORTS, Checks, Cluster, Conn, encode, info, kvorum, redis, scratch, wait  # noqa: E402

SEEDS = int(os.environ.get("N", "40"))
FIRST = int(os.environ.get("SEED", "1"))
# Whether a call of its function is a read changes with it.
LIBRARY = "#!lua name=l\nredis.register_function{function_name='f', callback=function(k) return redis.call('incr', k[1]) end, flags={%s}}"


def request(r):
    key = "k%d" % r.randrange(8)
    return r.choice([
        lambda: encode("GET", key),
        lambda: encode("GET", key),
        lambda: encode("MGET", *["k%d" % i for i in range(r.randrange(1, 12))]),
        lambda: encode("SET", key, "v" * r.choice([1, 10, 100, 3000, 20000])),
        lambda: encode("APPEND", key, "a"),
        lambda: encode("INCR", "n%d" % r.randrange(3)),
        lambda: encode("DEL", key),
        lambda: encode("STRLEN", key),
        lambda: encode("DBSIZE"),
        lambda: encode("SELECT", r.randrange(3)),
        lambda: encode("PING"),
        lambda: encode("ECHO", key),
        lambda: encode("CLIENT", "SETNAME", "x%d" % r.randrange(100)),
        lambda: encode("CLIENT", "GETNAME"),
        lambda: b"GET %s\r\n" % key.encode(),
        lambda: b"set %s 'a b'\r\n" % key.encode(),
        lambda: b"\r\n",
        lambda: b"*0\r\n",
        lambda: encode("MULTI"),
        lambda: encode("EXEC"),
        lambda: encode("NOSUCH", key),
        lambda: encode("GET"),
        lambda: encode("WATCH", key),
        lambda: encode("FUNCTION", "LOAD", "REPLACE", LIBRARY % r.choice(["", "'no-writes'"])),
        lambda: encode("FCALL", "f", 1, "n1"),
    ])()


def stream(r):
    requests = [request(r) for _ in range(r.randrange(1, 120))]
    requests.append(r.choice([encode("QUIT"), b"*1\r\n$-5\r\n", b"*2\r\n$3\r\nGET\r\n+k\r\n"]))
    return b"".join(requests) + encode("GET", "never")


def pieces(r, data):
    sizes = r.choice([[1, 2, 3], [10, 50], [100, 1000], [30, 5000], [len(data)]])
    while data:
        size = r.choice(sizes) if len(data) < 3000 or sizes[0] > 9 else 500
        yield data[:size]
        data = data[size:]


def replies(port, seed):
    """All bytes that come back; the server closes at the end of every stream."""
    r = random.Random(seed)
    data = stream(r)
    out = b""
    with Conn(port, 20) as conn:
        conn.send(encode("FLUSHALL"))
        conn.reply()
        for number, piece in enumerate(pieces(r, data)):
            try:
                conn.send(piece)
            except OSError:  # closed already: what it said is still to be read
                break
            if number % 7 == 0:
                time.sleep(0.0005)
        try:
            while True:
                more = conn.file.read1(65536)
                if not more:
                    return out
                out += more
        except ConnectionResetError:
            return out


def main():
    checks = Checks()
    stock = redis(PORTS, scratch("pipeline/redis")).start()
    alone = kvorum(PORTS + 1, scratch("pipeline/one"), "--appendfsync", "no").start()
    wait("a leader of one", lambda: info(alone.port, "raft").get("role") == "leader")
    cluster = Cluster(scratch("pipeline/three"), base=PORTS + 10, args=["--appendfsync", "no"]).start()
    ports = [("one", alone.port), ("three", cluster.leader().port)]
    for seed in range(FIRST, FIRST + SEEDS):
        want = replies(stock.port, seed)
        for name, port in ports:
            got = replies(port, seed)
            at = next((i for i in range(min(len(got), len(want))) if got[i] != want[i]), min(len(got), len(want)))
            checks.ok("seed %d, %s" % (seed, name), got == want,
                         "from byte %d: %r instead of %r" % (at, got[at:at + 80], want[at:at + 80]))
    cluster.stop()
    checks.finish()


if __name__ == "__main__":
    main()
