#!/usr/bin/python3
"""The load generator against servers whose faults are known: what a stall costs, what is counted, where a connection goes on."""

import os
import socketserver
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "support")]
from load import rate  # noqa: E402
from servers import Checks  # noqa: E402

check = Checks()


class Fake(socketserver.ThreadingTCPServer):
    """Answers request number n, counted over all connections from 0, with reply(n, name); None closes the connection."""

    daemon_threads, request_queue_size = True, 128

    def __init__(self, reply):
        super().__init__(("127.0.0.1", 0), Handler)
        self.reply, self.count, self.lock = reply, 0, threading.Lock()
        self.port = self.server_address[1]
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def next(self):
        with self.lock:
            self.count += 1
            return self.count - 1


class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        try:
            while True:
                words = []
                for _ in range(int(self.rfile.readline()[1:] or 0)):
                    words.append(self.rfile.read(int(self.rfile.readline()[1:]) + 2)[:-2])
                reply = self.server.reply(self.server.next(), words[0]) if words else None
                if reply is None:
                    return
                self.wfile.write(reply)
        except OSError:
            pass


def good(_, name):
    return b"+OK\r\n" if name == b"SET" else b"$5\r\nvalue\r\n"


def stalls(n, name):
    if n == 0:
        time.sleep(0.4)
    return good(n, name)


got = rate([Fake(good).port], "-R", 2000, "-t", 1, "-c", 3, "-s", 30)
check.equal("a second at 2000/s is 2000 requests, all of them answered", [got["requests"], got["get"] + got["set"]], [2000, 2000])
check.ok("of which three in ten are SETs", 500 < got["set"] < 700, got["set"])
check.ok("and the rate is kept", 1900 < got["rate"] < 2100, got["rate"])

got = rate([Fake(stalls).port], "-R", 1000, "-t", 1, "-c", 1, "-s", 0)
check.ok("a stall is charged to all that were due while it lasted", got["get_max"] >= 400e3 and got["get_p90"] >= 250e3, got)
closed = rate([Fake(stalls).port], "-n", 1000, "-c", 1, "-s", 0)
check.ok("in a closed loop to one request only", closed["get_max"] >= 400e3 and closed["get_p99"] < 250e3, closed)

got = rate([Fake(good).port], "-n", 1000, "-c", 2, "-P", 16, "-s", 50)
check.equal("pipelines: as many replies as requests", got["get"] + got["set"], 1000)

got = rate([Fake(lambda n, name: b"-OOM no room\r\n" if n % 10 == 3 else b"$-1\r\n" if n % 10 == 4 else good(n, name)).port], "-n", 100, "-c", 1, "-s", 0)
check.equal("errors by their code, and misses", [got["errors"], got["codes"], got["misses"], got["get"]], [10, "OOM:10", 10, 90])

to = Fake(good)
got = rate([Fake(lambda n, name: b"-MOVED 1 127.0.0.1:%d\r\n" % to.port).port], "-f", "-n", 200, "-c", 4, "-P", 5)
check.equal("what was refused by MOVED is sent again there", [got["moved"], got["errors"], got["lost"], got["get"] + got["set"], to.count],
            [20, 0, 0, 200, 200])

to = Fake(good)
got = rate([Fake(lambda n, name: good(n, name) if n < 12 else None).port, to.port], "-f", "-n", 100, "-c", 1, "-P", 10)
check.equal("what a closed connection leaves unanswered is lost, and the rest goes on at the next port",
            [got["lost"], got["get"] + got["set"], to.count], [8, 92, 80])

got = rate([Fake(lambda n, name: time.sleep(0.25) or good(n, name) if n == 50 else good(n, name)).port], "-n", 100, "-c", 1, "-s", 100)
check.ok("the longest time without an acknowledged SET", 250e3 <= got["gap"] < 500e3, got["gap"])

try:
    rate([Fake(lambda n, name: None).port], "-n", 10)
    check.ok("without -f a closed connection ends the run", False)
except RuntimeError as error:
    check.ok("without -f a closed connection ends the run", "closed by the server" in str(error), error)
check.finish()
