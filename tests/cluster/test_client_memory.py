#!/usr/bin/python3
"""Clients that take too much memory: maxmemory-clients, CLIENT NO-EVICT, output limits."""

import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from servers import PORTS, Checks, Conn, RespError, info, kvorum_alone, scratch, wait  # noqa: E402

MB = 1 << 20
checks = Checks()


def named(port, name):
    conn = Conn(port)
    conn.call("CLIENT", "SETNAME", name)
    return conn


def fields(control, name):
    """Its line of CLIENT LIST, None: it is gone."""
    for line in control.call("CLIENT", "LIST").decode().splitlines():
        found = dict(word.split("=", 1) for word in line.split(" "))
        if found["name"] == name:
            return found
    return None


def hold(port, control, name, size, evict="off"):
    """A client that has sent `size` bytes of an argument and no end of it."""
    conn = named(port, name)
    conn.call("CLIENT", "NO-EVICT", evict)
    conn.send(b"*2\r\n$%d\r\n%s" % (size, b"v" * size))
    wait("%s's bytes" % name, lambda: int(fields(control, name)["qbuf"]) == size)
    return conn


def there(control, *names):
    return [name for name in names if fields(control, name)]


def bound(control, most):
    control.call("CONFIG", "SET", "maxmemory-clients", most)


def ids(control):
    return [int(line.split(" ")[0][3:]) for line in control.call("CLIENT", "LIST").decode().splitlines()]


def in_order(port, control):
    conns = [Conn(port) for _ in range(5)]
    for _ in range(3):
        time.sleep(0.11)  # longer than a tick, which looks after some of them
        checks.ok("CLIENT LIST shows them in the order of their ids", ids(control) == sorted(ids(control)))
    for conn in conns:
        conn.close()


def largest_go_first(port, control):
    held = [hold(port, control, name, size) for name, size in (("small", 100000), ("large", 3 * MB), ("middle", MB))]
    before = int(info(port, "stats")["evicted_clients"])
    bound(control, 2 * MB)
    checks.equal("the largest goes, and no more than need be", there(control, "small", "large", "middle"), ["small", "middle"])
    bound(control, 500000)
    checks.equal("then the next", there(control, "small", "large", "middle"), ["small"])
    checks.equal("both are counted", int(info(port, "stats")["evicted_clients"]) - before, 2)
    bound(control, 0)
    for conn in held:
        conn.close()


def not_evicted(port, control):
    kept, other = hold(port, control, "kept", MB, "on"), hold(port, control, "other", 100000)
    checks.equal("their flags", [fields(control, name)["flags"] for name in ("kept", "other")], ["e", "N"])
    checks.equal("CLIENT NO-EVICT", control.call("CLIENT", "NO-EVICT", "on"), b"OK")
    try:
        control.call("CLIENT", "NO-EVICT", "maybe")
        checks.ok("takes on and off alone", False)
    except RespError as e:
        checks.equal("takes on and off alone", str(e), "ERR syntax error")
    bound(control, 2 * MB)
    checks.equal("nobody has to go", there(control, "kept", "other"), ["kept", "other"])
    bound(control, 500000)
    checks.equal("who asked not to be evicted counts, and stays", there(control, "kept", "other"), ["kept"])
    bound(control, 0)
    control.call("CLIENT", "NO-EVICT", "off")
    kept.close()
    other.close()


def takes_all(port, control, what, ask):
    """`ask` of a growing number is asked until the client is closed."""
    bound(control, 100000)
    conn, asked = Conn(port), 0
    try:
        while asked < 5000:
            ask(conn, asked)
            asked += 1
    except OSError:
        pass
    checks.ok("%s count" % what, 20 < asked < 5000, "asked %d times" % asked)
    bound(control, 0)
    conn.close()


def dropped(control, name):
    return wait("%s to be closed" % name, lambda: fields(control, name) is None)


def counted(port, control):
    """used_memory is what maxmemory bounds: data and clients. A follower's clients do not count where the leader decides."""
    used = lambda: int(info(port, "memory")["used_memory"])  # noqa: E731
    start = used()
    checks.ok("an empty server's is next to nothing", start < 300000, start)
    control.call("CONFIG", "SET", "maxmemory", 3 * MB, "maxmemory-policy", "allkeys-random")
    for i in range(20):
        control.call("SET", "key:%d" % i, "v" * 100000)
    checks.ok("data counts", 2000000 < used() - start < 2 * MB + 300000, used() - start)
    held = hold(port, control, "large", 2 * MB)
    wait("keys to give way to it", lambda: int(info(port, "stats")["evicted_keys"]) > 5)
    checks.run("and all together keep to maxmemory", wait, "that", lambda: used() <= 3 * MB)
    checks.ok("some keys stay", control.call("DBSIZE") > 5)
    held.close()
    wait("its end", lambda: fields(control, "large") is None)
    control.call("CONFIG", "SET", "maxmemory", 100000, "maxmemory-policy", "noeviction")
    try:
        control.call("XGROUP", "CREATE", "stream", "group", "$", "MKSTREAM")
        checks.ok("without memory no stream is made", False)
    except RespError as e:
        checks.equal("without memory no stream is made", str(e), "OOM command not allowed when used memory > 'maxmemory'.")
    control.call("CONFIG", "SET", "maxmemory", 0)
    control.call("SET", "peak", "v" * (8 * MB))
    time.sleep(1.2)  # nobody looks meanwhile
    control.call("DEL", "peak")
    control.call("CONFIG", "RESETSTAT")
    checks.ok("the peak is seen, and stays", int(info(port, "memory")["used_memory_peak"]) > 8 * MB)


def limits(port, control):
    control.call("SET", "k", "v" * 200000)
    control.call("CONFIG", "SET", "client-output-buffer-limit", "normal 100000 0 0")
    conn = named(port, "hard")
    conn.send(b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n")
    checks.equal("nothing of a reply over the hard limit is sent", conn.file.read(1), b"")
    checks.run("the client is closed", dropped, control, "hard")
    control.call("CONFIG", "SET", "client-output-buffer-limit", "normal 0 1000000 2")
    control.call("SET", "k", "v" * (4 * MB))
    silent = named(port, "silent")
    silent.send(b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n" * 6)  # more than the kernel keeps
    wait("its replies", lambda: int(fields(control, "silent")["omem"]) > 4 * MB)
    start = time.monotonic()
    checks.run("who stays over the soft limit is closed, though nothing more is said to it", dropped, control, "silent")
    checks.ok("not before its time", time.monotonic() - start > 1)
    silent.close()


def main():
    server = kvorum_alone(PORTS, scratch("client_memory")).start()
    port = server.port
    wait("a leader of one", lambda: info(port, "raft").get("role") == "leader")
    with Conn(port) as control:
        checks.run("order", in_order, port, control)
        checks.run("eviction", largest_go_first, port, control)
        checks.run("NO-EVICT", not_evicted, port, control)
        checks.run("watched keys", takes_all, port, control, "watched keys", lambda conn, i: conn.call("WATCH", "key:%060d" % i))
        checks.run("subscriptions", takes_all, port, control, "subscriptions", lambda conn, i: conn.call("SUBSCRIBE", "channel:%060d" % i))
        checks.run("prefixes", takes_all, port, control, "prefixes",
                   lambda conn, i: conn.call("CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", "prefix:%060d" % i))
        checks.run("used_memory", counted, port, control)
        checks.run("output limits", limits, port, control)
    server.stop()
    checks.finish()


if __name__ == "__main__":
    main()
