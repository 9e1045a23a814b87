#!/usr/bin/python3
"""Disks that fail under real servers: errors of every call, an fsync that hangs, a disk that fills up. A process whose disk
fails ends at once and says so, never tries again, and has lost nothing that was answered when it is started anew; a leader
whose disk hangs or fills gives its office to another."""
# time limit: 240 s

import os
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "support")]
import badfs  # noqa: E402
from clients import Load, settled  # noqa: E402
from servers import Checks, Cluster, Conn, RespError, ask, info, scratch, wait  # noqa: E402

ELECTION_MS = 500
ARGS = ("--enable-debug-command", "yes", "--election-timeout", str(ELECTION_MS))

# What fails, in which file, from which call on, and what happens: "ends" (the process, by itself, with a line that holds the
# word) or "goes on".
FAULTS = [
    ("fsync of the journal fails", badfs.EIO, badfs.SYNC, "/journal-", 20, "ends", "Input/output error"),
    ("write of the journal fails", badfs.EIO, badfs.WRITE, ".log", 20, "ends", "Input/output error"),
    ("no space for the journal", badfs.ENOSPC, badfs.WRITE, ".log", 20, "ends", "No space left"),
    ("short writes of the journal", badfs.SHORT, badfs.WRITE, ".log", 20, "goes on", ""),
    ("write of the mark fails", badfs.EIO, badfs.WRITE, "/vote", 20, "ends", "Input/output error"),
    ("the mark's write falls short", badfs.SHORT, badfs.WRITE, "/vote", 20, "ends", "short write"),
    ("fsync of the vote file fails", badfs.EIO, badfs.SYNC, "/vote", 1, "ends", "Input/output error"),
    ("a snapshot's write fails", badfs.EIO, badfs.WRITE, "/snapshot.tmp", 1, "ends", "Input/output error"),
    ("a snapshot's fsync fails", badfs.EIO, badfs.SYNC, "/snapshot.tmp", 1, "ends", "Input/output error"),
    ("no space for a snapshot", badfs.ENOSPC, badfs.WRITE, "/snapshot.tmp", 1, "goes on", "No space left"),
    ("a snapshot's rename fails", badfs.EIO, badfs.RENAME, "/snapshot-", 1, "ends", "Input/output error"),
    ("files cannot be removed", badfs.EIO, badfs.UNLINK, "", 1, "goes on", ""),
]


def log_of(node, since=0):
    with open(os.path.join(node.folder, "log"), errors="replace") as f:
        f.seek(since)
        return f.read()


def log_end(node):
    return os.path.getsize(os.path.join(node.folder, "log"))


class Disks:
    """A cluster whose nodes run on badfs, each with rules of its own."""

    def __init__(self, name):
        folder = scratch("fault/" + name)
        self.cluster = Cluster(folder, args=ARGS)
        self.controls = {}
        for node in self.cluster.nodes:
            self.controls[node] = badfs.Control(os.path.join(folder, os.path.basename(node.folder) + ".badfs"), node.folder)
            node.env = self.controls[node].env()
        self.cluster.start()
        self.ports = [node.port for node in self.cluster.nodes]


def one_fault(disks, node, fault):
    name, action, calls, path, first, fate, word = fault
    cluster, control = disks.cluster, disks.controls[node]
    load = Load(disks.ports, count=3, keys=2, prefix=name.replace(" ", "-") + str(node.port)).start()
    wait("some load", lambda: load.acknowledged > 50)
    before, pid = log_end(node), node.pid
    control.rule(0, action, calls, path, first)
    deadline = time.monotonic() + 15
    while time.monotonic() < deadline and not (control.fired(0) and (fate == "goes on" or not node.alive())):
        time.sleep(0.05)
        if node.alive() and ("snapshot" in path or calls == badfs.UNLINK):
            try:
                ask(node.port, "SAVE", timeout=3)
            except (OSError, RespError):
                pass
    if fate == "goes on":
        time.sleep(0.3)
    fired = control.lift(0)
    if not fired:
        raise AssertionError("it never struck")
    if fate == "ends":
        if node.alive():
            raise AssertionError("the process lives on")
        if node.process.returncode <= 0:
            raise AssertionError("it ended with status %d" % node.process.returncode)
        if fired > 3:  # writer, reader and a last word, not a retry
            raise AssertionError("it was tried %d times" % fired)
        if word not in log_of(node, before):
            raise AssertionError("it says %r" % log_of(node, before)[-200:])
        wait("load to go on without it", lambda now=load.acknowledged: load.acknowledged > now + 20)
        node.start()
    elif not node.alive() or node.pid != pid:
        raise AssertionError("the process ended: %s" % log_of(node, before)[-200:])
    elif word not in log_of(node, before):
        raise AssertionError("it says %r" % log_of(node, before)[-200:])
    wait("load to go on", lambda now=load.acknowledged: load.acknowledged > now + 50)
    load.stop()
    if load.error():
        raise AssertionError(load.error())
    load.judge(cluster.wait_leader().port)
    digests = settled(cluster.nodes)
    if len(digests) != 1:
        raise AssertionError("they differ: %r" % digests)
    return fired


def errors(checks, disks):
    fired = 0
    for i, fault in enumerate(FAULTS):
        leads = i % 2 == 0
        try:
            leader = disks.cluster.wait_leader()
            node = leader if leads else disks.cluster.followers()[0]
            fired += one_fault(disks, node, fault)
            checks.ok("%s, on a %s: it %s" % (fault[0], "leader" if leads else "follower", fault[5]), True)
        except Exception as error:
            checks.ok("%s, on a %s: it %s" % (fault[0], "leader" if leads else "follower", fault[5]), False, error)
            for node in disks.cluster.nodes:
                disks.controls[node].lift(0)
                if not node.alive():
                    node.start()
    print("# errors struck %d times" % fired)


# ---- an fsync that hangs ----------------------------------------------------------------------------------------

def hung(checks, disks, leads):
    cluster = disks.cluster
    leader = cluster.wait_leader()
    node = leader if leads else cluster.followers()[0]
    what = "the leader" if leads else "a follower"
    load = Load(disks.ports, count=3, keys=2, prefix="hung%d" % leads).start()
    wait("some load", lambda: load.acknowledged > 50)
    begun, then = time.monotonic(), load.acknowledged
    disks.controls[node].rule(0, badfs.HANG, badfs.SYNC, "/journal-", ms=60000)
    if leads:
        wait("another leader", lambda: any(info(n.port, "raft").get("role") == "leader" for n in cluster.nodes if n is not node))
        took_ms = (time.monotonic() - begun) * 1000
        checks.ok("leadership leaves a node whose fsync hangs within three election timeouts", took_ms < 3 * ELECTION_MS,
                  "%d ms" % took_ms)
    else:
        time.sleep(1.0)
        checks.equal("a follower whose fsync hangs moves nobody", cluster.leader(), leader)
    checks.run("writes go on while the fsync of %s hangs" % what, wait, "writes", lambda: load.acknowledged > then + 200, 20)
    struck = disks.controls[node].lift(0)
    checks.ok("it hung", struck > 0)
    checks.run("then it catches up", wait, "it", lambda: info(node.port, "raft").get("role") in ("leader", "follower"))
    load.stop()
    checks.ok("no write failed", not load.error(), load.error())
    checks.run("nothing is lost", load.judge, cluster.wait_leader().port)
    checks.equal("all are equal", len(settled(cluster.nodes)), 1)
    checks.ok("it is the same process", node.alive())


# ---- a disk that fills up ---------------------------------------------------------------------------------------

class Writer(threading.Thread):
    """Sets keys of its own, one after the other, wherever the leader is."""

    def __init__(self, cluster):
        super().__init__(daemon=True)
        self.cluster, self.ending, self.refused, self.acked, self.other = cluster, False, 0, [], []

    def run(self):
        conn, i = None, 0
        while not self.ending:
            i += 1
            try:
                conn = conn or Conn(self.cluster.wait_leader().port, 3)
                if conn.call("SET", "w:%d" % i, i) == b"OK":
                    self.acked.append(i)
            except RespError as error:
                if "disk is almost full" in str(error):
                    self.refused += 1
                else:
                    self.other.append(str(error))
                conn.close()
                conn = None
            except (OSError, TimeoutError):
                conn = None
            time.sleep(0.002)


def mounted(folder, megabytes):
    os.makedirs(folder, exist_ok=True)
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=%dm" % megabytes, "kvorum-test", folder],
                          capture_output=True, text=True)
    return done.returncode == 0


def ballast(node, megabytes):
    path = os.path.join(node.folder, "ballast")
    if not megabytes:
        os.unlink(path)
        return
    with open(path, "wb") as f:
        os.posix_fallocate(f.fileno(), 0, megabytes << 20)


def full(checks):
    folder = scratch("fault/full")
    cluster = Cluster(folder, args=ARGS + ("--disk-reserve", "24mb", "--checkpoint-bytes", "1gb"))
    held = []
    try:
        for node in cluster.nodes:
            if not mounted(node.folder, 64):
                print("ok a disk that fills up # SKIP mount is not allowed here")
                return
            held.append(node.folder)
        cluster.start()
        fill(checks, cluster)
    finally:
        cluster.kill()
        for path in held:
            subprocess.run(["umount", "-l", path])


def leads(cluster, but=None):
    leader = cluster.leader()
    return leader if leader is not but else None


def fill(checks, cluster):
    pids = [node.pid for node in cluster.nodes]
    writer = Writer(cluster)
    writer.start()
    first = cluster.wait_leader()
    wait("writes", lambda: len(writer.acked) > 50)
    begun = time.monotonic()
    ballast(first, 45)
    second = wait("another leader", lambda: leads(cluster, first), 20)
    took_ms = (time.monotonic() - begun) * 1000
    checks.ok("a leader whose disk is almost full hands over", took_ms < 3 * ELECTION_MS, "%d ms" % took_ms)
    checks.run("writes go on", wait, "writes", lambda now=len(writer.acked): len(writer.acked) > now + 100)
    # The one with room goes away and comes back: whoever leads then, it ends with one that has room.
    second.kill()
    third = next(node for node in cluster.nodes if node not in (first, second))
    checks.run("the office goes to the other with room", wait, "the third", lambda: leads(cluster) is third, 20)
    second.start()
    pids[cluster.nodes.index(second)] = second.pid
    for node in (second, third):
        ballast(node, 45)
    checks.run("all disks almost full: writes are refused", wait, "refusals",
               lambda now=writer.refused: writer.refused > now + 5 and not taken(writer), 20)
    leader = cluster.wait_leader()
    checks.equal("reads go on", ask(leader.port, "GET", "w:%d" % writer.acked[0]), b"%d" % writer.acked[0])
    for node in cluster.nodes:
        ballast(node, 0)
    checks.run("with room again writes are taken", wait, "writes", lambda now=len(writer.acked): len(writer.acked) > now + 50, 20)
    checks.equal("nothing was started anew for it", [node.pid if node.alive() else 0 for node in cluster.nodes], pids)
    writer.ending = True
    writer.join()
    checks.ok("no other refusal came than that", not [e for e in writer.other if not e.startswith(("MOVED", "CLUSTERDOWN", "MAYBE"))],
              writer.other[:3])
    by_writes(checks, cluster, pids)
    with Conn(cluster.wait_leader().port) as conn:
        lost = [i for i in writer.acked if conn.call("GET", "w:%d" % i) != b"%d" % i]
    checks.ok("all %d answered writes are there" % len(writer.acked), not lost, lost[:5])
    checks.equal("all are equal", len(settled(cluster.nodes)), 1)


def taken(writer):
    now = len(writer.acked)
    time.sleep(0.3)
    return len(writer.acked) > now


def by_writes(checks, cluster, pids):
    """Filled by the cluster's own journal this time."""
    value, refusal = b"x" * (256 << 10), None
    for i in range(400):
        try:
            ask(cluster.wait_leader().port, "SET", "big", value)
        except RespError as error:
            if "disk is almost full" in str(error):
                refusal = str(error)
                if all("writes are refused" in log_of(node)[-4000:] for node in cluster.nodes):
                    break
            time.sleep(0.05)
    checks.ok("a journal that fills the disks is refused more before they are full", refusal and i > 20, i)
    checks.equal("and all live", [node.pid if node.alive() else 0 for node in cluster.nodes], pids)
    for node in cluster.nodes:
        subprocess.run(["mount", "-o", "remount,size=160m", node.folder], check=True)
    checks.run("a bigger disk: writes are taken", wait, "a write",
               lambda: answered(cluster, "SET", "big", "small") == b"OK", 20)


def answered(cluster, *words):
    try:
        return ask(cluster.wait_leader().port, *words)
    except (OSError, RespError):
        return None


def main():
    checks, only = Checks(), sys.argv[1:]
    if not only or "errors" in only:
        disks = Disks("disk")
        errors(checks, disks)
        hung(checks, disks, True)
        hung(checks, disks, False)
        disks.cluster.stop()
    if not only or "full" in only:
        full(checks)
    checks.finish()


if __name__ == "__main__":
    main()
