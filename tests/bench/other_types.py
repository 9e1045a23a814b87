"""Commands of the other types: requests a second as in throughput.py; resident memory an element, as in memory.py."""

import itertools
import re
import statistics
import subprocess

from report import row
from systems import KEYS, VALUE_BYTES, Conn, ask, fill, settled_bytes, start_one, start_redis, swapped, template
from throughput import CLIENTS, ratio_row

PIPELINE = 16
BY_WRITING = "redis.call('SET', KEYS[1], ARGV[1])"
BY_READING = "return redis.call('GET', KEYS[1])"
# name, requests, words. Of a random place redis-benchmark makes twelve digits.
COMMANDS = [
    ("LPUSH", 500000, ["LPUSH", "list:{r}", "{data}"]),
    ("LRANGE of 100", 50000, ["LRANGE", "hundred", "0", "99"]),
    ("LPOP", 500000, ["LPOP", "list:{r}"]),
    ("SADD", 500000, ["SADD", "set", "element:{r}"]),
    ("HSET", 500000, ["HSET", "hash", "field:{r}", "{data}"]),
    ("ZADD", 500000, ["ZADD", "zset", "{r}", "element:{r}"]),
    ("XADD", 300000, ["XADD", "stream", "MAXLEN", "~", "100000", "*", "field", "{data}"]),
    ("EVAL that writes", 200000, ["EVAL", BY_WRITING, "1", "key:{r}", "{data}"]),
    ("EVAL that reads", 300000, ["EVAL", BY_READING, "1", "key:{r}"]),
]


def load(system, requests, words):
    """One run: requests a second, server CPU microseconds a request."""
    words = [word.format(r="__rand_int__", data="x" * VALUE_BYTES) for word in words]
    command = ["redis-benchmark", "-h", "127.0.0.1", "-p", str(system.port), "-n", str(requests), "-P", str(PIPELINE), "-c", str(CLIENTS),
               "-r", str(KEYS), "--csv", *words]
    before = system.cpu_s()
    out = subprocess.run(command, capture_output=True, text=True, timeout=600)
    cpu_s = system.cpu_s() - before
    found = re.findall(r'"([0-9.]+)"', out.stdout.splitlines()[-1] if out.stdout else "")
    if out.returncode or not found or "rror" in out.stderr:
        raise RuntimeError("redis-benchmark failed: %s %s" % (out.stdout[-300:], out.stderr[-300:]))
    return float(found[0]), cpu_s * 1e6 / requests


def hundred(system):
    with Conn(system.port, 30) as conn:
        conn.call("RPUSH", "hundred", *["x" * VALUE_BYTES] * 100)


def types(rounds, quick):
    scale = 0.05 if quick else 1
    taken = {name: [] for name, *_ in COMMANDS}
    for number in range(rounds):
        pair = {}
        for which, starter in swapped(number, [("kvorum", start_one), ("redis", start_redis)]):
            system = starter()
            hundred(system)
            for name, requests, words in COMMANDS:
                pair[name, which] = load(system, max(1000, int(requests * scale)), words)
            system.stop()
        for name in taken:
            taken[name].append((pair[name, "kvorum"], pair[name, "redis"]))
            print("  %s, round %d: %.0f/s beside %.0f/s" % (name, number + 1, pair[name, "kvorum"][0], pair[name, "redis"][0]), flush=True)
    return [ratio_row(("one node, %s, P=%d" % (name, PIPELINE), name, PIPELINE, 0, 0.9, 0.9), taken[name]) for name in taken]


# name, command and key, one element, how many of them a command takes, lines of its reply. A number of twelve digits is the
# collection's, then the element's.
ELEMENTS = [
    ("list", ["RPUSH", b"list:%012d"], [b"element:%012d"], 10, 1),
    ("set", ["SADD", b"set:%012d"], [b"element:%012d"], 10, 1),
    ("set of integers", ["SADD", b"ints:%012d"], [b"1%011d"], 10, 1),
    ("hash", ["HSET", b"hash:%012d"], [b"field:%012d", "x" * 16], 10, 1),
    ("hash of integers", ["HSET", b"hash:%012d"], [b"1%011d", b"1%011d"], 10, 1),
    ("sorted set", ["ZADD", b"zset:%012d"], [b"1%011d", b"element:%012d"], 10, 1),
    ("stream", ["XADD", b"stream:%012d"], ["*", "field", b"element:%012d"], 1, 2),
]
BATCH = 500


def take_lines(conn, owed, leave):
    """Passes over replies that are known but for their numbers, until no more than `leave` of the `owed` lines are to come; how many
    those are. None may be an error."""
    while owed > leave:
        got = conn.file.read1(1 << 20)
        if not got or b"\n-" in got or (got[:1] == b"-" and got[1:2].isalpha()):  # an ID has a digit there
            raise RuntimeError("filling failed: %r" % got[:200])
        owed -= got.count(b"\n")
    return owed


def grow(port, kind, collections, first, elements):
    """Elements `first` to `elements` into each of the collections. One batch is on its way while the next is made."""
    _, key, element, at_once, lines = kind
    own = sum(word.count(b"%") for word in element if isinstance(word, bytes))
    request = template(*key, *element * at_once)
    commands = ((c, *[e + i for i in range(at_once) for _ in range(own)]) for e in range(first, elements, at_once) for c in collections)
    with Conn(port, 120) as conn:
        owed = 0
        while batch := list(itertools.islice(commands, BATCH)):
            conn.send(request * len(batch) % tuple(itertools.chain.from_iterable(batch)))
            owed = take_lines(conn, owed + lines * len(batch), lines * len(batch))
        take_lines(conn, owed, 0)


def warm(port, writes):
    """Fills what is bounded: the newest entries, the journal's memory, the buffers of an AOF."""
    for _ in range(writes // 10000):
        fill(port, 10000)


def needed_bytes(system, pause_s):
    """Resident memory without what the allocators would give back within ten seconds."""
    ask(system.port, "MEMORY", "PURGE", timeout=60)
    return settled_bytes(system, pause_s)


def cost(starter, kind, before, measured, warming, pause_s):
    """Bytes an element of what `measured` adds to `before`. Both are (collections, from which element, up to which)."""
    system = starter()
    warm(system.port, warming)
    grow(system.port, kind, *before)
    few = needed_bytes(system, pause_s)
    grow(system.port, kind, *measured)
    many = needed_bytes(system, pause_s)
    system.stop()
    return (many - few) / (len(measured[0]) * (measured[2] - measured[1]))


def elements(rounds, quick):
    """Of ten: more and more collections. Large: one that grows."""
    unit, warming, pause_s = (1000, 10000, 0.1) if quick else (50000, 1000000, 0.5)
    sizes = [("of ten", (range(unit), 0, 10), (range(unit, 11 * unit), 0, 10)), ("large", ([0], 0, 10 * unit), ([0], 10 * unit, 110 * unit))]
    taken, rows = {}, []
    for number in range(min(rounds, 3)):
        for kind, (size, before, measured) in itertools.product(ELEMENTS, sizes):
            got = {s: cost(s, kind, before, measured, warming, pause_s) for s in swapped(number, (start_one, start_redis))}
            taken.setdefault((kind[0], size), []).append((got[start_one], got[start_redis]))
            print("  %s %s, round %d: %.2f bytes an element beside %.2f" % (kind[0], size, number + 1, got[start_one], got[start_redis]), flush=True)
    for (name, size), pairs in taken.items():
        ours, theirs = (statistics.median(side) for side in zip(*pairs))
        rows.append(row("memory an element, %s %s" % (name, size), [a / b for a, b in pairs], 1.0, 1.0, "less", "", "%.1f bytes" % ours,
                        "%.1f bytes" % theirs))
    return rows
