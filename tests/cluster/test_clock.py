#!/usr/bin/python3
"""The cluster clock on real servers, whose clocks are all right: it is never ahead of them, however long the leader is held
up in the middle of a pass of its loop while frames of the other nodes come in. By what it is ahead every key that has a time
to live is gone too early. And none is, by not even a part of a millisecond."""
# time limit: 120 s

import os
import signal
import socket
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from clients import settled  # noqa: E402
from servers import HOST, Checks, Cluster, Conn, scratch  # noqa: E402

ARGS = ("--enable-debug-command", "yes", "--election-timeout", "3000")
LIFE_MS = 100000
STOPPED_S = 0.1


def ahead_ms(port):
    """By how much the stamp of a write is ahead of a right clock; negative is the time that the write took."""
    with Conn(port, 20) as conn:
        conn.call("SET", "k", "v", "PX", LIFE_MS)
        stamp_ms = int(conn.call("PEXPIRETIME", "k")) - LIFE_MS
    return stamp_ms - int(time.time() * 1000)


def write_on(port, ended):
    """A write every few milliseconds, whether the one before was answered or not: a frame from this node to the leader."""
    with socket.create_connection((HOST, port), 20) as sock:
        sock.settimeout(0.003)
        while not ended.is_set():
            sock.sendall(b"*3\r\n$6\r\nAPPEND\r\n$1\r\nx\r\n$1\r\ny\r\n")
            try:
                sock.recv(65536)
            except socket.timeout:
                pass


def stop_on(leader, ended):
    while not ended.is_set():
        leader.signal(signal.SIGSTOP)
        time.sleep(STOPPED_S)
        leader.signal(signal.SIGCONT)
        time.sleep(0.01)


def held_up(checks, cluster):
    """The leader is stopped again and again, each time for far less than an election takes."""
    leader, ended = cluster.wait_leader(), threading.Event()
    threads = [threading.Thread(target=write_on, args=(node.proxy_port, ended)) for node in cluster.followers()]
    threads.append(threading.Thread(target=stop_on, args=(leader, ended)))
    for thread in threads:
        thread.start()
    ahead = []
    for _ in range(20):
        ahead.append(ahead_ms(leader.port))
    ended.set()
    for thread in threads:
        thread.join(30)
    checks.ok("no stamp is ahead of the clocks", max(ahead) <= 0, ahead)
    checks.ok("the office was kept", cluster.wait_leader() is leader)


def to_the_end(checks, port, name, words):
    """Keys that are looked at without a pause: each lives its whole time, to the last part of a millisecond."""
    late_ms = []
    with Conn(port, 20) as conn:
        for _ in range(100):
            born = time.monotonic()
            conn.call("SET", "brief", "v", "PX", 20)
            while conn.call(*words) not in (None, 0):
                pass
            late_ms.append(1000 * (time.monotonic() - born) - 20)
    checks.ok("%s: no key goes before its time" % name, min(late_ms) >= 0, min(late_ms))


def main():
    checks = Checks()
    cluster = Cluster(scratch("cluster/clock"), args=ARGS).start()
    settled(cluster.nodes)
    time.sleep(0.2)  # until all nodes count by the newest rules
    to_the_end(checks, cluster.wait_leader().port, "leader", ("EXISTS", "brief"))
    to_the_end(checks, cluster.followers()[0].proxy_port, "proxy", ("GET", "brief"))
    held_up(checks, cluster)
    cluster.kill()
    checks.finish()


if __name__ == "__main__":
    main()
