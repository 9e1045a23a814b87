"""Commands of the other types: requests a second as in throughput.py; resident memory an element, as in memory.py."""

import itertools
import re
import subprocess

from report import row
from systems import KEYS, VALUE_BYTES, Conn, fill, settled_bytes, start_one, start_redis, swapped, template
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


# name, command and key, one element, how many of them a command takes. A number of twelve digits is the collection's, then the element's.
ELEMENTS = [
    ("list", ["RPUSH", b"list:%012d"], [b"element:%012d"], 10),
    ("set", ["SADD", b"set:%012d"], [b"element:%012d"], 10),
    ("set of integers", ["SADD", b"ints:%012d"], [b"1%011d"], 10),
    ("hash", ["HSET", b"hash:%012d"], [b"field:%012d", "x" * 16], 10),
    ("sorted set", ["ZADD", b"zset:%012d"], [b"1%011d", b"element:%012d"], 10),
    ("stream", ["XADD", b"stream:%012d"], ["*", "field", b"element:%012d"], 1),
]


def grow(port, kind, collections, elements, first=0):
    """Elements `first` to `elements` into each of the collections, whose numbers come from `collections`."""
    _, key, element, at_once = kind
    own = sum(word.count(b"%") for word in element if isinstance(word, bytes))
    request = template(*key, *element * at_once)
    commands = ((c, *[e + i for i in range(at_once) for _ in range(own)]) for e in range(first, elements, at_once) for c in collections)
    with Conn(port, 120) as conn:
        while batch := list(itertools.islice(commands, 500)):
            conn.send(request * len(batch) % tuple(itertools.chain.from_iterable(batch)))
            for _ in batch:
                conn.reply()


def warm(port, writes):
    """Fills what is bounded: the newest entries, the journal's memory, the buffers of an AOF."""
    for _ in range(writes // 10000):
        fill(port, 10000)


def slope(starter, kind, small, large, warming, pause_s):
    """Bytes an element: `small` and `large` are (collections, elements of each); what is between them is measured."""
    system = starter()
    warm(system.port, warming)
    grow(system.port, kind, range(small[0]), small[1])
    few = settled_bytes(system, pause_s)
    grow(system.port, kind, range(small[0], large[0]), large[1])
    grow(system.port, kind, range(small[0]), large[1], first=small[1])
    many = settled_bytes(system, pause_s)
    system.stop()
    return (many - few) / (large[0] * large[1] - small[0] * small[1])


def elements(_, quick):
    """Small: more and more collections of ten elements. Large: one that grows."""
    unit, warming, pause_s = (1000, 10000, 0.1) if quick else (50000, 1000000, 0.5)
    sizes = [("of ten", (unit, 10), (11 * unit, 10)), ("large", (1, 10 * unit), (1, 110 * unit))]
    rows, number = [], 0
    for kind in ELEMENTS:
        for size, small, large in sizes:
            got = {s: slope(s, kind, small, large, warming, pause_s) for s in swapped(number, (start_one, start_redis))}
            ours, theirs, number = got[start_one], got[start_redis], number + 1
            print("  %s %s: %.1f bytes an element beside %.1f" % (kind[0], size, ours, theirs), flush=True)
            rows.append(row("memory an element, %s %s" % (kind[0], size), [ours / theirs], 1.0, 1.0, "less", "", "%.1f bytes" % ours,
                            "%.1f bytes" % theirs))
    return rows
