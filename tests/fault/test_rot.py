#!/usr/bin/python3
"""Rotten disks in a cluster whose other disks are sound: a follower that finds a flipped bit comes back whole; two nodes of
which one has lost answered entries elect nobody without the third; a leader whose files rot while it runs spreads nothing."""
# time limit: 300 s

import glob
import os
import random
import re
import shutil
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "support")]
from alone import room  # noqa: E402
from clients import Load, settled  # noqa: E402
from servers import Checks, Cluster, Conn, RespError, ask, info, wait  # noqa: E402

ARGS = ("--enable-debug-command", "yes", "--election-timeout", "400", "--checkpoint-bytes", "1gb")
# File, and whether the node has to say that it noticed. (A byte that nothing depends on may be any, as a table's that lies
# below the snapshot, and the manifest's record of it.)
FILES = [("vote", True), ("snapshot-*.rdb", True), ("journal-*/*.sst", False), ("journal-*/*.log", True),
         ("journal-*/MANIFEST-*", False), ("journal-*/CURRENT", True)]
BIG, BYTES = 200, 140000  # 80 MiB in all
NOTICED = re.compile(r"damaged|orruption|cannot be|shorter than|was promised|checksum")


def log_since(node, since):
    with open(os.path.join(node.folder, "log"), errors="replace") as f:
        f.seek(since)
        return f.read()


def newest(node, pattern):
    found = glob.glob(os.path.join(node.folder, pattern))
    return max((f for f in found if os.path.getsize(f)), key=os.path.getmtime, default=None)


def flip(path, at, rng):
    with open(path, "r+b") as f:
        f.seek(at)
        old = f.read(1)[0]
        f.seek(at)
        f.write(bytes([old ^ 1 << rng.randrange(8)]))


def written(path):
    """How long it is without the zeroes that a WAL has ahead."""
    with open(path, "rb") as f:
        return len(f.read().rstrip(b"\0"))


def place(path, rng):
    """Not in what is unused: past the front of a sector of the vote file, or the end of a log."""
    size = written(path)
    return 16 + rng.randrange(40) if path.endswith("vote") else rng.randrange(size * 3 // 4)


def save(node):
    try:
        return ask(node.port, "SAVE", timeout=10) == b"OK"
    except (OSError, RespError):
        return False


def rotten_follower(checks, cluster, load, pattern, loud, rng):
    follower = rng.choice(cluster.followers())
    wait("a snapshot", lambda: save(follower))
    wait("more load", lambda now=load.acknowledged: load.acknowledged > now + 200)
    follower.stop() if "sst" in pattern else follower.kill()
    if "sst" in pattern:  # what was in memory goes to a file when it starts
        follower.start()
        wait("it to follow", lambda: info(follower.port, "raft").get("leader_id"))
        follower.kill()
    path, since = newest(follower, pattern), os.path.getsize(os.path.join(follower.folder, "log"))
    at = place(path, rng)
    flip(path, at, rng)
    what = "%s:%d" % (os.path.basename(path), at)
    follower.start()
    leader = cluster.wait_leader()
    wait("it to hold what the leader holds", lambda: caught_up(follower, leader), 20)
    said = NOTICED.search(log_since(follower, since))
    checks.ok("a bit of a follower's %s is flipped: it notices, and comes back whole" % pattern, said or not loud, what)


def caught_up(node, leader):
    mine, theirs = info(node.port, "raft"), info(leader.port, "raft")
    return mine.get("short_log") == "0" and int(mine.get("applied_index", 0)) + 100 > int(theirs.get("applied_index", 10**9))


def followers(checks, cluster, seed):
    rng = random.Random(seed)
    load = Load([node.port for node in cluster.nodes], count=3, keys=2, prefix="rot").start()
    for pattern, loud in FILES:
        try:
            rotten_follower(checks, cluster, load, pattern, loud, rng)
        except Exception as error:
            checks.ok("a bit of a follower's %s is flipped: it notices, and comes back whole" % pattern, False,
                      "%s: %s" % (type(error).__name__, error))
            for node in cluster.nodes:
                if not node.alive():
                    node.start()
    load.stop()
    checks.ok("no write failed meanwhile", not load.error(), load.error())
    checks.run("nothing is lost", load.judge, cluster.wait_leader().port)
    checks.equal("all are equal", len(settled(cluster.nodes)), 1)


def leads(cluster, seconds):
    """Somebody serves within so long."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if cluster.leader():
            return True
        time.sleep(0.05)
    return False


def rotten_voter(checks, cluster, seed):
    """A write is on two of three; of these one is down, and the other has lost it."""
    rng = random.Random(seed)
    leader = cluster.wait_leader()
    absent, rotten = cluster.followers()
    absent.kill()
    with Conn(leader.port) as conn:
        for i in range(300):
            conn.call("SET", "two-of-three:%d" % i, i)
    leader.kill()
    rotten.kill()
    wal = newest(rotten, "journal-*/*.log")
    flip(wal, written(wal) * 2 // 3 - rng.randrange(200), rng)
    absent.start(0)
    rotten.start(0)
    checks.ok("a node that lacks entries and one that lost them elect nobody", not leads(cluster, 3.0))
    leader.start(0)
    checks.run("with the third they do", cluster.wait_leader)
    with Conn(cluster.wait_leader().port) as conn:
        got = [conn.call("GET", "two-of-three:%d" % i) for i in range(300)]
    checks.equal("and nothing is lost", got, [b"%d" % i for i in range(300)])
    checks.run("the rotten one is whole again", wait, "it", lambda: info(rotten.port, "raft").get("short_log") == "0")
    checks.equal("all are equal", len(settled(cluster.nodes)), 1)


def rotten_leader(checks, cluster, seed):
    """Its tables on disk rot while it runs, and a follower asks for what lies there: more than is held in memory too."""
    rng = random.Random(seed)
    late = cluster.followers()[0]
    late.kill()
    leader = cluster.wait_leader()
    with Conn(leader.port, 30) as conn:
        for i in range(BIG):
            conn.call("SET", "big:%d" % i, b"%03d" % i * BYTES)
    tables = [f for f in glob.glob(os.path.join(leader.folder, "journal-*", "*.sst")) if os.path.getsize(f) > 1 << 20]
    if not checks.ok("the journal has tables on disk", tables):
        return
    for path in tables:
        for _ in range(20):
            flip(path, rng.randrange(os.path.getsize(path)), rng)
    late.start(0)
    end = time.monotonic() + 100
    restarted = 0
    while time.monotonic() < end and not even(cluster):
        for node in cluster.nodes:
            if not node.alive():
                if not checks.ok("a node that cannot read its journal ends by itself", node.process.returncode == 1,
                                 node.process.returncode):
                    return
                restarted += 1
                node.start()
        time.sleep(0.2)
    noticed = NOTICED.search(log_since(leader, 0)[-20000:])
    checks.ok("a leader whose tables rot notices", noticed and restarted, "nothing was said")
    with Conn(cluster.wait_leader().port, 30) as conn:
        wrong = [i for i in range(BIG) if conn.call("GET", "big:%d" % i) != b"%03d" % i * BYTES]
    checks.ok("no changed byte is served", not wrong, wrong)
    checks.equal("none is spread: all are equal", len(settled(cluster.nodes, 60)), 1)


def even(cluster):
    """All live and have applied the same."""
    applied = {info(node.port, "raft").get("applied_index") if node.alive() else None for node in cluster.nodes}
    return len(applied) == 1 and applied.pop()


# --prove: eight rounds, each of another seed.
def main():
    checks, rounds = Checks(), 8 if "--prove" in sys.argv else 1
    for seed in range(1, rounds + 1):
        folder = room("rot")
        cluster = Cluster(folder, args=ARGS).start()
        followers(checks, cluster, seed)
        rotten_voter(checks, cluster, seed)
        if rounds > 1:  # 80 MiB to two followers: not for a busy moment
            rotten_leader(checks, cluster, seed)
        cluster.stop()
        if not checks.failed:
            shutil.rmtree(folder)
    print("rot: rounds=%d failed=%d" % (rounds, checks.failed))
    checks.finish()


if __name__ == "__main__":
    main()
