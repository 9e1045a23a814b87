#!/usr/bin/python3
"""One bit flipped in each stride of 64 bytes of every file of a node's directory, and the node started on it: it says that
something is wrong and stops, or goes on with a good part of its journal and says so, or behaves as if nothing had been
flipped. It never serves a changed byte, never loses one silently, and never ends by a signal.

--prove: every stride, four times. --flip FILE:BYTE.BIT: that one alone."""
# time limit: 240 s

import argparse
import os
import random
import re
import shutil
import signal
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "support")]
import badfs  # noqa: E402
import crash_script as script  # noqa: E402
from alone import LANES, One, in_lanes, live, room  # noqa: E402
from servers import PORTS, Checks, Conn, RespError, wait  # noqa: E402

STRIDE = 64
# What a node has to say when it does not go on as before.
SAYS = re.compile(r"damaged|checksum|orruption|cannot be|cannot open|was promised|newer format|shorter than|another cluster")


def identity(conn):
    """What a node is and holds, but for what each start changes."""
    info = conn.call("INFO", "raft").decode()
    fields = dict(line.split(":", 1) for line in info.split("\r\n") if ":" in line)
    return fields["node_id"], fields["cluster_id"], conn.call("DEBUG", "KVORUM-DIGEST")


class Flipper:
    def __init__(self, folder, original, reference, ops, number):
        self.original, self.reference, self.ops = original, reference, ops
        self.data = os.path.join(folder, "flipped%d" % number)
        self.server = One(self.data, PORTS + 10 + 10 * number)

    def serves(self):
        """A connection once it serves; None when it has ended, or stays up and says that something is wrong."""
        begun = time.monotonic()
        while self.server.process.poll() is None:
            log = self.server.log()
            if "Leading in term" in log:
                return self.server.connect()
            waited = time.monotonic() - begun
            if waited > 10:
                raise script.Wrong("it neither serves nor says why: %s" % self.server.last_line())
            if waited > 1.0 and SAYS.search(log):
                return None
            time.sleep(0.002)
        return None

    def outcome(self):
        """"identical" or "noticed"."""
        conn = self.serves()
        log = self.server.log()
        status = self.server.process.poll()
        if status is not None and (status <= 0 or not SAYS.search(self.server.last_line())):
            raise script.Wrong("it ended with status %d and said %r" % (status, self.server.last_line()))
        if status is not None or conn is None:
            return "noticed"
        with conn:
            if identity(conn) == self.reference[0]:
                return "noticed" if SAYS.search(log) else "identical"
            term = int(re.search(rb"\nterm:(\d+)", conn.call("INFO", "raft")).group(1))
            state = script.read_state(conn, self.ops)
        if not SAYS.search(log):
            raise script.Wrong("it is another than before, and says nothing")
        if state not in [{}] + [op.state for op in self.ops]:
            raise script.Wrong("it serves what never was: %s" % script.difference(state, self.ops[-1].state))
        if term <= self.reference[1]:
            raise script.Wrong("its term fell from %d to %d" % (self.reference[1], term))
        return "noticed"

    def flip(self, name, byte, bit):
        shutil.rmtree(self.data, ignore_errors=True)
        shutil.copytree(self.original, self.data)
        if os.path.exists(self.data + ".log"):
            os.unlink(self.data + ".log")
        with open(os.path.join(self.data, name), "r+b") as f:
            f.seek(byte)
            old = f.read(1)[0]
            f.seek(byte)
            f.write(bytes([old ^ 1 << bit]))
        self.server.start()
        try:
            return self.outcome()
        finally:
            self.server.end()

    def run(self, flips):
        """Returns how many were tried, noticed, made no difference, failed."""
        noticed = identical = failed = 0
        for name, byte, bit in flips:
            try:
                outcome = self.flip(name, byte, bit)
                noticed += outcome == "noticed"
                identical += outcome == "identical"
            except Exception as error:
                print("# flip %s:%d.%d: %s: %s" % (name, byte, bit, type(error).__name__, error), flush=True)
                failed += 1
        return len(flips), noticed, identical, failed


# Beside the script's, whose model knows strings alone: the other types, scripts, libraries, users. The digest counts them all.
OTHERS = [
    ["RPUSH", "o:list", *range(300)], ["HSET", "o:hash", "f", "v", "n", 12], ["HSET", "o:large", *["%d" % (n * n) for n in range(1400)]],
    ["SADD", "o:ints", 3, 1, 70000], ["SADD", "o:words", *["w%d" % n for n in range(600)]], ["ZADD", "o:places", 1, "a", 2.5, "b"],
    ["ZADD", "o:many", *["%d" % n for n in range(400)]], ["XADD", "o:stream", "1-1", "f", "v"], ["XADD", "o:stream", "2-1", "f", "w"],
    ["XGROUP", "CREATE", "o:stream", "g", "0"], ["XREADGROUP", "GROUP", "g", "c", "COUNT", 1, "STREAMS", "o:stream", ">"],
    ["PFADD", "o:log", *range(40)], ["SETBIT", "o:bits", 900, 1], ["GEOADD", "o:map", 13.36, 38.11, "Palermo"],
    ["EVAL", "return redis.call('incr', KEYS[1])", 1, "o:n"], ["SCRIPT", "LOAD", "return ARGV[1]"],
    ["FUNCTION", "LOAD", "#!lua name=o\nredis.register_function('o', function(k) return redis.call('get', k[1]) end)"],
    ["ACL", "SETUSER", "o", "on", ">secret", "~o:*", "+@read", "-keys"],
]


def knows_all(conn):
    """A leader that has just founded its cluster knows strings alone, until it has heard which version the others apply."""
    try:
        conn.call("RPUSH", "o:first", 1)
        return True
    except RespError:
        return False


def make_original(folder, ops):
    """A directory with everything that one can hold, left by SIGKILL; and what a node is that starts on it."""
    data = os.path.join(folder, "original")
    server = One(data, PORTS)
    server.start()
    with server.connect() as conn:
        wait("it to take every command", lambda: knows_all(conn))
        for words in OTHERS:
            conn.call(*words)
    server.end(signal.SIGTERM)
    live(server, ops, lambda op: None)
    server.end()
    copy = One(data + "-started", PORTS)
    shutil.copytree(data, copy.folder)
    copy.start()
    with copy.connect() as conn:
        reference = identity(conn)
        before = int(re.search(rb"\nterm:(\d+)", conn.call("INFO", "raft")).group(1)) - 1
    copy.end()
    return data, (reference, before)


def choose(original, options):
    if options.flip:
        name, byte, bit = re.fullmatch(r"(.*):(\d+)\.(\d)", options.flip).groups()
        return [(name, int(byte), int(bit))]
    rng, flips = random.Random(options.seed), []
    for _ in range(4 if options.prove else 1):
        for name, data in sorted(badfs.files_of(original).items()):
            for at in range(0, len(data), STRIDE):
                flips.append((name, at + rng.randrange(min(STRIDE, len(data) - at)), rng.randrange(8)))
    if options.prove:
        return flips
    step = len(flips) / options.sample
    return [flips[int(i * step)] for i in range(options.sample)]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--prove", action="store_true")
    parser.add_argument("--sample", type=int, default=240)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--flip")
    options = parser.parse_args()
    checks, ops = Checks(), script.operations()
    folder = room("bitflips")
    original, reference = make_original(folder, ops)
    names = sorted(badfs.files_of(original))
    snapshot = b"".join(data for name, data in badfs.files_of(original).items() if ".rdb" in name)
    for what in (b"kvorum-script", b"kvorum-user", b"#!lua name=o", b"o:list", b"o:many", b"o:stream", b"o:log"):
        checks.ok("the snapshot has %s" % what.decode(), what in snapshot)
    print("# %s" % ", ".join("%s %d" % (n, len(d)) for n, d in sorted(badfs.files_of(original).items())))
    for what in ("vote", ".rdb", ".sst", ".log", "values-", "MANIFEST", "CURRENT", "OPTIONS"):
        checks.ok("there is a file %s" % what, any(what in name for name in names), names)
    flips = choose(original, options)
    tried, noticed, identical, failed = in_lanes(
        lambda number: Flipper(folder, original, reference, ops, number).run(flips[number::LANES]))
    checks.ok("%d flips: noticed, or of no consequence" % tried, failed == 0, "%d failed" % failed)
    if not options.flip:
        checks.ok("some were noticed, some were of no consequence", noticed and identical)
    if not checks.failed:
        shutil.rmtree(folder)
    print("bitflips: flips=%d noticed=%d identical=%d failed=%d" % (tried, noticed, identical, failed))
    checks.finish()


if __name__ == "__main__":
    main()
