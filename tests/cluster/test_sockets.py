#!/usr/bin/python3
"""The clients' sockets are edge-triggered: nothing is said twice of bytes that one read left, of an end that came with them, of room."""
# time limit: 60 s

import os
import signal
import socket
import struct
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from servers import HOST, PORTS, Checks, Conn, encode, info, kvorum_alone, scratch, wait  # noqa: E402

PINGS = 200000       # some megabytes: many reads
BIG = b"x" * 4000000  # more than a socket holds


class Stopped:
    """What is sent while the server is stopped has all come when it looks."""

    def __init__(self, server):
        self.server = server

    def __enter__(self):
        self.server.signal(signal.SIGSTOP)
        time.sleep(0.05)

    def __exit__(self, *_):
        self.server.signal(signal.SIGCONT)


def clients(server):
    return int(info(server.port, "clients")["connected_clients"])


def gone(server):
    """Only the one who asks is left."""
    try:
        return wait("the client to be gone", lambda: clients(server) == 1, 5) is not None
    except TimeoutError:
        return False


def main():
    checks = Checks()
    server = kvorum_alone(PORTS, scratch("cluster/sockets")).start()
    wait("a leader of one", lambda: info(server.port, "raft").get("role") == "leader")

    with Conn(server.port) as conn:
        with Stopped(server):
            conn.sock.setblocking(False)
            pings, sent = encode("PING") * PINGS, 0
            try:
                while sent < len(pings):
                    sent += conn.sock.send(pings[sent:])
            except BlockingIOError:
                pass
            conn.sock.setblocking(True)
            conn.sock.settimeout(10)
        whole = sent // len(encode("PING"))
        try:
            got = len(conn.file.read(whole * len(b"+PONG\r\n")))
        except OSError as error:
            got = error
    checks.ok("what has come before the first read is all answered", whole > 10000 and got == whole * 7, [whole, got])

    for words, name in ((encode("PING"), "a request"), (encode("PING")[:-3], "a part of one")):
        with Stopped(server):
            sock = socket.create_connection((HOST, server.port))
            sock.sendall(words)
            sock.close()
        checks.ok("%s and the end of the connection, together" % name, gone(server))
    with Conn(server.port) as conn:
        conn.call("PING")
        with Stopped(server):
            conn.sock.sendall(encode("PING")[:-3])
            conn.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            conn.file.close()
            conn.sock.close()
        checks.ok("a part of a request and a reset", gone(server))

    with Conn(server.port) as conn:
        conn.call("PING")
        with Stopped(server):
            conn.sock.sendall(encode("PING"))
            conn.sock.shutdown(socket.SHUT_WR)
        checks.ok("who only stops sending gets what he asked for, then the end", conn.file.read() == b"+PONG\r\n")

    with Conn(server.port) as conn:
        conn.call("SET", "big", BIG)
        conn.send(encode("GET", "big") * 3 + encode("PING"))
        time.sleep(0.2)  # now the socket is full
        answers = [conn.reply() for _ in range(4)]
        checks.ok("replies larger than a socket holds go on when there is room", answers == [BIG] * 3 + [b"PONG"])

    server.kill()
    checks.finish()


if __name__ == "__main__":
    main()
