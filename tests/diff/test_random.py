#!/usr/bin/python3
"""test_random.py [--seconds N]: random commands to kvorum-server and to redis-server; every reply, and all data at the end, must be alike.

A round is a few thousand steps of generate.py on empty servers, by one connection to each, in RESP2 and RESP3. Its seed makes it again:
SEED=n runs that round alone. Without it the sources say which come, where nothing in them is changed (each change brings its own),
else the time of day. A round that differs is made shorter, as far as that is quick, and printed. time limit: 120 s

The step "cross" takes a key's DUMP from each server and restores it on the other one. At the end of a round all keys are
compared: encoding, time to live, content, and the content of what the other server makes of its dump.
Every command that both servers know and that reads or writes data must have a generator, or its reason in LEFT_OUT.
"""

import importlib.machinery
import importlib.util
import os
import re
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "support")]
from generate import GENERATORS, draw  # noqa: E402
from servers import PORTS, ROOT, Checks, encode, info, kvorum_alone, redis, scratch, wait  # noqa: E402

LOADER = importlib.machinery.SourceFileLoader("diff_run", os.path.join(HERE, "run"))
SPEC = importlib.util.spec_from_loader("diff_run", LOADER)
DIFF = importlib.util.module_from_spec(SPEC)
LOADER.exec_module(DIFF)

STEPS = 3000
BATCH = 64
NEAR_MS = 60000  # relative times are told from the moment of the command
LARGE = 500000
SHRINK_S = float(os.environ.get("SHRINK_S", 20))
LEFT_OUT = {
    "pfdebug": "shows the insides of a value", "pfselftest": "has no data", "restore-asking": "RESTORE by another name",
    "object|idletime": "tells what the process saw (README)", "object|freq": "tells what the process saw (README)",
    "memory|usage": "the servers' own layouts", "migrate": "needs a third server",
    "evalsha_ro": "EVAL_RO by another name", "fcall_ro": "fcall has it",
    "function|delete": "libraries are no keys", "function|flush": "libraries are no keys", "function|load": "libraries are no keys",
    "function|restore": "libraries are no keys",
    "object|help": "has no data", "xinfo|help": "has no data", "xgroup|help": "has no data",
}


# How else a value may be held, in rounds (odd seeds) with commands that in Redis change its form alone: SORT makes a skiplist of each
# sorted set that it reads, SETBIT and BITFIELD make raw what they leave as it is. In kvorum a read, and no change, change nothing.
EITHER = {
    (b"$8\r\nlistpack\r\n", b"$8\r\nskiplist\r\n"), (b"$6\r\nembstr\r\n", b"$3\r\nraw\r\n"), (b"$3\r\nint\r\n", b"$3\r\nraw\r\n")}
FORMS = ("sort", "sort_ro", "setbit", "bitfield")
KEPT_APART = ("none", "bits")


class Differs(Exception):
    pass


def bare(tree):
    """The reply without the figure of radix-tree-nodes: kvorum's streams have no radix tree, and tell of one level of nodes."""
    body = tree[1]
    for place, part in enumerate(body[:-1] if isinstance(body, list) else []):
        if part[1] == b"radix-tree-nodes\r\n":
            return (tree[0], body[:place] + body[place + 2:])
    return tree


def alike(mode, ours, theirs):
    """Whether two trees of replies are alike by the step's mode."""
    ours, theirs = bare(ours), bare(theirs)
    if mode == "-":
        return ours[0][:1] == theirs[0][:1]
    if mode == "#":
        return ours[0][:1] == theirs[0][:1] and (ours[0][:1] in b"$," or ours[0] == theirs[0])
    if mode == "?":
        return DIFF.flat(ours, True) == DIFF.flat(theirs, True)
    if mode == "~" and ours[0][:1] == theirs[0][:1] == b":":
        a, b = int(ours[0][1:]), int(theirs[0][1:])
        return a == b or (min(a, b) > LARGE and abs(a - b) <= NEAR_MS)
    if mode == "forms" and (DIFF.flat(ours), DIFF.flat(theirs)) in EITHER:
        return True
    return DIFF.flat(ours) == DIFF.flat(theirs)


def shown(tree):
    return repr(DIFF.flat(tree)[:400])


class Pair:
    """A connection to each server, and what a transaction on it has queued."""

    def __init__(self, servers):
        self.conns = [DIFF.Raw(server.port, DIFF.SILENCE_S) for server in servers]
        self.queued, self.forms = None, False
        for conn in self.conns:
            conn.send(encode("FLUSHALL") + encode("CONFIG", "SET", "rdbcompression", "no"))
            conn.raw(), conn.raw()

    def ask(self, *words):
        return [self.one(conn, *words) for conn in self.conns]

    @staticmethod
    def one(conn, *words):
        conn.send(encode(*words))
        return conn.raw()

    def close(self):
        for conn in self.conns:
            conn.close()

    def run(self, steps):
        """Raises Differs at the first step whose replies differ, with its number."""
        at = 0
        while at < len(steps):
            if steps[at][0] == "cross":
                self.cross(at, *steps[at][1])
                at += 1
                continue
            end = at
            while end < len(steps) and end - at < BATCH and steps[end][0] != "cross":
                end += 1
            data = b"".join(encode(*words_of(words)) for _, words in steps[at:end])
            for conn in self.conns:
                conn.send(data)
            for place in range(at, end):
                self.judge(place, steps[place], *[conn.raw() for conn in self.conns])
            at = end

    def judge(self, place, step, ours, theirs):
        mode, words = step
        name = str(words[0]).lower()
        if name == "object" and self.forms:
            mode = "forms"
        if name == "exec" and self.queued and isinstance(ours[1], list) and isinstance(theirs[1], list):
            good = len(ours[1]) == len(theirs[1]) == len(self.queued) and all(map(alike, self.queued, ours[1], theirs[1]))
        elif ours[0] == theirs[0] == b"+QUEUED\r\n":
            self.queued.append(mode)
            return
        else:
            good = alike(mode, ours, theirs)
        if name in ("multi", "exec", "discard"):
            self.queued = [] if name == "multi" else None
        if not good:
            raise Differs(place, step, shown(ours), shown(theirs))

    def cross(self, place, key, other):
        dumps = self.ask("DUMP", key)
        if dumps[0][0][:1] != dumps[1][0][:1]:
            raise Differs(place, ("cross", ["DUMP", key]), shown(dumps[0]), shown(dumps[1]))
        if not dumps[0][1]:
            return
        replies = [self.one(conn, "RESTORE", other, 0, dump[1][:-2], "REPLACE") for conn, dump in zip(self.conns, reversed(dumps))]
        if replies[0] != replies[1]:
            raise Differs(place, ("cross", ["RESTORE", other, dumps]), shown(replies[0]), shown(replies[1]))


def words_of(words):
    """What encode() takes: text with each character a byte."""
    return [word.encode("latin-1") if isinstance(word, str) else word for word in words]


CONTENT = {
    b"string": ("=", ["GET"], []), b"list": ("=", ["LRANGE"], [0, -1]), b"set": ("?", ["SMEMBERS"], []), b"hash": ("?", ["HGETALL"], []),
    b"zset": ("=", ["ZRANGE"], [0, -1, "WITHSCORES"]), b"stream": ("=", ["XRANGE"], ["-", "+"]),
}


def compare_data(pair):
    """Raises Differs unless both servers hold the same."""
    pair.ask("HELLO", 2)
    place = sys.maxsize

    def check(mode, *words):
        ours, theirs = pair.ask(*words)
        if not alike(mode, ours, theirs):
            raise Differs(place, (mode, words), shown(ours), shown(theirs))
        return theirs

    for db in (0, 1):
        check("=", "SELECT", db)
        for _, body in check("?", "KEYS", "*")[1]:
            key = body[:-2]
            kind = check("=", "TYPE", key)[0][1:-2]
            check("forms" if pair.forms or key == b"bits" else "=", "OBJECT", "ENCODING", key)
            check("~", "PEXPIRETIME", key)
            mode, before, behind = CONTENT[kind]
            asked = [(mode, [*before, key, *behind])]
            if kind == b"stream":
                asked += [("=", ["XINFO", "STREAM", key]), ("=", ["XINFO", "GROUPS", key])]
            for way, words in asked:
                check(way, *words)
            pair.cross(place, key, key)
            check("forms" if pair.forms or key == b"bits" else "=", "OBJECT", "ENCODING", key)
            for way, words in asked:
                check(way, *words)


def attempt(servers, steps, data):
    """What differed, or None."""
    pair = Pair(servers)
    pair.forms = any(words[0] in FORMS and not set(words) & set(KEPT_APART) for _, words in steps)
    try:
        pair.run(steps)
        if data:
            if pair.queued is not None:
                pair.ask("DISCARD")
            compare_data(pair)
    except Differs as differs:
        return differs.args
    finally:
        pair.close()
    return None


def alike_difference(a, b):
    """Whether two attempts found the same kind of difference."""
    return a is not None and str(a[1][1][0]).lower() == str(b[1][1][0]).lower() and (a[2][:12], a[3][:12]) == (b[2][:12], b[3][:12])


def shrink(servers, steps, found):
    """The steps without those that are not needed to see the difference, as far as SHRINK_S allows."""
    deadline = time.monotonic() + SHRINK_S
    data = found[0] == sys.maxsize
    steps = steps[:found[0] + 1]
    size = len(steps) // 2
    while size and time.monotonic() < deadline:
        at = 0
        while at < len(steps) and time.monotonic() < deadline:
            fewer = steps[:at] + steps[at + size:]
            again = attempt(servers, fewer, data)
            if alike_difference(again, found):
                found, steps = again, fewer if data else fewer[:again[0] + 1]
            else:
                at += size
        size = size // 2
    return steps, found


def redis_cli_line(words):
    return " ".join(word if re.fullmatch(r"[\w:.$*+(\[#~=-]+", word) else '"%s"' % "".join(
        c if 32 <= ord(c) < 127 and c not in '"\\' else "\\x%02x" % ord(c) for c in word) for word in map(str, words))


def known(server):
    """The commands, and those within commands, that read or write data."""
    conn = DIFF.Conn(server.port)
    out = set()
    for row in conn.call("COMMAND"):
        for part in row[9] or [row]:
            if {b"write", b"readonly"} & set(part[2]) or {b"@keyspace", b"@write"} & set(part[6]):
                out.add(part[0].decode())
    conn.close()
    return out


def fresh_seed():
    return int(subprocess.check_output([os.path.join(ROOT, "tests", "support", "fresh_seed")])) * 1000


def start():
    # A checkpoint may refuse an EXEC without need (README).
    ours = kvorum_alone(PORTS + 30, scratch("diff-random/kvorum"), "--checkpoint-bytes", "100gb").start()
    wait("a leader of one", lambda: info(ours.port, "raft").get("role") == "leader")
    return [ours, redis(PORTS + 31, scratch("diff-random/redis")).start()]


def main():
    seconds = float(sys.argv[sys.argv.index("--seconds") + 1]) if "--seconds" in sys.argv else 10
    seed, rounds = int(os.environ.get("SEED", 0)) or fresh_seed(), 1 if "SEED" in os.environ else sys.maxsize
    servers = start()
    checks = Checks()
    missing = sorted((known(servers[0]) & known(servers[1])) - set(GENERATORS) - set(LEFT_OUT))
    checks.equal("every command on data that both know is generated", missing, [])
    deadline, done, failed = time.monotonic() + seconds, 0, 0
    while done < rounds and failed < 5 and (not done or time.monotonic() < deadline):
        steps = draw(seed, STEPS)
        found = attempt(servers, steps, True)
        if found:
            failed += 1
            print("# seed %d" % seed)
            steps, found = shrink(servers, steps, found)
            for mode, words in steps[-60:]:
                print("#   %s%s" % ("" if mode == "=" else mode + " ", redis_cli_line(words)[:300]))
            checks.ok("seed %d" % seed, False, "%s: %.300r\n#  kvorum: %s\n#  redis:  %s" % (*found[1], *found[2:]))
            if not all(server.alive() for server in servers):
                checks.ok("the servers live on", False, "one ended: see %s" % servers[0].folder)
                break
        done, seed = done + 1, seed + 1
    checks.ok("%d rounds of %d random steps, the last of seed %d" % (done, STEPS, seed - 1), not failed, "%d differ" % failed)
    checks.finish()


if __name__ == "__main__":
    main()
